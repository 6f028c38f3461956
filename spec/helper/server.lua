--- Starts and stops the loopback server of good and bad answers that spec/helper/server_child.lua is.

local server = {}

local INTERPRETER = rawget(_G, "jit") and "luajit" or (_VERSION:gsub("^Lua ", "lua"))

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

local function read_line(path)
  local file = io.open(path)
  local line = file and file:read "*l"
  if file then
    file:close()
  end
  return line
end

--- Starts a server with one listener for each argument; see server_child.lua.
-- @treturn table `ports`, in the order of the arguments, and `stop()`
function server.start(...)
  local words = {}
  for i = 1, select("#", ...) do
    words[i] = quote((select(i, ...)))
  end
  local announcement = os.tmpname()
  -- no sanitizer in the child: it is not what is tested
  local command = ("exec env -u LD_PRELOAD %s spec/helper/server_child.lua %s > %s"):format(
    INTERPRETER,
    table.concat(words, " "),
    quote(announcement)
  )
  local input = assert(io.popen(command, "w"))
  local sleep = require("socket").sleep
  local line
  for _ = 1, 500 do
    line = read_line(announcement)
    if line then
      break
    end
    sleep(0.01)
  end
  os.remove(announcement)
  assert(line, "the test server did not start")

  local running = { ports = {} }
  for port in line:gmatch "%d+" do
    running.ports[#running.ports + 1] = tonumber(port)
  end
  function running.stop()
    if input then
      input:close()
      input = nil
    end
  end
  return running
end

return server
