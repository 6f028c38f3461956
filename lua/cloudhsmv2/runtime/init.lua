--- Which runtime serves here: nginx's inside nginx and OpenResty, libcurl's everywhere else.
--
-- The choice is made at the first use, since a module may be required before nginx is ready to be asked.
--
-- @module cloudhsmv2.runtime

local core = require "cloudhsmv2.core"

local OPTIONS = { "ca_file", "client_certificate", "client_key", "proxy", "no_proxy", "max_body", "max_header" }
local STEP = 0.25 -- seconds in C at a time, so that an interrupt (Ctrl-C) is heard soon
local FIRST_LOOK, LAST_LOOK, GROWTH = 0.001, 0.02, 1.5 -- seconds, seconds, factor

-- Why a process has no result, as a sentence about it.
local ENDINGS = { ["too large"] = "it printed more than 64 KiB", killed = "it was killed" }

local runtime = {}

local function is_nginx(ngx)
  return type(ngx) == "table" and type(ngx.get_phase) == "function" and type(ngx.timer) == "table"
end

-- The module of the runtime that serves here.
local function here()
  return require(is_nginx(rawget(_G, "ngx")) and "cloudhsmv2.runtime.nginx" or "cloudhsmv2.runtime.curl")
end

--- Makes a runtime that is chosen and opened when it is first used.
-- @tparam table options `ca_file`, `proxy`, `no_proxy`, `client_certificate`, `client_key`, `max_body`, `max_header`; see
-- `cloudhsmv2.runtime.curl`
-- @treturn table the runtime: `send`, `sleep`, `now`, `time`, `close`
function runtime.new(options)
  local settings = {}
  for _, name in ipairs(OPTIONS) do
    settings[name] = options[name]
  end
  local chosen, opened
  local function choice()
    chosen = chosen or here()
    return chosen
  end
  return {
    send = function(request)
      if not opened then
        local err
        opened, err = choice().new(settings)
        if not opened then
          return nil, err
        end
      end
      return opened.send(request)
    end,
    close = function()
      if opened then
        opened.close()
      end
    end,
    sleep = function(seconds)
      return choice().sleep(seconds)
    end,
    now = core.now, -- the same everywhere
    time = core.time,
  }
end

--- Runs functions, which must not raise, so that their waiting overlaps, and returns when all have ended.
-- @tparam table functions a list
function runtime.all(functions)
  return here().all(functions)
end

--- Whether others go on while the caller sleeps or waits: inside `cloudhsmv2.parallel`, and in a worker of nginx.
-- @treturn boolean
function runtime.overlaps()
  return here().overlaps()
end

--- Runs a command in a shell, without its standard error, and holds nobody up meanwhile where others can go on.
-- @tparam string command
-- @tparam number seconds that it may take
-- @treturn[1] table `status`, its exit status, and `output`
-- @treturn[2] nil
-- @treturn[2] string the reason
-- @usage runtime.run("exit 3", 1).status --> 3
function runtime.run(command, seconds)
  if command:find "%z" then
    return nil, "a command cannot have a zero byte"
  end
  local process, reason = core.process.start(command)
  if not process then
    return nil, "the shell did not start: " .. reason
  end
  local deadline, pause = core.now() + seconds, FIRST_LOOK
  local overlaps = runtime.overlaps()
  local ended
  repeat
    ended = process:step(overlaps and 0 or math.max(0, math.min(STEP, deadline - core.now())))
    if not ended and core.now() >= deadline then
      process:close()
      return nil, string.format("it did not end within %g seconds", seconds)
    elseif not ended and overlaps then
      here().sleep(pause)
      pause = math.min(pause * GROWTH, LAST_LOOK)
    end
  until ended
  local result
  result, reason = process:result()
  process:close()
  return result, ENDINGS[reason] or reason
end

return runtime
