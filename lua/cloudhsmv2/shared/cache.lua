--- Answers of reading operations that the workers of one nginx share.
-- @module cloudhsmv2.shared.cache

local codec = require "cloudhsmv2.codec"
local errors = require "cloudhsmv2.errors"
local failures = require "cloudhsmv2.shared.failures"
local flight = require "cloudhsmv2.shared.flight"
local protocol = require "cloudhsmv2.protocol"
local settings = require "cloudhsmv2.shared.options"
local text = require "cloudhsmv2.text"
local zone = require "cloudhsmv2.shared.zone"

local format = string.format

local PREFIX = "cloudhsmv2:answer:"
local READING = { "^Describe", "^List", "^Get" }

local LEAST = 0.001 -- nginx counts in milliseconds, and a life of 0 is one without an end

local DEFAULTS = { dict = "cloudhsmv2", ttl = 30, stale = 0, wait = 10, lock = 60 }

-- The answer is kept as a document: by its own shape, members that a newer service sends could not be written again.
local envelope = codec.compile {
  Answer = {
    type = "structure",
    members = {
      Stored = { shape = "Seconds" },
      RequestId = { shape = "Text" },
      HTTPStatusCode = { shape = "Number" },
      Output = { shape = "Document" },
    },
  },
  Document = { type = "structure", members = {}, document = true },
  Seconds = { type = "double" },
  Text = { type = "string" },
  Number = { type = "integer" },
}

local cache = {}
local models = setmetatable({}, { __mode = "k" }) -- what is known of a client's model

local function model_of(client)
  local model = client.model
  if not models[model] then
    local names = {}
    for name in pairs(model.operations) do
      names[name], names[text.snake_case(name)] = name, name
    end
    models[model] = {
      names = names,
      compiled = codec.compile(model.shapes),
      sensitive = protocol.sensitive_members(model.shapes),
    }
  end
  return models[model]
end

local function refusal(code, message, ...)
  return nil, errors.new { kind = "validation", code = code, message = format(message, ...) }
end

local function reading_operation(model, given)
  local name = model.names[given]
  if not name then
    return refusal("UnknownOperation", "%s is no operation; %s", text.quote(given), text.nearest(given, model.names))
  end
  for _, pattern in ipairs(READING) do
    if name:find(pattern) then
      return name
    end
  end
  return refusal("NotCacheable", "%s changes things: only Describe, List and Get operations can be cached", name)
end

local function failed(name, err)
  err.operation = name
  return nil, err
end

-- Whose answer it is, and to what: members in the model's order, maps sorted, so the same question has one key.
local function key_of(client, model, name, params)
  local input = client.model.operations[name].input
  local question = "{}"
  if input then
    local json, err = model.compiled:encode(input.shape, params)
    if not json then
      return failed(name, err)
    end
    question = json
  end
  local keys, err = client.credentials:get()
  if not keys then
    return failed(name, err)
  end
  local address = client.address
  local place = address.scheme .. "://" .. address.authority .. address.path
  return table.concat({ PREFIX .. place, client.region, keys:access_key_id(), name, question }, "\n")
end

-- Takes members that are nobody else's business out of an answer, however deep they are.
local function without(value, sensitive)
  if type(value) == "table" then
    for name, member in pairs(value) do
      if sensitive[name] then
        value[name] = nil
      else
        without(member, sensitive)
      end
    end
  end
end

local methods = {}
local metatable = { __index = methods }

function methods:stored(here)
  local json = here.dict:get(self.key)
  local answer = json and envelope:decode("Answer", json)
  if answer then
    answer.age = math.max(0, zone.time(here) - answer.Stored)
    return answer
  end
end

function methods:is_fresh(answer)
  return answer and answer.age < self.ttl
end

-- An answer from the memory, as a caller gets it; `err` is why there is no newer one.
local function told(answer, err)
  local output = answer.Output
  output.ResponseMetadata = {
    RequestId = answer.RequestId,
    HTTPStatusCode = answer.HTTPStatusCode,
    HTTPHeaders = {},
    RetryAttempts = 0,
    Cached = { age = answer.age, stale = err ~= nil, error = err and tostring(err) },
  }
  return output
end

function methods:store(here, output)
  local metadata = output.ResponseMetadata
  output.ResponseMetadata = nil
  local json = envelope:encode("Answer", {
    Stored = zone.time(here),
    RequestId = metadata.RequestId,
    HTTPStatusCode = metadata.HTTPStatusCode,
    Output = output,
  })
  output.ResponseMetadata = metadata
  local life = self.ttl + self.stale
  if json and life >= LEAST then
    here.dict:set(self.key, json, life) -- where it does not fit, everybody asks for himself
  end
end

function methods:refresh(here)
  local output, err = self.client:call(self.name, self.params)
  if output then
    without(output, self.model.sensitive)
    self:store(here, output)
  else
    failures.store(here, self.key, err)
  end
  return output, err
end

-- Returns what another worker stored, or the failure that it had.
function methods:look(here)
  local answer = self:stored(here)
  if self:is_fresh(answer) then
    return told(answer)
  end
  return nil, failures.fetch(here, self.key)
end

-- Without the others: with an old answer at hand there is no need to ask.
function methods:alone(here)
  local answer = self:stored(here)
  if not answer then
    return self:refresh(here)
  elseif self:is_fresh(answer) then
    return told(answer)
  end
  return nil, errors.new { kind = "timeout", code = "StillRefreshing", message = "another worker is still asking" }
end

function methods:fresh(here)
  local output, err = self:look(here)
  if output or err then
    return output, err
  end
  local done
  done, output, err = flight.run(here, self.key, {
    life = self.lock,
    wait = self.wait,
    look = function()
      return self:look(here)
    end,
    work = function()
      return self:refresh(here)
    end,
  })
  if done then
    return output, err
  end
  return self:alone(here)
end

function methods:get(here)
  local output, err = self:fresh(here)
  if output then
    return output
  end
  local answer = self:stored(here) -- the memory has forgotten what is older than ttl and stale
  if answer then
    return told(answer, err)
  end
  return nil, err
end

--- See `cloudhsmv2.shared`.
function cache.call(client, operation, params, given)
  if type(client) ~= "table" or type(client.call) ~= "function" then
    error("shared.cached: the first argument must be a client, not a " .. type(client), 2)
  elseif type(operation) ~= "string" then
    error("shared.cached: the name of the operation must be a string, not a " .. type(operation), 2)
  elseif params ~= nil and type(params) ~= "table" then
    error("shared.cached: the parameters must be a table, not a " .. type(params), 2)
  elseif given ~= nil and type(given) ~= "table" then
    error("shared.cached: the options must be a table, not a " .. type(given), 2)
  end
  local self, err = settings.resolve("shared.cached", given or {}, DEFAULTS)
  if not self then
    return nil, err
  end
  self.client, self.model, self.params = client, model_of(client), params or {}
  self.name, err = reading_operation(self.model, operation)
  if not self.name then
    return nil, err
  end
  local here
  here, err = zone.open(self.dict)
  if not here then
    return nil, err
  end
  self.key, err = key_of(client, self.model, self.name, self.params)
  if not self.key then
    return nil, err
  end
  return setmetatable(self, metatable):get(here)
end

return cache
