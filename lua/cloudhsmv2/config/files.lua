--- The shared configuration and credentials files, read and merged.
-- Source: AWS SDKs and Tools Reference Guide, "Using shared config and credentials files".
-- @module cloudhsmv2.config.files

local core = require "cloudhsmv2.core"
local errors = require "cloudhsmv2.errors"
local lazy = require "cloudhsmv2.lazy"
local locations = require "cloudhsmv2.config.locations"
local text = require "cloudhsmv2.text"

local profile_file = lazy "cloudhsmv2.config.profile_file"

local format = string.format

local MOST_BYTES = 2 ^ 20 -- of a file
local NO_FILE = "/dev/null" -- how scripts say that there is none

local files = {}

local function unreadable(location, reason)
  local message = format("%s: %s", location.shown, reason)
  if location.variable then
    message = format("%s (named by %s)", message, location.variable)
  end
  return nil, errors.new { kind = "config", code = "UnreadableFile", message = message }
end

local function read_regular_file(path)
  return core.read_file(path, MOST_BYTES)
end

-- The text of a file, `""` and true when there is none, or nil and an error.
local function content_of(location, read_file)
  if not location.path or location.path == NO_FILE then
    return "", location.path == nil
  elseif location.path:find "%z" then
    return unreadable(location, "a path cannot have a zero byte")
  end
  local content, reason = read_file(location.path)
  if content == nil and reason == nil then
    return "", true
  elseif type(content) ~= "string" then
    return unreadable(location, reason == "too large" and "larger than 1 MiB" or tostring(reason))
  elseif #content > MOST_BYTES then
    return unreadable(location, "larger than 1 MiB")
  elseif content:find "%z" then
    return unreadable(location, "not a text file: it has a zero byte")
  end
  return content, false
end

local function read(kind, location, read_file, warnings)
  local content, missing = content_of(location, read_file)
  if not content then
    return nil, missing
  end
  location.missing = missing
  if missing and location.variable then
    table.insert(warnings, {
      code = "MissingFile",
      message = format("%s=%s (environment): there is no such file", location.variable, text.quote(location.shown)),
    })
  end
  if content == "" then
    return { profiles = {}, sso_sessions = {}, services = {} }
  end
  local parsed, err = profile_file.parse(content, kind, location.shown)
  if not parsed then -- somebody may have been writing it: what it is now decides
    content = content_of(location, read_file)
    if content then
      parsed, err = profile_file.parse(content, kind, location.shown)
    end
  end
  for _, warning in ipairs(parsed and parsed.warnings or {}) do
    table.insert(warnings, warning)
  end
  return parsed, err
end

--- Reads both files once.
-- @tparam table context
-- @tparam function context.getenv stands for the environment
-- @tparam[opt] function context.read_file `read_file(path)` returns the file's bytes, nil when there is no such file, or
-- nil and the reason why it cannot be read; else regular files up to 1 MiB are read
-- @tparam[opt] boolean context.windows see `locations.find`
-- @treturn[1] table `profiles`: by name, the properties of both files, those of the credentials file first;
-- `sso_sessions` and `services` of the configuration file (properties are those of `config.profile_file`); `locations`,
-- as of `locations.find`, with `missing`; `warnings`, a list of `{ code, message }`
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config` that names the file, and the line where there is one
function files.load(context)
  local found, err = locations.find(context.getenv, context.windows)
  if not found then
    return nil, err
  end
  local read_file, warnings = context.read_file or read_regular_file, {}
  local config, credentials
  config, err = read("config", found.config, read_file, warnings)
  if not config then
    return nil, err
  end
  credentials, err = read("credentials", found.credentials, read_file, warnings)
  if not credentials then
    return nil, err
  end
  for name, properties in pairs(credentials.profiles) do
    local merged = config.profiles[name] or {}
    config.profiles[name] = merged
    for key, property in pairs(properties) do
      merged[key] = property
    end
  end
  return {
    profiles = config.profiles,
    sso_sessions = config.sso_sessions,
    services = config.services,
    locations = found,
    warnings = warnings,
  }
end

--- The value of a property; a blank one is unset.
-- @tparam table properties of a profile or another section
-- @tparam string name
-- @treturn string|nil the value
-- @treturn table|nil the property
function files.value(properties, name)
  local property = properties[name]
  if property and text.trim(property.value) ~= "" then
    return property.value, property
  end
end

--- Where a property stands, in words.
-- @tparam table property
-- @treturn string
-- @usage files.place(property) --> "~/.aws/config:12"
function files.place(property)
  return format("%s:%d", property.file, property.line)
end

--- The files that were looked at, in words.
-- @tparam table loaded as of `files.load`
-- @treturn string
function files.looked_at(loaded)
  local names = {}
  for i, kind in ipairs { "config", "credentials" } do
    local location = loaded.locations[kind]
    names[i] = location.shown
    if not location.path then
      names[i] = names[i] .. " (HOME is not set)"
    elseif location.missing then
      names[i] = names[i] .. " (not there)"
    end
  end
  return table.concat(names, " and ")
end

return files
