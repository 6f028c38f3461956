--- Every fault of the table through the whole client, over real connections, for each class of operations.

local cloudhsmv2 = require "cloudhsmv2"
local faults = require "spec.helper.faults"
local server = require "spec.helper.server"

local TRANSPORT = rawget(_G, "ngx") and "cloudhsmv2.runtime.nginx" or "cloudhsmv2.runtime.curl"

local CLASSES = {
  { letter = "R", word = "a read", operation = "describe_clusters", params = {} },
  {
    letter = "I",
    word = "what may be repeated",
    operation = "delete_backup",
    params = { BackupId = "backup-abcdefghijk" },
  },
  {
    letter = "C",
    word = "a create",
    operation = "create_hsm",
    params = { ClusterId = "cluster-abcdefghijk", AvailabilityZone = "eu-west-1a" },
  },
}

local function hex(text)
  return (text:gsub(".", function(character)
    return ("%02x"):format(character:byte())
  end))
end

local function descriptors()
  local count = 0
  for number = 0, 255 do
    local file = io.open(("/proc/self/fd/%d"):format(number))
    if file then
      file:close()
      count = count + 1
    end
  end
  return count
end

describe("a fault", function()
  local running, base

  setup(function()
    running = server.start "plain"
    base = "://127.0.0.1:" .. running.ports[1]
  end)

  teardown(function()
    running.stop()
  end)

  -- A client whose delays between attempts take no time.
  local function client_of(fault, endpoint)
    local transport = require(TRANSPORT).new { proxy = "", max_body = fault.max_body }
    local runtime = setmetatable({
      sleep = function() end,
    }, { __index = transport })
    local client = assert(cloudhsmv2.new {
      region = "eu-west-1",
      endpoint = endpoint,
      allow_http = true,
      credentials = { access_key_id = "AKIDEXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" },
      getenv = function() end,
      runtime = runtime,
      connect_timeout = fault.connect_timeout,
      read_timeout = fault.read_timeout,
      timeout = fault.timeout,
    })
    return client, transport
  end

  local function endpoint_of(fault, tag)
    if fault.url then
      return fault.url
    end
    local path = fault.path
    if fault.answer then
      path = ("answer/%d/%s/%s"):format(fault.answer[1], hex(fault.answer[2]), hex(fault.answer[3] or ""))
    end
    return ("%s%s/%s/tag-%s"):format(fault.scheme or "http", base, path, tag)
  end

  local function seen(transport, tag)
    local response = assert(transport.send { method = "GET", url = "http" .. base .. "/seen/" .. tag, headers = {} })
    return tonumber(response.body)
  end

  for number, fault in ipairs(faults) do
    for _, class in ipairs(CLASSES) do
      it(("%s, met by %s"):format(fault.name, class.word), function()
        local tag = ("%d-%s"):format(number, class.letter)
        local client, transport = client_of(fault, endpoint_of(fault, tag))
        if not fault.unused then
          seen(transport, tag) -- leaves a connection behind, which the call may use
        end
        local before = descriptors()
        local out, err = client[class.operation](client, class.params)
        local expected = fault.expect[class.letter]
        if expected[1] == "ok" then
          assert.is_truthy(out, tostring(err))
          assert.are.equal(expected.sends, seen(transport, tag))
        else
          assert.is_nil(out)
          assert.are.same(
            { kind = expected[1], sent = expected[2], sends = expected[3] },
            { kind = err.kind, sent = err.sent, sends = seen(transport, tag) },
            tostring(err)
          )
          if expected[4] then
            assert.are.equal(expected[4], err.code)
          end
          assert.is_nil(tostring(err):find "[\r\n]")
          assert.are.equal(err.kind == "ambiguous", err.reconcile ~= nil)
          assert.is_true(err.attempts >= 1 and #err.history == err.attempts)
        end
        -- the client still works, and nothing is left open but the connection that is kept
        assert.are.equal(
          200,
          assert(transport.send { method = "GET", url = "http" .. base .. "/fixed", headers = {} }).status
        )
        assert.is_true(descriptors() <= before + 2) -- the connection, and what libcurl waits with
        client:close()
        transport.close()
      end)
    end
  end
end)
