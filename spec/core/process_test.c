#define _XOPEN_SOURCE 700

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/core/clock.h"
#include "../../src/core/process.h"
#include "check.h"

enum { MOST = 65536, TEXT = 256, TRIES = 2000 };


/* Starts and waits. The caller closes the process. */
static void run(chsm_process *process, const char *command) {
  CHECK_EQ_INT(0, chsm_process_start(process, command, MOST));
  while (!chsm_process_step(process, 5)) {
  }
}


static void check_run(const char *command, int status, const char *output) {
  chsm_process process;
  run(&process, command);
  CHECK_EQ_INT(CHSM_PROCESS_ENDED, process.state);
  CHECK_EQ_INT(status, process.status);
  CHECK_EQ_BYTES(output, process.output.bytes, process.output.length);
  chsm_process_close(&process);
  CHECK_EQ_INT(0, process.shell);
  CHECK(process.output.bytes == NULL);
}


static void check_state(const char *command, chsm_process_state state) {
  chsm_process process;
  run(&process, command);
  CHECK_EQ_INT(state, process.state);
  CHECK(process.output.bytes == NULL);
  chsm_process_close(&process);
  CHECK_EQ_INT(state, process.state);
}


/* Whether `pid` is gone, or will be soon. A zombie of somebody else's is as good as gone. */
static int goes(pid_t pid) {
  char path[TEXT], state;
  snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
  for (int tries = 0; tries < TRIES; tries++) {
    FILE *file = fopen(path, "r");
    int found = file ? fscanf(file, "%*d (%*[^)]) %c", &state) : 0;
    if (file) fclose(file);
    if (found != 1 || state == 'Z' || state == 'X') return 1;
    chsm_clock_sleep(0.005);
  }
  return 0;
}


/* A number that the command wrote to its output, which is all it did so far. */
static pid_t number_printed(chsm_process *process) {
  for (int tries = 0; tries < TRIES; tries++) {
    if (chsm_process_step(process, 0.005)) break;
    if (process->output.length && process->output.bytes[process->output.length - 1] == '\n') break;
  }
  char text[TEXT] = "";
  memcpy(text, process->output.bytes ? process->output.bytes : "", process->output.length < TEXT ? process->output.length : 0);
  return (pid_t)strtol(text, NULL, 10);
}


static int open_files(void) {
  int count = 0;
  for (int fd = 0; fd < 1024; fd++)
    count += fcntl(fd, F_GETFD) >= 0;
  return count;
}


/* Whether this process has a child, dead or alive. */
static int has_children(void) {
  siginfo_t info;
  return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}


static void a_command_ends_with_its_status_and_output(void) {
  check_run("", 0, "");
  check_run("exit 1", 1, "");
  check_run("/no/such/command", 127, "");
  check_run("printf half; kill -TERM $$", 128 + SIGTERM, "half");
  check_run("printf 'a\"b'\nprintf c", 0, "a\"bc");
  check_run("exec >&-; sleep 0.03; exit 9", 9, "");
  check_run("echo 5 >&3; exit 6", 6, ""); /* the report is out of its reach */
  check_state("kill -KILL $PPID; sleep 100", CHSM_PROCESS_KILLED);
  check_state("yes | head -c 1000000000", CHSM_PROCESS_TOO_LARGE);
  check_state("head -c 65537 /dev/zero", CHSM_PROCESS_TOO_LARGE);
  CHECK(!has_children());
}


static void the_status_does_not_depend_on_who_reaps_the_shell(void) {
  struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
  sigaction(SIGCHLD, &ignore, &before);
  check_run("exit 7", 7, "");
  check_run("sh -c 'exit 5'; echo $?", 0, "5\n"); /* nor has the command lost the status of its own children */
  check_state("kill -KILL $PPID; sleep 100", CHSM_PROCESS_KILLED);
  sigaction(SIGCHLD, &before, NULL);
}


/* As nginx's. */
static void reap_everybody(int number) {
  int saved = errno;
  (void)number;
  while (waitpid(-1, NULL, WNOHANG) > 0) {
  }
  errno = saved;
}


static void a_handler_that_reaps_every_child_disturbs_nothing(void) {
  struct sigaction reaper = { .sa_handler = reap_everybody }, before;
  sigaction(SIGCHLD, &reaper, &before);
  for (int i = 0; i < 20; i++)
    check_run("echo x; exit 7", 7, "x\n");
  chsm_process process;
  CHECK_EQ_INT(0, chsm_process_start(&process, "sleep 1000 & echo $!; wait", MOST));
  pid_t sleeper = number_printed(&process);
  CHECK(sleeper > 0 && kill(sleeper, 0) == 0);
  chsm_process_close(&process);
  CHECK(goes(sleeper));
  sigaction(SIGCHLD, &before, NULL);
}


static void closing_takes_the_whole_group_along(void) {
  chsm_process process;
  CHECK_EQ_INT(0, chsm_process_start(&process, "sh -c 'sleep 1000 & echo $!; wait' | cat", MOST));
  CHECK(!process.shared);
  pid_t sleeper = number_printed(&process), shell = process.shell;
  CHECK(sleeper > 0 && kill(sleeper, 0) == 0);
  CHECK(!chsm_process_step(&process, 0));
  chsm_process_close(&process);
  CHECK_EQ_INT(CHSM_PROCESS_KILLED, process.state);
  chsm_process_close(&process);
  CHECK(chsm_process_step(&process, 100));
  CHECK(goes(sleeper));
  CHECK(goes(shell));
  CHECK(!has_children());
}


static void what_stays_in_the_background_is_not_waited_for(void) {
  chsm_process process;
  run(&process, "sleep 1000 & echo $!");
  CHECK_EQ_INT(CHSM_PROCESS_ENDED, process.state);
  pid_t sleeper = number_printed(&process);
  chsm_process_close(&process);
  CHECK(sleeper > 0 && kill(sleeper, 0) == 0); /* and was started on purpose */
  kill(sleeper, SIGKILL);
  check_state("yes & exit 0", CHSM_PROCESS_TOO_LARGE);
}


static void nothing_is_left_after_many(void) {
  chsm_process process;
  check_run("true", 0, "");
  int before = open_files();
  for (int i = 0; i < 200; i++) {
    CHECK_EQ_INT(0, chsm_process_start(&process, i % 2 ? "echo x" : "sleep 1000", MOST));
    chsm_process_step(&process, i % 3 ? 0 : 0.005);
    chsm_process_close(&process);
  }
  CHECK_EQ_INT(before, open_files());
  CHECK(!has_children());
}


static void nothing_is_left_of_what_cannot_start(void) {
  chsm_process process;
  struct rlimit before, few;
  static char command[8 * 1024 * 1024];
  int files = open_files();
  memset(command, 'x', sizeof command - 1);
  CHECK_EQ_INT(E2BIG, chsm_process_start(&process, command, MOST));
  CHECK_EQ_INT(CHSM_PROCESS_NONE, process.state);
  CHECK(chsm_process_step(&process, 0));
  chsm_process_close(&process);
  CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
  few = before;
  for (rlim_t most = 3; most < 16; most++) {
    few.rlim_cur = most;
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    int error = chsm_process_start(&process, "true", MOST);
    CHECK(error == EMFILE || error == EINVAL || (!error && most > 10));
    while (!chsm_process_step(&process, 5)) {
    }
    chsm_process_close(&process);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK_EQ_INT(files, open_files());
  }
  CHECK(!has_children());
}


static void a_process_that_was_not_started_can_be_closed(void) {
  chsm_process process = { 0 };
  int files = open_files();
  chsm_process_close(&process);
  CHECK(chsm_process_step(&process, 1));
  CHECK_EQ_INT(files, open_files());
}


/* Descriptor 20 is inherited by programs, unless somebody closes it. */
static void descriptors_signals_and_mask_are_not_inherited(void) {
  struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
  sigset_t all, mask;
  CHECK(dup2(STDOUT_FILENO, 20) == 20);
  sigaction(SIGPIPE, &ignore, &before);
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &mask);
  check_run("unset LD_PRELOAD; ls /proc/self/fd | tr '\\n' ' '", 0, "0 1 2 3 ");
  check_run("unset LD_PRELOAD; sed -n 's/SigBlk:\\t//p' /proc/self/status", 0, "0000000000000000\n");
  check_run("sh -c 'kill -PIPE $$'", 128 + SIGPIPE, "");
  check_run("readlink /proc/self/fd/0", 0, "/dev/null\n");
  pthread_sigmask(SIG_SETMASK, &mask, NULL);
  sigaction(SIGPIPE, &before, NULL);
  close(20);
}


/* Runs `body` in a child of its own and counts its checks here. */
static void apart(void (*body)(void)) {
  int status;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    check_failed = 0;
    body();
    fflush(stdout);
    _exit(check_failed ? 1 : 0);
  }
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}


static void without_standard_descriptors(void) {
  chsm_process process;
  close(0), close(1), close(2);
  int files = open_files();
  run(&process, "echo x; echo secret >&2; cat; exit 3");
  int good = process.state == CHSM_PROCESS_ENDED && process.status == 3 && process.output.length == 2;
  chsm_process_close(&process);
  _exit(good && open_files() == files ? 0 : 1);
}


/* A terminal as standard streams. Returns the master's end. */
static int take_terminal(void) {
  int master = posix_openpt(O_RDWR | O_NOCTTY);
  CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
  setsid();
  int slave = open(ptsname(master), O_RDWR); /* becomes the controlling terminal */
  CHECK(slave >= 0 && dup2(slave, 0) == 0 && dup2(slave, 2) == 2);
  return master;
}


static void at_a_terminal(void) {
  char text[TEXT] = "";
  chsm_process process;
  int master = take_terminal();
  CHECK_EQ_INT(0, chsm_process_start(&process, "printf 'Code: ' >&2; read code; printf \"<$code>\"", MOST));
  CHECK(process.shared);
  CHECK(!chsm_process_step(&process, 0.05));
  CHECK(write(master, "123\n", 4) == 4);
  while (!chsm_process_step(&process, 5)) {
  }
  CHECK_EQ_INT(CHSM_PROCESS_ENDED, process.state);
  CHECK_EQ_BYTES("<123>", process.output.bytes, process.output.length);
  chsm_process_close(&process);
  CHECK(read(master, text, sizeof text - 1) > 0);
  CHECK(strstr(text, "Code: ") != NULL);

  CHECK_EQ_INT(0, chsm_process_start(&process, "echo $$; exec sleep 1000", MOST)); /* as a helper that waits for somebody */
  pid_t helper = number_printed(&process), shell = process.shell;
  CHECK(helper > 0 && kill(helper, 0) == 0 && getpgid(helper) == getpgrp());
  chsm_process_close(&process);
  CHECK(goes(helper));
  CHECK(goes(shell));
}


static void a_forked_child_leaves_its_parents_process_alone(void) {
  chsm_process process, other;
  CHECK_EQ_INT(0, chsm_process_start(&process, "sleep 0.2; echo x", MOST));
  other = process;
  pid_t child = fork();
  if (child == 0) {
    bool good = chsm_process_step(&process, 100) && process.state == CHSM_PROCESS_KILLED;
    chsm_process_close(&process);
    chsm_process_close(&other);
    _exit(good ? 0 : 1);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  while (!chsm_process_step(&process, 5)) {
  }
  CHECK_EQ_INT(CHSM_PROCESS_ENDED, process.state);
  CHECK_EQ_INT(0, process.status);
  chsm_process_close(&process);
}


static void *fork_often(void *stop) {
  while (!*(volatile int *)stop) {
    pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, NULL, 0);
  }
  return NULL;
}


static void other_threads_do_not_disturb(void) {
  pthread_t thread;
  volatile int stop = 0;
  CHECK(pthread_create(&thread, NULL, fork_often, (void *)(uintptr_t)&stop) == 0);
  for (int i = 0; i < 50; i++)
    check_run("echo x; exit 2", 2, "x\n");
  stop = 1;
  pthread_join(thread, NULL);
}


int main(void) {
  int nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, STDIN_FILENO); /* the tests may run at a terminal */
  close(nothing);
  a_command_ends_with_its_status_and_output();
  the_status_does_not_depend_on_who_reaps_the_shell();
  a_handler_that_reaps_every_child_disturbs_nothing();
  closing_takes_the_whole_group_along();
  what_stays_in_the_background_is_not_waited_for();
  nothing_is_left_after_many();
  nothing_is_left_of_what_cannot_start();
  a_process_that_was_not_started_can_be_closed();
  descriptors_signals_and_mask_are_not_inherited();
  apart(without_standard_descriptors);
  apart(at_a_terminal);
  a_forked_child_leaves_its_parents_process_alone();
  other_threads_do_not_disturb();
  return check_finish();
}
