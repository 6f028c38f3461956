local user_agent = require "cloudhsmv2.user_agent"
local version = require "cloudhsmv2.version"

local function writer(settings, environment)
  settings.retry = settings.retry or { mode = "standard" }
  return user_agent.writer(settings, { serviceId = "CloudHSM V2" }, function(name)
    return environment and environment[name]
  end)
end

describe("the User-Agent", function()
  it("names library, service, language and features in the grammar of the AWS SDKs", function()
    local value = writer {} "e"
    assert.are.equal(
      1,
      value:find("cloudhsmv2-lua/" .. version .. " ua/2.1 api/cloudhsm_v2#" .. version .. " os/", 1, true)
    )
    assert.is_truthy(value:find(" lang/lua#" .. _VERSION:match "[0-9.]+", 1, true))
    assert.is_truthy(value:find(" m/E,e cfg/retry-mode#standard", 1, true))
  end)

  it("says so when the endpoint is one's own, and where credentials are from", function()
    assert.is_truthy(writer { endpoint = "http://h" }("g"):find(" m/E,N,g ", 1, true))
    assert.is_truthy(writer {}():find(" m/E ", 1, true))
  end)

  it("says what the call is part of, and never more than AWS reads of that", function()
    assert.is_truthy(writer {}("n,o,i", "B,C"):find(" m/E,B,C,n,o,i cfg/", 1, true))
    local letters = writer {}(("i,"):rep(1000) .. "i"):match " m/(%S+)"
    assert.is_true(#letters <= 1024 and #letters > 1000)
    assert.is_truthy(letters:find "i$")
  end)

  it("names the retry mode, by letter and by word", function()
    local value = writer { retry = { mode = "adaptive" }, endpoint = "http://h" }()
    assert.is_truthy(value:find(" m/F,N cfg/retry-mode#adaptive", 1, true))
  end)

  it("names the system and the machine", function()
    assert.is_truthy(writer {}():find " os/%S+ .*md/arch#%S+ lang/")
    local system = require("cloudhsmv2.core").system()
    if system.name == "Linux" then
      assert.is_truthy(writer {}():find(" os/linux#" .. system.release:match "^[%w.]+", 1, true))
    end
  end)

  it("names LuaJIT where it runs", function()
    assert.are.equal(jit ~= nil, writer {}():find(" md/LuaJIT#", 1, true) ~= nil)
  end)

  it("names the application and the execution environment, with hyphens for what may not stand there", function()
    local value = writer({ app_id = "my app/1" }, { AWS_EXECUTION_ENV = "AWS_Lambda java" })()
    assert.is_truthy(value:find(" exec-env/AWS_Lambda-java ", 1, true))
    assert.is_truthy(value:find " app/my%-app%-1$")
  end)

  it("has nothing in it that could end a header", function()
    local value = writer({ app_id = "a\r\nX: y" }, { AWS_EXECUTION_ENV = "\0\r\n" })()
    assert.is_nil(value:find "[^ -~]")
  end)
end)
