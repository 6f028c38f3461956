--- The rate limiter of adaptive mode: after a service asked to slow down, a client holds its requests back by itself.
-- The rate falls at once with each throttled answer, and grows back along a cube curve, as TCP CUBIC does: fast, then
-- slowly around the rate at which throttling began, then fast again.
-- Source: AWS SDKs and Tools Reference Guide, "Retry behavior", adaptive mode; constants as in the AWS SDKs.
-- @module cloudhsmv2.retry.adaptive

local floor, max, min = math.floor, math.max, math.min

local BETA = 0.7 -- what is left of the rate after throttling
local SCALE = 0.4 -- how steep the curve is
local SMOOTHING = 0.8 -- weight of the newest measurement
local LEAST_RATE = 0.5 -- requests a second
local LEAST_CAPACITY = 1 -- requests at once

local adaptive = {}

local methods = {}
local metatable = { __name = "cloudhsmv2.retry.adaptive", __index = methods }

--- The rate after a throttled answer.
-- @tparam number rate requests a second
-- @treturn number requests a second
function adaptive.reduced(rate)
  return rate * BETA
end

--- The rate some time after the last throttled answer.
-- @tparam number elapsed seconds since then
-- @tparam number highest the rate at which it came
-- @treturn number requests a second
function adaptive.grown(elapsed, highest)
  local plateau = (highest * (1 - BETA) / SCALE) ^ (1 / 3) -- seconds until the rate is back
  return SCALE * (elapsed - plateau) ^ 3 + highest
end

-- Measurements are made over half seconds.
local function half_second(now)
  return floor(now * 2) / 2
end

local function measure(self, now)
  self.count = self.count + 1
  local current = half_second(now)
  if current > self.measured_at then
    local rate = self.count / (current - self.measured_at)
    self.measured = rate * SMOOTHING + self.measured * (1 - SMOOTHING)
    self.measured_at, self.count = current, 0
  end
end

-- What came in since the last time, at the rate that held until now.
local function refill(self, now)
  if self.fill then
    self.tokens = min(self.tokens + max(now - self.refilled_at, 0) * self.fill, self.capacity)
  end
  self.refilled_at = now
end

local function begin(self, now)
  self.measured_at = self.measured_at or half_second(now)
end

--- Reserves the right to send. Those who come while others wait get their turn after them.
-- @tparam number now seconds of a clock that never jumps
-- @tparam number room seconds that the caller can wait
-- @treturn number|nil seconds to wait before sending; nil: longer than that, and nothing was reserved
function methods:reserve(now, room)
  begin(self, now)
  if not self.enabled then
    return 0
  end
  refill(self, now)
  local delay = max(1 - self.tokens, 0) / self.fill
  if delay >= room then
    return nil
  end
  self.tokens = self.tokens - 1
  return delay
end

--- Learns from an answer.
-- @tparam boolean throttled whether the service asked to slow down
-- @tparam number now seconds of the same clock
function methods:received(throttled, now)
  begin(self, now)
  measure(self, now)
  local rate
  if throttled then
    local highest = self.enabled and min(self.measured, self.fill) or self.measured
    self.highest, self.throttled_at, self.enabled = highest, now, true
    rate = adaptive.reduced(highest)
  elseif self.enabled then
    rate = adaptive.grown(now - self.throttled_at, self.highest)
  else
    return
  end
  refill(self, now)
  local bounded = min(rate, 2 * self.measured)
  self.fill = max(bounded, LEAST_RATE)
  self.capacity = max(bounded, LEAST_CAPACITY)
  self.tokens = min(self.tokens, self.capacity)
end

--- Makes the limiter of one client, which lets everything through until the first throttled answer.
-- @treturn table the limiter; `measured` and `fill` are what is sent and may be sent, in requests a second
function adaptive.new()
  return setmetatable({ enabled = false, tokens = 0, capacity = 0, measured = 0, count = 0 }, metatable)
end

return adaptive
