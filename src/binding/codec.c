/* Compiles models: from tables in AWS's vocabulary to the shapes of the core. */
#include "codec.h"

#include <stdlib.h>
#include <string.h>

#include "module.h"

#define WORK_TYPE "cloudhsmv2.codec.work"

enum { MOST_KEPT = 64 * 1024 };


/* A fresh work area on top of the stack. May raise. [-0, +1] */
chsm_work *chsm_new_work(lua_State *L) {
  chsm_work *work = chsm_newuserdata(L, sizeof *work);
  *work = (chsm_work) { .out = { .cap = CHSM_CODEC_BYTES } };
  chsm_setclass(L, WORK_TYPE);
  return work;
}


/* The end of a work area, by hand or by __gc: idempotent, raises nothing. */
void chsm_free_work(chsm_work *work) {
  chsm_buffer_wipe(&work->out);
  chsm_buffer_wipe(&work->problems);
  chsm_buffer_wipe(&work->message);
  chsm_buffer_wipe(&work->keys);
}


/* The model's own work area, which is at `own` and stays there, or a new one while that is in use, put below the value on top of the stack:
   a finalizer that encodes may run while another's result is pushed. May raise. [-0, +0 or +1] */
chsm_work *chsm_take_work(lua_State *L, int own) {
  chsm_work *work = lua_touserdata(L, own);
  if (!work || work->busy) {
    work = chsm_new_work(L);
    lua_insert(L, -2);
  }
  work->busy = true;
  return work;
}


/* Ends the use of a work area that nothing went wrong in. What was written is zeroed; the memory stays, unless it is much. */
void chsm_give_work(chsm_work *work) {
  if (work->out.capacity > MOST_KEPT)
    chsm_free_work(work);
  else
    chsm_buffer_clear(&work->out);
  work->keys.length = 0;
  work->busy = false;
}


static int work_gc(lua_State *L) {
  chsm_free_work(lua_touserdata(L, 1));
  return 0;
}


/* Argument 2 as a shape of the model that is argument 1, or a Lua error. */
chsm_shape *chsm_check_shape(lua_State *L, const chsm_model *model) {
  size_t length;
  const char *name = luaL_checklstring(L, 2, &length);
  long index = chsm_names_find(&model->names, name, length);
  if (index == CHSM_NO_NAME || !model->shapes) luaL_error(L, "the model has no shape '%s'", name);
  return &model->shapes[index];
}


/* What compiling needs to know: stack indices, all absolute. */
typedef struct compiler {
  lua_State *L;
  chsm_model *model;
  int shapes; /* the table of all shapes */
  int keys;   /* list of member names as Lua strings, by number */
} compiler;


static void check_memory(lua_State *L, chsm_status status) {
  if (status == CHSM_NO_MEMORY) luaL_error(L, "not enough memory");
  if (status != CHSM_OK) luaL_error(L, "cloudhsmv2.codec.compile: the model is too large");
}


/* Pushes the field `name` of the table at `table`. [-0, +1] */
static int push_field(lua_State *L, int table, const char *name) {
  lua_pushstring(L, name);
  lua_rawget(L, table);
  return lua_type(L, -1);
}


static bool flag(lua_State *L, int table, const char *name) {
  push_field(L, table, name);
  bool set = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return set;
}


/* Reads timestampFormat of the table at `table`; false where there is none. Raises for an unknown one. */
static bool read_format(lua_State *L, int table, const char *shape, chsm_date_format *format) {
  static const struct {
    const char *name;
    chsm_date_format format;
  } known[] = {
    { "unixTimestamp", CHSM_EPOCH_SECONDS },
    { "epoch-seconds", CHSM_EPOCH_SECONDS },
    { "iso8601", CHSM_ISO_8601 },
    { "date-time", CHSM_ISO_8601 },
    { "rfc822", CHSM_HTTP_DATE },
    { "http-date", CHSM_HTTP_DATE },
  };
  if (push_field(L, table, "timestampFormat") == LUA_TNIL) {
    lua_pop(L, 1);
    return false;
  }
  const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (!strcmp(name, known[i].name)) {
      *format = known[i].format;
      lua_pop(L, 1);
      return true;
    }
  }
  return luaL_error(L, "cloudhsmv2.codec.compile: shape %s: unknown timestampFormat '%s'", shape, name);
}


/* The number of the shape that the reference on top of the stack, `{ shape = "Name" }`, names. Raises for a dangling one. */
static uint32_t referred(compiler *c, const char *shape) {
  lua_State *L = c->L;
  if (lua_type(L, -1) != LUA_TTABLE) luaL_error(L, "cloudhsmv2.codec.compile: shape %s: a reference { shape = ... } is missing", shape);
  if (push_field(L, lua_gettop(L), "shape") != LUA_TSTRING)
    luaL_error(L, "cloudhsmv2.codec.compile: shape %s: a reference without the name of a shape", shape);
  size_t length;
  const char *name = lua_tolstring(L, -1, &length);
  long index = chsm_names_find(&c->model->names, name, length);
  if (index == CHSM_NO_NAME) luaL_error(L, "cloudhsmv2.codec.compile: shape %s refers to %s, which is not there", shape, name);
  lua_pop(L, 1);
  return (uint32_t)index;
}


static int by_bytes(const void *a, const void *b) {
  const chsm_name *left = a;
  const chsm_name *right = b;
  uint32_t shorter = left->length < right->length ? left->length : right->length;
  int order = memcmp(left->text, right->text, shorter);
  return order ? order : (left->length > right->length) - (left->length < right->length);
}


/* Fills `shape->names` from the member table at `members`: in the order of the list `order` where there is one, else sorted. */
static void compile_names(compiler *c, const char *name, chsm_shape *shape, int definition, int members) {
  lua_State *L = c->L;
  uint32_t count = 0;
  for (lua_pushnil(L); lua_next(L, members); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) luaL_error(L, "cloudhsmv2.codec.compile: shape %s: a member's name is not a string", name);
    count++;
  }
  check_memory(L, chsm_names_reserve(c->model, &shape->names, count));
  bool ordered = push_field(L, definition, "order") == LUA_TTABLE;
  int order = lua_gettop(L);
  if (ordered && chsm_rawlen(L, order) != count)
    luaL_error(L, "cloudhsmv2.codec.compile: shape %s: `order` does not list every member", name);
  uint32_t i = 0;
  lua_pushnil(L);
  while (i < count) {
    if (ordered)
      lua_rawgeti(L, order, (int)i + 1);
    else if (lua_next(L, members))
      lua_pop(L, 1);
    size_t length = 0;
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &length) : NULL;
    if (!text) luaL_error(L, "cloudhsmv2.codec.compile: shape %s: `order` holds something that is not a name", name);
    check_memory(L, chsm_model_name(c->model, &shape->names.list[i++], text, length));
    if (ordered) lua_pop(L, 1);
  }
  lua_settop(L, order - 1);
  if (!ordered) qsort(shape->names.list, count, sizeof *shape->names.list, by_bytes);
  chsm_status status = chsm_names_index(c->model, &shape->names);
  if (status == CHSM_INVALID) luaL_error(L, "cloudhsmv2.codec.compile: shape %s: `order` lists a member twice", name);
  check_memory(L, status);
}


/* Fills in the members of a structure whose definition is at `definition`. */
static void compile_structure(compiler *c, const char *name, chsm_shape *shape, int definition) {
  lua_State *L = c->L;
  if (push_field(L, definition, "members") != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
  }
  int members = lua_gettop(L);
  compile_names(c, name, shape, definition, members);
  uint32_t count = shape->names.count;
  shape->first_name = c->model->member_count;
  c->model->member_count += count;
  shape->members = chsm_model_allocate(c->model, count, sizeof *shape->members);
  if (!shape->members) check_memory(L, CHSM_NO_MEMORY);

  shape->wire = shape->names;
  for (uint32_t i = 0; i < count; i++) {
    const chsm_name *member = &shape->names.list[i];
    lua_pushlstring(L, member->text, member->length);
    lua_pushvalue(L, -1);
    lua_rawseti(L, c->keys, (int)(shape->first_name + i) + 1);
    lua_rawget(L, members);
    if (lua_type(L, -1) != LUA_TTABLE)
      luaL_error(L, "cloudhsmv2.codec.compile: shape %s: member %s is not a reference", name, member->text);
    int reference = lua_gettop(L);
    shape->members[i].shape = referred(c, name);
    shape->members[i].has_format = read_format(L, reference, name, &shape->members[i].format);
    if (push_field(L, reference, "locationName") == LUA_TSTRING) {
      size_t length;
      const char *wire = lua_tolstring(L, -1, &length);
      if (shape->wire.list == shape->names.list) {
        check_memory(L, chsm_names_reserve(c->model, &shape->wire, count));
        memcpy(shape->wire.list, shape->names.list, count * sizeof *shape->wire.list);
      }
      check_memory(L, chsm_model_name(c->model, &shape->wire.list[i], wire, length));
    }
    lua_settop(L, members);
  }
  if (shape->wire.list != shape->names.list) {
    chsm_status status = chsm_names_index(c->model, &shape->wire);
    if (status == CHSM_INVALID) luaL_error(L, "cloudhsmv2.codec.compile: shape %s: two members have one locationName", name);
    check_memory(L, status);
  }

  if (push_field(L, definition, "required") == LUA_TTABLE) {
    int required = lua_gettop(L);
    for (int i = 1; i <= (int)chsm_rawlen(L, required); i++) {
      lua_rawgeti(L, required, i);
      size_t length;
      const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &length) : NULL;
      long member = text ? chsm_names_find(&shape->names, text, length) : CHSM_NO_NAME;
      if (member == CHSM_NO_NAME) luaL_error(L, "cloudhsmv2.codec.compile: shape %s: `required` names a member that is not there", name);
      shape->members[member].required = true;
      lua_pop(L, 1);
    }
  }
  lua_settop(L, members - 1);
}


/* Fills in one shape from the definition on top of the stack. [-1, +0] */
static void compile_shape(compiler *c, const char *name, chsm_shape *shape) {
  static const struct {
    const char *name;
    chsm_kind kind;
  } known[] = {
    { "string", CHSM_STRING },   { "character", CHSM_STRING }, { "integer", CHSM_INTEGER },   { "byte", CHSM_INTEGER },
    { "short", CHSM_INTEGER },   { "long", CHSM_LONG },        { "float", CHSM_DOUBLE },      { "double", CHSM_DOUBLE },
    { "boolean", CHSM_BOOLEAN }, { "blob", CHSM_BLOB },        { "list", CHSM_LIST },         { "timestamp", CHSM_TIMESTAMP },
    { "map", CHSM_MAP },         { "union", CHSM_STRUCTURE },  { "document", CHSM_DOCUMENT }, { "structure", CHSM_STRUCTURE },
  };
  lua_State *L = c->L;
  if (lua_type(L, -1) != LUA_TTABLE) luaL_error(L, "cloudhsmv2.codec.compile: shape %s is not a table", name);
  int definition = lua_gettop(L);
  const char *type = push_field(L, definition, "type") == LUA_TSTRING ? lua_tostring(L, -1) : "?";
  size_t i = 0;
  while (i < sizeof known / sizeof *known && strcmp(type, known[i].name) != 0)
    i++;
  if (i == sizeof known / sizeof *known) luaL_error(L, "cloudhsmv2.codec.compile: shape %s: unknown type '%s'", name, type);
  shape->kind = flag(L, definition, "document") ? CHSM_DOCUMENT : known[i].kind;
  shape->is_union = flag(L, definition, "union") || !strcmp(type, "union");
  shape->sparse = flag(L, definition, "sparse");
  shape->lenient = flag(L, definition, "lenient");
  shape->format = CHSM_EPOCH_SECONDS;
  read_format(L, definition, name, &shape->format);
  shape->has_minimum = push_field(L, definition, "min") == LUA_TNUMBER;
  if (shape->has_minimum) shape->minimum = lua_tonumber(L, -1);
  if (shape->kind == CHSM_STRUCTURE) {
    compile_structure(c, name, shape, definition);
  } else if (shape->kind == CHSM_LIST || shape->kind == CHSM_MAP) {
    push_field(L, definition, shape->kind == CHSM_LIST ? "member" : "value");
    shape->element = referred(c, name);
  }
  lua_settop(L, definition - 1);
}


/* compile(shapes) -> model.  Raises for a model that makes no sense: that is a mistake in a program, not in its input. */
static int codec_compile(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  chsm_model *model = chsm_newuserdata(L, sizeof *model);
  *model = (chsm_model) { .blocks = NULL };
  chsm_setclass(L, CHSM_MODEL_TYPE);
  lua_newtable(L);
  lua_pushvalue(L, 3);
  chsm_setuservalue(L, 2);
  chsm_new_work(L);
  lua_rawseti(L, 3, CHSM_WORK_AT);
  compiler c = { .L = L, .model = model, .shapes = 1, .keys = 3 };

  uint32_t count = 0;
  for (lua_pushnil(L); lua_next(L, c.shapes); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) return luaL_error(L, "cloudhsmv2.codec.compile: the name of a shape is not a string");
    count++;
  }
  check_memory(L, chsm_names_reserve(model, &model->names, count));
  uint32_t index = 0;
  for (lua_pushnil(L); index < count && lua_next(L, c.shapes); lua_pop(L, 1)) {
    size_t length;
    const char *text = lua_tolstring(L, -2, &length);
    check_memory(L, chsm_model_name(model, &model->names.list[index++], text, length));
  }
  check_memory(L, chsm_names_index(model, &model->names));
  chsm_shape *shapes = chsm_model_allocate(model, count, sizeof *shapes);
  if (!shapes) check_memory(L, CHSM_NO_MEMORY);
  for (uint32_t i = 0; i < count; i++) {
    const chsm_name *name = &model->names.list[i];
    lua_settop(L, 3);
    lua_pushlstring(L, name->text, name->length);
    lua_rawget(L, c.shapes);
    compile_shape(&c, name->text, &shapes[i]);
  }
  model->shapes = shapes;
  lua_settop(L, 2);
  return 1;
}


/* __gc of a model: idempotent, raises nothing. A model that is used after it has no shapes. */
static int model_gc(lua_State *L) {
  chsm_model_free(lua_touserdata(L, 1));
  return 0;
}


/* list(table) -> table, marked to be written as a JSON array even when it is empty. */
static int codec_list(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  chsm_setclass(L, CHSM_LIST_TYPE);
  return 1;
}


static const luaL_Reg functions[] = { { "compile", codec_compile }, { "list", codec_list }, { NULL, NULL } };
static const luaL_Reg model_methods[] = { { "encoder", chsm_model_encoder }, { "decode", chsm_model_decode }, { NULL, NULL } };
static const luaL_Reg model_metamethods[] = { { "__gc", model_gc }, { NULL, NULL } };
static const luaL_Reg work_metamethods[] = { { "__gc", work_gc }, { NULL, NULL } };
static const luaL_Reg none[] = { { NULL, NULL } };

/* Pushes the codec's table. */
int chsm_open_codec(lua_State *L) {
  chsm_newclass(L, CHSM_MODEL_TYPE, model_methods, model_metamethods);
  chsm_newclass(L, WORK_TYPE, none, work_metamethods);
  luaL_newmetatable(L, CHSM_LIST_TYPE);
  lua_pop(L, 1);
  lua_newtable(L);
  chsm_setfuncs(L, functions);
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  return 1;
}
