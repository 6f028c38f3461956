--- Credentials of the selected profile: its keys, or what it says how to get them, and the roles that are assumed with
-- these.
-- @module cloudhsmv2.credentials.profile

local errors = require "cloudhsmv2.errors"
local lazy = require "cloudhsmv2.lazy"
local plan = require "cloudhsmv2.credentials.plan"
local protected = require "cloudhsmv2.protected"
local set = require "cloudhsmv2.credentials.set"
local sigv4 = require "cloudhsmv2.sigv4"
local text = require "cloudhsmv2.text"

local container = lazy "cloudhsmv2.credentials.container"
local environment = lazy "cloudhsmv2.credentials.environment"
local instance_metadata = lazy "cloudhsmv2.credentials.instance_metadata"
local login = lazy "cloudhsmv2.credentials.login"
local process = lazy "cloudhsmv2.credentials.process"
local sso = lazy "cloudhsmv2.credentials.sso"
local sts = lazy "cloudhsmv2.credentials.sts"
local web_identity = lazy "cloudhsmv2.credentials.web_identity"

local format = string.format

local TOKEN_CODE = "^[0-9][0-9][0-9][0-9][0-9][0-9]$"

local profile = {}

local methods = { name = "profile" }
local metatable = { __name = "cloudhsmv2.credentials.profile", __index = methods }

-- Keys in a file: in C memory from now on, as long as the client lives.
local keys = {}
local keys_metatable = { __name = "cloudhsmv2.credentials.profile.keys", __index = keys }

function keys:load()
  if self.problem then
    return nil, errors.new { kind = "credentials", code = self.problem.code, message = self.problem.message }
  end
  return {
    credentials = self.credentials,
    account_id = self.account_id,
    features = self.feature,
    origin = self.origin,
    lasting = true,
  }
end

function keys:close()
  if self.credentials then
    self.credentials:close()
    self.credentials = nil
  end
end

local function new_keys(_, base, feature)
  local credentials, err = sigv4.credentials {
    access_key_id = base.access_key_id,
    secret_access_key = base.secret_access_key,
    session_token = base.session_token,
  }
  base.access_key_id, base.secret_access_key, base.session_token = nil, nil, nil -- not kept as strings
  if err then
    err.message = format("profile %s (%s): %s", text.quote(base.profile), base.place, err.message)
  end
  return setmetatable({
    credentials = credentials,
    problem = err,
    account_id = base.account_id,
    feature = feature,
    origin = "file " .. base.place,
    local_only = true,
  }, keys_metatable)
end

-- The source that a profile names: it must have credentials, for nothing else is looked at.
local source = {}
local source_metatable = { __name = "cloudhsmv2.credentials.profile.source", __index = source }

function source:load(deadline)
  local found, err = self.inner:load(deadline)
  if found then
    found.features = self.feature .. "," .. found.features
    return found
  elseif err then
    return nil, err
  end
  local why = self.inner.why and ": " .. self.inner.why or ""
  local message = "profile %s: credential_source = %s (%s): there are no credentials%s"
  return set.failure("NoCredentials", format(message, text.quote(self.profile), self.source, self.place, why))
end

function source:close()
  self.inner:close()
end

local SOURCES = {
  Environment = function(context)
    return environment.new(context.injected_getenv)
  end,
  Ec2InstanceMetadata = instance_metadata.new,
  EcsContainer = container.new,
}

local function new_source(context, base, feature)
  return setmetatable({
    inner = SOURCES[base.name](context),
    source = base.name,
    profile = base.profile,
    place = base.place,
    feature = feature,
    origin = format("credential_source %s (%s)", base.name, base.place),
  }, source_metatable)
end

-- How each kind of base becomes a provider, and the letters of its kind behind those of the profile.
local BASES = {
  keys = { new = new_keys, feature = "" },
  source = { new = new_source, feature = "" },
  web_identity = { new = web_identity.new, feature = ",k" },
  sso = { new = sso.new, feature = "" }, -- of which there are two: the plan has their letters
  login = { new = login.new, feature = ",AD" },
  process = { new = process.new, feature = ",w" },
}

-- The code that a person reads from an MFA device. It is asked for in Lua alone, so it may be waited for.
local function token_code(context, role)
  local ask = context.mfa_token_provider
  local what = format("profile %s: mfa_serial %s (%s)", text.quote(role.profile), role.mfa_serial, role.place)
  if not ask then
    local message = "%s needs a code: give mfa_token_provider = function(serial) ... end, which returns it"
    return set.failure("MfaRequired", format(message, what))
  end
  local fine, code, reason = protected.call(ask, role.mfa_serial)
  if not fine then
    return set.failure("MfaRequired", format("%s: mfa_token_provider failed: %s", what, tostring(code)))
  elseif type(code) ~= "string" or not code:find(TOKEN_CODE) then
    local told = code == nil and reason ~= nil and "gave none: " .. tostring(reason)
      or "must return six digits as a string"
    return set.failure("MfaRequired", format("%s: mfa_token_provider %s", what, told))
  end
  return code
end

-- Assumes one role with the credentials of the set before, which is done with then.
local function assume(self, role, from, deadline)
  local code, err
  if role.mfa_serial then
    code, err = token_code(self.context, role)
    if not code then
      return nil, err
    end
  end
  local found
  found, err = sts.assume_role(self.context, {
    role_arn = role.role_arn,
    role_session_name = role.role_session_name,
    external_id = role.external_id,
    duration = role.duration,
    mfa_serial = role.mfa_serial,
    token_code = code,
    place = role.place,
  }, {
    credentials = from.credentials,
    features = from.features .. ",i",
    origin = format("%s of profile %s (%s)", role.role_arn, self.profile, role.place),
    asks = from.asks,
  }, deadline)
  return found, err
end

--- The credentials.
-- @tparam[opt] number deadline of the runtime's clock that never jumps
-- @treturn[1] table a set; see `cloudhsmv2.credentials.set`
-- @treturn[2] nil the profile says nothing of credentials
-- @treturn[3] nil
-- @treturn[3] table an error object
function methods:load(deadline)
  if self.problem then
    local problem = self.problem
    return nil, errors.new { kind = "credentials", code = problem.code, message = problem.message }
  elseif not self.base then
    return nil
  end
  local found, err = self.base:load(deadline)
  for i, role in ipairs(found and self.roles or {}) do
    if i == 1 and self.via_profile then
      found.features = found.features .. ",o"
    end
    local from = found
    found, err = assume(self, role, from, deadline)
    if not from.lasting then
      from.credentials:close()
    end
    if not found then
      break
    end
  end
  return found, err
end

--- Wipes the keys.
function methods:close()
  if self.base then
    self.base:close()
  end
end

--- Makes the provider. What is wrong with the profile is told by `load`: with credentials from elsewhere it does no harm.
-- @tparam table context of the client's providers
-- @tparam table selected `name` of the profile, `loaded` (as of `config.files`) and `looked_at`, the files in words
-- @treturn table the provider
function profile.new(context, selected)
  local found, problem = plan.of(selected.loaded, selected.name)
  local looks_at = "aws_access_key_id and the other ways of profile %s in %s"
  local self = setmetatable({
    context = context,
    profile = selected.name,
    problem = problem,
    looks_at = format(looks_at, text.quote(selected.name), selected.looked_at),
  }, metatable)
  if found then
    local kind = BASES[found.base.kind]
    self.base = kind.new(context, found.base, found.base.features .. kind.feature)
    self.roles = found.roles
    self.via_profile = #found.roles > 0 and found.base.kind ~= "source"
    local last = found.roles[#found.roles]
    self.local_only = not last and self.base.local_only
    self.origin = last and format("%s (%s)", last.role_arn, last.place) or self.base.origin
  end
  return self
end

return profile
