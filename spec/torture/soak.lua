-- Very many calls over TLS through one client: memory and descriptors stay what they were after the first tenth.
--
-- Usage: soak.lua CALLS NAME. The last line is `soak-NAME: N passed, N failed`.

local canned = require "spec.torture.canned"
local cloudhsmv2 = require "cloudhsmv2"
local lfs = require "lfs"
local nginx = require "spec.helper.nginx"
local socket = require "socket"
local tls = require "spec.helper.tls"

local calls, name = tonumber(arg[1] or 200000), arg[2] or "lua"
local MOST_DRIFT = 128 -- KiB

local function resident()
  collectgarbage()
  collectgarbage()
  local file = assert(io.open "/proc/self/status")
  local text = file:read "*a"
  file:close()
  return tonumber(text:match "VmRSS:%s*(%d+) kB")
end

local function descriptors()
  local count = 0
  for _ in lfs.dir "/proc/self/fd" do
    count = count + 1
  end
  return count
end

local certificates = tls.make()
local server = nginx.start {
  ports = { "tls" },
  values = {
    certificate = certificates.good.certificate,
    key = certificates.good.key,
    body = canned.calls.DescribeClusters[2]:gsub("\\n", ""),
  },
  http = [[
    server {
      listen 127.0.0.1:${tls} ssl;
      ssl_certificate ${certificate};
      ssl_certificate_key ${key};
      location / { default_type application/x-amz-json-1.1; return 200 '${body}'; }
    }
  ]],
}

local client = assert(cloudhsmv2.new {
  region = "eu-west-1",
  endpoint = "https://127.0.0.1:" .. server.ports.tls,
  ca_file = certificates.ca,
  proxy = "",
  credentials = canned.credentials,
})

local params = canned.calls.DescribeClusters[1]
local failures, first_failure = 0, nil
local started = socket.gettime()
local memory, files, most_memory, most_files
for i = 1, calls do
  local out, err = client:describe_clusters(params)
  if not out or out.Clusters[1].State ~= "ACTIVE" then
    failures, first_failure = failures + 1, first_failure or tostring(err)
  end
  if i % (calls / 10) == 0 then
    local now, open = resident(), descriptors()
    memory, files = memory or now, files or open
    most_memory, most_files = math.max(most_memory or now, now), math.max(most_files or open, open)
  end
end
local elapsed = socket.gettime() - started
local drift = most_memory - memory
client:close()
server:stop()
certificates.remove()

local function judge(good)
  return good and 1 or 0
end
local passed = judge(failures == 0) + judge(drift <= MOST_DRIFT) + judge(most_files == files)
if first_failure then
  print(first_failure)
end
print(
  ("%d calls over TLS, %.0f a second, %d failed; memory grew by %d KiB after the first tenth; descriptors %d, then at most %d"):format(
    calls,
    calls / elapsed,
    failures,
    drift,
    files,
    most_files
  )
)
print(("soak-%s: %d passed, %d failed"):format(name, passed, 3 - passed))
os.exit(passed == 3 and 0 or 1)
