--- Requests that nobody should send, by the thousands, to the emulator of another process: it answers 200 or a refusal to what is
-- whole, and goes on serving.
-- Usage: lua5.4 spec/interop/fuzz.lua PORT CONTROL_PORT COUNT [SEED]

local socket = require "socket"

local fuzz = require "spec.helper.fuzz"
local helper = require "spec.emulator.helper"

local PORT, CONTROL_PORT, COUNT = tonumber(arg[1]), tonumber(arg[2]), tonumber(arg[3])
local SEED = tonumber(arg[4]) or os.time()
local PATIENCE = 20 -- seconds for an answer
local EVERY = 100 -- requests: then time passes for clusters, and a good request is sent

local passed, failed = 0, 0

local function note(problem, number)
  if problem then
    failed = failed + 1
    print(("fuzz: seed %d, number %d: %s"):format(SEED, number, (problem:gsub("[^ -~]", "?"))))
  else
    passed = passed + 1
  end
end

local function connect(port)
  local client = assert(socket.connect("127.0.0.1", port))
  client:settimeout(PATIENCE)
  return client
end

local function advance(seconds)
  local client = connect(CONTROL_PORT)
  local head = "POST /advance HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
  client:send(head:format(#seconds, seconds))
  assert(assert(client:receive "*a"):find "^HTTP/1.1 200 ")
  client:close()
end

-- What the emulator says to bytes, until it ends the connection; or nil and why there is no end.
local function exchange(bytes)
  local client = connect(PORT)
  client:send(bytes)
  client:shutdown "send"
  local answer, err, part = client:receive "*a"
  client:close()
  if not answer and err ~= "closed" then
    return nil, err
  end
  return answer or part
end

-- A good request over a connection that stays.
local bystander = connect(PORT)
local function serves()
  local request = helper.request("DescribeClusters", "{}", { time = socket.gettime() })
  local lines = { "POST / HTTP/1.1" }
  for _, pair in ipairs(request.headers) do
    lines[#lines + 1] = pair[1] .. ": " .. pair[2]
  end
  bystander:send(table.concat(lines, "\r\n") .. "\r\nContent-Length: 2\r\n\r\n{}")
  local status = bystander:receive "*l"
  local length
  repeat
    local line = bystander:receive "*l"
    length = line and tonumber(line:match "^content%-length: (%d+)") or length
  until not line or line == ""
  return status and status:find "^HTTP/1.1 200 " and length and bystander:receive(length)
end

local started = socket.gettime()
local source = fuzz.new(SEED, socket.gettime)
for number = 1, COUNT do
  local answer, err = exchange(source:next())
  note(answer and source:judge(answer) or err, number)
  if number % EVERY == 0 then
    advance "300"
    note(not serves() and "a good request got no good answer" or nil, number)
  end
end

local statuses = {}
for status, count in pairs(source.statuses) do
  statuses[#statuses + 1] = status .. ": " .. count
end
table.sort(statuses)
print(
  ("  fuzzer: %d held, %d did not; %d requests of seed %d, %.0f s; answers by status: %s"):format(
    passed,
    failed,
    COUNT,
    SEED,
    socket.gettime() - started,
    table.concat(statuses, ", ")
  )
)
print(("counts %d %d"):format(passed, failed))
