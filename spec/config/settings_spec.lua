local settings = require "cloudhsmv2.config.settings"

local function resolve(options, environment, service_id)
  return settings.resolve(options or {}, {
    getenv = function(name)
      return environment and environment[name]
    end,
    service_id = service_id,
  })
end

local function message_of(options, environment)
  local resolved, err = resolve(options, environment)
  assert.is_nil(resolved)
  assert.are.equal("config", err.kind)
  return err.message
end

local function option_message(options)
  local ok, err = settings.check_options(options)
  assert.is_nil(ok)
  assert.are.equal("config", err.kind)
  return err.message
end

describe("a setting", function()
  it("is the caller's before the environment's before the default", function()
    local environment = { AWS_REGION = "eu-west-1", AWS_USE_DUALSTACK_ENDPOINT = "true" }
    local resolved = resolve({ region = "us-east-1", use_dualstack = false }, environment)
    assert.are.equal("us-east-1", resolved.region)
    assert.is_false(resolved.use_dualstack)
    resolved = resolve({}, environment)
    assert.are.equal("eu-west-1", resolved.region)
    assert.is_true(resolved.use_dualstack)
    resolved = resolve()
    assert.is_nil(resolved.region)
    assert.is_false(resolved.use_dualstack)
  end)

  it("says where it is from", function()
    local resolved = resolve({ timeout = 5 }, { AWS_DEFAULT_REGION = "eu-west-1" })
    assert.are.equal("code", resolved.origin.timeout)
    assert.are.equal("env AWS_DEFAULT_REGION", resolved.origin.region)
    assert.are.equal("default", resolved.origin.read_timeout)
    assert.is_nil(resolved.origin.endpoint)
    assert.are.equal("from env AWS_REGION", settings.from "env AWS_REGION")
    assert.are.equal("the default", settings.from "default")
  end)

  it("is unset when it is blank, wherever", function()
    local resolved = resolve({ region = " " }, { AWS_REGION = "", AWS_DEFAULT_REGION = "eu-west-1" })
    assert.are.equal("eu-west-1", resolved.region)
    assert.is_nil(resolve({}, { AWS_ENDPOINT_URL = " " }).endpoint)
  end)

  it("has the defaults of the documentation", function()
    local resolved = resolve()
    resolved.origin = nil
    assert.are.same({
      profile = "default",
      connect_timeout = 3.1,
      read_timeout = 60,
      use_fips = false,
      use_dualstack = false,
      ignore_configured_endpoint_urls = false,
      retry = { mode = "standard", max_attempts = 3 },
      retry_ambiguous = false,
      disable_clock_skew_correction = false,
      defaults_mode = "standard",
      allow_http = false,
      sts_regional_endpoints = "regional",
      ec2_metadata_disabled = false,
      ec2_metadata_v1_disabled = true,
      ec2_metadata_service_endpoint_mode = "ipv4",
      metadata_service_timeout = 1,
      metadata_service_num_attempts = 1,
      problems = {},
    }, resolved)
  end)

  it("reads AWS_REGION before AWS_DEFAULT_REGION, without blanks around it", function()
    local resolved = resolve({}, { AWS_REGION = " eu-west-1\n", AWS_DEFAULT_REGION = "us-east-1" })
    assert.are.equal("eu-west-1", resolved.region)
  end)

  it("reads true and false in any case from the environment, and nothing else", function()
    assert.is_true(resolve({}, { AWS_USE_FIPS_ENDPOINT = " TRUE " }).use_fips)
    assert.is_false(resolve({}, { AWS_USE_FIPS_ENDPOINT = "False" }).use_fips)
    assert.are.equal(
      'AWS_USE_FIPS_ENDPOINT="1" (environment): expected true or false',
      message_of({}, { AWS_USE_FIPS_ENDPOINT = "1" })
    )
  end)

  it("reads the CA file and the application's name from the environment", function()
    local resolved = resolve({}, { AWS_CA_BUNDLE = "/ca.pem", AWS_SDK_UA_APP_ID = "app" })
    assert.are.equal("/ca.pem", resolved.ca_file)
    assert.are.equal("app", resolved.app_id)
  end)
end)

describe("the endpoint", function()
  local both = { AWS_ENDPOINT_URL_CLOUDHSM_V2 = "http://service", AWS_ENDPOINT_URL = "http://all" }

  it("is the service's own variable before the one for all services", function()
    assert.are.equal("http://service", resolve({}, both).endpoint)
    assert.are.equal("http://all", resolve({}, { AWS_ENDPOINT_URL = "http://all" }).endpoint)
    assert.are.equal("http://code", resolve({ endpoint = "http://code" }, both).endpoint)
  end)

  it("has another variable for another service", function()
    local environment = { AWS_ENDPOINT_URL_KMS = "http://kms", AWS_ENDPOINT_URL_CLOUDHSM_V2 = "http://service" }
    assert.are.equal("http://kms", resolve({}, environment, "KMS").endpoint)
  end)

  it("is not read from the environment when that is switched off", function()
    both.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS = "true"
    assert.is_nil(resolve({}, both).endpoint)
    assert.are.equal("http://code", resolve({ endpoint = "http://code" }, both).endpoint)
    assert.are.equal("http://service", resolve({ ignore_configured_endpoint_urls = false }, both).endpoint)
  end)

  it("must be a URL, and the message says where it is from", function()
    assert.are.equal(
      "AWS_ENDPOINT_URL (environment): Invalid endpoint: localhost:80 (it must begin with http:// or https://)",
      message_of({}, { AWS_ENDPOINT_URL = "localhost:80" })
    )
  end)
end)

describe("a wrong setting", function()
  it("is an error that names it, its value and its origin", function()
    assert.are.equal(
      'AWS_REGION="x.evil.com/" (environment): expected letters, digits and hyphens, as in eu-west-1',
      message_of({}, { AWS_REGION = "x.evil.com/" })
    )
    assert.are.equal("region=7 (code): expected a string", message_of { region = 7 })
    assert.are.equal("region=a table (code): expected a string", message_of { region = {} })
    assert.are.equal("use_fips=1 (code): expected true or false", message_of { use_fips = 1 })
    assert.are.equal('use_fips="true" (code): expected true or false', message_of { use_fips = "true" })
  end)

  it("is a time that is not above zero, or no number, or without end", function()
    for _, value in ipairs { 0, -1, 0 / 0, math.huge, "5", true } do
      for _, name in ipairs { "timeout", "connect_timeout", "read_timeout" } do
        assert.is_truthy(message_of({ [name] = value }):find "%(code%): expected a number of seconds above 0$")
      end
    end
    assert.are.equal(0.25, resolve({ timeout = 0.25 }).timeout)
  end)

  it("is a size that is no whole number of bytes", function()
    for _, value in ipairs { 0, 1.5, 0 / 0, math.huge, 2 ^ 31, "1" } do
      assert.is_truthy(message_of({ max_body = value }):find "^max_body=.*: expected a whole number of bytes from 1$")
    end
    assert.are.equal(1048576, resolve({ max_header = 1048576 }).max_header)
  end)

  it("is not shown when it may hold a password", function()
    local message = message_of { proxy = "http://user:hunter2@proxy\n" }
    assert.are.equal("proxy (code): expected no control character", message)
  end)
end)

describe("a name of an application that is too long", function()
  it("is taken with a warning, as AWS does", function()
    local _, loaded = resolve { app_id = ("x"):rep(50) }
    assert.are.same({}, loaded.warnings)
    _, loaded = resolve({}, { AWS_SDK_UA_APP_ID = ("x"):rep(51) })
    local message = "app_id (from env AWS_SDK_UA_APP_ID): has 51 characters; AWS asks for at most 50"
    assert.are.same({ { code = "LongAppId", message = message } }, loaded.warnings)
  end)
end)

describe("the mode of defaults", function()
  local function connect_timeout(options, environment)
    return resolve(options, environment).connect_timeout
  end

  it("decides how long a connection may take, unless somebody says that", function()
    assert.are.equal(3.1, connect_timeout({}, {}))
    for mode, seconds in pairs {
      standard = 3.1,
      ["cross-region"] = 3.1,
      ["in-region"] = 1.1,
      mobile = 30,
      legacy = 3.1,
      [" MOBILE "] = 30,
    } do
      assert.are.equal(seconds, connect_timeout({}, { AWS_DEFAULTS_MODE = mode }))
    end
    assert.are.equal(5, connect_timeout({ connect_timeout = 5 }, { AWS_DEFAULTS_MODE = "mobile" }))
    assert.are.equal(1.1, connect_timeout { defaults_mode = "in-region" })
  end)

  it("is told by the environment where it is auto", function()
    local auto = { AWS_DEFAULTS_MODE = "auto", AWS_REGION = "eu-west-1" }
    assert.are.equal(3.1, connect_timeout({}, auto))
    auto.AWS_EXECUTION_ENV = "AWS_Lambda_x"
    assert.are.equal(1.1, connect_timeout({}, auto))
    assert.are.equal(3.1, connect_timeout({ region = "us-east-1" }, auto))
    auto.AWS_REGION = nil
    assert.are.equal(3.1, connect_timeout({ region = "us-east-1" }, auto))
  end)

  it("is one of a few", function()
    local message =
      'AWS_DEFAULTS_MODE="fast" (environment): expected standard, in-region, cross-region, mobile, auto or legacy'
    assert.are.equal(message, message_of({}, { AWS_DEFAULTS_MODE = "fast" }))
  end)
end)

describe("a setting of a provider of credentials", function()
  it("that is wrong is an error only for who needs it", function()
    local environment = {
      AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE = "error",
      AWS_EC2_METADATA_DISABLED = "yes",
      AWS_METADATA_SERVICE_TIMEOUT = "0",
      AWS_METADATA_SERVICE_NUM_ATTEMPTS = "1.5",
      AWS_EC2_METADATA_SERVICE_ENDPOINT = "http://user:hunter2@host",
      AWS_CONTAINER_AUTHORIZATION_TOKEN = "hunter2\n",
    }
    local resolved = assert(resolve({}, environment))
    local function problem(name)
      local value, err = settings.late(resolved, name)
      assert.is_nil(value)
      assert.are.equal("config", err.kind)
      return err.message
    end
    assert.are.equal(
      'AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE="error" (environment): expected IPv4 or IPv6',
      problem "ec2_metadata_service_endpoint_mode"
    )
    assert.are.equal(
      'AWS_EC2_METADATA_DISABLED="yes" (environment): expected true or false',
      problem "ec2_metadata_disabled"
    )
    assert.are.equal(
      'AWS_METADATA_SERVICE_TIMEOUT="0" (environment): expected a number of seconds above 0',
      problem "metadata_service_timeout"
    )
    assert.are.equal(
      'AWS_METADATA_SERVICE_NUM_ATTEMPTS="1.5" (environment): expected a whole number of at least 1',
      problem "metadata_service_num_attempts"
    )
    assert.are.equal(
      "AWS_EC2_METADATA_SERVICE_ENDPOINT (environment): a user name or password cannot be part of it",
      problem "ec2_metadata_service_endpoint"
    )
    assert.are.equal(
      "AWS_CONTAINER_AUTHORIZATION_TOKEN (environment): expected no control character",
      problem "container_authorization_token"
    )
    local described = settings.describe(resolved)
    assert.is_truthy(described.ec2_metadata_disabled.problem:find "expected true or false$")
  end)

  it("is read in any case, and with a fraction whatever the locale", function()
    local resolved = resolve({}, {
      AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE = " IPv6",
      AWS_METADATA_SERVICE_TIMEOUT = "2.5",
      AWS_METADATA_SERVICE_NUM_ATTEMPTS = "4",
      AWS_EC2_METADATA_SERVICE_ENDPOINT = "http://here:1234/base/",
    })
    assert.are.equal("ipv6", resolved.ec2_metadata_service_endpoint_mode)
    assert.are.equal(2.5, resolved.metadata_service_timeout)
    assert.are.equal(4, resolved.metadata_service_num_attempts)
    assert.are.equal("http://here:1234/base", resolved.ec2_metadata_service_endpoint)
    assert.is_nil(next(resolved.problems))
  end)

  it("warns that the global host of STS is not asked", function()
    local _, loaded = resolve({}, { AWS_STS_REGIONAL_ENDPOINTS = "legacy" })
    assert.are.equal("LegacyStsEndpoints", loaded.warnings[1].code)
  end)

  it("is no option of new where only the environment may set it", function()
    for _, name in ipairs { "role_arn", "container_authorization_token", "web_identity_token_file" } do
      assert.is_truthy(option_message({ [name] = "x" }):find("unknown option", 1, true))
    end
    assert.are.equal("x", resolve({}, { AWS_ROLE_ARN = "x" }).role_arn)
  end)

  it("is not shown where it is a secret", function()
    local described = settings.describe((resolve({}, {
      AWS_CONTAINER_AUTHORIZATION_TOKEN = "hunter2",
      AWS_CONTAINER_CREDENTIALS_FULL_URI = "https://user:hunter2@host/x",
    })))
    assert.are.equal("***", described.container_authorization_token.value)
    assert.are.equal("https://***@host/x", described.container_credentials_full_uri.value)
  end)
end)

describe("the endpoint of a service that credentials come from", function()
  local function endpoint_of(service_id, config, environment, options)
    local files = { config = config }
    environment = environment or {}
    environment.AWS_CONFIG_FILE = "config"
    local context = {
      getenv = function(name)
        return environment[name]
      end,
      read_file = function(path)
        return files[path]
      end,
    }
    local resolved, loaded = settings.resolve(options or {}, context)
    return settings.endpoint_of(service_id, resolved, loaded, context.getenv)
  end

  it("has a variable, a block of services, and what is for all services", function()
    local config =
      "[default]\nservices = s\nendpoint_url = http://profile\n[services s]\nsso_oidc =\n  endpoint_url = http://block"
    local all = { AWS_ENDPOINT_URL = "http://all" }
    assert.are.equal("http://block", (endpoint_of("SSO OIDC", config)))
    assert.are.equal("http://profile", (endpoint_of("STS", config)))
    assert.are.equal("http://all", (endpoint_of("SSO OIDC", config, all)))
    assert.are.equal("http://sts", (endpoint_of("STS", config, { AWS_ENDPOINT_URL_STS = "http://sts" })))
    assert.are.same({ "http://oidc", "env AWS_ENDPOINT_URL_SSO_OIDC" }, {
      endpoint_of("SSO OIDC", config, { AWS_ENDPOINT_URL_SSO_OIDC = "http://oidc" }),
    })
  end)

  it("is not what code gives for CloudHSM, and nobody's where configured ones are to be ignored", function()
    assert.is_nil((endpoint_of("STS", "", {}, { endpoint = "http://code" })))
    local ignored = { ignore_configured_endpoint_urls = true }
    assert.is_nil((endpoint_of("STS", "", { AWS_ENDPOINT_URL = "http://all" }, ignored)))
  end)

  it("is an error when it is none", function()
    local url, _, err = endpoint_of("STS", "", { AWS_ENDPOINT_URL_STS = "sts:80" })
    assert.is_nil(url)
    assert.is_truthy(err.message:find("AWS_ENDPOINT_URL_STS (environment): Invalid endpoint", 1, true))
  end)
end)

describe("an empty proxy", function()
  it("is a value: no proxy, whatever the environment says", function()
    assert.are.equal("", resolve({ proxy = "" }).proxy)
  end)
end)

describe("retry", function()
  it("takes a mode and a number of attempts from code, each by itself, before the environment", function()
    local environment = { AWS_RETRY_MODE = " Adaptive ", AWS_MAX_ATTEMPTS = " 7 " }
    assert.are.same({ mode = "adaptive", max_attempts = 7 }, resolve({}, environment).retry)
    assert.are.same(
      { mode = "adaptive", max_attempts = 1 },
      resolve({ retry = { max_attempts = 1 } }, environment).retry
    )
    local resolved = resolve({ retry = { mode = "standard" } }, environment)
    assert.are.same({ mode = "standard", max_attempts = 7 }, resolved.retry)
    assert.are.equal("code", resolved.origin["retry.mode"])
    assert.are.equal("env AWS_MAX_ATTEMPTS", resolved.origin["retry.max_attempts"])
    assert.are.equal("default", resolve().origin["retry.mode"])
    assert.are.same({}, select(2, resolve()).warnings)
  end)

  it("reads legacy as standard, and warns", function()
    local resolved, loaded = resolve({}, { AWS_RETRY_MODE = "legacy" })
    assert.are.same({ mode = "standard", max_attempts = 3 }, resolved.retry)
    assert.are.equal("LegacyRetryMode", loaded.warnings[1].code)
    assert.is_truthy(loaded.warnings[1].message:find("from env AWS_RETRY_MODE", 1, true))
  end)

  it("refuses what makes no sense, with the place where it stands", function()
    for _, value in ipairs { "x", "0", "-1", "1.5", "1e2", "0x3", "nan", "inf" } do
      assert.are.equal(
        'AWS_MAX_ATTEMPTS="' .. value .. '" (environment): expected a whole number of at least 1',
        message_of({}, { AWS_MAX_ATTEMPTS = value })
      )
    end
    assert.are.equal(
      'AWS_RETRY_MODE="fast" (environment): expected standard, adaptive or legacy',
      message_of({}, { AWS_RETRY_MODE = "fast" })
    )
    assert.are.equal(
      "retry.max_attempts=0 (code): expected a whole number of at least 1",
      message_of { retry = { max_attempts = 0 } }
    )
    assert.is_truthy(message_of({ retry = { max_attempts = "3" } }):find('retry.max_attempts="3" (code): ', 1, true))
    assert.is_truthy(message_of({ retry = { mode = true } }):find("retry.mode=true (code): ", 1, true))
    assert.is_truthy(message_of({ retry = { max_attemps = 1 } }):find "did you mean max_attempts%?")
    assert.is_truthy(message_of({ retry = 3 }):find "must be a table")
  end)

  it("takes no number that cannot be written as one", function()
    assert.are.equal(2 ^ 31 - 1, resolve({}, { AWS_MAX_ATTEMPTS = "2147483647" }).retry.max_attempts)
    for _, value in ipairs { "2147483648", ("9"):rep(30) } do
      assert.is_truthy(message_of({}, { AWS_MAX_ATTEMPTS = value }):find "at most 2147483647$")
    end
    assert.is_nil(settings.check_call { max_attempts = 1e300 })
  end)

  it("has its fields under its own name only", function()
    assert.is_truthy(option_message({ ["retry.mode"] = "standard" }):find "^unknown option")
    assert.is_truthy(option_message({ retry_mode = "standard" }):find "^unknown option")
  end)
end)

describe("retry_ambiguous", function()
  it("is false unless code says true", function()
    assert.is_true(resolve({ retry_ambiguous = true }).retry_ambiguous)
    assert.is_truthy(message_of({ retry_ambiguous = "yes" }):find "expected true or false")
  end)
end)

describe("the correction of the clock", function()
  it("is switched off by code or environment", function()
    local environment = { AWS_DISABLE_CLOCK_SKEW_CORRECTION = "TRUE" }
    assert.is_true(resolve({}, environment).disable_clock_skew_correction)
    local resolved = resolve({ disable_clock_skew_correction = false }, environment)
    assert.is_false(resolved.disable_clock_skew_correction)
  end)
end)

describe("the options of a client", function()
  it("may be all that is documented", function()
    local function call() end
    assert.is_true(settings.check_options {
      region = "eu-west-1",
      credentials = {},
      on_event = call,
      getenv = call,
      read_file = call,
      random = call,
      runtime = { send = call, sleep = call, now = call, time = call },
      model = { metadata = {}, operations = {}, shapes = {} },
    })
    assert.is_true(settings.check_options { credentials = call })
  end)

  it("are refused when unknown, with the nearest name", function()
    assert.are.equal('unknown option "regoin"; did you mean region?', option_message { regoin = "eu-west-1" })
    assert.is_truthy(option_message({ [1] = "eu-west-1" }):find "^unknown option 1; known: ")
  end)

  it("are refused with the reason when this version does not have them", function() end)

  it("are refused when they are of the wrong type", function()
    for _, name in ipairs { "credentials", "runtime", "on_event", "model", "getenv", "read_file", "random" } do
      assert.is_truthy(option_message({ [name] = "x" }):find(name .. ": a string is not what", 1, true))
    end
    assert.are.equal("runtime: must have the functions send, sleep, now and time", option_message { runtime = {} })
    assert.are.equal(
      "model: must have the tables metadata, operations and shapes",
      option_message { model = { shapes = {} } }
    )
  end)

  it("are refused where a runtime of one's own would not see them", function()
    local function call() end
    local runtime = { send = call, sleep = call, now = call, time = call }
    assert.is_truthy(
      option_message({ runtime = runtime, ca_file = "x" }):find "^ca_file: has no effect beside a runtime"
    )
  end)
end)

describe("the options of a call", function()
  local function message(options)
    local ok, err = settings.check_call(options)
    assert.is_nil(ok)
    assert.are.equal("validation", err.kind)
    return err.message
  end

  it("are times and the number of attempts", function()
    assert.is_true(settings.check_call { timeout = 1, connect_timeout = 0.5, read_timeout = 2, max_attempts = 1 })
    assert.is_true(settings.check_call { features = "B,C" })
    assert.is_nil(settings.check_call { features = "B\r\nX: y" })
    assert.is_true(settings.check_call { max_attempts = 5 })
    assert.is_true(settings.check_call {})
  end)

  it("are refused when unknown or wrong", function()
    assert.are.equal('unknown option "timout" of a call; did you mean timeout?', message { timout = 1 })
    assert.are.equal("timeout=-1: expected a number of seconds above 0", message { timeout = -1 })
    for _, value in ipairs { 0, 1.5, -1, 0 / 0, math.huge, "3" } do
      assert.is_truthy(
        message({ max_attempts = value }):find "^max_attempts=.+: expected a whole number of at least 1$"
      )
    end
  end)
end)

-- Resolves with texts in place of the two files, and HOME known.
local function resolve_files(config, credentials, options, environment)
  environment = environment or {}
  environment.HOME = "/h"
  return settings.resolve(options or {}, {
    getenv = function(name)
      return environment[name]
    end,
    read_file = function(path)
      return ({ ["/h/.aws/config"] = config, ["/h/.aws/credentials"] = credentials })[path]
    end,
  })
end

local function file_message(config, options, environment)
  local resolved, err = resolve_files(config, nil, options, environment)
  assert.is_nil(resolved)
  assert.are.equal("config", err.kind)
  return err.message
end

describe("a setting of a profile", function()
  local config = "[default]\nregion = eu-west-1\nuse_fips_endpoint = TRUE\nuse_dualstack_endpoint = false\n"
    .. "ca_bundle = /ca.pem\nsdk_ua_app_id = app\nignore_configured_endpoint_urls = true\n"

  it("comes after code and environment, and before the default", function()
    local resolved = resolve_files(config)
    assert.are.equal("eu-west-1", resolved.region)
    assert.is_true(resolved.use_fips)
    assert.is_false(resolved.use_dualstack)
    assert.are.equal("/ca.pem", resolved.ca_file)
    assert.are.equal("app", resolved.app_id)
    assert.is_true(resolved.ignore_configured_endpoint_urls)
    resolved = resolve_files(config, nil, { use_fips = false }, { AWS_REGION = "us-east-1" })
    assert.is_false(resolved.use_fips)
    assert.are.equal("us-east-1", resolved.region)
  end)

  it("says the file and the line that it is from", function()
    local resolved = resolve_files(config, "[default]\n\nregion = us-east-2")
    assert.are.equal("us-east-2", resolved.region)
    assert.are.equal("file ~/.aws/credentials:3", resolved.origin.region)
    assert.are.equal("file ~/.aws/config:3", resolved.origin.use_fips)
    assert.are.equal("from file ~/.aws/config:3", settings.from(resolved.origin.use_fips))
  end)

  it("is unset when it is blank", function()
    assert.is_nil(resolve_files("[default]\nregion =\n").region)
  end)

  it("is an error with its file and line when it is wrong", function()
    assert.are.equal(
      'use_fips_endpoint="x" (~/.aws/config:2): expected true or false',
      file_message "[default]\nuse_fips_endpoint = x"
    )
    assert.are.equal(
      'region="x.evil.com/" (~/.aws/config:2): expected letters, digits and hyphens, as in eu-west-1',
      file_message "[default]\nregion = x.evil.com/"
    )
    assert.are.equal("~/.aws/config:2: Property did not have a name", file_message "[default]\n= x")
  end)
end)

describe("the profile", function()
  local config = "[default]\nregion = us-east-1\n[profile prod]\nregion = us-east-2\n[profile test]\nregion = us-west-1"

  it("is the one of the code, else of AWS_PROFILE, else the default one", function()
    local environment = { AWS_PROFILE = "test" }
    local resolved, loaded = resolve_files(config, nil, { profile = "prod" }, environment)
    assert.are.equal("us-east-2", resolved.region)
    assert.are.equal("code", resolved.origin.profile)
    assert.are.equal("us-east-2", loaded.selected.region.value)
    resolved = resolve_files(config, nil, {}, environment)
    assert.are.equal("us-west-1", resolved.region)
    assert.are.equal("env AWS_PROFILE", resolved.origin.profile)
    assert.are.equal("us-east-1", resolve_files(config).region)
    assert.are.equal("us-east-1", resolve_files(config, nil, { profile = " " }, { AWS_PROFILE = "" }).region)
  end)

  it("may be one of the credentials file alone", function()
    assert.are.equal("r-1", resolve_files(nil, "[prod]\nregion = r-1", { profile = "prod" }).region)
  end)

  it("is an error that names it and the files when there is no such one", function()
    assert.are.equal(
      'profile="prdo" (code): there is no such profile in ~/.aws/config and ~/.aws/credentials (not there); '
        .. "did you mean prod?",
      file_message(config, { profile = "prdo" })
    )
    assert.are.equal(
      'AWS_PROFILE="prod" (environment): there is no such profile in ~/.aws/config and ~/.aws/credentials (not there)',
      file_message("[default]", {}, { AWS_PROFILE = "prod" })
    )
    assert.are.equal(
      'profile="prod" (code): there is no such profile in ~/.aws/config (HOME is not set) and ~/.aws/credentials '
        .. "(HOME is not set)",
      message_of { profile = "prod" }
    )
  end)

  it("need not be there when it is the default one", function()
    assert.is_truthy(resolve_files "[profile prod]")
    assert.is_truthy(resolve_files(nil, nil, { profile = "default" }))
  end)

  it("is a string", function()
    assert.are.equal("profile=7 (code): expected a string", message_of { profile = 7 })
  end)
end)

describe("the endpoint of a profile", function()
  local config = "[default]\nservices = local\nendpoint_url = http://all\n[services local]\n"
    .. "kms =\n  endpoint_url = http://kms\ncloudhsm_v2 =\n  x = y\n  endpoint_url = http://service\n"

  it("is the service's own, in the services that the profile names, before the one for all", function()
    local resolved = resolve_files(config)
    assert.are.equal("http://service", resolved.endpoint)
    assert.are.equal("file ~/.aws/config:9", resolved.origin.endpoint)
    local others = config:gsub("cloudhsm_v2", "cloudhsmv2")
    resolved = resolve_files(others)
    assert.are.equal("http://all", resolved.endpoint)
    assert.are.equal("file ~/.aws/config:3", resolved.origin.endpoint)
  end)

  it("comes after the environment's, even after the one for all services", function()
    assert.are.equal("http://env", resolve_files(config, nil, {}, { AWS_ENDPOINT_URL = "http://env" }).endpoint)
  end)

  it("is not read when that is switched off, in whatever place", function()
    assert.is_nil(resolve_files(config, nil, { ignore_configured_endpoint_urls = true }).endpoint)
    assert.is_nil(resolve_files("[default]\nignore_configured_endpoint_urls = true\nendpoint_url = http://a").endpoint)
    local code = { ignore_configured_endpoint_urls = true, endpoint = "http://code" }
    assert.are.equal("http://code", resolve_files(config, nil, code).endpoint)
  end)

  it("is an error when the services that are named are not there", function()
    local message = 'services="local" (~/.aws/config:2): there is no such section of services in ~/.aws/config'
    assert.are.equal(message, file_message "[default]\nservices = local")
    local with_env = { AWS_ENDPOINT_URL = "http://env" }
    assert.are.equal("http://env", resolve_files("[default]\nservices = local", nil, {}, with_env).endpoint)
  end)

  it("is not shown when it has a password in it", function()
    assert.are.equal(
      "endpoint_url (~/.aws/config:2): Invalid endpoint: a user name or password cannot be part of it",
      file_message "[default]\nendpoint_url = https://user:hunter2@host"
    )
  end)
end)

describe("a pseudo region", function()
  it("is the region with FIPS, even against an explicit false", function()
    for _, name in ipairs { "fips-us-east-1", "us-east-1-fips" } do
      local resolved = resolve({ use_fips = false }, { AWS_REGION = name })
      assert.are.equal("us-east-1", resolved.region)
      assert.is_true(resolved.use_fips)
      assert.are.equal("env AWS_REGION", resolved.origin.use_fips)
      assert.are.equal(name, resolved.pseudo_region)
    end
  end)
end)

describe("the description of the settings", function()
  it("has each with its value and its origin, and those that nobody set", function()
    local described = settings.describe((resolve_files("[default]\nregion = eu-west-1", nil, { timeout = 5 })))
    assert.are.same({ value = "eu-west-1", origin = "file ~/.aws/config:2" }, described.region)
    assert.are.same({ value = 5, origin = "code" }, described.timeout)
    assert.are.same({ value = false, origin = "default" }, described.use_fips)
    assert.are.same({ value = "default", origin = "default" }, described.profile)
    assert.are.same({ origin = "not set" }, described.endpoint)
  end)

  it("has a proxy without its user and password", function()
    for given, shown in pairs {
      ["http://user:hunter2@proxy:3128"] = "http://***@proxy:3128",
      ["user:hunter2@proxy"] = "***@proxy",
      ["http://us:hunt@er2@proxy"] = "http://***@proxy",
      ["http://proxy:3128"] = "http://proxy:3128",
      [""] = "",
    } do
      assert.are.equal(shown, settings.describe((resolve { proxy = given })).proxy.value)
    end
  end)

  it("has the fields of retry one by one", function()
    local described = settings.describe((resolve_files "[default]\nretry_mode = adaptive\nmax_attempts = 5"))
    assert.are.same({ value = "adaptive", origin = "file ~/.aws/config:2" }, described["retry.mode"])
    assert.are.same({ value = 5, origin = "file ~/.aws/config:3" }, described["retry.max_attempts"])
    assert.is_nil(described.retry)
  end)
end)
