#include "http_failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <openssl/x509_vfy.h>

enum { DETAIL = 200, DURATION = 32, REASON = 64 };


/* Control bytes become spaces, so that a message is always one line. */
static void flatten(char *text) {
  for (; *text; text++)
    if ((unsigned char)*text < 0x20 || *text == 0x7F) *text = ' ';
}


/* Fills `failure` whole. `kind`, `code` and `sent` must be static; a message that is too long is cut. */
void chsm_http_fail(chsm_http_failure *failure, const char *kind, const char *code, const char *sent, const char *format, ...) {
  va_list arguments;
  failure->kind = kind;
  failure->code = code;
  failure->sent = sent;
  failure->status = 0;
  va_start(arguments, format);
  if (vsnprintf(failure->message, sizeof failure->message, format, arguments) < 0) failure->message[0] = '\0';
  va_end(arguments);
  flatten(failure->message);
}


/* Writes seconds as "0.25 s" or "60 s", in any locale alike. */
static void write_duration(char text[DURATION], double seconds) {
  long long milliseconds = seconds < 1e12 ? (long long)(seconds * 1000 + 0.5) : 1000000000000000LL;
  int length = snprintf(text, DURATION, "%lld.%03lld", milliseconds / 1000, milliseconds % 1000);
  while (length > 0 && text[length - 1] == '0')
    length--;
  if (length > 0 && text[length - 1] == '.') length--;
  memcpy(text + length, " s", sizeof " s");
}


/* Writes why the system refused, without strerror: its words depend on the locale. */
static void write_reason(char text[REASON], long error) {
  static const struct {
    int error;
    const char *words;
  } known[] = {
    { ECONNREFUSED, "connection refused" },
    { ENETUNREACH, "network unreachable" },
    { EHOSTUNREACH, "no route to the host" },
    { ETIMEDOUT, "no answer from the host" },
    { EMFILE, "too many open files in this process" },
    { ENFILE, "too many open files in this system" },
    { ENOBUFS, "no buffer space" },
    { ENOMEM, "out of memory" },
    { EACCES, "permission denied" },
    { EPERM, "not permitted" },
    { ECONNRESET, "connection reset" },
    { EADDRNOTAVAIL, "no local address or port free" },
    { EAFNOSUPPORT, "address family not supported" },
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (known[i].error != error) continue;
    snprintf(text, REASON, "%s", known[i].words);
    return;
  }
  if (error)
    snprintf(text, REASON, "system error %ld", error);
  else
    snprintf(text, REASON, "no address accepted a connection");
}


static const char *how_far(const chsm_http_facts *facts) { return facts->answered ? "yes" : facts->began ? "maybe" : "no"; }


/* The address that was tried, where the request did not name it itself. */
static const char *tried(const chsm_http_facts *facts) { return strcmp(facts->tried, facts->peer) == 0 ? "" : facts->tried; }


static const char *last_tried(const chsm_http_facts *facts) { return *tried(facts) ? ", last tried " : ""; }


/* The answer itself was refused here. */
static void classify_refusal(chsm_http_failure *failure, const chsm_http_facts *facts) {
  const char *peer = facts->peer;
  switch (facts->refusal) {
  case CHSM_HTTP_TWO_LENGTHS:
    chsm_http_fail(failure, "protocol", "MalformedResponse", how_far(facts),
                   "the answer of %s states two different lengths (Content-Length); something between here and the service "
                   "rewrites answers",
                   peer);
    break;
  case CHSM_HTTP_ENCODED:
    chsm_http_fail(failure, "protocol", "UnsupportedEncoding", how_far(facts),
                   "the answer of %s is compressed, though none was asked for; check what stands between here and the service", peer);
    break;
  case CHSM_HTTP_HEADERS_TOO_LARGE:
    chsm_http_fail(failure, "protocol", "HeadersTooLarge", how_far(facts),
                   "the headers of the answer of %s are too many or longer than %zu bytes; check the endpoint, or raise max_header", peer,
                   facts->most_headers);
    break;
  case CHSM_HTTP_BODY_TOO_LARGE:
    chsm_http_fail(failure, "protocol", "BodyTooLarge", how_far(facts),
                   "the answer of %s is longer than %zu bytes; ask for smaller pages, or raise max_body", peer, facts->most_body);
    break;
  case CHSM_HTTP_OUT_OF_MEMORY:
    chsm_http_fail(failure, "transport", "OutOfMemory", how_far(facts), "no memory left for the answer of %s", peer);
    break;
  default:
    chsm_http_fail(failure, "protocol", "MalformedResponse", how_far(facts),
                   "the answer of %s is not valid HTTP/1.1; check that the endpoint is the service", peer);
  }
}


/* A limit of the caller passed. The total one is named first: it is the one that raising another would not help. */
static void classify_timeout(chsm_http_failure *failure, const chsm_http_facts *facts) {
  char limit[DURATION];
  if (facts->late) {
    write_duration(limit, facts->timeout);
    chsm_http_fail(failure, "timeout", "DeadlineExceeded", how_far(facts),
                   "the exchange with %s did not end within %s; raise timeout, or look whether the service is slow", facts->peer, limit);
  } else if (facts->idle) {
    write_duration(limit, facts->read_timeout);
    chsm_http_fail(failure, "timeout", "ReadTimeout", how_far(facts),
                   "%s sent nothing for %s; raise read_timeout, or look whether the service is slow", facts->peer, limit);
  } else {
    write_duration(limit, facts->connect_timeout);
    chsm_http_fail(failure, "timeout", "ConnectTimeout", how_far(facts),
                   "no connection to %s within %s%s%s; check firewall, route and proxy, or raise connect_timeout", facts->peer, limit,
                   last_tried(facts), tried(facts));
  }
}


/* The proxy answered CONNECT with something else than success. */
static void classify_tunnel(chsm_http_failure *failure, const chsm_http_facts *facts) {
  if (facts->connect_status == 407)
    chsm_http_fail(failure, "proxy", "ProxyAuthenticationRequired", how_far(facts),
                   "the proxy wants other credentials before it connects to %s (HTTP 407); check user and password of the proxy",
                   facts->peer);
  else
    chsm_http_fail(failure, "proxy", facts->connect_status >= 500 ? "ProxyUnavailable" : "ProxyRefused", how_far(facts),
                   "the proxy did not connect to %s (HTTP %ld); check that it may reach this host", facts->peer, facts->connect_status);
}


/* No connection. */
static void classify_connect(chsm_http_failure *failure, const chsm_http_facts *facts) {
  char reason[REASON];
  write_reason(reason, facts->system_error);
  chsm_http_fail(failure, facts->proxied ? "proxy" : "transport", facts->proxied ? "CouldNotConnectToProxy" : "CouldNotConnect",
                 how_far(facts), "could not connect %s%s%s%s: %s; check %s", facts->proxied ? "to the proxy on the way to " : "to ",
                 facts->peer, last_tried(facts), tried(facts), reason,
                 facts->proxied ? "the proxy setting" : "that the endpoint is right and reachable");
}


/* Whether a certificate that OpenSSL has no complaint about was refused for its names. libcurl compares those itself and says so in
   words only. */
static bool is_for_another_host(const chsm_http_facts *facts) {
  switch (facts->verify_result) {
  case X509_V_ERR_HOSTNAME_MISMATCH:
  case X509_V_ERR_IP_ADDRESS_MISMATCH: return true;
  case CHSM_HTTP_NO_VERDICT:
  case X509_V_OK:
  case X509_V_ERR_UNSPECIFIED: return strstr(facts->detail, "subject") || strstr(facts->detail, "common name");
  default: return false;
  }
}


/* The server's complaint about the certificate of the client, a TLS alert (RFC 8446, 6.2) in OpenSSL's words; NULL: it has none. With
   TLS 1.3 it arrives after the handshake, when the request may have left. */
static const char *client_complaint(const chsm_http_facts *facts) {
  static const char *const complaints[] = { "certificate required", "bad certificate",     "unsupported certificate",
                                            "certificate revoked",  "certificate expired", "certificate unknown",
                                            "unknown ca",           "access denied" };
  const char *alert = strstr(facts->detail, "alert ");
  if (facts->result == CURLE_PEER_FAILED_VERIFICATION) {
    /* what libcurl says without a finding of its own is how it puts the alert of TLS 1.2 that the client's has expired; other words of
       this failure quote what the server chose */
    bool found = facts->verify_result != X509_V_OK && facts->verify_result != X509_V_ERR_UNSPECIFIED; /* where libcurl begins */
    return facts->certified && !found && strcmp(facts->detail, "SSL certificate verification failed") == 0 ? "certificate expired" : NULL;
  }
  for (size_t i = 0; alert && i < sizeof complaints / sizeof *complaints; i++)
    if (strncmp(alert + strlen("alert "), complaints[i], strlen(complaints[i])) == 0) return complaints[i];
  return NULL;
}


/* The server did not accept who the client is. */
static void classify_client(chsm_http_failure *failure, const chsm_http_facts *facts, const char *complaint) {
  if (!facts->certified)
    chsm_http_fail(failure, "tls", "ClientCertificateRequired", how_far(facts),
                   "%s wants a certificate of the client (%s); set client_certificate", facts->peer, complaint);
  else
    chsm_http_fail(failure, "tls", "ClientCertificateRefused", how_far(facts),
                   "%s refused the certificate of the client (%s); check client_certificate and which authorities the server trusts",
                   facts->peer, complaint);
}


/* The certificate was not accepted, or the handshake failed. Never retried without TLS. */
static void classify_tls(chsm_http_failure *failure, const chsm_http_facts *facts) {
  const char *sent = how_far(facts);
  if (facts->result != CURLE_PEER_FAILED_VERIFICATION)
    chsm_http_fail(failure, "tls", "TlsHandshakeFailed", sent,
                   "no TLS connection to %s (%.*s); check that the port speaks TLS 1.2 or newer", facts->peer, DETAIL, facts->detail);
  else if (is_for_another_host(facts))
    chsm_http_fail(failure, "tls", "CertificateHostMismatch", sent, "the certificate of %s is for another host (%.*s); check the endpoint",
                   facts->peer, DETAIL, facts->detail);
  else if (facts->verify_result == X509_V_ERR_CERT_HAS_EXPIRED)
    chsm_http_fail(failure, "tls", "CertificateExpired", sent,
                   "the certificate of %s has expired; check the clock of this machine and the server's certificate", facts->peer);
  else if (facts->verify_result == X509_V_ERR_CERT_NOT_YET_VALID)
    chsm_http_fail(failure, "tls", "CertificateNotYetValid", sent,
                   "the certificate of %s is not valid yet; check the clock of this machine", facts->peer);
  else
    chsm_http_fail(failure, "tls", "CertificateNotTrusted", sent,
                   "the certificate of %s is not trusted (%.*s); set ca_file to the right authority", facts->peer, DETAIL, facts->detail);
}


/* The connection ended before the answer did. After a status line the answer is cut, before it nobody knows what happened. */
static void classify_broken(chsm_http_failure *failure, const chsm_http_facts *facts) {
  if (facts->headed)
    chsm_http_fail(failure, "protocol", "TruncatedBody", how_far(facts), "%s closed the connection in the middle of its answer",
                   facts->peer);
  else if (facts->status)
    chsm_http_fail(failure, "protocol", "TruncatedHeaders", how_far(facts), "%s closed the connection in the middle of its headers",
                   facts->peer);
  else if (facts->result == CURLE_GOT_NOTHING || facts->result == CURLE_ABORTED_BY_CALLBACK || facts->result == CURLE_OK)
    chsm_http_fail(failure, "transport", "EmptyReply", how_far(facts), "%s closed the connection without an answer", facts->peer);
  else
    chsm_http_fail(failure, "transport", "ConnectionReset", how_far(facts), "the connection to %s broke before an answer came",
                   facts->peer);
}


/* libcurl did not accept what arrived, or what it was asked for; its words tell a broken chunk from a broken connection. */
static void classify_result(chsm_http_failure *failure, const chsm_http_facts *facts) {
  switch (facts->result) {
  case CURLE_COULDNT_RESOLVE_HOST:
    chsm_http_fail(failure, "transport", "CouldNotResolveHost", how_far(facts),
                   "the name of %s could not be resolved; check region, endpoint and DNS", facts->peer);
    break;
  case CURLE_COULDNT_RESOLVE_PROXY:
    chsm_http_fail(failure, "proxy", "CouldNotResolveProxy", how_far(facts),
                   "the name of the proxy on the way to %s could not be resolved; check the proxy setting", facts->peer);
    break;
  case CURLE_COULDNT_CONNECT: classify_connect(failure, facts); break;
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CONNECT_ERROR:
  case CURLE_SSL_CIPHER:
  case CURLE_SSL_INVALIDCERTSTATUS:
  case CURLE_SSL_ISSUER_ERROR:
  case CURLE_SSL_ENGINE_NOTFOUND: classify_tls(failure, facts); break;
#if LIBCURL_VERSION_NUM >= 0x074D00
  case CURLE_SSL_CLIENTCERT: classify_client(failure, facts, "certificate required"); break;
#endif
  case CURLE_SSL_CERTPROBLEM:
    chsm_http_fail(failure, "config", "ClientCertificateUnusable", how_far(facts),
                   "the certificate or the key of the client could not be loaded for %s; check client_certificate and client_key",
                   facts->peer);
    break;
  case CURLE_SSL_CACERT_BADFILE:
  case CURLE_SSL_CRL_BADFILE:
    chsm_http_fail(failure, "config", "CaFileUnusable", how_far(facts),
                   "the certificates to trust could not be loaded for %s; check ca_file, or install the system's CA certificates",
                   facts->peer);
    break;
#if LIBCURL_VERSION_NUM >= 0x074900
  case CURLE_PROXY:
    chsm_http_fail(failure, "proxy", "ProxyRefused", how_far(facts), "the proxy did not connect to %s; check the proxy setting",
                   facts->peer);
    break;
#endif
  case CURLE_UNSUPPORTED_PROTOCOL:
  case CURLE_WEIRD_SERVER_REPLY:
    if (facts->began)
      classify_refusal(failure, facts);
    else
      chsm_http_fail(failure, "config", "UnsupportedProtocol", "no",
                     "this libcurl cannot speak the protocol of the endpoint %s or of its proxy", facts->peer);
    break;
  case CURLE_BAD_CONTENT_ENCODING:
    chsm_http_fail(failure, "protocol", "UnsupportedEncoding", how_far(facts),
                   "the answer of %s is compressed, though none was asked for; check what stands between here and the service",
                   facts->peer);
    break;
#if LIBCURL_VERSION_NUM >= 0x080600
  case CURLE_TOO_LARGE:
#endif
  case CURLE_OUT_OF_MEMORY:
    /* libcurl says so, too, when one header line is longer than it ever accepts */
    if (facts->answered && !facts->headed)
      chsm_http_fail(failure, "protocol", "HeadersTooLarge", how_far(facts),
                     "a header of the answer of %s is longer than libcurl accepts; check the endpoint", facts->peer);
    else
      chsm_http_fail(failure, "transport", "OutOfMemory", how_far(facts), "no memory left for the exchange with %s", facts->peer);
    break;
  case CURLE_RECV_ERROR:
    if (facts->headed && strstr(facts->detail, "chunk"))
      classify_refusal(failure, facts);
    else if (facts->answered && !facts->headed && strstr(facts->detail, "header"))
      chsm_http_fail(failure, "protocol", "HeadersTooLarge", how_far(facts),
                     "the headers of the answer of %s are longer than libcurl accepts; check the endpoint", facts->peer);
    else
      classify_broken(failure, facts);
    break;
  case CURLE_OK:
  case CURLE_PARTIAL_FILE:
  case CURLE_GOT_NOTHING:
  case CURLE_SEND_ERROR:
  case CURLE_ABORTED_BY_CALLBACK: classify_broken(failure, facts); break;
  default:
    chsm_http_fail(failure, "transport", "TransportFailed", how_far(facts), "the exchange with %s failed: %s", facts->peer,
                   curl_easy_strerror(facts->result));
  }
}


/* Fills `failure` from what is known of an exchange that brought no acceptable answer. */
void chsm_http_classify(chsm_http_failure *failure, const chsm_http_facts *facts) {
  if (facts->refusal != CHSM_HTTP_FINE)
    classify_refusal(failure, facts);
  else if (facts->idle || facts->result == CURLE_OPERATION_TIMEDOUT)
    classify_timeout(failure, facts);
  else if (facts->connect_status >= 300 && !facts->answered)
    classify_tunnel(failure, facts);
  else if (client_complaint(facts))
    classify_client(failure, facts, client_complaint(facts));
  else
    classify_result(failure, facts);
  failure->status = facts->status;
}
