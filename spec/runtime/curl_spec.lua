local core = require "cloudhsmv2.core"
local curl = require "cloudhsmv2.runtime.curl"
local errors = require "cloudhsmv2.errors"
local here = require "cloudhsmv2.runtime"
local server = require "spec.helper.server"
local tls = require "spec.helper.tls"

-- One request with short limits; `changes` replaces fields of it.
local function send(runtime, url, changes)
  local request = {
    method = "POST",
    url = url,
    headers = { { "Content-Type", "application/x-amz-json-1.1" } },
    body = "{}",
    connect_timeout = 3,
    read_timeout = 3,
  }
  for name, value in pairs(changes or {}) do
    request[name] = value
  end
  return runtime.send(request)
end

-- A runtime that ignores whatever proxy the environment of the test names.
local function new_runtime(options)
  local settings = { proxy = "" }
  for name, value in pairs(options or {}) do
    settings[name] = value
  end
  return assert(curl.new(settings))
end

local function assert_failure(kind, code, sent, response, failure)
  assert.is_nil(response)
  assert.are.equal("table", type(failure))
  assert.are.same({ kind, code, sent }, { failure.kind, failure.code, failure.sent }, failure.message)
  assert.is_true(errors.kinds[failure.kind])
  assert.is_nil(failure.message:find "[%c]")
  assert.is_true(#failure.message > 20)
  return failure
end

-- What a shell command prints.
local function output(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

describe("the runtime over libcurl", function()
  local running, base, runtime

  setup(function()
    running = server.start "plain"
    base = "http://127.0.0.1:" .. running.ports[1]
  end)

  teardown(function()
    running.stop()
  end)

  before_each(function()
    runtime = new_runtime()
  end)

  after_each(function()
    runtime.close()
  end)

  local function seen(tag)
    local response = assert(send(runtime, base .. "/seen/" .. tag, { fresh_connection = true }))
    return tonumber(response.body)
  end

  local function ask(path, changes)
    return assert(send(runtime, base .. path, changes))
  end

  describe("sending", function()
    it("puts exactly the given headers and the body on the wire, besides Host and Content-Length", function()
      local response = ask("/echo", {
        headers = {
          { "X-Amz-Target", "Service.Operation" },
          { "X-Empty", "" },
          { "X-Blank", " \t" },
          { "x-utf8", "ä" },
        },
        body = "a\0b",
      })
      assert.are.equal(
        "POST /echo HTTP/1.1\r\nHost: 127.0.0.1:"
          .. running.ports[1]
          .. "\r\nX-Amz-Target: Service.Operation\r\nX-Empty:\r\nX-Blank:\r\nx-utf8: ä\r\nContent-Length: 3\r\n\r\na\0b",
        response.body
      )
    end)

    it("sends the path and query as they are, dots included", function()
      local response = ask "/echo/../a/./%2e%2E//b?c=d&e=/../"
      assert.are.equal("POST /echo/../a/./%2e%2E//b?c=d&e=/../ HTTP/1.1", response.body:match "^[^\r]*")
    end)

    it("sends no Expect header, however long the body", function()
      local response = ask("/echo", { body = ("x"):rep(3 * 1024 * 1024) })
      assert.is_nil(response.body:sub(1, 1000):lower():find "expect")
      assert.are.equal(3 * 1024 * 1024, #response.body:match "\r\n\r\n(.*)")
    end)

    it("knows the methods that credential providers need", function()
      for _, method in ipairs { "GET", "PUT", "DELETE", "PATCH" } do
        local response = ask("/echo", { method = method, body = "", headers = {} })
        assert.are.equal(method .. " /echo HTTP/1.1", response.body:match "^[^\r]*")
        assert.is_nil(response.body:find "Content%-Type")
      end
      local response = ask("/bytes/5", { method = "HEAD", body = "" })
      assert.are.same({ "", "5" }, { response.body, response.headers["content-length"] })
    end)

    it("raises when a field of the request has the wrong type", function()
      local wrong = {
        { url = 5 },
        { method = true },
        { body = {} },
        { headers = "x" },
        { headers = { "x" } },
        { headers = { { "a", 1 } } },
        { headers = { { "a" } } },
        { timeout = "5" },
        { read_timeout = {} },
        { fresh_connection = 1 },
        { direct = 1 },
        { max_body = "1" },
        { max_body = 0 },
      }
      for _, changes in ipairs(wrong) do
        assert.has_error(function()
          send(runtime, base .. "/fixed", changes)
        end)
      end
      assert.has_error(function()
        runtime.send "http://127.0.0.1/"
      end)
      assert.are.equal(200, ask("/fixed").status)
    end)

    it("refuses line ends, zero bytes and user names in URL and headers, and shows none of them", function()
      for _, url in ipairs { "/a\r\nX-Injected: 1", "/a\0b", "/a b", "/a\127", "/ä" } do
        assert_failure("config", "InvalidUrl", "no", send(runtime, base .. url))
      end
      local failure = assert_failure("config", "InvalidUrl", "no", send(runtime, "http://user:secret@127.0.0.1/"))
      assert.is_nil(failure.message:find "secret")
      for _, header in ipairs {
        { "a\r\nb", "c" },
        { "a", "secret\r\nX-Injected: 1" },
        { "a", "b\0" },
        { "", "x" },
        { "a:", "x" },
      } do
        failure =
          assert_failure("config", "InvalidHeader", "no", send(runtime, base .. "/echo", { headers = { header } }))
        assert.is_nil(failure.message:find "secret")
      end
      for _, name in ipairs { "Content-Length", "transfer-encoding", "EXPECT", "Accept-Encoding", "Connection" } do
        assert_failure("config", "InvalidHeader", "no", send(runtime, base .. "/echo", { headers = { { name, "1" } } }))
      end
    end)

    it("takes a deadline that has passed for a timeout, and what is no duration for a mistake", function()
      assert_failure("timeout", "DeadlineExceeded", "no", send(runtime, base .. "/fixed", { timeout = 0 }))
      assert_failure("timeout", "DeadlineExceeded", "no", send(runtime, base .. "/fixed", { timeout = -1 }))
      for _, field in ipairs { "timeout", "connect_timeout", "read_timeout" } do
        assert_failure("config", "InvalidTimeout", "no", send(runtime, base .. "/fixed", { [field] = 0 / 0 }))
        assert.are.equal(200, ask("/fixed", { [field] = math.huge }).status)
      end
    end)
  end)

  describe("reading", function()
    it("names headers in lower case, trims their values and joins repeated ones", function()
      local headers = ask("/repeated").headers
      assert.are.same({ ["x-one"] = "a, c, d", ["x-two"] = "b", ["x-three"] = "", ["content-length"] = "0" }, headers)
    end)

    it("returns an answer whatever its status", function()
      for _, status in ipairs { 200, 204, 400, 404, 429, 500, 503, 599 } do
        assert.are.equal(status, ask("/status/" .. ("%d"):format(status)).status)
      end
    end)

    it("follows no redirect", function()
      local response = ask "/redirect"
      assert.are.same({ 307, "/fixed?tag=followed" }, { response.status, response.headers.location })
      assert.are.equal(0, seen "followed")
    end)

    it("skips interim answers and their headers", function()
      local response = ask "/interim"
      assert.are.same({ 200, "final", "yes" }, { response.status, response.body, response.headers["x-late"] })
      assert.is_nil(response.headers["x-early"])
    end)

    it("reads chunks and leaves out what comes after them", function()
      local response = ask "/chunked"
      assert.are.equal("abcde", response.body)
      assert.is_nil(response.headers["x-trailer"])
    end)

    it("reads a body that ends with the connection, and one of HTTP/1.0", function()
      assert.are.equal("until the end", ask("/no-length").body)
      assert.are.equal("old", ask("/http-1.0").body)
    end)

    it("waits for a slow body as long as something arrives", function()
      assert.are.equal("xxxxxxxx", ask("/drip", { read_timeout = 0.3 }).body)
    end)

    it("reads bodies up to the cap, and none that is a byte longer", function()
      runtime.close()
      runtime = new_runtime { max_body = 1000 }
      assert.are.equal(1000, #ask("/bytes/1000").body)
      assert_failure("protocol", "BodyTooLarge", "yes", send(runtime, base .. "/bytes/1001"))
    end)

    it("takes a smaller cap for one answer, and no larger one", function()
      runtime.close()
      runtime = new_runtime { max_body = 1000 }
      assert.are.equal(10, #ask("/bytes/10", { max_body = 10 }).body)
      local failure =
        assert_failure("protocol", "BodyTooLarge", "yes", send(runtime, base .. "/bytes/11", { max_body = 10 }))
      assert.is_truthy(failure.message:find "longer than 10 bytes")
      assert_failure("protocol", "BodyTooLarge", "yes", send(runtime, base .. "/chunked", { max_body = 4 }))
      assert.are.equal(1000, #ask("/bytes/1000", { max_body = 5000 }).body)
      assert_failure("protocol", "BodyTooLarge", "yes", send(runtime, base .. "/bytes/1001", { max_body = 5000 }))
      assert.are.equal(1000, #ask("/bytes/1000").body)
    end)

    it("caps headers where it was told to", function()
      runtime.close()
      runtime = new_runtime { max_header = 100 }
      assert.are.equal(200, ask("/fixed").status)
      assert_failure("protocol", "HeadersTooLarge", "yes", send(runtime, base .. "/header-bomb"))
    end)
  end)

  describe("keeping connections", function()
    it("uses one for one request after the other", function()
      local first = ask("/number").body
      for _ = 1, 5 do
        assert.are.equal(first, ask("/number").body)
      end
    end)

    it("keeps it past the limits of the request that opened it, and while others are opened and closed", function()
      local first = ask("/number", { timeout = 0.3, connect_timeout = 0.2, read_timeout = 0.3 }).body
      core.sleep(1.1) -- libcurl looks for dead connections once a second
      assert.are_not.equal(first, ask("/number", { fresh_connection = true }).body)
      assert.are.equal(first, ask("/number").body)
    end)

    it("gives a request that must leave at most once a connection of its own", function()
      local first = ask("/number").body
      local second = ask("/number", { fresh_connection = true }).body
      assert.are_not.equal(first, second)
      assert.are.equal(first, ask("/number").body)
      assert.are_not.equal(second, ask("/number", { fresh_connection = true }).body)
    end)

    it("sends a request over a fresh connection exactly once, though the server hangs up without an answer", function()
      ask "/fixed"
      assert_failure(
        "transport",
        "EmptyReply",
        "maybe",
        send(runtime, base .. "/close?tag=once", { fresh_connection = true })
      )
      assert.are.equal(1, seen "once")
    end)

    it("never says that a request was not sent which left over a kept connection", function()
      ask "/fixed"
      assert_failure("transport", "EmptyReply", "maybe", send(runtime, base .. "/close?tag=kept"))
      assert.is_true(seen "kept" >= 1)
    end)

    it("says maybe even if the second try finds nobody", function()
      local leaving = server.start "plain"
      local address = "http://127.0.0.1:" .. leaving.ports[1]
      assert(send(runtime, address .. "/fixed"))
      local response, failure = send(runtime, address .. "/leave")
      assert_failure("transport", "CouldNotConnect", "maybe", response, failure)
      leaving.stop()
    end)

    it("reconnects when the server has closed a kept connection meanwhile", function()
      local first = ask("/http-1.0").status
      assert.are.equal(200, first)
      ask "/no-length"
      core.sleep(0.02)
      assert.are.equal(200, ask("/fixed").status)
    end)

    it("takes nothing for an answer that came before the request", function()
      assert.are.equal("right", ask("/spilled").body)
      assert.are_not.equal("poison", ask("/number").body)
      assert.are.equal("right", ask("/short-length").body)
      core.sleep(0.1)
      assert.are_not.equal("poison", ask("/number").body)
      assert.are_not.equal("poison", ask("/number").body)
    end)

    it("trusts no connection after an answer with two ways to find its end", function()
      local before = ask("/number").body
      assert.are.equal("whole", ask("/both-lengths").body)
      assert.are_not.equal(before, ask("/number").body)
    end)

    it("lets programs that it starts inherit none", function()
      ask "/fixed"
      local inodes = {}
      for inode in output("ls -l /proc/self/fd"):gmatch "socket:%[(%d+)%]" do
        inodes[inode] = true
      end
      local file = assert(io.open "/proc/net/tcp")
      for line in file:lines() do
        local inode = line:match "^%s*%d+: %S+ %S+ %S+ %S+ %S+ %S+%s+%d+%s+%d+%s+(%d+)"
        assert.is_nil(inodes[inode or ""], line)
      end
      file:close()
    end)
  end)

  describe("when the answer is bad", function()
    local faults = {
      { "close", "transport", "EmptyReply", "maybe" },
      { "reset", "transport", "ConnectionReset", "maybe" },
      { "interim-close", "transport", "EmptyReply", "yes" },
      { "hang", "timeout", "ReadTimeout", "maybe" },
      { "hang-head", "timeout", "ReadTimeout", "yes", 200 },
      { "hang-body", "timeout", "ReadTimeout", "yes", 200 },
      { "truncated", "protocol", "TruncatedBody", "yes", 200 },
      { "reset-body", "protocol", "TruncatedBody", "yes", 200 },
      { "cut-chunk", "protocol", "TruncatedBody", "yes", 200 },
      { "cut-head", "protocol", "TruncatedHeaders", "yes", 200 },
      { "bad-chunk", "protocol", "MalformedResponse", "yes", 200 },
      { "header-bomb", "protocol", "HeadersTooLarge", "yes", 200 },
      { "many-headers", "protocol", "HeadersTooLarge", "yes", 200 },
      { "long-header", "protocol", "HeadersTooLarge", "yes", 200 },
      { "endless-interim", "protocol", "HeadersTooLarge", "yes" },
      { "long-body", "protocol", "BodyTooLarge", "yes", 200 },
      { "long-length", "protocol", "BodyTooLarge", "yes", 200 },
      { "garbage", "protocol", "MalformedResponse", "maybe" },
      { "switch", "protocol", "MalformedResponse", "yes" },
      { "gzip", "protocol", "UnsupportedEncoding", "yes", 200 },
      { "gzip-transfer", "protocol", "UnsupportedEncoding", "yes", 200 },
      { "two-lengths", "protocol", "MalformedResponse", "yes", 200 },
      { "list-of-lengths", "protocol", "MalformedResponse", "yes", 200 },
      { "folded", "protocol", "MalformedResponse", "yes", 200 },
      { "zero-byte", "protocol", "MalformedResponse", "yes", 200 },
      { "no-colon", "protocol", "MalformedResponse", "yes", 200 },
      { "bare-return", "protocol", "MalformedResponse", "yes", 200 },
    }

    for _, fault in ipairs(faults) do
      local path, kind, code, sent, status = fault[1], fault[2], fault[3], fault[4], fault[5]
      it(("(%s) says %s and how far it got, and the next request succeeds"):format(path, code), function()
        for _, fresh in ipairs { true, false } do
          local response, failure =
            send(runtime, base .. "/" .. path .. "?token=secret", { fresh_connection = fresh, read_timeout = 0.15 })
          assert_failure(kind, code, sent, response, failure)
          assert.are.equal(status, failure.status)
          assert.is_truthy(failure.message:find("127.0.0.1:" .. running.ports[1], 1, true))
          assert.is_nil(failure.message:find "secret")
          assert.are.equal('{"ok":true}', ask("/fixed").body)
        end
      end)
    end

    it("ends at the total timeout, though something arrives all the time", function()
      local start = runtime.now()
      assert_failure("timeout", "DeadlineExceeded", "yes", send(runtime, base .. "/slow-head", { timeout = 0.2 }))
      assert.is_true(runtime.now() - start >= 0.2)
      assert.are.equal(200, ask("/fixed").status)
    end)

    it("ends at the total timeout, though no answer began", function()
      local start = runtime.now()
      for _ = 1, 2 do
        assert_failure("timeout", "DeadlineExceeded", "maybe", send(runtime, base .. "/hang", { timeout = 0.1 }))
        assert.are.equal(200, ask("/fixed").status) -- the second time over this connection
      end
      assert.is_true(runtime.now() - start < 1.5) -- and not at the read timeout
    end)

    it("holds no more open files after two hundred faults than before", function()
      local function open_files()
        collectgarbage() -- closes what other tests left to the collector
        collectgarbage()
        return output "ls -l /proc/$PPID/fd | grep -vc pipe:" -- not the pipe of this very question
      end
      local quick = { "close", "reset", "truncated", "bad-chunk", "garbage", "gzip", "two-lengths", "cut-head" }
      ask "/fixed"
      local before = open_files()
      for i = 1, 200 do
        local response = send(runtime, base .. "/" .. quick[i % #quick + 1], { fresh_connection = i % 3 == 0 })
        assert.is_nil(response)
      end
      ask "/fixed"
      assert.are.equal(before, open_files())
    end)
  end)

  describe("when there is no connection", function()
    it("says that nothing was sent if the port is closed", function()
      local closed = server.start "plain"
      closed.stop()
      local address = "127.0.0.1:" .. closed.ports[1]
      local failure =
        assert_failure("transport", "CouldNotConnect", "no", send(runtime, "http://" .. address .. "/secret?secret"))
      assert.is_truthy(failure.message:find(address, 1, true))
      assert.is_truthy(failure.message:find "refused")
      assert.is_nil(failure.message:find "secret")
    end)

    it("says that nothing was sent if the name is unknown", function()
      -- a label of more than 63 letters fails without any name server
      local url = "http://" .. ("x"):rep(64) .. ".example/"
      assert_failure("transport", "CouldNotResolveHost", "no", send(runtime, url))
    end)

    it("gives up connecting after the connect timeout, TLS included", function()
      local made = tls.make() -- a machine without authorities would not even connect
      local patient = new_runtime { ca_file = made.ca }
      local response, failure =
        send(patient, "https://127.0.0.1:" .. running.ports[1] .. "/", { connect_timeout = 0.15 })
      assert_failure("timeout", "ConnectTimeout", "no", response, failure)
      patient.close()
      made.remove()
    end)

    it("succeeds afterwards", function()
      send(runtime, "http://127.0.0.1:1/")
      assert.are.equal(200, ask("/fixed").status)
    end)
  end)

  describe("closing", function()
    it("may be done twice, and nothing is sent afterwards", function()
      ask "/fixed"
      runtime.close()
      runtime.close()
      assert_failure("aborted", "Closed", "no", send(runtime, base .. "/fixed"))
    end)

    it("may be done before anything was sent", function()
      runtime.close()
      assert_failure("aborted", "Closed", "no", send(runtime, base .. "/fixed"))
    end)
  end)

  describe("clocks", function()
    it("are one that only goes forward and one of the wall", function()
      local start = runtime.now()
      runtime.sleep(0.01)
      assert.is_true(runtime.now() - start >= 0.01)
      assert.is_true(math.abs(runtime.time() - os.time()) < 2)
    end)
  end)

  describe("making one", function()
    it("refuses a CA file that holds no certificate, rather than trusting the system's", function()
      local path = os.tmpname()
      local function refused(problem)
        local made, err = curl.new { ca_file = path }
        assert.is_nil(made)
        assert.is_true(errors.is(err))
        assert.are.same({ "config", "CaFileUnusable" }, { err.kind, err.code })
        assert.is_truthy(err.message:find(problem, 1, true), err.message)
      end
      refused "is empty"
      local file = assert(io.open(path, "w"))
      file:write "no certificate\n"
      file:close()
      refused "no certificate in PEM"
      os.remove(path)
      refused "does not exist"
      path = "/"
      refused "not a regular file"
    end)

    it("refuses a proxy that is no URL, without showing it", function()
      local made, err = curl.new { proxy = "http://user:secret@host:1\r\nX: y" }
      assert.is_nil(made)
      assert.are.same({ "config", "InvalidProxy" }, { err.kind, err.code })
      assert.is_nil(tostring(err):find "secret")
    end)

    it("refuses a list of exceptions that could not be one", function()
      local made, err = curl.new { no_proxy = "a\r\nb" }
      assert.is_nil(made)
      assert.are.same({ "config", "InvalidProxy" }, { err.kind, err.code })
    end)

    it("raises when an option has the wrong type", function()
      for _, options in ipairs {
        { ca_file = 5 },
        { proxy = {} },
        { max_body = "1" },
        { max_body = 0 },
        { max_body = 1.5 },
        { max_header = -1 },
        { proxy = "http://a\0b" },
        { no_proxy = {} },
        { no_proxy = "a\0b" },
        { client_certificate = 1 },
        { client_key = "a\0b" },
      } do
        assert.has_error(function()
          curl.new(options)
        end)
      end
    end)

    it("does not change the table it is given", function()
      local options = { proxy = "" }
      new_runtime(options).close()
      assert.are.same({ proxy = "" }, options)
    end)
  end)
end)

describe("the transfers under it", function()
  local running, base, transfer

  setup(function()
    running = server.start "plain"
    base = "http://127.0.0.1:" .. running.ports[1]
  end)

  teardown(function()
    running.stop()
  end)

  before_each(function()
    transfer = assert(core.transfer.new { proxy = "" })
  end)

  after_each(function()
    transfer:close()
  end)

  local function request(path)
    return { method = "GET", url = base .. path, headers = {}, read_timeout = 5 }
  end

  local function finish(id)
    for _ = 1, 1000 do
      local response, failure = transfer:result(id)
      if response ~= false then
        return response, failure
      end
      transfer:step(0.1)
    end
  end

  it("overlap", function()
    local start, ids = core.now(), {}
    for i = 1, 20 do
      ids[i] = assert(transfer:start(request "/drip"))
    end
    assert.is_false(transfer:result(ids[1]))
    assert.are.equal(20, transfer:step(0))
    for i = 1, 20 do
      assert.are.equal("xxxxxxxx", finish(ids[i]).body)
    end
    assert.is_true(core.now() - start < 20 * 0.4)
    assert.are.equal(0, transfer:step(1))
  end)

  it("return from a step as soon as one of them has ended", function()
    assert(transfer:start(request "/hang"))
    local id = assert(transfer:start(request "/fixed"))
    transfer:step(30)
    assert.are.equal(200, transfer:result(id).status)
  end)

  it("give each result once", function()
    local id = assert(transfer:start(request "/fixed"))
    assert.are.equal(200, finish(id).status)
    assert_failure("aborted", "Gone", "no", transfer:result(id))
  end)

  it("can be cancelled under way, at the end and twice", function()
    local hanging, ended = assert(transfer:start(request "/hang")), assert(transfer:start(request "/fixed"))
    transfer:step(5)
    assert.is_true(transfer:cancel(hanging))
    assert.is_true(transfer:cancel(ended))
    assert.is_true(transfer:cancel(ended))
    assert.are.equal(0, transfer:step(0))
    assert_failure("aborted", "Gone", "no", transfer:result(hanging))
    assert_failure("aborted", "Gone", "no", transfer:result(ended))
    assert.are.equal(200, finish(assert(transfer:start(request "/fixed"))).status)
  end)

  it("end when nobody holds their ids any longer", function()
    for _ = 1, 300 do
      assert(transfer:start(request "/hang"))
      transfer:step(0)
      collectgarbage()
    end
    collectgarbage()
    collectgarbage()
    assert.are.equal(0, transfer:step(0))
    assert.are.equal(200, finish(assert(transfer:start(request "/fixed"))).status)
  end)

  it("answer every method with aborted once closed", function()
    local id = assert(transfer:start(request "/hang"))
    transfer:step(0)
    transfer:close()
    transfer:close()
    assert_failure("aborted", "Closed", "no", transfer:start(request "/fixed"))
    assert_failure("aborted", "Closed", "no", transfer:step(0))
    assert_failure("aborted", "Closed", "no", transfer:result(id))
    assert_failure("aborted", "Closed", "no", transfer:cancel(id))
  end)

  it("may be collected in any order", function()
    for _ = 1, 20 do
      local other = assert(core.transfer.new { proxy = "" })
      local first, second = assert(other:start(request "/hang")), assert(other:start(request "/fixed"))
      other:step(0)
      local keep = { first, other, second }
      keep[math.random(3)] = nil
      first, second, other = nil, nil, nil -- luacheck: ignore
      collectgarbage()
      assert.is_table(keep)
    end
    collectgarbage()
  end)

  it("raise when called with something else", function()
    for _, call in ipairs {
      function()
        transfer.step(42)
      end,
      function()
        transfer:result(1)
      end,
      function()
        transfer:cancel(transfer)
      end,
      function()
        transfer:start()
      end,
      function()
        transfer:start { method = "GET" }
      end,
      function()
        local headers = {}
        for i = 1, 65 do
          headers[i] = { "a", "b" }
        end
        transfer:start { method = "GET", url = base, headers = headers }
      end,
    } do
      assert.has_error(call)
    end
  end)

  it("call no metamethod of the request", function()
    local id = assert(transfer:start(setmetatable(request "/fixed", {
      __index = function()
        error "not to be called"
      end,
    })))
    assert.are.equal(200, finish(id).status)
  end)
end)

describe("the runtime over TLS", function()
  local running, made, runtime, ports

  local function listener(certificate, protocol)
    return ("tls,%s,%s,%s"):format(certificate.certificate, certificate.key, protocol or "any")
  end

  setup(function()
    made = tls.make()
    running = server.start(
      listener(made.good),
      listener(made.wrong_host),
      listener(made.expired),
      listener(made.future),
      listener(made.self_signed),
      listener(made.good, "tlsv1_1"),
      "plain"
    )
    ports = {}
    for i, name in ipairs { "good", "wrong_host", "expired", "future", "self_signed", "old", "plain" } do
      ports[name] = running.ports[i]
    end
    runtime = new_runtime { ca_file = made.ca }
  end)

  teardown(function()
    runtime.close()
    running.stop()
    made.remove()
  end)

  local function ask(name, host, changes)
    return send(runtime, ("https://%s:%d/alpn"):format(host or "127.0.0.1", ports[name]), changes)
  end

  local function assert_refused(code, ...)
    local failure = assert_failure("tls", code, "no", ask(...))
    assert.is_truthy(failure.message:find "127%.0%.0%.1:%d")
    assert.are.equal(200, assert(ask "good").status)
  end

  it("accepts a certificate of the given authority for this address and for this name", function()
    assert.are.equal(200, assert(ask "good").status)
    assert.are.equal(200, assert(ask("good", "localhost")).status)
  end)

  it("offers HTTP/1.1 and nothing else", function()
    assert.are.equal("http/1.1", assert(ask "good").body)
  end)

  it("refuses a certificate for another host", function()
    assert_refused("CertificateHostMismatch", "wrong_host")
  end)

  it("refuses a certificate that has expired", function()
    assert_refused("CertificateExpired", "expired")
  end)

  it("refuses a certificate that is not valid yet", function()
    assert_refused("CertificateNotYetValid", "future")
  end)

  it("refuses a certificate that signed itself", function()
    assert_refused("CertificateNotTrusted", "self_signed")
  end)

  it("refuses an authority that is not in the given file", function()
    local other = new_runtime { ca_file = made.other_ca }
    local url = ("https://127.0.0.1:%d/fixed"):format(ports.good)
    assert_failure("tls", "CertificateNotTrusted", "no", send(other, url))
    other.close()
  end)

  it("refuses an authority that the system does not know, without a given file", function()
    local other = new_runtime()
    local response, failure = send(other, ("https://127.0.0.1:%d/fixed"):format(ports.good))
    other.close()
    assert.is_nil(response)
    -- on a machine without any CA certificates there is nothing to look them up in
    assert.is_true(failure.kind == "tls" or failure.kind == "config")
    assert.are.equal("no", failure.sent)
  end)

  it("knows no option to look away", function()
    local other = new_runtime { ca_file = made.other_ca, verify = false, insecure = true, ssl_verify = false }
    local url = ("https://127.0.0.1:%d/fixed"):format(ports.good)
    assert_failure("tls", "CertificateNotTrusted", "no", send(other, url, { verify = false, insecure = true }))
    other.close()
  end)

  it("refuses TLS 1.1, which that server does speak with others", function()
    assert_refused("TlsHandshakeFailed", "old")
    local object = assert(require("socket").connect("127.0.0.1", ports.old))
    local wrapped = assert(require("ssl").wrap(object, {
      mode = "client",
      protocol = "tlsv1_1",
      ciphers = "ALL:@SECLEVEL=0",
      verify = "none",
    }))
    assert.is_true(wrapped:dohandshake())
    wrapped:close()
  end)

  it("does not fall back to a connection without TLS", function()
    local response, failure = ask("plain", nil, { connect_timeout = 0.15 })
    assert.is_nil(response)
    assert.are.equal("no", failure.sent)
  end)

  it("says maybe when a server of TLS is asked without", function()
    local response, failure = send(runtime, ("http://127.0.0.1:%d/"):format(ports.good))
    assert.is_nil(response)
    assert.are.equal("maybe", failure.sent)
  end)

  it("keeps connections, and gives what must leave once its own", function()
    local url = ("https://127.0.0.1:%d/number"):format(ports.good)
    local first = assert(send(runtime, url)).body
    assert.are.equal(first, assert(send(runtime, url)).body)
    assert.are_not.equal(first, assert(send(runtime, url, { fresh_connection = true })).body)
    assert.are.equal(first, assert(send(runtime, url)).body)
  end)

  it("takes nothing for an answer that came before the request, in the same record or in another", function()
    local url = ("https://127.0.0.1:%d"):format(ports.good)
    for _, path in ipairs { "/spilled", "/short-length" } do
      local before = assert(send(runtime, url .. "/number")).body
      assert.are.equal("right", assert(send(runtime, url .. path)).body)
      core.sleep(0.1)
      assert.are_not.equal(before, assert(send(runtime, url .. "/number")).body)
    end
  end)

  it("reports a fault inside TLS as it does outside", function()
    local url = ("https://127.0.0.1:%d"):format(ports.good)
    assert_failure("transport", "EmptyReply", "maybe", send(runtime, url .. "/close", { fresh_connection = true }))
    assert_failure("protocol", "TruncatedBody", "yes", send(runtime, url .. "/truncated"))
    assert_failure("timeout", "ReadTimeout", "maybe", send(runtime, url .. "/hang", { read_timeout = 0.15 }))
    assert.are.equal(200, assert(ask "good").status)
  end)
end)

describe("the runtime over a proxy", function()
  local running, made, runtimes, proxy, tunnel

  setup(function()
    made = tls.make()
    runtimes = {}
    running = server.start("proxy", ("proxy,%s,%s,any"):format(made.good.certificate, made.good.key))
    proxy, tunnel = running.ports[1], running.ports[2]
  end)

  teardown(function()
    for _, runtime in ipairs(runtimes) do
      runtime.close()
    end
    running.stop()
    made.remove()
  end)

  local function through(port, user)
    local runtime =
      new_runtime { ca_file = made.ca, proxy = ("http://%s127.0.0.1:%d"):format(user or "user:secret@", port) }
    runtimes[#runtimes + 1] = runtime
    return runtime
  end

  local token = { { "X-Amz-Security-Token", "token-of-the-session" } }

  it("asks an http service through it", function()
    local response = assert(send(through(proxy), "http://service.example/echo"))
    assert.are.equal("POST http://service.example/echo HTTP/1.1", response.body:match "^[^\r]*")
  end)

  it("verifies TLS with the service itself, and shows the proxy no header of the request", function()
    local runtime = through(tunnel)
    local response = assert(send(runtime, "https://service.example/connect-head", { headers = token }))
    assert.are.equal("CONNECT service.example:443 HTTP/1.1", response.body:match "^[^\r]*")
    assert.is_nil(response.body:find "token%-of%-the%-session")
    response = assert(send(runtime, "https://service.example/echo", { headers = token }))
    assert.is_truthy(response.body:find "token%-of%-the%-session")
    assert.is_nil(response.body:find "Proxy%-Authorization")
  end)

  it("takes no header of the proxy's answer for the service's", function()
    local response = assert(send(through(tunnel), "https://service.example/fixed"))
    assert.are.same({ ["content-length"] = "11" }, response.headers)
  end)

  it("refuses a proxy that opens TLS itself", function()
    local failure =
      assert_failure("tls", "CertificateHostMismatch", "no", send(through(tunnel), "https://other.example/fixed"))
    assert.is_truthy(failure.message:find "other%.example:443")
  end)

  local refusals = {
    { "user:wrong-secret@", "https://service.example/", "ProxyAuthenticationRequired", "no" },
    { "", "https://service.example/", "ProxyAuthenticationRequired", "no" },
    { "", "http://service.example/", "ProxyAuthenticationRequired", "yes" },
    { nil, "https://refused.example/", "ProxyRefused", "no" },
    { nil, "https://broken.example/", "ProxyUnavailable", "no" },
  }
  for i = 1, 5 do
    local user, url, code, sent = refusals[i][1], refusals[i][2], refusals[i][3], refusals[i][4]
    it(("reports %s for %s and shows no password"):format(code, url), function()
      local failure = assert_failure("proxy", code, sent, send(through(tunnel, user), url))
      assert.is_nil(failure.message:find "secret")
    end)
  end

  it("names the address of a proxy that nobody is at, but not its password", function()
    local failure =
      assert_failure("proxy", "CouldNotConnectToProxy", "no", send(through(1), "https://service.example/"))
    assert.is_truthy(failure.message:find("127.0.0.1:1", 1, true))
    assert.is_nil(failure.message:find "secret")
  end)

  it("reports a proxy whose name is unknown, without showing it", function()
    local runtime = new_runtime { proxy = "http://user:secret@" .. ("x"):rep(64) .. ".example:1" }
    runtimes[#runtimes + 1] = runtime
    local failure = assert_failure("proxy", "CouldNotResolveProxy", "no", send(runtime, "https://service.example/"))
    assert.is_nil(failure.message:find "secret")
  end)
end)

describe("the runtime's exceptions to a proxy", function()
  local running, target, proxy, runtimes

  setup(function()
    runtimes = {}
    running = server.start("plain", "proxy")
    target, proxy = running.ports[1], ("http://user:secret@127.0.0.1:%d"):format(running.ports[2])
  end)

  teardown(function()
    for _, runtime in ipairs(runtimes) do
      runtime.close()
    end
    running.stop()
  end)

  local function new(options)
    local runtime = assert(curl.new(options))
    runtimes[#runtimes + 1] = runtime
    return runtime
  end

  -- How a request for this host arrived: "direct" at the target, or "proxy".
  local function way(runtime, host, changes)
    local response = assert(send(runtime, ("http://%s:%d/echo"):format(host, target), changes))
    return response.body:find "^POST http://" and "proxy" or response.body:find "^POST /echo" and "direct"
  end

  it("are hosts, all hosts or none", function()
    assert.are.equal("proxy", way(new { proxy = proxy }, "127.0.0.1"))
    assert.are.equal("proxy", way(new { proxy = proxy, no_proxy = "" }, "127.0.0.1"))
    assert.are.equal("proxy", way(new { proxy = proxy, no_proxy = "example.com,10.0.0.1" }, "127.0.0.1"))
    assert.are.equal("direct", way(new { proxy = proxy, no_proxy = "example.com, 127.0.0.1" }, "127.0.0.1"))
    assert.are.equal("direct", way(new { proxy = proxy, no_proxy = "*" }, "127.0.0.1"))
    local runtime = new { proxy = proxy, no_proxy = "localhost" }
    assert.are.equal("direct", way(runtime, "localhost"))
    assert.are.equal("proxy", way(runtime, "127.0.0.1"))
    assert.are.equal("direct", way(runtime, "localhost"))
  end)

  it("are networks where this libcurl knows them", function()
    local networks = core.versions().no_proxy_networks
    assert.are.equal(
      networks and "direct" or "proxy",
      way(new { proxy = proxy, no_proxy = "127.0.0.0/8" }, "127.0.0.1")
    )
    assert.are.equal("proxy", way(new { proxy = proxy, no_proxy = "10.0.0.0/8" }, "127.0.0.1"))
  end)

  it("are told from a proxy when nobody is there", function()
    local runtime = new { proxy = "http://127.0.0.1:1", no_proxy = "localhost" }
    local closed = server.start "plain"
    closed.stop()
    local url = ("http://%%s:%d/"):format(closed.ports[1])
    assert_failure("proxy", "CouldNotConnectToProxy", "no", send(runtime, url:format "127.0.0.1"))
    assert_failure("transport", "CouldNotConnect", "no", send(runtime, url:format "localhost"))
    assert_failure("transport", "CouldNotConnect", "no", send(runtime, url:format "127.0.0.1", { direct = true }))
  end)

  it("are one request at a time, and neither way is given the other's connection", function()
    local runtime = new { proxy = proxy }
    local function number(direct)
      local url = ("http://127.0.0.1:%d/number"):format(target)
      return assert(send(runtime, url, { direct = direct })).body
    end
    local proxied, direct = number(), number(true)
    assert.are_not.equal(proxied, direct)
    for _ = 1, 3 do
      assert.are.equal(proxied, number(false))
      assert.are.equal(direct, number(true))
    end
    assert.are.equal("proxy", way(runtime, "127.0.0.1"))
    assert.are.equal("direct", way(runtime, "127.0.0.1", { direct = true }))
    assert.are.equal("direct", way(runtime, "127.0.0.1", { direct = true, fresh_connection = true }))
  end)

  it("leave nothing of the proxy's password to a direct request", function()
    local response = assert(send(new { proxy = proxy }, ("http://127.0.0.1:%d/echo"):format(target), { direct = true }))
    assert.is_nil(response.body:lower():find "proxy")
  end)

  it("leave the status 407 of a server that no proxy stands before to the caller", function()
    local url = ("http://127.0.0.1:%d/status/407"):format(target)
    assert.are.equal(407, assert(send(new { proxy = proxy }, url, { direct = true })).status)
  end)

  it("count whatever the environment says", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(([[
      local curl = require "cloudhsmv2.runtime.curl"
      local function way(options, direct)
        local runtime = assert(curl.new(options))
        local response = assert(runtime.send {
          method = "GET", url = "http://127.0.0.1:%d/echo", headers = {}, direct = direct, read_timeout = 5,
        })
        runtime.close()
        return response.body:find "^GET http://" and "proxy" or response.body:find "^GET /echo" and "direct"
      end
      print(
        way {}, way({}, true), way { no_proxy = "127.0.0.1" }, way { no_proxy = "" }, way { proxy = "" },
        way { proxy = os.getenv "http_proxy" }
      )
    ]]):format(target))
    file:close()
    local interpreter = rawget(_G, "jit") and "luajit" or (_VERSION:gsub("^Lua ", "lua"))
    local function ask(no_proxy)
      local variables = ("http_proxy=%s no_proxy=%s NO_PROXY=%s"):format(proxy, no_proxy, no_proxy)
      return output(("env %s %s %s 2>&1"):format(variables, interpreter, path))
    end
    assert.are.equal("proxy\tdirect\tdirect\tproxy\tdirect\tproxy\n", ask "other.example")
    assert.are.equal("direct\tdirect\tdirect\tproxy\tdirect\tproxy\n", ask "127.0.0.1")
    os.remove(path)
  end)
end)

describe("the runtime with tunnels and direct requests", function()
  it("gives neither the other's connection, though both go to one address over TLS", function()
    local made = tls.make()
    local listener = ("%s,%s,any"):format(made.good.certificate, made.good.key)
    local running = server.start("tls," .. listener, "proxy," .. listener)
    local runtime =
      new_runtime { ca_file = made.ca, proxy = ("http://user:secret@127.0.0.1:%d"):format(running.ports[2]) }
    local function number(direct)
      local url = ("https://127.0.0.1:%d/number"):format(running.ports[1])
      return assert(send(runtime, url, { direct = direct })).body
    end
    local proxied, direct = number(), number(true)
    assert.are_not.equal(proxied, direct)
    for _ = 1, 3 do
      assert.are.equal(proxied, number())
      assert.are.equal(direct, number(true))
    end
    runtime.close()
    running.stop()
    made.remove()
  end)
end)

describe("the runtime with a certificate of the client", function()
  local running, made, ports, runtimes

  setup(function()
    made = tls.make()
    runtimes = {}
    local function listener(protocol, need)
      return ("tls,%s,%s,%s,%s,%s"):format(made.good.certificate, made.good.key, protocol, made.ca, need)
    end
    running = server.start(listener("any", "needed"), listener("tlsv1_2", "needed"), listener("any", "wanted"))
    ports = { needed = running.ports[1], old = running.ports[2], wanted = running.ports[3] }
    made.both = made.folder .. "/both"
    made.encrypted = made.folder .. "/encrypted"
    output(("cat %s %s >%s"):format(made.good.certificate, made.good.key, made.both))
    output(("openssl pkey -in %s -aes256 -passout pass:secret -out %s"):format(made.good.key, made.encrypted))
  end)

  teardown(function()
    for _, runtime in ipairs(runtimes) do
      runtime.close()
    end
    running.stop()
    made.remove()
  end)

  local function new(certificate, key, options)
    local settings = { ca_file = made.ca, client_certificate = certificate, client_key = key }
    for name, value in pairs(options or {}) do
      settings[name] = value
    end
    local runtime = new_runtime(settings)
    runtimes[#runtimes + 1] = runtime
    return runtime
  end

  local function ask(runtime, port, changes)
    return send(runtime, ("https://127.0.0.1:%d/client-certificate"):format(port), changes)
  end

  it("shows it to a server that asks, with the key in a file of its own or in the same", function()
    for _, runtime in ipairs { new(made.good.certificate, made.good.key), new(made.both), new(made.both, made.both) } do
      for _, port in pairs(ports) do
        assert.are.equal("good", assert(ask(runtime, port)).body)
        assert.are.equal("good", assert(ask(runtime, port, { fresh_connection = true })).body)
      end
    end
  end)

  it("has none to show if none was given", function()
    assert.are.equal("none", assert(ask(new(), ports.wanted)).body)
  end)

  it("never shows it to a proxy, only to a server behind", function()
    -- the server that asks for certificates is the proxy here, and answers the request itself
    local proxied = new(made.good.certificate, made.good.key, { proxy = ("https://127.0.0.1:%d"):format(ports.wanted) })
    assert.are.equal("none", assert(send(proxied, "http://service.example/client-certificate")).body)
    assert.are.equal("good", assert(ask(proxied, ports.wanted, { direct = true })).body)
  end)

  it("says that a server wants one", function()
    local response, failure = ask(new(), ports.needed) -- with TLS 1.3 the request leaves before the refusal arrives
    assert_failure("tls", "ClientCertificateRequired", "maybe", response, failure)
    assert.is_truthy(failure.message:find("127.0.0.1:" .. ports.needed, 1, true))
    assert_failure("tls", "TlsHandshakeFailed", "no", ask(new(), ports.old)) -- TLS 1.2 has no word for it
  end)

  it("says that a server refused it, and why", function()
    local stranger = new(made.self_signed.certificate, made.self_signed.key)
    local failure = assert_failure("tls", "ClientCertificateRefused", "maybe", ask(stranger, ports.needed))
    assert.is_truthy(failure.message:find("unknown ca", 1, true))
    assert_failure("tls", "ClientCertificateRefused", "no", ask(stranger, ports.old))
    local expired = new(made.expired.certificate, made.expired.key)
    failure = assert_failure("tls", "ClientCertificateRefused", "maybe", ask(expired, ports.needed))
    assert.is_truthy(failure.message:find("certificate expired", 1, true))
    assert_failure("tls", "ClientCertificateRefused", "no", ask(expired, ports.old))
  end)

  it("refuses files that cannot be used, before anything is sent and without asking for a password", function()
    local empty = made.folder .. "/empty"
    output("true >" .. empty)
    local good = made.good
    for _, case in ipairs {
      { nil, good.key, "ClientKeyUnusable", "without its certificate" },
      { "/no/such/file", good.key, "ClientCertificateUnusable", "does not exist" },
      { "/", good.key, "ClientCertificateUnusable", "not a regular file" },
      { empty, good.key, "ClientCertificateUnusable", "is empty" },
      { good.key, good.key, "ClientCertificateUnusable", "no certificate in PEM" },
      { good.certificate, "/no/such/file", "ClientKeyUnusable", "does not exist" },
      { good.certificate, empty, "ClientKeyUnusable", "is empty" },
      { good.certificate, good.certificate, "ClientKeyUnusable", "no private key in PEM" },
      { good.certificate, nil, "ClientKeyUnusable", "set client_key" },
      { good.certificate, made.encrypted, "ClientKeyUnusable", "encrypted" },
      { good.certificate, made.self_signed.key, "ClientKeyUnusable", "does not belong to the certificate" },
    } do
      local runtime, err = curl.new { client_certificate = case[1], client_key = case[2] }
      assert.is_nil(runtime)
      assert.is_true(errors.is(err))
      assert.are.same({ "config", case[3] }, { err.kind, err.code })
      assert.is_truthy(err.message:find(case[4], 1, true), err.message)
    end
  end)

  it("fails, rather than asking for a password, when the key is replaced by an encrypted one later", function()
    local key = made.folder .. "/changing"
    output(("cp %s %s"):format(made.good.key, key))
    local runtime = new(made.good.certificate, key)
    assert.are.equal("good", assert(ask(runtime, ports.needed)).body)
    output(("cp %s %s"):format(made.encrypted, key))
    assert_failure("config", "ClientCertificateUnusable", "no", ask(runtime, ports.needed, { fresh_connection = true }))
  end)
end)

describe("the runtime that serves here", function()
  it("has the options about proxies, sizes and the client's certificate, too", function()
    local running = server.start("plain", "proxy")
    local proxy = ("http://user:secret@127.0.0.1:%d"):format(running.ports[2])
    local url = ("http://127.0.0.1:%d/echo"):format(running.ports[1])
    local function ask(options, changes)
      local runtime = here.new(options)
      local response, failure = send(runtime, url, changes)
      runtime.close()
      return response and response.body:match "^POST http" or failure and failure.code
    end
    assert.are.equal("POST http", ask { proxy = proxy })
    assert.is_nil(ask { proxy = proxy, no_proxy = "*" })
    assert.is_nil(ask({ proxy = proxy }, { direct = true }))
    assert.are.equal("BodyTooLarge", ask { proxy = proxy, max_body = 10 })
    assert.are.equal("BodyTooLarge", ask({ proxy = proxy }, { max_body = 10 }))
    assert.are.equal("ClientCertificateUnusable", ask { client_certificate = "/no/such/file" })
    assert.are.equal("ClientKeyUnusable", ask { client_key = "/no/such/file" })
    running.stop()
  end)
end)
