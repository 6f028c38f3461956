#ifndef CHSM_DIGEST_H
#define CHSM_DIGEST_H

#include <stddef.h>

#pragma GCC visibility push(hidden)

enum { CHSM_DIGEST_MOST = 32 }; /* bytes of the longest */

typedef enum { CHSM_DIGEST_SHA1, CHSM_DIGEST_SHA256 } chsm_digest_name;

size_t chsm_digest(chsm_digest_name name, const char *bytes, size_t length, unsigned char digest[CHSM_DIGEST_MOST]);

#pragma GCC visibility pop

#endif
