#include "../core/journal.h"

#include "compat.h"
#include "module.h"

#define JOURNAL_TYPE "cloudhsmv2.journal"
#define CONTENT_TYPE "cloudhsmv2.journal_content"


/* Argument 1 as a journal that is open; raises where it is none. */
static chsm_journal *check_journal(lua_State *L) {
  chsm_journal *journal = luaL_checkudata(L, 1, JOURNAL_TYPE);
  luaL_argcheck(L, journal->open, 1, "the journal is closed");
  return journal;
}


/* Returns true, or nil and why it was not written. */
static int push_outcome(lua_State *L, chsm_file_status status, int error) {
  if (status == CHSM_FILE_WRITTEN) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  chsm_push_file_reason(L, status, "written", error);
  return 2;
}


/* open_journal(path) -> journal | nil, reason, whether another has it open */
static int journal_open(lua_State *L) {
  int error = 0;
  const char *path = chsm_check_path(L);
  chsm_journal *journal = chsm_newuserdata(L, sizeof *journal);
  *journal = (chsm_journal) { 0 };
  chsm_setclass(L, JOURNAL_TYPE);
  chsm_file_status status = chsm_journal_open(journal, path, &error);
  if (status == CHSM_FILE_READ) return 1;
  lua_pushnil(L);
  chsm_push_file_reason(L, status, "opened", error);
  lua_pushboolean(L, status == CHSM_FILE_BUSY);
  return 3;
}


/* Wipes the content of argument 1. Raises nothing after the check. */
static int content_close(lua_State *L) {
  chsm_buffer_wipe(luaL_checkudata(L, 1, CONTENT_TYPE));
  return 0;
}


/* journal:read(most) -> the whole file, of at most `most` bytes | nil, reason */
static int journal_read(lua_State *L) {
  int error = 0;
  chsm_journal *journal = check_journal(L);
  lua_Number most = luaL_checknumber(L, 2);
  luaL_argcheck(L, most >= 0 && most <= 1073741824.0, 2, "0 to 2^30 bytes");
  chsm_buffer *content = chsm_newuserdata(L, sizeof *content);
  *content = (chsm_buffer) { 0 };
  chsm_setclass(L, CONTENT_TYPE);
  chsm_file_status status = chsm_journal_read(journal, (size_t)most, content, &error);
  if (status == CHSM_FILE_READ) {
    lua_pushlstring(L, content->length ? content->bytes : "", content->length);
    chsm_buffer_wipe(content);
    return 1;
  }
  chsm_buffer_wipe(content);
  lua_pushnil(L);
  chsm_push_file_reason(L, status, "read", error);
  return 2;
}


/* journal:append(bytes) -> true: they are on the disk | nil, reason: none of them are in the file */
static int journal_append(lua_State *L) {
  int error = 0;
  size_t length;
  chsm_journal *journal = check_journal(L);
  const char *bytes = luaL_checklstring(L, 2, &length);
  return push_outcome(L, chsm_journal_append(journal, bytes, length, &error), error);
}


/* journal:cut(length) -> true: the file is that long now | nil, reason */
static int journal_cut(lua_State *L) {
  int error = 0;
  chsm_journal *journal = check_journal(L);
  lua_Number length = luaL_checknumber(L, 2);
  luaL_argcheck(L, length >= 0 && length <= (lua_Number)journal->length, 2, "not more bytes than there are");
  return push_outcome(L, chsm_journal_cut(journal, (size_t)length, &error), error);
}


/* journal:replace(bytes) -> true: they are the file now, as a whole and on the disk | nil, reason: the file is as it was */
static int journal_replace(lua_State *L) {
  int error = 0;
  size_t length;
  chsm_journal *journal = check_journal(L);
  const char *bytes = luaL_checklstring(L, 2, &length);
  return push_outcome(L, chsm_journal_replace(journal, bytes, length, &error), error);
}


/* journal:close(), __gc and __close: one function, any number of times, raises nothing after the check. */
static int journal_close(lua_State *L) {
  chsm_journal_close(luaL_checkudata(L, 1, JOURNAL_TYPE));
  return 0;
}


static const luaL_Reg functions[] = { { "open_journal", journal_open }, { NULL, NULL } };
static const luaL_Reg methods[] = {
  { "read", journal_read },       { "append", journal_append }, { "cut", journal_cut },
  { "replace", journal_replace }, { "close", journal_close },   { NULL, NULL },
};
static const luaL_Reg no_methods[] = { { NULL, NULL } };
static const luaL_Reg metamethods[] = { { "__gc", journal_close }, { "__close", journal_close }, { NULL, NULL } };
static const luaL_Reg content_metamethods[] = { { "__gc", content_close }, { NULL, NULL } };

/* Sets the functions into the table on top. May raise. [-0, +0] */
void chsm_open_journal(lua_State *L) {
  chsm_newclass(L, JOURNAL_TYPE, methods, metamethods);
  chsm_newclass(L, CONTENT_TYPE, no_methods, content_metamethods);
  chsm_setfuncs(L, functions);
}
