--- Modules that are loaded when they are first used: what few programs need costs the others nothing.
-- @module cloudhsmv2.lazy

local metatable = { __name = "cloudhsmv2.lazy" }

function metatable:__index(key)
  return require(self.module)[key]
end

--- Stands for a module that is a table.
-- @tparam string name
-- @treturn table to be read as the module is; to be read only
-- @usage local sts = lazy "cloudhsmv2.credentials.sts"
return function(name)
  return setmetatable({ module = name }, metatable)
end
