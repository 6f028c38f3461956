--- As much of AWS Resource Access Manager as sharing backups takes: operations and shapes in the vocabulary of AWS's models.
-- Source: the service model `ram-2018-01-04`, as AWS publishes it with its SDKs.
-- @module cloudhsmv2.emulator.ram.model

-- A structure: its members, in order. `Name:Shape`, or `Name` for a string; `!` means required.
local function structure(members)
  local shape = { type = "structure", members = {}, order = {} }
  for name, colon, target, required in members:gmatch "([A-Za-z]+)(:?)([A-Za-z]*)(!?)" do
    shape.members[name] = { shape = colon == ":" and target or "String" }
    shape.order[#shape.order + 1] = name
    if required == "!" then
      shape.required = shape.required or {}
      table.insert(shape.required, name)
    end
  end
  return shape
end

local function list(member)
  return { type = "list", member = { shape = member } }
end

local function enum(names)
  local values = {}
  for name in names:gmatch "%S+" do
    values[#values + 1] = name
  end
  return { type = "string", enum = values }
end

local shapes = {
  String = { type = "string" },
  Strings = list "String",
  Boolean = { type = "boolean" },
  DateTime = { type = "timestamp" },
  MaxResults = { type = "integer", min = 1, max = 500 },
  ResourceOwner = enum "SELF OTHER-ACCOUNTS",
  ResourceShareStatus = enum "PENDING ACTIVE FAILED DELETING DELETED",
  AssociationType = enum "PRINCIPAL RESOURCE SOURCE",
  AssociationStatus = enum "ASSOCIATING ASSOCIATED FAILED DISASSOCIATING DISASSOCIATED SUSPENDED SUSPENDING RESTORING",
  RegionScope = enum "ALL REGIONAL GLOBAL",

  Tag = structure "key value",
  Tags = list "Tag",
  TagFilter = structure "tagKey tagValues:Strings",
  TagFilters = list "TagFilter",
  Resource = structure "arn type resourceShareArn status statusMessage creationTime:DateTime lastUpdatedTime:DateTime resourceRegionScope",
  Resources = list "Resource",
  ResourceShare = structure(
    "resourceShareArn name owningAccountId allowExternalPrincipals:Boolean status statusMessage tags:Tags "
      .. "creationTime:DateTime lastUpdatedTime:DateTime featureSet"
  ),
  ResourceShares = list "ResourceShare",
  Association = structure(
    "resourceShareArn resourceShareName associatedEntity associationType status statusMessage creationTime:DateTime "
      .. "lastUpdatedTime:DateTime external:Boolean"
  ),
  Associations = list "Association",
  Permission = structure(
    "arn version defaultVersion:Boolean name resourceType status creationTime:DateTime lastUpdatedTime:DateTime "
      .. "isResourceTypeDefault:Boolean permissionType featureSet"
  ),
  Permissions = list "Permission",
  Invitation = structure(
    "resourceShareInvitationArn resourceShareName resourceShareArn senderAccountId receiverAccountId "
      .. "invitationTimestamp:DateTime status receiverArn"
  ),
  Invitations = list "Invitation",
  Empty = structure "",
  Failure = structure "message",
  Done = structure "returnValue:Boolean clientToken",

  ListResourcesRequest = structure(
    "resourceOwner:ResourceOwner! principal resourceType resourceArns:Strings resourceShareArns:Strings nextToken "
      .. "maxResults:MaxResults resourceRegionScope:RegionScope"
  ),
  ListResourcesResponse = structure "resources:Resources nextToken",
  GetResourceSharesRequest = structure(
    "resourceShareArns:Strings resourceShareStatus:ResourceShareStatus resourceOwner:ResourceOwner! name "
      .. "tagFilters:TagFilters nextToken maxResults:MaxResults permissionArn"
  ),
  GetResourceSharesResponse = structure "resourceShares:ResourceShares nextToken",
  GetResourceShareAssociationsRequest = structure(
    "associationType:AssociationType! resourceShareArns:Strings resourceArn principal "
      .. "associationStatus:AssociationStatus nextToken maxResults:MaxResults"
  ),
  GetResourceShareAssociationsResponse = structure "resourceShareAssociations:Associations nextToken",
  ListResourceSharePermissionsRequest = structure "resourceShareArn! nextToken maxResults:MaxResults",
  ListResourceSharePermissionsResponse = structure "permissions:Permissions nextToken",
  PromoteResourceShareCreatedFromPolicyRequest = structure "resourceShareArn!",
  PromotePermissionCreatedFromPolicyRequest = structure "permissionArn! name! clientToken",
  PromotePermissionCreatedFromPolicyResponse = structure "permission:Permission clientToken",
  CreateResourceShareRequest = structure(
    "name! resourceArns:Strings principals:Strings tags:Tags allowExternalPrincipals:Boolean clientToken "
      .. "permissionArns:Strings"
  ),
  CreateResourceShareResponse = structure "resourceShare:ResourceShare clientToken",
  AssociateResourceShareRequest = structure "resourceShareArn! resourceArns:Strings principals:Strings clientToken",
  AssociateResourceShareResponse = structure "resourceShareAssociations:Associations clientToken",
  DeleteResourceShareRequest = structure "resourceShareArn! clientToken",
  GetResourceShareInvitationsRequest = structure(
    "resourceShareInvitationArns:Strings resourceShareArns:Strings nextToken " .. "maxResults:MaxResults"
  ),
  GetResourceShareInvitationsResponse = structure "resourceShareInvitations:Invitations nextToken",
  AnswerInvitationRequest = structure "resourceShareInvitationArn! clientToken",
  AnswerInvitationResponse = structure "resourceShareInvitation:Invitation clientToken",
}

-- An operation: its input and output shapes, and when not POST or in the query string, how its parameters come.
local function operation(input, output, fields)
  local out = { input = input, output = output, method = "POST", in_query = false }
  for name, value in pairs(fields or {}) do
    out[name] = value
  end
  return out
end

local function usual(name, fields)
  return operation(name .. "Request", name .. "Response", fields)
end

return {
  shapes = shapes,
  operations = {
    AcceptResourceShareInvitation = operation("AnswerInvitationRequest", "AnswerInvitationResponse"),
    AssociateResourceShare = usual "AssociateResourceShare",
    CreateResourceShare = usual "CreateResourceShare",
    DeleteResourceShare = operation("DeleteResourceShareRequest", "Done", { method = "DELETE", in_query = true }),
    DisassociateResourceShare = operation("AssociateResourceShareRequest", "AssociateResourceShareResponse"),
    EnableSharingWithAwsOrganization = operation("Empty", "Done"),
    GetResourceShareAssociations = usual "GetResourceShareAssociations",
    GetResourceShareInvitations = usual "GetResourceShareInvitations",
    GetResourceShares = usual "GetResourceShares",
    ListResourceSharePermissions = usual "ListResourceSharePermissions",
    ListResources = usual "ListResources",
    PromotePermissionCreatedFromPolicy = usual "PromotePermissionCreatedFromPolicy",
    PromoteResourceShareCreatedFromPolicy = operation(
      "PromoteResourceShareCreatedFromPolicyRequest",
      "Done",
      { in_query = true }
    ),
    RejectResourceShareInvitation = operation("AnswerInvitationRequest", "AnswerInvitationResponse"),
  },
}
