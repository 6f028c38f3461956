#include "json.h"

#include <string.h>

#include "hex.h"
#include "number.h"

static chsm_status fail(chsm_json_reader *reader, const char *problem) {
  reader->problem = problem;
  return CHSM_INVALID;
}


/* The length of the well-formed UTF-8 sequence (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF) at `at`; 0: none. */
static size_t sequence(const char *at, const char *end) {
  const unsigned char *b = (const unsigned char *)at;
  size_t left = (size_t)(end - at);
  if (b[0] < 0x80) return 1;
  if (b[0] < 0xC2) return 0;
  if (b[0] < 0xE0) return left >= 2 && (b[1] & 0xC0) == 0x80 ? 2 : 0;
  if (b[0] < 0xF0) {
    if (left < 3 || (b[1] & 0xC0) != 0x80 || (b[2] & 0xC0) != 0x80) return 0;
    return (b[0] == 0xE0 && b[1] < 0xA0) || (b[0] == 0xED && b[1] > 0x9F) ? 0 : 3;
  }
  if (b[0] > 0xF4 || left < 4 || (b[1] & 0xC0) != 0x80 || (b[2] & 0xC0) != 0x80 || (b[3] & 0xC0) != 0x80) return 0;
  return (b[0] == 0xF0 && b[1] < 0x90) || (b[0] == 0xF4 && b[1] > 0x8F) ? 0 : 4;
}


/* How many bytes from the start are well-formed UTF-8: `length` when all are. *characters: how many code points they are. */
size_t chsm_utf8_check(const char *bytes, size_t length, size_t *characters) {
  const char *at = bytes;
  const char *end = bytes + length;
  *characters = 0;
  while (at < end) {
    size_t step = sequence(at, end);
    if (!step) break;
    at += step;
    (*characters)++;
  }
  return (size_t)(at - bytes);
}


/* Takes `word`, one of true, false and null, if it comes right here. */
bool chsm_json_word(chsm_json_reader *reader, const char *word, size_t length) {
  if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0) return false;
  reader->at += length;
  return true;
}


/* Four hexadecimal digits at `at`, or -1. */
static long hex4(const char *at, const char *end) {
  if (end - at < 4) return -1;
  int a = chsm_hex_digit(at[0]), b = chsm_hex_digit(at[1]), c = chsm_hex_digit(at[2]), d = chsm_hex_digit(at[3]);
  if ((a | b | c | d) < 0) return -1;
  return (long)(a << 12 | b << 8 | c << 4 | d);
}


/* Writes a code point in UTF-8 to `at`, which has room for four bytes; where it ends. */
static char *write_code_point(char *at, unsigned long code) {
  size_t more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  static const unsigned char LEAD[] = { 0, 0xC0, 0xE0, 0xF0 };
  *at++ = (char)(LEAD[more] | code >> (6 * more));
  while (more--)
    *at++ = (char)(0x80 | (code >> (6 * more) & 0x3F));
  return at;
}


/* What follows a backslash, appended to `out`, which has room for four bytes. */
static chsm_status read_escape(chsm_json_reader *reader, chsm_buffer *out) {
  static const char PLAIN[] = "\"\\/bfnrt";
  static const char MEANT[] = "\"\\/\b\f\n\r\t";
  if (reader->at == reader->end) return fail(reader, "the text ends inside a string");
  char c = *reader->at++;
  if (c != 'u') {
    const char *known = memchr(PLAIN, c, sizeof PLAIN - 1);
    if (!known) return fail(reader, "an unknown escape in a string");
    out->bytes[out->length++] = MEANT[known - PLAIN];
    return CHSM_OK;
  }
  long unit = hex4(reader->at, reader->end);
  if (unit < 0) return fail(reader, "\\u without four hexadecimal digits");
  reader->at += 4;
  unsigned long code = (unsigned long)unit;
  if (code >= 0xD800 && code <= 0xDFFF) {
    long low = -1;
    if (code < 0xDC00 && reader->end - reader->at >= 6 && reader->at[0] == '\\' && reader->at[1] == 'u')
      low = hex4(reader->at + 2, reader->end);
    if (low < 0xDC00 || low > 0xDFFF) return fail(reader, "half of a surrogate pair");
    reader->at += 6;
    code = 0x10000 + ((code - 0xD800) << 10) + ((unsigned long)low - 0xDC00);
  }
  out->length = (size_t)(write_code_point(out->bytes + out->length, code) - out->bytes);
  return CHSM_OK;
}


/* Reads the string whose quote is at `reader->at`. Without escapes the token points into the text; with them, into `scratch`, where
   it stands until the next call. */
chsm_status chsm_json_string(chsm_json_reader *reader, chsm_buffer *scratch, chsm_json_token *token) {
  const char *start = ++reader->at;
  bool copied = false;
  for (;;) {
    reader->at = chsm_json_plain_run(reader->at, reader->end);
    if (reader->at == reader->end) return fail(reader, "the text ends inside a string");
    if (*reader->at == '"') break;
    if ((unsigned char)*reader->at < 0x20) return fail(reader, "a control character in a string");
    if (*reader->at != '\\') {
      size_t step = sequence(reader->at, reader->end);
      if (!step) return fail(reader, "a string that is not UTF-8");
      reader->at += step;
      continue;
    }
    if (!copied) {
      chsm_buffer_clear(scratch);
      copied = true;
    }
    size_t run = (size_t)(reader->at - start);
    chsm_status status = chsm_buffer_reserve(scratch, run + 4); /* and a code point */
    if (status != CHSM_OK) return status;
    memcpy(scratch->bytes + scratch->length, start, run);
    scratch->length += run;
    reader->at++;
    status = read_escape(reader, scratch);
    if (status != CHSM_OK) return status;
    start = reader->at;
  }
  if (copied) {
    chsm_status status = chsm_buffer_append(scratch, start, (size_t)(reader->at - start));
    if (status != CHSM_OK) return status;
    token->bytes = scratch->bytes;
    token->length = scratch->length;
  } else {
    token->bytes = start;
    token->length = (size_t)(reader->at - start);
  }
  reader->at++;
  return CHSM_OK;
}


/* Reads the number at `reader->at`; the token points into the text. */
chsm_status chsm_json_number(chsm_json_reader *reader, chsm_json_token *token) {
  token->bytes = reader->at;
  token->length = chsm_number_scan(reader->at, (size_t)(reader->end - reader->at), &token->integral);
  if (!token->length) return fail(reader, "not a JSON value");
  reader->at += token->length;
  return CHSM_OK;
}


/* Appends `bytes` as a JSON string: raw UTF-8, only what must be escaped is. CHSM_INVALID: not UTF-8. */
chsm_status chsm_json_write_string(chsm_buffer *out, const char *bytes, size_t length) {
  static const char HEX[] = "0123456789abcdef";
  const char *end = bytes + length;
  size_t undo = out->length;
  chsm_status status = chsm_buffer_append(out, "\"", 1);
  while (status == CHSM_OK && bytes < end) {
    const char *stop = chsm_json_plain_run(bytes, end);
    size_t step;
    while (stop < end && (unsigned char)*stop >= 0x80 && (step = sequence(stop, end)) != 0)
      stop = chsm_json_plain_run(stop + step, end);
    status = chsm_buffer_append(out, bytes, (size_t)(stop - bytes));
    if (status != CHSM_OK || stop == end) break;
    unsigned char c = (unsigned char)*stop;
    char escape[6] = { '\\', 'u', '0', '0', HEX[c >> 4 & 0xF], HEX[c & 0xF] };
    size_t escaped = 2;
    switch (c) {
    case '"':
    case '\\': escape[1] = (char)c; break;
    case '\b': escape[1] = 'b'; break;
    case '\f': escape[1] = 'f'; break;
    case '\n': escape[1] = 'n'; break;
    case '\r': escape[1] = 'r'; break;
    case '\t': escape[1] = 't'; break;
    default: escaped = 6;
    }
    status = c < 0x80 ? chsm_buffer_append(out, escape, escaped) : CHSM_INVALID;
    bytes = stop + 1;
  }
  if (status == CHSM_OK) status = chsm_buffer_append(out, "\"", 1);
  if (status != CHSM_OK) out->length = undo;
  return status;
}
