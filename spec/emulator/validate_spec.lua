local validate = require "cloudhsmv2.emulator.validate"

local checker = validate.new {
  Request = {
    type = "structure",
    required = { "Name" },
    members = {
      Name = { shape = "Name" },
      Names = { shape = "Names" },
      Map = { shape = "Map" },
      Count = { shape = "Count" },
      VpcId = { shape = "VpcId" },
    },
  },
  Name = { type = "string", min = 2, max = 3, pattern = "[a-zé]*" },
  Names = { type = "list", member = { shape = "Name" }, min = 1, max = 2 },
  Map = { type = "map", key = { shape = "Name" }, value = { shape = "Names" }, max = 1 },
  Count = { type = "integer", min = 1, max = 5 },
  VpcId = { type = "string", pattern = "vpc-[0-9a-fA-F]" },
}

local function problems(value)
  return checker:problems("Request", value)
end

describe("a request", function()
  it("that keeps every constraint has no problems", function()
    assert.is_nil(problems { Name = "ab", Names = { "ab", "abc" }, Map = { ab = { "cd" } }, Count = 5 })
  end)

  it("is measured in characters, not bytes", function()
    assert.is_nil(problems { Name = "ééé" })
  end)

  it("is told all its problems with their places", function()
    local text = problems { Names = { "ab", "X" }, Count = 6, Map = { ab = {}, cd = { "ab" } } }
    assert.matches("^6 validation errors detected: ", text)
    for _, part in ipairs {
      "Name: must not be null",
      "Names[1]: length must be at least 2",
      "Names[1]: must match the pattern [a-zé]*",
      "Count: value must be at most 5",
      "Map: number of entries must be at most 1",
      "Map.ab: number of items must be at least 1",
    } do
      assert.matches(part, text, 1, true)
    end
  end)

  it("may have a VPC id of full length, though the model's pattern has one digit", function()
    assert.is_nil(problems { Name = "ab", VpcId = "vpc-0123456789abcdef0" })
  end)

  it("may have members that the model does not know", function()
    assert.is_nil(problems { Name = "ab", Colour = "red" })
  end)
end)
