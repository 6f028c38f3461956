--- How spoilt answers leave the two servers: seen from a socket.

local socket = require "socket"

local emulator = require "cloudhsmv2.emulator"
local helper = require "spec.emulator.helper"
local nginx = require "spec.helper.nginx"
local server = require "cloudhsmv2.emulator.server"

local BODY = '{"Clusters":[]}'

-- The bytes of a signed DescribeClusters.
local function describe_clusters()
  local request = helper.request("DescribeClusters", "{}", { time = socket.gettime() })
  local out = { "POST / HTTP/1.1" }
  for _, pair in ipairs(request.headers) do
    out[#out + 1] = pair[1] .. ": " .. pair[2]
  end
  return table.concat(out, "\r\n") .. "\r\nContent-Length: 2\r\n\r\n{}"
end

local function is_whole(text)
  local length = tonumber(text:match "\r\n[Cc]ontent%-[Ll]ength: (%d+)")
  local past = select(2, text:find("\r\n\r\n", 1, true))
  return length and past and #text >= past + length
end

-- Reads until an answer is whole or the connection ends; `turn` lets the server do its work.
local function receive(client, turn)
  local text, ended = ""
  local deadline = socket.gettime() + 20
  repeat
    turn()
    local data, err, part = client:receive(65536)
    text = text .. (data or part or "")
    ended = err == "closed"
  until ended or is_whole(text) or socket.gettime() > deadline
  return text, ended
end

-- The body of an answer, as far as it came.
local function body_of(text)
  return text:match "\r\n\r\n(.*)$"
end

describe("the server sends", function()
  local emulated, serving, client
  before_each(function()
    emulated = assert(emulator.new())
    serving = assert(server.new(emulated))
    client = assert(socket.connect("127.0.0.1", serving.port))
    client:settimeout(0)
  end)
  after_each(function()
    client:close()
    serving:close()
  end)

  local function turn()
    serving:step(0.01)
  end

  local function ask(fault)
    fault.count = 1
    assert(emulated:inject(fault))
    client:send(describe_clusters())
    return receive(client, turn)
  end

  it("a late answer, while others are served", function()
    local other = assert(socket.connect("127.0.0.1", serving.port))
    other:settimeout(0)
    assert(emulated:inject { kind = "latency", seconds = 0.3, count = 1 })
    local started = socket.gettime()
    client:send(describe_clusters())
    for _ = 1, 5 do
      turn()
    end
    other:send(describe_clusters())
    assert.are.equal(BODY, body_of((receive(other, turn))))
    assert.are.equal("timeout", select(2, client:receive(1))) -- not yet
    assert.are.equal(BODY, body_of((receive(client, turn))))
    assert.is_true(socket.gettime() - started >= 0.3)
    other:close()
  end)

  it("nothing when it drops the connection", function()
    for _, kind in ipairs { "drop_before", "drop_after" } do
      assert.are.same({ "", true }, { ask { kind = kind } })
      client:close()
      client = assert(socket.connect("127.0.0.1", serving.port))
      client:settimeout(0)
    end
  end)

  it("half a body and the end of the connection", function()
    local text, ended = ask { kind = "truncate" }
    assert.are.equal(BODY:sub(1, 7), body_of(text))
    assert.matches("content-length: 15\r\n", text, 1, true)
    assert.is_true(ended)
    assert.is_truthy(client:send "x") -- it was closed in peace: only the next bytes are refused
  end)

  it("half a body and a reset", function()
    local text, ended = ask { kind = "reset", bytes = 3 }
    assert.are.equal(BODY:sub(1, 3), body_of(text))
    assert.is_true(ended)
    assert.is_nil((client:send "x"))
  end)

  it("half a body under its own length, over a connection that stays", function()
    assert.are.equal("{", body_of((ask { kind = "truncate", length = "part", bytes = 1 })))
    client:send(describe_clusters())
    assert.are.equal(BODY, body_of((receive(client, turn))))
  end)

  it("a body in pieces", function()
    local seen = {}
    assert(emulated:inject { kind = "drip", bytes = 6, seconds = 0.05, count = 1 })
    client:send(describe_clusters())
    local text = receive({
      receive = function(_, size)
        local data, err, part = client:receive(size)
        if (data or part or "") ~= "" then
          seen[#seen + 1] = #(data or part)
        end
        return data, err, part
      end,
    }, turn)
    assert.are.equal(BODY, body_of(text))
    assert.are.same({ 6, 3 }, { seen[#seen - 1], seen[#seen] })
  end)

  it("a header twice, a page of a proxy, a compressed body", function()
    local text = ask { kind = "duplicate_header", name = "content-type", value = "text/plain" }
    assert.matches("content%-type: application/x%-amz%-json%-1%.1\r\n.*content%-type: text/plain\r\n", text)
    text = ask { kind = "html", status = 503 }
    assert.matches("^HTTP/1.1 503 Service Unavailable\r\n.*<html>", text)
    text = ask { kind = "gzip" }
    assert.matches("content-encoding: gzip\r\n", text, 1, true)
  end)

  it("no body in answer to HEAD, late or not", function()
    assert(emulated:inject { kind = "latency", seconds = 0.01, count = 1 })
    client:send "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    local text = ""
    for _ = 1, 100 do
      turn()
      local data, err, part = client:receive(65536)
      text = text .. (data or part or "")
      if err == "closed" then
        break
      end
    end
    assert.are.equal("", body_of(text))
    assert.matches("^HTTP/1.1 405 ", text)
  end)

  it("nothing more to a client that left during the pause", function()
    assert(emulated:inject { kind = "latency", seconds = 0.05, count = 1 })
    client:send(describe_clusters())
    turn()
    turn()
    client:close()
    client = assert(socket.connect("127.0.0.1", serving.port))
    client:settimeout(0)
    socket.sleep(0.06)
    client:send(describe_clusters())
    assert.are.equal(BODY, body_of((receive(client, turn))))
    turn()
    assert.are.equal(1, serving.count)
  end)
end)

describe("nginx sends", function()
  local running, client
  setup(function()
    running = nginx.start {
      ports = { "service" },
      http = [[
        server {
          listen 127.0.0.1:${service};
          location = / { content_by_lua_block { require("cloudhsmv2.emulator.nginx").serve { clock = "real" } } }
          location = /inject {
            content_by_lua_block {
              local fault = ngx.req.get_uri_args()
              for name, value in pairs(fault) do
                fault[name] = tonumber(value) or value
              end
              assert(require("cloudhsmv2.emulator.nginx").emulator():inject(fault))
              ngx.say "ok"
            }
          }
        }
      ]],
    }
  end)
  teardown(function()
    running:stop()
  end)
  before_each(function()
    client = assert(socket.connect("127.0.0.1", running.ports.service))
    client:settimeout(0.01)
  end)
  after_each(function()
    client:close()
  end)

  local function ask(fault)
    assert.are.equal("ok\n", (running:get("service", "/inject?count=1&" .. fault)))
    client:send(describe_clusters())
    return receive(client, function() end)
  end

  it("a late answer, and a body in pieces", function()
    local started = socket.gettime()
    assert.are.equal(BODY, body_of((ask "kind=latency&seconds=0.2")))
    assert.are.equal(BODY, body_of((ask "kind=drip&bytes=6&seconds=0.1")))
    assert.is_true(socket.gettime() - started >= 0.35) -- its timers count in milliseconds
  end)

  it("nothing when it drops the connection", function()
    assert.are.same({ "", true }, { ask "kind=drop_after" })
  end)

  it("half a body and the end of the connection", function()
    for _, kind in ipairs { "truncate", "reset" } do
      client:close()
      client = assert(socket.connect("127.0.0.1", running.ports.service))
      client:settimeout(0.01)
      local text, ended = ask("bytes=4&kind=" .. kind)
      assert.are.equal(BODY:sub(1, 4), body_of(text))
      assert.is_true(ended)
    end
  end)

  it("a header twice, a page of a proxy, and a date that is wrong", function()
    local text = ask "kind=duplicate_header&name=x-amzn-requestid&value=other"
    assert.are.equal(2, select(2, text:gsub("x%-amzn%-requestid: ", "")))
    assert.matches("^HTTP/1.1 502 Bad Gateway\r\n.*<html>", (ask "kind=html&status=502"))
    text = ask "kind=clock_skew&seconds=-864000000"
    local _, count = text:gsub("\r\n[Dd]ate: ", "")
    assert.are.equal(1, count)
    assert.is_truthy(tonumber(text:match "\r\n[Dd]ate: %a+, %d+ %a+ (%d+)") < 2010)
  end)
end)
