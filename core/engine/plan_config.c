/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/plan_priv.h"

static bool planned(const struct planner *p, str name) {
    for (uint32_t i = 0; i < p->out->n_actions; i++) {
        const struct plan_action *x = &p->out->actions[i];
        if (x->target == PLAN_CONFIG && x->verb == TRL_DO_CONFIG_PUT && str_eq(x->name, name)) {
            return true;
        }
    }
    return false;
}

static enum gate external(struct planner *p, const struct want_config *c,
                          const struct seen_config *seen, str *ret_text) {
    if (seen->known && seen->present) {
        return GATE_OPEN;
    }
    p->out->pending |= !seen->known; /* the engine asks for it */
    if (!seen->known || desired_config_owner(p->d, c->name, false, 0)) {
        return GATE_WAIT;
    }
    *ret_text = arena_printf(p->a, "Specified configuration %.*s does not exist", PSTR(c->name));
    return GATE_FAIL;
}

static enum gate managed(struct planner *p, const struct want_config *c,
                         const struct seen_config *seen, str *ret_text) {
    const struct use *owner = desired_config_owner(p->d, c->name, seen->present, seen->hash);
    const struct want_config *theirs = owner ? owner->what : NULL;
    if (theirs && owner->app != p->app && theirs->hash != c->hash) {
        *ret_text = arena_printf(
            p->a, "Configuration %.*s is managed by application %.*s with another value",
            PSTR(c->name), PSTR(owner->app->name));
        return GATE_FAIL;
    }
    if (seen->known && seen->present && seen->hash == c->hash) {
        return GATE_OPEN;
    }
    p->out->pending = true;
    if (!seen->known && !p->app->prompted) {
        return GATE_WAIT; /* read first: it is probably there */
    }
    const struct ledger_item *item = ledger_text(p->l, 'c', c->name);
    if (plan_blocked(p, item, ret_text)) {
        return GATE_FAIL;
    }
    if ((!item || !item->inflight) && p->can_talk && !planned(p, c->name)) {
        struct plan_action *x = plan_add(p, TRL_DO_CONFIG_PUT, PLAN_CONFIG);
        x->name = c->name;
        x->config = c;
        x->reason = !seen->known    ? STR("wanted by this deploy")
                    : seen->present ? STR("its value differs")
                                    : STR("it does not exist");
    }
    return GATE_WAIT;
}

enum gate plan_gate(struct planner *p, struct want_config *const *configs, uint32_t n,
                    str *ret_text) {
    enum gate gate = GATE_OPEN;
    for (uint32_t i = 0; i < n; i++) {
        struct seen_config seen = observed_get_config(p->o, configs[i]->name);
        str text = STR_NONE;
        enum gate g = configs[i]->managed ? managed(p, configs[i], &seen, &text)
                                          : external(p, configs[i], &seen, &text);
        if (g > gate) {
            gate = g;
            *ret_text = text;
        }
    }
    return gate;
}
