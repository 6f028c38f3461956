#ifndef CHSM_FILE_H
#define CHSM_FILE_H

#include "buffer.h"

#pragma GCC visibility push(hidden)

typedef enum {
  CHSM_FILE_READ,
  CHSM_FILE_WRITTEN,
  CHSM_FILE_MISSING, /* when writing: the folder */
  CHSM_FILE_FORBIDDEN,
  CHSM_FILE_NOT_REGULAR,
  CHSM_FILE_TOO_LARGE,
  CHSM_FILE_NO_MEMORY,
  CHSM_FILE_NO_SPACE,
  CHSM_FILE_BUSY, /* locked by another process, or elsewhere in this one */
  CHSM_FILE_FAILED
} chsm_file_status;

chsm_file_status chsm_file_read(const char *path, size_t most, chsm_buffer *content, int *error);
chsm_file_status chsm_file_write(const char *path, const char *bytes, size_t length, int *error);

/* For those who keep a file open. */
chsm_file_status chsm_file_succeed(const char *path, const char *temporary, const char *bytes, size_t length, int *kept, int *error);
chsm_file_status chsm_file_failure(int error);
int chsm_file_lock(int fd);
void chsm_file_sync_folder(const char *path);

#pragma GCC visibility pop

#endif
