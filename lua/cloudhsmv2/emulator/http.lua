--- HTTP/1.1 as bytes, seen from a server (RFC 9112). Knows nothing of sockets: it asks for more bytes when it needs them.
-- @module cloudhsmv2.emulator.http

local lower = require("cloudhsmv2.text").lower

local http = {}
local methods = {}
local metatable = { __name = "cloudhsmv2.emulator.http", __index = methods }

local TOKEN = "[A-Za-z0-9!#$%%&'*+.^_`|~-]+"
local REQUEST_LINE = "^(" .. TOKEN .. ") ([^ ]+) HTTP/1%.([0-9])$"
local FIELD = "^(" .. TOKEN .. "):[ \t]*(.*)$"
local BLANK = { [(" "):byte()] = true, [("\t"):byte()] = true }
local MAX_CHUNK_LINE = 256 -- bytes: a size in hexadecimal and perhaps extensions

local REASONS = {
  [200] = "OK",
  [400] = "Bad Request",
  [404] = "Not Found",
  [405] = "Method Not Allowed",
  [408] = "Request Timeout",
  [413] = "Content Too Large",
  [417] = "Expectation Failed",
  [431] = "Request Header Fields Too Large",
  [429] = "Too Many Requests",
  [500] = "Internal Server Error",
  [501] = "Not Implemented",
  [502] = "Bad Gateway",
  [503] = "Service Unavailable",
  [504] = "Gateway Timeout",
  [505] = "HTTP Version Not Supported",
}

-- Without blanks at the end. A pattern would take quadratic time for a run of blanks.
local function trim_end(value)
  local last = #value
  while last > 0 and BLANK[value:byte(last)] do
    last = last - 1
  end
  return last < #value and value:sub(1, last) or value
end

-- Waits for more bytes. Returns false at the end. What was taken is let go of now and not before: the buffer is copied once for
-- all that arrived together, and not for each line or chunk in it.
local function fill(self)
  local bytes = self.more()
  if bytes then
    self.buffer = self.buffer:sub(self.at) .. bytes
    self.at = 1
  end
  return bytes ~= nil
end

-- Bytes up to and including `ending`, without it; or nil when there are none or too many.
local function read_until(self, ending, limit)
  local from = self.at
  while true do
    local first, last = self.buffer:find(ending, from, true)
    if first then
      local text = self.buffer:sub(self.at, first - 1)
      self.at = last + 1
      return text
    end
    local have = #self.buffer - self.at + 1
    if have > limit then
      return nil, "limit"
    elseif not fill(self) then
      return nil, "end"
    end
    from = math.max(1, have - #ending + 2)
  end
end

-- Exactly `length` bytes, or nil at the end.
local function read_exactly(self, length)
  local have = #self.buffer - self.at + 1
  if have < length then
    local parts = { self.buffer:sub(self.at) }
    repeat
      local bytes = self.more()
      if not bytes then
        return nil
      end
      parts[#parts + 1] = bytes
      have = have + #bytes
    until have >= length
    self.buffer, self.at = table.concat(parts), 1
  end
  local bytes = self.buffer:sub(self.at, self.at + length - 1)
  self.at = self.at + length
  return bytes
end

local function read_chunks(self, limit)
  local parts, total = {}, 0
  while true do
    local line = read_until(self, "\r\n", MAX_CHUNK_LINE)
    local digits = line and line:match "^([0-9A-Fa-f]+)[ \t]*$" or line and line:match "^([0-9A-Fa-f]+)[ \t]*;"
    if not digits or #digits > 8 then
      return nil, 400, "malformed chunk"
    end
    local size = tonumber(digits, 16)
    total = total + size
    if total > limit then
      return nil, 413, "body too large"
    elseif size == 0 then
      break
    end
    local bytes = read_exactly(self, size + 2)
    if not bytes or bytes:sub(-2) ~= "\r\n" then
      return nil, 400, "malformed chunk"
    end
    parts[#parts + 1] = bytes:sub(1, -3)
  end
  local trailers = 0
  repeat -- trailer fields are read over
    local line = read_until(self, "\r\n", self.limits.max_header)
    trailers = trailers + #(line or "")
    if not line or trailers > self.limits.max_header then
      return nil, 400, "malformed trailer"
    end
  until line == ""
  return table.concat(parts)
end

local function parse_head(head)
  local line, rest = head:match "^([^\r\n]*)(.*)$"
  local method, target, minor = line:match(REQUEST_LINE)
  if not method or line:find "[^ -~\128-\255]" then
    if line:find "HTTP/[02-9]" then
      return nil, 505, "only HTTP/1.1 is spoken here"
    end
    return nil, 400, "malformed request line"
  end
  local rest_of_url = target:match "^[Hh][Tt][Tt][Pp][Ss]?://[^/?]+(.*)$" -- the form that is sent to proxies
  if rest_of_url then
    target = rest_of_url:find "^/" and rest_of_url or "/" .. rest_of_url
  elseif not target:find "^/" and target ~= "*" then
    return nil, 400, "malformed request target"
  end

  if rest:find "[^ -~\r\n\t\128-\255]" then
    return nil, 400, "malformed header"
  end
  local headers, by_name, length = {}, {}, 0
  for field in rest:gmatch "\r\n([^\r\n]*)" do
    length = length + #field + 2
    local name, value = field:match(FIELD)
    if not name then
      return nil, 400, "malformed header"
    end
    value = trim_end(value)
    headers[#headers + 1] = { name, value }
    name = lower(name)
    if name == "host" and by_name.host then
      return nil, 400, "two Host headers"
    end
    by_name[name] = by_name[name] and by_name[name] .. ", " .. value or value
  end
  if length ~= #rest then -- a carriage return or a line feed alone
    return nil, 400, "malformed header"
  end
  return { method = method, target = target, minor = tonumber(minor), headers = headers, by_name = by_name }
end

-- How the body is framed: "chunked", a length, or nil and what is wrong.
local function framing(head)
  local coding, length = head.by_name["transfer-encoding"], head.by_name["content-length"]
  if coding and length then
    return nil, 400, "both Transfer-Encoding and Content-Length" -- the way requests are smuggled
  elseif coding and head.minor == 0 then
    return nil, 400, "Transfer-Encoding in HTTP/1.0"
  elseif coding then
    if lower(coding) ~= "chunked" then
      return nil, 501, "unknown transfer coding"
    end
    return "chunked"
  elseif not length then
    return 0
  elseif not length:find "^[0-9]+$" then
    return nil, 400, "malformed Content-Length"
  end
  return tonumber(length)
end

local function keeps_alive(head)
  local connection = lower(head.by_name.connection or "")
  if connection:find("close", 1, true) then
    return false
  end
  return head.minor >= 1 or connection:find("keep-alive", 1, true) ~= nil
end

--- Reads the next request.
-- @tparam function proceed called once the client may send the body it announced with `Expect: 100-continue`
-- @treturn[1] table `method`, `target`, `headers`, `body`, `keep_alive`
-- @treturn[2] nil
-- @treturn[2] ?integer the status to answer with, or nil when the connection just ended
-- @treturn[2] ?string what was wrong
function methods:read_request(proceed)
  self.reading = false
  while true do
    local first = self.buffer:find("[^\r\n]", self.at) -- empty lines before a request are ignored (RFC 9112, 2.2)
    self.at = first or #self.buffer + 1
    if first then
      break
    elseif not fill(self) then
      return nil
    end
  end

  self.reading = true
  local text, why = read_until(self, "\r\n\r\n", self.limits.max_header)
  if not text then
    if why == "limit" then
      return nil, 431, "header too large"
    end
    return nil
  end
  local head, status, reason = parse_head(text)
  if not head then
    return nil, status, reason
  end
  if head.minor >= 1 and not head.by_name.host then
    return nil, 400, "no Host header"
  end
  local kind
  kind, status, reason = framing(head)
  if not kind then
    return nil, status, reason
  elseif kind ~= "chunked" and kind > self.limits.max_body then
    return nil, 413, "body too large"
  end
  local expectation = head.by_name.expect
  if expectation then
    if lower(expectation) ~= "100-continue" then
      return nil, 417, "unknown expectation"
    end
    if head.minor >= 1 then
      proceed()
    end
  end

  if kind == "chunked" then
    head.body, status, reason = read_chunks(self, self.limits.max_body)
  else
    head.body = read_exactly(self, kind)
  end
  if not head.body then
    return nil, status, reason
  end
  self.reading = false
  head.keep_alive = keeps_alive(head)
  return head
end

--- The words for a status.
-- @tparam integer status
-- @treturn string
function http.reason(status)
  return REASONS[status] or "Unknown"
end

--- The bytes of an answer before its body.
-- @tparam table answer `status`, `headers`, `body`; `content-length` is added where it is missing
-- @tparam boolean keep_alive
-- @treturn string
function http.head(answer, keep_alive)
  local lines = { ("HTTP/1.1 %d %s"):format(answer.status, http.reason(answer.status)) }
  local has_length = false
  for _, pair in ipairs(answer.headers) do
    lines[#lines + 1] = pair[1] .. ": " .. pair[2]
    has_length = has_length or lower(pair[1]) == "content-length"
  end
  if not has_length then
    lines[#lines + 1] = "content-length: " .. #answer.body
  end
  lines[#lines + 1] = "connection: " .. (keep_alive and "keep-alive" or "close")
  lines[#lines + 1] = "\r\n"
  return table.concat(lines, "\r\n")
end

--- The bytes of an answer.
-- @tparam table answer as of `http.head`
-- @tparam boolean keep_alive
-- @tparam[opt] boolean head_only for HEAD: everything but the body
-- @treturn string
function http.response(answer, keep_alive, head_only)
  return http.head(answer, keep_alive) .. (head_only and "" or answer.body)
end

--- The bytes that let a client go on with its body.
http.CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n"

--- A reader of requests.
-- @tparam function more returns the next bytes, or nil at the end; may yield
-- @tparam table limits `max_header` and `max_body` in bytes
-- @treturn table whose `reading` tells whether a request has begun to arrive
function http.reader(more, limits)
  return setmetatable({ more = more, limits = limits, buffer = "", at = 1, reading = false }, metatable)
end

return http
