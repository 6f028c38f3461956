local nginx = require "spec.helper.nginx"
local socket = require "socket"

-- `/keys` shows what the credentials of a name are in the worker that answers; the provider counts its calls, takes 0.2 s, and
-- does what `/set` told it. `/clusters` is a cached call of an upstream that counts, too.
local HTTP = [[
  lua_shared_dict cloudhsmv2 1m;
  lua_shared_dict control 1m;
  init_worker_by_lua_block {
    local shared = require "cloudhsmv2.shared"
    local control = ngx.shared.control
    local made = {}
    function credentials_of(name)
      made[name] = made[name] or shared.credentials {
        key = name,
        lock = 1,
        refresh_before = 300,
        provider = function()
          local call = control:incr(name .. ":calls", 1, 0)
          ngx.sleep(0.2)
          local order = control:get(name)
          if order == "fail" then
            return nil, "the vault is sealed"
          elseif order == "die" then
            control:delete(name)
            os.execute("kill -KILL " .. ngx.worker.pid())
            ngx.sleep(10)
          end
          return {
            access_key_id = "KEY" .. call,
            secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            expiration = ngx.now() + (tonumber(order) or 3600),
          }
        end,
      }
      return made[name]
    end
    function client()
      made[1] = made[1] or assert(require("cloudhsmv2").new {
        region = "eu-west-1",
        endpoint = "http://127.0.0.1:${upstream}",
        proxy = "",
        retry = { max_attempts = 1 },
        credentials = credentials_of "client",
      })
      return made[1]
    end
  }
  server {
    listen 127.0.0.1:${port} reuseport;
    location = /keys {
      content_by_lua_block {
        local credentials, err = credentials_of(ngx.var.arg_name)()
        ngx.print(ngx.worker.pid(), " ", credentials and credentials:access_key_id() or err.message)
      }
    }
    location = /set {
      content_by_lua_block { ngx.shared.control:set(ngx.var.arg_name, ngx.var.arg_order) }
    }
    location = /count {
      content_by_lua_block { ngx.print(ngx.shared.control:get(ngx.var.arg_name .. ":calls") or 0) }
    }
    location = /clusters {
      content_by_lua_block {
        local shared = require "cloudhsmv2.shared"
        local out, err = shared.cached(client(), "describe_clusters", {}, { ttl = 2, stale = 60 })
        local cached = out and out.ResponseMetadata.Cached
        ngx.print(ngx.worker.pid(), " ", out and out.Clusters[1].ClusterId or tostring(err), " ", cached and cached.error)
      }
    }
  }
  server {
    listen 127.0.0.1:${upstream};
    location / {
      content_by_lua_block {
        ngx.req.read_body()
        ngx.shared.control:incr("upstream:calls", 1, 0)
        ngx.sleep(0.2)
        if ngx.shared.control:get "upstream" == "fail" then
          ngx.status = 503
          ngx.print '{"__type":"CloudHsmServiceException","Message":"out of order"}'
        else
          ngx.print '{"Clusters":[{"ClusterId":"cluster-abcdefghijk"}]}'
        end
      }
    }
  }
]]

local CROWD = 64

describe("four workers of one nginx", function()
  local running

  setup(function()
    running = nginx.start { http = HTTP, workers = 4, ports = { "port", "upstream" }, level = "error" }
  end)

  teardown(function()
    running:stop()
  end)

  local function get(path)
    local body, status = running:get("port", path)
    assert.are.equal(200, status, running:log())
    return body
  end

  local function count(name)
    return tonumber(get("/count?name=" .. name))
  end

  -- Asks many times at once: how often each answer came, and how many workers gave one.
  local function crowd(path)
    local connections, answers, workers, met = {}, {}, 0, {}
    for i = 1, CROWD do
      connections[i] = running:ask("port", path)
    end
    for _, connection in ipairs(connections) do
      local body, status = running:answer(connection)
      assert.are.equal(200, status, running:log())
      local pid, answer = body:match "^(%d+) (.*)$"
      answers[answer] = (answers[answer] or 0) + 1
      workers = met[pid] and workers or workers + 1
      met[pid] = true
    end
    return answers, workers
  end

  it("ask the provider once, however many requests wait for it", function()
    local answers, workers = crowd "/keys?name=once"
    assert.are.same({ KEY1 = CROWD }, answers)
    assert.is_true(workers > 1)
    assert.are.same({ KEY1 = CROWD }, (crowd "/keys?name=once"))
    assert.are.equal(1, count "once")
  end)

  it("renew keys by one of them, while the old ones are used, and keep those when the provider fails", function()
    get "/set?name=renewed&order=3"
    assert.are.same({ KEY1 = CROWD }, (crowd "/keys?name=renewed"))
    socket.sleep(1.6) -- over half of their time
    get "/set?name=renewed&order=fail"
    assert.are.same({ KEY1 = CROWD }, (crowd "/keys?name=renewed"))
    assert.are.equal(2, count "renewed")
    get "/set?name=renewed&order=3600"
    local renewed = running:eventually(function()
      return get("/keys?name=renewed"):match "KEY3$"
    end)
    assert.are.equal("KEY3", renewed)
    assert.are.same({ KEY3 = CROWD }, (crowd "/keys?name=renewed"))
    assert.are.equal(3, count "renewed")
  end)

  it("all hear of a failure that one of them had", function()
    get "/set?name=failing&order=fail"
    local answers = crowd "/keys?name=failing"
    local problem = next(answers)
    assert.matches("the vault is sealed", problem, 1, true)
    assert.are.equal(CROWD, answers[problem])
    assert.are.equal(1, count "failing")
  end)

  it("take over the lock of one that died", function()
    get "/set?name=mortal&order=die"
    assert.is_nil((running:get("port", "/keys?name=mortal")))
    assert.are.same({ KEY2 = CROWD }, (crowd "/keys?name=mortal"))
    assert.are.equal(2, count "mortal")
  end)

  it("call the service once for an answer that all of them use, and use the old one when it fails", function()
    local answers, workers = crowd "/clusters"
    assert.are.same({ ["cluster-abcdefghijk nil"] = CROWD }, answers)
    assert.is_true(workers > 1)
    assert.are.equal(1, count "upstream")
    get "/set?name=upstream&order=fail"
    socket.sleep(2.1)
    answers = crowd "/clusters"
    local answer = next(answers)
    assert.matches("^cluster%-abcdefghijk DescribeClusters: .*out of order", answer)
    assert.are.equal(CROWD, answers[answer])
    assert.are.equal(2, count "upstream")
  end)
end)
