/* Fails every allocation of Lua in turn, while a client does each thing that it can do: for one allocation, and from one on. After
   each failure the call has succeeded, has returned an error or has raised "not enough memory"; the next call succeeds; and when
   the state is closed nothing is left. Prints one line for each scenario and mode, then `oom: N passed, N failed`, counting points.

   Usage: oom NAME [SCENARIO]     with LUA_PATH and LUA_CPATH set as for the specs */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#if LUA_VERSION_NUM < 502
#include <luajit.h>
#define LUA_OK 0
#endif

/* What the allocator does and has seen. */
typedef struct memory {
  size_t live;          /* bytes */
  unsigned long grown;  /* allocations and growths since they were counted last */
  unsigned long fail;   /* the number of the one that fails first; 0: none */
  bool persistent;      /* all that follow fail, too */
  unsigned long failed; /* how many did */
} memory;

typedef struct sum {
  unsigned long points;
  unsigned long succeeded; /* although an allocation failed: Lua 5.4 collects garbage and tries again */
  unsigned long returned;  /* an error object */
  unsigned long raised;    /* "not enough memory" */
  unsigned long wrong;
} sum;


/* As lua_Alloc has it. What shrinks never fails: Lua relies on that. The size of a block stands before it, since LuaJIT does not always
   remember it right after a failure. */
static void *allocate(void *context, void *block, size_t unused, size_t new_size) {
  enum { BEFORE = 16 };
  memory *m = context;
  char *old = block ? (char *)block - BEFORE : NULL;
  size_t old_size = 0;
  (void)unused;
  if (old) memcpy(&old_size, old, sizeof old_size);
  if (!new_size) {
    free(old);
    m->live -= old_size;
    return NULL;
  }
  if (new_size > old_size) {
    m->grown++;
    if (m->fail && (m->grown == m->fail || (m->persistent && m->grown > m->fail))) {
      m->failed++;
      return NULL;
    }
  }
  char *moved = realloc(old, new_size + BEFORE);
  if (!moved) return NULL;
  memcpy(moved, &new_size, sizeof new_size);
  m->live = m->live - old_size + new_size;
  return moved + BEFORE;
}


/* The message on top of the stack says that there is no memory. */
static bool is_memory_error(lua_State *L, int status) {
  const char *message = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  return status == LUA_ERRMEM || (message && strstr(message, "not enough memory"));
}


/* Opens the libraries, and loads the scenarios. [-0, +1] when called by pcall */
static int load_scenarios(lua_State *L) {
  lua_settop(L, 0);
  luaL_openlibs(L);
#ifdef LUAJIT_VERSION
  /* LuaJIT 2.1.0-beta3 crashes by itself where memory ends inside of compiled code: a loop that makes tables is enough. */
  luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
#endif
  lua_getglobal(L, "require");
  lua_pushliteral(L, "spec.torture.oom");
  lua_call(L, 1, 1);
  return 1;
}


/* start(name) -> the function to call over and over */
static int start_scenario(lua_State *L) {
  const char *name = lua_touserdata(L, 1);
  lua_settop(L, 0);
  load_scenarios(L);
  lua_getfield(L, -1, "start");
  lua_pushstring(L, name);
  lua_call(L, 1, 1);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, "torture");
  return 0;
}


/* The function that was started, once: true, or nil and why not */
static int act(lua_State *L) {
  lua_settop(L, 0);
  lua_getfield(L, LUA_REGISTRYINDEX, "torture");
  lua_call(L, 0, 2);
  return 2;
}


/* Calls `function` so that nothing outside of the protection allocates. Results are left on the stack on success, the message else. */
static int protected(lua_State *L, lua_CFunction function, void *argument) {
#if LUA_VERSION_NUM < 502
  if (function != act) return lua_cpcall(L, function, argument);
  lua_getfield(L, LUA_REGISTRYINDEX, "act"); /* made beforehand: here a C function is an allocation */
  return lua_pcall(L, 0, 2, 0);
#else
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, argument);
  return lua_pcall(L, 1, function == act ? 2 : 0, 0);
#endif
}


static void complain(lua_State *L, const char *name, const char *what, unsigned long point) {
  const char *message = lua_gettop(L) && lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
  printf("%s, allocation %lu: %s: %s\n", name, point, what, message);
}


/* Fails allocation after allocation of a client that is already there. */
static void sweep(const char *name, bool persistent, sum *total) {
  memory m = { .live = 0 };
  lua_State *L = lua_newstate(allocate, &m);
  if (!L || protected(L, start_scenario, (void *)name) != LUA_OK) {
    if (L) complain(L, name, "does not start", 0);
    total->wrong++;
    return;
  }
#if LUA_VERSION_NUM < 502
  lua_pushcfunction(L, act);
  lua_setfield(L, LUA_REGISTRYINDEX, "act");
#endif
  for (unsigned long point = 1;; point++) {
    lua_settop(L, 0);
    lua_gc(L, LUA_GCCOLLECT, 0);
    m.grown = m.failed = 0;
    m.persistent = persistent;
    m.fail = point;
    int status = protected(L, act, NULL);
    m.fail = 0;
    if (!m.failed) break;
    total->points++;
    if (status != LUA_OK && is_memory_error(L, status)) {
      total->raised++;
    } else if (status != LUA_OK) {
      total->wrong++;
      complain(L, name, "raised something else", point);
    } else if (lua_toboolean(L, -2)) {
      total->succeeded++;
    } else if (lua_type(L, -1) == LUA_TSTRING) {
      total->returned++;
    } else {
      total->wrong++;
      complain(L, name, "failed without a reason", point);
    }
    lua_settop(L, 0);
    if (protected(L, act, NULL) != LUA_OK || !lua_toboolean(L, -2)) {
      total->wrong++;
      complain(L, name, "does not work afterwards", point);
    }
  }
  lua_close(L);
  if (m.live) {
    total->wrong++;
    printf("%s: %zu bytes are left\n", name, m.live);
  }
}


/* Fails allocations on the way from nothing to a first call: the state, the libraries, `require`, `new`. Every `stride`th of them. */
static void sweep_cold(const char *name, bool persistent, unsigned long stride, sum *total) {
  for (unsigned long point = 1;; point += stride) {
    memory m = { .fail = point, .persistent = persistent };
    lua_State *L = lua_newstate(allocate, &m);
    int status = LUA_OK;
    if (L) {
      status = protected(L, start_scenario, (void *)name);
      if (status != LUA_OK && !is_memory_error(L, status) && !m.failed) {
        total->wrong++;
        complain(L, name, "raised something else", point);
      }
      m.fail = 0;
      lua_close(L);
    }
    if (m.live) {
      total->wrong++;
      printf("%s, allocation %lu: %zu bytes are left\n", name, point, m.live);
    }
    if (!m.failed) return;
    total->points++;
    if (!L || status != LUA_OK)
      total->raised++;
    else
      total->succeeded++;
  }
}


static void report(const char *lua, const char *name, const char *mode, const sum *s) {
  printf("%s, %s, %s: %lu points, %lu succeeded, %lu returned an error, %lu raised, %lu wrong\n", lua, name, mode, s->points, s->succeeded,
         s->returned, s->raised, s->wrong);
}


int main(int count, char **arguments) {
  enum { MOST = 64, COLD_STRIDE = 37 };
  const char *lua = count > 1 ? arguments[1] : "lua";
  char *names[MOST] = { NULL };
  size_t found = 0;
  memory m = { .live = 0 };
  lua_State *L = lua_newstate(allocate, &m);
  if (!L) return 1;
  luaL_openlibs(L);
  if (luaL_dostring(L, "return require('spec.torture.oom').names")) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    return 1;
  }
  for (; found < MOST; found++) {
    lua_rawgeti(L, -1, (int)found + 1);
    if (!lua_isstring(L, -1)) break;
    names[found] = strdup(lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  lua_close(L);

  sum all = { .points = 0 };
  for (size_t i = 0; i < found; i++) {
    for (int persistent = 0; persistent < 2 && (count < 3 || !strcmp(arguments[2], names[i])); persistent++) {
      const char *mode = persistent ? "all from one on" : "one";
      sum one = { .points = 0 };
      sweep(names[i], persistent, &one);
      if (i == 0) sweep_cold(names[i], persistent, COLD_STRIDE, &one);
      report(lua, names[i], mode, &one);
      all.points += one.points;
      all.wrong += one.wrong;
    }
    fflush(stdout);
  }
  for (size_t i = 0; i < found; i++)
    free(names[i]);
  printf("oom-%s: %lu passed, %lu failed\n", lua, all.points - (all.wrong > all.points ? all.points : all.wrong), all.wrong);
  return all.wrong || !all.points;
}
