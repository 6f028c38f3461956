-- What spec/torture/oom.c runs while allocations fail: `names`, and `start(name)`, which returns a function that does one thing
-- with a client and returns true, or nil and the reason why not.

local canned = require "spec.torture.canned"

local names, scenarios = {}, {}

-- A runtime whose answers are scripted; nothing waits.
local function runtime_of(answers)
  local sent, clock = 0, 100
  local headers =
    { ["x-amzn-requestid"] = "12345678-90ab-cdef-1234-567890abcdef", date = "Thu, 01 Jan 2026 00:00:00 GMT" }
  return {
    send = function()
      sent = sent + 1
      local answer = answers[(sent - 1) % #answers + 1]
      return { status = answer.status or 200, headers = headers, body = answer[1] }
    end,
    rewind = function()
      sent = 0
    end,
    sleep = function(seconds)
      clock = clock + seconds
    end,
    now = function()
      return clock
    end,
    time = function()
      return 1767225600
    end,
    close = function() end,
  }
end

local function client_of(answers)
  local runtime = runtime_of(answers)
  local client = assert(require("cloudhsmv2").new {
    region = "eu-west-1",
    credentials = canned.credentials,
    runtime = runtime,
    getenv = function() end,
    read_file = function() end,
    random = function()
      return 0.5
    end,
    on_event = function() end,
  })
  return client, runtime
end

local function add(name, answers, act)
  names[#names + 1] = name
  scenarios[name] = { answers, act }
end

for operation, call in pairs(canned.calls) do
  add(operation, { { call[2] } }, function(client)
    return client:call(operation, call[1])
  end)
end

-- With a client of its own each time: a retry that was begun and never ended has spent its tokens.
local RETRIED = { { canned.passing, status = 500 }, { canned.calls.DescribeClusters[2] } }
add("a retry", RETRIED, function()
  return client_of(RETRIED):describe_clusters {}
end)

add("a refusal", { { canned.refusal, status = 400 } }, function(client)
  local out, err = client:describe_clusters {}
  return out == nil and err.code == "CloudHsmResourceNotFoundException", err
end)

add("wrong parameters", { { "{}" } }, function(client)
  local out, err = client:create_cluster { HsmType = 1, Subnets = {}, SubnetIds = { "a", nil, "b" } }
  return out == nil and err.kind == "validation", err
end)

add("a broken answer", { { '{"Clusters":[{"State":"ACTIVE","Hsms":[{"State":' } }, function(client)
  local out, err = client:call("DescribeClusters", {}, { max_attempts = 1 })
  return out == nil and err.kind == "protocol", err
end)

add("paginator", { { canned.pages[1] }, { canned.pages[2] }, { canned.pages[3] } }, function(client)
  local backups, err = client:paginator("describe_backups"):collect()
  return not err and #backups == 4, err
end)

add("waiter", { { canned.cluster_in_progress }, { canned.calls.DescribeClusters[2] } }, function(client)
  return client:wait("cluster_created", { ClusterId = "cluster-abcdefghijk" })
end)

add("a new client", { { canned.calls.DescribeClusters[2] } }, function()
  local client = client_of { { canned.calls.DescribeClusters[2] } }
  local out, err = client:describe_clusters {}
  client:close()
  return out, err
end)

table.sort(names)

return {
  names = names,
  start = function(name)
    local scenario = scenarios[name]
    local client, runtime = client_of(scenario[1])
    return function()
      runtime.rewind()
      local good, err = scenario[2](client)
      if good then
        return true
      end
      return nil, tostring(err)
    end
  end,
}
