--- Credentials from the selected profile: `aws_access_key_id`, `aws_secret_access_key`, `aws_session_token` and
-- `aws_account_id`.
--
-- A profile may name another way to get credentials: a role, single sign-on, a process. This version takes none of
-- them, and says so: keys that happen to stand beside them are those of somebody else.
--
-- @module cloudhsmv2.credentials.profile

local errors = require "cloudhsmv2.errors"
local files = require "cloudhsmv2.config.files"
local sigv4 = require "cloudhsmv2.sigv4"
local text = require "cloudhsmv2.text"

local format = string.format

local ID, SECRET, TOKEN = "aws_access_key_id", "aws_secret_access_key", "aws_session_token"
local ACCOUNT = "aws_account_id"

-- The keys of other ways, in the order in which a message names them.
local OTHER_WAYS = {
  { key = "role_arn", what = "assume roles" },
  { key = "source_profile", what = "assume roles" },
  { key = "credential_source", what = "assume roles" },
  { key = "web_identity_token_file", what = "use web identities" },
  { key = "sso_session", what = "use single sign-on" },
  { key = "sso_account_id", what = "use single sign-on" },
  { key = "sso_role_name", what = "use single sign-on" },
  { key = "sso_start_url", what = "use single sign-on" },
  { key = "sso_region", what = "use single sign-on" },
  { key = "login_session", what = "use sessions of `aws login`" },
  { key = "credential_process", what = "run credential processes" },
}

local profile = {}

local methods = { name = "profile", feature = "n", local_only = true }
local metatable = { __name = "cloudhsmv2.credentials.profile", __index = methods }

-- What this version cannot do with the profile, if anything.
local function unsupported(selected)
  for _, way in ipairs(OTHER_WAYS) do
    local _, property = files.value(selected.properties, way.key)
    if property then
      local found = format("%s (%s): this version does not %s yet", way.key, files.place(property), way.what)
      local instead = "what works: aws_access_key_id and aws_secret_access_key in the profile, AWS_ACCESS_KEY_ID and "
        .. "AWS_SECRET_ACCESS_KEY in the environment (with no profile given in code), or credentials = a table or a function"
      return format("profile %s: %s; %s", text.quote(selected.name), found, instead)
    end
  end
end

-- The credentials, nil when there are none, or nil, the code and the message of an error.
local function read(selected)
  local problem = unsupported(selected)
  if problem then
    return nil, "UnsupportedProfile", problem
  end
  local id, id_property = files.value(selected.properties, ID)
  local secret, secret_property = files.value(selected.properties, SECRET)
  if not id and not secret then
    return nil
  elseif not id or not secret then
    local present, absent = id and ID or SECRET, id and SECRET or ID
    local place = files.place(id_property or secret_property)
    local message =
      format("profile %s: %s is missing beside %s (%s)", text.quote(selected.name), absent, present, place)
    return nil, "InvalidCredentials", message
  end
  local found, err = sigv4.credentials {
    access_key_id = id,
    secret_access_key = secret,
    session_token = (files.value(selected.properties, TOKEN)),
  }
  if not found then
    local name, place = text.quote(selected.name), files.place(id_property)
    return nil, err.code, format("profile %s (%s): %s", name, place, err.message)
  end
  return found
end

--- The credentials, read when the provider was made: a client reads the files once.
-- @treturn userdata|nil nil when the profile has no keys
-- @treturn table|nil the error object, of kind `credentials`
function methods:get()
  if self.code then
    return nil, errors.new { kind = "credentials", code = self.code, message = self.message }
  end
  return self.credentials
end

--- Wipes the keys.
function methods:close()
  if self.credentials then
    self.credentials:close()
    self.credentials = nil
  end
end

--- Makes the provider. What is wrong with the profile is told by `get`: with keys from elsewhere it does no harm.
-- @tparam table selected
-- @tparam string selected.name of the profile
-- @tparam table selected.properties of it, as of `config.files`; they are not kept
-- @tparam string selected.looked_at the files, in words
-- @treturn table the provider; `account_id` is the account that the profile names, if it does
function profile.new(selected)
  local credentials, code, message = read(selected)
  local _, id = files.value(selected.properties, ID)
  return setmetatable({
    credentials = credentials,
    code = code,
    message = message,
    origin = id and "file " .. files.place(id) or nil,
    account_id = (files.value(selected.properties, ACCOUNT)),
    looks_at = format("%s and %s of profile %s in %s", ID, SECRET, text.quote(selected.name), selected.looked_at),
  }, metatable)
end

return profile
