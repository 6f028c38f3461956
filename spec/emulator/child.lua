--- The emulator's command as a process of its own, to be killed.

local socket = require "socket"

local helper = require "spec.emulator.helper"

local INTERPRETER = rawget(_G, "jit") and "luajit" or (_VERSION:gsub("^Lua ", "lua"))
local LIFETIME = 120 -- seconds after which it stops though nobody stopped it
local PATIENCE = 20 -- seconds that it may take to begin

local child = {}
local methods = {}
local metatable = { __index = methods }

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

local function read(path)
  local file = io.open(path, "rb")
  local content = file and file:read "*a"
  if file then
    file:close()
  end
  return content
end

-- Runs a shell command in the background and returns its process id.
local function spawn(command)
  local pipe = assert(io.popen(command .. " & echo $!"))
  local pid = assert(tonumber(pipe:read "*l"))
  pipe:close()
  return pid
end

--- Kills it, as nothing can be prepared for.
function methods:kill()
  os.execute(("kill -9 %d 2>/dev/null"):format(self.pid))
end

--- Lets it be killed some seconds from now.
function methods:kill_after(seconds)
  spawn(("{ sleep %.3f; kill -9 %d; } >/dev/null 2>&1"):format(seconds, self.pid))
end

--- What it has written to standard output and standard error.
function methods:output()
  return read(self.log) or ""
end

--- Removes what it has left in files.
function methods:clean()
  os.remove(self.log)
  os.remove(self.announcement)
end

local function receive_answer(connection)
  local line = connection:receive "*l"
  local status = line and tonumber(line:match "^HTTP/1%.1 (%d+)")
  local length
  while status do
    line = connection:receive "*l"
    if not line then
      return nil
    elseif line == "" then
      local body = connection:receive(length or 0)
      return body and { status = status, body = body }
    end
    length = tonumber(line:lower():match "^content%-length: (%d+)") or length
  end
  return nil
end

-- Sends a request and waits for the answer; nil when the connection broke.
local function exchange(self, port, method, target, headers, body)
  local connection = self.connections[port]
  if not connection then
    connection = socket.connect("127.0.0.1", port)
    if not connection then
      return nil
    end
    connection:settimeout(PATIENCE)
    connection:setoption("tcp-nodelay", true)
    self.connections[port] = connection
  end
  local lines = { method .. " " .. target .. " HTTP/1.1" }
  for _, pair in ipairs(headers) do
    lines[#lines + 1] = pair[1] .. ": " .. pair[2]
  end
  lines[#lines + 1] = "Content-Length: " .. #body
  connection:send(table.concat(lines, "\r\n") .. "\r\n\r\n" .. body)
  local answer = receive_answer(connection)
  if not answer then
    connection:close()
    self.connections[port] = nil
  end
  return answer
end

--- Asks the service. Returns the answer's value and status, or nil when there was none.
function methods:ask(operation, input, options)
  local chosen = { time = socket.gettime() }
  for name, value in pairs(options or {}) do
    chosen[name] = value
  end
  local request = helper.request(operation, input, chosen)
  local answer = exchange(self, self.port, request.method, request.target, request.headers, request.body)
  return answer and require("cjson").decode(answer.body), answer and answer.status
end

--- Uses a control. Returns the answer's value and status, or nil when there was none.
function methods:control(method, target, body)
  local answer = exchange(self, self.control_port, method, target, { { "Host", "localhost" } }, body or "")
  return answer and require("cjson").decode(answer.body), answer and answer.status
end

local function try_to_start(arguments, prefix)
  local log = os.tmpname()
  local announcement = os.tmpname()
  os.remove(announcement)
  local pid = spawn(
    ("%s exec %s src/bin/cloudhsmv2-emulator --port 0 --lifetime %d --announce-port-file %s %s >%s 2>&1"):format(
      prefix,
      INTERPRETER,
      LIFETIME,
      quote(announcement),
      table.concat(arguments, " "),
      quote(log)
    )
  )
  local self = setmetatable({ pid = pid, log = log, announcement = announcement, connections = {} }, metatable)
  local deadline = socket.gettime() + PATIENCE
  while socket.gettime() < deadline do
    local text = read(announcement)
    if text then
      local port, control_port = text:match "^(%d+)\n(%d*)"
      self.port, self.control_port = tonumber(port), tonumber(control_port)
      return self
    elseif self:output():find("cloudhsmv2-emulator: ", 1, true) and not self:output():find("dropped", 1, true) then
      return nil, self
    end
    socket.sleep(0.005)
  end
  return nil, self
end

--- Starts it. One that holds the state of a process that is dying is tried again.
-- @tparam table arguments words for the shell
-- @tparam[opt] string prefix shell commands to run before, as `ulimit -f 8;`
function child.start(arguments, prefix)
  local problem
  for _ = 1, 200 do
    local started, failed = try_to_start(arguments, prefix or "")
    if started then
      return started
    end
    problem = failed:output()
    failed:clean()
    if not problem:find("has this state open", 1, true) then
      break
    end
    socket.sleep(0.01)
  end
  error("the emulator did not start: " .. problem)
end

return child
