-- What the emulator makes is looked at by the openssl command, and what it is given is made by that command or by
-- luaossl itself, with keys of their own.

local bignum = require "openssl.bignum"
local csr = require "openssl.x509.csr"
local emulator = require "cloudhsmv2.emulator"
local errors = require "cloudhsmv2.errors"
local extension = require "openssl.x509.extension"
local helper = require "spec.emulator.helper"
local pem = require "cloudhsmv2.emulator.pki.pem"
local pkey = require "openssl.pkey"
local x509 = require "openssl.x509"
local x509_name = require "openssl.x509.name"

local INVALID = "CloudHsmInvalidRequestException"
local DAY = 86400
local FIRST_OF_2026 = helper.START

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

-- Runs a command of the shell; returns what it printed.
local function run(...)
  local pipe = assert(io.popen("{ " .. string.format(...) .. "; } 2>&1"))
  local output = pipe:read "*a"
  pipe:close()
  return output
end

local function new_folder()
  local path = os.tmpname()
  os.remove(path)
  run("mkdir -m 700 '%s'", path)
  return path
end

describe("the certificates of an HSM", function()
  local service, id, folder

  local function save(text)
    service.saved = (service.saved or 0) + 1
    local path = ("%s/%d.pem"):format(folder, service.saved)
    write(path, text)
    return path
  end

  before_each(function()
    folder = new_folder()
    service = helper.new()
    id = service:cluster_with_csr()
  end)

  after_each(function()
    run("rm -r '%s'", folder)
  end)

  -- AWS's guide, "Verify HSM identity": both hardware certificates, each with its root, vouch for the HSM's.
  local function check_identity(shown)
    local roots = assert(service.emulator:root_certificates())
    local certificate = save(shown.HsmCertificate)
    for root, hardware in pairs {
      [roots.aws] = shown.AwsHardwareCertificate,
      [roots.manufacturer] = shown.ManufacturerHardwareCertificate,
    } do
      local chain = save(hardware .. root)
      assert.matches(": OK\n$", run("openssl verify -attime %d -CAfile '%s' '%s'", FIRST_OF_2026, chain, certificate))
      assert.matches(": OK\n$", run("openssl verify -CAfile '%s' '%s'", chain, certificate))
    end
    local of_request = run("openssl req -in '%s' -noout -pubkey", save(shown.ClusterCsr))
    assert.matches("^%-%-%-%-%-BEGIN PUBLIC KEY", of_request)
    assert.are.equal(of_request, run("openssl x509 -in '%s' -noout -pubkey", certificate))
  end

  it("pass the check of AWS's guide", function()
    check_identity(service:cluster(id).Certificates)
  end)

  it("pass it with RSA keys of 2048 bits too", function()
    service = helper.new { hsm_keys = "RSA" }
    id = service:cluster_with_csr()
    local shown = service:cluster(id).Certificates
    check_identity(shown)
    assert.matches("Public-Key: (2048 bit)", run("openssl req -in '%s' -noout -text", save(shown.ClusterCsr)), 1, true)
  end)

  it("do not pass it with the root of another emulator", function()
    local roots = assert(helper.new({ seed = 2 }).emulator:root_certificates())
    local shown = service:cluster(id).Certificates
    local chain, certificate = save(shown.AwsHardwareCertificate .. roots.aws), save(shown.HsmCertificate)
    assert.matches("verification failed", run("openssl verify -CAfile '%s' '%s'", chain, certificate), 1, true)
  end)

  it("are authorities' where they are hardware's, of one key, and the HSM's are not", function()
    local shown = service:cluster(id).Certificates
    local function text(certificate)
      return run("openssl x509 -in '%s' -noout -text", save(certificate))
    end
    assert.matches("CA:TRUE", text(shown.AwsHardwareCertificate), 1, true)
    assert.matches("CA:TRUE", text(shown.ManufacturerHardwareCertificate), 1, true)
    assert.is_nil(text(shown.HsmCertificate):find("CA:TRUE", 1, true))
    local function public(certificate)
      return run("openssl x509 -in '%s' -noout -pubkey -subject", save(certificate))
    end
    assert.are.equal(public(shown.AwsHardwareCertificate), public(shown.ManufacturerHardwareCertificate))
  end)

  it("have a request with the subject of AWS's sample, signed by its own key", function()
    local shown = service:cluster(id).Certificates
    local output = run("openssl req -in '%s' -noout -verify -subject", save(shown.ClusterCsr))
    assert.matches("verify OK", output, 1, true)
    assert.matches("C = US, ST = CA, O = Cavium, OU = N3FIPS, L = SanJose, CN = ", output, 1, true)
    assert.matches('"HSM:%x+:PARTN:1, for FIPS mode"', output)
  end)

  it("say when the HSM is not in FIPS mode", function()
    service = helper.new()
    id = service:cluster_with_csr { Mode = "NON_FIPS" }
    local output = run("openssl req -in '%s' -noout -subject", save(service:cluster(id).Certificates.ClusterCsr))
    assert.matches("for non-FIPS mode", output, 1, true)
  end)

  it("are the same bytes for the same seed, whenever they are made", function()
    local other = helper.new { time = FIRST_OF_2026 + 400 * DAY }
    local other_id = other:cluster_with_csr()
    assert.are.equal(id, other_id)
    assert.are.same(service:cluster(id).Certificates, other:cluster(id).Certificates)
    other = helper.new { seed = 2 }
    assert.are.not_equal(
      service:cluster(id).Certificates.ClusterCsr,
      other:cluster(other:cluster_with_csr()).Certificates.ClusterCsr
    )
  end)

  it("are made only for an HSM: no certificate is made before", function()
    local asked = 0
    local made = helper.new()
    local pki = made.emulator.settings.pki
    local of_hsm = pki.of_hsm
    pki.of_hsm = function(...)
      asked = asked + 1
      return of_hsm(...)
    end
    local cluster_id = made:create_cluster()
    made.emulator:advance(120)
    assert.are.equal(0, asked)
    made:call("CreateHsm", { ClusterId = cluster_id, AvailabilityZone = "us-east-1a" })
    made.emulator:advance(313)
    assert.are.equal(1, asked)
    made:initialize(cluster_id)
    made.emulator:advance(DAY)
    assert.are.equal(1, asked)
  end)

  it("give way to others when another HSM takes the place of the first", function()
    local before = service:cluster(id)
    assert.is_string(service.emulator:replace_hsm(before.Hsms[1].HsmId))
    assert.are.same({}, service:cluster(id).Certificates)
    service.emulator:advance(313)
    local shown = service:cluster(id).Certificates
    assert.are.not_equal(before.Certificates.ClusterCsr, shown.ClusterCsr)
    check_identity(shown)
  end)
end)

describe("InitializeCluster", function()
  local folder
  before_each(function()
    folder = new_folder()
  end)

  after_each(function()
    run("rm -r '%s'", folder)
  end)

  -- AWS's guide, "Initialize the cluster": the commands as they stand there, but for the names of files and -subj.
  local function sign_as_in_the_guide(request, key_command)
    write(folder .. "/ClusterCsr.csr", request)
    local output = run(
      "cd '%s' && %s"
        .. " && openssl req -new -x509 -days 3652 -key customerCA.key -out customerCA.crt -subj '/CN=example customer'"
        .. " && openssl x509 -req -days 3652 -in ClusterCsr.csr -CA customerCA.crt -CAkey customerCA.key"
        .. " -CAcreateserial -out CustomerHsmCertificate.crt && echo signed",
      folder,
      key_command
    )
    assert.matches("signed\n$", output)
    return read(folder .. "/CustomerHsmCertificate.crt"), read(folder .. "/customerCA.crt")
  end

  it("takes what is signed by the commands of AWS's guide", function()
    for _, command in ipairs {
      "openssl genrsa -out customerCA.key 2048",
      "openssl ecparam -name prime256v1 -genkey -noout -out customerCA.key",
    } do
      local service = helper.new { time = os.time() } -- the command signs by the clock of this machine
      local id = service:cluster_with_csr()
      local certificate, anchor = sign_as_in_the_guide(service:cluster(id).Certificates.ClusterCsr, command)
      service:call("InitializeCluster", { ClusterId = id, SignedCert = certificate, TrustAnchor = anchor })
      service.emulator:advance(60)
      local cluster = service:cluster(id)
      assert.are.equal("INITIALIZED", cluster.State)
      assert.are.same({ ClusterCertificate = certificate }, cluster.Certificates)
    end
  end)
end)

describe("InitializeCluster, given certificates that do not fit,", function()
  local service, id, request

  local function new_key()
    return pkey.new { type = "EC", curve = "prime256v1" }
  end

  local function name_of(text)
    local name = x509_name.new()
    name:add("CN", text)
    return name
  end

  -- A certificate of luaossl's making. `more` changes it before it is signed.
  local function certificate(subject, public, issuer, issuer_key, more)
    local made = x509.new()
    made:setVersion(3)
    made:setSerial(bignum.new(1))
    made:setSubject(name_of(subject))
    made:setIssuer(name_of(issuer))
    made:setLifetime(service.emulator:time() - 100, service.emulator:time() + 100)
    made:setPublicKey(public)
    if more then
      more(made)
    end
    made:sign(issuer_key, "sha256")
    return made:toPEM()
  end

  local function authority(made)
    made:addExtension(extension.new("basicConstraints", "critical,CA:TRUE"))
  end

  local function lasting(from, to)
    return function(made)
      made:setLifetime(service.emulator:time() + from, service.emulator:time() + to)
      return made
    end
  end

  local function accepted(signed, anchor)
    service:call("InitializeCluster", { ClusterId = id, SignedCert = signed, TrustAnchor = anchor })
  end

  local function refused(wanted, signed, anchor)
    local input = { ClusterId = id, SignedCert = signed, TrustAnchor = anchor }
    local code, message, status = service:refusal("InitializeCluster", input)
    assert.are.equal(INVALID, code)
    assert.are.equal(400, status)
    assert.matches(wanted, message, 1, true)
    assert.are.equal("UNINITIALIZED", service:cluster(id).State)
  end

  local key, public, root
  before_each(function()
    service = helper.new { time = FIRST_OF_2026 }
    id = service:cluster_with_csr()
    request = csr.new(service:cluster(id).Certificates.ClusterCsr)
    public = request:getPublicKey()
    key = new_key()
    root = certificate("root", key, "root", key, authority)
  end)

  it("does take those that fit", function()
    accepted(certificate("hsm", public, "root", key), root)
  end)

  it("refuses what is PEM and no certificate", function()
    refused("SignedCert is not an X.509", helper.PEM, root)
    refused("TrustAnchor is not an X.509", certificate("hsm", public, "root", key), helper.PEM)
  end)

  it("refuses a certificate for another key than that of the request", function()
    refused("does not have the public key", certificate("hsm", new_key(), "root", key), root)
  end)

  it("refuses the request of another cluster", function()
    local other = service:cluster_with_csr()
    local signed, anchor = service:signed(other)
    refused("does not have the public key", signed, anchor)
  end)

  it("refuses a certificate that somebody else than the anchor signed, in its name too", function()
    local stranger = new_key()
    refused("TrustAnchor: certificate signature failure", certificate("hsm", public, "root", stranger), root)
    local elsewhere = certificate("elsewhere", stranger, "elsewhere", stranger, authority)
    refused("TrustAnchor: subject issuer mismatch", certificate("hsm", public, "root", key), elsewhere)
  end)

  it("refuses an anchor that is not self-signed", function()
    local middle_key = new_key()
    local middle = certificate("middle", middle_key, "root", key, authority)
    local signed = certificate("hsm", public, "middle", middle_key)
    refused("is not self-signed", signed, middle)
    local forged = certificate("root", key, "root", new_key(), authority) -- in its own name, by another key
    refused("is not self-signed", certificate("hsm", public, "root", key), forged)
  end)

  it("takes a chain that ends in a self-signed root, unless it is told that only roots sign", function()
    local middle_key = new_key()
    local middle = certificate("middle", middle_key, "root", key, authority)
    local signed = certificate("hsm", public, "middle", middle_key)
    accepted(signed, middle .. root)

    service = helper.new { time = FIRST_OF_2026, anchor_chain = "refuse" }
    id = service:cluster_with_csr()
    refused("must be one certificate, the root", signed, middle .. root)
    accepted(certificate("hsm", public, "root", key), root)
  end)

  it("refuses a chain with a link that is no authority's", function()
    local middle_key = new_key()
    local middle = certificate("middle", middle_key, "root", key)
    refused("was not issued", certificate("hsm", public, "middle", middle_key), middle .. root)
  end)

  it("refuses a chain that is longer than an authority in it allows", function()
    local function limited(made)
      made:addExtension(extension.new("basicConstraints", "critical,CA:TRUE,pathlen:0"))
    end
    local middle_key = new_key()
    local middle = certificate("middle", middle_key, "root", key, authority)
    local signed = certificate("hsm", public, "middle", middle_key)
    refused("no chain of valid authorities", signed, middle .. certificate("root", key, "root", key, limited))
    accepted(signed, certificate("middle", middle_key, "root", key, limited) .. root)
  end)

  it("refuses a chain with a link that is not valid any more", function()
    local middle_key = new_key()
    local middle = certificate("middle", middle_key, "root", key, function(made)
      authority(lasting(-9, -1)(made))
    end)
    refused("no chain of valid authorities", certificate("hsm", public, "middle", middle_key), middle .. root)
  end)

  it("refuses an anchor that is no authority's, and takes one from before there were extensions", function()
    local signed = certificate("hsm", public, "root", key)
    refused("no basic constraint CA:TRUE", signed, certificate("root", key, "root", key))
    local not_ca = certificate("root", key, "root", key, function(made)
      made:addExtension(extension.new("basicConstraints", "critical,CA:FALSE"))
    end)
    refused("no basic constraint CA:TRUE", signed, not_ca)
    accepted(
      signed,
      certificate("root", key, "root", key, function(made)
        made:setVersion(1)
      end)
    )
  end)

  it("refuses certificates that are not valid by the emulator's clock", function()
    local function old_root(from, to)
      return certificate("root", key, "root", key, function(made)
        authority(lasting(from, to)(made))
      end)
    end
    refused(
      "SignedCert is not valid at Thu, 01 Jan 2026",
      certificate("hsm", public, "root", key, lasting(-9, -1)),
      root
    )
    refused("SignedCert is not valid at", certificate("hsm", public, "root", key, lasting(1, 9)), root)
    refused("TrustAnchor is not valid at", certificate("hsm", public, "root", key), old_root(-9, -1))
    refused("TrustAnchor is not valid at", certificate("hsm", public, "root", key), old_root(1, 9))
    local early = certificate("hsm", public, "root", key, lasting(1, 9))
    service.emulator:advance(5)
    accepted(early, root)
  end)
end)

describe("an emulator", function()
  it("signs requests, and says what is none", function()
    local service = helper.new()
    for _, text in ipairs { "hello", helper.PEM, "" } do
      local certificate, reason = service.emulator:sign_csr(text)
      assert.is_nil(certificate)
      assert.is_string(reason)
    end
  end)

  it("with certificates of text does not need luaossl, and looks at the form only", function()
    local service = helper.new { certificates = "text" }
    local id = service:cluster_with_csr()
    local shown = service:cluster(id).Certificates
    assert.are.equal(
      "AwsHardwareCertificate ClusterCsr HsmCertificate ManufacturerHardwareCertificate",
      helper.members(shown)
    )
    for _, text in pairs(shown) do
      assert.matches("not X.509", pem.decode(text, text:match "BEGIN ([A-Z ]+)")[1], 1, true)
    end
    local roots, reason = service.emulator:root_certificates()
    assert.is_nil(roots)
    assert.matches("lua-luaossl", reason, 1, true)
    assert.is_nil((service.emulator:sign_csr "hello"))
    service:initialize(id)
    service.emulator:advance(60)
    assert.are.equal("INITIALIZED", service:cluster(id).State)
    id = service:cluster_with_csr()
    service:call("InitializeCluster", { ClusterId = id, SignedCert = helper.PEM, TrustAnchor = helper.PEM })
  end)

  it("that lacks luaossl makes texts by itself, and says so where real ones are asked for", function()
    local names = { "openssl.bignum" }
    local loaded = {}
    for _, name in ipairs(names) do
      loaded[name], package.loaded[name] = package.loaded[name], nil
      package.preload[name] = function()
        error "not installed"
      end
    end
    local fine, problem = pcall(function()
      local service = helper.new()
      local id = service:active_cluster()
      assert.matches("BEGIN CERTIFICATE", service:cluster(id).Certificates.ClusterCertificate, 1, true)
      local made, err = emulator.new { certificates = "real" }
      assert.is_nil(made)
      assert.is_true(errors.is(err))
      assert.matches("lua-luaossl", err.message, 1, true)
    end)
    for _, name in ipairs(names) do
      package.loaded[name], package.preload[name] = loaded[name], nil
    end
    assert(fine, problem)
    assert.is_table(emulator.new { certificates = "real" })
  end)

  it("that finds a request of text among its state does not compare keys", function()
    local service = helper.new { certificates = "text" }
    local id = service:cluster_with_csr()
    service.emulator.settings.pki = helper.new({ certificates = "real" }).emulator.settings.pki
    service:call("InitializeCluster", { ClusterId = id, SignedCert = helper.PEM, TrustAnchor = helper.PEM })
  end)
end)
