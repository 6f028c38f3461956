/* The parts of the one module. Each pushes its table, or sets its functions into the table on top, and may raise. */
#ifndef CHSM_MODULE_H
#define CHSM_MODULE_H

#include <lua.h>

#pragma GCC visibility push(hidden)

int chsm_open_codec(lua_State *L);
int chsm_open_signer(lua_State *L);
int chsm_open_transfer(lua_State *L);
int chsm_open_process(lua_State *L);
void chsm_open_file(lua_State *L);
void chsm_open_ec_key(lua_State *L);

#pragma GCC visibility pop

#endif
