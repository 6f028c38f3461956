local files = require "cloudhsmv2.config.files"
local machine = require "spec.helper.machine"
local profile = require "cloudhsmv2.credentials.profile"

local ID, SECRET, TOKEN = machine.ID, machine.SECRET, machine.TOKEN
local KEYS = "aws_access_key_id = " .. ID .. "\naws_secret_access_key = " .. SECRET .. "\n"

-- The provider of a profile on a machine with these files.
local function provider_of(config, credentials, here, options)
  here = here or machine.new()
  here.files["/home/.aws/config"], here.files["/home/.aws/credentials"] = config, credentials
  local loaded = assert(files.load { getenv = here.getenv, read_file = here.read_file })
  local context = here:context(options)
  return profile.new(context, { name = "prod", loaded = loaded, looked_at = files.looked_at(loaded) })
end

local function error_of(config, credentials, here, options)
  local found, err = provider_of(config, credentials, here, options):load()
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
    local set = provider:load()
    assert.are.equal(ID, set.credentials:access_key_id())
    assert.is_false(set.credentials:has_session_token())
    assert.is_nil(set.account_id)
    assert.are.equal("file ~/.aws/credentials:2", set.origin)
    assert.are.equal("n", set.features)
    assert.is_true(set.lasting)
    assert.is_true(provider.local_only)
    set =
      provider_of("[profile prod]\naws_account_id = 123456789012\n" .. KEYS .. "aws_session_token = " .. TOKEN):load()
    assert.are.equal("123456789012", set.account_id)
    assert.are.equal(
      machine.signature_of { access_key_id = ID, secret_access_key = SECRET, session_token = TOKEN },
      machine.signature_of(set.credentials)
    )
  end)

  it("are the credentials file's before the configuration file's", function()
    local provider =
      provider_of("[profile prod]\naws_access_key_id = OTHER\naws_secret_access_key = x", "[prod]\n" .. KEYS)
    assert.are.equal(ID, provider:load().credentials:access_key_id())
  end)

  it("are not configured when there are none, or blank ones", function()
    for _, content in ipairs { "", "[prod]\nregion = x", "[prod]\naws_access_key_id =\naws_secret_access_key =" } do
      local provider = provider_of(nil, content)
      assert.are.same({}, { provider:load() })
      assert.are.equal(
        'aws_access_key_id and the other ways of profile "prod" in ~/.aws/config (not there) and ~/.aws/credentials',
        provider.looks_at
      )
    end
  end)

  it("are a mistake when only one is there, and the message says where it stands", function()
    assert.are.equal(
      'profile "prod" (~/.aws/credentials:3): profile missing aws_secret_access_key beside aws_access_key_id',
      error_of(nil, "[prod]\n\naws_access_key_id = " .. ID).message
    )
    assert.are.equal(
      'profile "prod" (~/.aws/config:2): profile missing aws_access_key_id beside aws_secret_access_key',
      error_of("[profile prod]\naws_secret_access_key = " .. SECRET).message
    )
  end)

  it("are refused where the profile stands when they cannot be signed with", function()
    local err = error_of(nil, "[prod]\naws_access_key_id = AKID\n aws\naws_secret_access_key = " .. SECRET)
    assert.is_truthy(err.message:find '^profile "prod" %(~/%.aws/credentials:2%): ')
  end)

  it("are not kept as strings by the provider", function()
    local provider = provider_of(nil, "[prod]\n" .. KEYS .. "aws_session_token = " .. TOKEN)
    local seen = {}
    local function search(value)
      assert.are_not.equal(SECRET, value)
      assert.are_not.equal(TOKEN, value)
      if type(value) == "table" and value ~= provider.context and not seen[value] then
        seen[value] = true
        for key, field in pairs(value) do
          search(key)
          search(field)
        end
      end
    end
    search(provider)
    assert.is_true(next(seen) ~= nil)
  end)

  it("are wiped when the provider closes", function()
    local provider = provider_of(nil, "[prod]\n" .. KEYS)
    local credentials = provider:load().credentials
    provider:close()
    provider:close()
    assert.is_nil(credentials:access_key_id())
  end)
end)

describe("a mistake in a profile", function()
  it("is an error of its own for every call", function()
    for _, config in ipairs {
      "[profile prod]\nrole_arn = x",
      "[profile prod]\naws_access_key_id = A\n KID\naws_secret_access_key = " .. SECRET,
    } do
      local provider = provider_of(config)
      local _, first = provider:load()
      local _, second = provider:load()
      assert.is_false(rawequal(first, second))
      assert.are.equal(first.message, second.message)
    end
  end)

  it("wins over keys beside it: they are not what the profile asks for", function()
    assert.are.equal("InvalidProfile", error_of("[profile prod]\nrole_arn = x\n" .. KEYS).code)
  end)
end)

describe("a role of a profile", function()
  local CHAIN = "[profile prod]\nrole_arn = arn:second\nsource_profile = middle\nexternal_id = e\nrole_session_name = me\n"
    .. "[profile middle]\nrole_arn = arn:first\nsource_profile = base\nduration_seconds = 1800\n"
    .. "[profile base]\n"
    .. KEYS

  it("is assumed with its source's credentials, and the next one with those", function()
    local here = machine.new {
      answer = {
        { body = machine.sts_xml(nil, 3600, "AKIDFIRST") },
        { body = machine.sts_xml(nil, 3600, "AKIDSECOND") },
      },
    }
    local provider = provider_of(CHAIN, nil, here)
    local set = assert(provider:load())
    assert.are.equal(2, #here.requests)
    local first, second = here.requests[1], here.requests[2]
    assert.is_truthy(first.body:find("RoleArn=arn%3Afirst", 1, true))
    assert.is_truthy(first.body:find("DurationSeconds=1800", 1, true))
    assert.is_truthy(machine.header(first, "Authorization"):find("Credential=" .. ID .. "/", 1, true))
    assert.is_nil(machine.header(first, "X-Amz-Security-Token"))
    assert.is_truthy(second.body:find("RoleArn=arn%3Asecond&RoleSessionName=me&ExternalId=e", 1, true))
    assert.is_truthy(machine.header(second, "Authorization"):find("Credential=AKIDFIRST/", 1, true))
    assert.are.equal(TOKEN, machine.header(second, "X-Amz-Security-Token"))
    assert.are.equal("AKIDSECOND", set.credentials:access_key_id())
    assert.are.equal("n,o,i,i", set.features)
    assert.are.equal("arn:second of profile prod (~/.aws/config:2)", set.origin)
    assert.are.equal("arn:second (~/.aws/config:2)", provider.origin)
    assert.is_falsy(provider.local_only)
    assert.is_nil(set.lasting)
  end)

  it("leaves its source's own keys as they are, for the next time", function()
    local here = machine.new { answer = { body = machine.sts_xml() } }
    local provider = provider_of(CHAIN, nil, here)
    assert(provider:load())
    assert(provider:load())
    assert.are.equal(4, #here.requests)
    assert.is_truthy(machine.header(here.requests[3], "Authorization"):find("Credential=" .. ID .. "/", 1, true))
  end)

  it("fails as the first of the chain that fails, and the rest is not asked", function()
    local here = machine.new { answer = { status = 403, body = machine.sts_error("AccessDenied", "no") } }
    local err = error_of(CHAIN, nil, here)
    assert.are.equal("AccessDenied", err.code)
    assert.are.equal("AssumeRole of arn:first (~/.aws/config:7): no", err.message)
    assert.are.equal(1, #here.requests)
  end)

  it("is assumed in the region of the selected profile", function()
    local here = machine.new { answer = { body = machine.sts_xml() }, env = { AWS_PROFILE = "prod" } }
    local config = CHAIN:gsub("%[profile middle%]\n", "region = ap-south-1\n%0region = us-west-2\n")
    assert(provider_of(config, nil, here, { region = false }):load())
    for _, request in ipairs(here.requests) do
      assert.are.equal("https://sts.ap-south-1.amazonaws.com/", request.url)
    end
  end)

  it("is assumed with the keys of the environment where the profile says so", function()
    local here = machine.new {
      answer = { body = machine.sts_xml() },
      env = { AWS_ACCESS_KEY_ID = "AKIDENV", AWS_SECRET_ACCESS_KEY = SECRET },
    }
    local provider = provider_of("[profile prod]\nrole_arn = r\ncredential_source = Environment", nil, here)
    local set = assert(provider:load())
    assert.is_truthy(machine.header(here.requests[1], "Authorization"):find("Credential=AKIDENV/", 1, true))
    assert.are.equal("p,g,i", set.features)
    assert(provider:load())
    provider:close()
  end)

  it("is assumed with the keys of the instance or the container where the profile says so", function()
    local function answer(request)
      if request.url:find("sts", 1, true) then
        return { body = machine.sts_xml() }
      elseif request.method == "PUT" then
        return { body = "token" }
      elseif request.url:find "extended/$" then
        return { body = "role" }
      end
      return { body = machine.keys_json() }
    end
    local here = machine.new { answer = answer }
    local set =
      assert(provider_of("[profile prod]\nrole_arn = r\ncredential_source = Ec2InstanceMetadata", nil, here):load())
    assert.are.equal("p,0,i", set.features)
    assert.is_nil(set.stable)
    here = machine.new { answer = answer, env = { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI = "/x" } }
    set = assert(provider_of("[profile prod]\nrole_arn = r\ncredential_source = EcsContainer", nil, here):load())
    assert.are.equal("p,z,i", set.features)
    assert.are.equal("http://169.254.170.2/x", here.requests[1].url)
  end)

  it("is an error when the source that the profile names has no credentials, which says why", function()
    for source, told in pairs {
      Environment = "there are no credentials",
      EcsContainer = "there are no credentials",
      Ec2InstanceMetadata = "there are no credentials: switched off (from env AWS_EC2_METADATA_DISABLED)",
    } do
      local here = machine.new { env = { AWS_EC2_METADATA_DISABLED = "true" } }
      local err = error_of("[profile prod]\nrole_arn = r\ncredential_source = " .. source, nil, here)
      assert.are.equal("NoCredentials", err.code)
      assert.are.equal(
        ('profile "prod": credential_source = %s (~/.aws/config:3): %s'):format(source, told),
        err.message
      )
      assert.are.equal(0, #here.requests)
    end
  end)

  it("is an error when the source that the profile names fails", function()
    local here = machine.new { env = { AWS_SECRET_ACCESS_KEY = SECRET } }
    local err = error_of("[profile prod]\nrole_arn = r\ncredential_source = Environment", nil, here)
    assert.are.equal("AWS_ACCESS_KEY_ID: not set, but AWS_SECRET_ACCESS_KEY is", err.message)
  end)
end)

describe("a role that needs the code of an MFA device", function()
  local CONFIG = "[profile prod]\nrole_arn = r\nsource_profile = prod\nmfa_serial = arn:aws:iam::1:mfa/u\n" .. KEYS
  local WHAT = 'profile "prod": mfa_serial arn:aws:iam::1:mfa/u (~/.aws/config:2)'

  it("is assumed with the code that the program asks a person for", function()
    local here = machine.new { answer = { body = machine.sts_xml() } }
    local asked
    local set = assert(provider_of(CONFIG, nil, here, {
      mfa_token_provider = function(serial)
        asked = serial
        return "012345"
      end,
    }):load())
    assert.are.equal("arn:aws:iam::1:mfa/u", asked)
    assert.is_truthy(
      here.requests[1].body:find("SerialNumber=arn%3Aaws%3Aiam%3A%3A1%3Amfa%2Fu&TokenCode=012345", 1, true)
    )
    assert.is_true(set.asks)
  end)

  it("makes every role that is assumed from it one to ask a person for", function()
    local here = machine.new { answer = { body = machine.sts_xml() } }
    local config = "[profile prod]\nrole_arn = q\nsource_profile = b\n[profile b]\nrole_arn = r\nsource_profile = c\n"
      .. "mfa_serial = m\n[profile c]\n"
      .. KEYS
    local set = assert(provider_of(config, nil, here, {
      mfa_token_provider = function()
        return "012345"
      end,
    }):load())
    assert.is_true(set.asks)
    assert.are.equal(2, #here.requests)
  end)

  it("may be waited for", function()
    local here = machine.new { answer = { body = machine.sts_xml() } }
    local provider = provider_of(CONFIG, nil, here, {
      mfa_token_provider = function()
        return coroutine.yield "waiting"
      end,
    })
    local set
    local thread = coroutine.create(function()
      set = provider:load()
    end)
    assert.are.same({ true, "waiting" }, { coroutine.resume(thread) })
    coroutine.resume(thread, "123456")
    assert.is_table(set)
  end)

  it("is an error where the program has nobody to ask", function()
    local err = error_of(CONFIG)
    assert.are.equal("MfaRequired", err.code)
    assert.are.equal(
      WHAT .. " needs a code: give mfa_token_provider = function(serial) ... end, which returns it",
      err.message
    )
  end)

  it("is an error where nobody gives six digits, and the code is not shown", function()
    local cases = {
      { "12345", nil, "mfa_token_provider must return six digits as a string" },
      { "1234567", nil, "mfa_token_provider must return six digits as a string" },
      { "12345a", nil, "mfa_token_provider must return six digits as a string" },
      { "123456\n", nil, "mfa_token_provider must return six digits as a string" },
      { 123456, nil, "mfa_token_provider must return six digits as a string" },
      { nil, nil, "mfa_token_provider must return six digits as a string" },
      { nil, "the device is lost", "mfa_token_provider gave none: the device is lost" },
    }
    for _, case in ipairs(cases) do
      local here = machine.new()
      local err = error_of(CONFIG, nil, here, {
        mfa_token_provider = function()
          return case[1], case[2]
        end,
      })
      assert.are.equal("MfaRequired", err.code)
      assert.are.equal(WHAT .. ": " .. case[3], err.message)
      assert.are.equal(0, #here.requests)
    end
  end)

  it("is an error where the function fails", function()
    local err = error_of(CONFIG, nil, nil, {
      mfa_token_provider = function()
        error("no terminal", 0)
      end,
    })
    assert.are.equal(WHAT .. ": mfa_token_provider failed: no terminal", err.message)
  end)
end)
