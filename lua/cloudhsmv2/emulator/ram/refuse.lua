--- How RAM says no: its codes with their HTTP statuses, all from the service's model but the last two.
-- @module cloudhsmv2.emulator.ram.refuse

-- A maker of refusals: `return refuse.unknown("no share %s", arn)` gives `nil, failure`.
local function maker(code, status)
  return function(text, ...)
    if select("#", ...) > 0 then
      text = text:format(...)
    end
    return nil, { code = code, status = status or 400, message = text }
  end
end

return {
  invalid_parameter = maker "InvalidParameterException",
  missing_parameter = maker "MissingRequiredParameterException",
  malformed_arn = maker "MalformedArnException",
  unknown = maker "UnknownResourceException",
  not_permitted = maker "OperationNotPermittedException",
  invalid_state = maker "InvalidStateTransitionException",
  unmatched = maker "UnmatchedPolicyPermissionException",
  invalid_policy = maker "InvalidPolicyException",
  invalid_token = maker "InvalidNextTokenException",
  other_parameters = maker "IdempotentParameterMismatchException",
  unknown_invitation = maker "ResourceShareInvitationArnNotFoundException",
  accepted = maker "ResourceShareInvitationAlreadyAcceptedException",
  rejected = maker "ResourceShareInvitationAlreadyRejectedException",
  expired = maker "ResourceShareInvitationExpiredException",

  -- [assumed] another path or method is UnknownOperationException
  unknown_path = maker("UnknownOperationException", 404),
  wrong_method = maker("UnknownOperationException", 405),
}
