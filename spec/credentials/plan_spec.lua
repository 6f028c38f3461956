local files = require "cloudhsmv2.config.files"
local plan = require "cloudhsmv2.credentials.plan"

local ROLE = "arn:aws:iam::123456789012:role/r"
local KEYS = "aws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\n"

local function plan_of(config, name, credentials)
  local loaded = assert(files.load {
    getenv = function(variable)
      return variable == "HOME" and "/h" or nil
    end,
    read_file = function(path)
      return ({ ["/h/.aws/config"] = config, ["/h/.aws/credentials"] = credentials })[path]
    end,
  })
  return plan.of(loaded, name or "prod")
end

local function message_of(config, name, credentials)
  local found, err = plan_of(config, name, credentials)
  assert.is_nil(found)
  assert.are.equal("credentials", err.kind)
  return err.message, err.code
end

describe("the plan of a profile", function()
  it("is none where the profile says nothing of credentials, or is not there", function()
    assert.are.same({}, { plan_of "" })
    assert.are.same({}, { plan_of "[profile prod]\nregion = eu-west-1" })
    assert.are.same({}, { plan_of "[profile prod]\naws_access_key_id =\naws_secret_access_key = \nrole_arn = " })
    assert.are.same({}, { plan_of "[profile prod]\naws_session_token = t\nsource_profile = other\nexternal_id = e" })
  end)

  it("has one base with what is needed, and where that stands", function()
    local bases = {
      {
        "[profile prod]\n" .. KEYS .. "aws_session_token = t\naws_account_id = 123456789012",
        {
          kind = "keys",
          access_key_id = "AKIDEXAMPLE",
          secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
          session_token = "t",
          account_id = "123456789012",
          place = "~/.aws/config:2",
          features = "n",
        },
      },
      {
        "[profile prod]\nrole_session_name = me\nrole_arn = " .. ROLE .. "\nweb_identity_token_file = ~/token",
        {
          kind = "web_identity",
          role_arn = ROLE,
          role_session_name = "me",
          token_file = "~/token",
          place = "~/.aws/config:4",
          features = "q",
        },
      },
      {
        "[sso-session s]\nsso_region = eu-west-1\nsso_start_url = https://x.awsapps.com/start\n[profile prod]\n"
          .. "sso_session = s\nsso_account_id = 123456789012\nsso_role_name = admin",
        {
          kind = "sso",
          session = "s",
          region = "eu-west-1",
          start_url = "https://x.awsapps.com/start",
          account_id = "123456789012",
          role_name = "admin",
          place = "~/.aws/config:5",
          features = "r,s",
        },
      },
      {
        "[profile prod]\nsso_start_url = https://x.awsapps.com/start\nsso_region = eu-west-1\n"
          .. "sso_account_id = 123456789012\nsso_role_name = admin",
        {
          kind = "sso",
          region = "eu-west-1",
          start_url = "https://x.awsapps.com/start",
          account_id = "123456789012",
          role_name = "admin",
          place = "~/.aws/config:4",
          features = "t,u",
        },
      },
      {
        "[profile prod]\nlogin_session = arn:aws:sts::1:assumed-role/a/b",
        {
          kind = "login",
          session = "arn:aws:sts::1:assumed-role/a/b",
          place = "~/.aws/config:2",
          features = "AC",
        },
      },
      {
        "[profile prod]\ncredential_process = /bin/get --keys\naws_account_id = 123456789012",
        {
          kind = "process",
          command = "/bin/get --keys",
          account_id = "123456789012",
          place = "~/.aws/config:2",
          features = "v",
        },
      },
    }
    for _, case in ipairs(bases) do
      local found = assert(plan_of(case[1]))
      case[2].profile = "prod"
      assert.are.same(case[2], found.base)
      assert.are.same({}, found.roles)
      assert.are.equal(case[2].features, found.features)
    end
  end)

  it("is of single sign-on whichever of its keys comes first", function()
    local session = "[sso-session s]\nsso_region = eu-west-1\nsso_start_url = u\n[profile prod]\n"
    local found = plan_of(session .. "sso_role_name = r\nsso_account_id = 1\nsso_session = s\nsso_start_url = u")
    assert.are.equal("sso", found.base.kind)
    assert.are.equal("s", found.base.session)
  end)

  it("of a session of single sign-on alone is one, which has a token and no credentials", function()
    local found = plan_of "[sso-session s]\nsso_region = eu-west-1\nsso_start_url = u\n[profile prod]\nsso_session = s"
    assert.are.equal("sso", found.base.kind)
    assert.is_nil(found.base.account_id)
  end)

  it("takes the first of several ways in AWS's order", function()
    local ways = {
      { "source", "role_arn = r\ncredential_source = Environment\n" },
      { "web_identity", "web_identity_token_file = /t\nrole_arn = r\n" },
      { "sso", "sso_start_url = u\nsso_region = eu-west-1\nsso_account_id = 1\nsso_role_name = r\n" },
      { "login", "login_session = arn\n" },
      { "process", "credential_process = x\n" },
      { "keys", KEYS },
    }
    for first = 2, #ways do
      local lines = {}
      for i = #ways, first, -1 do
        lines[#lines + 1] = ways[i][2]
      end
      assert.are.equal(ways[first][1], plan_of("[profile prod]\n" .. table.concat(lines)).base.kind)
    end
    assert.are.equal("source", plan_of("[profile prod]\n" .. ways[1][2] .. ways[4][2] .. KEYS).base.kind)
  end)

  it("has the credentials file's keys before those of the configuration file", function()
    local found =
      plan_of("[profile prod]\naws_access_key_id = OTHER\naws_secret_access_key = x", nil, "[prod]\n" .. KEYS)
    assert.are.equal("AKIDEXAMPLE", found.base.access_key_id)
    assert.are.equal("~/.aws/credentials:2", found.base.place)
  end)
end)

describe("a role", function()
  it("is assumed from the profile that it names, with what is said of it", function()
    local found = plan_of(
      "[profile prod]\nrole_arn = "
        .. ROLE
        .. "\nsource_profile = base\nexternal_id = e x\nrole_session_name = me\nduration_seconds = 900\n"
        .. "mfa_serial = arn:aws:iam::1:mfa/u\n[profile base]\n"
        .. KEYS
    )
    assert.are.equal("keys", found.base.kind)
    assert.are.equal("base", found.base.profile)
    assert.are.equal("n,o", found.features)
    assert.are.same({
      {
        role_arn = ROLE,
        external_id = "e x",
        role_session_name = "me",
        duration = 900,
        mfa_serial = "arn:aws:iam::1:mfa/u",
        profile = "prod",
        place = "~/.aws/config:2",
      },
    }, found.roles)
  end)

  it("is assumed from one of three sources, written exactly so", function()
    for _, source in ipairs { "Environment", "Ec2InstanceMetadata", "EcsContainer" } do
      local found = plan_of("[profile prod]\nrole_arn = r\ncredential_source = " .. source)
      assert.are.equal("source", found.base.kind)
      assert.are.equal(source, found.base.name)
      assert.are.equal("~/.aws/config:3", found.base.place)
      assert.are.equal("p", found.features)
      assert.are.equal("r", found.roles[1].role_arn)
    end
    for _, source in ipairs { "environment", "ENVIRONMENT", "Ec2instanceMetadata", "EcsContainer2", "Process" } do
      assert.are.equal(
        ('profile "prod" (~/.aws/config:3): credential_source="%s": expected Environment, Ec2InstanceMetadata or EcsContainer'):format(
          source
        ),
        (message_of("[profile prod]\nrole_arn = r\ncredential_source = " .. source))
      )
    end
  end)

  it("is one of a chain, which begins at the base", function()
    local found = plan_of(
      "[profile prod]\nrole_arn = third\nsource_profile = b\n[profile b]\nrole_arn = second\nsource_profile = c\n"
        .. "[profile c]\nrole_arn = first\nsource_profile = d\n[profile d]\ncredential_process = x"
    )
    local roles = {}
    for i, role in ipairs(found.roles) do
      roles[i] = role.profile .. " " .. role.role_arn .. " " .. role.place
    end
    assert.are.same({ "c first ~/.aws/config:8", "b second ~/.aws/config:5", "prod third ~/.aws/config:2" }, roles)
    assert.are.equal("process", found.base.kind)
    assert.are.equal("v,o", found.features)
  end)

  it("wins over the profile's own keys, which count from the second profile on", function()
    local found =
      plan_of("[profile prod]\nrole_arn = r\nsource_profile = b\n" .. KEYS .. "[profile b]\ncredential_process = x")
    assert.are.equal("process", found.base.kind)
    found = plan_of(
      "[profile prod]\nrole_arn = r\nsource_profile = b\n[profile b]\nrole_arn = not this\nsource_profile = c\n" .. KEYS
    )
    assert.are.equal("keys", found.base.kind)
    assert.are.equal("b", found.base.profile)
    assert.are.equal(1, #found.roles)
  end)

  it("may be assumed with the keys of its own profile", function()
    local found = plan_of("[profile prod]\nrole_arn = r\nsource_profile = prod\n" .. KEYS)
    assert.are.equal("keys", found.base.kind)
    assert.are.equal("prod", found.base.profile)
    assert.are.equal(1, #found.roles)
  end)

  it("may be assumed from every other way to credentials", function()
    local ways = {
      web_identity = "role_arn = w\nweb_identity_token_file = /t",
      sso = "sso_start_url = u\nsso_region = eu-west-1\nsso_account_id = 1\nsso_role_name = r",
      login = "login_session = arn",
      process = "credential_process = x",
      keys = KEYS,
    }
    for kind, text in pairs(ways) do
      local found = plan_of("[profile prod]\nrole_arn = r\nsource_profile = b\n[profile b]\n" .. text)
      assert.are.equal(kind, found.base.kind)
      assert.are.equal(1, #found.roles)
    end
    local found =
      plan_of "[profile prod]\nrole_arn = r\nsource_profile = b\n[profile b]\nrole_arn = e\ncredential_source = Environment"
    assert.are.equal("source", found.base.kind)
    assert.are.equal(2, #found.roles)
  end)

  it("is good for a quarter of an hour to twelve hours", function()
    local text = "[profile prod]\nrole_arn = r\nsource_profile = prod\n" .. KEYS .. "duration_seconds = "
    for _, good in ipairs { "900", "3600", "43200", "0900" } do
      assert.are.equal(tonumber(good), plan_of(text .. good).roles[1].duration)
    end
    for _, bad in ipairs { "899", "43201", "0", "-900", "900.5", "1e3", "0x384", "an hour", "99999999999999999999" } do
      assert.are.equal(
        ('profile "prod" (~/.aws/config:6): duration_seconds="%s": expected a whole number from 900 to 43200'):format(
          bad
        ),
        (message_of(text .. bad))
      )
    end
  end)
end)

describe("a mistake in a profile", function()
  local prefix = 'profile "prod" (~/.aws/config:%d): %s'
  local session = "[sso-session s]\nsso_region = eu-west-1\nsso_start_url = u\n"

  local mistakes = {
    ["half a pair of keys, the id"] = {
      "[profile prod]\n\naws_access_key_id = x",
      3,
      "profile missing aws_secret_access_key beside aws_access_key_id",
      "InvalidCredentials",
    },
    ["half a pair of keys, the secret"] = {
      "[profile prod]\naws_secret_access_key = x",
      2,
      "profile missing aws_access_key_id beside aws_secret_access_key",
      "InvalidCredentials",
    },
    ["a role without a source"] = {
      "[profile prod]\nrole_arn = r\n" .. KEYS,
      2,
      "profile must contain `source_profile` or `credential_source` beside role_arn",
    },
    ["a role with two sources"] = {
      "[profile prod]\nrole_arn = r\ncredential_source = Environment\nsource_profile = b\n[profile b]\n" .. KEYS,
      4,
      "profile contained both source_profile and credential_source: keep one",
    },
    ["a source that is not there"] = {
      "[profile prod]\nrole_arn = r\nsource_profile = gone",
      3,
      "could not find source profile gone referenced from prod",
    },
    ["a source that says nothing"] = {
      "[profile prod]\nrole_arn = r\nsource_profile = b\n[profile b]\nregion = eu-west-1",
      3,
      "profile `b` did not contain credential information",
    },
    ["a role that is assumed from itself without keys"] = {
      "[profile prod]\nrole_arn = r\nsource_profile = prod",
      3,
      "profile `prod` did not contain credential information",
    },
    ["a web identity without a role"] = {
      "[profile prod]\nregion = x\nweb_identity_token_file = /t",
      3,
      "`web_identity_token_file` was specified but `role_arn` was missing",
    },
    ["a session of single sign-on that is not there"] = {
      session .. "[profile prod]\nsso_session = t\nsso_account_id = 1\nsso_role_name = r",
      5,
      'sso_session="t": there is no section [sso-session t]',
    },
    ["a session without a region"] = {
      "[sso-session s]\nsso_start_url = u\n[profile prod]\nsso_session = s",
      4,
      "`sso_region` was missing in the section [sso-session s]",
    },
    ["a session without an address"] = {
      "[sso-session s]\nsso_region = eu-west-1\n[profile prod]\nsso_session = s",
      4,
      "`sso_start_url` was missing in the section [sso-session s]",
    },
    ["another region than the session's"] = {
      session .. "[profile prod]\nsso_session = s\nsso_region = us-east-1",
      6,
      "sso_region differs from that of the section [sso-session s]",
    },
    ["another address than the session's"] = {
      session .. "[profile prod]\nsso_session = s\nsso_start_url = v",
      6,
      "sso_start_url differs from that of the section [sso-session s]",
    },
    ["an account without a role"] = {
      session .. "[profile prod]\nsso_session = s\nsso_account_id = 1",
      5,
      "if `sso_account_id` is set, then `sso_role_name` must also be set",
    },
    ["a role without an account"] = {
      session .. "[profile prod]\nsso_role_name = r",
      5,
      "if `sso_role_name` is set, then `sso_account_id` must also be set",
    },
    ["the old form without a region"] = {
      "[profile prod]\nsso_start_url = u\nsso_account_id = 1\nsso_role_name = r",
      3,
      "`sso_region` was missing",
    },
    ["the old form without an address"] = {
      "[profile prod]\nsso_region = eu-west-1\nsso_account_id = 1\nsso_role_name = r",
      3,
      "`sso_start_url` was missing",
    },
    ["the old form without an account and a role"] = {
      "[profile prod]\nsso_region = eu-west-1\nsso_start_url = u",
      3,
      "`sso_account_id` and `sso_role_name` were missing",
    },
  }
  for what, case in pairs(mistakes) do
    it("is told with profile, file and line: " .. what, function()
      local message, code = message_of(case[1])
      assert.are.equal(prefix:format(case[2], case[3]), message)
      assert.are.equal(case[4] or "InvalidProfile", code)
    end)
  end

  it("is told of the profile that it is in, not of the one that was asked for", function()
    local chain = "[profile prod]\nrole_arn = r\nsource_profile = b\n[profile b]\nrole_arn = s\n"
    assert.are.equal(
      'profile "b" (~/.aws/config:5): profile must contain `source_profile` or `credential_source` beside role_arn',
      (message_of(chain))
    )
    assert.are.equal(
      'profile "b" (~/.aws/config:6): could not find source profile gone referenced from b',
      (message_of(chain .. "source_profile = gone"))
    )
    assert.are.equal(
      'profile "b" (~/.aws/config:7): duration_seconds="1": expected a whole number from 900 to 43200',
      (message_of(chain .. "source_profile = prod\nduration_seconds = 1"))
    )
    assert.are.equal(
      'profile "b" (~/.aws/config:5): profile missing aws_secret_access_key beside aws_access_key_id',
      (message_of "[profile prod]\nrole_arn = r\nsource_profile = b\n[profile b]\naws_access_key_id = x")
    )
  end)

  it("is a loop, of whatever length", function()
    local loop = "profile formed an infinite loop: source_profile leads back to "
    local function link(name, to)
      return ("[profile %s]\nrole_arn = r\nsource_profile = %s\n"):format(name, to)
    end
    assert.are.equal(
      'profile "b" (~/.aws/config:6): ' .. loop .. "prod",
      (message_of(link("prod", "b") .. link("b", "prod")))
    )
    assert.are.equal(
      'profile "c" (~/.aws/config:9): ' .. loop .. "b",
      (message_of(link("prod", "b") .. link("b", "c") .. link("c", "b")))
    )
    local text = {}
    for i = 1, 500 do
      text[i] = link("p" .. i, "p" .. i % 500 + 1)
    end
    assert.is_truthy(message_of(table.concat(text), "p1"):find("leads back to p1", 1, true))
  end)

  it("shows no key", function()
    local secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    for _, text in ipairs {
      "[profile prod]\naws_secret_access_key = " .. secret,
      "[profile prod]\nrole_arn = r\n" .. KEYS,
      "[profile prod]\nrole_arn = r\nsource_profile = gone\nexternal_id = " .. secret,
    } do
      assert.is_nil(message_of(text):find(secret, 1, true))
    end
  end)
end)
