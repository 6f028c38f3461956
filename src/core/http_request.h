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
  bool bundle_alone; /* libcurl's own CA file is there, so its CA directory is not needed */
} chsm_http_rules;

/* What libcurl reads while a request is under way, and what messages say of it. Zero-initialised is none. */
typedef struct chsm_http_outgoing {
  char *lines; /* owned: headers as NUL-terminated lines, one after the other; wiped, for they hold tokens */
  size_t lines_length;
  struct curl_slist *list; /* owned array; points into `lines` */
  chsm_buffer body;
  bool headless; /* the answer has headers only: HEAD */
  char peer[CHSM_HTTP_PEER];
  unsigned port;
} chsm_http_outgoing;

bool chsm_http_request_check(const chsm_http_request *request, chsm_http_failure *failure);
bool chsm_http_request_set(CURL *easy, const chsm_http_rules *rules, const chsm_http_request *request, chsm_http_outgoing *outgoing,
                           chsm_http_failure *failure);
void chsm_http_request_forget(chsm_http_outgoing *outgoing);
bool chsm_http_request_set_limit(CURL *easy, double seconds);
unsigned chsm_http_port(const char *digits);

#pragma GCC visibility pop

#endif
