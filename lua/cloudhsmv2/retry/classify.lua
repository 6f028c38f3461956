--- What a failure means: its kind, and whether the same call may be sent again without harm.
-- Sources: AWS SDKs and Tools Reference Guide, "Retry behavior"; the service's API reference, "Common Errors".
-- @module cloudhsmv2.retry.classify

local classify = {}

local function set(names)
  local members = {}
  for name in names:gmatch "%S+" do
    members[name] = true
  end
  return members
end

-- The service asks to slow down, and has not done what was asked.
local THROTTLING_CODES = set [[
  BandwidthLimitExceeded EC2ThrottledException LimitExceededException PriorRequestNotComplete
  ProvisionedThroughputExceededException RequestLimitExceeded RequestThrottled RequestThrottledException SlowDown
  ThrottledException Throttling ThrottlingException TooManyRequestsException TransactionInProgressException
]]

-- The service did not accept the signature, the key or the clock. By code: the status is 400 or 403.
local AUTH_CODES = set [[
  AuthFailure ExpiredToken ExpiredTokenException IncompleteSignature IncompleteSignatureException InvalidClientTokenId
  InvalidSignatureException MissingAuthenticationToken MissingAuthenticationTokenException RequestExpired
  RequestTimeTooSkewed SignatureDoesNotMatch UnrecognizedClientException
]]

-- The service gave up, and may have done what was asked.
local TRANSIENT_CODES = set "RequestTimeout RequestTimeoutException"
local TRANSIENT_STATUSES = { [408] = true, [425] = true, [500] = true, [502] = true, [503] = true, [504] = true }

-- Failures on the way that may be gone the next time. A certificate, a wrong URL or a refusing proxy stays.
local PASSING_KINDS = { transport = true, timeout = true }
local PASSING_CODES = set [[
  CouldNotConnectToProxy CouldNotResolveProxy NotJson ProxyUnavailable TruncatedBody TruncatedHeaders
]]

-- Statuses that say that nothing was done.
local REFUSED_STATUSES = { [501] = true, [505] = true }

--- The kind of a failure that the service answered with.
-- @tparam string code
-- @tparam integer status
-- @treturn string `throttled`, `auth` or `service`
function classify.kind(code, status)
  if THROTTLING_CODES[code] or status == 429 then
    return "throttled"
  elseif AUTH_CODES[code] then
    return "auth"
  end
  return "service"
end

-- Whether the next attempt may fare better.
local function may_pass(err)
  if err.kind == "service" then
    return TRANSIENT_CODES[err.code] or TRANSIENT_STATUSES[err.status]
  end
  return err.kind == "throttled" or PASSING_KINDS[err.kind] or PASSING_CODES[err.code]
end

--- Whether nobody can know if the service did what it was asked.
-- @tparam table err `kind`, `code`, `status`, `sent`
-- @treturn boolean
function classify.outcome_unknown(err)
  if err.sent == "no" or err.kind == "throttled" or err.kind == "auth" then
    return false
  elseif err.kind == "service" then
    local gave_up = TRANSIENT_CODES[err.code] or TRANSIENT_STATUSES[err.status] or err.status >= 500
    return gave_up and not REFUSED_STATUSES[err.status] or false
  end
  return err.code ~= "Redirect"
end

--- Whether the same call may succeed later, and repeating it does no harm.
-- @tparam table err `kind`, `code`, `status`, `sent`
-- @tparam boolean at_most_once whether the service must not do it twice
-- @treturn boolean
function classify.retryable(err, at_most_once)
  if at_most_once and classify.outcome_unknown(err) then
    return false
  end
  return may_pass(err) or false
end

return classify
