local keys = require "cloudhsmv2.emulator.pki.keys"

local function bytes(hex)
  return (hex:gsub("%x%x", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

local function hex(text)
  return (text:gsub(".", function(character)
    return ("%02X"):format(character:byte())
  end))
end

-- Runs the openssl command with a file that holds `text`; returns what it printed.
local function openssl(command, text)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  local pipe = assert(io.popen(("openssl %s -in '%s' 2>&1"):format(command, path)))
  local output = pipe:read "*a"
  pipe:close()
  os.remove(path)
  return output
end

describe("keys for tests", function()
  it("sign as RFC 6979 says, appendix A.2.5", function()
    local key = keys.of_scalar(bytes "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")
    for message, wanted in pairs {
      sample = {
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
      },
      test = {
        "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367",
        "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083",
      },
    } do
      local signature = hex(keys.sign(key, message))
      assert.matches(wanted[1], signature, 1, true)
      assert.matches(wanted[2], signature, 1, true)
    end
  end)

  it("are the same for the same text, and others for another", function()
    for _, kind in ipairs { "EC", "RSA" } do
      local key = keys.of_text(kind, "a").pair:toPEM "private"
      assert.are.equal(key, keys.of_text(kind, "a").pair:toPEM "private")
      assert.are.not_equal(key, keys.of_text(kind, "b").pair:toPEM "private")
    end
  end)

  it("are keys that OpenSSL finds nothing wrong with", function()
    assert.matches("RSA key ok", openssl("rsa -check -noout", keys.of_text("RSA", "a").pair:toPEM "private"), 1, true)
    assert.matches(
      "Private-Key: (2048 bit",
      openssl("rsa -text -noout", keys.of_text("RSA", "a").pair:toPEM "private"),
      1,
      true
    )
    assert.matches("EC Key valid", openssl("ec -check -noout", keys.of_text("EC", "a").pair:toPEM "private"), 1, true)
  end)
end)
