--- Certificates and requests (RFC 5280, RFC 2986): made of DER, read strictly; OpenSSL verifies the signatures.
-- Of luaossl as little as possible is used: its stores and its verification of chains leak.
-- @module cloudhsmv2.emulator.pki.x509

local der = require "cloudhsmv2.emulator.pki.der"
local keys = require "cloudhsmv2.emulator.pki.keys"
local moment = require "cloudhsmv2.moment"
local pem = require "cloudhsmv2.emulator.pki.pem"

local floor, huge = math.floor, math.huge

local x509 = {}

local TAGS = der.TAGS
local CERTIFICATE, REQUEST = "CERTIFICATE", "CERTIFICATE REQUEST"
local KEY_ID_BYTES = 20

-- Object identifiers, by their content: attributes of names (X.520) and extensions.
local ATTRIBUTES = {
  CN = "\085\004\003",
  C = "\085\004\006",
  L = "\085\004\007",
  ST = "\085\004\008",
  O = "\085\004\010",
  OU = "\085\004\011",
}
local SUBJECT_KEY_ID, KEY_USAGE = "\085\029\014", "\085\029\015"
local BASIC_CONSTRAINTS, AUTHORITY_KEY_ID = "\085\029\019", "\085\029\035"
local AUTHORITYS_USAGE = "\001\134" -- digitalSignature, keyCertSign, cRLSign

--- Whether luaossl is installed.
-- @treturn boolean
function x509.available()
  -- a module of this name belongs to no other binding of OpenSSL
  return (pcall(require, "openssl.bignum"))
end

-- Making -------------------------------------------------------------------------------------------------------------

--- A name.
-- @tparam table list of `{ attribute, value }`; the values are ASCII
-- @treturn string DER
function x509.name(list)
  local out = {}
  for i, pair in ipairs(list) do
    local tag = pair[1] == "C" and TAGS.PRINTABLE_STRING or TAGS.UTF8_STRING
    local attribute = der.sequence(der.oid(ATTRIBUTES[pair[1]]), der.element(tag, pair[2]))
    out[i] = der.element(TAGS.SET, attribute)
  end
  return der.sequence(table.concat(out))
end

-- Years from 2050 on have another form (RFC 5280, section 4.1.2.5).
local function time_of(seconds)
  local text = moment.basic(floor(seconds)):gsub("T", "")
  if text < "2050" then
    return der.element(TAGS.UTC_TIME, text:sub(3))
  end
  return der.element(TAGS.GENERALIZED_TIME, text)
end

local function extension(oid, value, is_critical)
  local critical = is_critical and der.element(TAGS.BOOLEAN, "\255") or ""
  return der.sequence(der.oid(oid), critical, der.octets(value))
end

-- Any bytes that tell keys apart will do.
local function key_id(public)
  return keys.digest(public):sub(1, KEY_ID_BYTES)
end

local function extensions_of(fields)
  local list = {
    extension(SUBJECT_KEY_ID, der.octets(key_id(fields.public))),
    extension(AUTHORITY_KEY_ID, der.sequence(der.element(0x80, key_id(keys.public(fields.issuer_key))))),
  }
  if fields.is_ca then
    list[3] = extension(BASIC_CONSTRAINTS, der.sequence(der.element(TAGS.BOOLEAN, "\255")), true)
    list[4] = extension(KEY_USAGE, der.element(TAGS.BIT_STRING, AUTHORITYS_USAGE), true)
  end
  return der.tagged(3, der.sequence(table.concat(list)))
end

local function signed(label, content, key)
  return pem.encode(label, der.sequence(content, keys.algorithm(key), der.bits(keys.sign(key, content))))
end

--- Makes a certificate.
-- @tparam table fields `subject` and `issuer` (names, DER), `public` (a SubjectPublicKeyInfo), `issuer_key` (of `keys`),
-- `serial` (bytes, the first from 1 to 127), `from` and `to` (seconds since 1970), and for an authority's `is_ca`
-- @treturn string PEM
function x509.certificate(fields)
  local content = der.sequence(
    der.tagged(0, der.integer "\2"), -- version 3
    der.integer(fields.serial),
    keys.algorithm(fields.issuer_key),
    fields.issuer,
    der.sequence(time_of(fields.from), time_of(fields.to)),
    fields.subject,
    fields.public,
    extensions_of(fields)
  )
  return signed(CERTIFICATE, content, fields.issuer_key)
end

--- Makes a certificate signing request.
-- @tparam string subject a name, DER
-- @tparam table key of `keys`
-- @treturn string PEM
function x509.request(subject, key)
  local content = der.sequence(der.integer "", subject, keys.public(key), der.tagged(0, "")) -- version 1, no attributes
  return signed(REQUEST, content, key)
end

-- Reading ------------------------------------------------------------------------------------------------------------

-- Whether elements have these tags, in that order.
local function have(elements, ...)
  local count = select("#", ...)
  if not elements or #elements ~= count then
    return false
  end
  for i = 1, count do
    if elements[i].tag ~= (select(i, ...)) then
      return false
    end
  end
  return true
end

local function parts(element)
  return element.tag == TAGS.SEQUENCE and der.elements(element.content) or nil
end

local function is_utf8(text)
  local i = 1
  while i <= #text do
    local first = text:byte(i)
    local more = first < 0x80 and 0
      or first >= 0xc2 and first < 0xe0 and 1
      or first >= 0xe0 and first < 0xf0 and 2
      or first >= 0xf0 and first < 0xf4 and 3
    if not more or #text:match("^[\128-\191]*", i + 1) < more then
      return false
    end
    local second = text:byte(i + 1)
    if first == 0xe0 and second < 0xa0 or first == 0xed and second >= 0xa0 or first == 0xf0 and second < 0x90 then
      return false -- longer than need be, or half of a pair
    end
    i = i + 1 + more
  end
  return true
end

-- No halves of pairs.
local function is_bmp(text)
  for i = 1, #text, 2 do
    if text:byte(i) >= 0xd8 and text:byte(i) < 0xe0 then
      return false
    end
  end
  return true
end

local function always()
  return true
end

local STRINGS = {
  [TAGS.UTF8_STRING] = is_utf8,
  [TAGS.PRINTABLE_STRING] = always,
  [TAGS.IA5_STRING] = always,
  [TAGS.TELETEX_STRING] = always,
  [TAGS.BMP_STRING] = is_bmp,
}

local function is_name(element)
  for _, relative in ipairs(parts(element) or { {} }) do
    local attributes = relative.tag == TAGS.SET and der.elements(relative.content) or {}
    if #attributes == 0 then
      return false
    end
    for _, attribute in ipairs(attributes) do
      local pair = parts(attribute)
      local check = pair and #pair == 2 and pair[1].tag == TAGS.OID and STRINGS[pair[2].tag]
      if not check or not check(pair[2].content) then
        return false
      end
    end
  end
  return true
end

local PARAMETERS = { [TAGS.NULL] = true, [TAGS.OID] = true, [TAGS.SEQUENCE] = true }

local function is_algorithm(element)
  local found = parts(element)
  if not found or not found[1] or found[1].tag ~= TAGS.OID then
    return false
  end
  return #found == 1 or #found == 2 and PARAMETERS[found[2].tag] or false
end

local function is_public_key(element)
  local found = parts(element)
  return have(found, TAGS.SEQUENCE, TAGS.BIT_STRING) and is_algorithm(found[1])
end

-- Seconds since 1970, or nil.
local function time_in(element)
  local text = element.content
  if element.tag == TAGS.UTC_TIME and text:find "^%d%d%d%d%d%d%d%d%d%d%d%dZ$" then
    text = (text < "50" and "20" or "19") .. text
  elseif element.tag ~= TAGS.GENERALIZED_TIME or not text:find "^%d%d%d%d%d%d%d%d%d%d%d%d%d%dZ$" then
    return nil
  end
  return moment.of_basic(text:sub(1, 8) .. "T" .. text:sub(9))
end

-- What [3] of a certificate holds: extensions by object identifier, or nil.
local function extensions_in(element)
  local list = der.elements(element.content)
  list = have(list, TAGS.SEQUENCE) and parts(list[1]) or {}
  local out = {}
  for _, one in ipairs(list) do
    local found = parts(one)
    local plain = have(found, TAGS.OID, TAGS.OCTET_STRING)
    if not plain and not have(found, TAGS.OID, TAGS.BOOLEAN, TAGS.OCTET_STRING) then
      return nil
    end
    if out[found[1].content] then
      return nil -- RFC 5280, section 4.2: no extension twice
    end
    out[found[1].content] = found[#found].content
  end
  return next(out) and out or nil
end

-- Whether extensions say that this is an authority, and how many authorities there may be below it.
local function authority_of(extensions)
  local constraints = extensions[BASIC_CONSTRAINTS]
  local found = constraints and der.sequence_of(constraints) or {}
  if not found[1] or found[1].tag ~= TAGS.BOOLEAN or found[1].content ~= "\255" then
    return false, 0
  end
  local limit = found[2] and found[2].tag == TAGS.INTEGER and found[2].content
  return true, limit and #limit == 1 and limit:byte() or huge
end

-- The extensions of a certificate's content, in which they come after the public key. (Two odd identifiers may stand between,
-- which nobody uses: a certificate with one is not read.)
local function optional_extensions(content, at)
  if not content[at] then
    return {}
  elseif content[at].tag == 0xa3 and #content == at then
    return extensions_in(content[at])
  end
  return nil
end

local function content_of(certificate)
  local content = parts(certificate)
  local version = 1
  if content and content[1] and content[1].tag == 0xa0 then
    local number = der.elements(content[1].content)
    version = have(number, TAGS.INTEGER) and number[1].content:byte() + 1
    if not version or #number[1].content > 1 or version > 3 then
      return nil
    end
    table.remove(content, 1)
  end
  return content, version
end

--- Reads a certificate, strictly.
-- @tparam string bytes DER
-- @treturn ?table `bytes`, `version` (1 to 3), `subject` and `issuer` (names, DER), `public` (a SubjectPublicKeyInfo), `from`
-- and `to` (seconds since 1970), `is_ca` and `below` (the most authorities under this one); nil when it is none
function x509.read_certificate(bytes)
  local whole = der.sequence_of(bytes)
  if not have(whole, TAGS.SEQUENCE, TAGS.SEQUENCE, TAGS.BIT_STRING) or not is_algorithm(whole[2]) then
    return nil
  end
  local content, version = content_of(whole[1])
  if not content or #content < 6 then
    return nil
  end
  local serial, algorithm, issuer, validity, subject, public =
    content[1], content[2], content[3], content[4], content[5], content[6]
  local times = parts(validity)
  local from, to
  if times and #times == 2 then
    from, to = time_in(times[1]), time_in(times[2])
  end
  local extensions = optional_extensions(content, 7)
  local fine = serial.tag == TAGS.INTEGER
    and algorithm.whole == whole[2].whole
    and is_name(issuer)
    and is_name(subject)
    and is_public_key(public)
    and from
    and to
    and extensions
    and (version == 3 or not next(extensions))
  if not fine then
    return nil
  end
  local is_ca, below = authority_of(extensions)
  return {
    bytes = bytes,
    version = version,
    subject = subject.whole,
    issuer = issuer.whole,
    public = public.whole,
    from = from,
    to = to,
    is_ca = is_ca,
    below = below,
  }
end

--- Reads a request, strictly.
-- @tparam string text PEM
-- @treturn ?table `subject` (a name, DER) and `public` (a SubjectPublicKeyInfo); nil when it is none
function x509.read_request(text)
  local blocks = type(text) == "string" and pem.decode(text, REQUEST)
  local whole = blocks and #blocks == 1 and der.sequence_of(blocks[1])
  if not whole or not have(whole, TAGS.SEQUENCE, TAGS.SEQUENCE, TAGS.BIT_STRING) then
    return nil
  end
  local content = parts(whole[1])
  if not have(content, TAGS.INTEGER, TAGS.SEQUENCE, TAGS.SEQUENCE, 0xa0) then
    return nil
  elseif not is_name(content[2]) or not is_public_key(content[3]) then
    return nil
  end
  return { subject = content[2].whole, public = content[3].whole }
end

-- Verifying ----------------------------------------------------------------------------------------------------------

-- luaossl's object for a certificate that was read. OpenSSL accepts what was read strictly.
local function object_of(certificate)
  certificate.object = certificate.object or require("openssl.x509").new(certificate.bytes, "DER")
  return certificate.object
end

-- Whether the names fit, the issuer's key may sign certificates, and its signature is right; else the reason.
local function is_issued_by(certificate, issuer)
  local fine, reason = object_of(certificate):isIssuedBy(object_of(issuer))
  return fine == true, reason
end

--- Whether a certificate is signed by its own key, in its own name.
-- @tparam table certificate
-- @treturn boolean
function x509.is_self_signed(certificate)
  return certificate.subject == certificate.issuer and (is_issued_by(certificate, certificate))
end

--- Whether a time is within a certificate's validity.
-- @tparam table certificate
-- @tparam number time seconds since 1970
-- @treturn boolean
function x509.is_valid_at(certificate, time)
  return certificate.from <= time and time <= certificate.to
end

--- Looks for a path from a certificate to a root (RFC 5280, section 6): each issued by the next, all of them valid, and
-- those between authorities with room below them.
-- @tparam table leaf
-- @tparam table root which is trusted: whether it is an authority is for the caller to know
-- @tparam table others certificates that may stand between them
-- @tparam number time seconds since 1970
-- @treturn[1] boolean true
-- @treturn[2] boolean false
-- @treturn[2] string the reason
function x509.verify(leaf, root, others, time)
  local used = {}
  local function leads_to_root(certificate, authorities)
    local fine, reason = is_issued_by(certificate, root)
    if fine and (authorities <= root.below or root.version == 1) then
      return true
    end
    for i, other in ipairs(others) do
      local may_be = not used[i] and other.is_ca and authorities <= other.below and x509.is_valid_at(other, time)
      if may_be and is_issued_by(certificate, other) then
        used[i] = true
        if leads_to_root(other, authorities + 1) then
          return true
        end
        used[i] = nil
      end
    end
    return false, reason
  end
  local fine, reason = leads_to_root(leaf, 0)
  if fine then
    return true
  end
  return false, #others == 0 and reason or "no chain of valid authorities leads from one to the other"
end

return x509
