--- Sharing between the workers of one nginx or OpenResty: one worker asks, and all use what it got.
--
-- What is shared is kept in memory that nginx's configuration declares, inside `http { }`:
--
--     lua_shared_dict cloudhsmv2 1m;
--
-- While one worker asks, it has a lock. The others wait for what it stores, for at most `wait` seconds, and then ask by
-- themselves; in phases of nginx that cannot wait they do so at once. A lock ends by itself after `lock` seconds, so a
-- worker that dies holds nobody up. A failure is told to those who wait, for a second, so that they do not all fail one
-- after the other. Where the memory is full, everything works without being shared.
--
-- Shared memory is readable for every Lua code of the same nginx: give credentials a `lua_shared_dict` of their own,
-- and run no code there that you do not trust.
--
-- @module cloudhsmv2.shared
-- @usage
-- local cloudhsmv2 = require "cloudhsmv2"
-- local shared = require "cloudhsmv2.shared"
-- local client = assert(cloudhsmv2.new {
--   region = "eu-west-1",
--   credentials = shared.credentials { provider = keys_of_the_vault },
-- })
-- local out, err = shared.cached(client, "describe_clusters", {}, { ttl = 10, stale = 300 })

local cache = require "cloudhsmv2.shared.cache"
local credentials = require "cloudhsmv2.shared.credentials"

local shared = {}

--- Makes a source of credentials for `cloudhsmv2.new` out of one that is slow or costs money.
--
-- From `refresh_before` seconds before the keys expire, one worker asks the provider, and the others go on with the old
-- keys; so they do where it fails. Of keys that are good for a short time the last half counts, if that is less. Only
-- when there are no good keys, all wait. Keys without an expiration are good for `max_age` seconds.
--
-- @function shared.credentials
-- @tparam table options
-- @tparam function options.provider returns a table `access_key_id`, `secret_access_key`, perhaps `session_token` and
-- `expiration` (seconds since 1970); or nil and a reason. It may yield
-- @tparam[opt="cloudhsmv2"] string options.dict name of the `lua_shared_dict`
-- @tparam[opt="default"] string options.key tells apart the keys of several providers in one memory
-- @tparam[opt=300] number options.refresh_before seconds before their expiration that new keys are asked for
-- @tparam[opt=300] number options.max_age seconds that keys without an expiration are good for
-- @tparam[opt=10] number options.wait most seconds to wait for another worker
-- @tparam[opt=30] number options.lock seconds that the provider may take before another worker asks, too; 0.1 or more
-- @treturn function to give as `credentials`. It returns credentials as `sigv4.credentials` does, whose secret is in C
-- memory; or nil and an error object of kind `credentials`, or of kind `config`: an option is wrong, this is not nginx, or
-- the memory is not declared
-- @raise without a provider
-- @usage
-- local credentials = shared.credentials {
--   key = "vault",
--   provider = function()
--     local lease, reason = read_lease() -- asks the vault, over a cosocket for example
--     if not lease then
--       return nil, reason
--     end
--     return {
--       access_key_id = lease.id,
--       secret_access_key = lease.secret,
--       session_token = lease.token,
--       expiration = ngx.time() + lease.seconds,
--     }
--   end,
-- }
shared.credentials = credentials.new

--- Calls an operation that reads, or returns what it answered lately.
--
-- Answers are kept apart by endpoint, region, access key id, operation and parameters. Where the call fails, an answer
-- that is older than `ttl`, but not by more than `stale` seconds, is returned instead. Members that are sensitive
-- (`PreCoPassword`) are neither stored nor returned.
--
-- @function shared.cached
-- @tparam table client of `cloudhsmv2.new`
-- @tparam string operation `"DescribeBackups"` or `"describe_backups"`; one that begins with Describe, List or Get
-- @tparam[opt] table params as in the API reference
-- @tparam[opt] table options
-- @tparam[opt="cloudhsmv2"] string options.dict name of the `lua_shared_dict`
-- @tparam[opt=30] number options.ttl seconds that an answer is as good as a new one
-- @tparam[opt=0] number options.stale seconds after that in which it is better than an error
-- @tparam[opt=10] number options.wait most seconds to wait for another worker
-- @tparam[opt=60] number options.lock seconds that a call may take before another worker calls, too; 0.1 or more
-- @treturn[1] table the output. Where it comes from the memory, `ResponseMetadata` has no headers, and `Cached`: `age`
-- in seconds, `stale`, and `error`, a text that says why there is no newer answer
-- @treturn[2] nil
-- @treturn[2] table an error object: the call's, or of kind `validation` (the operation does not read) or `config` (an
-- option is wrong, this is not nginx, or the memory is not declared)
-- @raise when an argument is of the wrong type
-- @usage
-- local out, err = shared.cached(client, "describe_backups", { MaxResults = 50 }, { ttl = 60, stale = 3600 })
-- if out and out.ResponseMetadata.Cached and out.ResponseMetadata.Cached.stale then
--   ngx.log(ngx.WARN, "old backups: ", out.ResponseMetadata.Cached.error)
-- end
shared.cached = cache.call

return shared
