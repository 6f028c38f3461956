local credentials = require "cloudhsmv2.credentials"

local ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

local function chain_of(given, variables)
  return credentials.new {
    credentials = given,
    getenv = function(name)
      return variables and variables[name]
    end,
    time = function()
      return 0
    end,
  }
end

describe("the chain of credential providers", function()
  it("takes what the program gave, and then looks nowhere else", function()
    local given = { access_key_id = "CODE", secret_access_key = SECRET }
    local environment = { AWS_ACCESS_KEY_ID = ID, AWS_SECRET_ACCESS_KEY = SECRET }
    local found, provider = chain_of(given, environment):get()
    assert.are.equal("CODE", found:access_key_id())
    assert.are.equal("code", provider.name)
    found = chain_of(function()
      return nil, "sealed"
    end, environment):get()
    assert.is_nil(found)
  end)

  it("takes the environment's otherwise", function()
    local found, provider = chain_of(nil, { AWS_ACCESS_KEY_ID = ID, AWS_SECRET_ACCESS_KEY = SECRET }):get()
    assert.are.equal(ID, found:access_key_id())
    assert.are.equal("environment", provider.name)
  end)

  it("stops at a provider that is configured and fails", function()
    local chain = chain_of()
    local reached = false
    chain.providers = {
      {
        get = function()
          return nil, "broken"
        end,
      },
      {
        get = function()
          reached = true
        end,
      },
    }
    assert.are.same({ nil, "broken" }, { chain:get() })
    assert.is_false(reached)
  end)

  it("says where it looked and what to set, when there are none", function()
    local found, err = chain_of():get()
    assert.is_nil(found)
    assert.are.equal("credentials", err.kind)
    assert.are.equal("NoCredentials", err.code)
    assert.are.equal(
      "no credentials: looked at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment; set both, or give "
        .. 'credentials = { access_key_id = "...", secret_access_key = "..." }',
      err.message
    )
    found, err = chain_of(nil, { AWS_PROFILE = "prod" }):get()
    assert.is_nil(found)
    assert.is_truthy(err.message:find "AWS_PROFILE is set, but this version does not read profiles")
  end)

  it("is refused when what the program gave makes no sense", function()
    local chain, err = chain_of { access_key_id = ID }
    assert.is_nil(chain)
    assert.are.equal("credentials", err.kind)
  end)

  it("wipes what all providers hold", function()
    local chain = chain_of(nil, { AWS_ACCESS_KEY_ID = ID, AWS_SECRET_ACCESS_KEY = SECRET })
    local found = chain:get()
    chain:close()
    assert.is_nil(found:access_key_id())
  end)
end)
