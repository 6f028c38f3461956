--- Moments as HTTP and AWS write them, free of locale and time zone: the C core's calendar, by way of the codec.
-- Sources: RFC 9110, section 5.6.7; RFC 3339; ISO 8601, basic format.
-- @module cloudhsmv2.moment

local codec = require "cloudhsmv2.codec"

local model = codec.compile {
  Read = { type = "structure", members = { at = { shape = "Moment" } } },
  Iso = { type = "structure", members = { at = { shape = "IsoMoment" } } },
  Http = { type = "structure", members = { at = { shape = "HttpMoment" } } },
  Moment = { type = "timestamp" },
  IsoMoment = { type = "timestamp", timestampFormat = "iso8601" },
  HttpMoment = { type = "timestamp", timestampFormat = "rfc822" },
}

-- What the codec writes for a shape, without the JSON around it.
local function written(shape, seconds)
  local json = model:encode(shape, { at = math.floor(seconds) })
  return json and json:match '"at":"([^"]+)"'
end

-- The moment that a text of harmless characters says.
local function read(text)
  local value = model:decode("Read", '{"at":"' .. text .. '"}')
  return value and value.at
end

local moment = {}

local last_http, last_moment -- services answer many times a second

--- Reads the value of a header such as `Date`. The two obsolete forms, which no server of today writes, are not read.
-- @param value anything
-- @treturn number|nil seconds since 1970; nil: it is no such date
-- @usage moment.of_http "Thu, 01 Jan 2026 00:00:01 GMT" --> 1767225601
function moment.of_http(value)
  if value == last_http then
    return last_moment
  elseif type(value) ~= "string" or not value:find "^[A-Z][a-z][a-z], [A-Za-z0-9 :]+$" then -- nothing that JSON escapes
    return nil
  end
  last_http, last_moment = value, read(value)
  return last_moment
end

--- Writes a moment as HTTP has it.
-- @tparam number seconds since 1970; a fraction is dropped
-- @treturn string|nil nil: not a moment of the years 1 to 9999
-- @usage moment.http(1542322098) --> "Thu, 15 Nov 2018 22:48:18 GMT"
function moment.http(seconds)
  return written("Http", seconds)
end

--- Reads a moment as files and answers about credentials have it. `UTC` at the end, which an old AWS CLI wrote, is `Z`.
-- @param value anything
-- @treturn number|nil seconds since 1970; nil: it is no such date
-- @usage moment.of_iso "2026-01-01T00:00:01Z" --> 1767225601
function moment.of_iso(value)
  if type(value) ~= "string" then
    return nil
  end
  local text = value:gsub("UTC$", "Z")
  if not text:find "^%d%d%d%d%-[0-9T:.Z+-]+$" then -- nothing that JSON escapes
    return nil
  end
  return read(text)
end

--- Writes a moment as files about credentials have it.
-- @tparam number seconds since 1970; a fraction is dropped
-- @treturn string|nil nil: not a moment of the years 1 to 9999
-- @usage moment.iso(1767225601) --> "2026-01-01T00:00:01Z"
function moment.iso(seconds)
  return written("Iso", seconds)
end

--- Writes a moment as `X-Amz-Date` has it.
-- @tparam number seconds since 1970; a fraction is dropped
-- @treturn string|nil nil: not a moment of the years 1 to 9999
-- @usage moment.basic(1440938160) --> "20150830T123600Z"
function moment.basic(seconds)
  local text = written("Iso", seconds)
  return text and (text:gsub("[-:]", ""))
end

--- Reads a moment as `X-Amz-Date` has it.
-- @tparam string text
-- @treturn number|nil seconds since 1970; nil: it is no such date
-- @usage moment.of_basic "20150830T123600Z" --> 1440938160
function moment.of_basic(text)
  local iso, count = text:gsub("^(%d%d%d%d)(%d%d)(%d%d)T(%d%d)(%d%d)(%d%d)Z$", "%1-%2-%3T%4:%5:%6Z")
  local seconds = count == 1 and read(iso) or nil
  if seconds and moment.basic(seconds) == text then -- a leap second has no form of its own
    return seconds
  end
end

return moment
