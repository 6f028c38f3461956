local cloudhsmv2 = require "cloudhsmv2"
local fake_runtime = require "spec.helper.fake_runtime"
local script = require "spec.helper.script"

local TRANSPORT = rawget(_G, "ngx") and "cloudhsmv2.runtime.nginx" or "cloudhsmv2.runtime.curl" -- what serves here

local KEYS = { access_key_id = "AKIDEXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" }

local function options_of(fields, environment)
  local options = {
    region = "eu-west-1",
    credentials = KEYS,
    runtime = fake_runtime.new(),
    getenv = function(name)
      return environment and environment[name]
    end,
  }
  for name, value in pairs(fields or {}) do
    options[name] = value or nil
  end
  return options
end

local function new(fields, environment)
  return cloudhsmv2.new(options_of(fields, environment))
end

local function error_of(fields, environment)
  local client, err = new(fields, environment)
  assert.is_nil(client)
  return err
end

-- The names of this library's modules that are loaded, but for the C core, which stays.
local function loaded_modules()
  local names = {}
  for name in pairs(package.loaded) do
    if name:find "^cloudhsmv2" and not name:find "%.core$" then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

describe("requiring the module", function()
  it("sets no global, reads no environment, opens no file and loads no transport", function()
    local touched, before, loaded = {}, {}, {}
    for name in pairs(_G) do
      before[name] = true
    end
    for name, module in pairs(package.loaded) do
      if name:find "^cloudhsmv2" and not name:find "%.core$" then
        loaded[name] = module
        package.loaded[name] = nil
      end
    end
    local getenv, open = os.getenv, io.open
    os.getenv = function(name) -- luacheck: ignore 122
      touched[#touched + 1] = name
      return getenv(name)
    end
    io.open = function(path, mode) -- luacheck: ignore 122
      touched[#touched + 1] = path
      return open(path, mode)
    end
    finally(function()
      os.getenv, io.open = getenv, open -- luacheck: ignore 122
      for name in pairs(package.loaded) do
        if name:find "^cloudhsmv2" and not name:find "%.core$" then
          package.loaded[name] = loaded[name]
        end
      end
    end)

    require "cloudhsmv2"
    assert.is_nil(package.loaded[TRANSPORT])
    if not rawget(_G, "ngx") then -- whose workers share what is loaded before they are made
      assert.are.same({ "cloudhsmv2", "cloudhsmv2.errors", "cloudhsmv2.lazy", "cloudhsmv2.version" }, loaded_modules())
    end
    assert.are.same({}, touched)
    for name in pairs(_G) do
      assert.is_true(before[name], "global " .. tostring(name))
    end
  end)

  it(
    "leaves the core and all that a client needs to the first client, and what that does not need to who does",
    function()
      assert.are.equal("nil nil\ntable table nil nil nil nil nil\n", (script.run [[
        local cloudhsmv2 = require "cloudhsmv2"
        local function kinds(...)
          local found = { ... }
          for i, name in ipairs(found) do
            found[i] = type(package.loaded["cloudhsmv2." .. name])
          end
          print(table.concat(found, " "))
        end
        kinds("core", "client")
        assert(cloudhsmv2.new {
          region = "eu-west-1",
          credentials = { access_key_id = "AKIDEXAMPLE", secret_access_key = "secret" },
          getenv = function() end,
        })
        kinds("core", "client", "parallel", "hints", "config.profile_file", "credentials.exchange", "credentials.profile")
      ]]))
    end
  )

  it("gives what runs several things at once", function()
    assert.are.equal(require("cloudhsmv2.parallel").run, cloudhsmv2.parallel)
    assert.is_nil(cloudhsmv2.paralel)
  end)

  it("gives the version and the errors", function()
    assert.is_string(cloudhsmv2.version)
    assert.is_false(cloudhsmv2.errors.is {})
  end)
end)

describe("a new client", function()
  it("opens and loads no transport before its first call", function()
    local loaded = package.loaded[TRANSPORT]
    package.loaded[TRANSPORT] = nil
    finally(function()
      package.loaded[TRANSPORT] = loaded
    end)
    local client = assert(new { runtime = false })
    assert.is_number(client.runtime.now())
    assert.is_nil(package.loaded[TRANSPORT])
    client:close()
    assert.is_nil(package.loaded[TRANSPORT])
  end)

  it("makes its transport of the settings, once, and closes it", function()
    local loaded = package.loaded[TRANSPORT]
    local made, runtime = {}, fake_runtime.new()
    package.loaded[TRANSPORT] = {
      new = function(options)
        made[#made + 1] = options
        return runtime
      end,
    }
    finally(function()
      package.loaded[TRANSPORT] = loaded
    end)
    local client = assert(
      new { runtime = false, ca_file = "/ca.pem", proxy = "http://user:hunter2@p", max_body = 5, max_header = 6 }
    )
    assert(client:describe_clusters())
    assert(client:describe_clusters())
    assert.are.same({ { ca_file = "/ca.pem", proxy = "http://user:hunter2@p", max_body = 5, max_header = 6 } }, made)
    client:close()
    assert.are.equal(1, runtime.closed)
  end)

  it("reports what its transport refuses as the error of the call", function()
    local loaded = package.loaded[TRANSPORT]
    package.loaded[TRANSPORT] = {
      new = function()
        return nil, cloudhsmv2.errors.new { kind = "config", code = "BadCaFile", message = "ca_file: is empty" }
      end,
    }
    finally(function()
      package.loaded[TRANSPORT] = loaded
    end)
    local _, err = assert(new { runtime = false }):create_hsm { ClusterId = "c", AvailabilityZone = "a" }
    assert.are.equal("config", err.kind)
    assert.are.equal("no", err.sent)
    assert.are.equal("ca_file: is empty", err.message)
  end)

  it("needs a region, also with an endpoint of one's own: it is signed for", function()
    local err = error_of { region = false, endpoint = "http://127.0.0.1:1" }
    assert.are.equal("config", err.kind)
    assert.are.equal("NoRegion", err.code)
    assert.are.equal(
      'region: not set; give region = "eu-west-1", or set AWS_REGION, or region in profile "default" of ~/.aws/config',
      err.message
    )
  end)

  it("takes its region from the environment", function()
    assert.are.equal("us-east-1", new({ region = false }, { AWS_REGION = "us-east-1" }).region)
  end)

  it("says where settings are from that do not go together", function()
    local err = error_of({ use_fips = true }, { AWS_ENDPOINT_URL = "http://127.0.0.1:1" })
    assert.are.equal(
      "Invalid Configuration: FIPS and custom endpoint are not supported "
        .. "(region from code, endpoint from env AWS_ENDPOINT_URL, use_fips from code)",
      err.message
    )
  end)

  it("is refused with options that it has not, or keys that are none", function()
    assert.are.equal("config", error_of({ regoin = "x" }).kind)
    assert.are.equal("config", error_of({ timeout = -1 }).kind)
    assert.are.equal("credentials", error_of({ credentials = { access_key_id = "x" } }).kind)
    assert.are.equal("config", error_of({ model = { 1 } }).kind)
    assert.are.equal("config", error_of({ getenv = "x" }).kind)
  end)

  it("raises, at the caller, when the options are no table", function()
    local ok, message = pcall(function()
      cloudhsmv2.new "eu-west-1"
    end)
    assert.is_false(ok)
    assert.is_truthy(message:find "init_spec.lua:%d+: new: the options must be a table, not a string")
  end)

  it("has no options at all if the environment has them", function()
    local real = os.getenv
    os.getenv = function(name) -- luacheck: ignore 122
      return name == "AWS_REGION" and "eu-west-1" or nil
    end
    finally(function()
      os.getenv = real -- luacheck: ignore 122
    end)
    local client = assert(cloudhsmv2.new())
    assert.are.equal("eu-west-1", client.region)
  end)
end)

local SECRET, TOKEN = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "hunter2token"

-- A client of the two files alone, and what it needs to look at them.
describe("an endpoint without TLS", function()
  it("is refused on another machine, with what to do, and where it is from", function()
    local options = { region = "eu-west-1", credentials = KEYS, runtime = fake_runtime.new() }
    options.getenv = function(name)
      return name == "AWS_ENDPOINT_URL" and "http://emulator:8080" or nil
    end
    local client, err = cloudhsmv2.new(options)
    assert.is_nil(client)
    assert.are.same({ "config", "InsecureEndpoint" }, { err.kind, err.code })
    assert.are.equal(
      "endpoint (from env AWS_ENDPOINT_URL): http:// would send requests unencrypted to emulator, which is not this machine; "
        .. "use https://, or allow_http = true where the way there is safe",
      err.message
    )
    assert.are.equal(0, #options.runtime.requests)
  end)

  it("is taken where code or the environment allows it", function()
    local options = { region = "eu-west-1", credentials = KEYS, endpoint = "http://emulator:8080" }
    options.runtime, options.allow_http, options.getenv = fake_runtime.new(), true, function() end
    assert(assert(cloudhsmv2.new(options)):describe_clusters())
    assert.are.equal("http://emulator:8080/", options.runtime.requests[1].url)
    options.allow_http = nil
    options.getenv = function(name)
      return name == "CLOUDHSMV2_ALLOW_HTTP" and "true" or nil
    end
    assert(cloudhsmv2.new(options))
  end)
end)

local function new_of_files(config, credentials, fields, environment)
  environment = environment or {}
  environment.HOME = "/h"
  local reads = {}
  local given = {
    region = false,
    credentials = false,
    read_file = function(path)
      reads[#reads + 1] = path
      return ({ ["/h/.aws/config"] = config, ["/h/.aws/credentials"] = credentials })[path]
    end,
  }
  for name, value in pairs(fields or {}) do
    given[name] = value
  end
  local client, err = new(given, environment)
  return client, err, reads
end

local PROFILE = "[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = "
  .. SECRET
  .. "\naws_session_token = "
  .. TOKEN
  .. "\n"

describe("a client of the shared files", function()
  it("works with nothing but a profile", function()
    local client, err, reads = new_of_files("[default]\nregion = eu-west-1", PROFILE)
    assert(client, tostring(err))
    assert(client:describe_clusters())
    assert(client:describe_clusters())
    local authorization = fake_runtime.header(client.runtime.requests[1], "Authorization")
    assert.is_truthy(authorization:find "Credential=AKIDEXAMPLE/%d+/eu%-west%-1/cloudhsm/")
    assert.are.equal(TOKEN, fake_runtime.header(client.runtime.requests[1], "X-Amz-Security-Token"))
    assert.is_truthy(fake_runtime.header(client.runtime.requests[1], "User-Agent"):find " m/E,n ")
    table.sort(reads)
    assert.are.same({ "/h/.aws/config", "/h/.aws/credentials" }, reads)
  end)

  it("goes where the profile's services say", function()
    local client = assert(
      new_of_files(
        "[default]\nregion = eu-west-1\nservices = s\n[services s]\ncloudhsm_v2 =\n endpoint_url = http://127.0.0.1:1/base",
        PROFILE
      )
    )
    assert(client:describe_clusters())
    assert.are.equal("http://127.0.0.1:1/base/", client.runtime.requests[1].url)
  end)

  it("says which file asks for what does not go with the endpoint, and sends nothing", function()
    local client, err = new_of_files("[default]\nregion = r-1\nuse_fips_endpoint = true", PROFILE, {
      endpoint = "http://127.0.0.1:1",
    })
    assert.is_nil(client)
    assert.are.equal(
      "Invalid Configuration: FIPS and custom endpoint are not supported "
        .. "(region from file ~/.aws/config:2, endpoint from code, use_fips from file ~/.aws/config:3)",
      err.message
    )
  end)

  it("fails the call, not the client, when the profile's keys are not complete", function()
    local half = "[default]\naws_secret_access_key = " .. SECRET
    local client = assert(new_of_files(nil, half, { region = "eu-west-1" }))
    local out, err = client:describe_clusters()
    assert.is_nil(out)
    assert.are.equal("credentials", err.kind)
    assert.are.equal(0, #client.runtime.requests)
    assert(assert(new_of_files(nil, half, { region = "eu-west-1", credentials = KEYS })):describe_clusters())
  end)

  it("is refused when a file is broken, whatever the code gives", function()
    local client, err = new_of_files("hunter2", nil, { region = "eu-west-1", credentials = KEYS })
    assert.is_nil(client)
    assert.are.equal("~/.aws/config:1: Expected a profile definition", err.message)
  end)
end)

describe("a client's description of its configuration", function()
  it("tells every setting, where it is from, and no secret", function()
    local client = assert(new_of_files("[default]\nregion = eu-west-1", PROFILE))
    local described = client:describe_configuration()
    assert.are.same({ value = "eu-west-1", origin = "file ~/.aws/config:2" }, described.region)
    assert.are.same({ value = "*******MPLE", origin = "file ~/.aws/credentials:2" }, described.credentials)
    assert.are.same({ value = 3.1, origin = "default" }, described.connect_timeout)
    client:close()
    assert.are.same({ origin = "the client is closed" }, client:describe_configuration().credentials)
  end)

  it("has the proxy without its password, wherever else that is", function()
    local client = assert(new { runtime = false, proxy = "http://user:hunter2@p:1" })
    assert.are.same({ value = "http://***@p:1", origin = "code" }, client:describe_configuration().proxy)
    client:close()
  end)

  it("is called with a colon", function()
    local client = assert(new())
    assert.has_error(function()
      client.describe_configuration()
    end)
  end)

  it("is not the only thing without secrets: nothing that a client holds as a string is one", function()
    local client = assert(new_of_files("[default]\nregion = eu-west-1", PROFILE))
    client.runtime = nil
    local seen = {}
    local function search(value)
      if type(value) == "string" then
        assert.is_nil(value:find(SECRET, 1, true) or value:find(TOKEN, 1, true))
      elseif type(value) == "table" and not seen[value] then
        seen[value] = true
        for key, item in pairs(value) do
          search(key)
          search(item)
        end
      end
    end
    search(client)
    search(client:describe_configuration())
    search(tostring(client))
  end)
end)

describe("a warning", function()
  local function warnings_of(config, fields, environment)
    local events = {}
    fields = fields or {}
    fields.region = fields.region or "eu-west-1"
    fields.on_event = function(event)
      events[#events + 1] = event
      error "who watches cannot break it"
    end
    local client, err = new_of_files(config, PROFILE, fields, environment)
    assert(client, tostring(err))
    return events, client
  end

  it("is an event, once a client", function()
    local events, client = warnings_of "[plugins]\nx = y"
    local warning = {
      type = "warning",
      code = "ProfileFileIgnored",
      message = "~/.aws/config:1: the section is ignored: in this file a profile is written [profile NAME]",
    }
    assert.are.same({ warning }, events)
    assert(client:describe_clusters())
    assert(client:describe_clusters())
    local count = 0
    for _, event in ipairs(events) do
      count = count + (event.type == "warning" and 1 or 0)
    end
    assert.are.equal(1, count)
  end)

  it("is there for FIPS without dual stack, and says where AWS lists FIPS hosts", function()
    local events = warnings_of(nil, { use_fips = true, region = "us-east-1" })
    assert.are.equal("FipsHostNotListed", events[1].code)
    assert.are.equal(
      "use_fips (from code): AWS lists no FIPS host of this service without dual stack in us-east-1; "
        .. "set use_dualstack = true as well, or AWS_USE_DUALSTACK_ENDPOINT=true",
      events[1].message
    )
    events = warnings_of(nil, { use_fips = true, region = "eu-west-1" })
    assert.is_truthy(events[1].message:find "with dual stack it lists them in ca%-central%-1, us%-east%-1, ")
    assert.are.same({}, (warnings_of(nil, { use_fips = true, use_dualstack = true, region = "us-east-1" })))
    assert.are.same({}, (warnings_of(nil, { use_dualstack = true })))
  end)

  it("is there for a pseudo region", function()
    local events, client = warnings_of(nil, { region = "fips-us-east-1", use_dualstack = true })
    assert.are.equal("PseudoRegion", events[1].code)
    assert.are.equal("fips-us-east-1 (from code) means us-east-1 with use_fips", events[1].message)
    assert(client:describe_clusters())
    assert.are.equal("https://cloudhsmv2-fips.us-east-1.api.aws/", client.runtime.requests[1].url)
  end)

  it("is there for a file that the environment names and nobody has", function()
    local events = warnings_of(nil, {}, { AWS_CONFIG_FILE = "/no/such" })
    assert.are.equal("MissingFile", events[1].code)
  end)
end)
