--- Waits until a resource is in a wanted state.
--
-- The engine; the twelve waiters for this service are data, in `cloudhsmv2.waiters`, and a user can pass a table of the
-- same kind:
--
-- | field | type | meaning |
-- | --- | --- | --- |
-- | `name` | string | for messages; default `"waiter"` |
-- | `operation` | string | the operation that looks, `"DescribeBackups"`; if it has pages, all are read |
-- | `params` | table | what the wait takes: name to `{ type, required, one_of, about }`; without it, anything |
-- | `any_of` | list | names of params of which at least one is needed |
-- | `request` | function | `request(params)` returns the operation's parameters; default: the params |
-- | `resource` | path or function | where it is in the output, `"Backups[1]"`, or `resource(output, context)` |
-- | `state` | path or function | its state, default `"State"`, or `state(resource)` |
-- | `message` | path or function | what the service says about it, default `"StateMessage"` |
-- | `acceptors` | list | what to make of a look; the first that matches decides, and none means to wait on |
-- | `grace` | number | seconds in which a resource that was never listed may still appear |
-- | `min_delay`, `max_delay` | number | seconds between looks |
-- | `timeout` | number or function | seconds for the whole wait, or `timeout(resource)` |
--
-- An acceptor is `{ state, matcher, expected, lag, message }`. Its `state` is what follows: `"success"`, `"failure"` or
-- `"retry"`. Its `matcher` is one of
--
-- - `"state"`: the resource's state is `expected`, or one in that list;
-- - `"error"`: the call failed with the code `expected`, or one in that list; `true` is any code;
-- - `"absent"`: the resource is not in the output; `expected = "vanished"` only after it was there, `"overdue"` only if
--   it never was and `grace` is over;
-- - a function `matcher(resource, context)` that returns a boolean and, if it likes, a message.
--
-- With `lag`, seconds, it counts only after that time, or once the state has changed: a service may go on showing the
-- state from before the request for a moment. `context` has `params`, `elapsed`, `seen` (the resource was listed at
-- least once), `changed` (its state changed since the first look) and `memory`, a table for the waiter's own notes.
--
-- Errors of the call that may pass (`retryable`, transport, timeout, throttled, HTTP 5xx) are let through; others end
-- the wait. Delays follow Smithy's waiters: a random time between `min_delay` and a ceiling that doubles up to
-- `max_delay`. The last look is at the deadline itself, whatever the delays are. Source: Smithy, "Waiters".
--
-- @module cloudhsmv2.waiter

local errors = require "cloudhsmv2.errors"
local paginator = require "cloudhsmv2.paginator"
local text = require "cloudhsmv2.text"
local waiters = require "cloudhsmv2.waiters"

local floor, min, max, huge = math.floor, math.min, math.max, math.huge
local format, concat = string.format, table.concat

local DEFAULT_MIN_DELAY = 2 -- seconds, as Smithy's
local DEFAULT_MAX_DELAY = 120 -- seconds, as Smithy's
local FEATURE = "B" -- AWS's letter of waiters, for the User-Agent
local LAST_CALL = 10 -- seconds that a call may take when the deadline is near or over

local OPTIONS = { timeout = true, min_delay = true, max_delay = true, on_poll = true, tolerate = true, call = true }
local OUTCOMES = { success = true, failure = true, retry = true }
local MATCHERS = { state = true, error = true, absent = true }
local TRANSIENT_KINDS = { transport = true, timeout = true, throttled = true }

local waiter = {}

local function invalid(message, code)
  return nil, errors.new { kind = "validation", code = code or "ParamValidation", message = message }
end

local function sorted_names(set)
  local names = {}
  for name in pairs(set) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

--- Seconds for people: tenths below ten. By whole numbers, since a formatted float follows the locale.
local function seconds_text(seconds)
  if seconds < 10 then
    local tenths = floor(seconds * 10 + 0.5)
    if tenths % 10 ~= 0 then
      return format("%d.%d s", floor(tenths / 10), tenths % 10)
    end
  end
  return format("%d s", floor(seconds + 0.5))
end

--- The value at a path such as `Clusters[1].Certificates.ClusterCsr`, or what a function makes of `root`.
local function resolve(path, root, context)
  if type(path) == "function" then
    return path(root, context)
  end
  local value = root
  for key in path:gmatch "[^%.%[%]]+" do
    if type(value) ~= "table" then
      return nil
    end
    value = value[key:find "^%d+$" and tonumber(key) or key]
  end
  return value
end

local function is_one_of(value, expected)
  if type(expected) ~= "table" then
    return value == expected
  end
  for _, candidate in ipairs(expected) do
    if value == candidate then
      return true
    end
  end
  return false
end

local function is_seconds(value)
  return type(value) == "number" and value >= 0 and value < huge
end

--- What is wrong with a waiter, if anything: a user's own table is checked like any other input.
local function definition_problem(definition)
  if type(definition.operation) ~= "string" then
    return "operation must be a string"
  elseif definition.resource == nil then
    return 'resource is missing: a path such as "Backups[1]", or a function'
  end
  for _, field in ipairs { "resource", "state", "message" } do
    local kind = type(definition[field])
    if kind ~= "nil" and kind ~= "string" and kind ~= "function" then
      return field .. " must be a path or a function"
    end
  end
  for _, field in ipairs { "min_delay", "max_delay", "grace", "timeout" } do
    local value = definition[field]
    if value ~= nil and not is_seconds(value) and not (field == "timeout" and type(value) == "function") then
      return field .. " must be a finite number of seconds, not negative"
    end
  end
  if definition.request ~= nil and type(definition.request) ~= "function" then
    return "request must be a function"
  end
  for _, field in ipairs { "params", "any_of" } do
    if definition[field] ~= nil and type(definition[field]) ~= "table" then
      return field .. " must be a table"
    end
  end
  if type(definition.acceptors) ~= "table" then
    return "acceptors must be a list"
  end
  local can_succeed = false
  for i, acceptor in ipairs(definition.acceptors) do
    local where = format("acceptors[%d]", i)
    if type(acceptor) ~= "table" then
      return where .. " must be a table"
    elseif not OUTCOMES[acceptor.state] then
      return where .. ".state must be success, failure or retry, not " .. tostring(acceptor.state)
    elseif type(acceptor.matcher) ~= "function" and not MATCHERS[acceptor.matcher] then
      return where .. ".matcher must be state, error, absent or a function, not " .. tostring(acceptor.matcher)
    elseif acceptor.expected == nil and MATCHERS[acceptor.matcher] and acceptor.matcher ~= "absent" then
      return where .. ".expected is missing"
    end
    can_succeed = can_succeed or acceptor.state == "success"
  end
  return not can_succeed and "no acceptor's state is success" or nil
end

--- What is wrong with the wait's params, if anything.
local function params_problem(definition, params)
  local known = definition.params
  if not known then
    return nil
  end
  for name in pairs(params) do
    if type(name) ~= "string" then
      return format("parameter %s has no name; %s", tostring(name), text.nearest(tostring(name), known))
    end
  end
  for _, name in ipairs(sorted_names(params)) do
    local value, rule = params[name], known[name]
    if not rule then
      return format("unknown parameter %s; %s", name, text.nearest(name, known))
    elseif type(value) ~= rule.type then
      return format("%s must be a %s, not a %s", name, rule.type, type(value))
    elseif value == "" then
      return name .. " must not be empty"
    elseif rule.one_of and not is_one_of(value, rule.one_of) then
      return format("%s must be %s, not %s", name, concat(rule.one_of, " or "), value)
    end
  end
  for _, name in ipairs(sorted_names(known)) do
    if known[name].required and params[name] == nil then
      return format("%s is missing: %s", name, known[name].about)
    end
  end
  for _, name in ipairs(definition.any_of or {}) do
    if params[name] ~= nil then
      return nil
    end
  end
  return definition.any_of and concat(definition.any_of, " or ") .. " is missing" or nil
end

--- The times of one wait: the caller's, else the waiter's, else Smithy's. A default gives way to a caller's value.
-- @treturn table|nil `{ min_delay, max_delay, timeout }`
-- @treturn string what is wrong
local function timing_of(definition, options)
  for _, name in ipairs { "timeout", "min_delay", "max_delay" } do
    local value = options[name]
    if value ~= nil and not is_seconds(value) then
      return nil, format("%s must be a finite number of seconds, not negative; it is %s", name, tostring(value))
    end
  end
  local timeout = options.timeout or definition.timeout
  if timeout == nil then
    return nil, "timeout is missing: this waiter has no default"
  end
  local min_delay, max_delay = options.min_delay, options.max_delay
  if not min_delay then
    min_delay = min(definition.min_delay or DEFAULT_MIN_DELAY, max_delay or huge)
  end
  if not max_delay then
    max_delay = max(definition.max_delay or DEFAULT_MAX_DELAY, min_delay)
  end
  if min_delay == 0 then
    return nil, "min_delay must be more than 0: a wait must not be a busy loop"
  elseif min_delay > max_delay then
    return nil, "min_delay must not be more than max_delay"
  end
  return { timeout = timeout, min_delay = min_delay, max_delay = max_delay }
end

local function options_problem(options)
  for name in pairs(options) do
    if not OPTIONS[name] then
      return format("unknown option %s; %s", tostring(name), text.nearest(tostring(name), OPTIONS))
    end
  end
  local tolerate = options.tolerate
  if tolerate ~= nil and not (type(tolerate) == "number" and tolerate >= 0 and tolerate == floor(tolerate)) then
    return "tolerate must be a whole number, not negative; it is " .. tostring(tolerate)
  elseif options.on_poll ~= nil and type(options.on_poll) ~= "function" then
    return "on_poll must be a function"
  elseif options.call ~= nil and type(options.call) ~= "table" then
    return "call must be a table of call options"
  end
end

--- Smithy's formula: jitter between `min_delay` and a ceiling that doubles with every attempt up to `max_delay`.
-- @tparam table timing
-- @tparam integer attempt number of the look that came before, from 1
-- @tparam number remaining seconds to the deadline
-- @tparam function random returns a number in [0, 1)
-- @treturn number seconds
-- @treturn boolean whether the next look is the last one, at the deadline
local function delay_after(timing, attempt, remaining, random)
  local ceiling = min(timing.min_delay * 2 ^ (attempt - 1), timing.max_delay)
  local delay = timing.min_delay + random() * (ceiling - timing.min_delay)
  if remaining - delay <= timing.min_delay then
    return max(remaining, 0), true
  end
  return delay, false
end

local function is_transient(err)
  return type(err) == "table"
    and (err.retryable == true or TRANSIENT_KINDS[err.kind] or (type(err.status) == "number" and err.status >= 500))
end

--- A clock that stands still must not make the wait endless: what was slept has passed.
local function update_clock(self)
  self.elapsed = max(self.runtime.now() - self.started, self.slept)
end

--- Asks once, through all pages. A call may take what is left of the wait, so that a service that hangs cannot hold a
-- wait far beyond its deadline.
local function look(self, remaining)
  local call = {}
  for name, value in pairs(self.call) do
    call[name] = value
  end
  call.timeout = min(call.timeout or huge, max(remaining, LAST_CALL))
  call.features = call.features or FEATURE
  local pages = paginator.new(self.client, self.definition.operation, self.request, { call = call })
  if pages then
    return pages:full_result()
  end
  return self.client:call(self.definition.operation, self.request, call)
end

local function matches(acceptor, err, resource, state, context)
  if acceptor.lag and not context.changed and context.elapsed < acceptor.lag then
    return false
  end
  local matcher, expected = acceptor.matcher, acceptor.expected
  if matcher == "error" then
    return err ~= nil and (expected == true or is_one_of(type(err) == "table" and err.code or err, expected))
  elseif err ~= nil then
    return false
  elseif type(matcher) == "function" then
    return matcher(resource, context)
  elseif matcher == "state" then
    return resource ~= nil and is_one_of(state, expected)
  elseif resource ~= nil then
    return false
  elseif expected == "vanished" then
    return context.seen
  elseif expected == "overdue" then
    return not context.seen and context.elapsed >= (context.grace or 0)
  end
  return true
end

--- What a look means.
-- @treturn string|nil `success`, `failure`, `retry`, or nil if no acceptor has a say
-- @treturn string|nil why
local function decide(definition, err, resource, state, context)
  for _, acceptor in ipairs(definition.acceptors) do
    local matched, why = matches(acceptor, err, resource, state, context)
    if matched then
      return acceptor.state, why or acceptor.message
    end
  end
end

--- `backup_ready (BackupId backup-6qjbcmkhcxm)`
local function subject_of(definition, params)
  local ids = {}
  for _, name in ipairs(sorted_names(definition.params or {})) do
    if type(params[name]) == "string" then
      ids[#ids + 1] = name .. " " .. params[name]
    end
  end
  local name = definition.name or "waiter"
  return #ids > 0 and format("%s (%s)", name, concat(ids, ", ")) or name
end

--- The end of a wait that did not succeed.
local function ending(self, kind, code, what, reason)
  local parts = { self.subject, " ", what }
  if reason then
    parts[#parts + 1] = ": " .. reason
  end
  if self.listed == false then
    parts[#parts + 1] = "; not listed"
  end
  if self.state ~= nil then
    parts[#parts + 1] = (self.listed and "; state: " or "; last state: ") .. tostring(self.state)
  end
  if self.state_message ~= nil and self.state_message ~= "" then
    parts[#parts + 1] = "; the service says: " .. tostring(self.state_message)
  end
  if self.last_error and tostring(self.last_error) ~= reason then
    parts[#parts + 1] = "; last error: " .. tostring(self.last_error)
  end
  local cause = self.last_error
  local facts = type(cause) == "table" and cause or {}
  return errors.new {
    kind = kind,
    code = code,
    message = concat(parts),
    operation = self.definition.operation,
    status = facts.status,
    request_id = facts.request_id,
    sent = facts.sent or "yes",
    retryable = code == "WaiterTimedOut",
    waiter = self.definition.name,
    resource = self.resource,
    state = self.state,
    state_message = self.state_message,
    attempts = self.attempt,
    elapsed = self.elapsed,
    cause = cause,
  }
end

--- One look, and what it means. Notes the resource, its state and the error in `self`.
-- @treturn string|nil `success`, `failure` or nil: wait on
-- @treturn table|nil with `failure`: the error object
local function take_a_look(self, context)
  local definition = self.definition
  self.attempt = self.attempt + 1
  local output, err = look(self, self.timeout - self.elapsed)
  update_clock(self)
  context.elapsed = self.elapsed
  local resource, state
  if output then
    err = nil
    self.errors_in_row = 0
    resource = resolve(definition.resource, output, context)
    state = resource ~= nil and resolve(definition.state or "State", resource, context) or nil
    context.changed = context.changed or (state ~= nil and context.first_state ~= nil and state ~= context.first_state)
    if context.first_state == nil then
      context.first_state = state
    end
    self.listed = resource ~= nil
    if self.listed then -- what was last seen stays in the error when a resource vanishes
      self.resource, self.state = resource, state
      self.state_message = resolve(definition.message or "StateMessage", resource, context)
    end
  end
  self.last_error = err

  local outcome, why = decide(definition, err, resource, state, context)
  context.seen = context.seen or resource ~= nil
  if outcome == "success" then
    return "success"
  elseif outcome == "failure" then
    return "failure", ending(self, "waiter", "WaiterFailed", "failed", why or (err and tostring(err)))
  elseif err == nil or outcome == "retry" then
    return nil
  elseif not is_transient(err) then
    local aborted = type(err) == "table" and err.kind == "aborted"
    local kind, code = aborted and "aborted" or "waiter", aborted and "WaiterAborted" or "WaiterFailed"
    return "failure", ending(self, kind, code, aborted and "was aborted" or "failed", tostring(err))
  end
  self.errors_in_row = self.errors_in_row + 1
  if self.errors_in_row > self.tolerate then
    local reason = format("%d errors in a row", self.errors_in_row)
    return "failure", ending(self, "waiter", "WaiterFailed", "failed", reason)
  end
end

local function report(self, outcome, next_delay)
  if not self.on_poll then
    return nil
  end
  local state, message = self.state, self.state_message
  if self.last_error then
    message = tostring(self.last_error)
  elseif not self.listed then
    state, message = nil, "not listed"
  end
  return self.on_poll {
    waiter = self.definition.name,
    state = state,
    message = message,
    attempt = self.attempt,
    elapsed = self.elapsed,
    next_delay = next_delay,
    resource = self.resource,
    outcome = outcome,
    error = self.last_error,
  }
end

local function run(self, context)
  local timing, last = self.timing, self.timeout == 0
  while true do
    local known_before = context.seen
    local outcome, err = take_a_look(self, context)
    if outcome then
      report(self, outcome, 0)
      if outcome == "success" then
        return self.resource == nil and true or self.resource
      end
      return nil, err
    end
    if context.seen and not known_before and type(timing.timeout) == "function" then
      self.timeout = timing.timeout(self.resource)
      last = last and self.timeout <= self.elapsed
    end
    if last then
      report(self, "timeout", 0)
      local what = "timed out after " .. seconds_text(self.elapsed)
      return nil, ending(self, "waiter", "WaiterTimedOut", what)
    end

    local delay
    delay, last = delay_after(timing, self.attempt, self.timeout - self.elapsed, self.random)
    if report(self, nil, delay) == false then
      return nil, ending(self, "aborted", "WaiterAborted", "was aborted", "on_poll returned false")
    end
    self.runtime.sleep(delay)
    self.slept = self.slept + delay
    update_clock(self)
  end
end

--- Waits until the resource is in the wanted state.
-- Looks at once, then after every delay, and a last time at the deadline. A call that is under way at the deadline is
-- cut, so a wait may end some seconds after it.
-- @tparam table client a client; its `call`, `model`, `runtime` (`sleep`, `now`) and `random` are used
-- @tparam string|table what the name of a waiter, `"backup_ready"`, or a table as described above
-- @tparam[opt] table params whom to wait for, `{ BackupId = "backup-..." }`; see `cloudhsmv2.waiters`
-- @tparam[opt] table options
-- @tparam[opt] number options.timeout seconds for the whole wait; 0: a single look. Every built-in waiter has a default
-- @tparam[opt] number options.min_delay seconds; the first delay, and the least
-- @tparam[opt] number options.max_delay seconds; the longest delay
-- @tparam[opt] integer options.tolerate how many errors that may pass are let through in a row; default: any number,
-- since the deadline ends the wait anyway and an outage may be long
-- @tparam[opt] function options.on_poll called after every look with a table: `waiter`, `state`, `message`, `attempt`,
-- `elapsed`, `next_delay` (0 after the last look), `resource`, `outcome` (nil while the wait goes on, else `"success"`,
-- `"failure"` or `"timeout"`) and `error` (when the look failed). If it returns false, the wait is aborted. It may
-- yield; an error raised in it goes through to the caller
-- @tparam[opt] table options.call options of every call, such as `max_attempts`; a `timeout` in it can only shorten
-- what is left of the wait
-- @return the resource, as last seen; true if there is none (a deleted cluster that was never listed)
-- @treturn table the error object. `kind` is `waiter` (or `aborted`, or `validation` when nothing was sent), `code` is
-- `WaiterFailed`, `WaiterTimedOut` or `WaiterAborted`, and beside the usual fields it has `waiter`, `resource` (as last
-- seen), `state`, `state_message` and, where a call failed, `cause`
-- @usage
-- local backup, err = waiter.wait(client, "backup_ready", { BackupId = id }, {
--   timeout = 3600,
--   on_poll = function(progress) print(progress.state, progress.elapsed) end,
-- })
function waiter.wait(client, what, params, options)
  if type(what) ~= "string" and type(what) ~= "table" then
    error("waiter: the waiter must be a name or a table, not " .. type(what), 2)
  elseif params ~= nil and type(params) ~= "table" then
    error("waiter: params must be a table, not " .. type(params), 2)
  elseif options ~= nil and type(options) ~= "table" then
    error("waiter: options must be a table, not " .. type(options), 2)
  end
  params, options = params or {}, options or {}

  local definition = what
  if type(what) == "string" then
    definition = waiters[what]
    if not definition then
      return invalid(format("unknown waiter %s; %s", what, text.nearest(what, waiters)), "UnknownWaiter")
    end
  end
  local name = definition.name or "waiter"
  local problem = definition_problem(definition) or params_problem(definition, params) or options_problem(options)
  local timing
  if not problem then
    timing, problem = timing_of(definition, options)
  end
  if problem then
    return invalid(name .. ": " .. problem)
  end

  local self = {
    client = client,
    runtime = client.runtime,
    started = client.runtime.now(),
    definition = definition,
    request = definition.request and definition.request(params) or params,
    subject = subject_of(definition, params),
    timing = timing,
    timeout = type(timing.timeout) == "function" and timing.timeout(nil) or timing.timeout,
    tolerate = options.tolerate or huge,
    on_poll = options.on_poll,
    call = options.call or {},
    random = client.random or math.random,
    attempt = 0,
    errors_in_row = 0,
    elapsed = 0,
    slept = 0,
  }
  return run(self, {
    params = params,
    memory = {},
    grace = definition.grace,
    elapsed = 0,
    seen = false,
    changed = false,
  })
end

return waiter
