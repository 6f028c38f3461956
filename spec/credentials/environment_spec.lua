local environment = require "cloudhsmv2.credentials.environment"
local machine = require "spec.helper.machine"
local sigv4 = require "cloudhsmv2.sigv4"

local ID, SECRET, TOKEN = machine.ID, machine.SECRET, machine.TOKEN

local function provider_of(variables)
  return environment.new(function(name)
    return variables[name]
  end)
end

local function both(fields)
  local variables = { AWS_ACCESS_KEY_ID = ID, AWS_SECRET_ACCESS_KEY = SECRET }
  for name, value in pairs(fields or {}) do
    variables[name] = value
  end
  return variables
end

-- Puts a function in place of the one with which C reads the environment, until the test ends.
local function without_c(stand_in)
  local real = sigv4.environment_credentials
  sigv4.environment_credentials = stand_in
  finally(function()
    sigv4.environment_credentials = real
  end)
end

describe("keys in the environment", function()
  it("become credentials, with the token when there is one", function()
    local set = provider_of(both()):load()
    assert.are.equal(ID, set.credentials:access_key_id())
    assert.is_false(set.credentials:has_session_token())
    set = provider_of(both { AWS_SESSION_TOKEN = TOKEN }):load()
    assert.is_true(set.credentials:has_session_token())
    local same = { access_key_id = ID, secret_access_key = SECRET, session_token = TOKEN }
    assert.are.equal(machine.signature_of(same), machine.signature_of(set.credentials))
  end)

  it("are a set that lasts, and says where it is from", function()
    local set = provider_of(both()):load()
    assert.are.equal("env AWS_ACCESS_KEY_ID", set.origin)
    assert.are.equal("g", set.features)
    assert.is_true(set.lasting)
    assert.is_nil(set.expiration)
    assert.is_nil(set.account_id)
  end)

  it("come with the account and the moment when they expire, where these are set", function()
    local set = provider_of(both {
      AWS_ACCOUNT_ID = "123456789012",
      AWS_CREDENTIAL_EXPIRATION = " 2026-01-01T00:00:00Z\n",
    }):load()
    assert.are.equal("123456789012", set.account_id)
    assert.are.equal(machine.START, set.expiration)
    set = provider_of(both { AWS_ACCOUNT_ID = " ", AWS_CREDENTIAL_EXPIRATION = "" }):load()
    assert.is_nil(set.account_id)
    assert.is_nil(set.expiration)
  end)

  it("are a mistake when that moment is none, which the message names with its value", function()
    for _, broken in ipairs { "tomorrow", "2026-13-01T00:00:00Z", "1767225600", "2026-01-01" } do
      local set, err = provider_of(both { AWS_CREDENTIAL_EXPIRATION = broken }):load()
      assert.is_nil(set)
      assert.are.equal("credentials", err.kind)
      local message = 'AWS_CREDENTIAL_EXPIRATION="%s" (environment): expected a time such as "2026-01-01T00:00:00Z"'
      assert.are.equal(message:format(broken), err.message)
    end
  end)

  it("are not configured when they are unset or blank", function()
    for _, blank in ipairs { "", "  ", "\t" } do
      assert.are.same({}, { provider_of({ AWS_ACCESS_KEY_ID = blank, AWS_SECRET_ACCESS_KEY = blank }):load() })
    end
    assert.are.same({}, { provider_of({}):load() })
    assert.are.same({}, { provider_of({ AWS_SESSION_TOKEN = TOKEN, AWS_CREDENTIAL_EXPIRATION = "x" }):load() })
  end)

  it("are a mistake when only one is set, which the message names without its value", function()
    local _, err = provider_of({ AWS_SECRET_ACCESS_KEY = SECRET, AWS_ACCESS_KEY_ID = " " }):load()
    assert.are.equal("credentials", err.kind)
    assert.are.equal("AWS_ACCESS_KEY_ID: not set, but AWS_SECRET_ACCESS_KEY is", err.message)
    _, err = provider_of({ AWS_ACCESS_KEY_ID = ID }):load()
    assert.are.equal("AWS_SECRET_ACCESS_KEY: not set, but AWS_ACCESS_KEY_ID is", err.message)
  end)

  it("are a mistake when one cannot be in a header, which is named and not shown", function()
    for name, what in pairs {
      AWS_ACCESS_KEY_ID = "access_key_id",
      AWS_SECRET_ACCESS_KEY = "secret_access_key",
      AWS_SESSION_TOKEN = "session_token",
    } do
      local set, err = provider_of(both { [name] = SECRET .. "\r" }):load()
      assert.is_nil(set)
      assert.are.equal("credentials", err.kind)
      assert.is_truthy(err.message:find(what, 1, true))
      assert.is_nil(tostring(err):find(SECRET, 1, true))
    end
  end)

  it("are read once", function()
    local reads = {}
    local provider = environment.new(function(name)
      reads[name] = (reads[name] or 0) + 1
      return both()[name]
    end)
    assert.are.equal(provider:load().credentials, provider:load().credentials)
    assert.are.equal(1, reads.AWS_ACCESS_KEY_ID)
    assert.are.equal(1, reads.AWS_SECRET_ACCESS_KEY)
    assert.are.equal(1, reads.AWS_SESSION_TOKEN)
  end)

  it("are read by C where no environment was injected, so that the secret is no Lua string", function()
    local names = {}
    without_c(function(...)
      names = { ... }
      return nil
    end)
    assert.is_nil((environment.new():load()))
    assert.are.same({ "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN" }, names)
  end)

  it("fail as C says", function()
    local reason = { kind = "credentials" }
    without_c(function()
      return nil, reason
    end)
    assert.are.same({ nil, reason }, { environment.new():load() })
  end)

  it("are wiped when the provider closes", function()
    local provider = provider_of(both())
    local credentials = provider:load().credentials
    provider:close()
    provider:close()
    assert.is_nil(credentials:access_key_id())
  end)
end)
