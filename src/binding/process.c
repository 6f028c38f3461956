#include <string.h>

#include "../core/process.h"
#include "compat.h"
#include "module.h"

#define PROCESS_TYPE "cloudhsmv2.process"

enum { MOST_OUTPUT = 65536 };


static chsm_process *check_process(lua_State *L) { return luaL_checkudata(L, 1, PROCESS_TYPE); }


/* Pushes nil and the reason. [-0, +2] */
static int push_reason(lua_State *L, const char *reason) {
  lua_pushnil(L);
  lua_pushstring(L, reason);
  return 2;
}


/* start(command) -> process | nil, reason. The userdata is whole before anything is started into it. */
static int process_start(lua_State *L) {
  size_t length;
  int error = 0;
  const char *command = luaL_checklstring(L, 1, &length);
  if (strlen(command) != length) return push_reason(L, "a command cannot have a zero byte");
  chsm_process *process = chsm_newuserdata(L, sizeof *process);
  *process = (chsm_process) { .out = -1, .told = -1 };
  chsm_setclass(L, PROCESS_TYPE);
  if (chsm_process_start(process, command, MOST_OUTPUT, &error)) return 1;
  chsm_process_close(process);
  lua_pushnil(L);
  lua_pushfstring(L, "the shell did not start (errno %d)", error);
  return 2;
}


/* process:step(seconds) -> whether it has ended; waits for at most so long */
static int process_step(lua_State *L) {
  chsm_process *process = check_process(L);
  double seconds = (double)luaL_checknumber(L, 2);
  lua_pushboolean(L, chsm_process_step(process, seconds) != CHSM_PROCESS_RUNS);
  return 1;
}


/* process:result() -> { status =, output = } | nil, reason */
static int process_result(lua_State *L) {
  const chsm_process *process = check_process(L);
  switch (process->state) {
  case CHSM_PROCESS_ENDED: break;
  case CHSM_PROCESS_RUNS: return push_reason(L, "it has not ended");
  case CHSM_PROCESS_TOO_LARGE: return push_reason(L, "it printed more than 64 KiB");
  case CHSM_PROCESS_NO_MEMORY: return push_reason(L, "out of memory");
  default: return push_reason(L, "it was killed");
  }
  lua_createtable(L, 0, 2);
  lua_pushinteger(L, process->status);
  lua_setfield(L, -2, "status");
  lua_pushlstring(L, process->output.length ? process->output.bytes : "", process->output.length);
  lua_setfield(L, -2, "output");
  return 1;
}


/* process:close(), __gc and __close: kills what still runs, and wipes the output. Any number of times, raises nothing after the check. */
static int process_close(lua_State *L) {
  chsm_process_close(check_process(L));
  return 0;
}


static const luaL_Reg functions[] = { { "start", process_start }, { NULL, NULL } };
static const luaL_Reg methods[] = { { "step", process_step }, { "result", process_result }, { "close", process_close }, { NULL, NULL } };
static const luaL_Reg metamethods[] = { { "__gc", process_close }, { "__close", process_close }, { NULL, NULL } };

/* Pushes the table with the function that starts processes. May raise. [-0, +1] */
int chsm_open_process(lua_State *L) {
  chsm_newclass(L, PROCESS_TYPE, methods, metamethods);
  lua_newtable(L);
  chsm_setfuncs(L, functions);
  return 1;
}
