--- A signed request of which one byte is another, as it arrives over a connection. `make interop` does the same with requests
-- of botocore.
--
-- Only what is signed is changed, and only so that it means something else: header names not in their case, values not in
-- blanks that are folded. Bytes that would make it no HTTP at all are left to spec/emulator/http_spec.lua.

local codec = require "cloudhsmv2.codec"
local helper = require "spec.emulator.helper"
local http = require "cloudhsmv2.emulator.http"
local random = require "cloudhsmv2.emulator.random"

local SEED, ROUNDS = 20261124, 500
local TOKEN_KEY = { access_key_id = "ASIAEXAMPLE", session_token = "AQoDYXdzEJr/token+/=" }
TOKEN_KEY.secret_access_key = helper.KEY.secret_access_key

local INVALID, INCOMPLETE = "InvalidSignatureException", "IncompleteSignatureException"
local UNKNOWN, UNRECOGNIZED = "UnknownOperationException", "UnrecognizedClientException"
local MISSING = "MissingAuthenticationTokenException"

local TOKEN_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~"

local chance = random.new(SEED)

local function below(count)
  return math.floor(chance.draw() * count) + 1
end

local function visible()
  return string.char(32 + below(94))
end

local function token_character()
  local at = below(#TOKEN_CHARACTERS)
  return TOKEN_CHARACTERS:sub(at, at)
end

local function any_byte()
  return string.char(below(256) - 1)
end

-- The text with one byte another; `draw` gives the other one, `same` tells what is not another.
local function changed(text, draw, same)
  local at = below(#text)
  local old = text:sub(at, at)
  local new = draw()
  while new == old or same and same(old, new) do
    new = draw()
  end
  return text:sub(1, at - 1) .. new .. text:sub(at + 1)
end

local function differ_in_case(a, b)
  return a:lower() == b:lower()
end

local function header_of(request, name)
  for _, pair in ipairs(request.headers) do
    if pair[1]:lower() == name then
      return pair
    end
  end
end

-- Each changes a request, and returns the codes that it may be refused with.
local MUTATIONS = {
  method = function(request)
    request.method = changed(request.method, token_character)
    return { UNKNOWN }
  end,
  path = function(request)
    local other = visible()
    request.target = "/" .. (other == "?" and "?x" or other)
    return { UNKNOWN, INVALID }
  end,
  ["header name"] = function(request)
    local names = { "authorization", "content-type", "x-amz-date", "x-amz-target", "x-amz-security-token" }
    local pair = header_of(request, names[below(request.key == TOKEN_KEY and 5 or 4)])
    pair[1] = changed(pair[1], token_character, differ_in_case)
    return { INVALID, INCOMPLETE, UNKNOWN, UNRECOGNIZED, MISSING }
  end,
  ["header value"] = function(request)
    local names = { "host", "content-type", "x-amz-target", "x-amz-security-token" }
    local pair = header_of(request, names[below(request.key == TOKEN_KEY and 4 or 3)])
    pair[2] = changed(pair[2], visible)
    return { INVALID, UNKNOWN, UNRECOGNIZED }
  end,
  body = function(request)
    request.body = changed(request.body, any_byte)
    return { INVALID }
  end,
  date = function(request)
    local pair = header_of(request, "x-amz-date")
    pair[2] = changed(pair[2], visible)
    return { INVALID, INCOMPLETE }
  end,
  scope = function(request)
    local pair = header_of(request, "authorization")
    local before, scope, after = pair[2]:match "^(.-Credential=)([^,]+)(,.*)$"
    pair[2] = before .. changed(scope, visible) .. after
    return { INVALID, INCOMPLETE, UNRECOGNIZED }
  end,
  ["list of signed headers"] = function(request)
    local pair = header_of(request, "authorization")
    local before, list, after = pair[2]:match "^(.-SignedHeaders=)([^,]+)(,.*)$"
    pair[2] = before .. changed(list, visible) .. after
    return { INVALID, INCOMPLETE }
  end,
  signature = function(request)
    local pair = header_of(request, "authorization")
    local before, signature = pair[2]:match "^(.-Signature=)(%x+)$"
    pair[2] = before .. changed(signature, visible)
    return { INVALID, INCOMPLETE }
  end,
}

local KINDS = { "secret" }
for name in pairs(MUTATIONS) do
  KINDS[#KINDS + 1] = name
end
table.sort(KINDS)

-- The bytes of a request, through the reader of the server, to the emulator.
local function answer_of(emulated, request)
  local lines = { request.method .. " " .. request.target .. " HTTP/1.1" }
  for _, pair in ipairs(request.headers) do
    lines[#lines + 1] = pair[1] .. ": " .. pair[2]
  end
  local bytes = table.concat(lines, "\r\n") .. "\r\nContent-Length: " .. #request.body .. "\r\n\r\n" .. request.body
  local reader = http.reader(function()
    local given = bytes
    bytes = nil
    return given
  end, { max_header = 65536, max_body = 65536 })
  return emulated:handle(assert(reader:read_request(error)))
end

describe("a signed request", function()
  local keys = { { access_key_id = "AKIDEXAMPLE" }, TOKEN_KEY }
  keys[1].secret_access_key = helper.KEY.secret_access_key
  local service = helper.new { credentials = keys }
  local read = codec.compile {
    Refusal = { type = "structure", members = { __type = { shape = "Text" } } },
    Text = { type = "string" },
  }

  local function signed(key)
    local request = helper.request("DescribeClusters", { MaxResults = 5 }, { time = helper.START, key = key })
    local copy = { method = request.method, target = request.target, body = request.body, headers = {} }
    for i, pair in ipairs(request.headers) do
      copy.headers[i] = { pair[1], pair[2] }
    end
    return copy
  end

  it("is served as it is", function()
    for _, key in ipairs(keys) do
      assert.are.equal(200, answer_of(service.emulator, signed(key)).status)
    end
  end)

  it("is refused with a code of the service when any byte of what was signed is another", function()
    for round = 1, ROUNDS do
      local kind, key = KINDS[(round - 1) % #KINDS + 1], keys[below(#keys)]
      local request, codes
      if kind == "secret" then
        local other = { access_key_id = key.access_key_id, session_token = key.session_token }
        other.secret_access_key = changed(key.secret_access_key, visible)
        request, codes = signed(other), { INVALID }
      else
        request = signed(key)
        request.key = key
        codes = MUTATIONS[kind](request)
      end
      local answer = answer_of(service.emulator, request)
      local what = ("seed %d, round %d: %s: %d %s"):format(SEED, round, kind, answer.status, answer.body)
      assert.is_true(answer.status >= 400 and answer.status < 500, what)
      local code = assert(read:decode("Refusal", answer.body)).__type
      local wanted = false
      for _, one in ipairs(codes) do
        wanted = wanted or one == code
      end
      assert.is_true(wanted, what)
    end
  end)
end)
