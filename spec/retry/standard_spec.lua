local standard = require "cloudhsmv2.retry.standard"

local TRANSIENT = { kind = "service", code = "HTTP500", status = 500, sent = "yes", retryable = true }
local THROTTLED = { kind = "throttled", code = "ThrottlingException", status = 400, sent = "yes", retryable = true }
local REFUSED = { kind = "service", code = "CloudHsmTagException", status = 400, sent = "yes", retryable = false }
local UNREADABLE = { kind = "protocol", code = "NotJson", status = 200, sent = "yes", retryable = true }

local function always(value)
  return function()
    return value
  end
end

local function policy_of(fields)
  fields = fields or {}
  fields.random = fields.random or always(1)
  return standard.new(fields)
end

local function fail(call, err, fields)
  local failed = { err = err, now = 0, time = 0, room = math.huge }
  for name, value in pairs(fields or {}) do
    failed[name] = value
  end
  return call:failed(failed)
end

describe("after a failed attempt", function()
  it("comes another, up to the number that is allowed", function()
    local call = policy_of():start(4)
    assert.are.equal(0.05, fail(call, TRANSIENT))
    assert.are.equal(0.1, fail(call, TRANSIENT))
    assert.are.equal(0.2, fail(call, TRANSIENT))
    local delay, limit = fail(call, TRANSIENT)
    assert.is_nil(delay)
    assert.are.equal("MaxAttemptsReached", limit)
  end)

  it("comes none when a repetition would not help, and no limit is to blame", function()
    local policy = policy_of { quota = 0 }
    local delay, limit = fail(policy:start(1), REFUSED)
    assert.is_nil(delay)
    assert.is_nil(limit)
  end)

  it("comes one more, and not a second, when the failure is worth one try", function()
    local call = policy_of():start(9)
    assert.is_truthy(fail(call, UNREADABLE))
    local delay, limit = fail(call, UNREADABLE)
    assert.is_nil(delay)
    assert.is_nil(limit)
  end)

  it("counts each failure that is worth one try by itself", function()
    local call = policy_of():start(9)
    assert.is_truthy(fail(call, TRANSIENT))
    assert.is_truthy(fail(call, UNREADABLE))
    assert.is_truthy(fail(call, TRANSIENT))
    assert.is_nil(fail(call, UNREADABLE))
  end)

  it("comes another for a refusal that a corrected clock explains, at the cost of a transient failure", function()
    local policy = policy_of()
    local refusal = { kind = "auth", code = "InvalidSignatureException", sent = "yes", retryable = true }
    assert.are.equal(0.05, fail(policy:start(3), refusal, { cured = true }))
    assert.are.equal(486, policy.quota.left)
    assert.is_nil(fail(policy:start(3), refusal, { cured = false }))
  end)

  it("grows the delay with every attempt, whatever kind of failure it was", function()
    local call = policy_of():start(9)
    fail(call, TRANSIENT)
    assert.are.equal(2, fail(call, THROTTLED))
    assert.are.equal(0.2, fail(call, TRANSIENT))
  end)

  it("waits as the service asks, by its own clock", function()
    local call = policy_of():start(9)
    assert.are.equal(1.5, fail(call, TRANSIENT, { headers = { ["x-amz-retry-after"] = "1500" } }))
    assert.are.equal(5.1, fail(call, TRANSIENT, { headers = { ["x-amz-retry-after"] = "60000" } }))
    local date = { ["retry-after"] = "Thu, 01 Jan 2026 00:00:03 GMT" }
    assert.are.equal(3, fail(call, TRANSIENT, { headers = date, time = 1767225600 }))
  end)

  it("comes none when the call has no time for the delay, and nothing is spent", function()
    local policy = policy_of()
    local call = policy:start(3)
    local delay, limit = fail(call, TRANSIENT, { room = 0.05 })
    assert.is_nil(delay)
    assert.is_nil(limit)
    assert.are.equal(500, policy.quota.left)
    assert.are.equal(0.05, fail(policy:start(3), TRANSIENT, { room = 0.051 }))
  end)
end)

describe("the quota", function()
  it("pays 14 for a retry, 5 after a throttled answer", function()
    local policy = policy_of()
    fail(policy:start(3), TRANSIENT)
    assert.are.equal(486, policy.quota.left)
    fail(policy:start(3), THROTTLED)
    assert.are.equal(481, policy.quota.left)
  end)

  it("ends retries when it is spent, and is not touched then", function()
    local policy = policy_of { quota = 20 }
    local call = policy:start(5)
    assert.is_truthy(fail(call, TRANSIENT))
    local delay, limit = fail(call, TRANSIENT)
    assert.is_nil(delay)
    assert.are.equal("RetryQuotaReached", limit)
    assert.are.equal(6, policy.quota.left)
    assert.is_truthy(fail(policy:start(5), THROTTLED))
    assert.are.equal(1, policy.quota.left)
  end)

  it("is not asked after the last attempt", function()
    local _, limit = fail(policy_of({ quota = 0 }):start(1), TRANSIENT)
    assert.are.equal("MaxAttemptsReached", limit)
  end)

  it("gets back what the last retry has cost from a call that succeeds, and one from a call without", function()
    local policy = policy_of { quota = 100 }
    local call = policy:start(3)
    fail(call, TRANSIENT)
    fail(call, THROTTLED)
    call:succeeded(0)
    assert.are.equal(100 - 14 - 5 + 5, policy.quota.left)
    policy:start(3):succeeded(0)
    assert.are.equal(87, policy.quota.left)
  end)

  it(
    "holds a storm down: a thousand calls that are all throttled send a hundred requests more, not two thousand",
    function()
      local policy, sends = policy_of(), 0
      for _ = 1, 1000 do
        local call = policy:start(3)
        repeat
          sends = sends + 1
        until not fail(call, THROTTLED)
      end
      assert.are.equal(1000 + 500 / 5, sends)
    end
  )
end)

describe("the delays of many calls", function()
  it("are spread over the whole range, so that they come in no waves", function()
    local seed = 1
    local policy = policy_of {
      random = function()
        seed = seed * 16807 % 2147483647
        return seed / 2147483647
      end,
    }
    local counts = {}
    for _ = 1, 1000 do
      policy.quota.left = 500
      local tenth = math.floor(fail(policy:start(3), THROTTLED) * 10)
      counts[tenth] = (counts[tenth] or 0) + 1
    end
    for tenth = 0, 9 do
      assert.is_true(counts[tenth] > 60 and counts[tenth] < 140, "tenth " .. tenth)
    end
  end)
end)

describe("a limiter", function()
  local function recorder()
    local told = {}
    return {
      told = told,
      reserve = function(_, now, room)
        return room > 2 and now or nil
      end,
      received = function(_, throttled, now)
        told[#told + 1] = { throttled, now }
      end,
    }
  end

  it("is asked before every attempt, and holds it back", function()
    local call = policy_of({ limiter = recorder() }):start(3)
    assert.are.equal(7, call:hold(7, 5))
    assert.is_nil(call:hold(7, 1))
    assert.are.equal(0, policy_of():start(3):hold(7, 1))
  end)

  it("is told of every answer, and of nothing that was never sent", function()
    local limiter = recorder()
    local call = policy_of({ limiter = limiter }):start(3)
    fail(call, THROTTLED, { now = 1 })
    fail(call, { kind = "transport", code = "CouldNotConnect", sent = "no", retryable = true }, { now = 2 })
    fail(call, REFUSED, { now = 3 })
    call:succeeded(4)
    assert.are.same({ { true, 1 }, { false, 3 }, { false, 4 } }, limiter.told)
  end)
end)
