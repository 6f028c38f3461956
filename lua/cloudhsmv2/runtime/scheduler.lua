--- Tasks of plain Lua that take turns: while one waits for an answer or sleeps, the others go on.
--
-- A task is a coroutine. What it waits for is asked of its schedule, which steps the exchanges of all tasks and wakes the
-- sleepers in time. Whoever is not a task of a schedule, or stands where Lua cannot yield, blocks: the result is the same,
-- and only the overlap is lost.
--
-- Where Lua cannot yield: on every Lua inside the callback of a C function, such as `table.sort` or `string.gsub`; on PUC Lua
-- 5.1 also inside `pcall` and the iterator of a `for`. There it blocks. Inside a metamethod PUC Lua 5.1 cannot tell beforehand,
-- and raises `attempt to yield across metamethod/C-call boundary`.
--
-- @module cloudhsmv2.runtime.scheduler

local core = require "cloudhsmv2.core"
local protected = require "cloudhsmv2.protected"

local create, resume, running, status, yield =
  coroutine.create, coroutine.resume, coroutine.running, coroutine.status, coroutine.yield
local isyieldable = rawget(coroutine, "isyieldable") -- absent from Lua 5.1 and 5.2
local getinfo = debug and debug.getinfo
local insert, remove = table.insert, table.remove
local min, huge = math.min, math.huge

local STEP = 0.25 -- seconds in C at a time, so that an interrupt (Ctrl-C) is heard soon
local FIRST_TICK, LAST_TICK, GROWTH = 0.001, 0.01, 1.5 -- seconds; several clients cannot be waited for in one poll

local scheduler = {}
local methods = {}
local metatable = { __index = methods }
local schedules = setmetatable({}, { __mode = "kv" }) -- by coroutine: the schedule that it is a task of

-- ---- Where a task stands ----

local CROSSED = protected.call == pcall and { [pcall] = true, [xpcall] = true } or {} -- C functions that a yield may cross

local FACTS = protected.call == pcall and "Sf" or "Sfn" -- of a frame; "n", names, takes the longest

-- Whether the function that called can yield. Without `isyieldable`, which nginx's Lua lacks, too, the frames of the coroutine
-- tell: a C function, or on Lua 5.1 a call made by a `for` itself.
local function can_yield()
  if isyieldable then
    return isyieldable()
  end
  local level = 2
  local frame = getinfo and getinfo(level, FACTS)
  while frame do
    if frame.what == "C" and not CROSSED[frame.func] or frame.name == "(for generator)" then
      return false
    end
    level = level + 1
    frame = getinfo(level, FACTS)
  end
  return true
end

-- The schedule to ask for what the caller of this module waits for; nil: it has to block.
local function schedule_here()
  local thread = running()
  local schedule = thread and schedules[thread]
  return schedule and can_yield() and schedule or nil
end

-- ---- What tasks ask of their schedule ----

-- Lets others run until `record` is done. A foreign resume in between changes nothing.
function methods:park(record)
  record.thread = self.thread
  repeat
    self.parked = true
    yield()
  until record.done
end

function methods:wake(record)
  record.done = true
  self.ready[#self.ready + 1] = record.thread
end

-- The records that wait for exchanges of one client.
function methods:queue_of(transfer)
  for _, queue in ipairs(self.queues) do
    if queue.transfer == transfer then
      return queue
    end
  end
  local queue = { transfer = transfer }
  self.queues[#self.queues + 1] = queue
  return queue
end

function methods:await(transfer, id)
  local queue, record = self:queue_of(transfer), { id = id }
  queue[#queue + 1] = record
  self:park(record)
  return record.response, record.failure
end

function methods:sleep(seconds)
  local sleepers, record = self.sleepers, { at = self.clock.now() + seconds }
  local place = #sleepers
  while place > 0 and sleepers[place].at > record.at do
    place = place - 1
  end
  insert(sleepers, place + 1, record)
  self:park(record)
end

-- Adds tasks; `group.record` is woken when the last of them has ended.
function methods:add(functions, group)
  group.left = #functions
  for _, task in ipairs(functions) do
    local thread = create(task)
    schedules[thread] = self
    self.groups[thread] = group
    self.ready[#self.ready + 1] = thread
  end
end

-- ---- What a schedule does ----

function methods:finish(thread)
  local group = self.groups[thread]
  self.groups[thread] = nil
  group.left = group.left - 1
  if group.left == 0 and group.record then
    self:wake(group.record)
  end
end

-- One turn of every task that is ready. One that yields by itself, for nothing of ours, gets its next turn after the others.
function methods:turn()
  local ready = self.ready
  self.ready = {}
  for _, thread in ipairs(ready) do
    self.thread, self.parked = thread, false
    local fine, problem = resume(thread)
    if not fine then
      error(problem, 0)
    elseif status(thread) == "dead" then
      self:finish(thread)
    elseif not self.parked then
      self.ready[#self.ready + 1] = thread
    end
  end
end

-- Moves on the exchanges that tasks wait for. With more than one client no single poll covers all their sockets: each is stepped,
-- one of them waits for a moment, and the moments grow while nothing happens.
function methods:step(pause)
  local queues = self.queues
  local count = #queues
  if count == 0 then
    if pause > 0 then
      self.clock.sleep(pause)
    end
  elseif count == 1 then
    queues[1].transfer:step(min(pause, STEP))
  else
    for i = 1, count - 1 do
      queues[i].transfer:step(0)
    end
    queues[count].transfer:step(min(pause, self.tick))
    insert(queues, 1, remove(queues)) -- another one waits next time
    self.tick = min(self.tick * GROWTH, LAST_TICK)
  end
end

-- Wakes the tasks whose exchanges have ended.
function methods:collect()
  for i = #self.queues, 1, -1 do
    local queue, kept = self.queues[i], 0
    for place = 1, #queue do
      local record = queue[place]
      queue[place] = nil
      record.response, record.failure = queue.transfer:result(record.id)
      if record.response == false then
        kept = kept + 1
        queue[kept] = record
      else
        self.tick = FIRST_TICK
        self:wake(record)
      end
    end
    if kept == 0 then
      remove(self.queues, i)
    end
  end
end

-- Waits until a task can go on, or looks what there is if one already can.
function methods:poll()
  local sleepers, now = self.sleepers, self.clock.now
  local pause = sleepers[1] and math.max(0, sleepers[1].at - now()) or huge
  self:step(#self.ready > 0 and 0 or pause)
  self:collect()
  if sleepers[1] then
    local time = now()
    while sleepers[1] and sleepers[1].at <= time do
      self:wake(remove(sleepers, 1))
    end
  end
end

-- ---- The module ----

--- The result of an exchange, once it has ended.
-- @tparam userdata transfer a client's connections (`cloudhsmv2.core`)
-- @tparam userdata id of the exchange
-- @return what `transfer:result(id)` returns
function scheduler.wait(transfer, id)
  local response, failure = transfer:result(id)
  if response ~= false then
    return response, failure
  end
  local schedule = schedule_here()
  if schedule then
    return schedule:await(transfer, id)
  end
  while response == false do
    transfer:step(STEP)
    response, failure = transfer:result(id)
  end
  return response, failure
end

--- Lets seconds pass: for this task, or for everybody where there is none.
-- @tparam number seconds
function scheduler.sleep(seconds)
  local schedule = schedule_here()
  if schedule then
    schedule:sleep(seconds)
  else
    core.sleep(seconds)
  end
end

--- Whether a coroutine of the caller could yield where it stands.
-- @function scheduler.can_yield
-- @treturn boolean
scheduler.can_yield = can_yield

--- Whether the caller is a task whose waiting lets others go on.
-- @treturn boolean
function scheduler.is_in_task()
  return schedule_here() ~= nil
end

--- As `pcall`, and `called` stays a task that can yield on every Lua.
-- @tparam function called
-- @treturn boolean whether it returned
-- @return what it returned, or what it raised
function scheduler.call(called)
  if protected.call == pcall then
    return pcall(called)
  end
  local schedule = schedules[running() or false]
  return protected.coroutine_pcall(function()
    schedules[running()] = schedule -- its yields are passed on by the coroutine around it
    return called()
  end)
end

--- Runs functions, which must not raise, so that their waiting overlaps, and returns when all have ended. Inside of a task they
-- join its schedule.
-- @tparam table functions a list
-- @tparam[opt] table clock `now()` and `sleep(seconds)`, instead of the machine's
function scheduler.all(functions, clock)
  if #functions == 0 then
    return
  end
  local schedule, group = schedule_here(), {}
  if schedule then
    group.record = {}
    schedule:add(functions, group)
    schedule:park(group.record)
    return
  end
  schedule = setmetatable({
    clock = clock or core,
    ready = {}, -- coroutines to be resumed, in turn
    sleepers = {}, -- records, the earliest first
    queues = {}, -- one for each client: records in the order of their requests
    groups = {}, -- by coroutine
    tick = FIRST_TICK,
  }, metatable)
  schedule:add(functions, group)
  schedule:turn()
  while group.left > 0 do
    schedule:poll()
    schedule:turn()
  end
end

return scheduler
