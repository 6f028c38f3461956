--- Nothing that anybody gets to see holds a secret. Every way to credentials is gone, with answers that succeed, that fail, and
-- that throw the secrets back; all events, errors, descriptions and reports of it are searched for what went in.

local cloudhsmv2 = require "cloudhsmv2"
local json_lines = require "examples.events.json_lines"

local ID = "AKIDEXAMPLE"

-- Twelve kinds of secrets and more, each with a text of its own.
local CANARIES = {
  secret_key = "canary/secret+access/key0000000000000001",
  session_token = "canarySessionToken0002/+==",
  second_secret_key = "canary/of/sts/secret/key000000000000003",
  second_session_token = "canaryOfStsSessionToken0004/+==",
  metadata_token = "canaryMetadataToken0005==",
  container_token = "Basic canaryContainerToken0006",
  web_identity_token = "eyJhbGciOiJSUzI1NiJ9.canaryWebIdentity0007.x-y_z",
  sso_access_token = "canarySsoAccessToken0008",
  sso_refresh_token = "canarySsoRefreshToken0009",
  sso_client_secret = "canarySsoClientSecret0010",
  login_refresh_token = "canaryLoginRefreshToken0011",
  login_key = "canaryLoginKey0012",
  proxy_password = "canaryProxyPassword0013",
  crypto_officer = "canaryPreCoPassword0014",
  external_id = "canaryExternalId0015",
  mfa_code = "160016",
}

local FILES = {
  ["/home/.aws/config"] = table.concat({
    "[profile base]",
    "aws_access_key_id = " .. ID,
    "aws_secret_access_key = " .. CANARIES.secret_key,
    "aws_session_token = " .. CANARIES.session_token,
    "[profile role]",
    "role_arn = arn:aws:iam::123456789012:role/r",
    "source_profile = base",
    "external_id = " .. CANARIES.external_id,
    "[profile mfa]",
    "role_arn = arn:aws:iam::123456789012:role/m",
    "source_profile = base",
    "mfa_serial = arn:aws:iam::123456789012:mfa/user",
    "[profile web]",
    "role_arn = arn:aws:iam::123456789012:role/w",
    "web_identity_token_file = /token",
    "[profile sso]",
    "sso_session = s",
    "sso_account_id = 123456789012",
    "sso_role_name = r",
    "[sso-session s]",
    "sso_region = us-east-1",
    "sso_start_url = https://example.com/start",
    "[profile login]",
    "login_session = arn:aws:sts::123456789012:assumed-role/Admin/admin",
    "[profile instance]",
    "role_arn = arn:aws:iam::123456789012:role/i",
    "credential_source = Ec2InstanceMetadata",
    "[profile container]",
    "role_arn = arn:aws:iam::123456789012:role/c",
    "credential_source = EcsContainer",
    "[profile process]",
    "credential_process = a command that shows canaries",
  }, "\n"),
  ["/token"] = CANARIES.web_identity_token,
}

-- sha1("s") and sha256 of the login session
local SSO_FILE = "/home/.aws/sso/cache/a0f1490a20d0211c997b44bc357e1972deab8ae3.json"
local SSO_CONTENT = ([[{"accessToken":"%s","expiresAt":"2026-01-01T00:01:00Z","refreshToken":"%s","clientId":"c","clientSecret":"%s",
  "registrationExpiresAt":"2030-01-01T00:00:00Z"}]]):format(
  CANARIES.sso_access_token,
  CANARIES.sso_refresh_token,
  CANARIES.sso_client_secret
)
local LOGIN_CONTENT = ([[{"accessToken":{"accessKeyId":"%s","secretAccessKey":"%s","sessionToken":"%s",
  "expiresAt":"2026-01-01T00:01:00Z"},"refreshToken":"%s","clientId":"c","dpopKey":"%s"}]]):format(
  ID,
  CANARIES.secret_key,
  CANARIES.session_token,
  CANARIES.login_refresh_token,
  CANARIES.login_key
)

local KEYS_JSON = ([["AccessKeyId":"%s","SecretAccessKey":"%s","%%s":"%s","Expiration":"2026-01-01T06:00:00Z"]]):format(
  ID,
  CANARIES.second_secret_key,
  CANARIES.second_session_token
)
local STS_XML = ([[<%%sResponse><%%sResult><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey>
  <SessionToken>%s</SessionToken><Expiration>2026-01-01T01:00:00Z</Expiration></Credentials></%%sResult></%%sResponse>]]):format(
  ID,
  CANARIES.second_secret_key,
  CANARIES.second_session_token
)

-- What goes right: every service answers with secrets.
local function generous(request)
  local url, action = request.url, (request.body or ""):match "^Action=([A-Za-z]+)"
  if action then
    return { status = 200, headers = {}, body = STS_XML:format(action, action, action, action) }
  elseif url:find("/latest/api/token", 1, true) then
    return { status = 200, headers = {}, body = CANARIES.metadata_token }
  elseif url:find "/security%-credentials[a-z-]*/$" then
    return { status = 200, headers = {}, body = "role" }
  elseif url:find("/security-credentials", 1, true) or url:find("169.254.170.2", 1, true) then
    return { status = 200, headers = {}, body = "{" .. KEYS_JSON:format "Token" .. "}" }
  elseif url:find("/federation/credentials", 1, true) then
    local body =
      '{"roleCredentials":{"accessKeyId":"%s","secretAccessKey":"%s","sessionToken":"%s","expiration":1767250800000}}'
    return {
      status = 200,
      headers = {},
      body = body:format(ID, CANARIES.second_secret_key, CANARIES.second_session_token),
    }
  elseif url:find("oidc", 1, true) then
    local body = '{"accessToken":"%s","refreshToken":"%s","expiresIn":3600}'
    return { status = 200, headers = {}, body = body:format(CANARIES.sso_access_token, CANARIES.sso_refresh_token) }
  end
  return { status = 200, headers = {}, body = '{"Clusters":[]}' }
end

-- What a server knows of a request, all of it, on one line.
local function everything(request)
  local parts = { request.url, request.body or "" }
  for _, header in ipairs(request.headers) do
    parts[#parts + 1] = header[1] .. ": " .. header[2]
  end
  return (table.concat(parts, " "):gsub('[%c"\\]', " "))
end

-- What goes wrong: the same services, once everybody has answered `before` times, refuse and throw back what they were sent.
local function spiteful(before, status)
  local count = 0
  return function(request)
    count = count + 1
    if count <= before then
      return generous(request)
    end
    local told = everything(request)
    if request.url:find("sts", 1, true) then
      local xml = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>%s</Message></Error></ErrorResponse>"
      return { status = status, headers = {}, body = xml:format((told:gsub("[<&]", " "))) }
    end
    local body = ('{"__type":"AccessDeniedException","code":"%s","Code":"Failed","message":"%s","Message":"%s"}'):format(
      "Denied",
      told,
      told
    )
    return { status = status, headers = {}, body = body }
  end
end

-- The network itself fails, and its message has what was sent.
local function broken(before)
  local count = 0
  return function(request)
    count = count + 1
    if count <= before then
      return generous(request)
    end
    return nil, { kind = "transport", code = "Broken", message = "lost: " .. everything(request), sent = "maybe" }
  end
end

-- Everything that a value says, at any depth.
local function add_texts(texts, value, seen)
  if type(value) == "string" then
    texts[#texts + 1] = value
  elseif type(value) == "table" and not seen[value] then
    seen[value] = true
    texts[#texts + 1] = tostring(value)
    for key, item in pairs(value) do
      add_texts(texts, key, seen)
      add_texts(texts, item, seen)
    end
  elseif value ~= nil then
    texts[#texts + 1] = tostring(value)
  end
end

-- One run: a client with these options over this network, made to say all it can. Returns the texts.
local function run(options, send)
  local files = {}
  for path, content in pairs(FILES) do
    files[path] = content
  end
  files[SSO_FILE] = SSO_CONTENT
  local login_file
  local seen_files, events, lines, said = {}, {}, {}, {}
  local now = 0
  local given = {
    region = "us-east-1",
    mfa_token_provider = function()
      return CANARIES.mfa_code
    end,
    getenv = function(name)
      return (options.env or {})[name] or ({ HOME = "/home" })[name]
    end,
    read_file = function(path)
      if path:find("/login/cache/", 1, true) then
        login_file = path
        return LOGIN_CONTENT
      end
      return files[path]
    end,
    write_file = function(path)
      seen_files[#seen_files + 1] = path
      return nil, "permission denied"
    end,
    runtime = {
      send = send,
      sleep = function(seconds)
        now = now + seconds
      end,
      now = function()
        return now
      end,
      time = function()
        return 1767225600 + now
      end,
      run = function()
        return { status = options.exit or 0, output = options.output or "" }
      end,
    },
  }
  for _, name in ipairs { "profile", "credentials" } do
    given[name] = options[name]
  end
  local to_json = json_lines.new({
    write = function(_, ...)
      lines[#lines + 1] = table.concat { ... }
    end,
  }, function()
    return 0
  end)
  given.on_event = function(event)
    events[#events + 1] = event
    to_json(event)
  end
  local client, err = cloudhsmv2.new(given)
  local out
  if client then
    out, err = client:describe_clusters()
    add_texts(said, { tostring(client), client:describe_configuration() }, {})
    local _, second =
      client:initialize_cluster { ClusterId = "cluster-abcdefghijk", SignedCert = "x", TrustAnchor = "x" }
    add_texts(said, second, {})
    client.credentials:refuse((client.credentials:get()))
    local _, third = client:describe_backups()
    add_texts(said, third, {})
    client:close()
  end
  add_texts(said, { out, err, events, lines, seen_files, login_file }, {})
  add_texts(said, cloudhsmv2.doctor(given), {})
  return said, out
end

-- Fails at the first text that shows a secret. There are many thousand texts: only what was found is worth an assertion's time.
local function expect_clean(what, texts)
  for _, text in ipairs(texts) do
    local said = text:gsub("^%a+: 0x%x+$", "") -- the digits of a table's address may be any
    for kind, canary in pairs(CANARIES) do
      if said:find(canary, 1, true) then
        error(("%s: shows the %s: %s"):format(what, kind, text))
      end
    end
    if text:find "Signature=%x" then
      error(what .. ": shows a signature: " .. text)
    end
  end
end

local WAYS = {
  ["keys in code"] = {
    credentials = {
      access_key_id = ID,
      secret_access_key = CANARIES.secret_key,
      session_token = CANARIES.session_token,
    },
  },
  ["a function"] = {
    credentials = function()
      return { access_key_id = ID, secret_access_key = CANARIES.secret_key, session_token = CANARIES.session_token }
    end,
  },
  ["a function that returns a secret"] = {
    credentials = function()
      return CANARIES.secret_key
    end,
  },
  ["a misplaced secret"] = { credentials = { access_key_id = ID, [CANARIES.secret_key] = true } },
  ["the environment"] = {
    env = {
      AWS_ACCESS_KEY_ID = ID,
      AWS_SECRET_ACCESS_KEY = CANARIES.secret_key,
      AWS_SESSION_TOKEN = CANARIES.session_token,
      https_proxy = "http://user:" .. CANARIES.proxy_password .. "@proxy:3128",
    },
  },
  ["half a pair"] = { env = { AWS_SECRET_ACCESS_KEY = CANARIES.secret_key } },
  ["a secret with a line end"] = {
    env = { AWS_ACCESS_KEY_ID = ID, AWS_SECRET_ACCESS_KEY = CANARIES.secret_key .. "\n" },
  },
  ["a profile's keys"] = { profile = "base" },
  ["a role"] = { profile = "role" },
  ["a role with MFA"] = { profile = "mfa" },
  ["a web identity"] = { profile = "web" },
  ["single sign-on"] = { profile = "sso" },
  ["aws login"] = { profile = "login" },
  ["an instance"] = { profile = "instance" },
  ["a container"] = {
    profile = "container",
    env = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI = "http://169.254.170.2/x",
      AWS_CONTAINER_AUTHORIZATION_TOKEN = CANARIES.container_token,
    },
  },
  ["a container with a broken token"] = {
    profile = "container",
    env = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI = "http://169.254.170.2/x",
      AWS_CONTAINER_AUTHORIZATION_TOKEN = CANARIES.container_token .. "\r\nX: y",
    },
  },
  ["a container's address with a password"] = {
    profile = "container",
    env = { AWS_CONTAINER_CREDENTIALS_FULL_URI = "https://user:" .. CANARIES.proxy_password .. "@host/x" },
  },
  ["a process"] = { profile = "process", output = '{"Version":1,' .. KEYS_JSON:format "SessionToken" .. "}" },
  ["a process that fails"] = { profile = "process", exit = 7, output = CANARIES.secret_key },
  ["a process that babbles"] = { profile = "process", output = "key: " .. CANARIES.secret_key },
  ["a process that says half"] = {
    profile = "process",
    output = '{"Version":1,"SecretAccessKey":"' .. CANARIES.secret_key .. '"}',
  },
}

describe("no secret is shown", function()
  for way, options in pairs(WAYS) do
    it("by what goes right with " .. way, function()
      expect_clean(way, (run(options, generous)))
    end)

    it("by what is refused with " .. way, function()
      for before = 0, 4 do
        for _, status in ipairs { 400, 401, 403, 500 } do
          expect_clean(way, (run(options, spiteful(before, status))))
        end
      end
    end)

    it("by a network that breaks with " .. way, function()
      for before = 0, 4 do
        expect_clean(way, (run(options, broken(before))))
      end
    end)
  end

  it("by an output with a password in it, or an error about it", function()
    local model = require "cloudhsmv2.model"
    local names = require("cloudhsmv2.protocol").sensitive_members(model.shapes)
    assert.is_true(names.PreCoPassword)
    local echo = '{"Clusters":[{"PreCoPassword":"' .. CANARIES.crypto_officer .. '"}'
    for _, answer in ipairs {
      { status = 200, headers = {}, body = echo },
      { status = 400, headers = {}, body = echo .. "]}" },
      { status = 500, headers = {}, body = "<html>" .. echo },
    } do
      local texts = run(WAYS["keys in code"], function()
        return answer
      end)
      expect_clean("an answer", texts)
    end
  end)

  it("although each way but the broken ones does lead to an answer", function()
    local answered = 0
    for way, options in pairs(WAYS) do
      local _, out = run(options, generous)
      if out then
        answered = answered + 1
      elseif way == "a role" or way == "single sign-on" or way == "an instance" or way == "a process" then
        error(way .. " did not lead to an answer")
      end
    end
    assert.is_true(answered >= 11)
  end)
end)
