--- JSON by shape: Lua values to the bytes that an AWS service with the `json` protocol takes, and its answers back.
--
-- A model is a table of shapes in AWS's own vocabulary (`type`, `members`, `member`, `key`, `value`, `required`, `min`, ...),
-- compiled once. Beside AWS's there are two keys of our own: `order`, a list of a structure's members in the order in which they are
-- written (without it they are sorted), and `lenient`, on a string that is also accepted as a number when it is read.
--
-- What Lua values stand for:
--
-- | shape | Lua |
-- | --- | --- |
-- | string, blob | string (a blob is base64 on the wire) |
-- | integer, long | a whole number; beyond 2^53, where Lua has no integers, a string of digits |
-- | float, double | number; NaN and infinities travel as the strings AWS gives them |
-- | timestamp | number of seconds since 1970 |
-- | list | sequence without holes |
-- | map, structure, union | table |
-- | document | any of these; `codec.null` is null, `codec.list {}` an empty list |
--
-- A member that is `nil` or `codec.null` is absent; nothing but documents and sparse lists and maps ever holds `codec.null`.
-- Source: Smithy, "AWS JSON 1.1 protocol".
--
-- @module cloudhsmv2.codec

local core = require "cloudhsmv2.core"
local errors = require "cloudhsmv2.errors"

local codec = {}

--- JSON's null, where it means something. The same light userdata as `cjson.null` and `ngx.null`.
codec.null = core.codec.null

--- Marks a table inside a document as a list, which matters when it is empty.
-- @function list
-- @tparam table values
-- @treturn table the same table
-- @usage local document = { allowed = codec.list {} }
codec.list = core.codec.list

local methods = {}
local metatable = { __name = "cloudhsmv2.codec.model", __index = methods }

-- An output's constraints are the service's promise, not the caller's: a list of tags may come back empty.
local function is_output(name)
  return (name:find "Response$" or name:find "Output$" or name:find "Result$") ~= nil
end

local function by_path(a, b)
  if a.path ~= b.path then
    return a.path < b.path
  end
  return a.message < b.message
end

local function validation_error(problems)
  table.sort(problems, by_path) -- unknown members are found in the order of Lua's hash table, which is no order
  local lines = {}
  for i, problem in ipairs(problems) do
    lines[i] = (problem.path == "" and "the parameters" or problem.path) .. ": " .. problem.message
  end
  return errors.new {
    kind = "validation",
    code = "ParamValidation",
    message = table.concat(lines, "; "),
    problems = problems,
  }
end

-- The core's function that writes a shape; the one that is asked for without options is kept.
local function encoder_of(self, name, options)
  local constraints = options and options.constraints
  if constraints ~= nil then
    return self.compiled:encoder(name, constraints)
  end
  self.encoders[name] = self.encoders[name] or self.compiled:encoder(name, not is_output(name))
  return self.encoders[name]
end

--- Writes a value as JSON: compact, members in the model's order, maps sorted by key.
-- @tparam string name of the shape: `"DescribeBackupsRequest"`
-- @tparam table value
-- @tparam[opt] table options `constraints`: whether `required` and `min` are checked; true, but false for a shape whose name ends in
-- `Response`, `Output` or `Result`
-- @treturn[1] string JSON in UTF-8
-- @treturn[2] nil
-- @treturn[2] table an error of kind `validation` with every problem: `err.problems[i].path`, `.message`
-- @usage local json, err = model:encode("DescribeBackupsRequest", { MaxResults = 50 })
function methods:encode(name, value, options)
  local encode = self.encoders[name]
  if not encode or options then
    encode = encoder_of(self, name, options)
  end
  local json, problems = encode(value)
  if json then
    return json
  end
  return nil, validation_error(problems)
end

--- Reads JSON as a shape says. Members that the shape does not have are kept as they came.
-- @tparam string name of the shape: `"DescribeBackupsResponse"`
-- @tparam string json
-- @return[1] the value
-- @treturn[2] nil
-- @treturn[2] table an error of kind `protocol`; `err.path` is where: `"Backups[3].CreateTimestamp"`
-- @usage local value, err = model:decode("DescribeBackupsResponse", '{"Backups":[]}')
function methods:decode(name, json)
  local value, problem, path, position = self.compiled:decode(name, json)
  if problem == nil then
    return value
  end
  return nil,
    errors.new {
      kind = "protocol",
      code = "InvalidDocument",
      message = string.format("%s: %s (at byte %d)", path == "" and "the document" or path, problem, position),
      path = path,
    }
end

--- Compiles shapes into a model.
-- @tparam table shapes by name, in AWS's vocabulary
-- @treturn table a model with the methods `encode` and `decode`
-- @raise for shapes that make no sense: a dangling reference, an unknown type
-- @usage
-- local model = codec.compile {
--   Echo = { type = "structure", members = { Text = { shape = "String" } } },
--   String = { type = "string" },
-- }
function codec.compile(shapes)
  return setmetatable({
    compiled = core.codec.compile(shapes),
    encoders = {}, -- functions of the core, by the names of the shapes
    encode = methods.encode, -- here, too: every call looks for them
    decode = methods.decode,
  }, metatable)
end

return codec
