local helper = require "spec.emulator.helper"

local INVALID = "CloudHsmInvalidRequestException"
local POLICY = '{"Version":"2012-10-17", "Statement":[{"Effect":"Allow","Principal":{"AWS":"444455556666"},'
  .. '"Action":"cloudhsm:CreateCluster","Resource":"*"}]}'

describe("resource policies", function()
  local service, backup
  before_each(function()
    service = helper.new()
    backup = service:ready_backup()
  end)

  it("are the string {} where there is none", function()
    assert.are.equal('{"Policy":"{}"}', service:ask("GetResourcePolicy", { ResourceArn = backup.BackupArn }).body)
  end)

  it("come back byte for byte, and are gone when deleted", function()
    local arn = backup.BackupArn
    local put = service:call("PutResourcePolicy", { ResourceArn = arn, Policy = POLICY })
    assert.are.same({ ResourceArn = arn, Policy = POLICY }, put)
    assert.are.equal(POLICY, service:call("GetResourcePolicy", { ResourceArn = arn }).Policy)
    assert.are.same(put, service:call("DeleteResourcePolicy", { ResourceArn = arn }))
    assert.are.equal("{}", service:call("GetResourcePolicy", { ResourceArn = arn }).Policy)
    assert.are.equal("{}", service:call("DeleteResourcePolicy", { ResourceArn = arn }).Policy)
  end)

  it("need an ARN and a policy, though the model requires neither", function()
    for _, operation in ipairs { "GetResourcePolicy", "PutResourcePolicy", "DeleteResourcePolicy" } do
      assert.are.equal(INVALID, (service:refusal(operation, {})))
    end
    assert.are.equal(INVALID, (service:refusal("PutResourcePolicy", { ResourceArn = backup.BackupArn })))
  end)

  it("are for backups only, and only for those of the caller", function()
    local function refused(arn, options)
      return (service:refusal("GetResourcePolicy", { ResourceArn = arn }, options))
    end
    local cluster_arn = "arn:aws:cloudhsm:us-east-1:111122223333:cluster/" .. backup.ClusterId
    assert.are.equal(INVALID, refused(cluster_arn))
    assert.are.equal("CloudHsmAccessDeniedException", refused(backup.BackupArn, { key = helper.OTHER_KEY }))
    assert.are.equal("CloudHsmResourceNotFoundException", refused(backup.BackupArn, { region = "us-west-2" }))
    local unknown = backup.BackupArn:gsub("backup%-%w+$", "backup-aaaaaaaaaaa")
    assert.are.equal("CloudHsmResourceNotFoundException", refused(unknown))
  end)

  it("need a READY backup", function()
    service:call("DeleteBackup", { BackupId = backup.BackupId })
    for _, operation in ipairs { "GetResourcePolicy", "DeleteResourcePolicy" } do
      assert.are.equal(INVALID, (service:refusal(operation, { ResourceArn = backup.BackupArn })))
    end
  end)

  it("must be JSON objects with statements", function()
    for _, policy in ipairs {
      "hello",
      "[]",
      "{}",
      '{"Statement":[]}',
      '{"Statement":[{"Effect":"Maybe","Principal":"*","Action":"*","Resource":"*"}]}',
      '{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*"}]}',
    } do
      local input = { ResourceArn = backup.BackupArn, Policy = policy }
      assert.are.equal(INVALID, (service:refusal("PutResourcePolicy", input)), policy)
    end
  end)
end)
