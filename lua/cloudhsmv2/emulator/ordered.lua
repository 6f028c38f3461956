--- A collection that is kept in order, so that a page can start after any item, even one that is gone.
--
-- With a table as its `watcher`, a collection notes in `touched`, as keys, the items that it gave out, took in or let go while the
-- watcher is `active`: those that somebody may have changed.
-- @module cloudhsmv2.emulator.ordered

local floor = math.floor

local ordered = {}
local methods = {}
local metatable = { __name = "cloudhsmv2.emulator.ordered", __index = methods }

local function touch(self, item)
  local watcher = self.watcher
  if watcher and watcher.active and item then
    self.touched[item] = true
  end
  return item
end

-- The first index whose item does not come before `key`.
local function lower_bound(self, key)
  local items, less = self.items, self.less
  local low, high = 1, #items + 1
  while low < high do
    local middle = floor((low + high) / 2)
    if less(items[middle], key) then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

--- Adds an item. What the order depends on must not change while it is in.
-- @tparam table item
function methods:insert(item)
  touch(self, item)
  table.insert(self.items, lower_bound(self, item), item)
  self.by_id[item[self.id_member]] = item
end

--- Adds many items at once.
-- @tparam table items a list
function methods:insert_all(items)
  for _, item in ipairs(items) do
    touch(self, item)
    table.insert(self.items, item)
    self.by_id[item[self.id_member]] = item
  end
  table.sort(self.items, self.less)
end

--- The item of that id.
-- @tparam string id
-- @treturn ?table
function methods:get(id)
  return touch(self, self.by_id[id])
end

--- Takes an item out.
-- @tparam table item
function methods:remove(item)
  touch(self, item)
  table.remove(self.items, lower_bound(self, item))
  self.by_id[item[self.id_member]] = nil
end

--- Iterates over the items, the collection unchanged meanwhile.
-- @tparam boolean ascending
-- @tparam ?table after only what comes after this one; it needs the members that the order depends on and no more
-- @treturn function
function methods:each(ascending, after)
  local items, less = self.items, self.less
  local step = ascending and 1 or -1
  local index
  if not after then
    index = ascending and 0 or #items + 1
  else
    index = lower_bound(self, after)
    if ascending then
      local found = items[index]
      index = found and not less(after, found) and index or index - 1
    end
  end
  return function()
    index = index + step
    return touch(self, items[index])
  end
end

--- Whether an item is still in.
-- @tparam table item
-- @treturn boolean
function methods:has(item)
  return self.by_id[item[self.id_member]] == item
end

--- Whether a value is such a collection.
-- @param value anything
-- @treturn boolean
function ordered.is(value)
  return getmetatable(value) == metatable
end

--- An empty collection.
-- @tparam string id_member the member that names an item
-- @tparam function less whether item a comes before item b, a total order
-- @treturn table
function ordered.new(id_member, less)
  return setmetatable({ items = {}, by_id = {}, id_member = id_member, less = less, touched = {} }, metatable)
end

return ordered
