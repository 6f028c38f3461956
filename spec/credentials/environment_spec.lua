local environment = require "cloudhsmv2.credentials.environment"

local ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

local function provider_of(variables)
  return environment.new(function(name)
    return variables[name]
  end)
end

describe("keys in the environment", function()
  it("become credentials, with the token when there is one", function()
    local credentials = provider_of({ AWS_ACCESS_KEY_ID = ID, AWS_SECRET_ACCESS_KEY = SECRET }):get()
    assert.are.equal(ID, credentials:access_key_id())
    assert.is_false(credentials:has_session_token())
    credentials = provider_of({ AWS_ACCESS_KEY_ID = ID, AWS_SECRET_ACCESS_KEY = SECRET, AWS_SESSION_TOKEN = "t" }):get()
    assert.is_true(credentials:has_session_token())
  end)

  it("are not configured when they are unset or blank", function()
    for _, blank in ipairs { "", "  ", "\t" } do
      local credentials, err = provider_of({ AWS_ACCESS_KEY_ID = blank, AWS_SECRET_ACCESS_KEY = blank }):get()
      assert.is_nil(credentials)
      assert.is_nil(err)
    end
    assert.are.same({}, { provider_of({}):get() })
  end)

  it("are a mistake when only one is set, which the message names without its value", function()
    local _, err = provider_of({ AWS_SECRET_ACCESS_KEY = SECRET, AWS_ACCESS_KEY_ID = " " }):get()
    assert.are.equal("credentials", err.kind)
    assert.are.equal("AWS_ACCESS_KEY_ID: not set, but AWS_SECRET_ACCESS_KEY is", err.message)
    _, err = provider_of({ AWS_ACCESS_KEY_ID = ID }):get()
    assert.are.equal("AWS_SECRET_ACCESS_KEY: not set, but AWS_ACCESS_KEY_ID is", err.message)
  end)

  it("are read once", function()
    local reads = 0
    local provider = environment.new(function(name)
      reads = reads + 1
      return ({ AWS_ACCESS_KEY_ID = ID, AWS_SECRET_ACCESS_KEY = SECRET })[name]
    end)
    assert.are.equal(provider:get(), provider:get())
    assert.are.equal(3, reads)
  end)

  it("are read by C where no environment was injected, so that the secret is no Lua string", function()
    local names = {}
    local sigv4 = require "cloudhsmv2.sigv4"
    local real = sigv4.environment_credentials
    sigv4.environment_credentials = function(...)
      names = { ... }
      return nil
    end
    finally(function()
      sigv4.environment_credentials = real
    end)
    assert.is_nil((environment.new():get()))
    assert.are.same({ "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN" }, names)
  end)

  it("are wiped when the provider closes", function()
    local provider = provider_of { AWS_ACCESS_KEY_ID = ID, AWS_SECRET_ACCESS_KEY = SECRET }
    local credentials = provider:get()
    provider:close()
    provider:close()
    assert.is_nil(credentials:access_key_id())
  end)
end)
