local socket = require "socket"

local command = require "cloudhsmv2.emulator.command"
local emulator = require "cloudhsmv2.emulator"
local server = require "cloudhsmv2.emulator.server"

-- The command's exit code, and what it wrote to standard output and to standard error.
local function run(...)
  local stdout, stderr = io.stdout, io.stderr
  local written = { "", "" }
  local function capture(i)
    return {
      write = function(_, ...)
        written[i] = written[i] .. table.concat { ... }
      end,
      flush = function() end,
    }
  end
  io.stdout, io.stderr = capture(1), capture(2) -- luacheck: ignore
  local fine, code = pcall(command.run, { ... })
  io.stdout, io.stderr = stdout, stderr -- luacheck: ignore
  assert(fine, code)
  return code, written[1], written[2]
end

-- The interpreter that runs this, which is the one before its script and options.
local function interpreter()
  local i = 0
  while arg[i - 1] do
    i = i - 1
  end
  return arg[i]
end

describe("cloudhsmv2-emulator", function()
  it("says where it listens, and stops after its lifetime", function()
    local code, out, err = run("--port", "0", "--lifetime", "0.01")
    assert.are.equal(0, code)
    assert.matches("^listening on http://127%.0%.0%.1:%d+\n$", out)
    assert.are.equal("", err)
  end)

  it("writes its port to a file when asked to", function()
    local path = os.tmpname()
    local code, out = run("--port", "0", "--lifetime", "0.01", "--announce-port-file", path)
    local file = assert(io.open(path))
    local port = file:read "*a"
    file:close()
    os.remove(path)
    assert.are.equal(0, code)
    assert.are.equal(out:match ":(%d+)\n" .. "\n", port)
  end)

  it("explains itself", function()
    local code, out = run "--help"
    assert.are.equal(0, code)
    for _, option in ipairs {
      "--port",
      "--clock",
      "--access-key-id",
      "--lifetime",
      "--until-stdin-closes",
      "--state",
      "--control-port",
      "--record",
      "--replay",
    } do
      assert.matches(option, out, 1, true)
    end
    code, out = run "--version"
    assert.are.equal(0, code)
    assert.are.equal("cloudhsmv2-emulator " .. require("cloudhsmv2").version .. "\n", out)
  end)

  it("refuses wrong arguments in one line", function()
    for wanted, arguments in pairs {
      ["'--prt'"] = { "--prt", "1" },
      ["65535"] = { "--port", "99999" },
      ["scaled:N"] = { "--clock", "fast" },
      ["expected seconds"] = { "--lifetime", "long" },
      ["go together"] = { "--access-key-id", "AKIDEXAMPLE" },
      ["needs --access-key-id"] = { "--session-token", "x" },
      ["12 digits"] = { "--access-key-id", "AKIDEXAMPLE", "--secret-access-key", "x", "--account", "1" },
    } do
      local code, out, err = run((unpack or table.unpack)(arguments)) -- luacheck: ignore
      assert.are.equal(2, code)
      assert.are.equal("", out)
      assert.matches("^cloudhsmv2%-emulator: [^\n]+\n$", err)
      assert.matches(wanted, err, 1, true)
    end
  end)

  it("says which port is in use", function()
    local other = assert(server.new(assert(emulator.new())))
    local code, _, err = run("--port", tostring(other.port))
    other:close()
    assert.are.equal(1, code)
    assert.matches(("port %d of 127.0.0.1 is in use"):format(other.port), err, 1, true)
    assert.matches("--port 0", err, 1, true)
  end)

  it("serves the controls on a port of their own", function()
    local path = os.tmpname()
    local code, out = run("--port", "0", "--control-port", "0", "--lifetime", "0.01", "--announce-port-file", path)
    local file = assert(io.open(path))
    local announced = file:read "*a"
    file:close()
    os.remove(path)
    assert.are.equal(0, code)
    local port, control_port =
      out:match "^listening on http://127%.0%.0%.1:(%d+)\ncontrol on http://127%.0%.0%.1:(%d+)\n$"
    assert.are_not.equal(port, control_port)
    assert.are.equal(("%s\n%s\n"):format(port, control_port), announced)

    local other = assert(server.new(assert(emulator.new())))
    local _, err
    code, _, err = run("--port", "0", "--control-port", tostring(other.port))
    other:close()
    assert.are.equal(1, code)
    assert.matches(
      ("port %d of 127.0.0.1 is in use; choose another with --control-port"):format(other.port),
      err,
      1,
      true
    )
  end)

  it("keeps its state, and says what is wrong with the file", function()
    local path = os.tmpname()
    os.remove(path)
    for _ = 1, 2 do
      assert.are.equal(0, (run("--port", "0", "--state", path, "--lifetime", "0.01")))
    end
    local holder = assert(emulator.new { state = path })
    local code, _, err = run("--port", "0", "--state", path)
    holder:close()
    assert.are.equal(1, code)
    assert.are.equal(("cloudhsmv2-emulator: %s: another emulator has this state open\n"):format(path), err)
    os.remove(path)
    code, _, err = run("--port", "0", "--state", "/nowhere/state")
    assert.are.equal(1, code)
    assert.are.equal("cloudhsmv2-emulator: /nowhere/state: there is no such folder\n", err)
  end)

  it("gives its state up where it cannot listen", function()
    local path = os.tmpname()
    local other = assert(server.new(assert(emulator.new())))
    assert.are.equal(1, (run("--port", tostring(other.port), "--state", path)))
    other:close()
    assert(emulator.new { state = path }):close()
    os.remove(path)
  end)

  it("records, and serves what was recorded", function()
    local path = os.tmpname()
    assert.are.equal(0, (run("--port", "0", "--record", path, "--lifetime", "0.01")))
    assert.are.equal(0, (run("--port", "0", "--replay", path, "--lifetime", "0.01")))
    local code, _, err = run("--port", "0", "--record", "/nowhere/recording")
    assert.are.equal(1, code)
    assert.matches("cannot record to /nowhere/recording", err, 1, true)
    local file = assert(io.open(path, "wb"))
    file:write "x\n"
    file:close()
    code, _, err = run("--port", "0", "--replay", path)
    os.remove(path)
    assert.are.equal(1, code)
    assert.matches(path .. ":1: not an exchange", err, 1, true)
    for _, option in ipairs { "--state", "--record", "--control-port" } do
      code, _, err = run("--replay", path, option, "1")
      assert.are.equal(2, code)
      assert.matches("--replay goes without", err, 1, true)
    end
  end)

  it("says which package is missing", function()
    for module, package_name in pairs { socket = "lua-socket", argparse = "lua-argparse" } do
      local loaded = package.loaded[module]
      package.loaded[module] = nil
      package.preload[module] = function()
        error "module not found"
      end
      local code, _, err = run("--port", "0", "--lifetime", "0.01")
      package.preload[module] = nil
      package.loaded[module] = loaded
      assert.are.equal(1, code)
      assert.matches("apt-get install " .. package_name, err, 1, true)
    end
  end)

  it("installed, stops when its standard input ends", function()
    local path = os.tmpname()
    os.remove(path)
    local line =
      "%s src/bin/cloudhsmv2-emulator --port 0 --lifetime 20 --until-stdin-closes --announce-port-file %s >%s.out"
    local process = assert(io.popen(line:format(interpreter(), path, path), "w"))
    local port
    for _ = 1, 200 do
      local file = io.open(path)
      if file then
        port = tonumber(file:read "*a")
        file:close()
        break
      end
      socket.sleep(0.02)
    end
    assert.is_number(port)
    local client = assert(socket.connect("127.0.0.1", port))
    client:send "GET / HTTP/1.0\r\n\r\n"
    client:settimeout(5)
    assert.are.equal("HTTP/1.1 405 Method Not Allowed", client:receive "*l")
    client:close()
    process:close() -- waits for the end of the command
    assert.is_nil((socket.connect("127.0.0.1", port)))
    os.remove(path)
    os.remove(path .. ".out")
  end)
end)
