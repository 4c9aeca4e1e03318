/* SPDX-License-Identifier: Apache-2.0
 *
 * One signal on its way out: it has a place in the core's ring, at most one request under way, and
 * a timer. What is not taken stays in the ring, so a collector that is down costs no memory; what
 * the ring forgets meanwhile is counted. [loop], but for one function of the thread.
 */
#ifndef OTLP_LANE_H
#define OTLP_LANE_H

#include <trellis/kind/extension.h>

#include "answer.h"
#include "encode.h"

struct counts {
    uint64_t sent;     /* spans, records, points that were taken */
    uint64_t rejected; /* of a request that was taken otherwise */
    uint64_t dropped;  /* with a request that is refused for good */
    uint64_t missed;   /* forgotten by the ring before they were sent */
    uint64_t failures; /* requests not taken */
};

struct exporter; /* what the lanes share */

struct lane {
    struct exporter *x;
    enum signal signal;
    int on;              /* configured, and the core has it */
    trl_cursor at, next; /* next: behind what is under way */
    uint64_t watch, timer;
    uint32_t n;        /* under way; 0: nothing is */
    uint32_t failures; /* in a row */
    int64_t begun_ns;  /* metrics: the last collection */
    int32_t trouble;   /* verdict.code of the last request; 0: none */
    int partial;       /* the last answer had a complaint, which is told */
    int last;          /* stopping: no collection comes behind this one */
    int finished;      /* stopping: nothing more is sent */
    struct counts counts;
    struct http_req req;    /* [thread] while under way */
    struct verdict verdict; /* [thread] while under way */
};

struct exporter {
    const trl_host *h;
    const struct conf *conf;
    const trl_host_loop_v1 *loop;
    const trl_host_events_v1 *events;
    const trl_host_metrics_v1 *metrics;
    const trl_host_trace_v1 *trace;
    const trl_host_logs_v1 *logs;
    struct http *http;
    char *resource;                 /* of every request, owned */
    int64_t start_wall_ns;          /* since when the core counts */
    int stopping, live;             /* live: requests may be made */
    void (*on_finished)(void *arg); /* stopping: a lane has finished */
    void *arg;
    struct lane lanes[N_SIGNALS];
};

/* on, x and signal are set. */
void lane_start(struct lane *l);
/* Sends what there is, until there is no more or it fails; then finished, told by on_finished in a
 * later turn or set at once. */
void lane_flush(struct lane *l);
/* Nothing more happens: timers, watches. The request is dropped by who ends the thread. */
void lane_stop(struct lane *l);

#endif
