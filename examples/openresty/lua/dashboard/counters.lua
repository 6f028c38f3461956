--- Counters of all workers, in the shared dictionary. They last until nginx stops.

local PREFIX = "dashboard:count:"
local SEPARATOR = "\n" -- no name of an operation, kind or code has it

local counters = {}

local function dictionary()
  return ngx.shared.cloudhsmv2
end

--- Adds one.
-- @tparam string name
-- @tparam string ... values of its labels
function counters.add(name, ...)
  dictionary():incr(PREFIX .. table.concat({ name, ... }, SEPARATOR), 1, 0)
end

--- The counters of a name.
-- @tparam string name
-- @treturn table a list of `{ labels = { ... }, value = n }`, in the order of their labels
function counters.all(name)
  local start = PREFIX .. name
  local keys = {}
  for _, key in ipairs(dictionary():get_keys(0)) do
    if key == start or key:sub(1, #start + 1) == start .. SEPARATOR then
      keys[#keys + 1] = key
    end
  end
  table.sort(keys)
  local found = {}
  for i, key in ipairs(keys) do
    local labels = {}
    for label in (key:sub(#start + 2) .. SEPARATOR):gmatch "([^\n]*)\n" do
      labels[#labels + 1] = label
    end
    found[i] = { labels = labels, value = dictionary():get(key) or 0 }
  end
  return found
end

return counters
