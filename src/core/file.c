#define _POSIX_C_SOURCE 200809L

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/rand.h>

#include "hex.h"

enum { CHUNK = 4096, MOST_LINKS = 40, RANDOM = 8, NAME_TRIES = 8 };

static const char PREFIX[] = ".cloudhsmv2-"; /* of temporary files */


static chsm_file_status failure_of(int error) {
  switch (error) {
  case ENOENT:
  case ENOTDIR: return CHSM_FILE_MISSING;
  case EACCES:
  case EPERM:
  case EROFS: return CHSM_FILE_FORBIDDEN;
  case ENOSPC:
  case EDQUOT: return CHSM_FILE_NO_SPACE;
  default: return CHSM_FILE_FAILED;
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
      return CHSM_FILE_FAILED;
    }
    if (count == 0) return CHSM_FILE_READ;
    content->length += (size_t)count;
    if (content->length > most) return CHSM_FILE_TOO_LARGE;
  }
}


/* Appends the bytes of a regular file of at most `most` bytes to `content`, which the caller wipes, whatever the answer. A
   pipe or a device is refused without waiting for it. `*error` is the errno where the answer is CHSM_FILE_FAILED. */
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
    status = CHSM_FILE_FAILED;
  } else if (!S_ISREG(facts.st_mode)) {
    status = CHSM_FILE_NOT_REGULAR;
  } else {
    status = read_all(fd, most, content, error);
  }
  close(fd);
  return status;
}


/* Follows `path`, in a buffer of PATH_MAX, for as long as it names a symbolic link, also where nothing is at the end: a file is replaced
   where it is, and the link to it, which somebody made on purpose, stays. False: `*error` says why. */
static bool follow_links(char path[PATH_MAX], int *error) {
  for (int links = 0; links < MOST_LINKS; links++) {
    char target[PATH_MAX];
    ssize_t length = readlink(path, target, sizeof target);
    if (length < 0) {
      *error = errno;
      return errno == EINVAL || errno == ENOENT; /* no link; nothing there, or no folder, which opening will tell */
    }
    const char *slash = strrchr(path, '/');
    size_t folder = slash && target[0] != '/' ? (size_t)(slash - path) + 1 : 0; /* a relative target begins at the link's folder */
    if (folder + (size_t)length >= PATH_MAX) break;
    memcpy(path + folder, target, (size_t)length);
    path[folder + (size_t)length] = '\0';
  }
  *error = ELOOP;
  return false;
}


/* Opens a new file with an unpredictable name, written to `temporary`, in the folder of `path`. -1: `*error` says why. */
static int open_temporary(const char *path, char temporary[PATH_MAX], int *error) {
  const char *slash = strrchr(path, '/');
  size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
  if (folder + sizeof PREFIX + 2 * RANDOM > PATH_MAX) {
    *error = ENAMETOOLONG;
    return -1;
  }
  memcpy(temporary, path, folder);
  memcpy(temporary + folder, PREFIX, sizeof PREFIX - 1);
  char *digits = temporary + folder + sizeof PREFIX - 1;
  digits[2 * RANDOM] = '\0';
  for (int tries = 0; tries < NAME_TRIES; tries++) {
    unsigned char random[RANDOM];
    ERR_set_mark();
    bool good = RAND_bytes(random, RANDOM) == 1;
    ERR_pop_to_mark();
    *error = EIO;
    if (!good) return -1;
    chsm_hex_write(random, RANDOM, digits);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd >= 0) return fd;
    *error = errno;
    if (errno != EEXIST && errno != EINTR) return -1;
  }
  return -1;
}


/* Writes everything and has it on the disk. 0, or the errno. */
static int fill(int fd, const char *bytes, size_t length) {
  struct stat facts;
  if (fstat(fd, &facts)) return errno;
  if ((facts.st_mode & 0777) != 0600 && fchmod(fd, 0600)) return errno; /* an unusual umask */
  while (length) {
    ssize_t count = write(fd, bytes, length);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    bytes += count;
    length -= (size_t)count;
  }
  int failed;
  do {
    failed = fsync(fd);
  } while (failed && errno == EINTR);
  return failed ? errno : 0;
}


/* Has the new name in the folder on the disk, too, where the folder can be opened. Without it a crash may bring the old file back. */
static void sync_folder(char path[PATH_MAX]) {
  char *slash = strrchr(path, '/');
  if (slash) slash[slash == path] = '\0';
  int fd = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}


/* Replaces the file at `path`, or makes it, so that whoever reads it sees the old content or the new one, never a part; only its owner
   can read it. Where this fails the old file is as it was and nothing is left behind. `*error` is the errno of CHSM_FILE_FAILED. */
chsm_file_status chsm_file_write(const char *path, const char *bytes, size_t length, int *error) {
  char target[PATH_MAX], temporary[PATH_MAX];
  struct stat facts;
  size_t size = strlen(path) + 1;
  *error = ENAMETOOLONG;
  if (size > sizeof target) return CHSM_FILE_FAILED;
  memcpy(target, path, size);
  if (!follow_links(target, error)) return failure_of(*error);
  if (stat(target, &facts) == 0 && !S_ISREG(facts.st_mode)) return CHSM_FILE_NOT_REGULAR;

  int fd = open_temporary(target, temporary, error);
  if (fd < 0) return failure_of(*error);
  *error = fill(fd, bytes, length);
  if (close(fd) && errno != EINTR && !*error) *error = errno; /* some file systems tell only now that there is no space */
  if (!*error && rename(temporary, target)) *error = errno;
  if (*error) {
    unlink(temporary);
    return failure_of(*error);
  }
  sync_folder(target);
  return CHSM_FILE_WRITTEN;
}
