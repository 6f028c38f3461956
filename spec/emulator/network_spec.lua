local network = require "cloudhsmv2.emulator.network"

describe("a subnet", function()
  local store = { account = "111122223333", region = "eu-west-1" }

  it("is in a zone that the last digit of its id chooses", function()
    local settings = { subnets = {} }
    assert.are.equal("eu-west-1a", (network.locate(settings, store, "subnet-00000000")))
    assert.are.equal("eu-west-1b", (network.locate(settings, store, "subnet-00000001")))
    assert.are.equal("eu-west-1c", (network.locate(settings, store, "subnet-0000000b")))
    assert.are.equal("eu-west-1a", (network.locate(settings, store, "subnet-0000000F")))
  end)

  it("is in the one VPC of its account and region", function()
    local settings = { subnets = {} }
    local _, vpc = network.locate(settings, store, "subnet-00000000")
    assert.are.equal(vpc, select(2, network.locate(settings, store, "subnet-0a1b2c3d4e5f60718")))
    assert.matches("^vpc%-0%x+$", vpc)
    local other = { account = "111122223333", region = "eu-west-2" }
    assert.are.not_equal(vpc, select(2, network.locate(settings, other, "subnet-00000000")))
  end)

  it("is where it is told to be", function()
    local settings = { subnets = { ["subnet-00000000"] = { az = "eu-west-1c", vpc = "vpc-1" } } }
    local zone, vpc = network.locate(settings, store, "subnet-00000000")
    assert.are.equal("eu-west-1c", zone)
    assert.are.equal("vpc-1", vpc)
  end)
end)
