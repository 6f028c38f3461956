--- The certificates of a cluster: what it shows before it is initialized, and what InitializeCluster accepts.
--
-- With luaossl (Debian: `lua-luaossl`, module `openssl.*`) they are real: a chain of X.509 for every HSM, a request that
-- can be signed as AWS's guide says, and an InitializeCluster that checks what it gets. The same seed gives the same
-- bytes. Without luaossl they are text in PEM armour that says whose it is, InitializeCluster looks at the form only, and
-- everything else works alike.
-- @module cloudhsmv2.emulator.certificates

local chain = require "cloudhsmv2.emulator.pki.chain"
local check = require "cloudhsmv2.emulator.pki.check"
local pem = require "cloudhsmv2.emulator.pki.pem"
local x509 = require "cloudhsmv2.emulator.pki.x509"

local certificates = {}
local methods = {}
local metatable = { __name = "cloudhsmv2.emulator.certificates", __index = methods }

local NEEDS_LUAOSSL = "needs luaossl: apt-get install lua-luaossl, or luarocks install luaossl"

local function as_text(label, what, ...)
  return pem.encode(label, ("cloudhsmv2 emulator, not X.509: " .. what):format(...))
end

-- luaossl is looked for when the first certificate is wanted.
local function is_real(self)
  if self.real == nil then
    self.real = x509.available()
  end
  return self.real
end

--- What a cluster shows while it waits to be initialized.
-- @tparam table cluster
-- @tparam string hsm_id of its HSM
-- @treturn table members of the shape Certificates
function methods:of_hsm(cluster, hsm_id)
  if is_real(self) then
    return self.chain:of_hsm(hsm_id, cluster.Mode)
  end
  local function about(label, what)
    return as_text(label, "%s of %s in %s", what, hsm_id, cluster.ClusterId)
  end
  return {
    ClusterCsr = about("CERTIFICATE REQUEST", "certificate request"),
    HsmCertificate = about("CERTIFICATE", "HSM certificate"),
    AwsHardwareCertificate = about("CERTIFICATE", "AWS hardware certificate"),
    ManufacturerHardwareCertificate = about("CERTIFICATE", "manufacturer hardware certificate"),
  }
end

--- What is wrong with the certificates that InitializeCluster was given.
-- @tparam string csr of the cluster, PEM
-- @tparam string signed_cert
-- @tparam string trust_anchor
-- @tparam number now seconds since 1970
-- @treturn ?string nil when nothing is
function methods:problem(csr, signed_cert, trust_anchor, now)
  local signed, anchors = pem.decode(signed_cert, "CERTIFICATE"), pem.decode(trust_anchor, "CERTIFICATE")
  if not signed or #signed > 1 then
    -- [documented, API reference] SignedCert is one certificate in PEM form
    return "SignedCert must be one certificate in PEM form."
  elseif not anchors then
    -- [documented, API reference] TrustAnchor is in PEM form
    return "TrustAnchor must be a certificate in PEM form, or a chain of them."
  elseif #anchors > 1 and self.anchor_chain == "refuse" then
    -- [documented, API reference] the root has signed the certificate itself: no chain (`anchor_chain = "refuse"`)
    return "TrustAnchor must be one certificate, the root that signed SignedCert."
  end
  -- [documented, user guide "Initialize the cluster"] TrustAnchor may be a chain, its root among it; the API reference
  --   says otherwise, and `anchor_chain` chooses
  return is_real(self) and check(csr, signed, anchors, now) or nil
end

--- The roots that hardware certificates lead to.
-- @treturn[1] table `aws` and `manufacturer`, PEM
-- @treturn[2] nil
-- @treturn[2] string why there are none
function methods:roots()
  if not is_real(self) then
    return nil, "an emulator's roots: " .. NEEDS_LUAOSSL
  end
  return self.chain:roots()
end

--- Signs a cluster's request as a customer does.
-- @tparam string csr PEM
-- @tparam number now seconds since 1970
-- @treturn[1] string the certificate, PEM
-- @treturn[1] string the authority's own, PEM
-- @treturn[2] nil
-- @treturn[2] string why not
function methods:sign(csr, now)
  if is_real(self) then
    return self.chain:sign(csr, now)
  elseif type(csr) ~= "string" or not csr:find("-----BEGIN CERTIFICATE REQUEST-----", 1, true) then
    return nil, "this is no certificate signing request in PEM form"
  end
  return as_text("CERTIFICATE", "cluster certificate"), as_text("CERTIFICATE", "customer authority")
end

--- The certificates of an emulator.
-- @tparam table settings `seed`, `certificates` (`"auto"`: real where luaossl is installed; `"real"`; `"text"`), `hsm_keys`
-- (`"EC"` or `"RSA"`) and `anchor_chain` (`"allow"` or `"refuse"`)
-- @treturn[1] table
-- @treturn[2] nil
-- @treturn[2] string why they cannot be real
function certificates.new(settings)
  local real
  if settings.certificates == "text" then
    real = false
  elseif settings.certificates == "real" then
    real = x509.available()
    if not real then
      return nil, NEEDS_LUAOSSL
    end
  end
  return setmetatable({
    real = real, -- nil: not looked for yet
    anchor_chain = settings.anchor_chain,
    chain = chain.new(settings.seed, settings.hsm_keys),
  }, metatable)
end

return certificates
