local redact = require "cloudhsmv2.redact"

local NAMES = { PreCoPassword = true }

describe("a text that becomes part of an error", function()
  it("loses the values of sensitive members, wherever they are", function()
    assert.are.equal(
      '{"A":[{"PreCoPassword":"[redacted]","B":1}],"PreCoPassword" : "[redacted]"}',
      redact.members('{"A":[{"PreCoPassword":"pw1","B":1}],"PreCoPassword" : "pw2"}', NAMES)
    )
  end)

  it("loses a value with escaped quotes to its end", function()
    assert.are.equal(
      '{"PreCoPassword":"[redacted]","B":1}',
      redact.members([[{"PreCoPassword":"a\"b\\","B":1}]], NAMES)
    )
  end)

  it("loses a value that is cut off", function()
    assert.are.equal('{"PreCoPassword":"[redacted]"', redact.members('{"PreCoPassword":"hunter', NAMES))
    assert.are.equal('{"PreCoPassword":"[redacted]"', redact.members('{"PreCoPassword":"hunter\\', NAMES))
    assert.are.equal('{"PreCoPassword":"[redacted]"', redact.members('{"PreCoPassword":', NAMES))
  end)

  it("loses a value that is no string, and what follows one that is a table", function()
    assert.are.equal('{"PreCoPassword":"[redacted]","B":1}', redact.members('{"PreCoPassword":123,"B":1}', NAMES))
    assert.are.equal('{"PreCoPassword":"[redacted]"', redact.members('{"PreCoPassword":["a","b"],"B":1}', NAMES))
  end)

  it("is dropped whole when a sensitive member is inside a string of it", function()
    assert.are.equal("[redacted]", redact.members([[{"log":"{\"PreCoPassword\":\"pw\"}"}]], NAMES))
  end)

  it("stays as it is without sensitive members", function()
    local json = '{"Message":"PreCoPassword is not set"}'
    assert.are.equal(json, redact.members(json, NAMES))
  end)
end)

describe("a value that becomes part of an error", function()
  it("loses every occurrence of a secret, at any depth", function()
    local value = { "say a+b", inner = { deep = "a+ba+b", number = 7 } }
    assert.are.same(
      { "say [redacted]", inner = { deep = "[redacted][redacted]", number = 7 } },
      redact.strings(value, { "a+b" })
    )
  end)

  it("stays as it is without secrets", function()
    assert.are.equal("x", redact.strings("x", {}))
    assert.is_nil(redact.strings(nil, { "x" }))
    assert.are.equal(7, redact.strings(7, { "7" }))
  end)
end)
