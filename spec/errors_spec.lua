local errors = require "cloudhsmv2.errors"

describe("an error object", function()
  it("has every field that a caller may look at", function()
    local err = errors.new { kind = "config", message = "region: not set" }
    assert.are.same({
      kind = "config",
      message = "region: not set",
      sent = "no",
      retryable = false,
      attempts = 0,
      history = {},
      elapsed = 0,
    }, err)
  end)

  it("is one line as a string, whatever is in its parts", function()
    local err = errors.new {
      kind = "throttled",
      code = "ThrottlingException",
      message = "Rate\nexceeded\0",
      operation = "DescribeBackups",
      status = 400,
      request_id = "8bcd4803",
      attempts = 3,
    }
    assert.are.equal(
      "DescribeBackups: ThrottlingException: Rate exceeded  (throttled, HTTP 400, request id 8bcd4803, 3 attempts)",
      tostring(err)
    )
    assert.are.equal("region: not set (config)", tostring(errors.new { kind = "config", message = "region: not set" }))
  end)

  it("is told from other tables", function()
    assert.is_true(errors.is(errors.new { kind = "tls", message = "x" }))
    assert.is_false(errors.is { kind = "tls", message = "x" })
    assert.is_false(errors.is "tls")
    assert.is_false(errors.is(nil))
  end)

  it("has one of the known kinds", function()
    assert.has_error(function()
      errors.new { kind = "oops", message = "x" }
    end)
  end)
end)
