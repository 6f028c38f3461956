local files = require "cloudhsmv2.config.files"

local MEGABYTE = 2 ^ 20

-- Loads with contents in place of files: by path, a text, or a table with the reason why it cannot be read.
local function load_of(contents, environment)
  return files.load {
    getenv = function(name)
      return (environment or { HOME = "/h" })[name]
    end,
    read_file = function(path)
      local content = contents[path]
      if type(content) == "table" then
        return nil, content.reason
      end
      return content
    end,
  }
end

local function message_of(contents, environment)
  local loaded, err = load_of(contents, environment)
  assert.is_nil(loaded)
  assert.are.equal("config", err.kind)
  return err.message
end

-- Runs `test` with the path of a new folder, and removes that.
local function in_folder(test)
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir " .. folder))
  local ok, message = pcall(test, folder)
  os.execute("rm -rf " .. folder)
  if not ok then
    error(message, 0)
  end
end

local function write(path, content)
  local file = assert(io.open(path, "wb"))
  file:write(content)
  file:close()
end

local function load_real(environment)
  return files.load {
    getenv = function(name)
      return environment[name]
    end,
  }
end

describe("a profile that is not there", function()
  it("may be in a section that was ignored, which the error says", function()
    local settings = require "cloudhsmv2.config.settings"
    local resolved, err = settings.resolve({ profile = "prod" }, {
      getenv = function(name)
        return name == "AWS_SHARED_CREDENTIALS_FILE" and "credentials" or nil
      end,
      read_file = function(path)
        return path == "credentials" and "[profile prod]\naws_access_key_id = x" or nil
      end,
    })
    assert.is_nil(resolved)
    local ignored = "credentials:1: the section is ignored: in this file a profile is written [NAME]"
    assert.is_truthy(err.message:find(ignored, 1, true), err.message)
  end)
end)

describe("a file that is written while it is read", function()
  local function load(contents)
    local reads = 0
    return files.load {
      getenv = function(name)
        return name == "AWS_CONFIG_FILE" and "config" or nil
      end,
      read_file = function(path)
        if path == "config" then
          reads = reads + 1
          return contents[reads]
        end
      end,
    },
      function()
        return reads
      end
  end

  it("is read once more, and is then as it is", function()
    local loaded, reads = load { "[default]\nregion", "[default]\nregion = eu-west-1" }
    assert.are.equal("eu-west-1", loaded.profiles.default.region.value)
    assert.are.equal(2, reads())
  end)

  it("is wrong when it stays so", function()
    local loaded = load { "[default]\nregion", "[default]\nregion", "[default]" }
    assert.is_nil(loaded)
  end)
end)

describe("the two files", function()
  it("are merged by profile, and the credentials file wins", function()
    local loaded = load_of {
      ["/h/.aws/config"] = "[profile a]\nregion = r\nx = config\n[profile b]\ny = 1\n[sso-session s]\n[services t]",
      ["/h/.aws/credentials"] = "[a]\nx = credentials\n[c]\nz = 1",
    }
    assert.are.equal("r", loaded.profiles.a.region.value)
    assert.are.equal("credentials", loaded.profiles.a.x.value)
    assert.are.equal("~/.aws/credentials:2", files.place(loaded.profiles.a.x))
    assert.are.equal("~/.aws/config:2", files.place(loaded.profiles.a.region))
    assert.is_truthy(loaded.profiles.b)
    assert.is_truthy(loaded.profiles.c)
    assert.are.same({ s = {} }, loaded.sso_sessions)
    assert.are.same({ t = {} }, loaded.services)
  end)

  it("are empty when they are not there, without a word at the default place", function()
    local loaded = load_of {}
    assert.are.same({}, loaded.profiles)
    assert.are.same({}, loaded.warnings)
    assert.are.equal("~/.aws/config (not there) and ~/.aws/credentials (not there)", files.looked_at(loaded))
  end)

  it("are empty with a warning when the environment names one that is not there", function()
    local loaded = load_of({}, { AWS_CONFIG_FILE = "/no/such" })
    assert.are.same({
      { code = "MissingFile", message = 'AWS_CONFIG_FILE="/no/such" (environment): there is no such file' },
    }, loaded.warnings)
    assert.are.equal("/no/such (not there) and ~/.aws/credentials (HOME is not set)", files.looked_at(loaded))
  end)

  it("are switched off by the name of the device that is always empty", function()
    local loaded = load_of({ ["/dev/null"] = { reason = "not a regular file" } }, { AWS_CONFIG_FILE = "/dev/null" })
    assert.are.same({}, loaded.warnings)
  end)

  it("tell what is ignored in both of them", function()
    local loaded = load_of { ["/h/.aws/config"] = "[x]", ["/h/.aws/credentials"] = "[profile x]" }
    assert.are.equal(2, #loaded.warnings)
  end)
end)

describe("a file that is not right", function()
  it("is an error that names it, and who named it", function()
    local path = "/h/.aws/config"
    assert.are.equal("~/.aws/config: permission denied", message_of { [path] = { reason = "permission denied" } })
    assert.are.equal("~/.aws/config: larger than 1 MiB", message_of { [path] = ("#"):rep(MEGABYTE + 1) })
    assert.are.equal("~/.aws/config: larger than 1 MiB", message_of { [path] = { reason = "too large" } })
    assert.are.equal(
      "~/.aws/config: not a text file: it has a zero byte",
      message_of { [path] = "[default]\nhunter2 = \0hunter2" }
    )
    assert.are.equal(
      "/c: permission denied (named by AWS_SHARED_CREDENTIALS_FILE)",
      message_of({ ["/c"] = { reason = "permission denied" } }, { AWS_SHARED_CREDENTIALS_FILE = "/c" })
    )
    assert.are.equal("~/.aws/config:1: Expected a profile definition", message_of { [path] = "hunter2" })
    assert.are.equal(
      "a?b: a path cannot have a zero byte (named by AWS_CONFIG_FILE)",
      message_of({}, { AWS_CONFIG_FILE = "a\0b" })
    )
  end)

  it("is not one of a whole mebibyte", function()
    assert.is_truthy(load_of { ["/h/.aws/config"] = ("#"):rep(MEGABYTE) })
  end)
end)

describe("files of the machine", function()
  it("are read as they are", function()
    in_folder(function(folder)
      write(folder .. "/c", "\239\187\191[default]\r\nregion = eu-west-1\r\n")
      local loaded = assert(load_real { AWS_CONFIG_FILE = folder .. "/c" })
      assert.are.equal("eu-west-1", loaded.profiles.default.region.value)
    end)
  end)

  it("are not there when a folder of their path is none", function()
    in_folder(function(folder)
      write(folder .. "/f", "x")
      assert.are.equal("MissingFile", load_real({ AWS_CONFIG_FILE = folder .. "/f/c" }).warnings[1].code)
      assert.are.equal("MissingFile", load_real({ AWS_CONFIG_FILE = folder .. "/none" }).warnings[1].code)
    end)
  end)

  it("are refused when they are folders, pipes, devices or too large, without waiting for anything", function()
    in_folder(function(folder)
      assert(os.execute("mkfifo " .. folder .. "/pipe"))
      write(folder .. "/large", ("#"):rep(10 * MEGABYTE))
      for path, problem in pairs {
        [folder] = "not a regular file",
        [folder .. "/pipe"] = "not a regular file",
        ["/dev/zero"] = "not a regular file",
        [folder .. "/large"] = "larger than 1 MiB",
      } do
        local loaded, err = load_real { AWS_CONFIG_FILE = path }
        assert.is_nil(loaded)
        assert.are.equal(path .. ": " .. problem .. " (named by AWS_CONFIG_FILE)", err.message)
      end
    end)
  end)

  it("are refused with a number when the system has a rarer reason", function()
    in_folder(function(folder)
      assert(os.execute(("ln -s loop %s/loop"):format(folder)))
      local loaded, err = load_real { AWS_CONFIG_FILE = folder .. "/loop" }
      assert.is_nil(loaded)
      assert.is_truthy(err.message:find ": cannot be read %(errno %d+%)")
    end)
  end)
end)

describe("a value of a property", function()
  it("is unset when it is blank", function()
    local properties = load_of({ ["/h/.aws/config"] = "[default]\na =\nb = x" }).profiles.default
    assert.is_nil((files.value(properties, "a")))
    assert.is_nil((files.value(properties, "c")))
    assert.are.equal("x", (files.value(properties, "b")))
  end)
end)
