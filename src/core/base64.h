#ifndef CHSM_BASE64_H
#define CHSM_BASE64_H

#include "buffer.h"

#pragma GCC visibility push(hidden)

chsm_status chsm_base64_encode(const char *bytes, size_t length, chsm_buffer *out);
chsm_status chsm_base64_decode(const char *text, size_t length, chsm_buffer *out);

#pragma GCC visibility pop

#endif
