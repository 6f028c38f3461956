--- The client of this worker: made at the first call, then shared by all requests and timers.

local cloudhsmv2 = require "cloudhsmv2"
local counters = require "dashboard.counters"

local DEFAULT_TIMEOUT = 10 -- seconds for a call with its repeats; a page waits for the answer

local client = {}

local current

local function count(event)
  if event.type == "request" then
    counters.add("calls", event.operation)
  elseif event.type == "error" then
    counters.add("errors", event.operation, event.kind, event.code or "")
  end
end

local function timeout()
  local seconds = tonumber(os.getenv "API_TIMEOUT_SECONDS" or "")
  return seconds and seconds > 0 and seconds < math.huge and seconds or DEFAULT_TIMEOUT
end

--- @treturn table|nil the client
-- @treturn table the error object, when the settings are not good
function client.get()
  if not current then
    local made, err = cloudhsmv2.new { timeout = timeout(), on_event = count }
    if not made then
      return nil, err
    end
    current = made
  end
  return current
end

--- A part of a list, from `token` on.
-- @tparam string operation `"describe_backups"` or `"describe_clusters"`
-- @tparam table params
-- @tparam table options `page_size`, and perhaps `max_items` and `starting_token`
-- @treturn table|nil items
-- @treturn table|nil the error object
-- @treturn string|nil the token of what follows
function client.list(operation, params, options)
  local api, err = client.get()
  if not api then
    return nil, err
  end
  local pages
  pages, err = api:paginator(operation, params, options)
  if not pages then
    return nil, err
  end
  local items, token
  items, err, token = pages:collect()
  if err then
    return nil, err
  end
  return items, nil, token
end

--- The region that is asked, or "" while nothing was asked.
function client.region()
  return current and current.region or ""
end

return client
