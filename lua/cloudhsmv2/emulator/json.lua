--- JSON of no shape: the emulator's own documents, by the C core's codec, alike in every locale and exact for every number.
-- @module cloudhsmv2.emulator.json

local codec = require "cloudhsmv2.codec"

local json = {}

-- Compiled at the first use, so that `require` does nothing.
local compiled
local function model()
  compiled = compiled or codec.compile { Value = { type = "document" } }
  return compiled
end

--- Writes a value: compact, the members of objects sorted.
-- @param value strings of UTF-8, numbers, booleans, and tables of them that are lists or have names for keys
-- @treturn[1] string
-- @treturn[2] nil
-- @treturn[2] table an error of kind `validation`
-- @usage json.encode { seconds = 60 } --> '{"seconds":60}'
function json.encode(value)
  return model():encode("Value", value)
end

--- Reads a text.
-- @tparam string text
-- @return[1] the value; `codec.null` is null
-- @treturn[2] nil
-- @treturn[2] table an error of kind `protocol` that says where
function json.decode(text)
  return model():decode("Value", text)
end

--- Marks a table as a list, which matters when it is empty.
-- @function list
-- @tparam table values
-- @treturn table the same table
json.list = codec.list

return json
