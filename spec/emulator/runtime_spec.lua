local cloudhsmv2 = require "cloudhsmv2"
local emulator = require "cloudhsmv2.emulator"
local helper = require "spec.emulator.helper"

local function client_of(emulated, options)
  local all = { region = "us-east-1", credentials = helper.KEY, runtime = emulated:runtime() }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  return assert(cloudhsmv2.new(all))
end

describe("the library's client, in the same program", function()
  local emulated, client
  before_each(function()
    emulated = assert(emulator.new { time = helper.START })
    client = client_of(emulated)
  end)

  it("goes through a cluster's whole life without waiting", function()
    local id = assert(client:create_cluster {
      HsmType = "hsm2m.medium",
      Mode = "FIPS",
      SubnetIds = { helper.SUBNET_A, helper.SUBNET_B },
    }).Cluster.ClusterId
    assert(client:wait("cluster_created", { ClusterId = id }))
    local hsm = assert(client:create_hsm { ClusterId = id, AvailabilityZone = "us-east-1a" }).Hsm
    local request = assert(client:wait("csr_ready", { ClusterId = id })).Certificates.ClusterCsr
    local certificate, anchor = assert(emulated:sign_csr(request))
    assert(client:initialize_cluster { ClusterId = id, SignedCert = certificate, TrustAnchor = anchor })
    assert(client:wait("cluster_initialized", { ClusterId = id }))
    assert(client:wait("cluster_active", { ClusterId = id }))
    local backup = assert(client:describe_backups {}).Backups[1]
    assert(client:wait("backup_ready", { BackupId = backup.BackupId }))
    assert(client:delete_hsm { ClusterId = id, HsmId = hsm.HsmId })
    emulated:advance(120)
    assert(client:delete_cluster { ClusterId = id })
    assert(client:wait("cluster_deleted", { ClusterId = id }))
    assert.is_true(emulated:time() > helper.START + 120 + 313)
  end)

  it("gets the service's errors", function()
    local out, err = client:delete_backup { BackupId = "backup-aaaaaaaaaaa" }
    assert.is_nil(out)
    assert.are.equal("CloudHsmResourceNotFoundException", err.code)
    assert.matches("backup-aaaaaaaaaaa", err.message, 1, true)
    assert.are.equal(400, err.status)
    assert.is_string(err.request_id)
  end)

  it("may use an endpoint of its own", function()
    for _, endpoint in ipairs { "http://127.0.0.1:8080", "https://example.com:443", "http://[::1]:8080/" } do
      assert(client_of(emulated, { endpoint = endpoint }):describe_clusters {})
    end
  end)
end)

describe("the runtime", function()
  local emulated, runtime
  before_each(function()
    emulated = assert(emulator.new { time = helper.START })
    runtime = emulated:runtime()
  end)

  it("tells the emulator's time, and sleeping moves it", function()
    assert.are.equal(helper.START, runtime.time())
    local before = runtime.now()
    runtime.sleep(90)
    assert.are.equal(helper.START + 90, runtime.time())
    assert.are.equal(90, runtime.now() - before)
  end)

  it("gives headers by name in lower case", function()
    local response = runtime.send { method = "POST", url = "https://example.com/", headers = {}, body = "" }
    assert.are.equal("application/x-amz-json-1.1", response.headers["content-type"])
  end)

  it("fails in the manner of a runtime once it is closed, or for a URL that is none", function()
    local response, failure = runtime.send { method = "POST", url = "ftp://example.com/" }
    assert.is_nil(response)
    assert.are.equal("InvalidUrl", failure.code)
    runtime.close()
    response, failure = runtime.send { method = "POST", url = "https://example.com/" }
    assert.is_nil(response)
    assert.are.equal("no", failure.sent)
    assert.are.equal("RuntimeClosed", failure.code)
  end)
end)
