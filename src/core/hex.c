#include "hex.h"


/* Writes `length` bytes as 2 * length lower-case digits to `text`; there is no NUL. */
void chsm_hex_write(const unsigned char *bytes, size_t length, char *text) {
  static const char digits[16] = { '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f' };
  for (size_t i = 0; i < length; i++) {
    text[2 * i] = digits[bytes[i] >> 4];
    text[2 * i + 1] = digits[bytes[i] & 0x0F];
  }
}
