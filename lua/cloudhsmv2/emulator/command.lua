--- The command `cloudhsmv2-emulator`.
-- @module cloudhsmv2.emulator.command

local command = {}

local NAME = "cloudhsmv2-emulator"
local OK, FAILED, MISUSED = 0, 1, 2 -- exit codes
local MAX_SNAPSHOT = 67108864 -- bytes of a body for the control interface

local function complain(text)
  io.stderr:write(NAME, ": ", text, "\n")
end

local function whole_number(least, most)
  return function(text)
    local number = text:find "^%d+$" and tonumber(text)
    if number and number >= least and number <= most then
      return number
    end
    return nil, ("expected a whole number from %d to %d, got '%s'"):format(least, most, text)
  end
end

local function seconds(text)
  local number = text:find "^%d+%.?%d*$" and tonumber(text)
  if number then
    return number
  end
  return nil, ("expected seconds, got '%s'"):format(text)
end

local function parser_of(argparse)
  local parser = argparse(NAME, "A local AWS CloudHSM V2: all operations, signatures verified.")
  parser:add_help(false)
  parser:flag("-h --help", "Show this text and exit.")
  parser:flag("--version", "Show the version and exit.")
  parser:option("--host", "The address to listen on."):default "127.0.0.1"
  parser:option("--port", "The port to listen on; 0 for any free one."):default("8080"):convert(whole_number(0, 65535))
  parser:option("--clock", "real, frozen, or scaled:N to run N times as fast."):default("real"):argname "<clock>"
  parser:option("--access-key-id", "A key to accept, instead of the example keys."):argname "<id>"
  parser:option("--secret-access-key", "Its secret."):argname "<secret>"
  parser:option("--session-token", "Its session token, if it has one."):argname "<token>"
  parser:option("--account", "Its account, 12 digits."):default "111122223333"
  parser:option("--max-skew", "Seconds that a request's date may be off."):default("300"):convert(seconds)
  parser:option("--seed", "Choose other ids than usual."):default("1"):convert(whole_number(0, 2147483647))
  parser:flag("--no-verify-signatures", "Accept any signature.")
  parser:flag("--no-auto-activate", "Leave initialized clusters waiting for a client that activates them.")
  parser:flag("--text-certificates", "Show certificates as text, and check only the form of those handed in.")
  parser:flag("--allow-hsm1", "Let clusters of hsm1.medium be created, and migrated.")
  parser
    :option("--state", "Keep what exists in this file, and find it there again; default: in memory.")
    :argname "<file>"
  parser
    :option("--control-port", "Serve the control interface on this port; 0 for any free one.")
    :convert(whole_number(0, 65535))
  parser:option("--control-host", "The address of the control interface."):default "127.0.0.1"
  parser:option("--record", "Add every exchange to this file, without signatures and tokens."):argname "<file>"
  parser:option("--replay", "Give the answers of a recording, instead of being a CloudHSM."):argname "<file>"
  parser
    :option(
      "--announce-port-file",
      "Write the port to this file once it listens, and that of the control interface in a second line."
    )
    :argname "<file>"
  parser:option("--lifetime", "Stop after this many seconds."):argname("<seconds>"):convert(seconds)
  parser:flag("--until-stdin-closes", "Stop when standard input ends.")
  return parser
end

local function emulator_options(arguments)
  local options = {
    clock = arguments.clock,
    max_skew = arguments.max_skew,
    seed = arguments.seed,
    verify_signatures = not arguments.no_verify_signatures,
    auto_activate = not arguments.no_auto_activate,
    certificates = arguments.text_certificates and "text" or "auto",
    allow_hsm1 = arguments.allow_hsm1 or false,
    state = arguments.state,
    record = arguments.record,
  }
  if arguments.access_key_id then
    options.credentials = {
      {
        access_key_id = arguments.access_key_id,
        secret_access_key = arguments.secret_access_key,
        session_token = arguments.session_token,
        account = arguments.account,
      },
    }
  end
  return options
end

-- The whole file or none of it: who waits for it may read it the moment it is there.
local function announce(path, port, control_port)
  local temporary = path .. ".new"
  local file, err = io.open(temporary, "w")
  if not file then
    return nil, err
  end
  file:write(("%d\n"):format(port), control_port and ("%d\n"):format(control_port) or "")
  file:close()
  return os.rename(temporary, path)
end

local function stop_with_stdin(server)
  local stdin = {}
  function stdin.getfd()
    return 0
  end
  function stdin.dirty()
    return false
  end
  server:watch(stdin, function()
    if not io.stdin:read(1) then
      server:stop()
    end
  end)
end

local function friendly(err, host, port, option)
  if err.code == "CannotListen" and err.message:find("in use", 1, true) then
    local text = "port %d of %s is in use; choose another with %s, or %s 0 for any free one"
    return text:format(port, host, option, option)
  end
  return err.message
end

-- What is to be served: a CloudHSM, or a recording of one.
local function make_service(arguments)
  local emulator = require "cloudhsmv2.emulator"
  if arguments.replay then
    return emulator.replay(arguments.replay)
  end
  local service, err = emulator.new(emulator_options(arguments))
  if service and service.journal and service.journal.dropped > 0 then
    complain(
      ("%s: dropped %d bytes of a change that was not finished"):format(arguments.state, service.journal.dropped)
    )
  end
  if service and service.recording then
    service.recording.on_error = complain
  end
  return service, err
end

-- The server of a service, listening; with `control`, where the control interface listens. Or nil and what to complain of.
local function make_server(service, arguments)
  local server, err = require("cloudhsmv2.emulator.server").new(service, {
    host = arguments.host,
    port = arguments.port,
    on_error = function(problem)
      complain("error in the emulator: " .. tostring(problem))
    end,
  })
  if not server then
    return nil, friendly(err, arguments.host, arguments.port, "--port")
  end
  if arguments.control_port then
    local control = require "cloudhsmv2.emulator.control"
    server.control, err = server:listen(function(request)
      return control.handle(service, request)
    end, { host = arguments.control_host, port = arguments.control_port, max_body = MAX_SNAPSHOT })
    if not server.control then
      server:close()
      return nil, friendly(err, arguments.control_host, arguments.control_port, "--control-port")
    end
  end
  return server
end

local function run_server(server, arguments)
  if arguments.announce_port_file then
    local written, err = announce(arguments.announce_port_file, server.port, server.control and server.control.port)
    if not written then
      complain("cannot announce the port: " .. tostring(err))
      server:close()
      return FAILED
    end
  end
  if arguments.until_stdin_closes then
    stop_with_stdin(server)
  end
  io.stdout:write("listening on ", server.url, "\n")
  if server.control then
    io.stdout:write("control on ", server.control.url, "\n")
  end
  io.stdout:flush()
  server:run(arguments.lifetime)
  return OK
end

-- Errors of files that are as they are, and not of how the command was called.
local NOT_MISUSED = {
  StateInUse = true,
  CannotOpenState = true,
  CannotReadState = true,
  CannotWriteState = true,
  NoState = true,
  StateTooNew = true,
  StateDamaged = true,
  CannotRecord = true,
  InvalidRecording = true,
}

local function serve(arguments)
  local service, err = make_service(arguments)
  if not service then
    complain(err.message)
    return NOT_MISUSED[err.code] and FAILED or MISUSED
  end
  local server, problem = make_server(service, arguments)
  local code = FAILED
  if server then
    code = run_server(server, arguments)
  else
    complain(problem)
  end
  service:close()
  return code
end

--- Runs the command.
-- @tparam table argv its arguments, as in `arg`
-- @treturn integer exit code: 0 when it served, 1 when it could not, 2 for wrong arguments
-- @usage os.exit(require("cloudhsmv2.emulator.command").run(arg))
function command.run(argv)
  local found, argparse = pcall(require, "argparse")
  if not found then
    complain "needs argparse: apt-get install lua-argparse, or luarocks install argparse"
    return FAILED
  end
  local parser = parser_of(argparse)
  local fine, arguments = parser:pparse(argv)
  if not fine then
    complain(arguments:gsub("\n", " ") .. "; see --help")
    return MISUSED
  elseif arguments.help then
    io.stdout:write(parser:get_help(), "\n")
    return OK
  elseif arguments.version then
    io.stdout:write(NAME, " ", require("cloudhsmv2").version, "\n")
    return OK
  elseif (arguments.access_key_id == nil) ~= (arguments.secret_access_key == nil) then
    complain "--access-key-id and --secret-access-key go together"
    return MISUSED
  elseif arguments.session_token and not arguments.access_key_id then
    complain "--session-token needs --access-key-id"
    return MISUSED
  elseif arguments.replay and (arguments.state or arguments.record or arguments.control_port) then
    complain "--replay goes without --state, --record and --control-port"
    return MISUSED
  end
  return serve(arguments)
end

return command
