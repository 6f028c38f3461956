--- What calls cost, beside the least that they can cost and beside other SDKs: `make bench`. A benchmark, not a test.
--
-- Every contender is a process of its own that is told what to do (spec/bench/floor.c says how). They take turns, round by
-- round; shown are the medians, and the median of the ratios of each round, which holds where times of a shared machine do not.
-- The server is nginx with canned answers, on the same processor.
-- Usage: lua5.4 spec/bench.lua FOLDER   (a folder with the floor programs, `venv` and `node_modules`, if there are such)

local nginx = require "spec.helper.nginx"
local tls = require "spec.helper.tls"

local folder = (...)
local ROUNDS = tonumber(os.getenv "ROUNDS") or 7
local ONLY = os.getenv "ONLY" -- a pattern of the rows to measure

local SERVER = [[
  init_by_lua_block {
    local page = require "spec.bench.page"
    local token = ("t"):rep(150)
    bodies = { ["1"] = page(1), ["50"] = page(50) }
    pages = {}
    for i = 1, 200 do
      pages[i] = page(50, ("%09d-"):format(i + 1) .. token)
    end
  }
  server {
    listen 127.0.0.1:${http} backlog=1024;
    listen 127.0.0.1:${https} ssl;
    ssl_certificate ${certificate};
    ssl_certificate_key ${key};
    keepalive_timeout 600;
    default_type application/x-amz-json-1.1;
    location / {
      content_by_lua_block {
        ngx.req.read_body()
        local body = bodies[ngx.var.uri:match "%d+"]
        ngx.header["x-amzn-RequestId"] = "5e6fb0f8-3a5b-4d0e-8f3d-2b5c1d1f6a10"
        ngx.header["Content-Length"] = #body
        ngx.print(body)
      }
    }
    location /pages {
      content_by_lua_block {
        ngx.req.read_body()
        local number = tonumber((ngx.req.get_body_data():match '"NextToken":"(%d+)%-')) or 1
        local body = pages[number]
        ngx.header["Content-Length"] = #body
        ngx.print(body)
      }
    }
  }
]]

-- Inside nginx: calls in light threads, and bare cosocket POSTs beside them.
local FRONT = [[
  lua_socket_pool_size 1024;
  init_by_lua_block {
    local cloudhsmv2 = require "cloudhsmv2"
    local client
    works = {}
    function works.call()
      client = client or assert(cloudhsmv2.new {
        region = "eu-west-1",
        endpoint = "http://127.0.0.1:${http}/1",
        proxy = "",
        credentials = {
          access_key_id = "AKIDEXAMPLE",
          secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
          session_token = ("t"):rep(800),
        },
      })
      assert(#assert(client:describe_backups { MaxResults = 50 }).Backups == 1)
    end
    function works.cosocket()
      local sock = ngx.socket.tcp()
      assert(sock:connect("127.0.0.1", ${http}))
      assert(sock:send "POST /1/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}")
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
  }
  server {
    listen 127.0.0.1:${front};
    location / {
      content_by_lua_block {
        local work = works[ngx.var.arg_work]
        for _ = 1, ngx.var.arg_count / 50 do
          local threads = {}
          for i = 1, 50 do
            threads[i] = ngx.thread.spawn(work)
          end
          for i = 1, 50 do
            assert(ngx.thread.wait(threads[i]))
          end
        end
        ngx.print "ok"
      }
    }
  }
]]

local function median(values)
  local sorted = {}
  for i, value in ipairs(values) do
    sorted[i] = value
  end
  table.sort(sorted)
  return sorted[math.ceil(#sorted / 2)] or 0 / 0
end

local function exists(path)
  local file = io.open(path)
  return file and file:close() and true
end

-- The server, and authorities that have its own among the system's.

local certificates = tls.make()
local server = nginx.start {
  ports = { "http", "https" },
  http = SERVER,
  values = { certificate = certificates.good.certificate, key = certificates.good.key },
}
local front = nginx.start { ports = { "front" }, http = FRONT, values = { http = server.ports.http } }
local http = "http://127.0.0.1:" .. server.ports.http
local https = "https://localhost:" .. server.ports.https

local AUTHORITIES = "/etc/ssl/certs"

-- What makes the program behind it see the server's authority in the system's store: a mount that nobody else sees. Nil: it cannot be.
local function with_authorities()
  local copy = certificates.folder .. "/authorities"
  local hash = nginx.output("openssl x509 -hash -noout -in " .. certificates.ca):match "%x+"
  local made = ("cp -rL %s %s 2>/dev/null; cat %s >>%s/ca-certificates.crt && cp %s %s/%s.0"):format(
    AUTHORITIES,
    copy,
    certificates.ca,
    copy,
    certificates.ca,
    copy,
    hash
  )
  local prefix = ("unshare -rm sh -c 'mount --bind %s %s && exec \"$@\"' sh "):format(copy, AUTHORITIES)
  return os.execute(made) and os.execute(prefix .. "true 2>/dev/null") and prefix or nil
end

local prefix = with_authorities()
local ca_file = prefix and "-" or certificates.ca

-- Contenders.

local pipes = 0

-- Starts a program that reads works; a table with `ask(line)`, which returns the numbers it answers.
local function start(command)
  pipes = pipes + 1
  local path = ("%s/pipe%d"):format(certificates.folder, pipes)
  assert(os.execute("mkfifo " .. path))
  local output = assert(io.popen(("%s%s <%s"):format(prefix or "", command, path)))
  local input = assert(io.open(path, "w"))
  input:setvbuf "line"
  return {
    ask = function(line)
      input:write(line, "\n")
      local answer = assert(output:read "*l", command .. " ended at: " .. line)
      local numbers = {}
      for number in answer:gmatch "%S+" do
        numbers[#numbers + 1] = tonumber(number)
      end
      return numbers[1], numbers[2], numbers[3]
    end,
    stop = function() -- by a word: programs that were started later hold this pipe open, too
      input:write "quit 0\n"
      input:close()
      output:close()
    end,
  }
end

local programs = {}
local commands = {
  ["floor"] = folder .. "/floor-5.4",
  ["floor jit"] = folder .. "/floor-jit",
  ["Lua 5.4"] = "env LUA_CPATH='build/5.4/?.so;;' lua5.4 spec/bench/client.lua",
  ["LuaJIT"] = "env LUA_CPATH='build/jit/?.so;;' luajit spec/bench/client.lua",
  ["boto3"] = exists(folder .. "/venv/bin/python") and folder .. "/venv/bin/python spec/bench/boto.py" or nil,
  ["JS SDK"] = exists(folder .. "/node_modules/@aws-sdk/client-cloudhsm-v2/package.json")
      and ("env NODE_EXTRA_CA_CERTS=%s NODE_PATH=%s/node_modules node spec/bench/sdk.js"):format(
        certificates.ca,
        folder
      )
    or nil,
}

local function serving(name)
  local own = (name:find "Lua" and ca_file) or certificates.ca
  programs[name] = programs[name] or start(("%s serve %s %s %s"):format(commands[name], http, https, own))
  return programs[name]
end

-- What is measured. A row's `floor` and `peers` are `{ name, program, work }`; ratios are to the floor, and `bound` is the largest
-- that the two Luas may have.

local rows = {}

local function row(what, times, contenders, bounds)
  if not ONLY or what:find(ONLY) then
    rows[#rows + 1] = { what = what, times = times, contenders = contenders, bounds = bounds or {} }
  end
end

local function work(program, name, label, times)
  return { label = label or program, program = program, work = name, times = times }
end

local function call_row(what, name, times, bound, boto_bound, js_bound)
  row(what, times, {
    work("floor", name, "floor: libcurl, signature, tables of Lua 5.4"),
    work("floor jit", name, "floor: the same, tables of LuaJIT"),
    work("floor", "curl" .. name:gsub("http", ""), "libcurl alone"),
    work("Lua 5.4", name),
    work("LuaJIT", name),
    work("boto3", name, nil, 200),
    work("JS SDK", name, nil, 200),
  }, {
    ["Lua 5.4"] = { bound, "floor" },
    ["LuaJIT"] = { bound, "floor jit" },
    ["boto3"] = { boto_bound, "Lua 5.4", true },
    ["JS SDK"] = { js_bound, "Lua 5.4", true },
  })
end

row("sign 300 bytes with a token of 800", 20000, {
  work("floor", "sign", "floor: low-level SHA-256, cached key"),
  work("Lua 5.4", "sign"),
  work("LuaJIT", "sign"),
  work("boto3", "sign", nil, 1000),
}, { ["Lua 5.4"] = { 2.6 }, ["LuaJIT"] = { 2.6 } })
row("encode a DescribeBackups request", 20000, {
  work("Lua 5.4", "cjson_encode", "cjson.encode, Lua 5.4"),
  work("LuaJIT", "cjson_encode", "cjson.encode, LuaJIT"),
  work("Lua 5.4", "encode"),
  work("LuaJIT", "encode"),
}, { ["Lua 5.4"] = { 1, "cjson.encode, Lua 5.4" }, ["LuaJIT"] = { 1, "cjson.encode, LuaJIT" } })
for _, backups in ipairs { "1", "50" } do
  local times = backups == "1" and 10000 or 300
  row("decode " .. backups .. (backups == "1" and " backup" or " backups"), times, {
    work("floor", "build" .. backups, "floor: building the tables alone, Lua 5.4"),
    work("floor jit", "build" .. backups, "floor: building the tables alone, LuaJIT"),
    work("floor", "decode" .. backups, "one pass without checks, Lua 5.4"),
    work("Lua 5.4", "cjson_decode" .. backups, "cjson.decode, Lua 5.4"),
    work("LuaJIT", "cjson_decode" .. backups, "cjson.decode, LuaJIT"),
    work("Lua 5.4", "decode" .. backups),
    work("LuaJIT", "decode" .. backups),
  }, {
    ["Lua 5.4"] = { 1.3, "floor: building the tables alone, Lua 5.4", nil, 0.5, "cjson.decode, Lua 5.4" },
    ["LuaJIT"] = { 1.3, "floor: building the tables alone, LuaJIT", nil, 0.55, "cjson.decode, LuaJIT" },
  })
end
row("decode 5000 backups, a hundredth of it", 3, {
  work("Lua 5.4", "decode50", "Lua 5.4, 50 backups", 300),
  work("Lua 5.4", "decode5000"),
  work("LuaJIT", "decode50", "LuaJIT, 50 backups", 300),
  work("LuaJIT", "decode5000"),
}, { ["Lua 5.4"] = { 1.3, "Lua 5.4, 50 backups" }, ["LuaJIT"] = { 1.3, "LuaJIT, 50 backups" } })
call_row("a call over HTTP, 1 backup", "http1", 1000, 1.25, 25, 25)
call_row("a call over HTTP, 50 backups", "http50", 300, 1.15, 17)
call_row("a call over TLS, 1 backup", "tls1", 1000, 1.25, 25, 25)
call_row("a call over TLS, 50 backups", "tls50", 300, 1.15, 17)
row("a call of a client that made 10,000", 1000, {
  work("Lua 5.4", "http1", "Lua 5.4, a new client"),
  work("Lua 5.4", "aged1"),
  work("LuaJIT", "http1", "LuaJIT, a new client"),
  work("LuaJIT", "aged1"),
}, { ["Lua 5.4"] = { 1.1, "Lua 5.4, a new client" }, ["LuaJIT"] = { 1.1, "LuaJIT, a new client" } })
row("16 calls at once over HTTP, 1 backup", 1600, {
  work("floor", "parallel1", "floor: curl_multi, signature, tables"),
  work("floor jit", "parallel1", "floor: the same with LuaJIT"),
  work("Lua 5.4", "parallel1"),
  work("LuaJIT", "parallel1"),
}, { ["Lua 5.4"] = { 1.25 }, ["LuaJIT"] = { 1.25, "floor: the same with LuaJIT" } })
row("a new TLS connection and a call, the system's CA store", 30, {
  work("Lua 5.4", "fresh1"),
  work("LuaJIT", "fresh1"),
}, { ["Lua 5.4"] = { 1500, "us" }, ["LuaJIT"] = { 1500, "us" } })

-- Starts of processes: the spawner runs a command so many times, and answers like a work.
local function starting(what, url, own_ca, floor_ca, bound)
  local function once(name, ca)
    return commands[name] and ("%s once %s/1 %s"):format((commands[name]:gsub("'", "")), url, ca)
  end
  local contenders = {
    { label = "floor: a C program", command = folder .. "/floor-5.4 once " .. url .. "/1 " .. floor_ca },
    { label = "Lua 5.4", command = once("Lua 5.4", own_ca) },
    { label = "LuaJIT", command = once("LuaJIT", own_ca) },
    { label = "boto3", command = once("boto3", certificates.ca) },
    { label = "JS SDK", command = once("JS SDK", certificates.ca) },
  }
  row(what, 3, contenders, { ["Lua 5.4"] = { bound }, ["LuaJIT"] = { bound } })
end
starting("from the start of a process to its first answer, HTTP", http, "-", "- -", 1.3)
local floor_ca = prefix and "- " .. AUTHORITIES or certificates.ca .. " -"
local store = prefix and "TLS, the system's CA store" or "TLS, a CA file (no mount allowed)"
starting("from the start of a process to its first answer, " .. store, https, ca_file, floor_ca, 1.5)

local spawner = start(folder .. "/floor-5.4 spawn")

local function measure(contender, times)
  if contender.command then
    return spawner.ask(("%d %s"):format(times, contender.command))
  end
  local cpu, wall = serving(contender.program).ask(("%s %d"):format(contender.work, contender.times or times))
  if contender.work == "decode5000" then
    cpu, wall = cpu / 100, wall / 100
  end
  return cpu, wall
end

local function processor_time(pid)
  local file = assert(io.open("/proc/" .. pid .. "/schedstat"))
  local time = file:read "*n"
  file:close()
  return time / 1e3
end

local function show(what, contenders, bounds)
  print(what)
  local by_label = {}
  for _, contender in ipairs(contenders) do
    by_label[contender.label] = contender
  end
  local function ratio(one, other)
    local ratios = {}
    for round = 1, #one.cpu do
      ratios[round] = one.cpu[round] / other.cpu[round]
    end
    return median(ratios)
  end
  for _, contender in ipairs(contenders) do
    local notes = {}
    local bound = bounds[contender.label]
    local base = by_label[bound and bound[2] or ""]
    if not base and bound and bound[2] then
      for _, other in ipairs(contenders) do
        base = base or other.program == bound[2] and other
      end
    end
    base = base or contenders[1]
    if bound and bound[2] == "us" then
      notes[1] = ("bound %d us"):format(bound[1])
    elseif bound and bound[3] then
      notes[1] = ("%.1f x Lua 5.4%s"):format(
        ratio(contender, base),
        bound[1] and "; bound: at least " .. bound[1] or ""
      )
    elseif contender ~= base then
      notes[1] = ("%.2f x%s"):format(ratio(contender, base), bound and (" bound %.2f"):format(bound[1]) or "")
    end
    if bound and bound[4] then
      notes[2] = ("%.2f x cjson, bound %.2f"):format(ratio(contender, by_label[bound[5]]), bound[4])
    end
    print(
      ("  %-50s %10.2f %10.2f  %s"):format(
        contender.label,
        median(contender.cpu),
        median(contender.wall),
        table.concat(notes, "; ")
      )
    )
  end
end

local function bench()
  for _, one in ipairs(rows) do
    local present = {}
    for _, contender in ipairs(one.contenders) do
      if contender.command or commands[contender.program] then
        contender.cpu, contender.wall = {}, {}
        present[#present + 1] = contender
      end
    end
    one.contenders = present
  end
  for round = 0, ROUNDS do -- round 0 warms up
    for _, one in ipairs(rows) do
      for _, contender in ipairs(one.contenders) do
        local cpu, wall = measure(contender, one.times)
        if round > 0 then
          contender.cpu[round], contender.wall[round] = cpu, wall
        end
      end
    end
  end
  print(("medians of %d rounds; CPU and wall in microseconds a call; ratios of CPU"):format(ROUNDS))
  for _, one in ipairs(rows) do
    show(one.what, one.contenders, one.bounds)
  end
  if ONLY then
    return
  end

  local inside = { { label = "floor: bare cosocket POSTs", work = "cosocket" }, { label = "LuaJIT", work = "call" } }
  local worker = front:workers()[1]
  for _, contender in ipairs(inside) do
    contender.cpu, contender.wall = {}, {}
  end
  for round = 0, ROUNDS do
    for _, contender in ipairs(inside) do
      local before = processor_time(worker)
      assert(front:get("front", ("/?work=%s&count=1000"):format(contender.work)) == "ok", front:log())
      if round > 0 then
        contender.cpu[round], contender.wall[round] = (processor_time(worker) - before) / 1000, 0 / 0
      end
    end
  end
  show("a call inside nginx, CPU of the worker, 50 light threads", inside, {})

  print 'require "cloudhsmv2"'
  for _, name in ipairs { "Lua 5.4", "LuaJIT" } do
    local times, sizes = {}, {}
    for round = 1, 2 * ROUNDS + 1 do
      local time, size = nginx.output(commands[name] .. " require"):match "(%S+) (%S+)"
      times[round], sizes[round] = tonumber(time), tonumber(size)
    end
    print(("  %-50s %7.2f ms, %5.0f KiB  bound 3 ms, 600 KB"):format(name, median(times), median(sizes)))
  end

  print "200 pages of 50 backups"
  for _, name in ipairs { "Lua 5.4", "LuaJIT" } do
    local peaks = {}
    for i, pages in ipairs { 1, 200 } do
      local command = ("1 %s once %s/pages - %d"):format((commands[name]:gsub("'", "")), http, pages)
      peaks[i] = select(3, spawner.ask(command))
    end
    print(
      ("  %-50s peak %.1f MB, with one page %.1f: %.2f MB more, bound 1.5"):format(
        name,
        peaks[2] / 1024,
        peaks[1] / 1024,
        (peaks[2] - peaks[1]) / 1024
      )
    )
  end

  print "peak memory, all works done"
  for _, name in ipairs { "floor", "Lua 5.4", "LuaJIT", "boto3", "JS SDK" } do
    if programs[name] and name ~= "floor" then
      print(("  %-50s %10.1f MB"):format(name, programs[name].ask "peak 0" / 1024))
    end
  end
end

local fine, problem = xpcall(bench, debug.traceback)
for _, program in pairs(programs) do
  program.stop()
end
spawner.stop()
front:stop()
server:stop()
certificates.remove()
if not fine then
  error(problem, 0)
end
