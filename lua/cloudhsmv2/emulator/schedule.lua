--- Events that are due at a time: a binary heap.
-- Events are plain data and are told apart by `kind`, so that a state can be written down and read back. With a table as its
-- `touched`, a schedule notes there, as keys, the numbers of the events that came or went.
-- @module cloudhsmv2.emulator.schedule

local floor = math.floor

local schedule = {}
local methods = {}
local metatable = { __name = "cloudhsmv2.emulator.schedule", __index = methods }

-- Events of the same time happen in the order in which they were added.
local function earlier(a, b)
  if a.at ~= b.at then
    return a.at < b.at
  end
  return a.sequence < b.sequence
end

--- Adds an event that another schedule had.
-- @tparam table event with `at` and `sequence`
function methods:put(event)
  self.pending[event.sequence] = event
  local heap = self.heap
  local child = #heap + 1
  while child > 1 do
    local parent = floor(child / 2)
    if not earlier(event, heap[parent]) then
      break
    end
    heap[child] = heap[parent]
    child = parent
  end
  heap[child] = event
end

local function touch(self, event)
  if self.touched then
    self.touched[event.sequence] = true
  end
end

--- Adds an event.
-- @tparam table event with `at` in seconds since 1970; it gets a `sequence`
function methods:add(event)
  self.added = self.added + 1
  event.sequence = self.added
  self:put(event)
  touch(self, event)
end

--- Takes the earliest event out when it is due.
-- @tparam number time seconds since 1970
-- @treturn ?table
function methods:take_due(time)
  local heap = self.heap
  local first = heap[1]
  if not first or first.at > time then
    return nil
  end
  local last = table.remove(heap)
  local count = #heap
  if count > 0 then
    local parent = 1
    while true do
      local child = parent * 2
      if child > count then
        break
      end
      if child < count and earlier(heap[child + 1], heap[child]) then
        child = child + 1
      end
      if not earlier(heap[child], last) then
        break
      end
      heap[parent] = heap[child]
      parent = child
    end
    heap[parent] = last
  end
  self.pending[first.sequence] = nil
  touch(self, first)
  return first
end

--- An empty schedule.
-- @treturn table
function schedule.new()
  return setmetatable({ heap = {}, pending = {}, added = 0 }, metatable)
end

return schedule
