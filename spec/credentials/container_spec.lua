local container = require "cloudhsmv2.credentials.container"
local machine = require "spec.helper.machine"

local ID, SECRET, TOKEN = machine.ID, machine.SECRET, machine.TOKEN
local RELATIVE, FULL = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"
local AUTHORIZATION, AUTHORIZATION_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"

local function machine_of(env, answer, files)
  return machine.new { env = env, files = files, answer = answer or { body = machine.keys_json() } }
end

local function load(here, deadline)
  return container.new(here:context()):load(deadline)
end

local function error_of(here, deadline)
  local set, err = load(here, deadline)
  assert.is_nil(set)
  assert.are.equal("credentials", err.kind)
  return err
end

describe("credentials of a container", function()
  it("come from the address that the environment names, as a path or as a whole", function()
    local addresses = {
      {
        { [RELATIVE] = "/v2/credentials/uuid?a=b" },
        "http://169.254.170.2/v2/credentials/uuid?a=b",
        "env " .. RELATIVE,
      },
      { { [FULL] = "http://169.254.170.23/v1/credentials" }, "http://169.254.170.23/v1/credentials", "env " .. FULL },
      { { [RELATIVE] = "/a", [FULL] = "http://localhost/b" }, "http://169.254.170.2/a", "env " .. RELATIVE },
      { { [RELATIVE] = " ", [FULL] = "http://localhost/b" }, "http://localhost/b", "env " .. FULL },
    }
    for _, case in ipairs(addresses) do
      local here = machine_of(case[1])
      local set = assert(load(here))
      assert.are.equal(case[2], here.requests[1].url)
      assert.are.equal(case[3], set.origin)
      assert.are.equal(
        machine.signature_of { access_key_id = ID, secret_access_key = SECRET, session_token = TOKEN },
        machine.signature_of(set.credentials)
      )
      assert.are.equal(machine.START + 21600, set.expiration)
      assert.are.equal("z", set.features)
      assert.is_nil(set.account_id)
      assert.is_nil(set.stable)
    end
  end)

  it("are not configured without an address", function()
    for _, env in ipairs { {}, { [RELATIVE] = "", [FULL] = " " }, { [AUTHORIZATION] = "x" } } do
      local here = machine_of(env)
      assert.are.same({}, { load(here) })
      assert.are.equal(0, #here.requests)
    end
    assert.are.equal(
      RELATIVE .. " and " .. FULL .. " in the environment",
      container.new(machine_of():context()).looks_at
    )
  end)

  it("are asked for in one plain request, past every proxy and with short times", function()
    local here = machine_of { [RELATIVE] = "/x" }
    assert(load(here))
    local request = here.requests[1]
    assert.are.equal("GET", request.method)
    assert.are.equal("", request.body)
    assert.is_true(request.direct)
    assert.are.equal(2, request.connect_timeout)
    assert.are.equal(5, request.read_timeout)
    assert.are.equal(7, request.timeout)
    assert.are.equal(65536, request.max_body)
    assert.are.equal("application/json", machine.header(request, "Accept"))
    assert.is_truthy(machine.header(request, "User-Agent"):find(" m/E,z ", 1, true))
    assert.is_nil(machine.header(request, "Authorization"))
  end)

  it("have no more time than is left of the call", function()
    local here = machine_of { [RELATIVE] = "/x" }
    assert(load(here, here.clock + 3))
    assert.are.equal(3, here.requests[1].timeout)
    here = machine_of { [RELATIVE] = "/x" }
    local err = error_of(here, here.clock)
    assert.are.equal("DeadlineExceeded", err.code)
    assert.are.equal(0, #here.requests)
  end)

  it("may come with an account", function()
    local here = machine_of({ [RELATIVE] = "/x" }, { body = machine.keys_json(nil, { AccountId = "123456789012" }) })
    assert.are.equal("123456789012", load(here).account_id)
  end)

  it("leave nothing to wipe", function()
    container.new(machine_of():context()):close()
  end)
end)

describe("an address in the environment", function()
  it("may be https:// anywhere, and http:// on this machine and where AWS serves containers", function()
    local good = {
      ["https://example.com/x"] = "https://example.com/x",
      ["https://example.com:8443/x?y=z"] = "https://example.com:8443/x?y=z",
      ["https://10.0.0.1"] = "https://10.0.0.1/",
      ["https://[2001:db8::1]/x"] = "https://[2001:db8::1]/x",
      ["http://127.0.0.1/x"] = "http://127.0.0.1/x",
      ["http://127.0.0.1:8080/x"] = "http://127.0.0.1:8080/x",
      ["http://127.255.3.4/x"] = "http://127.255.3.4/x",
      ["http://localhost/x"] = "http://localhost/x",
      ["http://LocalHost:80/x"] = "http://localhost/x",
      ["HTTP://localhost"] = "http://localhost/",
      ["http://localhost?x=y"] = "http://localhost/?x=y",
      ["http://[::1]/x"] = "http://[::1]/x",
      ["http://[::1]:8080/x"] = "http://[::1]:8080/x",
      ["http://169.254.170.2/x"] = "http://169.254.170.2/x",
      ["http://169.254.170.23/x"] = "http://169.254.170.23/x",
      ["http://[fd00:ec2::23]/x"] = "http://[fd00:ec2::23]/x",
      ["http://[FD00:EC2::23]:80/x"] = "http://[fd00:ec2::23]/x",
      ["http://127.0.0.1/x?next=http://evil.example/@y"] = "http://127.0.0.1/x?next=http://evil.example/@y",
    }
    for given, sent in pairs(good) do
      local here = machine_of { [FULL] = given }
      assert(load(here))
      assert.are.equal(sent, here.requests[1].url)
    end
  end)

  local hostile = {
    -- other machines
    "http://evil.example/x",
    "http://evil.example:80/x",
    "http://10.0.0.1/x",
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.170.3/x",
    "http://169.254.170.2.evil.example/x",
    "http://[fd00:ec2::254]/x",
    "http://[2001:db8::1]/x",
    "http://0.0.0.0/x",
    "http://128.0.0.1/x",
    -- names that look like this machine
    "http://localhost.evil.example/x",
    "http://localhost./x",
    "http://127.0.0.1./x",
    "http://127.0.0.1.evil.example/x",
    "http://evil-localhost/x",
    "http://localhost-/x",
    "http://127.0.0.1.nip.io/x",
    -- other forms of addresses, which resolvers take
    "http://2130706433/x",
    "http://0x7f000001/x",
    "http://0x7f.0.0.1/x",
    "http://0177.0.0.1/x",
    "http://017700000001/x",
    "http://127.1/x",
    "http://127.0.1/x",
    "http://127/x",
    "http://127.0.0.256/x",
    "http://127.0.0.01/x",
    "http://127.0.0.1.1/x",
    "http://127.0.0.-1/x",
    "http://2852039170/x", -- 169.254.170.2
    "http://0251.0376.0252.02/x",
    "http://[::ffff:127.0.0.1]/x",
    "http://[::ffff:7f00:1]/x",
    "http://[::127.0.0.1]/x",
    "http://[0:0:0:0:0:0:0:1]/x",
    "http://[::1%25lo]/x",
    "http://[::1/x",
    "http://::1/x",
    -- users, and what only looks like a host
    "http://127.0.0.1@evil.example/x",
    "http://user:hunter2@localhost/x",
    "http://localhost:80@evil.example/x",
    "https://user:hunter2@example.com/x",
    "http://localhost\\@evil.example/x",
    "http://evil.example\\@localhost/x",
    "http://localhost#@evil.example/x",
    "http://evil.example#@localhost/x",
    "http://evil.example?@localhost/x",
    "http://localhost/x#fragment",
    "http://localhost/x?y#fragment",
    "http://localhost/x?y\\z",
    "http://localhost%2eevil.example/x",
    "http://%6cocalhost/x",
    "http://127.0.0.1%00.evil.example/x",
    "http://localhost;evil.example/x",
    "http://localhost,evil.example/x",
    -- characters that somebody drops on the way
    "http://local\thost/x",
    "http://localhost\t/x",
    "http://localhost/x\r\nHost: evil.example",
    "http://localhost/x\n",
    "http://localhost /x",
    " http://localhost/x",
    "http://localhost/x y",
    "http://localhost/x?y z",
    "http://localhost/\0x",
    "http://localhost/\127",
    "http://l\195\182calhost/x",
    "http://\239\188\145\239\188\146\239\188\151.0.0.1/x", -- digits of full width
    "http://127\227\128\1300.0.1/x", -- a full stop of another script
    -- no host, no port, no scheme
    "http://",
    "http:///x",
    "http://:80/x",
    "http://localhost:0/x",
    "http://localhost:65536/x",
    "http://localhost:8080x/x",
    "http:localhost/x",
    "http:/localhost/x",
    "localhost/x",
    "127.0.0.1",
    "/x",
    "//localhost/x",
    "ftp://localhost/x",
    "file:///etc/passwd",
    "gopher://localhost/x",
    "unix:///var/run/x",
    "javascript:alert(1)",
  }
  for _, address in ipairs(hostile) do
    it("is refused, and nothing is sent: " .. address:gsub("[^ -~]", "?"), function()
      local here = machine_of { [FULL] = address, [AUTHORIZATION] = "hunter2" }
      local set, err = load(here)
      assert.is_nil(set)
      assert.are.equal(0, #here.requests)
      assert.is_truthy(err.kind == "credentials" or err.kind == "config")
      assert.is_truthy(err.message:find(FULL, 1, true))
      assert.is_nil(tostring(err):find("hunter2", 1, true))
      assert.is_nil(err.message:find "%c")
    end)
  end

  it("may not be a path that is none, or that has what a path cannot have", function()
    for _, path in ipairs {
      "x",
      "@evil.example/x",
      ".evil.example/x",
      ":80/x",
      "http://evil.example/",
      "\\x",
      "/x\\y",
      "/x#y",
      "/x y",
      "/x\ty",
      "/x\r\nHost: evil.example",
      "/\195\188",
    } do
      local here = machine_of { [RELATIVE] = path }
      local set, err = load(here)
      assert.is_nil(set)
      assert.are.equal(0, #here.requests)
      assert.is_truthy(err.message:find(RELATIVE, 1, true))
    end
  end)

  it("is wrong for every call anew", function()
    for _, address in ipairs { "/x", "http://localhost/x\n" } do
      local provider = container.new(machine_of({ [FULL] = address }):context())
      local _, first = provider:load()
      local _, second = provider:load()
      assert.is_false(rawequal(first, second))
      assert.are.equal(first.message, second.message)
    end
  end)

  it("is what others can be told of", function()
    local here = machine_of { [RELATIVE] = "/x" }
    assert.are.equal("http://169.254.170.2/x", container.address(here:context().settings))
    assert.is_nil((container.address(machine_of({}):context().settings)))
  end)
end)

describe("the token of a container", function()
  it("is shown as the environment has it", function()
    local here = machine_of { [RELATIVE] = "/x", [AUTHORIZATION] = "Basic a b==" }
    assert(load(here))
    assert.are.equal("Basic a b==", machine.header(here.requests[1], "Authorization"))
  end)

  it("is of the file rather, which is read again each time", function()
    local here = machine_of(
      { [RELATIVE] = "/x", [AUTHORIZATION] = "other", [AUTHORIZATION_FILE] = "/var/token" },
      nil,
      { ["/var/token"] = "one" }
    )
    local provider = container.new(here:context())
    assert(provider:load())
    here.files["/var/token"] = "two"
    assert(provider:load())
    assert.are.equal("one", machine.header(here.requests[1], "Authorization"))
    assert.are.equal("two", machine.header(here.requests[2], "Authorization"))
  end)

  it("may be of a file in the home", function()
    local here = machine_of({ [RELATIVE] = "/x", [AUTHORIZATION_FILE] = "~/t" }, nil, { ["/home/t"] = "mine" })
    assert(load(here))
    assert.are.equal("mine", machine.header(here.requests[1], "Authorization"))
  end)

  it("is an error when it cannot be read, and nothing is sent", function()
    for _, case in ipairs {
      { nil, "there is no such file" },
      { { reason = "permission denied" }, "permission denied" },
      { "", "the file is empty" },
    } do
      local here = machine_of(
        { [RELATIVE] = "/x", [AUTHORIZATION_FILE] = "/var/token" },
        nil,
        { ["/var/token"] = case[1] }
      )
      local err = error_of(here)
      assert.are.equal("UnreadableToken", err.code)
      assert.are.equal(AUTHORIZATION_FILE .. '="/var/token" (environment): ' .. case[2], err.message)
      assert.are.equal(0, #here.requests)
    end
  end)

  it("is an error when it would become other headers, and is neither sent nor shown", function()
    for _, ending in ipairs { "\n", "\r\n", "\r", "\r\nX-Evil: yes", "\0", "\127", "\27[2J" } do
      local here = machine_of({ [RELATIVE] = "/x", [AUTHORIZATION_FILE] = "/t" }, nil, { ["/t"] = "hunter2" .. ending })
      local err = error_of(here)
      assert.are.equal("InvalidToken", err.code)
      assert.are.equal(
        AUTHORIZATION_FILE .. " (environment): the token has a line end or another control character",
        err.message
      )
      assert.are.equal(0, #here.requests)
      here = machine_of { [RELATIVE] = "/x", [AUTHORIZATION] = "hunter2" .. ending }
      local set
      set, err = load(here)
      assert.is_nil(set)
      assert.is_truthy(err.message:find(AUTHORIZATION, 1, true))
      assert.is_nil(tostring(err):find("hunter2", 1, true))
      assert.are.equal(0, #here.requests)
    end
  end)

  it("is not shown by an answer that has it", function()
    for _, answer in ipairs {
      { status = 403, body = '{"code":"no hunter2","message":"hunter2 is wrong"}' },
      { failure = { kind = "transport", code = "Broken", message = "lost hunter2", sent = "maybe" } },
      { failure = { kind = "tls", code = "Broken", message = "lost hunter2", sent = "maybe" } },
    } do
      local err = error_of(machine_of({ [RELATIVE] = "/x", [AUTHORIZATION] = "hunter2" }, answer))
      assert.is_nil((tostring(err) .. tostring(err.cause)):find("hunter2", 1, true))
      assert.is_truthy(err.message:find("[redacted]", 1, true))
    end
  end)
end)

describe("an answer about a container", function()
  local BUSY = { status = 503, body = '{"message":"starting"}' }

  it("that fails for a while is asked for three times", function()
    for _, answer in ipairs {
      BUSY,
      { status = 500 },
      { status = 200, body = "<html>" },
      { status = 200, body = "" },
      { failure = { kind = "transport", code = "CouldNotConnect", message = "no route", sent = "no" } },
    } do
      local here = machine_of({ [RELATIVE] = "/x" }, { answer, answer, { body = machine.keys_json() } })
      assert(load(here))
      assert.are.equal(3, #here.requests)
      assert.are.same({ 0.1, 0.2 }, here.slept)
      here = machine_of({ [RELATIVE] = "/x" }, answer)
      error_of(here)
      assert.are.equal(3, #here.requests)
    end
  end)

  it("that is a refusal is told with what it says, and is asked for once", function()
    local cases = {
      { 400, '{"code":"InvalidUri","message":"no such task"}', ": InvalidUri no such task" },
      { 401, '{"message":"who are you"}', ": who are you" },
      { 404, '{"code":"NotFound"}', ": NotFound" },
      { 403, '{"code":7,"message":8}', ": 7 8" },
      { 403, "{}", "" },
      { 403, "Forbidden", "" },
      { 403, "", "" },
      { 302, "", "" },
      { 204, "", "" },
      { 429, "slow down", "" },
    }
    for _, case in ipairs(cases) do
      local here = machine_of({ [RELATIVE] = "/x" }, { status = case[1], body = case[2] })
      local err = error_of(here)
      assert.are.equal("ContainerCredentialsFailed", err.code)
      assert.are.equal(("env %s: HTTP %d%s"):format(RELATIVE, case[1], case[3]), err.message)
      assert.are.equal(1, #here.requests)
    end
  end)

  it("that never comes is told with the runtime's reason", function()
    local cases = {
      { kind = "transport", code = "CouldNotConnect", message = "no route to 169.254.170.2" },
      { kind = "timeout", code = "ConnectTimeout", message = "no answer of 169.254.170.2" },
    }
    for _, failure in ipairs(cases) do
      local err = error_of(machine_of({ [RELATIVE] = "/x" }, { failure = failure }))
      assert.are.equal(failure.code, err.code)
      assert.are.equal("env " .. RELATIVE .. ": " .. failure.message, err.message)
      assert.are.equal(failure.kind, err.cause.kind)
    end
  end)

  it("that makes no sense is an error without secrets", function()
    local cases = {
      { "[]", "the answer is not the JSON that is expected" },
      { "null", "the answer is not the JSON that is expected" },
      { machine.keys_json(nil, { Expiration = SECRET }), "the answer is not the JSON that is expected" },
      { machine.keys_json(nil, { AccessKeyId = false }), "access_key_id is missing" },
      { machine.keys_json(nil, { SecretAccessKey = false }), "secret_access_key is missing" },
      { machine.keys_json(nil, { SecretAccessKey = SECRET .. "\n" }), "secret_access_key" },
    }
    for _, case in ipairs(cases) do
      local err = error_of(machine_of({ [RELATIVE] = "/x" }, { body = case[1] }))
      assert.is_truthy(err.message:find("env " .. RELATIVE .. ": ", 1, true))
      assert.is_truthy(err.message:find(case[2], 1, true))
      assert.is_nil(tostring(err):find(SECRET, 1, true))
    end
  end)

  it("is waited for no longer than the call has time", function()
    local here = machine_of({ [RELATIVE] = "/x" }, BUSY)
    here.exchange_time = 1
    local err = error_of(here, here.clock + 1.05)
    assert.are.equal("DeadlineExceeded", err.code)
    assert.are.equal(1, #here.requests)
  end)
end)
