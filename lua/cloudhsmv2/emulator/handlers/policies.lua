--- GetResourcePolicy, PutResourcePolicy, DeleteResourcePolicy.
--
-- | behaviour | how sure |
-- | --- | --- |
-- | only backups have policies; they must be READY and the caller's own | documented |
-- | without a policy the answer is the string `{}` | recorded |
-- | a missing ResourceArn is refused, though the model does not require it | measured by others |
-- | the policy comes back byte for byte as it was put | assumed |
-- | deleting a policy that is not there succeeds, with `{}` | assumed |
-- | another account's ARN is CloudHsmAccessDeniedException | assumed |
--
-- @module cloudhsmv2.emulator.handlers.policies

local fault = require "cloudhsmv2.emulator.fault"
local shares = require "cloudhsmv2.emulator.shares"
local sharing = require "cloudhsmv2.emulator.sharing"

local NO_POLICY = "{}"

local policies = {}

-- The backup that an ARN names, if its policy may be read and changed.
local function find(context, arn)
  if not arn then
    return fault.invalid "ResourceArn is required."
  end
  local partition, region, account, kind, id = arn:match "^arn:([^:]+):cloudhsm:([^:]+):(%d+):(%a+)/(.+)$"
  local store = context.store
  if kind ~= "backup" then
    return fault.invalid("The resource %s cannot have a policy; only backups can.", arn)
  elseif account ~= store.account then
    return fault.denied("The resource %s belongs to another account.", arn)
  end
  local backup = partition == store.partition and region == store.region and store.backups:get(id)
  if not backup or backup.BackupState == "DELETED" then
    return fault.not_found("The resource %s was not found.", arn)
  elseif backup.BackupState ~= "READY" then
    return fault.invalid("The backup %s is not READY.", id)
  end
  return backup
end

function policies.GetResourcePolicy(context, input)
  local backup, failure = find(context, input.ResourceArn)
  if not backup then
    return nil, failure
  end
  return { Policy = shares.policy_text(context.store, backup) or NO_POLICY }
end

function policies.PutResourcePolicy(context, input)
  local backup, failure = find(context, input.ResourceArn)
  if not backup then
    return nil, failure
  elseif not input.Policy then
    return fault.invalid "Policy is required."
  end
  local problem = sharing.problem(input.Policy)
  if problem then
    return fault.invalid("%s", problem)
  end
  backup.policy = input.Policy
  shares.follow_policy(context.world, context.store, backup, context.now)
  return { ResourceArn = backup.BackupArn, Policy = backup.policy }
end

function policies.DeleteResourcePolicy(context, input)
  local backup, failure = find(context, input.ResourceArn)
  if not backup then
    return nil, failure
  end
  local policy = backup.policy or NO_POLICY
  backup.policy = nil
  shares.follow_policy(context.world, context.store, backup, context.now)
  return { ResourceArn = backup.BackupArn, Policy = policy }
end

return policies
