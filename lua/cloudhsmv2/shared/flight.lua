--- One worker does the work, the others wait for what it stores.
-- @module cloudhsmv2.shared.flight

local core = require "cloudhsmv2.core"
local lock = require "cloudhsmv2.shared.lock"
local protected = require "cloudhsmv2.protected"
local scheduler = require "cloudhsmv2.runtime.scheduler"
local zone = require "cloudhsmv2.shared.zone"

local FIRST_DELAY = 0.005 -- seconds between looks
local MAX_DELAY = 0.25
local GROWTH = 1.5

local flight = {}

-- Whether it slept: some phases of nginx cannot, and say so by raising; where C code called Lua, nginx must not even be asked.
local function sleep(here, seconds)
  return scheduler.can_yield() and (pcall(here.ngx.sleep, seconds))
end

-- Ends the flight of `held`, and hands on what the work returned or raised.
local function land(here, held, ok, ...)
  lock.release(here, held)
  if not ok then
    error((...), 0)
  end
  return true, ...
end

--- Does some work if no other worker is at it.
-- @tparam table here the memory, of `zone.open`
-- @tparam string key of the work
-- @tparam number life seconds that the work may take before another worker does it, too
-- @tparam function work may yield
-- @treturn[1] boolean true, and what `work` returned
-- @treturn[2] boolean false
-- @treturn[2] string `"exists"`: another worker is at it; else why the memory cannot hold a lock
function flight.try(here, key, life, work)
  local held, problem = lock.take(here, key, life)
  if not held then
    return false, problem
  end
  return land(here, held, protected.call(work))
end

--- Does some work, or waits until another worker has done it. Waiters look with growing delays, which jitter keeps apart.
-- @tparam table here
-- @tparam string key
-- @tparam table options `life` (see `flight.try`), `wait` (most seconds to wait), `look` (a function: what another worker
-- stored, or nil), `work`
-- @treturn[1] boolean true, and what `look` or `work` returned
-- @treturn[2] boolean false: it took too long, this phase of nginx cannot wait, or the memory is full
function flight.run(here, key, options)
  local deadline = zone.time(here) + options.wait
  local delay = FIRST_DELAY
  local function look_again_and_work()
    local found, err = options.look() -- it may have been stored between our look and our lock
    if found ~= nil or err ~= nil then
      return found, err
    end
    return options.work()
  end
  while true do
    local done, value, err = flight.try(here, key, options.life, look_again_and_work)
    if done then
      return true, value, err
    elseif value ~= "exists" then
      return false
    end
    local left = deadline - zone.time(here)
    if left <= 0 or not sleep(here, math.min(left, delay * (0.5 + core.random() / 2))) then
      return false
    end
    delay = math.min(delay * GROWTH, MAX_DELAY)
    value, err = options.look()
    if value ~= nil or err ~= nil then
      return true, value, err
    end
  end
end

return flight
