/* HTTP/1.1 for one client: many exchanges over one libcurl multi handle, none of which blocks. Knows nothing of Lua and calls
   nobody back. One thread at a time. */
#ifndef CHSM_HTTP_H
#define CHSM_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "buffer.h"
#include "http_failure.h"
#include "http_head.h"

#pragma GCC visibility push(hidden)

#define CHSM_HTTP_MAX_BODY ((size_t)8 * 1024 * 1024)
#define CHSM_HTTP_MAX_HEADER ((size_t)256 * 1024)
#define CHSM_HTTP_CONNECT_TIMEOUT 3.1 /* seconds */
#define CHSM_HTTP_READ_TIMEOUT 60.0   /* seconds */

/* A client's connections. */
typedef struct chsm_http chsm_http;

/* One exchange. Whoever started it owns it; it stays valid when its client is closed first. */
typedef struct chsm_http_transfer chsm_http_transfer;

typedef struct chsm_http_options {
  const char *ca_file;  /* PEM file of authorities to trust; NULL: libcurl's own */
  const char *proxy;    /* URL of a proxy; "": none, whatever the environment says; NULL: as the environment says */
  const char *no_proxy; /* hosts that no proxy is used for, as libcurl lists them; NULL: as the environment says, or none with `proxy` */
  const char *client_certificate; /* PEM file, shown to a server that asks for it, never to a proxy; NULL: none */
  const char *client_key;         /* PEM file of its private key; NULL: in the same file */
  size_t max_body;                /* most bytes of an answer's body; 0: CHSM_HTTP_MAX_BODY */
  size_t max_header;              /* most bytes of an answer's headers; 0: CHSM_HTTP_MAX_HEADER */
} chsm_http_options;

typedef struct chsm_http_text {
  const char *bytes;
  size_t length;
} chsm_http_text;

typedef struct chsm_http_field {
  chsm_http_text name, value;
} chsm_http_field;

/* Seconds are positive; HUGE_VAL stands for no limit. */
typedef struct chsm_http_request {
  chsm_http_text method, url, body;
  const chsm_http_field *headers; /* Host follows from the URL unless given; what frames a message is refused */
  size_t header_count;
  double connect_timeout; /* name, TCP, proxy and TLS together */
  double read_timeout;    /* without anything moving, from the moment there is a connection */
  double timeout;         /* everything together */
  size_t max_body;        /* most bytes of the answer's body, if that is less than the client's; 0: the client's */
  bool direct;            /* through no proxy, whatever the options or the environment say */
  bool fresh_connection;  /* over a connection used before and after by nobody: the request leaves at most once */
} chsm_http_request;

bool chsm_http_check(const chsm_http_options *options, chsm_http_failure *failure);
chsm_http *chsm_http_new(const chsm_http_options *options, chsm_http_failure *failure);
void chsm_http_free(chsm_http *http);
chsm_http_transfer *chsm_http_start(chsm_http *http, const chsm_http_request *request, chsm_http_failure *failure);
size_t chsm_http_step(chsm_http *http, double wait);

bool chsm_http_running(chsm_http_transfer *transfer);
const chsm_http_failure *chsm_http_failed(const chsm_http_transfer *transfer);
const chsm_http_head *chsm_http_answer(const chsm_http_transfer *transfer);
chsm_http_text chsm_http_body(const chsm_http_transfer *transfer);
void chsm_http_drop(chsm_http_transfer *transfer);

#pragma GCC visibility pop

#endif
