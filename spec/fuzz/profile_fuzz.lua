-- What has to hold for any text that is read as one of AWS's shared files. `spec/fuzz/profile_fuzz.c` runs it.

local errors = require "cloudhsmv2.errors"
local profile_file = require "cloudhsmv2.config.profile_file"

local FILE = "/home/someone/.aws/config"

-- All that a message may say: none shows the text of the file, which may hold secrets.
local MESSAGES = {
  ["Profile definition must end with ']'"] = true,
  ["Expected a profile definition"] = true,
  ["Expected an '=' sign defining a property"] = true,
  ["Property did not have a name"] = true,
  ["Expected a property definition, found continuation"] = true,
  ["Expected an '=' sign defining a sub-property"] = true,
  ["Sub-property did not have a name"] = true,
  ["the section is ignored: in this file a profile is written [profile NAME]"] = true,
  ["the section is ignored: in this file a profile is written [NAME]"] = true,
  ["the section is ignored: it is of no known kind"] = true,
  ["the section is ignored: its name has characters that names cannot have"] = true,
  ["the property is ignored: its name has characters that names cannot have"] = true,
}

local function lines_of(text)
  local lines = {}
  for line in (text:gsub("^\239\187\191", "") .. "\n"):gmatch "([^\n]*)\n" do
    lines[#lines + 1] = line
  end
  return lines
end

local function check_message(message, count)
  local line, said = message:match "^/home/someone/%.aws/config:(%d+): (.*)$"
  assert(line, "a message without file and line")
  assert(MESSAGES[said], "a message that is not one of the known ones")
  assert(tonumber(line) >= 1 and tonumber(line) <= count, "a line that the file does not have")
end

-- A property says where it stands, and that line holds its name and the beginning of its value.
local function check_property(name, property, lines)
  local line = assert(lines[property.line], "a property on a line that the file does not have")
  assert(property.file == FILE)
  assert(line:lower():find(name, 1, true), "the line does not hold the name")
  assert(name == name:lower() and not name:find "^[ \t]" and not name:find "[ \t]$")
  local first = property.value:match "^[^\n]*"
  assert(line:find(first, 1, true), "the line does not hold the value")
  assert(not first:find "^[ \t]" and not first:find "[ \t]$", "blanks around a value")
  for sub, inner in pairs(property.sub or {}) do
    assert(property.value:find("\n", 1, true), "a sub-property without a block")
    check_property(sub, inner, lines)
  end
end

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b
  end
  for key, value in pairs(a) do
    if not same(value, b[key]) then
      return false
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return false
    end
  end
  return true
end

local function check(text, kind)
  local lines = lines_of(text)
  local found, err = profile_file.parse(text, kind, FILE)
  if not found then
    assert(errors.is(err) and err.kind == "config" and err.code == "InvalidProfileFile")
    check_message(err.message, #lines)
    return
  end
  for _, group in ipairs { "profiles", "sso_sessions", "services" } do
    for _, properties in pairs(found[group]) do
      for name, property in pairs(properties) do
        check_property(name, property, lines)
      end
    end
  end
  for _, warning in ipairs(found.warnings) do
    assert(warning.code == "ProfileFileIgnored")
    check_message(warning.message, #lines)
  end
  -- A mark at the start and empty lines at the end say nothing.
  assert(same(found, profile_file.parse("\239\187\191" .. text:gsub("^\239\187\191", "") .. "\n\n# end\n", kind, FILE)))
  -- Lines may end as on Windows.
  if not text:find("\r", 1, true) then
    assert(same(found, profile_file.parse((text:gsub("\n", "\r\n")), kind, FILE)))
  end
end

return function(text)
  check(text, "config")
  check(text, "credentials")
end
