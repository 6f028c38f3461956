local hints = require "cloudhsmv2.hints"

local function hint(code, message, settings)
  return hints.of({ code = code, message = message }, settings or {})
end

describe("a hint", function()
  it("names the prefix of IAM actions where access is denied", function()
    assert.is_truthy(hint("AccessDeniedException"):find("cloudhsm:", 1, true))
    assert.is_truthy(hint("CloudHsmAccessDeniedException"):find("cloudhsm:", 1, true))
  end)

  it("tells a wrong clock from a wrong secret", function()
    assert.is_truthy(
      hint("InvalidSignatureException", "Signature expired: 1 is now earlier than 2"):find "^check the clock"
    )
    assert.is_truthy(hint("InvalidSignatureException", "Signature not yet current: 2"):find "^check the clock")
    assert.is_truthy(hint("InvalidSignatureException", "does not match"):find "secret access key")
    assert.is_truthy(hint("RequestTimeTooSkewed"):find "clock")
  end)

  it("says what an unknown key id most often is", function()
    assert.is_truthy(hint("UnrecognizedClientException"):find "partition")
  end)

  it("says which FIPS addresses there are, when one cannot be resolved", function()
    assert.is_truthy(hint("CouldNotResolveHost", "", { use_fips = true }):find "use_dualstack")
    assert.is_nil(hint("CouldNotResolveHost", "", { use_fips = true, use_dualstack = true }))
    assert.is_nil(hint "CouldNotResolveHost")
  end)

  it("knows what is behind the service's own words, in the operation that they are about", function()
    local function said(operation, message)
      return hints.of({ kind = "service", code = "CloudHsmInvalidRequestException", message = message }, {}, operation)
    end
    local unactivated = "The cluster already contains an HSM but has not yet been fully activated."
    assert.is_truthy(said("CreateHsm", unactivated):find "^initialize the cluster")
    assert.is_nil(said("DeleteHsm", unactivated))
    assert.is_truthy(said("CreateCluster", "Mode is required."):find('Mode = "FIPS"', 1, true))
    assert.is_truthy(said("DeleteCluster", "The cluster has HSMs."):find("hsm_deleted", 1, true))
    assert.is_truthy(said("CreateCluster", "... service-linked role ..."):find("iam:CreateServiceLinkedRole", 1, true))
  end)

  it("tells a zone from a region, when the host is not there", function()
    local settings = { region = "eu-west-1a" }
    assert.are.equal(
      "eu-west-1a is an availability zone; its region is eu-west-1",
      hint("CouldNotResolveHost", "", settings)
    )
    assert.are.equal(
      "us-gov-west-1b is an availability zone; its region is us-gov-west-1",
      hint("CouldNotResolveHost", "", { region = "us-gov-west-1b" })
    )
    assert.is_nil(hint("CouldNotResolveHost", "", { region = "eu-west-1" }))
  end)

  it("is not given where there is nothing to say", function()
    assert.is_nil(hint "CloudHsmResourceNotFoundException")
    assert.is_nil(hint(nil))
  end)
end)
