--- The emulator for other people's software: a server on a free port, and another one that moves its clock and lets things go
-- wrong. It stops when its standard input ends, and after a while in any case.
-- Usage: lua5.4 spec/interop/emulator.lua FILE      (FILE gets `PORT CONTROL_PORT`)
--
-- The control port takes POST /advance (a number of seconds), /inject (a fault as JSON), /clear.

local cjson = require "cjson"

local emulator = require "cloudhsmv2.emulator"
local server = require "cloudhsmv2.emulator.server"

local LIFETIME = 900 -- seconds
local EXAMPLE_SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

local emulated = assert(emulator.new {
  organization = { management = "111122223333" },
  allow_hsm1 = true, -- an older SDK knows no Mode, which every other type needs
  credentials = {
    AKIDEXAMPLE = { secret_access_key = EXAMPLE_SECRET, account = "111122223333" },
    AKIDEXAMPLE2 = { secret_access_key = EXAMPLE_SECRET, account = "444455556666" },
    ASIAEXAMPLE = {
      secret_access_key = EXAMPLE_SECRET,
      session_token = "AQoDYXdzEJr/token+/=",
      account = "111122223333",
    },
    ASIAEXPIRED = { secret_access_key = EXAMPLE_SECRET, session_token = "AQoDYXdzEJr/old", expires = 0 },
    AKIDREADONLY = { secret_access_key = EXAMPLE_SECRET, allow = { "Describe*" } },
  },
})

local function complain(problem)
  io.stderr:write("emulator: ", tostring(problem), "\n")
end

local COMMANDS = {
  ["/advance"] = function(body)
    emulated:advance(tonumber(body))
  end,
  ["/inject"] = function(body)
    local fine, err = emulated:inject(cjson.decode(body))
    if not fine then
      error(err.message, 0)
    end
  end,
  ["/clear"] = function()
    emulated:clear_faults()
  end,
}

local control = {}
function control:handle(request) -- luacheck: ignore self
  local command = COMMANDS[request.target]
  local fine, problem = pcall(command or error, command and request.body or "no such command")
  local answer = { status = fine and 200 or 400, headers = { { "content-type", "text/plain" } } }
  answer.body = fine and "ok\n" or tostring(problem) .. "\n"
  return answer
end

local serving = assert(server.new(emulated, { on_error = complain }))
local controlling = assert(server.new(control, { on_error = complain }))

local stdin = {}
function stdin.getfd()
  return 0
end
function stdin.dirty()
  return false
end
serving:watch(stdin, function()
  if not io.stdin:read(1) then
    serving:stop()
  end
end)

local file = assert(io.open(arg[1] .. ".new", "w"))
file:write(serving.port, " ", controlling.port, "\n")
file:close()
assert(os.rename(arg[1] .. ".new", arg[1]))

local deadline = os.time() + LIFETIME
while not serving.stopping and os.time() < deadline do
  serving:step(0.005)
  controlling:step(0)
end
serving:close()
controlling:close()
