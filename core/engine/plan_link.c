/* SPDX-License-Identifier: Apache-2.0
 *
 * One link: identity is source, target, name, namespace and package; interfaces and config lists
 * are content. The host's delete knows no target, so a link to another target is cleared first.
 */
#include "engine/plan_priv.h"

static bool wants_refresh(const struct planner *p, const struct want_link *l) {
    for (uint32_t i = 0; i < p->app->refresh.n; i++) {
        if (str_eq(p->app->refresh.at[i], l->delete_key)) {
            return true;
        }
    }
    return false;
}

static bool shares_interface(const struct seen_link *s, const struct want_link *l) {
    for (uint32_t i = 0; i < s->n_interfaces; i++) {
        for (uint32_t k = 0; k < l->n_interfaces; k++) {
            if (str_eq(s->interfaces[i], l->interfaces[k])) {
                return true;
            }
        }
    }
    return false;
}

/* A link that the host would refuse ours for: same delete key, a common interface, another target.
 */
static const struct seen_link *rival(const struct planner *p, const struct want_link *l,
                                     str *ret_key) {
    for (const struct seen_link *s = observed_links_alike(p->o, l->delete_key); s; s = s->alike) {
        if (!str_eq(s->target, l->target) && shares_interface(s, l)) {
            *ret_key = link_key(p->a, s->source, s->target, s->name, s->ns, s->package);
            return s;
        }
    }
    return NULL;
}

static bool ours_before(const struct planner *p, str key) {
    for (uint32_t k = 0; k < p->app->olds.n; k++) {
        const struct app_spec *old = p->app->olds.at[k];
        for (uint32_t i = 0; i < old->n_links; i++) {
            if (str_eq(old->links[i].key, key)) {
                return true;
            }
        }
    }
    return false;
}

static struct plan_action *link_action(struct planner *p, uint32_t verb, const struct want_link *l,
                                       const char *reason) {
    struct plan_action *x = plan_add(p, verb, PLAN_LINK);
    x->link = l;
    x->name = l->display;
    x->reason = str_c(reason);
    return x;
}

static void put(struct planner *p, const struct want_link *l, bool there,
                struct scaler_status *st) {
    str key = STR_NONE;
    const struct seen_link *other = there ? NULL : rival(p, l, &key);
    if (other && !(ours_before(p, key) && !desired_used(&p->d->link_users, key, NULL))) {
        st->type = STATUS_FAILED;
        st->message = arena_printf(
            p->a,
            "link already exists with different target %.*s, and is not this application's: "
            "delete it or use another link name",
            PSTR(other->target));
        return;
    }
    if (other) {
        const struct ledger_item *i = ledger_text(p->l, 'l', key);
        str text;
        if ((i && i->inflight) || plan_blocked(p, i, &text)) {
            return;
        }
        struct plan_action *x = plan_add(p, TRL_DO_LINK_DEL, PLAN_LINK);
        x->seen_link = other;
        x->name = l->display;
        x->reason = STR("its target changed");
        return;
    }
    link_action(p, TRL_DO_LINK_PUT, l,
                there ? "its interfaces or configurations differ" : "wanted and not there");
}

void plan_link(struct planner *p, const struct want_link *l, struct scaler_status *st) {
    const struct seen_link *seen = observed_link(p->o, l->key);
    bool right = seen && seen->content == l->content;
    bool renew = wants_refresh(p, l);
    str text = STR_NONE;
    enum gate gate = plan_gate(p, l->configs, l->n_configs, &text);
    st->wanted = 1;
    st->running = right;
    st->type = STATUS_DEPLOYED;
    st->message = STR_NONE;
    if (right && !renew && gate == GATE_OPEN) {
        return;
    }
    if (gate == GATE_FAIL) {
        st->type = STATUS_FAILED;
        st->message = text;
        return;
    }
    st->type = STATUS_RECONCILING;
    st->message = arena_printf(p->a, "Putting link definition between %.*s and %.*s",
                               PSTR(l->source), PSTR(l->target));
    p->out->pending = true;
    const struct ledger_item *item = ledger_text(p->l, 'l', l->key);
    bool held = plan_blocked(p, item, &text);
    if (text.len) {
        st->type = STATUS_FAILED;
        st->message = text;
    }
    if (held || gate != GATE_OPEN || !p->o->links_known || !p->can_talk ||
        (item && item->inflight)) {
        return;
    }
    if (right) {
        link_action(p, TRL_DO_LINK_RENEW, l, "the content of a configuration it names changed");
    } else {
        put(p, l, seen != NULL, st);
    }
}
