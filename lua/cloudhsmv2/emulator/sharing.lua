--- Resource policies: whether one can be put, and what it allows to whom.
--
-- | behaviour | how sure |
-- | --- | --- |
-- | Version 2012-10-17; Effect, Principal (account id or root ARN), Action, Resource | documented |
-- | a policy lets another account restore at once | documented |
-- | which policies are refused besides text that is not a JSON object with statements | assumed: none |
--
-- @module cloudhsmv2.emulator.sharing

local json = require "cloudhsmv2.emulator.json"

local sharing = {}

local function decode(text)
  local value = json.decode(text)
  return type(value) == "table" and value or nil
end

local function as_list(value)
  if type(value) == "table" then
    return value
  end
  return { value }
end

-- Whether a pattern with `*` and `?`, as IAM has it, covers a name.
local function covers(pattern, name)
  if type(pattern) ~= "string" then
    return false
  end
  local lua_pattern = pattern:gsub("[%^%$%(%)%%%.%[%]%+%-]", "%%%0"):gsub("%*", ".*"):gsub("%?", ".")
  return name:find("^" .. lua_pattern .. "$") ~= nil
end

--- Whether any of some patterns with `*` and `?` covers a name.
-- @param patterns a list, or a single one
-- @tparam string name
-- @treturn boolean
function sharing.any_covers(patterns, name)
  for _, pattern in ipairs(as_list(patterns)) do
    if covers(pattern, name) then
      return true
    end
  end
  return false
end

local function names_account(principal, account)
  if principal == "*" then
    return true
  end
  for _, name in ipairs(as_list(type(principal) == "table" and principal.AWS or nil)) do
    if
      name == "*"
      or name == account
      or (type(name) == "string" and name:find("^arn:[%w-]+:iam::" .. account .. ":root$"))
    then
      return true
    end
  end
  return false
end

local function statements(policy)
  local list = type(policy.Statement) == "table" and policy.Statement or {}
  return list.Effect and { list } or list
end

local function applies(statement, account, action, resource)
  return names_account(statement.Principal, account)
    and sharing.any_covers(statement.Action, action)
    and sharing.any_covers(statement.Resource, resource)
end

--- What is wrong with a policy's form.
-- @tparam string text
-- @treturn ?string nil when nothing is
function sharing.problem(text)
  local policy = text:find "^%s*{" and decode(text)
  if not policy then
    return "The resource policy is not a JSON object."
  end
  local list = statements(policy)
  if #list == 0 then
    return "The resource policy has no Statement."
  end
  for _, statement in ipairs(list) do
    if type(statement) ~= "table" or (statement.Effect ~= "Allow" and statement.Effect ~= "Deny") then
      return "Every statement of the resource policy needs an Effect of Allow or Deny."
    end
    for _, member in ipairs { "Principal", "Action", "Resource" } do
      if statement[member] == nil then
        return "Every statement of the resource policy needs a " .. member .. "."
      end
    end
  end
  return nil
end

--- What a backup's policy says about an action of another account.
-- @tparam table backup
-- @tparam string account
-- @tparam string action as `cloudhsm:CreateCluster`
-- @treturn ?boolean true: allowed; false: denied, which counts more; nil: nothing
function sharing.decision(backup, account, action)
  if not backup.policy then
    return nil
  end
  local allowed
  for _, statement in ipairs(statements(decode(backup.policy))) do
    if applies(statement, account, action, backup.BackupArn) then
      if statement.Effect == "Deny" then
        return false
      end
      allowed = true
    end
  end
  return allowed
end

--- Whether a backup's policy allows an action to another account.
-- @tparam table backup
-- @tparam string account
-- @tparam string action as `cloudhsm:CreateCluster`
-- @treturn boolean
function sharing.allows(backup, account, action)
  return sharing.decision(backup, account, action) == true
end

-- The accounts that a principal names, in the order of the policy; all of them ("*") are none.
local function add_accounts(principal, seen, list)
  for _, name in ipairs(as_list(type(principal) == "table" and principal.AWS or nil)) do
    local account = type(name) == "string" and (name:match "^%d+$" or name:match "^arn:[%w-]+:iam::(%d+):root$")
    if account and not seen[account] then
      seen[account] = true
      list[#list + 1] = account
    end
  end
end

--- What a policy comes to, as a resource share has it.
-- @tparam string text of a policy without a problem
-- @tparam string arn of the backup
-- @treturn table `accounts` (a list), `actions` (a sorted list), and `simple`: whether it says no more than that
function sharing.summary(text, arn)
  local summary = { accounts = {}, actions = {}, simple = true }
  local seen = {}
  for _, statement in ipairs(statements(decode(text))) do
    if statement.Effect ~= "Allow" or statement.Condition ~= nil then
      summary.simple = false
    elseif sharing.any_covers(statement.Resource, arn) then
      add_accounts(statement.Principal, seen, summary.accounts)
      for _, action in ipairs(as_list(statement.Action)) do
        if not seen[action] then
          seen[action] = true
          summary.actions[#summary.actions + 1] = action
        end
      end
    end
  end
  table.sort(summary.actions)
  return summary
end

--- A policy with one more statement.
-- @tparam ?string text of a policy without a problem; nil: there is none
-- @tparam table accounts list
-- @tparam table actions list
-- @tparam string arn of the backup
-- @treturn string
function sharing.with_statement(text, accounts, actions, arn)
  local added = { Effect = "Allow", Principal = { AWS = accounts }, Action = actions, Resource = arn }
  local policy = text and decode(text) or { Version = "2012-10-17" }
  local list = {}
  for i, statement in ipairs(statements(policy)) do
    list[i] = statement
  end
  list[#list + 1] = added
  policy.Statement = list
  return assert(json.encode(policy))
end

return sharing
