-- What calls cost inside nginx, and in parallel in plain Lua. Every figure is printed beside the goal that it has.
-- Usage: lua5.4 spec/nginx/bench.lua      (Linux; a minute)

local nginx = require "spec.helper.nginx"
local socket = require "socket"

local BACKUP = '{"Backups":[{"BackupId":"backup-6qjbcmkhcxm","BackupState":"READY","ClusterId":"cluster-gfaai5ooqhp",'
  .. '"CreateTimestamp":1440938160.123,"HsmType":"hsm2m.medium","Mode":"FIPS","NeverExpires":false,'
  .. '"TagList":[{"Key":"Environment","Value":"Production"}]}]}'

local UPSTREAM = [[
  server {
    listen 127.0.0.1:${upstream} backlog=1024;
    keepalive_timeout 60;
    location / {
      content_by_lua_block {
        ngx.req.read_body()
        ngx.sleep(tonumber(ngx.var.uri:match "%d[%d.]*") or 0.5)
        ngx.header["Content-Type"] = "application/x-amz-json-1.1"
        ngx.header["Content-Length"] = ${length}
        ngx.print('${body}')
      }
    }
    location /instant {
      content_by_lua_block {
        ngx.req.read_body()
        ngx.header["Content-Length"] = ${length}
        ngx.print('${body}')
      }
    }
  }
]]

local FRONT = [[
  lua_socket_pool_size 1024;
  init_by_lua_block {
    local cloudhsmv2 = require "cloudhsmv2"
    local client
    local bench = {}
    package.loaded.bench = bench
    function bench.client()
      client = client or assert(cloudhsmv2.new {
        region = "eu-west-1",
        endpoint = "http://127.0.0.1:${upstream}",
        proxy = "",
        credentials = { access_key_id = "AKIDEXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" },
      })
      return client
    end
    function bench.call()
      local out = assert(bench.client():describe_backups { MaxResults = 1 })
      assert(out.Backups[1].BackupId == "backup-6qjbcmkhcxm")
    end
    function bench.cosocket()
      local sock = ngx.socket.tcp()
      assert(sock:connect("127.0.0.1", ${upstream}))
      assert(sock:send "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}")
      local length
      while true do
        local line = assert(sock:receive "*l")
        if line == "" then
          break
        end
        length = tonumber(line:match "^Content%-Length: (%d+)") or length
      end
      assert(#assert(sock:receive(length)) == length)
      assert(sock:setkeepalive(60000, 1024))
    end
    function bench.wait(seconds)
      return bench.client():wait("backup_ready", { BackupId = "backup-6qjbcmkhcxm" }, { timeout = seconds })
    end
    function bench.many(what, count)
      local threads = {}
      for i = 1, count do
        threads[i] = ngx.thread.spawn(what)
      end
      for i = 1, count do
        assert(ngx.thread.wait(threads[i]))
      end
    end
  }
  server {
    listen 127.0.0.1:${front} backlog=1024;
    location /fast { content_by_lua_block { ngx.print "fast" } }
    location /call { content_by_lua_block { require("bench").call() ngx.print "ok" } }
    location /cosocket { content_by_lua_block { require("bench").cosocket() ngx.print "ok" } }
    location /many {
      content_by_lua_block {
        local bench = require "bench"
        bench.many(bench[ngx.var.arg_what], tonumber(ngx.var.arg_count))
        ngx.print "ok"
      }
    }
    location /waiters {
      content_by_lua_block {
        local client = require("bench").client()
        for _ = 1, 100 do
          ngx.timer.at(0, function()
            client.runtime.sleep(60)
          end)
        end
        ngx.print "ok"
      }
    }
    location /activity {
      content_by_lua_block {
        local activity = require("cloudhsmv2.runtime.nginx").activity()
        ngx.print(activity.pending, " ", activity.steps)
      }
    }
  }
]]

-- Seconds of processor time that a process has used.
local function processor_time(pid)
  local file = assert(io.open("/proc/" .. pid .. "/schedstat"))
  local time = file:read "*n"
  file:close()
  return time / 1e9
end

local function percentile(samples, share)
  table.sort(samples)
  return samples[math.max(1, math.ceil(#samples * share))]
end

local function say(...)
  print((string.format(...)))
end

local upstream = nginx.start { ports = { "upstream" }, http = UPSTREAM, values = { body = BACKUP, length = #BACKUP } }
local front = nginx.start { ports = { "front" }, http = FRONT, values = { upstream = upstream.ports.upstream } }

local function bench()
  local worker = front:workers()[1]
  assert(front:get("front", "/call") == "ok")

  -- twenty calls while others are served
  local calls, samples = {}, {}
  local start = socket.gettime()
  for i = 1, 20 do
    calls[i] = front:ask("front", "/call")
  end
  while socket.gettime() - start < 0.49 do
    local began = socket.gettime()
    assert(front:get("front", "/fast") == "fast")
    samples[#samples + 1] = socket.gettime() - began
    socket.sleep(0.002)
  end
  for i = 1, 20 do
    assert(front:answer(calls[i]) == "ok")
  end
  local total = socket.gettime() - start
  say("20 calls of 500 ms on one worker: %.0f ms in all (goal 700)", total * 1000)
  say(
    "/fast meanwhile: p50 %.2f ms, p99 %.2f ms (goal 5), %d samples",
    percentile(samples, 0.5) * 1000,
    percentile(samples, 0.99) * 1000,
    #samples
  )

  -- four hundred calls, each way in turn, the connections warm: as requests to this nginx, each of which makes one call, and
  -- as light threads of a single request, where nothing but the calls is counted
  local function requests(what, count)
    local asked = {}
    for i = 1, count do
      asked[i] = front:ask("front", "/" .. what)
    end
    for i = 1, count do
      assert(front:answer(asked[i]) == "ok", front:log())
    end
  end
  local function threads(what, count)
    assert(front:get("front", ("/many?what=%s&count=%d"):format(what, count)) == "ok", front:log())
  end
  local function cost(drive, what, count)
    local before = processor_time(worker)
    drive(what, count)
    return (processor_time(worker) - before) * 400 / count
  end
  local function compare(name, drive, count)
    local ours, bare = {}, {}
    for round = 1, 6 do
      local a, b = cost(drive, "call", count), cost(drive, "cosocket", count)
      if round > 1 then
        ours[#ours + 1], bare[#bare + 1] = a, b
      end
    end
    local a, b = percentile(ours, 0.5), percentile(bare, 0.5)
    local line = "worker CPU for 400 calls, %d %s at a time: %.0f ms; bare cosocket POSTs %.0f ms; ratio %.2f (goal 4)"
    say(line, count, name, a * 1000, b * 1000, a / b)
  end
  compare("requests", requests, 400)
  compare("requests", requests, 100)
  compare("light threads", threads, 400)
  compare("light threads", threads, 100)

  -- a hundred waiters between two looks
  assert(front:get("front", "/waiters") == "ok")
  socket.sleep(0.5)
  local steps, before = front:get("front", "/activity"), processor_time(worker)
  socket.sleep(10)
  local used = processor_time(worker) - before
  say("100 waiters asleep: %.2f %% CPU (goal 5), ticks %s -> %s", used * 10, steps, (front:get("front", "/activity")))

  -- plain Lua
  for _, name in ipairs { "5.4", "jit" } do
    local lua = name == "jit" and "luajit" or "lua" .. name
    local program = ([[
      local cloudhsmv2, core = require "cloudhsmv2", require "cloudhsmv2.core"
      local client = assert(cloudhsmv2.new { region = "eu-west-1", endpoint = "http://127.0.0.1:%d/0.1", proxy = "",
        credentials = { access_key_id = "AKIDEXAMPLE", secret_access_key = "x" } })
      local tasks = {}
      for i = 1, 64 do tasks[i] = function() return client:describe_backups() end end
      for round = 1, 3 do
        local start = core.now()
        local results = cloudhsmv2.parallel(tasks, { limit = 64 })
        local elapsed = core.now() - start
        for _, result in ipairs(results) do assert(result.ok, tostring(result.err)) end
        io.write(string.format(" %%.0f", elapsed * 1000))
      end]]):format(upstream.ports.upstream)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(program)
    file:close()
    local cpath = package.cpath:gsub("/[^/;]+/%?%.so", "/" .. name .. "/?.so", 1)
    local times = nginx.output(("LUA_CPATH='%s' %s %s"):format(cpath, lua, path))
    os.remove(path)
    say("parallel, 64 calls of 100 ms, limit 64, %s:%s ms (goal 300)", lua, times)
  end
end

local fine, problem = xpcall(bench, debug.traceback)
front:stop()
upstream:stop()
if not fine then
  error(problem, 0)
end
