local cloudhsmv2 = require "cloudhsmv2"
local errors = require "cloudhsmv2.errors"
local fake_nginx = require "spec.helper.fake_nginx"
local fake_runtime = require "spec.helper.fake_runtime"
local shared = require "cloudhsmv2.shared"
local sigv4 = require "cloudhsmv2.sigv4"

local SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

local api, outside

before_each(function()
  outside = rawget(_G, "ngx")
  api = fake_nginx.new()
  rawset(_G, "ngx", api)
end)

after_each(function()
  rawset(_G, "ngx", outside)
end)

-- Calls in a coroutine, as nginx does: only there a caller may wait.
local function ask(called, ...)
  local results
  local arguments, count = { ... }, select("#", ...)
  local thread = coroutine.create(function()
    results = { called((unpack or table.unpack)(arguments, 1, count)) } -- luacheck: ignore
  end)
  local ok, problem = coroutine.resume(thread)
  if not ok then
    error(problem, 0)
  end
  return results[1], results[2]
end

-- A provider whose keys are numbered and last `life` seconds; `failing` is the reason of its failure.
local function numbered(life)
  local source = { calls = 0 }
  function source.provider()
    source.calls = source.calls + 1
    if source.failing then
      return nil, source.failing
    end
    return {
      access_key_id = "KEY" .. source.calls,
      secret_access_key = SECRET,
      session_token = "token",
      expiration = life and api.clock + life,
    }
  end
  return source
end

-- A function as one worker has it: of its own, over memory that is shared.
local function worker(source, options)
  local chosen = { provider = source.provider }
  for name, value in pairs(options or {}) do
    chosen[name] = value
  end
  return shared.credentials(chosen)
end

local function id_of(get)
  local credentials, err = ask(get)
  assert.is_nil(err)
  return credentials:access_key_id()
end

local function error_of(called, ...)
  local value, err = ask(called, ...)
  assert.is_nil(value)
  assert.is_true(errors.is(err))
  return err
end

-- What another worker that is at work has in the memory, for `life` seconds.
local function lock_of_another(what, life)
  api.shared.cloudhsmv2:add("cloudhsmv2:lock:" .. what, "another worker", life)
end

local KEYS = "cloudhsmv2:credentials:default"

describe("shared credentials", function()
  it("need nginx, and say so", function()
    rawset(_G, "ngx", nil)
    local err = error_of(worker(numbered()))
    assert.are.same({ "config", "NotInNginx" }, { err.kind, err.code })
  end)

  it("need memory, and show the line of nginx.conf that declares it", function()
    local err = error_of(worker(numbered(), { dict = "vault_keys" }))
    assert.are.equal("config", err.kind)
    assert.matches("lua_shared_dict vault_keys 1m;", err.message, 1, true)
  end)

  it("need a provider, and refuse options that make no sense", function()
    assert.has_error(function()
      shared.credentials {}
    end, "shared.credentials: give a table with a function as `provider`")
    for wanted, options in pairs {
      ["did you mean refresh_before?"] = { refresh_befor = 1 },
      ["wait must be a number, not a string"] = { wait = "10" },
      ["lock must be a number of seconds from 0.1, not 0"] = { lock = 0 },
      ["key must not be empty"] = { key = "" },
    } do
      local err = error_of(worker(numbered(), options))
      assert.are.equal("config", err.kind)
      assert.matches(wanted, err.message, 1, true)
    end
  end)

  it("are fetched once and used by every worker", function()
    local source = numbered(3600)
    local one, other = worker(source), worker(source)
    assert.are.equal("KEY1", id_of(one))
    assert.are.equal("KEY1", id_of(other))
    assert.are.equal("KEY1", id_of(one))
    assert.are.equal(1, source.calls)
  end)

  it("are held in C memory, the same for every call until there are others", function()
    local get = worker(numbered(3600))
    local credentials = ask(get)
    assert.are.equal("userdata", type(credentials))
    assert.is_true(credentials:has_session_token())
    assert.are.equal(credentials, (ask(get)))
  end)

  it("are told apart by their key", function()
    local source = numbered(3600)
    assert.are.equal("KEY1", id_of(worker(source, { key = "a" })))
    assert.are.equal("KEY2", id_of(worker(source, { key = "b" })))
  end)

  it("sign the calls of a client", function()
    local runtime = fake_runtime.new()
    local client = assert(cloudhsmv2.new {
      region = "eu-west-1",
      runtime = runtime,
      credentials = worker(numbered(3600)),
    })
    assert(ask(client.describe_clusters, client))
    assert.matches("Credential=KEY1/", fake_runtime.header(runtime.requests[1], "authorization"), 1, true)
  end)

  it("are fetched anew by one worker when they are about to expire", function()
    local source = numbered(3600)
    local one, other = worker(source), worker(source)
    id_of(one)
    id_of(other)
    api.clock = api.clock + 3299
    assert.are.equal("KEY1", id_of(one))
    api.clock = api.clock + 1
    assert.are.equal("KEY2", id_of(one))
    assert.are.equal("KEY2", id_of(other))
    assert.are.equal(2, source.calls)
  end)

  it("go on being used, without waiting, while another worker fetches", function()
    local source = numbered(3600)
    local get = worker(source)
    id_of(get)
    api.clock = api.clock + 3400
    lock_of_another(KEYS, 30)
    assert.are.equal("KEY1", id_of(get))
    assert.are.equal(1, source.calls)
    assert.are.same({}, api.slept)
  end)

  it("go on being used while the provider fails, which is asked once a second", function()
    local source = numbered(3600)
    local get = worker(source)
    id_of(get)
    api.clock = api.clock + 3400
    source.failing = "the vault is sealed"
    assert.are.equal("KEY1", id_of(get))
    assert.are.equal("KEY1", id_of(get))
    assert.are.equal(2, source.calls)
    api.clock = api.clock + 1.1
    assert.are.equal("KEY1", id_of(get))
    assert.are.equal(3, source.calls)
    source.failing = nil
    api.clock = api.clock + 1.1
    assert.are.equal("KEY4", id_of(get))
  end)

  it("that have expired are used no more", function()
    local source = numbered(3600)
    local get = worker(source)
    id_of(get)
    source.failing = "the vault is sealed"
    api.clock = api.clock + 3600
    local err = error_of(get)
    assert.are.equal("credentials", err.kind)
    assert.matches("the provider returned no keys: the vault is sealed", err.message, 1, true)
  end)

  it("are waited for when there are none and another worker fetches", function()
    local source = numbered(3600)
    local get, other = worker(source), worker(source)
    lock_of_another(KEYS, 30)
    api.at(0.5, function()
      api.shared.cloudhsmv2:delete("cloudhsmv2:lock:" .. KEYS)
      other()
    end)
    assert.are.equal("KEY1", id_of(get))
    assert.are.equal(1, source.calls)
    assert.is_true(#api.slept > 3 and #api.slept < 20) -- looks less and less often
  end)

  it("are fetched by who has waited long enough", function()
    local source = numbered(3600)
    lock_of_another(KEYS, 30)
    local started = api.clock
    assert.are.equal("KEY1", id_of(worker(source, { wait = 2 })))
    assert.is_true(api.clock - started >= 2 and api.clock - started < 2.01)
  end)

  it("are fetched by the next when the worker that has the lock has died", function()
    local source = numbered(3600)
    lock_of_another(KEYS, 3)
    local started = api.clock
    assert.are.equal("KEY1", id_of(worker(source)))
    assert.is_true(api.clock - started >= 3 and api.clock - started < 3.3)
  end)

  it("are fetched without waiting where nginx cannot wait", function()
    local source = numbered(3600)
    lock_of_another(KEYS, 30)
    api.can_sleep = false
    assert.are.equal("KEY1", id_of(worker(source)))
    assert.are.same({}, api.slept)
  end)

  it("are fetched without waiting where Lua cannot yield", function()
    local source = numbered(3600)
    local get = worker(source)
    lock_of_another(KEYS, 30)
    local id
    ask(function()
      string.gsub("x", "x", function()
        id = get():access_key_id()
      end)
    end)
    assert.are.equal("KEY1", id)
    assert.are.same({}, api.slept)
  end)

  it("that could not be fetched are not asked for by each of those who waited", function()
    local source = numbered(3600)
    source.failing = "the vault is sealed"
    local one, other = worker(source), worker(source)
    error_of(one)
    assert.matches("the vault is sealed", error_of(other).message, 1, true)
    assert.are.equal(1, source.calls)
    api.clock = api.clock + 1.1
    error_of(other)
    assert.are.equal(2, source.calls)
  end)

  it("of a provider that raises are an error, and the lock is given back", function()
    local get = shared.credentials {
      provider = function()
        error("no route to the vault", 0)
      end,
    }
    assert.matches("the provider failed: no route to the vault", error_of(get).message, 1, true)
    assert.are.same({}, api.shared.cloudhsmv2:keys ":lock:")
  end)

  it("without an expiration are good for a while", function()
    local source = numbered()
    local get = worker(source, { max_age = 100, refresh_before = 10 })
    assert.are.equal("KEY1", id_of(get))
    api.clock = api.clock + 89
    assert.are.equal("KEY1", id_of(get))
    api.clock = api.clock + 1
    assert.are.equal("KEY2", id_of(get))
  end)

  it("that are good for less than it takes to be early are not fetched at each use", function()
    local source = numbered(60)
    local get = worker(source, { refresh_before = 300 })
    id_of(get)
    api.clock = api.clock + 29
    assert.are.equal("KEY1", id_of(get))
    api.clock = api.clock + 1
    assert.are.equal("KEY2", id_of(get))
  end)

  it("work when they do not fit the memory: then each worker has its own", function()
    api.shared.cloudhsmv2.capacity = 10
    local source = numbered(3600)
    local one, other = worker(source), worker(source)
    assert.are.equal("KEY1", id_of(one))
    assert.are.equal("KEY1", id_of(one))
    assert.are.equal("KEY2", id_of(other))
  end)

  it("must be a table of keys that are good now; the secret is never in the error", function()
    local function provider_of(keys)
      return function()
        return keys
      end
    end
    local keys = { access_key_id = "AKIDEXAMPLE", secret_access_key = SECRET }
    for wanted, given in pairs {
      ["must be a table of keys"] = sigv4.credentials(keys),
      ["have expired"] = { access_key_id = "A", secret_access_key = SECRET, expiration = api.clock },
      ["access_key_id is missing"] = { secret_access_key = SECRET },
      ["unknown field"] = { access_key_id = "A", secret_access_key = SECRET, [SECRET] = 1 },
      ["must be UTF-8"] = { access_key_id = "A", secret_access_key = SECRET .. "\255" },
    } do
      api.clock = api.clock + 2
      local err = error_of(shared.credentials { provider = provider_of(given), key = wanted })
      assert.are.equal("credentials", err.kind)
      assert.matches(wanted, err.message, 1, true)
      assert.is_nil(tostring(err):find(SECRET, 1, true))
    end
  end)

  it("are not fetched again by who gets the lock just after another worker was done", function()
    local source = numbered(3600)
    local one, other = worker(source), worker(source)
    local dict = api.shared.cloudhsmv2
    local add = dict.add
    local function overtake()
      function dict:add(...)
        dict.add = add
        other()
        return self:add(...)
      end
    end
    overtake()
    assert.are.equal("KEY1", id_of(one))
    assert.are.equal(1, source.calls)
    api.clock = api.clock + 3400
    overtake()
    assert.are.equal("KEY2", id_of(one))
    assert.are.equal(2, source.calls)
  end)

  describe("leave the lock alone", function()
    local LOCK = "cloudhsmv2:lock:" .. KEYS

    -- Fetches with a provider that does something meanwhile, under a lock of 5 seconds; returns who has the lock afterwards.
    local function lock_after(meanwhile)
      local source = numbered(3600)
      assert.are.equal(
        "KEY1",
        id_of(shared.credentials {
          lock = 5,
          provider = function()
            meanwhile(api.shared.cloudhsmv2)
            return source.provider()
          end,
        })
      )
      return api.shared.cloudhsmv2:get(LOCK)
    end

    it("when it has become another worker's", function()
      local owner = lock_after(function(dict)
        dict:set(LOCK, "another worker", 30)
      end)
      assert.are.equal("another worker", owner)
    end)

    it("when it is about to become another worker's", function()
      local owner = lock_after(function()
        api.sleep(4.9)
      end)
      assert.is_string(owner)
    end)

    it("no longer when they have been fetched in time", function()
      local owner = lock_after(function()
        api.sleep(4)
      end)
      assert.is_nil(owner)
    end)
  end)
end)

describe("a cached call", function()
  local CLUSTERS = '{"Clusters":[{"ClusterId":"cluster-abcdefghijk","State":"ACTIVE"}]}'

  -- A client as one worker has it.
  local function client_of(script, options)
    local runtime = type(script) == "table" and script.send and script or fake_runtime.new(script)
    local chosen = {
      region = "eu-west-1",
      runtime = runtime,
      credentials = { access_key_id = "AKIDEXAMPLE", secret_access_key = SECRET },
      retry = { max_attempts = 1 },
    }
    for name, value in pairs(options or {}) do
      chosen[name] = value
    end
    return assert(cloudhsmv2.new(chosen)), runtime
  end

  local function cached(client, operation, params, options)
    return ask(shared.cached, client, operation, params, options)
  end

  local function lock_everything(life)
    local dict = api.shared.cloudhsmv2
    local add = dict.add
    dict.add = function(self, key, value)
      add(self, key, "another worker", life)
      return add(self, key, value, life)
    end
  end

  it("asks once and answers every worker", function()
    local one, runtime = client_of {
      { body = CLUSTERS, headers = { ["x-amzn-requestid"] = "id-1" } },
    }
    local other = client_of(runtime)
    local out = cached(one, "describe_clusters")
    assert.is_nil(out.ResponseMetadata.Cached)
    api.clock = api.clock + 5
    local again = cached(other, "DescribeClusters", {})
    assert.are.equal(1, #runtime.requests)
    assert.are.same(out.Clusters, again.Clusters)
    assert.are.same({
      RequestId = "id-1",
      HTTPStatusCode = 200,
      HTTPHeaders = {},
      RetryAttempts = 0,
      Cached = { age = 5, stale = false },
    }, again.ResponseMetadata)
  end)

  it("asks again when the answer is older than its ttl", function()
    local client, runtime = client_of { { body = CLUSTERS } }
    cached(client, "describe_clusters", nil, { ttl = 10 })
    api.clock = api.clock + 9
    cached(client, "describe_clusters", nil, { ttl = 10 })
    assert.are.equal(1, #runtime.requests)
    api.clock = api.clock + 1
    assert.is_nil(cached(client, "describe_clusters", nil, { ttl = 10 }).ResponseMetadata.Cached)
    assert.are.equal(2, #runtime.requests)
  end)

  it("keeps answers apart by parameters, region, endpoint and whose keys they are", function()
    local client, runtime = client_of { { body = CLUSTERS } }
    local params = { Filters = { states = { "ACTIVE" }, vpcIds = { "vpc-1" } } }
    cached(client, "describe_clusters", params)
    cached(client, "describe_clusters", { Filters = { vpcIds = { "vpc-1" }, states = { "ACTIVE" } } })
    assert.are.equal(1, #runtime.requests)
    cached(client, "describe_clusters", { Filters = { states = { "DELETED" } } })
    assert.are.equal(2, #runtime.requests)
    cached(client, "describe_backups", params)
    assert.are.equal(3, #runtime.requests)
    cached((client_of(runtime, { region = "eu-west-2" })), "describe_clusters", params)
    assert.are.equal(4, #runtime.requests)
    cached((client_of(runtime, { endpoint = "http://127.0.0.1:8080" })), "describe_clusters", params)
    assert.are.equal(5, #runtime.requests)
    local keys = { access_key_id = "AKIDEXAMPLE2", secret_access_key = SECRET }
    cached((client_of(runtime, { credentials = keys })), "describe_clusters", params)
    assert.are.equal(6, #runtime.requests)
  end)

  it("is for operations that read", function()
    local client, runtime = client_of()
    for _, name in ipairs { "create_hsm", "DeleteBackup", "modify_cluster", "restore_backup", "tag_resource" } do
      local err = error_of(shared.cached, client, name, {})
      assert.are.same({ "validation", "NotCacheable" }, { err.kind, err.code })
    end
    local err = error_of(shared.cached, client, "describe_backup")
    assert.are.same({ "validation", "UnknownOperation" }, { err.kind, err.code })
    assert.are.equal(0, #runtime.requests)
    assert.is_truthy(cached(client, "get_resource_policy", { ResourceArn = "arn" }))
    assert.is_truthy(cached(client, "list_tags", { ResourceId = "cluster-abcdefghijk" }))
  end)

  it("checks parameters and options before it asks", function()
    local client, runtime = client_of()
    local err = error_of(shared.cached, client, "describe_clusters", { MaxResult = 1 })
    assert.are.same({ "validation", "DescribeClusters" }, { err.kind, err.operation })
    assert.are.equal("config", error_of(shared.cached, client, "describe_clusters", {}, { tll = 1 }).kind)
    assert.are.equal("NoSharedDict", error_of(shared.cached, client, "describe_clusters", {}, { dict = "x" }).code)
    rawset(_G, "ngx", nil)
    assert.are.equal("NotInNginx", error_of(shared.cached, client, "describe_clusters").code)
    assert.are.equal(0, #runtime.requests)
    for _, arguments in ipairs { { nil, "x" }, { client, 5 }, { client, "x", 5 }, { client, "x", {}, 5 } } do
      assert.has_error(function()
        shared.cached(arguments[1], arguments[2], arguments[3], arguments[4])
      end)
    end
  end)

  it("gives back what the model does not know, and numbers and lists as they were", function()
    local body = '{"Clusters":[{"ClusterId":"c","CreateTimestamp":1440938160.25,"Hsms":[],"Quorum":{"Of":[3,null]}}]}'
    local client = client_of { { body = body } }
    local out = cached(client, "describe_clusters")
    out.ResponseMetadata = nil
    local again = cached(client, "describe_clusters")
    again.ResponseMetadata = nil
    assert.are.same(out, again)
    assert.are.equal(1440938160.25, again.Clusters[1].CreateTimestamp)
    assert.are.equal(3, again.Clusters[1].Quorum.Of[1])
  end)

  it("neither stores nor returns sensitive members, nor the secret key", function()
    local client = client_of { { body = '{"Clusters":[{"ClusterId":"c","PreCoPassword":"hunter2!"}]}' } }
    for _ = 1, 2 do
      assert.are.same({ { ClusterId = "c" } }, cached(client, "describe_clusters").Clusters)
    end
    local stored = api.shared.cloudhsmv2:dump()
    assert.matches("ClusterId", stored, 1, true)
    assert.is_nil(stored:find("hunter2", 1, true))
    assert.is_nil(stored:find("PreCoPassword", 1, true))
    assert.is_nil(stored:find(SECRET, 1, true))
  end)

  it("returns an old answer where the call fails, and says so", function()
    local client = client_of { { body = CLUSTERS }, { failure = { kind = "tls", message = "expired" } } }
    local options = { ttl = 10, stale = 100 }
    cached(client, "describe_clusters", nil, options)
    api.clock = api.clock + 109
    local out = cached(client, "describe_clusters", nil, options)
    assert.are.equal("ACTIVE", out.Clusters[1].State)
    local told = out.ResponseMetadata.Cached
    assert.are.same({ 109, true }, { told.age, told.stale })
    assert.matches("DescribeClusters: .*expired.*%(tls%)", told.error)
    api.clock = api.clock + 1
    assert.are.equal("tls", error_of(shared.cached, client, "describe_clusters", nil, options).kind)
  end)

  it("tells a failure to the others for a second", function()
    local failure = { status = 400, body = '{"__type":"CloudHsmAccessDeniedException","Message":"no"}' }
    local one, runtime = client_of { failure, { body = CLUSTERS } }
    local other = client_of(runtime)
    local err = error_of(shared.cached, one, "describe_clusters")
    local told = error_of(shared.cached, other, "describe_clusters")
    assert.are.equal(1, #runtime.requests)
    for _, field in ipairs { "kind", "code", "message", "operation", "status", "sent", "retryable" } do
      assert.are.equal(err[field], told[field])
    end
    api.clock = api.clock + 1.1
    assert.is_truthy(cached(other, "describe_clusters"))
  end)

  it("does not tell others what is this client's own doing", function()
    local one, runtime = client_of {
      { failure = { kind = "aborted", message = "stop", sent = "no" } },
      { body = CLUSTERS },
    }
    assert.are.equal("aborted", error_of(shared.cached, one, "describe_clusters").kind)
    assert.is_truthy(cached((client_of(runtime)), "describe_clusters"))
  end)

  it("asks each time when the answer does not fit the memory", function()
    api.shared.cloudhsmv2.capacity = 300
    local client, runtime = client_of { { body = '{"NextToken":"' .. ("x"):rep(500) .. '"}' } }
    for i = 1, 2 do
      assert.are.equal(500, #cached(client, "describe_clusters").NextToken)
      assert.are.equal(i, #runtime.requests)
    end
  end)

  it("waits for the answer that another worker gets", function()
    local one, runtime = client_of { { body = CLUSTERS } }
    local other = client_of(runtime)
    local dict = api.shared.cloudhsmv2
    local add = dict.add
    function dict:add(key) -- the first that tries meets another worker's lock
      dict.add = add
      add(self, key, "another worker", 60)
      return nil, "exists"
    end
    api.at(0.3, function()
      dict:delete(dict:keys(":lock:")[1])
      shared.cached(other, "describe_clusters")
    end)
    local out = cached(one, "describe_clusters")
    assert.are.equal("ACTIVE", out.Clusters[1].State)
    assert.is_table(out.ResponseMetadata.Cached)
    assert.are.equal(1, #runtime.requests)
  end)

  it("asks by itself when another worker takes too long", function()
    local client, runtime = client_of { { body = CLUSTERS } }
    lock_everything(60)
    local out = cached(client, "describe_clusters", nil, { wait = 1 })
    assert.is_nil(out.ResponseMetadata.Cached)
    assert.are.equal(1, #runtime.requests)
    assert.is_table(cached(client, "describe_clusters", nil, { wait = 1 }).ResponseMetadata.Cached)
    assert.are.equal(1, #runtime.requests)
  end)

  it("returns an old answer when another worker takes too long", function()
    local client, runtime = client_of { { body = CLUSTERS } }
    local options = { ttl = 10, stale = 100, wait = 1 }
    cached(client, "describe_clusters", nil, options)
    api.clock = api.clock + 50
    lock_everything(60)
    local told = cached(client, "describe_clusters", nil, options).ResponseMetadata.Cached
    assert.is_true(told.stale)
    assert.matches("another worker is still asking", told.error, 1, true)
    assert.are.equal(1, #runtime.requests)
  end)
end)
