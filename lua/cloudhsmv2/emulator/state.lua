--- What exists: one store for every account and region.
-- Records use the API's member names; what the API does not show has names in lower case. All of it is plain data, strings,
-- numbers, booleans and tables of them, and no table is in two places, so that it can be written down
-- (`cloudhsmv2.emulator.documents`).
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

local function by_share_arn(a, b)
  return a.resourceShareArn < b.resourceShareArn
end

local function by_arn(a, b)
  return a.arn < b.arn
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
      shares = ordered.new("resourceShareArn", by_share_arn),
      permissions = ordered.new("arn", by_arn), -- RAM's, of this account
      retention = {}, -- days by ClusterId, also of clusters that are gone
    }
    for name, collection in pairs(store) do
      if ordered.is(collection) then
        collection.watcher, collection.dirty = self.watcher, self.keeps and {} or nil
        table.insert(self.collections, { collection = collection, name = name, store = store })
      end
    end
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
  if self.keeps then
    self.dirty_ids[id] = true
  end
  return id
end

--- Notes from now on what may have been changed, or does not.
-- @tparam boolean watches
function methods:watch(watches)
  self.watcher.active = watches
end

--- Shows what may have changed since this was called before, in no order.
-- @tparam function look called with a record, its store, and whether it is there no more
function methods:observe(look)
  for _, held in ipairs(self.collections) do
    local collection = held.collection
    if next(collection.touched) then
      for record in pairs(collection.touched) do
        if collection.dirty then
          collection.dirty[record] = true
        end
        look(record, held.store, not collection:has(record))
      end
      collection.touched = {}
    end
  end
end

--- Remembers from now on what has to be written down.
function methods:keep()
  self.keeps, self.dirty_ids, self.schedule.touched = true, {}, {}
  for _, held in ipairs(self.collections) do
    held.collection.dirty = {}
  end
end

--- Whether there may be anything to write down.
-- @treturn boolean
function methods:is_dirty()
  for _, held in ipairs(self.collections) do
    if next(held.collection.dirty) then
      return true
    end
  end
  return next(self.dirty_ids) ~= nil or next(self.schedule.touched) ~= nil
end

--- What has to be written down since this was called before.
-- @treturn table list of `record`, `collection`, `name` and `store`
-- @treturn table ids that were given out, as keys
-- @treturn table sequence numbers of events that came or went, as keys
function methods:take_dirty()
  local records, ids, events = {}, self.dirty_ids, self.schedule.touched
  for _, held in ipairs(self.collections) do
    for record in pairs(held.collection.dirty) do
      records[#records + 1] = { record = record, collection = held.collection, name = held.name, store = held.store }
    end
    held.collection.dirty = {}
  end
  self.dirty_ids, self.schedule.touched = {}, {}
  return records, ids, events
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

--- Goes on with a world that was written down by a program that has ended. Request ids that it may have given out since it
-- last wrote do not come again.
function methods:resume()
  self.resumed = self.resumed + 1
  self.incidental = random.new(self.seed + 1 + 1000003 * self.resumed, self.settings.random)
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
    collections = {}, -- of all stores
    watcher = { active = false }, -- whether collections note who was touched
    keeps = false, -- whether somebody writes changes down
    used = {}, -- ids
    shares_in_organization = false, -- whether RAM does so without invitations
    seed = settings.seed, -- of the certificates
    resumed = 0, -- how often a program began with this
    failures = {}, -- how many of the next copies, migrations, ... fail
  }, metatable)
end

return state
