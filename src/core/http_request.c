#define _POSIX_C_SOURCE 200809L

#include "http_request.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "ascii.h"
#include "http_check.h"

enum { MOST_URL = 8 * 1024, MOST_REQUEST_HEADERS = 256 * 1024, SUPPRESSED_HEADERS = 3 };

static const long MOST_MILLISECONDS = 1000000000; /* about 11 days */


static bool is_text(chsm_http_text text, const char *word) {
  return text.length == strlen(word) && memcmp(text.bytes, word, text.length) == 0;
}


/* Whether a header, its name in any case, is this side's own business: it frames the message or governs the connection. */
static bool is_reserved(chsm_http_text name) {
  static const char *const reserved[] = {
    "accept-encoding", "connection",        "content-length", "expect", "keep-alive", "proxy-connection", "te",
    "trailer",         "transfer-encoding", "upgrade"
  };
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
    if (chsm_ascii_is_word(name.bytes, name.length, reserved[i])) return true;
  return false;
}


static bool check_method(const chsm_http_request *request, chsm_http_failure *failure) {
  static const char *const methods[] = { "POST", "GET", "PUT", "HEAD", "DELETE", "PATCH" };
  bool known = false;
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
    known = known || is_text(request->method, methods[i]);
  if (!known) return CHSM_HTTP_REFUSE(failure, "InvalidMethod", "the method must be POST, GET, PUT, HEAD, DELETE or PATCH");
  if (request->body.length && (is_text(request->method, "GET") || is_text(request->method, "HEAD")))
    return CHSM_HTTP_REFUSE(failure, "InvalidMethod", "a GET or HEAD request has no body");
  return true;
}


static bool check_headers(const chsm_http_request *request, chsm_http_failure *failure) {
  size_t total = 0;
  for (size_t i = 0; i < request->header_count; i++) {
    const chsm_http_field *field = &request->headers[i];
    if (!chsm_http_is_token(field->name.bytes, field->name.length))
      return CHSM_HTTP_REFUSE(failure, "InvalidHeader", "the name of header %zu is empty or holds a byte that no header name may hold",
                              i + 1);
    int length = field->name.length < 64 ? (int)field->name.length : 64;
    if (!chsm_http_is_value(field->value.bytes, field->value.length))
      return CHSM_HTTP_REFUSE(failure, "InvalidHeader", "the value of header %.*s holds a line end or another control byte", length,
                              field->name.bytes);
    if (is_reserved(field->name))
      return CHSM_HTTP_REFUSE(failure, "InvalidHeader", "the header %.*s is set by the transport alone", length, field->name.bytes);
    if (field->name.length > MOST_REQUEST_HEADERS - total || field->value.length > MOST_REQUEST_HEADERS - total - field->name.length)
      return CHSM_HTTP_REFUSE(failure, "InvalidHeader", "the headers are longer than %d bytes together", (int)MOST_REQUEST_HEADERS);
    total += field->name.length + field->value.length;
  }
  return true;
}


/* A deadline that passed before the start is a timeout like any other; what is no number of seconds is a mistake. */
static bool check_timeouts(const chsm_http_request *request, chsm_http_failure *failure) {
  if (!(request->connect_timeout > 0))
    return CHSM_HTTP_REFUSE(failure, "InvalidTimeout", "connect_timeout must be a positive number of seconds");
  if (!(request->read_timeout > 0)) return CHSM_HTTP_REFUSE(failure, "InvalidTimeout", "read_timeout must be a positive number of seconds");
  if (isnan(request->timeout)) return CHSM_HTTP_REFUSE(failure, "InvalidTimeout", "timeout must be a positive number of seconds");
  if (request->timeout > 0) return true;
  chsm_http_fail(failure, "timeout", "DeadlineExceeded", "no", "no time was left before the request was sent; raise timeout");
  return false;
}


/* Whether a request may be sent as it is given; else `failure` says why not. */
bool chsm_http_request_check(const chsm_http_request *request, chsm_http_failure *failure) {
  return check_method(request, failure) && check_headers(request, failure) && check_timeouts(request, failure);
}


/* A port's digits as a number. */
unsigned chsm_http_port(const char *digits) {
  unsigned number = 0;
  for (; *digits; digits++)
    number = number * 10 + (unsigned)(*digits - '0');
  return number;
}


/* Takes host and port of the URL for messages, and the port as a number. */
static bool name_peer(chsm_http_url *url, CURLU *parts) {
  char *host = NULL, *port = NULL;
  bool good = curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK && *host &&
              curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;
  if (good) {
    int length = snprintf(url->peer, sizeof url->peer, "%s:%s", host, port);
    good = length > 0 && (size_t)length < sizeof url->peer;
    url->port = chsm_http_port(port);
    url->host_length = url->port == (url->tls ? 443 : 80) ? strlen(host) : strlen(url->peer);
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


/* Cuts the URL that libcurl wrote into what is connected to and what is asked for there. False: out of memory. */
static bool cut(chsm_http_url *url, const char *whole) {
  url->whole = strdup(whole);
  if (!url->whole) return false;
  char *slash = strchr(strstr(url->whole, "://") + 3, '/');
  if (!slash) return false;
  url->target = (chsm_http_text) { .bytes = slash, .length = strcspn(slash, "#") };
  url->origin = strndup(url->whole, (size_t)(slash - url->whole) + 1);
  return url->origin != NULL;
}


/* Parses a URL, once, so that what was checked is what is used. False: `failure` says why not, without the URL, and `url` is nowhere. */
bool chsm_http_url_parse(chsm_http_url *url, chsm_http_text text, chsm_http_failure *failure) {
  chsm_http_url_wipe(url);
  if (!text.length || text.length > MOST_URL || !chsm_http_is_printable(text.bytes, text.length))
    return CHSM_HTTP_REFUSE(failure, "InvalidUrl", "the URL is empty, longer than %d bytes or holds a byte that no URL may hold",
                            (int)MOST_URL);
  char *scheme = NULL, *whole = NULL;
  CURLU *parts = curl_url();
  url->given = strndup(text.bytes, text.length);
  url->length = text.length;
  bool good = url->given && parts && has_authority(url->given) &&
              curl_url_set(parts, CURLUPART_URL, url->given, CURLU_PATH_AS_IS | CURLU_DISALLOW_USER) == CURLUE_OK &&
              curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK;
  url->tls = good && strcmp(scheme, "https") == 0;
  good = good && (url->tls || strcmp(scheme, "http") == 0) && name_peer(url, parts) &&
         curl_url_get(parts, CURLUPART_URL, &whole, CURLU_PATH_AS_IS) == CURLUE_OK && cut(url, whole);
  curl_free(whole);
  curl_free(scheme);
  curl_url_cleanup(parts);
  if (good) return true;
  chsm_http_url_wipe(url);
  return CHSM_HTTP_REFUSE(failure, "InvalidUrl", "the URL must be http:// or https:// with a host, and without user and password");
}


/* Frees what belongs to a URL; it is nowhere again. Safe to call twice. */
void chsm_http_url_wipe(chsm_http_url *url) {
  if (url->given) OPENSSL_cleanse(url->given, strlen(url->given));
  if (url->whole) OPENSSL_cleanse(url->whole, strlen(url->whole));
  free(url->given);
  free(url->whole);
  free(url->origin);
  *url = (chsm_http_url) { .given = NULL };
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


/* Writes the headers in libcurl's notation: "Name: value", "Name;" for an empty value, "Name:" to leave out one of its own, which
   does not touch one that is given. The list is made here, in one piece of memory, since curl_slist_append would leave copies of tokens
   behind. */
static bool write_headers(CURL *easy, chsm_http_outgoing *outgoing, const chsm_http_request *request) {
  static const char *const unwanted[SUPPRESSED_HEADERS] = { "Expect", "Accept", "Content-Type" };
  size_t length = 0, most = request->header_count + SUPPRESSED_HEADERS;
  for (size_t i = 0; i < request->header_count; i++)
    length += request->headers[i].name.length + request->headers[i].value.length + sizeof ": ";
  for (size_t i = 0; i < SUPPRESSED_HEADERS; i++)
    length += strlen(unwanted[i]) + sizeof ":";
  outgoing->lines = malloc(length);
  outgoing->list = calloc(most, sizeof *outgoing->list);
  if (!outgoing->lines || !outgoing->list) return false;
  outgoing->lines_length = length;

  char *end = outgoing->lines;
  size_t count = 0;
  chsm_http_text nothing = { .bytes = "", .length = 0 };
  for (size_t i = 0; i < request->header_count; i++) {
    chsm_http_text value = chsm_http_trim(request->headers[i].value);
    outgoing->list[count++].data = end;
    end = append_line(end, request->headers[i].name, value.length ? ": " : ";", value);
  }
  for (size_t i = 0; i < SUPPRESSED_HEADERS; i++) {
    outgoing->list[count++].data = end;
    end = append_line(end, (chsm_http_text) { .bytes = unwanted[i], .length = strlen(unwanted[i]) }, ":", nothing);
  }
  for (size_t i = 0; i + 1 < count; i++)
    outgoing->list[i].next = &outgoing->list[i + 1];
  return curl_easy_setopt(easy, CURLOPT_HTTPHEADER, outgoing->list) == CURLE_OK;
}


/* The client's certificate, for servers only: a proxy has options of its own. Where the key is replaced by an encrypted one meanwhile,
   the empty password fails, while none would have OpenSSL ask at the terminal. */
static bool set_client(CURL *easy, const chsm_http_rules *rules) {
  const char *key = rules->client_key ? rules->client_key : rules->client_certificate;
  return !rules->client_certificate ||
         (curl_easy_setopt(easy, CURLOPT_SSLCERT, rules->client_certificate) == CURLE_OK &&
          curl_easy_setopt(easy, CURLOPT_SSLCERTTYPE, "PEM") == CURLE_OK && curl_easy_setopt(easy, CURLOPT_SSLKEY, key) == CURLE_OK &&
          curl_easy_setopt(easy, CURLOPT_SSLKEYTYPE, "PEM") == CURLE_OK && curl_easy_setopt(easy, CURLOPT_KEYPASSWD, "") == CURLE_OK);
}


/* Looks, once, where this libcurl's own authorities are. */
void chsm_http_rules_look(chsm_http_rules *rules, bool openssl) {
  if (rules->looked || rules->ca_file) return;
  rules->looked = true;
#if LIBCURL_VERSION_NUM >= 0x074600
  const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
  if (info->age < CURLVERSION_SEVENTH) return;
  rules->has_bundle = info->cainfo && !chsm_http_ca_problem(info->cainfo);
  rules->has_folder = openssl && info->capath && chsm_http_is_ca_folder(info->capath);
#else
  (void)openssl;
#endif
}


/* Whom to trust. With both a file and a folder libcurl parses the whole file for every new connection; with a file alone once for all of
   them; with a folder alone it opens the one authority that it needs. False: out of memory. */
static bool set_authorities(CURL *easy, const chsm_http_rules *rules, bool folder) {
  if (rules->ca_file && (curl_easy_setopt(easy, CURLOPT_CAINFO, rules->ca_file) != CURLE_OK ||
                         curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, rules->ca_file) == CURLE_OUT_OF_MEMORY))
    return false;
  if (folder) return curl_easy_setopt(easy, CURLOPT_CAINFO, NULL) == CURLE_OK;
  if (!rules->ca_file && !rules->has_bundle) return true;
  curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL);
  return curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
}


/* The rules that hold for every request. False: this libcurl lacks one of them. */
static bool set_rules(CURL *easy, const chsm_http_rules *rules, bool folder) {
  static const struct {
    CURLoption option;
    long value;
    bool optional; /* a libcurl that does not know it is none the less safe */
  } fixed[] = {
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
  for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
    CURLcode result = curl_easy_setopt(easy, fixed[i].option, fixed[i].value);
    if (result != CURLE_OK && !(fixed[i].optional && (result == CURLE_UNKNOWN_OPTION || result == CURLE_NOT_BUILT_IN))) return false;
  }
#if LIBCURL_VERSION_NUM >= 0x075500
  if (curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK) return false;
#else
  if (curl_easy_setopt(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS) != CURLE_OK) return false;
#endif
  if (!set_authorities(easy, rules, folder)) return false;
  return set_client(easy, rules);
}


/* Which proxy the request takes, if any. With one from the options, the environment's list of exceptions does not count. */
static bool set_proxy(CURL *easy, const chsm_http_rules *rules, bool direct) {
  const char *proxy = direct ? "" : rules->proxy;
  const char *no_proxy = direct ? "*" : rules->no_proxy ? rules->no_proxy : rules->proxy ? "" : NULL;
  if (proxy && curl_easy_setopt(easy, CURLOPT_PROXY, proxy) != CURLE_OK) return false;
  return !no_proxy || curl_easy_setopt(easy, CURLOPT_NOPROXY, no_proxy) == CURLE_OK;
}


/* Milliseconds for libcurl, which rounds down what has passed: one more than asked, so that no limit comes too early. No limit is
   `unlimited`. */
static long milliseconds(double seconds, long unlimited) {
  double exact = ceil(seconds * 1000) + 1;
  if (exact >= (double)MOST_MILLISECONDS) return unlimited;
  return (long)exact;
}


/* Has libcurl end what takes longer than some seconds altogether. False: out of memory. */
bool chsm_http_request_set_limit(CURL *easy, double seconds) {
  return curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, milliseconds(seconds, 0)) == CURLE_OK;
}


/* What belongs to one request. False: out of memory. */
static bool set_content(CURL *easy, chsm_http_outgoing *outgoing, const chsm_http_request *request) {
  long fresh = request->fresh_connection ? 1L : 0L;
  bool get = is_text(request->method, "GET"), head = is_text(request->method, "HEAD");
  bool bare = get || head || (is_text(request->method, "DELETE") && !request->body.length);
  if (request->body.length && chsm_buffer_append(&outgoing->body, request->body.bytes, request->body.length) != CHSM_OK) return false;
  if (head) {
    if (curl_easy_setopt(easy, CURLOPT_NOBODY, 1L) != CURLE_OK) return false;
  } else if (bare) {
    if (curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L) != CURLE_OK) return false;
  } else {
    const char *bytes = request->body.length ? outgoing->body.bytes : "";
    if (curl_easy_setopt(easy, CURLOPT_POST, 1L) != CURLE_OK || curl_easy_setopt(easy, CURLOPT_POSTFIELDS, bytes) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.length) != CURLE_OK)
      return false;
  }
  if (!get && !head && !is_text(request->method, "POST")) {
    char method[8] = { 0 }; /* the longest of the few that check_method() lets pass is DELETE */
    memcpy(method, request->method.bytes, request->method.length < sizeof method - 1 ? request->method.length : sizeof method - 1);
    if (curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method) != CURLE_OK) return false;
  }
  return write_headers(easy, outgoing, request) && curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, fresh) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, fresh) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(request->connect_timeout, MOST_MILLISECONDS)) == CURLE_OK &&
         chsm_http_request_set_limit(easy, request->timeout);
}


static bool refuse_libcurl(chsm_http_failure *failure) {
  return CHSM_HTTP_REFUSE(failure, "LibcurlUnfit",
                          "this libcurl refuses a rule that every request follows; install libcurl 7.68 or newer with TLS");
}


/* Tells a handle as good as new all of a request that was checked. What that takes is kept in `outgoing`, which the caller has forgotten
   whatever the answer, once the handle is not used any longer. False: `failure` says why. */
bool chsm_http_request_set(CURL *easy, const chsm_http_rules *rules, const chsm_http_request *request, const chsm_http_url *url,
                           chsm_http_outgoing *outgoing, chsm_http_failure *failure) {
  if (!set_rules(easy, rules, false)) return refuse_libcurl(failure);
  if (curl_easy_setopt(easy, CURLOPT_URL, url->whole) == CURLE_OK && set_proxy(easy, rules, request->direct) &&
      set_content(easy, outgoing, request))
    return true;
  chsm_http_fail(failure, "transport", "OutOfMemory", "no", "no memory left for a request to %s", url->peer);
  return false;
}


/* Tells a handle as good as new to connect, through no proxy, and to leave the rest to its owner. CURLE_NOT_BUILT_IN: this libcurl lacks a
   rule; CURLE_OUT_OF_MEMORY. */
CURLcode chsm_http_connection_set(CURL *easy, const chsm_http_rules *rules, const char *origin, double connect_timeout, double timeout) {
  if (!set_rules(easy, rules, rules->has_folder)) return CURLE_NOT_BUILT_IN;
  bool good = set_proxy(easy, rules, true) && curl_easy_setopt(easy, CURLOPT_URL, origin) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(connect_timeout, MOST_MILLISECONDS)) == CURLE_OK &&
              chsm_http_request_set_limit(easy, timeout);
  return good ? CURLE_OK : CURLE_OUT_OF_MEMORY;
}


/* Frees what only a request under way needs. Headers hold a session token and a signature, bodies hold secrets: both are zeroed. */
void chsm_http_request_forget(chsm_http_outgoing *outgoing) {
  if (outgoing->lines) OPENSSL_cleanse(outgoing->lines, outgoing->lines_length);
  free(outgoing->lines);
  free(outgoing->list);
  outgoing->lines = NULL;
  outgoing->list = NULL;
  chsm_buffer_wipe(&outgoing->body);
}
