local retry = require "cloudhsmv2.retry"

local function policy(mode)
  return retry.new {
    mode = mode,
    random = function()
      return 1
    end,
  }
end

local function throttle(call)
  local err = { kind = "throttled", code = "SlowDown", sent = "yes", retryable = true }
  return call:failed { err = err, now = 0.2, time = 0, room = math.huge }
end

describe("the standard mode", function()
  it("holds nothing back, however much the service throttles", function()
    local call = policy("standard"):start(3)
    assert.are.equal(1, throttle(call))
    assert.are.equal(0, call:hold(0.2, math.huge))
  end)
end)

describe("the adaptive mode", function()
  it("retries as the standard mode, and holds back what is sent after a throttled answer", function()
    local client = policy "adaptive"
    local call = client:start(3)
    assert.are.equal(0, call:hold(0, math.huge))
    assert.are.equal(1, throttle(call))
    assert.are.equal(495, client.quota.left)
    assert.are.equal(2, call:hold(0.2, math.huge)) -- half a request a second
    assert.are.equal(4, client:start(3):hold(0.2, math.huge))
  end)
end)
