-- The waiters and the paginator through the whole client, against the emulator in the same process.

local cloudhsmv2 = require "cloudhsmv2"
local emulator = require "cloudhsmv2.emulator"

local cloud, client -- of the test at hand

local function client_of(region)
  return assert(cloudhsmv2.new {
    region = region or "eu-west-1",
    credentials = { access_key_id = "AKIDEXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" },
    runtime = cloud:runtime(),
    getenv = function() end,
  })
end

local function created_cluster(fields)
  local params = { HsmType = "hsm2m.medium", Mode = "FIPS", SubnetIds = { "subnet-0a1b2c3d" } }
  for name, value in pairs(fields or {}) do
    params[name] = value
  end
  local out = assert(client:create_cluster(params))
  return assert(client:wait("cluster_created", { ClusterId = out.Cluster.ClusterId }))
end

local function created_hsm(cluster)
  local zone = next(cluster.SubnetMapping)
  local out = assert(client:create_hsm { ClusterId = cluster.ClusterId, AvailabilityZone = zone })
  return { ClusterId = cluster.ClusterId, HsmId = out.Hsm.HsmId, EniId = out.Hsm.EniId }
end

local function initialize(cluster)
  local id = cluster.ClusterId
  local request = assert(client:wait("csr_ready", { ClusterId = id })).Certificates.ClusterCsr
  local certificate, anchor = assert(cloud:sign_csr(request))
  return assert(client:initialize_cluster { ClusterId = id, SignedCert = certificate, TrustAnchor = anchor })
end

local function active_cluster(fields)
  local cluster = created_cluster(fields)
  local hsm = created_hsm(cluster)
  assert(client:wait("hsm_active", hsm))
  initialize(cluster)
  return assert(client:wait("cluster_active", { ClusterId = cluster.ClusterId })), hsm
end

local function backups_of(cluster)
  local filters = { clusterIds = { cluster.ClusterId } }
  return assert(client:paginator("describe_backups", { Filters = filters })):collect()
end

describe("against an emulator, a client that waits", function()
  before_each(function()
    cloud = assert(emulator.new { allow_hsm1 = true })
    client = client_of()
  end)

  it("follows a cluster from its creation to its deletion", function()
    local cluster = created_cluster()
    assert.are.equal("UNINITIALIZED", cluster.State)
    local id = { ClusterId = cluster.ClusterId }

    local hsm = created_hsm(cluster)
    local with_csr = assert(client:wait("csr_ready", id))
    assert.is_truthy(with_csr.Certificates.ClusterCsr:find("BEGIN CERTIFICATE REQUEST", 1, true))
    assert.are.equal("ACTIVE", assert(client:wait("hsm_active", hsm)).State)

    initialize(cluster)
    assert.are.equal("INITIALIZED", assert(client:wait("cluster_initialized", id)).State)
    assert.are.equal("ACTIVE", assert(client:wait("cluster_active", id)).State)

    assert(client:delete_hsm { ClusterId = cluster.ClusterId, HsmId = hsm.HsmId })
    assert.is_truthy(client:wait("hsm_deleted", hsm))
    assert(client:delete_cluster(id))
    assert.is_truthy(client:wait("cluster_deleted", id))
  end)

  it("follows a backup through deletion, restoration and its end", function()
    local cluster = active_cluster()
    local id = { BackupId = backups_of(cluster)[1].BackupId }
    assert.are.equal("READY", assert(client:wait("backup_ready", id)).BackupState)

    assert(client:delete_backup(id))
    local pending = assert(client:wait("backup_deleted", { BackupId = id.BackupId, pending_is_enough = true }))
    assert.are.equal("PENDING_DELETION", pending.BackupState)
    local _, err = client:wait("backup_ready", id)
    assert.are.equal("WaiterFailed", err.code)

    assert(client:restore_backup(id))
    assert.are.equal("READY", assert(client:wait("backup_restored", id)).BackupState)
    assert(client:delete_backup(id))
    local before = cloud:time()
    assert.is_truthy(client:wait("backup_deleted", id))
    assert.is_true(cloud:time() - before >= 7 * 86400 - 1)
  end)

  it("finds the copy of a backup in the other region, and not an older one", function()
    local cluster = active_cluster()
    local source = backups_of(cluster)[1]
    assert(client:wait("backup_ready", { BackupId = source.BackupId }))
    local other = client_of "eu-central-1"
    local copy = { BackupId = source.BackupId, DestinationRegion = "eu-central-1" }

    assert(client:copy_backup_to_region(copy))
    local first = assert(other:wait("backup_copied", { SourceBackupId = source.BackupId }))
    assert(client:copy_backup_to_region(copy))
    local known = { first.BackupId }
    local second = assert(other:wait("backup_copied", { SourceBackupId = source.BackupId, known_ids = known }))
    assert.are_not.equal(first.BackupId, second.BackupId)

    cloud:fail_next_copy()
    assert(client:copy_backup_to_region(copy))
    known[2] = second.BackupId
    local _, err = other:wait("backup_copied", { SourceBackupId = source.BackupId, known_ids = known })
    assert.are.equal("WaiterFailed", err.code)
    assert.are.equal("DELETED", err.state)
  end)

  it("waits for ACTIVE when a cluster is made from a backup", function()
    local cluster = active_cluster()
    local backup = backups_of(cluster)[1]
    assert(client:wait("backup_ready", { BackupId = backup.BackupId }))
    local restored = created_cluster { SourceBackupId = backup.BackupId }
    assert.are.equal("ACTIVE", restored.State)
  end)

  it("sees an HSM fail, with the service's words", function()
    local cluster = created_cluster()
    cloud:fail_next_hsm()
    local hsm = created_hsm(cluster)
    local _, err = client:wait("hsm_active", hsm)
    assert.are.equal("DEGRADED", err.state)
    assert.is_truthy(err.state_message:find("delete this HSM", 1, true))
    _, err = client:wait("csr_ready", { ClusterId = cluster.ClusterId })
    assert.are.equal("WaiterFailed", err.code)
  end)

  it("sees an initialization fail", function()
    local cluster = created_cluster()
    assert(client:wait("hsm_active", created_hsm(cluster)))
    cloud:fail_next_initialization()
    initialize(cluster)
    local _, err = client:wait("cluster_initialized", { ClusterId = cluster.ClusterId })
    assert.are.equal("WaiterFailed", err.code)
    assert.are.equal("UNINITIALIZED", err.state)
  end)

  it("tells a change of HSM type that succeeded from one that was rolled back", function()
    local cluster = active_cluster { HsmType = "hsm1.medium" }
    local wanted = { ClusterId = cluster.ClusterId, HsmType = "hsm2m.medium" }
    cloud:fail_next_migration()
    assert(client:modify_cluster(wanted))
    local _, err = client:wait("cluster_type_modified", wanted)
    assert.are.equal("WaiterFailed", err.code)
    assert(client:wait("cluster_active", { ClusterId = cluster.ClusterId }, { timeout = 86400 }))

    assert(client:modify_cluster(wanted))
    assert.are.equal("hsm2m.medium", assert(client:wait("cluster_type_modified", wanted)).HsmType)

    local back = { ClusterId = cluster.ClusterId, HsmType = "hsm1.medium" }
    assert(client:modify_cluster(back))
    back.rollback = true
    assert.are.equal("hsm1.medium", assert(client:wait("cluster_type_modified", back)).HsmType)
  end)

  it("waits through the lag of lists", function()
    cloud = assert(emulator.new { times = { listing_lag = 60, copy_listing_lag = 60 } })
    client = client_of()
    local cluster = active_cluster()
    local source = backups_of(cluster)[1]
    assert(client:wait("backup_ready", { BackupId = source.BackupId }))
    assert(client:copy_backup_to_region { BackupId = source.BackupId, DestinationRegion = "eu-central-1" })
    assert(client_of("eu-central-1"):wait("backup_copied", { SourceBackupId = source.BackupId }))
  end)

  it("goes through many pages and goes on where it stopped", function()
    local cluster = active_cluster()
    cloud:advance(20 * 86400)
    local filters = { Filters = { clusterIds = { cluster.ClusterId } } }
    local all = assert(client:paginator("describe_backups", filters)):collect()
    assert.is_true(#all > 20)

    local seen, token = {}, nil
    repeat
      local options = { page_size = 4, max_items = 7, starting_token = token }
      local items, err
      items, err, token = assert(client:paginator("describe_backups", filters, options)):collect()
      assert.is_nil(err)
      for _, backup in ipairs(items) do
        seen[#seen + 1] = backup.BackupId
      end
    until not token
    assert.are.equal(#all, #seen)
    for i, backup in ipairs(all) do
      assert.are.equal(backup.BackupId, seen[i])
    end
  end)

  it("gets one clear error for a token that the service does not know", function()
    local items, err = assert(client:paginator("describe_backups", { NextToken = "not a token" })):collect()
    assert.are.same({}, items)
    assert.are.equal("CloudHsmInvalidRequestException", err.code)
  end)
end)
