--- A JSON reader for test data: strict, slow, and independent of the codec under test.
-- Unlike generic readers it tells `[]` from `{}`, keeps `null`, reads an integer of 64 bits exactly where the Lua can
-- hold one, and remembers the text that each table was read from.
-- @module spec.tools.json

local json = {}

--- What `null` is read as.
json.null = setmetatable({}, {
  __tostring = function()
    return "null"
  end,
})

local lists = setmetatable({}, { __mode = "k" }) -- table -> true where it was read from [ ]
local texts = setmetatable({}, { __mode = "k" }) -- table -> the text it was read from

local ESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }
local WORDS = { ["true"] = true, ["false"] = false, null = json.null }

local function fail(at, what)
  error(string.format("not JSON at byte %d: %s", at, what), 0)
end

local function utf8_bytes(code)
  if code < 0x80 then
    return string.char(code)
  end
  local tail, first = {}, 0x80
  local most = 0x40 -- what the first byte can still hold
  repeat
    table.insert(tail, 1, string.char(0x80 + code % 0x40))
    code = math.floor(code / 0x40)
    first, most = first + most, most / 2
  until code < most
  return string.char(first + code) .. table.concat(tail)
end

local function read_string(text, at)
  local parts = {}
  local from = at + 1
  while true do
    local stop = text:find('["\\%c]', from)
    local character = stop and text:sub(stop, stop)
    if character ~= '"' and character ~= "\\" then
      fail(at, "an unfinished string")
    end
    parts[#parts + 1] = text:sub(from, stop - 1)
    if character == '"' then
      return table.concat(parts), stop + 1
    end
    local escape = text:sub(stop + 1, stop + 1)
    if escape == "u" then
      local code = tonumber(text:match("^%x%x%x%x", stop + 2) or fail(stop, "a bad escape"), 16)
      from = stop + 6
      local low = code >= 0xD800 and code < 0xDC00 and text:match("^\\u([dD][c-fC-F]%x%x)", from)
      if low then
        code = 0x10000 + (code - 0xD800) * 0x400 + tonumber(low, 16) - 0xDC00
        from = from + 6
      end
      parts[#parts + 1] = utf8_bytes(code)
    else
      parts[#parts + 1] = ESCAPES[escape] or fail(stop, "a bad escape")
      from = stop + 2
    end
  end
end

local function skip(text, at)
  return text:find("[^ \t\r\n]", at) or #text + 1
end

local read_value

-- The members or elements from `at`, just after the bracket; `keyed` for an object.
local function read_items(text, at, closing, keyed)
  local items, count, start = {}, 0, at - 1
  at = skip(text, at)
  if text:sub(at, at) ~= closing then
    at = at - 1
    repeat
      local key
      at = skip(text, at + 1)
      count = count + 1
      if keyed then
        key, at = read_string(text, text:find('^"', at) or fail(at, "a member's name is expected"))
        at = text:match("^[ \t\r\n]*:()", at) or fail(at, "a colon is expected")
      end
      items[key or count], at = read_value(text, at)
      at = skip(text, at)
    until text:sub(at, at) ~= ","
    if text:sub(at, at) ~= closing then
      fail(at, closing .. " is expected")
    end
  end
  texts[items] = text:sub(start, at)
  lists[items] = not keyed or nil
  return items, at + 1
end

function read_value(text, at)
  at = skip(text, at)
  local character = text:sub(at, at)
  if character == "{" then
    return read_items(text, at + 1, "}", true)
  elseif character == "[" then
    return read_items(text, at + 1, "]", false)
  elseif character == '"' then
    return read_string(text, at)
  end
  local word, after = text:match("^(%l+)()", at)
  if word and WORDS[word] ~= nil then
    return WORDS[word], after
  end
  local number, stop = text:match("^(%-?%d+%.?%d*[eE]?[+-]?%d*)()", at)
  return tonumber(number) or fail(at, "a value is expected"), stop
end

--- Reads one JSON text.
-- @tparam string text
-- @return the value; objects and lists are tables without a metatable. Raises a string when it is not JSON.
function json.decode(text)
  local value, at = read_value(text, 1)
  if skip(text, at) <= #text then
    fail(at, "something follows the value")
  end
  return value
end

--- The JSON text that a table was read from.
-- @tparam table value
-- @treturn string
function json.text(value)
  return texts[value]
end

--- Whether a table was read from a list.
-- @tparam table value
-- @treturn boolean
function json.is_list(value)
  return lists[value] == true
end

--- Whether two values that `decode` returned stand for the same JSON value: the order of members does not count,
-- the difference between `[]` and `{}` does.
-- @treturn boolean
function json.same(a, b)
  if a == b then
    return true
  end
  if type(a) ~= "table" or type(b) ~= "table" or lists[a] ~= lists[b] then
    return false
  end
  for key, value in pairs(a) do
    if not json.same(value, b[key]) then
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

return json
