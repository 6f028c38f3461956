/* A shell command whose output is wanted, without anything that blocks. Knows nothing of Lua. One thread at a time. */
#ifndef CHSM_PROCESS_H
#define CHSM_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "buffer.h"

#pragma GCC visibility push(hidden)

enum { CHSM_PROCESS_LINE = 32 };

typedef enum {
  CHSM_PROCESS_NONE, /* not started, or closed after its end */
  CHSM_PROCESS_RUNS,
  CHSM_PROCESS_ENDED, /* `status` and `output` are valid */
  CHSM_PROCESS_KILLED,
  CHSM_PROCESS_TOO_LARGE,
  CHSM_PROCESS_NO_MEMORY
} chsm_process_state;

/* Zero-initialised is a valid process that was not started. The descriptors are valid while it runs. */
typedef struct chsm_process {
  chsm_process_state state;
  pid_t owner;                  /* the process that started it; in a forked child it is another's */
  pid_t shell;                  /* our child, leader of its group unless `shared`; 0: reaped, by whomever */
  pid_t command;                /* the shell in which the command runs, or the command itself; 0: not told yet */
  bool shared;                  /* it is in our own group, to ask a person at the terminal */
  int output_end, report_end;   /* of pipes, non-blocking; -1: at the end */
  char line[CHSM_PROCESS_LINE]; /* of the report, as far as it arrived */
  size_t line_length;
  bool told;          /* the report had the exit status */
  int status;         /* as a shell says it: 128 and the signal's number when a signal ended the command */
  double patience;    /* monotonic: until when others may hold its output open; 0: it has not ended */
  chsm_buffer output; /* may hold secrets; wiped by chsm_process_close() */
} chsm_process;

int chsm_process_start(chsm_process *process, const char *command, size_t most);
bool chsm_process_step(chsm_process *process, double wait);
void chsm_process_close(chsm_process *process);

#pragma GCC visibility pop

#endif
