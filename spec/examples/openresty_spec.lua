-- The example's nginx is a real one, started by the example's own command; its modules are also tested alone.

local cjson = require "cjson"
local http = require "socket.http"
local socket = require "socket"

local outside = package.path
package.path = "./examples/openresty/lua/?.lua;" .. package.path
local failure = require "dashboard.failure"
local json = require "dashboard.json"
local metrics = require "dashboard.metrics"
local query = require "dashboard.query"
local summary = require "dashboard.summary"
package.path = outside

local errors = require "cloudhsmv2.errors"

local NOW = 1795478400 -- 2026-11-24 00:00 UTC
local HOUR, DAY = 3600, 86400 -- seconds
local LIFETIME = 120 -- seconds; nothing is left behind should this program die

local function read_all(path)
  local file = io.open(path)
  local text = file and file:read "*a" or ""
  if file then
    file:close()
  end
  return text
end

-- Starts the example; `arguments` of its command. Returns its URL, a function that stops it, and one that reads its log.
local function start(arguments, environment)
  local announcement, log = os.tmpname(), os.tmpname()
  -- no sanitizer in nginx: it is not what is tested
  local example = "exec env -u LD_PRELOAD %s bash examples/openresty/run"
  local options = " --until-stdin-closes --lifetime %d --announce %s %s >%s 2>&1"
  local command = (example .. options):format(environment or "", LIFETIME, announcement, arguments or "", log)
  local input = assert(io.popen(command, "w"))
  local url = ""
  for _ = 1, 300 do
    url = read_all(announcement):match "%S+" or ""
    if url ~= "" then
      break
    end
    socket.sleep(0.05)
  end
  os.remove(announcement)
  assert(url ~= "", "the example did not start: " .. read_all(log))
  return url, function()
    input:close()
    os.remove(log)
  end, function()
    return read_all(log)
  end
end

local function get(url)
  local body, status, headers = http.request(url)
  return status, body, headers
end

local function get_json(url)
  local status, body, headers = get(url)
  assert.matches("^application/json", headers["content-type"])
  return status, cjson.decode(body)
end

-- All items of a list, walked page by page, and how many pages there were.
local function walk(url, member, parameters)
  local items, pages, token = {}, 0, nil
  repeat
    local status, page = get_json(url .. "?" .. parameters .. (token and "&token=" .. token or ""))
    assert.are.equal(200, status)
    for _, item in ipairs(page[member]) do
      items[#items + 1] = item
    end
    pages, token = pages + 1, page.NextToken
  until not token
  return items, pages
end

describe("the dashboard in nginx, over an emulator with a month of history", function()
  local url, stop, log

  setup(function()
    url, stop, log = start()
  end)

  teardown(function()
    stop()
  end)

  it("gives out every backup exactly once, page by page", function()
    local seen, count = {}, 0
    local items, pages = walk(url .. "api/backups", "Backups", "limit=7")
    for _, backup in ipairs(items) do
      assert.is_nil(seen[backup.BackupId])
      seen[backup.BackupId] = true
      count = count + 1
    end
    assert.is_true(count >= 60)
    assert.are.equal(math.ceil(count / 7), pages)
    assert.are.equal(count, #walk(url .. "api/backups", "Backups", "limit=50"))
  end)

  it("filters backups by state and by cluster", function()
    local ready = walk(url .. "api/backups", "Backups", "state=READY")
    local id = ready[1].ClusterId
    for _, backup in ipairs(ready) do
      assert.are.equal("READY", backup.BackupState)
    end
    local of_cluster = walk(url .. "api/backups", "Backups", "limit=9&state=READY&cluster=" .. id)
    assert.is_true(#of_cluster > 0 and #of_cluster < #ready)
    for _, backup in ipairs(of_cluster) do
      assert.are.equal(id, backup.ClusterId)
    end
  end)

  it("answers a list that is empty with an empty JSON list", function()
    local status, body = get(url .. "api/backups?cluster=cluster-aaaaaaaaaaa")
    assert.are.equal(200, status)
    assert.are.equal('{"Backups":[]}', body)
  end)

  it("gives out every cluster, without passwords and certificates", function()
    local clusters = walk(url .. "api/clusters", "Clusters", "limit=3")
    assert.are.equal(4, #clusters)
    for _, cluster in ipairs(clusters) do
      assert.is_nil(cluster.PreCoPassword)
      assert.is_nil(cluster.Certificates)
      assert.is_string(cluster.State)
    end
  end)

  it("refuses a query that makes no sense with 400, and says why", function()
    for _, bad in ipairs {
      "limit=0",
      "limit=51",
      "limit=x",
      "state=ready",
      "cluster=1",
      "token=zzz",
      "page=2",
      "limit=1&limit=2",
    } do
      local status, answer = get_json(url .. "api/backups?" .. bad)
      assert.are.equal(400, status)
      assert.are.equal("validation", answer.error.kind)
      assert.is_true(#answer.error.message > 0)
    end
  end)

  it("sums up all backups, thirty days a cluster", function()
    local status, found = get_json(url .. "api/summary")
    assert.are.equal(200, status)
    local total = 0
    for _, entry in ipairs(found.Backups) do
      total = total + entry.Count
    end
    assert.are.equal(#walk(url .. "api/backups", "Backups", "limit=50"), total)
    local stale = {}
    for _, lane in ipairs(found.Lanes) do
      assert.are.equal(30, #lane.Days)
      stale[#stale + 1] = lane.Stale and lane.Name or nil
    end
    assert.are.same({ "staging" }, stale)
  end)

  it("warns in the log of one worker, once, about a cluster whose newest backup is too old", function()
    get(url .. "api/summary")
    local _, count = log():gsub("the newest READY backup of cluster%-%w+ is 1[%d.]+ hours old, more than 36", "")
    assert.are.equal(1, count)
  end)

  it("writes metrics that a line-by-line reader of Prometheus' format understands", function()
    get(url .. "api/summary")
    local status, body, headers = get(url .. "metrics")
    assert.are.equal(200, status)
    assert.are.equal("text/plain; version=0.0.4; charset=utf-8", headers["content-type"])
    local types, values = {}, {}
    for line in body:gmatch "([^\n]*)\n" do
      local name, kind = line:match "^# TYPE ([%w_]+) (%l+)$"
      if name then
        assert.is_nil(types[name])
        types[name] = kind
      elseif not line:find "^# HELP [%w_]+ ." then
        local metric, labels, value = line:match "^([%a_][%w_]*)(.-) ([%d.e+-]+)$"
        assert.is_truthy(types[metric], line)
        assert.is_truthy(labels == "" or labels:find '^{[%w_]+="[^"\\]*"[^{}]*}$', line)
        values[metric .. labels] = tonumber(value)
      end
    end
    assert.are.equal("gauge", types.cloudhsm_backups)
    assert.are.equal("counter", types.cloudhsm_api_calls_total)
    assert.are.equal(3, values['cloudhsm_clusters{state="ACTIVE"}'])
    assert.is_true(values['cloudhsm_backups{state="READY"}'] >= 50)
    assert.is_true(values['cloudhsm_api_calls_total{operation="DescribeBackups"}'] >= 1)
    assert.are.equal(0, values.cloudhsm_check_failures_total)
  end)

  it("sends its pages, answers and refusals under a strict policy", function()
    for _, path in ipairs { "", "dashboard.js", "dashboard.css", "api/backups", "api/backups?limit=0", "metrics", "none" } do
      local _, _, headers = get(url .. path)
      local policy = headers["content-security-policy"]
      assert.matches("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'", policy, 1, true)
      assert.is_nil(policy:find("unsafe", 1, true))
      assert.are.equal("nosniff", headers["x-content-type-options"])
      assert.are.equal("no-referrer", headers["referrer-policy"])
    end
  end)

  it("answers nothing but GET and HEAD, and gives out no other file", function()
    local _, status = http.request(url .. "api/backups", "x=1")
    assert.are.equal(405, status)
    _, status = http.request { url = url .. "api/backups", method = "HEAD" }
    assert.are.equal(200, status)
    assert.are.equal(404, (get(url .. "lua/dashboard/api.lua")))
    assert.are.equal(404, (get(url .. "nginx.conf")))
  end)

  it("its page loads nothing from elsewhere and has no script or style inside", function()
    local _, page = get(url)
    assert.is_nil(page:find "https?://")
    assert.is_nil(page:find "<style")
    assert.is_nil(page:find "<script>")
    assert.is_nil(page:find " style=")
    assert.is_nil(page:find " on%a+=")
  end)
end)

describe("the dashboard over a service that fails", function()
  it("answers 502 where nobody listens, and counts the failure", function()
    local listener = assert(socket.bind("127.0.0.1", 0))
    local _, port = listener:getsockname()
    listener:close()
    local url, stop = start("--endpoint http://127.0.0.1:" .. port)
    local status, answer = get_json(url .. "api/backups")
    local _, text = get(url .. "metrics")
    stop()
    assert.are.equal(502, status)
    assert.are.equal("transport", answer.error.kind)
    assert.matches('cloudhsm_api_errors_total{operation="DescribeBackups",kind="transport",code="%w+"} %d', text)
  end)

  it("answers 504 where nobody answers", function()
    local listener = assert(socket.bind("127.0.0.1", 0))
    local _, port = listener:getsockname()
    local url, stop = start("--endpoint http://127.0.0.1:" .. port, "API_TIMEOUT_SECONDS=0.3")
    local status, answer = get_json(url .. "api/clusters")
    stop()
    listener:close()
    assert.are.equal(504, status)
    assert.are.equal("timeout", answer.error.kind)
  end)
end)

describe("an error as an answer of HTTP", function()
  local function status(fields)
    fields.message = "m"
    return failure.status(errors.new(fields))
  end

  it("is the visitor's own mistake with 400, or 404", function()
    assert.are.equal(400, status { kind = "validation" })
    assert.are.equal(400, status { kind = "service", code = "CloudHsmInvalidRequestException", status = 400 })
    assert.are.equal(404, status { kind = "service", code = "CloudHsmResourceNotFoundException", status = 400 })
  end)

  it("passes on that the service asked to slow down, or took too long", function()
    assert.are.equal(429, status { kind = "throttled", code = "ThrottlingException", status = 400 })
    assert.are.equal(504, status { kind = "timeout" })
  end)

  it("is this server's own fault, or that of the service behind it, and never asks the visitor to log in", function()
    assert.are.equal(500, status { kind = "credentials" })
    assert.are.equal(500, status { kind = "config" })
    assert.are.equal(502, status { kind = "auth", code = "InvalidSignatureException", status = 403 })
    assert.are.equal(502, status { kind = "service", code = "AccessDeniedException", status = 400 })
    assert.are.equal(502, status { kind = "service", code = "CloudHsmInternalFailureException", status = 500 })
  end)

  it("has a status for every kind of error", function()
    for kind in pairs(errors.kinds) do
      local code = status { kind = kind }
      assert.is_true(code >= 400 and code <= 504)
    end
  end)

  it("tells kind, code, message and request id, and nothing else", function()
    local err =
      errors.new { kind = "auth", code = "C", message = "M", request_id = "R", body = "secret", cause = "secret" }
    local answer = cjson.decode(json.encode("ErrorResponse", failure.body(err)))
    assert.are.same({ error = { kind = "auth", code = "C", message = "M", request_id = "R" } }, answer)
  end)
end)

describe("a query", function()
  it("asks for the largest page when it does not say", function()
    assert.are.same({ limit = 50 }, query.read({}, 50))
    assert.are.same({ limit = 25 }, query.read({ limit = "", state = "" }, 25))
  end)

  it("is refused with a value twice or without one", function()
    assert.is_nil(query.read({ state = { "READY", "DELETED" } }, 50))
    assert.is_nil(query.read({ state = true }, 50))
  end)
end)

describe("a summary", function()
  local context = { now = NOW + 12 * HOUR, limit_hours = 36, region = "eu-west-1" }
  local function backup(age, state, fields)
    local made = { BackupState = state or "READY", ClusterId = "cluster-a", CreateTimestamp = context.now - age }
    for name, value in pairs(fields or {}) do
      made[name] = value
    end
    return made
  end
  local function active()
    return { { ClusterId = "cluster-a", State = "ACTIVE" } }
  end

  it("calls a cluster stale from the moment its newest READY backup is older than the limit", function()
    assert.is_false(summary.of({ backup(36 * HOUR) }, active(), context).Lanes[1].Stale)
    assert.is_true(summary.of({ backup(36 * HOUR + 1) }, active(), context).Lanes[1].Stale)
    assert.is_true(summary.of({ backup(HOUR, "PENDING_DELETION") }, active(), context).Lanes[1].Stale)
  end)

  it("calls no cluster stale that was never activated", function()
    local clusters = { { ClusterId = "cluster-a", State = "UNINITIALIZED" } }
    assert.is_false(summary.of({}, clusters, context).Lanes[1].Stale)
  end)

  it("takes a copy for as old as its source", function()
    local copy = backup(9 * DAY, "READY", { CopyTimestamp = context.now })
    assert.is_true(summary.of({ copy }, active(), context).Lanes[1].Stale)
  end)

  it("puts every backup on its day, the last of which is today", function()
    local found = summary.of({ backup(0), backup(HOUR), backup(29 * DAY), backup(30 * DAY) }, active(), context)
    local days = found.Lanes[1].Days
    assert.are.equal("2026-11-24", days[30].Date)
    assert.are.equal(2, days[30].Ready)
    assert.are.equal("2026-10-26", days[1].Date)
    assert.are.equal(1, days[1].Ready)
  end)

  it("shows clusters that only their backups know", function()
    local found = summary.of({ backup(HOUR) }, {}, context)
    assert.are.equal("cluster-a", found.Lanes[1].ClusterId)
    assert.is_nil(found.Lanes[1].State)
    assert.is_false(found.Lanes[1].Stale)
  end)
end)

describe("a label of a metric", function()
  it("cannot leave its quotes or its line", function()
    assert.are.equal([[a\"b\\c\nd]], metrics.escape 'a"b\\c\nd')
  end)
end)

describe("what the page may see", function()
  it("leaves out the password of a cluster, and members that nobody has listed", function()
    local shown = json.cluster {
      ClusterId = "cluster-a",
      PreCoPassword = "secret",
      Certificates = { ClusterCsr = "secret" },
      New = "secret",
      Hsms = { { HsmId = "hsm-a", New = "secret" } },
    }
    assert.is_nil(json.encode("ClustersResponse", { Clusters = { shown } }):find("secret", 1, true))
  end)

  it("keeps markup in a tag as the text that it is", function()
    local value = '<img src=x onerror="alert(1)">'
    local tags = { { Key = "Name", Value = value } }
    local text = json.encode("BackupsResponse", { Backups = { json.backup { BackupId = "backup-a", TagList = tags } } })
    assert.are.equal(value, cjson.decode(text).Backups[1].TagList[1].Value)
  end)
end)
