--- How `make test` shows a run of busted: a dot for each spec file, every failure in full, one closing line of counts.
-- A pending test counts as failed: it proves nothing, and nobody reads a list of pendings.
-- Its argument (busted's -Xoutput) is the name that the closing line starts with.

local busted = require "busted"
local pretty = require "pl.pretty"

local WIDTH = 100 -- dots in a line

return function(options)
  local handler = require "busted.outputHandlers.base"()
  local dots, troubles = 0, 0

  local function troubles_so_far()
    return handler.failuresCount + handler.errorsCount + handler.pendingsCount
  end

  local function describe(problem)
    local trace = problem.element.trace or {}
    local place = trace.short_src and string.format("%s:%d: ", trace.short_src, trace.currentline or 0) or ""
    local message = problem.message
    if type(message) ~= "string" then
      message = message == nil and "no message" or pretty.write(message)
    end
    local traceback = options.verbose and problem.trace and problem.trace.traceback or ""
    return string.format("\n%s%s\n%s\n%s", place, problem.name, message, traceback)
  end

  function handler.fileEnd()
    io.write(troubles_so_far() > troubles and "F" or ".")
    troubles, dots = troubles_so_far(), dots + 1
    if dots % WIDTH == 0 then
      io.write "\n"
    end
    io.flush()
    return nil, true
  end

  function handler.suiteEnd()
    io.write "\n"
    for _, list in ipairs { handler.failures, handler.errors } do
      for _, problem in ipairs(list) do
        io.write(describe(problem))
      end
    end
    for _, pending in ipairs(handler.pendings) do
      io.write(string.format("\npending, which counts as failed: %s\n", pending.name))
    end
    local name = options.arguments[1] or "specs"
    io.write(string.format("%s: %d passed, %d failed\n", name, handler.successesCount, troubles_so_far()))
    io.flush()
    return nil, true
  end

  busted.subscribe({ "file", "end" }, handler.fileEnd)
  busted.subscribe({ "suite", "end" }, handler.suiteEnd)
  return handler
end
