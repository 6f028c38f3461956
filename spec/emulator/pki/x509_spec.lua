local der = require "cloudhsmv2.emulator.pki.der"
local keys = require "cloudhsmv2.emulator.pki.keys"
local openssl_x509 = require "openssl.x509"
local pem = require "cloudhsmv2.emulator.pki.pem"
local random = require "cloudhsmv2.emulator.random"
local x509 = require "cloudhsmv2.emulator.pki.x509"

local TAGS = der.TAGS
local START = 1767225600 -- 2026-01-01T00:00:00Z

local function certificate(fields)
  local key = keys.of_text(fields.kind or "EC", "a")
  local all = {
    subject = x509.name { { "C", "US" }, { "O", "x, y" }, { "CN", "leaf" } },
    issuer = x509.name { { "CN", "root" } },
    public = keys.public(key),
    issuer_key = key,
    serial = "\1\255",
    from = START,
    to = START + 86400,
  }
  for name, value in pairs(fields) do
    all[name] = value
  end
  return pem.decode(x509.certificate(all), "CERTIFICATE")[1]
end

-- Runs the openssl command with bytes on its standard input, from a file.
local function openssl(command, bytes)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
  local from = command:find "^verify" and "" or "-in"
  local pipe = assert(io.popen(("{ openssl %s %s '%s'; } 2>&1"):format(command, from, path)))
  local output = pipe:read "*a"
  pipe:close()
  os.remove(path)
  return output
end

describe("a certificate", function()
  it("is what it was told to be, as openssl reads it", function()
    for kind, algorithm in pairs { EC = "ecdsa-with-SHA256", RSA = "sha256WithRSAEncryption" } do
      local text = openssl("x509 -inform DER -noout -text", certificate { kind = kind, is_ca = true })
      for _, part in ipairs {
        "Version: 3",
        "Serial Number: 511 (0x1ff)",
        "Signature Algorithm: " .. algorithm,
        "Issuer: CN = root",
        "Not Before: Jan  1 00:00:00 2026 GMT",
        "Not After : Jan  2 00:00:00 2026 GMT",
        'Subject: C = US, O = "x, y", CN = leaf',
        "X509v3 Basic Constraints: critical",
        "CA:TRUE",
        "Digital Signature, Certificate Sign, CRL Sign",
      } do
        assert.matches(part, text, 1, true)
      end
    end
    assert.is_nil(openssl("x509 -inform DER -noout -text", certificate {}):find("CA:TRUE", 1, true))
  end)

  it("may last beyond 2049, where dates have another form", function()
    local long = certificate { to = 2524608000 } -- 2050-01-01T00:00:00Z
    assert.matches("Not After : Jan  1 00:00:00 2050 GMT", openssl("x509 -inform DER -noout -text", long), 1, true)
    assert.are.equal(2524608000, x509.read_certificate(long).to)
  end)

  it("passes OpenSSL's strictest checks", function()
    local key = keys.of_text("EC", "root")
    local name = x509.name { { "CN", "root" } }
    local fields = { subject = name, issuer = name, public = keys.public(key), issuer_key = key, is_ca = true }
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write(pem.encode("CERTIFICATE", certificate(fields)))
    file:close()
    local leaf = pem.encode("CERTIFICATE", certificate { issuer_key = key })
    local output = openssl(("verify -x509_strict -attime %d -CAfile '%s'"):format(START, path), leaf)
    os.remove(path)
    assert.matches(": OK\n$", output)
  end)

  it("is read as it was made", function()
    local bytes = certificate { is_ca = true }
    local read = x509.read_certificate(bytes)
    assert.are.equal(3, read.version)
    assert.are.equal(START, read.from)
    assert.are.equal(START + 86400, read.to)
    assert.is_true(read.is_ca)
    assert.are.equal(x509.name { { "CN", "root" } }, read.issuer)
    assert.are.equal(keys.public(keys.of_text("EC", "a")), read.public)
    assert.is_false(x509.read_certificate(certificate {}).is_ca)
  end)

  it("is not read when bytes are missing or left over", function()
    local bytes = certificate {}
    for length = 0, #bytes - 1 do
      assert.is_nil(x509.read_certificate(bytes:sub(1, length)))
    end
    assert.is_nil(x509.read_certificate(bytes .. "\0"))
  end)

  -- luaossl reads memory that was freed when OpenSSL refuses a certificate: it must never be given such a one.
  it("that is read is one that OpenSSL reads, however it was damaged", function()
    local chance = random.new(7)
    local function draw(most)
      return math.floor(chance.draw() * most) + 1
    end
    local whole = { certificate {}, certificate { is_ca = true }, certificate { kind = "RSA", to = 2524608000 } }
    local tags = {}
    for _, tag in pairs(TAGS) do
      tags[#tags + 1] = tag
    end
    table.sort(tags)
    local accepted, refused = 0, 0
    for _ = 1, 1500 do
      local bytes = whole[draw(#whole)]
      for _ = 1, draw(2) do
        local at = draw(#bytes)
        local value = draw(2) == 1 and draw(256) - 1 or tags[draw(#tags)]
        bytes = bytes:sub(1, at - 1) .. string.char(value) .. bytes:sub(at + 1)
      end
      local read = x509.read_certificate(bytes)
      if read then
        accepted = accepted + 1
        assert.is_true((pcall(openssl_x509.new, bytes, "DER")))
        x509.is_self_signed(read)
        x509.verify(read, read, {}, START)
      else
        refused = refused + 1
      end
    end
    assert.is_true(accepted > 100 and refused > 100)
  end)
end)

describe("a request", function()
  it("is read as it was made, and nothing else is", function()
    local key, name = keys.of_text("EC", "b"), x509.name { { "CN", "hsm" } }
    local text = x509.request(name, key)
    assert.are.same({ subject = name, public = keys.public(key) }, x509.read_request(text))
    for _, other in ipairs {
      "",
      "hello",
      text .. text,
      pem.encode("CERTIFICATE REQUEST", certificate {}),
      pem.encode("CERTIFICATE REQUEST", "\48\0"),
      pem.encode("CERTIFICATE", pem.decode(text, "CERTIFICATE REQUEST")[1]),
    } do
      assert.is_nil(x509.read_request(other))
    end
    assert.is_nil(x509.read_request(nil))
  end)

  it("has a signature of its own key", function()
    for _, kind in ipairs { "EC", "RSA" } do
      local text = x509.request(x509.name { { "CN", "hsm" } }, keys.of_text(kind, "b"))
      assert.matches("verify OK", openssl("req -noout -verify", text), 1, true)
    end
  end)
end)
