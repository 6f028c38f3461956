--- CreateHsm, DeleteHsm. HSMs are read through DescribeClusters.
--
-- | behaviour | how sure |
-- | --- | --- |
-- | one HSM only until the cluster is activated | measured by others, with that text |
-- | HSMs can be added in UNINITIALIZED, ACTIVE and DEGRADED | measured by others |
-- | none can be added or removed while the type changes | documented |
-- | 6 HSMs in a region and account, 28 in a cluster | documented |
-- | exactly one of HsmId, EniId and EniIp | documented |
-- | a deleted HSM stays listed as DELETE_IN_PROGRESS for a while | measured by others |
-- | the interface and its address are in the first answer | documented |
-- | HSMs that are being deleted do not count against quotas | assumed |
--
-- @module cloudhsmv2.emulator.handlers.hsms

local fault = require "cloudhsmv2.emulator.fault"
local lifecycle = require "cloudhsmv2.emulator.lifecycle"
local network = require "cloudhsmv2.emulator.network"
local view = require "cloudhsmv2.emulator.view"

local hsms = {}

local ACCEPTING = { UNINITIALIZED = true, ACTIVE = true, DEGRADED = true }
local CHANGING = { MODIFY_IN_PROGRESS = true, ROLLBACK_IN_PROGRESS = true, INITIALIZE_IN_PROGRESS = true }

local function find_cluster(context, cluster_id)
  local cluster = context.store.clusters:get(cluster_id)
  if not cluster or cluster.State == "DELETED" then
    return fault.not_found("The cluster %s was not found.", cluster_id)
  end
  return cluster
end

local function count(cluster)
  local total = 0
  for _, hsm in ipairs(cluster.hsms) do
    total = total + (hsm.State == "DELETE_IN_PROGRESS" and 0 or 1)
  end
  return total
end

local function check_state(cluster)
  if (cluster.State == "UNINITIALIZED" and #cluster.hsms > 0) or cluster.State == "INITIALIZED" then
    local text = "The cluster %s already contains an HSM but has not yet been fully activated."
    return fault.invalid(text, cluster.ClusterId)
  elseif not ACCEPTING[cluster.State] then
    return fault.invalid("HSMs cannot be added to the cluster %s in state %s.", cluster.ClusterId, cluster.State)
  end
  return true
end

local function check_quotas(context, cluster)
  local quotas = context.settings.quotas
  local total = 0
  for other in context.store.clusters:each(true) do
    total = total + count(other)
  end
  if total >= quotas.hsms then
    return fault.invalid("The limit of %d HSMs in this region is reached.", quotas.hsms)
  elseif count(cluster) >= quotas.hsms_per_cluster then
    return fault.invalid("The limit of %d HSMs in a cluster is reached.", quotas.hsms_per_cluster)
  end
  return true
end

local function new_hsm(context, cluster, subnet_id, input)
  local world = context.world
  return {
    AvailabilityZone = input.AvailabilityZone,
    ClusterId = cluster.ClusterId,
    SubnetId = subnet_id,
    EniId = world.random:ec2_id "eni",
    EniIp = input.IpAddress or network.free_address(context.store, subnet_id),
    EniIpV6 = cluster.NetworkType == "DUALSTACK" and network.ipv6_address(world) or nil,
    HsmId = world:new_id "hsm",
    HsmType = cluster.HsmType,
    State = "CREATE_IN_PROGRESS",
  }
end

function hsms.CreateHsm(context, input)
  local cluster, failure = find_cluster(context, input.ClusterId)
  if not cluster then
    return nil, failure
  end
  local fine
  fine, failure = check_state(cluster)
  if not fine then
    return nil, failure
  end
  local subnet_id = cluster.SubnetMapping[input.AvailabilityZone]
  if not subnet_id then
    local text = "The cluster %s has no subnet in the Availability Zone %s."
    return fault.invalid(text, cluster.ClusterId, input.AvailabilityZone)
  elseif input.IpAddress and not network.is_free(context.store, input.IpAddress) then
    return fault.invalid("The IP address %s is not available.", input.IpAddress)
  end
  fine, failure = check_quotas(context, cluster)
  if not fine then
    return nil, failure
  end

  local world, times = context.world, context.world.times
  local first = #lifecycle.active_hsms(cluster) == 0
  local hsm = new_hsm(context, cluster, subnet_id, input)
  cluster.hsms[#cluster.hsms + 1] = hsm
  world:after("hsm_created", context.store, context.now, times.hsm_creation, {
    cluster = cluster.ClusterId,
    hsm = hsm.HsmId,
    first = first,
    fails = world:take_failure "hsm",
  })
  if cluster.State == "ACTIVE" and not first then
    world:after("join_backup", context.store, context.now, times.join_backup, { cluster = cluster.ClusterId })
  end
  return { Hsm = view.hsm(hsm) }
end

-- The HSM that a request means, or a failure.
local function find_hsm(cluster, input)
  local named, member = 0, nil
  for _, name in ipairs { "HsmId", "EniId", "EniIp" } do
    if input[name] then
      named = named + 1
      member = name
    end
  end
  if named ~= 1 then
    return fault.invalid "Name the HSM by exactly one of HsmId, EniId and EniIp."
  end
  for _, hsm in ipairs(cluster.hsms) do
    if hsm[member] == input[member] and hsm.State ~= "DELETE_IN_PROGRESS" then
      return hsm
    end
  end
  return fault.not_found("The cluster %s has no HSM with the %s %s.", cluster.ClusterId, member, input[member])
end

function hsms.DeleteHsm(context, input)
  local cluster, failure = find_cluster(context, input.ClusterId)
  if not cluster then
    return nil, failure
  end
  local hsm
  hsm, failure = find_hsm(cluster, input)
  if not hsm then
    return nil, failure
  elseif CHANGING[cluster.State] then
    return fault.invalid("HSMs cannot be removed from the cluster %s in state %s.", cluster.ClusterId, cluster.State)
  end

  local world = context.world
  if cluster.State == "ACTIVE" and hsm.State == "ACTIVE" then
    lifecycle.begin_backup(world, context.store, cluster, context.now)
  end
  hsm.State = "DELETE_IN_PROGRESS"
  hsm.StateMessage = nil
  if cluster.State == "UNINITIALIZED" then
    cluster.Certificates = {}
  end
  world:after("hsm_deleted", context.store, context.now, world.times.hsm_deletion, {
    cluster = cluster.ClusterId,
    hsm = hsm.HsmId,
  })
  return { HsmId = hsm.HsmId }
end

return hsms
