#ifndef CHSM_BUFFER_H
#define CHSM_BUFFER_H

#include <stddef.h>
#include <string.h>

#pragma GCC visibility push(hidden)

/* What a core function answers. A failure leaves what it was given unchanged unless its contract says otherwise. */
typedef enum { CHSM_OK, CHSM_NO_MEMORY, CHSM_TOO_LARGE, CHSM_INVALID } chsm_status;

/* Growable bytes with a hard cap. Zero-initialised is a valid empty buffer without a cap. */
typedef struct chsm_buffer {
  char *bytes; /* owned; never NUL-terminated */
  size_t length;
  size_t capacity;
  size_t cap; /* most bytes it may hold; 0: no limit of its own */
} chsm_buffer;

chsm_status chsm_buffer_reserve(chsm_buffer *buffer, size_t extra);
void chsm_buffer_clear(chsm_buffer *buffer);
void chsm_buffer_wipe(chsm_buffer *buffer);


/* Appends `length` bytes. On failure nothing was appended and the buffer stays usable. */
static inline chsm_status chsm_buffer_append(chsm_buffer *buffer, const char *bytes, size_t length) {
  if (length > buffer->capacity - buffer->length || (buffer->cap && length > buffer->cap - buffer->length)) {
    chsm_status status = chsm_buffer_reserve(buffer, length);
    if (status != CHSM_OK) return status;
  }
  if (length) memcpy(buffer->bytes + buffer->length, bytes, length);
  buffer->length += length;
  return CHSM_OK;
}

#pragma GCC visibility pop

#endif
