local codec = require "cloudhsmv2.codec"
local errors = require "cloudhsmv2.errors"

local function ref(name, more)
  local reference = { shape = name }
  for key, value in pairs(more or {}) do
    reference[key] = value
  end
  return reference
end

local SHAPES = {
  Text = { type = "string" },
  ShortText = { type = "string", min = 2 },
  Lenient = { type = "string", lenient = true },
  Whole = { type = "integer", min = 1 },
  Long = { type = "long" },
  Float = { type = "float" },
  Double = { type = "double" },
  Flag = { type = "boolean" },
  Moment = { type = "timestamp" },
  Iso = { type = "timestamp", timestampFormat = "iso8601" },
  Http = { type = "timestamp", timestampFormat = "rfc822" },
  Bytes = { type = "blob" },
  Texts = { type = "list", member = ref "Text", min = 1 },
  Sparse = { type = "list", member = ref "Text", sparse = true },
  SparseMap = { type = "map", key = ref "Text", value = ref "Text", sparse = true },
  Filters = { type = "map", key = ref "Text", value = ref "Texts" },
  Document = { type = "structure", members = {}, document = true },
  Choice = { type = "structure", union = true, members = { left = ref "Text", right = ref "Whole" } },
  Empty = { type = "structure", members = {} },
  Node = { type = "structure", members = { next = ref "Node", children = ref "Nodes" } },
  Nodes = { type = "list", member = ref "Node" },
  Renamed = { type = "structure", members = { Name = ref("Text", { locationName = "n" }), Size = ref "Whole" } },
  Thing = {
    type = "structure",
    required = { "Id" },
    order = {
      "Id",
      "Zebra",
      "Apple",
      "Flag",
      "Whole",
      "Long",
      "Float",
      "Moment",
      "Iso",
      "Http",
      "OwnFormat",
      "Bytes",
      "Texts",
      "Sparse",
      "SparseMap",
      "Filters",
      "Document",
      "Choice",
      "Empty",
      "Lenient",
      "ShortText",
    },
    members = {
      Id = ref "Text",
      Zebra = ref "Text",
      Apple = ref "Text",
      Flag = ref "Flag",
      Whole = ref "Whole",
      Long = ref "Long",
      Float = ref "Float",
      Moment = ref "Moment",
      Iso = ref "Iso",
      Http = ref "Http",
      OwnFormat = ref("Moment", { timestampFormat = "iso8601" }),
      Bytes = ref "Bytes",
      Texts = ref "Texts",
      Sparse = ref "Sparse",
      SparseMap = ref "SparseMap",
      Filters = ref "Filters",
      Document = ref "Document",
      Choice = ref "Choice",
      Empty = ref "Empty",
      Lenient = ref "Lenient",
      ShortText = ref "ShortText",
    },
  },
}

local model = codec.compile(SHAPES)
local nan = 0 / 0
local infinity = 1 / 0

local function encoded(shape, value, options)
  local json, err = model:encode(shape, value, options)
  assert.is_nil(err)
  return json
end

-- The one problem that a thing with these members has, as "path: message".
local function problem(members, shape)
  if shape == nil and type(members) == "table" and members.Id == nil then
    members.Id = "x"
  end
  local json, err = model:encode(shape or "Thing", members)
  assert.is_nil(json)
  assert.is_true(errors.is(err))
  assert.are.equal("validation", err.kind)
  assert.are.equal(1, #err.problems)
  return err.problems[1].path .. ": " .. err.problems[1].message
end

local function decoded(shape, json)
  local value, err = model:decode(shape, json)
  assert.is_nil(err)
  return value
end

local function refusal(shape, json)
  local value, err = model:decode(shape, json)
  assert.is_nil(value)
  assert.is_true(errors.is(err))
  assert.are.equal("protocol", err.kind)
  return err.message
end

describe("encoding by shape", function()
  it("writes members in the model's order, compactly", function()
    assert.are.equal('{"Id":"1","Zebra":"z","Apple":"a"}', encoded("Thing", { Apple = "a", Zebra = "z", Id = "1" }))
  end)

  it("sorts the members of a shape that gives no order", function()
    assert.are.equal('{"left":"x"}', encoded("Choice", { left = "x" }))
    assert.are.equal('{"children":[],"next":{}}', encoded("Node", { next = {}, children = {} }))
  end)

  it("writes an empty table as the shape says", function()
    local thing = { Id = "x", Sparse = {}, Filters = {}, Empty = {} }
    assert.are.equal('{"Id":"x","Sparse":[],"Filters":{},"Empty":{}}', encoded("Thing", thing))
  end)

  it("sorts the keys of a map, so that the same map gives the same bytes", function()
    local thing = { Id = "x", Filters = { b = { "2" }, a = { "1" }, ab = { "3" } } }
    assert.are.equal('{"Id":"x","Filters":{"a":["1"],"ab":["3"],"b":["2"]}}', encoded("Thing", thing))
  end)

  it("leaves out nil and null members", function()
    assert.are.equal('{"Id":"x"}', encoded("Thing", { Id = "x", Apple = codec.null }))
  end)

  it("keeps false", function()
    assert.are.equal('{"Id":"x","Flag":false}', encoded("Thing", { Id = "x", Flag = false }))
  end)

  it("writes a list in its order, in whatever order it was made, and says each problem of it once", function()
    for _, first in ipairs { 1, 2, 7, 30 } do
      local texts, expected = {}, {}
      for i = 1, 30 do
        texts[(first + i * 7) % 30 + 1] = "t" .. ((first + i * 7) % 30 + 1)
        expected[i] = '"t' .. i .. '"'
      end
      assert.are.equal(
        '{"Id":"x","Texts":[' .. table.concat(expected, ",") .. "]}",
        encoded("Thing", { Id = "x", Texts = texts })
      )
      texts[first] = first
      local _, err = model:encode("Thing", { Id = "x", Texts = texts })
      assert.are.equal(1, #err.problems)
      assert.are.equal("Texts[" .. first .. "]", err.problems[1].path)
    end
    local _, err = model:encode("Thing", { Id = "x", Texts = { 1, "b", x = "c" } })
    assert.are.equal(1, #err.problems)
    assert.are.equal("Texts", err.problems[1].path)
  end)

  it("writes whole numbers without a fraction or an exponent, whatever Lua calls them", function()
    assert.are.equal('{"Id":"x","Whole":5}', encoded("Thing", { Id = "x", Whole = 10 / 2 }))
    assert.are.equal('{"Id":"x","Whole":9007199254740992}', encoded("Thing", { Id = "x", Whole = 2 ^ 53 }))
    assert.are.equal('{"Id":"x","Long":1000000000000000}', encoded("Thing", { Id = "x", Long = 1e15 }))
  end)

  it("takes a long as a string of digits, for those beyond 2^53", function()
    assert.are.equal(
      '{"Id":"x","Long":1234567890123456789}',
      encoded("Thing", { Id = "x", Long = "1234567890123456789" })
    )
  end)

  it("writes floats so that they read back the same", function()
    assert.are.equal('{"Id":"x","Float":1234.5}', encoded("Thing", { Id = "x", Float = 1234.5 }))
    assert.are.equal('{"Id":"x","Float":0.1}', encoded("Thing", { Id = "x", Float = 0.1 }))
  end)

  it("writes the numbers that JSON does not have as AWS's strings", function()
    assert.are.equal('{"Id":"x","Float":"NaN"}', encoded("Thing", { Id = "x", Float = nan }))
    assert.are.equal('{"Id":"x","Float":"-Infinity"}', encoded("Thing", { Id = "x", Float = -infinity }))
    assert.are.equal('{"Id":"x","Float":"Infinity"}', encoded("Thing", { Id = "x", Float = "Infinity" }))
  end)

  it("writes timestamps in the format of the shape or of the member", function()
    local thing = { Id = "x", Moment = 946845296.5, Iso = 946845296.123, Http = 1398796238, OwnFormat = 946845296 }
    assert.are.equal(
      '{"Id":"x","Moment":946845296.5,"Iso":"2000-01-02T20:34:56.123Z","Http":"Tue, 29 Apr 2014 18:30:38 GMT",'
        .. '"OwnFormat":"2000-01-02T20:34:56Z"}',
      encoded("Thing", thing)
    )
  end)

  it("writes blobs in base64", function()
    assert.are.equal('{"Id":"x","Bytes":"AP8="}', encoded("Thing", { Id = "x", Bytes = "\0\255" }))
  end)

  it("escapes what must be escaped, and no slash", function()
    assert.are.equal('{"Id":"a/b\\"\\\\\\n\\u0001\195\169"}', encoded("Thing", { Id = 'a/b"\\\n\1\195\169' }))
  end)

  it("keeps null elements of sparse lists and maps", function()
    local thing = { Id = "x", Sparse = { "a", codec.null }, SparseMap = { k = codec.null } }
    assert.are.equal('{"Id":"x","Sparse":["a",null],"SparseMap":{"k":null}}', encoded("Thing", thing))
  end)

  it("writes any JSON as a document", function()
    local document = { list = { 1, 2.5, "three" }, none = codec.list {}, empty = {}, null = codec.null, yes = true }
    assert.are.equal(
      '{"Id":"x","Document":{"empty":{},"list":[1,2.5,"three"],"none":[],"null":null,"yes":true}}',
      encoded("Thing", { Id = "x", Document = document })
    )
  end)

  it("writes a member under its name on the wire", function()
    assert.are.equal('{"n":"x","Size":1}', encoded("Renamed", { Name = "x", Size = 1 }))
  end)

  it("looks at nothing but the raw table", function()
    local touched = 0
    local trap = function()
      touched = touched + 1
      error "a metamethod ran"
    end
    local thing = setmetatable({ Id = "x" }, { __index = trap, __len = trap, __pairs = trap })
    assert.are.equal('{"Id":"x"}', encoded("Thing", thing))
    assert.are.equal(0, touched)
  end)

  it("is the same in every locale", function()
    local before = os.setlocale(nil)
    for _, locale in ipairs { "de_DE.UTF-8", "tr_TR.UTF-8", "C" } do
      os.setlocale(locale)
      assert.are.equal('{"Id":"x","Float":1.5}', encoded("Thing", { Id = "x", Float = 1.5 }))
      assert.are.equal(1.5, decoded("Thing", '{"Float":1.5}').Float)
    end
    os.setlocale(before)
  end)
end)

describe("validation", function()
  it("collects every problem with its path in one error", function()
    local json, err = model:encode("Thing", { Flag = 0, Whole = "five", Texts = { 1 } })
    assert.is_nil(json)
    assert.are.equal("ParamValidation", err.code)
    assert.are.equal(
      "Flag: expected a boolean, got the number 0; Id: required member is missing; "
        .. 'Texts[1]: expected a string, got the number 1; Whole: expected an integer, got the string "five"',
      err.message
    )
  end)

  it("names the member that was probably meant", function()
    assert.are.equal("Appel: unknown member, did you mean 'Apple'?", problem { Appel = "x" })
    assert.are.equal("short_text: unknown member, did you mean 'ShortText'?", problem { short_text = "x" })
  end)

  it("lists the members where nothing is near", function()
    local _, err = model:encode("Choice", { left = "x", Quatsch = 1 })
    assert.are.equal("Quatsch: unknown member, must be one of 'left', 'right'", err.message)
  end)

  it("takes a boolean from nothing but a boolean", function()
    for _, value in ipairs { 0, 1, "", "false", "true", {} } do
      assert.truthy(problem({ Flag = value }):find("Flag: expected a boolean", 1, true))
    end
  end)

  it("takes an integer from nothing but a whole number", function()
    assert.are.equal("Whole: expected an integer, got the number 2.5", problem { Whole = 2.5 })
    assert.are.equal("Whole: expected an integer, got the number NaN", problem { Whole = nan })
    for _, value in ipairs { infinity, -infinity, 2 ^ 60 } do
      assert.truthy(problem({ Whole = value }):find("Whole: expected an integer that a double holds exactly", 1, true))
    end
    assert.are.equal('Whole: expected an integer, got the string "5"', problem { Whole = "5" })
  end)

  it("refuses a string that is no string, and one that is not UTF-8", function()
    assert.are.equal("Apple: expected a string, got the number 5", problem { Apple = 5 })
    assert.are.equal("Apple: expected a string, got a table", problem { Apple = {} })
    assert.are.equal("Apple: not UTF-8 (from byte 3 on)", problem { Apple = "ab\255" })
    assert.are.equal("Apple: not UTF-8 (from byte 1 on)", problem { Apple = "\237\160\128" })
  end)

  it("refuses what is below the minimum", function()
    assert.are.equal("Whole: the number is 0, and must be at least 1", problem { Whole = 0 })
    assert.are.equal("ShortText: the string's length is 1, and must be at least 2", problem { ShortText = "\195\169" })
    assert.are.equal("Texts: the number of elements is 0, and must be at least 1", problem { Texts = {} })
    assert.are.equal(
      "Filters.states: the number of elements is 0, and must be at least 1",
      problem { Filters = { states = {} } }
    )
  end)

  it("leaves constraints alone where it is told so, and for an output", function()
    assert.are.equal('{"Texts":[]}', encoded("Thing", { Texts = {} }, { constraints = false }))
    local outputs = codec.compile {
      ListResponse = { type = "structure", required = { "Items" }, members = { Items = ref "Items" } },
      Items = { type = "list", member = ref "Text", min = 1 },
      Text = { type = "string" },
    }
    assert.are.equal('{"Items":[]}', outputs:encode("ListResponse", { Items = {} }))
    assert.is_nil((outputs:encode("ListResponse", { Items = {} }, { constraints = true })))
  end)

  it("refuses holes in a list, and keys that are no positions", function()
    assert.are.equal("Texts[2]: the list has a hole here", problem { Texts = { "a", nil, "c" } })
    assert.are.equal("Texts[1]: the list has a hole here", problem { Texts = { [1e9] = "x" } })
    assert.are.equal('Texts: expected a list, got a table with the key the string "a"', problem { Texts = { a = "x" } })
    assert.are.equal(
      "Texts: expected a list, got a table with the key the number 1.5",
      problem { Texts = { [1.5] = "x" } }
    )
  end)

  it("refuses a list where a map should be", function()
    assert.are.equal(
      "Filters: expected a map with strings as keys, got the key the number 1",
      problem { Filters = { { "x" } } }
    )
  end)

  it("refuses null in a list that is not sparse", function()
    assert.are.equal("Texts[1]: expected a string, got null", problem { Texts = { codec.null } })
  end)

  it("refuses a table that contains itself, in a recursive shape and in a document", function()
    local node = {}
    node.next = node
    assert.are.equal("next: the table contains itself", problem(node, "Node"))
    local document = { deeper = {} }
    document.deeper.back = document
    assert.are.equal("Document.deeper.back: the table contains itself", problem { Document = document })
  end)

  it("allows the same table at two places", function()
    local shared = { "x" }
    assert.are.equal(
      '{"Id":"x","Filters":{"a":["x"],"b":["x"]}}',
      encoded("Thing", { Id = "x", Filters = { a = shared, b = shared } })
    )
  end)

  it("refuses what is nested without end", function()
    local node = {}
    for _ = 1, 1000 do
      node = { next = node }
    end
    assert.truthy(problem(node, "Node"):find("nested too deeply", 1, true))
  end)

  it("wants exactly one member of a union", function()
    assert.are.equal("Choice: exactly one member of a union must be set, got 0", problem { Choice = {} })
    assert.are.equal(
      "Choice: exactly one member of a union must be set, got 2",
      problem { Choice = { left = "x", right = 1 } }
    )
  end)

  it("wants moments that a date can say", function()
    for _, value in ipairs { nan, infinity, 1e18, "2000-01-02T20:34:56Z" } do
      assert.truthy(problem({ Moment = value }):find("Moment: expected a timestamp", 1, true))
    end
  end)

  it("refuses functions, userdata and NaN inside a document", function()
    assert.are.equal("Document.f: expected a JSON value, got a function", problem { Document = { f = print } })
    assert.are.equal("Document[1]: expected a finite number, got the number NaN", problem { Document = { nan } })
  end)

  it("refuses keys that are no names", function()
    assert.are.equal(": expected the names of members as keys, got the number 1", problem { [1] = "x" })
  end)

  it("never shows a long string in a message", function()
    local secret = string.rep("s", 100)
    assert.are.equal("Flag: expected a boolean, got a string", problem { Flag = secret })
  end)

  it("refuses a request of more than 8 MiB", function()
    assert.are.equal(": the request would be larger than 8 MiB", problem { Apple = string.rep("x", 8 * 1024 * 1024) })
    assert.are.equal('{"Id":"x"}', encoded("Thing", { Id = "x" }))
  end)

  it("stops counting at fifty problems", function()
    local texts = {}
    for i = 1, 200 do
      texts[i] = i
    end
    local _, err = model:encode("Thing", { Id = "x", Texts = texts })
    assert.are.equal(50, #err.problems)
  end)
end)

describe("decoding by shape", function()
  it("gives tables without nulls", function()
    local thing = decoded("Thing", '{"Id":"x","Apple":null,"Texts":["a",null,"b"],"Filters":{"k":null,"l":["m"]}}')
    assert.are.same({ Id = "x", Texts = { "a", "b" }, Filters = { l = { "m" } } }, thing)
  end)

  it("reads members in any order, whatever order it has seen before", function()
    local texts = {
      '{"Id":"x","Texts":["a"],"Filters":{"k":["v"]}}',
      '{"Filters":{"k":["v"]},"Texts":["a"],"Id":"x"}',
      '{ "Id" : "x" , "Texts":["a"], "Filters":{"k":["v"]} }',
      [[{"\u0049d":"x","T\u0065xts":["a"],"Filters":{"k":["v"]}}]],
    }
    for round = 1, 3 * #texts do
      local thing = decoded("Thing", texts[round % #texts + 1])
      assert.are.same({ Id = "x", Texts = { "a" }, Filters = { k = { "v" } } }, thing)
    end
    assert.are.same({ Id = "x", Idx = "y" }, decoded("Thing", '{"Id":"x","Idx":"y"}'))
    assert.is_nil((model:decode("Thing", '{"Id":"x","Id":"y"}')))
    assert.is_nil((model:decode("Thing", '{"Id')))
  end)

  it("keeps members that it does not know, without their nulls", function()
    local thing = decoded("Thing", '{"New":{"a":[1,null,{"b":null,"c":true}]},"Id":"x"}')
    assert.are.same({ Id = "x", New = { a = { 1, { c = true } } } }, thing)
  end)

  it("reads timestamps in every form that services use", function()
    for text, seconds in pairs {
      ["1398796238"] = 1398796238,
      ["1535388510.149"] = 1535388510.149,
      ["1.535388510149E9"] = 1535388510.149,
      ['"1398796238"'] = 1398796238,
      ['"1.5E9"'] = 1500000000,
      ['"2000-01-02T20:34:56.123Z"'] = 946845296.123,
      ['"2000-01-02T20:34:56.123456"'] = 946845296.123456, -- moto's
      ['"2019-12-16T22:48:18-01:00"'] = 1576540098,
      ['"Tue, 29 Apr 2014 18:30:38 GMT"'] = 1398796238,
    } do
      assert.are.equal(seconds, decoded("Thing", '{"Moment":' .. text .. "}").Moment)
    end
  end)

  it("gives whole seconds and integers that look alike on every VM", function()
    local thing = decoded("Thing", '{"Moment":1398796238.0,"Whole":3.0}')
    assert.are.equal("1398796238", tostring(thing.Moment))
    assert.are.equal("3", tostring(thing.Whole))
  end)

  it("loses no digit of a long", function()
    local value = decoded("Thing", '{"Long":1234567890123456789}').Long
    assert.are.equal("1234567890123456789", tostring(value))
    assert.are.equal('{"Id":"x","Long":1234567890123456789}', encoded("Thing", { Id = "x", Long = value }))
  end)

  it("reads AWS's strings for special numbers", function()
    local value = decoded("Thing", '{"Float":"NaN"}').Float
    assert.is_true(value ~= value)
    assert.are.equal(-infinity, decoded("Thing", '{"Float":"-Infinity"}').Float)
  end)

  it("reads blobs", function()
    assert.are.equal("", decoded("Thing", '{"Bytes":""}').Bytes)
    assert.are.equal("\0\255", decoded("Thing", '{"Bytes":"AP8="}').Bytes)
    assert.are.equal("\255\255\255", decoded("Thing", '{"Bytes":"\\/\\/\\/\\/"}').Bytes)
  end)

  it("reads escapes and surrogate pairs", function()
    assert.are.equal("\195\169\240\159\152\128/\n", decoded("Thing", '{"Id":"\\u00e9\\ud83d\\ude00\\/\\n"}').Id)
    assert.are.equal("x", decoded("Thing", '{"\\u0049d":"x"}').Id)
  end)

  it("accepts a number for a lenient string, as it is written", function()
    assert.are.equal("90", decoded("Thing", '{"Lenient":90}').Lenient)
    assert.are.equal("90", decoded("Thing", '{"Lenient":"90"}').Lenient)
  end)

  it("gives back what a document says", function()
    local json = '{"Id":"x","Document":{"a":[],"b":null,"c":[1,2.5],"d":{}}}'
    assert.are.equal(json, encoded("Thing", decoded("Thing", json)))
  end)

  it("ignores the type of a union and keeps a variant that it does not know", function()
    assert.are.same({ left = "x" }, decoded("Choice", '{"__type":"T","left":"x","right":null}'))
    assert.are.same({ SDK_UNKNOWN_MEMBER = { name = "middle" } }, decoded("Choice", '{"middle":{"a":1}}'))
    assert.truthy(refusal("Choice", '{"left":"x","right":1}'):find("more than one", 1, true))
  end)

  it("names the path of a wrong type", function()
    assert.are.equal("Texts[2]: expected a string, got a number (at byte 15)", refusal("Thing", '{"Texts":["a",5]}'))
    assert.are.equal(
      "Filters.k[1]: expected a string, got an object (at byte 18)",
      refusal("Thing", '{"Filters":{"k":[{}]}}')
    )
    assert.are.equal("Flag: expected a boolean, got a string (at byte 9)", refusal("Thing", '{"Flag":"true"}'))
    assert.are.equal("Moment: expected a timestamp, got a boolean (at byte 11)", refusal("Thing", '{"Moment":true}'))
    assert.are.equal("Whole: expected an integer, got a string (at byte 10)", refusal("Thing", '{"Whole":"5"}'))
    assert.are.equal("the document: expected an object, got an array (at byte 1)", refusal("Thing", "[]"))
    local _, err = model:decode("Thing", '{"Filters":{"k":[{}]}}')
    assert.are.equal("Filters.k[1]", err.path)
  end)

  it("refuses text that is no JSON document, and works afterwards", function()
    for _, text in ipairs {
      "",
      " ",
      "null",
      "{",
      '{"Id"',
      '{"Id":',
      '{"Id":"x"',
      '{"Id":"x",}',
      '{"Id" "x"}',
      "{Id:1}",
      "{}x",
      "{}{}",
      "\239\187\191{}",
      '{"Id":"\255"}',
      '{"Id":"a\nb"}',
      '{"Id":"\\x"}',
      '{"Id":"\\ud83d"}',
      '{"Whole":01}',
      '{"Whole":1.}',
      '{"Whole":0x10}',
      '{"Float":1e400}',
      '{"Float":NaN}',
      '{"Long":9223372036854775808}',
      '{"Flag":tru}',
      '{"New":nul}',
      '{"New":[1,2}',
      '{"Bytes":"A"}',
      '{"Id":"x","Id":"y"}',
      "<html></html>",
    } do
      refusal("Thing", text)
      assert.are.equal("x", decoded("Thing", '{"Id":"x"}').Id)
    end
  end)

  it("limits how deep an answer may nest", function()
    assert.truthy(refusal("Thing", '{"New":' .. string.rep("[", 100000)):find("nested too deeply", 1, true))
    assert.truthy(refusal("Node", string.rep('{"next":', 100000)):find("nested too deeply", 1, true))
  end)

  it("survives every cut and every changed byte of an answer", function()
    local json =
      '{"Id":"x\\n","Whole":3,"Moment":1.5E9,"Texts":["a"],"Filters":{"k":["v"]},"Choice":{"left":"l"},"New":[{}]}'
    for i = 0, #json - 1 do
      refusal("Thing", json:sub(1, i))
    end
    for i = 1, #json do
      for _, byte in ipairs { "\0", '"', "{", "]", "\\", "\255", "9" } do
        local value, err = model:decode("Thing", json:sub(1, i - 1) .. byte .. json:sub(i + 1))
        assert.is_true((value == nil) == errors.is(err))
      end
    end
  end)
end)

describe("compiling a model", function()
  local function refused(shapes)
    local ok, message = pcall(codec.compile, shapes)
    assert.is_false(ok)
    return message
  end

  it("names the shape that makes no sense", function()
    assert.truthy(
      refused({ A = { type = "list", member = ref "B" } }):find("shape A refers to B, which is not there", 1, true)
    )
    assert.truthy(refused({ A = { type = "tensor" } }):find("shape A: unknown type 'tensor'", 1, true))
    assert.truthy(refused({ A = { type = "list" } }):find("shape A: a reference", 1, true))
    assert.truthy(refused({ A = { type = "structure", required = { "X" } } }):find("`required`", 1, true))
    assert.truthy(refused({ A = { type = "timestamp", timestampFormat = "stardate" } }):find("stardate", 1, true))
    local members = { x = ref "A", y = ref "A" }
    assert.truthy(refused({ A = { type = "structure", members = members, order = { "x" } } }):find("`order`", 1, true))
    assert.truthy(
      refused({ A = { type = "structure", members = members, order = { "x", "x" } } }):find("twice", 1, true)
    )
  end)

  it("raises for a shape that the model does not have, since that is a mistake in a program", function()
    assert.has_error(function()
      model:encode("Nothing", {})
    end, "the model has no shape 'Nothing'")
  end)

  it("keeps two models apart", function()
    local other =
      codec.compile { Thing = { type = "structure", members = { Id = ref "Number" } }, Number = { type = "integer" } }
    assert.are.equal('{"Id":5}', other:encode("Thing", { Id = 5 }))
    assert.are.equal('{"Id":"x"}', encoded("Thing", { Id = "x" }))
  end)

  it("frees what it compiled, and a model outlives the table it came from", function()
    local kept
    for _ = 1, 50 do
      kept = codec.compile { A = { type = "structure", members = { b = ref "B" } }, B = { type = "string" } }
      collectgarbage()
    end
    assert.are.equal('{"b":"x"}', kept:encode("A", { b = "x" }))
  end)
end)
