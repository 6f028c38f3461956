--- The tags of one resource.
--
-- What is known of each rule, and how, stands beside the code; `make behaviours` gathers it in doc/emulator-behaviour.md.
-- @module cloudhsmv2.emulator.tagging

local lower = require("cloudhsmv2.text").lower
local fault = require "cloudhsmv2.emulator.fault"

local tagging = {}
local methods = {}
local metatable = { __name = "cloudhsmv2.emulator.tagging", __index = methods }

tagging.LIMIT = 50

--- Sets one tag; one that is there keeps its place.
-- @tparam string key
-- @tparam string value
function methods:set(key, value)
  for _, tag in ipairs(self.items) do
    if tag.Key == key then
      -- [assumed] a tag that gets another value keeps its place
      tag.Value = value
      return
    end
  end
  self.added = self.added + 1
  self.items[#self.items + 1] = { Key = key, Value = value, sequence = self.added }
end

--- Removes one tag, if it is there.
-- @tparam string key
function methods:remove(key)
  for i, tag in ipairs(self.items) do
    if tag.Key == key then
      table.remove(self.items, i)
      return
    end
  end
end

--- How many tags there would be after `list` was added.
-- @tparam table list
-- @treturn integer
function methods:count_with(list)
  local keys, count = {}, #self.items
  for _, tag in ipairs(self.items) do
    keys[tag.Key] = true
  end
  for _, tag in ipairs(list) do
    count = count + (keys[tag.Key] and 0 or 1)
  end
  return count
end

--- The tags as the wire shows them.
-- @treturn table list of Key and Value
function methods:list()
  local out = {}
  for i, tag in ipairs(self.items) do
    out[i] = { Key = tag.Key, Value = tag.Value }
  end
  return out
end

--- Whether a list of tags may be put on a resource.
-- @tparam ?table list
-- @treturn ?boolean true, or nil and a failure
function tagging.check(list)
  local seen = {}
  for _, tag in ipairs(list or {}) do
    if seen[tag.Key] then
      -- [assumed] a key that is given twice is CloudHsmTagException
      return fault.tag("The tag key %s is given more than once.", tag.Key)
    elseif lower(tag.Key):find "^aws:" then
      -- [assumed] a key that starts with `aws:`, in any case, is CloudHsmTagException
      return fault.tag("The tag key %s starts with aws:, which is reserved.", tag.Key)
    end
    seen[tag.Key] = true
  end
  return true
end

--- Tags of a new resource.
-- @tparam ?table list of Key and Value
-- @treturn table
function tagging.new(list)
  local tags = setmetatable({ items = {}, added = 0 }, metatable)
  for _, tag in ipairs(list or {}) do
    tags:set(tag.Key, tag.Value)
  end
  return tags
end

return tagging
