local core = require "cloudhsmv2.core"

describe("the core's clocks", function()
  it("tells the time as the machine does", function()
    assert.is_true(math.abs(core.time() - os.time()) < 2)
  end)

  it("has a second clock that never goes back", function()
    local last = core.now()
    for _ = 1, 1000 do
      local now = core.now()
      assert.is_true(now >= last)
      last = now
    end
  end)

  it("sleeps at least as long as it is told, and not at all for nonsense", function()
    local start = core.now()
    core.sleep(0.02)
    assert.is_true(core.now() - start >= 0.02)
    core.sleep(0)
    core.sleep(-5)
    core.sleep(0 / 0)
  end)
end)

describe("the core's chance", function()
  it("spreads over [0, 1)", function()
    local low, high = 1, 0
    for _ = 1, 2000 do
      local value = core.random()
      assert.is_true(value >= 0 and value < 1)
      low, high = math.min(low, value), math.max(high, value)
    end
    assert.is_true(low < 0.1 and high > 0.9)
  end)

  it("makes UUIDs of version 4 that differ", function()
    local seen = {}
    for _ = 1, 1000 do
      local uuid = core.uuid()
      assert.truthy(uuid:find "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$")
      assert.is_nil(seen[uuid])
      seen[uuid] = true
    end
  end)
end)

describe("the core's reader of files", function()
  it("raises where it is called in a wrong way", function()
    assert.has_error(function()
      core.read_file("a\0b", 10)
    end)
    assert.has_error(function()
      core.read_file("a", -1)
    end)
    assert.has_error(function()
      core.read_file "a"
    end)
  end)

  it("gives the bytes of a file up to a size, and nil alone where there is none", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write(("x\0"):rep(5000))
    file:close()
    assert.are.equal(("x\0"):rep(5000), core.read_file(path, 10000))
    assert.are.same({ nil, "too large" }, { core.read_file(path, 9999) })
    assert(io.open(path, "wb")):close()
    assert.are.equal("", core.read_file(path, 0))
    os.remove(path)
    assert.are.equal(1, select("#", core.read_file(path, 10)))
  end)
end)
