/* AWS Signature Version 4 (AWS General Reference, "Signing AWS API requests"), header form. */
#ifndef CHSM_SIGV4_H
#define CHSM_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>

#include "buffer.h"
#include "credentials.h"

#pragma GCC visibility push(hidden)

enum {
  CHSM_SIGV4_HEADERS_MOST = 256,
  CHSM_SIGV4_PARAMETERS_MOST = 256, /* of a query */
  CHSM_SIGV4_SCOPE_MOST = 128,      /* bytes of a region or of a service name */
  CHSM_SIGV4_NAME_MOST = 256,       /* bytes of a method or of a header's name */
  CHSM_SIGV4_CANONICAL_MOST = 1 << 20,
  CHSM_SIGV4_AUTHORIZATION_MOST = 8192,
  CHSM_SIGV4_STRING_TO_SIGN_MOST = 512, /* more than two longest names and the fixed parts */
  CHSM_SIGV4_KEYS = 4,                  /* derived keys that are remembered */
  CHSM_SIGV4_DATE = 16,                 /* YYYYMMDDTHHMMSSZ */
  CHSM_SIGV4_DAY = 8,                   /* of which the day */
  CHSM_SIGV4_DIGEST_HEX = 64
};

typedef enum {
  CHSM_SIGV4_OK,
  CHSM_SIGV4_NO_MEMORY,
  CHSM_SIGV4_NO_DIGEST, /* OpenSSL has no SHA-256 for us */
  CHSM_SIGV4_CLOSED,    /* the signer */
  CHSM_SIGV4_NO_CREDENTIALS,
  CHSM_SIGV4_BAD_METHOD,
  CHSM_SIGV4_BAD_PATH,
  CHSM_SIGV4_BAD_QUERY,
  CHSM_SIGV4_MANY_PARAMETERS,
  CHSM_SIGV4_BAD_HEADER_NAME,
  CHSM_SIGV4_BAD_HEADER_VALUE,
  CHSM_SIGV4_MANY_HEADERS,
  CHSM_SIGV4_NO_HOST,
  CHSM_SIGV4_BAD_PAYLOAD_HASH,
  CHSM_SIGV4_BAD_REGION,
  CHSM_SIGV4_BAD_SERVICE,
  CHSM_SIGV4_BAD_TIME,
  CHSM_SIGV4_TOO_LARGE
} chsm_sigv4_status;

typedef struct chsm_sigv4_header {
  chsm_text name;
  chsm_text value;
} chsm_sigv4_header;

typedef struct chsm_sigv4_request {
  chsm_text method;
  chsm_text path;  /* as it is sent: percent-encoded once; empty means "/" */
  chsm_text query; /* as it is sent, without the "?" */
  chsm_text body;
  chsm_text region;
  chsm_text service;
  const chsm_sigv4_header *headers;
  size_t header_count;
  double time; /* seconds since 1970 */
  const chsm_credentials *credentials;
  bool keep_path;          /* do not remove dot segments and doubled slashes */
  bool sign_body;          /* add X-Amz-Content-Sha256 */
  bool all_headers;        /* sign every header, not only host, content-type and x-amz-* */
  bool omit_session_token; /* the token goes unsigned */
} chsm_sigv4_request;

/* What signing makes. Plain values, so that it may live on a stack that an error unwinds. */
typedef struct chsm_sigv4_result {
  char date[CHSM_SIGV4_DATE];               /* X-Amz-Date */
  char payload_hash[CHSM_SIGV4_DIGEST_HEX]; /* X-Amz-Content-Sha256, where payload_hash_added */
  char string_to_sign[CHSM_SIGV4_STRING_TO_SIGN_MOST];
  char signature[CHSM_SIGV4_DIGEST_HEX];
  char authorization[CHSM_SIGV4_AUTHORIZATION_MOST];
  size_t string_to_sign_length;
  size_t authorization_length;
  bool payload_hash_added;
  size_t culprit; /* after BAD_HEADER_*: which header, from 0 */
} chsm_sigv4_result;

/* A derived signing key, as the two HMAC states that follow its padded blocks. */
typedef struct chsm_sigv4_key {
  EVP_MD_CTX *inner; /* owned, as is outer; NULL until the slot is used first */
  EVP_MD_CTX *outer;
  uint64_t used; /* the signer's clock when it was used last; 0: holds no key */
  size_t region_length;
  size_t service_length;
  char date[CHSM_SIGV4_DAY];
  char region[CHSM_SIGV4_SCOPE_MOST];
  char service[CHSM_SIGV4_SCOPE_MOST];
} chsm_sigv4_key;

/* Signs, and remembers derived keys of one pair of id and secret: another pair wipes what the one before left.
   Zero-initialised is a valid closed signer. */
typedef struct chsm_sigv4_signer {
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
  EVP_MD *sha256; /* owned: fetched once, since a fetch per digest costs more than the digest */
#else
  const EVP_MD *sha256;
#endif
  EVP_MD_CTX *work; /* owned */
  unsigned char identity[CHSM_IDENTITY_LENGTH];
  chsm_sigv4_key keys[CHSM_SIGV4_KEYS];
  uint64_t clock;       /* counts signatures */
  uint64_t derivations; /* how often a key had to be derived */
} chsm_sigv4_signer;

chsm_sigv4_status chsm_sigv4_open(chsm_sigv4_signer *signer);
void chsm_sigv4_close(chsm_sigv4_signer *signer);
chsm_sigv4_status chsm_sigv4_sign(chsm_sigv4_signer *signer, const chsm_sigv4_request *request, chsm_buffer *canonical,
                                  chsm_sigv4_result *result);
bool chsm_sigv4_replaces(chsm_text name);
const char *chsm_sigv4_message(chsm_sigv4_status status);

#pragma GCC visibility pop

#endif
