/* SPDX-License-Identifier: Apache-2.0
 *
 * Actions out, answers in. Every action sits in the ledger until the observation, an error or its
 * deadline settles it. An acknowledgement is not the truth: starts and counts are settled by
 * reports.
 */
#include <string.h>

#include "base/digest.h"
#include "engine/engine_priv.h"
#include "plug/op.h"
#include "plug/watch.h"

#define ANSWER_NS        (10 * NS_PER_S)  /* a host's reply */
#define UPDATE_NS        (180 * NS_PER_S) /* the driver's whole sequence */
#define SEEN_NS          (15 * NS_PER_S)  /* a component after its acknowledgement */
#define SEEN_PROVIDER_NS (65 * NS_PER_S)
#define GUARD_WINDOW_NS  (60 * NS_PER_S)

struct sent { /* one command under way */
    struct engine *e;
    trl_op *op;
    uint32_t verb, host, unit;
    uint64_t seq;
    uint32_t at;                         /* in the engine's list */
    char kind;                           /* 'u', 'l', 'c' */
    char *name, *app, *host_id, *reason; /* name: ledger name of links and configs, else the unit */
    char *refresh;                       /* LINK_RENEW: the key in the head */
    struct span span;
    char trace[TRACE_LEN + 1]; /* its trace id */
};

static const char *const verb_names[] = {
    "none",      "scale",     "update",     "provider_start", "provider_stop",
    "link_put",  "link_del",  "config_put", "config_del",     "label_put",
    "label_del", "host_stop", "link_renew"};

const char *dispatch_verb(uint32_t verb) {
    return verb < ARRAY_LEN(verb_names) ? verb_names[verb] : "unknown";
}

static void sent_free(struct sent *s) {
    struct engine *e = s->e;
    struct sent *last = e->sent.at[--e->sent.n];
    e->sent.at[s->at] = last;
    last->at = s->at;
    mem_free(s->name);
    mem_free(s->app);
    mem_free(s->host_id);
    mem_free(s->reason);
    mem_free(s->refresh);
    mem_free(s);
}

static void record(struct sent *s, int32_t outcome, str text) {
    struct engine *e = s->e;
    if (!e->env.on_command) {
        return;
    }
    struct command_record r = {.seq = s->seq,
                               .wall_ms = loop_wall_ms(e->env.loop),
                               .lattice = engine_lattice(e),
                               .app = str_c(s->app),
                               .verb = str_c(verb_names[s->verb]),
                               .host_id = str_c(s->host_id),
                               .subject = str_c(s->name),
                               .reason = str_c(s->reason),
                               .trace_id = str_c(s->trace),
                               .trace = &s->span.ctx,
                               .outcome = outcome,
                               .text = text};
    e->env.on_command(e->env.arg, e, &r);
}

static struct ledger_item *item_of(struct sent *s) {
    return s->kind == 'u' ? ledger_unit(&s->e->l, s->host, s->unit)
                          : ledger_text(&s->e->l, s->kind, str_c(s->name));
}

static void dirty_app(struct engine *e, const char *app) {
    struct desired_app *a = app ? desired_find(&e->d, str_c(app)) : NULL;
    if (a) {
        engine_dirty(e, a);
    }
}

static void settle(struct engine *e, struct ledger_item *i) {
    follow_seen(e, i, STR_NONE);
    dirty_app(e, i->app);
    i->retried = false;
    ledger_settle(&e->l, i);
}

static bool starts(const struct ledger_item *i) {
    return i->verb == TRL_DO_PROVIDER_START || (i->verb == TRL_DO_SCALE && i->count > 0);
}

void dispatch_fail(struct engine *e, struct ledger_item *i, str text) {
    follow_seen(e, i, text);
    if (!i->app || !desired_find(&e->d, str_c(i->app))) {
        ledger_settle(&e->l, i);
        return;
    }
    i->retried |= e->driver->flags & TRL_DRIVER_RETRIES && i->host && starts(i);
    dirty_app(e, i->app);
    ledger_fail(&e->l, i, text, engine_now(e), loop_wall_ms(e->env.loop), loop_rng(e->env.loop));
}

static void on_renewed(void *arg, const struct catalog_result *r) {
    (void)arg;
    (void)r; /* not written: the link is renewed once more after a restart, which does no harm */
}

static void renewed(struct sent *s) {
    struct engine *e = s->e;
    struct desired_app *a = desired_find(&e->d, str_c(s->app));
    if (!a) {
        return;
    }
    str key = str_c(s->refresh);
    for (uint32_t i = 0; i < a->refresh.n; i++) {
        if (str_eq(a->refresh.at[i], key)) {
            mem_free((char *)(uintptr_t)a->refresh.at[i].ptr);
            a->refresh.at[i] = a->refresh.at[--a->refresh.n];
            engine_dirty(e, a);
            catalog_settle(e->env.catalog, engine_tenant(e), engine_lattice(e), a->name,
                           a->generation, NULL, 0, &key, 1, on_renewed, NULL);
            return;
        }
    }
}

/* The reply tells of the host's life, too. */
static void answered_nothing(struct sent *s, trl_status st) {
    if (s->kind == 'u' && (st == TRL_E_TIMEOUT || st == TRL_E_NORESPONDER)) {
        hostlife_probe(s->e, s->host);
    }
}

static void end_span(struct sent *s, trl_status st, str text) {
    struct followed f = {str_c(s->app),
                         str_c(verb_names[s->verb]),
                         s->kind == 'u'   ? STR("unit")
                         : s->kind == 'l' ? STR("link")
                                          : STR("config"),
                         str_c(s->name),
                         str_c(s->host_id),
                         str_c(s->reason)};
    follow_answer(s->e, &s->span, &f, st, st == TRL_OK ? STR_NONE : text);
}

static void on_answer(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct sent *s = arg;
    struct engine *e = s->e;
    (void)result;
    struct ledger_item *i = item_of(s);
    bool current = i && i->inflight && i->seq == s->seq;
    str text = err && err->msg_len       ? str_n(err->msg, err->msg_len)
               : st == TRL_E_TIMEOUT     ? STR("the host did not answer in time")
               : st == TRL_E_NORESPONDER ? STR("nobody listens for the request")
                                         : str_c(err_name(st));
    struct trace_ctx ctx = s->span.ctx;
    record(s, st == TRL_OK ? 0 : st, st == TRL_OK ? STR_NONE : text);
    end_span(s, st, text);
    if (st == TRL_OK && s->verb == TRL_DO_LINK_RENEW) {
        renewed(s);
    }
    if (current && st == TRL_E_TIMEOUT) {
        ledger_doubt(&e->l, i);
        e->doubted_ns = s->kind == 'u' ? e->doubted_ns : engine_now(e);
    }
    if (current && st != TRL_OK) {
        dispatch_fail(e, i, text);
    } else if (current && (s->verb == TRL_DO_SCALE || s->verb == TRL_DO_PROVIDER_START)) {
        i->acked = true;
        i->acked_at = e->o.reports;
        follow_await(e, i, &ctx, s->unit);
        i->deadline_ns = engine_now(e) + (s->verb == TRL_DO_SCALE ? SEEN_NS : SEEN_PROVIDER_NS);
        dispatch_observed(e, s->host, s->unit); /* the event may have come first */
    } else if (current) {
        i->accepted = s->verb == TRL_DO_PROVIDER_STOP ? 0 : i->accepted;
        settle(e, i);
    }
    if (s->kind == 'c' && st != TRL_OK) {
        engine_doubt_config(e, str_c(s->name));
    }
    answered_nothing(s, st);
    sent_free(s);
}

/* Does what is seen fulfil what was asked for? */
static bool fulfilled(const struct ledger_item *i, const struct seen_entry *seen) {
    if (seen && seen->busy) {
        return false; /* what it counts now may be what ran before */
    }
    if (i->verb == TRL_DO_PROVIDER_START) {
        return seen != NULL;
    }
    return i->verb == TRL_DO_SCALE && (seen ? seen->count : 0) == i->count;
}

/* Does the mark alone say that it runs with the config list that was asked for? */
static bool mark_is_known(const struct engine *e, const struct ledger_item *i,
                          const struct seen_entry *seen) {
    const struct desired_app *a = desired_find(&e->d, str_c(i->app));
    const struct known_scaler *k =
        a ? map_get(&a->known, intern_str(&e->o.names, seen->scaler)) : NULL;
    return k && k->list_hash == i->want_hash;
}

void dispatch_observed(struct engine *e, uint32_t slot, uint32_t unit) {
    struct ledger_item *i = ledger_unit(&e->l, slot, unit);
    if (!i || !i->inflight) {
        return;
    }
    const struct seen_entry *seen = observed_entry(&e->o, slot, unit);
    if (!fulfilled(i, seen)) {
        return;
    }
    if (seen && i->verb == TRL_DO_SCALE && i->adds == 0) {
        /* A rebuild keeps the count: only what was seen after the acknowledgement proves it. */
        if (!i->acked || seen->told <= i->acked_at) {
            return;
        }
    }
    bool strange = seen && seen->scaler != INTERN_NONE && !mark_is_known(e, i, seen);
    i->accepted = strange ? seen->scaler + 1 : 0;
    i->accepted_list = i->want_hash;
    settle(e, i);
}

void dispatch_failed(struct engine *e, uint32_t slot, uint32_t unit, str text) {
    struct ledger_item *i = ledger_unit(&e->l, slot, unit);
    if (i && i->inflight && (i->verb == TRL_DO_SCALE || i->verb == TRL_DO_PROVIDER_START)) {
        dispatch_fail(e, i, text);
    }
}

void dispatch_goes_on(struct engine *e, uint32_t slot, uint32_t unit) {
    struct ledger_item *i = ledger_unit(&e->l, slot, unit);
    if (i && i->inflight && i->acked) {
        i->deadline_ns = engine_now(e) + SEEN_NS;
    }
}

void dispatch_deadlines(struct engine *e) {
    int64_t now = engine_now(e);
    for (uint32_t k = 0; e->l.n_inflight && k < e->l.items.n; k++) {
        struct ledger_item *i = e->l.items.at[k].value;
        if (!i->inflight || !i->acked || i->deadline_ns > now || !i->host) {
            continue;
        }
        /* One look at the host's inventory decides; no sign there is a failure. */
        if (hostlife_probe(e, i->host - 1)) {
            i->deadline_ns = INT64_MAX;
        }
    }
}

/* Building the driver's action */

struct marks {
    trl_label at[4];
};

static uint32_t marks(struct marks *m, str app, str scaler_id, str group) {
    m->at[0] = (trl_label){STR("wasmcloud.dev/appspec"), app};
    m->at[1] = (trl_label){STR("wasmcloud.dev/managed-by"), STR("wadm")};
    m->at[2] = (trl_label){STR("wasmcloud.dev/scaler"), scaler_id};
    m->at[3] = (trl_label){STR("wasmcloud.dev/spread_name"), group};
    return 4;
}

static void fill_unit(trl_action *x, const struct plan_action *a, struct marks *now,
                      struct marks *before) {
    x->unit_id = a->name;
    x->count = a->count;
    x->count_old = a->count_old;
    x->flags = a->flags;
    if (a->unit) {
        x->image = a->unit->image;
        x->config_names = a->unit->config_names;
        x->n_config_names = a->unit->n_configs;
        x->body = a->unit->settings;
        x->annotations = now->at;
        x->n_annotations = marks(now, a->app, a->unit->scaler_id, a->group);
    } else {
        x->image = a->image_old;
    }
    x->image_old = a->image_old;
    if (a->verb == TRL_DO_UPDATE && a->unit_old) {
        x->config_names_old = a->unit_old->config_names;
        x->n_config_names_old = a->unit_old->n_configs;
        x->annotations_old = before->at;
        x->n_annotations_old = marks(before, a->app, a->unit_old->scaler_id, a->group);
    } else if (a->verb == TRL_DO_UPDATE && a->unit) {
        x->config_names_old = x->config_names;
        x->n_config_names_old = x->n_config_names;
        x->annotations_old = x->annotations;
        x->n_annotations_old = x->n_annotations;
    }
}

static void fill_link(trl_link *l, const struct plan_action *a) {
    memset(l, 0, sizeof(*l));
    l->struct_size = sizeof(*l);
    if (a->link && (a->verb != TRL_DO_LINK_DEL || !a->seen_link)) {
        const struct want_link *w = a->link;
        l->source = w->source;
        l->target = w->target;
        l->name = w->name;
        l->ns = w->ns;
        l->package = w->package;
        l->interfaces = w->interfaces;
        l->n_interfaces = w->n_interfaces;
        l->source_config = w->source_config;
        l->n_source_config = w->n_source_config;
        l->target_config = w->target_config;
        l->n_target_config = w->n_target_config;
    } else if (a->seen_link) {
        l->source = a->seen_link->source;
        l->target = a->seen_link->target;
        l->name = a->seen_link->name;
        l->ns = a->seen_link->ns;
        l->package = a->seen_link->package;
    }
}

static struct sent *sent_new(struct engine *e, const struct plan_action *a, const trl_link *l,
                             const struct trace_ctx *plan) {
    struct sent *s = mem_zalloc(sizeof(*s));
    struct arena scratch = ARENA_INIT;
    str name = a->target == PLAN_LINK
                   ? link_key(&scratch, l->source, l->target, l->name, l->ns, l->package)
                   : a->name;
    s->e = e;
    s->verb = a->verb;
    s->host = a->host;
    s->unit = a->id;
    s->kind = a->target == PLAN_UNIT ? 'u' : a->target == PLAN_LINK ? 'l' : 'c';
    s->name = str_dup(name);
    s->app = str_dup(a->app);
    s->host_id = str_dup(a->host_id);
    s->reason = str_dup(a->reason);
    s->refresh = a->verb == TRL_DO_LINK_RENEW ? str_dup(a->link->delete_key) : NULL;
    s->seq = ++e->seq;
    span_begin(e->env.tracer, plan, &s->span);
    trace_id_text(&s->span.ctx, s->trace);
    arena_finish(&scratch);
    s->at = e->sent.n;
    *VEC_ADD(&e->sent) = s;
    return s;
}

static struct ledger_item *item_for(struct engine *e, const struct plan_action *a,
                                    const trl_link *l, struct arena *scratch) {
    if (a->target == PLAN_UNIT) {
        return ledger_unit_get(&e->l, a->host, a->id);
    }
    return a->target == PLAN_CONFIG ? ledger_text_get(&e->l, 'c', a->name)
                                    : ledger_text_get(&e->l, 'l',
                                                      link_key(scratch, l->source, l->target,
                                                               l->name, l->ns, l->package));
}

static void send(struct engine *e, const struct plan_action *a, const struct trace_ctx *plan) {
    char key[37], trace[TRACE_LEN + 1];
    trl_action x = {.struct_size = sizeof(x), .verb = a->verb, .lattice = str_c(e->id)};
    struct marks now, before;
    trl_link link;
    fill_link(&link, a);
    struct sent *s = sent_new(e, a, &link, plan);
    x.host_id = a->host_id;
    ulid_uuid_text(loop_wall_ms(e->env.loop), loop_rng(e->env.loop), key);
    x.key = str_c(key);
    x.traceparent = trace_text(&s->span.ctx, trace);
    if (a->target == PLAN_UNIT) {
        fill_unit(&x, a, &now, &before);
    } else if (a->target == PLAN_LINK) {
        x.link = &link;
    } else {
        x.name = a->name;
        x.body = a->verb == TRL_DO_CONFIG_PUT ? a->config->body : STR_NONE;
    }
    struct ledger_item *i = s->kind == 'u' ? ledger_unit_get(&e->l, s->host, s->unit)
                                           : ledger_text_get(&e->l, s->kind, str_c(s->name));
    uint32_t adds = a->count > a->count_old ? a->count - a->count_old : 0;
    ledger_send(&e->l, i, a->app, a->verb, a->count,
                a->verb == TRL_DO_SCALE || a->verb == TRL_DO_PROVIDER_START ? adds : 0,
                a->unit ? a->unit->list_hash : 0, engine_now(e), INT64_MAX);
    i->seq = s->seq;
    record(s, 1, STR_NONE);
    struct op_handler h = {.on_done = on_answer, .arg = s};
    s->op = op_begin(e->env.driver, a->verb == TRL_DO_UPDATE ? UPDATE_NS : ANSWER_NS, &h);
    struct watch w;
    watch_enter(e->env.driver, &w);
    e->driver->apply(plug_inst_raw(e->env.driver), s->op, &x);
    watch_leave(e->env.driver, &w, "apply");
}

/* Removals that no API call asked for: at most max(10, 10 %) of the lattice a minute. */
static bool guard_allows(struct engine *e, struct desired_app *a, const struct plan_action *x) {
    if (!x->removal || !x->unprompted) {
        return true;
    }
    int64_t now = engine_now(e);
    if (now - e->guard_from_ns > GUARD_WINDOW_NS) {
        e->guard_from_ns = now;
        e->guard_used = 0;
    }
    uint64_t entries = e->o.links.n;
    for (uint32_t i = 0; i < e->o.order.n; i++) {
        entries += e->o.hosts.at[e->o.order.at[i]].entries.n;
    }
    uint64_t limit = entries / 10 > 10 ? entries / 10 : 10;
    if (!a->guarded && e->guard_used < limit) {
        e->guard_used++;
        return true;
    }
    if (!a->guarded) {
        a->guarded = true;
        log_warn(e->env.log,
                 "lattice %s: more than %llu removals within a minute that nobody asked for; "
                 "%.*s stops removing until it is deployed again",
                 e->lattice, (unsigned long long)limit, PSTR(a->name));
    }
    return false;
}

void dispatch_refuse(struct engine *e, const struct plan_action *a, str text) {
    struct arena scratch = ARENA_INIT;
    trl_link link;
    fill_link(&link, a);
    struct ledger_item *i = item_for(e, a, &link, &scratch);
    arena_finish(&scratch);
    mem_free(i->app);
    i->app = str_dup(a->app);
    ledger_fail(&e->l, i, text, engine_now(e), loop_wall_ms(e->env.loop), loop_rng(e->env.loop));
    i->refused = true;
    dirty_app(e, i->app);
}

void dispatch_plan(struct engine *e, struct desired_app *a, const struct plan *p) {
    struct gate_pass gate;
    struct trace_ctx plan;
    bool sent = false;
    gate_begin(&gate, e, a);
    if (e->link_up) {
        gate_learn(&gate, p);
    }
    for (uint32_t i = 0; e->link_up && i < p->n_actions; i++) {
        const struct plan_action *x = &p->actions[i];
        if (gate_allows(&gate, x) && guard_allows(e, a, x)) {
            if (!sent) {
                sent = true;
                follow_plan(e, a, e->planned_ns, &plan);
            }
            send(e, x, &plan);
        }
    }
    gate_end(&gate);
}

void dispatch_cancel(struct engine *e) {
    while (e->sent.n) {
        struct sent *s = e->sent.at[e->sent.n - 1];
        op_forget(s->op);
        sent_free(s);
    }
    VEC_FREE(&e->sent);
}
