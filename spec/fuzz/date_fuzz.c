/* Moments and numbers as text: what src/core/date.c and number.c read and write, against the C library's calendar and strtod. */
#include <errno.h>

#include "../../src/core/date.h"
#include "../../src/core/number.h"
#include "date_oracle.h"
#include "harness.h"


static void read_date(const char *text, size_t length) {
  double seconds = 0;
  double expected = 0;
  if (length >= ORACLE_DATE_TEXT) return;
  bool good = chsm_date_read(text, length, &seconds) == CHSM_OK;
  EXPECT(good == date_oracle_read(text, length, &expected));
  if (good) EXPECT(date_oracle_same(seconds, expected));
}


/* Whole seconds are written as the C library writes them; all others read back as the same millisecond. */
static void write_date(double seconds) {
  char text[CHSM_DATE_TEXT];
  char expected[80];
  if (chsm_date_check(seconds) != CHSM_OK) return;
  time_t whole = (time_t)floor(seconds);
  struct tm civil;
  EXPECT(gmtime_r(&whole, &civil) != NULL);

  size_t length = chsm_date_write(seconds, CHSM_HTTP_DATE, text);
  EXPECT(length <= sizeof text);
  strftime(expected, sizeof expected, "%a, %d %b %Y %T GMT", &civil); /* %Y of glibc does not pad */
  if (civil.tm_year + 1900 >= 1000) EXPECT(length == strlen(expected) && !memcmp(text, expected, length));

  length = chsm_date_write(seconds, CHSM_ISO_8601, text);
  EXPECT(length <= sizeof text);
  double back = 0;
  EXPECT(date_oracle_read(text, length, &back));
  EXPECT(fabs(back - seconds) <= 0.0005 + fabs(seconds) * 4.5e-16 || seconds >= ORACLE_DATE_AFTER - 0.0005);
  if (seconds == floor(seconds) && civil.tm_year + 1900 >= 1000) {
    strftime(expected, sizeof expected, "%Y-%m-%dT%TZ", &civil);
    EXPECT(length == strlen(expected) && !memcmp(text, expected, length));
  }

  length = chsm_date_write(seconds, CHSM_EPOCH_SECONDS, text);
  EXPECT(date_oracle_read(text, length, &back) && back == seconds);
}


static void write_number(double value) {
  char text[CHSM_NUMBER_TEXT + 1];
  if (!isfinite(value)) return;
  size_t length = chsm_number_from_double(value, text);
  EXPECT(length <= CHSM_NUMBER_TEXT);
  bool integral;
  EXPECT(chsm_number_scan(text, length, &integral) == length);
  text[length] = 0;
  EXPECT(strtod(text, NULL) == value);
  double back;
  EXPECT(chsm_number_to_double(text, length, &back) == CHSM_OK && back == value);

  /* no shorter text would have done */
  char digits[CHSM_NUMBER_TEXT];
  size_t count = 0;
  for (const char *c = text; *c && *c != 'e'; c++)
    if (*c >= '0' && *c <= '9' && (count || *c != '0')) digits[count++] = *c;
  while (count && digits[count - 1] == '0')
    count--;
  if (count > 1) {
    char shorter[64];
    snprintf(shorter, sizeof shorter, "%.*e", (int)count - 2, value);
    EXPECT(strtod(shorter, NULL) != value);
  }
}


static void read_number(const char *text, size_t length) {
  bool integral;
  size_t taken = chsm_number_scan(text, length, &integral);
  if (!taken) return;
  char *copy = malloc(taken + 1);
  memcpy(copy, text, taken);
  copy[taken] = 0;
  double expected = strtod(copy, NULL);
  double value;
  chsm_status status = chsm_number_to_double(text, taken, &value);
  EXPECT((status == CHSM_OK) == (isfinite(expected) != 0));
  if (status == CHSM_OK) EXPECT(value == expected && signbit(value) == signbit(expected));

  int64_t whole;
  status = chsm_number_to_integer(text, taken, &whole);
  if (integral) {
    errno = 0;
    long long by_libc = strtoll(copy, NULL, 10);
    EXPECT((status == CHSM_OK) == (errno == 0));
    if (status == CHSM_OK) EXPECT(whole == by_libc);
    char again[CHSM_NUMBER_TEXT];
    if (status == CHSM_OK && strcmp(copy, "-0") != 0)
      EXPECT(chsm_number_from_integer(whole, again) == taken && !memcmp(again, copy, taken));
  } else if (status == CHSM_OK) {
    EXPECT((double)whole == expected);
  }
  free(copy);
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!size) return 0;
  const char *text = (const char *)data + 1;
  size_t length = size - 1;
  double value = 0;
  int64_t bits = 0;
  if (length >= sizeof value) {
    memcpy(&value, text, sizeof value);
    memcpy(&bits, text, sizeof bits);
  }
  switch (data[0] % 4) {
  case 0: read_date(text, length); break;
  case 1:
    /* any double, and such as moments are */
    write_date(value);
    write_date((double)(bits % INT64_C(300000000000000)) / 1000);
    break;
  case 2: write_number(value); break;
  default: read_number(text, length);
  }
  return 0;
}
