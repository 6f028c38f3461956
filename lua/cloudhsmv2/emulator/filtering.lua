--- The `Filters` of the two describe operations: entries all have to match, of the values of one entry any.
-- What is known of that, and how, stands beside the code; `make behaviours` gathers it in doc/emulator-behaviour.md.
-- @module cloudhsmv2.emulator.filtering

local fault = require "cloudhsmv2.emulator.fault"

local filtering = {}

local function set_of(values)
  local set = {}
  for _, value in ipairs(values) do
    set[value] = true
  end
  return set
end

--- One predicate for all filters of a request.
-- @tparam table settings
-- @tparam table known predicates `function(record, wanted)` by filter name; `wanted` is a set
-- @tparam ?table filters of the request
-- @treturn[1] function whether a record matches
-- @treturn[2] nil
-- @treturn[2] table a failure
function filtering.compile(settings, known, filters)
  local active = {}
  for name, values in pairs(filters or {}) do
    if known[name] then
      active[#active + 1] = { predicate = known[name], wanted = set_of(values) }
    elseif settings.unknown_filters == "refuse" then
      -- [assumed] a filter name that there is not is refused; `unknown_filters = "ignore"` reads over it
      return fault.invalid("The filter %s is not known.", name)
    end
  end
  return function(record)
    for _, filter in ipairs(active) do
      if not filter.predicate(record, filter.wanted) then
        return false
      end
    end
    return true
  end
end

return filtering
