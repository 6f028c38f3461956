--- The command is killed, and the disk gets full, while it keeps its state: nothing that it acknowledged is lost.

local child = require "spec.emulator.child"
local helper = require "spec.emulator.helper"
local random = require "cloudhsmv2.emulator.random"

local KILLS = 20
local KEYS = 5 -- tags of a cluster

-- Chance of every run, told in every failure. CLOUDHSMV2_SEED repeats a run.
local seed = tonumber(os.getenv "CLOUDHSMV2_SEED") or math.floor(require("socket").gettime() * 1000) % 2147483647

-- What the service acknowledged, and the one write of which nobody knows.
local function ledger()
  return { clusters = {}, time = 0, count = 0 }
end

local function known_tags(list)
  local tags = {}
  for _, tag in ipairs(list) do
    tags[tag.Key] = tag.Value
  end
  return tags
end

describe("the command with --state", function()
  local path, running

  before_each(function()
    path = os.tmpname()
    os.remove(path)
  end)

  after_each(function()
    if running then
      running:kill()
      running:clean()
      running = nil
    end
    os.remove(path)
  end)

  local function start(prefix)
    running =
      child.start({ "--state", path, "--control-port", "0", "--clock", "frozen", "--max-skew", "1000000000" }, prefix)
    return running
  end

  local function kill()
    running:kill()
    running:clean()
  end

  -- One write. Returns the status of its answer, nil when none came.
  local function write(book, chance)
    local dice = chance.draw()
    if dice < 0.1 or not book.clusters[1] then
      local region = "eu-west-" .. math.floor(chance.draw() * 3) + 1
      local input = { HsmType = "hsm2m.medium", Mode = "FIPS", SubnetIds = { helper.SUBNET_A } }
      local value, status = running:ask("CreateCluster", input, { region = region })
      if status == 200 then
        table.insert(book.clusters, { id = value.Cluster.ClusterId, region = region, tags = {} })
      end
      return status
    elseif dice < 0.2 then
      local seconds = math.floor(chance.draw() * 100)
      book.asked_time = book.time + seconds
      local _, status = running:control("POST", "/advance", ('{"seconds":%d}'):format(seconds))
      book.time = status == 200 and book.asked_time or book.time
      return status
    end
    local cluster = book.clusters[math.floor(chance.draw() * #book.clusters) + 1]
    local key, value = "k" .. math.floor(chance.draw() * KEYS), ("v%d"):format(math.floor(chance.draw() * 1e9))
    value = dice < 0.8 and value or nil
    book.open = { id = cluster.id, key = key, value = value }
    local input = { ResourceId = cluster.id }
    if value then
      input.TagList = { { Key = key, Value = value } }
    else
      input.TagKeyList = { key }
    end
    local _, status = running:ask(value and "TagResource" or "UntagResource", input, { region = cluster.region })
    if status == 200 then
      cluster.tags[key] = value
      book.open = nil
    end
    return status
  end

  -- What of the ledger the service does not have. The ledger follows what nobody knew.
  local function missing(book, start_time)
    local lost, open = {}, book.open or {}
    for _, cluster in ipairs(book.clusters) do
      local value = running:ask("ListTags", { ResourceId = cluster.id }, { region = cluster.region })
      local tags = known_tags(value.TagList or {})
      if not value.TagList then
        lost[#lost + 1] = cluster.id
      end
      for i = 0, KEYS - 1 do
        local key = "k" .. i
        local nobody_knows = open.id == cluster.id and open.key == key and tags[key] == open.value
        if tags[key] ~= cluster.tags[key] and not nobody_knows then
          local text = "%s=%s of %s, and it is %s"
          lost[#lost + 1] = text:format(key, tostring(cluster.tags[key]), cluster.id, tostring(tags[key]))
        end
      end
      cluster.tags = tags
    end
    local time = running:control("GET", "/time").time - start_time
    if time ~= book.time and time ~= book.asked_time then
      lost[#lost + 1] = ("a time of %g, and it is %g"):format(book.time, time)
    end
    book.time, book.open = time, nil
    return table.concat(lost, "; ")
  end

  it("loses no acknowledged write when it is killed at any moment", function()
    local chance, book = random.new(seed), ledger()
    local start_time = start():control("GET", "/time").time
    for round = 1, KILLS do
      running:kill_after(chance.draw() * 0.4)
      repeat
        local status = write(book, chance)
        book.count = book.count + (status == 200 and 1 or 0)
      until not status
      kill()
      start()
      local lost = missing(book, start_time)
      assert.are.equal("", lost, ("lost after kill %d, CLOUDHSMV2_SEED=%d"):format(round, seed))
    end
    assert.is_true(book.count > 0, ("no write at all, CLOUDHSMV2_SEED=%d"):format(seed))
  end)

  it("acknowledges nothing once there is no room, and goes on when there is", function()
    local chance, book = random.new(seed), ledger()
    local start_time = start("trap '' XFSZ; ulimit -f 24;"):control("GET", "/time").time -- blocks of 512 bytes
    local refused, after = 0, 0
    for _ = 1, 3000 do
      local status = write(book, chance)
      assert.is_truthy(status)
      refused = refused + (status == 500 and 1 or 0)
      if status == 500 then
        book.open = nil -- it says that it did nothing
        after = after + 1
        if after > 20 then
          break
        end
      end
    end
    assert.is_true(refused > 20)
    assert.are.equal("", missing(book, start_time))
    kill()
    start()
    assert.are.equal("", missing(book, start_time))
    assert.are.equal(200, write(book, chance))
  end)

  it("says that a change was not finished, and who has the file", function()
    start()
    local second = io.popen(
      ("%s src/bin/cloudhsmv2-emulator --port 0 --lifetime 5 --state %s 2>&1; echo code $?"):format(
        rawget(_G, "jit") and "luajit" or (_VERSION:gsub("^Lua ", "lua")),
        path
      )
    )
    local text = second:read "*a"
    second:close()
    assert.are.equal(("cloudhsmv2-emulator: %s: another emulator has this state open\ncode 1\n"):format(path), text)
    kill()
    local file = assert(io.open(path, "ab"))
    file:write "0123456789abcdef 50 {"
    file:close()
    start()
    assert.matches(("%s: dropped 21 bytes of a change that was not finished"):format(path), running:output(), 1, true)
  end)
end)
