#define _DEFAULT_SOURCE /* getentropy */

#include "random.h"

#include <string.h>

#ifdef __APPLE__
#include <sys/random.h>
#endif
#include <unistd.h>

#include <openssl/rand.h>


/* Fills the reserve: from the system, since OpenSSL's generator takes longest to start; from that where the system refuses. */
static bool fetch(chsm_random *random) {
  return getentropy(random->bytes, sizeof random->bytes) == 0 || RAND_bytes(random->bytes, (int)sizeof random->bytes) == 1;
}


/* Takes at most CHSM_RANDOM_RESERVE bytes that nobody else got. False: there is no randomness. */
bool chsm_random_take(chsm_random *random, unsigned char *out, size_t length) {
  pid_t here = getpid();
  if (random->left < length || random->owner != here) {
    random->left = 0;
    if (length > sizeof random->bytes || !fetch(random)) return false;
    random->left = sizeof random->bytes;
    random->owner = here;
  }
  random->left -= length;
  memcpy(out, random->bytes + random->left, length);
  return true;
}
