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
local parallel = require "cloudhsmv2.parallel"
local retry = require "cloudhsmv2.retry"
local runtimes = require "cloudhsmv2.runtime"
local settings = require "cloudhsmv2.config.settings"
local sigv4 = require "cloudhsmv2.sigv4"
local skew = require "cloudhsmv2.retry.skew"
local user_agent = require "cloudhsmv2.user_agent"
local version = require "cloudhsmv2.version"

local format = string.format

-- AWS's models leave out what is the same as the endpoint's prefix, and those of protocol suites have neither.
local function signing_name(metadata)
  return metadata.signingName or metadata.endpointPrefix or metadata.targetPrefix
end

local function no_region(getenv)
  local message = 'region: not set; give region = "eu-west-1", or set AWS_REGION'
  if (getenv "AWS_PROFILE" or "") ~= "" then
    message = message .. " (AWS_PROFILE is set, but this version does not read profiles)"
  end
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

--- Makes a client. Nothing is sent, and no connection opened, before the first call.
-- @tparam[opt] table options every setting of `cloudhsmv2.config.settings` (`region`, `endpoint`, `use_fips`,
-- `use_dualstack`, `connect_timeout`, `read_timeout`, `timeout`, `ca_file`, `proxy`, `max_body`, `max_header`,
-- `app_id`, `retry`, `retry_ambiguous`, `disable_clock_skew_correction`), and
-- @tparam[opt] table|function|userdata options.credentials keys, or a function that returns them
-- (`cloudhsmv2.credentials.static`); else the environment's
-- @tparam[opt] table options.runtime what sends, sleeps and tells the time instead of libcurl
-- @tparam[opt] function options.on_event is told of every attempt, retry and warning (`cloudhsmv2.client`)
-- @tparam[opt] table options.model of another service of AWS with the `json` protocol
-- @tparam[opt] function options.getenv stands for the environment
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
  local resolved
  resolved, err = settings.resolve(options, { getenv = getenv, service_id = model.metadata.serviceId })
  if not resolved then
    return nil, err
  elseif not resolved.region then
    return no_region(getenv)
  end
  local address
  address, err = address_of(resolved, model)
  if not address then
    return nil, err
  end
  local runtime = options.runtime or runtimes.new(resolved)
  resolved.proxy = nil -- its password stays in the runtime
  local chain
  chain, err = credentials.new { credentials = options.credentials, getenv = options.getenv, time = runtime.time }
  if not chain then
    return nil, err
  end
  local random = options.random or core.random
  local signer
  signer, err = sigv4.signer()
  if not signer then
    return nil, err
  end

  return client.of {
    model = model,
    settings = resolved,
    region = endpoint.signing_region(resolved.region),
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
    warnings = resolved.warnings,
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
