#define _DEFAULT_SOURCE

#include "http_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netdb.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

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

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "clock.h"
#include "http_check.h"

enum {
  MOST_RUNNING = 1024,
  MOST_SPARE_HANDLES = 256,
  MOST_IDLE_CONNECTIONS = 512,
  READY_AT_ONCE = 64, /* sockets that the kernel tells of in one go */
  PAGE = 4096,
  PROXY_AUTHENTICATION_REQUIRED = 407
};

static const double MOST_WAIT = 60; /* seconds in one step */


/* ---- Process ---- */

static pthread_once_t libcurl_once = PTHREAD_ONCE_INIT;
static CURLcode libcurl_ready = CURLE_FAILED_INIT; /* written once, under libcurl_once */


/* Never undone: other users of libcurl in this process may still need it. */
static void init_libcurl(void) { libcurl_ready = curl_global_init(CURL_GLOBAL_DEFAULT); }


/* Until chsm_http_quiet_end(), OpenSSL errors pile up where that can take them away again, and, where it is loud, a peer that hangs up
   sends this thread no SIGPIPE (older libcurl writes without MSG_NOSIGNAL under TLS). */
struct chsm_http_quiet chsm_http_quiet_begin(bool loud) {
  struct chsm_http_quiet quiet = { .blocked = false };
  sigset_t pipe;
  ERR_set_mark();
  if (!loud) return quiet;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  quiet.blocked = pthread_sigmask(SIG_BLOCK, &pipe, &quiet.mask) == 0 && !sigismember(&quiet.mask, SIGPIPE);
  return quiet;
}


/* A SIGPIPE that is pending now came in between: before, it was not blocked and would have been delivered. */
void chsm_http_quiet_end(const struct chsm_http_quiet *quiet) {
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


/* A page that the kernel clears in a forked child, which is cheaper to look at than to ask for the process's number; NULL: there is none.
 */
static unsigned char *new_mark(void) {
#ifdef MADV_WIPEONFORK
  unsigned char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return NULL;
  if (madvise(page, PAGE, MADV_WIPEONFORK) == 0) {
    *page = 1;
    return page;
  }
  munmap(page, PAGE);
#endif
  return NULL;
}


static void free_mark(chsm_http *http) {
  if (http->mark) munmap(http->mark, PAGE);
  http->mark = NULL;
}


/* Whether this process made what libcurl holds. */
static bool is_at_home(const chsm_http *http) { return http->mark ? *http->mark : http->owner == getpid(); }


/* ---- Sockets ---- */

/* Remembers a socket, so that a forked child can close its copy. False: out of memory. */
static bool remember_socket(chsm_http *http, int number) {
  struct stat facts;
  if (http->socket_count == http->socket_capacity) {
    size_t capacity = http->socket_capacity ? http->socket_capacity * 2 : 8;
    struct chsm_http_socket *sockets = realloc(http->sockets, capacity * sizeof *sockets);
    if (!sockets) return false;
    http->sockets = sockets;
    http->socket_capacity = capacity;
  }
  if (fstat(number, &facts)) return false;
  http->sockets[http->socket_count++] = (struct chsm_http_socket) { .number = number, .device = facts.st_dev, .inode = facts.st_ino };
  return true;
}


/* Writes down the address that is tried, for the message of a failure. */
static void note_address(chsm_http_handle *handle, const struct curl_sockaddr *address) {
  char host[CHSM_HTTP_ADDRESS - 10], port[8];
  if (getnameinfo(&address->addr, (socklen_t)address->addrlen, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV))
    return;
  snprintf(handle->tried, sizeof handle->tried, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
  handle->tried_port = chsm_http_port(port);
}


/* libcurl's CURLOPT_OPENSOCKETFUNCTION: a socket that programs started by this process do not inherit. */
static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address) {
  chsm_http_handle *handle = data;
  (void)purpose;
  note_address(handle, address);
#ifdef SOCK_CLOEXEC
  int number = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
#else
  int number = socket(address->family, address->socktype, address->protocol);
  if (number >= 0) fcntl(number, F_SETFD, FD_CLOEXEC);
#endif
  if (number < 0) {
    handle->socket_error = errno;
    return CURL_SOCKET_BAD;
  }
  handle->socket_error = 0;
  if (remember_socket(handle->http, number)) return number;
  handle->socket_error = ENOMEM;
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
/* What the epoll tells of a socket is the handle whose connection it is, or, with the lowest bit set, the number of one that libcurl looks
   after. */
static uint64_t name_of_number(int number) { return (uint64_t)number << 1 | 1; }


/* Has the epoll wait for `what` on a socket, which leaves it by itself when it is closed. False: it does not. */
static bool watch_socket(const chsm_http *http, int number, uint32_t what, uint64_t name, bool anew) {
  struct epoll_event event = { .events = what, .data.u64 = name };
  return epoll_ctl(http->watch, anew ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, number, &event) == 0 ||
         epoll_ctl(http->watch, anew ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, number, &event) == 0;
}


/* libcurl's CURLMOPT_SOCKETFUNCTION: what it waits for on a socket from now on. */
static int heed_socket(CURL *easy, curl_socket_t number, int what, void *data, void *unused) {
  const chsm_http *http = data;
  struct epoll_event event = { .events = 0 };
  (void)easy, (void)unused;
  if (what == CURL_POLL_REMOVE) {
    epoll_ctl(http->watch, EPOLL_CTL_DEL, number, &event);
    return 0;
  }
  if (what & CURL_POLL_IN) event.events |= EPOLLIN;
  if (what & CURL_POLL_OUT) event.events |= EPOLLOUT;
  return watch_socket(http, number, event.events, name_of_number(number), false) ? 0 : -1;
}


/* Has the epoll wait for the connection of a handle. False: it does not. */
bool chsm_http_watch_connection(const chsm_http_handle *handle, bool anew) {
  return watch_socket(handle->http, handle->socket, handle->stuffed ? EPOLLIN | EPOLLOUT : EPOLLIN, (uint64_t)(uintptr_t)handle, anew);
}


/* Has libcurl tell its sockets. Without an epoll it goes on polling them itself, which is slower and no less right. */
static void open_watch(chsm_http *http) {
  http->watch = epoll_create1(EPOLL_CLOEXEC);
  if (http->watch < 0) return;
  if (curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http) != CURLM_OK ||
      curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, heed_socket) != CURLM_OK)
    close_watch(http);
}


/* Has libcurl serve a socket of its own. False: libcurl failed. */
static bool serve_socket(chsm_http *http, const struct epoll_event *event) {
  int mask = (event->events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) | (event->events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
             (event->events & EPOLLERR ? CURL_CSELECT_ERR : 0);
  int handles;
  struct chsm_http_quiet quiet = chsm_http_quiet_begin(true);
  bool good = curl_multi_socket_action(http->multi, (int)(event->data.u64 >> 1), mask, &handles) == CURLM_OK;
  chsm_http_quiet_end(&quiet);
  return good;
}


/* Waits up to so many milliseconds until a socket is ready, and serves all that are. Returns how many of libcurl's were, or -1: libcurl
   failed. */
static int serve_sockets(chsm_http *http, int timeout) {
  struct epoll_event events[READY_AT_ONCE];
  int served = 0, count, all = 0;
  do {
    count = epoll_wait(http->watch, events, READY_AT_ONCE, all ? 0 : timeout);
    for (int i = 0; i < count; i++) {
      if (!(events[i].data.u64 & 1)) {
        chsm_http_exchange_serve((chsm_http_handle *)(uintptr_t)events[i].data.u64);
      } else {
        served++;
        if (!serve_socket(http, &events[i])) return -1;
      }
    }
    if (count > 0) all += count;
  } while (count == READY_AT_ONCE && all < MOST_RUNNING);
  return served;
}
#else
static void open_watch(chsm_http *http) { http->watch = -1; }


bool chsm_http_watch_connection(const chsm_http_handle *handle, bool anew) {
  (void)handle, (void)anew;
  return false;
}


static int serve_sockets(chsm_http *http, int timeout) {
  (void)http, (void)timeout;
  return 0;
}
#endif


/* Whether something waits to be read on a kept-alive connection, or its end: a byte would be taken for the answer to the request that is
   about to be sent. */
bool chsm_http_holds_bytes(int number) {
  char byte;
  ssize_t length = recv(number, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return length >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}


/* ---- The life of a transfer ---- */

static void link_running(chsm_http *http, chsm_http_transfer *transfer) {
  transfer->http = http;
  transfer->next = http->running;
  if (http->running) http->running->previous = transfer;
  http->running = transfer;
  http->count++;
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
  if (!transfer->own) http->by_libcurl--;
}


/* A used handle, or a new one; NULL: out of memory. */
static chsm_http_handle *find_handle(chsm_http *http) {
  chsm_http_handle *handle = http->spare;
  if (handle) {
    http->spare = handle->next;
    http->spare_count--;
  } else {
    handle = calloc(1, sizeof *handle);
    if (!handle) return NULL;
    handle->http = http;
    handle->socket = -1;
    handle->next_of_all = http->all;
    http->all = handle;
  }
  handle->next = NULL;
  return handle;
}


/* Puts a handle that nobody needs where the next one looks. */
static void spare_handle(chsm_http_handle *handle) {
  chsm_http *http = handle->http;
  handle->next = http->spare;
  http->spare = handle;
  http->spare_count++;
}


/* Gives a transfer a handle as good as new. False: out of memory. */
bool chsm_http_take_handle(chsm_http *http, chsm_http_transfer *transfer) {
  chsm_http_handle *handle = find_handle(http);
  if (!handle) return false;
  if (!handle->easy) handle->easy = curl_easy_init();
  if (!handle->easy) {
    spare_handle(handle);
    return false;
  }
  handle->transfer = transfer;
  transfer->handle = handle;
  return true;
}


/* Takes a handle back from libcurl, and with it a connection of our own. What it pointed to is forgotten at once. */
void chsm_http_give_handle(chsm_http_handle *handle) {
  chsm_http *http = handle->http;
  curl_multi_remove_handle(http->multi, handle->easy);
  http->stirred = true;
  if (http->spare_count < MOST_SPARE_HANDLES) {
    curl_easy_reset(handle->easy);
  } else {
    curl_easy_cleanup(handle->easy);
    handle->easy = NULL;
  }
  handle->transfer = NULL;
  handle->socket = -1;
  handle->tls = handle->stuffed = false;
  handle->tried[0] = handle->detail[0] = '\0';
  handle->tried_port = 0;
  handle->socket_error = 0;
  spare_handle(handle);
}


/* Gives libcurl a handle that was told what to do. False: out of memory. */
bool chsm_http_add_handle(chsm_http_handle *handle) {
  CURL *easy = handle->easy;
  chsm_http *http = handle->http;
  http->stirred = true;
  return curl_easy_setopt(easy, CURLOPT_PRIVATE, handle) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, handle->detail) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, handle) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, http) == CURLE_OK && curl_multi_add_handle(http->multi, easy) == CURLM_OK;
}


/* Has steps look at the limits of transfers at this moment, if not before. */
void chsm_http_expect_limit(chsm_http *http, double moment) {
  if (moment < http->next_idle) http->next_idle = moment;
}


/* Ends a running transfer: libcurl lets go of it, and of its connection unless the answer is whole. */
static void stop(chsm_http_transfer *transfer) {
  if (transfer->own) {
    chsm_http_exchange_leave(transfer);
  } else if (transfer->handle) {
    chsm_http_give_handle(transfer->handle);
    transfer->handle = NULL;
  }
  unlink_running(transfer);
  chsm_http_request_forget(&transfer->outgoing);
}


/* Ends a running transfer that libcurl does not hold any longer, or must not be asked about. */
static void abandon(chsm_http_transfer *transfer) {
  unlink_running(transfer);
  transfer->handle = NULL;
  chsm_http_request_forget(&transfer->outgoing);
  chsm_http_wire_wipe(&transfer->wire);
  chsm_buffer_wipe(&transfer->request);
}


/* In a forked child: lets go of all that was inherited. The connections are the parent's: a TLS farewell, or even one byte read,
   would break them for it. So libcurl is not asked to clean up - it would also wait for threads that exist in the parent only - but
   its sockets are closed behind its back, which tells the peer nothing, and its memory stays where it is: once per client and fork. */
static void heed_fork(chsm_http *http) {
  if (!http->multi || is_at_home(http)) return;
  for (size_t i = 0; i < http->socket_count; i++) {
    const struct chsm_http_socket *it = &http->sockets[i];
    struct stat facts;
    if (fstat(it->number, &facts) == 0 && facts.st_dev == it->device && facts.st_ino == it->inode) close(it->number);
  }
  close_watch(http); /* this process's share in it; the parent's sockets stay in the parent's */
  free_mark(http);
  http->socket_count = 0;
  http->all = http->spare = http->kept = NULL;
  http->spare_count = http->kept_count = 0;
  http->multi = NULL;
  while (http->running) {
    chsm_http_transfer *transfer = http->running;
    transfer->failed = true;
    chsm_http_fail(&transfer->failure, "aborted", "Forked", transfer->began ? "maybe" : "no",
                   "the exchange with %s belongs to the parent process; send the request again in this one", transfer->peer);
    abandon(transfer);
  }
}


/* Whether the connection that failed was one to a proxy. */
static bool is_proxied(const chsm_http *http, const chsm_http_transfer *transfer) {
  if (transfer->direct || transfer->own || !transfer->handle) return false;
#if LIBCURL_VERSION_NUM >= 0x080700
  long used = 0;
  if (curl_easy_getinfo(transfer->handle->easy, CURLINFO_USED_PROXY, &used) == CURLE_OK) return used != 0;
#endif
  if (http->rules.proxy && (!http->rules.no_proxy || !http->rules.proxy[0])) return http->rules.proxy[0] != '\0';
  return transfer->handle->tried_port && transfer->handle->tried_port != transfer->port;
}


/* Collects the facts of a failure while the handle still knows them. */
static chsm_http_facts facts_of(const chsm_http *http, chsm_http_transfer *transfer, CURLcode result) {
  const chsm_http_handle *handle = transfer->handle;
  chsm_http_facts facts = { .result = result,
                            .refusal = transfer->refusal,
                            .peer = transfer->peer,
                            .tried = handle ? handle->tried : "",
                            .detail = handle ? handle->detail : "",
                            .began = transfer->own || transfer->hooked ? transfer->began : chsm_http_libcurl_began(transfer, result),
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
  if (!handle) return facts;
  curl_easy_getinfo(handle->easy, CURLINFO_HTTP_CONNECTCODE, &facts.connect_status);
  curl_easy_getinfo(handle->easy, CURLINFO_OS_ERRNO, &facts.system_error);
  if (handle->socket_error) facts.system_error = handle->socket_error;
  curl_easy_getinfo(handle->easy, CURLINFO_SSL_VERIFYRESULT, &facts.verify_result);
  if (!facts.verify_result) curl_easy_getinfo(handle->easy, CURLINFO_PROXY_SSL_VERIFYRESULT, &facts.verify_result);
  if (!http->openssl) facts.verify_result = CHSM_HTTP_NO_VERDICT;
  return facts;
}


/* The transfer ended as `result` says: keeps its answer or its failure. */
void chsm_http_finish(chsm_http_transfer *transfer, CURLcode result) {
  const chsm_http *http = transfer->http;
  if (transfer->unclean && result == CURLE_ABORTED_BY_CALLBACK) {
    if (chsm_http_libcurl_restart(transfer)) return;
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
  } else if (!transfer->own) {
    chsm_http_libcurl_distrust(transfer);
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


/* Looks at what this libcurl is. */
static void look_at_libcurl(chsm_http *http) {
  static const char *const kin[] = { "OpenSSL", "LibreSSL", "BoringSSL", "AWS-LC", "quictls" };
  const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
  http->version = info->version_num;
  for (size_t i = 0; info->ssl_version && i < sizeof kin / sizeof *kin; i++)
    http->openssl = http->openssl || strncmp(info->ssl_version, kin[i], strlen(kin[i])) == 0;
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
  struct chsm_http_quiet quiet = chsm_http_quiet_begin(true);
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
  while (http->all) {
    chsm_http_handle *handle = http->all;
    http->all = handle->next_of_all;
    if (handle->easy) curl_multi_remove_handle(http->multi, handle->easy);
    curl_easy_cleanup(handle->easy);
    free(handle);
  }
  if (http->multi) curl_multi_cleanup(http->multi);
  chsm_http_quiet_end(&quiet);
  close_watch(http);
  free_mark(http);
  chsm_http_url_wipe(&http->url);
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

/* The multi handle, made at the first need in this process. NULL: out of memory. */
static CURLM *multi_of(chsm_http *http) {
  if (http->multi) return http->multi;
  http->multi = curl_multi_init();
  http->owner = getpid();
  if (http->multi) {
    http->mark = new_mark();
    open_watch(http);
    curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)MOST_IDLE_CONNECTIONS);
  }
  return http->multi;
}


/* Has the client's last URL be that of the request, mostly without parsing it again. */
static bool heed_url(chsm_http *http, chsm_http_text text, chsm_http_failure *failure) {
  const chsm_http_url *last = &http->url;
  if (last->given && last->length == text.length && memcmp(last->given, text.bytes, text.length) == 0) return true;
  return chsm_http_url_parse(&http->url, text, failure);
}


/* Fills a transfer with what does not depend on its way. */
static void fill(chsm_http *http, chsm_http_transfer *transfer, const chsm_http_request *request) {
  static const char head[] = "HEAD";
  memcpy(transfer->peer, http->url.peer, sizeof transfer->peer);
  transfer->port = http->url.port;
  transfer->fresh = request->fresh_connection;
  transfer->direct = request->direct;
  transfer->headless = request->method.length == sizeof head - 1 && memcmp(request->method.bytes, head, sizeof head - 1) == 0;
  transfer->connect_timeout = request->connect_timeout;
  transfer->read_timeout = request->read_timeout;
  transfer->timeout = request->timeout;
  transfer->head.most = http->max_header;
  transfer->head.text.cap = 2 * http->max_header; /* the values of repeated headers stand there twice */
  transfer->body.cap = request->max_body && request->max_body < http->max_body ? request->max_body : http->max_body;
  transfer->started = transfer->moved = chsm_clock_monotonic();
}


/* Starts a transfer that runs, one way or the other. False: `failure` says why not. */
static bool launch(chsm_http *http, chsm_http_transfer *transfer, const chsm_http_request *request, chsm_http_failure *failure) {
  if (chsm_http_exchange_fits(http, request)) {
    if (chsm_http_exchange_prepare(transfer, request)) {
      chsm_http_exchange_start(transfer, http->url.origin, http->url.tls);
      return true;
    }
  } else {
    struct chsm_http_quiet quiet = chsm_http_quiet_begin(true);
    bool started = false;
    http->by_libcurl++;
    chsm_http_fail(failure, "transport", "OutOfMemory", "no", "no memory left for a request");
    chsm_http_rules_look(&http->rules, http->openssl);
    if (chsm_http_take_handle(http, transfer)) started = chsm_http_libcurl_start(transfer, request, failure);
    chsm_http_quiet_end(&quiet);
    return started;
  }
  chsm_http_fail(failure, "transport", "OutOfMemory", "no", "no memory left for a request to %s", transfer->peer);
  return false;
}


/* Starts an exchange: everything that `request` points to is copied. The transfer is the caller's, to be ended by chsm_http_drop(); it may
   have ended already. NULL: nothing was sent, and `failure` says why. */
chsm_http_transfer *chsm_http_start(chsm_http *http, const chsm_http_request *request, chsm_http_failure *failure) {
  heed_fork(http);
  if (!chsm_http_request_check(request, failure)) return NULL;
  if (http->count >= MOST_RUNNING) {
    chsm_http_fail(failure, "transport", "TooManyTransfers", "no", "%d requests of this client are under way; wait for one to end",
                   (int)MOST_RUNNING);
    return NULL;
  }
  if (!heed_url(http, request->url, failure)) return NULL;
  chsm_http_transfer *transfer = calloc(1, sizeof *transfer);
  if (!transfer || !multi_of(http)) {
    chsm_http_fail(failure, "transport", "OutOfMemory", "no", "no memory left for a request");
    free(transfer);
    return NULL;
  }
  fill(http, transfer, request);
  link_running(http, transfer);
  if (launch(http, transfer, request, failure)) return transfer;
  struct chsm_http_quiet quiet = chsm_http_quiet_begin(true);
  stop(transfer);
  chsm_http_quiet_end(&quiet);
  free(transfer);
  return NULL;
}


/* ---- Step ---- */

/* Ends what libcurl says has ended, or goes on with a connection that it made. */
static void collect(chsm_http *http) {
  int left;
  CURLMsg *message;
  while ((message = curl_multi_info_read(http->multi, &left))) {
    char *found = NULL;
    CURLcode result = message->data.result;
    if (message->msg != CURLMSG_DONE) continue;
    if (curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &found) != CURLE_OK || !found) continue;
    chsm_http_handle *handle = (void *)found;
    if (!handle->transfer) continue;
    if (handle->transfer->own)
      chsm_http_exchange_connected(handle, result);
    else
      chsm_http_finish(handle->transfer, result);
  }
}


/* Ends transfers in which nothing moved for their read timeout, or that take too long altogether where libcurl does not look after that.
   Returns the seconds until the next of them may have to end. */
static double expire(chsm_http *http, double now) {
  double soonest = HUGE_VAL;
  chsm_http_transfer *next;
  for (chsm_http_transfer *transfer = http->running; transfer; transfer = next) {
    next = transfer->next;
    if (!transfer->own) chsm_http_libcurl_look(transfer, now);
    if (!transfer->began) continue;
    double idle = transfer->moved + transfer->read_timeout - now;
    double late = transfer->own ? transfer->started + transfer->timeout - now : HUGE_VAL;
    if (idle <= 0 || late <= 0) {
      transfer->idle = idle <= 0;
      chsm_http_finish(transfer, CURLE_OPERATION_TIMEDOUT);
    } else {
      if (idle < soonest) soonest = idle;
      if (late < soonest) soonest = late;
    }
  }
  return soonest;
}


/* libcurl itself failed: nothing will move any more. */
static void fail_all(chsm_http *http) {
  while (http->running)
    chsm_http_finish(http->running, CURLE_FAILED_INIT);
}


/* Lets libcurl move on what its sockets or its clock allow, and asks when it wants to be asked next. */
static void move_libcurl(chsm_http *http) {
  int handles;
  long alarm = -1;
  struct chsm_http_quiet quiet = chsm_http_quiet_begin(true);
  do {
    http->stirred = false;
    if ((http->watch < 0 ? curl_multi_perform(http->multi, &handles)
                         : curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &handles)) != CURLM_OK)
      fail_all(http);
    collect(http);
  } while (http->stirred && http->watch >= 0);
  chsm_http_quiet_end(&quiet);
  if (curl_multi_timeout(http->multi, &alarm) != CURLM_OK) alarm = 0;
  http->next_move = alarm < 0 ? HUGE_VAL : chsm_clock_monotonic() + (double)alarm / 1000;
}


/* Milliseconds until a moment, for the kernel: rounded up, so that nobody wakes too early. */
static int milliseconds_until(double moment) {
  double left = moment - chsm_clock_monotonic();
  return left > 0 ? (int)ceil((left < MOST_WAIT ? left : MOST_WAIT) * 1000) : 0;
}


/* Waits, until `until` at the latest, for something that can move, and moves it on. */
static void move(chsm_http *http, double until) {
  double next = http->next_idle < until ? http->next_idle : until;
  int served = 0, handles;
  if (http->watch >= 0) {
    if (http->next_move < next) next = http->next_move;
    served = serve_sockets(http, http->stirred ? 0 : milliseconds_until(next));
    if (served < 0) fail_all(http);
    if (served || http->stirred || chsm_clock_monotonic() >= http->next_move) move_libcurl(http);
  } else {
    if (!http->stirred && curl_multi_poll(http->multi, NULL, 0, milliseconds_until(next), &handles) != CURLM_OK) fail_all(http);
    move_libcurl(http);
  }
  double now = chsm_clock_monotonic();
  if (http->by_libcurl || now >= http->next_idle) {
    http->next_idle = HUGE_VAL;
    double left = expire(http, now);
    chsm_http_expect_limit(http, now + left);
  }
}


/* Moves all transfers on, and returns how many still run. Waits up to `wait` seconds, at most a minute, for one of them to end; with
   0 it does what can be done at once. */
size_t chsm_http_step(chsm_http *http, double wait) {
  heed_fork(http);
  size_t before = http->count;
  double until = wait > 0 ? chsm_clock_monotonic() + (wait < MOST_WAIT ? wait : MOST_WAIT) : 0;
  while (http->count) {
    move(http, until);
    if (http->count < before || !(wait > 0) || chsm_clock_monotonic() >= until) break;
  }
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
    struct chsm_http_quiet quiet = chsm_http_quiet_begin(true);
    stop(transfer);
    chsm_http_quiet_end(&quiet);
  }
  chsm_http_request_forget(&transfer->outgoing);
  chsm_http_head_wipe(&transfer->head);
  chsm_buffer_wipe(&transfer->body);
  free(transfer);
}
