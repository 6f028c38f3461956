local codec = require "cloudhsmv2.codec"
local core = require "cloudhsmv2.core"
local machine = require "spec.helper.machine"
local token_file = require "cloudhsmv2.credentials.token_file"

local PATH = "/home/.aws/sso/cache/x.json"

describe("the file of a token", function()
  it("is named by a hash of what it is for", function()
    local context = machine.new():context()
    local names = {
      { "sha1", "correct-sso", "29faa2f70ab0f58f60e284d585d95865572f5cbd" },
      { "sha1", "https://ssotest.awsapps.com/start", "dace00cba5f8355ec9d274ceb2bcebdfbeed0e12" },
      { "sha1", "", "da39a3ee5e6b4b0d3255bfef95601890afd80709" },
      {
        "sha256",
        "arn:aws:sts::012345678910:assumed-role/Admin/admin",
        "4b0ba8f99f075c0633e122fd73346ce203a3faf18ea0310eb2d29df1bab2e255",
      },
    }
    for _, name in ipairs(names) do
      assert.are.equal(
        "/home/.aws/sso/cache/" .. name[3] .. ".json",
        token_file.path(context, nil, { "sso", "cache" }, name[1], name[2])
      )
    end
  end)

  it("is in another folder where somebody says so, which may be in the home", function()
    local context = machine.new():context()
    local name = "da39a3ee5e6b4b0d3255bfef95601890afd80709.json"
    for folder, expected in pairs {
      ["/var/cache"] = "/var/cache/",
      ["/var/cache///"] = "/var/cache/",
      ["/"] = "/",
      ["~/cache"] = "/home/cache/",
      ["relative"] = "relative/",
    } do
      assert.are.equal(expected .. name, token_file.path(context, folder, { "sso", "cache" }, "sha1", ""))
    end
  end)

  it("is nowhere where nobody knows the home", function()
    local here = machine.new()
    here.env.HOME = nil
    local path, err = token_file.path(here:context(), nil, { "sso", "cache" }, "sha1", "")
    assert.is_nil(path)
    assert.are.equal("credentials", err.kind)
    assert.is_truthy(err.message:find("HOME is not set", 1, true))
  end)

  it("is read with everything that is in it", function()
    local here = machine.new { files = { [PATH] = ' {"accessToken":"a","scopes":["x"],"nested":{"n":1}}\n' } }
    local found = token_file.read(here:context(), PATH, "sign in")
    assert.are.equal("a", found.accessToken)
    assert.are.equal("x", found.scopes[1])
    assert.are.equal(1, found.nested.n)
  end)

  it("cannot be read when it is no JSON or not there, which the message says without showing it", function()
    local cases = {
      { nil, "there is no such file" },
      { { reason = "permission denied" }, "permission denied" },
      { { reason = "too large" }, "too large" },
      { "", "it is not a JSON object" },
      { "hunter2", "it is not a JSON object" },
      { '"hunter2"', "it is not a JSON object" },
      { '{"accessToken":"hunter2"', "it is not a JSON object" },
      { '{"accessToken":"hunter2"}}', "it is not a JSON object" },
      { "null", "it is not a JSON object" },
      { "\0\1\2hunter2", "it is not a JSON object" },
    }
    for _, case in ipairs(cases) do
      local here = machine.new { files = { [PATH] = case[1] } }
      local found, err = token_file.read(here:context(), PATH, "sign in")
      assert.is_nil(found)
      assert.are.equal("UnreadableToken", err.code)
      assert.are.equal(("failed to read `%s`: %s; sign in"):format(PATH, case[2]), err.message)
    end
  end)

  it("is written with what nobody here knows as it was", function()
    local original = [[{"accessToken":"a","big":9007199254740991,"empty":{},"flag":false,"fraction":0.5,"list":[1,null,{"x":[]}],]]
      .. [["none":null,"nothing":[],"slash":"a/b","text":"\u00fc\ud83d\ude00\"\\"}]]
    local here = machine.new { files = { [PATH] = original } }
    local context = here:context()
    local content = token_file.read(context, PATH, "sign in")
    content.accessToken = "b"
    token_file.write(context, PATH, content)
    local model = codec.compile { File = { type = "structure", members = {}, document = true } }
    local expected = model:decode("File", (original:gsub('"a"', '"b"', 1)))
    assert.are.same(expected, model:decode("File", here.files[PATH]))
    for _, part in ipairs { '"big":9007199254740991', '"empty":{}', '"nothing":[]', '"none":null', '[1,null,{"x":[]}]' } do
      assert.is_truthy(here.files[PATH]:find(part, 1, true), part)
    end
    assert.are.same({ PATH }, here.written)
  end)

  it("that cannot be written is worth a warning, and no more", function()
    local here = machine.new { unwritable = "permission denied" }
    token_file.write(here:context(), PATH, { accessToken = "hunter2" })
    local warning = here:event "TokenNotStored"
    assert.are.equal("warning", warning.type)
    assert.are.equal("the renewed token could not be stored in " .. PATH .. ": permission denied", warning.message)
  end)

  it("is replaced in one step in a real folder, readable by its owner alone", function()
    local path = os.tmpname()
    finally(function()
      os.remove(path)
    end)
    local context = machine.new():context { read_file = nil }
    context.write_file = core.write_file
    context.read_file = function(name)
      return core.read_file(name, 1000)
    end
    token_file.write(context, path, { accessToken = "one" })
    token_file.write(context, path, { accessToken = "two" })
    assert.are.equal("two", token_file.read(context, path, "sign in").accessToken)
    local pipe = assert(io.popen("unset LD_PRELOAD; ls -l '" .. path .. "'"))
    assert.are.equal("-rw-------", pipe:read(10))
    pipe:close()
  end)
end)

describe("a field of it", function()
  it("is a text that a header can have, or it counts as none", function()
    assert.are.equal("a b", token_file.text "a b")
    for _, other in ipairs { "", "a\r\nb", "a\0", "\127", 7, true, {} } do
      assert.is_nil(token_file.text(other))
    end
    assert.is_nil(token_file.text(nil))
    assert.is_nil(token_file.text(codec.null))
  end)
end)
