--- Answers that somebody made to do harm; by `make()`, since some are large.

local function value(text)
  return function()
    return text
  end
end

local function cluster(text)
  return value('{"Clusters":[{"ClusterId":' .. text .. "}]}")
end

local hostile = {}

hostile.answers = {
  {
    name = "arrays nested 100,000 deep",
    make = function()
      return ("["):rep(100000) .. ("]"):rep(100000)
    end,
  },
  {
    name = "an unknown member nested 100,000 deep",
    make = function()
      return '{"New":' .. ("["):rep(100000) .. ("]"):rep(100000) .. "}"
    end,
  },
  {
    name = "objects nested 100,000 deep and never closed",
    make = function()
      return ('{"Clusters":'):rep(100000)
    end,
  },
  {
    name = "a number of a million digits",
    make = function()
      return '{"New":' .. ("9"):rep(1000000) .. "}"
    end,
  },
  {
    name = "a moment of a million digits",
    make = function()
      return '{"Clusters":[{"CreateTimestamp":' .. ("9"):rep(1000000) .. "}]}"
    end,
  },
  {
    name = "a moment with a million digits of an exponent",
    make = function()
      return '{"Clusters":[{"CreateTimestamp":1e' .. ("9"):rep(1000000) .. "}]}"
    end,
  },
  { name = "the first half of a surrogate pair", make = cluster '"\\ud83d"' },
  { name = "the second half of a surrogate pair", make = cluster '"\\ude00"' },
  { name = "the halves of a surrogate pair in the wrong order", make = cluster '"\\ude00\\ud83d"' },
  { name = "a surrogate in UTF-8", make = cluster '"\237\160\189"' },
  { name = "an overlong form in UTF-8", make = cluster '"\192\175"' },
  { name = "a code point beyond Unicode", make = cluster '"\244\144\128\128"' },
  { name = "a member that is there twice", make = value '{"Clusters":[],"Clusters":[]}' },
  { name = "a member that is there twice, once as an escape", make = value '{"Clusters":[],"\\u0043lusters":[]}' },
  { name = "an unknown member that is there twice", make = value '{"Clusters":[],"New":1,"New":2}' },
  { name = "a member inside of an unknown one that is there twice", make = value '{"New":{"a":[],"a":[]}}' },
  { name = "a byte order mark", make = value '\239\187\191{"Clusters":[]}' },
  { name = "bytes behind the end", make = value '{"Clusters":[]} {}' },
  { name = "a NUL behind the end", make = value '{"Clusters":[]}\0' },
  { name = "a NUL before the beginning", make = value '\0{"Clusters":[]}' },
  { name = "a NUL inside of a string", make = cluster '"a\0b"' },
  { name = "another control character inside of a string", make = cluster '"a\1b"' },
  {
    name = "a string of 8 MiB that does not end",
    make = function()
      return '{"New":"' .. ("x"):rep(8 * 1024 * 1024 - 16)
    end,
  },
  {
    name = "escapes for 8 MiB, and no end",
    make = function()
      return '{"New":"' .. ("\\u0041"):rep(1398000)
    end,
  },
  {
    name = "a million members of one name",
    make = function()
      return "{" .. ('"a":0,'):rep(1300000)
    end,
  },
  {
    name = "half a million members of as many names, and no end",
    make = function()
      local members = {}
      for i = 1, 500000 do
        members[i] = ('"%x":0,'):format(i)
      end
      return '{"New":{' .. table.concat(members)
    end,
  },
  {
    name = "a million objects",
    make = function()
      return '{"New":[' .. ("{},"):rep(999999) .. "{}]}"
    end,
  },
  {
    name = "four million numbers and no end",
    make = function()
      return '{"New":[' .. ("0,"):rep(4000000)
    end,
  },
}

-- Bodies of errors.
hostile.errors = {
  {
    name = "an error with a secret that is 8 MiB of backslashes",
    make = function()
      return '{"PreCoPassword":"' .. ("\\"):rep(8 * 1024 * 1024 - 32)
    end,
  },
  {
    name = "an error with half a million secrets",
    make = function()
      return "{" .. ('"PreCoPassword":"",'):rep(400000) .. '"message":"x"}'
    end,
  },
  {
    name = "an error with a message of 8 MiB",
    make = function()
      return '{"message":"' .. ("x"):rep(8 * 1024 * 1024 - 32) .. '"}'
    end,
  },
}

return hostile
