/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rotation.h"

#include <stdio.h>

#include "api/judge.h"
#include "plug/loop.h"

#define AGAIN_NS 5000000000ll

struct rotation {
    struct api *api;
    struct map apps;         /* "tenant lattice app" -> struct followed */
    struct loop_timer again; /* runs while a version is not pinned yet */
};

struct followed_secret {
    struct followed *of;
    str name; /* in the manifest */
    struct secrets_follow *follow;
    char *due; /* owned: a new version that is not known to be pinned; a backend tells it once */
    bool told; /* people know of it */
};

struct followed { /* a deployed app with secrets that are followed */
    struct rotation *rotation;
    struct arena arena;
    str tenant, lattice, app;
    uint32_t n; /* deployed version */
    uint64_t generation;
    VEC(struct followed_secret *) secrets;
};

static void followed_free(struct followed *f) {
    for (uint32_t i = 0; f && i < f->secrets.n; i++) {
        secrets_follow_end(f->secrets.at[i]->follow);
        mem_free(f->secrets.at[i]->due);
    }
    if (f) {
        VEC_FREE(&f->secrets);
        arena_finish(&f->arena);
        mem_free(f);
    }
}

static void on_pinned(void *arg, const struct catalog_result *cr) {
    (void)arg;
    (void)cr; /* not written: it stays due */
}

static void tell(struct followed_secret *s, str version) {
    struct followed *f = s->of;
    struct api *a = f->rotation->api;
    if (!s->told) {
        s->told = true;
        log_info(a->env.log, "lattice %.*s: secret %.*s of %.*s was rotated to version %.*s",
                 PSTR(f->lattice), PSTR(s->name), PSTR(f->app), PSTR(version));
        announce_event(a->announce, "secret_rotated", f->tenant, f->lattice, f->app, version, NULL);
    }
}

/* False: what is due is to be looked at again. It is no longer due when the head says so, whoever
 * wrote that. */
static bool settle(struct followed_secret *s) {
    struct followed *f = s->of;
    struct api *a = f->rotation->api;
    str version = str_c(s->due);
    struct engine *e =
        a->env.engine_of ? a->env.engine_of(a->env.arg, f->tenant, f->lattice) : NULL;
    const struct app *x = catalog_find(a->env.catalog, f->tenant, f->lattice, f->app);
    bool fixed = false;
    if (!x || x->deployed != f->n) {
        return true; /* with its new head it is followed anew */
    }
    str pinned = app_pin(x, f->n, s->name, &fixed);
    if (fixed || str_eq(pinned, version)) {
        return true;
    }
    if (!e || !engine_active(e)) {
        return false; /* another instance does it, or it is us soon */
    }
    struct arena scratch = ARENA_INIT;
    str *keys = NULL;
    uint32_t n_keys = engine_links_with_secret(e, f->app, s->name, &scratch, &keys);
    struct secret_pin pin = {f->n, s->name, version, false};
    tell(s, version);
    catalog_pin(a->env.catalog, f->tenant, f->lattice, f->app, &pin, keys, n_keys, on_pinned, NULL);
    arena_finish(&scratch);
    return false;
}

static void forget_due(struct followed_secret *s) {
    mem_free(s->due);
    s->due = NULL;
    s->told = false;
}

static void look_again(void *arg) {
    struct rotation *r = arg;
    bool any = false;
    for (uint32_t i = 0; i < r->apps.n; i++) {
        struct followed *f = r->apps.at[i].value;
        for (uint32_t k = 0; k < f->secrets.n; k++) {
            struct followed_secret *s = f->secrets.at[k];
            if (s->due && settle(s)) {
                forget_due(s);
            }
            any |= s->due != NULL;
        }
    }
    if (any) {
        loop_timer_start(&r->again, AGAIN_NS);
    }
}

static void on_version(void *arg, str version) {
    struct followed_secret *s = arg;
    struct rotation *r = s->of->rotation;
    forget_due(s);
    if (!version.len) {
        return; /* gone or unreadable is no new version: what runs keeps what it has */
    }
    s->due = str_dup(version);
    if (settle(s)) {
        forget_due(s);
    } else if (!loop_timer_active(&r->again)) {
        loop_timer_start(&r->again, AGAIN_NS);
    }
}

static bool follows(const struct manifest *m, str secret) {
    char key[256];
    snprintf(key, sizeof(key), "trellis.dev/on-change.%.*s", PSTR(secret));
    str how = manifest_annotation(m, key);
    return str_is(how, "hot") || str_is(how, "roll");
}

static void follow(void *arg, const struct judged_secret *j) {
    struct followed *f = arg;
    struct api *a = f->rotation->api;
    if (j->want.ref.version.len || !follows(j->manifest, j->name)) {
        return;
    }
    for (uint32_t i = 0; i < f->secrets.n; i++) {
        if (str_eq(f->secrets.at[i]->name, j->name)) {
            return; /* several users */
        }
    }
    struct followed_secret *s = ARENA_NEW(&f->arena, struct followed_secret);
    s->of = f;
    s->name = arena_str(&f->arena, j->name);
    *VEC_ADD(&f->secrets) = s;
    s->follow = secrets_follow(a->env.secrets, &j->want, on_version, s);
}

void rotation_on_app(struct rotation *r, const struct app *x) {
    struct buf key = BUF_INIT;
    struct api *a = r->api;
    if (!a->env.secrets) {
        return;
    }
    buf_addf(&key, "%.*s %.*s %.*s", PSTR(x->tenant), PSTR(x->lattice), PSTR(x->name));
    struct followed *f = map_get(&r->apps, buf_str(&key));
    if (!f || f->n != x->deployed || f->generation != x->generation) {
        followed_free(map_del(&r->apps, buf_str(&key)));
        const struct manifest *m =
            x->deployed ? catalog_manifest(a->env.catalog, x, x->deployed) : NULL;
        if (m) {
            f = mem_zalloc(sizeof(*f));
            f->rotation = r;
            f->n = x->deployed;
            f->generation = x->generation;
            f->tenant = arena_str(&f->arena, x->tenant);
            f->lattice = arena_str(&f->arena, x->lattice);
            f->app = arena_str(&f->arena, x->name);
            map_set(&r->apps, buf_str(&key), f);
            judge_each_secret(a, f->lattice, f->app, m, &f->arena, follow, f);
        }
    }
    buf_finish(&key);
}

struct rotation *rotation_create(struct api *a) {
    struct rotation *r = mem_zalloc(sizeof(*r));
    r->api = a;
    loop_timer_init(&r->again, a->env.loop, look_again, r);
    return r;
}

void rotation_destroy(struct rotation *r) {
    if (r) {
        loop_timer_stop(&r->again);
        for (uint32_t i = 0; i < r->apps.n; i++) {
            followed_free(r->apps.at[i].value);
        }
        map_finish(&r->apps);
        mem_free(r);
    }
}
