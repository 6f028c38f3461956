--- What decoding, signing and encoding cost: `make bench`. A benchmark, not a test: it always succeeds.
-- The contenders take turns in one process, and the median over the rounds is shown: ratios of one run hold where
-- absolute times of a shared machine do not.

local cjson = require "cjson"
local codec = require "cloudhsmv2.codec"
local service = require "cloudhsmv2.model"
local sigv4 = require "cloudhsmv2.sigv4"

local ROUNDS = 15
local BACKUPS = 50
local BODY_SIZE = 300 -- bytes of the signed request
local TOKEN_SIZE = 800 -- bytes of the session token

-- A page as the service writes it: 14 members and three tags for each backup.
local function page()
  local backup = [[{"BackupArn":"arn:aws:cloudhsm:eu-west-1:111122223333:backup/backup-%s","BackupId":"backup-%s",]]
    .. [["BackupState":"READY","ClusterId":"cluster-dqf7m6ithhc","CopyTimestamp":17259%05d.678,]]
    .. [["CreateTimestamp":17259%05d.149,"HsmType":"hsm2m.medium","Mode":"FIPS","NeverExpires":false,]]
    .. [["SourceBackup":"backup-%s","SourceCluster":"cluster-rhuxbiveqa2","SourceRegion":"us-east-1",]]
    .. [["DeleteTimestamp":17265%05d.133,"TagList":[{"Key":"Name","Value":"nightly"},]]
    .. [[{"Key":"owner","Value":"platform"},{"Key":"cost-centre","Value":"4711"}]}]]
  local list = {}
  for i = 1, BACKUPS do
    local id = string.format("%011d", i)
    list[i] = backup:format(id, id, i, i, id, i)
  end
  return '{"Backups":[' .. table.concat(list, ",") .. '],"NextToken":"' .. ("t"):rep(160) .. '"}'
end

local function median(values)
  table.sort(values)
  return values[math.ceil(#values / 2)]
end

-- Microseconds of CPU that one call takes.
local function price(work, times)
  collectgarbage()
  local start = os.clock()
  for _ = 1, times do
    work()
  end
  return (os.clock() - start) / times * 1e6
end

-- KiB that one call allocates.
local function memory(work)
  collectgarbage()
  collectgarbage "stop"
  local before = collectgarbage "count"
  for _ = 1, 10 do
    work()
  end
  local used = (collectgarbage "count" - before) / 10
  collectgarbage "restart"
  return used
end

local body = page()
local model = codec.compile(service.shapes)
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
  body = ("x"):rep(BODY_SIZE),
  region = "eu-west-1",
  service = "cloudhsm",
  time = 1440938160,
  credentials = assert(sigv4.credentials {
    access_key_id = "AKIDEXAMPLE",
    secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    session_token = ("t"):rep(TOKEN_SIZE),
  }),
}
local params = { Filters = { states = { "READY" } }, MaxResults = 50 }

local contenders = {
  {
    name = "decode",
    times = 200,
    work = function()
      assert(model:decode("DescribeBackupsResponse", body))
    end,
  },
  {
    name = "cjson",
    times = 200,
    work = function()
      cjson.decode(body)
    end,
  },
  {
    name = "sign",
    times = 5000,
    work = function()
      assert(signer:sign(request))
    end,
  },
  {
    name = "encode",
    times = 20000,
    work = function()
      assert(model:encode("DescribeBackupsRequest", params))
    end,
  },
}

local prices = {}
for round = 0, ROUNDS do -- round 0 warms up
  for _, contender in ipairs(contenders) do
    local taken = price(contender.work, contender.times)
    prices[contender.name] = prices[contender.name] or {}
    prices[contender.name][round > 0 and round or 1] = taken
  end
end

local ratios = {}
for round = 1, ROUNDS do
  ratios[round] = prices.decode[round] / prices.cjson[round]
end

local function row(what, value, unit, goal)
  print(string.format("  %-52s %9.2f %-5s %s", what, value, unit, goal or ""))
end

print(string.format("%s, medians of %d rounds", jit and jit.version or _VERSION, ROUNDS))
row(string.format("decode a page of %d backups, %d bytes", BACKUPS, #body), median(prices.decode), "us")
row("cjson.decode of the same bytes", median(prices.cjson), "us")
row("decode : cjson.decode", median(ratios), "", jit and "" or "goal: at most 0.70")
row("memory of a decoded page", memory(contenders[1].work), "KiB")
row("memory of cjson's", memory(contenders[2].work), "KiB")
row(
  string.format("sign %d bytes with a token of %d", BODY_SIZE, TOKEN_SIZE),
  median(prices.sign),
  "us",
  "goal: at most 12"
)
row("encode a DescribeBackups request", median(prices.encode), "us")
