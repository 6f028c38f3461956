--- A client whose answers are a script and whose clock only moves when it sleeps.

local errors = require "cloudhsmv2.errors"

local scripted_client = {}

local function paged(result)
  local rules = { result = result, input_token = "NextToken", output_token = "NextToken", limit = "MaxResults" }
  return { paginator = rules }
end

local function deep_copy(value)
  if type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, member in pairs(value) do
    copy[key] = deep_copy(member)
  end
  return copy
end

--- @tparam table|function script the answers in turn, outputs or error objects; the last one repeats. Or a function of
-- the number of the call, its parameters and the time
-- @treturn table client; `calls` records `{ name, params, options, at }`, `slept` the delays
function scripted_client.new(script)
  local client = {
    calls = {},
    slept = {},
    clock = 0,
    call_time = 0,
    model = {
      operations = {
        CreateCluster = {},
        DescribeBackups = paged "Backups",
        DescribeClusters = paged "Clusters",
        ListTags = paged "TagList",
      },
    },
  }

  function client.random()
    return 0
  end

  client.runtime = {
    now = function()
      return client.clock
    end,
    sleep = function(seconds)
      client.slept[#client.slept + 1] = seconds
      client.clock = client.clock + seconds
    end,
  }

  function client:call(name, params, options)
    local number = #self.calls + 1
    self.calls[number] = { name = name, params = deep_copy(params), options = deep_copy(options), at = self.clock }
    self.clock = self.clock + self.call_time
    local answer
    if type(script) == "function" then
      answer = script(number, params, self.clock)
    else
      answer = script[math.min(number, #script)]
    end
    if errors.is(answer) or type(answer) == "string" then
      return nil, answer
    end
    return answer
  end

  return client
end

return scripted_client
