#ifndef CHSM_CLOCK_H
#define CHSM_CLOCK_H

#pragma GCC visibility push(hidden)

double chsm_clock_monotonic(void);
double chsm_clock_wall(void);
void chsm_clock_sleep(double seconds);

#pragma GCC visibility pop

#endif
