--- As much of nginx as sharing between workers uses, with a clock that moves only when something sleeps.

local fake_nginx = {}

-- A `lua_shared_dict`; `capacity` is how many bytes fit.
local function new_dict(api, capacity)
  local dict, entries = { capacity = capacity }, {}

  local function live(key)
    local entry = entries[key]
    if entry and entry.expires and entry.expires <= api.clock then
      entries[key] = nil
    end
    return entries[key]
  end

  function dict:set(key, value, life)
    if self.capacity and #key + #value > self.capacity then
      return nil, "no memory"
    end
    entries[key] = { value = value, expires = life and life > 0 and api.clock + life or nil }
    return true
  end

  function dict:add(key, value, life)
    if live(key) then
      return nil, "exists"
    end
    return self:set(key, value, life)
  end

  function dict:get(key) -- luacheck: ignore self
    local entry = live(key)
    return entry and entry.value
  end

  function dict:delete(key) -- luacheck: ignore self
    entries[key] = nil
  end

  --- All that is in it, keys and values, in one text.
  function dict:dump() -- luacheck: ignore self
    local parts = {}
    for key, entry in pairs(entries) do
      parts[#parts + 1] = key .. " = " .. entry.value
    end
    return table.concat(parts, "\n")
  end

  --- The keys that contain `part`.
  function dict:keys(part) -- luacheck: ignore self
    local found = {}
    for key in pairs(entries) do
      if live(key) and key:find(part, 1, true) then
        found[#found + 1] = key
      end
    end
    return found
  end

  return dict
end

--- @tparam[opt] table options `capacity` of the memory `cloudhsmv2`
-- @treturn table the API; `clock` is the time, `slept` the seconds of each sleep, `at(time, called)` lets something happen during
-- the sleep that passes that time
function fake_nginx.new(options)
  local api = { clock = 1767225600, slept = {}, shared = {}, can_sleep = true }
  local events = {}
  api.shared.cloudhsmv2 = new_dict(api, options and options.capacity)

  function api.now()
    return api.clock
  end

  function api.update_time() end

  function api.at(seconds, called)
    events[#events + 1] = { time = api.clock + seconds, called = called }
  end

  function api.sleep(seconds)
    if not api.can_sleep then
      error("API disabled in the context of header_filter_by_lua*", 2)
    end
    api.slept[#api.slept + 1] = seconds
    api.clock = api.clock + seconds
    for i = #events, 1, -1 do
      if events[i].time <= api.clock then
        table.remove(events, i).called()
      end
    end
  end

  return api
end

return fake_nginx
