--- Random operations on an emulator, the same ones for the same seed: in two accounts and two regions, with controls and the
-- passing of time. A story remembers nothing but its chance: what it works on it looks up, so that it can go on elsewhere.

local helper = require "spec.emulator.helper"
local random = require "cloudhsmv2.emulator.random"

local REGIONS = { "us-east-1", "eu-west-1" }
local KEYS = { helper.KEY, helper.OTHER_KEY }
local ACCOUNTS = { "111122223333", "444455556666" }
local SUBNETS = { helper.SUBNET_A, helper.SUBNET_B, helper.SUBNET_C }
local PAUSES = { 1, 61, 130, 400, 3600, 90000, 700000 } -- seconds

local story = {}
local methods = {}
local metatable = { __index = methods }

-- A whole number from 1 to `most`.
function methods:roll(most)
  return math.floor(self.chance.draw() * most) + 1
end

function methods:pick(list)
  return list[self:roll(math.max(1, #list))]
end

-- Everything that an answer consists of, as text.
local function transcribe(answer)
  local lines = { tostring(answer.status) }
  for name, value in pairs(answer.headers) do
    lines[#lines + 1] = name .. ": " .. value
  end
  table.sort(lines)
  return table.concat(lines, "\n") .. "\n" .. answer.body .. "\n"
end

function methods:ask(operation, input)
  local answer = self.service:ask(operation, input, self.who)
  self.written[#self.written + 1] = operation .. " " .. transcribe(answer)
  return answer.status == 200 and answer.value or {}
end

function methods:clusters()
  return self:ask("DescribeClusters", {}).Clusters or {}
end

function methods:backups()
  return self:ask("DescribeBackups", { SortAscending = self:roll(2) == 1 }).Backups or {}
end

local actions = {}

function actions.pass(self)
  self.service.emulator:advance(self:pick(PAUSES) + self.chance.draw())
end

function actions.create_cluster(self)
  local source = self:roll(4) == 1 and self:pick(self:backups()) or {}
  self:ask("CreateCluster", {
    HsmType = "hsm2m.medium",
    Mode = self:roll(5) == 1 and "NON_FIPS" or "FIPS",
    SubnetIds = { SUBNETS[1], SUBNETS[2], self:roll(2) == 1 and SUBNETS[3] or nil },
    SourceBackupId = source.BackupId,
    TagList = self:roll(2) == 1 and { { Key = "run", Value = tostring(self:roll(99)) } } or nil,
  })
end

function actions.create_hsm(self)
  local cluster = self:pick(self:clusters())
  if cluster then
    self:ask(
      "CreateHsm",
      { ClusterId = cluster.ClusterId, AvailabilityZone = self.who.region .. self:pick { "a", "b" } }
    )
  end
end
actions.create_another_hsm = actions.create_hsm

function actions.delete_hsm(self)
  local cluster = self:pick(self:clusters())
  local hsm = cluster and self:pick(cluster.Hsms)
  if hsm then
    self:ask("DeleteHsm", { ClusterId = cluster.ClusterId, HsmId = hsm.HsmId })
  end
end

function actions.initialize(self)
  for _, cluster in ipairs(self:clusters()) do
    if cluster.State == "UNINITIALIZED" and cluster.Certificates.ClusterCsr then
      local certificate, anchor = self.service:sign(cluster)
      self:ask("InitializeCluster", { ClusterId = cluster.ClusterId, SignedCert = certificate, TrustAnchor = anchor })
      return
    end
  end
end
actions.initialize_too = actions.initialize

function actions.delete_cluster(self)
  local cluster = self:roll(3) == 1 and self:pick(self:clusters())
  if cluster then
    self:ask("DeleteCluster", { ClusterId = cluster.ClusterId })
  end
end

function actions.modify_cluster(self)
  local cluster = self:pick(self:clusters())
  if cluster then
    local days = tostring(self:roll(30) + 5)
    self:ask("ModifyCluster", {
      ClusterId = cluster.ClusterId,
      BackupRetentionPolicy = { Type = "DAYS", Value = days },
    })
  end
end

local function with_backup(operation, input)
  return function(self)
    local backup = self:pick(self:backups())
    if backup then
      self:ask(operation, input(self, backup))
    end
  end
end

actions.delete_backup = with_backup("DeleteBackup", function(_, backup)
  return { BackupId = backup.BackupId }
end)

actions.restore_backup = with_backup("RestoreBackup", function(_, backup)
  return { BackupId = backup.BackupId }
end)

actions.copy_backup = with_backup("CopyBackupToRegion", function(self, backup)
  return { BackupId = backup.BackupId, DestinationRegion = self:pick(REGIONS) }
end)

actions.never_expires = with_backup("ModifyBackupAttributes", function(self, backup)
  return { BackupId = backup.BackupId, NeverExpires = self:roll(2) == 1 }
end)

actions.tag = with_backup("TagResource", function(self, backup)
  return { ResourceId = backup.BackupId, TagList = { { Key = "k" .. self:roll(5), Value = tostring(self:roll(99)) } } }
end)

actions.untag = with_backup("UntagResource", function(self, backup)
  return { ResourceId = backup.BackupId, TagKeyList = { "k" .. self:roll(5) } }
end)

actions.put_policy = with_backup("PutResourcePolicy", function(self, backup)
  return { ResourceArn = backup.BackupArn, Policy = helper.policy(backup.BackupArn, self:pick(ACCOUNTS)) }
end)

actions.delete_policy = with_backup("DeleteResourcePolicy", function(_, backup)
  return { ResourceArn = backup.BackupArn }
end)

function methods:ask_ram(operation, input, options)
  local chosen = { key = self.who.key, region = self.who.region }
  for name, value in pairs(options or {}) do
    chosen[name] = value
  end
  local answer = self.service:ask_ram(operation, input, chosen)
  self.written[#self.written + 1] = operation .. " " .. transcribe(answer)
  return answer.status == 200 and answer.value or {}
end

function methods:a_share()
  local shares = self:ask_ram("GetResourceShares", { resourceOwner = "SELF" }).resourceShares or {}
  return self:pick(shares) or { resourceShareArn = "" }
end

actions.share = with_backup("ListTags", function(self, backup)
  self:ask_ram("CreateResourceShare", {
    name = "share " .. self:roll(9),
    resourceArns = { backup.BackupArn },
    principals = { self:pick(ACCOUNTS) },
    clientToken = self:roll(2) == 1 and "token" or nil,
  })
  return { ResourceId = backup.BackupId }
end)

function actions.promote(self)
  local share = self:a_share()
  local permissions = self:ask_ram("ListResourceSharePermissions", { resourceShareArn = share.resourceShareArn })
  for _, permission in ipairs(permissions.permissions or {}) do
    local name = "p" .. self:roll(9)
    self:ask_ram("PromotePermissionCreatedFromPolicy", { permissionArn = permission.arn, name = name })
  end
  local target = "/promoteresourcesharecreatedfrompolicy?resourceShareArn=" .. share.resourceShareArn:gsub(":", "%%3A")
  self:ask_ram("PromoteResourceShareCreatedFromPolicy", nil, { target = target, body = "" })
end

function actions.change_share(self)
  local share = self:a_share()
  local operation = self:pick { "AssociateResourceShare", "DisassociateResourceShare" }
  self:ask_ram(operation, { resourceShareArn = share.resourceShareArn, principals = { self:pick(ACCOUNTS) } })
end

function actions.answer_invitation(self)
  for _, invitation in ipairs(self:ask_ram("GetResourceShareInvitations", {}).resourceShareInvitations or {}) do
    local operation = self:pick { "AcceptResourceShareInvitation", "RejectResourceShareInvitation" }
    self:ask_ram(operation, { resourceShareInvitationArn = invitation.resourceShareInvitationArn })
  end
  self:ask("DescribeBackups", { Shared = true })
end

function actions.pages(self)
  local token
  repeat
    local out = self:ask("DescribeBackups", { MaxResults = 2, NextToken = token })
    token = out.NextToken
  until not token or self:roll(3) == 1
end

function actions.control(self)
  local emulator = self.service.emulator
  self:pick {
    function()
      emulator:fail_next_hsm()
    end,
    function()
      emulator:fail_next_copy()
    end,
    function()
      emulator:fail_next_initialization()
    end,
    function()
      local cluster = self:pick(self:clusters())
      local hsm = cluster and self:pick(cluster.Hsms)
      if hsm then
        emulator:degrade_hsm(hsm.HsmId)
      end
    end,
    function()
      assert(
        emulator:inject { kind = "throttle", rate = 0.01, operation = "TagResource", probability = 0.5, count = 3 }
      )
    end,
  }()
end

local NAMES = {}
for name in pairs(actions) do
  NAMES[#NAMES + 1] = name
end
table.sort(NAMES)

--- Makes an active cluster with some backups, so that there is much to do.
-- @treturn table the story
function methods:begin()
  self.service:active_cluster()
  self.service.emulator:advance(3 * 86400)
  return self
end

--- Does one thing.
-- @treturn string its name, with what was asked and answered
function methods:step()
  local name = self:pick(NAMES)
  self.written = { name .. "\n" }
  self.who = { key = KEYS[self:roll(4) == 1 and 2 or 1], region = REGIONS[self:roll(4) == 1 and 2 or 1] }
  actions[name](self)
  return table.concat(self.written)
end

--- Does several things.
-- @tparam integer count
-- @treturn string as of `step`
function methods:go(count)
  local all = {}
  for i = 1, count do
    all[i] = self:step()
  end
  return table.concat(all)
end

--- A story of a service as of spec/emulator/helper.lua.
function story.new(service, seed)
  return setmetatable({ service = service, chance = random.new(seed) }, metatable)
end

return story
