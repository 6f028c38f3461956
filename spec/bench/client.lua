-- This client, and bare cjson beside it, as a contender of spec/bench.lua.
-- Usage: LUA spec/bench/client.lua serve HTTP HTTPS CA_FILE     works of standard input, as of floor.c; a CA_FILE of `-`: the system's
--        LUA spec/bench/client.lua once URL CA_FILE [PAGES]     one call, or so many pages, and out
--        LUA spec/bench/client.lua require                      prints the milliseconds and KiB that `require` takes

local mode, http, https, ca_file = ...

if mode == "require" then
  collectgarbage()
  local before, start = collectgarbage "count", os.clock()
  require "cloudhsmv2"
  local taken = os.clock() - start
  collectgarbage()
  collectgarbage()
  print(string.format("%.3f %.1f", taken * 1000, collectgarbage "count" - before))
  return
end

local cloudhsmv2 = require "cloudhsmv2"

local TOKEN = ("t"):rep(800)
local KEYS = {
  access_key_id = "AKIDEXAMPLE",
  secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  session_token = TOKEN,
}
local PARAMS = { Filters = { states = { "READY" } }, MaxResults = 50 }

local function new(endpoint, authorities)
  return assert(cloudhsmv2.new {
    region = "eu-west-1",
    endpoint = endpoint,
    credentials = KEYS,
    proxy = "",
    ca_file = authorities ~= "-" and authorities or nil,
  })
end

if mode == "once" then
  local url, authorities, pages = http, https, ca_file
  local client = new(url, authorities)
  if pages then
    local count = 0
    for page in client:paginator("describe_backups", PARAMS, { max_items = 50 * pages }):pages() do
      count = count + #page.Backups
    end
    assert(count == 50 * pages)
  else
    assert(#assert(client:describe_backups(PARAMS)).Backups > 0)
  end
  return
end

local cjson = require "cjson"
local codec = require "cloudhsmv2.codec"
local core = require "cloudhsmv2.core"
local service = require "cloudhsmv2.model"
local sigv4 = require "cloudhsmv2.sigv4"
local page = require "spec.bench.page"

local model = codec.compile(service.shapes)
local one, many, most = page(1), page(50), page(5000)
local signer = assert(sigv4.signer())
local request = {
  method = "POST",
  path = "/",
  query = "",
  headers = {
    { "Host", "cloudhsmv2.eu-west-1.amazonaws.com" },
    { "Content-Type", "application/x-amz-json-1.1" },
    { "X-Amz-Target", "BaldrApiService.DescribeBackups" },
  },
  body = ("x"):rep(300),
  region = "eu-west-1",
  service = "cloudhsm",
  time = os.time(),
  credentials = assert(sigv4.credentials(KEYS)),
}

local function decoding(body)
  return function(count)
    for _ = 1, count do
      assert(model:decode("DescribeBackupsResponse", body))
    end
  end
end

local function cjson_decoding(body)
  return function(count)
    for _ = 1, count do
      cjson.decode(body)
    end
  end
end

local function calling(endpoint, backups, made_before)
  local client
  return function(count)
    if not client then
      client = new(endpoint .. "/" .. backups, ca_file)
      for _ = 1, made_before or 1 do
        assert(client:describe_backups(PARAMS))
      end
    end
    for _ = 1, count do
      assert(#assert(client:describe_backups(PARAMS)).Backups == backups)
    end
  end
end

local parallel_client, fresh_client

local works = {
  sign = function(count)
    for _ = 1, count do
      assert(signer:sign(request))
    end
  end,
  encode = function(count)
    for _ = 1, count do
      assert(model:encode("DescribeBackupsRequest", PARAMS))
    end
  end,
  cjson_encode = function(count)
    for _ = 1, count do
      cjson.encode(PARAMS)
    end
  end,
  decode1 = decoding(one),
  decode50 = decoding(many),
  decode5000 = decoding(most),
  cjson_decode1 = cjson_decoding(one),
  cjson_decode50 = cjson_decoding(many),
  http1 = calling(http, 1),
  http50 = calling(http, 50),
  tls1 = calling(https, 1),
  tls50 = calling(https, 50),
  aged1 = calling(http, 1, 10000),
  parallel1 = function(count)
    parallel_client = parallel_client or new(http .. "/1")
    local function call()
      assert(#assert(parallel_client:describe_backups(PARAMS)).Backups == 1)
    end
    local tasks = {}
    for i = 1, count do
      tasks[i] = call
    end
    for _, result in ipairs(cloudhsmv2.parallel(tasks, { limit = 16 })) do
      assert(result.ok, tostring(result.err))
    end
  end,
  fresh1 = function(count) -- an operation that goes over a connection of its own
    fresh_client = fresh_client or new(https .. "/1", ca_file)
    for _ = 1, count do
      assert(fresh_client:copy_backup_to_region { DestinationRegion = "eu-west-1", BackupId = "backup-abcdefghijk" })
    end
  end,
}

io.stdout:setvbuf "line"
for line in io.lines() do
  local name, count = line:match "^(%S+) (%d+)$"
  if name == "quit" then
    break
  elseif name == "peak" then
    for status in io.lines "/proc/self/status" do
      if status:find "^VmHWM" then
        print(status:match "%d+" .. " 0")
      end
    end
  else
    count = tonumber(count)
    works[name](1) -- what the first time makes is not the work
    collectgarbage()
    local cpu, wall = os.clock(), core.now()
    works[name](count)
    print(string.format("%.4f %.4f", (os.clock() - cpu) / count * 1e6, (core.now() - wall) / count * 1e6))
  end
end
