#include "random.h"

#include <string.h>

#include <unistd.h>

#include <openssl/rand.h>


/* Takes at most CHSM_RANDOM_RESERVE bytes that nobody else got. False: OpenSSL has no randomness. */
bool chsm_random_take(chsm_random *random, unsigned char *out, size_t length) {
  pid_t here = getpid();
  if (random->left < length || random->owner != here) {
    random->left = 0;
    if (length > sizeof random->bytes || RAND_bytes(random->bytes, (int)sizeof random->bytes) != 1) return false;
    random->left = sizeof random->bytes;
    random->owner = here;
  }
  random->left -= length;
  memcpy(out, random->bytes + random->left, length);
  return true;
}
