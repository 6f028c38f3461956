--- Makes a client of options: what `cloudhsmv2.new` loads.
-- @module cloudhsmv2.construction

local client = require "cloudhsmv2.client"
local core = require "cloudhsmv2.core"
local credentials = require "cloudhsmv2.credentials"
local endpoint = require "cloudhsmv2.endpoint"
local errors = require "cloudhsmv2.errors"
local files = require "cloudhsmv2.config.files"
local protected = require "cloudhsmv2.protected"
local retry = require "cloudhsmv2.retry"
local runtimes = require "cloudhsmv2.runtime"
local settings = require "cloudhsmv2.config.settings"
local sigv4 = require "cloudhsmv2.sigv4"
local skew = require "cloudhsmv2.retry.skew"
local text = require "cloudhsmv2.text"
local user_agent = require "cloudhsmv2.user_agent"

local format = string.format

local MOST_FILE = 2 ^ 20 -- bytes
local SERVICES_OF_CREDENTIALS = { "STS", "SSO", "SSO OIDC", "Signin" }
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
local function resolved_address(resolved, model)
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

-- The same, unless requests would be on the way there for everybody to read.
local function address_of(resolved, model)
  local address, err = resolved_address(resolved, model)
  local problem = address and endpoint.insecure(address, resolved.allow_http)
  if problem then
    local message = format("endpoint (%s): %s", settings.from(resolved.origin.endpoint), problem)
    return nil, errors.new { kind = "config", code = "InsecureEndpoint", message = message }
  end
  return address, err
end

-- The address for another region; an endpoint of one's own stays what it is.
local function address_in(region, resolved, model)
  local problem = type(region) ~= "string" and "must be a string" or endpoint.region_problem(region)
  if problem then
    local message = format("in_region: region %s %s", text.quote(region), problem)
    return nil, errors.new { kind = "config", code = "InvalidConfiguration", message = message }
  end
  return address_of({
    region = region,
    use_fips = resolved.use_fips,
    use_dualstack = resolved.use_dualstack,
    endpoint = resolved.endpoint,
    allow_http = resolved.allow_http,
    origin = resolved.origin,
  }, model)
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

local function read_file(path)
  return core.read_file(path, MOST_FILE)
end

-- The function that tells the endpoint which somebody configured for a service that credentials come from. The files'
-- properties are not kept for it: they hold keys.
local function endpoints_of(resolved, loaded, getenv)
  local found = {}
  for _, service_id in ipairs(SERVICES_OF_CREDENTIALS) do
    found[service_id] = { settings.endpoint_of(service_id, resolved, loaded, getenv) }
  end
  return function(service_id)
    local url, origin, err = found[service_id][1], found[service_id][2], found[service_id][3]
    return url, origin, err and errors.new { kind = err.kind, code = err.code, message = err.message }
  end
end

-- The proxy, for people to read: the one that was given, or the variable that libcurl finds for the endpoint.
local function proxy_of(resolved, scheme, getenv)
  local described = settings.describe(resolved).proxy
  if resolved.proxy then
    return described
  end
  local names = { scheme .. "_proxy", scheme == "https" and "HTTPS_PROXY" or nil }
  table.insert(names, "all_proxy")
  table.insert(names, "ALL_PROXY")
  for _, name in ipairs(names) do
    local value = getenv(name)
    if value and value ~= "" then
      return { value = settings.without_password(value), origin = "env " .. name }
    end
  end
  return described
end

--- Makes a client, as `cloudhsmv2.new` says.
-- @tparam table options
-- @treturn table|nil the client
-- @treturn table an error object of kind `config` or `credentials`
-- @raise for a model that makes no sense
return function(options)
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
  local proxy = proxy_of(resolved, address.scheme, getenv)
  resolved.proxy = nil -- its password stays in the runtime
  local signer
  signer, err = sigv4.signer()
  if not signer then
    return nil, err
  end
  local random = options.random or core.random
  local clock = skew.new(runtime.time, resolved.disable_clock_skew_correction)
  local write_user_agent = user_agent.writer(resolved, model.metadata, getenv)
  local chain
  chain, err = credentials.new {
    credentials = options.credentials,
    profile = {
      name = resolved.profile,
      loaded = loaded,
      looked_at = files.looked_at(loaded),
      chosen_in_code = resolved.origin.profile == "code",
    },
    overlaps = runtime.overlaps or runtimes.overlaps,
    context = {
      runtime = runtime,
      settings = resolved,
      endpoint_of = endpoints_of(resolved, loaded, getenv),
      getenv = getenv,
      injected_getenv = options.getenv,
      read_file = options.read_file or read_file,
      write_file = options.write_file or core.write_file,
      run = runtime.run or runtimes.run,
      random = random,
      user_agent = write_user_agent,
      tell = function(event)
        if options.on_event then
          protected.call(options.on_event, event)
        end
      end,
      mfa_token_provider = options.mfa_token_provider,
      signer = signer,
      retry = retry.new { mode = "standard", random = random }, -- with a quota of its own
      skew = clock,
    },
  }
  if not chain then
    return nil, err
  end

  local function new_retry()
    return retry.new { mode = resolved.retry.mode, random = random }
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
    retry = new_retry(),
    new_retry = new_retry,
    address_in = function(region)
      return address_in(region, resolved, model)
    end,
    skew = clock,
    user_agent = write_user_agent,
  }
end
