local model = require "cloudhsmv2.model"
local pattern = require "cloudhsmv2.emulator.pattern"

local function matches(expression, ...)
  local matcher = pattern.compile(expression)
  for _, text in ipairs { ... } do
    assert.is_true(matcher(text), expression .. " should match " .. text)
  end
end

local function misses(expression, ...)
  local matcher = pattern.compile(expression)
  for _, text in ipairs { ... } do
    assert.is_false(matcher(text), expression .. " should not match " .. text)
  end
end

describe("a pattern", function()
  it("holds for the whole string", function()
    matches("cluster-[2-7a-zA-Z]{11,16}", "cluster-72zn6eby7x2", "cluster-72zn6eby7x2aaaaa")
    misses("cluster-[2-7a-zA-Z]{11,16}", "cluster-72zn6eby7x", "xcluster-72zn6eby7x2", "cluster-72zn6eby7x2\n")
    misses("cluster-[2-7a-zA-Z]{11,16}", "cluster-72zn6eby7x2aaaaaa", "cluster-01zn6eby7x2")
  end)

  it("has alternatives, empty ones too, and groups that repeat", function()
    matches("((p|)hsm[0-9][a-z.]*\\.[a-zA-Z]+)", "hsm1.medium", "hsm2m.medium", "phsm1.x")
    misses("((p|)hsm[0-9][a-z.]*\\.[a-zA-Z]+)", "hsm1", "qhsm1.medium", "hsm1.")
    matches("(a|bc){1,2}-(x)?", "a-", "bca-x", "bcbc-")
    misses("(a|bc){1,2}-(x)?", "-", "aaa-", "b-x")
    matches("(a*)*b", "b", "aaab")
    misses("(a*)*b", ("a"):rep(20))
  end)

  it("knows classes, escapes and properties", function()
    matches("\\d{1,3}\\.\\d{1,3}", "10.255")
    misses("\\d{1,3}\\.\\d{1,3}", "10x255", "1000.1")
    matches("[a-zA-Z0-9+-/=\\s]*", "", "MIIB+/=, -.\r\n\t")
    misses("[a-zA-Z0-9+-/=\\s]*", "a:b", "a_b")
    matches("^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$", "", "Größe 5", "a@b-c")
    misses("^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$", "a;b", "a\tb")
    matches("[^a-c]+", "xyz")
    misses("[^a-c]+", "xya")
    matches(".*", "", "anything; at all")
    misses(".*", "two\nlines")
  end)

  it("of every shape of the API compiles", function()
    local count = 0
    for _, shape in pairs(model.shapes) do
      if shape.pattern then
        pattern.compile(shape.pattern)
        count = count + 1
      end
    end
    assert.is_true(count > 20)
  end)

  it("of a backup's ARN takes ids and ARNs of both partitions", function()
    local is_arn = pattern.compile(model.shapes.BackupArn.pattern)
    assert.is_true(is_arn "backup-72zn6eby7x2")
    assert.is_true(is_arn "arn:aws:cloudhsm:us-east-1:111122223333:backup/backup-72zn6eby7x2")
    assert.is_true(is_arn "arn:aws-us-gov:cloudhsm:us-gov-west-1:111122223333:backup/backup-72zn6eby7x2")
    assert.is_false(is_arn "arn:aws-cn:cloudhsm:cn-north-1:111122223333:backup/backup-72zn6eby7x2")
  end)

  it("that is malformed raises", function()
    for _, text in ipairs { "(a", "[a", "a)", "\\q", "\\p{X}" } do
      assert.has_error(function()
        pattern.compile(text)
      end)
    end
  end)
end)
