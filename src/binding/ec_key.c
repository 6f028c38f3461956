#include "../core/ec_key.h"

#include "compat.h"
#include "module.h"

#define EC_KEY_TYPE "cloudhsmv2.ec_key"


/* Argument 1, open; raises otherwise. */
static chsm_ec_key *check_key(lua_State *L) {
  chsm_ec_key *key = luaL_checkudata(L, 1, EC_KEY_TYPE);
  luaL_argcheck(L, key->key, 1, "the key is closed");
  return key;
}


/* ec_key(pem) -> key | nil, reason */
static int ec_key_new(lua_State *L) {
  size_t length;
  const char *pem = luaL_checklstring(L, 1, &length);
  chsm_ec_key *key = chsm_newuserdata(L, sizeof *key);
  *key = (chsm_ec_key) { .key = NULL };
  chsm_setclass(L, EC_KEY_TYPE);
  chsm_ec_key_status status = chsm_ec_key_open(key, pem, length);
  if (status == CHSM_EC_KEY_OK) return 1;
  lua_pushnil(L);
  lua_pushstring(L, chsm_ec_key_message(status));
  return 2;
}


/* key:public() -> x, y: the coordinates of the public point, 32 bytes each */
static int ec_key_public(lua_State *L) {
  const chsm_ec_key *key = check_key(L);
  lua_pushlstring(L, (const char *)key->x, sizeof key->x);
  lua_pushlstring(L, (const char *)key->y, sizeof key->y);
  return 2;
}


/* key:sign(bytes) -> r and s, 64 bytes, or an error when OpenSSL cannot */
static int ec_key_sign(lua_State *L) {
  unsigned char signature[CHSM_EC_SIGNATURE];
  size_t length;
  const chsm_ec_key *key = check_key(L);
  const char *bytes = luaL_checklstring(L, 2, &length);
  chsm_ec_key_status status = chsm_ec_key_sign(key, bytes, length, signature);
  if (status != CHSM_EC_KEY_OK) return luaL_error(L, "cloudhsmv2: %s", chsm_ec_key_message(status));
  lua_pushlstring(L, (const char *)signature, sizeof signature);
  return 1;
}


/* key:close(), __gc and __close: any number of times, raises nothing after the check. */
static int ec_key_close(lua_State *L) {
  chsm_ec_key_close(luaL_checkudata(L, 1, EC_KEY_TYPE));
  return 0;
}


static int ec_key_tostring(lua_State *L) {
  luaL_checkudata(L, 1, EC_KEY_TYPE);
  lua_pushliteral(L, EC_KEY_TYPE);
  return 1;
}


static const luaL_Reg functions[] = { { "ec_key", ec_key_new }, { NULL, NULL } };

static const luaL_Reg methods[] = { { "public", ec_key_public }, { "sign", ec_key_sign }, { "close", ec_key_close }, { NULL, NULL } };

static const luaL_Reg metamethods[] = {
  { "__gc", ec_key_close }, { "__close", ec_key_close }, { "__tostring", ec_key_tostring }, { NULL, NULL }
};

/* Sets the function into the table on top. May raise. [-0, +0] */
void chsm_open_ec_key(lua_State *L) {
  chsm_newclass(L, EC_KEY_TYPE, methods, metamethods);
  chsm_setfuncs(L, functions);
}
