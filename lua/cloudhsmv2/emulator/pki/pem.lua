--- PEM: bytes in base64 between two lines that say what they are (RFC 7468).
-- @module cloudhsmv2.emulator.pki.pem

local byte, char = string.byte, string.char
local floor = math.floor

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local BLOCK = "%-%-%-%-%-BEGIN ([A-Z ]+)%-%-%-%-%-([A-Za-z0-9+/= \r\n\t]-)%-%-%-%-%-END ([A-Z ]+)%-%-%-%-%-"
local LINE = 64 -- characters of base64 in a line

local VALUES = {}
for i = 1, #ALPHABET do
  VALUES[ALPHABET:byte(i)] = i - 1
end

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

-- The bytes of base64 with white space in it; nil when it is none.
local function unbase64(text)
  text = text:gsub("%s", "")
  local body, padding = text:match "^([A-Za-z0-9+/]+)(=?=?)$"
  if not body or #text % 4 ~= 0 then
    return nil
  end
  local out = {}
  for i = 1, #body, 4 do
    local a, b, c, d = byte(body, i, i + 3)
    local bits = VALUES[a] * 262144 + VALUES[b] * 4096 + (VALUES[c] or 0) * 64 + (VALUES[d] or 0)
    out[#out + 1] = char(floor(bits / 65536), floor(bits / 256) % 256, bits % 256)
  end
  local bytes = table.concat(out)
  return bytes:sub(1, #bytes - #padding)
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

--- The blocks that a text is made of.
-- @tparam string text
-- @tparam string label of all of them
-- @treturn ?table list of the bytes of each; nil when there is none, an empty one, one of another label, or anything but white
-- space between them. What is no base64 is the empty string.
function pem.decode(text, label)
  local blocks, wrong = {}, false
  local rest = text:gsub(BLOCK, function(begins, body, ends)
    wrong = wrong or begins ~= label or ends ~= label or not body:find "[A-Za-z0-9+/]"
    blocks[#blocks + 1] = unbase64(body) or ""
    return ""
  end)
  if rest:find "%S" or #blocks == 0 or wrong then
    return nil
  end
  return blocks
end

return pem
