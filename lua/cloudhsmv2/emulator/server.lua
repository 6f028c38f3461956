--- An HTTP server for the emulator, on LuaSocket: one thread, several connections.
--
-- It listens on the loopback interface unless told otherwise: everyone who reaches it can use it. It prints nothing.
-- @module cloudhsmv2.emulator.server
-- @usage
-- local emulator = require("cloudhsmv2.emulator").new { clock = "scaled:60" }
-- local server = assert(require("cloudhsmv2.emulator.server").new(emulator, { port = 8080 }))
-- server:run()

local delivery = require "cloudhsmv2.emulator.delivery"
local errors = require "cloudhsmv2.errors"
local http = require "cloudhsmv2.emulator.http"

local server = {}
local methods = {}
local metatable = { __name = "cloudhsmv2.emulator.server", __index = methods }

local READ_SIZE = 65536 -- bytes
local BACKLOG = 64
local DRAIN_TIME = 1 -- seconds that a refused client may go on sending, so that it sees why it was refused
local TURN = 8 -- requests that one connection gets answered before the others have their turn
local LONGEST_ROUND = 0.25 -- seconds between two looks at the timeouts, at most

local DEFAULTS = {
  host = "127.0.0.1",
  port = 0,
  max_body = 1048576, -- bytes; the largest request of the API has two certificates of 20,000 characters
  max_header = 65536, -- bytes
  max_connections = 256, -- select() serves no more than about a thousand
  idle_timeout = 60, -- seconds between requests
  request_timeout = 30, -- seconds for a whole request to arrive
}

-- LuaSocket is loaded when a server is made: the emulator itself does without it.
local function load_socket()
  local found, socket = pcall(require, "socket")
  if found then
    return socket
  end
  local message = "the emulator's server needs LuaSocket: apt-get install lua-socket, or luarocks install luasocket"
  return nil, errors.new { kind = "config", code = "LuaSocketMissing", message = message }
end

local function plain(status, text)
  return { status = status, headers = { { "content-type", "text/plain" } }, body = text .. "\n" }
end

-- Sends an answer in the way that its faults want. Returns how the connection ends, if it does: "close" or "reset".
local function deliver(self, connection, answer, keep_alive, head_only)
  return delivery.send(answer, {
    wait = function(seconds)
      connection.wake = self.socket.gettime() + seconds
      coroutine.yield "pause"
    end,
    head = function()
      connection.output = connection.output .. http.head(answer, keep_alive)
    end,
    body = function(bytes)
      connection.output = connection.output .. (head_only and "" or bytes)
    end,
    break_off = function(how)
      return how
    end,
  })
end

-- What a connection does, from its first byte to its last: a coroutine that yields "input", "output" or "pause" to wait.
local function converse(self, connection)
  local function send(bytes)
    connection.output = connection.output .. bytes
  end
  local reader = connection.reader
  while true do
    local request, status, reason = reader:read_request(function()
      send(http.CONTINUE)
    end)
    if not request then
      if status then
        send(http.response(plain(status, reason), false))
        connection.drains = true
      end
      return
    end
    request.received_at = self.socket.gettime()
    local fine, answer = pcall(connection.door.handle, request)
    if not fine then
      if self.on_error then
        self.on_error(answer)
      end
      answer = plain(500, "internal error")
    end
    local keep_alive = request.keep_alive and not self.stopping
    local head_only = request.method == "HEAD"
    if answer.delivery then
      connection.ends = deliver(self, connection, answer, keep_alive, head_only)
    else
      send(http.response(answer, keep_alive, head_only))
    end
    if not keep_alive or connection.ends then
      return
    end
    coroutine.yield "output" -- answers to pipelined requests do not pile up
    connection.since = self.socket.gettime()
  end
end

local function drop(self, connection)
  if connection.ends == "reset" then
    connection.socket:setoption("linger", { on = true, timeout = 0 }) -- closed with an RST
  end
  connection.socket:close()
  self.connections[connection.socket] = nil
  connection.door.count = connection.door.count - 1
  self.count = self.count - 1
end

local function begin_drain(self, connection)
  connection.waiting = "drain"
  connection.since = self.socket.gettime()
  connection.socket:shutdown "send"
end

-- Lets the conversation go on until it has to wait for the socket.
local function resume(self, connection, bytes)
  local fine, waiting = coroutine.resume(connection.thread, bytes)
  if not fine and self.on_error then
    self.on_error(waiting)
  end
  connection.waiting = fine and waiting or "close"
end

-- Sends what there is to send. A conversation that waited for that goes on, for some requests in one go.
local function flush(self, connection)
  local answered = 0
  while connection.output ~= "" do
    local sent, err, part = connection.socket:send(connection.output)
    connection.output = connection.output:sub((sent or part or 0) + 1)
    if err == "timeout" then
      return
    elseif err then
      return drop(self, connection)
    end
    if connection.output == "" and connection.waiting == "output" then
      answered = answered + 1
      if answered == TURN then
        connection.waiting = "turn"
        return
      end
      resume(self, connection)
    end
  end
  if connection.waiting == "close" then
    if connection.drains and not connection.ended then
      begin_drain(self, connection)
    else
      drop(self, connection)
    end
  end
end

local function receive(self, connection)
  local data, err, part = connection.socket:receive(READ_SIZE)
  data = data or part or ""
  local ended = err ~= nil and err ~= "timeout"
  if connection.waiting == "drain" then
    if ended then
      drop(self, connection)
    end
    return
  end
  if data ~= "" then
    if not connection.reader.reading then
      connection.since = self.socket.gettime()
    end
    resume(self, connection, data)
  end
  if ended then
    connection.ended = true
    if connection.waiting == "input" then
      resume(self, connection, nil)
    end
  end
  flush(self, connection)
end

local function accept(self, door)
  local client = door.listener:accept()
  if not client then
    return
  end
  client:settimeout(0)
  client:setoption("tcp-nodelay", true)
  local connection = { socket = client, door = door, output = "", waiting = "input", since = self.socket.gettime() }
  connection.reader = http.reader(function()
    return coroutine.yield "input"
  end, door.limits)
  connection.thread = coroutine.create(function()
    converse(self, connection)
  end)
  self.connections[client] = connection
  door.count = door.count + 1
  self.count = self.count + 1
  resume(self, connection)
end

-- Lets connections go on whose pause is over, or whose turn it is again.
local function wake(self)
  local now = self.socket.gettime()
  for _, connection in pairs(self.connections) do
    local waiting = connection.waiting
    if waiting == "turn" or waiting == "pause" and connection.wake <= now then
      connection.since = now
      resume(self, connection)
      flush(self, connection)
    end
  end
end

-- Ends what took too long.
local function expire(self)
  local now = self.socket.gettime()
  if now < self.looks_at then
    return
  end
  self.looks_at = now + math.min(LONGEST_ROUND, self.idle_timeout / 4, self.request_timeout / 4)
  for _, connection in pairs(self.connections) do
    local limit = self.idle_timeout
    if connection.waiting == "pause" then
      limit = math.huge
    elseif connection.waiting == "drain" then
      limit = DRAIN_TIME
    elseif connection.reader.reading or connection.output ~= "" then
      limit = self.request_timeout
    end
    if now - connection.since > limit then
      if connection.waiting == "input" and connection.reader.reading then
        connection.output = http.response(plain(408, "the request took too long"), false)
        connection.waiting = "close"
        connection.drains = true
        connection.since = now
        flush(self, connection)
      else
        drop(self, connection)
      end
    end
  end
end

--- One round: waits for something to happen, at most `timeout` seconds, and deals with it.
-- @tparam number timeout seconds
function methods:step(timeout)
  local readers, writers = {}, {}
  for listener, door in pairs(self.doors) do
    if door.count < self.max_connections then
      readers[#readers + 1] = listener
    end
  end
  for descriptor in pairs(self.watched) do
    readers[#readers + 1] = descriptor
  end
  local sleepers = false
  for socket, connection in pairs(self.connections) do
    local waiting = connection.waiting
    if waiting == "pause" or waiting == "turn" then
      sleepers = true
      local left = waiting == "pause" and connection.wake - self.socket.gettime() or 0
      timeout = math.max(0, math.min(timeout, left))
    end
    if connection.output ~= "" then
      writers[#writers + 1] = socket
    elseif waiting == "input" or waiting == "drain" then
      readers[#readers + 1] = socket
    end
  end

  local readable, writable = self.socket.select(readers, writers, timeout)
  for _, ready in ipairs(writable) do
    flush(self, self.connections[ready])
  end
  for _, ready in ipairs(readable) do
    if self.doors[ready] then
      accept(self, self.doors[ready])
    elseif self.watched[ready] then
      self.watched[ready]()
    elseif self.connections[ready] then
      receive(self, self.connections[ready])
    end
  end
  if sleepers then
    wake(self)
  end
  expire(self)
end

--- Serves until `stop` is called, or for a while.
-- @tparam[opt] number lifetime seconds after which it stops by itself
function methods:run(lifetime)
  local deadline = lifetime and self.socket.gettime() + lifetime
  while not self.stopping do
    local left = deadline and deadline - self.socket.gettime() or 1
    if left <= 0 then
      break
    end
    self:step(math.min(left, 1)) -- seconds; timeouts are looked at between rounds
  end
  self:close()
end

--- Lets `run` end after the round at hand.
function methods:stop()
  self.stopping = true
end

--- Calls a function whenever something can be read.
-- @tparam table descriptor has a method `getfd` that returns a file descriptor
-- @tparam function callback
function methods:watch(descriptor, callback)
  self.watched[descriptor] = callback
end

-- Listens on an address, for requests that `handle` answers. Returns a door with `host`, `port` and `url`.
local function open_door(self, host, port, handle, max_body)
  local listener, reason = self.socket.bind(host, port, BACKLOG)
  if not listener then
    local message = ("cannot listen on %s port %d: %s"):format(host, port, reason)
    return nil, errors.new { kind = "transport", code = "CannotListen", message = message }
  end
  listener:settimeout(0)
  host, port = listener:getsockname()
  local door = {
    listener = listener,
    handle = handle,
    limits = { max_header = self.max_header, max_body = max_body },
    count = 0, -- connections
    host = host,
    port = tonumber(port),
    url = ("http://%s:%s"):format(host:find(":", 1, true) and "[" .. host .. "]" or host, port),
  }
  self.doors[listener] = door
  return door
end

--- Serves on another port, too, what is not to be reached on the first one.
-- @tparam function handle answers a request (`method`, `target`, `headers`, `body`) with `status`, `headers` and `body`
-- @tparam[opt] table options `host` (default 127.0.0.1), `port` (default 0: any free one), `max_body` (bytes)
-- @treturn[1] table with `host`, `port` and `url`
-- @treturn[2] nil
-- @treturn[2] table an error of kind `transport`
function methods:listen(handle, options)
  options = options or {}
  local max_body = options.max_body or self.max_body
  return open_door(self, options.host or DEFAULTS.host, options.port or DEFAULTS.port, handle, max_body)
end

--- Closes the listeners and all connections. Closing twice is fine.
function methods:close()
  self.stopping = true
  for listener in pairs(self.doors) do
    listener:close()
  end
  for _, connection in pairs(self.connections) do
    connection.socket:close()
  end
  self.connections, self.doors, self.count = {}, {}, 0
end

--- A server that listens, and serves once `run` or `step` is called.
-- @tparam table emulator
-- @tparam[opt] table options `host` (default 127.0.0.1), `port` (default 0: any free one), `max_body` and `max_header`
-- (bytes), `max_connections`, `idle_timeout` and `request_timeout` (seconds), `on_error` (a function that is told of
-- errors in the emulator)
-- @treturn[1] table with `host`, `port` and `url`
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config` when LuaSocket is missing, of kind `transport` when it cannot listen
function server.new(emulator, options)
  local socket, err = load_socket()
  if not socket then
    return nil, err
  end
  local self =
    { socket = socket, connections = {}, count = 0, doors = {}, watched = {}, stopping = false, looks_at = 0 }
  for name, default in pairs(DEFAULTS) do
    self[name] = default
    if options and options[name] ~= nil then
      self[name] = options[name]
    end
  end
  self.on_error = options and options.on_error
  local door
  door, err = open_door(self, self.host, self.port, function(request)
    return emulator:handle(request)
  end, self.max_body)
  if not door then
    return nil, err
  end
  self.host, self.port, self.url = door.host, door.port, door.url
  return setmetatable(self, metatable)
end

return server
