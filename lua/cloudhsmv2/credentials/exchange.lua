--- What providers of credentials send: plain requests, and calls of the AWS services that credentials come from, with
-- the retries, the clock and the endpoints of the client.
-- @module cloudhsmv2.credentials.exchange

local classify = require "cloudhsmv2.retry.classify"
local core = require "cloudhsmv2.core"
local endpoint = require "cloudhsmv2.endpoint"
local errors = require "cloudhsmv2.errors"
local failure = require "cloudhsmv2.failure"
local moment = require "cloudhsmv2.moment"
local redact = require "cloudhsmv2.redact"
local text = require "cloudhsmv2.text"

local format = string.format

local MOST_BODY = 262144 -- bytes of an answer; keys and tokens take a few thousand

-- By their names in the endpoint's rules: the services' ids, and the names that requests are signed with.
local SERVICES = {
  sts = { id = "STS", signing_name = "sts" },
  sso = { id = "SSO" },
  sso_oidc = { id = "SSO OIDC" },
  signin = { id = "Signin" },
}

local exchange = {}

local function late()
  return errors.new {
    kind = "timeout",
    code = "DeadlineExceeded",
    message = "the time for the whole call was over",
    retryable = true,
  }
end

--- Sends one request, once.
-- @tparam table context of the client's providers, see `cloudhsmv2.credentials`
-- @tparam table request as a runtime takes it; `timeout` is shortened to what is left of the call
-- @tparam[opt] number deadline of the runtime's clock that never jumps
-- @tparam[opt] table secrets strings that no error may show
-- @treturn[1] table `status`, `headers` (names in lower case), `body`
-- @treturn[2] nil
-- @treturn[2] table an error object of the kind of the failure
function exchange.fetch(context, request, deadline, secrets)
  local runtime = context.runtime
  if deadline then
    local left = deadline - runtime.now()
    if left <= 0 then
      return nil, late()
    end
    request.timeout = math.min(request.timeout or left, left)
  end
  local response, reported = runtime.send(request)
  if not response then
    local err = failure.of_runtime(reported)
    err.message = redact.strings(err.message, secrets or {})
    if err.kind == "timeout" and deadline and runtime.now() >= deadline then
      err.code = "DeadlineExceeded"
    end
    return nil, err
  end
  return { status = response.status, headers = response.headers or {}, body = response.body or "" }
end

-- The service's address, taken apart: what somebody configured, else the region's.
local function address_of(context, service, region)
  local settings = context.settings
  local url, origin, err = context.endpoint_of(SERVICES[service].id)
  if err then
    return nil, err
  end
  origin = url and origin or "region " .. region
  if not url then
    url, err = endpoint.of_service(service, {
      region = region,
      use_fips = settings.use_fips,
      use_dualstack = settings.use_dualstack,
    })
  end
  local address
  if url then
    address, err = endpoint.parse(url)
  end
  local problem = address and endpoint.insecure(address, settings.allow_http)
  if problem then
    err = errors.new { kind = "config", code = "InsecureEndpoint", message = format("%s (%s)", problem, origin) }
  end
  if err then
    return nil, err
  end
  return address
end

-- Which attempt this is, as the client's own requests say it.
local function attempt_of(call, clock, attempt, most)
  local count = format("attempt=%d; max=%d", attempt, most)
  local until_when = attempt > 1 and moment.basic(clock:time() + call.read_timeout)
  return until_when and format("ttl=%s; %s", until_when, count) or count
end

-- The headers of one attempt, signed where the call has credentials. Returns the headers and what no error may show, or nil
-- and an error.
local function headers_of(context, call, address, target, clock)
  local headers, secrets = {}, {}
  local given, err = call.headers
  if type(given) == "function" then
    given, err = given(address.scheme .. "://" .. address.authority .. target, clock:time())
    if not given then
      return nil, err
    end
  end
  for i, header in ipairs(given or {}) do
    headers[i] = header
  end
  if call.credentials then
    headers[#headers + 1] = { "Host", address.authority }
    local path, query = target:match "^([^?]*)%??(.*)$"
    local added
    added, err = context.signer:sign {
      method = call.method,
      path = path,
      query = query,
      headers = headers,
      body = call.body or "",
      region = call.region,
      service = SERVICES[call.service].signing_name,
      time = clock:time(),
      credentials = call.credentials,
    }
    if not added then
      return nil, err
    end
    headers[#headers] = nil
    for _, header in ipairs(added) do
      headers[#headers + 1] = header
      secrets[#secrets + 1] = header[1] == "Authorization" and header[2]:match "Signature=([0-9a-f]+)"
        or header[1] == "X-Amz-Security-Token" and header[2]
        or nil
    end
  end
  return headers, secrets
end

-- One attempt. Returns what the call reads from the answer, or nil, an error, and the answer if there was one.
local function try(context, call, address, attempt, most, clock, deadline)
  local path = address.path:gsub("/$", "") .. call.path
  local headers, secrets = headers_of(context, call, address, path, clock)
  if not headers then
    return nil, secrets
  end
  headers[#headers + 1] = { "User-Agent", context.user_agent(call.features) }
  headers[#headers + 1] = { "amz-sdk-invocation-id", call.invocation_id }
  headers[#headers + 1] = { "amz-sdk-request", attempt_of(call, clock, attempt, most) }
  local sent = context.runtime.time()
  local response, err = exchange.fetch(context, {
    method = call.method,
    url = address.scheme .. "://" .. address.authority .. path,
    headers = headers,
    body = call.body or "",
    connect_timeout = context.settings.connect_timeout,
    read_timeout = call.read_timeout,
    max_body = MOST_BODY,
  }, deadline)
  local value
  if response then
    clock:observe(response.headers, sent, context.runtime.time())
    value, err = call.read(response)
  end
  if value ~= nil then
    return value
  end
  for _, secret in ipairs(call.secrets or {}) do
    secrets[#secrets + 1] = secret
    secrets[#secrets + 1] = text.url_encoded(secret) -- as a form has it
  end
  for _, field in ipairs { "code", "message", "body", "request_id" } do
    err[field] = redact.strings(err[field], secrets)
  end
  return nil, err, response
end

--- Calls a service that credentials come from, with retries.
-- @tparam table context
-- @tparam table call `service` (`"sts"`, `"sso"`, `"sso_oidc"`, `"signin"`), `region`, `method`, `path` (with a query),
-- `headers` (or a function of the URL and the time that returns them, or nil and an error), `body`; `credentials` to sign
-- with, or none; `read(response)`, which returns what the answer says, or nil
-- and an error object; `retries(err)`, whether a refusal may pass that others of its kind do not; `secrets`, strings
-- that no error may show; `features` for the User-Agent
-- @tparam[opt] number deadline
-- @return[1] what `read` returned
-- @treturn[2] nil
-- @treturn[2] table an error object
function exchange.call(context, call, deadline)
  local address, err = address_of(context, call.service, call.region)
  if not address then
    return nil, err
  end
  local runtime, most = context.runtime, context.settings.retry.max_attempts
  local retries, clock = context.retry:start(most), context.skew:start()
  call.invocation_id, call.read_timeout = core.uuid(), context.settings.read_timeout
  local attempt = 0
  while true do
    attempt = attempt + 1
    clock:forget()
    local value, response
    value, err, response = try(context, call, address, attempt, most, clock, deadline)
    if value ~= nil then
      retries:succeeded(runtime.now())
      return value
    end
    local skewed = clock:explains(err.code) and not classify.outcome_unknown(err)
    local lenient = call.retries ~= nil and call.retries(err)
    err.retryable = skewed or lenient or classify.retryable(err, false)
    local delay = retries:failed {
      err = err,
      cured = skewed or lenient,
      headers = response and response.headers,
      now = runtime.now(),
      time = clock:time(),
      room = deadline and deadline - runtime.now() or math.huge,
    }
    if not delay then
      return nil, err
    end
    runtime.sleep(delay)
  end
end

return exchange
