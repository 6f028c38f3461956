--- Faults on demand: what goes wrong between a service and its client, for the requests that are named.
--
-- A fault is a table: `kind`, and if wanted
--
-- | field | meaning | default |
-- | --- | --- | --- |
-- | `operation` | `"DescribeBackups"`: only its requests | every request |
-- | `count` | how many requests it strikes | until it is cleared |
-- | `after` | how many of the requests pass before it begins | 0 |
-- | `probability` | the share of the requests that it strikes, by the seed of the emulator | 1 |
--
-- and the parameters of its kind:
--
-- | kind | what happens | parameters (defaults) |
-- | --- | --- | --- |
-- | `latency` | the answer comes later | `seconds` |
-- | `drop_before` | nothing is done; the connection ends | |
-- | `drop_after` | it is done; the connection ends without an answer | |
-- | `reset` | it is done; a reset in the middle of the body | `bytes` that come (half of them) |
-- | `truncate` | it is done; the body ends early | `bytes` (half), `length` (`"whole"`) |
-- | `html` | nothing is done; a page of a proxy | `status` (500) |
-- | `unavailable` | nothing is done; ServiceUnavailableException | `status` (503), `retry_after` seconds |
-- | `error` | nothing is done; whatever error is named | `code`, `status`, `message` |
-- | `throttle` | nothing is done while a token bucket is empty | `rate` a second, `burst` (1), `code`, `status`, `retry_after` |
-- | `content_type` | it is done; the answer names another type | `value` (text/html) |
-- | `duplicate_header` | it is done; a header comes twice | `name` (x-amzn-requestid), `value` (that of the first) |
-- | `gzip` | it is done; the body is compressed though nobody asked | |
-- | `clock_skew` | the service's clock is off | `seconds`, may be negative |
-- | `drip` | it is done; the body comes in pieces | `bytes` (1) of a piece, `seconds` (0.1) between two |
--
-- A body that `truncate` cuts ends with the connection; with `length = "part"` by a Content-Length that agrees. An `error` has
-- the status 400, and CloudHsmInternalFailureException 500. The bucket of `throttle` holds `burst` tokens at first; the refusal
-- is ThrottlingException, 400. The clock of `clock_skew` is the one that signatures are checked against and that Date shows.
--
-- `latency`, `clock_skew` and `drip` come on top of others. Of the others one strikes a request, the first that was injected:
-- so faults that are injected one after another strike one request after another. `error` and `throttle` strike requests that
-- are signed well, as they come from behind the service's front door; the rest strikes before that is looked at.
--
-- Seconds are those of whoever waits: over a socket the wall clock's, in the same program the emulator's.
--
-- | behaviour | how sure |
-- | --- | --- |
-- | a throttled request is ThrottlingException, 400, "Rate exceeded" | assumed |
-- | a service that cannot be reached is ServiceUnavailableException, 503 | documented for AWS's JSON services |
--
-- @module cloudhsmv2.emulator.injection

local errors = require "cloudhsmv2.errors"
local gzip = require "cloudhsmv2.emulator.gzip"
local http = require "cloudhsmv2.emulator.http"
local lower = require("cloudhsmv2.text").lower
local model = require "cloudhsmv2.model"
local moment = require "cloudhsmv2.moment"
local nearest = require("cloudhsmv2.text").nearest
local random = require "cloudhsmv2.emulator.random"
local wire = require "cloudhsmv2.emulator.wire"

local floor = math.floor

local injection = {}
local methods = {}
local metatable = { __name = "cloudhsmv2.emulator.injection", __index = methods }

local function is_number(value)
  return type(value) == "number" and value == value and value > -math.huge and value < math.huge
end

-- What a parameter may be: the test, and its words for a message.

local function number(least, most)
  local words = most and "a number from %g to %g" or "a number of %g or more"
  local function accepts(value)
    return is_number(value) and value >= least and value <= (most or value)
  end
  return { accepts = accepts, words = words:format(least, most) }
end

local function whole(least, most)
  local words = most and "a whole number from %d to %d" or "a whole number of %d or more"
  local function accepts(value)
    return is_number(value) and value == floor(value) and value >= least and value <= (most or value)
  end
  return { accepts = accepts, words = words:format(least, most) }
end

local function text(words, pattern)
  local function accepts(value)
    return type(value) == "string" and value:find(pattern) ~= nil
  end
  return { accepts = accepts, words = words }
end

local function choice(...)
  local names, allowed = { ... }, {}
  for _, name in ipairs(names) do
    allowed[name] = true
  end
  local function accepts(value)
    return allowed[value] or false
  end
  return { accepts = accepts, words = "one of " .. table.concat(names, ", ") }
end

local ANY_NUMBER = { accepts = is_number, words = "a number" }
local ANY_TEXT = text("a text", "")
local HEADER_NAME = text("the name of a header", "^[A-Za-z0-9!#$%%&'*+.^_`|~-]+$")
local HEADER_VALUE = text("a text of one line", "^[^%z\1-\8\10-\31\127]*$")
local ERROR_NAME = text("the name of an error", "^[A-Za-z][A-Za-z0-9_.]*$")

-- A parameter with a default; with nil for a default it may be absent.
local REQUIRED = {}
local function parameter(default, domain)
  return { default = default, domain = domain }
end

local function header(answer, name)
  for _, pair in ipairs(answer.headers) do
    if lower(pair[1]) == name then
      return pair
    end
  end
end

local function set_body(answer, body)
  answer.body = body
  header(answer, "content-length")[2] = tostring(#body)
end

local function cut(answer, bytes)
  return math.min(bytes or floor(#answer.body / 2), math.max(0, #answer.body - 1))
end

local function with_retry_after(rule, failure)
  if rule.retry_after then
    failure.headers = { { "retry-after", ("%d"):format(rule.retry_after) } }
  end
  return failure
end

local function refusal(rule, message)
  local exception = model.shapes[rule.code]
  return {
    code = rule.code,
    status = rule.status or (exception and exception.fault and 500 or 400),
    modelled = exception ~= nil and exception.exception or nil,
    message = message,
  }
end

local PAGE = [[
<html>
<head><title>%d %s</title></head>
<body>
<center><h1>%d %s</h1></center>
</body>
</html>
]]

-- What a proxy answers that has no good word from the service.
local function page(context, status)
  local reason = http.reason(status)
  local body = PAGE:format(status, reason, status, reason)
  local headers = {
    { "content-type", "text/html" },
    { "content-length", tostring(#body) },
    { "date", moment.http(context.received_at) },
  }
  return { status = status, headers = headers, body = body }
end

-- Takes a token out of a throttle's bucket. Returns whether there was none.
local function is_exhausted(rule, now)
  local held = rule.tokens or rule.burst
  held = math.min(rule.burst, held + math.max(0, now - (rule.looked_at or now)) * rule.rate)
  rule.looked_at = now
  rule.tokens = held >= 1 and held - 1 or held
  return held < 1
end

-- Every kind: its parameters, and one of
--   beside(rule, struck)            on top of others: changes `skew` or the delivery
--   instead(rule, context)          answers in place of the service, before it looks at the signature
--   refuse(rule)                    a failure in place of the operation, once the signature is verified
--   alter(rule, answer, delivery)   changes the answer of the service, or how it travels
-- and perhaps `strikes(rule, now)`: whether a request that matches is struck.
local KINDS = {
  latency = {
    parameters = { seconds = parameter(REQUIRED, number(0)) },
    beside = function(rule, struck)
      struck.delivery.delay = (struck.delivery.delay or 0) + rule.seconds
    end,
  },
  clock_skew = {
    parameters = { seconds = parameter(REQUIRED, ANY_NUMBER) },
    beside = function(rule, struck)
      struck.skew = (struck.skew or 0) + rule.seconds
    end,
  },
  drip = {
    parameters = { bytes = parameter(1, whole(1)), seconds = parameter(0.1, number(0)) },
    beside = function(rule, struck)
      struck.delivery.piece, struck.delivery.pause = rule.bytes, rule.seconds
    end,
  },
  drop_before = {
    parameters = {},
    instead = function(_, context)
      local answer = wire.failure(context, { code = "ServiceUnavailableException", status = 503, message = "dropped" })
      return answer, { drop = true }
    end,
  },
  drop_after = {
    parameters = {},
    alter = function(_, _, delivery)
      delivery.drop = true
    end,
  },
  reset = {
    parameters = { bytes = parameter(nil, whole(0)) },
    alter = function(rule, answer, delivery)
      delivery.cut, delivery.ends = cut(answer, rule.bytes), "reset"
    end,
  },
  truncate = {
    parameters = { bytes = parameter(nil, whole(0)), length = parameter("whole", choice("whole", "part")) },
    alter = function(rule, answer, delivery)
      if rule.length == "part" then
        set_body(answer, answer.body:sub(1, cut(answer, rule.bytes)))
      else
        delivery.cut, delivery.ends = cut(answer, rule.bytes), "close"
      end
    end,
  },
  html = {
    parameters = { status = parameter(500, whole(200, 599)) },
    instead = function(rule, context)
      return page(context, rule.status)
    end,
  },
  unavailable = {
    parameters = { status = parameter(503, whole(500, 599)), retry_after = parameter(nil, whole(0)) },
    instead = function(rule, context)
      local failure = { code = "ServiceUnavailableException", status = rule.status, message = "Service Unavailable" }
      return wire.failure(context, with_retry_after(rule, failure))
    end,
  },
  error = {
    parameters = {
      code = parameter(REQUIRED, ERROR_NAME),
      status = parameter(nil, whole(300, 599)),
      message = parameter("An injected fault.", ANY_TEXT),
    },
    refuse = function(rule)
      return refusal(rule, rule.message)
    end,
  },
  throttle = {
    parameters = {
      rate = parameter(REQUIRED, number(0)),
      burst = parameter(1, number(0)),
      code = parameter("ThrottlingException", ERROR_NAME),
      status = parameter(400, whole(400, 599)),
      retry_after = parameter(nil, whole(0)),
    },
    strikes = is_exhausted,
    refuse = function(rule)
      return with_retry_after(rule, refusal(rule, "Rate exceeded"))
    end,
  },
  content_type = {
    parameters = { value = parameter("text/html", HEADER_VALUE) },
    alter = function(rule, answer)
      header(answer, "content-type")[2] = rule.value
    end,
  },
  duplicate_header = {
    parameters = {
      name = parameter("x-amzn-requestid", HEADER_NAME),
      value = parameter(nil, HEADER_VALUE),
    },
    alter = function(rule, answer)
      local first = header(answer, lower(rule.name))
      answer.headers[#answer.headers + 1] = { rule.name, rule.value or first and first[2] or "" }
      if not first then
        answer.headers[#answer.headers + 1] = answer.headers[#answer.headers]
      end
    end,
  },
  gzip = {
    parameters = {},
    alter = function(_, answer)
      set_body(answer, gzip(answer.body))
      answer.headers[#answer.headers + 1] = { "content-encoding", "gzip" }
    end,
  },
}

local GENERAL = {
  count = parameter(nil, whole(1)),
  after = parameter(0, whole(0)),
  probability = parameter(1, number(0, 1)),
}

local function failure(...)
  local message = "fault: " .. string.format(...)
  return nil, errors.new { kind = "config", code = "InvalidFault", message = message }
end

local function names_of(...)
  local names = {}
  for _, set in ipairs { ... } do
    for name in pairs(set) do
      names[name] = true
    end
  end
  return names
end

-- The fields of `given` over their defaults, or nil and an error.
local function checked(given, parameters)
  local rule = { kind = given.kind, operation = given.operation, struck = 0, seen = 0 }
  local known = names_of(parameters, GENERAL, { kind = true, operation = true })
  for name in pairs(given) do
    if not known[name] then
      return failure("%s has no %s; %s", given.kind, tostring(name), nearest(tostring(name), known))
    end
  end
  for _, set in ipairs { GENERAL, parameters } do
    for name, wanted in pairs(set) do
      local value = given[name]
      if value == nil and wanted.default ~= REQUIRED then
        value = wanted.default
      elseif value == nil or not wanted.domain.accepts(value) then
        return failure("%s: %s must be %s", given.kind, name, wanted.domain.words)
      end
      rule[name] = value
    end
  end
  return rule
end

--- Adds a fault behind those that there are.
-- @tparam table given see above
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config` that names the field
function methods:inject(given)
  if type(given) ~= "table" then
    return failure("expected a table, got a %s", type(given))
  end
  local kind = type(given.kind) == "string" and KINDS[given.kind]
  if not kind then
    return failure("there is no kind %s; %s", tostring(given.kind), nearest(tostring(given.kind), KINDS))
  elseif given.operation ~= nil and not model.operations[given.operation] then
    local operation = tostring(given.operation)
    return failure("there is no operation %s; %s", operation, nearest(operation, model.operations))
  end
  local rule, err = checked(given, kind.parameters)
  if not rule then
    return nil, err
  end
  self.rules[#self.rules + 1] = rule
  return true
end

--- The faults that may still strike.
-- @treturn table a list of copies: the fields as given, with defaults; `count`, if it has one, is what is left of it;
-- `struck` is how many requests it struck
function methods:list()
  local out = {}
  for i, rule in ipairs(self.rules) do
    local shown = { kind = rule.kind, operation = rule.operation, struck = rule.struck }
    for name in pairs(names_of(GENERAL, KINDS[rule.kind].parameters)) do
      shown[name] = rule[name]
    end
    out[i] = shown
  end
  return out
end

--- Forgets all faults.
function methods:clear()
  self.rules = {}
end

--- What another one needs to go on from here.
-- @treturn table plain data
function methods:dump()
  return { rules = self.rules, chance = self.random:dump() }
end

--- Goes on from where another one was.
-- @tparam table saved as of `dump`; it is not changed
function methods:load(saved)
  self.rules = {}
  for i, rule in ipairs(saved.rules) do
    self.rules[i] = {}
    for name, value in pairs(rule) do
      self.rules[i][name] = value
    end
  end
  self.random:load(saved.chance)
end

-- Whether a rule is due for a request. Counts the request.
local function is_due(self, rule, operation)
  if rule.operation and rule.operation ~= operation then
    return false
  end
  rule.seen = rule.seen + 1
  return rule.seen > rule.after and (rule.probability == 1 or self.random.draw() < rule.probability)
end

local function count_down(rule)
  rule.struck = rule.struck + 1
  rule.count = rule.count and rule.count - 1
end

local function drop_spent(self)
  local left = {}
  for _, rule in ipairs(self.rules) do
    if rule.count ~= 0 then
      left[#left + 1] = rule
    end
  end
  self.rules = left
end

--- What is to go wrong with a request.
-- @tparam table request as of `wire.read`
-- @treturn ?table nil: nothing. Else `skew` (seconds), `refusal` (a failure), and for `before` and `after`
function methods:strike(request)
  if not self.rules[1] then
    return nil
  end
  local operation = (request.by_name["x-amz-target"] or ""):match "%.(.*)$"
  local now = request.received_at
  local struck = { delivery = {} }
  for _, rule in ipairs(self.rules) do
    local kind = KINDS[rule.kind]
    local due = is_due(self, rule, operation) and (kind.beside or not struck.rule)
    if due and (not kind.strikes or kind.strikes(rule, now)) then
      count_down(rule)
      if kind.beside then
        kind.beside(rule, struck)
      else
        struck.rule, struck.kind = rule, kind
        struck.refusal = kind.refuse and kind.refuse(rule)
      end
    end
  end
  drop_spent(self)
  return struck
end

--- The answer in place of the service's, if there is one.
-- @tparam table struck
-- @tparam table context of the answer, as of `wire.success`
-- @treturn ?table an answer
function injection.before(struck, context)
  if struck.kind and struck.kind.instead then
    local answer, delivery = struck.kind.instead(struck.rule, context)
    for name, value in pairs(delivery or {}) do
      struck.delivery[name] = value
    end
    return answer
  end
end

--- The answer as it leaves.
-- @tparam table struck
-- @tparam table answer the service's, or that of `before`; it is changed
-- @treturn table the same, with a `delivery` where it travels in another way than usual
function injection.after(struck, answer)
  if struck.kind and struck.kind.alter then
    struck.kind.alter(struck.rule, answer, struck.delivery)
  end
  if next(struck.delivery) then
    answer.delivery = struck.delivery
  end
  answer.skewed = struck.skew ~= nil or nil
  return answer
end

--- No fault yet.
-- @tparam table settings
-- @treturn table
function injection.new(settings)
  return setmetatable({ rules = {}, random = random.new(settings.seed + 2, settings.random) }, metatable)
end

return injection
