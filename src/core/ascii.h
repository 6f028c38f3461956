/* Classes of ASCII characters, whatever the locale. No byte from 0x80 on belongs to any of them. */
#ifndef CHSM_ASCII_H
#define CHSM_ASCII_H

#include <stdbool.h>
#include <string.h>

static inline char chsm_ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }


/* Whether `bytes` is `word`, given in lower case, whatever the case of its letters. */
static inline bool chsm_ascii_is_word(const char *bytes, size_t length, const char *word) {
  for (; length; bytes++, length--, word++)
    if (chsm_ascii_lower(*bytes) != *word) return false;
  return !*word;
}


static inline bool chsm_ascii_is_digit(char c) { return c >= '0' && c <= '9'; }


static inline bool chsm_ascii_is_alphanumeric(char c) {
  char lower = chsm_ascii_lower(c);
  return (lower >= 'a' && lower <= 'z') || chsm_ascii_is_digit(c);
}


/* What would end a header line, or hide in a log. */
static inline bool chsm_ascii_is_control(char c) { return (unsigned char)c < 0x20 || c == 0x7F; }


/* What the name of a header or a method consists of (RFC 9110, 5.6.2). */
static inline bool chsm_ascii_is_token(char c) {
  static const char marks[] = "!#$%&'*+-.^_`|~";
  return chsm_ascii_is_alphanumeric(c) || memchr(marks, c, sizeof marks - 1) != NULL;
}


#endif
