/* A shell command whose output is wanted: started, looked after and ended without ever waiting longer than asked. */
#ifndef CHSM_PROCESS_H
#define CHSM_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "buffer.h"

#pragma GCC visibility push(hidden)

typedef enum {
  CHSM_PROCESS_RUNS,
  CHSM_PROCESS_ENDED,     /* `status` and `output` are what it left */
  CHSM_PROCESS_KILLED,    /* it ended without a status: somebody killed the shell */
  CHSM_PROCESS_TOO_LARGE, /* it printed more than was allowed, and was killed */
  CHSM_PROCESS_NO_MEMORY  /* it was killed, since there was no room for what it printed */
} chsm_process_state;

/* Zero-initialised is none: it may be closed, and nothing else. */
typedef struct chsm_process {
  chsm_process_state state;
  pid_t shell;        /* while `watched`: our child, which nobody can have reaped as long as its status pipe is open */
  bool watched;       /* there is a shell, and the pipes are open */
  bool own_group;     /* the shell leads a process group of its own */
  int out;            /* reading end of its standard output; -1: at its end */
  int told;           /* reading end of the pipe for its exit status; -1: at its end */
  int status;         /* exit status as a shell has it: 128 and more for a signal; -1: not told */
  bool has_ended;     /* the command; others that it started may still hold its output open */
  double grace_until; /* monotonic; how long those are waited for */
  chsm_buffer output;
} chsm_process;

bool chsm_process_start(chsm_process *process, const char *command, size_t most, int *error);
chsm_process_state chsm_process_step(chsm_process *process, double seconds);
void chsm_process_close(chsm_process *process);

#pragma GCC visibility pop

#endif
