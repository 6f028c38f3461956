local codec = require "cloudhsmv2.codec"
local errors = require "cloudhsmv2.errors"
local machine = require "spec.helper.machine"
local set = require "cloudhsmv2.credentials.set"

local ID, SECRET = machine.ID, machine.SECRET

local function keys(fields)
  local copy = { access_key_id = ID, secret_access_key = SECRET }
  for name, value in pairs(fields or {}) do
    copy[name] = value
  end
  return copy
end

describe("a set of credentials", function()
  it("holds the keys in C memory, and what is known about them beside", function()
    local made = set.new("a test", keys { session_token = "token" }, { expiration = 7, origin = "here", stable = true })
    assert.are.equal("userdata", type(made.credentials))
    assert.are.equal(ID, made.credentials:access_key_id())
    assert.is_true(made.credentials:has_session_token())
    assert.are.equal(machine.signature_of(keys { session_token = "token" }), machine.signature_of(made.credentials))
    made.credentials = nil
    assert.are.same({ expiration = 7, origin = "here", stable = true }, made)
  end)

  it("needs both keys as texts that are not blank, and says which is missing and whose", function()
    for _, name in ipairs { "access_key_id", "secret_access_key" } do
      for _, broken in ipairs { "", " \t\n", 7, false, {} } do
        local made, err = set.new("a test", keys { [name] = broken }, {})
        assert.is_nil(made)
        assert.are.equal("credentials", err.kind)
        assert.are.equal("InvalidCredentials", err.code)
        assert.are.equal("a test: " .. name .. " is missing", err.message)
      end
    end
  end)

  it("takes a text for a session token, and nothing else", function()
    for _, broken in ipairs { 7, true, {}, codec.null } do
      local made, err = set.new("a test", keys { session_token = broken }, {})
      assert.is_nil(made)
      assert.are.equal("a test: session_token is no text", err.message)
    end
  end)

  it("refuses keys that no header can have, and shows none of them", function()
    for _, name in ipairs { "access_key_id", "secret_access_key", "session_token" } do
      local made, err = set.new("a test", keys { [name] = SECRET .. "\r\nX-Evil: yes" }, {})
      assert.is_nil(made)
      assert.are.equal("credentials", err.kind)
      assert.is_truthy(err.message:find("^a test: .*" .. name))
      assert.is_nil(tostring(err):find(SECRET, 1, true))
      assert.is_nil(tostring(err):find("Evil", 1, true))
    end
  end)
end)

describe("the error of a provider", function()
  it("is of kind credentials, and has the status and the request id of what led to it", function()
    local cause = errors.new { kind = "service", message = "no", status = 403, request_id = "r" }
    local nothing, err = set.failure("AccessDenied", "a role: no", cause)
    assert.is_nil(nothing)
    assert.are.equal("credentials", err.kind)
    assert.are.equal("AccessDenied", err.code)
    assert.are.equal("a role: no", err.message)
    assert.are.equal(cause, err.cause)
    assert.are.equal(403, err.status)
    assert.are.equal("r", err.request_id)
  end)

  it("is repeated as another object that says the same", function()
    local cause = errors.new { kind = "service", message = "no" }
    local err = select(2, set.failure("AccessDenied", "a role: no", cause))
    local again = set.repeated(err)
    assert.are.equal(tostring(err), tostring(again))
    assert.are.equal(cause, again.cause)
    again.operation, again.message = "DescribeClusters", "changed"
    again.history[1] = {}
    assert.is_nil(err.operation)
    assert.are.equal("a role: no", err.message)
    assert.are.same({}, err.history)
  end)
end)
