local cloudhsmv2 = require "cloudhsmv2"
local curl = require(rawget(_G, "ngx") and "cloudhsmv2.runtime.nginx" or "cloudhsmv2.runtime.curl") -- what serves here
local errors = require "cloudhsmv2.errors"
local scheduler = require "cloudhsmv2.runtime.scheduler"
local server = require "spec.helper.server"

local is_puc_5_1 = _VERSION == "Lua 5.1" and not rawget(_G, "jit")
local unpack = table.unpack or unpack -- luacheck: ignore

-- A clock that moves only when it sleeps.
local function fake_clock()
  local clock = { time = 100, slept = {} }
  function clock.now()
    return clock.time
  end
  function clock.sleep(seconds)
    clock.slept[#clock.slept + 1] = seconds
    clock.time = clock.time + seconds
  end
  return clock
end

describe("parallel", function()
  local running, base, runtime

  setup(function()
    running = server.start "plain"
    base = "http://127.0.0.1:" .. running.ports[1]
  end)

  teardown(function()
    running.stop()
  end)

  before_each(function()
    runtime = assert(curl.new { proxy = "" })
  end)

  after_each(function()
    runtime.close()
  end)

  local function ask(path, changes, through)
    local request =
      { method = "POST", url = base .. path, headers = {}, body = "{}", connect_timeout = 5, read_timeout = 5 }
    for name, value in pairs(changes or {}) do
      request[name] = value
    end
    return (through or runtime).send(request)
  end

  local function most_in_flight()
    return tonumber(assert(ask "/most-delayed").body)
  end

  local function delays(count, path, through)
    local tasks = {}
    for i = 1, count do
      tasks[i] = function()
        return ask(path or "/delay/100", nil, through)
      end
    end
    return tasks
  end

  local function assert_all_ok(count, results)
    assert.are.equal(count, #results)
    for _, result in ipairs(results) do
      assert.is_true(result.ok, tostring(result.err and result.err.message))
      assert.are.equal(200, result[1].status)
    end
  end

  it("has sixty-four requests under way at once where the limit is sixty-four", function()
    most_in_flight()
    assert_all_ok(64, cloudhsmv2.parallel(delays(64, "/delay/300"), { limit = 64 }))
    assert.are.equal(64, most_in_flight())
  end)

  it("has never more under way than the limit, sixteen unless given, and reaches it", function()
    most_in_flight()
    assert_all_ok(12, cloudhsmv2.parallel(delays(12, "/delay/50"), { limit = 4 }))
    assert.are.equal(4, most_in_flight())
    assert_all_ok(20, cloudhsmv2.parallel(delays(20, "/delay/50")))
    assert.are.equal(16, most_in_flight())
    assert_all_ok(3, cloudhsmv2.parallel(delays(3, "/delay/10"), { limit = 1 }))
    assert.are.equal(1, most_in_flight())
  end)

  it("lets calls of several clients overlap", function()
    local other, third = assert(curl.new { proxy = "" }), assert(curl.new { proxy = "" })
    local tasks = {}
    for _, through in ipairs { runtime, other, third } do
      for _, task in ipairs(delays(4, "/delay/200", through)) do
        tasks[#tasks + 1] = task
      end
    end
    most_in_flight()
    assert_all_ok(12, cloudhsmv2.parallel(tasks))
    assert.are.equal(12, most_in_flight())
    other.close()
    third.close()
  end)

  it("returns results in the order of the tasks, with all their values", function()
    local results = cloudhsmv2.parallel {
      function()
        ask "/delay/60"
        return "first", nil, 3, nil
      end,
      function()
        return "second"
      end,
      function() end,
      function()
        return false
      end,
    }
    assert.are.same({ ok = true, n = 4, "first", nil, 3 }, results[1])
    assert.are.same({ ok = true, n = 1, "second" }, results[2])
    assert.are.same({ ok = true, n = 0 }, results[3])
    assert.are.same({ ok = true, n = 1, false }, results[4])
    assert.are.same({}, cloudhsmv2.parallel {})
  end)

  it("gives each task its own error and the others their results", function()
    local raised = { "an object" }
    local partial = errors.new { kind = "transport", message = "half way" }
    local results = cloudhsmv2.parallel {
      function()
        return ask "/delay/80"
      end,
      function()
        return ask("/hang", { read_timeout = 0.1 })
      end,
      function()
        return ask("/hang", { timeout = 0.05 })
      end,
      function()
        ask "/delay/20"
        error(raised)
      end,
      function()
        ask "/delay/20"
        error("in words", 0)
      end,
      function()
        return ask "/close"
      end,
      function()
        return nil, "reason"
      end,
      function()
        return { "page" }, partial, "token"
      end,
      function()
        error()
      end,
    }
    assert.is_true(results[1].ok)
    assert.are.equal("{}", results[1][1].body)
    for i = 2, 9 do
      assert.is_false(results[i].ok)
    end
    assert.are.equal("ReadTimeout", results[2].err.code)
    assert.are.equal("DeadlineExceeded", results[3].err.code)
    assert.are.equal(raised, results[4].err)
    assert.are.equal("in words", results[5].err)
    assert.are.equal("EmptyReply", results[6].err.code)
    assert.are.same({ ok = false, n = 2, nil, "reason", err = "reason" }, results[7])
    assert.are.same({ false, partial, 3, "token" }, { results[8].ok, results[8].err, results[8].n, results[8][3] })
    assert.are.equal("page", results[8][1][1])
    assert.are.equal("the task raised nil", results[9].err)
  end)

  it("works inside itself, and the inner tasks overlap with the outer ones", function()
    most_in_flight()
    local tasks = delays(2, "/delay/200")
    for i = 3, 4 do
      tasks[i] = function()
        local inner = cloudhsmv2.parallel(delays(3, "/delay/200"))
        assert_all_ok(3, inner)
        return { status = 200 }
      end
    end
    assert_all_ok(4, cloudhsmv2.parallel(tasks))
    assert.are.equal(8, most_in_flight())
  end)

  it("gives other tasks their turn when one yields by itself", function()
    local order = {}
    local function task(name)
      return function()
        for i = 1, 3 do
          order[#order + 1] = name .. i
          assert.is_nil(coroutine.yield "ignored")
        end
        return ask "/fixed"
      end
    end
    local results = cloudhsmv2.parallel { task "a", task "b" }
    assert.are.equal("a1 b1 a2 b2 a3 b3", table.concat(order, " "))
    assert.is_true(results[1].ok and results[2].ok)
  end)

  it("waits by itself in a coroutine of the user's and in the callback of a C function", function()
    local results = cloudhsmv2.parallel {
      function()
        local inner = coroutine.wrap(function()
          local response = ask "/delay/30"
          coroutine.yield(response.status)
          return ask("/fixed").status
        end)
        return inner(), inner()
      end,
      function()
        return (("x"):gsub("x", function()
          return ("%d"):format(ask("/delay/20").status)
        end))
      end,
      function()
        return ask "/delay/40"
      end,
      function()
        return pcall(ask, "/delay/40")
      end,
      function()
        local statuses, asked = {}, 0
        for status in
          function()
            asked = asked + 1
            return asked <= 2 and ask("/delay/10").status or nil
          end
        do
          statuses[#statuses + 1] = status
        end
        return unpack(statuses)
      end,
    }
    assert.are.same({ ok = true, n = 2, 200, 200 }, results[1])
    assert.are.same({ ok = true, n = 1, "200" }, results[2])
    assert.are.equal(200, results[3][1].status)
    assert.are.equal(200, results[4][2].status)
    assert.are.same({ ok = true, n = 2, 200, 200 }, results[5])
  end)

  it("overlaps inside pcall and for, save on Lua 5.1, where it waits by itself", function()
    most_in_flight()
    local function guarded()
      return select(2, pcall(ask, "/delay/100"))
    end
    local function walk()
      local asked
      for response in
        function()
          local response = not asked and ask "/delay/100" or nil
          return response
        end
      do
        asked = response
      end
      return asked
    end
    assert_all_ok(4, cloudhsmv2.parallel { guarded, guarded, walk, walk })
    assert.are.equal(is_puc_5_1 and 1 or 4, most_in_flight())
  end)

  it("answers calls under way with aborted when one of the tasks closes the client", function()
    local results = cloudhsmv2.parallel {
      function()
        return ask "/hang"
      end,
      function()
        ask "/delay/20"
        runtime.close()
        return true
      end,
    }
    assert.are.same({ false, "aborted" }, { results[1].ok, results[1].err.kind })
    assert.is_true(results[2].ok)
  end)

  it("carries a client's paginators and retries", function()
    local client = assert(cloudhsmv2.new {
      region = "eu-west-1",
      endpoint = base,
      proxy = "",
      credentials = { access_key_id = "AKIDEXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" },
      random = function()
        return 0
      end,
    })
    local results = cloudhsmv2.parallel {
      function()
        return client:describe_backups()
      end,
      function()
        return client:paginator("describe_backups"):collect()
      end,
      function()
        return client:wait("backup_ready", { BackupId = "backup-6qjbcmkhcxm" }, { timeout = 0 })
      end,
    }
    for i = 1, 3 do -- that server knows no such address
      assert.is_false(results[i].ok)
      assert.are.equal(404, results[i].err.status)
    end
    client:close()
  end)

  it("raises at the caller for what is no list of functions and no limit", function()
    local function nothing() end
    for _, case in ipairs {
      { nil, nil, "list of functions, not a nil" },
      { "x", nil, "list of functions, not a string" },
      { { "x" }, nil, "task 1 must be a function, not a string" },
      { { nothing, x = nothing }, nil, "without a field x" },
      { { [1] = nothing, [3] = nothing }, nil, "number 2 is missing" },
      { { nothing }, 5, "options must be a table, not a number" },
      { { nothing }, { limit = 0 }, "at least 1; it is 0" },
      { { nothing }, { limit = 1.5 }, "it is 1.5" },
      { { nothing }, { limit = "4" }, "it is 4" },
      { { nothing }, { limit = 0 / 0 }, "at least 1" },
      { { nothing }, { limits = 4 }, "unknown option limits" },
    } do
      local fine, problem = pcall(cloudhsmv2.parallel, case[1], case[2])
      assert.is_false(fine)
      assert.is_truthy(problem:find(case[3], 1, true), problem)
    end
    local _, problem = pcall(function()
      cloudhsmv2.parallel "x"
    end)
    assert.is_truthy(problem:find("parallel_spec.lua", 1, true))
  end)
end)

describe("the scheduler", function()
  it("lets sleeps overlap and wakes in the order of time", function()
    local clock, order = fake_clock(), {}
    local function sleeper(seconds)
      return function()
        scheduler.sleep(seconds)
        order[#order + 1] = seconds
      end
    end
    scheduler.all({ sleeper(30), sleeper(10), sleeper(20), sleeper(10), sleeper(0), sleeper(-1) }, clock)
    assert.are.same({ -1, 0, 10, 10, 20, 30 }, order)
    assert.are.equal(130, clock.time)
    assert.are.same({ 10, 10, 10 }, clock.slept)
  end)

  it("lets sleeps of nested tasks overlap with those outside", function()
    local clock = fake_clock()
    local function sleeper()
      scheduler.sleep(60)
    end
    scheduler.all({
      sleeper,
      function()
        scheduler.all { sleeper, sleeper }
        scheduler.sleep(5)
      end,
    }, clock)
    assert.are.same({ 60, 5 }, clock.slept)
  end)

  it("is not misled by a task that is resumed by somebody else", function()
    local clock, thread = fake_clock(), nil
    local woke
    scheduler.all({
      function()
        thread = coroutine.running()
        scheduler.sleep(10)
        woke = clock.time
      end,
      function()
        coroutine.resume(thread)
      end,
    }, clock)
    assert.are.equal(110, woke)
  end)

  it("forgets its tasks when one of them raises", function()
    local weak = setmetatable({}, { __mode = "k" })
    local fine, problem = pcall(scheduler.all, {
      function()
        weak[coroutine.running()] = true
        scheduler.sleep(5)
      end,
      function()
        error("broken", 0)
      end,
    }, fake_clock())
    assert.are.same({ false, "broken" }, { fine, problem })
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
  end)
end)
