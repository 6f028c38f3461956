--- CreateCluster, DeleteCluster, DescribeClusters, InitializeCluster, ModifyCluster.
-- What is known of each rule, and how, stands beside the code; `make behaviours` gathers it in doc/emulator-behaviour.md.
-- @module cloudhsmv2.emulator.handlers.clusters

local fault = require "cloudhsmv2.emulator.fault"
local filtering = require "cloudhsmv2.emulator.filtering"
local lifecycle = require "cloudhsmv2.emulator.lifecycle"
local network = require "cloudhsmv2.emulator.network"
local paging = require "cloudhsmv2.emulator.paging"
local shares = require "cloudhsmv2.emulator.shares"
local state = require "cloudhsmv2.emulator.state"
local tagging = require "cloudhsmv2.emulator.tagging"
local view = require "cloudhsmv2.emulator.view"

local OLD_TYPE = "hsm1.medium"
local HSM_TYPES = { [OLD_TYPE] = true, ["hsm2m.medium"] = true }
local MIN_RETENTION, MAX_RETENTION, DEFAULT_RETENTION = 7, 379, 90 -- days
local MAX_HSMS_TO_MIGRATE = 27
local RESTORE = "cloudhsm:CreateCluster" -- what a policy has to allow
local DELETABLE = { UNINITIALIZED = true, INITIALIZED = true, ACTIVE = true, DEGRADED = true }

local FILTERS = {
  clusterIds = function(cluster, wanted)
    return wanted[cluster.ClusterId]
  end,
  vpcIds = function(cluster, wanted)
    return wanted[cluster.VpcId]
  end,
  states = function(cluster, wanted)
    return wanted[cluster.State]
  end,
}

local clusters = {}

-- A cluster that is still there, or a failure.
local function find(context, cluster_id)
  local cluster = context.store.clusters:get(cluster_id)
  if not cluster or cluster.State == "DELETED" then
    -- [observed, measured] a cluster that is not there is CloudHsmResourceNotFoundException, in DeleteCluster
    -- [assumed] so it is in InitializeCluster and ModifyCluster, and where the cluster is DELETED and still listed
    return fault.not_found("The cluster %s was not found.", cluster_id)
  end
  return cluster
end

local function check_retention(policy)
  if not policy then
    -- [documented, user guide] backups are kept for 90 days where nothing else is said
    return { Type = "DAYS", Value = tostring(DEFAULT_RETENTION) }
  end
  local days = tonumber(policy.Value)
  if not days then
    -- [assumed] a policy without a Value is refused
    return fault.invalid "The BackupRetentionPolicy needs a Value."
  elseif days < MIN_RETENTION or days > MAX_RETENTION then
    -- [documented, user guide] backups are kept for 7 to 379 days
    local text = "The backup retention must be between %d and %d days."
    return fault.invalid(text, MIN_RETENTION, MAX_RETENTION)
  end
  return { Type = "DAYS", Value = ("%d"):format(days) }
end

local function set_retention(store, cluster, policy)
  cluster.BackupRetentionPolicy = policy
  store.retention[cluster.ClusterId] = tonumber(policy.Value)
end

local function check_type(settings, input)
  if not HSM_TYPES[input.HsmType] then
    -- [assumed] an HSM type that there is not is refused
    return fault.invalid("The HSM type %s is not available.", input.HsmType)
  elseif input.HsmType == OLD_TYPE and not settings.allow_hsm1 then
    -- [observed, measured] hsm1.medium cannot be created any more (`allow_hsm1`)
    return fault.invalid("New clusters of the HSM type %s can no longer be created.", OLD_TYPE)
  elseif input.HsmType == OLD_TYPE and input.Mode == "NON_FIPS" then
    -- [documented, user guide] hsm1.medium is in FIPS mode
    return fault.invalid("Clusters of the HSM type %s are in FIPS mode.", OLD_TYPE)
  elseif input.HsmType ~= OLD_TYPE and not input.Mode then
    -- [documented, API reference] Mode is required for every type but hsm1.medium, though the model does not say so
    return fault.invalid("Mode is required for clusters of the HSM type %s.", input.HsmType)
  end
  return true
end

-- Subnets by Availability Zone, and their VPC, or a failure.
local function map_subnets(context, subnet_ids)
  local mapping, vpc = {}, nil
  for _, subnet_id in ipairs(subnet_ids) do
    local zone, subnet_vpc = network.locate(context.settings, context.store, subnet_id)
    if mapping[zone] then
      -- [documented, API reference] a cluster has at most one subnet in an Availability Zone
      return fault.invalid("More than one subnet is in the Availability Zone %s.", zone)
    elseif vpc and vpc ~= subnet_vpc then
      -- [documented, API reference] all subnets of a cluster are in one VPC
      return fault.invalid "The subnets are not all in the same VPC."
    end
    mapping[zone] = subnet_id
    vpc = subnet_vpc
  end
  return { mapping = mapping, vpc = vpc }
end

-- A backup by id or ARN, if the caller may make a cluster of it.
local function find_source(context, id_or_arn)
  local region, account, backup_id = id_or_arn:match "^arn:[^:]+:cloudhsm:([^:]+):(%d+):backup/(.+)$"
  local store = context.store
  if region and region ~= store.region then
    -- [assumed] a backup of another region is refused
    return fault.invalid("The backup %s is in another region.", id_or_arn)
  elseif account and account ~= store.account then
    store = context.world:store(account, region)
  end
  local backup = store.backups:get(backup_id or id_or_arn)
  if not backup or backup.BackupState == "DELETED" then
    -- [assumed] a SourceBackupId that is not there is CloudHsmResourceNotFoundException
    return fault.not_found("The backup %s was not found.", id_or_arn)
  elseif store ~= context.store and not shares.allow(context.world, store, backup, context.store.account, RESTORE) then
    -- [documented, user guide] another account's backup is restored by its ARN, once its policy allows it
    -- [assumed] without such a policy the answer is CloudHsmAccessDeniedException
    return fault.denied("The backup %s is not shared with this account.", id_or_arn)
  end
  return backup
end

local function check_source(backup, input)
  if backup.BackupState ~= "READY" then
    -- [assumed] only a READY backup can be restored
    return fault.invalid("The backup %s is not READY.", backup.BackupId)
  elseif backup.Mode and backup.Mode ~= (input.Mode or "FIPS") then
    -- [documented, user guide] the Mode of a restored cluster is that of the backup
    return fault.invalid("The backup is of a cluster in %s mode; the new cluster must have the same mode.", backup.Mode)
  elseif backup.HsmType ~= OLD_TYPE and input.HsmType == OLD_TYPE then
    -- [documented, user guide] an hsm1.medium backup may become an hsm2m.medium cluster
    -- [assumed] an hsm2m.medium backup becomes no hsm1.medium cluster
    return fault.invalid("A backup of %s cannot be restored to %s.", backup.HsmType, OLD_TYPE)
  end
  return true
end

local function count_clusters(store)
  local count = 0
  for cluster in store.clusters:each(true) do
    count = count + (cluster.State == "DELETED" and 0 or 1)
  end
  return count
end

local function new_cluster(context, input, subnets, source)
  -- [documented, API reference] the answer shows the cluster CREATE_IN_PROGRESS, its subnets by Availability Zone
  -- [documented, user guide] a cluster made from a backup has the ClusterCertificate of its source at once
  -- [assumed] without a NetworkType it is IPV4; without a Mode, for hsm1.medium, FIPS
  return {
    BackupPolicy = "DEFAULT",
    ClusterId = context.world:new_id "cluster",
    CreateTimestamp = state.timestamp(context.now),
    HsmType = input.HsmType,
    Mode = input.Mode or "FIPS",
    NetworkType = input.NetworkType or "IPV4",
    SourceBackupId = source and source.BackupId,
    State = "CREATE_IN_PROGRESS",
    SubnetMapping = subnets.mapping,
    VpcId = subnets.vpc,
    Certificates = { ClusterCertificate = source and source.certificate },
    SecurityGroup = context.settings.security_group == "first" and context.world.random:ec2_id "sg" or nil,
    hsms = {},
    tags = tagging.new(input.TagList),
    listed_from = context.now + context.world.times.listing_lag,
  }
end

function clusters.CreateCluster(context, input)
  local fine, failure = check_type(context.settings, input)
  if not fine then
    return nil, failure
  end
  local retention, subnets, source
  retention, failure = check_retention(input.BackupRetentionPolicy)
  if not retention then
    return nil, failure
  end
  subnets, failure = map_subnets(context, input.SubnetIds)
  if not subnets then
    return nil, failure
  end
  fine, failure = tagging.check(input.TagList)
  if not fine then
    return nil, failure
  end
  if input.SourceBackupId then
    source, failure = find_source(context, input.SourceBackupId)
    if not source then
      return nil, failure
    end
    fine, failure = check_source(source, input)
    if not fine then
      return nil, failure
    end
  end
  if count_clusters(context.store) >= context.settings.quotas.clusters then
    -- [documented, user guide] at most 4 clusters in a region of an account (`quotas.clusters`)
    -- [assumed] one cluster too many is CloudHsmInvalidRequestException
    return fault.invalid("The limit of %d clusters in this region is reached.", context.settings.quotas.clusters)
  end

  local cluster = new_cluster(context, input, subnets, source)
  set_retention(context.store, cluster, retention)
  context.store.clusters:insert(cluster)
  context.world:after("cluster_created", context.store, context.now, context.world.times.cluster_creation, {
    cluster = cluster.ClusterId,
  })
  return { Cluster = view.cluster(cluster, context.now) }
end

function clusters.DeleteCluster(context, input)
  local cluster, failure = find(context, input.ClusterId)
  if not cluster then
    return nil, failure
  elseif #cluster.hsms > 0 then
    -- [documented, API reference] a cluster with HSMs cannot be deleted
    -- [observed, measured] nor can a cluster whose HSMs are still listed as being deleted
    return fault.invalid("The cluster %s cannot be deleted while it has HSMs.", cluster.ClusterId)
  elseif not DELETABLE[cluster.State] then
    -- [assumed] a cluster can be deleted when it is UNINITIALIZED, INITIALIZED, ACTIVE or DEGRADED
    return fault.invalid("The cluster %s cannot be deleted in state %s.", cluster.ClusterId, cluster.State)
  end
  -- [observed, recorded] DeleteCluster answers DELETE_IN_PROGRESS and its StateMessage
  cluster.State = "DELETE_IN_PROGRESS"
  cluster.StateMessage = "The cluster is being deleted."
  context.world:after("cluster_deleted", context.store, context.now, context.world.times.cluster_deletion, {
    cluster = cluster.ClusterId,
  })
  return { Cluster = view.cluster(cluster, context.now) }
end

function clusters.DescribeClusters(context, input)
  -- [documented, API model] filters clusterIds, vpcIds and states: all have to match, of the values of one any
  -- [observed, measured] an id that is not there gives an empty list
  -- [observed, recorded] the order is not that of creation; here it is that of ids
  local matches, failure = filtering.compile(context.settings, FILTERS, input.Filters)
  if not matches then
    return nil, failure
  end
  local items, token = paging.page(context, input, {
    query = paging.fingerprint(input.Filters),
    size = context.settings.page_sizes.clusters,
    each = function(cursor)
      return context.store.clusters:each(true, cursor and { ClusterId = cursor })
    end,
    cursor = function(cluster)
      return cluster.ClusterId
    end,
    accept = function(cluster)
      return cluster.listed_from <= context.now and matches(cluster)
    end,
  })
  if not items then
    return nil, token
  end
  for i, cluster in ipairs(items) do
    items[i] = view.cluster(cluster, context.now)
  end
  return { Clusters = items, NextToken = token }
end

function clusters.InitializeCluster(context, input)
  local cluster, failure = find(context, input.ClusterId)
  if not cluster then
    return nil, failure
  elseif cluster.State ~= "UNINITIALIZED" then
    -- [documented, user guide] only an UNINITIALIZED cluster is initialized
    return fault.invalid("The cluster %s is not UNINITIALIZED.", cluster.ClusterId)
  elseif not cluster.Certificates.ClusterCsr or #lifecycle.active_hsms(cluster) == 0 then
    -- [documented, user guide] a cluster needs an HSM that is ACTIVE, whose CSR was signed
    return fault.invalid("The cluster %s has no active HSM to initialize.", cluster.ClusterId)
  end
  local csr = cluster.Certificates.ClusterCsr
  local problem = context.settings.pki:problem(csr, input.SignedCert, input.TrustAnchor, context.now)
  if problem then
    -- [assumed] certificates that do not fit are refused at once, with CloudHsmInvalidRequestException
    return fault.invalid("%s", problem)
  end
  -- [documented, API reference] InitializeCluster answers INITIALIZE_IN_PROGRESS and its StateMessage
  cluster.State = "INITIALIZE_IN_PROGRESS"
  cluster.StateMessage = "Cluster is initializing. State will change to INITIALIZED upon completion."
  cluster.signed_certificate = input.SignedCert
  context.world:after("initialized", context.store, context.now, context.world.times.initialization, {
    cluster = cluster.ClusterId,
    fails = context.world:take_failure "initialization",
  })
  return { State = cluster.State, StateMessage = cluster.StateMessage }
end

local function change_type(context, cluster, hsm_type)
  if cluster.State ~= "ACTIVE" then
    -- [documented, user guide] the HSM type can be changed while the cluster is ACTIVE only
    return fault.invalid("The HSM type of the cluster %s can be changed only while it is ACTIVE.", cluster.ClusterId)
  elseif not HSM_TYPES[hsm_type] then
    -- [assumed] a change to an HSM type that there is not is refused
    return fault.invalid("The HSM type %s is not available.", hsm_type)
  elseif hsm_type == cluster.HsmType then
    -- [assumed] a change to the HSM type that the cluster has is refused
    return fault.invalid("The cluster %s already has the HSM type %s.", cluster.ClusterId, hsm_type)
  elseif hsm_type == OLD_TYPE then
    if not cluster.HsmTypeRollbackExpiration then
      -- [documented, user guide] back to hsm1.medium a cluster goes only within 24 hours after it was changed from it
      return fault.invalid("The cluster %s cannot be rolled back to %s.", cluster.ClusterId, hsm_type)
    end
    lifecycle.begin_rollback(context.world, context.store, cluster, context.now)
    return true
  elseif #cluster.hsms > MAX_HSMS_TO_MIGRATE then
    -- [documented, user guide] a cluster of more than 27 HSMs cannot change its type
    return fault.invalid("A cluster of more than %d HSMs cannot change its HSM type.", MAX_HSMS_TO_MIGRATE)
  end
  lifecycle.begin_migration(context.world, context.store, cluster, hsm_type, context.now)
  return true
end

function clusters.ModifyCluster(context, input)
  local cluster, failure = find(context, input.ClusterId)
  if not cluster then
    return nil, failure
  elseif cluster.State == "DELETE_IN_PROGRESS" then
    -- [assumed] a cluster that is being deleted cannot be changed
    return fault.invalid("The cluster %s is being deleted.", cluster.ClusterId)
  elseif not input.HsmType and not input.BackupRetentionPolicy then
    -- [assumed] a request that changes nothing is refused
    return fault.invalid "Nothing to modify: give a BackupRetentionPolicy or an HsmType."
  end

  local retention, changed
  if input.BackupRetentionPolicy then
    retention, failure = check_retention(input.BackupRetentionPolicy)
    if not retention then
      return nil, failure
    end
  end
  if input.HsmType then
    changed, failure = change_type(context, cluster, input.HsmType)
    if not changed then
      return nil, failure
    end
  end
  if retention then
    -- [documented, user guide] a new retention policy holds at once, and changes no state
    set_retention(context.store, cluster, retention)
  end
  return { Cluster = view.cluster(cluster, context.now) }
end

return clusters
