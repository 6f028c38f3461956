--- The EC2 side that CloudHSM asks about: which VPC and Availability Zone a subnet is in, and addresses in it.
--
-- There is no EC2 here, so both are derived from the subnet's id, unless the setting `subnets` tells them:
-- the last hexadecimal digit of the id, modulo 3, chooses zone a, b or c of the request's region; all subnets of an
-- account in a region are in one VPC. With `subnets = { ["subnet-0a1b2c3d"] = { az = "us-east-1d", vpc = "vpc-0123456789abcdef0" } }`
-- either can be set for one subnet.
-- @module cloudhsmv2.emulator.network

local random = require "cloudhsmv2.emulator.random"

local network = {}

local ZONES = { "a", "b", "c" }
local FIRST_HOST, LAST_HOST = 4, 254 -- AWS keeps the first four addresses and the last one of a subnet

local function vpc_of(store)
  return random.new(random.hash(store.account .. store.region)):ec2_id "vpc"
end

--- The zone and VPC of a subnet.
-- @tparam table settings
-- @tparam table store
-- @tparam string subnet_id
-- @treturn string Availability Zone
-- @treturn string VPC id
function network.locate(settings, store, subnet_id)
  -- [ours] there is no EC2: the zone and VPC of a subnet follow from its id, or from the setting `subnets`
  local told = settings.subnets[subnet_id] or {}
  local digit = tonumber(subnet_id:sub(-1), 16)
  return told.az or store.region .. ZONES[digit % #ZONES + 1], told.vpc or vpc_of(store)
end

local function addresses_in_use(store)
  local used = {}
  for cluster in store.clusters:each(true) do
    for _, hsm in ipairs(cluster.hsms) do
      used[hsm.EniIp] = true
    end
  end
  return used
end

--- Whether an address is free and could be one at all.
-- @tparam table store
-- @tparam string address
-- @treturn boolean
function network.is_free(store, address)
  -- [ours] an address is free when no HSM of the account and region has it; the range of a subnet is not known
  for octet in address:gmatch "%d+" do
    if tonumber(octet) > 255 then
      return false
    end
  end
  return not addresses_in_use(store)[address]
end

--- The lowest free address of a subnet.
-- @tparam table store
-- @tparam string subnet_id
-- @treturn string
function network.free_address(store, subnet_id)
  local used = addresses_in_use(store)
  local hash = random.hash(subnet_id)
  for host = FIRST_HOST, LAST_HOST do
    local address = ("10.%d.%d.%d"):format(hash % 256, math.floor(hash / 256) % 256, host)
    if not used[address] then
      return address
    end
  end
  error "no free address left in a subnet" -- the quotas allow fewer HSMs than there are addresses
end

--- An address for a dual-stack interface, of the range for documentation (RFC 3849).
-- @tparam table world
-- @treturn string
function network.ipv6_address(world)
  -- [ours] IPv6 addresses are of the range for documentation
  local digits = world.random:hex(16)
  return ("2001:db8::%s:%s:%s:%s"):format(digits:sub(1, 4), digits:sub(5, 8), digits:sub(9, 12), digits:sub(13, 16))
end

return network
