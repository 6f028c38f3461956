--- How the emulator says no: every code with its HTTP status.
-- The modelled codes and their statuses are documented in the API reference. The general ones are documented for all
-- JSON services of AWS; that this service answers them with 400 is assumed, public reports show 400 and 403.
-- @module cloudhsmv2.emulator.fault

-- A maker of refusals: `return fault.invalid("no cluster %s", id)` gives `nil, failure`.
local function maker(code, status, modelled)
  return function(text, ...)
    if select("#", ...) > 0 then
      text = text:format(...)
    end
    return nil, { code = code, status = status, modelled = modelled, message = text }
  end
end

return {
  invalid = maker("CloudHsmInvalidRequestException", 400, true),
  not_found = maker("CloudHsmResourceNotFoundException", 400, true),
  denied = maker("CloudHsmAccessDeniedException", 400, true),
  tag = maker("CloudHsmTagException", 400, true),
  limit = maker("CloudHsmResourceLimitExceededException", 400, true),
  internal = maker("CloudHsmInternalFailureException", 500, true),

  unknown_operation = maker("UnknownOperationException", 400),
  unknown_path = maker("UnknownOperationException", 404),
  method_not_allowed = maker("UnknownOperationException", 405),
  serialization = maker("SerializationException", 400),
  missing_authentication = maker("MissingAuthenticationTokenException", 400),
  incomplete_signature = maker("IncompleteSignatureException", 400),
  invalid_signature = maker("InvalidSignatureException", 400),
  unrecognized_client = maker("UnrecognizedClientException", 400),
  expired_token = maker("ExpiredTokenException", 400),
  access_denied = maker("AccessDeniedException", 400),
}
