-- The ends of objects: in every order, twice, from finalizers, in the middle of a call.

local canned = require "spec.torture.canned"
local codec = require "cloudhsmv2.codec"
local core = require "cloudhsmv2.core"
local script = require "spec.helper.script"

-- What a script prints in a process of its own, which says how it ended.
local function run(source)
  local text, status = script.run(source)
  return text .. status .. "\n"
end

local MAKERS = [[
local core = require "cloudhsmv2.core"
local keys = { access_key_id = "AKIDEXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" }
local makers = {
  function() return assert(core.signer.credentials(keys)) end,
  function() return assert(core.signer.signer()) end,
  function() return assert(core.transfer.new {}) end,
  function() return core.codec.compile { S = { type = "string" } } end,
}
]]

describe("objects of the C module", function()
  it("may end in any order when the state is closed", function()
    local text = run(MAKERS .. [[
      local function permute(list, from, act)
        if from > #list then return act(list) end
        for i = from, #list do
          list[from], list[i] = list[i], list[from]
          permute(list, from + 1, act)
          list[from], list[i] = list[i], list[from]
        end
      end
      kept = {} -- until the very end
      local count = 0
      permute({ 1, 2, 3, 4 }, 1, function(order)
        count = count + 1
        for _, number in ipairs(order) do kept[#kept + 1] = makers[number]() end
      end)
      print(count, #kept)
    ]])
    assert.are.equal("24\t96\n0\n", text)
  end)

  it("can be used no more once their finalizer ran, and say so", function()
    -- the finalizers of the objects and of their keeper run in an order that nobody knows: the keeper uses them in any case
    local text = run(MAKERS .. [[
      local function at_end(act)
        if newproxy then
          local proxy = newproxy(true)
          getmetatable(proxy).__gc = act
          return proxy
        end
        return setmetatable({}, { __gc = act })
      end
      local function keeper(objects)
        return at_end(function()
          for i = 1, 4 do
            local object = objects[i]
            tostring(object)
            if object.close then object:close() object:close() end
            pcall(function() return object:sign {} end)
            pcall(function() return object:start { method = "GET", url = "http://127.0.0.1:1", headers = {} } end)
            pcall(function() return object:step(0) end)
            pcall(function() return object:decode("S", '"x"') end)
            pcall(function() return object:encoder("S", true) end)
            pcall(objects[5], "x")
            pcall(function() return object:access_key_id() end)
          end
          resurrected = objects
        end)
      end
      for _, before in ipairs { true, false } do
        for _ = 1, 50 do
          local objects = {}
          local held = before and keeper(objects)
          for i = 1, 4 do objects[i] = makers[i]() end
          objects[5] = objects[4]:encoder("S", true)
          held = held or keeper(objects)
          objects, held = nil, nil
          collectgarbage()
          collectgarbage()
          if resurrected then
            for i = 1, 4 do tostring(resurrected[i]) pcall(function() return resurrected[i]:decode("S", "1") end) end
          end
          resurrected = nil
        end
      end
      print "survived"
    ]])
    assert.are.equal("survived\n0\n", text)
  end)

  it("answer every method after close, any number of times", function()
    local credentials = assert(core.signer.credentials(canned.credentials))
    local signer, transfer = assert(core.signer.signer()), assert(core.transfer.new {})
    for _ = 1, 3 do
      credentials:close()
      signer:close()
      transfer:close()
    end
    assert.is_string(tostring(credentials) .. tostring(signer) .. tostring(transfer))
    local id, failure = transfer:start { method = "GET", url = "http://127.0.0.1:1", headers = {} }
    assert.is_nil(id)
    assert.are.equal("aborted", failure.kind)
  end)
end)

-- Makes garbage whose end runs `act`, and a collector that finds it soon: amid whatever `work` allocates. In a process of its own, whose
-- heap is small enough for that. Interpreted: LuaJIT itself may enter a compiled loop in a finalizer and never leave it again.
local AMID = [[
if jit then
  jit.off()
end
local canned = require "spec.torture.canned"
local codec = require "cloudhsmv2.codec"
local cloudhsmv2 = require "cloudhsmv2"
local fake_runtime = require "spec.helper.fake_runtime"
local model = require "cloudhsmv2.model"
local function at_end(act)
  if newproxy then
    getmetatable(newproxy(true)).__gc = act
  else
    setmetatable({}, { __gc = act })
  end
end
local function amid(act, work)
  local runs, problem, over = 0, nil, false
  collectgarbage("setpause", 50)
  collectgarbage("setstepmul", 1000)
  for _ = 1, 300 do
    for _ = 1, 3 do
      at_end(function()
        if not over then
          runs = runs + 1
          local good, raised = pcall(act)
          problem = problem or not good and tostring(raised) or nil
        end
      end)
    end
    work()
  end
  over = true
  print(runs > 10, problem)
end
]]

describe("a finalizer that runs in the middle", function()
  it("may use the same model while a value is read and written", function()
    local text = run(AMID .. [[
      local compiled = codec.compile(model.shapes)
      local body = canned.calls.DescribeClusters[2]
      local function round()
        local value = assert(compiled:decode("DescribeClustersResponse", body))
        assert(value.Clusters[1].Hsms[1].SubnetId == "subnet-0a1b2c3d" and value.Clusters[1].TagList[1].Value == "prod")
        local json = assert(compiled:encode("DescribeClustersRequest", canned.calls.DescribeClusters[1]))
        assert(json == '{"Filters":{"clusterIds":["cluster-abcdefghijk"]}}')
      end
      amid(round, round)
    ]])
    assert.are.equal("true\tnil\n0\n", text)
  end)

  it("may call the same client, and make and close others", function()
    local text = run(AMID .. [[
      local function new()
        return assert(cloudhsmv2.new {
          region = "eu-west-1",
          credentials = canned.credentials,
          runtime = fake_runtime.new { body = canned.calls.DescribeClusters[2] },
          getenv = function() end,
          read_file = function() end,
        })
      end
      local client = new()
      local function call(who)
        assert(assert(who:describe_clusters {}).Clusters[1].State == "ACTIVE")
      end
      amid(function()
        call(client)
        local other = new()
        call(other)
        other:close()
      end, function()
        call(client)
      end)
    ]])
    assert.are.equal("true\tnil\n0\n", text)
  end)
end)

describe("a value with keys that look alike", function()
  it("is refused whole, and stays as it was", function()
    local compiled = codec.compile { M = { type = "map", value = { shape = "S" } }, S = { type = "string" } }
    local value = { a = "1", [1] = "2", [1.5] = "3" }
    value["1"] = "4"
    local json, err = compiled:encode("M", value)
    assert.is_nil(json)
    assert.are.equal("validation", err.kind)
    local count = 0
    for key, text in pairs(value) do
      count = count + 1
      assert.are.equal(text, value[key])
    end
    assert.are.equal(4, count)
    assert.are.equal("2", value[1])
    assert.are.equal("4", value["1"])
  end)
end)
