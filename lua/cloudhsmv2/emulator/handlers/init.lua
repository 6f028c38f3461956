--- All operations: `function(context, input) -> output | nil, failure`.
-- A handler reads and changes the state of the caller's account and region; its input fits the model.
-- @module cloudhsmv2.emulator.handlers

local backups = require "cloudhsmv2.emulator.handlers.backups"
local clusters = require "cloudhsmv2.emulator.handlers.clusters"
local hsms = require "cloudhsmv2.emulator.handlers.hsms"
local policies = require "cloudhsmv2.emulator.handlers.policies"
local tags = require "cloudhsmv2.emulator.handlers.tags"

local handlers = {}

for _, part in ipairs { clusters, hsms, backups, policies, tags } do
  for operation, handler in pairs(part) do
    handlers[operation] = handler
  end
end

return handlers
