--- Proves an installation: `lua installed.lua TREE` loads the library from below TREE and makes one call, to an emulator
-- in the same process.

local tree = arg[1]
local cloudhsmv2 = require "cloudhsmv2"
local emulator = require "cloudhsmv2.emulator"

local source = debug.getinfo(cloudhsmv2.new, "S").source
assert(source:find(tree, 1, true), "loaded from elsewhere: " .. source)

local client = assert(cloudhsmv2.new {
  region = "eu-west-1",
  credentials = { access_key_id = "AKIDEXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" },
  runtime = emulator.new({}):runtime(),
})
local out = assert(client:describe_clusters {})
assert(out.ResponseMetadata.HTTPStatusCode == 200 and #out.Clusters == 0)
print("cloudhsmv2 " .. cloudhsmv2.version .. " answers from " .. tree)
