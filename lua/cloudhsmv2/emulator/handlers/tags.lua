--- TagResource, UntagResource, ListTags.
--
-- What is known of each rule, and how, stands beside the code; `make behaviours` gathers it in doc/emulator-behaviour.md.
-- @module cloudhsmv2.emulator.handlers.tags

local fault = require "cloudhsmv2.emulator.fault"
local paging = require "cloudhsmv2.emulator.paging"
local tagging = require "cloudhsmv2.emulator.tagging"

local tags = {}

-- The tags of a cluster or backup of the caller, or a failure.
local function find(context, resource_id)
  local store = context.store
  local record = store.clusters:get(resource_id) or store.backups:get(resource_id)
  if not record or (record.State or record.BackupState) == "DELETED" then
    -- [assumed] a resource that is not there is CloudHsmResourceNotFoundException
    return fault.not_found("The resource %s was not found.", resource_id)
  end
  return record.tags
end

function tags.TagResource(context, input)
  local own, failure = find(context, input.ResourceId)
  if not own then
    return nil, failure
  end
  local fine
  fine, failure = tagging.check(input.TagList)
  if not fine then
    return nil, failure
  elseif own:count_with(input.TagList) > tagging.LIMIT then
    -- [documented, API model] more than 50 tags are CloudHsmResourceLimitExceededException
    -- [assumed] where one tag is too many, none is set
    return fault.limit("A resource can have at most %d tags.", tagging.LIMIT)
  end
  -- [documented, API model] TagResource and UntagResource answer `{}`
  -- [documented, API reference] tags given at the creation and later are the same tags
  for _, tag in ipairs(input.TagList) do
    own:set(tag.Key, tag.Value)
  end
  return {}
end

function tags.UntagResource(context, input)
  local own, failure = find(context, input.ResourceId)
  if not own then
    return nil, failure
  end
  -- [assumed] untagging a key that is not there succeeds
  for _, key in ipairs(input.TagKeyList) do
    own:remove(key)
  end
  return {}
end

-- Tags after the one of a given sequence number, in the order in which they were added.
local function each_after(own, sequence)
  local i = 0
  return function()
    repeat
      i = i + 1
    until not own.items[i] or own.items[i].sequence > sequence
    return own.items[i]
  end
end

function tags.ListTags(context, input)
  -- [observed, recorded] tags are listed in the order in which they were added
  local own, failure = find(context, input.ResourceId)
  if not own then
    return nil, failure
  end
  local items, token = paging.page(context, input, {
    query = input.ResourceId,
    size = context.settings.page_sizes.tags,
    each = function(cursor)
      return each_after(own, tonumber(cursor or 0))
    end,
    cursor = function(tag)
      return ("%d"):format(tag.sequence)
    end,
  })
  if not items then
    return nil, token
  end
  for i, tag in ipairs(items) do
    items[i] = { Key = tag.Key, Value = tag.Value }
  end
  return { TagList = items, NextToken = token }
end

return tags
