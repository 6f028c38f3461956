/* What an exchange can end with besides an answer, in words for people and in names for programs. */
#ifndef CHSM_HTTP_FAILURE_H
#define CHSM_HTTP_FAILURE_H

#include <stdbool.h>
#include <stddef.h>

#include <curl/curl.h>

#pragma GCC visibility push(hidden)

enum { CHSM_HTTP_NO_VERDICT = -1, CHSM_HTTP_MESSAGE = 1024, CHSM_HTTP_PEER = 272, CHSM_HTTP_ADDRESS = 64 };

/* The strings but `message` are static. */
typedef struct chsm_http_failure {
  const char *kind; /* "transport", "timeout", "tls", "proxy", "protocol", "config" or "aborted" */
  const char *code; /* a name: "CouldNotConnect" */
  const char *sent; /* "no": no byte of the request left; "maybe"; "yes": a status line arrived */
  int status;       /* of the answer; 0: none arrived */
  char message[CHSM_HTTP_MESSAGE];
} chsm_http_failure;

/* Why this side, not libcurl, refused what arrived. */
typedef enum {
  CHSM_HTTP_FINE,
  CHSM_HTTP_MALFORMED,
  CHSM_HTTP_TWO_LENGTHS,
  CHSM_HTTP_ENCODED,
  CHSM_HTTP_HEADERS_TOO_LARGE,
  CHSM_HTTP_BODY_TOO_LARGE,
  CHSM_HTTP_OUT_OF_MEMORY
} chsm_http_refusal;

/* Everything that decides how an exchange failed. */
typedef struct chsm_http_facts {
  CURLcode result;
  chsm_http_refusal refusal;
  const char *peer;    /* "host:port" of the request */
  const char *tried;   /* "address:port" that was connected to last; "": none */
  const char *detail;  /* libcurl's own words; shown for TLS only, since others may quote a proxy's password */
  bool began;          /* a byte of the request may have left */
  bool answered;       /* a status line arrived, if only of an interim answer */
  bool headed;         /* all headers of the final answer arrived */
  bool proxied;        /* the connection went, or would have gone, to a proxy */
  bool certified;      /* there is a certificate of the client */
  bool idle;           /* nothing moved for the read timeout */
  bool late;           /* the total timeout passed */
  int status;          /* of the final answer; 0: none */
  long connect_status; /* what the proxy answered to CONNECT; 0: nothing */
  long verify_result;  /* OpenSSL's verdict on the certificate, or CHSM_HTTP_NO_VERDICT */
  long system_error;   /* errno of the last failed system call; 0: none */
  size_t most_body, most_headers;
  double connect_timeout, read_timeout, timeout;
} chsm_http_facts;

/* Writes a failure of the caller's own making: nothing was sent. False. */
#define CHSM_HTTP_REFUSE(failure, code, ...) (chsm_http_fail((failure), "config", (code), "no", __VA_ARGS__), false)

void chsm_http_fail(chsm_http_failure *failure, const char *kind, const char *code, const char *sent, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void chsm_http_classify(chsm_http_failure *failure, const chsm_http_facts *facts);

#pragma GCC visibility pop

#endif
