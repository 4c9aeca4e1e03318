/* SPDX-License-Identifier: Apache-2.0
 *
 * trace.get: what was done for an application, and when, from the ring of ended spans.
 */
#include <stdlib.h>
#include <string.h>

#include "api/api_priv.h"

#define TRACES 20u /* named beside the one that is shown */

struct found {
    trl_span s; /* strings in the request's arena */
    bool open;
};

struct other {
    uint8_t id[16];
    str name;
    int64_t start_ns, end_ns;
    uint32_t outcome;
};

struct reading {
    struct req *r;
    uint8_t id[16]; /* the trace; all zero: the newest of the app */
    VEC(struct found) at;
    struct other others[TRACES];
    uint32_t n_others;
};

static const uint8_t none[16];

static void put_id(uint8_t *to, uint64_t hi, uint64_t lo) {
    for (int i = 7; i >= 0; i--, hi >>= 8, lo >>= 8) {
        to[i] = (uint8_t)hi;
        to[8 + i] = (uint8_t)lo;
    }
}

static void hex(const uint8_t *id, uint32_t n, char *ret) {
    static const char digits[] = "0123456789abcdef";
    for (uint32_t i = 0; i < n; i++) {
        ret[2 * i] = digits[id[i] >> 4];
        ret[2 * i + 1] = digits[id[i] & 15];
    }
    ret[2 * n] = '\0';
}

static void kv_hex(struct jw *w, const char *key, const uint8_t *id, uint32_t n) {
    char text[33];
    hex(id, n, text);
    jw_kv(w, key, str_c(text));
}

/* Whoever may ask about the app may read what is said of it, and nothing of others in the same
 * trace. */
static bool about_it(const struct req *r, const trl_span *s) {
    str tenant = span_attribute(s, "tenant");
    return str_eq(span_attribute(s, "app"), r->name) &&
           str_eq(span_attribute(s, "lattice"), r->s.lattice) &&
           str_eq(tenant.len ? tenant : STR("_"), r->s.account);
}

static void note_other(struct reading *g, const trl_span *s) {
    struct other *o = NULL;
    for (uint32_t i = 0; i < g->n_others && !o; i++) {
        o = memcmp(g->others[i].id, s->trace_id, 16) == 0 ? &g->others[i] : NULL;
    }
    if (!o && g->n_others < TRACES) {
        o = &g->others[g->n_others++];
        memcpy(o->id, s->trace_id, 16);
        o->start_ns = INT64_MAX;
        o->end_ns = 0;
    }
    if (!o) {
        return;
    }
    bool first = s->start_wall_ns < o->start_ns ||
                 (s->start_wall_ns == o->start_ns && s->kind == TRL_SPAN_SERVER);
    if (first) { /* the first thing done is what it is about */
        o->start_ns = s->start_wall_ns;
        o->name = arena_str(&g->r->arena, s->name);
        o->outcome = s->outcome;
    }
    o->end_ns = s->end_wall_ns > o->end_ns ? s->end_wall_ns : o->end_ns;
}

static void look(void *arg, const trl_span *s) {
    struct reading *g = arg;
    if (!about_it(g->r, s)) {
        return;
    }
    note_other(g, s);
    if (memcmp(g->id, none, 16) == 0) {
        memcpy(g->id, s->trace_id, 16);
    }
    if (memcmp(g->id, s->trace_id, 16) != 0) {
        return;
    }
    struct found *f = VEC_ADD(&g->at);
    struct arena *a = &g->r->arena;
    trl_label *attributes = ARENA_ARRAY(a, trl_label, s->n_attributes + 1);
    f->s = *s;
    f->s.name = arena_str(a, s->name);
    f->s.text = arena_str(a, s->text);
    f->s.attributes = attributes;
    for (uint32_t i = 0; i < s->n_attributes; i++) {
        attributes[i].key = s->attributes[i].key; /* static */
        attributes[i].value = arena_str(a, s->attributes[i].value);
    }
}

/* What is under way has not ended, so it is not in the ring: it is told as far as it is. */
static void add_open(struct reading *g) {
    struct tracer *t = g->r->api->env.tracer;
    struct engine *e = req_engine(g->r, false);
    str name;
    const struct span *open = e ? engine_work(e, g->r->name, &name) : NULL;
    uint8_t id[16];
    if (!open || !(open->ctx.flags & TRACE_SAMPLED)) {
        return;
    }
    put_id(id, open->ctx.hi, open->ctx.lo);
    if (memcmp(g->id, none, 16) == 0) {
        memcpy(g->id, id, 16);
    }
    if (memcmp(g->id, id, 16) == 0) {
        struct found *f = VEC_ADD(&g->at);
        uint8_t both[16];
        f->open = true;
        put_id(both, open->ctx.span, open->parent);
        memcpy(f->s.trace_id, id, 16);
        memcpy(f->s.span_id, both, 8);
        memcpy(f->s.parent_id, both + 8, 8);
        f->s.kind = TRL_SPAN_INTERNAL;
        f->s.seq = UINT64_MAX;
        f->s.start_wall_ns = tracer_wall_ns(t, open->begun_ns);
        f->s.end_wall_ns = tracer_wall_ns(t, loop_now_ns(g->r->api->env.loop));
        f->s.name = name;
    }
}

/* By start; at one instant what ended later is around what ended earlier. */
static int by_start(const void *a, const void *b) {
    const trl_span *x = &((const struct found *)a)->s, *y = &((const struct found *)b)->s;
    if (x->start_wall_ns != y->start_wall_ns) {
        return x->start_wall_ns < y->start_wall_ns ? -1 : 1;
    }
    return x->seq > y->seq ? -1 : x->seq < y->seq;
}

static const char *outcome_name(uint32_t outcome) {
    return outcome == TRL_SPAN_OK ? "ok" : outcome == TRL_SPAN_ERROR ? "error" : "unset";
}

static void write_span(struct jw *w, const struct found *f) {
    static const char *const kinds[] = {"internal", "internal", "server", "client"};
    const trl_span *s = &f->s;
    int64_t took = s->end_wall_ns - s->start_wall_ns;
    jw_object(w);
    kv_hex(w, "span", s->span_id, 8);
    if (memcmp(s->parent_id, none, 8) != 0) {
        kv_hex(w, "parent", s->parent_id, 8);
    }
    jw_kv(w, "name", s->name);
    jw_kv(w, "kind", str_c(kinds[s->kind & 3]));
    jw_kv_u64(w, "start_us", (uint64_t)(s->start_wall_ns / 1000));
    jw_kv_u64(w, "duration_us", (uint64_t)(took > 0 ? took / 1000 : 0));
    jw_kv(w, "outcome", str_c(f->open ? "open" : outcome_name(s->outcome)));
    jw_kv(w, "text", s->text);
    jw_key(w, "attributes");
    jw_object(w);
    for (uint32_t i = 0; i < s->n_attributes; i++) {
        jw_key_str(w, s->attributes[i].key);
        jw_str(w, s->attributes[i].value);
    }
    jw_end_object(w);
    jw_end_object(w);
}

static void write_others(struct jw *w, const struct reading *g) {
    jw_key(w, "traces");
    jw_array(w);
    for (uint32_t i = 0; i < g->n_others; i++) {
        const struct other *o = &g->others[i];
        jw_object(w);
        kv_hex(w, "trace", o->id, 16);
        jw_kv(w, "name", o->name);
        jw_kv_u64(w, "start_us", (uint64_t)(o->start_ns / 1000));
        jw_kv_u64(w, "duration_us", (uint64_t)((o->end_ns - o->start_ns) / 1000));
        jw_kv(w, "outcome", str_c(outcome_name(o->outcome)));
        jw_end_object(w);
    }
    jw_end_array(w);
}

static void reply(struct req *r, struct reading *g) {
    struct buf data = BUF_INIT;
    struct jw w;
    if (g->at.n) {
        qsort(g->at.at, g->at.n, sizeof(*g->at.at), by_start);
    }
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_kv(&w, "app", r->name);
    if (memcmp(g->id, none, 16) != 0) {
        kv_hex(&w, "trace", g->id, 16);
    }
    jw_key(&w, "spans");
    jw_array(&w);
    for (uint32_t i = 0; i < g->at.n; i++) {
        write_span(&w, &g->at.at[i]);
    }
    jw_end_array(&w);
    write_others(&w, g);
    jw_end_object(&w);
    VEC_FREE(&g->at);
    req_ok(r, &data);
}

/* Newest first, so that what is newest is found without being told. */
static void read_ring(struct reading *g) {
    struct tracer *t = g->r->api->env.tracer;
    uint64_t first = t ? tracer_first(t) : 0;
    for (uint64_t n = t ? tracer_last(t) : 0; n > 0 && n >= first; n--) {
        tracer_next(t, n - 1, 1, look, g);
    }
}

void trellis_trace_get(struct req *r) {
    struct node *root = NULL;
    struct err err = ERR_INIT;
    struct trace_ctx asked = {0};
    struct reading g = {.r = r};
    r->name = r->s.name;
    if (r->body.len && json_parse(r->body, &r->arena, &root, &err) < 0) {
        req_fail(r, "INVALID", "Unable to parse the request: %s", err.msg);
        return;
    }
    str id = node_text(root, "trace", STR(""));
    if (id.len && !trace_id_parse(id, &asked)) {
        req_fail(r, "INVALID", "trace: expected the 32 hex digits of a trace id, not %.*s",
                 PSTR(id));
        return;
    }
    const struct app *a =
        catalog_find_any(r->api->env.catalog, r->s.account, r->s.lattice, r->name);
    if (!a && req_look(r, trellis_trace_get)) {
        return;
    }
    if (id.len || (a && trace_known(&a->trace))) {
        const struct trace_ctx *which = id.len ? &asked : &a->trace;
        put_id(g.id, which->hi, which->lo);
    }
    add_open(&g);
    read_ring(&g);
    if (!a && g.at.n == 0 && g.n_others == 0) {
        req_fail(r, "NOT_FOUND", "Application with the name %.*s not found", PSTR(r->name));
        return;
    }
    reply(r, &g);
}
