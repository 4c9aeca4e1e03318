/* SPDX-License-Identifier: Apache-2.0
 *
 * A directory of a test's own: state of the driver, programs to run; and the proof that nothing of
 * it runs any more.
 */
#ifndef TESTS_DRIVER_PROCESS_PLACE_H
#define TESTS_DRIVER_PROCESS_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#define PLACE_HOST "NPROCESSTESTPROCESSTESTPROCESSTESTPROCESSTESTPROCESSTEST"

struct place {
    char dir[64]; /* /tmp/trellis-process-XXXXXX */
    char state[96];
};

void place_make(struct place *p);
/* Waits until no process has the directory in its command line or working directory (at most some
 * seconds), removes everything. Returns how many processes were left. */
int place_remove(struct place *p);
int place_processes(const struct place *p, const char *needle); /* with it in their command lines */
void place_end_keepers(const struct place *p); /* SIGKILL: their processes go along */
int place_runs(const struct place *p);         /* directories of runs that are still there */
/* An executable script; returns its image "file://...", which lives as long as the process. */
const char *place_script(const struct place *p, const char *name, const char *text);
bool place_write(const struct place *p, const char *name, const char *text, unsigned mode);
/* As JSON for the driver; more: further members, with a comma before, or "". */
void place_config(const struct place *p, const char *more, char *to, size_t cap);

#endif
