local json = require "spec.tools.json"

local function same(a, b)
  return json.same(json.decode(a), json.decode(b))
end

describe("the JSON reader of the test data", function()
  it("reads every kind of value", function()
    local value = json.decode ' { "a" : [ 1, -2.5e1, true, false, null ], "b" : { "c" : "d" } } '
    assert.are.same({ 1, -25, true, false, json.null }, value.a)
    assert.are.same({ c = "d" }, value.b)
  end)

  it("reads escapes, and pairs of surrogates as one character", function()
    assert.are.equal(
      '"\\/\b\n\195\169\226\130\172\240\159\152\128',
      json.decode [["\"\\\/\b\n\u00e9\u20AC\uD83D\ude00"]]
    )
  end)

  it("tells an empty list from an empty object", function()
    assert.is_false(same("[]", "{}"))
    assert.is_true(same('{"a":[]}', '{ "a": [ ] }'))
  end)

  it("compares values, not the order of members or the writing of numbers", function()
    assert.is_true(same('{"a":1,"b":[1.50]}', '{"b":[15e-1],"a":1}'))
    assert.is_false(same('{"a":1}', '{"a":"1"}'))
    assert.is_false(same('{"a":1}', '{"a":1,"b":null}'))
    assert.is_false(same("[1,2]", "[2,1]"))
  end)

  it("remembers the text of each table", function()
    assert.are.equal('{"b": [ ]}', json.text(json.decode('{"a": {"b": [ ]}}').a))
  end)

  it("refuses what is not JSON", function()
    for _, text in ipairs { "", "{", "[1,]", '{"a"}', "{a:1}", '"', '"\\x"', "1 2", "nil", "[1}", "tru" } do
      assert.has_error(function()
        json.decode(text)
      end, nil, text)
    end
  end)
end)
