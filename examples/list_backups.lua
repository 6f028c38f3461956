--- Lists all backups of a region: lua examples/list_backups.lua [region]

local cloudhsmv2 = require "cloudhsmv2"

local client, err = cloudhsmv2.new { region = arg[1] }
local backups = {}
if client then
  backups, err = client:paginator("describe_backups"):collect() -- with an error: those that came before it
end
for _, backup in ipairs(backups) do
  local made = os.date("!%Y-%m-%d %H:%M:%SZ", math.floor(backup.CreateTimestamp))
  print(backup.BackupId, backup.BackupState, backup.ClusterId, made)
end
if err then
  io.stderr:write(tostring(err), "\n")
  os.exit(1)
end
