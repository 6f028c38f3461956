--- What the emulator takes on: `make bench-emulator`. A benchmark, not a test: it always succeeds.
--
-- A server of one process gets the same signed DescribeBackups again and again from a small C program (spec/emulator/load.c),
-- and verifies its signature each time. Its clock is frozen, and signatures are good for a day.
-- Usage: LUA spec/emulator/bench.lua LOAD     (LOAD: the C program; the server runs on the same Lua)

local socket = require "socket"

local helper = require "spec.emulator.helper"

local CONNECTIONS = 16
local SECONDS, ROUNDS = 3, 7
local SIZES = { 1250, 2500, 5000, 10000 } -- backups
local PAGE_ROUNDS = 5
local DAY = 86400

local INTERPRETER = jit and "luajit" or _VERSION:gsub("^Lua ", "lua")
local NAME = jit and jit.version or _VERSION
local ACCOUNT, REGION = "111122223333", "us-east-1" -- of the helper's requests

local function median(values)
  table.sort(values)
  return values[math.ceil(#values / 2)]
end

local function read_file(path)
  local file = io.open(path, "rb")
  local text = file and file:read "*a"
  if file then
    file:close()
  end
  return text
end

local function write_file(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

-- A signed request as it goes over the wire.
local function bytes_of(operation, input, time)
  local request = helper.request(operation, input, { time = time })
  local lines = { "POST / HTTP/1.1" }
  for _, pair in ipairs(request.headers) do
    lines[#lines + 1] = pair[1] .. ": " .. pair[2]
  end
  lines[#lines + 1] = "Content-Length: " .. #request.body
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. request.body
end

-- The child: serves one backup until its parent is gone; writes a request, and then the port.
local function serve(request_path, port_path)
  local service = helper.new { max_skew = DAY }
  service:ready_backup()
  assert(#service:backups() == 1)
  write_file(request_path, bytes_of("DescribeBackups", {}, socket.gettime()))
  local serving = assert(require("cloudhsmv2.emulator.server").new(service.emulator))
  local stdin = {
    getfd = function()
      return 0
    end,
    dirty = function()
      return false
    end,
  }
  serving:watch(stdin, function()
    serving:stop()
  end)
  write_file(port_path, serving.port .. "\n")
  serving:run(ROUNDS * SECONDS * 10)
end

local function requests_per_second(load)
  local request_path, port_path = os.tmpname(), os.tmpname()
  local child =
    assert(io.popen(("%s spec/emulator/bench.lua --serve %s %s"):format(INTERPRETER, request_path, port_path), "w"))
  local port
  local deadline = socket.gettime() + 20
  repeat
    socket.sleep(0.02)
    port = (read_file(port_path) or ""):match "^(%d+)\n"
  until port or socket.gettime() > deadline
  local rates = {}
  for round = 0, port and ROUNDS or -1 do -- round 0 warms up
    local pipe = assert(io.popen(("%s %s %d %g %s"):format(load, port, CONNECTIONS, SECONDS, request_path)))
    local answers, seconds = pipe:read("*a"):match "^(%d+) ([%d.]+)"
    pipe:close()
    rates[round > 0 and round or 1] = answers and answers / seconds or 0
  end
  child:close()
  os.remove(request_path)
  os.remove(port_path)
  return rates
end

-- An emulator with so many backups, made as the service makes them: one cluster, one backup a minute.
local function with_backups(count)
  local service = helper.new { times = { backup_interval = 60, backup_creation = 1 } }
  service:active_cluster()
  while #service.emulator.world:store(ACCOUNT, REGION).backups.items < count do
    service.emulator:advance(60)
  end
  return service
end

-- Seconds of CPU that going through all pages takes, signatures included.
local function page_through(service)
  local seen, token = 0, nil
  collectgarbage()
  local started = os.clock()
  repeat
    local out = service:call("DescribeBackups", { NextToken = token, MaxResults = 50 })
    seen, token = seen + #out.Backups, out.NextToken
  until not token
  return os.clock() - started, seen
end

local function row(what, value, unit, goal)
  print(("  %-52s %9.2f %-8s %s"):format(what, value, unit, goal or ""))
end

local function main(load)
  print(("%s, medians; %d connections, %d rounds of %d s"):format(NAME, CONNECTIONS, ROUNDS, SECONDS))
  local rates = requests_per_second(load)
  row("signed DescribeBackups of 1 backup", median(rates), "a second", "goal: at least 5000")
  local first
  for _, size in ipairs(SIZES) do
    local service = with_backups(size)
    local times, seen = {}, nil
    for round = 0, PAGE_ROUNDS do
      times[round > 0 and round or 1], seen = page_through(service)
    end
    local each = median(times) / seen * 1e6
    first = first or each
    row(("page through %d backups, 50 a page"):format(seen), median(times) * 1e3, "ms")
    row("  for each backup, and against the shortest list", each, "us", ("x %.2f, linear is 1"):format(each / first))
  end
end

if arg[1] == "--serve" then
  serve(arg[2], arg[3])
else
  main(arg[1])
end
