#include "http_check.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "ascii.h"
#include "buffer.h"
#include "file.h"

enum { MOST_CA_FILE = 16 * 1024 * 1024 };


/* Whether these bytes can name a header or a method. */
bool chsm_http_is_token(const char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (!chsm_ascii_is_token(bytes[i])) return false;
  return length > 0;
}


/* Whether these bytes hold no control byte but the tab: nothing that could end a line or cut a string. */
bool chsm_http_is_value(const char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (chsm_ascii_is_control(bytes[i]) && bytes[i] != '\t') return false;
  return true;
}


/* Whether these bytes are visible ASCII: the alphabet of a URL. */
bool chsm_http_is_printable(const char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (bytes[i] <= 0x20 || bytes[i] >= 0x7F) return false;
  return true;
}


/* NULL, or why the file was not read, as the end of a sentence about it. */
static const char *problem_of(chsm_file_status status) {
  switch (status) {
  case CHSM_FILE_READ:
  case CHSM_FILE_WRITTEN: return NULL;
  case CHSM_FILE_MISSING: return "does not exist";
  case CHSM_FILE_FORBIDDEN: return "cannot be opened";
  case CHSM_FILE_NOT_REGULAR: return "is not a regular file";
  case CHSM_FILE_TOO_LARGE:
  case CHSM_FILE_NO_MEMORY: return "is too large";
  case CHSM_FILE_NO_SPACE:
  case CHSM_FILE_BUSY:
  case CHSM_FILE_FAILED: break;
  }
  return "cannot be read";
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
  chsm_buffer content = { .cap = 0 };
  int error;
  const char *problem = problem_of(chsm_file_read(path, MOST_CA_FILE, &content, &error));
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
