/* The parts of the one module. Each pushes its table, or sets its functions into the table on top, and may raise. */
#ifndef CHSM_MODULE_H
#define CHSM_MODULE_H

#include <lua.h>

#include "../core/file.h"

#pragma GCC visibility push(hidden)

int chsm_open_codec(lua_State *L);
int chsm_open_signer(lua_State *L);
int chsm_open_transfer(lua_State *L);
int chsm_open_process(lua_State *L);
void chsm_open_file(lua_State *L);
void chsm_open_ec_key(lua_State *L);
void chsm_open_journal(lua_State *L);

/* What those that deal with files share. */
const char *chsm_check_path(lua_State *L);
void chsm_push_file_reason(lua_State *L, chsm_file_status status, const char *done, int error);

#pragma GCC visibility pop

#endif
