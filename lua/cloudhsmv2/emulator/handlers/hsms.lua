--- CreateHsm, DeleteHsm. HSMs are read through DescribeClusters.
--
-- What is known of each rule, and how, stands beside the code; `make behaviours` gathers it in doc/emulator-behaviour.md.
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
    -- [assumed] a cluster that is not there is CloudHsmResourceNotFoundException, in CreateHsm and DeleteHsm
    return fault.not_found("The cluster %s was not found.", cluster_id)
  end
  return cluster
end

local function count(cluster)
  -- [assumed] HSMs that are being deleted do not count against the quotas
  local total = 0
  for _, hsm in ipairs(cluster.hsms) do
    total = total + (hsm.State == "DELETE_IN_PROGRESS" and 0 or 1)
  end
  return total
end

local function check_state(cluster)
  local waits = cluster.State == "UNINITIALIZED" or cluster.State == "INITIALIZED"
  if waits and #cluster.hsms > 0 then
    -- [observed, measured] a second HSM is refused until the cluster is activated: it "already contains an HSM but has not
    --   yet been fully activated"
    local text = "The cluster %s already contains an HSM but has not yet been fully activated."
    return fault.invalid(text, cluster.ClusterId)
  elseif not ACCEPTING[cluster.State] then
    -- [observed, measured] HSMs can be added in UNINITIALIZED, ACTIVE and DEGRADED
    -- [documented, user guide] no HSM is added while the HSM type changes
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
    -- [documented, user guide] at most 6 HSMs in a region of an account (`quotas.hsms`)
    return fault.invalid("The limit of %d HSMs in this region is reached.", quotas.hsms)
  elseif count(cluster) >= quotas.hsms_per_cluster then
    -- [documented, user guide] at most 28 HSMs in a cluster (`quotas.hsms_per_cluster`)
    return fault.invalid("The limit of %d HSMs in a cluster is reached.", quotas.hsms_per_cluster)
  end
  return true
end

local function new_hsm(context, cluster, subnet_id, input)
  -- [documented, API reference] CreateHsm answers with the HSM CREATE_IN_PROGRESS, its interface and address
  -- [documented, API model] in a dual-stack cluster it has an IPv6 address too
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
    listed_from = context.now + world.times.hsm_listing_lag,
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
    -- [documented, API reference] an HSM needs an Availability Zone that the cluster has a subnet in
    local text = "The cluster %s has no subnet in the Availability Zone %s."
    return fault.invalid(text, cluster.ClusterId, input.AvailabilityZone)
  elseif input.IpAddress and not network.is_free(context.store, input.IpAddress) then
    -- [documented, API reference] an IpAddress that is given must be free
    return fault.invalid("The IP address %s is not available.", input.IpAddress)
  end
  fine, failure = check_quotas(context, cluster)
  if not fine then
    return nil, failure
  end

  local hsm = new_hsm(context, cluster, subnet_id, input)
  lifecycle.begin_hsm(context.world, context.store, cluster, hsm, context.now)
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
    -- [documented, API reference] an HSM is named by exactly one of HsmId, EniId and EniIp
    return fault.invalid "Name the HSM by exactly one of HsmId, EniId and EniIp."
  end
  for _, hsm in ipairs(cluster.hsms) do
    if hsm[member] == input[member] and hsm.State ~= "DELETE_IN_PROGRESS" then
      return hsm
    end
  end
  -- [assumed] an HSM that is not there, or is being deleted, is CloudHsmResourceNotFoundException
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
    -- [documented, user guide] no HSM is removed while the HSM type changes
    -- [assumed] no HSM is removed in INITIALIZE_IN_PROGRESS
    return fault.invalid("HSMs cannot be removed from the cluster %s in state %s.", cluster.ClusterId, cluster.State)
  end

  local world = context.world
  -- [documented, user guide] a backup is made when an HSM leaves an active cluster
  -- [assumed] none is made when the HSM that leaves was not ACTIVE
  if cluster.State == "ACTIVE" and hsm.State == "ACTIVE" then
    lifecycle.begin_backup(world, context.store, cluster, context.now)
  end
  -- [observed, measured] a deletion is accepted at once, and the HSM stays listed as DELETE_IN_PROGRESS
  hsm.State = "DELETE_IN_PROGRESS"
  hsm.StateMessage = nil
  if cluster.State == "UNINITIALIZED" then
    -- [assumed] the CSR and the hardware's certificates go with the HSM
    cluster.Certificates = {}
  end
  world:after("hsm_deleted", context.store, context.now, world.times.hsm_deletion, {
    cluster = cluster.ClusterId,
    hsm = hsm.HsmId,
  })
  return { HsmId = hsm.HsmId }
end

return hsms
