#define _POSIX_C_SOURCE 200809L

#include "http_check.h"

#include <dirent.h>
#include <stdint.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "ascii.h"
#include "buffer.h"
#include "file.h"

enum { MOST_CA_FILE = 16 * 1024 * 1024, MOST_CLIENT_FILE = 1024 * 1024 };


/* Whether these bytes can name a header or a method. */
bool chsm_http_is_token(const char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (!chsm_ascii_is_token(bytes[i])) return false;
  return length > 0;
}


/* A value without the blanks around it: those are not part of it. libcurl takes one of blanks alone for a header to leave out. */
chsm_http_text chsm_http_trim(chsm_http_text value) {
  while (value.length && (*value.bytes == ' ' || *value.bytes == '\t'))
    value.bytes++, value.length--;
  while (value.length && (value.bytes[value.length - 1] == ' ' || value.bytes[value.length - 1] == '\t'))
    value.length--;
  return value;
}


/* Whether eight bytes hold no control byte, the tab included. */
static bool is_plain(const char *bytes) {
  static const uint64_t ones = UINT64_MAX / 255, tops = UINT64_MAX / 255 * 128;
  uint64_t eight, deletes;
  memcpy(&eight, bytes, sizeof eight);
  deletes = eight ^ ones * 0x7F;
  return !(((eight - ones * 0x20) & ~eight & tops) | ((deletes - ones) & ~deletes & tops));
}


/* Whether these bytes hold no control byte but the tab: nothing that could end a line or cut a string. Most are looked at eight at a time:
   a session token is long. */
bool chsm_http_is_value(const char *bytes, size_t length) {
  size_t plain = 0;
  while (length - plain >= 8 && is_plain(bytes + plain))
    plain += 8;
  for (size_t i = plain; i < length; i++)
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


/* No password for an encrypted block: OpenSSL would ask at the terminal. Notes at `data`, unless NULL, that one was needed. */
static int no_password(char *buffer, int size, int writing, void *data) {
  (void)buffer, (void)size, (void)writing;
  if (data) *(bool *)data = true;
  return -1;
}


/* Opens a file of at most `most` bytes for OpenSSL, into `content`, which the caller wipes after the input is freed. NULL, and why. */
static BIO *open_file(const char *path, size_t most, chsm_buffer *content, const char **problem) {
  int error;
  *problem = problem_of(chsm_file_read(path, most, content, &error));
  if (!*problem && !content->length) *problem = "is empty";
  BIO *input = *problem ? NULL : BIO_new_mem_buf(content->bytes, (int)content->length);
  if (!*problem && !input) *problem = "is too large";
  return input;
}


/* The first certificate of the file; NULL, and why. */
static X509 *read_certificate(const char *path, size_t most, const char **problem) {
  chsm_buffer content = { .cap = 0 };
  BIO *input = open_file(path, most, &content, problem);
  X509 *certificate = input ? PEM_read_bio_X509_AUX(input, NULL, no_password, NULL) : NULL;
  if (input && !certificate) *problem = "holds no certificate in PEM";
  BIO_free(input);
  chsm_buffer_wipe(&content);
  return certificate;
}


/* The first private key of the file; NULL, and why. */
static EVP_PKEY *read_key(const char *path, const char **problem) {
  chsm_buffer content = { .cap = 0 };
  bool encrypted = false;
  BIO *input = open_file(path, MOST_CLIENT_FILE, &content, problem);
  EVP_PKEY *key = input ? PEM_read_bio_PrivateKey(input, NULL, no_password, &encrypted) : NULL;
  if (input && !key)
    *problem = encrypted ? "holds an encrypted key; decrypt it, since nobody is asked for its password" : "holds no private key in PEM";
  BIO_free(input);
  chsm_buffer_wipe(&content);
  return key;
}


static const char *certificate_problem(const char *path, size_t most) {
  const char *problem;
  ERR_set_mark();
  X509_free(read_certificate(path, most, &problem));
  ERR_pop_to_mark();
  return problem;
}


/* NULL when the file holds at least one certificate in PEM, else what is wrong with it. libcurl would find out, too, but only on the
   first connection, and other TLS libraries read a file of nothing as nothing to complain about. The caller's queue of OpenSSL errors
   is as it was. */
const char *chsm_http_ca_problem(const char *path) { return certificate_problem(path, MOST_CA_FILE); }


/* The same for the certificate of a client. */
const char *chsm_http_certificate_problem(const char *path) { return certificate_problem(path, MOST_CLIENT_FILE); }


/* NULL when the file holds the private key of the first certificate of the other file, and needs no password; else what is wrong with it.
   The caller's queue of OpenSSL errors is as it was. */
const char *chsm_http_key_problem(const char *path, const char *certificate_path) {
  const char *problem, *other;
  ERR_set_mark();
  EVP_PKEY *key = read_key(path, &problem);
  X509 *certificate = key ? read_certificate(certificate_path, MOST_CLIENT_FILE, &other) : NULL;
  if (key && (!certificate || X509_check_private_key(certificate, key) != 1)) problem = "does not belong to the certificate";
  X509_free(certificate);
  EVP_PKEY_free(key);
  ERR_pop_to_mark();
  return problem;
}


/* Whether a folder holds certificates under the names that OpenSSL looks for: eight hexadecimal digits, a dot, a number. */
bool chsm_http_is_ca_folder(const char *path) {
  static const char digits[] = "0123456789abcdef";
  enum { HASH = 8 };
  bool found = false;
  DIR *folder = opendir(path);
  struct dirent *entry;
  while (folder && !found && (entry = readdir(folder))) {
    const char *name = entry->d_name;
    found = strspn(name, digits) == HASH && name[HASH] == '.' && chsm_ascii_is_digit(name[HASH + 1]);
  }
  if (folder) closedir(folder);
  return found;
}
