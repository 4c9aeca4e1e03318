/* SPDX-License-Identifier: Apache-2.0 */
#include "plug/tracer.h"

#include <string.h>

#include "base/mem.h"
#include "base/ring.h"

#define TEXT_BYTES 400u /* of one span: name, text, values */
#define WHY_BYTES  160u /* of it for the text */
#define NS_PER_MS  1000000ll
#define DRIFT_NS   (5 * NS_PER_MS)

struct part {
    uint16_t at, len;
};

struct kept {
    uint64_t seq, hi, lo, span, parent;
    int64_t start_ns, end_ns; /* UNIX time */
    uint8_t kind, outcome, n_attributes;
    uint16_t used;
    struct part name, text, values[TRACER_ATTRIBUTES];
    const char *keys[TRACER_ATTRIBUTES]; /* static */
    char bytes[TEXT_BYTES];
};

struct tracer {
    struct loop *loop;
    struct ring ring;
    int64_t offset_ns; /* UNIX time minus the loop's */
    void (*fn)(void *arg);
    void *arg;
};

static int64_t offset(const struct tracer *t) {
    return loop_wall_ms(t->loop) * NS_PER_MS - loop_now_ns(t->loop);
}

struct tracer *tracer_create(struct loop *loop, uint32_t spans) {
    struct tracer *t = mem_zalloc(sizeof(*t));
    t->loop = loop;
    t->offset_ns = offset(t);
    ring_init(&t->ring, spans, sizeof(struct kept));
    return t;
}

void tracer_destroy(struct tracer *t) {
    if (t) {
        ring_finish(&t->ring);
        mem_free(t);
    }
}

/* Spans take their times from the loop's clock, which never jumps; where that stands in UNIX time
 * is looked at when a trace begins: the machine may have slept. */
static void follow_wall(struct tracer *t) {
    int64_t now = offset(t);
    if (now - t->offset_ns > DRIFT_NS || t->offset_ns - now > DRIFT_NS) {
        t->offset_ns = now;
    }
}

void span_begin_at(struct tracer *t, const struct trace_ctx *parent, int64_t begun_ns,
                   struct span *ret) {
    memset(ret, 0, sizeof(*ret));
    if (!t) {
        return;
    }
    if (!trace_known(parent)) {
        follow_wall(t);
    }
    trace_child(loop_rng(t->loop), parent, &ret->ctx);
    ret->parent = trace_known(parent) ? parent->span : 0;
    ret->begun_ns = begun_ns;
}

void span_begin(struct tracer *t, const struct trace_ctx *parent, struct span *ret) {
    span_begin_at(t, parent, t ? loop_now_ns(t->loop) : 0, ret);
}

/* What does not fit is cut, between characters. */
static struct part keep(struct kept *k, str s, size_t max) {
    size_t room = TEXT_BYTES - k->used, len = s.len < max ? s.len : max;
    len = len < room ? len : room;
    while (len < s.len && len > 0 && ((unsigned char)s.ptr[len] & 0xc0) == 0x80) {
        len--;
    }
    struct part p = {k->used, (uint16_t)len};
    if (len) {
        memcpy(k->bytes + k->used, s.ptr, len);
        k->used = (uint16_t)(k->used + len);
    }
    return p;
}

void span_end(struct tracer *t, struct span *s, const struct span_end *how) {
    if (!t || !span_open(s)) {
        return;
    }
    struct span was = *s;
    memset(s, 0, sizeof(*s));
    if (!(was.ctx.flags & TRACE_SAMPLED)) {
        return;
    }
    struct kept *k = ring_add(&t->ring);
    k->seq = t->ring.last;
    k->hi = was.ctx.hi;
    k->lo = was.ctx.lo;
    k->span = was.ctx.span;
    k->parent = was.parent;
    k->start_ns = was.begun_ns + t->offset_ns;
    k->end_ns = loop_now_ns(t->loop) + t->offset_ns;
    k->kind = (uint8_t)how->kind;
    k->outcome = (uint8_t)how->outcome;
    k->n_attributes = 0;
    k->used = 0;
    k->name = keep(k, how->name, TEXT_BYTES);
    k->text = keep(k, how->text, WHY_BYTES);
    for (uint32_t i = 0; i < how->n_attributes && k->n_attributes < TRACER_ATTRIBUTES; i++) {
        if (how->attributes[i].value.len) {
            k->keys[k->n_attributes] = how->attributes[i].key.ptr;
            k->values[k->n_attributes++] = keep(k, how->attributes[i].value, TEXT_BYTES);
        }
    }
    if (t->fn) {
        t->fn(t->arg);
    }
}

int64_t tracer_wall_ns(const struct tracer *t, int64_t at_ns) {
    return at_ns + t->offset_ns;
}

uint64_t tracer_first(const struct tracer *t) {
    return ring_first(&t->ring);
}

uint64_t tracer_last(const struct tracer *t) {
    return t->ring.last;
}

static void put_id(uint8_t *to, uint64_t v) {
    for (int i = 7; i >= 0; i--, v >>= 8) {
        to[i] = (uint8_t)v;
    }
}

static str part(const struct kept *k, struct part p) {
    return str_n(k->bytes + p.at, p.len);
}

static void tell(const struct kept *k, void (*fn)(void *arg, const trl_span *s), void *arg) {
    trl_label attributes[TRACER_ATTRIBUTES];
    trl_span x = {.struct_size = sizeof(x),
                  .kind = k->kind,
                  .seq = k->seq,
                  .start_wall_ns = k->start_ns,
                  .end_wall_ns = k->end_ns,
                  .name = part(k, k->name),
                  .attributes = attributes,
                  .n_attributes = k->n_attributes,
                  .outcome = k->outcome,
                  .text = part(k, k->text)};
    put_id(x.trace_id, k->hi);
    put_id(x.trace_id + 8, k->lo);
    put_id(x.span_id, k->span);
    put_id(x.parent_id, k->parent);
    for (uint32_t i = 0; i < k->n_attributes; i++) {
        attributes[i] = (trl_label){str_c(k->keys[i]), part(k, k->values[i])};
    }
    fn(arg, &x);
}

uint64_t tracer_next(const struct tracer *t, uint64_t after, uint32_t max,
                     void (*fn)(void *arg, const trl_span *s), void *arg) {
    uint64_t first = ring_first(&t->ring), n = after + 1 > first ? after + 1 : first;
    for (; n <= t->ring.last && n > 0 && max > 0; n++, max--) {
        tell(ring_at(&t->ring, n), fn, arg);
        after = n;
    }
    return after;
}

str span_attribute(const trl_span *s, const char *key) {
    for (uint32_t i = 0; i < s->n_attributes; i++) {
        if (str_is(s->attributes[i].key, key)) {
            return s->attributes[i].value;
        }
    }
    return STR_NONE;
}

void tracer_watch(struct tracer *t, void (*fn)(void *arg), void *arg) {
    t->fn = fn;
    t->arg = arg;
}
