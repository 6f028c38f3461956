local behaviours = require "spec.tools.behaviours"

local function read(...)
  return behaviours.read(table.concat({ ... }, "\n"))
end

describe("the page of the emulator's behaviours", function()
  it("is what the code says: make behaviours writes it anew", function()
    local parts, problems = behaviours.gather()
    assert.are.same({}, problems)
    assert.are.equal(behaviours.page(parts), behaviours.content(behaviours.PAGE))
  end)

  it("knows every file of the emulator that refuses something", function()
    local known = {}
    for _, part in ipairs(behaviours.gather()) do
      known[part.file] = #part.behaviours
    end
    for _, file in ipairs {
      "handlers/backups.lua",
      "handlers/clusters.lua",
      "handlers/hsms.lua",
      "handlers/policies.lua",
      "handlers/tags.lua",
      "lifecycle.lua",
      "paging.lua",
      "settings.lua",
      "validate.lua",
      "wire.lua",
    } do
      assert.is_true((known[file] or 0) > 2, file)
    end
  end)
end)

describe("a behaviour", function()
  it("is a comment that says how sure it is and where that is from", function()
    local found, problems, about = read(
      "--- What it is about: and more.",
      "local function f()",
      "  -- [documented, API model] one",
      "  --   goes on",
      "  -- [assumed] two",
      "end"
    )
    assert.are.same({}, problems)
    assert.are.equal("What it is about: and more", about)
    assert.are.same({ class = "documented", source = "API model", text = "one goes on", place = "f" }, found[1])
    assert.are.same({ class = "assumed", text = "two", place = "f" }, found[2])
  end)

  it("may be a setting's default", function()
    local found = read("settings.times = {", "  copy = 300, -- [assumed] until a copy is READY", "}")
    assert.are.equal("times/copy", found[1].setting)
    assert.are.equal("300", found[1].default)
    local page = behaviours.page { { file = "settings.lua", about = "Settings", behaviours = found } }
    assert.matches("| `times.copy`, 300 seconds: until a copy is READY | **assumed** |  |", page, 1, true)
    assert.matches("1 behaviours and settings: 0 documented, 0 observed, 1 assumed, 0 ours.", page, 1, true)
  end)

  it("may be a row of the table at the top of a file", function()
    local found = read(
      "-- | behaviour | how sure |",
      "-- | --- | --- |",
      "-- | a | documented |",
      "-- | b | recorded, the API's model |",
      "-- | c | documented for AWS's JSON services |",
      "local x = 1"
    )
    assert.are.same({ class = "documented", text = "a" }, found[1])
    assert.are.same({ class = "observed", text = "b", source = "recorded, the API's model" }, found[2])
    assert.are.same({ class = "documented", text = "c", source = "AWS's JSON services" }, found[3])
    assert.are.equal(3, #found)
  end)

  it("needs a known word, and a source where it claims to have one", function()
    for _, line in ipairs {
      "-- [documented] somewhere",
      "-- [observed] once",
      "-- [certain] it is so",
      "-- | behaviour | how sure |\n-- | a | surely |",
    } do
      local _, problems = read(line)
      assert.are.equal(1, #problems, line)
    end
  end)
end)

describe("a refusal", function()
  it("without a behaviour of its own is a problem", function()
    local function problems_of(...)
      local _, problems = read(...)
      return #problems
    end
    local refusal = '    return fault.invalid "No."'
    assert.are.equal(1, problems_of("local function f()", refusal, "end"))
    assert.are.equal(0, problems_of("local function f()", "    -- [assumed] it says no", refusal, "end"))
    assert.are.equal(1, problems_of("local function f()", "    -- [assumed] it says no", refusal, refusal, "end"))
    assert.are.equal(
      1,
      problems_of("local function f()", "    -- [assumed] no", "end", "local function g()", refusal, "end")
    )
    assert.are.equal(1, problems_of("local function f(report)", "    report(path, text)", "end"))
  end)

  -- What is wrong once a part of one file's text is gone.
  local function problems_without(path, part)
    local _, problems = behaviours.gather(function(wanted)
      local text = behaviours.content(wanted)
      if wanted == path then
        local from, to = text:find(part, 1, true)
        text = text:sub(1, assert(from) - 1) .. text:sub(to + 1)
      end
      return text
    end)
    return problems
  end

  it("is looked for in the files of rules", function()
    local path = "lua/cloudhsmv2/emulator/handlers/hsms.lua"
    local problems = problems_without(path, "-- [documented, API reference] an IpAddress that is given must be free\n")
    assert.are.equal(1, #problems)
    assert.matches(path .. ": line %d+: a refusal without a behaviour: return fault.invalid", problems[1])
  end)

  it("is not all: every operation and every event has a behaviour", function()
    local path = "lua/cloudhsmv2/emulator/lifecycle.lua"
    local problems = problems_without(path, "-- [documented, user guide] a copy that fails is DELETED\n")
    assert.are.same({ path .. ": events.copy_failed has no behaviour" }, problems)
    path = "lua/cloudhsmv2/emulator/handlers/tags.lua"
    problems = problems_without(path, "-- [observed, recorded] tags are listed in the order in which they were added\n")
    assert.are.same({ path .. ": tags.ListTags has no behaviour" }, problems)
  end)
end)
