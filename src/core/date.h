#ifndef CHSM_DATE_H
#define CHSM_DATE_H

#include "buffer.h"

#pragma GCC visibility push(hidden)

typedef enum { CHSM_EPOCH_SECONDS, CHSM_ISO_8601, CHSM_HTTP_DATE } chsm_date_format;

enum {
  CHSM_DATE_TEXT = 40, /* bytes that hold any date written here; there is no NUL */
};

chsm_status chsm_date_check(double seconds);
chsm_status chsm_date_read(const char *text, size_t length, double *seconds);
size_t chsm_date_write(double seconds, chsm_date_format format, char *text);

#pragma GCC visibility pop

#endif
