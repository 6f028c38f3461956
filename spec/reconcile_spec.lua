local cloudhsmv2 = require "cloudhsmv2"
local emulator = require "cloudhsmv2.emulator"
local errors = require "cloudhsmv2.errors"
local model = require "cloudhsmv2.model"

local CLUSTER = {
  HsmType = "hsm2m.medium",
  Mode = "FIPS",
  SubnetIds = { "subnet-0a1b2c3d" },
  TagList = { { Key = "run", Value = "17" } },
}

-- A client of an emulator whose next answer, or next request, can be lost.
local function lossy_client()
  local cloud = emulator.new {}
  local inner = cloud:runtime()
  local runtime = setmetatable({ cloud = cloud }, { __index = inner })
  local losing
  function runtime.send(request)
    if not losing or request.headers[2][2]:find "%.Describe" then
      return inner.send(request)
    elseif losing == "answer" then
      inner.send(request)
    end
    losing = nil
    return nil, { kind = "transport", code = "ConnectionLost", message = "the connection broke", sent = "maybe" }
  end
  local client = assert(cloudhsmv2.new {
    region = "eu-west-1",
    credentials = { access_key_id = "AKIDEXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" },
    runtime = runtime,
  })
  -- Makes a call whose answer, or request, is lost; returns the ambiguous error.
  local function lose(what, operation, params)
    losing = what
    local out, err = client[operation](client, params)
    assert.is_nil(out)
    assert.are.equal("ambiguous", err.kind)
    return err
  end
  return client, lose
end

local function new_cluster(client)
  local id = assert(client:create_cluster(CLUSTER)).Cluster.ClusterId
  local cluster = assert(client:wait("cluster_created", { ClusterId = id }))
  return id, (next(cluster.SubnetMapping))
end

-- What initializes a cluster, once it shows its request.
local function initialization(client, id)
  local cluster = assert(client:wait("csr_ready", { ClusterId = id }))
  local certificate, anchor = assert(client.runtime.cloud:sign_csr(cluster.Certificates.ClusterCsr))
  return { ClusterId = id, SignedCert = certificate, TrustAnchor = anchor }
end

local function active_cluster(client)
  local id, zone = new_cluster(client)
  assert(client:create_hsm { ClusterId = id, AvailabilityZone = zone })
  assert(client:initialize_cluster(initialization(client, id)))
  assert(client:wait("cluster_active", { ClusterId = id }))
  return id, zone
end

describe("an ambiguous error", function()
  it("keeps what was asked for, as it was then", function()
    local _, lose = lossy_client()
    local params = { HsmType = "hsm2m.medium", Mode = "FIPS", SubnetIds = { "subnet-0a1b2c3d" } }
    local err = lose("request", "create_cluster", params)
    params.SubnetIds[1] = "subnet-changed"
    assert.are.equal("subnet-0a1b2c3d", err.params.SubnetIds[1])
    assert.is_number(err.called_at)
  end)
end)

describe("reconciling a lost CreateCluster", function()
  it("finds the cluster that was made", function()
    local client, lose = lossy_client()
    new_cluster(client) -- an older one of the same kind, but for its age
    client.runtime.sleep(3600)
    local err = lose("answer", "create_cluster", CLUSTER)
    local cluster, problem = client:reconcile(err)
    assert.is_nil(problem)
    assert.is_truthy(cluster.CreateTimestamp >= err.called_at - 60)
    assert.are.equal(2, #assert(client:describe_clusters()).Clusters)
  end)

  it("finds none where none was made, after a while of looking", function()
    local client, lose = lossy_client()
    local err = lose("request", "create_cluster", CLUSTER)
    local before = client.runtime.now()
    assert.are.same({}, { client:reconcile(err, { timeout = 30 }) })
    assert.is_true(client.runtime.now() - before >= 30)
  end)

  it("does not take one of another kind, with other tags or subnets for it", function()
    for name, value in pairs {
      Mode = "NON_FIPS",
      TagList = { { Key = "run", Value = "18" } },
      SubnetIds = { "subnet-0a1b2c3e" },
    } do
      local client, lose = lossy_client()
      local other = {}
      for key, item in pairs(CLUSTER) do
        other[key] = item
      end
      other[name] = value
      local err = lose("request", "create_cluster", CLUSTER)
      assert(client:create_cluster(other))
      assert.are.same({}, { client:reconcile(err, { timeout = 5 }) })
    end
  end)

  it("does not choose between two", function()
    local client, lose = lossy_client()
    local err = lose("answer", "create_cluster", CLUSTER)
    assert(client:create_cluster(CLUSTER))
    local found, problem = client:reconcile(err)
    assert.is_nil(found)
    assert.are.equal("ambiguous", problem.kind)
    assert.are.equal(2, #problem.candidates)
    assert.are.equal(err, problem.cause)
  end)
end)

describe("reconciling a lost CreateHsm", function()
  it("finds it by its address", function()
    local client, lose = lossy_client()
    local id, zone = active_cluster(client)
    local params = { ClusterId = id, AvailabilityZone = zone, IpAddress = "10.0.0.77" }
    local err = lose("answer", "create_hsm", params)
    assert.are.equal("10.0.0.77", assert(client:reconcile(err)).EniIp)
    err = lose("request", "create_hsm", { ClusterId = id, AvailabilityZone = zone, IpAddress = "10.0.0.78" })
    assert.are.same({}, { client:reconcile(err, { timeout = 5 }) })
  end)

  it("finds the one that arrives, or the one that was not known", function()
    local client, lose = lossy_client()
    local id, zone = active_cluster(client)
    local before = assert(client:describe_clusters { Filters = { clusterIds = { id } } }).Clusters[1].Hsms
    local err = lose("answer", "create_hsm", { ClusterId = id, AvailabilityZone = zone })
    local hsm = assert(client:reconcile(err))
    assert.are.equal("CREATE_IN_PROGRESS", hsm.State)
    assert(client:wait("hsm_active", { ClusterId = id, HsmId = hsm.HsmId }))
    assert.are.equal(hsm.HsmId, assert(client:reconcile(err, { known = { before[1].HsmId } })).HsmId)
  end)

  it("says that nobody can tell whether an HSM was there before", function()
    local client, lose = lossy_client()
    local id, zone = active_cluster(client)
    local err = lose("request", "create_hsm", { ClusterId = id, AvailabilityZone = zone })
    local found, problem = client:reconcile(err, { timeout = 5 })
    assert.is_nil(found)
    assert.are.equal("ambiguous", problem.kind)
    assert.is_truthy(problem.message:find("give known", 1, true))
  end)

  it("finds none in a zone that has none", function()
    local client, lose = lossy_client()
    local id, zone = new_cluster(client)
    local err = lose("request", "create_hsm", { ClusterId = id, AvailabilityZone = zone })
    assert.are.same({}, { client:reconcile(err, { timeout = 5 }) })
  end)
end)

describe("reconciling a lost CopyBackupToRegion", function()
  it("looks in the region that it was to go to", function()
    local client, lose = lossy_client()
    local id = active_cluster(client)
    client.runtime.sleep(3600)
    local backup = assert(client:describe_backups { Filters = { clusterIds = { id } } }).Backups[1]
    local params = { DestinationRegion = "eu-central-1", BackupId = backup.BackupId }
    local err = lose("request", "copy_backup_to_region", params)
    assert.are.same({}, { client:reconcile(err, { timeout = 5 }) })
    err = lose("answer", "copy_backup_to_region", params)
    local copy = assert(client:reconcile(err))
    assert.are.equal(backup.BackupId, copy.SourceBackup)
    assert.are.equal("eu-west-1", copy.SourceRegion)
    assert(client:describe_clusters()) -- what it used is still open
  end)
end)

describe("reconciling a lost InitializeCluster", function()
  it("looks whether the cluster has moved on", function()
    local client, lose = lossy_client()
    local id, zone = new_cluster(client)
    assert(client:create_hsm { ClusterId = id, AvailabilityZone = zone })
    local params = initialization(client, id)
    local err = lose("request", "initialize_cluster", params)
    assert.are.same({}, { client:reconcile(err, { timeout = 5 }) })
    err = lose("answer", "initialize_cluster", params)
    assert.are.equal(id, assert(client:reconcile(err)).ClusterId)
  end)
end)

describe("reconciling a lost ModifyCluster", function()
  it("looks whether the cluster has the type, or will", function()
    local inner = emulator.new { allow_hsm1 = true }
    local client = assert(cloudhsmv2.new {
      region = "eu-west-1",
      credentials = { access_key_id = "AKIDEXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" },
      runtime = inner:runtime(),
    })
    local old = { HsmType = "hsm1.medium", SubnetIds = { "subnet-0a1b2c3d" } }
    local id = assert(client:create_cluster(old)).Cluster.ClusterId
    assert(client:wait("cluster_created", { ClusterId = id }))
    local function err_of(type)
      local err = errors.new { kind = "ambiguous", message = "lost", operation = "ModifyCluster" }
      err.params, err.called_at = { ClusterId = id, HsmType = type }, client.runtime.time()
      return err
    end
    assert.are.equal(id, assert(client:reconcile(err_of "hsm1.medium")).ClusterId)
    assert.are.same({}, { client:reconcile(err_of "hsm2m.medium", { timeout = 5 }) })
  end)
end)

describe("reconciling", function()
  it("takes nothing but an ambiguous error", function()
    local client = lossy_client()
    for _, value in ipairs { "x", {}, errors.new { kind = "service", message = "no" } } do
      local found, problem = client:reconcile(value)
      assert.is_nil(found)
      assert.are.equal("validation", problem.kind)
    end
  end)

  it("fails as its look fails", function()
    local client, lose = lossy_client()
    local err = lose("answer", "create_cluster", CLUSTER)
    client:close()
    local found, problem = client:reconcile(err)
    assert.is_nil(found)
    assert.are.equal("aborted", problem.kind)
  end)

  it("is known for every operation that must not be done twice", function()
    local client = lossy_client()
    for name, operation in pairs(model.operations) do
      if operation.at_most_once then
        local err = errors.new { kind = "ambiguous", message = "lost", operation = name }
        err.called_at = client.runtime.time()
        err.params = {
          ClusterId = "cluster-abcdefghijk",
          SubnetIds = {},
          BackupId = "backup-abcdefghijk",
          DestinationRegion = "eu-central-1",
        }
        local found, problem = client:reconcile(err, { timeout = 1 })
        assert.is_nil(found)
        assert.is_nil(problem, tostring(problem))
      end
    end
  end)
end)

describe("a client for another region", function()
  it("has the same credentials and connections, and its own place", function()
    local client = lossy_client()
    local there = assert(client:in_region "eu-central-1")
    assert(there:create_cluster(CLUSTER))
    assert.are.equal(1, #assert(there:describe_clusters()).Clusters)
    assert.are.equal(0, #assert(client:describe_clusters()).Clusters)
    assert.are.equal("cloudhsmv2.client (eu-central-1)", tostring(there))
    assert.are.same({ value = "eu-central-1", origin = "code" }, there:describe_configuration().region)
    assert.are.equal("eu-west-1", client:describe_configuration().region.value)
    there:close()
    assert(client:describe_clusters())
    there = assert(client:in_region "eu-central-1")
    client:close()
    assert.are.equal("aborted", select(2, there:describe_clusters()).kind)
  end)

  it("is refused for what is no region", function()
    local client = lossy_client()
    for _, region in ipairs { "", "x.evil.com/", 7 } do
      local there, err = client:in_region(region)
      assert.is_nil(there)
      assert.are.equal("config", err.kind)
    end
  end)
end)
