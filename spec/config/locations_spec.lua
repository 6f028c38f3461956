local locations = require "cloudhsmv2.config.locations"

local function find(environment, windows)
  return locations.find(function(name)
    return environment[name]
  end, windows or false)
end

local function paths(environment, windows)
  local found = assert(find(environment, windows))
  return { found.config.path, found.credentials.path }
end

describe("the shared files", function()
  it("are in .aws under the home", function()
    assert.are.same({ "/home/user/.aws/config", "/home/user/.aws/credentials" }, paths { HOME = "/home/user" })
    assert.are.same({ "/home/user/.aws/config", "/home/user/.aws/credentials" }, paths { HOME = "/home/user/" })
    assert.are.same({ "/.aws/config", "/.aws/credentials" }, paths { HOME = "/" })
  end)

  it("are on Windows under HOME, else USERPROFILE, else HOMEDRIVE with HOMEPATH", function()
    local environment = { HOME = "C:\\a", USERPROFILE = "C:\\b", HOMEDRIVE = "C:", HOMEPATH = "\\c" }
    assert.are.equal("C:\\a\\.aws\\config", paths(environment, true)[1])
    environment.HOME = nil
    assert.are.equal("C:\\b\\.aws\\config", paths(environment, true)[1])
    environment.USERPROFILE = " "
    assert.are.equal("C:\\c\\.aws\\credentials", paths(environment, true)[2])
    environment.HOMEPATH = nil
    assert.are.same({}, paths(environment, true))
  end)

  it("are not looked for under the names of Windows elsewhere", function()
    assert.are.same({}, paths { USERPROFILE = "/b", HOMEDRIVE = "/", HOMEPATH = "c" })
  end)

  it("are where the environment says, which a message can name", function()
    local found = find { HOME = "/h", AWS_CONFIG_FILE = "/etc/c", AWS_SHARED_CREDENTIALS_FILE = "rel/k" }
    assert.are.same({
      config = { path = "/etc/c", shown = "/etc/c", variable = "AWS_CONFIG_FILE" },
      credentials = { path = "rel/k", shown = "rel/k", variable = "AWS_SHARED_CREDENTIALS_FILE" },
    }, found)
    assert.are.same({ path = "/h/.aws/config", shown = "~/.aws/config" }, find({ HOME = "/h" }).config)
  end)

  it("are at the default place when a variable is blank", function()
    assert.are.equal("/h/.aws/config", paths({ HOME = "/h", AWS_CONFIG_FILE = " " })[1])
  end)

  it("may be named with a tilde for the home, as the whole first component alone", function()
    local function path(named, windows)
      return paths({ HOME = "/h", AWS_CONFIG_FILE = named }, windows)[1]
    end
    assert.are.equal("/h/aws/config", path "~/aws/config")
    assert.are.equal("~user/config", path "~user/config")
    assert.are.equal("a/~/config", path "a/~/config")
    assert.are.equal("~\\config", path "~\\config")
    assert.are.equal("/h\\config", path("~\\config", true))
  end)

  it("cannot be named with a tilde when nobody knows the home", function()
    local found, err = find { AWS_CONFIG_FILE = "~/config" }
    assert.is_nil(found)
    assert.are.equal("config", err.kind)
    assert.are.equal('AWS_CONFIG_FILE="~/config" (environment): expected HOME to be set for the ~', err.message)
  end)
end)
