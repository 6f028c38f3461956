--- What a failure most often means for this service: a sentence behind the service's own message.
-- @module cloudhsmv2.hints

local text = require "cloudhsmv2.text"

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

-- By what the service says, in lower case, and to which operation.
local BY_MESSAGE = {
  {
    text = "service-linked role",
    hint = "allow iam:CreateServiceLinkedRole for cloudhsm.amazonaws.com, which the first cluster of an account needs",
  },
  {
    operation = "CreateHsm",
    text = "not yet been fully activated",
    hint = "initialize the cluster, and activate it on its first HSM, before you add another",
  },
  {
    operation = "CreateCluster",
    text = "hsm1.medium",
    hint = 'take HsmType = "hsm2m.medium" with Mode = "FIPS" or "NON_FIPS"',
  },
  { operation = "CreateCluster", text = "mode is required", hint = 'give Mode = "FIPS" or "NON_FIPS"' },
  {
    operation = "DeleteCluster",
    text = "hsms",
    hint = "delete its HSMs first, and wait for each with the waiter hsm_deleted",
  },
  {
    operation = "InitializeCluster",
    text = "no active hsm",
    hint = "create an HSM, wait with the waiter csr_ready, and sign the request that is there then",
  },
  {
    operation = "CreateHsm",
    text = "no subnet in the availability zone",
    hint = "the zones of a cluster are the keys of its SubnetMapping",
  },
}

-- Whether the name of a region is that of an availability zone, and the region then.
local function region_of_zone(name)
  return name and name:match "^(%l+%-[%l-]+%-%d+)%l$"
end

local hints = {}

--- A hint for an error.
-- @tparam table err `code` and `message`
-- @tparam table settings `use_fips`, `use_dualstack`, `region`
-- @tparam[opt] string operation `"CreateHsm"`
-- @treturn string|nil
function hints.of(err, settings, operation)
  local message = err.message or ""
  if err.code == "InvalidSignatureException" and (message:find "expired" or message:find "not yet current") then
    return CLOCK
  elseif err.code == "CouldNotResolveHost" and settings.use_fips and not settings.use_dualstack then
    return "AWS lists FIPS addresses of this service only together with use_dualstack = true"
  elseif err.code == "CouldNotResolveHost" and region_of_zone(settings.region) then
    local region = region_of_zone(settings.region)
    return ("%s is an availability zone; its region is %s"):format(settings.region, region)
  end
  local said = text.lower(message)
  for _, known in ipairs(err.kind == "service" and BY_MESSAGE or {}) do
    if said:find(known.text, 1, true) and (known.operation or operation) == operation then
      return known.hint
    end
  end
  return BY_CODE[err.code]
end

return hints
