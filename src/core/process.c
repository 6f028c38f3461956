#define _GNU_SOURCE /* posix_spawn_file_actions_addclosefrom_np */

#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ascii.h"
#include "clock.h"

/* Whether the C library closes all descriptors of a new process from some number on. */
#ifndef CHSM_PROCESS_CLOSEFROM
#if defined(__GLIBC__) && defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 34)
#define CHSM_PROCESS_CLOSEFROM 1
#endif
#endif
#endif
#ifndef CHSM_PROCESS_CLOSEFROM
#define CHSM_PROCESS_CLOSEFROM 0
#endif

enum {
  REPORT = 3, /* the shell's descriptor for its report */
  SAFE = 10,  /* our descriptors are this or higher, so that none is in the way of the shell's */
  CHUNK = 4096,
  REAP_TRIES = 50, /* of a millisecond each */
  MOST_CLOSED = 4096
};

static const double GRACE = 0.1;    /* seconds */
static const double MOST_WAIT = 60; /* seconds in one step */

/* What the shell runs. Its report is the process id of the command and then, where the command ended, its exit status as the shell knows
   it: waitpid() here might find that nginx's handler of SIGCHLD, or a SIGCHLD that is ignored, has taken the status away. The command
   itself, and whatever it leaves behind, does not hold the report open. */
static const char SCRIPT[] = "/bin/sh -c 'echo $$ >&3; exec /bin/sh -c -- \"$1\" 3>&-' sh \"$1\"; echo $? >&3";

extern char **environ;


/* ---- Start ---- */

static void close_end(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}


/* The same file under a number out of the way. -1: no number is left, and errno says why. */
static int move_up(int fd) {
  int moved = fcntl(fd, F_DUPFD_CLOEXEC, SAFE);
  int error = errno;
  close(fd);
  errno = error;
  return moved;
}


/* Makes a pipe that programs started meanwhile do not inherit; its reading end does not block. False: errno says why. */
static bool open_pipe(int *reading, int *writing) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) return false;
  *reading = move_up(ends[0]);
  *writing = move_up(ends[1]);
  return *reading >= 0 && *writing >= 0 && fcntl(*reading, F_SETFL, O_NONBLOCK) == 0;
}


/* Has the new process close what it would inherit from us beyond the report: sockets that nginx listens on, for one. 0, or the errno. */
static int close_the_rest(posix_spawn_file_actions_t *actions) {
#if CHSM_PROCESS_CLOSEFROM
  return posix_spawn_file_actions_addclosefrom_np(actions, REPORT + 1);
#else
  long most = sysconf(_SC_OPEN_MAX);
  int error = 0;
  if (most < 0 || most > MOST_CLOSED) most = MOST_CLOSED;
  for (int fd = REPORT + 1; !error && fd < most; fd++) {
    int flags = fcntl(fd, F_GETFD);
    if (flags >= 0 && !(flags & FD_CLOEXEC)) error = posix_spawn_file_actions_addclose(actions, fd);
  }
  return error;
#endif
}


/* What the new process reads and writes. Helpers print secrets to standard error: only a person at a terminal may see it. 0, or the
   errno. */
static int set_files(posix_spawn_file_actions_t *actions, bool shared, int output, int report) {
  int error = shared ? 0 : posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (!error) error = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
  if (!error && !isatty(STDERR_FILENO)) error = posix_spawn_file_actions_addopen(actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  if (!error) error = posix_spawn_file_actions_adddup2(actions, report, REPORT);
  return error ? error : close_the_rest(actions);
}


/* The group and the signals of the new process. A shell that ignored SIGCHLD could not learn how its own commands end. 0, or the errno. */
static int set_attributes(posix_spawnattr_t *attributes, bool shared) {
  sigset_t none, usual;
  sigemptyset(&none);
  sigemptyset(&usual);
  sigaddset(&usual, SIGPIPE);
  sigaddset(&usual, SIGCHLD);
  int error = posix_spawnattr_setsigmask(attributes, &none);
  if (!error) error = posix_spawnattr_setsigdefault(attributes, &usual);
  if (!error) error = posix_spawnattr_setpgroup(attributes, 0);
  return error ? error
               : posix_spawnattr_setflags(attributes,
                                          (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (shared ? 0 : POSIX_SPAWN_SETPGROUP)));
}


/* Starts the shell. 0, or the errno. */
static int spawn(chsm_process *process, const char *command, int output, int report) {
  /* posix_spawn() takes them as not constant and does not change them */
  union {
    const char *constant[6];
    char *words[6];
  } arguments = { .constant = { "sh", "-c", SCRIPT, "sh", command, NULL } };
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int error = posix_spawn_file_actions_init(&actions);
  if (error) return error;
  error = posix_spawnattr_init(&attributes);
  if (!error) {
    error = set_files(&actions, process->shared, output, report);
    if (!error) error = set_attributes(&attributes, process->shared);
    if (!error) error = posix_spawn(&process->shell, "/bin/sh", &actions, &attributes, arguments.words, environ);
    if (error) process->shell = 0;
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&actions);
  return error;
}


/* Starts a shell command into a process that is not started; whoever did so closes it. No descriptor of ours reaches it. It reads nothing
   and leads a group of its own, unless our standard input is a terminal: then it shares both, to ask the person there. Its output may be
   `most` bytes. Returns 0, or the errno: nothing was started. */
int chsm_process_start(chsm_process *process, const char *command, size_t most) {
  int output = -1, report = -1, error = 0;
  *process = (chsm_process) { .output_end = -1, .report_end = -1, .output = { .cap = most } };
  process->shared = isatty(STDIN_FILENO) != 0;
  process->owner = getpid();
  if (!open_pipe(&process->output_end, &output) || !open_pipe(&process->report_end, &report)) error = errno;
  if (!error) error = spawn(process, command, output, report);
  close_end(&output);
  close_end(&report);
  if (error) {
    close_end(&process->output_end);
    close_end(&process->report_end);
    return error;
  }
  process->state = CHSM_PROCESS_RUNS;
  return 0;
}


/* ---- End ---- */

/* Takes the dead shell away, if it is there and nobody else did. */
static void reap(chsm_process *process) {
  if (process->shell && waitpid(process->shell, NULL, WNOHANG) != 0) process->shell = 0; /* reaped now, or by another: ECHILD */
}


/* Whether the shell is there for certain. Its end of the report closes with it; its number alone may be another's by now. */
static bool shell_lives(const chsm_process *process) {
  struct pollfd report = { .fd = process->report_end, .events = 0 };
  return process->shell && process->report_end >= 0 && poll(&report, 1, 0) == 0;
}


/* Kills what runs. A command that has ended is left alone with what it started on purpose. In the group that is shared with us only the
   command and its shell are known. */
static void kill_all(const chsm_process *process) {
  if (process->told || !shell_lives(process)) return;
  if (!process->shared) {
    kill(-process->shell, SIGKILL);
    return;
  }
  if (process->command) kill(process->command, SIGKILL);
  kill(process->shell, SIGKILL);
}


/* Enters a final state. In a forked child the process is the parent's, and only our copies of its pipes are closed. */
static void finish(chsm_process *process, chsm_process_state state) {
  bool ours = process->owner == getpid();
  if (ours && state != CHSM_PROCESS_ENDED) kill_all(process);
  close_end(&process->output_end);
  close_end(&process->report_end);
  if (ours)
    reap(process);
  else
    process->shell = 0;
  if (state != CHSM_PROCESS_ENDED) chsm_buffer_wipe(&process->output);
  process->state = state;
}


/* ---- Step ---- */

/* Takes what the output pipe holds. Returns the state after it: too much of it ends the process. */
static chsm_process_state read_output(chsm_process *process) {
  chsm_buffer *output = &process->output;
  while (process->output_end >= 0) {
    size_t room = output->cap - output->length;
    char extra;
    if (room > CHUNK) room = CHUNK;
    if (room && chsm_buffer_reserve(output, room) != CHSM_OK) return CHSM_PROCESS_NO_MEMORY;
    ssize_t count = read(process->output_end, room ? output->bytes + output->length : &extra, room ? room : 1);
    if (count > 0 && !room) return CHSM_PROCESS_TOO_LARGE;
    if (count > 0)
      output->length += (size_t)count;
    else if (count == 0 || (errno != EAGAIN && errno != EINTR))
      close_end(&process->output_end);
    else if (errno == EAGAIN)
      break;
  }
  return CHSM_PROCESS_RUNS;
}


/* Takes one byte of the report: lines of digits, first the process id of the command, then its exit status. */
static void take_report(chsm_process *process, char byte) {
  int number = 0;
  if (byte != '\n') {
    if (process->line_length < sizeof process->line) process->line[process->line_length++] = byte;
    return;
  }
  for (size_t i = 0; i < process->line_length && chsm_ascii_is_digit(process->line[i]) && number < 100000000; i++)
    number = number * 10 + (process->line[i] - '0');
  process->line_length = 0;
  if (!process->command) {
    process->command = number;
  } else if (!process->told) {
    process->told = true;
    process->status = number;
  }
}


static void read_report(chsm_process *process) {
  while (process->report_end >= 0) {
    char bytes[CHSM_PROCESS_LINE];
    ssize_t count = read(process->report_end, bytes, sizeof bytes);
    for (ssize_t i = 0; i < count; i++)
      take_report(process, bytes[i]);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
      close_end(&process->report_end);
    else if (count < 0 && errno == EAGAIN)
      break;
  }
}


/* Looks at both pipes once. True: the process has ended. */
static bool look(chsm_process *process) {
  read_report(process); /* before the output: what the command printed is there when its end is told */
  chsm_process_state state = read_output(process);
  if (state != CHSM_PROCESS_RUNS) {
    finish(process, state);
    return true;
  }
  if (!process->told && process->report_end >= 0) return false;
  double now = chsm_clock_monotonic();
  if (process->patience <= 0) process->patience = now + GRACE;
  if (process->output_end >= 0 && now < process->patience) return false; /* something that the command started may print yet */
  finish(process, process->told ? CHSM_PROCESS_ENDED : CHSM_PROCESS_KILLED);
  return true;
}


/* Whether the process has ended. Waits up to `wait` seconds, at most a minute, for that; with 0 it only looks. */
bool chsm_process_step(chsm_process *process, double wait) {
  if (process->state != CHSM_PROCESS_RUNS) return true;
  if (process->owner != getpid()) {
    finish(process, CHSM_PROCESS_KILLED);
    return true;
  }
  double until = chsm_clock_monotonic() + (!(wait > 0) ? 0 : wait < MOST_WAIT ? wait : MOST_WAIT);
  for (;;) {
    if (look(process)) return true;
    double now = chsm_clock_monotonic(), next = until;
    if (now >= until) return false;
    if (process->patience > 0 && process->patience < until) next = process->patience;
    struct pollfd ends[] = { { .fd = process->output_end, .events = POLLIN },
                             { .fd = process->patience > 0 ? -1 : process->report_end, .events = POLLIN } };
    poll(ends, 2, next > now ? (int)ceil((next - now) * 1000) : 0);
  }
}


/* Kills the process if it runs, wipes its output and frees what it holds. Waits for nothing but the moment in which a killed shell dies.
   Safe to call twice. */
void chsm_process_close(chsm_process *process) {
  if (process->state == CHSM_PROCESS_RUNS)
    finish(process, CHSM_PROCESS_KILLED);
  else if (process->state == CHSM_PROCESS_ENDED)
    process->state = CHSM_PROCESS_NONE;
  chsm_buffer_wipe(&process->output);
  if (process->owner != getpid()) process->shell = 0;
  for (int tries = 0; process->shell && tries < REAP_TRIES; tries++) {
    reap(process);
    if (process->shell) chsm_clock_sleep(0.001);
  }
}
