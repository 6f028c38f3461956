local errors = require "cloudhsmv2.errors"
local paginator = require "cloudhsmv2.paginator"
local scripted_client = require "spec.helper.scripted_client"

local JSON_NULL = io.stdout -- a userdata, as the nulls of JSON libraries are

local function backups(first, last)
  local list = {}
  for i = first, last do
    list[#list + 1] = { BackupId = "backup-" .. i }
  end
  return list
end

local function ids(items)
  local names = {}
  for i, item in ipairs(items) do
    names[i] = item.BackupId:sub(8)
  end
  return table.concat(names, " ")
end

--- A service with `count` backups and tokens that say where a page starts.
local function service_with(count, default_page_size)
  return function(_, params)
    local first = params.NextToken and tonumber(params.NextToken:match "^at (%d+)$") or 1
    local last = math.min(count, first + (params.MaxResults or default_page_size or 3) - 1)
    return { Backups = backups(first, last), NextToken = last < count and ("at %d"):format(last + 1) or nil }
  end
end

local function throttled()
  return errors.new { kind = "throttled", code = "ThrottlingException", message = "Rate exceeded", retryable = true }
end

--- Runs an iterator and tells what it raised.
local function walk(iterator)
  local seen = {}
  local ok, err = pcall(function()
    for value in iterator do
      seen[#seen + 1] = value
    end
  end)
  return seen, not ok and err or nil
end

describe("a paginator", function()
  it("gives pages one by one, each the output of the operation", function()
    local client = scripted_client.new {
      { Backups = backups(1, 2), NextToken = "two", ResponseMetadata = { RequestId = "a" } },
      { Backups = backups(3, 3), ResponseMetadata = { RequestId = "b" } },
    }
    local pages = walk(paginator.new(client, "DescribeBackups"):pages())
    assert.are.equal(2, #pages)
    assert.are.equal("1 2", ids(pages[1].Backups))
    assert.are.equal("a", pages[1].ResponseMetadata.RequestId)
    assert.are.equal("3", ids(pages[2].Backups))
    assert.are.equal("two", client.calls[2].params.NextToken)
  end)

  it("gives the items of all pages", function()
    local client = scripted_client.new(service_with(8))
    assert.are.equal("1 2 3 4 5 6 7 8", ids((walk(paginator.new(client, "DescribeBackups"):items()))))
    assert.are.equal(3, #client.calls)
  end)

  it("takes the operation's name in both ways of writing it and calls it by the model's", function()
    for _, name in ipairs { "DescribeBackups", "describe_backups" } do
      local client = scripted_client.new(service_with(1))
      assert.are.equal("1", ids(paginator.new(client, name):collect()))
      assert.are.equal("DescribeBackups", client.calls[1].name)
    end
  end)

  it("sends nothing before it is used", function()
    local client = scripted_client.new(service_with(1))
    paginator.new(client, "DescribeBackups")
    assert.are.equal(0, #client.calls)
  end)

  it("asks for pages of page_size, unless params have a MaxResults of their own", function()
    local client = scripted_client.new(service_with(4))
    paginator.new(client, "DescribeBackups", {}, { page_size = 2 }):collect()
    assert.are.equal(2, client.calls[2].params.MaxResults)

    client = scripted_client.new(service_with(4))
    paginator.new(client, "DescribeBackups", { MaxResults = 4 }, { page_size = 2 }):collect()
    assert.are.equal(4, client.calls[1].params.MaxResults)
    assert.are.equal(1, #client.calls)
  end)

  it("sends the caller's params with every page and never changes them", function()
    local client = scripted_client.new(service_with(6))
    local params = { Filters = { states = { "READY" } }, SortAscending = true }
    paginator.new(client, "DescribeBackups", params, { page_size = 3 }):collect()
    for _, call in ipairs(client.calls) do
      assert.are.same({ "READY" }, call.params.Filters.states)
      assert.is_true(call.params.SortAscending)
    end
    assert.are.same({ Filters = { states = { "READY" } }, SortAscending = true }, params)
  end)

  it("starts at a NextToken in params", function()
    local client = scripted_client.new(service_with(5))
    assert.are.equal("4 5", ids(paginator.new(client, "DescribeBackups", { NextToken = "at 4" }):collect()))
  end)

  it("passes call options on", function()
    local client = scripted_client.new(service_with(1))
    paginator.new(client, "DescribeBackups", {}, { call = { timeout = 5 } }):collect()
    assert.are.equal(5, client.calls[1].options.timeout)
  end)

  it("says to AWS that a paginator asks, inside of a waiter, too", function()
    local client = scripted_client.new(service_with(1))
    paginator.new(client, "DescribeBackups"):collect()
    paginator.new(client, "DescribeBackups", {}, { call = { features = "B" } }):collect()
    assert.are.equal("C", client.calls[1].options.features)
    assert.are.equal("B,C", client.calls[2].options.features)
  end)

  it("starts again from the beginning with every loop", function()
    local client = scripted_client.new(service_with(4))
    local pages = paginator.new(client, "DescribeBackups")
    assert.are.equal("1 2 3 4", ids(pages:collect()))
    assert.are.equal("1 2 3 4", ids((walk(pages:items()))))
    assert.are.equal(2, #walk(pages:pages()))
  end)

  it("pages what another model marks as paged", function()
    local client = scripted_client.new(function(_, params)
      return params.Marker and { Things = { 3 } } or { Things = { 1, 2 }, Next = "more" }
    end)
    client.model.operations.ListThings =
      { paginator = { result = "Things", input_token = "Marker", output_token = "Next" } }
    assert.are.same({ 1, 2, 3 }, (paginator.new(client, "list_things"):collect()))
  end)

  it("gives one output for the whole list on request", function()
    local client = scripted_client.new(service_with(7))
    local pages = paginator.new(client, "DescribeBackups")
    local whole = pages:full_result()
    assert.are.equal("1 2 3 4 5 6 7", ids(whole.Backups))
    assert.is_nil(whole.NextToken)
  end)

  it("is shown by its operation", function()
    assert.are.equal("paginator of ListTags", tostring(paginator.new(scripted_client.new {}, "list_tags")))
  end)
end)

describe("the end of a list", function()
  for name, token in pairs { ["an absent"] = false, ["an empty"] = "", ["a null"] = JSON_NULL } do
    it("is " .. name .. " token", function()
      local client = scripted_client.new { { Backups = backups(1, 1), NextToken = token or nil } }
      local items, err, resume_token = paginator.new(client, "DescribeBackups"):collect()
      assert.are.equal("1", ids(items))
      assert.is_nil(err)
      assert.is_nil(resume_token)
      assert.are.equal(1, #client.calls)
    end)
  end

  it("is not an empty page with a token", function()
    local client = scripted_client.new {
      { Backups = {}, NextToken = "a" },
      { NextToken = "b" },
      { Backups = backups(1, 1), NextToken = "c" },
      { Backups = {} },
    }
    assert.are.equal("1", ids(paginator.new(client, "DescribeBackups"):collect()))
    assert.are.equal(4, #client.calls)
    client.calls = {}
    assert.are.equal(4, #walk(paginator.new(client, "DescribeBackups"):pages()))
  end)

  it("stays the end when it is asked again", function()
    local pages = paginator.new(scripted_client.new(service_with(1)), "DescribeBackups")
    assert.is_table(pages:next_page())
    assert.is_nil(pages:next_page())
    assert.is_nil(pages:next_page())
  end)

  it("is reached after a hundred thousand pages too", function()
    local client = scripted_client.new(service_with(100000))
    local count = 0
    for _ in paginator.new(client, "DescribeBackups", { MaxResults = 1 }):items() do
      count = count + 1
    end
    assert.are.equal(100000, count)
  end)
end)

describe("a failure on the way", function()
  local function failing_third()
    return scripted_client.new {
      { Backups = backups(1, 2), NextToken = "b" },
      { Backups = backups(3, 4), NextToken = "c" },
      throttled(),
      { Backups = backups(5, 5) },
    }
  end

  it("raises the error object inside a for loop", function()
    for _, way in ipairs { "pages", "items" } do
      local pages = paginator.new(failing_third(), "DescribeBackups")
      local seen, err = walk(pages[way](pages))
      assert.are.equal(way == "pages" and 2 or 4, #seen)
      assert.is_true(errors.is(err))
      assert.are.equal("ThrottlingException", err.code)
    end
  end)

  it("is returned by collect with the items so far and the place to go on", function()
    local client = failing_third()
    local items, err, resume_token = paginator.new(client, "DescribeBackups"):collect()
    assert.are.equal("1 2 3 4", ids(items))
    assert.are.equal("throttled", err.kind)
    local rest, rest_err = paginator.new(client, "DescribeBackups", {}, { starting_token = resume_token }):collect()
    assert.are.equal("5", ids(rest))
    assert.is_nil(rest_err)
    assert.are.equal("c", client.calls[4].params.NextToken)
  end)

  it("is returned by next_page, which asks for the same page again afterwards", function()
    local client = failing_third()
    local pages = paginator.new(client, "DescribeBackups")
    pages:next_page()
    pages:next_page()
    local page, err = pages:next_page()
    assert.is_nil(page)
    assert.are.equal("throttled", err.kind)
    assert.are.equal("5", ids(pages:next_page().Backups))
    assert.are.equal("c", client.calls[4].params.NextToken)
  end)

  it("leaves a place to go on even on the first page", function()
    local client = scripted_client.new { throttled(), { Backups = backups(1, 1) } }
    local items, err, resume_token = paginator.new(client, "DescribeBackups"):collect()
    assert.are.equal(0, #items)
    assert.is_not_nil(err)
    assert.are.equal(
      "1",
      ids(paginator.new(client, "DescribeBackups", {}, { starting_token = resume_token }):collect())
    )
  end)

  it("fails a full result as a whole", function()
    local whole, err = paginator.new(failing_third(), "DescribeBackups"):full_result()
    assert.is_nil(whole)
    assert.are.equal("throttled", err.kind)
  end)

  it("is a protocol error when the service sends no list or a strange token", function()
    for _, page in ipairs { { Backups = "none" }, { Backups = {}, NextToken = 7 }, { Backups = {}, NextToken = {} } } do
      local _, err = paginator.new(scripted_client.new { page }, "DescribeBackups"):collect()
      assert.are.equal("protocol", err.kind)
      assert.is_truthy(tostring(err):find("DescribeBackups", 1, true))
    end
  end)
end)

describe("tokens that go round", function()
  local function circle(...)
    local tokens = { ... }
    return scripted_client.new(function(number)
      return { Backups = backups(number, number), NextToken = tokens[number] }
    end)
  end

  it("end with an error that keeps the items and names the token", function()
    local client = circle("a", "a", "a")
    local items, err = paginator.new(client, "DescribeBackups"):collect()
    assert.are.equal("1 2", ids(items))
    assert.are.equal("protocol", err.kind)
    assert.are.equal("RepeatedToken", err.code)
    assert.is_truthy(err.message:find('"a"', 1, true))
    assert.are.equal(2, #client.calls)
  end)

  it("are found however long the way round is", function()
    local client = circle("a", "b", "c", "a", "b", "c", "a")
    local items, err = paginator.new(client, "DescribeBackups"):collect()
    assert.are.equal("1 2 3 4", ids(items))
    assert.are.equal("RepeatedToken", err.code)
    assert.are.equal(4, #client.calls)
  end)

  it("are found when they lead back to where the caller started", function()
    local _, err = paginator.new(circle("a", "start", "b"), "DescribeBackups", { NextToken = "start" }):collect()
    assert.are.equal("RepeatedToken", err.code)
  end)

  it("stay an error when they are asked again", function()
    local pages = paginator.new(circle("a", "a"), "DescribeBackups")
    pages:collect()
    local page, err = pages:next_page()
    assert.is_nil(page)
    assert.are.equal("RepeatedToken", err.code)
  end)

  it("leave a place to go on that gives no item twice", function()
    local answers = {
      { Backups = backups(1, 2), NextToken = "a" },
      { Backups = backups(3, 4), NextToken = "a" }, -- a moment's confusion
      { Backups = backups(3, 4), NextToken = "b" },
      { Backups = backups(5, 5) },
    }
    local client = scripted_client.new(answers)
    local _, err, resume_token = paginator.new(client, "DescribeBackups"):collect()
    assert.are.equal("RepeatedToken", err.code)
    local rest = paginator.new(client, "DescribeBackups", {}, { starting_token = resume_token })
    assert.are.equal("5", ids(rest:collect()))
    assert.are.equal("a", client.calls[3].params.NextToken)
  end)
end)

describe("max_items", function()
  it("cuts within a page, and asks for no page too many", function()
    local client = scripted_client.new(service_with(9))
    local items, err, resume_token = paginator.new(client, "DescribeBackups", {}, { max_items = 4 }):collect()
    assert.are.equal("1 2 3 4", ids(items))
    assert.is_nil(err)
    assert.is_string(resume_token)
    assert.are.equal(2, #client.calls)
    items = paginator.new(client, "DescribeBackups", {}, { max_items = 3 }):collect()
    assert.are.equal("1 2 3", ids(items))
    assert.are.equal(3, #client.calls)
  end)

  it("cuts the last page without changing the output it came from", function()
    local output = { Backups = backups(1, 3), NextToken = "more" }
    local pages = walk(paginator.new(scripted_client.new { output }, "DescribeBackups", {}, { max_items = 2 }):pages())
    assert.are.equal(1, #pages)
    assert.are.equal("1 2", ids(pages[1].Backups))
    assert.are.equal("1 2 3", ids(output.Backups))
  end)

  it("leaves nothing to resume when the list ends just there", function()
    local client = scripted_client.new(service_with(3))
    local items, _, resume_token = paginator.new(client, "DescribeBackups", {}, { max_items = 3 }):collect()
    assert.are.equal("1 2 3", ids(items))
    assert.is_nil(resume_token)
  end)
end)

describe("a resume token", function()
  it("goes on exactly where the walk stopped, for every cut and every page size", function()
    for cut = 1, 9 do
      for page_size = 1, 5 do
        for resumed_page_size = 1, 5 do
          local client = scripted_client.new(service_with(9))
          local options = { max_items = cut, page_size = page_size }
          local before, _, resume_token = paginator.new(client, "DescribeBackups", {}, options):collect()
          local after = {}
          if resume_token then
            options = { starting_token = resume_token, page_size = resumed_page_size }
            after = paginator.new(client, "DescribeBackups", {}, options):collect()
          end
          local text = (ids(before) .. " " .. ids(after)):gsub(" $", "")
          assert.are.equal("1 2 3 4 5 6 7 8 9", text, ("%d of %d, %d"):format(cut, page_size, resumed_page_size))
        end
      end
    end
  end)

  it("can be handed on again and again", function()
    local client = scripted_client.new(service_with(7))
    local all, token = {}, nil
    repeat
      local items, err
      items, err, token = paginator
        .new(client, "DescribeBackups", {}, { max_items = 2, starting_token = token })
        :collect()
      assert.is_nil(err)
      for _, item in ipairs(items) do
        all[#all + 1] = item
      end
    until not token
    assert.are.equal("1 2 3 4 5 6 7", ids(all))
  end)

  it("can be taken in the middle of a loop over items", function()
    local client = scripted_client.new(service_with(7))
    local pages = paginator.new(client, "DescribeBackups")
    for item in pages:items() do
      if item.BackupId == "backup-5" then
        break
      end
    end
    local rest = paginator.new(client, "DescribeBackups", {}, { starting_token = pages:resume_token() })
    assert.are.equal("6 7", ids(rest:collect()))
  end)

  it("can be taken between pages", function()
    local client = scripted_client.new(service_with(7))
    local pages = paginator.new(client, "DescribeBackups")
    pages:next_page()
    local rest = paginator.new(client, "DescribeBackups", {}, { starting_token = pages:resume_token() })
    assert.are.equal("4 5 6 7", ids(rest:collect()))
  end)

  it("cuts the first page of a resumed walk over pages", function()
    local client = scripted_client.new(service_with(5))
    local _, _, resume_token = paginator.new(client, "DescribeBackups", {}, { max_items = 2 }):collect()
    local pages = walk(paginator.new(client, "DescribeBackups", {}, { starting_token = resume_token }):pages())
    assert.are.equal("3", ids(pages[1].Backups))
    assert.are.equal("4 5", ids(pages[2].Backups))
  end)

  it("carries tokens with any bytes", function()
    local odd = "a:b\0\255\n-+/=" .. ("x"):rep(240)
    local client = scripted_client.new {
      { Backups = backups(1, 1), NextToken = odd },
      { Backups = backups(2, 2) },
    }
    local _, _, resume_token = paginator.new(client, "DescribeBackups", {}, { max_items = 1 }):collect()
    assert.is_truthy(resume_token:find "^[%w:-]+$")
    assert.are.equal(
      "2",
      ids(paginator.new(client, "DescribeBackups", {}, { starting_token = resume_token }):collect())
    )
    assert.are.equal(odd, client.calls[2].params.NextToken)
  end)

  it("is preferred to a NextToken in params, so a resumed walk takes the same params", function()
    local client = scripted_client.new(service_with(9))
    local params = { NextToken = "at 4" }
    local _, _, resume_token = paginator.new(client, "DescribeBackups", params, { max_items = 2 }):collect()
    local rest = paginator.new(client, "DescribeBackups", params, { starting_token = resume_token }):collect()
    assert.are.equal("6 7 8 9", ids(rest))
  end)

  it("is refused when it is foreign, damaged or of another operation", function()
    local client = scripted_client.new(service_with(9))
    local _, _, good = paginator.new(client, "DescribeBackups", {}, { max_items = 2 }):collect()
    local bad =
      { "", "at 4", "eyJOZXh0VG9rZW4iOiAieCJ9", 7, {}, good .. "0", good:sub(2), good:gsub("2", "3", 1), "v1:::" }
    for _, token in ipairs(bad) do
      local pages, err = paginator.new(client, "DescribeBackups", {}, { starting_token = token })
      assert.is_nil(pages)
      assert.are.equal("validation", err.kind)
      assert.is_truthy(err.message:find("starting_token", 1, true))
    end
    local _, err = paginator.new(client, "ListTags", {}, { starting_token = good })
    assert.is_truthy(err.message:find("belongs to DescribeBackups", 1, true))
  end)
end)

describe("a paginator's arguments", function()
  local client = scripted_client.new(service_with(1))

  local function problem(...)
    local pages, err = paginator.new(client, ...)
    assert.is_nil(pages)
    assert.are.equal("validation", err.kind)
    return tostring(err)
  end

  it("name an operation that has pages, or the error lists those that have", function()
    for _, name in ipairs { "CreateCluster", "create_cluster", "DescribeBackup", "" } do
      assert.is_truthy(problem(name):find("DescribeBackups, DescribeClusters, ListTags", 1, true))
    end
    assert.is_truthy(problem("create_cluster"):find("has no pages", 1, true))
    assert.is_truthy(problem("DescribeBackup"):find("is no operation", 1, true))
  end)

  it("are counts from one where they count", function()
    for _, option in ipairs { "page_size", "max_items" } do
      for _, value in ipairs { 0, -1, 1.5, 0 / 0, math.huge, "10", true } do
        assert.is_truthy(problem("DescribeBackups", {}, { [option] = value }):find(option, 1, true))
      end
    end
  end)

  it("have no unknown options", function()
    assert.is_truthy(problem("DescribeBackups", {}, { pagesize = 5 }):find("pagesize", 1, true))
  end)

  it("have a NextToken that is a string", function()
    assert.is_truthy(problem("DescribeBackups", { NextToken = 5 }):find("NextToken", 1, true))
  end)

  it("cannot choose a page size where the operation has none", function()
    client.model.operations.ListThings = { paginator = { result = "T", input_token = "N", output_token = "N" } }
    assert.is_truthy(problem("ListThings", {}, { page_size = 5 }):find("page_size", 1, true))
    client.model.operations.ListThings = nil
  end)

  it("raise when they are of a wrong type, which is a mistake in the program", function()
    assert.has_error(function()
      paginator.new(client, nil)
    end)
    assert.has_error(function()
      paginator.new(client, "DescribeBackups", "params")
    end)
    assert.has_error(function()
      paginator.new(client, "DescribeBackups", {}, 50)
    end)
  end)
end)

describe("a paginator in a coroutine", function()
  it("lets calls yield through next_page and collect on every Lua", function()
    local client = scripted_client.new(service_with(4))
    local call = client.call
    client.call = function(...)
      coroutine.yield "waiting"
      return call(...)
    end
    local task = coroutine.create(function()
      local pages = paginator.new(client, "DescribeBackups")
      return ids(pages:collect()), #pages:full_result().Backups
    end)
    local yields = 0
    local _, result, count = coroutine.resume(task)
    while coroutine.status(task) ~= "dead" do
      yields = yields + (result == "waiting" and 1 or 0)
      _, result, count = coroutine.resume(task)
    end
    assert.are.equal("1 2 3 4", result)
    assert.are.equal(4, count)
    assert.are.equal(4, yields)
  end)
end)
