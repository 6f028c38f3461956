--- Pages of a list, and the tokens that lead from one to the next.
--
-- A token names the last item that was given out, so pages stay true while items come and go. It is bound to the
-- operation, account, region and query, carries the time at which it was made and a keyed hash of all that: a token that
-- was altered, made by another emulator, sent with another query or kept for too long is refused.
--
-- What is known of the service's pages, and how, stands beside the code; `make behaviours` gathers it in
-- doc/emulator-behaviour.md.
-- @module cloudhsmv2.emulator.paging

local ceil = math.ceil

local fault = require "cloudhsmv2.emulator.fault"
local sigv4 = require "cloudhsmv2.sigv4"

local paging = {}

local HASH_LENGTH = 64 -- hexadecimal digits of HMAC-SHA256

local function to_hex(text)
  return (text:gsub(".", function(character)
    return ("%02x"):format(character:byte())
  end))
end

local function from_hex(text)
  return (text:gsub("..", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

-- A keyed hash: the signature of a request whose body is the text. The library's own HMAC is not a public face.
local function seal(world, text)
  local signed = assert(sigv4.sign {
    method = "POST",
    path = "/",
    query = "",
    headers = { { "host", "paging.invalid" } },
    body = text,
    region = "local",
    service = "paging",
    time = 0,
    credentials = { access_key_id = "paging", secret_access_key = world.token_key },
  })
  return signed.signature
end

-- Everything that a token must agree with. Lengths are written too, so that no two lists of texts look alike.
local function binding(context, query)
  local parts = { context.operation, context.store.account, context.store.region, query }
  for i, part in ipairs(parts) do
    parts[i] = #part .. ":" .. part
  end
  return table.concat(parts)
end

-- What a token says: when it was made, whether the page before was empty, and the cursor; `cursor` is nil at the start.
local function encode_token(context, query, cursor, was_empty)
  -- [ours] tokens are hexadecimal digits that mean nothing outside
  local made_at = ("%.0f"):format(context.now)
  local content = ("%s %s %s"):format(made_at, was_empty and "e" or "i", cursor and "=" .. cursor or "")
  -- [documented, API model] a token has at most 256 characters
  return seal(context.world, binding(context, query) .. content) .. to_hex(content)
end

local function decode_token(context, query, token)
  local content
  if #token > HASH_LENGTH and #token % 2 == 0 and token:find "^%x+$" then
    content = from_hex(token:sub(HASH_LENGTH + 1))
    if seal(context.world, binding(context, query) .. content) ~= token:sub(1, HASH_LENGTH) then
      content = nil
    end
  end
  if not content then
    -- [assumed] a token that is not from here, or of another operation, account, region or query, is refused
    return fault.invalid "The NextToken is not valid for this request."
  end
  local made_at, kind, cursor = content:match "^(%d+) (%a) (.*)$"
  if context.now - tonumber(made_at) > context.world.times.token_validity then
    -- [assumed] an old token is refused (`times.token_validity`)
    return fault.invalid "The NextToken has expired."
  end
  return { was_empty = kind == "e", cursor = cursor ~= "" and cursor:sub(2) or nil }
end

--- A text that is the same for the same Filters only.
-- @tparam ?table filters lists of strings by name
-- @treturn string
function paging.fingerprint(filters)
  local names = {}
  for name in pairs(filters or {}) do
    names[#names + 1] = name
  end
  table.sort(names)
  local parts = {}
  for _, name in ipairs(names) do
    local values = {}
    for i, value in ipairs(filters[name]) do
      values[i] = #value .. ":" .. value
    end
    parts[#parts + 1] = #name .. ":" .. name .. "=" .. table.concat(values, ",")
  end
  return table.concat(parts, ";")
end

--- One page.
-- @tparam table context of the request
-- @tparam table request `NextToken` and `MaxResults`
-- @tparam table list `query` (a text), `size` (items without MaxResults), `each(cursor)` (an iterator over what comes
-- after a cursor, or over all), `cursor(item)` (a text) and, if some are left out, `accept(item)`
-- @treturn[1] table items
-- @treturn[1] ?string token of the next page
-- @treturn[2] nil
-- @treturn[2] table a failure
function paging.page(context, request, list)
  local settings, from = context.settings, {}
  -- [documented, API model] an empty token asks for the first page
  if request.NextToken and request.NextToken ~= "" then
    local failure
    from, failure = decode_token(context, list.query, request.NextToken)
    if not from then
      return nil, failure
    end
  end

  -- [assumed] without MaxResults a page is as large as it may be (`page_sizes`)
  -- [assumed] MaxResults may change from page to page
  local limit = request.MaxResults or list.size
  -- [documented, API model] a page may have fewer items than asked for, or none, and still a token: `pages = "short"`
  --   halves them, `pages = "empty"` puts an empty one before each
  if settings.pages == "short" then
    limit = ceil(limit / 2)
  end
  local items = {}
  for item in list.each(from.cursor) do
    if not list.accept or list.accept(item) then
      if settings.pages == "empty" and not from.was_empty then
        return {}, encode_token(context, list.query, from.cursor, true)
      elseif #items == limit then
        return items, encode_token(context, list.query, list.cursor(items[limit]), false)
      end
      items[#items + 1] = item
    end
  end
  -- [documented, API model] a list ends without a token, or with an empty one (`last_token = "empty"`)
  return items, settings.last_token == "empty" and "" or nil
end

return paging
