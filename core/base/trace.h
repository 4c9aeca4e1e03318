/* SPDX-License-Identifier: Apache-2.0
 *
 * W3C trace context (level 1): which trace something belongs to, and what led to it. As text in a
 * header: 00-<trace, 32 hex>-<span, 16 hex>-<flags, 2 hex>.
 */
#ifndef TRELLIS_BASE_TRACE_H
#define TRELLIS_BASE_TRACE_H

#include "base/rand.h"
#include "base/str.h"

#define TRACE_HEADER  "traceparent"
#define TRACE_LEN     55u
#define TRACE_ID_LEN  32u
#define TRACE_SAMPLED 1u

struct trace_ctx { /* all zero: none */
    uint64_t hi, lo, span;
    uint8_t flags; /* TRACE_SAMPLED */
};

static inline bool trace_known(const struct trace_ctx *t) {
    return t && (t->hi | t->lo) != 0;
}
/* A header's value. False: it is none, and *ret is all zero. Later versions are read as far as
 * level 1 goes. */
bool trace_parse(str text, struct trace_ctx *ret);
/* The traceparent among headers, whatever the case of its name; false: none that can be read. */
bool trace_of_headers(const trl_label *headers, uint32_t n, struct trace_ctx *ret);
str trace_text(const struct trace_ctx *t, char buf[TRACE_LEN + 1]);    /* empty for none */
str trace_id_text(const struct trace_ctx *t, char buf[TRACE_LEN + 1]); /* its 32 digits */
void trace_span_text(uint64_t span, char ret[17]);
/* 32 lower-case hex digits into hi and lo; the rest of *ret is zero. */
bool trace_id_parse(str text, struct trace_ctx *ret);
/* What parent led to: in its trace, or the first of a new one that is sampled. */
void trace_child(struct rng *rng, const struct trace_ctx *parent, struct trace_ctx *ret);

#endif
