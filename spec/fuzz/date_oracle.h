/* A second opinion on moments: the grammar as regular expressions, the calendar by the C library. */
#ifndef CHSM_FUZZ_DATE_ORACLE_H
#define CHSM_FUZZ_DATE_ORACLE_H

#define ORACLE_DATE_FIRST -62135596800.0 /* 0001-01-01 */
#define ORACLE_DATE_AFTER 253402300800.0 /* 10000-01-01 */

#include <math.h>
#include <regex.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ORACLE_DATE_TEXT = 512 };


static inline bool date_oracle_civil(int year, int month, int day, const char *clock, const char *fraction, double *seconds) {
  struct tm given = { .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day };
  struct tm same = given;
  time_t midnight = timegm(&same);
  if (year < 1 || month < 1 || same.tm_mday != given.tm_mday || same.tm_mon != given.tm_mon) return false;
  int hour = atoi(clock);
  int minute = atoi(clock + 3);
  int second = atoi(clock + 6);
  if (hour > 23 || minute > 59 || second > 60) return false;
  *seconds = (double)(midnight + hour * 3600 + minute * 60 + second) + (fraction ? strtod(fraction, NULL) : 0);
  return true;
}


/* The moment that `text` says; false: none, or none of the years 1 to 9999. */
static inline bool date_oracle_read(const char *bytes, size_t length, double *seconds) {
  static regex_t iso;
  static regex_t http;
  static regex_t number;
  static bool ready;
  if (!ready) {
    regcomp(&number, "^-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?$", REG_EXTENDED);
    regcomp(&iso, "^([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(\\.[0-9]+)?([Zz]|([+-])([0-9]{2}):?([0-9]{2}))?$",
            REG_EXTENDED);
    regcomp(&http,
            "^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ([0-9]{4}) "
            "([0-9]{2}:[0-9]{2}:[0-9]{2})(\\.[0-9]+)? GMT$",
            REG_EXTENDED);
    ready = true;
  }
  char text[ORACLE_DATE_TEXT];
  regmatch_t part[10];
  if (length >= sizeof text || memchr(bytes, 0, length) || memchr(bytes, '\n', length)) return false;
  memcpy(text, bytes, length);
  text[length] = 0;

  bool number_like = strspn(text, "-+.eE0123456789") == length;
  if (number_like && !regexec(&number, text, 0, NULL, 0)) {
    *seconds = strtod(text, NULL);
  } else if (length >= 19 && text[4] == '-' && !regexec(&iso, text, 10, part, 0)) {
    const char *fraction = part[5].rm_so >= 0 ? text + part[5].rm_so : NULL;
    if (!date_oracle_civil(atoi(text), atoi(text + 5), atoi(text + 8), text + part[4].rm_so, fraction, seconds)) return false;
    if (part[7].rm_so >= 0) {
      int hours = atoi(text + part[8].rm_so) / (text[part[8].rm_eo] == ':' ? 1 : 100);
      int minutes = atoi(text + part[9].rm_so);
      if (hours > 23 || minutes > 59) return false;
      *seconds -= (hours * 3600 + minutes * 60) * (text[part[7].rm_so] == '-' ? -1 : 1);
    }
  } else if (length >= 29 && text[3] == ',' && !regexec(&http, text, 10, part, 0)) {
    const char *months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char month[4] = { 0 };
    memcpy(month, text + part[3].rm_so, 3);
    const char *fraction = part[6].rm_so >= 0 ? text + part[6].rm_so : NULL;
    if (!date_oracle_civil(atoi(text + part[4].rm_so), (int)(strstr(months, month) - months) / 3 + 1, atoi(text + part[2].rm_so),
                           text + part[5].rm_so, fraction, seconds))
      return false;
  } else {
    return false;
  }
  return *seconds >= ORACLE_DATE_FIRST && *seconds < ORACLE_DATE_AFTER;
}


/* Whether two doubles are the same moment, give or take what adding a fraction to it rounds. */
static inline bool date_oracle_same(double a, double b) { return fabs(a - b) <= fabs(a) * 4.5e-16 + 2e-15; }


#endif
