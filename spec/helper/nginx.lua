--- Starts and stops a real nginx on loopback, from the text of a configuration.
--
-- The text is what stands inside `http { }`. `${name}` in it is a port chosen for that name, or one of `values`.
-- A worker has the Lua path of this tree, and the C module that was built for LuaJIT.

local socket = require "socket"

local nginx = {}

local MODULES = "/usr/lib/nginx/modules/" -- Debian's; OpenResty has the module built in
local LIFETIME = 300 -- seconds after which nginx is stopped though nobody did

local methods = {}
local metatable = { __index = methods }

local function exists(path)
  local file = io.open(path)
  if file then
    file:close()
  end
  return file ~= nil
end

local function read(path)
  local file = io.open(path, "rb")
  local content = file and file:read "*a"
  if file then
    file:close()
  end
  return content
end

local function write(path, content)
  local file = assert(io.open(path, "wb"))
  file:write(content)
  file:close()
end

--- What a shell command prints.
local function output(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

-- The folder that holds cloudhsmv2/core.so for LuaJIT, beside the one of the Lua that runs this.
local function module_folder(root)
  local build = package.cpath:match "([^;]*)/[^/;]+/%?%.so" or "build"
  for _, folder in ipairs { build .. "/jit", build .. "/5.1", "build/jit", "build/5.1" } do
    folder = folder:sub(1, 1) == "/" and folder or root .. "/" .. folder
    if exists(folder .. "/cloudhsmv2/core.so") then
      return folder
    end
  end
  error "no cloudhsmv2/core.so for LuaJIT: build it with `make LUA_VERSIONS=jit`"
end

local function free_ports(count)
  local listeners, ports = {}, {}
  for i = 1, count do -- all of them open at once, so that no two are the same
    listeners[i] = assert(socket.bind("127.0.0.1", 0))
    ports[i] = select(2, listeners[i]:getsockname())
  end
  for _, listener in ipairs(listeners) do
    listener:close()
  end
  return ports
end

local MAIN = [[
${load}${user}
daemon off;
worker_processes ${workers};
pid nginx.pid;
error_log ${log} ${level};
${main}
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  keepalive_requests 100000;
  lua_package_path "${root}/lua/?.lua;${root}/lua/?/init.lua;${root}/?.lua;;";
  lua_package_cpath "${modules}/?.so;;";
${http}
}
]]

local function fill(text, values)
  return (
    text:gsub("%${([%w_]+)}", function(name)
      return tostring(assert(values[name], "no value for " .. name))
    end)
  )
end

--- Starts nginx and waits until it listens.
-- @tparam table options `http` (text), `ports` (names), `values` (by name), `main` (text outside of `http`), `workers` (1),
-- `level` of the log (`warn`)
-- @treturn table `ports` by name, `folder`, and the methods below
function nginx.start(options)
  local root = output("pwd"):gsub("%s+$", "")
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir -m 700 '" .. folder .. "'"))
  local load = ""
  for _, name in ipairs { "ndk_http_module.so", "ngx_http_lua_module.so" } do
    if exists(MODULES .. name) then
      load = load .. ("load_module %s%s;\n"):format(MODULES, name)
    end
  end
  local values = {
    load = load,
    user = output("id -u"):match "%d+" == "0" and "user root;" or "", -- the tree may be one that nobody else can read
    workers = options.workers or 1,
    level = options.level or "warn",
    main = options.main or "",
    log = folder .. "/error.log",
    folder = folder,
    root = root,
    modules = module_folder(root),
  }
  local self = setmetatable({ folder = folder, ports = {} }, metatable)
  local names = options.ports or {}
  for i, port in ipairs(free_ports(#names)) do
    self.ports[names[i]], values[names[i]] = port, port
  end
  for name, value in pairs(options.values or {}) do
    values[name] = value
  end
  values.http = fill(options.http, values)
  write(folder .. "/nginx.conf", fill(MAIN, values))

  local binary = exists "/usr/sbin/nginx" and "/usr/sbin/nginx" or "nginx"
  local command = "env ASAN_OPTIONS=detect_leaks=0 timeout --signal=QUIT %d %s -p '%s' -c nginx.conf -e '%s/error.log'"
  command = command:format(LIFETIME, binary, folder, folder) .. (" > '%s/output' 2>&1"):format(folder)
  self.pipe = assert(io.popen("exec " .. command, "w"))
  assert(
    self:eventually(function()
      return self:pid()
    end, 20),
    "nginx did not start: " .. self:log()
  )
  for _, port in pairs(self.ports) do
    assert(
      self:eventually(function()
        local connection = socket.connect("127.0.0.1", port)
        return connection and connection:close()
      end, 20),
      "nginx does not listen: " .. self:log()
    )
  end
  return self
end

--- Waits until `condition` returns something true, and returns that; nil if it did not within `seconds` (5).
function methods:eventually(condition, seconds) -- luacheck: ignore self
  local deadline = socket.gettime() + (seconds or 5)
  repeat
    local value = condition()
    if value then
      return value
    end
    socket.sleep(0.02)
  until socket.gettime() > deadline
end

--- What nginx has logged.
function methods:log()
  return (read(self.folder .. "/error.log") or "") .. (read(self.folder .. "/output") or "")
end

--- The process id of the master, as a string of digits; nil: it is not running.
function methods:pid()
  return (read(self.folder .. "/nginx.pid") or ""):match "%d+"
end

--- The process ids of the workers, those that are exiting included: a list of strings.
function methods:workers()
  local pids = {}
  for pid in output(("cat /proc/%s/task/*/children 2>/dev/null"):format(assert(self:pid()))):gmatch "%d+" do
    pids[#pids + 1] = pid
  end
  return pids
end

--- Sends a signal to the master: `"HUP"`, `"QUIT"`.
function methods:signal(name)
  assert(os.execute(("kill -%s %s"):format(name, assert(self:pid()))))
end

--- Begins a request, and returns at once.
-- @treturn table connection, for `answer`
function methods:ask(port_name, path, headers)
  local connection = assert(socket.connect("127.0.0.1", self.ports[port_name]))
  connection:settimeout(20)
  assert(connection:send(("GET %s HTTP/1.0\r\nHost: localhost\r\n%s\r\n"):format(path, headers or "")))
  return connection
end

--- Waits for the answer to a request that was begun.
-- @treturn string|nil body; nil if there was no answer
-- @treturn integer|string status, or the problem
function methods:answer(connection) -- luacheck: ignore self
  local text, problem, partial = connection:receive "*a"
  connection:close()
  text = text or partial or ""
  local status, body = text:match "^HTTP/1%.%d (%d+).-\r\n\r\n(.*)$"
  if not status then
    return nil, problem or "no answer"
  end
  return body, tonumber(status)
end

--- A request and its answer.
function methods:get(port_name, path, headers)
  return self:answer(self:ask(port_name, path, headers))
end

--- Stops nginx, gently, and then not; removes its folder.
function methods:stop()
  if not self.pipe then
    return
  end
  local pid = self:pid()
  if pid then
    self:signal "QUIT"
    local gone = self:eventually(function()
      return not exists("/proc/" .. pid .. "/stat")
    end, 5)
    if not gone then
      os.execute("kill -TERM " .. pid)
    end
  end
  self.pipe:close()
  self.pipe = nil
  os.execute("rm -r '" .. self.folder .. "'")
end

nginx.output = output

return nginx
