--- The runtime inside nginx and OpenResty: no call and no sleep holds the worker up.
--
-- Requests go over libcurl as in plain Lua, with the same verification, proxies and failures (`cloudhsmv2.runtime.curl`). Calls
-- wait on semaphores of nginx, and one timer of the worker steps them all while anything is under way. A worker that is told to
-- reload or quit finishes them first.
--
-- **Phases.** Calls work where nginx can yield: `rewrite`, `access`, `content`, timers, `ssl_certificate`, `ssl_session_fetch`,
-- `ssl_client_hello` and `preread`. In `init_by_lua` a call blocks, which is right there, over connections of its own, so that the
-- workers inherit none. Elsewhere it fails with kind `config` and code `PhaseCannotYield`, and does not block.
--
-- @module cloudhsmv2.runtime.nginx

local core = require "cloudhsmv2.core"
local curl = require "cloudhsmv2.runtime.curl"
local errors = require "cloudhsmv2.errors"
local scheduler = require "cloudhsmv2.runtime.scheduler"
local ticker = require "cloudhsmv2.runtime.ticker"

local format = string.format

local CAN_YIELD = {
  rewrite = true,
  server_rewrite = true,
  access = true,
  content = true,
  timer = true,
  ssl_cert = true,
  ssl_session_fetch = true,
  ssl_client_hello = true,
  preread = true,
}

local nginx = {}

-- What a worker has: nginx's API and the ticker of all its clients.
local function new_worker(ngx, new_semaphore)
  return {
    ngx = ngx,
    ticker = ticker.new {
      semaphore = new_semaphore,
      sleep = ngx.sleep,
      at = function(called)
        return (ngx.timer.at(0, called)) -- called at once even in a worker that is exiting
      end,
    },
  }
end

local current -- the worker that this Lua VM is in, known from the first use on

local function this_worker()
  if not current then
    local semaphore = require "ngx.semaphore"
    current = new_worker(_G.ngx, function()
      return assert(semaphore.new(0))
    end)
  end
  return current
end

local function config(code, message)
  return { kind = "config", code = code, message = message, sent = "no" }
end

-- The failure of a call that cannot wait here; nil: it can.
local function refusal(phase)
  if phase == "exit_worker" then
    return config(
      "PhaseCannotYield",
      "the phase exit_worker cannot wait for an answer; call in a timer before the worker exits"
    )
  elseif not CAN_YIELD[phase] then
    local message =
      "the phase %s of nginx cannot wait for an answer; call from a timer: ngx.timer.at(0, function() ... end)"
    return config("PhaseCannotYield", format(message, phase))
  elseif not scheduler.can_yield() then
    local message = "Lua cannot yield here, inside a function that C code calls (require, table.sort, string.gsub);"
      .. " call from outside of it, or from a timer: ngx.timer.at(0, function() ... end)"
    return config("CannotYield", message)
  end
end

-- In the master process, before there are workers: blocks, and leaves nothing behind for them to inherit.
local function send_blocking(settings, request)
  local runtime, err = curl.new(settings)
  if not runtime then
    return nil, err
  end
  local response, failure = runtime.send(request)
  runtime.close()
  return response, failure
end

local function closed()
  return nil, { kind = "aborted", code = "Closed", message = "the client is closed; make a new one", sent = "no" }
end

--- Lets some seconds pass. Also `runtime.sleep`. Where nginx cannot yield it returns at once, since a call would fail there
-- anyway; in `init_by_lua` it blocks.
-- @tparam number seconds
function nginx.sleep(seconds, worker)
  local ngx = (worker or this_worker()).ngx
  local phase = ngx.get_phase()
  if phase == "init" then
    curl.sleep(seconds)
  elseif not refusal(phase) and seconds > 0 then
    ngx.sleep(seconds)
  end
end

--- Seconds on a clock that never jumps. Also `runtime.now`.
-- @function nginx.now
-- @treturn number seconds
nginx.now = core.now

--- Seconds since 1970, with a fraction. Also `runtime.time`.
-- @function nginx.time
-- @treturn number seconds
nginx.time = core.time

--- Runs functions, which must not raise, in light threads, and returns when all have ended.
-- @tparam table functions a list
function nginx.all(functions, worker)
  local ngx = (worker or this_worker()).ngx
  local phase = ngx.get_phase()
  if phase == "init" then
    return curl.all(functions)
  elseif refusal(phase) then -- nor are there light threads
    for _, called in ipairs(functions) do
      called()
    end
    return
  end
  local threads = {}
  for i, called in ipairs(functions) do
    threads[i] = ngx.thread.spawn(called)
  end
  for _, thread in ipairs(threads) do
    ngx.thread.wait(thread)
  end
end

--- Whether others go on while the caller waits: wherever nginx can yield.
-- @treturn boolean
function nginx.overlaps(worker)
  local phase = (worker or this_worker()).ngx.get_phase()
  return phase ~= "init" and refusal(phase) == nil
end

--- What is under way in this worker.
-- @treturn table `pending`: calls that wait for an answer; `steps`: how often their exchanges were stepped
function nginx.activity()
  local beat = this_worker().ticker
  return { pending = beat.pending, steps = beat.steps }
end

--- Makes a runtime: `send`, `sleep`, `now`, `time`, `close` as of `cloudhsmv2.runtime.curl`. No connection is opened before the
-- first `send`, and every worker has its own.
-- @tparam[opt] table options as of `cloudhsmv2.runtime.curl`
-- @tparam[opt] table worker made by `nginx.worker`, instead of the worker at hand
-- @treturn[1] table the runtime
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config`
-- @raise when an option is of the wrong type
function nginx.new(options, worker)
  local settings = {}
  for name, value in pairs(options or {}) do
    settings[name] = value
  end
  local good, problem = core.transfer.check(settings)
  if not good then
    return nil, errors.new(problem)
  end
  worker = worker or this_worker()

  local transfer, is_closed
  local runtime = { now = nginx.now, time = nginx.time }

  function runtime.send(request)
    if is_closed then
      return closed()
    end
    local phase = worker.ngx.get_phase()
    if phase == "init" then
      return send_blocking(settings, request)
    end
    local failure = refusal(phase)
    if failure then
      return nil, failure
    end
    if not transfer then
      transfer, failure = core.transfer.new(settings)
      if not transfer then
        return nil, failure
      end
    end
    local id
    id, failure = transfer:start(request)
    if not id then
      return nil, failure
    end
    return worker.ticker:wait(transfer, id)
  end

  function runtime.sleep(seconds)
    return nginx.sleep(seconds, worker)
  end

  function runtime.close()
    is_closed = true
    if transfer then
      transfer:close()
    end
  end

  return runtime
end

--- Makes what stands for a worker of nginx, for tests of this runtime without nginx.
-- @function nginx.worker
-- @tparam table ngx `get_phase`, `sleep`, `timer.at`, `thread.spawn`, `thread.wait`
-- @tparam function new_semaphore
-- @treturn table
nginx.worker = new_worker

return nginx
