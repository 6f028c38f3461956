/* What the files of one client's HTTP share, and nobody else includes.

   A transfer has one life (http.c) and one of two ways: an exchange of our own over a connection that libcurl made (http_exchange.c), or,
   where a proxy may stand between, libcurl's own HTTP (http_libcurl.c). A handle of libcurl serves either. */
#ifndef CHSM_HTTP_INSIDE_H
#define CHSM_HTTP_INSIDE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include <curl/curl.h>

#include "http.h"
#include "http_request.h"
#include "http_wire.h"

#pragma GCC visibility push(hidden)

#if LIBCURL_VERSION_NUM < 0x074400
#error "libcurl 7.68 or newer is needed"
#endif

/* A hook that libcurl calls on a ready connection, before the first byte of a request: what tells "not sent" from "maybe sent". */
#ifndef CHSM_HTTP_HOOK
#define CHSM_HTTP_HOOK (LIBCURL_VERSION_NUM >= 0x075000)
#endif

/* A socket of libcurl's. Its number alone may mean another file one day; with the inode it does not. */
struct chsm_http_socket {
  int number;
  int port; /* the local one; 0: not known yet */
  dev_t device;
  ino_t inode;
};

/* An easy handle of libcurl's, and what the last connection that it tried or made was like. */
typedef struct chsm_http_handle {
  chsm_http *http;
  CURL *easy;                           /* owned; NULL: none at the moment */
  chsm_http_transfer *transfer;         /* whom it serves; NULL: nobody */
  struct chsm_http_handle *next;        /* among those that are spare, or whose connection is kept */
  struct chsm_http_handle *next_of_all; /* of the client's */
  char tried[CHSM_HTTP_ADDRESS];
  unsigned tried_port;
  int socket_error;
  char detail[CURL_ERROR_SIZE];

  /* a connection for exchanges of our own */
  int socket; /* libcurl's, and in the epoll; -1: there is none yet */
  bool tls;
  bool by_folder;      /* the folder of authorities was asked, not the file */
  bool loud;           /* what it writes may raise SIGPIPE */
  bool stuffed;        /* it took no more bytes: the epoll tells when it does */
  double opened, used; /* monotonic */
  char peer[CHSM_HTTP_PEER];
} chsm_http_handle;

struct chsm_http {
  CURLM *multi;        /* NULL until the first start, and again in a forked child */
  pid_t owner;         /* the process that `multi` belongs to */
  unsigned char *mark; /* a page that the kernel clears in a forked child; NULL: there is none, and `owner` is compared */
  chsm_http_rules rules;
  bool openssl;     /* libcurl's TLS is OpenSSL or kin: its verdicts on certificates can be read */
  unsigned version; /* of libcurl, as it runs */
  size_t max_body, max_header;
  chsm_http_url url;           /* of the last request: mostly that of the next, too */
  chsm_http_transfer *running; /* list, not owned */
  size_t count;                /* of running transfers */
  size_t by_libcurl;           /* of those, the ones that libcurl exchanges */
  chsm_http_handle *all;       /* owned list; none is freed before the client, for the epoll may still tell of it */
  chsm_http_handle *spare;     /* list */
  size_t spare_count;
  chsm_http_handle *kept; /* list of those whose connection is idle, the last used first */
  size_t kept_count;
  struct chsm_http_socket *sockets; /* owned; every socket that libcurl has open */
  size_t socket_count, socket_capacity;
  int watch;        /* epoll with the sockets to wait for; -1: there is none, and libcurl polls them itself */
  bool stirred;     /* libcurl was given or taken something since it was last asked to move on */
  double next_move; /* when libcurl wants to be asked, whatever is ready; monotonic */
  double next_idle; /* when the first limit of a transfer may pass; monotonic */
};

struct chsm_http_transfer {
  chsm_http *http; /* while running, else NULL */
  chsm_http_transfer *previous, *next;
  chsm_http_handle *handle; /* while running; NULL: none at the moment */

  bool own; /* an exchange of our own */
  bool fresh;
  bool direct;   /* through no proxy */
  bool headless; /* the answer has headers only: HEAD */
  double connect_timeout, read_timeout, timeout;
  double started, moved; /* monotonic */
  bool began, idle;
  chsm_http_refusal refusal;
  char peer[CHSM_HTTP_PEER];
  unsigned port;

  /* by libcurl */
  chsm_http_outgoing outgoing;
  curl_off_t uploaded;
  bool hooked;  /* libcurl tells when it begins */
  bool unclean; /* the connection that libcurl chose held bytes that nobody asked for */

  /* by ourselves */
  chsm_buffer request; /* wiped, for it holds tokens */
  size_t gone;         /* bytes of it that left */
  bool reused;         /* over a connection that was used before */
  bool lasts;          /* which may be used again */
  chsm_http_wire wire;

  chsm_http_head head;
  chsm_buffer body;
  bool failed;
  chsm_http_failure failure;
};

/* What the thread's own state was before libcurl and OpenSSL worked in it. */
struct chsm_http_quiet {
  sigset_t mask;
  bool blocked;
};

/* http.c */
struct chsm_http_quiet chsm_http_quiet_begin(bool loud);
void chsm_http_quiet_end(const struct chsm_http_quiet *quiet);
bool chsm_http_take_handle(chsm_http *http, chsm_http_transfer *transfer);
void chsm_http_give_handle(chsm_http_handle *handle);
bool chsm_http_add_handle(chsm_http_handle *handle);
bool chsm_http_holds_bytes(int number);
bool chsm_http_watch_connection(const chsm_http_handle *handle, bool anew);
void chsm_http_expect_limit(chsm_http *http, double moment);
void chsm_http_finish(chsm_http_transfer *transfer, CURLcode result);

/* http_exchange.c */
bool chsm_http_exchange_fits(const chsm_http *http, const chsm_http_request *request);
bool chsm_http_exchange_prepare(chsm_http_transfer *transfer, const chsm_http_request *request);
void chsm_http_exchange_start(chsm_http_transfer *transfer, const char *origin, bool tls);
void chsm_http_exchange_connected(chsm_http_handle *handle, CURLcode result);
void chsm_http_exchange_serve(chsm_http_handle *handle);
void chsm_http_exchange_leave(chsm_http_transfer *transfer);

/* http_libcurl.c */
bool chsm_http_libcurl_start(chsm_http_transfer *transfer, const chsm_http_request *request, chsm_http_failure *failure);
bool chsm_http_libcurl_began(chsm_http_transfer *transfer, CURLcode result);
void chsm_http_libcurl_look(chsm_http_transfer *transfer, double now);
bool chsm_http_libcurl_restart(chsm_http_transfer *transfer);
void chsm_http_libcurl_distrust(const chsm_http_transfer *transfer);

#pragma GCC visibility pop

#endif
