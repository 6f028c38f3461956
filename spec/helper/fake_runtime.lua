--- A runtime whose answers are a script and whose clocks move only when told.

local fake_runtime = {}

--- @tparam[opt] table|function script the answers in turn, the last one repeats: `{ status, body, headers }`, or
-- `{ failure = ... }`; or a function of the request that returns one. Without it every answer is an empty success.
-- @treturn table the runtime; `requests` are those sent, `slept` the seconds of each sleep, `clock` its monotonic time,
-- `closed` how often it was closed
function fake_runtime.new(script)
  local runtime = { requests = {}, slept = {}, clock = 100, wall = 1440938160, closed = 0, exchange_time = 0 }

  function runtime.send(request)
    runtime.requests[#runtime.requests + 1] = request
    runtime.clock = runtime.clock + runtime.exchange_time
    local answer = script or {}
    if type(answer) == "function" then
      answer = answer(request)
    elseif answer[1] then
      answer = answer[math.min(#runtime.requests, #answer)]
    end
    if answer.failure then
      return nil, answer.failure
    end
    return { status = answer.status or 200, headers = answer.headers or {}, body = answer.body or "{}" }
  end

  function runtime.sleep(seconds)
    runtime.slept[#runtime.slept + 1] = seconds
    runtime.clock = runtime.clock + seconds
  end

  function runtime.now()
    return runtime.clock
  end

  function runtime.time()
    return runtime.wall
  end

  function runtime.close()
    runtime.closed = runtime.closed + 1
  end

  return runtime
end

--- The value of a request's header.
-- @treturn string|nil
function fake_runtime.header(request, name)
  for _, header in ipairs(request.headers) do
    if header[1]:lower() == name:lower() then
      return header[2]
    end
  end
end

return fake_runtime
