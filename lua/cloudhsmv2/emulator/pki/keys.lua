--- Key pairs that are the same for the same text, and signatures that are the same for the same bytes, so that a seed
-- gives the same certificates everywhere. Nothing here is a secret, and nothing may be used outside of tests.
--
-- OpenSSL makes neither: its keys are random, and so is every ECDSA signature. Here the private key is made of a hash, the
-- nonce of a signature is that of RFC 6979, and OpenSSL's arithmetic does the rest. (RSA signatures are the same every time
-- as they are.) Needs luaossl.
-- @module cloudhsmv2.emulator.pki.keys

local der = require "cloudhsmv2.emulator.pki.der"
local pem = require "cloudhsmv2.emulator.pki.pem"

local keys = {}

-- P-256 (SEC 2, section 2.4.2): the order of its group, its name, and the bytes of a number below the order.
local ORDER = "0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
local P256 = der.oid "\042\134\072\206\061\003\001\007"
local SIZE = 32

-- ecdsa-with-SHA256 (RFC 5758) and sha256WithRSAEncryption (RFC 8017)
local ECDSA = der.sequence(der.oid "\042\134\072\206\061\004\003\002")
local RSA = der.sequence(der.oid "\042\134\072\134\247\013\001\001\011", der.element(der.TAGS.NULL, ""))

local RSA_BITS = 2048
local RSA_EXPONENT = 65537

-- luaossl is loaded at the first key: it is an optional dependency.
local function openssl(name)
  return require("openssl." .. name)
end

--- The SHA-256 of bytes.
-- @tparam string bytes
-- @treturn string 32 bytes
function keys.digest(bytes)
  return openssl("digest").new("sha256"):final(bytes)
end

local function hmac(key, bytes)
  return openssl("hmac").new(key, "sha256"):final(bytes)
end

local function number(bytes)
  return openssl("bignum").fromBinary(bytes)
end

local function small(value)
  return openssl("bignum").new(value)
end

-- A number as bytes of a fixed length.
local function padded(value, size)
  local bytes = value:toBinary()
  return ("\0"):rep(size - #bytes) .. bytes
end

-- The key pair of a private number. OpenSSL works out the public one, which RFC 5915 lets us leave out.
local function key_of(scalar)
  local bytes = der.sequence(der.integer "\1", der.octets(padded(scalar, SIZE)), der.tagged(0, P256))
  return openssl("pkey").new(bytes, "DER")
end

-- The public half of luaossl's key: a SubjectPublicKeyInfo.
local function public_of(pair)
  return pem.decode(pair:toPEM "public", "PUBLIC KEY")[1]
end

-- The x coordinate of a public key, which ends with x and y. (luaossl's getParameters tells it too, and leaks.)
local function x_of(pair)
  return number(public_of(pair):sub(-2 * SIZE, -SIZE - 1))
end

-- The nonce for a hash (RFC 6979, section 3.2, with SHA-256 and a group of 256 bits).
local function nonce(scalar, hash, order)
  local secret = padded(scalar, SIZE) .. padded(number(hash) % order, SIZE)
  local value, key = ("\1"):rep(SIZE), ("\0"):rep(SIZE)
  for _, round in ipairs { "\0", "\1" } do
    key = hmac(key, value .. round .. secret)
    value = hmac(key, value)
  end
  while true do
    value = hmac(key, value)
    local candidate = number(value)
    if candidate > small(0) and candidate < order then
      return candidate
    end
    key = hmac(key, value .. "\0")
    value = hmac(key, value)
  end
end

local function sign_elliptic(key, bytes)
  local order = small(ORDER)
  local hash = keys.digest(bytes)
  local k = nonce(key.scalar, hash, order)
  local r = x_of(key_of(k)) % order
  local inverse = k:mod_exp(order - small(2), order) -- Fermat's: the order is prime
  local s = inverse:mod_mul(number(hash) + r * key.scalar, order)
  return der.sequence(der.integer(r:toBinary()), der.integer(s:toBinary()))
end

--- Signs bytes with SHA-256 and what the key is for.
-- @tparam table key
-- @tparam string bytes
-- @treturn string the signature
function keys.sign(key, bytes)
  if key.scalar then
    return sign_elliptic(key, bytes)
  end
  return key.pair:sign(openssl("digest").new("sha256"):update(bytes))
end

--- The algorithm of a key's signatures.
-- @tparam table key
-- @treturn string an AlgorithmIdentifier
function keys.algorithm(key)
  return key.scalar and ECDSA or RSA
end

--- The public half of a key.
-- @tparam table key
-- @treturn string a SubjectPublicKeyInfo
function keys.public(key)
  return public_of(key.pair)
end

--- The key pair on P-256 of a private number.
-- @tparam string bytes big-endian, of a number from 1 to the group's order less 1
-- @treturn table `pair`, luaossl's key, and `scalar`
function keys.of_scalar(bytes)
  local scalar = number(bytes)
  return { pair = key_of(scalar), scalar = scalar }
end

local function elliptic(text)
  local order = small(ORDER)
  local scalar = number(keys.digest(text)) % (order - small(1)) + small(1)
  return { pair = key_of(scalar), scalar = scalar }
end

-- The first prime that fits RSA after a number that a text gives.
local function prime(text)
  local blocks = {}
  for i = 1, RSA_BITS / 2 / 256 do
    blocks[i] = keys.digest(text .. "/" .. i)
  end
  local bytes = table.concat(blocks)
  local first, last = bytes:byte(1), bytes:byte(#bytes)
  first = first % 64 + 192 -- two high bits, so that the product of two has all its bits
  last = last - last % 2 + 1
  local candidate = number(string.char(first) .. bytes:sub(2, -2) .. string.char(last))
  local two, one, exponent = small(2), small(1), small(RSA_EXPONENT)
  while not (candidate:isPrime() and (candidate - one) % exponent > small(0)) do
    candidate = candidate + two
  end
  return candidate
end

local function rsa(text)
  local p, q = prime(text .. "/p"), prime(text .. "/q")
  if p < q then
    p, q = q, p
  end
  local one, e = small(1), small(RSA_EXPONENT)
  local p1, q1 = p - one, q - one
  local phi = p1 * q1
  -- d = (1 + m phi) / e with the m that makes it whole; m is the inverse of -phi, by Fermat's since e is prime
  local m = (e - phi % e):mod_exp(e - small(2), e)
  local d = (one + m * phi) / e
  local numbers = { p * q, e, d, p, q, d % p1, d % q1, q:mod_exp(p - small(2), p) }
  for i, value in ipairs(numbers) do
    numbers[i] = der.integer(value:toBinary())
  end
  local bytes = der.sequence(der.integer "\0", table.concat(numbers)) -- RSAPrivateKey of RFC 8017
  return { pair = openssl("pkey").new(bytes, "DER") }
end

--- The key pair of a text.
-- @tparam string kind `"EC"`: P-256, in a millisecond; or `"RSA"`: 2048 bits, which takes a good part of a second
-- @tparam string text
-- @treturn table `pair`, luaossl's key; and `scalar`, for EC
function keys.of_text(kind, text)
  return kind == "RSA" and rsa(text) or elliptic(text)
end

return keys
