#ifndef CHSM_JSON_H
#define CHSM_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "buffer.h"

#pragma GCC visibility push(hidden)

/* A place in a JSON text (RFC 8259). The bytes are the caller's and must outlive it. */
typedef struct chsm_json_reader {
  const char *at;
  const char *end;
  const char *problem; /* what is wrong at `at`, a constant; NULL while all is well */
} chsm_json_reader;

/* A string or a number of the text. */
typedef struct chsm_json_token {
  const char *bytes;
  size_t length;
  bool integral; /* a number without fraction and exponent */
} chsm_json_token;

int chsm_json_peek(chsm_json_reader *reader);
bool chsm_json_take(chsm_json_reader *reader, char c);
bool chsm_json_word(chsm_json_reader *reader, const char *word, size_t length);
chsm_status chsm_json_string(chsm_json_reader *reader, chsm_buffer *scratch, chsm_json_token *token);
chsm_status chsm_json_number(chsm_json_reader *reader, chsm_json_token *token);

size_t chsm_utf8_check(const char *bytes, size_t length, size_t *characters);
chsm_status chsm_json_write_string(chsm_buffer *out, const char *bytes, size_t length);

#pragma GCC visibility pop

#endif
