--- What a provider of credentials finds: the keys, in C memory, and what is known about them.
--
-- | field | type | meaning |
-- | --- | --- | --- |
-- | `credentials` | userdata | as of `sigv4.credentials` |
-- | `expiration` | number or nil | seconds since 1970; nil: they do not expire |
-- | `account_id` | string or nil | |
-- | `features` | string | AWS's letters for where they are from, for the User-Agent: `"n,o,i"` |
-- | `origin` | string | the same for people |
-- | `lasting` | true or nil | the provider keeps the keys itself, and wipes them when it is closed |
-- | `once` | true or nil | good for one attempt only: to be asked for again before the next |
-- | `stable` | true or nil | better used beyond their expiration than not at all |
-- | `asks` | true or nil | getting others asks a person, so nobody does it before it has to be |
--
-- @module cloudhsmv2.credentials.set

local errors = require "cloudhsmv2.errors"
local sigv4 = require "cloudhsmv2.sigv4"
local text = require "cloudhsmv2.text"

local format = string.format

local set = {}

--- The error of a provider.
-- @tparam string code
-- @tparam string message one sentence, without secrets
-- @tparam[opt] table cause the error object that led to it
-- @treturn nil
-- @treturn table an error object of kind `credentials`
function set.failure(code, message, cause)
  return nil,
    errors.new {
      kind = "credentials",
      code = code,
      message = message,
      cause = cause,
      status = cause and cause.status,
      request_id = cause and cause.request_id,
    }
end

--- The same error once more, for another call: whoever gets one writes into it.
-- @tparam table err an error object
-- @treturn table
function set.repeated(err)
  return errors.new {
    kind = err.kind,
    code = err.code,
    message = err.message,
    cause = err.cause,
    status = err.status,
    request_id = err.request_id,
    sent = err.sent,
    retryable = err.retryable,
  }
end

--- Makes a set of keys that somebody answered with.
-- @tparam string what where they are from, for messages
-- @tparam table keys `access_key_id`, `secret_access_key`, `session_token`
-- @tparam table facts the other fields of the set
-- @treturn[1] table the set
-- @treturn[2] nil
-- @treturn[2] table an error object of kind `credentials`, which shows no key
function set.new(what, keys, facts)
  for _, name in ipairs { "access_key_id", "secret_access_key" } do
    if type(keys[name]) ~= "string" or text.trim(keys[name]) == "" then
      return set.failure("InvalidCredentials", format("%s: %s is missing", what, name))
    end
  end
  if keys.session_token ~= nil and type(keys.session_token) ~= "string" then
    return set.failure("InvalidCredentials", format("%s: session_token is no text", what))
  end
  local held, err = sigv4.credentials {
    access_key_id = keys.access_key_id,
    secret_access_key = keys.secret_access_key,
    session_token = keys.session_token,
  }
  if not held then
    return set.failure(err.code, format("%s: %s", what, err.message))
  end
  local made = { credentials = held }
  for name, value in pairs(facts) do
    made[name] = value
  end
  return made
end

return set
