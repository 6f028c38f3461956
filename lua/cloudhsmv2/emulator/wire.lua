--- Bytes in, bytes out: AWS's JSON 1.1 protocol, seen from the service.
--
-- | behaviour | how sure |
-- | --- | --- |
-- | POST /, `X-Amz-Target: BaldrApiService.Operation` | the API's model |
-- | `x-amzn-requestid` and `content-type: application/x-amz-json-1.1` on every answer | recorded |
-- | errors have `__type`; the modelled ones `Message`, the general ones `message` | the API's model, documented |
-- | `x-amzn-errortype` beside it | assumed |
-- | timestamps are numbers with milliseconds; absent members are absent | recorded |
-- | another content type, target or path is UnknownOperationException | measured by others on services of this protocol |
-- | what a wrong HTTP method answers | assumed |
--
-- @module cloudhsmv2.emulator.wire

local lower = require("cloudhsmv2.text").lower
local codec = require "cloudhsmv2.codec"
local fault = require "cloudhsmv2.emulator.fault"
local model = require "cloudhsmv2.model"
local moment = require "cloudhsmv2.moment"

local CONTENT_TYPE = "application/x-amz-json-1.1"

-- The bodies of errors, in the same vocabulary as the API's shapes.
local ERROR_SHAPES = {
  Text = { type = "string" },
  ModelledError = {
    type = "structure",
    members = { __type = { shape = "Text" }, Message = { shape = "Text" } },
    order = { "__type", "Message" },
  },
  GeneralError = {
    type = "structure",
    members = { __type = { shape = "Text" }, message = { shape = "Text" } },
    order = { "__type", "message" },
  },
}

local wire = {}

-- Compiled at the first use, so that `require` does nothing.
local compiled
local function codecs()
  compiled = compiled or { api = codec.compile(model.shapes), errors = codec.compile(ERROR_SHAPES) }
  return compiled
end

--- A request as the other rooms want it.
-- @tparam table request as of `emulator:handle`
-- @tparam number now seconds since 1970, when the request does not say when it was received
-- @treturn table
function wire.read(request, now)
  local path, query = request.target:match "^([^?]*)%??(.*)$"
  local by_name = request.by_name or {}
  for _, pair in ipairs(request.by_name and {} or request.headers) do
    local name = lower(pair[1])
    by_name[name] = by_name[name] and by_name[name] .. ", " .. pair[2] or pair[2]
  end
  return {
    method = request.method,
    path = path,
    query = query,
    headers = request.headers,
    by_name = by_name,
    body = request.body or "",
    received_at = request.received_at or now,
  }
end

--- The operation that a request names.
-- @tparam table request
-- @treturn[1] string name
-- @treturn[2] nil
-- @treturn[2] table a failure
function wire.route(request)
  if request.path ~= "/" then
    return fault.unknown_path("There is nothing at %s.", request.path)
  elseif request.method ~= "POST" then
    return fault.method_not_allowed "The only method is POST."
  end
  local content_type = (request.by_name["content-type"] or ""):match "^%s*([^;%s]*)"
  if lower(content_type) ~= CONTENT_TYPE then
    return fault.unknown_operation("The content type must be %s.", CONTENT_TYPE)
  end
  local target = request.by_name["x-amz-target"] or ""
  local prefix, name = target:match "^([^.]*)%.(.*)$"
  if prefix ~= model.metadata.targetPrefix or not model.operations[name] then
    return fault.unknown_operation("X-Amz-Target names no operation: '%s'.", target)
  end
  return name
end

--- Decodes the body of a request by its operation's shape.
-- @tparam string operation
-- @tparam string body
-- @treturn[1] table
-- @treturn[2] nil
-- @treturn[2] table a failure
function wire.decode(operation, body)
  local value, err = codecs().api:decode(model.operations[operation].input.shape, body)
  if value == nil then
    return fault.serialization("%s", err and err.message or "The body must be a JSON object.")
  end
  return value
end

-- Answers of one second have the same date.
local last_second, last_date
local function date_of(time)
  local second = math.floor(time)
  if second ~= last_second then
    last_second, last_date = second, moment.http(second)
  end
  return last_date
end

local function response(status, body, context)
  local headers = {
    { "x-amzn-requestid", context.request_id },
    { "content-type", CONTENT_TYPE },
    { "content-length", tostring(#body) },
    { "date", date_of(context.received_at) },
  }
  return { status = status, headers = headers, body = body }
end

--- The answer to a request that succeeded. Output that does not fit its shape raises: it is an error of the emulator.
-- @tparam table context `request_id` and `received_at`
-- @tparam string operation
-- @tparam table output
-- @treturn table `status`, `headers`, `body`
function wire.success(context, operation, output)
  return response(200, assert(codecs().api:encode(model.operations[operation].output.shape, output)), context)
end

--- The answer to a request that failed.
-- @tparam table context `request_id` and `received_at`
-- @tparam table failure as of `cloudhsmv2.emulator.fault`, perhaps with `headers` to add
-- @treturn table `status`, `headers`, `body`
function wire.failure(context, failure)
  local shape, member = "GeneralError", "message"
  if failure.modelled then
    shape, member = "ModelledError", "Message"
  end
  local content = { __type = failure.code, [member] = failure.message }
  local body = codecs().errors:encode(shape, content)
  if not body then -- the message quotes bytes of the request that are not UTF-8
    content[member] = failure.message:gsub("[\128-\255]", "?")
    body = assert(codecs().errors:encode(shape, content))
  end
  local answer = response(failure.status, body, context)
  answer.headers[#answer.headers + 1] = { "x-amzn-errortype", failure.code }
  if failure.status == 405 then
    answer.headers[#answer.headers + 1] = { "allow", "POST" }
  end
  for _, pair in ipairs(failure.headers or {}) do
    answer.headers[#answer.headers + 1] = pair
  end
  return answer
end

return wire
