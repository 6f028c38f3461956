/* Runs a Lua function in a thread whose stack is as small as any that a host may give (96 KiB; musl's default is 128): what recurses in C
   must be bounded well within it. The script is loaded on the ordinary stack and returns the function.

   Usage: stack SCRIPT     with LUA_PATH and LUA_CPATH set as for the specs */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

enum { STACK = 96 * 1024 };


static void *work(void *state) { return lua_pcall(state, 0, 0, 0) ? state : NULL; }


int main(int count, char **arguments) {
  lua_State *state = luaL_newstate();
  pthread_attr_t small;
  pthread_t thread;
  void *failed = NULL;
  if (count != 2 || !state) return EXIT_FAILURE;
  luaL_openlibs(state);
  if (luaL_loadfile(state, arguments[1]) || lua_pcall(state, 0, 1, 0)) {
    fprintf(stderr, "%s\n", lua_tostring(state, -1));
    return EXIT_FAILURE;
  }
  if (pthread_attr_init(&small) || pthread_attr_setstacksize(&small, STACK) || pthread_create(&thread, &small, work, state) ||
      pthread_join(thread, &failed)) {
    fprintf(stderr, "no thread with a stack of %d bytes\n", STACK);
    return EXIT_FAILURE;
  }
  if (failed) fprintf(stderr, "%s\n", lua_tostring(state, -1));
  lua_close(state);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
