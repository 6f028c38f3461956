--- The PEM blocks of a cluster's bootstrap.
--
-- They are text in PEM armour that says whose it is; they are not X.509. A script can fetch, store and hand them on,
-- but OpenSSL will not read them. What InitializeCluster gets is checked for its form only.
--
-- | behaviour | how sure |
-- | --- | --- |
-- | the CSR and three certificates are there once the first HSM is ACTIVE, and gone after InitializeCluster | documented |
-- | ClusterCertificate is there from then on, and at once in a cluster made from a backup | documented |
-- | what the service refuses besides text that is not PEM | assumed: nothing |
--
-- @module cloudhsmv2.emulator.certificates

local byte = string.byte
local floor = math.floor

local certificates = {}

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local CERTIFICATE = "%-%-%-%-%-BEGIN CERTIFICATE%-%-%-%-%-([A-Za-z0-9+/= \r\n\t]-)%-%-%-%-%-END CERTIFICATE%-%-%-%-%-"
local LINE = 64 -- characters of base64 in a line (RFC 7468)

local function digit(value)
  return ALPHABET:sub(value + 1, value + 1)
end

local function base64(text)
  local out = {}
  for i = 1, #text, 3 do
    local a, b, c = byte(text, i, i + 2)
    local bits = a * 65536 + (b or 0) * 256 + (c or 0)
    out[#out + 1] = digit(floor(bits / 262144))
    out[#out + 1] = digit(floor(bits / 4096) % 64)
    out[#out + 1] = b and digit(floor(bits / 64) % 64) or "="
    out[#out + 1] = c and digit(bits % 64) or "="
  end
  return table.concat(out)
end

local function armour(label, text)
  local lines = { "-----BEGIN " .. label .. "-----" }
  local encoded = base64(text)
  for i = 1, #encoded, LINE do
    lines[#lines + 1] = encoded:sub(i, i + LINE - 1)
  end
  lines[#lines + 1] = "-----END " .. label .. "-----\n"
  return table.concat(lines, "\n")
end

--- What a cluster shows while it waits to be initialized.
-- @tparam string cluster_id
-- @tparam string hsm_id
-- @treturn table members of the shape Certificates
function certificates.of_hsm(cluster_id, hsm_id)
  local function about(what)
    return ("cloudhsmv2 emulator, not X.509: %s of %s in %s"):format(what, hsm_id, cluster_id)
  end
  return {
    ClusterCsr = armour("CERTIFICATE REQUEST", about "certificate request"),
    HsmCertificate = armour("CERTIFICATE", about "HSM certificate"),
    AwsHardwareCertificate = armour("CERTIFICATE", about "AWS hardware certificate"),
    ManufacturerHardwareCertificate = armour("CERTIFICATE", about "manufacturer hardware certificate"),
  }
end

--- How many certificates a text holds.
-- @tparam string text
-- @treturn ?integer nil when there is anything else in it
function certificates.count(text)
  local count = 0
  local rest = text:gsub(CERTIFICATE, function(body)
    count = count + (body:find "[A-Za-z0-9]" and 1 or 0)
    return ""
  end)
  if rest:find "%S" or count == 0 then
    return nil
  end
  return count
end

return certificates
