/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rotation.h"

#include <stdio.h>

#include "api/judge.h"

struct rotation {
    struct api *api;
    struct map apps; /* "tenant lattice app" -> struct followed */
};

struct followed_secret {
    struct followed *of;
    str name; /* in the manifest */
    struct secrets_follow *follow;
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
    }
    if (f) {
        VEC_FREE(&f->secrets);
        arena_finish(&f->arena);
        mem_free(f);
    }
}

static void on_pinned(void *arg, const struct catalog_result *cr) {
    (void)arg;
    (void)cr; /* not written: the next look at the backend tells it again */
}

static void on_version(void *arg, str version) {
    struct followed_secret *s = arg;
    struct followed *f = s->of;
    struct api *a = f->rotation->api;
    struct engine *e =
        a->env.engine_of ? a->env.engine_of(a->env.arg, f->tenant, f->lattice) : NULL;
    const struct app *x = catalog_find(a->env.catalog, f->tenant, f->lattice, f->app);
    bool fixed = false;
    if (!version.len || !e || !engine_active(e) || !x || x->deployed != f->n) {
        return; /* gone or unreadable is no new version: what runs keeps what it has */
    }
    str pinned = app_pin(x, f->n, s->name, &fixed);
    if (fixed || str_eq(pinned, version)) {
        return;
    }
    struct arena scratch = ARENA_INIT;
    str *keys = NULL;
    uint32_t n_keys = engine_links_with_secret(e, f->app, s->name, &scratch, &keys);
    struct secret_pin pin = {f->n, s->name, version, false};
    log_info(a->env.log, "lattice %.*s: secret %.*s of %.*s was rotated to version %.*s",
             PSTR(f->lattice), PSTR(s->name), PSTR(f->app), PSTR(version));
    announce_event(a->announce, "secret_rotated", f->tenant, f->lattice, f->app, version);
    catalog_pin(a->env.catalog, f->tenant, f->lattice, f->app, &pin, keys, n_keys, on_pinned, NULL);
    arena_finish(&scratch);
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
    return r;
}

void rotation_destroy(struct rotation *r) {
    if (r) {
        for (uint32_t i = 0; i < r->apps.n; i++) {
            followed_free(r->apps.at[i].value);
        }
        map_finish(&r->apps);
        mem_free(r);
    }
}
