--- What can go wrong, and what to do about it. Runs in one process, against an emulator: lua examples/error_handling.lua

local emulator = require "cloudhsmv2.emulator"

local client = assert(assert(emulator.new {}):client { region = "eu-west-1" })

--- The whole of error handling: an error has a kind to decide by, a code to compare, and is one line as a string.
local function explain(what, out, err)
  print(what)
  if out then
    print("  it worked", "")
  elseif err.kind == "validation" then
    print("  my mistake, nothing was sent:", err)
  elseif err.code == "CloudHsmResourceNotFoundException" then
    print("  there is no such thing:", err)
  elseif err.kind == "ambiguous" then
    print("  it may have happened or not; look before you repeat:", err)
  elseif err.kind == "waiter" then
    print("  waited in vain, the last state is " .. tostring(err.state) .. ":", err)
  elseif err.retryable then
    print("  the same call may work later:", err)
  else
    print("  a case for a human:", err)
  end
end

explain("A misspelt member", client:describe_backups { Filter = { states = { "READY" } } })
explain("A missing member", client:delete_backup {})
explain("A backup that does not exist", client:delete_backup { BackupId = "backup-aaaaaaaaaaa" })
explain(
  "What the service refuses",
  client:create_hsm { ClusterId = "cluster-aaaaaaaaaaa", AvailabilityZone = "eu-west-1a" }
)
explain("A wait for nothing", client:wait("backup_ready", { BackupId = "backup-aaaaaaaaaaa" }))
explain("A wait without an id", client:wait("backup_ready", {}))

-- In a for loop, where there is no place for a second result, the error object is raised.
local pages = assert(client:paginator("list_tags", { ResourceId = "backup-aaaaaaaaaaa" }))
local fine, err = pcall(function()
  for tag in pages:items() do
    print(tag.Key, tag.Value)
  end
end)
explain("A loop that fails", fine, err)
