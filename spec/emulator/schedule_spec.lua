local random = require "cloudhsmv2.emulator.random"
local schedule = require "cloudhsmv2.emulator.schedule"

describe("a schedule", function()
  it("gives events out by time, and in the order of their coming where the time is the same", function()
    local events, chance = schedule.new(), random.new(5)
    for i = 1, 500 do
      events:add { at = math.floor(chance.draw() * 50), name = i }
    end
    local before
    for _ = 1, 500 do
      local event = events:take_due(50)
      if before then
        assert.is_true(before.at < event.at or (before.at == event.at and before.name < event.name))
      end
      before = event
    end
    assert.is_nil(events:take_due(50))
  end)

  it("keeps what is not due yet", function()
    local events = schedule.new()
    events:add { at = 10 }
    assert.is_nil(events:take_due(9.999))
    assert.are.equal(10, events:take_due(10).at)
  end)

  it("tells which events came and went", function()
    local events = schedule.new()
    events.touched = {}
    events:add { at = 10 }
    events:add { at = 5 }
    assert.are.same({ true, true }, events.touched)
    events.touched = {}
    assert.are.equal(2, events:take_due(7).sequence)
    assert.are.same({ [2] = true }, events.touched)
    assert.is_nil(events.pending[2])
    assert.are.equal(10, events.pending[1].at)
  end)

  it("takes over the events of another one in their order", function()
    local first, second = schedule.new(), schedule.new()
    for i = 1, 50 do
      first:add { at = i % 5, name = i }
    end
    for sequence = 50, 1, -1 do
      second:put(first.pending[sequence])
    end
    second.added = first.added
    for _ = 1, 50 do
      assert.are.equal(first:take_due(5).name, second:take_due(5).name)
    end
    second:add { at = 1 }
    assert.are.equal(51, second:take_due(5).sequence)
  end)
end)
