/* What the fuzz targets share: the end of a run that found something, and one Lua state with the project's C module in it. */
#ifndef CHSM_FUZZ_HARNESS_H
#define CHSM_FUZZ_HARNESS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int luaopen_cloudhsmv2_core(lua_State *L);

#define EXPECT(condition) ((condition) ? (void)0 : fuzz_found(#condition, __FILE__, __LINE__))


/* Says which expectation did not hold, and ends the run the way libFuzzer takes for a crash. */
static inline void fuzz_found(const char *expectation, const char *file, int line) {
  fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, expectation);
  abort();
}


/* A state with Lua's libraries, where `require` finds this tree and the C module that is linked in. */
static inline lua_State *fuzz_lua(void) {
  lua_State *L = luaL_newstate();
  EXPECT(L != NULL);
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_cloudhsmv2_core);
  lua_setfield(L, -2, "cloudhsmv2.core");
  lua_pop(L, 1);
  EXPECT(luaL_dostring(L, "package.path = './lua/?.lua;./lua/?/init.lua;./?.lua;' .. package.path") == LUA_OK);
  return L;
}


/* Runs `code` and leaves its one result on the stack. [-0, +1] */
static inline void fuzz_run(lua_State *L, const char *code) {
  if (luaL_loadstring(L, code) != LUA_OK || lua_pcall(L, 0, 1, 0) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    abort();
  }
}


#endif
