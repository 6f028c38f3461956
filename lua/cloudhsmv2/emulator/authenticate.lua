--- Who sent a request: its signature is computed again from what arrived.
--
-- | behaviour | how sure |
-- | --- | --- |
-- | Signature Version 4 and what must be signed | documented |
-- | the scope's service is `cloudhsm`, of RAM's operations `ram` | the API's model |
-- | codes of refusals | documented for AWS's JSON services |
-- | 5 minutes of tolerance for the clock | documented; some services allow 15 |
-- | the two texts about the clock | measured by others |
-- | a session token with a key that has none, or the other way round, is UnrecognizedClientException | assumed |
-- | the wording of the other messages | assumed |
--
-- The message of a mismatch shows the canonical request, as AWS's does, so that a client's author sees the difference;
-- a session token in it is blotted out.
-- @module cloudhsmv2.emulator.authenticate

local fault = require "cloudhsmv2.emulator.fault"
local moment = require "cloudhsmv2.moment"
local sigv4 = require "cloudhsmv2.sigv4"
local text = require "cloudhsmv2.text"

local ALGORITHM = "AWS4-HMAC-SHA256"
local EMPTY = ""

local function header(request, name)
  local value = request.by_name[name]
  if value and value:find "^[ \t]" or value and value:find "[ \t]$" then
    return text.trim(value)
  end
  return value
end

-- Requests of one second have the same date: the last one that was read, and the moment it says.
local last_date, last_moment
local function moment_of(date)
  if date ~= last_date then
    last_date, last_moment = date, moment.of_basic(date)
  end
  return last_moment
end

-- The parameters of an Authorization header, or a failure.
local function parse_authorization(value)
  local scheme, rest = value:match "^(%S+)%s*(.*)$"
  if scheme ~= ALGORITHM then
    return fault.incomplete_signature("The Authorization header must start with %s.", ALGORITHM)
  end
  local parameters = {}
  for part in rest:gmatch "[^,]+" do
    local name, content = part:match "^%s*([A-Za-z]+)=([^ \t]+)%s*$"
    if not name or parameters[name] then
      return fault.incomplete_signature "The Authorization header is not a list of Name=value parts, each once."
    end
    parameters[name] = content
  end
  for _, name in ipairs { "Credential", "SignedHeaders", "Signature" } do
    if not parameters[name] then
      return fault.incomplete_signature("The Authorization header has no %s parameter.", name)
    end
  end
  local key_id, day, region, service, terminator =
    parameters.Credential:match "^([^/]+)/([^/]+)/([^/]+)/([^/]+)/([^/]+)$"
  if not key_id then
    return fault.incomplete_signature "The Credential must have five parts: id, date, region, service, aws4_request."
  end
  return {
    key_id = key_id,
    day = day,
    region = region,
    service = service,
    terminator = terminator,
    signed_headers = parameters.SignedHeaders,
    signature = parameters.Signature,
  }
end

local function check_scope(claim, sent_at, settings, service)
  if claim.terminator ~= "aws4_request" then
    return fault.invalid_signature "Credential should be scoped with a valid terminator: 'aws4_request'."
  elseif claim.service ~= service then
    return fault.invalid_signature("Credential should be scoped to correct service: '%s'.", service)
  elseif not settings.regions[claim.region] then
    return fault.invalid_signature("Credential should be scoped to a valid region, not '%s'.", claim.region)
  elseif claim.day ~= sent_at:sub(1, 8) then
    return fault.invalid_signature("The date in the credential scope, '%s', is not that of X-Amz-Date.", claim.day)
  end
  return true
end

local function check_clock(sent_at, received, skew)
  local sent = moment_of(sent_at)
  if sent >= received - skew and sent <= received + skew then
    return true
  end
  local minutes = ("%g"):format(skew / 60):gsub(",", ".")
  local words, limit = "Signature expired: %s is now earlier than %s (%s - %s min.)", received - skew
  if sent > received then
    words, limit = "Signature not yet current: %s is still later than %s (%s + %s min.)", received + skew
  end
  return fault.invalid_signature(words, sent_at, moment.basic(limit), moment.basic(received), minutes)
end

-- The names that were signed, as a set, once it is sure that everything is signed that must be.
local function check_signed_headers(request, list)
  local signed = {}
  for name in list:gmatch "[^;]+" do
    if not request.by_name[name] then
      return fault.invalid_signature("The signed header '%s' is not in the request.", name)
    end
    signed[name] = true
  end
  local first -- of those that are missing, by name
  for name in pairs(request.by_name) do
    local must = name == "host" or name == "content-type" or name:find("x-amz-", 1, true) == 1
    if must and not signed[name] and (not first or name < first) then
      first = name
    end
  end
  if first then
    return fault.invalid_signature("'%s' must be a 'SignedHeader' in the AWS Authorization.", first)
  end
  return signed
end

local function check_token(key, token, received)
  if (token or EMPTY) ~= (key.session_token or EMPTY) then
    return fault.unrecognized_client "The security token included in the request is invalid."
  elseif key.expires and received >= key.expires then
    return fault.expired_token "The security token included in the request is expired."
  end
  return true
end

-- The request as it is to be signed again, without one header if asked for.
local function unsigned(request, claim, key, sent_at, signed, without)
  local headers = {}
  for _, pair in ipairs(request.headers) do
    local name = text.lower(pair[1])
    if signed[name] and name ~= without then
      headers[#headers + 1] = pair
    end
  end
  return {
    method = request.method,
    path = request.path,
    query = request.query,
    headers = headers,
    body = request.body,
    region = claim.region,
    service = claim.service,
    time = moment_of(sent_at),
    credentials = key,
    normalize = true,
    all_headers = true,
  }
end

-- What the signature should be, or a failure when such a request cannot be signed.
local function sign_again(...)
  local signed_again, err = sigv4.sign(unsigned(...))
  if not signed_again then
    return fault.incomplete_signature("%s", err.message)
  end
  return signed_again
end

-- A signer for every key that was used, which remembers what it derived, and the key in the form that it takes.
local signers = setmetatable({}, { __mode = "k" })
local function signer_of(key)
  local held = signers[key]
  if not held or held.secret ~= key.secret_access_key or held.token ~= key.session_token then
    held = { signer = assert(sigv4.signer()), credentials = assert(sigv4.credentials(key)) }
    held.secret, held.token = key.secret_access_key, key.session_token
    signers[key] = held
  end
  return held
end

-- Whether a signature is the right one. Cheaper than `sign_again`, and says nothing else.
local function is_right(request, claim, key, sent_at, signed)
  local held = signer_of(key)
  local added = held.signer:sign(unsigned(request, claim, held.credentials, sent_at, signed))
  local authorization = added and added[#added][2]
  return authorization and authorization:sub(-#claim.signature - 1) == "=" .. claim.signature
end

local function mismatch(expected, token)
  local canonical = expected.canonical_request
  if token then
    local at, past = canonical:find(token, 1, true)
    if at then
      canonical = canonical:sub(1, at - 1) .. "<session token>" .. canonical:sub(past + 1)
    end
  end
  return fault.invalid_signature(
    "The request signature we calculated does not match the signature you provided. "
      .. "Check the secret access key and how the request was signed.\n\n"
      .. "The canonical request should have been\n'%s'\n\nThe string to sign should have been\n'%s'\n",
    canonical,
    expected.string_to_sign
  )
end

local function check_signature(request, claim, key, sent_at, signed)
  local declared_hash = header(request, "x-amz-content-sha256")
  if not declared_hash and is_right(request, claim, key, sent_at, signed) then
    return true
  end
  if declared_hash then -- it is taken for the body's hash when signing, so the body must agree with it
    local plain, failure = sign_again(request, claim, key, sent_at, signed, "x-amz-content-sha256")
    if not plain then
      return nil, failure
    elseif plain.canonical_request:match "[^\n]*$" ~= declared_hash then
      return fault.invalid_signature "The body does not have the hash that X-Amz-Content-SHA256 declares."
    end
  end
  local expected, failure = sign_again(request, claim, key, sent_at, signed)
  if not expected then
    return nil, failure
  elseif expected.signature ~= claim.signature then
    return mismatch(expected, header(request, "x-amz-security-token"))
  end
  return true
end

-- Without verification, whatever can be read of a signature still chooses the account and region.
local function trust(request, settings)
  local claim = parse_authorization(header(request, "authorization") or EMPTY)
  local key = claim and settings.credentials[claim.key_id]
  local region = claim and settings.regions[claim.region] and claim.region or settings.default_region
  return {
    account = key and key.account or settings.default_account,
    region = region,
    allow = key and key.allow,
    deny = key and key.deny,
  }
end

local function verify(request, settings, service)
  local authorization = header(request, "authorization")
  if not authorization then
    return fault.missing_authentication "Missing Authentication Token"
  end
  local claim, failure = parse_authorization(authorization)
  if not claim then
    return nil, failure
  end
  local sent_at = header(request, "x-amz-date")
  if not sent_at or not moment_of(sent_at) then
    return fault.incomplete_signature "The X-Amz-Date header must be a date like 20150830T123600Z."
  end
  local key = settings.credentials[claim.key_id]
  if not key then
    return fault.unrecognized_client "The security token included in the request is invalid."
  end

  local fine, signed
  fine, failure = check_scope(claim, sent_at, settings, service)
  if fine then
    fine, failure = check_clock(sent_at, request.received_at, settings.max_skew)
  end
  if fine then
    signed, failure = check_signed_headers(request, claim.signed_headers)
    fine = signed
  end
  if fine then
    fine, failure = check_token(key, header(request, "x-amz-security-token"), request.received_at)
  end
  if fine then
    fine, failure = check_signature(request, claim, key, sent_at, signed)
  end
  if not fine then
    return nil, failure
  end
  return { account = key.account, region = claim.region, key_id = claim.key_id, allow = key.allow, deny = key.deny }
end

--- Finds out who sent a request and for which region.
-- @tparam table request `method`, `path`, `query`, `headers`, `by_name`, `body`, `received_at` (seconds since 1970)
-- @tparam table settings
-- @tparam string service the signing name of the service that is asked
-- @treturn[1] table `account`, `region`, `key_id`, `allow` and `deny`
-- @treturn[2] nil
-- @treturn[2] table a failure
local function authenticate(request, settings, service)
  if settings.verify_signatures then
    return verify(request, settings, service)
  end
  return trust(request, settings)
end

return authenticate
