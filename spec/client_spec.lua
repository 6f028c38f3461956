local cloudhsmv2 = require "cloudhsmv2"
local codec = require "cloudhsmv2.codec"
local errors = require "cloudhsmv2.errors"
local fake_runtime = require "spec.helper.fake_runtime"
local model = require "cloudhsmv2.model"
local sigv4 = require "cloudhsmv2.sigv4"

local ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
local TOKEN = "AQoDYXdz/EXAMPLE/T0KEN=="
local header = fake_runtime.header

-- A client over a scripted runtime, and the runtime.
local function client_of(script, fields)
  local runtime = fake_runtime.new(script)
  local options = {
    region = "eu-west-1",
    credentials = { access_key_id = ID, secret_access_key = SECRET },
    runtime = runtime,
    getenv = function() end,
  }
  for name, value in pairs(fields or {}) do
    options[name] = value
  end
  return assert(cloudhsmv2.new(options)), runtime
end

local function failing(kind, code, sent)
  return { failure = { kind = kind, code = code, message = code .. " happened", sent = sent } }
end

local function refusal(status, code, message)
  return {
    status = status,
    body = '{"__type":"' .. code .. '","Message":"' .. (message or "no") .. '"}',
    headers = { ["x-amzn-requestid"] = "id-1" },
  }
end

-- What each operation is called with, and the body that it then sends.
local CALLS = {
  CopyBackupToRegion = {
    { BackupId = "backup-a", DestinationRegion = "eu-west-2" },
    '{"DestinationRegion":"eu-west-2","BackupId":"backup-a"}',
  },
  CreateCluster = {
    { SubnetIds = { "subnet-1" }, HsmType = "hsm2m.medium", BackupRetentionPolicy = { Value = "90", Type = "DAYS" } },
    '{"BackupRetentionPolicy":{"Type":"DAYS","Value":"90"},"HsmType":"hsm2m.medium","SubnetIds":["subnet-1"]}',
  },
  CreateHsm = {
    { ClusterId = "cluster-a", AvailabilityZone = "eu-west-1a" },
    '{"ClusterId":"cluster-a","AvailabilityZone":"eu-west-1a"}',
  },
  DeleteBackup = { { BackupId = "backup-a" }, '{"BackupId":"backup-a"}' },
  DeleteCluster = { { ClusterId = "cluster-a" }, '{"ClusterId":"cluster-a"}' },
  DeleteHsm = { { HsmId = "hsm-a", ClusterId = "cluster-a" }, '{"ClusterId":"cluster-a","HsmId":"hsm-a"}' },
  DeleteResourcePolicy = { { ResourceArn = "arn:x" }, '{"ResourceArn":"arn:x"}' },
  DescribeBackups = {
    { Filters = { states = { "READY" } }, MaxResults = 50, Shared = false },
    '{"MaxResults":50,"Filters":{"states":["READY"]},"Shared":false}',
  },
  DescribeClusters = { {}, "{}" },
  GetResourcePolicy = { { ResourceArn = "arn:x" }, '{"ResourceArn":"arn:x"}' },
  InitializeCluster = {
    { TrustAnchor = "b", SignedCert = "a\n", ClusterId = "cluster-a" },
    '{"ClusterId":"cluster-a","SignedCert":"a\\n","TrustAnchor":"b"}',
  },
  ListTags = { { ResourceId = "backup-a", MaxResults = 1 }, '{"ResourceId":"backup-a","MaxResults":1}' },
  ModifyBackupAttributes = {
    { NeverExpires = false, BackupId = "backup-a" },
    '{"BackupId":"backup-a","NeverExpires":false}',
  },
  ModifyCluster = {
    { ClusterId = "cluster-a", HsmType = "hsm2m.medium" },
    '{"HsmType":"hsm2m.medium","ClusterId":"cluster-a"}',
  },
  PutResourcePolicy = { { Policy = "{}", ResourceArn = "arn:x" }, '{"ResourceArn":"arn:x","Policy":"{}"}' },
  RestoreBackup = { { BackupId = "backup-a" }, '{"BackupId":"backup-a"}' },
  TagResource = {
    { ResourceId = "backup-a", TagList = { { Value = "v", Key = "k" } } },
    '{"ResourceId":"backup-a","TagList":[{"Key":"k","Value":"v"}]}',
  },
  UntagResource = { { ResourceId = "backup-a", TagKeyList = { "k" } }, '{"ResourceId":"backup-a","TagKeyList":["k"]}' },
}

local METHODS = {
  CopyBackupToRegion = "copy_backup_to_region",
  CreateCluster = "create_cluster",
  CreateHsm = "create_hsm",
  DeleteBackup = "delete_backup",
  DeleteCluster = "delete_cluster",
  DeleteHsm = "delete_hsm",
  DeleteResourcePolicy = "delete_resource_policy",
  DescribeBackups = "describe_backups",
  DescribeClusters = "describe_clusters",
  GetResourcePolicy = "get_resource_policy",
  InitializeCluster = "initialize_cluster",
  ListTags = "list_tags",
  ModifyBackupAttributes = "modify_backup_attributes",
  ModifyCluster = "modify_cluster",
  PutResourcePolicy = "put_resource_policy",
  RestoreBackup = "restore_backup",
  TagResource = "tag_resource",
  UntagResource = "untag_resource",
}

describe("a call", function()
  -- Without the collector, which would make it a matter of chance.
  it("makes little garbage", function()
    local client, runtime = client_of(nil, {
      credentials = { access_key_id = ID, secret_access_key = SECRET, session_token = TOKEN },
    })
    local answer = { status = 200, headers = { ["x-amzn-requestid"] = "id-1" }, body = '{"Backups":[]}' }
    function runtime.send()
      return answer
    end
    local params = CALLS.DescribeBackups[1]
    assert(client:describe_backups(params))
    collectgarbage()
    collectgarbage "stop"
    finally(function()
      collectgarbage "restart"
    end)
    local before = collectgarbage "count"
    for _ = 1, 100 do
      assert(client:describe_backups(params))
    end
    local each = (collectgarbage "count" - before) * 1024 / 100
    assert.is_true(each < 3600, each .. " bytes a call")
  end)

  it("shares nothing with the next one that a runtime could want to change", function()
    local client, runtime = client_of()
    assert(client:describe_clusters())
    local first = runtime.requests[1]
    for i = #first.headers, 1, -1 do
      first.headers[i] = nil
    end
    first.url = "http://elsewhere/"
    assert(client:describe_clusters())
    local second = runtime.requests[2]
    assert.are.equal("https://cloudhsmv2.eu-west-1.amazonaws.com/", second.url)
    assert.are.equal("application/x-amz-json-1.1", header(second, "Content-Type"))
  end)
end)

describe("every operation", function()
  for name in pairs(model.operations) do
    it(name .. " sends its target and body, as a method and by name", function()
      local client, runtime = client_of()
      local params, body = CALLS[name][1], CALLS[name][2]
      assert(client[METHODS[name]](client, params))
      assert(client:call(name, params))
      assert(client:call(METHODS[name], params))
      assert.are.equal(3, #runtime.requests)
      for _, request in ipairs(runtime.requests) do
        assert.are.equal("BaldrApiService." .. name, header(request, "X-Amz-Target"))
        assert.are.equal(body, request.body)
      end
    end)
  end
end)

describe("a request", function()
  it("is a POST of JSON to the region's address", function()
    local client, runtime = client_of()
    assert(client:describe_clusters())
    local request = runtime.requests[1]
    assert.are.equal("POST", request.method)
    assert.are.equal("https://cloudhsmv2.eu-west-1.amazonaws.com/", request.url)
    assert.are.equal("application/x-amz-json-1.1", header(request, "Content-Type"))
    assert.are.equal("{}", request.body)
    assert.is_nil(header(request, "Host"))
    assert.is_nil(header(request, "Content-Length"))
  end)

  it("goes to an endpoint of one's own, with its path joined by one slash", function()
    local urls = {
      ["http://127.0.0.1:8080"] = "http://127.0.0.1:8080/",
      ["https://H:443/base"] = "https://h/base/",
      ["https://h/base/"] = "https://h/base/",
      ["http://[::1]:80/"] = "http://[::1]/",
    }
    for endpoint, url in pairs(urls) do
      local client, runtime = client_of(nil, { endpoint = endpoint })
      assert(client:describe_clusters())
      assert.are.equal(url, runtime.requests[1].url)
    end
  end)

  it("is signed over exactly what botocore signs, for the region and cloudhsm, at the runtime's time", function()
    local client, runtime = client_of(nil, {
      region = "fips-us-east-1",
      credentials = { access_key_id = ID, secret_access_key = SECRET, session_token = TOKEN },
    })
    assert(client:describe_clusters())
    local request = runtime.requests[1]
    assert.are.equal("https://cloudhsmv2-fips.us-east-1.amazonaws.com/", request.url)
    assert.are.equal("20150830T123600Z", header(request, "X-Amz-Date"))
    assert.are.equal(TOKEN, header(request, "X-Amz-Security-Token"))
    local expected = sigv4.sign {
      method = "POST",
      path = "/",
      headers = {
        { "Host", "cloudhsmv2-fips.us-east-1.amazonaws.com" },
        { "Content-Type", "application/x-amz-json-1.1" },
        { "X-Amz-Target", "BaldrApiService.DescribeClusters" },
      },
      body = "{}",
      region = "us-east-1",
      service = "cloudhsm",
      time = runtime.wall,
      credentials = { access_key_id = ID, secret_access_key = SECRET, session_token = TOKEN },
    }
    assert.are.equal(expected.authorization, header(request, "Authorization"))
    assert.is_truthy(
      expected.authorization:find(
        "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target,",
        1,
        true
      )
    )
  end)

  it("names its sender, its call and its attempt", function()
    local client, runtime = client_of()
    assert(client:describe_clusters())
    assert(client:describe_clusters())
    local first, second = runtime.requests[1], runtime.requests[2]
    assert.are.equal("attempt=1; max=3", header(first, "amz-sdk-request"))
    local id = header(first, "amz-sdk-invocation-id")
    assert.is_truthy(id:find "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$")
    assert.are_not.equal(id, header(second, "amz-sdk-invocation-id"))
    assert.is_truthy(header(first, "User-Agent"):find("cloudhsmv2-lua/" .. cloudhsmv2.version, 1, true))
    assert.is_truthy(header(first, "User-Agent"):find(" m/E,e ", 1, true))
    assert.is_nil(header(first, "X-Amzn-Trace-Id"))
  end)

  it("carries the trace id of the Lambda invocation that it is made in", function()
    local trace = "Root=1"
    local client, runtime = client_of(nil, {
      getenv = function(name)
        return ({ AWS_LAMBDA_FUNCTION_NAME = "f", _X_AMZN_TRACE_ID = trace })[name]
      end,
    })
    assert(client:describe_clusters())
    trace = "Root=2"
    assert(client:describe_clusters())
    assert.are.equal("Root=1", header(runtime.requests[1], "X-Amzn-Trace-Id"))
    assert.are.equal("Root=2", header(runtime.requests[2], "X-Amzn-Trace-Id"))
  end)

  it("has the client's times, and those of the call before them", function()
    local client, runtime = client_of(nil, { connect_timeout = 1, read_timeout = 2, timeout = 3 })
    assert(client:describe_clusters())
    assert(client:describe_clusters({}, { connect_timeout = 4, read_timeout = 5, timeout = 6 }))
    local first, second = runtime.requests[1], runtime.requests[2]
    assert.are.same({ 1, 2, 3 }, { first.connect_timeout, first.read_timeout, first.timeout })
    assert.are.same({ 4, 5, 6 }, { second.connect_timeout, second.read_timeout, second.timeout })
    client, runtime = client_of()
    assert(client:describe_clusters())
    local request = runtime.requests[1]
    assert.are.same({ 3.1, 60 }, { request.connect_timeout, request.read_timeout })
    assert.is_nil(request.timeout)
  end)

  it("is not sent when the time of the call was spent on credentials", function()
    local runtime
    local client
    client, runtime = client_of(nil, {
      timeout = 5,
      credentials = function()
        runtime.clock = runtime.clock + 5
        return { access_key_id = ID, secret_access_key = SECRET }
      end,
    })
    local out, err = client:describe_clusters()
    assert.is_nil(out)
    assert.are.equal("timeout", err.kind)
    assert.are.equal("no", err.sent)
    assert.are.equal(5, err.elapsed)
    assert.are.equal(0, #runtime.requests)
  end)

  it("goes over a connection of its own exactly where it must not be repeated", function()
    local client, runtime = client_of()
    local fresh = {}
    for name, call in pairs(CALLS) do
      assert(client:call(name, call[1]))
      fresh[name] = runtime.requests[#runtime.requests].fresh_connection or nil
    end
    assert.are.same({
      CopyBackupToRegion = true,
      CreateCluster = true,
      CreateHsm = true,
      InitializeCluster = true,
      ModifyCluster = true,
    }, fresh)
    assert(client:modify_cluster { ClusterId = "c", BackupRetentionPolicy = { Type = "DAYS", Value = "7" } })
    assert.is_false(runtime.requests[#runtime.requests].fresh_connection)
    assert(client:modify_cluster { ClusterId = "c", HsmType = codec.null })
    assert.is_false(runtime.requests[#runtime.requests].fresh_connection)
  end)
end)

describe("an output", function()
  it("is read by shape, with the facts of the exchange", function()
    local headers = { ["x-amzn-requestid"] = "id-1", date = "today" }
    local client = client_of {
      { headers = headers, body = '{"Backups":[{"BackupId":"b","CreateTimestamp":1.5E9,"New":[1]}],"NextToken":null}' },
    }
    local out, err = client:describe_backups { MaxResults = 1 }
    assert.is_nil(err)
    assert.are.same({
      Backups = { { BackupId = "b", CreateTimestamp = 1500000000, New = { 1 } } },
      ResponseMetadata = { RequestId = "id-1", HTTPStatusCode = 200, HTTPHeaders = headers, RetryAttempts = 0 },
    }, out)
  end)

  it("is any answer of 200 to 299, also without a body", function()
    local client = client_of { { status = 204, body = "" } }
    assert.are.equal(204, client:tag_resource(CALLS.TagResource[1]).ResponseMetadata.HTTPStatusCode)
  end)
end)

describe("parameters", function()
  it("are checked before anything else happens, and the error names the operation", function()
    local asked = false
    local client, runtime = client_of(nil, {
      credentials = function()
        asked = true
      end,
    })
    local out, err = client:delete_backup { BackupID = "backup-a" }
    assert.is_nil(out)
    assert.are.equal("validation", err.kind)
    assert.are.equal("DeleteBackup", err.operation)
    assert.are.equal("no", err.sent)
    assert.are.equal(0, err.attempts)
    assert.are.equal(2, #err.problems)
    assert.is_truthy(tostring(err):find "BackupId")
    assert.are.equal(0, #runtime.requests)
    assert.is_false(asked)
  end)

  it("can be left out, and are never changed", function()
    local client = client_of()
    assert(client:describe_backups())
    assert(client:describe_backups(nil, nil))
    local params = { Filters = { states = { "READY" } } }
    assert(client:describe_backups(params))
    assert.are.same({ Filters = { states = { "READY" } } }, params)
  end)

  it("that are no table raise, at the caller, as a dot for the colon does", function()
    local client = client_of()
    local wrong = {
      ["describe_backups: the parameters must be a table, not a number"] = function()
        client:describe_backups(7)
      end,
      ["describe_backups: the options must be a table, not a string"] = function()
        client:describe_backups({}, "fast")
      end,
      ["describe_backups: call it with a colon, client:describe_backups(...)"] = function()
        client.describe_backups {}
      end,
      ["delete_backup: call it with a colon, client:delete_backup(...)"] = function()
        client.delete_backup()
      end,
      ["call: call it with a colon, client:call(...)"] = function()
        client.call "DescribeBackups"
      end,
      ["call: the name of the operation must be a string, not a table"] = function()
        client:call {}
      end,
      ["DescribeBackups: the parameters must be a table, not a boolean"] = function()
        client:call("DescribeBackups", true)
      end,
      ["close: call it with a colon, client:close(...)"] = function()
        client.close()
      end,
    }
    for expected, misuse in pairs(wrong) do
      local ok, message = pcall(misuse)
      assert.is_false(ok)
      assert.is_truthy(message:find "client_spec.lua:%d+: ", message)
      assert.is_truthy(message:find(expected, 1, true), message)
    end
  end)
end)

describe("an unknown operation", function()
  it("is an error that suggests the nearest", function()
    local client = client_of()
    local out, err = client:call "DescribeBackup"
    assert.is_nil(out)
    assert.are.equal("validation", err.kind)
    assert.are.equal('"DescribeBackup" is no operation; did you mean DescribeBackups?', err.message)
    out, err = client:call "describe_backup"
    assert.is_nil(out)
    assert.are.equal('"describe_backup" is no operation; did you mean describe_backups?', err.message)
  end)
end)

describe("a wrong option of a call", function()
  it("is an error, and nothing is sent", function()
    local client, runtime = client_of()
    for _, options in ipairs { { timout = 1 }, { timeout = "1" }, { timeout = 0 / 0 }, { max_attempts = 0 } } do
      local out, err = client:describe_backups({}, options)
      assert.is_nil(out)
      assert.are.equal("validation", err.kind)
      assert.are.equal("DescribeBackups", err.operation)
    end
    assert.are.equal(0, #runtime.requests)
    assert(client:describe_backups({}, { max_attempts = 1 }))
  end)
end)

describe("a failure", function()
  it("of the service is an error with everything about the exchange", function()
    local client, runtime = client_of { refusal(400, "CloudHsmResourceNotFoundException", "no such backup") }
    runtime.exchange_time = 0.5
    local out, err = client:delete_backup { BackupId = "backup-a" }
    assert.is_nil(out)
    assert.is_true(errors.is(err))
    assert.are.same({ "service", "CloudHsmResourceNotFoundException", "no such backup", 400, "id-1", "yes" }, {
      err.kind,
      err.code,
      err.message,
      err.status,
      err.request_id,
      err.sent,
    })
    assert.are.same({ "DeleteBackup", false, 1, 0.5 }, { err.operation, err.retryable, err.attempts, err.elapsed })
    assert.are.same({
      {
        kind = "service",
        code = "CloudHsmResourceNotFoundException",
        status = 400,
        request_id = "id-1",
        sent = "yes",
        elapsed = 0.5,
      },
    }, err.history)
    assert.are.equal(
      "DeleteBackup: CloudHsmResourceNotFoundException: no such backup (service, HTTP 400, request id id-1)",
      tostring(err)
    )
  end)

  it("of the connection keeps what the runtime knows", function()
    local client = client_of { failing("tls", "CertificateExpired", "no") }
    local _, err = client:describe_clusters()
    assert.are.same(
      { "tls", "CertificateExpired", "CertificateExpired happened", "no", false },
      { err.kind, err.code, err.message, err.sent, err.retryable }
    )
  end)

  it("leaves the client usable", function()
    local client = client_of {
      failing("transport", "ConnectionReset", "maybe"),
      { status = 200, body = "<html>" },
      { status = 302 },
      { status = 502, body = "<html>" },
      refusal(400, "ThrottlingException"),
      {},
    }
    local kinds = {}
    for i = 1, 5 do
      local _, err = client:describe_clusters({}, { max_attempts = 1 })
      kinds[i] = err.kind .. (err.retryable and "+" or "-")
    end
    assert.are.same({ "transport+", "protocol+", "protocol-", "service+", "throttled+" }, kinds)
    assert.is_truthy(client:describe_clusters())
  end)

  it("has a hint where one helps", function()
    local client = client_of {
      refusal(400, "AccessDeniedException", "User is not authorized"),
      refusal(
        403,
        "InvalidSignatureException",
        "Signature expired: 20150830T123600Z is now earlier than 20150830T124000Z"
      ),
    }
    local _, err = client:describe_clusters()
    assert.is_truthy(err.message:find "^User is not authorized %- .*cloudhsm:")
    assert.are.equal("service", err.kind)
    _, err = client:describe_clusters()
    assert.is_truthy(err.message:find "check the clock of this machine$")
    assert.are.equal("auth", err.kind)
  end)

  it("to have credentials is an error, and nothing is sent", function()
    local runtime = fake_runtime.new()
    local client = assert(cloudhsmv2.new {
      region = "eu-west-1",
      runtime = runtime,
      ec2_metadata_disabled = true,
      getenv = function() end,
    })
    local _, err = client:describe_clusters()
    assert.are.equal("credentials", err.kind)
    assert.are.equal("DescribeClusters", err.operation)
    assert.are.equal("no", err.sent)
    assert.are.equal(0, #runtime.requests)
  end)
end)

describe("an operation that must not be done twice", function()
  local hsm = CALLS.CreateHsm[1]

  it("is ambiguous where nobody knows what became of it", function()
    local doubts = {
      failing("transport", "EmptyReply", "maybe"),
      failing("timeout", "ReadTimeout", "maybe"),
      failing("aborted", "Closed", "maybe"),
      failing("protocol", "TruncatedBody", "yes"),
      { status = 500, body = '{"__type":"CloudHsmInternalFailureException"}' },
      { status = 503, body = "<html>" },
      { status = 200, body = "<html>" },
      { status = 200, body = '{"Hsm":7}' },
      { status = 408 },
    }
    for _, doubt in ipairs(doubts) do
      local client, runtime = client_of { doubt }
      local out, err = client:create_hsm(hsm)
      assert.is_nil(out)
      assert.are.equal("ambiguous", err.kind)
      assert.is_false(err.retryable)
      assert.are.equal("CreateHsm", err.operation)
      assert.are.equal("CreateHsm", err.cause.operation)
      assert.are_not.equal("ambiguous", err.cause.kind)
      assert.are.equal(err.cause.kind, err.history[1].kind)
      assert.are.equal(model.operations.CreateHsm.reconcile, err.reconcile)
      assert.is_truthy(tostring(err):find "describe_clusters")
      assert.are.equal(1, #runtime.requests)
    end
  end)

  it("is a plain failure where it was refused or never arrived", function()
    local refusals = {
      [failing("transport", "CouldNotConnect", "no")] = "transport",
      [failing("tls", "CertificateExpired", "no")] = "tls",
      [refusal(400, "CloudHsmInvalidRequestException")] = "service",
      [refusal(400, "ThrottlingException")] = "throttled",
      [refusal(503, "SlowDown")] = "throttled",
      [refusal(403, "ExpiredTokenException")] = "auth",
      [{ status = 404, body = "<html>" }] = "service",
      [{ status = 307 }] = "protocol",
    }
    for answer, kind in pairs(refusals) do
      local _, err = client_of({ answer }):create_hsm(hsm)
      assert.are.equal(kind, err.kind)
      assert.is_nil(err.cause)
    end
  end)

  it("may be one only with a certain member", function()
    local client = client_of { failing("timeout", "ReadTimeout", "maybe") }
    local _, err = client:modify_cluster { ClusterId = "c", HsmType = "hsm2m.medium" }
    assert.are.equal("ambiguous", err.kind)
    _, err = client:modify_cluster { ClusterId = "c", BackupRetentionPolicy = { Type = "DAYS", Value = "7" } }
    assert.are.equal("timeout", err.kind)
    assert.is_true(err.retryable)
  end)

  it("is ambiguous for no other operation", function()
    for name, call in pairs(CALLS) do
      local client = client_of { failing("timeout", "ReadTimeout", "maybe") }
      local _, err = client:call(name, call[1])
      assert.are.equal(model.operations[name].at_most_once and "ambiguous" or "timeout", err.kind, name)
    end
  end)
end)

describe("events", function()
  local function watched(script, fields)
    local events = {}
    fields = fields or {}
    fields.on_event = function(event)
      events[#events + 1] = event
    end
    local client, runtime = client_of(script, fields)
    runtime.exchange_time = 0.5
    return client, events
  end

  it("tell of a request and its answer", function()
    local client, events = watched { { headers = { ["x-amzn-requestid"] = "id-1" } } }
    assert(client:describe_clusters())
    local id = events[1].invocation_id
    assert.are.same({
      {
        type = "request",
        operation = "DescribeClusters",
        attempt = 1,
        max_attempts = 3,
        invocation_id = id,
        region = "eu-west-1",
        url = "https://cloudhsmv2.eu-west-1.amazonaws.com/",
      },
      {
        type = "response",
        operation = "DescribeClusters",
        attempt = 1,
        invocation_id = id,
        status = 200,
        request_id = "id-1",
        elapsed = 0.5,
      },
    }, events)
  end)

  it("tell of a request and its failure", function()
    local client, events = watched { refusal(400, "CloudHsmTagException", "no") }
    client:describe_clusters()
    assert.are.equal("request", events[1].type)
    assert.are.same({
      type = "error",
      operation = "DescribeClusters",
      attempt = 1,
      invocation_id = events[1].invocation_id,
      kind = "service",
      code = "CloudHsmTagException",
      message = "no",
      status = 400,
      request_id = "id-1",
      sent = "yes",
      retryable = false,
      elapsed = 0.5,
    }, events[2])
  end)

  it("cannot break the call by raising", function()
    local client = client_of(nil, {
      on_event = function()
        error "watcher broke"
      end,
    })
    assert.is_truthy(client:describe_clusters())
  end)

  it("may yield, and use the client or close it", function()
    local client, runtime
    client, runtime = client_of(nil, {
      on_event = function(event)
        coroutine.yield(event.type)
        if event.operation == "DescribeClusters" then
          client:list_tags { ResourceId = "backup-a" }
        elseif event.type == "response" then
          client:close()
        end
      end,
    })
    local thread = coroutine.create(function()
      return client:describe_clusters()
    end)
    local yields, last = {}, nil
    while coroutine.status(thread) == "suspended" do
      last = { coroutine.resume(thread) }
      assert.is_true(last[1], last[2])
      yields[#yields + 1] = last[2]
    end
    assert.are.same({ "request", "request", "response" }, { yields[1], yields[2], yields[3] })
    assert.are.equal("aborted", last[3].kind)
    assert.are.equal("no", last[3].sent)
    assert.are.equal(1, #runtime.requests)
  end)
end)

describe("a client", function()
  it("shows its region and nothing else", function()
    assert.are.equal("cloudhsmv2.client (eu-west-1)", tostring((client_of())))
  end)

  it("ends with close, which can be called again", function()
    local client, runtime = client_of()
    client:close()
    client:close()
    local out, err = client:describe_clusters()
    assert.is_nil(out)
    assert.are.same({ "aborted", "Closed", "DescribeClusters" }, { err.kind, err.code, err.operation })
    assert.are.equal(0, #runtime.requests)
    assert.are.equal(0, runtime.closed) -- it is the caller's
  end)

  it("goes through pages and waits, by the modules that do", function()
    local client = client_of {
      { body = '{"TagList":[{"Key":"a","Value":"1"}],"NextToken":"t"}' },
      { body = '{"TagList":[{"Key":"b","Value":"2"}]}' },
      { body = '{"Backups":[{"BackupId":"backup-a","BackupState":"READY"}]}' },
    }
    local tags = client:paginator("list_tags", { ResourceId = "backup-a" }):collect()
    assert.are.same({ { Key = "a", Value = "1" }, { Key = "b", Value = "2" } }, tags)
    local backup = assert(client:wait("backup_ready", { BackupId = "backup-a" }))
    assert.are.equal("READY", backup.BackupState)
  end)

  it("works with a model of another service, whose operations may have no input and no output", function()
    local foreign = {
      metadata = { jsonVersion = "1.0", targetPrefix = "Other_1", endpointPrefix = "other", serviceId = "Other" },
      operations = {
        Ping = { name = "Ping" },
        PutHSMThing = { name = "PutHSMThing", input = { shape = "In" }, errors = {} },
        Close = { name = "Close" },
      },
      shapes = { In = { type = "structure", members = { A = { shape = "S" } } }, S = { type = "string" } },
    }
    local client, runtime = client_of({ { body = "ignored" } }, { model = foreign })
    assert(client:ping())
    assert(client:put_hsm_thing { A = "x" })
    assert(client:call "Close")
    assert.are.equal("https://other.eu-west-1.amazonaws.com/", runtime.requests[1].url)
    assert.are.equal("application/x-amz-json-1.0", header(runtime.requests[1], "Content-Type"))
    assert.are.equal("Other_1.Ping", header(runtime.requests[1], "X-Amz-Target"))
    assert.are.equal("{}", runtime.requests[1].body)
    assert.are.equal('{"A":"x"}', runtime.requests[2].body)
    assert.are.equal("Other_1.Close", header(runtime.requests[3], "X-Amz-Target"))
    assert.is_truthy(header(runtime.requests[1], "Authorization"):find("/eu-west-1/other/aws4_request", 1, true))
    local _, err = client:ping { A = 1 }
    assert.are.equal("the operation takes no parameters", err.message)
    assert.is_nil(client.describe_backups)
    client:close()
  end)
end)

describe("a secret", function()
  -- Every string in a value, at any depth.
  local function strings_of(value, found, seen)
    if type(value) == "string" then
      found[#found + 1] = value
    elseif type(value) == "table" and not seen[value] then
      seen[value] = true
      for key, item in pairs(value) do
        strings_of(key, found, seen)
        strings_of(item, found, seen)
      end
    end
    return found
  end

  local function assert_clean(value, secrets, what)
    local found = strings_of(value, { tostring(value) }, {})
    for _, secret in ipairs(secrets) do
      for _, text in ipairs(found) do
        assert.is_nil(text:find(secret, 1, true), what .. ": " .. text)
      end
    end
  end

  -- What the other side may send back: everything it got, the password of a cluster, in every form.
  local function echoes(request)
    local got = table
      .concat({
        header(request, "Authorization"),
        header(request, "X-Amz-Security-Token"),
        request.body,
      }, " ")
      :gsub('"', "'")
    local escaped = got:gsub("/", "\\/")
    local cluster = '{"Clusters":[{"PreCoPassword":"hunter2!"'
    return {
      { status = 403, body = '{"__type":"SignatureDoesNotMatch","message":"the Canonical String was ' .. got .. '"}' },
      { status = 403, body = '{"__type":"New","message":"' .. escaped .. '","Deep":[{"A":"' .. escaped .. '"}]}' },
      { status = 400, body = got },
      { status = 500, body = "<html>" .. got },
      { status = 502, headers = { ["x-amzn-errortype"] = got }, body = cluster .. "}]}" },
      { status = 302, body = got },
      { status = 600, body = got },
      { status = 200, body = got },
      { status = 200, body = cluster .. ',"ClusterId":7}],"Hsm":7}' },
      { status = 200, body = cluster },
      { status = 200, body = cluster:sub(1, -3) },
      { status = 400, body = cluster .. '}],"__type":"CloudHsmTagException"}' },
      { failure = { kind = "transport", code = "Echo", message = "sent " .. got, sent = "maybe" } },
      { failure = "sent " .. got },
    }
  end

  it("is in no error, no event and no tostring, whatever the other side sends back", function()
    local secrets = { SECRET, TOKEN, (TOKEN:gsub("/", "\\/")), "hunter2!" }
    local count = #echoes { headers = { { "Authorization", "a" }, { "X-Amz-Security-Token", "b" } }, body = "" }
    for i = 1, count do
      for _, name in ipairs { "DescribeClusters", "CreateHsm" } do
        local signature, events = nil, {}
        local client = client_of(function(request)
          signature = header(request, "Authorization"):match "Signature=(%x+)"
          return echoes(request)[i]
        end, {
          credentials = { access_key_id = ID, secret_access_key = SECRET, session_token = TOKEN },
          on_event = function(event)
            events[#events + 1] = event
          end,
        })
        local out, err = client:call(name, CALLS[name][1])
        assert.is_nil(out)
        local all = { signature }
        for _, secret in ipairs(secrets) do
          all[#all + 1] = secret
        end
        assert_clean(err, all, name .. " " .. i)
        assert_clean(events, all, "events of " .. name .. " " .. i)
      end
    end
  end)

  it("is not in the tables of a client", function()
    local loaded = package.loaded["cloudhsmv2.runtime.curl"]
    package.loaded["cloudhsmv2.runtime.curl"] = {
      new = function()
        return fake_runtime.new { refusal(400, "CloudHsmTagException") }
      end,
    }
    finally(function()
      package.loaded["cloudhsmv2.runtime.curl"] = loaded
    end)
    local client = assert(cloudhsmv2.new {
      region = "eu-west-1",
      proxy = "http://user:hunter2!@proxy:3128",
      credentials = { access_key_id = ID, secret_access_key = SECRET, session_token = TOKEN },
      getenv = function() end,
    })
    client:describe_clusters()
    assert_clean(client, { SECRET, TOKEN, "hunter2!" }, "client")
  end)
end)
