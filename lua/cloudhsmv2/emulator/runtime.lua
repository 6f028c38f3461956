--- The emulator as a client's runtime: requests become calls, waits move its clock.
-- @module cloudhsmv2.emulator.runtime

local delivery = require "cloudhsmv2.emulator.delivery"
local lower = require("cloudhsmv2.text").lower

local runtime = {}

local function failure(code, message)
  return nil, { kind = "config", code = code, message = message, sent = "no" }
end

local function by_lower_name(headers)
  local out = {}
  for _, pair in ipairs(headers) do
    local name = lower(pair[1])
    out[name] = out[name] and out[name] .. ", " .. pair[2] or pair[2]
  end
  return out
end

-- Scheme, host (with its port, unless that is the scheme's own) and target of a URL.
local function split_url(url)
  local scheme, host, target = url:match "^(https?)://([^/?#]+)([^#]*)$"
  if not scheme then
    return nil
  end
  host = lower(host):gsub(scheme == "https" and ":443$" or ":80$", "")
  if target:sub(1, 1) ~= "/" then
    target = "/" .. target
  end
  return host, target
end

-- What a runtime with a network would say of an answer that did not come whole.
local FAILURES = {
  DeadlineExceeded = { kind = "timeout", message = "the exchange with %s did not end in time" },
  ReadTimeout = { kind = "timeout", message = "%s sent nothing for too long" },
  EmptyReply = { kind = "transport", message = "%s closed the connection without an answer" },
  TruncatedBody = { kind = "protocol", message = "%s closed the connection in the middle of its answer" },
  UnsupportedEncoding = { kind = "protocol", message = "the answer of %s is compressed, though none was asked for" },
}

-- The limit of the request that another `pause` seconds after `spent` would pass: how long is left, and its code.
local function limit_passed(request, spent, pause)
  local left = (request.timeout or math.huge) - spent
  local patience = request.read_timeout or math.huge
  if pause > left and left <= patience then
    return left, "DeadlineExceeded"
  elseif pause > patience then
    return patience, "ReadTimeout"
  end
end

-- Takes an answer that travels in another way than usual. Returns the body as far as it came; and if it did not come whole,
-- the code of the failure and whether the head had come. `sleep` moves the emulator's clock.
local function receive(request, answer, sleep)
  local spent, headed, body = 0, false, {}
  local code = delivery.send(answer, {
    wait = function(seconds)
      local left, passed = limit_passed(request, spent, seconds)
      sleep(left or seconds)
      spent = spent + seconds
      return passed
    end,
    head = function()
      headed = true
    end,
    body = function(bytes)
      body[#body + 1] = bytes
    end,
    break_off = function()
      return headed and "TruncatedBody" or "EmptyReply"
    end,
  })
  return table.concat(body), code, headed
end

--- A runtime over an emulator.
-- @tparam table emulator
-- @treturn table
function runtime.new(emulator)
  local closed = false

  local function sleep(seconds)
    emulator.clock:sleep(seconds)
  end

  local function send(request)
    if closed then
      return failure("RuntimeClosed", "the runtime is closed")
    end
    local host, target = split_url(request.url)
    if not host then
      return failure("InvalidUrl", "not an http or https URL: " .. tostring(request.url))
    end
    local headers = { { "Host", host } }
    for _, pair in ipairs(request.headers or {}) do
      if lower(pair[1]) ~= "host" then
        headers[#headers + 1] = pair
      end
    end
    local answer = emulator:handle { method = request.method, target = target, headers = headers, body = request.body }
    local response = { status = answer.status, headers = by_lower_name(answer.headers), body = answer.body }
    local code, headed = nil, true
    if answer.delivery then
      response.body, code, headed = receive(request, answer, sleep)
    end
    if not code and (response.headers["content-encoding"] or "identity") ~= "identity" then
      code = "UnsupportedEncoding"
    end
    if not code then
      return response
    end
    local failed = FAILURES[code]
    return nil,
      {
        kind = failed.kind,
        code = code,
        message = failed.message:format(host),
        sent = headed and "yes" or "maybe",
        status = headed and answer.status or nil,
      }
  end

  return {
    send = send,
    sleep = sleep,
    now = function()
      return emulator.clock:now()
    end,
    time = function()
      return emulator.clock:time()
    end,
    close = function()
      closed = true
    end,
  }
end

return runtime
