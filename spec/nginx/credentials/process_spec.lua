local nginx = require "spec.helper.nginx"
local socket = require "socket"

-- `/call` makes a call with the profile's `credential_process`, whose command says by its profile how it ends, and counts in a
-- file how often it ran. `/fast` answers at once.
local HTTP = [[
  init_worker_by_lua_block {
    local cloudhsmv2 = require "cloudhsmv2"
    local clients = {}
    function client_of(profile)
      clients[profile] = clients[profile] or assert(cloudhsmv2.new {
        region = "eu-west-1",
        profile = profile,
        endpoint = "http://127.0.0.1:${upstream}",
        proxy = "",
        retry = { max_attempts = 1 },
        getenv = function(name) return name == "AWS_CONFIG_FILE" and "${folder}/config" or nil end,
      })
      return clients[profile]
    end
    function call(profile)
      local out, err = client_of(profile):describe_clusters()
      return out and "answered " .. client_of(profile).credentials:describe().value or tostring(err)
    end
  }
  server {
    listen 127.0.0.1:${front};
    location = /fast { content_by_lua_block { ngx.print "fast" } }
    location = /call { content_by_lua_block { ngx.print(call(ngx.var.arg_profile)) } }
    location = /many {
      content_by_lua_block {
        local threads = {}
        for i = 1, 100 do
          threads[i] = ngx.thread.spawn(call, ngx.var.arg_profile)
        end
        local answered = 0
        for _, thread in ipairs(threads) do
          local _, text = ngx.thread.wait(thread)
          if text:find "^answered" then answered = answered + 1 end
        end
        ngx.print(answered)
      }
    }
  }
  server {
    listen 127.0.0.1:${upstream};
    location / { default_type application/x-amz-json-1.1; return 200 '{"Clusters":[]}'; }
  }
]]

local KEYS = [[{"Version":1,"AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",]]
  .. [["SessionToken":"token","Expiration":"2199-01-01T00:00:00Z"}]]

describe("a credential_process inside nginx", function()
  local running

  local function profile(name, command)
    return ("[profile %s]\ncredential_process = %s\n"):format(name, command)
  end

  setup(function()
    running = nginx.start { http = HTTP, ports = { "front", "upstream" } }
    local counted = ("echo x >> %s/ran; "):format(running.folder)
    local print_keys = ("printf '%%s' '%s'"):format(KEYS)
    local file = assert(io.open(running.folder .. "/config", "w"))
    file:write(
      profile("good", print_keys),
      profile("slow", "sleep 0.6; " .. print_keys),
      profile("counted", counted .. "sleep 0.3; " .. print_keys),
      profile("seven", "exit 7"),
      profile("killed", "kill -KILL $$"),
      profile("silent", "true")
    )
    file:close()
  end)

  teardown(function()
    running:stop()
  end)

  it("gives credentials", function()
    assert.are.equal("answered *******MPLE", (running:get("front", "/call?profile=good")))
  end)

  it("keeps its exit status, although nginx takes the child away", function()
    for _ = 1, 10 do
      assert.is_truthy(running:get("front", "/call?profile=seven"):find("it ended with exit status 7", 1, true))
    end
    assert.is_truthy(running:get("front", "/call?profile=killed"):find("it ended with exit status 137", 1, true))
    assert.is_truthy(running:get("front", "/call?profile=silent"):find("is not the JSON that is expected", 1, true))
  end)

  it("does not hold the worker up while it runs", function()
    local waiting = running:ask("front", "/call?profile=slow")
    local fast, deadline = 0, socket.gettime() + 0.4
    while socket.gettime() < deadline do
      assert.are.equal("fast", (running:get("front", "/fast")))
      fast = fast + 1
    end
    assert.is_true(fast > 5) -- a worker that stands still would answer one
    assert.are.equal("answered *******MPLE", (running:answer(waiting)))
  end)

  it("runs once for a hundred calls that need it", function()
    assert.are.equal("100", (running:get("front", "/many?profile=counted")))
    local ran = 0
    for _ in io.lines(running.folder .. "/ran") do
      ran = ran + 1
    end
    assert.are.equal(1, ran)
  end)

  it("leaves nothing in nginx's log", function()
    assert.is_nil(running:log():find("[error]", 1, true))
    assert.is_nil(running:log():find("[alert]", 1, true))
  end)
end)
