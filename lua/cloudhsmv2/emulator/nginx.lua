--- The emulator inside nginx or OpenResty.
--
-- State lives in the worker, so run one: `worker_processes 1;`. It is gone when the worker is reloaded, unless it is kept in a file
-- (`state = "/var/lib/cloudhsm.state"`); then the new worker answers once the old one has ended. Writing to the file holds the worker up
-- for as long as the disk takes.
--
-- The control interface (`cloudhsmv2.emulator.control`) wants a `listen` of its own, which others cannot reach:
--
-- @module cloudhsmv2.emulator.nginx
-- @usage
-- -- worker_processes 1;
-- -- server {
-- --   listen 127.0.0.1:8080;
-- --   location / {
-- --     client_body_buffer_size 1m;
-- --     content_by_lua_block { require("cloudhsmv2.emulator.nginx").serve { clock = "scaled:60" } }
-- --   }
-- -- }
-- -- server {
-- --   listen 127.0.0.1:8081;
-- --   location / {
-- --     client_max_body_size 64m;
-- --     content_by_lua_block { require("cloudhsmv2.emulator.nginx").control() }
-- --   }
-- -- }

local control = require "cloudhsmv2.emulator.control"
local delivery = require "cloudhsmv2.emulator.delivery"
local emulator = require "cloudhsmv2.emulator"

local nginx = {}

local current -- this worker's emulator, made at its first request
local service_ports = {} -- where `serve` has answered

--- This worker's emulator: a way to its controls from another location.
-- @tparam[opt] table options as of `cloudhsmv2.emulator.new`, for the first call; the clock is `"real"` by default
-- @treturn table
function nginx.emulator(options)
  if not current then
    local chosen = { clock = "real" }
    for name, value in pairs(options or {}) do
      chosen[name] = value
    end
    current = assert(emulator.new(chosen))
  end
  return current
end

local function request_body(ngx)
  ngx.req.read_body()
  local body = ngx.req.get_body_data()
  if body then
    return body
  end
  local path = ngx.req.get_body_file() -- nginx writes a body to a file when it does not fit its buffer
  if not path then
    return ""
  end
  local file = assert(io.open(path, "rb"))
  body = file:read "*a"
  file:close()
  return body
end

local function request_headers(ngx)
  local out = {}
  for name, value in pairs(ngx.req.get_headers(0)) do
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      out[#out + 1] = { name, one }
    end
  end
  return out
end

local CLOSE = 444 -- nginx's own: end the connection at once

local function send_head(ngx, answer)
  ngx.status = answer.status
  local values = {}
  for _, pair in ipairs(answer.headers) do
    local name = pair[1]
    if name ~= "date" or answer.skewed then -- nginx writes its own
      values[name] = values[name] or {}
      table.insert(values[name], pair[2])
    end
  end
  for name, list in pairs(values) do
    ngx.header[name] = list[2] and list or list[1]
  end
end

-- Sends an answer in the way that its faults want, as far as nginx can: it closes connections, and resets none.
local function deliver(ngx, answer)
  local ended = delivery.send(answer, {
    wait = function(seconds)
      ngx.sleep(seconds)
    end,
    head = function()
      send_head(ngx, answer)
    end,
    body = function(bytes)
      ngx.print(bytes)
      ngx.flush(true)
    end,
    break_off = function(how)
      return how
    end,
  })
  if ended then
    return ngx.exit(CLOSE)
  end
end

--- Answers the request at hand. For `content_by_lua`.
-- @tparam[opt] table options for the first request of a worker, as of `nginx.emulator`
function nginx.serve(options)
  local ngx = _G.ngx
  ngx.update_time()
  service_ports[ngx.var.server_port] = true
  local answer = nginx.emulator(options):handle {
    method = ngx.req.get_method(),
    target = ngx.var.request_uri,
    headers = request_headers(ngx),
    body = request_body(ngx),
    received_at = ngx.now(),
  }
  if answer.delivery then
    return deliver(ngx, answer)
  end
  send_head(ngx, answer)
  ngx.print(answer.body)
end

local function refuse(ngx, status, code, message)
  ngx.status = status
  ngx.header["content-type"] = "application/json"
  ngx.print(('{"error":{"code":"%s","message":"%s"}}'):format(code, message))
end

--- Answers the request at hand as the control interface of this worker's emulator. For `content_by_lua`, in a server that listens
-- elsewhere than that of the service. The last part of the path names the control: `/control/advance` and `/advance` are the same.
-- @tparam[opt] table options `remote`: true lets in clients that do not come over the loopback interface
function nginx.control(options)
  local ngx = _G.ngx
  local address = ngx.var.remote_addr
  local near = address:find "^127%." or address == "::1" or address == "unix:"
  if service_ports[ngx.var.server_port] then
    return refuse(ngx, 403, "Forbidden", "the control interface wants a port of its own; this is that of the service")
  elseif not near and not (options and options.remote) then
    return refuse(ngx, 403, "Forbidden", "the control interface is for this machine only")
  elseif not current then
    return refuse(ngx, 409, "NotPossible", "there is no emulator before the first request to the service")
  end
  ngx.update_time()
  local answer = control.handle(current, {
    method = ngx.req.get_method(),
    target = (ngx.var.request_uri:gsub("^[^?]*/", "/")),
    headers = request_headers(ngx),
    body = request_body(ngx),
  })
  send_head(ngx, answer)
  ngx.print(answer.body)
end

return nginx
