--- An emulator whose state is kept in a file.

local documents = require "cloudhsmv2.emulator.documents"
local emulator = require "cloudhsmv2.emulator"
local helper = require "spec.emulator.helper"
local journal = require "cloudhsmv2.emulator.journal"
local json = require "cloudhsmv2.emulator.json"
local story = require "spec.emulator.story"

local function copy(from, to)
  local file = assert(io.open(from, "rb"))
  local content = file:read "*a"
  file:close()
  file = assert(io.open(to, "wb"))
  file:write(content)
  file:close()
end

local EMPTY = '{"retention":{}}' -- a store that somebody has only looked into

-- What differs between what a file has and what an emulator is; the generator of request ids may be behind.
local function difference(path, live)
  local opened, values = assert(journal.open(path))
  opened:close()
  local found = {}
  local all = documents.all(live.world, live.clock)
  for key, text in pairs(all) do
    local kept = values[key] ~= nil and json.encode(values[key]) or "nothing"
    if kept ~= text and key ~= "chance/incidental" and text ~= EMPTY then
      found[#found + 1] = ("%s: %s instead of %s"):format(key, kept, text)
    end
  end
  for key in pairs(values) do
    if not all[key] then
      found[#found + 1] = key .. " should not be there"
    end
  end
  table.sort(found)
  return table.concat(found, "\n")
end

-- Lets writing fail, until `mend` is called.
local function break_disk(live)
  local file = live.journal.file
  live.journal.file = {
    append = function()
      return nil, "no space left"
    end,
    close = function()
      file:close()
    end,
  }
  return function()
    live.journal.file = file
  end
end

describe("an emulator that keeps its state", function()
  local path, made

  before_each(function()
    path, made = os.tmpname(), {}
  end)

  after_each(function()
    for _, service in ipairs(made) do
      service.emulator:close()
    end
    os.remove(path)
    os.remove(path .. ".copy")
  end)

  local function open(options)
    local chosen = { state = path }
    for name, value in pairs(options or {}) do
      chosen[name] = value
    end
    local service = helper.new(chosen)
    made[#made + 1] = service
    return service
  end

  local function reopen(service, options)
    service.emulator:close()
    return open(options)
  end

  it("has written down everything, whatever is done", function()
    for seed = 1, 3 do
      os.remove(path)
      local service = open { seed = seed }
      local tale = story.new(service, seed + 20):begin()
      for _ = 1, 40 do
        tale:go(10)
        copy(path, path .. ".copy")
        assert.are.equal("", difference(path .. ".copy", service.emulator))
      end
      service.emulator:close()
    end
  end)

  it("goes on where it was when it was opened again", function()
    local service = open()
    local id = service:active_cluster()
    local backup = service:backups()[1]
    service:call("PutResourcePolicy", {
      ResourceArn = backup.BackupArn,
      Policy = helper.policy(backup.BackupArn, "444455556666"),
    })
    service:call("CreateHsm", { ClusterId = id, AvailabilityZone = "us-east-1b" })
    service.emulator:fail_next_copy(2)
    service.emulator:advance(100)
    local time, cluster = service.emulator:time(), service:cluster(id)

    service = reopen(service, { time = 5 })
    assert.are.equal(time, service.emulator:time())
    assert.are.same(cluster, service:cluster(id))
    assert.are.equal("CREATE_IN_PROGRESS", service:cluster(id).Hsms[2].State)
    service.emulator:advance(213)
    assert.are.equal("ACTIVE", service:cluster(id).Hsms[2].State)
    assert.are.equal(1, #service:ram("GetResourceShares", { resourceOwner = "SELF" }).resourceShares)
    service:call("CopyBackupToRegion", { BackupId = backup.BackupId, DestinationRegion = "eu-west-1" })
    service.emulator:advance(300)
    assert.are.equal("DELETED", service:backups(nil, { region = "eu-west-1" })[1].BackupState)
  end)

  it("keeps the tokens of pages, and gives out no id and no request id twice", function()
    local service = open { quotas = { clusters = 20 } }
    local seen = {}
    local function new_id(id)
      assert.is_nil(seen[id])
      seen[id] = true
    end
    for _ = 1, 3 do
      for _ = 1, 3 do
        new_id(service:create_cluster())
        for _ = 1, 3 do -- looking is not written down
          new_id(service:ask("DescribeClusters", {}).headers["x-amzn-requestid"])
        end
      end
      local token = service:call("DescribeClusters", { MaxResults = 1 }).NextToken
      service = reopen(service, { quotas = { clusters = 20 } })
      assert.are.equal(200, service:ask("DescribeClusters", { MaxResults = 1, NextToken = token }).status)
    end
  end)

  it("keeps what the clock showed when it was told to, also without any request", function()
    local service = open()
    service.emulator:advance(1234.5)
    service = reopen(service)
    assert.are.equal(helper.START + 1234.5, service.emulator:time())
  end)

  it("lets time stand still while nobody runs it, but on a real clock", function()
    local wall = helper.START
    local source = {
      time = function()
        return wall
      end,
      now = function()
        return wall - helper.START + 50
      end,
      sleep = function() end,
    }
    local function times(clock)
      os.remove(path)
      local options = { clock = clock, source = source }
      wall = helper.START
      local service = open(options)
      service.emulator:advance(100)
      wall = wall + 10
      service:create_cluster()
      local before = service.emulator:time() - helper.START
      wall = wall + 1000
      service = reopen(service, options)
      local after = service.emulator:time() - helper.START
      wall = wall - 5000 -- somebody sets the wall clock back
      service = reopen(service, options)
      return before, after, service.emulator:time() - helper.START
    end
    assert.are.same({ 100, 100, 100 }, { times "frozen" })
    assert.are.same({ 700, 700, 700 }, { times "scaled:60" })
    assert.are.same({ 110, 1110, 1110 }, { times "real" })
  end)

  it("acknowledges nothing that it could not write, and has not done it", function()
    local service = open()
    local id = service:active_cluster()
    local function facts()
      return json.encode { service:cluster(id), service:backups(), service.emulator:time(), service.emulator:events() }
    end
    local before = facts()
    local mend = break_disk(service.emulator)
    local code, message, status = service:refusal("CreateHsm", { ClusterId = id, AvailabilityZone = "us-east-1b" })
    assert.are.equal("CloudHsmInternalFailureException", code)
    assert.are.equal(500, status)
    assert.matches("no space left", message, 1, true)
    assert.are.equal("ServerInternalException", (service:ram_refusal("CreateResourceShare", { name = "x" })))
    for _, call in ipairs {
      { "advance", 90000 },
      { "degrade_cluster", id },
      { "fail_next_hsm" },
      { "reset" },
      { "restore", helper.new().emulator:snapshot() },
    } do
      local done, err = service.emulator[call[1]](service.emulator, call[2])
      assert.is_nil(done)
      assert.are.equal("CannotWriteState", err.code)
    end
    mend()
    local events = service.emulator:events()
    assert.are.equal("CloudHsmInternalFailureException", events[#events - 1].code)
    assert.are.equal(before:match "^(.*)%[", facts():match "^(.*)%[", "all but the events")
    service:call("CreateHsm", { ClusterId = id, AvailabilityZone = "us-east-1b" })
    service = reopen(service)
    assert.are.equal(2, #service:cluster(id).Hsms)
  end)

  it("does not show what happened by itself before it is written", function()
    local service = open()
    local id = service:create_cluster()
    service.emulator.clock:advance(120) -- nobody has looked yet
    local mend = break_disk(service.emulator)
    assert.are.equal(500, service:ask("DescribeClusters", {}).status)
    mend()
    service.emulator.clock:advance(120)
    assert.are.equal("UNINITIALIZED", service:cluster(id).State)
    service = reopen(service)
    assert.are.equal("UNINITIALIZED", service:cluster(id).State)
  end)

  it("keeps what was restored, and that it was reset", function()
    local other = helper.new()
    local id = other:active_cluster()
    local service = open()
    service:create_cluster()
    assert(service.emulator:restore(other.emulator:snapshot()))
    service = reopen(service)
    assert.are.equal("ACTIVE", service:cluster(id).State)
    assert(service.emulator:reset())
    service = reopen(service)
    assert.are.same({}, service:call("DescribeClusters", {}).Clusters)
    assert.are.equal(helper.START, service.emulator:time())
  end)

  it("does not keep injected faults", function()
    local service = open()
    assert(service.emulator:inject { kind = "drop_after" })
    service = reopen(service)
    assert.are.same({}, service.emulator:faults())
  end)

  it("says what is wrong with the file", function()
    local service = open()
    local second, err = emulator.new { state = path }
    assert.is_nil(second)
    assert.are.equal("StateInUse", err.code)
    service.emulator:close()
    local file = assert(io.open(path, "wb"))
    file:write "something else\n"
    file:close()
    second, err = emulator.new { state = path }
    assert.is_nil(second)
    assert.are.equal("NoState", err.code)
    os.remove(path)
    local opened = assert(journal.open(path))
    assert(opened:commit { clock = '{"start":0,"advanced":0}' })
    opened:close()
    second, err = emulator.new { state = path }
    assert.is_nil(second)
    assert.are.equal("StateDamaged", err.code)
    assert.matches("the document schedule is missing", err.message, 1, true)
    assert(journal.open(path)):close() -- it was given up
  end)

  it("can be one of 3,000 backups", function()
    local service = open()
    local id = service:active_cluster()
    local store = service.emulator.world:store("111122223333", "us-east-1")
    local lifecycle = require "cloudhsmv2.emulator.lifecycle"
    for _ = 1, 3000 do
      lifecycle.begin_backup(service.emulator.world, store, store.clusters:get(id), service.emulator:time())
    end
    service.emulator:advance(3600)
    service:call("TagResource", { ResourceId = id, TagList = { { Key = "a", Value = "b" } } })
    service = reopen(service)
    assert.are.equal(3001, #service.emulator.world:store("111122223333", "us-east-1").backups.items)
    assert.are.equal("READY", service:backups()[50].BackupState)
  end)
end)
