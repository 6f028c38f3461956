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

#include "clock.h"
#include "http_check.h"
#include "http_request.h"

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
  READY_AT_ONCE = 64,      /* sockets that the kernel tells of in one go */
  EAGER_BODY = 256 * 1024, /* room made on the word of Content-Length alone */
  PROXY_AUTHENTICATION_REQUIRED = 407,
  NOT_MODIFIED = 304
};

static const double MOST_WAIT = 60; /* seconds in one step */

/* A socket of libcurl's. Its number alone may mean another file one day; with the inode it does not. */
struct open_socket {
  int number;
  int port; /* the local one; 0: not known yet */
  dev_t device;
  ino_t inode;
};

struct chsm_http {
  CURLM *multi; /* NULL until the first start, and again in a forked child */
  pid_t owner;  /* the process that `multi` belongs to */
  chsm_http_rules rules;
  bool openssl; /* libcurl's TLS is OpenSSL or kin: its verdicts on certificates can be read */
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

  chsm_http_outgoing outgoing;
  bool fresh;
  bool direct; /* through no proxy */
  double connect_timeout, read_timeout, timeout;
  double started, moved; /* monotonic */
  curl_off_t uploaded;
  bool hooked; /* libcurl calls `begin` */
  bool began, idle;
  bool unclean; /* the connection that libcurl chose held bytes that nobody asked for */
  chsm_http_refusal refusal;
  char tried[CHSM_HTTP_ADDRESS];
  unsigned tried_port;
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


/* Writes down the address that is tried, for the message of a failure. */
static void note_address(chsm_http_transfer *transfer, const struct curl_sockaddr *address) {
  char host[CHSM_HTTP_ADDRESS - 10], port[8];
  if (getnameinfo(&address->addr, (socklen_t)address->addrlen, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV))
    return;
  snprintf(transfer->tried, sizeof transfer->tried, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
  transfer->tried_port = chsm_http_port(port);
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
  if (was_complete || !head->complete || transfer->outgoing.headless || head->status == NOT_MODIFIED || !head->has_length) return length;

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
  chsm_http_request_forget(&transfer->outgoing);
}


/* Ends a running transfer that libcurl does not hold any longer, or must not be asked about. */
static void abandon(chsm_http_transfer *transfer) {
  unlink_running(transfer);
  transfer->easy = NULL;
  chsm_http_request_forget(&transfer->outgoing);
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
                   "the exchange with %s belongs to the parent process; send the request again in this one", transfer->outgoing.peer);
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
  if (http->rules.proxy && (!http->rules.no_proxy || !http->rules.proxy[0])) return http->rules.proxy[0] != '\0';
  return transfer->tried_port && transfer->tried_port != transfer->outgoing.port;
}


/* Collects the facts of a failure while the handle still knows them. */
static chsm_http_facts facts_of(const chsm_http *http, chsm_http_transfer *transfer, CURLcode result) {
  chsm_http_facts facts = { .result = result,
                            .refusal = transfer->refusal,
                            .peer = transfer->outgoing.peer,
                            .tried = transfer->tried,
                            .detail = transfer->detail,
                            .began = transfer->hooked ? transfer->began : fallback_began(transfer, result),
                            .answered = transfer->head.answered,
                            .headed = transfer->head.complete,
                            .proxied = is_proxied(http, transfer),
                            .certified = http->rules.client_certificate != NULL,
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
         chsm_http_request_set_limit(transfer->easy, left > 0 ? left : 0) && curl_multi_add_handle(http->multi, transfer->easy) == CURLM_OK;
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
                   "the proxy on the way to %s wants other credentials (HTTP 407); check user and password of the proxy",
                   transfer->outgoing.peer);
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
  return known || CHSM_HTTP_REFUSE(failure, "InvalidProxy", "the proxy setting is not a URL such as http://user:password@host:port");
}


/* Whether certificate and key of the client can be used, if there are any. */
static bool check_client(const chsm_http_options *options, chsm_http_failure *failure) {
  const char *certificate = options->client_certificate, *key = options->client_key;
  if (!certificate)
    return !key ||
           CHSM_HTTP_REFUSE(failure, "ClientKeyUnusable", "client_key: %s is given without its certificate; set client_certificate", key);
  const char *problem = chsm_http_certificate_problem(certificate);
  if (problem) return CHSM_HTTP_REFUSE(failure, "ClientCertificateUnusable", "client_certificate: %s %s", certificate, problem);
  problem = chsm_http_key_problem(key ? key : certificate, certificate);
  if (!problem) return true;
  if (key) return CHSM_HTTP_REFUSE(failure, "ClientKeyUnusable", "client_key: %s %s", key, problem);
  return CHSM_HTTP_REFUSE(failure, "ClientKeyUnusable", "client_certificate: %s %s; where the key is in another file, set client_key",
                          certificate, problem);
}


/* Whether a client can be made with these options; else `failure` says why not. Opens the files that they name, and nothing else. */
bool chsm_http_check(const chsm_http_options *options, chsm_http_failure *failure) {
  const char *problem = options->ca_file ? chsm_http_ca_problem(options->ca_file) : NULL;
  if (problem) return CHSM_HTTP_REFUSE(failure, "CaFileUnusable", "ca_file: %s %s", options->ca_file, problem);
  if (!check_client(options, failure)) return false;
  if (options->no_proxy && !chsm_http_is_value(options->no_proxy, strlen(options->no_proxy)))
    return CHSM_HTTP_REFUSE(failure, "InvalidProxy", "no_proxy holds a line end or another control byte");
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
  if (info->age >= CURLVERSION_SEVENTH && info->cainfo) http->rules.bundle_alone = !chsm_http_ca_problem(info->cainfo);
#endif
}


/* Makes a client; whoever gets it frees it. NULL: `failure` says why. No connection and no libcurl handle is made before the first
   start. */
chsm_http *chsm_http_new(const chsm_http_options *options, chsm_http_failure *failure) {
  if (!chsm_http_check(options, failure)) return NULL;
  pthread_once(&libcurl_once, init_libcurl);
  chsm_http *http = calloc(1, sizeof *http);
  if (http) http->watch = -1;
  if (!http || libcurl_ready != CURLE_OK || !copy(&http->rules.ca_file, options->ca_file) || !copy(&http->rules.proxy, options->proxy) ||
      !copy(&http->rules.no_proxy, options->no_proxy) || !copy(&http->rules.client_certificate, options->client_certificate) ||
      !copy(&http->rules.client_key, options->client_key)) {
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
                   "the client was closed during the exchange with %s", transfer->outgoing.peer);
    stop(transfer);
  }
  while (http->idle_count)
    curl_easy_cleanup(http->idle[--http->idle_count]);
  if (http->multi) curl_multi_cleanup(http->multi);
  quiet_end(&quiet);
  close_watch(http);
  if (http->rules.proxy) OPENSSL_cleanse(http->rules.proxy, strlen(http->rules.proxy)); /* may hold a password */
  free(http->rules.proxy);
  free(http->rules.no_proxy);
  free(http->rules.client_certificate);
  free(http->rules.client_key);
  free(http->rules.ca_file);
  free(http->sockets);
  free(http);
}


/* ---- Start ---- */

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
  if (!chsm_http_request_set(transfer->easy, &http->rules, request, &transfer->outgoing, failure)) return false;
  transfer->fresh = request->fresh_connection;
  transfer->direct = request->direct;
  transfer->connect_timeout = request->connect_timeout;
  transfer->read_timeout = request->read_timeout;
  transfer->timeout = request->timeout;
  transfer->head.most = http->max_header;
  transfer->head.text.cap = 2 * http->max_header; /* the values of repeated headers stand there twice */
  transfer->body.cap = request->max_body && request->max_body < http->max_body ? request->max_body : http->max_body;
  transfer->started = transfer->moved = chsm_clock_monotonic();
  if (set_callbacks(http, transfer) && curl_multi_add_handle(http->multi, transfer->easy) == CURLM_OK) return true;
  chsm_http_fail(failure, "transport", "OutOfMemory", "no", "no memory left for a request to %s", transfer->outgoing.peer);
  return false;
}


/* Starts an exchange: everything that `request` points to is copied. The transfer is the caller's, to be ended by chsm_http_drop().
   NULL: nothing was sent, and `failure` says why. */
chsm_http_transfer *chsm_http_start(chsm_http *http, const chsm_http_request *request, chsm_http_failure *failure) {
  heed_fork(http);
  if (!chsm_http_request_check(request, failure)) return NULL;
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
    chsm_http_request_forget(&transfer->outgoing);
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
  if ((uintmax_t)transfer->uploaded >= transfer->outgoing.body.length) return;
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
  chsm_http_request_forget(&transfer->outgoing);
  chsm_http_head_wipe(&transfer->head);
  chsm_buffer_wipe(&transfer->body);
  free(transfer);
}
