--- The runtime of plain Lua: requests go over libcurl, and whoever calls waits. Inside `cloudhsmv2.parallel` the others go on
-- meanwhile.
--
-- A runtime is a table of plain functions, called with a dot: `send`, `sleep`, `now`, `time`, `close`. This one keeps its
-- connections for the next request (HTTP/1.1), always verifies TLS, follows no redirect and asks for no compression.
-- Nothing is opened before the first `send`.
--
-- What can go wrong comes back as a plain table:
--
-- | field | type | meaning |
-- | --- | --- | --- |
-- | `kind` | string | `transport`, `timeout`, `tls`, `proxy`, `protocol`, `config` or `aborted` |
-- | `code` | string | a name such as `CouldNotConnect` |
-- | `message` | string | one line: what happened, with which host and port, and what to do; never a secret |
-- | `sent` | string | `"no"`: no byte of the request left; `"maybe"`; `"yes"`: a status line arrived |
-- | `status` | integer or nil | the HTTP status, if the answer had one |
--
-- libcurl reads `https_proxy`, `HTTPS_PROXY`, `http_proxy`, `ALL_PROXY` and `no_proxy` unless `proxy` is given or a request is
-- `direct`, and writes the keys of TLS sessions to the file that `SSLKEYLOGFILE` names: leave that unset outside of a debugging
-- session.
--
-- @module cloudhsmv2.runtime.curl

local core = require "cloudhsmv2.core"
local errors = require "cloudhsmv2.errors"
local scheduler = require "cloudhsmv2.runtime.scheduler"

local curl = {}

local function closed()
  return nil, { kind = "aborted", code = "Closed", message = "the client is closed; make a new one", sent = "no" }
end

--- Lets some seconds pass. Also `runtime.sleep`.
-- @function curl.sleep
-- @tparam number seconds
curl.sleep = scheduler.sleep

--- Seconds on a clock that never jumps: for durations and deadlines. Also `runtime.now`.
-- @function curl.now
-- @treturn number seconds
curl.now = core.now

--- Seconds since 1970, with a fraction, as the machine believes. Also `runtime.time`.
-- @function curl.time
-- @treturn number seconds
curl.time = core.time

--- Runs functions, which must not raise, so that their waiting overlaps; see `cloudhsmv2.runtime.scheduler`.
-- @function curl.all
-- @tparam table functions a list
curl.all = scheduler.all

--- Whether others go on while the caller waits: only inside `cloudhsmv2.parallel`.
-- @function curl.overlaps
-- @treturn boolean
curl.overlaps = scheduler.is_in_task

--- Makes a runtime.
-- @tparam[opt] table options
-- @tparam[opt] string options.ca_file PEM file of the authorities to trust; else those that libcurl was built with, in its folder
-- or in its file
-- @tparam[opt] string options.proxy URL of a proxy, with user and password if it needs them; `""` for none; else as the
-- environment says
-- @tparam[opt] string options.no_proxy hosts that no proxy is used for, wherever that was named: names (`example.com`, which
-- covers `a.example.com`), addresses, with libcurl 7.86 or newer also networks (`10.0.0.0/8`), separated by commas; `"*"` for
-- all hosts, `""` for none. If it is not given, `no_proxy` of the environment counts, but not together with `options.proxy`
-- @tparam[opt] string options.client_certificate PEM file of a certificate, with its chain, for servers that ask who the client
-- is; no proxy is shown it
-- @tparam[opt] string options.client_key PEM file of its private key, not encrypted; else it is in the same file
-- @tparam[opt=8388608] integer options.max_body most bytes of an answer's body
-- @tparam[opt=262144] integer options.max_header most bytes of an answer's headers
-- @treturn[1] table the runtime
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config`: the CA file, the certificate or its key cannot be used, or the proxy is no URL
-- @raise when an option is of the wrong type
-- @usage local runtime, err = curl.new { ca_file = "/etc/ssl/certs/ca-certificates.crt" }
function curl.new(options)
  local settings = {}
  for name, value in pairs(options or {}) do
    settings[name] = value
  end
  local good, problem = core.transfer.check(settings)
  if not good then
    return nil, errors.new(problem)
  end

  local transfer, is_closed
  local runtime = {}

  --- Sends one request and waits for its answer, whatever its status.
  -- @function runtime.send
  -- @tparam table request not changed, for the next one may share its headers: `method`, `url`, `headers` (a list of
  -- `{ name, value }`), `body`; seconds: `connect_timeout` (3.1),
  -- `read_timeout` without anything arriving (60), `timeout` in total (none); `fresh_connection`: over a connection of its own,
  -- so that it can leave at most once; `direct`: through no proxy, whatever the options and the environment say; `max_body`:
  -- most bytes of this answer's body, if that is less than the runtime's
  -- @treturn[1] table `status`, `headers` (names in lower case, repeated ones joined with `", "`), `body`
  -- @treturn[2] nil
  -- @treturn[2] table what went wrong, see above
  -- @raise when a field of the request is of the wrong type
  function runtime.send(request)
    if is_closed then
      return closed()
    end
    if not transfer then
      local opened, failure = core.transfer.new(settings)
      if not opened then
        return nil, failure
      end
      transfer = opened
    end
    local id, failure = transfer:start(request)
    if not id then
      return nil, failure
    end
    return scheduler.wait(transfer, id)
  end

  --- Closes all connections; what is sent afterwards fails as `aborted`. May be called again.
  -- @function runtime.close
  function runtime.close()
    is_closed = true
    if transfer then
      transfer:close()
    end
  end

  runtime.sleep, runtime.now, runtime.time = curl.sleep, curl.now, curl.time
  return runtime
end

return curl
