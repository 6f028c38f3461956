#include "sigv4.h"

#include <math.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "date.h"
#include "hex.h"
#include "sigv4_canonical.h"

enum { DIGEST = 32, BLOCK = 64 };

static const char ALGORITHM[] = "AWS4-HMAC-SHA256";
static const char TERMINATOR[] = "aws4_request";
static const double YEAR_10000 = 253402300800.0; /* its first second */


static chsm_text text(const char *bytes, size_t length) { return (chsm_text) { bytes, length }; }


/* The length of what `bytes` holds grows by `part`, or `*fits` becomes false. */
static void add(char *bytes, size_t room, size_t *length, bool *fits, const char *part, size_t part_length) {
  *fits = *fits && part_length <= room - *length;
  if (!*fits) return;
  if (part_length) memcpy(bytes + *length, part, part_length);
  *length += part_length;
}


static bool digest(chsm_sigv4_signer *signer, const char *bytes, size_t length, unsigned char out[DIGEST]) {
  return EVP_DigestInit_ex(signer->work, signer->sha256, NULL) && EVP_DigestUpdate(signer->work, bytes, length) &&
         EVP_DigestFinal_ex(signer->work, out, NULL);
}


/* HMAC (RFC 2104) of `message` by two states that have the padded key behind them. */
static bool hmac_by_states(chsm_sigv4_signer *signer, const EVP_MD_CTX *inner, const EVP_MD_CTX *outer, chsm_text message,
                           unsigned char out[DIGEST]) {
  return EVP_MD_CTX_copy_ex(signer->work, inner) && EVP_DigestUpdate(signer->work, message.bytes, message.length) &&
         EVP_DigestFinal_ex(signer->work, out, NULL) && EVP_MD_CTX_copy_ex(signer->work, outer) &&
         EVP_DigestUpdate(signer->work, out, DIGEST) && EVP_DigestFinal_ex(signer->work, out, NULL);
}


/* Puts the padded blocks of `key` behind the two states. */
static bool hmac_states(chsm_sigv4_signer *signer, EVP_MD_CTX *inner, EVP_MD_CTX *outer, chsm_text key) {
  unsigned char block[BLOCK] = { 0 };
  bool done = true;
  if (key.length > BLOCK)
    done = digest(signer, key.bytes, key.length, block);
  else
    memcpy(block, key.bytes, key.length);
  for (size_t i = 0; i < BLOCK; i++)
    block[i] ^= 0x36;
  done = done && EVP_DigestInit_ex(inner, signer->sha256, NULL) && EVP_DigestUpdate(inner, block, BLOCK);
  for (size_t i = 0; i < BLOCK; i++)
    block[i] ^= 0x36 ^ 0x5C;
  done = done && EVP_DigestInit_ex(outer, signer->sha256, NULL) && EVP_DigestUpdate(outer, block, BLOCK);
  OPENSSL_cleanse(block, sizeof block);
  return done;
}


/* Wipes the key that a slot holds; the slot may be used again. */
static void forget_key(chsm_sigv4_key *key) {
  if (key->inner) EVP_MD_CTX_reset(key->inner);
  if (key->outer) EVP_MD_CTX_reset(key->outer);
  key->used = 0;
}


/* Derives the signing key of this date, region and service into the slot, whose states serve for the steps between as well. */
static chsm_sigv4_status derive_key(chsm_sigv4_signer *signer, chsm_sigv4_key *key, const chsm_sigv4_request *request, const char *date) {
  forget_key(key);
  if (!key->inner) key->inner = EVP_MD_CTX_new();
  if (!key->outer) key->outer = EVP_MD_CTX_new();
  if (!key->inner || !key->outer) return CHSM_SIGV4_NO_MEMORY;

  const chsm_text steps[] = { text(date, sizeof key->date), request->region, request->service, text(TERMINATOR, sizeof TERMINATOR - 1) };
  unsigned char derived[DIGEST];
  bool done = hmac_states(signer, key->inner, key->outer, request->credentials->signing_secret);
  for (size_t i = 0; done && i < sizeof steps / sizeof *steps; i++)
    done = hmac_by_states(signer, key->inner, key->outer, steps[i], derived) &&
           hmac_states(signer, key->inner, key->outer, text((const char *)derived, sizeof derived));
  OPENSSL_cleanse(derived, sizeof derived);
  if (!done) {
    forget_key(key);
    return CHSM_SIGV4_NO_DIGEST;
  }
  memcpy(key->date, date, sizeof key->date);
  memcpy(key->region, request->region.bytes, request->region.length);
  memcpy(key->service, request->service.bytes, request->service.length);
  key->region_length = request->region.length;
  key->service_length = request->service.length;
  signer->derivations++;
  return CHSM_SIGV4_OK;
}


static bool is_key_for(const chsm_sigv4_key *key, const chsm_sigv4_request *request, const char *date) {
  return key->used && memcmp(key->date, date, sizeof key->date) == 0 && key->region_length == request->region.length &&
         key->service_length == request->service.length && memcmp(key->region, request->region.bytes, key->region_length) == 0 &&
         memcmp(key->service, request->service.bytes, key->service_length) == 0;
}


/* Finds the signing key among those remembered, or derives it in place of the one that was not used for longest. */
static chsm_sigv4_status find_key(chsm_sigv4_signer *signer, const chsm_sigv4_request *request, const char *date, chsm_sigv4_key **found) {
  if (CRYPTO_memcmp(signer->identity, request->credentials->identity, sizeof signer->identity) != 0) {
    for (size_t i = 0; i < CHSM_SIGV4_KEYS; i++)
      forget_key(&signer->keys[i]);
    memcpy(signer->identity, request->credentials->identity, sizeof signer->identity);
  }
  chsm_sigv4_key *key = NULL;
  chsm_sigv4_key *oldest = &signer->keys[0];
  for (size_t i = 0; i < CHSM_SIGV4_KEYS && !key; i++) {
    if (is_key_for(&signer->keys[i], request, date)) key = &signer->keys[i];
    if (signer->keys[i].used < oldest->used) oldest = &signer->keys[i];
  }
  if (!key) {
    key = oldest;
    chsm_sigv4_status status = derive_key(signer, key, request, date);
    if (status != CHSM_SIGV4_OK) return status;
  }
  key->used = ++signer->clock;
  *found = key;
  return CHSM_SIGV4_OK;
}


/* Writes `time` as YYYYMMDDTHHMMSSZ; a fraction of a second is cut off. */
static chsm_sigv4_status write_date(double time, char date[CHSM_SIGV4_DATE]) {
  if (!(time >= 0 && time < YEAR_10000)) return CHSM_SIGV4_BAD_TIME;
  char iso[CHSM_DATE_TEXT];
  size_t length = chsm_date_write(floor(time), CHSM_ISO_8601, iso);
  size_t kept = 0;
  for (size_t i = 0; i < length && kept < CHSM_SIGV4_DATE; i++)
    if (iso[i] != '-' && iso[i] != ':') date[kept++] = iso[i];
  return kept == CHSM_SIGV4_DATE ? CHSM_SIGV4_OK : CHSM_SIGV4_BAD_TIME;
}


/* "YYYYMMDD/region/service/aws4_request", appended to `bytes`. */
static void add_scope(char *bytes, size_t room, size_t *length, bool *fits, const chsm_sigv4_request *request, const char *date) {
  add(bytes, room, length, fits, date, CHSM_SIGV4_DAY);
  add(bytes, room, length, fits, "/", 1);
  add(bytes, room, length, fits, request->region.bytes, request->region.length);
  add(bytes, room, length, fits, "/", 1);
  add(bytes, room, length, fits, request->service.bytes, request->service.length);
  add(bytes, room, length, fits, "/", 1);
  add(bytes, room, length, fits, TERMINATOR, sizeof TERMINATOR - 1);
}


static chsm_sigv4_status write_string_to_sign(chsm_sigv4_signer *signer, const chsm_sigv4_request *request, const chsm_buffer *canonical,
                                              chsm_sigv4_result *result) {
  unsigned char hash[DIGEST];
  char hash_hex[CHSM_SIGV4_DIGEST_HEX];
  if (!digest(signer, canonical->bytes, canonical->length, hash)) return CHSM_SIGV4_NO_DIGEST;
  chsm_hex_write(hash, sizeof hash, hash_hex);

  char *out = result->string_to_sign;
  const size_t room = sizeof result->string_to_sign;
  size_t length = 0;
  bool fits = true;
  add(out, room, &length, &fits, ALGORITHM, sizeof ALGORITHM - 1);
  add(out, room, &length, &fits, "\n", 1);
  add(out, room, &length, &fits, result->date, sizeof result->date);
  add(out, room, &length, &fits, "\n", 1);
  add_scope(out, room, &length, &fits, request, result->date);
  add(out, room, &length, &fits, "\n", 1);
  add(out, room, &length, &fits, hash_hex, sizeof hash_hex);
  result->string_to_sign_length = length;
  return fits ? CHSM_SIGV4_OK : CHSM_SIGV4_TOO_LARGE;
}


static chsm_sigv4_status write_authorization(const chsm_sigv4_request *request, chsm_text signed_names, chsm_sigv4_result *result) {
  static const char credential[] = " Credential=";
  static const char signed_headers[] = ", SignedHeaders=";
  static const char signature[] = ", Signature=";
  char *out = result->authorization;
  const size_t room = sizeof result->authorization;
  const chsm_text id = request->credentials->access_key_id;
  size_t length = 0;
  bool fits = true;
  add(out, room, &length, &fits, ALGORITHM, sizeof ALGORITHM - 1);
  add(out, room, &length, &fits, credential, sizeof credential - 1);
  add(out, room, &length, &fits, id.bytes, id.length);
  add(out, room, &length, &fits, "/", 1);
  add_scope(out, room, &length, &fits, request, result->date);
  add(out, room, &length, &fits, signed_headers, sizeof signed_headers - 1);
  add(out, room, &length, &fits, signed_names.bytes, signed_names.length);
  add(out, room, &length, &fits, signature, sizeof signature - 1);
  add(out, room, &length, &fits, result->signature, sizeof result->signature);
  result->authorization_length = length;
  return fits ? CHSM_SIGV4_OK : CHSM_SIGV4_TOO_LARGE;
}


/* The body of chsm_sigv4_sign, which minds OpenSSL's error queue around it. */
static chsm_sigv4_status sign(chsm_sigv4_signer *signer, const chsm_sigv4_request *request, chsm_buffer *canonical,
                              chsm_sigv4_result *result) {
  chsm_sigv4_selection selected;
  if (!request->credentials || !request->credentials->block) return CHSM_SIGV4_NO_CREDENTIALS;
  chsm_sigv4_status status = chsm_sigv4_select(&selected, request, &result->culprit);
  if (status == CHSM_SIGV4_OK) status = write_date(request->time, result->date);
  if (status != CHSM_SIGV4_OK) return status;

  if (!selected.payload_hash.length) {
    unsigned char hash[DIGEST];
    if (!digest(signer, request->body.bytes, request->body.length, hash)) return CHSM_SIGV4_NO_DIGEST;
    chsm_hex_write(hash, sizeof hash, result->payload_hash);
    selected.payload_hash = text(result->payload_hash, sizeof result->payload_hash);
    result->payload_hash_added = request->sign_body;
  }
  const chsm_text token = request->credentials->session_token;
  if (result->payload_hash_added)
    chsm_sigv4_select_own(&selected, "x-amz-content-sha256", result->payload_hash, sizeof result->payload_hash);
  if (token.length && !request->omit_session_token) chsm_sigv4_select_own(&selected, "x-amz-security-token", token.bytes, token.length);
  chsm_sigv4_select_own(&selected, "x-amz-date", result->date, sizeof result->date);

  chsm_text signed_names;
  status = chsm_sigv4_write_canonical(request, &selected, canonical, &signed_names);
  if (status == CHSM_SIGV4_OK) status = write_string_to_sign(signer, request, canonical, result);
  chsm_sigv4_key *key = NULL;
  if (status == CHSM_SIGV4_OK) status = find_key(signer, request, result->date, &key);
  if (status != CHSM_SIGV4_OK) return status;

  unsigned char mac[DIGEST];
  if (!hmac_by_states(signer, key->inner, key->outer, text(result->string_to_sign, result->string_to_sign_length), mac))
    return CHSM_SIGV4_NO_DIGEST;
  chsm_hex_write(mac, sizeof mac, result->signature);
  return write_authorization(request, signed_names, result);
}


/* Signs `request`, of which nothing is kept. On success `*result` holds what to send and `canonical` the canonical request, which
   contains the session token in clear: the caller wipes it, after a failure too. An Authorization, X-Amz-Date or X-Amz-Security-Token
   among the request's headers counts as absent. On failure only `result->culprit` means something; the signer stays usable. */
chsm_sigv4_status chsm_sigv4_sign(chsm_sigv4_signer *signer, const chsm_sigv4_request *request, chsm_buffer *canonical,
                                  chsm_sigv4_result *result) {
  result->string_to_sign_length = result->authorization_length = result->culprit = 0;
  result->payload_hash_added = false;
  chsm_buffer_clear(canonical);
  canonical->cap = CHSM_SIGV4_CANONICAL_MOST;
  if (!signer->work) return CHSM_SIGV4_CLOSED;

  ERR_set_mark();
  chsm_sigv4_status status = sign(signer, request, canonical, result);
  ERR_pop_to_mark();
  return status;
}


/* Makes a zeroed signer ready. On failure it is closed. */
chsm_sigv4_status chsm_sigv4_open(chsm_sigv4_signer *signer) {
  ERR_set_mark();
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
  signer->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
#else
  signer->sha256 = EVP_sha256();
#endif
  ERR_pop_to_mark();
  if (!signer->sha256) return CHSM_SIGV4_NO_DIGEST;
  signer->work = EVP_MD_CTX_new();
  if (signer->work) return CHSM_SIGV4_OK;
  chsm_sigv4_close(signer);
  return CHSM_SIGV4_NO_MEMORY;
}


/* Wipes every key and frees everything. Safe to call twice, and on a signer that was never opened. */
void chsm_sigv4_close(chsm_sigv4_signer *signer) {
  for (size_t i = 0; i < CHSM_SIGV4_KEYS; i++) {
    EVP_MD_CTX_free(signer->keys[i].inner);
    EVP_MD_CTX_free(signer->keys[i].outer);
  }
  EVP_MD_CTX_free(signer->work);
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
  EVP_MD_free(signer->sha256);
#endif
  OPENSSL_cleanse(signer, sizeof *signer);
}


/* One phrase that begins with the name of the field that is not good. Never its value. */
const char *chsm_sigv4_message(chsm_sigv4_status status) {
  static const char *const messages[] = {
    [CHSM_SIGV4_OK] = "signed",
    [CHSM_SIGV4_NO_MEMORY] = "not enough memory",
    [CHSM_SIGV4_NO_DIGEST] = "OpenSSL: SHA-256 is not available",
    [CHSM_SIGV4_CLOSED] = "signer: closed",
    [CHSM_SIGV4_NO_CREDENTIALS] = "credentials: closed",
    [CHSM_SIGV4_BAD_METHOD] = "method: must be an HTTP method, such as POST",
    [CHSM_SIGV4_BAD_PATH] = "path: must begin with / and hold no control character, ? or #",
    [CHSM_SIGV4_BAD_QUERY] = "query: must hold no control character and no #",
    [CHSM_SIGV4_MANY_PARAMETERS] = "query: more than 256 parameters",
    [CHSM_SIGV4_BAD_HEADER_NAME] = "the name is empty, too long or holds a character that a header name cannot have",
    [CHSM_SIGV4_BAD_HEADER_VALUE] = "the value holds a control character",
    [CHSM_SIGV4_MANY_HEADERS] = "headers: more than 256",
    [CHSM_SIGV4_NO_HOST] = "headers: Host is missing or empty",
    [CHSM_SIGV4_BAD_PAYLOAD_HASH] = "headers: X-Amz-Content-Sha256 is empty or given twice",
    [CHSM_SIGV4_BAD_REGION] = "region: must be 1 to 128 printable characters, without space, / and comma",
    [CHSM_SIGV4_BAD_SERVICE] = "service: must be 1 to 128 printable characters, without space, / and comma",
    [CHSM_SIGV4_BAD_TIME] = "time: must be seconds since 1970 that lie in the years 1970 to 9999",
    [CHSM_SIGV4_TOO_LARGE] = "headers, path and query: too large to sign",
  };
  return messages[status];
}
