/* RFC 4648, section 4: the standard alphabet, with padding, without line breaks. */
#include "base64.h"

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";


/* The six bits that `c` stands for, or -1. */
static int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}


/* Appends the base64 text of `length` bytes. On failure nothing was appended. */
chsm_status chsm_base64_encode(const char *bytes, size_t length, chsm_buffer *out) {
  if (length > ((size_t)-1) / 4 * 3 - 3) return CHSM_TOO_LARGE;
  if (!length) return CHSM_OK;
  chsm_status status = chsm_buffer_reserve(out, (length + 2) / 3 * 4);
  if (status != CHSM_OK) return status;
  char *at = out->bytes + out->length;
  for (size_t i = 0; i < length; i += 3) {
    size_t left = length - i;
    unsigned long triple = (unsigned long)(unsigned char)bytes[i] << 16;
    if (left > 1) triple |= (unsigned long)(unsigned char)bytes[i + 1] << 8;
    if (left > 2) triple |= (unsigned char)bytes[i + 2];
    *at++ = ALPHABET[triple >> 18];
    *at++ = ALPHABET[triple >> 12 & 63];
    *at++ = left > 1 ? ALPHABET[triple >> 6 & 63] : '=';
    *at++ = left > 2 ? ALPHABET[triple & 63] : '=';
  }
  out->length = (size_t)(at - out->bytes);
  return CHSM_OK;
}


/* Appends the bytes that `text` stands for. CHSM_INVALID: not base64 (nothing was appended). */
chsm_status chsm_base64_decode(const char *text, size_t length, chsm_buffer *out) {
  if (length % 4) return CHSM_INVALID;
  size_t padding = 0;
  while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
    padding++;
  if (!length) return CHSM_OK; /* an empty buffer has no bytes to point to */
  chsm_status status = chsm_buffer_reserve(out, length / 4 * 3);
  if (status != CHSM_OK) return status;
  char *at = out->bytes + out->length;
  for (size_t i = 0; i < length; i += 4) {
    size_t absent = i + 4 == length ? padding : 0;
    unsigned long triple = 0;
    for (size_t j = 0; j < 4; j++) {
      int bits = j < 4 - absent ? value_of(text[i + j]) : 0;
      if (bits < 0) return CHSM_INVALID;
      triple = triple << 6 | (unsigned long)bits;
    }
    /* the bits under the padding must be zero, or two texts would stand for the same bytes */
    if ((absent == 1 && (triple & 0xFF)) || (absent == 2 && (triple & 0xFFFF))) return CHSM_INVALID;
    *at++ = (char)(triple >> 16 & 0xFF);
    if (absent < 2) *at++ = (char)(triple >> 8 & 0xFF);
    if (absent < 1) *at++ = (char)(triple & 0xFF);
  }
  out->length = (size_t)(at - out->bytes);
  return CHSM_OK;
}
