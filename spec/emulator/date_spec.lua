local date = require "cloudhsmv2.emulator.date"

describe("dates", function()
  it("are written in AWS's basic form and as HTTP has them", function()
    assert.are.equal("20150830T123600Z", date.basic(1440938160))
    assert.are.equal("Thu, 15 Nov 2018 22:48:18 GMT", date.http(1542322098.9))
    assert.are.equal("Thu, 01 Jan 1970 00:00:00 GMT", date.http(0))
    assert.are.equal("20000229T235959Z", date.basic(951868799))
  end)

  it("are read back to the second, leap days too", function()
    for _, time in ipairs { 0, 951868799, 1440938160, 1709164800, 4102444800 } do
      assert.are.equal(time, date.parse_basic(date.basic(time)))
    end
  end)

  it("that no calendar has are not dates", function()
    for _, text in ipairs { "20230229T000000Z", "20231301T000000Z", "20230101T240000Z", "2023-01-01T00:00:00Z", "" } do
      assert.is_nil(date.parse_basic(text))
    end
  end)
end)
