/* The grammar of AWS's shared files: what profile_fuzz.lua, beside this file, expects of lua/cloudhsmv2/config/profile_file.lua. */
#include "harness.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static lua_State *L;
  if (!L) {
    L = fuzz_lua();
    fuzz_run(L, "return require 'spec.fuzz.profile_fuzz'");
  }
  lua_pushvalue(L, 1);
  lua_pushlstring(L, (const char *)data, size);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) fuzz_found(lua_tostring(L, -1), "spec/fuzz/profile_fuzz.lua", 0);
  return 0;
}
