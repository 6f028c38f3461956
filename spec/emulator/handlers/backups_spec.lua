local helper = require "spec.emulator.helper"

local INVALID, UNKNOWN = "CloudHsmInvalidRequestException", "CloudHsmResourceNotFoundException"
local DAY = 86400

local function ids(backups)
  local out = {}
  for i, backup in ipairs(backups) do
    out[i] = backup.BackupId
  end
  return out
end

local function reversed(list)
  local out = {}
  for i = #list, 1, -1 do
    out[#out + 1] = list[i]
  end
  return out
end

describe("DescribeBackups", function()
  local service, id
  before_each(function()
    service = helper.new()
    id = service:active_cluster()
    service.emulator:advance(3 * DAY)
  end)

  it("lists the newest first, or the oldest first when asked", function()
    local listed = service:backups()
    assert.are.equal(4, #listed)
    for i = 2, 4 do
      assert.is_true(listed[i - 1].CreateTimestamp > listed[i].CreateTimestamp)
    end
    local ascending = service:call("DescribeBackups", { SortAscending = true }).Backups
    assert.are.same(reversed(ids(listed)), ids(ascending))
  end)

  it("filters by id, cluster, state and whether it expires", function()
    local listed = ids(service:backups())
    service:call("DeleteBackup", { BackupId = listed[2] })
    service:call("ModifyBackupAttributes", { BackupId = listed[3], NeverExpires = true })
    assert.are.same({ listed[1], listed[4] }, ids(service:backups { backupIds = { listed[4], listed[1] } }))
    assert.are.same(listed, ids(service:backups { clusterIds = { id } }))
    assert.are.same({}, service:backups { clusterIds = { "cluster-aaaaaaaaaaa" } })
    assert.are.same({ listed[2] }, ids(service:backups { states = { "PENDING_DELETION" } }))
    assert.are.same({ listed[3] }, ids(service:backups { neverExpires = { "true" } }))
    assert.are.same({ listed[1], listed[4] }, ids(service:backups { neverExpires = { "false" }, states = { "READY" } }))
  end)

  it("finds copies by their source", function()
    local source = service:backups({ states = { "READY" } })[1].BackupId
    service:call("CopyBackupToRegion", { BackupId = source, DestinationRegion = "us-west-2" })
    local there = service:backups({ sourceBackupIds = { source } }, { region = "us-west-2" })
    assert.are.equal(1, #there)
    assert.are.same({}, service:backups { sourceBackupIds = { source } })
  end)

  it("refuses filters and values that it does not know", function()
    assert.are.equal(INVALID, (service:refusal("DescribeBackups", { Filters = { colour = { "red" } } })))
    assert.are.equal(INVALID, (service:refusal("DescribeBackups", { Filters = { neverExpires = { "1" } } })))
    assert.are.equal(INVALID, (service:refusal("DescribeBackups", { MaxResults = 51 })))
  end)

  it("can be told to list with Shared what a policy shares with the caller", function()
    service = helper.new { share_listing = "policy" }
    service:ready_backup()
    local backup = service:backups({ states = { "READY" } })[1]
    local function put(principal)
      service:call("PutResourcePolicy", {
        ResourceArn = backup.BackupArn,
        Policy = (
          '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":%s},'
          .. '"Action":"cloudhsm:*","Resource":"%s"}]}'
        ):format(principal, backup.BackupArn),
      })
    end
    local function shared(options)
      return service:call("DescribeBackups", { Shared = true }, options).Backups
    end
    local consumer = { key = helper.OTHER_KEY }
    assert.are.same({}, shared(consumer))
    put '"arn:aws:iam::444455556666:root"'
    assert.are.same({}, shared())
    assert.are.equal(backup.BackupId, shared(consumer)[1].BackupId)
    assert.is_nil(shared(consumer)[1].TagList)
    assert.are.same({}, shared { key = helper.OTHER_KEY, region = "us-west-2" })
    assert.are.same({}, service:backups(nil, consumer))
    put '["999999999999"]'
    assert.are.same({}, shared(consumer))
  end)

  it("does not list with Shared what a policy alone shares", function()
    service = helper.new()
    local backup = service:ready_backup()
    service:call("PutResourcePolicy", {
      ResourceArn = backup.BackupArn,
      Policy = '{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}',
    })
    assert.are.same({}, service:call("DescribeBackups", { Shared = true }, { key = helper.OTHER_KEY }).Backups)
  end)
end)

describe("DeleteBackup and RestoreBackup", function()
  local service, backup
  before_each(function()
    service = helper.new()
    backup = service:ready_backup()
  end)

  it("keep a deleted backup for seven days, and take the deletion back", function()
    local deleted = service:call("DeleteBackup", { BackupId = backup.BackupId }).Backup
    assert.are.equal("PENDING_DELETION", deleted.BackupState)
    assert.are.equal(service.emulator:time() + 7 * DAY, deleted.DeleteTimestamp)
    local restored = service:call("RestoreBackup", { BackupId = backup.BackupId }).Backup
    assert.are.equal("READY", restored.BackupState)
    assert.is_nil(restored.DeleteTimestamp)
  end)

  it("refuse what the backup's state does not allow", function()
    assert.are.equal(INVALID, (service:refusal("RestoreBackup", { BackupId = backup.BackupId })))
    service:call("DeleteBackup", { BackupId = backup.BackupId })
    assert.are.equal(INVALID, (service:refusal("DeleteBackup", { BackupId = backup.BackupId })))
  end)

  it("do not know backups that are not there", function()
    for _, operation in ipairs { "DeleteBackup", "RestoreBackup" } do
      assert.are.equal(UNKNOWN, (service:refusal(operation, { BackupId = "backup-aaaaaaaaaaa" })))
      assert.are.equal(
        UNKNOWN,
        (service:refusal(operation, { BackupId = backup.BackupId }, { key = helper.OTHER_KEY }))
      )
    end
  end)

  it("can be told to protect a cluster's last backup", function()
    service = helper.new { last_backup = "refuse" }
    backup = service:ready_backup()
    assert.are.equal(INVALID, (service:refusal("DeleteBackup", { BackupId = backup.BackupId })))
    service.emulator:advance(2 * DAY)
    service:call("DeleteBackup", { BackupId = backup.BackupId })
  end)
end)

describe("CopyBackupToRegion", function()
  local service, backup
  before_each(function()
    service = helper.new()
    backup = service:ready_backup()
    service:call("TagResource", { ResourceId = backup.BackupId, TagList = { { Key = "a", Value = "1" } } })
  end)

  local function copy(input)
    local request = { BackupId = backup.BackupId, DestinationRegion = "eu-west-1" }
    for name, value in pairs(input or {}) do
      request[name] = value
    end
    return request
  end

  it("answers without an id, and makes a copy of the same age in the other region", function()
    service.emulator:advance(100)
    local out = service:call("CopyBackupToRegion", copy()).DestinationBackup
    assert.are.same({
      CreateTimestamp = backup.CreateTimestamp,
      SourceRegion = "us-east-1",
      SourceBackup = backup.BackupId,
      SourceCluster = backup.ClusterId,
    }, out)
    local there = service:backups(nil, { region = "eu-west-1" })[1]
    assert.are.equal("CREATE_IN_PROGRESS", there.BackupState)
    assert.are.equal(backup.CreateTimestamp, there.CreateTimestamp)
    assert.are.equal(service.emulator:time(), there.CopyTimestamp)
    assert.are.not_equal(backup.BackupId, there.BackupId)
    assert.matches("^arn:aws:cloudhsm:eu%-west%-1:111122223333:backup/backup%-", there.BackupArn)
    service.emulator:advance(300)
    assert.are.equal("READY", service:backups(nil, { region = "eu-west-1" })[1].BackupState)
  end)

  it("takes the source's tags along, unless others are given", function()
    service:call("CopyBackupToRegion", copy())
    service:call(
      "CopyBackupToRegion",
      copy { DestinationRegion = "eu-west-2", TagList = { { Key = "b", Value = "2" } } }
    )
    assert.are.same({ { Key = "a", Value = "1" } }, service:backups(nil, { region = "eu-west-1" })[1].TagList)
    assert.are.same({ { Key = "b", Value = "2" } }, service:backups(nil, { region = "eu-west-2" })[1].TagList)
  end)

  it("refuses its own region, one of another partition and one that is not there", function()
    for _, region in ipairs { "us-east-1", "us-gov-west-1", "us-east-9" } do
      assert.are.equal(INVALID, (service:refusal("CopyBackupToRegion", copy { DestinationRegion = region })))
    end
  end)

  it("copies between the GovCloud regions", function()
    service = helper.new()
    local gov = { region = "us-gov-east-1" }
    local cluster_id = service:create_cluster({ SubnetIds = { helper.SUBNET_A } }, gov)
    service.emulator:advance(120)
    service:call("CreateHsm", { ClusterId = cluster_id, AvailabilityZone = "us-gov-east-1a" }, gov)
    service.emulator:advance(313)
    service:initialize(cluster_id, gov)
    service.emulator:advance(200)
    backup = service:backups(nil, gov)[1]
    assert.matches("^arn:aws%-us%-gov:cloudhsm:", backup.BackupArn)
    service:call("CopyBackupToRegion", copy { DestinationRegion = "us-gov-west-1" }, gov)
  end)

  it("needs a READY backup of the caller", function()
    assert.are.equal(UNKNOWN, (service:refusal("CopyBackupToRegion", copy { BackupId = "backup-aaaaaaaaaaa" })))
    assert.are.equal(UNKNOWN, (service:refusal("CopyBackupToRegion", copy(), { key = helper.OTHER_KEY })))
    service:call("DeleteBackup", { BackupId = backup.BackupId })
    assert.are.equal(INVALID, (service:refusal("CopyBackupToRegion", copy())))
  end)

  it("ends DELETED when it fails, and is forgotten later", function()
    service.emulator:fail_next_copy()
    service:call("CopyBackupToRegion", copy())
    service:call("CopyBackupToRegion", copy { DestinationRegion = "eu-west-2" })
    service.emulator:advance(300)
    assert.are.equal("DELETED", service:backups(nil, { region = "eu-west-1" })[1].BackupState)
    assert.are.equal("READY", service:backups(nil, { region = "eu-west-2" })[1].BackupState)
    service.emulator:advance(3600)
    assert.are.same({}, service:backups(nil, { region = "eu-west-1" }))
  end)

  it("can be told to refuse a second copy, to list copies late and to hide the cluster's id", function()
    service = helper.new { second_copy = "refuse", copied_cluster_id = false, times = { copy_listing_lag = 10 } }
    backup = service:ready_backup()
    service:call("CopyBackupToRegion", copy())
    assert.are.same({}, service:backups(nil, { region = "eu-west-1" }))
    service.emulator:advance(10)
    assert.is_nil(service:backups(nil, { region = "eu-west-1" })[1].ClusterId)
    assert.are.equal(INVALID, (service:refusal("CopyBackupToRegion", copy())))
  end)
end)

describe("ModifyBackupAttributes", function()
  it("exempts a READY backup from expiry, and no other", function()
    local service = helper.new()
    local backup = service:ready_backup()
    local input = { BackupId = backup.BackupId, NeverExpires = true }
    assert.is_true(service:call("ModifyBackupAttributes", input).Backup.NeverExpires)
    service:call("DeleteBackup", { BackupId = backup.BackupId })
    assert.are.equal(INVALID, (service:refusal("ModifyBackupAttributes", input)))
    assert.are.equal(UNKNOWN, (service:refusal("ModifyBackupAttributes", {
      BackupId = "backup-aaaaaaaaaaa",
      NeverExpires = true,
    })))
  end)

  it("can be told to take backups that wait for their deletion", function()
    local service = helper.new { pending_backup_attributes = "allow" }
    local backup = service:ready_backup()
    service:call("DeleteBackup", { BackupId = backup.BackupId })
    service:call("ModifyBackupAttributes", { BackupId = backup.BackupId, NeverExpires = true })
  end)
end)
