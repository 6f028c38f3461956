--- Delays between attempts.
-- Source: AWS SDKs and Tools Reference Guide, "Retry behavior", standard mode as it is since November 2026.
-- @module cloudhsmv2.retry.backoff

local moment = require "cloudhsmv2.moment"
local text = require "cloudhsmv2.text"

local max, min = math.max, math.min

local MOST = 20 -- seconds
local BASE_TRANSIENT = 0.05 -- seconds
local BASE_THROTTLED = 1 -- seconds
local MOST_ABOVE = 5 -- seconds that a service may ask for beyond our own delay

local backoff = {}

--- The delay before the next attempt: full jitter under an exponential ceiling.
-- The ceiling is capped before the jitter, so that a capped delay still spreads over the whole range.
-- @tparam integer attempt number of the attempt that failed, from 1
-- @tparam boolean throttled whether the service asked to slow down
-- @tparam function random returns a number in [0, 1)
-- @tparam[opt=20] number most seconds
-- @treturn number seconds
-- @usage local delay = backoff.delay(1, false, math.random)
function backoff.delay(attempt, throttled, random, most)
  local base = throttled and BASE_THROTTLED or BASE_TRANSIENT
  local ceiling = min(base * 2 ^ (attempt - 1), most or MOST)
  return random() * ceiling
end

local function whole_number(value)
  return type(value) == "string" and tonumber(text.trim(value):match "^[0-9]+$") or nil
end

--- What an answer asks to wait: `x-amz-retry-after` in milliseconds, else `Retry-After` in seconds or as a date. A value
-- that makes no sense is as good as none.
-- @tparam[opt] table headers names in lower case
-- @tparam number time seconds since 1970, as the service has them
-- @treturn number|nil seconds, not negative
function backoff.asked(headers, time)
  if not headers then
    return nil
  end
  local milliseconds = whole_number(headers["x-amz-retry-after"])
  if milliseconds then
    return milliseconds / 1000
  end
  local seconds = whole_number(headers["retry-after"])
  if seconds then
    return seconds
  end
  local date = moment.of_http(headers["retry-after"])
  return date and max(date - time, 0)
end

--- A delay with regard to what the service asked for: never shorter than our own, and never much longer, since a wrong
-- header must not stop a program.
-- @tparam number delay seconds
-- @tparam[opt] number asked seconds
-- @treturn number seconds
function backoff.heeding(delay, asked)
  return asked and max(delay, min(asked, delay + MOST_ABOVE)) or delay
end

return backoff
