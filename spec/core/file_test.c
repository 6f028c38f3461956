#define _GNU_SOURCE /* syscall */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../src/core/file.h"
#include "check.h"

/* ---- System calls that fail when told to: the program's own take the place of the C library's ---- */

enum call { NONE, WRITE, SYNC, CLOSE, RENAME };

static struct {
  enum call call; /* the one that fails */
  int after;      /* how often it works before */
  int error;
  size_t most; /* bytes that one write takes; 0: all */
} fault;


/* Whether this call has to fail now, with errno set. */
static int fails(enum call call) {
  if (fault.call != call || fault.after-- > 0) return 0;
  if (fault.error == EINTR) fault.call = NONE; /* once */
  errno = fault.error;
  return 1;
}


ssize_t write(int fd, const void *bytes, size_t length) {
  if (fails(WRITE)) return -1;
  return syscall(SYS_write, fd, bytes, fault.most && length > fault.most ? fault.most : length);
}


int fsync(int fd) { return fails(SYNC) ? -1 : (int)syscall(SYS_fsync, fd); }


int close(int fd) {
  int failed = fails(CLOSE), error = errno;
  int result = (int)syscall(SYS_close, fd);
  if (!failed) return result;
  errno = error;
  return -1;
}


int rename(const char *from, const char *to) { return fails(RENAME) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0); }


/* ---- A folder for each test ---- */

static char folder[] = "/tmp/cloudhsmv2-test-XXXXXX";
static char path[PATH_MAX];


static void begin(void) {
  memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
  CHECK(mkdtemp(folder) != NULL);
  snprintf(path, sizeof path, "%s/file", folder);
  memset(&fault, 0, sizeof fault);
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


static chsm_file_status put(const char *at, const char *content) {
  int error = 0;
  return chsm_file_write(at, content, strlen(content), &error);
}


static void check_content(const char *at, const char *expected) {
  chsm_buffer content = { 0 };
  int error;
  CHECK_EQ_INT(CHSM_FILE_READ, chsm_file_read(at, 1 << 20, &content, &error));
  CHECK_EQ_BYTES(expected, content.bytes, content.length);
  chsm_buffer_wipe(&content);
}


static void check_mode(const char *at) {
  struct stat facts;
  CHECK(stat(at, &facts) == 0);
  CHECK_EQ_INT(0600, facts.st_mode & 07777);
}


/* ---- Tests ---- */

static void a_file_is_made_and_replaced_for_its_owner_alone(void) {
  begin();
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, put(path, "first"));
  check_content(path, "first");
  check_mode(path);
  CHECK(chmod(path, 0666) == 0);
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, put(path, ""));
  check_content(path, "");
  check_mode(path);
  end(1);
}


static void no_umask_changes_who_can_read_it(void) {
  static const mode_t masks[] = { 0, 0777, 0277, 077 };
  for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
    begin();
    mode_t before = umask(masks[i]);
    CHECK_EQ_INT(CHSM_FILE_WRITTEN, put(path, "content"));
    umask(before);
    check_mode(path);
    end(1);
  }
}


static void whoever_has_the_old_file_open_goes_on_reading_it(void) {
  char byte;
  begin();
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, put(path, "a"));
  int fd = open(path, O_RDONLY);
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, put(path, "b"));
  CHECK(read(fd, &byte, 1) == 1 && byte == 'a');
  close(fd);
  check_content(path, "b");
  end(1);
}


static void short_and_interrupted_calls_go_on(void) {
  begin();
  fault.most = 3;
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, put(path, "in many pieces"));
  check_content(path, "in many pieces");
  static const enum call calls[] = { WRITE, SYNC, CLOSE };
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    fault.call = calls[i];
    fault.after = calls[i] == WRITE ? 2 : 0;
    fault.error = EINTR;
    CHECK_EQ_INT(CHSM_FILE_WRITTEN, put(path, "again, in pieces"));
    CHECK_EQ_INT(NONE, fault.call);
    check_content(path, "again, in pieces");
  }
  end(1);
}


static void whatever_fails_leaves_the_old_file_and_nothing_else(void) {
  static const struct {
    enum call call;
    int after, error;
    chsm_file_status status;
  } cases[] = {
    { WRITE, 0, ENOSPC, CHSM_FILE_NO_SPACE },  { WRITE, 1, ENOSPC, CHSM_FILE_NO_SPACE }, { WRITE, 1, EDQUOT, CHSM_FILE_NO_SPACE },
    { WRITE, 1, EIO, CHSM_FILE_FAILED },       { SYNC, 0, EIO, CHSM_FILE_FAILED },       { SYNC, 0, ENOSPC, CHSM_FILE_NO_SPACE },
    { CLOSE, 0, EDQUOT, CHSM_FILE_NO_SPACE },  { RENAME, 0, EIO, CHSM_FILE_FAILED },     { RENAME, 0, EACCES, CHSM_FILE_FORBIDDEN },
    { RENAME, 0, EROFS, CHSM_FILE_FORBIDDEN },
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int error = 0;
    begin();
    CHECK_EQ_INT(CHSM_FILE_WRITTEN, put(path, "old"));
    fault.call = cases[i].call;
    fault.after = cases[i].after;
    fault.error = cases[i].error;
    fault.most = 2;
    CHECK_EQ_INT(cases[i].status, chsm_file_write(path, "new!", 4, &error));
    CHECK_EQ_INT(cases[i].error, error);
    memset(&fault, 0, sizeof fault);
    check_content(path, "old");
    end(1);
  }
}


static void a_link_stays_and_what_it_leads_to_is_replaced(void) {
  char link[PATH_MAX], real[PATH_MAX], target[PATH_MAX];
  struct stat facts;
  begin();
  snprintf(target, sizeof target, "%s/real", folder);
  CHECK(mkdir(target, 0700) == 0);
  snprintf(real, sizeof real, "%s/real/file", folder);
  CHECK(symlink("real/file", path) == 0); /* leads to nothing yet */
  snprintf(link, sizeof link, "%s/absolute", folder);
  CHECK(symlink(path, link) == 0);
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, put(path, "made"));
  check_content(real, "made");
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, put(link, "replaced"));
  check_content(real, "replaced");
  CHECK(lstat(path, &facts) == 0 && S_ISLNK(facts.st_mode));
  CHECK(lstat(link, &facts) == 0 && S_ISLNK(facts.st_mode));
  CHECK(lstat(real, &facts) == 0 && S_ISREG(facts.st_mode));
  end(3);
}


static void links_in_a_circle_are_refused(void) {
  int error = 0;
  begin();
  CHECK(symlink("file", path) == 0);
  CHECK_EQ_INT(CHSM_FILE_FAILED, chsm_file_write(path, "x", 1, &error));
  CHECK_EQ_INT(ELOOP, error);
  end(1);
}


static void a_link_that_leads_too_far_is_refused(void) {
  char far[PATH_MAX];
  int error = 0;
  begin();
  memset(far, '/', sizeof far - 1);
  far[sizeof far - 1] = '\0';
  far[0] = '.';
  CHECK(symlink(far, path) == 0);
  CHECK_EQ_INT(CHSM_FILE_FAILED, chsm_file_write(path, "x", 1, &error));
  end(1);
}


static void only_a_regular_file_is_replaced(void) {
  begin();
  CHECK_EQ_INT(CHSM_FILE_NOT_REGULAR, put(folder, "x"));
  CHECK(mkfifo(path, 0600) == 0);
  CHECK_EQ_INT(CHSM_FILE_NOT_REGULAR, put(path, "x"));
  CHECK_EQ_INT(CHSM_FILE_NOT_REGULAR, put("/dev/null", "x"));
  end(1);
}


static void a_folder_must_be_there(void) {
  char inside[PATH_MAX + 8];
  begin();
  snprintf(inside, sizeof inside, "%s/b", path);
  CHECK_EQ_INT(CHSM_FILE_MISSING, put(inside, "x"));
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, put(path, "a file, not a folder"));
  CHECK_EQ_INT(CHSM_FILE_MISSING, put(inside, "x"));
  CHECK_EQ_INT(CHSM_FILE_MISSING, put("", "x"));
  end(1);
}


static void a_path_may_be_relative_and_has_a_longest(void) {
  static char far[2 * PATH_MAX];
  char before[PATH_MAX];
  int error = 0;
  begin();
  CHECK(getcwd(before, sizeof before) != NULL && chdir(folder) == 0);
  CHECK_EQ_INT(CHSM_FILE_WRITTEN, put("file", "here"));
  CHECK(chdir(before) == 0);
  check_content(path, "here");
  for (size_t length = PATH_MAX - 40; length < PATH_MAX + 10; length++) {
    memset(far, '/', length);
    memcpy(far + length, "no/x", 5);
    CHECK(chsm_file_write(far, "x", 1, &error) != CHSM_FILE_WRITTEN);
  }
  end(1);
}


int main(void) {
  a_file_is_made_and_replaced_for_its_owner_alone();
  no_umask_changes_who_can_read_it();
  whoever_has_the_old_file_open_goes_on_reading_it();
  short_and_interrupted_calls_go_on();
  whatever_fails_leaves_the_old_file_and_nothing_else();
  a_link_stays_and_what_it_leads_to_is_replaced();
  links_in_a_circle_are_refused();
  a_link_that_leads_too_far_is_refused();
  only_a_regular_file_is_replaced();
  a_folder_must_be_there();
  a_path_may_be_relative_and_has_a_longest();
  return check_finish();
}
