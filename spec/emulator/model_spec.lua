-- Random walks over the emulator, held against a much simpler model. `make model` makes 100,000 of them.

local emulator = require "cloudhsmv2.emulator"
local invariants = require "spec.emulator.model.invariants"
local mutants = require "spec.emulator.model.mutants"
local walk = require "spec.emulator.model.walk"

local WALKS = 300
local MOST = 1000 -- walks in which a bug must be met when it is not where it was

local function told(seed, walked)
  return ("seed %d: %s\n%s"):format(seed, tostring(walked.violation), table.concat(walked.trace, "\n"))
end

describe("the emulator, in random walks,", function()
  it("does nothing that the model of it does not allow", function()
    local calls = 0
    for seed = 1, WALKS do
      local walked = walk.run(emulator, seed)
      assert(not walked.violation, told(seed, walked))
      calls = calls + walked.calls
    end
    assert.is_true(calls > WALKS * 20)
  end)

  it("is walked alike for the same seed", function()
    local first, second = walk.run(emulator, 4711), walk.run(emulator, 4711)
    assert.are.same(first.trace, second.trace)
    assert.are.equal(first.calls, second.calls)
    assert.are_not.same(first.trace, walk.run(emulator, 4712).trace)
  end)
end)

describe("the model", function()
  for _, mutant in ipairs(mutants.list) do
    it("notices when " .. mutant.says, function()
      local broken = mutants.load(mutant)
      local noticed = walk.run(broken, mutant.walk).violation
      for seed = 1, MOST do
        if noticed then
          break
        end
        noticed = walk.run(broken, seed).violation
      end
      assert.is_string(noticed)
    end)
  end

  it("of pages wants all that stayed, once each, and nothing new before them", function()
    local function check(before, seen, after, newest_first)
      return (pcall(invariants.check_pages, before, seen, after, newest_first))
    end
    local both = { a = true, b = true }
    local a, b, new = { id = "a" }, { id = "b" }, { id = "c", is_new = true }
    assert.is_true(check(both, { a, b }, both, true))
    assert.is_true(check(both, { a }, { a = true }, true))
    assert.is_true(check(both, { a, b, new }, both, false))
    assert.is_false(check(both, { a }, both, true))
    assert.is_false(check(both, { a, b, a }, both, true))
    assert.is_false(check(both, { a, b, new }, both, true))
  end)
end)
