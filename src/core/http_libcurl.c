#define _POSIX_C_SOURCE 200809L

#include "http_inside.h"

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#include "clock.h"

enum {
  EAGER_BODY = 256 * 1024, /* room made on the word of Content-Length alone */
  NOT_MODIFIED = 304
};


#if CHSM_HTTP_HOOK
/* The local port of a socket, which keeps the first it gets; 0: it has none. */
static int local_port(struct chsm_http_socket *it) {
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
  if (curl_easy_getinfo(transfer->handle->easy, CURLINFO_NUM_CONNECTS, &connects) == CURLE_OK && !connects)
    for (size_t i = 0; i < http->socket_count; i++)
      if (local_port(&http->sockets[i]) == port) transfer->unclean = transfer->unclean || chsm_http_holds_bytes(http->sockets[i].number);
  if (transfer->unclean) return CURL_PREREQFUNC_ABORT;
  transfer->began = true;
  transfer->moved = chsm_clock_monotonic();
  return CURL_PREREQFUNC_OK;
}
#else
/* Without that hook: when nothing else runs, every other connection is idle, and those that hold something end here. */
static void distrust_idle(chsm_http *http) {
  for (size_t i = 0; http->count == 1 && i < http->socket_count; i++)
    if (chsm_http_holds_bytes(http->sockets[i].number)) shutdown(http->sockets[i].number, SHUT_RDWR);
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


#if CHSM_HTTP_HOOK
/* Whether bytes of the request may have left, for want of the hook. */
bool chsm_http_libcurl_began(chsm_http_transfer *transfer, CURLcode result) {
  (void)transfer, (void)result;
  return true;
}
#else
/* Whether bytes of the request may have left, when libcurl has no hook to tell: no only where a failure before the request is certain.
   A request that was sent, in vain, over a dead kept-alive connection before is not certain. */
bool chsm_http_libcurl_began(chsm_http_transfer *transfer, CURLcode result) {
  long sent = 0, connect_status = 0;
  curl_off_t connected = 0;
  curl_easy_getinfo(transfer->handle->easy, CURLINFO_REQUEST_SIZE, &sent);
  curl_easy_getinfo(transfer->handle->easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
  curl_easy_getinfo(transfer->handle->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
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


/* An answer that states a length and is chunked, too, was read as chunks; what else its sender believes to have sent could be taken
   for the next answer. The connection ends here (RFC 9112, 6.3). */
void chsm_http_libcurl_distrust(const chsm_http_transfer *transfer) {
  curl_socket_t number = CURL_SOCKET_BAD;
  if (!transfer->head.chunked || !transfer->head.has_length) return;
  if (curl_easy_getinfo(transfer->handle->easy, CURLINFO_ACTIVESOCKET, &number) == CURLE_OK && number != CURL_SOCKET_BAD)
    shutdown(number, SHUT_RDWR);
}


/* Starts over on a new connection what was stopped before its request was sent. False: out of memory. */
bool chsm_http_libcurl_restart(chsm_http_transfer *transfer) {
  CURLM *multi = transfer->http->multi;
  CURL *easy = transfer->handle->easy;
  double left = transfer->started + transfer->timeout - chsm_clock_monotonic();
  transfer->unclean = false;
  transfer->handle->detail[0] = '\0';
  curl_multi_remove_handle(multi, easy);
  return curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK && chsm_http_request_set_limit(easy, left > 0 ? left : 0) &&
         chsm_http_add_handle(transfer->handle);
}


/* Notes what was sent since the last look; libcurl tells it only when asked. */
void chsm_http_libcurl_look(chsm_http_transfer *transfer, double now) {
  curl_off_t uploaded = 0;
  if (!transfer->hooked && !transfer->began) {
    curl_off_t connected = 0;
    curl_easy_getinfo(transfer->handle->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
    if (!connected) return;
    transfer->began = true;
    transfer->moved = now;
  }
  if ((uintmax_t)transfer->uploaded >= transfer->outgoing.body.length) return;
  if (curl_easy_getinfo(transfer->handle->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded) != CURLE_OK || uploaded == transfer->uploaded) return;
  transfer->uploaded = uploaded;
  transfer->moved = now;
}


/* Where libcurl hands over what happens. None of these calls out of this file. */
static bool set_callbacks(chsm_http_transfer *transfer) {
  CURL *easy = transfer->handle->easy;
#if CHSM_HTTP_HOOK
  transfer->hooked =
      curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, begin) == CURLE_OK && curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer) == CURLE_OK;
#endif
  return curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK;
}


/* Gives libcurl the request to the last URL of the client. False: `failure` says why. */
bool chsm_http_libcurl_start(chsm_http_transfer *transfer, const chsm_http_request *request, chsm_http_failure *failure) {
  chsm_http *http = transfer->http;
#if !CHSM_HTTP_HOOK
  distrust_idle(http);
#endif
  if (!chsm_http_request_set(transfer->handle->easy, &http->rules, request, &http->url, &transfer->outgoing, failure)) return false;
  if (set_callbacks(transfer) && chsm_http_add_handle(transfer->handle)) return true;
  chsm_http_fail(failure, "transport", "OutOfMemory", "no", "no memory left for a request to %s", transfer->peer);
  return false;
}
