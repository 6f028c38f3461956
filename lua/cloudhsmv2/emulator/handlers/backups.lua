--- DescribeBackups, DeleteBackup, RestoreBackup, CopyBackupToRegion, ModifyBackupAttributes.
--
-- | behaviour | how sure |
-- | --- | --- |
-- | newest first by CreateTimestamp, the other way with SortAscending | recorded, the API's model |
-- | filters backupIds, sourceBackupIds, clusterIds, states, neverExpires | the API's model |
-- | Shared lists what others share with the caller, and nothing of its own | documented |
-- | DeleteBackup -> PENDING_DELETION with a DeleteTimestamp 7 days on | documented, recorded |
-- | RestoreBackup -> READY | documented |
-- | an unknown backup is CloudHsmResourceNotFoundException | measured by others |
-- | a copy's answer has no id; source READY and own; same partition | documented |
-- | a copy into the same region is refused | assumed |
-- | a copy takes the tags given, else the source's | the API's model |
-- | ModifyBackupAttributes only on READY backups | documented for the console |
--
-- @module cloudhsmv2.emulator.handlers.backups

local floor = math.floor

local fault = require "cloudhsmv2.emulator.fault"
local filtering = require "cloudhsmv2.emulator.filtering"
local lifecycle = require "cloudhsmv2.emulator.lifecycle"
local ordered = require "cloudhsmv2.emulator.ordered"
local paging = require "cloudhsmv2.emulator.paging"
local shares = require "cloudhsmv2.emulator.shares"
local sharing = require "cloudhsmv2.emulator.sharing"
local state = require "cloudhsmv2.emulator.state"
local tagging = require "cloudhsmv2.emulator.tagging"
local view = require "cloudhsmv2.emulator.view"

local FILTERS = {
  backupIds = function(backup, wanted)
    return wanted[backup.BackupId]
  end,
  sourceBackupIds = function(backup, wanted)
    return backup.SourceBackup and wanted[backup.SourceBackup]
  end,
  clusterIds = function(backup, wanted)
    return backup.ClusterId and wanted[backup.ClusterId]
  end,
  states = function(backup, wanted)
    return wanted[backup.BackupState]
  end,
  neverExpires = function(backup, wanted)
    return wanted[tostring(backup.NeverExpires)]
  end,
}

local backups = {}

-- A backup of the caller that is still there, or a failure.
local function find(context, backup_id)
  local backup = context.store.backups:get(backup_id)
  if not backup or backup.BackupState == "DELETED" then
    return fault.not_found("The backup %s was not found.", backup_id)
  end
  return backup
end

local function check_boolean_filter(filters)
  for _, value in ipairs(filters and filters.neverExpires or {}) do
    if value ~= "true" and value ~= "false" then
      return fault.invalid "The filter neverExpires takes true or false."
    end
  end
  return true
end

-- What other accounts share with the caller in this region.
local function shared_with(context)
  local own = context.store
  local found = ordered.new("BackupId", own.backups.less)
  if context.settings.share_listing == "promoted" then
    shares.each_listed(context.world, own.account, own.region, function(backup)
      found:insert(backup)
    end)
  else
    for store in context.world:each_store() do
      if store.region == own.region and store ~= own then
        for backup in store.backups:each(true) do
          if sharing.allows(backup, own.account, "cloudhsm:DescribeBackups") then
            found:insert(backup)
          end
        end
      end
    end
  end
  return found
end

local function cursor_of(backup)
  return ("%d/%s"):format(floor(backup.CreateTimestamp * 1000 + 0.5), backup.BackupId)
end

local function position_of(cursor)
  local milliseconds, backup_id = cursor:match "^(%d+)/(.+)$"
  return { CreateTimestamp = tonumber(milliseconds) / 1000, BackupId = backup_id }
end

function backups.DescribeBackups(context, input)
  local fine, failure = check_boolean_filter(input.Filters)
  if not fine then
    return nil, failure
  end
  local matches
  matches, failure = filtering.compile(context.settings, FILTERS, input.Filters)
  if not matches then
    return nil, failure
  end

  local ascending, shared = input.SortAscending or false, input.Shared or false
  local list = shared and shared_with(context) or context.store.backups
  local items, token = paging.page(context, input, {
    query = ("%s;%s;%s"):format(tostring(ascending), tostring(shared), paging.fingerprint(input.Filters)),
    size = context.settings.page_sizes.backups,
    each = function(cursor)
      return list:each(ascending, cursor and position_of(cursor))
    end,
    cursor = cursor_of,
    accept = function(backup)
      return (backup.listed_from or 0) <= context.now and matches(backup)
    end,
  })
  if not items then
    return nil, token
  end
  local show = shared and view.shared_backup or view.backup
  for i, backup in ipairs(items) do
    items[i] = show(backup)
  end
  return { Backups = items, NextToken = token }
end

function backups.DeleteBackup(context, input)
  local backup, failure = find(context, input.BackupId)
  if not backup then
    return nil, failure
  elseif backup.BackupState ~= "READY" then
    return fault.invalid("The backup %s is not READY.", backup.BackupId)
  elseif context.settings.last_backup == "refuse" and lifecycle.is_last_backup(context.store, backup) then
    return fault.invalid("The backup %s is the last one of its cluster.", backup.BackupId)
  end
  lifecycle.begin_backup_deletion(context.world, context.store, backup, context.now)
  return { Backup = view.backup(backup) }
end

function backups.RestoreBackup(context, input)
  local backup, failure = find(context, input.BackupId)
  if not backup then
    return nil, failure
  elseif backup.BackupState ~= "PENDING_DELETION" then
    return fault.invalid("The backup %s is not PENDING_DELETION.", backup.BackupId)
  end
  backup.BackupState = "READY"
  backup.DeleteTimestamp = nil
  return { Backup = view.backup(backup) }
end

local function has_copy(destination, source_id)
  for backup in destination.backups:each(true) do
    if backup.SourceBackup == source_id and backup.BackupState ~= "DELETED" then
      return true
    end
  end
  return false
end

local function check_destination(context, region)
  if region == context.store.region then
    return fault.invalid("The backup is in %s already; choose another region.", region)
  elseif not context.settings.regions[region] then
    return fault.invalid("The region %s is not available.", region)
  elseif state.partition(region) ~= context.store.partition then
    return fault.invalid("The region %s is in another partition.", region)
  end
  return true
end

function backups.CopyBackupToRegion(context, input)
  local fine, failure = check_destination(context, input.DestinationRegion)
  if not fine then
    return nil, failure
  end
  local backup
  backup, failure = find(context, input.BackupId)
  if not backup then
    return nil, failure
  elseif backup.BackupState ~= "READY" then
    return fault.invalid("The backup %s is not READY.", backup.BackupId)
  end
  fine, failure = tagging.check(input.TagList)
  if not fine then
    return nil, failure
  end
  local destination = context.world:store(context.store.account, input.DestinationRegion)
  if context.settings.second_copy == "refuse" and has_copy(destination, backup.BackupId) then
    return fault.invalid("The backup %s has a copy in %s already.", backup.BackupId, input.DestinationRegion)
  end

  local copy = lifecycle.begin_copy(context.world, destination, backup, context.store, input.TagList, context.now)
  return {
    DestinationBackup = {
      CreateTimestamp = copy.CreateTimestamp,
      SourceRegion = copy.SourceRegion,
      SourceBackup = copy.SourceBackup,
      SourceCluster = copy.SourceCluster,
    },
  }
end

function backups.ModifyBackupAttributes(context, input)
  local backup, failure = find(context, input.BackupId)
  if not backup then
    return nil, failure
  end
  local pending_is_fine = context.settings.pending_backup_attributes == "allow"
  if backup.BackupState ~= "READY" and not (pending_is_fine and backup.BackupState == "PENDING_DELETION") then
    return fault.invalid("The backup %s is not READY.", backup.BackupId)
  end
  backup.NeverExpires = input.NeverExpires
  return { Backup = view.backup(backup) }
end

return backups
