--- Resource shares of backups: what RAM makes of policies, what is shared through RAM itself, and who may do and see what.
--
-- A share is a record of its owner's store. Beside what RAM shows it has `resources` and `principals`, lists of associations,
-- its one `permission`, the `actions` that this allows, and `from_policy`, the id of the backup whose policy it came from.
-- What is known of each behaviour, and how, stands beside the code.
-- @module cloudhsmv2.emulator.shares

local sharing = require "cloudhsmv2.emulator.sharing"
local state = require "cloudhsmv2.emulator.state"

local timestamp = state.timestamp

local shares = {}

--- The type of what can be shared.
shares.RESOURCE_TYPE = "cloudhsm:Backup"

-- [documented, user guide] another account can be allowed to describe and to restore a backup, and no more
local DEFAULT_ACTIONS = { "cloudhsm:CreateCluster", "cloudhsm:DescribeBackups" }
local DESCRIBE = "cloudhsm:DescribeBackups"

-- Principals ------------------------------------------------------------------------------------------------------

--- Whether RAM takes two accounts for members of one organization.
-- @tparam table world
-- @tparam string one
-- @tparam string other
-- @treturn boolean
function shares.are_one_organization(world, one, other)
  -- [documented, RAM user guide] accounts of one organization share without invitations once that is enabled
  local members = world.settings.organization.members
  return world.shares_in_organization and members[one] ~= nil and members[other] ~= nil
end

-- Whether a principal of a share, an account or an organization, is or has an account.
local function covers(world, principal, owner, account)
  return principal.id == account
    or principal.id:find ":organization/" ~= nil and shares.are_one_organization(world, owner, account)
end

--- The state of an invitation.
-- @tparam table world
-- @tparam table invitation
-- @tparam number now
-- @treturn string
function shares.invitation_status(world, invitation, now)
  -- [documented, RAM API model] an invitation that is not answered expires
  local expires = invitation.invitationTimestamp + world.times.invitation_expiry
  return invitation.status == "PENDING" and now >= expires and "EXPIRED" or invitation.status
end

local function has_accepted(principal)
  return not principal.external or principal.invitation ~= nil and principal.invitation.status == "ACCEPTED"
end

-- Whether a principal of a STANDARD share may use what is shared.
local function has_access(principal)
  -- [assumed] an account that a policy let in before its share was promoted may go on without having accepted
  return principal.by_policy or has_accepted(principal)
end

-- Invites an account that is not in the owner's organization.
local function invite(world, share, principal, store, now)
  if principal.external and not principal.invitation then
    principal.invitation = {
      resourceShareInvitationArn = shares.new_arn(world, store, "resource-share-invitation"),
      senderAccountId = store.account,
      receiverAccountId = principal.id,
      invitationTimestamp = timestamp(now),
      status = "PENDING",
      resourceShareArn = share.resourceShareArn,
      resourceShareName = share.name,
    }
  end
end

local function association(fields, now)
  fields.status = "ASSOCIATED"
  fields.creationTime, fields.lastUpdatedTime = timestamp(now), timestamp(now)
  return fields
end

local function find(list, member, value)
  for i, entry in ipairs(list) do
    if entry[member] == value then
      return entry, i
    end
  end
end

--- Lets an account or organization have a share.
-- @tparam table world
-- @tparam table store
-- @tparam table share
-- @tparam string id of the account, or the organization's ARN
-- @tparam number now
-- @tparam[opt] boolean by_policy whether a policy names it
-- @treturn table the association
function shares.add_principal(world, store, share, id, now, by_policy)
  local principal = find(share.principals, "id", id)
  if not principal then
    local external = not id:find "^arn:" and not shares.are_one_organization(world, store.account, id)
    principal = association({ id = id, external = external, by_policy = by_policy or false }, now)
    table.insert(share.principals, principal)
  end
  if share.featureSet == "STANDARD" then
    invite(world, share, principal, store, now)
  end
  return principal
end

--- Lets a share have a backup.
-- @tparam table share
-- @tparam table backup
-- @tparam number now
-- @treturn table the association
function shares.add_resource(share, backup, now)
  local resource = find(share.resources, "arn", backup.BackupArn)
  if not resource then
    resource = association({ arn = backup.BackupArn, id = backup.BackupId }, now)
    table.insert(share.resources, resource)
  end
  return resource
end

--- Takes an association out of a share's `principals` or `resources`.
-- @tparam table list
-- @tparam string member that names it: `id` or `arn`
-- @tparam string value
-- @tparam number now
-- @treturn ?table the association, or nil when there is none
function shares.remove(list, member, value, now)
  local found, i = find(list, member, value)
  if found then
    table.remove(list, i)
    found.status = "DISASSOCIATED"
    found.lastUpdatedTime = timestamp(now)
  end
  return found
end

-- Shares ----------------------------------------------------------------------------------------------------------

--- A new ARN.
-- @tparam table world
-- @tparam table store
-- @tparam string kind as `resource-share`
-- @treturn string
function shares.new_arn(world, store, kind)
  return ("arn:%s:ram:%s:%s:%s/%s"):format(store.partition, store.region, store.account, kind, world.random:uuid())
end

--- The permission that AWS has for backups.
-- @tparam table store
-- @treturn table
function shares.default_permission(store)
  -- [assumed] AWS's permission for backups is called AWSRAMDefaultPermissionCloudHSMBackup
  local name = "AWSRAMDefaultPermissionCloudHSMBackup"
  return {
    arn = ("arn:%s:ram::aws:permission/%s"):format(store.partition, name),
    name = name,
    permissionType = "AWS_MANAGED",
    featureSet = "STANDARD",
    creationTime = 0,
    lastUpdatedTime = 0,
  }
end

--- A permission as a share has it: a copy without what it allows, which the share says itself.
-- @tparam table permission
-- @treturn table
function shares.use_of(permission)
  local out = {}
  for name, value in pairs(permission) do
    out[name] = name ~= "actions" and value or nil
  end
  return out
end

--- Makes a share.
-- @tparam table world
-- @tparam table store
-- @tparam table fields `name`, `featureSet` and whatever else is not usual
-- @tparam number now
-- @treturn table
function shares.add(world, store, fields, now)
  local share = {
    resourceShareArn = shares.new_arn(world, store, "resource-share"),
    owningAccountId = store.account,
    allowExternalPrincipals = true,
    status = "ACTIVE",
    creationTime = timestamp(now),
    lastUpdatedTime = timestamp(now),
    listed_from = now + world.times.share_listing_lag,
    tags = {},
    actions = { DEFAULT_ACTIONS[1], DEFAULT_ACTIONS[2] },
    permission = shares.default_permission(store),
    resources = {},
    principals = {},
  }
  for name, value in pairs(fields) do
    share[name] = value
  end
  store.shares:insert(share)
  return share
end

--- Ends a share. It is listed as DELETED for a while.
-- @tparam table world
-- @tparam table store
-- @tparam table share
-- @tparam number now
function shares.delete(world, store, share, now)
  -- [assumed] a deleted share is DELETED at once
  share.status = "DELETED"
  share.lastUpdatedTime = timestamp(now)
  share.resources, share.principals = {}, {}
  world:after("share_forgotten", store, now, world.times.deleted_share_listed, { share = share.resourceShareArn })
end

-- Policies --------------------------------------------------------------------------------------------------------

local function policy_share(store, backup)
  local share = backup.policy_share and store.shares:get(backup.policy_share)
  return share and share.status == "ACTIVE" and share or nil
end

--- Follows a backup's policy that was put or deleted.
-- @tparam table world
-- @tparam table store
-- @tparam table backup
-- @tparam number now
function shares.follow_policy(world, store, backup, now)
  local share = policy_share(store, backup)
  local summary = backup.policy and sharing.summary(backup.policy, backup.BackupArn) or { accounts = {} }
  if #summary.accounts == 0 then
    -- [assumed] a policy that names no account makes no share, and without its policy its share is gone
    if share then
      shares.delete(world, store, share, now)
    end
    backup.policy_share = nil
    return
  end
  if not share then
    -- [documented, user guide] a policy that names accounts makes a share that is CREATED_FROM_POLICY
    local fields = { name = "CreatedFromPolicy-" .. backup.BackupId, featureSet = "CREATED_FROM_POLICY" }
    fields.from_policy = backup.BackupId
    -- [documented, RAM API reference] such a share has a permission of its own, made of the policy
    fields.permission = {
      arn = shares.new_arn(world, store, "permission"),
      name = fields.name,
      permissionType = "CUSTOMER_MANAGED",
      featureSet = "CREATED_FROM_POLICY",
      creationTime = timestamp(now),
      lastUpdatedTime = timestamp(now),
    }
    share = shares.add(world, store, fields, now)
    shares.add_resource(share, backup, now)
    backup.policy_share = share.resourceShareArn
  end
  local named = {}
  for _, account in ipairs(summary.accounts) do
    named[account] = true
    shares.add_principal(world, store, share, account, now, true)
  end
  for i = #share.principals, 1, -1 do
    if not named[share.principals[i].id] then
      table.remove(share.principals, i)
    end
  end
  share.actions, share.simple = summary.actions, summary.simple
  share.lastUpdatedTime = timestamp(now)
end

--- Lets RAM have a share that came from a policy, before RAM changes what it shares: then RAM writes the policy.
-- @tparam table store
-- @tparam table share
function shares.leave_policy(store, share)
  -- [assumed] once RAM changes a share that was promoted, the policy is RAM's, and no longer the text that was put
  local backup = share.from_policy and store.backups:get(share.from_policy)
  if backup then
    backup.policy, backup.policy_share = nil, nil
  end
  share.from_policy = nil
end

--- The policy of a backup, with what RAM has added.
-- @tparam table store
-- @tparam table backup
-- @treturn ?string nil: there is none
function shares.policy_text(store, backup)
  local text = backup.policy
  for share in store.shares:each(true) do
    local shared = share.status == "ACTIVE" and share.featureSet == "STANDARD" and not share.from_policy
    if shared and find(share.resources, "arn", backup.BackupArn) then
      -- [assumed] the policy that RAM writes names those who have accepted
      local accounts = {}
      for _, principal in ipairs(share.principals) do
        if has_access(principal) then
          accounts[#accounts + 1] = principal.id
        end
      end
      if #accounts > 0 then
        text = sharing.with_statement(text, accounts, share.actions, backup.BackupArn)
      end
    end
  end
  return text
end

-- Promotion -------------------------------------------------------------------------------------------------------

local function are_the_same(some, others)
  if #some ~= #others then
    return false
  end
  for i, action in ipairs(some) do -- both are sorted
    if others[i] ~= action then
      return false
    end
  end
  return true
end

--- The permission that a share gets once it is promoted: one that allows exactly what its policy does.
-- @tparam table world
-- @tparam table store
-- @tparam table share
-- @treturn ?table nil: there is none
-- @treturn ?boolean whether there will be one
function shares.matching_permission(world, store, share)
  -- [documented, RAM API reference] to be promoted, a share needs a managed permission with the same IAM permissions
  -- [assumed] AWS's own is one, where it allows the same (`policy_permission = "unmatched"`: it is not)
  if
    share.simple
    and are_the_same(share.actions, DEFAULT_ACTIONS)
    and world.settings.policy_permission == "matched"
  then
    return shares.default_permission(store)
  end
  local coming = false
  for permission in store.permissions:each(true) do
    if are_the_same(share.actions, permission.actions) then
      if permission.featureSet == "STANDARD" then
        return permission
      end
      coming = true
    end
  end
  return nil, coming
end

--- Begins to make a share STANDARD.
-- @tparam table world
-- @tparam table store
-- @tparam table share
-- @tparam table permission that it gets
-- @tparam number now
function shares.promote(world, store, share, permission, now)
  -- [documented, RAM API reference] a share that is promoted is PROMOTING_TO_STANDARD, and then STANDARD
  share.featureSet = "PROMOTING_TO_STANDARD"
  share.lastUpdatedTime = timestamp(now)
  world:after("share_promoted", store, now, world.times.share_promotion, {
    share = share.resourceShareArn,
    permission = permission.arn,
  })
end

--- Begins to make a permission of what a share's policy allows.
-- @tparam table world
-- @tparam table store
-- @tparam table share
-- @tparam string name
-- @tparam number now
-- @treturn ?table the permission; nil: there is one of that name
function shares.promote_permission(world, store, share, name, now)
  -- [documented, RAM API reference] promoting a permission makes another one, and leaves that of the share as it is
  local arn = ("arn:%s:ram:%s:%s:permission/%s"):format(store.partition, store.region, store.account, name)
  if store.permissions:get(arn) then
    return nil
  end
  local permission = {
    arn = arn,
    name = name,
    permissionType = "CUSTOMER_MANAGED",
    featureSet = "PROMOTING_TO_STANDARD",
    creationTime = timestamp(now),
    lastUpdatedTime = timestamp(now),
    actions = {},
  }
  for i, action in ipairs(share.actions) do
    permission.actions[i] = action
  end
  store.permissions:insert(permission)
  world:after("permission_promoted", store, now, world.times.share_promotion, { permission = arn })
  return permission
end

--- What happens by itself, by the kind of event; see `cloudhsmv2.emulator.lifecycle`.
shares.events = {}

function shares.events.share_promoted(world, store, event, now)
  local share = store.shares:get(event.share)
  if not share or share.status ~= "ACTIVE" or share.featureSet ~= "PROMOTING_TO_STANDARD" then
    return
  end
  share.featureSet = "STANDARD"
  share.lastUpdatedTime = timestamp(now)
  -- [documented, RAM API reference] the permission that fits takes the place of the one made of the policy
  share.permission = shares.use_of(store.permissions:get(event.permission) or shares.default_permission(store))
  for _, principal in ipairs(share.principals) do
    -- [documented, RAM user guide] accounts outside of the organization are invited
    invite(world, share, principal, store, now)
  end
end

function shares.events.permission_promoted(_, store, event, now)
  local permission = store.permissions:get(event.permission)
  permission.featureSet = "STANDARD"
  permission.lastUpdatedTime = timestamp(now)
end

function shares.events.share_forgotten(_, store, event)
  local share = store.shares:get(event.share)
  if share then
    store.shares:remove(share)
  end
end

-- Who may do what -------------------------------------------------------------------------------------------------

--- The principal of a share that is an account or has it, once the share is STANDARD and was accepted.
-- @tparam table world
-- @tparam table share
-- @tparam string account
-- @treturn ?table
function shares.accepted_by(world, share, account)
  if share.status == "ACTIVE" and share.featureSet == "STANDARD" then
    for _, principal in ipairs(share.principals) do
      if covers(world, principal, share.owningAccountId, account) and has_accepted(principal) then
        return principal
      end
    end
  end
  return nil
end

--- Whether an action with a backup is allowed to another account, by its policy or through RAM.
-- @tparam table world
-- @tparam table store the owner's
-- @tparam table backup
-- @tparam string account
-- @tparam string action as `cloudhsm:CreateCluster`
-- @treturn boolean
function shares.allow(world, store, backup, account, action)
  -- [documented, user guide] the policy alone lets another account restore the backup, given its ARN
  local decision = sharing.decision(backup, account, action)
  if decision ~= nil then
    return decision
  end
  for share in store.shares:each(true) do
    local shared = share.status == "ACTIVE"
      and share.featureSet == "STANDARD"
      and sharing.any_covers(share.actions, action)
    if shared and find(share.resources, "arn", backup.BackupArn) then
      for _, principal in ipairs(share.principals) do
        if covers(world, principal, store.account, account) and has_access(principal) then
          return true
        end
      end
    end
  end
  return false
end

--- Calls a function with every backup that an account sees as shared with it in a region.
-- @tparam table world
-- @tparam string account
-- @tparam string region
-- @tparam function visit called with the backup and its store, once for each
function shares.each_listed(world, account, region, visit)
  -- [documented, user guide] a shared backup is listed only where its share is STANDARD: a policy alone does not do it
  for store in world:each_store() do
    local seen = {}
    for share in store.shares:each(true) do
      local principal = store.region == region
        and store.account ~= account
        and shares.accepted_by(world, share, account)
      for _, resource in ipairs(principal and sharing.any_covers(share.actions, DESCRIBE) and share.resources or {}) do
        local backup = not seen[resource.id] and store.backups:get(resource.id)
        if backup and sharing.decision(backup, account, DESCRIBE) ~= false then
          seen[resource.id] = true
          visit(backup, store)
        end
      end
    end
  end
end

return shares
