--- Whether and when a failed attempt is followed by another.
-- @module cloudhsmv2.retry

local retry = {}

local methods = {}
local metatable = { __name = "cloudhsmv2.retry", __index = methods }

--- Decides after an attempt that failed and that may be repeated without harm.
-- This version sends every request once, whatever became of it.
-- @tparam table context `attempt`, the number of the one that failed, and `err`, its error object
-- @treturn number|nil seconds to wait before the next attempt; nil: there is none
function methods:decide(context) -- luacheck: no unused args
  return nil
end

--- Makes the policy of one client.
-- @treturn table the policy
function retry.new()
  return setmetatable({}, metatable)
end

return retry
