/* Private keys on the curve P-256, and signatures of theirs as JSON Web Tokens carry them (RFC 7518, 3.4). */
#ifndef CHSM_EC_KEY_H
#define CHSM_EC_KEY_H

#include <stddef.h>

#include <openssl/evp.h>

#pragma GCC visibility push(hidden)

enum { CHSM_EC_COORDINATE = 32, CHSM_EC_SIGNATURE = 2 * CHSM_EC_COORDINATE };

typedef enum {
  CHSM_EC_KEY_OK,
  CHSM_EC_KEY_TOO_LARGE,
  CHSM_EC_KEY_ENCRYPTED,
  CHSM_EC_KEY_UNREADABLE,
  CHSM_EC_KEY_OTHER_CURVE, /* or no elliptic curve at all */
  CHSM_EC_KEY_UNSOUND,     /* the private part does not belong to the public one */
  CHSM_EC_KEY_FAILED       /* OpenSSL lacks something, or memory */
} chsm_ec_key_status;

/* Zero-initialised is a valid closed key. */
typedef struct chsm_ec_key {
  EVP_PKEY *key; /* owned */
  unsigned char x[CHSM_EC_COORDINATE], y[CHSM_EC_COORDINATE];
} chsm_ec_key;

chsm_ec_key_status chsm_ec_key_open(chsm_ec_key *key, const char *pem, size_t length);
chsm_ec_key_status chsm_ec_key_sign(const chsm_ec_key *key, const char *bytes, size_t length, unsigned char signature[CHSM_EC_SIGNATURE]);
void chsm_ec_key_close(chsm_ec_key *key);
const char *chsm_ec_key_message(chsm_ec_key_status status);

#pragma GCC visibility pop

#endif
