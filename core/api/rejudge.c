/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rejudge.h"

#include "api/judge.h"
#include "plug/loop.h"

struct round;
struct stopping;

#define AGAIN_NS     30000000000ll /* how soon it is tried again when a backend could not decide */
#define AGAIN_MAX_NS 600000000000ll

struct rejudge {
    struct api *api;
    struct loop_timer again;
    int64_t again_ns;
    VEC(struct round *) rounds;      /* under way */
    VEC(struct stopping *) stopping; /* undeploys under way */
    bool posted, closing;
};

struct judged { /* an app, as it was when it was asked about */
    str app, version;
    uint64_t generation;
};

struct round { /* the deployed apps of one lattice */
    struct rejudge *judge;
    struct arena arena;
    str tenant, lattice;
    VEC(struct judged) apps;
    VEC(struct policy_question) q;
    struct policy_ask *ask;
};

static void round_free(struct round *r) {
    struct rejudge *j = r->judge;
    for (uint32_t i = 0; i < j->rounds.n; i++) {
        if (j->rounds.at[i] == r) {
            j->rounds.at[i] = j->rounds.at[--j->rounds.n];
            break;
        }
    }
    VEC_FREE(&r->apps);
    VEC_FREE(&r->q);
    arena_finish(&r->arena);
    mem_free(r);
}

/* The undeploy itself: what it leaves to be said. */
struct stopping {
    struct rejudge *judge;
    struct arena arena;
    str tenant, lattice, app, why;
};

static void stopping_free(struct stopping *s) {
    struct rejudge *j = s->judge;
    for (uint32_t i = 0; i < j->stopping.n; i++) {
        if (j->stopping.at[i] == s) {
            j->stopping.at[i] = j->stopping.at[--j->stopping.n];
            break;
        }
    }
    arena_finish(&s->arena);
    mem_free(s);
}

static void on_stopped(void *arg, const struct catalog_result *cr) {
    struct stopping *s = arg;
    struct api *a = s->judge->api;
    if (cr->code == CATALOG_OK && cr->was_deployed) {
        log_warn(a->env.log, "lattice %.*s: %.*s is undeployed: %.*s", PSTR(s->lattice),
                 PSTR(s->app), PSTR(s->why));
        announce_unpublished(a->announce, s->lattice, s->app, NULL);
        announce_event(a->announce, "app_stopped_by_policy", s->tenant, s->lattice, s->app,
                       STR_NONE, NULL);
    }
    stopping_free(s);
}

static void stop(struct round *r, const struct judged *x, str why) {
    struct stopping *s = mem_zalloc(sizeof(*s));
    s->judge = r->judge;
    *VEC_ADD(&r->judge->stopping) = s;
    s->tenant = arena_str(&s->arena, r->tenant);
    s->lattice = arena_str(&s->arena, r->lattice);
    s->app = arena_str(&s->arena, x->app);
    s->why = arena_str(&s->arena, why);
    catalog_undeploy(r->judge->api->env.catalog, s->tenant, s->lattice, s->app, NULL, on_stopped,
                     s);
}

/* Nobody denies it: somebody could not be asked. */
static bool unheard(const struct ruling *ruling) {
    bool all = ruling->failed && ruling_denies(ruling);
    for (uint32_t i = 0; i < ruling->n_reasons; i++) {
        all = all && str_is(ruling->reasons[i].code, "policy-unavailable");
    }
    return all;
}

static void apply(struct round *r, const struct judged *x, const struct ruling *ruling) {
    struct api *a = r->judge->api;
    const struct app *app = catalog_find(a->env.catalog, r->tenant, r->lattice, x->app);
    struct engine *e =
        a->env.engine_of ? a->env.engine_of(a->env.arg, r->tenant, r->lattice) : NULL;
    struct buf text = BUF_INIT;
    if (!app || app->generation != x->generation || !e) {
        return; /* it was deployed anew meanwhile, and judged with that */
    }
    if (unheard(ruling)) { /* who could not be asked has not changed his mind about what runs */
        loop_timer_start(&r->judge->again, r->judge->again_ns);
        return;
    }
    if (ruling_denies(ruling)) {
        ruling_text(ruling, &text);
    }
    if (ruling_denies(ruling) && ruling->stop && engine_active(e)) {
        stop(r, x, buf_str(&text));
    } else {
        engine_set_condition(e, x->app, buf_str(&text));
    }
    buf_finish(&text);
}

static void on_rulings(void *arg, struct ruling *const *rulings) {
    struct round *r = arg;
    r->ask = NULL;
    for (uint32_t i = 0; i < r->apps.n; i++) {
        apply(r, &r->apps.at[i], rulings[i]);
    }
    round_free(r);
}

static void add_app(void *arg, const struct app *x) {
    struct round *r = arg;
    struct api *a = r->judge->api;
    const struct manifest *m =
        x->deployed ? catalog_manifest(a->env.catalog, x, x->deployed) : NULL;
    struct buf subject = BUF_INIT;
    if (!m) {
        return;
    }
    judge_subject(a, TRL_POINT_DEPLOY, r->tenant, r->lattice, STR("{\"via\":\"self\"}"), m, NULL,
                  &subject);
    const struct version *v = app_version_n(x, x->deployed);
    *VEC_ADD(&r->apps) =
        (struct judged){arena_str(&r->arena, x->name),
                        arena_str(&r->arena, v ? v->version : STR_NONE), x->generation};
    struct judged *j = &r->apps.at[r->apps.n - 1];
    *VEC_ADD(&r->q) = (struct policy_question){
        arena_str(&r->arena, buf_str(&subject)),
        arena_printf(&r->arena, "run %.*s %.*s", PSTR(j->app), PSTR(j->version))};
    buf_finish(&subject);
}

static void ask_lattice(void *arg, str tenant, str lattice) {
    struct rejudge *j = arg;
    struct api *a = j->api;
    struct round *r = mem_zalloc(sizeof(*r));
    r->judge = j;
    r->tenant = arena_str(&r->arena, tenant);
    r->lattice = arena_str(&r->arena, lattice);
    *VEC_ADD(&j->rounds) = r;
    catalog_each(a->env.catalog, tenant, lattice, add_app, r);
    if (r->q.n == 0) {
        round_free(r);
        return;
    }
    struct policy_about about = {
        .tenant = r->tenant, .lattice = r->lattice, .caller = STR("{\"via\":\"self\"}")};
    r->ask = policy_ask(a->env.policy, TRL_POINT_DEPLOY, r->q.at, r->q.n, &about, on_rulings, r);
}

static void forgive_app(void *arg, const struct app *x) {
    engine_set_condition(arg, x->name, STR_NONE);
}

/* Nobody has a word at that point any more. */
static void forgive(void *arg, str tenant, str lattice) {
    struct api *a = ((struct rejudge *)arg)->api;
    struct engine *e = a->env.engine_of ? a->env.engine_of(a->env.arg, tenant, lattice) : NULL;
    if (e) {
        catalog_each(a->env.catalog, tenant, lattice, forgive_app, e);
    }
}

static void cancel_rounds(struct rejudge *j) {
    while (j->rounds.n) {
        struct round *r = j->rounds.at[j->rounds.n - 1];
        policy_ask_cancel(r->ask);
        round_free(r);
    }
}

static void run(void *arg) {
    struct rejudge *j = arg;
    j->posted = false;
    if (j->closing) {
        mem_free(j);
        return;
    }
    cancel_rounds(j); /* under the rules of before: their answers are worth nothing now */
    loop_timer_stop(&j->again);
    catalog_lattices(j->api->env.catalog,
                     policy_asks(j->api->env.policy, TRL_POINT_DEPLOY) ? ask_lattice : forgive, j);
}

static void run_soon(struct rejudge *j) {
    if (!j->posted && j->api->env.policy) {
        j->posted = true;
        loop_post(j->api->env.loop, run, j);
    }
}

static void try_again(void *arg) {
    struct rejudge *j = arg;
    j->again_ns = j->again_ns * 2 < AGAIN_MAX_NS ? j->again_ns * 2 : AGAIN_MAX_NS;
    run_soon(j);
}

struct rejudge *rejudge_create(struct api *a) {
    struct rejudge *j = mem_zalloc(sizeof(*j));
    j->api = a;
    j->again_ns = AGAIN_NS;
    loop_timer_init(&j->again, a->env.loop, try_again, j);
    return j;
}

void rejudge_all(struct rejudge *j) {
    j->again_ns = AGAIN_NS;
    run_soon(j);
}

void rejudge_destroy(struct rejudge *j) {
    if (!j) {
        return;
    }
    loop_timer_stop(&j->again);
    cancel_rounds(j);
    VEC_FREE(&j->rounds);
    while (j->stopping.n) { /* the catalog goes in this turn too: nothing is told any more */
        stopping_free(j->stopping.at[j->stopping.n - 1]);
    }
    VEC_FREE(&j->stopping);
    j->closing = true;
    if (!j->posted) {
        mem_free(j);
    }
}
