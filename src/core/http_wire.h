/* HTTP/1.1 as bytes: writes a request, and reads an answer from whatever pieces it arrives in. Knows of no socket. */
#ifndef CHSM_HTTP_WIRE_H
#define CHSM_HTTP_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "http.h"
#include "http_failure.h"
#include "http_head.h"

#pragma GCC visibility push(hidden)

/* What an answer is expected to go on with. */
typedef enum {
  CHSM_HTTP_IN_HEAD,
  CHSM_HTTP_IN_BODY,     /* of a stated length */
  CHSM_HTTP_TO_CLOSE,    /* a body that the end of the connection ends */
  CHSM_HTTP_IN_SIZE,     /* the line before a chunk */
  CHSM_HTTP_IN_CHUNK,    /* its bytes */
  CHSM_HTTP_AFTER_CHUNK, /* the line end after them */
  CHSM_HTTP_IN_TRAILERS,
  CHSM_HTTP_WHOLE
} chsm_http_place;

/* An answer that is being read into a head and a body, both the caller's, the body with a cap. But for those two zero-initialised, it waits
   for its first byte. */
typedef struct chsm_http_wire {
  chsm_http_head *head;
  chsm_buffer *body;
  bool headless; /* the answer to HEAD: headers only */
  bool touched;  /* a byte arrived */
  bool spilled;  /* bytes came after its end */
  bool old;      /* its last status line was of HTTP/1.0 */
  chsm_http_place place;
  uint64_t left;    /* of a body or a chunk */
  chsm_buffer line; /* the beginning of a line that has not arrived whole */
} chsm_http_wire;

chsm_status chsm_http_wire_write(chsm_buffer *out, const chsm_http_request *request, chsm_http_text target, chsm_http_text host);
chsm_http_refusal chsm_http_wire_read(chsm_http_wire *wire, const char *bytes, size_t length);
size_t chsm_http_wire_room(const chsm_http_wire *wire);
void chsm_http_wire_took(chsm_http_wire *wire, size_t length);
bool chsm_http_wire_end(chsm_http_wire *wire);
bool chsm_http_wire_lasts(const chsm_http_wire *wire);
void chsm_http_wire_wipe(chsm_http_wire *wire);

#pragma GCC visibility pop

#endif
