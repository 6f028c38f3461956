local skew = require "cloudhsmv2.retry.skew"

local NOW = 1767225600 -- Thu, 01 Jan 2026 00:00:00 GMT
local AHEAD = "Thu, 01 Jan 2026 00:05:01 GMT"
local EXACT = "Thu, 01 Jan 2026 00:00:01 GMT"

local function new(disabled)
  return skew.new(function()
    return NOW
  end, disabled)
end

describe("the clock of a call", function()
  it("is the machine's until an answer tells otherwise", function()
    assert.are.equal(NOW, new():start():time())
  end)

  it("takes the difference between the date and the middle of the exchange", function()
    local clock = new()
    local call = clock:start()
    assert.are.equal(300, call:observe({ date = AHEAD }, NOW, NOW + 2))
    assert.are.equal(NOW + 300, call:time())
    assert.are.equal(300, clock.seconds)
    assert.are.equal(NOW + 300, clock:start():time())
  end)

  it("goes back when the machine's clock is right again", function()
    local clock = new()
    clock.seconds = 300
    local call = clock:start()
    assert.are.equal(-300, call:observe({ date = EXACT }, NOW, NOW + 2))
    assert.are.equal(NOW, call:time())
  end)

  it("is not changed under a call by what another one learns", function()
    local clock = new()
    local first, second = clock:start(), clock:start()
    second:observe({ date = AHEAD }, NOW, NOW + 2)
    assert.are.equal(NOW, first:time())
    assert.are.equal(300, clock.seconds)
  end)

  it("learns nothing from answers without a good date, out of a cache, or that took too long", function()
    local useless = {
      { {}, 0, 2 },
      { { date = "today" }, 0, 2 },
      { { date = AHEAD, age = "17280" }, 0, 2 },
      { { date = AHEAD }, 0, 901 },
      { { date = AHEAD }, 0, -1 }, -- the machine's clock was set meanwhile
    }
    for _, case in ipairs(useless) do
      local clock = new()
      local call = clock:start()
      assert.is_nil(call:observe(case[1], NOW + case[2], NOW + case[3]))
      assert.are.equal(0, clock.seconds)
      assert.is_false(call:explains "RequestTimeTooSkewed")
    end
    assert.is_truthy(new():start():observe({ date = "Thu, 01 Jan 2026 01:00:00 GMT" }, NOW, NOW + 900))
  end)

  it("stays the machine's where that is wanted", function()
    local clock = new(true)
    local call = clock:start()
    assert.is_nil(call:observe({ date = AHEAD }, NOW, NOW + 2))
    assert.are.equal(NOW, call:time())
    assert.are.equal(0, clock.seconds)
  end)
end)

describe("a refusal", function()
  local function explained(code, date)
    local call = new():start()
    call:observe({ date = date or AHEAD }, NOW, NOW + 2)
    return call:explains(code)
  end

  it("is explained by a clock that was off, where its code is about signature or time", function()
    for _, code in ipairs {
      "RequestTimeTooSkewed",
      "InvalidSignatureException",
      "SignatureDoesNotMatch",
      "AuthFailure",
      "AccessDeniedException",
    } do
      assert.is_true(explained(code))
      assert.is_false(explained(code, EXACT))
    end
  end)

  it("has other reasons where its code says so", function()
    for _, code in ipairs { "RequestExpired", "ExpiredTokenException", "ThrottlingException", "HTTP403" } do
      assert.is_false(explained(code))
    end
  end)

  it("is explained by more than four minutes, exactly", function()
    assert.is_false(explained("RequestTimeTooSkewed", "Thu, 01 Jan 2026 00:04:01 GMT"))
    assert.is_true(explained("RequestTimeTooSkewed", "Thu, 01 Jan 2026 00:04:02 GMT"))
    assert.is_false(explained("RequestTimeTooSkewed", "Wed, 31 Dec 2025 23:56:01 GMT"))
    assert.is_true(explained("RequestTimeTooSkewed", "Wed, 31 Dec 2025 23:56:00 GMT"))
  end)

  it("is not explained by an earlier answer", function()
    local call = new():start()
    call:observe({ date = AHEAD }, NOW, NOW + 2)
    call:observe({ date = AHEAD }, NOW, NOW + 2)
    assert.is_false(call:explains "RequestTimeTooSkewed")
    call = new():start()
    call:observe({ date = AHEAD }, NOW, NOW + 2)
    call:forget()
    assert.is_false(call:explains "RequestTimeTooSkewed")
  end)
end)
