--- Credentials from the environment: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, with
-- `AWS_CREDENTIAL_EXPIRATION` and `AWS_ACCOUNT_ID`.
-- A blank variable is an unset one, and one key without the other is a mistake, not a reason to look elsewhere.
-- @module cloudhsmv2.credentials.environment

local moment = require "cloudhsmv2.moment"
local set = require "cloudhsmv2.credentials.set"
local sigv4 = require "cloudhsmv2.sigv4"
local text = require "cloudhsmv2.text"

local format = string.format

local ID, SECRET, TOKEN = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"
local EXPIRATION, ACCOUNT = "AWS_CREDENTIAL_EXPIRATION", "AWS_ACCOUNT_ID"

local environment = {}

local methods = {
  name = "environment",
  feature = "g",
  origin = "env " .. ID,
  local_only = true,
  looks_at = ID .. " and " .. SECRET .. " in the environment",
}
local metatable = { __name = "cloudhsmv2.credentials.environment", __index = methods }

local function value_of(getenv, name)
  local found = getenv(name)
  return found ~= nil and text.trim(found) ~= "" and found or nil
end

-- The same as `sigv4.environment_credentials` over an environment that is a Lua function.
local function read(getenv)
  local id, secret = value_of(getenv, ID), value_of(getenv, SECRET)
  if not id and not secret then
    return nil
  elseif not id or not secret then
    local present, absent = id and ID or SECRET, id and SECRET or ID
    return set.failure("InvalidCredentials", format("%s: not set, but %s is", absent, present))
  end
  return sigv4.credentials { access_key_id = id, secret_access_key = secret, session_token = value_of(getenv, TOKEN) }
end

-- When the keys expire: nil for never, or nil and an error.
local function expiration_of(getenv)
  local value = value_of(getenv, EXPIRATION)
  if not value then
    return nil
  end
  local expiration = moment.of_iso(text.trim(value))
  if not expiration then
    local message = '%s=%s (environment): expected a time such as "2026-01-01T00:00:00Z"'
    return set.failure("InvalidCredentials", format(message, EXPIRATION, text.quote(value)))
  end
  return expiration
end

--- The credentials. They are read once: the environment of a process does not change under it.
-- @treturn[1] table a set; see `cloudhsmv2.credentials.set`
-- @treturn[2] nil neither key is set
-- @treturn[3] nil
-- @treturn[3] table an error object of kind `credentials`
function methods:load()
  if not self.credentials then
    local err
    if self.getenv then
      self.credentials, err = read(self.getenv)
    else
      self.credentials, err = sigv4.environment_credentials(ID, SECRET, TOKEN)
    end
    if not self.credentials then
      return nil, err
    end
  end
  local getenv = self.getenv or os.getenv
  local expiration, err = expiration_of(getenv)
  if err then
    return nil, err
  end
  return {
    credentials = self.credentials,
    expiration = expiration,
    account_id = value_of(getenv, ACCOUNT),
    features = self.feature,
    origin = self.origin,
    lasting = true,
  }
end

--- Wipes the keys.
function methods:close()
  if self.credentials then
    self.credentials:close()
    self.credentials = nil
  end
end

--- Makes the provider.
-- @tparam[opt] function getenv stands for the environment; without it C reads the real one, and the secret never
-- becomes a Lua string
-- @treturn table the provider
function environment.new(getenv)
  return setmetatable({ getenv = getenv }, metatable)
end

return environment
