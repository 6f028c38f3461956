--- Who signs what in a CloudHSM, and an authority as a customer has one.
--
--     AWS's root ----> AwsHardwareCertificate ----------.  both certify the same key in the same name,
--     maker's root --> ManufacturerHardwareCertificate -+-> which signs HsmCertificate, whose key signs ClusterCsr
--     customer's root --> SignedCert, over the key of ClusterCsr
--
-- Everything is derived from a seed and from ids: the same ones give the same bytes, whenever they are asked for. Needs
-- luaossl.
-- @module cloudhsmv2.emulator.pki.chain

local keys = require "cloudhsmv2.emulator.pki.keys"
local x509 = require "cloudhsmv2.emulator.pki.x509"

local chain = {}
local methods = {}
local metatable = { __name = "cloudhsmv2.emulator.pki.chain", __index = methods }

local DAY = 86400
local SERIAL_BYTES = 16

-- [ours] the emulator's roots, hardware and HSM certificates are valid from 2017 to 2047, so that they hold by the
--   machine's clock as well as by the emulator's; AWS's own root is valid from 2017-04-28 to 2027-04-26
local FROM = 1493337600 -- 2017-04-28
local TO = 2440108800 -- 2047-04-29

-- [ours] the names of the roots say that they are an emulator's
local AWS_ROOT = { { "C", "US" }, { "O", "cloudhsmv2 emulator" }, { "CN", "Emulated AWS CloudHSM Root" } }
local MAKER_ROOT = { { "C", "US" }, { "O", "cloudhsmv2 emulator" }, { "CN", "Emulated HSM Maker Root" } }
local CUSTOMER = { { "C", "US" }, { "O", "cloudhsmv2 emulator" }, { "CN", "Emulated Customer Authority" } }
local CUSTOMER_DAYS = 3652 -- as in AWS's guide

local function new_key(self, purpose)
  return keys.of_text(self.kind, ("cloudhsmv2 emulator/%d/%s/%s"):format(self.seed, self.kind, purpose))
end

-- The key of an authority, made at its first use.
local function key(self, purpose)
  self.keys[purpose] = self.keys[purpose] or new_key(self, purpose)
  return self.keys[purpose]
end

local function serial(self, purpose)
  return "\1" .. keys.digest(self.seed .. "/" .. purpose):sub(1, SERIAL_BYTES - 1)
end

local function root(self, purpose, list)
  local name = x509.name(list)
  return x509.certificate {
    subject = name,
    issuer = name,
    public = keys.public(key(self, purpose)),
    issuer_key = key(self, purpose),
    serial = serial(self, purpose),
    from = FROM,
    to = TO,
    is_ca = true,
  }
end

--- The two roots that hardware certificates lead to.
-- @treturn table `aws` and `manufacturer`, PEM
function methods:roots()
  self.made_roots = self.made_roots
    or { aws = root(self, "aws root", AWS_ROOT), manufacturer = root(self, "maker root", MAKER_ROOT) }
  return { aws = self.made_roots.aws, manufacturer = self.made_roots.manufacturer }
end

local function hsm_name(hsm_id, mode)
  -- [documented, user guide "Get the cluster CSR"] the subject of the CSR, as in `CN=HSM:..:PARTN:1, for FIPS mode`
  -- [assumed] the CN of an HSM that is not in FIPS mode, and that hsm2m.medium names the same organization
  local digits = keys.digest(hsm_id):sub(1, 16):gsub(".", function(character)
    return ("%02X"):format(character:byte())
  end)
  local text = mode == "NON_FIPS" and "HSM:%s:PARTN:1, for non-FIPS mode" or "HSM:%s:PARTN:1, for FIPS mode"
  return x509.name {
    { "C", "US" },
    { "ST", "CA" },
    { "O", "Cavium" },
    { "OU", "N3FIPS" },
    { "L", "SanJose" },
    { "CN", text:format(digits) },
  }
end

--- What a cluster shows of its first HSM.
-- @tparam string hsm_id
-- @tparam string mode FIPS or NON_FIPS
-- @treturn table members of the shape Certificates
function methods:of_hsm(hsm_id, mode)
  -- [documented, user guide "Verify HSM identity"] the hardware certificates of AWS and of the maker certify the same key,
  --   that key signs the HSM's certificate, and the HSM's certificate has the key of the CSR
  -- [observed, measured] hardware certificates are authorities' (CA:TRUE): the guide's check with openssl needs it
  -- [ours] keys are of P-256, with `hsm_keys = "RSA"` of 2048 bits as AWS's samples
  local hardware_name = x509.name { { "C", "US" }, { "O", "Cavium" }, { "CN", "HSM hardware " .. hsm_id } }
  local name = hsm_name(hsm_id, mode)
  local function certificate(purpose, issuer, issuer_key, subject, subject_key, is_ca)
    return x509.certificate {
      subject = subject,
      issuer = issuer,
      public = keys.public(subject_key),
      issuer_key = issuer_key,
      serial = serial(self, purpose .. " of " .. hsm_id),
      from = FROM,
      to = TO,
      is_ca = is_ca,
    }
  end
  local hardware_key, hsm_key = new_key(self, "hardware of " .. hsm_id), new_key(self, hsm_id)
  local maker_key = key(self, "maker root")
  return {
    ClusterCsr = x509.request(name, hsm_key),
    HsmCertificate = certificate("certificate", hardware_name, hardware_key, name, hsm_key),
    AwsHardwareCertificate = certificate(
      "aws",
      x509.name(AWS_ROOT),
      key(self, "aws root"),
      hardware_name,
      hardware_key,
      true
    ),
    ManufacturerHardwareCertificate = certificate(
      "maker",
      x509.name(MAKER_ROOT),
      maker_key,
      hardware_name,
      hardware_key,
      true
    ),
  }
end

--- Signs a request as AWS's guide tells a customer to: with an authority of one's own, for ten years.
-- @tparam string csr PEM
-- @tparam number now seconds since 1970
-- @treturn[1] string the certificate, PEM
-- @treturn[1] string the authority's own, PEM
-- @treturn[2] nil
-- @treturn[2] string why not
function methods:sign(csr, now)
  local request = x509.read_request(csr)
  if not request then
    return nil, "this is no certificate signing request in PEM form"
  end
  local authority_key, authority = key(self, "customer authority"), x509.name(CUSTOMER)
  local function certificate(purpose, subject, public, is_ca)
    return x509.certificate {
      subject = subject,
      issuer = authority,
      public = public,
      issuer_key = authority_key,
      serial = serial(self, purpose),
      from = now,
      to = now + CUSTOMER_DAYS * DAY,
      is_ca = is_ca,
    }
  end
  local leaf = certificate(csr, request.subject, request.public)
  return leaf, certificate("customer authority", authority, keys.public(authority_key), true)
end

--- The certificates of a seed.
-- @tparam integer seed
-- @tparam string kind of keys, `"EC"` or `"RSA"`
-- @treturn table
function chain.new(seed, kind)
  return setmetatable({ seed = seed, kind = kind, keys = {} }, metatable)
end

return chain
