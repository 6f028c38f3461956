--- What happens by itself as time passes: scheduled events, one function each.
--
-- | behaviour | how sure |
-- | --- | --- |
-- | CREATE_IN_PROGRESS -> UNINITIALIZED; from a backup -> ACTIVE with no HSMs | documented, measured by others |
-- | the security group is absent in the first answer | recorded |
-- | an HSM becomes ACTIVE with "HSM created." | recorded |
-- | a failed one becomes DEGRADED, says so, and stays that way | measured by others |
-- | INITIALIZE_IN_PROGRESS -> INITIALIZED -> ACTIVE, a backup at activation | documented |
-- | a backup when an HSM joins or leaves an active cluster, and every 24 hours | documented |
-- | the backup of a join waits for the HSM where the cluster had none | assumed |
-- | no daily backup without an active HSM | assumed: something has to make it |
-- | retention purges to PENDING_DELETION; spares the last backup, NeverExpires and copies | documented |
-- | PENDING_DELETION -> DELETED after 7 days -> not listed | documented |
-- | a copy that fails ends as DELETED | documented |
-- | migration: one HSM at a time, a backup before each, 24 h to roll back | documented |
-- | a migration that fails rolls back to ACTIVE with the old type | documented |
-- | an initialization that fails goes back to UNINITIALIZED | assumed |
-- | the texts of StateMessage other than those of HSMs and of deletion | assumed |
--
-- @module cloudhsmv2.emulator.lifecycle

local certificates = require "cloudhsmv2.emulator.certificates"
local shares = require "cloudhsmv2.emulator.shares"
local state = require "cloudhsmv2.emulator.state"
local tagging = require "cloudhsmv2.emulator.tagging"

local timestamp = state.timestamp

local DAY = 86400 -- seconds
local HSM_FAILED = "HSM creation failed. Please delete this HSM and try again."

local lifecycle = {}

-- HSMs -----------------------------------------------------------------------------------------------------------

--- The HSMs of a cluster that work.
-- @tparam table cluster
-- @treturn table list
function lifecycle.active_hsms(cluster)
  local out = {}
  for _, hsm in ipairs(cluster.hsms) do
    if hsm.State == "ACTIVE" then
      out[#out + 1] = hsm
    end
  end
  return out
end

local function find_hsm(cluster, hsm_id)
  for i, hsm in ipairs(cluster and cluster.hsms or {}) do
    if hsm.HsmId == hsm_id then
      return hsm, i
    end
  end
  return nil
end

--- Lets an HSM fail: it becomes DEGRADED, for good.
-- @tparam table hsm
function lifecycle.degrade_hsm(hsm)
  if hsm.State == "CREATE_IN_PROGRESS" then
    hsm.StateMessage = HSM_FAILED
  else
    hsm.StateMessage = "The HSM is degraded."
  end
  hsm.State = "DEGRADED"
end

-- Backups --------------------------------------------------------------------------------------------------------

local function add_backup(world, store, backup, now)
  store.backups:insert(backup)
  if not store.purging then
    store.purging = true
    world:after("purge", store, now, world.times.purge_interval, {})
  end
  return backup
end

local function new_backup(world, store, fields)
  fields.BackupId = world:new_id "backup"
  fields.BackupArn = ("arn:%s:cloudhsm:%s:%s:backup/%s"):format(
    store.partition,
    store.region,
    store.account,
    fields.BackupId
  )
  fields.BackupState = "CREATE_IN_PROGRESS"
  fields.NeverExpires = false
  return fields
end

--- Starts a backup of a cluster.
-- @tparam table world
-- @tparam table store
-- @tparam table cluster
-- @tparam number now
-- @treturn table
function lifecycle.begin_backup(world, store, cluster, now)
  cluster.last_backup = now
  local backup = new_backup(world, store, {
    ClusterId = cluster.ClusterId,
    CreateTimestamp = timestamp(now),
    HsmType = cluster.HsmType,
    Mode = cluster.Mode,
    tags = tagging.new(),
    certificate = cluster.Certificates.ClusterCertificate,
  })
  world:after("backup_ready", store, now, world.times.backup_creation, { backup = backup.BackupId })
  return add_backup(world, store, backup, now)
end

--- Starts a copy into another store.
-- @tparam table world
-- @tparam table destination store
-- @tparam table source backup
-- @tparam table origin store of the source
-- @tparam ?table tag_list instead of the source's tags
-- @tparam number now
-- @treturn table
function lifecycle.begin_copy(world, destination, source, origin, tag_list, now)
  local copy = new_backup(world, destination, {
    ClusterId = world.settings.copied_cluster_id and source.ClusterId or nil,
    CreateTimestamp = source.CreateTimestamp,
    CopyTimestamp = timestamp(now),
    SourceRegion = origin.region,
    SourceBackup = source.BackupId,
    SourceCluster = source.ClusterId,
    HsmType = source.HsmType,
    Mode = source.Mode,
    tags = tagging.new(tag_list or source.tags:list()),
    certificate = source.certificate,
    listed_from = now + world.times.copy_listing_lag,
  })
  local kind = world:take_failure "copy" and "copy_failed" or "backup_ready"
  world:after(kind, destination, now, world.times.copy, { backup = copy.BackupId })
  return add_backup(world, destination, copy, now)
end

--- Moves a backup to PENDING_DELETION.
-- @tparam table world
-- @tparam table store
-- @tparam table backup
-- @tparam number now
function lifecycle.begin_backup_deletion(world, store, backup, now)
  backup.BackupState = "PENDING_DELETION"
  backup.DeleteTimestamp = timestamp(now + world.times.pending_deletion)
  backup.deletions = (backup.deletions or 0) + 1
  world:after("backup_deleted", store, now, world.times.pending_deletion, {
    backup = backup.BackupId,
    deletion = backup.deletions,
  })
end

local function finish_backup_deletion(world, store, backup, now)
  backup.BackupState = "DELETED"
  backup.policy = nil
  shares.follow_policy(world, store, backup, now)
  world:after("backup_forgotten", store, now, world.times.deleted_backup_listed, { backup = backup.BackupId })
end

-- How many READY backups each cluster has that were made here.
local function ready_backups(store)
  local count = {}
  for backup in store.backups:each(true) do
    if backup.BackupState == "READY" and not backup.SourceRegion then
      count[backup.ClusterId] = (count[backup.ClusterId] or 0) + 1
    end
  end
  return count
end

--- Whether a backup is the last READY one of its cluster.
-- @tparam table store
-- @tparam table backup
-- @treturn boolean
function lifecycle.is_last_backup(store, backup)
  return not backup.SourceRegion and ready_backups(store)[backup.ClusterId] == 1
end

local function is_over_age(store, backup, now)
  local purged = backup.BackupState == "READY" and not backup.NeverExpires and not backup.SourceRegion
  return purged and now - backup.CreateTimestamp > store.retention[backup.ClusterId] * DAY
end

local function purge(world, store, now)
  local left = ready_backups(store)
  for backup in store.backups:each(true) do
    if is_over_age(store, backup, now) and left[backup.ClusterId] > 1 then
      left[backup.ClusterId] = left[backup.ClusterId] - 1
      lifecycle.begin_backup_deletion(world, store, backup, now)
    end
  end
end

-- Clusters -------------------------------------------------------------------------------------------------------

--- Makes a cluster ACTIVE, as its client does on the data plane; the first backup starts.
-- @tparam table world
-- @tparam table store
-- @tparam table cluster
-- @tparam number now
function lifecycle.activate(world, store, cluster, now)
  cluster.State = "ACTIVE"
  cluster.StateMessage = nil
  lifecycle.begin_backup(world, store, cluster, now)
  world:after("periodic_backup", store, now, world.times.backup_interval, { cluster = cluster.ClusterId })
end

--- Starts a change of HSM type.
-- @tparam table world
-- @tparam table store
-- @tparam table cluster
-- @tparam string hsm_type
-- @tparam number now
function lifecycle.begin_migration(world, store, cluster, hsm_type, now)
  local hsms = {}
  for i, hsm in ipairs(lifecycle.active_hsms(cluster)) do
    hsms[i] = hsm.HsmId
  end
  cluster.State = "MODIFY_IN_PROGRESS"
  cluster.StateMessage = nil
  cluster.HsmTypeRollbackExpiration = timestamp(now + world.times.rollback_window)
  cluster.migration = {
    from = cluster.HsmType,
    to = hsm_type,
    hsms = hsms,
    done = 0,
    fails = world:take_failure "migration",
  }
  if #hsms > 0 then
    lifecycle.begin_backup(world, store, cluster, now)
  end
  world:after("migration_step", store, now, world.times.migration_per_hsm, { cluster = cluster.ClusterId })
  world:after("rollback_window_over", store, now, world.times.rollback_window, { cluster = cluster.ClusterId })
end

--- Starts the way back to the type that the cluster had before.
-- @tparam table world
-- @tparam table store
-- @tparam table cluster
-- @tparam number now
function lifecycle.begin_rollback(world, store, cluster, now)
  cluster.State = "ROLLBACK_IN_PROGRESS"
  local rounds = math.max(1, cluster.migration.done)
  world:after("rolled_back", store, now, world.times.migration_per_hsm * rounds, { cluster = cluster.ClusterId })
end

-- Events ---------------------------------------------------------------------------------------------------------
-- An event looks first whether it still applies: what it is about may have been deleted meanwhile.

local events = {}
for kind, event in pairs(shares.events) do
  events[kind] = event
end

function events.cluster_created(world, store, event, now)
  local cluster = store.clusters:get(event.cluster)
  cluster.SecurityGroup = world.random:ec2_id "sg"
  if cluster.SourceBackupId then
    cluster.State = "ACTIVE"
    cluster.last_backup = now
    world:after("periodic_backup", store, now, world.times.backup_interval, { cluster = cluster.ClusterId })
  else
    cluster.State = "UNINITIALIZED"
  end
end

function events.cluster_deleted(world, store, event, now)
  local cluster = store.clusters:get(event.cluster)
  cluster.State = "DELETED"
  cluster.StateMessage = nil
  world:after("cluster_forgotten", store, now, world.times.deleted_cluster_listed, { cluster = cluster.ClusterId })
end

function events.cluster_forgotten(_, store, event)
  store.clusters:remove(store.clusters:get(event.cluster))
end

function events.hsm_created(world, store, event, now)
  local cluster = store.clusters:get(event.cluster)
  local hsm = find_hsm(cluster, event.hsm)
  if not hsm or hsm.State ~= "CREATE_IN_PROGRESS" then
    return
  end
  if event.fails then
    lifecycle.degrade_hsm(hsm)
    return
  end
  hsm.State = "ACTIVE"
  hsm.StateMessage = "HSM created."
  if cluster.State == "UNINITIALIZED" then
    cluster.Certificates = certificates.of_hsm(cluster.ClusterId, hsm.HsmId)
  elseif event.first and cluster.State == "ACTIVE" then
    lifecycle.begin_backup(world, store, cluster, now)
  end
end

function events.hsm_deleted(_, store, event)
  local cluster = store.clusters:get(event.cluster)
  local _, index = find_hsm(cluster, event.hsm)
  table.remove(cluster.hsms, index)
end

function events.join_backup(world, store, event, now)
  local cluster = store.clusters:get(event.cluster)
  if cluster and cluster.State == "ACTIVE" and #lifecycle.active_hsms(cluster) > 0 then
    lifecycle.begin_backup(world, store, cluster, now)
  end
end

function events.initialized(world, store, event, now)
  local cluster = store.clusters:get(event.cluster)
  if event.fails then
    cluster.State = "UNINITIALIZED"
    cluster.StateMessage = "Initialization failed. Check the certificates and try again."
    return
  end
  cluster.State = "INITIALIZED"
  cluster.StateMessage = nil
  cluster.Certificates = { ClusterCertificate = cluster.signed_certificate }
  if world.settings.auto_activate then
    world:after("activated", store, now, world.times.activation, { cluster = cluster.ClusterId })
  end
end

function events.activated(world, store, event, now)
  local cluster = store.clusters:get(event.cluster)
  if cluster and cluster.State == "INITIALIZED" then
    lifecycle.activate(world, store, cluster, now)
  end
end

function events.periodic_backup(world, store, event, now)
  local cluster = store.clusters:get(event.cluster)
  if not cluster or cluster.State == "DELETE_IN_PROGRESS" or cluster.State == "DELETED" then
    return
  end
  local interval = world.times.backup_interval
  local next_due = cluster.last_backup + interval
  if next_due <= now + 0.001 then -- sums of seconds round
    if cluster.State == "ACTIVE" and #lifecycle.active_hsms(cluster) > 0 then
      lifecycle.begin_backup(world, store, cluster, now)
    end
    next_due = now + interval
  end
  world:after("periodic_backup", store, now, next_due - now, { cluster = cluster.ClusterId })
end

function events.migration_step(world, store, event, now)
  local cluster = store.clusters:get(event.cluster)
  local migration = cluster.migration
  if migration.fails then
    lifecycle.begin_rollback(world, store, cluster, now)
    return
  end
  migration.done = migration.done + 1
  local hsm = find_hsm(cluster, migration.hsms[migration.done])
  if hsm then
    hsm.HsmType = migration.to
  end
  if migration.done < #migration.hsms then
    lifecycle.begin_backup(world, store, cluster, now)
    world:after("migration_step", store, now, world.times.migration_per_hsm, { cluster = cluster.ClusterId })
  else
    cluster.HsmType = migration.to
    cluster.State = "ACTIVE"
  end
end

function events.rolled_back(_, store, event)
  local cluster = store.clusters:get(event.cluster)
  local from = cluster.migration.from
  for _, hsm in ipairs(cluster.hsms) do
    hsm.HsmType = from
  end
  if cluster.migration.fails then
    cluster.StateMessage = ("The change of HSM type failed. The cluster was rolled back to %s."):format(from)
  end
  cluster.HsmType = from
  cluster.State = "ACTIVE"
  cluster.HsmTypeRollbackExpiration = nil
  cluster.migration = nil
end

function events.rollback_window_over(_, store, event, now)
  local cluster = store.clusters:get(event.cluster)
  local expiration = cluster and cluster.HsmTypeRollbackExpiration
  if expiration and expiration <= now + 0.001 then -- not that of a later migration
    cluster.HsmTypeRollbackExpiration = nil
  end
end

function events.backup_ready(_, store, event)
  local backup = store.backups:get(event.backup)
  if backup.BackupState == "CREATE_IN_PROGRESS" then
    backup.BackupState = "READY"
  end
end

function events.copy_failed(world, store, event, now)
  finish_backup_deletion(world, store, store.backups:get(event.backup), now)
end

function events.backup_deleted(world, store, event, now)
  local backup = store.backups:get(event.backup)
  if backup.BackupState == "PENDING_DELETION" and backup.deletions == event.deletion then
    finish_backup_deletion(world, store, backup, now)
  end
end

function events.backup_forgotten(_, store, event)
  store.backups:remove(store.backups:get(event.backup))
end

function events.purge(world, store, _, now)
  purge(world, store, now)
  world:after("purge", store, now, world.times.purge_interval, {})
end

--- Lets everything happen that is due, each at its own time.
-- @tparam table world
-- @tparam number now seconds since 1970
-- @tparam[opt] function happened is told after each the time at which it happened
function lifecycle.settle(world, now, happened)
  while true do
    local event = world.schedule:take_due(now)
    if not event then
      return
    end
    events[event.kind](world, world:store(event.account, event.region), event, event.at)
    if happened then
      happened(event.at)
    end
  end
end

return lifecycle
