--- What became of a call that nobody knows the outcome of: looks for what it would have made.
--
-- | operation | what is looked for |
-- | --- | --- |
-- | CreateCluster | clusters made since, with the same type, subnets, source and tags |
-- | CreateHsm | an HSM with the same IP address; else those of the zone, but for the ones that were known before |
-- | CopyBackupToRegion | copies of the backup in the destination region, made since |
-- | InitializeCluster | whether the cluster has left UNINITIALIZED |
-- | ModifyCluster with HsmType | whether the cluster has the type, or is on its way to it |
--
-- What was just made may not be listed for a while, so it is looked for again and again before it counts as not there.
--
-- @module cloudhsmv2.reconcile

local errors = require "cloudhsmv2.errors"

local format = string.format

local DEFAULT_TIMEOUT = 60 -- seconds
local DELAY = 5 -- seconds between looks
local MARGIN = 60 -- seconds by which the clocks of the service may differ from each other
local ENDED = { DELETE_IN_PROGRESS = true, DELETED = true }

local reconcile = {}

-- A look returns a list of candidates, or nil and an error; `certain` beside it says that one candidate is the one.

local function contains_tags(found, wanted)
  local values = {}
  for _, tag in ipairs(found or {}) do
    values[tag.Key] = tag.Value
  end
  for _, tag in ipairs(wanted or {}) do
    if values[tag.Key] ~= tag.Value then
      return false
    end
  end
  return true
end

local function same_subnets(mapping, wanted)
  local left = {}
  for _, subnet in ipairs(wanted) do
    left[subnet] = true
  end
  for _, subnet in pairs(mapping or {}) do
    if not left[subnet] then
      return false
    end
    left[subnet] = nil
  end
  return next(left) == nil
end

local function all_of(client, operation, params)
  local pages, err = client:paginator(operation, params)
  if not pages then
    return nil, err
  end
  local items
  items, err = pages:collect()
  if err then
    return nil, err
  end
  return items
end

local function is_since(resource, called_at)
  return resource.CreateTimestamp == nil or resource.CreateTimestamp >= called_at - MARGIN
end

local function new_clusters(client, err)
  local params = err.params
  local clusters, problem = all_of(client, "describe_clusters", {})
  if not clusters then
    return nil, problem
  end
  local found = {}
  for _, cluster in ipairs(clusters) do
    if
      not ENDED[cluster.State]
      and is_since(cluster, err.called_at)
      and cluster.HsmType == params.HsmType
      and cluster.SourceBackupId == params.SourceBackupId
      and (params.Mode == nil or cluster.Mode == params.Mode)
      and same_subnets(cluster.SubnetMapping, params.SubnetIds)
      and contains_tags(cluster.TagList, params.TagList)
    then
      found[#found + 1] = cluster
    end
  end
  return found
end

local function the_cluster(client, err)
  local clusters, problem = all_of(client, "describe_clusters", { Filters = { clusterIds = { err.params.ClusterId } } })
  if not clusters then
    return nil, problem
  end
  return clusters[1]
end

local function new_hsms(client, err, options)
  local params = err.params
  local cluster, problem = the_cluster(client, err)
  if problem then
    return nil, problem
  end
  local known = {}
  for _, id in ipairs(options.known or {}) do
    known[id] = true
  end
  local found, arriving = {}, {}
  for _, hsm in ipairs(cluster and cluster.Hsms or {}) do
    local is_known = known[hsm.HsmId] or (hsm.EniId and known[hsm.EniId])
    if params.IpAddress and hsm.EniIp == params.IpAddress and not ENDED[hsm.State] then
      return { hsm }
    elseif hsm.AvailabilityZone == params.AvailabilityZone and not is_known and not ENDED[hsm.State] then
      found[#found + 1] = hsm
      arriving[#arriving + 1] = hsm.State == "CREATE_IN_PROGRESS" and hsm or nil
    end
  end
  if params.IpAddress then
    return {}
  elseif options.known then
    return found
  end
  return #arriving > 0 and arriving or found, nil, #arriving == 0
end

local function new_copies(client, err)
  local params = err.params
  local there, problem = client:in_region(params.DestinationRegion)
  if not there then
    return nil, problem
  end
  local backups
  backups, problem = all_of(there, "describe_backups", { Filters = { sourceBackupIds = { params.BackupId } } })
  there:close()
  if not backups then
    return nil, problem
  end
  local found = {}
  for _, backup in ipairs(backups) do
    if not ENDED[backup.BackupState] and (backup.CopyTimestamp or math.huge) >= err.called_at - MARGIN then
      found[#found + 1] = backup
    end
  end
  return found
end

local function initialized(client, err)
  local cluster, problem = the_cluster(client, err)
  if problem then
    return nil, problem
  end
  return cluster and cluster.State ~= "UNINITIALIZED" and not ENDED[cluster.State] and { cluster } or {}
end

local function modified(client, err)
  local cluster, problem = the_cluster(client, err)
  if problem then
    return nil, problem
  end
  local is_under_way = cluster and (cluster.State == "MODIFY_IN_PROGRESS" or cluster.State == "ROLLBACK_IN_PROGRESS")
  return cluster and (is_under_way or cluster.HsmType == err.params.HsmType) and { cluster } or {}
end

local LOOKS = {
  CreateCluster = new_clusters,
  CreateHsm = new_hsms,
  CopyBackupToRegion = new_copies,
  InitializeCluster = initialized,
  ModifyCluster = modified,
}

-- The error of a search that does not lead to one thing.
local function unsure(err, candidates, what)
  local made = errors.new {
    kind = "ambiguous",
    code = err.code,
    operation = err.operation,
    message = format("%s; %s", what, err.reconcile or "look at them before calling again"),
    cause = err,
    sent = err.sent,
  }
  made.reconcile, made.params, made.called_at, made.candidates = err.reconcile, err.params, err.called_at, candidates
  return nil, made
end

--- Finds out what became of a call. Only reads.
-- @function client:reconcile
-- @tparam table err an error of kind `ambiguous` that a call of this client returned
-- @tparam[opt] table options
-- @tparam[opt=60] number options.timeout seconds to go on looking before the thing counts as not there
-- @tparam[opt] table options.known for CreateHsm: the ids (`HsmId` or `EniId`) of the HSMs that were there before
-- @treturn[1] table the resource: it was done, do not call again
-- @treturn[2] nil it is not there: the call may be made again
-- @treturn[3] nil
-- @treturn[3] table an error object: a search that failed, or of kind `ambiguous` with `candidates`, where more than one
-- resource may be it, or nobody can tell
-- @usage
-- local out, err = client:create_cluster(params)
-- if not out and err.kind == "ambiguous" then
--   local cluster, problem = client:reconcile(err)
--   if not cluster and not problem then
--     out, err = client:create_cluster(params)
--   end
-- end
function reconcile.run(client, err, options)
  options = options or {}
  local look = errors.is(err) and err.kind == "ambiguous" and LOOKS[err.operation]
  if not look or not err.params then
    local message = "reconcile: give an error of kind ambiguous that a call of CloudHSM V2 returned"
    return nil, errors.new { kind = "validation", code = "InvalidParameter", message = message }
  end
  local runtime = client.runtime
  local deadline = runtime.now() + (options.timeout or DEFAULT_TIMEOUT)
  while true do
    local candidates, problem, is_unsure = look(client, err, options)
    if not candidates then
      return nil, problem
    elseif #candidates == 1 and not is_unsure then
      return candidates[1]
    elseif #candidates > 1 then
      return unsure(err, candidates, format("%d resources may be what %s made", #candidates, err.operation))
    end
    local left = deadline - runtime.now()
    if left <= 0 and #candidates == 1 then
      local what =
        "there is an HSM in the zone, and nobody knows whether it was there before: give known, the ids of those that were"
      return unsure(err, candidates, what)
    elseif left <= 0 then
      return nil
    end
    runtime.sleep(math.min(DELAY, left))
  end
end

return reconcile
