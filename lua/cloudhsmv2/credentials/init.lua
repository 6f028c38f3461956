--- The chain of credential providers: the first that is configured decides.
--
-- A provider is a file of this folder. It has a `name`, a `feature` (its letter in the User-Agent), `looks_at` (for the
-- message when nobody has credentials), and two methods: `get()` returns credentials, or nil where it is not
-- configured, or nil and an error where it is and fails, which ends the search; `close()` wipes what it holds.
--
-- @module cloudhsmv2.credentials

local environment = require "cloudhsmv2.credentials.environment"
local errors = require "cloudhsmv2.errors"
local static = require "cloudhsmv2.credentials.static"

local credentials = {}

local methods = {}
local metatable = { __name = "cloudhsmv2.credentials", __index = methods }

local function nothing_found(self)
  local places = {}
  for i, provider in ipairs(self.providers) do
    places[i] = provider.looks_at
  end
  local message = "no credentials: looked at "
    .. table.concat(places, ", ")
    .. '; set both, or give credentials = { access_key_id = "...", secret_access_key = "..." }'
  if (self.getenv "AWS_PROFILE" or "") ~= "" then
    message = message .. " (AWS_PROFILE is set, but this version does not read profiles)"
  end
  return nil, errors.new { kind = "credentials", code = "NoCredentials", message = message }
end

--- The credentials for one attempt. May yield where a user's function does.
-- @treturn userdata|nil as of `sigv4.credentials`
-- @treturn table the provider they are from, or the error object, of kind `credentials`
function methods:get()
  for _, provider in ipairs(self.providers) do
    local found, err = provider:get()
    if found then
      return found, provider
    elseif err then
      return nil, err
    end
  end
  return nothing_found(self)
end

--- Wipes everything.
function methods:close()
  for _, provider in ipairs(self.providers) do
    provider:close()
  end
end

--- Makes the chain. Nothing is read yet.
-- @tparam table options
-- @tparam[opt] table|function|userdata options.credentials what the program gave: then nothing else is looked at
-- @tparam[opt] function options.getenv stands for the environment
-- @tparam function options.time seconds since 1970
-- @treturn table|nil the chain
-- @treturn table the error object, of kind `credentials`
function credentials.new(options)
  local providers = {}
  if options.credentials then
    local provider, err = static.new(options.credentials, options.time)
    if not provider then
      return nil, err
    end
    providers[1] = provider
  else
    providers[1] = environment.new(options.getenv)
  end
  return setmetatable({ providers = providers, getenv = options.getenv or os.getenv }, metatable)
end

return credentials
