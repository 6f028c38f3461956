--- PEM: bytes in base64 between two lines that say what they are (RFC 7468).
-- @module cloudhsmv2.emulator.pki.pem

local byte = string.byte
local floor = math.floor

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local CERTIFICATE = "(%-%-%-%-%-BEGIN CERTIFICATE%-%-%-%-%-([A-Za-z0-9+/= \r\n\t]-)%-%-%-%-%-END CERTIFICATE%-%-%-%-%-)"
local LINE = 64 -- characters of base64 in a line

local pem = {}

local function digit(value)
  return ALPHABET:sub(value + 1, value + 1)
end

local function base64(bytes)
  local out = {}
  for i = 1, #bytes, 3 do
    local a, b, c = byte(bytes, i, i + 2)
    local bits = a * 65536 + (b or 0) * 256 + (c or 0)
    out[#out + 1] = digit(floor(bits / 262144))
    out[#out + 1] = digit(floor(bits / 4096) % 64)
    out[#out + 1] = b and digit(floor(bits / 64) % 64) or "="
    out[#out + 1] = c and digit(bits % 64) or "="
  end
  return table.concat(out)
end

--- Bytes as PEM.
-- @tparam string label as `CERTIFICATE`
-- @tparam string bytes
-- @treturn string ends with a line feed
function pem.encode(label, bytes)
  local lines = { "-----BEGIN " .. label .. "-----" }
  local encoded = base64(bytes)
  for i = 1, #encoded, LINE do
    lines[#lines + 1] = encoded:sub(i, i + LINE - 1)
  end
  lines[#lines + 1] = "-----END " .. label .. "-----\n"
  return table.concat(lines, "\n")
end

--- The certificates that a text is made of.
-- @tparam string text
-- @treturn ?table list of PEM blocks; nil when there is none, an empty one, or anything but white space between them
function pem.certificates(text)
  local blocks, empty = {}, false
  local rest = text:gsub(CERTIFICATE, function(block, body)
    blocks[#blocks + 1] = block
    empty = empty or not body:find "[A-Za-z0-9+/]"
    return ""
  end)
  if rest:find "%S" or #blocks == 0 or empty then
    return nil
  end
  return blocks
end

return pem
