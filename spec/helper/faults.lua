--- The faults of the way to the service, a row each: what a server on loopback does, and what a call has to make of it.
--
-- A row has a `name`, the number of the fault it stands for (`F12`), and where it comes from: `path`, an answer of
-- spec/helper/server_child.lua, or `answer = { status, body, headers }`, or `url`, which nobody serves. What is expected stands for
-- each class of operations, `R` reads, `I` may be repeated, `C` must not be done twice: `{ kind, sent, sends, code }`, or `"ok"` with
-- the number of sends. `sends` is what the server saw of one call, with three attempts allowed.
--
-- A call goes over a connection that was used before, unless the row says `unused`. Where a row differs from what one might expect,
-- `because` says why.

local DESCRIBED = '{"Clusters":[]}'
local JSON = { "Content-Type: application/x-amz-json-1.1\r\n" }

local function service(code, message)
  return ('{"__type":"%s","Message":"%s"}'):format(code, message or "no")
end

-- The same for reads and for what may be repeated, and another for creates.
local function both(others, creates)
  return { R = others, I = others, C = creates or others }
end

return {
  -- before a byte of the request has left: even a create is tried again
  {
    name = "F1 a host that has no address",
    url = "http://" .. ("x"):rep(64) .. ".example",
    expect = both { "transport", "no", 0 },
  },
  { name = "F3 a port that nobody listens on", url = "http://127.0.0.1:1", expect = both { "transport", "no", 0 } },
  {
    name = "F10 a handshake that nobody answers",
    scheme = "https",
    path = "fixed",
    connect_timeout = 0.15,
    expect = both { "timeout", "no", 0 },
  },

  -- the connection breaks
  {
    name = "F12 a close before any byte",
    path = "close",
    unused = true,
    expect = both({ "transport", "maybe", 3 }, { "ambiguous", "maybe", 1 }),
  },
  {
    name = "F11 a reset before any byte",
    path = "reset",
    unused = true,
    expect = both({ "transport", "maybe", 3 }, { "ambiguous", "maybe", 1 }),
  },
  {
    name = "F13 a close before any byte, on a connection that was used before",
    path = "close",
    expect = both({ "transport", "maybe", 4 }, { "ambiguous", "maybe", 1 }),
    because = "what left over a kept connection that turns out dead is sent once more; a create has one of its own",
  },
  {
    name = "F13 a reset before any byte, on a connection that was used before",
    path = "reset",
    expect = both({ "transport", "maybe", 4 }, { "ambiguous", "maybe", 1 }),
    because = "as above",
  },
  {
    name = "F14 a close in the headers",
    path = "cut-head",
    expect = both({ "protocol", "yes", 3 }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F14 a reset in the body",
    path = "reset-body",
    expect = both({ "protocol", "yes", 3 }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F15 a body cut short",
    path = "truncated",
    expect = both({ "protocol", "yes", 3 }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F16 half a JSON, ended by the close",
    path = "half-json",
    expect = both({ "protocol", "yes", 3 }, { "ambiguous", "yes", 1 }),
  },
  { name = "F20 a cut chunk", path = "cut-chunk", expect = both({ "protocol", "yes", 3 }, { "ambiguous", "yes", 1 }) },
  {
    name = "F22 interim answers, then a close",
    path = "interim-close",
    expect = both({ "transport", "yes", 3 }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F23 an answer that stops in the headers",
    path = "hang-head",
    read_timeout = 0.15,
    expect = both({ "timeout", "yes", 3 }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F23 an answer that stops in the body",
    path = "hang-body",
    read_timeout = 0.15,
    expect = both({ "timeout", "yes", 3 }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F24 no answer at all",
    path = "hang",
    read_timeout = 0.15,
    expect = both({ "timeout", "maybe", 3 }, { "ambiguous", "maybe", 1 }),
  },
  {
    name = "F24 no answer in the time of the call",
    path = "hang",
    timeout = 0.15,
    expect = both({ "timeout", "maybe", 1 }, { "ambiguous", "maybe", 1 }),
  },

  -- what is no HTTP, or not meant for us: never again, but who knows what became of a create
  {
    name = "F18 two lengths",
    path = "two-lengths",
    expect = both({ "protocol", "yes", 1 }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F20 a chunk that is none",
    path = "bad-chunk",
    expect = both({ "protocol", "yes", 1 }, { "ambiguous", "yes", 1 }),
    because = "a server that frames wrongly does so again",
  },
  {
    name = "F25 a body without end",
    path = "long-body",
    max_body = 1048576,
    expect = both({ "protocol", "yes", 1 }, { "ambiguous", "yes", 1 }),
  },
  { name = "F26 a compressed body", path = "gzip", expect = both({ "protocol", "yes", 1 }, { "ambiguous", "yes", 1 }) },
  {
    name = "F27 headers without end",
    path = "header-bomb",
    expect = both({ "protocol", "yes", 1 }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F28 a zero byte in a header",
    path = "zero-byte",
    expect = both({ "protocol", "yes", 1 }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F28 a bare return in a header",
    path = "bare-return",
    expect = both({ "protocol", "yes", 1 }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F28 a header without a colon",
    path = "no-colon",
    expect = both({ "protocol", "yes", 1 }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F28 another protocol",
    path = "garbage",
    expect = both({ "protocol", "maybe", 1 }, { "ambiguous", "maybe", 1 }),
  },

  -- what is in order, although it looks odd
  { name = "F19 a length beside chunks", answer = { 200, DESCRIBED, JSON[1] }, expect = both { "ok", sends = 1 } },
  { name = "F21 interim answers", path = "interim-json", expect = both { "ok", sends = 1 } },
  { name = "F29 HTTP/1.0", path = "old-json", expect = both { "ok", sends = 1 } },
  {
    name = "F30 another content type",
    answer = { 200, DESCRIBED, "Content-Type: text/html\r\n" },
    expect = both { "ok", sends = 1 },
  },
  {
    name = "F53 members and states that nobody knows",
    answer = { 200, '{"Clusters":[{"State":"FLYING","Wings":2}],"New":[]}' },
    expect = both { "ok", sends = 1 },
  },
  { name = "F54 no content", answer = { 204, "" }, expect = both { "ok", sends = 1 } },
  {
    name = "F48 an empty answer",
    answer = { 200, "" },
    expect = both { "ok", sends = 1 },
    because = "AWS's protocol allows an empty body for an empty output",
  },

  -- answers of somebody else
  {
    name = "F31 a login page with 200",
    answer = { 200, "<html>log in</html>" },
    expect = both({ "protocol", "yes", 2 }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F32 a gateway's page with 502",
    answer = { 502, "<html>bad gateway</html>" },
    expect = both({ "service", "yes", 3, "HTTP502" }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F32 a gateway's page with 503",
    answer = { 503, "<html>no</html>" },
    expect = both({ "service", "yes", 3, "HTTP503" }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F32 a gateway's page with 504",
    answer = { 504, "" },
    expect = both({ "service", "yes", 3, "HTTP504" }, { "ambiguous", "yes", 1 }),
  },
  { name = "F33 a redirect", path = "redirect", expect = both { "protocol", "yes", 1, "Redirect" } },
  {
    name = "F33 a redirect to somewhere else",
    answer = { 302, "", "Location: http://169.254.169.254/\r\n" },
    expect = both { "protocol", "yes", 1, "Redirect" },
  },
  {
    name = "F49 JSON that is a list",
    answer = { 200, "[]" },
    expect = both({ "protocol", "yes", 2 }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F49 JSON that is null",
    answer = { 200, "null" },
    expect = both({ "protocol", "yes", 2 }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F49 broken JSON",
    answer = { 200, '{"Clusters":}' },
    expect = both({ "protocol", "yes", 1 }, { "ambiguous", "yes", 1 }),
    because = "a whole body that is no JSON will be none the next time",
  },
  {
    name = "F50 nesting without end",
    answer = { 200, '{"a":' .. ("["):rep(900) .. ("]"):rep(900) .. "}" },
    expect = both({ "protocol", "yes", 1 }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F50 half a surrogate pair",
    answer = { 200, '{"NextToken":"\\ud800"}' },
    expect = both({ "protocol", "yes", 1 }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F51 a byte order mark",
    answer = { 200, "\239\187\191{}" },
    expect = both({ "protocol", "yes", 2 }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F51 something behind the end",
    answer = { 200, "{}{}" },
    expect = both({ "protocol", "yes", 1 }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F53 a member of a wrong type",
    answer = { 200, '{"Clusters":7,"BackupId":{},"Hsm":[],"Backup":7,"Cluster":7}' },
    expect = both({ "protocol", "yes", 1 }, { "ambiguous", "yes", 1 }),
  },

  -- the service refuses: certainly nothing was done
  {
    name = "F34 a code in __type",
    answer = { 400, service "CloudHsmInvalidRequestException" },
    expect = both { "service", "yes", 1, "CloudHsmInvalidRequestException" },
  },
  {
    name = "F34 a code with a namespace",
    answer = { 400, service "com.amazonaws.cloudhsm#CloudHsmTagException:http://x" },
    expect = both { "service", "yes", 1, "CloudHsmTagException" },
  },
  {
    name = "F34 a code in a header",
    answer = { 400, '{"message":"no"}', "X-Amzn-ErrorType: CloudHsmTagException:http://x\r\n" },
    expect = both { "service", "yes", 1, "CloudHsmTagException" },
  },
  { name = "F35 400 with nothing", answer = { 400, "" }, expect = both { "service", "yes", 1, "HTTP400" } },
  {
    name = "F35 400 with a page",
    answer = { 400, "<html>no</html>" },
    expect = both { "service", "yes", 1, "HTTP400" },
  },
  {
    name = "F36 throttling with 400",
    answer = { 400, service "ThrottlingException" },
    expect = both { "throttled", "yes", 3 },
  },
  { name = "F36 throttling with 429", answer = { 429, "" }, expect = both { "throttled", "yes", 3 } },
  { name = "F36 throttling with 503", answer = { 503, service "SlowDown" }, expect = both { "throttled", "yes", 3 } },
  {
    name = "F38 access denied",
    answer = { 403, service "CloudHsmAccessDeniedException" },
    expect = both { "service", "yes", 1 },
  },
  {
    name = "F39 an expired token",
    answer = { 400, service "ExpiredTokenException" },
    expect = both { "auth", "yes", 1 },
    because = "keys in code cannot be renewed",
  },
  {
    name = "F40 a wrong signature",
    answer = { 403, service "InvalidSignatureException" },
    expect = both { "auth", "yes", 1 },
  },
  { name = "F43 not found", answer = { 404, "" }, expect = both { "service", "yes", 1, "HTTP404" } },
  {
    name = "F43 a body that is too large for the service",
    answer = { 413, "" },
    expect = both { "service", "yes", 1, "HTTP413" },
  },
  { name = "F86 an expectation that failed", answer = { 417, "" }, expect = both { "service", "yes", 1, "HTTP417" } },

  -- the service fails, and may have done it
  {
    name = "F44 408",
    answer = { 408, "" },
    expect = both({ "service", "yes", 3, "HTTP408" }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F44 425",
    answer = { 425, "" },
    expect = both({ "service", "yes", 3, "HTTP425" }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F45 an internal failure",
    answer = { 500, service "CloudHsmInternalFailureException" },
    expect = both({ "service", "yes", 3, "CloudHsmInternalFailureException" }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F46 500 with nothing",
    answer = { 500, "" },
    expect = both({ "service", "yes", 3, "HTTP500" }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F46 503 with broken JSON",
    answer = { 503, '{"__type":' },
    expect = both({ "service", "yes", 3, "HTTP503" }, { "ambiguous", "yes", 1 }),
  },
  { name = "F47 501", answer = { 501, "" }, expect = both { "service", "yes", 1, "HTTP501" } },
  { name = "F47 505", answer = { 505, "" }, expect = both { "service", "yes", 1, "HTTP505" } },
  {
    name = "F47 599",
    answer = { 599, "" },
    expect = both({ "service", "yes", 1, "HTTP599" }, { "ambiguous", "yes", 1 }),
  },
  {
    name = "F47 a status beyond all",
    answer = { 600, "" },
    expect = both({ "protocol", "yes", 1 }, { "ambiguous", "yes", 1 }),
  },
}
