--- Runs Lua text with globals of its own, on every Lua.

local sandbox = {}

--- Runs `text`.
-- @tparam string text
-- @tparam string name for messages
-- @tparam table environment what the text reads and writes as globals
-- @return what the text returns. Raises when it does not compile, or raises.
function sandbox.run(text, name, environment)
  local chunk
  if setfenv then
    chunk = setfenv(assert(loadstring(text, "=" .. name)), environment)
  else
    chunk = assert(load(text, "=" .. name, "t", environment))
  end
  return chunk()
end

return sandbox
