/* The signing canonicalizer against an implementation of AWS's description of it that shares nothing with it: text is copied
   freely, parts are collected and then sorted by qsort, and the signature comes from OpenSSL's one-shot HMAC. */
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "../../src/core/sigv4.h"
#include "harness.h"

enum { ROOM = 1 << 16, MOST = 300 };

typedef struct input {
  const uint8_t *at;
  const uint8_t *end;
} input;

typedef struct text {
  size_t length;
  char bytes[ROOM];
} text;

typedef struct pair {
  char name[4096];
  char value[4096];
  int order;
} pair;


static unsigned take_byte(input *in) { return in->at < in->end ? *in->at++ : 0; }


/* Up to `most` bytes, as many as a byte of the input says. */
static chsm_text take_text(input *in, size_t most) {
  size_t length = take_byte(in);
  if (length > most) length = most;
  if (length > (size_t)(in->end - in->at)) length = (size_t)(in->end - in->at);
  chsm_text taken = { (const char *)in->at, length };
  in->at += length;
  return taken;
}


static void put(text *out, const char *bytes) {
  size_t length = strlen(bytes);
  EXPECT(out->length + length < ROOM);
  memcpy(out->bytes + out->length, bytes, length + 1);
  out->length += length;
}


static bool is_control(unsigned char c) { return c < 32 || c == 127; }


static bool is_tokens(chsm_text t) {
  static const char allowed[] = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  for (size_t i = 0; i < t.length; i++)
    if (!t.bytes[i] || !strchr(allowed, t.bytes[i])) return false;
  return t.length > 0 && t.length <= 256;
}


static bool without(chsm_text t, const char *banned) {
  for (size_t i = 0; i < t.length; i++)
    if (is_control((unsigned char)t.bytes[i]) || strchr(banned, t.bytes[i])) return false;
  return true;
}


static bool is_scope(chsm_text t) {
  for (size_t i = 0; i < t.length; i++)
    if (t.bytes[i] < 33 || t.bytes[i] > 126 || t.bytes[i] == '/' || t.bytes[i] == ',') return false;
  return t.length > 0 && t.length <= 128;
}


/* A value whose line breaks, if any, only fold it. */
static bool is_value(chsm_text t) {
  for (size_t i = 0; i < t.length; i++) {
    char next = i + 1 < t.length ? t.bytes[i + 1] : 0;
    switch (t.bytes[i]) {
    case '\r':
      if (next != '\n') return false;
      break;
    case '\n':
      if (next != ' ' && next != '\t') return false;
      break;
    case '\t': break;
    default:
      if (is_control((unsigned char)t.bytes[i])) return false;
    }
  }
  return true;
}


/* The escape of a byte, or the byte. */
static void encode_byte(unsigned char c, bool slash_stays, char *out) {
  static const char plain[] = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  if ((c && strchr(plain, c)) || (slash_stays && c == '/'))
    snprintf(out, 4, "%c", c);
  else
    snprintf(out, 4, "%%%02X", c);
}


static void encode(const char *bytes, size_t length, bool slash_stays, char *out) {
  *out = 0;
  for (size_t i = 0; i < length; i++)
    encode_byte((unsigned char)bytes[i], slash_stays, out + strlen(out));
}


static int hex(char c) {
  const char *digits = "0123456789abcdef0123456789ABCDEF";
  const char *found = c ? strchr(digits, c) : NULL;
  return found ? (int)(found - digits) % 16 : -1;
}


static size_t decode(const char *bytes, size_t length, char *out) {
  size_t made = 0;
  for (size_t i = 0; i < length; i++) {
    if (bytes[i] == '%' && i + 2 < length && hex(bytes[i + 1]) >= 0 && hex(bytes[i + 2]) >= 0) {
      out[made++] = (char)(hex(bytes[i + 1]) * 16 + hex(bytes[i + 2]));
      i += 2;
    } else {
      out[made++] = bytes[i];
    }
  }
  return made;
}


static int by_name_and_value(const void *a, const void *b) {
  const pair *left = a;
  const pair *right = b;
  int order = strcmp(left->name, right->name);
  return order ? order : strcmp(left->value, right->value);
}


static int by_name_and_place(const void *a, const void *b) {
  const pair *left = a;
  const pair *right = b;
  int order = strcmp(left->name, right->name);
  return order ? order : left->order - right->order;
}


static void write_path(text *out, const chsm_sigv4_request *request) {
  static char encoded[ROOM];
  if (!request->path.length) {
    put(out, "/");
    return;
  }
  if (request->keep_path) {
    encode(request->path.bytes, request->path.length, true, encoded);
    put(out, encoded);
    return;
  }
  static char segments[MOST][1024];
  size_t count = 0;
  size_t at = 0;
  while (at < request->path.length) {
    size_t end = at;
    while (end < request->path.length && request->path.bytes[end] != '/')
      end++;
    const char *segment = request->path.bytes + at;
    size_t length = end - at;
    if (length == 2 && !memcmp(segment, "..", 2)) {
      if (count) count--;
    } else if (length && !(length == 1 && *segment == '.')) {
      encode(segment, length, false, segments[count++]);
    }
    at = end + 1;
  }
  for (size_t i = 0; i < count; i++) {
    put(out, "/");
    put(out, segments[i]);
  }
  if (!count || request->path.bytes[request->path.length - 1] == '/') put(out, "/");
}


static void write_query(text *out, chsm_text query) {
  static pair pairs[MOST];
  size_t count = 0;
  size_t at = 0;
  while (at < query.length) {
    size_t end = at;
    while (end < query.length && query.bytes[end] != '&')
      end++;
    if (end > at) {
      size_t equals = at;
      while (equals < end && query.bytes[equals] != '=')
        equals++;
      char plain[1024];
      encode(plain, decode(query.bytes + at, equals - at, plain), false, pairs[count].name);
      size_t value = equals < end ? equals + 1 : end;
      encode(plain, decode(query.bytes + value, end - value, plain), false, pairs[count].value);
      count++;
    }
    at = end + 1;
  }
  qsort(pairs, count, sizeof *pairs, by_name_and_value);
  for (size_t i = 0; i < count; i++) {
    if (i) put(out, "&");
    put(out, pairs[i].name);
    put(out, "=");
    put(out, pairs[i].value);
  }
}


/* The value with blanks and folds collapsed to one space, and none at its ends. */
static void squeeze(chsm_text value, char *out) {
  bool gap = false;
  size_t made = 0;
  for (size_t i = 0; i < value.length; i++) {
    if (strchr(" \t\r\n", value.bytes[i])) {
      gap = true;
      continue;
    }
    if (gap && made) out[made++] = ' ';
    gap = false;
    out[made++] = value.bytes[i];
  }
  out[made] = 0;
}


static void lower(chsm_text name, char *out) {
  for (size_t i = 0; i < name.length; i++)
    out[i] = name.bytes[i] >= 'A' && name.bytes[i] <= 'Z' ? (char)(name.bytes[i] + 32) : name.bytes[i];
  out[name.length] = 0;
}


static void to_hex(const unsigned char *bytes, size_t length, char *out) {
  for (size_t i = 0; i < length; i++)
    snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}


/* What AWS describes, or false where the request is not one that can be signed. `*signed_names` becomes SignedHeaders. */
static bool canonical_by_description(const chsm_sigv4_request *request, const char *date, chsm_text token, text *out, text *signed_names) {
  static pair headers[MOST];
  char payload_hash[4096] = "";
  size_t count = 0;
  bool host = false;
  bool hashed = false;
  if (!is_tokens(request->method) || !without(request->path, "?#") || !without(request->query, "#")) return false;
  if (request->path.length && *request->path.bytes != '/') return false;
  if (!is_scope(request->region) || !is_scope(request->service)) return false;
  for (size_t i = 0; i < request->header_count; i++) {
    const chsm_sigv4_header *header = &request->headers[i];
    if (!is_tokens(header->name) || !is_value(header->value)) return false;
    pair *made = &headers[count];
    lower(header->name, made->name);
    squeeze(header->value, made->value);
    made->order = (int)i;
    if (!strcmp(made->name, "authorization") || !strcmp(made->name, "x-amz-date") || !strcmp(made->name, "x-amz-security-token")) continue;
    if (!strcmp(made->name, "host") && *made->value) host = true;
    if (!strcmp(made->name, "x-amz-content-sha256")) {
      if (hashed || !*made->value) return false;
      hashed = true;
      /* the hash is signed as it is given, but for blanks at its ends */
      size_t first = strspn(header->value.length ? header->value.bytes : "", " \t\r\n");
      size_t length = header->value.length - first;
      while (length && strchr(" \t\r\n", header->value.bytes[first + length - 1]))
        length--;
      memcpy(payload_hash, header->value.bytes + first, length);
      payload_hash[length] = 0;
    }
    bool wanted = !strcmp(made->name, "host") || !strcmp(made->name, "content-type") ||
                  (!strncmp(made->name, "x-amz-", 6) && made->name[6]) || request->all_headers;
    if (wanted) count++;
  }
  if (!host) return false;
  if (!hashed) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)request->body.bytes, request->body.length, digest);
    to_hex(digest, sizeof digest, payload_hash);
    if (request->sign_body) {
      strcpy(headers[count].name, "x-amz-content-sha256");
      strcpy(headers[count].value, payload_hash);
      headers[count++].order = MOST;
    }
  }
  if (token.length && !request->omit_session_token) {
    strcpy(headers[count].name, "x-amz-security-token");
    squeeze(token, headers[count].value);
    headers[count++].order = MOST;
  }
  strcpy(headers[count].name, "x-amz-date");
  strcpy(headers[count].value, date);
  headers[count++].order = MOST;
  qsort(headers, count, sizeof *headers, by_name_and_place);

  char method[512] = "";
  memcpy(method, request->method.bytes, request->method.length);
  put(out, method);
  put(out, "\n");
  write_path(out, request);
  put(out, "\n");
  write_query(out, request->query);
  for (size_t i = 0; i < count; i++) {
    bool again = i && !strcmp(headers[i].name, headers[i - 1].name);
    if (again) {
      put(out, ",");
    } else {
      put(out, "\n");
      put(out, headers[i].name);
      put(out, ":");
      if (i) put(signed_names, ";");
      put(signed_names, headers[i].name);
    }
    put(out, headers[i].value);
  }
  put(out, "\n\n");
  put(out, signed_names->bytes);
  put(out, "\n");
  put(out, payload_hash);
  return true;
}


static size_t hmac(const void *key, size_t key_length, const void *message, size_t length, unsigned char out[32]) {
  unsigned made = 0;
  EXPECT(HMAC(EVP_sha256(), key, (int)key_length, message, length, out, &made) != NULL && made == 32);
  return made;
}


static void check_signature(const chsm_sigv4_request *request, const char *secret, const char *date, const text *canonical,
                            const chsm_sigv4_result *result) {
  static text to_sign;
  unsigned char digest[32];
  char digest_hex[65];
  char region[129] = "";
  char service[129] = "";
  memcpy(region, request->region.bytes, request->region.length);
  memcpy(service, request->service.bytes, request->service.length);
  SHA256((const unsigned char *)canonical->bytes, canonical->length, digest);
  to_hex(digest, 32, digest_hex);
  to_sign.length =
      (size_t)snprintf(to_sign.bytes, ROOM, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/%s/aws4_request\n%s", date, date, region, service, digest_hex);
  EXPECT(result->string_to_sign_length == to_sign.length && !memcmp(result->string_to_sign, to_sign.bytes, to_sign.length));

  char key[64];
  int key_length = snprintf(key, sizeof key, "AWS4%s", secret);
  unsigned char derived[32];
  hmac(key, (size_t)key_length, date, 8, derived);
  hmac(derived, 32, region, strlen(region), derived);
  hmac(derived, 32, service, strlen(service), derived);
  hmac(derived, 32, "aws4_request", 12, derived);
  hmac(derived, 32, to_sign.bytes, to_sign.length, derived);
  to_hex(derived, 32, digest_hex);
  EXPECT(!memcmp(result->signature, digest_hex, 64));
}


static chsm_text header_name(input *in) {
  static const char *const known[] = { "Host",         "host",          "Content-Type",
                                       "X-Amz-Target", "x-amz-meta",    "X-AMZ-CONTENT-SHA256",
                                       "X-Amz-Date",   "Authorization", "x-amz-security-token",
                                       "User-Agent",   "x-amz-",        "Zz" };
  unsigned choice = take_byte(in) % 16;
  if (choice < sizeof known / sizeof *known) return (chsm_text) { known[choice], strlen(known[choice]) };
  return take_text(in, 200);
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char id[] = "AKIDEXAMPLE";
  static const char secret[] = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
  static chsm_sigv4_signer signer;
  static chsm_credentials credentials[2];
  static const chsm_text token = { "a  token with gaps", 18 };
  if (!signer.work) {
    chsm_credentials_field culprit;
    const chsm_text fields[] = { { id, sizeof id - 1 }, { secret, sizeof secret - 1 }, { "", 0 } };
    const chsm_text with_token[] = { fields[0], fields[1], { "a  token with gaps", 18 } };
    EXPECT(chsm_sigv4_open(&signer) == CHSM_SIGV4_OK);
    EXPECT(chsm_credentials_set(&credentials[0], fields, &culprit) == CHSM_CREDENTIALS_OK);
    EXPECT(chsm_credentials_set(&credentials[1], with_token, &culprit) == CHSM_CREDENTIALS_OK);
  }

  input in = { data, data + size };
  chsm_sigv4_header headers[8];
  unsigned flags = take_byte(&in);
  bool temporary = flags & 16;
  chsm_sigv4_request request = {
    .headers = headers,
    .header_count = take_byte(&in) % 8,
    .keep_path = flags & 1,
    .sign_body = flags & 2,
    .all_headers = flags & 4,
    .omit_session_token = flags & 8,
    .credentials = &credentials[temporary],
  };
  request.method = flags & 32 ? take_text(&in, 20) : (chsm_text) { "POST", 4 };
  request.region = flags & 64 ? take_text(&in, 130) : (chsm_text) { "eu-west-1", 9 };
  request.service = flags & 128 ? take_text(&in, 130) : (chsm_text) { "cloudhsm", 8 };
  request.path = take_text(&in, 200);
  request.query = take_text(&in, 250);
  for (size_t i = 0; i < request.header_count; i++)
    headers[i] = (chsm_sigv4_header) { header_name(&in), take_text(&in, 200) };
  unsigned day = take_byte(&in);
  request.time = day * 86400.0 * 100 + take_byte(&in);
  request.body = (chsm_text) { (const char *)in.at, (size_t)(in.end - in.at) };

  char date[32];
  time_t seconds = (time_t)request.time;
  struct tm civil;
  strftime(date, sizeof date, "%Y%m%dT%H%M%SZ", gmtime_r(&seconds, &civil));

  static text expected;
  static text signed_names;
  static chsm_sigv4_result result;
  chsm_buffer canonical = { .bytes = NULL };
  expected.length = signed_names.length = 0;
  expected.bytes[0] = signed_names.bytes[0] = 0;
  bool signable = canonical_by_description(&request, date, temporary ? token : (chsm_text) { "", 0 }, &expected, &signed_names);
  chsm_sigv4_status status = chsm_sigv4_sign(&signer, &request, &canonical, &result);
  EXPECT((status == CHSM_SIGV4_OK) == signable);
  if (signable) {
    EXPECT(canonical.length == expected.length && !memcmp(canonical.bytes, expected.bytes, expected.length));
    check_signature(&request, secret, date, &expected, &result);
    static text authorization;
    authorization.length = (size_t)snprintf(authorization.bytes, ROOM,
                                            "AWS4-HMAC-SHA256 Credential=%s/%.8s/%.*s/%.*s/aws4_request, SignedHeaders=%s, Signature=%.64s",
                                            id, date, (int)request.region.length, request.region.bytes, (int)request.service.length,
                                            request.service.bytes, signed_names.bytes, result.signature);
    EXPECT(result.authorization_length == authorization.length && !memcmp(result.authorization, authorization.bytes, authorization.length));
  }
  chsm_buffer_wipe(&canonical);
  return 0;
}
