--- What InitializeCluster looks at: whether a certificate is the cluster's own, of an authority that vouches for itself.
-- Needs luaossl.
-- @module cloudhsmv2.emulator.pki.check

local moment = require "cloudhsmv2.moment"
local x509 = require "cloudhsmv2.emulator.pki.x509"

local function read_all(blocks)
  local out = {}
  for i, block in ipairs(blocks) do
    out[i] = x509.read_certificate(block)
    if not out[i] then
      return nil
    end
  end
  return out
end

-- The root among certificates, and the others.
local function find_root(certificates)
  local root, others = nil, {}
  for _, certificate in ipairs(certificates) do
    if not root and x509.is_self_signed(certificate) then
      root = certificate
    else
      others[#others + 1] = certificate
    end
  end
  return root, others
end

local function date_problem(label, certificate, now)
  if not x509.is_valid_at(certificate, now) then
    return ("The %s is not valid at %s."):format(label, moment.http(now))
  end
  return nil
end

--- What is wrong with the certificates of a request.
-- @tparam string csr of the cluster, PEM
-- @tparam table signed the bytes of SignedCert's certificate, in a list
-- @tparam table anchors the bytes of TrustAnchor's certificates
-- @tparam number now seconds since 1970
-- @treturn ?string nil when nothing is
local function problem(csr, signed, anchors, now)
  local request = x509.read_request(csr)
  if not request then
    return nil -- made by an emulator without luaossl: there is no key to compare with
  end
  local leaf, chain = read_all(signed), read_all(anchors)
  if not leaf then
    -- [assumed] what is PEM and no X.509 certificate is refused, in SignedCert and in TrustAnchor
    return "The SignedCert is not an X.509 certificate."
  elseif not chain then
    return "The TrustAnchor is not an X.509 certificate."
  end
  leaf = leaf[1]
  if leaf.public ~= request.public then
    -- [documented, API reference] SignedCert is a certificate for the key of the cluster's CSR
    return "The SignedCert does not have the public key of the cluster's certificate signing request."
  end
  local root, others = find_root(chain)
  if not root then
    -- [documented, API reference] TrustAnchor is self-signed
    return "The TrustAnchor is not self-signed."
  elseif not root.is_ca and root.version == 3 then
    -- [documented, user guide "Initialize the cluster"] a TrustAnchor with extensions says that it is an authority's
    return "The TrustAnchor is not a certificate authority's: it has no basic constraint CA:TRUE."
  end
  -- [assumed] both certificates have to be valid at the time of the request
  local dated = date_problem("TrustAnchor", root, now) or date_problem("SignedCert", leaf, now)
  if dated then
    return dated
  end
  local fine, reason = x509.verify(leaf, root, others, now)
  if not fine then
    -- [documented, API reference] TrustAnchor is the authority that signed SignedCert
    return ("The SignedCert was not issued by the TrustAnchor: %s."):format(reason)
  end
  return nil
end

return problem
