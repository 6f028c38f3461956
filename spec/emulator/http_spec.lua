local http = require "cloudhsmv2.emulator.http"

local LIMITS = { max_header = 1000, max_body = 100 }

-- A reader over bytes that arrive `size` at a time.
local function reader(bytes, size)
  local at = 1
  return http.reader(function()
    if at > #bytes then
      return nil
    end
    local part = bytes:sub(at, at + size - 1)
    at = at + size
    return part
  end, LIMITS)
end

local function read(bytes, size)
  local proceeded = 0
  local source = reader(bytes, size or 1000)
  local request, status, reason = source:read_request(function()
    proceeded = proceeded + 1
  end)
  return request, status, reason, proceeded
end

local function status_of(bytes)
  local request, status = read(bytes)
  assert.is_nil(request)
  return status
end

local HEAD = "POST / HTTP/1.1\r\nHost: a\r\n"

describe("a request", function()
  it("is the same however its bytes arrive", function()
    local bytes = HEAD .. "X-A: 1 \r\nContent-Length: 5\r\n\r\nhello"
    for size = 1, #bytes do
      local request = read(bytes, size)
      assert.are.equal("POST", request.method)
      assert.are.equal("/", request.target)
      assert.are.same({ "X-A", "1" }, request.headers[2])
      assert.are.equal("hello", request.body)
      assert.is_true(request.keep_alive)
    end
  end)

  it("has its values without the blanks around them", function()
    local request = read(HEAD .. "X-A: \t a  b \t \r\nX-B:\r\nX-C: \r\n\r\n")
    assert.are.same({ "X-A", "a  b" }, request.headers[2])
    assert.are.same({ "X-B", "" }, request.headers[3])
    assert.are.same({ "X-C", "" }, request.headers[4])
  end)

  it("may come in chunks, with extensions and trailers", function()
    local bytes = HEAD .. "Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nX-T: 1\r\n\r\n"
    for size = 1, #bytes do
      assert.are.equal("hello", read(bytes, size).body)
    end
  end)

  it("may follow another on the same connection", function()
    local source = reader(HEAD .. "Content-Length: 1\r\n\r\na\r\n" .. HEAD .. "Content-Length: 1\r\n\r\nb", 7)
    assert.are.equal("a", source:read_request(error).body)
    assert.are.equal("b", source:read_request(error).body)
    assert.is_nil((source:read_request(error)))
  end)

  it("that asks whether to go on is told so before its body", function()
    local bytes = HEAD .. "Expect: 100-continue\r\nContent-Length: 1\r\n\r\na"
    local request, _, _, proceeded = read(bytes)
    assert.are.equal("a", request.body)
    assert.are.equal(1, proceeded)
    assert.are.equal(417, status_of(HEAD .. "Expect: tea\r\n\r\n"))
  end)

  it("keeps the connection as its version and header say", function()
    local function kept(version, header)
      return read("POST / HTTP/" .. version .. "\r\nHost: a\r\n" .. header .. "\r\n").keep_alive
    end
    assert.is_true(kept("1.1", ""))
    assert.is_false(kept("1.1", "Connection: close\r\n"))
    assert.is_false(kept("1.0", ""))
    assert.is_true(kept("1.0", "Connection: Keep-Alive\r\n"))
  end)

  it("may name the whole URL", function()
    assert.are.equal("/a?b", read("GET http://example.com:80/a?b HTTP/1.1\r\nHost: a\r\n\r\n").target)
    assert.are.equal("/", read("GET http://example.com HTTP/1.1\r\nHost: a\r\n\r\n").target)
    assert.are.equal("/?b", read("GET HTTPS://example.com?b HTTP/1.1\r\nHost: a\r\n\r\n").target)
  end)

  it("that is malformed is refused", function()
    assert.are.equal(400, status_of "hello\r\n\r\n")
    assert.are.equal(400, status_of "POST /\r\n\r\n")
    assert.are.equal(400, status_of "POST ? HTTP/1.1\r\nHost: a\r\n\r\n")
    assert.are.equal(400, status_of "POST a HTTP/1.1\r\nHost: a\r\n\r\n")
    assert.are.equal(400, status_of "POST http:///a HTTP/1.1\r\nHost: a\r\n\r\n")
    assert.are.equal(400, status_of "POST / HTTP/1.1\r\n\r\n")
    assert.are.equal(400, status_of(HEAD .. "no colon\r\n\r\n"))
    assert.are.equal(400, status_of(HEAD .. "Space : 1\r\n\r\n"))
    assert.are.equal(400, status_of(HEAD .. " folded\r\n\r\n"))
    assert.are.equal(400, status_of(HEAD .. "X: a\0b\r\n\r\n"))
    assert.are.equal(400, status_of(HEAD .. "X: a\nY: b\r\n\r\n"))
    assert.are.equal(400, status_of(HEAD .. "X: a\rY: b\r\n\r\n"))
    assert.are.equal(400, status_of(HEAD .. "X: a\r\r\n\r\n"))
    assert.are.equal(400, status_of(HEAD .. "Host: b\r\n\r\n"))
    assert.are.equal(400, status_of "POST /\0 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert.are.equal(505, status_of "POST / HTTP/2.0\r\nHost: a\r\n\r\n")
  end)

  it("with a body that nobody can tell the end of is refused", function()
    assert.are.equal(400, status_of(HEAD .. "Content-Length: -1\r\n\r\n"))
    assert.are.equal(400, status_of(HEAD .. "Content-Length: 1\r\nContent-Length: 2\r\n\r\na"))
    assert.are.equal(400, status_of(HEAD .. "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
    assert.are.equal(400, status_of "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert.are.equal(501, status_of(HEAD .. "Transfer-Encoding: gzip\r\n\r\n"))
    assert.are.equal(400, status_of(HEAD .. "Transfer-Encoding: chunked\r\n\r\nx\r\n"))
    assert.are.equal(400, status_of(HEAD .. "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n"))
  end)

  it("that is too large is refused", function()
    assert.are.equal(431, status_of(HEAD .. "X: " .. ("a"):rep(1100)))
    assert.are.equal(413, status_of(HEAD .. "Content-Length: 101\r\n\r\n"))
    assert.are.equal(413, status_of(HEAD .. "Transfer-Encoding: chunked\r\n\r\nff\r\n"))
    assert.are.equal(
      413,
      status_of(HEAD .. "Transfer-Encoding: chunked\r\n\r\n40\r\n" .. ("a"):rep(64) .. "\r\n40\r\n")
    )
  end)

  it("that stops in the middle is no request", function()
    assert.is_nil((read(HEAD)))
    assert.is_nil((read(HEAD .. "Content-Length: 5\r\n\r\nhel")))
    assert.is_nil((read ""))
  end)
end)

describe("an answer", function()
  it("has its length and says what becomes of the connection", function()
    local answer = { status = 200, headers = { { "x-a", "1" } }, body = "hello" }
    local bytes = "HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\nhello"
    assert.are.equal(bytes, http.response(answer, true))
    assert.matches("connection: close\r\n\r\n$", http.response(answer, false, true))
  end)
end)
