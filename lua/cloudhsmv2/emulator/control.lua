--- The control interface of an emulator: what AWS has no API for. From Lua `emulator:control(name, parameters)`, elsewhere JSON over
-- HTTP on a port of its own (`cloudhsmv2-emulator --control-port`, `cloudhsmv2.emulator.nginx.control`), never on that of the service.
--
-- | control | parameters | result |
-- | --- | --- | --- |
-- | `time` | | `time` (seconds since 1970), `clock` (`frozen`, `scaled`, `real`) |
-- | `world` | `account`, `region`: only these | `time`, `stores`, `scheduled`, `failures`, `faults` |
-- | `events` | `after` (a `sequence`), `kind`, `id`, `limit` | `events`, see `cloudhsmv2.emulator.history` |
-- | `faults` | | `faults` that may still strike |
-- | `snapshot` | | the whole state, for `restore` |
-- | `advance` | `seconds` | `time` |
-- | `activate_cluster` | `cluster` | |
-- | `degrade_cluster` | `cluster` | |
-- | `degrade_hsm` | `hsm` | |
-- | `replace_hsm` | `hsm` | `hsm`: the id of the one that takes its place, with the same interface and address |
-- | `fail_next` | `what` (`hsm`, `copy`, `migration`, `initialization`), `count` (1) | |
-- | `inject` | a fault, see `cloudhsmv2.emulator.injection` | |
-- | `clear_faults` | | |
-- | `restore` | `snapshot` | |
-- | `reset` | | |
--
-- Over HTTP the first five are `GET /time`, with parameters in the query; the others are `POST /advance`, with a JSON object as the
-- body. `GET /snapshot` answers the snapshot itself and `POST /restore` takes it as the body. `GET /` lists the controls. The answer is
-- the result as a JSON object; where it is refused, `{"error":{"code":"...","message":"..."}}` with a status of 400 (wrong parameters), 403
-- (a browser sent it), 404 (no such control), 405 (the other method), 409 (not possible now) or 500 (the state cannot be written).
-- Whoever reaches the port can use it: it listens on the loopback interface unless told otherwise, and refuses what web pages send.
--
-- @module cloudhsmv2.emulator.control
-- @usage
-- -- curl -d '{"seconds":86400}' http://127.0.0.1:8081/advance
-- -- curl 'http://127.0.0.1:8081/events?kind=state&after=120'
-- assert(emulator:control("fail_next", { what = "copy" }))

local errors = require "cloudhsmv2.errors"
local json = require "cloudhsmv2.emulator.json"
local lower = require("cloudhsmv2.text").lower
local nearest = require("cloudhsmv2.text").nearest
local view = require "cloudhsmv2.emulator.view"

local control = {}

local NOT_POSSIBLE = "NotPossible"

local function failure(code, ...)
  return nil, errors.new { kind = "config", code = code, message = string.format(...) }
end

-- Turns `nil, reason` of the emulator's methods into an error; `result` is what the control says otherwise.
local function outcome(done, reason, result)
  if done then
    return result or {}
  elseif errors.is(reason) then
    return nil, reason
  end
  return failure(NOT_POSSIBLE, "%s", reason)
end

-- Parameters ------------------------------------------------------------------------------------------------------

-- A kind of parameter: reads a value, which over HTTP may be a text, or gives nil.

local function text(value)
  return type(value) == "string" and value or nil
end

local function number(value)
  value = type(value) == "string" and value:find "^%d+%.?%d*$" and tonumber(value) or value
  return type(value) == "number" and value >= 0 and value < math.huge and value or nil
end

local function whole(value)
  value = number(value)
  return value and value % 1 == 0 and value <= 2 ^ 53 and value or nil
end

local function choice(...)
  local allowed = {}
  for _, name in ipairs { ... } do
    allowed[name] = true
  end
  return function(value)
    return allowed[value] and value or nil
  end
end

local WORDS = {
  [text] = "a text",
  [number] = "a number that is not negative",
  [whole] = "a whole number that is not negative",
}

local FAILURES = { hsm = true, copy = true, migration = true, initialization = true }
local what = choice("hsm", "copy", "migration", "initialization")
local kind_of_event = choice("state", "request", "control")
WORDS[what] = "one of hsm, copy, migration, initialization"
WORDS[kind_of_event] = "one of state, request, control"

-- Controls --------------------------------------------------------------------------------------------------------

-- Every control: `reads` (whether it changes nothing), `parameters` by name, `required` ones, and `run(emulator, parameters)`, which
-- returns a result or nil and an error. `any`: parameters are checked elsewhere.
local CONTROLS = {}

CONTROLS.time = {
  reads = true,
  parameters = {},
  run = function(emulator)
    return { time = emulator:time(), clock = emulator.clock.mode }
  end,
}

-- The records of a collection, as the API shows them; `lists` are members that may be empty lists.
local function show_all(collection, show, lists)
  local out = json.list {}
  for record in collection:each(true) do
    local shown = show(record)
    for _, name in ipairs(lists) do
      local copy = json.list {}
      for i, item in ipairs(shown[name]) do
        copy[i] = item
      end
      shown[name] = copy
    end
    out[#out + 1] = shown
  end
  return out
end

local function show_backup(backup)
  local shown = view.backup(backup)
  shown.Policy = backup.policy
  return shown
end

-- With the HSMs that are listed later only.
local function show_cluster(cluster)
  return view.cluster(cluster, math.huge)
end

local function show_store(store)
  return {
    account = store.account,
    region = store.region,
    clusters = show_all(store.clusters, show_cluster, { "Hsms", "TagList" }),
    backups = show_all(store.backups, show_backup, { "TagList" }),
    shares = show_all(store.shares, view.share, { "tags" }),
  }
end

local function show_scheduled(world, account, region)
  local out = json.list {}
  for _, event in pairs(world.schedule.pending) do
    if (not account or event.account == account) and (not region or event.region == region) then
      local shown = {}
      for name, value in pairs(event) do
        shown[name] = value
      end
      table.insert(out, shown)
    end
  end
  table.sort(out, function(a, b)
    return a.at < b.at or a.at == b.at and a.sequence < b.sequence
  end)
  return out
end

CONTROLS.world = {
  reads = true,
  parameters = { account = text, region = text },
  run = function(emulator, parameters)
    local world, account, region = emulator:settle(), parameters.account, parameters.region
    local stores = json.list {}
    for store in world:each_store() do
      if (not account or store.account == account) and (not region or store.region == region) then
        table.insert(stores, show_store(store))
      end
    end
    local failures = {}
    for name in pairs(FAILURES) do
      failures[name] = world.failures[name] or 0
    end
    return {
      time = emulator:time(),
      stores = stores,
      scheduled = show_scheduled(world, account, region),
      failures = failures,
      faults = json.list(emulator:faults()),
    }
  end,
}

CONTROLS.events = {
  reads = true,
  parameters = { after = whole, kind = kind_of_event, id = text, limit = whole },
  run = function(emulator, parameters)
    return { events = json.list(emulator:events(parameters)) }
  end,
}

CONTROLS.faults = {
  reads = true,
  parameters = {},
  run = function(emulator)
    return { faults = json.list(emulator:faults()) }
  end,
}

CONTROLS.snapshot = {
  reads = true,
  parameters = {},
  run = function(emulator)
    return { snapshot = emulator:snapshot() }
  end,
}

CONTROLS.advance = {
  parameters = { seconds = number },
  required = { "seconds" },
  run = function(emulator, parameters)
    local done, err = emulator:advance(parameters.seconds)
    return outcome(done, err, { time = emulator:time() })
  end,
}

-- A control that is a method of the emulator, of one resource.
local function about(resource, method)
  return {
    parameters = { [resource] = text },
    required = { resource },
    run = function(emulator, parameters)
      return outcome(emulator[method](emulator, parameters[resource]))
    end,
  }
end

CONTROLS.activate_cluster = about("cluster", "activate_cluster")
CONTROLS.degrade_cluster = about("cluster", "degrade_cluster")
CONTROLS.degrade_hsm = about("hsm", "degrade_hsm")

CONTROLS.replace_hsm = {
  parameters = { hsm = text },
  required = { "hsm" },
  run = function(emulator, parameters)
    local id, err = emulator:replace_hsm(parameters.hsm)
    return outcome(id, err, { hsm = id })
  end,
}

CONTROLS.fail_next = {
  parameters = { what = what, count = whole },
  required = { "what" },
  run = function(emulator, parameters)
    return outcome(emulator["fail_next_" .. parameters.what](emulator, parameters.count))
  end,
}

CONTROLS.inject = {
  any = true,
  run = function(emulator, parameters)
    return outcome(emulator:inject(parameters))
  end,
}

CONTROLS.clear_faults = {
  parameters = {},
  run = function(emulator)
    emulator:clear_faults()
    return {}
  end,
}

CONTROLS.restore = {
  parameters = { snapshot = text },
  required = { "snapshot" },
  run = function(emulator, parameters)
    return outcome(emulator:restore(parameters.snapshot))
  end,
}

CONTROLS.reset = {
  parameters = {},
  run = function(emulator)
    return outcome(emulator:reset())
  end,
}

-- The parameters that a control gets, or nil and an error.
local function checked(name, described, given)
  if described.any then
    return given
  end
  local out = {}
  for parameter, value in pairs(given) do
    local read = described.parameters[parameter]
    if not read then
      local known = next(described.parameters) and nearest(tostring(parameter), described.parameters) or "it has none"
      return failure("InvalidParameter", "%s has no parameter %s; %s", name, tostring(parameter), known)
    end
    out[parameter] = read(value)
    if out[parameter] == nil then
      return failure("InvalidParameter", "%s: %s must be %s", name, parameter, WORDS[read])
    end
  end
  for _, parameter in ipairs(described.required or {}) do
    if out[parameter] == nil then
      return failure("InvalidParameter", "%s needs %s, %s", name, parameter, WORDS[described.parameters[parameter]])
    end
  end
  return out
end

-- What of the parameters the events show.
local function shown(parameters)
  local out = {}
  for name, value in pairs(parameters) do
    out[name] = name ~= "snapshot" and value or nil
  end
  return out
end

--- Runs a control.
-- @tparam table emulator
-- @tparam string name see above
-- @tparam[opt] table parameters
-- @treturn[1] table result
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config`: `UnknownControl`, `InvalidParameter`, `NotPossible`, or what `inject` and `restore` say
function control.run(emulator, name, parameters)
  local described = CONTROLS[name]
  if not described then
    return failure("UnknownControl", "there is no control %s; %s", tostring(name), nearest(tostring(name), CONTROLS))
  end
  local input, err = checked(name, described, parameters or {})
  if not input then
    return nil, err
  end
  local result
  result, err = described.run(emulator, input)
  if result and not described.reads then
    emulator.history:add("control", emulator:time(), { name = name, parameters = shown(input) })
  end
  return result, err
end

--- The names of all controls.
-- @treturn table sorted list
function control.names()
  local names = {}
  for name in pairs(CONTROLS) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

-- HTTP ------------------------------------------------------------------------------------------------------------

local STATUSES = {
  UnknownControl = 404,
  NotPossible = 409,
  CannotWriteState = 500,
}

local function response(status, body, allow)
  local headers = {
    { "content-type", "application/json" },
    { "content-length", tostring(#body) },
    { "cache-control", "no-store" },
  }
  if allow then
    headers[#headers + 1] = { "allow", allow }
  end
  return { status = status, headers = headers, body = body }
end

local function refusal(status, code, message, allow)
  local plain = message:gsub("[\128-\255]", "?")
  return response(status, assert(json.encode { error = { code = code, message = plain } }), allow)
end

local function unescape(escaped)
  return (escaped:gsub("+", " "):gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

local function read_query(query)
  local out = {}
  for name, value in query:gmatch "([^&=]+)=([^&]*)" do
    out[unescape(name)] = unescape(value)
  end
  return out
end

-- The parameters of a request to a control; or nil and what is wrong.
local function read_parameters(name, request, query)
  if CONTROLS[name].reads then
    return read_query(query)
  elseif name == "restore" then
    return { snapshot = request.body }
  elseif not (request.body or ""):find "%S" then
    return {}
  end
  local value, err = json.decode(request.body)
  if type(value) ~= "table" then
    return nil, err and err.message or "it is no object"
  end
  return value
end

local function list_controls()
  local list = json.list {}
  for i, name in ipairs(control.names()) do
    local parameters = json.list {}
    for parameter in pairs(CONTROLS[name].parameters or {}) do
      table.insert(parameters, parameter)
    end
    table.sort(parameters)
    list[i] = { name = name, method = CONTROLS[name].reads and "GET" or "POST", parameters = parameters }
  end
  return { controls = list }
end

local function answer(result, err, name)
  if not result then
    return refusal(STATUSES[err.code] or 400, err.code, err.message)
  end
  return response(200, name == "snapshot" and result.snapshot or assert(json.encode(result)))
end

--- Answers a request to the control interface.
-- @tparam table emulator
-- @tparam table request `method`, `target`, `headers` (a list of `{ name, value }`) and `body`
-- @treturn table `status`, `headers` and `body`
function control.handle(emulator, request)
  for _, pair in ipairs(request.headers) do
    if lower(pair[1]) == "origin" then
      return refusal(403, "FromBrowser", "requests of web pages are refused")
    end
  end
  local name, query = request.target:match "^/([^?]*)%??(.*)$"
  local method = request.method == "HEAD" and "GET" or request.method
  local described = name and CONTROLS[name]
  if name ~= "" and not described then
    return answer(control.run(emulator, name or request.target))
  end
  local wanted = (name == "" or described.reads) and "GET" or "POST"
  if method ~= wanted then
    local message = ("the method of /%s is %s"):format(name, wanted)
    return refusal(405, "WrongMethod", message, wanted)
  elseif name == "" then
    return answer(list_controls())
  end
  local parameters, problem = read_parameters(name, request, query)
  if not parameters then
    return refusal(400, "InvalidBody", ("the body must be a JSON object: %s"):format(problem))
  end
  local result, err = control.run(emulator, name, parameters)
  return answer(result, err, name)
end

return control
