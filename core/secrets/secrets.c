/* SPDX-License-Identifier: Apache-2.0 */
#include "secrets/secrets.h"

#include "base/mem.h"
#include "plug/loop.h"

#define TIMEOUT_NS 5000000000ll
#define POLL_NS    30000000000ll
#define AGAIN_NS   5000000000ll

struct secrets {
    struct secrets_env env;
    struct secrets_backend *backends;
    struct secrets_asked *asked;
    struct secrets_follow *follows;
};

struct secrets *secrets_create(const struct secrets_env *env) {
    struct secrets *s = mem_zalloc(sizeof(*s));
    s->env = *env;
    s->backends = mem_array(env->n_backends + 1, sizeof(*s->backends));
    for (uint32_t i = 0; i < env->n_backends; i++) {
        s->backends[i] = env->backends[i];
        if (s->backends[i].timeout_ns <= 0) {
            s->backends[i].timeout_ns = TIMEOUT_NS;
        }
    }
    return s;
}

const struct secrets_backend *secrets_find(const struct secrets *s, str name) {
    for (uint32_t i = 0; s && i < s->env.n_backends; i++) {
        if (str_eq(s->backends[i].name, name)) {
            return &s->backends[i];
        }
    }
    return NULL;
}

void secrets_each(const struct secrets *s, void (*fn)(void *arg, const struct secrets_backend *b),
                  void *arg) {
    for (uint32_t i = 0; s && i < s->env.n_backends; i++) {
        fn(arg, &s->backends[i]);
    }
}

/* Asking */

struct one { /* one reference of a question */
    struct secrets_asked *of;
    struct secrets_call *call; /* under way, else NULL */
};

struct secrets_asked {
    struct secrets *secrets; /* NULL: it ended meanwhile */
    struct secrets_asked *next;
    struct arena arena;
    struct one *ones;
    struct secret_have *have;
    uint32_t n, waiting;
    bool cancelled;
    void (*done)(void *arg, const struct secret_have *h);
    void *arg;
};

static void unlink_asked(struct secrets_asked *a) {
    struct secrets_asked **at = a->secrets ? &a->secrets->asked : NULL;
    while (at && *at != a) {
        at = &(*at)->next;
    }
    if (at) {
        *at = a->next;
    }
}

static void asked_free(struct secrets_asked *a) {
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->ones[i].call) {
            secrets_cancel(a->ones[i].call);
        }
    }
    arena_finish(&a->arena);
    mem_free(a);
}

static void finish(void *arg) {
    struct secrets_asked *a = arg;
    if (a->secrets && !a->cancelled) {
        a->done(a->arg, a->have);
    }
    unlink_asked(a);
    asked_free(a);
}

static void on_checked(void *arg, trl_status st, str version, const trl_err *e) {
    struct one *o = arg;
    struct secrets_asked *a = o->of;
    struct secret_have *h = &a->have[o - a->ones];
    o->call = NULL;
    h->st = st;
    h->version = arena_str(&a->arena, version);
    if (st != TRL_OK) {
        struct err err = ERR_INIT;
        err_from_trl(&err, st, e);
        h->text = arena_str(&a->arena, str_c(err.msg));
    }
    if (--a->waiting == 0) {
        finish(a);
    }
}

static void check(struct secrets_asked *a, uint32_t i, const struct secret_want *w) {
    const struct secrets_backend *b = secrets_find(a->secrets, w->backend);
    a->ones[i].of = a;
    if (!b) {
        a->have[i].st = TRL_E_UNSUPP;
        a->have[i].text =
            arena_printf(&a->arena, "no secrets backend '%.*s' is configured", PSTR(w->backend));
        return;
    }
    a->waiting++;
    a->ones[i].call = secrets_check(b->in, &w->ref, b->timeout_ns, on_checked, &a->ones[i]);
}

struct secrets_asked *secrets_ask(struct secrets *s, const struct secret_want *w, uint32_t n,
                                  void (*done)(void *arg, const struct secret_have *h), void *arg) {
    struct secrets_asked *a = mem_zalloc(sizeof(*a));
    a->secrets = s;
    a->n = n;
    a->done = done;
    a->arg = arg;
    a->ones = ARENA_ARRAY(&a->arena, struct one, n + 1);
    a->have = ARENA_ARRAY(&a->arena, struct secret_have, n + 1);
    a->next = s->asked;
    s->asked = a;
    for (uint32_t i = 0; i < n; i++) {
        check(a, i, &w[i]);
    }
    if (a->waiting == 0) {
        loop_post(s->env.loop, finish, a);
    }
    return a;
}

void secrets_asked_cancel(struct secrets_asked *a) {
    if (a) {
        a->cancelled = true;
    }
}

/* Following */

struct secrets_follow {
    struct secrets *secrets;
    struct secrets_follow *prev, *next;
    struct arena arena;
    const struct secrets_backend *backend;
    trl_secret_ref ref;
    struct secrets_call *call; /* a watch or a check, else NULL */
    struct loop_timer timer;
    struct buf version; /* as told last */
    bool told;
    void (*on_version)(void *arg, str version);
    void *arg;
};

static void tell(struct secrets_follow *f, str version) {
    if (f->told && str_eq(version, buf_str(&f->version))) {
        return;
    }
    f->told = true;
    buf_clear(&f->version);
    buf_add_str(&f->version, version);
    f->on_version(f->arg, buf_str(&f->version));
}

static void on_watched(void *arg, str version) {
    tell(arg, version);
}

static void on_watch_end(void *arg, trl_status st, str text, const trl_err *e) {
    struct secrets_follow *f = arg;
    (void)st;
    (void)text;
    (void)e;
    f->call = NULL;
    loop_timer_start(&f->timer, AGAIN_NS);
}

static void on_polled(void *arg, trl_status st, str version, const trl_err *e) {
    struct secrets_follow *f = arg;
    (void)e;
    f->call = NULL;
    loop_timer_start(&f->timer, POLL_NS);
    /* Only what the backend knows is told: not being able to ask says nothing about the secret. */
    if (st == TRL_OK || st == TRL_E_NOTFOUND || st == TRL_E_DENIED) {
        tell(f, st == TRL_OK ? version : STR_NONE);
    }
}

static void look(void *arg) {
    struct secrets_follow *f = arg;
    const struct secrets_backend *b = f->backend;
    f->call = secrets_can_watch(b->in) ? secrets_watch(b->in, &f->ref, on_watched, on_watch_end, f)
                                       : secrets_check(b->in, &f->ref, b->timeout_ns, on_polled, f);
}

struct secrets_follow *secrets_follow(struct secrets *s, const struct secret_want *w,
                                      void (*on_version)(void *arg, str version), void *arg) {
    const struct secrets_backend *b = secrets_find(s, w->backend);
    if (!b) {
        return NULL;
    }
    struct secrets_follow *f = mem_zalloc(sizeof(*f));
    struct arena *a = &f->arena;
    f->secrets = s;
    f->backend = b;
    f->ref = (trl_secret_ref){.struct_size = sizeof(f->ref),
                              .key = arena_str(a, w->ref.key),
                              .field = arena_str(a, w->ref.field),
                              .version = arena_str(a, w->ref.version),
                              .properties = arena_str(a, w->ref.properties),
                              .lattice = arena_str(a, w->ref.lattice),
                              .app = arena_str(a, w->ref.app)};
    f->on_version = on_version;
    f->arg = arg;
    f->next = s->follows;
    if (f->next) {
        f->next->prev = f;
    }
    s->follows = f;
    loop_timer_init(&f->timer, s->env.loop, look, f);
    look(f);
    return f;
}

void secrets_follow_end(struct secrets_follow *f) {
    if (!f) {
        return;
    }
    *(f->prev ? &f->prev->next : &f->secrets->follows) = f->next;
    if (f->next) {
        f->next->prev = f->prev;
    }
    if (f->call) {
        secrets_cancel(f->call);
    }
    loop_timer_stop(&f->timer);
    buf_finish(&f->version);
    arena_finish(&f->arena);
    mem_free(f);
}

void secrets_destroy(struct secrets *s) {
    if (!s) {
        return;
    }
    while (s->asked) {
        struct secrets_asked *a = s->asked;
        unlink_asked(a);
        a->secrets = NULL;
        if (a->waiting) {
            asked_free(a);
        } /* else its end is posted, and frees it */
    }
    while (s->follows) {
        secrets_follow_end(s->follows);
    }
    mem_free(s->backends);
    mem_free(s);
}
