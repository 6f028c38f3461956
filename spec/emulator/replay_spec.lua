local cloudhsmv2 = require "cloudhsmv2"
local emulator = require "cloudhsmv2.emulator"
local errors = require "cloudhsmv2.errors"
local helper = require "spec.emulator.helper"
local recording = require "cloudhsmv2.emulator.recording"

describe("a replay", function()
  local path
  before_each(function()
    path = os.tmpname()
  end)

  after_each(function()
    os.remove(path)
  end)

  local function client_of(runtime, options)
    local all = { region = "eu-west-1", credentials = helper.KEY, runtime = runtime, retry = { max_attempts = 1 } }
    for name, value in pairs(options or {}) do
      all[name] = value
    end
    return assert(cloudhsmv2.new(all))
  end

  -- What a program of the user's does: creates a cluster and waits for it.
  local function program(client)
    local out = assert(client:create_cluster {
      HsmType = "hsm2m.medium",
      Mode = "FIPS",
      SubnetIds = { "subnet-0a1b2c3d" },
      TagList = { { Key = "a", Value = "1" }, { Key = "b", Value = "2" } },
    })
    local cluster = assert(client:wait("cluster_created", { ClusterId = out.Cluster.ClusterId }))
    local _, err = client:delete_backup { BackupId = "backup-aaaaaaaaaaa" }
    return cluster, err
  end

  local function record()
    local service = assert(emulator.new { record = path, time = helper.START })
    local cluster, err = program(client_of(service:runtime()))
    service:close()
    return cluster, err
  end

  it("gives a program the answers that it was given before", function()
    local cluster, err = record()
    local replay = assert(emulator.replay(path))
    local total = replay:left()
    assert.is_true(total > 3)
    local runtime = replay:runtime()
    assert.are.equal(helper.START, runtime.time())
    local again, same_err = program(client_of(runtime))
    assert.are.same(cluster, again)
    assert.are.equal(err.code, same_err.code)
    assert.are.equal(err.request_id, same_err.request_id)
    assert.are.equal(0, replay:left())
  end)

  it("does not mind how a body is written, nor who asks", function()
    record()
    local replay = assert(emulator.replay(path))
    local body = '{ "TagList": [{"Value":"1","Key":"a"}, {"Value":"2","Key":"b"}],\n"SubnetIds":["subnet-0a1b2c3d"],'
      .. '"Mode":"FI\\u0050S","HsmType":"hsm2m.medium" }'
    local request = helper.request("CreateCluster", body, { time = 0, key = helper.OTHER_KEY, region = "us-west-2" })
    assert.are.equal(200, replay:handle(request).status)
  end)

  it("refuses another request than the next one, and says what it expected", function()
    record()
    local replay = assert(emulator.replay(path))
    local left = replay:left()
    local client = client_of(replay:runtime(), { retry = { max_attempts = 5 } })
    local out, err = client:describe_backups { MaxResults = 5 }
    assert.is_nil(out)
    assert.are.equal("ReplayMismatchException", err.code)
    assert.are.equal(1, err.attempts)
    assert.matches(("line 1 of %s is CreateCluster {"):format(path), err.message, 1, true)
    assert.matches('the request is DescribeBackups {"MaxResults":5}', err.message, 1, true)
    assert.are.equal(left, replay:left())

    out, err = client:create_cluster { HsmType = "hsm2m.medium", Mode = "NON_FIPS", SubnetIds = { "subnet-0a1b2c3d" } }
    assert.is_nil(out)
    assert.are.equal("ReplayMismatchException", err.code)
    program(client)
    out, err = client:describe_clusters {}
    assert.is_nil(out)
    assert.matches(
      ("all %d exchanges of %s were used; the request is DescribeClusters {}"):format(left, path),
      err.message,
      1,
      true
    )
  end)

  it("may take different requests in another order, and equal ones in theirs", function()
    local service = helper.new { record = path }
    local id = service:create_cluster()
    local filter = { Filters = { clusterIds = { id } } }
    service:call("DescribeClusters", filter)
    service.emulator:advance(120)
    service:call("DescribeClusters", filter)
    service:call("DescribeBackups", {})
    service.emulator:close()

    local replay = assert(emulator.replay(path, { order = "any" }))
    local function ask(operation, input)
      return replay:handle(helper.request(operation, input, { time = 0 })).body
    end
    assert.are.equal('{"Backups":[]}', ask("DescribeBackups", {}))
    assert.matches("CREATE_IN_PROGRESS", ask("DescribeClusters", filter), 1, true)
    assert.matches("UNINITIALIZED", ask("DescribeClusters", filter), 1, true)
    assert.matches("none of the 1 exchanges of " .. path, ask("DescribeClusters", filter), 1, true)
    assert.are.equal(1, replay:left())
  end)

  it("fails in the way that was recorded", function()
    local recorder = assert(recording.open(path))
    local inner = emulator.new({}):runtime()
    local runtime = setmetatable({
      send = function()
        return nil, { kind = "timeout", code = "ReadTimeout", message = "nothing came", sent = "maybe" }
      end,
    }, { __index = inner })
    local _, before = client_of(recording.runtime(runtime, recorder)):describe_clusters {}
    recorder:close()
    local _, after = client_of(assert(emulator.replay(path)):runtime()):describe_clusters {}
    for _, name in ipairs { "kind", "code", "message", "sent" } do
      assert.are.equal(before[name], after[name])
    end
  end)

  it("knows RAM's requests by their path and query", function()
    local service = helper.new { record = path }
    service:ram("ListResources", { resourceOwner = "SELF" })
    local target = "/deleteresourceshare?resourceShareArn=arn"
    service:ask_ram("DeleteResourceShare", nil, { method = "DELETE", target = target, body = "" })
    service.emulator:close()
    local replay = assert(emulator.replay(path))
    local wrong = helper.ram_request("GetResourceShares", { resourceOwner = "SELF" }, { time = 0 })
    assert.matches("is ListResources", replay:handle(wrong).body, 1, true)
    local right = helper.ram_request("ListResources", { resourceOwner = "SELF" }, { time = 0 })
    assert.are.equal(200, replay:handle(right).status)
    local options = { time = 0, method = "DELETE", target = target .. "x", body = "" }
    assert.are.equal(400, replay:handle(helper.ram_request("DeleteResourceShare", nil, options)).status)
    assert.matches("Mismatch", replay:handle(helper.ram_request("DeleteResourceShare", nil, options)).body, 1, true)
    options.target = target
    assert.matches("isn't valid", replay:handle(helper.ram_request("DeleteResourceShare", nil, options)).body, 1, true)
    assert.are.equal(0, replay:left())
  end)

  it("stands behind a server", function()
    record()
    local replay = assert(emulator.replay(path))
    local serving = assert(require("cloudhsmv2.emulator.server").new(replay))
    local client = require("socket").connect("127.0.0.1", serving.port)
    client:settimeout(0)
    client:send "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    local received = {}
    for _ = 1, 500 do
      serving:step(0.005)
      local data, err, part = client:receive(65536)
      received[#received + 1] = data or part
      if err == "closed" then
        break
      end
    end
    client:close()
    serving:close()
    local text = table.concat(received)
    assert.matches("^HTTP/1%.1 400 ", text)
    assert.matches("the request is GET /nothing", text, 1, true)
  end)

  it("says what is wrong with a file", function()
    local function refused(content)
      local file = assert(io.open(path, "wb"))
      file:write(content)
      file:close()
      local replay, err = emulator.replay(path)
      assert.is_nil(replay)
      assert.is_true(errors.is(err))
      assert.are.equal("InvalidRecording", err.code)
      return err.message
    end
    local good =
      '{"time":1,"request":{"method":"GET","target":"/","headers":[]},"response":{"status":200,"headers":[]}}\n'
    assert.matches(path .. ":1: not an exchange", refused "x", 1, true)
    assert.matches(path .. ":3: not an exchange", refused(good .. "\n{"), 1, true)
    assert.matches(path .. ":2: not an exchange: it has no request", refused(good .. "{}\n"), 1, true)
    assert.matches("it has no request", refused '{"request":{"method":"GET"},"response":{"status":200}}', 1, true)
    assert.matches("it has no response", refused '{"request":{"method":"GET","target":"/"}}', 1, true)
    assert.matches("it has no response", refused '{"request":{"method":"GET","target":"/"},"response":{}}', 1, true)
    local replay, err = emulator.replay "/nowhere/recording"
    assert.is_nil(replay)
    assert.matches("/nowhere/recording", err.message, 1, true)
    replay, err = emulator.replay("/tmp", {})
    assert.is_nil(replay)
    assert.are.equal("InvalidRecording", err.code)
    replay, err = emulator.replay(path, { order = "some" })
    assert.is_nil(replay)
    assert.matches("order: expected strict or any", err.message, 1, true)
  end)

  it("of nothing has no answer", function()
    local replay = assert(emulator.replay(path))
    assert.are.equal(0, replay:left())
    local answer = replay:handle(helper.request("DescribeClusters", {}, { time = 0 }))
    assert.are.equal(400, answer.status)
    assert.matches("all 0 exchanges", answer.body, 1, true)
  end)
end)
