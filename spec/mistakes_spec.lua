--- Every mistake of the table, and the one line that it is answered with.

local cloudhsmv2 = require "cloudhsmv2"
local emulator = require "cloudhsmv2.emulator"
local errors = require "cloudhsmv2.errors"
local mistakes = require "spec.helper.mistakes"

local KEYS = { access_key_id = "AKIDEXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" }

local function runtime_of(row)
  local runtime = emulator.new(row.emulator or {}):runtime()
  if not row.answer then
    return runtime
  end
  return setmetatable({
    send = function()
      if row.answer.failure then
        return nil, row.answer.failure
      end
      return { status = row.answer.status, headers = {}, body = row.answer.body }
    end,
  }, { __index = runtime })
end

-- What somebody who makes this mistake gets to see.
local function line_of(row)
  local options = {
    region = "eu-west-1",
    credentials = KEYS,
    runtime = runtime_of(row),
    getenv = function(name)
      return (row.env or {})[name] or (name == "HOME" and "/h" or nil)
    end,
    read_file = function(path)
      return (row.files or {})[path]
    end,
  }
  for name, value in pairs(row.options or {}) do
    options[name] = value or nil
  end
  local client, err = cloudhsmv2.new(options)
  if client then
    local call = row.call or client.describe_clusters
    err = select(2, call(client))
  end
  local line = tostring(err)
  if errors.is(err) and err.request_id then
    line = line:gsub(", request id [^,)]+", "")
  end
  return (
    line:gsub("cluster%-[2-7a-z]+", function(id)
      return id ~= "cluster-abcdefghijk" and "cluster-<id>" or nil
    end)
  )
end

describe("the mistake", function()
  for _, row in ipairs(mistakes) do
    it(row[1] .. ", is answered with one line that says what to do", function()
      assert.are.equal(row.says, line_of(row))
    end)
  end
end)

describe("the table of mistakes", function()
  it("has at least sixty, each once", function()
    local seen = {}
    for _, row in ipairs(mistakes) do
      assert.is_nil(seen[row[1]])
      seen[row[1]] = true
    end
    assert.is_true(#mistakes >= 60)
  end)
end)
