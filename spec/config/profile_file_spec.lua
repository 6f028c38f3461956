local profile_file = require "cloudhsmv2.config.profile_file"

local function parse(content, kind)
  return profile_file.parse(content, kind or "config", "~/.aws/" .. (kind or "config"))
end

-- The values of one profile, without where they stand.
local function values(content, name, kind)
  local found = {}
  for key, property in pairs(assert(parse(content, kind)).profiles[name]) do
    found[key] = property.value
  end
  return found
end

local function message_of(content, kind)
  local found, err = parse(content, kind)
  assert.is_nil(found)
  assert.are.equal("config", err.kind)
  assert.are.equal("InvalidProfileFile", err.code)
  return err.message
end

local function warnings_of(content, kind)
  local messages = {}
  for i, warning in ipairs(assert(parse(content, kind)).warnings) do
    assert.are.equal("ProfileFileIgnored", warning.code)
    messages[i] = warning.message
  end
  return messages
end

local function sorted_names(sections)
  local names = {}
  for name in pairs(sections) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

describe("a property", function()
  it("knows its file and its line", function()
    local found = parse "# keys\n\n[profile prod]\nregion = eu-west-1\n"
    assert.are.same({ region = { value = "eu-west-1", file = "~/.aws/config", line = 4 } }, found.profiles.prod)
  end)

  it("has a name without regard to case, split from its value at the first equals sign", function()
    assert.are.same({ region = "a=b=" }, values("[default]\nReGiOn = a=b=\n", "default"))
  end)

  it("is trimmed of blanks and tabs, and may be empty", function()
    assert.are.same({ a = "x y", b = "" }, values("[default]\na\t=\t x y \t\nb =\n", "default"))
  end)

  it("loses a comment only behind a blank", function()
    local content = "[default]\na = v # c\nb = v#c\nc = v; c\nd = ; c\n"
    assert.are.same({ a = "v", b = "v#c", c = "v; c", d = "" }, values(content, "default"))
  end)

  it("keeps quotes: there is no quoting of values", function()
    assert.are.same({ a = '"x"' }, values('[default]\na = "x"', "default"))
  end)

  it("goes on in lines that begin with a blank, with their comments, over empty lines", function()
    assert.are.same({ a = "1\n2 # two\n3" }, values("[default]\na = 1\n  2 # two\n\n\t3\n", "default"))
  end)

  it("is a block when its own value is empty, whose sub-properties know their lines", function()
    local block =
      parse("[services local]\ncloudhsm_v2 =\n  endpoint_url = http://a\n  b=\n").services["local"].cloudhsm_v2
    assert.are.equal("\nendpoint_url = http://a\nb=", block.value)
    assert.are.same({
      endpoint_url = { value = "http://a", file = "~/.aws/config", line = 3 },
      b = { value = "", file = "~/.aws/config", line = 4 },
    }, block.sub)
  end)

  it("is the last one of its name, also over several sections of one name", function()
    assert.are.same({ a = "3", b = "2" }, values("[default]\na = 1\nA = 2\nb = 2\n[default]\na = 3", "default"))
  end)

  it("is ignored with a warning that does not show it when its name has odd characters", function()
    local content = "[default]\nhunter2! = hunter2\nregion = x"
    assert.are.same({ region = "x" }, values(content, "default"))
    assert.are.same(
      { "~/.aws/config:2: the property is ignored: its name has characters that names cannot have" },
      warnings_of(content)
    )
  end)
end)

describe("a section of the configuration file", function()
  it("is a profile, the default one, an SSO session or services", function()
    local found = parse "[default]\n[profile a]\n[ profile\t b ]\n[sso-session c]\n[services d]"
    assert.are.same({ "a", "b", "default" }, sorted_names(found.profiles))
    assert.are.same({ "c" }, sorted_names(found.sso_sessions))
    assert.are.same({ "d" }, sorted_names(found.services))
  end)

  it("is ignored with a warning, and its properties too, when it is something else", function()
    for _, header in ipairs { "[a]", "[profilea]", "[sso-sesion a]", "[plugins]", "[profile]", "[]", "[profile a b]" } do
      local content = header .. "\nregion = x"
      assert.are.same({}, parse(content).profiles)
      assert.are.equal(1, #warnings_of(content), header)
      assert.is_truthy(warnings_of(content)[1]:find "^~/%.aws/config:1: the section is ignored: ")
    end
  end)

  it("may have a comment behind it that touches its bracket", function()
    assert.are.same({ "a", "b" }, sorted_names(parse("[profile a]# x ]\n[profile b] ; y").profiles))
  end)

  it("may have a name in quotes, with blanks and signs in it, as the AWS CLI writes them", function()
    local content = '[profile "a b"]\n[profile \'c#d\'] # e\n[sso-session "f g"]\n[profile "plain"]'
    assert.are.same({ "a b", "c#d", "plain" }, sorted_names(parse(content).profiles))
    assert.are.same({ "f g" }, sorted_names(parse(content).sso_sessions))
    assert.are.same({ "x y" }, sorted_names(parse('["x y"]', "credentials").profiles))
    assert.are.same({}, parse('[profile"a"]').profiles)
  end)

  it("discards [default] when there is a [profile default], whichever comes first", function()
    assert.are.same({ a = "1" }, values("[profile default]\na = 1\n[default]\nb = 2", "default"))
    assert.are.same({ a = "1" }, values("[default]\nb = 2\n[profile default]\na = 1", "default"))
  end)

  it("tells names apart by case", function()
    assert.are.same({ "A", "a" }, sorted_names(parse("[profile a]\n[profile A]").profiles))
  end)
end)

describe("a section of the credentials file", function()
  it("is a profile by its plain name", function()
    local found = parse("[default]\n[ a ]\n[sso-sessionb]", "credentials")
    assert.are.same({ "a", "default", "sso-sessionb" }, sorted_names(found.profiles))
  end)

  it("is ignored with a warning when it has a prefix", function()
    for _, header in ipairs { "[profile a]", "[sso-session a]", "[services a]", "[a!]" } do
      local found = parse(header .. "\na = 1", "credentials")
      assert.are.same({}, found.profiles)
      assert.are.same({}, found.sso_sessions)
      assert.are.same({}, found.services)
      assert.are.equal(1, #found.warnings)
    end
  end)
end)

describe("a file", function()
  it("may have the line ends of Windows, and the mark that its editors write", function()
    assert.are.same(
      { a = "1", b = "2\n3" },
      values("\239\187\191[default]\r\na = 1\r\nb = 2\r\n\t3\r\n\r\n", "default")
    )
  end)

  it("may be empty, or all comments", function()
    assert.are.same({}, parse("").profiles)
    assert.are.same({}, parse(" \t\n# a\n; b\n").profiles)
  end)

  it("may have a value of any bytes", function()
    assert.are.same({ a = "\195\169\255" }, values("[default]\na = \195\169\255", "default"))
  end)
end)

describe("a mistake in a file", function()
  local cases = {
    ["Expected a profile definition"] = { "a = 1", 1 },
    ["Expected a property definition, found continuation"] = { "[default]\n\n  a = 1", 3 },
    ["Expected an '=' sign defining a property"] = { "[default]\na = 1\nhunter2", 3 },
    ["Property did not have a name"] = { "[default]\n= hunter2", 2 },
    ["Expected an '=' sign defining a sub-property"] = { "[default]\na =\n b = 1\n hunter2", 4 },
    ["Sub-property did not have a name"] = { "[default]\na =\n = hunter2", 3 },
    ["Profile definition must end with ']'"] = { "\n[default hunter2\na = 1", 2 },
  }

  it("is an error that names the file and the line, and shows nothing of it", function()
    for problem, case in pairs(cases) do
      local message = message_of(case[1])
      assert.are.equal("~/.aws/config:" .. case[2] .. ": " .. problem, message)
      assert.is_nil(message:find "hunter2")
    end
  end)

  it("is one in sections that are ignored, too", function()
    assert.are.equal("~/.aws/config:2: Expected an '=' sign defining a property", message_of "[plugins]\nx")
  end)

  it("is an indented line before any section", function()
    assert.are.equal("~/.aws/credentials:1: Expected a profile definition", message_of(" a = 1", "credentials"))
  end)

  it("counts lines as an editor does, with the line ends of Windows too", function()
    assert.are.equal("~/.aws/config:3: Expected an '=' sign defining a property", message_of "[default]\r\n\r\nx\r\n")
  end)
end)

describe("a locale", function()
  it("changes nothing: case, blanks and letters are those of ASCII", function()
    local before = os.setlocale()
    finally(function()
      os.setlocale(before)
    end)
    for _, locale in ipairs { "C", "C.UTF-8", "de_DE.ISO-8859-1", "tr_TR.UTF-8" } do
      if os.setlocale(locale) or locale == "C" then
        assert.are.same(
          { ["id"] = "\160x\160", ["i_i"] = "\192" },
          values("[default]\nID = \160x\160\nI_I = \192", "default")
        )
        assert.are.equal(1, #warnings_of "[profile \192]")
      end
    end
  end)
end)
