--- DER: the elements that keys, certificates and requests are made of, written and read (X.690).
--
-- Reading is strict: what it accepts has one form only, and OpenSSL accepts it too. That matters since luaossl reads memory
-- that was freed when OpenSSL refuses something (its messages, with OpenSSL 3), so nothing malformed may reach it.
-- @module cloudhsmv2.emulator.pki.der

local byte, char = string.byte, string.char
local floor = math.floor

local der = {}

--- Tags of the types that are used here.
der.TAGS = {
  BOOLEAN = 0x01,
  INTEGER = 0x02,
  BIT_STRING = 0x03,
  OCTET_STRING = 0x04,
  NULL = 0x05,
  OID = 0x06,
  ENUMERATED = 0x0a,
  UTF8_STRING = 0x0c,
  NUMERIC_STRING = 0x12,
  PRINTABLE_STRING = 0x13,
  TELETEX_STRING = 0x14,
  IA5_STRING = 0x16,
  UTC_TIME = 0x17,
  GENERALIZED_TIME = 0x18,
  VISIBLE_STRING = 0x1a,
  BMP_STRING = 0x1e,
  SEQUENCE = 0x30,
  SET = 0x31,
}
local TAGS = der.TAGS

local MAX_DEPTH = 16 -- of what is read; a certificate needs 7

-- Writing ------------------------------------------------------------------------------------------------------------

--- One element.
-- @tparam integer tag of one byte
-- @tparam string content
-- @treturn string
function der.element(tag, content)
  local length = #content
  if length < 128 then
    return char(tag, length) .. content
  elseif length < 256 then
    return char(tag, 0x81, length) .. content
  end
  return char(tag, 0x82, floor(length / 256), length % 256) .. content -- nothing here has 65,536 bytes
end

--- A sequence of elements.
-- @tparam string ... elements
-- @treturn string
function der.sequence(...)
  return der.element(TAGS.SEQUENCE, table.concat { ... })
end

--- An integer that is not negative.
-- @tparam string bytes big-endian, no zeros in front
-- @treturn string
function der.integer(bytes)
  if bytes == "" or bytes:byte() >= 128 then
    bytes = "\0" .. bytes
  end
  return der.element(TAGS.INTEGER, bytes)
end

--- A string of whole bytes, as bits.
-- @tparam string bytes
-- @treturn string
function der.bits(bytes)
  return der.element(TAGS.BIT_STRING, "\0" .. bytes)
end

--- A string of bytes.
-- @tparam string bytes
-- @treturn string
function der.octets(bytes)
  return der.element(TAGS.OCTET_STRING, bytes)
end

--- An object identifier.
-- @tparam string content its encoded content
-- @treturn string
function der.oid(content)
  return der.element(TAGS.OID, content)
end

--- An element with an explicit tag of its context.
-- @tparam integer number 0 to 30
-- @tparam string content
-- @treturn string
function der.tagged(number, content)
  return der.element(0xa0 + number, content)
end

-- Reading ------------------------------------------------------------------------------------------------------------

local function anything()
  return true
end

-- The types that may stand in what is read, each with what its content must be.
local checks = {
  [TAGS.OCTET_STRING] = anything,
  [TAGS.UTF8_STRING] = anything,
  [TAGS.NUMERIC_STRING] = anything,
  [TAGS.PRINTABLE_STRING] = anything,
  [TAGS.TELETEX_STRING] = anything,
  [TAGS.IA5_STRING] = anything,
  [TAGS.UTC_TIME] = anything,
  [TAGS.GENERALIZED_TIME] = anything,
  [TAGS.VISIBLE_STRING] = anything,
}

checks[TAGS.BOOLEAN] = function(content)
  return content == "\0" or content == "\255"
end

checks[TAGS.INTEGER] = function(content)
  local first, second = byte(content, 1, 2)
  if not first then
    return false
  end
  return not second or not (first == 0 and second < 128 or first == 255 and second >= 128)
end

checks[TAGS.BIT_STRING] = function(content)
  local unused = byte(content)
  return unused ~= nil and (unused == 0 or unused < 8 and #content > 1)
end

checks[TAGS.BMP_STRING] = function(content)
  return #content % 2 == 0
end

checks[TAGS.NULL] = function(content)
  return content == ""
end

-- Every number of an identifier ends with a byte below 128 and starts with none of 128.
checks[TAGS.OID] = function(content)
  local begins = true
  for i = 1, #content do
    local value = byte(content, i)
    if begins and value == 128 then
      return false
    end
    begins = value < 128
  end
  return #content > 0 and begins
end

checks[TAGS.ENUMERATED] = checks[TAGS.INTEGER]

-- Whether an element may stand here. Those of the context's own types are known by who reads on.
local function is_well_formed(tag, content, depth)
  if checks[tag] then
    return checks[tag](content)
  elseif tag >= 0x80 and tag < 0xa0 then -- the context's, of bytes
    return true
  elseif tag == TAGS.SEQUENCE or tag == TAGS.SET or tag >= 0xa0 and tag < 0xc0 then -- of elements
    return der.elements(content, depth + 1) ~= nil
  end
  return false
end

-- The element at `at`: its tag, where its content begins and where it ends; nil when there is none. Lengths have their
-- shortest form.
local function header(bytes, at)
  local tag, length = byte(bytes, at, at + 1)
  if not length or tag % 32 == 31 then
    return nil
  end
  local first = at + 2
  if length >= 128 then
    local count = length - 128
    if count < 1 or count > 3 then
      return nil
    end
    length = 0
    for i = first, first + count - 1 do
      length = length * 256 + (byte(bytes, i) or 0)
    end
    if length < (count == 1 and 128 or 256 ^ (count - 1)) then
      return nil
    end
    first = first + count
  end
  local last = first + length - 1
  if last > #bytes then
    return nil
  end
  return tag, first, last
end

--- The elements that bytes are made of, well-formed through and through.
-- @tparam string bytes
-- @tparam[opt=0] integer depth of the bytes themselves
-- @treturn ?table list of `tag`, `content` and `whole`; nil when they are not
function der.elements(bytes, depth)
  depth = depth or 0
  if depth > MAX_DEPTH then
    return nil
  end
  local out, at = {}, 1
  while at <= #bytes do
    local tag, first, last = header(bytes, at)
    if not tag then
      return nil
    end
    local content = bytes:sub(first, last)
    if not is_well_formed(tag, content, depth) then
      return nil
    end
    out[#out + 1] = { tag = tag, content = content, whole = bytes:sub(at, last) }
    at = last + 1
  end
  return out
end

--- The elements of a sequence that is all of the bytes.
-- @tparam string bytes
-- @treturn ?table as of `elements`
function der.sequence_of(bytes)
  local elements = der.elements(bytes)
  if not elements or #elements ~= 1 or elements[1].tag ~= TAGS.SEQUENCE then
    return nil
  end
  return der.elements(elements[1].content, 1)
end

return der
