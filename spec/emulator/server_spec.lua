local socket = require "socket"

local emulator = require "cloudhsmv2.emulator"
local errors = require "cloudhsmv2.errors"
local helper = require "spec.emulator.helper"
local http = require "cloudhsmv2.emulator.http"
local server = require "cloudhsmv2.emulator.server"

local ROUNDS = 500 -- of at most 10 ms each

describe("the server", function()
  local serving, clients, emulated

  local function start(options)
    emulated = assert(emulator.new())
    serving = assert(server.new(emulated, options))
  end

  before_each(function()
    clients = {}
    start()
  end)

  after_each(function()
    for _, client in ipairs(clients) do
      client:close()
    end
    serving:close()
  end)

  local function connect()
    local client = assert(socket.connect("127.0.0.1", serving.port))
    client:settimeout(0)
    clients[#clients + 1] = client
    return client
  end

  -- Serves until `done(received)` holds for what a client received, or the connection ends.
  local function receive(client, done)
    local received = ""
    for _ = 1, ROUNDS do
      serving:step(0.01)
      local data, err, part = client:receive(65536)
      received = received .. (data or part or "")
      if err == "closed" then
        return received, true
      elseif done and done(received) then
        return received, false
      end
    end
    error("no answer: " .. received)
  end

  local function answers(count)
    return function(received)
      local bodies = select(2, received:gsub('{"Clusters":%[%]}', ""))
      return bodies == count
    end
  end

  -- The bytes of a signed DescribeClusters, with other header lines or framing if asked for.
  local function describe_clusters(lines, frame)
    local request = helper.request("DescribeClusters", "{}", { time = socket.gettime() })
    local out = { "POST / HTTP/1.1" }
    for _, pair in ipairs(request.headers) do
      out[#out + 1] = pair[1] .. ": " .. pair[2]
    end
    for _, line in ipairs(lines or {}) do
      out[#out + 1] = line
    end
    if not frame then
      out[#out + 1] = "Content-Length: 2"
    end
    return table.concat(out, "\r\n") .. "\r\n\r\n" .. (frame or "{}")
  end

  it("listens on the loopback interface, on a free port", function()
    assert.are.equal("127.0.0.1", serving.host)
    assert.is_true(serving.port > 0)
    assert.are.equal("http://127.0.0.1:" .. serving.port, serving.url)
  end)

  it("answers over one connection again and again", function()
    local client = connect()
    for _ = 1, 3 do
      client:send(describe_clusters())
      local received = receive(client, answers(1))
      assert.matches("^HTTP/1.1 200 OK\r\n", received)
      assert.matches("connection: keep-alive\r\n", received, 1, true)
      assert.matches("x-amzn-requestid: ", received, 1, true)
    end
  end)

  it("closes the connection when the client asks for it", function()
    local client = connect()
    client:send(describe_clusters { "Connection: close" })
    local received, closed = receive(client)
    assert.matches("connection: close\r\n", received, 1, true)
    assert.is_true(closed)
  end)

  it("takes bodies in chunks", function()
    local client = connect()
    client:send(describe_clusters({ "Transfer-Encoding: chunked" }, "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"))
    assert.matches("^HTTP/1.1 200 OK\r\n", (receive(client, answers(1))))
  end)

  it("lets a client that asks first send its body", function()
    local client = connect()
    local bytes = describe_clusters { "Expect: 100-continue" }
    client:send(bytes:sub(1, -3))
    local function proceed(text)
      return text == http.CONTINUE
    end
    receive(client, proceed)
    client:send "{}"
    assert.matches("^HTTP/1.1 200 OK\r\n", (receive(client, answers(1))))
  end)

  it("answers requests that were sent in one go, in their order", function()
    local client = connect()
    client:send(describe_clusters() .. "GET / HTTP/1.1\r\nHost: a\r\n\r\n" .. describe_clusters())
    local received = receive(client, answers(2))
    local order = {}
    for status in received:gmatch "HTTP/1.1 (%d+)" do
      order[#order + 1] = status
    end
    assert.are.same({ "200", "405", "200" }, order)
  end)

  it("serves others while one client dawdles", function()
    local slow, quick = connect(), connect()
    local bytes = describe_clusters()
    slow:send(bytes:sub(1, 40))
    quick:send(describe_clusters())
    receive(quick, answers(1))
    slow:send(bytes:sub(41))
    receive(slow, answers(1))
  end)

  it("sends large answers whole", function()
    local client = connect()
    local tag = { Key = "k", Value = ("v"):rep(256) }
    local id
    for i = 1, 4 do
      local list = {}
      for j = 1, 50 do
        list[j] = { Key = "key-" .. j, Value = tag.Value }
      end
      local input = { HsmType = "hsm2m.medium", Mode = "FIPS", SubnetIds = { "subnet-0000000" .. i }, TagList = list }
      local options = { time = emulated:time() }
      id = emulated:handle(helper.request("CreateCluster", input, options)).body:match '"ClusterId":"([^"]+)"'
    end
    client:send(describe_clusters())
    local received = receive(client, function(text)
      local length = tonumber(text:match "content%-length: (%d+)")
      local past = select(2, text:find("\r\n\r\n", 1, true))
      return length and past and #text == past + length
    end)
    assert.is_true(#received > 50000)
    assert.matches(id, received, 1, true)
  end)

  it("says what is wrong with bytes that are no request, and closes", function()
    for bytes, status in pairs {
      ["hello\r\n\r\n"] = 400,
      ["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n"] = 413,
      ["POST / HTTP/1.1\r\nHost: a\r\nX: " .. ("a"):rep(70000)] = 431,
      ["POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"] = 501,
    } do
      local client = connect()
      client:settimeout(1)
      client:send(bytes)
      client:settimeout(0)
      local received, closed = receive(client)
      assert.matches("^HTTP/1.1 " .. status .. " ", received)
      assert.is_true(closed)
    end
  end)

  it("closes connections that are idle, or take too long to send a request", function()
    serving:close()
    start { idle_timeout = 0.05, request_timeout = 0.05 }
    local idle, slow = connect(), connect()
    slow:send "POST / HTTP/1.1\r\n"
    assert.are.equal("", (receive(idle)))
    assert.matches("^HTTP/1.1 408 ", (receive(slow)))
  end)

  it("lets new clients wait while it has as many as it takes", function()
    serving:close()
    start { max_connections = 1 }
    local first, second = connect(), connect()
    first:send(describe_clusters())
    receive(first, answers(1))
    second:send(describe_clusters())
    for _ = 1, 3 do
      serving:step(0.01)
    end
    assert.are.equal("timeout", select(2, second:receive(1)))
    first:close()
    receive(second, answers(1))
  end)

  it("survives an error in the emulator, and tells who wants to know", function()
    serving:close()
    local told
    local broken = {
      handle = function()
        error "broken"
      end,
    }
    serving = assert(server.new(broken, {
      on_error = function(problem)
        told = problem
      end,
    }))
    for _ = 1, 2 do
      local client = connect()
      client:send(describe_clusters { "Connection: close" })
      assert.matches("^HTTP/1.1 500 ", (receive(client)))
      assert.matches("broken", told, 1, true)
    end
  end)

  it("survives clients that vanish", function()
    local gone = connect()
    gone:send(describe_clusters():sub(1, 30))
    serving:step(0.01)
    gone:close()
    local client = connect()
    client:send(describe_clusters())
    receive(client, answers(1))
    assert.are.equal(1, serving.count)
  end)

  it("says when it cannot listen", function()
    local second, err = server.new(emulated, { port = serving.port })
    assert.is_nil(second)
    assert.is_true(errors.is(err))
    assert.are.equal("CannotListen", err.code)
    assert.matches(tostring(serving.port), err.message, 1, true)
  end)

  it("ends after its lifetime, or when it is stopped, and listens no more", function()
    serving:run(0.01)
    assert.is_nil((socket.connect("127.0.0.1", serving.port)))
    start()
    serving:stop()
    serving:run()
    assert.is_nil((socket.connect("127.0.0.1", serving.port)))
  end)

  it("checks the date of a request against the wall clock, whatever its own clock shows", function()
    serving:close()
    emulated = assert(emulator.new { time = helper.START, clock = "frozen" })
    serving = assert(server.new(emulated))
    local client = connect()
    client:send(describe_clusters())
    assert.matches("^HTTP/1.1 200 OK\r\n", (receive(client, answers(1))))
  end)
end)
