local clock = require "cloudhsmv2.emulator.clock"

local function machine()
  local source = { wall = 1000, slept = 0 }
  function source.time()
    return source.wall
  end
  function source.now()
    return source.wall - 500
  end
  function source.sleep(seconds)
    source.slept = source.slept + seconds
  end
  return source
end

describe("a frozen clock", function()
  it("moves only when it is advanced, or slept on", function()
    local source = machine()
    local frozen = clock.new("frozen", 100, source)
    source.wall = 2000
    assert.are.equal(100, frozen:time())
    frozen:advance(5)
    frozen:sleep(7)
    assert.are.equal(112, frozen:time())
    assert.are.equal(12, frozen:now())
    assert.are.equal(0, source.slept)
  end)

  it("starts at the wall clock's time when it is told none", function()
    assert.are.equal(1000, clock.new("frozen", nil, machine()):time())
  end)
end)

describe("a scaled clock", function()
  it("runs that many times as fast", function()
    local source = machine()
    local scaled = clock.new("scaled:60", 100, source)
    source.wall = 1010
    assert.are.equal(700, scaled:time())
    scaled:sleep(30)
    assert.are.equal(730, scaled:time())
    assert.are.equal(0, source.slept)
  end)

  it("may run slower than the wall clock", function()
    local source = machine()
    local scaled = clock.new("scaled:0.5", 0, source)
    source.wall = 1010
    assert.are.equal(5, scaled:time())
  end)
end)

describe("a real clock", function()
  it("runs with the wall clock, and sleeping takes as long as it says", function()
    local source = machine()
    local real = clock.new("real", nil, source)
    source.wall = 1010
    assert.are.equal(1010, real:time())
    real:sleep(3)
    assert.are.equal(3, source.slept)
    real:advance(60)
    assert.are.equal(1070, real:time())
  end)
end)

describe("a clock", function()
  it("refuses modes that it does not know", function()
    for _, mode in ipairs { "fast", "scaled", "scaled:0", "scaled:-1", "scaled:x", 5 } do
      local made, err = clock.new(mode, 0, machine())
      assert.is_nil(made)
      assert.are.equal("config", err.kind)
    end
  end)

  it("never goes back", function()
    local frozen = clock.new("frozen", 0, machine())
    for _, seconds in ipairs { -1, 0 / 0, math.huge, "5" } do
      assert.has_error(function()
        frozen:advance(seconds)
      end)
    end
  end)

  it("goes on exactly where another one was", function()
    local first = assert(clock.new("frozen", 1767225600.1))
    for _ = 1, 100 do
      first:advance(0.1)
    end
    local second = assert(clock.new("frozen", 5))
    second:advance(7)
    second:load(first:dump())
    for _ = 1, 100 do
      assert.are.equal(first:time(), second:time())
      first:advance(1 / 3)
      second:advance(1 / 3)
    end
    assert.is_true(math.abs(second:now() - 7 - 100 / 3) < 0.001)
  end)

  it("that is real goes on with the wall clock, but never behind what another one showed", function()
    local wall = 1000
    local source = {
      time = function()
        return wall
      end,
      now = function()
        return wall
      end,
    }
    local function resumed(saved)
      local real = assert(clock.new("real", nil, source))
      real:resume(saved)
      return real:time()
    end
    assert.are.equal(1030, resumed { start = 500, advanced = 30, mode = "real" })
    assert.are.equal(1530, resumed { start = 1500, advanced = 30, mode = "real" })
    assert.are.equal(1000, resumed { start = 500, advanced = 300, mode = "frozen" })
    assert.are.equal(1200, resumed { start = 500, advanced = 700, mode = "scaled" })
  end)
end)
