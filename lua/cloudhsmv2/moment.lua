--- Moments as HTTP and AWS write them, free of locale and time zone: the C core's calendar, by way of the codec.
-- Sources: RFC 9110, section 5.6.7; ISO 8601, basic format.
-- @module cloudhsmv2.moment

local codec = require "cloudhsmv2.codec"

local model = codec.compile {
  Read = { type = "structure", members = { at = { shape = "Moment" } } },
  Written = { type = "structure", members = { at = { shape = "Text" } } },
  Moment = { type = "timestamp" },
  Text = { type = "timestamp", timestampFormat = "iso8601" },
}

local moment = {}

--- Reads the value of a header such as `Date`. The two obsolete forms, which no server of today writes, are not read.
-- @param value anything
-- @treturn number|nil seconds since 1970; nil: it is no such date
-- @usage moment.of_http "Thu, 01 Jan 2026 00:00:01 GMT" --> 1767225601
function moment.of_http(value)
  if type(value) ~= "string" or not value:find "^[A-Z][a-z][a-z], [A-Za-z0-9 :]+$" then -- nothing that JSON escapes
    return nil
  end
  local read = model:decode("Read", '{"at":"' .. value .. '"}')
  return read and read.at
end

--- Writes a moment as `X-Amz-Date` has it.
-- @tparam number seconds since 1970; a fraction is dropped
-- @treturn string|nil nil: not a moment of the years 1 to 9999
-- @usage moment.basic(1440938160) --> "20150830T123600Z"
function moment.basic(seconds)
  local written = model:encode("Written", { at = math.floor(seconds) })
  return written and (written:match('"at":"([^"]+)"'):gsub("[-:]", ""))
end

return moment
