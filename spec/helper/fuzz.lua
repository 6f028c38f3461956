--- Requests that nobody should send, the same ones for the same seed: bytes that are no HTTP, good requests with edits, and
-- requests that are signed well and ask for nonsense.

local cjson = require "cjson"
local helper = require "spec.emulator.helper"
local model = require "cloudhsmv2.model"
local random = require "cloudhsmv2.emulator.random"

local fuzz = {}
local methods = {}
local metatable = { __index = methods }

-- What a server may say to any of them. 500 is not among it.
local ALLOWED = { [200] = true, [501] = true, [505] = true }
for status = 400, 499 do
  ALLOWED[status] = true
end

local OPERATIONS = {}
for name in pairs(model.operations) do
  OPERATIONS[#OPERATIONS + 1] = name
end
table.sort(OPERATIONS)

local TEXTS = {
  "",
  "READY",
  "ACTIVE",
  "hsm2m.medium",
  "hsm1.medium",
  "FIPS",
  "DAYS",
  "90",
  "us-east-1a",
  "eu-west-1",
  "clusterIds",
  "states",
  "subnet-0a1b2c30",
  "subnet-0a1b2c31",
  helper.PEM,
  "{}",
  '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"*","Resource":"*"}]}',
  "\0\1\2",
  "\255\254",
  "\226\130\172",
  "%s%n%d",
  ("x"):rep(5000),
  ("/"):rep(300) .. "..",
}
-- What fits a shape, so that some requests get to the rules of the service. Ids that were answered are added.
local FITTING = {
  BackupArn = { "backup-aaaaaaaaaaa" },
  BackupId = { "backup-aaaaaaaaaaa" },
  BackupRetentionValue = { "7", "90", "379", "6" },
  Cert = { helper.PEM },
  CloudHsmArn = { "arn:aws:cloudhsm:us-east-1:111122223333:backup/backup-aaaaaaaaaaa" },
  ClusterId = { "cluster-aaaaaaaaaaa" },
  ExternalAz = { "us-east-1a", "us-east-1b", "us-east-1c" },
  Field = { "clusterIds", "backupIds", "sourceBackupIds", "states", "neverExpires", "vpcIds" },
  HsmId = { "hsm-aaaaaaaaaaa" },
  HsmType = { "hsm2m.medium", "hsm2m.medium", "hsm1.medium" },
  IpAddress = { "10.0.0.5" },
  Region = { "eu-west-1", "us-east-1", "us-gov-west-1" },
  ResourceId = { "cluster-aaaaaaaaaaa" },
  String = { "READY", "ACTIVE", "true" },
  SubnetId = { "subnet-0a1b2c30", "subnet-0a1b2c31", "subnet-0a1b2c32" },
  TagKey = { "Name", "owner", "aws:x" },
  TagValue = { "nightly", "" },
}
local HOLDERS = { -- shapes that hold an id, by its prefix
  backup = { "BackupArn", "BackupId", "ResourceId", "String" },
  cluster = { "ClusterId", "ResourceId", "String" },
  hsm = { "HsmId" },
  arn = { "BackupArn", "CloudHsmArn" },
}

local NUMBERS = { 0, 1, -1, 5, 50, 51, 1e9, 2 ^ 53, -2 ^ 63, 1.5, 1e308, -0.1 }
local HEADERS = {
  "Content-Length: 0",
  "Content-Length: 5",
  "Content-Length: 99999999999999999999",
  "Content-Length: -1",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: chunked, chunked",
  "Expect: 100-continue",
  "Connection: close",
  "Connection: keep-alive, close, \t,",
  "Host: b",
  " folded",
  ": no name",
  "X-Amz-Date: 20260101T000000Z",
  "X-Amz-Content-Sha256: 0",
  "Authorization: AWS4-HMAC-SHA256",
  "X-Many: " .. ("a, "):rep(2000),
}

function methods:below(count)
  return math.floor(self.draw() * count) + 1
end

function methods:pick(list)
  return list[self:below(#list)]
end

function methods:bytes(count)
  local out = {}
  for i = 1, count do
    out[i] = string.char(self:below(256) - 1)
  end
  return table.concat(out)
end

-- A JSON text of no particular shape.
local function anything(self, depth)
  local kind = self:below(depth > 3 and 5 or 7)
  if kind == 1 then
    return "null"
  elseif kind == 2 then
    return self:pick { "true", "false", "1e999", "-", "01", '"\\ud800"', '"\\u0000"', '"', "nul" }
  elseif kind == 3 then
    return ("%.17g"):format(self:pick(NUMBERS)):gsub(",", ".")
  elseif kind <= 5 then
    return cjson.encode(self:pick(TEXTS))
  elseif kind == 6 then
    return "[" .. anything(self, depth + 1) .. "," .. anything(self, depth + 1) .. "]"
  end
  return '{"' .. self:pick { "Key", "ClusterId", "a", "" } .. '":' .. anything(self, depth + 1) .. "}"
end

-- A JSON text that mostly fits a shape.
local function of_shape(self, name, depth)
  local shape = model.shapes[name]
  if self:below(40) == 1 or depth > 6 then
    return anything(self, depth)
  elseif shape.type == "structure" then
    local parts = {}
    for _, member in ipairs(shape.order) do
      local required = table.concat(shape.required or {}, " "):find(member, 1, true)
      if self:below(required and 40 or 3) > 1 then
        parts[#parts + 1] = cjson.encode(member) .. ":" .. of_shape(self, shape.members[member].shape, depth + 1)
      end
    end
    return "{" .. table.concat(parts, ",") .. "}"
  elseif shape.type == "list" then
    local parts = {}
    for i = 1, self:pick { 0, 1, 1, 1, 1, 1, 2, 3, 60 } do
      parts[i] = of_shape(self, shape.member.shape, depth + 1)
    end
    return "[" .. table.concat(parts, ",") .. "]"
  elseif shape.type == "map" then
    return "{"
      .. of_shape(self, shape.key.shape, depth + 1)
      .. ":"
      .. of_shape(self, shape.value.shape, depth + 1)
      .. "}"
  elseif shape.type == "string" then
    local fitting = self.fitting[name] or shape.enum
    return cjson.encode(fitting and self:below(20) > 1 and self:pick(fitting) or self:pick(TEXTS))
  elseif shape.type == "boolean" then
    return self:pick { "true", "false" }
  end
  return ("%.17g"):format(self:pick(NUMBERS)):gsub(",", ".")
end

-- The bytes of a request that is signed well.
local function signed(self, operation, body)
  local request = helper.request(operation, body, { time = self.time() })
  local lines = { "POST / HTTP/1.1" }
  for _, pair in ipairs(request.headers) do
    lines[#lines + 1] = pair[1] .. ": " .. pair[2]
  end
  lines[#lines + 1] = "Content-Length: " .. #body
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. body
end

-- One edit somewhere in the text.
local function edited(self, text)
  local at = self:below(#text + 1) - 1
  local before, after = text:sub(1, at), text:sub(at + 1)
  local kind = self:below(7)
  if kind == 1 then
    return before .. self:bytes(1) .. after:sub(2)
  elseif kind == 2 then
    return before .. self:bytes(self:below(20)) .. after
  elseif kind == 3 then
    return before .. after:sub(self:below(30))
  elseif kind == 4 then
    return before .. after:sub(1, self:below(40)) .. after
  elseif kind == 5 then
    return before
  elseif kind == 6 then
    return before .. self:pick { "\r\n", "\r\n\r\n", "\n", "\0", " ", ":", ",", ";", "/" } .. after
  end
  return (text:gsub("\r\n\r\n", "\r\n" .. self:pick(HEADERS):gsub("%%", "%%%%") .. "\r\n\r\n", 1))
end

-- What makes sense, mostly: it reaches the rules of the service.
local function request_of_shape(self)
  local operation = self:pick(OPERATIONS)
  return signed(self, operation, of_shape(self, model.operations[operation].input.shape, 1))
end

local KINDS = {
  request_of_shape,
  request_of_shape,
  request_of_shape,
  function(self) -- a request with edits
    local text = request_of_shape(self)
    for _ = 1, self:below(4) do
      text = edited(self, text)
    end
    return text
  end,
  function(self) -- nothing like a request
    return self:pick { "", "GET ", "POST / HTTP/1.1\r\n", "\22\3\1\2\0\1\0\1\252\3\3" } .. self:bytes(self:below(300))
  end,
  function(self) -- chunks
    local text = signed(self, "DescribeBackups", "{}"):gsub("Content%-Length: 2", "Transfer-Encoding: chunked")
    local chunks =
      self:pick { "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", "2\r\n{}\r\n0\r\nX: y\r\n\r\n", "ffffffff\r\n", "-1\r\n", "0\r\n" }
    return edited(self, (text:gsub("{}$", function()
      return chunks
    end)))
  end,
  function(self) -- several in one go
    local parts = {}
    for i = 1, self:below(5) do
      parts[i] = signed(self, "DescribeClusters", "{}")
      if self:below(3) == 1 then
        parts[i] = edited(self, parts[i])
      end
    end
    return table.concat(parts)
  end,
}

--- The bytes of the next request.
function methods:next()
  return self:pick(KINDS)(self)
end

--- Looks at what a server said to one of them, and remembers the ids in it.
-- @treturn ?string what is wrong with it
function methods:judge(answer)
  for id, prefix in answer:gmatch '"((%l+)[-:][a-z0-9:/-]+)"' do
    for _, shape in ipairs(HOLDERS[prefix] or {}) do
      local list = self.fitting[shape]
      list[#list < 40 and #list + 1 or self:below(40)] = id
    end
  end
  local at = 1
  while at <= #answer do
    local status, head_end = answer:match("^HTTP/1%.1 (%d+) ", at), answer:find("\r\n\r\n", at, true)
    if not status or not head_end then
      return "no answer: " .. answer:sub(at, at + 200)
    elseif status ~= "100" and not ALLOWED[tonumber(status)] then
      return "status " .. status .. ": " .. answer:sub(at, at + 2000)
    end
    self.statuses[status] = (self.statuses[status] or 0) + 1
    local length = tonumber(answer:sub(at, head_end):match "\r\n[Cc]ontent%-[Ll]ength: (%d+)") or 0
    at = head_end + 4 + length
  end
  return at ~= #answer + 1 and "an answer that is cut short: " .. answer:sub(1, 2000) or nil
end

--- A source of requests.
-- @tparam integer seed
-- @tparam function time the moment that they are signed at
-- @treturn table with the methods above, and `statuses`: how often each was answered
function fuzz.new(seed, time)
  local fitting = {}
  for name, list in pairs(FITTING) do
    fitting[name] = {}
    for i, value in ipairs(list) do
      fitting[name][i] = value
    end
  end
  return setmetatable({ draw = random.new(seed).draw, time = time, fitting = fitting, statuses = {} }, metatable)
end

return fuzz
