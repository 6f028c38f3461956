/* Lua values to JSON, by shape. The encoder only reads the caller's tables, raw, and makes nothing in Lua before its last step, so no
   finalizer and no metamethod can change what it walks. */
#include "codec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../core/base64.h"
#include "../core/date.h"
#include "../core/json.h"
#include "../core/number.h"

/* Lua's stack is enlarged for LEVELS levels at a time: few values are deeper, and asking costs. */
enum { MOST_PROBLEMS = 50, LONGEST_SHOWN = 40, LEVELS = 4, RESERVED = LEVELS * CHSM_CODEC_SLOTS };

static const double EXACT_INTEGER = 9007199254740992.0; /* 2^53 */

/* A table that is being written, to notice one that contains itself. */
typedef struct ancestor {
  const void *table;
  const struct ancestor *up;
} ancestor;

/* A place inside the value, for the path of a problem. `name` is NULL for an element of a list. */
typedef struct place {
  const struct place *up;
  const char *name;
  size_t length;
  int64_t index;
} place;

typedef struct encoder {
  lua_State *L;
  const chsm_model *model;
  chsm_work *work;
  int keys;         /* index of the member names */
  bool constraints; /* whether `required` and `min` are checked */
  int depth;
  size_t problem_count;
  chsm_status status; /* of the buffers; once bad, nothing more is written */
  const ancestor *ancestors;
  const place *where;
} encoder;

/* The upvalues of an encoder. */
enum { MODEL = 1, KEYS, WORK, SHAPE, CONSTRAINTS };

static void encode_value(encoder *e, const chsm_shape *shape, const chsm_member *member);


static void put_into(encoder *e, chsm_buffer *buffer, const char *bytes, size_t length) {
  if (e->status == CHSM_OK) e->status = chsm_buffer_append(buffer, bytes, length);
}


static void put(encoder *e, const char *bytes, size_t length) { put_into(e, &e->work->out, bytes, length); }


static inline void put_byte(encoder *e, char byte) {
  chsm_buffer *out = &e->work->out;
  if (e->status == CHSM_OK && out->length < out->capacity && out->length < CHSM_CODEC_BYTES)
    out->bytes[out->length++] = byte;
  else
    put(e, &byte, 1);
}


/* Writes `text` in quotes, between two bytes that may be 0 for none, if there is nothing to escape in it and the buffer has room: names
   and most values, in one go. */
static inline bool put_plain(encoder *e, char before, const char *text, size_t length, char after) {
  chsm_buffer *out = &e->work->out;
  if (e->status != CHSM_OK || length + 4 > out->capacity - out->length || length + 4 > CHSM_CODEC_BYTES - out->length) return false;
  if (chsm_json_plain_run(text, text + length) != text + length) return false;
  char *at = out->bytes + out->length;
  if (before) *at++ = before;
  *at++ = '"';
  if (length) memcpy(at, text, length);
  at += length;
  *at++ = '"';
  if (after) *at++ = after;
  out->length = (size_t)(at - out->bytes);
  return true;
}


static void say(encoder *e, const char *text) { put_into(e, &e->work->message, text, strlen(text)); }


static void say_name(encoder *e, const chsm_name *name) {
  say(e, "'");
  put_into(e, &e->work->message, name->text, name->length);
  say(e, "'");
}


static void say_number(encoder *e, double value) {
  char text[CHSM_NUMBER_TEXT];
  if (value != value)
    say(e, "NaN");
  else if (value - value != 0)
    say(e, value > 0 ? "infinity" : "-infinity");
  else
    put_into(e, &e->work->message, text, chsm_number_from_double(value, text));
}


/* Says what the value on top of the stack is, shortly: it may be anything that a caller mixed up. */
static void say_value(encoder *e) {
  lua_State *L = e->L;
  size_t length;
  size_t characters;
  switch (lua_type(L, -1)) {
  case LUA_TBOOLEAN: say(e, lua_toboolean(L, -1) ? "the boolean true" : "the boolean false"); break;
  case LUA_TNUMBER:
    say(e, "the number ");
    say_number(e, lua_tonumber(L, -1));
    break;
  case LUA_TSTRING: {
    const char *text = lua_tolstring(L, -1, &length);
    if (length > LONGEST_SHOWN || chsm_utf8_check(text, length, &characters) != length) {
      say(e, "a string");
    } else {
      say(e, "the string \"");
      put_into(e, &e->work->message, text, length);
      say(e, "\"");
    }
    break;
  }
  case LUA_TLIGHTUSERDATA: say(e, lua_touserdata(L, -1) ? "a light userdata" : "null"); break;
  default: say(e, "a "); say(e, lua_typename(L, lua_type(L, -1)));
  }
}


/* Appends the path of a place to the problems: "Filters.states[2]". `start` is where it begins there. */
static void put_path(encoder *e, const place *where, size_t start) {
  chsm_buffer *out = &e->work->problems;
  char text[CHSM_NUMBER_TEXT];
  if (!where) return;
  put_path(e, where->up, start);
  if (where->name) {
    if (out->length > start) put_into(e, out, ".", 1);
    put_into(e, out, where->name, where->length);
  } else {
    put_into(e, out, "[", 1);
    put_into(e, out, text, chsm_number_from_integer(where->index, text));
    put_into(e, out, "]", 1);
  }
}


/* Files what was said as a problem of the current place. */
static void problem(encoder *e) {
  chsm_work *work = e->work;
  size_t head = work->problems.length, lengths[2] = { 0, work->message.length };
  if (e->problem_count++ < MOST_PROBLEMS) {
    put_into(e, &work->problems, (const char *)lengths, sizeof lengths);
    put_path(e, e->where, work->problems.length);
    if (e->status == CHSM_OK) {
      lengths[0] = work->problems.length - head - sizeof lengths;
      memcpy(work->problems.bytes + head, lengths, sizeof lengths);
    }
    put_into(e, &work->problems, work->message.bytes, work->message.length);
  }
  chsm_buffer_clear(&work->message);
}


static void wrong_type(encoder *e, const char *expected) {
  say(e, "expected ");
  say(e, expected);
  say(e, ", got ");
  say_value(e);
  problem(e);
}


static void below(encoder *e, const char *what, double value, const chsm_shape *shape) {
  if (!e->constraints || !shape->has_minimum || value >= shape->minimum) return;
  say(e, what);
  say_number(e, value);
  say(e, ", and must be at least ");
  say_number(e, shape->minimum);
  problem(e);
}


/* Goes to a member, until `leave`. The caller keeps `here` and the name. */
static void enter_name(encoder *e, place *here, const char *name, size_t length) {
  *here = (place) { .up = e->where, .name = name, .length = length };
  e->where = here;
}


/* Goes to an element, until `leave`. */
static void enter_index(encoder *e, place *here, int64_t index) {
  *here = (place) { .up = e->where, .index = index };
  e->where = here;
}


static void leave(encoder *e, const place *here) { e->where = here->up; }


/* Whether the table on top, at this address, may be walked into; files the problem otherwise. The caller sets and resets `ancestors`. */
static bool may_enter(encoder *e, const void *table) {
  for (const ancestor *up = e->ancestors; up; up = up->up) {
    if (up->table == table) {
      say(e, "the table contains itself");
      problem(e);
      return false;
    }
  }
  if (e->depth >= CHSM_MOST_DEPTH) {
    say(e, "nested too deeply");
    problem(e);
    return false;
  }
  if (e->depth && e->depth % LEVELS == 0 && !lua_checkstack(e->L, RESERVED)) e->status = CHSM_NO_MEMORY;
  return e->status == CHSM_OK;
}


static bool is_null(lua_State *L) { return lua_type(L, -1) == LUA_TLIGHTUSERDATA && !lua_touserdata(L, -1); }


static void encode_text(encoder *e, const char *text, size_t length) {
  if (put_plain(e, 0, text, length, 0) || e->status != CHSM_OK) return;
  chsm_status status = chsm_json_write_string(&e->work->out, text, length);
  if (status != CHSM_INVALID) {
    e->status = status;
    return;
  }
  size_t characters;
  say(e, "not UTF-8 (from byte ");
  say_number(e, (double)chsm_utf8_check(text, length, &characters) + 1);
  say(e, " on)");
  problem(e);
}


/* Writes the name of a member or the key of a map, with the comma before it, unless it is the first, and the colon after it. */
static void encode_name(encoder *e, bool first, const char *text, size_t length) {
  if (put_plain(e, first ? 0 : ',', text, length, ':')) return;
  if (!first) put_byte(e, ',');
  encode_text(e, text, length);
  put_byte(e, ':');
}


static void encode_string(encoder *e, const chsm_shape *shape) {
  if (lua_type(e->L, -1) != LUA_TSTRING) {
    wrong_type(e, "a string");
    return;
  }
  size_t length;
  size_t characters;
  const char *text = lua_tolstring(e->L, -1, &length);
  if (shape->has_minimum && chsm_utf8_check(text, length, &characters) == length)
    below(e, "the string's length is ", (double)characters, shape);
  encode_text(e, text, length);
}


static void put_integer(encoder *e, const chsm_shape *shape, int64_t value) {
  char text[CHSM_NUMBER_TEXT];
  below(e, "the number is ", (double)value, shape);
  put(e, text, chsm_number_from_integer(value, text));
}


/* Integers come as integers, as whole floats that a double holds exactly and, for a long, as a string of digits: the only way to
   say a large one where every number is a double. */
static void encode_integer(encoder *e, const chsm_shape *shape) {
  lua_State *L = e->L;
  if (shape->kind == CHSM_LONG && lua_type(L, -1) == LUA_TSTRING) {
    size_t length;
    bool integral = false;
    int64_t value;
    const char *text = lua_tolstring(L, -1, &length);
    if (chsm_number_scan(text, length, &integral) == length && integral && chsm_number_to_integer(text, length, &value) == CHSM_OK) {
      put_integer(e, shape, value);
      return;
    }
  }
  if (lua_type(L, -1) != LUA_TNUMBER) {
    wrong_type(e, "an integer");
    return;
  }
#if CHSM_LUA_INTEGERS
  if (lua_isinteger(L, -1)) {
    put_integer(e, shape, (int64_t)lua_tointeger(L, -1));
    return;
  }
#endif
  double value = lua_tonumber(L, -1);
  if (value != floor(value)) { /* NaN too */
    wrong_type(e, "an integer");
  } else if (fabs(value) > EXACT_INTEGER) {
    wrong_type(e, "an integer that a double holds exactly");
  } else {
    put_integer(e, shape, (int64_t)value);
  }
}


static void encode_double(encoder *e, const chsm_shape *shape) {
  static const char *const SPECIAL[] = { "NaN", "Infinity", "-Infinity" };
  lua_State *L = e->L;
  char text[CHSM_NUMBER_TEXT];
  if (lua_type(L, -1) == LUA_TSTRING) {
    for (size_t i = 0; i < sizeof SPECIAL / sizeof *SPECIAL; i++) {
      if (!strcmp(lua_tostring(L, -1), SPECIAL[i])) {
        encode_text(e, SPECIAL[i], strlen(SPECIAL[i]));
        return;
      }
    }
  }
  if (lua_type(L, -1) != LUA_TNUMBER) {
    wrong_type(e, "a number");
    return;
  }
  double value = lua_tonumber(L, -1);
  if (value != value || value - value != 0) {
    const char *name = SPECIAL[value != value ? 0 : value > 0 ? 1 : 2];
    encode_text(e, name, strlen(name));
    return;
  }
  below(e, "the number is ", value, shape);
  put(e, text, chsm_number_from_double(value, text));
}


static void encode_timestamp(encoder *e, chsm_date_format format) {
  char text[CHSM_DATE_TEXT];
  double value = lua_tonumber(e->L, -1);
  if (lua_type(e->L, -1) != LUA_TNUMBER || chsm_date_check(value) != CHSM_OK) {
    wrong_type(e, "a timestamp (a number of seconds since 1970)");
    return;
  }
  bool quoted = format != CHSM_EPOCH_SECONDS;
  if (quoted) put(e, "\"", 1);
  put(e, text, chsm_date_write(value, format, text));
  if (quoted) put(e, "\"", 1);
}


static void encode_blob(encoder *e, const chsm_shape *shape) {
  if (lua_type(e->L, -1) != LUA_TSTRING) {
    wrong_type(e, "a string of bytes");
    return;
  }
  size_t length;
  const char *bytes = lua_tolstring(e->L, -1, &length);
  below(e, "the number of bytes is ", (double)length, shape);
  put(e, "\"", 1);
  if (e->status == CHSM_OK) e->status = chsm_base64_encode(bytes, length, &e->work->out);
  put(e, "\"", 1);
}


/* The number of elements of the list on top of the stack, or -1 after filing why it is none. */
static int64_t list_length(encoder *e) {
  lua_State *L = e->L;
  int list = lua_gettop(L);
  double largest = 0;
  int64_t count = 0;
  for (lua_pushnil(L); lua_next(L, list); lua_pop(L, 1)) {
    double key = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;
    if (key < 1 || key != floor(key)) {
      lua_pop(L, 1);
      say(e, "expected a list, got a table with the key ");
      say_value(e);
      problem(e);
      lua_settop(L, list);
      return -1;
    }
    if (key > largest) largest = key;
    count++;
  }
  if (largest == (double)count && count < INT32_MAX) return count;
  int hole = 1;
  for (;; hole++) {
    lua_rawgeti(L, list, hole);
    bool missing = lua_type(L, -1) == LUA_TNIL;
    lua_pop(L, 1);
    if (missing) break;
  }
  place here;
  enter_index(e, &here, hole);
  say(e, "the list has a hole here");
  problem(e);
  leave(e, &here);
  return -1;
}


/* Writes the element on top of the stack of a list or map of `shape`, which is NULL inside a document. */
static void encode_element(encoder *e, const chsm_shape *shape) {
  if (shape && shape->sparse && is_null(e->L))
    put(e, "null", 4);
  else
    encode_value(e, shape ? &e->model->shapes[shape->element] : NULL, NULL);
}


/* Writes the element on top of the stack as that of this number. */
static void encode_numbered(encoder *e, const chsm_shape *shape, int64_t number) {
  place here;
  enter_index(e, &here, number);
  if (number > 1) put_byte(e, ',');
  encode_element(e, shape);
  leave(e, &here);
}


/* Writes the elements of the list on top of the stack in the order in which Lua has them, and answers how many there are. Lua hardly ever
   has them in another one, and only what is no list has other keys: then what was written and filed is taken back, and the answer is -1.
   For elements that hold no others: walking the same twice on every level would not end. */
static int64_t encode_as_stored(encoder *e, const chsm_shape *shape) {
  lua_State *L = e->L;
  chsm_work *work = e->work;
  size_t written = work->out.length, filed = work->problems.length, problems = e->problem_count;
  int64_t count = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (lua_type(L, -2) == LUA_TNUMBER && lua_tonumber(L, -2) == (lua_Number)(count + 1)) {
      encode_numbered(e, shape, ++count);
      continue;
    }
    work->out.length = written;
    work->problems.length = filed;
    e->problem_count = problems;
    lua_pop(L, 2);
    return -1;
  }
  return count;
}


/* Writes the elements of the list on top of the stack, whose order Lua does not keep, and answers how many there are; -1 after filing why
   it is none. */
static int64_t encode_by_number(encoder *e, const chsm_shape *shape) {
  lua_State *L = e->L;
  int64_t count = list_length(e);
  for (int64_t i = 1; i <= count && e->status == CHSM_OK; i++) {
    lua_rawgeti(L, -1, (int)i);
    encode_numbered(e, shape, i);
    lua_pop(L, 1);
  }
  return count;
}


/* Writes the list on top of the stack; `shape` is NULL inside a document. */
static void encode_list(encoder *e, const chsm_shape *shape) {
  lua_State *L = e->L;
  if (lua_type(L, -1) != LUA_TTABLE) {
    wrong_type(e, "a list");
    return;
  }
  ancestor self = { lua_topointer(L, -1), e->ancestors };
  if (!may_enter(e, self.table)) return;
  e->ancestors = &self;
  e->depth++;
  put_byte(e, '[');
  bool flat = shape && e->model->shapes[shape->element].kind < CHSM_LIST;
  int64_t count = flat ? encode_as_stored(e, shape) : -1;
  if (count < 0) count = encode_by_number(e, shape);
  put_byte(e, ']');
  e->depth--;
  e->ancestors = self.up;
  if (shape && count >= 0) below(e, "the number of elements is ", (double)count, shape);
}


/* A key of a map, which is kept on Lua's stack while it is written. */
typedef struct map_key {
  const char *text;
  size_t length;
  int slot;
} map_key;


static int by_text(const void *a, const void *b) {
  const map_key *left = a;
  const map_key *right = b;
  size_t shorter = left->length < right->length ? left->length : right->length;
  int order = memcmp(left->text, right->text, shorter);
  return order ? order : (left->length > right->length) - (left->length < right->length);
}


/* Pushes every key of the map at `map` and notes them, sorted, on the stack of keys; false after filing why it cannot. */
static bool collect_keys(encoder *e, int map) {
  lua_State *L = e->L;
  chsm_buffer *keys = &e->work->keys;
  size_t base = keys->length;
  for (lua_pushnil(L); lua_next(L, map);) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING) {
      say(e, "expected a map with strings as keys, got the key ");
      say_value(e);
      problem(e);
      return false;
    }
    map_key one = { .slot = lua_gettop(L) };
    one.text = lua_tolstring(L, -1, &one.length);
    put_into(e, keys, (const char *)&one, sizeof one);
    if (!lua_checkstack(L, RESERVED)) {
      say(e, "too many entries");
      problem(e);
      return false;
    }
    lua_pushvalue(L, -1); /* for lua_next, which takes it away */
  }
  if (e->status != CHSM_OK) return false;
  if (keys->length > base + sizeof(map_key)) qsort(keys->bytes + base, (keys->length - base) / sizeof(map_key), sizeof(map_key), by_text);
  return true;
}


/* Writes the value on top of the stack as that of this key. */
static void encode_entry(encoder *e, const chsm_shape *shape, bool first, const char *key, size_t length) {
  place here;
  enter_name(e, &here, key, length);
  encode_name(e, first, key, length);
  encode_element(e, shape);
  leave(e, &here);
}


/* Writes the only entry of the map on top of the stack; false, and nothing is written, where it has none, others, or no string for a key.
 */
static bool encode_only_entry(encoder *e, const chsm_shape *shape) {
  lua_State *L = e->L;
  lua_pushnil(L);
  if (!lua_next(L, -2)) return false;
  lua_pushvalue(L, -2);
  bool only = !lua_next(L, -4);
  if (!only) lua_pop(L, 2);
  if (lua_type(L, -2) != LUA_TSTRING) only = false;
  if (only) {
    size_t length;
    const char *key = lua_tolstring(L, -2, &length);
    encode_entry(e, shape, true, key, length);
  }
  lua_pop(L, 2);
  return only;
}


/* Writes the entries of the map on top of the stack and answers how many there are; -1 after filing why it is none. */
static int64_t encode_entries(encoder *e, const chsm_shape *shape) {
  lua_State *L = e->L;
  int map = lua_gettop(L);
  chsm_buffer *keys = &e->work->keys;
  size_t base = keys->length;
  int64_t count = -1;
  if (collect_keys(e, map)) {
    count = (int64_t)((keys->length - base) / sizeof(map_key));
    for (int64_t i = 0; i < count && e->status == CHSM_OK; i++) {
      map_key one; /* by copy: deeper maps may move the buffer */
      memcpy(&one, keys->bytes + base + (size_t)i * sizeof one, sizeof one);
      lua_pushvalue(L, one.slot);
      lua_rawget(L, map);
      encode_entry(e, shape, i == 0, one.text, one.length);
      lua_pop(L, 1);
    }
  }
  lua_settop(L, map);
  keys->length = base;
  return count;
}


/* Writes the map on top of the stack, sorted by key so that the same map gives the same bytes; `shape` is NULL inside a document. */
static void encode_map(encoder *e, const chsm_shape *shape) {
  lua_State *L = e->L;
  if (lua_type(L, -1) != LUA_TTABLE) {
    wrong_type(e, "a map");
    return;
  }
  ancestor self = { lua_topointer(L, -1), e->ancestors };
  if (!may_enter(e, self.table)) return;
  e->ancestors = &self;
  e->depth++;
  put_byte(e, '{');
  int64_t count = encode_only_entry(e, shape) ? 1 : encode_entries(e, shape);
  put_byte(e, '}');
  e->depth--;
  e->ancestors = self.up;
  if (shape && count >= 0) below(e, "the number of entries is ", (double)count, shape);
}


/* Files every key of the structure on top of the stack that the shape does not have. Returns which of the shape's first 64 members are
   there, as bits. */
static uint64_t find_members(encoder *e, const chsm_shape *shape) {
  lua_State *L = e->L;
  uint64_t present = 0;
  int table = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    size_t length;
    if (lua_type(L, -2) != LUA_TSTRING) {
      lua_pushvalue(L, -2);
      say(e, "expected the names of members as keys, got ");
      say_value(e);
      problem(e);
      lua_pop(L, 1);
      continue;
    }
    const char *key = lua_tolstring(L, -2, &length);
    long known = chsm_names_find(&shape->names, key, length);
    if (known != CHSM_NO_NAME) {
      if (known < 64) present |= UINT64_C(1) << known;
      continue;
    }
    place here;
    enter_name(e, &here, key, length < LONGEST_SHOWN ? length : LONGEST_SHOWN);
    long nearest = chsm_names_nearest(&shape->names, key, length);
    say(e, "unknown member");
    if (nearest != CHSM_NO_NAME) {
      say(e, ", did you mean ");
      say_name(e, &shape->names.list[nearest]);
      say(e, "?");
    } else if (shape->names.count) {
      say(e, ", must be one of ");
      for (uint32_t i = 0; i < shape->names.count; i++) {
        if (i) say(e, ", ");
        say_name(e, &shape->names.list[i]);
      }
    } else {
      say(e, ", this structure has none");
    }
    problem(e);
    leave(e, &here);
  }
  return present;
}


static void encode_structure(encoder *e, const chsm_shape *shape) {
  lua_State *L = e->L;
  if (lua_type(L, -1) != LUA_TTABLE) {
    wrong_type(e, "a table of members");
    return;
  }
  ancestor self = { lua_topointer(L, -1), e->ancestors };
  if (!may_enter(e, self.table)) return;
  uint64_t present = find_members(e, shape);
  e->ancestors = &self;
  e->depth++;
  put_byte(e, '{');
  uint32_t written = 0;
  for (uint32_t i = 0; i < shape->names.count && e->status == CHSM_OK; i++) {
    const chsm_member *member = &shape->members[i];
    if (i < 64 && !(present >> i & 1) && !(member->required && e->constraints)) continue;
    lua_rawgeti(L, e->keys, (int)(shape->first_name + i) + 1);
    lua_rawget(L, -2);
    int type = lua_type(L, -1);
    bool absent = type == LUA_TNIL || (type == LUA_TLIGHTUSERDATA && is_null(L));
    if (absent && !(member->required && e->constraints)) {
      lua_pop(L, 1);
      continue;
    }
    place here;
    enter_name(e, &here, shape->names.list[i].text, shape->names.list[i].length);
    if (absent) {
      say(e, "required member is missing");
      problem(e);
    } else {
      encode_name(e, written++ == 0, shape->wire.list[i].text, shape->wire.list[i].length);
      encode_value(e, &e->model->shapes[member->shape], member);
    }
    leave(e, &here);
    lua_pop(L, 1);
  }
  put_byte(e, '}');
  e->depth--;
  e->ancestors = self.up;
  if (shape->is_union && written != 1) {
    say(e, "exactly one member of a union must be set, got ");
    say_number(e, written);
    problem(e);
  }
}


/* Whether the table on top of the stack is to be written as a list: it is marked as one, or has a first element. */
static bool looks_like_list(lua_State *L) {
  bool list = false;
  if (lua_getmetatable(L, -1)) {
    luaL_getmetatable(L, CHSM_LIST_TYPE);
    list = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
  }
  if (!list) {
    lua_rawgeti(L, -1, 1);
    list = lua_type(L, -1) != LUA_TNIL;
    lua_pop(L, 1);
  }
  return list;
}


static void encode_document(encoder *e) {
  lua_State *L = e->L;
  char text[CHSM_NUMBER_TEXT];
  size_t length;
  switch (lua_type(L, -1)) {
  case LUA_TSTRING: {
    const char *bytes = lua_tolstring(L, -1, &length);
    encode_text(e, bytes, length);
    break;
  }
  case LUA_TBOOLEAN:
    if (lua_toboolean(L, -1))
      put(e, "true", 4);
    else
      put(e, "false", 5);
    break;
  case LUA_TNUMBER: {
#if CHSM_LUA_INTEGERS
    if (lua_isinteger(L, -1)) {
      put(e, text, chsm_number_from_integer((int64_t)lua_tointeger(L, -1), text));
      break;
    }
#endif
    double value = lua_tonumber(L, -1);
    if (value - value == 0)
      put(e, text, chsm_number_from_double(value, text));
    else
      wrong_type(e, "a finite number");
    break;
  }
  case LUA_TTABLE:
    if (looks_like_list(L))
      encode_list(e, NULL);
    else
      encode_map(e, NULL);
    break;
  default:
    if (is_null(L))
      put(e, "null", 4);
    else
      wrong_type(e, "a JSON value");
  }
}


/* Writes the value on top of the stack as `shape` says (NULL: a document), or files why it cannot. [-0, +0] */
static void encode_value(encoder *e, const chsm_shape *shape, const chsm_member *member) {
  if (e->status != CHSM_OK) return;
  switch (shape ? shape->kind : CHSM_DOCUMENT) {
  case CHSM_STRING: encode_string(e, shape); break;
  case CHSM_INTEGER:
  case CHSM_LONG: encode_integer(e, shape); break;
  case CHSM_DOUBLE: encode_double(e, shape); break;
  case CHSM_BOOLEAN:
    if (lua_type(e->L, -1) != LUA_TBOOLEAN)
      wrong_type(e, "a boolean");
    else if (lua_toboolean(e->L, -1))
      put(e, "true", 4);
    else
      put(e, "false", 5);
    break;
  case CHSM_TIMESTAMP: encode_timestamp(e, member && member->has_format ? member->format : shape->format); break;
  case CHSM_BLOB: encode_blob(e, shape); break;
  case CHSM_LIST: encode_list(e, shape); break;
  case CHSM_MAP: encode_map(e, shape); break;
  case CHSM_STRUCTURE: encode_structure(e, shape); break;
  case CHSM_DOCUMENT: encode_document(e); break;
  }
}


/* Pushes the filed problems: a list of { path = , message = }. [-0, +1] */
static void push_problems(lua_State *L, const chsm_buffer *problems) {
  lua_newtable(L);
  const char *at = problems->bytes;
  const char *end = at + problems->length;
  for (int i = 1; at < end; i++) {
    size_t lengths[2];
    memcpy(lengths, at, sizeof lengths);
    at += sizeof lengths;
    lua_createtable(L, 0, 2);
    lua_pushlstring(L, at, lengths[0]);
    lua_setfield(L, -2, "path");
    at += lengths[0];
    lua_pushlstring(L, at, lengths[1]);
    lua_setfield(L, -2, "message");
    at += lengths[1];
    lua_rawseti(L, -2, i);
  }
}


/* Encodes the value on top of the stack, and returns as encode_by_shape does. */
static int encode(lua_State *L, encoder *e, const chsm_shape *shape) {
  chsm_work *work = e->work;
  encode_value(e, shape, NULL);
  if (e->status == CHSM_TOO_LARGE) {
    work->problems.length = 0;
    e->where = NULL;
    e->status = CHSM_OK;
    say(e, "the request would be larger than 8 MiB");
    problem(e);
  }
  if (e->status != CHSM_OK) {
    chsm_free_work(work);
    work->busy = false;
    return luaL_error(L, "not enough memory");
  }
  if (e->problem_count) {
    lua_pushnil(L);
    push_problems(L, &work->problems);
    chsm_free_work(work);
    work->busy = false;
    return 2;
  }
  lua_pushlstring(L, work->out.bytes, work->out.length);
  chsm_give_work(work);
  return 1;
}


/* encoder(value) -> json | nil, problems.  problems: a list of { path = , message = }, in the order of the walk, at most MOST_PROBLEMS of
   them. All that is the same in every call is in the upvalues. */
static int encode_by_shape(lua_State *L) {
  const chsm_model *model = lua_touserdata(L, lua_upvalueindex(MODEL));
  size_t number = (size_t)lua_tonumber(L, lua_upvalueindex(SHAPE));
  if (!model->shapes) return luaL_error(L, "the model is closed");
  lua_settop(L, 1);
  luaL_checkstack(L, RESERVED, "value");
  encoder e = { .L = L, .model = model, .keys = lua_upvalueindex(KEYS), .status = CHSM_OK };
  e.constraints = lua_toboolean(L, lua_upvalueindex(CONSTRAINTS));
  e.work = chsm_take_work(L, lua_upvalueindex(WORK));
  return encode(L, &e, &model->shapes[number]);
}


/* model:encoder(shape, constraints) -> encoder.  constraints: whether `required` and `min` are checked. */
int chsm_model_encoder(lua_State *L) {
  const chsm_model *model = luaL_checkudata(L, 1, CHSM_MODEL_TYPE);
  const chsm_shape *shape = chsm_check_shape(L, model);
  bool constraints = lua_toboolean(L, 3);
  lua_settop(L, 1);
  chsm_getuservalue(L, 1);
  lua_rawgeti(L, 2, CHSM_WORK_AT);
  lua_pushnumber(L, (lua_Number)(shape - model->shapes));
  lua_pushboolean(L, constraints);
  lua_pushcclosure(L, encode_by_shape, CONSTRAINTS);
  return 1;
}
