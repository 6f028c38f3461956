--- A month in the life of an emulator, so that the dashboard has something to show: four clusters and some 80 backups,
-- made by the client through the emulator's own life cycle, on a clock that starts 31 days ago.

local emulator_in_nginx = require "cloudhsmv2.emulator.nginx"

local seed = {}

local MINUTE, HOUR, DAY = 60, 3600, 86400 -- seconds
local HISTORY = 31 * DAY
local REGION, OTHER_REGION = "eu-west-1", "eu-central-1"
local SUBNET = "subnet-0a1b2c3d"

local function create_cluster(client, name, retention)
  local cluster = assert(client:create_cluster {
    HsmType = "hsm2m.medium",
    Mode = "FIPS",
    SubnetIds = { SUBNET },
    BackupRetentionPolicy = { Type = "DAYS", Value = retention },
    TagList = { { Key = "Name", Value = name } },
  }).Cluster
  return assert(client:wait("cluster_created", { ClusterId = cluster.ClusterId }))
end

local function add_hsm(client, cluster)
  local hsm = assert(client:create_hsm {
    ClusterId = cluster.ClusterId,
    AvailabilityZone = next(cluster.SubnetMapping),
  }).Hsm
  return { ClusterId = cluster.ClusterId, HsmId = hsm.HsmId }
end

--- A cluster with an HSM that works; its daily backups begin here.
local function active_cluster(emulator, client, name, retention)
  local cluster = create_cluster(client, name, retention)
  local id = { ClusterId = cluster.ClusterId }
  local hsm = add_hsm(client, cluster)
  local request = assert(client:wait("csr_ready", id)).Certificates.ClusterCsr
  local certificate, anchor = assert(emulator:sign_csr(request))
  assert(client:initialize_cluster { ClusterId = id.ClusterId, SignedCert = certificate, TrustAnchor = anchor })
  assert(client:wait("cluster_initialized", id))
  assert(client:wait("cluster_active", id))
  return cluster, hsm
end

local function newest_backup(client, cluster)
  local filters = { clusterIds = { cluster.ClusterId }, states = { "READY" } }
  return assert(client:describe_backups { Filters = filters, MaxResults = 1 }).Backups[1]
end

local function tag(client, backup, ...)
  local tags = {}
  for i, pair in ipairs { ... } do
    tags[i] = { Key = pair[1], Value = pair[2] }
  end
  assert(client:tag_resource { ResourceId = backup.BackupId, TagList = tags })
end

--- Fills an emulator up to the present.
-- @tparam table emulator its clock shows the beginning, and sleeping moves it
-- @tparam number finish the present, in seconds since 1970
function seed.fill(emulator, finish)
  local client = assert(emulator:client { region = REGION })
  local elsewhere = assert(emulator:client { region = OTHER_REGION })
  local function go_to(before_finish)
    emulator:advance(math.max(0, finish - before_finish - emulator:time()))
  end

  local payments = active_cluster(emulator, client, "payments", "90")
  local abroad = active_cluster(emulator, elsewhere, "payments-dr", "90")
  go_to(28 * DAY)
  local signing = active_cluster(emulator, client, "code-signing", "14")
  add_hsm(client, payments)
  go_to(24 * DAY)
  local _, staging_hsm = active_cluster(emulator, client, "staging", "30")
  go_to(21 * DAY)
  local milestone = newest_backup(client, payments)
  tag(client, milestone, { "Name", "before the key rotation" }, { "owner", "payments-team" })
  assert(client:modify_backup_attributes { BackupId = milestone.BackupId, NeverExpires = true })
  go_to(9 * DAY)
  local copied = newest_backup(elsewhere, abroad)
  tag(elsewhere, copied, { "Name", "copy for the recovery drill" })
  assert(elsewhere:copy_backup_to_region { BackupId = copied.BackupId, DestinationRegion = REGION })
  go_to(6 * DAY)
  assert(client:delete_hsm(staging_hsm)) -- to save money: its cluster makes no more backups
  go_to(3 * DAY)
  assert(client:delete_backup { BackupId = newest_backup(client, signing).BackupId })
  go_to(5 * HOUR)
  tag(client, newest_backup(client, signing), { "Name", "release 4.2" })
  go_to(HOUR)
  emulator:fail_next_hsm()
  add_hsm(client, signing)
  go_to(20 * MINUTE)
  create_cluster(client, "new-project", "90")
  go_to(90) -- seconds: the backup of this HSM's arrival is still being made when the page is first seen
  add_hsm(client, payments)
  go_to(0)
end

--- Makes this worker's emulator. For `init_worker_by_lua`.
function seed.start()
  local finish = ngx.now()
  -- "scaled:1" runs with the wall clock, and lets sleeps jump instead of waiting
  local emulator = emulator_in_nginx.emulator { clock = "scaled:1", time = finish - HISTORY }
  seed.fill(emulator, finish)
end

return seed
