--- What a failure most often means for this service: a sentence behind the service's own message.
-- @module cloudhsmv2.hints

local ACCESS = "IAM knows these actions by the prefix cloudhsm:, as in cloudhsm:DescribeClusters; CreateCluster and "
  .. "CreateHsm also need EC2 rights for network interfaces and security groups"
local KEY = "the access key id is unknown here: check for another partition, a deleted key, or a missing session token"
local SIGNATURE = "check the secret access key, the region and the clock of this machine"
local CLOCK = "check the clock of this machine"
local EXPIRED = "the session token has expired: get new credentials"
local OPERATION = "the service may not be offered in this region, or the endpoint is that of another service"
local HEADER = "something between here and the service changes the headers of requests"

local BY_CODE = {
  AccessDenied = ACCESS,
  AccessDeniedException = ACCESS,
  CloudHsmAccessDeniedException = ACCESS,
  ExpiredToken = EXPIRED,
  ExpiredTokenException = EXPIRED,
  IncompleteSignature = HEADER,
  IncompleteSignatureException = HEADER,
  InvalidClientTokenId = KEY,
  InvalidSignatureException = SIGNATURE,
  MissingAuthenticationToken = HEADER,
  MissingAuthenticationTokenException = HEADER,
  RequestExpired = CLOCK,
  RequestTimeTooSkewed = CLOCK,
  SignatureDoesNotMatch = SIGNATURE,
  UnknownOperationException = OPERATION,
  UnrecognizedClientException = KEY,
}

local hints = {}

--- A hint for an error.
-- @tparam table err `code` and `message`
-- @tparam table settings `use_fips` and `use_dualstack`
-- @treturn string|nil
function hints.of(err, settings)
  local message = err.message or ""
  if err.code == "InvalidSignatureException" and (message:find "expired" or message:find "not yet current") then
    return CLOCK
  elseif err.code == "CouldNotResolveHost" and settings.use_fips and not settings.use_dualstack then
    return "AWS lists FIPS addresses of this service only together with use_dualstack = true"
  end
  return BY_CODE[err.code]
end

return hints
