#ifndef CHSM_HEX_H
#define CHSM_HEX_H

#include <stddef.h>

#pragma GCC visibility push(hidden)

void chsm_hex_write(const unsigned char *bytes, size_t length, char *text);


/* The value of a hexadecimal digit in either case, or -1. */
static inline int chsm_hex_digit(char character) {
  if (character >= '0' && character <= '9') return character - '0';
  if (character >= 'a' && character <= 'f') return character - 'a' + 10;
  if (character >= 'A' && character <= 'F') return character - 'A' + 10;
  return -1;
}


#pragma GCC visibility pop

#endif
