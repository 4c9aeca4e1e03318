/* SPDX-License-Identifier: Apache-2.0
 *
 * A scripted life of the file store's disk, with a model of what it should hold after each
 * revision.
 */
#ifndef TESTS_PLUGIN_DISK_LIFE_H
#define TESTS_PLUGIN_DISK_LIFE_H

#include "../../plugins/store-file/disk.h"
#include "fakefs.h"

#define LIFE_KEYS 12
#define LIFE_REVS 2000

struct life {
    struct fakefs *fs;
    struct fsio io;
    struct disk disk;
    struct kvindex ix;
    uint64_t seed;
    int sync;
    uint64_t compact_bytes;
    /* the model: revision r (from 1) wrote key[r], deleted[r]; the value follows from r */
    uint8_t key[LIFE_REVS], deleted[LIFE_REVS];
    uint64_t acked, in_flight; /* in_flight >= acked: what a recovery may also show */
    uint64_t synced;           /* sync off: acked at the last sync */
    struct disk_snapshot snap; /* waiting to be written */
    int snap_wait;
    uint64_t n_snapshots, n_failed;
};

void life_init(struct life *l, uint64_t seed, int sync, uint64_t compact_bytes);
void life_finish(struct life *l);
trl_status life_open(struct life *l, struct disk_report *rep, trl_err *err);
void life_close(struct life *l);
/* One group of one to three writes (or of n entries in one write), and what follows from it.
 * Returns how the append went. */
trl_status life_step(struct life *l, trl_err *err);
/* Writes the snapshot that waits, if there is one. */
trl_status life_snapshot(struct life *l, trl_err *err);

/* Does the index hold exactly the model's state at that revision? Returns NULL or what is wrong. */
const char *life_compare(const struct life *l, const struct kvindex *ix, uint64_t revision);

#endif
