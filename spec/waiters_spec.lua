local errors = require "cloudhsmv2.errors"
local scripted_client = require "spec.helper.scripted_client"
local waiter = require "cloudhsmv2.waiter"
local waiters = require "cloudhsmv2.waiters"

local CLUSTER, BACKUP, SOURCE = "cluster-72zn6eby7x2", "backup-6qjbcmkhcxm", "backup-aaaaaaaaaaa"
local HSM, ENI = "hsm-mp3i7obxqdb", "eni-0123456789abcdef0"

-- What each waiter is asked for in these specs.
local PARAMS = {
  backup_ready = { BackupId = BACKUP },
  backup_copied = { SourceBackupId = SOURCE, known_ids = { "backup-known" } },
  backup_deleted = { BackupId = BACKUP },
  backup_restored = { BackupId = BACKUP },
  cluster_created = { ClusterId = CLUSTER },
  csr_ready = { ClusterId = CLUSTER },
  cluster_initialized = { ClusterId = CLUSTER },
  cluster_active = { ClusterId = CLUSTER },
  cluster_type_modified = { ClusterId = CLUSTER, HsmType = "hsm2m.medium" },
  cluster_deleted = { ClusterId = CLUSTER },
  hsm_active = { ClusterId = CLUSTER, HsmId = HSM },
  hsm_deleted = { ClusterId = CLUSTER, HsmId = HSM },
}

-- One answer of the service, by the first word of the waiter's name and what is listed.
local NO_BACKUP, NO_CLUSTER = { Backups = {} }, { Clusters = {} }

local function backup(state, fields)
  local item = { BackupId = BACKUP, SourceBackup = SOURCE, BackupState = state }
  for name, value in pairs(fields or {}) do
    item[name] = value
  end
  return { Backups = { item } }
end

local function cluster(state, fields)
  local item = { ClusterId = CLUSTER, State = state, HsmType = "hsm1.medium", Hsms = {}, Certificates = {} }
  for name, value in pairs(fields or {}) do
    item[name] = value
  end
  return { Clusters = { item } }
end

local function hsm(state, fields)
  local item = { HsmId = HSM, EniId = ENI, State = state, StateMessage = "HSM " .. state }
  for name, value in pairs(fields or {}) do
    item[name] = value
  end
  return item
end

local function with_hsm(...)
  return cluster("ACTIVE", { Hsms = { ... } })
end

local function answer(name, state)
  if name:find "^backup" then
    return state and backup(state) or NO_BACKUP
  elseif name:find "^hsm" then
    return state and with_hsm(hsm(state)) or cluster "ACTIVE"
  end
  return state and cluster(state) or NO_CLUSTER
end

local function wait(name, script, options, more_params)
  local params = {}
  for member, value in pairs(PARAMS[name]) do
    params[member] = value
  end
  for member, value in pairs(more_params or {}) do
    params[member] = value
  end
  local client = scripted_client.new(script)
  local resource, err = waiter.wait(client, name, params, options)
  return resource, err, client
end

--- States by what they mean at the first look of a wait: success, failure, or pending to the deadline.
local MEANING = {
  backup_ready = {
    success = { "READY" },
    failure = { "DELETED", "PENDING_DELETION" },
    pending = { "CREATE_IN_PROGRESS", "SOMETHING_NEW" },
  },
  backup_copied = {
    success = { "READY" },
    failure = { "DELETED", "PENDING_DELETION" },
    pending = { "CREATE_IN_PROGRESS", "SOMETHING_NEW" },
  },
  backup_deleted = {
    success = { "DELETED" },
    failure = {},
    pending = { "PENDING_DELETION", "SOMETHING_NEW" },
  },
  backup_restored = {
    success = { "READY" },
    failure = { "DELETED" },
    pending = { "PENDING_DELETION", "CREATE_IN_PROGRESS", "SOMETHING_NEW" },
  },
  cluster_created = {
    success = { "UNINITIALIZED", "INITIALIZED", "ACTIVE" },
    failure = { "DEGRADED", "DELETE_IN_PROGRESS", "DELETED" },
    pending = { "CREATE_IN_PROGRESS", "INITIALIZE_IN_PROGRESS", "SOMETHING_NEW" },
  },
  csr_ready = {
    success = {},
    failure = {
      "INITIALIZE_IN_PROGRESS",
      "INITIALIZED",
      "ACTIVE",
      "MODIFY_IN_PROGRESS",
      "ROLLBACK_IN_PROGRESS",
      "DELETE_IN_PROGRESS",
      "DELETED",
      "DEGRADED",
    },
    pending = { "CREATE_IN_PROGRESS", "UNINITIALIZED", "UPDATE_IN_PROGRESS", "SOMETHING_NEW" },
  },
  cluster_initialized = {
    success = { "INITIALIZED", "ACTIVE" },
    failure = { "DEGRADED", "DELETE_IN_PROGRESS", "DELETED" },
    pending = { "INITIALIZE_IN_PROGRESS", "UNINITIALIZED", "SOMETHING_NEW" },
  },
  cluster_active = {
    success = { "ACTIVE" },
    failure = { "DEGRADED", "DELETE_IN_PROGRESS", "DELETED" },
    pending = {
      "CREATE_IN_PROGRESS",
      "UNINITIALIZED",
      "INITIALIZE_IN_PROGRESS",
      "INITIALIZED",
      "UPDATE_IN_PROGRESS",
      "MODIFY_IN_PROGRESS",
      "ROLLBACK_IN_PROGRESS",
      "SOMETHING_NEW",
    },
  },
  cluster_type_modified = {
    success = {},
    failure = { "ROLLBACK_IN_PROGRESS", "DEGRADED", "DELETE_IN_PROGRESS", "DELETED" },
    pending = { "MODIFY_IN_PROGRESS", "UPDATE_IN_PROGRESS", "SOMETHING_NEW" },
  },
  cluster_deleted = {
    success = { "DELETED" },
    failure = {},
    pending = { "DELETE_IN_PROGRESS", "SOMETHING_NEW" },
  },
  hsm_active = {
    success = { "ACTIVE" },
    failure = { "DEGRADED", "DELETE_IN_PROGRESS", "DELETED" },
    pending = { "CREATE_IN_PROGRESS", "SOMETHING_NEW" },
  },
  hsm_deleted = {
    success = { "DELETED" },
    failure = {},
    pending = { "DELETE_IN_PROGRESS", "CREATE_IN_PROGRESS", "DEGRADED", "SOMETHING_NEW" },
  },
}

-- What it means that the resource is not listed: at first, for ever, and after it was listed as pending.
local ABSENCE = {
  backup_ready = { never = "overdue", vanished = "failure" },
  backup_copied = { never = "timeout", vanished = "failure" },
  backup_deleted = { never = "success", vanished = "success" },
  backup_restored = { never = "failure", vanished = "failure" },
  cluster_created = { never = "overdue", vanished = "failure" },
  csr_ready = { never = "overdue", vanished = "failure" },
  cluster_initialized = { never = "overdue", vanished = "failure" },
  cluster_active = { never = "overdue", vanished = "failure" },
  cluster_type_modified = { never = "overdue", vanished = "failure" },
  cluster_deleted = { never = "success", vanished = "success" },
  hsm_active = { never = "overdue", vanished = "failure" },
  hsm_deleted = { never = "success", vanished = "success" },
}

local GRACE = 300

for name, meaning in pairs(MEANING) do
  describe("the waiter " .. name, function()
    for _, state in ipairs(meaning.success) do
      it("is content with " .. state, function()
        local resource, err = wait(name, { answer(name, state) })
        assert.is_nil(err)
        assert.are.equal(state, resource.State or resource.BackupState)
      end)
    end

    for _, state in ipairs(meaning.failure) do
      it("fails at once on " .. state .. ", and shows it", function()
        local resource, err, client = wait(name, { answer(name, state) })
        assert.is_nil(resource)
        assert.are.equal("WaiterFailed", err.code)
        assert.are.equal(state, err.state)
        assert.are.equal(name, err.waiter)
        assert.are.equal(1, #client.calls)
      end)
    end

    for _, state in ipairs(meaning.pending) do
      it("waits on while the state is " .. state, function()
        local resource, err = wait(name, { answer(name, state) }, { timeout = 30, min_delay = 10, max_delay = 10 })
        assert.is_nil(resource)
        assert.are.equal("WaiterTimedOut", err.code)
        assert.are.equal(state, err.state)
      end)
    end

    it("takes a resource that is not listed for what it is", function()
      local resource, err = wait(name, { answer(name, nil) })
      local expected = ABSENCE[name].never
      if expected == "success" then
        assert.is_true(resource)
      elseif expected == "timeout" then
        assert.are.equal("WaiterTimedOut", err.code)
      else
        assert.are.equal("WaiterFailed", err.code)
        local overdue = expected == "overdue"
        assert.are.equal(overdue, err.elapsed >= GRACE)
        assert.is_true(err.elapsed <= GRACE + waiters[name].max_delay)
      end
    end)

    it("takes a resource that vanishes for what it is", function()
      local pending = meaning.pending[1]
      local resource, err = wait(name, { answer(name, pending), answer(name, nil) })
      if ABSENCE[name].vanished == "success" then
        assert.are.equal(pending, resource.State or resource.BackupState) -- as it was last seen
      else
        assert.are.equal("WaiterFailed", err.code)
        assert.are.equal(2, err.attempts)
        assert.are.equal(pending, err.state)
      end
    end)

    it("asks for the one id, in a filter that is never empty", function()
      local _, _, client = wait(name, { answer(name, nil) }, { timeout = 0 })
      local call = client.calls[1]
      assert.are.equal(name:find "^backup" and "DescribeBackups" or "DescribeClusters", call.name)
      local filter = name == "backup_copied" and "sourceBackupIds"
        or name:find "^backup" and "backupIds"
        or "clusterIds"
      local id = name == "backup_copied" and SOURCE or name:find "^backup" and BACKUP or CLUSTER
      assert.are.same({ Filters = { [filter] = { id } } }, call.params)
    end)

    it("does not mistake another resource for the one it waits for, should a server ignore filters", function()
      local other = {
        Backups = { { BackupId = "backup-other", SourceBackup = "backup-else", BackupState = "READY" } },
        Clusters = { { ClusterId = "cluster-other", State = "ACTIVE", Hsms = { hsm "ACTIVE" } } },
      }
      local resource = wait(name, { other }, { timeout = 0 })
      assert.are.equal(ABSENCE[name].never == "success" and true or nil, resource)
    end)

    it("needs an id before anything is sent", function()
      local client = scripted_client.new {}
      local _, err = waiter.wait(client, name, {})
      assert.are.equal("validation", err.kind)
      assert.is_truthy(err.message:find "missing")
      assert.are.equal(0, #client.calls)
    end)

    it("has defaults in order, and tells what each of its params is", function()
      local definition = waiters[name]
      assert.are.equal(name, definition.name)
      assert.is_true(definition.min_delay > 0 and definition.min_delay <= definition.max_delay)
      local timeout = definition.timeout
      timeout = type(timeout) == "function" and timeout(nil) or timeout
      assert.is_true(timeout >= 300 and timeout <= 8 * 86400)
      for _, rule in pairs(definition.params) do
        assert.is_string(rule.about)
      end
    end)
  end)
end

describe("the waiters", function()
  it("are the twelve that the service needs", function()
    local count = 0
    for name in pairs(waiters) do
      assert.is_table(MEANING[name], name)
      count = count + 1
    end
    assert.are.equal(12, count)
  end)

  it("carry the service's own words in their errors", function()
    local message = "HSM creation failed. Please delete this HSM and try again."
    local _, err = wait("hsm_active", { with_hsm(hsm("DEGRADED", { StateMessage = message })) })
    assert.are.equal(message, err.state_message)
    assert.is_truthy(tostring(err):find(message, 1, true))
    _, err = wait("cluster_created", { cluster("DEGRADED", { StateMessage = "No capacity." }) })
    assert.are.equal("No capacity.", err.state_message)
  end)

  it("find their resource on a later page", function()
    local found = backup "READY"
    assert.is_table(wait("backup_ready", { { Backups = {}, NextToken = "a" }, found }))
    found = with_hsm(hsm "ACTIVE")
    assert.is_table(wait("hsm_active", { { Clusters = {}, NextToken = "a" }, found }))
  end)
end)

describe("a new backup or cluster", function()
  it("may take its time to be listed", function()
    for _, name in ipairs { "backup_ready", "cluster_created", "hsm_active" } do
      local done = name == "backup_ready" and "READY" or "ACTIVE"
      local resource = wait(name, { answer(name, nil), answer(name, nil), answer(name, done) })
      assert.is_table(resource)
    end
  end)
end)

describe("a copied backup", function()
  local function copies(...)
    return { Backups = { ... } }
  end

  local function copy(id, state, time)
    return { BackupId = id, SourceBackup = SOURCE, BackupState = state, CopyTimestamp = time }
  end

  it("is the one that was not there before, and its id is the result", function()
    local old = copy("backup-known", "READY", 100)
    local resource = wait("backup_copied", {
      copies(old),
      copies(old, copy("backup-new", "CREATE_IN_PROGRESS", 200)),
      copies(copy("backup-new", "READY", 200), old),
    })
    assert.are.equal("backup-new", resource.BackupId)
  end)

  it("is followed by its id once it was found, whatever else is copied meanwhile", function()
    local resource = wait("backup_copied", {
      copies(copy("backup-new", "CREATE_IN_PROGRESS", 200)),
      copies(copy("backup-newer", "READY", 300), copy("backup-new", "CREATE_IN_PROGRESS", 200)),
      copies(copy("backup-newer", "READY", 300), copy("backup-new", "READY", 200)),
    })
    assert.are.equal("backup-new", resource.BackupId)
  end)

  it("is the newest when several are new", function()
    local first, second = copy("backup-a", "READY", 200), copy("backup-b", "READY", 300)
    assert.are.equal("backup-b", wait("backup_copied", { copies(first, second) }).BackupId)
    assert.are.equal("backup-b", wait("backup_copied", { copies(second, first) }).BackupId)
  end)

  it("has failed when it ends DELETED, while an older copy does not matter", function()
    local _, err = wait("backup_copied", {
      copies(copy("backup-known", "DELETED", 100), copy("backup-new", "CREATE_IN_PROGRESS", 200)),
      copies(copy("backup-known", "READY", 100), copy("backup-new", "DELETED", 200)),
    })
    assert.are.equal("WaiterFailed", err.code)
    assert.are.equal("backup-new", err.resource.BackupId)
    assert.is_truthy(err.message:find("the copy failed", 1, true))
  end)

  it("may be any copy when the caller knows of none", function()
    local client = scripted_client.new { copies(copy("backup-known", "READY", 100)) }
    assert.are.equal("backup-known", waiter.wait(client, "backup_copied", { SourceBackupId = SOURCE }).BackupId)
  end)
end)

describe("a deleted backup", function()
  it("may be pending deletion only, if that is enough for the caller", function()
    local resource = wait("backup_deleted", { backup "PENDING_DELETION" }, nil, { pending_is_enough = true })
    assert.are.equal("PENDING_DELETION", resource.BackupState)
    local _, err = wait("backup_deleted", { backup "READY" }, nil, { pending_is_enough = true })
    assert.are.equal("WaiterFailed", err.code)
  end)

  it("that is READY was restored, unless the list is a moment behind", function()
    local resource = wait("backup_deleted", { backup "READY", backup "PENDING_DELETION", NO_BACKUP })
    assert.is_table(resource)
    local _, err = wait("backup_deleted", { backup "PENDING_DELETION", backup "READY" })
    assert.are.equal("WaiterFailed", err.code)
    _, err = wait("backup_deleted", { backup "READY" })
    assert.are.equal("WaiterFailed", err.code)
    assert.are.equal(2, err.attempts)
  end)

  it("is looked for less and less often, for eight days", function()
    local client = scripted_client.new { backup "PENDING_DELETION" }
    client.random = function()
      return 1
    end
    local _, err = waiter.wait(client, "backup_deleted", { BackupId = BACKUP })
    assert.are.equal(8 * 86400, err.elapsed)
    assert.are.equal(60, client.slept[1])
    assert.are.equal(3600, client.slept[10])
  end)
end)

describe("a cluster made from a backup", function()
  it("is created when it is ACTIVE, not before", function()
    local fields = { SourceBackupId = SOURCE }
    local resource = wait("cluster_created", {
      cluster("CREATE_IN_PROGRESS", fields),
      cluster("UNINITIALIZED", fields),
      cluster("INITIALIZE_IN_PROGRESS", fields),
      cluster("INITIALIZED", fields),
      cluster("ACTIVE", fields),
    })
    assert.are.equal("ACTIVE", resource.State)
  end)
end)

describe("a certificate signing request", function()
  local function uninitialized(hsms, csr)
    return cluster("UNINITIALIZED", { Hsms = hsms, Certificates = { ClusterCsr = csr } })
  end

  it("is ready when there is text in it", function()
    local resource = wait("csr_ready", {
      uninitialized({}, nil),
      uninitialized({ hsm "CREATE_IN_PROGRESS" }, nil),
      uninitialized({ hsm "ACTIVE" }, ""),
      uninitialized({ hsm "ACTIVE" }, "-----BEGIN CERTIFICATE REQUEST-----"),
    })
    assert.are.equal("-----BEGIN CERTIFICATE REQUEST-----", resource.Certificates.ClusterCsr)
  end)

  it("never comes from a first HSM that is DEGRADED", function()
    local _, err = wait("csr_ready", { uninitialized { hsm "CREATE_IN_PROGRESS" }, uninitialized { hsm "DEGRADED" } })
    assert.are.equal("WaiterFailed", err.code)
    assert.is_truthy(err.message:find("another availability zone", 1, true))
  end)

  it("may still come from the HSM that takes the place of a DEGRADED one", function()
    local next_hsm = hsm("CREATE_IN_PROGRESS", { HsmId = "hsm-next", EniId = "eni-next" })
    local resource = wait("csr_ready", {
      uninitialized { hsm "DEGRADED", next_hsm },
      uninitialized({ hsm "DEGRADED", hsm("ACTIVE", { HsmId = "hsm-next" }) }, "request"),
    })
    assert.is_table(resource)
  end)

  it("that is still shown by an initialized cluster is of no use", function()
    local _, err = wait("csr_ready", { cluster("INITIALIZED", { Certificates = { ClusterCsr = "request" } }) })
    assert.are.equal("WaiterFailed", err.code)
  end)

  it("is waited for with a word about the HSM that makes it", function()
    local messages = {}
    wait("csr_ready", { uninitialized {}, uninitialized { hsm "CREATE_IN_PROGRESS" }, uninitialized({}, "request") }, {
      on_poll = function(progress)
        messages[#messages + 1] = progress.message
      end,
    })
    assert.is_truthy(messages[1]:find("no HSM yet", 1, true))
    assert.are.equal("HSM CREATE_IN_PROGRESS: HSM CREATE_IN_PROGRESS", messages[2])
  end)
end)

describe("an initialization", function()
  local refused = cluster("UNINITIALIZED", { StateMessage = "The certificate was not signed by the trust anchor." })

  it("has failed when the cluster is UNINITIALIZED again", function()
    local _, err = wait("cluster_initialized", { cluster "INITIALIZE_IN_PROGRESS", refused })
    assert.are.equal("WaiterFailed", err.code)
    assert.are.equal("The certificate was not signed by the trust anchor.", err.state_message)
    _, err = wait("cluster_initialized", { cluster "INITIALIZE_IN_PROGRESS", cluster "UNINITIALIZED" })
    assert.are.equal("WaiterFailed", err.code)
  end)

  it("may show the state from before for a moment, but not with a message for long", function()
    local resource = wait("cluster_initialized", { refused, cluster "INITIALIZE_IN_PROGRESS", cluster "INITIALIZED" })
    assert.is_table(resource)
    local _, err = wait("cluster_initialized", { refused })
    assert.are.equal("WaiterFailed", err.code)
    assert.is_true(err.elapsed >= 60 and err.elapsed < 90)
  end)
end)

describe("a cluster that nobody has initialized yet", function()
  it("is waited for to the deadline, since someone else may do it", function()
    local _, err = wait("cluster_initialized", { cluster "UNINITIALIZED" })
    assert.are.equal("WaiterTimedOut", err.code)
  end)
end)

describe("a degraded cluster", function()
  it("fails a wait for ACTIVE, is waited out or accepted, as the caller likes", function()
    local script = { cluster "DEGRADED", cluster "ACTIVE" }
    local _, err = wait("cluster_active", script, nil, { degraded = "fail" })
    assert.are.equal("WaiterFailed", err.code)
    assert.are.equal("ACTIVE", wait("cluster_active", script, nil, { degraded = "wait" }).State)
    assert.are.equal("DEGRADED", wait("cluster_active", script, nil, { degraded = "accept" }).State)
  end)
end)

describe("a type migration", function()
  local wanted = { HsmType = "hsm2m.medium" }

  it("is done when the cluster is ACTIVE with the wanted type", function()
    local resource = wait("cluster_type_modified", {
      cluster "ACTIVE", -- the list is a moment behind
      cluster "MODIFY_IN_PROGRESS",
      cluster("MODIFY_IN_PROGRESS", wanted),
      cluster("ACTIVE", wanted),
    })
    assert.are.equal("hsm2m.medium", resource.HsmType)
  end)

  it("has failed when the cluster is ACTIVE with the old type", function()
    local _, err = wait("cluster_type_modified", { cluster "MODIFY_IN_PROGRESS", cluster "ACTIVE" })
    assert.are.equal("WaiterFailed", err.code)
    assert.is_truthy(err.message:find("its type is hsm1.medium: the change was rolled back", 1, true))
    _, err = wait("cluster_type_modified", { cluster "ACTIVE" })
    assert.are.equal("WaiterFailed", err.code)
    assert.is_true(err.elapsed >= 60 and err.elapsed <= 120)
  end)

  it("has failed when it is being rolled back, unless that is what the caller asked for", function()
    local _, err = wait("cluster_type_modified", { cluster "MODIFY_IN_PROGRESS", cluster "ROLLBACK_IN_PROGRESS" })
    assert.are.equal("WaiterFailed", err.code)
    local params = { HsmType = "hsm1.medium", rollback = true }
    local script = { cluster("ROLLBACK_IN_PROGRESS", wanted), cluster "ROLLBACK_IN_PROGRESS", cluster "ACTIVE" }
    assert.are.equal("hsm1.medium", wait("cluster_type_modified", script, nil, params).HsmType)
  end)

  it("has an hour for every HSM", function()
    local _, err =
      wait("cluster_type_modified", { cluster("MODIFY_IN_PROGRESS", { Hsms = { hsm "A", hsm "B", hsm "C" } }) })
    assert.are.equal(3 * 3600, err.elapsed)
    _, err = wait("cluster_type_modified", { cluster "MODIFY_IN_PROGRESS" })
    assert.are.equal(3600, err.elapsed)
  end)
end)

describe("a cluster's deletion", function()
  it("is not under way when the cluster stays in a settled state", function()
    for _, state in ipairs { "UNINITIALIZED", "INITIALIZED", "ACTIVE", "DEGRADED" } do
      local _, err = wait("cluster_deleted", { cluster(state) })
      assert.are.equal("WaiterFailed", err.code)
      assert.are.equal(state, err.state)
      assert.is_true(err.elapsed >= 60 and err.elapsed <= 80)
    end
    assert.is_table(wait("cluster_deleted", { cluster "ACTIVE", cluster "DELETE_IN_PROGRESS", cluster "DELETED" }))
  end)
end)

describe("an HSM", function()
  it("can be named by its id, by its network interface or by both", function()
    for _, params in ipairs { { HsmId = HSM }, { EniId = ENI }, { HsmId = HSM, EniId = ENI } } do
      params.ClusterId = CLUSTER
      local other = hsm("DEGRADED", { HsmId = "hsm-other", EniId = "eni-other" })
      local client = scripted_client.new { with_hsm(other, hsm "ACTIVE") }
      local resource = waiter.wait(client, "hsm_active", params)
      assert.are.equal(HSM, resource.HsmId)
    end
  end)

  it("is followed by its network interface when the service replaces it", function()
    local replacement = hsm("ACTIVE", { HsmId = "hsm-replaced" })
    local resource = wait("hsm_active", { with_hsm(hsm "CREATE_IN_PROGRESS"), with_hsm(replacement) })
    assert.are.equal("hsm-replaced", resource.HsmId)
  end)

  it("is its replacement while both are listed, in any order", function()
    local replacement = hsm("ACTIVE", { HsmId = "hsm-replaced" })
    for _, state in ipairs { "DELETED", "DELETE_IN_PROGRESS", "DEGRADED" } do
      for _, script in ipairs { { with_hsm(hsm(state), replacement) }, { with_hsm(replacement, hsm(state)) } } do
        assert.are.equal("hsm-replaced", wait("hsm_active", script, nil, { EniId = ENI }).HsmId)
      end
    end
  end)

  it("may have no network interface yet", function()
    local first = hsm("CREATE_IN_PROGRESS", { EniId = false })
    assert.is_table(
      wait("hsm_active", { with_hsm(first, hsm("DEGRADED", { HsmId = "x", EniId = false })), with_hsm(hsm "ACTIVE") })
    )
  end)

  it("is gone with its cluster", function()
    assert.is_true((wait("hsm_deleted", { NO_CLUSTER })))
    local _, err = wait("hsm_active", { with_hsm(hsm "CREATE_IN_PROGRESS"), NO_CLUSTER })
    assert.are.equal("WaiterFailed", err.code)
  end)

  it("stays listed for two minutes after its deletion", function()
    local resource = wait("hsm_deleted", function(_, _, now)
      return now < 120 and with_hsm(hsm "ACTIVE") or cluster "ACTIVE"
    end)
    assert.is_table(resource)
  end)

  it("that is ACTIVE again, or still after that time, is not being deleted", function()
    local _, err = wait("hsm_deleted", { with_hsm(hsm "DELETE_IN_PROGRESS"), with_hsm(hsm "ACTIVE") })
    assert.are.equal("WaiterFailed", err.code)
    _, err = wait("hsm_deleted", { with_hsm(hsm "ACTIVE") })
    assert.are.equal("WaiterFailed", err.code)
    assert.is_true(err.elapsed >= 300 and err.elapsed <= 340)
  end)
end)

describe("an outage during a built-in wait", function()
  it("of forty minutes does not end it", function()
    local down = errors.new { kind = "service", code = "ServiceUnavailable", status = 503, message = "down" }
    for _, name in ipairs { "backup_ready", "cluster_created", "hsm_active" } do
      local resource = wait(name, function(_, _, now)
        return now < 2400 and down or answer(name, name == "backup_ready" and "READY" or "ACTIVE")
      end)
      assert.is_table(resource)
    end
  end)
end)
