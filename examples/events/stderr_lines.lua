--- A watcher of a client that writes a line for each event to standard error.
--
--     local client = cloudhsmv2.new { on_event = require("stderr_lines").new() }

local LABELS = { -- what a line shows of an event, in this order, beside its type
  "operation",
  "attempt",
  "status",
  "kind",
  "code",
  "reason",
  "delay",
  "seconds",
  "elapsed",
  "request_id",
  "origin",
  "url",
  "message",
}

local stderr_lines = {}

--- An event on one line: `retry DescribeBackups attempt=1 reason=throttled delay=0.412`.
-- @tparam table event
-- @treturn string
function stderr_lines.line(event)
  local parts = { event.type }
  for _, name in ipairs(LABELS) do
    local value = event[name]
    if type(value) == "number" then
      value = (value % 1 == 0 and "%.0f" or "%.3f"):format(value)
    end
    if value ~= nil then
      value = tostring(value):gsub("%c", " ")
      parts[#parts + 1] = name == "operation" and value or name .. "=" .. value
    end
  end
  return table.concat(parts, " ")
end

--- Makes the watcher.
-- @tparam[opt=io.stderr] file output something with a method `write`
-- @treturn function to give as `on_event`
function stderr_lines.new(output)
  output = output or io.stderr
  return function(event)
    output:write("cloudhsmv2: ", stderr_lines.line(event), "\n")
  end
end

return stderr_lines
