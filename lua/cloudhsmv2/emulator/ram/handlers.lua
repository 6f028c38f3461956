--- RAM's operations: `function(context, input) -> output | nil, failure`, on the caller's account and region.
-- What is known of each behaviour, and how, stands beside the code.
-- @module cloudhsmv2.emulator.ram.handlers

local json = require "cloudhsmv2.emulator.json"
local paging = require "cloudhsmv2.emulator.paging"
local refuse = require "cloudhsmv2.emulator.ram.refuse"
local shares = require "cloudhsmv2.emulator.shares"
local state = require "cloudhsmv2.emulator.state"
local view = require "cloudhsmv2.emulator.view"

local handlers = {}

-- What RAM shows --------------------------------------------------------------------------------------------------

local function show_association(share, kind, entry, status)
  return {
    resourceShareArn = share.resourceShareArn,
    resourceShareName = share.name,
    associatedEntity = entry.arn or entry.id,
    associationType = kind,
    status = status or entry.status,
    creationTime = entry.creationTime,
    lastUpdatedTime = entry.lastUpdatedTime,
    external = entry.external or false,
  }
end

-- A principal that was invited is ASSOCIATING until it accepts.
local function show_principal(world, share, principal, now)
  local invitation = principal.invitation
  local status = invitation and shares.invitation_status(world, invitation, now)
  -- [assumed] a principal that has not accepted is ASSOCIATING, one that did not want to or waited too long FAILED
  local pending = status == "PENDING" and "ASSOCIATING" or status and status ~= "ACCEPTED" and "FAILED"
  return show_association(share, "PRINCIPAL", principal, pending or nil)
end

local function show_permission(permission)
  return {
    arn = permission.arn,
    version = "1",
    defaultVersion = true,
    name = permission.name,
    resourceType = shares.RESOURCE_TYPE,
    status = "ASSOCIATED",
    creationTime = permission.creationTime,
    lastUpdatedTime = permission.lastUpdatedTime,
    isResourceTypeDefault = permission.permissionType == "AWS_MANAGED",
    permissionType = permission.permissionType,
    featureSet = permission.featureSet,
  }
end

local function show_invitation(context, invitation)
  local out = {}
  for name, value in pairs(invitation) do
    out[name] = value
  end
  out.status = shares.invitation_status(context.world, invitation, context.now)
  return out
end

-- Lists -----------------------------------------------------------------------------------------------------------

local function set_of(values)
  if not values then
    return nil
  end
  local set = {}
  for _, value in ipairs(values) do
    set[value] = true
  end
  return set
end

-- One page of a list, in the order of `key(item)`.
local function page(context, input, items, key)
  table.sort(items, function(a, b)
    return key(a) < key(b)
  end)
  local query = {}
  for name, value in pairs(input) do
    if name ~= "nextToken" and name ~= "maxResults" then
      query[name] = value
    end
  end
  local request = { NextToken = input.nextToken, MaxResults = input.maxResults }
  local shown, token = paging.page(context, request, {
    query = assert(json.encode(query)),
    size = context.settings.page_sizes.shares,
    each = function(cursor)
      local i = 0
      return function()
        repeat
          i = i + 1
        until not items[i] or not cursor or key(items[i]) > cursor
        return items[i]
      end
    end,
    cursor = key,
  })
  if not shown then
    return refuse.invalid_token "The specified value for nextToken isn't valid."
  end
  return shown, token
end

-- The caller's own shares that are listed, or those of others that it takes part in, with their stores.
local function each_share(context, owner, visit)
  local own = context.store
  for store in context.world:each_store() do
    if store.region == own.region and (store == own) == (owner == "SELF") then
      for share in store.shares:each(true) do
        local seen = share.listed_from <= context.now
        -- [documented, RAM API reference] shares of others are seen once they are STANDARD
        -- [assumed] and were accepted
        if seen and (store == own or shares.accepted_by(context.world, share, own.account)) then
          visit(share, store)
        end
      end
    end
  end
end

local function check_arns(arns, pattern)
  for _, arn in ipairs(arns or {}) do
    if not arn:find(pattern) then
      return refuse.malformed_arn("The specified Amazon Resource Name (ARN), %s, isn't valid.", arn)
    end
  end
  return true
end

local SHARE_ARN = "^arn:[%w-]+:ram:[%w-]+:%d+:resource%-share/[%w-]+$"
local ANY_ARN = "^arn:[%w-]+:[%w-]+:[%w-]*:%d*:.+$"

function handlers.GetResourceShares(context, input)
  local fine, failure = check_arns(input.resourceShareArns, SHARE_ARN)
  if not fine then
    return nil, failure
  end
  local arns = set_of(input.resourceShareArns)
  local function has_tags(share)
    for _, filter in ipairs(input.tagFilters or {}) do
      local values, found = set_of(filter.tagValues), false
      for _, tag in ipairs(share.tags) do
        found = found or tag.key == filter.tagKey and (not values or values[tag.value]) or false
      end
      if not found then
        return false
      end
    end
    return true
  end
  local found = {}
  each_share(context, input.resourceOwner, function(share)
    local wanted = (not arns or arns[share.resourceShareArn])
      and (not input.name or input.name == share.name)
      and (not input.resourceShareStatus or input.resourceShareStatus == share.status)
      and (not input.permissionArn or share.permission and input.permissionArn == share.permission.arn)
    if wanted and has_tags(share) then
      found[#found + 1] = share
    end
  end)
  local items, token = page(context, input, found, function(share)
    return share.resourceShareArn
  end)
  if not items then
    return nil, token
  end
  for i, share in ipairs(items) do
    items[i] = view.share(share)
  end
  return { resourceShares = items, nextToken = token }
end

function handlers.ListResources(context, input)
  local fine, failure = check_arns(input.resourceArns, ANY_ARN)
  if fine then
    fine, failure = check_arns(input.resourceShareArns, SHARE_ARN)
  end
  if not fine then
    return nil, failure
  elseif input.resourceType and input.resourceType ~= shares.RESOURCE_TYPE then
    -- [ours] there are no resources but backups
    return { resources = {} }
  end
  local arns, share_arns = set_of(input.resourceArns), set_of(input.resourceShareArns)
  local function has_principal(share)
    for _, principal in ipairs(share.principals) do
      if principal.id == input.principal then
        return true
      end
    end
    return input.principal == share.owningAccountId and input.resourceOwner == "OTHER-ACCOUNTS"
  end
  local found = {}
  each_share(context, input.resourceOwner, function(share, store)
    local wanted = (not share_arns or share_arns[share.resourceShareArn])
      and (not input.principal or has_principal(share))
    for _, resource in ipairs(wanted and share.resources or {}) do
      local backup = store.backups:get(resource.id)
      if backup and (not arns or arns[resource.arn]) then
        found[#found + 1] = {
          arn = resource.arn,
          type = shares.RESOURCE_TYPE,
          resourceShareArn = share.resourceShareArn,
          -- [assumed] a shared backup that is not READY is UNAVAILABLE
          status = backup.BackupState == "READY" and "AVAILABLE" or "UNAVAILABLE",
          creationTime = resource.creationTime,
          lastUpdatedTime = resource.lastUpdatedTime,
          resourceRegionScope = "REGIONAL",
        }
      end
    end
  end)
  local items, token = page(context, input, found, function(resource)
    return resource.arn .. " " .. resource.resourceShareArn
  end)
  if not items then
    return nil, token
  end
  return { resources = items, nextToken = token }
end

function handlers.GetResourceShareAssociations(context, input)
  local kind = input.associationType
  -- [documented, RAM API reference] no resource can be named to list principals, and no principal to list resources
  if kind == "PRINCIPAL" and input.resourceArn then
    return refuse.invalid_parameter "You can't specify a resource ARN when the association type is PRINCIPAL."
  elseif kind == "RESOURCE" and input.principal then
    return refuse.invalid_parameter "You can't specify a principal when the association type is RESOURCE."
  end
  local fine, failure = check_arns(input.resourceShareArns, SHARE_ARN)
  if not fine then
    return nil, failure
  end
  local arns = set_of(input.resourceShareArns)
  local found = {}
  local function add(association)
    local entity = kind == "PRINCIPAL" and input.principal or input.resourceArn
    local wanted = not input.associationStatus or association.status == input.associationStatus
    if wanted and (not entity or association.associatedEntity == entity) then
      found[#found + 1] = association
    end
  end
  each_share(context, "SELF", function(share)
    if not arns or arns[share.resourceShareArn] then
      for _, principal in ipairs(kind == "PRINCIPAL" and share.principals or {}) do
        add(show_principal(context.world, share, principal, context.now))
      end
      for _, resource in ipairs(kind == "RESOURCE" and share.resources or {}) do
        add(show_association(share, "RESOURCE", resource))
      end
    end
  end)
  local items, token = page(context, input, found, function(association)
    return association.resourceShareArn .. " " .. association.associatedEntity
  end)
  if not items then
    return nil, token
  end
  return { resourceShareAssociations = items, nextToken = token }
end

-- Shares of one's own ---------------------------------------------------------------------------------------------

-- A share of the caller, or a failure.
local function find_own(context, arn)
  local fine, failure = check_arns({ arn }, SHARE_ARN)
  if not fine then
    return nil, failure
  end
  local account = arn:match "^arn:[^:]+:ram:[^:]+:(%d+):"
  local share = context.store.shares:get(arn)
  if account ~= context.store.account then
    return refuse.not_permitted "You are not the owner of the specified resource share."
  elseif not share or share.status ~= "ACTIVE" then
    return refuse.unknown("ResourceShare %s could not be found.", arn)
  end
  return share
end

-- A share that RAM may change, or a failure.
local function find_changeable(context, arn)
  local share, failure = find_own(context, arn)
  if not share then
    return nil, failure
  elseif share.featureSet ~= "STANDARD" then
    -- [documented, RAM API reference] a share that came from a policy cannot be changed before it was promoted
    local text = "The resource share %s was created from a policy. Promote it before you change it."
    return refuse.not_permitted(text, arn)
  end
  return share
end

function handlers.ListResourceSharePermissions(context, input)
  local share, failure = find_own(context, input.resourceShareArn)
  if not share then
    return nil, failure
  end
  local items, token = page(context, input, { share.permission }, function(permission)
    return permission.arn
  end)
  if not items then
    return nil, token
  end
  for i, permission in ipairs(items) do
    items[i] = show_permission(permission)
  end
  return { permissions = items, nextToken = token }
end

function handlers.PromoteResourceShareCreatedFromPolicy(context, input)
  local share, failure = find_own(context, input.resourceShareArn)
  if not share then
    return nil, failure
  end
  local permission, coming = shares.matching_permission(context.world, context.store, share)
  if share.featureSet ~= "CREATED_FROM_POLICY" or coming then
    -- [documented, RAM API model] a share that is being or was promoted is an InvalidStateTransitionException
    -- [assumed] and so is one whose permission is being promoted
    return refuse.invalid_state "The requested operation isn't valid for the resource share in its current state."
  elseif not permission then
    -- [documented, RAM API model] without a permission that fits the answer is UnmatchedPolicyPermissionException
    return refuse.unmatched(
      "There isn't an existing managed permission defined in RAM that has the same IAM permissions as the "
        .. "resource-based policy attached to the resource. Promote the permission %s first.",
      share.permission.arn
    )
  end
  shares.promote(context.world, context.store, share, permission, context.now)
  return { returnValue = true }
end

-- The caller's share whose policy became a permission of this ARN.
local function find_permission(context, arn)
  for share in context.store.shares:each(true) do
    if share.status == "ACTIVE" and share.permission.arn == arn then
      return share
    end
  end
end

function handlers.PromotePermissionCreatedFromPolicy(context, input)
  local fine, failure = check_arns({ input.permissionArn }, "^arn:[%w-]+:ram:[%w-]*:%w+:permission/.+$")
  if not fine then
    return nil, failure
  elseif not input.name:find "^[%w_.-]+$" or #input.name > 36 then
    -- [documented, RAM API model] the name of a permission has 1 to 36 letters, digits, underscores, periods and hyphens
    return refuse.invalid_parameter "The name must have 1 to 36 letters, digits, underscores, periods and hyphens."
  end
  local share = find_permission(context, input.permissionArn)
  if not share then
    return refuse.unknown("Permission %s could not be found.", input.permissionArn)
  elseif share.permission.featureSet ~= "CREATED_FROM_POLICY" then
    return refuse.invalid_parameter("The permission %s was not created from a policy.", input.permissionArn)
  elseif not share.simple then
    -- [assumed] a policy with Deny or Condition makes no permission
    return refuse.invalid_policy "The resource-based policy has more than allowed actions."
  end
  local permission = shares.promote_permission(context.world, context.store, share, input.name, context.now)
  if not permission then
    -- [assumed] two permissions of a name are an InvalidParameterException
    return refuse.invalid_parameter("There is a permission %s already.", input.name)
  end
  return { permission = show_permission(permission), clientToken = input.clientToken }
end

-- The backups and principals that a request names, or a failure.
local function read_members(context, input, external_allowed)
  local backups = {}
  for _, arn in ipairs(input.resourceArns or {}) do
    local region, account, id = arn:match "^arn:[%w-]+:cloudhsm:([%w-]+):(%d+):backup/(.+)$"
    local store = context.store
    local backup = id and region == store.region and account == store.account and store.backups:get(id)
    if not arn:find(ANY_ARN) then
      return refuse.malformed_arn("The specified resource ARN, %s, isn't valid.", arn)
    elseif not id then
      -- [ours] nothing but backups can be shared
      return refuse.invalid_parameter("You cannot share the resource %s.", arn)
    elseif not backup or backup.BackupArn ~= arn then
      return refuse.unknown("Resource %s could not be found.", arn)
    elseif backup.BackupState ~= "READY" then
      -- [documented, user guide] only a READY backup is shared
      return refuse.invalid_parameter("The backup %s is not READY.", arn)
    end
    backups[#backups + 1] = backup
  end
  local organization = context.settings.organization
  for _, principal in ipairs(input.principals or {}) do
    local id = principal:match "^arn:[%w-]+:organizations::%d+:organization/(.+)$"
    if not id and not principal:find "^%d%d%d%d%d%d%d%d%d%d%d%d$" then
      -- [documented, user guide] backups are shared with whole accounts
      -- [assumed] a user or role as principal is an InvalidParameterException
      return refuse.invalid_parameter("You cannot share backups with the principal %s.", principal)
    elseif id and (id ~= organization.id or not organization.members[context.store.account]) then
      return refuse.unknown("OrganizationId %s could not be found.", id)
    elseif id and not context.world.shares_in_organization then
      return refuse.not_permitted "Sharing with your organization is not enabled."
    elseif principal == context.store.account then
      return refuse.invalid_parameter "You cannot share with your own account."
    end
    local inside = id or shares.are_one_organization(context.world, context.store.account, principal)
    if not inside and not external_allowed then
      return refuse.not_permitted("The principal %s is not in your organization.", principal)
    end
  end
  return backups
end

local function add_members(context, share, backups, principals)
  local added = {}
  for _, backup in ipairs(backups) do
    local resource = shares.add_resource(share, backup, context.now)
    added[#added + 1] = show_association(share, "RESOURCE", resource)
  end
  for _, id in ipairs(principals or {}) do
    local principal = shares.add_principal(context.world, context.store, share, id, context.now)
    added[#added + 1] = show_principal(context.world, share, principal, context.now)
  end
  return added
end

local function check_permissions(context, arns)
  local default = shares.default_permission(context.store)
  if #(arns or {}) > 1 then
    return refuse.invalid_parameter "A share has one permission for backups."
  elseif not arns or not arns[1] or arns[1] == default.arn then
    return default
  end
  local permission = context.store.permissions:get(arns[1])
  if not permission or permission.featureSet ~= "STANDARD" then
    return refuse.unknown("Permission %s could not be found.", arns[1])
  end
  return permission
end

-- What a client token has brought about before: the share, or a failure; nil alone for a new token.
local function seen_before(context, input, parameters)
  local tokens = context.store.client_tokens
  local seen = input.clientToken and tokens and tokens[input.clientToken]
  if seen and seen.parameters ~= parameters then
    -- [documented, RAM API model] a client token with other parameters is an IdempotentParameterMismatchException
    return refuse.other_parameters "The clientToken was used with other parameters before."
  end
  return seen and context.store.shares:get(seen.share)
end

function handlers.CreateResourceShare(context, input)
  if #input.name > 255 then
    return refuse.invalid_parameter "The name must have at most 255 characters."
  end
  local parameters = assert(json.encode(input))
  local before, failure = seen_before(context, input, parameters)
  if before or failure then
    return before and { resourceShare = view.share(before), clientToken = input.clientToken }, failure
  end
  -- [documented, RAM API reference] principals from outside of the organization are allowed unless they are excluded
  local external_allowed = input.allowExternalPrincipals ~= false
  local backups
  backups, failure = read_members(context, input, external_allowed)
  if not backups then
    return nil, failure
  end
  local permission
  permission, failure = check_permissions(context, input.permissionArns)
  if not permission then
    return nil, failure
  end
  local actions = {}
  for i, action in ipairs(permission.actions or {}) do
    actions[i] = action
  end
  local share = shares.add(context.world, context.store, {
    name = input.name,
    featureSet = "STANDARD",
    allowExternalPrincipals = external_allowed,
    tags = input.tags,
    permission = shares.use_of(permission),
    actions = permission.actions and actions,
  }, context.now)
  add_members(context, share, backups, input.principals)
  if input.clientToken then
    context.store.client_tokens = context.store.client_tokens or {}
    context.store.client_tokens[input.clientToken] = { parameters = parameters, share = share.resourceShareArn }
  end
  return { resourceShare = view.share(share), clientToken = input.clientToken }
end

function handlers.AssociateResourceShare(context, input)
  local share, failure = find_changeable(context, input.resourceShareArn)
  if not share then
    return nil, failure
  end
  local backups
  backups, failure = read_members(context, input, share.allowExternalPrincipals)
  if not backups then
    return nil, failure
  end
  shares.leave_policy(context.store, share)
  local added = add_members(context, share, backups, input.principals)
  return { resourceShareAssociations = added, clientToken = input.clientToken }
end

function handlers.DisassociateResourceShare(context, input)
  local share, failure = find_changeable(context, input.resourceShareArn)
  if not share then
    return nil, failure
  end
  shares.leave_policy(context.store, share)
  local removed = {}
  local function remove(kind, list, member, values)
    for _, value in ipairs(values or {}) do
      local entry = shares.remove(list, member, value, context.now)
      if entry then
        removed[#removed + 1] = show_association(share, kind, entry)
      end
    end
  end
  remove("RESOURCE", share.resources, "arn", input.resourceArns)
  remove("PRINCIPAL", share.principals, "id", input.principals)
  return { resourceShareAssociations = removed, clientToken = input.clientToken }
end

function handlers.DeleteResourceShare(context, input)
  local share, failure = find_changeable(context, input.resourceShareArn)
  if not share then
    return nil, failure
  end
  shares.leave_policy(context.store, share)
  shares.delete(context.world, context.store, share, context.now)
  return { returnValue = true, clientToken = input.clientToken }
end

-- Invitations -----------------------------------------------------------------------------------------------------

-- Calls a function with every invitation of the caller in this region.
local function each_invitation(context, visit)
  for store in context.world:each_store() do
    for share in store.shares:each(true) do
      for _, principal in ipairs(store.region == context.store.region and share.principals or {}) do
        if principal.invitation and principal.id == context.store.account then
          visit(principal.invitation, share, principal)
        end
      end
    end
  end
end

local INVITATION_ARN = "^arn:[%w-]+:ram:[%w-]+:%d+:resource%-share%-invitation/[%w-]+$"

function handlers.GetResourceShareInvitations(context, input)
  local fine, failure = check_arns(input.resourceShareInvitationArns, INVITATION_ARN)
  if fine then
    fine, failure = check_arns(input.resourceShareArns, SHARE_ARN)
  end
  if not fine then
    return nil, failure
  end
  local arns, share_arns = set_of(input.resourceShareInvitationArns), set_of(input.resourceShareArns)
  local found = {}
  each_invitation(context, function(invitation)
    local wanted = (not arns or arns[invitation.resourceShareInvitationArn])
      and (not share_arns or share_arns[invitation.resourceShareArn])
    if wanted then
      found[#found + 1] = invitation
    end
  end)
  local items, token = page(context, input, found, function(invitation)
    return invitation.resourceShareInvitationArn
  end)
  if not items then
    return nil, token
  end
  for i, invitation in ipairs(items) do
    items[i] = show_invitation(context, invitation)
  end
  return { resourceShareInvitations = items, nextToken = token }
end

-- An invitation of the caller, PENDING, with its principal; or a failure.
local function find_pending(context, arn)
  local fine, failure = check_arns({ arn }, INVITATION_ARN)
  if not fine then
    return nil, failure
  end
  local found, found_principal
  each_invitation(context, function(invitation, _, principal)
    if invitation.resourceShareInvitationArn == arn then
      found, found_principal = invitation, principal
    end
  end)
  local status = found and shares.invitation_status(context.world, found, context.now)
  if not found then
    return refuse.unknown_invitation("ResourceShareInvitation %s could not be found.", arn)
  elseif status == "ACCEPTED" then
    return refuse.accepted("ResourceShareInvitation %s was already accepted.", arn)
  elseif status == "REJECTED" then
    return refuse.rejected("ResourceShareInvitation %s was already rejected.", arn)
  elseif status == "EXPIRED" then
    return refuse.expired("ResourceShareInvitation %s is expired.", arn)
  end
  return found, found_principal
end

local function answer(context, input, status)
  local invitation, principal = find_pending(context, input.resourceShareInvitationArn)
  if not invitation then
    return nil, principal
  end
  invitation.status = status
  principal.lastUpdatedTime = state.timestamp(context.now)
  return { resourceShareInvitation = show_invitation(context, invitation), clientToken = input.clientToken }
end

function handlers.AcceptResourceShareInvitation(context, input)
  return answer(context, input, "ACCEPTED")
end

function handlers.RejectResourceShareInvitation(context, input)
  return answer(context, input, "REJECTED")
end

-- The organization ------------------------------------------------------------------------------------------------

function handlers.EnableSharingWithAwsOrganization(context)
  -- [documented, RAM API reference] only the organization's management account can enable it
  if context.store.account ~= context.settings.organization.management then
    return refuse.not_permitted "Only the management account of an organization can enable sharing within it."
  end
  context.world.shares_in_organization = true
  return { returnValue = true }
end

return handlers
