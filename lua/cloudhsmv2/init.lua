--- A client of the AWS CloudHSM V2 API.
--
-- Requiring this module loads little code and does nothing else: no file is read, no connection made, no global set. What
-- a client needs, the C core with its libraries too, is loaded by the first `new`; inside nginx at once, so that its workers share
-- it.
--
-- @module cloudhsmv2
-- @usage
-- local cloudhsmv2 = require "cloudhsmv2"
-- local client, err = cloudhsmv2.new { region = "eu-west-1" }
-- if not client then error(tostring(err)) end
-- local out, err = client:describe_backups { Filters = { states = { "READY" } } }

local errors = require "cloudhsmv2.errors"
local lazy = require "cloudhsmv2.lazy"
local version = require "cloudhsmv2.version"

local doctor = lazy "cloudhsmv2.doctor"

local metatable = { __name = "cloudhsmv2" }

--- Makes a client. The shared configuration files are read; nothing is sent, and no connection opened, before the first
-- call.
-- @tparam[opt] table options every setting of `cloudhsmv2.config.settings` (`profile`, `region`, `endpoint`, `use_fips`,
-- `use_dualstack`, `connect_timeout`, `read_timeout`, `timeout`, `ca_file`, `client_certificate`, `client_key`, `proxy`,
-- `no_proxy`, `allow_http`, `max_body`, `max_header`, `app_id`, `retry`, `retry_ambiguous` and more), and
-- @tparam[opt] table|function|userdata options.credentials keys, or a function that returns them
-- (`cloudhsmv2.credentials.static`); else the chain of `cloudhsmv2.credentials`: the environment's, which are not looked at
-- where `profile` is given; those of the profile; a web identity's; a container's; the instance's
-- @tparam[opt] function options.mfa_token_provider `mfa_token_provider(serial)` returns the six digits of an MFA device for a
-- role whose profile has `mfa_serial`, or nil and a reason; it may yield
-- @tparam[opt] table options.runtime what sends, sleeps and tells the time instead of libcurl
-- @tparam[opt] function options.on_event is told of every attempt, retry and warning (`cloudhsmv2.client`)
-- @tparam[opt] table options.model of another service of AWS with the `json` protocol
-- @tparam[opt] function options.getenv stands for the environment
-- @tparam[opt] function options.read_file reads a file instead of the system: `read_file(path)` returns its bytes, nil
-- when there is no such file, or nil and a reason
-- @tparam[opt] function options.write_file replaces a file: `write_file(path, bytes)` returns true, or nil and a reason. Only
-- renewed tokens of `aws sso login` and `aws login` are written
-- @tparam[opt] function options.random returns a number in [0, 1)
-- @treturn[1] table the client
-- @treturn[2] nil
-- @treturn[2] table an error object of kind `config` or `credentials`
-- @raise when the options are no table, and for a model that makes no sense
-- @usage local client, err = cloudhsmv2.new { region = "eu-west-1" }
local function new(options)
  if options ~= nil and type(options) ~= "table" then
    error("new: the options must be a table, not a " .. type(options), 2)
  end
  return require "cloudhsmv2.construction"(options or {})
end

local cloudhsmv2 = {
  new = new,
  --- What is well and what is not, for people to read; see `cloudhsmv2.doctor`.
  -- @function doctor
  doctor = function(options, how)
    return doctor.examine(new, options, how)
  end,
  --- The error objects: `errors.is(value)`, `errors.kinds`; see `cloudhsmv2.errors`.
  errors = errors,
  --- The version of this library.
  version = version,
}

-- Several things at once: `cloudhsmv2.parallel.run` itself, since its errors point at who calls it.
function metatable.__index(self, name)
  if name == "parallel" then
    self.parallel = require("cloudhsmv2.parallel").run
    return self.parallel
  end
end

if rawget(_G, "ngx") then
  for _, name in ipairs { "construction", "failure", "parallel" } do
    require("cloudhsmv2." .. name)
  end
end

return setmetatable(cloudhsmv2, metatable)
