local helper = require "spec.emulator.helper"
local emulator = require "cloudhsmv2.emulator"
local errors = require "cloudhsmv2.errors"
local model = require "cloudhsmv2.model"

describe("an emulator", function()
  it("has a handler for every operation of the API", function()
    local handlers = require "cloudhsmv2.emulator.handlers"
    for operation in pairs(model.operations) do
      assert.is_function(handlers[operation], operation)
    end
  end)

  it("says which setting is wrong", function()
    for wanted, options in pairs {
      ["clok: unknown setting"] = { clok = "real" },
      ["clock: expected"] = { clock = "fast" },
      ["max_skew: expected a number"] = { max_skew = "5" },
      ["times.hsm_creaton: unknown"] = { times = { hsm_creaton = 1 } },
      ["times.copy: expected a number"] = { times = { copy = -1 } },
      ["times.purge_interval: expected at least"] = { times = { purge_interval = 0 } },
      ["seed: expected a whole number"] = { seed = 1.5 },
      ["pages: expected one of empty, full, short"] = { pages = "odd" },
      ["unknown_filters: expected one of ignore, refuse"] = { unknown_filters = "maybe" },
      ["secret_access_key"] = { credentials = { { access_key_id = "AKIDEXAMPLE" } } },
      ["12 digits"] = { credentials = { AKIDEXAMPLE = { secret_access_key = "x", account = "12" } } },
    } do
      local made, err = emulator.new(options)
      assert.is_nil(made)
      assert.is_true(errors.is(err))
      assert.are.equal("config", err.kind)
      assert.matches(wanted, err.message, 1, true)
    end
  end)

  it("shares nothing with another one", function()
    local first, second = helper.new(), helper.new()
    local id = first:create_cluster()
    assert.is_nil(second:cluster(id))
  end)

  it("makes the same ids for the same seed, and others for another", function()
    assert.are.equal(helper.new():create_cluster(), helper.new():create_cluster())
    assert.are.not_equal(helper.new():create_cluster(), helper.new({ seed = 2 }):create_cluster())
  end)

  it("makes the same ids however often somebody looks", function()
    local patient, curious = helper.new(), helper.new()
    patient:create_cluster()
    curious:create_cluster()
    for _ = 1, 5 do
      curious:call("DescribeClusters", { MaxResults = 1 })
    end
    assert.are.equal(patient:create_cluster(), curious:create_cluster())
  end)

  it("takes other times, quotas and keys", function()
    local key = { access_key_id = "AKIDEXAMPLE3", secret_access_key = "s", account = "999999999999" }
    local service = helper.new { credentials = { key }, times = { cluster_creation = 1 }, quotas = { clusters = 1 } }
    local id = service:create_cluster(nil, { key = key })
    service.emulator:advance(1)
    assert.are.equal("UNINITIALIZED", service:cluster(id, { key = key }).State)
    assert.has_error(function()
      service:create_cluster(nil, { key = key })
    end)
    assert.are.equal("UnrecognizedClientException", (service:refusal "DescribeClusters"))
  end)

  it("moves on with a clock that runs by itself", function()
    local wall = helper.START
    local source = {
      time = function()
        return wall
      end,
      now = function()
        return wall
      end,
    }
    local service = helper.new { clock = "scaled:60", source = source }
    local id = service:create_cluster()
    wall = wall + 2
    assert.are.equal("UNINITIALIZED", service:cluster(id).State)
  end)
end)

describe("an emulator's own client", function()
  it("has the first key, the emulator's clock and its region, and nothing of the environment", function()
    local service = helper.new { default_region = "eu-west-1" }
    local client = assert(service.emulator:client())
    local out = assert(client:create_cluster {
      HsmType = "hsm2m.medium",
      Mode = "FIPS",
      SubnetIds = { helper.SUBNET_A },
    })
    local cluster = assert(client:wait("cluster_created", { ClusterId = out.Cluster.ClusterId }))
    assert.are.equal("UNINITIALIZED", cluster.State)
    assert.is_true(service.emulator:time() >= helper.START + 120)
    assert.is_table(service:cluster(cluster.ClusterId, { region = "eu-west-1" }))
    for name, setting in pairs(client:describe_configuration()) do
      local origin = type(setting) == "table" and setting.origin or ""
      assert.is_nil(tostring(origin):match "^env" or tostring(origin):match "^file", name)
    end
  end)

  it("may be of another account, or have keys of its own", function()
    local service = helper.new()
    service:create_cluster()
    local function count(options)
      options.region = "us-east-1"
      return #assert(assert(service.emulator:client(options)):describe_clusters {}).Clusters
    end
    assert.are.equal(1, count {})
    assert.are.equal(0, count { account = "444455556666" })
    assert.are.equal(0, count { credentials = helper.OTHER_KEY })
  end)

  it("takes the first key as they were listed, and by id where they were not", function()
    local function first(credentials)
      local client = assert(helper.new({ credentials = credentials }).emulator:client())
      return client:describe_configuration().credentials.value
    end
    local function key(id, more)
      return { access_key_id = id, secret_access_key = "s", session_token = more }
    end
    assert.matches("ZZZZ$", first { key "AKIDEXAMPLEZZZZ", key "AKIDEXAMPLEAAAA" })
    assert.matches("AAAA$", first { AKIDEXAMPLEZZZZ = key(), AKIDEXAMPLEAAAA = key() })
    local with_token = helper.new { credentials = { key("AKIDEXAMPLEAAAA", "token") } }
    assert(assert(with_token.emulator:client()):describe_clusters {})
  end)

  it("says when there is no key for it", function()
    local client, err = helper.new().emulator:client { account = "999999999999" }
    assert.is_nil(client)
    assert.is_true(errors.is(err))
    assert.matches("999999999999", err.message, 1, true)
    assert.is_nil((helper.new({ credentials = {} }).emulator:client()))
    client, err = helper.new().emulator:client { regoin = "eu-west-1" }
    assert.is_nil(client)
    assert.matches("regoin", err.message, 1, true)
  end)

  it("waits alike for the same seed", function()
    local function times()
      local service = helper.new()
      local client = assert(service.emulator:client())
      local id = service:create_cluster()
      assert(client:wait("cluster_created", { ClusterId = id }))
      return service.emulator:time()
    end
    assert.are.equal(times(), times())
  end)
end)
