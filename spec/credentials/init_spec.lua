local credentials = require "cloudhsmv2.credentials"

local ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

local function chain_of(given, variables, profile)
  return credentials.new {
    credentials = given,
    getenv = function(name)
      return variables and variables[name]
    end,
    profile = profile,
    time = function()
      return 0
    end,
  }
end

-- A profile with keys of its own, as a client's settings give it to the chain.
local function profile_of(chosen_in_code)
  local function property(value, line)
    return { value = value, file = "~/.aws/credentials", line = line }
  end
  return {
    name = "prod",
    properties = { aws_access_key_id = property("AKIDPROFILE", 2), aws_secret_access_key = property(SECRET, 3) },
    looked_at = "~/.aws/config and ~/.aws/credentials",
    chosen_in_code = chosen_in_code,
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

  it("takes the profile's when the environment has none", function()
    local found, provider = chain_of(nil, {}, profile_of()):get()
    assert.are.equal("AKIDPROFILE", found:access_key_id())
    assert.are.equal("profile", provider.name)
    found = chain_of(nil, { AWS_ACCESS_KEY_ID = ID, AWS_SECRET_ACCESS_KEY = SECRET }, profile_of()):get()
    assert.are.equal(ID, found:access_key_id())
  end)

  it("does not look at the environment when the program chose the profile", function()
    local environment = { AWS_ACCESS_KEY_ID = ID, AWS_SECRET_ACCESS_KEY = SECRET }
    assert.are.equal("AKIDPROFILE", chain_of(nil, environment, profile_of(true)):get():access_key_id())
    local empty = profile_of(true)
    empty.properties = {}
    local found, err = chain_of(nil, environment, empty):get()
    assert.is_nil(found)
    assert.is_truthy(err.message:find("looked at aws_access_key_id and aws_secret_access_key of profile", 1, true))
  end)

  it("describes where keys are from by the last letters of the id, and calls nothing for it", function()
    local environment = { AWS_ACCESS_KEY_ID = ID, AWS_SECRET_ACCESS_KEY = SECRET }
    assert.are.same({ value = "*******MPLE", origin = "env AWS_ACCESS_KEY_ID" }, chain_of(nil, environment):describe())
    assert.are.same(
      { value = "*******FILE", origin = "file ~/.aws/credentials:2" },
      chain_of(nil, {}, profile_of()):describe()
    )
    local given = { access_key_id = "short", secret_access_key = SECRET }
    assert.are.same({ value = "****", origin = "code" }, chain_of(given):describe())
    local called = false
    assert.are.same(
      { origin = "code" },
      chain_of(function()
        called = true
      end):describe()
    )
    assert.is_false(called)
    assert.are.same({ origin = "not set" }, chain_of(nil, {}):describe())
    local half = chain_of(nil, { AWS_SECRET_ACCESS_KEY = SECRET }):describe()
    assert.are.equal("AWS_ACCESS_KEY_ID: not set, but AWS_SECRET_ACCESS_KEY is", half.problem)
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
