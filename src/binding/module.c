#define _GNU_SOURCE /* dladdr, RTLD_NODELETE */

#include "module.h"

#include <dlfcn.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include <sys/utsname.h>

#include <openssl/rand.h>

#include "../core/clock.h"
#include "../core/digest.h"
#include "../core/hex.h"
#include "../core/random.h"
#include "../core/versions.h"
#include "compat.h"

#define CHSM_EXPORT __attribute__((visibility("default")))


/* now() -> seconds on a clock that never jumps */
static int module_now(lua_State *L) {
  lua_pushnumber(L, chsm_clock_monotonic());
  return 1;
}


/* time() -> seconds since 1970 */
static int module_time(lua_State *L) {
  lua_pushnumber(L, chsm_clock_wall());
  return 1;
}


/* sleep(seconds): blocks the thread */
static int module_sleep(lua_State *L) {
  chsm_clock_sleep(luaL_checknumber(L, 1));
  return 0;
}


/* random() -> number in [0, 1), from the operating system's generator, or an error when it has none */
static int module_random(lua_State *L) {
  unsigned char bytes[8];
  uint64_t bits = 0;
  if (RAND_bytes(bytes, (int)sizeof bytes) != 1) return luaL_error(L, "cloudhsmv2: no randomness from OpenSSL");
  for (size_t i = 0; i < sizeof bytes; i++)
    bits = bits << 8 | bytes[i];
  lua_pushnumber(L, ldexp((double)(bits >> 11), -53));
  return 1;
}


/* uuid() -> a random UUID (RFC 9562, version 4) in lower case, or an error when there is no randomness.  Its upvalue is a chsm_random. */
static int module_uuid(lua_State *L) {
  enum { SIZE = 16 };
  static const size_t groups[] = { 4, 2, 2, 2, 6 };
  unsigned char bytes[SIZE];
  char text[2 * SIZE + sizeof groups / sizeof *groups - 1];
  char *at = text;
  const unsigned char *from = bytes;
  chsm_random *random = lua_touserdata(L, lua_upvalueindex(1));
  if (!chsm_random_take(random, bytes, sizeof bytes)) return luaL_error(L, "cloudhsmv2: no randomness");
  bytes[6] = (unsigned char)((bytes[6] & 0x0F) | 0x40);
  bytes[8] = (unsigned char)((bytes[8] & 0x3F) | 0x80);
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
    if (i) *at++ = '-';
    chsm_hex_write(from, groups[i], at);
    from += groups[i];
    at += 2 * groups[i];
  }
  lua_pushlstring(L, text, sizeof text);
  return 1;
}


/* digest(name, bytes) -> the digest "sha1" or "sha256" in lower-case hexadecimal digits, or an error when OpenSSL lacks it */
static int module_digest(lua_State *L) {
  static const char *const names[] = { [CHSM_DIGEST_SHA1] = "sha1", [CHSM_DIGEST_SHA256] = "sha256", NULL };
  unsigned char digest[CHSM_DIGEST_MOST];
  char text[2 * CHSM_DIGEST_MOST];
  size_t length;
  chsm_digest_name name = (chsm_digest_name)luaL_checkoption(L, 1, NULL, names);
  const char *bytes = luaL_checklstring(L, 2, &length);
  size_t size = chsm_digest(name, bytes, length, digest);
  if (!size) return luaL_error(L, "cloudhsmv2: no %s from OpenSSL", names[name]);
  chsm_hex_write(digest, size, text);
  lua_pushlstring(L, text, 2 * size);
  return 1;
}


/* versions() -> { libcurl, tls, openssl, ca_file: strings; resolver, https_proxy, ipv6, no_proxy_networks, hook: booleans }, see versions.h
 */
static int module_versions(lua_State *L) {
  chsm_versions versions = chsm_versions_of();
  const struct {
    const char *name;
    bool has;
  } flags[] = { { "resolver", versions.resolver },
                { "https_proxy", versions.https_proxy },
                { "ipv6", versions.ipv6 },
                { "no_proxy_networks", versions.no_proxy_networks },
                { "hook", versions.hook } };
  lua_createtable(L, 0, 9);
  lua_pushstring(L, versions.libcurl);
  lua_setfield(L, -2, "libcurl");
  lua_pushstring(L, versions.tls); /* nil where there is none */
  lua_setfield(L, -2, "tls");
  lua_pushstring(L, versions.openssl);
  lua_setfield(L, -2, "openssl");
  lua_pushstring(L, versions.ca_file); /* nil where there is none */
  lua_setfield(L, -2, "ca_file");
  for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
    lua_pushboolean(L, flags[i].has);
    lua_setfield(L, -2, flags[i].name);
  }
  return 1;
}


static void set_text(lua_State *L, const char *name, const char *value) {
  lua_pushstring(L, value);
  lua_setfield(L, -2, name);
}


/* system() -> { name=, release=, machine= } as uname(2) has them, or an empty table. No I/O. */
static int module_system(lua_State *L) {
  struct utsname system;
  lua_createtable(L, 0, 3);
  if (uname(&system) < 0) return 1;
  set_text(L, "name", system.sysname);
  set_text(L, "release", system.release);
  set_text(L, "machine", system.machine);
  return 1;
}


/* Keeps this library in memory until the process ends: libcurl and OpenSSL leave handlers that run at exit, and Lua unloads its
   modules before. The linker's -z nodelete says the same, but not every build can pass it. */
static void stay_loaded(void) {
  static const char here = 0;
  Dl_info library;
  if (dladdr(&here, &library) && library.dli_fname) dlopen(library.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}


static const luaL_Reg functions[] = {
  { "now", module_now },       { "time", module_time },         { "sleep", module_sleep },   { "random", module_random },
  { "digest", module_digest }, { "versions", module_versions }, { "system", module_system }, { NULL, NULL },
};

/* Sets uuid into the table on top. [-0, +0] */
static void set_uuid(lua_State *L) {
  chsm_random *random = chsm_newuserdata(L, sizeof *random);
  *random = (chsm_random) { .left = 0 };
  lua_pushcclosure(L, module_uuid, 1);
  lua_setfield(L, -2, "uuid");
}


/* require "cloudhsmv2.core" -> the module table. No I/O, no globals. */
CHSM_EXPORT int luaopen_cloudhsmv2_core(lua_State *L);
CHSM_EXPORT int luaopen_cloudhsmv2_core(lua_State *L) {
  chsm_checkversion(L);
  stay_loaded();
  lua_newtable(L);
  chsm_setfuncs(L, functions);
  set_uuid(L);
  chsm_open_codec(L);
  lua_setfield(L, -2, "codec");
  chsm_open_signer(L);
  lua_setfield(L, -2, "signer");
  chsm_open_transfer(L);
  lua_setfield(L, -2, "transfer");
  chsm_open_file(L);
  chsm_open_journal(L);
  chsm_open_process(L);
  lua_setfield(L, -2, "process");
  chsm_open_ec_key(L);
  return 1;
}
