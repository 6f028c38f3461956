--- DescribeBackups, DeleteBackup, RestoreBackup, CopyBackupToRegion, ModifyBackupAttributes.
--
-- What is known of each rule, and how, stands beside the code; `make behaviours` gathers it in doc/emulator-behaviour.md.
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
    -- [observed, measured] a backup that is not there is CloudHsmResourceNotFoundException
    -- [assumed] a backup that is DELETED and still listed is CloudHsmResourceNotFoundException as well
    return fault.not_found("The backup %s was not found.", backup_id)
  end
  return backup
end

local function check_boolean_filter(filters)
  for _, value in ipairs(filters and filters.neverExpires or {}) do
    if value ~= "true" and value ~= "false" then
      -- [assumed] the filter neverExpires takes no other values
      return fault.invalid "The filter neverExpires takes true or false."
    end
  end
  return true
end

-- What other accounts share with the caller in this region.
local function shared_with(context)
  -- [documented, API model] Shared lists what others share with the caller, and nothing of its own
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
  -- [observed, recorded] the newest backup comes first, by CreateTimestamp
  -- [documented, API model] with SortAscending the oldest does
  -- [documented, API model] filters backupIds, sourceBackupIds, clusterIds, states and neverExpires ("true" or "false")
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
    -- [assumed] only a READY backup can be deleted
    return fault.invalid("The backup %s is not READY.", backup.BackupId)
  elseif context.settings.last_backup == "refuse" and lifecycle.is_last_backup(context.store, backup) then
    -- [assumed] the last backup of a cluster can be deleted; `last_backup = "refuse"` protects it
    return fault.invalid("The backup %s is the last one of its cluster.", backup.BackupId)
  end
  -- [observed, recorded] DeleteBackup answers PENDING_DELETION with a DeleteTimestamp seven days on
  lifecycle.begin_backup_deletion(context.world, context.store, backup, context.now)
  return { Backup = view.backup(backup) }
end

function backups.RestoreBackup(context, input)
  local backup, failure = find(context, input.BackupId)
  if not backup then
    return nil, failure
  elseif backup.BackupState ~= "PENDING_DELETION" then
    -- [documented, API reference] only a backup in PENDING_DELETION is restored
    return fault.invalid("The backup %s is not PENDING_DELETION.", backup.BackupId)
  end
  -- [documented, API reference] RestoreBackup makes a backup READY again, without a DeleteTimestamp
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
    -- [assumed] a copy into the region of the backup is refused
    return fault.invalid("The backup is in %s already; choose another region.", region)
  elseif not context.settings.regions[region] then
    -- [assumed] a copy into a region without the service is refused
    return fault.invalid("The region %s is not available.", region)
  elseif state.partition(region) ~= context.store.partition then
    -- [documented, user guide] copies stay in their partition; between the regions of GovCloud they go
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
    -- [assumed] only a READY backup is copied
    return fault.invalid("The backup %s is not READY.", backup.BackupId)
  end
  fine, failure = tagging.check(input.TagList)
  if not fine then
    return nil, failure
  end
  local destination = context.world:store(context.store.account, input.DestinationRegion)
  if context.settings.second_copy == "refuse" and has_copy(destination, backup.BackupId) then
    -- [assumed] a backup can be copied again into the same region; `second_copy = "refuse"` refuses that
    return fault.invalid("The backup %s has a copy in %s already.", backup.BackupId, input.DestinationRegion)
  end

  local copy = lifecycle.begin_copy(context.world, destination, backup, context.store, input.TagList, context.now)
  -- [documented, API model] CopyBackupToRegion tells no id of the copy
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
    -- [documented, console] the attributes of a READY backup can be changed
    -- [assumed] those of others cannot; `pending_backup_attributes = "allow"` allows it in PENDING_DELETION
    return fault.invalid("The backup %s is not READY.", backup.BackupId)
  end
  backup.NeverExpires = input.NeverExpires
  return { Backup = view.backup(backup) }
end

return backups
