--- A world as documents: JSON by key, one for each record, so that a change is a few of them.
--
-- | key | document |
-- | --- | --- |
-- | `store/ACCOUNT/REGION` | what a store has beside its collections |
-- | `store/ACCOUNT/REGION/backups/ID` | a record of a collection: `clusters`, `backups`, `shares` |
-- | `event/NUMBER` | something that is scheduled |
-- | `schedule` | how many events there ever were |
-- | `used/ID` | `true`: this id was given out |
-- | `chance/ids`, `chance/incidental`, `chance/token_key` | where the generators are |
-- | `world/NAME` | whatever else a world has |
-- | `clock` | as of `clock:dump` |
--
-- An object with a member `"@"` was a table of the class of that name. Settings and keys are not in it.
-- @module cloudhsmv2.emulator.documents

local json = require "cloudhsmv2.emulator.json"
local ordered = require "cloudhsmv2.emulator.ordered"
local state = require "cloudhsmv2.emulator.state"
local tagging = require "cloudhsmv2.emulator.tagging"

local documents = {}

local CLASS = "@"
local CLASSES = { tags = getmetatable(tagging.new()) }
local NAMES = {}
for name, class in pairs(CLASSES) do
  NAMES[class] = name
end

-- Fields of a world that are settings, made anew, or written down in a way of their own.
local APART = {
  settings = true,
  times = true,
  random = true,
  incidental = true,
  token_key = true,
  schedule = true,
  stores = true,
  keys = true,
  collections = true,
  used = true,
  watcher = true,
  keeps = true,
  dirty_ids = true,
}
local MADE_ANEW = { account = true, region = true, partition = true }

-- A value as JSON has it. One that cannot be written down is an error of the emulator.
local function text_of(value)
  local function plain(part)
    if type(part) ~= "table" then
      return part
    end
    local out = {}
    for name, field in pairs(part) do
      out[name] = plain(field)
    end
    local class = getmetatable(part)
    if class then
      out[CLASS] = assert(NAMES[class], "a state holds a table of an unknown class")
    end
    return out
  end
  return assert(json.encode(plain(value)))
end

-- The value of a document, with its classes.
local function revived(value)
  if type(value) ~= "table" then
    return value
  end
  local out = {}
  for name, field in pairs(value) do
    out[name] = revived(field)
  end
  if out[CLASS] then
    local class = assert(CLASSES[out[CLASS]], "an object of an unknown class")
    out[CLASS] = nil
    setmetatable(out, class)
  end
  return out
end

local function store_key(store)
  return ("store/%s/%s"):format(store.account, store.region)
end

local function record_key(store, name, collection, record)
  return ("%s/%s/%s"):format(store_key(store), name, record[collection.id_member])
end

local function event_key(sequence)
  return ("event/%d"):format(sequence)
end

-- What is small, or of which nobody says when it changes.
local function put_rest(world, source, put)
  put("clock", source:dump())
  put("chance/ids", world.random:dump())
  put("chance/incidental", world.incidental:dump())
  put("chance/token_key", world.token_key)
  put("schedule", { added = world.schedule.added })
  for name, field in pairs(world) do
    if not APART[name] then
      put("world/" .. name, field)
    end
  end
  for store in world:each_store() do
    local rest = {}
    for name, field in pairs(store) do
      if not MADE_ANEW[name] and not ordered.is(field) then
        rest[name] = field
      end
    end
    put(store_key(store), rest)
  end
end

local function putter()
  local out = {}
  return out, function(key, value)
    out[key] = text_of(value)
  end
end

--- Everything.
-- @tparam table world
-- @tparam table source the clock
-- @treturn table JSON by key
function documents.all(world, source)
  local out, put = putter()
  put_rest(world, source, put)
  for _, held in ipairs(world.collections) do
    for _, record in ipairs(held.collection.items) do
      put(record_key(held.store, held.name, held.collection, record), record)
    end
  end
  for sequence, event in pairs(world.schedule.pending) do
    put(event_key(sequence), event)
  end
  for id in pairs(world.used) do
    put("used/" .. id, true)
  end
  return out
end

--- What may be another since this was called before, of a world that keeps track (`world:keep`).
-- @tparam table world
-- @tparam table source the clock
-- @treturn table JSON by key; false: gone
function documents.changes(world, source)
  local out, put = putter()
  local records, ids, events = world:take_dirty()
  put_rest(world, source, put)
  for _, held in ipairs(records) do
    local key = record_key(held.store, held.name, held.collection, held.record)
    if held.collection:has(held.record) then
      put(key, held.record)
    elseif not held.collection.by_id[held.record[held.collection.id_member]] then
      out[key] = false
    end
  end
  for sequence in pairs(events) do
    local event = world.schedule.pending[sequence]
    if event then
      put(event_key(sequence), event)
    else
      out[event_key(sequence)] = false
    end
  end
  for id in pairs(ids) do
    put("used/" .. id, true)
  end
  return out
end

-- What becomes of a document whose key has this form; the parts of the key come behind its value. Records are gathered in
-- `found`, lists by collection.
local READERS = {
  {
    "^store/(%d+)/([%w-]+)$",
    function(world, value, _, account, region)
      local store = world:store(account, region)
      for name, field in pairs(value) do
        store[name] = field
      end
    end,
  },
  {
    "^store/(%d+)/([%w-]+)/([%a_]+)/(.+)$",
    function(world, value, found, account, region, name, id)
      local collection = world:store(account, region)[name]
      assert(ordered.is(collection) and value[collection.id_member] == id, "it is in the wrong place")
      found[collection] = found[collection] or {}
      table.insert(found[collection], value)
    end,
  },
  {
    "^event/(%d+)$",
    function(world, value, _, sequence)
      assert(value.at and value.kind and value.sequence == tonumber(sequence), "it is not an event")
      world.schedule:put(value)
    end,
  },
  {
    "^schedule$",
    function(world, value)
      world.schedule.added = assert(tonumber(value.added), "it has no number")
    end,
  },
  {
    "^used/(.+)$",
    function(world, _, _, id)
      world.used[id] = true
    end,
  },
  {
    "^chance/ids$",
    function(world, value)
      world.random:load(value)
    end,
  },
  {
    "^chance/incidental$",
    function(world, value)
      world.incidental:load(value)
    end,
  },
  {
    "^chance/token_key$",
    function(world, value)
      world.token_key = value
    end,
  },
  {
    "^world/([%a_]+)$",
    function(world, value, _, name)
      world[name] = value
    end,
  },
  {
    "^clock$",
    function(_, value)
      assert(value.start + value.advanced >= 0, "it shows no time")
    end,
  },
}

local NEEDED = { "clock", "schedule", "chance/ids", "chance/incidental", "chance/token_key" }

local function read(world, key, value, found)
  for _, reader in ipairs(READERS) do
    local first, second, third, fourth = key:match(reader[1])
    if first then
      return reader[2](world, revived(value), found, first, second, third, fourth)
    end
  end
  error("there is no such kind", 0)
end

--- The world of documents.
-- @tparam table settings
-- @tparam table values by key, as `json.decode` gives them
-- @treturn[1] table world
-- @treturn[1] table what its clock is to go on from, see `clock:load`
-- @treturn[2] nil
-- @treturn[2] string what is wrong
function documents.load(settings, values)
  local world = state.new(settings)
  for _, key in ipairs(NEEDED) do
    if values[key] == nil then
      return nil, ("the document %s is missing"):format(key)
    end
  end
  local found = {}
  for key, value in pairs(values) do
    local fine, problem = pcall(read, world, key, value, found)
    if not fine then
      return nil, ("the document %s is damaged: %s"):format(key, tostring(problem))
    end
  end
  for collection, records in pairs(found) do
    local fine = pcall(collection.insert_all, collection, records)
    if not fine then
      return nil, ("a record without what its order depends on is among those by %s"):format(collection.id_member)
    end
  end
  return world, values.clock
end

return documents
