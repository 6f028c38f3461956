--- Credentials of who has signed in with `aws login`.
--
-- The AWS CLI keeps them in a file, with a key that proves that they are renewed on the machine where the sign-in was.
-- They are good for a quarter of an hour, and renewed in the last five minutes.
--
-- Sources: AWS SDKs and Tools Reference Guide, "Login credentials provider"; RFC 9449, "OAuth 2.0 Demonstrating Proof of
-- Possession"; RFC 7518, section 3.4.
-- @module cloudhsmv2.credentials.login

local codec = require "cloudhsmv2.codec"
local core = require "cloudhsmv2.core"
local errors = require "cloudhsmv2.errors"
local exchange = require "cloudhsmv2.credentials.exchange"
local moment = require "cloudhsmv2.moment"
local set = require "cloudhsmv2.credentials.set"
local sso = require "cloudhsmv2.credentials.sso"
local text = require "cloudhsmv2.text"
local token_file = require "cloudhsmv2.credentials.token_file"

local format = string.format

local RENEW = 300 -- seconds before the keys expire
local NEEDED = { "accessToken", "refreshToken", "clientId", "dpopKey" }
local TEXT = { shape = "String" }

-- What the service says of a sign-in that is over.
local OVER = { TOKEN_EXPIRED = true, USER_CREDENTIALS_CHANGED = true }

local model = codec.compile {
  Bytes = { type = "structure", members = { value = { shape = "Blob" } } },
  Key = {
    type = "structure",
    members = { kty = TEXT, x = TEXT, y = TEXT, crv = TEXT },
    order = { "kty", "x", "y", "crv" },
  },
  Header = {
    type = "structure",
    members = { typ = TEXT, alg = TEXT, jwk = { shape = "Key" } },
    order = { "typ", "alg", "jwk" },
  },
  Claims = {
    type = "structure",
    members = { jti = TEXT, htm = TEXT, htu = TEXT, iat = { shape = "Integer" } },
    order = { "jti", "htm", "htu", "iat" },
  },
  Request = { type = "structure", members = { clientId = TEXT, grantType = TEXT, refreshToken = TEXT } },
  Answer = {
    type = "structure",
    members = {
      accessToken = { shape = "Keys" },
      refreshToken = TEXT,
      idToken = TEXT,
      expiresIn = { shape = "Integer" },
    },
  },
  Keys = { type = "structure", members = { accessKeyId = TEXT, secretAccessKey = TEXT, sessionToken = TEXT } },
  String = { type = "string" },
  Blob = { type = "blob" },
  Integer = { type = "long" },
}

local login = {}

local methods = { name = "login" }
local metatable = { __name = "cloudhsmv2.credentials.login", __index = methods }

local function advice(self)
  return format("sign in with `aws login --profile %s`", self.profile)
end

-- RFC 7515: base64 with the letters of URLs, without padding.
local function base64url(bytes)
  local json = model:encode("Bytes", { value = bytes })
  return (json:match('"value":"([^"]*)"'):gsub("\\/", "/"):gsub("[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" }))
end

--- The proof that a request comes from the machine that has the key: a JWT, signed with ES256.
-- @tparam string pem the key
-- @tparam string url of the request, a POST
-- @tparam number time seconds since 1970
-- @tparam[opt] string id of the proof; else a new one
-- @treturn[1] string
-- @treturn[2] nil
-- @treturn[2] string the reason
function login.proof(pem, url, time, id)
  local key, reason = core.ec_key(pem)
  if not key then
    return nil, reason
  end
  local x, y = key:public()
  local header = model:encode("Header", {
    typ = "dpop+jwt",
    alg = "ES256",
    jwk = { kty = "EC", x = base64url(x), y = base64url(y), crv = "P-256" },
  })
  local claims = model:encode("Claims", {
    jti = id or core.uuid(),
    htm = "POST",
    htu = url,
    iat = math.floor(time),
  })
  local signed = base64url(header) .. "." .. base64url(claims)
  local signature
  signature, reason = key:sign(signed)
  key:close()
  if not signature then
    return nil, reason
  end
  return signed .. "." .. base64url(signature)
end

-- The set of the keys in the file.
local function set_of(self, keys)
  return set.new(self.origin, {
    access_key_id = keys.accessKeyId,
    secret_access_key = keys.secretAccessKey,
    session_token = keys.sessionToken,
  }, {
    expiration = moment.of_iso(keys.expiresAt),
    account_id = token_file.text(keys.accountId),
    features = self.feature,
    origin = self.origin,
  })
end

local function read(self, path)
  local file, err = token_file.read(self.context, path, advice(self))
  if not file then
    return nil, err
  end
  for _, name in ipairs(NEEDED) do
    local wanted = name == "accessToken" and "table" or "string"
    if type(file[name]) ~= wanted or file[name] == "" then
      return set.failure("UnreadableToken", format("failed to read `%s`: %s is missing; %s", path, name, advice(self)))
    end
  end
  if not moment.of_iso(file.accessToken.expiresAt) then
    local message = "failed to read `%s`: accessToken.expiresAt is missing or no time; %s"
    return set.failure("UnreadableToken", format(message, path, advice(self)))
  end
  return file
end

-- Asks for new keys. Returns the file as it is then, or nil and an error.
local function renew(self, path, file, deadline)
  local context = self.context
  local body = model:encode("Request", {
    clientId = file.clientId,
    grantType = "refresh_token",
    refreshToken = file.refreshToken,
  })
  local plain = sso.reader(model, "Answer")
  local answer, err = exchange.call(context, {
    service = "signin",
    region = context.settings.region,
    method = "POST",
    path = "/v1/token",
    headers = function(url, time)
      local proof, reason = login.proof(file.dpopKey, url, time)
      if not proof then
        return nil, errors.new { kind = "credentials", code = "InvalidCredentials", message = "dpopKey: " .. reason }
      end
      return { { "Content-Type", "application/json" }, { "DPoP", proof } }
    end,
    body = body,
    secrets = { file.refreshToken, file.dpopKey },
    features = self.feature,
    read = function(response)
      local found, problem = plain(response)
      local reason = problem and response.body:match '"error"%s*:%s*"([A-Z_]+)"'
      if reason then
        problem.code = reason
      end
      return found, problem
    end,
  }, deadline)
  if not answer then
    return nil, err
  end
  local keys = answer.accessToken or {}
  local held = file.accessToken
  held.accessKeyId, held.secretAccessKey, held.sessionToken = keys.accessKeyId, keys.secretAccessKey, keys.sessionToken
  held.expiresAt = moment.iso(context.runtime.time() + (answer.expiresIn or 0))
  file.refreshToken = token_file.text(answer.refreshToken) or file.refreshToken
  file.idToken = token_file.text(answer.idToken) or file.idToken
  local made
  made, err = set_of(self, held)
  if not made then
    return nil, err
  end
  token_file.write(context, path, file)
  return made
end

--- The keys in the file, renewed if that is due.
-- @tparam[opt] number deadline
-- @treturn[1] table a set; see `cloudhsmv2.credentials.set`
-- @treturn[2] nil
-- @treturn[2] table an error object of kind `credentials`
function methods:load(deadline)
  local context = self.context
  local folder = context.settings.login_cache_directory
  local path, err = token_file.path(context, folder, { "login", "cache" }, "sha256", text.trim(self.session))
  if not path then
    return nil, err
  end
  local file
  file, err = read(self, path)
  if not file then
    return nil, err
  end
  local now = context.runtime.time()
  local expires = moment.of_iso(file.accessToken.expiresAt)
  if expires - now >= RENEW then
    return set_of(self, file.accessToken)
  end
  local renewed
  renewed, err = renew(self, path, file, deadline)
  if renewed then
    return renewed
  end
  file = read(self, path) -- another process may have been faster
  if file and moment.of_iso(file.accessToken.expiresAt) > context.runtime.time() then
    return set_of(self, file.accessToken)
  end
  local told = (OVER[err.code] or expires <= now) and "; " .. advice(self) or ""
  return set.failure(err.code, format("%s: could not be renewed: %s%s", self.origin, err.message, told), err)
end

--- There is nothing to wipe.
function methods.close() end

--- Makes the provider.
-- @tparam table context of the client's providers
-- @tparam table options `session`, `profile`, `place`
-- @tparam string feature letters for the User-Agent
-- @treturn table
function login.new(context, options, feature)
  return setmetatable({
    context = context,
    session = options.session,
    profile = options.profile,
    feature = feature,
    origin = format("aws login of profile %s (%s)", options.profile, options.place),
  }, metatable)
end

return login
