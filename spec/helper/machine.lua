--- A machine that a test makes up: an environment, files, a network that answers by a script, and clocks that move only when
-- something sleeps. Clients on it, and what providers of credentials share.

local cloudhsmv2 = require "cloudhsmv2"
local codec = require "cloudhsmv2.codec"
local moment = require "cloudhsmv2.moment"
local scheduler = require "cloudhsmv2.runtime.scheduler"
local sigv4 = require "cloudhsmv2.sigv4"

local machine = {
  --- AWS's documented examples.
  ID = "AKIDEXAMPLE",
  SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  --- What services answer with, see `keys_json` and `sts_xml`.
  TOKEN = "session/token+of==",
  START = 1767225600, -- 2026-01-01T00:00:00Z
}

local methods = {}
local metatable = { __index = methods }

local document = codec.compile { Document = { type = "structure", members = {}, document = true } }

-- What a script says to a request: the answers in turn, the last one again and again; or what a function returns.
local function answer_to(self, request)
  local script = self.answer
  if type(script) == "function" then
    return script(request, #self.requests)
  elseif script[1] then
    return script[math.min(#self.requests, #script)]
  end
  return script
end

local function runtime_of(self)
  return {
    send = function(request)
      self.requests[#self.requests + 1] = request
      local answer = answer_to(self, request)
      if self.exchange_time > 0 then
        self:let_pass(self.exchange_time)
      end
      if answer.failure then
        return nil, answer.failure
      end
      return { status = answer.status or 200, headers = answer.headers or {}, body = answer.body or "" }
    end,
    sleep = function(seconds)
      self.slept[#self.slept + 1] = seconds
      self:let_pass(seconds)
    end,
    now = function()
      return self.clock
    end,
    time = function()
      return self.wall
    end,
    overlaps = scheduler.is_in_task,
    run = self.run,
  }
end

--- Lets seconds pass, on both clocks. In a task of `at_once` the others go on meanwhile.
function methods:let_pass(seconds)
  if scheduler.is_in_task() then
    scheduler.sleep(seconds)
  else
    self.clock, self.wall = self.clock + seconds, self.wall + seconds
  end
end

--- Runs functions as tasks whose waiting overlaps, in the time of this machine.
-- @tparam table functions which do not raise
function methods:at_once(functions)
  scheduler.all(functions, {
    now = function()
      return self.clock
    end,
    sleep = function(seconds)
      self.clock, self.wall = self.clock + seconds, self.wall + seconds
    end,
  })
end

--- A client on this machine.
-- @tparam[opt] table options as of `cloudhsmv2.new`; without a `region` it is eu-west-1, and false is none
function methods:client(options)
  local given = {
    getenv = self.getenv,
    read_file = self.read_file,
    write_file = self.write_file,
    runtime = self.runtime,
    on_event = function(event)
      self.events[#self.events + 1] = event
    end,
    random = function()
      return self.chance
    end,
    region = "eu-west-1",
  }
  for name, value in pairs(options or {}) do
    given[name] = value
  end
  given.region = given.region or nil
  return cloudhsmv2.new(given)
end

--- What the providers of a client on this machine share; see `cloudhsmv2.credentials`.
-- @tparam[opt] table options as above, without `credentials`
function methods:context(options)
  local client = assert(self:client(options))
  for _, provider in ipairs(client.credentials.providers) do
    if provider.name == "profile" then
      return provider.context
    end
  end
end

--- The first event of a kind, or nil.
function methods:event(kind)
  for _, event in ipairs(self.events) do
    if event.type == kind or event.code == kind then
      return event
    end
  end
end

--- @tparam[opt] table options any of the fields: `env`, by name; `files`, by path; `answer` of the network: `{ status, headers,
-- body }`, or `{ failure = ... }`, or a list of such in turn, or a function of the request and its number; `wall` and
-- `clock`, the time; `chance`, what is random; `exchange_time`, seconds that an exchange takes; `run`, instead of a shell
-- @treturn table the machine: these, and `requests`, `slept`, `events`, `written` (paths), as they come
function machine.new(options)
  local self = setmetatable({
    env = {},
    files = {},
    answer = { status = 404 },
    wall = machine.START,
    clock = 100,
    chance = 0,
    exchange_time = 0,
    requests = {},
    slept = {},
    events = {},
    written = {},
  }, metatable)
  for name, value in pairs(options or {}) do
    self[name] = value
  end
  self.env.HOME = self.env.HOME or "/home"
  self.getenv = function(name)
    return self.env[name]
  end
  self.read_file = function(path)
    local found = self.files[path]
    if type(found) == "table" then -- what keeps it from being read
      return nil, found.reason
    end
    return found
  end
  self.write_file = function(path, bytes)
    self.written[#self.written + 1] = path
    if self.unwritable then
      return nil, self.unwritable
    end
    self.files[path] = bytes
    return true
  end
  self.runtime = runtime_of(self)
  return self
end

--- A machine with a configuration file.
-- @tparam string config its text
-- @tparam[opt] table options as of `new`
function machine.with(config, options)
  local made = machine.new(options)
  made.files["/home/.aws/config"] = config
  return made
end

--- The value of a request's header, or nil.
function machine.header(request, name)
  for _, header in ipairs(request.headers) do
    if header[1]:lower() == name:lower() then
      return header[2]
    end
  end
end

--- JSON of a table whose fields that are false are left out.
function machine.json(fields)
  local said = {}
  for name, value in pairs(fields) do
    said[name] = value or nil
  end
  return assert(document:encode("Document", said))
end

--- What a container's and an instance's service answer with.
-- @tparam[opt=21600] number life seconds that the keys are good
-- @tparam[opt] table fields more of them, or others, or without those that are false
function machine.keys_json(life, fields)
  local said = {
    AccessKeyId = machine.ID,
    SecretAccessKey = machine.SECRET,
    Token = machine.TOKEN,
    Expiration = moment.iso(machine.START + (life or 21600)),
  }
  for name, value in pairs(fields or {}) do
    said[name] = value
  end
  return machine.json(said)
end

--- What STS answers with.
-- @tparam[opt="AssumeRole"] string action
-- @tparam[opt=3600] number life seconds
-- @tparam[opt] string id of the key
function machine.sts_xml(action, life, id)
  action = action or "AssumeRole"
  local text = [[<ACTIONResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <ACTIONResult>
    <AssumedRoleUser>
      <AssumedRoleId>AROA:name</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/r/name</Arn>
    </AssumedRoleUser>
    <Credentials>
      <AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey>
      <SessionToken>%s</SessionToken><Expiration>%s</Expiration>
    </Credentials>
  </ACTIONResult>
  <ResponseMetadata><RequestId>c6104cbe</RequestId></ResponseMetadata>
</ACTIONResponse>]]
  local expiration = moment.iso(machine.START + (life or 3600))
  return (text:gsub("ACTION", action)):format(id or machine.ID, machine.SECRET, machine.TOKEN, expiration)
end

--- An error of STS.
function machine.sts_error(code, message)
  local text = '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%s</Code>'
    .. "<Message>%s</Message></Error><RequestId>request-1</RequestId></ErrorResponse>"
  return text:format(code, message)
end

--- What keys that only C holds sign a fixed request with: the same for the same keys.
-- @param credentials a userdata, or a table of keys
function machine.signature_of(credentials)
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

return machine
