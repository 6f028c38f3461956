--- Credentials that a program gives: a table of keys, or a function that returns one.
-- @module cloudhsmv2.credentials.static

local errors = require "cloudhsmv2.errors"
local protected = require "cloudhsmv2.protected"
local set = require "cloudhsmv2.credentials.set"
local text = require "cloudhsmv2.text"

local KEYS = {
  access_key_id = "string",
  secret_access_key = "string",
  session_token = "string",
  account_id = "string",
  expiration = "number",
}

local static = {}

local methods = { name = "code", feature = "e", origin = "code" } -- `feature` is the source's letter in the User-Agent
local metatable = { __name = "cloudhsmv2.credentials.static", __index = methods }

local function invalid(message, cause)
  return set.failure("InvalidCredentials", message, cause)
end

-- Keys as a set. Nothing given reaches a message: it may be the secret, misplaced.
local function set_of(keys)
  if type(keys) == "userdata" then
    return { credentials = keys, features = methods.feature, origin = methods.origin, lasting = true }
  end
  for name in pairs(keys) do
    if not KEYS[name] then
      return invalid("credentials: unknown field; " .. text.nearest(tostring(name), KEYS))
    end
  end
  for name, wanted in pairs(KEYS) do
    if keys[name] ~= nil and type(keys[name]) ~= wanted then
      return invalid(string.format("credentials: %s must be a %s, not a %s", name, wanted, type(keys[name])))
    end
  end
  return set.new("credentials", keys, {
    expiration = keys.expiration,
    account_id = keys.account_id,
    features = methods.feature,
    origin = methods.origin,
  })
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

--- The credentials: those that were given, or what the function returns now.
-- @treturn[1] table a set; see `cloudhsmv2.credentials.set`
-- @treturn[2] nil
-- @treturn[2] table the error object, of kind `credentials`
function methods:load()
  if self.given then
    return self.given
  elseif not self.ask then
    return invalid "credentials: the client is closed"
  end
  local keys, err = ask(self.ask)
  if not keys then
    return nil, err
  end
  local found
  found, err = set_of(keys)
  if found and not found.expiration then
    found.once = true
  end
  return found, err
end

--- Wipes the keys.
function methods:close()
  if self.given and self.owned then
    self.given.credentials:close()
  end
  self.given, self.ask = nil, nil
end

--- Makes the provider.
-- @tparam table|function|userdata given a table with `access_key_id`, `secret_access_key`, and perhaps `session_token`
-- and `account_id`; a function that returns such a table, perhaps with `expiration` in seconds since 1970 (keys that
-- have one are kept until they are about to expire, without it the function is called for every attempt), or nil and a
-- reason; or what `sigv4.credentials` returns
-- @treturn table|nil the provider
-- @treturn table the error object, of kind `credentials`
function static.new(given)
  local self = setmetatable({}, metatable)
  if type(given) == "function" then
    self.ask = given
    return self
  end
  local found, err = set_of(given)
  if not found then
    return nil, err
  end
  found.lasting, found.expiration = true, nil
  self.given, self.owned, self.local_only = found, type(given) == "table", true
  return self
end

return static
