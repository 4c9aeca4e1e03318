/* SPDX-License-Identifier: Apache-2.0
 *
 * One unit: where its instances should be (the scaler says), and what that takes.
 */
#include <string.h>

#include "engine/plan_priv.h"

struct plan_action *unit_action(struct unit_plan *x, uint32_t pos, uint32_t verb, uint32_t count,
                                const char *reason) {
    struct planner *p = x->p;
    struct plan_action *a = plan_add(p, verb, PLAN_UNIT);
    a->host = p->o->order.at[pos];
    a->host_id = p->views[pos].id;
    a->id = x->uid;
    a->name = x->u->id;
    a->unit = x->u;
    a->count = count;
    a->count_old = x->entry[pos] ? x->entry[pos]->count : 0;
    a->group = scaler_group_name(x->u->spec, x->group[pos]);
    a->flags = (x->entry[pos] ? TRL_ACT_RUNNING : 0) | (x->u->provider ? TRL_ACT_PROVIDER : 0);
    a->reason = str_c(reason);
    x->n_commands++;
    x->planned[pos] = true;
    return a;
}

static void *array(struct unit_plan *x, size_t size) {
    return arena_alloc(x->p->scratch, size * (x->p->n_hosts + 1));
}

/* What the host has of this unit, and what is on its way there. */
static void look_at(struct unit_plan *x, uint32_t slot) {
    struct planner *p = x->p;
    if (slot >= p->o->hosts.n || !p->o->hosts.at[slot].used) {
        return;
    }
    uint32_t pos = p->o->hosts.at[slot].position;
    const struct seen_entry *e = observed_entry(p->o, slot, x->uid);
    struct ledger_item *item = ledger_unit(p->l, slot, x->uid);
    if (x->entry[pos] || x->item[pos] || x->foreign[pos]) {
        return; /* seen, and asked for: one look is enough */
    }
    x->item[pos] = item;
    if (e && plan_mine(p, e)) {
        x->entry[pos] = e;
        x->current[pos] = e->count;
        unit_classify(x, pos);
    } else if (e) {
        x->foreign[pos] = e->count;
        if (!x->u->provider) {
            x->flags[pos] |= TRL_HOST_EXCLUDED; /* one entry per id and host: the id is taken */
        }
    }
    if (item && item->inflight) {
        x->current[pos] = item->count;
    }
    if (item) {
        x->failing[pos] = item->fails;
    }
}

/* Nothing new goes there; what runs stays, unless it must stop. */
static void on_denied(void *arg, str host, bool stop, str text) {
    struct unit_plan *x = arg;
    uint32_t slot = observed_find_host(x->p->o, host);
    if (slot == OBS_NONE) {
        return;
    }
    uint32_t pos = x->p->o->hosts.at[slot].position;
    if (x->n_denied++ == 0) {
        x->denied_text = arena_str(x->p->a, text);
    }
    x->denied[pos] = true;
    if (stop || !x->entry[pos]) {
        x->flags[pos] |= TRL_HOST_EXCLUDED;
    } else if (x->flags[pos] & TRL_HOST_READY) {
        x->flags[pos] = TRL_HOST_CORDONED;
    }
}

static trl_unit_view view_of(const struct unit_plan *x) {
    const struct want_unit *u = x->u;
    return (trl_unit_view){.struct_size = sizeof(trl_unit_view),
                           .flags = u->provider ? TRL_UNIT_SINGLETON_PER_HOST : 0,
                           .app = u->app,
                           .name = u->item,
                           .id = u->id,
                           .kind = u->provider ? STR("capability") : STR("component"),
                           .image = u->image,
                           .peers = u->peers,
                           .n_peers = u->n_peers};
}

static void gather(struct unit_plan *x) {
    struct planner *p = x->p;
    x->current = array(x, sizeof(uint32_t));
    x->foreign = array(x, sizeof(uint32_t));
    x->failing = array(x, sizeof(uint32_t));
    x->flags = array(x, sizeof(uint32_t));
    x->wanted = array(x, sizeof(uint32_t));
    x->group = array(x, sizeof(uint32_t));
    x->reasons = array(x, sizeof(uint32_t));
    x->entry = array(x, sizeof(*x->entry));
    x->item = array(x, sizeof(*x->item));
    x->planned = array(x, sizeof(bool));
    x->outdated = array(x, sizeof(bool));
    x->denied = array(x, sizeof(bool));
    x->relist = array(x, sizeof(bool));
    memcpy(x->flags, p->flags, sizeof(uint32_t) * p->n_hosts);
    if (x->uid < p->o->units.n) { /* INTERN_NONE is beyond both */
        for (uint32_t i = 0; i < p->o->units.at[x->uid].slots.n; i++) {
            look_at(x, p->o->units.at[x->uid].slots.at[i]);
        }
    }
    if (x->uid < p->l->by_unit.n) {
        for (uint32_t i = 0; i < p->l->by_unit.at[x->uid].slots.n; i++) {
            look_at(x, p->l->by_unit.at[x->uid].slots.at[i]);
        }
    }
    if (p->in->denied) {
        p->in->denied(p->in->arg, x->u, on_denied, x);
    }
}

static bool can_run(const struct unit_plan *x, const trl_unit_view *view, uint32_t pos) {
    const struct plan_in *in = x->p->in;
    return x->entry[pos] || in->can_run(in->arg, view, &x->p->views[pos]);
}

/* Hosts of a kind that cannot run such an image: they are asked for only where one was chosen. */
static bool leave_out(struct unit_plan *x, const trl_unit_view *view, const uint32_t *wanted,
                      uint32_t *flags) {
    struct planner *p = x->p;
    bool chosen = false;
    for (uint32_t pos = 0; pos < p->n_hosts && !chosen; pos++) {
        chosen = wanted[pos] && !(flags[pos] & TRL_HOST_EXCLUDED) && !can_run(x, view, pos);
    }
    for (uint32_t pos = 0; pos < p->n_hosts && chosen; pos++) {
        if (!can_run(x, view, pos)) {
            flags[pos] |= TRL_HOST_EXCLUDED;
        }
    }
    if (chosen && x->n_denied++ == 0) {
        x->denied_text =
            arena_printf(p->a, "the hosts here cannot run image %.*s", PSTR(x->u->image));
    }
    return chosen;
}

bool unit_place(struct unit_plan *x, uint32_t *current, uint32_t *flags, trl_place_out *out) {
    struct planner *p = x->p;
    const struct want_unit *u = x->u;
    trl_unit_view view = view_of(x);
    trl_place_in in = {.struct_size = sizeof(in),
                       .flags = p->in->explain ? TRL_PLACE_EXPLAIN : 0,
                       .unit = &view,
                       .hosts = p->views,
                       .host_stride = sizeof(trl_host_view),
                       .n_hosts = p->n_hosts,
                       .host_flags = flags,
                       .current = current,
                       .foreign = x->foreign,
                       .failing = x->failing,
                       .seed = p->in->seed};
    struct err e = ERR_INIT;
    int rc;
    do {
        rc = scaler_place_again(u->spec, &in, p->o->hosts_revision, out, &e);
    } while (rc >= 0 && p->in->can_run && leave_out(x, &view, out->wanted, flags));
    if (rc < 0) {
        x->blocked = true;
        x->blocked_text = arena_str(p->a, str_c(e.msg));
    }
    return rc >= 0;
}

/* The hosts that have the unit, or should: all that the rest looks at. */
static void find_hot(struct unit_plan *x) {
    x->hot = arena_raw(x->p->scratch, sizeof(uint32_t) * (x->p->n_hosts + 1));
    for (uint32_t pos = 0; pos < x->p->n_hosts; pos++) {
        if (x->wanted[pos] || x->entry[pos] || x->item[pos]) {
            x->hot[x->n_hot++] = pos;
        }
    }
}

static bool frozen(const struct unit_plan *x, uint32_t pos) {
    return (x->flags[pos] & (TRL_HOST_STALE | TRL_HOST_SUSPECT)) != 0;
}

/* In flight: it counts. In back-off: it is held back, and the text says why. */
static bool busy(struct unit_plan *x, uint32_t pos) {
    struct ledger_item *item = x->item[pos];
    if (item && item->inflight) {
        x->n_commands++;
        x->adds_pending |= item->count > 0;
        x->p->out->pending = true;
        return true;
    }
    str text = STR_NONE;
    bool held = plan_blocked(x->p, item, &text);
    if (text.len && !x->blocked) {
        x->blocked = true;
        x->blocked_text = text;
    }
    x->adds_pending |= held;
    return held;
}

static void start_or_grow(struct unit_plan *x, uint32_t pos) {
    uint32_t have = x->entry[pos] ? x->entry[pos]->count : 0, want = x->wanted[pos];
    bool grow = want > have && !x->outdated[pos] && !(x->u->provider && x->foreign[pos]);
    if ((!grow && !x->relist[pos]) || frozen(x, pos) || want == 0) {
        return;
    }
    if (busy(x, pos)) {
        return;
    }
    x->adds_pending = true;
    if (x->gate != GATE_OPEN) {
        x->n_commands++;
        return;
    }
    if (x->u->provider) {
        if (!x->entry[pos]) {
            unit_action(x, pos, TRL_DO_PROVIDER_START, 1, "wanted here and not running");
        }
        return;
    }
    unit_action(x, pos, TRL_DO_SCALE, want,
                x->relist[pos] ? "its list of configurations differs"
                : have         ? "fewer instances than wanted"
                               : "wanted here and not running");
}

static void shrink(struct unit_plan *x, uint32_t pos) {
    uint32_t have = x->entry[pos] ? x->entry[pos]->count : 0, want = x->wanted[pos];
    if (!x->entry[pos] || want >= have || frozen(x, pos) || (x->outdated[pos] && want > 0)) {
        return;
    }
    bool ineligible = x->reasons[pos] == TRL_WHY_INELIGIBLE;
    if (x->adds_pending) {
        x->p->out->pending = true; /* what is new comes first */
        x->n_commands++;
        return;
    }
    if (busy(x, pos)) {
        return;
    }
    x->removing_ineligible |= ineligible;
    struct plan_action *a =
        unit_action(x, pos, x->u->provider ? TRL_DO_PROVIDER_STOP : TRL_DO_SCALE, want,
                    ineligible                          ? "its host matches no spread any more"
                    : x->flags[pos] & TRL_HOST_EXCLUDED ? "its host may not have it any more"
                                                        : "more instances than wanted");
    a->removal = true;
    a->unprompted = !x->p->app->prompted;
}

static void explain(struct unit_plan *x) {
    struct plan *out = x->p->out;
    for (uint32_t pos = 0; x->p->in->explain && pos < x->p->n_hosts; pos++) {
        char text[160] = "";
        scaler_describe(x->u->spec, x->reasons[pos], &x->p->views[pos], text, sizeof(text));
        out->places =
            mem_grow(out->places, &out->cap_places, out->n_places + 1, sizeof(*out->places));
        out->places[out->n_places++] =
            (struct plan_place){x->u->id,
                                x->p->views[pos].id,
                                x->p->views[pos].name,
                                scaler_group_name(x->u->spec, x->group[pos]),
                                arena_str(x->p->a, str_c(text)),
                                x->entry[pos] ? x->entry[pos]->count : 0,
                                x->wanted[pos]};
    }
}

/* Hosts we do not hear from: what they run counts, and the status says so. */
static str silence(struct unit_plan *x, uint32_t *ret_unhealthy, uint32_t *ret_busy, str *ret_why) {
    uint32_t silent = 0, holders = 0;
    int64_t since = INT64_MAX;
    for (uint32_t i = 0; i < x->n_hot; i++) {
        uint32_t pos = x->hot[i];
        if (!x->entry[pos]) {
            continue;
        }
        holders++;
        if (x->entry[pos]->health == TRL_HEALTH_FAILING && (*ret_unhealthy)++ == 0 &&
            x->p->in->why) {
            *ret_why = x->p->in->why(x->p->in->arg, x->p->views[pos].id, x->u->id);
        }
        *ret_busy += x->entry[pos]->busy;
        const struct seen_host *h = &x->p->o->hosts.at[x->p->o->order.at[pos]];
        if (h->suspect || h->stale) {
            since = h->seen_ns < since ? h->seen_ns : since;
            silent++;
        }
    }
    if (!silent) {
        return STR_NONE;
    }
    str when = plan_time(x->p, since);
    return arena_printf(x->p->a, "%u of %u not heard from since %.*s", silent, holders, PSTR(when));
}

static void tell(struct unit_plan *x, const trl_place_out *out, struct scaler_status *st) {
    struct planner *p = x->p;
    const char *what = x->u->provider ? "provider" : "component";
    uint32_t unhealthy = 0, busy = 0;
    str why = STR_NONE, silent = silence(x, &unhealthy, &busy, &why);
    if (x->gate == GATE_FAIL) {
        st->type = STATUS_FAILED;
        st->message = x->gate_text;
    } else if (out->failed) {
        st->type = STATUS_FAILED;
        st->message = x->n_denied
                          ? arena_printf(p->a, "%s; %.*s", out->message, PSTR(x->denied_text))
                          : arena_str(p->a, str_c(out->message));
    } else if (x->blocked) {
        st->type = STATUS_FAILED;
        st->message = x->blocked_text;
    } else if (x->removing_ineligible) {
        st->type = STATUS_RECONCILING;
        st->message =
            arena_printf(p->a, "Found %ss running on ineligible hosts, removing them.", what);
    } else if (x->n_commands) {
        st->type = STATUS_RECONCILING;
        st->message = arena_printf(p->a, "Scaling %s on %u host(s)", what, x->n_commands);
    } else if (x->gate == GATE_WAIT) {
        st->type = STATUS_RECONCILING;
        st->message = STR("Configuration out of sync");
    } else if (unhealthy) {
        st->type = STATUS_FAILED;
        st->message = arena_printf(p->a, "Unhealthy %s on %u host(s)%s%.*s", what, unhealthy,
                                   why.len ? ": " : "", PSTR(why));
    } else if (busy) {
        st->type = STATUS_RECONCILING;
        st->message = arena_printf(p->a, "Replacing instances of the %s on %u host(s)", what, busy);
    } else {
        st->type = STATUS_DEPLOYED;
        st->message = silent.len ? silent : x->n_denied ? x->denied_text : x->note;
    }
}

void plan_unit(struct planner *p, const struct want_unit *u, struct scaler_status *st) {
    arena_reset(p->scratch);
    struct unit_plan x = {.p = p, .u = u, .uid = intern_find(&p->o->names, u->id)};
    gather(&x);
    x.gate = plan_gate(p, u->configs, u->n_configs, &x.gate_text);
    trl_place_out out = {
        .struct_size = sizeof(out), .wanted = x.wanted, .group = x.group, .reasons = x.reasons};
    bool placed = unit_place(&x, x.current, x.flags, &out);
    find_hot(&x);
    if (placed) {
        for (uint32_t i = 0; i < x.n_hot; i++) {
            start_or_grow(&x, x.hot[i]);
        }
        unit_updates(&x);
        for (uint32_t i = 0; i < x.n_hot; i++) {
            shrink(&x, x.hot[i]);
        }
        explain(&x);
    }
    for (uint32_t i = 0; i < x.n_hot; i++) {
        uint32_t pos = x.hot[i];
        st->wanted += x.wanted[pos];
        st->running += x.entry[pos] && !x.outdated[pos] ? x.entry[pos]->count : 0;
    }
    tell(&x, &out, st);
}
