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
end)
