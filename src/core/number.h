#ifndef CHSM_NUMBER_H
#define CHSM_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

#pragma GCC visibility push(hidden)

enum {
  CHSM_NUMBER_TEXT = 32, /* bytes that hold any number written here; there is no NUL */
};

size_t chsm_number_read(const char *text, size_t length, double *value);
size_t chsm_number_scan(const char *text, size_t length, bool *integral);
chsm_status chsm_number_to_double(const char *text, size_t length, double *value);
chsm_status chsm_number_to_integer(const char *text, size_t length, int64_t *value);
size_t chsm_number_from_double(double value, char *text);
size_t chsm_number_from_integer(int64_t value, char *text);

#pragma GCC visibility pop

#endif
