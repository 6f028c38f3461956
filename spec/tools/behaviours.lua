--- Gathers what is known of each behaviour of the emulator from the comments beside the code that implements it, and
-- writes them as a page: `make behaviours`.
--
-- A behaviour is a comment of one of these forms. What follows the comma is the source, and lines that are indented after
-- the dashes go on with it. The last form gives a setting's default, in a table of settings.
--
--     -- [documented, API reference] a cluster with HSMs cannot be deleted
--     -- [assumed] a cluster that is being deleted cannot be changed,
--     --   by anybody
--     hsm_creation = 313, -- [observed, measured] until a new HSM is ACTIVE
--
-- Files may also have a table in the comment at their top, headed `| behaviour | how sure |`.
--
-- @module spec.tools.behaviours

local behaviours = {}

local ROOT = "lua/cloudhsmv2/emulator/"
behaviours.PAGE = "doc/emulator-behaviour.md"

local CLASSES = { documented = true, observed = true, assumed = true, ours = true }
local NEEDS_SOURCE = { documented = true, observed = true }
-- The words of the tables at the top of files; only the first two say a source less than they mean.
local WORDS = {
  documented = "documented",
  ["the API's model"] = "documented",
  recorded = "observed",
  measured = "observed",
  assumed = "assumed",
  ours = "ours",
}

-- Files whose every refusal must say why, and whose every exported function and event must have a behaviour.
local COMPLETE = { "^handlers/%l+%.lua$", "^lifecycle%.lua$", "^validate%.lua$", "^paging%.lua$", "^filtering%.lua$" }
local INDEX = "handlers/init.lua" -- has no behaviour of its own

local INTRODUCTION = [[
# What the emulator does, and how sure it is

This page is made by `make behaviours` from the comments beside the code; a test fails when it is not up to date. It says of every
behaviour of the local CloudHSM where it is from:

- **documented**: AWS's API model, API reference or user guide says so;
- **observed**: an answer of the real service was recorded that shows it, or others measured it and said so;
- **assumed**: nobody public has said. Where a program could come to depend on it, a setting changes it;
- **ours**: the service has nothing like it, or differs, and we know.
]]

--- The files that are read, in order: paths under the emulator's folder.
-- @treturn table
function behaviours.files()
  local pipe = assert(io.popen("find " .. ROOT .. " -name '*.lua'"))
  local files = {}
  for path in pipe:lines() do
    files[#files + 1] = path:sub(#ROOT + 1)
  end
  pipe:close()
  table.sort(files) -- by bytes: nothing here sets a locale
  return files
end

--- The text of a file.
-- @tparam string path
-- @treturn string
function behaviours.content(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

-- The three parts of a behaviour's comment.
local function annotation(comment)
  local class, source, text = comment:match "^%[(%l+),%s*([^%]]+)%]%s+(.+)$"
  if not class then
    class, text = comment:match "^%[(%l+)%]%s+(.+)$"
  end
  if class then
    return { class = class, source = source, text = text }
  end
  return nil
end

-- A row of the table at the top of a file: its second cell starts with how sure it is.
local function row(line)
  local text, sure = line:match "^%-%- | (.-) | ([^|]-) |$"
  if not text or text:find "^%-" then
    return nil
  end
  for word, class in pairs(WORDS) do
    if sure:sub(1, #word) == word then
      local source = sure:gsub("^" .. class .. "%A*", ""):gsub("^for ", "")
      return { class = class, text = text, source = source ~= "" and source or nil }
    end
  end
  return { class = sure, text = text }
end

-- What a line of code opens: a function's name, or a table's.
local function opened(line)
  local name = line:match "^%s*local function ([%w_.:]+)" or line:match "^%s*function ([%w_.:]+)"
  return name, line:match "^%l*%s*([%w_.]+) = {$"
end

--- Reads one file.
-- @tparam string text
-- @treturn table list of behaviours: `class`, `source`, `text`, `place` (a function, or nil) and, for settings, `setting`
-- and `default`
-- @treturn table list of problems
-- @treturn string what the file is about
function behaviours.read(text)
  local found, problems, place, table_name, last = {}, {}, nil, nil, nil
  local in_table, explained = false, false
  local number = 0

  local function problem(message)
    problems[#problems + 1] = ("line %d: %s"):format(number, message)
  end

  local function add(behaviour)
    if not CLASSES[behaviour.class] then
      problem(("'%s' is none of documented, observed, assumed and ours"):format(behaviour.class))
    elseif NEEDS_SOURCE[behaviour.class] and not behaviour.source and not in_table then
      problem(("'%s' needs a source"):format(behaviour.class))
    end
    behaviour.place = behaviour.place or place
    found[#found + 1] = behaviour
    explained = true
    return behaviour
  end

  for line in (text .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    local comment = line:match "^%s*%-%-%s(.*)$"
    local more = line:match "^%s*%-%-%s%s%s+(%S.*)$"
    local name, opened_table = opened(line)
    if line == "-- | behaviour | how sure |" then
      in_table = true
    elseif in_table and line:find "^%-%- |" then
      local behaviour = row(line)
      if behaviour then
        add(behaviour)
      end
    elseif comment and annotation(comment) then
      last = add(annotation(comment))
    elseif last and more then
      last.text = last.text .. " " .. more
    else
      last, in_table = nil, false
      local member, value, trailing = line:match "^%s*([%w_]+) = (.-),%s+%-%- (.*)$"
      local setting = trailing and annotation(trailing)
      if setting then
        setting.setting = (table_name and table_name:match "%.([%w_]+)$" or "") .. "/" .. member
        setting.default = value
        add(setting)
      elseif name then
        place, explained = name, false
      elseif opened_table then
        table_name = opened_table
      elseif line == "end" then
        place = nil
      end
      if line:find "fault%.%l+[ (]" or line:find "[^%w]report%(" and not line:find "function" then
        if not explained then
          problem("a refusal without a behaviour: " .. line:match "^%s*(.-)$")
        end
        explained = false
      end
    end
  end
  return found, problems, text:match "^%-%-%- ([^\n]-)[.:]?\n" or ""
end

local function must_be_complete(file)
  for _, pattern in ipairs(COMPLETE) do
    if file:find(pattern) and file ~= INDEX then
      return true
    end
  end
  return false
end

-- Exported handlers and events that no behaviour speaks of.
local function unexplained(text, found)
  local explained, missing = {}, {}
  for _, behaviour in ipairs(found) do
    explained[behaviour.place or ""] = true
  end
  for name in text:gmatch "\nfunction ([%w_]+%.%u[%w_]+)%(" do
    missing[#missing + 1] = not explained[name] and name or nil
  end
  for name in text:gmatch "\nfunction (events%.[%w_]+)%(" do
    missing[#missing + 1] = not explained[name] and name or nil
  end
  return missing
end

--- Everything that is known, file by file.
-- @tparam[opt] function read_file gives the text of a path, instead of the file
-- @treturn table list of `file`, `about` and `behaviours`
-- @treturn table list of problems
function behaviours.gather(read_file)
  local parts, problems = {}, {}
  for _, file in ipairs(behaviours.files()) do
    local text = (read_file or behaviours.content)(ROOT .. file)
    local found, wrong, about = behaviours.read(text)
    if not must_be_complete(file) then
      for i = #wrong, 1, -1 do
        if wrong[i]:find "a refusal without" then
          table.remove(wrong, i)
        end
      end
    else
      for _, name in ipairs(unexplained(text, found)) do
        wrong[#wrong + 1] = name .. " has no behaviour"
      end
    end
    for _, problem in ipairs(wrong) do
      problems[#problems + 1] = ROOT .. file .. ": " .. problem
    end
    if #found > 0 then
      parts[#parts + 1] = { file = file, about = about, behaviours = found }
    end
  end
  return parts, problems
end

-- A setting's default as a reader wants it: times have their unit.
local function default_of(behaviour)
  local value = behaviour.default
  if not behaviour.setting:find "^times/" then
    return value
  end
  local count, unit = value:match "^(%d*)[ *]*(%u*)$"
  count, unit = count ~= "" and count or "1", unit ~= "" and unit:lower() or "second"
  return ("%s %s%s"):format(count, unit, count == "1" and "" or "s")
end

local function cell(text)
  return (text:gsub("|", "\\|"))
end

local function written(behaviour)
  local text = behaviour.text
  if behaviour.setting then
    local name = behaviour.setting:gsub("^/", ""):gsub("/", ".")
    text = ("`%s`, %s: %s"):format(name, default_of(behaviour), text)
  end
  local sure = "**" .. behaviour.class .. "**"
  if behaviour.source then
    sure = sure .. ": " .. behaviour.source
  end
  return ("| %s | %s | %s |"):format(cell(text), cell(sure), behaviour.place and "`" .. behaviour.place .. "`" or "")
end

--- The page.
-- @tparam table parts as of `gather`
-- @treturn string Markdown
function behaviours.page(parts)
  local count, total = { documented = 0, observed = 0, assumed = 0, ours = 0 }, 0
  local lines = {}
  for _, part in ipairs(parts) do
    lines[#lines + 1] = ("\n## %s\n\nIn `%s`.\n"):format(part.about, part.file)
    lines[#lines + 1] = "| behaviour | how sure | function |\n| --- | --- | --- |"
    for _, behaviour in ipairs(part.behaviours) do
      lines[#lines + 1] = written(behaviour)
      total = total + 1
      count[behaviour.class] = (count[behaviour.class] or 0) + 1
    end
  end
  local summary = ("%d behaviours and settings: %d documented, %d observed, %d assumed, %d ours."):format(
    total,
    count.documented,
    count.observed,
    count.assumed,
    count.ours
  )
  return INTRODUCTION .. "\n" .. summary .. "\n" .. table.concat(lines, "\n") .. "\n"
end

--- Writes the page.
-- @treturn integer exit code
function behaviours.main()
  local parts, problems = behaviours.gather()
  for _, problem in ipairs(problems) do
    io.stderr:write(problem, "\n")
  end
  if #problems > 0 then
    return 1
  end
  local file = assert(io.open(behaviours.PAGE, "wb"))
  file:write(behaviours.page(parts))
  file:close()
  return 0
end

return behaviours
