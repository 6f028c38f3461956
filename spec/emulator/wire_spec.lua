local helper = require "spec.emulator.helper"

describe("what is on the wire", function()
  local service
  before_each(function()
    service = helper.new { time = helper.START + 0.0354 }
  end)

  it("has a request id, the protocol's content type, a length and a date on every answer", function()
    for _, response in ipairs { service:ask "DescribeClusters", service:ask("DeleteBackup", {}) } do
      assert.matches("^%x+%-%x+%-%x+%-%x+%-%x+$", response.headers["x-amzn-requestid"])
      assert.are.equal(36, #response.headers["x-amzn-requestid"])
      assert.are.equal("application/x-amz-json-1.1", response.headers["content-type"])
      assert.are.equal(tostring(#response.body), response.headers["content-length"])
      assert.are.equal("Thu, 01 Jan 2026 00:00:00 GMT", response.headers.date)
    end
  end)

  it("gives every answer another request id", function()
    local first = service:ask("DescribeClusters").headers["x-amzn-requestid"]
    assert.are.not_equal(first, service:ask("DescribeClusters").headers["x-amzn-requestid"])
  end)

  it("shows times as numbers of seconds with milliseconds", function()
    service:create_cluster()
    assert.matches('"CreateTimestamp":1767225600.035,', service:ask("DescribeClusters").body, 1, true)
  end)

  it("shows ids in lower-case base32, and retention as a string", function()
    local cluster = service:cluster(service:create_cluster())
    assert.matches("^cluster%-[a-z2-7]+$", cluster.ClusterId)
    assert.are.equal(#"cluster-72zn6eby7x2", #cluster.ClusterId)
    assert.matches(
      '"BackupRetentionPolicy":{"Type":"DAYS","Value":"90"}',
      service:ask("DescribeClusters").body,
      1,
      true
    )
  end)

  it("has the members of recorded clusters: empty ones as [] and {}, absent ones not at all", function()
    local id = service:create_cluster()
    service.emulator:advance(120)
    local body = service:ask("DescribeClusters").body
    assert.matches('"Hsms":[]', body, 1, true)
    assert.matches('"Certificates":{}', body, 1, true)
    assert.matches('"TagList":[]', body, 1, true)
    assert.is_nil(body:find("null", 1, true))
    -- as recorded in 2022, with Mode and NetworkType, which came later
    assert.are.equal(
      "BackupPolicy BackupRetentionPolicy Certificates ClusterId CreateTimestamp HsmType Hsms Mode NetworkType "
        .. "SecurityGroup State SubnetMapping TagList VpcId",
      helper.members(service:cluster(id))
    )
  end)

  it("has the members of recorded HSMs", function()
    local id = service:cluster_with_csr()
    -- as recorded in 2018, with HsmType, which came later
    assert.are.equal(
      "AvailabilityZone ClusterId EniId EniIp HsmId HsmType State StateMessage SubnetId",
      helper.members(service:cluster(id).Hsms[1])
    )
  end)

  it("has the members of recorded backups, READY and PENDING_DELETION", function()
    local backup = service:ready_backup()
    local ready = "BackupArn BackupId BackupState ClusterId CreateTimestamp HsmType Mode NeverExpires TagList"
    assert.are.equal(ready, helper.members(backup))
    service:call("DeleteBackup", { BackupId = backup.BackupId })
    local pending =
      "BackupArn BackupId BackupState ClusterId CreateTimestamp DeleteTimestamp HsmType Mode NeverExpires TagList"
    assert.are.equal(pending, helper.members(service:backups()[1]))
    assert.matches("^arn:aws:cloudhsm:us%-east%-1:111122223333:backup/backup%-[a-z2-7]+$", backup.BackupArn)
  end)

  it("shows what a copy came from", function()
    local backup = service:ready_backup()
    service:call("CopyBackupToRegion", { BackupId = backup.BackupId, DestinationRegion = "eu-west-1" })
    assert.are.equal(
      "BackupArn BackupId BackupState ClusterId CopyTimestamp CreateTimestamp HsmType Mode NeverExpires "
        .. "SourceBackup SourceCluster SourceRegion TagList",
      helper.members(service:backups(nil, { region = "eu-west-1" })[1])
    )
  end)

  it("writes Message in modelled errors and message in general ones", function()
    local modelled = service:ask("DeleteBackup", { BackupId = "backup-aaaaaaaaaaa" })
    assert.are.equal("Message __type", helper.members(modelled.value))
    assert.are.equal("CloudHsmResourceNotFoundException", modelled.headers["x-amzn-errortype"])
    local general = service:ask("DescribeBackups", "{")
    assert.are.equal("__type message", helper.members(general.value))
  end)

  it("refuses bodies that are no JSON object, or have members of the wrong type", function()
    for _, body in ipairs { "", "{", "null", "[]", '"text"', '{"MaxResults":"ten"}', '{"Filters":["a"]}', "{} x" } do
      local response = service:ask("DescribeBackups", body)
      assert.are.equal("SerializationException", response.value.__type, body)
      assert.are.equal(400, response.status)
    end
  end)

  it("reads over members that it does not know, and over null", function()
    assert.are.equal(200, service:ask("DescribeBackups", '{"Colour":"red","MaxResults":null}').status)
  end)

  it("refuses operations and content types that it does not know", function()
    local function altered(name, value)
      local request = helper.request("DescribeBackups", {}, { time = service.emulator:time() })
      for i, pair in ipairs(request.headers) do
        if pair[1]:lower() == name then
          request.headers[i] = { pair[1], value }
        end
      end
      return service:send(request)
    end
    for _, target in ipairs { "BaldrApiService.MakeTea", "cloudhsm.DescribeBackups", "DescribeBackups", "" } do
      assert.are.equal("UnknownOperationException", altered("x-amz-target", target).value.__type)
    end
    assert.are.equal("UnknownOperationException", altered("content-type", "application/json").value.__type)
  end)

  it("quotes bytes of the request that are not UTF-8 as question marks", function()
    local request = helper.request("DescribeBackups", {}, { time = service.emulator:time() })
    request.target = "/\255\195\169"
    local response = service:send(request)
    assert.are.equal(404, response.status)
    assert.are.equal("There is nothing at /???.", response.value.message)
  end)

  it("answers 405 to other methods and 404 to other paths", function()
    local request = helper.request("DescribeBackups", {}, { time = service.emulator:time() })
    request.method = "GET"
    local response = service:send(request)
    assert.are.equal(405, response.status)
    assert.are.equal("POST", response.headers.allow)
    request.method, request.target = "POST", "/elsewhere"
    assert.are.equal(404, service:send(request).status)
  end)
end)
