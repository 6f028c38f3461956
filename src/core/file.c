#define _POSIX_C_SOURCE 200809L

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 4096 };


static chsm_file_status failure_of(int error) {
  switch (error) {
  case ENOENT:
  case ENOTDIR: return CHSM_FILE_MISSING;
  case EACCES:
  case EPERM: return CHSM_FILE_FORBIDDEN;
  default: return CHSM_FILE_UNREADABLE;
  }
}


/* Appends what is left of `fd`, byte by byte as it is now: the file may grow or shrink while it is read. */
static chsm_file_status read_all(int fd, size_t most, chsm_buffer *content, int *error) {
  for (;;) {
    if (chsm_buffer_reserve(content, CHUNK) != CHSM_OK) return CHSM_FILE_NO_MEMORY;
    ssize_t count = read(fd, content->bytes + content->length, CHUNK);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      *error = errno;
      return CHSM_FILE_UNREADABLE;
    }
    if (count == 0) return CHSM_FILE_READ;
    content->length += (size_t)count;
    if (content->length > most) return CHSM_FILE_TOO_LARGE;
  }
}


/* Appends the bytes of a regular file of at most `most` bytes to `content`, which the caller wipes, whatever the answer. A
   pipe or a device is refused without waiting for it. `*error` is the errno where the answer is CHSM_FILE_UNREADABLE. */
chsm_file_status chsm_file_read(const char *path, size_t most, chsm_buffer *content, int *error) {
  int fd;
  do {
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) {
    *error = errno;
    return failure_of(*error);
  }

  struct stat facts;
  chsm_file_status status;
  if (fstat(fd, &facts)) {
    *error = errno;
    status = CHSM_FILE_UNREADABLE;
  } else if (!S_ISREG(facts.st_mode)) {
    status = CHSM_FILE_NOT_REGULAR;
  } else {
    status = read_all(fd, most, content, error);
  }
  close(fd);
  return status;
}
