local core = require "cloudhsmv2.core"
local errors = require "cloudhsmv2.errors"
local journal = require "cloudhsmv2.emulator.journal"

local function read(path)
  local file = assert(io.open(path, "rb"))
  local content = file:read "*a"
  file:close()
  return content
end

local function write(path, content)
  local file = assert(io.open(path, "wb"))
  file:write(content)
  file:close()
end

-- The documents in a file, and the journal, closed.
local function documents_of(path)
  local opened, values = journal.open(path)
  assert(opened, values)
  opened:close()
  return values, opened
end

describe("a journal", function()
  local path

  before_each(function()
    path = os.tmpname()
  end)

  after_each(function()
    os.remove(path)
    os.remove(path .. ".new")
  end)

  -- A journal with some changes, closed; returns the position where the last one begins.
  local function written()
    local opened, values = assert(journal.open(path))
    assert.are.same({}, values)
    assert(opened:commit { a = '{"n":1}', b = '"x"' })
    assert(opened:commit { a = '{"n":2}', c = "true" })
    local before = #read(path)
    assert(opened:commit { b = false, d = "[1,2]" })
    opened:close()
    return before
  end

  local BEFORE = { a = { n = 2 }, b = "x", c = true }
  local AFTER = { a = { n = 2 }, c = true, d = { 1, 2 } }

  it("gives back what became of all changes", function()
    written()
    assert.are.same(AFTER, (documents_of(path)))
    assert.matches("^cloudhsmv2%-emulator state 1\n%x+ %d+ {", read(path))
  end)

  it("writes nothing for what is no change", function()
    local opened = assert(journal.open(path))
    assert(opened:commit { a = "1" })
    local size = #read(path)
    assert(opened:commit { a = "1", never = false })
    assert(opened:commit {})
    assert.are.equal(size, #read(path))
    opened:close()
  end)

  it("can be written as a whole", function()
    written()
    local opened = assert(journal.open(path))
    assert(opened:commit_all { a = '{"n":2}', z = "5" })
    opened:close()
    assert.are.same({ a = { n = 2 }, z = 5 }, (documents_of(path)))
  end)

  it("drops a last change that was cut at any byte, and goes on behind the one before", function()
    local start = written()
    local whole = read(path)
    for length = start, #whole - 1 do
      write(path, whole:sub(1, length))
      local opened, values = assert(journal.open(path))
      assert.are.same(BEFORE, values)
      assert.are.equal(length - start, opened.dropped)
      assert(opened:commit { e = "7" })
      opened:close()
      values = documents_of(path)
      assert.are.equal(7, values.e)
      assert.are.same({ n = 2 }, values.a)
    end
    write(path, whole)
    assert.are.equal(0, select(2, documents_of(path)).dropped)
  end)

  it("drops a last change of which any byte was not written", function()
    local start = written()
    local whole = read(path)
    for at = start + 1, #whole do
      for _, other in ipairs { "\0", "!", "\n" } do
        if whole:sub(at, at) ~= other then
          write(path, whole:sub(1, at - 1) .. other .. whole:sub(at + 1))
          assert.are.same(BEFORE, (documents_of(path)))
        end
      end
      write(path, whole:sub(1, at - 1) .. ("\0"):rep(#whole - at + 1)) -- a file that grew, and whose content never came
      assert.are.same(BEFORE, (documents_of(path)))
    end
  end)

  it("that was cut while it was begun is a new one", function()
    written()
    local whole = read(path)
    local first = #whole:match "^[^\n]*\n[^\n]*\n"
    for length = 0, first - 1 do
      write(path, whole:sub(1, length))
      local opened, values = assert(journal.open(path))
      assert.are.same({}, values)
      assert(opened:commit { e = "7" })
      opened:close()
      assert.are.same({ e = 7 }, (documents_of(path)))
    end
  end)

  it("is refused where it is damaged in the midst of it, since what was acknowledged would be lost", function()
    local start = written()
    local whole = read(path)
    local header = #"cloudhsmv2-emulator state 1\n"
    for at = header + 1, start do
      write(path, whole:sub(1, at - 1) .. "!" .. whole:sub(at + 1))
      local opened, err = journal.open(path)
      assert.is_nil(opened)
      assert.are.equal("StateDamaged", err.code)
      assert.matches(path .. ": damaged at byte %d+, and more follows", err.message)
    end
    assert.are.equal(#whole, #read(path)) -- it is as it was
  end)

  it("of a newer format is refused, and so is what is none", function()
    for content, wanted in pairs {
      ["cloudhsmv2-emulator state 2\n"] = { "StateTooNew", "has the format 2, of a newer version" },
      ["cloudhsmv2-emulator state 12\nwhatever"] = { "StateTooNew", "has the format 12" },
      ["[profile prod]\n"] = { "NoState", "is no state of this emulator" },
      ["x"] = { "NoState", "is no state of this emulator" },
    } do
      write(path, content)
      local opened, err = journal.open(path)
      assert.is_nil(opened)
      assert.is_true(errors.is(err))
      assert.are.equal("config", err.kind)
      assert.are.equal(wanted[1], err.code)
      assert.matches(path .. ": .*" .. wanted[2], err.message)
      assert.are.equal(content, read(path))
    end
  end)

  it("is open once", function()
    local opened = assert(journal.open(path))
    local second, err = journal.open(path)
    assert.is_nil(second)
    assert.are.equal("StateInUse", err.code)
    assert.matches("another emulator has this state open", err.message, 1, true)
    opened:close()
    opened:close()
    assert.are.same({}, (documents_of(path)))
  end)

  it("says why it cannot be opened", function()
    for at, reason in pairs {
      ["/nowhere/state"] = "there is no such folder",
      ["/tmp"] = "not a regular file",
      ["/dev/null"] = "not a regular file",
    } do
      local opened, err = journal.open(at)
      assert.is_nil(opened)
      assert.are.equal("CannotOpenState", err.code)
      assert.are.equal(at .. ": " .. reason, err.message)
    end
    assert.has_error(function()
      journal.open "a\0b"
    end)
  end)

  it("does not grow without end, and loses nothing when it is made short", function()
    local opened = assert(journal.open(path))
    local largest, replaced, before = 0, 0, 0
    for i = 1, 500 do
      local text = '"' .. i .. ("x"):rep(1000) .. '"'
      assert(
        opened:commit { ["k" .. i % 7] = text, count = ("%d"):format(i), ["once" .. i] = i % 50 == 0 and "1" or nil }
      )
      local size = #read(path)
      largest = math.max(largest, size)
      replaced = replaced + (size < before and 1 or 0)
      before = size
    end
    opened:close()
    assert.is_true(largest < 100000, largest)
    assert.is_true(replaced > 3)
    local values = documents_of(path)
    assert.are.equal(500, values.count)
    assert.are.equal(1, values.once450)
    assert.are.equal("500" .. ("x"):rep(1000), values.k3)
    assert.is_nil(io.open(path .. ".new"))
  end)

  it("goes on in the old file where it cannot be made short", function()
    assert(os.execute("mkdir " .. path .. ".new"))
    local opened = assert(journal.open(path))
    for i = 1, 200 do
      assert(opened:commit { k = '"' .. i .. ("x"):rep(1000) .. '"', count = ("%d"):format(i) })
    end
    opened:close()
    assert.are.equal(200, documents_of(path).count)
    assert.is_true(#read(path) > 200000)
    os.execute("rmdir " .. path .. ".new")
  end)

  it("that cannot be written says so and has the same documents as before", function()
    local opened = assert(journal.open(path))
    assert(opened:commit { a = "1" })
    local file = opened.file
    opened.file = {
      append = function()
        return nil, "no space left"
      end,
    }
    local kept, err = opened:commit { a = "2", b = "3" }
    assert.is_nil(kept)
    assert.are.equal("CannotWriteState", err.code)
    assert.are.equal(path .. ": no space left", err.message)
    assert.are.same({ a = 1 }, opened:values())
    opened.file = file
    assert(opened:commit { a = "2", b = "3" })
    opened:close()
    assert.are.same({ a = 2, b = 3 }, (documents_of(path)))
  end)

  it("holds any text and number", function()
    local json = require "cloudhsmv2.emulator.json"
    local value = {
      text = 'Zürich\n\r\0"\\\127',
      tiny = 2 ^ -1074,
      third = 1 / 3,
      huge = 1.7976931348623157e308,
      time = 1767225600.1234567,
    }
    local opened = assert(journal.open(path))
    assert(opened:commit { ["Zürich\n"] = json.encode(value) })
    opened:close()
    assert.are.same({ ["Zürich\n"] = value }, (documents_of(path)))
  end)
end)

describe("the core's journal", function()
  it("checks what it is given", function()
    local path = os.tmpname()
    local opened = assert(core.open_journal(path))
    for _, call in ipairs {
      function()
        core.open_journal()
      end,
      function()
        opened:append()
      end,
      function()
        opened:read(-1)
      end,
      function()
        opened:cut(1) -- there are no bytes
      end,
      function()
        opened.append({}, "x")
      end,
    } do
      assert.has_error(call)
    end
    assert.is_true(opened:append "abc")
    assert.are.same({ nil, "too large" }, { opened:read(2) })
    assert.are.equal("abc", opened:read(3))
    assert.is_true(opened:cut(1))
    assert.is_true(opened:replace "new")
    assert.are.equal("new", opened:read(3))
    opened:close()
    for _, method in ipairs { "append", "read", "cut", "replace" } do
      assert.has_error(function()
        opened[method](opened, method == "append" and "x" or 1)
      end)
    end
    os.remove(path)
  end)

  it("gives its file up when it is collected", function()
    local path = os.tmpname()
    assert(core.open_journal(path))
    collectgarbage()
    collectgarbage()
    local opened = assert(core.open_journal(path))
    opened:close()
    os.remove(path)
  end)
end)
