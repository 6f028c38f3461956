--- From what went wrong to the error that a caller gets.
-- @module cloudhsmv2.failure

local classify = require "cloudhsmv2.retry.classify"
local errors = require "cloudhsmv2.errors"
local hints = require "cloudhsmv2.hints"
local redact = require "cloudhsmv2.redact"
local text = require "cloudhsmv2.text"

local format = string.format

local SENT = { no = true, maybe = true, yes = true }

local failure = {}

--- The error object for what a runtime reports. A runtime of a user's own may leave things out: then nobody knows.
-- @param reported what `runtime.send` returned behind nil
-- @treturn table the error object
function failure.of_runtime(reported)
  if type(reported) ~= "table" then
    reported = { message = reported ~= nil and tostring(reported) or nil }
  end
  return errors.new {
    kind = errors.kinds[reported.kind] and reported.kind or "transport",
    code = reported.code or "TransportFailure",
    message = reported.message or "the runtime gave no reason",
    sent = SENT[reported.sent] and reported.sent or "maybe",
    status = reported.status,
  }
end

--- Completes the error of an attempt: without secrets, with a hint, and with whether a repetition may help.
-- @tparam table err the error object; changed in place
-- @tparam table context `secrets` (a list of strings), `settings`, `operation`, `at_most_once`
function failure.explain(err, context)
  for _, field in ipairs { "code", "message", "body", "members" } do
    err[field] = redact.strings(err[field], context.secrets)
  end
  local hint = hints.of(err, context.settings, context.operation)
  if hint then
    err.message = text.trim(err.message) .. " - " .. hint
  end
  err.retryable = classify.retryable(err, context.at_most_once)
end

--- The error of an operation that must not be done twice, where nobody knows whether it was done once.
-- @tparam table cause the error object of the attempt
-- @tparam[opt] string reconcile how to find out
-- @treturn table an error object of kind `ambiguous`
function failure.ambiguous(cause, reconcile)
  reconcile = reconcile or "look whether it took effect before calling again"
  return errors.new {
    kind = "ambiguous",
    code = cause.code,
    message = format("nobody knows whether this took effect: %s; %s", cause.message, reconcile),
    status = cause.status,
    request_id = cause.request_id,
    sent = cause.sent,
    body = cause.body,
    members = cause.members,
    reconcile = reconcile,
    cause = cause,
  }
end

return failure
