--- This client against moto, somebody else's stand-in for AWS: the operations that it has, what is odd about its answers, and
-- clear errors for what it lacks.
-- Usage: LUA spec/interop/moto.lua PORT VERSION      Prints a line for every check that fails, then how many held.

local cloudhsmv2 = require "cloudhsmv2"
local errors = require "cloudhsmv2.errors"
local model = require "cloudhsmv2.model"
local socket = require "socket"

local PORT, VERSION = arg[1], arg[2]
local OPERATIONS = { -- of moto
  CreateCluster = true,
  DeleteCluster = true,
  DescribeBackups = true,
  DescribeClusters = true,
  GetResourcePolicy = true,
  ListTags = true,
  PutResourcePolicy = true,
  TagResource = true,
  UntagResource = true,
}
local PARAMETERS = { -- that are good enough for the client
  ClusterId = "cluster-aaaaaaaaaaa",
  BackupId = "backup-aaaaaaaaaaa",
  ResourceArn = "arn:aws:cloudhsm:us-east-1:123456789012:backup/backup-aaaaaaaaaaa",
  DestinationRegion = "eu-west-1",
  AvailabilityZone = "us-east-1a",
  SignedCert = "x",
  TrustAnchor = "x",
  NeverExpires = true,
}

local passed, failed, succeeded = 0, 0, {}
local name_of_lua = jit and "LuaJIT" or _VERSION

local function check(name, work)
  local fine, problem = pcall(work)
  if fine then
    passed = passed + 1
  else
    failed = failed + 1
    print(("moto: %s: %s: %s"):format(name_of_lua, name, tostring(problem)))
  end
end

local function expect(held, what)
  if not held then
    error(what or "it does not hold", 2)
  end
end

local function client_of(options)
  local all = {
    region = "us-east-1",
    endpoint = "http://127.0.0.1:" .. PORT,
    proxy = "",
    credentials = { access_key_id = "AKIDEXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" },
  }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  return assert(cloudhsmv2.new(all))
end

local client = client_of()

local function call(operation, params)
  local out = assert(client:call(operation, params))
  succeeded[operation] = true
  return out
end

local function is_recent(time)
  return type(time) == "number" and math.abs(time - socket.gettime()) < 86400
end

local function create()
  return call("CreateCluster", { HsmType = "hsm2m.medium", Mode = "FIPS", SubnetIds = { "subnet-0a1b2c30" } }).Cluster
end

local cluster, backup
check("a cluster is created", function()
  cluster = create()
  expect(cluster.State == "ACTIVE" and cluster.HsmType == "hsm2m.medium")
end)

check("its time, which moto writes in ISO 8601 without a zone, is a number", function()
  expect(is_recent(cluster.CreateTimestamp), tostring(cluster.CreateTimestamp))
end)

check("what is null is absent", function()
  local out = call("DescribeBackups", {})
  expect(cluster.SourceBackupId == nil)
  expect(out.NextToken == nil)
  for _, one in ipairs(out.Backups) do
    backup = one.ClusterId == cluster.ClusterId and one or backup
  end
  expect(is_recent(backup.CreateTimestamp) and backup.BackupState == "READY" and backup.SourceCluster == nil)
end)

check("an answer that says it is HTML is read", function()
  local out = call("DescribeClusters", {})
  expect(out.ResponseMetadata.HTTPHeaders["content-type"]:find "^text/html", "moto has changed: this proves nothing")
  local seen = false
  for _, one in ipairs(out.Clusters) do
    seen = seen or one.ClusterId == cluster.ClusterId
  end
  expect(seen, "the cluster is not in the list")
end)

check("filters", function()
  local out = call("DescribeClusters", { Filters = { clusterIds = { cluster.ClusterId }, states = { "ACTIVE" } } })
  expect(#out.Clusters == 1)
  out = call("DescribeClusters", { Filters = { clusterIds = { "cluster-aaaaaaaaaaa" } } })
  expect(#out.Clusters == 0)
end)

check("tags", function()
  local id = cluster.ClusterId
  call(
    "TagResource",
    { ResourceId = id, TagList = { { Key = "a", Value = "1" }, { Key = "größe", Value = "1 m²" } } }
  )
  local list = call("ListTags", { ResourceId = id }).TagList
  expect(#list == 2 and list[2].Key == "größe" and list[2].Value == "1 m²")
  call("UntagResource", { ResourceId = id, TagKeyList = { "a" } })
  expect(#call("ListTags", { ResourceId = id }).TagList == 1)
end)

check("policies, of which one that is not there is null", function()
  expect(call("GetResourcePolicy", { ResourceArn = backup.BackupArn }).Policy == nil)
  local policy = '{"Version":"2012-10-17","Statement":[]}'
  local out = call("PutResourcePolicy", { ResourceArn = backup.BackupArn, Policy = policy })
  expect(out.Policy == policy and out.ResourceArn == backup.BackupArn)
  expect(call("GetResourcePolicy", { ResourceArn = backup.BackupArn }).Policy == policy)
end)

check("pages", function()
  create()
  create()
  local ids, count = {}, 0
  local pages = assert(client:paginator("describe_clusters", {}, { page_size = 1 }))
  for page in pages:pages() do
    count = count + 1
    for _, one in ipairs(page.Clusters) do
      ids[one.ClusterId] = true
    end
  end
  expect(count >= 3 and ids[cluster.ClusterId], count .. " pages")
  local backups, err = client:paginator("describe_backups", {}, { page_size = 2 }):collect()
  expect(not err and #backups >= 3, tostring(err))
end)

check("a token that is none ends the list instead of breaking it", function()
  local out, err = client:describe_backups { NextToken = "bm9uc2Vuc2U=" }
  expect(out and #out.Backups == 0 or errors.is(err), "neither an empty page nor an error")
end)

check("many calls at once", function()
  local tasks = {}
  for i = 1, 8 do
    tasks[i] = function()
      return client:describe_clusters()
    end
  end
  for _, result in ipairs(cloudhsmv2.parallel(tasks)) do
    expect(result.ok and #result[1].Clusters >= 3, tostring(result.err))
  end
end)

check("a wait for what is there already", function()
  expect(assert(client:wait("cluster_active", { ClusterId = cluster.ClusterId })).State == "ACTIVE")
  expect(assert(client:wait("backup_ready", { BackupId = backup.BackupId })).BackupState == "READY")
end)

check("a cluster is deleted, and a wait notices that it is gone", function()
  expect(call("DeleteCluster", { ClusterId = cluster.ClusterId }).Cluster.State == "DELETED")
  local _, err = client:wait("cluster_deleted", { ClusterId = cluster.ClusterId }, { timeout = 30 })
  expect(err == nil, tostring(err))
end)

check("an error with a name of moto's own", function()
  local out, err = client:delete_cluster { ClusterId = cluster.ClusterId }
  expect(out == nil and err.kind == "service" and err.code == "ResourceNotFoundException", tostring(err))
  expect(err.status == 400 and err.message:find(cluster.ClusterId, 1, true), tostring(err))
end)

check("wrong parameters are not sent", function()
  local out, err = client:delete_cluster {}
  expect(out == nil and err.kind == "validation" and err.sent == "no", tostring(err))
end)

-- What moto lacks it answers with HTTP 500 and a page. The kind is `service`; where nobody can know what became of a request
-- that must not be done twice, `ambiguous`, with the error of the service as its cause.
local missing = 0
for name, operation in pairs(model.operations) do
  if not OPERATIONS[name] then
    missing = missing + 1
    check("a clear error for " .. name, function()
      local params = {}
      for _, member in ipairs(model.shapes[operation.input.shape].required or {}) do
        params[member] = PARAMETERS[member]
      end
      if name == "DeleteHsm" then
        params.HsmId = "hsm-aaaaaaaaaaa"
      elseif name == "ModifyCluster" then
        params.BackupRetentionPolicy = { Type = "DAYS", Value = "30" }
      end
      local out, err = client:call(name, params, { max_attempts = 2 })
      expect(out == nil and errors.is(err), "it did not fail")
      local told = err
      if operation.at_most_once == true then
        expect(err.kind == "ambiguous" and err.attempts == 1, tostring(err))
        told = err.cause
      else
        expect(err.attempts == 2, "it may pass, and was not tried again")
      end
      expect(told.kind == "service" or told.kind == "protocol", tostring(told))
      expect(told.status == 500 and told.message:find("the answer is HTML, not JSON", 1, true), tostring(told))
      expect(not tostring(err):find("\n", 1, true) and not tostring(err):find("<", 1, true), tostring(err))
    end)
  end
end

local count = 0
for _ in pairs(succeeded) do
  count = count + 1
end
check("every operation of moto", function()
  expect(count == 9 and missing == 9, count .. " of 9")
end)
client:close()
print(
  ("  moto %s, %s: %d held, %d did not; %d of 9 operations, %d that it lacks"):format(
    VERSION,
    name_of_lua,
    passed,
    failed,
    count,
    missing
  )
)
print(("counts %d %d"):format(passed, failed))
