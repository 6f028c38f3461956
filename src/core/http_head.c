#include "http_head.h"

#include <stdlib.h>
#include <string.h>

#include "ascii.h"
#include "http_check.h"

enum { MOST_LINES = 1000, FIRST_HEADERS = 16, SWITCHING_PROTOCOLS = 101, OK = 200 };


static bool is_blank(char byte) { return byte == ' ' || byte == '\t'; }


static chsm_http_refusal refusal_of(chsm_status status) {
  return status == CHSM_OK ? CHSM_HTTP_FINE : status == CHSM_NO_MEMORY ? CHSM_HTTP_OUT_OF_MEMORY : CHSM_HTTP_HEADERS_TOO_LARGE;
}


/* A new status line: whatever an interim answer said is forgotten. */
static chsm_http_refusal read_status_line(chsm_http_head *head, const char *line, size_t length) {
  static const char version[] = "HTTP/1.";
  enum { DIGITS = sizeof version + 1, END = DIGITS + 3 };
  if (length < END || memcmp(line, version, sizeof version - 1) != 0) return CHSM_HTTP_MALFORMED;
  if (!chsm_ascii_is_digit(line[DIGITS - 2]) || line[DIGITS - 1] != ' ') return CHSM_HTTP_MALFORMED;
  int status = 0;
  for (size_t i = DIGITS; i < END; i++) {
    if (!chsm_ascii_is_digit(line[i])) return CHSM_HTTP_MALFORMED;
    status = status * 10 + (line[i] - '0');
  }
  if (length > END && line[END] != ' ') return CHSM_HTTP_MALFORMED;
  if (status < 100) return CHSM_HTTP_MALFORMED;
  head->answered = true;
  if (status == SWITCHING_PROTOCOLS) return CHSM_HTTP_MALFORMED; /* nobody asked to; what follows is not HTTP */

  chsm_buffer_clear(&head->text);
  head->count = 0;
  head->chunked = head->has_length = false;
  head->length = 0;
  head->open = true;
  head->status = status >= OK ? status : 0;
  return CHSM_HTTP_FINE;
}


/* Content-Length: digits only, and the same each time. A length that no size_t holds counts as the largest. */
static chsm_http_refusal read_length(chsm_http_head *head, const char *value, size_t length) {
  uint64_t number = 0;
  if (!length) return CHSM_HTTP_MALFORMED;
  for (size_t i = 0; i < length; i++) {
    if (!chsm_ascii_is_digit(value[i])) return CHSM_HTTP_MALFORMED;
    uint64_t digit = (uint64_t)(value[i] - '0');
    number = number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : number * 10 + digit;
  }
  if (head->has_length && head->length != number) return CHSM_HTTP_TWO_LENGTHS;
  head->has_length = true;
  head->length = number;
  return CHSM_HTTP_FINE;
}


/* Makes room for one more header. */
static bool has_room(chsm_http_head *head) {
  if (head->count < head->capacity) return true;
  size_t capacity = head->capacity ? head->capacity * 2 : FIRST_HEADERS;
  if (capacity > SIZE_MAX / sizeof *head->headers) return false;
  chsm_http_header *headers = realloc(head->headers, capacity * sizeof *headers);
  if (!headers) return false;
  head->headers = headers;
  head->capacity = capacity;
  return true;
}


/* Keeps one header, its name in lower case. */
static chsm_http_refusal keep(chsm_http_head *head, const char *name, size_t name_length, const char *value, size_t value_length) {
  if (!has_room(head)) return CHSM_HTTP_OUT_OF_MEMORY;
  chsm_http_header header = { .name = head->text.length, .name_length = name_length, .value_length = value_length };
  header.value = header.name + name_length;
  chsm_status status = chsm_buffer_reserve(&head->text, name_length + value_length);
  if (status == CHSM_OK) status = chsm_buffer_append(&head->text, name, name_length);
  if (status == CHSM_OK) status = chsm_buffer_append(&head->text, value, value_length);
  if (status != CHSM_OK) return refusal_of(status);
  for (char *byte = head->text.bytes + header.name; name_length; byte++, name_length--)
    *byte = chsm_ascii_lower(*byte);
  head->headers[head->count++] = header;
  return CHSM_HTTP_FINE;
}


/* name: value. A folded line, a name that is no token and a control byte are refused: peers disagree about what they mean. */
static chsm_http_refusal read_header(chsm_http_head *head, const char *line, size_t length) {
  const char *colon = memchr(line, ':', length);
  if (!colon || !chsm_http_is_token(line, (size_t)(colon - line))) return CHSM_HTTP_MALFORMED;
  const char *name = line;
  size_t name_length = (size_t)(colon - line);
  const char *value = colon + 1;
  size_t value_length = length - name_length - 1;
  while (value_length && is_blank(*value))
    value++, value_length--;
  while (value_length && is_blank(value[value_length - 1]))
    value_length--;
  if (!chsm_http_is_value(value, value_length)) return CHSM_HTTP_MALFORMED;

  if (chsm_ascii_is_word(name, name_length, "content-length")) {
    bool again = head->has_length;
    chsm_http_refusal refusal = read_length(head, value, value_length);
    if (refusal != CHSM_HTTP_FINE || again) return refusal;
  } else if (chsm_ascii_is_word(name, name_length, "content-encoding")) {
    if (value_length && !chsm_ascii_is_word(value, value_length, "identity")) return CHSM_HTTP_ENCODED;
  } else if (chsm_ascii_is_word(name, name_length, "transfer-encoding")) {
    if (!chsm_ascii_is_word(value, value_length, "chunked")) return CHSM_HTTP_ENCODED;
    head->chunked = true;
  }
  return keep(head, name, name_length, value, value_length);
}


/* Takes the next line, with or without its line end, as libcurl hands it over: status line, headers, a blank line; the same again
   after an interim answer; trailers after the final one, which are checked and not kept. */
chsm_http_refusal chsm_http_head_line(chsm_http_head *head, const char *line, size_t length) {
  if (head->most && length > head->most - head->seen) return CHSM_HTTP_HEADERS_TOO_LARGE;
  if (++head->lines > MOST_LINES) return CHSM_HTTP_HEADERS_TOO_LARGE;
  head->seen += length;
  if (length && line[length - 1] == '\n') length--;
  if (length && line[length - 1] == '\r') length--;

  if (head->complete) return length && !chsm_http_is_value(line, length) ? CHSM_HTTP_MALFORMED : CHSM_HTTP_FINE;
  if (!head->open) return read_status_line(head, line, length);
  if (length) return read_header(head, line, length);
  head->open = false;
  head->complete = head->status != 0;
  return CHSM_HTTP_FINE;
}


static bool same_name(const chsm_http_head *head, const chsm_http_header *a, const chsm_http_header *b) {
  return a->name_length == b->name_length && memcmp(head->text.bytes + a->name, head->text.bytes + b->name, a->name_length) == 0;
}


/* Appends a copy of the value of `header` and, before it, ", " unless it is the first. */
static chsm_status append_value(chsm_http_head *head, const chsm_http_header *header, bool first) {
  chsm_status status = first ? CHSM_OK : chsm_buffer_append(&head->text, ", ", 2);
  if (status == CHSM_OK) status = chsm_buffer_reserve(&head->text, header->value_length);
  if (status == CHSM_OK) status = chsm_buffer_append(&head->text, head->text.bytes + header->value, header->value_length);
  return status;
}


/* Joins the values of headers that came more than once with ", ", in the order they came. Once, when the head is complete. */
chsm_http_refusal chsm_http_head_join(chsm_http_head *head) {
  for (size_t i = 0; i < head->count; i++) {
    chsm_http_header *first = &head->headers[i];
    size_t kept = i + 1, joined = head->text.length;
    for (size_t k = i + 1; k < head->count; k++) {
      const chsm_http_header *other = &head->headers[k];
      if (!same_name(head, first, other)) {
        head->headers[kept++] = *other;
        continue;
      }
      chsm_status status = head->text.length == joined ? append_value(head, first, true) : CHSM_OK;
      if (status == CHSM_OK) status = append_value(head, other, false);
      if (status != CHSM_OK) return refusal_of(status);
    }
    if (head->text.length > joined) {
      first->value = joined;
      first->value_length = head->text.length - joined;
    }
    head->count = kept;
  }
  return CHSM_HTTP_FINE;
}


/* Frees what the head holds; it is zero again. Safe to call twice. */
void chsm_http_head_wipe(chsm_http_head *head) {
  chsm_buffer_wipe(&head->text);
  free(head->headers);
  *head = (chsm_http_head) { .headers = NULL };
}
