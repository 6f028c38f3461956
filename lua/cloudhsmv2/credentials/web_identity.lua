--- Credentials for the token of another identity provider, as pods of EKS have one in a file.
-- The file is read again for every refresh, since whoever writes it renews it.
-- Source: AWS SDKs and Tools Reference Guide, "Assume role credential provider", web identity.
-- @module cloudhsmv2.credentials.web_identity

local lazy = require "cloudhsmv2.lazy"
local locations = require "cloudhsmv2.config.locations"
local set = require "cloudhsmv2.credentials.set"
local settings = require "cloudhsmv2.config.settings"
local text = require "cloudhsmv2.text"

local sts = lazy "cloudhsmv2.credentials.sts"

local format = string.format

local FILE, ROLE = "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"

local web_identity = {}

local methods = { name = "web identity" }
local metatable = { __name = "cloudhsmv2.credentials.web_identity", __index = methods }

local function token_of(context, role)
  local path = locations.expand(role.token_file, context.getenv)
  local content, reason = context.read_file(path)
  local problem
  if type(content) ~= "string" then
    problem = reason or "there is no such file"
  else
    content = content:gsub("%s+$", "")
    problem = content == "" and "the file is empty" or content:find "[%z\1-\31\127]" and "the file is no token" or nil
  end
  if problem then
    local message = format("web_identity_token_file %s (%s): %s", text.quote(role.token_file), role.place, problem)
    return set.failure("UnreadableToken", message)
  end
  return content
end

--- Credentials for the token that the file holds now.
-- @tparam[opt] number deadline
-- @treturn[1] table a set; see `cloudhsmv2.credentials.set`
-- @treturn[2] nil
-- @treturn[2] table an error object of kind `credentials`
function methods:load(deadline)
  local role = self.role
  local token, err = token_of(self.context, role)
  if not token then
    return nil, err
  end
  return sts.assume_role_with_web_identity(self.context, {
    role_arn = role.role_arn,
    role_session_name = role.role_session_name,
    token = token,
    place = role.place,
  }, { features = self.feature, origin = self.origin }, deadline)
end

--- There is nothing to wipe.
function methods.close() end

--- Makes the provider of a role.
-- @tparam table context of the client's providers
-- @tparam table role `role_arn`, `role_session_name`, `token_file`, `place`
-- @tparam string feature letters for the User-Agent
-- @treturn table
function web_identity.new(context, role, feature)
  return setmetatable({
    context = context,
    role = role,
    feature = feature,
    origin = format("web identity of %s (%s)", role.role_arn, role.place),
  }, metatable)
end

-- The provider of what the environment says: it may say nothing, or half of it.
local environment =
  { name = "web identity", feature = "h,k", looks_at = FILE .. " and " .. ROLE .. " in the environment" }
local environment_metatable = { __name = "cloudhsmv2.credentials.web_identity", __index = environment }

function environment:load(deadline)
  if self.inner then
    return self.inner:load(deadline)
  elseif self.half then
    return set.failure("InvalidCredentials", format("%s: not set, but %s is", ROLE, FILE))
  end
end

function environment.close() end

--- Makes the provider of `AWS_WEB_IDENTITY_TOKEN_FILE`, `AWS_ROLE_ARN` and `AWS_ROLE_SESSION_NAME`. A role alone is none:
-- other tools read that variable, too.
-- @tparam table context
-- @treturn table
function web_identity.of_environment(context)
  local token_file, role_arn = settings.late(context.settings, "web_identity_token_file"), context.settings.role_arn
  local self = setmetatable({ half = token_file ~= nil and role_arn == nil }, environment_metatable)
  if token_file and role_arn then
    self.inner = web_identity.new(context, {
      role_arn = role_arn,
      role_session_name = context.settings.role_session_name,
      token_file = token_file,
      place = "env " .. FILE,
    }, self.feature)
    self.origin = self.inner.origin
  end
  return self
end

return web_identity
