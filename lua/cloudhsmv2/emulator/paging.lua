--- Pages of a list, and the tokens that lead from one to the next.
--
-- A token names the last item that was given out, so pages stay true while items come and go. It is bound to the
-- operation, account, region and query, and carries a keyed hash of them: a token that was altered, made by another
-- emulator or sent with another query is refused.
--
-- | behaviour | how sure |
-- | --- | --- |
-- | tokens have at most 256 characters; no NextToken ends the list | the API's model |
-- | MaxResults may change from page to page | assumed |
-- | a bad token answers CloudHsmInvalidRequestException | assumed |
-- | the page size without MaxResults | assumed |
--
-- @module cloudhsmv2.emulator.paging

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

local function encode_token(context, query, cursor)
  return seal(context.world, binding(context, query) .. cursor) .. to_hex(cursor)
end

local function decode_token(context, query, token)
  if #token > HASH_LENGTH and #token % 2 == 0 and token:find "^%x+$" then
    local cursor = from_hex(token:sub(HASH_LENGTH + 1))
    if seal(context.world, binding(context, query) .. cursor) == token:sub(1, HASH_LENGTH) then
      return cursor
    end
  end
  return fault.invalid "The NextToken is not valid for this request."
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
  local after
  if request.NextToken and request.NextToken ~= "" then
    local failure
    after, failure = decode_token(context, list.query, request.NextToken)
    if not after then
      return nil, failure
    end
  end

  local limit = request.MaxResults or list.size
  local items = {}
  for item in list.each(after) do
    if not list.accept or list.accept(item) then
      if #items == limit then
        return items, encode_token(context, list.query, list.cursor(items[limit]))
      end
      items[#items + 1] = item
    end
  end
  return items
end

return paging
