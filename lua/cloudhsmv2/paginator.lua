--- Walks through all pages of a list operation.
--
-- Which operations have pages, and in which members, is data: `operation.paginator` of the client's model. A model
-- from elsewhere that carries the same marks is paged the same way.
--
-- The end of a list is a token that is absent, null or empty; a short or an empty page with a token is not the end
-- (API reference of DescribeBackups, `NextToken`). Every token is remembered, so a service that sends one again, at
-- once or after a detour, ends the walk with an error instead of going round for ever.
--
-- `pages`, `items`, `collect` and `full_result` start at the beginning each time they are called; `next_page` goes on
-- where the latest walk stands.
--
-- @module cloudhsmv2.paginator
-- @usage
-- local pages, err = client:paginator("describe_backups", { Filters = { states = { "READY" } } }, { page_size = 50 })
-- for backup in pages:items() do print(backup.BackupId) end
--
-- local backups, err, resume_token = pages:collect()  -- never raises

local errors = require "cloudhsmv2.errors"
local text = require "cloudhsmv2.text"

local floor, min, max, huge = math.floor, math.min, math.max, math.huge

local TOKEN_VERSION = "v1"
local CHECKSUM_MODULUS = 16777213 -- the largest prime below 2^24: sums stay exact in a double
local FEATURE = "C" -- AWS's letter of paginators, for the User-Agent
local OPTIONS = { page_size = true, max_items = true, starting_token = true, call = true }

local methods = {}
local metatable = { __name = "cloudhsmv2.paginator", __index = methods }
local paginator = {}

local function failure(kind, code, operation, message)
  return errors.new { kind = kind, code = code, operation = operation, message = message }
end

local function invalid(operation, message, code)
  return nil, failure("validation", code or "ParamValidation", operation, message)
end

--- The service's answer makes no sense, so it did reach the service.
local function broken(code, operation, message)
  local err = failure("protocol", code, operation, message)
  err.sent = "yes"
  return err
end

local function find_operation(operations, name)
  if operations[name] then
    return name
  end
  for candidate in pairs(operations) do
    if text.snake_case(candidate) == name then
      return candidate
    end
  end
end

local function pageable_names(operations)
  local names = {}
  for name, operation in pairs(operations) do
    if operation.paginator then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return #names > 0 and table.concat(names, ", ") or "none"
end

local function copy_of(fields)
  local copy = {}
  for name, value in pairs(fields) do
    copy[name] = value
  end
  return copy
end

local function is_count(value)
  return type(value) == "number" and value >= 1 and value < 2 ^ 31 and value == floor(value)
end

--- The token of the service as a caller sees it: nil at the end of the list.
local function token_of(value)
  if value == nil or value == "" or type(value) == "userdata" then -- userdata: a JSON null kept by a foreign codec
    return nil
  end
  return value
end

local function checksum(body)
  local sum = 7
  for i = 1, #body do
    sum = (sum * 31 + body:byte(i)) % CHECKSUM_MODULUS
  end
  return string.format("%06x", sum)
end

local function hex(bytes)
  return (bytes:gsub(".", function(byte)
    return string.format("%02x", byte:byte())
  end))
end

local function unhex(digits)
  return (digits:gsub("%x%x", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

--- A place in the list: the page at `token` (nil: the first), after its first `skip` items.
local function encode_resume_token(operation, token, skip)
  local place = { TOKEN_VERSION, operation, string.format("%d", skip), token and hex(token) or "-" }
  local body = table.concat(place, ":")
  return body .. ":" .. checksum(body)
end

--- The reverse of `encode_resume_token`.
-- @treturn table|nil `{ token, skip }`
-- @treturn string what is wrong with it
local function decode_resume_token(operation, value)
  if type(value) ~= "string" then
    return nil, "is not a string"
  end
  local body, sum = value:match "^(.*):(%x+)$"
  local version, owner, skip, token = (body or ""):match "^(%w+):([^:]+):(%d+):([%x-]+)$"
  if version ~= TOKEN_VERSION or checksum(body) ~= sum then
    return nil, "is damaged or was not made by a paginator of this library"
  end
  if owner ~= operation then
    return nil, "belongs to " .. owner .. ", not to " .. operation
  end
  return { token = token ~= "-" and unhex(token) or nil, skip = tonumber(skip) }
end

--- Forgets the walk so far and stands before the first page.
local function restart(self)
  self.token = self.start_token
  self.skip = self.start_skip
  self.page, self.list, self.fresh = nil, nil, false
  self.given = 0
  self.finished, self.failure = false, nil
  self.seen = {}
  if self.token then
    self.seen[self.token] = true
  end
end

-- The options of each call: the caller's, with what it is part of.
local function call_options_of(given)
  if given ~= nil and type(given) ~= "table" then
    return given -- the call refuses it
  end
  local options = { features = FEATURE }
  for name, value in pairs(given or {}) do
    options[name] = name == "features" and value .. "," .. FEATURE or value
  end
  return options
end

--- Asks for the page at `self.token`.
-- @treturn boolean|nil true; `self.page`, `self.list` and `self.next_token` are set
-- @treturn table the error; the place is unchanged, so the same page can be asked for again
local function load(self)
  local request = copy_of(self.params)
  request[self.input_token] = self.token
  local page, err = self.client:call(self.operation, request, self.call_options)
  if not page then
    return nil, err
  end

  local list = page[self.result]
  local next_token = token_of(page[self.output_token])
  local problem
  if list ~= nil and type(list) ~= "table" then
    problem = self.result .. " is no list"
  elseif next_token ~= nil and type(next_token) ~= "string" then
    problem = self.output_token .. " is no string"
  end
  if problem then
    return nil, broken("InvalidPage", self.operation, "the page cannot be used: " .. problem)
  end
  self.page, self.list, self.next_token = page, list or {}, next_token
  self.fresh = true
  return true
end

--- Leaves a page that was given out whole, for the next one. The next token may end the list or close a circle.
local function leave_page(self)
  local next_token = self.next_token
  if not next_token then
    self.finished = true
  elseif self.seen[next_token] then
    local message = string.format("the service sent the same %s twice: %s", self.output_token, text.quote(next_token))
    self.failure = broken("RepeatedToken", self.operation, message)
  else
    self.seen[next_token] = true
    self.token = next_token
    self.skip = max(0, self.skip - #self.list) -- a resumed walk may use smaller pages than the one before
    self.page, self.list = nil, nil
  end
end

--- Stands on a page that still has something to give.
-- @treturn boolean|nil true; nil at the end
-- @treturn table|nil the error
local function reach_page(self)
  while not self.finished do
    if self.failure then
      return nil, self.failure
    elseif self.given >= self.max_items then
      return nil
    elseif not self.page then
      local ok, err = load(self)
      if not ok then
        return nil, err
      end
    elseif self.skip < #self.list or (self.fresh and self.skip == 0) then
      return true
    else
      leave_page(self)
    end
  end
end

--- The next item of the list.
-- @return the item; nil at the end
-- @treturn table|nil the error
local function next_item(self)
  while true do
    local ok, err = reach_page(self)
    if not ok then
      return nil, err
    end
    self.fresh = false
    if self.skip < #self.list then
      self.skip = self.skip + 1
      self.given = self.given + 1
      return self.list[self.skip]
    end
  end
end

--- The next page, for those who do not want a loop that raises.
-- Goes on where the latest walk stands, or starts one. After an error the same page can be asked for again.
-- @treturn table|nil the output of the operation; its list is cut where a resumed walk starts and where `max_items`
-- ends; nil at the end
-- @treturn table|nil the error object, when there was one
-- @usage
-- local page, err = pages:next_page()
-- while page do
--   page, err = pages:next_page()
-- end
-- if err then print(err) end
function methods:next_page()
  local ok, err = reach_page(self)
  if not ok then
    return nil, err
  end
  local page, list = self.page, self.list
  local first = self.skip + 1
  local last = min(#list, self.skip + self.max_items - self.given)
  self.fresh = false
  self.skip = last
  self.given = self.given + last - first + 1
  if first == 1 and last == #list then
    return page
  end
  local cut, part = copy_of(page), {}
  for i = first, last do
    part[#part + 1] = list[i]
  end
  cut[self.result] = part
  return cut
end

--- Iterates over pages, from the beginning.
-- A failure raises the error object, as `io.lines` does.
-- On PUC Lua 5.1 a coroutine cannot yield inside a `for` iterator: use `next_page` or `collect` there.
-- @treturn function an iterator for `for`
-- @usage for page in pages:pages() do print(#page.Backups) end
function methods:pages()
  restart(self)
  return function()
    local page, err = self:next_page()
    if err then
      error(err, 0)
    end
    return page
  end
end

--- Iterates over the items of all pages, from the beginning.
-- A failure raises the error object, as `io.lines` does.
-- On PUC Lua 5.1 a coroutine cannot yield inside a `for` iterator: use `next_page` or `collect` there.
-- @treturn function an iterator for `for`
-- @usage for backup in pages:items() do print(backup.BackupId) end
function methods:items()
  restart(self)
  return function()
    local item, err = next_item(self)
    if err then
      error(err, 0)
    end
    return item
  end
end

--- All items in one list, from the beginning. Never raises.
-- @treturn table the items; with an error, those that came before it
-- @treturn table|nil the error object
-- @treturn string|nil where to go on, for `starting_token`; nil when nothing is left
-- @usage
-- local backups, err, resume_token = pages:collect()
-- if err then io.stderr:write(#backups, " backups, then: ", tostring(err), "\n") end
function methods:collect()
  restart(self)
  local items = {}
  local item, err = next_item(self)
  while item ~= nil do
    items[#items + 1] = item
    item, err = next_item(self)
  end
  return items, err, self:resume_token()
end

--- One output for the whole list: the first page, with the items of all pages in it. Never raises.
-- @treturn table|nil the output
-- @treturn table the error object
-- @usage local out, err = pages:full_result()
function methods:full_result()
  restart(self)
  local page, err = self:next_page()
  local whole = copy_of(page or {})
  local items = {}
  while page do
    for _, item in ipairs(page[self.result] or {}) do
      items[#items + 1] = item
    end
    page, err = self:next_page()
  end
  if err then
    return nil, err
  end
  whole[self.result], whole[self.output_token] = items, nil
  return whole
end

--- The place of the latest walk, after what it has given out.
-- The token holds the service's own token and how many items of that page to drop, so a walk can go on exactly, with
-- any page size, in another process, for as long as the service accepts its token.
-- @treturn string|nil an opaque string for `starting_token`; nil when nothing is left
function methods:resume_token()
  if self.finished then
    return nil
  end
  if self.page and self.skip >= #self.list and not self.fresh then
    if not self.next_token then
      return nil
    elseif not self.seen[self.next_token] then
      return encode_resume_token(self.operation, self.next_token, 0)
    end -- the token that closes a circle leads nowhere: ask for this page again, and drop what it gave
  end
  return encode_resume_token(self.operation, self.token, self.skip)
end

function metatable:__tostring()
  return "paginator of " .. self.operation
end

--- Makes a paginator; nothing is sent yet.
-- @tparam table client a client; its `call` and `model` are used
-- @tparam string name the operation, `"DescribeBackups"` or `"describe_backups"`
-- @tparam[opt] table params parameters of the operation; copied, never changed. A `NextToken` in them is where the
-- walk starts, a `MaxResults` is preferred to `page_size`
-- @tparam[opt] table options
-- @tparam[opt] integer options.page_size how many items to ask for in one page; default: the service's own
-- @tparam[opt] integer options.max_items stop after so many items
-- @tparam[opt] string options.starting_token a resume token; preferred to a `NextToken` in `params`
-- @tparam[opt] table options.call options of every call: `timeout`, `max_attempts` and so on
-- @treturn table|nil the paginator
-- @treturn table the error object, of kind `validation`
-- @usage local pages, err = paginator.new(client, "describe_backups", {}, { page_size = 50, max_items = 200 })
function paginator.new(client, name, params, options)
  if type(name) ~= "string" then
    error("paginator: the operation's name must be a string, not " .. type(name), 2)
  end
  if params ~= nil and type(params) ~= "table" then
    error("paginator: params must be a table, not " .. type(params), 2)
  end
  if options ~= nil and type(options) ~= "table" then
    error("paginator: options must be a table, not " .. type(options), 2)
  end
  options = options or {}

  local operations = client.model.operations
  local operation = find_operation(operations, name)
  local rules = operation and operations[operation].paginator
  if not rules then
    local reason = operation and "has no pages" or "is no operation of this service"
    local message = string.format("%s %s; with pages: %s", name, reason, pageable_names(operations))
    return invalid(operation, message, not operation and "UnknownOperation" or nil)
  end

  for option in pairs(options) do
    if not OPTIONS[option] then
      option = tostring(option)
      return invalid(operation, string.format("unknown option %s; %s", option, text.nearest(option, OPTIONS)))
    end
  end
  for _, option in ipairs { "page_size", "max_items" } do
    if options[option] ~= nil and not is_count(options[option]) then
      return invalid(operation, option .. " must be a whole number from 1, not " .. tostring(options[option]))
    end
  end
  if options.page_size and not rules.limit then
    return invalid(operation, "page_size: the operation's page size cannot be chosen")
  end

  local copy = copy_of(params or {})
  if rules.limit and copy[rules.limit] == nil then
    copy[rules.limit] = options.page_size
  end
  local place = { token = token_of(copy[rules.input_token]), skip = 0 }
  if place.token ~= nil and type(place.token) ~= "string" then
    return invalid(operation, rules.input_token .. " must be a string, not a " .. type(place.token))
  end
  if options.starting_token ~= nil then
    local problem
    place, problem = decode_resume_token(operation, options.starting_token)
    if not place then
      return invalid(operation, "starting_token " .. problem)
    end
  end

  local self = setmetatable({
    client = client,
    operation = operation,
    params = copy,
    result = rules.result,
    input_token = rules.input_token,
    output_token = rules.output_token,
    max_items = options.max_items or huge,
    call_options = call_options_of(options.call),
    start_token = place.token,
    start_skip = place.skip,
  }, metatable)
  restart(self)
  return self
end

return paginator
