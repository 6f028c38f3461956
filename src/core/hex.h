#ifndef CHSM_HEX_H
#define CHSM_HEX_H

#include <stddef.h>

#pragma GCC visibility push(hidden)

void chsm_hex_write(const unsigned char *bytes, size_t length, char *text);
int chsm_hex_digit(char character);

#pragma GCC visibility pop

#endif
