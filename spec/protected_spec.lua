local protected = require "cloudhsmv2.protected"

-- Both forms on every Lua: the one that this Lua uses, and the one that only PUC Lua 5.1 needs.
for name, call in pairs { call = protected.call, coroutine_pcall = protected.coroutine_pcall } do
  describe("protected." .. name, function()
    it("hands on arguments and results, nils in them too", function()
      local function echo(...)
        return select("#", ...), ...
      end
      local ok, count, a, b, c = call(echo, 1, nil, 3)
      assert.are.same({ true, 3, 1, 3 }, { ok, count, a, c })
      assert.is_nil(b)
    end)

    it("catches what is raised, whatever it is", function()
      local raised = {}
      local ok, caught = call(function() -- nginx runs no C function as a coroutine
        error(raised)
      end)
      assert.is_false(ok)
      assert.are.equal(raised, caught)
    end)

    it("lets the function yield, any number of times, and be resumed with values", function()
      local thread = coroutine.create(function()
        return call(function(first)
          local second = coroutine.yield(first + 1)
          local third = coroutine.yield(second + 1)
          return third + 1
        end, 10)
      end)
      assert.are.same({ true, 11 }, { coroutine.resume(thread) })
      assert.are.same({ true, 21 }, { coroutine.resume(thread, 20) })
      assert.are.same({ true, true, 31 }, { coroutine.resume(thread, 30) })
    end)

    it("catches what is raised after a yield", function()
      local thread = coroutine.create(function()
        return call(function()
          coroutine.yield()
          error("late", 0)
        end)
      end)
      coroutine.resume(thread)
      assert.are.same({ true, false, "late" }, { coroutine.resume(thread) })
    end)
  end)
end
