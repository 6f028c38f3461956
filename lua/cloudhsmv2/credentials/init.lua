--- The chain of credential providers: the first that is configured decides.
--
-- In order: what the program gave, and then nothing else; the environment; the profile; a web identity that the environment
-- names; a container's; those of the instance. A provider is a file of this folder. It has a `name`, `looks_at` (for the
-- message when nobody has credentials), and two methods: `load(deadline)` returns a set (`cloudhsmv2.credentials.set`), or nil
-- where it is not configured, or nil and an error where it is and fails, which ends the search; `close()` wipes what it
-- holds. A provider whose `load` only reads what is already there says `local_only`, and may say in `origin` where that
-- is from, and in `why` what kept it from having any.
--
-- Providers share a **context**: `runtime`, `settings` (resolved), `endpoint_of(service_id)`, `getenv` and
-- `injected_getenv` (nil for the real environment), `read_file`, `write_file`, `run(command, seconds)`, `random`,
-- `user_agent(features)`, `tell(event)`, `mfa_token_provider`; and `signer`, `retry` and `skew`, those of the client.
--
-- @module cloudhsmv2.credentials

local errors = require "cloudhsmv2.errors"
local lazy = require "cloudhsmv2.lazy"
local refresh = require "cloudhsmv2.credentials.refresh"
local static = require "cloudhsmv2.credentials.static"

local container = lazy "cloudhsmv2.credentials.container"
local environment = lazy "cloudhsmv2.credentials.environment"
local instance_metadata = lazy "cloudhsmv2.credentials.instance_metadata"
local profile = lazy "cloudhsmv2.credentials.profile"
local web_identity = lazy "cloudhsmv2.credentials.web_identity"

local SHOWN_OF_ID = 4 -- letters of an access key id

local credentials = {}

local methods = {}
local metatable = { __name = "cloudhsmv2.credentials", __index = methods }

local function nothing_found(self)
  local places = {}
  for i, provider in ipairs(self.providers) do
    places[i] = provider.looks_at .. (provider.why and " (" .. provider.why .. ")" or "")
  end
  local message = "no credentials: looked at "
    .. table.concat(places, ", ")
    .. '; set one of them, or give credentials = { access_key_id = "...", secret_access_key = "..." }'
  return nil, errors.new { kind = "credentials", code = "NoCredentials", message = message }
end

-- Asks the provider that had credentials before, else all in their order.
local function load(self, deadline)
  if self.winner then
    local found, err = self.winner:load(deadline)
    if found or err then
      return found, err
    end
  end
  for _, provider in ipairs(self.providers) do
    if provider ~= self.winner then
      local found, err = provider:load(deadline)
      if found then
        self.winner = provider
        return found
      elseif err then
        return nil, err
      end
    end
  end
  return nothing_found(self)
end

--- The credentials for one attempt. May yield.
-- @tparam[opt] number deadline of the runtime's clock that never jumps
-- @treturn userdata|nil as of `sigv4.credentials`
-- @treturn table the set that they are part of (`cloudhsmv2.credentials.set`), or the error object
function methods:get(deadline)
  local set, err = self.held:get(deadline)
  if not set then
    return nil, err
  end
  return set.credentials, set
end

--- Says that the service has refused credentials as expired.
-- @tparam userdata used
-- @treturn boolean whether there may be others
function methods:refuse(used)
  return self.held:refuse(used)
end

local function masked(id)
  local hidden = ("*"):rep(math.max(#id - SHOWN_OF_ID, SHOWN_OF_ID))
  return hidden .. (#id > 2 * SHOWN_OF_ID and id:sub(-SHOWN_OF_ID) or "")
end

-- A set for people to read; nil once it is wiped.
local function described(set)
  local id = set.credentials:access_key_id()
  return id and { value = masked(id), origin = set.origin, expiration = set.expiration, account_id = set.account_id }
end

--- Where credentials are from, for people to read. Nothing is called or asked that is not already there.
-- @treturn table `value`, the last letters of the access key id, `origin`, and perhaps `expiration` and `account_id`; or
-- `origin` alone, where nobody has asked for them yet; `problem` where they cannot be had
function methods:describe()
  local set = self.held.set
  if set and not set.once then
    return described(set) or { origin = set.origin }
  end
  for _, provider in ipairs(self.providers) do
    if provider.problem then
      return { origin = provider.origin or provider.name, problem = provider.problem.message }
    elseif provider.local_only then
      local found, err = provider:load()
      if found then
        return described(found)
      elseif err then
        return { origin = provider.origin or provider.name, problem = err.message }
      end
    elseif provider.origin then
      return { origin = provider.origin }
    end
  end
  return { origin = "not set" }
end

--- Wipes everything.
function methods:close()
  self.held:close()
  for _, provider in ipairs(self.providers) do
    provider:close()
  end
end

--- Makes the chain. Nothing is asked yet.
-- @tparam table options
-- @tparam[opt] table|function|userdata options.credentials what the program gave: then nothing else is looked at
-- @tparam table options.context see above
-- @tparam[opt] table options.profile `name`, `loaded` and `looked_at` (`cloudhsmv2.credentials.profile`), and
-- `chosen_in_code`: then the environment's keys are not looked at
-- @tparam function options.overlaps whether others go on while the caller sleeps
-- @treturn table|nil the chain
-- @treturn table the error object, of kind `credentials`
function credentials.new(options)
  local context = options.context
  local providers = {}
  if options.credentials then
    local provider, err = static.new(options.credentials)
    if not provider then
      return nil, err
    end
    providers[1] = provider
  else
    if not options.profile.chosen_in_code then
      providers[1] = environment.new(context.injected_getenv)
    end
    table.insert(providers, profile.new(context, options.profile))
    table.insert(providers, web_identity.of_environment(context))
    table.insert(providers, container.new(context))
    table.insert(providers, instance_metadata.new(context))
  end
  local self = setmetatable({ providers = providers }, metatable)
  self.held = refresh.new {
    load = function(deadline)
      return load(self, deadline)
    end,
    time = context.runtime.time,
    now = context.runtime.now,
    sleep = context.runtime.sleep,
    overlaps = options.overlaps,
    random = context.random,
    tell = context.tell,
  }
  return self
end

return credentials
