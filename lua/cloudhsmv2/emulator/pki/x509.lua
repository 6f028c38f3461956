--- Certificates and requests (RFC 5280, RFC 2986), made by luaossl and signed by `keys`.
-- Every function needs luaossl, and loads it when it is called.
-- @module cloudhsmv2.emulator.pki.x509

local der = require "cloudhsmv2.emulator.pki.der"
local keys = require "cloudhsmv2.emulator.pki.keys"
local pem = require "cloudhsmv2.emulator.pki.pem"

local floor = math.floor

local x509 = {}

local CERTIFICATE, REQUEST = "CERTIFICATE", "CERTIFICATE REQUEST"
local VERSION_3 = 3
local REQUEST_VERSION_1 = 1
local MAX_DEPTH = 10 -- certificates of a chain

local function openssl(name)
  return require("openssl." .. name)
end

--- Whether luaossl is installed.
-- @treturn boolean
function x509.available()
  -- a module of this name belongs to no other binding of OpenSSL
  return (pcall(require, "openssl.x509.csr"))
end

-- A list of `{ short name, value }` as luaossl's name; one that is such a name already stays what it is.
local function name_of(given)
  if type(given) ~= "table" then
    return given
  end
  local name = openssl("x509.name").new()
  for _, pair in ipairs(given) do
    name:add(pair[1], pair[2])
  end
  return name
end

-- The PEM of something that OpenSSL has signed; in place of an ECDSA signature, which is another every time, comes ours.
local function signed(label, object, key)
  object:sign(key.pair, "sha256")
  local bytes = object:tostring "DER"
  if key.scalar then
    local parts = der.elements(bytes) -- what is signed, the algorithm, the signature
    bytes = der.sequence(parts[1], parts[2], der.bits(keys.sign(key, parts[1])))
  end
  return pem.encode(label, bytes)
end

--- Makes a certificate.
-- @tparam table fields `subject` and `issuer` (lists of `{ short name, value }`, or luaossl's names), `public` (luaossl's
-- key), `issuer_key` (of `keys`), `serial` (bytes), `from` and `to` (seconds since 1970), and for an authority's `is_ca`
-- @treturn string PEM
function x509.certificate(fields)
  local certificate = openssl("x509").new()
  certificate:setVersion(VERSION_3)
  certificate:setSerial(openssl("bignum").fromBinary(fields.serial))
  certificate:setSubject(name_of(fields.subject))
  certificate:setIssuer(name_of(fields.issuer))
  certificate:setLifetime(floor(fields.from), floor(fields.to))
  certificate:setPublicKey(fields.public)
  if fields.is_ca then
    local extension = openssl("x509.extension").new
    certificate:addExtension(extension("basicConstraints", "critical,CA:TRUE"))
    certificate:addExtension(extension("keyUsage", "critical,keyCertSign,cRLSign,digitalSignature"))
  end
  return signed(CERTIFICATE, certificate, fields.issuer_key)
end

--- Makes a certificate signing request.
-- @tparam table subject list of `{ short name, value }`
-- @tparam table key of `keys`
-- @treturn string PEM
function x509.request(subject, key)
  local request = openssl("x509.csr").new()
  request:setVersion(REQUEST_VERSION_1)
  request:setSubject(name_of(subject))
  request:setPublicKey(key.pair)
  return signed(REQUEST, request, key)
end

-- What luaossl raises holds bytes of memory that is gone (it misreads OpenSSL 3's errors), so it is dropped.
local function parse(module, text)
  local fine, object = pcall(openssl(module).new, text, "PEM")
  return fine and object or nil
end

--- Reads a request.
-- @tparam string text PEM
-- @treturn ?table luaossl's object, nil when it is none
function x509.read_request(text)
  return parse("x509.csr", text)
end

--- Reads a certificate.
-- @tparam string text PEM
-- @treturn ?table luaossl's object, nil when it is none
function x509.read_certificate(text)
  return parse("x509", text)
end

--- Whether two certificates or requests are for the same key.
-- @tparam table a luaossl's object
-- @tparam table b luaossl's object
-- @treturn boolean
function x509.same_key(a, b)
  return a:getPublicKey():toPEM "public" == b:getPublicKey():toPEM "public"
end

--- Whether a certificate is signed by its own key, in its own name.
-- @tparam table certificate luaossl's object
-- @treturn boolean
function x509.is_self_signed(certificate)
  local itself = tostring(certificate:getSubject()) == tostring(certificate:getIssuer())
  return itself and certificate:isIssuedBy(certificate) == true
end

--- Whether a certificate may be an authority's: it says so, or is from before certificates could say anything.
-- @tparam table certificate luaossl's object
-- @treturn boolean
function x509.may_be_authority(certificate)
  return certificate:getBasicConstraints "CA" == true or certificate:getVersion() == 1
end

--- Whether a time is within a certificate's validity.
-- @tparam table certificate luaossl's object
-- @tparam number time seconds since 1970
-- @treturn boolean
function x509.is_valid_at(certificate, time)
  local from, to = certificate:getLifetime()
  return from <= time and time <= to
end

--- Validates the path from a certificate to a root (RFC 5280, section 6), as OpenSSL does.
-- @tparam table leaf luaossl's object
-- @tparam table root luaossl's object, which is trusted
-- @tparam table others certificates that may stand between them
-- @tparam number time seconds since 1970
-- @treturn[1] boolean true
-- @treturn[2] boolean false
-- @treturn[2] string OpenSSL's reason
function x509.verify(leaf, root, others, time)
  local store = openssl("x509.store").new()
  store:add(root)
  local parameters = openssl("x509.verify_param").new()
  parameters:setTime(floor(time))
  parameters:setDepth(MAX_DEPTH) -- luaossl's new parameters allow none
  local chain = openssl("x509.chain").new()
  for _, certificate in ipairs(others) do
    chain:add(certificate)
  end
  local fine, reason = leaf:verify { store = store, chain = chain, params = parameters }
  if fine then
    return true
  end
  return false, tostring(reason)
end

return x509
