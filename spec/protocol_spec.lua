local codec = require "cloudhsmv2.codec"
local protocol = require "cloudhsmv2.protocol"
local service = require "cloudhsmv2.model"

local model = {
  shapes = service.shapes,
  compiled = codec.compile(service.shapes),
  sensitive = protocol.sensitive_members(service.shapes),
}

local function failure(status, body, headers)
  return protocol.failure(model, { status = status, headers = headers or {}, body = body or "" })
end

local function output(name, body)
  local response = { status = 200, headers = { ["x-amzn-requestid"] = "id-1" }, body = body }
  return protocol.output(model, service.operations[name], response)
end

describe("a request", function()
  it("says what it is and what it asks for", function()
    assert.are.same({
      { "Content-Type", "application/x-amz-json-1.1" },
      { "X-Amz-Target", "BaldrApiService.ListTags" },
    }, protocol.headers(service.metadata, "ListTags"))
  end)
end)

describe("the code of an error", function()
  it("is the header's, else the member code, else the member __type, else the status", function()
    local body = '{"code":"FromCode","__type":"FromType"}'
    assert.are.equal("FromHeader", failure(400, body, { ["x-amzn-errortype"] = "FromHeader" }).code)
    assert.are.equal("FromCode", failure(400, body).code)
    assert.are.equal("FromType", failure(400, '{"__type":"FromType"}').code)
    assert.are.equal("HTTP400", failure(400, "{}").code)
  end)

  it("loses namespace and address", function()
    assert.are.equal("Name", failure(400, '{"__type":"aws.json#Name:http://internal.example/"}').code)
    assert.are.equal("Name", failure(400, "{}", { ["x-amzn-errortype"] = "Name:http://internal.example/" }).code)
    assert.are.equal("Name", failure(400, '{"__type":"a#b#Name,other"}').code)
  end)

  it("is not taken from anywhere but a string at the top", function()
    for _, body in ipairs {
      '{"Details":{"__type":"Nested"}}',
      '{"__type":null}',
      '{"__type":7}',
      '{"__type":""}',
      '{"__type":"#"}',
    } do
      assert.are.equal("HTTP400", failure(400, body).code, body)
    end
  end)

  it("is short and printable, whatever was sent", function()
    local code = failure(400, '{"__type":"' .. ("x"):rep(5000) .. '"}').code
    assert.are.equal(128, #code)
    assert.are.equal("AB", failure(400, '{"__type":"A\\r\\n\\u0000B"}').code)
  end)
end)

describe("the message of an error", function()
  it("is the member message, Message or errorMessage", function()
    assert.are.equal("a", failure(400, '{"message":"a","Message":"b"}').message)
    assert.are.equal("b", failure(400, '{"Message":"b","errorMessage":"c"}').message)
    assert.are.equal("c", failure(400, '{"message":7,"errorMessage":"c"}').message)
  end)

  it("says so when the service gave none", function()
    assert.are.equal("the service gave no reason (HTTP 500)", failure(500, "{}").message)
    assert.are.equal("the service gave no reason (HTTP 404)", failure(404, "").message)
  end)

  it("says what came instead of JSON", function()
    local texts = {
      ["<html><body>login</body></html>"] = "the answer is HTML, not JSON: is a proxy or a login page in the way?",
      [" \n<!DOCTYPE html>"] = "the answer is HTML, not JSON: is a proxy or a login page in the way?",
      ["<?xml version='1.0'?>"] = "the answer is XML, not JSON: is a proxy or a login page in the way?",
      ["Bad gateway"] = "the answer is plain text, not JSON: is a proxy or a login page in the way?",
      ['{"Message":'] = "the answer is broken JSON",
      ["[]"] = "the answer is JSON, but no object",
      ["null"] = "the answer is JSON, but no object",
      ["17"] = "the answer is JSON, but no object",
      ["  "] = "the answer is empty",
    }
    for body, message in pairs(texts) do
      local err = failure(502, body)
      assert.are.equal(message, err.message)
      assert.are.equal("HTTP502", err.code)
      assert.are.equal("service", err.kind)
    end
  end)
end)

describe("an error of the service", function()
  it("has status, request id, the members of its shape and the body", function()
    local body = '{"__type":"CloudHsmResourceNotFoundException","Message":"no such backup"}'
    local err = failure(400, body, { ["x-amzn-requestid"] = "id-1" })
    assert.are.equal("service", err.kind)
    assert.are.equal(400, err.status)
    assert.are.equal("id-1", err.request_id)
    assert.are.equal("no such backup", err.members.Message)
    assert.are.equal(body, err.body)
    assert.are.equal("yes", err.sent)
  end)

  it("has the members as they came when the model does not know it, or they are of a wrong type", function()
    assert.are.same({ __type = "New", Limit = 3 }, failure(400, '{"__type":"New","Limit":3}').members)
    assert.are.equal(7, failure(400, '{"__type":"CloudHsmTagException","Message":7}').members.Message)
  end)

  it("cannot take a shape for its own that is no structure", function()
    assert.are.same({ __type = "Boolean" }, failure(400, '{"__type":"Boolean"}').members)
  end)

  it("keeps at most 1024 bytes of the body", function()
    assert.are.equal(1024, #failure(400, ("x"):rep(5000)).body)
  end)

  it("is throttled or auth by its code", function()
    assert.are.equal("throttled", failure(400, '{"__type":"ThrottlingException"}').kind)
    assert.are.equal("auth", failure(403, '{"__type":"UnrecognizedClientException"}').kind)
  end)

  it("shows no password, in body or members", function()
    local err = failure(400, '{"__type":"New","Cluster":{"PreCoPassword":"hunter2"}}')
    assert.is_nil(err.body:find "hunter2")
    assert.are.equal("[redacted]", err.members.Cluster.PreCoPassword)
  end)
end)

describe("an answer that is neither success nor error", function()
  it("is a broken protocol, and a redirect is not followed", function()
    for _, status in ipairs { 300, 301, 307, 308, 399 } do
      local err = failure(status, "", { location = "http://169.254.169.254/" })
      assert.are.equal("protocol", err.kind)
      assert.are.equal("Redirect", err.code)
      assert.is_truthy(err.message:find "redirects are never followed")
    end
    for _, status in ipairs { 99, 100, 199, 600 } do
      assert.are.equal("InvalidStatus", failure(status, "{}").code)
      assert.are.equal("protocol", failure(status, "{}").kind)
    end
  end)
end)

describe("the id of an exchange", function()
  it("is under one of three names", function()
    assert.are.equal("a", protocol.request_id { ["x-amzn-requestid"] = "a", ["x-amz-request-id"] = "c" })
    assert.are.equal("b", protocol.request_id { ["x-amzn-requestid"] = "", ["x-amzn-request-id"] = "b" })
    assert.are.equal("c", protocol.request_id { ["x-amz-request-id"] = "c" })
    assert.is_nil(protocol.request_id {})
  end)
end)

describe("a successful answer", function()
  it("is read by shape", function()
    local out = output("ListTags", '{"TagList":[{"Key":"a","Value":"b"}],"NextToken":null}')
    assert.are.same({ TagList = { { Key = "a", Value = "b" } } }, out)
  end)

  it("is empty when the body is, or when the operation has no output", function()
    assert.are.same({}, output("TagResource", ""))
    assert.are.same({}, protocol.output(model, {}, { status = 200, headers = {}, body = "whatever" }))
  end)

  it("is a broken protocol when it is no JSON object, and says what it is", function()
    local out, err = output("ListTags", "<html>sign in</html>")
    assert.is_nil(out)
    assert.are.equal("protocol", err.kind)
    assert.are.equal("NotJson", err.code)
    assert.are.equal("the answer is HTML, not JSON: is a proxy or a login page in the way?", err.message)
    assert.are.equal("<html>sign in</html>", err.body)
    assert.are.equal(200, err.status)
    assert.are.equal("id-1", err.request_id)
    assert.are.equal("yes", err.sent)
    assert.are.equal("the answer is JSON, but no object", select(2, output("ListTags", "[]")).message)
  end)

  it("is a broken protocol when it ends in the middle, or has a member of the wrong type", function()
    local _, err = output("ListTags", '{"TagList":[{"Key":"a"')
    assert.are.equal("TruncatedBody", err.code)
    assert.is_truthy(err.message:find "^the answer ends in the middle")
    _, err = output("ListTags", '{"TagList":{}}')
    assert.are.equal("InvalidDocument", err.code)
    assert.are.equal("TagList", err.path)
    assert.is_truthy(err.message:find "^the answer cannot be understood: TagList")
  end)

  it("shows no password when it cannot be read", function()
    local _, err = output("DescribeClusters", '{"Clusters":[{"PreCoPassword":"hunter2","ClusterId":7}]}')
    assert.are.equal("protocol", err.kind)
    assert.is_nil(err.body:find "hunter2")
    assert.is_nil(err.message:find "hunter2")
  end)
end)
