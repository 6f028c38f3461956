-- The watchers of examples/events, over events as a client tells them.

local cjson = require "cjson"

local outside = package.path
package.path = "./examples/events/?.lua;" .. package.path
local json_lines = require "json_lines"
local ngx_log = require "ngx_log"
local stderr_lines = require "stderr_lines"
package.path = outside

local cloudhsmv2 = require "cloudhsmv2"
local fake_runtime = require "spec.helper.fake_runtime"

-- A client whose first attempt is refused for a while, and the second answered.
local function watched_client(on_event)
  return assert(cloudhsmv2.new {
    region = "eu-west-1",
    credentials = { access_key_id = "AKIDEXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" },
    getenv = function() end,
    random = function()
      return 0.5
    end,
    runtime = fake_runtime.new {
      { status = 400, body = '{"__type":"ThrottlingException","message":"Rate\\nexceeded"}' },
      {},
    },
    on_event = on_event,
  })
end

local function recorder()
  local written = {}
  return {
    write = function(_, ...)
      written[#written + 1] = table.concat { ... }
    end,
    text = function()
      return table.concat(written)
    end,
  }
end

describe("the watcher for standard error", function()
  it("writes a line for each event, in the order in which they happen", function()
    local output = recorder()
    assert(watched_client(stderr_lines.new(output)):describe_clusters())
    local lines = {}
    for line in output.text():gmatch "[^\n]+" do
      lines[#lines + 1] = line
    end
    local url = "url=https://cloudhsmv2.eu-west-1.amazonaws.com/"
    assert.are.same({
      "cloudhsmv2: request DescribeClusters attempt=1 " .. url,
      "cloudhsmv2: error DescribeClusters attempt=1 status=400 kind=throttled code=ThrottlingException elapsed=0 message=Rate exceeded",
      "cloudhsmv2: throttled DescribeClusters attempt=1 reason=service delay=0.500",
      "cloudhsmv2: retry DescribeClusters attempt=1 reason=throttled delay=0.500",
      "cloudhsmv2: request DescribeClusters attempt=2 " .. url,
      "cloudhsmv2: response DescribeClusters attempt=2 status=200 elapsed=0",
    }, lines)
  end)
end)

describe("the watcher for JSON", function()
  it("writes an object for each event, with the time", function()
    local output = recorder()
    local flushed = 0
    output.flush = function()
      flushed = flushed + 1
    end
    assert(watched_client(json_lines.new(output, function()
      return 1767225600
    end)):describe_clusters())
    local types = {}
    for line in output.text():gmatch "[^\n]+" do
      local event = cjson.decode(line)
      types[#types + 1] = event.type
      assert.are.equal(1767225600, event.time)
      assert.are.equal("DescribeClusters", event.operation)
    end
    assert.are.same({ "request", "error", "throttled", "retry", "request", "response" }, types)
    assert.are.equal(6, flushed)
  end)
end)

describe("the watcher for nginx", function()
  it("writes each event with a level of its own", function()
    local logged = {}
    local api = { WARN = 5, NOTICE = 6, INFO = 7, DEBUG = 8 }
    function api.log(level, ...)
      logged[#logged + 1] = { level, table.concat { ... } }
    end
    local watch = ngx_log.new(api)
    assert(watched_client(watch):describe_clusters())
    watch { type = "warning", code = "LongAppId", message = "too long" }
    watch { type = "something new" }
    local levels = {}
    for i, entry in ipairs(logged) do
      levels[i] = entry[1]
    end
    assert.are.same({ 8, 5, 6, 6, 8, 8, 5, 6 }, levels)
    assert.are.equal("cloudhsmv2: warning code=LongAppId message=too long", logged[7][2])
  end)
end)
