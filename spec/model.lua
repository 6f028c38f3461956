--- Random walks over the emulator, held against a much simpler model: spec/model.lua RUNS SEED JOB JOBS
-- Makes every JOBS-th of RUNS walks, from the JOB-th on; the seed of each is SEED plus its number. Ends with a line of
-- numbers: walks, requests, violations.

local emulator = require "cloudhsmv2.emulator"
local walk = require "spec.emulator.model.walk"

local runs, seed, job, jobs = tonumber(arg[1]), tonumber(arg[2]), tonumber(arg[3]), tonumber(arg[4])
local SHOWN = 3 -- violations in full

local walks, requests, violations = 0, 0, 0
for number = job, runs, jobs do
  local walked = walk.run(emulator, seed + number)
  walks, requests = walks + 1, requests + walked.calls
  if walked.violation then
    violations = violations + 1
    if violations <= SHOWN then
      local trace = table.concat(walked.trace, "\n  ")
      io.stderr:write(("violation with seed %d: %s\n  %s\n"):format(seed + number, walked.violation, trace))
    end
  end
end
print(walks, requests, violations)
