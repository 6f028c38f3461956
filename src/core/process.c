#define _GNU_SOURCE /* pipe2, posix_spawn_file_actions_addclosefrom_np */

#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

extern char **environ;

enum {
  STATUS_FD = 3,  /* in the shell */
  FIRST_FREE = 4, /* above it nothing of ours is to be open there */
  LEAST_FD = 10,  /* our ends of pipes lie above what the shell's descriptors are named */
  CHUNK = 4096
};

static const double GRACE = 0.1;    /* seconds that others may hold the output open behind the command's end */
static const double MOST_WAIT = 60; /* seconds in one step */

/* The command runs in a shell of its own. The one around it tells how that ended through a pipe: in nginx, whose handler of SIGCHLD
   reaps every child, waiting for it would tell nothing. */
static const char SCRIPT[] = "/bin/sh -c \"$1\" 3>&-; echo $? >&3";


static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}


/* A pipe whose ends no other program gets, with the reading end not blocking. False: errno says why. */
static bool open_pipe(int *reading, int *writing) {
  int ends[2];
  if (pipe(ends)) return false;
  for (int i = 0; i < 2; i++) {
    int moved = fcntl(ends[i], F_DUPFD_CLOEXEC, LEAST_FD);
    int error = errno;
    close(ends[i]);
    ends[i] = moved;
    errno = error;
  }
  if (ends[0] >= 0 && ends[1] >= 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0) {
    *reading = ends[0];
    *writing = ends[1];
    return true;
  }
  int error = errno;
  close_fd(&ends[0]);
  close_fd(&ends[1]);
  errno = error;
  return false;
}


/* What the shell's descriptors are. Zero, or an errno. */
static int set_descriptors(posix_spawn_file_actions_t *actions, bool interactive, int out, int told) {
  int error = 0;
  if (!interactive) error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (!error) error = posix_spawn_file_actions_adddup2(actions, out, STDOUT_FILENO);
  /* what goes to standard error may be a secret: it is for a person at a terminal, and for no log */
  if (!error && !isatty(STDERR_FILENO)) error = posix_spawn_file_actions_addopen(actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  if (!error) error = posix_spawn_file_actions_adddup2(actions, told, STATUS_FD);
#if defined(__GLIBC__) && defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 34)
  if (!error) error = posix_spawn_file_actions_addclosefrom_np(actions, FIRST_FREE);
#endif
#endif
  return error;
}


/* Signals as a program expects them, whatever this one ignores or blocks. Zero, or an errno. */
static int set_signals(posix_spawnattr_t *attributes, bool own_group) {
  static const int usual[] = { SIGPIPE, SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGUSR1, SIGUSR2 };
  sigset_t none, all;
  short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
  sigemptyset(&none);
  sigemptyset(&all);
  for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
    sigaddset(&all, usual[i]);
  if (own_group) flags = (short)(flags | POSIX_SPAWN_SETPGROUP);
  int error = posix_spawnattr_setsigmask(attributes, &none);
  if (!error) error = posix_spawnattr_setsigdefault(attributes, &all);
  if (!error && own_group) error = posix_spawnattr_setpgroup(attributes, 0);
  if (!error) error = posix_spawnattr_setflags(attributes, flags);
  return error;
}


/* Starts the shell. Zero, or an errno. */
static int spawn(chsm_process *process, const char *command, bool interactive, int out, int told) {
  char *command_copy = strdup(command); /* argv is not const */
  char shell[] = "sh", option[] = "-c", script[sizeof SCRIPT];
  memcpy(script, SCRIPT, sizeof SCRIPT);
  char *arguments[] = { shell, option, script, shell, command_copy, NULL };
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  if (!command_copy) return ENOMEM;
  int error = posix_spawn_file_actions_init(&actions);
  if (!error) {
    error = posix_spawnattr_init(&attributes);
    if (!error) {
      error = set_descriptors(&actions, interactive, out, told);
      if (!error) error = set_signals(&attributes, process->own_group);
      if (!error) error = posix_spawn(&process->shell, "/bin/sh", &actions, &attributes, arguments, environ);
      posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
  }
  free(command_copy);
  return error;
}


/* Starts `command` in a shell, into a zero-initialised process that the caller closes, whatever the answer. Its standard input is empty,
   and it leads a process group, unless our own standard input is a terminal, which it then may ask. At most `most` bytes of its output
   are kept. False: `*error` is the errno. */
bool chsm_process_start(chsm_process *process, const char *command, size_t most, int *error) {
  int out = -1, told = -1;
  bool interactive = isatty(STDIN_FILENO);
  *process = (chsm_process) { .out = -1, .told = -1, .status = -1, .own_group = !interactive, .output = { .cap = most } };
  *error = 0;
  if (!open_pipe(&process->out, &out) || !open_pipe(&process->told, &told))
    *error = errno;
  else
    *error = spawn(process, command, interactive, out, told);
  close_fd(&out);
  close_fd(&told);
  process->watched = *error == 0;
  return process->watched;
}


/* Takes what the output has. False: there was no room for it. */
static bool read_output(chsm_process *process) {
  for (;;) {
    size_t room = process->output.cap - process->output.length;
    char byte;
    if (room && chsm_buffer_reserve(&process->output, room < CHUNK ? room : CHUNK) != CHSM_OK) {
      process->state = CHSM_PROCESS_NO_MEMORY;
      return false;
    }
    ssize_t count = room ? read(process->out, process->output.bytes + process->output.length, room < CHUNK ? room : CHUNK)
                         : read(process->out, &byte, 1);
    if (count > 0 && !room) {
      process->state = CHSM_PROCESS_TOO_LARGE;
      return false;
    }
    if (count > 0) {
      process->output.length += (size_t)count;
    } else if (count < 0 && errno == EINTR) {
      continue;
    } else {
      if (count == 0 || errno != EAGAIN) close_fd(&process->out);
      return true;
    }
  }
}


/* Takes what the shell tells: a number, and then the end, which comes with the shell's own. */
static void read_status(chsm_process *process) {
  char digits[16];
  for (;;) {
    ssize_t count = read(process->told, digits, sizeof digits);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) break;
    for (ssize_t i = 0; i < count && digits[i] >= '0' && digits[i] <= '9'; i++)
      process->status = (process->status < 0 ? 0 : process->status * 10) + (digits[i] - '0');
  }
  close_fd(&process->told);
  process->has_ended = true;
  process->grace_until = chsm_clock_monotonic() + GRACE;
}


/* Frees the pipes, and the child from being a zombie. A shell that still runs is killed, with all that it started where that is known. */
static void release(chsm_process *process) {
  if (!process->watched) return;
  process->watched = false;
  if (process->told >= 0) kill(process->own_group ? -process->shell : process->shell, SIGKILL);
  close_fd(&process->out);
  close_fd(&process->told);
  while (waitpid(process->shell, NULL, 0) < 0 && errno == EINTR) {
  }
}


/* Seconds until others are no longer waited for. */
static double patience(const chsm_process *process, double now) { return process->has_ended ? process->grace_until - now : HUGE_VAL; }


/* Looks after the process for at most `seconds`, at most a minute, and returns how it is. With 0 it only looks. */
chsm_process_state chsm_process_step(chsm_process *process, double seconds) {
  double now = chsm_clock_monotonic();
  double until = now + (!(seconds > 0) ? 0 : seconds < MOST_WAIT ? seconds : MOST_WAIT);
  if (!process->watched) return process->state;
  for (;;) {
    double left = fmin(until - now, patience(process, now));
    struct pollfd ends[] = { { .fd = process->out, .events = POLLIN }, { .fd = process->told, .events = POLLIN } };
    int ready = poll(ends, 2, left > 0 ? (int)ceil(left * 1000) : 0);
    if (ready > 0 && ends[0].revents && !read_output(process)) break;
    if (ready > 0 && ends[1].revents) read_status(process);
    now = chsm_clock_monotonic();
    if (process->has_ended && (process->out < 0 || patience(process, now) <= 0)) {
      process->state = process->status < 0 ? CHSM_PROCESS_KILLED : CHSM_PROCESS_ENDED;
      break;
    }
    if (now >= until) return CHSM_PROCESS_RUNS;
  }
  release(process);
  return process->state;
}


/* Kills what still runs, and wipes the output. Safe to call twice. */
void chsm_process_close(chsm_process *process) {
  release(process);
  if (process->state == CHSM_PROCESS_RUNS) process->state = CHSM_PROCESS_KILLED;
  chsm_buffer_wipe(&process->output);
}
