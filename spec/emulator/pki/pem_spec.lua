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

  it("of certificates is taken apart, whatever white space is between them", function()
    assert.are.equal(1, #pem.certificates(block "MA=="))
    assert.are.equal(2, #pem.certificates("\r\n" .. block "MA==" .. " \n" .. block "MA=="))
    assert.are.equal("-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----", pem.certificates(block "MA==")[1])
  end)

  it("is refused when it is empty or something else is there", function()
    for _, text in ipairs { "", "hello", block "", block "\n", block "MA==" .. "x", block "M?==", "x" .. block "MA==" } do
      assert.is_nil(pem.certificates(text), text)
    end
  end)
end)
