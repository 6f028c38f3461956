-- Answers that somebody made to do harm. What they cost is measured by `make torture`.

local cloudhsmv2 = require "cloudhsmv2"
local canned = require "spec.torture.canned"
local fake_runtime = require "spec.helper.fake_runtime"
local hostile = require "spec.torture.hostile"

local function ask(body)
  local client = assert(cloudhsmv2.new {
    region = "eu-west-1",
    credentials = canned.credentials,
    runtime = fake_runtime.new { body = body },
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

  it("that is only strange is read: an unknown member twice, and members without end inside of the cap", function()
    local out = assert(ask '{"Clusters":[],"New":1,"New":2}')
    assert.are.equal(2, out.New)
    assert.are.equal(100000, #assert(ask('{"New":[' .. ("0,"):rep(99999) .. "0]}")).New)
  end)
end)
