--- Exchanges in a file: what was asked and what was answered, one JSON object a line, for `cloudhsmv2.emulator.replay`.
--
-- | member | meaning |
-- | --- | --- |
-- | `time` | seconds since 1970 |
-- | `operation` | as `DescribeBackups`, where the request names one |
-- | `request` | `method`, `target`, `headers` (a list of `[name, value]`), `body` |
-- | `response` | `status`, `headers`, `body`; and `delivery`, where an injected fault let it travel in another way |
-- | `failure` | in place of `response`, for a client's exchange without an answer: `kind`, `code`, `message`, `sent`, `status` |
--
-- Signatures, session tokens and PreCoPassword are blotted out as they are written. A body that is not UTF-8 is there as
-- base64, in `body_base64`. Account numbers, ids and certificates are in it: look before you hand such a file on.
-- @module cloudhsmv2.emulator.recording

local codec = require "cloudhsmv2.codec"
local errors = require "cloudhsmv2.errors"
local lower = require("cloudhsmv2.text").lower
local ram = require "cloudhsmv2.emulator.ram.model"
local redact = require "cloudhsmv2.redact"

local recording = {}
local methods = {}
local metatable = { __name = "cloudhsmv2.emulator.recording", __index = methods }

local REDACTED = "[redacted]"
local SECRET_HEADERS = { authorization = true, ["x-amz-security-token"] = true }
local SECRET_MEMBERS = { PreCoPassword = true }

local function structure(fields)
  local shape = { type = "structure", members = {}, order = {} }
  for _, field in ipairs(fields) do
    shape.members[field[1]] = { shape = field[2] }
    shape.order[#shape.order + 1] = field[1]
  end
  return shape
end

local SHAPES = {
  Text = { type = "string" },
  Number = { type = "double" },
  Status = { type = "integer" },
  Bytes = { type = "blob" },
  Any = { type = "document" },
  Pair = { type = "list", member = { shape = "Text" } },
  Headers = { type = "list", member = { shape = "Pair" } },
  Request = structure {
    { "method", "Text" },
    { "target", "Text" },
    { "headers", "Headers" },
    { "body", "Text" },
    { "body_base64", "Bytes" },
  },
  Response = structure {
    { "status", "Status" },
    { "headers", "Headers" },
    { "body", "Text" },
    { "body_base64", "Bytes" },
    { "delivery", "Any" },
  },
  Failure = structure {
    { "kind", "Text" },
    { "code", "Text" },
    { "message", "Text" },
    { "sent", "Text" },
    { "status", "Status" },
  },
  Exchange = structure {
    { "time", "Number" },
    { "operation", "Text" },
    { "request", "Request" },
    { "response", "Response" },
    { "failure", "Failure" },
  },
}

-- RAM's operations by path.
local BY_PATH = {}
for name in pairs(ram.operations) do
  BY_PATH["/" .. lower(name)] = name
end

-- Compiled at the first use, so that `require` does nothing.
local compiled
local function model()
  compiled = compiled or codec.compile(SHAPES)
  return compiled
end

local function is_utf8(text)
  return model():encode("Text", text) ~= nil
end

local function printable(text)
  return is_utf8(text) and text or (text:gsub("[\128-\255]", "?"))
end

local function safe_headers(headers)
  local out = {}
  for i, pair in ipairs(headers) do
    out[i] = { printable(pair[1]), SECRET_HEADERS[lower(pair[1])] and REDACTED or printable(pair[2]) }
  end
  return out
end

-- Puts a body where it belongs.
local function with_body(out, body)
  body = redact.members(body or "", SECRET_MEMBERS)
  if is_utf8(body) then
    out.body = body
  else
    out.body_base64 = body
  end
  return out
end

--- The operation that a request names: by its header, or for RAM by its path.
-- @tparam table request `target` and `headers`
-- @treturn ?string
function recording.operation_of(request)
  for _, pair in ipairs(request.headers) do
    if lower(pair[1]) == "x-amz-target" then
      return pair[2]:match "%.([A-Za-z0-9]+)$"
    end
  end
  return BY_PATH[request.target:match "^[^?]*"]
end

--- Writes an exchange down.
-- @tparam number time seconds since 1970
-- @tparam table request `method`, `target`, `headers` (a list of `{ name, value }`) and `body`
-- @tparam ?table answer `status`, `headers`, `body` and perhaps `delivery`
-- @tparam[opt] table failed what came in place of an answer
-- @treturn ?boolean true, or nil and why not
function methods:write(time, request, answer, failed)
  local exchange = {
    time = time,
    operation = recording.operation_of(request),
    request = with_body({
      method = printable(request.method),
      target = printable(request.target),
      headers = safe_headers(request.headers),
    }, request.body),
  }
  if answer then
    exchange.response = with_body({
      status = answer.status,
      headers = safe_headers(answer.headers),
      delivery = answer.delivery,
    }, answer.body)
  else
    exchange.failure = {}
    for name in pairs(SHAPES.Failure.members) do
      exchange.failure[name] = failed[name]
    end
  end
  local line = assert(model():encode("Exchange", exchange, { constraints = false }))
  local written, reason = self.file:write(line, "\n")
  if written then
    written, reason = self.file:flush()
  end
  if not written and self.on_error then
    self.on_error(("cannot record to %s: %s"):format(self.path, tostring(reason)))
  end
  return written and true, reason
end

--- Closes the file. Closing twice is fine.
function methods:close()
  if self.file then
    self.file:close()
    self.file = nil
  end
end

--- Reads a line of a recording.
-- @tparam string line
-- @treturn[1] table an exchange, as described above; its bodies are in `body`
-- @treturn[2] nil
-- @treturn[2] string what is wrong
function recording.read(line)
  local exchange, err = model():decode("Exchange", line)
  if type(exchange) ~= "table" then
    return nil, err and err.message or "it is no object"
  end
  local request, response = exchange.request, exchange.response
  if not request or not request.method or not request.target then
    return nil, "it has no request"
  elseif not exchange.failure and not (response and response.status) then
    return nil, "it has no response"
  end
  for _, side in ipairs { request, response } do
    side.body = side.body or side.body_base64 or ""
    side.headers = side.headers or {}
  end
  return exchange
end

--- Opens a file to write exchanges to, behind those that it has.
-- @tparam string path
-- @treturn[1] table with `write` and `close`; its `on_error`, a function, is told when an exchange cannot be written
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config`
function recording.open(path)
  local file, reason = io.open(path, "ab")
  if not file then
    return nil, errors.new { kind = "config", code = "CannotRecord", message = "cannot record to " .. tostring(reason) }
  end
  return setmetatable({ path = path, file = file }, metatable)
end

local function pairs_of(headers)
  local out = {}
  for name, value in pairs(headers) do
    out[#out + 1] = { name, tostring(value) }
  end
  table.sort(out, function(a, b)
    return a[1] < b[1]
  end)
  return out
end

--- A client's runtime that writes down what goes through it, so that answers of AWS become fixtures.
-- @tparam table inner another runtime
-- @tparam table recorder as of `open`
-- @treturn table a runtime
-- @usage
-- local recorder = assert(recording.open "aws.jsonl")
-- local client = cloudhsmv2.new { region = "eu-west-1", runtime = recording.runtime(require("cloudhsmv2.runtime").new {}, recorder) }
function recording.runtime(inner, recorder)
  local function send(request)
    local response, err = inner.send(request)
    local seen = {
      method = request.method,
      target = request.url:match "^%w+://[^/]*(/.*)$" or "/",
      headers = request.headers or {},
      body = request.body,
    }
    if response then
      local answer = { status = response.status, headers = pairs_of(response.headers), body = response.body }
      recorder:write(inner.time(), seen, answer)
    else
      recorder:write(inner.time(), seen, nil, err)
    end
    return response, err
  end
  return setmetatable({ send = send }, { __index = inner })
end

return recording
