local adaptive = require "cloudhsmv2.retry.adaptive"

local function near(expected, actual)
  assert.is_true(math.abs(expected - actual) < 1e-9, expected .. " is not " .. actual)
end

-- A limiter that was used twice a second and throttled at 2 seconds: it may send 0.7 * 2 requests a second.
local function throttled_limiter()
  local limiter = adaptive.new()
  limiter:reserve(0, math.huge)
  for i = 1, 20 do
    limiter:received(false, i * 0.5)
  end
  limiter:received(true, 10.1)
  return limiter
end

describe("the rate", function()
  it("falls to seven tenths with a throttled answer", function()
    near(7, adaptive.reduced(10))
  end)

  it("begins where it fell to, is back after the plateau's time, and then grows beyond", function()
    near(7, adaptive.grown(0, 10))
    near(10, adaptive.grown(7.5 ^ (1 / 3), 10))
    assert.is_true(adaptive.grown(1, 10) > 7 and adaptive.grown(1, 10) < 10)
    assert.is_true(adaptive.grown(5, 10) > 15)
  end)

  it("is measured over half seconds, the newest with a weight of eight tenths", function()
    local limiter = adaptive.new()
    limiter:reserve(0.1, math.huge)
    limiter:received(false, 0.2)
    limiter:received(false, 0.4)
    assert.are.equal(0, limiter.measured)
    limiter:received(false, 0.6)
    near(4.8, limiter.measured) -- 3 answers in half a second
    limiter:received(false, 0.8)
    limiter:received(false, 1.0)
    near(4.16, limiter.measured) -- then 2
  end)
end)

describe("the limiter", function()
  it("lets everything through until the first throttled answer", function()
    local limiter = adaptive.new()
    for i = 1, 1000 do
      assert.are.equal(0, limiter:reserve(i / 1000, math.huge))
      limiter:received(false, i / 1000)
    end
  end)

  it("holds back after it, each who comes behind the one before", function()
    local limiter = throttled_limiter()
    near(0.7 * limiter.measured, limiter.fill)
    near(1 / limiter.fill, limiter:reserve(10.1, math.huge))
    near(2 / limiter.fill, limiter:reserve(10.1, math.huge))
    near(3 / limiter.fill - 0.5, limiter:reserve(10.6, math.huge))
  end)

  it("lets one through at once when there was none for a while", function()
    local limiter = throttled_limiter()
    assert.are.equal(0, limiter:reserve(60, math.huge))
    assert.is_true(limiter:reserve(60, math.huge) > 0)
  end)

  it("reserves nothing for those who cannot wait", function()
    local limiter = throttled_limiter()
    local delay = 1 / limiter.fill
    assert.is_nil(limiter:reserve(10.1, delay / 2))
    assert.is_nil(limiter:reserve(10.1, delay))
    near(delay, limiter:reserve(10.1, math.huge))
  end)

  it("never goes below half a request a second", function()
    local limiter = throttled_limiter()
    for i = 1, 50 do
      limiter:received(true, 10.1 + i)
      assert.is_true(limiter.fill >= 0.5)
    end
    assert.are.equal(0.5, limiter.fill)
    local first = adaptive.new()
    first:received(true, 3.3)
    assert.are.equal(0.5, first.fill)
  end)

  it("never allows more than twice what is sent", function()
    local limiter = throttled_limiter()
    for i = 1, 400 do
      limiter:received(false, 10.1 + i * 0.5)
      assert.is_true(limiter.fill <= math.max(2 * limiter.measured, 0.5))
    end
    near(2 * limiter.measured, limiter.fill)
  end)

  it("stands a clock that goes back", function()
    local limiter = throttled_limiter()
    assert.is_true(limiter:reserve(9, math.huge) >= 0)
    limiter:received(false, 8)
    assert.is_true(limiter.fill >= 0.5)
  end)
end)
