--- What can be set: every setting with its sources, its check and its default, as data.
--
-- A definition has a `name`, and:
--
-- | field | meaning |
-- | --- | --- |
-- | `check` | takes a value and returns it as it is used, or nil and what is wrong with it |
-- | `read` | does so with a text of the environment or a file, where that is another thing |
-- | `environment` | names of variables, the first that is set decides; `<SERVICE>` is the service's own part of them |
-- | `key` | of a profile |
-- | `default` | |
-- | `unless` | names a setting before it that switches all sources but code off |
-- | `within`, `field` | it is a field of another option |
-- | `of_service` | a services section may have it |
-- | `blank` | a blank text is a value, and not as good as none |
-- | `hidden` | no message shows its value, or the check says what may be shown of it |
-- | `secret` | nobody is shown its value |
-- | `outside` | it is no option of `new` |
-- | `late` | a mistake is kept for whoever needs the setting, and does no harm to who does not |
--
-- Source: AWS SDKs and Tools Reference Guide, "Settings reference".
-- @module cloudhsmv2.config.definitions

local endpoint = require "cloudhsmv2.endpoint"
local text = require "cloudhsmv2.text"

local format = string.format

local BOOLEANS = { ["true"] = true, ["false"] = false }
local RETRY_FIELDS = { mode = true, max_attempts = true }
local RETRY_MODES = { standard = "standard", adaptive = "adaptive", legacy = "legacy" }
local MOST_ATTEMPTS = 2 ^ 31 - 1
local DEFAULTS_MODES = {
  standard = "standard",
  ["in-region"] = "in-region",
  ["cross-region"] = "cross-region",
  mobile = "mobile",
  auto = "auto",
  legacy = "legacy",
}
local ENDPOINT_MODES = { ipv4 = "ipv4", ipv6 = "ipv6" }
local STS_ENDPOINTS = { regional = "regional", legacy = "legacy" }

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

local function is_features(value)
  if type(value) ~= "string" or not value:find "^[A-Za-z0-9][A-Za-z0-9,]*$" or #value > 64 then
    return nil, "expected letters between commas"
  end
  return value
end

local function is_attempts(value)
  if type(value) ~= "number" or not (value >= 1 and value < math.huge) or value % 1 ~= 0 then
    return nil, "expected a whole number of at least 1"
  elseif value > MOST_ATTEMPTS then
    return nil, format("expected a whole number of at most %d", MOST_ATTEMPTS)
  end
  return value
end

-- A check for one of some words, in any case.
local function is_one_of(words, expected)
  return function(value)
    local word = type(value) == "string" and words[text.lower(text.trim(value))]
    if not word then
      return nil, "expected " .. expected
    end
    return word
  end
end

local is_retry_mode = is_one_of(RETRY_MODES, "standard, adaptive or legacy")

-- The address of the instance metadata service: as an endpoint, without a slash at its end.
local function is_metadata_endpoint(value)
  local parsed, err = endpoint.parse(value)
  if not parsed then
    return nil, (err.message:gsub("^Invalid endpoint: ", ""))
  end
  return (value:gsub("/+$", ""))
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

-- Digits and a point, whatever the locale's own is.
local function read_seconds(value)
  local whole, part = text.trim(value):match "^([0-9]+)%.?([0-9]*)$"
  local seconds = whole and tonumber(whole) + (part ~= "" and tonumber(part) / 10 ^ #part or 0)
  return is_seconds(seconds)
end

local ENDPOINT = {
  name = "endpoint",
  check = is_endpoint,
  environment = { "AWS_ENDPOINT_URL_<SERVICE>", "AWS_ENDPOINT_URL" },
  key = "endpoint_url",
  of_service = true,
  hidden = true,
  unless = "ignore_configured_endpoint_urls",
}
local PROFILE = { name = "profile", check = is_text, environment = { "AWS_PROFILE" }, default = "default" }
local ALL = {
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
  ENDPOINT,
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
  {
    name = "defaults_mode",
    check = is_one_of(DEFAULTS_MODES, "standard, in-region, cross-region, mobile, auto or legacy"),
    environment = { "AWS_DEFAULTS_MODE" },
    key = "defaults_mode",
    default = "standard",
  },
  { name = "connect_timeout", check = is_seconds, default = 3.1 },
  { name = "read_timeout", check = is_seconds, default = 60 },
  { name = "timeout", check = is_seconds },
  { name = "ca_file", check = is_text, environment = { "AWS_CA_BUNDLE" }, key = "ca_bundle" },
  { name = "client_certificate", check = is_text },
  { name = "client_key", check = is_text },
  { name = "proxy", check = is_text, hidden = true, blank = true }, -- "" is a value: no proxy, whatever the environment says
  { name = "no_proxy", check = is_text, blank = true },
  {
    name = "allow_http",
    check = is_boolean,
    read = read_boolean,
    environment = { "CLOUDHSMV2_ALLOW_HTTP" },
    default = false,
  },
  { name = "max_body", check = is_bytes },
  { name = "max_header", check = is_bytes },
  { name = "app_id", check = is_text, environment = { "AWS_SDK_UA_APP_ID" }, key = "sdk_ua_app_id" },
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
  { name = "role_arn", check = is_text, environment = { "AWS_ROLE_ARN" }, outside = true },
  {
    name = "web_identity_token_file",
    check = is_text,
    environment = { "AWS_WEB_IDENTITY_TOKEN_FILE" },
    outside = true,
  },
  { name = "role_session_name", check = is_text, environment = { "AWS_ROLE_SESSION_NAME" }, outside = true },
  {
    name = "sts_regional_endpoints",
    check = is_one_of(STS_ENDPOINTS, "regional or legacy"),
    environment = { "AWS_STS_REGIONAL_ENDPOINTS" },
    key = "sts_regional_endpoints",
    default = "regional",
    late = true,
  },
  { name = "login_cache_directory", check = is_text, environment = { "AWS_LOGIN_CACHE_DIRECTORY" } },
  {
    name = "container_credentials_relative_uri",
    check = is_text,
    environment = { "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" },
    outside = true,
    late = true,
  },
  {
    name = "container_credentials_full_uri",
    check = is_text,
    environment = { "AWS_CONTAINER_CREDENTIALS_FULL_URI" },
    outside = true,
    hidden = true,
    late = true,
  },
  {
    name = "container_authorization_token_file",
    check = is_text,
    environment = { "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" },
    outside = true,
    late = true,
  },
  {
    name = "container_authorization_token",
    check = is_text,
    environment = { "AWS_CONTAINER_AUTHORIZATION_TOKEN" },
    outside = true,
    hidden = true,
    secret = true,
    late = true,
  },
  {
    name = "ec2_metadata_disabled",
    check = is_boolean,
    read = read_boolean,
    environment = { "AWS_EC2_METADATA_DISABLED" },
    key = "disable_ec2_metadata",
    default = false,
    late = true,
  },
  {
    name = "ec2_metadata_v1_disabled",
    check = is_boolean,
    read = read_boolean,
    environment = { "AWS_EC2_METADATA_V1_DISABLED" },
    key = "ec2_metadata_v1_disabled",
    default = true,
    late = true,
  },
  {
    name = "ec2_metadata_service_endpoint",
    check = is_metadata_endpoint,
    environment = { "AWS_EC2_METADATA_SERVICE_ENDPOINT" },
    key = "ec2_metadata_service_endpoint",
    hidden = true,
    late = true,
  },
  {
    name = "ec2_metadata_service_endpoint_mode",
    check = is_one_of(ENDPOINT_MODES, "IPv4 or IPv6"),
    environment = { "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE" },
    key = "ec2_metadata_service_endpoint_mode",
    default = "ipv4",
    late = true,
  },
  {
    name = "ec2_instance_profile_name",
    check = is_text,
    environment = { "AWS_EC2_INSTANCE_PROFILE_NAME" },
    key = "ec2_instance_profile_name",
    late = true,
  },
  {
    name = "metadata_service_timeout",
    check = is_seconds,
    read = read_seconds,
    environment = { "AWS_METADATA_SERVICE_TIMEOUT" },
    key = "metadata_service_timeout",
    default = 1,
    late = true,
  },
  {
    name = "metadata_service_num_attempts",
    check = is_attempts,
    read = read_attempts,
    environment = { "AWS_METADATA_SERVICE_NUM_ATTEMPTS" },
    key = "metadata_service_num_attempts",
    default = 1,
    late = true,
  },
}

return {
  --- Every definition, in the order in which they are resolved.
  all = ALL,
  endpoint = ENDPOINT,
  profile = PROFILE,
  --- What the options of one call are checked with, by name.
  of_call = {
    timeout = is_seconds,
    connect_timeout = is_seconds,
    read_timeout = is_seconds,
    max_attempts = is_attempts,
    features = is_features,
  },
}
