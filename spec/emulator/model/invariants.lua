--- A much simpler CloudHSM, to hold against the emulator: what is listed now must follow from what was listed before, from
-- the operation that was called and from the time that went by.
--
-- It shares no code with the emulator and schedules nothing. It keeps what it saw last of every account and region, changes
-- that as an accepted operation should, and claims:
--
-- - an operation is accepted when the rules say so, refused with the right code when not, and changes nothing else;
-- - a state follows from the one before, at the time that the table of times says;
-- - counts stay within the quotas, ids are never used twice, and nothing is seen in two accounts or regions;
-- - retention purges what is over age, and never the last backup of a cluster, one that never expires, or a copy;
-- - an active cluster has a backup a day.
--
-- A claim that does not hold raises a text.

local invariants = {}
local methods = {}
local metatable = { __index = methods }

local floor = math.floor

local DAY = 86400
local INVALID, UNKNOWN = "CloudHsmInvalidRequestException", "CloudHsmResourceNotFoundException"
local DENIED = "CloudHsmAccessDeniedException"

--- The table of times that is claimed, in seconds.
invariants.TIMES = {
  cluster = 120,
  hsm = 313,
  hsm_listed = 120,
  initialization = 60,
  activation = 80,
  cluster_deletion = 25,
  deleted_listed = 3600,
  backup = 60,
  copy = 300,
  pending = 7 * DAY,
  migration = 1800,
  purge = DAY,
}
local TIMES = invariants.TIMES

local function claim(condition, ...)
  if not condition then
    error(string.format(...), 0)
  end
end

-- Who owns what -----------------------------------------------------------------------------------------------------

-- An account in a region, as it was seen last.
function methods:store(key)
  local store = self.stores[key]
  if not store then
    store = { key = key, clusters = {}, backups = {}, at = self.start, retention = {} }
    self.stores[key] = store
  end
  return store
end

-- An id is new, here and everywhere else.
local function register(self, store, id, form)
  claim(id:find(form), "%s is no id of the form %s", id, form)
  claim(not self.owners[id], "%s is used again", id)
  self.owners[id] = store.key
end

-- Looking at a list: what each record may have become ------------------------------------------------------------------

local function active_hsms(cluster)
  local count = 0
  for _, hsm in pairs(cluster.hsms) do
    count = count + (hsm.State == "ACTIVE" and 1 or 0)
  end
  return count
end

local function ready_backups(store, cluster_id)
  local ready = {}
  for _, backup in pairs(store.backups) do
    if backup.ClusterId == cluster_id and backup.BackupState == "READY" and not backup.copied_at then
      ready[#ready + 1] = backup
    end
  end
  return ready
end

-- The states in which a cluster may be seen now: a set, and whether it may be gone.
local function cluster_states(cluster, now)
  local state, since = cluster.State, now - cluster.since
  if state == "CREATE_IN_PROGRESS" then
    if since < TIMES.cluster then
      return { CREATE_IN_PROGRESS = true }
    end
    return cluster.source and { ACTIVE = true } or { UNINITIALIZED = true }
  elseif state == "INITIALIZE_IN_PROGRESS" then
    if since < TIMES.initialization then
      return { INITIALIZE_IN_PROGRESS = true }
    elseif cluster.fails then
      return { UNINITIALIZED = true }
    elseif since < TIMES.initialization + TIMES.activation then
      return { INITIALIZED = true }
    end
    return active_hsms(cluster) > 0 and { ACTIVE = true } or { INITIALIZED = true, ACTIVE = true }
  elseif state == "INITIALIZED" then
    return { INITIALIZED = true, ACTIVE = true }
  elseif state == "MODIFY_IN_PROGRESS" or state == "ROLLBACK_IN_PROGRESS" then
    local steps = floor(since / TIMES.migration) -- that are over, since the change began
    if cluster.fails then
      return { [steps == 0 and "MODIFY_IN_PROGRESS" or steps == 1 and "ROLLBACK_IN_PROGRESS" or "ACTIVE"] = true }
    end
    return { [steps < cluster.steps and state or "ACTIVE"] = true }
  elseif state == "DELETE_IN_PROGRESS" or state == "DELETED" then
    if state == "DELETE_IN_PROGRESS" and since < TIMES.cluster_deletion then
      return { DELETE_IN_PROGRESS = true }
    elseif cluster.deleted_at + TIMES.cluster_deletion + TIMES.deleted_listed > now then
      return { DELETED = true }
    end
    return {}, true
  end
  return { [state] = true } -- UNINITIALIZED, ACTIVE, DEGRADED: nothing happens by itself
end

local function hsm_states(hsm, now)
  local since = now - hsm.since
  if hsm.State == "CREATE_IN_PROGRESS" then
    if since < TIMES.hsm then
      return { CREATE_IN_PROGRESS = true }
    end
    return hsm.fails and { DEGRADED = true } or { ACTIVE = true }
  elseif hsm.State == "DELETE_IN_PROGRESS" then
    if since < TIMES.hsm_listed then
      return { DELETE_IN_PROGRESS = true }
    end
    return {}, true
  end
  return { [hsm.State] = true }
end

local function is_over_age(store, backup, now)
  return not backup.copied_at
    and not backup.NeverExpires
    and now - backup.CreateTimestamp > store.retention[backup.ClusterId] * DAY
end

local function backup_states(store, backup, now)
  local state = backup.BackupState
  if state == "CREATE_IN_PROGRESS" then
    local begun, needed = backup.CreateTimestamp, TIMES.backup
    if backup.copied_at then
      begun, needed = backup.copied_at, TIMES.copy
    end
    if now - begun < needed then
      return { CREATE_IN_PROGRESS = true }
    elseif backup.fails then
      return { DELETED = true }, now - begun >= needed + TIMES.deleted_listed
    end
    state = "READY"
  end
  if state == "READY" then
    if not is_over_age(store, backup, now) then
      return { READY = true }
    end
    return { READY = true, PENDING_DELETION = true, DELETED = true }, true -- purged at a time that nobody told
  elseif backup.fails then
    return { DELETED = true }, now >= backup.copied_at + TIMES.copy + TIMES.deleted_listed
  elseif state == "PENDING_DELETION" and now < backup.DeleteTimestamp then
    return { PENDING_DELETION = true }
  end
  return { DELETED = true }, now >= backup.DeleteTimestamp + TIMES.deleted_listed
end

-- What was listed now, held against what was known: states, and what must not change.
local FIXED =
  { "ClusterId", "CreateTimestamp", "HsmType", "Mode", "VpcId", "SourceBackup", "SourceRegion", "SourceCluster" }
local FIXED_HSM = { "EniId", "EniIp", "SubnetId", "AvailabilityZone" }

local function same(label, known, seen, members)
  for _, member in ipairs(members) do
    claim(known[member] == seen[member], "%s: %s became %s", label, tostring(known[member]), tostring(seen[member]))
  end
end

local function same_tags(id, known, seen)
  local count = 0
  for _, tag in ipairs(seen) do
    claim(known[tag.Key] == tag.Value, "%s: the tag %s is %s", id, tag.Key, tag.Value)
    count = count + 1
  end
  for _ in pairs(known) do
    count = count - 1
  end
  claim(count == 0, "%s has other tags than it was given", id)
end

local function observe_hsms(self, cluster, seen, now)
  local listed = {}
  for _, hsm in ipairs(seen.Hsms) do
    local known = cluster.hsms[hsm.HsmId]
    claim(known, "the HSM %s is from nowhere", hsm.HsmId)
    claim(not listed[hsm.HsmId], "the HSM %s is listed twice", hsm.HsmId)
    claim(hsm_states(known, now)[hsm.State], "the HSM %s went from %s to %s", hsm.HsmId, known.State, hsm.State)
    same(hsm.HsmId, known, hsm, FIXED_HSM)
    claim(hsm.ClusterId == seen.ClusterId, "the HSM %s is of another cluster", hsm.HsmId)
    listed[hsm.HsmId] = true
    known.State = hsm.State
    known.HsmType = hsm.HsmType
  end
  for id, hsm in pairs(cluster.hsms) do
    if not listed[id] then
      local _, may_be_gone = hsm_states(hsm, now)
      claim(may_be_gone, "the HSM %s is gone, and was %s", id, hsm.State)
      cluster.hsms[id] = nil
    end
  end
  local count = 0
  for _, hsm in pairs(cluster.hsms) do
    count = count + (hsm.State == "DELETE_IN_PROGRESS" and 0 or 1)
  end
  claim(count <= self.quotas.hsms_per_cluster, "%d HSMs in %s", count, seen.ClusterId)
end

local function observe_certificates(cluster, seen)
  local shown = seen.Certificates
  local state = seen.State
  local waits = state == "CREATE_IN_PROGRESS" or state == "UNINITIALIZED" or state == "INITIALIZE_IN_PROGRESS"
  local was_initialized = cluster.source or cluster.initialized and not waits
  claim(
    not was_initialized == not shown.ClusterCertificate,
    "%s is %s, and its ClusterCertificate is %s",
    seen.ClusterId,
    state,
    tostring(shown.ClusterCertificate)
  )
  claim(not (was_initialized and shown.ClusterCsr), "%s still shows a CSR", seen.ClusterId)
  if state == "UNINITIALIZED" then
    if active_hsms(cluster) > 0 then
      claim(shown.ClusterCsr and shown.HsmCertificate, "%s shows no CSR", seen.ClusterId)
    elseif not next(cluster.hsms) then
      claim(not shown.ClusterCsr, "%s shows a CSR without an HSM", seen.ClusterId)
    end
  end
end

local function observe_cluster(self, cluster, seen, now)
  local id = seen.ClusterId
  local states = cluster_states(cluster, now)
  claim(states[seen.State], "the cluster %s went from %s to %s", id, cluster.State, seen.State)
  if seen.State == "ACTIVE" and cluster.State ~= "ACTIVE" and cluster.changing_to then
    local wanted = cluster.fails and cluster.HsmType or cluster.changing_to
    claim(seen.HsmType == wanted, "%s is ACTIVE with %s, not %s", id, seen.HsmType, wanted)
    for _, hsm in ipairs(seen.Hsms) do
      claim(hsm.HsmType == wanted, "the HSM %s is a %s, not a %s", hsm.HsmId, hsm.HsmType, wanted)
    end
    cluster.HsmType, cluster.changing_to, cluster.fails = wanted, nil, nil
  end
  same(id, cluster, seen, FIXED)
  claim(seen.BackupRetentionPolicy.Value == ("%d"):format(cluster.retention), "%s has another retention", id)
  claim((seen.SecurityGroup ~= nil) == (seen.State ~= "CREATE_IN_PROGRESS"), "%s: the security group", id)
  same_tags(id, cluster.tags, seen.TagList)
  observe_hsms(self, cluster, seen, now)
  if seen.State ~= cluster.State and not cluster.changing_to then
    cluster.since, cluster.fails = now, nil
  end
  cluster.State = seen.State
  observe_certificates(cluster, seen)
end

local function observe_clusters(self, store, list, now)
  local listed, count, hsms = {}, 0, 0
  for _, seen in ipairs(list) do
    local cluster = store.clusters[seen.ClusterId]
    claim(cluster, "the cluster %s is from nowhere", seen.ClusterId)
    claim(not listed[seen.ClusterId], "the cluster %s is listed twice", seen.ClusterId)
    listed[seen.ClusterId] = true
    observe_cluster(self, cluster, seen, now)
    count = count + (seen.State == "DELETED" and 0 or 1)
    for _, hsm in ipairs(seen.Hsms) do
      hsms = hsms + (hsm.State == "DELETE_IN_PROGRESS" and 0 or 1)
    end
  end
  for id, cluster in pairs(store.clusters) do
    if not listed[id] then
      local _, may_be_gone = cluster_states(cluster, now)
      claim(may_be_gone, "the cluster %s is gone, and was %s", id, cluster.State)
      store.clusters[id] = nil
    end
  end
  claim(count <= self.quotas.clusters, "%d clusters in %s", count, store.key)
  claim(hsms <= self.quotas.hsms, "%d HSMs in %s", hsms, store.key)
end

-- A backup that nobody asked for: the service made it since the last look, or the operation at hand did.
local function adopt_backup(self, store, seen, now)
  local id = seen.BackupId
  register(self, store, id, "^backup%-[a-z2-7]+$")
  claim(not seen.SourceRegion, "the copy %s is from nowhere", id)
  claim(store.retention[seen.ClusterId], "the backup %s is of no cluster of %s", id, store.key)
  if seen.CreateTimestamp == store.at then
    local due = store.due_backups and store.due_backups[seen.ClusterId] or 0
    claim(due > 0, "the backup %s was made at a time when nothing asked for it", id)
    store.due_backups[seen.ClusterId] = due - 1
  end
  claim(seen.CreateTimestamp >= store.at and seen.CreateTimestamp <= now, "the backup %s is of another time", id)
  local backup = {
    BackupState = "CREATE_IN_PROGRESS",
    ClusterId = seen.ClusterId,
    CreateTimestamp = seen.CreateTimestamp,
    HsmType = seen.HsmType,
    Mode = seen.Mode,
    NeverExpires = false,
    tags = {},
    is_new = true,
  }
  store.backups[id] = backup
  local cluster = store.clusters[seen.ClusterId]
  if cluster then
    cluster.newest_backup = math.max(cluster.newest_backup or 0, seen.CreateTimestamp)
  end
  return backup
end

-- Retention, over a time in which nobody did anything.
local function check_retention(store, before, now)
  for cluster_id, ready in pairs(before) do
    local left = #ready_backups(store, cluster_id)
    claim(#ready == 0 or left > 0, "the last backup of %s was purged", cluster_id)
    if now - store.at >= TIMES.purge then
      local safe, over_age = 0, 0
      for _, backup in ipairs(ready) do
        if not backup.was_over_age then
          safe = safe + 1
        elseif backup.BackupState == "READY" then
          over_age = over_age + 1
        end
      end
      local most = safe > 0 and 0 or 1
      claim(over_age <= most, "%s keeps %d backups that are over age", cluster_id, over_age)
    end
  end
end

local function observe_backup(store, backup, seen, now)
  local id = seen.BackupId
  local states = backup_states(store, backup, now)
  local state = seen.BackupState
  claim(states[state], "the backup %s went from %s to %s", id, backup.BackupState, state)
  same(id, backup, seen, FIXED)
  claim(backup.NeverExpires == seen.NeverExpires, "%s: NeverExpires is %s", id, tostring(seen.NeverExpires))
  claim(backup.copied_at == seen.CopyTimestamp, "%s has another CopyTimestamp", id)
  same_tags(id, backup.tags, seen.TagList)
  local ends = seen.DeleteTimestamp
  if state == "READY" or state == "CREATE_IN_PROGRESS" then
    claim(ends == nil, "%s is %s, and has a DeleteTimestamp", id, state)
  elseif backup.DeleteTimestamp then
    claim(ends == backup.DeleteTimestamp, "%s has another DeleteTimestamp", id)
  elseif not backup.fails then
    -- purged since the last look
    local purged_at = ends - TIMES.pending
    claim(purged_at > store.at or backup.is_new, "%s was purged before it was looked at", id)
    claim(purged_at <= now and is_over_age(store, backup, purged_at), "%s was purged too early", id)
  end
  backup.BackupState, backup.DeleteTimestamp, backup.is_new = state, ends, nil
end

local function observe_backups(self, store, list, now)
  local listed, newest, before = {}, nil, {}
  for _, backup in pairs(store.backups) do
    if not backup.copied_at then
      before[backup.ClusterId] = before[backup.ClusterId] or ready_backups(store, backup.ClusterId)
      backup.was_over_age = is_over_age(store, backup, store.at)
    end
  end
  for _, seen in ipairs(list) do
    claim(not newest or seen.CreateTimestamp <= newest, "%s is listed after an older one", seen.BackupId)
    newest = seen.CreateTimestamp
    claim(not listed[seen.BackupId], "the backup %s is listed twice", seen.BackupId)
    listed[seen.BackupId] = true
    local backup = store.backups[seen.BackupId] or adopt_backup(self, store, seen, now)
    observe_backup(store, backup, seen, now)
  end
  for id, backup in pairs(store.backups) do
    if not listed[id] then
      local _, may_be_gone = backup_states(store, backup, now)
      claim(may_be_gone, "the backup %s is gone, and was %s", id, backup.BackupState)
      store.backups[id] = nil
      backup.BackupState = "gone"
    end
  end
  for cluster_id, count in pairs(store.due_backups or {}) do
    claim(count == 0, "%s was not backed up when it should have been", cluster_id)
  end
  check_retention(store, before, now)
end

-- A cluster that was ACTIVE with an HSM all the time has a backup that is not older than a day.
local function check_daily(self, store, now)
  for id, cluster in pairs(store.clusters) do
    if cluster.State == "ACTIVE" and active_hsms(cluster) > 0 then
      cluster.working_since = cluster.working_since or now
      local newest = math.max(cluster.newest_backup or 0, cluster.working_since)
      claim(now - newest <= self.interval, "%s has had no backup for %d s", id, now - newest)
    else
      cluster.working_since = nil
    end
  end
end

--- Looks at an account in a region.
-- @tparam string key
-- @tparam table clusters as DescribeClusters lists them
-- @tparam table backups as DescribeBackups lists them
-- @tparam number now
function methods:observe(key, clusters, backups, now)
  local store = self:store(key)
  observe_clusters(self, store, clusters, now)
  observe_backups(self, store, backups, now)
  check_daily(self, store, now)
  store.at, store.due_backups = now, nil
end

-- Operations: what the answer must be, and what it changes ---------------------------------------------------------------
-- Each returns the code of a refusal, or nil and a function that takes the output and changes what is known. The account and
-- region were looked at just before.

local operations = {}
local DELETABLE = { UNINITIALIZED = true, INITIALIZED = true, ACTIVE = true, DEGRADED = true }
local ACCEPTING = { UNINITIALIZED = true, ACTIVE = true, DEGRADED = true }
local CHANGING = { MODIFY_IN_PROGRESS = true, ROLLBACK_IN_PROGRESS = true, INITIALIZE_IN_PROGRESS = true }

local function cluster_of(store, id)
  local cluster = store.clusters[id]
  return cluster and cluster.State ~= "DELETED" and cluster or nil
end

local function backup_of(store, id)
  local backup = store.backups[id]
  return backup and backup.BackupState ~= "DELETED" and backup or nil
end

local function hsm_count(cluster)
  local count, listed = 0, 0
  for _, hsm in pairs(cluster.hsms) do
    count = count + (hsm.State == "DELETE_IN_PROGRESS" and 0 or 1)
    listed = listed + 1
  end
  return count, listed
end

local function total(store)
  local clusters, hsms = 0, 0
  for _, cluster in pairs(store.clusters) do
    clusters = clusters + (cluster.State == "DELETED" and 0 or 1)
    hsms = hsms + hsm_count(cluster)
  end
  return clusters, hsms
end

local function expect_backup(store, cluster_id)
  store.due_backups = store.due_backups or {}
  store.due_backups[cluster_id] = (store.due_backups[cluster_id] or 0) + 1
end

local function set_of(tags)
  local set = {}
  for _, tag in ipairs(tags or {}) do
    set[tag.Key] = tag.Value
  end
  return set
end

local function retention_of(policy)
  return policy and tonumber(policy.Value) or 90
end

-- The backup that a cluster is made from, or a code.
local function source_of(self, store, id)
  local key = store.key
  local region, account, backup_id = id:match "^arn:[^:]+:cloudhsm:([^:]+):(%d+):backup/(.+)$"
  if region then
    if key:match "/(.+)$" ~= region then
      return nil, INVALID
    end
    key, id = account .. "/" .. region, backup_id
  end
  local backup = backup_of(self:store(key), id)
  if not backup then
    return nil, UNKNOWN
  elseif key ~= store.key and not (backup.shared_with and backup.shared_with == store.key:match "^%d+") then
    return nil, DENIED
  end
  return backup
end

function operations:CreateCluster(store, input, now)
  local retention = retention_of(input.BackupRetentionPolicy)
  if retention < 7 or retention > 379 then
    return INVALID
  end
  local source, code
  if input.SourceBackupId then
    source, code = source_of(self, store, input.SourceBackupId)
    if not source then
      return code
    elseif source.BackupState ~= "READY" or source.Mode ~= (input.Mode or "FIPS") then
      return INVALID
    elseif input.HsmType == "hsm1.medium" and source.HsmType ~= "hsm1.medium" then
      return INVALID
    end
  end
  if total(store) >= self.quotas.clusters then
    return INVALID
  end
  return nil,
    function(output)
      local cluster = output.Cluster
      register(self, store, cluster.ClusterId, "^cluster%-[a-z2-7]+$")
      store.retention[cluster.ClusterId] = retention
      store.clusters[cluster.ClusterId] = {
        ClusterId = cluster.ClusterId,
        CreateTimestamp = now,
        HsmType = input.HsmType,
        Mode = input.Mode or "FIPS",
        State = "CREATE_IN_PROGRESS",
        VpcId = cluster.VpcId,
        retention = retention,
        source = source,
        since = now,
        hsms = {},
        tags = set_of(input.TagList),
      }
    end
end

function operations.DeleteCluster(_, store, input, now)
  local cluster = cluster_of(store, input.ClusterId)
  if not cluster then
    return UNKNOWN
  elseif next(cluster.hsms) or not DELETABLE[cluster.State] then
    return INVALID
  end
  return nil, function()
    cluster.State, cluster.since, cluster.deleted_at = "DELETE_IN_PROGRESS", now, now
  end
end

function operations:InitializeCluster(store, input, now)
  local cluster = cluster_of(store, input.ClusterId)
  if not cluster then
    return UNKNOWN
  elseif cluster.State ~= "UNINITIALIZED" or active_hsms(cluster) == 0 then
    return INVALID
  end
  return nil,
    function()
      cluster.State, cluster.since = "INITIALIZE_IN_PROGRESS", now
      cluster.fails = self:take_failure "initialization"
      cluster.initialized = not cluster.fails
    end
end

function operations:ModifyCluster(store, input, now)
  local cluster = cluster_of(store, input.ClusterId)
  local to, policy = input.HsmType, input.BackupRetentionPolicy
  if not cluster then
    return UNKNOWN
  elseif cluster.State == "DELETE_IN_PROGRESS" or not (to or policy) then
    return INVALID
  elseif policy and (retention_of(policy) < 7 or retention_of(policy) > 379) then
    return INVALID
  elseif to and (cluster.State ~= "ACTIVE" or to == cluster.HsmType) then
    return INVALID
  elseif to == "hsm1.medium" and now >= (cluster.back_until or 0) then
    return INVALID
  end
  return nil,
    function()
      if policy then
        cluster.retention = retention_of(policy)
        store.retention[input.ClusterId] = cluster.retention
      end
      if to then
        cluster.since, cluster.changing_to = now, to
        local working = active_hsms(cluster)
        if to == "hsm1.medium" then
          cluster.State, cluster.back_until = "ROLLBACK_IN_PROGRESS", nil -- as many steps as there were
        else
          cluster.State, cluster.steps = "MODIFY_IN_PROGRESS", math.max(1, working)
          cluster.fails = self:take_failure "migration"
          cluster.back_until = not cluster.fails and now + DAY or nil
          if working > 0 then
            expect_backup(store, input.ClusterId)
          end
        end
      end
    end
end

function operations:CreateHsm(store, input, now)
  local cluster = cluster_of(store, input.ClusterId)
  if not cluster then
    return UNKNOWN
  end
  local own, listed = hsm_count(cluster)
  local _, all = total(store)
  if not ACCEPTING[cluster.State] or (cluster.State == "UNINITIALIZED" and listed > 0) then
    return INVALID
  elseif own >= self.quotas.hsms_per_cluster or all >= self.quotas.hsms then
    return INVALID
  end
  return nil,
    function(output)
      local hsm = output.Hsm
      register(self, store, hsm.HsmId, "^hsm%-[a-z2-7]+$")
      register(self, store, hsm.EniId, "^eni%-%x+$")
      cluster.hsms[hsm.HsmId] = {
        State = "CREATE_IN_PROGRESS",
        since = now,
        fails = self:take_failure "hsm",
        EniId = hsm.EniId,
        EniIp = hsm.EniIp,
        SubnetId = hsm.SubnetId,
        AvailabilityZone = input.AvailabilityZone,
      }
    end
end

function operations.DeleteHsm(_, store, input, now)
  local cluster = cluster_of(store, input.ClusterId)
  local hsm = cluster and cluster.hsms[input.HsmId]
  if not hsm or hsm.State == "DELETE_IN_PROGRESS" then
    return UNKNOWN
  elseif CHANGING[cluster.State] then
    return INVALID
  end
  return nil,
    function()
      if cluster.State == "ACTIVE" and hsm.State == "ACTIVE" then
        expect_backup(store, input.ClusterId)
      end
      hsm.State, hsm.since = "DELETE_IN_PROGRESS", now
    end
end

function operations.DeleteBackup(_, store, input, now)
  local backup = backup_of(store, input.BackupId)
  if not backup then
    return UNKNOWN
  elseif backup.BackupState ~= "READY" then
    return INVALID
  end
  return nil, function()
    backup.BackupState, backup.DeleteTimestamp = "PENDING_DELETION", now + TIMES.pending
  end
end

function operations.RestoreBackup(_, store, input)
  local backup = backup_of(store, input.BackupId)
  if not backup then
    return UNKNOWN
  elseif backup.BackupState ~= "PENDING_DELETION" then
    return INVALID
  end
  return nil, function()
    backup.BackupState, backup.DeleteTimestamp = "READY", nil
  end
end

function operations.ModifyBackupAttributes(_, store, input)
  local backup = backup_of(store, input.BackupId)
  if not backup then
    return UNKNOWN
  elseif backup.BackupState ~= "READY" then
    return INVALID
  end
  return nil, function()
    backup.NeverExpires = input.NeverExpires
  end
end

-- The copy's id is not told: the list of the destination has it. `output` is what is listed there and was not before.
function operations:CopyBackupToRegion(store, input, now)
  local account, region = store.key:match "^(%d+)/(.+)$"
  local to = input.DestinationRegion
  if to == region or to:find "^us%-gov" or region:find "^us%-gov" then
    return INVALID
  end
  local backup = backup_of(store, input.BackupId)
  if not backup then
    return UNKNOWN
  elseif backup.BackupState ~= "READY" then
    return INVALID
  end
  local fails = self:take_failure "copy"
  return nil,
    function(listed)
      claim(#listed == 1, "a copy of %s made %d backups", input.BackupId, #listed)
      local copy = listed[1]
      local destination = self:store(account .. "/" .. to)
      register(self, destination, copy.BackupId, "^backup%-[a-z2-7]+$")
      destination.backups[copy.BackupId] = {
        BackupState = "CREATE_IN_PROGRESS",
        ClusterId = backup.ClusterId,
        CreateTimestamp = backup.CreateTimestamp,
        HsmType = backup.HsmType,
        Mode = backup.Mode,
        NeverExpires = false,
        SourceBackup = input.BackupId,
        SourceRegion = region,
        SourceCluster = backup.ClusterId,
        copied_at = now,
        fails = fails,
        tags = set_of(input.TagList),
      }
      for key, value in pairs(input.TagList and {} or backup.tags) do
        destination.backups[copy.BackupId].tags[key] = value
      end
    end
end

local function tags_of(store, id)
  local record = cluster_of(store, id) or backup_of(store, id)
  return record and record.tags
end

function operations.TagResource(_, store, input)
  local tags = tags_of(store, input.ResourceId)
  if not tags then
    return UNKNOWN
  end
  return nil, function()
    for _, tag in ipairs(input.TagList) do
      tags[tag.Key] = tag.Value
    end
  end
end

function operations.UntagResource(_, store, input)
  local tags = tags_of(store, input.ResourceId)
  if not tags then
    return UNKNOWN
  end
  return nil, function()
    for _, key in ipairs(input.TagKeyList) do
      tags[key] = nil
    end
  end
end

function operations.PutResourcePolicy(_, store, input)
  local account, id = input.ResourceArn:match ":(%d+):backup/(.+)$"
  local own = account == store.key:match "^%d+"
  local backup = own and input.ResourceArn:find(store.key:match "/(.+)$", 1, true) and backup_of(store, id)
  if not own then
    return DENIED
  elseif not backup then
    return UNKNOWN
  elseif backup.BackupState ~= "READY" then
    return INVALID
  end
  return nil, function()
    backup.shared_with = input.Policy:match '"AWS":"(%d+)"'
  end
end

--- What an operation must answer.
-- @tparam string operation
-- @tparam string key of the account and region
-- @tparam table input
-- @tparam number now
-- @treturn ?string code of a refusal, nil when it is accepted
-- @treturn ?function changes what is known, when it is called with the output
function methods:expect(operation, key, input, now)
  return operations[operation](self, self:store(key), input, now)
end

-- What happens without an operation -----------------------------------------------------------------------------------

--- Lets the next of a kind fail: "hsm", "copy", "migration" or "initialization".
-- @tparam string kind
function methods:fail_next(kind)
  self.failures[kind] = (self.failures[kind] or 0) + 1
end

--- Whether a failure was ordered, which is used up by that.
-- @tparam string kind
-- @treturn ?boolean true, or nil
function methods:take_failure(kind)
  local left = self.failures[kind] or 0
  if left == 0 then
    return nil
  end
  self.failures[kind] = left - 1
  return true
end

--- An HSM was made to fail.
-- @tparam string key
-- @tparam string cluster_id
-- @tparam string hsm_id
function methods:degraded_hsm(key, cluster_id, hsm_id)
  self:store(key).clusters[cluster_id].hsms[hsm_id].State = "DEGRADED"
end

--- A cluster was made to fail.
-- @tparam string key
-- @tparam string cluster_id
function methods:degraded_cluster(key, cluster_id)
  self:store(key).clusters[cluster_id].State = "DEGRADED"
end

--- A cluster's client activated it.
-- @tparam string key
-- @tparam string cluster_id
-- @tparam ?boolean done whether the emulator says so
function methods:activated_cluster(key, cluster_id, done)
  local store = self:store(key)
  local cluster = store.clusters[cluster_id]
  local possible = cluster.State == "INITIALIZED" and active_hsms(cluster) > 0
  claim(possible == (done == true), "%s is %s, and its activation is %s", cluster_id, cluster.State, tostring(done))
  if done then
    cluster.State = "ACTIVE"
    expect_backup(store, cluster_id)
  end
end

--- The service replaced an HSM by one of another id.
-- @tparam string key
-- @tparam string cluster_id
-- @tparam string hsm_id
-- @tparam string other_id
-- @tparam number now
function methods:replaced_hsm(key, cluster_id, hsm_id, other_id, now)
  local store = self:store(key)
  register(self, store, other_id, "^hsm%-[a-z2-7]+$")
  local hsms = store.clusters[cluster_id].hsms
  local hsm = hsms[hsm_id]
  hsms[hsm_id], hsms[other_id] = nil, hsm
  hsm.State, hsm.since, hsm.fails = "CREATE_IN_PROGRESS", now, nil
end

--- What is claimed of pages: everything that was there all the time was seen once, nothing twice, and where the newest comes
-- first, nothing that is newer than the first page.
-- @tparam table before set of ids before the first page
-- @tparam table seen list of `id` and `is_new` (made after the first page), in the order of the pages
-- @tparam table after set of ids after the last page
-- @tparam boolean newest_first
function invariants.check_pages(before, seen, after, newest_first)
  local count = {}
  for _, item in ipairs(seen) do
    claim(not count[item.id], "%s is on two pages", item.id)
    count[item.id] = true
    claim(not (newest_first and item.is_new), "%s came after the first page, and is on a later one", item.id)
  end
  for id in pairs(before) do
    claim(count[id] or not after[id], "%s was there all the time, and is on no page", id)
  end
end

--- A model of an emulator that has nothing yet.
-- @tparam table options `quotas` as the emulator's, `interval` (seconds between two backups) and `start` (seconds since 1970)
-- @treturn table
function invariants.new(options)
  return setmetatable({
    quotas = options.quotas,
    interval = options.interval,
    start = options.start,
    stores = {},
    owners = {}, -- of ids
    failures = {},
  }, metatable)
end

return invariants
