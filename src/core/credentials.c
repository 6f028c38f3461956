#define _GNU_SOURCE /* secure_getenv */

#include "credentials.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__) || defined(__DragonFly__)
#include <unistd.h>
#endif

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "ascii.h"

/* What stands before the secret: a NUL, which no id can hold, and the mark that the signing key's derivation begins with. */
static const char BEFORE_SECRET[5] = { '\0', 'A', 'W', 'S', '4' };


/* A byte that an access key id may hold: it stands in `Credential=<id>/<date>/..., SignedHeaders=`, so no separator of that. */
static bool is_id_byte(char byte) { return byte > 0x20 && byte < 0x7F && byte != '/' && byte != ','; }


static chsm_credentials_status check(chsm_text value, chsm_credentials_field field) {
  static const size_t most[CHSM_CREDENTIALS_FIELDS] = { CHSM_ACCESS_KEY_ID_MOST, CHSM_SECRET_ACCESS_KEY_MOST, CHSM_SESSION_TOKEN_MOST };
  if (!value.length) return field == CHSM_SESSION_TOKEN ? CHSM_CREDENTIALS_OK : CHSM_CREDENTIALS_MISSING;
  if (value.length > most[field]) return CHSM_CREDENTIALS_TOO_LONG;
  for (size_t i = 0; i < value.length; i++) {
    char byte = value.bytes[i];
    if (chsm_ascii_is_control(byte) || (field == CHSM_ACCESS_KEY_ID && !is_id_byte(byte))) return CHSM_CREDENTIALS_BAD_BYTE;
  }
  return CHSM_CREDENTIALS_OK;
}


/* Copies `text` to `*at` and moves on; answers where the copy is. */
static chsm_text place(char **at, chsm_text text) {
  chsm_text placed = { *at, text.length };
  if (text.length) memcpy(*at, text.bytes, text.length);
  *at += text.length;
  return placed;
}


/* Copies the three values (indexed by chsm_credentials_field; the token may be empty) into memory of its own, in place of what was there.
   On failure nothing changed, and `*culprit` says which value was not good where one was not. */
chsm_credentials_status chsm_credentials_set(chsm_credentials *credentials, const chsm_text values[CHSM_CREDENTIALS_FIELDS],
                                             chsm_credentials_field *culprit) {
  for (int field = 0; field < CHSM_CREDENTIALS_FIELDS; field++) {
    chsm_credentials_status status = check(values[field], (chsm_credentials_field)field);
    if (status != CHSM_CREDENTIALS_OK) {
      *culprit = (chsm_credentials_field)field;
      return status;
    }
  }

  chsm_credentials set = { .block_length = sizeof BEFORE_SECRET };
  for (int field = 0; field < CHSM_CREDENTIALS_FIELDS; field++)
    set.block_length += values[field].length;
  set.block = OPENSSL_malloc(set.block_length);
  if (!set.block) return CHSM_CREDENTIALS_NO_MEMORY;

  char *at = set.block;
  set.access_key_id = place(&at, values[CHSM_ACCESS_KEY_ID]);
  set.signing_secret.bytes = place(&at, (chsm_text) { BEFORE_SECRET, sizeof BEFORE_SECRET }).bytes + 1;
  place(&at, values[CHSM_SECRET_ACCESS_KEY]);
  set.signing_secret.length = (size_t)(at - set.signing_secret.bytes);

  ERR_set_mark();
  int digested = EVP_Digest(set.block, (size_t)(at - set.block), set.identity, NULL, EVP_sha256(), NULL);
  ERR_pop_to_mark();
  set.session_token = place(&at, values[CHSM_SESSION_TOKEN]);
  if (!digested) {
    chsm_credentials_wipe(&set);
    return CHSM_CREDENTIALS_NO_DIGEST;
  }
  chsm_credentials_wipe(credentials);
  *credentials = set;
  OPENSSL_cleanse(&set, sizeof set);
  return CHSM_CREDENTIALS_OK;
}


/* The environment variable, or nothing where the program runs with privileges that whoever set the variable lacks. */
static const char *environment(const char *name) {
#if defined(__linux__) && !defined(__ANDROID__)
  return secure_getenv(name);
#elif defined(__APPLE__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__) || defined(__DragonFly__)
  return issetugid() ? NULL : getenv(name);
#else
  return getenv(name);
#endif
}


/* The variable as a text, empty where it is unset or blank: an empty variable is how a shell script says "none". */
static chsm_text variable(const char *name) {
  const char *value = environment(name);
  if (!value || !value[strspn(value, " \t\n\v\f\r")]) return (chsm_text) { "", 0 };
  return (chsm_text) { value, strlen(value) };
}


/* As chsm_credentials_set, from the environment variables `names`. CHSM_CREDENTIALS_UNSET where both id and secret are unset or
   blank; one without the other is a mistake: CHSM_CREDENTIALS_MISSING, with the one that is missing as `*culprit`. */
chsm_credentials_status chsm_credentials_from_environment(chsm_credentials *credentials, const char *const names[CHSM_CREDENTIALS_FIELDS],
                                                          chsm_credentials_field *culprit) {
  chsm_text values[CHSM_CREDENTIALS_FIELDS];
  for (int field = 0; field < CHSM_CREDENTIALS_FIELDS; field++)
    values[field] = variable(names[field]);
  if (!values[CHSM_ACCESS_KEY_ID].length && !values[CHSM_SECRET_ACCESS_KEY].length) return CHSM_CREDENTIALS_UNSET;
  return chsm_credentials_set(credentials, values, culprit);
}


/* Zeroes and frees everything; the credentials hold nothing then. Safe to call twice. */
void chsm_credentials_wipe(chsm_credentials *credentials) {
  OPENSSL_clear_free(credentials->block, credentials->block_length);
  OPENSSL_cleanse(credentials, sizeof *credentials);
}
