--- What exists: one store for every account and region.
-- Records use the API's member names; what the API does not show has names in lower case.
-- @module cloudhsmv2.emulator.state

local floor = math.floor

local ordered = require "cloudhsmv2.emulator.ordered"
local random = require "cloudhsmv2.emulator.random"
local schedule = require "cloudhsmv2.emulator.schedule"

local state = {}
local methods = {}
local metatable = { __name = "cloudhsmv2.emulator.state", __index = methods }

local function older(a, b)
  if a.CreateTimestamp ~= b.CreateTimestamp then
    return a.CreateTimestamp < b.CreateTimestamp
  end
  return a.BackupId < b.BackupId
end

-- The recorded order of clusters was not by time. By id, nobody comes to rely on it.
local function by_cluster_id(a, b)
  return a.ClusterId < b.ClusterId
end

--- The store of an account in a region, made at its first use.
-- @tparam string account
-- @tparam string region
-- @treturn table
function methods:store(account, region)
  local key = account .. "/" .. region
  local store = self.stores[key]
  if not store then
    store = {
      account = account,
      region = region,
      partition = state.partition(region),
      clusters = ordered.new("ClusterId", by_cluster_id),
      backups = ordered.new("BackupId", older),
      retention = {}, -- days by ClusterId, also of clusters that are gone
    }
    self.stores[key] = store
    self.keys[#self.keys + 1] = key
    table.sort(self.keys)
  end
  return store
end

--- Iterates over all stores, in an order that does not depend on the VM.
-- @treturn function
function methods:each_store()
  local i = 0
  return function()
    i = i + 1
    return self.stores[self.keys[i]]
  end
end

--- An id that nothing here has or had.
-- @tparam string prefix
-- @treturn string
function methods:new_id(prefix)
  local id
  repeat
    id = self.random:id(prefix)
  until not self.used[id]
  self.used[id] = true
  return id
end

--- Lets an event happen `delay` seconds after `now`.
-- @tparam string kind a name of `cloudhsmv2.emulator.lifecycle`
-- @tparam table store
-- @tparam number now
-- @tparam number delay
-- @tparam table details ids, plain data
function methods:after(kind, store, now, delay, details)
  details.kind = kind
  details.at = now + delay
  details.account = store.account
  details.region = store.region
  self.schedule:add(details)
end

--- Takes one off the count of failures that were asked for.
-- @tparam string kind
-- @treturn boolean whether there was one
function methods:take_failure(kind)
  local left = self.failures[kind] or 0
  if left == 0 then
    return false
  end
  self.failures[kind] = left - 1
  return true
end

--- The cluster that has a given HSM.
-- @tparam string hsm_id
-- @treturn ?table cluster
-- @treturn ?table hsm
-- @treturn ?table store
function methods:find_hsm(hsm_id)
  for store in self:each_store() do
    for cluster in store.clusters:each(true) do
      for _, hsm in ipairs(cluster.hsms) do
        if hsm.HsmId == hsm_id then
          return cluster, hsm, store
        end
      end
    end
  end
  return nil
end

--- The cluster of an id, in any account and region.
-- @tparam string cluster_id
-- @treturn ?table cluster
-- @treturn ?table store
function methods:find_cluster(cluster_id)
  for store in self:each_store() do
    local cluster = store.clusters:get(cluster_id)
    if cluster then
      return cluster, store
    end
  end
  return nil
end

--- A time as the wire shows it: whole milliseconds.
-- @tparam number time seconds since 1970
-- @treturn number
function state.timestamp(time)
  return floor(time * 1000 + 0.5) / 1000
end

--- The partition that a region belongs to.
-- @tparam string region
-- @treturn string `aws` or `aws-us-gov`
function state.partition(region)
  return region:find "^us%-gov%-" and "aws-us-gov" or "aws"
end

--- Nothing yet.
-- @tparam table settings as of `cloudhsmv2.emulator.settings`
-- @treturn table
function state.new(settings)
  -- Request ids have chance of their own, so that the ids of resources do not depend on how often somebody looks.
  local incidental = random.new(settings.seed + 1, settings.random)
  return setmetatable({
    settings = settings,
    times = settings.times,
    random = random.new(settings.seed, settings.random),
    incidental = incidental,
    token_key = incidental:hex(64), -- of page tokens
    schedule = schedule.new(),
    stores = {},
    keys = {}, -- of stores, sorted
    used = {}, -- ids
    failures = {}, -- how many of the next copies, migrations, ... fail
  }, metatable)
end

return state
