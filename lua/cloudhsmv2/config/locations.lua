--- Where the shared configuration and credentials files are.
-- Source: AWS SDKs and Tools Reference Guide, "Location of the shared config and credentials files".
-- @module cloudhsmv2.config.locations

local errors = require "cloudhsmv2.errors"
local text = require "cloudhsmv2.text"

local format = string.format

local ON_WINDOWS = package.config:sub(1, 1) == "\\"

local FILES = {
  config = { variable = "AWS_CONFIG_FILE", name = "config" },
  credentials = { variable = "AWS_SHARED_CREDENTIALS_FILE", name = "credentials" },
}

local locations = {}

-- A variable of the environment; a blank one is unset.
local function value_of(getenv, name)
  local value = getenv(name)
  return value ~= nil and text.trim(value) ~= "" and value or nil
end

local function home(getenv, windows)
  local found = value_of(getenv, "HOME")
  if not found and windows then
    local drive, path = value_of(getenv, "HOMEDRIVE"), value_of(getenv, "HOMEPATH")
    found = value_of(getenv, "USERPROFILE") or (drive and path and drive .. path)
  end
  return found and found:gsub(windows and "[/\\]+$" or "/+$", "")
end

-- `~` stands for the home only as the whole first component of a path; `~user` is a name like any other.
local function in_home(path, windows)
  return path:match "^~(/.*)$" or (windows and path:match "^~(\\.*)$") or (path == "~" and "") or nil
end

local function location(file, getenv, windows)
  local base = home(getenv, windows)
  local named = value_of(getenv, file.variable)
  if not named then
    local separator = windows and "\\" or "/"
    local path = base and table.concat({ base, ".aws", file.name }, separator)
    return { path = path, shown = "~/.aws/" .. file.name }
  end
  local path, rest = named, in_home(named, windows)
  if rest and not base then
    local message = format("%s=%s (environment): expected HOME to be set for the ~", file.variable, text.quote(named))
    return nil, errors.new { kind = "config", code = "InvalidConfiguration", message = message }
  elseif rest then
    path = base .. rest
  end
  local shown = named:gsub("[%z\1-\31\127]", "?")
  return { path = path, shown = shown, variable = file.variable }
end

--- A path of a setting, with the home for a `~` in front.
-- @tparam string path
-- @tparam function getenv stands for the environment
-- @treturn string the path; as it is where nobody knows the home
-- @usage locations.expand("~/token", os.getenv) --> "/home/user/token"
function locations.expand(path, getenv)
  local rest, base = in_home(path, ON_WINDOWS), home(getenv, ON_WINDOWS)
  return rest and base and base .. rest or path
end

--- Finds a path below the folder `.aws` of the home, where the AWS CLI keeps its caches.
-- @tparam function getenv stands for the environment
-- @tparam string ... the names below it
-- @treturn[1] string the path
-- @treturn[2] nil nobody knows the home
-- @usage locations.below_home(os.getenv, "sso", "cache") --> "/home/user/.aws/sso/cache"
function locations.below_home(getenv, ...)
  local base = home(getenv, ON_WINDOWS)
  return base and table.concat({ base, ".aws", ... }, ON_WINDOWS and "\\" or "/")
end

--- Finds the two files. Nothing is read.
-- @tparam function getenv stands for the environment
-- @tparam[opt] boolean windows whether paths are those of Windows; else as this machine's
-- @treturn[1] table `config` and `credentials`, each with `path` (nil when nobody knows the home), `shown` (for messages)
-- and `variable` (which named it; nil for the default place)
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config`
-- @usage locations.find(os.getenv).config.path --> "/home/user/.aws/config"
function locations.find(getenv, windows)
  if windows == nil then
    windows = ON_WINDOWS
  end
  local found = {}
  for kind, file in pairs(FILES) do
    local err
    found[kind], err = location(file, getenv, windows)
    if not found[kind] then
      return nil, err
    end
  end
  return found
end

return locations
