local cjson = require "cjson.safe"
local control = require "cloudhsmv2.emulator.control"
local errors = require "cloudhsmv2.errors"
local helper = require "spec.emulator.helper"

-- A request over HTTP, answered.
local function http(service, method, target, body, headers)
  local answer =
    control.handle(service.emulator, { method = method, target = target, headers = headers or {}, body = body or "" })
  local by_name = {}
  for _, pair in ipairs(answer.headers) do
    by_name[pair[1]] = pair[2]
  end
  assert.are.equal("application/json", by_name["content-type"])
  assert.are.equal(tostring(#answer.body), by_name["content-length"])
  return answer.status, cjson.decode(answer.body), answer.body, by_name
end

describe("the controls", function()
  local service
  before_each(function()
    service = helper.new()
  end)

  local function use(name, parameters)
    return assert(service.emulator:control(name, parameters))
  end

  it("tell the time and move the clock", function()
    assert.are.same({ time = helper.START, clock = "frozen" }, use "time")
    assert.are.same({ time = helper.START + 90.5 }, use("advance", { seconds = 90.5 }))
    assert.are.equal(helper.START + 90.5, service.emulator:time())
  end)

  it("let things happen at once that take a client or bad luck", function()
    service = helper.new { auto_activate = false }
    local id = service:active_cluster()
    assert.are.equal("INITIALIZED", service:cluster(id).State)
    use("activate_cluster", { cluster = id })
    assert.are.equal("ACTIVE", service:cluster(id).State)
    use("degrade_hsm", { hsm = service:cluster(id).Hsms[1].HsmId })
    assert.are.equal("DEGRADED", service:cluster(id).Hsms[1].State)
    use("degrade_cluster", { cluster = id })
    assert.are.equal("DEGRADED", service:cluster(id).State)
  end)

  it("replace an HSM by another one with the same interface and address", function()
    local id = service:active_cluster()
    local before = service:cluster(id).Hsms[1]
    local other = use("replace_hsm", { hsm = before.HsmId }).hsm
    local after = service:cluster(id).Hsms[1]
    assert.are.equal(other, after.HsmId)
    assert.are_not.equal(before.HsmId, after.HsmId)
    assert.are.equal(before.EniId, after.EniId)
    assert.are.equal(before.EniIp, after.EniIp)
    use("advance", { seconds = 313 })
    assert.are.equal("ACTIVE", service:cluster(id).Hsms[1].State)
  end)

  it("let the next one of something fail", function()
    local id = service:active_cluster()
    local backup = service:backups()[1]
    use("fail_next", { what = "hsm" })
    service:call("CreateHsm", { ClusterId = id, AvailabilityZone = "us-east-1b" })
    use("fail_next", { what = "copy", count = 1 })
    service:call("CopyBackupToRegion", { BackupId = backup.BackupId, DestinationRegion = "eu-west-1" })
    use("advance", { seconds = 313 })
    assert.are.equal("DEGRADED", service:cluster(id).Hsms[2].State)
    assert.are.equal("DELETED", service:backups(nil, { region = "eu-west-1" })[1].BackupState)

    use("fail_next", { what = "initialization" })
    local other = service:cluster_with_csr()
    local certificate, anchor = service:sign(service:cluster(other))
    service:call("InitializeCluster", { ClusterId = other, SignedCert = certificate, TrustAnchor = anchor })
    use("advance", { seconds = 60 })
    assert.are.equal("UNINITIALIZED", service:cluster(other).State)
    use("fail_next", { what = "migration", count = 3 })
    assert.are.equal(3, use("world").failures.migration)
  end)

  it("inject faults, list them and clear them", function()
    use("inject", { kind = "unavailable", operation = "DescribeClusters", count = 3 })
    assert.are.equal(503, service:ask("DescribeClusters", {}).status)
    local faults = use("faults").faults
    assert.are.equal("unavailable", faults[1].kind)
    assert.are.equal(2, faults[1].count)
    assert.are.equal(1, faults[1].struck)
    use "clear_faults"
    assert.are.same({}, use("faults").faults)
    assert.are.equal(200, service:ask("DescribeClusters", {}).status)
    local done, err = service.emulator:control("inject", { kind = "unavailble" })
    assert.is_nil(done)
    assert.are.equal("InvalidFault", err.code)
    assert.matches("did you mean unavailable?", err.message, 1, true)
  end)

  it("show the world as the API would, all accounts and regions of it, and what is going to happen", function()
    local id = service:create_cluster { TagList = { { Key = "a", Value = "b" } } }
    local other = service:create_cluster(nil, { key = helper.OTHER_KEY, region = "eu-west-1" })
    local world = use "world"
    assert.are.equal(helper.START, world.time)
    assert.are.equal(2, #world.stores)
    assert.are.equal("111122223333", world.stores[1].account)
    assert.are.equal("us-east-1", world.stores[1].region)
    assert.are.equal(id, world.stores[1].clusters[1].ClusterId)
    assert.are.same({ { Key = "a", Value = "b" } }, world.stores[1].clusters[1].TagList)
    assert.are.equal(other, world.stores[2].clusters[1].ClusterId)
    assert.are.equal("cluster_created", world.scheduled[1].kind)
    assert.are.equal(helper.START + 120, world.scheduled[1].at)
    assert.are.equal(2, #world.scheduled)

    world = use("world", { account = "444455556666" })
    assert.are.equal(1, #world.stores)
    assert.are.equal(other, world.stores[1].clusters[1].ClusterId)
    assert.are.equal(1, #world.scheduled)
    assert.are.same({}, use("world", { region = "us-west-2" }).stores)
  end)

  it("tell what happened and when", function()
    local id = service:cluster_with_csr()
    local states = {}
    for _, event in ipairs(use("events", { kind = "state" }).events) do
      states[#states + 1] = ("%d %s %s>%s"):format(
        event.time - helper.START,
        event.resource,
        tostring(event.from),
        tostring(event.to)
      )
    end
    assert.are.same({
      "0 cluster nil>CREATE_IN_PROGRESS",
      "120 cluster CREATE_IN_PROGRESS>UNINITIALIZED",
      "120 hsm nil>CREATE_IN_PROGRESS",
      "433 hsm CREATE_IN_PROGRESS>ACTIVE",
    }, states)
    local hsm = use("events", { kind = "state" }).events[4]
    assert.are.equal("HSM created.", hsm.message)
    assert.are.equal(id, hsm.cluster)
    assert.are.equal("111122223333", hsm.account)
    assert.are.equal("us-east-1", hsm.region)

    local last = use("events", { limit = 100 }).events
    local sequence = last[#last].sequence
    service:refusal("DeleteBackup", { BackupId = "backup-aaaaaaaaaaa" })
    service:call("DescribeClusters", {})
    use("advance", { seconds = 1 })
    local news = use("events", { after = sequence }).events
    assert.are.equal(2, #news)
    assert.are.equal("request", news[1].kind)
    assert.are.equal("DeleteBackup", news[1].operation)
    assert.are.equal("CloudHsmResourceNotFoundException", news[1].code)
    assert.are.equal(400, news[1].status)
    assert.is_string(news[1].request_id)
    assert.are.same({ kind = "control", name = "advance", parameters = { seconds = 1 } }, {
      kind = news[2].kind,
      name = news[2].name,
      parameters = news[2].parameters,
    })
    assert.are.equal(1, #use("events", { limit = 1 }).events)
    assert.are.equal(2, #use("events", { id = id }).events)
  end)

  it("tell what is gone", function()
    local id = service:create_cluster()
    service.emulator:advance(120)
    service:call("DeleteCluster", { ClusterId = id })
    service.emulator:advance(25 + 3600)
    local events = use("events", { kind = "state", id = id }).events
    assert.are.equal("DELETED", events[#events].from)
    assert.is_nil(events[#events].to)
    assert.are.equal(helper.START + 120 + 25 + 3600, events[#events].time)
  end)

  it("remember as many events as they are told to", function()
    service = helper.new { events = 10 }
    for _ = 1, 25 do
      service.emulator:control("advance", { seconds = 1 })
    end
    local events = use("events").events
    assert.are.equal(10, #events)
    assert.are.equal(16, events[1].sequence)
    assert.are.equal(25, events[10].sequence)
    assert.are.same({ 20 }, { use("events", { after = 19, limit = 1 }).events[1].sequence })
  end)

  it("go back to a snapshot, and begin anew", function()
    local id = service:create_cluster()
    local snapshot = use("snapshot").snapshot
    use("advance", { seconds = 500 })
    use("restore", { snapshot = snapshot })
    assert.are.equal("CREATE_IN_PROGRESS", service:cluster(id).State)
    use "reset"
    assert.is_nil(service:cluster(id))
    local events = use("events", { kind = "control" }).events
    assert.are.same({ "advance", "restore", "reset" }, { events[1].name, events[2].name, events[3].name })
    assert.is_nil(events[2].parameters.snapshot)
  end)

  it("tell what became of what was there before they went back", function()
    local id = service:create_cluster()
    use("restore", { snapshot = use("snapshot").snapshot })
    use("advance", { seconds = 120 })
    local events = use("events", { id = id }).events
    assert.are.equal(2, #events)
    assert.are.equal("CREATE_IN_PROGRESS", events[2].from)
    assert.are.equal("UNINITIALIZED", events[2].to)
  end)

  it("say what is wrong", function()
    local id = service:create_cluster()
    for _, case in ipairs {
      { "advanc", {}, "UnknownControl", "did you mean advance?" },
      { "advance", {}, "InvalidParameter", "advance needs seconds, a number that is not negative" },
      { "advance", { seconds = -1 }, "InvalidParameter", "seconds must be a number that is not negative" },
      { "advance", { seconds = 1 / 0 }, "InvalidParameter", "seconds must be" },
      { "advance", { seconds = 1, minutes = 1 }, "InvalidParameter", "advance has no parameter minutes" },
      { "time", { zone = "UTC" }, "InvalidParameter", "time has no parameter zone; it has none" },
      { "events", { kind = "states" }, "InvalidParameter", "kind must be one of state, request, control" },
      { "events", { limit = 1.5 }, "InvalidParameter", "limit must be a whole number" },
      { "fail_next", { what = "cluster" }, "InvalidParameter", "what must be one of hsm" },
      { "activate_cluster", { cluster = 5 }, "InvalidParameter", "cluster must be a text" },
      { "activate_cluster", { cluster = id }, "NotPossible", "not INITIALIZED" },
      { "activate_cluster", { cluster = "cluster-a" }, "NotPossible", "there is no cluster cluster-a" },
      { "degrade_cluster", { cluster = id }, "NotPossible", "no ACTIVE cluster" },
      { "degrade_hsm", { hsm = "hsm-a" }, "NotPossible", "no HSM hsm-a" },
      { "replace_hsm", { hsm = "hsm-a" }, "NotPossible", "hsm-a" },
      { "restore", { snapshot = "{}" }, "InvalidSnapshot", "not a snapshot" },
    } do
      local done, err = service.emulator:control(case[1], case[2])
      assert.is_nil(done, case[1])
      assert.is_true(errors.is(err))
      assert.are.equal("config", err.kind)
      assert.are.equal(case[3], err.code)
      assert.matches(case[4], err.message, 1, true)
    end
  end)
end)

describe("the controls over HTTP", function()
  local service
  before_each(function()
    service = helper.new()
  end)

  it("list themselves", function()
    local status, value = http(service, "GET", "/")
    assert.are.equal(200, status)
    local found = {}
    for _, entry in ipairs(value.controls) do
      found[entry.name] = entry
    end
    assert.are.same({ name = "advance", method = "POST", parameters = { "seconds" } }, found.advance)
    assert.are.equal("GET", found.world.method)
    assert.are.equal(15, #value.controls)
  end)

  it("take parameters from the query and from the body", function()
    local id = service:create_cluster()
    local status, value = http(service, "POST", "/advance", '{"seconds":120}')
    assert.are.equal(200, status)
    assert.are.equal(helper.START + 120, value.time)
    status, value = http(service, "GET", "/events?kind=state&after=1&limit=1&id=" .. id:gsub("%-", "%%2D"))
    assert.are.equal(200, status)
    assert.are.equal("UNINITIALIZED", value.events[1].to)
    status, value = http(service, "POST", "/reset")
    assert.are.equal(200, status)
    assert.are.same({}, value)
    assert.are.equal(200, (http(service, "POST", "/clear_faults", "  ")))
    assert.are.equal(200, (http(service, "HEAD", "/time")))
  end)

  it("show empty lists as lists", function()
    service:create_cluster()
    local _, _, body = http(service, "GET", "/world")
    for _, member in ipairs { "Hsms", "TagList", "backups", "shares", "faults" } do
      assert.matches('"' .. member .. '":[]', body, 1, true)
    end
    _, _, body = http(service, "GET", "/world?account=999999999999")
    assert.matches('"stores":[]', body, 1, true)
    assert.matches('"scheduled":[]', body, 1, true)
    _, _, body = http(service, "GET", "/events?after=1000")
    assert.are.equal('{"events":[]}', body)
    _, _, body = http(service, "GET", "/faults")
    assert.are.equal('{"faults":[]}', body)
  end)

  it("hand out a snapshot as it is, and take it back", function()
    local id = service:create_cluster()
    local status, _, body = http(service, "GET", "/snapshot")
    assert.are.equal(200, status)
    assert.are.equal(service.emulator:snapshot(), body)
    service.emulator:advance(120)
    assert.are.equal(200, (http(service, "POST", "/restore", body)))
    assert.are.equal("CREATE_IN_PROGRESS", service:cluster(id).State)
  end)

  it("refuse what is wrong with a status and an error as JSON", function()
    for _, case in ipairs {
      { 404, "UnknownControl", "POST", "/advanc", "{}" },
      { 404, "UnknownControl", "GET", "/world/x" },
      { 404, "UnknownControl", "OPTIONS", "*" },
      { 404, "UnknownControl", "GET", "/%ff\255" },
      { 405, "WrongMethod", "GET", "/advance?seconds=5" },
      { 405, "WrongMethod", "POST", "/world" },
      { 405, "WrongMethod", "DELETE", "/" },
      { 400, "InvalidBody", "POST", "/advance", "{" },
      { 400, "InvalidBody", "POST", "/advance", "5" },
      { 400, "InvalidBody", "POST", "/advance", "\255" },
      { 400, "InvalidParameter", "POST", "/advance", "[1]" },
      { 400, "InvalidParameter", "POST", "/advance", "{}" },
      { 400, "InvalidParameter", "POST", "/advance", '{"seconds":"-5"}' },
      { 400, "InvalidParameter", "POST", "/advance", '{"seconds":null}' },
      { 400, "InvalidParameter", "GET", "/events?kind=%00" },
      { 400, "InvalidFault", "POST", "/inject", '{"kind":"latency"}' },
      { 400, "InvalidSnapshot", "POST", "/restore", "" },
      { 409, "NotPossible", "POST", "/degrade_hsm", '{"hsm":"hsm-a"}' },
    } do
      local status, value, _, headers = http(service, case[3], case[4], case[5])
      assert.are.equal(case[1], status, case[4])
      assert.are.equal(case[2], value.error.code)
      assert.is_true(#value.error.message > 0)
      assert.are.equal(status == 405 and (case[4]:find "advance" and "POST" or "GET") or nil, headers.allow)
    end
    assert.are.equal(helper.START, service.emulator:time())
  end)

  it("refuse web pages", function()
    local headers = { { "Host", "localhost:8081" }, { "oRigin", "https://example.com" } }
    local status, value = http(service, "POST", "/advance", '{"seconds":5}', headers)
    assert.are.equal(403, status)
    assert.are.equal("FromBrowser", value.error.code)
    assert.are.equal(helper.START, service.emulator:time())
  end)

  it("say when the state cannot be written", function()
    local path = os.tmpname()
    service = helper.new { state = path }
    local file = service.emulator.journal.file
    service.emulator.journal.file = {
      append = function()
        return nil, "no space left"
      end,
    }
    local status, value = http(service, "POST", "/advance", '{"seconds":5}')
    assert.are.equal(500, status)
    assert.are.equal("CannotWriteState", value.error.code)
    service.emulator.journal.file = file
    service.emulator:close()
    os.remove(path)
  end)
end)

describe("the port of the controls", function()
  local socket = require "socket"
  local server = require "cloudhsmv2.emulator.server"
  local service, serving

  before_each(function()
    service = helper.new()
    serving = assert(server.new(service.emulator))
    serving.control = assert(serving:listen(function(request)
      return control.handle(service.emulator, request)
    end, { max_body = 100000 }))
  end)

  after_each(function()
    serving:close()
  end)

  -- The status and body of an answer to some bytes.
  local function exchange(port, bytes)
    local client = assert(socket.connect("127.0.0.1", port))
    client:settimeout(0)
    client:send(bytes)
    local received = {}
    for _ = 1, 2000 do
      serving:step(0.005)
      local data, err, part = client:receive(65536)
      received[#received + 1] = data or part
      if err == "closed" then
        break
      end
    end
    client:close()
    local text = table.concat(received)
    return tonumber(text:match "^HTTP/1%.1 (%d+)"), text:match "\r\n\r\n(.*)$"
  end

  local CLOSE = "Host: localhost\r\nConnection: close\r\n"

  it("is another one than that of the service, and neither does the other's work", function()
    assert.are_not.equal(serving.port, serving.control.port)
    assert.matches("^http://127%.0%.0%.1:%d+$", serving.control.url)
    local status, body = exchange(serving.control.port, "GET /time HTTP/1.1\r\n" .. CLOSE .. "\r\n")
    assert.are.equal(200, status)
    assert.are.equal(helper.START, cjson.decode(body).time)
    for _, control_name in ipairs(control.names()) do
      for _, method in ipairs { "GET", "POST" } do
        local line = ("%s /%s HTTP/1.1\r\n"):format(method, control_name)
        status, body = exchange(serving.port, line .. CLOSE .. "Content-Length: 2\r\n\r\n{}")
        assert.are.equal(404, status)
        assert.matches("UnknownOperationException", body, 1, true)
      end
    end
    local request = helper.request("DescribeClusters", {}, { time = socket.gettime() })
    local lines = { "POST / HTTP/1.1" }
    for _, pair in ipairs(request.headers) do
      lines[#lines + 1] = pair[1] .. ": " .. pair[2]
    end
    lines[#lines + 1] = "Connection: close\r\nContent-Length: " .. #request.body .. "\r\n\r\n" .. request.body
    assert.are.equal(405, (exchange(serving.control.port, table.concat(lines, "\r\n"))))
  end)

  it("takes larger bodies than the service", function()
    local body = '{"x":"' .. ("x"):rep(99000) .. '"}'
    local head = "POST /restore HTTP/1.1\r\n" .. CLOSE .. "Content-Length: "
    assert.are.equal(400, (exchange(serving.control.port, head .. #body .. "\r\n\r\n" .. body)))
    assert.are.equal(413, (exchange(serving.control.port, head .. "100001\r\n\r\n")))
  end)

  it("can be reached though the service is full", function()
    serving.max_connections = 2
    local clients = {}
    for i = 1, 4 do
      clients[i] = assert(socket.connect("127.0.0.1", serving.port))
      serving:step(0.01)
    end
    assert.are.equal(200, (exchange(serving.control.port, "GET /time HTTP/1.1\r\n" .. CLOSE .. "\r\n")))
    for _, client in ipairs(clients) do
      client:close()
    end
  end)

  it("must be free", function()
    local door, err = serving:listen(function() end, { port = serving.port })
    assert.is_nil(door)
    assert.are.equal("CannotListen", err.code)
  end)
end)
