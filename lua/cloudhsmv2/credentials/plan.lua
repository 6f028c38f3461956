--- How a profile leads to credentials: a source, and the roles that are assumed from there, one with the other's.
--
-- A plan is `{ base = ..., roles = { ... }, features = "n,o" }`. The base has a `kind`:
--
-- | kind | fields |
-- | --- | --- |
-- | `keys` | `access_key_id`, `secret_access_key`, `session_token`, `account_id` |
-- | `source` | `name`: `"Environment"`, `"Ec2InstanceMetadata"` or `"EcsContainer"` |
-- | `web_identity` | `role_arn`, `role_session_name`, `token_file` |
-- | `sso` | `session` (nil in the old form), `region`, `start_url`, `account_id`, `role_name` |
-- | `login` | `session` |
-- | `process` | `command`, `account_id` |
--
-- and each of them `profile` and `place`, where it stands. A role has `role_arn`, `role_session_name`, `external_id`,
-- `duration` (seconds), `mfa_serial`, `profile` and `place`.
--
-- Source: AWS SDKs and Tools Reference Guide, "Assume role credential provider" and the others of its kind.
-- @module cloudhsmv2.credentials.plan

local files = require "cloudhsmv2.config.files"
local set = require "cloudhsmv2.credentials.set"
local text = require "cloudhsmv2.text"

local format = string.format

local LEAST_DURATION, MOST_DURATION = 900, 43200 -- seconds
local SOURCES = { Environment = true, Ec2InstanceMetadata = true, EcsContainer = true }
local SSO_KEYS = { "sso_session", "sso_account_id", "sso_role_name", "sso_start_url", "sso_region" }

local plan = {}

local value = files.value

-- An error about a profile; `property` is where the mistake stands.
local function wrong(name, property, message, code)
  local where = property and format(" (%s)", files.place(property)) or ""
  return set.failure(code or "InvalidProfile", format("profile %s%s: %s", text.quote(name), where, message))
end

local function duration_of(name, properties)
  local given, property = value(properties, "duration_seconds")
  if not given then
    return nil
  end
  local seconds = tonumber(given:match "^[0-9]+$")
  if not seconds or seconds < LEAST_DURATION or seconds > MOST_DURATION then
    local message = "duration_seconds=%s: expected a whole number from %d to %d"
    return wrong(name, property, format(message, text.quote(given), LEAST_DURATION, MOST_DURATION))
  end
  return seconds
end

local function static_keys(name, properties)
  local id, id_property = value(properties, "aws_access_key_id")
  local secret, secret_property = value(properties, "aws_secret_access_key")
  if not id and not secret then
    return nil
  elseif not id or not secret then
    local absent = id and "aws_secret_access_key" or "aws_access_key_id"
    local present = id and "aws_access_key_id" or "aws_secret_access_key"
    local message = format("profile missing %s beside %s", absent, present)
    return wrong(name, id_property or secret_property, message, "InvalidCredentials")
  end
  return {
    kind = "keys",
    access_key_id = id,
    secret_access_key = secret,
    session_token = (value(properties, "aws_session_token")),
    account_id = (value(properties, "aws_account_id")),
    place = files.place(id_property),
    features = "n",
  }
end

local function named_source(name, properties)
  local source, property = value(properties, "credential_source")
  if not source then
    return nil
  elseif not SOURCES[source] then
    local message = "credential_source=%s: expected Environment, Ec2InstanceMetadata or EcsContainer"
    return wrong(name, property, format(message, text.quote(source)))
  end
  return { kind = "source", name = source, place = files.place(property), features = "p" }
end

local function web_identity(name, properties)
  local token_file, property = value(properties, "web_identity_token_file")
  if not token_file then
    return nil
  end
  local role_arn = value(properties, "role_arn")
  if not role_arn then
    return wrong(name, property, "`web_identity_token_file` was specified but `role_arn` was missing")
  end
  return {
    kind = "web_identity",
    role_arn = role_arn,
    role_session_name = (value(properties, "role_session_name")),
    token_file = token_file,
    place = files.place(property),
    features = "q",
  }
end

-- Region and start URL: of the section that the profile names, and of the profile itself if it says the same.
local function sso_session(name, properties, sessions)
  local session, property = value(properties, "sso_session")
  local found = sessions[session]
  if not found then
    local message = "sso_session=%s: there is no section [sso-session %s]"
    return wrong(name, property, format(message, text.quote(session), session:gsub("[^!-~]", "?")))
  end
  local resolved = {}
  for _, key in ipairs { "sso_region", "sso_start_url" } do
    local own, own_property = value(properties, key)
    local theirs = value(found, key)
    if not theirs then
      return wrong(name, property, format("`%s` was missing in the section [sso-session %s]", key, session))
    elseif own and own ~= theirs then
      local message = "%s differs from that of the section [sso-session %s]"
      return wrong(name, own_property, format(message, key, session))
    end
    resolved[key] = theirs
  end
  return resolved.sso_region, resolved.sso_start_url, session
end

local function sso(name, properties, sessions)
  local first
  for _, key in ipairs(SSO_KEYS) do
    first = first or select(2, value(properties, key))
  end
  if not first then
    return nil
  end
  local account, role = value(properties, "sso_account_id"), value(properties, "sso_role_name")
  if (account == nil) ~= (role == nil) then
    local present, absent = "sso_account_id", "sso_role_name"
    if role then
      present, absent = absent, present
    end
    return wrong(name, first, format("if `%s` is set, then `%s` must also be set", present, absent))
  end
  local region, start_url, session
  if value(properties, "sso_session") then
    region, start_url, session = sso_session(name, properties, sessions)
    if not region then
      return nil, start_url
    end
  else
    region, start_url = value(properties, "sso_region"), value(properties, "sso_start_url")
    for key, given in pairs { sso_region = region or false, sso_start_url = start_url or false } do
      if not given then
        return wrong(name, first, format("`%s` was missing", key))
      end
    end
    if not account then
      return wrong(name, first, "`sso_account_id` and `sso_role_name` were missing")
    end
  end
  return {
    kind = "sso",
    session = session,
    region = region,
    start_url = start_url,
    account_id = account,
    role_name = role,
    place = files.place(first),
    features = session and "r,s" or "t,u",
  }
end

local function login(_, properties)
  local session, property = value(properties, "login_session")
  return session and { kind = "login", session = session, place = files.place(property), features = "AC" } or nil
end

local function process(_, properties)
  local command, property = value(properties, "credential_process")
  return command
      and {
        kind = "process",
        command = command,
        account_id = (value(properties, "aws_account_id")),
        place = files.place(property),
        features = "v",
      }
    or nil
end

local BASES = { named_source, web_identity, sso, login, process, static_keys } -- the first that is configured decides

local function base_of(name, properties, sessions)
  for _, kind in ipairs(BASES) do
    local base, err = kind(name, properties, sessions)
    if base or err then
      if base then
        base.profile = name
      end
      return base, err
    end
  end
  return nil
end

-- The role of a profile, and the name of the profile that it is assumed from: its own where that has the source, too.
-- Nil: it has none, or it is assumed with a web identity, which needs no credentials.
local function role_of(name, properties)
  local role_arn, property = value(properties, "role_arn")
  if not role_arn or value(properties, "web_identity_token_file") then
    return nil
  end
  local from, from_property = value(properties, "source_profile")
  local source = value(properties, "credential_source")
  if from and source then
    return wrong(name, from_property, "profile contained both source_profile and credential_source: keep one")
  elseif not from and not source then
    local message = "profile must contain `source_profile` or `credential_source` beside role_arn"
    return wrong(name, property, message)
  end
  local duration, err = duration_of(name, properties)
  if err then
    return nil, err
  end
  local role = {
    role_arn = role_arn,
    role_session_name = (value(properties, "role_session_name")),
    external_id = (value(properties, "external_id")),
    duration = duration,
    mfa_serial = (value(properties, "mfa_serial")),
    profile = name,
    place = files.place(property),
  }
  return role, from or name, from_property
end

--- Makes the plan of a profile.
-- @tparam table loaded `profiles` and `sso_sessions`, as of `config.files`
-- @tparam string selected name of the profile
-- @treturn[1] table the plan
-- @treturn[2] nil the profile says nothing of credentials
-- @treturn[3] nil
-- @treturn[3] table an error object of kind `credentials` that names profile, file and line
-- @usage plan.of(files.load { getenv = os.getenv }, "default")
function plan.of(loaded, selected)
  local roles, visited = {}, {}
  local name, referrer, reference = selected, nil, nil
  local base, err
  while not base do
    local properties = loaded.profiles[name]
    if not properties and not referrer then
      return nil
    elseif not properties then
      return wrong(referrer, reference, format("could not find source profile %s referenced from %s", name, referrer))
    elseif visited[name] then
      return wrong(
        referrer,
        reference,
        format("profile formed an infinite loop: source_profile leads back to %s", name)
      )
    end
    visited[name] = true
    base = referrer and static_keys(name, properties) -- behind the first, keys decide before a role
    if base then
      base.profile = name
      break
    end
    local role, from, from_property = role_of(name, properties)
    if role then
      table.insert(roles, 1, role)
      if from ~= name then
        name, referrer, reference = from, name, from_property
      end
    elseif from then
      return nil, from
    end
    if not role or from == role.profile then
      base, err = base_of(name, properties, loaded.sso_sessions)
      if err then
        return nil, err
      elseif not base and not referrer and #roles == 0 then
        return nil
      elseif not base then
        return wrong(
          referrer or name,
          reference or from_property,
          format("profile `%s` did not contain credential information", name)
        )
      end
    end
  end
  local features = base.features
  if #roles > 0 and base.kind ~= "source" then
    features = features .. ",o"
  end
  return { base = base, roles = roles, features = features }
end

return plan
