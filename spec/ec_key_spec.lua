local core = require "cloudhsmv2.core"

local folder

-- What a shell command, run in the folder, prints; it must succeed.
local function output(command, ...)
  local pipe = assert(io.popen(("unset LD_PRELOAD; cd %s && { %s; } 2>/dev/null"):format(folder, command:format(...))))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

local function write(name, content)
  local file = assert(io.open(folder .. "/" .. name, "wb"))
  file:write(content)
  file:close()
end

local function hex(bytes)
  return (bytes:gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end))
end

-- A number of a signature in DER: without leading zeros, but for one before a high bit.
local function integer(bytes)
  bytes = bytes:gsub("^%z+", "")
  if bytes == "" or bytes:byte() >= 128 then
    bytes = "\0" .. bytes
  end
  return "\2" .. string.char(#bytes) .. bytes
end

-- r and s as the openssl command wants them.
local function der(signature)
  local numbers = integer(signature:sub(1, 32)) .. integer(signature:sub(33))
  return "\48" .. string.char(#numbers) .. numbers
end

describe("an EC key of the core", function()
  local sec1, pkcs8

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir -m 700 " .. folder))
    sec1 = output "openssl ecparam -name prime256v1 -genkey -noout | tee key.pem"
    pkcs8 = output "openssl pkcs8 -topk8 -nocrypt -in key.pem"
    output "openssl ec -in key.pem -pubout -out public.pem"
    assert.is_truthy(sec1:find("BEGIN EC PRIVATE KEY", 1, true))
    assert.is_truthy(pkcs8:find("BEGIN PRIVATE KEY", 1, true))
  end)

  teardown(function()
    os.execute("rm -r " .. folder)
  end)

  local function point(pem)
    local key = assert(core.ec_key(pem))
    local x, y = key:public()
    key:close()
    return hex(x) .. hex(y)
  end

  it("tells the coordinates of the point that the openssl command tells", function()
    local told = output "openssl ec -in key.pem -pubout -outform DER | tail -c 64"
    assert.are.equal(64, #told)
    assert.are.equal(hex(told), point(sec1))
    assert.are.equal(hex(told), point(pkcs8))
  end)

  it(
    "is read from its other forms, too: with parameters before, text around, no public part, a compressed one",
    function()
      local expected = point(sec1)
      local parameters = output "openssl ecparam -name prime256v1"
      assert.is_truthy(parameters:find("BEGIN EC PARAMETERS", 1, true))
      assert.are.equal(expected, point(parameters .. sec1))
      assert.are.equal(expected, point("some text\n\n" .. sec1 .. "more\n"))
      assert.are.equal(expected, point((sec1:gsub("\n", "\r\n"))))
      for _, option in ipairs { "-no_public", "-conv_form compressed" } do
        local other = output("openssl ec -in key.pem %s", option)
        assert.are_not.equal(sec1, other)
        assert.are.equal(expected, point(other))
      end
    end
  )

  it("signs so that the openssl command verifies it with the public key", function()
    local key = assert(core.ec_key(pkcs8))
    for _, message in ipairs { "", "header.payload", "a\0b", ("x"):rep(100000) } do
      local signature = key:sign(message)
      assert.are.equal(64, #signature)
      write("message", message)
      write("signature", der(signature))
      local verify = "openssl dgst -sha256 -verify public.pem -signature signature message || true"
      assert.are.equal("Verified OK\n", output(verify))
      write("message", message .. "!")
      assert.are.equal("Verification failure\n", output(verify))
    end
    key:close()
  end)

  it("writes both numbers at their full length, however small they are", function()
    local key = assert(core.ec_key(sec1))
    local zeros = 0
    for i = 1, 2000 do -- one number in 256 begins with a zero byte
      local signature = key:sign(tostring(i))
      assert.are.equal(64, #signature)
      if signature:byte(1) == 0 or signature:byte(33) == 0 then
        zeros = zeros + 1
        write("message", tostring(i))
        write("signature", der(signature))
        local verify = "openssl dgst -sha256 -verify public.pem -signature signature message"
        assert.are.equal("Verified OK\n", output(verify))
      end
      if zeros == 3 then
        break
      end
    end
    assert.is_true(zeros > 0)
    key:close()
  end)

  it("is refused where it is encrypted, without asking anybody for a password", function()
    for _, made in ipairs {
      output "openssl ec -in key.pem -aes256 -passout pass:secret",
      output "openssl pkcs8 -topk8 -in key.pem -passout pass:secret",
    } do
      assert.is_truthy(made:find "ENCRYPTED")
      assert.are.same({ nil, "the private key is encrypted" }, { core.ec_key(made) })
    end
  end)

  it("is refused where it is of another kind", function()
    for _, command in ipairs {
      "openssl ecparam -name secp384r1 -genkey -noout",
      "openssl ecparam -name secp256k1 -genkey -noout",
      "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048",
      "openssl genpkey -algorithm ED25519",
    } do
      local made = output(command)
      assert.is_truthy(made:find "PRIVATE KEY")
      assert.are.same({ nil, "not a key on the curve P-256" }, { core.ec_key(made) })
    end
  end)

  it("is refused where there is none", function()
    for _, text in ipairs {
      "",
      "no key",
      "\0",
      output "cat public.pem",
      "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n",
      sec1:sub(1, 100),
    } do
      assert.are.same({ nil, "no private key in PEM" }, { core.ec_key(text) })
    end
    assert.are.same({ nil, "too large for a private key" }, { core.ec_key(sec1 .. (" "):rep(65536)) })
  end)

  it("is refused where its public part is another key's", function()
    output "openssl ecparam -name prime256v1 -genkey -noout -out other.pem"
    output "openssl ec -in key.pem -outform DER -out key.der; openssl ec -in other.pem -outform DER -out other.der"
    -- in DER, the public point is the last 64 bytes
    output "{ head -c -64 key.der; tail -c 64 other.der; } >mixed.der"
    local mixed = output "echo '-----BEGIN EC PRIVATE KEY-----'; base64 mixed.der; echo '-----END EC PRIVATE KEY-----'"
    assert.are.same({ nil, "the private key does not belong to its public key" }, { core.ec_key(mixed) })
  end)

  it("does nothing more once closed, which may be done twice", function()
    local key = assert(core.ec_key(sec1))
    assert.are.equal("cloudhsmv2.ec_key", tostring(key))
    key:close()
    key:close()
    for _, method in ipairs { "sign", "public" } do
      assert.has_error(function()
        key[method](key, "x")
      end)
    end
  end)

  it("raises where it is called in a wrong way", function()
    local key = assert(core.ec_key(sec1))
    for _, call in ipairs {
      function()
        core.ec_key()
      end,
      function()
        core.ec_key {}
      end,
      function()
        key:sign()
      end,
      function()
        key.sign(io.stdout, "x")
      end,
    } do
      assert.has_error(call)
    end
  end)
end)
