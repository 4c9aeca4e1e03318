/* SPDX-License-Identifier: Apache-2.0
 *
 * The state directory: what the next life of the driver finds.
 *
 *   lock  host_id  configs.json  links.json  labels.json  counts.json (unit: how many)
 *   runs/<run>/  meta.json (unit, fingerprint, want)  secrets (hash of the references that its
 *                secrets are of)  and the keeper's files
 *
 * The functions may block: for the worker pool.
 */
#ifndef DRIVER_PROCESS_STATE_H
#define DRIVER_PROCESS_STATE_H

#include "base.h"

struct found { /* what was there; everything owned */
    char *host_id;
    json_t *configs, *links, *labels, *counts;
    json_t *runs; /* array of meta.json objects, with "id", "ended" and "secrets" added */
    int state_fd, lock_fd;
    char error[320]; /* empty: all is well */
};

/* Makes the directory when it is missing. seed: for a new host id. */
void state_open(const char *path, const uint64_t seed[4], struct found *f);
void found_finish(struct found *f); /* closes descriptors that are still there */
/* Is there a run that may still be going? */
int runs_live(int state_fd, const char *id);
/* all: the whole directory of the run, else all but log, meta and exit. */
void runs_remove(int state_fd, const char *id, int all);
void runs_mark_ended(int state_fd, const char *id); /* as its keeper would have */
/* Ended runs whose names begin with prefix: the newest `keep` lose all but their logs, the others
 * go. */
void runs_clean(int state_fd, const char *prefix, unsigned keep);

#endif
