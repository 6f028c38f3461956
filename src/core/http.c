#define _POSIX_C_SOURCE 200809L

#include "http.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether the kernel tells which sockets are ready. Then a step costs what is ready, not what is under way. */
#ifndef CHSM_HTTP_EPOLL
#ifdef __linux__
#define CHSM_HTTP_EPOLL 1
#else
#define CHSM_HTTP_EPOLL 0
#endif
#endif
#if CHSM_HTTP_EPOLL
#include <sys/epoll.h>
#endif

#include <curl/curl.h>
#include <openssl/err.h>

#include "ascii.h"
#include "clock.h"
#include "http_check.h"

#if LIBCURL_VERSION_NUM < 0x074400
#error "libcurl 7.68 or newer is needed"
#endif

/* A hook that libcurl calls on a ready connection, before the first byte of a request: what tells "not sent" from "maybe sent". */
#ifndef CHSM_HTTP_HOOK
#define CHSM_HTTP_HOOK (LIBCURL_VERSION_NUM >= 0x075000)
#endif

enum {
  MOST_RUNNING = 1024,
  MOST_IDLE_HANDLES = 256,
  MOST_IDLE_CONNECTIONS = 512,
  READY_AT_ONCE = 64, /* sockets that the kernel tells of in one go */
  MOST_URL = 8 * 1024,
  MOST_REQUEST_HEADERS = 256 * 1024,
  EAGER_BODY = 256 * 1024, /* room made on the word of Content-Length alone */
  SUPPRESSED_HEADERS = 3,
  PROXY_AUTHENTICATION_REQUIRED = 407,
  NOT_MODIFIED = 304
};

static const long MOST_MILLISECONDS = 1000000000; /* about 11 days */
static const double MOST_WAIT = 60;               /* seconds in one step */

/* A socket of libcurl's. Its number alone may mean another file one day; with the inode it does not. */
struct open_socket {
  int number;
  int port; /* the local one; 0: not known yet */
  dev_t device;
  ino_t inode;
};

struct chsm_http {
  CURLM *multi;  /* NULL until the first start, and again in a forked child */
  pid_t owner;   /* the process that `multi` belongs to */
  char *ca_file; /* owned, may be NULL */
  char *proxy;   /* owned, may be NULL, as are the next three */
  char *no_proxy;
  char *client_certificate;
  char *client_key;
  bool bundle_alone; /* libcurl's own CA file is there, so its CA directory is not needed */
  bool openssl;      /* libcurl's TLS is OpenSSL or kin: its verdicts on certificates can be read */
  size_t max_body, max_header;
  chsm_http_transfer *running; /* list, not owned */
  size_t count;                /* of running transfers */
  CURL *idle[MOST_IDLE_HANDLES];
  size_t idle_count;
  struct open_socket *sockets; /* owned; every socket that libcurl has open */
  size_t socket_count, socket_capacity;
  int watch;        /* epoll with the sockets that libcurl waits for; -1: there is none, and libcurl polls them itself */
  bool stirred;     /* a transfer began or ended since libcurl was last asked to move on */
  double next_move; /* when libcurl wants to be asked, whatever is ready; monotonic */
  double next_idle; /* when the first read timeout may pass; monotonic */
};

struct chsm_http_transfer {
  chsm_http *http; /* while running, else NULL */
  chsm_http_transfer *previous, *next;
  CURL *easy; /* while running */

  char *lines; /* owned: request headers as NUL-terminated lines, one after the other; wiped, for they hold tokens */
  size_t lines_length;
  struct curl_slist *list; /* owned array; points into `lines` */
  chsm_buffer request_body;
  bool headless; /* the answer has headers only: HEAD */
  bool fresh;
  bool direct; /* through no proxy */
  double connect_timeout, read_timeout, timeout;
  double started, moved; /* monotonic */
  curl_off_t uploaded;
  bool hooked; /* libcurl calls `begin` */
  bool began, idle;
  bool unclean; /* the connection that libcurl chose held bytes that nobody asked for */
  chsm_http_refusal refusal;
  char peer[CHSM_HTTP_PEER];
  char tried[CHSM_HTTP_ADDRESS];
  unsigned port, tried_port;
  int socket_error;
  char detail[CURL_ERROR_SIZE];

  chsm_http_head head;
  chsm_buffer body;
  bool failed;
  chsm_http_failure failure;
};

/* What the thread's own state was before libcurl and OpenSSL worked in it. */
struct quiet {
  sigset_t mask;
  bool blocked;
};


/* ---- Process ---- */

static pthread_once_t libcurl_once = PTHREAD_ONCE_INIT;
static CURLcode libcurl_ready = CURLE_FAILED_INIT; /* written once, under libcurl_once */


/* Never undone: other users of libcurl in this process may still need it. */
static void init_libcurl(void) { libcurl_ready = curl_global_init(CURL_GLOBAL_DEFAULT); }


/* Until quiet_end(), a peer that hangs up sends this thread no SIGPIPE (older libcurl writes without MSG_NOSIGNAL under TLS), and
   OpenSSL errors pile up where quiet_end() can take them away again. */
static struct quiet quiet_begin(void) {
  struct quiet quiet;
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  quiet.blocked = pthread_sigmask(SIG_BLOCK, &pipe, &quiet.mask) == 0 && !sigismember(&quiet.mask, SIGPIPE);
  ERR_set_mark();
  return quiet;
}


/* A SIGPIPE that is pending now came in between: before, it was not blocked and would have been delivered. */
static void quiet_end(const struct quiet *quiet) {
  sigset_t pending;
  ERR_pop_to_mark();
  if (!quiet->blocked) return;
  if (sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE)) {
    int signal_number;
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigwait(&pipe, &signal_number);
  }
  pthread_sigmask(SIG_SETMASK, &quiet->mask, NULL);
}


/* ---- Sockets ---- */

/* Remembers a socket, so that a forked child can close its copy. False: out of memory. */
static bool remember_socket(chsm_http *http, int number) {
  struct stat facts;
  if (http->socket_count == http->socket_capacity) {
    size_t capacity = http->socket_capacity ? http->socket_capacity * 2 : 8;
    struct open_socket *sockets = realloc(http->sockets, capacity * sizeof *sockets);
    if (!sockets) return false;
    http->sockets = sockets;
    http->socket_capacity = capacity;
  }
  if (fstat(number, &facts)) return false;
  http->sockets[http->socket_count++] = (struct open_socket) { .number = number, .device = facts.st_dev, .inode = facts.st_ino };
  return true;
}


/* A port's digits as a number. */
static unsigned number_of(const char *digits) {
  unsigned number = 0;
  for (; *digits; digits++)
    number = number * 10 + (unsigned)(*digits - '0');
  return number;
}


/* Writes down the address that is tried, for the message of a failure. */
static void note_address(chsm_http_transfer *transfer, const struct curl_sockaddr *address) {
  char host[CHSM_HTTP_ADDRESS - 10], port[8];
  if (getnameinfo(&address->addr, (socklen_t)address->addrlen, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV))
    return;
  snprintf(transfer->tried, sizeof transfer->tried, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
  transfer->tried_port = number_of(port);
}


/* libcurl's CURLOPT_OPENSOCKETFUNCTION: a socket that programs started by this process do not inherit. */
static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address) {
  chsm_http_transfer *transfer = data;
  (void)purpose;
  note_address(transfer, address);
#ifdef SOCK_CLOEXEC
  int number = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
#else
  int number = socket(address->family, address->socktype, address->protocol);
  if (number >= 0) fcntl(number, F_SETFD, FD_CLOEXEC);
#endif
  if (number < 0) {
    transfer->socket_error = errno;
    return CURL_SOCKET_BAD;
  }
  transfer->socket_error = 0;
  if (remember_socket(transfer->http, number)) return number;
  transfer->socket_error = ENOMEM;
  close(number);
  return CURL_SOCKET_BAD;
}


/* libcurl's CURLOPT_CLOSESOCKETFUNCTION. */
static int close_socket(void *data, curl_socket_t number) {
  chsm_http *http = data;
  for (size_t i = 0; i < http->socket_count; i++) {
    if (http->sockets[i].number != number) continue;
    http->sockets[i] = http->sockets[--http->socket_count];
    break;
  }
  return close(number);
}


/* ---- Readiness ---- */

static void close_watch(chsm_http *http) {
  if (http->watch >= 0) close(http->watch);
  http->watch = -1;
}


#if CHSM_HTTP_EPOLL
/* libcurl's CURLMOPT_SOCKETFUNCTION: what it waits for on a socket from now on. A socket leaves the epoll by itself when it is closed. */
static int heed_socket(CURL *easy, curl_socket_t number, int what, void *data, void *unused) {
  const chsm_http *http = data;
  struct epoll_event event = { .data.fd = number };
  (void)easy, (void)unused;
  if (what == CURL_POLL_REMOVE) {
    epoll_ctl(http->watch, EPOLL_CTL_DEL, number, &event);
    return 0;
  }
  if (what & CURL_POLL_IN) event.events |= EPOLLIN;
  if (what & CURL_POLL_OUT) event.events |= EPOLLOUT;
  if (epoll_ctl(http->watch, EPOLL_CTL_MOD, number, &event) == 0) return 0;
  return epoll_ctl(http->watch, EPOLL_CTL_ADD, number, &event) == 0 ? 0 : -1;
}


/* Has libcurl tell its sockets. Without an epoll it goes on polling them itself, which is slower and no less right. */
static void open_watch(chsm_http *http) {
  http->watch = epoll_create1(EPOLL_CLOEXEC);
  if (http->watch < 0) return;
  if (curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http) != CURLM_OK ||
      curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, heed_socket) != CURLM_OK)
    close_watch(http);
}


/* Has libcurl serve the sockets that are ready. Returns how many were, or -1: libcurl failed. */
static int serve_sockets(chsm_http *http) {
  struct epoll_event events[READY_AT_ONCE];
  int served = 0, count, handles;
  do {
    count = epoll_wait(http->watch, events, READY_AT_ONCE, 0);
    for (int i = 0; i < count; i++) {
      int mask = (events[i].events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) | (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                 (events[i].events & EPOLLERR ? CURL_CSELECT_ERR : 0);
      if (curl_multi_socket_action(http->multi, events[i].data.fd, mask, &handles) != CURLM_OK) return -1;
    }
    if (count > 0) served += count;
  } while (count == READY_AT_ONCE && served < MOST_RUNNING);
  return served;
}


/* Waits until a socket is ready. */
static void await_sockets(const chsm_http *http, int timeout) {
  struct epoll_event event;
  epoll_wait(http->watch, &event, 1, timeout);
}
#else
static void open_watch(chsm_http *http) { http->watch = -1; }


static int serve_sockets(chsm_http *http) {
  (void)http;
  return 0;
}


static void await_sockets(const chsm_http *http, int timeout) { (void)http, (void)timeout; }
#endif


/* ---- What libcurl tells of a running transfer ---- */

/* Whether something already waits to be read on a kept-alive connection: it would be taken for the answer to the request that is about
   to be sent. libcurl looks for that itself from 8.0 on. */
static bool holds_stray_bytes(int number) {
  char byte;
  return recv(number, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}


#if CHSM_HTTP_HOOK
/* The local port of a socket, which keeps the first it gets; 0: it has none. */
static int local_port(struct open_socket *it) {
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } address;
  socklen_t length = sizeof address;
  if (it->port) return it->port;
  if (getsockname(it->number, &address.any, &length)) return 0;
  it->port = address.any.sa_family == AF_INET    ? ntohs(address.v4.sin_port)
             : address.any.sa_family == AF_INET6 ? ntohs(address.v6.sin6_port)
                                                 : 0;
  return it->port;
}


/* libcurl's CURLOPT_PREREQFUNCTION: from here on bytes of the request may leave. A second time means that libcurl is about to send
   the request again, since a kept-alive connection turned out dead; one that must leave at most once is stopped. */
static int begin(void *data, char *remote, char *local, int remote_port, int port) {
  chsm_http_transfer *transfer = data;
  long connects = 0;
  (void)remote, (void)local, (void)remote_port;
  if (transfer->began && transfer->fresh) return CURL_PREREQFUNC_ABORT;
  chsm_http *http = transfer->http;
  if (curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connects) == CURLE_OK && !connects)
    for (size_t i = 0; i < http->socket_count; i++)
      if (local_port(&http->sockets[i]) == port) transfer->unclean = transfer->unclean || holds_stray_bytes(http->sockets[i].number);
  if (transfer->unclean) return CURL_PREREQFUNC_ABORT;
  transfer->began = true;
  transfer->moved = chsm_clock_monotonic();
  return CURL_PREREQFUNC_OK;
}
#else
/* Without that hook: when nothing runs, every connection is idle, and those that hold something end here. */
static void distrust_idle(chsm_http *http) {
  for (size_t i = 0; !http->count && i < http->socket_count; i++)
    if (holds_stray_bytes(http->sockets[i].number)) shutdown(http->sockets[i].number, SHUT_RDWR);
}
#endif


/* libcurl's CURLOPT_HEADERFUNCTION: one line. */
static size_t take_header(char *line, size_t size, size_t count, void *data) {
  chsm_http_transfer *transfer = data;
  chsm_http_head *head = &transfer->head;
  size_t length = size * count;
  bool was_complete = head->complete;
  transfer->moved = chsm_clock_monotonic();
  transfer->refusal = chsm_http_head_line(head, line, length);
  if (transfer->refusal != CHSM_HTTP_FINE) return 0;
  if (was_complete || !head->complete || transfer->headless || head->status == NOT_MODIFIED || !head->has_length) return length;

  if (head->length > transfer->body.cap && !head->chunked)
    transfer->refusal = CHSM_HTTP_BODY_TOO_LARGE;
  else if (head->length <= EAGER_BODY && chsm_buffer_reserve(&transfer->body, (size_t)head->length) == CHSM_NO_MEMORY)
    transfer->refusal = CHSM_HTTP_OUT_OF_MEMORY;
  return transfer->refusal == CHSM_HTTP_FINE ? length : 0;
}


/* libcurl's CURLOPT_WRITEFUNCTION: a piece of the body. */
static size_t take_body(char *bytes, size_t size, size_t count, void *data) {
  chsm_http_transfer *transfer = data;
  size_t length = size * count;
  transfer->moved = chsm_clock_monotonic();
  switch (chsm_buffer_append(&transfer->body, bytes, length)) {
  case CHSM_OK: return length;
  case CHSM_NO_MEMORY: transfer->refusal = CHSM_HTTP_OUT_OF_MEMORY; break;
  default: transfer->refusal = CHSM_HTTP_BODY_TOO_LARGE;
  }
  return 0;
}


/* ---- The life of a transfer ---- */

/* Milliseconds for libcurl, which rounds down what has passed: one more than asked, so that no limit comes too early. No limit is
   `unlimited`. */
static long milliseconds(double seconds, long unlimited) {
  double exact = ceil(seconds * 1000) + 1;
  if (exact >= (double)MOST_MILLISECONDS) return unlimited;
  return (long)exact;
}


/* Frees what only a running transfer needs. Headers hold a session token and a signature, bodies hold secrets: both are zeroed. */
static void forget_request(chsm_http_transfer *transfer) {
  if (transfer->lines) OPENSSL_cleanse(transfer->lines, transfer->lines_length);
  free(transfer->lines);
  free(transfer->list);
  transfer->lines = NULL;
  transfer->list = NULL;
  chsm_buffer_wipe(&transfer->request_body);
}


static void link_running(chsm_http *http, chsm_http_transfer *transfer) {
  transfer->http = http;
  transfer->next = http->running;
  if (http->running) http->running->previous = transfer;
  http->running = transfer;
  http->count++;
  http->stirred = true;
}


static void unlink_running(chsm_http_transfer *transfer) {
  chsm_http *http = transfer->http;
  if (transfer->previous)
    transfer->previous->next = transfer->next;
  else
    http->running = transfer->next;
  if (transfer->next) transfer->next->previous = transfer->previous;
  transfer->previous = transfer->next = NULL;
  transfer->http = NULL;
  http->count--;
  http->stirred = true;
}


/* A handle for one transfer: a used one, or a new one; NULL: out of memory. */
static CURL *take_handle(chsm_http *http) { return http->idle_count ? http->idle[--http->idle_count] : curl_easy_init(); }


/* Takes a handle back. What it pointed to is forgotten at once. */
static void give_handle(chsm_http *http, CURL *easy) {
  curl_easy_reset(easy);
  if (http->idle_count < MOST_IDLE_HANDLES)
    http->idle[http->idle_count++] = easy;
  else
    curl_easy_cleanup(easy);
}


/* Ends a running transfer: libcurl lets go of it, and of its connection unless the answer is whole. */
static void stop(chsm_http_transfer *transfer) {
  chsm_http *http = transfer->http;
  CURL *easy = transfer->easy;
  unlink_running(transfer);
  transfer->easy = NULL;
  curl_multi_remove_handle(http->multi, easy);
  give_handle(http, easy);
  forget_request(transfer);
}


/* Ends a running transfer that libcurl does not hold any longer, or must not be asked about. */
static void abandon(chsm_http_transfer *transfer) {
  unlink_running(transfer);
  transfer->easy = NULL;
  forget_request(transfer);
}


/* In a forked child: lets go of all that was inherited. The connections are the parent's: a TLS farewell, or even one byte read,
   would break them for it. So libcurl is not asked to clean up - it would also wait for threads that exist in the parent only - but
   its sockets are closed behind its back, which tells the peer nothing, and its memory stays where it is: once per client and fork. */
static void heed_fork(chsm_http *http) {
  if (!http->multi || http->owner == getpid()) return;
  for (size_t i = 0; i < http->socket_count; i++) {
    const struct open_socket *it = &http->sockets[i];
    struct stat facts;
    if (fstat(it->number, &facts) == 0 && facts.st_dev == it->device && facts.st_ino == it->inode) close(it->number);
  }
  close_watch(http); /* this process's share in it; the parent's sockets stay in the parent's */
  http->socket_count = 0;
  http->idle_count = 0;
  http->multi = NULL;
  while (http->running) {
    chsm_http_transfer *transfer = http->running;
    transfer->failed = true;
    chsm_http_fail(&transfer->failure, "aborted", "Forked", transfer->began ? "maybe" : "no",
                   "the exchange with %s belongs to the parent process; send the request again in this one", transfer->peer);
    abandon(transfer);
  }
}


#if CHSM_HTTP_HOOK
static bool fallback_began(chsm_http_transfer *transfer, CURLcode result) {
  (void)transfer, (void)result;
  return true;
}
#else
/* Whether bytes of the request may have left, when libcurl has no hook to tell: no only where a failure before the request is certain.
   A request that was sent, in vain, over a dead kept-alive connection before is not certain. */
static bool fallback_began(chsm_http_transfer *transfer, CURLcode result) {
  long sent = 0, connect_status = 0;
  curl_off_t connected = 0;
  curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &sent);
  curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
  curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
  if (connected || transfer->head.answered) return true;
  if (sent && !transfer->fresh) return true;
  if (connect_status >= 300) return false;
  switch (result) {
  case CURLE_COULDNT_RESOLVE_HOST:
  case CURLE_COULDNT_RESOLVE_PROXY:
  case CURLE_COULDNT_CONNECT:
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CONNECT_ERROR:
  case CURLE_SSL_CACERT_BADFILE: return false;
  case CURLE_OPERATION_TIMEDOUT: return sent != 0;
  default: return true;
  }
}
#endif


/* Whether the connection that failed was one to a proxy. */
static bool is_proxied(const chsm_http *http, const chsm_http_transfer *transfer) {
  if (transfer->direct) return false;
#if LIBCURL_VERSION_NUM >= 0x080700
  long used = 0;
  if (curl_easy_getinfo(transfer->easy, CURLINFO_USED_PROXY, &used) == CURLE_OK) return used != 0;
#endif
  if (http->proxy && (!http->no_proxy || !http->proxy[0])) return http->proxy[0] != '\0';
  return transfer->tried_port && transfer->tried_port != transfer->port;
}


/* Collects the facts of a failure while the handle still knows them. */
static chsm_http_facts facts_of(const chsm_http *http, chsm_http_transfer *transfer, CURLcode result) {
  chsm_http_facts facts = { .result = result,
                            .refusal = transfer->refusal,
                            .peer = transfer->peer,
                            .tried = transfer->tried,
                            .detail = transfer->detail,
                            .began = transfer->hooked ? transfer->began : fallback_began(transfer, result),
                            .answered = transfer->head.answered,
                            .headed = transfer->head.complete,
                            .proxied = is_proxied(http, transfer),
                            .certified = http->client_certificate != NULL,
                            .idle = transfer->idle,
                            .status = transfer->head.status,
                            .most_body = transfer->body.cap,
                            .most_headers = http->max_header,
                            .connect_timeout = transfer->connect_timeout,
                            .read_timeout = transfer->read_timeout,
                            .timeout = transfer->timeout };
  facts.late = chsm_clock_monotonic() - transfer->started >= transfer->timeout;
  curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &facts.connect_status);
  curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &facts.system_error);
  if (transfer->socket_error) facts.system_error = transfer->socket_error;
  curl_easy_getinfo(transfer->easy, CURLINFO_SSL_VERIFYRESULT, &facts.verify_result);
  if (!facts.verify_result) curl_easy_getinfo(transfer->easy, CURLINFO_PROXY_SSL_VERIFYRESULT, &facts.verify_result);
  if (!http->openssl) facts.verify_result = CHSM_HTTP_NO_VERDICT;
  return facts;
}


/* An answer that states a length and is chunked, too, was read as chunks; what else its sender believes to have sent could be taken
   for the next answer. The connection ends here (RFC 9112, 6.3). */
static void distrust_connection(const chsm_http_transfer *transfer) {
  curl_socket_t number = CURL_SOCKET_BAD;
  if (!transfer->head.chunked || !transfer->head.has_length) return;
  if (curl_easy_getinfo(transfer->easy, CURLINFO_ACTIVESOCKET, &number) == CURLE_OK && number != CURL_SOCKET_BAD)
    shutdown(number, SHUT_RDWR);
}


/* Starts over on a new connection what was stopped before its request was sent. False: out of memory. */
static bool restart(chsm_http *http, chsm_http_transfer *transfer) {
  double left = transfer->started + transfer->timeout - chsm_clock_monotonic();
  transfer->unclean = false;
  transfer->detail[0] = '\0';
  curl_multi_remove_handle(http->multi, transfer->easy);
  return curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK &&
         curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, left > 0 ? milliseconds(left, 0) : 1L) == CURLE_OK &&
         curl_multi_add_handle(http->multi, transfer->easy) == CURLM_OK;
}


/* The transfer ended as `result` says: keeps its answer or its failure. */
static void finish(chsm_http *http, chsm_http_transfer *transfer, CURLcode result) {
  if (transfer->unclean && result == CURLE_ABORTED_BY_CALLBACK) {
    if (restart(http, transfer)) return;
    result = CURLE_OUT_OF_MEMORY;
  }
  if (result == CURLE_OK && transfer->refusal == CHSM_HTTP_FINE && transfer->head.complete)
    transfer->refusal = chsm_http_head_join(&transfer->head);
  transfer->failed = result != CURLE_OK || transfer->refusal != CHSM_HTTP_FINE || !transfer->head.complete;
  if (transfer->failed) {
    chsm_http_facts facts = facts_of(http, transfer, result);
    chsm_http_classify(&transfer->failure, &facts);
  } else if (transfer->head.status == PROXY_AUTHENTICATION_REQUIRED && !transfer->direct) {
    transfer->failed = true;
    chsm_http_fail(&transfer->failure, "proxy", "ProxyAuthenticationRequired", "yes",
                   "the proxy on the way to %s wants other credentials (HTTP 407); check user and password of the proxy", transfer->peer);
    transfer->failure.status = PROXY_AUTHENTICATION_REQUIRED;
  } else {
    distrust_connection(transfer);
  }
  if (transfer->failed) {
    chsm_http_head_wipe(&transfer->head);
    chsm_buffer_wipe(&transfer->body);
  }
  stop(transfer);
}


/* ---- Options ---- */

/* Writes a failure of the caller's own making: nothing was sent. */
#define REFUSE(failure, code, ...) (chsm_http_fail((failure), "config", (code), "no", __VA_ARGS__), false)


/* Whether a proxy's URL can be used. Its text is never shown: it may hold a password. */
static bool check_proxy(const char *proxy, chsm_http_failure *failure) {
  static const char *const schemes[] = { "http", "https", "socks4", "socks4a", "socks5", "socks5h" };
  if (!*proxy) return true;
  bool known = false;
  char *scheme = NULL;
  CURLU *parts = chsm_http_is_printable(proxy, strlen(proxy)) ? curl_url() : NULL;
  if (parts && curl_url_set(parts, CURLUPART_URL, proxy, CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME) == CURLUE_OK &&
      curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK)
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
      known = known || strcmp(schemes[i], scheme) == 0;
  curl_free(scheme);
  curl_url_cleanup(parts);
  return known || REFUSE(failure, "InvalidProxy", "the proxy setting is not a URL such as http://user:password@host:port");
}


/* Whether certificate and key of the client can be used, if there are any. */
static bool check_client(const chsm_http_options *options, chsm_http_failure *failure) {
  const char *certificate = options->client_certificate, *key = options->client_key;
  if (!certificate)
    return !key || REFUSE(failure, "ClientKeyUnusable", "client_key: %s is given without its certificate; set client_certificate", key);
  const char *problem = chsm_http_certificate_problem(certificate);
  if (problem) return REFUSE(failure, "ClientCertificateUnusable", "client_certificate: %s %s", certificate, problem);
  problem = chsm_http_key_problem(key ? key : certificate, certificate);
  if (!problem) return true;
  if (key) return REFUSE(failure, "ClientKeyUnusable", "client_key: %s %s", key, problem);
  return REFUSE(failure, "ClientKeyUnusable", "client_certificate: %s %s; where the key is in another file, set client_key", certificate,
                problem);
}


/* Whether a client can be made with these options; else `failure` says why not. Opens the files that they name, and nothing else. */
bool chsm_http_check(const chsm_http_options *options, chsm_http_failure *failure) {
  const char *problem = options->ca_file ? chsm_http_ca_problem(options->ca_file) : NULL;
  if (problem) return REFUSE(failure, "CaFileUnusable", "ca_file: %s %s", options->ca_file, problem);
  if (!check_client(options, failure)) return false;
  if (options->no_proxy && !chsm_http_is_value(options->no_proxy, strlen(options->no_proxy)))
    return REFUSE(failure, "InvalidProxy", "no_proxy holds a line end or another control byte");
  return !options->proxy || check_proxy(options->proxy, failure);
}


/* Copies a string; NULL stays NULL. False: out of memory. */
static bool copy(char **target, const char *source) {
  *target = source ? strdup(source) : NULL;
  return *target || !source;
}


/* Looks at what this libcurl is. With its CA file in place its CA directory is switched off: both together disable libcurl's cache of
   parsed authorities, and each new connection would parse the whole bundle again. */
static void look_at_libcurl(chsm_http *http) {
  static const char *const kin[] = { "OpenSSL", "LibreSSL", "BoringSSL", "AWS-LC", "quictls" };
  const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
  for (size_t i = 0; info->ssl_version && i < sizeof kin / sizeof *kin; i++)
    http->openssl = http->openssl || strncmp(info->ssl_version, kin[i], strlen(kin[i])) == 0;
#if LIBCURL_VERSION_NUM >= 0x074600
  if (info->age >= CURLVERSION_SEVENTH && info->cainfo) http->bundle_alone = !chsm_http_ca_problem(info->cainfo);
#endif
}


/* Makes a client; whoever gets it frees it. NULL: `failure` says why. No connection and no libcurl handle is made before the first
   start. */
chsm_http *chsm_http_new(const chsm_http_options *options, chsm_http_failure *failure) {
  if (!chsm_http_check(options, failure)) return NULL;
  pthread_once(&libcurl_once, init_libcurl);
  chsm_http *http = calloc(1, sizeof *http);
  if (http) http->watch = -1;
  if (!http || libcurl_ready != CURLE_OK || !copy(&http->ca_file, options->ca_file) || !copy(&http->proxy, options->proxy) ||
      !copy(&http->no_proxy, options->no_proxy) || !copy(&http->client_certificate, options->client_certificate) ||
      !copy(&http->client_key, options->client_key)) {
    chsm_http_fail(failure, "transport", "OutOfMemory", "no", "no memory left for a client, or libcurl did not start");
    chsm_http_free(http);
    return NULL;
  }
  http->max_body = options->max_body ? options->max_body : CHSM_HTTP_MAX_BODY;
  http->max_header = options->max_header ? options->max_header : CHSM_HTTP_MAX_HEADER;
  look_at_libcurl(http);
  return http;
}


/* Ends all that runs and frees the client; its transfers stay valid, and those that ran have failed as aborted. NULL is fine. */
void chsm_http_free(chsm_http *http) {
  if (!http) return;
  heed_fork(http);
  struct quiet quiet = quiet_begin();
  while (http->running) {
    chsm_http_transfer *transfer = http->running;
    transfer->failed = true;
    chsm_http_fail(&transfer->failure, "aborted", "Closed",
                   transfer->head.answered ? "yes"
                   : transfer->began       ? "maybe"
                                           : "no",
                   "the client was closed during the exchange with %s", transfer->peer);
    stop(transfer);
  }
  while (http->idle_count)
    curl_easy_cleanup(http->idle[--http->idle_count]);
  if (http->multi) curl_multi_cleanup(http->multi);
  quiet_end(&quiet);
  close_watch(http);
  if (http->proxy) OPENSSL_cleanse(http->proxy, strlen(http->proxy)); /* may hold a password */
  free(http->proxy);
  free(http->no_proxy);
  free(http->client_certificate);
  free(http->client_key);
  free(http->ca_file);
  free(http->sockets);
  free(http);
}


/* ---- Start ---- */

static bool is_text(chsm_http_text text, const char *word) {
  return text.length == strlen(word) && memcmp(text.bytes, word, text.length) == 0;
}


/* Whether a header, its name in any case, is this side's own business: it frames the message or governs the connection. */
static bool is_reserved(chsm_http_text name) {
  static const char *const reserved[] = {
    "accept-encoding", "connection",        "content-length", "expect", "keep-alive", "proxy-connection", "te",
    "trailer",         "transfer-encoding", "upgrade"
  };
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
    size_t k = 0;
    while (k < name.length && chsm_ascii_lower(name.bytes[k]) == reserved[i][k])
      k++;
    if (k == name.length && !reserved[i][k]) return true;
  }
  return false;
}


static bool check_method(const chsm_http_request *request, chsm_http_failure *failure) {
  static const char *const methods[] = { "POST", "GET", "PUT", "HEAD", "DELETE", "PATCH" };
  bool known = false;
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
    known = known || is_text(request->method, methods[i]);
  if (!known) return REFUSE(failure, "InvalidMethod", "the method must be POST, GET, PUT, HEAD, DELETE or PATCH");
  if (request->body.length && (is_text(request->method, "GET") || is_text(request->method, "HEAD")))
    return REFUSE(failure, "InvalidMethod", "a GET or HEAD request has no body");
  return true;
}


static bool check_headers(const chsm_http_request *request, chsm_http_failure *failure) {
  size_t total = 0;
  for (size_t i = 0; i < request->header_count; i++) {
    const chsm_http_field *field = &request->headers[i];
    if (!chsm_http_is_token(field->name.bytes, field->name.length))
      return REFUSE(failure, "InvalidHeader", "the name of header %zu is empty or holds a byte that no header name may hold", i + 1);
    int length = field->name.length < 64 ? (int)field->name.length : 64;
    if (!chsm_http_is_value(field->value.bytes, field->value.length))
      return REFUSE(failure, "InvalidHeader", "the value of header %.*s holds a line end or another control byte", length,
                    field->name.bytes);
    if (is_reserved(field->name))
      return REFUSE(failure, "InvalidHeader", "the header %.*s is set by the transport alone", length, field->name.bytes);
    if (field->name.length > MOST_REQUEST_HEADERS - total || field->value.length > MOST_REQUEST_HEADERS - total - field->name.length)
      return REFUSE(failure, "InvalidHeader", "the headers are longer than %d bytes together", (int)MOST_REQUEST_HEADERS);
    total += field->name.length + field->value.length;
  }
  return true;
}


/* A deadline that passed before the start is a timeout like any other; what is no number of seconds is a mistake. */
static bool check_timeouts(const chsm_http_request *request, chsm_http_failure *failure) {
  if (!(request->connect_timeout > 0)) return REFUSE(failure, "InvalidTimeout", "connect_timeout must be a positive number of seconds");
  if (!(request->read_timeout > 0)) return REFUSE(failure, "InvalidTimeout", "read_timeout must be a positive number of seconds");
  if (isnan(request->timeout)) return REFUSE(failure, "InvalidTimeout", "timeout must be a positive number of seconds");
  if (request->timeout > 0) return true;
  chsm_http_fail(failure, "timeout", "DeadlineExceeded", "no", "no time was left before the request was sent; raise timeout");
  return false;
}


/* Takes host and port of the URL for messages, and the port as a number. */
static bool name_peer(chsm_http_transfer *transfer, CURLU *parts) {
  char *host = NULL, *port = NULL;
  bool good = curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK && *host &&
              curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;
  if (good) {
    int length = snprintf(transfer->peer, sizeof transfer->peer, "%s:%s", host, port);
    good = length > 0 && (size_t)length < sizeof transfer->peer;
    transfer->port = number_of(port);
  }
  curl_free(host);
  curl_free(port);
  return good;
}


/* Whether the URL has a scheme and exactly two slashes before its host. libcurl forgives one or three; whoever signed may not. */
static bool has_authority(const char *url) {
  const char *slashes = strstr(url, "://");
  return slashes && slashes[3] != '/' && strchr(url, '/') == slashes + 1;
}


/* Parses the URL once and hands libcurl what came out, so that what was checked is what is used. The URL itself is never shown: a
   query may hold a secret. */
static bool set_url(chsm_http_transfer *transfer, chsm_http_text url, chsm_http_failure *failure) {
  if (!url.length || url.length > MOST_URL || !chsm_http_is_printable(url.bytes, url.length))
    return REFUSE(failure, "InvalidUrl", "the URL is empty, longer than %d bytes or holds a byte that no URL may hold", (int)MOST_URL);
  char *scheme = NULL, *whole = NULL, *text = strndup(url.bytes, url.length);
  CURLU *parts = curl_url();
  bool good = text && parts && has_authority(text) &&
              curl_url_set(parts, CURLUPART_URL, text, CURLU_PATH_AS_IS | CURLU_DISALLOW_USER) == CURLUE_OK &&
              curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              (strcmp(scheme, "https") == 0 || strcmp(scheme, "http") == 0) && name_peer(transfer, parts) &&
              curl_url_get(parts, CURLUPART_URL, &whole, CURLU_PATH_AS_IS) == CURLUE_OK &&
              curl_easy_setopt(transfer->easy, CURLOPT_URL, whole) == CURLE_OK;
  curl_free(whole);
  curl_free(scheme);
  curl_url_cleanup(parts);
  free(text);
  return good || REFUSE(failure, "InvalidUrl", "the URL must be http:// or https:// with a host, and without user and password");
}


static char *append_line(char *end, chsm_http_text name, const char *separator, chsm_http_text value) {
  memcpy(end, name.bytes, name.length);
  end += name.length;
  memcpy(end, separator, strlen(separator));
  end += strlen(separator);
  if (value.length) memcpy(end, value.bytes, value.length);
  end += value.length;
  *end++ = '\0';
  return end;
}


static bool has_header(const chsm_http_request *request, const char *name) {
  for (size_t i = 0; i < request->header_count; i++) {
    chsm_http_text given = request->headers[i].name;
    size_t k = 0;
    while (k < given.length && chsm_ascii_lower(given.bytes[k]) == name[k])
      k++;
    if (k == given.length && !name[k]) return true;
  }
  return false;
}


/* A value without the blanks around it: libcurl takes one of blanks alone for a header to leave out. */
static chsm_http_text trim(chsm_http_text text) {
  while (text.length && (*text.bytes == ' ' || *text.bytes == '\t'))
    text.bytes++, text.length--;
  while (text.length && (text.bytes[text.length - 1] == ' ' || text.bytes[text.length - 1] == '\t'))
    text.length--;
  return text;
}


/* Writes the headers in libcurl's notation: "Name: value", "Name;" for an empty value, "Name:" to leave out one of its own. The list
   is made here, in one piece of memory, since curl_slist_append would leave copies of tokens behind. */
static bool write_headers(chsm_http_transfer *transfer, const chsm_http_request *request) {
  static const char *const unwanted[SUPPRESSED_HEADERS] = { "Expect", "Accept", "Content-Type" };
  size_t length = 0, most = request->header_count + SUPPRESSED_HEADERS;
  for (size_t i = 0; i < request->header_count; i++)
    length += request->headers[i].name.length + request->headers[i].value.length + sizeof ": ";
  for (size_t i = 0; i < SUPPRESSED_HEADERS; i++)
    length += strlen(unwanted[i]) + sizeof ":";
  transfer->lines = malloc(length);
  transfer->list = calloc(most, sizeof *transfer->list);
  if (!transfer->lines || !transfer->list) return false;
  transfer->lines_length = length;

  char *end = transfer->lines;
  size_t count = 0;
  chsm_http_text nothing = { .bytes = "", .length = 0 };
  for (size_t i = 0; i < request->header_count; i++) {
    chsm_http_text value = trim(request->headers[i].value);
    transfer->list[count++].data = end;
    end = append_line(end, request->headers[i].name, value.length ? ": " : ";", value);
  }
  for (size_t i = 0; i < SUPPRESSED_HEADERS; i++) {
    if (has_header(request, unwanted[i])) continue;
    transfer->list[count++].data = end;
    end = append_line(end, (chsm_http_text) { .bytes = unwanted[i], .length = strlen(unwanted[i]) }, ":", nothing);
  }
  for (size_t i = 0; i + 1 < count; i++)
    transfer->list[i].next = &transfer->list[i + 1];
  return curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->list) == CURLE_OK;
}


/* The client's certificate, for servers only: a proxy has options of its own. Where the key is replaced by an encrypted one meanwhile,
   the empty password fails, while none would have OpenSSL ask at the terminal. */
static bool set_client(const chsm_http *http, CURL *easy) {
  const char *key = http->client_key ? http->client_key : http->client_certificate;
  return !http->client_certificate ||
         (curl_easy_setopt(easy, CURLOPT_SSLCERT, http->client_certificate) == CURLE_OK &&
          curl_easy_setopt(easy, CURLOPT_SSLCERTTYPE, "PEM") == CURLE_OK && curl_easy_setopt(easy, CURLOPT_SSLKEY, key) == CURLE_OK &&
          curl_easy_setopt(easy, CURLOPT_SSLKEYTYPE, "PEM") == CURLE_OK && curl_easy_setopt(easy, CURLOPT_KEYPASSWD, "") == CURLE_OK);
}


/* The rules that hold for every request. False: this libcurl lacks one of them. */
static bool set_rules(const chsm_http *http, CURL *easy) {
  static const struct {
    CURLoption option;
    long value;
    bool optional; /* a libcurl that does not know it is none the less safe */
  } rules[] = {
    { CURLOPT_NOSIGNAL, 1, false },
    { CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1, false },
    { CURLOPT_SSL_ENABLE_ALPN, 1, false },
    { CURLOPT_HTTP09_ALLOWED, 0, false },
    { CURLOPT_FOLLOWLOCATION, 0, false },
    { CURLOPT_NETRC, CURL_NETRC_IGNORED, false },
    { CURLOPT_DISALLOW_USERNAME_IN_URL, 1, false },
    { CURLOPT_PATH_AS_IS, 1, false },
    { CURLOPT_HTTP_CONTENT_DECODING, 0, false },
    { CURLOPT_SSL_VERIFYPEER, 1, false },
    { CURLOPT_SSL_VERIFYHOST, 2, false },
    { CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2, false },
    { CURLOPT_SSL_SESSIONID_CACHE, 0, false }, /* every connection looks at the certificate anew */
    { CURLOPT_PROXY_SSL_VERIFYPEER, 1, true },
    { CURLOPT_PROXY_SSL_VERIFYHOST, 2, true },
    { CURLOPT_PROXY_SSLVERSION, CURL_SSLVERSION_TLSv1_2, true },
    { CURLOPT_PROXYAUTH, CURLAUTH_BASIC, true },
    { CURLOPT_HEADEROPT, CURLHEADER_SEPARATE, true }, /* the proxy of a tunnel sees no token */
    { CURLOPT_SUPPRESS_CONNECT_HEADERS, 1, true },
    { CURLOPT_TCP_NODELAY, 1, false },
    { CURLOPT_TCP_KEEPALIVE, 1, false },
    { CURLOPT_TCP_KEEPIDLE, 30, true },
    { CURLOPT_TCP_KEEPINTVL, 15, true },
    { CURLOPT_MAXAGE_CONN, 50, false },      /* load balancers close idle connections after about 60 s */
    { CURLOPT_DNS_CACHE_TIMEOUT, 2, false }, /* newer libcurl keeps failures, too, for half of it */
#if LIBCURL_VERSION_NUM >= 0x075000
    { CURLOPT_MAXLIFETIME_CONN, 600, true }, /* so that a new certificate and a new address are noticed */
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    { CURLOPT_CA_CACHE_TIMEOUT, 3600, true },
    { CURLOPT_QUICK_EXIT, 1, true }, /* a deadline does not wait for a resolver that hangs */
#endif
  };
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
    CURLcode result = curl_easy_setopt(easy, rules[i].option, rules[i].value);
    if (result != CURLE_OK && !(rules[i].optional && (result == CURLE_UNKNOWN_OPTION || result == CURLE_NOT_BUILT_IN))) return false;
  }
#if LIBCURL_VERSION_NUM >= 0x075500
  if (curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK) return false;
#else
  if (curl_easy_setopt(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS) != CURLE_OK) return false;
#endif
  if (http->ca_file && (curl_easy_setopt(easy, CURLOPT_CAINFO, http->ca_file) != CURLE_OK ||
                        curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, http->ca_file) == CURLE_OUT_OF_MEMORY))
    return false;
  if (http->ca_file || http->bundle_alone) {
    if (curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) != CURLE_OK) return false;
    curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL);
  }
  return set_client(http, easy);
}


/* Which proxy the request takes, if any. With one from the options, the environment's list of exceptions does not count. */
static bool set_proxy(const chsm_http *http, CURL *easy, bool direct) {
  const char *proxy = direct ? "" : http->proxy;
  const char *no_proxy = direct ? "*" : http->no_proxy ? http->no_proxy : http->proxy ? "" : NULL;
  if (proxy && curl_easy_setopt(easy, CURLOPT_PROXY, proxy) != CURLE_OK) return false;
  return !no_proxy || curl_easy_setopt(easy, CURLOPT_NOPROXY, no_proxy) == CURLE_OK;
}


/* What belongs to one request. False: out of memory. */
static bool set_request(chsm_http_transfer *transfer, const chsm_http_request *request) {
  CURL *easy = transfer->easy;
  bool get = is_text(request->method, "GET"), head = is_text(request->method, "HEAD");
  bool bare = get || head || (is_text(request->method, "DELETE") && !request->body.length);
  transfer->headless = head;
  if (request->body.length && chsm_buffer_append(&transfer->request_body, request->body.bytes, request->body.length) != CHSM_OK)
    return false;
  if (head) {
    if (curl_easy_setopt(easy, CURLOPT_NOBODY, 1L) != CURLE_OK) return false;
  } else if (bare) {
    if (curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L) != CURLE_OK) return false;
  } else {
    const char *bytes = request->body.length ? transfer->request_body.bytes : "";
    if (curl_easy_setopt(easy, CURLOPT_POST, 1L) != CURLE_OK || curl_easy_setopt(easy, CURLOPT_POSTFIELDS, bytes) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.length) != CURLE_OK)
      return false;
  }
  if (!get && !head && !is_text(request->method, "POST")) {
    char method[8] = { 0 }; /* the longest of the few that check_method() lets pass is DELETE */
    memcpy(method, request->method.bytes, request->method.length < sizeof method - 1 ? request->method.length : sizeof method - 1);
    if (curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method) != CURLE_OK) return false;
  }
  transfer->fresh = request->fresh_connection;
  transfer->direct = request->direct;
  transfer->connect_timeout = request->connect_timeout;
  transfer->read_timeout = request->read_timeout;
  transfer->timeout = request->timeout;
  return write_headers(transfer, request) && curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, transfer->fresh ? 1L : 0L) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, transfer->fresh ? 1L : 0L) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(transfer->connect_timeout, MOST_MILLISECONDS)) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, milliseconds(transfer->timeout, 0)) == CURLE_OK;
}


/* Where libcurl hands over what happens. None of these calls out of this file. */
static bool set_callbacks(chsm_http *http, chsm_http_transfer *transfer) {
  CURL *easy = transfer->easy;
#if CHSM_HTTP_HOOK
  transfer->hooked =
      curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, begin) == CURLE_OK && curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer) == CURLE_OK;
#endif
  return curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->detail) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, http) == CURLE_OK;
}


/* The multi handle, made at the first need in this process. NULL: out of memory. */
static CURLM *multi_of(chsm_http *http) {
  if (http->multi) return http->multi;
  http->multi = curl_multi_init();
  http->owner = getpid();
  if (http->multi) {
    open_watch(http);
    curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)MOST_IDLE_CONNECTIONS);
  }
  return http->multi;
}


/* Fills a transfer that has its handle, and gives it to libcurl. */
static bool launch(chsm_http *http, chsm_http_transfer *transfer, const chsm_http_request *request, chsm_http_failure *failure) {
  if (!set_url(transfer, request->url, failure)) return false;
  if (!set_rules(http, transfer->easy))
    return REFUSE(failure, "LibcurlUnfit",
                  "this libcurl refuses a rule that every request follows; install libcurl 7.68 or newer with TLS");
  transfer->head.most = http->max_header;
  transfer->head.text.cap = 2 * http->max_header; /* the values of repeated headers stand there twice */
  transfer->body.cap = request->max_body && request->max_body < http->max_body ? request->max_body : http->max_body;
  transfer->started = transfer->moved = chsm_clock_monotonic();
  if (set_proxy(http, transfer->easy, request->direct) && set_request(transfer, request) && set_callbacks(http, transfer) &&
      curl_multi_add_handle(http->multi, transfer->easy) == CURLM_OK)
    return true;
  chsm_http_fail(failure, "transport", "OutOfMemory", "no", "no memory left for a request to %s", transfer->peer);
  return false;
}


/* Starts an exchange: everything that `request` points to is copied. The transfer is the caller's, to be ended by chsm_http_drop().
   NULL: nothing was sent, and `failure` says why. */
chsm_http_transfer *chsm_http_start(chsm_http *http, const chsm_http_request *request, chsm_http_failure *failure) {
  heed_fork(http);
  if (!check_method(request, failure) || !check_headers(request, failure) || !check_timeouts(request, failure)) return NULL;
  if (http->count >= MOST_RUNNING) {
    chsm_http_fail(failure, "transport", "TooManyTransfers", "no", "%d requests of this client are under way; wait for one to end",
                   (int)MOST_RUNNING);
    return NULL;
  }
#if !CHSM_HTTP_HOOK
  distrust_idle(http);
#endif
  struct quiet quiet = quiet_begin();
  chsm_http_transfer *transfer = calloc(1, sizeof *transfer);
  if (transfer && multi_of(http)) transfer->easy = take_handle(http);
  if (!transfer || !transfer->easy) {
    chsm_http_fail(failure, "transport", "OutOfMemory", "no", "no memory left for a request");
    free(transfer);
    transfer = NULL;
  } else if (launch(http, transfer, request, failure)) {
    link_running(http, transfer);
  } else {
    give_handle(http, transfer->easy);
    forget_request(transfer);
    free(transfer);
    transfer = NULL;
  }
  quiet_end(&quiet);
  return transfer;
}


/* ---- Step ---- */

/* Ends what libcurl says has ended. */
static void collect(chsm_http *http) {
  int left;
  CURLMsg *message;
  while ((message = curl_multi_info_read(http->multi, &left))) {
    void *transfer = NULL;
    CURLcode result = message->data.result;
    if (message->msg != CURLMSG_DONE) continue;
    if (curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer) == CURLE_OK && transfer) finish(http, transfer, result);
  }
}


/* Notes what was sent since the last look; libcurl tells it only when asked. */
static void note_upload(chsm_http_transfer *transfer, double now) {
  curl_off_t uploaded = 0;
  if (!transfer->hooked && !transfer->began) {
    curl_off_t connected = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
    if (!connected) return;
    transfer->began = true;
    transfer->moved = now;
  }
  if ((uintmax_t)transfer->uploaded >= transfer->request_body.length) return;
  if (curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded) != CURLE_OK || uploaded == transfer->uploaded) return;
  transfer->uploaded = uploaded;
  transfer->moved = now;
}


/* Ends transfers in which nothing moved for their read timeout. Returns the seconds until the next of them may have to end. */
static double expire(chsm_http *http) {
  double now = chsm_clock_monotonic(), soonest = HUGE_VAL;
  chsm_http_transfer *next;
  for (chsm_http_transfer *transfer = http->running; transfer; transfer = next) {
    next = transfer->next;
    note_upload(transfer, now);
    double left = transfer->moved + transfer->read_timeout - now;
    if (transfer->began && left <= 0) {
      transfer->idle = true;
      finish(http, transfer, CURLE_OPERATION_TIMEDOUT);
    } else if (transfer->began && left < soonest) {
      soonest = left;
    }
  }
  return soonest;
}


/* libcurl itself failed: nothing will move any more. */
static void fail_all(chsm_http *http) {
  while (http->running)
    finish(http, http->running, CURLE_FAILED_INIT);
}


/* Lets libcurl move on what can move, and ends what has ended. */
static void move(chsm_http *http) {
  int handles, served = 0;
  long alarm = -1;
  bool due = http->watch < 0 || http->stirred || chsm_clock_monotonic() >= http->next_move;
  http->stirred = false;
  if (http->watch >= 0) served = serve_sockets(http);
  if (served < 0 || (due && (http->watch < 0 ? curl_multi_perform(http->multi, &handles)
                                             : curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &handles)) != CURLM_OK))
    fail_all(http);
  collect(http);
  double now = chsm_clock_monotonic();
  if (!due && !served && now < http->next_idle) return;
  http->next_idle = now + expire(http);
  if (curl_multi_timeout(http->multi, &alarm) != CURLM_OK) alarm = 0;
  http->next_move = alarm < 0 ? HUGE_VAL : now + (double)alarm / 1000;
}


/* Waits up to `seconds` until something can move. */
static void pause_for(chsm_http *http, double seconds) {
  int handles, timeout = seconds > 0 ? (int)ceil(seconds * 1000) : 0;
  if (http->watch >= 0)
    await_sockets(http, timeout);
  else if (curl_multi_poll(http->multi, NULL, 0, timeout, &handles) != CURLM_OK)
    fail_all(http);
}


/* Moves all transfers on, and returns how many still run. Waits up to `wait` seconds, at most a minute, for one of them to end; with
   0 it does what can be done at once. */
size_t chsm_http_step(chsm_http *http, double wait) {
  heed_fork(http);
  if (!http->count) return 0;
  struct quiet quiet = quiet_begin();
  size_t before = http->count;
  double until = chsm_clock_monotonic() + (!(wait > 0) ? 0 : wait < MOST_WAIT ? wait : MOST_WAIT);
  for (;;) {
    move(http);
    double now = chsm_clock_monotonic(), next = http->next_idle;
    if (http->count < before || now >= until) break;
    if (http->watch >= 0 && http->next_move < next) next = http->next_move;
    pause_for(http, (until < next ? until : next) - now);
  }
  quiet_end(&quiet);
  return http->count;
}


/* ---- Results ---- */

/* Whether the exchange has not ended yet. In a forked child, one of the parent's has. */
bool chsm_http_running(chsm_http_transfer *transfer) {
  if (transfer->http) heed_fork(transfer->http);
  return transfer->http != NULL;
}


/* Why an ended exchange failed; NULL: it did not. Valid until the transfer is dropped. */
const chsm_http_failure *chsm_http_failed(const chsm_http_transfer *transfer) { return transfer->failed ? &transfer->failure : NULL; }


/* Status and headers, each name once, of an exchange that ended well. Valid until the transfer is dropped. */
const chsm_http_head *chsm_http_answer(const chsm_http_transfer *transfer) { return &transfer->head; }


/* The body of an exchange that ended well. Valid until the transfer is dropped. */
chsm_http_text chsm_http_body(const chsm_http_transfer *transfer) {
  return (chsm_http_text) { .bytes = transfer->body.length ? transfer->body.bytes : "", .length = transfer->body.length };
}


/* Ends the exchange if it runs, closing its connection, and frees the transfer, which its bytes are wiped from. NULL is fine. */
void chsm_http_drop(chsm_http_transfer *transfer) {
  if (!transfer) return;
  if (chsm_http_running(transfer)) {
    struct quiet quiet = quiet_begin();
    stop(transfer);
    quiet_end(&quiet);
  }
  forget_request(transfer);
  chsm_http_head_wipe(&transfer->head);
  chsm_buffer_wipe(&transfer->body);
  free(transfer);
}
