--- The query of a request, checked: ?limit=&token=&state=&cluster=

local errors = require "cloudhsmv2.errors"

local query = {}

local KNOWN = { limit = true, token = true, state = true, cluster = true }
local MAX_VALUE = 1024 -- bytes; the longest is a token

local function invalid(...)
  return nil, errors.new { kind = "validation", code = "InvalidQuery", message = string.format(...) }
end

local function check(arguments)
  for name, value in pairs(arguments) do
    if not KNOWN[name] then
      return invalid "the query knows limit, token, state and cluster"
    elseif type(value) ~= "string" or #value > MAX_VALUE then
      return invalid("%s: give it once, with a value", name)
    end
  end
  return true
end

--- @tparam table arguments as of `ngx.req.get_uri_args`
-- @tparam integer most the largest page
-- @treturn table|nil `limit`, and perhaps `token`, `state` and `cluster`
-- @treturn table the error object
function query.read(arguments, most)
  local ok, err = check(arguments)
  if not ok then
    return nil, err
  end
  local function text(name)
    return arguments[name] ~= "" and arguments[name] or nil
  end
  local state, cluster = text "state", text "cluster"
  local limit = text "limit" and (arguments.limit:find "^%d%d?$" and tonumber(arguments.limit) or 0) or most
  if limit < 1 or limit > most then
    return invalid("limit: a whole number from 1 to %d", most)
  elseif state and not state:find "^[A-Z_]+$" then
    return invalid "state: capital letters and underscores, as READY"
  elseif cluster and not cluster:find "^cluster%-[2-7a-zA-Z]+$" then
    return invalid "cluster: an id, as cluster-2a3b4c5d6e7"
  end
  return { limit = limit, token = text "token", state = state, cluster = cluster }
end

--- The filters of DescribeBackups and DescribeClusters: both have these two names.
function query.filters(read)
  return {
    states = read.state and { read.state } or nil,
    clusterIds = read.cluster and { read.cluster } or nil,
  }
end

return query
