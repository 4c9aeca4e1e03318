/* SPDX-License-Identifier: Apache-2.0
 *
 * What a former life left open. A host that was silent when the program started is not known to
 * it, and may still run, or start, what was asked of it then: versions applied in a former life are
 * not forgotten before the host time-out and another look. It is decided at once where nothing can
 * be open: for versions first applied by this life, whose commands went to hosts that are known;
 * and for a version that was complete at the first look, with as many instances as it wants
 * whatever hosts there are, so that none is left to be elsewhere.
 */
#include "engine/engine_priv.h"

void inherit_head(struct engine *e, struct desired_app *a, const struct app *head) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < a->applied.n; i++) {
        for (uint32_t k = 0; k < head->n_applied; k++) {
            if (a->applied.at[i].n == head->applied[k]) {
                a->applied.at[kept++] = a->applied.at[i];
                break;
            }
        }
    }
    a->applied.n = kept;
    for (uint32_t k = 0; k < head->n_applied; k++) {
        bool known = false;
        for (uint32_t i = 0; i < kept && !known; i++) {
            known = a->applied.at[i].n == head->applied[k];
        }
        if (!known) {
            *VEC_ADD(&a->applied) = (struct applied){head->applied[k], e->active};
        }
    }
}

bool inherit_nothing(const struct desired_app *a) {
    bool nothing = a->prompted && a->cur && a->olds.n == 0;
    for (uint32_t i = 0; i < a->applied.n && nothing; i++) {
        nothing = a->applied.at[i].ours;
    }
    return nothing;
}

static bool inheriting(const struct engine *e) {
    return e->inherit_until_ns || e->inheriting;
}

/* As many as wanted are seen, and that many are wanted on however many hosts. */
static bool all_seen(const struct engine *e, const struct desired_app *a,
                     const struct want_unit *u) {
    uint32_t unit = intern_find(&e->o.names, u->id), app = intern_find(&e->o.names, a->name);
    uint64_t seen = 0, total = u->spec ? scaler_total(u->spec, 1) : 0;
    for (uint32_t i = 0; unit < e->o.units.n && i < e->o.units.at[unit].slots.n; i++) {
        const struct seen_entry *x = observed_entry(&e->o, e->o.units.at[unit].slots.at[i], unit);
        seen += x && x->managed && x->app == app ? x->count : 0;
    }
    return seen == total && (!u->spec || scaler_total(u->spec, UINT32_MAX) == total);
}

void inherit_planned(struct engine *e, struct desired_app *a, const struct plan *p) {
    bool complete = inheriting(e) && !a->looked_at && a->cur && a->olds.n == 0 &&
                    p->status.type == STATUS_DEPLOYED && !p->pending && engine_all_heard(e);
    a->looked_at = true;
    for (uint32_t i = 0; complete && i < a->cur->n_units; i++) {
        complete = all_seen(e, a, &a->cur->units[i]);
    }
    for (uint32_t i = 0; complete && i < a->applied.n; i++) {
        a->applied.at[i].ours = true;
    }
}

uint32_t inherit_settled(const struct engine *e, const struct desired_app *a, const struct plan *p,
                         uint32_t *ret_gone) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_gone; i++) {
        bool ours = !inheriting(e);
        for (uint32_t k = 0; k < a->applied.n && !ours; k++) {
            ours = a->applied.at[k].n == p->gone[i] && a->applied.at[k].ours;
        }
        if (ours) {
            ret_gone[n++] = p->gone[i];
        }
    }
    return n;
}

void inherit_end(struct engine *e) {
    if (e->inherit_until_ns && engine_now(e) >= e->inherit_until_ns && !e->syncing && e->link_up) {
        e->inherit_until_ns = 0;
        e->inheriting = true;
        engine_reread_configs(e);
        engine_resync(e);
    }
}
