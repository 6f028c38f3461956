local backoff = require "cloudhsmv2.retry.backoff"

local function always(value)
  return function()
    return value
  end
end

describe("the delay before another attempt", function()
  it("doubles with every failed attempt", function()
    assert.are.equal(0.05, backoff.delay(1, false, always(1)))
    assert.are.equal(0.10, backoff.delay(2, false, always(1)))
    assert.are.equal(0.20, backoff.delay(3, false, always(1)))
  end)

  it("starts at a second when the service asked to slow down", function()
    assert.are.equal(1, backoff.delay(1, true, always(1)))
    assert.are.equal(4, backoff.delay(3, true, always(1)))
  end)

  it("never passes twenty seconds, however many attempts failed", function()
    assert.are.equal(20, backoff.delay(60, true, always(1)))
    assert.are.equal(20, backoff.delay(5000, false, always(1)))
  end)

  it("spreads over the whole range from nothing, even when capped", function()
    assert.are.equal(0, backoff.delay(1, false, always(0)))
    assert.are.equal(0.0125, backoff.delay(1, false, always(0.25)))
    assert.are.equal(5, backoff.delay(60, false, always(0.25)))
  end)
end)

describe("what an answer asks to wait", function()
  local now = 1767225600 -- Thu, 01 Jan 2026 00:00:00 GMT

  local function asked(amz, standard)
    return backoff.asked({ ["x-amz-retry-after"] = amz, ["retry-after"] = standard }, now)
  end

  it("is in milliseconds in AWS's own header", function()
    assert.are.equal(1.5, asked "1500")
    assert.are.equal(0, asked "0")
    assert.are.equal(0.25, asked " 250 ")
  end)

  it("is in seconds, or a date, in the header of HTTP", function()
    assert.are.equal(3, asked(nil, "3"))
    assert.are.equal(7, asked(nil, "Thu, 01 Jan 2026 00:00:07 GMT"))
    assert.are.equal(0, asked(nil, "Wed, 31 Dec 2025 23:59:59 GMT"))
  end)

  it("is AWS's own where there are both", function()
    assert.are.equal(0.1, asked("100", "9"))
    assert.are.equal(9, asked("soon", "9"))
  end)

  it("is nothing when it makes no sense", function()
    for _, value in ipairs { "-100", "1.5", "1e3", "0x10", "", "soon", "nan", "1, 2" } do
      assert.is_nil(asked(value))
      assert.is_nil(asked(nil, value))
    end
    assert.is_nil(asked())
    assert.is_nil(backoff.asked(nil, now))
  end)
end)

describe("a delay that heeds the service", function()
  it("is what it asked for, between our own delay and five seconds above", function()
    assert.are.equal(1.5, backoff.heeding(0.05, 1.5))
    assert.are.equal(0.05, backoff.heeding(0.05, 0.01))
    assert.are.equal(5.05, backoff.heeding(0.05, 10))
    assert.are.equal(5.05, backoff.heeding(0.05, math.huge))
    assert.are.equal(25, backoff.heeding(20, 3600))
  end)

  it("is our own where it asked for nothing", function()
    assert.are.equal(0.05, backoff.heeding(0.05, nil))
  end)
end)
