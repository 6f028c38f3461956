local machine = require "spec.helper.machine"
local moment = require "cloudhsmv2.moment"
local process = require "cloudhsmv2.credentials.process"

local ID, SECRET, TOKEN = machine.ID, machine.SECRET, machine.TOKEN

local function provider_of(command, here, account_id)
  here = here or machine.new()
  return process.new(here:context(), { command = command, place = "~/.aws/config:2", account_id = account_id }, "v,w")
end

-- What a command prints that has keys, with other fields or, where they are false, without them.
local function output(fields)
  local said = { Version = 1, AccessKeyId = ID, SecretAccessKey = SECRET, SessionToken = TOKEN }
  for name, value in pairs(fields or {}) do
    said[name] = value
  end
  return machine.json(said)
end

-- A provider whose command prints a text.
local function printing(text, account_id)
  local here = machine.new {
    run = function()
      return { status = 0, output = text }
    end,
  }
  return provider_of("x", here, account_id)
end

local function error_of(provider, deadline)
  local set, err = provider:load(deadline)
  assert.is_nil(set)
  assert.are.equal("credentials", err.kind)
  assert.is_nil(tostring(err):find(SECRET, 1, true))
  return err
end

describe("what a credential process prints", function()
  it("becomes credentials, with all that it says", function()
    local set = assert(printing(output { Expiration = "2026-01-01T06:00:00Z", AccountId = "123456789012" }):load())
    assert.are.equal(
      machine.signature_of { access_key_id = ID, secret_access_key = SECRET, session_token = TOKEN },
      machine.signature_of(set.credentials)
    )
    assert.are.equal(moment.of_iso "2026-01-01T06:00:00Z", set.expiration)
    assert.are.equal("123456789012", set.account_id)
    assert.are.equal("v,w", set.features)
    assert.are.equal("credential_process (~/.aws/config:2)", set.origin)
    assert.is_nil(set.lasting)
    assert.is_nil(set.once)
  end)

  it("may say less, and then never expires; the account is the profile's then", function()
    local set = assert(printing(output { SessionToken = false }, "210987654321"):load())
    assert.is_nil(set.expiration)
    assert.is_false(set.credentials:has_session_token())
    assert.are.equal("210987654321", set.account_id)
    set = assert(printing(output { AccountId = "123456789012" }, "210987654321"):load())
    assert.are.equal("123456789012", set.account_id)
  end)

  it("may have numbers for texts, nulls, other fields and blanks", function()
    local text = (' \n{"Version":1,"AccessKeyId":"%s","SecretAccessKey":"%s","SessionToken":null,"Expiration":null,'):format(
      ID,
      SECRET
    ) .. '"AccountId":123456789012,"Comment":["x"]}\r\n'
    local set = assert(printing(text):load())
    assert.are.equal("123456789012", set.account_id)
    assert.is_nil(set.expiration)
  end)

  it("may have an end in another zone, or with a fraction", function()
    local set = assert(printing(output { Expiration = "2026-01-01T08:00:00.5+02:00" }):load())
    assert.are.equal(moment.of_iso "2026-01-01T06:00:00Z" + 0.5, set.expiration)
  end)

  local shapeless = "what it printed is not the JSON that is expected of it"
  local versionless = 'what it printed has no "Version": 1'
  local broken = {
    ["nothing"] = { "", shapeless },
    ["a text"] = { "export AWS_SECRET_ACCESS_KEY=" .. SECRET, shapeless },
    ["two documents"] = { output() .. output(), shapeless },
    ["a text before it"] = { "found it: " .. output(), shapeless },
    ["a list"] = { "[" .. output() .. "]", shapeless },
    ["what is cut off"] = { output():sub(1, -2), shapeless },
    ["null"] = { "null", shapeless },
    ["no version"] = { output { Version = false }, versionless },
    ["the version after this one"] = { output { Version = 2 }, versionless },
    ["a version as a text"] = { output { Version = "1" }, shapeless },
    ["an end that is none"] = { output { Expiration = SECRET }, shapeless },
    ["no id"] = { output { AccessKeyId = false }, "access_key_id is missing" },
    ["no secret"] = { output { SecretAccessKey = false }, "secret_access_key is missing" },
    ["an empty secret"] = { output { SecretAccessKey = "" }, "secret_access_key is missing" },
    ["a secret that is a table"] = { output { SecretAccessKey = { key = SECRET } }, shapeless },
    ["a secret with a line end"] = { output { SecretAccessKey = SECRET .. "\r\n" }, "secret_access_key" },
    ["zero bytes"] = { ("\0"):rep(100), shapeless },
  }
  for what, case in pairs(broken) do
    it("is an error that shows none of it when it is " .. what, function()
      local err = error_of(printing(case[1]))
      assert.are.equal("InvalidCredentials", err.code)
      assert.is_truthy(err.message:find("credential_process (~/.aws/config:2): ", 1, true))
      assert.is_truthy(err.message:find(case[2], 1, true))
    end)
  end

  it("is an error when it has expired already", function()
    local here = machine.with("[default]\ncredential_process = x", {
      run = function()
        return { status = 0, output = output { Expiration = "2026-01-01T00:00:00Z" } }
      end,
    })
    local credentials, err = here:client().credentials:get()
    assert.is_nil(credentials)
    assert.are.equal("ExpiredCredentials", err.code)
    assert.are.equal(
      "credential_process (~/.aws/config:2): these credentials have expired already; get new ones",
      err.message
    )
  end)

  it("is asked for once when it does not expire, and again before it does", function()
    local ran, expiration = 0, nil
    local here = machine.with("[default]\ncredential_process = x", {
      run = function()
        ran = ran + 1
        return { status = 0, output = output { Expiration = expiration } }
      end,
    })
    local client = here:client()
    client.credentials:get()
    here:let_pass(1e6)
    client.credentials:get()
    assert.are.equal(1, ran)
    expiration = moment.iso(here.wall + 3600)
    client = here:client()
    client.credentials:get()
    here:let_pass(3500)
    client.credentials:get()
    assert.are.equal(3, ran)
  end)
end)

describe("the command of a credential process", function()
  it("runs in a shell, with the quotes and pipes that it has", function()
    local set = assert(provider_of("unset LD_PRELOAD; printf '%s' '" .. output() .. "' | cat && true"):load())
    assert.are.equal(ID, set.credentials:access_key_id())
  end)

  it("has as much time as the call, and a minute at most", function()
    local given = {}
    local here = machine.new {
      run = function(command, seconds)
        given[#given + 1] = command .. " " .. seconds
        return { status = 0, output = output() }
      end,
    }
    local provider = provider_of("x", here)
    provider:load()
    provider:load(here.clock + 100)
    provider:load(here.clock + 5)
    provider:load(here.clock - 5)
    assert.are.same({ "x 60", "x 60", "x 5", "x 0" }, given)
  end)

  it("is an error by its exit status, whatever it printed", function()
    for _, status in ipairs { 1, 7, 126, 255 } do
      local err = error_of(provider_of(("printf '%%s' '%s'; echo %s >&2; exit %d"):format(output(), SECRET, status)))
      assert.are.equal("CredentialProcessFailed", err.code)
      assert.are.equal(
        ("credential_process (~/.aws/config:2): it ended with exit status %d; run the command by hand to see why"):format(
          status
        ),
        err.message
      )
    end
  end)

  it("is an error when there is no such command", function()
    assert.are.equal(
      "credential_process (~/.aws/config:2): it ended with exit status 127; run the command by hand to see why",
      error_of(provider_of "/nowhere/to/be/found --secret=hunter2").message
    )
  end)

  it("is an error when a signal ends it", function()
    assert.is_truthy(error_of(provider_of "kill -KILL $$").message:find("exit status 137", 1, true))
  end)

  it("is an error when it prints more than keys are long", function()
    local err = error_of(provider_of("unset LD_PRELOAD; yes " .. SECRET))
    assert.is_truthy(err.message:find "^credential_process %(~/%.aws/config:2%): ")
  end)

  it("is killed when the time of the call is over", function()
    local here = machine.new()
    local err = error_of(provider_of("unset LD_PRELOAD; sleep 30", here), here.clock + 0.05)
    assert.are.equal("DeadlineExceeded", err.code)
    assert.are.equal("credential_process (~/.aws/config:2): it did not end within 0.05 seconds", err.message)
  end)

  it("is not another caller's deadline when its own minute is over", function()
    local here = machine.new {
      run = function(_, seconds)
        return nil, ("it did not end within %g seconds"):format(seconds)
      end,
    }
    local provider = provider_of("x", here)
    assert.are.equal("CredentialProcessFailed", error_of(provider).code)
    assert.are.equal("CredentialProcessFailed", error_of(provider, here.clock + 60).code)
    assert.are.equal("DeadlineExceeded", error_of(provider, here.clock + 59).code)
  end)

  it("is an error when it cannot be started", function()
    local here = machine.new {
      run = function()
        return nil, "too many open files"
      end,
    }
    local err = error_of(provider_of("x", here))
    assert.are.equal("CredentialProcessFailed", err.code)
    assert.are.equal("credential_process (~/.aws/config:2): too many open files", err.message)
    provider_of("x", here):close()
  end)
end)
