#ifndef CHSM_VERSIONS_H
#define CHSM_VERSIONS_H

#include <stdbool.h>

#pragma GCC visibility push(hidden)

enum { CHSM_VERSIONS_TEXT = 32 };

/* The libraries that this process runs with, which need not be those that it was built with. */
typedef struct chsm_versions {
  const char *libcurl;              /* static, as is tls */
  const char *tls;                  /* what libcurl uses: "OpenSSL/3.0.19"; NULL: it has no TLS */
  char openssl[CHSM_VERSIONS_TEXT]; /* what we use */
  const char *ca_file;              /* static; the authorities that libcurl trusts by default; NULL: there is none, or nobody can tell */
  bool resolver;                    /* libcurl resolves names without holding the process up */
  bool https_proxy;                 /* libcurl can talk TLS to a proxy */
  bool ipv6;
  bool no_proxy_networks; /* a list of exceptions to a proxy may have networks: 10.0.0.0/8 */
  bool hook;              /* libcurl tells when a request is about to leave */
} chsm_versions;

chsm_versions chsm_versions_of(void);

#pragma GCC visibility pop

#endif
