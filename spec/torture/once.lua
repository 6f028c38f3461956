-- Operations that cannot be repeated, over connections that break: on one of many ports each, at a byte that chance picks. The server
-- (once_server.lua) tells what it saw, and that has to agree with what the client says.
--
-- Usage: once.lua RUNS [SEED]. The last line is `once: N passed, N failed`.

local canned = require "spec.torture.canned"
local cloudhsmv2 = require "cloudhsmv2"
local curl = require "cloudhsmv2.runtime.curl"
local socket = require "socket"

local runs, seed = tonumber(arg[1] or 10000), tonumber(arg[2] or os.time())
local WORKERS = 48
local LIFETIME = math.floor(300 + runs / 100) -- seconds
local OPERATIONS = { "CreateCluster", "CreateHsm", "CopyBackupToRegion", "InitializeCluster", "ModifyCluster" }
local FAULTS = {
  "close_request",
  "close_request",
  "reset_request",
  "reset_request",
  "stall_request",
  "close_answer",
  "close_answer",
  "reset_answer",
  "reset_answer",
  "stall_answer",
  "good",
  "delay",
  "drip",
  "broken",
  "refused",
  "throttled",
  "garbage",
  "no_listener",
}
local LAST_BYTE = 1700 -- no request and no answer is longer
local INTERPRETER = rawget(_G, "jit") and "luajit" or (_VERSION:gsub("^Lua ", "lua"))

-- A generator of our own: the same seed gives the same runs on every Lua.
local state = seed % 2147483647
local function random(most)
  state = (state * 16807) % 2147483647
  return state % most
end

local function start_server()
  local announcement = os.tmpname()
  local command = ("exec %s spec/torture/once_server.lua %d %d > '%s'"):format(
    INTERPRETER,
    WORKERS,
    LIFETIME,
    announcement
  )
  local input = assert(io.popen(command, "w"))
  local ports = {}
  for _ = 1, 500 do
    local file = assert(io.open(announcement))
    local line = file:read "*l"
    file:close()
    if line then
      for port in line:gmatch "%d+" do
        ports[#ports + 1] = tonumber(port)
      end
      break
    end
    socket.sleep(0.01)
  end
  os.remove(announcement)
  assert(#ports == WORKERS + 2, "the server did not start")
  return ports, input
end

local ports, server = start_server()

-- One set of connections for all, so that one poll waits for them. Delays between attempts are shortened.
local shared = assert(curl.new { proxy = "" })
local runtime = {}
for name, value in pairs(shared) do
  runtime[name] = value
end
function runtime.sleep(seconds)
  shared.sleep(seconds / 200)
end

local function next_plan(worker, plan)
  local words = { "w=" .. worker }
  for name, value in pairs(plan) do
    words[#words + 1] = name .. "=" .. value
  end
  local response = assert(shared.send {
    method = "GET",
    url = ("http://127.0.0.1:%d/next?%s"):format(ports[1], table.concat(words, "&")),
    headers = { { "Host", "control" } },
    body = "",
  })
  local report = {}
  for name, value in response.body:gmatch "(%w+)=(%d+)" do
    report[name] = tonumber(value)
  end
  return report
end

-- ---- What has to be true ----

local function judge(run, report)
  local out, err = run.out, run.err
  local allowed = 1 + report.rejected
  if report.seen > allowed or report.whole > allowed then
    return "was sent more than once"
  elseif out then
    return report.full == 0 and "succeeded without an answer" or nil
  elseif not cloudhsmv2.errors.is(err) then
    return "ended without an error object"
  elseif err.sent == "no" and report.seen > 0 then
    return 'says sent "no", and the server saw it'
  elseif err.sent == "yes" and report.answered < #"HTTP/1.1 200" then
    return 'says sent "yes", and the server did not answer'
  elseif run.plan.f1 == "no_listener" then
    return (err.sent ~= "no" or err.kind ~= "transport") and "does not say that nothing was sent" or nil
  elseif report.refused > 0 then
    return err.kind ~= "service" and "does not say that it was refused" or nil
  elseif report.seen > report.rejected and err.kind ~= "ambiguous" then
    return "does not say that it is ambiguous"
  end
end

local tally = { passed = 0, failed = 0, succeeded = 0, ambiguous = 0, unsent = 0, other = 0, kept = 0, doubles = 0 }

local function count(run, report, ambiguity_is_retried)
  if ambiguity_is_retried then -- here a second send is what has to be noticed
    tally.doubles = tally.doubles + (report.seen > 1 + report.rejected and 1 or 0)
    return
  end
  local problem = judge(run, report)
  if problem then
    tally.failed = tally.failed + 1
    local words = {}
    for _, part in ipairs { run.plan, report } do
      for name, value in pairs(part) do
        words[#words + 1] = name .. "=" .. tostring(value)
      end
    end
    print(("%s %s: %s; %s"):format(run.operation, problem, tostring(run.err), table.concat(words, " ")))
    return
  end
  tally.passed = tally.passed + 1
  local kind = run.out and "succeeded"
    or run.err.sent == "no" and "unsent"
    or run.err.kind == "ambiguous" and "ambiguous"
    or "other"
  tally[kind] = tally[kind] + 1
  tally.kept = tally.kept + (run.plan.warm == "keep" and 1 or 0)
end

local function client_for(worker, fault, ambiguity_is_retried)
  return assert(cloudhsmv2.new {
    region = "eu-west-1",
    endpoint = "http://127.0.0.1:" .. (fault == "no_listener" and ports[2] or ports[worker + 2]),
    credentials = canned.credentials,
    runtime = runtime,
    read_timeout = 0.15,
    connect_timeout = 5,
    retry_ambiguous = ambiguity_is_retried,
    getenv = function() end,
    read_file = function() end,
  })
end

local function plan_of_chance()
  local fault = FAULTS[random(#FAULTS) + 1]
  return {
    warm = fault == "no_listener" and "no" or ({ "no", "keep", "close" })[random(3) + 1],
    f1 = fault,
    a1 = random(LAST_BYTE),
    f2 = FAULTS[random(#FAULTS - 1) + 1],
    a2 = random(LAST_BYTE),
  }
end

local function perform(number, ambiguity_is_retried)
  local left = number
  local tasks = {}
  for worker = 1, WORKERS do
    tasks[worker] = function()
      while left > 0 do
        left = left - 1
        local run = { plan = plan_of_chance(), operation = OPERATIONS[random(#OPERATIONS) + 1] }
        next_plan(worker, run.plan)
        local client = client_for(worker, run.plan.f1, ambiguity_is_retried)
        if run.plan.warm ~= "no" then
          assert(client:call("DescribeClusters", {}, { read_timeout = 20 }))
        end
        run.out, run.err = client:call(run.operation, canned.calls[run.operation][1])
        count(run, next_plan(worker, { warm = "no" }), ambiguity_is_retried)
      end
    end
  end
  for _, result in ipairs(cloudhsmv2.parallel(tasks, { limit = WORKERS })) do
    if not result.ok then
      tally.failed = tally.failed + 1
      print(tostring(result.err))
    end
  end
end

local started = socket.gettime()
perform(runs)
local elapsed = socket.gettime() - started
perform(math.min(runs, 500), true)
if tally.doubles == 0 then
  tally.failed = tally.failed + 1
  print "second sends are not noticed where they are allowed"
end
shared.close()
server:close()

print(
  ("seed %d: %d succeeded, %d ambiguous, %d unsent, %d refused or throttled; %d beside a kept connection; %.0f a second"):format(
    seed,
    tally.succeeded,
    tally.ambiguous,
    tally.unsent,
    tally.other,
    tally.kept,
    runs / elapsed
  )
)
print(("once: %d passed, %d failed"):format(tally.passed, tally.failed))
os.exit(tally.failed == 0 and tally.passed == runs and 0 or 1)
