/* The checks of a C test program. A failed check prints one line and the program goes on; `return check_finish();` ends main. */
#ifndef CHSM_CHECK_H
#define CHSM_CHECK_H

#include <stdio.h>
#include <string.h>

static unsigned long check_passed, check_failed;

#define CHECK(condition) check_that((condition), #condition, __FILE__, __LINE__)
#define CHECK_EQ_INT(expected, actual) check_integers((long long)(expected), (long long)(actual), #actual, __FILE__, __LINE__)
#define CHECK_EQ_STR(expected, actual) check_strings((expected), (actual), strlen(actual), #actual, __FILE__, __LINE__)
/* as CHECK_EQ_STR, for `length` bytes at `actual` that no NUL ends */
#define CHECK_EQ_BYTES(expected, actual, length) check_strings((expected), (actual), (length), #actual, __FILE__, __LINE__)


static inline void check_that(int held, const char *text, const char *file, int line) {
  if (held) {
    check_passed++;
    return;
  }
  check_failed++;
  printf("%s:%d: failed: %s\n", file, line, text);
}


static inline void check_integers(long long expected, long long actual, const char *text, const char *file, int line) {
  if (expected == actual) {
    check_passed++;
    return;
  }
  check_failed++;
  printf("%s:%d: failed: %s is %lld, expected %lld\n", file, line, text, actual, expected);
}


static inline void check_strings(const char *expected, const char *actual, size_t length, const char *text, const char *file, int line) {
  if (length == strlen(expected) && (!length || memcmp(expected, actual, length) == 0)) {
    check_passed++;
    return;
  }
  check_failed++;
  printf("%s:%d: failed: %s is \"%.*s\", expected \"%s\"\n", file, line, text, (int)length, length ? actual : "", expected);
}


/* Prints the closing line and returns the exit code of the program. */
static inline int check_finish(void) {
  printf("%lu passed, %lu failed\n", check_passed, check_failed);
  return check_failed ? 1 : 0;
}


#endif
