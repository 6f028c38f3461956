--- The request of one attempt: its headers, and its signature.
--
-- What is the same in every request of a client is made once: the address, what is signed of each operation, and headers.
-- A `{ name, value }` of a header is never changed, so requests share those.
-- @module cloudhsmv2.request

local moment = require "cloudhsmv2.moment"
local protocol = require "cloudhsmv2.protocol"
local recursion = require "cloudhsmv2.recursion"
local sigv4 = require "cloudhsmv2.sigv4"

local format = string.format

local request = {}

--- What no error of an attempt may show: the session token, as it is and as JSON may write it, and the signature.
-- @tparam table call `authorization` and `session_token` of the attempt, where it was signed
-- @treturn table a list of strings
function request.secrets(call)
  local secrets = {}
  if call.session_token then
    table.insert(secrets, call.session_token)
    table.insert(secrets, (call.session_token:gsub("/", "\\/")))
  end
  if call.authorization then
    table.insert(secrets, call.authorization:match "Signature=([0-9a-f]+)")
  end
  return secrets
end

-- The header that says which attempt this is. A repeated one says until when its sender waits for the answer.
local function attempt_of(common, call)
  local first, most = common.first_attempt, call.max_attempts
  if call.attempts == 1 and first.most == most then
    return first
  end
  local value = format("attempt=%d; max=%d", call.attempts, most)
  local until_when = call.attempts > 1 and moment.basic(call.clock:time() + call.read_timeout)
  local header = { "amz-sdk-request", until_when and format("ttl=%s; %s", until_when, value) or value, most = most }
  if call.attempts == 1 then
    common.first_attempt = header
  end
  return header
end

-- The header that says who asks. It changes with the source of the credentials.
local function agent_of(client, common, set, call)
  local value, header = client.user_agent(set.features, call.features), common.agent
  if header[2] ~= value then
    header = { "User-Agent", value }
    common.agent = header
  end
  return header
end

-- What is the same in every request for an operation.
local function for_operation(client, common, name)
  local headers = protocol.headers(client.model.metadata, name)
  local made = { content_type = headers[1], target = headers[2] }
  local err
  made.signable, err = sigv4.signable {
    method = "POST",
    path = common.path,
    query = "",
    headers = { headers[1], headers[2], { "Host", client.address.authority } }, -- Host is signed here and sent by the runtime
    region = client.region,
    service = client.signing_name,
  }
  if not made.signable then
    return nil, err
  end
  common.operations[name] = made
  return made
end

--- What the requests of a client have in common.
-- @tparam table client `address`
-- @treturn table
function request.common(client)
  local address = client.address
  local path = address.path:gsub("/$", "") .. "/"
  return {
    path = path,
    url = address.scheme .. "://" .. address.authority .. path,
    operations = {}, -- by name, as they are called
    first_attempt = {},
    agent = {},
  }
end

--- Gets credentials, and writes and signs a request with them.
-- @tparam table client with its `common`
-- @tparam table call `name`, `invocation_id`, `attempts`, `max_attempts`, `clock` (the service's time), `connect_timeout`,
-- `read_timeout`, `at_most_once`, `deadline`, `features`; `credentials` become those that it is signed with, and
-- `authorization` and `session_token` what they gave
-- @tparam string body
-- @treturn[1] table what a runtime sends
-- @treturn[2] nil
-- @treturn[2] table an error object
function request.signed(client, call, body)
  local credentials, set = client.credentials:get(call.deadline)
  if not credentials then
    return nil, set
  end
  call.credentials = credentials
  local common = client.common
  local operation, err = common.operations[call.name], nil
  if not operation then
    operation, err = for_operation(client, common, call.name)
  end
  if not operation then
    return nil, err
  end
  local authorization, date, token = client.signer:authorize(operation.signable, body, call.clock:time(), credentials)
  if not authorization then
    return nil, date
  end
  call.authorization, call.session_token = authorization, token

  local headers = {
    operation.content_type,
    operation.target,
    { "X-Amz-Date", date },
    { "Authorization", authorization },
    agent_of(client, common, set, call),
    { "amz-sdk-invocation-id", call.invocation_id },
    attempt_of(common, call),
    token and { "X-Amz-Security-Token", token } or nil,
  }
  headers[#headers + 1] = recursion.header(client.getenv)
  return {
    method = "POST",
    url = common.url,
    headers = headers,
    body = body,
    connect_timeout = call.connect_timeout,
    read_timeout = call.read_timeout,
    fresh_connection = call.at_most_once,
  }
end

return request
