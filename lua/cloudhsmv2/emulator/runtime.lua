--- The emulator as a client's runtime: requests become calls, waits move its clock.
-- @module cloudhsmv2.emulator.runtime

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

--- A runtime over an emulator.
-- @tparam table emulator
-- @treturn table
function runtime.new(emulator)
  local closed = false

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
    return { status = answer.status, headers = by_lower_name(answer.headers), body = answer.body }
  end

  return {
    send = send,
    sleep = function(seconds)
      emulator.clock:sleep(seconds)
    end,
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
