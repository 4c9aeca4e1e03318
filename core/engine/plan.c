/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <time.h>

#include "engine/plan_priv.h"

void plan_init(struct plan *p) {
    memset(p, 0, sizeof(*p));
}

void plan_finish(struct plan *p) {
    mem_free(p->actions);
    mem_free(p->places);
    arena_finish(&p->arena);
    arena_finish(&p->scratch);
    arena_finish(&p->status.arena);
    app_spec_unref(p->keeps);
    plan_init(p);
}

void plan_destroy(struct plan *p) {
    if (p) {
        plan_finish(p);
        mem_free(p);
    }
}

static void reset(struct plan *p) {
    p->n_actions = p->n_places = p->n_gone = p->n_renewed = 0;
    arena_reset(&p->arena);
    arena_finish(&p->status.arena); /* not kept for the next: that one is given away */
    memset(&p->status, 0, sizeof(p->status));
    p->wake_ns = INT64_MAX;
    p->pending = p->needs_known = p->done_undeploy = false;
}

struct plan_action *plan_add(struct planner *p, uint32_t verb, enum plan_target target) {
    struct plan *out = p->out;
    out->actions =
        mem_grow(out->actions, &out->cap_actions, out->n_actions + 1, sizeof(*out->actions));
    struct plan_action *x = &out->actions[out->n_actions++];
    *x = (struct plan_action){
        .verb = verb, .target = target, .app = p->app->name, .host = OBS_NONE, .id = OBS_NONE};
    out->pending = true;
    return x;
}

void plan_wake(struct planner *p, int64_t at_ns) {
    if (at_ns < p->out->wake_ns) {
        p->out->wake_ns = at_ns;
    }
}

static str utc(struct arena *a, int64_t wall_ms) {
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;
    char text[32];
    gmtime_r(&t, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    return arena_str(a, str_c(text));
}

str plan_time(struct planner *p, int64_t mono_ns) {
    return utc(p->a, p->in->wall_offset_ms + mono_ns / 1000000);
}

bool plan_blocked(struct planner *p, const struct ledger_item *i, str *ret_text) {
    if (!i || i->inflight || i->fails == 0) {
        return false;
    }
    str when = utc(p->a, i->next_wall_ms);
    *ret_text = arena_printf(p->a, "%s (try %u, next %.*s)", i->text ? i->text : "failed", i->fails,
                             PSTR(when));
    if (i->next_ns <= p->in->now_ns) {
        return false; /* due: it is tried again, the text stays until it succeeds */
    }
    plan_wake(p, i->next_ns);
    return true;
}

bool plan_mine(const struct planner *p, const struct seen_entry *e) {
    return e->managed && e->app == p->app_id && e->app != INTERN_NONE;
}

static void view_hosts(struct planner *p) {
    p->n_hosts = observed_n_hosts(p->o);
    p->views = arena_raw(p->a, sizeof(trl_host_view) * (p->n_hosts + 1));
    p->flags = arena_raw(p->a, sizeof(uint32_t) * (p->n_hosts + 1));
    for (uint32_t i = 0; i < p->n_hosts; i++) {
        uint32_t slot = p->o->order.at[i];
        const struct seen_host *h = &p->o->hosts.at[slot];
        uint32_t coming = slot < p->l->pending.n ? p->l->pending.at[slot] : 0;
        p->flags[i] = h->stale                   ? TRL_HOST_STALE
                      : h->suspect || h->warming ? TRL_HOST_SUSPECT
                      : h->cordoned              ? TRL_HOST_CORDONED
                                                 : TRL_HOST_READY;
        p->views[i] = (trl_host_view){.struct_size = sizeof(trl_host_view),
                                      .flags = p->flags[i],
                                      .id = h->id,
                                      .name = h->name,
                                      .labels = h->labels,
                                      .n_labels = h->n_labels,
                                      .n_instances = h->total + coming};
        p->can_talk |= !h->suspect && !h->stale;
    }
}

static void plan_scaler(struct planner *p, const struct app_spec *spec, const struct want_scaler *s,
                        struct scaler_status *st) {
    struct arena *a = &p->out->status.arena;
    if (s->what == WANT_FIXED) {
        *st = (struct scaler_status){arena_str(a, s->id),
                                     arena_str(a, s->kind),
                                     arena_str(a, s->name),
                                     s->failed ? STATUS_FAILED : STATUS_DEPLOYED,
                                     arena_str(a, s->message),
                                     0,
                                     0};
        p->unconfirmed |= s->failed;
        return;
    }
    if (s->what == WANT_UNIT) {
        const struct want_unit *u = &spec->units[s->index];
        st->id = arena_str(a, u->scaler_id);
        st->kind = arena_str(a, u->status_kind);
        st->name = arena_str(a, u->id);
        plan_unit(p, u, st);
    } else {
        const struct want_link *l = &spec->links[s->index];
        st->id = arena_str(a, l->scaler_id);
        st->kind = STR("LinkScaler");
        st->name = arena_str(a, l->display);
        plan_link(p, l, st);
    }
    st->message = arena_str(a, st->message);
    p->unconfirmed |= st->type != STATUS_DEPLOYED;
}

static void set_status(struct app_status *s, enum status_type type, str message) {
    s->type = type;
    s->message = arena_str(&s->arena, message);
}

static void plan_wanted(struct planner *p, const struct app_spec *spec) {
    struct app_status *s = &p->out->status;
    if (p->n_hosts == 0 && !p->in->ever_host) {
        set_status(s, STATUS_WAITING,
                   STR("Waiting for status: Lattice contains no hosts, deployment not started."));
        p->unconfirmed = true;
        return;
    }
    s->scalers = ARENA_ARRAY(&s->arena, struct scaler_status, spec->n_scalers + 1);
    s->n_scalers = spec->n_scalers;
    for (uint32_t i = 0; i < spec->n_scalers; i++) {
        plan_scaler(p, spec, &spec->scalers[i], &s->scalers[i]);
    }
    status_aggregate(s);
}

/* A shared item runs on from an applied version until its last deployed user is gone. */
static void plan_kept(struct planner *p) {
    for (uint32_t k = 0; k < p->app->olds.n; k++) {
        const struct app_spec *old = p->app->olds.at[k];
        for (uint32_t i = 0; i < old->n_units; i++) {
            struct scaler_status ignored = {0};
            if (desired_used(&p->d->unit_users, old->units[i].id, p->app)) {
                plan_unit(p, &old->units[i], &ignored);
            }
        }
        return; /* the newest applied version stands for all */
    }
}

void plan_app(const struct plan_in *in, struct desired_app *app, struct plan *out) {
    reset(out);
    struct planner p = {.in = in,
                        .d = in->desired,
                        .o = in->observed,
                        .l = in->ledger,
                        .app = app,
                        .out = out,
                        .a = &out->arena,
                        .scratch = &out->scratch,
                        .app_id = intern_find(&in->observed->names, app->name)};
    struct app_status *s = &out->status;
    s->version = arena_str(&s->arena, app->version);
    s->generation = app->generation;
    view_hosts(&p);
    if (app->cur) {
        plan_wanted(&p, app->cur);
    } else {
        plan_kept(&p);
    }
    uint32_t before = out->n_actions;
    bool pending = out->pending;
    if (!p.unconfirmed || !app->cur) {
        plan_leftovers(&p);
    } else {
        out->pending |= app->olds.n > 0;
    }
    if (!app->cur) {
        if (out->done_undeploy) {
            set_status(s, STATUS_UNDEPLOYED, STR("Manifest has been undeployed"));
        }
    } else if (s->type == STATUS_DEPLOYED &&
               (out->n_actions > before || (out->pending && !pending))) {
        set_status(s, STATUS_RECONCILING, STR("Removing what the previous version left"));
    }
}
