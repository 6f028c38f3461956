--- Several things at once: while one waits for an answer or sleeps, the others go on.
--
-- Calls, retries, paginators and waiters of all tasks overlap, whichever clients they use. In plain Lua the tasks are coroutines
-- over libcurl's multi interface, in nginx they are light threads; nothing runs at the same time as something else, so tasks may
-- share tables and clients.
--
-- **Limits.** A task overlaps with others wherever Lua can yield. Elsewhere it waits by itself and the others wait with it: inside
-- the callback of a C function (`table.sort`, `string.gsub`), inside a coroutine of your own, and on PUC Lua 5.1 also inside
-- `pcall` and inside a `for` over `pages()` or `items()`: use `collect` or `next_page` there. Inside a metamethod PUC Lua 5.1
-- raises an error, which is that task's error.
--
-- @module cloudhsmv2.parallel

local errors = require "cloudhsmv2.errors"
local runtime = require "cloudhsmv2.runtime"
local scheduler = require "cloudhsmv2.runtime.scheduler"

local floor, min = math.floor, math.min
local format = string.format

local DEFAULT_LIMIT = 16

local parallel = {}

-- What became of a task, from what `pcall` of it returned.
local function outcome(fine, ...)
  if not fine then
    local raised = ...
    return { ok = false, n = 0, err = raised == nil and "the task raised nil" or raised }
  end
  local result = { ok = true, n = select("#", ...), ... }
  local err = result[2]
  if err ~= nil and (result[1] == nil or errors.is(err)) then -- a partial result may come with its error
    result.ok, result.err = false, err
  end
  return result
end

local function check_tasks(tasks)
  if type(tasks) ~= "table" then
    error("parallel: the tasks must be a list of functions, not a " .. type(tasks), 3)
  end
  local count = 0
  for key, task in pairs(tasks) do
    count = count + 1
    if type(key) ~= "number" then
      error(format("parallel: the tasks must be a list of functions, without a field %s", tostring(key)), 3)
    elseif type(task) ~= "function" then
      error(format("parallel: task %s must be a function, not a %s", tostring(key), type(task)), 3)
    end
  end
  local copy = {}
  for i = 1, count do
    if tasks[i] == nil then
      error(format("parallel: the tasks must be a list of functions, and number %d is missing", i), 3)
    end
    copy[i] = tasks[i]
  end
  return copy
end

local function check_options(options)
  if options ~= nil and type(options) ~= "table" then
    error("parallel: the options must be a table, not a " .. type(options), 3)
  end
  for name in pairs(options or {}) do
    if name ~= "limit" then
      error(format("parallel: unknown option %s; there is limit", tostring(name)), 3)
    end
  end
  local limit = options and options.limit
  if limit == nil then
    return DEFAULT_LIMIT
  elseif type(limit) ~= "number" or limit < 1 or limit ~= floor(limit) then
    error("parallel: the limit must be a whole number of tasks, at least 1; it is " .. tostring(limit), 3)
  end
  return limit
end

--- Runs tasks, at most `limit` at a time, and returns when all have ended. One that fails does not stop the others.
-- @function cloudhsmv2.parallel
-- @tparam table tasks a list of functions, called without arguments
-- @tparam[opt] table options
-- @tparam[opt=16] integer options.limit most tasks under way at a time
-- @treturn table one result for each task, in the order of the tasks: `ok`; `n` and, at `[1]` to `[n]`, the values that the task
-- returned; and, if it failed, `err`: what it raised, or the second value where it returned nil and an error, or anything and an
-- error object
-- @raise when `tasks` is no list of functions, or `limit` is no count
-- @usage
-- local results = cloudhsmv2.parallel({
--   function() return client:describe_clusters() end,
--   function() return client:paginator("describe_backups"):collect() end,
-- }, { limit = 8 })
-- for i, result in ipairs(results) do
--   print(i, result.ok and result[1] or tostring(result.err))
-- end
function parallel.run(tasks, options)
  local limit = check_options(options)
  tasks = check_tasks(tasks)
  local results, started, workers = {}, 0, {}
  local function work()
    while started < #tasks do
      started = started + 1
      local number = started
      results[number] = outcome(scheduler.call(tasks[number]))
    end
  end
  for i = 1, min(limit, #tasks) do
    workers[i] = work
  end
  runtime.all(workers)
  return results
end

return parallel
