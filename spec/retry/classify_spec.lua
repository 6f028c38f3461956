local classify = require "cloudhsmv2.retry.classify"

local function service(code, status)
  return { kind = classify.kind(code, status), code = code, status = status, sent = "yes" }
end

local function transport(kind, code, sent)
  return { kind = kind, code = code, sent = sent }
end

-- What each failure means for an operation that may be repeated, and for one that must not be done twice.
local function expect(err, repeatable, at_most_once, unknown)
  local name = err.kind .. " " .. tostring(err.code) .. " " .. tostring(err.status) .. " " .. err.sent
  assert.are.equal(repeatable, classify.retryable(err, false), name)
  assert.are.equal(at_most_once, classify.retryable(err, true), name)
  assert.are.equal(unknown, classify.outcome_unknown(err), name)
end

describe("the kind of an answer", function()
  it("is throttled for every code that asks to slow down, and for status 429", function()
    for _, code in ipairs { "ThrottlingException", "Throttling", "TooManyRequestsException", "SlowDown" } do
      assert.are.equal("throttled", classify.kind(code, 400))
    end
    assert.are.equal("throttled", classify.kind("HTTP429", 429))
  end)

  it("is auth for the codes about signature, key and clock, whatever the status", function()
    for _, code in ipairs { "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException" } do
      assert.are.equal("auth", classify.kind(code, 400))
      assert.are.equal("auth", classify.kind(code, 403))
    end
  end)

  it("is service for everything else, and a denied access is no matter of the key", function()
    assert.are.equal("service", classify.kind("AccessDeniedException", 403))
    assert.are.equal("service", classify.kind("CloudHsmResourceLimitExceededException", 400))
    assert.are.equal("service", classify.kind("NeverSeenBefore", 418))
  end)
end)

describe("after a failure", function()
  it("a throttled request may be repeated by anyone: nothing was done", function()
    expect(service("ThrottlingException", 400), true, true, false)
    expect(service("SlowDown", 503), true, true, false)
  end)

  it("a request that never left may be repeated by anyone", function()
    expect(transport("transport", "CouldNotConnect", "no"), true, true, false)
    expect(transport("transport", "CouldNotResolveHost", "no"), true, true, false)
    expect(transport("timeout", "ConnectTimeout", "no"), true, true, false)
    expect(transport("proxy", "ProxyUnavailable", "no"), true, true, false)
  end)

  it("a handshake that broke off may be repeated by anyone: nothing left", function()
    expect(transport("tls", "TlsHandshakeFailed", "no"), true, true, false)
  end)

  it("a request that may have arrived is repeated only where that does no harm", function()
    expect(transport("transport", "EmptyReply", "maybe"), true, false, true)
    expect(transport("timeout", "ReadTimeout", "maybe"), true, false, true)
    expect(transport("protocol", "TruncatedBody", "yes"), true, false, true)
    expect(transport("protocol", "NotJson", "yes"), true, false, true)
    expect(service("CloudHsmInternalFailureException", 500), true, false, true)
    expect(service("HTTP503", 503), true, false, true)
    expect(service("RequestTimeout", 400), true, false, true)
  end)

  it("an answer that no repetition will change leaves an operation that must not be repeated in doubt", function()
    expect(transport("protocol", "InvalidDocument", "yes"), false, false, true)
    expect(transport("aborted", "Closed", "maybe"), false, false, true)
    expect(transport("protocol", "BodyTooLarge", "yes"), false, false, true)
    expect(transport("protocol", "MalformedResponse", "yes"), false, false, true)
    expect(transport("transport", "OutOfMemory", "maybe"), false, false, true)
    expect(service("HTTP599", 599), false, false, true)
  end)

  it("a refusal stays a refusal", function()
    expect(service("CloudHsmInvalidRequestException", 400), false, false, false)
    expect(service("CloudHsmResourceNotFoundException", 400), false, false, false)
    expect(service("InvalidSignatureException", 400), false, false, false)
    expect(service("HTTP501", 501), false, false, false)
    expect(service("HTTP404", 404), false, false, false)
    expect(transport("protocol", "Redirect", "yes"), false, false, false)
  end)

  it("a certificate, a refusing proxy and a wrong setting stay as they are", function()
    expect(transport("tls", "CertificateExpired", "no"), false, false, false)
    expect(transport("proxy", "ProxyAuthenticationRequired", "no"), false, false, false)
    expect(transport("config", "InvalidUrl", "no"), false, false, false)
    expect(transport("credentials", "NoCredentials", "no"), false, false, false)
  end)
end)

describe("in one call", function()
  it("a passing failure is repeated as often as attempts are left", function()
    for _, err in ipairs {
      service("HTTP500", 500),
      service("ThrottlingException", 400),
      transport("transport", "ConnectionReset", "maybe"),
      transport("transport", "NameOfAnotherRuntime", "maybe"),
      transport("timeout", "ReadTimeout", "maybe"),
      transport("protocol", "TruncatedBody", "yes"),
    } do
      assert.are.equal(math.huge, classify.retries(err))
    end
  end)

  it("a page of a gateway or a broken handshake is tried once more", function()
    assert.are.equal(1, classify.retries(transport("protocol", "NotJson", "yes")))
    assert.are.equal(1, classify.retries(transport("tls", "TlsHandshakeFailed", "no")))
  end)

  it("a code of the service is no code of ours", function()
    assert.are.equal(0, classify.retries(service("TruncatedBody", 400)))
  end)
end)

describe("an operation", function()
  it("only reads by its name", function()
    for _, name in ipairs { "DescribeBackups", "ListTags", "GetResourcePolicy" } do
      assert.is_true(classify.only_reads(name))
    end
    for _, name in ipairs { "DeleteBackup", "CreateHsm", "TagResource", "RestoreBackup" } do
      assert.is_false(classify.only_reads(name))
    end
  end)
end)
