local helper = require "spec.emulator.helper"

-- As much of nginx as the module uses.
local function fake_nginx(request, body_file)
  local sent = { header = {} }
  local api = {
    header = sent.header,
    var = {
      request_uri = request.target,
      server_port = request.port or "8080",
      remote_addr = request.from or "127.0.0.1",
    },
    update_time = function() end,
    now = function()
      return helper.START
    end,
    req = {
      read_body = function() end,
      get_method = function()
        return request.method
      end,
      get_body_data = function()
        return not body_file and request.body ~= "" and request.body or nil
      end,
      get_body_file = function()
        return body_file
      end,
      get_headers = function(limit)
        assert.are.equal(0, limit) -- 0: all of them
        local headers = { ["x-twice"] = { "a", "b" } }
        for _, pair in ipairs(request.headers) do
          headers[pair[1]:lower()] = pair[2]
        end
        return headers
      end,
    },
    print = function(body)
      sent.body = body
    end,
  }
  return api, sent
end

describe("inside nginx", function()
  local nginx, outside

  before_each(function()
    outside = rawget(_G, "ngx")
    package.loaded["cloudhsmv2.emulator.nginx"] = nil
    nginx = require "cloudhsmv2.emulator.nginx"
  end)

  after_each(function()
    rawset(_G, "ngx", outside)
  end)

  local function serve(request, body_file, options)
    local api, sent = fake_nginx(request, body_file)
    rawset(_G, "ngx", api)
    nginx.serve(options)
    return api.status, sent
  end

  local function signed(operation, input)
    return helper.request(operation, input, { time = helper.START })
  end

  it("a request is answered with status, headers and body", function()
    local status, sent = serve(signed("DescribeClusters", "{}"))
    assert.are.equal(200, status)
    assert.are.equal('{"Clusters":[]}', sent.body)
    assert.are.equal("application/x-amz-json-1.1", sent.header["content-type"])
    assert.are.equal("15", sent.header["content-length"])
    assert.is_nil(sent.header.date)
  end)

  it("the worker keeps its state from one request to the next", function()
    local input = { HsmType = "hsm2m.medium", Mode = "FIPS", SubnetIds = { helper.SUBNET_A } }
    serve(signed("CreateCluster", input), nil, { clock = "frozen", time = helper.START })
    local _, sent = serve(signed("DescribeClusters", "{}"))
    assert.matches("CREATE_IN_PROGRESS", sent.body, 1, true)
    nginx.emulator():advance(120)
    _, sent = serve(signed("DescribeClusters", "{}"))
    assert.matches("UNINITIALIZED", sent.body, 1, true)
  end)

  it("a body that nginx wrote to a file is read from there", function()
    local path = os.tmpname()
    local request = signed("DescribeClusters", '{"MaxResults":5}')
    local file = assert(io.open(path, "wb"))
    file:write(request.body)
    file:close()
    local status = serve(request, path)
    os.remove(path)
    assert.are.equal(200, status)
  end)

  it("a request without a body is one with an empty body", function()
    local status, sent = serve(signed("DescribeClusters", ""))
    assert.are.equal(400, status)
    assert.matches("SerializationException", sent.body, 1, true)
  end)
end)
