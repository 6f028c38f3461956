#define _POSIX_C_SOURCE 200809L

#include "clock.h"

#include <errno.h>
#include <time.h>

static const double NANO = 1e-9;


static double now(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t)) return 0;
  return (double)t.tv_sec + (double)t.tv_nsec * NANO;
}


/* Seconds since some fixed moment; never jumps. For deadlines. */
double chsm_clock_monotonic(void) { return now(CLOCK_MONOTONIC); }


/* Seconds since 1970, as the machine believes. For signing and expiry. */
double chsm_clock_wall(void) { return now(CLOCK_REALTIME); }


/* Blocks the thread for `seconds`, signals notwithstanding. Nothing for zero, a negative or NaN; at most about 30 years. */
void chsm_clock_sleep(double seconds) {
  static const double MOST = 1e9;
  if (!(seconds > 0)) return;
  if (seconds > MOST) seconds = MOST;
  struct timespec left = { .tv_sec = (time_t)seconds };
  left.tv_nsec = (long)((seconds - (double)left.tv_sec) / NANO);
  if (left.tv_nsec > 999999999L) left.tv_nsec = 999999999L;
  while (nanosleep(&left, &left) && errno == EINTR) {
  }
}
