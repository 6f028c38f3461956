--- The standard mode of retries: the order of its checks, and what they cost.
--
-- After each failed attempt: is it of a kind that may pass? is there an attempt left? does the quota afford one? is there
-- time for the delay? Only then the cost is taken. A call that succeeds gives back what its last retry has cost, and a
-- little when it needed none, so that the quota recovers with the service.
--
-- Source: AWS SDKs and Tools Reference Guide, "Retry behavior", standard mode as it is since November 2026.
--
-- @module cloudhsmv2.retry.standard

local lazy = require "cloudhsmv2.lazy"
local quota = require "cloudhsmv2.retry.quota"

local backoff = lazy "cloudhsmv2.retry.backoff"
local classify = lazy "cloudhsmv2.retry.classify"

local COST = 14
local COST_THROTTLED = 5 -- cheaper: the service itself said that it is there
local GIVEN_WITHOUT_RETRY = 1

local standard = {}

local methods = {}
local metatable = { __name = "cloudhsmv2.retry.standard", __index = methods }

local call_methods = {}
local call_metatable = { __name = "cloudhsmv2.retry.standard.call", __index = call_methods }

--- Before every attempt.
-- @tparam number now seconds of a clock that never jumps
-- @tparam number room seconds that are left for the call
-- @treturn number|nil seconds to hold the request back, 0 but in adaptive mode; nil: longer than there is room
function call_methods:hold(now, room)
  local limiter = self.policy.limiter
  if limiter then
    return limiter:reserve(now, room)
  end
  return 0
end

--- After an attempt that succeeded.
-- @tparam[opt] number now as above; only a `limiter` needs it
function call_methods:succeeded(now)
  self.policy.quota:give(self.cost or GIVEN_WITHOUT_RETRY)
  if self.policy.limiter then
    self.policy.limiter:received(false, now)
  end
end

-- Some failures are worth one more try in a call, but not a row of them.
local function is_worn_out(self, err)
  local name = err.code or err.kind
  self.seen = self.seen or {}
  local seen = (self.seen[name] or 0) + 1
  self.seen[name] = seen
  return seen > classify.retries(err)
end

--- After an attempt that failed.
-- @tparam table failed `err`, the error object, with `retryable`; `cured`, whether what it came of is mended since, a clock
-- that was wrong or credentials that had expired; `headers` of the answer, if there was one; `now` as above; `time`,
-- seconds since 1970 as the service has them; `room`, seconds that are left for the call
-- @treturn[1] number seconds to wait before the next attempt
-- @treturn[2] nil there is none
-- @treturn[2] string|nil `"MaxAttemptsReached"` or `"RetryQuotaReached"`, where that alone is why
function call_methods:failed(failed)
  local policy, err = self.policy, failed.err
  local throttled = err.kind == "throttled"
  self.attempt = self.attempt + 1
  if policy.limiter and err.sent ~= "no" then
    policy.limiter:received(throttled, failed.now)
  end
  if not err.retryable or (not failed.cured and is_worn_out(self, err)) then
    return nil
  elseif self.attempt >= self.max_attempts then
    return nil, "MaxAttemptsReached"
  end
  local cost = throttled and COST_THROTTLED or COST
  if not policy.quota:affords(cost) then
    return nil, "RetryQuotaReached"
  end
  local delay = backoff.delay(self.attempt, throttled, policy.random, policy.most_delay)
  delay = backoff.heeding(delay, backoff.asked(failed.headers, failed.time))
  if delay >= failed.room then
    return nil
  end
  policy.quota:take(cost)
  self.cost = cost
  return delay
end

--- Begins a call.
-- @tparam integer max_attempts attempts in all, from 1
-- @treturn table the retries of the call
function methods:start(max_attempts)
  return setmetatable({ policy = self, max_attempts = max_attempts, attempt = 0 }, call_metatable)
end

--- Makes the policy of one client.
-- @tparam table options
-- @tparam function options.random returns a number in [0, 1)
-- @tparam[opt] table options.limiter of adaptive mode
-- @tparam[opt=500] integer options.quota what may be spent at first
-- @tparam[opt=20] number options.most_delay seconds
-- @treturn table the policy; without a `limiter` it never holds a request back
function standard.new(options)
  return setmetatable({
    random = options.random,
    limiter = options.limiter,
    quota = quota.new(options.quota),
    most_delay = options.most_delay,
  }, metatable)
end

return standard
