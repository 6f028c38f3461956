local moment = require "cloudhsmv2.moment"

describe("a date in a header", function()
  it("is seconds since 1970", function()
    assert.are.equal(0, moment.of_http "Thu, 01 Jan 1970 00:00:00 GMT")
    assert.are.equal(1767225601, moment.of_http "Thu, 01 Jan 2026 00:00:01 GMT")
    assert.are.equal(1709164800, moment.of_http "Thu, 29 Feb 2024 00:00:00 GMT")
  end)

  it("is none when it is written otherwise, or does not exist, or is repeated", function()
    local wrong = {
      "",
      "today",
      "1767225601",
      "2026-01-01T00:00:01Z",
      "Thu, 01 Jan 2026 00:00:01",
      "Thu, 01 Jan 2026 00:00:01 CET",
      "Thu, 31 Feb 2026 00:00:01 GMT",
      "Thu, 01 Jan 2026 25:00:01 GMT",
      "Thursday, 01-Jan-26 00:00:01 GMT",
      "Thu, 01 Jan 2026 00:00:01 GMT, Thu, 01 Jan 2026 00:00:01 GMT",
      'Thu, 01 Jan 2026 00:00:01 GMT","at":"0',
      "Thu, 01 Jan 2026 00:00:01 GMT\n",
      7,
      false,
    }
    for _, value in ipairs(wrong) do
      assert.is_nil(moment.of_http(value))
    end
    assert.is_nil(moment.of_http(nil))
  end)

  it("is read alike in every locale", function()
    finally(function()
      os.setlocale "C"
    end)
    for _, name in ipairs { "de_DE.UTF-8", "tr_TR.UTF-8", "C" } do
      os.setlocale(name)
      assert.are.equal(1767225601, moment.of_http "Thu, 01 Jan 2026 00:00:01 GMT")
      assert.are.equal("20260101T000001Z", moment.basic(1767225601.5))
    end
  end)
end)

describe("a moment in AWS's basic form", function()
  it("has no fraction and no separators", function()
    assert.are.equal("20150830T123600Z", moment.basic(1440938160))
    assert.are.equal("20150830T123600Z", moment.basic(1440938160.999))
    assert.are.equal("19691231T235959Z", moment.basic(-0.5))
  end)

  it("is nothing outside the years that the form has", function()
    assert.is_nil(moment.basic(1e300))
  end)
end)

describe("moments of the emulator's wire", function()
  it("are written in AWS's basic form and as HTTP has them", function()
    assert.are.equal("20150830T123600Z", moment.basic(1440938160))
    assert.are.equal("Thu, 15 Nov 2018 22:48:18 GMT", moment.http(1542322098.9))
    assert.are.equal("Thu, 01 Jan 1970 00:00:00 GMT", moment.http(0))
    assert.are.equal("20000229T235959Z", moment.basic(951868799))
  end)

  it("are read back to the second, leap days too", function()
    for _, time in ipairs { 0, 951868799, 1440938160, 1709164800, 4102444800 } do
      assert.are.equal(time, moment.of_basic(moment.basic(time)))
      assert.are.equal(time, moment.of_http(moment.http(time)))
    end
  end)

  it("that no calendar has are none", function()
    for _, text in ipairs { "20230229T000000Z", "20231301T000000Z", "20230101T240000Z", "2023-01-01T00:00:00Z", "" } do
      assert.is_nil(moment.of_basic(text))
    end
    assert.is_nil(moment.of_basic "20161231T235960Z")
  end)
end)

describe("a moment in a file about credentials", function()
  it("is read in the forms of RFC 3339, and in that of an old AWS CLI", function()
    assert.are.equal(1767225601, moment.of_iso "2026-01-01T00:00:01Z")
    assert.are.equal(1767225601.5, moment.of_iso "2026-01-01T00:00:01.5Z")
    assert.are.equal(1767225601, moment.of_iso "2026-01-01T02:00:01+02:00")
    assert.are.equal(1767225601, moment.of_iso "2026-01-01T00:00:01UTC")
  end)

  it("is nothing else", function()
    for _, value in ipairs { "", "tomorrow", "1767225601", '2026-01-01T00:00:01Z"', "2026-13-01T00:00:00Z", 7, {}, true } do
      assert.is_nil(moment.of_iso(value))
    end
    assert.is_nil(moment.of_iso(nil))
  end)

  it("is written in one form", function()
    assert.are.equal("2026-01-01T00:00:01Z", moment.iso(1767225601.9))
  end)
end)
