-- A locale is the process's: any library may change it, at any time.

local canned = require "spec.torture.canned"
local cloudhsmv2 = require "cloudhsmv2"
local codec = require "cloudhsmv2.codec"
local endpoint = require "cloudhsmv2.endpoint"
local fake_runtime = require "spec.helper.fake_runtime"
local profile_file = require "cloudhsmv2.config.profile_file"

local LOCALES = { "C", "de_DE.UTF-8", "tr_TR.UTF-8" }

-- What a call of an operation sends, all of it, and what it gives; `during` runs while the request is under way.
local function exchange(operation, during)
  local runtime = fake_runtime.new(function()
    during()
    return {
      body = canned.calls[operation][2],
      headers = { date = "Thu, 01 Jan 2026 00:00:00 GMT", ["x-amzn-requestid"] = "TITLE" },
    }
  end)
  local client = assert(cloudhsmv2.new {
    region = "eu-west-1",
    credentials = canned.credentials,
    runtime = runtime,
    getenv = function() end,
    read_file = function() end,
  })
  local output = assert(client:call(operation, canned.calls[operation][1]))
  local lines = { runtime.requests[1].url, runtime.requests[1].body, output.ResponseMetadata.RequestId }
  for _, header in ipairs(runtime.requests[1].headers) do
    if header[1]:sub(1, 4) ~= "amz-" then -- the id of the call, which chance gives
      lines[#lines + 1] = header[1] .. ": " .. header[2]
    end
  end
  return table.concat(lines, "\n"), output
end

local function in_every_locale(act)
  local before = os.setlocale()
  finally(function()
    os.setlocale(before)
  end)
  for _, locale in ipairs(LOCALES) do
    assert(os.setlocale(locale), "no locale " .. locale .. ": is LOCPATH set?")
    act(locale)
  end
end

describe("in a German and in a Turkish locale", function()
  it("the C library does speak German and Turkish, so that this proves something", function()
    local days = {}
    in_every_locale(function()
      days[#days + 1] = os.date("!%A", 0)
    end)
    assert.are.same({ "Thursday", "Donnerstag", "Perşembe" }, days)
  end)

  for operation in pairs(canned.calls) do
    it(operation .. " sends the same bytes, though the locale changes under way", function()
      local expected = exchange(operation, function() end)
      in_every_locale(function(locale)
        local sent = exchange(operation, function()
          os.setlocale(locale == "C" and "tr_TR.UTF-8" or "C")
        end)
        assert.are.equal(expected, sent)
      end)
    end)
  end

  it("moments keep their fractions", function()
    in_every_locale(function()
      local _, output = exchange("DescribeClusters", function() end)
      assert.are.equal(1767225600.123, output.Clusters[1].CreateTimestamp)
    end)
  end)

  it("a model compiled in one writes and reads numbers in another", function()
    local model
    in_every_locale(function()
      model = model
        or codec.compile {
          A = { type = "structure", members = { D = { shape = "D" }, L = { shape = "L" } } },
          D = { type = "double" },
          L = { type = "list", member = { shape = "D" } },
        }
      assert.are.equal('{"D":1.5,"L":[0.25,1e22]}', model:encode("A", { D = 1.5, L = { 0.25, 1e22 } }))
      assert.are.same({ D = 1.5, L = { 0.25, 1e22 } }, model:decode("A", '{"D":1.5,"L":[0.25,1e22]}'))
    end)
  end)

  it("names of settings, profiles and hosts keep their letters", function()
    in_every_locale(function()
      local found = assert(profile_file.parse("[profile I]\nREGION_I = X\n", "config", "file"))
      assert.are.equal("X", found.profiles.I.region_i.value)
      assert.are.equal("https://cloudhsmv2.eu-west-1.amazonaws.com", endpoint.resolve { region = "eu-west-1" })
    end)
  end)

  it("an error prints the same line", function()
    local expected
    in_every_locale(function()
      local client = assert(cloudhsmv2.new {
        region = "eu-west-1",
        credentials = canned.credentials,
        runtime = fake_runtime.new { status = 400, body = canned.refusal },
        getenv = function() end,
        read_file = function() end,
      })
      local _, err = client:describe_clusters { MaxResults = 7 }
      local _, wrong = client:describe_clusters { MaxResults = 1.5 }
      local line = tostring(err) .. tostring(wrong)
      expected = expected or line
      assert.are.equal(expected, line)
      assert.truthy(line:find("1.5", 1, true))
    end)
  end)
end)
