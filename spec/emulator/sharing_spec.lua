local sharing = require "cloudhsmv2.emulator.sharing"

local ARN = "arn:aws:cloudhsm:us-east-1:111122223333:backup/backup-72zn6eby7x2"

local function allows(statements, action)
  local backup = { BackupArn = ARN, policy = '{"Statement":' .. statements .. "}" }
  return sharing.allows(backup, "444455556666", action or "cloudhsm:DescribeBackups")
end

local function statement(effect, principal, action, resource)
  local text = '{"Effect":"%s","Principal":%s,"Action":%s,"Resource":"%s"}'
  return text:format(effect, principal, action or '"cloudhsm:DescribeBackups"', resource or ARN)
end

describe("a policy", function()
  it("allows nothing where there is none", function()
    assert.is_false(sharing.allows({ BackupArn = ARN }, "444455556666", "cloudhsm:DescribeBackups"))
  end)

  it("names accounts by id or root ARN, one or several, or all", function()
    assert.is_true(allows(statement("Allow", '{"AWS":"444455556666"}')))
    assert.is_true(allows(statement("Allow", '{"AWS":"arn:aws:iam::444455556666:root"}')))
    assert.is_true(allows(statement("Allow", '{"AWS":["111111111111","444455556666"]}')))
    assert.is_true(allows(statement("Allow", '"*"')))
    assert.is_false(allows(statement("Allow", '{"AWS":"111111111111"}')))
    assert.is_false(allows(statement("Allow", '{"AWS":"arn:aws:iam::444455556666:user/a"}')))
  end)

  it("names actions and resources, with wildcards", function()
    local everyone = '"*"'
    assert.is_true(allows(statement("Allow", everyone, '["cloudhsm:CreateCluster","cloudhsm:Describe*"]')))
    assert.is_false(allows(statement("Allow", everyone, '"cloudhsm:CreateCluster"')))
    assert.is_true(allows(statement("Allow", everyone, '"cloudhsm:CreateCluster"'), "cloudhsm:CreateCluster"))
    assert.is_true(allows(statement("Allow", everyone, '"*"', "arn:aws:cloudhsm:*:backup/*")))
    assert.is_false(
      allows(statement("Allow", everyone, '"*"', "arn:aws:cloudhsm:us-east-1:111122223333:backup/backup-a"))
    )
  end)

  it("denies before it allows", function()
    local both = "[" .. statement("Allow", '"*"') .. "," .. statement("Deny", '{"AWS":"444455556666"}') .. "]"
    assert.is_false(allows(both))
  end)
end)
