/* Values that are written and read again: nothing is lost, a second writing gives the same bytes, and what is written is JSON
   to a strict reader. The bytes of the input steer a generator of values. */
#include "harness.h"
#include "json_oracle.h"

enum { MODEL = 1, ENCODER, DECODE, LIST, TOP = LIST, DEPTH = 24 };

static const char MODEL_OF_ALL[] =
    "local codec = require 'cloudhsmv2.core'.codec\n"
    "local function to(name) return { shape = name } end\n"
    "return codec.compile {\n"
    "  S = { type = 'string' }, I = { type = 'integer' }, L = { type = 'long' }, D = { type = 'double' }, B = { type = 'boolean' },\n"
    "  T = { type = 'timestamp' }, H = { type = 'timestamp', timestampFormat = 'rfc822' },\n"
    "  Z = { type = 'timestamp', timestampFormat = 'iso8601' }, X = { type = 'blob' },\n"
    "  SL = { type = 'list', member = to 'S' }, AL = { type = 'list', member = to 'A' }, IM = { type = 'map', key = to 'S', value = to 'I' "
    "},\n"
    "  U = { type = 'structure', union = true, members = { s = to 'S', i = to 'I' } },\n"
    "  J = { type = 'structure', document = true, members = {} },\n"
    "  A = { type = 'structure', members = { s = to 'S', i = to 'I', l = to 'L', d = to 'D', b = to 'B', t = to 'T', h = to 'H',\n"
    "    z = to 'Z', x = to 'X', sl = to 'SL', al = to 'AL', im = to 'IM', u = to 'U', j = to 'J', a = to 'A' } },\n"
    "}";

typedef struct source {
  lua_State *L;
  const uint8_t *at;
  const uint8_t *end;
  bool any_byte; /* strings may be made that JSON cannot hold */
} source;

static void make_structure(source *s, int depth);
static void make_document(source *s, int depth);


static unsigned take(source *s) { return s->at < s->end ? *s->at++ : 0; }


static uint64_t take_bits(source *s, int bytes) {
  uint64_t bits = 0;
  while (bytes--)
    bits = bits << 8 | take(s);
  return bits;
}


static void make_string(source *s, bool any_byte) {
  static oracle judge;
  size_t length = take(s) % 64;
  if (length > (size_t)(s->end - s->at)) length = (size_t)(s->end - s->at);
  judge.at = s->at;
  judge.end = s->at + length;
  judge.text_used = 0;
  while (!any_byte && !s->any_byte && judge.at < judge.end)
    if (!oracle_utf8(&judge)) length = (size_t)(judge.at - s->at), judge.end = judge.at;
  lua_pushlstring(s->L, (const char *)s->at, length);
  s->at += length;
}


/* Mostly a number as people write them; sometimes any double at all. */
static double make_double(source *s) {
  if (take(s) % 8) return ((double)take_bits(s, 3) + 1) / (double)(take(s) + 1);
  uint64_t bits = take_bits(s, 8);
  double value;
  memcpy(&value, &bits, sizeof value);
  return value == value && value != 0 ? value : 0.5; /* -0 comes back as the integer 0 */
}


static void make_member(source *s, unsigned kind, int depth) {
  lua_State *L = s->L;
  switch (kind) {
  case 0:
    make_string(s, false);
    lua_setfield(L, -2, "s");
    break;
  case 1:
    lua_pushinteger(L, (lua_Integer)(int32_t)take_bits(s, 4));
    lua_setfield(L, -2, "i");
    break;
  case 2:
    lua_pushinteger(L, (lua_Integer)take_bits(s, 8));
    lua_setfield(L, -2, "l");
    break;
  case 3:
    lua_pushnumber(L, make_double(s));
    lua_setfield(L, -2, "d");
    break;
  case 4:
    lua_pushboolean(L, (int)take(s) & 1);
    lua_setfield(L, -2, "b");
    break;
  case 5:
    lua_pushnumber(L, (double)((int64_t)take_bits(s, 6) % INT64_C(60000000000000)) / 1000);
    lua_setfield(L, -2, "t");
    break;
  case 6:
    lua_pushnumber(L, (double)((int64_t)take_bits(s, 6) % INT64_C(253402300800)));
    lua_setfield(L, -2, "h");
    break;
  case 7:
    lua_pushnumber(L, (double)((int64_t)take_bits(s, 6) % INT64_C(253402300800)));
    lua_setfield(L, -2, "z");
    break;
  case 8:
    make_string(s, true);
    lua_setfield(L, -2, "x");
    break;
  case 9:
    lua_newtable(L);
    for (unsigned i = 1, count = take(s) % 5; i <= count; i++) {
      make_string(s, false);
      lua_rawseti(L, -2, i);
    }
    lua_setfield(L, -2, "sl");
    break;
  case 10:
    lua_newtable(L);
    for (unsigned i = 1, count = take(s) % 3; i <= count; i++) {
      make_structure(s, depth - 1);
      lua_rawseti(L, -2, i);
    }
    lua_setfield(L, -2, "al");
    break;
  case 11:
    lua_newtable(L);
    for (unsigned count = take(s) % 4; count; count--) {
      make_string(s, false);
      lua_pushinteger(L, (lua_Integer)take(s));
      lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "im");
    break;
  case 12:
    lua_newtable(L);
    make_member(s, take(s) & 1, depth);
    lua_setfield(L, -2, "u");
    break;
  case 13:
    make_document(s, depth - 1);
    if (lua_islightuserdata(L, -1))
      lua_pop(L, 1); /* a member that is null is one that is not there */
    else
      lua_setfield(L, -2, "j");
    break;
  default:
    make_structure(s, depth - 1);
    lua_setfield(L, -2, "a");
    break;
  }
}


static void make_structure(source *s, int depth) {
  luaL_checkstack(s->L, 8, "value");
  lua_newtable(s->L);
  if (depth <= 0) return;
  for (unsigned count = take(s) % 6; count; count--)
    make_member(s, take(s) % 15, depth);
}


static void make_document(source *s, int depth) {
  lua_State *L = s->L;
  luaL_checkstack(L, 8, "value");
  unsigned kind = depth <= 0 ? take(s) % 5 : take(s) % 7;
  double number;
  switch (kind) {
  case 0: make_string(s, false); break;
  case 1:
    number = make_double(s);
    lua_pushnumber(L, isfinite(number) ? number : 1);
    break;
  case 2: lua_pushboolean(L, (int)take(s) & 1); break;
  case 3: lua_pushlightuserdata(L, NULL); break;
  case 4: lua_pushinteger(L, (lua_Integer)take_bits(s, 8)); break;
  case 5:
    lua_pushvalue(L, LIST);
    lua_newtable(L);
    for (unsigned i = 1, count = take(s) % 4; i <= count; i++) {
      make_document(s, depth - 1);
      lua_rawseti(L, -2, i);
    }
    lua_call(L, 1, 1);
    break;
  default:
    lua_newtable(L);
    for (unsigned count = take(s) % 4; count; count--) {
      make_string(s, false);
      make_document(s, depth - 1);
      lua_rawset(L, -3);
    }
  }
}


/* Whether the values at two absolute indices are the same, through all tables. */
static bool same(lua_State *L, int a, int b) {
  luaL_checkstack(L, 8, "comparison");
  if (lua_type(L, a) != lua_type(L, b)) return false;
  if (lua_type(L, a) == LUA_TNUMBER) {
    if (lua_rawequal(L, a, b)) return true;
    return !lua_isinteger(L, a) && lua_tonumber(L, a) == lua_tonumber(L, b); /* 2.0 comes back as 2 */
  }
  if (!lua_istable(L, a)) return lua_rawequal(L, a, b);
  int left = 0;
  for (lua_pushnil(L); lua_next(L, a); lua_pop(L, 1), left++) {
    lua_pushvalue(L, -2);
    lua_rawget(L, b);
    if (!same(L, lua_gettop(L) - 1, lua_gettop(L))) return false;
    lua_pop(L, 1);
  }
  for (lua_pushnil(L); lua_next(L, b); lua_pop(L, 1))
    left--;
  return left == 0;
}


/* model:encoder(shape)(value) -> its results on the stack. */
static int encode(lua_State *L, const char *shape, int value) {
  int before = lua_gettop(L);
  lua_pushvalue(L, ENCODER);
  lua_pushvalue(L, MODEL);
  lua_pushstring(L, shape);
  lua_pushboolean(L, 1);
  EXPECT(lua_pcall(L, 3, 1, 0) == LUA_OK);
  lua_pushvalue(L, value);
  EXPECT(lua_pcall(L, 1, LUA_MULTRET, 0) == LUA_OK);
  return lua_gettop(L) - before;
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static lua_State *L;
  static oracle judge;
  if (!L) {
    L = fuzz_lua();
    fuzz_run(L, MODEL_OF_ALL);
    lua_getfield(L, MODEL, "encoder");
    lua_getfield(L, MODEL, "decode");
    fuzz_run(L, "return require 'cloudhsmv2.core'.codec.list");
  }
  source s = { .L = L, .at = data, .end = data + size };
  unsigned flags = take(&s);
  bool document = flags & 1;
  s.any_byte = flags & 2;
  const char *shape = document ? "J" : "A";
  if (document)
    make_document(&s, DEPTH);
  else
    make_structure(&s, DEPTH);
  int value = lua_gettop(L);

  encode(L, shape, value);
  int json = value + 1;
  bool written = lua_type(L, json) == LUA_TSTRING;
  EXPECT(written || s.any_byte);
  if (written) {
    size_t length;
    const char *text = lua_tolstring(L, json, &length);
    const node *root = oracle_read(&judge, (const uint8_t *)text, length);
    EXPECT(root || judge.nodes_used == ORACLE_MOST_NODES || judge.text_used >= ORACLE_MOST_TEXT - 8);

    lua_pushvalue(L, DECODE);
    lua_pushvalue(L, MODEL);
    lua_pushstring(L, shape);
    lua_pushvalue(L, json);
    EXPECT(lua_pcall(L, 3, 1, 0) == LUA_OK);
    int back = lua_gettop(L);
    EXPECT(!lua_isnil(L, back));
    EXPECT(same(L, value, back));
    EXPECT(encode(L, shape, back) == 1 && lua_rawequal(L, -1, json));
  }
  lua_settop(L, TOP);
  return 0;
}
