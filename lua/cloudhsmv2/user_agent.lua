--- The User-Agent, in the grammar of AWS's SDKs (`ua/2.1`), under this library's own name.
-- @module cloudhsmv2.user_agent

local core = require "cloudhsmv2.core"
local text = require "cloudhsmv2.text"
local version = require "cloudhsmv2.version"

local jit = rawget(_G, "jit")

local RETRY_MODES = { standard = "E", adaptive = "F" } -- AWS's letters for features
local ENDPOINT_OVERRIDE = "N"
local MOST_FEATURES = 1024 -- bytes, AWS's limit
local SYSTEMS = { Linux = "linux", Darwin = "macos" } -- AWS's words for what uname says

local user_agent = {}

-- What a component may hold; anything else becomes a hyphen.
local function clean(value)
  return (value:gsub("[^A-Za-z0-9!$%%&'*+.^_`|~-]", "-"))
end

-- The system and the machine.
local function system()
  local found = core.system()
  local release = found.release and "#" .. clean(found.release) or ""
  local name
  if SYSTEMS[found.name] then
    name = "os/" .. SYSTEMS[found.name] .. release
  else
    name = "os/other" .. (found.name and " md/" .. clean(found.name) .. release or "")
  end
  return name .. (found.machine and " md/arch#" .. clean(found.machine) or "")
end

local function language()
  local name = "lang/lua#" .. clean(_VERSION:match "[0-9.]+$" or "unknown")
  if jit then
    name = name .. " md/LuaJIT#" .. clean(jit.version:match "^LuaJIT (.*)$" or jit.version)
  end
  return name
end

--- Makes the function that writes the User-Agent of a client's requests.
-- @tparam table settings `endpoint`, `app_id`, `retry`
-- @tparam table metadata of the model: `serviceId`
-- @tparam function getenv stands for the environment
-- @treturn function `function(credentials, use)`: the User-Agent, with the letters of where the credentials are from, and of
-- what the call is part of
function user_agent.writer(settings, metadata, getenv)
  local service = text.lower((metadata.serviceId or "unknown"):gsub("[^A-Za-z0-9]", "_"))
  local head = {
    "cloudhsmv2-lua/" .. clean(version),
    "ua/2.1",
    "api/" .. service .. "#" .. clean(version),
    system(),
    language(),
  }
  local environment = getenv "AWS_EXECUTION_ENV"
  if environment and text.trim(environment) ~= "" then
    head[#head + 1] = "exec-env/" .. clean(environment)
  end
  local features = RETRY_MODES[settings.retry.mode] .. (settings.endpoint and "," .. ENDPOINT_OVERRIDE or "")
  local tail = " cfg/retry-mode#" .. settings.retry.mode
  if settings.app_id then
    tail = tail .. " app/" .. clean(settings.app_id)
  end
  local start = table.concat(head, " ") .. " m/" .. features
  local last, last_credentials, last_use
  return function(credentials, use)
    if last and credentials == last_credentials and use == last_use then -- nearly always
      return last
    end
    local more = (use and "," .. use or "") .. (credentials and "," .. credentials or "")
    if #features + #more > MOST_FEATURES then -- the tail goes, whole letters of it
      more = more:sub(1, MOST_FEATURES - #features):match "^(.*),"
    end
    last, last_credentials, last_use = start .. more .. tail, credentials, use
    return last
  end
end

return user_agent
