local machine = require "spec.helper.machine"
local moment = require "cloudhsmv2.moment"
local sigv4 = require "cloudhsmv2.sigv4"
local sts = require "cloudhsmv2.credentials.sts"

local ID, SECRET, TOKEN = machine.ID, machine.SECRET, machine.TOKEN
local ROLE = "arn:aws:iam::123456789012:role/path/r"

local KEYS = { access_key_id = "AKIDBASE", secret_access_key = SECRET, session_token = "base/token" }

local function role(fields)
  local made = { role_arn = ROLE, place = "a test", role_session_name = "me@host" }
  for name, value in pairs(fields or {}) do
    made[name] = value
  end
  return made
end

-- Assumes a role on a machine. Returns the set, or nil and the error.
local function assume(here, fields, client, deadline)
  return sts.assume_role(here:context(client), role(fields), {
    credentials = assert(sigv4.credentials(KEYS)),
    features = "n,i",
    origin = "a test",
  }, deadline)
end

local function assume_with_token(here, fields, deadline)
  return sts.assume_role_with_web_identity(here:context(), role(fields), {
    features = "q,k",
    origin = "a test",
  }, deadline)
end

-- A machine whose STS answers with one text.
local function answering(body, status, headers)
  return machine.new { answer = { body = body or machine.sts_xml(), status = status, headers = headers } }
end

-- A machine whose STS answers with each in turn.
local function answering_in_turn(...)
  return machine.new { answer = { ... } }
end

local GOOD = { body = machine.sts_xml() }

describe("a request for a role", function()
  it("is a form, in the order of the reference, with every value encoded", function()
    local here = answering()
    assert(assume(here, {
      external_id = "a b/ü&=+~",
      duration = 900,
      mfa_serial = "arn:aws:iam::1:mfa/u",
      token_code = "123456",
    }))
    local request = here.requests[1]
    assert.are.equal("POST", request.method)
    assert.are.equal("https://sts.eu-west-1.amazonaws.com/", request.url)
    assert.are.equal("application/x-www-form-urlencoded; charset=utf-8", machine.header(request, "Content-Type"))
    assert.are.equal(
      "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fpath%2Fr"
        .. "&RoleSessionName=me%40host&DurationSeconds=900&ExternalId=a%20b%2F%C3%BC%26%3D%2B~"
        .. "&SerialNumber=arn%3Aaws%3Aiam%3A%3A1%3Amfa%2Fu&TokenCode=123456",
      request.body
    )
  end)

  it("has nothing that the profile does not say", function()
    local here = answering()
    assert(assume(here, { mfa_serial = "arn:aws:iam::1:mfa/u" })) -- whose code nobody asked for
    assert.are.equal(
      "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fpath%2Fr"
        .. "&RoleSessionName=me%40host",
      here.requests[1].body
    )
  end)

  it("is signed for STS and the region of the client, with the credentials before, token and all", function()
    local here = answering()
    assert(assume(here))
    local request = here.requests[1]
    local expected = assert(sigv4.sign {
      method = "POST",
      path = "/",
      headers = {
        { "Host", "sts.eu-west-1.amazonaws.com" },
        { "Content-Type", "application/x-www-form-urlencoded; charset=utf-8" },
      },
      body = request.body,
      region = "eu-west-1",
      service = "sts",
      time = here.wall,
      credentials = KEYS,
    })
    assert.are.equal(expected.authorization, machine.header(request, "Authorization"))
    assert.are.equal("20260101T000000Z", machine.header(request, "X-Amz-Date"))
    assert.are.equal("base/token", machine.header(request, "X-Amz-Security-Token"))
    assert.is_nil(machine.header(request, "Host"))
  end)

  it("says who sends it, and which attempt it is", function()
    local here = answering_in_turn({ status = 503 }, GOOD)
    assert(assume(here))
    local first, second = here.requests[1], here.requests[2]
    assert.is_truthy(machine.header(first, "User-Agent"):find(" m/E,n,i ", 1, true))
    assert.is_truthy(machine.header(first, "amz-sdk-invocation-id"):find "^%x+%-%x+%-4%x+%-%x+%-%x+$")
    assert.are.equal(machine.header(first, "amz-sdk-invocation-id"), machine.header(second, "amz-sdk-invocation-id"))
    assert.are.equal("attempt=1; max=3", machine.header(first, "amz-sdk-request"))
    assert.are.equal("ttl=20260101T000100Z; attempt=2; max=3", machine.header(second, "amz-sdk-request"))
  end)

  it("names the session by the time where the profile does not", function()
    local here = answering()
    here.wall = 1767225600.25
    local context = here:context()
    assert(sts.assume_role(context, { role_arn = ROLE, place = "a test" }, {
      credentials = assert(sigv4.credentials(KEYS)),
      features = "i",
      origin = "a test",
    }))
    assert.are.equal("cloudhsmv2-lua-1767225600250", here.requests[1].body:match "RoleSessionName=([^&]*)")
  end)

  it("is not sent with a name that STS does not take", function()
    for _, name in ipairs { "a", ("a"):rep(65), "a b", "a/b", "a:b", "\195\188ber", "a\n" } do
      local here = answering()
      local found, err = assume(here, { role_session_name = name })
      assert.is_nil(found)
      assert.are.equal("InvalidProfile", err.code)
      assert.is_truthy(err.message:find("2 to 64 characters", 1, true))
      assert.are.equal(0, #here.requests)
    end
    for _, name in ipairs { "ab", ("a"):rep(64), "A_b+c=d,e.f@g-h" } do
      assert(assume(answering(), { role_session_name = name }))
    end
  end)
end)

describe("a request with the token of another identity provider", function()
  it("is a form with the token, and is not signed", function()
    local here = answering(machine.sts_xml "AssumeRoleWithWebIdentity")
    assert(assume_with_token(here, { token = "eyJh.b/c+d=.e" }))
    local request = here.requests[1]
    assert.are.equal(
      "Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
        .. "&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fpath%2Fr&RoleSessionName=me%40host"
        .. "&WebIdentityToken=eyJh.b%2Fc%2Bd%3D.e",
      request.body
    )
    for _, name in ipairs { "Authorization", "X-Amz-Date", "X-Amz-Security-Token" } do
      assert.is_nil(machine.header(request, name))
    end
  end)
end)

describe("the address of STS", function()
  local function address(options)
    local here = machine.with(options.config or "", { answer = GOOD, env = options.env or {} })
    local found, err = assume(here, nil, options.client)
    assert.are.equal(found and 1 or 0, #here.requests)
    return found and here.requests[1].url, err, here.requests[1]
  end

  it("is that of the region, never the global one", function()
    local addresses = {
      ["us-east-1"] = "https://sts.us-east-1.amazonaws.com/",
      ["cn-north-1"] = "https://sts.cn-north-1.amazonaws.com.cn/",
      ["us-gov-west-1"] = "https://sts.us-gov-west-1.amazonaws.com/",
    }
    for region, url in pairs(addresses) do
      assert.are.equal(url, (address { client = { region = region } }))
      assert.are.equal(url, (address { client = { region = region }, env = { AWS_STS_REGIONAL_ENDPOINTS = "legacy" } }))
    end
    assert.are.equal(
      "https://sts.ap-south-1.amazonaws.com/",
      (address { config = "[default]\nregion = ap-south-1", client = { region = false } })
    )
  end)

  it("has FIPS and dual stack, and GovCloud's own name for the first", function()
    local cases = {
      { "us-east-1", true, false, "https://sts-fips.us-east-1.amazonaws.com/" },
      { "us-east-1", false, true, "https://sts.us-east-1.api.aws/" },
      { "us-east-1", true, true, "https://sts-fips.us-east-1.api.aws/" },
      { "us-gov-east-1", true, false, "https://sts.us-gov-east-1.amazonaws.com/" },
      { "us-gov-east-1", true, true, "https://sts.us-gov-east-1.api.aws/" },
      { "fips-us-east-1", false, false, "https://sts-fips.us-east-1.amazonaws.com/" },
    }
    for _, case in ipairs(cases) do
      local url, _, request = address { client = { region = case[1], use_fips = case[2], use_dualstack = case[3] } }
      assert.are.equal(case[4], url)
      assert.is_nil(machine.header(request, "Authorization"):find("fips", 1, true))
    end
  end)

  it("may be configured: for STS, else for all services, in the environment before the files", function()
    local services = "[default]\nservices = mine\nendpoint_url = https://profile.example\n"
      .. "[services mine]\nsts =\n  endpoint_url = https://section.example/base/\n"
    local cases = {
      { { AWS_ENDPOINT_URL_STS = "https://sts.example" }, services, "https://sts.example/" },
      { { AWS_ENDPOINT_URL = "https://all.example:8443/x" }, services, "https://all.example:8443/x/" },
      {
        { AWS_ENDPOINT_URL = "https://all.example", AWS_ENDPOINT_URL_STS = "https://sts.example" },
        "",
        "https://sts.example/",
      },
      { {}, services, "https://section.example/base/" },
      { {}, "[default]\nendpoint_url = https://profile.example\n", "https://profile.example/" },
      {
        { AWS_ENDPOINT_URL_STS = "https://sts.example", AWS_IGNORE_CONFIGURED_ENDPOINT_URLS = "true" },
        services,
        "https://sts.eu-west-1.amazonaws.com/",
      },
      { { AWS_ENDPOINT_URL_SSO = "https://sso.example" }, "", "https://sts.eu-west-1.amazonaws.com/" },
    }
    for _, case in ipairs(cases) do
      assert.are.equal(case[3], (address { env = case[1], config = case[2] }))
    end
  end)

  it("is not the one that is given in code, which is CloudHSM's", function()
    assert.are.equal(
      "https://sts.eu-west-1.amazonaws.com/",
      (address { client = { endpoint = "https://hsm.example" } })
    )
  end)

  it("is signed as it is sent, port and path and all", function()
    local _, _, request = address { env = { AWS_ENDPOINT_URL_STS = "https://sts.example:8443/base" } }
    local expected = assert(sigv4.sign {
      method = "POST",
      path = "/base/",
      headers = {
        { "Host", "sts.example:8443" },
        { "Content-Type", "application/x-www-form-urlencoded; charset=utf-8" },
      },
      body = request.body,
      region = "eu-west-1",
      service = "sts",
      time = machine.START,
      credentials = KEYS,
    })
    assert.are.equal(expected.authorization, machine.header(request, "Authorization"))
  end)

  it("is refused when everybody on the way could read what is sent there", function()
    local url, err = address { env = { AWS_ENDPOINT_URL_STS = "http://sts.example" } }
    assert.is_nil(url or nil)
    assert.is_truthy(err.message:find("http:// would send requests unencrypted to sts.example", 1, true))
    assert.is_truthy(err.message:find("(env AWS_ENDPOINT_URL_STS)", 1, true))
    assert.are.equal("http://127.0.0.1:4566/", (address { env = { AWS_ENDPOINT_URL_STS = "http://127.0.0.1:4566" } }))
    assert.are.equal(
      "http://sts.example/",
      (address { env = { AWS_ENDPOINT_URL_STS = "http://sts.example" }, client = { allow_http = true } })
    )
  end)

  it("is refused when it is none, with the variable's name", function()
    local url, err = address { env = { AWS_ENDPOINT_URL_STS = "sts.example" } }
    assert.is_nil(url or nil)
    assert.is_truthy(tostring(err):find("AWS_ENDPOINT_URL_STS", 1, true))
  end)
end)

describe("an answer of STS", function()
  it("becomes a set, with the end of the keys and the account of the role", function()
    local found = assert(assume(answering()))
    assert.are.equal(
      machine.signature_of { access_key_id = ID, secret_access_key = SECRET, session_token = TOKEN },
      machine.signature_of(found.credentials)
    )
    assert.are.equal(machine.START + 3600, found.expiration)
    assert.are.equal("123456789012", found.account_id)
    assert.are.equal("n,i", found.features)
    assert.are.equal("a test", found.origin)
    assert.is_nil(found.asks)
    assert.is_nil(found.lasting)
  end)

  it("of a code that a person gave is nothing to ask for in advance", function()
    assert.is_true(assume(answering(), { mfa_serial = "m", token_code = "123456" }).asks)
  end)

  it("may have entities, CDATA, comments, prefixes and other elements", function()
    local body = [=[<?xml version="1.0"?>
      <!-- c --><s:AssumeRoleResponse xmlns:s="https://sts.amazonaws.com/doc/2011-06-15/"><s:AssumeRoleResult>
      <s:SourceIdentity/><s:PackedPolicySize>6</s:PackedPolicySize><s:Credentials><s:New>1</s:New>
      <s:SecretAccessKey>wJalrXUtnFEMI&#x2F;K7MDENG&#43;bPxRfiCY<!-- c -->EXAMPLEKEY</s:SecretAccessKey>
      <s:SessionToken><![CDATA[<&>]]>&lt;&amp;&gt;</s:SessionToken>
      <s:AccessKeyId>AKIDEXAMPLE</s:AccessKeyId><s:Expiration>2026-01-01T01:00:00Z</s:Expiration>
      </s:Credentials></s:AssumeRoleResult></s:AssumeRoleResponse>]=]
    local found = assert(assume(answering(body)))
    assert.are.equal(
      machine.signature_of { access_key_id = ID, secret_access_key = SECRET, session_token = "<&><&>" },
      machine.signature_of(found.credentials)
    )
    assert.is_nil(found.account_id)
  end)

  it("may be JSON, whose end is in seconds or as a text", function()
    for _, expiration in ipairs { "1767229200", "1767229200.0", '"2026-01-01T01:00:00Z"' } do
      local body = ([[
        {"AssumeRoleResponse":{"AssumeRoleResult":{"AssumedRoleUser":{"Arn":"arn:aws:sts::123456789012:assumed-role/r/me",
        "AssumedRoleId":"x"},"Credentials":{"AccessKeyId":"%s","SecretAccessKey":"%s","SessionToken":"%s","Expiration":%s},
        "PackedPolicySize":null,"SourceIdentity":null},"ResponseMetadata":{"RequestId":"r"}}}]]):format(
        ID,
        SECRET,
        TOKEN,
        expiration
      )
      local found = assert(assume(answering(body)))
      assert.are.equal(
        machine.signature_of { access_key_id = ID, secret_access_key = SECRET, session_token = TOKEN },
        machine.signature_of(found.credentials)
      )
      assert.are.equal(machine.START + 3600, found.expiration)
      assert.are.equal("123456789012", found.account_id)
    end
  end)

  it("has the account in the fifth field of the ARN, in every partition", function()
    for arn, account in pairs {
      ["arn:aws-us-gov:sts::123456789012:assumed-role/r/me"] = "123456789012",
      ["arn:aws-cn:sts::210987654321:assumed-role/r/m:e"] = "210987654321",
      ["arn:aws:sts:::assumed-role"] = false,
      ["nonsense"] = false,
    } do
      local body = machine.sts_xml():gsub("arn:aws:sts::123456789012:assumed%-role/r/name", (arn:gsub("%%", "%%%%")))
      assert.are.equal(account or nil, assert(assume(answering(body))).account_id)
    end
  end)

  local nothing = "the answer has no credentials: is a proxy or a login page in the way?"
  local endless = "the answer does not say when the credentials expire"
  local broken = {
    ["nothing"] = { "", nothing },
    ["a page"] = { "<html><body>sign in<br></body></html>", nothing },
    ["a well-formed page"] = { "<html><body>sign in</body></html>", nothing },
    ["a text"] = { "OK", nothing },
    ["a list"] = { "[]", nothing },
    ["JSON that is cut off"] = { '{"AssumeRoleResponse":{', nothing },
    ["empty JSON"] = { "{}", nothing },
    ["JSON of other types"] = { '{"AssumeRoleResponse":{"AssumeRoleResult":{"Credentials":"keys"}}}', nothing },
    ["null"] = { '{"AssumeRoleResponse":{"AssumeRoleResult":null}}', nothing },
    ["the answer of another action"] = { machine.sts_xml "AssumeRoleWithSAML", nothing },
    ["XML that is cut off"] = { machine.sts_xml():sub(1, 500), nothing },
    ["XML with a document type"] = { "<!DOCTYPE x>" .. machine.sts_xml(), nothing },
    ["an end that is none"] = { machine.sts_xml():gsub("2026%-", "26-"), endless },
    ["no end"] = { machine.sts_xml():gsub("<Expiration>.*</Expiration>", ""), endless },
    ["no id"] = { machine.sts_xml():gsub("<AccessKeyId>.*</AccessKeyId>", ""), "access_key_id is missing" },
    ["no secret"] = {
      machine.sts_xml():gsub("<SecretAccessKey>.*</SecretAccessKey>", ""),
      "secret_access_key is missing",
    },
    ["an id with elements in it"] = {
      machine.sts_xml():gsub("AKIDEXAMPLE", "<x>1</x>"),
      "access_key_id is missing",
    },
    ["a token with a line end"] = { machine.sts_xml():gsub("token%+", "to\r\nken"), "session_token" },
    ["a token that is no text"] = {
      ('{"AssumeRoleResponse":{"AssumeRoleResult":{"Credentials":{"AccessKeyId":"%s","SecretAccessKey":"%s",'):format(
        ID,
        SECRET
      ) .. '"SessionToken":null,"Expiration":1767229200}}}}',
      "session_token is no text",
    },
  }
  for what, case in pairs(broken) do
    it("is an error without secrets when it is " .. what, function()
      local found, err = assume(answering(case[1]))
      assert.is_nil(found)
      assert.are.equal("credentials", err.kind)
      assert.is_truthy(err.message:find("AssumeRole of " .. ROLE .. " (a test): ", 1, true))
      assert.is_truthy(err.message:find(case[2], 1, true))
      assert.is_nil(tostring(err):find(SECRET, 1, true))
    end)
  end
end)

describe("a refusal of STS", function()
  local function refused(body, status, headers)
    local here = answering(body, status, headers)
    local found, err = assume(here)
    assert.is_nil(found)
    assert.are.equal("credentials", err.kind)
    return err, here
  end

  it("is told with its code, its status and its id, in XML or in JSON", function()
    local told = "User: arn:aws:iam::1:user/u is not authorized"
    local bodies = {
      machine.sts_error("AccessDenied", told),
      machine.sts_error("AccessDenied", "\n  " .. told .. "  \n"),
      ('{"Error":{"Code":"AccessDenied","Message":"%s","Type":"Sender"},"RequestId":"request-1"}'):format(told),
      ('{"ErrorResponse":{"Error":{"Code":"AccessDenied","Message":"%s"},"RequestId":"request-1"}}'):format(told),
      ('{"__type":"com.amazon#AccessDenied","message":"%s"}'):format(told),
      ('{"code":"AccessDenied","message":"%s"}'):format(told),
    }
    for i, body in ipairs(bodies) do
      local err, here = refused(body, 403, { ["x-amzn-requestid"] = "request-1" })
      assert.are.equal("AccessDenied", err.code, i)
      assert.are.equal("AssumeRole of " .. ROLE .. " (a test): " .. told, err.message)
      assert.are.equal(403, err.status)
      assert.are.equal("request-1", err.request_id)
      assert.are.equal("service", err.cause.kind)
      assert.are.equal(1, #here.requests)
    end
  end)

  it("with entities in it is told without them", function()
    local err = refused(machine.sts_error("AccessDenied", "&quot;a&quot; &lt;b&gt; &#233;"), 403)
    assert.is_truthy(err.message:find('"a" <b> \195\169', 1, true))
  end)

  it("that says nothing is told by its status", function()
    for _, body in ipairs {
      "",
      "<html><body><h1>403 Forbidden</h1><hr></body></html>",
      "<html><body>Forbidden</body></html>",
      "Forbidden",
      "{}",
      "[1]",
      "<ErrorResponse/>",
      "<ErrorResponse><Error/></ErrorResponse>",
      "<ErrorResponse><Error><Code><x/></Code></Error></ErrorResponse>",
      '{"Error":null}',
      '{"Error":{"Code":7}}',
    } do
      local err = refused(body, 403)
      assert.are.equal("HTTP403", err.code)
      assert.is_truthy(err.message:find("the service gave no reason (HTTP 403)", 1, true))
    end
  end)

  it("as a redirect is not followed", function()
    local err, here = refused("", 302, { location = "http://evil.example/" })
    assert.are.equal("HTTP302", err.code)
    assert.are.equal(1, #here.requests)
  end)

  it("shows no secret that was sent, in whatever form it comes back", function()
    local here = machine.new {
      answer = function(request)
        local parts = { request.body }
        for _, header in ipairs(request.headers) do
          parts[#parts + 1] = header[1] .. ": " .. header[2]
        end
        parts[#parts + 1] = "ext/ernal id, 654321"
        local told = table.concat(parts, " "):gsub("[<&]", " ")
        return {
          status = 403,
          body = machine.sts_error("Denied ext/ernal id", told):gsub("request%-1", "ext/ernal id"),
        }
      end,
    }
    local _, err = assume(here, { external_id = "ext/ernal id", mfa_serial = "m", token_code = "654321" })
    local said = table.concat({ tostring(err), err.message, err.code, err.request_id, tostring(err.cause) }, "\n")
    for _, secret in ipairs { "base/token", "ext/ernal id", "ext%2Fernal%20id", "654321" } do
      assert.is_nil(said:find(secret, 1, true))
    end
    assert.is_nil(said:find "Signature=%x")
    assert.is_truthy(said:find("[redacted]", 1, true))
  end)

  it("shows no token of another identity provider", function()
    local token = "eyJh.b/c+d=.e"
    local here = machine.new {
      answer = function(request)
        local told = request.body:gsub("&", " ") .. " " .. token
        return { status = 400, body = machine.sts_error("InvalidIdentityToken", told) }
      end,
    }
    local _, err = assume_with_token(here, { token = token })
    local said = tostring(err) .. tostring(err.cause)
    assert.is_nil(said:find(token, 1, true))
    assert.is_nil(said:find("eyJh.b%2Fc%2Bd%3D.e", 1, true))
    assert.are.equal("InvalidIdentityToken", err.code)
  end)
end)

describe("a failure that may pass", function()
  local throttled = { status = 400, body = machine.sts_error("Throttling", "Rate exceeded") }
  local provider = { status = 400, body = machine.sts_error("IDPCommunicationError", "the provider is slow") }
  local broken = {
    failure = { kind = "transport", code = "CouldNotConnect", message = "no route", sent = "no" },
  }

  it("is tried again, with the delays of the standard mode and no more attempts than allowed", function()
    local cases = {
      { { status = 500 }, { 0.025, 0.05 } },
      { { status = 503, body = "<html>" }, { 0.025, 0.05 } },
      { throttled, { 0.5, 1 } },
      { { status = 429 }, { 0.5, 1 } },
      { provider, { 0.025, 0.05 } },
      { broken, { 0.025, 0.05 } },
    }
    for _, case in ipairs(cases) do
      local here = answering_in_turn(case[1], case[1], GOOD)
      here.chance = 0.5
      assert(assume(here))
      assert.are.equal(3, #here.requests)
      assert.are.same(case[2], here.slept)

      here = answering_in_turn(case[1])
      local found, err = assume(here)
      assert.is_nil(found)
      assert.are.equal(3, #here.requests)
      assert.are.equal("credentials", err.kind)

      here = answering_in_turn(case[1])
      assert.is_nil((assume(here, nil, { retry = { max_attempts = 1 } })))
      assert.are.equal(1, #here.requests)
    end
  end)

  it("of another identity provider is tried again with the same token", function()
    local here = answering_in_turn(provider, { body = machine.sts_xml "AssumeRoleWithWebIdentity" })
    assert(assume_with_token(here, { token = "token" }))
    assert.are.equal(here.requests[1].body, here.requests[2].body)
  end)

  it("is waited for as long as the answer asks", function()
    local here = answering_in_turn({ status = 503, headers = { ["x-amz-retry-after"] = "1500" } }, GOOD)
    assert(assume(here))
    assert.are.same({ 1.5 }, here.slept)
  end)

  it("is signed anew", function()
    local here = answering_in_turn(throttled, GOOD)
    here.chance = 1
    assert(assume(here))
    assert.are.equal("20260101T000000Z", machine.header(here.requests[1], "X-Amz-Date"))
    assert.are.equal("20260101T000001Z", machine.header(here.requests[2], "X-Amz-Date"))
  end)

  it("does not hold up a call beyond its deadline", function()
    local here = answering_in_turn(throttled)
    here.chance = 0.9
    local found, err = assume(here, nil, nil, here.clock + 0.5)
    assert.is_nil(found)
    assert.are.equal("Throttling", err.code)
    assert.are.same({}, here.slept)
    assert.are.equal(0.5, here.requests[1].timeout)
  end)

  it("does not come before a deadline that is over", function()
    local here = answering()
    local found, err = assume(here, nil, nil, here.clock)
    assert.is_nil(found)
    assert.are.equal("DeadlineExceeded", err.code)
    assert.are.equal(0, #here.requests)
  end)

  it("spends a quota that is not the client's own, and ends with it", function()
    local here = answering_in_turn { status = 500 }
    local context = here:context()
    local attempts = {}
    for i = 1, 30 do
      local before = #here.requests
      sts.assume_role(context, role(), { credentials = sigv4.credentials(KEYS), features = "i", origin = "x" })
      attempts[i] = #here.requests - before
    end
    assert.are.equal(3, attempts[1])
    assert.are.equal(1, attempts[30]) -- 500 of quota, at 14 for each repetition
  end)
end)

describe("a failure that does not pass", function()
  it("is no reason to ask again", function()
    for code, status in pairs {
      AccessDenied = 403,
      ExpiredTokenException = 400,
      IDPRejectedClaim = 403,
      InvalidIdentityToken = 400,
      RegionDisabledException = 403,
      MalformedPolicyDocument = 400,
      InvalidClientTokenId = 403,
      SignatureDoesNotMatch = 403,
    } do
      local here = answering(machine.sts_error(code, "no"), status)
      local found, err = assume(here)
      assert.is_nil(found)
      assert.are.equal(code, err.code)
      assert.are.equal(1, #here.requests)
    end
  end)

  it("is one of the certificate", function()
    local failure = { kind = "tls", code = "CertificateRejected", message = "unknown authority", sent = "no" }
    local here = answering_in_turn { failure = failure }
    local _, err = assume(here)
    assert.are.equal("CertificateRejected", err.code)
    assert.are.equal(1, #here.requests)
  end)
end)

describe("a clock that is wrong", function()
  local function dated(seconds, answer)
    answer.headers = { date = moment.http(machine.START + seconds) }
    return answer
  end

  it("is corrected by the answer, and the request signed anew with the right time", function()
    for _, code in ipairs { "SignatureDoesNotMatch", "RequestTimeTooSkewed", "InvalidSignatureException" } do
      local here = answering_in_turn(
        dated(3600, { status = 403, body = machine.sts_error(code, "Signature not yet current") }),
        dated(3600, { body = machine.sts_xml(nil, 7200) })
      )
      assert(assume(here))
      assert.are.equal("20260101T000000Z", machine.header(here.requests[1], "X-Amz-Date"))
      assert.are.equal("20260101T010000Z", machine.header(here.requests[2], "X-Amz-Date"))
    end
  end)

  it("is corrected once", function()
    local here =
      answering_in_turn(dated(3600, { status = 403, body = machine.sts_error("SignatureDoesNotMatch", "no") }))
    assert.is_nil((assume(here)))
    assert.are.equal(2, #here.requests)
  end)

  it("is no excuse where it is right", function()
    local here =
      answering_in_turn(dated(200, { status = 403, body = machine.sts_error("SignatureDoesNotMatch", "no") }))
    assert.is_nil((assume(here)))
    assert.are.equal(1, #here.requests)
  end)

  it("is left alone where that is switched off", function()
    local here =
      answering_in_turn(dated(3600, { status = 403, body = machine.sts_error("SignatureDoesNotMatch", "no") }))
    assert.is_nil((assume(here, nil, { disable_clock_skew_correction = true })))
    assert.are.equal(1, #here.requests)
  end)

  it("is known to the next calls of the client then", function()
    local here = machine.with(
      "[default]\nrole_arn = r\nsource_profile = default\naws_access_key_id = AKID\naws_secret_access_key = x",
      {
        answer = function(request)
          if request.url:find("sts", 1, true) then
            return dated(3600, { body = machine.sts_xml(nil, 7200) })
          end
          return { body = '{"Clusters":[]}' }
        end,
      }
    )
    local client = here:client()
    assert(client:describe_clusters())
    assert(client:describe_clusters())
    assert.are.equal(3, #here.requests)
    assert.are.equal("20260101T010000Z", machine.header(here.requests[3], "X-Amz-Date"))
  end)
end)
