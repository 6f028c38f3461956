--- Every setting, resolved once: what the caller gave, else the environment, else the profile, else the default.
--
-- | setting | environment | key of a profile | default |
-- | --- | --- | --- | --- |
-- | `profile` | `AWS_PROFILE` | | `"default"` |
-- | `region` | `AWS_REGION`, `AWS_DEFAULT_REGION` | `region` | |
-- | `endpoint` | `AWS_ENDPOINT_URL_CLOUDHSM_V2`, `AWS_ENDPOINT_URL` | `services`, `endpoint_url` | |
-- | `ignore_configured_endpoint_urls` | `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` | the same in lower case | false |
-- | `use_fips` | `AWS_USE_FIPS_ENDPOINT` | `use_fips_endpoint` | false |
-- | `use_dualstack` | `AWS_USE_DUALSTACK_ENDPOINT` | `use_dualstack_endpoint` | false |
-- | `connect_timeout` | | | 3.1 seconds |
-- | `read_timeout` | | | 60 seconds between bytes |
-- | `timeout` | | | none; seconds for a whole call |
-- | `ca_file` | `AWS_CA_BUNDLE` | `ca_bundle` | as libcurl was built |
-- | `proxy` | | | as libcurl reads the environment |
-- | `max_body`, `max_header` | | | the runtime's; bytes of an answer |
-- | `app_id` | `AWS_SDK_UA_APP_ID` | `sdk_ua_app_id` | none; a name for the User-Agent |
-- | `retry.mode` | `AWS_RETRY_MODE` | `retry_mode` | `"standard"`; or `"adaptive"`. `"legacy"` is read as `"standard"`, with a warning |
-- | `retry.max_attempts` | `AWS_MAX_ATTEMPTS` | `max_attempts` | 3 attempts in all |
-- | `retry_ambiguous` | | | false; true: what must not be done twice is sent again like everything else |
-- | `disable_clock_skew_correction` | `AWS_DISABLE_CLOCK_SKEW_CORRECTION` | `disable_clock_skew_correction` | false |
--
-- `services = NAME` leads to the block `cloudhsm_v2` of the section `[services NAME]`, and to its `endpoint_url`. A blank
-- value is an unset one. An old pseudo region, `fips-us-east-1` or `us-east-1-fips`, is the region, with FIPS switched on.
-- Source: AWS SDKs and Tools Reference Guide, "Settings reference".
--
-- @module cloudhsmv2.config.settings

local endpoint = require "cloudhsmv2.endpoint"
local errors = require "cloudhsmv2.errors"
local files = require "cloudhsmv2.config.files"
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
    return nil, "expected a string"
  end
  value = text.trim(value)
  if endpoint.region_problem(endpoint.signing_region(value)) then
    return nil, "expected letters, digits and hyphens, as in eu-west-1"
  end
  return value
end

local function is_endpoint(value)
  local parsed, err = endpoint.parse(value)
  return parsed and value, err and err.message
end

local function is_boolean(value)
  if type(value) ~= "boolean" then
    return nil, "expected true or false"
  end
  return value
end

local function is_seconds(value)
  if type(value) ~= "number" or not (value > 0 and value < math.huge) then
    return nil, "expected a number of seconds above 0"
  end
  return value
end

local function is_bytes(value)
  if type(value) ~= "number" or value < 1 or value >= 2 ^ 31 or value % 1 ~= 0 then
    return nil, "expected a whole number of bytes from 1"
  end
  return value
end

local function is_text(value)
  if type(value) ~= "string" then
    return nil, "expected a string"
  elseif value:find "[%z\1-\31\127]" then
    return nil, "expected no control character"
  end
  return value
end

local function is_app_id(value)
  local id, problem = is_text(value)
  if id and #id > MOST_APP_ID then
    return nil, format("expected at most %d characters", MOST_APP_ID)
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

-- The environment and the files have only strings.
local function read_boolean(value)
  local read = BOOLEANS[text.lower(text.trim(value))]
  if read == nil then
    return nil, "expected true or false"
  end
  return read
end

local function read_attempts(value)
  return is_attempts(tonumber(text.trim(value):match "^[0-9]+$"))
end

-- In the order in which they are resolved: `unless` names one before it that switches all sources but code off; with
-- `within` and `field` it is a field of another option; `hidden` is a value that no message shows, or whose check says
-- what may be shown of it.
local PROFILE = { name = "profile", check = is_text, environment = { "AWS_PROFILE" }, default = "default" }
local DEFINITIONS = {
  PROFILE,
  { name = "region", check = is_region, environment = { "AWS_REGION", "AWS_DEFAULT_REGION" }, key = "region" },
  {
    name = "ignore_configured_endpoint_urls",
    check = is_boolean,
    read = read_boolean,
    environment = { "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS" },
    key = "ignore_configured_endpoint_urls",
    default = false,
  },
  {
    name = "endpoint",
    check = is_endpoint,
    environment = { "AWS_ENDPOINT_URL_<SERVICE>", "AWS_ENDPOINT_URL" },
    key = "endpoint_url",
    of_service = true,
    hidden = true,
    unless = "ignore_configured_endpoint_urls",
  },
  {
    name = "use_fips",
    check = is_boolean,
    read = read_boolean,
    environment = { "AWS_USE_FIPS_ENDPOINT" },
    key = "use_fips_endpoint",
    default = false,
  },
  {
    name = "use_dualstack",
    check = is_boolean,
    read = read_boolean,
    environment = { "AWS_USE_DUALSTACK_ENDPOINT" },
    key = "use_dualstack_endpoint",
    default = false,
  },
  { name = "connect_timeout", check = is_seconds, default = 3.1 },
  { name = "read_timeout", check = is_seconds, default = 60 },
  { name = "timeout", check = is_seconds },
  { name = "ca_file", check = is_text, environment = { "AWS_CA_BUNDLE" }, key = "ca_bundle" },
  { name = "proxy", check = is_text, hidden = true, blank = true }, -- "" is a value: no proxy, whatever the environment says
  { name = "max_body", check = is_bytes },
  { name = "max_header", check = is_bytes },
  { name = "app_id", check = is_app_id, environment = { "AWS_SDK_UA_APP_ID" }, key = "sdk_ua_app_id" },
  { name = "retry", check = is_retry, hidden = true },
  {
    name = "retry.mode",
    within = "retry",
    field = "mode",
    check = is_retry_mode,
    environment = { "AWS_RETRY_MODE" },
    key = "retry_mode",
    default = "standard",
  },
  {
    name = "retry.max_attempts",
    within = "retry",
    field = "max_attempts",
    check = is_attempts,
    read = read_attempts,
    environment = { "AWS_MAX_ATTEMPTS" },
    key = "max_attempts",
    default = 3,
  },
  { name = "retry_ambiguous", check = is_boolean, default = false },
  {
    name = "disable_clock_skew_correction",
    check = is_boolean,
    read = read_boolean,
    environment = { "AWS_DISABLE_CLOCK_SKEW_CORRECTION" },
    key = "disable_clock_skew_correction",
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
  read_file = { ["function"] = true },
  random = { ["function"] = true },
}

local MODEL_TABLES = { "metadata", "operations", "shapes" }
local RUNTIME_FUNCTIONS = { "send", "sleep", "now", "time" }
local RUNTIME_SETTINGS = { "ca_file", "proxy", "max_body", "max_header" } -- of the runtime that we make

local CALL_CHECKS = {
  timeout = is_seconds,
  connect_timeout = is_seconds,
  read_timeout = is_seconds,
  max_attempts = is_attempts,
}

local function is_blank(value)
  return type(value) == "string" and text.trim(value) == ""
end

local function invalid(message)
  return nil, errors.new { kind = "config", code = "InvalidConfiguration", message = message }
end

-- A source returns what it has for a definition, or nil, or nil and an error. What it has is `value`, `origin`, and for
-- messages `name` (what the value is called there), `place`, and `read` where the value is a string to be read.

local function code(options)
  return function(definition)
    local value
    if definition.within then
      value = (options[definition.within] or {})[definition.field]
    else
      value = options[definition.name]
    end
    if value ~= nil and (definition.blank or not is_blank(value)) then
      return { value = value, origin = "code", name = definition.name, place = "code" }
    end
  end
end

local function environment(getenv, service)
  service = text.upper(service)
  return function(definition)
    for _, name in ipairs(definition.environment or {}) do
      name = name:gsub("<SERVICE>", service)
      local value = getenv(name)
      if value ~= nil and not is_blank(value) then
        return { value = value, origin = "env " .. name, name = name, place = "environment", read = definition.read }
      end
    end
  end
end

-- The endpoint in the services section that the profile names.
local function service_endpoint(properties, loaded, service)
  local name, property = files.value(properties, "services")
  if not name then
    return nil
  end
  local section = loaded.services[name]
  if not section then
    local message = "services=%s (%s): there is no such section of services in %s"
    return invalid(format(message, text.quote(name), files.place(property), loaded.locations.config.shown))
  end
  local block = section[text.lower(service)]
  return block and block.sub and select(2, files.value(block.sub, "endpoint_url"))
end

local function file(properties, loaded, service)
  return function(definition)
    local property, err
    if definition.of_service then
      property, err = service_endpoint(properties, loaded, service)
      if err then
        return nil, err
      end
    end
    if not property and definition.key then
      property = select(2, files.value(properties, definition.key))
    end
    if property then
      local place = files.place(property)
      local origin = "file " .. place
      return { value = property.value, origin = origin, name = definition.key, place = place, read = definition.read }
    end
  end
end

local function default(definition)
  if definition.default ~= nil then
    return { value = definition.default, origin = "default", name = definition.name, place = "default" }
  end
end

local function shown(value)
  if type(value) == "table" or type(value) == "function" or type(value) == "userdata" then
    return "a " .. type(value)
  end
  return text.quote(value)
end

-- Resolves one setting from the first source that has it. Returns true, or nil and an error.
local function take(resolved, definition, sources)
  local only_code = definition.unless and resolved[definition.unless]
  for i = 1, only_code and 1 or #sources do
    local found, err = sources[i](definition)
    if err then
      return nil, err
    elseif found then
      local value, problem = (found.read or definition.check)(found.value)
      if value == nil then
        local assigned = definition.hidden and "" or "=" .. shown(found.value)
        return invalid(format("%s%s (%s): %s", found.name, assigned, found.place, problem))
      end
      resolved[definition.name], resolved.origin[definition.name] = value, found.origin
      return true
    end
  end
  return true
end

-- The properties of the chosen profile. Nobody needs to have one that is called default.
local function properties_of(resolved, loaded)
  local name, origin = resolved.profile, resolved.origin.profile
  local properties = loaded.profiles[name]
  if not properties and name ~= "default" then
    local assigned = origin == "code" and "profile=%s (code)" or "AWS_PROFILE=%s (environment)"
    local message = format(assigned .. ": there is no such profile in %s", text.quote(name), files.looked_at(loaded))
    local nearest = text.nearest(name, loaded.profiles)
    if nearest:find "^did you mean" then
      message = message .. "; " .. nearest
    end
    return invalid(message)
  end
  return properties or {}
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
    if not known[name] then
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

-- The fields of `retry` in one table, which others rely on.
local function gather_retry(resolved, warnings)
  local mode = resolved["retry.mode"]
  resolved.retry = { mode = mode, max_attempts = resolved["retry.max_attempts"] }
  resolved["retry.mode"], resolved["retry.max_attempts"], resolved.origin.retry = nil, nil, nil
  if mode == "legacy" then
    resolved.retry.mode = "standard"
    local message =
      format('the retry mode "legacy" (%s) is read as "standard"', settings.from(resolved.origin["retry.mode"]))
    table.insert(warnings, { code = "LegacyRetryMode", message = message })
  end
end

--- Resolves every setting.
-- @tparam table options what the caller gave
-- @tparam table context
-- @tparam function context.getenv `getenv(name)` returns a string or nil
-- @tparam[opt="CloudHSM V2"] string context.service_id of the model: part of `AWS_ENDPOINT_URL_CLOUDHSM_V2`
-- @tparam[opt] function context.read_file see `config.files`
-- @tparam[opt] boolean context.windows see `config.locations`
-- @treturn[1] table the settings by name, and `origin`: by name (`"retry.mode"` for a field), `"code"`, `"env AWS_REGION"`,
-- `"file ~/.aws/config:12"` or `"default"`
-- @treturn[1] table the files: as of `files.load`, and `selected`, the properties of the chosen profile
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config` that names the setting and where its value is from
-- @usage local resolved = settings.resolve({ region = "eu-west-1" }, { getenv = os.getenv })
function settings.resolve(options, context)
  local service = (context.service_id or "CloudHSM V2"):gsub("[^A-Za-z0-9]", "_")
  local sources = { code(options), environment(context.getenv, service), default }
  local resolved = { origin = {} }
  local ok, err = take(resolved, PROFILE, sources)
  if not ok then
    return nil, err
  end
  local loaded
  loaded, err = files.load(context)
  if not loaded then
    return nil, err
  end
  loaded.selected, err = properties_of(resolved, loaded)
  if not loaded.selected then
    return nil, err
  end

  table.insert(sources, 3, file(loaded.selected, loaded, service))
  for i = 2, #DEFINITIONS do -- the first is the profile
    ok, err = take(resolved, DEFINITIONS[i], sources)
    if not ok then
      return nil, err
    end
  end
  local meant = resolved.region and endpoint.signing_region(resolved.region)
  if meant ~= resolved.region then
    resolved.pseudo_region, resolved.region = resolved.region, meant
    resolved.use_fips, resolved.origin.use_fips = true, resolved.origin.region
  end
  gather_retry(resolved, loaded.warnings)
  return resolved, loaded
end

-- The address of a proxy without its user and password.
local function without_password(proxy)
  local scheme = proxy:match "^[A-Za-z][A-Za-z0-9+.-]*://" or ""
  local host = proxy:match "@([^@]*)$"
  return host and scheme .. "***@" .. host or proxy
end

--- Every setting with its value and where that is from, for people to read. A password in `proxy` is masked.
-- @tparam table resolved as of `settings.resolve`
-- @treturn table by name: `{ value, origin }`; the origin of what nobody set is `"not set"`
function settings.describe(resolved)
  local described = {}
  for _, definition in ipairs(DEFINITIONS) do
    local name = definition.name
    local value = resolved[name]
    if definition.within then
      value = resolved[definition.within][definition.field]
    elseif name == "proxy" and value then
      value = without_password(value)
    end
    if name ~= "retry" then -- its fields are settings of their own
      described[name] = { value = value, origin = resolved.origin[name] or "not set" }
    end
  end
  return described
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
      message = problem and format("%s=%s: %s", name, shown(value), problem)
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
