--- The request of one attempt: its headers, and its signature.
-- @module cloudhsmv2.request

local moment = require "cloudhsmv2.moment"
local protocol = require "cloudhsmv2.protocol"
local recursion = require "cloudhsmv2.recursion"

local format = string.format

local request = {}

-- What was signed with, and must not be shown: the session token, as it is and as JSON may write it, and the signature.
local function secrets_of(headers)
  local secrets = {}
  for _, header in ipairs(headers) do
    if header[1] == "X-Amz-Security-Token" then
      table.insert(secrets, header[2])
      table.insert(secrets, (header[2]:gsub("/", "\\/")))
    elseif header[1] == "Authorization" then
      table.insert(secrets, header[2]:match "Signature=([0-9a-f]+)")
    end
  end
  return secrets
end

-- Which attempt this is. A repeated one says until when its sender waits for the answer.
local function attempt_of(call)
  local count = format("attempt=%d; max=%d", call.attempts, call.max_attempts)
  local until_when = call.attempts > 1 and moment.basic(call.clock:time() + call.read_timeout)
  return until_when and format("ttl=%s; %s", until_when, count) or count
end

--- Gets credentials, and writes and signs a request with them.
-- @tparam table client
-- @tparam table call `name`, `invocation_id`, `attempts`, `max_attempts`, `clock` (the service's time), `connect_timeout`,
-- `read_timeout`, `at_most_once`, `deadline`, `features`; `credentials` become those that it is signed with
-- @tparam string body
-- @treturn[1] table what a runtime sends
-- @treturn[1] table the strings that no error may show
-- @treturn[2] nil
-- @treturn[2] table an error object
function request.signed(client, call, body)
  local credentials, set = client.credentials:get(call.deadline)
  if not credentials then
    return nil, set
  end
  call.credentials = credentials
  local address = client.address
  local path = address.path:gsub("/$", "") .. "/"
  local headers = protocol.headers(client.model.metadata, call.name)
  headers[#headers + 1] = { "Host", address.authority }
  local added, err = client.signer:sign {
    method = "POST",
    path = path,
    query = "",
    headers = headers,
    body = body,
    region = client.region,
    service = client.signing_name,
    time = call.clock:time(),
    credentials = credentials,
  }
  if not added then
    return nil, err
  end

  headers[#headers] = nil -- Host is signed here and sent by the runtime
  for _, header in ipairs(added) do
    headers[#headers + 1] = header
  end
  headers[#headers + 1] = { "User-Agent", client.user_agent(set.features, call.features) }
  headers[#headers + 1] = { "amz-sdk-invocation-id", call.invocation_id }
  headers[#headers + 1] = { "amz-sdk-request", attempt_of(call) }
  headers[#headers + 1] = recursion.header(client.getenv)
  local sendable = {
    method = "POST",
    url = address.scheme .. "://" .. address.authority .. path,
    headers = headers,
    body = body,
    connect_timeout = call.connect_timeout,
    read_timeout = call.read_timeout,
    fresh_connection = call.at_most_once,
  }
  return sendable, secrets_of(added)
end

return request
