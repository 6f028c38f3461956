--- What can be set, and to what it is set by default.
--
-- | setting | default | how sure the default is |
-- | --- | --- | --- |
-- | `times` | see `settings.times` | see there |
-- | `quotas` | 4 clusters, 6 HSMs, 28 HSMs a cluster | documented |
-- | `allow_hsm1` | false: hsm1.medium cannot be created | measured by others |
-- | `auto_activate` | true: a cluster becomes ACTIVE without a data-plane client | ours: there is no data plane |
-- | `max_skew` | 300 seconds | documented |
-- | `page_sizes` | the largest that can be asked for | assumed |
-- | `unknown_filters` | `"refuse"`; or `"ignore"` | assumed |
-- | `second_copy` | `"allow"`; or `"refuse"` a second copy of a backup into the same region | assumed |
-- | `last_backup` | `"delete"`; or `"refuse"` DeleteBackup of a cluster's last one | assumed |
-- | `pending_backup_attributes` | `"refuse"`; or `"allow"` ModifyBackupAttributes on PENDING_DELETION | assumed |
-- | `copied_cluster_id` | true: a copy shows its source's ClusterId | assumed |
-- | `share_listing` | `"promoted"`: Shared lists what RAM shares, STANDARD and accepted; or `"policy"`: at once | documented |
-- | `policy_permission` | `"matched"`: a policy like AWS's own permission needs no other; or `"unmatched"` | assumed |
-- | `organization` | none; or `{ management = account, accounts = { ... }, id = "o-..." }`, for RAM | ours |
-- @module cloudhsmv2.emulator.settings

local clock = require "cloudhsmv2.emulator.clock"
local errors = require "cloudhsmv2.errors"

local settings = {}

local MINUTE, HOUR, DAY = 60, 3600, 86400

--- How long things take, in seconds.
settings.times = {
  cluster_creation = 120, -- "a few minutes" measured by others
  cluster_deletion = 25, -- recorded
  deleted_cluster_listed = HOUR, -- recorded that it is listed for a while; how long is assumed
  hsm_creation = 313, -- measured by others
  hsm_deletion = 120, -- measured by others: listed that long after an accepted delete
  initialization = MINUTE, -- assumed
  activation = 80, -- measured by others: the control plane lags behind the data plane
  backup_creation = MINUTE, -- assumed
  join_backup = 50, -- measured by others: taken 34 to 65 s after CreateHsm
  backup_interval = DAY, -- documented: at least every 24 hours
  copy = 300, -- assumed
  pending_deletion = 7 * DAY, -- documented
  deleted_backup_listed = HOUR, -- documented that it vanishes; how soon is assumed
  purge_interval = DAY, -- assumed
  migration_per_hsm = 30 * MINUTE, -- documented
  rollback_window = DAY, -- documented
  listing_lag = 0, -- seconds until a new cluster is listed; that there may be some is assumed
  copy_listing_lag = 0, -- seconds until a copy is listed; that there may be some is assumed
  share_listing_lag = 0, -- seconds until RAM lists a share; documented as eventual
  share_promotion = 30, -- assumed
  invitation_expiry = 7 * DAY, -- documented that there is one; how long is assumed
  deleted_share_listed = HOUR, -- documented that it is listed for a while; how long is assumed
}

settings.quotas = { clusters = 4, hsms = 6, hsms_per_cluster = 28 }

settings.page_sizes = { backups = 50, clusters = 25, tags = 100, shares = 500 }

--- The keys that are known when none are given: AWS's documented example key, and one of a second account.
settings.credentials = {
  {
    access_key_id = "AKIDEXAMPLE",
    secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    account = "111122223333",
  },
  {
    access_key_id = "AKIDEXAMPLE2",
    secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    account = "444455556666",
  },
}

--- The regions of the service, as AWS's endpoint data lists them.
settings.regions = {
  "af-south-1",
  "ap-east-1",
  "ap-northeast-1",
  "ap-northeast-2",
  "ap-northeast-3",
  "ap-south-1",
  "ap-south-2",
  "ap-southeast-1",
  "ap-southeast-2",
  "ap-southeast-3",
  "ap-southeast-5",
  "ap-southeast-6",
  "ap-southeast-7",
  "ca-central-1",
  "ca-west-1",
  "eu-central-1",
  "eu-central-2",
  "eu-north-1",
  "eu-south-1",
  "eu-south-2",
  "eu-west-1",
  "eu-west-2",
  "eu-west-3",
  "il-central-1",
  "me-central-1",
  "me-south-1",
  "mx-central-1",
  "sa-east-1",
  "us-east-1",
  "us-east-2",
  "us-gov-east-1",
  "us-gov-west-1",
  "us-west-1",
  "us-west-2",
}

local CHOICES = {
  unknown_filters = { refuse = true, ignore = true },
  second_copy = { allow = true, refuse = true },
  last_backup = { delete = true, refuse = true },
  pending_backup_attributes = { refuse = true, allow = true },
  share_listing = { promoted = true, policy = true },
  policy_permission = { matched = true, unmatched = true },
}

local DEFAULTS = {
  verify_signatures = true,
  max_skew = 300,
  auto_activate = true,
  allow_hsm1 = false,
  copied_cluster_id = true,
  default_account = "111122223333",
  default_region = "us-east-1",
  seed = 1,
  events = 1000,
  unknown_filters = "refuse",
  second_copy = "allow",
  last_backup = "delete",
  pending_backup_attributes = "refuse",
  share_listing = "promoted",
  policy_permission = "matched",
}

local TYPES = {
  clock = "string",
  time = "number",
  source = "table",
  state = "string",
  record = "string",
  organization = "table",
  random = "function",
  credentials = "table",
  faults = "table",
  subnets = "table",
  regions = "table",
  times = "table",
  quotas = "table",
  page_sizes = "table",
}
for name, value in pairs(DEFAULTS) do
  TYPES[name] = type(value)
end

local function failure(...)
  local message = string.format(...)
  return nil, errors.new { kind = "config", code = "InvalidEmulatorSetting", message = message }
end

local function known(table_of)
  local names = {}
  for name in pairs(table_of) do
    names[#names + 1] = name
  end
  table.sort(names)
  return table.concat(names, ", ")
end

-- Times of what happens again and again: with 0 it would never stop.
local RECURRING = { backup_interval = true, purge_interval = true }

-- A copy of `defaults` with the numbers of `given` over it.
local function overlay(label, defaults, given)
  local out = {}
  for name, value in pairs(defaults) do
    out[name] = value
  end
  for name, value in pairs(given or {}) do
    if defaults[name] == nil then
      return failure("%s.%s: unknown; known are %s", label, tostring(name), known(defaults))
    elseif type(value) ~= "number" or value ~= value or value < 0 then
      return failure("%s.%s: expected a number that is not negative", label, name)
    elseif RECURRING[name] and value < 1 then
      return failure("%s.%s: expected at least a second", label, name)
    end
    out[name] = value
  end
  return out
end

local function is_account(value)
  return type(value) == "string" and value:find "^%d%d%d%d%d%d%d%d%d%d%d%d$" ~= nil
end

local function credential(entry, key_id)
  key_id = entry.access_key_id or key_id
  if type(key_id) ~= "string" or type(entry.secret_access_key) ~= "string" then
    return failure "credentials: every entry needs access_key_id and secret_access_key"
  end
  local account = entry.account or DEFAULTS.default_account
  if not is_account(account) then
    return failure("credentials: the account of %s must be a string of 12 digits", key_id)
  end
  return {
    access_key_id = key_id,
    secret_access_key = entry.secret_access_key,
    session_token = entry.session_token,
    expires = entry.expires,
    allow = entry.allow,
    deny = entry.deny,
    account = account,
  }
end

-- Keys by id, from a list of entries or a map of entries by key id.
local function credentials(given)
  local by_id = {}
  for name, entry in pairs(given) do
    if type(entry) ~= "table" then
      return failure "credentials: expected a list of tables, or tables by access key id"
    end
    local checked, err = credential(entry, name)
    if not checked then
      return nil, err
    end
    by_id[checked.access_key_id] = checked
  end
  return by_id
end

-- An organization: its `id`, `management` account and `members`, a set.
local function organization(given)
  local out = { id = given.id or "o-exampleorgid", management = given.management, members = {} }
  if next(given) and not is_account(given.management) then
    return failure "organization.management: expected an account, a string of 12 digits"
  elseif type(given.accounts or {}) ~= "table" then
    return failure "organization.accounts: expected a list of accounts"
  end
  for _, account in ipairs(given.accounts or {}) do
    if not is_account(account) then
      return failure "organization.accounts: expected strings of 12 digits"
    end
    out.members[account] = true
  end
  if given.management then
    out.members[given.management] = true
  end
  return out
end

local function check_types(options)
  for name, value in pairs(options) do
    if not TYPES[name] then
      return failure("%s: unknown setting; known are %s", tostring(name), known(TYPES))
    elseif type(value) ~= TYPES[name] then
      return failure("%s: expected a %s, got a %s", name, TYPES[name], type(value))
    elseif CHOICES[name] and not CHOICES[name][value] then
      return failure("%s: expected one of %s", name, known(CHOICES[name]))
    end
  end
  return true
end

--- Settings of `options` over the defaults, checked once.
-- @tparam table options see `cloudhsmv2.emulator.new`
-- @treturn[1] table
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config`
function settings.resolve(options)
  local fine, err = check_types(options)
  if not fine then
    return nil, err
  end

  if options.events and (options.events < 1 or options.events % 1 ~= 0) then
    return failure "events: expected a whole number above 0"
  end
  local out = {
    random = options.random,
    state = options.state,
    record = options.record,
    subnets = options.subnets or {},
    regions = {},
  }
  for name, value in pairs(DEFAULTS) do
    out[name] = value
    if options[name] ~= nil then
      out[name] = options[name]
    end
  end
  for _, region in ipairs(options.regions or settings.regions) do
    out.regions[region] = true
  end

  for _, name in ipairs { "times", "quotas", "page_sizes" } do
    out[name], err = overlay(name, settings[name], options[name])
    if not out[name] then
      return nil, err
    end
  end
  out.credentials, err = credentials(options.credentials or settings.credentials)
  if not out.credentials then
    return nil, err
  end
  out.organization, err = organization(options.organization or {})
  if not out.organization then
    return nil, err
  end
  out.clock, err = clock.new(options.clock or "frozen", options.time, options.source)
  if not out.clock then
    return nil, err
  end
  return out
end

return settings
