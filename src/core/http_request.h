/* From a request to what libcurl is told of it: checks, URL, headers, body, limits, and the rules that hold for every request. */
#ifndef CHSM_HTTP_REQUEST_H
#define CHSM_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include <curl/curl.h>

#include "http.h"

#pragma GCC visibility push(hidden)

/* What the requests of one client have in common. The strings are owned by the client and may be NULL. */
typedef struct chsm_http_rules {
  char *ca_file;
  char *proxy;
  char *no_proxy;
  char *client_certificate;
  char *client_key;
  bool looked;     /* for libcurl's own authorities, which only TLS needs */
  bool has_bundle; /* they are in a file */
  bool has_folder; /* and, or, in a folder where OpenSSL opens the one that it needs */
} chsm_http_rules;

/* Where a request goes. Zero-initialised is nowhere. */
typedef struct chsm_http_url {
  char *given;           /* owned; wiped, for a query may hold a secret */
  size_t length;         /* of that */
  char *whole;           /* as libcurl writes it; owned, wiped */
  char *origin;          /* the same without path and query; owned */
  chsm_http_text target; /* path and query; points into `whole` */
  size_t host_length;    /* of the peer, as much as a Host header shows */
  bool tls;
  char peer[CHSM_HTTP_PEER]; /* host:port */
  unsigned port;
} chsm_http_url;

/* What libcurl reads while it sends a request. Zero-initialised is none. */
typedef struct chsm_http_outgoing {
  char *lines; /* owned: headers as NUL-terminated lines, one after the other; wiped, for they hold tokens */
  size_t lines_length;
  struct curl_slist *list; /* owned array; points into `lines` */
  chsm_buffer body;
} chsm_http_outgoing;

bool chsm_http_request_check(const chsm_http_request *request, chsm_http_failure *failure);
bool chsm_http_url_parse(chsm_http_url *url, chsm_http_text text, chsm_http_failure *failure);
void chsm_http_url_wipe(chsm_http_url *url);
void chsm_http_rules_look(chsm_http_rules *rules, bool openssl);
bool chsm_http_request_set(CURL *easy, const chsm_http_rules *rules, const chsm_http_request *request, const chsm_http_url *url,
                           chsm_http_outgoing *outgoing, chsm_http_failure *failure);
CURLcode chsm_http_connection_set(CURL *easy, const chsm_http_rules *rules, const char *origin, double connect_timeout, double timeout);
void chsm_http_request_forget(chsm_http_outgoing *outgoing);
bool chsm_http_request_set_limit(CURL *easy, double seconds);
unsigned chsm_http_port(const char *digits);

#pragma GCC visibility pop

#endif
