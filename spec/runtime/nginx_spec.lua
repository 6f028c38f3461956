local core = require "cloudhsmv2.core"
local curl = require "cloudhsmv2.runtime.curl"
local nginx = require "spec.helper.nginx"
local nginx_runtime = require "cloudhsmv2.runtime.nginx"
local server = require "spec.helper.server"
local socket = require "socket"
local tls = require "spec.helper.tls"

-- As much of nginx as the runtime uses, on coroutines: whoever sleeps or waits yields, and `run` lets the time pass.
local function fake_nginx()
  local fake = { phase = "content", threads = {}, grants_timers = true, timers = 0 }
  local function begin(called)
    local thread = { coroutine = coroutine.create(called), at = 0 }
    fake.threads[#fake.threads + 1] = thread
    return thread
  end
  fake.begin = begin
  fake.ngx = {
    get_phase = function()
      return fake.phase
    end,
    sleep = function(seconds)
      coroutine.yield { at = core.now() + seconds }
    end,
    timer = {
      at = function(_, called)
        fake.timers = fake.timers + 1
        if not fake.grants_timers then
          return nil, "no timer"
        end
        fake.timer = begin(called)
        return true
      end,
    },
    thread = {
      spawn = begin,
      wait = function(thread)
        while coroutine.status(thread.coroutine) ~= "dead" do
          coroutine.yield { at = core.now() }
        end
      end,
    },
  }
  function fake.new_semaphore()
    local semaphore = { resources = 0, waiting = 0 }
    function semaphore:post(count)
      self.resources = self.resources + count
    end
    function semaphore:count()
      return self.resources - self.waiting
    end
    function semaphore:wait(seconds)
      local deadline = core.now() + seconds
      self.waiting = self.waiting + 1
      coroutine.yield { at = deadline, semaphore = self }
      self.waiting = self.waiting - 1
      if self.resources > 0 then
        self.resources = self.resources - 1
        return true
      end
      return nil, "timeout"
    end
    return semaphore
  end
  -- Ends a thread as nginx does when a request is aborted: nothing of it runs any more.
  function fake.kill(thread)
    if thread.wish and thread.wish.semaphore then
      thread.wish.semaphore.waiting = thread.wish.semaphore.waiting - 1
    end
    thread.killed = true
  end
  function fake.run(is_done, seconds)
    local deadline = core.now() + (seconds or 5)
    while not is_done() and core.now() < deadline do
      local turn = fake.threads
      fake.threads = {}
      for _, thread in ipairs(turn) do
        local wish = thread.wish
        local ready = not wish or wish.at <= core.now() or wish.semaphore and wish.semaphore.resources > 0
        if ready and not thread.killed then
          local fine
          fine, thread.wish = coroutine.resume(thread.coroutine)
          assert(fine, thread.wish)
        end
        if not thread.killed and coroutine.status(thread.coroutine) ~= "dead" then
          fake.threads[#fake.threads + 1] = thread
        end
      end
      core.sleep(0.0005)
    end
    return is_done()
  end
  fake.worker = nginx_runtime.worker(fake.ngx, fake.new_semaphore)
  return fake
end

describe("the runtime inside nginx, with a stand-in for nginx,", function()
  local running, base, fake, runtime

  setup(function()
    running = server.start "plain"
    base = "http://127.0.0.1:" .. running.ports[1]
  end)

  teardown(function()
    running.stop()
  end)

  before_each(function()
    fake = fake_nginx()
    runtime = assert(nginx_runtime.new({ proxy = "" }, fake.worker))
  end)

  after_each(function()
    runtime.close()
  end)

  local function request(path)
    return { method = "GET", url = base .. path, headers = {}, read_timeout = 5 }
  end

  -- Begins calls that note their answers, and returns the list of these.
  local function begin(count, path)
    local answers = { threads = {} }
    for i = 1, count do
      answers.threads[i] = fake.begin(function()
        local answer = { runtime.send(request(path)) }
        answers[#answers + 1] = answer
      end)
    end
    function answers.complete()
      return #answers == count
    end
    return answers
  end

  local function assert_all_ok(answers)
    assert.is_true(fake.run(answers.complete))
    for _, answer in ipairs(answers) do
      assert.are.equal(200, answer[1] and answer[1].status)
    end
  end

  it("one timer steps all calls, and none runs once they have ended", function()
    assert_all_ok(begin(10, "/delay/50"))
    assert.are.equal(1, fake.timers)
    assert.are.equal(0, fake.worker.ticker.pending)
    fake.run(function()
      return #fake.threads == 0
    end)
    local steps = fake.worker.ticker.steps
    assert.are.same({}, fake.threads)
    assert_all_ok(begin(1, "/fixed"))
    assert.are.equal(2, fake.timers)
    assert.is_true(fake.worker.ticker.steps > steps)
  end)

  it("calls step for themselves, and for all, where no timer is granted", function()
    fake.grants_timers = false
    assert_all_ok(begin(5, "/delay/30"))
    assert.are.equal(0, fake.worker.ticker.pending)
  end)

  it("calls go on when the timer died", function()
    local answers = begin(3, "/delay/300")
    fake.run(function()
      return fake.worker.ticker.steps > 3
    end)
    fake.kill(fake.timer)
    assert_all_ok(answers)
  end)

  it("a call that was killed is cancelled and leaves nothing behind", function()
    local answers = begin(2, "/hang")
    fake.run(function()
      return fake.worker.ticker.steps > 3
    end)
    fake.kill(answers.threads[1])
    fake.kill(answers.threads[2])
    assert.is_true(fake.run(function()
      return fake.worker.ticker.pending == 0 and #fake.threads == 0
    end))
    assert_all_ok(begin(1, "/fixed"))
  end)

  it("calls under way end as aborted when the client is closed", function()
    local answers = begin(2, "/hang")
    fake.run(function()
      return fake.worker.ticker.steps > 3
    end)
    runtime.close()
    assert.is_true(fake.run(answers.complete))
    assert.are.equal("aborted", answers[1][2].kind)
  end)

  it("a phase that cannot yield is named, with the way out, and nothing is sent", function()
    for _, phase in ipairs { "set", "header_filter", "body_filter", "log", "balancer", "init_worker", "exit_worker" } do
      fake.phase = phase
      local response, failure = runtime.send(request "/fixed?tag=phase")
      assert.is_nil(response)
      assert.are.same({ "config", "PhaseCannotYield", "no" }, { failure.kind, failure.code, failure.sent })
      assert.is_truthy(failure.message:find("phase " .. phase, 1, true))
      assert.are.equal(phase ~= "exit_worker", failure.message:find("ngx.timer.at(0, ", 1, true) ~= nil)
      runtime.sleep(3600) -- returns at once
    end
    fake.phase = "init"
    assert.are.equal("0", runtime.send(request "/seen/phase").body)
  end)

  it("a call in init blocks and leaves no connection to be inherited", function()
    fake.phase = "init"
    local first = assert(runtime.send(request "/number")).body
    assert.are_not.equal(first, assert(runtime.send(request "/number")).body)
    assert.are.equal(0, fake.timers)
  end)

  it("a call inside the callback of a C function fails as such, and does not raise", function()
    local failure
    fake.begin(function()
      ("x"):gsub("x", function()
        failure = select(2, runtime.send(request "/fixed"))
      end)
    end)
    assert.is_true(fake.run(function()
      return failure
    end) ~= nil)
    assert.are.same({ "config", "CannotYield" }, { failure.kind, failure.code })
  end)

  it("light threads run what is to overlap", function()
    local ended = 0
    fake.begin(function()
      local function sleeper()
        runtime.sleep(0.05)
        ended = ended + 1
      end
      nginx_runtime.all({ sleeper, sleeper, sleeper }, fake.worker)
      ended = ended + 10
    end)
    assert.is_true(fake.run(function()
      return ended == 13
    end))
  end)
end)

local HTTP = [[
  lua_shared_dict facts 1m;
  lua_check_client_abort on;
  init_by_lua_block {
    require "cloudhsmv2"
    assert(package.loaded["ngx.semaphore"] == nil and package.loaded["cloudhsmv2.runtime.nginx"] == nil)
    local runtime = require "cloudhsmv2.runtime"
    package.loaded.shared_runtime = runtime.new { proxy = "" }
    function package.loaded.ask(path, changes)
      local request = { method = "POST", url = "http://127.0.0.1:${upstream}" .. path, headers = {}, body = "{}", read_timeout = 10 }
      for name, value in pairs(changes or {}) do
        request[name] = value
      end
      local response, failure = package.loaded.shared_runtime.send(request)
      return response and response.body or failure.kind .. " " .. failure.code .. " " .. failure.message
    end
    ngx.shared.facts:set("init", package.loaded.ask("", { url = "http://127.0.0.1:${other}/fixed" }))
  }
  init_worker_by_lua_block {
    ngx.shared.facts:set("init_worker", package.loaded.ask "/slow/0.01")
    ngx.timer.at(0, function()
      ngx.shared.facts:set("timer", package.loaded.ask "/slow/0.01")
    end)
  }
  exit_worker_by_lua_block { ngx.shared.facts:set("exit_worker", package.loaded.ask "/slow/0.01") }
  server {
    listen 127.0.0.1:${upstream} backlog=512;
    location /slow {
      content_by_lua_block {
        local facts = ngx.shared.facts
        ngx.req.read_body()
        local in_flight = facts:incr("in_flight", 1, 0)
        facts:set("most", math.max(facts:get "most" or 0, in_flight))
        ngx.sleep(tonumber(ngx.var.uri:match "[%d.]+$"))
        facts:incr("in_flight", -1)
        ngx.print "answer"
      }
    }
  }
  upstream balanced {
    server 127.0.0.1:${upstream};
    balancer_by_lua_block { ngx.shared.facts:set("balancer", package.loaded.ask "/slow/0.01")
      require("ngx.balancer").set_current_peer("127.0.0.1", ${upstream}) }
  }
  server {
    listen 127.0.0.1:${front} backlog=512;
    listen 127.0.0.1:${tls} ssl;
    ssl_certificate ${certificate};
    ssl_certificate_key ${key};
    ssl_certificate_by_lua_block { ngx.shared.facts:set("ssl_cert", package.loaded.ask "/slow/0.01") }
    location /fast { return 200 "fast"; }
    location /call { content_by_lua_block { ngx.print(package.loaded.ask("/slow" .. ngx.var.uri:match "/[%d.]+$")) } }
    location /fact { content_by_lua_block { ngx.print(tostring(ngx.shared.facts:get(ngx.var.arg_name))) } }
    location /reset { content_by_lua_block { ngx.shared.facts:set("most", 0) } }
    location /activity {
      content_by_lua_block {
        local activity = require("cloudhsmv2.runtime.nginx").activity()
        ngx.print(activity.pending, " ", activity.steps)
      }
    }
    location /rewrite { rewrite_by_lua_block { ngx.print(package.loaded.ask "/slow/0.01") ngx.exit(200) } }
    location /access { access_by_lua_block { ngx.print(package.loaded.ask "/slow/0.01") ngx.exit(200) } }
    location /filters {
      set_by_lua_block $unused { ngx.shared.facts:set("set", package.loaded.ask "/slow/0.01") return "" }
      header_filter_by_lua_block { ngx.shared.facts:set("header_filter", package.loaded.ask "/slow/0.01") }
      body_filter_by_lua_block { ngx.shared.facts:set("body_filter", package.loaded.ask "/slow/0.01") }
      log_by_lua_block { ngx.shared.facts:set("log", package.loaded.ask "/slow/0.01") }
      proxy_pass http://balanced/slow/0.01;
    }
    location /inside-require {
      content_by_lua_block {
        package.preload.caller = function() return { package.loaded.ask "/slow/0.01" } end
        ngx.print(require("caller")[1])
      }
    }
    location /own-coroutine {
      content_by_lua_block {
        local inner = coroutine.wrap(function() coroutine.yield(package.loaded.ask "/slow/0.01") return package.loaded.ask "/slow/0.02" end)
        ngx.print(inner(), " ", inner())
      }
    }
    location /parallel {
      content_by_lua_block {
        local tasks = {}
        for i = 1, 12 do tasks[i] = function() return package.loaded.ask "/slow/0.2" end end
        tasks[13] = function() package.loaded.ask "/slow/0.01" error("own error", 0) end
        for i, result in ipairs(require("cloudhsmv2").parallel(tasks, { limit = 8 })) do
          ngx.print(tostring(result[1] or result.err), " ")
        end
      }
    }
    location /sleepers {
      content_by_lua_block {
        for _ = 1, 100 do ngx.timer.at(0, function() package.loaded.shared_runtime.sleep(3) end) end
        ngx.print "ok"
      }
    }
    location /tls {
      content_by_lua_block {
        local runtime = assert(require("cloudhsmv2.runtime.nginx").new { proxy = "", ca_file = "${ca}" })
        local counts = {}
        for _ = 1, tonumber(ngx.var.arg_times) do
          local response, failure = runtime.send { method = "GET", url = "https://127.0.0.1:" .. ngx.var.arg_port .. "/fixed",
            headers = {}, connect_timeout = 5 }
          local what = response and "accepted" or failure.kind .. " " .. failure.code .. " " .. failure.sent
          counts[what] = (counts[what] or 0) + 1
        end
        runtime.close()
        for what, count in pairs(counts) do ngx.print(count, " ", what, ";") end
      }
    }
  }
]]

describe("the runtime inside a real nginx", function()
  local made, good, running

  setup(function()
    made = tls.make()
    local function listener(certificate)
      return ("tls,%s,%s,any"):format(certificate.certificate, certificate.key)
    end
    good = server.start(
      listener(made.good),
      listener(made.wrong_host),
      listener(made.expired),
      listener(made.self_signed),
      "plain"
    )
    running = nginx.start {
      http = HTTP,
      ports = { "front", "upstream", "tls" },
      values = { certificate = made.good.certificate, key = made.good.key, ca = made.ca, other = good.ports[5] },
    }
  end)

  teardown(function()
    running:stop()
    good.stop()
    made.remove()
  end)

  local function fact(name)
    return (running:get("front", "/fact?name=" .. name))
  end

  local function begin(count, path)
    local connections = {}
    for i = 1, count do
      connections[i] = running:ask("front", path)
    end
    return connections
  end

  local function assert_all_answered(connections)
    for _, connection in ipairs(connections) do
      assert.are.equal("answer", (running:answer(connection)))
    end
  end

  local function assert_idle()
    assert.is_truthy(
      running:eventually(function()
        return (running:get("front", "/activity") or ""):match "^0 "
      end),
      running:get("front", "/activity")
    )
  end

  it("twenty calls of one worker are under way at once, while others are served", function()
    assert.is_truthy(running:eventually(function()
      return fact "timer" == "answer" -- nothing else is under way any longer
    end))
    running:get("front", "/reset")
    local connections, served = begin(20, "/call/0.5"), 0
    local start = socket.gettime()
    while socket.gettime() - start < 0.3 do
      assert.are.equal("fast", (running:get("front", "/fast")))
      served = served + 1
    end
    assert.are.equal("20", fact "in_flight")
    assert_all_answered(connections)
    assert.are.equal("20", fact "most")
    assert.is_true(served > 10)
  end)

  it("calls work in rewrite, access, content, timers and ssl_certificate", function()
    for _, path in ipairs { "/rewrite", "/access", "/call/0.01" } do
      assert.are.equal("answer", (running:get("front", path)), path)
    end
    assert.are.equal("answer", fact "timer")
    local runtime = assert(curl.new { proxy = "", ca_file = made.ca })
    local url = ("https://127.0.0.1:%d/fast"):format(running.ports.tls)
    assert.are.equal("fast", assert(runtime.send { method = "GET", url = url, headers = {} }).body)
    runtime.close()
    assert.are.equal("answer", fact "ssl_cert")
  end)

  it("phases that cannot yield say so", function()
    assert.are.equal("answer", (running:get("front", "/filters")))
    for _, phase in ipairs { "init_worker", "set", "header_filter", "body_filter", "log", "balancer" } do
      local said = running:eventually(function()
        local said = fact(phase)
        return said ~= "nil" and said
      end)
      assert.is_truthy(said and said:find("config PhaseCannotYield the phase " .. phase, 1, true), tostring(said))
      assert.is_truthy(said:find("ngx.timer.at(0, ", 1, true))
    end
  end)

  it("a call in init_by_lua blocks until it has its answer", function()
    assert.are.equal('{"ok":true}', fact "init")
  end)

  it("a call inside require fails as such, and one in a coroutine of the user's works", function()
    assert.is_truthy(running:get("front", "/inside-require"):find "^config CannotYield")
    assert.are.equal("answer answer", (running:get("front", "/own-coroutine")))
  end)

  it("parallel runs light threads, never more than the limit", function()
    running:get("front", "/reset")
    assert.are.equal(("answer "):rep(12) .. "own error ", (running:get("front", "/parallel")))
    assert.are.equal("8", fact "most")
  end)

  it("a hundred sleepers cost no step", function()
    assert_idle()
    local before = running:get("front", "/activity")
    running:get("front", "/sleepers")
    socket.sleep(0.3)
    assert.are.equal(before, (running:get("front", "/activity")))
  end)

  it("a request that its client gave up leaves nothing under way", function()
    assert_idle()
    local connections = begin(10, "/call/5")
    assert.is_truthy(running:eventually(function()
      return running:get("front", "/activity"):match "^10 "
    end))
    for _, connection in ipairs(connections) do
      connection:close()
    end
    assert_idle()
  end)

  it("TLS that is not good is refused every time, as in plain Lua", function()
    local expected = {
      "accepted",
      "tls CertificateHostMismatch no",
      "tls CertificateExpired no",
      "tls CertificateNotTrusted no",
    }
    for i, what in ipairs(expected) do
      local answer = running:get("front", ("/tls?port=%d&times=25"):format(good.ports[i]))
      assert.are.equal("25 " .. what .. ";", answer)
    end
  end)

  it("a reload during calls loses none", function()
    local connections = begin(20, "/call/0.5")
    socket.sleep(0.1)
    running:signal "HUP"
    assert_all_answered(connections)
  end)

  it("calls that begin in a worker that is exiting have their answers, too", function()
    local old = running:workers()[1]
    local connection = running:ask("front", "/parallel") -- its second round of calls begins after the reload
    socket.sleep(0.1)
    running:signal "HUP"
    assert.are.equal(("answer "):rep(12) .. "own error ", (running:answer(connection)))
    assert.is_truthy(running:eventually(function()
      return not nginx.output("cat /proc/" .. old .. "/stat 2>/dev/null"):find "%d"
    end, 10))
  end)

  it("reloads leak no descriptor", function()
    local function descriptors(pid)
      return tonumber((nginx.output("ls /proc/" .. pid .. "/fd | wc -l")))
    end
    local function reload()
      local old = table.concat(running:workers(), " ")
      assert_all_answered(begin(2, "/call/0.01"))
      running:signal "HUP"
      assert.is_truthy(running:eventually(function()
        local now = running:workers()
        return #now == 1 and now[1] ~= old
      end, 10))
      assert_all_answered(begin(2, "/call/0.01"))
    end
    reload()
    local master, worker = descriptors(running:pid()), descriptors(running:workers()[1])
    for _ = 1, 5 do
      reload()
    end
    assert.are.equal(master, descriptors(running:pid()))
    assert.is_true(descriptors(running:workers()[1]) <= worker + 2) -- connections being closed
    assert.is_truthy(running:eventually(function()
      return fact("exit_worker"):find "config PhaseCannotYield the phase exit_worker"
    end))
  end)

  it("quitting during calls loses none", function()
    local connections = begin(20, "/call/0.5")
    socket.sleep(0.1)
    running:signal "QUIT"
    assert_all_answered(connections)
    assert.is_nil(running:log():find "%[alert%]")
    assert.is_nil(running:log():find "%[error%]")
  end)
end)
