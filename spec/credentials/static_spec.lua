local errors = require "cloudhsmv2.errors"
local machine = require "spec.helper.machine"
local sigv4 = require "cloudhsmv2.sigv4"
local static = require "cloudhsmv2.credentials.static"

local ID, SECRET = machine.ID, machine.SECRET

local function keys(fields)
  local copy = { access_key_id = ID, secret_access_key = SECRET }
  for name, value in pairs(fields or {}) do
    copy[name] = value
  end
  return copy
end

-- The message for what a program gave, or what its function returns; never with a secret.
local function message_of(given)
  local provider, err = static.new(given)
  if provider then
    local set
    set, err = provider:load()
    assert.is_nil(set)
  end
  assert.are.equal("credentials", err.kind)
  assert.is_nil(tostring(err):find(SECRET, 1, true))
  return err.message
end

describe("a table of keys", function()
  it("becomes credentials that are kept", function()
    local provider = static.new(keys { session_token = "token", account_id = "123456789012" })
    local set = provider:load()
    assert.are.equal(ID, set.credentials:access_key_id())
    assert.is_true(set.credentials:has_session_token())
    assert.are.equal("123456789012", set.account_id)
    assert.are.equal("code", set.origin)
    assert.are.equal("e", set.features)
    assert.is_true(set.lasting)
    assert.are.equal(set.credentials, provider:load().credentials)
    assert.is_true(provider.local_only)
  end)

  it("is used as long as the client lives, whatever it says of its end", function()
    local set = static.new(keys { expiration = 1 }):load()
    assert.is_nil(set.expiration)
    assert.is_nil(set.once)
  end)

  it("needs both keys, and says which is missing", function()
    assert.are.equal("credentials: access_key_id is missing", message_of { secret_access_key = SECRET })
    assert.are.equal("credentials: secret_access_key is missing", message_of { access_key_id = ID })
    assert.are.equal(
      "credentials: secret_access_key is missing",
      message_of { access_key_id = ID, secret_access_key = " " }
    )
  end)

  it("may hold nothing else, and strings only", function()
    assert.are.equal("credentials: unknown field; did you mean access_key_id?", message_of(keys { acces_key_id = ID }))
    assert.are.equal(
      "credentials: unknown field; known: access_key_id, account_id, expiration, secret_access_key, session_token",
      message_of(keys { [SECRET] = true })
    )
    assert.are.equal(
      "credentials: session_token must be a string, not a number",
      message_of(keys { session_token = 7 })
    )
    assert.are.equal("credentials: account_id must be a string, not a number", message_of(keys { account_id = 7 }))
    assert.are.equal(
      "credentials: secret_access_key must be a string, not a table",
      message_of { access_key_id = ID, secret_access_key = { SECRET } }
    )
  end)

  it("is not shown when a key has a control character in it", function()
    assert.is_truthy(message_of({ access_key_id = ID, secret_access_key = SECRET .. "\r\n" }):find "secret_access_key")
  end)
end)

describe("credentials from sigv4", function()
  it("are used as they are, and stay open when the client closes", function()
    local credentials = sigv4.credentials(keys())
    local provider = static.new(credentials)
    assert.are.equal(credentials, provider:load().credentials)
    assert.is_true(provider:load().lasting)
    provider:close()
    assert.are.equal(ID, credentials:access_key_id())
  end)
end)

describe("a function that returns keys", function()
  it("is called when somebody needs them, and not before", function()
    local calls = 0
    local provider = static.new(function()
      calls = calls + 1
      return keys { access_key_id = "KEY" .. calls }
    end)
    assert.are.equal(0, calls)
    assert.is_nil(provider.local_only)
    assert.are.equal("KEY1", provider:load().credentials:access_key_id())
    assert.are.equal("KEY2", provider:load().credentials:access_key_id())
  end)

  it("gives keys for one attempt where it does not say how long they are good, else until then", function()
    local expiration
    local provider = static.new(function()
      return keys { expiration = expiration }
    end)
    local set = provider:load()
    assert.is_true(set.once)
    assert.is_nil(set.lasting)
    expiration = 2000
    set = provider:load()
    assert.is_nil(set.once)
    assert.are.equal(2000, set.expiration)
  end)

  it("may yield", function()
    local provider = static.new(function()
      return coroutine.yield "waiting"
    end)
    local thread = coroutine.create(function()
      return provider:load()
    end)
    assert.are.same({ true, "waiting" }, { coroutine.resume(thread) })
    local _, set = coroutine.resume(thread, keys())
    assert.are.equal(ID, set.credentials:access_key_id())
  end)

  it("may return what sigv4 made, which stays its own", function()
    local made = sigv4.credentials(keys())
    local provider = static.new(function()
      return made
    end)
    local set = provider:load()
    assert.are.equal(made, set.credentials)
    assert.is_true(set.lasting)
    assert.is_true(set.once)
    assert.are.equal(made, provider:load().credentials)
    assert.are.equal(ID, made:access_key_id())
  end)

  it("may fail in any way, which is an error and no end of the provider", function()
    local answers = {
      { "credentials: the function returned nothing" },
      { "credentials: the function returned no keys: vault is sealed", nil, "vault is sealed" },
      { "credentials: the function must return a table of keys, not a string", SECRET },
      { "credentials: the function must return a table of keys, not a boolean", false },
      { "credentials: secret_access_key is missing", { access_key_id = ID } },
      { "credentials: expiration must be a number, not a string", keys { expiration = "tomorrow" } },
    }
    for _, answer in ipairs(answers) do
      assert.are.equal(
        answer[1],
        message_of(function()
          return answer[2], answer[3]
        end)
      )
    end
    local broken = true
    local provider = static.new(function()
      if broken then
        error("no vault", 0)
      end
      return keys()
    end)
    local set, err = provider:load()
    assert.is_nil(set)
    assert.are.equal("credentials: the function failed: no vault", err.message)
    broken = false
    assert.are.equal(ID, provider:load().credentials:access_key_id())
  end)

  it("may fail with an error object, which is kept as the cause", function()
    local cause = errors.new { kind = "timeout", message = "the vault is slow", status = 504 }
    local provider = static.new(function()
      return nil, cause
    end)
    local _, err = provider:load()
    assert.are.equal(cause, err.cause)
    assert.are.equal(504, err.status)
    assert.are.equal("credentials: the function returned no keys: the vault is slow", err.message)
    provider = static.new(function()
      error(cause)
    end)
    _, err = provider:load()
    assert.are.equal(cause, err.cause)
    assert.are.equal("credentials: the function failed: the vault is slow", err.message)
  end)
end)

describe("a closed provider", function()
  it("has no credentials any more", function()
    local provider = static.new(keys())
    local credentials = provider:load().credentials
    provider:close()
    provider:close()
    assert.is_nil(credentials:access_key_id())
    local set, err = provider:load()
    assert.is_nil(set)
    assert.are.equal("credentials: the client is closed", err.message)
  end)

  it("does not call its function any more", function()
    local called = false
    local provider = static.new(function()
      called = true
    end)
    provider:close()
    assert.is_nil((provider:load()))
    assert.is_false(called)
  end)
end)
