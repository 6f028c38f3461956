local cloudhsmv2 = require "cloudhsmv2"
local fake_runtime = require "spec.helper.fake_runtime"

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
    assert.are.same({}, touched)
    for name in pairs(_G) do
      assert.is_true(before[name], "global " .. tostring(name))
    end
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
    assert.are.equal('region: not set; give region = "eu-west-1", or set AWS_REGION', err.message)
    err = error_of({ region = false }, { AWS_PROFILE = "prod" })
    assert.is_truthy(err.message:find "AWS_PROFILE is set, but this version does not read profiles")
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
