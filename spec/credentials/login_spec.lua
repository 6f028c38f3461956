local codec = require "cloudhsmv2.codec"
local core = require "cloudhsmv2.core"
local json = require "spec.tools.json"
local login = require "cloudhsmv2.credentials.login"
local machine = require "spec.helper.machine"
local moment = require "cloudhsmv2.moment"

local ID, SECRET, TOKEN = machine.ID, machine.SECRET, machine.TOKEN

local SESSION = "arn:aws:sts::012345678910:assumed-role/Admin/admin"
local NAME = "4b0ba8f99f075c0633e122fd73346ce203a3faf18ea0310eb2d29df1bab2e255.json" -- its sha256
local PATH = "/home/.aws/login/cache/" .. NAME
local URL = "https://eu-west-1.signin.aws.amazon.com/v1/token"
local ORIGIN = "aws login of profile prod (~/.aws/config:2)"
local ADVICE = "sign in with `aws login --profile prod`"

-- What a shell command prints.
local function output(command)
  local pipe = assert(io.popen("unset LD_PRELOAD; " .. command)) -- no sanitizer in it
  local text = pipe:read "*a"
  pipe:close()
  return text
end

local KEY = output "openssl ecparam -name prime256v1 -genkey -noout" -- made for each run

local secrets = { "hunter2-refresh", "hunter2-id", "hunter2/new+token", SECRET, TOKEN, KEY:match "\n([^\n]+)\n" }

-- The file that `aws login` leaves, whose keys are good for `life` seconds.
local function file_of(life, fields, keys)
  local held = {
    accessKeyId = ID,
    secretAccessKey = SECRET,
    sessionToken = TOKEN,
    accountId = "012345678910",
    expiresAt = moment.iso(machine.START + life),
  }
  for name, value in pairs(keys or {}) do
    held[name] = value or nil
  end
  local content = {
    accessToken = held,
    tokenType = "aws_sigv4",
    refreshToken = "hunter2-refresh",
    idToken = "hunter2-id",
    clientId = "arn:aws:signin:::devtools/same-device",
    dpopKey = KEY,
  }
  for name, value in pairs(fields or {}) do
    content[name] = value
  end
  return machine.json(content)
end

local ANSWER = {
  accessToken = { accessKeyId = "AKIDNEW", secretAccessKey = SECRET, sessionToken = "hunter2/new+token" },
  tokenType = "aws_sigv4",
  refreshToken = "hunter2-refresh-next",
  expiresIn = 900,
}

local function answer_of(fields)
  local said = {}
  for name, value in pairs(ANSWER) do
    said[name] = value
  end
  for name, value in pairs(fields or {}) do
    said[name] = value
  end
  return { body = machine.json(said) }
end

local function machine_of(content, answer)
  return machine.new { files = { [PATH] = content }, answer = answer or answer_of() }
end

local function provider_of(here, options)
  return login.new(here:context(options), { session = SESSION, profile = "prod", place = "~/.aws/config:2" }, "AC,AD")
end

local function error_of(provider)
  local set, err = provider:load()
  assert.is_nil(set)
  assert.are.equal("credentials", err.kind)
  for _, secret in ipairs(secrets) do
    assert.is_nil((tostring(err) .. tostring(err.cause)):find(secret, 1, true))
  end
  return err
end

describe("credentials of aws login", function()
  it("are those in the file as long as they are good for five minutes", function()
    for _, life in ipairs { 900, 300 } do
      local here = machine_of(file_of(life))
      local set = assert(provider_of(here):load())
      assert.are.equal(
        machine.signature_of { access_key_id = ID, secret_access_key = SECRET, session_token = TOKEN },
        machine.signature_of(set.credentials)
      )
      assert.are.equal(machine.START + life, set.expiration)
      assert.are.equal("012345678910", set.account_id)
      assert.are.equal("AC,AD", set.features)
      assert.are.equal(ORIGIN, set.origin)
      assert.are.equal(0, #here.requests)
    end
  end)

  it("are in another folder where the environment says so", function()
    local here = machine_of(nil)
    here.files["/cache/" .. NAME] = file_of(900)
    here.env.AWS_LOGIN_CACHE_DIRECTORY = "/cache"
    assert(provider_of(here):load())
    here.files["/cache/" .. NAME], here.files["/home/mine/" .. NAME] = nil, file_of(900)
    here.env.AWS_LOGIN_CACHE_DIRECTORY = "~/mine/"
    assert(provider_of(here):load())
  end)

  it("are named by the session without the blanks around it", function()
    local here = machine_of(file_of(900))
    assert(login.new(here:context(), { session = " " .. SESSION .. "\t", profile = "p", place = "x" }, "AC"):load())
  end)

  it("need a file that is whole: what is missing is named, with what to do", function()
    local cases = {
      { nil, "there is no such file" },
      { { reason = "permission denied" }, "permission denied" },
      { "hunter2-refresh", "it is not a JSON object" },
      { file_of(900, { accessToken = false }), "accessToken is missing" },
      { file_of(900, { accessToken = "hunter2-refresh" }), "accessToken is missing" },
      { file_of(900, { refreshToken = false }), "refreshToken is missing" },
      { file_of(900, { refreshToken = "" }), "refreshToken is missing" },
      { file_of(900, { clientId = false }), "clientId is missing" },
      { file_of(900, { dpopKey = false }), "dpopKey is missing" },
      { file_of(900, { dpopKey = { KEY } }), "dpopKey is missing" },
      { file_of(900, nil, { expiresAt = false }), "accessToken.expiresAt is missing or no time" },
      { file_of(900, nil, { expiresAt = "soon" }), "accessToken.expiresAt is missing or no time" },
    }
    for _, case in ipairs(cases) do
      local here = machine_of(case[1])
      local err = error_of(provider_of(here))
      assert.are.equal("UnreadableToken", err.code)
      assert.are.equal(("failed to read `%s`: %s; %s"):format(PATH, case[2], ADVICE), err.message)
      assert.are.equal(0, #here.requests)
    end
    for key, name in pairs { accessKeyId = "access_key_id", secretAccessKey = "secret_access_key" } do
      local err = error_of(provider_of(machine_of(file_of(900, nil, { [key] = false }))))
      assert.are.equal(ORIGIN .. ": " .. name .. " is missing", err.message)
    end
  end)

  it("leave nothing to wipe", function()
    provider_of(machine_of(file_of(900))):close()
  end)
end)

describe("the renewal of a sign-in", function()
  it("is due in the last five minutes", function()
    for life, id in pairs { [300] = ID, [299] = "AKIDNEW", [0] = "AKIDNEW", [-1e6] = "AKIDNEW" } do
      local here = machine_of(file_of(life))
      local set = assert(provider_of(here):load())
      assert.are.equal(id, set.credentials:access_key_id())
    end
  end)

  it("is a request of JSON to the region's own host, with a proof and no signature", function()
    local here = machine_of(file_of(10))
    local set = assert(provider_of(here):load())
    local request = here.requests[1]
    assert.are.equal("POST", request.method)
    assert.are.equal(URL, request.url)
    assert.are.equal("application/json", machine.header(request, "Content-Type"))
    assert.is_nil(machine.header(request, "Authorization"))
    assert.are.same({
      clientId = "arn:aws:signin:::devtools/same-device",
      grantType = "refresh_token",
      refreshToken = "hunter2-refresh",
    }, json.decode(request.body))
    assert.are.equal(
      machine.signature_of { access_key_id = "AKIDNEW", secret_access_key = SECRET, session_token = "hunter2/new+token" },
      machine.signature_of(set.credentials)
    )
    assert.are.equal(machine.START + 900, set.expiration)
    assert.are.equal("012345678910", set.account_id)
  end)

  it("goes where a setting says", function()
    local here = machine_of(file_of(10))
    here.env.AWS_ENDPOINT_URL_SIGNIN = "https://signin.example"
    assert(provider_of(here):load())
    assert.are.equal("https://signin.example/v1/token", here.requests[1].url)
  end)

  it("replaces the file, and leaves in it what did not change", function()
    local here = machine_of(file_of(10, { other = { "x" } }))
    assert(provider_of(here):load())
    assert.are.same({ PATH }, here.written)
    local expected = json.decode(file_of(900, { refreshToken = "hunter2-refresh-next", other = { "x" } }))
    expected.accessToken.accessKeyId, expected.accessToken.sessionToken = "AKIDNEW", "hunter2/new+token"
    assert.are.same(expected, json.decode(here.files[PATH]))
    here = machine_of(file_of(10), answer_of { refreshToken = false, idToken = "newer" })
    assert(provider_of(here):load())
    local content = json.decode(here.files[PATH])
    assert.are.equal("hunter2-refresh", content.refreshToken)
    assert.are.equal("newer", content.idToken)
  end)

  it("that fails leaves the old keys in use while they are good", function()
    for _, answer in ipairs {
      { status = 400, body = '{"error":"TOKEN_EXPIRED"}' },
      { status = 500 },
      { body = "<html>" },
      { body = "{}" },
      { failure = { kind = "transport", code = "CouldNotConnect", message = "no route", sent = "no" } },
    } do
      local here = machine_of(file_of(10), answer)
      local set = assert(provider_of(here):load())
      assert.are.equal(ID, set.credentials:access_key_id())
      assert.are.equal(machine.START + 10, set.expiration)
      assert.are.same({}, here.written)
    end
  end)

  it("that is refused says why, and to sign in where nothing else helps", function()
    local cases = {
      { "TOKEN_EXPIRED", 0 },
      { "USER_CREDENTIALS_CHANGED", 0 },
      { "INSUFFICIENT_PERMISSIONS", 0 },
    }
    for _, case in ipairs(cases) do
      local body = machine.json { __type = "AccessDeniedException", error = case[1], message = "no hunter2-refresh" }
      local here = machine_of(file_of(case[2]), { status = 400, body = body })
      local err = error_of(provider_of(here))
      assert.are.equal(case[1], err.code)
      assert.are.equal(400, err.status)
      assert.are.equal(ORIGIN .. ": could not be renewed: no [redacted]; " .. ADVICE, err.message)
      assert.are.equal(1, #here.requests)
    end
  end)

  it("that makes no sense is an error once the keys have expired", function()
    for body, told in pairs {
      ["<html>"] = "is a proxy or a login page in the way?",
      ["{}"] = "access_key_id is missing",
      ['{"accessToken":{"accessKeyId":"AKIDNEW"},"expiresIn":900}'] = "secret_access_key is missing",
    } do
      local here = machine_of(file_of(0), { body = body })
      assert.is_truthy(error_of(provider_of(here)).message:find(told, 1, true))
      assert.are.same({}, here.written)
    end
  end)

  it("is tried for again where the service is busy, with another proof", function()
    local here = machine_of(file_of(0), { { status = 503 }, answer_of() })
    assert(provider_of(here):load())
    assert.are.equal(2, #here.requests)
    assert.are_not.equal(machine.header(here.requests[1], "DPoP"), machine.header(here.requests[2], "DPoP"))
    assert.are.equal(here.requests[1].body, here.requests[2].body)
  end)

  it("was done by another process that was faster: its keys are used", function()
    local here
    here = machine_of(file_of(0), function()
      here.files[PATH] = file_of(900, nil, { accessKeyId = "AKIDOTHER" })
      return { status = 400, body = '{"error":"TOKEN_EXPIRED"}' }
    end)
    assert.are.equal("AKIDOTHER", assert(provider_of(here):load()).credentials:access_key_id())
    assert.are.same({}, here.written)
  end)

  it("serves although the file cannot be written, with a warning", function()
    local here = machine_of(file_of(0))
    here.unwritable = "read-only"
    assert.are.equal("AKIDNEW", assert(provider_of(here):load()).credentials:access_key_id())
    assert.are.equal(
      "the renewed token could not be stored in " .. PATH .. ": read-only",
      here:event("TokenNotStored").message
    )
  end)

  it("needs a key that can prove where the sign-in was, and nothing is sent without", function()
    local keys = {
      "no key",
      output "openssl ecparam -name secp384r1 -genkey -noout",
      output "openssl genrsa 2048 2>/dev/null",
      KEY:sub(1, 60),
    }
    for _, key in ipairs(keys) do
      local here = machine_of(file_of(0, { dpopKey = key }))
      local err = error_of(provider_of(here))
      assert.is_truthy(err.message:find(ORIGIN .. ": could not be renewed: dpopKey: ", 1, true))
      assert.is_nil(err.message:find(key, 1, true))
      assert.are.equal(0, #here.requests)
    end
  end)
end)

describe("the proof of a sign-in", function()
  local model = codec.compile {
    Bytes = { type = "structure", members = { value = { shape = "Blob" } } },
    Blob = { type = "blob" },
  }

  -- RFC 7515: base64 with the letters of URLs, without padding.
  local function of_base64url(text)
    assert.is_nil(text:find "[^A-Za-z0-9_-]")
    text = text:gsub("[-_]", { ["-"] = "+", ["_"] = "/" }) .. ("="):rep(-#text % 4)
    return assert(model:decode("Bytes", '{"value":"' .. text .. '"}')).value
  end

  -- A number of ASN.1: without needless zeros, and with one where it would be negative.
  local function integer(bytes)
    bytes = bytes:gsub("^%z+", "")
    if bytes == "" or bytes:byte() >= 128 then
      bytes = "\0" .. bytes
    end
    return "\2" .. string.char(#bytes) .. bytes
  end

  local function unhex(text)
    return (text:gsub("%x%x", function(pair)
      return string.char(tonumber(pair, 16))
    end))
  end

  -- A public key on P-256 as OpenSSL reads it: RFC 5480.
  local function public_key(x, y)
    return unhex "3059301306072a8648ce3d020106082a8648ce3d030107034200" .. "\4" .. x .. y
  end

  local function in_file(content)
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write(content)
    file:close()
    return path
  end

  -- Whether OpenSSL's command finds the signature, of 64 bytes, good.
  local function verifies(key, signed, signature)
    local r, s = integer(signature:sub(1, 32)), integer(signature:sub(33))
    local paths = {
      in_file(key),
      in_file(signed),
      in_file("\48" .. string.char(#r + #s) .. r .. s),
    }
    local command = "openssl dgst -sha256 -verify %s -keyform DER -signature %s %s 2>&1"
    local said = output(command:format(paths[1], paths[3], paths[2]))
    for _, path in ipairs(paths) do
      os.remove(path)
    end
    return said:find "Verified OK" ~= nil
  end

  it("is a JWT that the key of the file has signed, for this request and this time", function()
    for number = 1, 8 do -- the numbers of a signature are shorter now and then
      local jwt = assert(login.proof(KEY, URL, 1767225600.75, number == 1 and "proof-1" or nil))
      local header, claims, signature = jwt:match "^([^.]+)%.([^.]+)%.([^.]+)$"
      local decoded = json.decode(of_base64url(header))
      local x, y = of_base64url(decoded.jwk.x), of_base64url(decoded.jwk.y)
      assert.are.equal(32, #x)
      assert.are.equal(32, #y)
      local raw = of_base64url(signature)
      assert.are.equal(64, #raw)
      local key = public_key(x, y)
      assert.is_true(verifies(key, header .. "." .. claims, raw))
      assert.is_false(verifies(key, header .. "." .. claims .. "x", raw))
      local said = json.decode(of_base64url(claims))
      assert.are.equal(URL, said.htu)
      assert.are.equal("POST", said.htm)
      assert.are.equal(1767225600, said.iat)
      if number == 1 then
        assert.are.equal("proof-1", said.jti)
      else
        assert.is_truthy(said.jti:find "^%x+%-%x+%-4%x+%-%x+%-%x+$")
      end
    end
  end)

  it("has its fields in the order of the reference, and the public key of the file", function()
    local jwt = assert(login.proof(KEY, URL, 1767225600, "proof-1"))
    local header, claims = jwt:match "^([^.]+)%.([^.]+)%."
    local decoded = json.decode(of_base64url(header))
    local key = core.ec_key(KEY)
    local x, y = key:public()
    key:close()
    assert.are.equal(x, of_base64url(decoded.jwk.x))
    assert.are.equal(y, of_base64url(decoded.jwk.y))
    assert.are.equal(
      ('{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","x":"%s","y":"%s","crv":"P-256"}}'):format(
        decoded.jwk.x,
        decoded.jwk.y
      ),
      of_base64url(header)
    )
    assert.are.equal(
      '{"jti":"proof-1","htm":"POST","htu":"' .. URL .. '","iat":1767225600}',
      (of_base64url(claims):gsub("\\/", "/"))
    )
  end)

  it("of a request is for its URL, and for the service's time", function()
    local here = machine_of(file_of(0))
    here.env.AWS_ENDPOINT_URL_SIGNIN = "https://signin.example:8443/base"
    local provider = provider_of(here)
    provider.context.skew.seconds = 100
    assert(provider:load())
    local claims = json.decode(of_base64url(machine.header(here.requests[1], "DPoP"):match "%.([^.]+)%."))
    assert.are.equal("https://signin.example:8443/base/v1/token", claims.htu)
    assert.are.equal(machine.START + 100, claims.iat)
  end)
end)
