--- The regular expressions of AWS's models, matched against a whole string.
-- Groups, alternatives, classes, `?` `*` `+` `{n,m}`, `.`, `\d`, `\s` and `\p{..}`. Matching is by bytes: a byte above
-- 127 counts as a letter, so every character outside ASCII passes where a model asks for `\p{L}`.
-- @module cloudhsmv2.emulator.pattern

local byte = string.byte

local pattern = {}

local function set_of(predicate)
  local set = {}
  for code = 0, 255 do
    set[code] = predicate(code) or nil
  end
  return set
end

local function lua_class(class)
  return set_of(function(code)
    return code < 128 and string.char(code):find(class) ~= nil
  end)
end

local ANY = set_of(function(code)
  return code ~= 10
end)
local ESCAPES = {
  d = lua_class "[0-9]",
  s = lua_class "[ \t\r\n\f\v]",
  w = lua_class "[0-9A-Za-z_]",
}
local PROPERTIES = {
  L = set_of(function(code)
    return code > 127 or string.char(code):find "[A-Za-z]" ~= nil
  end),
  N = ESCAPES.d,
  Z = lua_class " ",
}

local function malformed(reader, what)
  error(("pattern %s: %s at %d"):format(reader.text, what, reader.at), 0)
end

local function peek(reader)
  return reader.text:sub(reader.at, reader.at)
end

local function accept(reader, literal)
  if reader.text:sub(reader.at, reader.at + #literal - 1) == literal then
    reader.at = reader.at + #literal
    return true
  end
  return false
end

-- After a backslash: a set of bytes.
local function escape(reader)
  local letter = peek(reader)
  reader.at = reader.at + 1
  if letter == "p" then
    local name = reader.text:match("^{(%a)}", reader.at)
    local set = name and PROPERTIES[name]
    if not set then
      malformed(reader, "unknown property")
    end
    reader.at = reader.at + 3
    return set
  end
  if ESCAPES[letter] then
    return ESCAPES[letter]
  end
  if letter == "" or letter:find "%w" then
    malformed(reader, "unknown escape")
  end
  return { [byte(letter)] = true }
end

-- After an opening bracket: a set of bytes.
local function class(reader)
  local set = {}
  local negated = accept(reader, "^")
  while not accept(reader, "]") do
    local letter = peek(reader)
    if letter == "" then
      malformed(reader, "class without an end")
    end
    reader.at = reader.at + 1
    if letter == "\\" then
      for code in pairs(escape(reader)) do
        set[code] = true
      end
    else
      local last = reader.text:match("^%-([^%]\\])", reader.at)
      if last then
        reader.at = reader.at + 2
      end
      for code = byte(letter), byte(last or letter) do
        set[code] = true
      end
    end
  end
  if not negated then
    return set
  end
  return set_of(function(code)
    return not set[code]
  end)
end

local function quantifier(reader)
  if accept(reader, "?") then
    return 0, 1
  elseif accept(reader, "*") then
    return 0, math.huge
  elseif accept(reader, "+") then
    return 1, math.huge
  end
  local least, comma, most, after = reader.text:match("^{(%d+)(,?)(%d*)}()", reader.at)
  if not least then
    return 1, 1
  end
  reader.at = after
  least = tonumber(least)
  return least, comma == "" and least or tonumber(most) or math.huge
end

-- A matcher is `function(text, at, continue)`: whether the text matches from `at`, and `continue(next)` agrees.

local function repeat_set(set, least, most)
  return function(text, at, continue)
    local count = 0
    while count < most and set[byte(text, at + count)] do
      count = count + 1
    end
    while count >= least do
      if continue(at + count) then
        return true
      end
      count = count - 1
    end
    return false
  end
end

local function repeat_group(group, least, most)
  local function more(text, at, continue, count)
    local function again(next_at)
      return next_at > at and more(text, next_at, continue, count + 1) -- an empty round would never end
    end
    if count < most and group(text, at, again) then
      return true
    end
    return count >= least and continue(at)
  end
  return function(text, at, continue)
    return more(text, at, continue, 0)
  end
end

local function both(first, second)
  return function(text, at, continue)
    return first(text, at, function(next_at)
      return second(text, next_at, continue)
    end)
  end
end

local function either(first, second)
  return function(text, at, continue)
    return first(text, at, continue) or second(text, at, continue)
  end
end

local function nothing(_, at, continue)
  return continue(at)
end

local alternatives

local function atom(reader)
  if accept(reader, "(") then
    accept(reader, "?:")
    local group = alternatives(reader)
    if not accept(reader, ")") then
      malformed(reader, "group without an end")
    end
    local least, most = quantifier(reader)
    if least == 1 and most == 1 then
      return group
    end
    return repeat_group(group, least, most)
  end
  if accept(reader, "^") or accept(reader, "$") then
    return nothing -- the whole string is matched in any case
  end
  local set
  if accept(reader, "[") then
    set = class(reader)
  elseif accept(reader, "\\") then
    set = escape(reader)
  elseif accept(reader, ".") then
    set = ANY
  else
    set = { [byte(peek(reader))] = true }
    reader.at = reader.at + 1
  end
  return repeat_set(set, quantifier(reader))
end

local function sequence(reader)
  local atoms = {}
  while not peek(reader):find "^[|)]?$" do
    atoms[#atoms + 1] = atom(reader)
  end
  local whole = atoms[#atoms] or nothing
  for i = #atoms - 1, 1, -1 do
    whole = both(atoms[i], whole)
  end
  return whole
end

function alternatives(reader)
  local choice = sequence(reader)
  while accept(reader, "|") do
    choice = either(choice, sequence(reader))
  end
  return choice
end

--- Compiles a regular expression; a malformed one raises.
-- @tparam string text
-- @treturn function tells whether a whole string matches
-- @usage local is_cluster_id = pattern.compile "cluster-[2-7a-zA-Z]{11,16}"
function pattern.compile(text)
  local reader = { text = text, at = 1 }
  local matcher = alternatives(reader)
  if reader.at <= #text then
    malformed(reader, "unexpected character")
  end
  return function(subject)
    local past = #subject + 1
    return matcher(subject, 1, function(at)
      return at == past
    end)
  end
end

return pattern
