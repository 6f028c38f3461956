local cloudhsmv2 = require "cloudhsmv2"
local core = require "cloudhsmv2.core"
local credentials = require "cloudhsmv2.credentials"
local errors = require "cloudhsmv2.errors"
local machine = require "spec.helper.machine"
local moment = require "cloudhsmv2.moment"
local server = require "spec.helper.server"

local ID, SECRET = machine.ID, machine.SECRET

local ENVIRONMENT = { AWS_ACCESS_KEY_ID = ID, AWS_SECRET_ACCESS_KEY = SECRET }
local PROFILE = "[default]\n[profile prod]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = " .. SECRET
local NOTHING = { AWS_EC2_METADATA_DISABLED = "true" }

local function with(...)
  local merged = {}
  for i = 1, select("#", ...) do
    for name, value in pairs((select(i, ...))) do
      merged[name] = value
    end
  end
  return merged
end

-- The chain of a client on a machine with this environment, a configuration file, and options of the client.
local function chain_of(env, config, options, answer)
  local here = machine.with(config, { env = with(NOTHING, env or {}), answer = answer })
  return assert(here:client(options)).credentials, here
end

local function keys(id)
  return { access_key_id = id or ID, secret_access_key = SECRET }
end

describe("the chain of credential providers", function()
  it("takes what the program gave, and then looks nowhere else", function()
    local chain = chain_of(ENVIRONMENT, PROFILE, { credentials = keys "CODE" })
    local found, set = chain:get()
    assert.are.equal("CODE", found:access_key_id())
    assert.are.equal(found, set.credentials)
    assert.are.equal("code", set.origin)
    found = chain_of(ENVIRONMENT, PROFILE, {
      credentials = function()
        return nil, "sealed"
      end,
    }):get()
    assert.is_nil(found)
  end)

  it("takes the environment's otherwise", function()
    local found, set = chain_of(ENVIRONMENT):get()
    assert.are.equal(ID, found:access_key_id())
    assert.are.equal("env AWS_ACCESS_KEY_ID", set.origin)
  end)

  it("takes the profile's when the environment has none", function()
    local found, set = chain_of({ AWS_PROFILE = "prod" }, PROFILE):get()
    assert.are.equal("AKIDPROFILE", found:access_key_id())
    assert.are.equal("file ~/.aws/config:3", set.origin)
    found = chain_of(with(ENVIRONMENT, { AWS_PROFILE = "prod" }), PROFILE):get()
    assert.are.equal(ID, found:access_key_id())
  end)

  it("does not look at the environment when the program chose the profile", function()
    local found = chain_of(ENVIRONMENT, PROFILE, { profile = "prod" }):get()
    assert.are.equal("AKIDPROFILE", found:access_key_id())
    local err
    found, err = chain_of(ENVIRONMENT, PROFILE, { profile = "default" }):get()
    assert.is_nil(found)
    assert.is_truthy(
      err.message:find('looked at aws_access_key_id and the other ways of profile "default" in ~/.aws/config', 1, true)
    )
  end)

  it("asks a web identity, a container and the instance in this order, and stops at the first", function()
    local env = {
      AWS_WEB_IDENTITY_TOKEN_FILE = "/token",
      AWS_ROLE_ARN = "arn:role",
      AWS_CONTAINER_CREDENTIALS_RELATIVE_URI = "/x",
      AWS_EC2_METADATA_DISABLED = "false",
    }
    local function answer(request)
      if request.url:find("sts", 1, true) then
        return { body = machine.sts_xml "AssumeRoleWithWebIdentity" }
      elseif request.method == "PUT" or request.url:find "/$" then
        return { body = "x" }
      end
      return { body = machine.keys_json() }
    end
    local here = machine.new { env = env, files = { ["/token"] = "t" }, answer = answer }
    assert.are.equal("h,k", select(2, here:client().credentials:get()).features)
    assert.are.equal(1, #here.requests)
    env.AWS_WEB_IDENTITY_TOKEN_FILE = nil
    assert.are.equal("z", select(2, here:client().credentials:get()).features)
    assert.are.equal(2, #here.requests)
    env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI = nil
    assert.are.equal("0", select(2, here:client().credentials:get()).features)
  end)

  it("stops at a provider that is configured and fails", function()
    local cases = {
      { { AWS_SECRET_ACCESS_KEY = SECRET, AWS_PROFILE = "prod" }, PROFILE, "AWS_ACCESS_KEY_ID: not set" },
      { { AWS_WEB_IDENTITY_TOKEN_FILE = "/t", AWS_ROLE_ARN = "r" }, "[default]\nrole_arn = x", "role_arn" },
      { { AWS_WEB_IDENTITY_TOKEN_FILE = "/t", AWS_CONTAINER_CREDENTIALS_RELATIVE_URI = "/x" }, "", "AWS_ROLE_ARN" },
      { { AWS_CONTAINER_CREDENTIALS_FULL_URI = "http://evil/x", AWS_EC2_METADATA_DISABLED = "false" }, "", "FULL_URI" },
    }
    for _, case in ipairs(cases) do
      local chain, here = chain_of(case[1], case[2])
      local found, err = chain:get()
      assert.is_nil(found)
      assert.are.equal("credentials", err.kind)
      assert.is_truthy(err.message:find(case[3], 1, true))
      assert.are.equal(0, #here.requests)
    end
  end)

  it("asks the provider that had some before, and the others where it has none any more", function()
    local chain, here = chain_of({ AWS_CONTAINER_CREDENTIALS_RELATIVE_URI = "/x" }, "", nil, {
      body = machine.keys_json(3600),
    })
    assert(chain:get())
    here.env.AWS_ACCESS_KEY_ID, here.env.AWS_SECRET_ACCESS_KEY = "AKIDLATER", SECRET
    here:let_pass(3550)
    here.answer = { body = machine.keys_json(7200) }
    local _, set = chain:get()
    assert.are.equal("env AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", set.origin)
    assert.are.equal(2, #here.requests)
    chain.winner.load = function()
      return nil
    end
    here:let_pass(3600)
    assert.are.equal("AKIDLATER", (chain:get()):access_key_id())
  end)

  it("says where it looked, why it found none there, and what to set", function()
    local found, err = chain_of():get()
    assert.is_nil(found)
    assert.are.equal("credentials", err.kind)
    assert.are.equal("NoCredentials", err.code)
    assert.are.equal(
      "no credentials: looked at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, aws_access_key_id and the "
        .. 'other ways of profile "default" in ~/.aws/config (not there) and ~/.aws/credentials (not there), '
        .. "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN in the environment, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and "
        .. "AWS_CONTAINER_CREDENTIALS_FULL_URI in the environment, the instance metadata service (switched off (from env "
        .. "AWS_EC2_METADATA_DISABLED)); set one of them, or give "
        .. 'credentials = { access_key_id = "...", secret_access_key = "..." }',
      err.message
    )
  end)

  it("looks again for every call where there were none", function()
    local chain, here = chain_of()
    assert.is_nil((chain:get()))
    here.env.AWS_ACCESS_KEY_ID, here.env.AWS_SECRET_ACCESS_KEY = ID, SECRET
    assert.are.equal(ID, (chain:get()):access_key_id())
  end)

  it("is refused when what the program gave makes no sense", function()
    local chain, err = credentials.new { credentials = { access_key_id = ID }, context = { runtime = {} } }
    assert.is_nil(chain)
    assert.are.equal("credentials", err.kind)
    local client
    client, err = machine.new():client { credentials = { access_key_id = ID } }
    assert.is_nil(client)
    assert.are.equal("credentials: secret_access_key is missing", err.message)
  end)

  it("asks nobody for anything before the first call", function()
    local chain, here = chain_of({
      AWS_CONTAINER_CREDENTIALS_RELATIVE_URI = "/x",
      AWS_EC2_METADATA_DISABLED = "false",
    }, "[default]\nrole_arn = r\ncredential_source = EcsContainer")
    assert.are.equal(0, #here.requests)
    chain:close()
    assert.are.equal(0, #here.requests)
  end)

  it("wipes what all providers hold, and has none any more", function()
    for _, case in ipairs {
      { ENVIRONMENT },
      { { AWS_PROFILE = "prod" }, PROFILE },
      { {}, "", { credentials = keys() } },
      { { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI = "/x" }, "" },
    } do
      local chain = chain_of(case[1], case[2], case[3], { body = machine.keys_json() })
      local found = assert(chain:get())
      chain:close()
      chain:close()
      assert.is_nil(found:access_key_id())
      local again, err = chain:get()
      assert.is_nil(again)
      assert.are.equal("aborted", err.kind)
    end
  end)
end)

describe("where credentials are from, for people to read", function()
  it("has the last letters of the id, and calls and asks nobody", function()
    local function described(...)
      local chain, here = chain_of(...)
      local found = chain:describe()
      assert.are.equal(0, #here.requests)
      return found
    end
    assert.are.same({ value = "*******MPLE", origin = "env AWS_ACCESS_KEY_ID" }, described(ENVIRONMENT))
    assert.are.same(
      { value = "*******FILE", origin = "file ~/.aws/config:3" },
      described({ AWS_PROFILE = "prod" }, PROFILE)
    )
    assert.are.same(
      { value = "****", origin = "code" },
      described({}, "", { credentials = { access_key_id = "short", secret_access_key = SECRET } })
    )
    assert.are.same({ value = "****", origin = "code" }, described({}, "", { credentials = keys "12345678" }))
    assert.are.same({ value = "*****6789", origin = "code" }, described({}, "", { credentials = keys "123456789" }))
    local called = false
    assert.are.same(
      { origin = "code" },
      described({}, "", {
        credentials = function()
          called = true
        end,
      })
    )
    assert.is_false(called)
    assert.are.same({ origin = "not set" }, described())
    assert.are.same(
      { origin = "env AWS_CONTAINER_CREDENTIALS_FULL_URI" },
      described { AWS_CONTAINER_CREDENTIALS_FULL_URI = "http://localhost/x" }
    )
    assert.are.same(
      { origin = "web identity of arn:r (env AWS_WEB_IDENTITY_TOKEN_FILE)" },
      described { AWS_WEB_IDENTITY_TOKEN_FILE = "/t", AWS_ROLE_ARN = "arn:r" }
    )
    assert.are.same(
      { origin = "arn:r (~/.aws/config:2)" },
      described({}, "[default]\nrole_arn = arn:r\nsource_profile = b\n[profile b]\n" .. PROFILE:match "aws_access.*")
    )
  end)

  it("has the end and the account, too, once there are some", function()
    local chain = chain_of({ AWS_CONTAINER_CREDENTIALS_RELATIVE_URI = "/x" }, "", nil, {
      body = machine.keys_json(nil, { AccountId = "123456789012" }),
    })
    chain:get()
    assert.are.same({
      value = "*******MPLE",
      origin = "env AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
      expiration = machine.START + 21600,
      account_id = "123456789012",
    }, chain:describe())
    assert.are.same(
      { value = "*******MPLE", origin = "env AWS_ACCESS_KEY_ID", account_id = "1" },
      chain_of(with(ENVIRONMENT, { AWS_ACCOUNT_ID = "1" })):describe()
    )
  end)

  it("says what is wrong", function()
    local found = chain_of({ AWS_SECRET_ACCESS_KEY = SECRET }):describe()
    assert.are.equal("AWS_ACCESS_KEY_ID: not set, but AWS_SECRET_ACCESS_KEY is", found.problem)
    found = chain_of({}, "[default]\nrole_arn = r"):describe()
    assert.are.equal("profile", found.origin)
    assert.is_truthy(found.problem:find 'profile "default" %(~/%.aws/config:2%)')
  end)

  it("is no secret that was used once", function()
    local chain = chain_of({}, "", {
      credentials = function()
        return keys()
      end,
    })
    chain:get()
    assert.are.same({ origin = "code" }, chain:describe())
  end)
end)

describe("a call whose credentials the service refuses as expired", function()
  local EXPIRED = { status = 400, body = '{"__type":"ExpiredTokenException","message":"expired"}' }
  local FINE = { body = '{"Clusters":[]}' }

  -- A client whose container gives AKID1, AKID2, ..., and whose service answers with each of a list in turn.
  local function client_of(answers, options)
    local given, called = 0, 0
    local here = machine.new {
      env = { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI = "/x" },
      answer = function(request)
        if request.url:find("169.254", 1, true) then
          given = given + 1
          return { body = machine.keys_json(nil, { AccessKeyId = "AKID" .. given }) }
        end
        called = called + 1
        return answers[math.min(called, #answers)]
      end,
    }
    return here:client(options), here
  end

  local function ids_of(here)
    local ids = {}
    for _, request in ipairs(here.requests) do
      local authorization = machine.header(request, "Authorization")
      ids[#ids + 1] = authorization and authorization:match "Credential=(AKID%d+)"
    end
    return ids
  end

  it("is sent once more with others", function()
    local client, here = client_of { EXPIRED, FINE }
    assert(client:describe_clusters())
    assert.are.same({ "AKID1", "AKID2" }, ids_of(here))
  end)

  it("is an error when the service refuses the others, too", function()
    local client, here = client_of { EXPIRED }
    local out, err = client:describe_clusters()
    assert.is_nil(out)
    assert.are.equal("auth", err.kind)
    assert.are.equal("ExpiredTokenException", err.code)
    assert.are.same({ "AKID1", "AKID2" }, ids_of(here))
  end)

  it("is not met by one whose attempts take longer than its credentials are good", function()
    local client, here = client_of { { status = 503 }, { status = 503 }, FINE }
    local real = here.answer
    here.answer = function(request)
      local answer = real(request)
      if request.url:find("169.254", 1, true) then
        answer.body = answer.body:gsub('"Expiration":"[^"]*"', '"Expiration":"' .. moment.iso(here.wall + 100) .. '"')
      else
        here.wall = here.wall + 90
      end
      return answer
    end
    assert(client:describe_clusters())
    assert.are.same({ "AKID1", "AKID2", "AKID3" }, ids_of(here))
  end)

  it("is an error at once when there are no others", function()
    local client, here = client_of({ EXPIRED }, { credentials = keys "AKID1" })
    assert.is_nil((client:describe_clusters()))
    assert.are.same({ "AKID1" }, ids_of(here))
  end)
end)

describe("a credentials function that calls its own client", function()
  it("is told so, and does not call itself without end", function()
    local calls, client, inner = 0, nil, nil
    client = machine.new():client {
      credentials = function()
        calls = calls + 1
        local _, err = client:describe_clusters()
        inner = err
        return nil, err
      end,
    }
    local out, err = client:describe_clusters()
    assert.is_nil(out)
    assert.are.equal(1, calls)
    assert.are.equal("what returns this client's credentials called this client, which needs them", inner.message)
    assert.is_truthy(err.message:find(inner.message, 1, true))
  end)

  it("is told so in a task, too, and so are the others that need it", function()
    local calls, client = 0, nil
    client = assert(cloudhsmv2.new {
      region = "eu-west-1",
      credentials = function()
        calls = calls + 1
        return nil, select(2, client:describe_clusters())
      end,
    })
    local results = cloudhsmv2.parallel {
      function()
        return client:describe_clusters()
      end,
    }
    assert.is_false(results[1].ok)
    assert.is_truthy(results[1].err.message:find("called this client, which needs them", 1, true))
    assert.are.equal(1, calls)
    client:close()
  end)
end)

describe("a hundred calls at once over real connections", function()
  local running

  setup(function()
    running = server.start "plain"
  end)

  teardown(function()
    running.stop()
  end)

  -- A client that gets credentials with a command which waits for a moment and counts in a file how often it ran.
  local function client_of(command)
    return assert(cloudhsmv2.new {
      region = "eu-west-1",
      endpoint = "http://127.0.0.1:" .. running.ports[1] .. "/fixed",
      proxy = "",
      retry = { max_attempts = 1 },
      getenv = function(name)
        return name == "HOME" and "/home" or nil
      end,
      read_file = function(path)
        return path == "/home/.aws/config" and "[default]\ncredential_process = " .. command or nil
      end,
    })
  end

  local function count_in(path)
    local count = 0
    for _ in io.lines(path) do
      count = count + 1
    end
    return count
  end

  local function call_all(client)
    local tasks = {}
    for i = 1, 100 do
      tasks[i] = function()
        return client:describe_clusters()
      end
    end
    return cloudhsmv2.parallel(tasks, { limit = 100 })
  end

  it("need one refresh", function()
    local path = os.tmpname()
    finally(function()
      os.remove(path)
    end)
    local client =
      client_of(("unset LD_PRELOAD; echo x >> %s; sleep 0.2; printf '%%s' '%s'"):format(
        path,
        machine.json {
          Version = 1,
          AccessKeyId = ID,
          SecretAccessKey = SECRET,
          SessionToken = "token",
          Expiration = "2199-01-01T00:00:00Z",
        }
      ))
    for _, result in ipairs(call_all(client)) do
      assert.is_true(result.ok, tostring(result.err))
    end
    assert.are.equal(1, count_in(path))
    client:close()
  end)

  it("fail with the same error when it fails, each with one of its own", function()
    local path = os.tmpname()
    finally(function()
      os.remove(path)
    end)
    local client = client_of(("unset LD_PRELOAD; echo x >> %s; sleep 0.2; exit 3"):format(path))
    local seen = {}
    for _, result in ipairs(call_all(client)) do
      assert.is_false(result.ok)
      assert.is_true(errors.is(result.err))
      assert.are.equal(
        "credential_process (~/.aws/config:2): it ended with exit status 3; run the command by hand to see why",
        result.err.message
      )
      assert.are.equal("DescribeClusters", result.err.operation)
      assert.is_nil(seen[result.err])
      seen[result.err] = true
    end
    assert.are.equal(1, count_in(path))
    client:close()
  end)

  it("share what a function returns, if it waits in a task", function()
    local called = 0
    local sleeper = require "cloudhsmv2.runtime"
    local client = assert(cloudhsmv2.new {
      region = "eu-west-1",
      endpoint = "http://127.0.0.1:" .. running.ports[1] .. "/fixed",
      proxy = "",
      credentials = function()
        called = called + 1
        sleeper.new({}).sleep(0.05)
        return { access_key_id = ID, secret_access_key = SECRET, expiration = core.time() + 3600 }
      end,
    })
    for _, result in ipairs(call_all(client)) do
      assert.is_true(result.ok, tostring(result.err))
    end
    assert.are.equal(1, called)
    client:close()
  end)
end)
