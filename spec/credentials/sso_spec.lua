local json = require "spec.tools.json"
local machine = require "spec.helper.machine"
local moment = require "cloudhsmv2.moment"
local sso = require "cloudhsmv2.credentials.sso"

local ID, SECRET, TOKEN = machine.ID, machine.SECRET, machine.TOKEN

local CACHE = "/home/.aws/sso/cache/"
local PATH = CACHE .. "29faa2f70ab0f58f60e284d585d95865572f5cbd.json" -- sha1("correct-sso")
local OLD_PATH = CACHE .. "dace00cba5f8355ec9d274ceb2bcebdfbeed0e12.json" -- sha1 of the address below
local START_URL = "https://ssotest.awsapps.com/start"
local PORTAL =
  "https://portal.sso.eu-central-1.amazonaws.com/federation/credentials?role_name=Admin%2BX&account_id=123456789012"
local ADVICE = "sign in with `aws sso login --profile prod`"

local secrets = { "hunter2-access", "hunter2-refresh", "hunter2-client", "hunter2-next", SECRET, TOKEN }

-- The file that `aws sso login` leaves, whose token is good for `life` seconds.
local function file_of(life, fields)
  local content = {
    accessToken = "hunter2-access",
    expiresAt = moment.iso(machine.START + life),
    refreshToken = "hunter2-refresh",
    clientId = "client",
    clientSecret = "hunter2-client",
    registrationExpiresAt = "2026-03-01T00:00:00Z",
    region = "eu-central-1",
    startUrl = START_URL,
  }
  for name, value in pairs(fields or {}) do
    content[name] = value
  end
  return machine.json(content)
end

local KEYS = machine.json {
  roleCredentials = {
    accessKeyId = ID,
    secretAccessKey = SECRET,
    sessionToken = TOKEN,
    expiration = (machine.START + 3600) * 1000,
  },
}
local RENEWED = machine.json {
  accessToken = "hunter2-next",
  tokenType = "Bearer",
  expiresIn = 28800,
  refreshToken = "hunter2-refresh-next",
}

-- A machine whose portal gives keys, and whose other service answers with `renewal`.
local function machine_of(content, renewal, portal)
  return machine.new {
    files = { [PATH] = content, [OLD_PATH] = content },
    answer = function(request)
      if request.url:find("https://oidc.", 1, true) then
        return type(renewal) == "function" and renewal(request) or renewal or { body = RENEWED }
      end
      return portal or { body = KEYS }
    end,
  }
end

local function provider_of(here, fields)
  local options = {
    session = "correct-sso",
    region = "eu-central-1",
    start_url = START_URL,
    account_id = "123456789012",
    role_name = "Admin+X",
    profile = "prod",
    place = "~/.aws/config:2",
  }
  for name, value in pairs(fields or {}) do
    options[name] = value or nil
  end
  return sso.new(here:context(), options, "r,s")
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

-- How often each service was asked.
local function counts(here)
  local renewals = 0
  for _, request in ipairs(here.requests) do
    renewals = renewals + (request.url:find("https://oidc.", 1, true) and 1 or 0)
  end
  return renewals, #here.requests - renewals
end

describe("credentials of single sign-on", function()
  it("are asked for with the token, for the account and the role of the profile", function()
    local here = machine_of(file_of(3600))
    local set = assert(provider_of(here):load())
    assert.are.equal(1, #here.requests)
    local request = here.requests[1]
    assert.are.equal("GET", request.method)
    assert.are.equal(PORTAL, request.url)
    assert.are.equal("hunter2-access", machine.header(request, "x-amz-sso_bearer_token"))
    assert.is_nil(machine.header(request, "Authorization"))
    assert.are.equal(
      machine.signature_of { access_key_id = ID, secret_access_key = SECRET, session_token = TOKEN },
      machine.signature_of(set.credentials)
    )
    assert.are.equal("123456789012", set.account_id)
    assert.are.equal("r,s", set.features)
    assert.are.equal("single sign-on of profile prod (~/.aws/config:2)", set.origin)
  end)

  it("end at a moment that the answer has in milliseconds", function()
    local set = assert(provider_of(machine_of(file_of(3600))):load())
    assert.are.equal(machine.START + 3600, set.expiration)
  end)

  it("come from the hosts that the settings name", function()
    local hosts = {
      { { use_fips = true }, "https://portal.sso-fips.eu-central-1.amazonaws.com/" },
      { { use_dualstack = true }, "https://portal.sso.eu-central-1.api.aws/" },
    }
    for _, case in ipairs(hosts) do
      local here = machine_of(file_of(3600))
      local provider = provider_of(here)
      provider.context = here:context(case[1])
      assert(provider:load())
      assert.are.equal(case[2], here.requests[1].url:match "^https://[^/]*/")
    end
    local here = machine_of(file_of(0))
    here.answer = function(request)
      return { body = request.method == "POST" and RENEWED or KEYS }
    end
    here.env.AWS_ENDPOINT_URL_SSO, here.env.AWS_ENDPOINT_URL_SSO_OIDC = "https://a.example", "https://b.example"
    assert(provider_of(here):load())
    assert.are.equal("https://b.example/token", here.requests[1].url)
    assert.are.equal("https://a.example/federation", here.requests[2].url:match "^https://[^/]*/federation")
  end)

  it("are none where the profile says no account and role, but a token only", function()
    local here = machine_of(file_of(3600))
    local err = error_of(provider_of(here, { account_id = false, role_name = false }))
    assert.are.equal("InvalidProfile", err.code)
    assert.is_truthy(err.message:find("selected profile will resolve an access token instead of credentials", 1, true))
    assert.are.equal(0, #here.requests)
  end)

  it("that are refused are an error; where the token is, it says to sign in", function()
    local cases = {
      {
        401,
        { message = "Session token not found or invalid", __type = "UnauthorizedException" },
        "UnauthorizedException",
      },
      {
        403,
        { message = "No access" },
        "ForbiddenException",
        { ["x-amzn-errortype"] = "ForbiddenException:http://x/" },
      },
      {
        404,
        { Message = "No such role", __type = "com.amazon#ResourceNotFoundException" },
        "ResourceNotFoundException",
      },
    }
    for _, case in ipairs(cases) do
      local here = machine_of(file_of(3600), nil, { status = case[1], body = machine.json(case[2]), headers = case[4] })
      local err = error_of(provider_of(here))
      assert.are.equal(case[3], err.code)
      assert.are.equal(case[1], err.status)
      assert.are.equal(
        "single sign-on of profile prod (~/.aws/config:2): "
          .. (case[2].message or case[2].Message)
          .. (case[1] == 401 and "; " .. ADVICE or ""),
        err.message
      )
      assert.are.equal(1, #here.requests)
    end
  end)

  it("are tried for again when the service is busy", function()
    for _, answer in ipairs {
      { status = 429, body = '{"__type":"TooManyRequestsException","message":"slow down"}' },
      { status = 503, body = "<html>" },
    } do
      local here = machine_of(file_of(3600), nil, answer)
      error_of(provider_of(here))
      assert.are.equal(3, #here.requests)
    end
  end)

  it("that make no sense are an error", function()
    for body, told in pairs {
      ["<html>sign in</html>"] = "is a proxy or a login page in the way?",
      [""] = "is a proxy or a login page in the way?",
      ["{}"] = "access_key_id is missing",
      ['{"roleCredentials":{"accessKeyId":"AKIDEXAMPLE"}}'] = "secret_access_key is missing",
      ['{"roleCredentials":[]}'] = "is a proxy or a login page in the way?",
    } do
      assert.is_truthy(
        error_of(provider_of(machine_of(file_of(3600), nil, { body = body }))).message:find(told, 1, true)
      )
    end
  end)

  it("that come back in a refusal with the token are not shown", function()
    local here = machine_of(file_of(3600), nil, { status = 403, body = '{"message":"hunter2-access is not allowed"}' })
    assert.is_truthy(error_of(provider_of(here)).message:find("[redacted] is not allowed", 1, true))
  end)

  it("leave nothing to wipe", function()
    provider_of(machine_of(file_of(3600))):close()
  end)
end)

describe("the file of a sign-in", function()
  it("is named by the session, or in the old form by the address", function()
    local here = machine_of(file_of(3600))
    here.files[OLD_PATH] = nil
    assert(provider_of(here):load())
    here = machine_of(file_of(3600))
    here.files[PATH] = nil
    assert(provider_of(here, { session = false }):load())
  end)

  it("is needed, and the message says what to do", function()
    local cases = {
      { nil, "there is no such file" },
      { { reason = "permission denied" }, "permission denied" },
      { "hunter2-access", "it is not a JSON object" },
      { file_of(3600, { accessToken = false }), "accessToken is missing or no text" },
      { file_of(3600, { accessToken = "hunter2-access\r\nX: y" }), "accessToken is missing or no text" },
      { file_of(3600, { expiresAt = false }), "expiresAt is missing or no time" },
      { file_of(3600, { expiresAt = "soon" }), "expiresAt is missing or no time" },
      { "[]", "accessToken is missing or no text" },
    }
    for _, case in ipairs(cases) do
      local here = machine_of(case[1])
      local err = error_of(provider_of(here))
      assert.are.equal("UnreadableToken", err.code)
      assert.are.equal(("failed to read `%s`: %s; %s"):format(PATH, case[2], ADVICE), err.message)
      assert.are.equal(0, #here.requests)
    end
  end)

  it("is nowhere without a home", function()
    local here = machine_of(file_of(3600))
    local provider = provider_of(here)
    here.env.HOME = nil
    assert.is_truthy(error_of(provider).message:find("HOME is not set", 1, true))
  end)

  it("may have its end as an old AWS CLI wrote it", function()
    local here = machine_of(file_of(3600, { expiresAt = "2026-01-01T01:00:00UTC" }))
    assert(provider_of(here):load())
    assert.are.same({ 0, 1 }, { counts(here) })
  end)

  it("is read again for every refresh: somebody may have signed in", function()
    local here = machine_of(file_of(-1, { refreshToken = false }))
    local provider = provider_of(here)
    error_of(provider)
    here.files[PATH] = file_of(3600, { accessToken = "hunter2-next" })
    assert(provider:load())
    assert.are.equal("hunter2-next", machine.header(here.requests[1], "x-amz-sso_bearer_token"))
  end)
end)

describe("the renewal of a token", function()
  it("is due in the last five minutes", function()
    for life, renewals in pairs { [3600] = 0, [300] = 0, [299] = 1, [1] = 1, [0] = 1, [-1e6] = 1 } do
      local here = machine_of(file_of(life))
      assert(provider_of(here):load())
      assert.are.same({ renewals, 1 }, { counts(here) })
      assert.are.equal(
        renewals == 1 and "hunter2-next" or "hunter2-access",
        machine.header(here.requests[#here.requests], "x-amz-sso_bearer_token")
      )
    end
  end)

  it("is a request of JSON, not signed", function()
    local here = machine_of(file_of(10))
    assert(provider_of(here):load())
    local request = here.requests[1]
    assert.are.equal("POST", request.method)
    assert.are.equal("https://oidc.eu-central-1.amazonaws.com/token", request.url)
    assert.are.equal("application/json", machine.header(request, "Content-Type"))
    assert.is_nil(machine.header(request, "Authorization"))
    assert.are.same({
      clientId = "client",
      clientSecret = "hunter2-client",
      grantType = "refresh_token",
      refreshToken = "hunter2-refresh",
    }, json.decode(request.body))
  end)

  it("replaces the file, and leaves in it what nobody here knows", function()
    local here = machine_of(file_of(10, { other = { "x", { y = 1 } } }))
    assert(provider_of(here):load())
    assert.are.same({ PATH }, here.written)
    assert.are.same(
      json.decode(file_of(28800, {
        accessToken = "hunter2-next",
        refreshToken = "hunter2-refresh-next",
        other = { "x", { y = 1 } },
      })),
      json.decode(here.files[PATH])
    )
  end)

  it("keeps the token to renew with where there is no new one", function()
    local here = machine_of(file_of(10), { body = '{"accessToken":"hunter2-next","expiresIn":28800}' })
    assert(provider_of(here):load())
    assert.are.equal("hunter2-refresh", json.decode(here.files[PATH]).refreshToken)
  end)

  it("needs a session, and all of what it takes in the file", function()
    local cases = {
      file_of(10, { refreshToken = false }),
      file_of(10, { refreshToken = "" }),
      file_of(10, { clientId = false }),
      file_of(10, { clientSecret = false }),
      file_of(10, { registrationExpiresAt = moment.iso(machine.START) }),
      file_of(10, { registrationExpiresAt = "2020-01-01T00:00:00Z" }),
    }
    for _, content in ipairs(cases) do
      local here = machine_of(content)
      assert(provider_of(here):load())
      assert.are.same({ 0, 1 }, { counts(here) })
    end
    local here = machine_of(file_of(10))
    assert(provider_of(here, { session = false }):load())
    assert.are.same({ 0, 1 }, { counts(here) })
    here = machine_of(file_of(10, { registrationExpiresAt = false }))
    assert(provider_of(here):load())
    assert.are.same({ 1, 1 }, { counts(here) })
  end)

  it("that fails leaves the old token in use while it is good", function()
    local answers = {
      { status = 400, body = '{"error":"invalid_grant","error_description":"no hunter2-refresh"}' },
      { status = 500, body = "" },
      { body = "<html>" },
      { body = "{}" },
      { failure = { kind = "transport", code = "CouldNotConnect", message = "no route", sent = "no" } },
    }
    for _, answer in ipairs(answers) do
      local here = machine_of(file_of(10), answer)
      here.chance = 0
      assert(provider_of(here):load())
      assert.are.equal("hunter2-access", machine.header(here.requests[#here.requests], "x-amz-sso_bearer_token"))
      assert.are.same({}, here.written)
    end
  end)

  it("that fails is an error once the old token has expired, which says why and what to do", function()
    local here = machine_of(
      file_of(0),
      { status = 400, body = '{"error":"invalid_grant","error_description":"no hunter2-refresh"}' }
    )
    local err = error_of(provider_of(here))
    assert.are.equal("ExpiredToken", err.code)
    assert.are.equal(
      "the sign-in of profile prod has expired and could not be renewed (no [redacted]); " .. ADVICE,
      err.message
    )
    assert.are.equal("invalid_grant", err.cause.code)
    assert.are.same({ 1, 0 }, { counts(here) })
    here = machine_of(file_of(0, { clientSecret = false }))
    assert.are.equal("the sign-in of profile prod has expired; " .. ADVICE, error_of(provider_of(here)).message)
  end)

  it("is not repeated for half a minute", function()
    local here = machine_of(file_of(200), { status = 400, body = "{}" })
    local provider = provider_of(here)
    assert(provider:load())
    here:let_pass(29)
    assert(provider:load())
    assert.are.same({ 1, 2 }, { counts(here) })
    here:let_pass(1)
    assert(provider:load())
    assert.are.same({ 2, 3 }, { counts(here) })
    here.wall = here.wall - 20 -- the clock was put back
    assert(provider:load())
    assert.are.same({ 3, 4 }, { counts(here) })
  end)

  it("is not repeated for half a minute either where the new token is good for less", function()
    local here = machine_of(file_of(10), { body = '{"accessToken":"hunter2-next","expiresIn":60}' })
    local provider = provider_of(here)
    assert(provider:load())
    here:let_pass(29)
    assert(provider:load())
    assert.are.same({ 1, 2 }, { counts(here) })
  end)

  it("was done by another process that was faster: its token is used", function()
    local here
    here = machine_of(file_of(0), function()
      here.files[PATH] = file_of(3600, { accessToken = "hunter2-next" })
      return { status = 400, body = '{"error":"invalid_grant"}' }
    end)
    assert(provider_of(here):load())
    assert.are.equal("hunter2-next", machine.header(here.requests[2], "x-amz-sso_bearer_token"))
    assert.are.same({}, here.written)
  end)

  it("serves although the file cannot be written, with a warning", function()
    local here = machine_of(file_of(0))
    here.unwritable = "permission denied"
    assert(provider_of(here):load())
    assert.are.equal("hunter2-next", machine.header(here.requests[2], "x-amz-sso_bearer_token"))
    local warning = here:event "TokenNotStored"
    assert.are.equal("the renewed token could not be stored in " .. PATH .. ": permission denied", warning.message)
  end)

  it("does not go where the region would become another host", function()
    local here = machine_of(file_of(0))
    error_of(provider_of(here, { region = "evil.example/#" }))
    assert.are.equal(0, #here.requests)
  end)

  it("has no more time than the call", function()
    local here = machine_of(file_of(10))
    assert(provider_of(here):load(here.clock + 7))
    assert.are.equal(7, here.requests[1].timeout)
    assert.are.equal(7, here.requests[2].timeout)
  end)
end)

-- What each of two processes does: renews the token in a real file, whose end is near again and again, over a network of its own.
local RENEW_MANY_TIMES = [[
  local core = require "cloudhsmv2.core"
  local machine = require "spec.helper.machine"
  local sso = require "cloudhsmv2.credentials.sso"
  local home, name = arg[1], arg[2]
  local number = 0
  local here = machine.new {
    env = { HOME = home },
    answer = function(request)
      if request.method == "POST" then
        number = number + 1
        local token = name .. number .. ("x"):rep(number * 97 % 5000)
        return { body = ('{"accessToken":"%s","expiresIn":200,"refreshToken":"r-%s"}'):format(token, token) }
      end
      return { body = arg[3] }
    end,
  }
  local context = here:context()
  context.write_file = core.write_file
  context.read_file = function(path) return core.read_file(path, 2 ^ 20) end
  local provider = sso.new(context, { session = "correct-sso", region = "eu-west-1", account_id = "1", role_name = "r",
    profile = "p", place = "x" }, "r")
  for _ = 1, 200 do
    assert(provider:load())
    here:let_pass(31)
  end
  print("renewed " .. number)
]]

describe("two processes that renew the same token", function()
  local interpreter = rawget(_G, "jit") and "luajit" or (_VERSION:gsub("^Lua ", "lua"))

  it("leave a file that is whole, and each can use it all the time", function()
    local home = os.tmpname()
    os.remove(home)
    assert(os.execute("mkdir -p '" .. home .. "/.aws/sso/cache'"))
    finally(function()
      os.execute("rm -rf '" .. home .. "'")
    end)
    local path = home .. "/.aws/sso/cache/29faa2f70ab0f58f60e284d585d95865572f5cbd.json"
    local function write(to, content)
      local file = assert(io.open(to, "w"))
      file:write(content)
      file:close()
    end
    write(path, file_of(10, { other = "kept" }))
    write(home .. "/child.lua", RENEW_MANY_TIMES)
    local processes = {}
    for i, name in ipairs { "one", "two" } do
      local command = "exec %s %s/child.lua %s %s '%s' 2>&1"
      processes[i] = assert(io.popen(command:format(interpreter, home, home, name, KEYS)))
    end
    for i = 1, 2 do
      local said = processes[i]:read "*a"
      processes[i]:close()
      assert.is_truthy(said:find "^renewed %d+", said)
    end
    local file = assert(io.open(path))
    local content = json.decode(file:read "*a")
    file:close()
    assert.are.equal("kept", content.other)
    assert.are.equal("r-" .. content.accessToken, content.refreshToken)
    local left = assert(io.popen("unset LD_PRELOAD; ls '" .. home .. "/.aws/sso/cache'"))
    assert.are.equal("29faa2f70ab0f58f60e284d585d95865572f5cbd.json\n", left:read "*a")
    left:close()
  end)
end)
