--- Requests that nobody should send, over sockets: each gets what it deserves, and nobody else suffers.

local socket = require "socket"

local emulator = require "cloudhsmv2.emulator"
local fuzz = require "spec.helper.fuzz"
local helper = require "spec.emulator.helper"
local server = require "cloudhsmv2.emulator.server"

local SEED, FUZZED = 20261124, 300
local MEGABYTE = 1048576

describe("the server", function()
  local serving, clients, problems, emulated

  local function start(options)
    options = options or {}
    options.on_error = function(problem)
      problems[#problems + 1] = tostring(problem)
    end
    emulated = assert(emulator.new { allow_hsm1 = true })
    serving = assert(server.new(emulated, options))
  end

  before_each(function()
    clients, problems = {}, {}
    start()
  end)

  after_each(function()
    for _, client in ipairs(clients) do
      client:close()
    end
    serving:close()
    assert.are.same({}, problems)
  end)

  local function connect()
    local client = assert(socket.connect("127.0.0.1", serving.port))
    client:settimeout(0)
    clients[#clients + 1] = client
    return client
  end

  -- The bytes of a signed request; `lines` are headers in place of Content-Length.
  local function bytes_of(body, lines, operation)
    local request = helper.request(operation or "DescribeClusters", body, { time = socket.gettime() })
    local out = { "POST / HTTP/1.1" }
    for _, pair in ipairs(request.headers) do
      out[#out + 1] = pair[1] .. ": " .. pair[2]
    end
    out[#out + 1] = lines or "Content-Length: " .. #body
    return table.concat(out, "\r\n") .. "\r\n\r\n"
  end

  local function is_whole(text)
    local length = tonumber(text:match "\r\ncontent%-length: (%d+)")
    local past = select(2, text:find("\r\n\r\n", 1, true))
    return length and past and #text >= past + length
  end

  -- Sends and receives at the same time, as far as the server goes along. Returns what came until `done` holds for it or
  -- the connection ended.
  local function exchange(client, bytes, done)
    local sent, received = 0, ""
    local deadline = socket.gettime() + 20
    repeat
      serving:step(0)
      if sent < #bytes then
        local last, err, part = client:send(bytes, sent + 1)
        sent = last or part or sent
        if err == "closed" then
          sent = #bytes
        end
      end
      local data, err, part = client:receive(65536)
      received = received .. (data or part or "")
      if err == "closed" or done and done(received) then
        return received
      end
    until socket.gettime() > deadline
    error("no answer in time: " .. received)
  end

  local function status_of(text)
    return tonumber(text:match "^HTTP/1.1 (%d+) ")
  end

  -- A client that came before, and must be served as ever.
  local function assert_serves(client)
    assert.are.equal(200, status_of(exchange(client, bytes_of "{}" .. "{}", is_whole)))
  end

  local function code_of(text)
    return text:match '"__type":"([^"]+)"'
  end

  it("refuses what is signed and makes no sense with the service's code", function()
    local bystander = connect()
    local nested = ('{"a":'):rep(100000) .. "1" .. ("}"):rep(100000)
    for _, body in ipairs {
      "",
      "{",
      "[]",
      "null",
      '{"MaxResults":}',
      '{"MaxResults":1}}',
      "\255\254",
      '{"a":"\255"}',
      ("["):rep(100000),
      nested,
      '{"Filters":' .. ("["):rep(50000) .. ("]"):rep(50000) .. "}",
    } do
      local client = connect()
      local answer = exchange(client, bytes_of(body) .. body, is_whole)
      assert.are.equal(400, status_of(answer))
      assert.are.equal("SerializationException", code_of(answer))
      assert_serves(client)
      assert_serves(bystander)
    end
  end)

  it("refuses other methods, other paths and requests without a signature", function()
    local bystander = connect()
    for head, wanted in pairs {
      ["GET / HTTP/1.1"] = "405 UnknownOperationException",
      ["PUT / HTTP/1.1"] = "405 UnknownOperationException",
      ["DELETE / HTTP/1.1"] = "405 UnknownOperationException",
      ["OPTIONS * HTTP/1.1"] = "404 UnknownOperationException",
      ["POST /elsewhere HTTP/1.1"] = "404 UnknownOperationException",
      ["POST / HTTP/1.1"] = "400 UnknownOperationException",
      ["POST / HTTP/1.1\r\nContent-Type: application/x-amz-json-1.1\r\nX-Amz-Target: BaldrApiService.ListTags"] = "400 "
        .. "MissingAuthenticationTokenException",
    } do
      local client = connect()
      local answer = exchange(client, head .. "\r\nHost: a\r\nContent-Length: 0\r\n\r\n", is_whole)
      assert.are.equal(wanted, ("%d %s"):format(status_of(answer), tostring(code_of(answer))), head)
      assert_serves(bystander)
    end
  end)

  it("refuses a body of ten megabytes, announced, in chunks or after asking, and keeps none of it", function()
    local bystander = connect()
    local body = ("x"):rep(10 * MEGABYTE)
    local chunk = ("10000\r\n%s\r\n"):format(("x"):rep(65536))
    for framing, bytes in pairs {
      ["Content-Length: " .. #body] = body,
      ["Transfer-Encoding: chunked"] = chunk:rep(160) .. "0\r\n\r\n",
    } do
      local answer = exchange(connect(), bytes_of("{}", framing) .. bytes)
      assert.are.equal(413, status_of(answer))
      assert_serves(bystander)
    end
    local answer =
      exchange(connect(), bytes_of("{}", "Content-Length: " .. #body .. "\r\nExpect: 100-continue"), is_whole)
    assert.are.equal(413, status_of(answer)) -- and no "100 Continue" before it
  end)

  it("takes a megabyte in the smallest of chunks", function()
    local client = connect()
    local body = '{"a":"' .. ("x"):rep(100000) .. '"}'
    local bytes = bytes_of(body, "Transfer-Encoding: chunked") .. body:gsub(".", "1\r\n%0\r\n") .. "0\r\n\r\n"
    assert.are.equal(200, status_of(exchange(client, bytes, is_whole)))
  end)

  it("is not held up by values that are nothing but blanks", function()
    local client = connect()
    local lines = "Content-Length: 2\r\nX-Blanks: a" .. (" "):rep(60000) .. "b" .. (" \t"):rep(1000)
    assert.are.equal(200, status_of(exchange(client, bytes_of("{}", lines) .. "{}", is_whole)))
  end)

  it("answers a thousand pipelined requests in turn with those of others", function()
    local greedy, bystander = connect(), connect()
    local bytes = (bytes_of "{}" .. "{}"):rep(1000)
    local sent, received, answered = 0, 0, nil
    bystander:send(bytes_of "{}" .. "{}")
    local deadline = socket.gettime() + 60
    repeat
      local last, _, part = greedy:send(bytes, sent + 1)
      sent = last or part or sent
      serving:step(0)
      local data, _, part_received = greedy:receive(65536)
      received = received + select(2, (data or part_received or ""):gsub("HTTP/1.1 200 OK", ""))
      if not answered and bystander:receive(1) then
        answered = received
      end
    until received == 1000 or socket.gettime() > deadline
    assert.are.equal(1000, received)
    assert.is_true(answered ~= nil and answered < 500)
  end)

  it("serves others while many send one byte at a time, and gives those up in time", function()
    serving:close()
    start { request_timeout = 0.3 }
    local slow = {}
    for i = 1, 50 do
      slow[i] = connect()
      slow[i]:send "P"
    end
    local bystander = connect()
    for at = 2, 20 do
      for _, client in ipairs(slow) do
        client:send(("POST / HTTP/1.1\r\nHost: a\r\n"):sub(at, at))
      end
      assert_serves(bystander)
    end
    for _, client in ipairs(slow) do
      assert.are.equal(408, status_of(exchange(client, "")))
    end
    assert_serves(bystander)
  end)

  it("survives three hundred requests of a fuzzer, and says nothing but 200 and refusals", function()
    local source = fuzz.new(SEED, socket.gettime)
    local bystander = connect()
    for round = 1, FUZZED do
      local bytes = source:next()
      local client = assert(socket.connect("127.0.0.1", serving.port))
      client:settimeout(0)
      local sent = false
      local received = ""
      local deadline = socket.gettime() + 20
      repeat
        if not sent then
          client:send(bytes) -- all of it: the socket's buffer is empty
          client:shutdown "send"
          sent = true
        end
        serving:step(0.01)
        local data, err, part = client:receive(262144)
        received = received .. (data or part or "")
      until err == "closed" or socket.gettime() > deadline
      client:close()
      local what = ("seed %d, request %d: "):format(SEED, round)
      local problem = source:judge(received)
      assert.is_nil(problem, what .. tostring(problem))
      assert.are.same({}, problems, what)
      emulated:advance(60)
      if round % 50 == 0 then
        assert_serves(bystander)
      end
    end
  end)
end)
