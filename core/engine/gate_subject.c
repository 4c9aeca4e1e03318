/* SPDX-License-Identifier: Apache-2.0
 *
 * What the gate of dispatch asks about: subjects of the points `place` and `command`.
 */
#include "base/digest.h"
#include "codec/json.h"
#include "engine/engine_priv.h"

static void write_labels(struct jw *w, const trl_label *labels, uint32_t n) {
    jw_key(w, "labels");
    jw_object(w);
    for (uint32_t i = 0; i < n; i++) {
        jw_key_str(w, labels[i].key);
        jw_str(w, labels[i].value);
    }
    jw_end_object(w);
}

static void begin_subject(struct engine *e, struct jw *w, struct buf *out, const char *point,
                          str app) {
    jw_init(w, out, false);
    jw_object(w);
    jw_kv(w, "point", str_c(point));
    if (!str_is(engine_tenant(e), "_")) {
        jw_kv(w, "tenant", engine_tenant(e));
    }
    jw_kv(w, "lattice", engine_lattice(e));
    jw_kv(w, "app", app);
}

/* looks: TRL_LOOKS_*, what of it. */
static void write_host(struct engine *e, struct jw *w, uint32_t slot, uint32_t looks) {
    const struct seen_host *h = &e->o.hosts.at[slot];
    jw_key(w, "host");
    jw_object(w);
    if (looks & TRL_LOOKS_HOST) {
        jw_kv(w, "id", h->id);
        jw_kv(w, "name", h->name);
    }
    if (looks & TRL_LOOKS_LABELS) {
        write_labels(w, h->labels, h->n_labels);
    }
    jw_end_object(w);
}

void gate_command_subject(struct engine *e, const struct plan_action *x, struct buf *out) {
    struct jw w;
    begin_subject(e, &w, out, "command", x->app);
    jw_kv(&w, "verb", str_c(dispatch_verb(x->verb)));
    if (x->target == PLAN_UNIT) {
        jw_kv(&w, "unit", x->name);
        jw_kv(&w, "image", x->unit ? x->unit->image : x->image_old);
        jw_kv_u64(&w, "count", x->count);
        jw_kv_u64(&w, "count_old", x->count_old);
        uint32_t looks = policy_looks(e->env.policy, TRL_POINT_COMMAND);
        if (looks & (TRL_LOOKS_HOST | TRL_LOOKS_LABELS)) {
            write_host(e, &w, x->host, looks);
        }
    } else {
        jw_kv(&w, x->target == PLAN_LINK ? "link" : "config", x->name);
    }
    jw_kv(&w, "reason", x->reason);
    jw_end_object(&w);
}

void gate_place_subject(struct engine *e, str app, const struct want_unit *u, uint32_t slot,
                        struct buf *out) {
    struct jw w;
    begin_subject(e, &w, out, "place", app);
    jw_key(&w, "unit");
    jw_object(&w);
    jw_kv(&w, "name", u->item);
    jw_kv(&w, "id", u->id);
    jw_kv(&w, "kind", u->provider ? STR("provider") : STR("component"));
    jw_kv(&w, "image", u->image);
    jw_end_object(&w);
    write_host(e, &w, slot, UINT32_MAX);
    jw_end_object(&w);
}

static uint64_t mix(uint64_t h, str s) {
    return (h ^ hash_bytes(s.ptr, s.len)) * 0x9e3779b97f4a7c15ull + s.len;
}

uint64_t gate_place_mark(const struct engine *e, const struct want_unit *u, uint32_t slot) {
    const struct seen_host *h = &e->o.hosts.at[slot];
    uint64_t m = mix(mix(mix(mix(u->provider, u->app), u->item), u->image), h->name);
    for (uint32_t i = 0; i < h->n_labels; i++) {
        m = mix(mix(m, h->labels[i].key), h->labels[i].value);
    }
    return m;
}

/* Commands alike */

static bool same_labels(const struct seen_host *a, const struct seen_host *b) {
    bool same = a->n_labels == b->n_labels;
    for (uint32_t i = 0; same && i < a->n_labels; i++) {
        same = str_eq(a->labels[i].key, b->labels[i].key) &&
               str_eq(a->labels[i].value, b->labels[i].value);
    }
    return same;
}

/* Equal for commands alike, and hardly ever for others. */
static uint64_t command_mark(const struct gate_pass *g, const struct plan_action *x,
                             uint32_t looks) {
    uint64_t m = mix((uint64_t)x->verb << 48 ^ (uint64_t)x->count << 24 ^ x->count_old, x->name);
    if (looks & TRL_LOOKS_LABELS) {
        const struct seen_host *h = &g->e->o.hosts.at[x->host];
        for (uint32_t i = 0; i < h->n_labels; i++) {
            m = mix(mix(m, h->labels[i].key), h->labels[i].value);
        }
    }
    return m;
}

/* No two commands for units are alike where somebody looks at which host it is, and no two others.
 */
static bool may_be_alike(const struct plan_action *x, uint32_t looks) {
    return x->target == PLAN_UNIT && !(looks & TRL_LOOKS_HOST);
}

static bool alike(const struct gate_pass *g, const struct plan_action *a,
                  const struct plan_action *b, uint32_t looks) {
    return a->unit == b->unit && a->verb == b->verb && a->count == b->count &&
           a->count_old == b->count_old && str_eq(a->name, b->name) &&
           (a->unit || str_eq(a->image_old, b->image_old)) && str_eq(a->reason, b->reason) &&
           (!(looks & TRL_LOOKS_LABELS) ||
            same_labels(&g->e->o.hosts.at[a->host], &g->e->o.hosts.at[b->host]));
}

const struct gate_seen *gate_alike(const struct gate_pass *g, const struct plan_action *x) {
    uint32_t looks = policy_looks(g->e->env.policy, TRL_POINT_COMMAND);
    uint32_t n = g->n_seen < GATE_SEEN ? g->n_seen : GATE_SEEN;
    if (n == 0 || !may_be_alike(x, looks)) {
        return NULL;
    }
    uint64_t mark = command_mark(g, x, looks);
    for (uint32_t i = 0; i < n; i++) {
        if (g->seen[i].mark == mark && alike(g, g->seen[i].x, x, looks)) {
            return &g->seen[i];
        }
    }
    return NULL;
}

void gate_remember(struct gate_pass *g, const struct plan_action *x, bool allowed) {
    uint32_t looks = policy_looks(g->e->env.policy, TRL_POINT_COMMAND);
    if (may_be_alike(x, looks)) {
        g->seen[g->n_seen++ % GATE_SEEN] =
            (struct gate_seen){x, command_mark(g, x, looks), allowed};
    }
}
