-- The example as a program.

local INTERPRETER = rawget(_G, "jit") and "luajit" or (_VERSION:gsub("^Lua ", "lua"))

-- Runs it; returns what it printed and its exit code.
local function run(arguments, environment)
  -- os.exit ends LuaJIT without freeing anything: that is no leak
  local command = ("%s ASAN_OPTIONS=detect_leaks=0 %s examples/doctor.lua %s 2>&1; echo status $?"):format(
    environment or "",
    INTERPRETER,
    arguments
  )
  local pipe = assert(io.popen(command))
  local output = pipe:read "*a"
  pipe:close()
  local text, status = output:match "^(.*)status (%d+)\n$"
  return text, tonumber(status)
end

describe("the doctor as a program", function()
  it("prints its findings, and has 0 where all is well", function()
    local text, status = run("--offline", "AWS_REGION=eu-west-1 AWS_ACCESS_KEY_ID=AKIDEXAMPLE AWS_SECRET_ACCESS_KEY=x")
    assert.are.equal(0, status, text)
    assert.is_truthy(text:find("*******MPLE from env AWS_ACCESS_KEY_ID", 1, true), text)
  end)

  it("has 1 where something keeps calls from working", function()
    local text, status = run("--offline", "AWS_REGION=not/a/region")
    assert.are.equal(1, status)
    assert.is_truthy(text:find('PROBLEM  configuration  AWS_REGION="not/a/region" (environment)', 1, true), text)
  end)

  it("has 2 for what it does not know", function()
    local text, status = run "--all"
    assert.are.equal(2, status)
    assert.is_truthy(text:find "^usage: ")
  end)
end)
