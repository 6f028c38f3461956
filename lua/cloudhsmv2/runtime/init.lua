--- Which runtime serves here: nginx's inside nginx and OpenResty, libcurl's everywhere else.
--
-- The choice is made at the first use, since a module may be required before nginx is ready to be asked.
--
-- @module cloudhsmv2.runtime

local core = require "cloudhsmv2.core"

local OPTIONS = { "ca_file", "proxy", "no_proxy", "client_certificate", "client_key", "max_body", "max_header" }

local runtime = {}

local function is_nginx(ngx)
  return type(ngx) == "table" and type(ngx.get_phase) == "function" and type(ngx.timer) == "table"
end

-- The module of the runtime that serves here.
local function here()
  return require(is_nginx(rawget(_G, "ngx")) and "cloudhsmv2.runtime.nginx" or "cloudhsmv2.runtime.curl")
end

--- Makes a runtime that is chosen and opened when it is first used.
-- @tparam table options `ca_file`, `proxy`, `no_proxy`, `client_certificate`, `client_key`, `max_body`, `max_header`; see
-- `cloudhsmv2.runtime.curl`
-- @treturn table the runtime: `send`, `sleep`, `now`, `time`, `close`
function runtime.new(options)
  local settings = {}
  for _, name in ipairs(OPTIONS) do
    settings[name] = options[name]
  end
  local chosen, opened
  local function choice()
    chosen = chosen or here()
    return chosen
  end
  return {
    send = function(request)
      if not opened then
        local err
        opened, err = choice().new(settings)
        if not opened then
          return nil, err
        end
      end
      return opened.send(request)
    end,
    close = function()
      if opened then
        opened.close()
      end
    end,
    sleep = function(seconds)
      return choice().sleep(seconds)
    end,
    now = core.now, -- the same everywhere
    time = core.time,
  }
end

--- Runs functions, which must not raise, so that their waiting overlaps, and returns when all have ended.
-- @tparam table functions a list
function runtime.all(functions)
  return here().all(functions)
end

return runtime
