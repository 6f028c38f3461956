--- What happened, and when: the newest events of an emulator.
--
-- An event is a table with `sequence` (from 1, without gaps), `time` (seconds since 1970 on the emulator's clock) and `kind`:
--
-- | kind | what it is | further members |
-- | --- | --- | --- |
-- | `state` | something has another state | `account`, `region`, `resource`, `id`, `from`, `to`, `message`; of an HSM, `cluster` |
-- | `request` | somebody asked for a change, or was refused | `account`, `region`, `operation`, `status`, `code`, `request_id` |
-- | `control` | a control was used | `name`, `parameters` |
--
-- A `resource` is a `cluster`, an `hsm`, a `backup`, a `share` or a `permission`. It is new where there is no `from`, and gone where
-- there is no `to`; `code` is that of a refusal.
--
-- @module cloudhsmv2.emulator.history

local history = {}
local methods = {}
local metatable = { __name = "cloudhsmv2.emulator.history", __index = methods }

-- What a record is, if it is one thing: a resource, its id, its state.
local function facts_of(record)
  if record.BackupId then
    return "backup", record.BackupId, record.BackupState
  elseif record.resourceShareArn then
    return "share", record.resourceShareArn, record.status == "ACTIVE" and record.featureSet or record.status
  end
  return "permission", record.arn, record.featureSet
end

-- What a record shows: a list of `resource`, `id`, `state`, and perhaps `message` and `cluster`.
local function shown_by(record)
  if not record.hsms then
    local resource, id, state = facts_of(record)
    return { { resource = resource, id = id, state = state } }
  end
  local list = {
    { resource = "cluster", id = record.ClusterId, state = record.State, message = record.StateMessage },
  }
  for _, hsm in ipairs(record.hsms) do
    list[#list + 1] = {
      resource = "hsm",
      id = hsm.HsmId,
      state = hsm.State,
      message = hsm.StateMessage,
      cluster = record.ClusterId,
    }
  end
  return list
end

--- Adds an event.
-- @tparam string kind
-- @tparam number time seconds since 1970
-- @tparam table event its further members; it is kept
function methods:add(kind, time, event)
  self.count = self.count + 1
  event.sequence, event.time, event.kind = self.count, time, kind
  self.events[(self.count - 1) % self.capacity + 1] = event
end

local function add_state(self, time, store, shown, from, to)
  self:add("state", time, {
    account = store.account,
    region = store.region,
    resource = shown.resource,
    id = shown.id,
    from = from,
    to = to,
    message = to and shown.message or nil,
    cluster = shown.cluster,
  })
end

-- Whether a record shows what it showed before; quick, for there may be many.
local function is_unchanged(before, record, gone)
  if gone or not before or record.hsms then
    return false
  end
  local _, id, state = facts_of(record)
  return before[id].state == state
end

-- Notes the differences between what a record showed before and what it shows now.
local function compare(self, time, store, before, shown)
  local now = {}
  for _, entry in ipairs(shown) do
    local known = before[entry.id]
    if not known or known.state ~= entry.state then
      add_state(self, time, store, entry, known and known.state, entry.state)
    end
    now[entry.id] = entry
  end
  local gone = {}
  for id in pairs(before) do
    if not now[id] then
      gone[#gone + 1] = id
    end
  end
  table.sort(gone)
  for _, id in ipairs(gone) do
    add_state(self, time, store, before[id], before[id].state, nil)
  end
end

local function remember(self, record, shown)
  local now = {}
  for _, entry in ipairs(shown) do
    now[entry.id] = entry
  end
  self.seen[record] = next(now) and now or nil
end

--- Looks at a world, so that what it shows is not taken for news.
-- @tparam table world
function methods:look(world)
  for _, held in ipairs(world.collections) do
    for _, record in ipairs(held.collection.items) do
      remember(self, record, shown_by(record))
    end
  end
end

--- Compares what a world shows with what it showed before.
-- @tparam table world
-- @tparam number time seconds since 1970 when it became so
function methods:observe(world, time)
  local changed = {}
  world:observe(function(record, store, gone)
    local before = self.seen[record]
    if not is_unchanged(before, record, gone) then
      local shown = gone and {} or shown_by(record)
      local any = shown[1] or select(2, next(before or {}))
      changed[#changed + 1] = { id = any and any.id or "", store = store, before = before or {}, shown = shown }
      remember(self, record, shown)
    end
  end)
  table.sort(changed, function(a, b)
    return a.id < b.id
  end)
  for _, entry in ipairs(changed) do
    compare(self, time, entry.store, entry.before, entry.shown)
  end
end

--- Where the events are, for `undo`.
-- @treturn integer
function methods:mark()
  return self.count
end

--- Forgets the events that were added since.
-- @tparam integer mark
function methods:undo(mark)
  self.count = mark
end

--- The events that are remembered.
-- @tparam[opt] table filter `after` (a sequence number), `kind`, `id` and `limit` (the first so many; default: all)
-- @treturn table list of copies, oldest first
function methods:list(filter)
  filter = filter or {}
  local out = {}
  local first = math.max(self.count - self.capacity, filter.after or 0) + 1
  for sequence = first, self.count do
    local event = self.events[(sequence - 1) % self.capacity + 1]
    if #out == filter.limit then
      break
    end
    if (event.kind == filter.kind or not filter.kind) and (event.id == filter.id or not filter.id) then
      local copy = {}
      for name, value in pairs(event) do
        copy[name] = value
      end
      out[#out + 1] = copy
    end
  end
  return out
end

--- No event yet.
-- @tparam integer capacity how many events are remembered
-- @treturn table
function history.new(capacity)
  return setmetatable({
    capacity = capacity,
    count = 0,
    events = {}, -- a ring
    seen = setmetatable({}, { __mode = "k" }), -- the states of every record, by id
  }, metatable)
end

return history
