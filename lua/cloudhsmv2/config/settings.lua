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
-- | `connect_timeout` | | | 3.1 seconds; 1.1 in `in-region`, 30 in `mobile` mode |
-- | `read_timeout` | | | 60 seconds between bytes |
-- | `timeout` | | | none; seconds for a whole call |
-- | `defaults_mode` | `AWS_DEFAULTS_MODE` | `defaults_mode` | `"standard"`, or another of AWS's: `"in-region"` |
-- | `ca_file` | `AWS_CA_BUNDLE` | `ca_bundle` | as libcurl was built |
-- | `client_certificate`, `client_key` | | | none; PEM files, for a gateway that asks for them |
-- | `proxy`, `no_proxy` | `https_proxy`, `no_proxy` and the others that libcurl reads | | none |
-- | `allow_http` | `CLOUDHSMV2_ALLOW_HTTP` | | false; true: `http://` endpoints on other machines |
-- | `max_body`, `max_header` | | | the runtime's; bytes of an answer |
-- | `app_id` | `AWS_SDK_UA_APP_ID` | `sdk_ua_app_id` | none; a name for the User-Agent |
-- | `retry.mode` | `AWS_RETRY_MODE` | `retry_mode` | `"standard"`, as which `"legacy"` is read; or `"adaptive"` |
-- | `retry.max_attempts` | `AWS_MAX_ATTEMPTS` | `max_attempts` | 3 attempts in all |
-- | `retry_ambiguous` | | | false; true: what must not be done twice is sent again like everything else |
-- | `disable_clock_skew_correction` | `AWS_DISABLE_CLOCK_SKEW_CORRECTION` | `disable_clock_skew_correction` | false |
--
-- Where credentials are from:
--
-- | setting | environment | key of a profile | default |
-- | --- | --- | --- | --- |
-- | `role_arn`, `role_session_name` | `AWS_ROLE_ARN`, `AWS_ROLE_SESSION_NAME` | the same of each profile | |
-- | `web_identity_token_file` | `AWS_WEB_IDENTITY_TOKEN_FILE` | the same of each profile | |
-- | `sts_regional_endpoints` | `AWS_STS_REGIONAL_ENDPOINTS` | `sts_regional_endpoints` | `"regional"`, as which `"legacy"` is read |
-- | `login_cache_directory` | `AWS_LOGIN_CACHE_DIRECTORY` | | `~/.aws/login/cache` |
-- | `container_credentials_relative_uri`, `..._full_uri` | `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`, `..._FULL_URI` | | |
-- | `container_authorization_token`, `..._token_file` | `AWS_CONTAINER_AUTHORIZATION_TOKEN`, `..._TOKEN_FILE` | | |
-- | `ec2_metadata_disabled` | `AWS_EC2_METADATA_DISABLED` | `disable_ec2_metadata` | false |
-- | `ec2_metadata_v1_disabled` | `AWS_EC2_METADATA_V1_DISABLED` | `ec2_metadata_v1_disabled` | version 1 is never used |
-- | `ec2_metadata_service_endpoint` | `AWS_EC2_METADATA_SERVICE_ENDPOINT` | `ec2_metadata_service_endpoint` | by the mode |
-- | `ec2_metadata_service_endpoint_mode` | `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE` | `ec2_...` | `"ipv4"`; or `"ipv6"` |
-- | `ec2_instance_profile_name` | `AWS_EC2_INSTANCE_PROFILE_NAME` | `ec2_instance_profile_name` | the instance's own |
-- | `metadata_service_timeout` | `AWS_METADATA_SERVICE_TIMEOUT` | `metadata_service_timeout` | 1 second |
-- | `metadata_service_num_attempts` | `AWS_METADATA_SERVICE_NUM_ATTEMPTS` | `metadata_service_num_attempts` | 1 |
--
-- These are looked at when a provider of credentials needs them, so a mistake in them does no harm to who has other
-- credentials: it is an error then. The first three and those of containers are no options of `new`.
--
-- `services = NAME` leads to the block `cloudhsm_v2` of the section `[services NAME]`, and to its `endpoint_url`. A blank
-- value is an unset one. An old pseudo region, `fips-us-east-1` or `us-east-1-fips`, is the region, with FIPS switched on.
-- Source: AWS SDKs and Tools Reference Guide, "Settings reference".
--
-- @module cloudhsmv2.config.settings

local definitions = require "cloudhsmv2.config.definitions"
local endpoint = require "cloudhsmv2.endpoint"
local errors = require "cloudhsmv2.errors"
local files = require "cloudhsmv2.config.files"
local text = require "cloudhsmv2.text"

local format = string.format

local LONG_APP_ID = 50 -- characters; AWS asks for no more, and takes them
local CONNECT_TIMEOUTS = { ["in-region"] = 1.1, mobile = 30 } -- seconds, by defaults_mode; 3.1 in all others

local settings = {}

-- What a caller may give beside settings: parts of the client, which have no text form.
local PARTS = {
  credentials = { table = true, ["function"] = true, userdata = true },
  runtime = { table = true },
  on_event = { ["function"] = true },
  model = { table = true },
  getenv = { ["function"] = true },
  read_file = { ["function"] = true },
  write_file = { ["function"] = true },
  mfa_token_provider = { ["function"] = true },
  random = { ["function"] = true },
}

local MODEL_TABLES = { "metadata", "operations", "shapes" }
local RUNTIME_FUNCTIONS = { "send", "sleep", "now", "time" }

--- The settings of the runtime that a client makes.
settings.of_runtime = { "ca_file", "client_certificate", "client_key", "proxy", "no_proxy", "max_body", "max_header" }

local CALL_CHECKS = definitions.of_call

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
    if definition.outside then
      return nil
    elseif definition.within then
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
  local _
  for i = 1, only_code and 1 or #sources do
    local found, err = sources[i](definition)
    if err then
      return nil, err
    elseif found then
      local value, problem = (found.read or definition.check)(found.value)
      if value == nil then
        local assigned = definition.hidden and "" or "=" .. shown(found.value)
        _, err = invalid(format("%s%s (%s): %s", found.name, assigned, found.place, problem))
        if definition.late then
          resolved.problems[definition.name] = err
          return true
        end
        return nil, err
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
    for _, warning in ipairs(loaded.warnings) do
      if warning.code == "ProfileFileIgnored" then -- perhaps it was meant to be the profile
        message = message .. "; " .. warning.message
        break
      end
    end
    return invalid(message)
  end
  return properties or {}
end

local function known_options()
  local known = {}
  for _, definition in ipairs(definitions.all) do
    if not definition.within and not definition.outside then
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
  for _, name in ipairs(options.runtime and settings.of_runtime or {}) do
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

-- What `auto` stands for, as far as the environment tells: the metadata service is not asked for it.
local function mode_of(resolved, getenv)
  local mode = resolved.defaults_mode
  if mode ~= "auto" then
    return mode
  end
  local here = not is_blank(getenv "AWS_EXECUTION_ENV" or "") and (getenv "AWS_REGION" or getenv "AWS_DEFAULT_REGION")
  if not here or is_blank(here) then
    return "standard"
  end
  return text.trim(here) == resolved.region and "in-region" or "cross-region"
end

-- Source: AWS SDKs and Tools Reference Guide, "Smart configuration defaults".
local function apply_defaults_mode(resolved, getenv)
  if resolved.origin.connect_timeout == "default" then
    resolved.connect_timeout = CONNECT_TIMEOUTS[mode_of(resolved, getenv)] or resolved.connect_timeout
  end
end

local function warn_of_oddities(resolved, warnings)
  if #(resolved.app_id or "") > LONG_APP_ID then
    local message = "app_id (%s): has %d characters; AWS asks for at most %d"
    message = format(message, settings.from(resolved.origin.app_id), #resolved.app_id, LONG_APP_ID)
    table.insert(warnings, { code = "LongAppId", message = message })
  end
  if resolved.sts_regional_endpoints == "legacy" then
    local message = 'sts_regional_endpoints "legacy" (%s) is read as "regional": the global host is not asked'
    message = format(message, settings.from(resolved.origin.sts_regional_endpoints))
    table.insert(warnings, { code = "LegacyStsEndpoints", message = message })
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
  local resolved = { origin = {}, problems = {} }
  local ok, err = take(resolved, definitions.profile, sources)
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
  for i = 2, #definitions.all do -- the first is the profile
    ok, err = take(resolved, definitions.all[i], sources)
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
  apply_defaults_mode(resolved, context.getenv)
  warn_of_oddities(resolved, loaded.warnings)
  return resolved, loaded
end

--- The endpoint that somebody configured for a service that credentials come from, by the same precedence as the
-- client's own, without what was given in code.
-- @tparam string service_id `"STS"`, `"SSO"`, `"SSO OIDC"` or `"Signin"`
-- @tparam table resolved as of `settings.resolve`
-- @tparam table loaded as of `settings.resolve`
-- @tparam function getenv stands for the environment
-- @treturn[1] string|nil the URL; nil: nobody did
-- @treturn[1] string|nil where it is from
-- @treturn[2] nil
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config`
function settings.endpoint_of(service_id, resolved, loaded, getenv)
  if resolved.ignore_configured_endpoint_urls then
    return nil
  end
  local service = service_id:gsub("[^A-Za-z0-9]", "_")
  local found = { origin = {}, problems = {} }
  local sources = { environment(getenv, service), file(loaded.selected, loaded, service) }
  local ok, err = take(found, definitions.endpoint, sources)
  if not ok then
    return nil, nil, err
  end
  return found.endpoint, found.origin.endpoint
end

--- A setting that was resolved late, or the mistake in it.
-- @tparam table resolved as of `settings.resolve`
-- @tparam string name
-- @return[1] its value
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config`
function settings.late(resolved, name)
  return resolved[name], resolved.problems[name]
end

--- The address of a proxy without its user and password.
-- @tparam string proxy
-- @treturn string
-- @usage settings.without_password "http://user:secret@proxy:3128" --> "http://***@proxy:3128"
function settings.without_password(proxy)
  local scheme = proxy:match "^[A-Za-z][A-Za-z0-9+.-]*://" or ""
  local host = proxy:match "@([^@]*)$"
  return host and scheme .. "***@" .. host or proxy
end

--- Every setting with its value and where that is from, for people to read. A password in `proxy` is masked.
-- @tparam table resolved as of `settings.resolve`
-- @treturn table by name: `{ value, origin, problem }`; the origin of what nobody set is `"not set"`, and `problem` says
-- what is wrong with one that is looked at late
function settings.describe(resolved)
  local described = {}
  for _, definition in ipairs(definitions.all) do
    local name = definition.name
    local value = resolved[name]
    if definition.within then
      value = resolved[definition.within][definition.field]
    elseif name == "proxy" and value then
      value = settings.without_password(value)
    elseif definition.secret and value then
      value = "***"
    elseif name == "container_credentials_full_uri" and value then
      value = value:gsub("^([a-zA-Z]+://)[^/@]*@", "%1***@")
    end
    local problem = resolved.problems[name]
    if name ~= "retry" then -- its fields are settings of their own
      described[name] =
        { value = value, origin = resolved.origin[name] or "not set", problem = problem and problem.message }
    end
  end
  return described
end

--- Checks the options of one call.
-- @tparam table options `timeout`, `connect_timeout`, `read_timeout` (seconds), `max_attempts`, `features`
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
