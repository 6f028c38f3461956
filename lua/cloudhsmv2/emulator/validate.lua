--- Checks a request against the constraints of the model, as the service does.
--
-- The client checks what is missing, misspelt or of the wrong type; `max`, `pattern` and `enum` are the service's
-- business and are checked here, together with `required` and `min`.
--
-- What is known of each rule, and how, stands beside the code; `make behaviours` gathers it in doc/emulator-behaviour.md.
-- @module cloudhsmv2.emulator.validate

local pattern = require "cloudhsmv2.emulator.pattern"

local validate = {}

-- [documented, API model] the pattern of a VPC id covers one digit only; it is not held against whole ids
local WITHOUT_PATTERN = { VpcId = true }

local function characters(text)
  return select(2, text:gsub("[^\128-\191]", "")) -- bytes that do not continue a UTF-8 character
end

local function path_of(parent, name)
  return parent == "" and name or parent .. "." .. name
end

local function set_of(list)
  local set = {}
  for _, value in ipairs(list) do
    set[value] = true
  end
  return set
end

local function check_size(report, path, shape, size, noun)
  if shape.min and size < shape.min then
    -- [documented, API model] no text, list, map or number is smaller than its `min`
    -- [ours] a filter without values is refused, though the model allows it: it might mean all or nothing
    report(path, ("%s must be at least %d"):format(noun, shape.min))
  elseif shape.max and size > shape.max then
    -- [documented, API model] no text, list, map or number is larger than its `max`; texts are measured in characters
    report(path, ("%s must be at most %d"):format(noun, shape.max))
  end
end

local checkers = {}

local function check(self, name, value, path, report)
  local checker = checkers[self.shapes[name].type]
  if checker then
    checker(self, name, value, path, report)
  end
end

function checkers.structure(self, name, value, path, report)
  local shape = self.shapes[name]
  for _, member in ipairs(shape.required or {}) do
    if value[member] == nil then
      -- [documented, API model] required members must be there
      report(path_of(path, member), "must not be null")
    end
  end
  -- [documented, protocol] members that the model does not know are ignored
  for member, reference in pairs(shape.members) do
    if value[member] ~= nil then
      check(self, reference.shape, value[member], path_of(path, member), report)
    end
  end
end

function checkers.list(self, name, value, path, report)
  local shape = self.shapes[name]
  check_size(report, path, shape, #value, "number of items")
  for i, item in ipairs(value) do
    check(self, shape.member.shape, item, ("%s[%d]"):format(path, i - 1), report)
  end
end

function checkers.map(self, name, value, path, report)
  local shape = self.shapes[name]
  local count = 0
  for key, item in pairs(value) do
    count = count + 1
    check(self, shape.key.shape, key, path .. " (name of an entry)", report)
    check(self, shape.value.shape, item, path_of(path, key), report)
  end
  check_size(report, path, shape, count, "number of entries")
end

function checkers.string(self, name, value, path, report)
  local shape = self.shapes[name]
  check_size(report, path, shape, characters(value), "length")
  local enum = self.enums[name]
  if enum and not enum[value] then
    -- [documented, API model] a text with an `enum` is one of it
    report(path, "must be one of: " .. table.concat(shape.enum, ", "))
  end
  local matches = self.patterns[name]
  if matches and not matches(value) then
    -- [documented, API model] a text with a `pattern` matches it
    -- [assumed] a pattern is held against the whole text, though most are written without anchors
    report(path, "must match the pattern " .. shape.pattern)
  end
end

function checkers.integer(self, name, value, path, report)
  check_size(report, path, self.shapes[name], value, "value")
end
checkers.long = checkers.integer

local methods = {}
local metatable = { __name = "cloudhsmv2.emulator.validate", __index = methods }

--- All broken constraints of a decoded request.
-- @tparam string name the request's shape
-- @tparam table value
-- @treturn ?string one text about all of them, or nil when there are none
function methods:problems(name, value)
  -- [observed, measured] a broken constraint is CloudHsmInvalidRequestException
  -- [assumed] one message names all that are broken
  local found = {}
  check(self, name, value, "", function(path, text)
    found[#found + 1] = path .. ": " .. text
  end)
  if #found == 0 then
    return nil
  end
  table.sort(found)
  local heading = #found == 1 and "1 validation error detected: " or #found .. " validation errors detected: "
  return heading .. table.concat(found, "; ")
end

-- Checkers by the shapes that they are for: they never change, and compiling every pattern takes a millisecond.
local made = setmetatable({}, { __mode = "k" })

--- A checker for the shapes of a model.
-- @tparam table shapes
-- @treturn table
function validate.new(shapes)
  if made[shapes] then
    return made[shapes]
  end
  local patterns, enums = {}, {}
  for name, shape in pairs(shapes) do
    if shape.pattern and not WITHOUT_PATTERN[name] then
      patterns[name] = pattern.compile(shape.pattern)
    end
    if shape.enum then
      enums[name] = set_of(shape.enum)
    end
  end
  made[shapes] = setmetatable({ shapes = shapes, patterns = patterns, enums = enums }, metatable)
  return made[shapes]
end

return validate
