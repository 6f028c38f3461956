/* What differs between the Lua versions, under this project's own prefix. Nothing else in the binding tests LUA_VERSION_NUM. */
#ifndef CHSM_COMPAT_H
#define CHSM_COMPAT_H

#include <lauxlib.h>
#include <lua.h>

#pragma GCC visibility push(hidden)

#if LUA_VERSION_NUM >= 503
#define CHSM_LUA_INTEGERS 1 /* a number may be an integer of 64 bits */
#else
#define CHSM_LUA_INTEGERS 0 /* every number is a double */
#endif

#if LUA_VERSION_NUM >= 502
#define chsm_checkversion(L) luaL_checkversion(L)
#define chsm_rawlen(L, index) lua_rawlen((L), (index))
#else
#define chsm_checkversion(L) ((void)(L))
#define chsm_rawlen(L, index) lua_objlen((L), (index))
#endif

#if LUA_VERSION_NUM >= 504
#define chsm_newuserdata(L, size) lua_newuserdatauv((L), (size), 1)
#define chsm_setuservalue(L, index) ((void)lua_setiuservalue((L), (index), 1))
#define chsm_getuservalue(L, index) ((void)lua_getiuservalue((L), (index), 1))
#elif LUA_VERSION_NUM >= 502
#define chsm_newuserdata(L, size) lua_newuserdata((L), (size))
#define chsm_setuservalue(L, index) lua_setuservalue((L), (index))
#define chsm_getuservalue(L, index) lua_getuservalue((L), (index))
#else
#define chsm_newuserdata(L, size) lua_newuserdata((L), (size))
#define chsm_setuservalue(L, index) ((void)lua_setfenv((L), (index)))
#define chsm_getuservalue(L, index) lua_getfenv((L), (index))
#endif


/* Sets the functions of `list` into the table on top. May raise. [-0, +0] */
static inline void chsm_setfuncs(lua_State *L, const luaL_Reg *list) {
  for (; list->name; list++) {
    lua_pushcfunction(L, list->func);
    lua_setfield(L, -2, list->name);
  }
}


/* Registers the metatable `type` with these methods and metamethods; `__name` is set on every version. May raise. [-0, +0] */
static inline void chsm_newclass(lua_State *L, const char *type, const luaL_Reg *methods, const luaL_Reg *metamethods) {
  luaL_newmetatable(L, type);
  lua_pushstring(L, type);
  lua_setfield(L, -2, "__name");
  lua_pushliteral(L, "protected");
  lua_setfield(L, -2, "__metatable");
  chsm_setfuncs(L, metamethods);
  lua_newtable(L);
  chsm_setfuncs(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}


/* Gives the userdata on top the metatable `type`. [-0, +0] */
static inline void chsm_setclass(lua_State *L, const char *type) {
  luaL_getmetatable(L, type);
  lua_setmetatable(L, -2);
}


#pragma GCC visibility pop

#endif
