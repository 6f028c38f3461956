--- Calls of functions that a user gave, which may raise and may yield.
-- `pcall` allows both on every Lua but PUC Lua 5.1, where a yield cannot cross it: there the function runs in a
-- coroutine of its own, and its yields are passed on.
-- @module cloudhsmv2.protected

local create, resume, status, yield = coroutine.create, coroutine.resume, coroutine.status, coroutine.yield

-- `continue` gets what `resume` returned, and passes on yields until the coroutine ends.
local function continue(thread, ok, ...)
  if ok and status(thread) == "suspended" then
    return continue(thread, resume(thread, yield(...)))
  end
  return ok, ...
end

local function coroutine_pcall(called, ...)
  local thread = create(function(...) -- PUC Lua 5.1 makes coroutines of Lua functions only
    return called(...)
  end)
  return continue(thread, resume(thread, ...))
end

-- Trying it out would not do: inside nginx, where a resume is a yield to nginx's scheduler, it fails while `require` loads this.
local pcall_can_yield = _VERSION ~= "Lua 5.1" or package.loaded.jit

return {
  --- As `pcall`, and the function may yield.
  -- @function call
  -- @tparam function called
  -- @param ... its arguments
  -- @treturn boolean whether it returned
  -- @return what it returned, or what it raised
  call = pcall_can_yield and pcall or coroutine_pcall,
  coroutine_pcall = coroutine_pcall,
}
