--- Credentials that a command prints: `credential_process`.
-- The command runs in a shell, with nothing of this process but its environment. What it prints is read to the end, and
-- its messages are for a terminal only: they may hold secrets.
-- Source: AWS SDKs and Tools Reference Guide, "Process credential provider".
-- @module cloudhsmv2.credentials.process

local codec = require "cloudhsmv2.codec"
local set = require "cloudhsmv2.credentials.set"

local format = string.format

local LONGEST = 60 -- seconds
local VERSION = 1

local model = codec.compile {
  Output = {
    type = "structure",
    members = {
      Version = { shape = "Integer" },
      AccessKeyId = { shape = "String" },
      SecretAccessKey = { shape = "String" },
      SessionToken = { shape = "String" },
      Expiration = { shape = "Moment" },
      AccountId = { shape = "String" },
    },
  },
  Integer = { type = "integer" },
  String = { type = "string", lenient = true },
  Moment = { type = "timestamp" },
}

local process = {}

local methods = { name = "process" }
local metatable = { __name = "cloudhsmv2.credentials.process", __index = methods }

local function failed(self, problem, code)
  return set.failure(code or "CredentialProcessFailed", format("credential_process (%s): %s", self.place, problem))
end

-- What the command printed, as a set. No message shows any of it.
local function read(self, output)
  local found = model:decode("Output", output)
  if not found then
    return failed(self, "what it printed is not the JSON that is expected of it", "InvalidCredentials")
  elseif found.Version ~= VERSION then
    return failed(self, 'what it printed has no "Version": 1', "InvalidCredentials")
  end
  return set.new(format("credential_process (%s)", self.place), {
    access_key_id = found.AccessKeyId,
    secret_access_key = found.SecretAccessKey,
    session_token = found.SessionToken,
  }, {
    expiration = found.Expiration,
    account_id = found.AccountId or self.account_id,
    features = self.feature,
    origin = self.origin,
  })
end

--- Runs the command.
-- @tparam[opt] number deadline of the runtime's clock that never jumps
-- @treturn[1] table a set; see `cloudhsmv2.credentials.set`
-- @treturn[2] nil
-- @treturn[2] table an error object of kind `credentials`
function methods:load(deadline)
  local seconds = LONGEST
  if deadline then
    seconds = math.min(seconds, deadline - self.context.runtime.now())
  end
  local result, reason = self.context.run(self.command, math.max(seconds, 0))
  if not result then
    return failed(self, reason, seconds < LONGEST and reason:find "^it did not end" and "DeadlineExceeded" or nil)
  elseif result.status ~= 0 then
    return failed(self, format("it ended with exit status %d; run the command by hand to see why", result.status))
  end
  return read(self, result.output)
end

--- There is nothing to wipe.
function methods.close() end

--- Makes the provider.
-- @tparam table context of the client's providers
-- @tparam table options `command`, `place` (where it stands), `account_id`
-- @tparam string feature letters for the User-Agent
-- @treturn table
function process.new(context, options, feature)
  return setmetatable({
    context = context,
    command = options.command,
    place = options.place,
    account_id = options.account_id,
    feature = feature,
    origin = format("credential_process (%s)", options.place),
  }, metatable)
end

return process
