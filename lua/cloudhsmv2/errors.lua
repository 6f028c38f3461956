--- The one shape of an error: a table with one metatable on every VM.
--
-- | field | type | meaning |
-- | --- | --- | --- |
-- | `kind` | string | one of `errors.kinds` |
-- | `code` | string | the service's code, or a name of our own in the same manner |
-- | `message` | string | one clear sentence, without secrets |
-- | `operation` | string or nil | as in the API reference: `"DescribeBackups"` |
-- | `status` | integer or nil | HTTP status, once one arrived |
-- | `request_id` | string or nil | the service's id of the exchange, for AWS support |
-- | `retryable` | boolean | whether the same call may succeed later, and repeating it does no harm |
-- | `sent` | string | `"no"`, `"maybe"` or `"yes"`: did the request reach the service, with any of the attempts? |
-- | `attempts` | integer | how often it was sent or tried |
-- | `history` | list | one table an attempt: `kind`, `code`, `status`, `request_id`, `sent`, `elapsed`, `delay` to the next |
-- | `MaxAttemptsReached` | true or nil | there would have been another attempt, were more allowed; named as in boto3 |
-- | `RetryQuotaReached` | true or nil | or had this client not spent its quota of retries; named as in boto3 |
-- | `already_done_possible` | true or nil | refused, but an attempt before may have done it: a deletion finds nothing |
-- | `reconcile` | string or nil | of `ambiguous`: where to look before calling again |
-- | `params`, `called_at` | table, number or nil | of `ambiguous`: what was asked for, and when; for `client:reconcile` |
-- | `elapsed` | number | seconds from the call to this error |
-- | `cause` | any or nil | what led to it |
--
-- @module cloudhsmv2.errors

local errors = {}

--- Every value that `kind` can have.
errors.kinds = {
  service = true, -- the service refused or failed
  throttled = true, -- the service asked to slow down
  auth = true, -- the service did not accept the signature, the key or the clock
  transport = true, -- no connection, or it broke
  timeout = true, -- a deadline of the caller passed
  tls = true, -- the certificate or the handshake was not good
  proxy = true, -- the proxy refused
  protocol = true, -- the answer cannot be understood
  credentials = true, -- no credentials, or broken ones
  config = true, -- a setting is wrong
  validation = true, -- the parameters are wrong; nothing was sent
  ambiguous = true, -- nobody knows whether it happened: look before you repeat
  waiter = true, -- a wait ended without success
  aborted = true, -- the caller stopped it
}

local metatable = { __name = "cloudhsmv2.error" }

--- One line: `DescribeBackups: ThrottlingException: Rate exceeded (throttled, HTTP 400, request id 8bcd...)`.
function metatable.__tostring(self)
  local facts = { self.kind }
  if self.status then
    facts[#facts + 1] = "HTTP " .. string.format("%d", self.status)
  end
  if self.request_id then
    facts[#facts + 1] = "request id " .. self.request_id
  end
  if (self.attempts or 0) > 1 then
    facts[#facts + 1] = string.format("%d attempts", self.attempts)
  end
  local line = {}
  if self.operation then
    line[#line + 1] = self.operation .. ": "
  end
  if self.code then
    line[#line + 1] = self.code .. ": "
  end
  line[#line + 1] = tostring(self.message)
  line[#line + 1] = " (" .. table.concat(facts, ", ") .. ")"
  return (table.concat(line):gsub("[%c]+", " "))
end

--- Makes an error object of `fields`.
-- @tparam table fields `kind` and `message` are needed; `sent` is `"no"`, `retryable` false, `attempts` 0,
-- `history` empty and `elapsed` 0 where they are not given
-- @treturn table the same table, now an error object
-- @usage return nil, errors.new { kind = "config", message = "region: not set" }
function errors.new(fields)
  assert(errors.kinds[fields.kind], "unknown kind of error")
  fields.sent = fields.sent or "no"
  fields.retryable = fields.retryable or false
  fields.attempts = fields.attempts or 0
  fields.history = fields.history or {}
  fields.elapsed = fields.elapsed or 0
  return setmetatable(fields, metatable)
end

--- Whether `value` is an error object of this library.
-- @param value anything
-- @treturn boolean
function errors.is(value)
  return type(value) == "table" and getmetatable(value) == metatable
end

return errors
