--- The Lua of the README runs as it is printed, in the order in which it is printed, against an emulator in this process.

local cloudhsmv2 = require "cloudhsmv2"
local emulator = require "cloudhsmv2.emulator"
local sandbox = require "spec.tools.sandbox"

-- The blocks between ```lua and ```, by the heading that they stand under.
local function read_blocks()
  local blocks, heading, lines = {}, nil, nil
  for line in io.lines "README.md" do
    if lines and line == "```" then
      blocks[heading] = table.concat(lines, "\n")
      lines = nil
    elseif lines then
      lines[#lines + 1] = line
    elseif line == "```lua" then
      assert(not blocks[heading], "two blocks under one heading: " .. heading)
      lines = {}
    else
      heading = line:match "^#+ (.*)" or heading
    end
  end
  return blocks
end

-- A client of an emulator that has an active cluster and its first backup.
local function client_with_backup()
  local local_hsm = assert(emulator.new {})
  local client = assert(local_hsm:client { region = "eu-west-1" })
  local created = assert(client:create_cluster {
    HsmType = "hsm2m.medium",
    Mode = "FIPS",
    SubnetIds = { "subnet-0a1b2c3d" },
  })
  local id = created.Cluster.ClusterId
  local cluster = assert(client:wait("cluster_created", { ClusterId = id }))
  assert(client:create_hsm { ClusterId = id, AvailabilityZone = next(cluster.SubnetMapping) })
  local request = assert(client:wait("csr_ready", { ClusterId = id })).Certificates.ClusterCsr
  local certificate, anchor = assert(local_hsm:sign_csr(request))
  assert(client:initialize_cluster { ClusterId = id, SignedCert = certificate, TrustAnchor = anchor })
  assert(client:wait("cluster_active", { ClusterId = id }))
  local out
  repeat
    client.runtime.sleep(60)
    out = assert(client:describe_backups { Filters = { clusterIds = { id }, states = { "READY" } } })
  until #out.Backups > 0
  return client, id, out.Backups[1].BackupId
end

describe("the README", function()
  local blocks = read_blocks()
  local client, cluster_id, backup_id

  lazy_setup(function()
    client, cluster_id, backup_id = client_with_backup()
  end)

  -- Runs the block under a heading; returns what it printed, one line for each print.
  local function run(heading, names)
    local printed = {}
    local environment = setmetatable({
      client = client,
      cluster_id = cluster_id,
      print = function(...)
        local line = {}
        for i = 1, select("#", ...) do
          line[i] = tostring((select(i, ...)))
        end
        printed[#printed + 1] = table.concat(line, "\t")
      end,
    }, { __index = _G })
    for name, value in pairs(names or {}) do
      environment[name] = value
    end
    local code = assert(blocks[heading], "no Lua under the heading " .. heading)
    sandbox.run(code, "README.md", environment)
    return table.concat(printed, "\n")
  end

  it("opens with a script to paste", function()
    local printed = run "cloudhsmv2"
    assert.is_truthy(printed:find "^CREATE_IN_PROGRESS\t")
    assert.is_truthy(printed:find "cluster%-%w+ is UNINITIALIZED$")
    local _, lines = blocks.cloudhsmv2:gsub("\n", "")
    assert.is_true(lines < 20)
  end)

  it("shows a first call", function()
    local printed = run "The first call"
    assert.is_truthy(printed:find(backup_id .. "\t" .. cluster_id .. "\t20", 1, true))
    assert.is_truthy(printed:find "request id %x")
  end)

  it("shows how to handle an error", function()
    assert.are.equal("already gone", run "Errors")
  end)

  it("shows what an ambiguous outcome looks like", function()
    local lost = assert(cloudhsmv2.new {
      region = "eu-west-1",
      credentials = { access_key_id = "AKIDEXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" },
      runtime = setmetatable({
        send = function()
          return nil, { kind = "transport", code = "ConnectionLost", message = "the connection broke", sent = "maybe" }
        end,
      }, { __index = emulator.new({}):runtime() }),
    })
    assert.is_truthy(run("At most once", { client = lost }):find("the connection broke", 1, true))
  end)

  it("shows how to go through pages", function()
    assert.are.equal(backup_id, run "Pages")
  end)

  it("shows how to wait", function()
    assert.is_truthy(run("Waiting"):find "^1\tACTIVE\t")
  end)

  it("shows how to make many calls at once", function()
    local printed = run("Many calls at once", { cloudhsmv2 = cloudhsmv2 })
    assert.is_truthy(printed:find "^1\ttable: [^\n]+\n2\ttable: [^\n]+$")
  end)

  it("shows tests of the reader's own", function()
    local prepare, tests = nil, {}
    run("A CloudHSM for your own tests", {
      describe = function(_, body)
        body()
      end,
      before_each = function(body)
        prepare = body
      end,
      it = function(_, body)
        tests[#tests + 1] = body
      end,
      assert = assert,
    })
    assert.are.equal(2, #tests)
    for _, test in ipairs(tests) do
      prepare()
      test()
    end
  end)

  it("runs every block that it prints", function()
    local count = 0
    for _ in pairs(blocks) do
      count = count + 1
    end
    assert.are.equal(8, count)
  end)
end)
