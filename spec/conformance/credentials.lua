--- The runners of test data about credentials: each drives a whole client, whose environment, files and network are those of
-- the case. What differs is raised, for `spec/conformance.lua` to show.
-- @module spec.conformance.credentials

local cloudhsmv2 = require "cloudhsmv2"
local json = require "spec.tools.json"
local moment = require "cloudhsmv2.moment"
local plan = require "cloudhsmv2.credentials.plan"
local sigv4 = require "cloudhsmv2.sigv4"
local sso = require "cloudhsmv2.credentials.sso"

local HOME = "/home"

-- Of another SDK's errors we have the facts, not the words. What they say in words alone, by what is ours for it.
local SAME = {
  ["provider was not enabled"] = "NoCredentials",
  ["No environment variables were set"] = "NoCredentials",
  ["invalid uri"] = "character that a URL cannot have",
}

local function expect(what, expected, actual)
  if expected ~= actual then
    error(string.format("%s\n    expected: %s\n    actual:   %s", what, tostring(expected), tostring(actual)), 0)
  end
end

-- The facts of a message: names in backticks, names of keys, codes, numbers.
local function facts_of(text)
  local facts = {}
  for fact in text:gmatch "`([^`]+)`" do
    facts[#facts + 1] = fact
  end
  for word in text:gsub("`[^`]*`", " "):gmatch "[A-Za-z0-9_]+" do
    if word:find "^%d+$" or word:find "%l_%l" or word:find "%l%u" then
      facts[#facts + 1] = (word:gsub("Exception$", ""))
    end
  end
  return facts
end

-- Compares tables, at any depth.
local function expect_same(path, expected, actual)
  if type(expected) ~= "table" or type(actual) ~= "table" then
    return expect(path, expected, actual)
  end
  for key, value in pairs(expected) do
    expect_same(path .. "." .. key, value, actual[key])
  end
  for key, value in pairs(actual) do
    if expected[key] == nil then
      expect(path .. "." .. key, nil, value)
    end
  end
end

-- Whether our error says what the data expects: the words, or what is ours for them, or every fact of them.
local function expect_error(expected, err)
  local ours = tostring(err)
  if ours:find(expected, 1, true) then
    return
  end
  for theirs, same in pairs(SAME) do
    if expected:find(theirs, 1, true) and ours:find(same, 1, true) then
      return
    end
  end
  local text = expected:gsub("%(os error %d+%)", "")
  local facts = facts_of(text)
  local missing = #facts == 0
  for _, fact in ipairs(facts) do
    missing = missing or not ours:lower():find(fact:lower(), 1, true)
  end
  if missing then
    expect("error", expected, ours)
  end
end

-- A client whose machine is `machine`: `env`, `fs` (texts by path), `time`, `send`. A case that says nothing of a region gets
-- one, and http:// is allowed, which these cases use for made-up hosts.
local function client_of(machine, options)
  local now = 0
  local given = {
    allow_http = true,
    getenv = function(name)
      return machine.env[name]
    end,
    read_file = function(path)
      return machine.fs[path]
    end,
    write_file = function(path, content)
      machine.fs[path] = content
      return true
    end,
    runtime = {
      send = machine.send,
      sleep = function(seconds)
        now = now + seconds
      end,
      now = function()
        return now
      end,
      time = function()
        return machine.time + now
      end,
    },
  }
  for name, value in pairs(options or {}) do
    given[name] = value
  end
  local client, err = cloudhsmv2.new(given)
  if not client and err.code == "NoRegion" then
    given.region = "us-east-1"
    client, err = cloudhsmv2.new(given)
  end
  return client, err
end

local function lower_names(headers)
  local lower = {}
  for name, value in pairs(headers or {}) do
    lower[name:lower()] = value
  end
  return lower
end

local function header_of(request, name)
  for _, header in ipairs(request.headers) do
    if header[1]:lower() == name:lower() then
      return header[2]
    end
  end
end

-- An address in one form: without a slash at its end, the parts of its query in order.
local function same_form(url)
  local before, query = url:match "^([^?]*)%??(.*)$"
  local parts = {}
  for part in query:gmatch "[^&]+" do
    parts[#parts + 1] = part
  end
  table.sort(parts)
  return before:gsub("/$", "") .. "?" .. table.concat(parts, "&")
end

-- Compares keys that only C holds: by what they sign.
local function signature_of(credentials)
  return assert(sigv4.sign {
    method = "POST",
    path = "/",
    headers = { { "Host", "example.com" } },
    region = "us-east-1",
    service = "service",
    time = 1440938160,
    credentials = credentials,
  }).authorization
end

local function expect_keys(wanted, set)
  local expected = signature_of {
    access_key_id = wanted.access_key_id,
    secret_access_key = wanted.secret_access_key,
    session_token = wanted.session_token,
  }
  expect("access key id", wanted.access_key_id, set.credentials:access_key_id())
  expect("signature", expected, signature_of(set.credentials))
  expect("account", wanted.account_id, set.account_id)
  expect("expiration", wanted.expiry, set.expiration)
end

local runners = {}

-- ---- Whole chains over recorded exchanges ----

-- The recordings are of SDKs that ask an instance's older list of credentials only. Ours asks the newer first, and gets the answer
-- of an instance that has none.
local NEWER_LIST = "/latest/meta%-data/iam/security%-credentials%-extended/"

-- A network of recorded exchanges, each of which is used once.
local function recorded(exchanges)
  local used = {}
  return function(request)
    if request.url:find(NEWER_LIST) then
      return { status = 404, headers = {}, body = "" }
    end
    for i, exchange in ipairs(exchanges) do
      local wanted = exchange.request
      local same = request.method == wanted.method and same_form(request.url) == same_form(wanted.uri)
      local wanted_headers = lower_names(wanted.headers)
      for _, name in ipairs { "x-aws-ec2-metadata-token", "x-amz-sso_bearer_token" } do
        same = same and (wanted_headers[name] or header_of(request, name)) == header_of(request, name)
      end
      if same and not used[i] then
        used[i] = true
        local answer = exchange.response
        if type(answer) ~= "table" or not answer.status then
          local timed_out = tostring(exchange.error or ""):lower():find "timeout" ~= nil
          return nil,
            { kind = timed_out and "timeout" or "transport", code = "Recorded", message = "no answer", sent = "no" }
        end
        return { status = answer.status, headers = lower_names(answer.headers), body = answer.body or "" }
      end
    end
    return nil, { kind = "transport", code = "CouldNotConnect", message = "nothing was recorded for this", sent = "no" }
  end
end

-- The token of single sign-on, for data about tokens alone.
local function expect_token(case, machine)
  local found
  for _, content in pairs(machine.fs) do
    found = found or content:match "%[sso%-session ([^%]]+)%]"
  end
  local provider = sso.new({
    getenv = function(name)
      return machine.env[name]
    end,
    read_file = function(path)
      return machine.fs[path]
    end,
    runtime = {
      time = function()
        return machine.time
      end,
    },
  }, { session = found, profile = "default", place = "the case" }, "r")
  local token, expires = provider:token()
  if not token then
    error(tostring(expires), 0)
  end
  expect("token", case.expect.result.Ok.token, token)
  expect("expiration", case.expect.result.Ok.expiration, moment.iso(expires))
end

-- A list of { group, name, env, fs, http = list of { request, response or error }, expect = { result = Ok or ErrorContains } }.
runners["credential-scenarios.json"] = function(data, run)
  for _, case in ipairs(data) do
    run(case.group .. ", " .. case.name, function()
      local send = recorded(case.http)
      local machine = { env = case.env, fs = case.fs, send = send, time = 1000000000 } -- before any of them expires
      local result = case.expect.result
      if result.Ok and result.Ok.token then
        return expect_token(case, machine)
      end
      local options = { profile = case.env.AWS_PROFILE or "default" } -- so that the environment's keys are not looked at
      local client, err = client_of(machine, case.group == "profile-provider" and options or nil)
      local credentials, set
      if client then
        credentials, set = client.credentials:get()
        err = not credentials and set or nil
      end
      if result.Ok then
        if err then
          error(tostring(err), 0)
        end
        expect_keys(result.Ok, set)
      else
        expect("credentials", nil, credentials)
        expect_error(result.ErrorContains, err)
      end
      if client then
        client:close()
      end
    end)
  end
end

-- ---- Plans of profiles ----

local function properties_of(sections)
  local found = {}
  for name, values in pairs(sections or {}) do
    found[name] = {}
    local line = 1
    for key, value in pairs(values) do
      line = line + 1
      found[name][key] = { value = value, file = "config", line = line }
    end
  end
  return found
end

local BASES = {
  keys = function(base)
    return "AccessKey",
      {
        access_key_id = base.access_key_id,
        secret_access_key = base.secret_access_key,
        session_token = base.session_token,
        account_id = base.account_id,
      }
  end,
  source = function(base)
    return "NamedSource", base.name
  end,
  web_identity = function(base)
    return "WebIdentityToken",
      {
        role_arn = base.role_arn,
        role_session_name = base.role_session_name,
        web_identity_token_file = base.token_file,
      }
  end,
  sso = function(base)
    return "Sso",
      {
        sso_session = base.session,
        sso_region = base.region,
        sso_start_url = base.start_url,
        sso_account_id = base.account_id,
        sso_role_name = base.role_name,
      }
  end,
  login = function(base)
    return "LoginSession", { login_session = base.session }
  end,
  process = function(base)
    return "CredentialProcess", base.command
  end,
}

-- A list of { docs, input = { profiles, sso_sessions, selected_profile }, output = { ProfileChain or Error } }.
runners["assume-role-tests.json"] = function(data, run)
  for number, case in ipairs(data) do
    run(string.format("case %d, %s", number, case.docs), function()
      local found, err = plan.of({
        profiles = properties_of(case.input.profiles),
        sso_sessions = properties_of(case.input.sso_sessions),
      }, case.input.selected_profile)
      if case.output.Error then
        expect("plan", nil, found)
        return expect_error(
          case.output.Error,
          err or "the profile says nothing of credentials: it did not contain credential information"
        )
      elseif not found then
        error(tostring(err), 0)
      end
      local kind, facts = BASES[found.base.kind](found.base)
      local chain = { { [kind] = facts } }
      for _, role in ipairs(found.roles) do
        chain[#chain + 1] = {
          AssumeRole = {
            role_arn = role.role_arn,
            role_session_name = role.role_session_name,
            external_id = role.external_id,
          },
        }
      end
      expect_same("plan", case.output.ProfileChain, chain)
    end)
  end
end

-- ---- Containers ----

-- { tests = list of { docs, env, result = Ok (the address) or ErrorContains } }.
runners["ecs-tests.json"] = function(data, run)
  for number, case in ipairs(data.tests) do
    run(string.format("case %d, %s", number, case.docs), function()
      local asked
      local env = { AWS_EC2_METADATA_DISABLED = "true" }
      for name, value in pairs(case.env) do
        env[name] = value
      end
      local client = assert(client_of {
        env = env,
        fs = {},
        time = 0,
        send = function(request)
          asked = asked or request.url
          expect("through a proxy", true, request.direct)
          local body =
            '{"AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"x","Token":"t","Expiration":"2030-01-01T00:00:00Z"}'
          return { status = 200, headers = {}, body = body }
        end,
      })
      local credentials, err = client.credentials:get()
      client:close()
      expect("address", case.result.Ok, asked)
      if case.result.Ok then
        expect("has credentials", true, credentials ~= nil)
      elseif err.code ~= "InvalidContainerUri" then -- which is all that data about addresses can say
        expect_error(case.result.ErrorContains, err)
      end
    end)
  end
end

-- ---- Instance metadata ----

-- { tests = list of { docs, env, fs, endpoint_override, mode_override, result = Ok (the address of the token) or Err } }.
runners["imds-endpoint-tests.json"] = function(data, run)
  for number, case in ipairs(data.tests) do
    run(string.format("case %d, %s", number, case.docs), function()
      local asked
      local client = assert(client_of({
        env = case.env,
        fs = case.fs or {},
        time = 0,
        send = function(request)
          asked = asked or request.url
          return { status = 403, headers = {}, body = "" }
        end,
      }, {
        ec2_metadata_service_endpoint = case.endpoint_override,
        ec2_metadata_service_endpoint_mode = case.mode_override,
      }))
      local _, err = client.credentials:get()
      client:close()
      expect("address", case.result.Ok, asked)
      if case.result.Err then
        expect_error(case.result.Err, err)
      end
    end)
  end
end

-- A list of { name, ec2InstanceProfileName, exchanges = list of { get, response }, outcomes = list of { result, accountId } }:
-- credentials are asked for once for each outcome. The exchange that gets a token is not among them.
runners["imds-extended-cases.json"] = function(data, run)
  for _, case in ipairs(data) do
    run(case.name, function()
      local number = 0
      local given = case.ec2InstanceProfileName
      local client = assert(client_of {
        env = { AWS_EC2_INSTANCE_PROFILE_NAME = given ~= json.null and given or nil },
        fs = {},
        time = moment.of_iso "2025-03-12T21:00:00Z",
        send = function(request)
          if request.method == "PUT" then
            return { status = 200, headers = {}, body = "token" }
          end
          number = number + 1
          local exchange = case.exchanges[number] or error "one request too many"
          expect("request " .. number, "http://169.254.169.254" .. exchange.get, request.url)
          local body = exchange.response.body
          body = type(body) == "table" and json.text(body) or body
          return { status = exchange.response.status, headers = {}, body = body or "" }
        end,
      })
      for i, outcome in ipairs(case.outcomes) do
        local credentials, set = client.credentials:get()
        expect("outcome " .. i, outcome.result == "credentials", credentials ~= nil)
        if credentials then
          expect("account", outcome.accountId, set.account_id)
          client.credentials:refuse(credentials) -- so that the next call asks again
        elseif outcome.result ~= "error" then
          expect_error(outcome.result, set)
        end
      end
      expect("requests", #case.exchanges, number)
      client:close()
    end)
  end
end

-- ---- aws login ----

-- A list of { documentation, configContents, cacheContents, mockApiCalls = list of { request, response }, outcomes = list of
-- { result = "credentials", "error" or "cacheContents", and what is expected } }.
runners["login-provider-test-cases.json"] = function(data, run)
  for _, case in ipairs(data) do
    run(case.documentation, function()
      local machine = {
        env = { HOME = HOME, AWS_PROFILE = "signin", AWS_REGION = "us-east-1" },
        fs = { [HOME .. "/.aws/config"] = case.configContents },
        time = moment.of_iso "2025-11-19T00:00:00Z",
      }
      local function path_of(name)
        return HOME .. "/.aws/login/cache/" .. name
      end
      for name, content in pairs(case.cacheContents or {}) do
        machine.fs[path_of(name)] = type(content) == "table" and json.text(content) or content
      end
      local calls, number = case.mockApiCalls or {}, 0
      machine.send = function(request)
        number = number + 1
        local call = calls[math.min(number, #calls)]
        if not call then
          return nil, { kind = "transport", code = "CouldNotConnect", message = "no call is expected", sent = "no" }
        end
        expect("URL", "https://us-east-1.signin.aws.amazon.com/v1/token", request.url)
        expect("parts of the proof", 2, select(2, header_of(request, "DPoP"):gsub("%.", "")))
        expect("is signed", nil, header_of(request, "Authorization"))
        if not json.same(call.request.tokenInput, json.decode(request.body)) then
          expect("body", json.text(call.request.tokenInput), request.body)
        end
        local output = call.response.tokenOutput
        if output then
          return { status = 200, headers = {}, body = json.text(output) }
        end
        return { status = call.response.responseCode or 400, headers = {}, body = json.text(call.response) }
      end
      local client = assert(client_of(machine))
      local credentials, set = client.credentials:get()
      for _, outcome in ipairs(case.outcomes) do
        if outcome.result == "credentials" then
          if not credentials then
            error(tostring(set), 0)
          end
          expect_keys({
            access_key_id = outcome.accessKeyId,
            secret_access_key = outcome.secretAccessKey,
            session_token = outcome.sessionToken,
            account_id = outcome.accountId,
            expiry = moment.of_iso(outcome.expiresAt),
          }, set)
        elseif outcome.result == "cacheContents" then
          for name, content in pairs(outcome) do
            if type(content) == "table" and not json.same(content, json.decode(machine.fs[path_of(name)])) then
              expect(name, json.text(content), machine.fs[path_of(name)])
            end
          end
        else
          expect("credentials", nil, credentials)
        end
      end
      client:close()
    end)
  end
end

return runners
