--- Bugs, put into the emulator one at a time: a model that does not notice them proves nothing.
-- Each is a change of one line of a source file, and the modules of the emulator are loaded anew with it.

local mutants = {}

local PREFIX = "^cloudhsmv2%.emulator"
local FOLDER = "lua/cloudhsmv2/emulator/"

--- What is changed: `says` what the bug is, `file`, `from` and `to`; `walk` is the seed of one that meets it.
mutants.list = {
  {
    says = "retention purges the last backup of a cluster",
    walk = 9,
    file = "lifecycle",
    from = "and left[backup.ClusterId] > 1 then",
    to = "and left[backup.ClusterId] > 0 then",
  },
  {
    says = "retention purges backups that never expire",
    walk = 18,
    file = "lifecycle",
    from = 'backup.BackupState == "READY" and not backup.NeverExpires and',
    to = 'backup.BackupState == "READY" and',
  },
  {
    says = "retention purges nothing",
    walk = 44,
    file = "lifecycle",
    from = "and left[backup.ClusterId] > 1 then",
    to = "and left[backup.ClusterId] > 1000 then",
  },
  {
    says = "retention purges a day early",
    walk = 4,
    file = "lifecycle",
    from = "store.retention[backup.ClusterId] * DAY",
    to = "(store.retention[backup.ClusterId] - 1) * DAY",
  },
  {
    says = "a backup that was restored is deleted all the same",
    walk = 4,
    file = "lifecycle",
    from = 'if backup.BackupState == "PENDING_DELETION" and backup.deletions == event.deletion then',
    to = "if true then",
  },
  {
    says = "a second deletion ends when the first one would have",
    walk = 4,
    file = "lifecycle",
    from = "and backup.deletions == event.deletion then",
    to = "then",
  },
  {
    says = "a copy has a time of its own",
    walk = 8,
    file = "lifecycle",
    from = "CreateTimestamp = source.CreateTimestamp,",
    to = "CreateTimestamp = timestamp(now),",
  },
  {
    says = "a change of HSM type that fails ends with the new type",
    walk = 4,
    file = "lifecycle",
    from = "  cluster.HsmType = from\n",
    to = "  cluster.HsmType = cluster.migration.to\n",
  },
  {
    says = "no backup is made every day",
    walk = 4,
    file = "lifecycle",
    from = 'if cluster.State == "ACTIVE" and #lifecycle.active_hsms(cluster) > 0 then\n      lifecycle.begin_backup',
    to = "if false then\n      lifecycle.begin_backup",
  },
  {
    says = "an HSM takes twice its time",
    walk = 1,
    file = "lifecycle",
    from = "times.hsm_creation, creation)",
    to = "times.hsm_creation * 2, creation)",
  },
  {
    says = "a deleted HSM takes another one along",
    walk = 211,
    file = "lifecycle",
    from = "table.remove(cluster.hsms, index)",
    to = "table.remove(cluster.hsms, 1)",
  },
  {
    says = "a cluster made from a backup waits to be initialized",
    walk = 2,
    file = "lifecycle",
    from = "  if cluster.SourceBackupId then\n",
    to = "  if false then\n",
  },
  {
    says = "one cluster too many",
    walk = 14,
    file = "handlers/clusters",
    from = "count_clusters(context.store) >= context",
    to = "count_clusters(context.store) > context",
  },
  {
    says = "one HSM too many in a region",
    walk = 22,
    file = "handlers/hsms",
    from = "total >= quotas.hsms",
    to = "total > quotas.hsms",
  },
  {
    says = "one HSM too many in a cluster",
    walk = 20,
    file = "handlers/hsms",
    from = "count(cluster) >= quotas",
    to = "count(cluster) > quotas",
  },
  {
    says = "a second HSM before the cluster is activated",
    walk = 10,
    file = "handlers/hsms",
    from = "waits and #cluster.hsms > 0",
    to = "waits and #cluster.hsms > 1",
  },
  {
    says = "a cluster with an HSM can be deleted",
    walk = 5,
    file = "handlers/clusters",
    from = "elseif #cluster.hsms > 0 then",
    to = "elseif #cluster.hsms > 1 then",
  },
  {
    says = "a backup of another mode can be restored",
    walk = 8,
    file = "handlers/clusters",
    from = 'backup.Mode ~= (input.Mode or "FIPS")',
    to = "false",
  },
  {
    says = "a backup of another account needs no policy",
    walk = 18,
    file = "handlers/clusters",
    from = "store ~= context.store and not shares",
    to = "false and not shares",
  },
  {
    says = "a backup can be deleted twice",
    walk = 14,
    file = "handlers/backups",
    from = 'elseif backup.BackupState ~= "READY" then\n    -- [assumed] only a READY backup can be deleted',
    to = "elseif false then",
  },
  {
    says = "a restored backup keeps its end",
    walk = 4,
    file = "handlers/backups",
    from = "  backup.DeleteTimestamp = nil\n",
    to = "",
  },
  {
    says = "no backup is made when an HSM leaves",
    walk = 1,
    file = "handlers/hsms",
    from = 'if cluster.State == "ACTIVE" and hsm.State == "ACTIVE" then',
    to = "if false then",
  },
  {
    says = "regions share what they have",
    walk = 1,
    file = "state",
    from = 'local key = account .. "/" .. region\n',
    to = "local key = account\n",
  },
  {
    says = "accounts share what they have",
    walk = 1,
    file = "state",
    from = 'local key = account .. "/" .. region\n',
    to = "local key = region\n",
  },
  {
    says = "ids are used again",
    walk = 10,
    file = "state",
    from = "until not self.used[id]",
    to = 'if prefix == "backup" and next(self.used) then id = id:sub(1, 7) .. id:sub(8, 8):rep(11) end until true',
  },
  {
    says = "a page begins with the last item of the one before",
    walk = 4,
    file = "paging",
    from = "list.cursor(items[limit]), false)",
    to = "list.cursor(items[limit - 1] or items[limit]), false)",
  },
  {
    says = "a page leaves out an item",
    walk = 1,
    file = "paging",
    from = "list.cursor(items[limit]), false)",
    to = "list.cursor(item), false)",
  },
  {
    says = "a token is good for every filter",
    walk = 44,
    file = "paging",
    from = "context.store.region, query }",
    to = "context.store.region }",
  },
  {
    says = "a token is good for every account",
    walk = 274,
    file = "paging",
    from = "context.store.account, context.store.region, query }",
    to = "context.store.region, query }",
  },
  {
    says = "the oldest backup comes first",
    walk = 1,
    file = "handlers/backups",
    from = "local ascending, shared = input.SortAscending or false,",
    to = "local ascending, shared = not input.SortAscending,",
  },
}

local function content(file)
  local path = FOLDER .. file .. ".lua"
  local handle = assert(io.open(path, "rb"))
  local text = handle:read "*a"
  handle:close()
  return text, path
end

local function compile(text, path)
  return assert((loadstring or load)(text, "@" .. path))
end

--- The emulator with one bug in it.
-- @tparam table mutant of the list
-- @treturn table the module `cloudhsmv2.emulator`, loaded anew
function mutants.load(mutant)
  local text, path = content(mutant.file)
  local from, to = text:find(mutant.from, 1, true)
  assert(from, path .. " has no longer: " .. mutant.from)
  local changed = compile(text:sub(1, from - 1) .. mutant.to .. text:sub(to + 1), path)

  local loaded = {}
  for name, module in pairs(package.loaded) do
    loaded[name] = name:find(PREFIX) and module or nil
  end
  for name in pairs(loaded) do
    package.loaded[name] = nil
  end
  local module_name = "cloudhsmv2.emulator." .. mutant.file:gsub("/", ".")
  package.preload[module_name] = changed
  local fine, emulator = pcall(require, "cloudhsmv2.emulator")
  package.preload[module_name] = nil
  for name in pairs(package.loaded) do
    if name:find(PREFIX) then
      package.loaded[name] = nil
    end
  end
  for name, module in pairs(loaded) do
    package.loaded[name] = module
  end
  return assert(fine and emulator, emulator)
end

return mutants
