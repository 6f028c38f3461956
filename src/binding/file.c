#include <string.h>

#include "../core/file.h"
#include "compat.h"
#include "module.h"

#define CONTENT_TYPE "cloudhsmv2.file_content"


/* Wipes the content of argument 1. Raises nothing after the check. */
static int content_close(lua_State *L) {
  chsm_buffer_wipe(luaL_checkudata(L, 1, CONTENT_TYPE));
  return 0;
}


/* Pushes why a file was not `done`: read or written. The texts are our own: those of the system follow the locale. [-0, +1] */
void chsm_push_file_reason(lua_State *L, chsm_file_status status, const char *done, int error) {
  switch (status) {
  case CHSM_FILE_MISSING: lua_pushliteral(L, "there is no such folder"); return;
  case CHSM_FILE_FORBIDDEN: lua_pushliteral(L, "permission denied"); return;
  case CHSM_FILE_NOT_REGULAR: lua_pushliteral(L, "not a regular file"); return;
  case CHSM_FILE_TOO_LARGE: lua_pushliteral(L, "too large"); return;
  case CHSM_FILE_NO_MEMORY: lua_pushliteral(L, "out of memory"); return;
  case CHSM_FILE_NO_SPACE: lua_pushliteral(L, "no space left"); return;
  case CHSM_FILE_BUSY: lua_pushliteral(L, "in use"); return;
  default: lua_pushfstring(L, "cannot be %s (errno %d)", done, error); return;
  }
}


/* Argument 1; raises where it is none. */
const char *chsm_check_path(lua_State *L) {
  size_t length;
  const char *path = luaL_checklstring(L, 1, &length);
  luaL_argcheck(L, strlen(path) == length, 1, "a path cannot have a zero byte");
  return path;
}


/* read_file(path, most) -> content of a regular file of at most `most` bytes | nil: there is none | nil, reason.
   The copy that is not Lua's is wiped, also when Lua runs out of memory. */
static int file_read(lua_State *L) {
  const char *path = chsm_check_path(L);
  lua_Number most = luaL_checknumber(L, 2);
  luaL_argcheck(L, most >= 0 && most <= 1073741824.0, 2, "0 to 2^30 bytes");

  chsm_buffer *content = chsm_newuserdata(L, sizeof *content);
  *content = (chsm_buffer) { 0 };
  chsm_setclass(L, CONTENT_TYPE);
  int error = 0;
  chsm_file_status status = chsm_file_read(path, (size_t)most, content, &error);
  if (status == CHSM_FILE_READ) {
    lua_pushlstring(L, content->length ? content->bytes : "", content->length);
    chsm_buffer_wipe(content);
    return 1;
  }
  chsm_buffer_wipe(content);
  lua_pushnil(L);
  if (status == CHSM_FILE_MISSING) return 1;
  chsm_push_file_reason(L, status, "read", error);
  return 2;
}


/* write_file(path, bytes) -> true | nil, reason: replaces the file as a whole, readable by its owner alone. There is no copy of the bytes
   outside of Lua. */
static int file_write(lua_State *L) {
  size_t length;
  int error = 0;
  const char *path = chsm_check_path(L);
  const char *bytes = luaL_checklstring(L, 2, &length);
  chsm_file_status status = chsm_file_write(path, bytes, length, &error);
  if (status == CHSM_FILE_WRITTEN) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  chsm_push_file_reason(L, status, "written", error);
  return 2;
}


static const luaL_Reg functions[] = { { "read_file", file_read }, { "write_file", file_write }, { NULL, NULL } };
static const luaL_Reg methods[] = { { NULL, NULL } };
static const luaL_Reg metamethods[] = { { "__gc", content_close }, { NULL, NULL } };

/* Sets the functions into the table on top. May raise. [-0, +0] */
void chsm_open_file(lua_State *L) {
  chsm_newclass(L, CONTENT_TYPE, methods, metamethods);
  chsm_setfuncs(L, functions);
}
