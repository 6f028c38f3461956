#define _XOPEN_SOURCE 700 /* realpath */

#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 65536, LOCK_TRIES = 64 };

static const char SUFFIX[] = ".new"; /* of what a successor is called until it is whole */


/* Opens the regular file at `path`, which is made where there is none. -1: `*status` and `*error` say why. */
static int open_file(const char *path, chsm_file_status *status, int *error) {
  struct stat facts;
  int fd;
  do {
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0 || fstat(fd, &facts)) {
    *error = errno;
    *status = chsm_file_failure(*error);
  } else if (!S_ISREG(facts.st_mode)) {
    *error = 0;
    *status = CHSM_FILE_NOT_REGULAR;
  } else {
    return fd;
  }
  if (fd >= 0) close(fd);
  return -1;
}


/* Opens and locks the file at `path`. -1: `*status` and `*error` say why. Between the opening and the lock another may have put a
   successor in the file's place, and then it is the successor's lock that counts. */
static int open_locked(const char *path, chsm_file_status *status, int *error) {
  for (int tries = 0; tries < LOCK_TRIES; tries++) {
    struct stat held, named;
    int fd = open_file(path, status, error);
    if (fd < 0) return -1;
    *error = chsm_file_lock(fd);
    if (*error) {
      *status = *error == EWOULDBLOCK ? CHSM_FILE_BUSY : CHSM_FILE_FAILED;
      close(fd);
      return -1;
    }
    if (fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_dev == named.st_dev && held.st_ino == named.st_ino) return fd;
    close(fd);
  }
  *status = CHSM_FILE_BUSY;
  return -1;
}


/* Opens the journal at `path`, which is made where there is none, readable by its owner alone. CHSM_FILE_READ, or why not: then it is
   closed. CHSM_FILE_BUSY: another has it open. `*error` is the errno of CHSM_FILE_FAILED. */
chsm_file_status chsm_journal_open(chsm_journal *journal, const char *path, int *error) {
  chsm_file_status status;
  struct stat facts;
  *journal = (chsm_journal) { 0 };
  int fd = open_locked(path, &status, error);
  if (fd < 0) return status;

  journal->open = true;
  journal->fd = fd;
  journal->path = realpath(path, NULL);
  *error = errno;
  size_t size = journal->path ? strlen(journal->path) : 0;
  if (size) journal->temporary = malloc(size + sizeof SUFFIX);
  if (!journal->temporary || fstat(fd, &facts)) {
    status = !journal->path ? chsm_file_failure(*error) : journal->temporary ? CHSM_FILE_FAILED : CHSM_FILE_NO_MEMORY;
    chsm_journal_close(journal);
    return status;
  }
  memcpy(journal->temporary, journal->path, size);
  memcpy(journal->temporary + size, SUFFIX, sizeof SUFFIX);
  journal->length = (size_t)facts.st_size;
  unlink(journal->temporary); /* of a process that was killed while it wrote one */
  chsm_file_sync_folder(journal->path);
  return CHSM_FILE_READ;
}


/* Appends the whole file, of at most `most` bytes, to `content`, which the caller wipes, whatever the answer. */
chsm_file_status chsm_journal_read(chsm_journal *journal, size_t most, chsm_buffer *content, int *error) {
  size_t at = 0;
  while (true) {
    if (chsm_buffer_reserve(content, CHUNK) != CHSM_OK) return CHSM_FILE_NO_MEMORY;
    ssize_t count = pread(journal->fd, content->bytes + content->length, CHUNK, (off_t)at);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      *error = errno;
      return CHSM_FILE_FAILED;
    }
    if (count == 0) break;
    at += (size_t)count;
    content->length += (size_t)count;
    if (at > most) return CHSM_FILE_TOO_LARGE;
  }
  journal->length = at;
  return CHSM_FILE_READ;
}


/* Takes away what is behind `length`. 0, or the errno. */
static int cut(chsm_journal *journal, size_t length) {
  int failed;
  do {
    failed = ftruncate(journal->fd, (off_t)length);
  } while (failed && errno == EINTR);
  return failed ? errno : 0;
}


/* Writes everything behind what is there. 0, or the errno. */
static int write_behind(chsm_journal *journal, const char *bytes, size_t length) {
  size_t at = journal->length;
  while (length) {
    ssize_t count = pwrite(journal->fd, bytes, length, (off_t)at);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    bytes += count;
    at += (size_t)count;
    length -= (size_t)count;
  }
  return 0;
}


/* Has the content, and how much it is, on the disk. 0, or the errno. */
static int sync_content(int fd) {
  int failed;
  do {
#if defined(_POSIX_SYNCHRONIZED_IO) && _POSIX_SYNCHRONIZED_IO > 0
    failed = fdatasync(fd);
#else
    failed = fsync(fd);
#endif
  } while (failed && errno == EINTR);
  return failed ? errno : 0;
}


/* Appends bytes. CHSM_FILE_WRITTEN: they are on the disk. Else none of them are in the file, and it can be tried again. */
chsm_file_status chsm_journal_append(chsm_journal *journal, const char *bytes, size_t length, int *error) {
  if (length > (size_t)INT64_MAX - journal->length) return CHSM_FILE_TOO_LARGE;
  *error = journal->ragged ? cut(journal, journal->length) : 0;
  if (*error) return chsm_file_failure(*error);
  *error = write_behind(journal, bytes, length);
  if (!*error) *error = sync_content(journal->fd);
  journal->ragged = *error && cut(journal, journal->length);
  if (*error) return chsm_file_failure(*error);
  journal->length += length;
  return CHSM_FILE_WRITTEN;
}


/* Makes the file `length` bytes long, which is not more than it has. CHSM_FILE_WRITTEN: it is so on the disk. */
chsm_file_status chsm_journal_cut(chsm_journal *journal, size_t length, int *error) {
  *error = cut(journal, length);
  if (!*error) *error = sync_content(journal->fd);
  if (*error) return chsm_file_failure(*error);
  journal->length = length;
  journal->ragged = false;
  return CHSM_FILE_WRITTEN;
}


/* Puts a file of these bytes in the place of the journal's, whole or not at all. Where this fails the journal goes on in the old one. */
chsm_file_status chsm_journal_replace(chsm_journal *journal, const char *bytes, size_t length, int *error) {
  int fd;
  chsm_file_status status = chsm_file_succeed(journal->path, journal->temporary, bytes, length, &fd, error);
  if (status != CHSM_FILE_WRITTEN) return status;
  close(journal->fd);
  journal->fd = fd;
  journal->length = length;
  journal->ragged = false;
  return CHSM_FILE_WRITTEN;
}


/* Gives up the file and its lock. Safe to call twice. */
void chsm_journal_close(chsm_journal *journal) {
  if (journal->open) close(journal->fd);
  free(journal->path);
  free(journal->temporary);
  *journal = (chsm_journal) { 0 };
}
