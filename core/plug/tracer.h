/* SPDX-License-Identifier: Apache-2.0
 *
 * Spans: what was done, from when to when, in which trace. Whoever does it keeps the open span; the
 * ended ones are kept in a ring of fixed size, oldest dropped. Loop only. A tracer of NULL: no
 * spans, and no trace ids either.
 */
#ifndef TRELLIS_PLUG_TRACER_H
#define TRELLIS_PLUG_TRACER_H

#include <trellis/kind/extension.h>

#include "base/trace.h"
#include "plug/loop.h"

#define TRACER_SPANS      8192u
#define TRACER_ATTRIBUTES 10u

struct tracer;

struct span { /* open while ctx is known; all zero: none */
    struct trace_ctx ctx;
    uint64_t parent; /* span id; 0: none */
    int64_t begun_ns;
};

struct span_end {                /* borrowed for the call */
    uint32_t kind;               /* TRL_SPAN_INTERNAL, ... */
    uint32_t outcome;            /* TRL_SPAN_UNSET, _OK, _ERROR */
    str name, text;              /* text: why it failed */
    const trl_label *attributes; /* keys: static. Empty values are left out */
    uint32_t n_attributes;       /* at most TRACER_ATTRIBUTES count */
};

struct tracer *tracer_create(struct loop *loop, uint32_t spans);
void tracer_destroy(struct tracer *t);

static inline bool span_open(const struct span *s) {
    return trace_known(&s->ctx);
}
/* parent unknown or NULL: the first span of a new trace. */
void span_begin(struct tracer *t, const struct trace_ctx *parent, struct span *ret);
void span_begin_at(struct tracer *t, const struct trace_ctx *parent, int64_t begun_ns,
                   struct span *ret);
/* Keeps it, if its trace is sampled; *s is all zero then. One that is not open is passed over. */
void span_end(struct tracer *t, struct span *s, const struct span_end *how);

/* A time of the loop's clock as UNIX time, as spans have it. */
int64_t tracer_wall_ns(const struct tracer *t, int64_t at_ns);
/* Ended spans, by number: the oldest kept and the newest (0: none). */
uint64_t tracer_first(const struct tracer *t);
uint64_t tracer_last(const struct tracer *t);
/* Those behind `after`, in order, at most max; returns the last number told, or after. */
uint64_t tracer_next(const struct tracer *t, uint64_t after, uint32_t max,
                     void (*fn)(void *arg, const trl_span *s), void *arg);
/* Value of an attribute; ptr NULL: it has none. */
str span_attribute(const trl_span *s, const char *key);
/* fn runs at each span kept; one watcher. NULL: nobody. */
void tracer_watch(struct tracer *t, void (*fn)(void *arg), void *arg);

#endif
