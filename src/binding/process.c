#include "../core/process.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "compat.h"
#include "module.h"

#define PROCESS_TYPE "cloudhsmv2.process"

enum { DEFAULT_OUTPUT = 64 * 1024, MOST_OUTPUT = 1024 * 1024 * 1024 };


/* A process, whose output is not to be freed while it is made a Lua string: a finalizer may interrupt that. */
struct process {
  chsm_process core;
  int readers;
};


/* Argument 1; raises if it is something else. */
static struct process *check_process(lua_State *L) { return luaL_checkudata(L, 1, PROCESS_TYPE); }


/* Pushes nil and why a command was not started. The texts are our own: those of the system follow the locale. [-0, +2] */
static int push_refusal(lua_State *L, int error) {
  lua_pushnil(L);
  switch (error) {
  case ENOENT: lua_pushliteral(L, "there is no /bin/sh"); break;
  case EACCES:
  case EPERM: lua_pushliteral(L, "permission denied"); break;
  case E2BIG: lua_pushliteral(L, "command or environment is too long"); break;
  case EAGAIN: lua_pushliteral(L, "too many processes"); break;
  case EMFILE:
  case ENFILE: lua_pushliteral(L, "too many open files"); break;
  case ENOMEM: lua_pushliteral(L, "out of memory"); break;
  default: lua_pushfstring(L, "cannot be started (errno %d)", error);
  }
  return 2;
}


/* start(command[, most]) -> process | nil, reason: runs it in /bin/sh. Its output may be `most` bytes long, 64 KiB if not given. */
static int process_start(lua_State *L) {
  size_t length;
  const char *command = luaL_checklstring(L, 1, &length);
  double most = (double)luaL_optnumber(L, 2, DEFAULT_OUTPUT);
  luaL_argcheck(L, strlen(command) == length, 1, "a command cannot have a zero byte");
  luaL_argcheck(L, most >= 1 && most <= MOST_OUTPUT && most == floor(most), 2, "a whole number of bytes between 1 and 1 GiB");
  struct process *process = chsm_newuserdata(L, sizeof *process);
  *process = (struct process) { .readers = 0 };
  chsm_setclass(L, PROCESS_TYPE);
  int error = chsm_process_start(&process->core, command, (size_t)most);
  return error ? push_refusal(L, error) : 1;
}


/* process:step([seconds]) -> whether it has ended: waits up to `seconds` for that, 0 if not given */
static int process_step(lua_State *L) {
  struct process *process = check_process(L);
  double seconds = (double)luaL_optnumber(L, 2, 0);
  lua_pushboolean(L, chsm_process_step(&process->core, seconds));
  return 1;
}


/* process:result() -> { status, output } | nil, "not ended" | "killed" | "too large" | "out of memory" | "closed" */
static int process_result(lua_State *L) {
  static const char *const reasons[] = { [CHSM_PROCESS_NONE] = "closed",
                                         [CHSM_PROCESS_RUNS] = "not ended",
                                         [CHSM_PROCESS_KILLED] = "killed",
                                         [CHSM_PROCESS_TOO_LARGE] = "too large",
                                         [CHSM_PROCESS_NO_MEMORY] = "out of memory" };
  struct process *process = check_process(L);
  const chsm_process *core = &process->core;
  if (core->state != CHSM_PROCESS_ENDED) {
    lua_pushnil(L);
    lua_pushstring(L, reasons[core->state]);
    return 2;
  }
  process->readers++;
  lua_createtable(L, 0, 2);
  lua_pushinteger(L, core->status);
  lua_setfield(L, -2, "status");
  lua_pushlstring(L, core->output.length ? core->output.bytes : "", core->output.length);
  lua_setfield(L, -2, "output");
  process->readers--;
  return 1;
}


/* process:close() and __close: any number of times */
static int process_close(lua_State *L) {
  struct process *process = check_process(L);
  if (!process->readers) chsm_process_close(&process->core);
  return 0;
}


/* __gc: the same, but nobody can be reading any longer. Raises nothing. */
static int process_collect(lua_State *L) {
  struct process *process = lua_touserdata(L, 1);
  chsm_process_close(&process->core);
  return 0;
}


static const luaL_Reg functions[] = { { "start", process_start }, { NULL, NULL } };

static const luaL_Reg methods[] = { { "step", process_step }, { "result", process_result }, { "close", process_close }, { NULL, NULL } };

static const luaL_Reg metamethods[] = { { "__gc", process_collect }, { "__close", process_close }, { NULL, NULL } };

/* Pushes the table of functions. May raise. [-0, +1] */
int chsm_open_process(lua_State *L) {
  chsm_newclass(L, PROCESS_TYPE, methods, metamethods);
  lua_newtable(L);
  chsm_setfuncs(L, functions);
  return 1;
}
