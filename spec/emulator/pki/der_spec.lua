local der = require "cloudhsmv2.emulator.pki.der"

local function read(...)
  return der.elements(string.char(...))
end

describe("DER", function()
  it("comes back as it was written, whatever its length", function()
    for _, length in ipairs { 0, 1, 127, 128, 255, 256, 300, 65535 } do
      local content = ("x"):rep(length)
      local elements = der.elements(der.octets(content))
      assert.are.equal(1, #elements)
      assert.are.equal(content, elements[1].content)
      assert.are.equal(der.octets(content), elements[1].whole)
    end
    local inner = der.sequence_of(der.sequence(der.integer "\5", der.octets "x"))
    assert.are.equal(2, #inner)
    assert.are.equal("\5", inner[1].content)
  end)

  it("has integers that are never negative", function()
    assert.are.equal("\2\1\0", der.integer "")
    assert.are.equal("\2\1\127", der.integer "\127")
    assert.are.equal("\2\2\0\128", der.integer "\128")
  end)

  it("has lengths in their shortest form only", function()
    assert.is_table(read(4, 1, 0))
    assert.is_nil(read(4, 0x81, 1, 0))
    assert.is_nil(read(4, 0x82, 0, 1, 0))
    assert.is_nil(read(4, 0x80, 0, 0)) -- an end that comes later
    assert.is_nil(read(4, 0x85, 1, 0, 0, 0, 0))
    assert.is_nil(read(4, 2, 0)) -- longer than there is
    assert.is_nil(read(4))
    assert.is_nil(read(4, 0x82, 1))
  end)

  it("has one form for every value", function()
    for _, wrong in ipairs {
      { 1, 1, 1 }, -- a boolean that is neither
      { 1, 0 },
      { 2, 0 },
      { 2, 2, 0, 127 },
      { 2, 2, 255, 128 },
      { 3, 0 },
      { 3, 1, 1 },
      { 3, 2, 8, 0 },
      { 5, 1, 0 },
      { 6, 0 },
      { 6, 1, 128 },
      { 6, 2, 42, 128 },
      { 6, 3, 42, 128, 1 },
      { 10, 2, 0, 1 },
      { 30, 1, 0 },
      { 0, 0 }, -- types that do not belong here
      { 0x1f, 1, 0 },
      { 0x24, 0 },
      { 0x41, 0 },
      { 0x10, 0 },
      { 0x30, 2, 2, 0 }, -- and inside of others
      { 0xa0, 2, 2, 0 },
    } do
      local unpack = table.unpack or unpack -- luacheck: ignore
      assert.is_nil(read(unpack(wrong)), table.concat(wrong, " "))
    end
    assert.is_table(read(1, 1, 255))
    assert.is_table(read(3, 1, 0))
    assert.is_table(read(6, 2, 129, 1))
    assert.is_table(read(0x80, 1, 7))
  end)

  it("is not read to any depth", function()
    local bytes = ""
    for _ = 1, 16 do
      bytes = der.sequence(bytes)
    end
    assert.is_table(der.elements(bytes))
    for _ = 1, 20 do
      bytes = der.sequence(bytes)
    end
    assert.is_nil(der.elements(bytes))
  end)

  it("of a sequence is nothing but that", function()
    assert.is_nil(der.sequence_of(der.integer "\1"))
    assert.is_nil(der.sequence_of(der.sequence() .. der.sequence()))
    assert.is_nil(der.sequence_of "")
    assert.are.same({}, der.sequence_of(der.sequence()))
  end)
end)
