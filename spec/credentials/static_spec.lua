local errors = require "cloudhsmv2.errors"
local sigv4 = require "cloudhsmv2.sigv4"
local static = require "cloudhsmv2.credentials.static"

local ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

local function keys(fields)
  local copy = { access_key_id = ID, secret_access_key = SECRET }
  for name, value in pairs(fields or {}) do
    copy[name] = value
  end
  return copy
end

local function at(seconds)
  return function()
    return seconds
  end
end

-- The message for what a program gave, or what its function returns; never with a secret.
local function message_of(given)
  local provider, err = static.new(given, at(0))
  if provider then
    local credentials
    credentials, err = provider:get()
    assert.is_nil(credentials)
  end
  assert.are.equal("credentials", err.kind)
  assert.is_nil(tostring(err):find(SECRET, 1, true))
  return err.message
end

describe("a table of keys", function()
  it("becomes credentials that are kept", function()
    local provider = static.new(keys { session_token = "token" }, at(0))
    local credentials = provider:get()
    assert.are.equal(ID, credentials:access_key_id())
    assert.is_true(credentials:has_session_token())
    assert.are.equal(credentials, provider:get())
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
      "credentials: unknown field; known: access_key_id, expiration, secret_access_key, session_token",
      message_of(keys { [SECRET] = true })
    )
    assert.are.equal(
      "credentials: session_token must be a string, not a number",
      message_of(keys { session_token = 7 })
    )
  end)

  it("is not shown when a key has a control character in it", function()
    assert.is_truthy(message_of({ access_key_id = ID, secret_access_key = SECRET .. "\r\n" }):find "secret_access_key")
  end)
end)

describe("credentials from sigv4", function()
  it("are used as they are, and stay open when the client closes", function()
    local credentials = sigv4.credentials(keys())
    local provider = static.new(credentials, at(0))
    assert.are.equal(credentials, provider:get())
    provider:close()
    assert.are.equal(ID, credentials:access_key_id())
  end)
end)

describe("a function that returns keys", function()
  it("is called for every attempt when they do not say how long they are good", function()
    local calls = 0
    local provider = static.new(function()
      calls = calls + 1
      return keys { access_key_id = "KEY" .. calls }
    end, at(0))
    assert.are.equal(0, calls)
    assert.are.equal("KEY1", provider:get():access_key_id())
    assert.are.equal("KEY2", provider:get():access_key_id())
  end)

  it("is called again only in the last minute of keys that expire", function()
    local calls, now = 0, 1000
    local provider = static.new(function()
      calls = calls + 1
      return keys { expiration = 2000 }
    end, function()
      return now
    end)
    provider:get()
    now = 1939
    provider:get()
    assert.are.equal(1, calls)
    now = 1940
    provider:get()
    assert.are.equal(2, calls)
  end)

  it("has its keys wiped when others take their place", function()
    local provider = static.new(function()
      return keys()
    end, at(0))
    local first = provider:get()
    local second = provider:get()
    assert.is_nil(first:access_key_id())
    assert.are.equal(ID, second:access_key_id())
  end)

  it("may yield", function()
    local provider = static.new(function()
      return coroutine.yield "waiting"
    end, at(0))
    local thread = coroutine.create(function()
      return provider:get()
    end)
    assert.are.same({ true, "waiting" }, { coroutine.resume(thread) })
    local _, credentials = coroutine.resume(thread, keys())
    assert.are.equal(ID, credentials:access_key_id())
  end)

  it("may return what sigv4 made", function()
    local made = sigv4.credentials(keys())
    local provider = static.new(function()
      return made
    end, at(0))
    assert.are.equal(made, provider:get())
    assert.are.equal(made, provider:get())
    assert.are.equal(ID, made:access_key_id())
  end)

  it("may fail in any way, which is an error and no end of the provider", function()
    local answers = {
      { "credentials: the function returned nothing" },
      { "credentials: the function returned no keys: vault is sealed", nil, "vault is sealed" },
      { "credentials: the function must return a table of keys, not a string", SECRET },
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
    end, at(0))
    local credentials, err = provider:get()
    assert.is_nil(credentials)
    assert.are.equal("credentials: the function failed: no vault", err.message)
    broken = false
    assert.are.equal(ID, provider:get():access_key_id())
  end)

  it("may fail with an error object, which is kept as the cause", function()
    local cause = errors.new { kind = "timeout", message = "the vault is slow" }
    local provider = static.new(function()
      return nil, cause
    end, at(0))
    local _, err = provider:get()
    assert.are.equal(cause, err.cause)
    assert.are.equal("credentials: the function returned no keys: the vault is slow", err.message)
  end)
end)

describe("a closed provider", function()
  it("has no credentials any more", function()
    local provider = static.new(keys(), at(0))
    local credentials = provider:get()
    provider:close()
    provider:close()
    assert.is_nil(credentials:access_key_id())
    assert.is_nil((provider:get()))
  end)
end)
