/* SPDX-License-Identifier: Apache-2.0
 *
 * The policy gate of dispatch. An action goes out when its ruling is known and no denial; what is
 * not known is asked for: what is answered at once counts for this plan, with other answers the app
 * is planned again. Nothing here waits.
 *
 * A denied command is a failed one: it backs off and shows its reason. A denied placement takes the
 * host away from the unit: what runs there stays, unless the rule says that it must stop.
 */
#include <string.h>

#include "base/digest.h"
#include "codec/json.h"
#include "engine/engine_priv.h"

#define DENIAL_NS                                                                                  \
    (5 * NS_PER_S) /* at least: how soon a denial that must not be kept is asked again */

#define SWEEP_MIN 1024u /* denials: so many may be of units and hosts that are gone */

struct denial { /* of one unit on one host */
    char *text;
    uint64_t mark; /* what it is about: of another image or other labels it says nothing */
    bool stop;
    int64_t until_ns;
};

struct gate_place {
    str unit, host;
    uint64_t mark;
};

struct gate_ask { /* a question under way */
    struct engine *e;
    struct policy_ask *ask;
    uint32_t point;
    uint64_t epoch; /* rules as they were when it was asked */
    bool ahead;     /* for the plan that is about to go out: answers lead to no other */
    char *app;
    struct arena arena;
    VEC(struct policy_question) q;
    struct span span;
    VEC(struct gate_place) at; /* PLACE: what each question is about */
};

static struct gate_ask *ask_new(struct engine *e, uint32_t point, str app) {
    struct gate_ask *k = mem_zalloc(sizeof(*k));
    k->e = e;
    k->point = point;
    k->epoch = e->policy_epoch;
    k->app = str_dup(app);
    return k;
}

static void ask_free(struct gate_ask *k) {
    struct engine *e = k->e;
    for (uint32_t i = 0; i < e->asks.n; i++) {
        if (e->asks.at[i] == k) {
            e->asks.at[i] = e->asks.at[--e->asks.n];
            break;
        }
    }
    arena_finish(&k->arena);
    VEC_FREE(&k->q);
    VEC_FREE(&k->at);
    mem_free(k->app);
    mem_free(k);
}

static struct policy_about about(struct engine *e, str app) {
    return (struct policy_about){engine_tenant(e), engine_lattice(e), app,
                                 STR("self"),      STR_NONE,          STR_NONE};
}

/* Denied placements: unit id -> struct map of host id -> struct denial */

static void denial_free(struct denial *d) {
    if (d) {
        mem_free(d->text);
        mem_free(d);
    }
}

static bool holds(const struct engine *e, const struct denial *d, const struct want_unit *u,
                  uint32_t slot) {
    return d->until_ns > engine_now(e) && d->mark == gate_place_mark(e, u, slot);
}

static bool sweep_unit(struct engine *e, str unit, struct map *hosts) {
    bool used = desired_users(&e->d.unit_users, unit) != NULL;
    for (uint32_t i = hosts->n; i-- > 0;) {
        const struct denial *d = hosts->at[i].value;
        if (!used || d->until_ns <= engine_now(e) ||
            observed_find_host(&e->o, hosts->at[i].key) == OBS_NONE) {
            denial_free(map_del(hosts, hosts->at[i].key));
            e->n_denials--;
        }
    }
    return hosts->n == 0;
}

/* Units and hosts come and go: what was denied them goes with them, now and then. */
static void sweep(struct engine *e) {
    for (uint32_t i = e->denials.n; i-- > 0;) {
        struct map *hosts = e->denials.at[i].value;
        if (sweep_unit(e, e->denials.at[i].key, hosts)) {
            map_del(&e->denials, e->denials.at[i].key);
            map_finish(hosts);
            mem_free(hosts);
        }
    }
    e->sweep_denials = 2 * e->n_denials + SWEEP_MIN;
}

static void deny(struct engine *e, str unit, str host, uint64_t mark, const struct ruling *r) {
    if (e->n_denials >= e->sweep_denials) {
        sweep(e);
    }
    struct map *hosts = map_get(&e->denials, unit);
    struct buf text = BUF_INIT;
    if (!hosts) {
        hosts = mem_zalloc(sizeof(*hosts));
        map_set(&e->denials, unit, hosts);
    }
    ruling_text(r, &text);
    struct denial *d = mem_alloc(sizeof(*d));
    int64_t life = (int64_t)r->ttl_ms * 1000000;
    *d = (struct denial){buf_take(&text), mark, r->stop, INT64_MAX};
    if (r->ttl_ms != TRL_TTL_RULES) {
        d->until_ns = engine_now(e) + (life > DENIAL_NS ? life : DENIAL_NS);
        engine_wake_at(e, d->until_ns);
    }
    struct denial *before = map_set(hosts, host, d);
    e->n_denials += before == NULL;
    denial_free(before);
}

static void denials_clear(struct engine *e) {
    for (uint32_t i = 0; i < e->denials.n; i++) {
        struct map *hosts = e->denials.at[i].value;
        for (uint32_t k = 0; k < hosts->n; k++) {
            denial_free(hosts->at[k].value);
        }
        map_finish(hosts);
        mem_free(hosts);
    }
    map_finish(&e->denials);
    e->denials = (struct map)MAP_INIT;
    e->n_denials = 0;
}

void gate_each_denial(void *arg, const struct want_unit *u,
                      void (*fn)(void *fn_arg, str host, bool stop, str text), void *fn_arg) {
    struct engine *e = arg;
    struct map *hosts = map_get(&e->denials, u->id);
    for (uint32_t i = 0; hosts && i < hosts->n; i++) {
        const struct denial *d = hosts->at[i].value;
        uint32_t slot = observed_find_host(&e->o, hosts->at[i].key);
        if (slot != OBS_NONE && holds(e, d, u, slot)) {
            fn(fn_arg, hosts->at[i].key, d->stop, str_c(d->text));
        }
    }
}

static bool is_denied(struct engine *e, const struct want_unit *u, uint32_t slot) {
    struct map *hosts = map_get(&e->denials, u->id);
    const struct denial *d = hosts ? map_get(hosts, e->o.hosts.at[slot].id) : NULL;
    return d && holds(e, d, u, slot);
}

/* Asking */

static void on_rulings(void *arg, struct ruling *const *rulings) {
    struct gate_ask *k = arg;
    struct engine *e = k->e;
    bool news = k->point == TRL_POINT_PLACE && k->epoch == e->policy_epoch, denied = false;
    for (uint32_t i = 0; news && i < k->at.n; i++) {
        if (ruling_denies(rulings[i])) {
            const struct gate_place *at = &k->at.at[i];
            deny(e, at->unit, at->host, at->mark, rulings[i]);
            denied = true;
        }
    }
    struct desired_app *a = desired_find(&e->d, str_c(k->app));
    follow_asked(e, &k->span, str_c(k->app), k->point, k->q.n, rulings);
    if (a) {
        a->asking -= a->asking > 0; /* else it is another life of the app */
        if (!k->ahead || denied) {
            engine_dirty(e, a);
        }
    }
    ask_free(k);
}

/* ahead: what is decided at once is there when this returns. */
static void ask_send(struct gate_ask *k, struct desired_app *a, bool ahead) {
    if (k->q.n == 0) {
        ask_free(k);
        return;
    }
    struct policy_about who = about(k->e, a->name);
    char trace[TRACE_LEN + 1], parent[TRACE_LEN + 1];
    span_begin(k->e->env.tracer, k->e->env.tracer ? follow_work(k->e, a) : NULL, &k->span);
    who.trace = trace_id_text(&k->span.ctx, trace);
    who.traceparent = trace_text(&k->span.ctx, parent);
    a->asking++;
    *VEC_ADD(&k->e->asks) = k;
    k->ahead = ahead;
    struct policy_ask *ask = (ahead ? policy_ask_now : policy_ask)(
        k->e->env.policy, k->point, k->q.at, k->q.n, &who, on_rulings, k);
    if (ask) { /* else it is answered, and freed */
        k->ask = ask;
        k->ahead = false;
    }
}

static void add_place(struct gate_ask *k, const struct want_unit *u, uint32_t slot, str subject) {
    const struct seen_host *h = &k->e->o.hosts.at[slot];
    str what = arena_printf(&k->arena, "place %.*s on %.*s", PSTR(u->id), PSTR(h->id));
    *VEC_ADD(&k->q) = (struct policy_question){arena_str(&k->arena, subject), what};
    *VEC_ADD(&k->at) = (struct gate_place){arena_str(&k->arena, u->id), arena_str(&k->arena, h->id),
                                           gate_place_mark(k->e, u, slot)};
}

/* One host was denied: all others that could be chosen next are asked about at once, so that the
 * next plan knows them all. */
static void ask_all_hosts(struct engine *e, struct desired_app *a, const struct want_unit *u) {
    struct gate_ask *k = ask_new(e, TRL_POINT_PLACE, a->name);
    struct policy_about who = about(e, a->name);
    struct buf subject = BUF_INIT;
    for (uint32_t i = 0; i < e->o.order.n; i++) {
        uint32_t slot = e->o.order.at[i];
        buf_clear(&subject);
        if (is_denied(e, u, slot)) {
            continue;
        }
        gate_place_subject(e, a->name, u, slot, &subject);
        struct ruling *known =
            policy_peek(e->env.policy, TRL_POINT_PLACE, buf_str(&subject), STR("place"), &who);
        if (!known) {
            add_place(k, u, slot, buf_str(&subject));
        } else if (ruling_denies(known)) {
            deny(e, u->id, e->o.hosts.at[slot].id, gate_place_mark(e, u, slot), known);
            policy_spend(known);
        }
    }
    buf_finish(&subject);
    ask_send(k, a, false);
}

void gate_begin(struct gate_pass *g, struct engine *e, struct desired_app *a) {
    bool on = e->env.policy != NULL;
    g->e = e;
    g->app = a;
    g->n_seen = 0;
    g->place = on && policy_asks(e->env.policy, TRL_POINT_PLACE)
                   ? ask_new(e, TRL_POINT_PLACE, a->name)
                   : NULL;
    g->command = on && policy_asks(e->env.policy, TRL_POINT_COMMAND)
                     ? ask_new(e, TRL_POINT_COMMAND, a->name)
                     : NULL;
}

static bool adds_there(const struct plan_action *x) {
    return x->target == PLAN_UNIT && x->unit && x->host != OBS_NONE &&
           (x->verb == TRL_DO_PROVIDER_START || x->verb == TRL_DO_UPDATE ||
            (x->verb == TRL_DO_SCALE && x->count > x->count_old));
}

static bool place_allowed(struct gate_pass *g, const struct plan_action *x,
                          struct ruling **ret_used) {
    struct engine *e = g->e;
    struct buf subject = BUF_INIT;
    struct policy_about who = about(e, g->app->name);
    if (is_denied(e, x->unit, x->host)) {
        return false; /* the next plan knows it already */
    }
    gate_place_subject(e, g->app->name, x->unit, x->host, &subject);
    struct ruling *r =
        policy_peek(e->env.policy, TRL_POINT_PLACE, buf_str(&subject), x->name, &who);
    bool ok = r && !ruling_denies(r);
    if (!r) {
        add_place(g->place, x->unit, x->host, buf_str(&subject));
    } else if (!ok) {
        deny(e, x->unit->id, x->host_id, gate_place_mark(e, x->unit, x->host), r);
        policy_spend(r);
        ask_all_hosts(e, g->app, x->unit);
        engine_dirty(e, g->app);
    }
    buf_finish(&subject);
    *ret_used = ok ? r : NULL;
    return ok;
}

static str describe(struct gate_ask *k, const struct plan_action *x) {
    return arena_printf(&k->arena, "%s %.*s%s%.*s", dispatch_verb(x->verb), PSTR(x->name),
                        x->host_id.len ? " on " : "", PSTR(x->host_id));
}

static void add_command(struct gate_ask *k, const struct plan_action *x, str subject) {
    *VEC_ADD(&k->q) = (struct policy_question){arena_str(&k->arena, subject), describe(k, x)};
}

static bool command_allowed(struct gate_pass *g, const struct plan_action *x,
                            struct ruling **ret_used) {
    struct engine *e = g->e;
    struct buf subject = BUF_INIT, text = BUF_INIT;
    struct policy_about who = about(e, g->app->name);
    *ret_used = NULL;
    const struct gate_seen *alike = gate_alike(g, x);
    if (alike) {
        return alike->allowed;
    }
    gate_command_subject(e, x, &subject);
    struct ruling *r =
        policy_peek(e->env.policy, TRL_POINT_COMMAND, buf_str(&subject), x->name, &who);
    bool ok = r && !ruling_denies(r);
    if (!r) {
        add_command(g->command, x, buf_str(&subject));
    } else if (!ok) {
        ruling_text(r, &text);
        policy_spend(r);
        dispatch_refuse(e, x, buf_str(&text));
    }
    buf_finish(&subject);
    buf_finish(&text);
    *ret_used = ok ? r : NULL;
    if (!r || (ok && r->verdict == TRL_V_ALLOW && r->ttl_ms != TRL_TTL_NONE)) {
        gate_remember(g, x, ok); /* others are for one command each */
    }
    return ok;
}

static void learn_place(struct gate_pass *g, const struct plan_action *x, struct buf *subject) {
    struct engine *e = g->e;
    if (is_denied(e, x->unit, x->host)) {
        return;
    }
    buf_clear(subject);
    gate_place_subject(e, g->app->name, x->unit, x->host, subject);
    if (!policy_knows(e->env.policy, TRL_POINT_PLACE, buf_str(subject))) {
        add_place(g->place, x->unit, x->host, buf_str(subject));
    }
}

static void learn_command(struct gate_pass *g, const struct plan_action *x, struct buf *subject) {
    if (gate_alike(g, x)) {
        return;
    }
    buf_clear(subject);
    gate_command_subject(g->e, x, subject);
    if (!policy_knows(g->e->env.policy, TRL_POINT_COMMAND, buf_str(subject))) {
        add_command(g->command, x, buf_str(subject));
    }
    gate_remember(g, x, false);
}

/* Backends that answer inside the call have answered when this returns: the plan goes out as it is,
 * in this turn. What others say leads to a plan of its own. */
void gate_learn(struct gate_pass *g, const struct plan *p) {
    struct buf subject = BUF_INIT;
    struct engine *e = g->e;
    if ((!g->place && !g->command) || g->app->asking > 0) {
        return;
    }
    for (uint32_t i = 0; i < p->n_actions; i++) {
        if (g->place && adds_there(&p->actions[i])) {
            learn_place(g, &p->actions[i], &subject);
        }
        if (g->command) {
            learn_command(g, &p->actions[i], &subject);
        }
    }
    buf_finish(&subject);
    g->n_seen = 0;
    if (g->place && g->place->q.n) {
        ask_send(g->place, g->app, true);
        g->place = ask_new(e, TRL_POINT_PLACE, g->app->name);
    }
    if (g->command && g->command->q.n) {
        ask_send(g->command, g->app, true);
        g->command = ask_new(e, TRL_POINT_COMMAND, g->app->name);
    }
}

/* Rulings of one use are used up when the action goes, not while the other point is asked. */
bool gate_allows(struct gate_pass *g, const struct plan_action *x) {
    struct ruling *place = NULL, *command = NULL;
    bool ok = !g->place || !adds_there(x) || place_allowed(g, x, &place);
    ok = (!g->command || command_allowed(g, x, &command)) && ok;
    if (ok) {
        policy_spend(place);
        policy_spend(command);
    }
    return ok;
}

void gate_end(struct gate_pass *g) {
    struct gate_ask *both[] = {g->place, g->command};
    bool busy = g->app->asking > 0; /* the answers lead to the next pass */
    for (uint32_t i = 0; i < ARRAY_LEN(both); i++) {
        if (both[i] && busy) {
            ask_free(both[i]);
        } else if (both[i]) {
            ask_send(both[i], g->app, false);
        }
    }
}

/* Life */

void engine_policy_changed(struct engine *e) {
    e->policy_epoch++;
    denials_clear(e);
    ledger_forgive_refused(&e->l);
    engine_dirty_all(e);
}

void gate_cancel(struct engine *e) {
    while (e->asks.n) {
        struct gate_ask *k = e->asks.at[e->asks.n - 1];
        policy_ask_cancel(k->ask);
        ask_free(k);
    }
    VEC_FREE(&e->asks);
    denials_clear(e);
}
