local text = require "cloudhsmv2.text"

describe("text", function()
  it("changes the case of ASCII letters alone", function()
    assert.are.equal("title-é1", text.lower "TITLE-é1")
    assert.are.equal("TITLE-é1", text.upper "title-é1")
  end)

  it("loses blanks at its ends and nowhere else", function()
    assert.are.equal("a b", text.trim " \t\r\na b\v\f ")
    assert.are.equal("", text.trim " \n ")
  end)

  it("becomes the name of a method as boto3 has it", function()
    assert.are.equal("describe_backups", text.snake_case "DescribeBackups")
    assert.are.equal("copy_backup_to_region", text.snake_case "CopyBackupToRegion")
    assert.are.equal("create_hsm", text.snake_case "CreateHsm")
    assert.are.equal("list_mfa_devices", text.snake_case "ListMFADevices")
    assert.are.equal("get_ec2_instance", text.snake_case "GetEc2Instance")
  end)

  it("is quoted on one line and not endlessly", function()
    assert.are.equal('"a?b"', text.quote "a\nb")
    assert.are.equal('"' .. ("x"):rep(80) .. '"...', text.quote(("x"):rep(81)))
    assert.are.equal("7", text.quote(7))
    assert.are.equal("nil", text.quote(nil))
  end)

  it("suggests the nearest name, and all names when none is near", function()
    local known = { region = true, endpoint = true, timeout = true }
    assert.are.equal("did you mean region?", text.nearest("regoin", known))
    assert.are.equal("did you mean timeout?", text.nearest("TimeOut", known))
    assert.are.equal("known: endpoint, region, timeout", text.nearest("colour", known))
    assert.are.equal("known: endpoint, region, timeout", text.nearest(("x"):rep(10000), known))
  end)
end)

describe("a value in a URL", function()
  it("has all but unreserved characters encoded, byte by byte", function()
    assert.are.equal("a%20b%2Fc%3Ad-e.f_g~%C3%A9%00", text.url_encoded "a b/c:d-e.f_g~\195\169\0")
  end)
end)
