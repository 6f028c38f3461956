#define _GNU_SOURCE    /* syscall */
#undef _FORTIFY_SOURCE /* makes an inline function of pread */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/core/journal.h"
#include "check.h"

/* ---- System calls that fail when told to: the program's own take the place of the C library's ---- */

enum call { NONE, PREAD, PWRITE, SYNC, CUT, LOCK, RENAME };

static struct {
  enum call call; /* the one that fails */
  int after;      /* how often it works before */
  int times;      /* how often it fails; 0: for good */
  int error;
  size_t most; /* bytes that one write takes; 0: all */
} fault;

static int locks; /* how often one was asked for */
static void (*before_lock)(void);


/* Whether this call has to fail now, with errno set. */
static int fails(enum call call) {
  if (fault.call != call || fault.after-- > 0) return 0;
  if (fault.times && --fault.times == 0) fault.call = NONE;
  errno = fault.error;
  return 1;
}


ssize_t pread(int fd, void *bytes, size_t length, off_t at) { return fails(PREAD) ? -1 : syscall(SYS_pread64, fd, bytes, length, at); }


ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
  if (fails(PWRITE)) return -1;
  return syscall(SYS_pwrite64, fd, bytes, fault.most && length > fault.most ? fault.most : length, at);
}


int fdatasync(int fd) { return fails(SYNC) ? -1 : (int)syscall(SYS_fdatasync, fd); }


int ftruncate(int fd, off_t length) { return fails(CUT) ? -1 : (int)syscall(SYS_ftruncate, fd, length); }


int flock(int fd, int operation) {
  void (*meanwhile)(void) = before_lock;
  before_lock = NULL;
  locks++;
  if (meanwhile) meanwhile();
  return fails(LOCK) ? -1 : (int)syscall(SYS_flock, fd, operation);
}


int rename(const char *from, const char *to) { return fails(RENAME) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0); }


/* ---- A folder for each test ---- */

static char folder[] = "/tmp/cloudhsmv2-test-XXXXXX";
static char path[PATH_MAX], beside[PATH_MAX];


static void begin(void) {
  memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
  CHECK(mkdtemp(folder) != NULL);
  snprintf(path, sizeof path, "%s/journal", folder);
  snprintf(beside, sizeof beside, "%s/journal.new", folder);
  memset(&fault, 0, sizeof fault);
  locks = 0;
}


/* Ends a test: the folder holds `files` files, and is removed. */
static void end(int files) {
  char command[PATH_MAX + 64];
  int count = -1;
  memset(&fault, 0, sizeof fault);
  snprintf(command, sizeof command, "ls -A %s | wc -l", folder);
  FILE *pipe = popen(command, "r");
  CHECK(pipe && fscanf(pipe, "%d", &count) == 1);
  if (pipe) pclose(pipe);
  CHECK_EQ_INT(files, count);
  snprintf(command, sizeof command, "rm -rf %s", folder);
  CHECK(system(command) == 0);
}


static chsm_journal open_journal(void) {
  chsm_journal journal;
  int error = 0;
  CHECK_EQ_INT(CHSM_FILE_READ, chsm_journal_open(&journal, path, &error));
  return journal;
}


static chsm_file_status append(chsm_journal *journal, const char *text) {
  int error = 0;
  return chsm_journal_append(journal, text, strlen(text), &error);
}


/* What the file holds, as the journal reads it. */
static void check_read(chsm_journal *journal, const char *expected) {
  chsm_buffer content = { 0 };
  int error = 0;
  CHECK_EQ_INT(CHSM_FILE_READ, chsm_journal_read(journal, 1 << 20, &content, &error));
  CHECK_EQ_BYTES(expected, content.bytes, content.length);
  CHECK_EQ_INT(strlen(expected), journal->length);
  chsm_buffer_wipe(&content);
}


/* What the file at the path holds. */
static void check_file(const char *expected) {
  chsm_buffer content = { 0 };
  int error = 0;
  CHECK_EQ_INT(CHSM_FILE_READ, chsm_file_read(path, 1 << 20, &content, &error));
  CHECK_EQ_BYTES(expected, content.bytes, content.length);
  chsm_buffer_wipe(&content);
}


static void put_file(const char *at, const char *content) {
  int error = 0;
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, chsm_file_write(at, content, strlen(content), &error));
}


/* ---- Tests ---- */

static void what_was_appended_is_there_when_it_is_opened_again(void) {
  struct stat facts;
  begin();
  chsm_journal journal = open_journal();
  check_read(&journal, "");
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, append(&journal, "one\n"));
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, append(&journal, ""));
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, append(&journal, "two\n"));
  check_read(&journal, "one\ntwo\n");
  chsm_journal_close(&journal);
  journal = open_journal();
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, append(&journal, "three\n")); /* without having read it */
  check_read(&journal, "one\ntwo\nthree\n");
  CHECK(stat(path, &facts) == 0);
  CHECK_EQ_INT(0600, facts.st_mode & 07777);
  chsm_journal_close(&journal);
  end(1);
}


static void reading_has_a_limit_and_may_fail(void) {
  chsm_buffer content = { 0 };
  int error = 0;
  begin();
  put_file(path, "0123456789");
  chsm_journal journal = open_journal();
  CHECK_EQ_INT(CHSM_FILE_READ, chsm_journal_read(&journal, 10, &content, &error));
  CHECK_EQ_INT(CHSM_FILE_TOO_LARGE, chsm_journal_read(&journal, 9, &content, &error));
  fault.call = PREAD;
  fault.error = EIO;
  CHECK_EQ_INT(CHSM_FILE_FAILED, chsm_journal_read(&journal, 10, &content, &error));
  CHECK_EQ_INT(EIO, error);
  fault.call = PREAD;
  fault.times = 1;
  fault.error = EINTR;
  CHECK_EQ_INT(CHSM_FILE_READ, chsm_journal_read(&journal, 10, &content, &error));
  chsm_buffer_wipe(&content);
  chsm_journal_close(&journal);
  end(1);
}


static void only_one_has_it_open(void) {
  chsm_journal second;
  int error = 0, status = -1;
  begin();
  chsm_journal first = open_journal();
  CHECK_EQ_INT(CHSM_FILE_BUSY, chsm_journal_open(&second, path, &error));
  pid_t child = fork();
  if (child == 0) _exit(chsm_journal_open(&second, path, &error) == CHSM_FILE_BUSY ? 42 : 1);
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
  CHECK_EQ_INT(42, WEXITSTATUS(status));
  chsm_journal_close(&first);
  chsm_journal_close(&first);
  second = open_journal();
  chsm_journal_close(&second);
  end(1);
}


static void it_can_fail_to_lock(void) {
  chsm_journal journal;
  int error = 0;
  begin();
  fault.call = LOCK;
  fault.error = ENOLCK;
  CHECK_EQ_INT(CHSM_FILE_FAILED, chsm_journal_open(&journal, path, &error));
  CHECK_EQ_INT(ENOLCK, error);
  CHECK(!journal.open);
  fault.times = 1;
  fault.error = EINTR;
  journal = open_journal();
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, append(&journal, "x"));
  chsm_journal_close(&journal);
  end(1);
}


static chsm_journal holder;


/* Another, who holds the lock, puts a successor in place and is done. */
static void succeed_and_leave(void) {
  int error = 0;
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, chsm_journal_replace(&holder, "new", 3, &error));
  chsm_journal_close(&holder);
}


static void a_successor_that_came_before_the_lock_is_the_one_that_is_opened(void) {
  begin();
  holder = open_journal();
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, append(&holder, "old"));
  locks = 0;
  before_lock = succeed_and_leave;
  chsm_journal journal = open_journal();
  CHECK_EQ_INT(3, locks); /* the successor's, that of the old file, that of the successor again */
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, append(&journal, "er"));
  check_file("newer");
  chsm_journal_close(&journal);
  end(1);
}


static void short_and_interrupted_calls_go_on(void) {
  static const enum call calls[] = { PWRITE, SYNC };
  begin();
  chsm_journal journal = open_journal();
  fault.most = 3;
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, append(&journal, "in many pieces"));
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    fault.call = calls[i];
    fault.after = calls[i] == PWRITE ? 1 : 0;
    fault.times = 1;
    fault.error = EINTR;
    CHECK_EQ_INT(CHSM_FILE_WRITTEN, append(&journal, ", more"));
    CHECK_EQ_INT(NONE, fault.call);
  }
  check_file("in many pieces, more, more");
  chsm_journal_close(&journal);
  end(1);
}


static void an_append_that_fails_leaves_nothing_and_can_be_tried_again(void) {
  static const struct {
    enum call call;
    int after, error;
    chsm_file_status status;
  } cases[] = {
    { PWRITE, 0, ENOSPC, CHSM_FILE_NO_SPACE }, { PWRITE, 2, ENOSPC, CHSM_FILE_NO_SPACE }, { PWRITE, 1, EDQUOT, CHSM_FILE_NO_SPACE },
    { PWRITE, 1, EFBIG, CHSM_FILE_TOO_LARGE }, { PWRITE, 1, EIO, CHSM_FILE_FAILED },      { SYNC, 0, EIO, CHSM_FILE_FAILED },
    { SYNC, 0, ENOSPC, CHSM_FILE_NO_SPACE },
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int error = 0;
    begin();
    chsm_journal journal = open_journal();
    CHECK_EQ_INT(CHSM_FILE_WRITTEN, append(&journal, "kept\n"));
    fault.call = cases[i].call;
    fault.after = cases[i].after;
    fault.error = cases[i].error;
    fault.most = 3;
    CHECK_EQ_INT(cases[i].status, chsm_journal_append(&journal, "lost for good\n", 14, &error));
    CHECK_EQ_INT(cases[i].error, error);
    check_file("kept\n");
    memset(&fault, 0, sizeof fault);
    CHECK_EQ_INT(CHSM_FILE_WRITTEN, append(&journal, "new\n"));
    check_file("kept\nnew\n");
    chsm_journal_close(&journal);
    end(1);
  }
}


static void what_could_not_be_taken_away_is_taken_away_before_the_next_append(void) {
  begin();
  chsm_journal journal = open_journal();
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, append(&journal, "kept\n"));
  fault.call = CUT;
  fault.error = EIO;
  journal.ragged = true; /* as after an append that failed */
  CHECK_EQ_INT(CHSM_FILE_FAILED, append(&journal, "no\n"));
  CHECK(journal.ragged);
  memset(&fault, 0, sizeof fault);
  CHECK_EQ_INT(3, pwrite(journal.fd, "???", 3, 5));
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, append(&journal, "x"));
  check_file("kept\nx");
  CHECK(!journal.ragged);
  chsm_journal_close(&journal);
  end(1);
}


static void it_is_cut_where_it_is_told_to(void) {
  int error = 0;
  begin();
  put_file(path, "whole\ntorn");
  chsm_journal journal = open_journal();
  check_read(&journal, "whole\ntorn");
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, chsm_journal_cut(&journal, 6, &error));
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, append(&journal, "next\n"));
  check_file("whole\nnext\n");
  fault.call = CUT;
  fault.error = EIO;
  CHECK_EQ_INT(CHSM_FILE_FAILED, chsm_journal_cut(&journal, 1, &error));
  fault.call = SYNC;
  CHECK_EQ_INT(CHSM_FILE_FAILED, chsm_journal_cut(&journal, 11, &error));
  chsm_journal_close(&journal);
  end(1);
}


static void it_is_replaced_as_a_whole_and_stays_locked(void) {
  chsm_journal second;
  int error = 0;
  begin();
  put_file(beside, "left behind by a process that was killed");
  chsm_journal journal = open_journal();
  CHECK(access(beside, F_OK) != 0);
  put_file(beside, "in the way");
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, append(&journal, "long and old\n"));
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, chsm_journal_replace(&journal, "short\n", 6, &error));
  check_file("short\n");
  CHECK_EQ_INT(CHSM_FILE_BUSY, chsm_journal_open(&second, path, &error));
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, append(&journal, "next\n"));
  check_file("short\nnext\n");
  check_read(&journal, "short\nnext\n");
  chsm_journal_close(&journal);
  end(1);
}


static void a_replacement_that_fails_leaves_the_old_one_in_use(void) {
  static const struct {
    enum call call;
    int error;
    chsm_file_status status;
  } cases[] = { { LOCK, ENOLCK, CHSM_FILE_FAILED }, { RENAME, ENOSPC, CHSM_FILE_NO_SPACE }, { RENAME, EACCES, CHSM_FILE_FORBIDDEN } };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int error = 0;
    begin();
    chsm_journal journal = open_journal();
    CHECK_EQ_INT(CHSM_FILE_WRITTEN, append(&journal, "old"));
    fault.call = cases[i].call;
    fault.error = cases[i].error;
    CHECK_EQ_INT(cases[i].status, chsm_journal_replace(&journal, "new", 3, &error));
    memset(&fault, 0, sizeof fault);
    CHECK_EQ_INT(CHSM_FILE_WRITTEN, append(&journal, "er"));
    check_file("older");
    chsm_journal_close(&journal);
    end(1);
  }
  int error = 0;
  begin();
  chsm_journal journal = open_journal();
  CHECK(mkdir(beside, 0700) == 0);
  CHECK(chsm_journal_replace(&journal, "new", 3, &error) != CHSM_FILE_WRITTEN);
  chsm_journal_close(&journal);
  end(2);
}


static void a_link_stays_and_leads_to_the_successor(void) {
  char link[PATH_MAX];
  chsm_journal journal;
  struct stat facts;
  int error = 0;
  begin();
  snprintf(link, sizeof link, "%s/link", folder);
  CHECK(symlink("journal", link) == 0);
  CHECK_EQ_INT(CHSM_FILE_READ, chsm_journal_open(&journal, link, &error));
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, chsm_journal_replace(&journal, "new", 3, &error));
  check_file("new");
  CHECK(lstat(link, &facts) == 0 && S_ISLNK(facts.st_mode));
  chsm_journal_close(&journal);
  end(2);
}


static void a_relative_path_means_the_folder_it_was_opened_in(void) {
  char before[PATH_MAX];
  chsm_journal journal;
  int error = 0;
  begin();
  CHECK(getcwd(before, sizeof before) != NULL && chdir(folder) == 0);
  CHECK_EQ_INT(CHSM_FILE_READ, chsm_journal_open(&journal, "journal", &error));
  CHECK(chdir(before) == 0);
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, chsm_journal_replace(&journal, "new", 3, &error));
  check_file("new");
  chsm_journal_close(&journal);
  end(1);
}


static void only_a_regular_file_in_a_folder_that_is_there_is_opened(void) {
  chsm_journal journal;
  char inside[PATH_MAX + 8];
  int error = 0;
  begin();
  CHECK_EQ_INT(CHSM_FILE_NOT_REGULAR, chsm_journal_open(&journal, folder, &error));
  CHECK_EQ_INT(CHSM_FILE_NOT_REGULAR, chsm_journal_open(&journal, "/dev/null", &error));
  snprintf(inside, sizeof inside, "%s/none/journal", folder);
  CHECK_EQ_INT(CHSM_FILE_MISSING, chsm_journal_open(&journal, inside, &error));
  CHECK_EQ_INT(CHSM_FILE_MISSING, chsm_journal_open(&journal, "", &error));
  CHECK(!journal.open);
  chsm_journal_close(&journal);
  end(0);
}


int main(void) {
  what_was_appended_is_there_when_it_is_opened_again();
  reading_has_a_limit_and_may_fail();
  only_one_has_it_open();
  it_can_fail_to_lock();
  a_successor_that_came_before_the_lock_is_the_one_that_is_opened();
  short_and_interrupted_calls_go_on();
  an_append_that_fails_leaves_nothing_and_can_be_tried_again();
  what_could_not_be_taken_away_is_taken_away_before_the_next_append();
  it_is_cut_where_it_is_told_to();
  it_is_replaced_as_a_whole_and_stays_locked();
  a_replacement_that_fails_leaves_the_old_one_in_use();
  a_link_stays_and_leads_to_the_successor();
  a_relative_path_means_the_folder_it_was_opened_in();
  only_a_regular_file_in_a_folder_that_is_there_is_opened();
  return check_finish();
}
