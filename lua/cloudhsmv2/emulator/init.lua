--- A CloudHSM V2 of one's own: all operations, on a clock that one can move, without AWS.
--
-- It answers requests as bytes (`handle`), serves a client in the same program without a socket (`runtime`), and stands
-- behind an HTTP server (`cloudhsmv2.emulator.server`), nginx (`cloudhsmv2.emulator.nginx`) and a command
-- (`cloudhsmv2-emulator`). There is one store for every account and region; the region of a request is that of its
-- signature's scope, the account that of its key. State is kept in memory, and if wanted in a file, too
-- (`cloudhsmv2.emulator.journal`).
--
-- How sure each behaviour is stands beside the code that implements it: documented (AWS's documentation or API model),
-- observed (an answer of the real service that was recorded, or measured by others), assumed, or ours. The page
-- doc/emulator-behaviour.md lists them all.
--
-- @module cloudhsmv2.emulator
-- @usage
-- local emulator = require("cloudhsmv2.emulator").new {}
-- local client = emulator:client { region = "us-east-1" }
-- local out = client:create_cluster { HsmType = "hsm2m.medium", Mode = "FIPS", SubnetIds = { "subnet-0a1b2c3d" } }
-- client:wait("cluster_created", { ClusterId = out.Cluster.ClusterId }) -- returns at once: the clock is frozen

local authenticate = require "cloudhsmv2.emulator.authenticate"
local certificates = require "cloudhsmv2.emulator.certificates"
local control = require "cloudhsmv2.emulator.control"
local documents = require "cloudhsmv2.emulator.documents"
local errors = require "cloudhsmv2.errors"
local fault = require "cloudhsmv2.emulator.fault"
local handlers = require "cloudhsmv2.emulator.handlers"
local history = require "cloudhsmv2.emulator.history"
local injection = require "cloudhsmv2.emulator.injection"
local journal = require "cloudhsmv2.emulator.journal"
local json = require "cloudhsmv2.emulator.json"
local lifecycle = require "cloudhsmv2.emulator.lifecycle"
local model = require "cloudhsmv2.model"
local ram = require "cloudhsmv2.emulator.ram"
local recording = require "cloudhsmv2.emulator.recording"
local replay = require "cloudhsmv2.emulator.replay"
local random = require "cloudhsmv2.emulator.random"
local runtime = require "cloudhsmv2.emulator.runtime"
local settings = require "cloudhsmv2.emulator.settings"
local state = require "cloudhsmv2.emulator.state"
local validate = require "cloudhsmv2.emulator.validate"
local wire = require "cloudhsmv2.emulator.wire"

local emulator = {}
local methods = {}
local metatable = { __name = "cloudhsmv2.emulator", __index = methods }

local READS = { Describe = true, Get = true, List = true } -- operations whose names begin so change nothing
local SNAPSHOT = "cloudhsmv2-emulator snapshot 1"

-- Goes on with a world, whatever there was before.
local function adopt(self, world)
  self.world = world
  self.settings.seed = world.seed
  if world.seed ~= self.seed_of_certificates then -- they go with the world that they are in
    self.settings.pki = assert(certificates.new(self.settings))
    self.seed_of_certificates = world.seed
  end
  world:watch(true)
  if self.journal then
    world:keep()
  end
  self.history:look(world)
  self.mark = self.history:mark()
end

-- What was not written down has not happened.
local function roll_back(self)
  local world, saved = assert(documents.load(self.settings, self.journal:values()))
  if self.clock.mode == "frozen" then
    self.clock:load(saved)
  end
  self.history:undo(self.mark)
  adopt(self, world)
end

-- Notes what has happened and, where the state is kept, writes it down. Else nil and an error: it has not happened.
local function conclude(self, now)
  self.history:observe(self.world, now)
  if self.journal then
    local kept, err = self.journal:commit(documents.changes(self.world, self.clock))
    if not kept then
      roll_back(self)
      return nil, err
    end
  end
  self.mark = self.history:mark()
  return true
end

-- Everything due has happened when this returns the time.
local function settle(self)
  local now = self.clock:time()
  self.world:watch(true)
  lifecycle.settle(self.world, now, self.happened)
  return now
end

-- Whether a list of a policy names an operation: by its name, or by the beginning of it, as in "Describe*".
local function names(list, operation)
  for _, entry in ipairs(list) do
    local beginning = entry:match "^(.*)%*$"
    if entry == operation or beginning and operation:sub(1, #beginning) == beginning then
      return true
    end
  end
  return false
end

local function check_permission(service, identity, operation)
  local denied = identity.deny and names(identity.deny, operation)
  if denied or identity.allow and not names(identity.allow, operation) then
    local text = "The access key %s of account %s is not authorized to perform: %s:%s"
    return fault.access_denied(text, identity.key_id or "used", identity.account, service.name, operation)
  end
  return true
end

-- The service itself, in the form that `perform` wants; `cloudhsmv2.emulator.ram` is the other one.
local cloudhsm = {
  name = "cloudhsm",
  handlers = handlers,
  route = wire.route,
  decode = function(self, operation, request)
    local input, failure = wire.decode(operation, request.body)
    if not input then
      return nil, failure
    end
    local problems = self.validator:problems(model.operations[operation].input.shape, input)
    if problems then
      return fault.invalid("%s", problems)
    end
    return input
  end,
  success = wire.success,
  failure = wire.failure,
}

-- From the bytes of a request to what its handler says: an output, or nil and a failure. `struck` is what an injected fault
-- does to it, if one does. `call` gets `operation`, `account` and `region` as soon as they are known, and `writes`: whether
-- something may have changed.
local function perform(self, service, request, now, struck, call)
  local operation, failure = service.route(request)
  if not operation then
    return nil, failure
  end
  call.operation = operation
  local identity
  identity, failure = authenticate(request, self.settings, service.name)
  if not identity then
    return nil, failure
  end
  call.account, call.region = identity.account, identity.region
  local fine, input
  fine, failure = check_permission(service, identity, operation)
  if not fine then
    return nil, failure
  elseif struck and struck.refusal then
    return nil, struck.refusal
  end
  input, failure = service.decode(self, operation, request)
  if not input then
    return nil, failure
  end
  call.writes = not READS[operation:match "^%u%l+"]
  self.world:watch(call.writes)
  return service.handlers[operation]({
    operation = operation,
    world = self.world,
    settings = self.settings,
    store = self.world:store(identity.account, identity.region),
    now = now,
  }, input)
end

-- Notes a request, unless it only looked at something that was there to see.
local function note_request(self, now, call, answer, failure, context)
  if call.writes or failure then
    self.history:add("request", now, {
      account = call.account,
      region = call.region,
      operation = call.operation,
      status = answer.status,
      code = failure and failure.code,
      request_id = context.request_id,
    })
  end
end

-- The service's answer to a request. What it has changed is kept before anybody hears of it.
local function respond(self, request, now, struck, context)
  local service = ram.is_meant(request) and ram or cloudhsm
  local call = {}
  local output, failure = perform(self, service, request, now, struck, call)
  if call.writes or self.journal and self.world:is_dirty() then
    local kept, err = conclude(self, now)
    if not kept then
      output, failure = fault.internal("Nothing was done, since it could not be written down. %s", err.message)
    end
  end
  local answer = output and service.success(context, call.operation, output) or service.failure(context, failure)
  note_request(self, now, call, answer, failure, context)
  self.mark = self.history:mark()
  return answer
end

--- Answers one request.
-- @tparam table request `method`, `target` (as `"/"`), `headers` (a list of `{ name, value }`, `Host` among them),
-- `body`, and perhaps `received_at`: seconds since 1970 against which the date of the signature is checked, when that is
-- another clock than the emulator's
-- @treturn table `status`, `headers` (a list of `{ name, value }`), `body`; and where an injected fault lets it travel in
-- another way, `delivery`, see `cloudhsmv2.emulator.delivery`
-- @usage local response = emulator:handle { method = "POST", target = "/", headers = headers, body = "{}" }
function methods:handle(request)
  local now = settle(self)
  local read = wire.read(request, now)
  local struck = self.injection:strike(read)
  if struck and struck.skew then
    read.received_at = read.received_at + struck.skew
  end
  local context = { request_id = self.world.incidental:uuid(), received_at = read.received_at }
  local answer = struck and injection.before(struck, context) or respond(self, read, now, struck, context)
  answer = struck and injection.after(struck, answer) or answer
  if self.recording then
    self.recording:write(now, request, answer)
  end
  return answer
end

--- Lets something go wrong with requests to come: delays, broken connections, pages of proxies, throttling, wrong
-- clocks; see `cloudhsmv2.emulator.injection` for the kinds and their parameters.
-- @tparam table fault `kind`, and perhaps `operation`, `count` and others
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config` that names the field
-- @usage assert(emulator:inject { kind = "unavailable", operation = "DescribeBackups", count = 2 })
function methods:inject(fault_to_come)
  return self.injection:inject(fault_to_come)
end

--- The injected faults that may still strike.
-- @treturn table a list of them, each with `struck`: how many requests it struck
function methods:faults()
  return self.injection:list()
end

--- Forgets all injected faults.
function methods:clear_faults()
  self.injection:clear()
end

--- A runtime for a client in the same program: no socket, and the emulator's clock. Sleeping moves a frozen or scaled
-- clock forward at once, so waits end as fast as the machine can poll.
-- @treturn table see "runtime" in the client's documentation
-- @usage local client = cloudhsmv2.new { region = "eu-west-1", credentials = keys, runtime = emulator:runtime() }
function methods:runtime()
  return runtime.new(self)
end

local function nothing()
  return nil
end

-- The first key of an account, or of all; nil when it has none.
local function first_key(self, account)
  for _, id in ipairs(self.settings.key_ids) do
    local key = self.settings.credentials[id]
    if not account or key.account == account then
      return key
    end
  end
  return nil
end

--- A client of this emulator, in the same program: no socket, no sleep, and neither environment nor files take part, so
-- that a test is the same on every machine. Its waits move a frozen clock.
-- @tparam[opt] table options those of `cloudhsmv2.new`; without `credentials` the emulator's first key is used, or the
-- first one of `account`; without `region` its `default_region`
-- @treturn[1] table a client
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config` or `credentials`
-- @usage
-- local client = emulator:client { region = "eu-west-1" }
-- local consumer = emulator:client { region = "eu-west-1", account = "444455556666" }
function methods:client(options)
  local all = {
    region = self.settings.default_region,
    runtime = self:runtime(),
    getenv = nothing,
    read_file = nothing,
    random = random.new(self.settings.seed + 2).draw, -- of its own, so that what a client draws changes no id
  }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  local account = all.account
  all.account = nil
  if all.credentials == nil then
    local key = first_key(self, account)
    if not key then
      local message = "account: this emulator has no access key of the account " .. tostring(account or "(any)")
      return nil, errors.new { kind = "config", code = "NoSuchAccount", message = message }
    end
    all.credentials = {
      access_key_id = key.access_key_id,
      secret_access_key = key.secret_access_key,
      session_token = key.session_token,
    }
  end
  return require("cloudhsmv2").new(all) -- loaded here: an emulator behind a server needs no client
end

--- What the emulator's clock shows.
-- @treturn number seconds since 1970
function methods:time()
  return self.clock:time()
end

--- Moves the clock forward; everything that is due by then happens.
-- @tparam number seconds not negative; anything else raises
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] table an error, only where the state is kept and could not be written: nothing has happened
-- @usage emulator:advance(24 * 3600) -- a day's backups, and what retention purges
function methods:advance(seconds)
  self.clock:advance(seconds)
  return conclude(self, settle(self))
end

--- Activates an INITIALIZED cluster that has an HSM, as its client does on the data plane: at once, or after the time
-- `activation_lag`.
-- @tparam string cluster_id
-- @treturn ?boolean true, or nil and the reason
-- @usage assert(emulator:activate_cluster(cluster_id))
function methods:activate_cluster(cluster_id)
  local now = settle(self)
  local cluster, store = self.world:find_cluster(cluster_id)
  if not cluster then
    return nil, "there is no cluster " .. tostring(cluster_id)
  end
  local fine, reason = lifecycle.activate(self.world, store, cluster, now)
  if not fine then
    return nil, reason
  end
  return conclude(self, now)
end

--- Degrades a cluster that is ACTIVE.
-- @tparam string cluster_id
-- @treturn ?boolean true, or nil and the reason
function methods:degrade_cluster(cluster_id)
  local now = settle(self)
  local cluster = self.world:find_cluster(cluster_id)
  if not cluster or cluster.State ~= "ACTIVE" then
    return nil, "there is no ACTIVE cluster " .. tostring(cluster_id)
  end
  cluster.State = "DEGRADED"
  return conclude(self, now)
end

--- Lets an HSM fail for good, one that is being created as well as one that works.
-- @tparam string hsm_id
-- @treturn ?boolean true, or nil and the reason
function methods:degrade_hsm(hsm_id)
  local now = settle(self)
  local _, hsm = self.world:find_hsm(hsm_id)
  if not hsm or hsm.State == "DELETE_IN_PROGRESS" then
    return nil, "there is no HSM " .. tostring(hsm_id)
  end
  lifecycle.degrade_hsm(hsm)
  return conclude(self, now)
end

--- Lets the service replace an HSM that works or is DEGRADED: another HsmId, the same network interface and address.
-- @tparam string hsm_id
-- @treturn[1] string the id of the HSM that takes its place
-- @treturn[2] nil
-- @treturn[2] string the reason
-- @usage local other_id = assert(emulator:replace_hsm(hsm_id))
function methods:replace_hsm(hsm_id)
  local now = settle(self)
  local cluster, hsm, store = self.world:find_hsm(hsm_id)
  if not hsm or (hsm.State ~= "ACTIVE" and hsm.State ~= "DEGRADED") then
    return nil, "there is no ACTIVE or DEGRADED HSM " .. tostring(hsm_id)
  end
  lifecycle.replace_hsm(self.world, store, cluster, hsm, now)
  local kept, err = conclude(self, now)
  return kept and hsm.HsmId or nil, err
end

--- Signs a cluster's certificate signing request, as AWS's guide tells a customer to do with an authority of their own:
-- what `initialize_cluster` wants. Without luaossl it gives texts that this emulator accepts.
-- @tparam string csr `Certificates.ClusterCsr` of a cluster
-- @treturn[1] string for `SignedCert`
-- @treturn[1] string for `TrustAnchor`
-- @treturn[2] nil
-- @treturn[2] string the reason
-- @usage local certificate, anchor = assert(emulator:sign_csr(cluster.Certificates.ClusterCsr))
function methods:sign_csr(csr)
  return self.settings.pki:sign(csr, self.clock:time())
end

--- The roots that stand for AWS's and the HSM maker's: `AwsHardwareCertificate` and `ManufacturerHardwareCertificate` of
-- every cluster lead to them. Needs luaossl.
-- @treturn[1] table `aws` and `manufacturer`, certificates in PEM form
-- @treturn[2] nil
-- @treturn[2] string the reason
function methods:root_certificates()
  return self.settings.pki:roots()
end

local function fail_next(self, kind, count)
  local now = settle(self)
  self.world.failures[kind] = (self.world.failures[kind] or 0) + (count or 1)
  return conclude(self, now)
end

--- Lets the next CreateHsm end DEGRADED.
-- @tparam[opt=1] integer count of them
-- @treturn ?boolean true, or nil and the reason
function methods:fail_next_hsm(count)
  return fail_next(self, "hsm", count)
end

--- Lets the next CopyBackupToRegion end as DELETED.
-- @tparam[opt=1] integer count of them
-- @treturn ?boolean true, or nil and the reason
function methods:fail_next_copy(count)
  return fail_next(self, "copy", count)
end

--- Lets the next change of HSM type be rolled back.
-- @tparam[opt=1] integer count of them
-- @treturn ?boolean true, or nil and the reason
function methods:fail_next_migration(count)
  return fail_next(self, "migration", count)
end

--- Lets the next InitializeCluster end UNINITIALIZED.
-- @tparam[opt=1] integer count of them
-- @treturn ?boolean true, or nil and the reason
function methods:fail_next_initialization(count)
  return fail_next(self, "initialization", count)
end

--- What happened and when: the newest events, see `cloudhsmv2.emulator.history`.
-- @tparam[opt] table filter `after` (a sequence number), `kind`, `id` and `limit`
-- @treturn table list, oldest first
-- @usage for _, event in ipairs(emulator:events { kind = "state" }) do print(event.time, event.id, event.from, event.to) end
function methods:events(filter)
  self:settle()
  return self.history:list(filter)
end

--- Uses a control, see `cloudhsmv2.emulator.control`: what can be done over HTTP, too.
-- @tparam string name
-- @tparam[opt] table parameters
-- @treturn[1] table result
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config`
-- @usage assert(emulator:control("advance", { seconds = 3600 }))
function methods:control(name, parameters)
  return control.run(self, name, parameters)
end

--- Lets everything happen that is due. For those who look at what exists from within.
-- @treturn table the world
function methods:settle()
  conclude(self, settle(self))
  return self.world
end

--- All that an emulator with the same settings needs to go on from here and answer every request alike, byte for byte: what
-- exists in all accounts and regions, what is going to happen, clock, chance, failures to come and injected faults. Settings, keys
-- among them, are not in it, nor are the events.
-- @treturn string JSON
function methods:snapshot()
  settle(self)
  local parts = {}
  for key, text in pairs(documents.all(self.world, self.clock)) do
    parts[#parts + 1] = assert(json.encode(key)) .. ":" .. text
  end
  table.sort(parts)
  return ('{"format":%s,"documents":{%s},"faults":%s}'):format(
    json.encode(SNAPSHOT),
    table.concat(parts, ","),
    assert(json.encode(self.injection:dump()))
  )
end

-- Replaces everything. Where it cannot be written down, what there was goes on.
local function replace(self, world, saved_clock, faults)
  self.clock:load(saved_clock)
  adopt(self, world)
  if self.journal then
    local kept, err = self.journal:commit_all(documents.all(world, self.clock))
    if not kept then
      roll_back(self)
      return nil, err
    end
  end
  self.injection:load(faults)
  return true
end

--- Goes on from a snapshot, of this emulator or of another one.
-- @tparam string text as of `snapshot`
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] table an error: everything is as it was
-- @usage
-- local before = emulator:snapshot()
-- try_something(client)
-- assert(emulator:restore(before)) -- it never happened
function methods:restore(text)
  local function refuse(problem)
    return nil, errors.new { kind = "config", code = "InvalidSnapshot", message = "not a snapshot: " .. problem }
  end
  local value, err = json.decode(text)
  if type(value) ~= "table" then
    return refuse(err and err.message or "not an object")
  elseif value.format ~= SNAPSHOT then
    return refuse(("the format is %s, and this emulator knows %s"):format(tostring(value.format), SNAPSHOT))
  elseif type(value.documents) ~= "table" or type(value.faults) ~= "table" then
    return refuse "it has no documents or no faults"
  end
  local world, saved = documents.load(self.settings, value.documents)
  if not world then
    return refuse(saved)
  end
  return replace(self, world, saved, value.faults)
end

--- Begins anew, as if it had just been made: nothing exists, the clock shows what it showed then, unless it is a real one, and
-- the faults are those that it was made with.
-- @treturn ?boolean true, or nil and an error
function methods:reset()
  local clock, faults = self.initial.clock, self.initial.faults
  self.settings.seed = self.initial.seed
  if self.clock.mode == "real" then
    clock = { start = self.clock.source.time(), advanced = 0 }
  end
  return replace(self, state.new(self.settings), clock, faults)
end

--- Gives up the files that it has open. An emulator without any needs no closing. Closing twice is fine.
function methods:close()
  if self.journal then
    self.journal:close()
  end
  if self.recording then
    self.recording:close()
  end
end

-- A deep copy of plain data.
local function copy_of(value)
  if type(value) ~= "table" then
    return value
  end
  local out = {}
  for name, field in pairs(value) do
    out[name] = copy_of(field)
  end
  return out
end

-- The world to begin with: what was kept, or nothing.
local function begin(self)
  local path = self.settings.state
  local world, values = state.new(self.settings), {}
  if path then
    self.journal, values = journal.open(path)
    if not self.journal then
      return nil, values
    end
  end
  if next(values) then
    local saved
    world, saved = documents.load(self.settings, values)
    if not world then
      local message = ("%s: %s"):format(path, saved)
      return nil, errors.new { kind = "config", code = "StateDamaged", message = message }
    end
    self.clock:resume(saved)
    world:resume()
  end
  adopt(self, world)
  if self.journal then
    local kept, err = self.journal:commit_all(documents.all(world, self.clock))
    if not kept then
      return nil, err
    end
  end
  if self.settings.record then
    local recorder, err = recording.open(self.settings.record)
    self.recording = recorder
    return recorder and true, err
  end
  return true
end

--- Makes an emulator. All options may be left out; `cloudhsmv2.emulator.settings` lists more, for behaviour that is
-- only assumed.
-- @tparam[opt] table options
--
-- * `clock` - `"frozen"` (default), `"scaled:60"` or `"real"`, see `cloudhsmv2.emulator.clock`;
-- * `time` - what the clock shows first, in seconds since 1970; default: now;
-- * `credentials` - a list of `{ access_key_id, secret_access_key, session_token, account, expires, allow, deny }`, or
--   the same by access key id; `expires` is a time in seconds since 1970, `allow` and `deny` are lists of operations,
--   `"Describe*"` among them; without `allow` all are. Default: AWS's example key `AKIDEXAMPLE` in account 111122223333,
--   and `AKIDEXAMPLE2` in 444455556666;
-- * `verify_signatures` - default true; without, `default_account` and `default_region` serve requests that name none;
-- * `max_skew` - seconds that a request's date may be off; default 300;
-- * `times`, `quotas`, `page_sizes` - numbers over the defaults;
-- * `subnets` - zone and VPC of subnets by id, see `cloudhsmv2.emulator.network`;
-- * `certificates` - `"auto"` (default): real ones, which InitializeCluster checks, where luaossl is installed; `"real"`,
--   or an error; `"text"`: their form is all that is looked at. `hsm_keys` - `"EC"` (default) or `"RSA"`;
-- * `pages` - `"full"` (default), `"short"` or `"empty"`, and `last_token` - `"absent"` (default) or `"empty"`: odd pages
--   that the API allows;
-- * `auto_activate` - false: an INITIALIZED cluster waits for `activate_cluster`;
-- * `allow_hsm1` - true: clusters of hsm1.medium can be created, and migrated;
-- * `seed` - a whole number; the same seed gives the same ids and certificates; default 1. Or `random`, a function that
--   returns numbers in [0, 1), for the ids;
-- * `faults` - a list of faults to begin with, as of `inject`;
-- * `state` - a path: what exists is kept in this file, see `cloudhsmv2.emulator.journal`, and found there again. Nothing is
--   answered before it is on the disk. Only one emulator has the file open, until `close` or the end of the program. The file's
--   time counts, not `time`: a real clock goes on with the wall clock, the others from where they stood;
-- * `record` - a path: every exchange is added to this file, see `cloudhsmv2.emulator.recording`;
-- * `events` - how many events are remembered; default 1000;
-- * `source` - the machine's clock: `time()`, `now()`, `sleep(seconds)`.
--
-- @treturn[1] table
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config` that names the option
-- @usage local emulator = require("cloudhsmv2.emulator").new { clock = "scaled:60", allow_hsm1 = true }
function emulator.new(options)
  local resolved, err = settings.resolve(options or {})
  if not resolved then
    return nil, err
  end
  local self = setmetatable({
    settings = resolved,
    seed_of_certificates = resolved.seed,
    clock = resolved.clock,
    history = history.new(resolved.events),
    validator = validate.new(model.shapes),
    injection = injection.new(resolved),
  }, metatable)
  self.happened = function(time)
    self.history:observe(self.world, time)
  end
  for _, one in ipairs(options and options.faults or {}) do
    local fine
    fine, err = self:inject(one)
    if not fine then
      return nil, err
    end
  end
  self.initial = { seed = resolved.seed, clock = self.clock:dump(), faults = copy_of(self.injection:dump()) }
  local fine
  fine, err = begin(self)
  if not fine then
    self:close()
    return nil, err
  end
  return self
end

--- Makes a server of a recording: it gives the answers that were recorded and refuses every other request, see
-- `cloudhsmv2.emulator.replay`.
-- @function replay
-- @tparam string path
-- @tparam[opt] table options `order`: `"strict"` (default) or `"any"`
-- @treturn[1] table with `handle`, `runtime` and `left`
-- @treturn[2] nil
-- @treturn[2] table an error of kind `config`
-- @usage local replay = assert(require("cloudhsmv2.emulator").replay "spec/fixtures/report.jsonl")
emulator.replay = replay.open

return emulator
