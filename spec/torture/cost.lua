-- What hostile answers cost, from the call to its error: prints the slowest. Usage: cost.lua NAME

local canned = require "spec.torture.canned"
local cloudhsmv2 = require "cloudhsmv2"
local fake_runtime = require "spec.helper.fake_runtime"
local hostile = require "spec.torture.hostile"
local server = require "spec.helper.server"

local slowest, name, refused = 0, "", 0

local function measure(what, client)
  collectgarbage()
  local started = os.clock()
  local out, err = client:call("DescribeClusters", {}, { max_attempts = 1 })
  local milliseconds = (os.clock() - started) * 1000
  if not out and (err.kind == "protocol" or err.kind == "service") then
    refused = refused + 1
  else
    print(what .. " did not end in an error: " .. tostring(err))
  end
  if milliseconds > slowest then
    slowest, name = milliseconds, what
  end
end

local options =
  { region = "eu-west-1", credentials = canned.credentials, getenv = function() end, read_file = function() end }
for _, case in ipairs(hostile.answers) do
  options.runtime = fake_runtime.new { body = case.make() }
  measure(case.name, assert(cloudhsmv2.new(options)))
end
for _, case in ipairs(hostile.errors) do
  options.runtime = fake_runtime.new { status = 400, body = case.make() }
  measure(case.name, assert(cloudhsmv2.new(options)))
end
-- More than the cap allows, over a real connection: ten million members would be 40 MB.
local running = server.start "plain"
options.runtime, options.proxy = nil, ""
options.endpoint = ("http://127.0.0.1:%d/long-body"):format(running.ports[1])
measure("ten million members, cut off at 8 MiB", assert(cloudhsmv2.new(options)))
running.stop()

local asked = #hostile.answers + #hostile.errors + 1
print(("%d hostile answers refused, the slowest in %.1f ms of processor time: %s"):format(refused, slowest, name))
print(("hostile-%s: %d passed, %d failed"):format(arg[1] or "lua", refused, asked - refused))
os.exit(refused == asked and 0 or 1)
