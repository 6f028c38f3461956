local cloudhsmv2 = require "cloudhsmv2"
local errors = require "cloudhsmv2.errors"
local helper = require "spec.emulator.helper"

local MODELLED = {
  "CloudHsmAccessDeniedException",
  "CloudHsmInternalFailureException",
  "CloudHsmInvalidRequestException",
  "CloudHsmResourceLimitExceededException",
  "CloudHsmResourceNotFoundException",
  "CloudHsmServiceException",
  "CloudHsmTagException",
}

describe("an injected fault", function()
  local service
  before_each(function()
    service = helper.new()
  end)

  local function inject(fault)
    assert.is_true(service.emulator:inject(fault))
  end

  local function statuses(count, operation)
    local out = {}
    for i = 1, count do
      out[i] = service:ask(operation or "DescribeClusters").status
    end
    return table.concat(out, " ")
  end

  it("strikes as many requests as it says", function()
    inject { kind = "html", count = 2 }
    assert.are.equal("500 500 200 200", statuses(4))
    assert.are.same({}, service.emulator:faults())
  end)

  it("strikes until it is cleared when it does not say how many", function()
    inject { kind = "html" }
    assert.are.equal("500 500 500 500", statuses(4))
    service.emulator:clear_faults()
    assert.are.equal("200", statuses(1))
  end)

  it("lets requests pass before it begins", function()
    inject { kind = "html", count = 1, after = 2 }
    assert.are.equal("200 200 500 200", statuses(4))
  end)

  it("strikes its operation only", function()
    inject { kind = "html", operation = "DescribeBackups", count = 1 }
    assert.are.equal("200", statuses(1))
    assert.are.equal("500 200", statuses(2, "DescribeBackups"))
  end)

  it("strikes a share of the requests, the same ones for the same seed", function()
    inject { kind = "html", probability = 0.5 }
    local first = statuses(40)
    assert.matches("200", first, 1, true)
    assert.matches("500", first, 1, true)
    service = helper.new()
    inject { kind = "html", probability = 0.5 }
    assert.are.equal(first, statuses(40))
  end)

  it("waits for its turn behind those that were injected before", function()
    inject { kind = "html", count = 1 }
    inject { kind = "unavailable", count = 1 }
    assert.are.equal("500 503 200", statuses(3))
  end)

  it("comes on top of others when it is one of time", function()
    inject { kind = "latency", seconds = 2, count = 1 }
    inject { kind = "latency", seconds = 3, count = 1 }
    inject { kind = "html", count = 1 }
    local response = service.emulator:handle(helper.request("DescribeClusters", {}, { time = helper.START }))
    assert.are.equal(500, response.status)
    assert.are.same({ delay = 5 }, response.delivery)
    assert.are.same({}, service.emulator:faults())
  end)

  it("can be there from the beginning", function()
    service = helper.new { faults = { { kind = "html", count = 1 } } }
    assert.are.equal("500 200", statuses(2))
  end)

  it("is listed with its defaults, what is left of its count, and how often it struck", function()
    inject { kind = "throttle", operation = "ListTags", rate = 2 }
    inject { kind = "html", count = 3 }
    statuses(1)
    assert.are.same({
      {
        kind = "throttle",
        operation = "ListTags",
        rate = 2,
        burst = 1,
        code = "ThrottlingException",
        status = 400,
        after = 0,
        probability = 1,
        struck = 0,
      },
      { kind = "html", count = 2, status = 500, after = 0, probability = 1, struck = 1 },
    }, service.emulator:faults())
    service.emulator:faults()[2].count = 100 -- a copy
    assert.are.equal(2, service.emulator:faults()[2].count)
  end)

  it("is refused by the name of the field when it makes no sense", function()
    for _, case in ipairs {
      { "html", "expected a table, got a string" },
      { {}, "there is no kind nil" },
      { { kind = "htlm" }, "did you mean html?" },
      { { kind = "html", operation = "DescribeBackup" }, "did you mean DescribeBackups?" },
      { { kind = "html", seconds = 1 }, "html has no seconds" },
      { { kind = "html", count = 0 }, "html: count must be a whole number of 1 or more" },
      { { kind = "html", after = 0.5 }, "html: after must be a whole number of 0 or more" },
      { { kind = "html", probability = 2 }, "html: probability must be a number from 0 to 1" },
      { { kind = "html", status = 99 }, "html: status must be a whole number from 200 to 599" },
      { { kind = "latency" }, "latency: seconds must be a number of 0 or more" },
      { { kind = "latency", seconds = -1 }, "latency: seconds must be a number of 0 or more" },
      { { kind = "clock_skew", seconds = math.huge }, "clock_skew: seconds must be a number" },
      { { kind = "truncate", length = "none" }, "truncate: length must be one of whole, part" },
      { { kind = "error" }, "error: code must be the name of an error" },
      { { kind = "error", code = "No Such\r\nCode" }, "error: code must be the name of an error" },
      { { kind = "content_type", value = "a\r\nb: c" }, "content_type: value must be a text of one line" },
      { { kind = "duplicate_header", name = "a b" }, "duplicate_header: name must be the name of a header" },
      { { kind = "throttle" }, "throttle: rate must be a number of 0 or more" },
    } do
      local done, err = service.emulator:inject(case[1])
      assert.is_nil(done)
      assert.is_true(errors.is(err))
      assert.are.equal("config", err.kind)
      assert.are.equal("InvalidFault", err.code)
      assert.matches(case[2], err.message, 1, true)
    end
    assert.are.same({}, service.emulator:faults())
    local made, err = require("cloudhsmv2.emulator").new { faults = { { kind = "fire" } } }
    assert.is_nil(made)
    assert.are.equal("InvalidFault", err.code)
  end)

  describe("in place of an answer", function()
    it("is a proxy's page, without a word of the service", function()
      inject { kind = "html", status = 502, count = 1 }
      local response = service:ask "DescribeClusters"
      assert.are.equal(502, response.status)
      assert.are.equal("text/html", response.headers["content-type"])
      assert.matches("<h1>502 Bad Gateway</h1>", response.body, 1, true)
      assert.are.equal(tostring(#response.body), response.headers["content-length"])
      assert.is_nil(response.headers["x-amzn-requestid"])
    end)

    it("is a service that cannot be reached, and says when to come again", function()
      inject { kind = "unavailable", retry_after = 3, count = 1 }
      local response = service:ask "DescribeClusters"
      assert.are.equal(503, response.status)
      assert.are.equal("ServiceUnavailableException", response.value.__type)
      assert.are.equal("3", response.headers["retry-after"])
    end)

    it("is any of the modelled errors, with the status of its documentation", function()
      for _, code in ipairs(MODELLED) do
        inject { kind = "error", code = code, message = "as you wish", count = 1 }
        local got, message, status = service:refusal "DescribeClusters"
        assert.are.equal(code, got)
        assert.are.equal("as you wish", message)
        assert.are.equal(code == "CloudHsmInternalFailureException" and 500 or 400, status)
      end
    end)

    it("is any other error, as general ones are written", function()
      inject { kind = "error", code = "OptInRequired", status = 403, count = 1 }
      local response = service:ask "DescribeClusters"
      assert.are.equal(403, response.status)
      assert.are.equal("__type message", helper.members(response.value))
    end)

    it("does not do what was asked", function()
      for _, fault in ipairs {
        { kind = "html", count = 1 },
        { kind = "unavailable", count = 1 },
        { kind = "error", code = "CloudHsmServiceException", count = 1 },
        { kind = "throttle", rate = 0, burst = 0, count = 1 },
        { kind = "drop_before", count = 1 },
      } do
        inject(fault)
        service:ask("CreateCluster", { HsmType = "hsm2m.medium", Mode = "FIPS", SubnetIds = { helper.SUBNET_A } })
        assert.are.same({}, service:call("DescribeClusters").Clusters)
      end
    end)

    it("of the service needs a good signature first, of a proxy it does not", function()
      local wrong = { key = { access_key_id = "AKIDEXAMPLE", secret_access_key = "wrong" } }
      inject { kind = "error", code = "CloudHsmServiceException", count = 1 }
      assert.are.equal("InvalidSignatureException", (service:refusal("DescribeClusters", {}, wrong)))
      inject { kind = "html", count = 1 }
      assert.are.equal(500, service:ask("DescribeClusters", {}, wrong).status)
    end)
  end)

  it("of throttling lets a burst through, and then as many as its rate", function()
    inject { kind = "throttle", rate = 0.5, burst = 2, retry_after = 1 }
    assert.are.equal("200 200 400 400", statuses(4))
    service.emulator:advance(2)
    local response = service:ask "DescribeClusters"
    assert.are.equal(200, response.status)
    response = service:ask "DescribeClusters"
    assert.are.equal("ThrottlingException", response.value.__type)
    assert.are.equal("Rate exceeded", response.value.message)
    assert.are.equal("1", response.headers["retry-after"])
    service.emulator:advance(3600)
    assert.are.equal("200 200 400", statuses(3))
    assert.are.equal(4, service.emulator:faults()[1].struck)
  end)

  it("of the clock is in the date of answers and in what signatures are checked against", function()
    inject { kind = "clock_skew", seconds = 3600, count = 2 }
    local code, message = service:refusal "DescribeClusters"
    assert.are.equal("InvalidSignatureException", code)
    assert.matches("20260101T010000Z - 5 min.", message, 1, true)
    local response = service:ask("DescribeClusters", {}, { time = helper.START + 3600 })
    assert.are.equal(200, response.status)
    assert.are.equal("Thu, 01 Jan 2026 01:00:00 GMT", response.headers.date)
    assert.are.equal("Thu, 01 Jan 2026 00:00:00 GMT", service:ask("DescribeClusters").headers.date)
  end)

  describe("of an answer", function()
    it("changes its content type and no more", function()
      inject { kind = "content_type", count = 1 }
      local response = service:ask "DescribeClusters"
      assert.are.equal(200, response.status)
      assert.are.equal("text/html", response.headers["content-type"])
      assert.are.equal('{"Clusters":[]}', response.body)
    end)

    it("sends a header twice, with the same value or another", function()
      local function values(fault, name)
        inject(fault)
        local request = helper.request("DescribeClusters", {}, { time = helper.START })
        local out = {}
        for _, pair in ipairs(service.emulator:handle(request).headers) do
          if pair[1] == name then
            out[#out + 1] = pair[2]
          end
        end
        return out
      end
      local ids = values({ kind = "duplicate_header", count = 1 }, "x-amzn-requestid")
      assert.are.equal(2, #ids)
      assert.are.equal(ids[1], ids[2])
      local other = { kind = "duplicate_header", name = "content-type", value = "text/plain", count = 1 }
      assert.are.same({ "application/x-amz-json-1.1", "text/plain" }, values(other, "content-type"))
      local unknown = { kind = "duplicate_header", name = "x-odd", value = "1", count = 1 }
      assert.are.same({ "1", "1" }, values(unknown, "x-odd"))
    end)

    it("compresses it though nobody asked", function()
      inject { kind = "gzip", count = 1 }
      local response = service:ask "DescribeClusters"
      assert.are.equal("gzip", response.headers["content-encoding"])
      assert.are.equal("\31\139", response.body:sub(1, 2))
      assert.are.equal(tostring(#response.body), response.headers["content-length"])
    end)

    it("cuts it short by its length", function()
      inject { kind = "truncate", length = "part", bytes = 5, count = 1 }
      local response = service:ask "DescribeClusters"
      assert.are.equal('{"Clu', response.body)
      assert.are.equal("5", response.headers["content-length"])
    end)
  end)
end)

describe("a client in the same program", function()
  local emulated, client
  before_each(function()
    emulated = helper.new().emulator
    client = assert(cloudhsmv2.new {
      region = "us-east-1",
      credentials = helper.KEY,
      runtime = emulated:runtime(),
      read_timeout = 10,
    })
  end)

  local CREATE = { HsmType = "hsm2m.medium", Mode = "FIPS", SubnetIds = { helper.SUBNET_A } }

  -- The code and kind of the error that a call ends with when it is not repeated.
  local function struck(fault, timeout)
    fault.count = 1
    assert(emulated:inject(fault))
    local out, err = client:call("DescribeClusters", {}, { max_attempts = 1, timeout = timeout })
    assert.is_nil(out)
    return err.code, err.kind, err.sent
  end

  it("gets by with another attempt when the fault is over", function()
    for _, kind in ipairs { "html", "unavailable", "drop_before", "drop_after", "reset", "truncate" } do
      assert(emulated:inject { kind = kind, count = 1 })
      local out = assert(client:describe_clusters {})
      assert.are.equal(1, out.ResponseMetadata.RetryAttempts)
    end
  end)

  it("gets by with throttling", function()
    assert(emulated:inject { kind = "throttle", rate = 1, burst = 1 })
    for _ = 1, 5 do
      assert(client:call("DescribeClusters", {}, { max_attempts = 10 }))
    end
    assert.is_true(emulated:faults()[1].struck > 0)
  end)

  it("corrects its clock by the service's", function()
    assert(emulated:inject { kind = "clock_skew", seconds = -7200 })
    local out = assert(client:describe_clusters {})
    assert.are.equal(1, out.ResponseMetadata.RetryAttempts)
  end)

  it("waits for a late answer, and for no later one than it wants", function()
    assert(emulated:inject { kind = "latency", seconds = 9, count = 1 })
    assert(client:describe_clusters {})
    assert.are.equal(helper.START + 9, emulated:time())
    local code, kind, sent = struck { kind = "latency", seconds = 11 }
    assert.are.equal("ReadTimeout timeout maybe", table.concat({ code, kind, sent }, " "))
    assert.are.equal(helper.START + 19, emulated:time())
    code, kind, sent = struck({ kind = "latency", seconds = 11 }, 3)
    assert.are.equal("DeadlineExceeded timeout maybe", table.concat({ code, kind, sent }, " "))
    assert.are.equal(helper.START + 22, emulated:time())
  end)

  it("takes a body that drips, until its time is over", function()
    assert(emulated:inject { kind = "drip", bytes = 5, seconds = 2, count = 1 })
    assert.are.same({}, assert(client:describe_clusters {}).Clusters)
    assert.are.equal(helper.START + 4, emulated:time()) -- 15 bytes: two pauses
    assert.are.equal("ReadTimeout", (struck { kind = "drip", seconds = 11 }))
    local code, _, sent = struck({ kind = "drip", seconds = 2 }, 5)
    assert.are.equal("DeadlineExceeded yes", code .. " " .. sent)
  end)

  it("knows what broke", function()
    for kind, wanted in pairs {
      drop_before = "EmptyReply transport maybe",
      drop_after = "EmptyReply transport maybe",
      reset = "TruncatedBody protocol yes",
      truncate = "TruncatedBody protocol yes",
      gzip = "UnsupportedEncoding protocol yes",
      html = "HTTP500 service yes",
    } do
      local code, of_kind, sent = struck { kind = kind }
      assert.are.equal(wanted, table.concat({ code, of_kind, sent }, " "), kind)
    end
    assert.are.equal("TruncatedBody", (struck { kind = "truncate", length = "part" }))
  end)

  it("does not repeat a create that was done and not answered", function()
    for _, kind in ipairs { "drop_after", "reset", "truncate" } do
      local before = #assert(client:describe_clusters {}).Clusters
      assert(emulated:inject { kind = kind, operation = "CreateCluster", count = 1 })
      local out, err = client:create_cluster(CREATE)
      assert.is_nil(out)
      assert.are.equal("ambiguous", err.kind)
      assert.are.equal(before + 1, #assert(client:describe_clusters {}).Clusters)
    end
  end)

  it("does not mind what is odd and harmless", function()
    assert(emulated:inject { kind = "content_type" })
    assert.are.same({}, assert(client:describe_clusters {}).Clusters)
    emulated:clear_faults()
    assert(emulated:inject { kind = "duplicate_header" })
    assert.are.same({}, assert(client:describe_clusters {}).Clusters)
  end)
end)
