local helper = require "spec.emulator.helper"

local EXAMPLE_TOKEN = "AQoTOKEN"

describe("a request", function()
  local service
  before_each(function()
    service = helper.new()
  end)

  -- A good request, changed by `change` after it was signed.
  local function altered(change, options)
    local chosen = { time = service.emulator:time() }
    for name, value in pairs(options or {}) do
      chosen[name] = value
    end
    local request = helper.request("DescribeClusters", { MaxResults = 5 }, chosen)
    local headers = {}
    for i, pair in ipairs(request.headers) do
      headers[i] = { pair[1], pair[2] }
    end
    request.headers = headers
    change(request)
    return service:send(request)
  end

  local function set_header(name, change)
    return function(request)
      for i, pair in ipairs(request.headers) do
        if pair[1]:lower() == name then
          pair[2] = change and change(pair[2])
          if not pair[2] then
            table.remove(request.headers, i)
          end
          return
        end
      end
      error("no header " .. name)
    end
  end

  local function refused(code, response)
    assert.are.equal(code, response.value.__type)
    assert.are.equal(400, response.status)
    assert.is_nil(response.value.Message)
    return response.value.message
  end

  it("that is signed well is served", function()
    assert.are.equal(200, altered(function() end).status)
  end)

  it("without a signature lacks its authentication token", function()
    refused("MissingAuthenticationTokenException", altered(set_header "authorization"))
  end)

  it("with a broken Authorization header is incomplete", function()
    for _, broken in ipairs {
      "Basic dXNlcjpwYXNz",
      "AWS4-HMAC-SHA256",
      "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host",
      "AWS4-HMAC-SHA256 Credential=a/b/c/d, SignedHeaders=host, Signature=00",
      "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=00, Signature=00",
    } do
      refused(
        "IncompleteSignatureException",
        altered(set_header("authorization", function()
          return broken
        end))
      )
    end
  end)

  it("without a date that can be read is incomplete", function()
    refused("IncompleteSignatureException", altered(set_header "x-amz-date"))
    for _, broken in ipairs { "yesterday", "20260231T000000Z", "20260101T250000Z" } do
      refused(
        "IncompleteSignatureException",
        altered(set_header("x-amz-date", function()
          return broken
        end))
      )
    end
  end)

  it("with an unknown key is not recognized", function()
    local key = { access_key_id = "AKIDUNKNOWN", secret_access_key = helper.KEY.secret_access_key }
    refused("UnrecognizedClientException", service:ask("DescribeClusters", {}, { key = key }))
  end)

  it("signed with another secret does not match, and is told what should have been signed", function()
    local key = { access_key_id = "AKIDEXAMPLE", secret_access_key = "another" }
    local message = refused("InvalidSignatureException", service:ask("DescribeClusters", {}, { key = key }))
    assert.matches("request signature we calculated does not match", message, 1, true)
    assert.matches("'POST\n/\n\ncontent-type:application/x-amz-json-1.1\nhost:", message, 1, true)
    assert.matches("'AWS4-HMAC-SHA256\n20260101T000000Z\n20260101/us-east-1/cloudhsm/aws4_request\n", message, 1, true)
  end)

  it("for another service, region or day than it says is refused", function()
    local code = "InvalidSignatureException"
    local message = refused(code, service:ask("DescribeClusters", {}, { service = "cloudhsmv2" }))
    assert.matches("correct service: 'cloudhsm'", message, 1, true)
    message = refused(code, service:ask("DescribeClusters", {}, { region = "us-east-9" }))
    assert.matches("valid region", message, 1, true)
    local changes = { ["/us%-east%-1/"] = "/us-west-2/", ["/20260101/"] = "/20260102/", aws4_request = "aws5_request" }
    for from, to in pairs(changes) do
      refused(
        code,
        altered(set_header("authorization", function(value)
          return (value:gsub(from, to))
        end))
      )
    end
  end)

  it("that is too old says so with the server's time", function()
    local message =
      refused("InvalidSignatureException", service:ask("DescribeClusters", {}, { time = helper.START - 301 }))
    local wanted =
      "Signature expired: 20251231T235459Z is now earlier than 20251231T235500Z (20260101T000000Z - 5 min.)"
    assert.are.equal(wanted, message)
    assert.are.equal(200, service:ask("DescribeClusters", {}, { time = helper.START - 300 }).status)
  end)

  it("from the future says so with the server's time", function()
    local message =
      refused("InvalidSignatureException", service:ask("DescribeClusters", {}, { time = helper.START + 301 }))
    local wanted =
      "Signature not yet current: 20260101T000501Z is still later than 20260101T000500Z (20260101T000000Z + 5 min.)"
    assert.are.equal(wanted, message)
    assert.are.equal(200, service:ask("DescribeClusters", {}, { time = helper.START + 300 }).status)
  end)

  it("is checked against the clock of whoever received it, if that says when", function()
    local function at(received_at)
      return altered(function(request)
        request.received_at = received_at
      end, { time = 1800000000 }).status
    end
    assert.are.equal(200, at(1800000000))
    assert.are.equal(400, at(helper.START))
  end)

  it("is refused when anything that was signed has changed since", function()
    local code = "InvalidSignatureException"
    for _, name in ipairs { "host", "content-type", "x-amz-date", "x-amz-target" } do
      local message = altered(set_header(name, function(value)
        if name == "x-amz-date" then
          return "20260101T000001Z"
        elseif name == "x-amz-target" then
          return "BaldrApiService.DescribeBackups"
        elseif name == "content-type" then
          return value .. "; charset=utf-8"
        end
        return value .. ".example"
      end))
      refused(code, message)
    end
    refused(
      code,
      altered(function(request)
        request.body = request.body .. " "
      end)
    )
    refused(
      code,
      altered(function(request)
        request.target = "/?a=b"
      end)
    )
    refused(
      code,
      altered(set_header("authorization", function(value)
        local last = value:sub(-1)
        return value:sub(1, -2) .. (last == "0" and "1" or "0")
      end))
    )
  end)

  it("must have signed its host, its content type and every x-amz header", function()
    local message = refused(
      "InvalidSignatureException",
      altered(function(request)
        request.headers[#request.headers + 1] = { "X-Amz-Extra", "1" }
      end)
    )
    assert.are.equal("'x-amz-extra' must be a 'SignedHeader' in the AWS Authorization.", message)
    for _, name in ipairs { "host", "content%-type", "x%-amz%-target" } do
      message = refused(
        "InvalidSignatureException",
        altered(set_header("authorization", function(value)
          return (value:gsub(name .. ";", ""):gsub(";" .. name .. ",", ","))
        end))
      )
      assert.matches("must be a 'SignedHeader'", message, 1, true)
    end
  end)

  it("may not name signed headers that it lacks", function()
    local message = refused(
      "InvalidSignatureException",
      altered(set_header("authorization", function(value)
        return (value:gsub("SignedHeaders=", "SignedHeaders=absent;"))
      end))
    )
    assert.matches("'absent' is not in the request", message, 1, true)
  end)

  it("may have more headers than it signed", function()
    local response = altered(function(request)
      request.headers[#request.headers + 1] = { "User-Agent", "spec" }
    end)
    assert.are.equal(200, response.status)
  end)

  it("that declares the hash of its body must have that body", function()
    local hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" -- of {}
    local declared = { headers = { { "X-Amz-Content-Sha256", hash } } }
    assert.are.equal(200, service:ask("DescribeClusters", "{}", declared).status)
    local message = refused("InvalidSignatureException", service:ask("DescribeClusters", "{ }", declared))
    assert.matches("X-Amz-Content-SHA256", message, 1, true)
    declared.headers[1][2] = "UNSIGNED-PAYLOAD"
    refused("InvalidSignatureException", service:ask("DescribeClusters", "{}", declared))
  end)
end)

describe("a session token", function()
  local service, key
  before_each(function()
    key = {
      access_key_id = "ASIAEXAMPLE",
      secret_access_key = helper.KEY.secret_access_key,
      session_token = EXAMPLE_TOKEN,
      expires = helper.START + 3600,
    }
    service = helper.new { credentials = { key }, max_skew = 86400 }
  end)

  local function with(fields)
    local changed = {}
    for name, value in pairs(key) do
      changed[name] = value
    end
    for name, value in pairs(fields) do
      changed[name] = value ~= "absent" and value or nil
    end
    return service:ask("DescribeClusters", {}, { key = changed })
  end

  it("must be there and be the right one", function()
    assert.are.equal(200, with({}).status)
    assert.are.equal("UnrecognizedClientException", with({ session_token = "absent" }).value.__type)
    assert.are.equal("UnrecognizedClientException", with({ session_token = "other" }).value.__type)
  end)

  it("may not come with a key that has none", function()
    local extra = { access_key_id = "AKIDEXAMPLE", secret_access_key = key.secret_access_key, session_token = "x" }
    local response = helper.new():ask("DescribeClusters", {}, { key = extra })
    assert.are.equal("UnrecognizedClientException", response.value.__type)
  end)

  it("expires", function()
    service.emulator:advance(3600)
    assert.are.equal("ExpiredTokenException", with({}).value.__type)
  end)

  it("is not shown in a refusal", function()
    local response = with { secret_access_key = "another" }
    assert.are.equal("InvalidSignatureException", response.value.__type)
    assert.is_nil(response.body:find(EXAMPLE_TOKEN, 1, true))
  end)
end)

describe("a key", function()
  it("chooses the account, and the signature's scope the region", function()
    local service = helper.new()
    local id = service:create_cluster()
    assert.is_table(service:cluster(id))
    assert.is_nil(service:cluster(id, { key = helper.OTHER_KEY }))
    assert.is_nil(service:cluster(id, { region = "eu-west-1" }))
  end)

  it("can be denied operations", function()
    local key = { secret_access_key = helper.KEY.secret_access_key, deny = { "DeleteBackup" } }
    local service = helper.new { credentials = { AKIDEXAMPLE = key } }
    local code, message, status = service:refusal("DeleteBackup", { BackupId = "backup-aaaaaaaaaaa" })
    assert.are.equal("AccessDeniedException", code)
    assert.are.equal(400, status)
    assert.matches("cloudhsm:DeleteBackup", message, 1, true)
    service:call("DescribeBackups", {})
  end)

  it("can be allowed some operations, by name or by how they begin", function()
    local key = { secret_access_key = helper.KEY.secret_access_key, allow = { "Describe*", "ListTags" } }
    local service = helper.new { credentials = { AKIDEXAMPLE = key } }
    service:call("DescribeBackups", {})
    service:call("DescribeClusters", {})
    assert.are.equal(
      "CloudHsmResourceNotFoundException",
      (service:refusal("ListTags", { ResourceId = "cluster-aaaaaaaaaaa" }))
    )
    assert.are.equal("AccessDeniedException", (service:refusal("DeleteBackup", { BackupId = "backup-aaaaaaaaaaa" })))
  end)

  it("that is denied what it is allowed is denied it", function()
    local key = { secret_access_key = helper.KEY.secret_access_key, allow = { "*" }, deny = { "Delete*" } }
    local service = helper.new { credentials = { AKIDEXAMPLE = key } }
    service:call("DescribeBackups", {})
    assert.are.equal("AccessDeniedException", (service:refusal("DeleteBackup", { BackupId = "backup-aaaaaaaaaaa" })))
  end)
end)

describe("without verification", function()
  it("any request is served, in the region and account that can be made out", function()
    local service = helper.new { verify_signatures = false }
    local wrong = { access_key_id = "AKIDEXAMPLE2", secret_access_key = "wrong" }
    local id = service:create_cluster(nil, { key = wrong, region = "eu-west-1" })
    assert.is_table(service:cluster(id, { key = helper.OTHER_KEY, region = "eu-west-1" }))
    local response = service:send {
      method = "POST",
      target = "/",
      headers = {
        { "content-type", "application/x-amz-json-1.1" },
        { "x-amz-target", "BaldrApiService.DescribeClusters" },
      },
      body = "{}",
    }
    assert.are.equal('{"Clusters":[]}', response.body)
  end)
end)
