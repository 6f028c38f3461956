local cloudhsmv2 = require "cloudhsmv2"
local fake_runtime = require "spec.helper.fake_runtime"

local SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
local KEYS = { access_key_id = "AKIDEXAMPLE", secret_access_key = SECRET }
local DATE = "Sun, 30 Aug 2015 12:36:00 GMT" -- what the fake runtime's clock shows

-- A report about a machine with this environment and this network.
local function examine(options, environment, script, how)
  local given = { region = "eu-west-1", credentials = KEYS }
  given.getenv = function(name)
    return environment and environment[name]
  end
  given.read_file = function() end
  given.runtime =
    fake_runtime.new(script or { { status = 403, headers = { date = DATE } }, { body = '{"Clusters":[]}' } })
  for name, value in pairs(options or {}) do
    given[name] = value or nil
  end
  local report = cloudhsmv2.doctor(given, how)
  assert.is_nil(tostring(report):find(SECRET, 1, true))
  return report, given.runtime
end

-- The first finding of a topic and a level.
local function finding(report, topic, level)
  for _, found in ipairs(report.findings) do
    if found.topic == topic and found.level == level then
      return found
    end
  end
  error(("there is no %s of %s in\n%s"):format(level, topic, tostring(report)), 2)
end

describe("a report of the doctor", function()
  it(
    "has versions, locale, configuration, credentials, the service, its clock and a call, where all is well",
    function()
      local report, runtime = examine()
      assert.is_true(report.ok)
      local topics = {}
      for _, found in ipairs(report.findings) do
        assert.are_not.equal("problem", found.level)
        topics[found.topic] = true
      end
      for _, topic in ipairs { "versions", "environment", "configuration", "credentials", "service", "clock", "call" } do
        assert.is_true(topics[topic], topic)
      end
      assert.is_truthy(finding(report, "versions", "ok").message:find "^cloudhsmv2 [%d.]+, Lua.* libcurl %d+%.%d+")
      assert.are.equal("*******MPLE from code", finding(report, "credentials", "ok").message)
      assert.are.equal('region = "eu-west-1" (code)', finding(report, "configuration", "ok").message)
      assert.are.equal("this machine's clock is right", finding(report, "clock", "ok").message)
      assert.are.equal("eu-west-1", report.configuration.region.value)
      assert.are.equal("GET", runtime.requests[1].method)
      assert.is_nil(fake_runtime.header(runtime.requests[1], "Authorization"))
      assert.are.equal('{"MaxResults":1}', runtime.requests[2].body)
    end
  )

  it("is a line for each finding, and for each advice", function()
    local report = examine(nil, { SSLKEYLOGFILE = "/tmp/keys" })
    assert.is_true(report.ok)
    assert.is_truthy(tostring(report):find("\nwarning  environment    SSLKEYLOGFILE is set: ", 1, true))
    assert.is_truthy(tostring(report):find("\n                        -> unset SSLKEYLOGFILE", 1, true))
  end)

  it("says where each value is from", function()
    local report = examine({ region = false }, { AWS_REGION = "eu-west-1", https_proxy = "http://u:p@proxy:1" })
    assert.is_truthy(tostring(report):find('region = "eu-west-1" (env AWS_REGION)', 1, true))
    assert.is_truthy(tostring(report):find('proxy = "http://***@proxy:1" (env https_proxy)', 1, true))
  end)

  it("names a wrong configuration, and looks no further", function()
    local report, runtime = examine { read_timeout = -1 }
    assert.is_false(report.ok)
    assert.is_truthy(finding(report, "configuration", "problem").message:find("read_timeout=-1 (code)", 1, true))
    assert.are.equal(0, #runtime.requests)
  end)

  it("looks for credentials even where no region is set", function()
    local report, runtime = examine { region = false }
    assert.is_false(report.ok)
    assert.is_truthy(finding(report, "configuration", "problem").message:find "^region: not set")
    assert.is_truthy(finding(report, "credentials", "ok"))
    assert.are.equal(0, #runtime.requests)
  end)

  it("says who was asked for credentials in vain", function()
    local report, runtime = examine { credentials = false, ec2_metadata_disabled = true }
    assert.is_truthy(finding(report, "credentials", "problem").message:find "^no credentials: looked at ")
    assert.are.equal(1, #runtime.requests) -- the service's time is known all the same
  end)

  it("has a wrong setting that only some need as a warning", function()
    local report = examine(nil, { AWS_EC2_METADATA_DISABLED = "yes" })
    assert.is_true(report.ok)
    local found = finding(report, "configuration", "warning")
    assert.are.equal('AWS_EC2_METADATA_DISABLED="yes" (environment): expected true or false', found.message)
  end)

  it("says that there is no way to the service, and what may be the reason", function()
    for kind, advice in pairs { proxy = "check the proxy", tls = "ca_file", timeout = "firewall", transport = "endpoint" } do
      local report = examine(nil, nil, {
        { failure = { kind = kind, code = "X", message = "no luck", sent = "no" } },
      })
      assert.is_false(report.ok)
      local found = finding(report, "service", "problem")
      assert.are.equal("no answer of cloudhsmv2.eu-west-1.amazonaws.com: no luck", found.message)
      assert.is_truthy(found.advice:find(advice, 1, true))
    end
  end)

  it("says by how much the clock is wrong, and whether that matters", function()
    local script = { { status = 403, headers = { date = "Sun, 30 Aug 2015 12:46:00 GMT" } }, {} }
    local found = finding(examine(nil, nil, script), "clock", "warning")
    assert.are.equal("this machine's clock is 600 s behind the service's", found.message)
    local report = examine({ disable_clock_skew_correction = true }, nil, script)
    assert.is_truthy(finding(report, "clock", "problem"))
    script[1].headers = {}
    assert.is_truthy(finding(examine(nil, nil, script), "clock", "note"))
  end)

  it("says what the service says to a call", function()
    local report = examine(nil, nil, {
      { status = 403, headers = { date = DATE } },
      { status = 400, body = '{"__type":"UnrecognizedClientException","message":"The security token is invalid."}' },
    })
    assert.is_false(report.ok)
    assert.is_truthy(finding(report, "call", "problem").message:find "UnrecognizedClientException")
  end)

  it("asks nobody where it is to stay offline", function()
    local report, runtime = examine(nil, nil, nil, { offline = true })
    assert.is_true(report.ok)
    assert.are.equal(0, #runtime.requests)
    report = examine({ credentials = false }, nil, nil, { offline = true })
    assert.is_truthy(finding(report, "credentials", "note"))
  end)

  it("warns of what is odd in the configuration, and tells the caller's own watcher, too", function()
    local told = 0
    local report = examine {
      use_fips = true,
      on_event = function()
        told = told + 1
      end,
    }
    assert.is_truthy(finding(report, "configuration", "warning").message:find "AWS lists no FIPS host")
    assert.is_true(told > 0)
  end)
end)
