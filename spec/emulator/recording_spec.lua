local cjson = require "cjson"
local cloudhsmv2 = require "cloudhsmv2"
local emulator = require "cloudhsmv2.emulator"
local helper = require "spec.emulator.helper"
local recording = require "cloudhsmv2.emulator.recording"

local function lines_of(path)
  local lines = {}
  for line in io.lines(path) do
    lines[#lines + 1] = cjson.decode(line)
  end
  return lines
end

describe("a recording", function()
  local path
  before_each(function()
    path = os.tmpname()
  end)

  after_each(function()
    os.remove(path)
  end)

  it("has every exchange of an emulator, one a line", function()
    local service = helper.new { record = path }
    local id = service:create_cluster()
    service.emulator:advance(7)
    service:refusal("DeleteCluster", { ClusterId = "cluster-aaaaaaaaaaa" })
    service:ram("ListResources", { resourceOwner = "SELF" })
    service.emulator:close()
    service.emulator:close()

    local lines = lines_of(path)
    assert.are.equal(3, #lines)
    assert.are.equal("CreateCluster", lines[1].operation)
    assert.are.equal(helper.START, lines[1].time)
    assert.are.equal("POST", lines[1].request.method)
    assert.are.equal("/", lines[1].request.target)
    assert.matches('"HsmType":"hsm2m.medium"', lines[1].request.body, 1, true)
    assert.are.equal(200, lines[1].response.status)
    assert.are.equal(id, cjson.decode(lines[1].response.body).Cluster.ClusterId)
    assert.are.equal("DeleteCluster", lines[2].operation)
    assert.are.equal(helper.START + 7, lines[2].time)
    assert.are.equal(400, lines[2].response.status)
    assert.are.equal("ListResources", lines[3].operation)
  end)

  it("has no signature, no session token and no password", function()
    local key =
      { access_key_id = "AKIDEXAMPLE", secret_access_key = helper.KEY.secret_access_key, session_token = "TOKEN+/=" }
    local service = helper.new { record = path, credentials = { key } }
    local response = service:ask("DescribeClusters", {}, { key = key })
    assert.are.equal(200, response.status)
    local request = helper.request("DescribeClusters", {}, { time = helper.START, key = key })
    service.emulator.recording:write(1, request, {
      status = 200,
      headers = { { "X-Amz-Security-Token", "TOKEN+/=" } },
      body = '{"Clusters":[{"PreCoPassword" : "ebe\\"low1","ClusterId":"cluster-a"}]}',
    })
    service.emulator:close()
    local file = assert(io.open(path))
    local text = file:read "*a"
    file:close()
    for _, secret in ipairs { "TOKEN", "Signature=", "AKIDEXAMPLE", "ebe", "low1" } do
      assert.is_nil(text:find(secret, 1, true), secret)
    end
    local lines = lines_of(path)
    local by_name = {}
    for _, pair in ipairs(lines[1].request.headers) do
      by_name[pair[1]:lower()] = pair[2]
    end
    assert.are.equal("[redacted]", by_name.authorization)
    assert.are.equal("[redacted]", by_name["x-amz-security-token"])
    assert.are.equal("BaldrApiService.DescribeClusters", by_name["x-amz-target"])
    assert.are.equal("cluster-a", cjson.decode(lines[2].response.body).Clusters[1].ClusterId)
  end)

  it("holds bytes that are no text", function()
    local recorder = assert(recording.open(path))
    local request = { method = "PO\255T", target = "/\200", headers = { { "X-\255", "\254" } }, body = "\0\255" }
    assert.is_true(recorder:write(1, request, { status = 200, headers = {}, body = "\200\0" }))
    recorder:close()
    local line = lines_of(path)[1]
    assert.are.equal("AP8=", line.request.body_base64)
    assert.is_nil(line.request.body)
    local file = assert(io.open(path))
    local exchange = assert(recording.read(file:read "*l"))
    file:close()
    assert.are.equal("\0\255", exchange.request.body)
    assert.are.equal("\200\0", exchange.response.body)
    assert.are.equal("PO?T", exchange.request.method)
    assert.are.equal("/?", exchange.request.target)
  end)

  it("goes on behind what is there", function()
    for _ = 1, 2 do
      local service = helper.new { record = path }
      service:create_cluster()
      service.emulator:close()
    end
    assert.are.equal(2, #lines_of(path))
  end)

  it("says when it cannot be begun or continued", function()
    local made, err = emulator.new { record = "/nowhere/recording" }
    assert.is_nil(made)
    assert.are.equal("CannotRecord", err.code)
    assert.matches("/nowhere/recording", err.message, 1, true)

    local recorder = assert(recording.open(path))
    local told
    recorder.on_error = function(text)
      told = text
    end
    local file = recorder.file
    recorder.file = {
      write = function()
        return nil, "No space left on device"
      end,
    }
    local written, reason = recorder:write(
      1,
      { method = "GET", target = "/", headers = {} },
      { status = 200, headers = {}, body = "" }
    )
    recorder.file = file
    recorder:close()
    assert.is_nil(written)
    assert.are.equal("No space left on device", reason)
    assert.are.equal(("cannot record to %s: No space left on device"):format(path), told)
  end)

  it("can be made of what a client has with any service", function()
    local inner = emulator.new({}):runtime()
    local fails = false
    local recorder = assert(recording.open(path))
    local client = assert(cloudhsmv2.new {
      region = "eu-west-1",
      credentials = helper.KEY,
      retry = { max_attempts = 1 },
      runtime = recording.runtime(
        setmetatable({
          send = function(request)
            if fails then
              return nil,
                { kind = "transport", code = "CouldNotConnect", message = "no way", sent = "no", cause = print }
            end
            return inner.send(request)
          end,
        }, { __index = inner }),
        recorder
      ),
    })
    assert(client:describe_clusters {})
    fails = true
    assert.is_nil((client:describe_backups {}))
    client:close()
    recorder:close()
    local lines = lines_of(path)
    assert.are.equal("DescribeClusters", lines[1].operation)
    assert.are.equal('{"Clusters":[]}', lines[1].response.body)
    assert.are.same({ kind = "transport", code = "CouldNotConnect", message = "no way", sent = "no" }, lines[2].failure)
    assert.is_nil(lines[2].response)
  end)
end)
