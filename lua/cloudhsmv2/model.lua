--- The API of AWS CloudHSM V2 as data: operations and shapes in the vocabulary of AWS's own models.
-- Source: the service model `cloudhsmv2-2017-04-28`, as AWS publishes it with its SDKs.
--
-- Added to AWS's model, each because the wire or the caller's safety needs it:
-- `ResourceArn` and `Policy` are required in the requests about resource policies (the service refuses them otherwise);
-- `Strings` has `min = 1` (a filter without values might mean "all"); `order` is the order of members on the wire;
-- `sensitive` marks what no error may show; `lenient` is a string that the service also sends as a number;
-- `at_most_once` marks operations without an idempotency token, whose repetition does harm (with `member`: only when
-- that member is given), `reconcile` says how to find out what became of them; `paginator` is how lists come in pages.
--
-- @module cloudhsmv2.model

-- A structure: its members, in order. `Name` has the shape of that name, `Name:Shape` another, `!` means required.
local function structure(members)
  local shape = { type = "structure", members = {}, order = {} }
  for name, colon, target, required in members:gmatch "([A-Za-z0-9]+)(:?)([A-Za-z0-9]*)(!?)" do
    shape.members[name] = { shape = colon == ":" and target or name }
    shape.order[#shape.order + 1] = name
    if required == "!" then
      shape.required = shape.required or {}
      table.insert(shape.required, name)
    end
  end
  return shape
end

local function exception(fields)
  local shape = structure "Message:errorMessage"
  shape.exception = true
  shape.fault = fields and fields.fault
  return shape
end

local function list(member, limits)
  return { type = "list", member = { shape = member }, min = limits and limits.min, max = limits and limits.max }
end

local function map(key, value, limits)
  return { type = "map", key = { shape = key }, value = { shape = value }, max = limits and limits.max }
end

-- A string; `fields` are AWS's: `min`, `max`, `pattern`.
local function text(fields)
  fields = fields or {}
  fields.type = "string"
  return fields
end

local function enum(names)
  local values = {}
  for name in names:gmatch "%S+" do
    values[#values + 1] = name
  end
  return text { enum = values }
end

local function integer(min, max)
  return { type = "integer", min = min, max = max }
end

-- How AWS's patterns begin that are about ARNs of this service.
local ARN = "arn:aws(-(us-gov))?:cloudhsm:"
  .. "([a-z]{2}(-(gov|isob|iso))?-(east|west|north|south|central){1,2}-[0-9]{1}):[0-9]{12}:"

local shapes = {
  -- requests and responses
  CopyBackupToRegionRequest = structure "DestinationRegion:Region! BackupId! TagList",
  CopyBackupToRegionResponse = structure "DestinationBackup",
  CreateClusterRequest = structure [[
    BackupRetentionPolicy HsmType! SourceBackupId:BackupArn SubnetIds! NetworkType TagList Mode:ClusterMode
  ]],
  CreateClusterResponse = structure "Cluster",
  CreateHsmRequest = structure "ClusterId! AvailabilityZone:ExternalAz! IpAddress",
  CreateHsmResponse = structure "Hsm",
  DeleteBackupRequest = structure "BackupId!",
  DeleteBackupResponse = structure "Backup",
  DeleteClusterRequest = structure "ClusterId!",
  DeleteClusterResponse = structure "Cluster",
  DeleteHsmRequest = structure "ClusterId! HsmId EniId EniIp:IpAddress",
  DeleteHsmResponse = structure "HsmId",
  DeleteResourcePolicyRequest = structure "ResourceArn:CloudHsmArn!",
  DeleteResourcePolicyResponse = structure "ResourceArn:CloudHsmArn Policy:ResourcePolicy",
  DescribeBackupsRequest = structure [[
    NextToken MaxResults:BackupsMaxSize Filters Shared:Boolean SortAscending:Boolean
  ]],
  DescribeBackupsResponse = structure "Backups NextToken",
  DescribeClustersRequest = structure "Filters NextToken MaxResults:ClustersMaxSize",
  DescribeClustersResponse = structure "Clusters NextToken",
  GetResourcePolicyRequest = structure "ResourceArn:CloudHsmArn!",
  GetResourcePolicyResponse = structure "Policy:ResourcePolicy",
  InitializeClusterRequest = structure "ClusterId! SignedCert:Cert! TrustAnchor:Cert!",
  InitializeClusterResponse = structure "State:ClusterState StateMessage",
  ListTagsRequest = structure "ResourceId! NextToken MaxResults:MaxSize",
  ListTagsResponse = structure "TagList! NextToken",
  ModifyBackupAttributesRequest = structure "BackupId! NeverExpires:Boolean!",
  ModifyBackupAttributesResponse = structure "Backup",
  ModifyClusterRequest = structure "HsmType BackupRetentionPolicy ClusterId!",
  ModifyClusterResponse = structure "Cluster",
  PutResourcePolicyRequest = structure "ResourceArn:CloudHsmArn! Policy:ResourcePolicy!",
  PutResourcePolicyResponse = structure "ResourceArn:CloudHsmArn Policy:ResourcePolicy",
  RestoreBackupRequest = structure "BackupId!",
  RestoreBackupResponse = structure "Backup",
  TagResourceRequest = structure "ResourceId! TagList!",
  TagResourceResponse = structure "",
  UntagResourceRequest = structure "ResourceId! TagKeyList!",
  UntagResourceResponse = structure "",

  -- resources
  Backup = structure [[
    BackupId! BackupArn BackupState ClusterId CreateTimestamp:Timestamp CopyTimestamp:Timestamp NeverExpires:Boolean
    SourceRegion:Region SourceBackup:BackupId SourceCluster:ClusterId DeleteTimestamp:Timestamp TagList HsmType
    Mode:ClusterMode
  ]],
  BackupRetentionPolicy = structure "Type:BackupRetentionType Value:BackupRetentionValue",
  Certificates = structure [[
    ClusterCsr:Cert HsmCertificate:Cert AwsHardwareCertificate:Cert ManufacturerHardwareCertificate:Cert
    ClusterCertificate:Cert
  ]],
  Cluster = structure [[
    BackupPolicy BackupRetentionPolicy ClusterId CreateTimestamp:Timestamp Hsms HsmType
    HsmTypeRollbackExpiration:Timestamp PreCoPassword SecurityGroup SourceBackupId:BackupId State:ClusterState
    StateMessage SubnetMapping:ExternalSubnetMapping VpcId NetworkType Certificates TagList Mode:ClusterMode
  ]],
  DestinationBackup = structure [[
    CreateTimestamp:Timestamp SourceRegion:Region SourceBackup:BackupId SourceCluster:ClusterId
  ]],
  Hsm = structure [[
    AvailabilityZone:ExternalAz ClusterId SubnetId EniId EniIp:IpAddress EniIpV6:IpV6Address HsmId! HsmType
    State:HsmState StateMessage:String
  ]],
  Tag = structure "Key:TagKey! Value:TagValue!",

  -- errors
  CloudHsmAccessDeniedException = exception(),
  CloudHsmInternalFailureException = exception { fault = true },
  CloudHsmInvalidRequestException = exception(),
  CloudHsmResourceLimitExceededException = exception(),
  CloudHsmResourceNotFoundException = exception(),
  CloudHsmServiceException = exception(),
  CloudHsmTagException = exception(),

  -- lists and maps
  Backups = list "Backup",
  Clusters = list "Cluster",
  ExternalSubnetMapping = map("ExternalAz", "SubnetId"),
  Filters = map("Field", "Strings", { max = 30 }),
  Hsms = list "Hsm",
  Strings = list("String", { min = 1 }),
  SubnetIds = list("SubnetId", { min = 1, max = 10 }),
  TagKeyList = list("TagKey", { min = 1, max = 50 }),
  TagList = list("Tag", { min = 1, max = 50 }),

  -- scalars; `max`, `pattern` and `enum` are for the reader: the service checks them, and its rules grow
  BackupArn = text { pattern = "^(" .. ARN .. "backup/)?backup-[2-7a-zA-Z]{11,16}" },
  BackupId = text { pattern = "backup-[2-7a-zA-Z]{11,16}" },
  BackupPolicy = enum "DEFAULT",
  BackupRetentionType = enum "DAYS",
  BackupRetentionValue = text { min = 1, max = 3, pattern = "[0-9]+", lenient = true },
  BackupState = enum "CREATE_IN_PROGRESS READY DELETED PENDING_DELETION",
  BackupsMaxSize = integer(1, 50),
  Boolean = { type = "boolean" },
  Cert = text { max = 20000, pattern = "[a-zA-Z0-9+-/=\\s]*" },
  CloudHsmArn = text { pattern = ARN .. "(backup/backup|cluster/cluster|hsm/hsm)-[2-7a-zA-Z]{11,16}" },
  ClusterId = text { pattern = "cluster-[2-7a-zA-Z]{11,16}" },
  ClusterMode = enum "FIPS NON_FIPS",
  ClusterState = enum [[
    CREATE_IN_PROGRESS UNINITIALIZED INITIALIZE_IN_PROGRESS INITIALIZED ACTIVE UPDATE_IN_PROGRESS MODIFY_IN_PROGRESS
    ROLLBACK_IN_PROGRESS DELETE_IN_PROGRESS DELETED DEGRADED
  ]],
  ClustersMaxSize = integer(1, 25),
  EniId = text { pattern = "eni-[0-9a-fA-F]{8,17}" },
  ExternalAz = text { pattern = "[a-z]{2}(-(gov))?-(east|west|north|south|central){1,2}-\\d[a-z]" },
  Field = text { pattern = "[a-zA-Z0-9_-]+" },
  HsmId = text { pattern = "hsm-[2-7a-zA-Z]{11,16}" },
  HsmState = enum "CREATE_IN_PROGRESS ACTIVE DEGRADED DELETE_IN_PROGRESS DELETED",
  HsmType = text { max = 32, pattern = "((p|)hsm[0-9][a-z.]*\\.[a-zA-Z]+)" },
  IpAddress = text { pattern = "\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}" },
  IpV6Address = text { max = 100 },
  MaxSize = integer(1, 100),
  NetworkType = enum "IPV4 DUALSTACK",
  NextToken = text { max = 256, pattern = ".*" },
  PreCoPassword = text { min = 7, max = 32, sensitive = true },
  Region = text { pattern = "[a-z]{2}(-(gov))?-(east|west|north|south|central){1,2}-\\d" },
  ResourceId = text { pattern = "(?:cluster|backup)-[2-7a-zA-Z]{11,16}" },
  ResourcePolicy = text { min = 1, max = 20000 },
  SecurityGroup = text { pattern = "sg-[0-9a-fA-F]{8,17}" },
  StateMessage = text { max = 300, pattern = ".*" },
  String = text(),
  SubnetId = text { pattern = "subnet-[0-9a-fA-F]{8,17}" },
  TagKey = text { min = 1, max = 128, pattern = "^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$" },
  TagValue = text { min = 0, max = 256, pattern = "^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$" },
  Timestamp = { type = "timestamp" },
  VpcId = text { pattern = "vpc-[0-9a-fA-F]" },
  errorMessage = text(),
}

-- Every operation can fail with these; `errors` of an operation names the others.
local COMMON_ERRORS = { "AccessDenied", "InternalFailure", "InvalidRequest", "Service" }

local function pages(result)
  return { result = result, input_token = "NextToken", output_token = "NextToken", limit = "MaxResults" }
end

-- An operation: the errors it has beside the common ones, and our own marks.
local function operation(errors, marks)
  local fields = marks or {}
  fields.http = { method = "POST", requestUri = "/" }
  fields.errors = {}
  for _, name in ipairs(COMMON_ERRORS) do
    table.insert(fields.errors, { shape = "CloudHsm" .. name .. "Exception" })
  end
  for name in errors:gmatch "%S+" do
    table.insert(fields.errors, { shape = "CloudHsm" .. name .. "Exception" })
  end
  return fields
end

local operations = {
  CopyBackupToRegion = operation("ResourceNotFound Tag", {
    at_most_once = true,
    reconcile = "call describe_backups with Filters.sourceBackupIds in the destination region, and copy again only if "
      .. "the copy is not there",
  }),
  CreateCluster = operation("ResourceNotFound Tag", {
    at_most_once = true,
    reconcile = "call describe_clusters and look for a new cluster by CreateTimestamp, SubnetMapping and tags, and "
      .. "create again only if there is none",
  }),
  CreateHsm = operation("ResourceNotFound", {
    at_most_once = true,
    reconcile = "call describe_clusters and compare Hsms by EniId and AvailabilityZone with those from before, and "
      .. "create again only if there is no new one",
  }),
  DeleteBackup = operation "ResourceNotFound",
  DeleteCluster = operation "ResourceNotFound Tag",
  DeleteHsm = operation "ResourceNotFound",
  DeleteResourcePolicy = operation "ResourceNotFound",
  DescribeBackups = operation("ResourceNotFound Tag", { paginator = pages "Backups" }),
  DescribeClusters = operation("Tag", { paginator = pages "Clusters" }),
  GetResourcePolicy = operation "ResourceNotFound",
  InitializeCluster = operation("ResourceNotFound", {
    at_most_once = true,
    reconcile = "call describe_clusters and look at State, and initialize again only while it is UNINITIALIZED",
  }),
  ListTags = operation("ResourceNotFound Tag", { paginator = pages "TagList" }),
  ModifyBackupAttributes = operation "ResourceNotFound",
  ModifyCluster = operation("ResourceNotFound", {
    at_most_once = { member = "HsmType" }, -- a change of the retention policy can be repeated, a migration cannot
    reconcile = "call describe_clusters and look at State and HsmType, and modify again only if State is ACTIVE and "
      .. "HsmType is still the old one",
  }),
  PutResourcePolicy = operation "ResourceNotFound",
  RestoreBackup = operation "ResourceNotFound",
  TagResource = operation "ResourceLimitExceeded ResourceNotFound Tag",
  UntagResource = operation "ResourceNotFound Tag",
}
for name, fields in pairs(operations) do
  fields.name = name
  fields.input = { shape = name .. "Request" }
  fields.output = { shape = name .. "Response" }
end

return {
  metadata = {
    apiVersion = "2017-04-28",
    auth = { "aws.auth#sigv4" },
    endpointPrefix = "cloudhsmv2",
    jsonVersion = "1.1",
    protocol = "json",
    protocols = { "json" },
    serviceAbbreviation = "CloudHSM V2",
    serviceFullName = "AWS CloudHSM V2",
    serviceId = "CloudHSM V2",
    signatureVersion = "v4",
    signingName = "cloudhsm",
    targetPrefix = "BaldrApiService",
    uid = "cloudhsmv2-2017-04-28",
  },
  operations = operations,
  shapes = shapes,
}
