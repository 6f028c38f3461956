--- gzip as a format, without compression: what a careless proxy makes of an answer.
-- Sources: RFC 1952 (gzip), RFC 1951, 3.2.4 (stored blocks).
-- @module cloudhsmv2.emulator.gzip

local floor = math.floor

local HEADER = "\31\139\8\0\0\0\0\0\0\255" -- deflate, no name, no time, unknown system
local LARGEST_BLOCK = 65535 -- bytes

-- Exclusive or of two nibbles, at [16 * a + b]. Lua 5.1 has no bit operations.
local XOR = {}
for a = 0, 15 do
  for b = 0, 15 do
    local out, weight, x, y = 0, 1, a, b
    for _ = 1, 4 do
      out = out + (x + y) % 2 * weight
      x, y, weight = floor(x / 2), floor(y / 2), weight * 2
    end
    XOR[16 * a + b] = out
  end
end

local function xor(a, b)
  local out, weight = 0, 1
  for _ = 1, 8 do
    out = out + XOR[a % 16 * 16 + b % 16] * weight
    a, b, weight = floor(a / 16), floor(b / 16), weight * 16
  end
  return out
end

-- What every nibble adds to a CRC-32, by the polynomial of RFC 1952, 8.
local STEPS = {}
for nibble = 0, 15 do
  local value = nibble
  for _ = 1, 4 do
    value = value % 2 == 1 and xor(floor(value / 2), 0xEDB88320) or floor(value / 2)
  end
  STEPS[nibble] = value
end

local function crc32(bytes)
  local sum = 0xFFFFFFFF
  for i = 1, #bytes do
    local byte = bytes:byte(i)
    for _, nibble in ipairs { byte % 16, floor(byte / 16) } do
      sum = xor(floor(sum / 16), STEPS[XOR[sum % 16 * 16 + nibble]])
    end
  end
  return 0xFFFFFFFF - sum
end

local function little_endian(number, count)
  local out = {}
  for i = 1, count do
    out[i] = string.char(number % 256)
    number = floor(number / 256)
  end
  return table.concat(out)
end

--- Bytes in a gzip member.
-- @tparam string bytes
-- @treturn string
local function gzip(bytes)
  local parts = { HEADER }
  local from = 1
  repeat
    local block = bytes:sub(from, from + LARGEST_BLOCK - 1)
    from = from + LARGEST_BLOCK
    parts[#parts + 1] = from > #bytes and "\1" or "\0" -- whether it is the last
    parts[#parts + 1] = little_endian(#block, 2)
    parts[#parts + 1] = little_endian(65535 - #block, 2)
    parts[#parts + 1] = block
  until from > #bytes
  parts[#parts + 1] = little_endian(crc32(bytes), 4)
  parts[#parts + 1] = little_endian(#bytes, 4)
  return table.concat(parts)
end

return gzip
