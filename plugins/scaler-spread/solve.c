/* SPDX-License-Identifier: Apache-2.0 */
#include "solve.h"

#include "../scaler-common/text.h"

static bool singleton(const struct view *v) {
    return (v->in->unit->flags & TRL_UNIT_SINGLETON_PER_HOST) != 0;
}

static uint32_t reason(const struct view *v, const struct answer *a, uint32_t p) {
    uint32_t wanted = a->wanted[p], current = v->current[p];
    if (v->kind[p] == HOST_FROZEN) {
        return TRL_WHY_FROZEN;
    }
    if (v->kind[p] == HOST_OUT) {
        return v->bits[v->class_of[p]] == 0 ? TRL_WHY_INELIGIBLE : TRL_WHY_EXCLUDED;
    }
    if (wanted != current) {
        return wanted > current ? TRL_WHY_ADDED : TRL_WHY_REMOVED;
    }
    if (v->kind[p] == HOST_KEEP) {
        return TRL_WHY_CORDONED;
    }
    if (current > 0) {
        return TRL_WHY_KEPT;
    }
    if (v->foreign[p] > 0) {
        return TRL_WHY_EXCLUDED;
    }
    return v->failing[p] > 0 ? TRL_WHY_FAILING : TRL_WHY_FULL;
}

static void could_not(struct text *t, const struct view *v, uint32_t k, uint64_t have, uint64_t of,
                      const char *what) {
    text_blank(t);
    text_c(t, "Could not satisfy spread ");
    text_str(t, v->spec->spreads[v->shares[k].spread].name);
    text_c(t, " for ");
    text_str(t, v->in->unit->image);
    text_c(t, ", ");
    text_u64(t, have);
    text_c(t, "/");
    text_u64(t, of);
    text_c(t, what);
}

/* A provider's spread lacks hosts: how many run it already, ours and others'. */
static void say_single(struct text *t, const struct view *v, const struct answer *a, uint32_t k) {
    uint64_t running = 0;
    for (uint32_t p = 0; p < v->n; p++) {
        running += a->serves[p] == k && (v->current[p] > 0 || v->foreign[p] > 0);
    }
    could_not(t, v, k, running, v->shares[k].target, " eligible hosts found.");
}

/* A component's spread lacks a host, or all its hosts are full. */
static void say_many(struct text *t, const struct view *v, const struct answer *a, uint32_t k) {
    bool could = false;
    for (uint32_t p = 0; p < v->n; p++) {
        could = could || (v->kind[p] == HOST_READY && view_matches(v, p, k));
    }
    if (!could) {
        could_not(t, v, k, 0, 1, " eligible hosts found.");
    } else {
        could_not(t, v, k, v->shares[k].target - a->unmet[k], v->shares[k].target,
                  " instances fit the eligible hosts.");
    }
}

static void say(const struct view *v, const struct answer *a, trl_place_out *out) {
    struct text t = {.at = out->message, .cap = sizeof(out->message)};
    uint64_t unplaced = 0;
    out->message[0] = '\0';
    out->failed = 0;
    for (uint32_t k = 0; k < v->k; k++) {
        if (a->unmet[k] == 0) {
            continue;
        }
        out->failed = 1;
        if (__builtin_add_overflow(unplaced, a->unmet[k], &unplaced)) {
            unplaced = UINT64_MAX;
        }
        if (t.full) {
            continue;
        }
        if (singleton(v)) {
            say_single(&t, v, a, k);
        } else {
            say_many(&t, v, a, k);
        }
    }
    out->unplaced = unplaced > UINT32_MAX ? UINT32_MAX : (uint32_t)unplaced;
}

void spread_place(const trl_scaler_spec *spec, const trl_place_in *in, trl_place_out *out) {
    struct view v;
    struct answer a;
    view_init(&v, spec, in);
    if (singleton(&v)) {
        solve_single(&v, &a);
    } else {
        solve_many(&v, &a);
    }
    for (uint32_t p = 0; p < v.n; p++) {
        uint32_t i = v.order[p], k = a.serves[p];
        bool serves = k != NONE && (a.wanted[p] > 0 || v.current[p] > 0);
        out->wanted[i] = a.wanted[p];
        out->group[i] = serves ? v.shares[k].spread : TRL_NO_GROUP;
        if (out->reasons) {
            out->reasons[i] = reason(&v, &a, p);
        }
    }
    say(&v, &a, out);
    view_finish(&v);
}
