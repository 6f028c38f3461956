--- Where requests go: the service's address for a region, and the checks of addresses that people write.
-- Source: AWS's endpoint rule set of `cloudhsmv2` (the messages are its own) and AWS's partitions, version 1.1.
-- @module cloudhsmv2.endpoint

local errors = require "cloudhsmv2.errors"
local text = require "cloudhsmv2.text"

local format = string.format

local MOST_LABEL = 63 -- bytes, RFC 1035
local DEFAULT_PREFIX = "cloudhsmv2"
local DEFAULT_PORTS = { http = 80, https = 443 }

local endpoint = {}

--- AWS's partitions in the order in which they are tried: a region belongs to the one that lists it, else to the first
-- of whose `families` it is a member (`us-gov` in `us-gov-west-1`), else to the first of all.
endpoint.partitions = {
  {
    id = "aws",
    families = { "us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx" },
    regions = { ["aws-global"] = true },
    dns_suffix = "amazonaws.com",
    dualstack_dns_suffix = "api.aws",
    signin_suffix = "aws.amazon.com",
    supports_fips = true,
    supports_dualstack = true,
  },
  {
    id = "aws-cn",
    families = { "cn" },
    regions = { ["aws-cn-global"] = true },
    dns_suffix = "amazonaws.com.cn",
    dualstack_dns_suffix = "api.amazonwebservices.com.cn",
    signin_suffix = "amazonaws.cn",
    supports_fips = true,
    supports_dualstack = true,
  },
  {
    id = "aws-eusc",
    families = { "eusc-de" },
    regions = {},
    dns_suffix = "amazonaws.eu",
    dualstack_dns_suffix = "api.amazonwebservices.eu",
    supports_fips = true,
    supports_dualstack = true,
  },
  {
    id = "aws-iso",
    families = { "us-iso" },
    regions = { ["aws-iso-global"] = true },
    dns_suffix = "c2s.ic.gov",
    dualstack_dns_suffix = "api.aws.ic.gov",
    supports_fips = true,
    supports_dualstack = true,
  },
  {
    id = "aws-iso-b",
    families = { "us-isob" },
    regions = { ["aws-iso-b-global"] = true },
    dns_suffix = "sc2s.sgov.gov",
    dualstack_dns_suffix = "api.aws.scloud",
    supports_fips = true,
    supports_dualstack = true,
  },
  {
    id = "aws-iso-e",
    families = { "eu-isoe" },
    regions = { ["aws-iso-e-global"] = true },
    dns_suffix = "cloud.adc-e.uk",
    dualstack_dns_suffix = "api.cloud-aws.adc-e.uk",
    supports_fips = true,
    supports_dualstack = true,
  },
  {
    id = "aws-iso-f",
    families = { "us-isof" },
    regions = { ["aws-iso-f-global"] = true },
    dns_suffix = "csp.hci.ic.gov",
    dualstack_dns_suffix = "api.aws.hci.ic.gov",
    supports_fips = true,
    supports_dualstack = true,
  },
  {
    id = "aws-us-gov",
    families = { "us-gov" },
    regions = { ["aws-us-gov-global"] = true },
    dns_suffix = "amazonaws.com",
    dualstack_dns_suffix = "api.aws",
    signin_suffix = "amazonaws-us-gov.com",
    supports_fips = true,
    supports_dualstack = true,
  },
}

-- Where AWS lists FIPS hosts of CloudHSM V2, all of them under `.api.aws`, the dual-stack suffix.
-- Source: AWS General Reference, "AWS CloudHSM endpoints and quotas".
local FIPS_REGIONS = {
  ["ca-central-1"] = true,
  ["us-east-1"] = true,
  ["us-east-2"] = true,
  ["us-gov-east-1"] = true,
  ["us-gov-west-1"] = true,
  ["us-west-1"] = true,
  ["us-west-2"] = true,
}

local function invalid(message)
  return nil, errors.new { kind = "config", code = "InvalidConfiguration", message = message }
end

local function partition_of(region)
  for _, partition in ipairs(endpoint.partitions) do
    if partition.regions[region] then
      return partition
    end
  end
  local family = region:match "^(.+)%-[A-Za-z0-9_]+%-[0-9]+$"
  for _, partition in ipairs(endpoint.partitions) do
    for _, candidate in ipairs(partition.families) do
      if candidate == family then
        return partition
      end
    end
  end
  return endpoint.partitions[1]
end

-- `fips-us-east-1` and `us-east-1-fips` are old ways to ask for FIPS. Returns the region meant, and whether it was one.
local function without_fips(region)
  local meant = region:match "^fips%-(.+)$" or region:match "^(.+)%-fips$"
  return meant or region, meant ~= nil
end

local function is_host_label(label)
  return #label <= MOST_LABEL
    and label:find "^[A-Za-z0-9-]+$" ~= nil
    and not label:find "^[0-9]+$"
    and not label:find "^%-"
    and not label:find "%-$"
end

--- What is wrong with the name of a region, if anything. It becomes part of a host name, so it must be one label of it.
-- @tparam string region
-- @treturn string|nil the reason
function endpoint.region_problem(region)
  if is_host_label(region) then
    return nil
  end
  return "must be letters, digits and hyphens, as in eu-west-1"
end

--- The region that requests are signed for: without the `fips-` or `-fips` of pseudo regions.
-- @tparam string region
-- @treturn string
-- @usage endpoint.signing_region "fips-us-east-1" --> "us-east-1"
function endpoint.signing_region(region)
  return (without_fips(region))
end

--- Why the FIPS host of CloudHSM V2 without dual stack is not to be expected to exist: AWS's rules make its name, and
-- AWS lists no such host.
-- @tparam string region as requests are signed for it
-- @treturn string a sentence with what to do
function endpoint.fips_warning(region)
  local host = format("AWS lists no FIPS host of this service without dual stack in %s; ", region)
  if FIPS_REGIONS[region] then
    return host .. "set use_dualstack = true as well, or AWS_USE_DUALSTACK_ENDPOINT=true"
  end
  local regions = {}
  for name in pairs(FIPS_REGIONS) do
    regions[#regions + 1] = name
  end
  table.sort(regions)
  return host .. "with dual stack it lists them in " .. table.concat(regions, ", ")
end

--- Takes a URL apart, and refuses what a service's address cannot have.
-- @tparam string url `http://` or `https://`, a host, perhaps a port and a path; no user, query or fragment
-- @treturn[1] table `scheme`, `host` (lower case, IPv6 in brackets), `port`, `path` (`"/"` at least), `authority`
-- (`host`, and `:port` unless it is the scheme's own)
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config`
-- @usage endpoint.parse("http://127.0.0.1:8080").authority --> "127.0.0.1:8080"
function endpoint.parse(url)
  if type(url) ~= "string" then
    return invalid("Invalid endpoint: must be a string, not a " .. type(url))
  end
  if url:find "[^!-~]" then
    return invalid "Invalid endpoint: it has a blank or another character that a URL cannot have"
  end
  local scheme, rest = url:match "^([A-Za-z]+)://(.*)$"
  scheme = scheme and text.lower(scheme)
  local authority, path = (rest or ""):match "^([^/?#\\]*)(.*)$"
  if authority:find "@" or (not scheme and url:find "@") then -- before any message that would show the password
    return invalid "Invalid endpoint: a user name or password cannot be part of it"
  end
  if not DEFAULT_PORTS[scheme] then
    return invalid(format("Invalid endpoint: %s (it must begin with http:// or https://)", url))
  end
  if path:find "[?#\\]" then
    return invalid(format("Invalid endpoint: %s (it cannot have a query, a fragment or a backslash)", url))
  end
  local host, port = authority:match "^(%[[0-9A-Fa-f:.]+%]):?([0-9]*)$"
  if not host then
    host, port = authority:match "^([A-Za-z0-9._-]+):?([0-9]*)$"
  end
  if not host then
    return invalid(format("Invalid endpoint: %s (it has no valid host)", url))
  end
  local number = port == "" and DEFAULT_PORTS[scheme] or tonumber(port)
  if number < 1 or number > 65535 then
    return invalid(format("Invalid endpoint: %s (the port must be 1 to 65535)", url))
  end
  host = text.lower(host)
  return {
    scheme = scheme,
    host = host,
    port = number,
    path = path == "" and "/" or path,
    authority = number == DEFAULT_PORTS[scheme] and host or format("%s:%d", host, number),
  }
end

--- The URL of the service.
-- @tparam table params
-- @tparam[opt] string params.region needed unless there is an `endpoint`
-- @tparam[opt=false] boolean params.use_fips
-- @tparam[opt=false] boolean params.use_dualstack
-- @tparam[opt] string params.endpoint a URL that is used instead
-- @tparam[opt="cloudhsmv2"] string params.prefix the first part of the host's name: the model's `endpointPrefix`
-- @treturn[1] string the URL
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config`
-- @usage endpoint.resolve { region = "eu-west-1" } --> "https://cloudhsmv2.eu-west-1.amazonaws.com"
function endpoint.resolve(params)
  local region, pseudo
  if params.region and params.region ~= "" then
    region, pseudo = without_fips(params.region)
  end
  local use_fips, use_dualstack = params.use_fips or pseudo, params.use_dualstack

  if params.endpoint then
    if use_fips then
      return invalid "Invalid Configuration: FIPS and custom endpoint are not supported"
    elseif use_dualstack then
      return invalid "Invalid Configuration: Dualstack and custom endpoint are not supported"
    end
    local parsed, err = endpoint.parse(params.endpoint)
    return parsed and params.endpoint, err
  end

  if not region then
    return invalid "Invalid Configuration: Missing Region"
  end
  local problem = endpoint.region_problem(region)
  if problem then
    return invalid("region: " .. problem)
  end

  local partition = partition_of(region)
  if use_fips and use_dualstack and not (partition.supports_fips and partition.supports_dualstack) then
    return invalid "FIPS and DualStack are enabled, but this partition does not support one or both"
  elseif use_fips and not partition.supports_fips then
    return invalid "FIPS is enabled but this partition does not support FIPS"
  elseif use_dualstack and not partition.supports_dualstack then
    return invalid "DualStack is enabled but this partition does not support DualStack"
  end
  local prefix = (params.prefix or DEFAULT_PREFIX) .. (use_fips and "-fips" or "")
  local suffix = use_dualstack and partition.dualstack_dns_suffix or partition.dns_suffix
  return format("https://%s.%s.%s", prefix, region, suffix)
end

-- The services that credentials come from: the first label of the host, and how it changes for FIPS.
local SERVICES = {
  sts = { prefix = "sts", fips = "sts-fips", fips_in_gov = "sts" },
  sso = { prefix = "portal.sso", fips = "portal.sso-fips", fips_in_gov = "portal.sso" },
  sso_oidc = { prefix = "oidc", fips = "oidc-fips", fips_in_gov = "oidc-fips" },
}

--- The URL of a service that credentials come from.
-- Sources: the endpoint rule sets of `sts`, `sso`, `sso-oidc` and `signin`.
-- @tparam string service `"sts"`, `"sso"`, `"sso_oidc"` or `"signin"`, which has hosts of one kind only
-- @tparam table params `region`, and perhaps `use_fips` and `use_dualstack`
-- @treturn[1] string the URL, without a path
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config`
-- @usage endpoint.of_service("sts", { region = "eu-west-1" }) --> "https://sts.eu-west-1.amazonaws.com"
function endpoint.of_service(service, params)
  local region = params.region
  local problem = endpoint.region_problem(region)
  if problem then
    return invalid(format("region %s: %s", text.quote(region), problem))
  end
  local partition = partition_of(region)
  if service == "signin" then
    return format("https://%s.signin.%s", region, partition.signin_suffix or partition.dns_suffix)
  end
  local names = SERVICES[service]
  local prefix = names.prefix
  if params.use_fips then
    prefix = partition.id == "aws-us-gov" and names.fips_in_gov or names.fips
  end
  return format(
    "https://%s.%s.%s",
    prefix,
    region,
    params.use_dualstack and partition.dualstack_dns_suffix or partition.dns_suffix
  )
end

--- The four numbers of an IPv4 address in its plain form: no other base, no leading zeros, no short forms, all of which
-- resolvers take and people misread.
-- @tparam string host
-- @treturn table|nil
function endpoint.ipv4(host)
  local parts = { host:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$" }
  for _, part in ipairs(parts) do
    if #part > 3 or tonumber(part) > 255 or part:find "^0%d" then
      return nil
    end
  end
  return #parts == 4 and parts or nil
end

-- Whether a host is this machine, by its name or by the plain form of its address.
local function is_loopback(host)
  if host == "localhost" or host == "[::1]" then
    return true
  end
  return endpoint.ipv4(host) ~= nil and host:find "^127%." ~= nil
end

--- Why requests with credentials must not go to an address: it is `http://`, and not this machine.
-- @tparam table parsed as of `endpoint.parse`
-- @tparam boolean allow_http the setting: somebody has decided that it may
-- @treturn string|nil a sentence with what to do
function endpoint.insecure(parsed, allow_http)
  if parsed.scheme == "https" or allow_http or is_loopback(parsed.host) then
    return nil
  end
  local message = "http:// would send requests unencrypted to %s, which is not this machine; "
    .. "use https://, or allow_http = true where the way there is safe"
  return format(message, parsed.host)
end

return endpoint
