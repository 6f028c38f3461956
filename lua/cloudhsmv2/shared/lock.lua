--- A lock that all workers of one nginx see.
--
-- It expires by itself, so a worker that died cannot hold it, and who held it too long finds that it is another's by then and
-- leaves it alone.
--
-- @module cloudhsmv2.shared.lock

local core = require "cloudhsmv2.core"
local zone = require "cloudhsmv2.shared.zone"

local PREFIX = "cloudhsmv2:lock:"
local MARGIN = 0.05 -- of a lock's life: that near to its end it is left to expire

local lock = {}

--- Takes the lock if nobody has it.
-- @tparam table here the memory, of `zone.open`
-- @tparam string key
-- @tparam number life seconds after which it is no longer held
-- @treturn[1] table what `lock.release` takes
-- @treturn[2] nil
-- @treturn[2] string `"exists"`: another has it; else why the memory cannot hold a lock
function lock.take(here, key, life)
  local held = { key = PREFIX .. key, token = core.uuid(), safe_until = zone.time(here) + life * (1 - MARGIN) }
  local added, problem = here.dict:add(held.key, held.token, life)
  if added then
    return held
  end
  return nil, problem
end

--- Gives the lock back, if it is still one's own.
-- A look and a deletion are two steps: near the lock's end, another could take it in between, so then nothing is deleted.
-- @tparam table here
-- @tparam table held
function lock.release(here, held)
  if zone.time(here) < held.safe_until and here.dict:get(held.key) == held.token then
    here.dict:delete(held.key)
  end
end

return lock
