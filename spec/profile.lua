--- Counts the instructions that signing, encoding and decoding take, by function, and compares them with spec/profile.txt:
-- `make profile`; `make profile UPDATE=1` writes them there. Counts do not depend on what else the machine does.
-- Usage: lua5.4 spec/profile.lua [update]

local FILE = "spec/profile.txt"
local WORKS = { "sign", "encode", "decode1", "decode50" }
local FEW, MANY = 20, 120 -- times; the difference leaves out what happens once
local MOST = 0.03 -- growth of a work that fails
local AGAIN = 2 -- measurements of a work that seems to have grown
local SHOWN = 5 -- functions

local WORKER = [[
local work, times = ...
local codec, service, sigv4 = require "cloudhsmv2.codec", require "cloudhsmv2.model", require "cloudhsmv2.sigv4"
local page = require "spec.bench.page"
local model, signer, body = codec.compile(service.shapes), assert(sigv4.signer()), page(tonumber(work:match "%d+") or 1)
local params = { Filters = { states = { "READY" } }, MaxResults = 50 }
local request = {
  method = "POST", path = "/", query = "", body = ("x"):rep(300), region = "eu-west-1", service = "cloudhsm", time = 1440938160,
  headers = {
    { "Host", "cloudhsmv2.eu-west-1.amazonaws.com" }, { "Content-Type", "application/x-amz-json-1.1" },
    { "X-Amz-Target", "BaldrApiService.DescribeBackups" },
  },
  credentials = assert(sigv4.credentials {
    access_key_id = "AKIDEXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", session_token = ("t"):rep(800),
  }),
}
for _ = 1, times do
  if work == "sign" then
    assert(signer:sign(request))
  elseif work == "encode" then
    assert(model:encode("DescribeBackupsRequest", params))
  else
    assert(model:decode("DescribeBackupsResponse", body))
  end
end
]]

local function lines_of(command)
  local pipe = assert(io.popen(command))
  local lines = {}
  for line in pipe:lines() do
    lines[#lines + 1] = line
  end
  pipe:close()
  return lines
end

-- Exclusive counts by function; what other libraries do, by library.
local function counts_of(worker, work, times)
  local out = os.tmpname()
  local command = "setarch -R valgrind --tool=callgrind --callgrind-out-file=%s lua5.4 %s %s %d >%s.log 2>&1"
  assert(os.execute(command:format(out, worker, work, times, out)), "callgrind failed: see " .. out .. ".log")
  local counts = {}
  for _, line in ipairs(lines_of("callgrind_annotate --threshold=100 --auto=no " .. out)) do
    local count, place = line:match "^ *([%d,]+) %(%s*[%d.]+%%%) +(.+)$"
    local object = place and place:match "%[.*/([^/]+)%]$"
    if count and place:find "PROGRAM TOTALS" then
      counts.total = tonumber((count:gsub(",", "")))
    elseif object then
      local name = place:match ":([%w_.]+)['%d]* *%["
      name = object == "core.so" and name or object:match "^[%a]+[%d.]*%d" or object
      counts[name] = (counts[name] or 0) + tonumber((count:gsub(",", "")))
    end
  end
  os.remove(out)
  os.remove(out .. ".log")
  return counts
end

local function measure(worker, work)
  local few, many = counts_of(worker, work, FEW), counts_of(worker, work, MANY)
  local found = {}
  for name, count in pairs(many) do
    local each = math.floor((count - (few[name] or 0)) / (MANY - FEW) + 0.5)
    if each > 0 then
      found[name] = each
    end
  end
  return found
end

local function read()
  local known = {}
  for line in io.lines(FILE) do
    local work, name, count = line:match "^(%S+) (%S+) (%d+)$"
    if work then
      known[work] = known[work] or {}
      known[work][name] = tonumber(count)
    end
  end
  return known
end

local function by_count(found)
  local names = {}
  for name in pairs(found) do
    names[#names + 1] = name
  end
  table.sort(names, function(a, b)
    return found[a] ~= found[b] and found[a] > found[b] or found[a] == found[b] and a < b
  end)
  return names
end

local function write(measured)
  local file = assert(io.open(FILE, "w"))
  file:write "# Instructions of one call, by function, on Lua 5.4: made by `make profile UPDATE=1`, compared by `make profile`.\n"
  for _, work in ipairs(WORKS) do
    for _, name in ipairs(by_count(measured[work])) do
      file:write(("%s %s %d\n"):format(work, name, measured[work][name]))
    end
  end
  file:close()
end

-- Prints how a work stands to what is known of it; true: it did not grow by more than it may.
local function compare(work, known, found)
  local growth = found.total / known.total - 1
  local fine = growth <= MOST
  print(
    ("%-10s %9d instructions, %+.2f %%%s"):format(
      work,
      found.total,
      growth * 100,
      fine and "" or ": more than 3 % more"
    )
  )
  if not fine then
    local grown = {}
    for name, count in pairs(found) do
      grown[name] = name ~= "total" and count - (known[name] or 0) or nil
    end
    for i, name in ipairs(by_count(grown)) do
      if i <= SHOWN and grown[name] > 0 then
        print(("  %-40s %+d, from %d"):format(name, grown[name], known[name] or 0))
      end
    end
  end
  return fine
end

local worker = os.tmpname()
local script = assert(io.open(worker, "w"))
script:write(WORKER)
script:close()
local measured, passed = {}, 0
for _, work in ipairs(WORKS) do
  measured[work] = measure(worker, work)
end
if (...) == "update" then
  write(measured)
end
local known = read()
for _, work in ipairs(WORKS) do
  for _ = 1, AGAIN do -- Lua seeds its hashes by the clock, and some seeds are unlucky
    if measured[work].total > known[work].total * (1 + MOST) then
      measured[work] = measure(worker, work)
    end
  end
  passed = passed + (compare(work, known[work], measured[work]) and 1 or 0)
end
os.remove(worker)
print(("profile: %d passed, %d failed"):format(passed, #WORKS - passed))
os.exit(passed == #WORKS)
