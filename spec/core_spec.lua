local core = require "cloudhsmv2.core"

-- What a shell command prints.
local function output(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

describe("the core's clocks", function()
  it("tells the time as the machine does", function()
    assert.is_true(math.abs(core.time() - os.time()) < 2)
  end)

  it("has a second clock that never goes back", function()
    local last = core.now()
    for _ = 1, 1000 do
      local now = core.now()
      assert.is_true(now >= last)
      last = now
    end
  end)

  it("sleeps at least as long as it is told, and not at all for nonsense", function()
    local start = core.now()
    core.sleep(0.02)
    assert.is_true(core.now() - start >= 0.02)
    core.sleep(0)
    core.sleep(-5)
    core.sleep(0 / 0)
  end)
end)

describe("the core's chance", function()
  it("spreads over [0, 1)", function()
    local low, high = 1, 0
    for _ = 1, 2000 do
      local value = core.random()
      assert.is_true(value >= 0 and value < 1)
      low, high = math.min(low, value), math.max(high, value)
    end
    assert.is_true(low < 0.1 and high > 0.9)
  end)

  it("makes UUIDs of version 4 that differ", function()
    local seen = {}
    for _ = 1, 1000 do
      local uuid = core.uuid()
      assert.truthy(uuid:find "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$")
      assert.is_nil(seen[uuid])
      seen[uuid] = true
    end
  end)
end)

describe("the core's digests", function()
  -- FIPS 180-2, appendices A and B
  it("are SHA-1 and SHA-256 in lower-case hexadecimal digits", function()
    assert.are.equal("a9993e364706816aba3e25717850c26c9cd0d89d", core.digest("sha1", "abc"))
    assert.are.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", core.digest("sha256", "abc"))
    assert.are.equal("da39a3ee5e6b4b0d3255bfef95601890afd80709", core.digest("sha1", ""))
    assert.are.equal("34aa973cd4c4daa4f61eeb2bdbad27316534016f", core.digest("sha1", ("a"):rep(1000000)))
  end)

  it("take zero bytes like any other", function()
    assert.are_not.equal(core.digest("sha256", "a"), core.digest("sha256", "a\0"))
  end)

  it("raise for another name and for what is no string", function()
    for _, name in ipairs { "md5", "SHA1", "", "sha512" } do
      assert.has_error(function()
        core.digest(name, "abc")
      end)
    end
    assert.has_error(function()
      core.digest("sha1", {})
    end)
    assert.has_error(function()
      core.digest "sha1"
    end)
  end)
end)

describe("the core's versions", function()
  it("are those of the libraries that are loaded", function()
    local versions = core.versions()
    assert.are.equal(output("openssl version"):match "^OpenSSL (%S+)", versions.openssl)
    assert.are.equal(output("pkg-config --modversion libcurl"):match "%S+", versions.libcurl)
    assert.is_truthy(versions.tls:find "^%a[%w-]*/%d")
  end)

  it("come with what libcurl can do here", function()
    local versions = core.versions()
    for _, name in ipairs { "resolver", "https_proxy", "ipv6", "no_proxy_networks", "hook" } do
      assert.are.equal("boolean", type(versions[name]), name)
    end
    assert.is_true(versions.resolver) -- else a call would hold an nginx worker up
  end)
end)

describe("the core's reader of files", function()
  it("raises where it is called in a wrong way", function()
    assert.has_error(function()
      core.read_file("a\0b", 10)
    end)
    assert.has_error(function()
      core.read_file("a", -1)
    end)
    assert.has_error(function()
      core.read_file "a"
    end)
  end)

  it("gives the bytes of a file up to a size, and nil alone where there is none", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write(("x\0"):rep(5000))
    file:close()
    assert.are.equal(("x\0"):rep(5000), core.read_file(path, 10000))
    assert.are.same({ nil, "too large" }, { core.read_file(path, 9999) })
    assert(io.open(path, "wb")):close()
    assert.are.equal("", core.read_file(path, 0))
    os.remove(path)
    assert.are.equal(1, select("#", core.read_file(path, 10)))
  end)

  it("says that it may not, in words which the writer shares", function()
    -- a file that can only be written to: even root is refused
    assert.are.same({ nil, "permission denied" }, { core.read_file("/proc/sys/vm/compact_memory", 10) })
  end)
end)

describe("the core's writer of files", function()
  local folder, path

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir -m 700 " .. folder))
    path = folder .. "/file"
  end)

  after_each(function()
    os.execute("chmod 700 " .. folder .. " && rm -r " .. folder)
  end)

  it("raises where it is called in a wrong way", function()
    for _, arguments in ipairs { { "a\0b", "x" }, { path }, { path, {} }, {} } do
      assert.has_error(function()
        core.write_file(arguments[1], arguments[2])
      end)
    end
    assert.are.equal("", output("ls -A " .. folder))
  end)

  it("makes a file, replaces it as a whole and leaves nothing beside it", function()
    assert.is_true(core.write_file(path, "a\0\n"))
    assert.are.equal("a\0\n", core.read_file(path, 100))
    local long = ("x"):rep(300000)
    assert.is_true(core.write_file(path, long))
    assert.are.equal(long, core.read_file(path, 300000))
    assert.is_true(core.write_file(path, ""))
    assert.are.equal("", core.read_file(path, 100))
    assert.are.equal("file\n", output("ls -A " .. folder))
    assert.are.equal("-rw-------", output("ls -l " .. path):sub(1, 10))
  end)

  it("replaces what a symbolic link leads to and keeps the link", function()
    assert(os.execute(("ln -s target %s && printf old > %s/target"):format(path, folder)))
    assert.is_true(core.write_file(path, "new"))
    assert.are.equal("new", core.read_file(folder .. "/target", 100))
    assert.are.equal("target\n", output("readlink " .. path))
  end)

  it("says why it could not, and leaves the old file", function()
    assert.are.same({ nil, "there is no such folder" }, { core.write_file(folder .. "/none/file", "x") })
    assert.are.same({ nil, "not a regular file" }, { core.write_file(folder, "x") })
    assert.are.same({ nil, "not a regular file" }, { core.write_file("/dev/null", "x") })
    local _, reason = core.write_file(folder .. "/" .. ("x"):rep(300), "x")
    assert.is_truthy(reason:find "^cannot be written %(errno %d+%)$")
    assert.are.equal("", output("ls -A " .. folder))
  end)
end)
