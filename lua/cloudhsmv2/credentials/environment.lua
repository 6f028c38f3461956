--- Credentials from the environment: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
-- A blank variable is an unset one, and one key without the other is a mistake, not a reason to look elsewhere.
-- @module cloudhsmv2.credentials.environment

local errors = require "cloudhsmv2.errors"
local sigv4 = require "cloudhsmv2.sigv4"
local text = require "cloudhsmv2.text"

local ID, SECRET, TOKEN = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"

local environment = {}

local methods = {
  name = "environment",
  feature = "g",
  origin = "env " .. ID,
  local_only = true,
  looks_at = ID .. " and " .. SECRET .. " in the environment",
}
local metatable = { __name = "cloudhsmv2.credentials.environment", __index = methods }

-- The same as `sigv4.environment_credentials` over an environment that is a Lua function.
local function read(getenv)
  local function value(name)
    local found = getenv(name)
    return found ~= nil and text.trim(found) ~= "" and found or nil
  end
  local id, secret = value(ID), value(SECRET)
  if not id and not secret then
    return nil
  elseif not id or not secret then
    local set, unset = id and ID or SECRET, id and SECRET or ID
    return nil,
      errors.new {
        kind = "credentials",
        code = "InvalidCredentials",
        message = string.format("%s: not set, but %s is", unset, set),
      }
  end
  return sigv4.credentials { access_key_id = id, secret_access_key = secret, session_token = value(TOKEN) }
end

--- The credentials. They are read once: the environment of a process does not change under it.
-- @treturn userdata|nil nil when neither key is set
-- @treturn table|nil the error object, of kind `credentials`
function methods:get()
  if not self.credentials then
    local err
    if self.getenv then
      self.credentials, err = read(self.getenv)
    else
      self.credentials, err = sigv4.environment_credentials(ID, SECRET, TOKEN)
    end
    if err then
      return nil, err
    end
  end
  return self.credentials
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
