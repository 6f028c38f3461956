local errors = require "cloudhsmv2.errors"
local machine = require "spec.helper.machine"
local refresh = require "cloudhsmv2.credentials.refresh"
local scheduler = require "cloudhsmv2.runtime.scheduler"
local set = require "cloudhsmv2.credentials.set"
local sigv4 = require "cloudhsmv2.sigv4"

local SECRET = machine.SECRET

-- A keeper on a machine, whose `load` answers with keys "KEY1", "KEY2", ... that are good for `life` seconds, or with what `fail`
-- says. It counts in `loads`, and takes `takes` seconds.
local function keeper_of(life, options)
  local here = machine.new()
  local kept = { machine = here, loads = 0, takes = 0, deadlines = {} }
  for name, value in pairs(options or {}) do
    kept[name] = value
  end
  kept.keeper = refresh.new {
    load = function(deadline)
      kept.loads = kept.loads + 1
      local number = kept.loads
      kept.deadlines[number] = deadline or false
      if kept.takes > 0 then
        here.runtime.sleep(kept.takes)
      end
      if kept.fail then
        return kept.fail(number)
      end
      return set.new("a test", { access_key_id = "KEY" .. number, secret_access_key = SECRET }, {
        expiration = life and here.wall + life,
        origin = "a test",
        features = "e",
        account_id = "123456789012",
        once = kept.once,
        stable = kept.stable,
        asks = kept.asks,
      })
    end,
    time = here.runtime.time,
    now = here.runtime.now,
    sleep = here.runtime.sleep,
    overlaps = scheduler.is_in_task,
    random = function()
      return here.chance
    end,
    tell = function(event)
      here.events[#here.events + 1] = event
    end,
  }
  function kept.id(deadline)
    local found, err = kept.keeper:get(deadline)
    return found and found.credentials:access_key_id(), err
  end
  return kept
end

local function refusing(message)
  return function()
    return set.failure("Refused", message or "no keys today")
  end
end

-- Runs `get` in many tasks at once; returns what each got, the key's id or the error object.
local function many(kept, count, deadline)
  local got, tasks = {}, {}
  for i = 1, count do
    tasks[i] = function()
      local id, err = kept.id(deadline)
      got[i] = id or err
    end
  end
  kept.machine:at_once(tasks)
  return got
end

describe("credentials that are kept", function()
  it("are asked for once when they never expire", function()
    local kept = keeper_of(nil)
    assert.are.equal("KEY1", kept.id())
    kept.machine:let_pass(1e9)
    assert.are.equal("KEY1", kept.id())
    assert.are.equal(1, kept.loads)
  end)

  it("are renewed from five minutes before they expire on", function()
    local kept = keeper_of(3600)
    kept.id()
    kept.machine:let_pass(3299)
    assert.are.equal("KEY1", kept.id())
    kept.machine:let_pass(1)
    assert.are.equal("KEY2", kept.id())
    assert.are.equal("KEY2", kept.id())
    assert.are.equal(2, kept.loads)
  end)

  it("are renewed in the second half of their life when that is short, so that not every call does it", function()
    local kept = keeper_of(100)
    kept.id()
    kept.machine:let_pass(49)
    assert.are.equal("KEY1", kept.id())
    kept.machine:let_pass(1)
    assert.are.equal("KEY2", kept.id())
  end)

  it("are told of when they come, with their origin and without themselves", function()
    local kept = keeper_of(3600)
    kept.id()
    assert.are.same({
      {
        type = "credentials_refreshed",
        origin = "a test",
        expiration = machine.START + 3600,
        account_id = "123456789012",
      },
    }, kept.machine.events)
  end)

  it("are wiped when others take their place, and not before", function()
    local kept = keeper_of(3600)
    local first = kept.keeper:get().credentials
    kept.machine:let_pass(3400)
    kept.fail = refusing()
    kept.keeper:get()
    assert.are.equal("KEY1", first:access_key_id())
    kept.machine:let_pass(60)
    kept.fail = nil
    local second = kept.keeper:get().credentials
    assert.is_nil(first:access_key_id())
    assert.are.equal("KEY3", second:access_key_id())
  end)

  it("are never wiped here when they belong to somebody else", function()
    local kept = keeper_of(nil)
    local own = sigv4.credentials { access_key_id = "OWN", secret_access_key = SECRET }
    kept.fail = function()
      return { credentials = own, expiration = kept.machine.wall + 100, lasting = true, origin = "x" }
    end
    kept.keeper:get()
    kept.machine:let_pass(60)
    kept.keeper:get()
    kept.keeper:close()
    assert.are.equal("OWN", own:access_key_id())
    assert.are.same({}, kept.machine.events)
  end)

  it("are wiped when the keeper closes, which has none any more and asks for none", function()
    local kept = keeper_of(3600)
    local first = kept.keeper:get().credentials
    kept.keeper:close()
    kept.keeper:close()
    assert.is_nil(first:access_key_id())
    local found, err = kept.keeper:get()
    assert.is_nil(found)
    assert.are.equal("aborted", err.kind)
    assert.are.equal(1, kept.loads)
  end)

  it("pass on the deadline of who asks", function()
    local kept = keeper_of(3600)
    kept.keeper:get(123)
    assert.are.same({ 123 }, kept.deadlines)
  end)

  it("may be good for one attempt only, and are not told of", function()
    local kept = keeper_of(nil, { once = true })
    local first = kept.keeper:get().credentials
    assert.are.equal("KEY2", kept.id())
    assert.is_nil(first:access_key_id())
    kept.fail = refusing()
    local id, err = kept.id()
    assert.is_nil(id)
    assert.are.equal("no keys today", err.message)
    assert.are.same({}, kept.machine.events)
  end)
end)

describe("a refresh that fails", function()
  it("leaves what there is between five minutes and one minute before the end, with a warning", function()
    local kept = keeper_of(3600)
    kept.id()
    kept.fail = refusing()
    kept.machine:let_pass(3400)
    assert.are.equal("KEY1", kept.id())
    local warning = kept.machine:event "CredentialsRefreshFailed"
    assert.are.equal("warning", warning.type)
    assert.are.equal(
      "the credentials could not be renewed, and are good for another 200 seconds: no keys today",
      warning.message
    )
  end)

  it("is not repeated for a minute then", function()
    local kept = keeper_of(3600)
    kept.id()
    kept.fail = refusing()
    kept.machine:let_pass(3310)
    for _ = 1, 10 do
      kept.id()
      kept.machine:let_pass(5.9)
    end
    assert.are.equal(2, kept.loads)
    kept.machine:let_pass(1)
    kept.id()
    assert.are.equal(3, kept.loads)
  end)

  it("is repeated when the clock was put back meanwhile", function()
    local kept = keeper_of(36000)
    kept.id()
    kept.fail = refusing()
    kept.machine:let_pass(35900)
    kept.id()
    kept.machine.wall = kept.machine.wall - 100
    kept.id()
    assert.are.equal(3, kept.loads)
  end)

  it("leaves what there is in the last minute, too, until it has expired", function()
    local kept = keeper_of(3600)
    kept.id()
    kept.fail = refusing()
    kept.machine:let_pass(3541)
    assert.are.equal("KEY1", kept.id())
    kept.machine:let_pass(58)
    assert.are.equal("KEY1", kept.id())
    kept.machine:let_pass(1)
    local id, err = kept.id()
    assert.is_nil(id)
    assert.are.equal("credentials", err.kind)
    assert.are.equal("no keys today", err.message)
    assert.are.equal(4, kept.loads)
  end)

  it("leaves nothing where there was nothing, and is tried again by the next call", function()
    local kept = keeper_of(3600, { fail = refusing() })
    assert.is_nil((kept.id()))
    assert.is_nil((kept.id()))
    kept.fail = nil
    assert.are.equal("KEY3", kept.id())
  end)

  it("is one when what comes has expired already, and what there was stays as it is", function()
    local kept = keeper_of(3600)
    local first = kept.keeper:get().credentials
    local late
    kept.fail = function()
      late = set.new("a test", { access_key_id = "LATE", secret_access_key = SECRET }, {
        expiration = kept.machine.wall,
        origin = "a test",
      })
      return late
    end
    kept.machine:let_pass(3400)
    assert.are.equal("KEY1", kept.id())
    assert.are.equal("KEY1", first:access_key_id())
    assert.is_nil(late.credentials:access_key_id())
    kept.machine:let_pass(200)
    local id, err = kept.id()
    assert.is_nil(id)
    assert.are.equal("ExpiredCredentials", err.code)
    assert.are.equal("a test: these credentials have expired already; get new ones", err.message)
  end)

  it("that raises is raised to who asked, and does no harm to others", function()
    local kept = keeper_of(3600)
    kept.fail = function(number)
      if number == 1 then
        error("broken", 0)
      end
      return refusing()()
    end
    local fine, raised = pcall(kept.keeper.get, kept.keeper)
    assert.is_false(fine)
    assert.are.equal("broken", raised)
    kept.fail = nil
    assert.are.equal("KEY2", kept.id())
  end)

  it("never asks a person for something that can wait", function()
    local kept = keeper_of(3600, { asks = true })
    kept.id()
    kept.machine:let_pass(3539)
    assert.are.equal("KEY1", kept.id())
    assert.are.equal(1, kept.loads)
    kept.machine:let_pass(1)
    assert.are.equal("KEY2", kept.id())
  end)
end)

describe("a hundred callers at once", function()
  it("ask once when there is nothing, and all get what comes", function()
    local kept = keeper_of(3600, { takes = 2 })
    for _, id in ipairs(many(kept, 100)) do
      assert.are.equal("KEY1", id)
    end
    assert.are.equal(1, kept.loads)
  end)

  it("ask once in the last minute, and all wait for it", function()
    local kept = keeper_of(3600, { takes = 2 })
    kept.id()
    kept.machine:let_pass(3550)
    for _, id in ipairs(many(kept, 100)) do
      assert.are.equal("KEY2", id)
    end
    assert.are.equal(2, kept.loads)
  end)

  it("ask once in the last five minutes, and only one waits for it", function()
    local kept = keeper_of(3600, { takes = 2 })
    kept.id()
    kept.machine:let_pass(3400)
    local got = many(kept, 100)
    assert.are.equal("KEY2", got[1])
    for i = 2, 100 do
      assert.are.equal("KEY1", got[i])
    end
    assert.are.equal(2, kept.loads)
  end)

  it("all get the error of the one that asked, each an object of its own", function()
    local kept = keeper_of(3600, { takes = 2, fail = refusing() })
    local seen = {}
    for _, err in ipairs(many(kept, 100)) do
      assert.is_true(errors.is(err))
      assert.are.equal("no keys today", err.message)
      assert.is_nil(seen[err])
      seen[err] = true
    end
    assert.are.equal(1, kept.loads)
  end)

  it("share what is good for one attempt", function()
    local kept = keeper_of(nil, { takes = 2, once = true })
    for _, id in ipairs(many(kept, 100)) do
      assert.are.equal("KEY1", id)
    end
    assert.are.equal(1, kept.loads)
  end)

  it("use what an instance had beyond its end, one extension for all", function()
    local kept = keeper_of(3600, { takes = 2, stable = true })
    kept.id()
    kept.fail = refusing()
    kept.machine:let_pass(4000)
    for _, id in ipairs(many(kept, 100)) do
      assert.are.equal("KEY1", id)
    end
    assert.are.equal(2, kept.loads)
    local extensions = 0
    for _, event in ipairs(kept.machine.events) do
      extensions = extensions + (event.code == "CredentialsExtended" and 1 or 0)
    end
    assert.are.equal(1, extensions)
  end)

  it("go on with another that asks when the first raises", function()
    local kept = keeper_of(3600, { takes = 2 })
    kept.fail = function(number)
      if number == 1 then
        error("broken", 0)
      end
      return set.new("a test", { access_key_id = "KEY2", secret_access_key = SECRET }, { origin = "a test" })
    end
    local got, tasks = {}, {}
    for i = 1, 100 do
      tasks[i] = function()
        local _, found = scheduler.call(function()
          got[i] = kept.id()
        end)
        got[i] = got[i] or found
      end
    end
    kept.machine:at_once(tasks)
    assert.are.equal("broken", got[1])
    for i = 2, 100 do
      assert.are.equal("KEY2", got[i])
    end
    assert.are.equal(2, kept.loads)
  end)

  it("get none of it when the client is closed meanwhile, and what comes is wiped", function()
    local kept = keeper_of(3600, { takes = 2 })
    local came
    kept.fail = function()
      came = set.new("a test", { access_key_id = "KEY", secret_access_key = SECRET }, { origin = "a test" })
      return came
    end
    local got, tasks = {}, {}
    for i = 1, 10 do
      tasks[i] = function()
        local _, err = kept.keeper:get()
        got[i] = err
      end
    end
    tasks[11] = function()
      kept.machine.runtime.sleep(1)
      kept.keeper:close()
    end
    kept.machine:at_once(tasks)
    for i = 1, 10 do
      assert.are.equal("aborted", got[i].kind)
      assert.are.equal("Closed", got[i].code)
    end
    assert.is_nil(came.credentials:access_key_id())
    assert.are.equal(1, kept.loads)
  end)
end)

describe("who waits for another's refresh", function()
  it("gives up at its own deadline", function()
    local kept = keeper_of(3600, { takes = 30 })
    local got, at = {}, nil
    kept.machine:at_once {
      function()
        got[1] = kept.id()
      end,
      function()
        local _, err = kept.id(kept.machine.clock + 5)
        got[2], at = err, kept.machine.clock
      end,
    }
    assert.are.equal("KEY1", got[1])
    assert.are.equal("timeout", got[2].kind)
    assert.are.equal("DeadlineExceeded", got[2].code)
    assert.is_true(got[2].retryable)
    assert.is_true(at >= 105 and at < 105.1)
    assert.are.equal(1, kept.loads)
  end)

  it("gives up at its own deadline with what there is, where that is still good", function()
    local kept = keeper_of(3600, { takes = 30 })
    kept.id()
    kept.machine:let_pass(3515)
    local got = {}
    kept.machine:at_once {
      function()
        got[1] = kept.id()
      end,
      function()
        got[2] = kept.id(kept.machine.clock + 5)
      end,
    }
    assert.are.same({ "KEY2", "KEY1" }, got)
  end)

  it("asks itself when it was the other's deadline that came", function()
    local kept = keeper_of(3600, { takes = 2 })
    kept.fail = function(number)
      if number == 1 then
        return set.failure("DeadlineExceeded", "the time was over")
      end
      return set.new("a test", { access_key_id = "KEY" .. number, secret_access_key = SECRET }, { origin = "a test" })
    end
    local got = many(kept, 100)
    assert.are.equal("DeadlineExceeded", got[1].code)
    for i = 2, 100 do
      assert.are.equal("KEY2", got[i])
    end
    assert.are.equal(2, kept.loads)
  end)

  it("asks itself when the coroutine that asked was left alone", function()
    local kept = keeper_of(3600)
    local hanging = true
    kept.fail = function(number)
      if hanging then
        hanging = false
        coroutine.yield()
      end
      return set.new("a test", { access_key_id = "KEY" .. number, secret_access_key = SECRET }, { origin = "a test" })
    end
    local function abandon()
      local thread = coroutine.create(function()
        kept.keeper:get()
      end)
      coroutine.resume(thread)
    end
    abandon()
    collectgarbage()
    collectgarbage()
    local got = many(kept, 10)
    for i = 1, 10 do
      assert.are.equal("KEY2", got[i])
    end
    assert.are.equal(2, kept.loads)
  end)

  it("asks itself after more than a minute with one that hangs", function()
    local kept = keeper_of(3600)
    local hanging = true
    kept.fail = function(number)
      if hanging then
        hanging = false
        coroutine.yield()
      end
      return set.new("a test", { access_key_id = "KEY" .. number, secret_access_key = SECRET }, { origin = "a test" })
    end
    local thread = coroutine.create(function()
      kept.keeper:get()
    end)
    coroutine.resume(thread)
    local before = kept.machine.clock
    for _, id in ipairs(many(kept, 10)) do
      assert.are.equal("KEY2", id)
    end
    assert.are.equal(2, kept.loads)
    assert.is_true(kept.machine.clock - before > 75 and kept.machine.clock - before < 76)
    assert.are.equal("suspended", coroutine.status(thread))
  end)

  it("is not kept from renewing in time by one that was left alone", function()
    local kept = keeper_of(3600)
    kept.id()
    kept.machine:let_pass(3400)
    local hanging = true
    kept.fail = function(number)
      if hanging then
        hanging = false
        coroutine.yield()
      end
      return set.new("a test", { access_key_id = "KEY" .. number, secret_access_key = SECRET }, { origin = "a test" })
    end
    local thread = coroutine.create(function()
      kept.keeper:get()
    end)
    coroutine.resume(thread)
    assert.are.equal("KEY1", kept.id())
    kept.machine:let_pass(76)
    assert.are.equal("KEY3", kept.id())
    assert.are.equal("suspended", coroutine.status(thread))
  end)

  it("does not wait in vain where nobody else can go on", function()
    local kept = keeper_of(3600)
    local inner
    kept.fail = function(number)
      if number == 1 then
        coroutine.yield() -- to somebody who knows nothing of this library
      end
      return set.new("a test", { access_key_id = "KEY" .. number, secret_access_key = SECRET }, { origin = "a test" })
    end
    local thread = coroutine.create(function()
      inner = kept.id()
    end)
    coroutine.resume(thread)
    assert.are.equal("KEY2", kept.id())
    coroutine.resume(thread)
    assert.are.equal("KEY1", inner)
  end)
end)

describe("what gets credentials and needs them for it", function()
  local message = "called this client, which needs them"

  -- A keeper whose `load` asks it for credentials, by way of `through`.
  local function looping(through)
    local kept = keeper_of(3600)
    kept.fail = function()
      through(function()
        local _, err = kept.keeper:get()
        kept.inner = err
      end)
      return nil, kept.inner
    end
    return kept
  end

  local ways = {
    ["directly"] = function(ask)
      ask()
    end,
    ["in a coroutine of its own"] = function(ask)
      coroutine.wrap(ask)()
    end,
  }
  for way, through in pairs(ways) do
    it("is told so, when it asks " .. way, function()
      local kept = looping(through)
      local id, err = kept.id()
      assert.is_nil(id)
      assert.are.equal("what returns this client's credentials " .. message, err.message)
      assert.are.equal(1, kept.loads)
    end)

    it("is told so in a task, when it asks " .. way, function()
      local kept = looping(through)
      kept.takes = 1
      for _, err in ipairs(many(kept, 3)) do
        assert.is_truthy(err.message:find(message, 1, true))
      end
      assert.are.equal(1, kept.loads)
    end)
  end

  it("goes on with what there is, as long as that is good", function()
    local kept = keeper_of(3600)
    kept.id()
    kept.machine:let_pass(3400)
    kept.fail = function()
      return set.new("a test", {
        access_key_id = "AFTER" .. kept.id(),
        secret_access_key = SECRET,
      }, { origin = "a test" })
    end
    assert.are.equal("AFTERKEY1", kept.id())
  end)
end)

describe("credentials of an instance", function()
  it("are used for five to ten minutes more where there are no others, with a warning", function()
    for chance, seconds in pairs { [0] = 300, [0.5] = 450, [1] = 600 } do
      local kept = keeper_of(3600, { stable = true })
      kept.machine.chance = chance
      kept.id()
      kept.fail = refusing()
      kept.machine:let_pass(4000)
      local found = kept.keeper:get()
      assert.are.equal("KEY1", found.credentials:access_key_id())
      assert.are.equal(kept.machine.wall + seconds, found.expiration)
      assert.are.equal(
        ("the credentials could not be renewed (no keys today); they are used for another %d seconds"):format(seconds),
        kept.machine:event("CredentialsExtended").message
      )
    end
  end)

  it("are asked for again in the second half of that time", function()
    local kept = keeper_of(3600, { stable = true })
    kept.id()
    kept.fail = refusing()
    kept.machine:let_pass(4000)
    kept.id()
    kept.machine:let_pass(149)
    kept.id()
    assert.are.equal(2, kept.loads)
    kept.machine:let_pass(1)
    kept.id()
    assert.are.equal(3, kept.loads)
    kept.fail = nil
    kept.machine:let_pass(100)
    assert.are.equal("KEY4", kept.id())
  end)

  it("are used although they have expired when they come", function()
    local kept = keeper_of(-10, { stable = true })
    local found = kept.keeper:get()
    assert.are.equal("KEY1", found.credentials:access_key_id())
    assert.are.equal(machine.START + 300, found.expiration)
    assert.is_truthy(
      kept.machine:event("CredentialsExtended").message:find("answers with credentials that have expired", 1, true)
    )
    assert.are.equal("KEY1", kept.id())
  end)

  it("take the place of those before, when they come expired", function()
    local kept = keeper_of(100, { stable = true })
    local first = kept.keeper:get().credentials
    kept.machine:let_pass(1000)
    kept.fail = function()
      return set.new("a test", { access_key_id = "NEWER", secret_access_key = SECRET }, {
        expiration = kept.machine.wall - 1,
        origin = "a test",
        stable = true,
      })
    end
    assert.are.equal("NEWER", kept.id())
    assert.is_nil(first:access_key_id())
  end)
end)

describe("credentials that the service has refused as expired", function()
  it("are asked for again before they are to expire", function()
    local kept = keeper_of(3600)
    local used = kept.keeper:get().credentials
    assert.is_true(kept.keeper:refuse(used))
    assert.are.equal("KEY2", kept.id())
    assert.are.equal("KEY2", kept.id())
    assert.are.equal(2, kept.loads)
  end)

  it("are not used any more when there are no others", function()
    local kept = keeper_of(3600)
    kept.keeper:refuse(kept.keeper:get().credentials)
    kept.fail = refusing()
    local id, err = kept.id()
    assert.is_nil(id)
    assert.are.equal("no keys today", err.message)
  end)

  it("are not used any more when the clock was put back since they came", function()
    local kept = keeper_of(3600)
    local used = kept.keeper:get().credentials
    kept.machine.wall = kept.machine.wall - 100000
    kept.keeper:refuse(used)
    assert.are.equal("KEY2", kept.id())
  end)

  it("are asked for again although nobody said when they expire", function()
    local kept = keeper_of(nil)
    assert.is_true(kept.keeper:refuse(kept.keeper:get().credentials))
    assert.are.equal("KEY2", kept.id())
    kept.keeper:refuse(kept.keeper:get().credentials)
    kept.fail = refusing()
    assert.is_nil((kept.id()))
  end)

  it("have no others where they are written down", function()
    local kept = keeper_of(nil)
    local own = sigv4.credentials { access_key_id = "OWN", secret_access_key = SECRET }
    kept.fail = function()
      return { credentials = own, lasting = true, origin = "x" }
    end
    assert.is_false(kept.keeper:refuse(kept.keeper:get().credentials))
    assert.are.equal("OWN", kept.id())
    assert.are.equal(1, kept.loads)
  end)

  it("have others already where a refresh was faster", function()
    local kept = keeper_of(3600)
    local old = kept.keeper:get().credentials
    kept.machine:let_pass(3550)
    kept.id()
    assert.is_true(kept.keeper:refuse(old))
    assert.are.equal("KEY2", kept.id())
    assert.are.equal(2, kept.loads)
  end)

  it("have others at the next attempt where they were good for one", function()
    local kept = keeper_of(nil, { once = true })
    assert.is_true(kept.keeper:refuse(kept.keeper:get().credentials))
    assert.are.equal("KEY2", kept.id())
  end)

  it("have none after the end", function()
    local kept = keeper_of(3600)
    local used = kept.keeper:get().credentials
    kept.keeper:close()
    assert.is_false(kept.keeper:refuse(used))
  end)

  it("are asked for once, however many callers were refused", function()
    local kept = keeper_of(3600, { takes = 2 })
    local used = kept.keeper:get().credentials
    local got, tasks = {}, {}
    for i = 1, 100 do
      tasks[i] = function()
        kept.keeper:refuse(used)
        got[i] = kept.id()
      end
    end
    kept.machine:at_once(tasks)
    for i = 1, 100 do
      assert.are.equal("KEY2", got[i])
    end
    assert.are.equal(2, kept.loads)
  end)

  it("of an instance are used on where there are no others, and asked for no more than that", function()
    local kept = keeper_of(3600, { stable = true })
    kept.keeper:refuse(kept.keeper:get().credentials)
    kept.fail = refusing()
    assert.are.equal("KEY1", kept.id())
    assert.are.equal("KEY1", kept.id())
    assert.are.equal(2, kept.loads)
  end)
end)
