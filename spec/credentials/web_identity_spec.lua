local machine = require "spec.helper.machine"
local web_identity = require "cloudhsmv2.credentials.web_identity"

local ROLE = "arn:aws:iam::123456789012:role/r"
local TOKEN = "eyJhbGciOiJSUzI1NiJ9.payload.signature"
local ANSWER = { body = machine.sts_xml "AssumeRoleWithWebIdentity" }

-- A pod of EKS: what its environment says, and the file.
local function pod(env, files)
  local variables = { AWS_WEB_IDENTITY_TOKEN_FILE = "/var/token", AWS_ROLE_ARN = ROLE }
  for name, value in pairs(env or {}) do
    variables[name] = value or nil
  end
  return machine.new { env = variables, files = files or { ["/var/token"] = TOKEN .. "\n" }, answer = ANSWER }
end

local function provider_of(here)
  return web_identity.of_environment(here:context())
end

local function sent_token(here, number)
  return here.requests[number or #here.requests].body:match "WebIdentityToken=([^&]*)"
end

describe("a web identity of the environment", function()
  it("becomes a role's credentials", function()
    local here = pod { AWS_ROLE_SESSION_NAME = "pod" }
    local set = assert(provider_of(here):load())
    assert.are.equal(machine.ID, set.credentials:access_key_id())
    assert.are.equal("h,k", set.features)
    assert.are.equal("web identity of " .. ROLE .. " (env AWS_WEB_IDENTITY_TOKEN_FILE)", set.origin)
    assert.are.equal("123456789012", set.account_id)
    local body = here.requests[1].body
    assert.is_truthy(body:find("RoleSessionName=pod&", 1, true))
    assert.is_truthy(body:find("RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fr&", 1, true))
    assert.is_nil(machine.header(here.requests[1], "Authorization"))
  end)

  it("is not configured without the file, whatever role another tool was given", function()
    for _, blank in ipairs { false, "", " " } do
      local here = pod { AWS_WEB_IDENTITY_TOKEN_FILE = blank }
      assert.are.same({}, { provider_of(here):load() })
      assert.are.equal(0, #here.requests)
    end
  end)

  it("is a mistake without the role", function()
    local here = pod { AWS_ROLE_ARN = false }
    local set, err = provider_of(here):load()
    assert.is_nil(set)
    assert.are.equal("credentials", err.kind)
    assert.are.equal("AWS_ROLE_ARN: not set, but AWS_WEB_IDENTITY_TOKEN_FILE is", err.message)
    assert.are.equal(0, #here.requests)
  end)

  it("says where it looks", function()
    assert.are.equal("AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN in the environment", provider_of(pod()).looks_at)
  end)

  it("closes with nothing to wipe", function()
    local provider = provider_of(pod())
    provider:close()
    provider.inner:close()
  end)
end)

describe("a token in a file", function()
  it("is sent without the blanks at its end", function()
    for _, content in ipairs { TOKEN, TOKEN .. "\n", TOKEN .. "\r\n", TOKEN .. " \t\n\n" } do
      local here = pod(nil, { ["/var/token"] = content })
      assert(provider_of(here):load())
      assert.are.equal(TOKEN, sent_token(here))
    end
  end)

  it("is read again for every refresh, since whoever writes it renews it", function()
    local here = pod()
    local provider = provider_of(here)
    assert(provider:load())
    here.files["/var/token"] = "another"
    assert(provider:load())
    assert.are.equal("another", sent_token(here, 2))
  end)

  it("may be in the home", function()
    local here = pod({ AWS_WEB_IDENTITY_TOKEN_FILE = "~/token" }, { ["/home/token"] = "mine" })
    assert(provider_of(here):load())
    assert.are.equal("mine", sent_token(here))
  end)

  it("is an error when it cannot be read or is none, and nothing is sent or shown", function()
    local cases = {
      { nil, "there is no such file" },
      { { reason = "permission denied" }, "permission denied" },
      { "", "the file is empty" },
      { " \r\n", "the file is empty" },
      { TOKEN .. "\nX-Evil: yes", "the file is no token" },
      { TOKEN .. "\0", "the file is no token" },
    }
    for _, case in ipairs(cases) do
      local here = pod(nil, { ["/var/token"] = case[1] })
      local set, err = provider_of(here):load()
      assert.is_nil(set)
      assert.are.equal("credentials", err.kind)
      assert.are.equal("UnreadableToken", err.code)
      assert.are.equal(
        'web_identity_token_file "/var/token" (env AWS_WEB_IDENTITY_TOKEN_FILE): ' .. case[2],
        err.message
      )
      assert.are.equal(0, #here.requests)
    end
  end)
end)

describe("a web identity of a profile", function()
  it("is the same, and says where it stands", function()
    local here = machine.with(
      "[default]\nrole_arn = " .. ROLE .. "\nweb_identity_token_file = /var/token\nrole_session_name = me",
      { files = { ["/var/token"] = TOKEN }, answer = ANSWER }
    )
    local client = assert(here:client())
    local credentials, set = client.credentials:get()
    assert.are.equal(machine.ID, credentials:access_key_id())
    assert.are.equal("q,k", set.features)
    assert.are.equal("web identity of " .. ROLE .. " (~/.aws/config:3)", set.origin)
    assert.is_truthy(here.requests[1].body:find("RoleSessionName=me&", 1, true))
  end)

  it("wins over the environment's, unless the environment chose no profile with one", function()
    local here = pod()
    here.files["/home/.aws/config"] = "[default]\nrole_arn = arn:profile\nweb_identity_token_file = /var/token"
    assert(here:client().credentials:get())
    assert.is_truthy(here.requests[1].body:find("RoleArn=arn%3Aprofile", 1, true))
    here.files["/home/.aws/config"] = "[default]\nregion = eu-west-1"
    assert(here:client().credentials:get())
    assert.is_truthy(here.requests[2].body:find("RoleArn=arn%3Aaws%3Aiam", 1, true))
  end)

  it("is the first of a chain of roles", function()
    local here = machine.with(
      "[default]\nrole_arn = arn:last\nsource_profile = b\n[profile b]\nrole_arn = arn:web\nweb_identity_token_file = /var/token",
      {
        files = { ["/var/token"] = TOKEN },
        answer = { ANSWER, { body = machine.sts_xml() } },
      }
    )
    local _, set = here:client().credentials:get()
    assert.are.equal("q,k,o,i", set.features)
    assert.is_nil(machine.header(here.requests[1], "Authorization"))
    assert.is_truthy(machine.header(here.requests[2], "Authorization"))
  end)
end)
