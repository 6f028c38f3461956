--- Credentials that the workers of one nginx share, so that one of them fetches and all use what it got.
-- @module cloudhsmv2.shared.credentials

local codec = require "cloudhsmv2.codec"
local errors = require "cloudhsmv2.errors"
local failures = require "cloudhsmv2.shared.failures"
local flight = require "cloudhsmv2.shared.flight"
local settings = require "cloudhsmv2.shared.options"
local sigv4 = require "cloudhsmv2.sigv4"
local static = require "cloudhsmv2.credentials.static"
local zone = require "cloudhsmv2.shared.zone"

local PREFIX = "cloudhsmv2:credentials:"

local LONGEST = 365 * 86400 -- seconds that keys are kept, however far off their expiration is
local LEAST = 0.001 -- nginx counts in milliseconds, and a life of 0 is one without an end

local DEFAULTS = {
  dict = "cloudhsmv2",
  key = "default",
  provider = error, -- any function: it must be given
  refresh_before = 300,
  max_age = 300,
  wait = 10,
  lock = 30,
}

local compiled = codec.compile {
  Keys = {
    type = "structure",
    members = {
      access_key_id = { shape = "Text" },
      secret_access_key = { shape = "Text" },
      session_token = { shape = "Text" },
      expiration = { shape = "Seconds" },
      stored = { shape = "Seconds" },
    },
  },
  Text = { type = "string" },
  Seconds = { type = "double" },
}

local credentials = {}

local methods = {}
local metatable = { __index = methods }

local function failure(message)
  return nil, errors.new { kind = "credentials", code = "InvalidCredentials", message = message }
end

-- Holds keys in C memory. When to look for new ones depends on how long they were good for: of keys that last less than twice
-- `refresh_before` not every use may fetch anew.
function methods:hold(keys, json)
  local held, err = sigv4.credentials {
    access_key_id = keys.access_key_id,
    secret_access_key = keys.secret_access_key,
    session_token = keys.session_token,
  }
  if not held then
    return nil, err
  end
  local early = math.min(self.refresh_before, (keys.expiration - keys.stored) / 2)
  self.held = { credentials = held, json = json, expiration = keys.expiration, refresh_at = keys.expiration - early }
  return self.held
end

-- What is held, or what another worker stored since. The keys are taken out of the JSON only when it has changed.
function methods:current(here)
  local json = here.dict:get(PREFIX .. self.key)
  local held = self.held
  if json and not (held and held.json == json) then
    local keys = compiled:decode("Keys", json)
    held = keys and self:hold(keys, json) or held
  end
  return held and zone.time(here) < held.expiration and held or nil
end

-- Asks the provider, checks as a client would, and tells the other workers.
function methods:fetch(here)
  local keys
  local checked, err = static
    .new(function()
      local reason
      keys, reason = self.provider()
      return keys, reason
    end)
    :load()
  if not checked then
    err.message = err.message:gsub("^credentials: the function", "shared.credentials: the provider")
    return nil, err
  elseif type(keys) ~= "table" then
    return failure "shared.credentials: what workers share must be a table of keys; a userdata keeps its secret to itself"
  end
  checked.credentials:close()

  local now = zone.time(here)
  local expiration = math.min(keys.expiration or now + self.max_age, now + LONGEST)
  if expiration <= now or expiration ~= expiration then
    return failure "shared.credentials: the provider returned keys that have expired"
  end
  local shared = {
    access_key_id = keys.access_key_id,
    secret_access_key = keys.secret_access_key,
    session_token = keys.session_token,
    expiration = expiration,
    stored = now,
  }
  local json = compiled:encode("Keys", shared)
  if not json then -- the codec's error would name the secret's bytes
    return failure "shared.credentials: keys that workers share must be UTF-8"
  end
  here.dict:set(PREFIX .. self.key, json, math.max(expiration - now, LEAST)) -- if it does not fit, they stay this worker's
  return self:hold(shared, json)
end

function methods:refresh(here)
  local held, err = self:fetch(here)
  if not held then
    failures.store(here, PREFIX .. self.key, err)
  end
  return held, err
end

-- Keys that are still good go on being used while one worker fetches, and when it fails.
function methods:renewed(here, held)
  if zone.time(here) < held.refresh_at or failures.fetch(here, PREFIX .. self.key) then
    return held
  end
  local _, fresh = flight.try(here, PREFIX .. self.key, self.lock, function()
    local current = self:current(here)
    if current and current ~= held then
      return current
    end
    return (self:refresh(here))
  end)
  return type(fresh) == "table" and fresh or self:current(here) or held
end

-- Without good keys everybody waits for the one that fetches. Who waited long enough fetches, too.
function methods:awaited(here)
  local key = PREFIX .. self.key
  local function look()
    local held = self:current(here)
    if held then
      return held
    end
    return nil, failures.fetch(here, key)
  end
  local held, err = look()
  if held or err then
    return held, err
  end
  local done
  done, held, err = flight.run(here, key, {
    life = self.lock,
    wait = self.wait,
    look = look,
    work = function()
      return self:refresh(here)
    end,
  })
  if done then
    return held, err
  end
  return self:fetch(here)
end

function methods:get()
  local here, err = zone.open(self.dict)
  if not here then
    return nil, err
  end
  local held = self:current(here)
  if held then
    held = self:renewed(here, held)
  else
    held, err = self:awaited(here)
  end
  if not held then
    return nil, err
  end
  return held.credentials
end

--- See `cloudhsmv2.shared`.
-- @tparam table given
-- @treturn function
function credentials.new(given)
  if type(given) ~= "table" or type(given.provider) ~= "function" then
    error("shared.credentials: give a table with a function as `provider`", 2)
  end
  local self, err = settings.resolve("shared.credentials", given, DEFAULTS)
  if not self then
    return function()
      return nil, err
    end
  end
  setmetatable(self, metatable)
  return function()
    return self:get()
  end
end

return credentials
