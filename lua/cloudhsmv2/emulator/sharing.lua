--- Resource policies: whether one can be put, and what it allows to whom.
--
-- | behaviour | how sure |
-- | --- | --- |
-- | Version 2012-10-17; Effect, Principal (account id or root ARN), Action, Resource | documented |
-- | a policy lets another account restore at once | documented |
-- | which policies are refused besides text that is not a JSON object with statements | assumed: none |
--
-- @module cloudhsmv2.emulator.sharing

local sharing = {}

-- cjson is loaded at the first policy: an emulator that is asked for none does without it.
local function decode(text)
  local value = require("cjson.safe").decode(text)
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

local function any_covers(patterns, name)
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
    and any_covers(statement.Action, action)
    and any_covers(statement.Resource, resource)
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

--- Whether a backup's policy allows an action to another account.
-- @tparam table backup
-- @tparam string account
-- @tparam string action as `cloudhsm:CreateCluster`
-- @treturn boolean
function sharing.allows(backup, account, action)
  if not backup.policy then
    return false
  end
  local allowed = false
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

return sharing
