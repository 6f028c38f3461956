-- What recurses in C, as deep as it may, beyond that, and a whole call. For spec/torture/stack.c.

local canned = require "spec.torture.canned"
local cloudhsmv2 = require "cloudhsmv2"
local codec = require "cloudhsmv2.codec"
local fake_runtime = require "spec.helper.fake_runtime"
local hostile = require "spec.torture.hostile"

local MOST_DEPTH = 96

local compiled = codec.compile {
  Document = { type = "structure", document = true, members = {} },
  Tree = { type = "structure", members = { Branches = { shape = "Trees" } } },
  Trees = { type = "list", member = { shape = "Tree" } },
}

local function nested(depth)
  return ('{"a":'):rep(depth - 1) .. "{}" .. ("}"):rep(depth - 1)
end

local function trees(depth)
  return ('{"Branches":['):rep(depth / 2) .. ("]}"):rep(depth / 2)
end

return function()
  for shape, write in pairs { Document = nested, Tree = trees } do
    local value = assert(compiled:decode(shape, write(MOST_DEPTH)))
    assert(compiled:encode(shape, value))
    assert(not compiled:decode(shape, write(MOST_DEPTH + 2)))
    assert(not compiled:decode(shape, write(1000000)))
    local deep = {}
    for _ = 1, 100000 do
      deep = { Branches = { deep } }
    end
    assert(not compiled:encode(shape, deep))
  end

  local bodies, position, runtime = {}, 0, fake_runtime.new()
  for _, case in ipairs(hostile.answers) do
    table.insert(bodies, case.make())
  end
  runtime.send = function()
    position = position + 1
    return { status = 200, headers = {}, body = bodies[position] or "{}" }
  end
  local client = assert(cloudhsmv2.new {
    region = "eu-west-1",
    credentials = canned.credentials,
    runtime = runtime,
    retry = { max_attempts = 1 },
    getenv = function() end,
    read_file = function() end,
  })
  for _ = 1, #bodies do
    local out, err = client:describe_clusters {}
    assert(not out and err.kind == "protocol", tostring(err))
  end
  assert(client:describe_clusters {})
end
