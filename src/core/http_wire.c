#include "http_wire.h"

#include "ascii.h"
#include "hex.h"
#include "http_check.h"

enum {
  MOST_LINE = 100 * 1024,  /* bytes of one header, as libcurl has it */
  MOST_SIZE_LINE = 1024,   /* bytes before a chunk, extensions included */
  MOST_SIZE_DIGITS = 15,   /* hexadecimal: more than any body may have */
  EAGER_BODY = 256 * 1024, /* room made on the word of Content-Length alone */
  NO_CONTENT = 204,
  NOT_MODIFIED = 304
};


/* ---- Requests ---- */

/* Where the next byte goes; there is room for all of them. */
static char *put(char *end, const char *bytes, size_t length) {
  if (length) memcpy(end, bytes, length);
  return end + length;
}


static char *put_number(char *end, size_t number) {
  char digits[24];
  size_t first = sizeof digits;
  do {
    digits[--first] = (char)('0' + number % 10);
    number /= 10;
  } while (number);
  return put(end, digits + first, sizeof digits - first);
}


static char *put_header(char *end, chsm_http_text name, chsm_http_text value) {
  end = put(end, name.bytes, name.length);
  *end++ = ':';
  if (value.length) *end++ = ' ';
  end = put(end, value.bytes, value.length);
  return put(end, "\r\n", 2);
}


static bool is_host(const chsm_http_field *field) { return chsm_ascii_is_word(field->name.bytes, field->name.length, "host"); }


/* Appends a request that was checked, head and body, for `target` at `host`, unless a header of its own names the host. Content-Length is
   there wherever a body could be. On failure nothing was appended. */
chsm_status chsm_http_wire_write(chsm_buffer *out, const chsm_http_request *request, chsm_http_text target, chsm_http_text host) {
  static const char version[] = " HTTP/1.1\r\nHost: ";
  static const char content_length[] = "Content-Length: ";
  enum { DIGITS = 24 };
  chsm_http_text method = request->method;
  const char *first = method.bytes;
  bool bare =
      !request->body.length && (chsm_ascii_is_word(first, method.length, "get") || chsm_ascii_is_word(first, method.length, "head") ||
                                chsm_ascii_is_word(first, method.length, "delete"));
  size_t size = method.length + 1 + target.length + sizeof version + host.length + sizeof content_length + DIGITS + 2 * sizeof "\r\n" +
                request->body.length;
  for (size_t i = 0; i < request->header_count; i++) {
    const chsm_http_field *field = &request->headers[i];
    size += field->name.length + field->value.length + sizeof ": \r\n";
  }
  for (size_t i = request->header_count; i > 0; i--)
    if (is_host(&request->headers[i - 1])) host = chsm_http_trim(request->headers[i - 1].value);
  chsm_status status = chsm_buffer_reserve(out, size + host.length);
  if (status != CHSM_OK) return status;

  char *start = out->bytes + out->length, *end = put(start, method.bytes, method.length);
  *end++ = ' ';
  end = put(end, target.bytes, target.length);
  end = put(end, version, sizeof version - 1);
  end = put(end, host.bytes, host.length);
  end = put(end, "\r\n", 2);
  for (size_t i = 0; i < request->header_count; i++)
    if (!is_host(&request->headers[i])) end = put_header(end, request->headers[i].name, chsm_http_trim(request->headers[i].value));
  if (!bare) {
    end = put(end, content_length, sizeof content_length - 1);
    end = put_number(end, request->body.length);
    end = put(end, "\r\n", 2);
  }
  end = put(end, "\r\n", 2);
  end = put(end, request->body.bytes, request->body.length);
  out->length += (size_t)(end - start);
  return CHSM_OK;
}


/* ---- Answers ---- */

/* Appends to the body. */
static chsm_http_refusal keep(chsm_http_wire *wire, const char *bytes, size_t length) {
  switch (chsm_buffer_append(wire->body, bytes, length)) {
  case CHSM_OK: return CHSM_HTTP_FINE;
  case CHSM_NO_MEMORY: return CHSM_HTTP_OUT_OF_MEMORY;
  default: return CHSM_HTTP_BODY_TOO_LARGE;
  }
}


/* The headers are whole: how the body is framed (RFC 9112, 6.3). */
static chsm_http_refusal frame(chsm_http_wire *wire) {
  const chsm_http_head *head = wire->head;
  if (wire->headless || head->status == NO_CONTENT || head->status == NOT_MODIFIED) {
    wire->place = CHSM_HTTP_WHOLE;
  } else if (head->chunked) {
    wire->place = CHSM_HTTP_IN_SIZE;
  } else if (head->has_length) {
    if (head->length > wire->body->cap) return CHSM_HTTP_BODY_TOO_LARGE;
    if (head->length <= EAGER_BODY && chsm_buffer_reserve(wire->body, (size_t)head->length) != CHSM_OK) return CHSM_HTTP_OUT_OF_MEMORY;
    wire->left = head->length;
    wire->place = wire->left ? CHSM_HTTP_IN_BODY : CHSM_HTTP_WHOLE;
  } else {
    wire->place = CHSM_HTTP_TO_CLOSE;
  }
  return CHSM_HTTP_FINE;
}


/* A line of the head, or a trailer. */
static chsm_http_refusal take_header(chsm_http_wire *wire, const char *line, size_t length) {
  enum { MINOR = sizeof "HTTP/1." - 1 };
  chsm_http_head *head = wire->head;
  bool trailing = head->complete, status_line = !trailing && !head->open;
  if (length > MOST_LINE) return CHSM_HTTP_HEADERS_TOO_LARGE;
  chsm_http_refusal refusal = chsm_http_head_line(head, line, length);
  if (refusal != CHSM_HTTP_FINE) return refusal;
  if (status_line) wire->old = line[MINOR] == '0';
  if (trailing) {
    if (length == 1 || (length == 2 && *line == '\r')) wire->place = CHSM_HTTP_WHOLE;
    return CHSM_HTTP_FINE;
  }
  return head->complete ? frame(wire) : CHSM_HTTP_FINE;
}


/* The line before a chunk: digits, and extensions, which nobody knows. */
static chsm_http_refusal take_size(chsm_http_wire *wire, const char *line, size_t length) {
  size_t digits = 0;
  uint64_t size = 0;
  if (length < 2 || line[length - 2] != '\r') return CHSM_HTTP_MALFORMED;
  length -= 2;
  for (; digits < length && chsm_hex_digit(line[digits]) >= 0; digits++) {
    if (digits == MOST_SIZE_DIGITS) return CHSM_HTTP_MALFORMED;
    size = size * 16 + (uint64_t)chsm_hex_digit(line[digits]);
  }
  size_t rest = digits;
  while (rest < length && (line[rest] == ' ' || line[rest] == '\t'))
    rest++;
  if (!digits || (rest < length && line[rest] != ';') || !chsm_http_is_value(line + rest, length - rest)) return CHSM_HTTP_MALFORMED;
  if (size > wire->body->cap - wire->body->length) return CHSM_HTTP_BODY_TOO_LARGE;
  wire->left = size;
  wire->place = size ? CHSM_HTTP_IN_CHUNK : CHSM_HTTP_IN_TRAILERS;
  return CHSM_HTTP_FINE;
}


static chsm_http_refusal take_chunk_end(chsm_http_wire *wire, const char *line, size_t length) {
  wire->place = CHSM_HTTP_IN_SIZE;
  return length == 2 && *line == '\r' ? CHSM_HTTP_FINE : CHSM_HTTP_MALFORMED;
}


static chsm_http_refusal take_line(chsm_http_wire *wire, const char *line, size_t length) {
  switch (wire->place) {
  case CHSM_HTTP_IN_SIZE: return take_size(wire, line, length);
  case CHSM_HTTP_AFTER_CHUNK: return take_chunk_end(wire, line, length);
  default: return take_header(wire, line, length);
  }
}


/* Whether a line that has begun so can still be one. The first bytes already tell that a peer does not speak HTTP; it may never end a
   line. */
static chsm_http_refusal foresee(const chsm_http_wire *wire) {
  static const char protocol[] = "HTTP/1.";
  const chsm_http_head *head = wire->head;
  size_t length = wire->line.length;
  switch (wire->place) {
  case CHSM_HTTP_IN_SIZE: return length > MOST_SIZE_LINE ? CHSM_HTTP_MALFORMED : CHSM_HTTP_FINE;
  case CHSM_HTTP_AFTER_CHUNK: return length > 1 || wire->line.bytes[0] != '\r' ? CHSM_HTTP_MALFORMED : CHSM_HTTP_FINE;
  default: break;
  }
  if (length > MOST_LINE || (head->most && length > head->most - head->seen)) return CHSM_HTTP_HEADERS_TOO_LARGE;
  if (head->open || head->complete) return CHSM_HTTP_FINE;
  size_t known = length < sizeof protocol - 1 ? length : sizeof protocol - 1;
  return memcmp(wire->line.bytes, protocol, known) == 0 ? CHSM_HTTP_FINE : CHSM_HTTP_MALFORMED;
}


/* Takes bytes up to the end of a line, and the line if it is whole now. Returns how many bytes were taken. */
static size_t read_line(chsm_http_wire *wire, const char *bytes, size_t length, chsm_http_refusal *refusal) {
  const char *end = memchr(bytes, '\n', length);
  size_t taken = end ? (size_t)(end - bytes) + 1 : length;
  if (end && !wire->line.length) {
    *refusal = wire->place == CHSM_HTTP_IN_SIZE && taken > MOST_SIZE_LINE ? CHSM_HTTP_MALFORMED : take_line(wire, bytes, taken);
    return taken;
  }
  if (chsm_buffer_append(&wire->line, bytes, taken) != CHSM_OK) {
    *refusal = CHSM_HTTP_OUT_OF_MEMORY;
    return taken;
  }
  if (!end) {
    *refusal = foresee(wire);
    return taken;
  }
  if (wire->place == CHSM_HTTP_IN_SIZE && wire->line.length > MOST_SIZE_LINE)
    *refusal = CHSM_HTTP_MALFORMED;
  else
    *refusal = take_line(wire, wire->line.bytes, wire->line.length);
  chsm_buffer_clear(&wire->line);
  return taken;
}


/* Takes the next bytes of the answer. What comes after its end is left out, and noted. Once it refused something, it must not be given
   more. */
chsm_http_refusal chsm_http_wire_read(chsm_http_wire *wire, const char *bytes, size_t length) {
  chsm_http_refusal refusal = CHSM_HTTP_FINE;
  wire->touched = wire->touched || length;
  while (length && refusal == CHSM_HTTP_FINE) {
    size_t taken = length;
    switch (wire->place) {
    case CHSM_HTTP_IN_BODY:
    case CHSM_HTTP_IN_CHUNK:
      if (taken > wire->left) taken = (size_t)wire->left;
      refusal = keep(wire, bytes, taken);
      wire->left -= taken;
      if (!wire->left) wire->place = wire->place == CHSM_HTTP_IN_BODY ? CHSM_HTTP_WHOLE : CHSM_HTTP_AFTER_CHUNK;
      break;
    case CHSM_HTTP_TO_CLOSE: refusal = keep(wire, bytes, taken); break;
    case CHSM_HTTP_WHOLE: wire->spilled = true; break;
    default: taken = read_line(wire, bytes, length, &refusal);
    }
    bytes += taken;
    length -= taken;
  }
  return refusal;
}


/* How many bytes may be written behind those of the body, for chsm_http_wire_took(), instead of being handed over. 0: none. */
size_t chsm_http_wire_room(const chsm_http_wire *wire) {
  if (wire->place != CHSM_HTTP_IN_BODY) return 0;
  size_t room = wire->body->capacity - wire->body->length;
  return wire->left < room ? (size_t)wire->left : room;
}


/* Bytes were written behind those of the body, at most as many as there was room for. */
void chsm_http_wire_took(chsm_http_wire *wire, size_t length) {
  wire->body->length += length;
  wire->left -= length;
  if (!wire->left) wire->place = CHSM_HTTP_WHOLE;
}


/* The connection ended. Whether the answer is whole. */
bool chsm_http_wire_end(chsm_http_wire *wire) {
  if (wire->place == CHSM_HTTP_TO_CLOSE) {
    wire->place = CHSM_HTTP_WHOLE;
    wire->spilled = true; /* nothing can follow */
  }
  return wire->place == CHSM_HTTP_WHOLE;
}


/* Whether a list of words, separated by commas, has "close". */
static bool says_close(const char *bytes, size_t length) {
  while (length) {
    const char *comma = memchr(bytes, ',', length);
    size_t size = comma ? (size_t)(comma - bytes) : length;
    chsm_http_text word = chsm_http_trim((chsm_http_text) { .bytes = bytes, .length = size });
    if (chsm_ascii_is_word(word.bytes, word.length, "close")) return true;
    size += comma ? 1 : 0;
    bytes += size;
    length -= size;
  }
  return false;
}


/* Whether the connection may carry another request after this answer, which is whole. After one with two ways to find its end it may
   not: what else its sender believes to have sent could be taken for the next answer (RFC 9112, 6.3). */
bool chsm_http_wire_lasts(const chsm_http_wire *wire) {
  const chsm_http_head *head = wire->head;
  if (wire->place != CHSM_HTTP_WHOLE || wire->spilled || wire->old || (head->chunked && head->has_length)) return false;
  for (size_t i = 0; i < head->count; i++) {
    const chsm_http_header *header = &head->headers[i];
    static const char connection[] = "connection";
    if (header->name_length == sizeof connection - 1 && memcmp(head->text.bytes + header->name, connection, sizeof connection - 1) == 0 &&
        says_close(head->text.bytes + header->value, header->value_length))
      return false;
  }
  return true;
}


/* Frees what is the answer's own; head and body stay the caller's. Safe to call twice. */
void chsm_http_wire_wipe(chsm_http_wire *wire) { chsm_buffer_wipe(&wire->line); }
