--- A watcher of a client that writes a JSON object for each event, one on a line, for whatever collects logs.
--
--     local client = cloudhsmv2.new { on_event = require("json_lines").new(io.open("/var/log/cloudhsm.jsonl", "a")) }

local codec = require "cloudhsmv2.codec"

local model = codec.compile { Event = { type = "structure", members = {}, document = true } }

local json_lines = {}

--- Makes the watcher.
-- @tparam[opt=io.stdout] file output something with a method `write`; each line is flushed where it has a method `flush`
-- @tparam[opt=os.time] function time returns seconds since 1970, which become the member `time`
-- @treturn function to give as `on_event`
function json_lines.new(output, time)
  output, time = output or io.stdout, time or os.time
  return function(event)
    local record = { time = time() }
    for name, value in pairs(event) do
      record[name] = value
    end
    output:write(assert(model:encode("Event", record)), "\n")
    if output.flush then
      output:flush()
    end
  end
end

return json_lines
