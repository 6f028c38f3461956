--- How to test one's own code: an emulator in the same process, whose clock moves only when something sleeps. Hours of
-- waiting take no time. Under busted this would be a spec; here it runs alone: lua examples/unit_test_with_emulator.lua

local emulator = require "cloudhsmv2.emulator"

--- The code under test: creates a cluster with one HSM, and deletes an HSM that fails.
local function create_cluster_with_hsm(client, subnet_id)
  local out, err = client:create_cluster { HsmType = "hsm2m.medium", Mode = "FIPS", SubnetIds = { subnet_id } }
  if not out then
    return nil, err
  end
  local cluster_id = out.Cluster.ClusterId
  local cluster, hsm
  cluster, err = client:wait("cluster_created", { ClusterId = cluster_id })
  if not cluster then
    return nil, err
  end
  out, err = client:create_hsm { ClusterId = cluster_id, AvailabilityZone = next(cluster.SubnetMapping) }
  if not out then
    return nil, err
  end
  local name = { ClusterId = cluster_id, HsmId = out.Hsm.HsmId }
  hsm, err = client:wait("hsm_active", name)
  if not hsm and err.state == "DEGRADED" then
    client:delete_hsm(name)
  end
  return hsm, err
end

local function new_client(local_hsm)
  return assert(local_hsm:client { region = "eu-west-1" })
end

local tests = {}

function tests.returns_an_hsm_that_works()
  local client = new_client(assert(emulator.new {}))
  local hsm = assert(create_cluster_with_hsm(client, "subnet-0a1b2c3d"))
  assert(hsm.State == "ACTIVE")
end

function tests.deletes_an_hsm_that_fails()
  local local_hsm = assert(emulator.new {})
  local_hsm:fail_next_hsm()
  local client = new_client(local_hsm)
  local hsm, err = create_cluster_with_hsm(client, "subnet-0a1b2c3d")
  assert(hsm == nil and err.state == "DEGRADED")
  local_hsm:advance(600)
  assert(#client:describe_clusters({}).Clusters[1].Hsms == 0)
end

function tests.tells_that_a_subnet_is_wrong()
  local hsm, err = create_cluster_with_hsm(new_client(assert(emulator.new {})), "subnet-in-my-vpc")
  assert(hsm == nil and err.code == "CloudHsmInvalidRequestException")
end

local failed = 0
for name, test in pairs(tests) do
  local fine, problem = pcall(test)
  print(fine and "ok" or "FAILED", (name:gsub("_", " ")), problem or "")
  failed = failed + (fine and 0 or 1)
end
os.exit(failed == 0 and 0 or 1)
