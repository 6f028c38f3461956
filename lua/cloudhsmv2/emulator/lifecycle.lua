--- What happens by itself as time passes: scheduled events, one function each.
-- What is known of each, and how, stands beside the code; `make behaviours` gathers it in doc/emulator-behaviour.md.
-- @module cloudhsmv2.emulator.lifecycle

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
  -- [observed, measured] an HSM that fails is DEGRADED and stays so; it can be deleted
  if hsm.State == "CREATE_IN_PROGRESS" then
    -- [observed, measured] the StateMessage of an HSM whose creation failed
    hsm.StateMessage = HSM_FAILED
  else
    -- [assumed] the StateMessage of an HSM that fails later
    hsm.StateMessage = "The HSM is degraded."
  end
  hsm.State = "DEGRADED"
end

local function creation_of(cluster, hsm, first, fails)
  return { cluster = cluster.ClusterId, hsm = hsm.HsmId, first = first, fails = fails }
end

--- Lets an HSM of a cluster come up.
-- @tparam table world
-- @tparam table store
-- @tparam table cluster
-- @tparam table hsm CREATE_IN_PROGRESS
-- @tparam number now
function lifecycle.begin_hsm(world, store, cluster, hsm, now)
  local times = world.times
  local first = #lifecycle.active_hsms(cluster) == 0
  cluster.hsms[#cluster.hsms + 1] = hsm
  local creation = creation_of(cluster, hsm, first, world:take_failure "hsm")
  world:after("hsm_created", store, now, times.hsm_creation, creation)
  if cluster.State == "ACTIVE" and not first then
    world:after("join_backup", store, now, times.join_backup, { cluster = cluster.ClusterId })
  end
end

--- Replaces an HSM, as the service does with one that failed.
-- @tparam table world
-- @tparam table store
-- @tparam table cluster
-- @tparam table hsm
-- @tparam number now
function lifecycle.replace_hsm(world, store, cluster, hsm, now)
  -- [observed, measured] an HSM that the service replaces keeps its network interface and address, and gets another id
  -- [assumed] the one that takes its place takes as long as a new one, and is no join that a backup is made for
  local before = hsm.HsmId
  hsm.HsmId = world:new_id "hsm"
  hsm.State = "CREATE_IN_PROGRESS"
  hsm.StateMessage = nil
  for i, id in ipairs(cluster.migration and cluster.migration.hsms or {}) do
    if id == before then
      cluster.migration.hsms[i] = hsm.HsmId
    end
  end
  if cluster.State == "UNINITIALIZED" then
    cluster.Certificates = {} -- the key of the CSR went with the HSM
  end
  world:after("hsm_created", store, now, world.times.hsm_creation, creation_of(cluster, hsm, false, false))
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
  -- [documented, user guide] a new backup is CREATE_IN_PROGRESS, and READY after a while
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
    listed_from = now + world.times.backup_listing_lag,
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
  -- [documented, API model] a copy has its source's CreateTimestamp, and tells its source, their cluster and region
  -- [documented, API model] a copy has the tags of the request, else those of its source
  -- [assumed] a copy shows the ClusterId of its source (`copied_cluster_id`)
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
  -- [documented, user guide] a deleted backup is PENDING_DELETION for seven days, and DeleteTimestamp says until when
  backup.BackupState = "PENDING_DELETION"
  backup.DeleteTimestamp = timestamp(now + world.times.pending_deletion)
  backup.deletions = (backup.deletions or 0) + 1
  world:after("backup_deleted", store, now, world.times.pending_deletion, {
    backup = backup.BackupId,
    deletion = backup.deletions,
  })
end

local function finish_backup_deletion(world, store, backup, now)
  -- [documented, user guide] after seven days a backup is DELETED; later it is not listed any more
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
  -- [documented, user guide] retention purges READY backups that are older than the cluster's policy says
  -- [documented, user guide] a backup that never expires is not purged
  -- [documented, user guide] a copy has no retention policy: it is never purged
  local purged = backup.BackupState == "READY" and not backup.NeverExpires and not backup.SourceRegion
  return purged and now - backup.CreateTimestamp > store.retention[backup.ClusterId] * DAY
end

local function purge(world, store, now)
  -- [documented, user guide] the last backup of a cluster is never purged
  -- [documented, user guide] what retention purges is PENDING_DELETION, and can be restored; it is purged again
  -- [assumed] the policy of a cluster goes on for its backups when the cluster is deleted
  local left = ready_backups(store)
  for backup in store.backups:each(true) do
    if is_over_age(store, backup, now) and left[backup.ClusterId] > 1 then
      left[backup.ClusterId] = left[backup.ClusterId] - 1
      lifecycle.begin_backup_deletion(world, store, backup, now)
    end
  end
end

-- Clusters -------------------------------------------------------------------------------------------------------

local function become_active(world, store, cluster, now)
  -- [documented, user guide] a cluster is ACTIVE once it was activated, and its first backup is made
  cluster.State = "ACTIVE"
  cluster.StateMessage = nil
  lifecycle.begin_backup(world, store, cluster, now)
  world:after("periodic_backup", store, now, world.times.backup_interval, { cluster = cluster.ClusterId })
end

--- Activates an INITIALIZED cluster, as its client does on the data plane: at once, or after the time `activation_lag`.
-- @tparam table world
-- @tparam table store
-- @tparam table cluster
-- @tparam number now
-- @treturn ?boolean true, or nil and the reason
function lifecycle.activate(world, store, cluster, now)
  if cluster.State ~= "INITIALIZED" then
    return nil, ("the cluster %s is %s, not INITIALIZED"):format(cluster.ClusterId, cluster.State)
  elseif #lifecycle.active_hsms(cluster) == 0 then
    return nil, ("the cluster %s has no active HSM"):format(cluster.ClusterId)
  end
  local lag = world.times.activation_lag
  if lag > 0 then
    -- [observed, measured] the control plane shows INITIALIZED for a while after the client has activated the cluster
    world:after("activated", store, now, lag, { cluster = cluster.ClusterId })
  else
    become_active(world, store, cluster, now)
  end
  return true
end

--- Starts a change of HSM type.
-- @tparam table world
-- @tparam table store
-- @tparam table cluster
-- @tparam string hsm_type
-- @tparam number now
function lifecycle.begin_migration(world, store, cluster, hsm_type, now)
  -- [documented, user guide] a change of HSM type is MODIFY_IN_PROGRESS, one HSM after the other, a backup before each
  -- [documented, API model] HsmTypeRollbackExpiration is 24 hours after the change began
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
  -- [documented, user guide] the way back to the old type is ROLLBACK_IN_PROGRESS
  -- [assumed] a rollback takes as long as the change took so far, and half an hour at least
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

local function activate_by_itself(world, store, cluster, now)
  -- [ours] nothing has to activate a cluster, unless `auto_activate` is false: there is no data plane here
  if world.settings.auto_activate then
    world:after("activated", store, now, world.times.activation, { cluster = cluster.ClusterId })
  end
end

function events.cluster_created(world, store, event, now)
  local cluster = store.clusters:get(event.cluster)
  -- [observed, recorded] the security group is not in the first answer, and there once the cluster is created
  cluster.SecurityGroup = cluster.SecurityGroup or world.random:ec2_id "sg"
  if cluster.SourceBackupId then
    -- [documented, user guide] a cluster made from a backup becomes ACTIVE, without HSMs
    cluster.State = "ACTIVE"
    cluster.last_backup = now
    world:after("periodic_backup", store, now, world.times.backup_interval, { cluster = cluster.ClusterId })
  else
    -- [documented, user guide] a new cluster becomes UNINITIALIZED
    cluster.State = "UNINITIALIZED"
  end
end

function events.cluster_deleted(world, store, event, now)
  local cluster = store.clusters:get(event.cluster)
  -- [observed, recorded] a deleted cluster is DELETED and still listed, without a StateMessage
  cluster.State = "DELETED"
  cluster.StateMessage = nil
  world:after("cluster_forgotten", store, now, world.times.deleted_cluster_listed, { cluster = cluster.ClusterId })
end

function events.cluster_forgotten(_, store, event)
  -- [observed, recorded] a deleted cluster is not listed any more after a while
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
  -- [observed, recorded] the StateMessage of an HSM that works
  hsm.State = "ACTIVE"
  hsm.StateMessage = "HSM created."
  if cluster.State == "UNINITIALIZED" then
    -- [documented, user guide] the CSR, the HSM's and two hardware certificates are there once the first HSM is ACTIVE
    cluster.Certificates = world.settings.pki:of_hsm(cluster, hsm.HsmId)
  elseif cluster.State == "INITIALIZED" then
    activate_by_itself(world, store, cluster, now)
  elseif event.first and cluster.State == "ACTIVE" then
    -- [assumed] where a cluster had no HSM, the backup of the join is made when the first one is ACTIVE
    lifecycle.begin_backup(world, store, cluster, now)
  end
end

function events.hsm_deleted(_, store, event)
  -- [observed, measured] a deleted HSM is gone after a while, in which it is listed as DELETE_IN_PROGRESS
  local cluster = store.clusters:get(event.cluster)
  local _, index = find_hsm(cluster, event.hsm)
  table.remove(cluster.hsms, index)
end

function events.join_backup(world, store, event, now)
  -- [documented, user guide] a backup is made when an HSM joins an active cluster
  local cluster = store.clusters:get(event.cluster)
  if cluster and cluster.State == "ACTIVE" and #lifecycle.active_hsms(cluster) > 0 then
    lifecycle.begin_backup(world, store, cluster, now)
  end
end

function events.initialized(world, store, event, now)
  local cluster = store.clusters:get(event.cluster)
  if event.fails then
    -- [assumed] an initialization that fails leaves the cluster UNINITIALIZED, and a StateMessage
    cluster.State = "UNINITIALIZED"
    cluster.StateMessage = "Initialization failed. Check the certificates and try again."
    return
  end
  -- [documented, user guide] an INITIALIZED cluster shows its ClusterCertificate, and neither CSR nor hardware certificates
  cluster.State = "INITIALIZED"
  cluster.StateMessage = nil
  cluster.Certificates = { ClusterCertificate = cluster.signed_certificate }
  activate_by_itself(world, store, cluster, now)
end

function events.activated(world, store, event, now)
  local cluster = store.clusters:get(event.cluster)
  if cluster and cluster.State == "INITIALIZED" and #lifecycle.active_hsms(cluster) > 0 then
    -- [assumed] a cluster whose only HSM is gone or DEGRADED cannot be activated
    become_active(world, store, cluster, now)
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
    -- [documented, user guide] an active cluster is backed up at least every 24 hours
    -- [assumed] a cluster without an ACTIVE HSM is not backed up: something has to make the backup
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
    -- [documented, user guide] a change of type that fails its checks is rolled back by itself
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
    -- [documented, user guide] at the end the cluster is ACTIVE with the new HsmType
    for _, one in ipairs(cluster.hsms) do -- also one that was not ACTIVE when it began
      one.HsmType = migration.to
    end
    cluster.HsmType = migration.to
    cluster.State = "ACTIVE"
  end
end

function events.rolled_back(_, store, event)
  local cluster = store.clusters:get(event.cluster)
  -- [documented, user guide] after a rollback the cluster is ACTIVE with the old HsmType
  local from = cluster.migration.from
  for _, hsm in ipairs(cluster.hsms) do
    hsm.HsmType = from
  end
  if cluster.migration.fails then
    -- [assumed] after a change of type that failed, the StateMessage says that it was rolled back
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
  -- [documented, user guide] a change of type can be taken back for 24 hours
  if expiration and expiration <= now + 0.001 then -- not that of a later migration
    cluster.HsmTypeRollbackExpiration = nil
  end
end

function events.backup_ready(_, store, event)
  local backup = store.backups:get(event.backup)
  if backup.BackupState == "CREATE_IN_PROGRESS" then
    -- [documented, user guide] a backup that is complete is READY
    backup.BackupState = "READY"
  end
end

function events.copy_failed(world, store, event, now)
  -- [documented, user guide] a copy that fails is DELETED
  finish_backup_deletion(world, store, store.backups:get(event.backup), now)
end

function events.backup_deleted(world, store, event, now)
  local backup = store.backups:get(event.backup)
  -- [documented, user guide] a backup that was restored meanwhile stays
  if backup.BackupState == "PENDING_DELETION" and backup.deletions == event.deletion then
    finish_backup_deletion(world, store, backup, now)
  end
end

function events.backup_forgotten(_, store, event)
  -- [documented, user guide] a DELETED backup is not listed after a while
  store.backups:remove(store.backups:get(event.backup))
end

function events.purge(world, store, _, now)
  -- [assumed] retention is looked at once a day, from the first backup of an account in a region on
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
