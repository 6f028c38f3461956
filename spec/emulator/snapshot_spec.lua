local helper = require "spec.emulator.helper"
local emulator = require "cloudhsmv2.emulator"
local errors = require "cloudhsmv2.errors"
local json = require "cloudhsmv2.emulator.json"
local random = require "cloudhsmv2.emulator.random"
local story = require "spec.emulator.story"

-- Every table of a world, and whether one is in two places.
local function is_a_tree(world)
  local seen, tree = {}, true
  local function visit(value)
    if type(value) == "table" then
      tree = tree and not seen[value]
      seen[value] = true
      for _, field in pairs(value) do
        visit(field)
      end
    end
  end
  for _, held in ipairs(world.collections) do
    visit(held.collection.items)
  end
  visit(world.schedule.heap)
  return tree
end

describe("the same seed and the same requests", function()
  it("give the same answers, byte for byte", function()
    local first = story.new(helper.new { seed = 7 }, 3):begin():go(300)
    assert.is_truthy(first:find '"BackupState":"READY"')
    assert.are.equal(first, story.new(helper.new { seed = 7 }, 3):begin():go(300))
    assert.are_not.equal(first, story.new(helper.new { seed = 8 }, 3):begin():go(300))
  end)
end)

describe("a snapshot", function()
  it("lets another emulator go on exactly as the one that it was taken of", function()
    for seed = 1, 8 do
      local original = helper.new { seed = seed }
      local tale = story.new(original, seed):begin()
      tale:go(100 + seed * 20)
      local restored = helper.new { seed = 99, time = helper.START + 5 }
      assert(restored.emulator:restore(original.emulator:snapshot()))
      assert.are.equal(original.emulator:time(), restored.emulator:time())

      local other = story.new(restored, seed)
      other.chance:load(tale.chance:dump())
      for step = 1, 150 do
        local wanted, got = tale:step(), other:step()
        if wanted ~= got then
          local at = 1
          while wanted:byte(at) == got:byte(at) do
            at = at + 1
          end
          local before, after = math.max(1, at - 300), at + 100
          error(
            ("seed %d, step %d:\n%s\n--- but\n%s"):format(seed, step, wanted:sub(before, after), got:sub(before, after))
          )
        end
      end
      assert.are.equal(original.emulator:snapshot(), restored.emulator:snapshot())
      assert.is_true(is_a_tree(original.emulator.world))
    end
  end)

  it("lets the same emulator go back", function()
    local service = helper.new()
    local id = service:active_cluster()
    local before, time = service.emulator:snapshot(), service.emulator:time()
    service:call("ModifyCluster", {
      ClusterId = id,
      BackupRetentionPolicy = { Type = "DAYS", Value = "7" },
    })
    service.emulator:advance(86400 * 3)
    assert.is_true(#service:backups() > 1)
    assert.is_true(service.emulator:restore(before))
    assert.are.equal(time, service.emulator:time())
    assert.are.equal(before, service.emulator:snapshot())
    assert.are.equal(1, #service:backups())
    assert.are.equal("90", service:cluster(id).BackupRetentionPolicy.Value)
  end)

  it("has what is going to go wrong", function()
    local original = helper.new()
    local id = original:active_cluster()
    original.emulator:fail_next_hsm()
    assert(original.emulator:inject { kind = "unavailable", operation = "ListTags", count = 2 })
    local restored = helper.new()
    assert(restored.emulator:restore(original.emulator:snapshot()))
    assert.are.same(original.emulator:faults(), restored.emulator:faults())
    restored:call("CreateHsm", { ClusterId = id, AvailabilityZone = "us-east-1b" })
    restored.emulator:advance(313)
    assert.are.equal("DEGRADED", restored:cluster(id).Hsms[2].State)
    assert.are.equal(503, restored:ask("ListTags", { ResourceId = id }).status)
  end)

  it("has no keys and no settings", function()
    local text = helper.new().emulator:snapshot()
    assert.is_nil(text:find(helper.KEY.access_key_id, 1, true))
    assert.is_nil(text:find(helper.KEY.secret_access_key, 1, true))
    assert.is_nil(text:find("hsm_creation", 1, true))
  end)

  it("does not make time go back for whoever measures it", function()
    local service = helper.new()
    local before = service.emulator:snapshot()
    local runtime = service.emulator:runtime()
    runtime.sleep(1000)
    local measured = runtime.now()
    assert(service.emulator:restore(before))
    assert.are.equal(helper.START, runtime.time())
    assert.is_true(math.abs(runtime.now() - measured) < 0.001)
    runtime.sleep(5)
    assert.is_true(math.abs(runtime.now() - measured - 5) < 0.001)
  end)

  it("is the same text for the same state", function()
    local first, second = helper.new(), helper.new()
    story.new(first, 5):begin():go(100)
    story.new(second, 5):begin():go(100)
    assert.are.equal(first.emulator:snapshot(), second.emulator:snapshot())
  end)

  it("leaves the ids to whoever brings chance of their own", function()
    local function drawer()
      return random.new(4).draw
    end
    local original = helper.new { random = drawer() }
    original:create_cluster()
    local restored = helper.new { random = drawer() }
    assert(restored.emulator:restore(original.emulator:snapshot()))
    assert.are.equal(1, #restored:call("DescribeClusters", {}).Clusters)
    assert.has_no_error(function()
      restored:create_cluster() -- not the id of the one that is there
    end)
  end)

  it("that is none is refused, and everything is as it was", function()
    local service = helper.new()
    service:ready_backup()
    local good = service.emulator:snapshot()
    local function with(change)
      local value = assert(json.decode(good))
      change(value)
      return assert(json.encode(value))
    end
    local function document(pattern)
      for key in pairs(json.decode(good).documents) do
        if key:find(pattern) then
          return key
        end
      end
    end
    for wanted, text in pairs {
      ["the text ends"] = good:sub(1, -2),
      ["not an object"] = '"x"',
      ["the format is nil"] = "{}",
      ["the format is cloudhsmv2-emulator snapshot 2"] = with(function(value)
        value.format = "cloudhsmv2-emulator snapshot 2"
      end),
      ["no documents"] = with(function(value)
        value.documents = nil
      end),
      ["or no faults"] = with(function(value)
        value.faults = 5
      end),
      ["the document clock is missing"] = with(function(value)
        value.documents.clock = nil
      end),
      ["the document what/is/this is damaged: there is no such kind"] = with(function(value)
        value.documents["what/is/this"] = {}
      end),
      ["/backups/backup-a is damaged: "] = with(function(value)
        value.documents["store/111122223333/us-east-1/backups/backup-a"] = value.documents[document "/backups/"]
      end),
      ["/retention/backup-a is damaged: "] = with(function(value)
        value.documents["store/111122223333/us-east-1/retention/backup-a"] = { BackupId = "backup-a" }
      end),
      ["by BackupId"] = with(function(value)
        value.documents["store/111122223333/us-east-1/backups/backup-a"] = { BackupId = "backup-a" }
      end),
      ["it is not an event"] = with(function(value)
        value.documents["event/1000"] = { at = 5, kind = "purge", sequence = 999 }
      end),
      ["it has no number"] = with(function(value)
        value.documents.schedule = {}
      end),
      ["an object of an unknown class"] = with(function(value)
        value.documents["world/failures"] = { ["@"] = "os" }
      end),
      ["the document clock is damaged"] = with(function(value)
        value.documents.clock = {}
      end),
    } do
      local restored, err = service.emulator:restore(text)
      assert.is_nil(restored)
      assert.is_true(errors.is(err))
      assert.are.equal("InvalidSnapshot", err.code)
      assert.matches(wanted, err.message, 1, true)
      assert.are.equal(good, service.emulator:snapshot())
    end
  end)
end)

describe("a reset", function()
  it("brings back the emulator that was made", function()
    local service = helper.new { faults = { { kind = "latency", seconds = 1, count = 5 } } }
    local first = service.emulator:snapshot()
    story.new(service, 2):go(60)
    service.emulator:clear_faults()
    assert.is_true(service.emulator:reset())
    assert.are.equal(first, service.emulator:snapshot())
    assert.are.equal(helper.START, service.emulator:time())
    assert.are.equal(5, service.emulator:faults()[1].count)
  end)

  it("leaves a real clock at the time that it is", function()
    local wall = helper.START
    local source = {
      time = function()
        return wall
      end,
      now = function()
        return wall
      end,
    }
    local service = assert(emulator.new { clock = "real", source = source })
    service:advance(500)
    wall = wall + 20
    service:reset()
    assert.are.equal(helper.START + 20, service:time())
  end)
end)
