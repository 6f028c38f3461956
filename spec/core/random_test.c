#include <string.h>

#include <sys/wait.h>
#include <unistd.h>

#include "../../src/core/random.h"
#include "check.h"

enum { SIZE = 16, MANY = 1000 };


static void bytes_are_given_out_once(void) {
  static unsigned char taken[MANY][SIZE];
  chsm_random random = { 0 };
  int twice = 0;
  for (int i = 0; i < MANY; i++) {
    CHECK(chsm_random_take(&random, taken[i], SIZE));
    for (int j = 0; j < i; j++)
      twice += memcmp(taken[i], taken[j], SIZE) == 0;
  }
  CHECK_EQ_INT(0, twice);
}


static void all_that_fits_may_be_taken_at_once(void) {
  unsigned char bytes[CHSM_RANDOM_RESERVE + 1];
  chsm_random random = { 0 };
  CHECK(chsm_random_take(&random, bytes, CHSM_RANDOM_RESERVE));
  CHECK(chsm_random_take(&random, bytes, 1));
  CHECK(!chsm_random_take(&random, bytes, sizeof bytes));
  CHECK(chsm_random_take(&random, bytes, 1));
}


static void a_child_does_not_get_what_its_parent_gets(void) {
  unsigned char ours[SIZE], theirs[SIZE];
  int ends[2];
  chsm_random random = { 0 };
  CHECK(chsm_random_take(&random, ours, SIZE));
  CHECK(pipe(ends) == 0);
  pid_t child = fork();
  if (child == 0) {
    bool given = chsm_random_take(&random, theirs, SIZE) && write(ends[1], theirs, SIZE) == SIZE;
    _exit(given ? 0 : 1);
  }
  int status = 1;
  CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
  CHECK(read(ends[0], theirs, SIZE) == SIZE);
  CHECK(chsm_random_take(&random, ours, SIZE));
  CHECK(memcmp(ours, theirs, SIZE) != 0);
  close(ends[0]);
  close(ends[1]);
}


int main(void) {
  bytes_are_given_out_once();
  all_that_fits_may_be_taken_at_once();
  a_child_does_not_get_what_its_parent_gets();
  return check_finish();
}
