--- Records as the API shows them: absent members are absent, never null.
--
-- | behaviour | how sure |
-- | --- | --- |
-- | `Hsms` and `TagList` are `[]` when empty, `Certificates` is `{}` | recorded |
-- | retention `Value` is a string | the API's model, recorded |
-- | no SecurityGroup until the cluster is settled | recorded |
-- | PreCoPassword is never shown | recorded: absent in every answer read |
-- | an account that a backup is shared with does not see its tags | assumed |
--
-- @module cloudhsmv2.emulator.view

local shapes = require("cloudhsmv2.model").shapes

local view = {}

local function pick(shape_name, record)
  local out = {}
  for member in pairs(shapes[shape_name].members) do
    out[member] = record[member]
  end
  return out
end

--- An HSM.
-- @tparam table record
-- @treturn table a value of the shape Hsm
function view.hsm(record)
  return pick("Hsm", record)
end

--- A cluster with its HSMs and tags.
-- @tparam table record
-- @treturn table a value of the shape Cluster
function view.cluster(record)
  local out = pick("Cluster", record)
  out.Hsms = {}
  for i, hsm in ipairs(record.hsms) do
    out.Hsms[i] = view.hsm(hsm)
  end
  out.TagList = record.tags:list()
  return out
end

--- A backup with its tags, as its owner sees it.
-- @tparam table record
-- @treturn table a value of the shape Backup
function view.backup(record)
  local out = pick("Backup", record)
  out.TagList = record.tags:list()
  return out
end

--- A backup as another account sees it.
-- @tparam table record
-- @treturn table a value of the shape Backup
function view.shared_backup(record)
  return pick("Backup", record)
end

--- A resource share, as RAM shows it.
-- @tparam table record
-- @treturn table a value of the shape ResourceShare
function view.share(record)
  return {
    resourceShareArn = record.resourceShareArn,
    name = record.name,
    owningAccountId = record.owningAccountId,
    allowExternalPrincipals = record.allowExternalPrincipals,
    status = record.status,
    tags = record.tags,
    creationTime = record.creationTime,
    lastUpdatedTime = record.lastUpdatedTime,
    featureSet = record.featureSet,
  }
end

return view
