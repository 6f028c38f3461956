local errors = require "cloudhsmv2.errors"
local scripted_client = require "spec.helper.scripted_client"
local waiter = require "cloudhsmv2.waiter"

local function backup(state, message)
  return { Backups = { { BackupId = "backup-1", BackupState = state, StateMessage = message } } }
end

local PENDING, READY, NONE = backup "CREATE_IN_PROGRESS", backup "READY", { Backups = {} }

local function err_of(kind, code, fields)
  local err = { kind = kind, code = code, message = "as scripted" }
  for name, value in pairs(fields or {}) do
    err[name] = value
  end
  return errors.new(err)
end

--- A waiter of a user's own, in its smallest form.
local function own(fields)
  local definition = {
    operation = "DescribeBackups",
    resource = "Backups[1]",
    state = "BackupState",
    acceptors = {
      { state = "success", matcher = "state", expected = "READY" },
      { state = "failure", matcher = "state", expected = "DELETED" },
    },
    timeout = 100,
    min_delay = 10,
    max_delay = 10,
  }
  for name, value in pairs(fields or {}) do
    definition[name] = value
  end
  return definition
end

local function times(client)
  local at = {}
  for i, call in ipairs(client.calls) do
    at[i] = call.at
  end
  return at
end

--- A script that answers `before` until `time`, then `after`.
local function until_time(time, before, after)
  return function(_, _, now)
    return now < time and before or after
  end
end

describe("a wait", function()
  it("looks at once, and returns the resource when it is in the wanted state", function()
    local client = scripted_client.new { READY }
    local resource, err = waiter.wait(client, own())
    assert.are.equal("backup-1", resource.BackupId)
    assert.is_nil(err)
    assert.are.same({ 0 }, times(client))
  end)

  it("looks again after every delay until then", function()
    local client = scripted_client.new { PENDING, PENDING, READY }
    assert.is_table(waiter.wait(client, own()))
    assert.are.same({ 0, 10, 20 }, times(client))
  end)

  it("sends the params of a waiter that does not say how to make a request", function()
    local client = scripted_client.new { READY }
    waiter.wait(client, own(), { Filters = { backupIds = { "backup-1" } }, Shared = true })
    assert.are.same({ Filters = { backupIds = { "backup-1" } }, Shared = true }, client.calls[1].params)
  end)

  it("ends at once in a failure state, with the resource, its state and its message in the error", function()
    local client = scripted_client.new { PENDING, backup("DELETED", "The copy failed.") }
    local resource, err = waiter.wait(client, own { name = "my_backup" })
    assert.is_nil(resource)
    assert.are.equal("waiter", err.kind)
    assert.are.equal("WaiterFailed", err.code)
    assert.are.equal("my_backup", err.waiter)
    assert.are.equal("DescribeBackups", err.operation)
    assert.are.equal("DELETED", err.state)
    assert.are.equal("The copy failed.", err.state_message)
    assert.are.equal("backup-1", err.resource.BackupId)
    assert.are.equal(2, err.attempts)
    assert.are.equal(10, err.elapsed)
    assert.are.equal("yes", err.sent)
    assert.is_false(err.retryable)
    assert.is_truthy(tostring(err):find("my_backup failed", 1, true))
    assert.is_truthy(tostring(err):find("The copy failed.", 1, true))
  end)

  it("waits on in a state that nobody has heard of, and shows it", function()
    local client = scripted_client.new { backup "REPLICATING", READY }
    local states = {}
    local resource = waiter.wait(client, own(), {}, {
      on_poll = function(progress)
        states[#states + 1] = progress.state
      end,
    })
    assert.is_table(resource)
    assert.are.same({ "REPLICATING", "READY" }, states)
  end)

  it("reads all pages of an operation that has pages", function()
    local client = scripted_client.new {
      { Backups = {}, NextToken = "a" },
      { Backups = { { BackupId = "backup-1", BackupState = "READY" } }, NextToken = "" },
    }
    assert.is_table(waiter.wait(client, own()))
    assert.are.same({ 0, 0 }, times(client))
  end)

  it("looks with an operation that has no pages too", function()
    local client = scripted_client.new { { State = "UP" } }
    local state = waiter.wait(client, {
      operation = "CheckHealth",
      resource = "State",
      state = function(resource)
        return resource
      end,
      acceptors = { { state = "success", matcher = "state", expected = "UP" } },
      timeout = 10,
    })
    assert.are.equal("UP", state)
  end)
end)

describe("the deadline of a wait", function()
  it("is met by a last look, and then the wait has timed out", function()
    local client = scripted_client.new { PENDING }
    local resource, err = waiter.wait(client, own(), {}, { timeout = 25 })
    assert.is_nil(resource)
    assert.are.equal("waiter", err.kind)
    assert.are.equal("WaiterTimedOut", err.code)
    assert.are.equal("CREATE_IN_PROGRESS", err.state)
    assert.are.equal("backup-1", err.resource.BackupId)
    assert.is_true(err.retryable)
    assert.is_truthy(err.message:find("timed out after 25 s", 1, true))
    assert.are.same({ 0, 10, 25 }, times(client))
  end)

  it("still succeeds when the last look finds the wanted state", function()
    local client = scripted_client.new(until_time(100, PENDING, READY))
    assert.is_table(waiter.wait(client, own()))
    assert.are.equal(100, client.calls[#client.calls].at)
  end)

  it("has a last look after it when a slow call has passed it", function()
    local client = scripted_client.new { PENDING, PENDING, READY }
    client.call_time = 30
    assert.is_table(waiter.wait(client, own(), {}, { timeout = 50, min_delay = 5, max_delay = 5 }))
    assert.are.same({ 0, 35, 65 }, times(client))
  end)

  it("allows one look only when it is 0", function()
    local client = scripted_client.new { PENDING }
    local _, err = waiter.wait(client, own(), {}, { timeout = 0 })
    assert.are.equal("WaiterTimedOut", err.code)
    assert.are.same({ 0 }, times(client))
  end)

  it("may be shorter than the delay", function()
    local client = scripted_client.new { PENDING }
    local _, err = waiter.wait(client, own(), {}, { timeout = 3 })
    assert.are.equal("WaiterTimedOut", err.code)
    assert.are.same({ 0, 3 }, times(client))
  end)

  it("bounds the calls: what is left, at least ten seconds, and never more than the caller's own timeout", function()
    local client = scripted_client.new { PENDING }
    waiter.wait(client, own(), {}, { timeout = 25 })
    assert.are.equal(25, client.calls[1].options.timeout)
    assert.are.equal(15, client.calls[2].options.timeout)
    assert.are.equal(10, client.calls[3].options.timeout)

    client = scripted_client.new { PENDING }
    waiter.wait(client, own(), {}, { timeout = 25, call = { timeout = 2, max_attempts = 1 } })
    assert.are.equal(2, client.calls[1].options.timeout)
    assert.are.equal(1, client.calls[1].options.max_attempts)
  end)

  it("comes even when the clock stands still", function()
    local client = scripted_client.new { PENDING }
    client.runtime.now = function()
      return 5
    end
    local _, err = waiter.wait(client, own())
    assert.are.equal("WaiterTimedOut", err.code)
    assert.are.equal(100, err.elapsed)
  end)

  it("can depend on the resource, once it was seen", function()
    local definition = own {
      timeout = function(resource)
        return resource and 40 or 20
      end,
    }
    local client = scripted_client.new { PENDING }
    local _, err = waiter.wait(client, definition)
    assert.are.equal(40, err.elapsed)
    client = scripted_client.new { NONE }
    _, err = waiter.wait(client, definition)
    assert.are.equal(20, err.elapsed)
    client = scripted_client.new(until_time(20, NONE, PENDING))
    _, err = waiter.wait(client, definition)
    assert.are.equal(40, err.elapsed)
    client = scripted_client.new { PENDING }
    _, err = waiter.wait(client, definition, {}, { timeout = 30 })
    assert.are.equal(30, err.elapsed)
  end)
end)

describe("the delays of a wait", function()
  local function delays(random, options)
    local client = scripted_client.new { PENDING }
    client.random = function()
      return random
    end
    waiter.wait(client, own(), {}, options)
    return client.slept
  end

  it("are the least delay when chance is low", function()
    assert.are.same({ 2, 2, 2, 4 }, delays(0, { timeout = 10, min_delay = 2, max_delay = 64 }))
  end)

  it("double up to the longest delay when chance is high", function()
    local slept = delays(1, { timeout = 1000, min_delay = 2, max_delay = 60 })
    for i, expected in ipairs { 2, 4, 8, 16, 32, 60, 60, 60 } do
      assert.are.equal(expected, slept[i])
    end
  end)

  it("never leave their bounds, and add up to the timeout", function()
    local client = scripted_client.new { PENDING }
    local seed = 1
    client.random = function()
      seed = (seed * 16807) % 2147483647
      return seed / 2147483647
    end
    waiter.wait(client, own(), {}, { timeout = 5000, min_delay = 3, max_delay = 30 })
    local sum, shortest, longest = 0, math.huge, 0
    for i, delay in ipairs(client.slept) do
      sum = sum + delay
      if i < #client.slept then
        assert.is_true(delay >= 3 and delay <= 30)
        shortest, longest = math.min(shortest, delay), math.max(longest, delay)
      end
    end
    assert.is_true(math.abs(sum - 5000) < 1e-6)
    assert.is_true(shortest < 6 and longest > 27) -- spread over the whole range
    assert.is_true(client.slept[#client.slept] <= 33) -- the last may be longer: it ends at the deadline
  end)

  it("leave no sliver before the deadline: what is left joins the last delay", function()
    assert.are.same({ 10, 19 }, delays(0, { timeout = 29, min_delay = 10, max_delay = 10 }))
  end)

  it("are Smithy's where nobody names any", function()
    local client = scripted_client.new { PENDING }
    client.random = function()
      return 1
    end
    local definition = own()
    definition.min_delay, definition.max_delay = nil, nil
    waiter.wait(client, definition, {}, { timeout = 1000 })
    assert.are.equal(2, client.slept[1])
    assert.are.equal(120, client.slept[8])
  end)

  it("take one bound from the caller without a quarrel with the other's default", function()
    assert.are.equal(60, delays(1, { min_delay = 60, timeout = 1000 })[2])
    assert.are.equal(0.2, delays(1, { max_delay = 0.2, timeout = 1 })[1])
  end)
end)

describe("an error during a wait", function()
  local passing = {
    err_of("transport", "CouldNotConnect"),
    err_of("timeout", "ReadTimeout"),
    err_of("throttled", "ThrottlingException", { status = 400 }),
    err_of("service", "CloudHsmInternalFailureException", { status = 500 }),
    err_of("service", "ServiceUnavailable", { status = 503 }),
    err_of("credentials", "MetadataTimeout", { retryable = true }),
  }

  it("is let through when it may pass", function()
    for _, err in ipairs(passing) do
      local client = scripted_client.new { err, PENDING, err, READY }
      assert.is_table(waiter.wait(client, own()), tostring(err))
    end
  end)

  it("ends the wait when it will not pass, with its code within reach", function()
    local others = {
      err_of("service", "CloudHsmInvalidRequestException", { status = 400, request_id = "req-1" }),
      err_of("auth", "InvalidSignatureException", { status = 400 }),
      err_of("credentials", "NoCredentials"),
      err_of("validation", "InvalidParameters"),
      err_of("tls", "CertificateInvalid"),
      err_of("protocol", "SerializationError", { status = 200 }),
    }
    for _, cause in ipairs(others) do
      local client = scripted_client.new { PENDING, cause, READY }
      local _, err = waiter.wait(client, own())
      assert.are.equal("waiter", err.kind)
      assert.are.equal("WaiterFailed", err.code)
      assert.are.equal(cause, err.cause)
      assert.are.equal(cause.status, err.status)
      assert.are.equal(cause.request_id, err.request_id)
      assert.are.equal("CREATE_IN_PROGRESS", err.state)
      assert.is_truthy(err.message:find(cause.code, 1, true))
    end
  end)

  it("may last for the longest outage, and success after it is success", function()
    local client = scripted_client.new(until_time(2400, passing[1], READY))
    assert.is_table(waiter.wait(client, own { timeout = 7200, min_delay = 30, max_delay = 30 }))
  end)

  it("that lasts to the deadline is the cause of the timeout", function()
    local client = scripted_client.new { PENDING, passing[5] }
    local _, err = waiter.wait(client, own())
    assert.are.equal("WaiterTimedOut", err.code)
    assert.are.equal(passing[5], err.cause)
    assert.are.equal("CREATE_IN_PROGRESS", err.state)
    assert.is_truthy(err.message:find("ServiceUnavailable", 1, true))
  end)

  it("is not named once an answer came after it", function()
    local client = scripted_client.new { passing[1], PENDING }
    local _, err = waiter.wait(client, own())
    assert.is_nil(err.cause)
  end)

  it("is let through as often in a row as the caller allows", function()
    local e = passing[1]
    local client = scripted_client.new { e, e, PENDING, e, e, READY }
    assert.is_table(waiter.wait(client, own(), {}, { tolerate = 2 }))

    client = scripted_client.new { e, e, PENDING, e, e, e, READY }
    local _, err = waiter.wait(client, own(), {}, { tolerate = 2 })
    assert.are.equal("WaiterFailed", err.code)
    assert.are.equal(e, err.cause)
    assert.are.equal(6, err.attempts)
    assert.is_truthy(err.message:find("3 errors in a row", 1, true))

    client = scripted_client.new { e, READY }
    _, err = waiter.wait(client, own(), {}, { tolerate = 0 })
    assert.are.equal("WaiterFailed", err.code)
  end)

  it("that says the call was stopped stops the wait", function()
    local _, err = waiter.wait(scripted_client.new { err_of("aborted", "Closed") }, own())
    assert.are.equal("aborted", err.kind)
    assert.are.equal("WaiterAborted", err.code)
  end)

  it("can be a plain string, from a client of the user's own", function()
    local _, err = waiter.wait(scripted_client.new { "no luck" }, own())
    assert.are.equal("WaiterFailed", err.code)
    assert.are.equal("no luck", err.cause)
  end)
end)

describe("on_poll", function()
  it("is told after every look where the wait stands", function()
    local client =
      scripted_client.new { NONE, backup("CREATE_IN_PROGRESS", "Working."), err_of("transport", "Broken"), READY }
    local seen = {}
    waiter.wait(client, own { name = "mine" }, {}, {
      on_poll = function(progress)
        seen[#seen + 1] = progress
      end,
    })
    assert.are.equal(4, #seen)
    assert.is_nil(seen[1].state)
    assert.are.equal("not listed", seen[1].message)
    assert.are.equal(1, seen[1].attempt)
    assert.are.equal(0, seen[1].elapsed)
    assert.are.equal(10, seen[1].next_delay)
    assert.are.equal("mine", seen[1].waiter)
    assert.are.equal("CREATE_IN_PROGRESS", seen[2].state)
    assert.are.equal("Working.", seen[2].message)
    assert.are.equal("backup-1", seen[2].resource.BackupId)
    assert.are.equal("CREATE_IN_PROGRESS", seen[3].state)
    assert.are.equal("Broken", seen[3].error.code)
    assert.is_truthy(seen[3].message:find("Broken", 1, true))
    assert.is_nil(seen[3].outcome)
    assert.are.equal("READY", seen[4].state)
    assert.are.equal("success", seen[4].outcome)
    assert.are.equal(0, seen[4].next_delay)
    assert.are.equal(30, seen[4].elapsed)
  end)

  it("is told how the wait ended", function()
    local function outcome_of(script)
      local last
      waiter.wait(scripted_client.new(script), own(), {}, {
        on_poll = function(progress)
          last = progress.outcome
        end,
      })
      return last
    end
    assert.are.equal("failure", outcome_of { backup "DELETED" })
    assert.are.equal("timeout", outcome_of { PENDING })
  end)

  it("aborts the wait by returning false", function()
    local client = scripted_client.new { PENDING }
    local resource, err = waiter.wait(client, own(), {}, {
      on_poll = function(progress)
        return progress.attempt < 3
      end,
    })
    assert.is_nil(resource)
    assert.are.equal("aborted", err.kind)
    assert.are.equal("WaiterAborted", err.code)
    assert.are.equal("CREATE_IN_PROGRESS", err.state)
    assert.are.same({ 0, 10, 20 }, times(client))
  end)

  it("goes through to the caller with an error of its own", function()
    local ok, err = pcall(waiter.wait, scripted_client.new { PENDING }, own(), {}, {
      on_poll = function()
        error({ mine = true }, 0)
      end,
    })
    assert.is_false(ok)
    assert.is_true(err.mine)
  end)

  it("may yield, as may the call and the sleep", function()
    local client = scripted_client.new { PENDING, READY }
    local call, sleep = client.call, client.runtime.sleep
    client.call = function(...)
      coroutine.yield "call"
      return call(...)
    end
    client.runtime.sleep = function(...)
      coroutine.yield "sleep"
      return sleep(...)
    end
    local task = coroutine.wrap(function()
      return waiter.wait(client, own(), {}, {
        on_poll = function(progress)
          coroutine.yield("poll " .. progress.attempt)
        end,
      })
    end)
    local steps = {}
    local step = task()
    while type(step) == "string" do
      steps[#steps + 1] = step
      step = task()
    end
    assert.are.equal("call, poll 1, sleep, call, poll 2", table.concat(steps, ", "))
    assert.are.equal("backup-1", step.BackupId)
  end)
end)

describe("an acceptor", function()
  local function wait_for(acceptors, script, options)
    options = options or {}
    options.timeout = options.timeout or 100
    local fields = { acceptors = acceptors, grace = options.grace }
    options.grace = nil
    return waiter.wait(scripted_client.new(script), own(fields), {}, options)
  end

  it("is tried in order, and the first that matches decides", function()
    local _, err = wait_for({
      { state = "failure", matcher = "state", expected = "READY", message = "too early" },
      { state = "success", matcher = "state", expected = "READY" },
    }, { READY })
    assert.is_truthy(err.message:find("too early", 1, true))
  end)

  it("matches one of several states", function()
    local acceptors = { { state = "success", matcher = "state", expected = { "READY", "PENDING_DELETION" } } }
    assert.is_table(wait_for(acceptors, { backup "PENDING_DELETION" }))
  end)

  it("matches an error by its code, one of its codes, or any", function()
    local gone = err_of("service", "CloudHsmResourceNotFoundException", { status = 400 })
    for _, expected in ipairs { gone.code, { "Other", gone.code }, true } do
      local result, err = wait_for({ { state = "success", matcher = "error", expected = expected } }, { gone })
      assert.is_nil(err)
      assert.is_true(result)
    end
    local _, err = wait_for({ { state = "success", matcher = "error", expected = "Other" } }, { gone })
    assert.are.equal(gone, err.cause)
  end)

  it("can make an error a reason to wait on", function()
    local refused = err_of("service", "CloudHsmInvalidRequestException", { status = 400 })
    local acceptors = {
      { state = "retry", matcher = "error", expected = refused.code },
      { state = "success", matcher = "state", expected = "READY" },
    }
    assert.is_table(wait_for(acceptors, { refused, refused, READY }))
  end)

  it("can make an error that would pass a failure", function()
    local err = select(
      2,
      wait_for({
        { state = "failure", matcher = "error", expected = "CouldNotConnect", message = "no way there" },
        { state = "success", matcher = "absent" },
      }, { err_of("transport", "CouldNotConnect"), NONE })
    )
    assert.are.equal("WaiterFailed", err.code)
    assert.is_truthy(err.message:find("no way there", 1, true))
  end)

  it("matches an absence, which an error is not", function()
    local acceptors = { { state = "success", matcher = "absent" } }
    assert.is_true((wait_for(acceptors, { NONE })))
    local _, err = wait_for(acceptors, { err_of("tls", "CertificateInvalid") })
    assert.are.equal("WaiterFailed", err.code)
  end)

  it("tells a resource that vanished from one that never was, and returns it as it was last seen", function()
    local acceptors = { { state = "success", matcher = "absent", expected = "vanished" } }
    local resource = wait_for(acceptors, { NONE, NONE, PENDING, NONE })
    assert.are.equal("CREATE_IN_PROGRESS", resource.BackupState)
    local _, err = wait_for(acceptors, { NONE })
    assert.are.equal("WaiterTimedOut", err.code)
    assert.is_truthy(err.message:find("not listed", 1, true))
  end)

  it("keeps the last state in the error when the resource vanished", function()
    local _, err = wait_for({
      { state = "success", matcher = "state", expected = "READY" },
      { state = "failure", matcher = "absent", expected = "vanished", message = "it is gone" },
    }, { backup("CREATE_IN_PROGRESS", "Working."), NONE })
    assert.are.equal("CREATE_IN_PROGRESS", err.state)
    assert.are.equal("Working.", err.state_message)
    assert.are.equal("backup-1", err.resource.BackupId)
    assert.is_truthy(err.message:find("it is gone; not listed; last state: CREATE_IN_PROGRESS", 1, true))
  end)

  it("gives a resource that was never listed its time of grace", function()
    local acceptors = {
      { state = "success", matcher = "state", expected = "READY" },
      { state = "failure", matcher = "absent", expected = "overdue", message = "it was never listed" },
    }
    assert.is_table(wait_for(acceptors, until_time(30, NONE, READY), { grace = 40 }))
    local _, err = wait_for(acceptors, { NONE }, { grace = 40 })
    assert.are.equal(40, err.elapsed)
    _, err = wait_for(acceptors, { PENDING, NONE }, { grace = 40 })
    assert.are.equal("WaiterTimedOut", err.code) -- it was listed once: not overdue
  end)

  it("asks a function, which sees the resource and the wait, and may say why", function()
    local context_seen
    local _, err = waiter.wait(
      scripted_client.new { NONE, PENDING },
      own {
        acceptors = {
          {
            state = "failure",
            matcher = function(resource, context)
              context.memory.looks = (context.memory.looks or 0) + 1
              context_seen = context
              return resource ~= nil and context.elapsed == 20, "three looks are enough"
            end,
          },
          { state = "success", matcher = "state", expected = "READY" },
        },
      },
      { SortAscending = true }
    )
    assert.is_truthy(err.message:find("three looks are enough", 1, true))
    assert.are.equal(3, context_seen.memory.looks)
    assert.is_true(context_seen.params.SortAscending)
    assert.is_true(context_seen.seen)
    assert.is_false(context_seen.changed)
  end)

  it("with a lag counts when its time is over, or once the state has changed", function()
    local acceptors = {
      { state = "success", matcher = "state", expected = "DELETED" },
      { state = "failure", matcher = "state", expected = "READY", lag = 35 },
    }
    assert.is_table(wait_for(acceptors, { READY, READY, backup "DELETED" }))
    local _, err = wait_for(acceptors, { READY })
    assert.are.equal(40, err.elapsed)
    _, err = wait_for(acceptors, { backup "PENDING_DELETION", READY })
    assert.are.equal(10, err.elapsed)
    _, err = wait_for(acceptors, { READY, backup "PENDING_DELETION", READY })
    assert.are.equal(20, err.elapsed)
  end)
end)

describe("a path", function()
  it("leads through members and list positions", function()
    local client = scripted_client.new { { Backups = { {}, { Deep = { List = { "a", "b" } } } } } }
    local definition = own {
      resource = "Backups[2].Deep",
      state = "List[2]",
      acceptors = { { state = "success", matcher = "state", expected = "b" } },
    }
    assert.is_table(waiter.wait(client, definition))
  end)

  it("that leads nowhere is an absence, and never an error", function()
    for _, output in ipairs { {}, { Backups = 5 }, { Backups = { "text" } } } do
      local definition =
        own { resource = "Backups[1].Deep.Deeper", acceptors = { { state = "success", matcher = "absent" } } }
      definition.operation = "CheckHealth"
      assert.is_true((waiter.wait(scripted_client.new { output }, definition)))
    end
  end)
end)

describe("a wait's arguments", function()
  local client = scripted_client.new { READY }

  local function problem(what, params, options)
    local result, err = waiter.wait(client, what, params, options)
    assert.is_nil(result)
    assert.are.equal("validation", err.kind)
    assert.are.equal("no", err.sent)
    assert.are.equal(0, #client.calls)
    return tostring(err)
  end

  it("name a waiter, or the error names the nearest", function()
    assert.is_truthy(problem("backup_redy"):find("did you mean backup_ready?", 1, true))
    assert.is_truthy(problem("hsm_activ"):find("did you mean hsm_active?", 1, true))
    assert.is_truthy(problem("x"):find("known: backup_copied, backup_deleted", 1, true))
  end)

  it("have all params that the waiter needs, and no others", function()
    assert.is_truthy(problem("backup_ready"):find("BackupId is missing", 1, true))
    assert.is_truthy(problem("backup_ready", {}):find("BackupId is missing", 1, true))
    assert.is_truthy(problem("backup_ready", { BackupId = "" }):find("must not be empty", 1, true))
    assert.is_truthy(problem("backup_ready", { BackupId = 7 }):find("must be a string, not a number", 1, true))
    local text = problem("backup_ready", { BackupID = "backup-1" })
    assert.is_truthy(text:find("unknown parameter BackupID; did you mean BackupId?", 1, true))
    assert.is_truthy(problem("backup_ready", { "backup-1" }):find("parameter 1 has no name; known: BackupId", 1, true))
    assert.is_truthy(problem("hsm_active", { ClusterId = "c" }):find("EniId or HsmId is missing", 1, true))
    text = problem("cluster_active", { ClusterId = "c", degraded = "ignore" })
    assert.is_truthy(text:find("degraded must be fail or wait or accept, not ignore", 1, true))
  end)

  it("have times that are finite, not negative and in order", function()
    for _, name in ipairs { "timeout", "min_delay", "max_delay" } do
      for _, value in ipairs { -1, 0 / 0, math.huge, -math.huge, "5", true } do
        assert.is_truthy(problem(own(), {}, { [name] = value }):find(name, 1, true))
      end
    end
    assert.is_truthy(
      problem(own(), {}, { min_delay = 5, max_delay = 4 }):find("must not be more than max_delay", 1, true)
    )
    assert.is_truthy(problem(own(), {}, { min_delay = 0 }):find("more than 0", 1, true))
    assert.is_truthy(problem(own(), {}, { max_delay = 0 }):find("more than 0", 1, true))
  end)

  it("have a timeout, from the caller or from the waiter", function()
    local definition = own()
    definition.timeout = nil
    assert.is_truthy(problem(definition):find("timeout is missing", 1, true))
  end)

  it("have no unknown options, and good ones", function()
    assert.is_truthy(problem(own(), {}, { timout = 5 }):find("unknown option timout; did you mean timeout?", 1, true))
    assert.is_truthy(problem(own(), {}, { on_poll = true }):find("on_poll must be a function", 1, true))
    assert.is_truthy(problem(own(), {}, { call = 5 }):find("call must be", 1, true))
    for _, value in ipairs { -1, 1.5, 0 / 0, "3" } do
      assert.is_truthy(problem(own(), {}, { tolerate = value }):find("tolerate must be", 1, true))
    end
  end)

  it("have a waiter without mistakes in it", function()
    local mistakes = {
      ["operation must be a string"] = { operation = 5 },
      ["resource must be a path"] = { resource = 5 },
      ["state must be a path"] = { state = {} },
      ["message must be a path"] = { message = 1 },
      ["request must be a function"] = { request = {} },
      ["params must be a table"] = { params = "BackupId" },
      ["any_of must be a table"] = { any_of = "BackupId" },
      ["grace must be"] = { grace = -1 },
      ["min_delay must be"] = { min_delay = "soon" },
      ["timeout must be"] = { timeout = 0 / 0 },
      ["acceptors must be a list"] = { acceptors = "READY" },
      ["acceptors[1] must be a table"] = { acceptors = { "READY" } },
      ["acceptors[1].state must be"] = { acceptors = { { state = "READY", matcher = "state", expected = "x" } } },
      ["acceptors[1].matcher must be"] = { acceptors = { { state = "success", matcher = "path", expected = "x" } } },
      ["acceptors[1].expected is missing"] = { acceptors = { { state = "success", matcher = "state" } } },
      ["no acceptor's state is success"] = { acceptors = { { state = "failure", matcher = "absent" } } },
    }
    for text, fields in pairs(mistakes) do
      assert.is_truthy(problem(own(fields)):find(text, 1, true), text)
    end
    local definition = own()
    definition.resource = nil
    assert.is_truthy(problem(definition):find("resource is missing", 1, true))
  end)

  it("raise when they are of a wrong type, which is a mistake in the program", function()
    assert.has_error(function()
      waiter.wait(client, nil)
    end)
    assert.has_error(function()
      waiter.wait(client, "backup_ready", "backup-1")
    end)
    assert.has_error(function()
      waiter.wait(client, "backup_ready", { BackupId = "backup-1" }, 60)
    end)
  end)

  it("are not changed", function()
    local definition, params = own(), { Filters = { states = { "READY" } } }
    local options = { timeout = 20, call = { max_attempts = 2 } }
    waiter.wait(scripted_client.new { PENDING }, definition, params, options)
    assert.are.same({ Filters = { states = { "READY" } } }, params)
    assert.are.same({ timeout = 20, call = { max_attempts = 2 } }, options)
    assert.are.same(own(), definition)
  end)
end)

describe("the message of a wait's error", function()
  it("names the waiter, whom it waited for, and seconds in whole or in tenths, in any locale", function()
    local function message(timeout)
      local client = scripted_client.new { { Backups = {} } }
      local _, err = waiter.wait(client, "backup_copied", { SourceBackupId = "backup-9" }, { timeout = timeout })
      return err.message
    end
    assert.is_truthy(message(7200):find("backup_copied (SourceBackupId backup-9) timed out after 7200 s", 1, true))
    assert.is_truthy(message(1.25):find("timed out after 1.3 s", 1, true))
    assert.is_truthy(message(3):find("timed out after 3 s", 1, true))
  end)
end)
