#include "../core/ec_key.h"

#include "compat.h"
#include "module.h"

#define EC_KEY_TYPE "cloudhsmv2.ec_key"


/* Argument 1 as a key that is open; raises otherwise. */
static chsm_ec_key *check_key(lua_State *L) {
  chsm_ec_key *key = luaL_checkudata(L, 1, EC_KEY_TYPE);
  if (!key->key) luaL_argerror(L, 1, "the key is closed");
  return key;
}


/* ec_key(pem) -> key | nil, reason */
static int ec_key_new(lua_State *L) {
  size_t length;
  const char *pem = luaL_checklstring(L, 1, &length);
  chsm_ec_key *key = chsm_newuserdata(L, sizeof *key);
  *key = (chsm_ec_key) { .key = NULL };
  chsm_setclass(L, EC_KEY_TYPE);
  chsm_ec_status status = chsm_ec_key_read(key, pem, length);
  if (status == CHSM_EC_OK) return 1;
  lua_pushnil(L);
  if (status == CHSM_EC_OTHER_KIND)
    lua_pushliteral(L, "the key is not one on the curve P-256");
  else
    lua_pushliteral(L, "no private key in PEM that needs no passphrase");
  return 2;
}


/* key:public() -> x, y, 32 bytes each */
static int ec_key_public(lua_State *L) {
  const chsm_ec_key *key = check_key(L);
  lua_pushlstring(L, (const char *)key->x, sizeof key->x);
  lua_pushlstring(L, (const char *)key->y, sizeof key->y);
  return 2;
}


/* key:sign(bytes) -> 64 bytes | nil, reason */
static int ec_key_sign(lua_State *L) {
  size_t length;
  unsigned char signature[CHSM_EC_SIGNATURE];
  const chsm_ec_key *key = check_key(L);
  const char *bytes = luaL_checklstring(L, 2, &length);
  if (chsm_ec_key_sign(key, bytes, length, signature) == CHSM_EC_OK) {
    lua_pushlstring(L, (const char *)signature, sizeof signature);
    return 1;
  }
  lua_pushnil(L);
  lua_pushliteral(L, "OpenSSL could not sign with the key");
  return 2;
}


/* key:close(), __gc and __close: any number of times, raises nothing after the check. */
static int ec_key_close(lua_State *L) {
  chsm_ec_key_wipe(luaL_checkudata(L, 1, EC_KEY_TYPE));
  return 0;
}


static const luaL_Reg methods[] = { { "public", ec_key_public }, { "sign", ec_key_sign }, { "close", ec_key_close }, { NULL, NULL } };
static const luaL_Reg metamethods[] = { { "__gc", ec_key_close }, { "__close", ec_key_close }, { NULL, NULL } };

/* Pushes the function ec_key. May raise. [-0, +1] */
int chsm_open_ec_key(lua_State *L) {
  chsm_newclass(L, EC_KEY_TYPE, methods, metamethods);
  lua_pushcfunction(L, ec_key_new);
  return 1;
}
