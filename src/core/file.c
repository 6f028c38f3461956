#define _POSIX_C_SOURCE 200809L

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/rand.h>

#include "hex.h"

enum { CHUNK = 4096, MOST_LINKS = 40, RANDOM = 8, NAME_TRIES = 8 };

static const char PREFIX[] = ".cloudhsmv2-"; /* of temporary files */


/* What an errno means. */
chsm_file_status chsm_file_failure(int error) {
  switch (error) {
  case ENOENT:
  case ENOTDIR: return CHSM_FILE_MISSING;
  case EACCES:
  case EPERM:
  case EROFS: return CHSM_FILE_FORBIDDEN;
  case EISDIR: return CHSM_FILE_NOT_REGULAR;
  case EFBIG: return CHSM_FILE_TOO_LARGE;
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
    return chsm_file_failure(*error);
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


/* Opens `temporary`, which was left behind if it is there. -1: `*error` says why. */
static int open_beside(const char *temporary, int *error) {
  unlink(temporary);
  int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
  *error = errno;
  return fd;
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


/* Has a new name in the folder on the disk, too, where the folder can be opened. Without it a crash may bring the old file back. */
void chsm_file_sync_folder(const char *path) {
  char folder[PATH_MAX];
  const char *slash = strrchr(path, '/');
  size_t length = slash ? (size_t)(slash - path) : 0;
  if (length >= sizeof folder) return;
  memcpy(folder, path, length);
  folder[length] = '\0';
  int fd = open(length ? folder : slash ? "/" : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}


/* Takes an exclusive lock, or fails at once. 0, or the errno. */
int chsm_file_lock(int fd) {
  int failed;
  do {
    failed = flock(fd, LOCK_EX | LOCK_NB);
  } while (failed && errno == EINTR);
  return failed ? errno : 0;
}


/* Writes a new file that is open at `fd` and gives it the name `path`. Where this fails it is gone. 0, or the errno. With `lasting` it is
   locked before it has its name, and stays open. */
static int finish(int fd, const char *temporary, const char *path, const char *bytes, size_t length, bool lasting) {
  int error = fill(fd, bytes, length);
  if (lasting && !error) error = chsm_file_lock(fd);
  if (!lasting && close(fd) && errno != EINTR && !error) error = errno; /* some file systems tell only now that there is no space */
  if (!error && rename(temporary, path)) error = errno;
  if (error) {
    unlink(temporary);
    if (lasting) close(fd);
    return error;
  }
  chsm_file_sync_folder(path);
  return 0;
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
  if (!follow_links(target, error)) return chsm_file_failure(*error);
  if (stat(target, &facts) == 0 && !S_ISREG(facts.st_mode)) return CHSM_FILE_NOT_REGULAR;

  int fd = open_temporary(target, temporary, error);
  if (fd < 0) return chsm_file_failure(*error);
  *error = finish(fd, temporary, target, bytes, length, false);
  return *error ? chsm_file_failure(*error) : CHSM_FILE_WRITTEN;
}


/* As chsm_file_write, for one who has the lock of the file at `path`, which is no link: the new file is locked from before it has its
   name, and stays open for reading and writing at `*kept`. It is written as `temporary`, in the same folder; one that a process which was
   killed has left there is replaced. */
chsm_file_status chsm_file_succeed(const char *path, const char *temporary, const char *bytes, size_t length, int *kept, int *error) {
  int fd = open_beside(temporary, error);
  if (fd < 0) return chsm_file_failure(*error);
  *error = finish(fd, temporary, path, bytes, length, true);
  if (*error) return chsm_file_failure(*error);
  *kept = fd;
  return CHSM_FILE_WRITTEN;
}
