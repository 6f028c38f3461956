/* JSON to Lua values, by shape: one pass over the text, each table made once, no tree in between. */
#include "codec.h"

#include <math.h>
#include <string.h>

#include "../core/base64.h"
#include "../core/date.h"
#include "../core/json.h"
#include "../core/number.h"

/* A place inside the document, for the path in an error. `name` is NULL for an element of a list. */
typedef struct place {
  const struct place *up;
  const char *name;
  size_t length;
  size_t index;
} place;

typedef struct decoder {
  lua_State *L;
  chsm_model *model;
  chsm_json_reader reader;
  int keys;    /* stack index of the member names */
  int scratch; /* stack index of nil, or of a work area once a string has an escape */
  int depth;
  long unknown;      /* values so far that no shape describes */
  chsm_buffer *text; /* inside that work area */
  const place *where;
  const char *expected; /* what the shape wants, where something else came */
  char path[200];       /* of the failure, written at once: places die with their frames */
  size_t path_length;
} decoder;

static bool decode_value(decoder *d, chsm_shape *shape);
static bool decode_any(decoder *d, bool keep_null);


static void add_to_path(decoder *d, const char *text, size_t length) {
  size_t room = sizeof d->path - d->path_length;
  if (length > room) length = room;
  memcpy(d->path + d->path_length, text, length);
  d->path_length += length;
}


/* Writes the path of the current place, while its frames are alive. */
static void write_path(decoder *d, const place *where) {
  if (!where) return;
  write_path(d, where->up);
  if (where->name) {
    if (d->path_length) add_to_path(d, ".", 1);
    add_to_path(d, where->name, where->length);
  } else {
    char text[CHSM_NUMBER_TEXT];
    add_to_path(d, "[", 1);
    add_to_path(d, text, chsm_number_from_integer((int64_t)where->index, text));
    add_to_path(d, "]", 1);
  }
}


/* Gives up: the text is no JSON, or not what the shape says. Always false. */
static bool fail(decoder *d, const char *problem) {
  if (!d->reader.problem) d->reader.problem = problem;
  write_path(d, d->where);
  return false;
}


static bool unexpected(decoder *d, const char *expected) {
  d->expected = expected;
  return fail(d, "wrong type");
}


/* The buffer for a string with escapes, made at the first one. May raise. */
static chsm_buffer *scratch(decoder *d) {
  if (!d->text) {
    d->text = &chsm_new_work(d->L)->out;
    lua_replace(d->L, d->scratch);
  }
  return d->text;
}


/* Reads the string that comes next; `token` stands until the next string is read. */
static bool read_string(decoder *d, chsm_json_token *token) {
  const char *start = d->reader.at + 1;
  const char *at = chsm_json_plain_run(start, d->reader.end);
  if (at < d->reader.end && *at == '"') { /* plain, like nearly all of them */
    token->bytes = start;
    token->length = (size_t)(at - start);
    d->reader.at = at + 1;
    return true;
  }
  switch (chsm_json_string(&d->reader, scratch(d), token)) {
  case CHSM_OK: return true;
  case CHSM_NO_MEMORY: luaL_error(d->L, "not enough memory"); return false;
  default: return fail(d, "a string is too long");
  }
}


/* Whether a number comes next, by the character that does. */
static bool is_number(int next) { return next == '-' || (next >= '0' && next <= '9'); }


static void push_integer(lua_State *L, int64_t value, const chsm_json_token *token) {
#if CHSM_LUA_INTEGERS
  (void)token;
  lua_pushinteger(L, (lua_Integer)value);
#else
  if (value >= -(INT64_C(1) << 53) && value <= INT64_C(1) << 53)
    lua_pushnumber(L, (lua_Number)value);
  else /* digits rather than another number */
    lua_pushlstring(L, token->bytes, token->length);
#endif
}


/* Pushes seconds; whole ones as an integer where Lua has those, so that they look alike everywhere. */
static void push_seconds(lua_State *L, double seconds) {
#if CHSM_LUA_INTEGERS
  if (seconds == floor(seconds)) {
    lua_pushinteger(L, (lua_Integer)seconds);
    return;
  }
#endif
  lua_pushnumber(L, seconds);
}


static bool decode_integer(decoder *d) {
  chsm_json_token token;
  int64_t value;
  int next = chsm_json_peek(&d->reader);
  if (!is_number(next)) return unexpected(d, "an integer");
  if (chsm_json_number(&d->reader, &token) != CHSM_OK) return fail(d, "not a number");
  switch (chsm_number_to_integer(token.bytes, token.length, &value)) {
  case CHSM_OK: push_integer(d->L, value, &token); return true;
  case CHSM_INVALID: return fail(d, "an integer with a fraction");
  default: return fail(d, "an integer of more than 64 bits");
  }
}


/* The number that comes next as a double. */
static bool read_double(decoder *d, double *value) {
  chsm_json_token token;
  size_t length = chsm_number_read(d->reader.at, (size_t)(d->reader.end - d->reader.at), value);
  d->reader.at += length;
  if (length) return true;
  if (chsm_json_number(&d->reader, &token) != CHSM_OK) return fail(d, "not a number");
  if (chsm_number_to_double(token.bytes, token.length, value) != CHSM_OK) return fail(d, "a number that is too large");
  return true;
}


static bool decode_double(decoder *d) {
  double value;
  int next = chsm_json_peek(&d->reader);
  if (next == '"') {
    chsm_json_token token;
    if (!read_string(d, &token)) return false;
    if (token.length == 3 && !memcmp(token.bytes, "NaN", 3))
      value = NAN;
    else if (token.length == 8 && !memcmp(token.bytes, "Infinity", 8))
      value = INFINITY;
    else if (token.length == 9 && !memcmp(token.bytes, "-Infinity", 9))
      value = -INFINITY;
    else
      return fail(d, "a string that is no number");
  } else if (!is_number(next)) {
    return unexpected(d, "a number");
  } else if (!read_double(d, &value)) {
    return false;
  }
  lua_pushnumber(d->L, value);
  return true;
}


static bool decode_timestamp(decoder *d) {
  double seconds;
  int next = chsm_json_peek(&d->reader);
  if (next == '"') {
    chsm_json_token token;
    if (!read_string(d, &token)) return false;
    if (chsm_date_read(token.bytes, token.length, &seconds) != CHSM_OK) return fail(d, "a string that is no timestamp");
  } else if (!is_number(next)) {
    return unexpected(d, "a timestamp");
  } else if (!read_double(d, &seconds)) {
    return false;
  } else if (chsm_date_check(seconds) != CHSM_OK) {
    return fail(d, "a timestamp outside the years 1 to 9999");
  }
  push_seconds(d->L, seconds);
  return true;
}


static bool decode_string(decoder *d, const chsm_shape *shape) {
  chsm_json_token token;
  int next = chsm_json_peek(&d->reader);
  if (next == '"') {
    if (!read_string(d, &token)) return false;
  } else if (shape->lenient && is_number(next)) {
    if (chsm_json_number(&d->reader, &token) != CHSM_OK) return fail(d, "not a number");
  } else {
    return unexpected(d, "a string");
  }
  lua_pushlstring(d->L, token.bytes, token.length);
  return true;
}


static bool decode_blob(decoder *d) {
  chsm_json_token token;
  if (chsm_json_peek(&d->reader) != '"') return unexpected(d, "a string in base64");
  if (!read_string(d, &token)) return false;
  if (!token.length) { /* the scratch buffer may have no bytes yet, not even none to point to */
    lua_pushliteral(d->L, "");
    return true;
  }
  /* `token` may stand in the scratch buffer itself: the bytes go behind it */
  chsm_buffer *bytes = scratch(d);
  size_t before = bytes->length;
  if (token.bytes == bytes->bytes && chsm_buffer_reserve(bytes, token.length) == CHSM_OK) token.bytes = bytes->bytes;
  chsm_status status = chsm_base64_decode(token.bytes, token.length, bytes);
  if (status == CHSM_NO_MEMORY) return luaL_error(d->L, "not enough memory");
  if (status != CHSM_OK) return fail(d, "a string that is not base64");
  lua_pushlstring(d->L, bytes->bytes + before, bytes->length - before);
  bytes->length = before;
  return true;
}


static bool decode_boolean(decoder *d) {
  int next = chsm_json_peek(&d->reader);
  if (next == 't' && chsm_json_word(&d->reader, "true", 4)) {
    lua_pushboolean(d->L, 1);
  } else if (next == 'f' && chsm_json_word(&d->reader, "false", 5)) {
    lua_pushboolean(d->L, 0);
  } else {
    return unexpected(d, "a boolean");
  }
  return true;
}


/* Goes one level down: room on the stack, within the limit. */
static bool descend(decoder *d) {
  if (++d->depth > CHSM_MOST_DEPTH) return fail(d, "nested too deeply");
  luaL_checkstack(d->L, CHSM_CODEC_SLOTS, "answer");
  return true;
}


/* Takes null if it comes next. */
static bool take_null(decoder *d) { return chsm_json_peek(&d->reader) == 'n' && chsm_json_word(&d->reader, "null", 4); }


/* After an element: true when another one follows, false at the end of the collection or after a failure, which `*ok` tells. */
static bool another(decoder *d, char close, bool *ok) {
  int next = chsm_json_peek(&d->reader);
  if (next == ',') {
    d->reader.at++;
    return true;
  }
  *ok = next == (unsigned char)close;
  if (*ok)
    d->reader.at++;
  else
    fail(d, next < 0 ? "the text ends inside an object or array" : "expected , or the end of an object or array");
  return false;
}


/* Reads the name of a member and the colon behind it. */
static bool read_key(decoder *d, chsm_json_token *key) {
  if (chsm_json_peek(&d->reader) != '"') return fail(d, "expected the name of a member");
  return read_string(d, key);
}


/* Whether the member that is expected, by its number from 1, comes next; takes its name then. Members mostly come in the same order, and to
   compare is cheaper than to read. A name is expected only once it was read in plain text. */
static bool take_expected(decoder *d, const chsm_shape *shape, uint32_t expected) {
  if (!expected) return false;
  const chsm_name *name = &shape->wire.list[expected - 1];
  const char *at = d->reader.at;
  if ((size_t)(d->reader.end - at) < (size_t)name->length + 2 || at[0] != '"' || at[name->length + 1] != '"') return false;
  if (memcmp(at + 1, name->text, name->length) != 0) return false;
  d->reader.at = at + name->length + 2;
  return true;
}


static bool take_colon(decoder *d) { return chsm_json_take(&d->reader, ':') || fail(d, "expected : after the name of a member"); }


/* The size to make the next table of a shape with: what this one had, within reason. It saves Lua from growing it step by step. */
static uint32_t usual(int count) {
  enum { MOST_FORESEEN = 64 };
  return count < MOST_FORESEEN ? (uint32_t)count : MOST_FORESEEN;
}


static bool decode_list(decoder *d, chsm_shape *shape) {
  lua_State *L = d->L;
  if (chsm_json_peek(&d->reader) != '[') return unexpected(d, "a list");
  if (!descend(d)) return false;
  d->reader.at++;
  chsm_shape *element = &d->model->shapes[shape->element];
  lua_createtable(L, (int)shape->usual_size, 0);
  place here = { .up = d->where };
  int count = 0;
  bool ok = true;
  d->where = &here;
  if (!chsm_json_take(&d->reader, ']')) {
    do {
      here.index++;
      if (take_null(d)) {
        if (!shape->sparse) continue; /* a null in a dense list says nothing, and a hole would break the sequence */
        lua_pushlightuserdata(L, NULL);
      } else if (!decode_value(d, element)) {
        return false;
      }
      lua_rawseti(L, -2, ++count);
    } while (another(d, ']', &ok));
  }
  shape->usual_size = usual(count);
  d->where = here.up;
  d->depth--;
  return ok;
}


/* Sets the name and the value on top in the table below them, which must not have the name yet. [-2, +0] */
static bool set_once(decoder *d) {
  lua_State *L = d->L;
  lua_pushvalue(L, -2);
  lua_rawget(L, -4);
  bool is_new = lua_isnil(L, -1);
  lua_pop(L, 1);
  if (!is_new) return fail(d, "the member is there twice");
  lua_rawset(L, -3);
  return true;
}


static bool decode_map(decoder *d, chsm_shape *shape) {
  lua_State *L = d->L;
  if (chsm_json_peek(&d->reader) != '{') return unexpected(d, "a map");
  if (!descend(d)) return false;
  d->reader.at++;
  chsm_shape *element = &d->model->shapes[shape->element];
  lua_createtable(L, 0, (int)shape->usual_size);
  place here = { .up = d->where };
  int count = 0;
  bool ok = true;
  d->where = &here;
  if (!chsm_json_take(&d->reader, '}')) {
    do {
      chsm_json_token key;
      if (!read_key(d, &key)) return false;
      lua_pushlstring(L, key.bytes, key.length);
      here.name = lua_tolstring(L, -1, &here.length);
      if (!take_colon(d)) return false;
      if (take_null(d)) {
        if (!shape->sparse) {
          lua_pop(L, 1);
          continue;
        }
        lua_pushlightuserdata(L, NULL);
      } else if (!decode_value(d, element)) {
        return false;
      }
      if (!set_once(d)) return false;
      count++;
    } while (another(d, '}', &ok));
  }
  shape->usual_size = usual(count);
  d->where = here.up;
  d->depth--;
  return ok;
}


/* A member that the shape does not have, kept as it came, with the name on top of the stack. [-1, +0] */
static bool keep_unknown(decoder *d, const chsm_shape *shape) {
  lua_State *L = d->L;
  size_t length;
  const char *name = lua_tolstring(L, -1, &length);
  if (take_null(d)) {
    lua_pop(L, 1);
    return true;
  }
  if (!decode_any(d, false)) return false;
  if (!shape->is_union) return set_once(d);
  lua_pop(L, 1);
  if (length == 6 && !memcmp(name, "__type", 6)) {
    lua_pop(L, 1);
    return true;
  }
  /* a variant from a newer service: its name is kept, under the key that AWS's SDKs use */
  lua_createtable(L, 0, 1);
  lua_insert(L, -2);
  lua_setfield(L, -2, "name");
  lua_setfield(L, -2, "SDK_UNKNOWN_MEMBER");
  return true;
}


static bool decode_structure(decoder *d, chsm_shape *shape) {
  enum { WATCHED = 128 }; /* members looked at for a second appearance */
  lua_State *L = d->L;
  if (chsm_json_peek(&d->reader) != '{') return unexpected(d, "an object");
  if (!descend(d)) return false;
  d->reader.at++;
  lua_createtable(L, 0, (int)shape->usual_size);
  place here = { .up = d->where };
  uint64_t seen[WATCHED / 64] = { 0 };
  uint32_t *expected = &shape->first;
  int count = 0;
  bool ok = true;
  d->where = &here;
  if (!chsm_json_take(&d->reader, '}')) {
    do {
      long index;
      chsm_json_peek(&d->reader);
      if (take_expected(d, shape, *expected)) {
        index = (long)*expected - 1;
      } else {
        chsm_json_token key;
        if (!read_key(d, &key)) return false;
        index = chsm_names_find(&shape->wire, key.bytes, key.length);
        if (index == CHSM_NO_NAME) {
          lua_pushlstring(L, key.bytes, key.length);
          here.name = lua_tolstring(L, -1, &here.length);
          if (!take_colon(d) || !keep_unknown(d, shape)) return false;
          continue;
        }
        if (key.bytes + key.length + 1 == d->reader.at) *expected = (uint32_t)index + 1; /* no escapes: it lies in the text */
      }
      expected = &shape->members[index].next;
      here.name = shape->wire.list[index].text;
      here.length = shape->wire.list[index].length;
      if (!take_colon(d)) return false;
      if (index < WATCHED) {
        uint64_t bit = UINT64_C(1) << (index % 64);
        if (seen[index / 64] & bit) return fail(d, "the member is there twice");
        seen[index / 64] |= bit;
      }
      if (take_null(d)) continue;
      if (count++ && shape->is_union) return fail(d, "a union with more than one member");
      lua_rawgeti(L, d->keys, (int)(shape->first_name + (uint32_t)index) + 1);
      if (!decode_value(d, &d->model->shapes[shape->members[index].shape])) return false;
      lua_rawset(L, -3);
    } while (another(d, '}', &ok));
  }
  shape->usual_size = usual(count);
  d->where = here.up;
  d->depth--;
  return ok;
}


/* Any object or array, as the text has it. With `keep_null` null is codec.null; else a null member is absent. */
static bool decode_collection(decoder *d, char close, bool keep_null) {
  lua_State *L = d->L;
  if (!descend(d)) return false;
  d->reader.at++;
  lua_newtable(L);
  place here = { .up = d->where };
  int count = 0;
  bool ok = true;
  d->where = &here;
  if (!chsm_json_take(&d->reader, close)) {
    do {
      here.index++;
      if (close == '}') {
        chsm_json_token key;
        if (!read_key(d, &key)) return false;
        lua_pushlstring(L, key.bytes, key.length);
        here.name = lua_tolstring(L, -1, &here.length);
        if (!take_colon(d)) return false;
      }
      if (take_null(d)) {
        if (!keep_null) {
          if (close == '}') lua_pop(L, 1);
          continue;
        }
        lua_pushlightuserdata(L, NULL);
      } else if (!decode_any(d, keep_null)) {
        return false;
      }
      if (close == ']')
        lua_rawseti(L, -2, ++count);
      else if (!set_once(d))
        return false;
    } while (another(d, close, &ok));
  }
  if (close == ']' && count == 0 && keep_null) chsm_setclass(L, CHSM_LIST_TYPE); /* so that it is written as [] again */
  d->where = here.up;
  d->depth--;
  return ok;
}


/* Pushes any JSON value. What came without being known is limited: Lua's tables take many times the room of the text. */
static bool decode_any(decoder *d, bool keep_null) {
  enum { MOST_UNKNOWN = 65536 };
  lua_State *L = d->L;
  chsm_json_token token;
  int next = chsm_json_peek(&d->reader);
  if (!keep_null && ++d->unknown > MOST_UNKNOWN) return fail(d, "too many values in unknown members");
  switch (next) {
  case '{': return decode_collection(d, '}', keep_null);
  case '[': return decode_collection(d, ']', keep_null);
  case '"':
    if (!read_string(d, &token)) return false;
    lua_pushlstring(L, token.bytes, token.length);
    return true;
  case 't':
  case 'f': return decode_boolean(d);
  case 'n':
    if (!take_null(d)) return fail(d, "not a JSON value");
    lua_pushlightuserdata(L, NULL);
    return true;
  case -1: return fail(d, "the text ends where a value should be");
  default: break;
  }
  if (chsm_json_number(&d->reader, &token) != CHSM_OK) return fail(d, "not a JSON value");
  int64_t whole;
  double value;
  if (token.integral && chsm_number_to_integer(token.bytes, token.length, &whole) == CHSM_OK) {
    push_integer(L, whole, &token);
    return true;
  }
  if (chsm_number_to_double(token.bytes, token.length, &value) != CHSM_OK) return fail(d, "a number that is too large");
  lua_pushnumber(L, value);
  return true;
}


/* Pushes the value that comes next, as `shape` says; false after a failure. [-0, +1] */
static bool decode_value(decoder *d, chsm_shape *shape) {
  switch (shape->kind) {
  case CHSM_STRING: return decode_string(d, shape);
  case CHSM_INTEGER:
  case CHSM_LONG: return decode_integer(d);
  case CHSM_DOUBLE: return decode_double(d);
  case CHSM_BOOLEAN: return decode_boolean(d);
  case CHSM_TIMESTAMP: return decode_timestamp(d);
  case CHSM_BLOB: return decode_blob(d);
  case CHSM_LIST: return decode_list(d, shape);
  case CHSM_MAP: return decode_map(d, shape);
  case CHSM_STRUCTURE: return decode_structure(d, shape);
  case CHSM_DOCUMENT: return decode_any(d, true);
  }
  return fail(d, "an unknown kind of shape");
}


/* What stands at the current place of the text, in words. */
static const char *found(const chsm_json_reader *reader) {
  if (reader->at == reader->end) return "the end of the text";
  switch (*reader->at) {
  case '{': return "an object";
  case '[': return "an array";
  case '"': return "a string";
  case 't':
  case 'f': return "a boolean";
  case 'n': return "null";
  default: return is_number((unsigned char)*reader->at) ? "a number" : "no JSON value";
  }
}


/* model:decode(shape, json) -> value | nil, problem, path, position.  `path` is empty at the root; `position` counts bytes from 1. */
int chsm_model_decode(lua_State *L) {
  chsm_model *model = luaL_checkudata(L, 1, CHSM_MODEL_TYPE);
  chsm_shape *shape = chsm_check_shape(L, model);
  size_t length;
  const char *text = luaL_checklstring(L, 3, &length);
  lua_settop(L, 3);
  chsm_getuservalue(L, 1);
  lua_pushnil(L);
  luaL_checkstack(L, CHSM_CODEC_SLOTS, "answer");
  decoder d = { .L = L, .model = model, .reader = { text, text + length, NULL }, .keys = 4, .scratch = 5 };
  bool ok = decode_value(&d, shape);
  if (ok && chsm_json_peek(&d.reader) >= 0) ok = fail(&d, "more text after the end of the document");
  if (!ok) {
    lua_settop(L, d.scratch);
    lua_pushnil(L);
    if (d.expected)
      lua_pushfstring(L, "expected %s, got %s", d.expected, found(&d.reader));
    else
      lua_pushstring(L, d.reader.problem);
    lua_pushlstring(L, d.path, d.path_length);
    lua_pushnumber(L, (lua_Number)(d.reader.at - text + 1));
  }
  if (d.text) chsm_free_work(lua_touserdata(L, d.scratch));
  return ok ? 1 : 4;
}
