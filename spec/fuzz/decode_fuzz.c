/* Decoding by shape, from bytes to Lua values, against a second opinion: what a strict reader makes of the text, and what the
   shape allows of that. They have to agree on whether there is a value, and on every part of it. */
#include "date_oracle.h"
#include "harness.h"
#include "json_oracle.h"

enum { CODEC = 1, MODEL = 2 };

/* A structure with a member of every kind. `Document` is the other shape that inputs are read as. */
static const char MODEL_OF_ALL[] =
    "local codec = require 'cloudhsmv2.core'.codec\n"
    "local function to(name) return { shape = name } end\n"
    "return codec.compile {\n"
    "  S = { type = 'string' }, N = { type = 'string', lenient = true }, I = { type = 'integer' }, L = { type = 'long' },\n"
    "  D = { type = 'double' }, B = { type = 'boolean' }, T = { type = 'timestamp' }, X = { type = 'blob' },\n"
    "  DL = { type = 'list', member = to 'S' }, SL = { type = 'list', member = to 'I', sparse = true },\n"
    "  DM = { type = 'map', key = to 'S', value = to 'I' }, SM = { type = 'map', key = to 'S', value = to 'S', sparse = true },\n"
    "  U = { type = 'structure', union = true, members = { s = to 'S', i = to 'I' } },\n"
    "  Document = { type = 'structure', document = true, members = {} },\n"
    "  A = { type = 'structure', members = { s = to 'S', n = to 'N', i = to 'I', l = to 'L', d = to 'D', b = to 'B', t = to 'T',\n"
    "    x = to 'X', dl = to 'DL', sl = to 'SL', dm = to 'DM', sm = to 'SM', u = to 'U', doc = to 'Document', a = to 'A' } },\n"
    "}";

typedef enum { S, N, I, L, D, B, T, X, DL, SL, DM, SM, U, DOCUMENT, A, ANY, SHAPES } shape;

static const struct {
  const char *name;
  shape of;
} MEMBERS[] = { { "s", S },   { "n", N },   { "i", I },   { "l", L },   { "d", D }, { "b", B },          { "t", T }, { "x", X },
                { "dl", DL }, { "sl", SL }, { "dm", DM }, { "sm", SM }, { "u", U }, { "doc", DOCUMENT }, { "a", A } };

static bool agree(lua_State *state, const node *n, shape s, bool compare);


/* The shape of the member `n` of a structure; SHAPES: it has no such member. */
static shape member_shape(const node *n, shape of) {
  for (size_t i = 0; i < sizeof MEMBERS / sizeof *MEMBERS; i++)
    if (n->key_length == strlen(MEMBERS[i].name) && !memcmp(n->key, MEMBERS[i].name, n->key_length) && (of == A || i == 0 || i == 2))
      return MEMBERS[i].of;
  return SHAPES;
}


static bool whole(const node *n, int64_t *value) {
  if (n->integral) {
    char *end;
    *value = (int64_t)strtoll(n->text, &end, 10);
    return !((*value == INT64_MAX || *value == INT64_MIN) && strcmp(n->text, "9223372036854775807") &&
             strcmp(n->text, "-9223372036854775808"));
  }
  if (n->number != floor(n->number) || fabs(n->number) > 9007199254740992.0) return false;
  *value = (int64_t)n->number;
  return true;
}


/* The bytes of base64 text by the table of RFC 4648; -1: it is none. */
static long base64(const node *n, char *out) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t length = n->length;
  if (length % 4) return -1;
  if (length && n->text[length - 1] == '=') length--;
  if (length && length < n->length && n->text[length - 1] == '=') length--;
  unsigned bits = 0;
  int held = 0;
  long made = 0;
  for (size_t i = 0; i < length; i++) {
    const char *found = n->text[i] ? strchr(alphabet, n->text[i]) : NULL;
    if (!found) return -1;
    bits = (bits << 6 | (unsigned)(found - alphabet)) & 0xFFFF;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out[made++] = (char)(bits >> held & 0xFF);
    }
  }
  return bits & ((1u << held) - 1) ? -1 : made;
}


/* The functions below say whether the shape allows the node; with `compare` also that the value on top of the stack is it. */

static bool is_string(lua_State *state, const char *bytes, size_t length, bool compare) {
  if (compare) {
    size_t got;
    EXPECT(lua_type(state, -1) == LUA_TSTRING);
    const char *text = lua_tolstring(state, -1, &got);
    EXPECT(got == length && (!length || !memcmp(text, bytes, length)));
  }
  return true;
}


static bool is_number(lua_State *state, double value, bool compare) {
  if (compare) EXPECT(lua_type(state, -1) == LUA_TNUMBER && (lua_tonumber(state, -1) == value || value != value));
  return true;
}


static bool is_integer(lua_State *state, const node *n, bool compare) {
  int64_t value;
  if (n->kind != NODE_NUMBER || !whole(n, &value)) return false;
  if (compare) EXPECT(lua_isinteger(state, -1) && lua_tointeger(state, -1) == value);
  return true;
}


static bool is_any(lua_State *state, const node *n, bool compare) {
  int64_t value;
  switch (n->kind) {
  case NODE_NULL:
    if (compare) EXPECT(lua_islightuserdata(state, -1) && !lua_touserdata(state, -1));
    return true;
  case NODE_TRUE:
  case NODE_FALSE:
    if (compare) EXPECT(lua_isboolean(state, -1) && lua_toboolean(state, -1) == (n->kind == NODE_TRUE));
    return true;
  case NODE_STRING: return is_string(state, n->text, n->length, compare);
  default:
    if (n->integral && whole(n, &value)) return is_integer(state, n, compare);
    return isfinite(n->number) && is_number(state, n->number, compare);
  }
}


/* The elements of a list one by one; a null among those of a dense one is not there. */
static bool is_list(lua_State *state, const node *n, shape element, bool sparse, bool compare) {
  lua_Integer count = 0;
  for (const node *e = n->first; e; e = e->next) {
    if (e->kind == NODE_NULL && !sparse) continue;
    if (compare) lua_rawgeti(state, -1, ++count);
    bool good = e->kind == NODE_NULL ? is_any(state, e, compare) : agree(state, e, element, compare);
    if (!good) return false;
    if (compare) lua_pop(state, 1);
  }
  if (compare) EXPECT((lua_Integer)lua_rawlen(state, -1) == count);
  return true;
}


static size_t keys_of(lua_State *state) {
  size_t count = 0;
  for (lua_pushnil(state); lua_next(state, -2); lua_pop(state, 1))
    count++;
  return count;
}


/* The members of an object one by one. No name is there twice, where a null counts among the members of a shape, and where `sparse`. */
static bool is_object(lua_State *state, const node *n, shape of, shape element, bool sparse, bool compare) {
  size_t count = 0;
  size_t variants = 0;
  for (const node *e = n->first; e; e = e->next) {
    shape s = of == A || of == U ? member_shape(e, of) : element;
    bool known = (of == A || of == U) && s != SHAPES;
    if (s == SHAPES) s = ANY;
    if (known && oracle_repeated(e, false)) return false;
    if (e->kind == NODE_NULL && !sparse) continue;
    if (known && of == U && ++variants > 1) return false;
    if (of == U && !known) {
      if (!agree(state, e, s, false)) return false;
      continue; /* kept as SDK_UNKNOWN_MEMBER, and no part of the comparison */
    }
    if (!known && oracle_repeated(e, !sparse)) return false;
    if (compare) {
      lua_pushlstring(state, e->key, e->key_length);
      lua_rawget(state, -2);
      count++;
    }
    bool good = e->kind == NODE_NULL ? is_any(state, e, compare) : agree(state, e, s, compare);
    if (!good) return false;
    if (compare) lua_pop(state, 1);
  }
  if (compare && of != U) EXPECT(keys_of(state) == count);
  return true;
}


static bool agree(lua_State *state, const node *n, shape s, bool compare) {
  static char bytes[ORACLE_MOST_TEXT];
  double seconds;
  bool collection = n->kind == NODE_ARRAY || n->kind == NODE_OBJECT;
  if (compare && collection) {
    EXPECT(lua_istable(state, -1));
    luaL_checkstack(state, 8, "comparison");
  }
  switch (s) {
  case S: return n->kind == NODE_STRING && is_string(state, n->text, n->length, compare);
  case N: return (n->kind == NODE_STRING || n->kind == NODE_NUMBER) && is_string(state, n->text, n->length, compare);
  case I:
  case L: return is_integer(state, n, compare);
  case D:
    if (n->kind == NODE_NUMBER) return isfinite(n->number) && is_number(state, n->number, compare);
    if (n->kind != NODE_STRING) return false;
    if (n->length == 3 && !memcmp(n->text, "NaN", 3)) return is_number(state, NAN, compare);
    if (n->length == 8 && !memcmp(n->text, "Infinity", 8)) return is_number(state, INFINITY, compare);
    return n->length == 9 && !memcmp(n->text, "-Infinity", 9) && is_number(state, -INFINITY, compare);
  case B: return (n->kind == NODE_TRUE || n->kind == NODE_FALSE) && is_any(state, n, compare);
  case T:
    if (n->kind == NODE_NUMBER)
      return n->number >= ORACLE_DATE_FIRST && n->number < ORACLE_DATE_AFTER && is_number(state, n->number, compare);
    if (n->kind != NODE_STRING || !date_oracle_read(n->text, n->length, &seconds)) return false;
    if (compare) EXPECT(date_oracle_same(lua_tonumber(state, -1), seconds));
    return true;
  case X: {
    long length = n->kind == NODE_STRING ? base64(n, bytes) : -1;
    return length >= 0 && is_string(state, bytes, (size_t)length, compare);
  }
  case DL: return n->kind == NODE_ARRAY && is_list(state, n, S, false, compare);
  case SL: return n->kind == NODE_ARRAY && is_list(state, n, I, true, compare);
  case DM: return n->kind == NODE_OBJECT && is_object(state, n, DM, I, false, compare);
  case SM: return n->kind == NODE_OBJECT && is_object(state, n, SM, S, true, compare);
  case U: return n->kind == NODE_OBJECT && is_object(state, n, U, ANY, false, compare);
  case A: return n->kind == NODE_OBJECT && is_object(state, n, A, ANY, false, compare);
  default:
    if (n->kind == NODE_ARRAY) return is_list(state, n, s, s == DOCUMENT, compare);
    if (n->kind == NODE_OBJECT) return is_object(state, n, s, s, s == DOCUMENT, compare);
    return is_any(state, n, compare);
  }
}


static bool has_long_date(const node *n) { return n->kind == NODE_STRING && n->length >= ORACLE_DATE_TEXT; }


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static lua_State *state;
  static oracle second;
  if (!state) {
    state = fuzz_lua();
    fuzz_run(state, MODEL_OF_ALL);
    lua_getfield(state, -1, "decode");
    lua_insert(state, -2);
  }
  if (!size) return 0;
  bool document = data[0] & 1;
  const node *root = oracle_read(&second, data + 1, size - 1);
  if (second.nodes_used == ORACLE_MOST_NODES || second.text_used >= ORACLE_MOST_TEXT - 8) return 0;
  for (size_t i = 0; i < second.nodes_used; i++)
    if (has_long_date(&second.nodes[i])) return 0;
  shape s = document ? DOCUMENT : A;
  bool expected = root && agree(state, root, s, false);

  lua_pushvalue(state, CODEC);
  lua_pushvalue(state, MODEL);
  lua_pushstring(state, document ? "Document" : "A");
  lua_pushlstring(state, (const char *)data + 1, size - 1);
  EXPECT(lua_pcall(state, 3, LUA_MULTRET, 0) == LUA_OK);
  bool decoded = lua_gettop(state) == MODEL + 1;
  EXPECT(decoded == expected);
  if (decoded) {
    agree(state, root, s, true);
  } else {
    EXPECT(lua_gettop(state) == MODEL + 4 && lua_isnil(state, MODEL + 1) && lua_type(state, MODEL + 2) == LUA_TSTRING);
    EXPECT(lua_tonumber(state, MODEL + 4) >= 1 && lua_tonumber(state, MODEL + 4) <= (double)size);
  }
  lua_settop(state, MODEL);
  return 0;
}
