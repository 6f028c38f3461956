--- Keeps credentials fresh, and asks for new ones once, however many callers need them.
--
-- From five minutes before they expire on, one caller asks, and the others go on with what there is; so does everybody
-- where that fails. In the last minute all wait for one that asks, and a failure is an error once the old ones have
-- expired. Of credentials that are good for a short time a half and a quarter of it count, if that is less. A refresh
-- that fails never throws away what is held.
--
-- Credentials of an instance's metadata are used beyond their expiration where there are no others: a service whose
-- credentials are late must not stop machines that work.
--
-- @module cloudhsmv2.credentials.refresh

local errors = require "cloudhsmv2.errors"
local repeated = require("cloudhsmv2.credentials.set").repeated
local scheduler = require "cloudhsmv2.runtime.scheduler"

local format = string.format
local min = math.min

local ADVISORY = 300 -- seconds before their expiration
local MANDATORY = 60
local PAUSE = 60 -- seconds from an advisory refresh that failed to the next
local EXTENSION, JITTER = 300, 300 -- seconds that credentials are used beyond their expiration, and at most as many more
local LONGEST_FLIGHT = 75 -- seconds after which nobody waits for who asks: longer than any provider takes
local FIRST_LOOK, LAST_LOOK, GROWTH = 0.001, 0.05, 1.5 -- seconds, seconds, factor

local refresh = {}

local methods = {}
local metatable = { __name = "cloudhsmv2.credentials.refresh", __index = methods }

-- Seconds until a set's expiration from which on it is renewed, if that can wait, and if not.
local function windows(set)
  local life = set.expiration - set.since
  return min(ADVISORY, life / 2), min(MANDATORY, life / 4)
end

local function wipe(set)
  if not set.lasting then
    set.credentials:close()
  end
end

-- Takes a set in place of the one before, whose keys are wiped.
local function hold(self, set)
  local old = self.set
  set.since = self.time()
  local expired = set.expiration and set.expiration <= set.since
  if expired and not set.stable then
    wipe(set)
    return nil,
      errors.new {
        kind = "credentials",
        code = "ExpiredCredentials",
        message = format("%s: these credentials have expired already; get new ones", set.origin),
      }
  end
  self.set, self.failed_at = set, nil
  if old and old ~= set and old.credentials ~= set.credentials then
    wipe(old)
  end
  if expired then
    return self:extend "the instance's metadata answers with credentials that have expired"
  end
  return set
end

--- Goes on with credentials that have expired.
-- @tparam string why
-- @treturn table the set
function methods:extend(why)
  local set = self.set
  local seconds = EXTENSION + self.random() * JITTER
  set.since, set.refused = self.time(), nil
  set.expiration = set.since + seconds
  self.tell {
    type = "warning",
    code = "CredentialsExtended",
    message = format("%s; they are used for another %.0f seconds", why, seconds),
  }
  return set
end

local function closed()
  return nil, errors.new { kind = "aborted", code = "Closed", message = "the client is closed" }
end

-- Asks for credentials. What is raised is raised to who asked.
local function ask(self, deadline)
  local flight = { thread = setmetatable({ (coroutine.running()) }, { __mode = "v" }), started = self.now() }
  flight.in_thread = flight.thread[1] ~= nil
  self.asked = self.asked + 1
  self.flight, flight.number = flight, self.asked
  local set, err
  local fine, raised = scheduler.call(function()
    set, err = self.load(deadline)
  end)
  if self.flight == flight then
    self.flight = nil
  end
  flight.done, flight.err, self.landed = true, err, flight
  if not fine then
    error(raised, 0)
  elseif not set then
    return nil, err
  elseif self.closed then
    wipe(set)
    return closed()
  end
  local held
  held, err = hold(self, set)
  flight.held, flight.err = held, err
  if held and not held.once and not held.lasting then
    self.tell {
      type = "credentials_refreshed",
      origin = held.origin,
      expiration = held.expiration,
      account_id = held.account_id,
    }
  end
  return held, err
end

-- Whether who asks still does: a coroutine that was dropped or killed never will.
local function is_under_way(self, flight)
  if not flight or self.flight ~= flight or flight.done or self.now() - flight.started > LONGEST_FLIGHT then
    return false
  elseif not flight.in_thread then
    return true
  end
  local thread = flight.thread[1]
  return thread ~= nil and coroutine.status(thread) ~= "dead"
end

-- Whether the caller is part of what the one that asks waits for, and would wait for itself: "yes", "perhaps" or nil. A
-- thread that is "normal" has resumed the one that runs; but in nginx it may have resumed one that waits as well.
local function encloses(self, flight)
  local thread = flight.thread[1]
  if not flight.in_thread then -- it is the main thread, which stands below all others
    return "yes"
  elseif thread == nil then
    return nil
  elseif coroutine.status(thread) ~= "normal" then
    return thread == coroutine.running() and "yes" or nil
  end
  return rawget(_G, "ngx") and self.overlaps() and "perhaps" or "yes"
end

local function nested(more)
  local message = "what returns this client's credentials %scalled this client, which needs them"
  return nil, errors.new { kind = "credentials", code = "InvalidCredentials", message = format(message, more) }
end

-- Waits until who asks has an answer. Returns false: the time is over.
local function await(self, flight, deadline)
  local pause = FIRST_LOOK
  while is_under_way(self, flight) do
    if deadline and self.now() >= deadline then
      return false
    end
    self.sleep(pause)
    pause = min(pause * GROWTH, LAST_LOOK)
  end
  if self.flight == flight then -- it never ends
    self.flight = nil
  end
  return true
end

local function late()
  return nil,
    errors.new {
      kind = "timeout",
      code = "DeadlineExceeded",
      message = "the time for the whole call was over while it waited for credentials",
      retryable = true,
    }
end

-- The set is good for a while: renews it if nobody does, and goes on without.
local function renewed(self, set, deadline)
  local now = self.time()
  if
    set.asks
    or is_under_way(self, self.flight)
    or (self.failed_at and now - self.failed_at < PAUSE and now >= self.failed_at)
  then
    return set
  end
  local fresh, err = ask(self, deadline)
  if fresh or self.closed then
    return fresh, err
  end
  self.failed_at = self.time()
  self.tell {
    type = "warning",
    code = "CredentialsRefreshFailed",
    message = format(
      "the credentials could not be renewed, and are good for another %.0f seconds: %s",
      set.expiration - now,
      err.message
    ),
  }
  return set
end

-- There is no set that is good: all wait for one that asks.
local function needed(self, deadline)
  while self.flight do
    local flight = self.flight
    local enclosed = is_under_way(self, flight) and encloses(self, flight)
    if enclosed == "yes" then
      return nested ""
    elseif not self.overlaps() then
      break
    elseif not await(self, flight, deadline) then
      return late()
    end
    local landed = self.landed -- this one, or a later one that ended since the last look
    if landed and landed.number >= flight.number then
      if landed.held and self.set then
        return self.set
      elseif landed.err and landed.err.code ~= "DeadlineExceeded" then -- which was another's deadline
        return nil, repeated(landed.err)
      end
    elseif enclosed then -- perhaps: then it would be so again
      return nested(format("took more than %d seconds, or ", LONGEST_FLIGHT))
    end
  end
  if self.closed then -- meanwhile
    return closed()
  end
  return ask(self, deadline)
end

--- Credentials that are good now.
-- @tparam[opt] number deadline of the runtime's clock that never jumps
-- @treturn[1] table a set; see `cloudhsmv2.credentials.set`
-- @treturn[2] nil
-- @treturn[2] table an error object
function methods:get(deadline)
  local held, now = self.set, self.time()
  if held and not held.once and not held.refused then
    if not held.expiration then
      return held
    end
    local advisory, mandatory = windows(held)
    local left = held.expiration - now
    if left > advisory then
      return held
    elseif left > mandatory then
      return renewed(self, held, deadline)
    end
  end
  local fresh, err = needed(self, deadline)
  held = self.set
  if fresh or not held or held.once then
    return fresh, err
  elseif not held.refused and (held.expiration or math.huge) > self.time() then
    return held
  elseif held.stable then
    return self:extend(format("the credentials could not be renewed (%s)", err.message))
  end
  return nil, err
end

--- Says that the service has refused credentials as expired, whatever their expiration says.
-- @tparam userdata credentials
-- @treturn boolean whether `get` may find others
function methods:refuse(credentials)
  local set = self.set
  if not set or set.credentials ~= credentials then
    return set ~= nil -- others have taken their place
  elseif set.once then
    return true
  elseif set.lasting and not set.expiration then
    return false
  end
  set.refused = true
  return true
end

--- Wipes what is held.
function methods:close()
  self.closed = true
  if self.set then
    wipe(self.set)
  end
  self.set = nil
end

--- Makes the keeper of the credentials that a function finds.
-- @tparam table options
-- @tparam function options.load `load(deadline)` returns a set, or nil and an error; it may yield
-- @tparam function options.time seconds since 1970
-- @tparam function options.now seconds of a clock that never jumps
-- @tparam function options.sleep lets seconds pass
-- @tparam function options.overlaps whether others go on while the caller sleeps
-- @tparam function options.random returns a number in [0, 1)
-- @tparam function options.tell is told of events
-- @treturn table
function refresh.new(options)
  return setmetatable({
    load = options.load,
    time = options.time,
    now = options.now,
    sleep = options.sleep,
    overlaps = options.overlaps,
    random = options.random,
    tell = options.tell,
    asked = 0, -- how often
  }, metatable)
end

return refresh
