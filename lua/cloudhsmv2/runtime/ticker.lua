--- One beat for all exchanges of an nginx worker.
--
-- nginx lets no Lua code wait for a socket of libcurl, so somebody has to ask libcurl again and again. Here that is a single
-- timer, which runs only while something is under way: it steps the exchanges of all clients, wakes the calls whose exchanges
-- have ended, and sleeps for a tick that grows while nothing happens. Calls wait on a semaphore each.
--
-- Nothing can be lost with the timer. Where nginx grants none (too many of them, or a worker that is exiting), or where it died,
-- one of the waiting calls steps for all. A call that nginx killed is noticed, since nobody waits for it any longer, and its
-- exchange is cancelled.
--
-- @module cloudhsmv2.runtime.ticker

local now = require("cloudhsmv2.core").now

local min, huge = math.min, math.huge

local FIRST_TICK, LAST_TICK, GROWTH = 0.001, 0.01, 1.5 -- seconds, seconds, factor
local WATCH = 1 -- seconds after which a waiting call looks whether the beat goes on
local STALE = 0.1 -- seconds without a beat: whoever should step does not
local SWEEP = 0.25 -- seconds between two searches for calls that nobody waits for

local ticker = {}
local methods = {}
local metatable = { __index = methods }

-- ---- Calls ----

function methods:join(transfer, call)
  local client = self.by_transfer[transfer]
  if not client then
    client = { transfer = transfer } -- its calls, in a list
    self.by_transfer[transfer] = client
    self.clients[#self.clients + 1] = client
  end
  client[#client + 1] = call
  self.pending = self.pending + 1
end

-- Takes the results of at most `ended` calls, mostly the oldest, and wakes who waits for them.
function methods:settle(client, ended)
  local kept = 0
  for place = 1, #client do
    local call = client[place]
    local response, failure = false, nil
    if ended > 0 then
      response, failure = client.transfer:result(call.id)
    end
    client[place] = nil
    if response == false then
      kept = kept + 1
      client[kept] = call
    else
      ended = ended - 1
      call.response, call.failure, call.done = response, failure, true
      call.semaphore:post(1)
      self.pending = self.pending - 1
    end
  end
end

-- Whether nobody has waited for this call at two sweeps in a row.
local function is_orphan(self, call)
  if call == self.leader or call.semaphore:count() < 0 then
    call.missed = nil
    return false
  elseif not call.missed then
    call.missed = true
    return false
  end
  return true
end

-- Cancels the calls that nobody waits for any longer.
function methods:sweep(client)
  for place = #client, 1, -1 do
    local call = client[place]
    if is_orphan(self, call) then
      client.transfer:cancel(call.id)
      table.remove(client, place)
      self.pending = self.pending - 1
    end
  end
end

-- ---- Steps ----

-- Moves everything on by what can be done at once. Returns whether a call began or ended.
function methods:step()
  local clients, sweeps = self.clients, false
  local moved = self.joined
  self.joined = false
  self.beat = now()
  self.steps = self.steps + 1
  if self.beat >= self.next_sweep then
    sweeps, self.next_sweep = true, self.beat + SWEEP
  end
  for i = #clients, 1, -1 do
    local client = clients[i]
    local running = client.transfer:step(0) or 0 -- nil: closed meanwhile, which is an end, too
    if running < #client then
      self:settle(client, #client - running)
      moved = true
    end
    if sweeps then
      self:sweep(client)
    end
    if #client == 0 then
      clients[i] = clients[#clients]
      clients[#clients] = nil
      self.by_transfer[client.transfer] = nil
    end
  end
  return moved
end

-- Steps until nothing is under way, or until `call` has ended if one steps for itself. `pause` lets a tick pass.
function methods:run(call, pause)
  local turn, tick = {}, FIRST_TICK
  self.turn, self.leader, self.next_sweep = turn, call, now() + SWEEP
  while self.turn == turn and self.pending > 0 and not (call and call.done) do
    if self:step() then
      tick = FIRST_TICK
    end
    if self.pending > 0 and not (call and call.done) then
      self.resting = tick > FIRST_TICK
      pause(tick)
      self.resting = false
      tick = min(tick * GROWTH, LAST_TICK)
    end
  end
  if self.turn == turn then
    self.turn, self.leader, self.beat = nil, nil, -huge
  end
end

function methods:is_beating()
  return self.turn ~= nil and now() - self.beat < STALE
end

-- Has a timer step, unless somebody does. False: nginx grants none.
function methods:start()
  if self:is_beating() then
    if self.resting then -- a call that just began does not wait for a tick that has grown
      self.resting = false
      self.bell:post(1)
    end
    return true
  end
  self.bell = self.bell or self.api.semaphore()
  local turn = {}
  self.turn, self.beat = turn, now()
  local granted = self.api.at(function()
    if self.turn == turn then
      self:run(nil, function(seconds)
        self.bell:wait(seconds)
      end)
    end
  end)
  if not granted then
    self.turn, self.beat = nil, -huge
  end
  return granted
end

-- Steps for all until the call has ended, and then finds somebody else for those that are left.
function methods:lead(call)
  self:run(call, self.api.sleep)
  local client = self.clients[1]
  if client and not self:start() then
    client[1].semaphore:post(1)
  end
end

--- Waits for the result of an exchange that was just started.
-- @tparam userdata transfer a client's connections (`cloudhsmv2.core`)
-- @tparam userdata id of the exchange
-- @return what `transfer:result(id)` returns
function methods:wait(transfer, id)
  local call = { id = id, semaphore = self.api.semaphore(), done = false }
  self:join(transfer, call)
  self.joined = true
  self:start()
  while not call.done do
    local woken, problem = true, nil
    if self:is_beating() then
      woken, problem = call.semaphore:wait(WATCH)
    end
    if not call.done and (not self:is_beating() or not woken and problem ~= "timeout") then
      self:lead(call)
    end
  end
  return call.response, call.failure
end

--- Makes a ticker.
-- @tparam table api what nginx offers: `semaphore()` makes one (`wait(seconds)`, `post(n)`, `count()`), `at(called)` calls a
-- function at once in a timer of its own and returns whether it will, `sleep(seconds)`
-- @treturn table `wait(transfer, id)`; `pending`: how many calls wait, `steps`: how often it has stepped
function ticker.new(api)
  return setmetatable({
    api = api,
    clients = {}, -- those with calls under way
    by_transfer = {}, -- the same
    pending = 0,
    steps = 0,
    beat = -huge, -- when the last step was
    next_sweep = -huge,
  }, metatable)
end

return ticker
