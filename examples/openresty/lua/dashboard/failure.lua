--- Errors of the library as answers of HTTP.
--
-- The visitor did something wrong only where the status is 400 or 404. Credentials, settings and permissions are this
-- server's own, and what AWS does not accept of them is a bad gateway, not the visitor's 401 or 403.

local failure = {}

local STATUSES = {
  validation = 400,
  throttled = 429,
  timeout = 504,
  waiter = 504,
  aborted = 503,
  config = 500,
  credentials = 500,
  auth = 502,
  transport = 502,
  tls = 502,
  proxy = 502,
  protocol = 502,
  ambiguous = 502,
}

-- A service's own refusals by code, since it answers nearly all of them with 400.
local SERVICE_STATUSES = {
  CloudHsmResourceNotFoundException = 404,
  CloudHsmInvalidRequestException = 400,
  CloudHsmTagException = 400,
  ValidationException = 400,
}

--- @tparam table err an error object
-- @treturn integer the status to answer with
function failure.status(err)
  if err.kind == "service" then
    return SERVICE_STATUSES[err.code] or 502
  end
  return STATUSES[err.kind] or 500
end

--- What the visitor is told: nothing but these four.
-- @tparam table err an error object; its message holds no secret
function failure.body(err)
  return { error = { kind = err.kind, code = err.code, message = err.message, request_id = err.request_id } }
end

return failure
