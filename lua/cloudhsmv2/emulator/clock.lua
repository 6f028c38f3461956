--- The emulator's clock: frozen, scaled or real.
--
-- | mode | runs | for |
-- | --- | --- | --- |
-- | `"frozen"` | only when it is advanced | unit tests: every wait ends at once |
-- | `"scaled:60"` | 60 times as fast as the wall clock | demonstrations: half an hour in half a minute |
-- | `"real"` | with the wall clock | trying code that must live with the real waits |
--
-- @module cloudhsmv2.emulator.clock

local errors = require "cloudhsmv2.errors"

local clock = {}
local methods = {}
local metatable = { __name = "cloudhsmv2.emulator.clock", __index = methods }

--- What the clock shows.
-- @treturn number seconds since 1970
function methods:time()
  if self.factor == 0 then
    return self.start + self.advanced
  end
  return self.start + (self.source.now() - self.origin) * self.factor + self.advanced
end

--- Seconds that passed on this clock since it was made. Setting it to another time is no passing of time.
-- @treturn number
function methods:now()
  return self:time() - self.zero
end

--- What a clock of the same mode needs to go on from here.
-- @treturn table numbers: `start` and `advanced`, which together are the time; and its `mode`
function methods:dump()
  local elapsed = self.factor == 0 and 0 or (self.source.now() - self.origin) * self.factor
  return { start = self.start + elapsed, advanced = self.advanced, mode = self.mode }
end

--- Goes on from where another clock was.
-- @tparam table saved as of `dump`
function methods:load(saved)
  local lived = self:now()
  self.start, self.advanced = saved.start, saved.advanced
  self.origin = self.source.now()
  self.zero = self:time() - lived
end

--- Goes on from where the clock of a program was that has ended. Time did not pass meanwhile on a frozen and on a scaled
-- clock; it did on a real one, which shows the wall clock's time and what it was advanced by, and never less than before.
-- @tparam table saved as of `dump`
function methods:resume(saved)
  if self.mode == "real" then
    local start, advanced = saved.start, saved.advanced
    if saved.mode ~= "real" then -- what others were advanced by is their time, and not ahead of the wall clock's
      start, advanced = start + advanced, 0
    end
    local wall = self.source.time()
    saved = { start = wall, advanced = advanced + math.max(0, start - wall) }
  end
  self:load(saved)
end

--- Moves the clock forward at once, in every mode.
-- @tparam number seconds not negative
function methods:advance(seconds)
  if type(seconds) ~= "number" or not (seconds >= 0 and seconds < math.huge) then
    error("seconds: expected a number that is not negative, got " .. tostring(seconds), 3)
  end
  self.advanced = self.advanced + seconds
end

--- Waits: a real clock blocks the thread, the others are moved forward.
-- @tparam number seconds
function methods:sleep(seconds)
  if self.mode == "real" then
    self.source.sleep(seconds)
  else
    self:advance(math.max(0, seconds))
  end
end

local function factor_of(mode)
  if mode == "frozen" then
    return 0
  end
  if mode == "real" then
    return 1
  end
  local factor = type(mode) == "string" and tonumber(mode:match "^scaled:(%d+%.?%d*)$")
  return factor and factor > 0 and factor or nil
end

--- Makes a clock.
-- @tparam string mode `"frozen"`, `"scaled:N"` or `"real"`
-- @tparam ?number start what it shows first, in seconds since 1970; default: the wall clock's time
-- @tparam[opt] table source `time()`, `now()` and `sleep(seconds)` of the machine
-- @treturn[1] table
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config`
-- @usage local frozen = clock.new("frozen", 1767225600)
function clock.new(mode, start, source)
  local factor = factor_of(mode)
  if not factor then
    local message = 'clock: expected "real", "frozen" or "scaled:N" with N above 0, got ' .. tostring(mode)
    return nil, errors.new { kind = "config", code = "InvalidClock", message = message }
  end
  source = source or require "cloudhsmv2.core"
  start = start or source.time()
  return setmetatable({
    mode = mode:match "^%a+",
    factor = factor,
    source = source,
    origin = source.now(),
    start = start,
    zero = start, -- what it showed when `now` was 0
    advanced = 0, -- seconds that were jumped over
  }, metatable)
end

return clock
