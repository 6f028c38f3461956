--- The files in which the AWS CLI keeps what a person has signed in for: read, renewed, and replaced in one step.
-- What others have written there, and nobody here knows, stays in the file.
-- @module cloudhsmv2.credentials.token_file

local codec = require "cloudhsmv2.codec"
local core = require "cloudhsmv2.core"
local locations = require "cloudhsmv2.config.locations"
local set = require "cloudhsmv2.credentials.set"

local format = string.format

local model = codec.compile { File = { type = "structure", members = {}, document = true } }

local token_file = {}

--- The path of the file for a name.
-- @tparam table context of the client's providers
-- @tparam string|nil folder where somebody has set it, which may begin with a `~`
-- @tparam table default names of the two folders below `.aws` in the home
-- @tparam string algorithm `"sha1"` or `"sha256"`
-- @tparam string name what the file is for
-- @treturn[1] string
-- @treturn[2] nil
-- @treturn[2] table an error object of kind `credentials`: nobody knows the home
function token_file.path(context, folder, default, algorithm, name)
  if folder then
    folder = locations.expand(folder, context.getenv):gsub("/+$", "")
  else
    folder = locations.below_home(context.getenv, default[1], default[2])
  end
  if not folder then
    return set.failure("UnreadableToken", "HOME is not set, so nobody knows where the AWS CLI keeps its tokens")
  end
  return format("%s/%s.json", folder, core.digest(algorithm, name))
end

--- Reads a file.
-- @tparam table context
-- @tparam string path
-- @tparam string advice what to do where it cannot be used
-- @treturn[1] table what it says
-- @treturn[2] nil
-- @treturn[2] table an error object of kind `credentials` that names the file and shows nothing of it
function token_file.read(context, path, advice)
  local content, reason = context.read_file(path)
  if type(content) ~= "string" then
    local message = "failed to read `%s`: %s; %s"
    return set.failure("UnreadableToken", format(message, path, reason or "there is no such file", advice))
  end
  local found = model:decode("File", content)
  if type(found) ~= "table" then
    return set.failure("UnreadableToken", format("failed to read `%s`: it is not a JSON object; %s", path, advice))
  end
  return found
end

--- Replaces a file. Who cannot write it goes on with what it has; whoever comes next has to renew it again.
-- @tparam table context
-- @tparam string path
-- @tparam table content
function token_file.write(context, path, content)
  local json = model:encode("File", content)
  local fine, reason
  if json then
    fine, reason = context.write_file(path, json)
  end
  if not fine then
    context.tell {
      type = "warning",
      code = "TokenNotStored",
      message = format("the renewed token could not be stored in %s: %s", path, reason or "it is no JSON"),
    }
  end
end

--- A field that is a text with something in it, and nothing that a header cannot have.
-- @param value
-- @treturn string|nil
function token_file.text(value)
  return type(value) == "string" and value ~= "" and not value:find "[%z\1-\31\127]" and value or nil
end

return token_file
