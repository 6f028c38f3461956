--- Credentials of AWS IAM Identity Center, for who has signed in with `aws sso login`.
--
-- The AWS CLI leaves a token in a file. It is renewed in the last five minutes, where the file has what that takes, and
-- the file replaced. Another process may do the same at the same time, so the file is read for every refresh, and once more
-- where the renewal fails: a token to renew with is good for one time.
--
-- Sources: AWS SDKs and Tools Reference Guide, "IAM Identity Center credential provider"; IAM Identity Center OIDC API
-- Reference, `CreateToken`; Portal API Reference, `GetRoleCredentials`.
-- @module cloudhsmv2.credentials.sso

local classify = require "cloudhsmv2.retry.classify"
local codec = require "cloudhsmv2.codec"
local errors = require "cloudhsmv2.errors"
local exchange = require "cloudhsmv2.credentials.exchange"
local moment = require "cloudhsmv2.moment"
local set = require "cloudhsmv2.credentials.set"
local text = require "cloudhsmv2.text"
local token_file = require "cloudhsmv2.credentials.token_file"

local format = string.format

local RENEW = 300 -- seconds before the token expires
local PAUSE = 30 -- seconds from one renewal to the next, whether it succeeded or not
local MILLISECONDS = 1000

local model = codec.compile {
  Request = {
    type = "structure",
    members = {
      clientId = { shape = "String" },
      clientSecret = { shape = "String" },
      grantType = { shape = "String" },
      refreshToken = { shape = "String" },
    },
  },
  Token = {
    type = "structure",
    members = {
      accessToken = { shape = "String" },
      refreshToken = { shape = "String" },
      expiresIn = { shape = "Integer" },
    },
  },
  Answer = { type = "structure", members = { roleCredentials = { shape = "RoleCredentials" } } },
  RoleCredentials = {
    type = "structure",
    members = {
      accessKeyId = { shape = "String" },
      secretAccessKey = { shape = "String" },
      sessionToken = { shape = "String" },
      expiration = { shape = "Number" },
    },
  },
  Problem = { type = "structure", members = {}, document = true },
  String = { type = "string" },
  Integer = { type = "long" },
  Number = { type = "double" },
}

local sso = {}

local methods = { name = "sso" }
local metatable = { __name = "cloudhsmv2.credentials.sso", __index = methods }

-- The error that a service's answer stands for.
local function refusal(response)
  local problem = model:decode("Problem", response.body)
  problem = type(problem) == "table" and problem or {}
  local given = token_file.text
  local code = given(response.headers["x-amzn-errortype"]) or given(problem.__type) or given(problem.error)
  code = code and code:match("^[^:]*"):match "[^#]*$" or format("HTTP%d", response.status)
  local message = given(problem.message) or given(problem.Message) or given(problem.error_description)
  return errors.new {
    kind = classify.kind(code, response.status),
    code = code,
    message = message or format("the service gave no reason (HTTP %d)", response.status),
    status = response.status,
    request_id = response.headers["x-amzn-requestid"],
    sent = "yes",
  }
end

--- The function that reads the answers of a service that speaks JSON; also for `cloudhsmv2.credentials.login`.
-- @tparam table compiled a model of the codec
-- @tparam string shape of it
-- @treturn function
function sso.reader(compiled, shape)
  return function(response)
    if response.status < 200 or response.status > 299 then
      return nil, refusal(response)
    end
    local answer = compiled:decode(shape, response.body)
    if answer then
      return answer
    end
    return nil,
      errors.new {
        kind = "protocol",
        code = "InvalidDocument",
        message = "the answer is not the JSON that is expected: is a proxy or a login page in the way?",
        status = response.status,
        request_id = response.headers["x-amzn-requestid"],
        sent = "yes",
      }
  end
end

local function advice(self)
  return format("sign in with `aws sso login --profile %s`", self.profile)
end

-- Whether the file has what a renewal takes.
local function is_renewable(self, file, now)
  local given = token_file.text
  local until_when = moment.of_iso(file.registrationExpiresAt)
  return self.session ~= nil
    and given(file.refreshToken)
    and given(file.clientId)
    and given(file.clientSecret)
    and (not until_when or until_when > now)
end

-- Asks for a new token. Returns the file as it is then, or nil and an error.
local function renew(self, path, file, deadline)
  local context = self.context
  local body = model:encode("Request", {
    clientId = file.clientId,
    clientSecret = file.clientSecret,
    grantType = "refresh_token",
    refreshToken = file.refreshToken,
  })
  local answer, err = exchange.call(context, {
    service = "sso_oidc",
    region = self.region,
    method = "POST",
    path = "/token",
    headers = { { "Content-Type", "application/json" } },
    body = body,
    secrets = { file.refreshToken, file.clientSecret, file.accessToken },
    features = self.feature,
    read = sso.reader(model, "Token"),
  }, deadline)
  if not answer then
    return nil, err
  elseif not token_file.text(answer.accessToken) then
    return nil, errors.new { kind = "protocol", code = "InvalidDocument", message = "the answer has no token" }
  end
  file.accessToken = answer.accessToken
  file.refreshToken = token_file.text(answer.refreshToken) or file.refreshToken
  file.expiresAt = moment.iso(context.runtime.time() + (answer.expiresIn or 0))
  token_file.write(context, path, file)
  return file
end

--- The token of who has signed in, renewed if that is due.
-- @tparam[opt] number deadline
-- @treturn[1] string
-- @treturn[1] number when it expires, seconds since 1970
-- @treturn[2] nil
-- @treturn[2] table an error object of kind `credentials`
function methods:token(deadline)
  local context = self.context
  local path, err = token_file.path(context, nil, { "sso", "cache" }, "sha1", self.session or self.start_url)
  if not path then
    return nil, err
  end
  local file
  file, err = token_file.read(context, path, advice(self))
  if not file then
    return nil, err
  end
  local token, expires = token_file.text(file.accessToken), moment.of_iso(file.expiresAt)
  if not token or not expires then
    local message = "failed to read `%s`: %s is missing or no %s; %s"
    local missing, kind = "accessToken", "text"
    if token then
      missing, kind = "expiresAt", "time"
    end
    return set.failure("UnreadableToken", format(message, path, missing, kind, advice(self)))
  end
  local now = context.runtime.time()
  local may_try = not self.tried_at or now - self.tried_at >= PAUSE or now < self.tried_at
  if expires - now < RENEW and may_try and is_renewable(self, file, now) then
    self.tried_at = now
    local renewed
    renewed, err = renew(self, path, file, deadline)
    if not renewed then
      renewed = token_file.read(context, path, advice(self)) -- another process may have been faster
    end
    if renewed and token_file.text(renewed.accessToken) and moment.of_iso(renewed.expiresAt) then
      token, expires = renewed.accessToken, moment.of_iso(renewed.expiresAt)
    end
  end
  if expires <= now then
    local why = err and format(" and could not be renewed (%s)", err.message) or ""
    local message = "the sign-in of profile %s has expired%s; %s"
    return set.failure("ExpiredToken", format(message, self.profile, why, advice(self)), err)
  end
  return token, expires
end

--- Credentials for the role that the profile names.
-- @tparam[opt] number deadline
-- @treturn[1] table a set; see `cloudhsmv2.credentials.set`
-- @treturn[2] nil
-- @treturn[2] table an error object of kind `credentials`
function methods:load(deadline)
  if not self.account_id then
    local message = "profile %s (%s): selected profile will resolve an access token instead of credentials: set "
      .. "sso_account_id and sso_role_name"
    return set.failure("InvalidProfile", format(message, self.profile, self.place))
  end
  local token, err = self:token(deadline)
  if not token then
    return nil, err
  end
  local answer
  answer, err = exchange.call(self.context, {
    service = "sso",
    region = self.region,
    method = "GET",
    path = format(
      "/federation/credentials?role_name=%s&account_id=%s",
      text.url_encoded(self.role_name),
      text.url_encoded(self.account_id)
    ),
    headers = { { "x-amz-sso_bearer_token", token } },
    secrets = { token },
    features = self.feature,
    read = sso.reader(model, "Answer"),
  }, deadline)
  local what = format("single sign-on of profile %s (%s)", self.profile, self.place)
  if not answer then
    local told = err.status == 401 and "; " .. advice(self) or ""
    return set.failure(err.code, format("%s: %s%s", what, err.message, told), err)
  end
  local keys = answer.roleCredentials or {}
  return set.new(what, {
    access_key_id = keys.accessKeyId,
    secret_access_key = keys.secretAccessKey,
    session_token = keys.sessionToken,
  }, {
    expiration = keys.expiration and keys.expiration / MILLISECONDS,
    account_id = self.account_id,
    features = self.feature,
    origin = self.origin,
  })
end

--- There is nothing to wipe.
function methods.close() end

--- Makes the provider.
-- @tparam table context of the client's providers
-- @tparam table options `session` (nil in the old form), `region`, `start_url`, `account_id`, `role_name`, `profile`, `place`
-- @tparam string feature letters for the User-Agent
-- @treturn table
function sso.new(context, options, feature)
  return setmetatable({
    context = context,
    session = options.session,
    region = options.region,
    start_url = options.start_url,
    account_id = options.account_id,
    role_name = options.role_name,
    profile = options.profile,
    place = options.place,
    feature = feature,
    origin = format("single sign-on of profile %s (%s)", options.profile, options.place),
  }, metatable)
end

return sso
