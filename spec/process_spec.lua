local core = require "cloudhsmv2.core"

-- What a shell command prints.
local function output(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

-- Steps until the process has ended.
local function finish(process)
  while not process:step(5) do
  end
  return process
end

-- The result of a command that is waited for.
local function run(command, most)
  local process = assert(core.process.start(command, most))
  local result, reason = finish(process):result()
  process:close()
  return result, reason
end

-- Whether the process of this number is there and no zombie.
local function lives(pid)
  local file = io.open("/proc/" .. pid .. "/stat")
  local state = file and file:read("*a"):match "%) (%a)"
  if file then
    file:close()
  end
  return state ~= nil and state ~= "Z" and state ~= "X"
end

local function wait_until(condition)
  for _ = 1, 1000 do
    if condition() then
      return true
    end
    core.sleep(0.01)
  end
  return false
end

-- How many children of this very process nobody reaped.
local function zombies()
  local own, count = output("echo $PPID"):match "%d+", 0
  for line in output("cat /proc/[0-9]*/stat 2>/dev/null"):gmatch "[^\n]+" do
    local state, parent = line:match "%) (%a) (%d+)"
    if state == "Z" and parent == own then
      count = count + 1
    end
  end
  return count
end

describe("a process of the core", function()
  local folder, path

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir -m 700 " .. folder))
    path = folder .. "/file"
  end)

  after_each(function()
    os.execute("rm -r " .. folder)
  end)

  it("gives the exit status and what was printed to standard output", function()
    assert.are.same({ status = 0, output = "hello\n" }, run "echo hello")
    assert.are.same({ status = 1, output = "" }, run "exit 1")
    assert.are.same({ status = 127, output = "half" }, run "printf half; exit 127")
    assert.are.same({ status = 255, output = "" }, run "exit 255")
    assert.are.same({ status = 0, output = "" }, run "")
  end)

  it("gives the shell's status for a command that is not there or may not be run", function()
    assert.are.same({ status = 127, output = "" }, run "/no/such/command --at all")
    assert.are.same({ status = 126, output = "" }, run "/")
  end)

  it("gives the shell's status for a command that a signal ended", function()
    assert.are.same({ status = 128 + 15, output = "before" }, run "printf before; kill -TERM $$")
    assert.are.same({ status = 128 + 9, output = "" }, run "sh -c 'kill -KILL $$'")
  end)

  it("is killed where the shell around the command is", function()
    assert.are.same({ nil, "killed" }, { run "kill -KILL $PPID; sleep 30" })
    assert.are.same({ nil, "killed" }, { run "kill -KILL 0" })
  end)

  it("runs commands with quotes, lines, dollars and a dash in front as a shell does", function()
    assert.are.same({ status = 0, output = [[a "b" 'c' $d \e]] }, run [[printf %s 'a "b" '"'c'"' $d \e']])
    assert.are.same({ status = 0, output = "one\ntwo\n" }, run "echo one\necho two\n")
    assert.are.same({ status = 0, output = "3\n" }, run "x=1\nfor i in 1 2; do x=$((x + 1)); done; echo $x # done")
    assert.are.same({ status = 0, output = "a b" }, run [[printf %s "a b" | cat]])
    assert.are.equal(127, run("-x").status)
    assert.are.same({ status = 0, output = "ä" }, run "printf ä")
  end)

  it("takes zero bytes and what is no text", function()
    assert.are.same({ status = 0, output = "a\0b\255" }, run [[printf 'a\000b\377']])
  end)

  it("has our environment and our folder", function()
    assert.are.equal(os.getenv "PATH", run('printf %s "$PATH"').output)
    assert.are.equal(output "pwd -P", run("pwd -P").output)
  end)

  it("reads nothing and leads a group of its own where nobody sits at a terminal", function()
    -- the specs may run at a terminal, so another Lua asks
    local file = assert(io.open(path, "w"))
    file:write [[
      local process = require "cloudhsmv2.core".process.start "cat; cat /proc/$$/stat /proc/$PPID/stat"
      while not process:step(5) do
      end
      local own, around = process:result().output:match "^%d+ %b() %a %d+ (%d+)[^\n]*\n%d+ %b() %a %d+ (%d+)[^\n]*\n$"
      local ours = io.popen("cat /proc/$PPID/stat"):read("*a"):match "^%d+ %b() %a %d+ (%d+)"
      print(own == around, own ~= nil and own ~= ours)
    ]]
    file:close()
    local interpreter = rawget(_G, "jit") and "luajit" or (_VERSION:gsub("^Lua ", "lua"))
    local command = ("echo not for the command | %s %s 2>&1"):format(interpreter, path)
    assert.are.equal("true\ttrue\n", output(command))
  end)

  it("inherits no descriptor, not even one that programs would", function()
    local file = assert(io.open(path, "w")) -- Lua 5.1 opens it without O_CLOEXEC
    file:write "x"
    local listed = run("ls -l /proc/self/fd").output
    file:close()
    assert.is_nil(listed:find(path, 1, true))
    local count = 0
    for number, target in listed:gmatch " (%d+) %-> ([^\n]*)" do
      count = count + 1
      assert.is_true(tonumber(number) <= 2 or target:find "^/proc/" ~= nil, number .. " " .. target)
    end
    assert.are.equal(4, count)
  end)

  it("has SIGPIPE and SIGCHLD as usual and no signal blocked", function()
    local status = run("cat /proc/self/status").output
    assert.are.equal("0000000000000000", status:match "SigBlk:%s+(%x+)")
    local ignored = tonumber(status:match "SigIgn:%s+%x*(%x%x%x%x%x%x)", 16)
    assert.are.equal(0, math.floor(ignored / 2 ^ 12) % 2) -- SIGPIPE, 13
    assert.are.equal(0, math.floor(ignored / 2 ^ 16) % 2) -- SIGCHLD, 17
  end)

  it("never waits longer than it is told to, and not at all if not told", function()
    local process = assert(core.process.start "sleep 30")
    assert.is_false(process:step())
    assert.is_false(process:step(0))
    assert.is_false(process:step(-1))
    assert.is_false(process:step(0 / 0))
    assert.is_false(process:step(0.02))
    assert.are.same({ nil, "not ended" }, { process:result() })
    process:close()
  end)

  it("gives its result as often as asked", function()
    local process = finish(assert(core.process.start "echo x; exit 3"))
    assert.is_true(process:step(0))
    assert.are.same({ status = 3, output = "x\n" }, process:result())
    assert.are.same({ status = 3, output = "x\n" }, process:result())
    process:close()
    assert.are.same({ nil, "closed" }, { process:result() })
  end)

  it("keeps output up to the cap, and is killed for a byte more", function()
    assert.are.equal(65536, #run("head -c 65536 /dev/zero").output)
    assert.are.same({ nil, "too large" }, { run "head -c 65537 /dev/zero" })
    assert.are.equal("abc", run("printf abc", 3).output)
    assert.are.same({ nil, "too large" }, { run("printf abcd", 3) })
    assert.are.equal(200000, #run("head -c 200000 /dev/zero", 200000).output)
  end)

  it("does not take a gigabyte", function()
    assert.are.same({ nil, "too large" }, { run("echo $$ >" .. path .. "; yes | head -c 1000000000") })
    local pid = assert(io.open(path)):read "*l"
    assert.is_true(wait_until(function()
      return not lives(pid)
    end))
  end)

  it("takes what it started along when it is closed, and leaves no zombie", function()
    local command = "sh -c 'sleep 1000 & echo $! >%s.a; sleep 1000 & echo $! >%s.b; wait' | cat"
    local process = assert(core.process.start(command:format(path, path)))
    local pids = {}
    assert.is_true(wait_until(function()
      process:step(0)
      for _, name in ipairs { "a", "b" } do
        local file = io.open(path .. "." .. name)
        pids[name] = file and file:read "*l"
        if file then
          file:close()
        end
      end
      return pids.a and pids.b
    end))
    assert.is_true(lives(pids.a) and lives(pids.b))
    process:close()
    process:close()
    assert.are.same({ nil, "killed" }, { process:result() })
    assert.is_true(process:step(0))
    assert.is_true(wait_until(function()
      return not lives(pids.a) and not lives(pids.b)
    end))
    assert.are.equal(0, zombies())
  end)

  it("does not wait for what stays in the background with its output, and leaves that alone", function()
    local result = run("sleep 30 & echo $! >" .. path .. "; echo done")
    assert.are.same({ status = 0, output = "done\n" }, result)
    local pid = assert(io.open(path)):read "*l"
    assert.is_true(lives(pid)) -- and holds the output
    os.execute("kill " .. pid)
  end)

  it("takes what something in the background prints soon after the command", function()
    assert.are.equal("first\nsecond\n", run("(sleep 0.02; echo second) & echo first").output)
  end)

  it("goes on when the command closes its output", function()
    assert.are.same({ status = 4, output = "x" }, run "printf x; exec >&-; sleep 0.05; exit 4")
  end)

  it("leaves neither zombies nor descriptors behind, though closed by the collector alone", function()
    local function open_files()
      collectgarbage()
      collectgarbage()
      -- but for the pipe of this very question, whose other end may be open for a moment
      return output [[ls -l /proc/$PPID/fd | grep -vcF "$(readlink /proc/$$/fd/1)"]]
    end
    run "true"
    local before = open_files()
    local function start_one(i) -- in a call of its own, after which nothing on the stack holds the process
      local process = assert(core.process.start(i % 2 == 0 and "echo x" or "sleep 30"))
      process:step(i % 3 == 0 and 0.01 or 0)
    end
    for i = 1, 200 do
      start_one(i)
      if i % 4 == 0 then
        finish(assert(core.process.start "exit 2")):close()
      end
    end
    run "true"
    assert.are.equal(before, open_files())
    assert.are.equal(0, zombies())
  end)

  it("is closed at the end of its block where Lua has such blocks", function()
    local process = assert(core.process.start "sleep 30")
    local close = debug.getregistry()["cloudhsmv2.process"].__close
    close(process)
    close(process)
    assert.are.same({ nil, "killed" }, { process:result() })
  end)

  it("says why a command cannot be started", function()
    local process, reason = core.process.start("true " .. ("x"):rep(8 * 1024 * 1024))
    assert.are.same({ nil, "command or environment is too long" }, { process, reason })
  end)

  it("raises where it is called in a wrong way", function()
    local process = assert(core.process.start "true")
    for _, call in ipairs {
      function()
        core.process.start()
      end,
      function()
        core.process.start {}
      end,
      function()
        core.process.start "echo a\0b"
      end,
      function()
        core.process.start("true", 0)
      end,
      function()
        core.process.start("true", 1.5)
      end,
      function()
        core.process.start("true", "many")
      end,
      function()
        process:step "soon"
      end,
      function()
        process.result(io.stdout)
      end,
    } do
      assert.has_error(call)
    end
    finish(process):close()
  end)
end)
