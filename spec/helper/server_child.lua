-- A server of good and of bad answers, on loopback only: the child process of spec.helper.server.
--
-- Each argument is one listener: "plain", "tls,CERTIFICATE,KEY,PROTOCOL", "proxy" or "proxy,CERTIFICATE,KEY,PROTOCOL", the latter
-- answering inside the tunnel itself. One of TLS that asks for a certificate of the client ends with ",AUTHORITY,wanted" or with
-- ",AUTHORITY,needed". Their ports are printed on one line. What a request gets is said by its path. The process
-- ends when its standard input ends, and after two minutes in any case.

local socket = require "socket"

local LIFETIME = 120 -- seconds

local deadline = socket.gettime() + LIFETIME
local tasks = {} -- by coroutine: { object = socket, wants = "read" | "write" } or { at = time }
local seen = {} -- by tag: how many requests with this tag were read whole
local connections = 0
local listeners = {}

-- ---- Tasks ----

local function pause(seconds)
  coroutine.yield { at = socket.gettime() + seconds }
end

local function wait_for(object, reason)
  coroutine.yield { object = object, wants = (reason == "wantwrite" or reason == "write") and "write" or "read" }
end

local Connection = {}
Connection.__index = Connection

-- Reads until `self.buffer` matches; false when the peer is gone.
function Connection:fill(is_enough)
  while not is_enough(self.buffer) do
    local bytes, problem, partial = self.object:receive(65536)
    self.buffer = self.buffer .. (bytes or partial or "")
    if not bytes and problem ~= "timeout" and problem ~= "wantread" and problem ~= "wantwrite" then
      return is_enough(self.buffer)
    end
    if not bytes and (partial or "") == "" then
      wait_for(self.object, problem == "wantwrite" and "write" or "read")
    end
  end
  return true
end

-- Sends everything; false when the peer is gone.
function Connection:send(bytes)
  local at = 1
  while at <= #bytes do
    local last, problem, partial = self.object:send(bytes, at)
    if not last and problem ~= "timeout" and problem ~= "wantread" and problem ~= "wantwrite" then
      return false
    end
    at = (last or partial or at - 1) + 1
    if not last then
      wait_for(self.object, problem == "wantread" and "read" or "write")
    end
  end
  return true
end

function Connection:reply(body, headers, status)
  return self:send(
    ("HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s"):format(status or "200 OK", #body, headers or "", body)
  )
end

function Connection:start_tls(tls)
  local wrapped = assert(require("ssl").wrap(self.object, {
    mode = "server",
    protocol = tls.protocol,
    certificate = tls.certificate,
    key = tls.key,
    ciphers = tls.protocol == "tlsv1_1" and "ALL:@SECLEVEL=0" or nil,
    cafile = tls.authority,
    verify = tls.authority and { "peer", tls.needed and "fail_if_no_peer_cert" or nil } or nil,
    alpn = function(offered)
      self.offered = table.concat(offered, ",")
      return "http/1.1"
    end,
  }))
  wrapped:settimeout(0)
  self.object = wrapped
  while true do
    local good, problem = wrapped:dohandshake()
    if good then
      return true
    elseif problem ~= "wantread" and problem ~= "wantwrite" and problem ~= "timeout" then
      pause(tls.authority and 0.05 or 0) -- to be read before a reset, which follows when the client has sent more
      return false
    end
    wait_for(wrapped, problem)
  end
end

-- ---- Answers: each gets the connection and the request; true keeps the connection ----

local good = {}

function good.fixed(connection)
  return connection:reply '{"ok":true}'
end

function good.echo(connection, request)
  return connection:reply(request.head .. request.body)
end

function good.seen(connection, request)
  return connection:reply(tostring(seen[request.path:match "[^/]+$"] or 0))
end

function good.connections(connection)
  return connection:reply(tostring(connections))
end

function good.number(connection)
  return connection:reply(tostring(connection.number))
end

function good.alpn(connection)
  return connection:reply(connection.offered or "")
end

-- The name in the certificate of the client.
good["client-certificate"] = function(connection)
  local certificate = connection.object.getpeercertificate and connection.object:getpeercertificate()
  return connection:reply(certificate and certificate:subject()[1].value or "none")
end

function good.bytes(connection, request)
  return connection:reply(("x"):rep(tonumber(request.path:match "%d+$")))
end

function good.status(connection, request)
  return connection:reply("status", "", request.path:match "%d+$" .. " Some Words")
end

-- /answer/STATUS/BODY/HEADERS, the last two in hexadecimal digits.
function good.answer(connection, request)
  local function bytes(digits)
    return (digits:gsub("%x%x", function(pair)
      return string.char(tonumber(pair, 16))
    end))
  end
  local status, body, headers = request.path:match "^/answer/(%d+)/(%x*)/(%x*)"
  return connection:reply(bytes(body), bytes(headers), status .. " Some Words")
end

function good.repeated(connection)
  return connection:reply("", "X-One:  a \r\nx-two: b\r\nX-ONE: c\r\nx-three:\r\nx-one:\td\t\r\n")
end

function good.interim(connection)
  connection:send "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX-Early: yes\r\nContent-Length: 77\r\n\r\n"
  pause(0.01)
  return connection:reply("final", "X-Late: yes\r\n")
end

function good.chunked(connection)
  connection:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\n"
  pause(0.01)
  return connection:send "2\r\nde\r\n0\r\nX-Trailer: t\r\n\r\n"
end

function good.drip(connection)
  connection:send "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"
  for _ = 1, 8 do
    pause(0.05)
    connection:send "x"
  end
  return true
end

good["no-length"] = function(connection)
  connection:send "HTTP/1.1 200 OK\r\n\r\nuntil the end"
end

good["http-1.0"] = function(connection)
  connection:send "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold"
end

good["both-lengths"] = function(connection)
  return connection:send "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n"
end

good["short-length"] = function(connection)
  connection:send "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright"
  pause(0.02)
  return connection:send "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
end

-- Both at once, so that they are in one record of TLS.
good["spilled"] = function(connection)
  return connection:send "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nrightHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
end

-- The same with JSON, as the service would have it.

good["interim-json"] = function(connection)
  connection:send "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
  return connection:reply '{"Clusters":[]}'
end

good["old-json"] = function(connection)
  connection:send 'HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n{"Clusters":[]}'
end

good["half-json"] = function(connection)
  connection:send 'HTTP/1.1 200 OK\r\n\r\n{"Clusters":['
end

-- /delay/MILLISECONDS, and what the most of these at a time were: the latter starts a new count.
local delayed, most_delayed = 0, 0

function good.delay(connection, request)
  delayed = delayed + 1
  most_delayed = math.max(most_delayed, delayed)
  pause(tonumber(request.path:match "%d+$") / 1000)
  delayed = delayed - 1
  return connection:reply "{}"
end

good["most-delayed"] = function(connection)
  local most = most_delayed
  most_delayed = delayed
  return connection:reply(tostring(most))
end

local bad = {}

function bad.close() end

function bad.reset(connection)
  connection.object:setoption("linger", { on = true, timeout = 0 })
end

-- Takes the whole server away before the connection: a repeated request finds nobody.
function bad.leave(connection)
  for _, listener in ipairs(listeners) do
    listener.object:close()
  end
  connection.object:close()
  os.exit(0)
end

function bad.hang()
  pause(LIFETIME)
end

bad["hang-head"] = function(connection)
  connection:send "HTTP/1.1 200 OK\r\nX-Half: "
  pause(LIFETIME)
end

bad["hang-body"] = function(connection)
  connection:send "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
  pause(LIFETIME)
end

bad["slow-head"] = function(connection)
  connection:send "HTTP/1.1 200 OK\r\n"
  repeat
    pause(0.05)
  until not connection:send "X-More: x\r\n"
end

function bad.truncated(connection)
  connection:send "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"
end

bad["reset-body"] = function(connection)
  connection:send "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"
  pause(0.02)
  connection.object:setoption("linger", { on = true, timeout = 0 })
end

bad["cut-chunk"] = function(connection)
  connection:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nshort"
end

bad["bad-chunk"] = function(connection)
  connection:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nnothing\r\n0\r\n\r\n"
end

bad["cut-head"] = function(connection)
  connection:send "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-Half: "
end

bad["header-bomb"] = function(connection)
  connection:send "HTTP/1.1 200 OK\r\n"
  local line = "X-Bomb: " .. ("x"):rep(1000) .. "\r\n"
  for _ = 1, 290 do
    if not connection:send(line) then
      return
    end
  end
  connection:send "Content-Length: 0\r\n\r\n"
end

bad["many-headers"] = function(connection)
  connection:send("HTTP/1.1 200 OK\r\n" .. ("a: b\r\n"):rep(1100) .. "Content-Length: 0\r\n\r\n")
end

bad["long-header"] = function(connection)
  connection:send("HTTP/1.1 200 OK\r\nX-Long: " .. ("x"):rep(200000) .. "\r\nContent-Length: 0\r\n\r\n")
end

bad["endless-interim"] = function(connection)
  while connection:send(("HTTP/1.1 102 Processing\r\nX-Again: and again\r\n\r\n"):rep(100)) do
    pause(0.001)
  end
end

bad["interim-close"] = function(connection)
  connection:send "HTTP/1.1 103 Early Hints\r\n\r\n"
end

bad["long-body"] = function(connection)
  connection:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
  local chunk = "10000\r\n" .. ("x"):rep(65536) .. "\r\n"
  while connection:send(chunk) do
  end
end

bad["long-length"] = function(connection)
  connection:send "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nx"
  pause(LIFETIME)
end

function bad.garbage(connection)
  connection:send "SSH-2.0-OpenSSH_9.2\r\n"
end

function bad.switch(connection)
  connection:send "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nwhatever"
end

function bad.redirect(connection)
  return connection:reply("", "Location: /fixed?tag=followed\r\n", "307 Temporary Redirect")
end

function bad.gzip(connection)
  return connection:reply("\31\139\8\0\0\0\0\0\0\3\3\0\0\0\0\0\0\0\0\0", "Content-Encoding: gzip\r\n")
end

bad["gzip-transfer"] = function(connection)
  connection:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
end

bad["two-lengths"] = function(connection)
  connection:send "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nright!"
end

bad["list-of-lengths"] = function(connection)
  connection:send "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nright"
end

bad["folded"] = function(connection)
  connection:send "HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\nContent-Length: 0\r\n\r\n"
end

bad["zero-byte"] = function(connection)
  connection:send "HTTP/1.1 200 OK\r\nX-Zero: a\0b\r\nContent-Length: 0\r\n\r\n"
end

bad["no-colon"] = function(connection)
  connection:send "HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 0\r\n\r\n"
end

bad["bare-return"] = function(connection)
  connection:send "HTTP/1.1 200 OK\r\nX-Bare: a\rX-Hidden: b\r\nContent-Length: 0\r\n\r\n"
end

local proxy = {}

proxy["refused.example"] = "403 Forbidden"
proxy["broken.example"] = "502 Bad Gateway"

-- CONNECT to a proxy: true when the tunnel is open.
local function open_tunnel(connection, request)
  connection.connect_head = request.head
  local authorized = request.head:find "Proxy%-Authorization: Basic dXNlcjpzZWNyZXQ="
  local status = not authorized and "407 Proxy Authentication Required" or proxy[request.path:match "^[^:]+"]
  if status then
    connection:reply("", 'Proxy-Authenticate: Basic realm="x"\r\n', status)
    return false
  end
  return connection:send "HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\nContent-Encoding: gzip\r\n\r\n"
end

-- ---- Connections ----

local function read_request(connection)
  if not connection:fill(function(bytes)
    return bytes:find("\r\n\r\n", 1, true)
  end) then
    return nil
  end
  local _, head_end = connection.buffer:find("\r\n\r\n", 1, true)
  local request = { head = connection.buffer:sub(1, head_end) }
  local length = tonumber(request.head:lower():match "content%-length: (%d+)") or 0
  if not connection:fill(function(bytes)
    return #bytes >= head_end + length
  end) then
    return nil
  end
  request.body = connection.buffer:sub(head_end + 1, head_end + length)
  connection.buffer = connection.buffer:sub(head_end + length + 1)
  local target
  request.method, target = request.head:match "^(%S+) (%S+)"
  request.path = target:gsub("^http://[^/]*", ""):gsub("?.*", "")
  request.tag = target:match "[?&]tag=([%w-]+)" or target:match "/tag%-([%w-]+)"
  return request
end

local function answer(connection, request)
  local name = request.path:match "^/([^/]*)"
  local handler = good[name] or bad[name]
  if not handler then
    return connection:reply("no such answer", "", "404 Not Found")
  end
  return handler(connection, request)
end

local function serve(listener, object)
  local connection = setmetatable({ object = object, buffer = "", number = connections }, Connection)
  if not listener.proxy and listener.tls and not connection:start_tls(listener.tls) then
    return connection.object:close()
  end
  local open = true
  while open do
    local request = read_request(connection)
    if not request then
      break
    end
    if request.tag then
      seen[request.tag] = (seen[request.tag] or 0) + 1
    end
    if request.method == "CONNECT" then
      open = open_tunnel(connection, request) and (not listener.tls or connection:start_tls(listener.tls))
    elseif request.path == "/connect-head" then
      open = connection:reply(connection.connect_head or "")
    elseif
      listener.proxy
      and not connection.connect_head
      and not request.head:find "Proxy%-Authorization: Basic dXNlcjpzZWNyZXQ="
    then
      open = connection:reply("", 'Proxy-Authenticate: Basic realm="x"\r\n', "407 Proxy Authentication Required")
    else
      open = answer(connection, request)
    end
  end
  connection.object:close()
end

-- ---- Process ----

local function listen(argument)
  local kind, certificate, key, protocol, authority, need =
    argument:match "^(%w+),?([^,]*),?([^,]*),?([^,]*),?([^,]*),?([^,]*)$"
  local object = assert(socket.bind("127.0.0.1", 0, 64))
  object:settimeout(0)
  return {
    object = object,
    proxy = kind == "proxy",
    tls = certificate ~= "" and {
      certificate = certificate,
      key = key,
      protocol = protocol,
      authority = authority ~= "" and authority or nil,
      needed = need == "needed",
    } or nil,
  }
end

local ports = {}
for i, argument in ipairs(arg) do
  listeners[i] = listen(argument)
  ports[i] = select(2, listeners[i].object:getsockname())
end
io.stdout:write(table.concat(ports, " "), "\n")
io.stdout:flush()

local function resume(task)
  local fine, wish = coroutine.resume(task)
  tasks[task] = coroutine.status(task) ~= "dead" and wish or nil
  if not fine then
    io.stderr:write("server: ", tostring(wish), "\n")
  end
end

-- Standard input as something to select on: it is readable when the parent has closed it, or is gone.
local parent = {
  getfd = function()
    return 0
  end,
  dirty = function()
    return false
  end,
}

local function accept(listener)
  local object = listener.object:accept()
  while object do
    object:settimeout(0)
    object:setoption("tcp-nodelay", true)
    connections = connections + 1
    local task = coroutine.create(serve)
    local fine, wish = coroutine.resume(task, listener, object)
    tasks[task] = coroutine.status(task) ~= "dead" and wish or nil
    if not fine then
      io.stderr:write("server: ", tostring(wish), "\n")
    end
    object = listener.object:accept()
  end
end

while socket.gettime() < deadline do
  local reading, writing, soonest = { parent }, {}, deadline
  for _, listener in ipairs(listeners) do
    reading[#reading + 1] = listener.object
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
  for _, task in ipairs(ready) do
    resume(task)
  end
  for _, listener in ipairs(listeners) do
    if readable[listener.object] then
      accept(listener)
    end
  end
end
