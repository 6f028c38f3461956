local ordered = require "cloudhsmv2.emulator.ordered"

local function collection(...)
  local list = ordered.new("id", function(a, b)
    return a.id < b.id
  end)
  for _, id in ipairs { ... } do
    list:insert { id = id }
  end
  return list
end

local function ids(iterator)
  local out = {}
  for item in iterator do
    out[#out + 1] = item.id
  end
  return table.concat(out)
end

describe("an ordered collection", function()
  it("is in order in both directions", function()
    local list = collection("c", "a", "d", "b")
    assert.are.equal("abcd", ids(list:each(true)))
    assert.are.equal("dcba", ids(list:each(false)))
  end)

  it("goes on after an item, whether that is still there or not", function()
    local list = collection("a", "b", "c", "d")
    assert.are.equal("cd", ids(list:each(true, { id = "b" })))
    assert.are.equal("a", ids(list:each(false, { id = "b" })))
    list:remove(list:get "b")
    assert.is_nil(list:get "b")
    assert.are.equal("cd", ids(list:each(true, { id = "b" })))
    assert.are.equal("a", ids(list:each(false, { id = "b" })))
  end)

  it("has nothing after its end", function()
    local list = collection("a", "b")
    assert.are.equal("", ids(list:each(true, { id = "b" })))
    assert.are.equal("", ids(list:each(true, { id = "z" })))
    assert.are.equal("", ids(list:each(false, { id = "a" })))
    assert.are.equal("", ids(collection():each(true)))
  end)

  it("tells which items were given out, taken in or let go", function()
    local list = ordered.new("id", function(a, b)
      return a.id < b.id
    end)
    local items = {}
    for i = 1, 4 do
      items[i] = { id = "item " .. i }
    end
    list:insert_all { items[3], items[1], items[2] }
    assert.are.same({}, list.touched)
    list.watcher = { active = false }
    list:get "item 1"
    assert.are.same({}, list.touched)
    list.watcher.active = true
    list:get "item 2"
    list:get "item 9"
    assert.are.same({ [items[2]] = true }, list.touched)
    list.touched = {}
    assert.are.equal(items[3], list:each(false)())
    list:insert(items[4])
    list:remove(items[1])
    assert.are.same({ [items[3]] = true, [items[4]] = true, [items[1]] = true }, list.touched)
    assert.is_false(list:has(items[1]))
    assert.is_true(list:has(items[4]))
    assert.is_true(ordered.is(list))
    assert.is_false(ordered.is {})
  end)
end)
