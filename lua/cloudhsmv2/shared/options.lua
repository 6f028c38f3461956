--- Checks options of this room, all of which are numbers of seconds, names or functions.
-- @module cloudhsmv2.shared.options

local errors = require "cloudhsmv2.errors"
local text = require "cloudhsmv2.text"

local format = string.format

local LEAST = { lock = 0.1, max_age = 1 } -- in nginx's memory a life of 0 is one without an end

local options = {}

local function problem_of(given, known)
  for name, value in pairs(given) do
    local default = known[name]
    if default == nil then
      return format("unknown option %s; %s", text.quote(name), text.nearest(tostring(name), known))
    elseif type(value) ~= type(default) then
      return format("%s must be a %s, not a %s", name, type(default), type(value))
    elseif type(value) == "number" and not (value >= (LEAST[name] or 0) and value < math.huge) then
      return format("%s must be a number of seconds from %s, not %s", name, LEAST[name] or 0, tostring(value))
    elseif value == "" then
      return name .. " must not be empty"
    end
  end
end

--- Completes options.
-- @tparam string face the name for messages
-- @tparam table given
-- @tparam table known the defaults; a value given must be of the default's type
-- @treturn[1] table every option
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config`
function options.resolve(face, given, known)
  local problem = problem_of(given, known)
  if problem then
    return nil, errors.new { kind = "config", code = "InvalidOption", message = face .. ": " .. problem }
  end
  local resolved = {}
  for name, default in pairs(known) do
    resolved[name] = given[name] == nil and default or given[name]
  end
  return resolved
end

return options
