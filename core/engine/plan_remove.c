/* SPDX-License-Identifier: Apache-2.0
 *
 * What applied versions left behind goes, once what replaces it is confirmed: links from providers
 * to components (traffic stops), components, other links, providers, configs; each stage when the
 * one before is over. Only what carries our mark or what an applied version of ours names, and
 * nothing that a deployed app still uses. An item that is held back (silent host, back-off) holds
 * back only itself.
 */
#include "engine/plan_priv.h"

struct leftovers {
    struct planner *p;
    uint32_t open; /* items of this stage that are under way */
    uint32_t held; /* ... that cannot be dealt with now */
    bool unknown;  /* something has to be read first */
};

static bool waits(struct leftovers *x, const struct ledger_item *i) {
    str text = STR_NONE;
    if (i && i->inflight) {
        x->open++;
        return true;
    }
    if (plan_blocked(x->p, i, &text)) {
        x->held++;
        return true;
    }
    return false;
}

static struct plan_action *removal(struct leftovers *x, uint32_t verb, enum plan_target target,
                                   str name) {
    struct plan_action *a = plan_add(x->p, verb, target);
    a->name = name;
    a->removal = true;
    a->unprompted = !x->p->app->prompted && x->p->app->olds.n == 0; /* else an undeploy asked */
    a->reason = x->p->app->cur ? STR("the deployed version has no use for it")
                               : STR("its application was undeployed");
    x->open++;
    return a;
}

static bool still_wanted(const struct planner *p, str unit) {
    return desired_used(&p->d->unit_users, unit, NULL);
}

static struct plan_action *stop_on(struct leftovers *x, uint32_t slot, uint32_t unit,
                                   bool provider) {
    const struct planner *p = x->p;
    struct plan_action *a = removal(x, provider ? TRL_DO_PROVIDER_STOP : TRL_DO_SCALE, PLAN_UNIT,
                                    intern_str(&p->o->names, unit));
    a->host = slot;
    a->host_id = p->o->hosts.at[slot].id;
    a->id = unit;
    a->flags = provider ? TRL_ACT_PROVIDER : 0;
    return a;
}

static void remove_on(struct leftovers *x, uint32_t slot, uint32_t unit) {
    struct planner *p = x->p;
    const struct seen_host *h = &p->o->hosts.at[slot];
    const struct seen_entry *e = observed_entry(p->o, slot, unit);
    struct ledger_item *item = ledger_unit(p->l, slot, unit);
    if (!e || !plan_mine(p, e) || waits(x, item)) {
        return;
    }
    if (h->suspect || h->stale) {
        x->held++; /* nothing is stopped on a host we do not hear from */
        return;
    }
    struct plan_action *a = stop_on(x, slot, unit, e->kind == TRL_RUN_PROVIDER);
    a->count_old = e->count;
    a->image_old = intern_str(&p->o->names, e->image);
    a->flags |= TRL_ACT_RUNNING;
}

static bool stopped_already(const struct plan *p, uint32_t slot, uint32_t unit) {
    for (uint32_t i = 0; i < p->n_actions; i++) {
        const struct plan_action *a = &p->actions[i];
        if (a->target == PLAN_UNIT && a->removal && a->host == slot && a->id == unit) {
            return true;
        }
    }
    return false;
}

/* Nothing runs there, and it would be started again and again: that has to end. */
static void stop_trying(struct leftovers *x, uint32_t slot, uint32_t unit, bool provider) {
    const struct seen_host *h = &x->p->o->hosts.at[slot];
    if (stopped_already(x->p->out, slot, unit)) {
        return; /* several applied versions name it */
    }
    if (h->suspect || h->stale) {
        x->held++;
    } else if (!waits(x, ledger_unit(x->p->l, slot, unit))) {
        stop_on(x, slot, unit, provider);
    }
}

/* A start that is under way for a unit nobody wants any more, or that was never answered: its end
 * decides. */
static void in_flight(struct leftovers *x, uint32_t unit, bool provider) {
    struct planner *p = x->p;
    const struct ledger *l = p->l;
    for (uint32_t i = 0; unit < l->by_unit.n && i < l->by_unit.at[unit].slots.n; i++) {
        uint32_t slot = l->by_unit.at[unit].slots.at[i];
        const struct ledger_item *item = ledger_unit(l, slot, unit);
        if (item && !observed_entry(p->o, slot, unit)) {
            if (item->retried && !item->inflight && !item->uncertain) {
                stop_trying(x, slot, unit, provider);
                continue;
            }
            x->open += item->inflight;
            x->held += !item->inflight && item->uncertain;
        }
    }
}

static void units(struct leftovers *x, uint32_t kind) {
    struct planner *p = x->p;
    if (p->app_id == INTERN_NONE) {
        return;
    }
    const struct app_units *marked = p->app_id < p->o->apps.n ? &p->o->apps.at[p->app_id] : NULL;
    for (uint32_t i = 0; marked && i < marked->at.n; i++) {
        uint32_t unit = marked->at.at[i];
        if (still_wanted(p, intern_str(&p->o->names, unit))) {
            continue;
        }
        const struct unit_hosts *where = &p->o->units.at[unit];
        for (uint32_t k = 0; k < where->slots.n; k++) {
            const struct seen_entry *e = observed_entry(p->o, where->slots.at[k], unit);
            if (e && e->kind == kind) {
                remove_on(x, where->slots.at[k], unit);
            }
        }
    }
    for (uint32_t k = 0; k < p->app->olds.n; k++) {
        const struct app_spec *s = p->app->olds.at[k];
        for (uint32_t i = 0; i < s->n_units; i++) {
            uint32_t unit = intern_find(&p->o->names, s->units[i].id);
            if (unit != INTERN_NONE && !still_wanted(p, s->units[i].id) &&
                s->units[i].provider == (kind == TRL_RUN_PROVIDER)) {
                in_flight(x, unit, s->units[i].provider);
            }
        }
    }
}

static bool kept_for_others(const struct planner *p, const struct want_link *l) {
    return desired_used(&p->d->unit_users, l->source, p->app) && !p->app->cur;
}

/* Several applied versions may name the same link or config. */
static bool planned(const struct planner *p, uint32_t verb, str key) {
    for (uint32_t i = 0; i < p->out->n_actions; i++) {
        const struct plan_action *a = &p->out->actions[i];
        if (a->verb == verb && str_eq(a->link ? a->link->key : a->name, key)) {
            return true;
        }
    }
    return false;
}

static void links(struct leftovers *x, bool from_provider) {
    struct planner *p = x->p;
    for (uint32_t k = 0; k < p->app->olds.n; k++) {
        const struct app_spec *s = p->app->olds.at[k];
        for (uint32_t i = 0; i < s->n_links; i++) {
            const struct want_link *l = &s->links[i];
            if (l->from_provider != from_provider ||
                desired_used(&p->d->link_users, l->key, NULL) || kept_for_others(p, l) ||
                planned(p, TRL_DO_LINK_DEL, l->key)) {
                continue;
            }
            x->unknown |= !p->o->links_known;
            const struct seen_link *seen = observed_link(p->o, l->key);
            const struct ledger_item *item = ledger_text(p->l, 'l', l->key);
            if (!seen && item && item->uncertain && !item->inflight) {
                x->held++;
                continue;
            }
            if ((!seen && !(item && item->inflight)) || waits(x, item)) {
                continue;
            }
            if (!p->can_talk) {
                x->held++;
                continue;
            }
            struct plan_action *a = removal(x, TRL_DO_LINK_DEL, PLAN_LINK, l->display);
            a->link = l;
            a->seen_link = seen;
        }
    }
}

/* The configs of a unit that runs on for others stay with it. */
static bool config_kept(const struct planner *p, const struct app_spec *s,
                        const struct want_config *c) {
    for (uint32_t u = 0; !p->app->cur && u < s->n_units; u++) {
        for (uint32_t i = 0; i < s->units[u].n_configs; i++) {
            if (s->units[u].configs[i] == c && still_wanted(p, s->units[u].id)) {
                return true;
            }
        }
    }
    for (uint32_t k = 0; !p->app->cur && k < s->n_links; k++) {
        for (uint32_t i = 0; i < s->links[k].n_configs; i++) {
            if (s->links[k].configs[i] == c && kept_for_others(p, &s->links[k])) {
                return true;
            }
        }
    }
    return false;
}

static void configs(struct leftovers *x) {
    struct planner *p = x->p;
    for (uint32_t k = 0; k < p->app->olds.n; k++) {
        const struct app_spec *s = p->app->olds.at[k];
        for (uint32_t i = 0; i < s->n_configs; i++) {
            const struct want_config *c = s->configs[i];
            if (!c->managed || desired_used(&p->d->config_users, c->name, NULL) ||
                config_kept(p, s, c) || planned(p, TRL_DO_CONFIG_DEL, c->name)) {
                continue;
            }
            struct seen_config seen = observed_get_config(p->o, c->name);
            const struct ledger_item *item = ledger_text(p->l, 'c', c->name);
            x->unknown |= !seen.known;
            if (!seen.present && item && item->uncertain && !item->inflight) {
                x->held++;
                continue;
            }
            if (!seen.known || (!seen.present && !(item && item->inflight)) || waits(x, item)) {
                continue;
            }
            if (!p->can_talk) {
                x->held++;
                continue;
            }
            removal(x, TRL_DO_CONFIG_DEL, PLAN_CONFIG, c->name)->config = c;
        }
    }
}

/* Units and configs of this app that deployed apps use: its version is not forgotten before them.
 */
static bool others_use_it(const struct planner *p) {
    for (uint32_t k = 0; !p->app->cur && k < p->app->olds.n; k++) {
        const struct app_spec *s = p->app->olds.at[k];
        for (uint32_t i = 0; i < s->n_units; i++) {
            if (desired_used(&p->d->unit_users, s->units[i].id, p->app)) {
                return true;
            }
        }
        for (uint32_t i = 0; i < s->n_configs; i++) {
            if (s->configs[i]->managed &&
                desired_used(&p->d->config_users, s->configs[i]->name, p->app)) {
                return true;
            }
        }
    }
    return false;
}

static void finish(struct leftovers *x, uint32_t left) {
    struct planner *p = x->p;
    struct plan *out = p->out;
    out->pending |= left > 0 || x->unknown;
    if (left || x->unknown || others_use_it(p)) {
        if (!p->app->cur) {
            struct app_status *s = &out->status;
            s->type = left ? STATUS_RECONCILING : STATUS_UNDEPLOYED;
            s->message = left ? arena_printf(&s->arena, "Undeploying, %u left", left)
                              : STR("Undeployed; what other applications share runs on");
        }
        return;
    }
    for (uint32_t k = 0; k < p->app->olds.n && out->n_gone < ARRAY_LEN(out->gone); k++) {
        out->gone[out->n_gone++] = p->app->olds.at[k]->n;
    }
    out->done_undeploy = !p->app->cur && out->n_gone == p->app->olds.n;
}

void plan_leftovers(struct planner *p) {
    struct leftovers x = {.p = p};
    uint32_t left = 0;
    for (int stage = 0; stage < 5; stage++) {
        x.open = x.held = 0;
        switch (stage) {
        case 0:
            links(&x, true);
            break;
        case 1:
            units(&x, TRL_RUN_COMPONENT);
            break;
        case 2:
            links(&x, false);
            break;
        case 3:
            units(&x, TRL_RUN_PROVIDER);
            break;
        default:
            configs(&x);
        }
        left += x.open + x.held;
        if (x.open) {
            break; /* the next stage when this one is confirmed */
        }
    }
    finish(&x, left);
}
