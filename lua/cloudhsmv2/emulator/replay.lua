--- A recording as a server: it answers as was answered before, and nothing else.
--
-- Requests have to come as they were recorded: the next one has the operation and the body of the next exchange; how a body is
-- written as JSON does not matter, nor do signatures and other headers. With `order = "any"` different requests may come in
-- another order, and equal ones get their answers in the order of the recording, which suits clients that do several things at
-- once. A request that does not fit is refused with ReplayMismatchException (HTTP 400, so that no client tries again), and the
-- message says what was expected; the recording stays where it was.
-- @module cloudhsmv2.emulator.replay
-- @usage
-- local replay = assert(require("cloudhsmv2.emulator").replay "aws.jsonl")
-- local client = cloudhsmv2.new { region = "eu-west-1", credentials = keys, runtime = replay:runtime() }
-- our_report(client)
-- assert(replay:left() == 0)

local clock = require "cloudhsmv2.emulator.clock"
local errors = require "cloudhsmv2.errors"
local json = require "cloudhsmv2.emulator.json"
local lower = require("cloudhsmv2.text").lower
local recording = require "cloudhsmv2.emulator.recording"
local runtime = require "cloudhsmv2.emulator.runtime"

local replay = {}
local methods = {}
local metatable = { __name = "cloudhsmv2.emulator.replay", __index = methods }

local MISMATCH = "ReplayMismatchException"
local LONGEST = 300 -- bytes of a body that a message shows
-- Headers of one connection, and those that are made anew.
local DROPPED = { ["content-length"] = true, ["transfer-encoding"] = true, connection = true, ["keep-alive"] = true }

-- What has to agree, in words: the operation, or the method and target where there is none, and the body.
local function describe(request)
  local body = request.body or ""
  local value = json.decode(body)
  body = value ~= nil and json.encode(value) or body
  local query = request.target:match "%?.*$" or ""
  local name = recording.operation_of(request)
  return (name and name .. query or request.method .. " " .. request.target) .. " " .. body
end

local function shorten(text)
  return #text > LONGEST and text:sub(1, LONGEST) .. "..." or text
end

local function mismatch(message)
  local body = assert(json.encode { __type = MISMATCH, message = (message:gsub("[\128-\255]", "?")) })
  return {
    status = 400,
    headers = {
      { "content-type", "application/x-amz-json-1.1" },
      { "x-amzn-errortype", MISMATCH },
      { "content-length", tostring(#body) },
    },
    body = body,
  }
end

local function answer_of(exchange)
  if exchange.failure then
    return { status = 503, headers = {}, body = "", delivery = { drop = true }, failure = exchange.failure }
  end
  local response = exchange.response
  local headers = {}
  for _, pair in ipairs(response.headers) do
    if not DROPPED[lower(pair[1])] then
      headers[#headers + 1] = { pair[1], pair[2] }
    end
  end
  headers[#headers + 1] = { "content-length", tostring(#response.body) }
  return {
    status = response.status,
    headers = headers,
    body = response.body,
    delivery = response.delivery,
    skewed = true,
  }
end

-- Takes the exchange that answers a request; or nil and what was expected.
local function take(self, wanted)
  local queue = self.queues[self.order == "any" and wanted or true]
  local exchange = queue and queue[queue.used + 1]
  if exchange and exchange.description == wanted then
    queue.used = queue.used + 1
    self.remaining = self.remaining - 1
    return exchange
  elseif self.remaining == 0 then
    return nil, ("all %d exchanges of %s were used"):format(self.total, self.path)
  elseif self.order == "any" then
    return nil, ("none of the %d exchanges of %s that are left is such a one"):format(self.remaining, self.path)
  end
  return nil, ("line %d of %s is %s"):format(exchange.line, self.path, shorten(exchange.description))
end

--- Answers one request.
-- @tparam table request `method`, `target`, `headers` (a list of `{ name, value }`) and `body`
-- @treturn table `status`, `headers`, `body` and perhaps `delivery`, see `cloudhsmv2.emulator.delivery`
function methods:handle(request)
  local wanted = describe(request)
  local exchange, expected = take(self, wanted)
  if not exchange then
    return mismatch(("%s; the request is %s"):format(expected, shorten(wanted)))
  end
  return answer_of(exchange)
end

--- How many exchanges were not used yet.
-- @treturn integer
function methods:left()
  return self.remaining
end

--- A runtime for a client in the same program. Its clock shows the time of the first exchange and moves when the client sleeps; an
-- exchange that had failed fails in the same way.
-- @treturn table
function methods:runtime()
  local failed
  local inner = runtime.new {
    clock = self.clock,
    handle = function(_, request)
      local answer = self:handle(request)
      failed = answer.failure
      return answer
    end,
  }
  local function send(request)
    failed = nil
    local response, err = inner.send(request)
    if not failed then
      return response, err
    end
    local copy = {}
    for name, value in pairs(failed) do
      copy[name] = value
    end
    return nil, copy
  end
  return setmetatable({ send = send }, { __index = inner })
end

--- Nothing to do: the file was read.
function methods.close() end

local function failure(...)
  return nil, errors.new { kind = "config", code = "InvalidRecording", message = string.format(...) }
end

--- Reads a recording.
-- @tparam string path
-- @tparam[opt] table options `order`: `"strict"` (default) or `"any"`
-- @treturn[1] table with `handle`, `runtime` and `left`; it can stand behind a server (`cloudhsmv2.emulator.server`)
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config` that names the line
function replay.open(path, options)
  local order = options and options.order or "strict"
  if order ~= "strict" and order ~= "any" then
    return failure("order: expected strict or any, got %s", tostring(order))
  end
  local file, reason = io.open(path, "rb")
  if not file then
    return failure("cannot read the recording %s", tostring(reason))
  end
  local content = file:read "*a"
  file:close()
  if not content then
    return failure("cannot read the recording %s", path)
  end
  local queues, number, total, time = {}, 0, 0, nil
  for line in (content .. "\n"):gmatch "([^\n]*)\n" do
    number = number + 1
    if line:find "%S" then
      local exchange, problem = recording.read(line)
      if not exchange then
        return failure("%s:%d: not an exchange: %s", path, number, problem)
      end
      exchange.line, exchange.description = number, describe(exchange.request)
      local queue = order == "any" and exchange.description or true
      queues[queue] = queues[queue] or { used = 0 }
      table.insert(queues[queue], exchange)
      total, time = total + 1, time or exchange.time
    end
  end
  return setmetatable({
    path = path,
    order = order,
    queues = queues, -- of equal requests, or one of all
    total = total,
    remaining = total,
    clock = assert(clock.new("frozen", time)),
  }, metatable)
end

return replay
