#include <string.h>

#include "../core/sigv4.h"
#include "compat.h"
#include "module.h"

#define CREDENTIALS_TYPE "cloudhsmv2.credentials"
#define SIGNER_TYPE "cloudhsmv2.signer"
#define SIGNABLE_TYPE "cloudhsmv2.signable"

/* The kinds of failure, in the words of cloudhsmv2.errors. */
static const char CONFIG[] = "config";
static const char CREDENTIALS[] = "credentials";

/* What the user value of credentials holds while they are open. These strings are made once: a string made of C memory later may run
   a collector whose finalizers close the credentials meanwhile, and every new string of a token is one more copy that nobody wipes. */
enum { VALUE_ID = 1, VALUE_TOKEN = 2 };

typedef struct signer {
  chsm_sigv4_signer core;
  chsm_buffer canonical; /* of the signature under way */
} signer;

/* What many requests have in common. The bytes are those of strings that its user value holds. */
typedef struct signable {
  chsm_sigv4_request request; /* without body, time and credentials */
  chsm_sigv4_header headers[];
} signable;

/* Reads the request table at `table`. The strings it hands out stay on the stack, so that no finalizer can take them away. */
typedef struct reader {
  lua_State *L;
  int table;
  const char *field; /* the first field that is not good, or NULL */
  size_t item;       /* its place in a list, or 0 */
  const char *wanted;
  int found; /* its Lua type */
} reader;


/* Returns nil, the message on top, the kind. */
static int fail(lua_State *L, const char *kind) {
  lua_pushnil(L);
  lua_insert(L, -2);
  lua_pushstring(L, kind);
  return 3;
}


/* The userdata at `index` if it is of `type`, else NULL. [-0, +0] */
static void *test_class(lua_State *L, int index, const char *type) {
  void *object = lua_touserdata(L, index);
  if (!object || !lua_getmetatable(L, index)) return NULL;
  luaL_getmetatable(L, type);
  bool same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same ? object : NULL;
}


/* Pushes the field, without metamethods, and answers its type. [-0, +1] */
static int push_field(lua_State *L, int table, const char *name) {
  lua_pushstring(L, name);
  lua_rawget(L, table);
  return lua_type(L, -1);
}


static void refuse(reader *from, const char *field, size_t item, const char *wanted, int found) {
  if (from->field) return;
  from->field = field;
  from->item = item;
  from->wanted = wanted;
  from->found = found;
}


/* Pushes what is wrong with the request. [-0, +1] */
static void push_refusal(const reader *from) {
  lua_State *L = from->L;
  const char *found = from->found == LUA_TNIL ? "nothing" : lua_typename(L, from->found);
  if (from->item)
    lua_pushfstring(L, "%s[%d]: must be %s, not %s", from->field, (int)from->item, from->wanted, found);
  else
    lua_pushfstring(L, "%s: must be %s, not %s", from->field, from->wanted, found);
}


/* The string `name`, or `fallback` where it is nil; without a fallback it must be there. [-0, +1] */
static chsm_text read_text(reader *from, const char *name, const char *fallback) {
  chsm_text value = { fallback, fallback ? strlen(fallback) : 0 };
  int type = push_field(from->L, from->table, name);
  if (type == LUA_TSTRING)
    value.bytes = lua_tolstring(from->L, -1, &value.length);
  else if (type != LUA_TNIL || !fallback)
    refuse(from, name, 0, "a string", type);
  return value;
}


/* [-0, +0] */
static bool read_flag(reader *from, const char *name, bool fallback) {
  int type = push_field(from->L, from->table, name);
  bool value = type == LUA_TNIL ? fallback : lua_toboolean(from->L, -1);
  if (type != LUA_TNIL && type != LUA_TBOOLEAN) refuse(from, name, 0, "a boolean", type);
  lua_pop(from->L, 1);
  return value;
}


/* [-0, +0] */
static double read_number(reader *from, const char *name) {
  int type = push_field(from->L, from->table, name);
  double value = type == LUA_TNUMBER ? (double)lua_tonumber(from->L, -1) : 0;
  if (type != LUA_TNUMBER) refuse(from, name, 0, "a number", type);
  lua_pop(from->L, 1);
  return value;
}


/* Reads the { name, value } pair on top into `*header`, or refuses it. Pops the pair; name and value stay. [-1, +2] */
static void read_header(reader *from, size_t item, chsm_sigv4_header *header) {
  static const char wanted[] = "{ name, value }, two strings";
  lua_State *L = from->L;
  if (lua_type(L, -1) != LUA_TTABLE) {
    refuse(from, "headers", item, wanted, lua_type(L, -1));
    lua_pushnil(L);
    return;
  }
  lua_rawgeti(L, -1, 1);
  lua_rawgeti(L, -2, 2);
  lua_remove(L, -3);
  for (int i = -2; i < 0; i++)
    if (lua_type(L, i) != LUA_TSTRING) refuse(from, "headers", item, wanted, LUA_TTABLE);
  if (from->field) return;
  header->name.bytes = lua_tolstring(L, -2, &header->name.length);
  header->value.bytes = lua_tolstring(L, -1, &header->value.length);
}


/* Reads the list `headers` into an array of CHSM_SIGV4_HEADERS_MOST; answers how many the list has, more than those being for the core to
   refuse. [-0, +1 + 2 * count] */
static size_t read_headers(reader *from, chsm_sigv4_header *headers) {
  lua_State *L = from->L;
  int type = push_field(L, from->table, "headers");
  if (type != LUA_TTABLE) {
    refuse(from, "headers", 0, "a list of { name, value }", type);
    return 0;
  }
  int list = lua_gettop(L);
  size_t count = chsm_rawlen(L, list);
  if (count > CHSM_SIGV4_HEADERS_MOST) return count;
  luaL_checkstack(L, (int)(2 * count) + LUA_MINSTACK, "too many headers");
  for (size_t i = 0; i < count && !from->field; i++) {
    lua_rawgeti(L, list, (int)i + 1);
    read_header(from, i + 1, &headers[i]);
  }
  return count;
}


/* Pushes `name: what is wrong with the value` of credentials. [-0, +1] */
static void push_credentials_fault(lua_State *L, chsm_credentials_status status, chsm_credentials_field culprit, const char *name) {
  switch (status) {
  case CHSM_CREDENTIALS_MISSING: lua_pushfstring(L, "%s: missing", name); break;
  case CHSM_CREDENTIALS_TOO_LONG: lua_pushfstring(L, "%s: too long", name); break;
  case CHSM_CREDENTIALS_BAD_BYTE:
    lua_pushfstring(L, "%s: holds %s", name,
                    culprit == CHSM_ACCESS_KEY_ID ? "a character that an access key id cannot have" : "a control character");
    break;
  default: lua_pushstring(L, chsm_sigv4_message(CHSM_SIGV4_NO_DIGEST));
  }
}


/* Pushes credentials that hold nothing yet. Their user value is set, so that closing finds it once they hold something. [-0, +1] */
static chsm_credentials *new_credentials(lua_State *L) {
  chsm_credentials *credentials = chsm_newuserdata(L, sizeof *credentials);
  memset(credentials, 0, sizeof *credentials);
  chsm_setclass(L, CREDENTIALS_TYPE);
  lua_createtable(L, 2, 0);
  chsm_setuservalue(L, -2);
  return credentials;
}


/* Finishes the credentials on top after the core has set them, or failed to: returns them, or nil, message, kind. */
static int finish_credentials(lua_State *L, chsm_credentials_status status, const chsm_credentials *credentials,
                              chsm_credentials_field culprit, const char *const names[CHSM_CREDENTIALS_FIELDS]) {
  if (status == CHSM_CREDENTIALS_NO_MEMORY) return luaL_error(L, "not enough memory");
  if (status != CHSM_CREDENTIALS_OK) {
    push_credentials_fault(L, status, culprit, names[culprit]);
    return fail(L, CREDENTIALS);
  }
  chsm_getuservalue(L, -1);
  lua_pushlstring(L, credentials->access_key_id.bytes, credentials->access_key_id.length);
  lua_rawseti(L, -2, VALUE_ID);
  if (credentials->session_token.length) {
    lua_pushlstring(L, credentials->session_token.bytes, credentials->session_token.length);
    lua_rawseti(L, -2, VALUE_TOKEN);
  }
  lua_pop(L, 1);
  return 1;
}


/* credentials { access_key_id=, secret_access_key=, session_token= } -> credentials | nil, message, kind */
static int credentials_new(lua_State *L) {
  static const char *const names[CHSM_CREDENTIALS_FIELDS] = { "access_key_id", "secret_access_key", "session_token" };
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  reader from = { .L = L, .table = 1 };
  chsm_text values[CHSM_CREDENTIALS_FIELDS];
  for (int field = 0; field < CHSM_CREDENTIALS_FIELDS; field++)
    values[field] = read_text(&from, names[field], "");
  if (from.field) {
    push_refusal(&from);
    return fail(L, CREDENTIALS);
  }
  chsm_credentials_field culprit = CHSM_ACCESS_KEY_ID;
  chsm_credentials *credentials = new_credentials(L);
  chsm_credentials_status status = chsm_credentials_set(credentials, values, &culprit);
  return finish_credentials(L, status, credentials, culprit, names);
}


/* environment_credentials(id_name, secret_name, token_name) -> credentials | nil (unset) | nil, message, kind.  The environment is read
   here and the secret goes from it straight into the credentials. */
static int credentials_from_environment(lua_State *L) {
  const char *names[CHSM_CREDENTIALS_FIELDS];
  for (int field = 0; field < CHSM_CREDENTIALS_FIELDS; field++)
    names[field] = luaL_checkstring(L, field + 1);
  lua_settop(L, CHSM_CREDENTIALS_FIELDS);
  chsm_credentials_field culprit = CHSM_ACCESS_KEY_ID;
  chsm_credentials *credentials = new_credentials(L);
  chsm_credentials_status status = chsm_credentials_from_environment(credentials, names, &culprit);
  if (status == CHSM_CREDENTIALS_UNSET) {
    lua_pushnil(L);
    return 1;
  }
  if (status == CHSM_CREDENTIALS_MISSING) {
    lua_pushfstring(L, "%s: not set, but %s is", names[culprit],
                    names[culprit == CHSM_ACCESS_KEY_ID ? CHSM_SECRET_ACCESS_KEY : CHSM_ACCESS_KEY_ID]);
    return fail(L, CREDENTIALS);
  }
  return finish_credentials(L, status, credentials, culprit, names);
}


static chsm_credentials *check_credentials(lua_State *L) { return luaL_checkudata(L, 1, CREDENTIALS_TYPE); }


/* Pushes one of the values of the credentials at `index`; nil when closed. Makes no string. [-0, +1] */
static void push_value(lua_State *L, int index, int value) {
  chsm_getuservalue(L, index);
  lua_rawgeti(L, -1, value);
  lua_remove(L, -2);
}


/* credentials:access_key_id() -> string | nil (closed) */
static int credentials_access_key_id(lua_State *L) {
  check_credentials(L);
  push_value(L, 1, VALUE_ID);
  return 1;
}


/* credentials:has_session_token() -> boolean */
static int credentials_has_session_token(lua_State *L) {
  lua_pushboolean(L, check_credentials(L)->session_token.length > 0);
  return 1;
}


/* tostring(credentials): the id, which is no secret, and nothing else */
static int credentials_tostring(lua_State *L) {
  check_credentials(L);
  push_value(L, 1, VALUE_ID);
  lua_pushfstring(L, "%s: %s", CREDENTIALS_TYPE, lua_isnil(L, -1) ? "closed" : lua_tostring(L, -1));
  return 1;
}


/* credentials:close(), __gc and __close: any number of times, raises nothing after the check. */
static int credentials_close(lua_State *L) {
  chsm_credentials *credentials = check_credentials(L);
  if (!credentials->block) return 0;
  chsm_credentials_wipe(credentials);
  chsm_getuservalue(L, 1);
  for (int value = VALUE_ID; value <= VALUE_TOKEN; value++) {
    lua_rawgeti(L, -1, value);
    bool held = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (!held) continue; /* storing nil where nothing was could allocate */
    lua_pushnil(L);
    lua_rawseti(L, -2, value);
  }
  return 0;
}


/* Pushes a signer. NULL, with the reason pushed instead, where OpenSSL has no SHA-256. [-0, +1] */
static signer *new_signer(lua_State *L) {
  signer *made = chsm_newuserdata(L, sizeof *made);
  memset(made, 0, sizeof *made);
  chsm_setclass(L, SIGNER_TYPE);
  chsm_sigv4_status status = chsm_sigv4_open(&made->core);
  if (status == CHSM_SIGV4_OK) return made;
  if (status == CHSM_SIGV4_NO_MEMORY) luaL_error(L, "not enough memory");
  lua_pushstring(L, chsm_sigv4_message(status));
  lua_replace(L, -2);
  return NULL;
}


/* signer() -> signer | nil, message, kind */
static int signer_new(lua_State *L) { return new_signer(L) ? 1 : fail(L, CONFIG); }


static void close_signer(signer *closed) {
  chsm_sigv4_close(&closed->core);
  chsm_buffer_wipe(&closed->canonical);
}


/* signer:close(), __gc and __close: any number of times, raises nothing after the check. */
static int signer_close(lua_State *L) {
  close_signer(luaL_checkudata(L, 1, SIGNER_TYPE));
  return 0;
}


static int signer_tostring(lua_State *L) {
  luaL_checkudata(L, 1, SIGNER_TYPE);
  lua_pushliteral(L, SIGNER_TYPE);
  return 1;
}


/* Pushes what the core found wrong. [-0, +1] */
static void push_fault(lua_State *L, chsm_sigv4_status status, const chsm_sigv4_result *result) {
  const char *message = chsm_sigv4_message(status);
  if (status == CHSM_SIGV4_BAD_HEADER_NAME || status == CHSM_SIGV4_BAD_HEADER_VALUE)
    lua_pushfstring(L, "headers[%d]: %s", (int)result->culprit + 1, message);
  else
    lua_pushstring(L, message);
}


/* The credentials at `index`, or NULL with nil, the message and the kind of the failure pushed. [-0, +0 or +3] */
static const chsm_credentials *read_credentials(lua_State *L, int index) {
  const chsm_credentials *credentials = test_class(L, index, CREDENTIALS_TYPE);
  if (credentials) return credentials;
  reader from = { .L = L };
  refuse(&from, "credentials", 0, "made by sigv4.credentials or sigv4.environment_credentials", lua_type(L, index));
  push_refusal(&from);
  fail(L, CREDENTIALS);
  return NULL;
}


/* Reads all but headers, body, time and credentials. What it read stays on the stack. */
static void read_common(reader *from, chsm_sigv4_request *request) {
  request->method = read_text(from, "method", NULL);
  request->path = read_text(from, "path", "/");
  request->query = read_text(from, "query", "");
  request->region = read_text(from, "region", NULL);
  request->service = read_text(from, "service", NULL);
  request->keep_path = !read_flag(from, "normalize", true);
  request->all_headers = read_flag(from, "all_headers", false);
  request->omit_session_token = read_flag(from, "omit_session_token", false);
}


/* Signs. Answers 0 when `*result` is filled and the session token, or nil, is on top; else the count of values to return. */
static int sign_request(lua_State *L, signer *with, const chsm_sigv4_request *request, int credentials, chsm_sigv4_result *result) {
  chsm_sigv4_status status = chsm_sigv4_sign(&with->core, request, &with->canonical, result);
  if (status == CHSM_SIGV4_OK) {
    push_value(L, credentials, VALUE_TOKEN); /* before anything can close them: the signature covers it */
    return 0;
  }
  chsm_buffer_clear(&with->canonical);
  if (status == CHSM_SIGV4_NO_MEMORY) return luaL_error(L, "not enough memory");
  push_fault(L, status, result);
  return fail(L, status == CHSM_SIGV4_NO_CREDENTIALS ? CREDENTIALS : CONFIG);
}


/* Signs the request table at `table` with the credentials at `credentials`. Answers 0 when `*result` is filled and the session token, or
   nil, is on top; else the count of values to return for the failure. Below that stays on the stack what it read. */
static int sign_table(lua_State *L, signer *with, int table, int credentials, chsm_sigv4_result *result) {
  chsm_sigv4_header headers[CHSM_SIGV4_HEADERS_MOST];
  chsm_sigv4_request request = { .headers = headers };
  reader from = { .L = L, .table = table };
  request.credentials = read_credentials(L, credentials);
  if (!request.credentials) return 3;
  read_common(&from, &request);
  request.body = read_text(&from, "body", "");
  request.time = read_number(&from, "time");
  request.sign_body = read_flag(&from, "sign_body", false);
  request.header_count = read_headers(&from, headers);
  if (from.field) {
    push_refusal(&from);
    return fail(L, CONFIG);
  }
  return sign_request(L, with, &request, credentials, result);
}


/* Appends { name, the value on top } to the list below it. [-1, +0] */
static void append_header(lua_State *L, const char *name) {
  lua_createtable(L, 2, 0);
  lua_insert(L, -2);
  lua_rawseti(L, -2, 2);
  lua_pushstring(L, name);
  lua_rawseti(L, -2, 1);
  lua_rawseti(L, -2, (int)chsm_rawlen(L, -2) + 1);
}


/* Appends what signing adds to the list of headers on top. The session token, or nil, is at `token`. [-0, +0] */
static void append_own_headers(lua_State *L, int token, const chsm_sigv4_result *result) {
  lua_pushlstring(L, result->date, sizeof result->date);
  append_header(L, "X-Amz-Date");
  if (!lua_isnil(L, token)) {
    lua_pushvalue(L, token);
    append_header(L, "X-Amz-Security-Token");
  }
  if (result->payload_hash_added) {
    lua_pushlstring(L, result->payload_hash, sizeof result->payload_hash);
    append_header(L, "X-Amz-Content-Sha256");
  }
  lua_pushlstring(L, result->authorization, result->authorization_length);
  append_header(L, "Authorization");
}


/* signer:sign(request) -> the list of headers to add | nil, message, kind */
static int signer_sign(lua_State *L) {
  enum { REQUEST = 2, CREDENTIALS_AT = 3 };
  signer *with = luaL_checkudata(L, 1, SIGNER_TYPE);
  luaL_checktype(L, REQUEST, LUA_TTABLE);
  lua_settop(L, REQUEST);
  push_field(L, REQUEST, "credentials");
  chsm_sigv4_result result;
  int failed = sign_table(L, with, REQUEST, CREDENTIALS_AT, &result);
  if (failed) return failed;
  chsm_buffer_clear(&with->canonical);
  int token = lua_gettop(L);
  lua_createtable(L, 4, 0);
  append_own_headers(L, token, &result);
  return 1;
}


/* signable(request) -> signable | nil, message, kind.  The list of headers may be longer than the core takes: it is cut off behind one more
   than that, for the core to refuse. */
static int signable_new(lua_State *L) {
  enum { REQUEST = 1, HELD = 2 };
  chsm_sigv4_header headers[CHSM_SIGV4_HEADERS_MOST];
  chsm_sigv4_request request = { .headers = NULL };
  luaL_checktype(L, REQUEST, LUA_TTABLE);
  lua_settop(L, REQUEST);
  lua_newtable(L);
  reader from = { .L = L, .table = REQUEST };
  read_common(&from, &request);
  request.header_count = read_headers(&from, headers);
  if (from.field) {
    push_refusal(&from);
    return fail(L, CONFIG);
  }
  for (int index = lua_gettop(L); index > HELD; index--)
    lua_rawseti(L, HELD, index - HELD);
  size_t kept = request.header_count < CHSM_SIGV4_HEADERS_MOST ? request.header_count : CHSM_SIGV4_HEADERS_MOST;
  signable *made = chsm_newuserdata(L, sizeof *made + kept * sizeof *headers);
  made->request = request;
  made->request.headers = made->headers;
  if (request.header_count <= CHSM_SIGV4_HEADERS_MOST) memcpy(made->headers, headers, kept * sizeof *headers);
  chsm_setclass(L, SIGNABLE_TYPE);
  lua_pushvalue(L, HELD);
  chsm_setuservalue(L, -2);
  return 1;
}


/* signer:authorize(signable, body, time, credentials) -> authorization, date, session token or nil | nil, message, kind */
static int signer_authorize(lua_State *L) {
  enum { SIGNABLE = 2, BODY = 3, TIME = 4, CREDENTIALS_AT = 5 };
  signer *with = luaL_checkudata(L, 1, SIGNER_TYPE);
  const signable *common = luaL_checkudata(L, SIGNABLE, SIGNABLE_TYPE);
  luaL_checktype(L, BODY, LUA_TSTRING);
  luaL_checktype(L, TIME, LUA_TNUMBER);
  lua_settop(L, CREDENTIALS_AT);
  chsm_sigv4_request request = common->request;
  request.body.bytes = lua_tolstring(L, BODY, &request.body.length);
  request.time = (double)lua_tonumber(L, TIME);
  request.credentials = read_credentials(L, CREDENTIALS_AT);
  if (!request.credentials) return 3;
  chsm_sigv4_result result;
  int failed = sign_request(L, with, &request, CREDENTIALS_AT, &result);
  if (failed) return failed;
  chsm_buffer_clear(&with->canonical);
  lua_pushlstring(L, result.authorization, result.authorization_length);
  lua_pushlstring(L, result.date, sizeof result.date);
  lua_pushvalue(L, -3);
  return 3;
}


/* Pushes the headers to send: those of the request that signing does not replace, and its own. [-0, +1] */
static void push_all_headers(lua_State *L, int request, int token, const chsm_sigv4_result *result) {
  push_field(L, request, "headers");
  int given = lua_gettop(L);
  lua_newtable(L);
  size_t count = chsm_rawlen(L, given);
  int kept = 0;
  for (size_t i = 1; i <= count; i++) {
    chsm_text name;
    lua_rawgeti(L, given, (int)i);
    lua_rawgeti(L, -1, 1);
    name.bytes = lua_tolstring(L, -1, &name.length);
    bool replaced = name.bytes && chsm_sigv4_replaces(name);
    lua_pop(L, 1);
    if (replaced)
      lua_pop(L, 1);
    else
      lua_rawseti(L, -2, ++kept);
  }
  lua_remove(L, given);
  append_own_headers(L, token, result);
}


/* sign(request, credentials) -> { authorization=, signature=, canonical_request=, string_to_sign=, date=, headers= } | nil, message, kind.
   The signer of the call is nobody else's: no finalizer that the results' strings set off can sign with it. */
static int sign_once(lua_State *L) {
  enum { REQUEST = 1, CREDENTIALS_AT = 2 };
  luaL_checktype(L, REQUEST, LUA_TTABLE);
  luaL_checkany(L, CREDENTIALS_AT);
  lua_settop(L, CREDENTIALS_AT);
  signer *with = new_signer(L);
  if (!with) return fail(L, CONFIG);
  chsm_sigv4_result result;
  int failed = sign_table(L, with, REQUEST, CREDENTIALS_AT, &result);
  if (!failed) {
    int token = lua_gettop(L);
    lua_createtable(L, 0, 6);
    lua_pushlstring(L, result.authorization, result.authorization_length);
    lua_setfield(L, -2, "authorization");
    lua_pushlstring(L, result.signature, sizeof result.signature);
    lua_setfield(L, -2, "signature");
    lua_pushlstring(L, with->canonical.bytes, with->canonical.length);
    lua_setfield(L, -2, "canonical_request");
    lua_pushlstring(L, result.string_to_sign, result.string_to_sign_length);
    lua_setfield(L, -2, "string_to_sign");
    lua_pushlstring(L, result.date, sizeof result.date);
    lua_setfield(L, -2, "date");
    push_all_headers(L, REQUEST, token, &result);
    lua_setfield(L, -2, "headers");
  }
  close_signer(with);
  return failed ? failed : 1;
}


static const luaL_Reg credentials_methods[] = {
  { "access_key_id", credentials_access_key_id },
  { "has_session_token", credentials_has_session_token },
  { "close", credentials_close },
  { NULL, NULL },
};

static const luaL_Reg credentials_metamethods[] = {
  { "__gc", credentials_close },
  { "__close", credentials_close },
  { "__tostring", credentials_tostring },
  { NULL, NULL },
};

static const luaL_Reg signer_methods[] = {
  { "sign", signer_sign },
  { "authorize", signer_authorize },
  { "close", signer_close },
  { NULL, NULL },
};

static const luaL_Reg signer_metamethods[] = {
  { "__gc", signer_close },
  { "__close", signer_close },
  { "__tostring", signer_tostring },
  { NULL, NULL },
};

static const luaL_Reg none[] = { { NULL, NULL } };

static const luaL_Reg functions[] = {
  { "credentials", credentials_new }, { "environment_credentials", credentials_from_environment },
  { "signer", signer_new },           { "sign", sign_once },
  { "signable", signable_new },       { NULL, NULL },
};


/* Pushes the table of the signing functions. */
int chsm_open_signer(lua_State *L) {
  chsm_newclass(L, CREDENTIALS_TYPE, credentials_methods, credentials_metamethods);
  chsm_newclass(L, SIGNER_TYPE, signer_methods, signer_metamethods);
  chsm_newclass(L, SIGNABLE_TYPE, none, none);
  lua_newtable(L);
  chsm_setfuncs(L, functions);
  return 1;
}
