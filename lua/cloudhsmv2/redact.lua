--- Takes secrets out of texts that become part of an error.
-- @module cloudhsmv2.redact

local REDACTED = "[redacted]"

local redact = {}

-- The position behind the value that begins at `position`: behind the text, where it is cut off or is no plain value.
local function value_end(json, position)
  local first = json:sub(position, position)
  if first == "{" or first == "[" then
    return #json + 1
  elseif first ~= '"' then
    return json:find("[,%]}]", position) or #json + 1
  end
  position = position + 1
  while true do
    local found = json:find('["\\]', position)
    if not found then
      return #json + 1
    elseif json:sub(found, found) == '"' then
      return found + 1
    end
    position = found + 2 -- a backslash, and what it escapes
  end
end

--- Replaces the values of some members, wherever in a JSON text they are. The text may be cut off or broken.
-- @tparam string json
-- @tparam table names of the members, as keys
-- @treturn string
-- @usage redact.members('{"PreCoPassword":"x"}', { PreCoPassword = true }) --> '{"PreCoPassword":"[redacted]"}'
function redact.members(json, names)
  for name in pairs(names) do
    if json:find('\\"' .. name, 1, true) then
      return REDACTED -- JSON inside a JSON string: no telling where the value ends
    end
    local member = '"' .. name:gsub("[^A-Za-z0-9]", "%%%0") .. '"[ \t\r\n]*:[ \t\r\n]*'
    local parts, position = {}, 1
    local _, before = json:find(member)
    while before do
      parts[#parts + 1] = json:sub(position, before) .. '"' .. REDACTED .. '"'
      position = value_end(json, before + 1)
      _, before = json:find(member, position)
    end
    parts[#parts + 1] = json:sub(position)
    json = table.concat(parts)
  end
  return json
end

local function without(text, secret)
  local parts, position = {}, 1
  local first, last = text:find(secret, 1, true)
  while first do
    parts[#parts + 1] = text:sub(position, first - 1) .. REDACTED
    position = last + 1
    first, last = text:find(secret, position, true)
  end
  parts[#parts + 1] = text:sub(position)
  return table.concat(parts)
end

--- Replaces every occurrence of some strings in a value.
-- @param value a string, or a table in whose strings, at any depth, they are replaced; anything else stays as it is
-- @tparam table secrets list of strings that are not empty
-- @return the value without them; a table is changed in place
function redact.strings(value, secrets)
  if type(value) == "string" then
    for _, secret in ipairs(secrets) do
      value = without(value, secret)
    end
  elseif type(value) == "table" then
    for name, field in pairs(value) do
      value[name] = redact.strings(field, secrets)
    end
  end
  return value
end

return redact
