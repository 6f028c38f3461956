-- A time zone is the process's, and is read once: each is tried in a process of its own.

local script = require "spec.helper.script"

-- Prints what moments look like: around both changes of New York's clocks, at the ends of what a date can be, and as a signature has them.
local SCRIPT = [[
local codec = require "cloudhsmv2.codec"
local moment = require "cloudhsmv2.moment"
local sigv4 = require "cloudhsmv2.sigv4"
local model = codec.compile {
  S = { type = "structure", members = { Z = { shape = "Z" }, H = { shape = "H" }, T = { shape = "T" } } },
  Z = { type = "timestamp", timestampFormat = "iso8601" },
  H = { type = "timestamp", timestampFormat = "rfc822" },
  T = { type = "timestamp" },
}
local function say(seconds)
  local json = assert(model:encode("S", { Z = seconds, H = seconds, T = seconds }))
  local back = assert(model:decode("S", json))
  assert(back.Z == seconds and back.H == seconds and back.T == seconds)
  print(json, moment.basic(seconds), moment.http(seconds), moment.of_http(moment.http(seconds)))
end
for _, change in ipairs { 1772953200, 1793512800, 0, 951782400, 2147483648, 4294967296, 253402300799 } do
  for hour = -3, 3 do
    local seconds = change + hour * 3600 + (hour == 0 and 0 or 1)
    if seconds >= 0 and seconds < 253402300800 then
      say(seconds)
    end
  end
end
local signed = assert(sigv4.sign {
  method = "POST", path = "/", query = "", headers = { { "Host", "example.amazonaws.com" } }, body = "",
  region = "us-east-1", service = "cloudhsm", time = 1793512800,
  credentials = { access_key_id = "AKIDEXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" },
})
print(signed.authorization)
print(os.date("%H", 1793512800))
]]

-- What the script prints in a time zone, and the hour that it believes it is there.
local function printed_in(zone)
  local text = script.run(SCRIPT, "TZ=" .. zone)
  local lines, hour = text:match "^(.*)\n(%d%d)\n$"
  assert(lines, text)
  return lines, hour
end

describe("in another time zone", function()
  it("moments and signatures are what they are in UTC, at a change of the clocks too", function()
    local expected = printed_in "UTC0"
    assert.truthy(expected:find("2026-11-01T06:00:00Z", 1, true))
    local hours = {}
    -- New York with its changes of clocks, Kolkata half an hour off, Kiritimati a day ahead: as POSIX writes them, with no files of zones
    for _, zone in ipairs { "EST5EDT,M3.2.0,M11.1.0", "IST-5:30", "'<+14>-14'" } do
      local lines, hour = printed_in(zone)
      assert.are.equal(expected, lines)
      hours[#hours + 1] = hour
    end
    assert.are.same({ "01", "11", "20" }, hours)
  end)
end)
