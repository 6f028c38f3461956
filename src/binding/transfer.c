#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "../core/http.h"
#include "compat.h"
#include "module.h"

#define TRANSFER_TYPE "cloudhsmv2.transfer"
#define TICKET_TYPE "cloudhsmv2.transfer.ticket"

enum { REQUEST = 2, MOST_HEADERS = 64, MOST_BYTES = 1024 * 1024 * 1024 };

/* A client's connections. */
struct transfer {
  chsm_http *http; /* owned; NULL: closed */
};

/* One exchange: what start() calls an id. Owning it, rather than numbering it, ends an exchange that nobody waits for any longer. */
struct ticket {
  chsm_http_transfer *exchange; /* owned; NULL: taken or cancelled */
  int readers;                  /* results being pushed, which a finalizer may interrupt: not to be freed meanwhile */
};


/* Argument 1; raises if it is something else. */
static struct transfer *check_transfer(lua_State *L) { return luaL_checkudata(L, 1, TRANSFER_TYPE); }


/* Argument 2; raises if it is something else. */
static struct ticket *check_ticket(lua_State *L) { return luaL_checkudata(L, 2, TICKET_TYPE); }


/* Pushes nil and the failure as a table. May raise for want of memory only. [-0, +2] */
static int push_failure(lua_State *L, const chsm_http_failure *failure) {
  lua_pushnil(L);
  lua_createtable(L, 0, 5);
  lua_pushstring(L, failure->kind);
  lua_setfield(L, -2, "kind");
  lua_pushstring(L, failure->code);
  lua_setfield(L, -2, "code");
  lua_pushstring(L, failure->message);
  lua_setfield(L, -2, "message");
  lua_pushstring(L, failure->sent);
  lua_setfield(L, -2, "sent");
  if (failure->status) {
    lua_pushinteger(L, failure->status);
    lua_setfield(L, -2, "status");
  }
  return 2;
}


/* Pushes nil and the failure of a method called too late. [-0, +2] */
static int push_aborted(lua_State *L, const char *code, const char *message) {
  chsm_http_failure failure;
  chsm_http_fail(&failure, "aborted", code, "no", "%s", message);
  return push_failure(L, &failure);
}


static int push_closed(lua_State *L) { return push_aborted(L, "Closed", "the client is closed; make a new one"); }


/* Pushes t[key] of the table at `index`, without metamethods. [-0, +1] */
static void push_field(lua_State *L, int index, const char *key) {
  lua_pushstring(L, key);
  lua_rawget(L, index);
}


/* Raises: argument `index` has a field of the wrong kind. */
static int wrong_field(lua_State *L, int index, const char *key, const char *wanted) {
  return luaL_argerror(L, index, lua_pushfstring(L, "%s must be %s", key, wanted));
}


/* The string on top, which stays there for as long as its bytes are used. */
static chsm_http_text text_on_top(lua_State *L) {
  chsm_http_text text;
  text.bytes = lua_tolstring(L, -1, &text.length);
  return text;
}


/* Pushes a field that is a string, or nil where it may be missing, and returns its bytes; raises if it is something else. [-0, +1] */
static chsm_http_text check_text(lua_State *L, int index, const char *key, int needed) {
  push_field(L, index, key);
  if (lua_type(L, -1) == LUA_TSTRING) return text_on_top(L);
  if (needed || !lua_isnil(L, -1)) wrong_field(L, index, key, "a string");
  return (chsm_http_text) { .bytes = NULL, .length = 0 };
}


/* A field that is a number, or `otherwise` where it is missing; raises if it is something else. [-0, +0] */
static double check_seconds(lua_State *L, int index, const char *key, double otherwise) {
  push_field(L, index, key);
  double seconds = otherwise;
  if (lua_type(L, -1) == LUA_TNUMBER)
    seconds = (double)lua_tonumber(L, -1);
  else if (!lua_isnil(L, -1))
    wrong_field(L, index, key, "a number of seconds");
  lua_pop(L, 1);
  return seconds;
}


/* A field that is a number of bytes, or 0 where it is missing; raises if it is something else. [-0, +0] */
static size_t check_bytes(lua_State *L, int index, const char *key) {
  push_field(L, index, key);
  double bytes = (double)lua_tonumber(L, -1);
  int missing = lua_isnil(L, -1);
  if (!missing && !(lua_type(L, -1) == LUA_TNUMBER && bytes >= 1 && bytes <= MOST_BYTES && bytes == floor(bytes)))
    wrong_field(L, index, key, "a whole number of bytes between 1 and 1 GiB");
  lua_pop(L, 1);
  return missing ? 0 : (size_t)bytes;
}


/* A field that is true or false, or missing, which is false; raises if it is something else. [-0, +0] */
static bool check_flag(lua_State *L, int index, const char *key) {
  push_field(L, index, key);
  if (!lua_isnil(L, -1) && !lua_isboolean(L, -1)) wrong_field(L, index, key, "a boolean");
  bool flag = lua_toboolean(L, -1) != 0;
  lua_pop(L, 1);
  return flag;
}


/* Pushes an option that is a string, or nil, for C; raises if it is something else. [-0, +1] */
static const char *check_option(lua_State *L, const char *key, const char *wanted) {
  chsm_http_text text = check_text(L, 1, key, 0);
  if (text.bytes && strlen(text.bytes) != text.length) wrong_field(L, 1, key, wanted);
  return text.bytes;
}


/* Reads the options at argument 1, a table or nothing; its strings are left on the stack. Raises if they are of the wrong kind. */
static chsm_http_options check_options(lua_State *L) {
  static const char path[] = "a path, without a zero byte";
  if (lua_isnoneornil(L, 1)) return (chsm_http_options) { .ca_file = NULL };
  luaL_checktype(L, 1, LUA_TTABLE);
  chsm_http_options options = { .max_body = check_bytes(L, 1, "max_body"), .max_header = check_bytes(L, 1, "max_header") };
  options.ca_file = check_option(L, "ca_file", path);
  options.proxy = check_option(L, "proxy", "a URL, without a zero byte");
  options.no_proxy = check_option(L, "no_proxy", "a list of hosts, without a zero byte");
  options.client_certificate = check_option(L, "client_certificate", path);
  options.client_key = check_option(L, "client_key", path);
  return options;
}


/* check(options) -> true | nil, failure: whether new() would succeed */
static int transfer_check(lua_State *L) {
  chsm_http_failure failure;
  chsm_http_options options = check_options(L);
  if (!chsm_http_check(&options, &failure)) return push_failure(L, &failure);
  lua_pushboolean(L, 1);
  return 1;
}


/* new(options) -> transfer | nil, failure
   options: ca_file, proxy, no_proxy, client_certificate, client_key (strings), max_body, max_header (bytes) */
static int transfer_new(lua_State *L) {
  chsm_http_failure failure;
  chsm_http_options options = check_options(L);
  struct transfer *transfer = chsm_newuserdata(L, sizeof *transfer);
  transfer->http = NULL;
  chsm_setclass(L, TRANSFER_TYPE);
  transfer->http = chsm_http_new(&options, &failure);
  return transfer->http ? 1 : push_failure(L, &failure);
}


/* Leaves name and value of every header on the stack and notes where their bytes are. Returns how many there are. */
static size_t check_headers(lua_State *L, chsm_http_field fields[MOST_HEADERS]) {
  push_field(L, REQUEST, "headers");
  if (lua_isnil(L, -1)) return 0;
  if (!lua_istable(L, -1)) wrong_field(L, REQUEST, "headers", "a list of { name, value }");
  int list = lua_gettop(L);
  size_t count = chsm_rawlen(L, list);
  if (count > MOST_HEADERS) wrong_field(L, REQUEST, "headers", "at most 64");
  luaL_checkstack(L, 2 * MOST_HEADERS + LUA_MINSTACK, "too many headers");
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, list, (int)i + 1);
    int pair = lua_gettop(L);
    if (!lua_istable(L, pair)) wrong_field(L, REQUEST, "headers", "a list of { name, value }");
    lua_rawgeti(L, pair, 1);
    lua_rawgeti(L, pair, 2);
    lua_remove(L, pair);
    if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
      wrong_field(L, REQUEST, "headers", "a list of { name, value }, all strings");
    fields[i].value = text_on_top(L);
    fields[i].name.bytes = lua_tolstring(L, -2, &fields[i].name.length);
  }
  return count;
}


/* transfer:start(request) -> id | nil, failure
   The id is for result() and cancel(); an exchange whose id is collected as garbage ends. All strings of the request lie on the stack
   before the last allocation, and whether the client is open is asked after it: a finalizer may change the table or close the client. */
static int transfer_start(lua_State *L) {
  chsm_http_failure failure;
  chsm_http_field fields[MOST_HEADERS];
  struct transfer *transfer = check_transfer(L);
  luaL_checktype(L, REQUEST, LUA_TTABLE);
  chsm_http_request request = { .headers = fields };
  request.connect_timeout = check_seconds(L, REQUEST, "connect_timeout", CHSM_HTTP_CONNECT_TIMEOUT);
  request.read_timeout = check_seconds(L, REQUEST, "read_timeout", CHSM_HTTP_READ_TIMEOUT);
  request.timeout = check_seconds(L, REQUEST, "timeout", HUGE_VAL);
  request.max_body = check_bytes(L, REQUEST, "max_body");
  request.fresh_connection = check_flag(L, REQUEST, "fresh_connection");
  request.direct = check_flag(L, REQUEST, "direct");
  request.method = check_text(L, REQUEST, "method", 1);
  request.url = check_text(L, REQUEST, "url", 1);
  request.body = check_text(L, REQUEST, "body", 0);
  request.header_count = check_headers(L, fields);

  struct ticket *ticket = chsm_newuserdata(L, sizeof *ticket);
  *ticket = (struct ticket) { .exchange = NULL };
  chsm_setclass(L, TICKET_TYPE);
  if (!transfer->http) return push_closed(L);
  ticket->exchange = chsm_http_start(transfer->http, &request, &failure);
  return ticket->exchange ? 1 : push_failure(L, &failure);
}


/* transfer:step(seconds) -> number of exchanges still running | nil, failure
   Waits up to `seconds`, 0 if not given, until one of them ends. */
static int transfer_step(lua_State *L) {
  struct transfer *transfer = check_transfer(L);
  double seconds = (double)luaL_optnumber(L, 2, 0);
  if (!transfer->http) return push_closed(L);
  lua_pushnumber(L, (lua_Number)chsm_http_step(transfer->http, seconds));
  return 1;
}


/* Pushes { status, headers, body }. May raise for want of memory only. [-0, +1] */
static void push_answer(lua_State *L, const chsm_http_transfer *exchange) {
  const chsm_http_head *head = chsm_http_answer(exchange);
  chsm_http_text body = chsm_http_body(exchange);
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, head->status);
  lua_setfield(L, -2, "status");
  lua_createtable(L, 0, (int)head->count);
  for (size_t i = 0; i < head->count; i++) {
    const chsm_http_header *header = &head->headers[i];
    lua_pushlstring(L, head->text.bytes + header->name, header->name_length);
    lua_pushlstring(L, head->text.bytes + header->value, header->value_length);
    lua_rawset(L, -3);
  }
  lua_setfield(L, -2, "headers");
  lua_pushlstring(L, body.bytes, body.length);
  lua_setfield(L, -2, "body");
}


/* transfer:result(id) -> response | nil, failure | false while it runs
   Once: afterwards the id is spent. If memory runs out on the way, the result stays where it is. */
static int transfer_result(lua_State *L) {
  struct transfer *transfer = check_transfer(L);
  struct ticket *ticket = check_ticket(L);
  if (!transfer->http) return push_closed(L);
  if (!ticket->exchange) return push_aborted(L, "Gone", "the result was taken before, or the request was cancelled");
  if (chsm_http_running(ticket->exchange)) {
    lua_pushboolean(L, 0);
    return 1;
  }
  int results = 1;
  const chsm_http_failure *failure = chsm_http_failed(ticket->exchange);
  ticket->readers++;
  if (failure)
    results = push_failure(L, failure);
  else
    push_answer(L, ticket->exchange);
  if (--ticket->readers == 0) {
    chsm_http_drop(ticket->exchange);
    ticket->exchange = NULL;
  }
  return results;
}


/* Ends the exchange, unless its result is just being pushed. */
static void give_up(struct ticket *ticket) {
  if (ticket->readers) return;
  chsm_http_drop(ticket->exchange);
  ticket->exchange = NULL;
}


/* transfer:cancel(id) -> true | nil, failure: ends the exchange and closes its connection; one that has ended is forgotten */
static int transfer_cancel(lua_State *L) {
  struct transfer *transfer = check_transfer(L);
  struct ticket *ticket = check_ticket(L);
  if (!transfer->http) return push_closed(L);
  give_up(ticket);
  lua_pushboolean(L, 1);
  return 1;
}


/* Any number of times. Exchanges under way end as aborted. */
static void shut(struct transfer *transfer) {
  chsm_http *http = transfer->http;
  transfer->http = NULL;
  chsm_http_free(http);
}


/* transfer:close() and __close */
static int transfer_close(lua_State *L) {
  shut(check_transfer(L));
  return 0;
}


/* __gc: the same, but raises nothing. */
static int transfer_collect(lua_State *L) {
  shut(lua_touserdata(L, 1));
  return 0;
}


/* __gc of an id: nobody can ask for the result any longer, nor be reading it. Raises nothing. */
static int ticket_collect(lua_State *L) {
  struct ticket *ticket = lua_touserdata(L, 1);
  ticket->readers = 0;
  give_up(ticket);
  return 0;
}


static const luaL_Reg functions[] = { { "check", transfer_check }, { "new", transfer_new }, { NULL, NULL } };

static const luaL_Reg methods[] = {
  { "start", transfer_start },   { "step", transfer_step },   { "result", transfer_result },
  { "cancel", transfer_cancel }, { "close", transfer_close }, { NULL, NULL },
};

static const luaL_Reg metamethods[] = { { "__gc", transfer_collect }, { "__close", transfer_close }, { NULL, NULL } };

static const luaL_Reg ticket_methods[] = { { NULL, NULL } };

static const luaL_Reg ticket_metamethods[] = { { "__gc", ticket_collect }, { NULL, NULL } };

/* Pushes the table of functions. May raise. [-0, +1] */
int chsm_open_transfer(lua_State *L) {
  chsm_newclass(L, TRANSFER_TYPE, methods, metamethods);
  chsm_newclass(L, TICKET_TYPE, ticket_methods, ticket_metamethods);
  lua_newtable(L);
  chsm_setfuncs(L, functions);
  return 1;
}
