#define _GNU_SOURCE /* setenv, unsetenv */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "../../src/core/hex.h"
#include "../../src/core/sigv4.h"
#include "../../src/core/sigv4_canonical.h"
#include "check.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define TOKEN "AQoDYXdzEPTexampleSESSIONTOKENexample"

enum { BEFORE = 16, NEEDLES = 8, NEEDLE_MOST = 64 };

/* OpenSSL's memory passes through here: what is freed is searched for secrets, and any allocation can be made to fail. */
static struct {
  char needle[NEEDLES][NEEDLE_MOST];
  size_t needle_length[NEEDLES];
  size_t needles;
  size_t residues; /* blocks that were freed with a needle in them */
  long live;
  long allocations;
  long fail_from; /* the allocation from which on all fail; 0: none does */
} memory;


static void add_needle(const void *bytes, size_t length) {
  memcpy(memory.needle[memory.needles], bytes, length);
  memory.needle_length[memory.needles++] = length;
}


static int holds_needle(const char *bytes, size_t length) {
  for (size_t n = 0; n < memory.needles; n++)
    for (size_t i = 0; i + memory.needle_length[n] <= length; i++)
      if (memcmp(bytes + i, memory.needle[n], memory.needle_length[n]) == 0) return 1;
  return 0;
}


static void *watched_malloc(size_t size, const char *file, int line) {
  (void)file;
  (void)line;
  memory.allocations++;
  if (memory.fail_from && memory.allocations >= memory.fail_from) return NULL;
  char *block = calloc(1, size + BEFORE); /* zeroed, since all of it is read again when it is freed */
  if (!block) return NULL;
  memcpy(block, &size, sizeof size);
  memory.live++;
  return block + BEFORE;
}


static void watched_free(void *pointer, const char *file, int line) {
  (void)file;
  (void)line;
  if (!pointer) return;
  char *block = (char *)pointer - BEFORE;
  size_t size;
  memcpy(&size, block, sizeof size);
  if (holds_needle(pointer, size)) memory.residues++;
  memory.live--;
  free(block);
}


static void *watched_realloc(void *pointer, size_t size, const char *file, int line) {
  if (!pointer) return watched_malloc(size, file, line);
  if (!size) {
    watched_free(pointer, file, line);
    return NULL;
  }
  size_t old;
  memcpy(&old, (char *)pointer - BEFORE, sizeof old);
  char *moved = watched_malloc(size, file, line);
  if (!moved) return NULL;
  memcpy(moved, pointer, old < size ? old : size);
  watched_free(pointer, file, line);
  return moved;
}


static chsm_text text(const char *string) { return (chsm_text) { string, strlen(string) }; }


static chsm_credentials make_credentials(const char *id, const char *secret, const char *token) {
  chsm_credentials made = { 0 };
  chsm_credentials_field culprit;
  const chsm_text values[] = { text(id), text(secret), text(token) };
  CHECK_EQ_INT(CHSM_CREDENTIALS_OK, chsm_credentials_set(&made, values, &culprit));
  return made;
}


static const chsm_sigv4_header HOST[] = { { { "Host", 4 }, { "example.amazonaws.com", 21 } } };

static chsm_sigv4_request make_request(const chsm_credentials *credentials) {
  chsm_sigv4_request request = {
    .method = text("GET"),
    .path = text("/"),
    .query = text(""),
    .body = text(""),
    .region = text("us-east-1"),
    .service = text("service"),
    .headers = HOST,
    .header_count = 1,
    .time = 1440938160,
    .credentials = credentials,
  };
  return request;
}


/* Signs with a signer of its own. */
static chsm_sigv4_status sign_alone(const chsm_sigv4_request *request, chsm_sigv4_result *result) {
  chsm_sigv4_signer signer = { 0 };
  chsm_buffer canonical = { 0 };
  chsm_sigv4_status status = chsm_sigv4_open(&signer);
  if (status == CHSM_SIGV4_OK) status = chsm_sigv4_sign(&signer, request, &canonical, result);
  chsm_buffer_wipe(&canonical);
  chsm_sigv4_close(&signer);
  return status;
}


static void test_hex(void) {
  char digits[8];
  chsm_hex_write((const unsigned char *)"\x00\x0f\xa0\xff", 4, digits);
  CHECK_EQ_BYTES("000fa0ff", digits, sizeof digits);
  CHECK_EQ_INT(0, chsm_hex_digit('0'));
  CHECK_EQ_INT(9, chsm_hex_digit('9'));
  CHECK_EQ_INT(10, chsm_hex_digit('a'));
  CHECK_EQ_INT(15, chsm_hex_digit('F'));
  const char no_digits[] = "/:@G`g\xff";
  for (size_t i = 0; i < sizeof no_digits; i++)
    CHECK_EQ_INT(-1, chsm_hex_digit(no_digits[i]));
}


/* The n-th line of the canonical request, from 0. */
static void check_line(const char *expected, chsm_sigv4_request *request, int line) {
  chsm_sigv4_selection selected;
  chsm_buffer canonical = { 0 };
  chsm_text names;
  size_t culprit;
  CHECK_EQ_INT(CHSM_SIGV4_OK, chsm_sigv4_select(&selected, request, &culprit));
  CHECK_EQ_INT(CHSM_SIGV4_OK, chsm_sigv4_write_canonical(request, &selected, &canonical, &names));
  const char *at = canonical.bytes;
  const char *end = canonical.bytes + canonical.length;
  for (; line; line--)
    at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
  const char *stop = memchr(at, '\n', (size_t)(end - at));
  CHECK_EQ_BYTES(expected, at, (size_t)((stop ? stop : end) - at));
  chsm_buffer_wipe(&canonical);
}


static void test_paths(void) {
  static const struct {
    const char *path, *normalized, *kept;
  } cases[] = {
    { "", "/", "/" },
    { "/", "/", "/" },
    { "//", "/", "//" },
    { "/a", "/a", "/a" },
    { "/a/", "/a/", "/a/" },
    { "/./a", "/a", "/./a" },
    { "/a/..", "/", "/a/.." },
    { "/a/../b/", "/b/", "/a/../b/" },
    { "/../../a", "/a", "/../../a" },
    { "/a/b/../../..", "/", "/a/b/../../.." },
    { "//a//b//", "/a/b/", "//a//b//" },
    { "/a/.", "/a", "/a/." },
    { "/...", "/...", "/..." },
    { "/.a/b..", "/.a/b..", "/.a/b.." },
    { "/a b", "/a%20b", "/a%20b" },
    { "/a%20b", "/a%2520b", "/a%2520b" },
    { "/\xe1\x88\xb4", "/%E1%88%B4", "/%E1%88%B4" },
    { "/-._~Az09", "/-._~Az09", "/-._~Az09" },
    { "/a:b@c!$&'()*+,;=", "/a%3Ab%40c%21%24%26%27%28%29%2A%2B%2C%3B%3D", "/a%3Ab%40c%21%24%26%27%28%29%2A%2B%2C%3B%3D" },
    { "/%2e%2E/a", "/%252e%252E/a", "/%252e%252E/a" },
  };
  chsm_sigv4_request request = make_request(NULL);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    request.path = text(cases[i].path);
    request.keep_path = false;
    check_line(cases[i].normalized, &request, 1);
    request.keep_path = true;
    check_line(cases[i].kept, &request, 1);
  }
}


static void test_queries(void) {
  static const struct {
    const char *query, *canonical;
  } cases[] = {
    { "", "" },
    { "&&", "" },
    { "k", "k=" },
    { "k=", "k=" },
    { "=v", "=v" },
    { "=", "=" },
    { "b=2&a=1", "a=1&b=2" },
    { "a=2&a=1", "a=1&a=2" },
    { "B=1&a=1", "B=1&a=1" },
    { "a-b=1&a=2", "a=2&a-b=1" },
    { "a=b=c", "a=b%3Dc" },
    { "a b=c d", "a%20b=c%20d" },
    { "a%20b=c%7E", "a%20b=c~" },
    { "\xe1\x88\xb4=x", "%E1%88%B4=x" },
    { "%e1%88%b4=x", "%E1%88%B4=x" },
    { "a=%", "a=%25" },
    { "a=%4", "a=%254" },
    { "a=%zz", "a=%25zz" },
    { "a=1+2", "a=1%2B2" },
    { "a=/?:@", "a=%2F%3F%3A%40" },
    { "Param-3=Value3&Param=Value2&%E1%88%B4=Value1", "%E1%88%B4=Value1&Param=Value2&Param-3=Value3" },
  };
  chsm_sigv4_request request = make_request(NULL);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    request.query = text(cases[i].query);
    check_line(cases[i].canonical, &request, 2);
  }
}


static void test_header_values(void) {
  static const struct {
    const char *value, *line;
  } cases[] = {
    { "", "x-amz-a:" },
    { " \t ", "x-amz-a:" },
    { "  a   b  ", "x-amz-a:a b" },
    { "\ta\t\tb", "x-amz-a:a b" },
    { "a\n  b\r\n\tc", "x-amz-a:a b c" },
    { "\"a  b\"", "x-amz-a:\"a b\"" },
    { "A,b", "x-amz-a:A,b" },
    { "\xc3\xa9", "x-amz-a:\xc3\xa9" },
  };
  static const char *const refused[] = { "a\nb", "a\r", "a\n", "a\r\n", "a\r b", "a\r\r\n b", "\x01", "a\x7f", "\n", "\x1f", "a\n\n b" };
  chsm_sigv4_header headers[] = { HOST[0], { text("X-AMZ-A"), text("") } };
  chsm_sigv4_request request = make_request(NULL);
  request.headers = headers;
  request.header_count = 2;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    headers[1].value = text(cases[i].value);
    check_line(cases[i].line, &request, 4);
  }
  chsm_sigv4_selection selected;
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    size_t culprit = 0;
    headers[1].value = text(refused[i]);
    CHECK_EQ_INT(CHSM_SIGV4_BAD_HEADER_VALUE, chsm_sigv4_select(&selected, &request, &culprit));
    CHECK_EQ_INT(1, culprit);
  }
}


static void test_header_names(void) {
  const chsm_sigv4_header headers[] = {
    { text("x-amz-b"), text("2") },     { text("X-Amz-B"), text("1") },      { text("HOST"), text("h") },
    { text("User-Agent"), text("u") },  { text("X-AMZ-DATE"), text("d") },   { text("aUTHORIZATION"), text("a") },
    { text("X-Amz-"), text("prefix") }, { text("content-TYPE"), text("t") }, { text("x-amz"), text("short") },
  };
  chsm_sigv4_request request = make_request(NULL);
  request.headers = headers;
  request.header_count = sizeof headers / sizeof *headers;
  check_line("content-type:t", &request, 3);
  check_line("host:h", &request, 4);
  check_line("x-amz-b:2,1", &request, 5);
  check_line("content-type;host;x-amz-b", &request, 7);
  request.all_headers = true;
  check_line("content-type;host;user-agent;x-amz;x-amz-;x-amz-b", &request, 10);

  for (int byte = 0; byte < 256; byte++) {
    static const char token_chars[] = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    char name = (char)byte;
    chsm_sigv4_header one[] = { HOST[0], { { &name, 1 }, text("v") } };
    chsm_sigv4_selection selected;
    size_t culprit = 0;
    request.headers = one;
    request.header_count = 2;
    chsm_sigv4_status expected = byte && strchr(token_chars, byte) ? CHSM_SIGV4_OK : CHSM_SIGV4_BAD_HEADER_NAME;
    CHECK_EQ_INT(expected, chsm_sigv4_select(&selected, &request, &culprit));
    CHECK_EQ_INT(1, culprit);
  }
}


static void test_dates(const chsm_credentials *credentials) {
  static const struct {
    double time;
    const char *date;
  } cases[] = {
    { 0, "19700101T000000Z" },
    { -0.0, "19700101T000000Z" },
    { 0.999, "19700101T000000Z" },
    { 59.9999, "19700101T000059Z" },
    { 68169599, "19720228T235959Z" },
    { 68169600, "19720229T000000Z" },
    { 951782399, "20000228T235959Z" },
    { 951782400, "20000229T000000Z" },
    { 951868800, "20000301T000000Z" },
    { 1440938160.5, "20150830T123600Z" },
    { 1709164800, "20240229T000000Z" },
    { 1735689599, "20241231T235959Z" },
    { 1735689600, "20250101T000000Z" },
    { 2147483648, "20380119T031408Z" },
    { 4107542399, "21000228T235959Z" },
    { 4107542400, "21000301T000000Z" },
    { 13574563200, "24000229T000000Z" },
    { 253402300799, "99991231T235959Z" },
    { 253402300799.9999, "99991231T235959Z" },
  };
  static const double refused[] = { -1, -0.5, 253402300800.0, 1e300, -1e300, HUGE_VAL, -HUGE_VAL, NAN };
  chsm_sigv4_request request = make_request(credentials);
  chsm_sigv4_result result;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    request.time = cases[i].time;
    CHECK_EQ_INT(CHSM_SIGV4_OK, sign_alone(&request, &result));
    CHECK_EQ_BYTES(cases[i].date, result.date, sizeof result.date);
  }
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    request.time = refused[i];
    CHECK_EQ_INT(CHSM_SIGV4_BAD_TIME, sign_alone(&request, &result));
  }
}


/* The example of the AWS General Reference: ListUsers of IAM, 2015-08-30. */
static void test_documented_example(const chsm_credentials *credentials) {
  const chsm_sigv4_header headers[] = {
    { text("Host"), text("iam.amazonaws.com") },
    { text("Content-Type"), text("application/x-www-form-urlencoded; charset=utf-8") },
  };
  chsm_sigv4_request request = make_request(credentials);
  request.query = text("Action=ListUsers&Version=2010-05-08");
  request.service = text("iam");
  request.headers = headers;
  request.header_count = 2;
  chsm_sigv4_result result;
  CHECK_EQ_INT(CHSM_SIGV4_OK, sign_alone(&request, &result));
  CHECK_EQ_BYTES("AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n"
                 "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59",
                 result.string_to_sign, result.string_to_sign_length);
  CHECK_EQ_BYTES("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
                 "SignedHeaders=content-type;host;x-amz-date, "
                 "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
                 result.authorization, result.authorization_length);
}


/* How many slots have a digest state of some key in them. */
static int held_keys(const chsm_sigv4_signer *signer) {
  int held = 0;
  for (size_t i = 0; i < CHSM_SIGV4_KEYS; i++)
    held += signer->keys[i].inner && EVP_MD_CTX_size(signer->keys[i].inner) > 0;
  ERR_clear_error();
  return held;
}


static void test_key_cache(const chsm_credentials *credentials) {
  chsm_sigv4_signer signer = { 0 };
  chsm_buffer canonical = { 0 };
  chsm_sigv4_result result;
  chsm_sigv4_result alone;
  chsm_credentials other = make_credentials("AKIDEXAMPLE", "another/secret", "");
  chsm_credentials longer = make_credentials("AKIDEXAMPLE", SECRET SECRET SECRET, "");
  const struct {
    const chsm_credentials *credentials;
    double time;
    const char *region, *service;
    unsigned derivations; /* in all, afterwards */
  } steps[] = {
    { credentials, 0, "r1", "s", 1 },     { credentials, 86399, "r1", "s", 1 }, /* the same day */
    { credentials, 86400, "r1", "s", 2 }, { credentials, 0, "r2", "s", 3 },
    { credentials, 0, "r1", "s2", 4 },    { credentials, 0, "r1", "s", 4 }, /* all four are remembered, and this one is now the newest */
    { credentials, 0, "r3", "s", 5 },                                       /* in place of the second day */
    { credentials, 0, "r1", "s", 5 },     { credentials, 86400, "r1", "s", 6 },
    { credentials, 0, "r1", "s2", 6 },    { &other, 0, "r1", "s", 7 }, /* another secret wipes them all */
    { &other, 0, "r1", "s", 7 },          { credentials, 0, "r1", "s", 8 },
    { &longer, 0, "r1", "s", 9 },         { &longer, 0, "r1s", "", 9 }, /* refused */
    { &longer, 0, "r", "1s", 10 },                                      /* none of these is the key of r1 and s */
    { &longer, 0, "r12", "s", 11 },       { &longer, 0, "r1", "s2", 12 },
  };
  CHECK_EQ_INT(CHSM_SIGV4_OK, chsm_sigv4_open(&signer));
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    chsm_sigv4_request request = make_request(steps[i].credentials);
    request.time = steps[i].time;
    request.region = text(steps[i].region);
    request.service = text(steps[i].service);
    chsm_sigv4_status status = chsm_sigv4_sign(&signer, &request, &canonical, &result);
    CHECK_EQ_INT(sign_alone(&request, &alone), status);
    if (status == CHSM_SIGV4_OK) CHECK(memcmp(result.signature, alone.signature, sizeof result.signature) == 0);
    CHECK_EQ_INT(steps[i].derivations, signer.derivations);
    if (i && steps[i].credentials != steps[i - 1].credentials) CHECK_EQ_INT(1, held_keys(&signer));
  }
  chsm_sigv4_close(&signer);
  chsm_sigv4_close(&signer);
  chsm_sigv4_request request = make_request(credentials);
  CHECK_EQ_INT(CHSM_SIGV4_CLOSED, chsm_sigv4_sign(&signer, &request, &canonical, &result));
  chsm_buffer_wipe(&canonical);
  chsm_credentials_wipe(&other);
  chsm_credentials_wipe(&longer);
}


/* `count` bytes `c`, or `count` times the two bytes of a parameter. The caller frees. */
static char *repeated(const char *part, size_t count) {
  size_t length = strlen(part);
  char *bytes = malloc(length * count + 1);
  if (!bytes) exit(2);
  for (size_t i = 0; i < count; i++)
    memcpy(bytes + i * length, part, length);
  bytes[length * count] = '\0';
  return bytes;
}


static void test_limits(const chsm_credentials *credentials) {
  chsm_sigv4_result result;
  chsm_sigv4_request request = make_request(credentials);
  long live = memory.live;
  char *many = repeated("a&", CHSM_SIGV4_PARAMETERS_MOST + 1);
  request.query = (chsm_text) { many, 2 * CHSM_SIGV4_PARAMETERS_MOST };
  CHECK_EQ_INT(CHSM_SIGV4_OK, sign_alone(&request, &result));
  request.query = text(many);
  CHECK_EQ_INT(CHSM_SIGV4_MANY_PARAMETERS, sign_alone(&request, &result));
  free(many);

  char *name = repeated("n", CHSM_SIGV4_NAME_MOST + 1);
  request = make_request(credentials);
  request.region = (chsm_text) { name, CHSM_SIGV4_SCOPE_MOST };
  request.service = (chsm_text) { name, CHSM_SIGV4_SCOPE_MOST };
  CHECK_EQ_INT(CHSM_SIGV4_OK, sign_alone(&request, &result));
  request.region.length++;
  CHECK_EQ_INT(CHSM_SIGV4_BAD_REGION, sign_alone(&request, &result));
  request.region.length--;
  request.service.length++;
  CHECK_EQ_INT(CHSM_SIGV4_BAD_SERVICE, sign_alone(&request, &result));

  static chsm_sigv4_header headers[CHSM_SIGV4_HEADERS_MOST + 1];
  for (size_t i = 0; i <= CHSM_SIGV4_HEADERS_MOST; i++)
    headers[i] = HOST[0];
  request = make_request(credentials);
  request.all_headers = true;
  request.headers = headers;
  headers[1].name = (chsm_text) { name, CHSM_SIGV4_NAME_MOST };
  request.header_count = CHSM_SIGV4_HEADERS_MOST;
  CHECK_EQ_INT(CHSM_SIGV4_OK, sign_alone(&request, &result));
  request.header_count++;
  CHECK_EQ_INT(CHSM_SIGV4_MANY_HEADERS, sign_alone(&request, &result));
  headers[1].name.length++;
  request.header_count--;
  CHECK_EQ_INT(CHSM_SIGV4_BAD_HEADER_NAME, sign_alone(&request, &result));
  for (size_t i = 1; i < CHSM_SIGV4_HEADERS_MOST; i++)
    headers[i].name = (chsm_text) { name, i }; /* 32 kB of names */
  CHECK_EQ_INT(CHSM_SIGV4_TOO_LARGE, sign_alone(&request, &result));
  free(name);

  char *large = repeated("/", CHSM_SIGV4_CANONICAL_MOST);
  request = make_request(credentials);
  request.keep_path = true;
  request.path = text(large);
  CHECK_EQ_INT(CHSM_SIGV4_TOO_LARGE, sign_alone(&request, &result));
  request.keep_path = false; /* one slash is left of it */
  CHECK_EQ_INT(CHSM_SIGV4_OK, sign_alone(&request, &result));
  memset(large, '=', CHSM_SIGV4_CANONICAL_MOST);
  request = make_request(credentials);
  request.query = text(large);
  CHECK_EQ_INT(CHSM_SIGV4_TOO_LARGE, sign_alone(&request, &result));
  request = make_request(credentials);
  request.body = text(large); /* only hashed */
  CHECK_EQ_INT(CHSM_SIGV4_OK, sign_alone(&request, &result));
  free(large);
  CHECK_EQ_INT(live, memory.live);
}


static void test_refusals(const chsm_credentials *credentials) {
  chsm_sigv4_result result;
  chsm_sigv4_request good = make_request(credentials);
#define CHECK_REFUSED(status, field, value)                                                                                                \
  do {                                                                                                                                     \
    chsm_sigv4_request request = good;                                                                                                     \
    request.field = (value);                                                                                                               \
    CHECK_EQ_INT((status), sign_alone(&request, &result));                                                                                 \
  } while (0)
  CHECK_REFUSED(CHSM_SIGV4_BAD_METHOD, method, text(""));
  CHECK_REFUSED(CHSM_SIGV4_BAD_METHOD, method, text("GET /"));
  CHECK_REFUSED(CHSM_SIGV4_BAD_METHOD, method, ((chsm_text) { "G\0T", 3 }));
  CHECK_REFUSED(CHSM_SIGV4_BAD_PATH, path, text("a"));
  CHECK_REFUSED(CHSM_SIGV4_BAD_PATH, path, text("/a?b"));
  CHECK_REFUSED(CHSM_SIGV4_BAD_PATH, path, text("/a#b"));
  CHECK_REFUSED(CHSM_SIGV4_BAD_PATH, path, text("/a\r\nb"));
  CHECK_REFUSED(CHSM_SIGV4_BAD_PATH, path, ((chsm_text) { "/\0", 2 }));
  CHECK_REFUSED(CHSM_SIGV4_BAD_QUERY, query, text("a\nb"));
  CHECK_REFUSED(CHSM_SIGV4_BAD_QUERY, query, text("a#b"));
  CHECK_REFUSED(CHSM_SIGV4_BAD_REGION, region, text(""));
  CHECK_REFUSED(CHSM_SIGV4_BAD_REGION, region, text("eu west"));
  CHECK_REFUSED(CHSM_SIGV4_BAD_REGION, region, text("eu/west"));
  CHECK_REFUSED(CHSM_SIGV4_BAD_REGION, region, text("eu-west-1,"));
  CHECK_REFUSED(CHSM_SIGV4_BAD_REGION, region, text("eu\x80"));
  CHECK_REFUSED(CHSM_SIGV4_BAD_SERVICE, service, text("a\x7f"));
  CHECK_REFUSED(CHSM_SIGV4_NO_HOST, header_count, 0);
  CHECK_REFUSED(CHSM_SIGV4_NO_CREDENTIALS, credentials, NULL);
#undef CHECK_REFUSED
  const chsm_sigv4_header hashes[] = { HOST[0], { text("X-Amz-Content-SHA256"), text("h") }, { text("x-amz-content-sha256"), text("h") } };
  good.headers = hashes;
  good.header_count = 3;
  CHECK_EQ_INT(CHSM_SIGV4_BAD_PAYLOAD_HASH, sign_alone(&good, &result));
  good.header_count = 2;
  good.sign_body = true;
  CHECK_EQ_INT(CHSM_SIGV4_OK, sign_alone(&good, &result));
  CHECK(!result.payload_hash_added);
  for (int status = CHSM_SIGV4_OK; status <= CHSM_SIGV4_TOO_LARGE; status++)
    CHECK(chsm_sigv4_message((chsm_sigv4_status)status) != NULL);
}


static void check_set(chsm_credentials_status expected, chsm_credentials_field field, const char *id, const char *secret,
                      const char *token) {
  chsm_credentials held = make_credentials("kept", "kept", "");
  chsm_credentials_field culprit = CHSM_CREDENTIALS_FIELDS;
  const chsm_text values[] = { text(id), text(secret), text(token) };
  CHECK_EQ_INT(expected, chsm_credentials_set(&held, values, &culprit));
  CHECK_EQ_INT(field, culprit);
  const char *now = expected == CHSM_CREDENTIALS_OK ? id : "kept";
  CHECK_EQ_BYTES(now, held.access_key_id.bytes, held.access_key_id.length);
  chsm_credentials_wipe(&held);
  CHECK(!held.block && !held.access_key_id.length);
  chsm_credentials_wipe(&held);
}


static void test_credentials(void) {
  char *large = repeated("s", CHSM_SESSION_TOKEN_MOST + 1);
  check_set(CHSM_CREDENTIALS_OK, CHSM_CREDENTIALS_FIELDS, "id", "se cret", TOKEN);
  check_set(CHSM_CREDENTIALS_OK, CHSM_CREDENTIALS_FIELDS, "id", "secret", large + 1);
  check_set(CHSM_CREDENTIALS_OK, CHSM_CREDENTIALS_FIELDS, large + CHSM_SESSION_TOKEN_MOST + 1 - CHSM_ACCESS_KEY_ID_MOST,
            large + CHSM_SESSION_TOKEN_MOST + 1 - CHSM_SECRET_ACCESS_KEY_MOST, "");
  check_set(CHSM_CREDENTIALS_MISSING, CHSM_ACCESS_KEY_ID, "", "secret", "");
  check_set(CHSM_CREDENTIALS_MISSING, CHSM_SECRET_ACCESS_KEY, "id", "", TOKEN);
  check_set(CHSM_CREDENTIALS_TOO_LONG, CHSM_ACCESS_KEY_ID, large + CHSM_SESSION_TOKEN_MOST - CHSM_ACCESS_KEY_ID_MOST, "secret", "");
  check_set(CHSM_CREDENTIALS_TOO_LONG, CHSM_SECRET_ACCESS_KEY, "id", large + CHSM_SESSION_TOKEN_MOST - CHSM_SECRET_ACCESS_KEY_MOST, "");
  check_set(CHSM_CREDENTIALS_TOO_LONG, CHSM_SESSION_TOKEN, "id", "secret", large);
  check_set(CHSM_CREDENTIALS_BAD_BYTE, CHSM_ACCESS_KEY_ID, "a/b", "secret", "");
  check_set(CHSM_CREDENTIALS_BAD_BYTE, CHSM_ACCESS_KEY_ID, "a b", "secret", "");
  free(large);

  for (int byte = 0; byte < 256; byte++) {
    char value = (char)byte;
    chsm_credentials credentials = { 0 };
    for (int field = 0; field < CHSM_CREDENTIALS_FIELDS; field++) {
      chsm_text values[] = { text("id"), text("secret"), text("token") };
      chsm_credentials_field culprit = CHSM_CREDENTIALS_FIELDS;
      values[field] = (chsm_text) { &value, 1 };
      int control = byte < 0x20 || byte == 0x7F;
      int refused = field == CHSM_ACCESS_KEY_ID ? control || byte >= 0x80 || byte == ' ' || byte == '/' || byte == ',' : control;
      CHECK_EQ_INT(refused ? CHSM_CREDENTIALS_BAD_BYTE : CHSM_CREDENTIALS_OK, chsm_credentials_set(&credentials, values, &culprit));
      CHECK_EQ_INT(refused ? field : CHSM_CREDENTIALS_FIELDS, culprit);
    }
    chsm_credentials_wipe(&credentials);
  }

  chsm_credentials one = make_credentials("XAWS4Y", "Z", "");
  chsm_credentials two = make_credentials("X", "YAWS4Z", "");
  CHECK(memcmp(one.identity, two.identity, sizeof one.identity) != 0);
  chsm_credentials_wipe(&one);
  chsm_credentials_wipe(&two);
}


static void test_environment(void) {
  static const char *const names[] = { "CHSM_TEST_ID", "CHSM_TEST_SECRET", "CHSM_TEST_TOKEN" };
  static const struct {
    const char *values[CHSM_CREDENTIALS_FIELDS];
    chsm_credentials_status status;
    chsm_credentials_field culprit;
  } cases[] = {
    { { NULL, NULL, NULL }, CHSM_CREDENTIALS_UNSET, CHSM_CREDENTIALS_FIELDS },
    { { "", " \t\r\n", NULL }, CHSM_CREDENTIALS_UNSET, CHSM_CREDENTIALS_FIELDS },
    { { NULL, NULL, TOKEN }, CHSM_CREDENTIALS_UNSET, CHSM_CREDENTIALS_FIELDS },
    { { "id", NULL, NULL }, CHSM_CREDENTIALS_MISSING, CHSM_SECRET_ACCESS_KEY },
    { { "id", "  ", NULL }, CHSM_CREDENTIALS_MISSING, CHSM_SECRET_ACCESS_KEY },
    { { NULL, "secret", NULL }, CHSM_CREDENTIALS_MISSING, CHSM_ACCESS_KEY_ID },
    { { "id", "secret\r", NULL }, CHSM_CREDENTIALS_BAD_BYTE, CHSM_SECRET_ACCESS_KEY },
    { { "id", "secret", "" }, CHSM_CREDENTIALS_OK, CHSM_CREDENTIALS_FIELDS },
    { { "id", "secret", TOKEN }, CHSM_CREDENTIALS_OK, CHSM_CREDENTIALS_FIELDS },
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    chsm_credentials credentials = { 0 };
    chsm_credentials_field culprit = CHSM_CREDENTIALS_FIELDS;
    for (int field = 0; field < CHSM_CREDENTIALS_FIELDS; field++) {
      if (cases[i].values[field])
        setenv(names[field], cases[i].values[field], 1);
      else
        unsetenv(names[field]);
    }
    CHECK_EQ_INT(cases[i].status, chsm_credentials_from_environment(&credentials, names, &culprit));
    CHECK_EQ_INT(cases[i].culprit, culprit);
    if (cases[i].status == CHSM_CREDENTIALS_OK) {
      CHECK_EQ_BYTES("id", credentials.access_key_id.bytes, credentials.access_key_id.length);
      CHECK_EQ_BYTES("AWS4secret", credentials.signing_secret.bytes, credentials.signing_secret.length);
      CHECK_EQ_BYTES(cases[i].values[CHSM_SESSION_TOKEN], credentials.session_token.bytes, credentials.session_token.length);
    }
    chsm_credentials_wipe(&credentials);
  }
}


/* Sets credentials, signs and closes, as a client does; everything that can fail here fails without memory. */
static bool sign_and_forget(void) {
  chsm_credentials credentials = { 0 };
  chsm_credentials_field culprit;
  const chsm_text values[] = { text("AKIDEXAMPLE"), text(SECRET), text(TOKEN) };
  bool done = chsm_credentials_set(&credentials, values, &culprit) == CHSM_CREDENTIALS_OK;
  if (done) {
    chsm_sigv4_request request = make_request(&credentials);
    chsm_sigv4_result result;
    request.query = text("b=1&a=2");
    done = sign_alone(&request, &result) == CHSM_SIGV4_OK;
  }
  chsm_credentials_wipe(&credentials);
  return done;
}


/* What must not be left behind: the secret, the token, the signing key, its padded blocks, and the key as a digest's state has it. */
static void add_needles(void) {
  static const char *const steps[] = { "20150830", "us-east-1", "service", "aws4_request" };
  unsigned char key[64] = "AWS4" SECRET;
  size_t length = strlen((char *)key);
  for (size_t i = 0; i < 4; i++) {
    unsigned char next[32];
    HMAC(EVP_sha256(), key, (int)length, (const unsigned char *)steps[i], strlen(steps[i]), next, NULL);
    length = sizeof next;
    memcpy(key, next, length);
  }
  unsigned char changed[3][32];
  for (size_t i = 0; i < 32; i++) {
    changed[0][i] = key[i] ^ 0x36;
    changed[1][i] = key[i] ^ 0x5C;
    changed[2][i] = key[i / 4 * 4 + 3 - i % 4];
  }
  add_needle(SECRET, strlen(SECRET));
  add_needle(TOKEN, strlen(TOKEN));
  add_needle(key, 32);
  for (size_t i = 0; i < 3; i++)
    add_needle(changed[i], 32);
}


static void test_wiping(void) {
  add_needles();
  memory.residues = 0;
  CHECK(sign_and_forget());
  CHECK_EQ_INT(0, memory.residues);

  char *leak = OPENSSL_malloc(64); /* the detector does detect */
  memcpy(leak, SECRET, sizeof SECRET);
  OPENSSL_free(leak);
  CHECK_EQ_INT(1, memory.residues);
}


static void test_failed_allocations(void) {
  long live = memory.live;
  bool done = false;
  long failing = 0;
  memory.residues = 0;
  while (!done && failing < 1000) {
    memory.allocations = 0;
    memory.fail_from = ++failing;
    done = sign_and_forget();
    memory.fail_from = 0;
    CHECK_EQ_INT(live, memory.live);
  }
  CHECK(done && failing > 5);
  CHECK_EQ_INT(0, memory.residues);
}


/* The queue is the thread's: in a web server it belongs to other people's TLS connections, too. */
static void test_error_queue(const chsm_credentials *credentials) {
  chsm_sigv4_request request = make_request(credentials);
  chsm_sigv4_result result;
  ERR_clear_error();
  CHECK_EQ_INT(CHSM_SIGV4_OK, sign_alone(&request, &result));
  CHECK_EQ_INT(0, ERR_peek_error());
  ERR_put_error(ERR_LIB_USER, 0, 42, __FILE__, __LINE__);
  CHECK_EQ_INT(CHSM_SIGV4_OK, sign_alone(&request, &result));
  CHECK_EQ_INT(42, ERR_GET_REASON(ERR_get_error()));
  CHECK_EQ_INT(0, ERR_peek_error());

#if OPENSSL_VERSION_NUMBER >= 0x30000000L
  EVP_set_default_properties(NULL, "provider=none");
  chsm_credentials unmade = { 0 };
  chsm_credentials_field culprit;
  const chsm_text values[] = { text("id"), text("secret"), text("") };
  CHECK_EQ_INT(CHSM_SIGV4_NO_DIGEST, sign_alone(&request, &result));
  CHECK_EQ_INT(0, ERR_peek_error());
  CHECK_EQ_INT(CHSM_CREDENTIALS_NO_DIGEST, chsm_credentials_set(&unmade, values, &culprit));
  CHECK(!unmade.block);
  CHECK_EQ_INT(0, ERR_peek_error());
  EVP_set_default_properties(NULL, "");
  CHECK_EQ_INT(CHSM_SIGV4_OK, sign_alone(&request, &result));
#endif
}


int main(void) {
  CHECK_EQ_INT(1, CRYPTO_set_mem_functions(watched_malloc, watched_realloc, watched_free));
  chsm_credentials credentials = make_credentials("AKIDEXAMPLE", SECRET, "");
  test_hex();
  test_paths();
  test_queries();
  test_header_values();
  test_header_names();
  test_dates(&credentials);
  test_documented_example(&credentials);
  test_key_cache(&credentials);
  test_limits(&credentials);
  test_refusals(&credentials);
  test_credentials();
  test_environment();
  test_wiping();
  test_failed_allocations();
  test_error_queue(&credentials);
  chsm_credentials_wipe(&credentials);
  return check_finish();
}
