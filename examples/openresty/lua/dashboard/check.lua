--- The hourly check of backup age. Its result is kept for all workers; the page and /metrics show it.

local client = require "dashboard.client"
local counters = require "dashboard.counters"
local json = require "dashboard.json"
local summary = require "dashboard.summary"

local HOUR = 3600 -- seconds
local FRESH = 60 -- seconds for which the page is content with the latest check
local DEFAULT_LIMIT = 36 -- hours: the service makes a backup at least every 24
local LOCK_TIME = 60 -- seconds after which another worker may check, should one have died at it
local POLL = 0.05 -- seconds

local RESULT, LOCK = "dashboard:result", "dashboard:lock"

local check = {}

local function dictionary()
  return ngx.shared.cloudhsmv2
end

local function limit_hours()
  local hours = tonumber(os.getenv "BACKUP_AGE_LIMIT_HOURS" or "")
  return hours and hours > 0 and hours < math.huge and hours or DEFAULT_LIMIT
end

local function warn(found)
  for _, lane in ipairs(found.Lanes) do
    if lane.Stale then
      local age = lane.NewestReady
          and string.format(
            "is %.1f hours old, more than %g",
            (found.CheckedAt - lane.NewestReady) / HOUR,
            found.LimitHours
          )
        or "does not exist"
      ngx.log(ngx.WARN, "the newest READY backup of ", lane.ClusterId, " ", age)
    end
  end
end

local function gather()
  local backups, clusters, err
  backups, err = client.list("describe_backups", {}, { page_size = 50 })
  if not backups then
    return nil, err
  end
  clusters, err = client.list("describe_clusters", {}, { page_size = 25 })
  if not clusters then
    return nil, err
  end
  ngx.update_time()
  return summary.of(backups, clusters, { now = ngx.now(), limit_hours = limit_hours(), region = client.region() })
end

--- Looks at everything now, and keeps what it found.
-- @treturn string|nil the summary as JSON
-- @treturn table the error object
function check.run()
  counters.add "checks"
  local found, err = gather()
  if not found then
    counters.add "check_failures"
    return nil, err
  end
  warn(found)
  local text = json.encode("SummaryResponse", found)
  local kept, reason = dictionary():set(RESULT, text)
  if not kept then
    ngx.log(ngx.ERR, "lua_shared_dict cloudhsmv2 is too small for the check: ", reason)
  end
  return text
end

--- What the latest check found.
-- @treturn table|nil the summary
-- @treturn string|nil the same as JSON
function check.latest()
  local text = dictionary():get(RESULT)
  if text then
    return json.decode("SummaryResponse", text), text
  end
end

local function fresh()
  local found, text = check.latest()
  return found and ngx.now() - found.CheckedAt < FRESH and text or nil
end

--- The latest check if it is fresh, else a new one: only one worker looks, the others wait for it.
-- @treturn string|nil the summary as JSON
-- @treturn table the error object
function check.current()
  local deadline = ngx.now() + LOCK_TIME
  while ngx.now() < deadline do
    local text = fresh()
    if text then
      return text
    elseif dictionary():add(LOCK, true, LOCK_TIME) then
      local err
      text, err = check.run()
      dictionary():delete(LOCK)
      return text, err
    end
    ngx.sleep(POLL)
  end
  return check.run()
end

local function on_timer(premature)
  if premature then
    return
  end
  local text, err = check.run()
  if not text then
    ngx.log(ngx.ERR, "the check of backup age failed: ", tostring(err))
  end
end

--- Checks now and every hour, in one worker. For `init_worker_by_lua`.
function check.start()
  if ngx.worker.id() == 0 then
    assert(ngx.timer.at(0, on_timer))
    assert(ngx.timer.every(HOUR, on_timer))
  end
end

return check
