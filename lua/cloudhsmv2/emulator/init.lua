--- A CloudHSM V2 of one's own: all operations, on a clock that one can move, without AWS.
--
-- It answers requests as bytes (`handle`), serves a client in the same program without a socket (`runtime`), and stands
-- behind an HTTP server (`cloudhsmv2.emulator.server`), nginx (`cloudhsmv2.emulator.nginx`) and a command
-- (`cloudhsmv2-emulator`). State is kept in memory, one store for every account and region; the region of a request is
-- that of its signature's scope, the account that of its key.
--
-- How sure each behaviour is stands at the top of the file that implements it: documented (AWS's documentation or API
-- model), recorded (an answer of the real service), measured by others, or assumed.
--
-- @module cloudhsmv2.emulator
-- @usage
-- local emulator = require("cloudhsmv2.emulator").new {}
-- local client = require("cloudhsmv2").new {
--   region = "us-east-1",
--   credentials = { access_key_id = "AKIDEXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" },
--   runtime = emulator:runtime(),
-- }
-- local out = client:create_cluster { HsmType = "hsm2m.medium", Mode = "FIPS", SubnetIds = { "subnet-0a1b2c3d" } }
-- client:wait("cluster_created", { ClusterId = out.Cluster.ClusterId }) -- returns at once: the clock is frozen

local authenticate = require "cloudhsmv2.emulator.authenticate"
local fault = require "cloudhsmv2.emulator.fault"
local handlers = require "cloudhsmv2.emulator.handlers"
local injection = require "cloudhsmv2.emulator.injection"
local lifecycle = require "cloudhsmv2.emulator.lifecycle"
local model = require "cloudhsmv2.model"
local runtime = require "cloudhsmv2.emulator.runtime"
local settings = require "cloudhsmv2.emulator.settings"
local state = require "cloudhsmv2.emulator.state"
local validate = require "cloudhsmv2.emulator.validate"
local wire = require "cloudhsmv2.emulator.wire"

local emulator = {}
local methods = {}
local metatable = { __name = "cloudhsmv2.emulator", __index = methods }

-- Everything due has happened when this returns the time.
local function settle(self)
  local now = self.clock:time()
  lifecycle.settle(self.world, now)
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

local function check_permission(identity, operation)
  local denied = identity.deny and names(identity.deny, operation)
  if denied or identity.allow and not names(identity.allow, operation) then
    local text = "The access key %s of account %s is not authorized to perform: cloudhsm:%s"
    return fault.access_denied(text, identity.key_id or "used", identity.account, operation)
  end
  return true
end

-- From the bytes of a request to what its handler says: an operation and its output, or nil and a failure. `struck` is
-- what an injected fault does to it, if one does.
local function perform(self, request, now, struck)
  local operation, failure = wire.route(request)
  if not operation then
    return nil, failure
  end
  local identity
  identity, failure = authenticate(request, self.settings)
  if not identity then
    return nil, failure
  end
  local fine, input, output
  fine, failure = check_permission(identity, operation)
  if not fine then
    return nil, failure
  elseif struck and struck.refusal then
    return nil, struck.refusal
  end
  input, failure = wire.decode(operation, request.body)
  if not input then
    return nil, failure
  end
  local problems = self.validator:problems(model.operations[operation].input.shape, input)
  if problems then
    return fault.invalid("%s", problems)
  end
  output, failure = handlers[operation]({
    operation = operation,
    world = self.world,
    settings = self.settings,
    store = self.world:store(identity.account, identity.region),
    now = now,
  }, input)
  if not output then
    return nil, failure
  end
  return operation, output
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
  local answer = struck and injection.before(struck, context)
  if not answer then
    local operation, result = perform(self, read, now, struck)
    answer = operation and wire.success(context, operation, result) or wire.failure(context, result)
  end
  return struck and injection.after(struck, answer) or answer
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

--- What the emulator's clock shows.
-- @treturn number seconds since 1970
function methods:time()
  return self.clock:time()
end

--- Moves the clock forward; everything that is due by then happens.
-- @tparam number seconds not negative; anything else raises
-- @usage emulator:advance(24 * 3600) -- a day's backups, and what retention purges
function methods:advance(seconds)
  self.clock:advance(seconds)
  settle(self)
end

--- Activates an INITIALIZED cluster at once, as its client does on the data plane.
-- @tparam string cluster_id
-- @treturn ?boolean true, or nil and the reason
-- @usage assert(emulator:activate_cluster(cluster_id))
function methods:activate_cluster(cluster_id)
  local now = settle(self)
  local cluster, store = self.world:find_cluster(cluster_id)
  if not cluster then
    return nil, "there is no cluster " .. tostring(cluster_id)
  elseif cluster.State ~= "INITIALIZED" then
    return nil, ("the cluster %s is %s, not INITIALIZED"):format(cluster_id, cluster.State)
  end
  lifecycle.activate(self.world, store, cluster, now)
  return true
end

--- Degrades a cluster that is ACTIVE.
-- @tparam string cluster_id
-- @treturn ?boolean true, or nil and the reason
function methods:degrade_cluster(cluster_id)
  settle(self)
  local cluster = self.world:find_cluster(cluster_id)
  if not cluster or cluster.State ~= "ACTIVE" then
    return nil, "there is no ACTIVE cluster " .. tostring(cluster_id)
  end
  cluster.State = "DEGRADED"
  return true
end

--- Lets an HSM fail for good, one that is being created as well as one that works.
-- @tparam string hsm_id
-- @treturn ?boolean true, or nil and the reason
function methods:degrade_hsm(hsm_id)
  settle(self)
  local _, hsm = self.world:find_hsm(hsm_id)
  if not hsm or hsm.State == "DELETE_IN_PROGRESS" then
    return nil, "there is no HSM " .. tostring(hsm_id)
  end
  lifecycle.degrade_hsm(hsm)
  return true
end

local function fail_next(self, kind, count)
  self.world.failures[kind] = (self.world.failures[kind] or 0) + (count or 1)
end

--- Lets the next CreateHsm end DEGRADED.
-- @tparam[opt=1] integer count of them
function methods:fail_next_hsm(count)
  fail_next(self, "hsm", count)
end

--- Lets the next CopyBackupToRegion end as DELETED.
-- @tparam[opt=1] integer count of them
function methods:fail_next_copy(count)
  fail_next(self, "copy", count)
end

--- Lets the next change of HSM type be rolled back.
-- @tparam[opt=1] integer count of them
function methods:fail_next_migration(count)
  fail_next(self, "migration", count)
end

--- Lets the next InitializeCluster end UNINITIALIZED.
-- @tparam[opt=1] integer count of them
function methods:fail_next_initialization(count)
  fail_next(self, "initialization", count)
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
-- * `auto_activate` - false: an INITIALIZED cluster waits for `activate_cluster`;
-- * `allow_hsm1` - true: clusters of hsm1.medium can be created, and migrated;
-- * `seed` - a whole number; the same seed gives the same ids; default 1. Or `random`, a function that returns numbers
--   in [0, 1);
-- * `faults` - a list of faults to begin with, as of `inject`;
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
    clock = resolved.clock,
    world = state.new(resolved),
    validator = validate.new(model.shapes),
    injection = injection.new(resolved),
  }, metatable)
  for _, one in ipairs(options and options.faults or {}) do
    local fine
    fine, err = self:inject(one)
    if not fine then
      return nil, err
    end
  end
  return self
end

return emulator
