--- Says what is well and what is not: versions, configuration, credentials, the way to the service, the clock.
--
--     lua examples/doctor.lua                   as a client would find it here
--     lua examples/doctor.lua --offline         without asking anybody
--     AWS_PROFILE=prod lua examples/doctor.lua
--
-- Exit code 1 where something keeps calls from working.

local cloudhsmv2 = require "cloudhsmv2"

local offline = false
for _, argument in ipairs(arg) do
  if argument == "--offline" then
    offline = true
  else
    io.stderr:write "usage: lua doctor.lua [--offline]\n"
    os.exit(argument == "--help" and 0 or 2)
  end
end

local report = cloudhsmv2.doctor({}, { offline = offline })
print(report)
os.exit(report.ok and 0 or 1, true)
