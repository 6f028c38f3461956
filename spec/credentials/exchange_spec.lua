local errors = require "cloudhsmv2.errors"
local exchange = require "cloudhsmv2.credentials.exchange"
local machine = require "spec.helper.machine"

local function plain(fields)
  local request = { method = "GET", url = "http://127.0.0.1/", headers = {}, body = "" }
  for name, value in pairs(fields or {}) do
    request[name] = value
  end
  return request
end

describe("a plain request", function()
  it("is sent once, and its answer has all three parts", function()
    local here = machine.new()
    here.runtime.send = function()
      return { status = 503 }
    end
    assert.are.same({ status = 503, headers = {}, body = "" }, exchange.fetch(here:context(), plain()))
  end)

  it("has no more time than is left of the call", function()
    for _, case in ipairs {
      { nil, nil, nil },
      { 7, nil, 7 },
      { nil, 3, 3 },
      { 7, 3, 3 },
      { 2, 3, 2 },
    } do
      local here = machine.new { answer = { status = 200 } }
      local context = here:context()
      exchange.fetch(context, plain { timeout = case[1] }, case[2] and here.clock + case[2])
      assert.are.equal(case[3], here.requests[1].timeout)
    end
  end)

  it("is not sent when the time is over", function()
    local here = machine.new()
    local answer, err = exchange.fetch(here:context(), plain(), here.clock)
    assert.is_nil(answer)
    assert.are.equal("timeout", err.kind)
    assert.are.equal("DeadlineExceeded", err.code)
    assert.is_true(err.retryable)
    assert.are.equal(0, #here.requests)
  end)

  it("that was cut off by the deadline says so, and not by its own time", function()
    local slow = { failure = { kind = "timeout", code = "ReadTimeout", message = "slow", sent = "yes" } }
    local here = machine.new { answer = slow, exchange_time = 3 }
    local _, err = exchange.fetch(here:context(), plain(), here.clock + 3)
    assert.are.equal("DeadlineExceeded", err.code)
    here = machine.new { answer = slow, exchange_time = 2 }
    _, err = exchange.fetch(here:context(), plain(), here.clock + 3)
    assert.are.equal("ReadTimeout", err.code)
  end)

  it("fails with an error object that shows none of the secrets, whatever the runtime says", function()
    for _, reported in ipairs {
      { kind = "transport", code = "Broken", message = "lost hunter2 and hunter2", sent = "maybe" },
      { message = "hunter2" },
      "hunter2",
    } do
      local here = machine.new()
      here.runtime.send = function()
        return nil, reported
      end
      local answer, err = exchange.fetch(here:context(), plain(), nil, { "hunter2" })
      assert.is_nil(answer)
      assert.is_true(errors.is(err))
      assert.is_nil(tostring(err):find("hunter2", 1, true))
    end
  end)
end)

describe("a call of a service that credentials come from", function()
  local function call(here, fields)
    local made = {
      service = "sso",
      region = "eu-west-1",
      method = "GET",
      path = "/x?y=z",
      features = "s",
      read = function(response)
        return response.body
      end,
    }
    for name, value in pairs(fields or {}) do
      made[name] = value
    end
    return exchange.call(here:context(fields and fields.client), made)
  end

  it("goes to the service's own host, with the same headers as the client's own", function()
    local hosts = {
      sts = "https://sts.eu-west-1.amazonaws.com/x?y=z",
      sso = "https://portal.sso.eu-west-1.amazonaws.com/x?y=z",
      sso_oidc = "https://oidc.eu-west-1.amazonaws.com/x?y=z",
      signin = "https://eu-west-1.signin.aws.amazon.com/x?y=z",
    }
    for service, url in pairs(hosts) do
      local here = machine.new { answer = { body = "fine" } }
      assert.are.equal("fine", call(here, { service = service }))
      local request = here.requests[1]
      assert.are.equal(url, request.url)
      assert.is_nil(machine.header(request, "Authorization"))
      assert.is_truthy(machine.header(request, "User-Agent"):find "^cloudhsmv2%-lua/")
      assert.are.equal("attempt=1; max=3", machine.header(request, "amz-sdk-request"))
      assert.are.equal(3.1, request.connect_timeout)
      assert.are.equal(60, request.read_timeout)
      assert.is_nil(request.direct)
      assert.is_true(request.max_body <= 262144)
    end
  end)

  it("has the times that the client was given", function()
    local here = machine.new { answer = { body = "fine" } }
    call(here, { client = { connect_timeout = 1, read_timeout = 2, retry = { max_attempts = 5 } } })
    assert.are.equal(1, here.requests[1].connect_timeout)
    assert.are.equal(2, here.requests[1].read_timeout)
    assert.are.equal("attempt=1; max=5", machine.header(here.requests[1], "amz-sdk-request"))
  end)

  it("is not sent where the region would become another host", function()
    for _, region in ipairs { "x.evil.com/#", "evil.com", "a b", "", "eu-west-1.", "@evil", ("a"):rep(64) } do
      local here = machine.new { answer = { body = "fine" } }
      local answer, err = call(here, { region = region })
      assert.is_nil(answer)
      assert.are.equal("config", err.kind)
      assert.are.equal(0, #here.requests)
    end
  end)

  it("writes its headers anew for every attempt, with the URL and the time", function()
    local here = machine.new { answer = { { status = 503 }, { status = 503 }, { body = "fine" } }, chance = 1 }
    local seen = {}
    call(here, {
      headers = function(url, time)
        seen[#seen + 1] = { url, time }
        return { { "X-Number", tostring(#seen) } }
      end,
      read = function(response)
        if response.status ~= 200 then
          return nil, errors.new { kind = "service", status = response.status, code = "Busy", message = "busy" }
        end
        return response.body
      end,
    })
    local url = "https://portal.sso.eu-west-1.amazonaws.com/x?y=z"
    assert.are.same({
      { url, machine.START },
      { url, machine.START + 0.05 },
      { url, machine.START + 0.05 + 0.1 },
    }, seen)
    assert.are.equal("3", machine.header(here.requests[3], "X-Number"))
  end)

  it("is not sent where its headers cannot be written", function()
    local here = machine.new { answer = { body = "fine" } }
    local answer, err = call(here, {
      headers = function()
        return nil, errors.new { kind = "credentials", code = "InvalidCredentials", message = "no key" }
      end,
    })
    assert.is_nil(answer)
    assert.are.equal("no key", err.message)
    assert.are.equal(0, #here.requests)
  end)
end)
