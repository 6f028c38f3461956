--- Text in any locale alike: `string.lower` and the letter classes of Lua patterns follow the locale, these do not.
-- @module cloudhsmv2.text

local byte, char, format = string.byte, string.char, string.format
local min = math.min

local CASE_DISTANCE = 32 -- between "A" and "a"
local MOST_QUOTED = 80 -- bytes of a value that a message shows

local LOWER, UPPER = {}, {} -- by letter
for code = byte "A", byte "Z" do
  local upper, lower = char(code), char(code + CASE_DISTANCE)
  LOWER[upper], UPPER[lower] = lower, upper
end

local text = {}

--- ASCII letters in lower case, all else as it is.
-- @tparam string value
-- @treturn string
function text.lower(value)
  return (value:gsub("[A-Z]", LOWER))
end

--- ASCII letters in upper case, all else as it is.
-- @tparam string value
-- @treturn string
function text.upper(value)
  return (value:gsub("[a-z]", UPPER))
end

--- Without blanks and line ends at both ends.
-- @tparam string value
-- @treturn string
function text.trim(value)
  return (value:gsub("^[ \t\r\n\v\f]+", ""):gsub("[ \t\r\n\v\f]+$", ""))
end

--- Percent-encodes all but the unreserved characters of RFC 3986.
-- @tparam string value
-- @treturn string
-- @usage text.url_encoded "a b/c" --> "a%20b%2Fc"
function text.url_encoded(value)
  return (value:gsub("[^A-Za-z0-9._~-]", function(character)
    return format("%%%02X", byte(character))
  end))
end

--- The name of a method for an operation, as boto3 has it.
-- @tparam string name
-- @treturn string
-- @usage text.snake_case "DescribeBackups" --> "describe_backups"
function text.snake_case(name)
  name = name:gsub("([a-z0-9])([A-Z])", "%1_%2"):gsub("([A-Z])([A-Z][a-z])", "%1_%2")
  return text.lower(name)
end

--- A value for a message: in quotes, on one line, not endless.
-- @param value anything; not a secret
-- @treturn string
function text.quote(value)
  if type(value) ~= "string" then
    return tostring(value)
  end
  local shown = value:sub(1, MOST_QUOTED):gsub("[%z\1-\31\127]", "?")
  return format('"%s"%s', shown, #value > MOST_QUOTED and "..." or "")
end

-- Levenshtein's distance: how many letters to add, drop or change.
local function distance(a, b)
  local row = {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local cost = byte(a, i) == byte(b, j) and 0 or 1
      diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + cost)
    end
  end
  return row[#b]
end

--- What a misspelt name may have meant, in words for a message.
-- @tparam string name
-- @tparam table known the valid names as keys
-- @treturn string `did you mean region?`, or `known: ...` when none is near
function text.nearest(name, known)
  local names = {}
  for candidate in pairs(known) do
    names[#names + 1] = candidate
  end
  table.sort(names)
  local nearest
  local best = math.max(2, math.floor(#name / 3)) + 1
  for _, candidate in ipairs(names) do
    local steps = #name < 64 and distance(text.lower(name), text.lower(candidate)) or best
    if steps < best then
      nearest, best = candidate, steps
    end
  end
  if nearest then
    return format("did you mean %s?", nearest)
  end
  return "known: " .. table.concat(names, ", ")
end

return text
