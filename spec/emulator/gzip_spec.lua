local gzip = require "cloudhsmv2.emulator.gzip"

-- What the machine's own gzip makes of the bytes.
local function unpacked(bytes)
  local packed, plain = os.tmpname(), os.tmpname()
  local file = assert(io.open(packed, "wb"))
  file:write(bytes)
  file:close()
  os.execute(("env -u LD_PRELOAD gzip -dc < '%s' > '%s' 2>&1"):format(packed, plain))
  file = assert(io.open(plain, "rb"))
  local text = file:read "*a"
  file:close()
  os.remove(packed)
  os.remove(plain)
  return text
end

describe("gzip", function()
  it("gives bytes that any gunzip takes back, with sums that are right", function()
    local every_byte = {}
    for byte = 0, 255 do
      every_byte[byte + 1] = string.char(byte)
    end
    for _, text in ipairs { "", "{}", table.concat(every_byte), ("a"):rep(65535), ("b"):rep(65536) .. "c" } do
      assert.is_true(unpacked(gzip(text)) == text, #text)
    end
  end)
end)
