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
      connect_timeout = 3.1,
      read_timeout = 60,
      use_fips = false,
      use_dualstack = false,
      ignore_configured_endpoint_urls = false,
      retry = { mode = "standard", max_attempts = 3 },
      retry_ambiguous = false,
      disable_clock_skew_correction = false,
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
      'use_fips: must be true or false, not "1" (from env AWS_USE_FIPS_ENDPOINT)',
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
      "endpoint: Invalid endpoint: localhost:80 (it must begin with http:// or https://) (from env AWS_ENDPOINT_URL)",
      message_of({}, { AWS_ENDPOINT_URL = "localhost:80" })
    )
  end)
end)

describe("a wrong setting", function()
  it("is an error that names it, its value and its origin", function()
    assert.are.equal(
      'region: must be letters, digits and hyphens, as in eu-west-1, not "x.evil.com/" (from env AWS_REGION)',
      message_of({}, { AWS_REGION = "x.evil.com/" })
    )
    assert.are.equal("region: must be a string, not a number (from code)", message_of { region = 7 })
    assert.are.equal("use_fips: must be true or false, not 1 (from code)", message_of { use_fips = 1 })
    assert.are.equal('use_fips: must be true or false, not "true" (from code)', message_of { use_fips = "true" })
  end)

  it("is a time that is not above zero, or no number, or without end", function()
    for _, value in ipairs { 0, -1, 0 / 0, math.huge, "5", true } do
      for _, name in ipairs { "timeout", "connect_timeout", "read_timeout" } do
        assert.is_truthy(message_of({ [name] = value }):find(name .. ": must be a number of seconds above 0", 1, true))
      end
    end
    assert.are.equal(0.25, resolve({ timeout = 0.25 }).timeout)
  end)

  it("is a size that is no whole number of bytes", function()
    for _, value in ipairs { 0, 1.5, 0 / 0, math.huge, 2 ^ 31, "1" } do
      assert.is_truthy(message_of({ max_body = value }):find "max_body: must be a whole number of bytes")
    end
    assert.are.equal(1048576, resolve({ max_header = 1048576 }).max_header)
  end)

  it("is not shown when it may hold a password", function()
    local message = message_of { proxy = "http://user:hunter2@proxy\n" }
    assert.are.equal("proxy: has a control character in it (from code)", message)
  end)

  it("is a name of an application that is too long", function()
    assert.is_truthy(message_of({ app_id = ("x"):rep(51) }):find "at most 50 characters")
    assert.is_truthy(resolve { app_id = ("x"):rep(50) })
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
    assert.is_nil(resolved.warnings)
  end)

  it("reads legacy as standard, and warns", function()
    local resolved = resolve({}, { AWS_RETRY_MODE = "legacy" })
    assert.are.same({ mode = "standard", max_attempts = 3 }, resolved.retry)
    assert.are.equal("LegacyRetryMode", resolved.warnings[1].code)
    assert.is_truthy(resolved.warnings[1].message:find("from env AWS_RETRY_MODE", 1, true))
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
    assert.is_truthy(message_of({ retry_ambiguous = "yes" }):find "must be true or false")
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

  it("are refused with the reason when this version does not have them", function()
    assert.is_truthy(option_message({ profile = "prod" }):find "^profile: profiles .* are not read by this version")
  end)

  it("are refused when they are of the wrong type", function()
    for _, name in ipairs { "credentials", "runtime", "on_event", "model", "getenv", "random" } do
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
    assert.is_true(settings.check_call { max_attempts = 5 })
    assert.is_true(settings.check_call {})
  end)

  it("are refused when unknown or wrong", function()
    assert.are.equal('unknown option "timout" of a call; did you mean timeout?', message { timout = 1 })
    assert.are.equal("timeout: must be a number of seconds above 0, not -1", message { timeout = -1 })
    for _, value in ipairs { 0, 1.5, -1, 0 / 0, math.huge, "3" } do
      assert.are.equal("max_attempts: expected a whole number of at least 1", message { max_attempts = value })
    end
  end)
end)
