/* The canonical request, between the files of sigv4. */
#ifndef CHSM_SIGV4_CANONICAL_H
#define CHSM_SIGV4_CANONICAL_H

#include "sigv4.h"

#pragma GCC visibility push(hidden)

enum { CHSM_SIGV4_OWN_HEADERS = 3 };

/* The headers to sign, sorted by name; those of one name in the order given. All bytes are the request's or the caller's. */
typedef struct chsm_sigv4_selection {
  chsm_sigv4_header headers[CHSM_SIGV4_HEADERS_MOST + CHSM_SIGV4_OWN_HEADERS];
  size_t count;
  chsm_text payload_hash; /* X-Amz-Content-Sha256 where the request has one; else empty, and for the caller to set */
} chsm_sigv4_selection;

chsm_sigv4_status chsm_sigv4_select(chsm_sigv4_selection *selected, const chsm_sigv4_request *request, size_t *culprit);
void chsm_sigv4_select_own(chsm_sigv4_selection *selected, const char *name, const char *value, size_t length);
chsm_sigv4_status chsm_sigv4_write_canonical(const chsm_sigv4_request *request, const chsm_sigv4_selection *selected,
                                             chsm_buffer *canonical, chsm_text *signed_names);

#pragma GCC visibility pop

#endif
