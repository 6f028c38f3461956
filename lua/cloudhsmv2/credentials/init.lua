--- The chain of credential providers: the first that is configured decides.
--
-- A provider is a file of this folder. It has a `name`, a `feature` (its letter in the User-Agent), `looks_at` (for the
-- message when nobody has credentials), and two methods: `get()` returns credentials, or nil where it is not
-- configured, or nil and an error where it is and fails, which ends the search; `close()` wipes what it holds. A provider
-- whose `get()` only reads what is already there says `local_only`, and may say in `origin` where that is from.
--
-- @module cloudhsmv2.credentials

local environment = require "cloudhsmv2.credentials.environment"
local errors = require "cloudhsmv2.errors"
local profile = require "cloudhsmv2.credentials.profile"
local static = require "cloudhsmv2.credentials.static"

local SHOWN_OF_ID = 4 -- letters of an access key id

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

--- Where credentials are from, for people to read. Nothing is called or asked that is not already there.
-- @treturn table `value`, the last letters of the access key id, and `origin`; or `origin` alone
function methods:describe()
  for _, provider in ipairs(self.providers) do
    local origin = provider.origin or provider.name
    if not provider.local_only then
      return { origin = origin }
    end
    local found, err = provider:get()
    local id = found and found:access_key_id()
    if id then
      local hidden = ("*"):rep(math.max(#id - SHOWN_OF_ID, SHOWN_OF_ID))
      return { value = hidden .. (#id > 2 * SHOWN_OF_ID and id:sub(-SHOWN_OF_ID) or ""), origin = origin }
    elseif err then
      return { origin = origin, problem = err.message }
    end
  end
  return { origin = "not set" }
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
-- @tparam[opt] table options.profile `name`, `properties`, `looked_at` (the files, in words), and `chosen_in_code`: then
-- the environment's keys are not looked at
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
    if not (options.profile and options.profile.chosen_in_code) then
      providers[1] = environment.new(options.getenv)
    end
    if options.profile then
      providers[#providers + 1] = profile.new(options.profile)
    end
  end
  return setmetatable({ providers = providers }, metatable)
end

return credentials
