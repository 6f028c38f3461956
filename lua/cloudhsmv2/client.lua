--- The client, and the life of one call.
--
-- **A call**: the parameters are checked and written by shape; then, for each attempt, credentials are got, the request
-- signed and sent, and what came back is classified; the answer is read by shape. Every operation of the model is a
-- method, named as in boto3. It returns the output, or nil and an error object (`cloudhsmv2.errors`); it raises only
-- where it is called in a wrong way, with a dot instead of the colon, or with parameters that are no table.
--
-- **Retries**: what may pass is tried again, three attempts in all, after delays that grow and that chance spreads
-- (`cloudhsmv2.retry.standard`). Every attempt has fresh credentials and a signature of its own, by a clock that is
-- corrected by the service's (`cloudhsmv2.retry.skew`), and the same bytes and the same invocation id.
--
-- **At most once**: CreateCluster, CreateHsm, CopyBackupToRegion, InitializeCluster, and ModifyCluster with HsmType, go
-- over a connection of their own, so that nothing can repeat them unseen, and are sent again only after an attempt that
-- certainly did nothing (`cloudhsmv2.retry.classify`). Where nobody can know what became of one, the error's kind is
-- `ambiguous`, `err.cause` is what happened, and `err.reconcile` says where to look before calling again. With
-- `retry_ambiguous` they are sent again like all others, which may do the thing twice.
--
-- **Errors of the service** have, beside the fields of every error object, `members` (those of the error's shape) and
-- `body` (the first 1024 bytes). No error shows a secret.
--
-- **Events**: `on_event(event)` is called before and after every attempt, and where a client decides. Its fields:
--
-- | field | in | meaning |
-- | --- | --- | --- |
-- | `type` | all | `"request"`, `"response"`, `"error"`, `"retry"`, `"throttled"`, `"skew_corrected"`, or one of the next two |
-- | | | `"credentials_refreshed"`, `"warning"`: not of a single call |
-- | `operation`, `attempt`, `invocation_id` | all but the last two | what is called, the number of the last attempt, the id of the call |
-- | `url`, `region`, `max_attempts` | request | where it goes |
-- | `status`, `request_id`, `elapsed` | response, error | what came back, and the seconds it took |
-- | `kind`, `code`, `message`, `sent`, `retryable` | error | as in the error object |
-- | `delay` | retry, throttled | seconds until the next attempt; nil where a throttled call gives up |
-- | `reason` | retry | `"transient"`, `"throttled"`, `"skew"` or `"credentials"`, which had expired |
-- | `reason` | throttled | `"service"` refused, or the `"rate"` of adaptive mode holds the request back |
-- | `seconds` | skew_corrected | by how much the clock of this machine was off: what is added to it from now on |
-- | `origin`, `expiration`, `account_id` | credentials_refreshed | where new credentials are from, and until when they are good |
-- | `code`, `message` | warning | what is odd in the configuration, or with credentials |
--
-- What is odd in the configuration is told once, while the client is made. The function may yield, and may use the
-- client. An error that it raises is dropped: who watches a call cannot break it.
--
-- @module cloudhsmv2.client

local codec = require "cloudhsmv2.codec"
local core = require "cloudhsmv2.core"
local errors = require "cloudhsmv2.errors"
local lazy = require "cloudhsmv2.lazy"
local protected = require "cloudhsmv2.protected"
local protocol = require "cloudhsmv2.protocol"
local request = require "cloudhsmv2.request"
local settings = require "cloudhsmv2.config.settings"
local text = require "cloudhsmv2.text"

local classify = lazy "cloudhsmv2.retry.classify"
local failure = lazy "cloudhsmv2.failure"

local format = string.format
local uuid = core.uuid

local EXPIRED = { ExpiredToken = true, ExpiredTokenException = true } -- refused, so nothing was done
local STRENGTH = { no = 0, maybe = 1, yes = 2 } -- of what is known about the sending
local NONE = {} -- parameters or options that were not given; never written to

local client = {}
local methods = {} -- those that are no operation
local classes = setmetatable({}, { __mode = "kv" }) -- by model; gone with the last client of the model
local metatables = setmetatable({}, { __mode = "k" }) -- of clients, as keys

-- The life of a call.

local function is_at_most_once(operation, params)
  local mark = operation.at_most_once
  if type(mark) == "table" then
    local value = params[mark.member]
    return value ~= nil and value ~= codec.null
  end
  return mark or false
end

local function deep_copy(value)
  if type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, item in next, value do
    copy[key] = deep_copy(item)
  end
  return copy
end

-- Everything that one call carries along. What few calls need is set behind the constructor, or when it is needed: a table
-- of sixteen fields costs half of one of seventeen.
local function begin(self, name, params, options)
  local own = self.settings
  local operation = self.model.operations[name]
  local at_most_once = is_at_most_once(operation, params)
  local timeout = options.timeout or own.timeout
  local max_attempts = options.max_attempts or own.retry.max_attempts
  local started = self.runtime.now()
  local call = {
    name = name,
    operation = operation,
    at_most_once = at_most_once,
    max_attempts = max_attempts,
    retries = self.retry:start(max_attempts),
    clock = self.skew:start(),
    invocation_id = uuid(),
    connect_timeout = options.connect_timeout or own.connect_timeout,
    read_timeout = options.read_timeout or own.read_timeout,
    started = started,
    attempts = 0,
    features = options.features,
    credentials = nil, -- of the attempt, as are those below
    authorization = nil,
    session_token = nil,
    headers = nil, -- of its answer
  }
  if timeout then
    call.deadline = started + timeout
  end
  if at_most_once then
    call.asked_for = deep_copy(params) -- the caller may change it meanwhile
    call.called_at = self.runtime.time() + self.skew.seconds
  end
  return call
end

local function encode(self, call, params)
  local input = call.operation.input
  if input then
    return self.class.compiled:encode(input.shape, params)
  elseif next(params) ~= nil then
    local message = "the operation takes no parameters"
    return nil, errors.new { kind = "validation", code = "ParamValidation", message = message }
  end
  return "{}"
end

-- Tells who watches. Where nobody does, and a call has not failed, no event is made: ask for `on_event` first.
local function emit(self, call, event)
  if self.on_event then
    event.operation, event.attempt, event.invocation_id = call.name, call.attempts, call.invocation_id
    protected.call(self.on_event, event)
  end
end

local function closed()
  return errors.new { kind = "aborted", code = "Closed", message = "the client is closed" }
end

local function late(what)
  local message = "the time for the whole call was over before the request was sent" .. (what or "")
  return errors.new { kind = "timeout", code = "DeadlineExceeded", message = message, retryable = true }
end

-- Seconds that are left for the call.
local function room(self, call)
  return call.deadline and call.deadline - self.runtime.now() or math.huge
end

local function observe(self, call, response, sent)
  local correction = call.clock:observe(response.headers, sent, self.runtime.time())
  if correction then
    emit(self, call, { type = "skew_corrected", seconds = call.clock.seconds })
  end
end

local function send(self, call, signed)
  if call.deadline then
    signed.timeout = room(self, call)
    if signed.timeout <= 0 then
      return nil, late()
    end
  end
  if self.closed then -- by a hook, or by another coroutine meanwhile
    return nil, closed()
  end
  local sent = self.runtime.time()
  local response, reported = self.runtime.send(signed)
  if not response then
    return nil, failure.of_runtime(reported)
  end
  if not response.headers or not response.body then
    response = { status = response.status, headers = response.headers or {}, body = response.body or "" }
  end
  call.headers = response.headers
  observe(self, call, response, sent)
  return response
end

local function read(self, call, response)
  if response.status < 200 or response.status > 299 then
    return nil, protocol.failure(self.class, response)
  end
  local output, err = protocol.output(self.class, call.operation, response)
  if output then
    output.ResponseMetadata = {
      RequestId = protocol.request_id(response.headers),
      HTTPStatusCode = response.status,
      HTTPHeaders = response.headers,
      RetryAttempts = call.attempts - 1,
    }
  end
  return output, err
end

-- Signs, sends and reads once. Returns the output, or nil and an error object.
local function try(self, call, body)
  local signed, err = request.signed(self, call, body)
  if not signed then
    return nil, err
  end
  if self.on_event then
    emit(self, call, {
      type = "request",
      url = signed.url,
      region = self.region,
      max_attempts = call.max_attempts,
    })
  end
  local response
  response, err = send(self, call, signed)
  if not response then
    return nil, err
  end
  return read(self, call, response)
end

-- Whether the service has refused credentials that have expired, for the first time in the call, and there may be others.
local function is_worth_other_credentials(self, call, err)
  if not EXPIRED[err.code] or call.has_renewed or not call.credentials then
    return false
  end
  call.has_renewed = true
  return self.credentials:refuse(call.credentials)
end

-- One attempt, told of and remembered. Returns the output, or nil and an error object.
local function attempt(self, call, body)
  local count = call.attempts + 1
  call.attempts = count
  if count > 1 then
    call.authorization, call.session_token, call.credentials, call.headers = nil, nil, nil, nil
    call.clock:forget()
  end
  local started = self.runtime.now()
  local output, err = try(self, call, body)
  if output then
    if self.on_event then
      local metadata = output.ResponseMetadata
      emit(self, call, {
        type = "response",
        status = metadata.HTTPStatusCode,
        request_id = metadata.RequestId,
        elapsed = self.runtime.now() - started,
      })
    end
    return output
  end

  local elapsed = self.runtime.now() - started
  failure.explain(err, {
    secrets = request.secrets(call),
    settings = self.settings,
    operation = call.name,
    at_most_once = call.at_most_once and not self.settings.retry_ambiguous,
  })
  call.skewed = call.clock:explains(err.code) and not classify.outcome_unknown(err)
  call.renews = is_worth_other_credentials(self, call, err)
  err.retryable = err.retryable or call.skewed or call.renews
  local entry, event = { elapsed = elapsed }, { elapsed = elapsed }
  for _, field in ipairs { "kind", "code", "status", "request_id", "sent" } do
    entry[field], event[field] = err[field], err[field]
  end
  call.history = call.history or {}
  call.history[count] = entry
  event.type, event.message, event.retryable = "error", err.message, err.retryable
  emit(self, call, event)
  return nil, err
end

-- Holds the request back as the policy wants. Returns true, or nil and the error of having no time for it.
local function hold(self, call)
  if not self.retry.limiter then
    return true
  end
  local delay = call.retries:hold(self.runtime.now(), room(self, call))
  if not delay then
    return nil, late ": the rate of adaptive retries holds it back"
  elseif delay > 0 then
    emit(self, call, { type = "throttled", reason = "rate", delay = delay })
    self.runtime.sleep(delay)
  end
  return true
end

-- Seconds until the next attempt; nil when there is none, and perhaps the name of the limit that was reached.
local function delay_before_next(self, call, err)
  local delay, limit = call.retries:failed {
    err = err,
    cured = call.skewed or call.renews,
    headers = call.headers,
    now = self.runtime.now(),
    time = call.clock:time(),
    room = room(self, call),
  }
  call.history[call.attempts].delay = delay
  if err.kind == "throttled" then
    emit(self, call, { type = "throttled", reason = "service", delay = delay })
  end
  if delay then
    local reason = call.skewed and "skew"
      or call.renews and "credentials"
      or err.kind == "throttled" and "throttled"
      or "transient"
    emit(self, call, { type = "retry", reason = reason, delay = delay })
  end
  return delay, limit
end

-- The error as the caller gets it; `limit` is the name of the limit that ended the retries, if one did.
local function fail(self, call, err, limit)
  err.operation = call.name
  if call.at_most_once and (call.in_doubt or classify.outcome_unknown(err)) then
    err = failure.ambiguous(err, call.operation.reconcile)
    err.operation, err.params, err.called_at = call.name, call.asked_for, call.called_at
  elseif call.in_doubt and err.kind == "service" and not classify.outcome_unknown(err) then
    err.already_done_possible = not classify.only_reads(call.name) or nil
  end
  local history = call.history or {}
  for _, entry in ipairs(history) do
    if STRENGTH[entry.sent] > STRENGTH[err.sent] then
      err.sent = entry.sent
    end
  end
  if limit then
    err[limit] = true
  end
  err.attempts = call.attempts
  err.history = history
  err.elapsed = self.runtime.now() - call.started
  return nil, err
end

local function perform(self, name, params, options)
  local valid, err = settings.check_call(options)
  local call = begin(self, name, params, valid and options or NONE)
  if not valid then
    return fail(self, call, err)
  elseif self.closed then
    return fail(self, call, closed())
  end
  local body
  body, err = encode(self, call, params)
  if not body then
    return fail(self, call, err)
  end
  while true do
    local held, too_late = hold(self, call)
    if not held then
      return fail(self, call, err or too_late)
    elseif self.closed then -- meanwhile
      return fail(self, call, closed())
    end
    local output
    output, err = attempt(self, call, body)
    if output then
      call.retries:succeeded(self.retry.limiter and self.runtime.now())
      return output
    end
    local delay, limit = delay_before_next(self, call, err)
    if not delay then
      return fail(self, call, err, limit)
    end
    call.in_doubt = call.in_doubt or classify.outcome_unknown(err)
    self.runtime.sleep(delay)
  end
end

-- A copy of a table with some fields changed.
local function with(original, changes)
  local copy = {}
  for name, value in pairs(original) do
    copy[name] = value
  end
  for name, value in pairs(changes) do
    copy[name] = value
  end
  return copy
end

-- What is called in a wrong way raises, at the caller of the method.

local function check_self(self, method)
  if not metatables[getmetatable(self) or false] then
    error(format("%s: call it with a colon, client:%s(...)", method, method), 3)
  end
end

local function check_tables(method, params, options)
  if params ~= nil and type(params) ~= "table" then
    error(format("%s: the parameters must be a table, not a %s", method, type(params)), 3)
  elseif options ~= nil and type(options) ~= "table" then
    error(format("%s: the options must be a table, not a %s", method, type(options)), 3)
  end
end

--- Calls an operation by its name.
-- @tparam string name `"DescribeBackups"` or `"describe_backups"`
-- @tparam[opt] table params as in the API reference
-- @tparam[opt] table options `timeout` (seconds for the whole call), `connect_timeout`, `read_timeout` (seconds without
-- a byte), `max_attempts` (in all, from 1); each instead of the client's own. And `features`, AWS's letters for the
-- User-Agent of what the call is part of: `"B"`, a waiter, or `"C"`, a paginator
-- @treturn[1] table the output, with `ResponseMetadata`: `RequestId`, `HTTPStatusCode`, `HTTPHeaders`, `RetryAttempts`
-- @treturn[2] nil
-- @treturn[2] table the error object
-- @usage local out, err = client:call("DescribeBackups", { MaxResults = 50 }, { timeout = 10 })
function methods:call(name, params, options)
  check_self(self, "call")
  if type(name) ~= "string" then
    error("call: the name of the operation must be a string, not a " .. type(name), 2)
  end
  check_tables(name, params, options)
  local operation = self.class.operations[name]
  if not operation then
    local message = format("%s is no operation; %s", text.quote(name), text.nearest(name, self.class.operations))
    return nil, errors.new { kind = "validation", code = "UnknownOperation", message = message }
  end
  return perform(self, operation, params or NONE, options or NONE)
end

--- Goes through the pages of a list; see `cloudhsmv2.paginator`.
-- @tparam string name of the operation
-- @tparam[opt] table params
-- @tparam[opt] table options `page_size`, `max_items`, `starting_token`
-- @treturn table|nil the paginator
-- @treturn table the error object
-- @usage for backup in client:paginator("describe_backups"):items() do print(backup.BackupId) end
function methods:paginator(name, params, options)
  check_self(self, "paginator")
  return require("cloudhsmv2.paginator").new(self, name, params, options)
end

--- Waits until a resource is in a wanted state; see `cloudhsmv2.waiter`.
-- @tparam string|table waiter `"backup_ready"` and others, or a waiter of your own
-- @tparam table params
-- @tparam[opt] table options `timeout`, `min_delay`, `max_delay`, `on_poll`
-- @return the resource, or nil and the error object
-- @usage local backup, err = client:wait("backup_ready", { BackupId = id }, { timeout = 7200 })
function methods:wait(waiter, params, options)
  check_self(self, "wait")
  return require("cloudhsmv2.waiter").wait(self, waiter, params, options)
end

--- Finds out what became of a call whose outcome nobody knows; see `cloudhsmv2.reconcile`.
-- @tparam table err of kind `ambiguous`
-- @tparam[opt] table options `timeout`, `known`
-- @return the resource; nil: it is not there; or nil and an error object
-- @usage local hsm, problem = client:reconcile(err, { known = ids_of_before })
function methods:reconcile(err, options)
  check_self(self, "reconcile")
  return require("cloudhsmv2.reconcile").run(self, err, options)
end

--- A client for another region, with the same settings and credentials. It shares connections with this one: closing it
-- leaves them open, and once this one is closed it has none. It has a quota of retries of its own.
-- @tparam string region
-- @treturn table|nil the client
-- @treturn table the error object, of kind `config`
-- @usage local there = assert(client:in_region "eu-central-1")
function methods:in_region(region)
  check_self(self, "in_region")
  local address, err = self.address_in(region)
  if not address then
    return nil, err
  end
  local parts = with(self, {})
  parts.settings = with(self.settings, { region = region, origin = with(self.settings.origin, { region = "code" }) })
  parts.region, parts.address, parts.shares = region, address, true
  parts.retry = self.new_retry()
  return client.of(parts)
end

--- Every setting with its value and where that is from: `"code"`, `"env AWS_REGION"`, `"file ~/.aws/config:12"`,
-- `"default"` or `"not set"`. No secret is shown: of `credentials` the last letters of the access key id, of a proxy no
-- password. A function that gives credentials is not called.
-- @treturn table by the setting's name: `{ value, origin }`; made for each call
-- @usage print(client:describe_configuration().region.origin)
function methods:describe_configuration()
  check_self(self, "describe_configuration")
  local described = settings.describe(self.settings)
  described.proxy = { value = self.proxy.value, origin = self.proxy.origin }
  described.credentials = self.closed and { origin = "the client is closed" } or self.credentials:describe()
  return described
end

--- Wipes the credentials and closes the connections. May be called again; calls made afterwards fail as `aborted`.
-- A runtime that was given to `new` is left open: it may serve others.
function methods:close()
  check_self(self, "close")
  if self.closed then
    return
  end
  self.closed = true
  if self.shares then
    return
  end
  self.credentials:close()
  self.signer:close()
  if self.owns_runtime then
    self.runtime.close()
  end
end

-- What clients of one model share: its compiled shapes, and a method for each operation.
local function class_of(model)
  if classes[model] then
    return classes[model]
  end
  local class = {
    model = model,
    shapes = model.shapes,
    compiled = codec.compile(model.shapes),
    sensitive = protocol.sensitive_members(model.shapes),
    operations = {}, -- names by both forms of them
    metatable = { __name = "cloudhsmv2.client", __close = methods.close },
  }
  local index = {}
  for name in pairs(model.operations) do
    local method = text.snake_case(name)
    class.operations[name], class.operations[method] = name, name
    index[method] = function(self, params, options)
      check_self(self, method)
      check_tables(method, params, options)
      return perform(self, name, params or NONE, options or NONE)
    end
  end
  for name, method in pairs(methods) do -- last: an operation of such a name is reached by `call`
    index[name] = method
  end
  class.metatable.__index = index
  function class.metatable:__tostring()
    return format("cloudhsmv2.client (%s)", self.region)
  end
  classes[model], metatables[class.metatable] = class, true
  return class
end

--- Makes a client of its parts; `cloudhsmv2.new` makes the parts.
-- @tparam table parts `model`, `settings`, `region` and `signing_name` (to sign for), `address` (an endpoint, parsed),
-- `runtime`, `owns_runtime`, `credentials` (a chain), `signer`, `retry` (a policy), `new_retry` (a function that makes
-- another), `skew` (a clock), `user_agent` (a function), `getenv`, `random`, `on_event`, `proxy` (described, without a
-- password), `address_in` (a function: the address for another region)
-- @treturn table the same table, now a client
-- @raise when the model makes no sense
function client.of(parts)
  parts.class = class_of(parts.model)
  parts.common = request.common(parts)
  return setmetatable(parts, parts.class.metatable)
end

return client
