#define _POSIX_C_SOURCE 200809L

#include "http_check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "buffer.h"

enum { MOST_CA_FILE = 16 * 1024 * 1024, READ_AT_ONCE = 64 * 1024 };


/* ASCII only, whatever the locale. */
char chsm_http_lower(char byte) { return byte >= 'A' && byte <= 'Z' ? (char)(byte + ('a' - 'A')) : byte; }


/* Whether these bytes can name a header or a method (RFC 9110, 5.6.2). */
bool chsm_http_is_token(const char *bytes, size_t length) {
  static const char marks[] = "!#$%&'*+-.^_`|~";
  for (size_t i = 0; i < length; i++) {
    char byte = chsm_http_lower(bytes[i]);
    bool letter = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
    if (!letter && !memchr(marks, byte, sizeof marks - 1)) return false;
  }
  return length > 0;
}


/* Whether these bytes hold no control byte but the tab: nothing that could end a line or cut a string. */
bool chsm_http_is_value(const char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) {
    unsigned char byte = (unsigned char)bytes[i];
    if ((byte < 0x20 && byte != '\t') || byte == 0x7F) return false;
  }
  return true;
}


/* Whether these bytes are visible ASCII: the alphabet of a URL. */
bool chsm_http_is_printable(const char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (bytes[i] <= 0x20 || bytes[i] >= 0x7F) return false;
  return true;
}


/* Reads a regular file, and never waits for one that is not. NULL, or why it could not be read. */
static const char *read_file(const char *path, chsm_buffer *content) {
  char bytes[READ_AT_ONCE];
  struct stat facts;
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) return errno == ENOENT ? "does not exist" : "cannot be opened";
  const char *problem = fstat(file, &facts) ? "cannot be read" : S_ISREG(facts.st_mode) ? NULL : "is not a regular file";
  while (!problem) {
    ssize_t count = read(file, bytes, sizeof bytes);
    if (count == 0) break;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0)
      problem = "cannot be read";
    else if (chsm_buffer_append(content, bytes, (size_t)count) != CHSM_OK)
      problem = "is too large";
  }
  close(file);
  return problem;
}


/* No password for an encrypted block: OpenSSL would ask at the terminal. */
static int no_password(char *buffer, int size, int writing, void *data) {
  (void)buffer, (void)size, (void)writing, (void)data;
  return -1;
}


/* NULL when the file holds at least one certificate in PEM, else what is wrong with it. libcurl would find out, too, but only on the
   first connection, and other TLS libraries read a file of nothing as nothing to complain about. The caller's queue of OpenSSL errors
   is as it was. */
const char *chsm_http_ca_problem(const char *path) {
  chsm_buffer content = { .cap = MOST_CA_FILE };
  const char *problem = read_file(path, &content);
  if (!problem && !content.length) problem = "is empty";
  if (!problem) {
    ERR_set_mark();
    BIO *input = BIO_new_mem_buf(content.bytes, (int)content.length);
    X509 *certificate = input ? PEM_read_bio_X509_AUX(input, NULL, no_password, NULL) : NULL;
    if (!certificate) problem = "holds no certificate in PEM";
    X509_free(certificate);
    BIO_free(input);
    ERR_pop_to_mark();
  }
  chsm_buffer_wipe(&content);
  return problem;
}
