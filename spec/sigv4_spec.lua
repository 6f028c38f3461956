local errors = require "cloudhsmv2.errors"
local sigv4 = require "cloudhsmv2.sigv4"

local ID = "AKIDEXAMPLE"
local SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
local TOKEN = "AQoTOKEN"
local KEYS = { access_key_id = ID, secret_access_key = SECRET }
local KEYS_WITH_TOKEN = { access_key_id = ID, secret_access_key = SECRET, session_token = TOKEN }

-- DescribeClusters as botocore sends it, 2026-11-23T12:34:56Z, and what botocore signs it with.
local DESCRIBE_CLUSTERS = "f0b4f2e6e0323577369399242ba3caea698cfcbd2d8779253c9a492e3a66c0d6"
local DESCRIBE_CLUSTERS_WITH_TOKEN = "722beb997d56cbaa7e0be3c26d1c2315f0451587e9de81b55afc47c0950d4877"

--- The DescribeClusters request, with the fields of `changes` in place of its own.
local function describe_clusters(changes)
  local request = {
    method = "POST",
    path = "/",
    headers = {
      { "Host", "cloudhsmv2.us-east-1.amazonaws.com" },
      { "Content-Type", "application/x-amz-json-1.1" },
      { "X-Amz-Target", "BaldrApiService.DescribeClusters" },
    },
    body = '{"Filters": {"states": ["ACTIVE"]}, "MaxResults": 5}',
    region = "us-east-1",
    service = "cloudhsm",
    time = 1795437296,
    credentials = KEYS,
  }
  for name, value in pairs(changes or {}) do
    request[name] = value
  end
  return request
end

--- DescribeClusters with more headers.
local function with_headers(more, changes)
  local request = describe_clusters(changes)
  for _, header in ipairs(more) do
    request.headers[#request.headers + 1] = header
  end
  return request
end

local function without(name)
  local request = describe_clusters()
  request[name] = nil
  return request
end

local function signed(request)
  return assert(sigv4.sign(request))
end

local function line(text, number)
  for found in (text .. "\n"):gmatch "(.-)\n" do
    number = number - 1
    if number == 0 then
      return found
    end
  end
end

local function names_of(headers)
  local names = {}
  for i, header in ipairs(headers) do
    names[i] = header[1]
  end
  return table.concat(names, " ")
end

local function value_of(headers, name)
  for _, header in ipairs(headers) do
    if header[1] == name then
      return header[2]
    end
  end
end

--- Nothing and an error of `kind`, whose message begins with the name of the field.
local function assert_refused(kind, field, result, err)
  assert.is_nil(result)
  assert.is_true(errors.is(err))
  assert.are.equal(kind, err.kind)
  assert.are.equal(field, err.message:sub(1, #field))
  assert.are.equal("no", err.sent)
end

--- Calls `finalizer` when the collector next comes around, on every version.
local function when_collected(finalizer)
  local newproxy = rawget(_G, "newproxy")
  if newproxy then
    getmetatable(newproxy(true)).__gc = finalizer
  else
    setmetatable({}, { __gc = finalizer })
  end
end

describe("a signature", function()
  it("is the one that AWS documents for ListUsers of IAM", function()
    local result = signed {
      method = "GET",
      query = "Action=ListUsers&Version=2010-05-08",
      headers = {
        { "Host", "iam.amazonaws.com" },
        { "Content-Type", "application/x-www-form-urlencoded; charset=utf-8" },
      },
      region = "us-east-1",
      service = "iam",
      time = 1440938160,
      credentials = KEYS,
    }
    assert.are.equal(
      table.concat({
        "GET",
        "/",
        "Action=ListUsers&Version=2010-05-08",
        "content-type:application/x-www-form-urlencoded; charset=utf-8",
        "host:iam.amazonaws.com",
        "x-amz-date:20150830T123600Z",
        "",
        "content-type;host;x-amz-date",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      }, "\n"),
      result.canonical_request
    )
    assert.are.equal(
      "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n"
        .. "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59",
      result.string_to_sign
    )
    assert.are.equal("5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7", result.signature)
    assert.are.equal(
      "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        .. "SignedHeaders=content-type;host;x-amz-date, "
        .. "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
      result.authorization
    )
    assert.are.equal("20150830T123600Z", result.date)
  end)

  it("is botocore's for DescribeClusters, with and without a session token", function()
    assert.are.equal(DESCRIBE_CLUSTERS, signed(describe_clusters()).signature)
    local result = signed(describe_clusters { credentials = KEYS_WITH_TOKEN })
    assert.are.equal(DESCRIBE_CLUSTERS_WITH_TOKEN, result.signature)
    assert.are.equal(
      "content-type;host;x-amz-date;x-amz-security-token;x-amz-target",
      line(result.canonical_request, 10)
    )
  end)

  it("comes with the complete list of headers to send, in which what was given keeps its place", function()
    local result = signed(with_headers({ { "User-Agent", "x" } }, { credentials = KEYS_WITH_TOKEN }))
    assert.are.equal(
      "Host Content-Type X-Amz-Target User-Agent X-Amz-Date X-Amz-Security-Token Authorization",
      names_of(result.headers)
    )
    assert.are.equal("20261123T123456Z", value_of(result.headers, "X-Amz-Date"))
    assert.are.equal(TOKEN, value_of(result.headers, "X-Amz-Security-Token"))
    assert.are.equal(result.authorization, value_of(result.headers, "Authorization"))
  end)

  it("leaves the request as it was", function()
    local request = with_headers { { "X-Amz-Folded", "a\n b" }, { "X-Amz-Date", "old" } }
    signed(request)
    assert.are.equal("Host Content-Type X-Amz-Target X-Amz-Folded X-Amz-Date", names_of(request.headers))
    assert.are.equal("a\n b", request.headers[4][2])
    assert.are.equal(KEYS, request.credentials)
  end)

  it("replaces what an earlier signature left in the headers, in any case of the letters", function()
    local stale = { { "AUTHORIZATION", "old" }, { "x-amz-date", "old" }, { "X-AMZ-SECURITY-TOKEN", "old" } }
    local result = signed(with_headers(stale))
    assert.are.equal(DESCRIBE_CLUSTERS, result.signature)
    assert.are.equal("Host Content-Type X-Amz-Target X-Amz-Date Authorization", names_of(result.headers))
  end)

  it("can be computed again by a server, from the headers that SignedHeaders names", function()
    local sent = signed(describe_clusters { credentials = KEYS_WITH_TOKEN })
    local received = {}
    for i, header in ipairs(sent.headers) do
      received[#sent.headers + 1 - i] = header
    end
    local again = signed(describe_clusters { headers = received, credentials = KEYS_WITH_TOKEN, all_headers = true })
    assert.are.equal(sent.authorization, again.authorization)
  end)

  it("covers host, content-type and x-amz-*, and no header that a proxy may rewrite", function()
    local result = signed(with_headers {
      { "User-Agent", "x" },
      { "amz-sdk-request", "attempt=1" },
      { "Content-Length", "52" },
      { "X-Amzn-Trace-Id", "Root=1" },
      { "x-AMZ-own", "1" },
    })
    assert.are.equal("content-type;host;x-amz-date;x-amz-own;x-amz-target", line(result.canonical_request, 10))
  end)

  it("covers every header where all_headers asks for that", function()
    local result = signed(with_headers({ { "User-Agent", "x" } }, { all_headers = true }))
    assert.are.equal("content-type;host;user-agent;x-amz-date;x-amz-target", line(result.canonical_request, 10))
  end)

  it("takes header values trimmed, with each run of white space as one space and folds opened", function()
    local result = signed(with_headers { { "X-Amz-A", "  a \t b\r\n  c\n\td  " } })
    assert.are.equal("x-amz-a:a b c d", line(result.canonical_request, 6))
    assert.are.equal("  a \t b c d  ", value_of(result.headers, "X-Amz-A"))
  end)

  it("joins the values of a repeated header with commas, in the order given", function()
    local result = signed(with_headers { { "X-Amz-B", "2" }, { "x-amz-b", "1" }, { "X-AMZ-B", "2" } })
    assert.are.equal("x-amz-b:2,1,2", line(result.canonical_request, 6))
  end)

  it("encodes the path once more after removing dot segments and doubled slashes", function()
    local function canonical(path, normalize)
      return line(signed(describe_clusters { path = path, normalize = normalize }).canonical_request, 2)
    end
    assert.are.equal("/a/c%2520d/", canonical "//a/./b/../c%20d/")
    assert.are.equal("//a/./b/../c%2520d/", canonical("//a/./b/../c%20d/", false))
    assert.are.equal("/%E1%88%B4%20x", canonical "/\225\136\180 x")
    assert.are.equal("/", canonical "")
  end)

  it("sorts the query by encoded name and value and gives a lone name its equals sign", function()
    local result = signed(describe_clusters { query = "b=2&a=y&a=%78&c&%e1%88%b4=1 2" })
    assert.are.equal("%E1%88%B4=1%202&a=x&a=y&b=2&c=", line(result.canonical_request, 3))
  end)

  it("adds the hash of the body as a header where sign_body asks for that", function()
    local result = signed(describe_clusters { sign_body = true })
    local hash = "11c9222c70ded1b57cfe5fc62e1e508b2541ebde6b9dc607f6fc362a8c836c70"
    assert.are.equal("x-amz-content-sha256:" .. hash, line(result.canonical_request, 6))
    assert.are.equal(hash, value_of(result.headers, "X-Amz-Content-Sha256"))
  end)

  it("takes an X-Amz-Content-Sha256 that is given as the hash of the body", function()
    for _, sign_body in ipairs { false, true } do
      local result = signed(with_headers({ { "X-Amz-Content-SHA256", " ab  " } }, { sign_body = sign_body }))
      assert.are.equal("x-amz-content-sha256:ab", line(result.canonical_request, 6))
      assert.are.equal("ab", line(result.canonical_request, 11))
      assert.is_nil(value_of(result.headers, "X-Amz-Content-Sha256"))
    end
  end)

  it("leaves the session token unsigned, and sends it, where omit_session_token asks for that", function()
    local result = signed(describe_clusters { credentials = KEYS_WITH_TOKEN, omit_session_token = true })
    assert.are.equal(DESCRIBE_CLUSTERS, result.signature)
    assert.are.equal(TOKEN, value_of(result.headers, "X-Amz-Security-Token"))
  end)

  it("counts civil dates by itself: leap days, 2100, fractions, the first and the last second", function()
    local dates = {
      [0] = "19700101T000000Z",
      [951782400] = "20000229T000000Z",
      [1709251199.75] = "20240229T235959Z",
      [4107542399] = "21000228T235959Z",
      [4107542400] = "21000301T000000Z",
      [253402300799] = "99991231T235959Z",
    }
    for time, date in pairs(dates) do
      assert.are.equal(date, signed(describe_clusters { time = time }).date)
    end
  end)

  it("does not depend on the locale, which may change at any time", function()
    local before = os.setlocale()
    finally(function()
      os.setlocale(before)
    end)
    local more = { { "X-AMZ-TITLE-I", "I" } }
    local expected = signed(with_headers(more, { time = 1795437296.5, query = "I=i&i=I" })).authorization
    local signer = assert(sigv4.signer())
    for _, locale in ipairs { "tr_TR.UTF-8", "tr_TR.ISO-8859-9", "de_DE.UTF-8", "C.UTF-8", "C" } do
      if os.setlocale(locale) then
        local result = signed(with_headers(more, { time = 1795437296.5, query = "I=i&i=I" }))
        assert.are.equal(expected, result.authorization)
        assert.are.equal("x-amz-title-i:I", line(result.canonical_request, 8))
        assert.are.equal(DESCRIBE_CLUSTERS, signed(describe_clusters()).signature)
        local request = describe_clusters { credentials = assert(sigv4.credentials(KEYS)) }
        assert.truthy(value_of(assert(signer:sign(request)), "Authorization"):find(DESCRIBE_CLUSTERS, 1, true))
      end
    end
    assert.are.equal("C", os.setlocale())
  end)
end)

describe("a request that cannot be signed", function()
  local function refused(field, changes)
    assert_refused("config", field, sigv4.sign(describe_clusters(changes)))
  end

  local function refused_headers(field, ...)
    assert_refused("config", field, sigv4.sign(describe_clusters { headers = { { "Host", "h" }, ... } }))
  end

  it("is refused where a field is missing, which the error names", function()
    for _, field in ipairs { "method", "region", "service", "time", "headers" } do
      local result, err = sigv4.sign(without(field))
      assert_refused("config", field .. ": must be ", result, err)
      assert.truthy(err.message:find(", not nothing", 1, true))
    end
  end)

  it("is refused where a field has the wrong type, which the error names", function()
    for _, field in ipairs { "method", "path", "query", "body", "region", "service" } do
      refused(field .. ": must be a string, not number", { [field] = 5 })
    end
    for _, field in ipairs { "normalize", "sign_body", "all_headers", "omit_session_token" } do
      refused(field .. ": must be a boolean, not number", { [field] = 0 })
    end
    refused("time: must be a number, not string", { time = "1795437296" })
    refused("headers: must be a list of { name, value }, not string", { headers = "Host: h" })
  end)

  it("is refused where a header is no pair of strings, with its place in the list", function()
    refused_headers("headers[2]: must be { name, value }, two strings, not string", "X-A: b")
    refused_headers("headers[3]: must be { name, value }, two strings", { "a", "b" }, { "Content-Length", 13 })
    refused_headers("headers[2]: must be { name, value }, two strings", { "only a name" })
    refused_headers("headers[2]: must be { name, value }, two strings", { Name = "value" })
  end)

  it("is refused where a header could end its line, with its place in the list", function()
    refused_headers("headers[2]: the name ", { "X-A\r\nX-B", "v" })
    refused_headers("headers[2]: the name ", { "", "v" })
    refused_headers("headers[2]: the name ", { "X A", "v" })
    refused_headers("headers[3]: the value ", { "a", "b" }, { "X-A", "v\r\nX-B: w" })
    for byte = 0, 31 do
      if byte ~= 9 then
        refused_headers("headers[2]: the value ", { "X-A", "v" .. string.char(byte) })
      end
    end
    refused_headers("headers[2]: the value ", { "X-A", "v\127" })
  end)

  it("is refused without a host", function()
    refused("headers: Host", { headers = {} })
    refused("headers: Host", { headers = { { "Host", "  " } } })
  end)

  it("is refused with two hashes of the body, or an empty one", function()
    refused_headers("headers: X-Amz-Content-Sha256", { "x-amz-content-sha256", "a" }, { "X-Amz-Content-Sha256", "a" })
    refused_headers("headers: X-Amz-Content-Sha256", { "x-amz-content-sha256", " " })
  end)

  it("is refused where a part could not stand in its place", function()
    refused("method: ", { method = "" })
    refused("method: ", { method = "GET /" })
    refused("path: ", { path = "a" })
    refused("path: ", { path = "/a?b" })
    refused("path: ", { path = "/a\n" })
    refused("query: ", { query = "a#b" })
    refused("query: ", { query = "a\0" })
    for _, name in ipairs { "", "eu west", "eu/west", "eu-west-1\n", "eu-west-1,", ("x"):rep(129) } do
      refused("region: ", { region = name })
      refused("service: ", { service = name })
    end
  end)

  it("is refused outside the years 1970 to 9999", function()
    for _, time in ipairs { -1, -0.5, 253402300800, math.huge, -math.huge, 0 / 0 } do
      refused("time: ", { time = time })
    end
  end)

  it("is refused where it is too large", function()
    local many = {}
    for i = 1, 257 do
      many[i] = { "Host", "h" }
    end
    refused("headers: more than 256", { headers = many })
    refused("query: more than 256", { query = ("a&"):rep(257) })
    refused("headers, path and query: too large", { path = "/" .. ("a"):rep(1048576) })
  end)

  it("is read without metamethods", function()
    local calls = 0
    local watching = {
      __index = function()
        calls = calls + 1
      end,
    }
    refused("headers[1]: ", { headers = { setmetatable({}, watching) } })
    assert_refused("config", "method: ", sigv4.sign(setmetatable({ credentials = KEYS }, watching)))
    assert.are.equal(0, calls)
  end)

  it("raises where it is no table at all", function()
    assert.has_error(function()
      sigv4.sign "request"
    end)
    assert.has_error(function()
      sigv4.signer():sign(nil)
    end)
  end)

  it("leaves the signer usable", function()
    local signer = assert(sigv4.signer())
    local credentials = assert(sigv4.credentials(KEYS))
    assert_refused("config", "region: ", signer:sign(describe_clusters { region = "", credentials = credentials }))
    local added = assert(signer:sign(describe_clusters { credentials = credentials }))
    assert.truthy(value_of(added, "Authorization"):find(DESCRIBE_CLUSTERS, 1, true))
  end)
end)

describe("credentials", function()
  it("know their id and whether they have a session token", function()
    local credentials = assert(sigv4.credentials(KEYS_WITH_TOKEN))
    assert.are.equal(ID, credentials:access_key_id())
    assert.is_true(credentials:has_session_token())
    assert.is_false(assert(sigv4.credentials(KEYS)):has_session_token())
  end)

  it("take an empty session token for none", function()
    local keys = { access_key_id = ID, secret_access_key = SECRET, session_token = "" }
    assert.is_false(assert(sigv4.credentials(keys)):has_session_token())
    assert.are.equal(DESCRIBE_CLUSTERS, signed(describe_clusters { credentials = keys }).signature)
  end)

  it("hold nothing once they are closed, and close any number of times", function()
    local credentials = assert(sigv4.credentials(KEYS_WITH_TOKEN))
    credentials:close()
    credentials:close()
    assert.is_nil(credentials:access_key_id())
    assert.is_false(credentials:has_session_token())
    assert.are.equal("cloudhsmv2.credentials: closed", tostring(credentials))
    local request = describe_clusters { credentials = credentials }
    assert_refused("credentials", "credentials: closed", sigv4.sign(request))
    assert_refused("credentials", "credentials: closed", sigv4.signer():sign(request))
  end)

  it("are refused where a part is missing, empty or of the wrong type", function()
    local function refused(message, keys)
      assert_refused("credentials", message, sigv4.credentials(keys))
      assert_refused("credentials", message, sigv4.sign(describe_clusters { credentials = keys }))
    end
    refused("access_key_id: missing", {})
    refused("access_key_id: missing", { access_key_id = "", secret_access_key = SECRET })
    refused("secret_access_key: missing", { access_key_id = ID })
    refused("secret_access_key: missing", { access_key_id = ID, secret_access_key = "" })
    refused("access_key_id: must be a string, not number", { access_key_id = 5, secret_access_key = SECRET })
    refused("secret_access_key: must be a string, not boolean", { access_key_id = ID, secret_access_key = true })
    refused(
      "session_token: must be a string, not table",
      { access_key_id = ID, secret_access_key = SECRET, session_token = {} }
    )
  end)

  it("are refused with a control character in any part: it would end a header line", function()
    for _, name in ipairs { "access_key_id", "secret_access_key", "session_token" } do
      for byte = 0, 127 do
        if byte < 32 or byte == 127 then
          local keys = { access_key_id = ID, secret_access_key = SECRET, session_token = TOKEN }
          keys[name] = keys[name] .. string.char(byte)
          assert_refused("credentials", name .. ": holds", sigv4.credentials(keys))
        end
      end
    end
  end)

  it("are refused with an id that could not stand in an Authorization header", function()
    for _, id in ipairs { "AKID EXAMPLE", "AKID/EXAMPLE", "AKID,EXAMPLE", "AKID\195\169" } do
      local result, err = sigv4.credentials { access_key_id = id, secret_access_key = SECRET }
      assert_refused("credentials", "access_key_id: holds", result, err)
    end
  end)

  it("are refused where a part is far longer than AWS makes them", function()
    local limits = { access_key_id = 128, secret_access_key = 1024, session_token = 65536 }
    for name, limit in pairs(limits) do
      local keys = { access_key_id = ID, secret_access_key = SECRET }
      keys[name] = ("x"):rep(limit)
      assert.truthy(sigv4.credentials(keys))
      keys[name] = ("x"):rep(limit + 1)
      assert_refused("credentials", name .. ": too long", sigv4.credentials(keys))
    end
  end)

  it("are refused by a signer where they are anything but made by this module", function()
    local signer = assert(sigv4.signer())
    for _, other in ipairs { KEYS, "AKIDEXAMPLE", 5, true, io.stdout, signer } do
      assert_refused("credentials", "credentials: must be", signer:sign(describe_clusters { credentials = other }))
    end
    assert_refused("credentials", "credentials: must be", signer:sign(without "credentials"))
    assert_refused("credentials", "credentials: must be", sigv4.sign(without "credentials"))
  end)

  it("raise on a wrong call: no table, a method of something else", function()
    assert.has_error(function()
      sigv4.credentials "AKIDEXAMPLE"
    end)
    local credentials = assert(sigv4.credentials(KEYS))
    for _, method in ipairs { "access_key_id", "has_session_token", "close" } do
      assert.has_error(function()
        credentials[method](io.stdout)
      end)
    end
  end)

  it("hide their metatable", function()
    assert.are.equal("protected", getmetatable(assert(sigv4.credentials(KEYS))))
  end)
end)

describe("credentials from the environment", function()
  local function quoted(text)
    return "'" .. text:gsub("'", "'\\''") .. "'"
  end

  --- Runs `code` in a new process of the same interpreter, with these variables, and returns what it wrote.
  local function run(variables, code)
    local interpreter = 0
    while arg[interpreter - 1] do
      interpreter = interpreter - 1
    end
    local command = { "env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY -u AWS_SESSION_TOKEN" }
    for name, value in pairs(variables) do
      command[#command + 1] = quoted(name .. "=" .. value)
    end
    local paths = string.format("package.path, package.cpath = %q, %q ", package.path, package.cpath)
    command[#command + 1] = quoted(arg[interpreter]) .. " -e " .. quoted(paths .. code)
    local process = assert(io.popen(table.concat(command, " ")))
    local output = process:read "*a"
    process:close()
    return output
  end

  local SHOW = [[
    local made, err = require("cloudhsmv2.sigv4").environment_credentials(...)
    if made then io.write(made:access_key_id(), " ", tostring(made:has_session_token()))
    else io.write(tostring(made), " ", err and err.kind .. " " .. err.message or "no error") end
  ]]

  it("are read under the names that every AWS tool uses", function()
    assert.are.equal("AKIDEXAMPLE false", run({ AWS_ACCESS_KEY_ID = ID, AWS_SECRET_ACCESS_KEY = SECRET }, SHOW))
    assert.are.equal(
      "AKIDEXAMPLE true",
      run({ AWS_ACCESS_KEY_ID = ID, AWS_SECRET_ACCESS_KEY = SECRET, AWS_SESSION_TOKEN = TOKEN }, SHOW)
    )
  end)

  it("are read under other names where those are given", function()
    local code = SHOW:gsub("%.%.%.", '"MY_ID", "MY_SECRET", "MY_TOKEN"')
    assert.are.equal("AKIDEXAMPLE true", run({ MY_ID = ID, MY_SECRET = SECRET, MY_TOKEN = TOKEN }, code))
  end)

  it("sign as those from a table do", function()
    local code = [[
      local sigv4 = require "cloudhsmv2.sigv4"
      io.write(sigv4.sign({
        method = "GET", query = "Action=ListUsers&Version=2010-05-08", region = "us-east-1", service = "iam",
        headers = {
          { "Host", "iam.amazonaws.com" },
          { "Content-Type", "application/x-www-form-urlencoded; charset=utf-8" },
        },
        time = 1440938160, credentials = sigv4.environment_credentials(),
      }).signature)
    ]]
    assert.are.equal(
      "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
      run({ AWS_ACCESS_KEY_ID = ID, AWS_SECRET_ACCESS_KEY = SECRET }, code)
    )
  end)

  it("are unset, and no error, where id and secret are both unset or blank", function()
    assert.are.equal("nil no error", run({}, SHOW))
    assert.are.equal("nil no error", run({ AWS_ACCESS_KEY_ID = "", AWS_SECRET_ACCESS_KEY = " \t\n" }, SHOW))
    assert.are.equal("nil no error", run({ AWS_SESSION_TOKEN = TOKEN }, SHOW))
  end)

  it("are an error where one is set without the other, which the error names", function()
    assert.are.equal(
      "nil credentials AWS_SECRET_ACCESS_KEY: not set, but AWS_ACCESS_KEY_ID is",
      run({ AWS_ACCESS_KEY_ID = ID }, SHOW)
    )
    assert.are.equal(
      "nil credentials AWS_ACCESS_KEY_ID: not set, but AWS_SECRET_ACCESS_KEY is",
      run({ AWS_ACCESS_KEY_ID = "  ", AWS_SECRET_ACCESS_KEY = SECRET }, SHOW)
    )
  end)

  it("are an error where a value holds a control character, as the carriage return of a file from Windows", function()
    assert.are.equal(
      "nil credentials AWS_SECRET_ACCESS_KEY: holds a control character",
      run({ AWS_ACCESS_KEY_ID = ID, AWS_SECRET_ACCESS_KEY = SECRET .. "\r" }, SHOW)
    )
  end)
end)

describe("a signer", function()
  local function signature(signer, changes)
    local added = assert(signer:sign(describe_clusters(changes)))
    return value_of(added, "Authorization"):match "Signature=(%x+)$"
  end

  it("answers the headers to add", function()
    local signer = assert(sigv4.signer())
    local credentials = assert(sigv4.credentials(KEYS))
    local added = assert(signer:sign(describe_clusters { credentials = credentials }))
    assert.are.equal("X-Amz-Date Authorization", names_of(added))
    assert.are.equal("20261123T123456Z", value_of(added, "X-Amz-Date"))
    credentials = assert(sigv4.credentials(KEYS_WITH_TOKEN))
    added = assert(signer:sign(describe_clusters { credentials = credentials, sign_body = true }))
    assert.are.equal("X-Amz-Date X-Amz-Security-Token X-Amz-Content-Sha256 Authorization", names_of(added))
    assert.are.equal(TOKEN, value_of(added, "X-Amz-Security-Token"))
  end)

  it("signs as a new one would, however date, region, service and keys change between", function()
    local signer = assert(sigv4.signer())
    local other = { access_key_id = ID, secret_access_key = "another", session_token = TOKEN }
    local keys = { assert(sigv4.credentials(KEYS)), assert(sigv4.credentials(other)) }
    for i = 0, 199 do
      local changes = {
        time = 1795437296 + (i % 3) * 86400,
        region = "region-" .. i % 5,
        service = "service-" .. i % 2,
        credentials = keys[1 + math.floor(i / 10) % 2],
      }
      assert.are.equal(signed(describe_clusters(changes)).signature, signature(signer, changes))
    end
  end)

  it("takes the key of the day that begins between two requests", function()
    local signer = assert(sigv4.signer())
    local credentials = assert(sigv4.credentials(KEYS))
    for _, time in ipairs { 1795478399, 1795478400, 1795478399 } do
      local changes = { time = time, credentials = credentials }
      assert.are.equal(signed(describe_clusters(changes)).signature, signature(signer, changes))
    end
  end)

  it("does not take the key of a closed secret for that of the next", function()
    local signer = assert(sigv4.signer())
    for _, secret in ipairs { SECRET, "another", SECRET } do
      local keys = { access_key_id = ID, secret_access_key = secret }
      local credentials = assert(sigv4.credentials(keys))
      local expected = signed(describe_clusters { credentials = keys }).signature
      assert.are.equal(expected, signature(signer, { credentials = credentials }))
      credentials:close()
    end
  end)

  it("signs no more once it is closed, and closes any number of times", function()
    local signer = assert(sigv4.signer())
    signer:close()
    signer:close()
    local credentials = assert(sigv4.credentials(KEYS))
    assert_refused("config", "signer: closed", signer:sign(describe_clusters { credentials = credentials }))
    local common = assert(sigv4.signable(describe_clusters()))
    assert_refused("config", "signer: closed", signer:authorize(common, "", 0, credentials))
  end)

  it("authorizes, with what requests have in common read once, what it signs with all of it", function()
    local signer = assert(sigv4.signer())
    local credentials = assert(sigv4.credentials(KEYS_WITH_TOKEN))
    for _, changes in ipairs {
      {},
      { method = "GET", path = "/a//b/../c%20d", query = "b=2&a=1", normalize = false },
      { all_headers = true, omit_session_token = true, region = "eu-west-1", service = "sts" },
    } do
      local request = with_headers({ { "X-Other", "  a   b " } }, changes)
      local common = assert(sigv4.signable(request))
      for i, header in ipairs(request.headers) do -- it keeps what it read, and nothing of the table
        request.headers[i] = { header[1], header[2] }
      end
      collectgarbage()
      for time = 1795437296, 1795437298 do
        request.body, request.time, request.credentials = "body " .. time, time, credentials
        local added = assert(signer:sign(request))
        local authorization, date, token = signer:authorize(common, request.body, time, credentials)
        assert.are.equal(value_of(added, "Authorization"), authorization)
        assert.are.equal(value_of(added, "X-Amz-Date"), date)
        assert.are.equal(TOKEN, token)
      end
    end
    local plain = assert(sigv4.credentials(KEYS))
    local authorization, _, token =
      signer:authorize(assert(sigv4.signable(describe_clusters())), describe_clusters().body, 1795437296, plain)
    assert.truthy(authorization:find(DESCRIBE_CLUSTERS, 1, true))
    assert.is_nil(token)
  end)

  it("says of a common part what it says of a request", function()
    local signer = assert(sigv4.signer())
    local credentials = assert(sigv4.credentials(KEYS))
    assert_refused("config", "region: must be a string, not nothing", sigv4.signable(without "region"))
    assert_refused("config", "headers[1]: must be", sigv4.signable(describe_clusters { headers = { "Host: h" } }))
    local common = assert(sigv4.signable(describe_clusters { region = "" }))
    assert_refused("config", "region: ", signer:authorize(common, "", 0, credentials))
    local headers = {}
    for i = 1, 300 do
      headers[i] = { "Host", "h" }
    end
    common = assert(sigv4.signable(describe_clusters { headers = headers }))
    assert_refused("config", "headers: more than 256", signer:authorize(common, "", 0, credentials))
    common = assert(sigv4.signable(describe_clusters()))
    assert_refused("config", "time: ", signer:authorize(common, "", -1, credentials))
    assert_refused("credentials", "credentials: must be", signer:authorize(common, "", 0, signer.core))
    credentials:close()
    assert_refused("credentials", "credentials: closed", signer:authorize(common, "", 0, credentials))
    for _, arguments in ipairs { { signer.core, "", 0 }, { common, {}, 0 }, { common, "", "0" } } do
      assert.has_error(function()
        signer:authorize(arguments[1], arguments[2], arguments[3], credentials)
      end)
    end
  end)

  it("raises on a dot in place of the colon", function()
    local signer = assert(sigv4.signer())
    for _, method in ipairs { "sign", "authorize", "close" } do
      assert.has_error(function()
        signer[method](describe_clusters())
      end, "bad self of '" .. method .. "' (call it as signer:" .. method .. ")")
    end
  end)

  it("bears finalizers that close it and its credentials while it signs", function()
    local pause = collectgarbage("setpause", 100)
    finally(function()
      collectgarbage("setpause", pause)
    end)
    collectgarbage()
    for _ = 1, 30 do
      local signer = assert(sigv4.signer())
      local credentials = assert(sigv4.credentials(KEYS_WITH_TOKEN))
      when_collected(function()
        credentials:close()
        signer:close()
      end)
      local added, err
      for _ = 1, 100000 do
        added, err = signer:sign(describe_clusters { credentials = credentials })
        if not added then
          break
        end
        assert(names_of(added) == "X-Amz-Date X-Amz-Security-Token Authorization")
        assert(value_of(added, "Authorization"):find(DESCRIBE_CLUSTERS_WITH_TOKEN, 1, true))
      end
      assert.is_nil(added)
      assert.truthy(err.message:find("closed", 1, true))
    end
  end)
end)

describe("a secret", function()
  local function assert_hidden(text)
    for _, secret in ipairs { SECRET, TOKEN, DESCRIBE_CLUSTERS, DESCRIBE_CLUSTERS_WITH_TOKEN } do
      assert.is_nil(text:find(secret, 1, true))
    end
  end

  it("is in no tostring", function()
    local credentials = assert(sigv4.credentials(KEYS_WITH_TOKEN))
    local signer = assert(sigv4.signer())
    assert(signer:sign(describe_clusters { credentials = credentials }))
    assert.are.equal("cloudhsmv2.credentials: AKIDEXAMPLE", tostring(credentials))
    assert.are.equal("cloudhsmv2.sigv4.signer", tostring(signer))
    assert_hidden(tostring(credentials) .. tostring(signer) .. tostring(signer.core))
  end)

  it("is in no error, neither of a request nor of the credentials themselves", function()
    local faults = {
      { region = "" },
      { region = TOKEN .. "\n" },
      { time = -1 },
      { method = SECRET .. " " },
      { path = TOKEN },
      { headers = { { "Host", "h" }, { "X-Amz-Security-Token", TOKEN .. "\n" } } },
      { headers = { { "Host", "h" }, { SECRET, "v" } } },
      { credentials = { access_key_id = SECRET, secret_access_key = SECRET } },
      { credentials = { access_key_id = ID, secret_access_key = SECRET .. "\n" } },
      { credentials = { access_key_id = ID, secret_access_key = SECRET, session_token = TOKEN .. "\r\n" } },
      { credentials = { access_key_id = ID, secret_access_key = SECRET .. ("x"):rep(1024) } },
      { credentials = { secret_access_key = SECRET, session_token = TOKEN } },
      { credentials = SECRET },
    }
    for _, changes in ipairs(faults) do
      changes.credentials = changes.credentials or KEYS_WITH_TOKEN
      local result, err = sigv4.sign(describe_clusters(changes))
      assert.is_nil(result)
      assert_hidden(tostring(err))
      for _, value in pairs(err) do
        assert_hidden(tostring(value))
      end
    end
  end)

  it("cannot be read back from the credentials", function()
    local credentials = assert(sigv4.credentials(KEYS_WITH_TOKEN))
    for _, name in ipairs { "secret_access_key", "session_token", "secret", "block" } do
      assert.is_nil(credentials[name])
    end
  end)
end)
