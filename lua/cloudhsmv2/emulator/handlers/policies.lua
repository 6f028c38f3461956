--- GetResourcePolicy, PutResourcePolicy, DeleteResourcePolicy.
--
-- What is known of each rule, and how, stands beside the code; `make behaviours` gathers it in doc/emulator-behaviour.md.
-- @module cloudhsmv2.emulator.handlers.policies

local fault = require "cloudhsmv2.emulator.fault"
local shares = require "cloudhsmv2.emulator.shares"
local sharing = require "cloudhsmv2.emulator.sharing"

local NO_POLICY = "{}"

local policies = {}

-- The backup that an ARN names, if its policy may be read and changed.
local function find(context, arn)
  if not arn then
    -- [observed, measured] a request without ResourceArn is refused, though the model does not require it
    return fault.invalid "ResourceArn is required."
  end
  local partition, region, account, kind, id = arn:match "^arn:([^:]+):cloudhsm:([^:]+):(%d+):(%a+)/(.+)$"
  local store = context.store
  if kind ~= "backup" then
    -- [documented, API reference] only backups have policies
    return fault.invalid("The resource %s cannot have a policy; only backups can.", arn)
  elseif account ~= store.account then
    -- [documented, user guide] a policy is its owner's to read and to change
    -- [assumed] for the policy of another account's backup the answer is CloudHsmAccessDeniedException
    return fault.denied("The resource %s belongs to another account.", arn)
  end
  local backup = partition == store.partition and region == store.region and store.backups:get(id)
  if not backup or backup.BackupState == "DELETED" then
    -- [assumed] a backup that is not there, or in another region, is CloudHsmResourceNotFoundException
    return fault.not_found("The resource %s was not found.", arn)
  elseif backup.BackupState ~= "READY" then
    -- [documented, API reference] the backup whose policy is read or changed must be READY
    return fault.invalid("The backup %s is not READY.", id)
  end
  return backup
end

function policies.GetResourcePolicy(context, input)
  local backup, failure = find(context, input.ResourceArn)
  if not backup then
    return nil, failure
  end
  -- [observed, recorded] without a policy the answer is the string `{}`
  return { Policy = shares.policy_text(context.store, backup) or NO_POLICY }
end

function policies.PutResourcePolicy(context, input)
  local backup, failure = find(context, input.ResourceArn)
  if not backup then
    return nil, failure
  elseif not input.Policy then
    -- [assumed] PutResourcePolicy needs a Policy, though the model does not require it
    return fault.invalid "Policy is required."
  end
  local problem = sharing.problem(input.Policy)
  if problem then
    -- [assumed] a policy that is no JSON object with statements is refused
    return fault.invalid("%s", problem)
  end
  -- [assumed] a policy comes back byte for byte
  backup.policy = input.Policy
  shares.follow_policy(context.world, context.store, backup, context.now)
  return { ResourceArn = backup.BackupArn, Policy = backup.policy }
end

function policies.DeleteResourcePolicy(context, input)
  local backup, failure = find(context, input.ResourceArn)
  if not backup then
    return nil, failure
  end
  -- [assumed] deleting a policy that is not there succeeds, with `{}`
  local policy = backup.policy or NO_POLICY
  backup.policy = nil
  shares.follow_policy(context.world, context.store, backup, context.now)
  return { ResourceArn = backup.BackupArn, Policy = policy }
end

return policies
