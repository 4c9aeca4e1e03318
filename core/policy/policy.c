/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy.h"

#include <string.h>

#include "base/mem.h"
#include "plug/policy.h"
#include "policy/cache.h"

#define TIMEOUT_NS   2000000000ll
#define REWATCH_NS   5000000000ll
#define POINT_BIT(n) (1u << (n))

struct backend {
    struct policy_chains *policy;
    struct policy_backend is;
    char *name;
    uint32_t says; /* points where the backend has something to say */
    struct policy_watch *watch;
    struct loop_timer rewatch;
};

struct policy_chains {
    struct policy_env env;
    struct backend *backends;
    uint32_t n;
    uint32_t asked; /* points with a backend */
    uint32_t looks[TRL_POINTS];
    struct buf asked_names[TRL_POINTS]; /* JSON arrays */
    struct cache cache;
    struct policy_ask *asks;
    uint64_t epoch; /* counts changes of rules */
    struct policy_counts counts;
};

/* One call to one backend about a part of an ask's open questions. */
struct part {
    struct policy_ask *ask;
    struct backend *backend;
    struct policy_call *call;
    uint32_t from, n; /* of the open questions */
};

typedef void rulings_fn(void *arg, struct ruling *const *rulings);

struct policy_ask {
    struct policy_chains *policy;
    struct policy_ask *prev, *next;
    struct arena arena;
    uint32_t point, n, n_open, waiting;
    uint64_t epoch; /* rules as they were when it was asked */
    struct policy_question *q;
    struct cache_key *keys;
    struct ruling **rulings;
    uint32_t *open;                   /* questions whose ruling was not known */
    bool *fresh;                      /* by question */
    struct policy_about about, *each; /* each: by question; NULL: about is of all */
    VEC(struct part *) parts;
    rulings_fn *done;
    void *arg;
    bool cancelled;
};

static int64_t now(const struct policy_chains *p) {
    return loop_now_ns(p->env.loop);
}

/* Rules that change */

/* For the audit: an allow has no reasons that would name somebody. */
static void learn_names(struct policy_chains *p) {
    for (uint32_t point = 0; point < TRL_POINTS; point++) {
        struct buf *names = &p->asked_names[point];
        struct jw w;
        buf_clear(names);
        jw_init(&w, names, false);
        jw_array(&w);
        for (uint32_t i = 0; i < p->n; i++) {
            if (p->backends[i].says & POINT_BIT(point)) {
                jw_str(&w, p->backends[i].is.name);
            }
        }
        jw_end_array(&w);
    }
}

static void learn_points(struct policy_chains *p) {
    p->asked = 0;
    memset(p->looks, 0, sizeof(p->looks));
    for (uint32_t i = 0; i < p->n; i++) {
        struct backend *b = &p->backends[i];
        b->says = b->is.points & policy_points(b->is.in);
        p->asked |= b->says;
        for (uint32_t point = 0; point < TRL_POINTS; point++) {
            p->looks[point] |= b->says & POINT_BIT(point) ? policy_looks_at(b->is.in, point) : 0;
        }
    }
    learn_names(p);
}

static void on_change(void *arg, str what) {
    struct backend *b = arg;
    struct policy_chains *p = b->policy;
    log_info(p->env.log, "policy %s: its rules changed%s%.*s", b->name, what.len ? ": " : "",
             PSTR(what));
    p->epoch++;
    cache_clear(&p->cache);
    learn_points(p);
    if (p->env.on_change) {
        p->env.on_change(p->env.arg);
    }
}

static void on_watch_end(void *arg, trl_status st) {
    struct backend *b = arg;
    b->watch = NULL;
    if (st != TRL_E_UNSUPP && st != TRL_E_CLOSED) {
        loop_timer_start(&b->rewatch, REWATCH_NS);
    }
}

static void start_watch(void *arg) {
    struct backend *b = arg;
    b->watch = policy_watch(b->is.in, on_change, on_watch_end, b);
}

struct policy_chains *policy_create(const struct policy_env *env) {
    struct policy_chains *p = mem_zalloc(sizeof(*p));
    p->env = *env;
    p->n = env->n_backends;
    p->backends = mem_array(p->n ? p->n : 1, sizeof(*p->backends));
    cache_init(&p->cache, CACHE_ENTRIES);
    for (uint32_t i = 0; i < p->n; i++) {
        struct backend *b = &p->backends[i];
        b->policy = p;
        b->is = env->backends[i];
        b->name = str_dup(b->is.name);
        b->is.name = str_c(b->name);
        for (uint32_t point = 0; point < TRL_POINTS; point++) {
            int64_t *ns = &b->is.timeout_ns[point];
            *ns = *ns > 0 ? *ns : TIMEOUT_NS;
        }
        loop_timer_init(&b->rewatch, env->loop, start_watch, b);
        start_watch(b);
    }
    learn_points(p);
    return p;
}

/* Asking */

static void unlink_ask(struct policy_ask *a) {
    if (!a->policy) {
        return;
    }
    *(a->prev ? &a->prev->next : &a->policy->asks) = a->next;
    if (a->next) {
        a->next->prev = a->prev;
    }
}

static void ask_free(struct policy_ask *a) {
    unlink_ask(a);
    for (uint32_t i = 0; i < a->n; i++) {
        ruling_unref(a->rulings[i]);
    }
    for (uint32_t i = 0; i < a->parts.n; i++) {
        if (a->parts.at[i]->call) {
            policy_call_cancel(a->parts.at[i]->call);
        }
        mem_free(a->parts.at[i]);
    }
    VEC_FREE(&a->parts);
    arena_finish(&a->arena);
    mem_free(a);
}

void policy_destroy(struct policy_chains *p) {
    if (!p) {
        return;
    }
    while (p->asks) {
        struct policy_ask *a = p->asks;
        if (a->waiting) {
            ask_free(a);
        } else { /* its end is posted */
            unlink_ask(a);
            a->policy = NULL;
        }
    }
    for (uint32_t i = 0; i < p->n; i++) {
        loop_timer_stop(&p->backends[i].rewatch);
        policy_watch_end(p->backends[i].watch);
        mem_free(p->backends[i].name);
    }
    for (uint32_t point = 0; point < TRL_POINTS; point++) {
        buf_finish(&p->asked_names[point]);
    }
    mem_free(p->backends);
    cache_finish(&p->cache);
    mem_free(p);
}

uint32_t policy_looks(const struct policy_chains *p, uint32_t point) {
    return p->looks[point];
}

bool policy_asks(const struct policy_chains *p, uint32_t point) {
    return p && (p->asked & POINT_BIT(point));
}

static void audit(struct policy_chains *p, uint32_t point, str what,
                  const struct policy_about *about, const struct ruling *r, bool cached,
                  uint32_t count) {
    if (p->env.audit) {
        struct audit_record x = {.point = point,
                                 .what = what,
                                 .tenant = about->tenant,
                                 .lattice = about->lattice,
                                 .app = about->app,
                                 .caller = about->caller,
                                 .trace = about->trace,
                                 .backends = buf_str(&p->asked_names[point]),
                                 .ruling = r,
                                 .cached = cached,
                                 .count = count};
        audit_add(p->env.audit, &x);
    }
}

struct ruling *policy_peek(struct policy_chains *p, uint32_t point, str subject, str what,
                           const struct policy_about *about) {
    struct cache_key k = cache_key(point, subject);
    struct ruling *r = cache_find(&p->cache, &k, now(p));
    if (r && r->verdict != TRL_V_ALLOW) {
        audit(p, point, what, about, r, true, 1);
    }
    return r;
}

bool policy_knows(struct policy_chains *p, uint32_t point, str subject) {
    struct cache_key k = cache_key(point, subject);
    uint64_t hits = p->cache.hits, misses = p->cache.misses;
    bool known = cache_find(&p->cache, &k, now(p)) != NULL;
    p->cache.hits = hits; /* it is no decision yet */
    p->cache.misses = misses;
    return known;
}

void policy_spend(struct ruling *r) {
    if (r) {
        r->spent = true;
    }
}

/* Plain allows of one ask are one record: a plan of a thousand commands is one decision of one
 * chain. */
static void audit_ask(struct policy_ask *a) {
    uint32_t allowed = 0, first = 0;
    for (uint32_t i = 0; i < a->n; i++) {
        const struct ruling *r = a->rulings[i];
        if (r->verdict != TRL_V_ALLOW) {
            const struct policy_about *about = a->each ? &a->each[i] : &a->about;
            audit(a->policy, a->point, a->q[i].what, about, r, !a->fresh[i], 1);
        } else if (a->fresh[i]) {
            first = allowed++ ? first : i;
        }
    }
    if (allowed) {
        audit(a->policy, a->point, a->q[first].what, &a->about, a->rulings[first], false, allowed);
    }
}

static void finish(void *arg) { /* mind: the ask is freed */
    struct policy_ask *a = arg;
    struct policy_chains *p = a->policy;
    if (!p) { /* it ended meanwhile */
        ask_free(a);
        return;
    }
    /* At these two points the asker plans again, and peeks; elsewhere he acts on the answer. */
    bool acts = !a->cancelled && a->point != TRL_POINT_PLACE && a->point != TRL_POINT_COMMAND;
    for (uint32_t i = 0; acts && i < a->n; i++) {
        policy_spend(a->rulings[i]);
    }
    for (uint32_t i = 0; i < a->n_open; i++) {
        uint32_t k = a->open[i];
        p->counts.verdicts[a->rulings[k]->verdict]++;
        if (a->epoch == p->epoch) { /* rules that changed meanwhile: true once, not kept */
            cache_put(&p->cache, &a->keys[k], a->rulings[k], now(p));
        }
    }
    audit_ask(a);
    if (!a->cancelled) {
        a->done(a->arg, a->rulings);
    }
    ask_free(a);
}

static void on_verdicts(void *arg, trl_status st, const struct policy_verdict *v,
                        const trl_err *e) {
    struct part *part = arg;
    struct policy_ask *a = part->ask;
    struct backend *b = part->backend;
    part->call = NULL;
    if (st != TRL_OK) {
        struct err err = ERR_INIT;
        err_from_trl(&err, st, e);
        log_warn(a->policy->env.log, "policy %s: %s", b->name, err.msg);
        a->policy->counts.failures++;
        bool open = b->is.open & POINT_BIT(a->point);
        for (uint32_t i = 0; i < part->n; i++) {
            ruling_add_failure(a->rulings[a->open[part->from + i]], b->is.name, open,
                               str_c(err.msg));
        }
    }
    for (uint32_t i = 0; st == TRL_OK && i < part->n; i++) {
        ruling_add(a->rulings[a->open[part->from + i]], b->is.name, v[i].verdict, v[i].flags,
                   v[i].ttl_ms, v[i].reasons);
    }
    if (--a->waiting == 0) { /* never while it is being asked: that counts too */
        finish(a);
    }
}

static void call(struct policy_ask *a, struct backend *b, uint32_t from, uint32_t n) {
    str subjects[POLICY_BATCH];
    struct part *part = mem_zalloc(sizeof(*part));
    *part = (struct part){a, b, NULL, from, n};
    for (uint32_t i = 0; i < n; i++) {
        subjects[i] = a->q[a->open[from + i]].subject;
    }
    *VEC_ADD(&a->parts) = part;
    a->waiting++;
    a->policy->counts.calls++;
    part->call = policy_decide_now(b->is.in, a->point, subjects, n, a->about.traceparent,
                                   b->is.timeout_ns[a->point], on_verdicts, part);
}

static struct policy_about copy_about(struct arena *a, const struct policy_about *about) {
    return (struct policy_about){arena_str(a, about->tenant), arena_str(a, about->lattice),
                                 arena_str(a, about->app),    arena_str(a, about->caller),
                                 arena_str(a, about->trace),  arena_str(a, about->traceparent)};
}

static void keep_each(struct policy_ask *a, const struct policy_about *each) {
    a->each = ARENA_ARRAY(&a->arena, struct policy_about, a->n + 1);
    for (uint32_t i = 0; i < a->n; i++) {
        a->each[i] = copy_about(&a->arena, &each[i]);
    }
}

static void look_up(struct policy_ask *a, const struct policy_question *q) {
    struct policy_chains *p = a->policy;
    for (uint32_t i = 0; i < a->n; i++) {
        a->keys[i] = cache_key(a->point, q[i].subject);
        struct ruling *known = cache_find(&p->cache, &a->keys[i], now(p));
        a->q[i].what = arena_str(&a->arena, q[i].what);
        if (known) {
            a->rulings[i] = ruling_ref(known);
        } else {
            a->q[i].subject = q[i].subject;
            a->rulings[i] = ruling_new();
            a->fresh[i] = true;
            a->open[a->n_open++] = i;
        }
    }
}

static struct policy_ask *ask_new(struct policy_chains *p, uint32_t point, uint32_t n,
                                  const struct policy_about *about) {
    struct policy_ask *a = mem_zalloc(sizeof(*a));
    a->about = copy_about(&a->arena, about);
    a->policy = p;
    a->point = point;
    a->n = n;
    a->epoch = p->epoch;
    a->q = ARENA_ARRAY(&a->arena, struct policy_question, n + 1);
    a->keys = ARENA_ARRAY(&a->arena, struct cache_key, n + 1);
    a->rulings = ARENA_ARRAY(&a->arena, struct ruling *, n + 1);
    a->open = ARENA_ARRAY(&a->arena, uint32_t, n + 1);
    a->fresh = ARENA_ARRAY(&a->arena, bool, n + 1);
    a->next = p->asks;
    if (a->next) {
        a->next->prev = a;
    }
    p->asks = a;
    return a;
}

/* True: everything is answered already. */
static bool ask_all(struct policy_ask *a) {
    struct policy_chains *p = a->policy;
    a->waiting++;
    for (uint32_t i = 0; i < p->n; i++) {
        struct backend *b = &p->backends[i];
        for (uint32_t from = 0; (b->says & POINT_BIT(a->point)) && from < a->n_open;
             from += POLICY_BATCH) {
            call(a, b, from, a->n_open - from < POLICY_BATCH ? a->n_open - from : POLICY_BATCH);
        }
    }
    return --a->waiting == 0;
}

static struct policy_ask *ask(struct policy_ask *a, const struct policy_question *q, bool now,
                              rulings_fn *done, void *arg) {
    a->done = done;
    a->arg = arg;
    look_up(a, q);
    bool over = ask_all(a);
    if (over && now) {
        finish(a);
        return NULL;
    }
    if (over) {
        loop_post(a->policy->env.loop, finish, a);
    }
    return a;
}

struct policy_ask *policy_ask(struct policy_chains *p, uint32_t point,
                              const struct policy_question *q, uint32_t n,
                              const struct policy_about *about, rulings_fn *done, void *arg) {
    return ask(ask_new(p, point, n, about), q, false, done, arg);
}

struct policy_ask *policy_ask_each(struct policy_chains *p, uint32_t point,
                                   const struct policy_question *q, const struct policy_about *each,
                                   uint32_t n, const struct policy_about *all, rulings_fn *done,
                                   void *arg) {
    struct policy_ask *a = ask_new(p, point, n, all);
    keep_each(a, each);
    return ask(a, q, false, done, arg);
}

struct policy_ask *policy_ask_now(struct policy_chains *p, uint32_t point,
                                  const struct policy_question *q, uint32_t n,
                                  const struct policy_about *about, rulings_fn *done, void *arg) {
    return ask(ask_new(p, point, n, about), q, true, done, arg);
}

void policy_ask_cancel(struct policy_ask *a) {
    if (a) {
        a->cancelled = true; /* the answer is kept: somebody will ask again */
    }
}

void policy_counts(const struct policy_chains *p, struct policy_counts *ret) {
    *ret = p->counts;
    ret->hits = p->cache.hits;
    ret->misses = p->cache.misses;
}

void policy_each(const struct policy_chains *p,
                 void (*fn)(void *arg, const struct policy_backend *b, bool watches), void *arg) {
    for (uint32_t i = 0; p && i < p->n; i++) {
        struct policy_backend b = p->backends[i].is;
        b.points = p->backends[i].says;
        fn(arg, &b, p->backends[i].watch != NULL);
    }
}
