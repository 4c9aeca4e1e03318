/* SPDX-License-Identifier: Apache-2.0
 *
 * extension/1: consumes the core, owns nothing. An HTTP face, an exporter, a chat bot. It is
 * started when the control plane serves and stopped before anything else; what it needs comes
 * through the host interfaces below. Functions are [loop] unless tagged; callbacks run on the loop
 * in a later turn, never inline, and never once the instance is stopped.
 */
#ifndef TRELLIS_KIND_EXTENSION_H
#define TRELLIS_KIND_EXTENSION_H

#include <trellis/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct trl_extension_v1 {
    uint32_t struct_size, flags;
    /* Result: one JSON object for people, e.g. the addresses it listens on. No secrets. May be
     * NULL. */
    void (*info)(trl_inst *, trl_op *op);
} trl_extension_v1;

/* "host.api/1": the operations of the wire API in process, by the very same handlers. */
#define TRL_HOST_API_V1 "host.api/1"

#define TRL_API_CHANGES   1u /* changes something: refused by an instance that only observes */
#define TRL_API_NAME_MUST 2u /* needs a name ... */
#define TRL_API_NAME_MAY  4u /* ... or takes one. Neither: takes none */
#define TRL_API_WADM      8u /* of wadm's API: replies in wadm's form */

typedef struct trl_api_operation {
    uint32_t struct_size, flags; /* TRL_API_* */
    trl_str name;                /* "app.list", "model.put"; static */
} trl_api_operation;

typedef struct trl_api_call {
    uint32_t struct_size, flags; /* flags: 0 */
    trl_str operation;           /* "app.list" */
    trl_str tenant, lattice;     /* empty: "_", the only tenant, and no lattice in particular */
    trl_str name;                /* empty: none */
    trl_str body, content_type;  /* content_type empty: unknown */
    trl_str caller;              /* JSON object: who asks, from where. Told with every change (event
                                    "audit"): no secrets. Empty: the extension itself */
    trl_str traceparent;         /* W3C trace context the caller is in; empty: none */
} trl_api_call;

typedef struct trl_host_api_v1 {
    uint32_t struct_size, flags;
    /* Copies what it keeps. Exactly one on_reply unless cancelled. json: the reply, borrowed for
     * the call; st sums it up: OK; INVALID; NOTFOUND; CONFLICT (exists already, refused); DENIED;
     * UNAVAIL (store); INTERNAL. json is empty only when st is CLOSED or INVALID (no such
     * operation, names with forbidden characters). Returns an id > 0. */
    uint64_t (*call)(void *ctx, const trl_api_call *c,
                     void (*on_reply)(void *arg, trl_status st, trl_str json), void *arg);
    /* on_reply does not run any more; what was asked for may still be done. */
    void (*cancel)(void *ctx, uint64_t id);
    void (*each)(void *ctx, void (*fn)(void *arg, const trl_api_operation *o), void *arg);
} trl_host_api_v1;

/* "host.events/1": what happened: events, changes of status, command records (docs/streams.md). A
 * bounded ring in the core; whoever reads too slowly is told how many he missed. */
#define TRL_HOST_EVENTS_V1 "host.events/1"

typedef struct trl_event {
    uint32_t struct_size, flags;
    uint64_t seq; /* grows by one per event */
    int64_t wall_ms;
    trl_str tenant, lattice, app, kind; /* app may be empty; kind: "status_changed", "command" */
    trl_str json;                       /* one object, as published */
} trl_event;

/* A place in the stream; a restart without a store begins a new epoch. {0, 0}: the oldest event
 * kept. */
typedef struct trl_cursor {
    uint64_t epoch, seq;
} trl_cursor;

#define TRL_MISSED_UNKNOWN UINT64_MAX /* events were missed; how many cannot be known */

typedef struct trl_host_events_v1 {
    uint32_t struct_size, flags;
    trl_cursor (*latest)(void *ctx); /* behind the newest event */
    /* Calls fn inline for at most max events behind *at, in order, and moves *at behind them.
     * Returns how many events that should have come first are gone. */
    uint64_t (*read)(void *ctx, trl_cursor *at, uint32_t max,
                     void (*fn)(void *arg, const trl_event *e), void *arg);
    /* on_more runs once per turn in which events were added. Returns an id > 0. */
    uint64_t (*watch)(void *ctx, void (*on_more)(void *arg), void *arg);
    void (*unwatch)(void *ctx, uint64_t id);
} trl_host_events_v1;

/* "host.metrics/1": what the core counts. */
#define TRL_HOST_METRICS_V1 "host.metrics/1"

#define TRL_METRIC_COUNTER   1u
#define TRL_METRIC_GAUGE     2u
#define TRL_METRIC_HISTOGRAM 3u

typedef struct trl_metric { /* one series; series of one name follow one another */
    uint32_t struct_size, type;
    trl_str name; /* "trellis_plan_seconds": [a-z_]+, base units; counters without "_total" */
    trl_str help;
    const trl_label *labels;
    uint32_t n_labels;
    uint32_t n_buckets;
    double value;           /* counter, gauge; histogram: the sum */
    uint64_t count;         /* histogram: observations */
    const double *bounds;   /* [n_buckets] upper bounds, rising, without +Inf */
    const uint64_t *counts; /* [n_buckets] observations <= bound */
} trl_metric;

typedef struct trl_host_metrics_v1 {
    uint32_t struct_size, flags;
    void (*each)(void *ctx, void (*fn)(void *arg, const trl_metric *m), void *arg); /* inline */
} trl_host_metrics_v1;

/* "host.trace/1": spans that have ended, newest last; a bounded ring like that of the events, read
 * in the same way. One trace is one deployment: the call, what judged it, each command and the
 * host's answer. Ids are W3C trace context's. */
#define TRL_HOST_TRACE_V1 "host.trace/1"

#define TRL_SPAN_INTERNAL 1u /* kinds as OTLP numbers them */
#define TRL_SPAN_SERVER   2u
#define TRL_SPAN_CLIENT   3u

#define TRL_SPAN_UNSET 0u /* outcomes as OTLP numbers them */
#define TRL_SPAN_OK    1u
#define TRL_SPAN_ERROR 2u

typedef struct trl_span {
    uint32_t struct_size, kind; /* TRL_SPAN_INTERNAL, _SERVER, _CLIENT */
    uint64_t seq;               /* grows by one per span */
    uint8_t trace_id[16];
    uint8_t span_id[8];
    uint8_t parent_id[8];               /* all zero: none */
    int64_t start_wall_ns, end_wall_ns; /* since 1970, by one clock */
    trl_str name;                       /* few different ones: "app.deploy", "scale", "policy" */
    const trl_label *attributes;        /* "lattice", "app", "host", "unit", "reason" ... */
    uint32_t n_attributes, outcome;     /* TRL_SPAN_UNSET, _OK, _ERROR */
    trl_str text;                       /* why it failed, else empty */
} trl_span;

typedef struct trl_host_trace_v1 {
    uint32_t struct_size, flags;
    trl_cursor (*latest)(void *ctx);
    uint64_t (*read)(void *ctx, trl_cursor *at, uint32_t max,
                     void (*fn)(void *arg, const trl_span *s), void *arg);
    uint64_t (*watch)(void *ctx, void (*on_more)(void *arg), void *arg);
    void (*unwatch)(void *ctx, uint64_t id);
} trl_host_trace_v1;

/* "host.logs/1": what the control plane and its plugins logged, at the level of its configuration;
 * read as the others are. */
#define TRL_HOST_LOGS_V1 "host.logs/1"

typedef struct trl_log_record {
    uint32_t struct_size;
    int32_t level; /* TRL_LOG_* */
    uint64_t seq;
    int64_t wall_ns;
    trl_str msg;         /* one line */
    trl_str fields_json; /* a flat JSON object, or empty */
} trl_log_record;

typedef struct trl_host_logs_v1 {
    uint32_t struct_size, flags;
    trl_cursor (*latest)(void *ctx);
    uint64_t (*read)(void *ctx, trl_cursor *at, uint32_t max,
                     void (*fn)(void *arg, const trl_log_record *r), void *arg);
    uint64_t (*watch)(void *ctx, void (*on_more)(void *arg), void *arg);
    void (*unwatch)(void *ctx, uint64_t id);
} trl_host_logs_v1;

/* "host.health/1" */
#define TRL_HOST_HEALTH_V1 "host.health/1"

#define TRL_CHECK_NEEDED 1u /* not ready unless this is ok */

typedef struct trl_health_check {
    uint32_t struct_size, flags; /* TRL_CHECK_* */
    int32_t ok, reserved;
    trl_str name, reason; /* "store", one line for people */
} trl_health_check;

typedef struct trl_host_health_v1 {
    uint32_t struct_size, flags;
    /* [any] How long ago the loop last came round: it does at least four times a second. */
    int64_t (*loop_age_ns)(void *ctx);
    /* Asks everything that can be asked; on_done once, within three seconds. Checks: strided,
     * borrowed for the call. Returns an id > 0. */
    uint64_t (*check)(void *ctx,
                      void (*on_done)(void *arg, const void *checks, uint32_t n, uint32_t stride),
                      void *arg);
    void (*cancel)(void *ctx, uint64_t id);
} trl_host_health_v1;

#ifdef __cplusplus
}
#endif
#endif
