local instance_metadata = require "cloudhsmv2.credentials.instance_metadata"
local machine = require "spec.helper.machine"

local ID, SECRET, TOKEN = machine.ID, machine.SECRET, machine.TOKEN

local HOST = "http://169.254.169.254"
local TOKEN_PATH = "/latest/api/token"
local EXTENDED = "/latest/meta-data/iam/security-credentials-extended/"
local LEGACY = "/latest/meta-data/iam/security-credentials/"

local NO_ROUTE = { failure = { kind = "transport", code = "CouldNotConnect", message = "no route", sent = "no" } }
local TIMEOUT =
  { failure = { kind = "timeout", code = "ConnectTimeout", message = "no answer in 1 second", sent = "no" } }

-- An instance: what it answers with by method and path, a list of answers in turn, the last one again and again.
local function instance(answers, options)
  local said = {
    ["PUT " .. TOKEN_PATH] = {
      body = "hunter2-token",
      headers = { ["x-aws-ec2-metadata-token-ttl-seconds"] = "21600" },
    },
    ["GET " .. EXTENDED] = { body = "role" },
    ["GET " .. EXTENDED .. "role"] = { body = machine.keys_json(nil, { Code = "Success", AccountId = "123456789012" }) },
  }
  for what, answer in pairs(answers or {}) do
    said[what] = answer
  end
  local asked = {}
  local here = machine.new(options)
  here.answer = function(request)
    local what = request.method .. " " .. request.url:match "^https?://[^/]*(.*)$"
    asked[what] = (asked[what] or 0) + 1
    local answer = said[what] or { status = 404 }
    return answer[1] and answer[math.min(asked[what], #answer)] or answer
  end
  here.asked = asked
  return here
end

local function provider_of(here, options)
  return instance_metadata.new(here:context(options))
end

local function error_of(here, deadline)
  local set, err = provider_of(here):load(deadline)
  assert.is_nil(set)
  assert.are.equal("credentials", err.kind)
  assert.are.equal("InstanceMetadataFailed", err.code)
  for _, secret in ipairs { SECRET, TOKEN, "hunter2-token" } do
    assert.is_nil((tostring(err) .. tostring(err.cause)):find(secret, 1, true))
  end
  return err
end

-- What was asked, in order.
local function log_of(here)
  local log = {}
  for i, request in ipairs(here.requests) do
    log[i] = request.method .. " " .. request.url:gsub("^" .. HOST:gsub("%.", "%%."), "")
  end
  return log
end

describe("credentials of an instance", function()
  it("are asked for with a token, by the name of the role", function()
    local here = instance()
    local set = assert(provider_of(here):load())
    assert.are.same({ "PUT " .. TOKEN_PATH, "GET " .. EXTENDED, "GET " .. EXTENDED .. "role" }, log_of(here))
    assert.are.equal("21600", machine.header(here.requests[1], "x-aws-ec2-metadata-token-ttl-seconds"))
    assert.is_nil(machine.header(here.requests[1], "x-aws-ec2-metadata-token"))
    for i = 2, 3 do
      assert.are.equal("hunter2-token", machine.header(here.requests[i], "x-aws-ec2-metadata-token"))
    end
    assert.are.equal(
      machine.signature_of { access_key_id = ID, secret_access_key = SECRET, session_token = TOKEN },
      machine.signature_of(set.credentials)
    )
    assert.are.equal(machine.START + 21600, set.expiration)
    assert.are.equal("123456789012", set.account_id)
    assert.are.equal("0", set.features)
    assert.are.equal("instance metadata", set.origin)
    assert.is_true(set.stable)
  end)

  it("are asked for past every proxy, with short times and small answers", function()
    local here = instance()
    assert(provider_of(here):load())
    for _, request in ipairs(here.requests) do
      assert.is_true(request.direct)
      assert.are.equal("", request.body)
      assert.are.equal(1, request.connect_timeout)
      assert.are.equal(1, request.read_timeout)
      assert.are.equal(2, request.timeout)
      assert.are.equal(65536, request.max_body)
      assert.is_truthy(machine.header(request, "User-Agent"):find(" m/E,0 ", 1, true))
    end
  end)

  it("have no more time than is left of the call", function()
    local here = instance()
    assert(provider_of(here):load(here.clock + 0.5))
    assert.are.equal(0.5, here.requests[1].timeout)
    here = instance()
    local set, err = provider_of(here):load(here.clock)
    assert.is_nil(set)
    assert.are.equal("DeadlineExceeded", err.code)
    assert.are.equal(0, #here.requests)
    here = instance(nil, { exchange_time = 1 })
    set, err = provider_of(here):load(here.clock + 1)
    assert.is_nil(set)
    assert.are.equal("DeadlineExceeded", err.code)
    assert.are.equal(1, #here.requests)
  end)

  it("are asked for with the same token and role as long as these are good", function()
    local here = instance()
    local provider = provider_of(here)
    assert(provider:load())
    here:let_pass(21600 - 121)
    assert(provider:load())
    assert.are.equal("GET " .. EXTENDED .. "role", log_of(here)[4])
    assert.are.equal(4, #here.requests)
    here:let_pass(1)
    assert(provider:load())
    assert.are.same({ "PUT " .. TOKEN_PATH, "GET " .. EXTENDED .. "role" }, { log_of(here)[5], log_of(here)[6] })
  end)

  it("are asked for with a token as long as the service says that it is good", function()
    local here = instance {
      ["PUT " .. TOKEN_PATH] = { body = "token", headers = { ["x-aws-ec2-metadata-token-ttl-seconds"] = "300" } },
    }
    local provider = provider_of(here)
    assert(provider:load())
    here:let_pass(179)
    assert(provider:load())
    assert.are.equal(1, here.asked["PUT " .. TOKEN_PATH])
    here:let_pass(1)
    assert(provider:load())
    assert.are.equal(2, here.asked["PUT " .. TOKEN_PATH])
  end)

  it("are asked for with another token when the service has forgotten the first", function()
    local here = instance { ["GET " .. EXTENDED] = { { status = 401 }, { body = "role" } } }
    assert(provider_of(here):load())
    assert.are.same({
      "PUT " .. TOKEN_PATH,
      "GET " .. EXTENDED,
      "PUT " .. TOKEN_PATH,
      "GET " .. EXTENDED,
      "GET " .. EXTENDED .. "role",
    }, log_of(here))
    here = instance { ["GET " .. EXTENDED] = { status = 401 } }
    assert.are.equal("instance metadata: HTTP 401 for " .. EXTENDED, error_of(here).message)
    assert.are.equal(2, here.asked["PUT " .. TOKEN_PATH])
  end)

  it("lose the token when the provider closes", function()
    local here = instance()
    local provider = provider_of(here)
    assert(provider:load())
    provider:close()
    assert(provider:load())
    assert.are.equal(2, here.asked["PUT " .. TOKEN_PATH])
  end)
end)

describe("an instance without credentials", function()
  local function why(here, options)
    local provider = provider_of(here, options)
    assert.are.same({}, { provider:load() })
    return provider.why
  end

  it("gives no token, and is never asked without one", function()
    for _, status in ipairs { 403, 404, 405 } do
      local here = instance { ["PUT " .. TOKEN_PATH] = { status = status } }
      assert.are.equal(("it gives no token (HTTP %d); version 1 is never used"):format(status), why(here))
      assert.are.same({ "PUT " .. TOKEN_PATH }, log_of(here))
    end
  end)

  it("is never asked without a token, whatever the settings of version 1", function()
    local here = instance(
      { ["PUT " .. TOKEN_PATH] = { status = 403 } },
      { env = { AWS_EC2_METADATA_V1_DISABLED = "false" } }
    )
    why(here)
    assert.are.same({ "PUT " .. TOKEN_PATH }, log_of(here))
  end)

  it("may be no instance at all", function()
    for _, answer in ipairs { NO_ROUTE, TIMEOUT } do
      local here = instance { ["PUT " .. TOKEN_PATH] = answer }
      assert.are.equal("no answer: " .. answer.failure.message, why(here))
      assert.are.equal(1, #here.requests)
      assert.are.same({}, here.slept)
    end
  end)

  it("may have no role", function()
    for _, answers in ipairs {
      { ["GET " .. EXTENDED] = { status = 404 }, ["GET " .. LEGACY] = { status = 404 } },
      { ["GET " .. EXTENDED] = { body = "\nrole" } },
    } do
      assert.are.equal("the instance has no role", why(instance(answers)))
    end
  end)

  it("is not asked where it is switched off", function()
    local cases = {
      { { AWS_EC2_METADATA_DISABLED = "true" }, nil, "env AWS_EC2_METADATA_DISABLED" },
      { { AWS_EC2_METADATA_DISABLED = " TRUE " }, nil, "env AWS_EC2_METADATA_DISABLED" },
      { {}, "[default]\ndisable_ec2_metadata = True", "file ~/.aws/config:2" },
    }
    for _, case in ipairs(cases) do
      local here = instance(nil, { env = case[1], files = { ["/home/.aws/config"] = case[2] } })
      assert.are.equal("switched off (from " .. case[3] .. ")", why(here))
      assert.are.equal(0, #here.requests)
    end
    local here = instance(nil, { env = { AWS_EC2_METADATA_DISABLED = "false" } })
    assert(provider_of(here):load())
  end)

  it("is told of in the error of a client that finds none anywhere", function()
    local cases = {
      { { status = 403 }, "the instance metadata service (it gives no token (HTTP 403); version 1 is never used)" },
      { TIMEOUT, "the instance metadata service (no answer: no answer in 1 second)" },
    }
    for _, case in ipairs(cases) do
      local here = instance { ["PUT " .. TOKEN_PATH] = case[1] }
      local credentials, err = here:client().credentials:get()
      assert.is_nil(credentials)
      assert.are.equal("NoCredentials", err.code)
      assert.is_truthy(err.message:find(case[2], 1, true))
    end
  end)

  it("does not remember why when there are some later", function()
    local here = instance { ["PUT " .. TOKEN_PATH] = { { status = 403 }, { body = "token" } } }
    local provider = provider_of(here)
    provider:load()
    assert(provider:load())
    assert.is_nil(provider.why)
  end)
end)

describe("an answer of the metadata service", function()
  it("that makes no sense for a token is an error, not a reason to look elsewhere", function()
    for _, answer in ipairs {
      { status = 400 },
      { status = 401 },
      { status = 302, headers = { location = "http://evil.example/" } },
      { status = 200, body = "<html>a page</html>" },
      { status = 200, body = "to\r\nken" },
      { status = 204 },
    } do
      local here = instance { ["PUT " .. TOKEN_PATH] = answer }
      assert.are.equal("instance metadata: no token, but HTTP " .. answer.status, error_of(here).message)
      assert.are.equal(1, #here.requests)
    end
  end)

  it("that is broken for a while is asked for four times, with growing pauses", function()
    local broken = { { status = 500 }, { status = 503 }, { body = "" }, { body = " \n" } }
    for _, answer in ipairs(broken) do
      for what, good in pairs {
        ["PUT " .. TOKEN_PATH] = { body = "token" },
        ["GET " .. EXTENDED] = { body = "role" },
        ["GET " .. EXTENDED .. "role"] = { body = machine.keys_json() },
      } do
        local here = instance { [what] = { answer, answer, answer, good } }
        assert(provider_of(here):load())
        assert.are.equal(4, here.asked[what])
        assert.are.same({ 0.05, 0.1, 0.2 }, here.slept)
        here = instance { [what] = answer }
        provider_of(here):load()
        assert.are.equal(4, here.asked[what])
      end
    end
  end)

  it("that is broken to the end is an error", function()
    local cases = {
      { "PUT " .. TOKEN_PATH, { status = 500 }, "no token, but HTTP 500" },
      { "PUT " .. TOKEN_PATH, { body = "" }, "no token, but HTTP 200" },
      { "GET " .. EXTENDED, { status = 500 }, "HTTP 500 for " .. EXTENDED },
      { "GET " .. EXTENDED .. "role", { status = 503 }, "HTTP 503 for " .. EXTENDED .. "role" },
      { "GET " .. EXTENDED .. "role", { body = "<html>" }, "the answer is not the JSON that is expected" },
      { "GET " .. EXTENDED .. "role", { body = '{"Code":"Success",' }, "the answer is not the JSON that is expected" },
      { "GET " .. EXTENDED .. "role", { body = "[]" }, "the answer is not the JSON that is expected" },
    }
    for _, case in ipairs(cases) do
      assert.are.equal("instance metadata: " .. case[3], error_of(instance { [case[1]] = case[2] }).message)
    end
  end)

  it("that is another status is an error at once", function()
    for _, status in ipairs { 302, 400, 403, 429 } do
      local here = instance { ["GET " .. EXTENDED] = { status = status } }
      assert.are.equal(("instance metadata: HTTP %d for %s"):format(status, EXTENDED), error_of(here).message)
      here = instance { ["GET " .. EXTENDED .. "role"] = { status = status } }
      assert.are.equal(("instance metadata: HTTP %d for %srole"):format(status, EXTENDED), error_of(here).message)
      assert.are.equal(3, #here.requests)
    end
  end)

  it("that stays away is an error, once there was a token", function()
    for _, answer in ipairs { NO_ROUTE, TIMEOUT } do
      local here = instance { ["GET " .. EXTENDED] = answer }
      assert.are.equal("instance metadata: " .. answer.failure.message, error_of(here).message)
      assert.are.equal(1, here.asked["GET " .. EXTENDED])
    end
  end)

  it("that says no success is an error with what it says", function()
    local cases = {
      {
        '{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume the role"}',
        ": EC2 cannot assume the role",
      },
      { '{"Code":"Failed"}', ": no credentials" },
      { '{"Code":"success","Message":"hunter2-token"}', ": [redacted]" },
    }
    for _, case in ipairs(cases) do
      local here = instance { ["GET " .. EXTENDED .. "role"] = { body = case[1] } }
      local code = case[1]:match '"Code":"(%a+)"'
      assert.are.equal("instance metadata: " .. code .. case[2], error_of(here).message)
    end
  end)

  it("that lacks keys is an error", function()
    for name, field in pairs { access_key_id = "AccessKeyId", secret_access_key = "SecretAccessKey" } do
      local here = instance { ["GET " .. EXTENDED .. "role"] = { body = machine.keys_json(nil, { [field] = false }) } }
      local set, err = provider_of(here):load()
      assert.is_nil(set)
      assert.are.equal("instance metadata: " .. name .. " is missing", err.message)
    end
  end)

  it("may list a role with blanks and other lines behind it, but no name that a path cannot have", function()
    for _, body in ipairs { "role", "role\n", " role \r\nother", "role\nother\n" } do
      assert(provider_of(instance { ["GET " .. EXTENDED] = { body = body } }):load())
    end
    for _, body in ipairs { "my role", "r\195\188le", "<html> page" } do
      local here = instance { ["GET " .. EXTENDED] = { body = body } }
      assert.is_truthy(error_of(here).message:find("characters that a path cannot have", 1, true))
      assert.are.equal(2, #here.requests)
    end
  end)
end)

describe("the two lists of an instance", function()
  local OLD = {
    ["GET " .. EXTENDED] = { status = 404 },
    ["GET " .. LEGACY] = { body = "old" },
    ["GET " .. LEGACY .. "old"] = { body = machine.keys_json() },
  }

  it("are asked in the order of their age, the newer first, and the older alone from then on", function()
    local here = instance(OLD)
    local provider = provider_of(here)
    assert.is_nil(assert(provider:load()).account_id)
    assert(provider:load())
    assert.are.same({
      "PUT " .. TOKEN_PATH,
      "GET " .. EXTENDED,
      "GET " .. LEGACY,
      "GET " .. LEGACY .. "old",
      "GET " .. LEGACY .. "old",
    }, log_of(here))
  end)

  it("are asked again when the role was replaced", function()
    local here = instance {
      ["GET " .. EXTENDED] = { { body = "role" }, { body = "other" } },
      ["GET " .. EXTENDED .. "role"] = { { body = machine.keys_json() }, { status = 404 } },
      ["GET " .. EXTENDED .. "other"] = { body = machine.keys_json(nil, { AccessKeyId = "AKIDOTHER" }) },
    }
    local provider = provider_of(here)
    assert(provider:load())
    assert.are.equal("AKIDOTHER", assert(provider:load()).credentials:access_key_id())
    assert.are.equal(0, here.asked["GET " .. LEGACY] or 0)
  end)

  it("are not asked without end when roles come and go", function()
    local here = instance { ["GET " .. EXTENDED .. "role"] = { status = 404 } }
    assert.are.equal("instance metadata: HTTP 404 for " .. EXTENDED .. "role", error_of(here).message)
    assert.are.equal(2, here.asked["GET " .. EXTENDED])
  end)

  it("are not asked where a setting names the role", function()
    local cases = {
      { { AWS_EC2_INSTANCE_PROFILE_NAME = "role" }, nil },
      { {}, "[default]\nec2_instance_profile_name = role" },
    }
    for _, case in ipairs(cases) do
      local here = instance(nil, { env = case[1], files = { ["/home/.aws/config"] = case[2] } })
      local provider = provider_of(here)
      assert(provider:load())
      assert(provider:load())
      assert.are.same(
        { "PUT " .. TOKEN_PATH, "GET " .. EXTENDED .. "role", "GET " .. EXTENDED .. "role" },
        log_of(here)
      )
    end
    local here = instance(OLD)
    assert(provider_of(here, { ec2_instance_profile_name = "old" }):load())
    assert.are.same({ "PUT " .. TOKEN_PATH, "GET " .. EXTENDED .. "old", "GET " .. LEGACY .. "old" }, log_of(here))
  end)

  it("have an error for a setting that names no role of the instance", function()
    local here = instance(nil, { env = { AWS_EC2_INSTANCE_PROFILE_NAME = "none" } })
    assert.are.equal('instance metadata: invalid profile "none": the instance has no such role', error_of(here).message)
  end)
end)

describe("the settings of the metadata service", function()
  it("choose its address: an endpoint before a mode", function()
    local cases = {
      { {}, nil, nil, HOST },
      { { AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE = "IPv6" }, nil, nil, "http://[fd00:ec2::254]" },
      { { AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE = "ipV4" }, nil, nil, HOST },
      { {}, "ec2_metadata_service_endpoint_mode = ipv6", nil, "http://[fd00:ec2::254]" },
      { { AWS_EC2_METADATA_SERVICE_ENDPOINT = "http://127.0.0.1:1338/base/" }, nil, nil, "http://127.0.0.1:1338/base" },
      {
        {
          AWS_EC2_METADATA_SERVICE_ENDPOINT = "http://127.0.0.1:1338",
          AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE = "IPv6",
        },
        nil,
        nil,
        "http://127.0.0.1:1338",
      },
      { {}, "ec2_metadata_service_endpoint = http://[::1]:1338", nil, "http://[::1]:1338" },
      {
        { AWS_EC2_METADATA_SERVICE_ENDPOINT = "http://127.0.0.1:1338" },
        nil,
        { ec2_metadata_service_endpoint = "http://127.0.0.1:1339" },
        "http://127.0.0.1:1339",
      },
    }
    for _, case in ipairs(cases) do
      local here = instance(nil, {
        env = case[1],
        files = { ["/home/.aws/config"] = case[2] and "[default]\n" .. case[2] },
      })
      local context = here:context(case[3])
      assert.are.equal(case[4], instance_metadata.address(context.settings))
      instance_metadata.new(context):load()
      assert.are.equal(case[4] .. TOKEN_PATH, here.requests[1].url)
    end
  end)

  it("say how long an answer may take, and how often a connection is tried", function()
    local env = { AWS_METADATA_SERVICE_TIMEOUT = "2.5", AWS_METADATA_SERVICE_NUM_ATTEMPTS = "3" }
    for _, answer in ipairs { NO_ROUTE, TIMEOUT } do
      local here = instance({ ["PUT " .. TOKEN_PATH] = answer }, { env = env })
      assert.are.same({}, { provider_of(here):load() })
      assert.are.equal(3, #here.requests)
      assert.are.equal(2.5, here.requests[1].connect_timeout)
      assert.are.equal(2.5, here.requests[1].read_timeout)
      assert.are.equal(5, here.requests[1].timeout)
      here = instance({ ["PUT " .. TOKEN_PATH] = { answer, answer, { body = "token" } } }, { env = env })
      assert(provider_of(here):load())
    end
  end)

  it("that make no sense are an error for who needs the service, an object of its own for every call", function()
    local broken = {
      AWS_EC2_METADATA_DISABLED = "maybe",
      AWS_EC2_METADATA_SERVICE_ENDPOINT = "169.254.169.254",
      AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE = "IPv5",
      AWS_EC2_INSTANCE_PROFILE_NAME = "a\nb",
      AWS_METADATA_SERVICE_TIMEOUT = "0",
      AWS_METADATA_SERVICE_NUM_ATTEMPTS = "none",
    }
    for name, value in pairs(broken) do
      local here = instance(nil, { env = { [name] = value } })
      local provider = provider_of(here)
      local set, first = provider:load()
      local _, second = provider:load()
      assert.is_nil(set)
      assert.are.equal("config", first.kind)
      assert.is_truthy(first.message:find(name, 1, true))
      assert.are.equal(first.message, second.message)
      assert.is_false(rawequal(first, second))
      assert.are.equal(0, #here.requests)
    end
  end)
end)

describe("a client on an instance", function()
  it("goes on with credentials that have expired, and says so", function()
    local here = instance { ["GET " .. EXTENDED .. "role"] = { body = machine.keys_json(-100) } }
    here.chance = 0.5
    local client = here:client()
    local credentials, set = client.credentials:get()
    assert.are.equal(ID, credentials:access_key_id())
    assert.are.equal(machine.START + 450, set.expiration)
    assert.are.equal(
      "the instance's metadata answers with credentials that have expired; they are used for another 450 seconds",
      here:event("CredentialsExtended").message
    )
    local asked = #here.requests
    assert.are.equal(credentials, (client.credentials:get()))
    assert.are.equal(asked, #here.requests)
  end)

  it("goes on with what it had when the service is gone", function()
    for _, answer in ipairs { { status = 500 }, TIMEOUT, { status = 404 }, { status = 401 } } do
      local here = instance {
        ["GET " .. EXTENDED .. "role"] = { { body = machine.keys_json(3600) }, answer },
        ["GET " .. EXTENDED] = { { body = "role" }, answer },
      }
      local client = here:client()
      local first = client.credentials:get()
      here:let_pass(4000)
      assert.are.equal(first, (client.credentials:get()))
      assert.are.equal(ID, first:access_key_id())
      assert.is_table(here:event "CredentialsExtended")
    end
  end)

  it("goes on with what it had when there is no instance any more", function()
    local here = instance { ["PUT " .. TOKEN_PATH] = { { body = "token" }, NO_ROUTE } }
    local client = here:client()
    local first = client.credentials:get()
    here:let_pass(30000)
    assert.are.equal(first, (client.credentials:get()))
    assert.is_truthy(here:event("CredentialsExtended").message:find("no credentials: looked at", 1, true))
  end)

  it("is told when credentials come, and no token", function()
    local here = instance()
    here:client().credentials:get()
    assert.are.same({
      {
        type = "credentials_refreshed",
        origin = "instance metadata",
        expiration = machine.START + 21600,
        account_id = "123456789012",
      },
    }, here.events)
  end)
end)
