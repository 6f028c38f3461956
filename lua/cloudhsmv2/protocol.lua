--- AWS's `json` protocol: the headers of a request, and what an answer says.
-- Source: Smithy, "AWS JSON 1.1 protocol", with the tolerance of the AWS SDKs where answers are broken.
-- @module cloudhsmv2.protocol

local codec = require "cloudhsmv2.codec"
local errors = require "cloudhsmv2.errors"
local lazy = require "cloudhsmv2.lazy"

local classify = lazy "cloudhsmv2.retry.classify"
local redact = lazy "cloudhsmv2.redact"

local format = string.format

local MOST_BODY = 1024 -- bytes of a body that an error keeps
local MOST_CODE = 128 -- bytes of a code
local MOST_ERROR = 65536 -- bytes of an error's body that are looked at
local REQUEST_ID_HEADERS = { "x-amzn-requestid", "x-amzn-request-id", "x-amz-request-id" } -- the first is this service's

-- Any JSON object, for answers whose shape is not known yet.
local anything = codec.compile { Object = { type = "structure", members = {} } }

local protocol = {}

--- The headers that say what is asked for.
-- @tparam table metadata of the model: `jsonVersion`, `targetPrefix`
-- @tparam string operation `"DescribeBackups"`
-- @treturn table a list of `{ name, value }`
function protocol.headers(metadata, operation)
  return {
    { "Content-Type", "application/x-amz-json-" .. metadata.jsonVersion },
    { "X-Amz-Target", metadata.targetPrefix .. "." .. operation },
  }
end

--- The service's id of an exchange.
-- @tparam table headers names in lower case
-- @treturn string|nil
function protocol.request_id(headers)
  local id = headers["x-amzn-requestid"]
  if id and id ~= "" then
    return id
  end
  for _, name in ipairs(REQUEST_ID_HEADERS) do
    if headers[name] and headers[name] ~= "" then
      return headers[name]
    end
  end
end

-- What a body is that is no JSON object, in words.
local function not_an_object(body)
  local start = body:match "^[ \t\r\n]*([^ \t\r\n]*)"
  if start == "" then
    return "the answer is empty"
  elseif start:find "^{" then
    return "the answer is broken JSON"
  elseif start:find '^[%["]' or start == "null" or tonumber(start) then
    return "the answer is JSON, but no object"
  end
  local kind = start:find "^<[!hH]" and "HTML" or start:find "^<" and "XML" or "plain text"
  return format("the answer is %s, not JSON: is a proxy or a login page in the way?", kind)
end

-- Without the namespace before it and the address behind it: `aws.json#Name:http://...` is `Name`.
local function clean_code(value)
  if type(value) ~= "string" then
    return nil
  end
  local code = value:match("^[^:,]*"):match "[^#]*$"
  code = code:gsub("[^!-~]+", "")
  return code ~= "" and code:sub(1, MOST_CODE) or nil
end

local function message_of(members)
  for _, name in ipairs { "message", "Message", "errorMessage" } do
    if type(members[name]) == "string" and members[name] ~= "" then
      return members[name]
    end
  end
end

-- The name of the shape that a code stands for, if the model has it.
local function error_shape(shapes, code)
  local shape = shapes[code]
  if shape and shape.type == "structure" then
    return code
  end
end

local function is_redirect(status)
  return status >= 300 and status <= 399
end

--- What an answer says that is no success.
-- @tparam table model `shapes`, `compiled` (the codec's model of them) and `sensitive` (names that no error may show)
-- @tparam table response `status`, `headers`, `body`
-- @treturn table an error object: kind, code, message, status, request_id, `members` (of the error's shape), `body`
function protocol.failure(model, response)
  local status, body = response.status, redact.members(response.body:sub(1, MOST_ERROR), model.sensitive)
  local fields = {
    kind = "protocol",
    status = status,
    request_id = protocol.request_id(response.headers),
    sent = "yes",
    body = body:sub(1, MOST_BODY),
  }
  if is_redirect(status) then
    fields.code = "Redirect"
    fields.message =
      format("the answer is a redirect (HTTP %d), and redirects are never followed: check the endpoint", status)
    return errors.new(fields)
  elseif status < 200 or status > 599 then
    fields.code = "InvalidStatus"
    fields.message = format("%d is no status that a service answers with", status)
    return errors.new(fields)
  end

  local members = anything:decode("Object", body)
  local content = members or {}
  fields.code = clean_code(response.headers["x-amzn-errortype"])
    or clean_code(content.code)
    or clean_code(content.__type)
    or format("HTTP%d", status)
  local shape = members and error_shape(model.shapes, fields.code)
  fields.members = shape and model.compiled:decode(shape, body) or members
  fields.message = message_of(content)
    or (members or body == "") and format("the service gave no reason (HTTP %d)", status)
    or not_an_object(body)
  fields.kind = classify.kind(fields.code, status)
  return errors.new(fields)
end

--- What a successful answer holds.
-- @tparam table model `compiled` and `sensitive`, as above
-- @tparam table operation `output`, if it has one
-- @tparam table response `status`, `headers`, `body`
-- @treturn[1] table the output, without its metadata
-- @treturn[2] nil
-- @treturn[2] table an error object of kind `protocol`
function protocol.output(model, operation, response)
  local body = response.body
  if body == "" or not operation.output then
    return {}
  end
  local output, err = model.compiled:decode(operation.output.shape, body)
  if output then
    return output
  end
  if not body:find "^[ \t\r\n]*{" then
    err.code, err.message = "NotJson", not_an_object(body)
  elseif not body:sub(-MOST_BODY):find "}[ \t\r\n]*$" then
    err.code, err.message = "TruncatedBody", "the answer ends in the middle: " .. err.message
  else
    err.message = "the answer cannot be understood: " .. err.message
  end
  err.status = response.status
  err.request_id = protocol.request_id(response.headers)
  err.sent = "yes"
  err.body = redact.members(body:sub(1, MOST_BODY), model.sensitive)
  return nil, err
end

--- The names of members that no error may show.
-- @tparam table shapes
-- @treturn table names as keys
function protocol.sensitive_members(shapes)
  local names = {}
  for _, shape in pairs(shapes) do
    for name, member in pairs(shape.members or {}) do
      local target = shapes[member.shape]
      if member.sensitive or (target and target.sensitive) then
        names[name] = true
      end
    end
  end
  return names
end

return protocol
