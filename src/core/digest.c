#include "digest.h"

#include <openssl/err.h>
#include <openssl/evp.h>


/* Writes the digest of some bytes and returns its length; 0: this OpenSSL lacks it. The caller's queue of OpenSSL errors is as it was. */
size_t chsm_digest(chsm_digest_name name, const char *bytes, size_t length, unsigned char digest[CHSM_DIGEST_MOST]) {
  unsigned int size = 0;
  ERR_set_mark();
  int made = EVP_Digest(bytes, length, digest, &size, name == CHSM_DIGEST_SHA1 ? EVP_sha1() : EVP_sha256(), NULL);
  ERR_pop_to_mark();
  return made == 1 ? size : 0;
}
