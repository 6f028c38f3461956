--- Lua scripts in a process of their own, on the same Lua.

local INTERPRETER = rawget(_G, "jit") and "luajit" or (_VERSION:gsub("^Lua ", "lua"))

local script = {}

--- Runs a script, which finds the same modules.
-- @tparam string source
-- @tparam[opt] string environment as a shell has it before a command: `"TZ=UTC0"`
-- @treturn string what it printed, on standard error, too
-- @treturn string its exit status
function script.run(source, environment)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(source)
  file:close()
  local command = "LUA_PATH='%s' LUA_CPATH='%s' %s %s %s 2>&1; echo $?"
  local pipe = assert(io.popen(command:format(package.path, package.cpath, environment or "", INTERPRETER, path)))
  local text = pipe:read "*a"
  pipe:close()
  os.remove(path)
  return text:match "^(.-)(%d+)\n$"
end

return script
