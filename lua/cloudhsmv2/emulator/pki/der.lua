--- DER: what is needed of it to write keys and signatures, and to take a certificate apart (X.690).
-- @module cloudhsmv2.emulator.pki.der

local char = string.char
local floor = math.floor

local der = {}

local SEQUENCE, INTEGER, BIT_STRING, OCTET_STRING = 0x30, 0x02, 0x03, 0x04

local function element(tag, content)
  local length = #content
  local head
  if length < 128 then
    head = char(tag, length)
  elseif length < 256 then
    head = char(tag, 0x81, length)
  else -- nothing here has 65,536 bytes
    head = char(tag, 0x82, floor(length / 256), length % 256)
  end
  return head .. content
end

--- A sequence of elements.
-- @tparam string ... elements
-- @treturn string
function der.sequence(...)
  return element(SEQUENCE, table.concat { ... })
end

--- An integer that is not negative.
-- @tparam string bytes big-endian, no zeros in front
-- @treturn string
function der.integer(bytes)
  if bytes == "" or bytes:byte() >= 128 then
    bytes = "\0" .. bytes
  end
  return element(INTEGER, bytes)
end

--- A string of whole bytes, as bits.
-- @tparam string bytes
-- @treturn string
function der.bits(bytes)
  return element(BIT_STRING, "\0" .. bytes)
end

--- A string of bytes.
-- @tparam string bytes
-- @treturn string
function der.octets(bytes)
  return element(OCTET_STRING, bytes)
end

--- An element with an explicit tag of its context.
-- @tparam integer number 0 to 30
-- @tparam string content
-- @treturn string
function der.tagged(number, content)
  return element(0xa0 + number, content)
end

-- Where the content of the element at `at` begins and the element ends.
local function bounds(bytes, at)
  local length = bytes:byte(at + 1)
  local first = at + 2
  if length >= 128 then
    local count = length - 128
    length = 0
    for i = first, first + count - 1 do
      length = length * 256 + bytes:byte(i)
    end
    first = first + count
  end
  return first, first + length - 1
end

--- The elements of a sequence, whole. The sequence must be well-formed.
-- @tparam string sequence
-- @treturn table list of strings
function der.elements(sequence)
  local at, last = bounds(sequence, 1)
  local out = {}
  while at <= last do
    local _, final = bounds(sequence, at)
    out[#out + 1] = sequence:sub(at, final)
    at = final + 1
  end
  return out
end

return der
