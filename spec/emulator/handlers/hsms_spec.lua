local helper = require "spec.emulator.helper"

local INVALID = "CloudHsmInvalidRequestException"

describe("CreateHsm", function()
  it("answers with the interface and its address at once", function()
    local service = helper.new()
    local id = service:create_cluster()
    service.emulator:advance(120)
    local hsm = service:call("CreateHsm", { ClusterId = id, AvailabilityZone = "us-east-1b" }).Hsm
    assert.are.equal("CREATE_IN_PROGRESS", hsm.State)
    assert.are.equal(helper.SUBNET_B, hsm.SubnetId)
    assert.are.equal("hsm2m.medium", hsm.HsmType)
    assert.matches("^eni%-%x+$", hsm.EniId)
    assert.matches("^10%.%d+%.%d+%.%d+$", hsm.EniIp)
    assert.is_nil(hsm.EniIpV6)
  end)

  it("gives an IPv6 address in dual-stack clusters", function()
    local service = helper.new()
    local id = service:create_cluster { NetworkType = "DUALSTACK" }
    service.emulator:advance(120)
    local hsm = service:call("CreateHsm", { ClusterId = id, AvailabilityZone = "us-east-1a" }).Hsm
    assert.matches("^2001:db8::", hsm.EniIpV6)
  end)

  it("needs a zone of the cluster", function()
    local service = helper.new()
    local id = service:active_cluster()
    local code, message = service:refusal("CreateHsm", { ClusterId = id, AvailabilityZone = "us-east-1c" })
    assert.are.equal(INVALID, code)
    assert.matches("us-east-1c", message, 1, true)
  end)

  it("adds no second HSM before the cluster is activated", function()
    local service = helper.new { auto_activate = false }
    local id = service:cluster_with_csr()
    local input = { ClusterId = id, AvailabilityZone = "us-east-1b" }
    local _, message = service:refusal("CreateHsm", input)
    assert.matches("already contains an HSM but has not yet been fully activated", message, 1, true)
    service:initialize(id)
    service.emulator:advance(60)
    _, message = service:refusal("CreateHsm", input)
    assert.matches("already contains an HSM but has not yet been fully activated", message, 1, true)
    assert.is_true(service.emulator:activate_cluster(id))
    service:call("CreateHsm", input)
  end)

  it("adds none to a cluster that is still being created", function()
    local service = helper.new()
    local input = { ClusterId = service:create_cluster(), AvailabilityZone = "us-east-1a" }
    assert.are.equal(INVALID, (service:refusal("CreateHsm", input)))
  end)

  it("takes an address that is free", function()
    local service = helper.new()
    local id = service:active_cluster()
    local function input(address)
      return { ClusterId = id, AvailabilityZone = "us-east-1b", IpAddress = address }
    end
    assert.are.equal("10.9.8.7", service:call("CreateHsm", input "10.9.8.7").Hsm.EniIp)
    assert.are.equal(INVALID, (service:refusal("CreateHsm", input "10.9.8.7")))
    assert.are.equal(INVALID, (service:refusal("CreateHsm", input "10.9.8.256")))
  end)

  it("makes at most six HSMs in a region and account", function()
    local service = helper.new()
    local id = service:active_cluster()
    local input = { ClusterId = id, AvailabilityZone = "us-east-1a" }
    for _ = 2, 6 do
      service:call("CreateHsm", input)
    end
    local _, message = service:refusal("CreateHsm", input)
    assert.matches("limit of 6 HSMs in this region", message, 1, true)
  end)

  it("makes at most 28 HSMs in a cluster", function()
    local service = helper.new { quotas = { hsms = 40 } }
    local id = service:active_cluster()
    local input = { ClusterId = id, AvailabilityZone = "us-east-1a" }
    for _ = 2, 28 do
      service:call("CreateHsm", input)
    end
    local _, message = service:refusal("CreateHsm", input)
    assert.matches("limit of 28 HSMs in a cluster", message, 1, true)
  end)
end)

describe("DeleteHsm", function()
  local service, id, hsm
  before_each(function()
    service = helper.new()
    id = service:cluster_with_csr()
    hsm = service:cluster(id).Hsms[1]
  end)

  it("finds the HSM by id, interface or address", function()
    for _, member in ipairs { "HsmId", "EniId", "EniIp" } do
      service = helper.new()
      id = service:cluster_with_csr()
      hsm = service:cluster(id).Hsms[1]
      assert.are.same({ HsmId = hsm.HsmId }, service:call("DeleteHsm", { ClusterId = id, [member] = hsm[member] }))
    end
  end)

  it("needs exactly one of them", function()
    assert.are.equal(INVALID, (service:refusal("DeleteHsm", { ClusterId = id })))
    local both = { ClusterId = id, HsmId = hsm.HsmId, EniId = hsm.EniId }
    assert.are.equal(INVALID, (service:refusal("DeleteHsm", both)))
  end)

  it("does not know HSMs that are not there, or are being deleted", function()
    local unknown = "CloudHsmResourceNotFoundException"
    assert.are.equal(unknown, (service:refusal("DeleteHsm", { ClusterId = id, HsmId = "hsm-aaaaaaaaaaa" })))
    assert.are.equal(unknown, (service:refusal("DeleteHsm", { ClusterId = "cluster-aaaaaaaaaaa", HsmId = hsm.HsmId })))
    service:call("DeleteHsm", { ClusterId = id, HsmId = hsm.HsmId })
    assert.are.equal(unknown, (service:refusal("DeleteHsm", { ClusterId = id, HsmId = hsm.HsmId })))
  end)

  it("takes the CSR away from a cluster that is not initialized", function()
    service:call("DeleteHsm", { ClusterId = id, HsmId = hsm.HsmId })
    assert.are.same({}, service:cluster(id).Certificates)
  end)
end)
