--- A watcher of a client that writes events to nginx's error log, each with a level of its own.
--
--     local client = cloudhsmv2.new { on_event = require("ngx_log").new() }

local stderr_lines = require "stderr_lines"

local LEVELS = {
  warning = "WARN",
  error = "WARN",
  throttled = "NOTICE",
  retry = "NOTICE",
  skew_corrected = "NOTICE",
  credentials_refreshed = "INFO",
  request = "DEBUG",
  response = "DEBUG",
}

local ngx_log = {}

--- Makes the watcher. An error is no more than a warning here: what the call returns says whether it matters.
-- @tparam[opt=ngx] table api nginx's
-- @treturn function to give as `on_event`
function ngx_log.new(api)
  api = api or _G.ngx
  return function(event)
    api.log(api[LEVELS[event.type] or "NOTICE"], "cloudhsmv2: ", stderr_lines.line(event))
  end
end

return ngx_log
