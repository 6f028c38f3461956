#ifndef CHSM_RANDOM_H
#define CHSM_RANDOM_H

#include <stdbool.h>
#include <stddef.h>

#include <sys/types.h>

#pragma GCC visibility push(hidden)

enum { CHSM_RANDOM_RESERVE = 256 }; /* the most that getentropy gives */

/* Random bytes that were fetched ahead, since a system call takes as long for sixteen of them as for hundreds. For what has to differ; not
   for keys. Zero-initialised is a valid empty one. */
typedef struct chsm_random {
  pid_t owner; /* the process that fetched them: its children must not use them, too */
  size_t left;
  unsigned char bytes[CHSM_RANDOM_RESERVE];
} chsm_random;

bool chsm_random_take(chsm_random *random, unsigned char *out, size_t length);

#pragma GCC visibility pop

#endif
