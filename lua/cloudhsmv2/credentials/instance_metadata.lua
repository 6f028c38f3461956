--- Credentials of the role of an EC2 instance, from its metadata service.
--
-- Only its second version is spoken, which asks for a token first: the first can be tricked by a request that somebody else
-- makes an instance send. The newer of its two lists of credentials is asked, which has account ids, and the older where
-- an instance has no other. No proxy is used.
--
-- Source: AWS SDKs and Tools Reference Guide, "IMDS credential provider"; Amazon EC2 User Guide, "Use the Instance Metadata
-- Service".
-- @module cloudhsmv2.credentials.instance_metadata

local codec = require "cloudhsmv2.codec"
local lazy = require "cloudhsmv2.lazy"
local set = require "cloudhsmv2.credentials.set"
local settings = require "cloudhsmv2.config.settings"
local text = require "cloudhsmv2.text"

local exchange = lazy "cloudhsmv2.credentials.exchange"
local redact = lazy "cloudhsmv2.redact"

local format = string.format

local HOSTS = { ipv4 = "http://169.254.169.254", ipv6 = "http://[fd00:ec2::254]" }
local TOKEN_PATH = "/latest/api/token"
local EXTENDED = "/latest/meta-data/iam/security-credentials-extended/"
local LEGACY = "/latest/meta-data/iam/security-credentials/"

local TOKEN_LIFE = 21600 -- seconds, the most there is
local TOKEN_MARGIN = 120 -- seconds
local MOST_BODY = 65536 -- bytes
local FLAPS = 3 -- how often a broken answer is asked for again
local FIRST_DELAY = 0.05 -- seconds, doubled each time
local MOST_LISTINGS = 2 -- in one refresh: the instance's role may change once meanwhile

-- Answers that a machine which gives no credentials has for who asks for a token.
local NONE = { [403] = true, [404] = true, [405] = true }

local SETTINGS = {
  "ec2_metadata_disabled",
  "ec2_metadata_service_endpoint",
  "ec2_metadata_service_endpoint_mode",
  "ec2_instance_profile_name",
  "metadata_service_timeout",
  "metadata_service_num_attempts",
}

local model = codec.compile {
  Answer = {
    type = "structure",
    members = {
      Code = { shape = "String" },
      Message = { shape = "String" },
      AccessKeyId = { shape = "String" },
      SecretAccessKey = { shape = "String" },
      Token = { shape = "String" },
      Expiration = { shape = "Moment" },
      AccountId = { shape = "String" },
    },
  },
  String = { type = "string", lenient = true },
  Moment = { type = "timestamp" },
}

local instance_metadata = {}

local methods = { name = "instance metadata" }
local metatable = { __name = "cloudhsmv2.credentials.instance_metadata", __index = methods }

local function failed(message, cause)
  return set.failure("InstanceMetadataFailed", "instance metadata: " .. message, cause)
end

--- The address of the metadata service.
-- @tparam table resolved as of `settings.resolve`
-- @treturn[1] string
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config`
function instance_metadata.address(resolved)
  local given, problem = settings.late(resolved, "ec2_metadata_service_endpoint")
  if given or problem then
    return given, problem
  end
  local mode
  mode, problem = settings.late(resolved, "ec2_metadata_service_endpoint_mode")
  return HOSTS[mode], problem
end

-- Sends a request, again where the connection fails as often as the setting says. Returns the answer, or nil and an error.
local function send(self, method, path, headers, deadline)
  local context = self.context
  local seconds = context.settings.metadata_service_timeout
  headers[#headers + 1] = { "User-Agent", context.user_agent "0" }
  local response, err
  for _ = 1, context.settings.metadata_service_num_attempts do
    response, err = exchange.fetch(context, {
      method = method,
      url = self.url .. path,
      headers = headers,
      body = "",
      connect_timeout = seconds,
      read_timeout = seconds,
      timeout = 2 * seconds,
      direct = true,
      max_body = MOST_BODY,
    }, deadline, { self.token })
    if response or (err.kind ~= "transport" and err.kind ~= "timeout") or err.code == "DeadlineExceeded" then
      break
    end
  end
  return response, err
end

-- As `send`, and again where the answer is broken: the service flaps while an instance starts.
local function ask(self, method, path, headers, deadline, is_good)
  local response, err
  for flap = 0, FLAPS do
    local copy = {}
    for i, header in ipairs(headers) do
      copy[i] = header
    end
    response, err = send(self, method, path, copy, deadline)
    if not response or (response.status < 500 and (response.status ~= 200 or is_good(response.body))) then
      break
    elseif flap < FLAPS then
      self.context.runtime.sleep(FIRST_DELAY * 2 ^ flap)
    end
  end
  return response, err
end

local function has_text(body)
  return body:find "[^ \t\r\n]" ~= nil
end

local function is_json(body)
  return model:decode("Answer", body) ~= nil
end

-- The token of the session with the service. Nil: there is no such service, and why; or nil, nil and an error.
local function token_of(self, deadline)
  local now = self.context.runtime.now()
  if self.token and now < self.token_until then
    return self.token
  end
  local wanted = { { "x-aws-ec2-metadata-token-ttl-seconds", format("%d", TOKEN_LIFE) } }
  local response, err = ask(self, "PUT", TOKEN_PATH, wanted, deadline, has_text)
  if not response then
    if err.code == "DeadlineExceeded" then
      return nil, nil, err
    end
    return nil, "no answer: " .. err.message
  elseif NONE[response.status] then
    return nil, format("it gives no token (HTTP %d); version 1 is never used", response.status)
  elseif response.status ~= 200 or not has_text(response.body) or text.trim(response.body):find "[^!-~]" then
    return nil, nil, select(2, failed(format("no token, but HTTP %d", response.status)))
  end
  local life = tonumber((response.headers["x-aws-ec2-metadata-token-ttl-seconds"] or ""):match "^%d+$") or TOKEN_LIFE
  self.token, self.token_until = text.trim(response.body), now + math.max(life - TOKEN_MARGIN, 0)
  return self.token
end

-- Gets a path with a token, and with a new one where the service has forgotten it. Returns the answer; or nil and why there
-- is none; or nil, nil and an error.
local function get(self, path, deadline, is_good)
  local response
  for _ = 1, 2 do
    local token, why, err = token_of(self, deadline)
    if not token then
      return nil, why, err
    end
    response, err = ask(self, "GET", path, { { "x-aws-ec2-metadata-token", token } }, deadline, is_good)
    if not response then
      return nil, nil, err.code == "DeadlineExceeded" and err or select(2, failed(err.message, err))
    elseif response.status ~= 401 then
      break
    end
    self.token = nil
  end
  return response
end

local function unexpected(response, path)
  return nil, nil, select(2, failed(format("HTTP %d for %s", response.status, path)))
end

-- The name of the instance's role: the one that is set, or the one that the service lists. Nil as of `get`.
local function role_of(self, deadline)
  local given = self.context.settings.ec2_instance_profile_name or self.role
  if given then
    return given
  end
  local base = self.path or EXTENDED
  local response, why, err = get(self, base, deadline, has_text)
  if not response then
    return nil, why, err
  elseif response.status == 404 and not self.path then
    self.path = LEGACY
    return role_of(self, deadline)
  elseif response.status == 404 then
    return nil, "the instance has no role"
  elseif response.status ~= 200 then
    return unexpected(response, base)
  end
  local name = text.trim(response.body:match "^[^\r\n]*")
  if name == "" then
    return nil, "the instance has no role"
  elseif name:find "[^!-~]" then
    return nil, nil, select(2, failed "the name of the instance's role has characters that a path cannot have")
  end
  self.path, self.role = base, name
  return name
end

-- The answer with the keys. Nil as of `get`.
local function answer_of(self, deadline)
  local given = self.context.settings.ec2_instance_profile_name
  for listing = 1, MOST_LISTINGS do
    local role, why, err = role_of(self, deadline)
    if not role then
      return nil, why, err
    end
    local base = self.path or EXTENDED
    local response
    response, why, err = get(self, base .. role, deadline, is_json)
    if response and response.status == 404 and given and not self.path then
      self.path, base = LEGACY, LEGACY
      response, why, err = get(self, base .. role, deadline, is_json)
    end
    if not response then
      return nil, why, err
    elseif response.status == 200 then
      self.path = base
      return response.body
    elseif response.status ~= 404 then
      return unexpected(response, base .. role)
    elseif given then
      return nil, nil, select(2, failed(format("invalid profile %s: the instance has no such role", text.quote(given))))
    end
    self.role = nil -- it was replaced: there is another
    if listing == MOST_LISTINGS then
      return unexpected(response, base .. role)
    end
  end
end

--- Asks for credentials.
-- @tparam[opt] number deadline of the runtime's clock that never jumps
-- @treturn[1] table a set; see `cloudhsmv2.credentials.set`
-- @treturn[2] nil the service is switched off, or there is none; `self.why` says so
-- @treturn[3] nil
-- @treturn[3] table an error object
function methods:load(deadline)
  local resolved = self.context.settings
  self.why = nil
  for _, name in ipairs(SETTINGS) do
    local _, problem = settings.late(resolved, name)
    if problem then
      return nil, set.repeated(problem)
    end
  end
  if resolved.ec2_metadata_disabled then
    self.why = "switched off (" .. settings.from(resolved.origin.ec2_metadata_disabled) .. ")"
    return nil
  end
  self.url = instance_metadata.address(resolved)
  local body, why, err = answer_of(self, deadline)
  if not body then
    self.why = why
    return nil, err
  end
  local answer = model:decode("Answer", body)
  if not answer then
    return failed "the answer is not the JSON that is expected"
  elseif answer.Code and answer.Code ~= "Success" then
    local told = format("%s: %s", answer.Code, answer.Message or "no credentials")
    return failed(redact.strings(told, { self.token }))
  end
  return set.new("instance metadata", {
    access_key_id = answer.AccessKeyId,
    secret_access_key = answer.SecretAccessKey,
    session_token = answer.Token,
  }, {
    expiration = answer.Expiration,
    account_id = answer.AccountId,
    features = "0",
    origin = "instance metadata",
    stable = true,
  })
end

--- There is nothing to wipe but the token, which is good for the metadata of this machine only.
function methods:close()
  self.token = nil
end

--- Makes the provider.
-- @tparam table context of the client's providers
-- @treturn table
function instance_metadata.new(context)
  return setmetatable({ context = context, looks_at = "the instance metadata service" }, metatable)
end

return instance_metadata
