--- What a client may spend on retries, so that an outage is not made worse by everybody's repetitions.
-- Source: AWS SDKs and Tools Reference Guide, "Retry behavior", the retry quota of standard mode.
-- @module cloudhsmv2.retry.quota

local min = math.min

local CAPACITY = 500

local quota = {}

local methods = {}
local metatable = { __name = "cloudhsmv2.retry.quota", __index = methods }

--- Whether a cost can be taken.
-- @tparam integer cost
-- @treturn boolean
function methods:affords(cost)
  return self.left >= cost
end

--- Takes a cost that `affords` has allowed.
-- @tparam integer cost
function methods:take(cost)
  self.left = self.left - cost
end

--- Gives back, up to the capacity.
-- @tparam integer amount
function methods:give(amount)
  self.left = min(self.left + amount, CAPACITY)
end

--- Makes the quota of one client.
-- @tparam[opt=500] integer left what it begins with
-- @treturn table the quota; `left` is what is left of it
function quota.new(left)
  return setmetatable({ left = left or CAPACITY }, metatable)
end

return quota
