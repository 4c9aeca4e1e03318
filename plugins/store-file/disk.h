/* SPDX-License-Identifier: Apache-2.0
 *
 * The store's directory: an append-only log, and now and then a snapshot that makes older logs
 * superfluous.
 *
 *   lock            held by the one process that has the store open
 *   log.<g>         changes since the store's state at its header's revision, g = 1, 2, ...
 *   snapshot.<g>    the whole state at the start of log.<g>
 *   *.tmp           unfinished files, removed at open
 *
 * Nothing but zeros is ever overwritten; a file gets its name once its contents are on the medium.
 * What counts is the newest snapshot and the logs from its number on. No threads in here: one
 * caller at a time, except disk_snapshot, which may run beside disk_append.
 */
#ifndef STORE_FILE_DISK_H
#define STORE_FILE_DISK_H

#include <limits.h>

#include "../store-common/kvserve.h"
#include "format.h"
#include "fsio.h"

struct disk {
    const struct fsio *io;
    struct crc crc;
    char dir[PATH_MAX];
    int sync;            /* acknowledge only what is on the medium */
    int lock_fd, log_fd; /* -1: not open */
    uint64_t gen;        /* of the log that is appended to */
    uint64_t log_bytes;  /* its length, all of it good */
    uint64_t zeros;      /* where the zeros behind it end, when there are any (disk_reserve) */
    int no_zeros;        /* they cannot be had in this log */
    uint64_t old_bytes;  /* of the logs before it that are still needed */
    uint64_t revision;   /* last one in the log */
    struct out out;      /* scratch */
    trl_err dead;        /* code != 0: nothing is written any more, this is why */
    struct {
        uint64_t appends, syncs, bytes;
    } count;
};

/* What open found worth saying; "" when nothing. */
struct disk_report {
    char warning[512];
};

/* Locks, recovers into the empty index, leaves the log ready. Creates what is missing. On failure
 * everything is closed. */
trl_status disk_open(struct disk *d, const struct fsio *io, const char *dir, int sync,
                     struct kvindex *ix, struct disk_report *report, trl_err *err);
void disk_close(struct disk *d);

/* Writes all staged writes of the list whose status is TRL_OK as one frame, and syncs. On failure
 * none counts; after TRL_E_UNAVAIL (no room) a later one may work, after TRL_E_INTERNAL none will.
 */
trl_status disk_append(struct disk *d, const struct kvwrite *first, trl_err *err);

/* Writes zeros behind the log when few are left, `bytes` of them: an append into those changes no
 * size, so its sync is one write to the medium instead of two or more. Does nothing without sync,
 * and gives up quietly when there is no room; a failed sync ends the store's writing. */
void disk_reserve(struct disk *d, size_t bytes);

/* Starts the next log, so that a snapshot of the present state can replace those before. */
trl_status disk_rotate(struct disk *d, trl_err *err);

/* The state to write: borrowed records, oldest first. */
struct disk_snapshot {
    struct kvrec **recs;
    size_t n;
    uint64_t gen, revision, floor;
    const int *abandon; /* set by another thread (atomic): stop early, with TRL_E_CANCELLED */
};
/* Writes snapshot.<gen> and removes what it makes superfluous. On failure nothing is lost: the logs
 * are still there. */
trl_status disk_snapshot(const struct disk *d, const struct disk_snapshot *s, trl_err *err);
/* After a good snapshot. */
void disk_snapshot_done(struct disk *d);

/* For recover.c and disk.c. */
#define DISK_PATH_MAX (PATH_MAX + 64)
void disk_path(const struct disk *d, char path[DISK_PATH_MAX], const char *kind, uint64_t gen,
               const char *suffix);
/* Creates log.<gen> with its header; its name counts when this returns TRL_OK. *ret_fd: open for
 * appending. *ret_named is set once the name may be there. */
trl_status disk_create_log(struct disk *d, uint64_t gen, int *ret_fd, int *ret_named, trl_err *err);
void disk_remove_before(const struct disk *d, uint64_t gen);
trl_status disk_recover(struct disk *d, struct kvindex *ix, struct disk_report *report,
                        trl_err *err);

#endif
