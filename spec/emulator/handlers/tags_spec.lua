local helper = require "spec.emulator.helper"

local function tag(key, value)
  return { Key = key, Value = value or "" }
end

local function numbered(first, last)
  local list = {}
  for i = first, last do
    list[#list + 1] = tag("key-" .. i)
  end
  return list
end

describe("tags", function()
  local service, id
  before_each(function()
    service = helper.new()
    id = service:create_cluster { TagList = { tag("owner", "test") } }
  end)

  it("are one store, whichever operation wrote them", function()
    service:call("TagResource", { ResourceId = id, TagList = { tag("env", "dev"), tag("owner", "me") } })
    local wanted = { tag("owner", "me"), tag("env", "dev") }
    assert.are.same(wanted, service:call("ListTags", { ResourceId = id }).TagList)
    assert.are.same(wanted, service:cluster(id).TagList)
  end)

  it("are removed by key, and keys that are not there do no harm", function()
    service:call("UntagResource", { ResourceId = id, TagKeyList = { "owner", "nobody" } })
    assert.are.equal('{"TagList":[]}', service:ask("ListTags", { ResourceId = id }).body)
  end)

  it("answer {} to what is written", function()
    assert.are.equal("{}", service:ask("TagResource", { ResourceId = id, TagList = { tag "a" } }).body)
    assert.are.equal("{}", service:ask("UntagResource", { ResourceId = id, TagKeyList = { "a" } }).body)
  end)

  it("are at most fifty, and one too many changes nothing", function()
    service:call("TagResource", { ResourceId = id, TagList = numbered(2, 50) })
    local code, _, status =
      service:refusal("TagResource", { ResourceId = id, TagList = { tag "a", tag("owner", "x") } })
    assert.are.equal("CloudHsmResourceLimitExceededException", code)
    assert.are.equal(400, status)
    local list = service:call("ListTags", { ResourceId = id }).TagList
    assert.are.equal(50, #list)
    assert.are.same(tag("owner", "test"), list[1])
    service:call("TagResource", { ResourceId = id, TagList = { tag("owner", "still fits") } })
  end)

  it("have keys of 1 to 128 characters, and values of up to 256, in any script", function()
    local function refused(list)
      local input = { ResourceId = id, TagList = list }
      assert.are.equal("CloudHsmInvalidRequestException", (service:refusal("TagResource", input)))
    end
    refused { tag "" }
    refused { tag(("k"):rep(129)) }
    refused { tag("k", ("v"):rep(257)) }
    refused { tag "semi;colon" }
    refused {}
    service:call("TagResource", { ResourceId = id, TagList = { tag(("ü"):rep(128), ("é"):rep(256)) } })
  end)

  it("belong to clusters and backups that are there", function()
    local unknown = "CloudHsmResourceNotFoundException"
    assert.are.equal(unknown, (service:refusal("ListTags", { ResourceId = "backup-aaaaaaaaaaa" })))
    assert.are.equal(unknown, (service:refusal("ListTags", { ResourceId = id }, { key = helper.OTHER_KEY })))
    assert.are.equal(
      "CloudHsmInvalidRequestException",
      (service:refusal("ListTags", { ResourceId = "hsm-aaaaaaaaaaa" }))
    )
  end)

  it("are refused with the reserved prefix or a key given twice", function()
    for _, list in ipairs { { tag "aws:a" }, { tag "a", tag "a" } } do
      local input = { ResourceId = id, TagList = list }
      assert.are.equal("CloudHsmTagException", (service:refusal("TagResource", input)))
    end
  end)
end)
