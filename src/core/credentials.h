#ifndef CHSM_CREDENTIALS_H
#define CHSM_CREDENTIALS_H

#include <stddef.h>

#pragma GCC visibility push(hidden)

enum {
  CHSM_ACCESS_KEY_ID_MOST = 128,
  CHSM_SECRET_ACCESS_KEY_MOST = 1024,
  CHSM_SESSION_TOKEN_MOST = 65536,
  CHSM_IDENTITY_LENGTH = 32, /* a SHA-256 */
};

typedef enum { CHSM_ACCESS_KEY_ID, CHSM_SECRET_ACCESS_KEY, CHSM_SESSION_TOKEN, CHSM_CREDENTIALS_FIELDS } chsm_credentials_field;

typedef enum {
  CHSM_CREDENTIALS_OK,
  CHSM_CREDENTIALS_UNSET, /* the environment has neither id nor secret: no mistake */
  CHSM_CREDENTIALS_MISSING,
  CHSM_CREDENTIALS_TOO_LONG,
  CHSM_CREDENTIALS_BAD_BYTE,
  CHSM_CREDENTIALS_NO_MEMORY,
  CHSM_CREDENTIALS_NO_DIGEST /* OpenSSL has no SHA-256 for us */
} chsm_credentials_status;

/* Bytes that belong to someone else. */
typedef struct chsm_text {
  const char *bytes;
  size_t length;
} chsm_text;

/* Secret material. Zero-initialised is valid and holds nothing, as after a wipe. */
typedef struct chsm_credentials {
  char *block; /* owned, as all the pointers below point into it; NULL: holds nothing */
  size_t block_length;
  chsm_text access_key_id;
  chsm_text signing_secret;                     /* "AWS4" and the secret access key: what the signing key is derived from */
  chsm_text session_token;                      /* empty: there is none */
  unsigned char identity[CHSM_IDENTITY_LENGTH]; /* tells two pairs of id and secret apart without holding them */
} chsm_credentials;

chsm_credentials_status chsm_credentials_set(chsm_credentials *credentials, const chsm_text values[CHSM_CREDENTIALS_FIELDS],
                                             chsm_credentials_field *culprit);
chsm_credentials_status chsm_credentials_from_environment(chsm_credentials *credentials, const char *const names[CHSM_CREDENTIALS_FIELDS],
                                                          chsm_credentials_field *culprit);
void chsm_credentials_wipe(chsm_credentials *credentials);

#pragma GCC visibility pop

#endif
