--- Every setting, resolved once: what the caller gave, else the environment, else the default.
--
-- | setting | environment | default |
-- | --- | --- | --- |
-- | `region` | `AWS_REGION`, `AWS_DEFAULT_REGION` | |
-- | `endpoint` | `AWS_ENDPOINT_URL_CLOUDHSM_V2`, `AWS_ENDPOINT_URL` | |
-- | `ignore_configured_endpoint_urls` | `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` | false |
-- | `use_fips` | `AWS_USE_FIPS_ENDPOINT` | false |
-- | `use_dualstack` | `AWS_USE_DUALSTACK_ENDPOINT` | false |
-- | `connect_timeout` | | 3.1 seconds |
-- | `read_timeout` | | 60 seconds between bytes |
-- | `timeout` | | none; seconds for a whole call |
-- | `ca_file` | `AWS_CA_BUNDLE` | as libcurl was built |
-- | `proxy` | | as libcurl reads the environment |
-- | `max_body`, `max_header` | | the runtime's; bytes of an answer |
-- | `app_id` | `AWS_SDK_UA_APP_ID` | none; a name for the User-Agent |
-- | `retry.mode` | `AWS_RETRY_MODE` | `"standard"`; or `"adaptive"`. `"legacy"` is read as `"standard"`, with a warning |
-- | `retry.max_attempts` | `AWS_MAX_ATTEMPTS` | 3 attempts in all |
-- | `retry_ambiguous` | | false; true: what must not be done twice is sent again like everything else |
-- | `disable_clock_skew_correction` | `AWS_DISABLE_CLOCK_SKEW_CORRECTION` | false |
--
-- A blank value is an unset one. Source: AWS SDKs and Tools Reference Guide, "Settings reference".
--
-- @module cloudhsmv2.config.settings

local endpoint = require "cloudhsmv2.endpoint"
local errors = require "cloudhsmv2.errors"
local text = require "cloudhsmv2.text"

local format = string.format

local MOST_APP_ID = 50 -- characters
local BOOLEANS = { ["true"] = true, ["false"] = false }
local RETRY_FIELDS = { mode = true, max_attempts = true }
local RETRY_MODES = { standard = "standard", adaptive = "adaptive", legacy = "legacy" }
local MOST_ATTEMPTS = 2 ^ 31 - 1

local settings = {}

-- A check takes a value and returns it as it is used, or nil and what is wrong with it.

local function is_region(value)
  if type(value) ~= "string" then
    return nil, "must be a string, not a " .. type(value)
  end
  value = text.trim(value)
  local problem = endpoint.region_problem(endpoint.signing_region(value))
  if problem then
    return nil, format("%s, not %s", problem, text.quote(value))
  end
  return value
end

local function is_endpoint(value)
  local parsed, err = endpoint.parse(value)
  return parsed and value, err and err.message
end

local function is_boolean(value)
  if type(value) ~= "boolean" then
    return nil, format("must be true or false, not %s", text.quote(value))
  end
  return value
end

local function is_seconds(value)
  if type(value) ~= "number" or not (value > 0 and value < math.huge) then
    return nil, format("must be a number of seconds above 0, not %s", text.quote(value))
  end
  return value
end

local function is_bytes(value)
  if type(value) ~= "number" or value < 1 or value >= 2 ^ 31 or value % 1 ~= 0 then
    return nil, format("must be a whole number of bytes from 1, not %s", text.quote(value))
  end
  return value
end

-- The value is never shown: a proxy's URL may hold a password.
local function is_text(value)
  if type(value) ~= "string" then
    return nil, "must be a string, not a " .. type(value)
  elseif value:find "[%z\1-\31\127]" then
    return nil, "has a control character in it"
  end
  return value
end

local function is_app_id(value)
  local id, problem = is_text(value)
  if id and #id > MOST_APP_ID then
    return nil, format("must be at most %d characters", MOST_APP_ID)
  end
  return id, problem
end

local function is_attempts(value)
  if type(value) ~= "number" or not (value >= 1 and value < math.huge) or value % 1 ~= 0 then
    return nil, "expected a whole number of at least 1"
  elseif value > MOST_ATTEMPTS then
    return nil, format("expected a whole number of at most %d", MOST_ATTEMPTS)
  end
  return value
end

local function is_retry_mode(value)
  local mode = type(value) == "string" and RETRY_MODES[text.lower(text.trim(value))]
  if not mode then
    return nil, "expected standard, adaptive or legacy"
  end
  return mode
end

-- Its fields are settings of their own.
local function is_retry(value)
  if type(value) ~= "table" then
    return nil, 'must be a table such as { mode = "standard", max_attempts = 3 }, not a ' .. type(value)
  end
  for name in pairs(value) do
    if not RETRY_FIELDS[name] then
      return nil, format("unknown field %s; %s", text.quote(name), text.nearest(tostring(name), RETRY_FIELDS))
    end
  end
  return value
end

-- The environment has only strings.
local function read_boolean(value)
  local read = BOOLEANS[text.lower(text.trim(value))]
  if read == nil then
    return nil, format("must be true or false, not %s", text.quote(value))
  end
  return read
end

local function read_attempts(value)
  return is_attempts(tonumber(text.trim(value):match "^[0-9]+$"))
end

-- In the order in which they are resolved: `unless` names one before it that switches all sources but code off; with
-- `within` and `field` it is a field of another option.
local DEFINITIONS = {
  { name = "region", check = is_region, environment = { "AWS_REGION", "AWS_DEFAULT_REGION" } },
  {
    name = "ignore_configured_endpoint_urls",
    check = is_boolean,
    read = read_boolean,
    environment = { "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS" },
    default = false,
  },
  {
    name = "endpoint",
    check = is_endpoint,
    environment = { "AWS_ENDPOINT_URL_<SERVICE>", "AWS_ENDPOINT_URL" },
    unless = "ignore_configured_endpoint_urls",
  },
  {
    name = "use_fips",
    check = is_boolean,
    read = read_boolean,
    environment = { "AWS_USE_FIPS_ENDPOINT" },
    default = false,
  },
  {
    name = "use_dualstack",
    check = is_boolean,
    read = read_boolean,
    environment = { "AWS_USE_DUALSTACK_ENDPOINT" },
    default = false,
  },
  { name = "connect_timeout", check = is_seconds, default = 3.1 },
  { name = "read_timeout", check = is_seconds, default = 60 },
  { name = "timeout", check = is_seconds },
  { name = "ca_file", check = is_text, environment = { "AWS_CA_BUNDLE" } },
  { name = "proxy", check = is_text, blank = true }, -- "" is a value: no proxy, whatever the environment says
  { name = "max_body", check = is_bytes },
  { name = "max_header", check = is_bytes },
  { name = "app_id", check = is_app_id, environment = { "AWS_SDK_UA_APP_ID" } },
  { name = "retry", check = is_retry },
  {
    name = "retry.mode",
    within = "retry",
    field = "mode",
    check = is_retry_mode,
    environment = { "AWS_RETRY_MODE" },
    default = "standard",
  },
  {
    name = "retry.max_attempts",
    within = "retry",
    field = "max_attempts",
    check = is_attempts,
    read = read_attempts,
    environment = { "AWS_MAX_ATTEMPTS" },
    default = 3,
  },
  { name = "retry_ambiguous", check = is_boolean, default = false },
  {
    name = "disable_clock_skew_correction",
    check = is_boolean,
    read = read_boolean,
    environment = { "AWS_DISABLE_CLOCK_SKEW_CORRECTION" },
    default = false,
  },
}

-- What a caller may give beside settings: parts of the client, which have no text form.
local PARTS = {
  credentials = { table = true, ["function"] = true, userdata = true },
  runtime = { table = true },
  on_event = { ["function"] = true },
  model = { table = true },
  getenv = { ["function"] = true },
  random = { ["function"] = true },
}

local MODEL_TABLES = { "metadata", "operations", "shapes" }
local RUNTIME_FUNCTIONS = { "send", "sleep", "now", "time" }
local RUNTIME_SETTINGS = { "ca_file", "proxy", "max_body", "max_header" } -- of the runtime that we make

-- Options that a reader of AWS's documentation or of later versions may try, and why they are not there.
local NOT_THERE = {
  profile = "profiles and shared configuration files are not read by this version; give region and credentials, or set "
    .. "AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
}

local CALL_CHECKS = {
  timeout = is_seconds,
  connect_timeout = is_seconds,
  read_timeout = is_seconds,
  max_attempts = is_attempts,
}

local function is_blank(value)
  return type(value) == "string" and text.trim(value) == ""
end

-- A source returns a definition's value and where it is from, or nil.

local function code(options)
  return function(definition)
    local value
    if definition.within then
      value = (options[definition.within] or {})[definition.field]
    else
      value = options[definition.name]
    end
    if value ~= nil and (definition.blank or not is_blank(value)) then
      return value, "code"
    end
  end
end

local function environment(getenv, service)
  return function(definition)
    for _, name in ipairs(definition.environment or {}) do
      name = name:gsub("<SERVICE>", service)
      local value = getenv(name)
      if value ~= nil and not is_blank(value) then
        return value, "env " .. name, definition.read
      end
    end
  end
end

local function default(definition)
  return definition.default, "default"
end

local function invalid(message)
  return nil, errors.new { kind = "config", code = "InvalidConfiguration", message = message }
end

local function known_options()
  local known = {}
  for _, definition in ipairs(DEFINITIONS) do
    if not definition.within then
      known[definition.name] = true
    end
  end
  for name in pairs(PARTS) do
    known[name] = true
  end
  return known
end

local function has_all(object, names, kind)
  for _, name in ipairs(names) do
    if type(object[name]) ~= kind then
      return false
    end
  end
  return true
end

local function option_problem(options)
  local known = known_options()
  for name, value in pairs(options) do
    if NOT_THERE[name] then
      return format("%s: %s", name, NOT_THERE[name])
    elseif not known[name] then
      return format("unknown option %s; %s", text.quote(name), text.nearest(tostring(name), known))
    elseif PARTS[name] and not PARTS[name][type(value)] then
      return format("%s: a %s is not what this option takes", name, type(value))
    end
  end
  if options.model and not has_all(options.model, MODEL_TABLES, "table") then
    return "model: must have the tables metadata, operations and shapes"
  elseif options.runtime and not has_all(options.runtime, RUNTIME_FUNCTIONS, "function") then
    return "runtime: must have the functions send, sleep, now and time"
  end
  for _, name in ipairs(options.runtime and RUNTIME_SETTINGS or {}) do
    if options[name] ~= nil then
      return format("%s: has no effect beside a runtime of your own; give it to that", name)
    end
  end
end

--- Checks the names of options, and the types of those that are no settings but parts of a client.
-- @tparam table options
-- @treturn boolean|nil
-- @treturn table an error of kind `config`
function settings.check_options(options)
  local problem = option_problem(options)
  if problem then
    return invalid(problem)
  end
  return true
end

-- `AWS_MAX_ATTEMPTS="x" (environment): expected ...`, or `retry.max_attempts=0 (code): expected ...`
local function written(definition, value, origin)
  local variable = origin:match "^env (.+)$"
  return format("%s=%s (%s)", variable or definition.name, text.quote(value), variable and "environment" or origin)
end

-- The fields of `retry` in one table, which others rely on.
local function gather_retry(resolved)
  local mode = resolved["retry.mode"]
  resolved.retry = { mode = mode, max_attempts = resolved["retry.max_attempts"] }
  resolved["retry.mode"], resolved["retry.max_attempts"], resolved.origin.retry = nil, nil, nil
  if mode == "legacy" then
    resolved.retry.mode = "standard"
    local message =
      format('the retry mode "legacy" (%s) is read as "standard"', settings.from(resolved.origin["retry.mode"]))
    resolved.warnings = { { code = "LegacyRetryMode", message = message } }
  end
end

--- Resolves every setting.
-- @tparam table options what the caller gave
-- @tparam table context
-- @tparam function context.getenv `getenv(name)` returns a string or nil
-- @tparam[opt="CloudHSM V2"] string context.service_id of the model: part of `AWS_ENDPOINT_URL_CLOUDHSM_V2`
-- @treturn[1] table the settings by name; `origin`: by name (`"retry.mode"` for a field), `"code"`, `"env AWS_REGION"` or
-- `"default"`; and perhaps `warnings`, a list of `code` and `message`
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config` that names the setting and where its value is from
-- @usage local resolved = settings.resolve({ region = "eu-west-1" }, { getenv = os.getenv })
function settings.resolve(options, context)
  local service = text.upper((context.service_id or "CloudHSM V2"):gsub("[^A-Za-z0-9]", "_"))
  local sources = { code(options), environment(context.getenv, service), default }

  local resolved = { origin = {} }
  for _, definition in ipairs(DEFINITIONS) do
    local only_code = definition.unless and resolved[definition.unless]
    for i = 1, only_code and 1 or #sources do
      local value, origin, read = sources[i](definition)
      if value ~= nil then
        local given = value
        local problem
        if read then
          value, problem = read(value)
        else
          value, problem = definition.check(value)
        end
        if value == nil and definition.within then
          return invalid(format("%s: %s", written(definition, given, origin), problem))
        elseif value == nil then
          return invalid(format("%s: %s (%s)", definition.name, problem, settings.from(origin)))
        end
        resolved[definition.name], resolved.origin[definition.name] = value, origin
        break
      end
    end
  end
  gather_retry(resolved)
  return resolved
end

--- Checks the options of one call.
-- @tparam table options `timeout`, `connect_timeout`, `read_timeout` (seconds), `max_attempts`
-- @treturn boolean|nil
-- @treturn table an error of kind `validation`
function settings.check_call(options)
  for name, value in pairs(options) do
    local message
    if CALL_CHECKS[name] then
      local _, problem = CALL_CHECKS[name](value)
      message = problem and format("%s: %s", name, problem)
    else
      message = format("unknown option %s of a call; %s", text.quote(name), text.nearest(tostring(name), CALL_CHECKS))
    end
    if message then
      return nil, errors.new { kind = "validation", code = "InvalidOption", message = message }
    end
  end
  return true
end

--- An origin in words.
-- @tparam string origin as in `settings.origin`
-- @treturn string
-- @usage settings.from "env AWS_REGION" --> "from env AWS_REGION"
function settings.from(origin)
  return origin == "default" and "the default" or "from " .. origin
end

return settings
