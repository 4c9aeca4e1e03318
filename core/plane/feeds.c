/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/feeds.h"

#include "plane/logs.h"
#include "plug/plug.h"
#include "plug/tracer.h"

static struct extensions *of(void *ctx, const char *id) {
    return plug_iface_ctx(ctx, id);
}

/* Makes *at a place of this life of the ring; returns how many were missed. */
static uint64_t enter(const struct extensions *x, trl_cursor *at, uint64_t first, uint64_t last) {
    uint64_t missed = 0, epoch = extensions_epoch(x);
    if (at->epoch && (at->epoch != epoch || at->seq > last)) {
        missed = TRL_MISSED_UNKNOWN;
        at->seq = 0;
    } else if (at->epoch && at->seq + 1 < first) {
        missed = first - at->seq - 1;
    } else if (!at->epoch) {
        at->seq = 0;
    }
    at->epoch = epoch;
    return missed;
}

static trl_cursor trace_latest(void *ctx) {
    struct extensions *x = of(ctx, TRL_HOST_TRACE_V1);
    return (trl_cursor){extensions_epoch(x), tracer_last(extensions_tracer(x))};
}

static uint64_t trace_read(void *ctx, trl_cursor *at, uint32_t max,
                           void (*fn)(void *arg, const trl_span *s), void *arg) {
    struct extensions *x = of(ctx, TRL_HOST_TRACE_V1);
    const struct tracer *t = extensions_tracer(x);
    uint64_t missed = enter(x, at, tracer_first(t), tracer_last(t));
    at->seq = tracer_next(t, at->seq, max, fn, arg);
    return missed;
}

static uint64_t trace_watch(void *ctx, void (*on_more)(void *arg), void *arg) {
    return extensions_watch(of(ctx, TRL_HOST_TRACE_V1), ctx, FEED_TRACE, on_more, arg);
}

static void trace_unwatch(void *ctx, uint64_t id) {
    extensions_unwatch(ctx, TRL_HOST_TRACE_V1, id);
}

const trl_host_trace_v1 feeds_trace_iface = {
    sizeof(feeds_trace_iface), 0, trace_latest, trace_read, trace_watch, trace_unwatch};

static trl_cursor logs_latest(void *ctx) {
    struct extensions *x = of(ctx, TRL_HOST_LOGS_V1);
    return (trl_cursor){extensions_epoch(x), logs_last(extensions_logs(x))};
}

static uint64_t logs_read(void *ctx, trl_cursor *at, uint32_t max,
                          void (*fn)(void *arg, const trl_log_record *r), void *arg) {
    struct extensions *x = of(ctx, TRL_HOST_LOGS_V1);
    const struct logs *l = extensions_logs(x);
    uint64_t missed = enter(x, at, logs_first(l), logs_last(l));
    at->seq = logs_next(l, at->seq, max, fn, arg);
    return missed;
}

static uint64_t watch_logs(void *ctx, void (*on_more)(void *arg), void *arg) {
    return extensions_watch(of(ctx, TRL_HOST_LOGS_V1), ctx, FEED_LOGS, on_more, arg);
}

static void unwatch_logs(void *ctx, uint64_t id) {
    extensions_unwatch(ctx, TRL_HOST_LOGS_V1, id);
}

const trl_host_logs_v1 feeds_logs_iface = {
    sizeof(feeds_logs_iface), 0, logs_latest, logs_read, watch_logs, unwatch_logs};
