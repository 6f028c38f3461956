--- What a failure means: its kind, and whether the same call may be sent again without harm.
--
-- There are three classes of operations. Those that read, and those that end in the same state however often they are
-- done, may be sent again after any failure that may pass. Those that must not be done twice (`at_most_once`) only where
-- the request never left this machine, or where the answer proves that nothing was done.
--
-- | failure | sent again | what must not be done twice |
-- | --- | --- | --- |
-- | no connection, no address, connect timeout | yes | yes: nothing left |
-- | a TLS handshake that broke off | once in a call | once in a call |
-- | throttled | yes | yes: refused |
-- | refused for a clock that is corrected now | yes | yes: refused |
-- | connection broken, read timeout, answer cut short | yes | no |
-- | an answer that is no JSON (a gateway's page) | once in a call | no |
-- | 408, 425, 500, 502, 503, 504 | yes | no |
-- | a certificate, a redirect, HTTP 407, a wrong setting, an answer too large or not valid HTTP, no memory | no | no |
-- | every other answer of the service | no | no |
--
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

-- How often in one call the same failure is followed by another attempt.
local ALWAYS, ONCE, NEVER = math.huge, 1, 0

-- Failures on the way and broken answers: by code, else by kind. What is in neither stays as it is.
local RETRIES_BY_CODE = {
  CouldNotConnectToProxy = ALWAYS,
  CouldNotResolveProxy = ALWAYS,
  NotJson = ONCE, -- a gateway that starts has gone the next time; a login page stays
  OutOfMemory = NEVER, -- the cause is here
  ProxyUnavailable = ALWAYS,
  TlsHandshakeFailed = ONCE, -- cut off in the middle it may pass; a port without TLS stays
  TruncatedBody = ALWAYS,
  TruncatedHeaders = ALWAYS,
}
local RETRIES_BY_KIND = { throttled = ALWAYS, timeout = ALWAYS, transport = ALWAYS }

-- Statuses that say that nothing was done.
local REFUSED_STATUSES = { [501] = true, [505] = true }

--- Whether an operation changes nothing, by AWS's manner of naming.
-- @tparam string name `"DescribeBackups"`
-- @treturn boolean
function classify.only_reads(name)
  return (name:find "^Describe" or name:find "^List" or name:find "^Get") ~= nil
end

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

--- How often in one call a failure is worth another attempt.
-- @tparam table err `kind`, `code`, `status`
-- @treturn number 0: the next attempt will not fare better; may be infinite
function classify.retries(err)
  if err.kind == "service" then
    return (TRANSIENT_CODES[err.code] or TRANSIENT_STATUSES[err.status]) and ALWAYS or NEVER
  end
  return RETRIES_BY_CODE[err.code] or RETRIES_BY_KIND[err.kind] or NEVER
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
  return classify.retries(err) > NEVER
end

return classify
