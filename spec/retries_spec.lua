-- Retries through the whole client, over a runtime whose answers are a script and whose clock moves only when it sleeps.

local cloudhsmv2 = require "cloudhsmv2"
local curl = require "cloudhsmv2.runtime.curl"
local emulator = require "cloudhsmv2.emulator"
local fake_runtime = require "spec.helper.fake_runtime"
local model = require "cloudhsmv2.model"
local server = require "spec.helper.server"

local ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
local HSM = { ClusterId = "cluster-a", AvailabilityZone = "eu-west-1a" }
local header = fake_runtime.header

-- A client over a scripted runtime, the runtime, and the events. Chance is a half unless it is given.
local function client_of(script, fields)
  local runtime, events = fake_runtime.new(script), {}
  local options = {
    region = "eu-west-1",
    credentials = { access_key_id = ID, secret_access_key = SECRET },
    runtime = runtime,
    getenv = function() end,
    random = function()
      return 0.5
    end,
    on_event = function(event)
      events[#events + 1] = event
    end,
  }
  for name, value in pairs(fields or {}) do
    options[name] = value
  end
  return assert(cloudhsmv2.new(options)), runtime, events
end

local function failing(kind, code, sent)
  return { failure = { kind = kind, code = code, message = code .. " happened", sent = sent } }
end

local function refusal(status, code, headers)
  return { status = status, body = '{"__type":"' .. code .. '","Message":"no"}', headers = headers }
end

local UNAVAILABLE = { status = 503, body = "" }
local REFUSED = failing("transport", "CouldNotConnect", "no")
local LOST = failing("transport", "EmptyReply", "maybe")
local THROTTLED = refusal(400, "ThrottlingException")

local function of_type(events, type)
  local found = {}
  for _, event in ipairs(events) do
    if event.type == type then
      found[#found + 1] = event
    end
  end
  return found
end

describe("a call of a service that answers 503 twice, then 200", function()
  it("is sent three times, with the delays of the formula", function()
    for _, chance in ipairs { 0, 0.25, 0.999 } do
      local client, runtime = client_of({ UNAVAILABLE, UNAVAILABLE, {} }, {
        random = function()
          return chance
        end,
      })
      local out = assert(client:describe_clusters())
      assert.are.equal(2, out.ResponseMetadata.RetryAttempts)
      assert.are.equal(3, #runtime.requests)
      assert.are.same({ chance * 0.05, chance * 0.1 }, runtime.slept)
    end
  end)

  it("stays within the formula with chance as it is", function()
    local client, runtime = client_of({ UNAVAILABLE, UNAVAILABLE, {} }, { random = math.random })
    assert(client:describe_clusters())
    assert.is_true(runtime.slept[1] >= 0 and runtime.slept[1] < 0.05)
    assert.is_true(runtime.slept[2] >= 0 and runtime.slept[2] < 0.1)
  end)

  it("is the same bytes under the same invocation id, counted, and with an end from the second on", function()
    local client, runtime = client_of { UNAVAILABLE, UNAVAILABLE, {} }
    assert(client:describe_backups({ MaxResults = 5 }, { read_timeout = 30 }))
    local ids = {}
    local counts = {}
    for i, request in ipairs(runtime.requests) do
      ids[header(request, "amz-sdk-invocation-id")] = true
      counts[i] = header(request, "amz-sdk-request")
      assert.are.equal('{"MaxResults":5}', request.body)
    end
    assert.is_nil(next(ids, (next(ids))))
    assert.are.same({
      "attempt=1; max=3",
      "ttl=20150830T123630Z; attempt=2; max=3",
      "ttl=20150830T123630Z; attempt=3; max=3",
    }, counts)
  end)

  it("has credentials and a signature of its own for every attempt", function()
    local asked = 0
    local client, runtime = client_of({ UNAVAILABLE, UNAVAILABLE, {} }, {
      credentials = function()
        asked = asked + 1
        return { access_key_id = "AKIDEXAMPLE" .. asked, secret_access_key = SECRET }
      end,
    })
    runtime.sleep = function()
      runtime.wall = runtime.wall + 60
    end
    assert(client:describe_clusters())
    for i, request in ipairs(runtime.requests) do
      assert.is_truthy(header(request, "Authorization"):find("Credential=AKIDEXAMPLE" .. i .. "/", 1, true))
      assert.are.equal(("20150830T12%d00Z"):format(35 + i), header(request, "X-Amz-Date"))
    end
  end)

  it("fails with one attempt, by setting, environment or call", function()
    local one = { retry = { max_attempts = 1 } }
    local environment = {
      getenv = function(name)
        return name == "AWS_MAX_ATTEMPTS" and "1" or nil
      end,
    }
    for _, case in ipairs { { one }, { environment }, { {}, { max_attempts = 1 } } } do
      local client, runtime = client_of({ UNAVAILABLE, UNAVAILABLE, {} }, case[1])
      local _, err = client:describe_clusters({}, case[2])
      assert.are.equal("HTTP503", err.code)
      assert.is_true(err.MaxAttemptsReached)
      assert.are.equal(1, #runtime.requests)
      assert.are.equal("attempt=1; max=1", header(runtime.requests[1], "amz-sdk-request"))
    end
  end)
end)

describe("a call that fails in the end", function()
  it("has every attempt in its error, with the delay behind it", function()
    local client, runtime = client_of { failing("transport", "ConnectionReset", "maybe"), THROTTLED, UNAVAILABLE }
    runtime.exchange_time = 0.25
    local _, err = client:describe_clusters()
    assert.are.equal("HTTP503", err.code)
    assert.are.equal(3, err.attempts)
    assert.is_true(err.MaxAttemptsReached)
    assert.is_nil(err.RetryQuotaReached)
    assert.is_true(math.abs(0.75 + 0.025 + 1 - err.elapsed) < 1e-9)
    assert.are.same({
      { kind = "transport", code = "ConnectionReset", sent = "maybe", elapsed = 0.25, delay = 0.025 },
      { kind = "throttled", code = "ThrottlingException", status = 400, sent = "yes", elapsed = 0.25, delay = 1 },
      { kind = "service", code = "HTTP503", status = 503, sent = "yes", elapsed = 0.25 },
    }, err.history)
    assert.is_truthy(tostring(err):find("3 attempts", 1, true))
  end)

  it("was sent if any of its attempts was", function()
    local client = client_of { LOST, REFUSED }
    local _, err = client:describe_clusters()
    assert.are.equal("CouldNotConnect", err.code)
    assert.are.equal("maybe", err.sent)
    assert.are.equal("no", err.history[3].sent)
  end)

  it("does not repeat what no repetition can change", function()
    local final = {
      refusal(400, "CloudHsmInvalidRequestException"),
      refusal(400, "ExpiredTokenException"),
      refusal(403, "AccessDeniedException"),
      { status = 501 },
      { status = 302 },
      { status = 200, body = '{"Clusters":7}' },
      failing("tls", "CertificateExpired", "no"),
      failing("proxy", "ProxyAuthenticationRequired", "no"),
      failing("config", "InvalidUrl", "no"),
      failing("protocol", "BodyTooLarge", "yes"),
      failing("transport", "OutOfMemory", "maybe"),
    }
    for _, answer in ipairs(final) do
      local client, runtime = client_of { answer }
      local _, err = client:describe_clusters()
      assert.are.equal(1, #runtime.requests)
      assert.is_nil(err.MaxAttemptsReached)
      assert.is_false(err.retryable)
    end
  end)

  it("tries an answer that is no JSON, and a handshake that broke off, once more", function()
    for _, answer in ipairs { { body = "<html>" }, failing("tls", "TlsHandshakeFailed", "no") } do
      local client, runtime = client_of({ answer }, { retry = { max_attempts = 9 } })
      local _, err = client:describe_clusters()
      assert.are.equal(2, #runtime.requests)
      assert.is_nil(err.MaxAttemptsReached)
    end
  end)

  it("says so when an attempt before may have done what is refused now", function()
    local gone = refusal(400, "CloudHsmResourceNotFoundException")
    local client = client_of { LOST, gone }
    local _, err = client:delete_backup { BackupId = "backup-a" }
    assert.are.equal("CloudHsmResourceNotFoundException", err.code)
    assert.is_true(err.already_done_possible)
    assert.is_nil(select(2, client_of({ gone }):delete_backup { BackupId = "backup-a" }).already_done_possible)
    client = client_of { THROTTLED, gone }
    assert.is_nil(select(2, client:delete_backup { BackupId = "backup-a" }).already_done_possible)
    client = client_of { LOST, gone }
    assert.is_nil(select(2, client:list_tags { ResourceId = "backup-a" }).already_done_possible)
  end)
end)

describe("the quota", function()
  it("ends the retries of a client whose calls all fail, and recovers with those that succeed", function()
    local failing_now = true
    local client, runtime = client_of(function()
      return failing_now and UNAVAILABLE or {}
    end)
    local err
    for _ = 1, 18 do
      _, err = client:describe_clusters()
    end
    assert.is_true(err.RetryQuotaReached)
    assert.is_nil(err.MaxAttemptsReached)
    assert.are.equal(18 + 35, #runtime.requests) -- 500 / 14 = 35 retries
    failing_now = false
    for _ = 1, 4 do
      assert(client:describe_clusters())
    end
    failing_now = true
    err = select(2, client:describe_clusters())
    assert.are.equal(2, err.attempts) -- 10 were left, and 4 came back
  end)

  it("bounds a storm of throttling over many calls", function()
    local client, runtime = client_of { THROTTLED }
    for _ = 1, 1000 do
      client:describe_clusters()
    end
    assert.are.equal(1000 + 100, #runtime.requests)
  end)

  it("belongs to one client", function()
    local spent = client_of { THROTTLED }
    for _ = 1, 100 do
      spent:describe_clusters()
    end
    local _, err = client_of({ THROTTLED }):describe_clusters()
    assert.are.equal(3, err.attempts)
  end)
end)

describe("what the service asks to wait", function()
  it("is waited, but never much longer than our own delay", function()
    local client, runtime = client_of {
      { status = 503, headers = { ["x-amz-retry-after"] = "1500" } },
      { status = 503, headers = { ["retry-after"] = "3600" } },
      {},
    }
    assert(client:describe_clusters())
    assert.are.same({ 1.5, 5.05 }, runtime.slept)
  end)

  it("is forgotten with the next attempt", function()
    local client, runtime = client_of { { status = 503, headers = { ["x-amz-retry-after"] = "1500" } }, LOST, {} }
    assert(client:describe_clusters())
    assert.are.same({ 1.5, 0.05 }, runtime.slept)
  end)
end)

describe("the deadline of a call", function()
  it("holds over all attempts: a delay that would pass it is not begun", function()
    local client, runtime = client_of({ THROTTLED }, { timeout = 1.5, retry = { max_attempts = 9 } })
    local _, err = client:describe_clusters()
    assert.are.equal("ThrottlingException", err.code)
    assert.are.same({ 0.5 }, runtime.slept)
    assert.are.equal(2, #runtime.requests)
    assert.are.equal(1.5, runtime.requests[1].timeout)
    assert.are.equal(1, runtime.requests[2].timeout)
    assert.is_nil(err.MaxAttemptsReached)
  end)

  it("that has passed ends the call at once", function()
    local client, runtime = client_of({ failing("timeout", "DeadlineExceeded", "maybe") }, { timeout = 2 })
    runtime.exchange_time = 2
    local _, err = client:describe_clusters()
    assert.are.equal("timeout", err.kind)
    assert.are.equal(1, err.attempts)
    assert.are.same({}, runtime.slept)
  end)
end)

describe("an operation that must not be done twice", function()
  it("is sent exactly once when its answer is lost, and the error says how to reconcile", function()
    for _, doubt in ipairs { LOST, UNAVAILABLE, failing("timeout", "ReadTimeout", "maybe"), { body = "<html>" } } do
      local client, runtime = client_of { doubt, {} }
      local _, err = client:create_hsm(HSM)
      assert.are.equal("ambiguous", err.kind)
      assert.are.equal(model.operations.CreateHsm.reconcile, err.reconcile)
      assert.are.equal(1, err.attempts)
      assert.are.equal(1, #runtime.requests)
      assert.are.same({}, runtime.slept)
      assert.is_nil(err.MaxAttemptsReached)
    end
  end)

  it("is tried again while no connection comes about, and sent once", function()
    local client, runtime = client_of { REFUSED, REFUSED, { body = '{"Hsm":{"HsmId":"hsm-a"}}' } }
    local out = assert(client:create_hsm(HSM))
    assert.are.equal("hsm-a", out.Hsm.HsmId)
    assert.are.equal(2, out.ResponseMetadata.RetryAttempts)
    assert.are.equal(3, #runtime.requests)
    for _, request in ipairs(runtime.requests) do
      assert.is_true(request.fresh_connection)
    end
  end)

  it("is tried again after a throttled answer, which has done nothing", function()
    local client, runtime = client_of { THROTTLED, refusal(503, "SlowDown"), {} }
    assert(client:create_hsm(HSM))
    assert.are.same({ 0.5, 1 }, runtime.slept)
  end)

  it("is a plain failure when it never left, and ambiguous when an answer is lost after that", function()
    local _, err = client_of({ REFUSED }):create_hsm(HSM)
    assert.are.equal("transport", err.kind)
    assert.are.equal("no", err.sent)
    assert.are.equal(3, err.attempts)
    _, err = client_of({ REFUSED, LOST, {} }):create_hsm(HSM)
    assert.are.equal("ambiguous", err.kind)
    assert.are.equal(2, err.attempts)
  end)

  it("is sent at most once in every order of failures", function()
    local answers = { REFUSED, THROTTLED, LOST, UNAVAILABLE, failing("timeout", "ReadTimeout", "maybe"), {} }
    for first = 1, #answers do
      for second = 1, #answers do
        for third = 1, #answers do
          local script = { answers[first], answers[second], answers[third] }
          local client, runtime = client_of(script)
          client:create_hsm(HSM)
          local possible = 0
          for i = 1, #runtime.requests do
            if script[i] ~= REFUSED and script[i] ~= THROTTLED then
              possible = possible + 1
            end
          end
          assert.is_true(possible <= 1)
        end
      end
    end
  end)
end)

describe("retry_ambiguous", function()
  it("sends again what must not be done twice, still over fresh connections", function()
    local client, runtime = client_of({ LOST, UNAVAILABLE, {} }, { retry_ambiguous = true })
    assert(client:create_hsm(HSM))
    assert.are.equal(3, #runtime.requests)
    for _, request in ipairs(runtime.requests) do
      assert.is_true(request.fresh_connection)
    end
  end)

  it("leaves it ambiguous when any attempt may have done it, whatever came last", function()
    for _, last in ipairs { LOST, REFUSED, THROTTLED, refusal(400, "CloudHsmInvalidRequestException") } do
      local client = client_of({ LOST, last }, { retry_ambiguous = true })
      local _, err = client:create_hsm(HSM)
      assert.are.equal("ambiguous", err.kind)
      assert.are.not_equal("no", err.sent)
      assert.is_string(err.reconcile)
    end
    local _, err = client_of({ LOST }, { retry_ambiguous = true }):create_hsm(HSM)
    assert.is_true(err.MaxAttemptsReached)
  end)
end)

describe("a clock that is wrong", function()
  local SERVICE = "Sun, 30 Aug 2015 13:36:00 GMT" -- an hour ahead of the runtime's

  it("is corrected by the service's date, and the refused request signed anew", function()
    for _, name in ipairs { "describe_clusters", "create_hsm" } do
      local client, runtime, events = client_of {
        refusal(403, "RequestTimeTooSkewed", { date = SERVICE }),
        { headers = { date = SERVICE } },
      }
      assert(client[name](client, name == "create_hsm" and HSM or {}))
      assert.are.equal("20150830T123600Z", header(runtime.requests[1], "X-Amz-Date"))
      assert.are.equal("20150830T133600Z", header(runtime.requests[2], "X-Amz-Date"))
      assert.is_truthy(header(runtime.requests[2], "amz-sdk-request"):find("ttl=20150830T133700Z", 1, true))
      assert.are.equal(3600, of_type(events, "skew_corrected")[1].seconds)
      assert.are.equal(1, #of_type(events, "skew_corrected"))
      assert.are.equal("skew", of_type(events, "retry")[1].reason)
      assert(client:describe_clusters())
      assert.are.equal("20150830T133600Z", header(runtime.requests[3], "X-Amz-Date"))
    end
  end)

  it("is not the reason when the correction did not help", function()
    local client, runtime = client_of { refusal(403, "SignatureDoesNotMatch", { date = SERVICE }) }
    local _, err = client:describe_clusters()
    assert.are.equal("auth", err.kind)
    assert.are.equal(2, #runtime.requests)
    assert.is_false(err.retryable)
  end)

  it("is not the reason of a failure after it was corrected", function()
    local skewed = refusal(403, "RequestTimeTooSkewed", { date = SERVICE })
    local client, runtime = client_of { skewed, failing("credentials", "AccessDeniedException", "no") }
    local _, err = client:describe_clusters()
    assert.are.equal("credentials", err.kind)
    assert.are.equal(2, #runtime.requests)
  end)

  it("does not make an answer a refusal that may come after the deed", function()
    local client, runtime = client_of { refusal(500, "AccessDeniedException", { date = SERVICE }), {} }
    local _, err = client:create_hsm(HSM)
    assert.are.equal("ambiguous", err.kind)
    assert.are.equal(1, #runtime.requests)
  end)

  it("stays wrong where the correction is switched off", function()
    local client, runtime, events = client_of({ refusal(403, "RequestTimeTooSkewed", { date = SERVICE }) }, {
      getenv = function(name)
        return name == "AWS_DISABLE_CLOCK_SKEW_CORRECTION" and "true" or nil
      end,
    })
    client:describe_clusters()
    client:describe_clusters()
    assert.are.equal(2, #runtime.requests)
    assert.are.equal("20150830T123600Z", header(runtime.requests[2], "X-Amz-Date"))
    assert.are.same({}, of_type(events, "skew_corrected"))
  end)
end)

describe("adaptive mode", function()
  local adaptive = { retry = { mode = "adaptive", max_attempts = 2 } }

  it("holds requests back after a throttled answer, and says so", function()
    local client, runtime, events = client_of({ THROTTLED, {} }, adaptive)
    assert(client:describe_clusters())
    assert.are.same({ 0.5, 1.5 }, runtime.slept) -- the delay, then what half a request a second has not yet refilled
    assert.are.same(
      { { "service", 0.5 }, { "rate", 1.5 } },
      (function()
        local told = {}
        for i, event in ipairs(of_type(events, "throttled")) do
          told[i] = { event.reason, event.delay }
        end
        return told
      end)()
    )
    assert(client:describe_clusters())
    assert.is_true(runtime.slept[3] > 0)
    assert.is_truthy(header(runtime.requests[1], "User-Agent"):find(" m/F,e cfg/retry-mode#adaptive", 1, true))
  end)

  it("ends a call with its last error, or without any attempt, when it would be held beyond its deadline", function()
    local client, runtime = client_of({ THROTTLED }, adaptive)
    local _, err = client:describe_clusters({}, { timeout = 1.9 })
    assert.are.equal("ThrottlingException", err.code)
    assert.are.same({ 0.5 }, runtime.slept)
    _, err = client:describe_clusters({}, { timeout = 0.1 })
    assert.are.same({ "timeout", "DeadlineExceeded", "no", 0 }, { err.kind, err.code, err.sent, err.attempts })
    assert.are.equal(1, #runtime.requests)
  end)
end)

describe("credentials that the service calls expired", function()
  local EXPIRED = refusal(400, "ExpiredTokenException")

  local function keys_in_turn(fields)
    local asked = 0
    return function()
      asked = asked + 1
      local keys = { access_key_id = "AKIDEXAMPLE" .. asked, secret_access_key = SECRET, session_token = "token" }
      for name, value in pairs(fields or {}) do
        keys[name] = value
      end
      return keys
    end
  end

  local function key_of(request)
    return header(request, "Authorization"):match "Credential=([^/]+)"
  end

  it("are asked for once more, whatever their expiration says, and the call goes on", function()
    local client, runtime, events = client_of({ EXPIRED, {} }, { credentials = keys_in_turn { expiration = 2e9 } })
    assert(client:describe_clusters())
    assert.are.equal(2, #runtime.requests)
    assert.are.equal("AKIDEXAMPLE1", key_of(runtime.requests[1]))
    assert.are.equal("AKIDEXAMPLE2", key_of(runtime.requests[2]))
    assert.are.equal("credentials", of_type(events, "retry")[1].reason)
  end)

  it("are so for what must not be done twice, since nothing was done", function()
    local client, runtime = client_of({ EXPIRED, {} }, { credentials = keys_in_turn() })
    assert(client:create_hsm(HSM))
    assert.are.equal(2, #runtime.requests)
  end)

  it("are an error the second time in a call", function()
    local client, runtime = client_of({ EXPIRED }, { credentials = keys_in_turn() })
    local _, err = client:describe_clusters()
    assert.are.same({ "auth", "ExpiredTokenException", false }, { err.kind, err.code, err.retryable })
    assert.are.equal(2, #runtime.requests)
  end)

  it("are an error at once where there can be no others", function()
    local client, runtime = client_of { EXPIRED }
    local _, err = client:describe_clusters()
    assert.are.equal("ExpiredTokenException", err.code)
    assert.are.equal(1, #runtime.requests)
  end)
end)

describe("events", function()
  it("tell of every retry, with its delay and reason", function()
    local client, _, events = client_of { UNAVAILABLE, THROTTLED, {} }
    assert(client:describe_clusters())
    local id = events[1].invocation_id
    assert.are.same({
      {
        type = "retry",
        reason = "transient",
        delay = 0.025,
        operation = "DescribeClusters",
        attempt = 1,
        invocation_id = id,
      },
      {
        type = "retry",
        reason = "throttled",
        delay = 1,
        operation = "DescribeClusters",
        attempt = 2,
        invocation_id = id,
      },
    }, of_type(events, "retry"))
    assert.are.equal(1, #of_type(events, "throttled"))
  end)

  it("tell of no retry where there is none", function()
    local client, _, events = client_of({ THROTTLED }, { retry = { max_attempts = 1 } })
    client:describe_clusters()
    assert.are.same({}, of_type(events, "retry"))
    assert.is_nil(of_type(events, "throttled")[1].delay)
  end)

  it("warn once of a retry mode that is no more", function()
    local client, _, events = client_of(nil, { retry = { mode = "legacy" } })
    assert(client:describe_clusters())
    assert(client:describe_clusters())
    local warnings = of_type(events, "warning")
    assert.are.equal(1, #warnings)
    assert.are.equal("LegacyRetryMode", warnings[1].code)
    assert.are.equal("warning", events[1].type)
  end)

  it("may close the client between two attempts", function()
    local client, runtime
    client, runtime = client_of({ UNAVAILABLE }, {
      on_event = function(event)
        if event.type == "retry" then
          client:close()
        end
      end,
    })
    local _, err = client:describe_clusters()
    assert.are.same({ "aborted", 1 }, { err.kind, err.attempts })
    assert.are.equal(1, #runtime.requests)
  end)
end)

describe("over a real connection", function()
  local running, base, runtime

  setup(function()
    running = server.start "plain"
    base = "http://127.0.0.1:" .. running.ports[1]
    runtime = assert(curl.new { proxy = "" })
  end)

  teardown(function()
    runtime.close()
    running.stop()
  end)

  -- A client whose requests ask the server for these answers in turn, the last one repeats.
  local function client_for(paths)
    local count = 0
    local client = client_of(nil, {
      runtime = {
        send = function(request)
          count = count + 1
          request.url = base .. paths[math.min(count, #paths)]
          return runtime.send(request)
        end,
        sleep = function() end,
        now = runtime.now,
        time = runtime.time,
      },
    })
    return client
  end

  local function arrived(tag)
    local request = { method = "GET", url = base .. "/seen/" .. tag, headers = {}, body = "" }
    return tonumber(assert(runtime.send(request)).body)
  end

  it("a read gets through two answers of 503 with three requests", function()
    local client = client_for { "/status/503?tag=read", "/status/503?tag=read", "/fixed?tag=read" }
    local out = assert(client:describe_clusters())
    assert.are.equal(2, out.ResponseMetadata.RetryAttempts)
    assert.are.equal(3, arrived "read")
  end)

  it("a create whose answer is lost arrives exactly once, also where a connection is open already", function()
    local client = client_for { "/fixed", "/close?tag=create" }
    assert(client:describe_clusters())
    local _, err = client:create_hsm(HSM)
    assert.are.equal("ambiguous", err.kind)
    assert.are.equal("EmptyReply", err.code)
    assert.are.equal(1, arrived "create")
  end)
end)

describe("waits and pages", function()
  it("see nothing of a service that answers one request of three", function()
    local cloud = assert(emulator.new {})
    local inner, count = cloud:runtime(), 0
    local function send(request)
      count = count + 1
      if count % 3 ~= 0 then
        return { status = 503, headers = {}, body = "" }
      end
      return inner.send(request)
    end
    local client = assert(cloudhsmv2.new {
      region = "eu-west-1",
      credentials = { access_key_id = ID, secret_access_key = SECRET },
      runtime = { send = send, sleep = inner.sleep, now = inner.now, time = inner.time, close = inner.close },
      retry_ambiguous = true,
      getenv = function() end,
    })
    local created = assert(client:create_cluster {
      HsmType = "hsm2m.medium",
      Mode = "FIPS",
      SubnetIds = { "subnet-0a1b2c3d" },
    })
    local cluster = assert(client:wait("cluster_created", { ClusterId = created.Cluster.ClusterId }))
    assert.are.equal("UNINITIALIZED", cluster.State)
    assert.are.equal(1, #assert(client:paginator "describe_clusters"):collect())
  end)

  it("outlast an outage that is longer than the retries of a call", function()
    local client, runtime = client_of(function()
      return UNAVAILABLE
    end)
    local send = runtime.send
    runtime.send = function(request)
      if runtime.clock < 100 + 600 then
        return send(request)
      end
      return { status = 200, headers = {}, body = '{"Backups":[{"BackupId":"backup-a","BackupState":"READY"}]}' }
    end
    local backup = assert(client:wait("backup_ready", { BackupId = "backup-a" }, { timeout = 3600 }))
    assert.are.equal("READY", backup.BackupState)
  end)
end)
