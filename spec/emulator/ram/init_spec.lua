local helper = require "spec.emulator.helper"

describe("a request to RAM", function()
  local service
  before_each(function()
    service = helper.new()
  end)

  it("is told by the service of its signature", function()
    local answer = service:ask_ram("ListResources", { resourceOwner = "SELF" })
    assert.are.equal(200, answer.status)
    assert.are.equal('{"resources":[]}', answer.body)
    assert.are.equal("application/json", answer.headers["content-type"])
    assert.matches("^%x+%-", answer.headers["x-amzn-requestid"])
    local code, _, status = service:ram_refusal("ListResources", { resourceOwner = "SELF" }, { service = "cloudhsm" })
    assert.are.equal("UnknownOperationException", code)
    assert.are.equal(404, status)
  end)

  it("is told by its path where it has no signature", function()
    local answer =
      service:send { method = "POST", target = "/listresources", headers = { { "Host", "x" } }, body = "{}" }
    assert.are.equal("MissingAuthenticationTokenException", answer.headers["x-amzn-errortype"])
    assert.are.equal("application/json", answer.headers["content-type"])
    local trusting = helper.new { verify_signatures = false }
    local body = '{"resourceOwner":"SELF"}'
    answer = trusting:send { method = "POST", target = "/listresources", headers = { { "Host", "x" } }, body = body }
    assert.are.equal(200, answer.status)
  end)

  it("has its signature verified", function()
    local bad = { access_key_id = helper.KEY.access_key_id, secret_access_key = "wrong" }
    assert.are.equal("InvalidSignatureException", (service:ram_refusal("ListResources", {}, { key = bad })))
    local request = helper.ram_request("ListResources", { resourceOwner = "SELF" }, { time = service.emulator:time() })
    request.target = "/listresources?resourceOwner=SELF"
    assert.are.equal("InvalidSignatureException", service:send(request).headers["x-amzn-errortype"])
  end)

  it("is refused where it names nothing, or with another method", function()
    local code, _, status = service:ram_refusal("ListResources", {}, { target = "/" })
    assert.are.same({ "UnknownOperationException", 404 }, { code, status })
    code, _, status = service:ram_refusal("ListResources", {}, { method = "GET" })
    assert.are.same({ "UnknownOperationException", 405 }, { code, status })
  end)

  it("is refused where its parameters are wrong", function()
    for body, code in pairs {
      ["{"] = "InvalidParameterException",
      ["[]"] = "InvalidParameterException",
      [""] = "MissingRequiredParameterException",
      ['{"resourceOwner":"ME"}'] = "InvalidParameterException",
      ['{"resourceOwner":5}'] = "InvalidParameterException",
      ['{"resourceOwner":"SELF","maxResults":0}'] = "InvalidParameterException",
    } do
      local got, message, status = service:ram_refusal("ListResources", nil, { body = body })
      assert.are.equal(code, got)
      assert.are.equal(400, status)
      assert.is_string(message)
    end
  end)

  it("is refused where its query is no text", function()
    for target, code in pairs {
      ["/deleteresourceshare?resourceShareArn=%FF"] = "InvalidParameterException",
      ["/deleteresourceshare?resourceShareArn=a&clientToken=%C3"] = "InvalidParameterException",
      ["/deleteresourceshare?resourceShareArn="] = "MissingRequiredParameterException",
      ["/deleteresourceshare?resourceShareArn=a%20b"] = "MalformedArnException",
    } do
      local options = { method = "DELETE", target = target, body = "" }
      assert.are.equal(code, (service:ram_refusal("DeleteResourceShare", nil, options)), target)
    end
  end)

  it("is subject to what its key may do", function()
    local keys =
      { { access_key_id = "AKIDEXAMPLE", secret_access_key = helper.KEY.secret_access_key, deny = { "List*" } } }
    service = helper.new { credentials = keys }
    local code, message = service:ram_refusal("ListResources", { resourceOwner = "SELF" })
    assert.are.equal("AccessDeniedException", code)
    assert.matches("ram:ListResources", message, 1, true)
  end)
end)
