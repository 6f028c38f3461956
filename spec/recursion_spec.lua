local recursion = require "cloudhsmv2.recursion"

local function header(environment)
  return recursion.header(function(name)
    return environment[name]
  end)
end

describe("the trace id", function()
  it("is not sent outside of Lambda", function()
    assert.is_nil(header {})
    assert.is_nil(header { _X_AMZN_TRACE_ID = "Root=1" })
    assert.is_nil(header { _X_AMZN_TRACE_ID = "Root=1", AWS_LAMBDA_FUNCTION_NAME = "" })
    assert.is_nil(header { _X_AMZN_TRACE_ID = "", AWS_LAMBDA_FUNCTION_NAME = "f" })
  end)

  it("is sent in Lambda as it is", function()
    local trace = "Root=1-5759e988;Parent=53995c3f42cd8ad8;Sampled=1;lineage=a87bd80c:0"
    assert.are.same({ "X-Amzn-Trace-Id", trace }, header { _X_AMZN_TRACE_ID = trace, AWS_LAMBDA_FUNCTION_NAME = "f" })
  end)

  it("is sent with control and non-ASCII bytes percent-encoded", function()
    assert.are.equal(
      "first%0Asecond%C2%BC%09",
      header({ _X_AMZN_TRACE_ID = "first\nsecond\194\188\t", AWS_LAMBDA_FUNCTION_NAME = "f" })[2]
    )
  end)
end)
