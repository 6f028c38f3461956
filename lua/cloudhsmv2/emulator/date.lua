--- The two forms of a date that cross the emulator's wire, free of locale and time zone.
-- `os.date` follows the locale of the program that embeds us, so the arithmetic is done here.
-- @module cloudhsmv2.emulator.date

local floor = math.floor
local format = string.format

local DAY = 86400 -- seconds
local WEEKDAYS = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" } -- 1970-01-01 was a Thursday
local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }

local date = {}

-- Days since 1970-01-01 of a day in the Gregorian calendar. Years are counted from March, so that the leap day is the
-- last of its year.
local function days_of(year, month, day)
  if month <= 2 then
    year = year - 1
  end
  local era = floor(year / 400)
  local year_of_era = year - era * 400
  local day_of_year = floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1
  return era * 146097 + year_of_era * 365 + floor(year_of_era / 4) - floor(year_of_era / 100) + day_of_year - 719468
end

-- Year, month and day of a number of days since 1970-01-01.
local function civil_of(days)
  days = days + 719468
  local era = floor(days / 146097)
  local day_of_era = days - era * 146097
  local year_of_era =
    floor((day_of_era - floor(day_of_era / 1460) + floor(day_of_era / 36524) - floor(day_of_era / 146096)) / 365)
  local day_of_year = day_of_era - (365 * year_of_era + floor(year_of_era / 4) - floor(year_of_era / 100))
  local shifted = floor((5 * day_of_year + 2) / 153)
  local month = shifted < 10 and shifted + 3 or shifted - 9
  local year = year_of_era + era * 400
  return month <= 2 and year + 1 or year, month, day_of_year - floor((153 * shifted + 2) / 5) + 1
end

local function split(time)
  local days = floor(time / DAY)
  local second = floor(time - days * DAY)
  local year, month, day = civil_of(days)
  return days, year, month, day, floor(second / 3600), floor(second / 60) % 60, second % 60
end

--- The form of `X-Amz-Date`.
-- @tparam number time seconds since 1970
-- @treturn string as `20150830T123600Z`
function date.basic(time)
  local _, year, month, day, hour, minute, second = split(time)
  return format("%04d%02d%02dT%02d%02d%02dZ", year, month, day, hour, minute, second)
end

--- The form of the `Date` header (RFC 9110, IMF-fixdate).
-- @tparam number time seconds since 1970
-- @treturn string as `Thu, 15 Nov 2018 22:48:18 GMT`
function date.http(time)
  local days, year, month, day, hour, minute, second = split(time)
  local pattern = "%s, %02d %s %04d %02d:%02d:%02d GMT"
  return format(pattern, WEEKDAYS[days % 7 + 1], day, MONTHS[month], year, hour, minute, second)
end

--- Reads the form of `X-Amz-Date`.
-- @tparam string text
-- @treturn ?number seconds since 1970, or nil when `text` is no such date
function date.parse_basic(text)
  local year, month, day, hour, minute, second = text:match "^(%d%d%d%d)(%d%d)(%d%d)T(%d%d)(%d%d)(%d%d)Z$"
  if not year then
    return nil
  end
  local days = days_of(tonumber(year), tonumber(month), tonumber(day))
  local time = days * DAY + tonumber(hour) * 3600 + tonumber(minute) * 60 + tonumber(second)
  if date.basic(time) ~= text then -- the 31st of June, or 25 o'clock
    return nil
  end
  return time
end

return date
