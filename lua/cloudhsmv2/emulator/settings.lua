--- What can be set, and to what it is set by default.
--
-- The tables below are the list; how sure each default is stands beside it, and in doc/emulator-behaviour.md.
-- @module cloudhsmv2.emulator.settings

local certificates = require "cloudhsmv2.emulator.certificates"
local clock = require "cloudhsmv2.emulator.clock"
local errors = require "cloudhsmv2.errors"

local settings = {}

local MINUTE, HOUR, DAY = 60, 3600, 86400

--- How long things take, in seconds.
settings.times = {
  cluster_creation = 120, -- [observed, measured] "a few minutes" until a new cluster is UNINITIALIZED
  cluster_deletion = 25, -- [observed, recorded] until a deleted cluster is DELETED
  deleted_cluster_listed = HOUR, -- [assumed] until it is not listed any more; recorded is "for a while"
  hsm_creation = 313, -- [observed, measured] until a new HSM is ACTIVE
  hsm_deletion = 120, -- [observed, measured] that a deleted HSM stays listed
  initialization = MINUTE, -- [assumed] until an initialized cluster is INITIALIZED
  activation = 80, -- [observed, measured] until it is ACTIVE by itself: as the control plane lags behind the data plane
  activation_lag = 0, -- [ours] until it is ACTIVE after `activate_cluster`; the control plane's lag was measured as 80
  backup_creation = MINUTE, -- [assumed] until a new backup is READY
  join_backup = 50, -- [observed, measured] after CreateHsm until the backup begins, measured as 34 to 65
  backup_interval = DAY, -- [documented, user guide] between two backups of a cluster, at most
  copy = 300, -- [assumed] until a copy is READY
  pending_deletion = 7 * DAY, -- [documented, user guide] until a deleted backup is DELETED
  deleted_backup_listed = HOUR, -- [assumed] until it is not listed any more
  purge_interval = DAY, -- [assumed] between two looks of retention
  migration_per_hsm = 30 * MINUTE, -- [documented, user guide] that a change of type takes for each HSM
  rollback_window = DAY, -- [documented, user guide] in which a change of type can be taken back
  token_validity = DAY, -- [assumed] that a NextToken is good
  listing_lag = 0, -- [assumed] until a new cluster is listed; that lists lag at all is assumed
  hsm_listing_lag = 0, -- [assumed] until a new HSM is listed in its cluster
  backup_listing_lag = 0, -- [assumed] until a backup that the service made is listed
  copy_listing_lag = 0, -- [assumed] until a copy is listed
  share_listing_lag = 0, -- [assumed] until RAM lists a share; that it does so late is documented
  share_promotion = 30, -- [assumed] until a share or permission that is promoted is STANDARD
  invitation_expiry = 7 * DAY, -- [assumed] until an invitation that is not answered expires
  deleted_share_listed = HOUR, -- [assumed] until a deleted share is not listed any more
}

--- How many there may be.
settings.quotas = {
  clusters = 4, -- [documented, user guide] clusters in a region of an account
  hsms = 6, -- [documented, user guide] HSMs in a region of an account
  hsms_per_cluster = 28, -- [documented, user guide] HSMs in a cluster
}

--- How many items a page has where MaxResults is not given.
settings.page_sizes = {
  backups = 50, -- [assumed] the most that can be asked for
  clusters = 25, -- [assumed] the most that can be asked for
  tags = 100, -- [assumed] the most that can be asked for
  shares = 500, -- [assumed] the most that can be asked for, of RAM's lists
}

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
  anchor_chain = { allow = true, refuse = true },
  certificates = { auto = true, real = true, text = true },
  hsm_keys = { EC = true, RSA = true },
  last_backup = { delete = true, refuse = true },
  last_token = { absent = true, empty = true },
  pages = { full = true, short = true, empty = true },
  pending_backup_attributes = { refuse = true, allow = true },
  policy_permission = { matched = true, unmatched = true },
  second_copy = { allow = true, refuse = true },
  security_group = { settled = true, first = true },
  share_listing = { promoted = true, policy = true },
  unknown_filters = { refuse = true, ignore = true },
}

local DEFAULTS = {
  allow_hsm1 = false, -- [observed, measured] whether clusters of hsm1.medium can be created
  anchor_chain = "allow", -- [documented, user guide] a chain as TrustAnchor; or "refuse", as the API reference says
  auto_activate = true, -- [ours] a cluster becomes ACTIVE without a client on the data plane
  certificates = "auto", -- [ours] certificates are real where luaossl is installed; "real", or an error; "text"
  copied_cluster_id = true, -- [assumed] a copy shows its source's ClusterId
  default_account = "111122223333", -- [ours] of requests with an unknown key, where signatures are not verified
  default_region = "us-east-1", -- [ours] of requests that name none, where signatures are not verified
  events = 1000, -- [ours] how many events are remembered
  hsm_keys = "EC", -- [ours] the keys of certificates: P-256, made in a millisecond; or "RSA", of 2048 bits
  last_backup = "delete", -- [assumed] DeleteBackup of a cluster's last backup; or "refuse"
  last_token = "absent", -- [documented, API model] what ends a list; or "empty": a NextToken of no characters
  max_skew = 300, -- [documented, AWS] seconds that a request's date may be off
  pages = "full", -- [assumed] pages have what was asked for; or "short"; or "empty": an empty page before each
  pending_backup_attributes = "refuse", -- [assumed] ModifyBackupAttributes in PENDING_DELETION; or "allow"
  policy_permission = "matched", -- [assumed] a policy like AWS's own permission needs no other; or "unmatched"
  second_copy = "allow", -- [assumed] another copy of a backup into the same region; or "refuse"
  security_group = "settled", -- [observed, recorded] when SecurityGroup is shown; or "first": in CreateCluster's answer
  seed = 1, -- [ours] the same seed gives the same ids and certificates
  share_listing = "promoted", -- [documented, user guide] Shared lists what RAM shares; or "policy": without RAM
  unknown_filters = "refuse", -- [assumed] filters of other names; or "ignore"
  verify_signatures = true, -- [documented, AWS] requests must be signed
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

-- Keys by id, and their ids in the order in which they were given, from a list of entries or a map of entries by key id;
-- a map's ids are sorted.
local function credentials(given)
  local by_id, order = {}, {}
  for name, entry in pairs(given) do
    if type(entry) ~= "table" then
      return failure "credentials: expected a list of tables, or tables by access key id"
    end
    local checked, err = credential(entry, name)
    if not checked then
      return nil, err
    end
    by_id[checked.access_key_id] = checked
    order[#order + 1] = { place = name, id = checked.access_key_id }
  end
  table.sort(order, function(a, b)
    if type(a.place) == "number" and type(b.place) == "number" then
      return a.place < b.place
    end
    return a.id < b.id
  end)
  for i, key in ipairs(order) do
    order[i] = key.id
  end
  return by_id, order
end

local function check_seed(seed)
  if seed % 1 ~= 0 or seed < 0 or seed >= 2 ^ 31 then
    return failure "seed: expected a whole number from 0 to 2147483647"
  end
  return true
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

  fine, err = check_seed(out.seed)
  if not fine then
    return nil, err
  end
  for _, name in ipairs { "times", "quotas", "page_sizes" } do
    out[name], err = overlay(name, settings[name], options[name])
    if not out[name] then
      return nil, err
    end
  end
  local order
  out.credentials, order = credentials(options.credentials or settings.credentials)
  if not out.credentials then
    return nil, order
  end
  out.key_ids = order
  local pki, reason = certificates.new(out)
  if not pki then
    return failure("certificates: %s", reason)
  end
  out.pki = pki
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
