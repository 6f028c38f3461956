-- The server that spec/torture/once.lua breaks connections with. It counts what it saw, by port.
--
-- Usage: once_server.lua PORTS LIFETIME: listens on as many ports of loopback, and on one for control, and prints them all on one line:
-- the control port, one that refuses connections, then the others. It ends when its standard input ends, or after LIFETIME seconds.
--
-- On the control port, GET /next?w=NUMBER&warm=no|keep|close&f1=FAULT&a1=BYTES&f2=FAULT&a2=BYTES ends what is under way on port NUMBER,
-- answers with what was seen there since the last time, and says what comes next: whether a harmless request goes first, and what
-- happens to the first and to the second attempt behind it.

local canned = require "spec.torture.canned"
local socket = require "socket"

local count, lifetime = tonumber(arg[1]), tonumber(arg[2])
local deadline = socket.gettime() + lifetime
local tasks = {} -- by coroutine: { object, "read" | "write" } or { at = time }
local ports = {}

local function nothing_seen()
  return { attempts = 0, seen = 0, whole = 0, rejected = 0, refused = 0, answered = 0, full = 0 }
end

-- ---- A connection ----

local Connection = {}
Connection.__index = Connection

-- Reads until there are `wanted` bytes; false when the peer is gone.
function Connection:fill(wanted)
  while #self.buffer < wanted do
    local bytes, problem, partial = self.object:receive(wanted - #self.buffer)
    local got = bytes or partial or ""
    self.buffer = self.buffer .. got
    if got ~= "" then
      self:note()
    elseif problem == "timeout" then
      coroutine.yield { object = self.object, wants = "read" }
    else
      return false
    end
  end
  return true
end

-- The first bytes of an attempt have come.
function Connection:note()
  if self.attempt and not self.noted then
    self.noted = true
    self.port.report.seen = self.port.report.seen + 1
  end
end

-- Reads one request, at most `most` bytes of it: its operation, or nil when it is not whole.
function Connection:request(most)
  local size = 1
  while true do
    if most and size > most then
      return nil, true
    elseif not self:fill(size) then
      return nil
    end
    local _, head = self.buffer:find("\r\n\r\n", 1, true)
    if head then
      local length = tonumber(self.buffer:lower():match "content%-length: (%d+)") or 0
      size = head + length
      if most and size > most then
        size = most
        if not self:fill(size) then
          return nil
        end
        return nil, true
      end
      if not self:fill(size) then
        return nil
      end
      local operation = self.buffer:match "BaldrApiService%.(%a+)"
      self.buffer = ""
      return operation
    end
    -- what is there may be taken in one piece
    local bytes, problem, partial = self.object:receive(math.min(most and most - #self.buffer or 4096, 4096))
    local got = bytes or partial or ""
    self.buffer = self.buffer .. got
    if got == "" then
      if problem ~= "timeout" then
        return nil
      end
      size = #self.buffer + 1
    else
      self:note()
      size = #self.buffer
    end
  end
end

function Connection:send(bytes, watched)
  local at = 1
  while at <= #bytes do
    local last, problem, partial = self.object:send(bytes, at)
    local done = (last or partial or at - 1) + 1
    if watched then
      watched.answered = watched.answered + done - at
    end
    at = done
    if not last then
      if problem ~= "timeout" then
        return false
      end
      coroutine.yield { object = self.object, wants = "write" }
    end
  end
  return true
end

function Connection:close(abruptly)
  if abruptly then
    self.object:setoption("linger", { on = true, timeout = 0 })
  end
  self.object:close()
  self.port.connections[self] = nil
end

local function pause(seconds)
  coroutine.yield { at = socket.gettime() + seconds }
end

local function answer(status, body)
  return ("HTTP/1.1 %s\r\nContent-Type: application/x-amz-json-1.1\r\nx-amzn-RequestId: 1234\r\nContent-Length: %d\r\n\r\n%s"):format(
    status,
    #body,
    body
  )
end

local function success(operation)
  return answer("200 OK", canned.calls[operation][2])
end

-- ---- Faults: each gets the connection, where it strikes, and what is reported; true: the connection stays ----

local faults = {}

local function whole(connection, report)
  local operation = connection:request()
  if operation then
    report.whole = report.whole + 1
  end
  return operation
end

-- The whole request, and `bytes` of a good answer.
local function begin_answer(connection, at, report)
  local operation = whole(connection, report)
  if not operation then
    return
  end
  local text = success(operation)
  if connection:send(text:sub(1, at), report) and at >= #text then
    report.full = report.full + 1
  end
end

function faults.close_request(connection, at)
  if at > 0 then
    connection:request(at)
  end
  connection:close(false)
end

function faults.reset_request(connection, at)
  if at > 0 then
    connection:request(at)
  end
  connection:close(true)
end

function faults.stall_request(connection, at)
  if at > 0 then
    connection:request(at)
  end
  pause(5)
end

function faults.close_answer(connection, at, report)
  begin_answer(connection, at, report)
  connection:close(false)
end

function faults.reset_answer(connection, at, report)
  begin_answer(connection, at, report)
  connection:close(true)
end

function faults.stall_answer(connection, at, report)
  begin_answer(connection, at, report)
  pause(5)
end

local function answered(connection, report, text)
  if connection:send(text, report) then
    report.full = report.full + 1
  end
  return true
end

function faults.good(connection, _, report)
  local operation = whole(connection, report)
  return operation and answered(connection, report, success(operation))
end

function faults.delay(connection, at, report)
  local operation = whole(connection, report)
  pause(at / 50000)
  return operation and answered(connection, report, success(operation))
end

function faults.drip(connection, at, report)
  local operation = whole(connection, report)
  if not operation then
    return
  end
  local text = success(operation)
  local cut = math.min(at, #text - 1)
  connection:send(text:sub(1, cut), report)
  pause(0.005)
  return answered(connection, report, text:sub(cut + 1))
end

function faults.broken(connection, _, report)
  return whole(connection, report) and answered(connection, report, answer("500 Internal Server Error", canned.passing))
end

function faults.refused(connection, _, report)
  if not whole(connection, report) then
    return
  end
  report.refused = report.refused + 1
  return answered(connection, report, answer("400 Bad Request", canned.refusal))
end

function faults.throttled(connection, _, report)
  if not whole(connection, report) then
    return
  end
  report.rejected = report.rejected + 1
  return answered(
    connection,
    report,
    answer("400 Bad Request", '{"__type":"ThrottlingException","message":"Rate exceeded"}')
  )
end

function faults.garbage(connection, _, report)
  return whole(connection, report) and answered(connection, report, answer("200 OK", "<html>Please log in</html>"))
end

-- ---- Serving ----

local function serve(connection)
  local port = connection.port
  local report, plan = port.report, port.plan
  while plan.warm ~= "no" and not plan.warmed do
    local operation = connection:request()
    if not operation then
      return connection:close(false)
    end
    connection:send(success(operation))
    plan.warmed = true
    if plan.warm == "close" then
      return connection:close(false)
    end
    if not connection:fill(1) then
      return connection:close(false)
    end
  end
  local open = true
  while open do
    report.attempts = report.attempts + 1
    connection.attempt, connection.noted = report.attempts, false
    if #connection.buffer > 0 then
      connection:note()
    end
    local fault, at = plan["f" .. report.attempts] or "good", tonumber(plan["a" .. report.attempts] or 0)
    open = faults[fault](connection, at, report)
    open = open and connection:fill(1)
  end
  if port.connections[connection] then
    connection:close(false)
  end
end

local function run(task, ...)
  local fine, wish = coroutine.resume(task, ...)
  tasks[task] = coroutine.status(task) ~= "dead" and wish or nil
  if not fine then
    io.stderr:write("once_server: ", tostring(wish), "\n")
  end
end

local function accept(port)
  local object = port.listener:accept()
  while object do
    object:settimeout(0)
    object:setoption("tcp-nodelay", true)
    local connection = setmetatable({ object = object, buffer = "", port = port }, Connection)
    port.connections[connection] = true
    connection.task = coroutine.create(serve)
    run(connection.task, connection)
    object = port.listener:accept()
  end
end

-- Lets nothing of what has arrived uncounted, and closes every connection of the port.
local function finish(port)
  accept(port)
  for connection in pairs(port.connections) do
    local wish = tasks[connection.task]
    if wish and wish.wants == "read" then
      run(connection.task)
    end
    if port.connections[connection] then
      local _, _, partial = connection.object:receive(65536)
      if partial and partial ~= "" then
        connection:note()
      end
      connection:close(true)
    end
    tasks[connection.task] = nil
  end
  port.connections = {}
end

local function control(object)
  local buffer = ""
  while true do
    local _, problem, partial = object:receive(65536)
    buffer = buffer .. (partial or "")
    if problem == "closed" then
      return object:close()
    end
    local query, rest = buffer:match "^GET /next%?(%S+).-\r\n\r\n(.*)$"
    if query then
      buffer = rest
      local plan = {}
      for name, value in query:gmatch "([%w]+)=([%w_]+)" do
        plan[name] = value
      end
      local port = ports[tonumber(plan.w)]
      finish(port)
      local words = {}
      for name, value in pairs(port.report) do
        words[#words + 1] = name .. "=" .. value
      end
      port.plan, port.report = plan, nothing_seen()
      local text = table.concat(words, " ")
      object:send(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#text, text))
    else
      coroutine.yield { object = object, wants = "read" }
    end
  end
end

local function listen()
  local object = assert(socket.bind("127.0.0.1", 0, 64))
  object:settimeout(0)
  return object, (select(2, object:getsockname()))
end

local controller, control_port = listen()
local refusing = assert(socket.tcp())
assert(refusing:bind("127.0.0.1", 0)) -- and never listens
local announced = { control_port, (select(2, refusing:getsockname())) }
for i = 1, count do
  local object, number = listen()
  ports[i] = { listener = object, connections = {}, plan = { warm = "no" }, report = nothing_seen() }
  announced[#announced + 1] = number
end
io.stdout:write(table.concat(announced, " "), "\n")
io.stdout:flush()

-- Standard input as something to select on: it is readable when the parent has closed it, or is gone.
local parent = {
  getfd = function()
    return 0
  end,
  dirty = function()
    return false
  end,
}

while socket.gettime() < deadline do
  local reading, writing, soonest = { parent, controller }, {}, deadline
  for _, port in ipairs(ports) do
    reading[#reading + 1] = port.listener
  end
  for _, wish in pairs(tasks) do
    if wish.at then
      soonest = math.min(soonest, wish.at)
    else
      local list = wish.wants == "write" and writing or reading
      list[#list + 1] = wish.object
    end
  end
  local readable, writable = socket.select(reading, writing, math.max(0, soonest - socket.gettime()))
  if readable[parent] then
    break
  end
  local ready, now = {}, socket.gettime()
  for task, wish in pairs(tasks) do
    if wish.at and wish.at <= now or wish.object and (readable[wish.object] or writable[wish.object]) then
      ready[#ready + 1] = task
    end
  end
  for _, port in ipairs(ports) do
    if readable[port.listener] then
      accept(port)
    end
  end
  for _, task in ipairs(ready) do
    if tasks[task] then
      run(task)
    end
  end
  if readable[controller] then
    local object = controller:accept()
    object:settimeout(0)
    object:setoption("tcp-nodelay", true)
    run(coroutine.create(control), object)
  end
end
