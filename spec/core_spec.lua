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

describe("the core's digests", function()
  -- FIPS 180-2, appendices A and B
  it("are SHA-1 and SHA-256 in lower-case hexadecimal digits", function()
    assert.are.equal("a9993e364706816aba3e25717850c26c9cd0d89d", core.digest("sha1", "abc"))
    assert.are.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", core.digest("sha256", "abc"))
    assert.are.equal("da39a3ee5e6b4b0d3255bfef95601890afd80709", core.digest("sha1", ""))
    assert.are.equal("34aa973cd4c4daa4f61eeb2bdbad27316534016f", core.digest("sha1", ("a"):rep(1000000)))
  end)

  it("take zero bytes like any other", function()
    assert.are_not.equal(core.digest("sha256", "a"), core.digest("sha256", "a\0"))
  end)

  it("raise for another name and for what is no string", function()
    for _, name in ipairs { "md5", "SHA1", "", "sha512" } do
      assert.has_error(function()
        core.digest(name, "abc")
      end)
    end
    assert.has_error(function()
      core.digest("sha1", {})
    end)
    assert.has_error(function()
      core.digest "sha1"
    end)
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
