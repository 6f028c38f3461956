#ifndef CHSM_JSON_H
#define CHSM_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

bool chsm_json_word(chsm_json_reader *reader, const char *word, size_t length);
chsm_status chsm_json_string(chsm_json_reader *reader, chsm_buffer *scratch, chsm_json_token *token);
chsm_status chsm_json_number(chsm_json_reader *reader, chsm_json_token *token);

size_t chsm_utf8_check(const char *bytes, size_t length, size_t *characters);
chsm_status chsm_json_write_string(chsm_buffer *out, const char *bytes, size_t length);


/* The first byte from `at` on that does not belong to a plain run, or `end`: a quote, a backslash, a control character or what is not
   ASCII. Eight at a time, by the classic test for a zero byte, (x - 1) & ~x & 0x80, on what is left after xor with the byte that is
   looked for; the lowest bit that it sets is exact. */
static inline const char *chsm_json_plain_run(const char *at, const char *end) {
#if defined __BYTE_ORDER__ && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  const uint64_t ones = UINT64_C(0x0101010101010101), highs = UINT64_C(0x8080808080808080);
  for (uint64_t chunk; end - at >= 8; at += 8) {
    memcpy(&chunk, at, sizeof chunk);
    uint64_t quote = chunk ^ (ones * '"'), escape = chunk ^ (ones * '\\');
    uint64_t special = (((quote - ones) & ~quote) | ((escape - ones) & ~escape) | (chunk - ones * 0x20) | chunk) & highs;
    if (special) return at + __builtin_ctzll(special) / 8;
  }
#endif
  while (at < end && (unsigned char)*at >= 0x20 && (unsigned char)*at < 0x80 && *at != '"' && *at != '\\')
    at++;
  return at;
}


/* Skips white space; the next byte, or -1 at the end of the text. */
static inline int chsm_json_peek(chsm_json_reader *reader) {
  const char *at = reader->at;
  while (at < reader->end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
    at++;
  reader->at = at;
  return at < reader->end ? (unsigned char)*at : -1;
}


/* Takes `c` if it comes next, white space aside. */
static inline bool chsm_json_take(chsm_json_reader *reader, char c) {
  if (chsm_json_peek(reader) != (unsigned char)c) return false;
  reader->at++;
  return true;
}

#pragma GCC visibility pop

#endif
