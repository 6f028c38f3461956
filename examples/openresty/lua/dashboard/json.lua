--- What the API answers, by shape. The library's own codec writes it, so that an empty list is `[]` and no other JSON
-- library is needed; backups and tags keep the names and shapes that AWS gave them.

local codec = require "cloudhsmv2.codec"
local model = require "cloudhsmv2.model"

local json = {}

local function structure(...)
  local members, order = {}, {}
  for _, member in ipairs { ... } do
    local name, shape = member:match "^([%w_]+):?(%w*)$"
    members[name] = { shape = shape ~= "" and shape or name }
    order[#order + 1] = name
  end
  return { type = "structure", members = members, order = order }
end

local function list(shape)
  return { type = "list", member = { shape = shape } }
end

local shapes = {
  -- no PreCoPassword and no certificates: nobody needs them on a page
  ListedCluster = structure(
    "ClusterId",
    "State:ClusterState",
    "StateMessage",
    "HsmType",
    "Mode:ClusterMode",
    "CreateTimestamp:Timestamp",
    "BackupRetentionPolicy",
    "Hsms:ListedHsms",
    "SourceBackupId:BackupId",
    "TagList"
  ),
  ListedClusters = list "ListedCluster",
  ListedHsm = structure("HsmId", "State:HsmState", "StateMessage", "AvailabilityZone:ExternalAz"),
  ListedHsms = list "ListedHsm",

  BackupsResponse = structure("Backups", "NextToken:Text"),
  ClustersResponse = structure("Clusters:ListedClusters", "NextToken:Text"),
  ErrorResponse = structure "error:Failure",
  Failure = structure("kind:Text", "code:Text", "message:Text", "request_id:Text"),

  SummaryResponse = structure(
    "CheckedAt:Timestamp",
    "Region:Text",
    "LimitHours:Number",
    "Backups:Counts",
    "Clusters:Counts",
    "Hsms:Counts",
    "Lanes"
  ),
  Counts = list "Count",
  Count = structure("State:Text", "Count:Whole"),
  Lanes = list "Lane",
  Lane = structure(
    "ClusterId",
    "Name:Text",
    "State:Text",
    "HsmType:Text",
    "Mode:Text",
    "Hsms:Counts",
    "NewestReady:Timestamp",
    "Stale:Boolean",
    "Days"
  ),
  Days = list "Day",
  Day = structure("Date:Text", "Ready:Whole", "Creating:Whole", "Deleting:Whole"),

  Text = { type = "string" },
  Whole = { type = "integer" },
  Number = { type = "double" },
}

for name, shape in pairs(model.shapes) do
  shapes[name] = shapes[name] or shape
end

local compiled = codec.compile(shapes)

-- Members that the shape has: others, secret or new, stay here.
local function project(shape, value)
  local kept = {}
  for name in pairs(shapes[shape].members) do
    kept[name] = value[name]
  end
  return kept
end

--- What the page may see of a backup.
function json.backup(backup)
  return project("Backup", backup)
end

--- What the page may see of a cluster.
function json.cluster(cluster)
  local kept = project("ListedCluster", cluster)
  kept.Hsms = {}
  for i, hsm in ipairs(cluster.Hsms or {}) do
    kept.Hsms[i] = project("ListedHsm", hsm)
  end
  return kept
end

--- @tparam string shape
-- @tparam table value
-- @treturn string JSON
-- @raise when the value does not fit its shape: a mistake of this program
function json.encode(shape, value)
  return assert(compiled:encode(shape, value))
end

--- The reverse of `encode`.
function json.decode(shape, text)
  return assert(compiled:decode(shape, text))
end

return json
