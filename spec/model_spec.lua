local codec = require "cloudhsmv2.codec"
local model = require "cloudhsmv2.model"

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  return keys
end

-- The shapes that a shape mentions.
local function references(shape)
  local names = {}
  for _, member in pairs(shape.members or {}) do
    names[#names + 1] = member.shape
  end
  for _, field in ipairs { "member", "key", "value" } do
    if shape[field] then
      names[#names + 1] = shape[field].shape
    end
  end
  return names
end

describe("the model", function()
  it("has the eighteen operations of the service", function()
    assert.are.same({
      "CopyBackupToRegion",
      "CreateCluster",
      "CreateHsm",
      "DeleteBackup",
      "DeleteCluster",
      "DeleteHsm",
      "DeleteResourcePolicy",
      "DescribeBackups",
      "DescribeClusters",
      "GetResourcePolicy",
      "InitializeCluster",
      "ListTags",
      "ModifyBackupAttributes",
      "ModifyCluster",
      "PutResourcePolicy",
      "RestoreBackup",
      "TagResource",
      "UntagResource",
    }, sorted_keys(model.operations))
  end)

  it("has the service's three different names where they belong", function()
    assert.are.equal("cloudhsmv2", model.metadata.endpointPrefix)
    assert.are.equal("cloudhsm", model.metadata.signingName)
    assert.are.equal("BaldrApiService", model.metadata.targetPrefix)
    assert.are.equal("CloudHSM V2", model.metadata.serviceId)
    assert.are.equal("1.1", model.metadata.jsonVersion)
  end)

  it("defines every shape that it mentions", function()
    for name, shape in pairs(model.shapes) do
      for _, target in ipairs(references(shape)) do
        assert.is_truthy(model.shapes[target], name .. " mentions " .. target)
      end
    end
    for name, operation in pairs(model.operations) do
      assert.are.equal(name, operation.name)
      assert.is_truthy(model.shapes[operation.input.shape], operation.input.shape)
      assert.is_truthy(model.shapes[operation.output.shape], operation.output.shape)
      for _, err in ipairs(operation.errors) do
        assert.is_true(model.shapes[err.shape].exception, err.shape)
      end
    end
  end)

  it("mentions every shape that it defines", function()
    local mentioned = {}
    for _, shape in pairs(model.shapes) do
      for _, target in ipairs(references(shape)) do
        mentioned[target] = true
      end
    end
    for _, operation in pairs(model.operations) do
      mentioned[operation.input.shape], mentioned[operation.output.shape] = true, true
      for _, err in ipairs(operation.errors) do
        mentioned[err.shape] = true
      end
    end
    for name in pairs(model.shapes) do
      assert.is_true(mentioned[name], name .. " is used nowhere")
    end
  end)

  it("orders all members of every structure, and requires none that it has not", function()
    for name, shape in pairs(model.shapes) do
      if shape.type == "structure" then
        local order = {}
        for i, member in ipairs(shape.order) do
          order[i] = member
        end
        table.sort(order)
        assert.are.same(sorted_keys(shape.members), order, name)
        for _, member in ipairs(shape.required or {}) do
          assert.is_truthy(shape.members[member], name .. " requires " .. member)
        end
      end
    end
  end)

  it("compiles", function()
    assert.is_truthy(codec.compile(model.shapes))
  end)

  it("writes members in the order of AWS's model", function()
    local json =
      codec.compile(model.shapes):encode("DeleteHsmRequest", { EniIp = "10.0.0.1", ClusterId = "c", HsmId = "h" })
    assert.are.equal('{"ClusterId":"c","HsmId":"h","EniIp":"10.0.0.1"}', json)
  end)

  it("marks what must not be done twice, and says for each how to find out what became of it", function()
    local marked = {}
    for name, operation in pairs(model.operations) do
      if operation.at_most_once then
        marked[#marked + 1] = name
        assert.is_string(operation.reconcile, name)
        assert.is_truthy(operation.reconcile:find("describe_", 1, true), name)
      end
    end
    table.sort(marked)
    assert.are.same(
      { "CopyBackupToRegion", "CreateCluster", "CreateHsm", "InitializeCluster", "ModifyCluster" },
      marked
    )
    assert.are.same({ member = "HsmType" }, model.operations.ModifyCluster.at_most_once)
  end)

  it("says how lists come in pages, with members that exist", function()
    local lists = {}
    for name, operation in pairs(model.operations) do
      local rules = operation.paginator
      if rules then
        lists[#lists + 1] = name
        local input, output = model.shapes[operation.input.shape], model.shapes[operation.output.shape]
        assert.is_truthy(input.members[rules.input_token])
        assert.is_truthy(input.members[rules.limit])
        assert.is_truthy(output.members[rules.output_token])
        assert.are.equal("list", model.shapes[output.members[rules.result].shape].type)
      end
    end
    table.sort(lists)
    assert.are.same({ "DescribeBackups", "DescribeClusters", "ListTags" }, lists)
  end)

  it("requires what the service requires of requests about resource policies", function()
    assert.are.same({ "ResourceArn" }, model.shapes.GetResourcePolicyRequest.required)
    assert.are.same({ "ResourceArn" }, model.shapes.DeleteResourcePolicyRequest.required)
    assert.are.same({ "ResourceArn", "Policy" }, model.shapes.PutResourcePolicyRequest.required)
  end)

  it("refuses a filter without values", function()
    local json, err = codec.compile(model.shapes):encode("DescribeBackupsRequest", { Filters = { clusterIds = {} } })
    assert.is_nil(json)
    assert.are.equal("validation", err.kind)
    assert.are.equal("Filters.clusterIds", err.problems[1].path)
  end)

  it("reads a retention in days that is written as a number", function()
    local compiled = codec.compile(model.shapes)
    assert.are.same(
      { Type = "DAYS", Value = "90" },
      compiled:decode("BackupRetentionPolicy", '{"Type":"DAYS","Value":90}')
    )
  end)

  it("marks the one secret that the API sends", function()
    local sensitive = {}
    for name, shape in pairs(model.shapes) do
      if shape.sensitive then
        sensitive[#sensitive + 1] = name
      end
    end
    assert.are.same({ "PreCoPassword" }, sensitive)
  end)
end)
