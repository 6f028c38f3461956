--- Whether and when a failed attempt is followed by another: the policy of a client, by its mode.
-- @module cloudhsmv2.retry

local standard = require "cloudhsmv2.retry.standard"

local retry = {}

--- Makes the policy of one client.
-- @tparam table options
-- @tparam string options.mode `"standard"`, or `"adaptive"`: the same behind a limiter of the rate
-- @tparam function options.random returns a number in [0, 1)
-- @tparam[opt=500] integer options.quota what may be spent at first (`cloudhsmv2.retry.quota`)
-- @tparam[opt=20] number options.most_delay seconds (`cloudhsmv2.retry.backoff`)
-- @treturn table the policy, see `cloudhsmv2.retry.standard`
function retry.new(options)
  return standard.new {
    random = options.random,
    limiter = options.mode == "adaptive" and require("cloudhsmv2.retry.adaptive").new() or nil,
    quota = options.quota,
    most_delay = options.most_delay,
  }
end

return retry
