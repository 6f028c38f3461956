/* The head of an answer: status line and headers, line by line, with everything that smells of a trick refused. */
#ifndef CHSM_HTTP_HEAD_H
#define CHSM_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "http_failure.h"

#pragma GCC visibility push(hidden)

/* One header; offsets into the head's text. */
typedef struct chsm_http_header {
  size_t name, name_length;
  size_t value, value_length;
} chsm_http_header;

/* Zero-initialised is a head that waits for a status line, without a limit. */
typedef struct chsm_http_head {
  chsm_buffer text;          /* names in lower case and values without surrounding blanks */
  chsm_http_header *headers; /* owned */
  size_t count, capacity;
  size_t most; /* bytes that all lines of the exchange may have together, interim answers and trailers included; 0: any */
  size_t seen;
  size_t lines;
  bool answered; /* a status line arrived */
  bool complete; /* the blank line after the headers of the final answer arrived */
  bool open;     /* between a status line and its blank line */
  bool chunked;
  bool has_length;
  uint64_t length; /* of the body, as stated */
  int status;      /* of the final answer; 0: not there yet */
} chsm_http_head;

chsm_http_refusal chsm_http_head_line(chsm_http_head *head, const char *line, size_t length);
chsm_http_refusal chsm_http_head_join(chsm_http_head *head);
void chsm_http_head_wipe(chsm_http_head *head);

#pragma GCC visibility pop

#endif
