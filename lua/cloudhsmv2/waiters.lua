--- The waiters of AWS CloudHSM V2, as data for `cloudhsmv2.waiter`, where the fields are explained.
--
-- AWS ships no waiter for this service. What each one tests comes from the API reference, the user guide and public
-- records of the real service; a state that is not named here, or that AWS adds later, counts as pending and is shown.
-- Every request carries a filter with the one id that is waited for, and the answer is searched for that id, so a
-- server that ignores filters does no harm.
--
-- Default delays are spread around the interval that a careful script would use, and default timeouts are generous: a
-- second HSM took 313 s in a public record, and others plan for 20 minutes.
--
-- @module cloudhsmv2.waiters
-- @usage local cluster, err = client:wait("cluster_created", { ClusterId = id })

local MINUTE, HOUR, DAY = 60, 3600, 24 * 3600 -- seconds

-- How long something new may stay unlisted. Not documented; a list that lags behind is usual at AWS.
local GRACE = 5 * MINUTE

-- How long a list may go on showing the state from before a request. Not documented either.
local LAG = MINUTE

-- DescribeClusters goes on listing an HSM for about 120 s after DeleteHsm was accepted.
local HSM_DELETION_LAG = 5 * MINUTE

local CLUSTER_ID = { type = "string", required = true, about = "the id of the cluster, such as cluster-72zn6eby7x2" }
local BACKUP_ID = { type = "string", required = true, about = "the id of the backup, such as backup-6qjbcmkhcxm" }

local function find(list, member, value)
  for _, item in ipairs(list or {}) do
    if item[member] == value then
      return item
    end
  end
end

local function is_filled(text)
  return type(text) == "string" and text ~= ""
end

local function cluster_request(params)
  return { Filters = { clusterIds = { params.ClusterId } } }
end

local function cluster_resource(output, context)
  return find(output.Clusters, "ClusterId", context.params.ClusterId)
end

local function backup_request(params)
  return { Filters = { backupIds = { params.BackupId } } }
end

local function backup_resource(output, context)
  return find(output.Backups, "BackupId", context.params.BackupId)
end

-- Of several HSMs at one network interface, the one that stays is meant.
local function staying_power(hsm)
  local ranks = { DELETED = 0, DELETE_IN_PROGRESS = 1, DEGRADED = 2 }
  return ranks[hsm.State] or 3
end

-- The service may replace a failed HSM by one with another HsmId at the same network interface. So an HSM that was
-- found by its id is followed by its EniId from then on.
local function hsm_resource(output, context)
  local cluster = cluster_resource(output, context)
  local params, memory = context.params, context.memory
  memory.EniId = memory.EniId or params.EniId
  local found
  for _, hsm in ipairs(cluster and cluster.Hsms or {}) do
    local same_eni = memory.EniId ~= nil and hsm.EniId == memory.EniId
    local same_id = params.HsmId ~= nil and hsm.HsmId == params.HsmId
    if (same_eni or same_id) and (not found or staying_power(hsm) > staying_power(found)) then
      found = hsm
    end
  end
  if found and is_filled(found.EniId) then
    memory.EniId = found.EniId
  end
  return found
end

-- CopyBackupToRegion does not tell the id of the copy: it is a backup of this source that was not there before the
-- call. Once one is found, it is the one that is waited for.
local function copied_backup(output, context)
  local params, memory = context.params, context.memory
  if memory.BackupId then
    return find(output.Backups, "BackupId", memory.BackupId)
  end
  local known = {}
  for _, id in ipairs(params.known_ids or {}) do
    known[id] = true
  end
  local newest
  for _, backup in ipairs(output.Backups or {}) do
    if backup.SourceBackup == params.SourceBackupId and not known[backup.BackupId] then
      if not newest or (backup.CopyTimestamp or 0) > (newest.CopyTimestamp or 0) then
        newest = backup
      end
    end
  end
  memory.BackupId = newest and newest.BackupId
  return newest
end

-- Only one HSM can exist before activation, but a failed one may still be listed beside the next.
local function first_hsm_failed(cluster)
  local failed = false
  for _, hsm in ipairs(cluster and cluster.Hsms or {}) do
    if hsm.State == "ACTIVE" or hsm.State == "CREATE_IN_PROGRESS" then
      return false
    end
    failed = failed or hsm.State == "DEGRADED"
  end
  return failed
end

local function csr_message(cluster)
  local hsm = cluster.Hsms and cluster.Hsms[1]
  if not hsm then
    return "the cluster has no HSM yet; its certificate signing request appears after the first CreateHsm"
  end
  local text = "HSM " .. tostring(hsm.State)
  return is_filled(hsm.StateMessage) and text .. ": " .. hsm.StateMessage or text
end

local function hsms_of(cluster)
  return cluster and cluster.Hsms and #cluster.Hsms or 0
end

local VANISHED = { state = "failure", matcher = "absent", expected = "vanished", message = "it is no longer listed" }
local DEGRADED = { state = "failure", matcher = "state", expected = "DEGRADED", message = "the cluster is in trouble" }
local DELETED = {
  state = "failure",
  matcher = "state",
  expected = { "DELETE_IN_PROGRESS", "DELETED" },
  message = "someone deleted it",
}
local OVERDUE = { state = "failure", matcher = "absent", expected = "overdue", message = "it was never listed" }

local waiters = {}

--- A backup can be used.
--
-- - params: `BackupId`
-- - success: READY
-- - failure: DELETED (a copy that failed ends so), PENDING_DELETION (someone deleted it), no longer listed, not listed
--   within 5 minutes
-- - pending: CREATE_IN_PROGRESS, not listed yet
-- - default: 20 to 40 s, 120 min
--
-- Source: user guide, "Cluster backups"; API reference, BackupState.
waiters.backup_ready = {
  operation = "DescribeBackups",
  params = { BackupId = BACKUP_ID },
  request = backup_request,
  resource = backup_resource,
  state = "BackupState",
  acceptors = {
    { state = "success", matcher = "state", expected = "READY" },
    { state = "failure", matcher = "state", expected = "DELETED", message = "it was deleted, or its copy failed" },
    { state = "failure", matcher = "state", expected = "PENDING_DELETION", message = "someone deleted it" },
    VANISHED,
    OVERDUE,
  },
  grace = GRACE,
  min_delay = 20,
  max_delay = 40,
  timeout = 120 * MINUTE,
}

--- A copy of a backup has arrived in this client's region, which is the destination.
--
-- - params: `SourceBackupId`; `known_ids`, a list of the ids of copies that were there before CopyBackupToRegion, so
--   that an older copy is not taken for the new one
-- - success: READY
-- - failure: DELETED (the copy failed), PENDING_DELETION (someone deleted it), no longer listed
-- - pending: none listed yet, CREATE_IN_PROGRESS
-- - default: 20 to 40 s, 120 min
-- - result: the copy, with the BackupId that CopyBackupToRegion does not tell
--
-- Source: user guide, "Copying backups across Regions"; API reference, DestinationBackup.
waiters.backup_copied = {
  operation = "DescribeBackups",
  params = {
    SourceBackupId = { type = "string", required = true, about = "the id of the backup that was copied" },
    known_ids = { type = "table", about = "ids of the copies that were there before" },
  },
  request = function(params)
    return { Filters = { sourceBackupIds = { params.SourceBackupId } } }
  end,
  resource = copied_backup,
  state = "BackupState",
  acceptors = {
    { state = "success", matcher = "state", expected = "READY" },
    { state = "failure", matcher = "state", expected = "DELETED", message = "the copy failed" },
    { state = "failure", matcher = "state", expected = "PENDING_DELETION", message = "someone deleted the copy" },
    VANISHED,
  },
  min_delay = 20,
  max_delay = 40,
  timeout = 120 * MINUTE,
}

--- A backup is gone for good, seven days after DeleteBackup.
--
-- - params: `BackupId`; `pending_is_enough = true` to be content with PENDING_DELETION
-- - success: DELETED, not listed
-- - failure: READY (it was restored; within the first minute it may be a list that lags behind)
-- - pending: PENDING_DELETION
-- - default: a minute at first, up to an hour; 8 days
--
-- Source: user guide, "Deleting backups"; API reference, DeleteBackup.
waiters.backup_deleted = {
  operation = "DescribeBackups",
  params = {
    BackupId = BACKUP_ID,
    pending_is_enough = { type = "boolean", about = "whether PENDING_DELETION is enough" },
  },
  request = backup_request,
  resource = backup_resource,
  state = "BackupState",
  acceptors = {
    { state = "success", matcher = "state", expected = "DELETED" },
    { state = "success", matcher = "absent" },
    {
      state = "success",
      matcher = function(backup, context)
        return context.params.pending_is_enough and backup.BackupState == "PENDING_DELETION"
      end,
    },
    {
      state = "failure",
      matcher = "state",
      expected = "READY",
      lag = LAG,
      message = "it was restored, or never deleted",
    },
  },
  min_delay = MINUTE,
  max_delay = HOUR,
  timeout = 8 * DAY,
}

--- RestoreBackup has taken a deletion back.
--
-- - params: `BackupId`
-- - success: READY
-- - failure: DELETED, not listed
-- - pending: PENDING_DELETION
-- - default: 3 to 6 s, 5 min
--
-- Source: user guide, "Restoring backups"; API reference, RestoreBackup.
waiters.backup_restored = {
  operation = "DescribeBackups",
  params = { BackupId = BACKUP_ID },
  request = backup_request,
  resource = backup_resource,
  state = "BackupState",
  acceptors = {
    { state = "success", matcher = "state", expected = "READY" },
    { state = "failure", matcher = "state", expected = "DELETED", message = "its seven days are over" },
    { state = "failure", matcher = "absent", message = "it is gone" },
  },
  min_delay = 3,
  max_delay = 6,
  timeout = 5 * MINUTE,
}

--- CreateCluster is through.
--
-- - params: `ClusterId`
-- - success: UNINITIALIZED or INITIALIZED (a fresh cluster); ACTIVE (which is where a cluster made from a backup ends)
-- - failure: DEGRADED, DELETE_IN_PROGRESS, DELETED, no longer listed, not listed within 5 minutes
-- - pending: CREATE_IN_PROGRESS, INITIALIZE_IN_PROGRESS, not listed yet
-- - default: 15 to 30 s, 120 min
--
-- Source: user guide, "Creating a cluster" and "Creating clusters from backups"; API reference, ClusterState.
waiters.cluster_created = {
  operation = "DescribeClusters",
  params = { ClusterId = CLUSTER_ID },
  request = cluster_request,
  resource = cluster_resource,
  acceptors = {
    { state = "success", matcher = "state", expected = "ACTIVE" },
    {
      state = "success",
      matcher = function(cluster)
        local fresh = cluster and not is_filled(cluster.SourceBackupId)
        return fresh and (cluster.State == "UNINITIALIZED" or cluster.State == "INITIALIZED")
      end,
    },
    DEGRADED,
    DELETED,
    VANISHED,
    OVERDUE,
  },
  grace = GRACE,
  min_delay = 15,
  max_delay = 30,
  timeout = 120 * MINUTE,
}

--- The certificate signing request can be read: `cluster.Certificates.ClusterCsr`.
--
-- - params: `ClusterId`
-- - success: the request is there
-- - failure: the first HSM is DEGRADED (delete it, and create one in another availability zone); the cluster is past
--   UNINITIALIZED, where it shows no request any more; no longer listed, not listed within 5 minutes
-- - pending: the HSM is CREATE_IN_PROGRESS, or there is none yet
-- - default: 20 to 40 s, 120 min
--
-- Source: user guide, "Initializing the cluster"; API reference, Certificates.
waiters.csr_ready = {
  operation = "DescribeClusters",
  params = { ClusterId = CLUSTER_ID },
  request = cluster_request,
  resource = cluster_resource,
  message = csr_message,
  acceptors = {
    {
      state = "failure",
      matcher = "state",
      expected = {
        "INITIALIZE_IN_PROGRESS",
        "INITIALIZED",
        "ACTIVE",
        "MODIFY_IN_PROGRESS",
        "ROLLBACK_IN_PROGRESS",
        "DELETE_IN_PROGRESS",
        "DELETED",
        "DEGRADED",
      },
      message = "the cluster is past the state in which it shows a request",
    },
    {
      state = "success",
      matcher = function(cluster)
        return cluster and cluster.Certificates and is_filled(cluster.Certificates.ClusterCsr)
      end,
    },
    {
      state = "failure",
      matcher = first_hsm_failed,
      message = "the first HSM is DEGRADED: delete it, and create one in another availability zone",
    },
    VANISHED,
    OVERDUE,
  },
  grace = GRACE,
  min_delay = 20,
  max_delay = 40,
  timeout = 120 * MINUTE,
}

--- InitializeCluster is through.
--
-- - params: `ClusterId`
-- - success: INITIALIZED, ACTIVE
-- - failure: UNINITIALIZED again, or UNINITIALIZED with a StateMessage after a minute (the certificate was refused);
--   DEGRADED, DELETE_IN_PROGRESS, DELETED, no longer listed, not listed within 5 minutes
-- - pending: INITIALIZE_IN_PROGRESS
-- - default: 10 to 20 s, 30 min
--
-- Source: user guide, "Initializing the cluster"; API reference, InitializeCluster.
waiters.cluster_initialized = {
  operation = "DescribeClusters",
  params = { ClusterId = CLUSTER_ID },
  request = cluster_request,
  resource = cluster_resource,
  acceptors = {
    { state = "success", matcher = "state", expected = { "INITIALIZED", "ACTIVE" } },
    {
      state = "failure",
      matcher = function(cluster, context)
        local back = cluster and cluster.State == "UNINITIALIZED"
        return back and (context.changed or is_filled(cluster.StateMessage))
      end,
      lag = LAG,
      message = "the cluster is not initialized: was the certificate refused?",
    },
    DEGRADED,
    DELETED,
    VANISHED,
    OVERDUE,
  },
  grace = GRACE,
  min_delay = 10,
  max_delay = 20,
  timeout = 30 * MINUTE,
}

--- A cluster works: it was activated, or has come back from a change.
--
-- The service shows ACTIVE a minute or more after the activation by the CloudHSM client has succeeded.
--
-- - params: `ClusterId`; `degraded`: what DEGRADED means, `"fail"` (the default), `"wait"` or `"accept"`
-- - success: ACTIVE
-- - failure: DELETE_IN_PROGRESS, DELETED, DEGRADED, no longer listed, not listed within 5 minutes
-- - pending: all others
-- - default: 10 to 20 s, 30 min
--
-- Source: user guide, "Activating the cluster"; API reference, ClusterState.
waiters.cluster_active = {
  operation = "DescribeClusters",
  params = {
    ClusterId = CLUSTER_ID,
    degraded = { type = "string", one_of = { "fail", "wait", "accept" }, about = "what DEGRADED means" },
  },
  request = cluster_request,
  resource = cluster_resource,
  acceptors = {
    { state = "success", matcher = "state", expected = "ACTIVE" },
    DELETED,
    {
      state = "success",
      matcher = function(cluster, context)
        return cluster and cluster.State == "DEGRADED" and context.params.degraded == "accept"
      end,
    },
    {
      state = "failure",
      matcher = function(cluster, context)
        return cluster and cluster.State == "DEGRADED" and context.params.degraded ~= "wait"
      end,
      message = "the cluster is in trouble",
    },
    VANISHED,
    OVERDUE,
  },
  grace = GRACE,
  min_delay = 10,
  max_delay = 20,
  timeout = 30 * MINUTE,
}

--- ModifyCluster has changed the type of all HSMs. A migration that fails ends ACTIVE too, with the old type.
--
-- - params: `ClusterId`; `HsmType`, the wanted type; `rollback = true` if the wanted type is the one before, since
--   going back passes through ROLLBACK_IN_PROGRESS
-- - success: ACTIVE with the wanted type
-- - failure: ACTIVE with another type (within the first minute it may be a list that lags behind);
--   ROLLBACK_IN_PROGRESS, DEGRADED, DELETE_IN_PROGRESS, DELETED, no longer listed, not listed within 5 minutes
-- - pending: MODIFY_IN_PROGRESS
-- - default: 40 to 80 s; an hour for every HSM, which takes about half an hour
--
-- Source: user guide, "Cluster HSM type migration"; API reference, ModifyCluster.
waiters.cluster_type_modified = {
  operation = "DescribeClusters",
  params = {
    ClusterId = CLUSTER_ID,
    HsmType = { type = "string", required = true, about = "the wanted type, such as hsm2m.medium" },
    rollback = { type = "boolean", about = "whether the wanted type is the one before" },
  },
  request = cluster_request,
  resource = cluster_resource,
  acceptors = {
    {
      state = "success",
      matcher = function(cluster, context)
        return cluster and cluster.State == "ACTIVE" and cluster.HsmType == context.params.HsmType
      end,
    },
    {
      state = "failure",
      matcher = function(cluster)
        if cluster and cluster.State == "ACTIVE" then
          return true, "its type is " .. tostring(cluster.HsmType) .. ": the change was rolled back, or never made"
        end
      end,
      lag = LAG,
    },
    {
      state = "failure",
      matcher = function(cluster, context)
        return cluster and cluster.State == "ROLLBACK_IN_PROGRESS" and not context.params.rollback
      end,
      message = "the change failed and is being rolled back",
    },
    DEGRADED,
    DELETED,
    VANISHED,
    OVERDUE,
  },
  grace = GRACE,
  min_delay = 40,
  max_delay = 80,
  timeout = function(cluster)
    return HOUR * math.max(1, hsms_of(cluster))
  end,
}

--- DeleteCluster is through. Deleted clusters are listed for a while, then no more: both are success.
--
-- - params: `ClusterId`
-- - success: DELETED, not listed
-- - failure: a settled state, UNINITIALIZED, INITIALIZED, ACTIVE or DEGRADED (within the first minute it may be a list
--   that lags behind)
-- - pending: DELETE_IN_PROGRESS
-- - default: 10 to 20 s, 60 min
--
-- Source: user guide, "Deleting a cluster"; API reference, DeleteCluster.
waiters.cluster_deleted = {
  operation = "DescribeClusters",
  params = { ClusterId = CLUSTER_ID },
  request = cluster_request,
  resource = cluster_resource,
  acceptors = {
    { state = "success", matcher = "state", expected = "DELETED" },
    { state = "success", matcher = "absent" },
    {
      state = "failure",
      matcher = "state",
      expected = { "UNINITIALIZED", "INITIALIZED", "ACTIVE", "DEGRADED" },
      lag = LAG,
      message = "the cluster is not being deleted",
    },
  },
  min_delay = 10,
  max_delay = 20,
  timeout = 60 * MINUTE,
}

--- CreateHsm is through.
--
-- - params: `ClusterId`; `HsmId`, `EniId` or both. The EniId is the better one: the service may replace a failed HSM by
--   one with another HsmId at the same network interface. An HSM that was found by its id is followed in this way too
-- - success: ACTIVE
-- - failure: DEGRADED (it does not heal: delete it, and create another), DELETE_IN_PROGRESS, DELETED, no longer listed,
--   not listed within 5 minutes
-- - pending: CREATE_IN_PROGRESS, not listed yet
-- - default: 20 to 40 s, 120 min
--
-- Source: user guide, "Adding an HSM"; API reference, HsmState; public records of replaced and failed HSMs.
waiters.hsm_active = {
  operation = "DescribeClusters",
  params = {
    ClusterId = CLUSTER_ID,
    HsmId = { type = "string", about = "the id of the HSM" },
    EniId = { type = "string", about = "the id of its network interface" },
  },
  any_of = { "EniId", "HsmId" },
  request = cluster_request,
  resource = hsm_resource,
  acceptors = {
    { state = "success", matcher = "state", expected = "ACTIVE" },
    {
      state = "failure",
      matcher = "state",
      expected = "DEGRADED",
      message = "the HSM does not heal: delete it, and create one, perhaps in another availability zone",
    },
    DELETED,
    VANISHED,
    OVERDUE,
  },
  grace = GRACE,
  min_delay = 20,
  max_delay = 40,
  timeout = 120 * MINUTE,
}

--- DeleteHsm is through. An HSM stays listed for about two minutes, and DeleteCluster is refused until it is gone.
--
-- - params: `ClusterId`; `HsmId`, `EniId` or both
-- - success: DELETED, not listed
-- - failure: ACTIVE again, or ACTIVE still after 5 minutes
-- - pending: DELETE_IN_PROGRESS
-- - default: 20 to 40 s, 60 min
--
-- Source: user guide, "Removing an HSM"; API reference, DeleteHsm; public records of the time.
waiters.hsm_deleted = {
  operation = "DescribeClusters",
  params = waiters.hsm_active.params,
  any_of = waiters.hsm_active.any_of,
  request = cluster_request,
  resource = hsm_resource,
  acceptors = {
    { state = "success", matcher = "state", expected = "DELETED" },
    { state = "success", matcher = "absent" },
    {
      state = "failure",
      matcher = "state",
      expected = "ACTIVE",
      lag = HSM_DELETION_LAG,
      message = "the HSM is not being deleted",
    },
  },
  min_delay = 20,
  max_delay = 40,
  timeout = 60 * MINUTE,
}

for name, definition in pairs(waiters) do
  definition.name = name
end

return waiters
