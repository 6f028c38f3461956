#include "buffer.h"

#include <stdint.h>
#include <string.h>

#include <openssl/crypto.h>

enum { INITIAL_CAPACITY = 256 };


/* Makes room for `extra` more bytes. On failure the buffer is unchanged. */
chsm_status chsm_buffer_reserve(chsm_buffer *buffer, size_t extra) {
  if (extra > SIZE_MAX - buffer->length) return CHSM_TOO_LARGE;
  size_t needed = buffer->length + extra;
  if (buffer->cap && needed > buffer->cap) return CHSM_TOO_LARGE;
  if (needed <= buffer->capacity) return CHSM_OK;

  size_t capacity = buffer->capacity ? buffer->capacity : INITIAL_CAPACITY;
  while (capacity < needed)
    capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
  /* may hold a secret: no copy is left behind */
  char *bytes = OPENSSL_clear_realloc(buffer->bytes, buffer->capacity, capacity);
  if (!bytes) return CHSM_NO_MEMORY;
  buffer->bytes = bytes;
  buffer->capacity = capacity;
  return CHSM_OK;
}


/* Forgets the content and keeps the memory for reuse, zeroed where it was written. */
void chsm_buffer_clear(chsm_buffer *buffer) {
  if (buffer->length) OPENSSL_cleanse(buffer->bytes, buffer->length);
  buffer->length = 0;
}


/* Frees and zeroes the bytes; the buffer is empty and may be used again. Safe to call twice. */
void chsm_buffer_wipe(chsm_buffer *buffer) {
  OPENSSL_clear_free(buffer->bytes, buffer->capacity);
  buffer->bytes = NULL;
  buffer->length = buffer->capacity = 0;
}
