local helper = require "spec.emulator.helper"

local ACCOUNT, OTHER = "111122223333", "444455556666"
local CONSUMER = { key = helper.OTHER_KEY }
local PROMOTE = "PromoteResourceShareCreatedFromPolicy"

local function escape(text)
  return (text:gsub("[^A-Za-z0-9.~_-]", function(character)
    return ("%%%02X"):format(character:byte())
  end))
end

-- An emulator with a READY backup.
local function service_with_backup(options)
  local service = helper.new(options)
  return service, service:ready_backup()
end

local function put_policy(service, backup, policy)
  service:call("PutResourcePolicy", {
    ResourceArn = backup.BackupArn,
    Policy = policy or helper.policy(backup.BackupArn, OTHER),
  })
end

-- The one share of the owner's.
local function share_of(service, options)
  local list = service:ram("GetResourceShares", { resourceOwner = "SELF" }, options).resourceShares
  assert.are.equal(1, #list)
  return list[1]
end

local function promotion(share)
  return { target = "/promoteresourcesharecreatedfrompolicy?resourceShareArn=" .. escape(share.resourceShareArn) }
end

local function promote(service, share)
  local options = promotion(share)
  options.body = ""
  return service:ram(PROMOTE, nil, options)
end

local function invitations(service, options)
  return service:ram("GetResourceShareInvitations", {}, options or CONSUMER).resourceShareInvitations
end

local function accept(service, options)
  local invitation = invitations(service, options)[1]
  return service:ram("AcceptResourceShareInvitation", {
    resourceShareInvitationArn = invitation.resourceShareInvitationArn,
  }, options or CONSUMER)
end

local function listed(service, options)
  local ids = {}
  for i, backup in ipairs(service:call("DescribeBackups", { Shared = true }, options or CONSUMER).Backups) do
    ids[i] = backup.BackupId
  end
  return ids
end

local function create_cluster(service, source, options)
  return service:ask("CreateCluster", {
    HsmType = "hsm2m.medium",
    Mode = "FIPS",
    SubnetIds = { helper.SUBNET_A },
    SourceBackupId = source,
  }, options or CONSUMER)
end

describe("a policy that was put on a backup", function()
  it("lets the other account restore the backup by its ARN, but not list it", function()
    local service, backup = service_with_backup()
    put_policy(service, backup)
    assert.are.same({}, listed(service))
    assert.are.equal(400, create_cluster(service, backup.BackupId).status)
    assert.are.equal(200, create_cluster(service, backup.BackupArn).status)
  end)

  it("becomes a share that RAM shows to the owner alone", function()
    local service, backup = service_with_backup()
    put_policy(service, backup)
    local share = share_of(service)
    assert.are.equal("CREATED_FROM_POLICY", share.featureSet)
    assert.are.equal("ACTIVE", share.status)
    assert.are.equal(ACCOUNT, share.owningAccountId)
    assert.matches("^arn:aws:ram:us%-east%-1:111122223333:resource%-share/", share.resourceShareArn)
    local resources = service:ram("ListResources", {
      resourceOwner = "SELF",
      resourceArns = { backup.BackupArn },
    }).resources
    assert.are.equal(1, #resources)
    assert.are.equal(share.resourceShareArn, resources[1].resourceShareArn)
    assert.are.equal("cloudhsm:Backup", resources[1].type)
    assert.are.equal("AVAILABLE", resources[1].status)
    assert.are.same({}, service:ram("ListResources", { resourceOwner = "OTHER-ACCOUNTS" }, CONSUMER).resources)
    assert.are.same({}, service:ram("GetResourceShares", { resourceOwner = "SELF" }, CONSUMER).resourceShares)
    assert.are.same({}, invitations(service))
  end)

  it("is seen by RAM after a while where shares are listed late", function()
    local service, backup = service_with_backup { times = { share_listing_lag = 5 } }
    put_policy(service, backup)
    assert.are.same({}, service:ram("ListResources", { resourceOwner = "SELF" }).resources)
    service.emulator:advance(5)
    assert.are.equal(1, #service:ram("ListResources", { resourceOwner = "SELF" }).resources)
  end)

  it("is promoted to a STANDARD share, and listed once the other account has accepted", function()
    local service, backup = service_with_backup()
    put_policy(service, backup)
    local share = share_of(service)
    assert.is_true(promote(service, share).returnValue)
    assert.are.equal("PROMOTING_TO_STANDARD", share_of(service).featureSet)
    assert.are.equal("InvalidStateTransitionException", (service:ram_refusal(PROMOTE, nil, promotion(share))))
    service.emulator:advance(29)
    assert.are.equal("PROMOTING_TO_STANDARD", share_of(service).featureSet)
    service.emulator:advance(1)
    assert.are.equal("STANDARD", share_of(service).featureSet)
    assert.are.equal("InvalidStateTransitionException", (service:ram_refusal(PROMOTE, nil, promotion(share))))

    assert.are.same({}, listed(service))
    local invitation = invitations(service)[1]
    assert.are.equal("PENDING", invitation.status)
    assert.are.equal(ACCOUNT, invitation.senderAccountId)
    assert.are.equal(OTHER, invitation.receiverAccountId)
    assert.are.equal(share.resourceShareArn, invitation.resourceShareArn)
    assert.are.equal("ACCEPTED", accept(service).resourceShareInvitation.status)
    assert.are.same({ backup.BackupId }, listed(service))
    local seen = service:ram("ListResources", { resourceOwner = "OTHER-ACCOUNTS" }, CONSUMER).resources
    assert.are.equal(backup.BackupArn, seen[1].arn)
    assert.are.equal(
      "ResourceShareInvitationAlreadyAcceptedException",
      (select(2, pcall(accept, service)):match "%w+Exception")
    )
  end)

  it("goes on letting the other account restore while it is promoted and not accepted", function()
    local service, backup = service_with_backup { quotas = { clusters = 9 } }
    put_policy(service, backup)
    promote(service, share_of(service))
    assert.are.equal(200, create_cluster(service, backup.BackupArn).status)
    service.emulator:advance(30)
    assert.are.equal(200, create_cluster(service, backup.BackupArn).status)
  end)

  it("of actions that AWS's permission does not have needs a permission of its own first", function()
    local service, backup = service_with_backup()
    put_policy(
      service,
      backup,
      (
        helper
          .policy(backup.BackupArn, OTHER)
          :gsub('"cloudhsm:CreateCluster","cloudhsm:DescribeBackups"', '"cloudhsm:*"')
      )
    )
    local share = share_of(service)
    local code, message = service:ram_refusal(PROMOTE, nil, promotion(share))
    assert.are.equal("UnmatchedPolicyPermissionException", code)
    local permission = service:ram("ListResourceSharePermissions", {
      resourceShareArn = share.resourceShareArn,
    }).permissions[1]
    assert.matches(permission.arn, message, 1, true)
    assert.are.equal("CREATED_FROM_POLICY", permission.featureSet)
    assert.are.equal("CUSTOMER_MANAGED", permission.permissionType)

    local promoted = service:ram("PromotePermissionCreatedFromPolicy", {
      permissionArn = permission.arn,
      name = "backups",
      clientToken = "t",
    })
    assert.are.equal("PROMOTING_TO_STANDARD", promoted.permission.featureSet)
    assert.are.equal("backups", promoted.permission.name)
    assert.are.equal("t", promoted.clientToken)
    assert.are.equal("InvalidStateTransitionException", (service:ram_refusal(PROMOTE, nil, promotion(share))))
    local again = { permissionArn = permission.arn, name = "backups" }
    assert.are.equal("InvalidParameterException", (service:ram_refusal("PromotePermissionCreatedFromPolicy", again)))
    service.emulator:advance(30)
    local input = { resourceShareArn = share.resourceShareArn }
    local own = service:ram("ListResourceSharePermissions", input).permissions[1]
    assert.are.equal(permission.arn, own.arn)
    promote(service, share)
    service.emulator:advance(30)
    assert.are.equal("STANDARD", share_of(service).featureSet)
    own = service:ram("ListResourceSharePermissions", input).permissions[1]
    assert.are.equal(promoted.permission.arn, own.arn)
    accept(service)
    assert.are.same({ backup.BackupId }, listed(service))
  end)

  it("can be told to need a permission of its own always", function()
    local service, backup = service_with_backup { policy_permission = "unmatched" }
    put_policy(service, backup)
    assert.are.equal(
      "UnmatchedPolicyPermissionException",
      (service:ram_refusal(PROMOTE, nil, promotion(share_of(service))))
    )
  end)

  it("that also denies is no permission", function()
    local service, backup = service_with_backup()
    local policy = helper.policy(backup.BackupArn, OTHER)
    local denies = '"Statement":[{"Effect":"Deny","Principal":{"AWS":"999999999999"},"Action":"*","Resource":"*"},'
    put_policy(service, backup, (policy:gsub('"Statement":%[', denies)))
    local permission = service:ram("ListResourceSharePermissions", {
      resourceShareArn = share_of(service).resourceShareArn,
    }).permissions[1]
    local function promote_permission(arn, name)
      return (service:ram_refusal("PromotePermissionCreatedFromPolicy", { permissionArn = arn, name = name }))
    end
    assert.are.equal("InvalidPolicyException", promote_permission(permission.arn, "x"))
    assert.are.equal("InvalidParameterException", promote_permission(permission.arn, "not a name"))
    assert.are.equal("UnknownResourceException", promote_permission(permission.arn .. "x", "x"))
    assert.are.equal("MalformedArnException", promote_permission("permission", "x"))
    put_policy(service, backup)
    promote(service, share_of(service))
    service.emulator:advance(30)
    local default = service:ram("ListResourceSharePermissions", {
      resourceShareArn = share_of(service).resourceShareArn,
    }).permissions[1]
    assert.are.equal("AWS_MANAGED", default.permissionType)
    assert.are.equal("InvalidParameterException", promote_permission(default.arn, "x"))
  end)

  it("changes its share when it is put again, and ends it when it is deleted", function()
    local service, backup = service_with_backup()
    put_policy(service, backup)
    local share = share_of(service)
    put_policy(service, backup, helper.policy(backup.BackupArn, "999999999999"))
    assert.are.equal(share.resourceShareArn, share_of(service).resourceShareArn)
    local associations = service:ram("GetResourceShareAssociations", {
      associationType = "PRINCIPAL",
    }).resourceShareAssociations
    assert.are.equal(1, #associations)
    assert.are.equal("999999999999", associations[1].associatedEntity)
    assert.is_true(associations[1].external)
    service:call("DeleteResourcePolicy", { ResourceArn = backup.BackupArn })
    assert.are.equal("DELETED", share_of(service).status)
    assert.are.equal("UnknownResourceException", (service:ram_refusal(PROMOTE, nil, promotion(share))))
    service.emulator:advance(3600)
    assert.are.same({}, service:ram("GetResourceShares", { resourceOwner = "SELF" }).resourceShares)
  end)

  it("that names nobody makes no share", function()
    local service, backup = service_with_backup()
    put_policy(service, backup, '{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}')
    assert.are.same({}, service:ram("GetResourceShares", { resourceOwner = "SELF" }).resourceShares)
  end)

  it("ends with its backup", function()
    local service, backup = service_with_backup()
    put_policy(service, backup)
    promote(service, share_of(service))
    service.emulator:advance(30)
    accept(service)
    service:call("DeleteBackup", { BackupId = backup.BackupId })
    local resource = service:ram("ListResources", { resourceOwner = "SELF" }).resources[1]
    assert.are.equal("UNAVAILABLE", resource.status)
    service.emulator:advance(7 * 86400)
    assert.are.same({}, listed(service))
    assert.are.equal("DELETED", share_of(service).status)
  end)

  it("that is put on a promoted share invites whom it adds", function()
    local third = { access_key_id = "AKIDEXAMPLE3", secret_access_key = "s3", account = "777788889999" }
    local keys = { third }
    for _, key in ipairs(require("cloudhsmv2.emulator.settings").credentials) do
      keys[#keys + 1] = key
    end
    local service, backup = service_with_backup { credentials = keys }
    put_policy(service, backup)
    promote(service, share_of(service))
    service.emulator:advance(30)
    put_policy(
      service,
      backup,
      (helper.policy(backup.BackupArn, OTHER):gsub('"444455556666"', '["444455556666","777788889999"]'))
    )
    accept(service, { key = third })
    assert.are.same({ backup.BackupId }, listed(service, { key = third }))
    assert.are.same({}, listed(service))
  end)
end)

describe("a share that is made with RAM", function()
  local function create(service, backup, fields)
    local input = { name = "backups", resourceArns = { backup.BackupArn }, principals = { OTHER } }
    for name, value in pairs(fields or {}) do
      input[name] = value or nil
    end
    return service:ram("CreateResourceShare", input)
  end

  it("is STANDARD at once, and works once it was accepted", function()
    local service, backup = service_with_backup()
    local share = create(service, backup, { tags = { { key = "team", value = "pki" } } }).resourceShare
    assert.are.equal("STANDARD", share.featureSet)
    assert.are.same({ { key = "team", value = "pki" } }, share.tags)
    assert.are.same({}, listed(service))
    assert.are.equal(400, create_cluster(service, backup.BackupArn).status)
    assert.are.equal("{}", service:call("GetResourcePolicy", { ResourceArn = backup.BackupArn }).Policy)
    assert.are.same({}, service:ram("GetResourceShares", { resourceOwner = "OTHER-ACCOUNTS" }, CONSUMER).resourceShares)
    accept(service)
    assert.are.same({ backup.BackupId }, listed(service))
    assert.are.equal(200, create_cluster(service, backup.BackupArn).status)
    local policy = service:call("GetResourcePolicy", { ResourceArn = backup.BackupArn }).Policy
    assert.matches('"AWS":["444455556666"]', policy, 1, true)
    local seen = service:ram("GetResourceShares", { resourceOwner = "OTHER-ACCOUNTS" }, CONSUMER).resourceShares
    assert.are.equal(share.resourceShareArn, seen[1].resourceShareArn)
  end)

  it("is one for the same client token, and refused for other parameters", function()
    local service, backup = service_with_backup()
    local first = create(service, backup, { clientToken = "t" })
    assert.are.equal("t", first.clientToken)
    assert.are.same(first, create(service, backup, { clientToken = "t" }))
    share_of(service)
    assert.are.equal(
      "IdempotentParameterMismatchException",
      (service:ram_refusal("CreateResourceShare", { name = "other", clientToken = "t" }))
    )
  end)

  it("can be rejected, expires, and is answered once", function()
    local service, backup = service_with_backup()
    create(service, backup)
    local arn = { resourceShareInvitationArn = invitations(service)[1].resourceShareInvitationArn }
    assert.are.equal(
      "ResourceShareInvitationArnNotFoundException",
      (service:ram_refusal("AcceptResourceShareInvitation", arn))
    )
    assert.are.equal(
      "REJECTED",
      service:ram("RejectResourceShareInvitation", arn, CONSUMER).resourceShareInvitation.status
    )
    assert.are.equal(
      "ResourceShareInvitationAlreadyRejectedException",
      (service:ram_refusal("AcceptResourceShareInvitation", arn, CONSUMER))
    )
    assert.are.same({}, listed(service))

    create(service, backup, { name = "second" })
    service.emulator:advance(7 * 86400)
    local late
    for _, invitation in ipairs(invitations(service)) do
      late = invitation.resourceShareName == "second" and invitation or late
    end
    assert.are.equal("EXPIRED", late.status)
    assert.are.equal("ResourceShareInvitationExpiredException", (service:ram_refusal("AcceptResourceShareInvitation", {
      resourceShareInvitationArn = late.resourceShareInvitationArn,
    }, CONSUMER)))
  end)

  it("shows who takes part, and how far they are", function()
    local service, backup = service_with_backup()
    local share = create(service, backup).resourceShare
    local function associations(kind, fields)
      local input = { associationType = kind }
      for name, value in pairs(fields or {}) do
        input[name] = value
      end
      return service:ram("GetResourceShareAssociations", input).resourceShareAssociations
    end
    assert.are.equal("ASSOCIATING", associations("PRINCIPAL")[1].status)
    assert.are.same({}, associations("PRINCIPAL", { associationStatus = "ASSOCIATED" }))
    accept(service)
    assert.are.equal("ASSOCIATED", associations("PRINCIPAL", { principal = OTHER })[1].status)
    assert.are.same({}, associations("PRINCIPAL", { principal = ACCOUNT }))
    assert.are.equal(backup.BackupArn, associations("RESOURCE", { resourceArn = backup.BackupArn })[1].associatedEntity)
    assert.are.equal(1, #associations("RESOURCE", { resourceShareArns = { share.resourceShareArn } }))
    assert.are.same({}, associations "SOURCE")
    for kind, field in pairs { PRINCIPAL = "resourceArn", RESOURCE = "principal" } do
      local input = { associationType = kind, [field] = "x" }
      assert.are.equal("InvalidParameterException", (service:ram_refusal("GetResourceShareAssociations", input)))
    end
  end)

  it("gains and loses backups and accounts, and ends", function()
    local service, backup = service_with_backup()
    local arn = create(service, backup, { principals = false }).resourceShare.resourceShareArn
    local added = service:ram("AssociateResourceShare", { resourceShareArn = arn, principals = { OTHER } })
    assert.are.equal("ASSOCIATING", added.resourceShareAssociations[1].status)
    accept(service)
    assert.are.same({ backup.BackupId }, listed(service))
    local function disassociate(fields)
      fields.resourceShareArn = arn
      return service:ram("DisassociateResourceShare", fields).resourceShareAssociations
    end
    assert.are.equal("DISASSOCIATED", disassociate({ resourceArns = { backup.BackupArn } })[1].status)
    assert.are.same({}, listed(service))
    service:ram("AssociateResourceShare", { resourceShareArn = arn, resourceArns = { backup.BackupArn } })
    assert.are.same({ backup.BackupId }, listed(service))
    assert.are.equal(OTHER, disassociate({ principals = { OTHER } })[1].associatedEntity)
    assert.are.same({}, disassociate { principals = { OTHER } })
    assert.are.same({}, listed(service))
    assert.are.equal(400, create_cluster(service, backup.BackupArn).status)
    local target = "/deleteresourceshare?resourceShareArn=" .. escape(arn) .. "&clientToken=c"
    local deleted = service:ram("DeleteResourceShare", nil, { method = "DELETE", target = target, body = "" })
    assert.are.same({ returnValue = true, clientToken = "c" }, deleted)
    assert.are.equal("DELETED", share_of(service).status)
  end)

  it("is found by name, status, tag and permission", function()
    local service, backup = service_with_backup()
    local share = create(service, backup, { tags = { { key = "team", value = "pki" } } }).resourceShare
    local permission = service:ram("ListResourceSharePermissions", { resourceShareArn = share.resourceShareArn })
    local function count(fields)
      fields.resourceOwner = "SELF"
      return #service:ram("GetResourceShares", fields).resourceShares
    end
    assert.are.equal(1, count { name = "backups" })
    assert.are.equal(0, count { name = "others" })
    assert.are.equal(1, count { resourceShareStatus = "ACTIVE" })
    assert.are.equal(0, count { resourceShareStatus = "DELETED" })
    assert.are.equal(1, count { tagFilters = { { tagKey = "team" } } })
    assert.are.equal(1, count { tagFilters = { { tagKey = "team", tagValues = { "x", "pki" } } } })
    assert.are.equal(0, count { tagFilters = { { tagKey = "team", tagValues = { "x" } } } })
    assert.are.equal(0, count { tagFilters = { { tagKey = "other" } } })
    assert.are.equal(1, count { permissionArn = permission.permissions[1].arn })
    assert.are.equal(0, count { permissionArn = "arn:aws:ram::aws:permission/other" })
    assert.are.equal(1, count { resourceShareArns = { share.resourceShareArn } })
    assert.are.equal(0, count { resourceShareArns = { share.resourceShareArn .. "a" } })
  end)

  it("refuses what it cannot share, and with whom", function()
    local service, backup = service_with_backup()
    local function refused(code, fields)
      local input = { name = "x" }
      for name, value in pairs(fields) do
        input[name] = value
      end
      assert.are.equal(code, (service:ram_refusal("CreateResourceShare", input)))
    end
    refused("InvalidParameterException", { name = ("x"):rep(256) })
    refused("MissingRequiredParameterException", { name = "" })
    refused("MalformedArnException", { resourceArns = { "backup" } })
    refused("InvalidParameterException", { resourceArns = { "arn:aws:ec2:us-east-1:111122223333:subnet/subnet-1" } })
    refused("UnknownResourceException", { resourceArns = { (backup.BackupArn:gsub("us%-east%-1", "us-west-2")) } })
    refused("UnknownResourceException", { resourceArns = { (backup.BackupArn:gsub("111122223333", OTHER)) } })
    refused("InvalidParameterException", { principals = { "arn:aws:iam::444455556666:role/admin" } })
    refused("InvalidParameterException", { principals = { ACCOUNT } })
    refused("OperationNotPermittedException", { principals = { OTHER }, allowExternalPrincipals = false })
    refused("UnknownResourceException", {
      principals = { "arn:aws:organizations::111122223333:organization/o-other" },
    })
    refused("UnknownResourceException", { permissionArns = { "arn:aws:ram::aws:permission/other" } })
    refused("InvalidParameterException", { permissionArns = { "a", "b" } })
    refused("InvalidParameterException", { allowExternalPrincipals = "yes" })
    service:call("DeleteBackup", { BackupId = backup.BackupId })
    refused("InvalidParameterException", { resourceArns = { backup.BackupArn } })
    assert.are.same({}, service:ram("GetResourceShares", { resourceOwner = "SELF" }).resourceShares)
  end)

  it("takes a permission that was promoted", function()
    local service, backup = service_with_backup { policy_permission = "unmatched" }
    put_policy(service, backup)
    local arn = service:ram("ListResourceSharePermissions", {
      resourceShareArn = share_of(service).resourceShareArn,
    }).permissions[1].arn
    local input = { name = "x", permissionArns = { arn } }
    assert.are.equal("UnknownResourceException", (service:ram_refusal("CreateResourceShare", input)))
    local own = service:ram("PromotePermissionCreatedFromPolicy", { permissionArn = arn, name = "mine" })
    input.permissionArns = { own.permission.arn }
    assert.are.equal("UnknownResourceException", (service:ram_refusal("CreateResourceShare", input)))
    service.emulator:advance(30)
    local share = service:ram("CreateResourceShare", input).resourceShare
    local permissions = service:ram("ListResourceSharePermissions", { resourceShareArn = share.resourceShareArn })
    assert.are.equal("mine", permissions.permissions[1].name)
  end)

  it("is changed by its owner alone, and not before it was promoted", function()
    local service, backup = service_with_backup()
    local arn = create(service, backup).resourceShare.resourceShareArn
    local input = { resourceShareArn = arn, principals = { "999999999999" } }
    assert.are.equal("OperationNotPermittedException", (service:ram_refusal("AssociateResourceShare", input, CONSUMER)))
    assert.are.equal(
      "MalformedArnException",
      (service:ram_refusal("AssociateResourceShare", { resourceShareArn = "x" }))
    )
    put_policy(service, backup)
    for _, share in ipairs(service:ram("GetResourceShares", { resourceOwner = "SELF" }).resourceShares) do
      if share.featureSet == "CREATED_FROM_POLICY" then
        for _, operation in ipairs { "AssociateResourceShare", "DisassociateResourceShare" } do
          assert.are.equal(
            "OperationNotPermittedException",
            (service:ram_refusal(operation, { resourceShareArn = share.resourceShareArn }))
          )
        end
      end
    end
  end)

  it("that came from a policy is RAM's once RAM has changed it", function()
    local service, backup = service_with_backup()
    put_policy(service, backup)
    local share = share_of(service)
    promote(service, share)
    service.emulator:advance(30)
    local text = service:call("GetResourcePolicy", { ResourceArn = backup.BackupArn }).Policy
    assert.are.equal(helper.policy(backup.BackupArn, OTHER), text)
    service:ram("DisassociateResourceShare", { resourceShareArn = share.resourceShareArn, principals = { OTHER } })
    assert.are.equal("{}", service:call("GetResourcePolicy", { ResourceArn = backup.BackupArn }).Policy)
    assert.are.equal(400, create_cluster(service, backup.BackupArn).status)
  end)

  it("gives way to a policy that denies", function()
    local service, backup = service_with_backup()
    create(service, backup)
    accept(service)
    put_policy(
      service,
      backup,
      '{"Statement":{"Effect":"Deny","Principal":{"AWS":"444455556666"},"Action":"*","Resource":"*"}}'
    )
    assert.are.same({}, listed(service))
    assert.are.equal(400, create_cluster(service, backup.BackupArn).status)
  end)
end)

describe("within an organization", function()
  local ORGANIZATION = { management = ACCOUNT, accounts = { OTHER } }
  local PRINCIPAL = "arn:aws:organizations::111122223333:organization/o-exampleorgid"

  it("nobody is invited once sharing is enabled", function()
    local service, backup = service_with_backup { organization = ORGANIZATION }
    local input = { name = "x", resourceArns = { backup.BackupArn }, principals = { PRINCIPAL } }
    assert.are.equal("OperationNotPermittedException", (service:ram_refusal("CreateResourceShare", input)))
    local enable = "EnableSharingWithAwsOrganization"
    assert.are.equal("OperationNotPermittedException", (service:ram_refusal(enable, nil, CONSUMER)))
    assert.is_true(service:ram(enable).returnValue)
    service:ram("CreateResourceShare", input)
    assert.are.same({}, invitations(service))
    assert.are.same({ backup.BackupId }, listed(service))
    assert.are.equal(200, create_cluster(service, backup.BackupArn).status)
  end)

  it("accounts may be the only ones", function()
    local service, backup = service_with_backup { organization = ORGANIZATION }
    service:ram "EnableSharingWithAwsOrganization"
    local input = { name = "x", resourceArns = { backup.BackupArn }, allowExternalPrincipals = false }
    input.principals = { "999999999999" }
    assert.are.equal("OperationNotPermittedException", (service:ram_refusal("CreateResourceShare", input)))
    input.principals = { OTHER }
    service:ram("CreateResourceShare", input)
    assert.are.same({ backup.BackupId }, listed(service))
  end)

  it("there is none unless it is set", function()
    local service = helper.new()
    assert.are.equal("OperationNotPermittedException", (service:ram_refusal "EnableSharingWithAwsOrganization"))
  end)
end)

describe("lists of RAM", function()
  it("come in pages, and refuse tokens of other requests", function()
    local service = helper.new()
    for i = 1, 5 do
      service:ram("CreateResourceShare", { name = "share " .. i })
    end
    local names, token = {}, nil
    local first
    repeat
      local out = service:ram("GetResourceShares", { resourceOwner = "SELF", maxResults = 2, nextToken = token })
      for _, share in ipairs(out.resourceShares) do
        names[#names + 1] = share.name
      end
      token = out.nextToken
      first = first or token
    until not token
    table.sort(names)
    assert.are.same({ "share 1", "share 2", "share 3", "share 4", "share 5" }, names)
    for _, input in ipairs {
      { resourceOwner = "SELF", nextToken = "x" },
      { resourceOwner = "SELF", nextToken = first, name = "share 1" },
      { resourceOwner = "OTHER-ACCOUNTS", nextToken = first },
    } do
      assert.are.equal("InvalidNextTokenException", (service:ram_refusal("GetResourceShares", input)))
    end
    assert.are.equal(
      "InvalidParameterException",
      (service:ram_refusal("GetResourceShares", { resourceOwner = "SELF", maxResults = 501 }))
    )
  end)

  it("know no other resources than backups", function()
    local service, backup = service_with_backup()
    put_policy(service, backup)
    local function count(fields)
      fields.resourceOwner = "SELF"
      return #service:ram("ListResources", fields).resources
    end
    assert.are.equal(1, count { resourceType = "cloudhsm:Backup" })
    assert.are.equal(0, count { resourceType = "ec2:Subnet" })
    assert.are.equal(1, count { principal = OTHER })
    assert.are.equal(0, count { principal = "999999999999" })
    assert.are.equal(1, count { resourceShareArns = { share_of(service).resourceShareArn } })
    assert.are.equal(0, count { resourceArns = { backup.BackupArn .. "a" } })
    for _, input in ipairs { { resourceArns = { "x" } }, { resourceShareArns = { backup.BackupArn } } } do
      input.resourceOwner = "SELF"
      assert.are.equal("MalformedArnException", (service:ram_refusal("ListResources", input)))
    end
  end)

  it("are those of one region", function()
    local service, backup = service_with_backup()
    put_policy(service, backup)
    assert.are.same({}, service:ram("ListResources", { resourceOwner = "SELF" }, { region = "eu-west-1" }).resources)
  end)
end)
