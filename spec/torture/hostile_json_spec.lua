-- Answers that somebody made to do harm. What they cost is measured by `make torture`.

local cloudhsmv2 = require "cloudhsmv2"
local canned = require "spec.torture.canned"
local fake_runtime = require "spec.helper.fake_runtime"
local hostile = require "spec.torture.hostile"

local function ask(body, status)
  local client = assert(cloudhsmv2.new {
    region = "eu-west-1",
    credentials = canned.credentials,
    runtime = fake_runtime.new { body = body, status = status },
    getenv = function() end,
    read_file = function() end,
    retry = { max_attempts = 1 },
  })
  return client:describe_clusters {}
end

describe("a hostile answer", function()
  for _, case in ipairs(hostile.answers) do
    it("ends in an error: " .. case.name, function()
      local out, err = ask(case.make())
      assert.is_nil(out)
      assert.are.equal("protocol", err.kind)
      assert.are.equal("yes", err.sent)
      assert.is_true(#tostring(err) < 4096)
    end)
  end

  for _, case in ipairs(hostile.errors) do
    it("with a status of 400 ends in an error of bounded size: " .. case.name, function()
      local out, err = ask(case.make(), 400)
      assert.is_nil(out)
      assert.are.equal("HTTP400", err.code)
      assert.is_true(#tostring(err) < 4096 and #err.body <= 1024)
    end)
  end

  it("that is only strange is read: 65,536 unknown values", function()
    assert.are.equal(65535, #assert(ask('{"New":[' .. ("0,"):rep(65534) .. "0]}")).New)
  end)
end)
