--- Chance that is the same on every VM for the same seed, and the ids made of it.
-- `math.random` differs between VMs and belongs to the program that embeds us. Nothing here is a secret: this is a
-- test server.
-- @module cloudhsmv2.emulator.random

local floor = math.floor

local BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
local HEX = "0123456789abcdef"
local UUID = "%04x%04x-%04x-%04x-%04x-%04x%04x%04x"
local ID_LENGTH = 11 -- characters of base32 in every recorded id

local random = {}
local methods = {}
local metatable = { __name = "cloudhsmv2.emulator.random", __index = methods }

-- L'Ecuyer's combination of two multiplicative generators (1988). All products stay below 2^47, so doubles and 64-bit
-- integers give the same numbers.
local function combined(seed)
  local words = { seed % 2147483562 + 1, (seed * 7 + 12345) % 2147483398 + 1 }
  local function draw()
    local first = words[1] * 40014 % 2147483563
    local second = words[2] * 40692 % 2147483399
    words[1], words[2] = first, second
    local difference = (first - second) % 2147483562
    return difference / 2147483562
  end
  for _ = 1, 8 do -- small seeds start alike
    draw()
  end
  return draw, words
end

local function characters(self, alphabet, count)
  local out = {}
  for i = 1, count do
    local at = floor(self.draw() * #alphabet) + 1
    out[i] = alphabet:sub(at, at)
  end
  return table.concat(out)
end

--- An id in the service's manner: `cluster-72zn6eby7x2`.
-- @tparam string prefix
-- @treturn string
function methods:id(prefix)
  return prefix .. "-" .. characters(self, BASE32, ID_LENGTH)
end

--- Hexadecimal digits in lower case.
-- @tparam integer count
-- @treturn string
function methods:hex(count)
  return characters(self, HEX, count)
end

--- An id in EC2's long form: `eni-0f7dd690d0f5393da`.
-- @tparam string prefix
-- @treturn string
function methods:ec2_id(prefix)
  return prefix .. "-0" .. characters(self, HEX, 16)
end

--- A UUID's form (version 4), as of request ids.
-- @treturn string
function methods:uuid()
  local draw = self.draw
  local words = {} -- of 16 bits
  for i = 1, 8 do
    words[i] = floor(draw() * 65536)
  end
  words[4] = words[4] % 4096 + 16384 -- the version
  words[5] = words[5] % 4096 + 40960 -- the variant
  return UUID:format(words[1], words[2], words[3], words[4], words[5], words[6], words[7], words[8])
end

--- What another generator needs to go on from here.
-- @treturn table of two whole numbers; empty when chance comes from a function of somebody else's
function methods:dump()
  return self.words and { self.words[1], self.words[2] } or {}
end

--- Goes on from where another generator was.
-- @tparam table saved as of `dump`
function methods:load(saved)
  if self.words and saved[2] then
    self.words[1], self.words[2] = saved[1], saved[2]
  end
end

--- A generator.
-- @tparam integer seed the same seed gives the same ids in the same order
-- @tparam[opt] function draw returns numbers in [0, 1), instead of the seeded ones
-- @treturn table
function random.new(seed, draw)
  local words
  if not draw then
    draw, words = combined(seed)
  end
  return setmetatable({ draw = draw, words = words }, metatable)
end

--- A number in 0 .. 2147483646 that depends on `text` alone.
-- @tparam string text
-- @treturn integer
function random.hash(text)
  local hash = 5381
  for i = 1, #text do
    hash = (hash * 33 + text:byte(i)) % 2147483647
  end
  return hash
end

return random
