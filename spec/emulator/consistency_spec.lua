-- What a caller must live with: lists that lag, states that are late, pages that are odd.

local helper = require "spec.emulator.helper"

local INVALID = "CloudHsmInvalidRequestException"
local DAY = 86400

describe("with lists that lag", function()
  it("a new cluster is not listed at first, though it can be used", function()
    local service = helper.new { times = { listing_lag = 130 } }
    local id = service:create_cluster()
    assert.is_nil(service:cluster(id))
    service.emulator:advance(120)
    service:call("CreateHsm", { ClusterId = id, AvailabilityZone = "us-east-1a" })
    assert.is_nil(service:cluster(id))
    service.emulator:advance(10)
    assert.are.equal(1, #service:cluster(id).Hsms)
  end)

  it("a new HSM is not listed at first, and stands in the way of a deletion all the same", function()
    local service = helper.new { times = { hsm_listing_lag = 5 } }
    local id = service:create_cluster()
    service.emulator:advance(120)
    local hsm = service:call("CreateHsm", { ClusterId = id, AvailabilityZone = "us-east-1a" }).Hsm
    assert.are.same({}, service:cluster(id).Hsms)
    assert.are.equal(INVALID, (service:refusal("DeleteCluster", { ClusterId = id })))
    service.emulator:advance(5)
    assert.are.equal(hsm.HsmId, service:cluster(id).Hsms[1].HsmId)
  end)

  it("a backup that the service made is not listed at first", function()
    local service = helper.new { times = { backup_listing_lag = 30 } }
    local id = service:active_cluster()
    assert.are.equal(1, #service:backups())
    service:call("DeleteHsm", { ClusterId = id, HsmId = service:cluster(id).Hsms[1].HsmId })
    assert.are.equal(1, #service:backups())
    service.emulator:advance(30)
    assert.are.equal(2, #service:backups())
  end)
end)

describe("a cluster that its client has activated", function()
  it("still shows INITIALIZED for a while, and takes no second HSM meanwhile", function()
    local service = helper.new { auto_activate = false, times = { activation_lag = 80 } }
    local id = service:cluster_with_csr()
    service:initialize(id)
    service.emulator:advance(60)
    assert.is_true(service.emulator:activate_cluster(id))
    local input = { ClusterId = id, AvailabilityZone = "us-east-1b" }
    service.emulator:advance(79)
    assert.are.equal("INITIALIZED", service:cluster(id).State)
    local _, message = service:refusal("CreateHsm", input)
    assert.matches("not yet been fully activated", message, 1, true)
    service.emulator:advance(1)
    assert.are.equal("ACTIVE", service:cluster(id).State)
    assert.are.equal(1, #service:backups())
    service:call("CreateHsm", input)
  end)
end)

describe("a cluster that lost its HSM before it was activated", function()
  local service, id
  before_each(function()
    service = helper.new()
    id = service:cluster_with_csr()
    service:initialize(id)
    service.emulator:advance(60)
  end)

  it("cannot be activated, has no backup, and can be deleted", function()
    service:call("DeleteHsm", { ClusterId = id, HsmId = service:cluster(id).Hsms[1].HsmId })
    local done, reason = service.emulator:activate_cluster(id)
    assert.is_nil(done)
    assert.matches("no active HSM", reason, 1, true)
    service.emulator:advance(DAY)
    assert.are.equal("INITIALIZED", service:cluster(id).State)
    assert.are.same({}, service:backups())
    local _, message = service:refusal("CreateHsm", { ClusterId = id, AvailabilityZone = "us-east-1a" })
    assert.matches("in state INITIALIZED", message, 1, true)
    service:call("DeleteCluster", { ClusterId = id })
  end)

  it("is activated once the service has replaced it", function()
    local hsm = service:cluster(id).Hsms[1]
    assert.is_true(service.emulator:degrade_hsm(hsm.HsmId))
    service.emulator:advance(DAY)
    assert.are.equal("INITIALIZED", service:cluster(id).State)
    assert.is_string(service.emulator:replace_hsm(hsm.HsmId))
    service.emulator:advance(313 + 80)
    assert.are.equal("ACTIVE", service:cluster(id).State)
  end)
end)

describe("an HSM that the service replaces", function()
  local service, id, hsm
  before_each(function()
    service = helper.new()
    id = service:active_cluster()
    hsm = service:cluster(id).Hsms[1]
  end)

  it("has another id, and the same interface and address", function()
    local other = assert(service.emulator:replace_hsm(hsm.HsmId))
    local shown = service:cluster(id).Hsms
    assert.are.equal(1, #shown)
    assert.are.equal(other, shown[1].HsmId)
    assert.are.not_equal(hsm.HsmId, other)
    for _, member in ipairs { "EniId", "EniIp", "SubnetId", "AvailabilityZone" } do
      assert.are.equal(hsm[member], shown[1][member])
    end
    assert.are.equal("CREATE_IN_PROGRESS", shown[1].State)
    service.emulator:advance(313)
    assert.are.equal("ACTIVE", service:cluster(id).Hsms[1].State)
    assert.are.equal(1, #service:backups())
  end)

  it("may be one that failed, and none that comes or goes", function()
    assert.is_nil((service.emulator:replace_hsm "hsm-aaaaaaaaaaa"))
    service.emulator:degrade_hsm(hsm.HsmId)
    local other = assert(service.emulator:replace_hsm(hsm.HsmId))
    assert.is_nil((service.emulator:replace_hsm(other)))
    service.emulator:advance(313)
    service:call("DeleteHsm", { ClusterId = id, EniId = hsm.EniId })
    assert.is_nil((service.emulator:replace_hsm(other)))
  end)

  it("gets the new type when its cluster is changed meanwhile", function()
    service = helper.new { allow_hsm1 = true }
    id = service:active_cluster { HsmType = "hsm1.medium" }
    service:call("ModifyCluster", { ClusterId = id, HsmType = "hsm2m.medium" })
    service.emulator:advance(60)
    assert(service.emulator:replace_hsm(service:cluster(id).Hsms[1].HsmId))
    service.emulator:advance(1800)
    assert.are.equal("hsm2m.medium", service:cluster(id).Hsms[1].HsmType)
  end)
end)

describe("a change of HSM type", function()
  it("reaches an HSM that was still being created when it began", function()
    local service = helper.new { allow_hsm1 = true }
    local id = service:active_cluster { HsmType = "hsm1.medium" }
    service:call("CreateHsm", { ClusterId = id, AvailabilityZone = "us-east-1b" })
    service:call("ModifyCluster", { ClusterId = id, HsmType = "hsm2m.medium" })
    service.emulator:advance(1800)
    local cluster = service:cluster(id)
    assert.are.equal("ACTIVE", cluster.State)
    assert.are.equal("hsm2m.medium", cluster.Hsms[1].HsmType)
    assert.are.equal("hsm2m.medium", cluster.Hsms[2].HsmType)
  end)
end)

describe("the security group", function()
  it("can be told to be there from the first answer on, as AWS's sample has it", function()
    local service = helper.new { security_group = "first" }
    local request = { HsmType = "hsm2m.medium", Mode = "FIPS", SubnetIds = { helper.SUBNET_A } }
    local cluster = service:call("CreateCluster", request).Cluster
    assert.matches("^sg%-%x+$", cluster.SecurityGroup)
    service.emulator:advance(120)
    assert.are.equal(cluster.SecurityGroup, service:cluster(cluster.ClusterId).SecurityGroup)
  end)
end)

describe("pages that the API allows and nobody expects", function()
  local function service_with_backups(options)
    local service = helper.new(options)
    service:active_cluster()
    service.emulator:advance(9 * DAY)
    return service
  end

  -- The sizes of all pages, and the ids of all items.
  local function walk(service, size)
    local sizes, ids, token = {}, {}, nil
    repeat
      local out = service:call("DescribeBackups", { MaxResults = size, NextToken = token })
      sizes[#sizes + 1] = #out.Backups
      for _, backup in ipairs(out.Backups) do
        ids[#ids + 1] = backup.BackupId
      end
      token = out.NextToken
    until not token or token == ""
    return sizes, ids, token
  end

  local all
  lazy_setup(function()
    local _, ids = walk(service_with_backups(), 50)
    all = ids
    assert.are.equal(10, #all)
  end)

  it("are short", function()
    local sizes, ids = walk(service_with_backups { pages = "short" }, 7)
    assert.are.same({ 4, 4, 2 }, sizes)
    assert.are.same(all, ids)
    assert.are.equal(1, walk(service_with_backups { pages = "short" }, 1)[1])
  end)

  it("are empty, before each that is not", function()
    local sizes, ids = walk(service_with_backups { pages = "empty" }, 4)
    assert.are.same({ 0, 4, 0, 4, 0, 2 }, sizes)
    assert.are.same(all, ids)
  end)

  it("are one and empty where there is nothing", function()
    local sizes, ids, token = walk(helper.new { pages = "empty" }, 4)
    assert.are.same({ 0 }, sizes)
    assert.are.same({}, ids)
    assert.is_nil(token)
  end)

  it("end with an empty token", function()
    local sizes, ids, token = walk(service_with_backups { last_token = "empty" }, 10)
    assert.are.same({ 10 }, sizes)
    assert.are.same(all, ids)
    assert.are.equal("", token)
    local service = helper.new { last_token = "empty" }
    local id = service:create_cluster()
    assert.are.equal("", service:call("DescribeClusters").NextToken)
    assert.are.equal("", service:call("ListTags", { ResourceId = id }).NextToken)
  end)

  it("do not confuse this library's paginator", function()
    for _, options in ipairs { { pages = "short" }, { pages = "empty" }, { last_token = "empty" }, {} } do
      local client = assert(service_with_backups(options).emulator:client { region = "us-east-1" })
      local pages = assert(client:paginator("describe_backups", {}, { page_size = 3 }))
      local backups, err = pages:collect()
      assert.is_nil(err)
      assert.are.equal(10, #backups)
    end
  end)
end)

describe("a token", function()
  it("grows old", function()
    local service = helper.new()
    service:active_cluster()
    service.emulator:advance(3 * DAY)
    local token = service:call("DescribeBackups", { MaxResults = 1 }).NextToken
    service.emulator:advance(DAY)
    service:call("DescribeBackups", { MaxResults = 1, NextToken = token })
    service.emulator:advance(1)
    local code, message = service:refusal("DescribeBackups", { MaxResults = 1, NextToken = token })
    assert.are.equal(INVALID, code)
    assert.matches("expired", message, 1, true)
  end)

  it("has at most 256 characters, whatever it points at", function()
    local service = helper.new { pages = "empty", time = 253402300799 - 3 * DAY } -- almost the last day that ISO 8601 has
    local tags = {}
    for i = 1, 50 do
      tags[i] = { Key = ("k"):rep(120) .. i, Value = ("v"):rep(256) }
    end
    local id = service:create_cluster { TagList = tags }
    local first = service:call("ListTags", { ResourceId = id, MaxResults = 1 })
    local second = service:call("ListTags", { ResourceId = id, MaxResults = 1, NextToken = first.NextToken })
    assert.is_true(#first.NextToken <= 256 and #second.NextToken <= 256)
  end)
end)
