--- Credentials that a container gets over HTTP: ECS, EKS Pod Identity, Greengrass.
--
-- The address comes from the environment, so it is not trusted with more than it needs: `http://` only to this machine
-- and to the addresses that AWS has for this, written plainly, and never through a proxy.
--
-- Source: AWS SDKs and Tools Reference Guide, "Container credential provider".
-- @module cloudhsmv2.credentials.container

local codec = require "cloudhsmv2.codec"
local endpoint = require "cloudhsmv2.endpoint"
local lazy = require "cloudhsmv2.lazy"
local locations = require "cloudhsmv2.config.locations"
local set = require "cloudhsmv2.credentials.set"
local settings = require "cloudhsmv2.config.settings"
local text = require "cloudhsmv2.text"

local exchange = lazy "cloudhsmv2.credentials.exchange"
local redact = lazy "cloudhsmv2.redact"

local format = string.format

local RELATIVE, FULL = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"
local TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"

local HOST = "http://169.254.170.2"
local HOSTS = { -- beside those of this machine
  ["169.254.170.2"] = true, -- ECS
  ["169.254.170.23"] = true, -- EKS Pod Identity
  ["[fd00:ec2::23]"] = true,
}

local CONNECT_TIMEOUT, READ_TIMEOUT = 2, 5 -- seconds
local MOST_BODY = 65536 -- bytes
local ATTEMPTS = 3
local FIRST_DELAY = 0.1 -- seconds, doubled each time

local model = codec.compile {
  Answer = {
    type = "structure",
    members = {
      AccessKeyId = { shape = "String" },
      SecretAccessKey = { shape = "String" },
      Token = { shape = "String" },
      Expiration = { shape = "Moment" },
      AccountId = { shape = "String" },
      code = { shape = "String" },
      message = { shape = "String" },
    },
  },
  String = { type = "string", lenient = true },
  Moment = { type = "timestamp" },
}

local container = {}

local methods = {
  name = "container",
  looks_at = RELATIVE .. " and " .. FULL .. " in the environment",
}
local metatable = { __name = "cloudhsmv2.credentials.container", __index = methods }

local function refused(variable, problem)
  return set.failure("InvalidContainerUri", format("%s (environment): %s", variable, problem))
end

-- The address, checked; nil: none is set.
local function address_of(resolved)
  local relative, full = resolved.container_credentials_relative_uri, resolved.container_credentials_full_uri
  if relative then
    local url = HOST .. relative
    if relative:sub(1, 1) ~= "/" or relative:find "[^!-~]" or relative:find "[#\\]" then
      return refused(RELATIVE, 'expected a path that begins with "/"')
    end
    return url, "env " .. RELATIVE
  elseif not full then
    return nil
  elseif full:sub(1, 1) == "/" then
    return refused(FULL, "URI did not specify a host")
  end
  local before, query = full:match "^([^?]*)(.*)$"
  local parsed, err = endpoint.parse(before)
  if not parsed then
    return refused(FULL, (err.message:gsub("^Invalid endpoint: ", "")))
  elseif query:find "[^!-~]" or query:find "[#\\]" then
    return refused(FULL, "it has a character that a URL cannot have")
  elseif endpoint.insecure(parsed, HOSTS[parsed.host]) then
    local message =
      "http:// is allowed to this machine, 169.254.170.2, 169.254.170.23 and [fd00:ec2::23] only; use https://"
    return refused(FULL, message)
  end
  return parsed.scheme .. "://" .. parsed.authority .. parsed.path .. query, "env " .. FULL
end

-- The token to show, from a file that is read anew each time, or from the environment. No message shows it.
local function authorization(self)
  local context = self.context
  local resolved = context.settings
  local path, problem = settings.late(resolved, "container_authorization_token_file")
  local token
  if not path and not problem then
    token, problem = settings.late(resolved, "container_authorization_token")
  end
  if problem then
    return nil, set.repeated(problem)
  elseif path then
    local reason
    token, reason = context.read_file(locations.expand(path, context.getenv))
    if type(token) ~= "string" then
      local message = "%s=%s (environment): %s"
      return set.failure(
        "UnreadableToken",
        format(message, TOKEN_FILE, text.quote(path), reason or "there is no such file")
      )
    end
  end
  if token == "" then
    return set.failure(
      "UnreadableToken",
      format("%s=%s (environment): the file is empty", TOKEN_FILE, text.quote(path))
    )
  elseif token and token:find "[%z\1-\31\127]" then -- of the file: settings have none
    return set.failure(
      "InvalidToken",
      format("%s (environment): the token has a line end or another control character", TOKEN_FILE)
    )
  end
  return token
end

-- Whether the same request may fare better: the agent may be starting, and sends what is no answer.
local function may_pass(response, err, answer)
  if not response then
    return err.kind == "transport"
  end
  return response.status >= 500 or (response.status == 200 and not answer)
end

local function read(self, response, token)
  local answer = model:decode("Answer", response.body)
  if response.status ~= 200 then
    for name, value in pairs(answer or {}) do
      answer[name] = redact.strings(value, { token })
    end
    local told = answer and (answer.code or answer.message)
    told = told and format(": %s", text.trim(format("%s %s", answer.code or "", answer.message or ""))) or ""
    return set.failure("ContainerCredentialsFailed", format("%s: HTTP %d%s", self.origin, response.status, told))
  elseif not answer then
    return set.failure(
      "ContainerCredentialsFailed",
      format("%s: the answer is not the JSON that is expected", self.origin)
    )
  end
  return answer
end

local function request(self, token, deadline)
  local headers = { { "Accept", "application/json" }, { "User-Agent", self.context.user_agent "z" } }
  if token then
    headers[#headers + 1] = { "Authorization", token }
  end
  return exchange.fetch(self.context, {
    method = "GET",
    url = self.url,
    headers = headers,
    body = "",
    connect_timeout = CONNECT_TIMEOUT,
    read_timeout = READ_TIMEOUT,
    timeout = CONNECT_TIMEOUT + READ_TIMEOUT,
    direct = true,
    max_body = MOST_BODY,
  }, deadline, { token })
end

--- Asks for credentials.
-- @tparam[opt] number deadline of the runtime's clock that never jumps
-- @treturn[1] table a set; see `cloudhsmv2.credentials.set`
-- @treturn[2] nil no address is set
-- @treturn[3] nil
-- @treturn[3] table an error object of kind `credentials`
function methods:load(deadline)
  local context = self.context
  for _, name in ipairs { "container_credentials_relative_uri", "container_credentials_full_uri" } do
    local _, problem = settings.late(context.settings, name)
    if problem then
      return nil, set.repeated(problem)
    end
  end
  local err
  self.url, self.origin = address_of(context.settings)
  if not self.url then
    return nil, self.origin
  end
  local token
  token, err = authorization(self)
  if err then
    return nil, err
  end
  local answer
  for attempt = 1, ATTEMPTS do
    local response
    response, err = request(self, token, deadline)
    if response then
      answer, err = read(self, response, token)
    end
    if answer or attempt == ATTEMPTS or not may_pass(response, err, answer) then
      break
    end
    context.runtime.sleep(FIRST_DELAY * 2 ^ (attempt - 1))
  end
  if not answer then
    if err.kind ~= "credentials" then
      return set.failure(err.code, format("%s: %s", self.origin, err.message), err)
    end
    return nil, err
  end
  return set.new(self.origin, {
    access_key_id = answer.AccessKeyId,
    secret_access_key = answer.SecretAccessKey,
    session_token = answer.Token,
  }, {
    expiration = answer.Expiration,
    account_id = answer.AccountId,
    features = "z",
    origin = self.origin,
  })
end

--- There is nothing to wipe.
function methods.close() end

--- Makes the provider.
-- @tparam table context of the client's providers
-- @treturn table
function container.new(context)
  local resolved = context.settings
  local self = setmetatable({ context = context }, metatable)
  self.is_set = resolved.container_credentials_relative_uri ~= nil or resolved.container_credentials_full_uri ~= nil
  self.origin = self.is_set and "env " .. (resolved.container_credentials_relative_uri and RELATIVE or FULL) or nil
  return self
end

--- The address that is asked, for who wants to know.
-- @tparam table resolved as of `settings.resolve`
-- @treturn[1] string
-- @treturn[2] nil none is set
-- @treturn[3] nil
-- @treturn[3] table an error object of kind `credentials`
container.address = address_of

return container
