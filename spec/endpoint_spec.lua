local endpoint = require "cloudhsmv2.endpoint"

local function resolve(region, use_fips, use_dualstack)
  return endpoint.resolve { region = region, use_fips = use_fips, use_dualstack = use_dualstack }
end

local function message_of(params)
  local url, err = endpoint.resolve(params)
  assert.is_nil(url)
  assert.are.equal("config", err.kind)
  return err.message
end

describe("the address of the service", function()
  it("is made of the region and its partition", function()
    assert.are.equal("https://cloudhsmv2.eu-west-1.amazonaws.com", resolve "eu-west-1")
    assert.are.equal("https://cloudhsmv2.mx-central-1.amazonaws.com", resolve "mx-central-1")
    assert.are.equal("https://cloudhsmv2.cn-north-1.amazonaws.com.cn", resolve "cn-north-1")
    assert.are.equal("https://cloudhsmv2.us-gov-west-1.amazonaws.com", resolve "us-gov-west-1")
    assert.are.equal("https://cloudhsmv2.us-iso-east-1.c2s.ic.gov", resolve "us-iso-east-1")
    assert.are.equal("https://cloudhsmv2.us-isob-west-1.sc2s.sgov.gov", resolve "us-isob-west-1")
    assert.are.equal("https://cloudhsmv2.eu-isoe-west-1.cloud.adc-e.uk", resolve "eu-isoe-west-1")
    assert.are.equal("https://cloudhsmv2.us-isof-south-1.csp.hci.ic.gov", resolve "us-isof-south-1")
    assert.are.equal("https://cloudhsmv2.eusc-de-east-1.amazonaws.eu", resolve "eusc-de-east-1")
  end)

  it("is in the partition that lists a region whose name does not say it", function()
    assert.are.equal("https://cloudhsmv2.aws-cn-global.amazonaws.com.cn", resolve "aws-cn-global")
    assert.are.equal("https://cloudhsmv2.aws-iso-b-global.sc2s.sgov.gov", resolve "aws-iso-b-global")
  end)

  it("is in the partition of a region that is newer than this library, by its family", function()
    assert.are.equal("https://cloudhsmv2.cn-south-9.amazonaws.com.cn", resolve "cn-south-9")
    assert.are.equal("https://cloudhsmv2.eusc-fr-west-1.amazonaws.com", resolve "eusc-fr-west-1")
  end)

  it("is in the first partition when no other claims the region", function()
    assert.are.equal("https://cloudhsmv2.xx-new-1.amazonaws.com", resolve "xx-new-1")
    assert.are.equal("https://cloudhsmv2.local.amazonaws.com", resolve "local")
  end)

  it("changes with FIPS and dual stack", function()
    assert.are.equal("https://cloudhsmv2-fips.us-east-1.amazonaws.com", resolve("us-east-1", true))
    assert.are.equal("https://cloudhsmv2.us-east-1.api.aws", resolve("us-east-1", false, true))
    assert.are.equal("https://cloudhsmv2-fips.us-east-1.api.aws", resolve("us-east-1", true, true))
    assert.are.equal("https://cloudhsmv2.cn-north-1.api.amazonwebservices.com.cn", resolve("cn-north-1", false, true))
  end)

  it("is the FIPS one for a pseudo region, whose real region is signed for", function()
    assert.are.equal("https://cloudhsmv2-fips.us-east-1.amazonaws.com", resolve "fips-us-east-1")
    assert.are.equal("https://cloudhsmv2-fips.us-west-2.amazonaws.com", resolve "us-west-2-fips")
    assert.are.equal("us-east-1", endpoint.signing_region "fips-us-east-1")
    assert.are.equal("us-west-2", endpoint.signing_region "us-west-2-fips")
    assert.are.equal("eu-west-1", endpoint.signing_region "eu-west-1")
  end)

  it("begins with another prefix for another service", function()
    assert.are.equal("https://kms.eu-west-1.amazonaws.com", endpoint.resolve { region = "eu-west-1", prefix = "kms" })
  end)

  it("is the endpoint that was given, as it was given", function()
    assert.are.equal("http://127.0.0.1:8080/base", endpoint.resolve { endpoint = "http://127.0.0.1:8080/base" })
  end)

  it("cannot be an endpoint of one's own together with FIPS or dual stack", function()
    local url = "https://example.com"
    assert.are.equal(
      "Invalid Configuration: FIPS and custom endpoint are not supported",
      message_of { endpoint = url, use_fips = true, use_dualstack = true }
    )
    assert.are.equal(
      "Invalid Configuration: FIPS and custom endpoint are not supported",
      message_of { endpoint = url, region = "fips-us-east-1" }
    )
    assert.are.equal(
      "Invalid Configuration: Dualstack and custom endpoint are not supported",
      message_of { endpoint = url, use_dualstack = true }
    )
  end)

  it("needs a region", function()
    assert.are.equal("Invalid Configuration: Missing Region", message_of {})
    assert.are.equal("Invalid Configuration: Missing Region", message_of { region = "" })
  end)

  it("needs a region that is one label of a host name", function()
    local hostile =
      { "x.evil.com/", "eu_west_1", "-eu", "eu-", "12", ("a"):rep(64), "eu west", "eu\n", "a@b", "é", "fips--x" }
    for _, region in ipairs(hostile) do
      assert.is_truthy(message_of({ region = region }):find "must be letters, digits and hyphens", region)
    end
  end)

  it("says so where a partition has no FIPS or no dual stack", function()
    local partition = {
      id = "test",
      families = { "zz" },
      regions = {},
      dns_suffix = "example",
      dualstack_dns_suffix = "dual.example",
      supports_fips = false,
      supports_dualstack = false,
    }
    table.insert(endpoint.partitions, partition)
    finally(function()
      table.remove(endpoint.partitions)
    end)
    assert.are.equal("https://cloudhsmv2.zz-a-1.example", resolve "zz-a-1")
    assert.are.equal(
      "FIPS is enabled but this partition does not support FIPS",
      message_of { region = "zz-a-1", use_fips = true }
    )
    assert.are.equal(
      "DualStack is enabled but this partition does not support DualStack",
      message_of { region = "zz-a-1", use_dualstack = true }
    )
    partition.supports_fips = true
    assert.are.equal(
      "FIPS and DualStack are enabled, but this partition does not support one or both",
      message_of { region = "zz-a-1", use_fips = true, use_dualstack = true }
    )
  end)
end)

describe("an endpoint", function()
  it("is taken apart, with the defaults of its scheme", function()
    assert.are.same(
      { scheme = "https", host = "example.com", port = 443, path = "/", authority = "example.com" },
      endpoint.parse "HTTPS://Example.COM:443"
    )
    assert.are.same(
      { scheme = "http", host = "127.0.0.1", port = 8080, path = "/a/b/", authority = "127.0.0.1:8080" },
      endpoint.parse "http://127.0.0.1:8080/a/b/"
    )
    assert.are.equal("[::1]:81", endpoint.parse("http://[::1]:81").authority)
    assert.are.equal("[fd00::a]", endpoint.parse("http://[FD00::A]:80").authority)
  end)

  it("is refused, with the reason, when it is no address of a service", function()
    local reasons = {
      ["localhost:80"] = "it must begin with http:// or https://",
      ["ftp://example.com"] = "it must begin with http:// or https://",
      [""] = "it must begin with http:// or https://",
      ["https://"] = "it has no valid host",
      ["https://:80"] = "it has no valid host",
      ["https://a b"] = "a blank",
      ["https://a\r\nX: y"] = "a blank",
      ["https://exämple.com"] = "another character",
      ["https://h/?a=b"] = "a query",
      ["https://h#f"] = "a query, a fragment",
      ["https://h\\evil"] = "a backslash",
      ["https://h:0"] = "the port must be 1 to 65535",
      ["https://h:65536"] = "the port must be 1 to 65535",
      ["https://h:12x"] = "it has no valid host",
      ["https://[::1"] = "it has no valid host",
    }
    for url, reason in pairs(reasons) do
      local parsed, err = endpoint.parse(url)
      assert.is_nil(parsed, url)
      assert.are.equal("config", err.kind)
      assert.is_truthy(err.message:find("Invalid endpoint: ", 1, true), url)
      assert.is_truthy(err.message:find(reason, 1, true), url .. " -> " .. err.message)
    end
    assert.is_truthy(select(2, endpoint.parse(80)).message:find "must be a string, not a number")
  end)

  it("cannot hold a user and password, and these are not shown", function()
    for _, url in ipairs { "https://user:hunter2@example.com", "user:hunter2@example.com", "ftp://user:hunter2@h" } do
      local parsed, err = endpoint.parse(url)
      assert.is_nil(parsed)
      assert.is_nil(err.message:find "hunter2", err.message)
    end
  end)
end)

describe("the address of a service that credentials come from", function()
  it("follows the rules of each service", function()
    for _, case in ipairs {
      { "sts", "eu-west-1", {}, "https://sts.eu-west-1.amazonaws.com" },
      { "sts", "us-east-1", { use_fips = true }, "https://sts-fips.us-east-1.amazonaws.com" },
      { "sts", "us-gov-west-1", { use_fips = true }, "https://sts.us-gov-west-1.amazonaws.com" },
      { "sts", "eu-west-1", { use_dualstack = true }, "https://sts.eu-west-1.api.aws" },
      { "sts", "cn-north-1", {}, "https://sts.cn-north-1.amazonaws.com.cn" },
      { "sso", "us-east-2", { use_fips = true, use_dualstack = true }, "https://portal.sso-fips.us-east-2.api.aws" },
      { "sso", "us-gov-west-1", { use_fips = true }, "https://portal.sso.us-gov-west-1.amazonaws.com" },
      { "sso_oidc", "us-east-2", {}, "https://oidc.us-east-2.amazonaws.com" },
      { "signin", "us-east-1", { use_fips = true }, "https://us-east-1.signin.aws.amazon.com" },
      { "signin", "cn-north-1", {}, "https://cn-north-1.signin.amazonaws.cn" },
      { "signin", "us-gov-west-1", {}, "https://us-gov-west-1.signin.amazonaws-us-gov.com" },
    } do
      case[3].region = case[2]
      assert.are.equal(case[4], endpoint.of_service(case[1], case[3]))
    end
  end)

  it("is refused for what is no region", function()
    local url, err = endpoint.of_service("sts", { region = "x.evil.com/#" })
    assert.is_nil(url)
    assert.are.equal("config", err.kind)
    assert.is_truthy(err.message:find('region "x.evil.com/#"', 1, true))
  end)
end)

describe("an address without TLS", function()
  local function insecure(url, allow_http)
    return endpoint.insecure(assert(endpoint.parse(url)), allow_http)
  end

  it("is good on this machine", function()
    for _, url in ipairs {
      "http://localhost:8080",
      "http://LOCALHOST",
      "http://127.0.0.1",
      "http://127.255.0.1:1",
      "http://[::1]:80/x",
      "https://example.com",
    } do
      assert.is_nil(insecure(url))
    end
  end)

  it("is not anywhere else, nor behind a name or a number that only looks like this machine", function()
    for _, url in ipairs {
      "http://example.com",
      "http://localhost.evil.com",
      "http://127.0.0.1.evil.com",
      "http://127.1",
      "http://0127.0.0.1",
      "http://127.0.0.256",
      "http://2130706433",
      "http://0x7f.0.0.1",
      "http://[::ffff:127.0.0.1]",
      "http://0.0.0.0",
      "http://128.0.0.1",
    } do
      assert.is_truthy(insecure(url):find("which is not this machine; use https://, or allow_http = true", 1, true))
    end
  end)

  it("is good where somebody has decided so", function()
    assert.is_nil(insecure("http://emulator:8080", true))
  end)
end)
