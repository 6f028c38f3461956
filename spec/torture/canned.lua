--- One call of each operation, with the answer that the service gives to it.

local CLUSTER = '{"BackupPolicy":"DEFAULT","BackupRetentionPolicy":{"Type":"DAYS","Value":"90"},"Certificates":{"ClusterCsr":'
  .. '"-----BEGIN CERTIFICATE REQUEST-----\\nMIIB\\n-----END CERTIFICATE REQUEST-----\\n"},"ClusterId":"cluster-abcdefghijk",'
  .. '"CreateTimestamp":1767225600.123,"HsmType":"hsm2m.medium","Hsms":[{"AvailabilityZone":"eu-west-1a","ClusterId":'
  .. '"cluster-abcdefghijk","EniId":"eni-0123456789abcdef0","EniIp":"10.0.1.5","HsmId":"hsm-abcdefghijk","State":"ACTIVE",'
  .. '"SubnetId":"subnet-0a1b2c3d","SubnetMapping":{}}],"Mode":"FIPS","SecurityGroup":"sg-0a1b2c3d","State":"ACTIVE",'
  .. '"SubnetMapping":{"eu-west-1a":"subnet-0a1b2c3d"},"TagList":[{"Key":"stage","Value":"prod"}],"VpcId":"vpc-0a1b2c3d"}'
local HSM = '{"AvailabilityZone":"eu-west-1a","ClusterId":"cluster-abcdefghijk","HsmId":"hsm-abcdefghijk",'
  .. '"State":"CREATE_IN_PROGRESS","SubnetId":"subnet-0a1b2c3d"}'
local BACKUP = '{"BackupArn":"arn:aws:cloudhsm:eu-west-1:111122223333:backup/backup-abcdefghijk","BackupId":"backup-abcdefghijk",'
  .. '"BackupState":"READY","ClusterId":"cluster-abcdefghijk","CopyTimestamp":1767225600,"CreateTimestamp":1767225601.5,'
  .. '"HsmType":"hsm2m.medium","Mode":"FIPS","NeverExpires":false,"TagList":[]}'
local POLICY = '"{\\"Version\\":\\"2012-10-17\\",\\"Statement\\":[]}"'
local ARN = "arn:aws:cloudhsm:eu-west-1:111122223333:backup/backup-abcdefghijk"
local CLUSTER_ID, BACKUP_ID, PEM = "cluster-abcdefghijk", "backup-abcdefghijk", "-----BEGIN CERTIFICATE-----\nMIIB\n"

local canned = {}

--- By name of the operation: the parameters, and the body of the answer.
canned.calls = {
  CopyBackupToRegion = {
    { BackupId = BACKUP_ID, DestinationRegion = "us-east-1", TagList = { { Key = "stage", Value = "prod" } } },
    '{"DestinationBackup":{"CreateTimestamp":1767225601.5,"SourceBackup":"backup-abcdefghijk","SourceRegion":"eu-west-1"}}',
  },
  CreateCluster = {
    {
      HsmType = "hsm2m.medium",
      Mode = "FIPS",
      SubnetIds = { "subnet-0a1b2c3d" },
      TagList = { { Key = "a", Value = "b" } },
    },
    '{"Cluster":' .. CLUSTER .. "}",
  },
  CreateHsm = {
    { ClusterId = CLUSTER_ID, AvailabilityZone = "eu-west-1a", IpAddress = "10.0.1.5" },
    '{"Hsm":' .. HSM .. "}",
  },
  DeleteBackup = { { BackupId = BACKUP_ID }, '{"Backup":' .. BACKUP .. "}" },
  DeleteCluster = { { ClusterId = CLUSTER_ID }, '{"Cluster":' .. CLUSTER .. "}" },
  DeleteHsm = { { ClusterId = CLUSTER_ID, HsmId = "hsm-abcdefghijk" }, '{"HsmId":"hsm-abcdefghijk"}' },
  DeleteResourcePolicy = { { ResourceArn = ARN }, '{"ResourceArn":"' .. ARN .. '","Policy":' .. POLICY .. "}" },
  DescribeBackups = {
    { Filters = { states = { "READY" }, clusterIds = { CLUSTER_ID } }, MaxResults = 50, SortAscending = true },
    '{"Backups":[' .. BACKUP .. "," .. BACKUP .. "]}",
  },
  DescribeClusters = { { Filters = { clusterIds = { CLUSTER_ID } } }, '{"Clusters":[' .. CLUSTER .. "]}" },
  GetResourcePolicy = { { ResourceArn = ARN }, '{"Policy":' .. POLICY .. "}" },
  InitializeCluster = {
    { ClusterId = CLUSTER_ID, SignedCert = PEM, TrustAnchor = PEM },
    '{"State":"INITIALIZE_IN_PROGRESS","StateMessage":"Cluster is initializing. State will change to INITIALIZED upon completion."}',
  },
  ListTags = { { ResourceId = CLUSTER_ID, MaxResults = 10 }, '{"TagList":[{"Key":"stage","Value":"prod"}]}' },
  ModifyBackupAttributes = { { BackupId = BACKUP_ID, NeverExpires = true }, '{"Backup":' .. BACKUP .. "}" },
  ModifyCluster = { { ClusterId = CLUSTER_ID, HsmType = "hsm2m.medium" }, '{"Cluster":' .. CLUSTER .. "}" },
  PutResourcePolicy = {
    { ResourceArn = ARN, Policy = "{}" },
    '{"ResourceArn":"' .. ARN .. '","Policy":' .. POLICY .. "}",
  },
  RestoreBackup = { { BackupId = BACKUP_ID }, '{"Backup":' .. BACKUP .. "}" },
  TagResource = { { ResourceId = CLUSTER_ID, TagList = { { Key = "stage", Value = "prod" } } }, "{}" },
  UntagResource = { { ResourceId = CLUSTER_ID, TagKeyList = { "stage" } }, "{}" },
}

--- Bodies of an error that passes, of one that does not, and of the pages of a list.
canned.passing = '{"__type":"CloudHsmInternalFailureException","Message":"An internal error occurred."}'
canned.refusal = '{"__type":"CloudHsmResourceNotFoundException","Message":"There is no such cluster."}'
canned.pages = {
  '{"Backups":[' .. BACKUP .. '],"NextToken":"two"}',
  '{"Backups":[' .. BACKUP .. "," .. BACKUP .. '],"NextToken":"three"}',
  '{"Backups":[' .. BACKUP .. "]}",
}
canned.cluster_in_progress = '{"Clusters":['
  .. CLUSTER:gsub('"State":"ACTIVE",("SubnetMapping":{"eu)', '"State":"CREATE_IN_PROGRESS",%1')
  .. "]}"

canned.credentials = { access_key_id = "AKIDEXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" }

return canned
