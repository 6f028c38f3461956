--- A `lua_shared_dict` of nginx: memory that all workers of one nginx see.
-- @module cloudhsmv2.shared.zone

local errors = require "cloudhsmv2.errors"

local format = string.format

local zone = {}

local function config(code, message)
  return nil, errors.new { kind = "config", code = code, message = message }
end

--- Finds the memory of a name.
-- @tparam string name
-- @treturn[1] table `name`, `dict`, and nginx's API as `ngx`
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config`: this is not nginx, or its configuration lacks the memory
function zone.open(name)
  local ngx = rawget(_G, "ngx")
  if type(ngx) ~= "table" or type(ngx.shared) ~= "table" then
    return config("NotInNginx", "shared: works inside nginx and OpenResty only, where workers share memory")
  end
  local dict = ngx.shared[name]
  if not dict then
    local message =
      'shared: nginx has no shared memory "%s"; add this line to http { } of nginx.conf: lua_shared_dict %s 1m;'
    return config("NoSharedDict", format(message, name, name))
  end
  return { name = name, dict = dict, ngx = ngx }
end

--- Seconds since 1970, as the entries of the memory expire.
-- @tparam table here
-- @treturn number
function zone.time(here)
  here.ngx.update_time()
  return here.ngx.now()
end

return zone
