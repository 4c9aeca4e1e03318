/* SPDX-License-Identifier: Apache-2.0
 *
 * The instance of the driver: what everything hangs off. All on the loop, but what jobs (base.h) do
 * on the worker pool, and the thread that waits for descriptors (io.h).
 */
#ifndef DRIVER_PROCESS_DRIVER_H
#define DRIVER_PROCESS_DRIVER_H

#include <jansson.h>
#include <trellis/trellis.h>

#include "../common/ticket.h"

#define NS_PER_MS 1000000ll
#define NS_PER_S  1000000000ll

struct io;
struct unit;
struct listener;
struct save;
struct later;
struct start;

struct options { /* from the configuration; strings are owned */
    char *lattice, *state_dir, *keeper, *cgroup, *path, *secrets_dir;
    json_t *labels;       /* owned; operator's own, by configuration */
    int stop_all;         /* when the driver stops, so does everything it runs */
    int64_t unclaimed_ms; /* keepers end so long after their manager; 0: never */
    int64_t log_bytes, log_files, stop_ms, beat_ms;
};

struct trl_inst {
    const trl_host *host;
    const trl_host_observe_v1 *observe;
    const trl_host_loop_v1 *loop;
    const trl_host_work_v1 *work;
    const trl_host_secret_v1 *secret;
    const trl_host_secret_read_v1 *secret_read; /* NULL: nobody gives us secrets */
    struct options set;
    struct io *io;
    char *host_id, *host_name;  /* owned; known once started */
    int state_fd, lock_fd;      /* -1: not open */
    char *secret_place;         /* owned; on a tmpfs; NULL: secrets are descriptors */
    json_t *own_labels;         /* owned; put by LABEL_PUT */
    json_t *configs;            /* owned; name -> {key: value} */
    json_t *counts;             /* owned; unit -> how many are wanted */
    json_t *links;              /* owned; array of link objects: links.h */
    struct unit *units;         /* list */
    struct listener *listeners; /* list */
    struct desk desk;           /* operations that wait */
    struct later *laters;
    struct save *saves; /* to be written, oldest first */
    uint64_t serial;    /* of instances, in this life */
    int64_t started_ns;
    uint64_t beat;   /* timer, 0: none */
    unsigned n_jobs; /* under way on the pool */
    int saving, stopping, ready;
    trl_op *stop_op;
    struct start *starting; /* adoption is under way */
};

static inline int64_t now_ns(const struct trl_inst *d) {
    return d->host->now_ns(d->host->ctx);
}

/* Everything is over that a stop waits for? Then it is completed. */
void driver_progress(struct trl_inst *d);

#endif
