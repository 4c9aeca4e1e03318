/* SPDX-License-Identifier: Apache-2.0
 *
 * Image changes: which hosts, when. A host never gets two images of one id at once, so one host is
 * one action of the driver (preflight, stop, start, or back). Where another host can take the unit,
 * that one is started first; otherwise hosts go in batches behind a first one that must succeed.
 */
#include <string.h>

#include "engine/plan_priv.h"

static bool same_image(const struct unit_plan *x, str seen) {
    if (str_eq(seen, x->u->image)) {
        return true;
    }
    const struct plan_in *in = x->p->in;
    if (!x->u->provider || !in->normal_image) {
        return false;
    }
    char a[2048], b[2048];
    size_t na = in->normal_image(in->arg, TRL_RUN_PROVIDER, seen, a, sizeof(a));
    size_t nb = in->normal_image(in->arg, TRL_RUN_PROVIDER, x->u->image, b, sizeof(b));
    return na <= sizeof(a) && nb <= sizeof(b) && str_eq(str_n(a, na), str_n(b, nb));
}

/* A scale with the full list proved it equal, although the mark is an older one. */
static bool accepted(const struct unit_plan *x, uint32_t pos) {
    const struct ledger_item *i = x->item[pos];
    return i && i->accepted == x->entry[pos]->scaler + 1 && i->accepted_list == x->u->list_hash;
}

/* Does it run with the config list that is wanted? The annotation `scaler` is the fingerprint. */
static bool other_list(struct unit_plan *x, uint32_t pos) {
    struct planner *p = x->p;
    const struct seen_entry *e = x->entry[pos];
    str scaler = e->scaler == INTERN_NONE ? STR_NONE : intern_str(&p->o->names, e->scaler);
    if (str_eq(scaler, x->u->scaler_id) || str_eq(scaler, x->u->scaler_id_other)) {
        return false;
    }
    const struct known_scaler *k = map_get(&p->app->known, scaler);
    if (k) {
        return k->list_hash != x->u->list_hash && !accepted(x, pos);
    }
    if (!p->app->known_all) {
        p->out->needs_known = true;
        return false;
    }
    if (x->u->provider) {
        x->note = STR("config list unknown");
        return false; /* a restart only to make sure would be a gap for nothing */
    }
    return !accepted(x, pos);
}

/* A component is rebuilt by a scale, without a gap, where its list of names differs or has a secret
 * in it (hosts read those anew each time). Other contents reach it by a restart only, and so does
 * everything that a provider has. */
static bool only_contents(const struct unit_plan *x, uint32_t pos) {
    const struct seen_entry *e = x->entry[pos];
    const struct known_scaler *k =
        e->scaler == INTERN_NONE
            ? NULL
            : map_get(&x->p->app->known, intern_str(&x->p->o->names, e->scaler));
    return x->u->rolls && !x->u->has_secrets && (!k || k->names_hash == x->u->names_hash);
}

void unit_classify(struct unit_plan *x, uint32_t pos) {
    const struct seen_entry *e = x->entry[pos];
    x->outdated[pos] = !same_image(x, intern_str(&x->p->o->names, e->image));
    if (!x->outdated[pos] && other_list(x, pos)) {
        bool anew = x->u->provider || only_contents(x, pos);
        x->relist[pos] = !anew;
        x->outdated[pos] = anew;
    }
    x->n_running++;
    x->n_fresh += !x->outdated[pos] && !(x->item[pos] && x->item[pos]->inflight);
}

static bool over_nats(const struct unit_plan *x) {
    const struct users *u = desired_users(&x->p->d->link_targets, x->u->id);
    bool any = false, outside = false;
    for (uint32_t i = 0; u && i < u->at.n; i++) {
        const struct want_link *l = u->at.at[i].what;
        const struct users *source = desired_users(&x->p->d->unit_users, l->source);
        const struct want_unit *unit = source && source->at.n ? source->at.at[0].what : NULL;
        any = true;
        outside |=
            !unit || !unit->provider || !str_starts(unit->image, STR("wasmcloud+builtin://"));
    }
    return !any || outside; /* builtin providers call their own host only */
}

static const struct want_unit *old_unit(const struct unit_plan *x, const struct seen_entry *e) {
    str image = intern_str(&x->p->o->names, e->image);
    for (uint32_t k = 0; k < x->p->app->olds.n; k++) {
        const struct app_spec *s = x->p->app->olds.at[k];
        for (uint32_t i = 0; i < s->n_units; i++) {
            if (str_eq(s->units[i].id, x->u->id) && str_eq(s->units[i].image, image)) {
                return &s->units[i];
            }
        }
    }
    return NULL;
}

static void update_here(struct unit_plan *x, uint32_t pos) {
    bool called = desired_users(&x->p->d->link_targets, x->u->id) != NULL;
    struct plan_action *a =
        unit_action(x, pos, TRL_DO_UPDATE, x->wanted[pos], "its image differs from the manifest's");
    a->image_old = intern_str(&x->p->o->names, x->entry[pos]->image);
    if (same_image(x, a->image_old)) {
        a->reason = STR("what it is configured with differs, and takes a restart");
    }
    a->unit_old = old_unit(x, x->entry[pos]);
    a->flags |= called && !x->u->provider ? TRL_ACT_PREFLIGHT : 0;
    x->n_updating++;
}

/* Starts the new image on another host before the only old one stops. Returns true when the old one
 * has to wait for that. */
static bool surge(struct unit_plan *x, uint32_t old_pos) {
    struct planner *p = x->p;
    uint32_t n = p->n_hosts;
    uint32_t *current = arena_alloc(p->scratch, sizeof(uint32_t) * (n + 1));
    uint32_t *flags = arena_alloc(p->scratch, sizeof(uint32_t) * (n + 1));
    uint32_t *wanted = arena_alloc(p->scratch, sizeof(uint32_t) * (n + 1));
    uint32_t *group = arena_alloc(p->scratch, sizeof(uint32_t) * (n + 1));
    uint32_t *why = arena_alloc(p->scratch, sizeof(uint32_t) * (n + 1));
    bool failed_before = false;
    memcpy(current, x->current, sizeof(uint32_t) * n);
    memcpy(flags, x->flags, sizeof(uint32_t) * n);
    current[old_pos] = 0;
    flags[old_pos] = TRL_HOST_EXCLUDED;
    for (uint32_t pos = 0; pos < n; pos++) {
        str text = STR_NONE;
        if (pos != old_pos && plan_blocked(p, x->item[pos], &text)) {
            failed_before = true; /* tried there again when its back-off is over */
            flags[pos] = TRL_HOST_EXCLUDED;
        }
        if (pos != old_pos && text.len) {
            x->blocked = true;
            x->blocked_text = text;
        }
    }
    trl_place_out out = {
        .struct_size = sizeof(out), .wanted = wanted, .group = group, .reasons = why};
    if (!unit_place(x, current, flags, &out)) {
        return true;
    }
    for (uint32_t pos = 0; pos < n; pos++) {
        if (wanted[pos] == 0 || pos == old_pos) {
            continue;
        }
        if (!x->planned[pos] && !(x->item[pos] && x->item[pos]->inflight)) {
            x->group[pos] = group[pos];
            unit_action(x, pos, TRL_DO_SCALE, wanted[pos],
                        "the new image starts here before the old one stops");
        }
        x->adds_pending = true;
        return true;
    }
    /* A trial under a scratch id can still tell a bad image from a bad host. */
    return failed_before && !desired_users(&p->d->link_targets, x->u->id);
}

static uint32_t batch_size(const struct unit_plan *x) {
    uint32_t quarter = x->n_running / 4;
    return x->n_fresh == 0 || quarter == 0 ? 1 : quarter;
}

static bool update_failed(const struct unit_plan *x, uint32_t *ret_pos) {
    for (uint32_t k = 0; k < x->n_hot; k++) {
        uint32_t pos = x->hot[k];
        const struct ledger_item *i = x->item[pos];
        if (x->entry[pos] && x->outdated[pos] && x->wanted[pos] && i && i->fails &&
            i->verb == TRL_DO_UPDATE) {
            *ret_pos = pos;
            return true;
        }
    }
    return false;
}

void unit_updates(struct unit_plan *x) {
    struct planner *p = x->p;
    uint32_t failed_pos = 0;
    bool failed = update_failed(x, &failed_pos);
    for (uint32_t k = 0; k < x->n_hot; k++) {
        const struct ledger_item *i = x->item[x->hot[k]];
        x->n_updating += i && i->inflight && i->verb == TRL_DO_UPDATE;
    }
    for (uint32_t k = 0; k < x->n_hot; k++) {
        uint32_t pos = x->hot[k];
        if (!x->entry[pos] || !x->outdated[pos] || x->wanted[pos] == 0) {
            continue;
        }
        x->adds_pending = true;
        p->out->pending = true;
        struct ledger_item *item = x->item[pos];
        str text = STR_NONE;
        bool held = plan_blocked(p, item, &text);
        if (text.len) {
            x->blocked = true;
            x->blocked_text = arena_printf(p->a, "%.*s; still running %.*s", PSTR(text),
                                           PSTR(intern_str(&p->o->names, x->entry[pos]->image)));
        }
        if ((item && item->inflight) || held || x->gate != GATE_OPEN ||
            (x->flags[pos] & (TRL_HOST_STALE | TRL_HOST_SUSPECT)) ||
            (failed && pos != failed_pos)) {
            x->n_commands++;
            continue;
        }
        bool alone = x->n_running == 1 && !x->u->provider;
        if (alone && over_nats(x) && surge(x, pos)) {
            x->n_commands++;
            continue;
        }
        if (x->denied[pos]) { /* what runs there stays as it is */
            x->blocked = true;
            x->blocked_text = arena_printf(p->a, "%.*s; still running %.*s", PSTR(x->denied_text),
                                           PSTR(intern_str(&p->o->names, x->entry[pos]->image)));
        } else if (x->n_updating < batch_size(x)) {
            update_here(x, pos);
        } else {
            x->n_commands++;
        }
    }
}
