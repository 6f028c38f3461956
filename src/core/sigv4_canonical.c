#include "sigv4_canonical.h"

#include <string.h>

#include "ascii.h"
#include "hex.h"

/* A name and its value in a buffer of encoded text, by offset. */
typedef struct parameter {
  size_t name;
  size_t value;
  size_t end;
} parameter;


static chsm_text text(const char *bytes, size_t length) { return (chsm_text) { bytes, length }; }


/* RFC 3986, 2.3 */
static bool is_unreserved(char c) { return chsm_ascii_is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~'; }


static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }


static bool is_token(chsm_text name) {
  for (size_t i = 0; i < name.length; i++)
    if (!chsm_ascii_is_token(name.bytes[i])) return false;
  return name.length > 0 && name.length <= CHSM_SIGV4_NAME_MOST;
}


/* Whether a header value keeps to its header: no control character but a tab, and a line break only where it folds the value
   (RFC 9112, 5.2: white space follows). */
static bool is_header_value(chsm_text value) {
  for (size_t i = 0; i < value.length; i++) {
    char c = value.bytes[i];
    if (!chsm_ascii_is_control(c) || c == '\t') continue;
    if (c == '\r') {
      if (++i == value.length) return false;
      c = value.bytes[i];
    }
    if (c != '\n' || i + 1 == value.length) return false;
    if (value.bytes[i + 1] != ' ' && value.bytes[i + 1] != '\t') return false;
  }
  return true;
}


/* Whether a region or service can stand in a credential scope. */
static bool is_scope_part(chsm_text part) {
  for (size_t i = 0; i < part.length; i++) {
    char c = part.bytes[i];
    if (c <= ' ' || c >= 0x7F || c == '/' || c == ',') return false;
  }
  return part.length > 0 && part.length <= CHSM_SIGV4_SCOPE_MOST;
}


/* Whether a path or query could stand in a request line. Spaces and non-ASCII bytes may: they are encoded. */
static bool is_target_part(chsm_text part, const char *separators) {
  for (size_t i = 0; i < part.length; i++)
    if (chsm_ascii_is_control(part.bytes[i]) || strchr(separators, part.bytes[i])) return false;
  return true;
}


static chsm_text trimmed(chsm_text value) {
  while (value.length && is_space(value.bytes[0])) {
    value.bytes++;
    value.length--;
  }
  while (value.length && is_space(value.bytes[value.length - 1]))
    value.length--;
  return value;
}


/* strcmp of two header names without regard to ASCII case, by bytes. */
static int compare_names(chsm_text a, chsm_text b) {
  size_t shorter = a.length < b.length ? a.length : b.length;
  for (size_t i = 0; i < shorter; i++) {
    unsigned char x = (unsigned char)chsm_ascii_lower(a.bytes[i]);
    unsigned char y = (unsigned char)chsm_ascii_lower(b.bytes[i]);
    if (x != y) return x < y ? -1 : 1;
  }
  return a.length == b.length ? 0 : a.length < b.length ? -1 : 1;
}


static bool is_named(chsm_text name, const char *expected) {
  size_t length = strlen(expected);
  return name.length == length && compare_names(name, text(expected, length)) == 0;
}


/* Whether signing puts a header of its own in place of this one. */
bool chsm_sigv4_replaces(chsm_text name) {
  return is_named(name, "authorization") || is_named(name, "x-amz-date") || is_named(name, "x-amz-security-token");
}


/* Those that every signature covers. Proxies may rewrite the others. */
static bool is_signed_always(chsm_text name) {
  static const char prefix[] = "x-amz-";
  size_t length = sizeof prefix - 1;
  if (is_named(name, "host") || is_named(name, "content-type")) return true;
  return name.length > length && compare_names(text(name.bytes, length), text(prefix, length)) == 0;
}


/* Appends to `out` until the first failure, which `*status` keeps: a chain of appends is checked once, at its end. */
static void put(chsm_buffer *out, chsm_status *status, const char *bytes, size_t length) {
  if (*status == CHSM_OK) *status = chsm_buffer_append(out, bytes, length);
}


/* Percent-encodes what is not unreserved, and not `/` either when `slashes` stay. */
static void put_encoded(chsm_buffer *out, chsm_status *status, chsm_text raw, bool slashes) {
  static const char digits[16] = { '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F' };
  size_t start = 0;
  for (size_t i = 0; i < raw.length; i++) {
    char c = raw.bytes[i];
    if (is_unreserved(c) || (slashes && c == '/')) continue;
    unsigned char byte = (unsigned char)c;
    char escape[3] = { '%', digits[byte >> 4], digits[byte & 0x0F] };
    put(out, status, raw.bytes + start, i - start);
    put(out, status, escape, sizeof escape);
    start = i + 1;
  }
  put(out, status, raw.bytes + start, raw.length - start);
}


/* Takes the part of `*rest` before `separator` off its front, with the separator. */
static chsm_text split(chsm_text *rest, char separator) {
  const char *found = rest->length ? memchr(rest->bytes, separator, rest->length) : NULL;
  chsm_text part = { rest->bytes, found ? (size_t)(found - rest->bytes) : rest->length };
  size_t taken = part.length + (found ? 1 : 0);
  rest->bytes += taken;
  rest->length -= taken;
  return part;
}


static void drop_last_segment(chsm_buffer *out, size_t start) {
  while (out->length > start) {
    out->length--;
    if (out->bytes[out->length] == '/') return;
  }
}


/* The path without dot segments and doubled slashes, encoded once more. A trailing slash stays. */
static void put_normalized_path(chsm_buffer *out, chsm_status *status, chsm_text path) {
  size_t start = out->length;
  bool directory = path.bytes[path.length - 1] == '/';
  while (path.length && *status == CHSM_OK) {
    chsm_text segment = split(&path, '/');
    if (!segment.length || (segment.length == 1 && segment.bytes[0] == '.')) continue;
    if (segment.length == 2 && segment.bytes[0] == '.' && segment.bytes[1] == '.') {
      drop_last_segment(out, start);
      continue;
    }
    put(out, status, "/", 1);
    put_encoded(out, status, segment, false);
  }
  if (directory || out->length == start) put(out, status, "/", 1);
}


static void put_path(chsm_buffer *out, chsm_status *status, const chsm_sigv4_request *request) {
  chsm_text path = request->path.length ? request->path : text("/", 1);
  if (request->keep_path)
    put_encoded(out, status, path, true);
  else
    put_normalized_path(out, status, path);
}


/* Encodes what the escapes of `part` stand for, so that any way to write a parameter gives the one canonical form. A `%` that begins
   no escape is a byte as any other. */
static void put_reencoded(chsm_buffer *out, chsm_status *status, chsm_text part) {
  while (part.length && *status == CHSM_OK) {
    const char *percent = memchr(part.bytes, '%', part.length);
    size_t plain = percent ? (size_t)(percent - part.bytes) : part.length;
    put_encoded(out, status, text(part.bytes, plain), false);
    part.bytes += plain;
    part.length -= plain;
    if (!part.length) return;

    int high = part.length > 2 ? chsm_hex_digit(part.bytes[1]) : -1;
    int low = part.length > 2 ? chsm_hex_digit(part.bytes[2]) : -1;
    bool escape = high >= 0 && low >= 0;
    char byte = '%';
    if (escape) byte = (char)(high << 4 | low);
    put_encoded(out, status, text(&byte, 1), false);
    part.bytes += escape ? 3 : 1;
    part.length -= escape ? 3 : 1;
  }
}


static int compare_bytes(const char *a, size_t a_length, const char *b, size_t b_length) {
  size_t shorter = a_length < b_length ? a_length : b_length;
  int order = shorter ? memcmp(a, b, shorter) : 0;
  if (order) return order;
  return a_length == b_length ? 0 : a_length < b_length ? -1 : 1;
}


static int compare_parameters(const char *bytes, parameter a, parameter b) {
  int order = compare_bytes(bytes + a.name, a.value - a.name, bytes + b.name, b.value - b.name);
  return order ? order : compare_bytes(bytes + a.value, a.end - a.value, bytes + b.value, b.end - b.value);
}


/* Encodes the parameters of the query into `encoded` and sorts them by name and value. Answers how many there are, at most
   CHSM_SIGV4_PARAMETERS_MOST + 1: no further ones are looked at then. */
static size_t read_parameters(chsm_text query, chsm_buffer *encoded, chsm_status *status, parameter *parameters) {
  size_t count = 0;
  while (query.length && *status == CHSM_OK) {
    chsm_text value = split(&query, '&');
    if (!value.length) continue;
    if (count == CHSM_SIGV4_PARAMETERS_MOST) return count + 1;
    chsm_text name = split(&value, '=');
    parameter added = { .name = encoded->length };
    put_reencoded(encoded, status, name);
    added.value = encoded->length;
    put_reencoded(encoded, status, value);
    added.end = encoded->length;

    size_t at = count++;
    for (; at && encoded->bytes && compare_parameters(encoded->bytes, added, parameters[at - 1]) < 0; at--)
      parameters[at] = parameters[at - 1];
    parameters[at] = added;
  }
  return count;
}


/* The parameters of the query in their canonical form and order; a name alone gets its `=`. */
static chsm_sigv4_status put_query(chsm_buffer *out, chsm_status *status, chsm_text query) {
  parameter parameters[CHSM_SIGV4_PARAMETERS_MOST];
  chsm_buffer encoded = { .cap = CHSM_SIGV4_CANONICAL_MOST };
  size_t count = read_parameters(query, &encoded, status, parameters);
  bool many = count > CHSM_SIGV4_PARAMETERS_MOST;
  for (size_t i = 0; i < count && !many && *status == CHSM_OK; i++) {
    parameter p = parameters[i];
    if (i) put(out, status, "&", 1);
    if (p.value > p.name) put(out, status, encoded.bytes + p.name, p.value - p.name);
    put(out, status, "=", 1);
    if (p.end > p.value) put(out, status, encoded.bytes + p.value, p.end - p.value);
  }
  chsm_buffer_wipe(&encoded);
  return many ? CHSM_SIGV4_MANY_PARAMETERS : CHSM_SIGV4_OK;
}


static bool has(chsm_text value, char c) { return value.length && memchr(value.bytes, c, value.length); }


/* The value trimmed, every run of white space in it one space. */
static void put_value(chsm_buffer *out, chsm_status *status, chsm_text value) {
  value = trimmed(value);
  if (!has(value, ' ') && !has(value, '\t') && !has(value, '\n')) { /* a session token, mostly: a kilobyte at memchr's speed */
    put(out, status, value.bytes, value.length);
    return;
  }
  for (size_t i = 0; i < value.length;) {
    size_t start = i;
    while (i < value.length && !is_space(value.bytes[i]))
      i++;
    put(out, status, value.bytes + start, i - start);
    if (i == value.length) return;
    while (is_space(value.bytes[i]))
      i++;
    put(out, status, " ", 1);
  }
}


static void put_name(chsm_buffer *out, chsm_status *status, chsm_text name) {
  size_t start = out->length;
  put(out, status, name.bytes, name.length);
  for (size_t i = start; i < out->length; i++)
    out->bytes[i] = chsm_ascii_lower(out->bytes[i]);
}


/* Adds a header in its sorted place, after those of the same name. The selection has room. */
static void select_header(chsm_sigv4_selection *selected, chsm_sigv4_header header) {
  size_t at = selected->count++;
  for (; at && compare_names(header.name, selected->headers[at - 1].name) < 0; at--)
    selected->headers[at] = selected->headers[at - 1];
  selected->headers[at] = header;
}


/* Adds a header of signing's own, at most CHSM_SIGV4_OWN_HEADERS of them. `name` and `value` stay the caller's. */
void chsm_sigv4_select_own(chsm_sigv4_selection *selected, const char *name, const char *value, size_t length) {
  select_header(selected, (chsm_sigv4_header) { text(name, strlen(name)), text(value, length) });
}


static chsm_sigv4_status check_request(const chsm_sigv4_request *request) {
  if (!is_token(request->method)) return CHSM_SIGV4_BAD_METHOD;
  if (request->path.length && request->path.bytes[0] != '/') return CHSM_SIGV4_BAD_PATH;
  if (!is_target_part(request->path, "?#")) return CHSM_SIGV4_BAD_PATH;
  if (!is_target_part(request->query, "#")) return CHSM_SIGV4_BAD_QUERY;
  if (!is_scope_part(request->region)) return CHSM_SIGV4_BAD_REGION;
  if (!is_scope_part(request->service)) return CHSM_SIGV4_BAD_SERVICE;
  return CHSM_SIGV4_OK;
}


/* Checks the fields of the request that are text, and selects the headers to sign from those given, into `*selected`, whatever was in it.
   After a header that is not good `*culprit` says which, from 0. */
chsm_sigv4_status chsm_sigv4_select(chsm_sigv4_selection *selected, const chsm_sigv4_request *request, size_t *culprit) {
  bool host = false;
  selected->count = 0;
  selected->payload_hash = text(NULL, 0);
  chsm_sigv4_status status = check_request(request);
  if (status != CHSM_SIGV4_OK) return status;
  if (request->header_count > CHSM_SIGV4_HEADERS_MOST) return CHSM_SIGV4_MANY_HEADERS;
  for (size_t i = 0; i < request->header_count; i++) {
    chsm_sigv4_header header = request->headers[i];
    *culprit = i;
    if (!is_token(header.name)) return CHSM_SIGV4_BAD_HEADER_NAME;
    if (!is_header_value(header.value)) return CHSM_SIGV4_BAD_HEADER_VALUE;
    if (chsm_sigv4_replaces(header.name)) continue;
    if (is_named(header.name, "host") && trimmed(header.value).length) host = true;
    if (is_named(header.name, "x-amz-content-sha256")) {
      if (selected->payload_hash.length) return CHSM_SIGV4_BAD_PAYLOAD_HASH;
      selected->payload_hash = trimmed(header.value);
      if (!selected->payload_hash.length) return CHSM_SIGV4_BAD_PAYLOAD_HASH;
    }
    if (request->all_headers || is_signed_always(header.name)) select_header(selected, header);
  }
  return host ? CHSM_SIGV4_OK : CHSM_SIGV4_NO_HOST;
}


/* Names that occur twice stand once; this tells where the next different one begins. */
static size_t same_name_until(const chsm_sigv4_selection *selected, size_t first) {
  size_t next = first + 1;
  while (next < selected->count && compare_names(selected->headers[first].name, selected->headers[next].name) == 0)
    next++;
  return next;
}


static void put_headers(chsm_buffer *out, chsm_status *status, const chsm_sigv4_selection *selected) {
  for (size_t i = 0; i < selected->count;) {
    size_t next = same_name_until(selected, i);
    put_name(out, status, selected->headers[i].name);
    for (const char *before = ":"; i < next; i++, before = ",") {
      put(out, status, before, 1);
      put_value(out, status, selected->headers[i].value);
    }
    put(out, status, "\n", 1);
  }
}


static void put_signed_names(chsm_buffer *out, chsm_status *status, const chsm_sigv4_selection *selected) {
  for (size_t i = 0; i < selected->count; i = same_name_until(selected, i)) {
    if (i) put(out, status, ";", 1);
    put_name(out, status, selected->headers[i].name);
  }
}


/* Writes the canonical request into the empty `canonical`. `*signed_names` becomes the SignedHeaders list in it. */
chsm_sigv4_status chsm_sigv4_write_canonical(const chsm_sigv4_request *request, const chsm_sigv4_selection *selected,
                                             chsm_buffer *canonical, chsm_text *signed_names) {
  chsm_status status = CHSM_OK;
  put(canonical, &status, request->method.bytes, request->method.length);
  put(canonical, &status, "\n", 1);
  put_path(canonical, &status, request);
  put(canonical, &status, "\n", 1);
  chsm_sigv4_status query = put_query(canonical, &status, request->query);
  if (query != CHSM_SIGV4_OK) return query;
  put(canonical, &status, "\n", 1);
  put_headers(canonical, &status, selected);
  put(canonical, &status, "\n", 1);
  size_t names = canonical->length;
  put_signed_names(canonical, &status, selected);
  size_t names_end = canonical->length;
  put(canonical, &status, "\n", 1);
  put(canonical, &status, selected->payload_hash.bytes, selected->payload_hash.length);
  if (status != CHSM_OK) return status == CHSM_NO_MEMORY ? CHSM_SIGV4_NO_MEMORY : CHSM_SIGV4_TOO_LARGE;
  *signed_names = text(canonical->bytes + names, names_end - names);
  return CHSM_SIGV4_OK;
}
