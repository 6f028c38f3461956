--- Credentials that a program gives: a table of keys, or a function that returns one.
-- @module cloudhsmv2.credentials.static

local errors = require "cloudhsmv2.errors"
local protected = require "cloudhsmv2.protected"
local sigv4 = require "cloudhsmv2.sigv4"
local text = require "cloudhsmv2.text"

local EARLY = 60 -- seconds before their expiration that keys are asked for again

local KEYS = { access_key_id = true, secret_access_key = true, session_token = true, expiration = true }

local static = {}

local methods = { name = "code", feature = "e" } -- `feature` is the source's letter in the User-Agent
local metatable = { __name = "cloudhsmv2.credentials.static", __index = methods }

local function invalid(message, cause)
  return nil, errors.new { kind = "credentials", code = "InvalidCredentials", message = message, cause = cause }
end

-- Keys as a userdata that holds them in C memory. Nothing given reaches a message: it may be the secret, misplaced.
local function hold(keys)
  if type(keys) == "userdata" then
    return keys
  end
  for name in pairs(keys) do
    if not KEYS[name] then
      return invalid("credentials: unknown field; " .. text.nearest(tostring(name), KEYS))
    end
  end
  for name in pairs(KEYS) do
    local wanted = name == "expiration" and "number" or "string"
    if keys[name] ~= nil and type(keys[name]) ~= wanted then
      return invalid(string.format("credentials: %s must be a %s, not a %s", name, wanted, type(keys[name])))
    end
  end
  for _, name in ipairs { "access_key_id", "secret_access_key" } do
    if text.trim(keys[name] or "") == "" then
      return invalid("credentials: " .. name .. " is missing")
    end
  end
  return sigv4.credentials {
    access_key_id = keys.access_key_id,
    secret_access_key = keys.secret_access_key,
    session_token = keys.session_token,
  }
end

-- Asks the function. It runs in Lua alone, so it may yield. What it raises, or returns instead of keys, is an error.
local function ask(load)
  local ok, keys, reason = protected.call(load)
  if not ok then
    local message = errors.is(keys) and keys.message or tostring(keys)
    return invalid("credentials: the function failed: " .. message, errors.is(keys) and keys or nil)
  elseif keys == nil then
    local message = reason == nil and "the function returned nothing" or "the function returned no keys: "
    if reason ~= nil then
      message = message .. (errors.is(reason) and reason.message or tostring(reason))
    end
    return invalid("credentials: " .. message, errors.is(reason) and reason or nil)
  elseif type(keys) ~= "table" and type(keys) ~= "userdata" then
    return invalid("credentials: the function must return a table of keys, not a " .. type(keys))
  end
  return keys
end

--- The credentials now: those that are held, or what the function returns once these are about to expire.
-- @treturn userdata|nil
-- @treturn table the error object, of kind `credentials`
function methods:get()
  if self.credentials and self.time() < self.good_until then
    return self.credentials
  end
  local keys, err = ask(self.load)
  if not keys then
    return nil, err
  end
  local credentials
  credentials, err = hold(keys)
  if not credentials then
    return nil, err
  end
  if self.credentials and self.owned then
    self.credentials:close()
  end
  local expiration = type(keys) == "table" and keys.expiration
  self.credentials, self.owned = credentials, type(keys) == "table"
  self.good_until = expiration and expiration - EARLY or -math.huge -- without it the keys are good for one attempt
  return credentials
end

--- Wipes the keys.
function methods:close()
  if self.credentials and self.owned then
    self.credentials:close()
  end
  self.credentials, self.load = nil, function()
    return nil, "the client is closed"
  end
end

--- Makes the provider.
-- @tparam table|function|userdata given a table with `access_key_id`, `secret_access_key` and perhaps `session_token`;
-- a function that returns such a table, perhaps with `expiration` in seconds since 1970 (until a minute before that the
-- keys are kept, without it the function is called for every attempt), or nil and a reason; or what
-- `sigv4.credentials` returns
-- @tparam function time seconds since 1970
-- @treturn table|nil the provider
-- @treturn table the error object, of kind `credentials`
function static.new(given, time)
  local self = setmetatable({ time = time, good_until = math.huge }, metatable)
  if type(given) == "function" then
    self.load = given
    return self
  end
  local err
  self.owned, self.local_only = type(given) == "table", true
  self.credentials, err = hold(given)
  if not self.credentials then
    return nil, err
  end
  return self
end

return static
