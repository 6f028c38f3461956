--- Failures that other workers hear of, so that those who waited do not all fail once more, one after the other.
-- @module cloudhsmv2.shared.failures

local codec = require "cloudhsmv2.codec"
local errors = require "cloudhsmv2.errors"

local PREFIX = "cloudhsmv2:failed:"
local LIFE = 1 -- seconds

-- What says something about the service or the source of keys; not what is this caller's own doing.
local SHARED_KINDS = {
  service = true,
  throttled = true,
  auth = true,
  transport = true,
  timeout = true,
  tls = true,
  proxy = true,
  protocol = true,
  credentials = true,
}

local FIELDS = { "kind", "code", "message", "operation", "request_id", "sent", "status", "retryable" }

local compiled = codec.compile {
  Failure = {
    type = "structure",
    members = {
      kind = { shape = "Text" },
      code = { shape = "Text" },
      message = { shape = "Text" },
      operation = { shape = "Text" },
      request_id = { shape = "Text" },
      sent = { shape = "Text" },
      status = { shape = "Number" },
      retryable = { shape = "Boolean" },
    },
  },
  Text = { type = "string" },
  Number = { type = "integer" },
  Boolean = { type = "boolean" },
}

local failures = {}

--- Tells the other workers, for a second.
-- @tparam table here the memory, of `zone.open`
-- @tparam string key of the work that failed
-- @tparam table err an error object
function failures.store(here, key, err)
  if not SHARED_KINDS[err.kind] then
    return
  end
  local told = {}
  for _, name in ipairs(FIELDS) do
    told[name] = err[name]
  end
  local json = compiled:encode("Failure", told)
  if json then -- not where a message is no UTF-8: then the others find out for themselves
    here.dict:set(PREFIX .. key, json, LIFE)
  end
end

--- What another worker was told of within the last second.
-- @tparam table here
-- @tparam string key
-- @treturn table|nil an error object
function failures.fetch(here, key)
  local json = here.dict:get(PREFIX .. key)
  local told = json and compiled:decode("Failure", json)
  return told and errors.new(told) or nil
end

return failures
