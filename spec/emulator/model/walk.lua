--- Random walks over the emulator's operations, each step held against the model in `invariants`.
-- A walk is decided by its seed alone, alike on every Lua.

local cjson = require "cjson.safe"
local invariants = require "spec.emulator.model.invariants"

local floor = math.floor

local walk = {}

local START = 1767225600 -- 2026-01-01T00:00:00Z
local DAY = 86400
local ACCOUNTS = { AKIDEXAMPLE = "111122223333", AKIDEXAMPLE2 = "444455556666" }
local KEYS = { "AKIDEXAMPLE", "AKIDEXAMPLE2" }
local REGIONS = { "us-east-1", "eu-west-1", "us-gov-west-1" }
local ZONES = { "a", "b", "c" }
local SUBNETS = { "subnet-0a1b2c30", "subnet-0a1b2c31", "subnet-0a1b2c32" }
local PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
local STEPS = { 1, 30, 60, 120, 313, 1800, 3600, DAY, 2 * DAY, 8 * DAY, 30 * DAY }
local FAILURES = { "hsm", "copy", "migration", "initialization" }
local UNKNOWN_IDS = { Cluster = "cluster-aaaaaaaaaaa", Backup = "backup-aaaaaaaaaaa", Hsm = "hsm-aaaaaaaaaaa" }

local methods = {}
local metatable = { __index = methods }

local function claim(condition, ...)
  if not condition then
    error(string.format(...), 0)
  end
end

-- Chance -------------------------------------------------------------------------------------------------------------

-- A whole number from 1 to `most`: Park and Miller's generator, in which no product passes 2^47.
function methods:draw(most)
  self.chance = self.chance * 48271 % 2147483647
  return floor(self.chance / 2147483647 * most) + 1
end

function methods:pick(list)
  return list[self:draw(#list)]
end

function methods:once_in(count)
  return self:draw(count) == 1
end

-- A name of a table, or nil when it has none.
function methods:pick_id(records)
  local ids = {}
  for id in pairs(records) do
    ids[#ids + 1] = id
  end
  table.sort(ids)
  return #ids > 0 and self:pick(ids) or nil
end

-- Talking to the emulator ----------------------------------------------------------------------------------------------

-- An account in a region, and the header that stands for it: signatures are not looked at.
local function place_of(key_id, region)
  return {
    account = ACCOUNTS[key_id],
    region = region,
    name = ACCOUNTS[key_id] .. "/" .. region,
    authorization = ("AWS4-HMAC-SHA256 Credential=%s/20260101/%s/cloudhsm/aws4_request, SignedHeaders=host, Signature=0"):format(
      key_id,
      region
    ),
  }
end

function methods:note(...)
  self.trace[#self.trace + 1] = string.format(...)
end

function methods:now()
  return self.emulator:time()
end

function methods:call(place, operation, input)
  self.calls = self.calls + 1
  local response = self.emulator:handle {
    method = "POST",
    target = "/",
    headers = {
      { "Host", "cloudhsmv2.example" },
      { "Content-Type", "application/x-amz-json-1.1" },
      { "X-Amz-Target", "BaldrApiService." .. operation },
      { "Authorization", place.authorization },
    },
    body = next(input) and cjson.encode(input) or "{}",
  }
  local output = cjson.decode(response.body)
  claim(type(output) == "table", "%s answers %s", operation, response.body)
  claim(not response.body:find ":null", "%s answers null", operation)
  return response.status, output
end

local LISTS = {
  DescribeClusters = { member = "Clusters", id = "ClusterId", most = 25 },
  DescribeBackups = { member = "Backups", id = "BackupId", most = 50 },
}

-- Everything that an operation lists.
function methods:list(place, operation)
  local all, token = {}, nil
  local list = LISTS[operation]
  repeat
    local status, output = self:call(place, operation, { MaxResults = list.most, NextToken = token })
    claim(status == 200, "%s is refused", operation)
    for _, item in ipairs(output[list.member]) do
      all[#all + 1] = item
    end
    token = output.NextToken
  until not token
  return all
end

-- Looks at a place, and holds it against the model.
function methods:look(place)
  local clusters, backups = self:list(place, "DescribeClusters"), self:list(place, "DescribeBackups")
  self.model:observe(place.name, clusters, backups, self:now())
end

function methods:look_if_stale(place)
  if self.model:store(place.name).at ~= self:now() then
    self:look(place)
  end
end

-- Calls an operation: its answer must be what the model expects, and nothing else may change.
function methods:act(place, operation, input, other_place)
  self:look_if_stale(place)
  if other_place then
    self:look_if_stale(other_place)
  end
  self:note("%d %s %s %s", self:now() - START, place.name, operation, cjson.encode(input))
  local code, apply = self.model:expect(operation, place.name, input, self:now())
  local status, output = self:call(place, operation, input)
  if code then
    claim(status == 400, "%s is accepted, and should be refused with %s", operation, code)
    claim(output.__type == code, "%s is refused with %s, not %s", operation, tostring(output.__type), code)
  else
    claim(status == 200, "%s is refused: %s", operation, cjson.encode(output))
    if operation == "CopyBackupToRegion" then
      local known, listed = self.model:store(other_place.name).backups, {}
      for _, backup in ipairs(self:list(other_place, "DescribeBackups")) do
        listed[#listed + 1] = not known[backup.BackupId] and backup or nil
      end
      output = listed
    end
    apply(output)
  end
  self:look(place)
  if other_place then
    self:look(other_place)
  elseif self:once_in(8) then
    self:look(self:pick(self.places))
  end
  return not code and output or nil
end

function methods:advance(seconds)
  self:note("%d advance %d", self:now() - START, seconds)
  self.emulator:advance(seconds)
end

-- Things to do ---------------------------------------------------------------------------------------------------------

local function known(self, place)
  return self.model:store(place.name)
end

-- An id of a cluster here; at times of another place, or of none.
local function cluster_id(self, place)
  local from = self:once_in(12) and self:pick(self.places) or place
  return self:pick_id(known(self, from).clusters) or UNKNOWN_IDS.Cluster
end

local function backup_id(self, place)
  local from = self:once_in(12) and self:pick(self.places) or place
  return self:pick_id(known(self, from).backups) or UNKNOWN_IDS.Backup
end

local function arn_of(place, id)
  local partition = place.region:find "^us%-gov" and "aws-us-gov" or "aws"
  return ("arn:%s:cloudhsm:%s:%s:backup/%s"):format(partition, place.region, place.account, id)
end

local function new_cluster(self, region)
  local hsm_type = self:once_in(3) and "hsm1.medium" or "hsm2m.medium"
  local input = { HsmType = hsm_type, SubnetIds = { SUBNETS[1], SUBNETS[2], SUBNETS[3] } }
  if hsm_type == "hsm2m.medium" then
    input.Mode = self:once_in(4) and "NON_FIPS" or "FIPS"
  end
  if self:once_in(2) then
    input.BackupRetentionPolicy = { Type = "DAYS", Value = self:pick { "6", "7", "7", "8", "30", "379", "380" } }
  end
  if self:once_in(3) then
    input.TagList = { { Key = "made in", Value = region } }
  end
  return input
end

local things = {}

function things.create_cluster(self, place)
  self:act(place, "CreateCluster", new_cluster(self, place.region))
end

function things.restore_cluster(self, place)
  local input, other = new_cluster(self, place.region), nil
  input.SourceBackupId = backup_id(self, place)
  if self:once_in(3) then
    other = self:pick(self.places)
    input.SourceBackupId = arn_of(other, self:pick_id(known(self, other).backups) or UNKNOWN_IDS.Backup)
  end
  self:act(place, "CreateCluster", input, other)
end

function things.delete_cluster(self, place)
  self:act(place, "DeleteCluster", { ClusterId = cluster_id(self, place) })
end

function things.create_hsm(self, place)
  self:act(place, "CreateHsm", {
    ClusterId = cluster_id(self, place),
    AvailabilityZone = place.region .. self:pick(ZONES),
  })
end

local function some_hsm(self, place)
  local id = cluster_id(self, place)
  local cluster = known(self, place).clusters[id]
  return id, cluster and self:pick_id(cluster.hsms)
end

function things.delete_hsm(self, place)
  local id, hsm_id = some_hsm(self, place)
  self:act(place, "DeleteHsm", { ClusterId = id, HsmId = hsm_id or UNKNOWN_IDS.Hsm })
end

function things.initialize(self, place)
  self:act(place, "InitializeCluster", { ClusterId = cluster_id(self, place), SignedCert = PEM, TrustAnchor = PEM })
end

function things.modify_cluster(self, place)
  local input = { ClusterId = cluster_id(self, place) }
  if self:once_in(2) then
    input.HsmType = self:pick { "hsm1.medium", "hsm2m.medium", "hsm2m.medium" }
  end
  if self:once_in(2) then
    input.BackupRetentionPolicy = { Type = "DAYS", Value = self:pick { "7", "7", "9", "379", "5" } }
  end
  self:act(place, "ModifyCluster", input)
end

function things.delete_backup(self, place)
  self:act(place, "DeleteBackup", { BackupId = backup_id(self, place) })
end

function things.restore_backup(self, place)
  local pending = {}
  for id, backup in pairs(known(self, place).backups) do
    pending[id] = backup.BackupState == "PENDING_DELETION" or nil
  end
  local id = not self:once_in(4) and self:pick_id(pending) or backup_id(self, place)
  self:act(place, "RestoreBackup", { BackupId = id })
end

function things.keep_backup(self, place)
  self:act(place, "ModifyBackupAttributes", {
    BackupId = backup_id(self, place),
    NeverExpires = self:once_in(3),
  })
end

function things.copy_backup(self, place)
  local region = self:pick(REGIONS)
  local input = { BackupId = backup_id(self, place), DestinationRegion = region }
  if self:once_in(3) then
    input.TagList = { { Key = "copied to", Value = region } }
  end
  for _, other in ipairs(self.places) do
    if other.account == place.account and other.region == region then
      return self:act(place, "CopyBackupToRegion", input, other)
    end
  end
end

function things.tag(self, place)
  local id = self:once_in(2) and cluster_id(self, place) or backup_id(self, place)
  local key = "key " .. self:draw(3)
  if self:once_in(3) then
    self:act(place, "UntagResource", { ResourceId = id, TagKeyList = { key } })
  else
    self:act(place, "TagResource", { ResourceId = id, TagList = { { Key = key, Value = tostring(self:draw(9)) } } })
  end
end

local function share(self, place, owner, id, account)
  local arn = arn_of(owner, id)
  self:act(place, "PutResourcePolicy", {
    ResourceArn = arn,
    Policy = (
      '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"%s"},'
      .. '"Action":["cloudhsm:CreateCluster","cloudhsm:DescribeBackups"],"Resource":"%s"}]}'
    ):format(account, arn),
  })
end

function things.share_backup(self, place)
  local owner = self:once_in(6) and self:pick(self.places) or place
  local id = self:pick_id(known(self, owner).backups) or UNKNOWN_IDS.Backup
  share(self, place, owner, id, self:pick { "111122223333", "444455556666" })
end

-- What users cannot do and the service can.

local function fail_next(self, kind)
  self:note("fail the next %s", kind)
  self.emulator["fail_next_" .. kind](self.emulator)
  self.model:fail_next(kind)
end

function things.fail_next(self)
  fail_next(self, self:pick(FAILURES))
end

-- The HSM of a cluster here that is in a state, or nothing.
local function hsm_in(self, place, states)
  self:look_if_stale(place)
  local found = {}
  for id, cluster in pairs(known(self, place).clusters) do
    for hsm_id, hsm in pairs(cluster.hsms) do
      found[hsm_id] = states[hsm.State] and id or nil
    end
  end
  local hsm_id = self:pick_id(found)
  return hsm_id and found[hsm_id], hsm_id
end

function things.degrade_hsm(self, place)
  local id, hsm_id = hsm_in(self, place, { CREATE_IN_PROGRESS = true, ACTIVE = true })
  if id then
    self:note("degrade %s", hsm_id)
    claim(self.emulator:degrade_hsm(hsm_id), "%s cannot be degraded", hsm_id)
    self.model:degraded_hsm(place.name, id, hsm_id)
    self:look(place)
  end
end

function things.replace_hsm(self, place)
  local id, hsm_id = hsm_in(self, place, { ACTIVE = true, DEGRADED = true })
  if id then
    self:note("replace %s", hsm_id)
    local other_id = self.emulator:replace_hsm(hsm_id)
    claim(other_id, "%s cannot be replaced", hsm_id)
    self.model:replaced_hsm(place.name, id, hsm_id, other_id, self:now())
    self:look(place)
  end
end

function things.degrade_cluster(self, place)
  self:look_if_stale(place)
  local id = self:pick_id(known(self, place).clusters)
  if id and self:once_in(4) then
    self:note("degrade %s", id)
    local done = self.emulator:degrade_cluster(id)
    claim((done == true) == (known(self, place).clusters[id].State == "ACTIVE"), "%s: degraded", id)
    if done then
      self.model:degraded_cluster(place.name, id)
    end
    self:look(place)
  end
end

function things.activate(self, place)
  self:look_if_stale(place)
  local id = self:pick_id(known(self, place).clusters)
  if id then
    self:note("activate %s", id)
    self.model:activated_cluster(place.name, id, (self.emulator:activate_cluster(id)))
    self:look(place)
  end
end

-- A cluster's way to its first backup, step by step.
function things.grow(self, place)
  local output = self:act(place, "CreateCluster", {
    HsmType = self:once_in(2) and "hsm1.medium" or "hsm2m.medium",
    Mode = "FIPS",
    SubnetIds = SUBNETS,
    BackupRetentionPolicy = { Type = "DAYS", Value = self:pick { "7", "7", "8", "90" } },
  })
  if not output then
    return
  end
  local id = output.Cluster.ClusterId
  self:advance(120)
  self:act(place, "CreateHsm", { ClusterId = id, AvailabilityZone = place.region .. "a" })
  self:advance(313)
  if self:once_in(6) then
    self:act(place, "CreateHsm", { ClusterId = id, AvailabilityZone = place.region .. "b" }) -- too early
  end
  self:act(place, "InitializeCluster", { ClusterId = id, SignedCert = PEM, TrustAnchor = PEM })
  self:advance(self:pick { 60, 139, 140, 200, 201 })
  self:look(place)
end

-- Stories, for what chance alone seldom comes to.

-- An id of a list of this place whose record is as wanted.
local function find(self, place, list, wanted)
  self:look_if_stale(place)
  local found = {}
  for id, record in pairs(known(self, place)[list]) do
    found[id] = wanted(record) or nil
  end
  return self:pick_id(found)
end

local function is_ready(backup)
  return backup.BackupState == "READY"
end

function things.migrate(self, place)
  local id = find(self, place, "clusters", function(cluster)
    return cluster.State == "ACTIVE" and cluster.HsmType == "hsm1.medium"
  end)
  if not id then
    return
  end
  if self:once_in(2) then
    fail_next(self, "migration")
  end
  self:act(place, "ModifyCluster", { ClusterId = id, HsmType = "hsm2m.medium" })
  self:advance(self:pick { 1799, 1800, 3600, 7200 })
  self:act(place, "ModifyCluster", { ClusterId = id, HsmType = "hsm1.medium" })
  self:advance(self:pick { 1799, 1800, 3600, 7200 })
  self:look(place)
end

function things.undelete(self, place)
  local id = find(self, place, "backups", is_ready)
  if not id then
    return
  end
  self:act(place, "DeleteBackup", { BackupId = id })
  self:advance(self:draw(6) * DAY)
  self:act(place, "RestoreBackup", { BackupId = id })
  if self:once_in(2) then
    self:act(place, "DeleteBackup", { BackupId = id })
  end
  self:advance(self:draw(8) * DAY)
  self:look(place)
end

function things.keep(self, place)
  local id = find(self, place, "backups", is_ready)
  if id then
    self:act(place, "ModifyBackupAttributes", { BackupId = id, NeverExpires = true })
    self:advance(self:draw(12) * DAY)
    self:look(place)
  end
end

function things.lend(self, place)
  local id = find(self, place, "backups", is_ready)
  if not id then
    return
  end
  local backup = known(self, place).backups[id]
  for _, other in ipairs(self.places) do
    if other.region == place.region and other.account ~= place.account then
      if self:once_in(2) then
        share(self, place, place, id, other.account)
      end
      self:act(other, "CreateCluster", {
        HsmType = "hsm2m.medium",
        Mode = backup.Mode,
        SubnetIds = SUBNETS,
        SourceBackupId = arn_of(place, id),
      }, place)
    end
  end
end

function things.advance(self)
  self:advance(self:pick(STEPS))
end

-- Reads a list page by page, while things come and go; and tries each token where it does not belong.
function things.read_pages(self, place)
  local operation = self:once_in(4) and "DescribeClusters" or "DescribeBackups"
  local list = LISTS[operation]
  local input = { MaxResults = self:draw(4) }
  if operation == "DescribeBackups" and self:once_in(3) then
    input.SortAscending = true
  end
  if self:once_in(4) then
    input.Filters = { clusterIds = { cluster_id(self, place) } }
  end
  local function set()
    local ids = {}
    for _, item in ipairs(self:list(place, operation)) do
      if not input.Filters or item.ClusterId == input.Filters.clusterIds[1] then
        ids[item[list.id]] = true
      end
    end
    return ids
  end

  local before, seen, began = set(), {}, self:now()
  repeat
    local status, output = self:call(place, operation, input)
    claim(status == 200, "a page is refused: %s", cjson.encode(output))
    for _, item in ipairs(output[list.member]) do
      seen[#seen + 1] = { id = item[list.id], is_new = item.CreateTimestamp > began }
    end
    input.NextToken = output.NextToken
    if input.NextToken then
      self:try_token(place, operation, input)
      local thing = self:pick { "delete_backup", "delete_hsm", "create_cluster", "delete_cluster", "tag" }
      things[thing](self, place)
      self:advance(self:pick { 0, 1, 25, 60 })
    end
  until not input.NextToken
  local newest_first = operation == "DescribeBackups" and not input.SortAscending
  invariants.check_pages(before, seen, set(), newest_first)
end

-- A token is good for its own query only.
function methods:try_token(place, operation, input)
  local wrong = { MaxResults = 1, NextToken = input.NextToken, Filters = input.Filters }
  if operation == "DescribeBackups" then
    wrong.SortAscending = input.SortAscending
  end
  local other_place, other_operation = place, operation
  local kind = self:draw(4)
  if kind == 1 then
    wrong.Filters = { clusterIds = { UNKNOWN_IDS.Cluster } }
  elseif kind == 2 then
    other_operation = operation == "DescribeBackups" and "DescribeClusters" or "DescribeBackups"
    wrong.SortAscending = nil
  elseif kind == 3 then
    repeat
      other_place = self:pick(self.places)
    until other_place ~= place
  else
    wrong.NextToken = input.NextToken:gsub("%x$", function(digit)
      return digit == "0" and "1" or "0"
    end)
  end
  local status, output = self:call(other_place, other_operation, wrong)
  claim(
    status == 400 and output.__type == "CloudHsmInvalidRequestException",
    "a token of another query is accepted: kind %d",
    kind
  )
end

local WEIGHTS = {
  { "advance", 9 },
  { "grow", 4 },
  { "create_hsm", 5 },
  { "delete_backup", 4 },
  { "restore_backup", 4 },
  { "copy_backup", 4 },
  { "delete_hsm", 3 },
  { "read_pages", 3 },
  { "migrate", 2 },
  { "undelete", 2 },
  { "keep", 1 },
  { "lend", 2 },
  { "keep_backup", 1 },
  { "modify_cluster", 2 },
  { "restore_cluster", 2 },
  { "create_cluster", 1 },
  { "delete_cluster", 2 },
  { "initialize", 2 },
  { "share_backup", 1 },
  { "tag", 1 },
  { "fail_next", 1 },
  { "degrade_hsm", 1 },
  { "replace_hsm", 1 },
  { "degrade_cluster", 1 },
  { "activate", 1 },
}
local BAG = {}
for _, entry in ipairs(WEIGHTS) do
  for _ = 1, entry[2] do
    BAG[#BAG + 1] = entry[1]
  end
end

local function steps(self)
  local places = {}
  for _, key_id in ipairs(KEYS) do
    for _, region in ipairs(REGIONS) do
      places[#places + 1] = place_of(key_id, region)
    end
  end
  self.places = places
  -- most of a walk is in one place: what happens there is worth more than six that are almost empty
  local home = self:pick(places)
  if not self:once_in(4) then
    things.grow(self, home)
  end
  for _ = 1, 3 + self:draw(8) do
    things[self:pick(BAG)](self, self:once_in(5) and self:pick(places) or home)
  end
  for _, place in ipairs(places) do
    self:look(place)
  end
end

--- Walks once.
-- @tparam table emulator the module `cloudhsmv2.emulator`
-- @tparam integer seed from 1 to 2^31 - 2
-- @treturn table `calls` (how many requests there were), `violation` (a text, or nil) and `trace` (what was done)
function walk.run(emulator, seed)
  local self = setmetatable({ chance = seed, calls = 0, trace = {} }, metatable)
  for _ = 1, 4 do -- small seeds start alike
    self:draw(2)
  end
  local quotas = { clusters = 1 + self:draw(3), hsms = 1 + self:draw(5), hsms_per_cluster = 1 + self:draw(3) }
  local interval = self:draw(3) * DAY
  self.model = invariants.new { quotas = quotas, interval = interval, start = START }
  self.emulator = assert(emulator.new {
    time = START,
    seed = seed,
    verify_signatures = false,
    certificates = "text",
    allow_hsm1 = true,
    quotas = quotas,
    times = { backup_interval = interval, token_validity = 400 * DAY },
  })
  local fine, problem = pcall(steps, self)
  if not fine then
    self.violation = tostring(problem)
  end
  return self
end

return walk
