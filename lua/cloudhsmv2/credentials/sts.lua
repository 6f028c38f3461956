--- AWS STS: a role's credentials, with credentials or with the token of another identity provider.
-- Answers are read as XML, and as JSON, which some servers that speak for STS answer with.
-- Source: AWS STS API Reference, `AssumeRole` and `AssumeRoleWithWebIdentity`.
-- @module cloudhsmv2.credentials.sts

local classify = require "cloudhsmv2.retry.classify"
local codec = require "cloudhsmv2.codec"
local errors = require "cloudhsmv2.errors"
local exchange = require "cloudhsmv2.credentials.exchange"
local moment = require "cloudhsmv2.moment"
local set = require "cloudhsmv2.credentials.set"
local text = require "cloudhsmv2.text"
local xml = require "cloudhsmv2.credentials.xml"

local format = string.format

local VERSION = "2011-06-15"
local SESSION_NAME = "^[A-Za-z0-9_+=,.@-]+$"
local LEAST_NAME, MOST_NAME = 2, 64 -- characters of a session's name
local ACCOUNT_FIELD = 5 -- of an ARN

local anything = codec.compile { Answer = { type = "structure", members = {}, document = true } }

local sts = {}

local function form(parameters)
  local fields = {}
  for i, parameter in ipairs(parameters) do
    fields[i] = parameter[1] .. "=" .. text.url_encoded(parameter[2])
  end
  return table.concat(fields, "&")
end

-- A tree of tables for what an answer says, the same for both forms; nil: it is neither.
local function tree_of_xml(element)
  if #element.children == 0 then
    return element.text
  end
  local fields = {}
  for _, child in ipairs(element.children) do
    fields[child.name] = tree_of_xml(child)
  end
  return fields
end

local function tree_of(body)
  local first = body:match "^[\239\187\191 \t\r\n]*(.)"
  if first == "<" then
    local root = xml.read(body)
    return root and { [root.name] = tree_of_xml(root) }
  elseif first == "{" then
    return (anything:decode("Answer", body))
  end
end

local function field(tree, ...)
  for i = 1, select("#", ...) do
    tree = type(tree) == "table" and tree[select(i, ...)] or nil
  end
  return tree
end

local function text_field(tree, ...)
  local value = field(tree, ...)
  return type(value) == "string" and value or nil
end

-- What an answer says that is no success. JSON has the error at its top, or inside of `Error`.
local function refusal(response, tree)
  local problem = field(tree, "ErrorResponse", "Error") or field(tree, "Error") or tree
  local code = text_field(problem, "Code") or text_field(problem, "code") or text_field(problem, "__type")
  local status = response.status
  code = code and code:match "[^#]*$" or format("HTTP%d", status)
  local message = text_field(problem, "Message") or text_field(problem, "message")
  return errors.new {
    kind = classify.kind(code, status),
    code = code,
    message = message and text.trim(message) or format("the service gave no reason (HTTP %d)", status),
    status = status,
    request_id = text_field(tree, "ErrorResponse", "RequestId") or response.headers["x-amzn-requestid"],
    sent = "yes",
  }
end

local function unreadable(response, what)
  return nil,
    errors.new {
      kind = "protocol",
      code = "InvalidDocument",
      message = what,
      status = response.status,
      request_id = response.headers["x-amzn-requestid"],
      sent = "yes",
    }
end

local function account_of(arn)
  local number = 0
  for part in (arn .. ":"):gmatch "([^:]*):" do
    number = number + 1
    if number == ACCOUNT_FIELD then
      return part ~= "" and part or nil
    end
  end
end

-- The function that reads the answers of an action.
local function reader(action)
  return function(response)
    local tree = tree_of(response.body)
    if response.status < 200 or response.status > 299 then
      return nil, refusal(response, tree)
    end
    local result = field(tree, action .. "Response", action .. "Result")
    local keys = field(result, "Credentials")
    if type(keys) ~= "table" then
      return unreadable(response, "the answer has no credentials: is a proxy or a login page in the way?")
    end
    local expiration = keys.Expiration
    if type(expiration) ~= "number" then
      expiration = moment.of_iso(expiration)
    end
    if not expiration then
      return unreadable(response, "the answer does not say when the credentials expire")
    end
    return {
      access_key_id = keys.AccessKeyId,
      secret_access_key = keys.SecretAccessKey,
      session_token = keys.SessionToken,
      expiration = expiration,
      account_id = account_of(text_field(result, "AssumedRoleUser", "Arn") or ""),
    }
  end
end

-- An identity provider that did not answer STS may do so the next time.
local function may_pass(err)
  return err.code == "IDPCommunicationError"
end

local function session_name(context, given)
  if not given then
    return format("cloudhsmv2-lua-%.0f", math.floor(context.runtime.time() * 1000))
  elseif #given < LEAST_NAME or #given > MOST_NAME or not given:find(SESSION_NAME) then
    local message = "role_session_name=%s: expected %d to %d characters of A-Z a-z 0-9 _ + = , . @ -"
    return set.failure("InvalidProfile", format(message, text.quote(given), LEAST_NAME, MOST_NAME))
  end
  return given
end

local function call(context, action, parameters, options, deadline)
  table.insert(parameters, 1, { "Action", action })
  table.insert(parameters, 2, { "Version", VERSION })
  local keys, err = exchange.call(context, {
    service = "sts",
    region = context.settings.region,
    method = "POST",
    path = "/",
    headers = {
      { "Content-Type", "application/x-www-form-urlencoded; charset=utf-8" },
      { "Accept", "application/xml" },
    },
    body = form(parameters),
    credentials = options.credentials,
    secrets = options.secrets,
    features = options.features,
    read = reader(action),
    retries = may_pass,
  }, deadline)
  local what = format("%s of %s (%s)", action, options.role_arn, options.place)
  if not keys then
    return set.failure(err.code, format("%s: %s", what, err.message), err)
  end
  return set.new(what, keys, {
    expiration = keys.expiration,
    account_id = keys.account_id,
    features = options.features,
    origin = options.origin,
    asks = options.asks,
  })
end

--- Assumes a role with credentials.
-- @tparam table context of the client's providers
-- @tparam table role `role_arn`, `place` (where it stands, for messages), and perhaps `role_session_name`, `external_id`,
-- `duration` (seconds), `mfa_serial` and `token_code`
-- @tparam table options `credentials` (a userdata), `features`, `origin`
-- @tparam[opt] number deadline
-- @treturn[1] table a set; see `cloudhsmv2.credentials.set`
-- @treturn[2] nil
-- @treturn[2] table an error object of kind `credentials`
function sts.assume_role(context, role, options, deadline)
  local name, err = session_name(context, role.role_session_name)
  if not name then
    return nil, err
  end
  local parameters = { { "RoleArn", role.role_arn }, { "RoleSessionName", name } }
  for _, optional in ipairs {
    { "DurationSeconds", role.duration and format("%d", role.duration) },
    { "ExternalId", role.external_id },
    { "SerialNumber", role.token_code and role.mfa_serial },
    { "TokenCode", role.token_code },
  } do
    parameters[#parameters + 1] = optional[2] and optional or nil
  end
  return call(context, "AssumeRole", parameters, {
    credentials = options.credentials,
    role_arn = role.role_arn,
    place = role.place,
    features = options.features,
    origin = options.origin,
    asks = role.token_code ~= nil or options.asks,
    secrets = { role.external_id or role.token_code, role.external_id and role.token_code },
  }, deadline)
end

--- Assumes a role with a token of another identity provider.
-- @tparam table context
-- @tparam table role `role_arn`, `place`, perhaps `role_session_name`; and `token`
-- @tparam table options `features`, `origin`
-- @tparam[opt] number deadline
-- @treturn[1] table a set
-- @treturn[2] nil
-- @treturn[2] table an error object of kind `credentials`
function sts.assume_role_with_web_identity(context, role, options, deadline)
  local name, err = session_name(context, role.role_session_name)
  if not name then
    return nil, err
  end
  local parameters = { { "RoleArn", role.role_arn }, { "RoleSessionName", name }, { "WebIdentityToken", role.token } }
  return call(context, "AssumeRoleWithWebIdentity", parameters, {
    role_arn = role.role_arn,
    place = role.place,
    features = options.features,
    origin = options.origin,
    secrets = { role.token },
  }, deadline)
end

return sts
