--- The difference between the service's clock and this machine's, learnt from the `Date` of every answer.
-- A signature is valid for some minutes only, so a machine with a wrong clock signs in vain, until it counts with the
-- service's time. The machine's own clock is never touched.
-- Source: the rule that the AWS SDKs share since 2026.
-- @module cloudhsmv2.retry.skew

local moment = require "cloudhsmv2.moment"

local abs = math.abs

local TOLERANCE = 240 -- seconds; the service's own is five minutes
local LONGEST_EXCHANGE = 900 -- seconds; of a longer one nobody knows when the answer was dated

-- What services say of a signature that is too old or too young.
local CODES = {
  AccessDeniedException = true,
  AuthFailure = true,
  InvalidSignatureException = true,
  RequestTimeTooSkewed = true,
  SignatureDoesNotMatch = true,
}

local skew = {}

local methods = {}
local metatable = { __name = "cloudhsmv2.retry.skew", __index = methods }

local call_methods = {}
local call_metatable = { __name = "cloudhsmv2.retry.skew.call", __index = call_methods }

-- Seconds by which the service is ahead; nil where an answer does not tell.
local function difference(headers, sent, received)
  local date = moment.of_http(headers.date)
  local elapsed = received - sent
  if not date or headers.age or elapsed < 0 or elapsed > LONGEST_EXCHANGE then -- with an age it comes from a cache
    return nil
  end
  return date - (sent + received) / 2
end

--- The time to sign with.
-- @treturn number seconds since 1970
function call_methods:time()
  return self.client.machine_time() + self.seconds
end

--- Learns from an answer, whatever it says.
-- @tparam table headers names in lower case
-- @tparam number sent when the request was sent, by the machine's clock
-- @tparam number received when the answer was there, by the same
-- @treturn number|nil seconds by which the clock was off, when that is too much for a signature
function call_methods:observe(headers, sent, received)
  self.correction = nil
  local found = not self.client.disabled and difference(headers, sent, received)
  if not found then
    return nil
  end
  local change = found - self.seconds
  self.seconds, self.client.seconds = found, found
  if abs(change) > TOLERANCE then
    self.correction = change
  end
  return self.correction
end

--- Whether the last answer, a refusal, came of the clock, which is corrected now.
-- @tparam string code of the refusal
-- @treturn boolean
function call_methods:explains(code)
  return self.correction ~= nil and CODES[code] or false
end

--- Forgets the last answer: the attempt that begins may end without any.
function call_methods:forget()
  self.correction = nil
end

--- The clock of one call, which begins with what the client knows.
-- @treturn table
function methods:start()
  return setmetatable({ client = self, seconds = self.seconds }, call_metatable)
end

--- Makes the clock of one client.
-- @tparam function machine_time returns seconds since 1970, as the machine has them
-- @tparam[opt=false] boolean disabled nothing is corrected
-- @treturn table `seconds` is by how much the service is ahead
function skew.new(machine_time, disabled)
  return setmetatable({ machine_time = machine_time, disabled = disabled, seconds = 0 }, metatable)
end

return skew
