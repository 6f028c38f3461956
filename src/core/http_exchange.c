#define _POSIX_C_SOURCE 200809L

/* An HTTP/1.1 exchange of our own. libcurl makes the connection - names, addresses, TLS and whom it trusts - and moves bytes through it;
   the rest is here: which connection is used again, what is sent and read, and when that is too late. */

#include "http_inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "clock.h"

enum {
  PIECE = 16 * 1024, /* what is read at once: a record of TLS */
  MOST_KEPT = 512,
  CLOSES_CONNECTIONS = 0x075000, /* the libcurl from which on a removed handle takes its connection along */
  WRITES_QUIETLY = 0x075800      /* and from which on OpenSSL writes through it, with MSG_NOSIGNAL */
};

/* Load balancers close idle connections after about a minute; and a new certificate or address has to be noticed some time. */
static const double MOST_IDLE = 50, MOST_AGE = 600; /* seconds */


/* Whether a variable of the environment is set to something. */
static bool is_set(const char *name) {
  const char *value = getenv(name);
  return value && *value;
}


/* Whether no proxy can stand between: libcurl would look for one in these variables. */
static bool is_direct(const chsm_http *http, const chsm_http_request *request) {
  if (request->direct) return true;
  if (http->rules.proxy) return !*http->rules.proxy;
  return !is_set("http_proxy") && !is_set("https_proxy") && !is_set("HTTPS_PROXY") && !is_set("all_proxy") && !is_set("ALL_PROXY");
}


/* Whether a request can be exchanged here. */
bool chsm_http_exchange_fits(const chsm_http *http, const chsm_http_request *request) {
  return http->watch >= 0 && http->version >= CLOSES_CONNECTIONS && is_direct(http, request);
}


/* Writes the request to the last URL of the client. False: out of memory. */
bool chsm_http_exchange_prepare(chsm_http_transfer *transfer, const chsm_http_request *request) {
  const chsm_http_url *url = &transfer->http->url;
  transfer->own = true;
  transfer->wire = (chsm_http_wire) { .head = &transfer->head, .body = &transfer->body, .headless = transfer->headless };
  chsm_http_text host = { .bytes = url->peer, .length = url->host_length };
  return chsm_http_wire_write(&transfer->request, request, url->target, host) == CHSM_OK;
}


/* ---- Connections ---- */

/* Closes the connection of a handle that serves nobody, and takes the handle back. */
static void close_connection(chsm_http_handle *handle) {
  struct chsm_http_quiet quiet = chsm_http_quiet_begin(true); /* TLS says farewell */
  chsm_http_give_handle(handle);
  chsm_http_quiet_end(&quiet);
}


/* Takes the handle out of the list of those whose connection is kept; false: it is not there. */
static bool unkeep(chsm_http_handle *handle) {
  chsm_http_handle **place = &handle->http->kept;
  while (*place && *place != handle)
    place = &(*place)->next;
  if (!*place) return false;
  *place = handle->next;
  handle->next = NULL;
  handle->http->kept_count--;
  return true;
}


/* Keeps a connection for the next request. */
static void keep(chsm_http_handle *handle) {
  chsm_http *http = handle->http;
  if (http->kept_count >= MOST_KEPT) {
    chsm_http_handle *oldest = http->kept;
    while (oldest->next)
      oldest = oldest->next;
    unkeep(oldest);
    close_connection(oldest);
  }
  handle->used = chsm_clock_monotonic();
  handle->next = http->kept;
  http->kept = handle;
  http->kept_count++;
}


/* Whether nothing has arrived on a kept connection, neither its end nor a byte, which would be taken for the answer to the next request.
   What TLS has to say for itself is heard. */
static bool is_quiet(chsm_http_handle *handle) {
  char byte;
  size_t count;
  if (!handle->tls) return !chsm_http_holds_bytes(handle->socket);
  struct chsm_http_quiet quiet = chsm_http_quiet_begin(handle->loud);
  CURLcode result = curl_easy_recv(handle->easy, &byte, 1, &count);
  chsm_http_quiet_end(&quiet);
  return result == CURLE_AGAIN;
}


/* A connection to where the transfer goes that was kept, is young enough and, as far as can be seen, still open; NULL: there is none. */
static chsm_http_handle *take_kept(chsm_http_transfer *transfer, bool tls) {
  chsm_http *http = transfer->http;
  double now = chsm_clock_monotonic();
  chsm_http_handle *next;
  for (chsm_http_handle *handle = http->kept; handle; handle = next) {
    next = handle->next;
    bool stale = now - handle->used > MOST_IDLE || now - handle->opened > MOST_AGE;
    if (!stale && (handle->tls != tls || strcmp(handle->peer, transfer->peer) != 0)) continue;
    unkeep(handle);
    if (!stale && is_quiet(handle)) return handle;
    close_connection(handle);
  }
  return NULL;
}


/* Has libcurl connect, within the time that the transfer has left. */
static void dial(chsm_http_transfer *transfer, const char *origin, bool tls) {
  chsm_http *http = transfer->http;
  struct chsm_http_quiet quiet = chsm_http_quiet_begin(true);
  double left = transfer->started + transfer->timeout - chsm_clock_monotonic();
  CURLcode result = chsm_http_take_handle(http, transfer) ? CURLE_OK : CURLE_OUT_OF_MEMORY;
  transfer->reused = false;
  if (result == CURLE_OK) {
    chsm_http_handle *handle = transfer->handle;
    handle->tls = tls;
    handle->loud = tls && !(http->openssl && http->version >= WRITES_QUIETLY);
    memcpy(handle->peer, transfer->peer, sizeof handle->peer);
    if (tls) chsm_http_rules_look(&http->rules, http->openssl);
    handle->by_folder = http->rules.has_folder;
    result = chsm_http_connection_set(handle->easy, &http->rules, origin, transfer->connect_timeout, left > 0 ? left : 0);
    if (result == CURLE_OK && !chsm_http_add_handle(handle)) result = CURLE_OUT_OF_MEMORY;
  }
  if (result != CURLE_OK) chsm_http_finish(transfer, result);
  chsm_http_quiet_end(&quiet);
}


/* Connects once more, to the same place, after giving up the connection that there was, or that could not be made. */
static void dial_again(chsm_http_transfer *transfer) {
  chsm_http_handle *handle = transfer->handle;
  char *origin = NULL, *copy = NULL;
  bool tls = handle->tls;
  if (curl_easy_getinfo(handle->easy, CURLINFO_EFFECTIVE_URL, &origin) == CURLE_OK && origin) copy = strdup(origin);
  if (!copy) {
    chsm_http_finish(transfer, CURLE_OUT_OF_MEMORY);
    return;
  }
  transfer->handle = NULL;
  handle->transfer = NULL;
  close_connection(handle);
  dial(transfer, copy, tls);
  free(copy);
}


/* ---- Bytes ---- */

/* The connection does not go on as it should. One that was used before may have been closed by the server just when the request left; then
   the request is sent once more, over a new one, unless it must not leave twice. */
static void break_off(chsm_http_transfer *transfer, CURLcode result) {
  if (!transfer->reused || transfer->fresh || transfer->wire.touched) {
    chsm_http_finish(transfer, result);
    return;
  }
  transfer->gone = 0;
  dial_again(transfer);
}


/* Sends what the connection takes. */
static void send_on(chsm_http_transfer *transfer) {
  chsm_http_handle *handle = transfer->handle;
  CURLcode result = CURLE_OK;
  struct chsm_http_quiet quiet = { .blocked = false };
  if (!transfer->began) { /* until now libcurl looked after the limits */
    chsm_http_expect_limit(transfer->http, transfer->started + transfer->timeout);
    chsm_http_expect_limit(transfer->http, chsm_clock_monotonic() + transfer->read_timeout);
  }
  transfer->began = true;
  if (handle->tls) quiet = chsm_http_quiet_begin(handle->loud);
  while (transfer->gone < transfer->request.length && result == CURLE_OK) {
    size_t count = 0;
    result = curl_easy_send(handle->easy, transfer->request.bytes + transfer->gone, transfer->request.length - transfer->gone, &count);
    if (result == CURLE_OK) transfer->gone += count;
  }
  if (handle->tls) chsm_http_quiet_end(&quiet);
  transfer->moved = chsm_clock_monotonic();

  bool stuffed = result == CURLE_AGAIN;
  if (result == CURLE_OK || stuffed) {
    bool changed = stuffed != handle->stuffed;
    handle->stuffed = stuffed;
    if (!changed || chsm_http_watch_connection(handle, false)) return;
    result = CURLE_OUT_OF_MEMORY;
  }
  break_off(transfer, result);
}


/* One piece that libcurl handed over, or none because of `result`. True: there may be more. */
static bool take_piece(chsm_http_transfer *transfer, CURLcode result, const char *bytes, size_t length, bool in_place) {
  chsm_http_wire *wire = &transfer->wire;
  if (result == CURLE_AGAIN) return false;
  if (result != CURLE_OK) {
    break_off(transfer, result);
    return false;
  }
  transfer->moved = chsm_clock_monotonic();
  if (!length) {
    if (chsm_http_wire_end(wire))
      chsm_http_finish(transfer, CURLE_OK);
    else
      break_off(transfer, wire->head->complete ? CURLE_PARTIAL_FILE : CURLE_GOT_NOTHING);
    return false;
  }
  if (in_place)
    chsm_http_wire_took(wire, length);
  else
    transfer->refusal = chsm_http_wire_read(wire, bytes, length);
  if (transfer->refusal == CHSM_HTTP_FINE && wire->place != CHSM_HTTP_WHOLE) return true;
  transfer->lasts = transfer->refusal == CHSM_HTTP_FINE && transfer->gone == transfer->request.length && chsm_http_wire_lasts(wire);
  chsm_http_finish(transfer, CURLE_OK);
  return false;
}


/* Reads what has arrived. Of a socket without TLS the kernel tells again what was left there; TLS keeps things to itself, and is asked
   until it has nothing more. */
static void read_on(chsm_http_transfer *transfer) {
  chsm_http_handle *handle = transfer->handle;
  char piece[PIECE];
  bool more = true;
  while (more) {
    size_t room = chsm_http_wire_room(&transfer->wire), count = 0;
    size_t size = room ? room : sizeof piece;
    char *into = room ? transfer->body.bytes + transfer->body.length : piece;
    struct chsm_http_quiet quiet = { .blocked = false };
    if (handle->tls) quiet = chsm_http_quiet_begin(handle->loud);
    CURLcode result = curl_easy_recv(handle->easy, into, size, &count);
    if (handle->tls) chsm_http_quiet_end(&quiet);
    more = take_piece(transfer, result, into, count, room != 0) && (handle->tls || count == size);
    if (!room && count) OPENSSL_cleanse(piece, count);
  }
}


/* ---- The life of an exchange ---- */

/* Starts what was prepared: over a connection that was kept, or over a new one to `origin`. Whatever fails ends the transfer. */
void chsm_http_exchange_start(chsm_http_transfer *transfer, const char *origin, bool tls) {
  chsm_http_handle *handle = transfer->fresh ? NULL : take_kept(transfer, tls);
  if (!handle) {
    dial(transfer, origin, tls);
    return;
  }
  handle->transfer = transfer;
  transfer->handle = handle;
  transfer->reused = true;
  send_on(transfer);
}


/* libcurl has connected, or has not. Where the system's folder of authorities does not have the right one, the system's file is asked,
   which somebody may have added to: nothing was sent yet. */
void chsm_http_exchange_connected(chsm_http_handle *handle, CURLcode result) {
  chsm_http_transfer *transfer = handle->transfer;
  chsm_http_rules *rules = &handle->http->rules;
  curl_socket_t number = CURL_SOCKET_BAD;
  if (result == CURLE_PEER_FAILED_VERIFICATION && handle->by_folder && rules->has_bundle) {
    rules->has_folder = false;
    dial_again(transfer);
    return;
  }
  if (result == CURLE_OK && (curl_easy_getinfo(handle->easy, CURLINFO_ACTIVESOCKET, &number) != CURLE_OK || number == CURL_SOCKET_BAD))
    result = CURLE_FAILED_INIT;
  if (result == CURLE_OK) {
    handle->socket = number;
    handle->opened = chsm_clock_monotonic();
    if (!chsm_http_watch_connection(handle, true)) result = CURLE_OUT_OF_MEMORY;
  }
  if (result == CURLE_OK)
    send_on(transfer);
  else
    chsm_http_finish(transfer, result);
}


/* The connection's socket is ready. What is said on one that nobody uses is its end. */
void chsm_http_exchange_serve(chsm_http_handle *handle) {
  chsm_http_transfer *transfer = handle->transfer;
  if (handle->socket < 0) return;
  if (!transfer) {
    if (!is_quiet(handle) && unkeep(handle)) close_connection(handle);
    return;
  }
  read_on(transfer);
  if (handle->transfer == transfer && transfer->gone < transfer->request.length && handle->socket >= 0) send_on(transfer);
}


/* The transfer has ended, one way or the other: its connection is kept for the next one, or closed. */
void chsm_http_exchange_leave(chsm_http_transfer *transfer) {
  chsm_http_handle *handle = transfer->handle;
  chsm_http_wire_wipe(&transfer->wire);
  chsm_buffer_wipe(&transfer->request);
  transfer->handle = NULL;
  if (!handle) return;
  handle->transfer = NULL;
  if (transfer->lasts && !transfer->failed && !transfer->fresh && handle->socket >= 0)
    keep(handle);
  else
    close_connection(handle);
}
