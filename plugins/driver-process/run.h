/* SPDX-License-Identifier: Apache-2.0
 *
 * One process with its keeper: started, adopted, watched, stopped. Tells its unit what became of
 * it.
 */
#ifndef DRIVER_PROCESS_RUN_H
#define DRIVER_PROCESS_RUN_H

#include "unit.h"

int run_start(struct unit *u, char *why, size_t cap); /* 0, or -1 with a text */
/* why: empty when it is not its own fault. */
void run_stop(struct run *r, const char *why);
void run_signal(struct run *r, int signum);
/* A keeper of an earlier life: r->id, want, fp are set. Tries until it answers, or is known to be
 * gone: then so is r. */
void run_adopt(struct run *r);
void run_free(struct run *r); /* out of its unit; the process goes on */
/* Files of ended runs of the unit, but the newest `keep` logs, are removed. gone: the run that
 * ended just now, or NULL; lost: its keeper could not leave word of that. */
void runs_prune(struct trl_inst *d, const char *unit, const char *gone, int lost, unsigned keep);
char *run_prefix(const char *unit); /* of the names of its directories; owned */

#endif
