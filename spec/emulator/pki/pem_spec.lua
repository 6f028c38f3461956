local pem = require "cloudhsmv2.emulator.pki.pem"

local function block(body)
  return "-----BEGIN CERTIFICATE-----\n" .. body .. "\n-----END CERTIFICATE-----\n"
end

describe("PEM", function()
  it("is base64 in lines of 64 characters between two lines", function()
    assert.are.equal("-----BEGIN X-----\nMA==\n-----END X-----\n", pem.encode("X", "0"))
    assert.are.equal("-----BEGIN X-----\nMDE=\n-----END X-----\n", pem.encode("X", "01"))
    assert.are.equal("-----BEGIN X-----\n/+8A\n-----END X-----\n", pem.encode("X", "\255\239\0"))
    local lines = {}
    for line in pem.encode("X", ("a"):rep(49)):gmatch "[^\n]+" do
      lines[#lines + 1] = #line
    end
    assert.are.same({ 17, 64, 4, 15 }, lines)
  end)

  it("is taken apart, whatever white space is between and in its blocks", function()
    local two = "\r\n" .. block "MA==" .. " \n" .. block "MD\r\n E="
    assert.are.same({ "0", "01" }, pem.decode(two, "CERTIFICATE"))
  end)

  it("comes back as it was", function()
    for length = 1, 200 do
      local bytes = {}
      for i = 1, length do
        bytes[i] = string.char(i * 7 * length % 256)
      end
      bytes = table.concat(bytes)
      assert.are.same({ bytes }, pem.decode(pem.encode("X Y", bytes), "X Y"))
    end
  end)

  it("that is no base64 has no bytes", function()
    for _, body in ipairs { "M", "MA", "MA=", "MA===", "=MA=", "MA==MA==" } do
      assert.are.same({ "" }, pem.decode(block(body), "CERTIFICATE"), body)
    end
  end)

  it("is refused when it is empty or something else is there", function()
    for _, text in ipairs { "", "hello", block "", block "\n", block "MA==" .. "x", block "M?==", "x" .. block "MA==" } do
      assert.is_nil(pem.decode(text, "CERTIFICATE"), text)
    end
    assert.is_nil(pem.decode(block "MA==", "CERTIFICATE REQUEST"))
    assert.is_nil(pem.decode("-----BEGIN CERTIFICATE-----\nMA==\n-----END X-----\n", "CERTIFICATE"))
  end)
end)
