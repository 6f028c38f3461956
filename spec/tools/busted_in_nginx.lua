--- What a worker of nginx does to run the specs; spec/tools/busted_in_nginx starts it.

-- What cannot hold inside a worker: the file, the test's name in it, and why.
local EXCLUDED = {
  {
    file = "spec/parallel_spec.lua",
    name = "waits by itself in a coroutine of the user's and in the callback of a C function",
    reason = "a worker refuses a call from inside a C function (CannotYield): it could only block",
  },
}

local busted_in_nginx = {}

local function write(path, content)
  local file = assert(io.open(path, "w"))
  file:write(content)
  file:close()
end

-- An exclusion of a test that is gone, or has another name by now, must not stay.
local function check(exclusion)
  local file = assert(io.open(exclusion.file))
  local text = file:read "*a"
  file:close()
  assert(text:find('it("' .. exclusion.name, 1, true), exclusion.file .. " has no test: " .. exclusion.name)
end

-- The command line of busted, with the interpreter before it.
local function arguments(root)
  local list = { [-1] = "luajit", [0] = "busted", "-o", "spec/tools/report.lua", "-Xoutput", "nginx" }
  for _, exclusion in ipairs(EXCLUDED) do
    check(exclusion)
    io.write(("not run in nginx: %s: %s: %s\n"):format(exclusion.file, exclusion.name, exclusion.reason))
    list[#list + 1] = "--filter-out=" .. exclusion.name:gsub("%p", "%%%0")
  end
  list[#list + 1] = root
  return list
end

--- Runs busted, once for one nginx: a worker that died has a successor, which must not begin again.
-- @tparam string status_path the file that gets the exit code
-- @tparam string root the folder or file of specs
function busted_in_nginx.run(status_path, root)
  local ngx = rawget(_G, "ngx")
  if not ngx.shared.busted:add("started", true) then
    write(status_path, "a worker died\n")
    return
  end
  local exit, code = os.exit, nil
  os.exit = function(wanted) -- luacheck: ignore 122
    code = wanted == true and 0 or tonumber(wanted) or 1
    error("busted has ended", 0)
  end
  local ended, problem = pcall(function()
    rawset(_G, "arg", arguments(root))
    require "busted.runner" { standalone = false }
  end)
  os.exit = exit -- luacheck: ignore 122
  if not ended and not code then
    code = 1
    io.write(problem and tostring(problem) .. "\n" or "") -- busted raises nil after failures, which it has reported
  end
  io.flush()
  write(status_path, (code or 0) .. "\n")
end

return busted_in_nginx
