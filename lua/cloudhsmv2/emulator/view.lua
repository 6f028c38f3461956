--- Records as the API shows them: absent members are absent, never null.
--
-- What is known of each rule, and how, stands beside the code; `make behaviours` gathers it in doc/emulator-behaviour.md.
-- @module cloudhsmv2.emulator.view

local shapes = require("cloudhsmv2.model").shapes

local view = {}

local function pick(shape_name, record)
  -- [observed, recorded] members that have no value are absent, never null
  -- [observed, recorded] PreCoPassword is in no answer
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
-- @tparam number now seconds since 1970: HSMs that are listed later only are left out
-- @treturn table a value of the shape Cluster
function view.cluster(record, now)
  -- [observed, recorded] Hsms and TagList are `[]` when they are empty, Certificates is `{}`
  -- [observed, recorded] the Value of a retention policy is a string
  local out = pick("Cluster", record)
  out.Hsms = {}
  for _, hsm in ipairs(record.hsms) do
    if (hsm.listed_from or 0) <= now then
      out.Hsms[#out.Hsms + 1] = view.hsm(hsm)
    end
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
  -- [assumed] an account that a backup is shared with does not see its tags
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
