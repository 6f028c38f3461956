--- AWS Signature Version 4, in the form that goes into headers.
-- Source: AWS General Reference, "Signing AWS API requests".
--
-- Signing happens in C: nothing depends on the locale or the time zone, and derived keys are wiped when they are done with.
-- No error and no `tostring` of this module shows a secret access key, a session token or a signature.
--
-- **A request** is a table:
--
-- | field | type | meaning |
-- | --- | --- | --- |
-- | `method` | string | `"POST"` |
-- | `path` | string | as it is sent, percent-encoded once; `"/"` when nil |
-- | `query` | string | as it is sent, without the `?`; `""` when nil |
-- | `headers` | list | `{ name, value }` each; `Host` must be among them |
-- | `body` | string | `""` when nil |
-- | `region` | string | `"eu-west-1"` |
-- | `service` | string | the signing name: `"cloudhsm"` |
-- | `time` | number | seconds since 1970; a fraction is cut off |
-- | `credentials` | userdata | from @{credentials} or @{environment_credentials}; @{sign} also takes a table of keys |
-- | `normalize` | boolean | remove dot segments and doubled slashes from the path; true when nil |
-- | `sign_body` | boolean | add `X-Amz-Content-Sha256` and sign it |
-- | `all_headers` | boolean | sign every header, not only `Host`, `Content-Type` and `X-Amz-*` |
-- | `omit_session_token` | boolean | send the session token without signing it |
--
-- Where the headers have an `X-Amz-Content-Sha256`, it is signed and taken as the hash of the body. An `Authorization`,
-- `X-Amz-Date` or `X-Amz-Security-Token` among them is replaced, so a server can compute a signature again from what it
-- received.
--
-- @module cloudhsmv2.sigv4

local core = require("cloudhsmv2.core").signer
local errors = require "cloudhsmv2.errors"

local codes = { config = "InvalidRequest", credentials = "InvalidCredentials" }

local function failure(message, kind)
  return nil, errors.new { kind = kind, code = codes[kind], message = message }
end

--- A value that was folded over lines, on one line: the same header, in the form that may be sent (RFC 9112, 5.2).
local function unfolded(headers)
  for i, header in ipairs(headers) do
    if header[2]:find("\n", 1, true) then
      headers[i] = { header[1], (header[2]:gsub("\r?\n[ \t]+", " ")) }
    end
  end
  return headers
end

--- Keys in C memory, which is wiped on `close` and when the object is collected.
--
-- Methods: `access_key_id()` (nil once closed), `has_session_token()`, `close()`.
-- @tparam table keys `access_key_id`, `secret_access_key` and, if there is one, `session_token`; an empty token is none
-- @treturn[1] userdata
-- @treturn[2] nil
-- @treturn[2] table an error of kind `"credentials"` that names the field, where one is missing, too long or holds a
-- control character
-- @usage local credentials, err = sigv4.credentials {
--   access_key_id = "AKIDEXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
-- }
local function credentials(keys)
  local made, message, kind = core.credentials(keys)
  if not made then
    return failure(message, kind)
  end
  return made
end

--- Keys from the environment, which C reads: the secret never becomes a Lua string.
-- A variable that is empty or blank is unset. A program that runs with raised privileges (set-user-id) finds none.
-- @tparam[opt="AWS_ACCESS_KEY_ID"] string id_name
-- @tparam[opt="AWS_SECRET_ACCESS_KEY"] string secret_name
-- @tparam[opt="AWS_SESSION_TOKEN"] string token_name
-- @treturn[1] userdata as of @{credentials}
-- @treturn[2] nil when neither id nor secret is set
-- @treturn[3] nil
-- @treturn[3] table an error of kind `"credentials"` that names the variable: set without its other half, too long, or
-- with a control character in it
-- @usage local credentials, err = sigv4.environment_credentials()
local function environment_credentials(id_name, secret_name, token_name)
  local made, message, kind = core.environment_credentials(
    id_name or "AWS_ACCESS_KEY_ID",
    secret_name or "AWS_SECRET_ACCESS_KEY",
    token_name or "AWS_SESSION_TOKEN"
  )
  if message then
    return failure(message, kind)
  end
  return made
end

--- Signs one request and shows every step. It keeps nothing; for one request after another there is @{signer}.
-- @tparam table request see above
-- @treturn[1] table `authorization`, `signature`, `canonical_request` (with the session token in clear, where there is
-- one), `string_to_sign`, `date` (`X-Amz-Date`), `headers` (the complete list to send)
-- @treturn[2] nil
-- @treturn[2] table an error of kind `"config"` that names the field of the request, or of kind `"credentials"`
-- @usage local signed, err = sigv4.sign {
--   method = "POST", path = "/", body = "{}", region = "eu-west-1", service = "cloudhsm", time = os.time(),
--   headers = {
--     { "Host", "cloudhsmv2.eu-west-1.amazonaws.com" }, { "Content-Type", "application/x-amz-json-1.1" },
--     { "X-Amz-Target", "BaldrApiService.DescribeClusters" },
--   },
--   credentials = { access_key_id = "AKIDEXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" },
-- }
-- print(signed.authorization)
local function sign(request)
  if type(request) ~= "table" then
    error("bad argument #1 to 'sign' (table expected, got " .. type(request) .. ")", 2)
  end
  local given, own = rawget(request, "credentials"), nil
  if type(given) == "table" then
    local err
    own, err = credentials(given)
    if not own then
      return nil, err
    end
  end
  local signed, message, kind = core.sign(request, own or given)
  if own then
    own:close()
  end
  if not signed then
    return failure(message, kind)
  end
  signed.headers = unfolded(signed.headers)
  return signed
end

--- Reads what many requests have in common, for @{signer:authorize}.
-- @tparam table request as above, of which `body`, `time` and `credentials` are not looked at, nor `sign_body`
-- @treturn[1] userdata
-- @treturn[2] nil
-- @treturn[2] table an error of kind `"config"` that names the field of the request; what is wrong with a value is told when
-- it is signed
-- @usage local common = sigv4.signable {
--   method = "POST", region = "eu-west-1", service = "cloudhsm",
--   headers = { { "Host", "cloudhsmv2.eu-west-1.amazonaws.com" } },
-- }
local function signable(request)
  local made, message, kind = core.signable(request)
  if not made then
    return failure(message, kind)
  end
  return made
end

local signer = { methods = {} }
signer.metatable = { __name = "cloudhsmv2.sigv4.signer", __index = signer.methods }

--- Raises unless `self` is a signer: a dot in place of the colon.
local function check_signer(self, method)
  if getmetatable(self) ~= signer.metatable then
    error("bad self of '" .. method .. "' (call it as signer:" .. method .. ")", 3)
  end
end

function signer.metatable.__tostring()
  return signer.metatable.__name
end

--- Signs a request for sending.
-- @function signer:sign
-- @tparam table request see above
-- @treturn[1] table the headers to add: `{ name, value }` each
-- @treturn[2] nil
-- @treturn[2] table an error of kind `"config"` that names the field of the request, or of kind `"credentials"`
-- @usage local added, err = signer:sign(request)
function signer.methods:sign(request)
  check_signer(self, "sign")
  local added, message, kind = self.core:sign(request)
  if not added then
    return failure(message, kind)
  end
  return added
end

--- Signs a request that differs from others in its body and time only, and makes no table.
-- @function signer:authorize
-- @tparam userdata common from @{signable}
-- @tparam string body
-- @tparam number time seconds since 1970; a fraction is cut off
-- @tparam userdata keys from `sigv4.credentials` or `sigv4.environment_credentials`
-- @treturn[1] string the value of `Authorization`
-- @treturn[1] string that of `X-Amz-Date`
-- @treturn[1] string|nil that of `X-Amz-Security-Token`
-- @treturn[2] nil
-- @treturn[2] table an error as of @{signer:sign}
-- @usage local authorization, date, token = signer:authorize(common, "{}", os.time(), credentials)
function signer.methods:authorize(common, body, time, keys)
  check_signer(self, "authorize")
  local authorization, date, token = self.core:authorize(common, body, time, keys)
  if not authorization then
    return failure(date, token)
  end
  return authorization, date, token
end

--- Wipes the derived keys. The signer signs no more. Closing twice is fine; the collector closes too.
-- @function signer:close
function signer.methods:close()
  check_signer(self, "close")
  self.core:close()
end

--- A signer that remembers the keys it derived for a date, region and service, of one pair of id and secret: when
-- another pair comes, the keys of the one before are wiped.
-- @treturn[1] table with the methods `sign(request)` and `close()`
-- @treturn[2] nil
-- @treturn[2] table an error of kind `"config"`, where OpenSSL offers no SHA-256
-- @usage local signer, err = sigv4.signer()
local function new_signer()
  local made, message, kind = core.signer()
  if not made then
    return failure(message, kind)
  end
  return setmetatable({ core = made }, signer.metatable)
end

return {
  credentials = credentials,
  environment_credentials = environment_credentials,
  sign = sign,
  signable = signable,
  signer = new_signer,
}
