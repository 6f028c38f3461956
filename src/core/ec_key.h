/* Keys on the curve P-256, for proofs that a request comes from who has one (RFC 9449). */
#ifndef CHSM_EC_KEY_H
#define CHSM_EC_KEY_H

#include <stddef.h>

#include <openssl/evp.h>

#pragma GCC visibility push(hidden)

enum { CHSM_EC_COORDINATE = 32, CHSM_EC_SIGNATURE = 2 * CHSM_EC_COORDINATE };

typedef enum {
  CHSM_EC_OK,
  CHSM_EC_UNREADABLE, /* no key in PEM, or one behind a passphrase */
  CHSM_EC_OTHER_KIND, /* a key of another kind or curve */
  CHSM_EC_FAILED      /* OpenSSL could not */
} chsm_ec_status;

/* Zero-initialised is none: it may be wiped, and nothing else. */
typedef struct chsm_ec_key {
  EVP_PKEY *key; /* owned */
  unsigned char x[CHSM_EC_COORDINATE], y[CHSM_EC_COORDINATE];
} chsm_ec_key;

chsm_ec_status chsm_ec_key_read(chsm_ec_key *key, const char *pem, size_t length);
chsm_ec_status chsm_ec_key_sign(const chsm_ec_key *key, const char *bytes, size_t length, unsigned char signature[CHSM_EC_SIGNATURE]);
void chsm_ec_key_wipe(chsm_ec_key *key);

#pragma GCC visibility pop

#endif
