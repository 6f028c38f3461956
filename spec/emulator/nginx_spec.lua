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

  local function control(method, target, fields, options)
    local request = { method = method, target = target, headers = {}, body = "", port = "8081" }
    for name, value in pairs(fields or {}) do
      request[name] = value
    end
    local api, sent = fake_nginx(request)
    rawset(_G, "ngx", api)
    nginx.control(options)
    return api.status, require("cjson").decode(sent.body)
  end

  it("the controls of the worker's emulator can be in any location of another server", function()
    serve(signed("DescribeClusters", "{}"), nil, { clock = "frozen", time = helper.START })
    local status, value = control("POST", "/emulator/advance", { body = '{"seconds":5}' })
    assert.are.equal(200, status)
    assert.are.equal(helper.START + 5, value.time)
    status, value = control("GET", "/time?")
    assert.are.equal(200, status)
    assert.are.equal("frozen", value.clock)
    assert.are.equal(404, (control("GET", "/emulator/tim")))
    assert.are.equal(200, (control("GET", "/emulator/")))
  end)

  it("the controls are not on the port of the service, nor for other machines", function()
    assert.are.equal(409, (control("GET", "/time")))
    serve(signed("DescribeClusters", "{}"))
    assert.are.equal(403, (control("GET", "/time", { port = "8080" })))
    for from, allowed in pairs { ["192.0.2.1"] = false, ["127.1.2.3"] = true, ["::1"] = true, ["unix:"] = true } do
      assert.are.equal(allowed and 200 or 403, (control("GET", "/time", { from = from })))
    end
    local status, value = control("GET", "/time", { from = "192.0.2.1" })
    assert.are.equal(403, status)
    assert.matches("this machine only", value.error.message, 1, true)
    assert.are.equal(200, (control("GET", "/time", { from = "192.0.2.1" }, { remote = true })))
  end)
end)

describe("a worker of nginx that keeps its state", function()
  local cjson = require "cjson"
  local real = require "spec.helper.nginx"
  local socket = require "socket"
  local running

  setup(function()
    running = real.start {
      ports = { "service", "control" },
      http = [[
        server {
          listen 127.0.0.1:${service};
          location / {
            content_by_lua_block {
              require("cloudhsmv2.emulator.nginx").serve {
                state = "${folder}/state", clock = "frozen", verify_signatures = false,
              }
            }
          }
        }
        server {
          listen 127.0.0.1:${control};
          location / { content_by_lua_block { require("cloudhsmv2.emulator.nginx").control() } }
        }
      ]],
    }
  end)

  teardown(function()
    running:stop()
  end)

  -- The value and status of an answer to a POST.
  local function post(port_name, path, body, headers)
    local connection = assert(socket.connect("127.0.0.1", running.ports[port_name]))
    connection:settimeout(20)
    local head = "POST %s HTTP/1.0\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n"
    connection:send(head:format(path, headers or "", #body) .. body)
    local text, status = running:answer(connection)
    return text and cjson.decode(text), status
  end

  local function call(operation, input)
    local headers = "X-Amz-Target: BaldrApiService.%s\r\nContent-Type: application/x-amz-json-1.1\r\n"
    return post("service", "/", input, headers:format(operation))
  end

  it("has it after it was killed, and its controls are on a port of their own", function()
    local input = '{"HsmType":"hsm2m.medium","Mode":"FIPS","SubnetIds":["subnet-0a1b2c3d"]}'
    assert.are.equal(200, select(2, call("CreateCluster", input)))
    local out, status = post("control", "/advance", '{"seconds":120}')
    assert.are.equal(200, status)
    local time = out.time
    local worker = running:workers()[1]
    os.execute("kill -9 " .. worker)
    assert(running:eventually(function()
      local workers = running:workers()
      return workers[1] and workers[1] ~= worker
    end, 20))

    assert.are.equal(409, select(2, running:get("control", "/time")))
    out, status = call("DescribeClusters", "{}")
    assert.are.equal(200, status)
    assert.are.equal("UNINITIALIZED", out.Clusters[1].State)
    local text
    text, status = running:get("control", "/time")
    assert.are.equal(200, status)
    assert.are.equal(time, cjson.decode(text).time)
    out, status = post("service", "/advance", '{"seconds":5}')
    assert.are.equal(404, status)
    assert.are.equal("UnknownOperationException", out.__type)
  end)
end)
