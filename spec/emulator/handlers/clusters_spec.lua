local helper = require "spec.emulator.helper"

local INVALID = "CloudHsmInvalidRequestException"

describe("CreateCluster", function()
  local service
  before_each(function()
    service = helper.new()
  end)

  local function refused(input, wanted)
    local request = { HsmType = "hsm2m.medium", Mode = "FIPS", SubnetIds = { helper.SUBNET_A } }
    for name, value in pairs(input) do
      request[name] = value ~= "absent" and value or nil
    end
    local code, message, status = service:refusal("CreateCluster", request)
    assert.are.equal(INVALID, code)
    assert.are.equal(400, status)
    assert.matches(wanted, message, 1, true)
  end

  it("answers with a cluster that is being created, one subnet in each zone, 90 days of retention", function()
    local cluster = service:call("CreateCluster", {
      HsmType = "hsm2m.medium",
      Mode = "NON_FIPS",
      SubnetIds = { helper.SUBNET_A, helper.SUBNET_B },
      TagList = { { Key = "team", Value = "keys" } },
    }).Cluster
    assert.are.equal("CREATE_IN_PROGRESS", cluster.State)
    assert.are.same({ ["us-east-1a"] = helper.SUBNET_A, ["us-east-1b"] = helper.SUBNET_B }, cluster.SubnetMapping)
    assert.are.same({ Type = "DAYS", Value = "90" }, cluster.BackupRetentionPolicy)
    assert.are.same({ { Key = "team", Value = "keys" } }, cluster.TagList)
    assert.are.equal("NON_FIPS", cluster.Mode)
    assert.are.equal("IPV4", cluster.NetworkType)
    assert.are.equal(helper.START, cluster.CreateTimestamp)
    assert.is_nil(cluster.SecurityGroup)
  end)

  it("names all broken constraints of a request at once", function()
    local code, message = service:refusal("CreateCluster", { SubnetIds = { "banana" }, Mode = "PURPLE" })
    assert.are.equal(INVALID, code)
    assert.matches("3 validation errors", message, 1, true)
    assert.matches("HsmType: must not be null", message, 1, true)
    assert.matches("Mode: must be one of: FIPS, NON_FIPS", message, 1, true)
    assert.matches("SubnetIds[0]: must match the pattern", message, 1, true)
  end)

  it("knows the HSM types that there are", function()
    refused({ HsmType = "hsm9.large" }, "is not available")
  end)

  it("makes no new hsm1 clusters, unless it is allowed", function()
    refused({ HsmType = "hsm1.medium", Mode = "absent" }, "can no longer be created")
    service = helper.new { allow_hsm1 = true }
    assert.are.equal("FIPS", service:cluster(service:create_cluster { HsmType = "hsm1.medium" }).Mode)
    refused({ HsmType = "hsm1.medium", Mode = "NON_FIPS" }, "FIPS mode")
  end)

  it("requires a Mode for every type but hsm1", function()
    refused({ Mode = "absent" }, "Mode is required")
  end)

  it("keeps backups for 7 to 379 days", function()
    refused({ BackupRetentionPolicy = { Type = "DAYS", Value = "6" } }, "between 7 and 379")
    refused({ BackupRetentionPolicy = { Type = "DAYS", Value = "380" } }, "between 7 and 379")
    refused({ BackupRetentionPolicy = { Type = "DAYS" } }, "needs a Value")
    for _, days in ipairs { "7", "379" } do
      local id = service:create_cluster { BackupRetentionPolicy = { Type = "DAYS", Value = days } }
      assert.are.equal(days, service:cluster(id).BackupRetentionPolicy.Value)
    end
  end)

  it("takes one subnet of a zone, and of one VPC only", function()
    refused({ SubnetIds = { "subnet-0a1b2c30", "subnet-0a1b2c33" } }, "More than one subnet")
    service = helper.new { subnets = { [helper.SUBNET_B] = { vpc = "vpc-0123456789abcdef0" } } }
    refused({ SubnetIds = { helper.SUBNET_A, helper.SUBNET_B } }, "same VPC")
  end)

  it("makes at most four clusters in a region and account, and counts again when one is deleted", function()
    local ids = {}
    for i = 1, 4 do
      ids[i] = service:create_cluster()
    end
    refused({}, "limit of 4 clusters")
    service:create_cluster(nil, { region = "eu-west-1" })
    service:create_cluster(nil, { key = helper.OTHER_KEY })
    service.emulator:advance(120)
    service:call("DeleteCluster", { ClusterId = ids[1] })
    refused({}, "limit of 4 clusters")
    service.emulator:advance(25)
    service:create_cluster()
  end)

  it("refuses tags that AWS reserves, and keys given twice", function()
    local request = { HsmType = "hsm2m.medium", Mode = "FIPS", SubnetIds = { helper.SUBNET_A } }
    request.TagList = { { Key = "AWS:x", Value = "" } }
    assert.are.equal("CloudHsmTagException", (service:refusal("CreateCluster", request)))
    request.TagList = { { Key = "x", Value = "1" }, { Key = "x", Value = "2" } }
    assert.are.equal("CloudHsmTagException", (service:refusal("CreateCluster", request)))
  end)
end)

describe("CreateCluster from a backup", function()
  local service, backup
  before_each(function()
    service = helper.new()
    backup = service:ready_backup()
  end)

  local function request(input)
    local all = {
      HsmType = "hsm2m.medium",
      Mode = "FIPS",
      SubnetIds = { helper.SUBNET_A },
      SourceBackupId = backup.BackupId,
    }
    for name, value in pairs(input or {}) do
      all[name] = value
    end
    return all
  end

  it("has the certificate at once and becomes ACTIVE without HSMs", function()
    local cluster = service:call("CreateCluster", request()).Cluster
    assert.are.equal(backup.BackupId, cluster.SourceBackupId)
    local source = service:cluster(backup.ClusterId)
    assert.is_string(source.Certificates.ClusterCertificate)
    assert.are.same(source.Certificates, cluster.Certificates)
    service.emulator:advance(120)
    cluster = service:cluster(cluster.ClusterId)
    assert.are.equal("ACTIVE", cluster.State)
    assert.are.same({}, cluster.Hsms)
  end)

  it("needs the backup's mode", function()
    local code, message = service:refusal("CreateCluster", request { Mode = "NON_FIPS" })
    assert.are.equal(INVALID, code)
    assert.matches("same mode", message, 1, true)
  end)

  it("needs a backup that is READY", function()
    service:call("DeleteBackup", { BackupId = backup.BackupId })
    local _, message = service:refusal("CreateCluster", request())
    assert.matches("not READY", message, 1, true)
  end)

  it("needs a backup that is there", function()
    local code = service:refusal("CreateCluster", request { SourceBackupId = "backup-aaaaaaaaaaa" })
    assert.are.equal("CloudHsmResourceNotFoundException", code)
  end)

  it("takes a backup of another account by its ARN, once a policy allows it", function()
    local code = service:refusal("CreateCluster", request(), { key = helper.OTHER_KEY })
    assert.are.equal("CloudHsmResourceNotFoundException", code)
    local by_arn = request { SourceBackupId = backup.BackupArn }
    code = service:refusal("CreateCluster", by_arn, { key = helper.OTHER_KEY })
    assert.are.equal("CloudHsmAccessDeniedException", code)
    service:call("PutResourcePolicy", {
      ResourceArn = backup.BackupArn,
      Policy = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"444455556666"},'
        .. '"Action":["cloudhsm:CreateCluster","cloudhsm:DescribeBackups"],"Resource":"'
        .. backup.BackupArn
        .. '"}}',
    })
    local cluster = service:call("CreateCluster", by_arn, { key = helper.OTHER_KEY }).Cluster
    assert.are.equal(backup.BackupId, cluster.SourceBackupId)
  end)

  it("takes hsm1 backups for hsm2m, and not the other way round", function()
    service = helper.new { allow_hsm1 = true }
    service:active_cluster { HsmType = "hsm1.medium" }
    backup = service:backups()[1]
    service:call("CreateCluster", request())
    service = helper.new { allow_hsm1 = true }
    backup = service:ready_backup()
    local _, message = service:refusal("CreateCluster", request { HsmType = "hsm1.medium" })
    assert.matches("cannot be restored", message, 1, true)
  end)
end)

describe("DeleteCluster", function()
  it("says that the cluster is being deleted", function()
    local service = helper.new()
    local id = service:create_cluster()
    service.emulator:advance(120)
    local cluster = service:call("DeleteCluster", { ClusterId = id }).Cluster
    assert.are.equal("DELETE_IN_PROGRESS", cluster.State)
    assert.are.equal("The cluster is being deleted.", cluster.StateMessage)
  end)

  it("does not know clusters that are not there, of other accounts or other regions", function()
    local service = helper.new()
    local id = service:create_cluster()
    local unknown = "CloudHsmResourceNotFoundException"
    assert.are.equal(unknown, (service:refusal("DeleteCluster", { ClusterId = "cluster-aaaaaaaaaaa" })))
    assert.are.equal(unknown, (service:refusal("DeleteCluster", { ClusterId = id }, { key = helper.OTHER_KEY })))
    assert.are.equal(unknown, (service:refusal("DeleteCluster", { ClusterId = id }, { region = "eu-west-1" })))
  end)

  it("refuses a cluster that has HSMs, also while they are being deleted", function()
    local service = helper.new()
    local id = service:cluster_with_csr()
    assert.are.equal(INVALID, (service:refusal("DeleteCluster", { ClusterId = id })))
    service:call("DeleteHsm", { ClusterId = id, HsmId = service:cluster(id).Hsms[1].HsmId })
    assert.are.equal(INVALID, (service:refusal("DeleteCluster", { ClusterId = id })))
    service.emulator:advance(120)
    service:call("DeleteCluster", { ClusterId = id })
  end)

  it("refuses a cluster that is still being created", function()
    local service = helper.new()
    assert.are.equal(INVALID, (service:refusal("DeleteCluster", { ClusterId = service:create_cluster() })))
  end)
end)

describe("DescribeClusters", function()
  it("gives an empty list for an id that is not there", function()
    local response = helper.new():ask("DescribeClusters", { Filters = { clusterIds = { "cluster-aaaaaaaaaaa" } } })
    assert.are.equal('{"Clusters":[]}', response.body)
  end)

  it("filters by id, VPC and state, all of which have to match", function()
    local service = helper.new()
    local first, second = service:create_cluster(), service:create_cluster()
    service.emulator:advance(120)
    service:call("DeleteCluster", { ClusterId = second })
    local vpc = service:cluster(first).VpcId
    local function found(filters)
      local ids = {}
      for _, cluster in ipairs(service:call("DescribeClusters", { Filters = filters }).Clusters) do
        ids[#ids + 1] = cluster.ClusterId
      end
      return ids
    end
    assert.are.same({ first }, found { states = { "UNINITIALIZED" } })
    assert.are.equal(2, #found { states = { "UNINITIALIZED", "DELETE_IN_PROGRESS" } })
    assert.are.equal(2, #found { vpcIds = { vpc } })
    assert.are.same({ second }, found { vpcIds = { vpc }, clusterIds = { second } })
    assert.are.same({}, found { states = { "UNINITIALIZED" }, clusterIds = { second } })
  end)

  it("refuses filters that it does not know, unless told to ignore them", function()
    local input = { Filters = { colour = { "red" } } }
    assert.are.equal(INVALID, (helper.new():refusal("DescribeClusters", input)))
    helper.new({ unknown_filters = "ignore" }):call("DescribeClusters", input)
  end)

  it("gives at most 25 clusters a page", function()
    local service = helper.new()
    assert.are.equal(INVALID, (service:refusal("DescribeClusters", { MaxResults = 26 })))
    assert.are.equal(INVALID, (service:refusal("DescribeClusters", { MaxResults = 0 })))
  end)

  it("does not list a new cluster before its lag is over", function()
    local service = helper.new { times = { listing_lag = 5 } }
    local id = service:create_cluster()
    assert.is_nil(service:cluster(id))
    service.emulator:advance(5)
    assert.is_table(service:cluster(id))
  end)
end)

describe("InitializeCluster", function()
  local service, id
  before_each(function()
    service = helper.new()
    id = service:cluster_with_csr()
  end)

  it("answers with the state and what it will become", function()
    local out = service:initialize(id)
    assert.are.equal("INITIALIZE_IN_PROGRESS", out.State)
    assert.matches("INITIALIZED", out.StateMessage, 1, true)
  end)

  it("needs one certificate, and an anchor or a chain, and nothing beside them", function()
    local signed, anchor = service:signed(id)
    local function refused(wanted, signed_cert, trust_anchor)
      local input = { ClusterId = id, SignedCert = signed_cert, TrustAnchor = trust_anchor }
      local code, message = service:refusal("InitializeCluster", input)
      assert.are.equal(INVALID, code)
      assert.matches(wanted, message, 1, true)
    end
    refused("SignedCert must be one", "hello", anchor)
    refused("TrustAnchor must be", signed, "hello")
    refused("SignedCert must be one", signed .. signed, anchor)
    refused("SignedCert must be one", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", anchor)
    refused("SignedCert must be one", "localKeyID\n" .. signed, anchor)
    refused("must match the pattern", "subject: CN\n" .. signed, anchor)
    service:call("InitializeCluster", { ClusterId = id, SignedCert = signed, TrustAnchor = anchor .. anchor })
  end)

  it("needs an HSM that works, and a cluster that is not initialized yet", function()
    local signed, anchor = service:signed(id)
    local input = { ClusterId = service:create_cluster(), SignedCert = signed, TrustAnchor = anchor }
    service.emulator:advance(120)
    local _, message = service:refusal("InitializeCluster", input)
    assert.matches("no active HSM", message, 1, true)
    input.ClusterId = id
    service:call("InitializeCluster", input)
    _, message = service:refusal("InitializeCluster", input)
    assert.matches("not UNINITIALIZED", message, 1, true)
  end)

  it("does not go on with an HSM that has failed meanwhile", function()
    local signed, anchor = service:signed(id)
    assert.is_true(service.emulator:degrade_hsm(service:cluster(id).Hsms[1].HsmId))
    local input = { ClusterId = id, SignedCert = signed, TrustAnchor = anchor }
    local _, message = service:refusal("InitializeCluster", input)
    assert.matches("no active HSM", message, 1, true)
  end)

  it("takes certificates of 20,000 characters", function()
    service = helper.new { certificates = "text" }
    id = service:cluster_with_csr()
    local long = "-----BEGIN CERTIFICATE-----\n" .. ("A"):rep(19945) .. "\n-----END CERTIFICATE-----"
    assert.are.equal(20000, #long + 1)
    service:call("InitializeCluster", { ClusterId = id, SignedCert = long, TrustAnchor = long .. "\n" })
    local code =
      service:refusal("InitializeCluster", { ClusterId = id, SignedCert = long, TrustAnchor = long .. "\n\n" })
    assert.are.equal(INVALID, code)
  end)
end)

describe("ModifyCluster", function()
  local service, id
  before_each(function()
    service = helper.new()
    id = service:active_cluster()
  end)

  it("changes the retention without changing the state", function()
    local policy = { Type = "DAYS", Value = "30" }
    local cluster = service:call("ModifyCluster", { ClusterId = id, BackupRetentionPolicy = policy }).Cluster
    assert.are.same(policy, cluster.BackupRetentionPolicy)
    assert.are.equal("ACTIVE", cluster.State)
  end)

  it("refuses to change nothing, or to what there is already", function()
    assert.are.equal(INVALID, (service:refusal("ModifyCluster", { ClusterId = id })))
    assert.are.equal(INVALID, (service:refusal("ModifyCluster", { ClusterId = id, HsmType = "hsm2m.medium" })))
    assert.are.equal(INVALID, (service:refusal("ModifyCluster", { ClusterId = id, HsmType = "hsm1.medium" })))
  end)

  it("changes the type of an ACTIVE cluster only", function()
    service = helper.new { allow_hsm1 = true }
    id = service:create_cluster { HsmType = "hsm1.medium" }
    service.emulator:advance(120)
    local _, message = service:refusal("ModifyCluster", { ClusterId = id, HsmType = "hsm2m.medium" })
    assert.matches("only while it is ACTIVE", message, 1, true)
  end)
end)
