--- An emulator with a hand-made client: requests signed here, answers read without the library's model, so that the
-- specs see what is on the wire.

local cjson = require "cjson.safe"
local codec = require "cloudhsmv2.codec"
local emulator = require "cloudhsmv2.emulator"
local model = require "cloudhsmv2.model"
local sigv4 = require "cloudhsmv2.sigv4"

local helper = {}

helper.START = 1767225600 -- 2026-01-01T00:00:00Z
helper.KEY = {
  access_key_id = "AKIDEXAMPLE",
  secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
}
helper.OTHER_KEY = { access_key_id = "AKIDEXAMPLE2", secret_access_key = helper.KEY.secret_access_key }
helper.PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n" -- the form only
helper.SUBNET_A, helper.SUBNET_B, helper.SUBNET_C = "subnet-0a1b2c30", "subnet-0a1b2c31", "subnet-0a1b2c32"

local compiled = codec.compile(model.shapes)

local function body_of(operation, input)
  if type(input) == "string" then
    return input
  end
  return assert(compiled:encode(model.operations[operation].input.shape, input or {}, { constraints = false }))
end

--- A signed request; `options`: key, region, service, time, headers (added before signing).
function helper.request(operation, input, options)
  local headers = {
    { "Host", "cloudhsmv2.us-east-1.amazonaws.com" },
    { "Content-Type", "application/x-amz-json-1.1" },
    { "X-Amz-Target", "BaldrApiService." .. operation },
  }
  for _, pair in ipairs(options.headers or {}) do
    headers[#headers + 1] = pair
  end
  local body = body_of(operation, input)
  local signed = assert(sigv4.sign {
    method = "POST",
    path = "/",
    query = "",
    headers = headers,
    body = body,
    region = options.region or "us-east-1",
    service = options.service or "cloudhsm",
    time = options.time,
    credentials = options.key or helper.KEY,
  })
  return { method = "POST", target = "/", headers = signed.headers, body = body }
end

--- A signed request to RAM; `options` as of `helper.request`, and `method`, `target` and `body` in place of the usual.
function helper.ram_request(operation, input, options)
  local body = options.body or require("cjson").encode(next(input or {}) and input or cjson.decode "{}")
  local path, query = (options.target or "/" .. operation:lower()):match "^([^?]*)%??(.*)$"
  local method = options.method or "POST"
  local signed = assert(sigv4.sign {
    method = method,
    path = path,
    query = query,
    headers = { { "Host", "ram.us-east-1.amazonaws.com" }, { "Content-Type", "application/json" } },
    body = body,
    region = options.region or "us-east-1",
    service = options.service or "ram",
    time = options.time,
    credentials = options.key or helper.KEY,
  })
  local target = query == "" and path or path .. "?" .. query
  return { method = method, target = target, headers = signed.headers, body = body }
end

local methods = {}
local metatable = { __index = methods }

--- Sends a request as it is.
function methods:send(request)
  local response = self.emulator:handle(request)
  local headers = {}
  for _, pair in ipairs(response.headers) do
    headers[pair[1]] = pair[2]
  end
  return { status = response.status, headers = headers, body = response.body, value = cjson.decode(response.body) }
end

--- Sends an operation's request.
function methods:ask(operation, input, options)
  local chosen = { time = self.emulator:time() }
  for name, value in pairs(options or {}) do
    chosen[name] = value
  end
  return self:send(helper.request(operation, input, chosen))
end

--- Sends a request to RAM.
function methods:ask_ram(operation, input, options)
  local chosen = { time = self.emulator:time() }
  for name, value in pairs(options or {}) do
    chosen[name] = value
  end
  return self:send(helper.ram_request(operation, input, chosen))
end

--- The output of an operation of RAM that must succeed.
function methods:ram(operation, input, options)
  local response = self:ask_ram(operation, input, options)
  if response.status ~= 200 then
    error(operation .. ": " .. response.headers["x-amzn-errortype"] .. ": " .. response.body, 2)
  end
  return response.value
end

--- The code, message and status of an operation of RAM that must be refused.
function methods:ram_refusal(operation, input, options)
  local response = self:ask_ram(operation, input, options)
  if response.status == 200 then
    error(operation .. " was not refused: " .. response.body, 2)
  end
  return response.headers["x-amzn-errortype"], response.value.message, response.status
end

--- The output of an operation that must succeed.
function methods:call(operation, input, options)
  local response = self:ask(operation, input, options)
  if response.status ~= 200 then
    error(operation .. ": " .. response.body, 2)
  end
  return response.value
end

--- The code and message of an operation that must be refused.
function methods:refusal(operation, input, options)
  local response = self:ask(operation, input, options)
  if response.status == 200 then
    error(operation .. " was not refused: " .. response.body, 2)
  end
  return response.value.__type, response.value.Message or response.value.message, response.status
end

-- Everything that a list has, whatever its pages are like.
local function all_of(self, operation, member, filters, options)
  local found, token = {}, nil
  repeat
    local out = self:call(operation, { Filters = filters, NextToken = token }, options)
    for _, item in ipairs(out[member]) do
      found[#found + 1] = item
    end
    token = out.NextToken
  until not token or token == ""
  return found
end

--- The cluster of an id as it is now.
function methods:cluster(cluster_id, options)
  return all_of(self, "DescribeClusters", "Clusters", { clusterIds = { cluster_id } }, options)[1]
end

--- The backups there are, newest first.
function methods:backups(filters, options)
  return all_of(self, "DescribeBackups", "Backups", filters, options)
end

--- A new cluster; members of `input` replace the usual ones.
function methods:create_cluster(input, options)
  local request = { HsmType = "hsm2m.medium", Mode = "FIPS", SubnetIds = { helper.SUBNET_A, helper.SUBNET_B } }
  for name, value in pairs(input or {}) do
    request[name] = value
  end
  if request.HsmType == "hsm1.medium" then
    request.Mode = nil
  end
  return self:call("CreateCluster", request, options).Cluster.ClusterId
end

--- What a cluster can be initialized with: a certificate and its trust anchor.
function methods:sign(cluster)
  if self.emulator.sign_csr then
    return assert(self.emulator:sign_csr(cluster.Certificates.ClusterCsr))
  end
  return helper.PEM, helper.PEM
end

--- A cluster with one ACTIVE HSM, UNINITIALIZED.
function methods:cluster_with_csr(input)
  local cluster_id = self:create_cluster(input)
  self.emulator:advance(120)
  self:call("CreateHsm", { ClusterId = cluster_id, AvailabilityZone = "us-east-1a" })
  self.emulator:advance(313)
  return cluster_id
end

--- Initializes a cluster as a customer does: its request signed by an authority of one's own.
function methods:initialize(cluster_id, options)
  local certificate, anchor = self:signed(cluster_id, options)
  local input = { ClusterId = cluster_id, SignedCert = certificate, TrustAnchor = anchor }
  return self:call("InitializeCluster", input, options)
end

--- The certificates for a cluster that shows its request.
function methods:signed(cluster_id, options)
  return assert(self.emulator:sign_csr(self:cluster(cluster_id, options).Certificates.ClusterCsr))
end

--- An ACTIVE cluster with one HSM, its first backup READY.
function methods:active_cluster(input)
  local cluster_id = self:cluster_with_csr(input)
  self:initialize(cluster_id)
  self.emulator:advance(60 + 80 + 60)
  return cluster_id
end

--- A READY backup.
function methods:ready_backup()
  local cluster_id = self:active_cluster()
  return self:backups({ clusterIds = { cluster_id } })[1]
end

--- The policy that AWS documents for sharing a backup with another account.
function helper.policy(arn, account)
  local text = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"%s"},'
    .. '"Action":["cloudhsm:CreateCluster","cloudhsm:DescribeBackups"],"Resource":"%s"}]}'
  return text:format(account, arn)
end

--- An emulator on a frozen clock.
function helper.new(options)
  local chosen = { clock = "frozen", time = helper.START }
  for name, value in pairs(options or {}) do
    chosen[name] = value
  end
  return setmetatable({ emulator = assert(emulator.new(chosen)) }, metatable)
end

--- The names of a table's members, sorted and joined.
function helper.members(value)
  local names = {}
  for name in pairs(value) do
    names[#names + 1] = name
  end
  table.sort(names)
  return table.concat(names, " ")
end

return helper
