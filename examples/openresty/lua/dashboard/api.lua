--- The answers of /api/: JSON, and errors as HTTP statuses.

local check = require "dashboard.check"
local client = require "dashboard.client"
local failure = require "dashboard.failure"
local json = require "dashboard.json"
local query = require "dashboard.query"

local MAX_BACKUPS, MAX_CLUSTERS = 50, 25 -- what one page of the service may hold

local api = {}

local function answer(status, text)
  ngx.status = status
  ngx.header.content_type = "application/json"
  ngx.header.content_length = #text
  if ngx.req.get_method() ~= "HEAD" then
    ngx.print(text)
  end
end

local function refuse(err)
  ngx.log(ngx.WARN, tostring(err))
  answer(failure.status(err), json.encode("ErrorResponse", failure.body(err)))
end

local function serve_list(operation, most, shape, member, shown)
  local read, err = query.read(ngx.req.get_uri_args(), most)
  if not read then
    return refuse(err)
  end
  local items, token
  items, err, token = client.list(operation, { Filters = query.filters(read) }, {
    page_size = read.limit,
    max_items = read.limit,
    starting_token = read.token,
  })
  if not items then
    return refuse(err)
  end
  local page = { [member] = {}, NextToken = token }
  for i, item in ipairs(items) do
    page[member][i] = shown(item)
  end
  answer(200, json.encode(shape, page))
end

--- GET /api/backups?limit=&token=&state=&cluster=
function api.backups()
  serve_list("describe_backups", MAX_BACKUPS, "BackupsResponse", "Backups", json.backup)
end

--- GET /api/clusters?limit=&token=&state=&cluster=
function api.clusters()
  serve_list("describe_clusters", MAX_CLUSTERS, "ClustersResponse", "Clusters", json.cluster)
end

--- GET /api/summary: the latest check, a new one when that is more than a minute old.
function api.summary()
  local text, err = check.current()
  if not text then
    return refuse(err)
  end
  answer(200, text)
end

return api
