--- Certificates for tests, made anew each time by the openssl command.

local tls = {}

local CONFIGURATION = [[
[req]
distinguished_name = name
[name]
[ca]
default_ca = here
[here]
dir = %s
database = $dir/index
serial = $dir/serial
new_certs_dir = $dir
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[right]
subjectAltName = IP:127.0.0.1, DNS:localhost, DNS:service.example
[wrong]
subjectAltName = DNS:other.example
]]

local function write(path, content)
  local file = assert(io.open(path, "w"))
  file:write(content)
  file:close()
end

--- Makes a folder of certificates and keys.
-- @treturn table paths: `ca` and `other_ca` (authorities), `good`, `wrong_host`, `expired`, `future` and `self_signed`, each a table
-- of `certificate` and `key`; `remove()` deletes them all
function tls.make()
  local folder = os.tmpname()
  os.remove(folder)
  local function run(command, ...)
    command = command:format(...)
    local status = os.execute("cd '" .. folder .. "' && (" .. command .. ") > log 2>&1")
    assert(status == true or status == 0, command)
  end
  assert(os.execute("mkdir -m 700 '" .. folder .. "'"))
  write(folder .. "/cnf", CONFIGURATION:format(folder))
  write(folder .. "/index", "")
  write(folder .. "/serial", "01\n")

  local function authority(name)
    run(
      "openssl req -config cnf -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=%s' -extensions authority"
        .. " -keyout %s.key -out %s.pem",
      name,
      name,
      name
    )
  end
  local function certificate(name, extensions, start, finish)
    run(
      "openssl req -config cnf -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=%s' -keyout %s.key -out %s.csr",
      name,
      name,
      name
    )
    run(
      "openssl ca -config cnf -batch -notext -cert ca.pem -keyfile ca.key -extensions %s -startdate %s -enddate %s"
        .. " -in %s.csr -out %s.pem",
      extensions,
      start,
      finish,
      name,
      name
    )
  end
  authority "ca"
  authority "other_ca"
  certificate("good", "right", "20200101000000Z", "20990101000000Z")
  certificate("wrong_host", "wrong", "20200101000000Z", "20990101000000Z")
  certificate("expired", "right", "20200101000000Z", "20200201000000Z")
  certificate("future", "right", "20980101000000Z", "20990101000000Z")
  run(
    "openssl req -config cnf -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=self_signed'"
      .. " -extensions right -keyout self_signed.key -out self_signed.pem"
  )

  local made = { folder = folder, ca = folder .. "/ca.pem", other_ca = folder .. "/other_ca.pem" }
  for _, name in ipairs { "good", "wrong_host", "expired", "future", "self_signed" } do
    made[name] = { certificate = folder .. "/" .. name .. ".pem", key = folder .. "/" .. name .. ".key" }
  end
  function made.remove()
    os.execute("rm -r '" .. folder .. "'")
  end
  return made
end

return tls
