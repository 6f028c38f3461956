local core = require "cloudhsmv2.core"
local parallel = require("cloudhsmv2.parallel").run
local runtime = require "cloudhsmv2.runtime"

describe("a command that is run", function()
  it("gives its exit status and what it printed", function()
    assert.are.same({ status = 0, output = "one\ntwo\n" }, runtime.run("echo one; echo two", 10))
    assert.are.same({ status = 3, output = "" }, runtime.run("exit 3", 10))
    assert.are.equal(127, runtime.run("no-such-command-here", 10).status)
  end)

  it("has an empty standard input, and nobody sees its standard error", function()
    assert.are.same({ status = 0, output = "0\n" }, runtime.run("wc -c; echo secret >&2", 10))
  end)

  it("is ended with all that it started, when it takes too long", function()
    local mark = os.tmpname()
    os.remove(mark)
    local result, reason = runtime.run(("(sleep 0.4; echo late > %s) & sleep 100"):format(mark), 0.1)
    assert.is_nil(result)
    assert.are.equal("it did not end within 0.1 seconds", reason)
    runtime.run("sleep 0.6", 10)
    local file = io.open(mark)
    assert.is_nil(file)
  end)

  it("is ended when it prints without end", function()
    local result, reason = runtime.run("yes", 10)
    assert.is_nil(result)
    assert.are.equal("it printed more than 64 KiB", reason)
  end)

  it("cannot have a zero byte", function()
    local result, reason = runtime.run("echo\0x", 10)
    assert.is_nil(result)
    assert.are.equal("a command cannot have a zero byte", reason)
  end)

  it("lets other tasks go on meanwhile", function()
    local turns, result = 0, nil
    local done = false
    parallel {
      function()
        result = runtime.run("sleep 0.3; echo done", 10)
        done = true
      end,
      function()
        local sleep = require(rawget(_G, "ngx") and "cloudhsmv2.runtime.nginx" or "cloudhsmv2.runtime.curl").sleep
        while not done do
          sleep(0.01)
          turns = turns + 1
        end
      end,
    }
    assert.are.same({ status = 0, output = "done\n" }, result)
    assert.is_true(turns > 2) -- one that stands still would get a single turn
  end)

  it("leaves no descriptor and no process behind", function()
    local function descriptors()
      local count = 0
      for number = 0, 255 do
        if io.open(("/proc/self/fd/%d"):format(number)) then
          count = count + 1
        end
      end
      collectgarbage()
      return count
    end
    runtime.run("true", 10)
    collectgarbage()
    local before = descriptors()
    for _ = 1, 20 do
      runtime.run("true", 10)
      core.process.start "sleep 100" -- dropped: the collector ends it
    end
    collectgarbage()
    collectgarbage()
    assert.are.equal(before, descriptors())
    local children = io.open "/proc/self/task/self/children" or io.open "/proc/thread-self/children"
    local left = children and children:read "*a" or ""
    if children then
      children:close()
    end
    assert.are.equal("", rawget(_G, "ngx") and "" or left)
  end)
end)
