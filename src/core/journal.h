#ifndef CHSM_JOURNAL_H
#define CHSM_JOURNAL_H

#include <stdbool.h>

#include "buffer.h"
#include "file.h"

#pragma GCC visibility push(hidden)

/* A file that grows by whole records and that this journal has for itself. Zero-initialised is a closed one. */
typedef struct chsm_journal {
  bool open;
  bool ragged; /* there may be bytes behind `length` */
  int fd;
  size_t length;   /* bytes that were read or appended */
  char *path;      /* owned: absolute, without links */
  char *temporary; /* owned: what its successor is called until it is whole */
} chsm_journal;

chsm_file_status chsm_journal_open(chsm_journal *journal, const char *path, int *error);
chsm_file_status chsm_journal_read(chsm_journal *journal, size_t most, chsm_buffer *content, int *error);
chsm_file_status chsm_journal_append(chsm_journal *journal, const char *bytes, size_t length, int *error);
chsm_file_status chsm_journal_cut(chsm_journal *journal, size_t length, int *error);
chsm_file_status chsm_journal_replace(chsm_journal *journal, const char *bytes, size_t length, int *error);
void chsm_journal_close(chsm_journal *journal);

#pragma GCC visibility pop

#endif
