--- A tour: a cluster, its first backup, and what can be done with backups.
--
--     lua examples/backup_lifecycle.lua --endpoint http://127.0.0.1:8080 --poll 0.2
--
-- Without an endpoint it runs against AWS, where it creates a cluster and an HSM that cost money until they are deleted;
-- it says so, and asks for --yes. It deletes what it created, also after a failure.

local cloudhsmv2 = require "cloudhsmv2"

local USAGE = [[
usage: lua backup_lifecycle.lua [options]

  --endpoint URL        an emulator; default: CLOUDHSMV2_ENDPOINT or AWS_ENDPOINT_URL_CLOUDHSM_V2, else AWS itself
  --region NAME         default with an emulator: eu-west-1
  --poll SECONDS        how often waits look; default: what each wait has
  --subnet ID           a subnet of the cluster; again for more, each in another availability zone
  --hsm-type TYPE       default: hsm2m.medium
  --mode MODE           FIPS or NON_FIPS; default: FIPS
  --signed-cert FILE    the cluster's certificate, which you sign when the tour stops to ask for it
  --trust-anchor FILE   the certificate of your own authority
  --share-with ACCOUNT  an account that may restore the backup for a moment
  --keep                delete nothing at the end
  --yes                 yes, create what costs money
]]

local VALUES = {
  endpoint = true,
  region = true,
  poll = true,
  subnet = true,
  ["hsm-type"] = true,
  mode = true,
  ["signed-cert"] = true,
  ["trust-anchor"] = true,
  ["share-with"] = true,
}
local FLAGS = { keep = true, yes = true, help = true }

-- For an emulator that has no luaossl: there certificates are text, and their form is all that is checked.
local SAMPLE_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nbm90IGEgcmVhbCBjZXJ0aWZpY2F0ZQ==\n-----END CERTIFICATE-----\n"
local SAMPLE_KEYS = { access_key_id = "AKIDEXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" }
local SAMPLE_SUBNETS = { "subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002" }
local SAMPLE_ACCOUNT = "444455556666"

local COSTS = "this would run against %s: it would create a cluster and one HSM, billed by the hour (in most regions "
  .. "between 1.5 and 3 US dollars) until the HSM is deleted, and backups, which are deleted at the end; "
  .. "for that it needs %s"

local TAG = "cloudhsmv2-tour" -- marks the cluster, so that it can be found when an answer was lost
local DAY = 86400

local client, options, tour -- tour: what was created so far

-- Output -------------------------------------------------------------------------------------------------------------

-- os.execute returns true from Lua 5.2 on, and the exit status before.
local status = os.execute "test -t 1 2>/dev/null"
local is_terminal = status == true or status == 0

local function say(...)
  print(string.format(...))
  io.stdout:flush()
end

local step_number = 0

local function step(...)
  step_number = step_number + 1
  say("\n%2d. %s", step_number, string.format(...))
end

--- Shows a wait: one line that changes on a terminal, and elsewhere a line whenever the state does.
local function progress_line()
  local shown, width = nil, 0
  return function(progress)
    local state = progress.state or (progress.resource and "no longer listed" or "not listed yet")
    if progress.error then
      state = tostring(progress.error)
    end
    local line = string.format("    %s, %d s", state, math.floor(progress.elapsed))
    if is_terminal then
      if not progress.outcome then
        line = line .. string.format(", look %d", progress.attempt)
      end
      io.write("\r", line, (" "):rep(width - #line), progress.outcome and "\n" or "")
      io.stdout:flush()
      width = #line
    elseif state ~= shown or progress.outcome then
      say("%s", line)
    end
    shown = state
  end
end

-- Calls --------------------------------------------------------------------------------------------------------------

--- Passes a result on, or ends the tour with the error.
local function must(result, err)
  if result == nil then
    error(err, 0)
  end
  return result
end

local function wait(waiter, params, more)
  local settings = { on_poll = progress_line(), min_delay = options.poll, max_delay = options.poll }
  settings.tolerate = options.emulated and 20 or nil -- AWS comes back after an outage, an emulator that ended does not
  for name, value in pairs(more or {}) do
    settings[name] = value
  end
  return client:wait(waiter, params, settings)
end

local function read_file(path)
  local file, reason = io.open(path, "rb")
  if not file then
    error(reason, 0)
  end
  local text = file:read "*a"
  file:close()
  return text
end

local function backups_of(cluster_id)
  return must(client:paginator("describe_backups", { Filters = { clusterIds = { cluster_id } } }))
end

--- A waiter of our own: no built-in one knows which backup will be a cluster's first.
local first_backup = {
  name = "first_backup",
  operation = "DescribeBackups",
  params = { ClusterId = { type = "string", required = true, about = "the cluster whose first backup is waited for" } },
  request = function(params)
    return { Filters = { clusterIds = { params.ClusterId } }, SortAscending = true }
  end,
  resource = "Backups[1]",
  state = "BackupState",
  acceptors = {
    { state = "success", matcher = "state", expected = "READY" },
    { state = "failure", matcher = "state", expected = { "DELETED", "PENDING_DELETION" } },
  },
  min_delay = 20,
  max_delay = 40,
  timeout = 3600,
}

-- The tour -----------------------------------------------------------------------------------------------------------

local function create_cluster()
  step "Create a cluster: a virtual one, without HSMs, that costs nothing yet."
  local out, err = client:create_cluster {
    HsmType = options["hsm-type"],
    Mode = options.mode,
    SubnetIds = options.subnet,
    TagList = { { Key = TAG, Value = tour.tag } },
  }
  tour.lost = err and err.kind == "ambiguous"
  must(out, err)
  tour.cluster_id = out.Cluster.ClusterId
  say("    %s", tour.cluster_id)
  return must(wait("cluster_created", { ClusterId = tour.cluster_id }))
end

local function create_hsm(cluster)
  local zones = {}
  for zone in pairs(cluster.SubnetMapping) do
    zones[#zones + 1] = zone
  end
  table.sort(zones)
  step("Create its first HSM, in %s. It makes the key pair of the cluster.", zones[1])
  local out = must(client:create_hsm { ClusterId = tour.cluster_id, AvailabilityZone = zones[1] })
  tour.hsm = { ClusterId = tour.cluster_id, HsmId = out.Hsm.HsmId, EniId = out.Hsm.EniId }
  say("    %s", out.Hsm.HsmId)
  tour.hsm.HsmId = must(wait("hsm_active", tour.hsm)).HsmId -- the service may have replaced it by another
end

-- The commands of AWS's guide, "Initialize the cluster": an authority of one's own, and its signature.
local SIGN = "cd '%s' && exec >log 2>&1 && umask 077"
  .. " && openssl genrsa -out customerCA.key 2048"
  .. " && openssl req -new -x509 -days 3652 -key customerCA.key -out customerCA.crt -subj '/CN=%s'"
  .. " && openssl x509 -req -days 3652 -in cluster.csr -CA customerCA.crt -CAkey customerCA.key -CAcreateserial -out cluster.crt"

--- The certificate of an authority that is made for this tour and forgotten, and the authority's own; nothing when the
-- openssl command is missing or the request is not one.
local function sign_for_now(csr)
  local folder = os.tmpname()
  os.remove(folder)
  if not os.execute(("mkdir -m 700 '%s'"):format(folder)) then
    return nil
  end
  local file = assert(io.open(folder .. "/cluster.csr", "wb"))
  file:write(csr)
  file:close()
  local signed = os.execute(SIGN:format(folder, TAG))
  local certificate, anchor
  if signed == true or signed == 0 then
    certificate, anchor = read_file(folder .. "/cluster.crt"), read_file(folder .. "/customerCA.crt")
  end
  os.execute(("rm -r '%s'"):format(folder))
  return certificate, anchor
end

--- Your authority's certificate for the cluster, and the authority's own.
local function sign(csr)
  if not options["signed-cert"] then
    local certificate, anchor = sign_for_now(csr)
    if certificate then
      say "    Signed with the openssl command, by an authority for this tour alone."
      return certificate, anchor
    end
    say "    This emulator's requests are text, so the tour brings a certificate of text."
    return SAMPLE_CERTIFICATE, SAMPLE_CERTIFICATE
  end
  local path = tour.cluster_id .. ".csr"
  local file = assert(io.open(path, "wb"))
  file:write(csr)
  file:close()
  say("    The request is in %s. Sign it, put the certificate into %s and press Enter.", path, options["signed-cert"])
  io.read "*l"
  return read_file(options["signed-cert"]), read_file(options["trust-anchor"])
end

local function initialize_cluster()
  step "Initialize the cluster: take its certificate signing request, sign it, hand in the certificate."
  local cluster = must(wait("csr_ready", { ClusterId = tour.cluster_id }))
  say("    %s", cluster.Certificates.ClusterCsr:match "[^\r\n]+")
  local certificate, anchor = sign(cluster.Certificates.ClusterCsr)
  must(client:initialize_cluster { ClusterId = tour.cluster_id, SignedCert = certificate, TrustAnchor = anchor })
  must(wait("cluster_initialized", { ClusterId = tour.cluster_id }))

  step "Wait until the cluster is active. The one step outside this API: cloudhsm-cli sets the first password."
  if not options.emulated then
    say "    Now run: cloudhsm-cli cluster activate"
  end
  must(wait("cluster_active", { ClusterId = tour.cluster_id }, { timeout = 7200 }))
end

local function wait_for_backup()
  step "Wait for the first backup, which the activation has started."
  local backup = must(wait(first_backup, { ClusterId = tour.cluster_id }))
  say("    %s of %s", backup.BackupId, os.date("!%Y-%m-%d %H:%M:%SZ", math.floor(backup.CreateTimestamp)))
  return backup
end

local function delete_hsm()
  step "Delete the HSM: the bill stops, the cluster stays, and one more backup is made."
  must(client:delete_hsm { ClusterId = tour.cluster_id, HsmId = tour.hsm.HsmId })
  must(wait("hsm_deleted", tour.hsm))
end

local function list_backups()
  step "List the backups page by page, one to a page."
  local filters = { clusterIds = { tour.cluster_id } }
  local pages = must(client:paginator("describe_backups", { Filters = filters }, { page_size = 1 }))
  local number = 0
  for page in pages:pages() do
    number = number + 1
    for _, backup in ipairs(page.Backups) do
      say("    page %d: %s %s", number, backup.BackupId, backup.BackupState)
    end
  end
end

local function share(backup)
  if not options["share-with"] then
    return
  end
  step("Share the backup with account %s by a resource policy, read it, and take it back.", options["share-with"])
  local policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"%s"},'
    .. '"Action":["cloudhsm:CreateCluster","cloudhsm:DescribeBackups"],"Resource":"%s"}]}'
  must(client:put_resource_policy {
    ResourceArn = backup.BackupArn,
    Policy = policy:format(options["share-with"], backup.BackupArn),
  })
  say("    %s", must(client:get_resource_policy { ResourceArn = backup.BackupArn }).Policy)
  must(client:delete_resource_policy { ResourceArn = backup.BackupArn })
end

local function tag(backup)
  step "Tag the backup, and list its tags."
  local tags = { { Key = "purpose", Value = "tour" }, { Key = "owner", Value = "you" } }
  must(client:tag_resource { ResourceId = backup.BackupId, TagList = tags })
  for entry in must(client:paginator("list_tags", { ResourceId = backup.BackupId })):items() do
    say("    %s = %s", entry.Key, entry.Value)
  end
end

local function delete_and_restore(backup)
  step "Delete the backup. It is kept for seven days, in which the deletion can be taken back."
  must(client:delete_backup { BackupId = backup.BackupId })
  local deleted = must(wait("backup_deleted", { BackupId = backup.BackupId, pending_is_enough = true }))
  local days = (deleted.DeleteTimestamp - os.time()) / DAY
  say("    gone for good in %d days", math.floor(days + 0.5))

  step "Take the deletion back with RestoreBackup."
  must(client:restore_backup { BackupId = backup.BackupId })
  must(wait("backup_restored", { BackupId = backup.BackupId }))
end

local function walk_through()
  local cluster = create_cluster()
  create_hsm(cluster)
  initialize_cluster()
  local backup = wait_for_backup()
  delete_hsm()
  list_backups()
  share(backup)
  tag(backup)
  delete_and_restore(backup)
end

-- Cleaning up --------------------------------------------------------------------------------------------------------

--- The cluster that CreateCluster made although its answer was lost.
-- @treturn string|nil its id
-- @treturn table|nil the error, when nobody knows
local function find_by_tag()
  local clusters, err = must(client:paginator "describe_clusters"):collect()
  for _, cluster in ipairs(clusters) do
    for _, entry in ipairs(cluster.TagList or {}) do
      if entry.Key == TAG and entry.Value == tour.tag and cluster.State ~= "DELETED" then
        return cluster.ClusterId
      end
    end
  end
  return nil, err
end

--- Deletes all that the tour made: HSMs first, since a cluster with HSMs cannot be deleted.
-- A step that fails does not stop the others.
-- @treturn table lines about what is left
local function clean_up()
  local left = {}
  local function try(what, result, err)
    if result == nil then
      left[#left + 1] = string.format("%s: %s", what, tostring(err))
    end
    return result
  end

  local cluster_id, unknown = tour.cluster_id, nil
  if not cluster_id and tour.lost then
    cluster_id, unknown = find_by_tag()
  end
  if not cluster_id then
    if unknown then
      try(string.format("perhaps a cluster with the tag %s = %s", TAG, tour.tag), nil, unknown)
    end
    return left
  end
  local out = try(cluster_id, client:describe_clusters { Filters = { clusterIds = { cluster_id } } })
  local cluster = out and out.Clusters[1]
  if cluster and cluster.State == "CREATE_IN_PROGRESS" then
    cluster = try(cluster_id, wait("cluster_created", { ClusterId = cluster_id }))
  end
  for _, hsm in ipairs(cluster and cluster.Hsms or {}) do
    local name = { ClusterId = cluster_id, HsmId = hsm.HsmId }
    if hsm.State == "DELETE_IN_PROGRESS" or try(hsm.HsmId, client:delete_hsm(name)) then
      try(hsm.HsmId, wait("hsm_deleted", name))
    end
  end
  if cluster and cluster.State ~= "DELETED" and try(cluster_id, client:delete_cluster { ClusterId = cluster_id }) then
    try(cluster_id, wait("cluster_deleted", { ClusterId = cluster_id }))
  end

  local backups, err = backups_of(cluster_id):collect()
  if err then
    left[#left + 1] = "the backups of " .. cluster_id .. ": " .. tostring(err)
  end
  for _, backup in ipairs(backups) do
    if backup.BackupState == "CREATE_IN_PROGRESS" then
      backup = try(backup.BackupId, wait("backup_ready", { BackupId = backup.BackupId }))
    end
    if backup and backup.BackupState == "READY" then
      try(backup.BackupId, client:delete_backup { BackupId = backup.BackupId })
    end
  end
  return left
end

local function clean_up_aloud()
  if options.keep then
    say("\nKept, as you wished: %s and its backups.", tour.cluster_id or "nothing")
    return true
  end
  if not tour.cluster_id and not tour.lost then
    return true
  end
  step "Clean up: delete the cluster and its backups."
  local fine, left = pcall(clean_up)
  if not fine then
    left = { (tour.cluster_id or "a cluster tagged " .. TAG .. " = " .. tour.tag) .. ": " .. tostring(left) }
  end
  for _, line in ipairs(left) do
    say("    LEFT: %s", line)
  end
  if #left == 0 then
    say "    nothing is left but deleted backups, which AWS would keep for seven days"
  end
  return #left == 0
end

-- Start --------------------------------------------------------------------------------------------------------------

local function fail(...)
  io.stderr:write("backup_lifecycle: ", string.format(...), "\n")
  os.exit(1)
end

local function parse(arguments)
  local parsed = { subnet = {} }
  local i = 1
  while i <= #arguments do
    local name = arguments[i]:match "^%-%-(.+)$"
    if FLAGS[name] then
      parsed[name] = true
    elseif VALUES[name] and arguments[i + 1] then
      i = i + 1
      if name == "subnet" then
        table.insert(parsed.subnet, arguments[i])
      else
        parsed[name] = arguments[i]
      end
    else
      fail("%s: unknown, or without a value\n%s", arguments[i], USAGE)
    end
    i = i + 1
  end
  return parsed
end

local function resolve(parsed)
  parsed.endpoint = parsed.endpoint
    or os.getenv "CLOUDHSMV2_ENDPOINT"
    or os.getenv "AWS_ENDPOINT_URL_CLOUDHSM_V2"
    or os.getenv "AWS_ENDPOINT_URL"
  local host = (parsed.endpoint or ""):match "^%a+://(%[?[%w.:]+%]?)" or ""
  parsed.emulated = host:find "^127%." or host:find "^localhost" or host:find "^%[::1%]"
  parsed["hsm-type"] = parsed["hsm-type"] or "hsm2m.medium"
  parsed.mode = parsed.mode or "FIPS"
  if parsed.poll then
    parsed.poll = tonumber(parsed.poll) or fail("--poll: %s is no number", parsed.poll)
  end
  if parsed.emulated then
    parsed.region = parsed.region or "eu-west-1"
    parsed["share-with"] = parsed["share-with"] or SAMPLE_ACCOUNT
    if #parsed.subnet == 0 then
      parsed.subnet = SAMPLE_SUBNETS
    end
  end
  return parsed
end

--- Nothing that costs money happens by accident.
local function check_consent()
  if options.emulated then
    return
  end
  local missing = {}
  for _, name in ipairs { "region", "signed-cert", "trust-anchor", "yes" } do
    if not options[name] then
      missing[#missing + 1] = "--" .. name
    end
  end
  if #options.subnet == 0 then
    missing[#missing + 1] = "--subnet"
  end
  if #missing > 0 then
    local place = "AWS" .. (options.region and " in " .. options.region or "")
    fail(COSTS, place, table.concat(missing, ", "))
  end
end

local function main()
  options = resolve(parse(arg))
  if options.help then
    io.write(USAGE)
    return 0
  end
  check_consent()

  local err
  client, err = cloudhsmv2.new {
    region = options.region,
    endpoint = options.endpoint,
    credentials = options.emulated and SAMPLE_KEYS or nil,
  }
  if not client then
    fail("%s", tostring(err))
  end
  tour = { tag = string.format("%d-%s", os.time(), tostring({}):match "%x+$") }
  say("CloudHSM in %s, %s", options.region, options.endpoint or "AWS itself")

  local fine, problem = pcall(walk_through)
  if not fine then
    say("\nIt failed: %s", tostring(problem))
  end
  local clean = clean_up_aloud()
  client:close()
  if fine and clean then
    say "\nThat was the tour."
    return 0
  end
  fail("%s", fine and "not all could be deleted, see above" or tostring(problem))
end

os.exit(main())
