local helper = require "spec.emulator.helper"

local INVALID = "CloudHsmInvalidRequestException"
local DAY = 86400

describe("pages", function()
  local service, all

  before_each(function()
    service = helper.new()
    service:active_cluster()
    service.emulator:advance(9 * DAY)
    all = {}
    for i, backup in ipairs(service:backups()) do
      all[i] = backup.BackupId
    end
    assert.are.equal(10, #all)
  end)

  local function page(input, token, options)
    local request = { NextToken = token }
    for name, value in pairs(input) do
      request[name] = value
    end
    return service:call("DescribeBackups", request, options)
  end

  local function collect(input, first)
    local found, out = {}, first or page(input)
    while true do
      for _, backup in ipairs(out.Backups) do
        found[#found + 1] = backup.BackupId
      end
      if not out.NextToken then
        return found
      end
      out = page(input, out.NextToken)
    end
  end

  it("hold everything once and in order, whatever their size", function()
    for size = 1, 11 do
      assert.are.same(all, collect { MaxResults = size })
    end
  end)

  it("end without a token, also when the last one is full", function()
    local first = page { MaxResults = 5 }
    assert.are.equal(5, #first.Backups)
    assert.is_nil(page({ MaxResults = 5 }, first.NextToken).NextToken)
    assert.is_nil(page({ MaxResults = 10 }).NextToken)
  end)

  it("may differ in size from one to the next", function()
    local first = page { MaxResults = 3 }
    assert.are.equal(all[4], page({ MaxResults = 1 }, first.NextToken).Backups[1].BackupId)
  end)

  it("hold what a filter leaves", function()
    for i = 1, 10, 2 do
      service:call("DeleteBackup", { BackupId = all[i] })
    end
    local found = collect { MaxResults = 2, Filters = { states = { "READY" } } }
    assert.are.same({ all[2], all[4], all[6], all[8], all[10] }, found)
  end)

  it("go on after an item that was deleted meanwhile, and skip what came before", function()
    service = helper.new { times = { backup_interval = 60, pending_deletion = 1, deleted_backup_listed = 0 } }
    service:active_cluster()
    service.emulator:advance(600)
    local listed = service:backups()
    local first = page { MaxResults = 3 }
    local last = first.Backups[3].BackupId
    service:call("DeleteBackup", { BackupId = last })
    service.emulator:advance(61)
    assert.are.same({}, service:backups { backupIds = { last } })
    local rest = collect({ MaxResults = 3 }, page({ MaxResults = 3 }, first.NextToken))
    assert.are.equal(#listed - 3, #rest)
    assert.are.equal(listed[4].BackupId, rest[1])
  end)

  it("are 50 backups where nothing else is asked for", function()
    service.emulator:advance(60 * DAY)
    local first = page {}
    assert.are.equal(50, #first.Backups)
    service = helper.new { page_sizes = { backups = 2 } }
    service:active_cluster()
    service.emulator:advance(9 * DAY)
    assert.are.equal(2, #page({}).Backups)
  end)

  it("of clusters and tags work alike", function()
    service = helper.new { quotas = { clusters = 9 } }
    local ids = {}
    for _ = 1, 5 do
      ids[service:create_cluster()] = true
    end
    local token
    for _ = 1, 3 do
      local out = service:call("DescribeClusters", { MaxResults = 2, NextToken = token })
      for _, cluster in ipairs(out.Clusters) do
        ids[cluster.ClusterId] = nil
      end
      token = out.NextToken
    end
    assert.is_nil(token)
    assert.are.same({}, ids)

    local id = service:create_cluster()
    for i = 1, 5 do
      service:call("TagResource", { ResourceId = id, TagList = { { Key = "key-" .. i, Value = "" } } })
    end
    local first = service:call("ListTags", { ResourceId = id, MaxResults = 2 })
    service:call("UntagResource", { ResourceId = id, TagKeyList = { "key-1", "key-2", "key-4" } })
    local second = service:call("ListTags", { ResourceId = id, MaxResults = 2, NextToken = first.NextToken })
    assert.are.same({ { Key = "key-3", Value = "" }, { Key = "key-5", Value = "" } }, second.TagList)
    assert.is_nil(second.NextToken)
  end)

  it("have tokens that say nothing and are short", function()
    local token = page({ MaxResults = 1 }).NextToken
    assert.is_true(#token <= 256)
    assert.is_nil(token:find(all[1], 1, true))
  end)

  it("start over with an empty token", function()
    assert.are.equal(all[1], page({ MaxResults = 1 }, "").Backups[1].BackupId)
  end)
end)

describe("a token", function()
  local service, token
  before_each(function()
    service = helper.new()
    service:active_cluster()
    service.emulator:advance(3 * DAY)
    token = service:call("DescribeBackups", { MaxResults = 1 }).NextToken
  end)

  local function refused(operation, input, options)
    assert.are.equal(INVALID, (service:refusal(operation, input, options)))
  end

  it("is refused when any of its characters changed", function()
    for i = 1, #token, 7 do
      local other = token:sub(i, i) == "0" and "1" or "0"
      refused("DescribeBackups", { NextToken = token:sub(1, i - 1) .. other .. token:sub(i + 1) })
    end
    refused("DescribeBackups", { NextToken = token .. "00" })
    refused("DescribeBackups", { NextToken = "AAAA" })
    refused("DescribeBackups", { NextToken = ("x"):rep(257) })
  end)

  it("is refused with another query, operation, account or region", function()
    refused("DescribeBackups", { NextToken = token, SortAscending = true })
    refused("DescribeBackups", { NextToken = token, Shared = true })
    refused("DescribeBackups", { NextToken = token, Filters = { states = { "READY" } } })
    refused("DescribeClusters", { NextToken = token })
    refused("DescribeBackups", { NextToken = token }, { key = helper.OTHER_KEY })
    refused("DescribeBackups", { NextToken = token }, { region = "eu-west-1" })
  end)

  it("of another emulator is refused", function()
    service = helper.new { seed = 2 }
    refused("DescribeBackups", { NextToken = token })
  end)

  it("of one list of tags is refused with another", function()
    local tags = { { Key = "a", Value = "" }, { Key = "b", Value = "" } }
    local first, second = service:create_cluster { TagList = tags }, service:create_cluster { TagList = tags }
    token = service:call("ListTags", { ResourceId = first, MaxResults = 1 }).NextToken
    refused("ListTags", { ResourceId = second, NextToken = token })
  end)
end)
