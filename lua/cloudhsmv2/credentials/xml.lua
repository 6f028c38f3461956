--- Reads the little XML that AWS STS answers with: elements, text, entities and CDATA. No attributes, no namespaces, and no
-- document type, which could define entities that grow.
-- Source: W3C, "Extensible Markup Language (XML) 1.0".
-- @module cloudhsmv2.credentials.xml

local byte, char, floor = string.byte, string.char, math.floor

local MOST_DEPTH = 32
local ENTITIES = { lt = "<", gt = ">", amp = "&", quot = '"', apos = "'" }
local NAME = "^[A-Za-z_][A-Za-z0-9._:-]*"

local xml = {}

local function utf8_of(code)
  if code < 0x80 then
    return char(code)
  elseif code < 0x800 then
    return char(0xC0 + floor(code / 0x40), 0x80 + code % 0x40)
  elseif code < 0x10000 then
    return char(0xE0 + floor(code / 0x1000), 0x80 + floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
  end
  return char(
    0xF0 + floor(code / 0x40000),
    0x80 + floor(code / 0x1000) % 0x40,
    0x80 + floor(code / 0x40) % 0x40,
    0x80 + code % 0x40
  )
end

-- The characters that XML allows: no other control characters, no halves of surrogate pairs.
local function is_character(code)
  return code == 9
    or code == 10
    or code == 13
    or (code >= 0x20 and code <= 0xD7FF)
    or (code >= 0xE000 and code <= 0xFFFD)
    or (code >= 0x10000 and code <= 0x10FFFF)
end

local function entity(name)
  local digits, base = name:match "^#x([0-9A-Fa-f]+)$", 16
  if not digits then
    digits, base = name:match "^#([0-9]+)$", 10
  end
  if not digits then
    return ENTITIES[name]
  end
  local code = #digits <= 8 and tonumber(digits, base)
  return code and is_character(code) and utf8_of(code) or nil
end

-- Text with its entities replaced, or nil where one is unknown.
local function resolved(text)
  local fine = true
  local found = text:gsub("&([^;&]*)(;?)", function(name, close)
    local value = close == ";" and entity(name) or nil
    fine = fine and value ~= nil
    return value
  end)
  return fine and found or nil
end

-- Where what begins at `position` ends, if it is a comment or an instruction.
local function skipped(text, position)
  local close, behind = "-->", position + 4
  if not text:find("^<!%-%-", position) then
    close, behind = "?>", position + 2
    if not text:find("^<%?", position) then
      return nil
    end
  end
  local _, last = text:find(close, behind, true)
  return last and last + 1 or false
end

-- Reads an opening tag: its name, whether it is empty, and the position behind it.
local function tag(text, position)
  local name = text:match(NAME, position + 1)
  if not name then
    return nil
  end
  position = position + 1 + #name
  while true do
    position = text:find("[^ \t\r\n]", position) or #text + 1
    if text:find("^/?>", position) then
      local empty = byte(text, position) == byte "/"
      return name, empty, position + (empty and 2 or 1)
    end
    local _, equals = text:find("^[A-Za-z_][A-Za-z0-9._:-]*[ \t\r\n]*=[ \t\r\n]*", position)
    local quote = equals and text:match("^[\"']", equals + 1)
    local close = quote and text:find(quote, equals + 2, true)
    if not close then
      return nil
    end
    position = close + 1
  end
end

local read_content

-- Reads the element at `position`. Returns it and the position behind it, or nil.
local function read_element(text, position, depth)
  local name, empty, after = tag(text, position)
  if not name or depth > MOST_DEPTH then
    return nil
  end
  local element = { name = name:match "[^:]*$", text = "", children = {} }
  if empty then
    return element, after
  end
  local stop = read_content(text, after, element, depth)
  if not stop or text:sub(stop, stop + 1 + #name) ~= "</" .. name then
    return nil
  end
  local _, last = text:find("^[ \t\r\n]*>", stop + 2 + #name)
  return last and element, last and last + 1
end

-- Reads text and elements into `element`, up to its closing tag, whose position is returned.
function read_content(text, position, element, depth)
  local parts = {}
  while true do
    local open = text:find("<", position, true)
    local plain = open and resolved(text:sub(position, open - 1))
    if not plain then
      return nil
    end
    parts[#parts + 1] = plain
    if text:find("^</", open) then
      element.text = table.concat(parts)
      return open
    elseif text:find("^<!%[CDATA%[", open) then
      local close, last = text:find("]]>", open, true)
      if not close then
        return nil
      end
      parts[#parts + 1] = text:sub(open + 9, close - 1)
      position = last + 1
    else
      position = skipped(text, open)
      if position == nil then
        local child
        child, position = read_element(text, open, depth + 1)
        element.children[#element.children + 1] = child
      end
      if not position then
        return nil
      end
    end
  end
end

--- Reads a document.
-- @tparam string text in UTF-8
-- @treturn table|nil the root: `name` (without its prefix), `text`, `children` (a list of such); nil: it is no document of
-- the kind that is read here
-- @usage xml.read("<a><b>1 &lt; 2</b></a>").children[1].text --> "1 < 2"
function xml.read(text)
  local position = text:find "^\239\187\191" and 4 or 1
  while true do
    position = text:find("[^ \t\r\n]", position)
    local behind = position and skipped(text, position)
    if behind == nil then
      break
    end
    position = behind
    if not position then
      return nil
    end
  end
  local root, after
  if position then
    root, after = read_element(text, position, 1)
  end
  while root do
    after = text:find("[^ \t\r\n]", after)
    if not after then
      return root
    end
    after = skipped(text, after)
    if not after then
      return nil
    end
  end
end

return xml
