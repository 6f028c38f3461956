local errors = require "cloudhsmv2.errors"
local failure = require "cloudhsmv2.failure"

describe("what a runtime reports", function()
  it("becomes an error object with the same facts", function()
    local err =
      failure.of_runtime { kind = "tls", code = "CertificateExpired", message = "expired", sent = "no", status = 200 }
    assert.is_true(errors.is(err))
    assert.are.same({ "tls", "CertificateExpired", "expired", "no", 200 }, {
      err.kind,
      err.code,
      err.message,
      err.sent,
      err.status,
    })
  end)

  it("is taken for a broken connection of which nothing is known, where it says less", function()
    for _, reported in ipairs { {}, { kind = "nonsense", sent = "perhaps" }, "connection refused", false } do
      local err = failure.of_runtime(reported or nil)
      assert.are.equal("transport", err.kind)
      assert.are.equal("maybe", err.sent)
      assert.is_string(err.code)
      assert.is_string(err.message)
    end
    assert.are.equal("connection refused", failure.of_runtime("connection refused").message)
  end)
end)

describe("an error that is explained", function()
  it("has no secret in any of its texts", function()
    local err = errors.new {
      kind = "auth",
      code = "SignatureDoesNotMatchT0KEN",
      message = "token was T0KEN",
      body = "<T0KEN>",
      members = { message = "T0KEN" },
    }
    failure.explain(err, { secrets = { "T0KEN" }, settings = {}, at_most_once = false })
    assert.is_nil((err.code .. err.message .. err.body .. err.members.message):find "T0KEN")
  end)

  it("has a hint behind the service's words", function()
    local err =
      errors.new { kind = "service", code = "AccessDeniedException", message = "denied", sent = "yes", status = 400 }
    failure.explain(err, { secrets = {}, settings = {}, at_most_once = false })
    assert.is_truthy(err.message:find "^denied %- .*cloudhsm:")
  end)

  it("says whether the call may be repeated", function()
    local function retryable(at_most_once)
      local err = errors.new { kind = "timeout", code = "ReadTimeout", message = "late", sent = "maybe" }
      failure.explain(err, { secrets = {}, settings = {}, at_most_once = at_most_once })
      return err.retryable
    end
    assert.is_true(retryable(false))
    assert.is_false(retryable(true))
  end)
end)

describe("an ambiguous error", function()
  it("has its cause, its facts, and how to find out", function()
    local cause = errors.new {
      kind = "service",
      code = "HTTP502",
      message = "gateway",
      sent = "yes",
      status = 502,
      request_id = "r",
    }
    local err = failure.ambiguous(cause, "call describe_clusters")
    assert.are.equal("ambiguous", err.kind)
    assert.are.equal("nobody knows whether this took effect: gateway; call describe_clusters", err.message)
    assert.are.equal("call describe_clusters", err.reconcile)
    assert.are.equal(cause, err.cause)
    assert.are.same(
      { "HTTP502", 502, "r", "yes", false },
      { err.code, err.status, err.request_id, err.sent, err.retryable }
    )
  end)

  it("says something useful without the model's help", function()
    local cause = errors.new { kind = "transport", code = "EmptyReply", message = "gone", sent = "maybe" }
    assert.is_truthy(failure.ambiguous(cause).message:find "look whether it took effect")
  end)
end)
