--- The grammar of the shared configuration and credentials files.
--
-- Source: the grammar that AWS's SDKs share, with one addition of the AWS CLI: a section's name may be in quotes, and
-- then may hold blanks.
--
-- A **property** is `{ value, file, line, sub }`: its text, where it stands, and, when it is a block of sub-properties,
-- these by name, each again with `value`, `file` and `line`.
--
-- @module cloudhsmv2.config.profile_file

local errors = require "cloudhsmv2.errors"
local text = require "cloudhsmv2.text"

local format = string.format

local BOM = "\239\187\191"
local NAME = "^[A-Za-z0-9_%-/.%%@:+]+$"

local profile_file = {}

local function trim(line)
  return (line:gsub("^[ \t]+", ""):gsub("[ \t]+$", ""))
end

local function fail(reader, problem)
  return nil,
    errors.new {
      kind = "config",
      code = "InvalidProfileFile",
      message = format("%s:%d: %s", reader.file, reader.line, problem),
    }
end

-- What is ignored may be a secret in the wrong place: a warning shows the line's number, and no text of it.
local function warn(reader, message)
  table.insert(reader.warnings, {
    code = "ProfileFileIgnored",
    message = format("%s:%d: %s", reader.file, reader.line, message),
  })
end

-- The text between the brackets, taken apart: prefix or nil, name or nil, whether the name was quoted. Nil when the
-- line does not end as a section does.
local function header(line)
  for _, quote in ipairs { '"', "'" } do
    local inside = "^%[[ \t]*([^ \t\"'%]#;]*)([ \t]*)" .. quote .. "([^" .. quote .. "]+)" .. quote .. "[ \t]*%](.*)$"
    local prefix, gap, name, rest = line:match(inside)
    if name and (prefix == "" or gap ~= "") and not trim(rest):find "^[^#;]" then
      return true, prefix ~= "" and prefix or nil, name, true
    end
  end
  local inner = trim(line:gsub("[#;].*$", "")):match "^%[(.*)%]$"
  if not inner then
    return false
  end
  inner = trim(inner)
  local prefix, name = inner:match "^([^ \t]+)[ \t]+(.+)$"
  if prefix then
    return true, prefix, name, false
  end
  return true, nil, inner, false
end

-- The kinds of sections: each tells where its properties go, or nil and why they are ignored.

local function config_section(prefix, name)
  if not prefix then
    if name == "default" then
      return "bare_default", name
    end
    return nil, "the section is ignored: in this file a profile is written [profile NAME]"
  elseif prefix == "profile" then
    return "profiles", name
  elseif prefix == "sso-session" then
    return "sso_sessions", name
  elseif prefix == "services" then
    return "services", name
  end
  return nil, "the section is ignored: it is of no known kind"
end

local function credentials_section(prefix, name)
  if prefix == "profile" then
    return nil, "the section is ignored: in this file a profile is written [NAME]"
  elseif prefix then
    return nil, "the section is ignored: its name has characters that names cannot have"
  end
  return "profiles", name
end

-- The line handlers return true, or nil and an error.

local function read_section(reader, line)
  local closed, prefix, name, quoted = header(line)
  if not closed then
    return fail(reader, "Profile definition must end with ']'")
  end
  reader.in_section, reader.property, reader.section = true, nil, nil
  local kind, told = reader.section_kind(prefix, name)
  if not kind then
    warn(reader, told)
  elseif not quoted and not name:find(NAME) then
    warn(reader, "the section is ignored: its name has characters that names cannot have")
  else
    local sections = reader.found[kind]
    sections[name] = sections[name] or {}
    reader.section = sections[name]
  end
  return true
end

-- A comment ends a property only behind a blank, so that `a#b` stays whole.
local function without_comment(line)
  return trim((line:gsub("[ \t][#;].*$", "", 1)))
end

local function read_property(reader, line)
  if not reader.in_section then
    return fail(reader, "Expected a profile definition")
  end
  local name, value = without_comment(line):match "^([^=]*)=(.*)$"
  if not name then
    return fail(reader, "Expected an '=' sign defining a property")
  end
  name, value = text.lower(trim(name)), trim(value)
  if name == "" then
    return fail(reader, "Property did not have a name")
  end
  reader.property = { value = value, file = reader.file, line = reader.line, sub = value == "" and {} or nil }
  if not name:find(NAME) then
    warn(reader, "the property is ignored: its name has characters that names cannot have")
  elseif reader.section then
    reader.section[name] = reader.property
  end
  return true
end

local function read_continuation(reader, line)
  local property = reader.property
  if not reader.in_section then
    return fail(reader, "Expected a profile definition")
  elseif not property then
    return fail(reader, "Expected a property definition, found continuation")
  end
  line = trim(line)
  if property.sub then
    local name, value = line:match "^([^=]*)=(.*)$"
    if not name then
      return fail(reader, "Expected an '=' sign defining a sub-property")
    elseif trim(name) == "" then
      return fail(reader, "Sub-property did not have a name")
    end
    property.sub[text.lower(trim(name))] = { value = trim(value), file = reader.file, line = reader.line }
  end
  property.value = property.value .. "\n" .. line
  return true
end

local function read_line(reader, line)
  local first = line:sub(1, 1)
  if not line:find "[^ \t]" or first == "#" or first == ";" then
    return true
  elseif first == "[" then
    return read_section(reader, line)
  elseif first == " " or first == "\t" then
    return read_continuation(reader, line)
  end
  return read_property(reader, line)
end

--- Reads the text of a file.
-- @tparam string content
-- @tparam string kind `"config"` or `"credentials"`: how sections are named
-- @tparam string file its name, for messages
-- @treturn[1] table `profiles`, `sso_sessions` and `services`: by name, each with its properties by name in lower case;
-- and `warnings`, a list of `{ code, message }` about what was ignored
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config` that names the file and the line, and never shows its text
-- @usage profile_file.parse("[default]\nregion = eu-west-1", "config", "~/.aws/config").profiles.default.region.line --> 2
function profile_file.parse(content, kind, file)
  local found = { bare_default = {}, profiles = {}, sso_sessions = {}, services = {} }
  local reader = {
    file = file,
    line = 0,
    found = found,
    warnings = {},
    section_kind = kind == "config" and config_section or credentials_section,
  }
  if content:sub(1, #BOM) == BOM then
    content = content:sub(#BOM + 1)
  end
  for line in (content .. "\n"):gmatch "([^\n]*)\n" do
    reader.line = reader.line + 1
    local ok, err = read_line(reader, (line:gsub("\r$", "")))
    if not ok then
      return nil, err
    end
  end
  -- `[profile default]` discards `[default]`, whichever comes first.
  found.profiles.default = found.profiles.default or found.bare_default.default
  return {
    profiles = found.profiles,
    sso_sessions = found.sso_sessions,
    services = found.services,
    warnings = reader.warnings,
  }
end

return profile_file
