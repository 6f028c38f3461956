--- A client of the AWS CloudHSM V2 API.
--
-- Requiring this module loads code and does nothing else: no file is read, no connection made, no global set.
--
-- @module cloudhsmv2
-- @usage
-- local cloudhsmv2 = require "cloudhsmv2"
-- local client, err = cloudhsmv2.new { region = "eu-west-1" }
-- if not client then error(tostring(err)) end
-- local out, err = client:describe_backups { Filters = { states = { "READY" } } }

local client = require "cloudhsmv2.client"
local core = require "cloudhsmv2.core"
local credentials = require "cloudhsmv2.credentials"
local endpoint = require "cloudhsmv2.endpoint"
local errors = require "cloudhsmv2.errors"
local files = require "cloudhsmv2.config.files"
local parallel = require "cloudhsmv2.parallel"
local protected = require "cloudhsmv2.protected"
local retry = require "cloudhsmv2.retry"
local runtimes = require "cloudhsmv2.runtime"
local settings = require "cloudhsmv2.config.settings"
local sigv4 = require "cloudhsmv2.sigv4"
local skew = require "cloudhsmv2.retry.skew"
local text = require "cloudhsmv2.text"
local user_agent = require "cloudhsmv2.user_agent"
local version = require "cloudhsmv2.version"

local format = string.format

local FIPS_WARNING_FOR = "cloudhsmv2" -- the endpoint prefix of the service that AWS lists FIPS hosts of

-- AWS's models leave out what is the same as the endpoint's prefix, and those of protocol suites have neither.
local function signing_name(metadata)
  return metadata.signingName or metadata.endpointPrefix or metadata.targetPrefix
end

local function no_region(resolved, loaded)
  local message = 'region: not set; give region = "eu-west-1", or set AWS_REGION, or region in profile %s of %s'
  message = format(message, text.quote(resolved.profile), loaded.locations.config.shown)
  return nil, errors.new { kind = "config", code = "NoRegion", message = message }
end

-- The service's address, taken apart. An error names where the settings are from that do not go together.
local function address_of(resolved, model)
  local url, err = endpoint.resolve {
    region = resolved.region,
    use_fips = resolved.use_fips,
    use_dualstack = resolved.use_dualstack,
    endpoint = resolved.endpoint,
    prefix = model.metadata.endpointPrefix,
  }
  if url then
    return endpoint.parse(url)
  end
  local facts = {}
  for _, name in ipairs { "region", "endpoint", "use_fips", "use_dualstack" } do
    if resolved[name] then
      facts[#facts + 1] = format("%s %s", name, settings.from(resolved.origin[name]))
    end
  end
  err.message = format("%s (%s)", err.message, table.concat(facts, ", "))
  return nil, err
end

-- What is odd in the configuration and no error: a list of `{ code, message }`.
local function warnings_of(resolved, loaded, model)
  local warnings = loaded.warnings
  local from = settings.from(resolved.origin.use_fips)
  if resolved.pseudo_region then
    local message = format("%s (%s) means %s with use_fips", resolved.pseudo_region, from, resolved.region)
    table.insert(warnings, { code = "PseudoRegion", message = message })
  end
  if resolved.use_fips and not resolved.use_dualstack and model.metadata.endpointPrefix == FIPS_WARNING_FOR then
    local message = format("use_fips (%s): %s", from, endpoint.fips_warning(resolved.region))
    table.insert(warnings, { code = "FipsHostNotListed", message = message })
  end
  return warnings
end

-- Tells who watches; what that function raises is dropped.
local function tell(on_event, warnings)
  for _, warning in ipairs(on_event and warnings or {}) do
    protected.call(on_event, { type = "warning", code = warning.code, message = warning.message })
  end
end

--- Makes a client. The shared configuration files are read; nothing is sent, and no connection opened, before the first
-- call.
-- @tparam[opt] table options every setting of `cloudhsmv2.config.settings` (`profile`, `region`, `endpoint`, `use_fips`,
-- `use_dualstack`, `connect_timeout`, `read_timeout`, `timeout`, `ca_file`, `proxy`, `max_body`, `max_header`,
-- `app_id`, `retry`, `retry_ambiguous`, `disable_clock_skew_correction`), and
-- @tparam[opt] table|function|userdata options.credentials keys, or a function that returns them
-- (`cloudhsmv2.credentials.static`); else the environment's, which are not looked at where `profile` is given; else those
-- of the profile
-- @tparam[opt] table options.runtime what sends, sleeps and tells the time instead of libcurl
-- @tparam[opt] function options.on_event is told of every attempt, retry and warning (`cloudhsmv2.client`)
-- @tparam[opt] table options.model of another service of AWS with the `json` protocol
-- @tparam[opt] function options.getenv stands for the environment
-- @tparam[opt] function options.read_file reads a file instead of the system: `read_file(path)` returns its bytes, nil
-- when there is no such file, or nil and a reason
-- @tparam[opt] function options.random returns a number in [0, 1)
-- @treturn[1] table the client
-- @treturn[2] nil
-- @treturn[2] table an error object of kind `config` or `credentials`
-- @raise when the options are no table, and for a model that makes no sense
-- @usage local client, err = cloudhsmv2.new { region = "eu-west-1" }
local function new(options)
  if options ~= nil and type(options) ~= "table" then
    error("new: the options must be a table, not a " .. type(options), 2)
  end
  options = options or {}
  local ok, err = settings.check_options(options)
  if not ok then
    return nil, err
  end
  local model = options.model or require "cloudhsmv2.model"
  local getenv = options.getenv or os.getenv
  local resolved, loaded = settings.resolve(options, {
    getenv = getenv,
    read_file = options.read_file,
    service_id = model.metadata.serviceId,
  })
  if not resolved then
    return nil, loaded
  elseif not resolved.region then
    return no_region(resolved, loaded)
  end
  local address
  address, err = address_of(resolved, model)
  if not address then
    return nil, err
  end
  local runtime = options.runtime or runtimes.new(resolved)
  local proxy = settings.describe(resolved).proxy
  resolved.proxy = nil -- its password stays in the runtime
  local chain
  chain, err = credentials.new {
    credentials = options.credentials,
    getenv = options.getenv,
    profile = {
      name = resolved.profile,
      properties = loaded.selected,
      looked_at = files.looked_at(loaded),
      chosen_in_code = resolved.origin.profile == "code",
    },
    time = runtime.time,
  }
  if not chain then
    return nil, err
  end
  local random = options.random or core.random
  local signer
  signer, err = sigv4.signer()
  if not signer then
    return nil, err
  end

  tell(options.on_event, warnings_of(resolved, loaded, model))
  return client.of {
    model = model,
    settings = resolved,
    proxy = proxy,
    region = resolved.region,
    signing_name = signing_name(model.metadata),
    address = address,
    runtime = runtime,
    owns_runtime = not options.runtime,
    random = random,
    getenv = getenv,
    on_event = options.on_event,
    credentials = chain,
    signer = signer,
    retry = retry.new { mode = resolved.retry.mode, random = random },
    skew = skew.new(runtime.time, resolved.disable_clock_skew_correction),
    user_agent = user_agent.writer(resolved, model.metadata, getenv),
  }
end

return {
  new = new,
  --- The error objects: `errors.is(value)`, `errors.kinds`; see `cloudhsmv2.errors`.
  errors = errors,
  --- Several things at once; see `cloudhsmv2.parallel`.
  -- @function parallel
  parallel = parallel.run,
  --- The version of this library.
  version = version,
}
