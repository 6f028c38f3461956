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
    for _, option in ipairs { "--port", "--clock", "--access-key-id", "--lifetime", "--until-stdin-closes" } do
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
