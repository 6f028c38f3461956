/* What may be put on the wire, and what may be trusted: checks of values that callers hand in. */
#ifndef CHSM_HTTP_CHECK_H
#define CHSM_HTTP_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "http.h"

#pragma GCC visibility push(hidden)

chsm_http_text chsm_http_trim(chsm_http_text value);
bool chsm_http_is_token(const char *bytes, size_t length);
bool chsm_http_is_value(const char *bytes, size_t length);
bool chsm_http_is_printable(const char *bytes, size_t length);
const char *chsm_http_ca_problem(const char *path);
bool chsm_http_is_ca_folder(const char *path);
const char *chsm_http_certificate_problem(const char *path);
const char *chsm_http_key_problem(const char *path, const char *certificate);

#pragma GCC visibility pop

#endif
