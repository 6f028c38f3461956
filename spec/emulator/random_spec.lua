local random = require "cloudhsmv2.emulator.random"

describe("ids", function()
  it("are the same for the same seed, on every VM", function()
    local one, two = random.new(1), random.new(1)
    assert.are.equal(one:id "cluster", two:id "cluster")
    assert.are.equal("cluster-nqf4iq2uzsc", random.new(1):id "cluster")
    assert.are.not_equal(random.new(2):id "cluster", random.new(1):id "cluster")
  end)

  it("have the forms of the service and of EC2", function()
    local chance = random.new(7)
    assert.matches("^hsm%-[a-z2-7]+$", chance:id "hsm")
    assert.are.equal(15, #chance:id "hsm")
    assert.matches("^eni%-0%x+$", chance:ec2_id "eni")
    assert.are.equal(21, #chance:ec2_id "eni")
    assert.matches("^%x+%-%x+%-4%x+%-a%x+%-%x+$", chance:uuid())
  end)

  it("do not repeat", function()
    local chance, seen = random.new(1), {}
    for _ = 1, 2000 do
      local id = chance:id "x"
      assert.is_nil(seen[id])
      seen[id] = true
    end
  end)

  it("can be drawn from another source", function()
    local function zero()
      return 0
    end
    assert.are.equal("x-aaaaaaaaaaa", random.new(1, zero):id "x")
  end)
end)

describe("a seeded generator", function()
  it("spreads over [0, 1)", function()
    local draw, buckets = random.new(3).draw, {}
    for _ = 1, 10000 do
      local value = draw()
      assert.is_true(value >= 0 and value < 1)
      local bucket = math.floor(value * 10)
      buckets[bucket] = (buckets[bucket] or 0) + 1
    end
    for bucket = 0, 9 do
      assert.is_true(buckets[bucket] > 850 and buckets[bucket] < 1150)
    end
  end)

  it("goes on where another generator was", function()
    local first, second = random.new(3), random.new(4)
    first:id "a"
    second:load(first:dump())
    for _ = 1, 20 do
      assert.are.equal(first:uuid(), second:uuid())
    end
    local theirs = random.new(5, math.random)
    assert.are.same({}, theirs:dump())
    theirs:load(first:dump())
    assert.are.equal(math.random, theirs.draw)
  end)
end)
