/* Moments as text, in the forms that AWS services use, by civil-calendar arithmetic: no locale, no time zone, no libc calendar.
   The day count is Howard Hinnant's "chrono-compatible low-level date algorithms", in years that begin in March. */
#include "date.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "number.h"

enum { DAY = 86400, HOUR = 3600, MINUTE = 60, DAYS_OF_ERA = 146097, EPOCH_DAY = 719468 };

static const double FIRST = -62135596800.0; /* 0001-01-01T00:00:00Z */
static const double AFTER = 253402300800.0; /* 10000-01-01T00:00:00Z */

static const char DAYS[7][4] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
static const char MONTHS[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

typedef struct cursor {
  const char *at;
  const char *end;
} cursor;

typedef struct civil {
  int year;
  int month;
  int day;
} civil;


static long days_from_civil(civil date) {
  long year = date.month > 2 ? date.year : date.year - 1;
  long era = (year >= 0 ? year : year - 399) / 400;
  long year_of_era = year - era * 400;
  long day_of_year = (153 * (date.month > 2 ? date.month - 3 : date.month + 9) + 2) / 5 + date.day - 1;
  long day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * DAYS_OF_ERA + day_of_era - EPOCH_DAY;
}


static civil civil_from_days(long days) {
  days += EPOCH_DAY;
  long era = (days >= 0 ? days : days - (DAYS_OF_ERA - 1)) / DAYS_OF_ERA;
  long day_of_era = days - era * DAYS_OF_ERA;
  long year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  long day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  long month = (5 * day_of_year + 2) / 153;
  civil date = { .day = (int)(day_of_year - (153 * month + 2) / 5 + 1), .month = (int)(month < 10 ? month + 3 : month - 9) };
  date.year = (int)(year_of_era + era * 400 + (date.month <= 2));
  return date;
}


/* CHSM_TOO_LARGE: not a moment of the years 1 to 9999, which is as far as these forms go. */
chsm_status chsm_date_check(double seconds) { return seconds >= FIRST && seconds < AFTER ? CHSM_OK : CHSM_TOO_LARGE; }


/* Reads exactly `count` digits; false without having moved beyond recognition (the caller gives up then). */
static bool digits(cursor *text, int count, int *value) {
  *value = 0;
  for (int i = 0; i < count; i++, text->at++) {
    if (text->at == text->end || *text->at < '0' || *text->at > '9') return false;
    *value = *value * 10 + (*text->at - '0');
  }
  return true;
}


static bool one_of(cursor *text, const char *set) {
  if (text->at == text->end || !*text->at || !strchr(set, *text->at)) return false; /* a NUL is in every string to strchr */
  text->at++;
  return true;
}


/* HH:MM:SS, seconds up to 60 since a leap second is legal in both forms. */
static bool clock_time(cursor *text, double *seconds) {
  int hour;
  int minute;
  int second;
  if (!digits(text, 2, &hour) || !one_of(text, ":") || !digits(text, 2, &minute) || !one_of(text, ":") || !digits(text, 2, &second))
    return false;
  if (hour > 23 || minute > 59 || second > 60) return false;
  *seconds = hour * HOUR + minute * MINUTE + second;
  return true;
}


static bool valid_day(civil date) {
  static const int LENGTHS[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
  if (date.year < 1 || date.month < 1 || date.month > 12 || date.day < 1) return false;
  bool leap = (date.year % 4 == 0 && date.year % 100 != 0) || date.year % 400 == 0;
  return date.day <= LENGTHS[date.month - 1] + (leap && date.month == 2);
}


/* The digits behind a point, if one comes next; false for a point alone. */
static bool optional_fraction(cursor *text, double *fraction) {
  double unit = 1;
  *fraction = 0;
  if (!one_of(text, ".")) return true;
  const char *first = text->at;
  for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++) {
    if (unit >= 1e15) continue; /* finer than a double of this size can say */
    *fraction = *fraction * 10 + (*text->at - '0');
    unit *= 10;
  }
  *fraction /= unit;
  return text->at > first;
}


/* The number, from 0, of the one of `count` names of three letters that comes next, or -1. */
static int one_of_names(cursor *text, const char (*names)[4], int count) {
  if (text->end - text->at < 3) return -1;
  for (int i = 0; i < count; i++) {
    if (memcmp(text->at, names[i], 3) != 0) continue;
    text->at += 3;
    return i;
  }
  return -1;
}


/* RFC 3339: 2000-01-02T20:34:56.123+02:00. Without a zone it is UTC: some stand-ins for AWS, moto among them, leave it out. */
static bool iso_8601(cursor text, double *seconds) {
  civil date;
  double time;
  if (!digits(&text, 4, &date.year) || !one_of(&text, "-") || !digits(&text, 2, &date.month) || !one_of(&text, "-") ||
      !digits(&text, 2, &date.day) || !one_of(&text, "Tt ") || !clock_time(&text, &time) || !valid_day(date))
    return false;
  double fraction;
  if (!optional_fraction(&text, &fraction)) return false;
  int offset = 0;
  if (text.at < text.end && !one_of(&text, "Zz")) {
    int hours;
    int minutes;
    bool west = text.at < text.end && *text.at == '-';
    if (!one_of(&text, "+-") || !digits(&text, 2, &hours)) return false;
    one_of(&text, ":");
    if (!digits(&text, 2, &minutes) || hours > 23 || minutes > 59) return false;
    offset = (hours * HOUR + minutes * MINUTE) * (west ? -1 : 1);
  }
  if (text.at != text.end) return false;
  *seconds = (double)days_from_civil(date) * DAY + time - offset + fraction;
  return true;
}


/* RFC 9110, section 5.6.7, the preferred form, and with a fraction: Tue, 29 Apr 2014 18:30:38 GMT. Which day of the week it was is
   not checked. */
static bool http_date(cursor text, double *seconds) {
  civil date;
  double time;
  double fraction;
  if (one_of_names(&text, DAYS, 7) < 0 || !one_of(&text, ",") || !one_of(&text, " ") || !digits(&text, 2, &date.day) || !one_of(&text, " "))
    return false;
  date.month = one_of_names(&text, MONTHS, 12) + 1;
  if (!one_of(&text, " ") || !digits(&text, 4, &date.year) || !one_of(&text, " ") || !clock_time(&text, &time) || !valid_day(date) ||
      !optional_fraction(&text, &fraction))
    return false;
  if (text.end - text.at != 4 || memcmp(text.at, " GMT", 4) != 0) return false;
  *seconds = (double)days_from_civil(date) * DAY + time + fraction;
  return true;
}


/* Reads a moment in any of the forms: a number of seconds since 1970, ISO 8601, HTTP date. CHSM_INVALID: none of them.
   CHSM_TOO_LARGE: outside the years 1 to 9999. */
chsm_status chsm_date_read(const char *text, size_t length, double *seconds) {
  bool integral;
  cursor whole = { text, text + length };
  if (length && chsm_number_scan(text, length, &integral) == length) {
    chsm_status status = chsm_number_to_double(text, length, seconds);
    if (status != CHSM_OK) return status;
  } else if (!iso_8601(whole, seconds) && !http_date(whole, seconds)) {
    return CHSM_INVALID;
  }
  return chsm_date_check(*seconds);
}


static char *two_digits(int value, char *at) {
  *at++ = (char)('0' + value / 10);
  *at++ = (char)('0' + value % 10);
  return at;
}


static char *four_digits(int value, char *at) { return two_digits(value % 100, two_digits(value / 100, at)); }


static char *word(const char *letters, char *at) {
  memcpy(at, letters, 3);
  return at + 3;
}


static char *time_of_day(long second, char *at) {
  at = two_digits((int)(second / HOUR), at);
  *at++ = ':';
  at = two_digits((int)(second % HOUR / MINUTE), at);
  *at++ = ':';
  return two_digits((int)(second % MINUTE), at);
}


/* Writes `seconds`, which chsm_date_check has accepted, into CHSM_DATE_TEXT bytes at most; returns how many. ISO 8601 shows
   milliseconds when there are any; HTTP dates have whole seconds. */
size_t chsm_date_write(double seconds, chsm_date_format format, char *text) {
  if (format == CHSM_EPOCH_SECONDS) return chsm_number_from_double(seconds, text);
  double thousandths = fmin(floor(seconds * 1000 + 0.5), AFTER * 1000 - 1); /* no rounding into a year of five digits */
  double whole = format == CHSM_ISO_8601 ? floor(thousandths / 1000) : floor(seconds);
  int milliseconds = (int)(thousandths - whole * 1000);
  long days = (long)floor(whole / DAY);
  long second = (long)(whole - (double)days * DAY);
  civil date = civil_from_days(days);
  char *at = text;
  if (format == CHSM_ISO_8601) {
    at = four_digits(date.year, at);
    *at++ = '-';
    at = two_digits(date.month, at);
    *at++ = '-';
    at = two_digits(date.day, at);
    *at++ = 'T';
    at = time_of_day(second, at);
    if (milliseconds) {
      *at++ = '.';
      *at++ = (char)('0' + milliseconds / 100);
      at = two_digits(milliseconds % 100, at);
    }
    *at++ = 'Z';
  } else {
    at = word(DAYS[(days % 7 + 7) % 7], at);
    *at++ = ',';
    *at++ = ' ';
    at = two_digits(date.day, at);
    *at++ = ' ';
    at = word(MONTHS[date.month - 1], at);
    *at++ = ' ';
    at = four_digits(date.year, at);
    *at++ = ' ';
    at = time_of_day(second, at);
    memcpy(at, " GMT", 4);
    at += 4;
  }
  return (size_t)(at - text);
}
