--- AWS Resource Access Manager beside CloudHSM, on the same port: requests whose signature is for the service `ram`.
-- It knows the operations that sharing a backup takes (`cloudhsmv2.emulator.ram.model`) and no resources but backups.
-- What is known of each behaviour, and how, stands beside the code.
-- @module cloudhsmv2.emulator.ram

local codec = require "cloudhsmv2.codec"
local lower = require("cloudhsmv2.text").lower
local model = require "cloudhsmv2.emulator.ram.model"
local moment = require "cloudhsmv2.moment"
local refuse = require "cloudhsmv2.emulator.ram.refuse"
local validate = require "cloudhsmv2.emulator.validate"

local CONTENT_TYPE = "application/json"

local ram = {
  name = "ram", -- the signing name
  handlers = require "cloudhsmv2.emulator.ram.handlers",
}

-- Operations by path: the name in lower case, as the model has it.
local ROUTES = {}
for name in pairs(model.operations) do
  ROUTES["/" .. lower(name)] = name
end

-- Compiled at the first use, so that `require` does nothing.
local compiled, validator
local function codecs()
  compiled = compiled or codec.compile(model.shapes)
  validator = validator or validate.new(model.shapes)
  return compiled, validator
end

--- Whether a request is for RAM: by the service of its signature, or without one by its path.
-- @tparam table request as of `wire.read`
-- @treturn boolean
function ram.is_meant(request)
  local authorization = request.by_name.authorization
  local service = authorization and authorization:match "Credential=[^/,%s]+/[^/,%s]+/[^/,%s]+/([^/,%s]+)/"
  if service then
    return service == ram.name
  end
  return ROUTES[request.path] ~= nil
end

--- The operation that a request names.
-- @tparam table request
-- @treturn[1] string name
-- @treturn[2] nil
-- @treturn[2] table a failure
function ram.route(request)
  local name = ROUTES[request.path]
  if not name then
    return refuse.unknown_path("There is no operation at %s.", request.path)
  elseif model.operations[name].method ~= request.method then
    return refuse.wrong_method("The method of %s is %s.", name, model.operations[name].method)
  end
  return name
end

local function unescape(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

local function read_query(query)
  local input = {}
  for name, value in query:gmatch "([^&=]+)=([^&]*)" do
    input[unescape(name)] = unescape(value)
  end
  return input
end

--- The parameters of a request.
-- @tparam table _ the emulator
-- @tparam string operation
-- @tparam table request
-- @treturn[1] table
-- @treturn[2] nil
-- @treturn[2] table a failure
function ram.decode(_, operation, request)
  local codecs_of, checks = codecs()
  local described = model.operations[operation]
  local input, err
  if described.in_query then
    input = read_query(request.query)
    if not codecs_of:encode(described.input, input, { constraints = false }) then
      return refuse.invalid_parameter "The query string is not UTF-8."
    end
  else
    local body = request.body:find "%S" and request.body or "{}"
    input, err = codecs_of:decode(described.input, body)
  end
  if type(input) ~= "table" then
    return refuse.invalid_parameter("%s", err and err.message or "The body must be a JSON object.")
  end
  for _, member in ipairs(model.shapes[described.input].required or {}) do
    if input[member] == nil or input[member] == "" then
      return refuse.missing_parameter("%s is required.", member)
    end
  end
  local problems = checks:problems(described.input, input)
  if problems then
    return refuse.invalid_parameter("%s", problems)
  end
  return input
end

local function response(status, body, context)
  return {
    status = status,
    headers = {
      { "x-amzn-requestid", context.request_id },
      { "content-type", CONTENT_TYPE },
      { "content-length", tostring(#body) },
      { "date", moment.http(context.received_at) },
    },
    body = body,
  }
end

--- The answer to a request that succeeded.
-- @tparam table context `request_id` and `received_at`
-- @tparam string operation
-- @tparam table output
-- @treturn table `status`, `headers`, `body`
function ram.success(context, operation, output)
  return response(
    200,
    assert(codecs():encode(model.operations[operation].output, output, { constraints = false })),
    context
  )
end

--- The answer to a request that failed.
-- @tparam table context `request_id` and `received_at`
-- @tparam table failure as of `cloudhsmv2.emulator.fault`, perhaps with `headers` to add
-- @treturn table `status`, `headers`, `body`
function ram.failure(context, failure)
  -- [documented, AWS restJson1 protocol] the code is in the header X-Amzn-ErrorType, the text in `message`
  local message = failure.message:gsub("[\128-\255]", "?")
  local answer = response(failure.status, assert(codecs():encode("Failure", { message = message })), context)
  answer.headers[#answer.headers + 1] = { "x-amzn-errortype", ram.code_of(failure) }
  for _, pair in ipairs(failure.headers or {}) do
    answer.headers[#answer.headers + 1] = pair
  end
  return answer
end

-- CloudHSM's own codes, which parts that both services use answer with, in RAM's words.
local CODES = { CloudHsmInternalFailureException = "ServerInternalException" }

--- The code of a failure as RAM has it.
-- @tparam table failure
-- @treturn string
function ram.code_of(failure)
  return CODES[failure.code] or failure.code
end

return ram
