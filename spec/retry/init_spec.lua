local retry = require "cloudhsmv2.retry"

describe("the policy of this version", function()
  it("never sends a request again, however harmless that would be", function()
    assert.is_nil(retry.new():decide { attempt = 1, err = { kind = "throttled", retryable = true } })
  end)
end)
