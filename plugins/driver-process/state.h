/* SPDX-License-Identifier: Apache-2.0
 *
 * The state directory: what the next life of the driver finds.
 *
 *   lock  host_id  configs.json  links.json  labels.json  counts.json (unit: how many)
 *   runs/<run>/  meta.json (unit, fingerprint, want)  secrets (hash of the references that its
 *                secrets are of)  and the keeper's files
 *
 * A keeper holds a shared lock (flock) on its run's directory from before it reads what it is to
 * run until it is gone. So a run whose keeper cannot be reached is known to be over, or not.
 *
 * The functions may block: for the worker pool.
 */
#ifndef DRIVER_PROCESS_STATE_H
#define DRIVER_PROCESS_STATE_H

#include "base.h"

struct found { /* what was there; everything owned */
    char *host_id;
    json_t *configs, *links, *labels, *counts;
    json_t *runs; /* array of meta.json objects, with "id", "ended" and "secrets" added; a damaged
                   * one has those alone */
    int state_fd, lock_fd;
    char error[320]; /* empty: all is well */
};

/* Makes the directory when it is missing. seed: for a new host id. */
void state_open(const char *path, const uint64_t seed[4], struct found *f);
void found_finish(struct found *f); /* closes descriptors that are still there */
/* Is there a run that may still be going? */
int runs_live(int state_fd, const char *id);
/* No keeper has it (else 0); one that was about to start will find nothing to run. */
int runs_take(int state_fd, const char *id);
/* all: the whole directory of the run, else all but log, meta and exit. */
void runs_remove(int state_fd, const char *id, int all);
void runs_mark_ended(int state_fd, const char *id); /* as its keeper would have */
/* Ended runs whose names begin with prefix: the newest `keep` lose all but their logs, the others
 * go. Those with a keeper stay as they are, for it has the end to tell; but `gone` (or NULL) has
 * told it. */
void runs_clean(int state_fd, const char *prefix, const char *gone, unsigned keep);

#endif
