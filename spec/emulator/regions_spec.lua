--- Regions and accounts: one store for each, and what crosses from one to another.

local helper = require "spec.emulator.helper"
local settings = require "cloudhsmv2.emulator.settings"

local OWNER, OTHER = { key = helper.KEY }, { key = helper.OTHER_KEY }

local function in_region(region, who)
  return { region = region, key = (who or OWNER).key }
end

describe("accounts and regions", function()
  local service
  before_each(function()
    service = helper.new()
  end)

  it("see nothing of each other", function()
    local id = service:create_cluster()
    assert.is_table(service:cluster(id))
    for _, options in ipairs { in_region "eu-west-1", OTHER, in_region("eu-west-1", OTHER) } do
      assert.is_nil(service:cluster(id, options))
      assert.are.equal(
        "CloudHsmResourceNotFoundException",
        (service:refusal("DeleteCluster", { ClusterId = id }, options))
      )
      assert.are.equal("CloudHsmResourceNotFoundException", (service:refusal("ListTags", { ResourceId = id }, options)))
    end
  end)

  it("have quotas of their own", function()
    local zones = {}
    for _, options in ipairs { in_region "us-east-1", in_region "eu-west-1", in_region("us-east-1", OTHER) } do
      for _ = 1, 4 do
        local cluster = service:cluster(service:create_cluster(nil, options), options)
        zones[next(cluster.SubnetMapping):sub(1, -2)] = true
      end
      assert.has_error(function()
        service:create_cluster(nil, options)
      end)
    end
    assert.are.same({ ["us-east-1"] = true, ["eu-west-1"] = true }, zones)
  end)

  it("are all those that the service has, and no other", function()
    for _, region in ipairs(settings.regions) do
      assert.are.equal(200, service:ask("DescribeClusters", {}, { region = region }).status)
    end
    for _, region in ipairs { "cn-north-1", "us-iso-east-1", "ap-east-2", "nowhere" } do
      assert.are.equal("InvalidSignatureException", (service:refusal("DescribeClusters", {}, { region = region })))
    end
  end)

  it("name themselves in ARNs, each in its partition", function()
    local clusters = service:active_cluster()
    local arn = service:backups()[1].BackupArn
    assert.matches("^arn:aws:cloudhsm:us%-east%-1:111122223333:backup/backup%-", arn)
    assert.is_string(clusters)
    local world = service.emulator.world
    assert.are.equal("aws-us-gov", world:store("111122223333", "us-gov-west-1").partition)
    assert.are.equal("aws", world:store("444455556666", "eu-west-1").partition)
  end)
end)

describe("a copy into another region", function()
  local service, backup
  before_each(function()
    service = helper.new()
    backup = service:ready_backup()
    service:call("TagResource", { ResourceId = backup.BackupId, TagList = { { Key = "team", Value = "pki" } } })
  end)

  local function copy(region, fields)
    local input = { BackupId = backup.BackupId, DestinationRegion = region }
    for name, value in pairs(fields or {}) do
      input[name] = value
    end
    return service:call("CopyBackupToRegion", input).DestinationBackup
  end

  it("is a backup of the same account there, that says where it is from", function()
    local answer = copy "eu-west-1"
    assert.is_nil(answer.BackupId)
    assert.are.equal(backup.BackupId, answer.SourceBackup)
    assert.are.equal("us-east-1", answer.SourceRegion)
    local found = service:backups({ sourceBackupIds = { backup.BackupId } }, in_region "eu-west-1")
    assert.are.equal(1, #found)
    assert.are.equal("CREATE_IN_PROGRESS", found[1].BackupState)
    assert.are.equal(backup.CreateTimestamp, found[1].CreateTimestamp)
    assert.are_not.equal(backup.BackupId, found[1].BackupId)
    assert.matches("^arn:aws:cloudhsm:eu%-west%-1:111122223333:backup/", found[1].BackupArn)
    assert.are.same({ { Key = "team", Value = "pki" } }, found[1].TagList)
    assert.are.same({}, service:backups(nil, in_region("eu-west-1", OTHER)))
    assert.are.equal(1, #service:backups())
    service.emulator:advance(300)
    assert.are.equal("READY", service:backups(nil, in_region "eu-west-1")[1].BackupState)
  end)

  it("lives on when its source is gone, and makes clusters there", function()
    copy "eu-west-1"
    service.emulator:advance(300)
    service:call("DeleteBackup", { BackupId = backup.BackupId })
    service.emulator:advance(8 * 86400)
    local found = service:backups(nil, in_region "eu-west-1")[1]
    assert.are.equal("READY", found.BackupState)
    local options = in_region "eu-west-1"
    local id = service:create_cluster({ SourceBackupId = found.BackupId }, options)
    service.emulator:advance(120)
    assert.are.equal("ACTIVE", service:cluster(id, options).State)
    assert.are.equal(found.BackupId, service:cluster(id, options).SourceBackupId)
  end)

  it("has tags of its own", function()
    copy("eu-west-1", { TagList = { { Key = "copy", Value = "1" } } })
    local found = service:backups(nil, in_region "eu-west-1")[1]
    assert.are.same({ { Key = "copy", Value = "1" } }, found.TagList)
    service:call(
      "TagResource",
      { ResourceId = found.BackupId, TagList = { { Key = "x", Value = "" } } },
      in_region "eu-west-1"
    )
    assert.are.equal(1, #service:call("ListTags", { ResourceId = backup.BackupId }).TagList)
  end)

  it("can be made of a copy, and back", function()
    copy "eu-west-1"
    service.emulator:advance(300)
    local there = service:backups(nil, in_region "eu-west-1")[1]
    local input = { BackupId = there.BackupId, DestinationRegion = "us-east-1" }
    service:call("CopyBackupToRegion", input, in_region "eu-west-1")
    service.emulator:advance(300)
    local back = service:backups { sourceBackupIds = { there.BackupId } }
    assert.are.equal("READY", back[1].BackupState)
    assert.are.equal("eu-west-1", back[1].SourceRegion)
    assert.are.equal(backup.CreateTimestamp, back[1].CreateTimestamp)
  end)

  it("stays in the partition and in the account", function()
    local function refused(region, options)
      local input = { BackupId = backup.BackupId, DestinationRegion = region }
      return (service:refusal("CopyBackupToRegion", input, options))
    end
    assert.are.equal("CloudHsmInvalidRequestException", refused "us-gov-west-1")
    assert.are.equal("CloudHsmInvalidRequestException", refused "us-east-1")
    assert.are.equal("CloudHsmInvalidRequestException", refused "cn-north-1")
    assert.are.equal("CloudHsmResourceNotFoundException", refused("eu-west-1", OTHER))
    assert.are.same({}, service:backups(nil, in_region "eu-west-1"))
  end)
end)

describe("a backup of another account", function()
  local service, backup
  before_each(function()
    service = helper.new()
    backup = service:ready_backup()
    local share = service:ram("CreateResourceShare", {
      name = "backups",
      resourceArns = { backup.BackupArn },
      principals = { "444455556666" },
    })
    local invitation = service:ram("GetResourceShareInvitations", {}, OTHER).resourceShareInvitations[1]
    assert.are.equal(share.resourceShare.resourceShareArn, invitation.resourceShareArn)
    service:ram("AcceptResourceShareInvitation", {
      resourceShareInvitationArn = invitation.resourceShareInvitationArn,
    }, OTHER)
  end)

  it("is listed with Shared alone, in its region alone", function()
    local function shared(options)
      return service:call("DescribeBackups", { Shared = true }, options).Backups
    end
    assert.are.equal(backup.BackupId, shared(OTHER)[1].BackupId)
    assert.are.same({}, shared(OWNER))
    assert.are.same({}, shared(in_region("eu-west-1", OTHER)))
    assert.are.same({}, service:backups(nil, OTHER))
  end)

  it("is restored by its ARN, not by its id", function()
    local function create(source)
      return service:ask("CreateCluster", {
        HsmType = "hsm2m.medium",
        Mode = "FIPS",
        SubnetIds = { helper.SUBNET_A },
        SourceBackupId = source,
      }, OTHER)
    end
    assert.are.equal("CloudHsmResourceNotFoundException", create(backup.BackupId).value.__type)
    assert.are.equal("CloudHsmResourceNotFoundException", create(backup.BackupArn .. "x").value.__type)
    assert.are.equal(backup.BackupId, create(backup.BackupArn).value.Cluster.SourceBackupId)
  end)

  it("is not for others to change, copy, tag or give a policy", function()
    local id = backup.BackupId
    for operation, input in pairs {
      DeleteBackup = { BackupId = id },
      RestoreBackup = { BackupId = id },
      ModifyBackupAttributes = { BackupId = id, NeverExpires = true },
      CopyBackupToRegion = { BackupId = id, DestinationRegion = "eu-west-1" },
      TagResource = { ResourceId = id, TagList = { { Key = "a", Value = "b" } } },
      UntagResource = { ResourceId = id, TagKeyList = { "a" } },
      ListTags = { ResourceId = id },
    } do
      assert.are.equal("CloudHsmResourceNotFoundException", (service:refusal(operation, input, OTHER)), operation)
    end
    for operation, input in pairs {
      PutResourcePolicy = { ResourceArn = backup.BackupArn, Policy = helper.policy(backup.BackupArn, "444455556666") },
      GetResourcePolicy = { ResourceArn = backup.BackupArn },
      DeleteResourcePolicy = { ResourceArn = backup.BackupArn },
    } do
      assert.are.equal("CloudHsmAccessDeniedException", (service:refusal(operation, input, OTHER)), operation)
    end
    assert.are.same(backup, service:backups()[1])
  end)
end)
