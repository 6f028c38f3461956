--- The header by which AWS Lambda notices that a function calls itself in a circle.
-- Source: AWS SDKs, "Recursion detection".
-- @module cloudhsmv2.recursion

local NAME = "X-Amzn-Trace-Id"

local recursion = {}

--- The header to send.
-- @tparam function getenv stands for the environment; Lambda changes it with every invocation
-- @treturn table|nil `{ name, value }`; nil outside of Lambda
function recursion.header(getenv)
  local trace = getenv "_X_AMZN_TRACE_ID"
  if not trace or trace == "" or (getenv "AWS_LAMBDA_FUNCTION_NAME" or "") == "" then
    return nil
  end
  local value = trace:gsub("[^ -~]", function(byte)
    return string.format("%%%02X", byte:byte())
  end)
  return { NAME, value }
end

return recursion
