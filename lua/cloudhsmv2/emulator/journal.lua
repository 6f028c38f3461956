--- The file that a state is kept in: documents by key, in a journal of what became of them.
--
-- The first line names the format; every further line is a change: 16 hexadecimal digits of a SHA-256, the number of bytes
-- that it is of, and these: a JSON object with the documents that are new or others (`put`) and the keys of those that are gone (`drop`).
-- Read from top to bottom they give the state. A change is on the disk before `commit` returns (`fdatasync`), so that what
-- was acknowledged is there after the process was killed or the power failed. A line that was not finished is dropped when the
-- file is opened; one that is damaged in the midst of others is an error, since then acknowledged changes would be lost.
-- When most of the file is history, a new file with the documents alone takes its place by one atomic `rename`.
-- One process has the file for itself, by `flock`.
--
-- Not SQLite: an emulator has all of its state in memory and writes it alone, so that of a database it would use no more than
-- this; LuaSQL and lsqlite3 are on few machines where this library is, bind C libraries to each Lua anew, and LuaSQL has no
-- bound parameters. The core that every user has anyway does it alike on all Luas and in nginx, and the file can be
-- read, searched and compared as text.
--
-- @module cloudhsmv2.emulator.journal

local core = require "cloudhsmv2.core"
local errors = require "cloudhsmv2.errors"
local json = require "cloudhsmv2.emulator.json"

local journal = {}
local methods = {}
local metatable = { __name = "cloudhsmv2.emulator.journal", __index = methods }

local FORMAT = 1
local HEADER = "cloudhsmv2-emulator state %d\n"
local DIGEST = 16 -- hexadecimal digits
local MOST = 1073741824 -- bytes of a file
local SLACK = 65536 -- bytes of history that are not worth a new file

local function failure(code, ...)
  return nil, errors.new { kind = "config", code = code, message = string.format(...) }
end

local function line_of(payload)
  return ("%s %d %s\n"):format(core.digest("sha256", payload):sub(1, DIGEST), #payload, payload)
end

local LINE = "^(" .. ("%x"):rep(DIGEST) .. ") (%d+) ()"

-- The change that begins at a position, and the position behind it; or nil where there is none that is whole and sound.
local function read_change(content, position)
  local digest, length, first = content:match(LINE, position)
  length = tonumber(length)
  if not length or length > #content or content:sub(first + length, first + length) ~= "\n" then
    return nil
  end
  local payload = content:sub(first, first + length - 1)
  if core.digest("sha256", payload):sub(1, DIGEST) ~= digest then
    return nil
  end
  local change = json.decode(payload)
  return type(change) == "table" and change or nil, first + length + 1
end

-- Hands the changes from `position` on to `apply`. Returns the position where the first one begins that is not whole and sound.
local function read_changes(content, position, apply)
  while true do
    local change, behind = read_change(content, position)
    if not change then
      return position
    end
    apply(change)
    position = behind
  end
end

-- Whether there is a sound change anywhere behind `position`.
local function goes_on(content, position)
  while true do
    position = content:find(LINE:sub(2), position + 1)
    if not position then
      return false
    elseif read_change(content, position) then
      return true
    end
  end
end

-- Behind the first line; or nil and an error. A first line that was not finished counts as none.
local function read_header(path, content)
  local header = HEADER:format(FORMAT)
  if content:sub(1, #header) == header then
    return #header + 1
  elseif content == header:sub(1, #content) then
    return 1
  end
  local format = content:match "^cloudhsmv2%-emulator state (%d+)\n"
  if format then
    local text = "%s: the state has the format %s, of a newer version of this emulator; this one knows %d"
    return failure("StateTooNew", text, path, format, FORMAT)
  end
  return failure("NoState", "%s: this is no state of this emulator", path)
end

local function put(self, key, text)
  self.live = self.live - #(self.mirror[key] or "") + #(text or "")
  self.mirror[key] = text
end

local function load(self)
  local content, reason = self.file:read(MOST)
  if not content then
    return failure("CannotReadState", "%s: %s", self.path, reason)
  end
  local position, err = read_header(self.path, content)
  if not position then
    return nil, err
  end
  local values = {}
  local ending = read_changes(content, position, function(change)
    for key, value in pairs(change.put or {}) do
      values[key] = value
    end
    for _, key in ipairs(change.drop or {}) do
      values[key] = nil
    end
  end)
  if goes_on(content, ending) then
    return failure("StateDamaged", "%s: damaged at byte %d, and more follows", self.path, ending)
  end
  if ending <= #content then
    self.dropped = #content + 1 - ending
    local fine
    fine, reason = self.file:cut(ending - 1)
    if not fine then
      return failure("CannotWriteState", "%s: %s", self.path, reason)
    end
  end
  self.size = ending - 1
  for key, value in pairs(values) do
    put(self, key, assert(json.encode(value)))
  end
  return next(values) and values or {}
end

local function payload_of(changes)
  local puts, drops = {}, {}
  for key, text in pairs(changes) do
    if text then
      puts[#puts + 1] = assert(json.encode(key)) .. ":" .. text
    else
      drops[#drops + 1] = assert(json.encode(key))
    end
  end
  table.sort(puts)
  table.sort(drops)
  return ('{"put":{%s},"drop":[%s]}'):format(table.concat(puts, ","), table.concat(drops, ","))
end

-- Puts a file without history in the place of this one, where that pays. It may fail: then the old one goes on.
local function compact(self)
  if self.size < self.compact_at then
    return
  end
  local content = HEADER:format(FORMAT) .. line_of(payload_of(self.mirror))
  if self.file:replace(content) then
    self.size = #content
  end
  self.compact_at = 2 * math.max(self.size, self.live) + SLACK
end

--- Writes a change down.
-- @tparam table changes JSON by key; false: gone. What is no other than before is left out
-- @treturn[1] boolean true: it is on the disk
-- @treturn[2] nil
-- @treturn[2] table an error: nothing of it was written
function methods:commit(changes)
  local real = {}
  for key, text in pairs(changes) do
    if text ~= (self.mirror[key] or false) then
      real[key] = text
    end
  end
  if not next(real) then
    return true
  end
  local line = line_of(payload_of(real))
  if self.size == 0 then
    line = HEADER:format(FORMAT) .. line
  end
  local written, reason = self.file:append(line)
  if not written then
    return failure("CannotWriteState", "%s: %s", self.path, reason)
  end
  self.size = self.size + #line
  for key, text in pairs(real) do
    put(self, key, text or nil)
  end
  compact(self)
  return true
end

--- Writes down a state as a whole, in place of the one there is.
-- @tparam table all JSON by key
-- @treturn[1] boolean true: it is on the disk
-- @treturn[2] nil
-- @treturn[2] table an error: the old one is as it was
function methods:commit_all(all)
  local changes = {}
  for key in pairs(self.mirror) do
    changes[key] = false
  end
  for key, text in pairs(all) do
    changes[key] = text
  end
  return self:commit(changes)
end

--- The documents that were written down.
-- @treturn table values by key
function methods:values()
  local values = {}
  for key, text in pairs(self.mirror) do
    values[key] = json.decode(text)
  end
  return values
end

--- Gives the file up. Closing twice is fine.
function methods:close()
  self.file:close()
end

--- Opens a file, which is made where there is none.
-- @tparam string path
-- @treturn[1] table whose `dropped` is how many bytes of a change were there that was never finished, 0 for none
-- @treturn[1] table the documents in it: values by key; none in a new one
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config`: `StateInUse`, `CannotOpenState`, `CannotReadState`, `CannotWriteState`,
-- `NoState`, `StateTooNew` or `StateDamaged`
function journal.open(path)
  local file, reason, in_use = core.open_journal(path)
  if in_use then
    return failure("StateInUse", "%s: another emulator has this state open", path)
  elseif not file then
    return failure("CannotOpenState", "%s: %s", path, reason)
  end
  local self = setmetatable({
    path = path,
    file = file,
    mirror = {}, -- what is written down: JSON by key
    live = 0, -- bytes of that
    size = 0, -- bytes of the file
    dropped = 0,
    compact_at = SLACK,
  }, metatable)
  local values, err = load(self)
  if not values then
    file:close()
    return nil, err
  end
  self.compact_at = 2 * self.live + SLACK
  return self, values
end

return journal
