--- What is well and what is not, for people to read: versions, configuration and its origins, credentials, the way to the
-- service and its clock.
--
-- **A report** has `ok`, whether nothing keeps calls from working, and `findings`, a list of tables:
--
-- | field | meaning |
-- | --- | --- |
-- | `topic` | `"versions"`, `"environment"`, `"configuration"`, `"credentials"`, `"service"`, `"clock"` or `"call"` |
-- | `level` | `"ok"`, `"note"`, `"warning"`: it may bite one day, `"problem"`: calls fail |
-- | `message` | one line, without secrets |
-- | `advice` | what to do; nil where there is nothing to be done |
--
-- `tostring(report)` is all of it, a line each.
--
-- @module cloudhsmv2.doctor

local core = require "cloudhsmv2.core"
local errors = require "cloudhsmv2.errors"
local moment = require "cloudhsmv2.moment"
local text = require "cloudhsmv2.text"
local version = require "cloudhsmv2.version"

local format = string.format

local jit = rawget(_G, "jit")

local OLD_LIBCURL = { 7, 80 } -- from here on libcurl tells us when a request begins to leave
local WORTH_A_WARNING, TOO_MUCH = 60, 240 -- seconds that the clock may be off
local TIMEOUT = 10 -- seconds for each question
local ANY_REGION = "us-east-1" -- to look for credentials where no region is set

-- Variables that change what libcurl or OpenSSL do, which nobody asked this library about.
local VARIABLES = {
  {
    name = "SSLKEYLOGFILE",
    level = "warning",
    message = "the keys of all TLS connections are written to a file",
    advice = "unset SSLKEYLOGFILE, unless you are debugging TLS at this moment",
  },
  { name = "OPENSSL_CONF", level = "note", message = "OpenSSL reads another configuration than the system's" },
  { name = "SSL_CERT_FILE", level = "note", message = "has no effect here; ca_file and AWS_CA_BUNDLE have" },
  { name = "SSL_CERT_DIR", level = "note", message = "has no effect here; ca_file and AWS_CA_BUNDLE have" },
  { name = "AWS_NEW_RETRIES_2026", level = "note", message = "has no effect: these retries are the only ones" },
}

local doctor = {}

local metatable = { __name = "cloudhsmv2.doctor.report" }

local SIGNS = { ok = "ok     ", note = "note   ", warning = "warning", problem = "PROBLEM" }

--- The report, a line for each finding and each advice.
function metatable:__tostring()
  local lines = {}
  for _, finding in ipairs(self.findings) do
    lines[#lines + 1] = format("%s  %-13s  %s", SIGNS[finding.level], finding.topic, finding.message)
    if finding.advice then
      lines[#lines + 1] = format("         %-13s  -> %s", "", finding.advice)
    end
  end
  return table.concat(lines, "\n")
end

local function add(report, topic, level, message, advice)
  message = message:gsub("%c+", " ")
  table.insert(report.findings, { topic = topic, level = level, message = message, advice = advice })
  report.ok = report.ok and level ~= "problem"
end

-- ---- What is here ----

local function is_old(libcurl)
  local major, minor = libcurl:match "^(%d+)%.(%d+)"
  major, minor = tonumber(major) or 0, tonumber(minor) or 0
  return major < OLD_LIBCURL[1] or (major == OLD_LIBCURL[1] and minor < OLD_LIBCURL[2])
end

local function look_at_versions(report)
  local versions = core.versions()
  local lua = jit and format("%s (%s)", jit.version, _VERSION) or _VERSION
  local line = "cloudhsmv2 %s, %s, libcurl %s with %s, OpenSSL %s"
  add(
    report,
    "versions",
    "ok",
    format(line, version, lua, versions.libcurl, versions.tls or "no TLS", versions.openssl)
  )
  if not versions.tls then
    add(report, "versions", "problem", "this libcurl has no TLS", "install a libcurl with OpenSSL")
  elseif not versions.tls:find "OpenSSL" then
    add(report, "versions", "note", "the reason why a certificate is refused is told in fewer words than with OpenSSL")
  end
  if is_old(versions.libcurl) then
    local message = "this libcurl cannot tell whether a request has begun to leave: more failed calls are ambiguous"
    add(report, "versions", "note", message, "install libcurl 7.80 or newer")
  end
  if versions.resolver == false then
    add(
      report,
      "versions",
      "warning",
      "this libcurl holds everybody up while it looks up a name",
      "install one with a resolver of its own"
    )
  end
end

local function look_at_environment(report, getenv)
  local locale = os.setlocale(nil) or "unknown"
  add(report, "environment", "ok", format("locale %s; numbers and dates of requests do not follow it", locale))
  for _, variable in ipairs(VARIABLES) do
    if (getenv(variable.name) or "") ~= "" then
      local message = format("%s is set: %s", variable.name, variable.message)
      add(report, "environment", variable.level, message, variable.advice)
    end
  end
end

-- ---- What is configured ----

local function shown(value)
  return type(value) == "string" and text.quote(value) or tostring(value)
end

local function look_at_configuration(report, client, warnings, has_region)
  local described = client:describe_configuration()
  report.configuration = described
  if not has_region then
    described.region = nil -- it is a stand-in
  end
  local names = {}
  for name, setting in pairs(described) do
    if name ~= "credentials" and setting.origin ~= "default" and setting.origin ~= "not set" or setting.problem then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local setting = described[name]
    if setting.problem then
      add(report, "configuration", "warning", setting.problem, "it is an error for who needs it; correct or unset it")
    else
      add(report, "configuration", "ok", format("%s = %s (%s)", name, shown(setting.value), setting.origin))
    end
  end
  for _, warning in ipairs(warnings) do
    add(report, "configuration", "warning", warning)
  end
end

local function look_at_endpoint(report, client)
  local address = client.address
  add(report, "configuration", "ok", format("endpoint %s://%s%s", address.scheme, address.authority, address.path))
  local ca = client.settings.ca_file or core.versions().ca_file
  if address.scheme == "http" then
    add(
      report,
      "configuration",
      "warning",
      "the endpoint has no TLS",
      "use https:// for anything but a server of your own"
    )
  elseif ca then
    add(report, "configuration", "ok", format("authorities are trusted that %s has", ca))
  end
end

-- ---- Who is asked ----

local function look_at_credentials(report, client)
  local deadline = client.runtime.now() + TIMEOUT
  local credentials, set = client.credentials:get(deadline)
  if not credentials then
    add(report, "credentials", "problem", set.message, "see the README, Credentials")
    return false
  end
  local found = client:describe_configuration().credentials
  local life = set.expiration and format(", good for another %.0f s", set.expiration - client.runtime.time()) or ""
  add(report, "credentials", "ok", format("%s from %s%s", found.value or "keys", found.origin, life))
  return true
end

-- What to do about a failure on the way.
local ADVICE = {
  proxy = "check the proxy: the setting proxy, or the variable that it is from",
  tls = "name the certificate of your authority in ca_file or AWS_CA_BUNDLE",
  timeout = "is there a firewall in the way, or a proxy to be used? (https_proxy)",
  transport = "check the region, the endpoint, and the way out of this network",
  config = "check the configuration",
}

local function look_at_clock(report, client, date, between)
  local service = moment.of_http(date)
  if not service then
    add(report, "clock", "note", "the answer does not say what time it is there")
    return
  end
  local off = service - between
  local message =
    format("this machine's clock is %.0f s %s the service's", math.abs(off), off < 0 and "ahead of" or "behind")
  if math.abs(off) < WORTH_A_WARNING then
    add(report, "clock", "ok", "this machine's clock is right")
  elseif math.abs(off) > TOO_MUCH and client.settings.disable_clock_skew_correction then
    add(
      report,
      "clock",
      "problem",
      message,
      "set the clock; the correction is switched off (disable_clock_skew_correction)"
    )
  else
    add(report, "clock", "warning", message, "set the clock (NTP); signatures are corrected meanwhile")
  end
end

-- Asks without a signature: any answer shows that there is a way, and has the service's time.
local function look_at_service(report, client)
  local runtime, address = client.runtime, client.address
  local before = runtime.time()
  local response, failure = runtime.send {
    method = "GET",
    url = address.scheme .. "://" .. address.authority .. address.path,
    headers = {},
    body = "",
    connect_timeout = client.settings.connect_timeout,
    read_timeout = client.settings.read_timeout,
    timeout = TIMEOUT,
  }
  if not response then
    local message = format("no answer of %s: %s", address.authority, failure.message or "no reason given")
    add(report, "service", "problem", message, ADVICE[failure.kind])
    return false
  end
  local after = runtime.time()
  add(report, "service", "ok", format("%s answers, in %.0f ms", address.authority, (after - before) * 1000))
  look_at_clock(report, client, response.headers and response.headers.date, (before + after) / 2)
  return true
end

local function call(report, client)
  local out, err = client:call("DescribeClusters", { MaxResults = 1 }, { timeout = TIMEOUT, max_attempts = 2 })
  if out then
    add(report, "call", "ok", "DescribeClusters is answered: the credentials are accepted in " .. client.region)
  else
    add(report, "call", "problem", tostring(err))
  end
end

--- Examines what a client made with these options would have. Nothing is changed, and nothing asked of the service but the time
-- and a `DescribeClusters` with at most one result.
-- @function cloudhsmv2.doctor
-- @tparam[opt] table options as of `cloudhsmv2.new`
-- @tparam[opt] table how `offline = true`: nobody is asked, so credentials that are not here are not looked for
-- @treturn table the report, see above
-- @usage print(require("cloudhsmv2").doctor { region = "eu-west-1" })
function doctor.examine(new, options, how)
  local report = setmetatable({ ok = true, findings = {} }, metatable)
  local given, warnings = {}, {}
  for name, value in pairs(options or {}) do
    given[name] = value
  end
  local on_event = given.on_event
  given.on_event = function(event)
    if event.type == "warning" then
      warnings[#warnings + 1] = event.message
    end
    if on_event then
      on_event(event)
    end
  end
  look_at_versions(report)
  look_at_environment(report, given.getenv or os.getenv)
  local client, err = new(given)
  local has_region = err == nil
  if err and err.code == "NoRegion" then
    add(report, "configuration", "problem", err.message)
    given.region = ANY_REGION
    client, err = new(given)
  end
  if not client then
    add(
      report,
      errors.is(err) and err.kind == "credentials" and "credentials" or "configuration",
      "problem",
      err.message
    )
    return report
  end
  look_at_configuration(report, client, warnings, has_region)
  if has_region then
    look_at_endpoint(report, client)
  end
  if how and how.offline then
    local found = client:describe_configuration().credentials
    local level = found.problem and "problem" or "ok"
    local told = found.problem
      or found.origin == "not set" and "none are set up here; those of an instance were not asked for"
      or format("%sfrom %s", found.value and found.value .. " " or "", found.origin)
    add(report, "credentials", found.origin == "not set" and "note" or level, told)
  else
    local has_credentials = look_at_credentials(report, client)
    local has_way = has_region and look_at_service(report, client)
    if has_credentials and has_way then
      call(report, client)
    end
  end
  client:close()
  return report
end

return doctor
