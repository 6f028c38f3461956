--- The mistakes that somebody new to all this makes, and the one line that each is answered with.
--
-- A row has a name; what the client is made of, `options`, `env` (the environment), `files` (texts by path); who answers: the emulator
-- made with `emulator`, or `answer`, what the network returns; `call`, what is done with the client, else a `describe_clusters`;
-- and `says`, the line. `<id>` in it stands for an id that differs from run to run.

local KEYS = { access_key_id = "AKIDEXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" }

local function service(code, message)
  return { status = 400, headers = {}, body = ('{"__type":"%s","Message":"%s"}'):format(code, message) }
end

local function failure(kind, code, message, sent)
  return { failure = { kind = kind, code = code, message = message, sent = sent } }
end

local NO_HOST = failure("transport", "CouldNotResolveHost", "the name of the service could not be resolved", "no")

-- A CreateCluster in which some members are others; false: none.
local function create(changes)
  local params = { HsmType = "hsm2m.medium", Mode = "FIPS", SubnetIds = { "subnet-0a1b2c3d" } }
  for name, value in pairs(changes or {}) do
    params[name] = value or nil
  end
  return function(c)
    return c:create_cluster(params)
  end
end

-- Something that is done to a new cluster, in its zone.
local function with_cluster(called)
  return function(c)
    local created = create()(c)
    local id = created.Cluster.ClusterId
    local cluster = assert(c:wait("cluster_created", { ClusterId = id }))
    return called(c, id, (next(cluster.SubnetMapping)))
  end
end

return {

  -- where to, and as whom
  {
    "no region is set",
    options = { region = false },
    says = 'NoRegion: region: not set; give region = "eu-west-1", or set AWS_REGION, or region in profile "default" of ~/.aws/config (config)',
  },
  {
    "a region with blanks",
    options = { region = "eu west 1" },
    says = 'InvalidConfiguration: region="eu west 1" (code): expected letters, digits and hyphens, as in eu-west-1 (config)',
  },
  {
    "a zone in place of the region",
    options = { region = "eu-west-1a" },
    answer = NO_HOST,
    says = "DescribeClusters: CouldNotResolveHost: the name of the service could not be resolved - eu-west-1a is an availability zone; its region is eu-west-1 (transport, 3 attempts)",
  },
  {
    "no credentials anywhere",
    options = { credentials = false, ec2_metadata_disabled = true },
    says = 'DescribeClusters: NoCredentials: no credentials: looked at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, aws_access_key_id and the other ways of profile "default" in ~/.aws/config (not there) and ~/.aws/credentials (not there), AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN in the environment, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and AWS_CONTAINER_CREDENTIALS_FULL_URI in the environment, the instance metadata service (switched off (from code)); set one of them, or give credentials = { access_key_id = "...", secret_access_key = "..." } (credentials)',
  },
  {
    "half of a pair of keys in the environment",
    options = { credentials = false },
    env = { AWS_ACCESS_KEY_ID = "AKIDEXAMPLE" },
    says = "DescribeClusters: InvalidCredentials: AWS_SECRET_ACCESS_KEY: not set, but AWS_ACCESS_KEY_ID is (credentials)",
  },
  {
    "a misspelt profile",
    options = { credentials = false, profile = "prdo" },
    files = { ["/h/.aws/config"] = "[profile prod]\nregion = eu-west-1" },
    says = 'InvalidConfiguration: profile="prdo" (code): there is no such profile in ~/.aws/config and ~/.aws/credentials (not there); did you mean prod? (config)',
  },
  {
    "a profile written as in the other file",
    options = { credentials = false, profile = "prod" },
    files = { ["/h/.aws/credentials"] = "[profile prod]\naws_access_key_id = x" },
    says = 'InvalidConfiguration: profile="prod" (code): there is no such profile in ~/.aws/config (not there) and ~/.aws/credentials; ~/.aws/credentials:1: the section is ignored: in this file a profile is written [NAME] (config)',
  },
  {
    "a property without its value",
    options = { credentials = false },
    files = { ["/h/.aws/config"] = "[default]\nregion" },
    says = "InvalidProfileFile: ~/.aws/config:2: Expected an '=' sign defining a property (config)",
  },
  {
    "a role without a source",
    options = { credentials = false },
    files = { ["/h/.aws/config"] = "[default]\nrole_arn = arn:aws:iam::123456789012:role/r" },
    says = 'DescribeClusters: InvalidProfile: profile "default" (~/.aws/config:2): profile must contain `source_profile` or `credential_source` beside role_arn (credentials)',
  },
  {
    "profiles that are sources of each other",
    options = { credentials = false, profile = "a" },
    files = {
      ["/h/.aws/config"] = "[profile a]\nrole_arn = r\nsource_profile = b\n[profile b]\nrole_arn = r\nsource_profile = a",
    },
    says = 'DescribeClusters: InvalidProfile: profile "b" (~/.aws/config:6): profile formed an infinite loop: source_profile leads back to a (credentials)',
  },
  {
    "a sign-in that nobody has made",
    options = { credentials = false },
    files = {
      ["/h/.aws/config"] = "[default]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n[sso-session s]\nsso_region = eu-west-1\nsso_start_url = https://x",
    },
    says = "DescribeClusters: UnreadableToken: failed to read `/h/.aws/sso/cache/a0f1490a20d0211c997b44bc357e1972deab8ae3.json`: there is no such file; sign in with `aws sso login --profile default` (credentials)",
  },
  {
    "a role that wants an MFA device",
    options = { credentials = false },
    files = {
      ["/h/.aws/config"] = "[default]\nrole_arn = r\nsource_profile = b\nmfa_serial = m\n[profile b]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = x",
    },
    says = 'DescribeClusters: MfaRequired: profile "default": mfa_serial m (~/.aws/config:2) needs a code: give mfa_token_provider = function(serial) ... end, which returns it (credentials)',
  },
  {
    "a container's address somewhere else",
    options = { credentials = false, ec2_metadata_disabled = true },
    env = { AWS_CONTAINER_CREDENTIALS_FULL_URI = "http://192.0.2.1/x" },
    says = "DescribeClusters: InvalidContainerUri: AWS_CONTAINER_CREDENTIALS_FULL_URI (environment): http:// is allowed to this machine, 169.254.170.2, 169.254.170.23 and [fd00:ec2::23] only; use https:// (credentials)",
  },
  {
    "a token file that is not there",
    options = { credentials = false },
    env = { AWS_WEB_IDENTITY_TOKEN_FILE = "/nowhere", AWS_ROLE_ARN = "arn:aws:iam::123456789012:role/r" },
    says = 'DescribeClusters: UnreadableToken: web_identity_token_file "/nowhere" (env AWS_WEB_IDENTITY_TOKEN_FILE): there is no such file (credentials)',
  },
  {
    "a misspelt key",
    options = { credentials = { access_key = "AKIDEXAMPLE", secret_access_key = "x" } },
    says = "InvalidCredentials: credentials: unknown field; did you mean access_key_id? (credentials)",
  },
  {
    "a secret with a line end",
    options = { credentials = { access_key_id = "AKIDEXAMPLE", secret_access_key = "x\n" } },
    says = "InvalidCredentials: credentials: secret_access_key: holds a control character (credentials)",
  },
  {
    "a wrong secret",
    options = { credentials = { access_key_id = "AKIDEXAMPLE", secret_access_key = "wrong" } },
    answer = service(
      "InvalidSignatureException",
      "The request signature we calculated does not match the signature you provided."
    ),
    says = "DescribeClusters: InvalidSignatureException: The request signature we calculated does not match the signature you provided. - check the secret access key, the region and the clock of this machine (auth, HTTP 400)",
  },
  {
    "a key that is not known here",
    options = { credentials = { access_key_id = "AKIDNOBODY", secret_access_key = "x" } },
    says = "DescribeClusters: UnrecognizedClientException: The security token included in the request is invalid. - the access key id is unknown here: check for another partition, a deleted key, or a missing session token (auth, HTTP 400)",
  },
  {
    "a session token that was forgotten",
    options = { credentials = { access_key_id = "ASIAEXAMPLE", secret_access_key = "x" } },
    emulator = {
      credentials = {
        { access_key_id = "ASIAEXAMPLE", secret_access_key = "x", session_token = "t", account = "111122223333" },
      },
    },
    says = "DescribeClusters: UnrecognizedClientException: The security token included in the request is invalid. - the access key id is unknown here: check for another partition, a deleted key, or a missing session token (auth, HTTP 400)",
  },
  {
    "credentials that have expired",
    answer = service("ExpiredTokenException", "The security token included in the request is expired"),
    says = "DescribeClusters: ExpiredTokenException: The security token included in the request is expired - the session token has expired: get new credentials (auth, HTTP 400)",
  },
  {
    "a right that is missing",
    emulator = {
      credentials = {
        {
          access_key_id = "AKIDEXAMPLE",
          secret_access_key = KEYS.secret_access_key,
          account = "111122223333",
          deny = { "DescribeClusters" },
        },
      },
    },
    says = "DescribeClusters: AccessDeniedException: The access key AKIDEXAMPLE of account 111122223333 is not authorized to perform: cloudhsm:DescribeClusters - IAM knows these actions by the prefix cloudhsm:, as in cloudhsm:DescribeClusters; CreateCluster and CreateHsm also need EC2 rights for network interfaces and security groups (service, HTTP 400)",
  },
  {
    "a service-linked role that may not be made",
    answer = service("CloudHsmAccessDeniedException", "User is not authorized to create the service-linked role"),
    call = create(),
    says = "CreateCluster: CloudHsmAccessDeniedException: User is not authorized to create the service-linked role - allow iam:CreateServiceLinkedRole for cloudhsm.amazonaws.com, which the first cluster of an account needs (service, HTTP 400)",
  },
  {
    "a clock that is wrong and may not be corrected",
    options = { disable_clock_skew_correction = true },
    answer = service(
      "InvalidSignatureException",
      "Signature expired: 20150830T123600Z is now earlier than 20150830T124000Z (20150830T124500Z - 5 min.)"
    ),
    says = "DescribeClusters: InvalidSignatureException: Signature expired: 20150830T123600Z is now earlier than 20150830T124000Z (20150830T124500Z - 5 min.) - check the clock of this machine (auth, HTTP 400)",
  },
  {
    "a service that is not offered there",
    answer = service("UnknownOperationException", ""),
    says = "DescribeClusters: UnknownOperationException: the service gave no reason (HTTP 400) - the service may not be offered in this region, or the endpoint is that of another service (service, HTTP 400)",
  },

  -- settings
  {
    "a misspelt option",
    options = { regoin = "eu-west-1" },
    says = 'InvalidConfiguration: unknown option "regoin"; did you mean region? (config)',
  },
  {
    "an endpoint without a scheme",
    options = { endpoint = "localhost:8080" },
    says = "InvalidConfiguration: endpoint (code): Invalid endpoint: localhost:8080 (it must begin with http:// or https://) (config)",
  },
  {
    "an endpoint with a query",
    options = { endpoint = "https://h/?x=1" },
    says = "InvalidConfiguration: endpoint (code): Invalid endpoint: https://h/?x=1 (it cannot have a query, a fragment or a backslash) (config)",
  },
  {
    "an endpoint without TLS on another machine",
    options = { endpoint = "http://emulator:8080" },
    says = "InsecureEndpoint: endpoint (from code): http:// would send requests unencrypted to emulator, which is not this machine; use https://, or allow_http = true where the way there is safe (config)",
  },
  {
    "a password in an endpoint",
    options = { endpoint = "https://user:secret@h" },
    says = "InvalidConfiguration: endpoint (code): Invalid endpoint: a user name or password cannot be part of it (config)",
  },
  {
    "FIPS beside an endpoint of one's own",
    options = { endpoint = "https://h", use_fips = true },
    says = "InvalidConfiguration: Invalid Configuration: FIPS and custom endpoint are not supported (region from code, endpoint from code, use_fips from code) (config)",
  },
  {
    "attempts that are no number",
    env = { AWS_MAX_ATTEMPTS = "x" },
    says = 'InvalidConfiguration: AWS_MAX_ATTEMPTS="x" (environment): expected a whole number of at least 1 (config)',
  },
  {
    "a retry mode that nobody knows",
    options = { retry = { mode = "fast" } },
    says = 'InvalidConfiguration: retry.mode="fast" (code): expected standard, adaptive or legacy (config)',
  },
  {
    "a time in a string",
    options = { timeout = "5" },
    says = 'InvalidConfiguration: timeout="5" (code): expected a number of seconds above 0 (config)',
  },
  {
    "a time in milliseconds that is none",
    options = { timeout = 0 },
    says = "InvalidConfiguration: timeout=0 (code): expected a number of seconds above 0 (config)",
  },
  {
    "a switch that is no boolean",
    options = { use_fips = "true" },
    says = 'InvalidConfiguration: use_fips="true" (code): expected true or false (config)',
  },
  {
    "an unknown boolean in the environment",
    env = { AWS_USE_FIPS_ENDPOINT = "1" },
    says = 'InvalidConfiguration: AWS_USE_FIPS_ENDPOINT="1" (environment): expected true or false (config)',
  },

  -- the way there
  {
    "a name that nobody resolves",
    answer = failure(
      "transport",
      "CouldNotResolveHost",
      "the name x could not be resolved; check the endpoint, the region and the name service",
      "no"
    ),
    says = "DescribeClusters: CouldNotResolveHost: the name x could not be resolved; check the endpoint, the region and the name service (transport, 3 attempts)",
  },
  {
    "a proxy that wants a password",
    answer = failure(
      "proxy",
      "ProxyAuthenticationRequired",
      "the proxy wants other credentials before it connects to x:443 (HTTP 407); check user and password of the proxy",
      "no"
    ),
    says = "DescribeClusters: ProxyAuthenticationRequired: the proxy wants other credentials before it connects to x:443 (HTTP 407); check user and password of the proxy (proxy)",
  },
  {
    "an authority that is not trusted",
    answer = failure(
      "tls",
      "CertificateNotTrusted",
      "the certificate of x:443 is of an authority that is not trusted; set ca_file",
      "no"
    ),
    says = "DescribeClusters: CertificateNotTrusted: the certificate of x:443 is of an authority that is not trusted; set ca_file (tls)",
  },
  {
    "a login page",
    answer = { status = 200, headers = {}, body = "<html>log in</html>" },
    says = "DescribeClusters: NotJson: the answer is HTML, not JSON: is a proxy or a login page in the way? (protocol, HTTP 200, 2 attempts)",
  },
  {
    "a redirect",
    answer = { status = 307, headers = {}, body = "" },
    says = "DescribeClusters: Redirect: the answer is a redirect (HTTP 307), and redirects are never followed: check the endpoint (protocol, HTTP 307)",
  },
  {
    "a create whose answer was lost",
    answer = failure("transport", "EmptyReply", "the connection broke", "maybe"),
    call = create(),
    says = "CreateCluster: EmptyReply: nobody knows whether this took effect: the connection broke; call describe_clusters and look for a new cluster by CreateTimestamp, SubnetMapping and tags, and create again only if there is none (ambiguous)",
  },

  -- calls
  {
    "a misspelt operation",
    call = function(c)
      return c:call("DescribeCluster", {})
    end,
    says = 'UnknownOperation: "DescribeCluster" is no operation; did you mean DescribeClusters? (validation)',
  },
  {
    "a dot for the colon",
    call = function(c)
      return nil,
        select(
          2,
          pcall(function()
            return c.describe_clusters {}
          end)
        )
    end,
    says = "describe_clusters: call it with a colon, client:describe_clusters(...)",
  },
  {
    "a number for the parameters",
    call = function(c)
      return nil, select(2, pcall(c.describe_clusters, c, 5))
    end,
    says = "describe_clusters: the parameters must be a table, not a number",
  },
  {
    "a misspelt option of a call",
    call = function(c)
      return c:call("describe_clusters", {}, { timout = 5 })
    end,
    says = 'DescribeClusters: InvalidOption: unknown option "timout" of a call; did you mean timeout? (validation)',
  },
  {
    "a closed client",
    call = function(c)
      c:close()
      return c:describe_clusters()
    end,
    says = "DescribeClusters: Closed: the client is closed (aborted)",
  },
  {
    "a misspelt member",
    call = function(c)
      return c:describe_clusters { Filter = {} }
    end,
    says = "DescribeClusters: ParamValidation: Filter: unknown member, did you mean 'Filters'? (validation)",
  },
  {
    "a member in another style",
    call = function(c)
      return c:delete_cluster { cluster_id = "x" }
    end,
    says = "DeleteCluster: ParamValidation: ClusterId: required member is missing; cluster_id: unknown member, did you mean 'ClusterId'? (validation)",
  },
  {
    "a member that is missing",
    call = function(c)
      return c:delete_cluster {}
    end,
    says = "DeleteCluster: ParamValidation: ClusterId: required member is missing (validation)",
  },
  {
    "a number in a string",
    call = function(c)
      return c:describe_clusters { MaxResults = "5" }
    end,
    says = 'DescribeClusters: ParamValidation: MaxResults: expected an integer, got the string "5" (validation)',
  },
  {
    "a fraction",
    call = function(c)
      return c:describe_clusters { MaxResults = 1.5 }
    end,
    says = "DescribeClusters: ParamValidation: MaxResults: expected an integer, got the number 1.5 (validation)",
  },
  {
    "a size of zero",
    call = function(c)
      return c:describe_clusters { MaxResults = 0 }
    end,
    says = "DescribeClusters: ParamValidation: MaxResults: the number is 0, and must be at least 1 (validation)",
  },
  {
    "a size that is too large",
    call = function(c)
      return c:describe_clusters { MaxResults = 500 }
    end,
    says = "DescribeClusters: CloudHsmInvalidRequestException: 1 validation error detected: MaxResults: value must be at most 25 (service, HTTP 400)",
  },
  {
    "a string for a list",
    call = create { SubnetIds = "subnet-0a1b2c3d" },
    says = 'CreateCluster: ParamValidation: SubnetIds: expected a list, got the string "subnet-0a1b2c3d" (validation)',
  },
  {
    "a list with a hole",
    call = create { SubnetIds = { [1] = "a", [3] = "b" } },
    says = "CreateCluster: ParamValidation: SubnetIds[2]: the list has a hole here (validation)",
  },
  {
    "a filter without values",
    call = function(c)
      return c:describe_backups { Filters = { clusterIds = {} } }
    end,
    says = "DescribeBackups: ParamValidation: Filters.clusterIds: the number of elements is 0, and must be at least 1 (validation)",
  },
  {
    "a filter that nobody knows",
    call = function(c)
      return c:describe_backups { Filters = { clusterId = { "x" } } }
    end,
    says = "DescribeBackups: CloudHsmInvalidRequestException: The filter clusterId is not known. (service, HTTP 400)",
  },
  {
    "a number for a boolean",
    call = function(c)
      return c:modify_backup_attributes { BackupId = "backup-abcdefghijk", NeverExpires = 1 }
    end,
    says = "ModifyBackupAttributes: ParamValidation: NeverExpires: expected a boolean, got the number 1 (validation)",
  },
  {
    "a number where the service wants a string",
    call = create { BackupRetentionPolicy = { Type = "DAYS", Value = 30 } },
    says = "CreateCluster: ParamValidation: BackupRetentionPolicy.Value: expected a string, got the number 30 (validation)",
  },
  {
    "a token of another list",
    call = function(c)
      return c:describe_backups { NextToken = "abc" }
    end,
    says = "DescribeBackups: CloudHsmInvalidRequestException: The NextToken is not valid for this request. (service, HTTP 400)",
  },

  -- what the service wants to be otherwise
  {
    "the HSM type of yesterday",
    call = create { HsmType = "hsm1.medium" },
    says = 'CreateCluster: CloudHsmInvalidRequestException: New clusters of the HSM type hsm1.medium can no longer be created. - take HsmType = "hsm2m.medium" with Mode = "FIPS" or "NON_FIPS" (service, HTTP 400)',
  },
  {
    "a mode that is missing",
    call = create { Mode = false },
    says = 'CreateCluster: CloudHsmInvalidRequestException: Mode is required for clusters of the HSM type hsm2m.medium. - give Mode = "FIPS" or "NON_FIPS" (service, HTTP 400)',
  },
  {
    "two subnets in one zone",
    call = create { SubnetIds = { "subnet-0a1b2c3d", "subnet-0a1b2c3d" } },
    says = "CreateCluster: CloudHsmInvalidRequestException: More than one subnet is in the Availability Zone eu-west-1b. (service, HTTP 400)",
  },
  {
    "a retention that is too short",
    call = create { BackupRetentionPolicy = { Type = "DAYS", Value = "3" } },
    says = "CreateCluster: CloudHsmInvalidRequestException: The backup retention must be between 7 and 379 days. (service, HTTP 400)",
  },
  {
    "a cluster that is not there",
    call = function(c)
      return c:delete_cluster { ClusterId = "cluster-abcdefghijk" }
    end,
    says = "DeleteCluster: CloudHsmResourceNotFoundException: The cluster cluster-abcdefghijk was not found. (service, HTTP 400)",
  },
  {
    "an id that is none",
    call = function(c)
      return c:delete_cluster { ClusterId = "my-cluster" }
    end,
    says = "DeleteCluster: CloudHsmInvalidRequestException: 1 validation error detected: ClusterId: must match the pattern cluster-[2-7a-zA-Z]{11,16} (service, HTTP 400)",
  },
  {
    "a second HSM before the cluster is active",
    call = with_cluster(function(c, id, zone)
      assert(c:create_hsm { ClusterId = id, AvailabilityZone = zone })
      return c:create_hsm { ClusterId = id, AvailabilityZone = zone }
    end),
    says = "CreateHsm: CloudHsmInvalidRequestException: The cluster cluster-<id> already contains an HSM but has not yet been fully activated. - initialize the cluster, and activate it on its first HSM, before you add another (service, HTTP 400)",
  },
  {
    "a zone that the cluster has not",
    call = with_cluster(function(c, id)
      return c:create_hsm { ClusterId = id, AvailabilityZone = "us-east-1z" }
    end),
    says = "CreateHsm: CloudHsmInvalidRequestException: The cluster cluster-<id> has no subnet in the Availability Zone us-east-1z. - the zones of a cluster are the keys of its SubnetMapping (service, HTTP 400)",
  },
  {
    "a cluster that still has an HSM",
    call = with_cluster(function(c, id, zone)
      assert(c:create_hsm { ClusterId = id, AvailabilityZone = zone })
      assert(c:wait("csr_ready", { ClusterId = id }))
      return c:delete_cluster { ClusterId = id }
    end),
    says = "DeleteCluster: CloudHsmInvalidRequestException: The cluster cluster-<id> cannot be deleted while it has HSMs. - delete its HSMs first, and wait for each with the waiter hsm_deleted (service, HTTP 400)",
  },
  {
    "an initialization before the first HSM",
    call = with_cluster(function(c, id)
      return c:initialize_cluster { ClusterId = id, SignedCert = "x", TrustAnchor = "x" }
    end),
    says = "InitializeCluster: CloudHsmInvalidRequestException: The cluster cluster-<id> has no active HSM to initialize. - create an HSM, wait with the waiter csr_ready, and sign the request that is there then (service, HTTP 400)",
  },
  {
    "a wait for a request that never comes",
    call = with_cluster(function(c, id)
      return c:wait("csr_ready", { ClusterId = id }, { timeout = 60 })
    end),
    says = "DescribeClusters: WaiterTimedOut: csr_ready (ClusterId cluster-<id>) timed out after 60 s; state: UNINITIALIZED; the service says: the cluster has no HSM yet; its certificate signing request appears after the first CreateHsm (waiter, 3 attempts)",
  },
  {
    "an HSM that is not named",
    call = with_cluster(function(c, id)
      return c:delete_hsm { ClusterId = id }
    end),
    says = "DeleteHsm: CloudHsmInvalidRequestException: Name the HSM by exactly one of HsmId, EniId and EniIp. (service, HTTP 400)",
  },
  {
    "a backup that is not there",
    call = function(c)
      return c:restore_backup { BackupId = "backup-abcdefghijk" }
    end,
    says = "RestoreBackup: CloudHsmResourceNotFoundException: The backup backup-abcdefghijk was not found. (service, HTTP 400)",
  },

  -- pages and waits
  {
    "a misspelt waiter",
    call = function(c)
      return c:wait("backup_redy", { BackupId = "x" })
    end,
    says = "UnknownWaiter: unknown waiter backup_redy; did you mean backup_ready? (validation)",
  },
  {
    "a misspelt parameter of a waiter",
    call = function(c)
      return c:wait("backup_ready", { BackupID = "x" })
    end,
    says = "ParamValidation: backup_ready: unknown parameter BackupID; did you mean BackupId? (validation)",
  },
  {
    "pages of what has none",
    call = function(c)
      return c:paginator("create_hsm", {})
    end,
    says = "CreateHsm: ParamValidation: create_hsm has no pages; with pages: DescribeBackups, DescribeClusters, ListTags (validation)",
  },
  {
    "pages of no size",
    call = function(c)
      return c:paginator("describe_backups", {}, { page_size = 0 })
    end,
    says = "DescribeBackups: ParamValidation: page_size must be a whole number from 1, not 0 (validation)",
  },
}
