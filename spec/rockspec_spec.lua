local cloudhsmv2 = require "cloudhsmv2"
local sandbox = require "spec.tools.sandbox"

local ROCKSPEC = "rockspec/cloudhsmv2-scm-1.rockspec"

local function lines_of(command)
  local pipe = assert(io.popen(command))
  local lines = {}
  for line in pipe:lines() do
    lines[#lines + 1] = line
  end
  pipe:close()
  table.sort(lines)
  return lines
end

local function content(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

-- A rockspec is Lua that assigns globals.
local function rockspec()
  local fields = {}
  sandbox.run(content(ROCKSPEC), ROCKSPEC, fields)
  return fields
end

-- The module that `require` finds in a file of lua/.
local function module_name(path)
  return (path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", "."))
end

describe("the rockspec", function()
  it("lists every Lua module and no other", function()
    local expected, listed = {}, {}
    for _, path in ipairs(lines_of "find lua -name '*.lua'") do
      expected[module_name(path)] = path
    end
    for name, source in pairs(rockspec().build.modules) do
      if type(source) == "string" then
        listed[name] = source
      end
    end
    assert.are.same(expected, listed)
  end)

  it("compiles every C file into the core and no other", function()
    local sources = rockspec().build.modules["cloudhsmv2.core"].sources
    table.sort(sources)
    assert.are.same(lines_of "find src -name '*.c'", sources)
  end)

  it("installs every command", function()
    local commands = rockspec().build.install.bin
    table.sort(commands)
    assert.are.same(lines_of "find src/bin -type f", commands)
  end)

  it("is named after its package and version", function()
    local fields = rockspec()
    assert.are.equal("rockspec/" .. fields.package .. "-" .. fields.version .. ".rockspec", ROCKSPEC)
    assert.are.equal("cloudhsmv2", fields.package)
  end)

  it("needs no other rock at run time", function()
    assert.are.same({ "lua >= 5.1" }, rockspec().dependencies)
  end)
end)

describe("the version", function()
  it("is a semantic version", function()
    assert.is_truthy(cloudhsmv2.version:match "^%d+%.%d+%.%d+$" or cloudhsmv2.version:match "^%d+%.%d+%.%d+%-[%w.]+$")
  end)

  it("is the newest one of the changelog", function()
    local newest = content("CHANGELOG.md"):match "\n## %[([^%]]+)%]"
    assert.are.equal(newest, cloudhsmv2.version)
  end)
end)
