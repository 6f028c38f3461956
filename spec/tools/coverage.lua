--- Which lines of the library run: loaded before everything else, by LUA_INIT, into each Lua 5.4 that the specs start.
-- At its end a process leaves a file in the folder COVERAGE: `file:line` for each line that ran. Run as a script with that folder as
-- argument, it prints the share of the lines of each file and of all.
--
-- Usage: lua5.4 spec/tools/coverage.lua FOLDER LEAST     exit code 1 when less than LEAST percent of all lines ran

local LIBRARY = "^@%.?/?(lua/cloudhsmv2/.*)$"

-- ---- Watching ----

local function watch(folder)
  local hits, names = {}, {} -- by source, then by line; the library's name of a source, or false
  local getinfo, sethook, open, tmpname = debug.getinfo, debug.sethook, io.open, os.tmpname
  local create, resume = coroutine.create, coroutine.resume

  local function hook(_, line)
    local source = getinfo(2, "S").source
    local lines = names[source]
    if lines == nil then
      local name = source:match(LIBRARY)
      lines = name and (hits[name] or {}) or false
      names[source] = lines
      if name then
        hits[name] = lines
      end
    end
    if lines then
      lines[line] = true
    end
  end

  local function flush()
    sethook()
    local path = tmpname()
    os.remove(path)
    local file = open(folder .. "/" .. path:match "[^/]+$", "w")
    for name, lines in pairs(hits) do
      for line in pairs(lines) do
        file:write(name, ":", line, "\n")
      end
    end
    file:close()
    hits = {}
  end

  -- Hooks are a coroutine's own.
  function coroutine.create(called) -- luacheck: ignore
    local thread = create(called)
    sethook(thread, hook, "l")
    return thread
  end
  local function pass(fine, ...)
    if not fine then
      error((...), 0)
    end
    return ...
  end
  function coroutine.wrap(called) -- luacheck: ignore
    local thread = coroutine.create(called)
    return function(...)
      return pass(resume(thread, ...))
    end
  end
  local exit = os.exit
  function os.exit(...) -- luacheck: ignore
    flush()
    exit(...)
  end
  debug.getregistry()["coverage of lines"] = setmetatable({}, { __gc = flush })
  sethook(hook, "l")
end

-- ---- Reporting ----

local function lines_of(command)
  local pipe = assert(io.popen(command))
  local lines = {}
  for line in pipe:lines() do
    lines[#lines + 1] = line
  end
  pipe:close()
  return lines
end

-- The lines of a file that hold code, by the compiler's listing.
local function executable(path)
  local lines = {}
  for _, text in ipairs(lines_of("luac5.4 -l -p " .. path)) do
    local line, operation = text:match "^\t%d+\t%[(%d+)%]\t(%S+)"
    if line and operation ~= "VARARGPREP" then
      lines[tonumber(line)] = true
    end
  end
  return lines
end

local function ranges(missed)
  local parts, i = {}, 1
  while i <= #missed do
    local last = i
    while missed[last + 1] == missed[last] + 1 do
      last = last + 1
    end
    parts[#parts + 1] = last > i and missed[i] .. "-" .. missed[last] or tostring(missed[i])
    i = last + 1
  end
  return table.concat(parts, ",")
end

local function report(folder, least)
  local hit = {}
  for _, line in ipairs(lines_of("cat " .. folder .. "/lua_* | sort -u")) do
    hit[line] = true
  end
  local all, ran = 0, 0
  for _, path in ipairs(lines_of "find lua -name '*.lua' | sort") do
    local total, missed = 0, {}
    for line in pairs(executable(path)) do
      total = total + 1
      if not hit[path .. ":" .. line] then
        missed[#missed + 1] = line
      end
    end
    table.sort(missed)
    all, ran = all + total, ran + total - #missed
    print(
      ("%-50s %5d %5d %5.1f%%  %s"):format(
        path,
        total,
        total - #missed,
        100 * (total - #missed) / math.max(total, 1),
        ranges(missed)
      )
    )
  end
  local share = 100 * ran / all
  print(("lines of Lua: %d of %d, %.1f%%"):format(ran, all, share))
  return share >= least
end

if os.getenv "COVERAGE" then
  watch(os.getenv "COVERAGE")
elseif arg and arg[1] then
  os.exit(report(arg[1], tonumber(arg[2])))
end
