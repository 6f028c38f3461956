local files = require "cloudhsmv2.config.files"
local profile = require "cloudhsmv2.credentials.profile"

local ID, SECRET, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "hunter2token"
local KEYS = "aws_access_key_id = " .. ID .. "\naws_secret_access_key = " .. SECRET .. "\n"

local function provider_of(config, credentials)
  local loaded = assert(files.load {
    getenv = function(name)
      return name == "HOME" and "/h" or nil
    end,
    read_file = function(path)
      return ({ ["/h/.aws/config"] = config, ["/h/.aws/credentials"] = credentials })[path]
    end,
  })
  return profile.new {
    name = "prod",
    properties = loaded.profiles.prod or {},
    looked_at = files.looked_at(loaded),
  }
end

local function error_of(config, credentials)
  local found, err = provider_of(config, credentials):get()
  assert.is_nil(found)
  assert.are.equal("credentials", err.kind)
  assert.is_nil(tostring(err):find(SECRET, 1, true))
  assert.is_nil(tostring(err):find(ID, 1, true))
  assert.is_nil(tostring(err):find(TOKEN, 1, true))
  return err
end

describe("keys in a profile", function()
  it("become credentials, with the token and the account when there are some", function()
    local provider = provider_of(nil, "[prod]\n" .. KEYS)
    assert.are.equal(ID, provider:get():access_key_id())
    assert.is_false(provider:get():has_session_token())
    assert.is_nil(provider.account_id)
    assert.are.equal("file ~/.aws/credentials:2", provider.origin)
    provider = provider_of("[profile prod]\naws_account_id = 123456789012\n" .. KEYS .. "aws_session_token = " .. TOKEN)
    assert.is_true(provider:get():has_session_token())
    assert.are.equal("123456789012", provider.account_id)
  end)

  it("are the credentials file's before the configuration file's", function()
    local provider =
      provider_of("[profile prod]\naws_access_key_id = OTHER\naws_secret_access_key = x", "[prod]\n" .. KEYS)
    assert.are.equal(ID, provider:get():access_key_id())
  end)

  it("are not configured when there are none, or blank ones", function()
    for _, content in ipairs { "", "[prod]\nregion = x", "[prod]\naws_access_key_id =\naws_secret_access_key =" } do
      assert.are.same({}, { provider_of(nil, content):get() })
    end
  end)

  it("are a mistake when only one is there, and the message says where it stands", function()
    assert.are.equal(
      'profile "prod": aws_secret_access_key is missing beside aws_access_key_id (~/.aws/credentials:3)',
      error_of(nil, "[prod]\n\naws_access_key_id = " .. ID).message
    )
    assert.are.equal(
      'profile "prod": aws_access_key_id is missing beside aws_secret_access_key (~/.aws/config:2)',
      error_of("[profile prod]\naws_secret_access_key = " .. SECRET).message
    )
  end)

  it("are refused where the profile stands when they cannot be signed with", function()
    local err = error_of(nil, "[prod]\naws_access_key_id = AKID\n aws\naws_secret_access_key = " .. SECRET)
    assert.is_truthy(err.message:find '^profile "prod" %(~/%.aws/credentials:2%): ')
  end)

  it("are not kept as strings by the provider", function()
    for _, value in pairs(provider_of(nil, "[prod]\n" .. KEYS .. "aws_session_token = " .. TOKEN)) do
      assert.are_not.equal(SECRET, value)
      assert.are_not.equal(TOKEN, value)
      assert.are_not.equal("table", type(value))
    end
  end)

  it("are wiped when the provider closes", function()
    local provider = provider_of(nil, "[prod]\n" .. KEYS)
    local credentials = provider:get()
    provider:close()
    provider:close()
    assert.is_nil(credentials:access_key_id())
  end)
end)

describe("a profile that names another way to get credentials", function()
  local ways = {
    role_arn = "assume roles",
    source_profile = "assume roles",
    credential_source = "assume roles",
    web_identity_token_file = "use web identities",
    sso_session = "use single sign-on",
    sso_account_id = "use single sign-on",
    sso_role_name = "use single sign-on",
    sso_start_url = "use single sign-on",
    sso_region = "use single sign-on",
    login_session = "use sessions of `aws login`",
    credential_process = "run credential processes",
  }

  it("is an error that says what this version does not do, and what works", function()
    for key, what in pairs(ways) do
      local err = error_of("[profile prod]\n" .. key .. " = hunter2")
      assert.are.equal("UnsupportedProfile", err.code)
      local told = ('profile "prod": %s (~/.aws/config:2): this version does not %s yet; what works: '):format(
        key,
        what
      )
      assert.are.equal(told, err.message:sub(1, #told))
      assert.is_nil(err.message:find "hunter2")
    end
  end)

  it("is one although there are keys beside it: they are not what it asks for", function()
    assert.are.equal("UnsupportedProfile", error_of("[profile prod]\nrole_arn = x\n" .. KEYS).code)
  end)

  it("is an error of its own for every call", function()
    local provider = provider_of "[profile prod]\nrole_arn = x"
    local _, first = provider:get()
    local _, second = provider:get()
    assert.is_false(rawequal(first, second))
  end)
end)
