/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/desired.h"

#include <string.h>

struct app_spec *app_spec_ref(struct app_spec *s) {
    s->refs++;
    return s;
}

void app_spec_unref(struct app_spec *s) {
    if (!s || --s->refs) {
        return;
    }
    for (uint32_t i = 0; i < s->n_units; i++) {
        scaler_release(s->units[i].spec);
    }
    arena_finish(&s->arena);
    mem_free(s);
}

void desired_init(struct desired *d) {
    memset(d, 0, sizeof(*d));
}

static void users_finish(struct map *index) {
    for (uint32_t i = 0; i < index->n; i++) {
        struct users *u = index->at[i].value;
        VEC_FREE(&u->at);
        mem_free(u);
    }
    map_finish(index);
}

void desired_finish(struct desired *d) {
    while (d->apps.n) {
        desired_remove(d, d->apps.at[d->apps.n - 1].value);
    }
    map_finish(&d->apps);
    users_finish(&d->unit_users);
    users_finish(&d->config_users);
    users_finish(&d->link_users);
    users_finish(&d->link_sources);
    users_finish(&d->link_targets);
    users_finish(&d->app_users);
    users_finish(&d->old_users);
}

struct desired_app *desired_find(const struct desired *d, str app) {
    return map_get(&d->apps, app);
}

struct desired_app *desired_add(struct desired *d, str app) {
    struct desired_app *a = desired_find(d, app);
    if (!a) {
        a = mem_zalloc(sizeof(*a));
        a->name = str_n(str_dup(app), app.len);
        map_set(&d->apps, app, a);
    }
    return a;
}

static void use_add(struct map *index, str key, struct desired_app *app, const void *what) {
    struct users *u = map_get(index, key);
    if (!u) {
        u = mem_zalloc(sizeof(*u));
        map_set(index, key, u);
    }
    *VEC_ADD(&u->at) = (struct use){app, what};
}

static void use_drop(struct map *index, str key, const struct desired_app *app) {
    struct users *u = map_get(index, key);
    for (uint32_t i = u ? u->at.n : 0; i-- > 0;) {
        if (u->at.at[i].app == app) {
            u->at.at[i] = u->at.at[--u->at.n];
        }
    }
    if (u && u->at.n == 0) {
        map_del(index, key);
        VEC_FREE(&u->at);
        mem_free(u);
    }
}

static void each_key(struct desired *d, struct desired_app *a, const struct app_spec *s, bool add) {
    for (uint32_t i = 0; i < s->n_units; i++) {
        add ? use_add(&d->unit_users, s->units[i].id, a, &s->units[i])
            : use_drop(&d->unit_users, s->units[i].id, a);
    }
    for (uint32_t i = 0; i < s->n_shared_units; i++) {
        add ? use_add(&d->unit_users, s->shared_units[i], a, NULL)
            : use_drop(&d->unit_users, s->shared_units[i], a);
    }
    for (uint32_t i = 0; i < s->n_shared_apps; i++) {
        add ? use_add(&d->app_users, s->shared_apps[i], a, NULL)
            : use_drop(&d->app_users, s->shared_apps[i], a);
    }
    for (uint32_t i = 0; i < s->n_configs; i++) {
        add ? use_add(&d->config_users, s->configs[i]->name, a, s->configs[i])
            : use_drop(&d->config_users, s->configs[i]->name, a);
    }
    for (uint32_t i = 0; i < s->n_links; i++) {
        const struct want_link *l = &s->links[i];
        add ? use_add(&d->link_users, l->key, a, l) : use_drop(&d->link_users, l->key, a);
        add ? use_add(&d->link_sources, l->source, a, l) : use_drop(&d->link_sources, l->source, a);
        add ? use_add(&d->link_targets, l->target, a, l) : use_drop(&d->link_targets, l->target, a);
    }
}

void desired_set_cur(struct desired *d, struct desired_app *a, struct app_spec *spec) {
    if (a->cur) {
        each_key(d, a, a->cur, false);
        app_spec_unref(a->cur);
    }
    a->cur = spec;
    if (spec) {
        each_key(d, a, spec, true);
        desired_learn(a, spec);
    }
}

static void old_key(struct desired *d, struct desired_app *a, str key, bool add) {
    add ? use_add(&d->old_users, key, a, NULL) : use_drop(&d->old_users, key, a);
}

static void each_old_key(struct desired *d, struct desired_app *a, const struct app_spec *s,
                         bool add) {
    for (uint32_t i = 0; i < s->n_units; i++) {
        old_key(d, a, s->units[i].id, add);
    }
    for (uint32_t i = 0; i < s->n_configs; i++) {
        old_key(d, a, s->configs[i]->name, add);
    }
    for (uint32_t i = 0; i < s->n_links; i++) {
        old_key(d, a, s->links[i].source, add);
        old_key(d, a, s->links[i].key, add);
    }
}

void desired_add_old(struct desired *d, struct desired_app *a, struct app_spec *spec) {
    each_old_key(d, a, spec, true);
    desired_learn(a, spec);
    *VEC_ADD(&a->olds) = spec;
}

void desired_clear_olds(struct desired *d, struct desired_app *a) {
    for (uint32_t i = 0; i < a->olds.n; i++) {
        each_old_key(d, a, a->olds.at[i], false);
        app_spec_unref(a->olds.at[i]);
    }
    a->olds.n = 0;
}

static void learn(struct desired_app *a, str id, const struct want_unit *u) {
    if (!map_has(&a->known, id)) {
        struct known_scaler *k = mem_zalloc(sizeof(*k));
        k->image = str_n(str_dup(u->image), u->image.len);
        k->list_hash = u->list_hash;
        k->names_hash = u->names_hash;
        map_set(&a->known, id, k);
    }
}

void desired_learn(struct desired_app *a, const struct app_spec *spec) {
    for (uint32_t i = 0; i < spec->n_units; i++) {
        learn(a, spec->units[i].scaler_id, &spec->units[i]);
        learn(a, spec->units[i].scaler_id_other, &spec->units[i]);
    }
}

static void clear_refresh(struct desired_app *a) {
    for (uint32_t i = 0; i < a->refresh.n; i++) {
        mem_free((char *)(uintptr_t)a->refresh.at[i].ptr);
    }
    VEC_FREE(&a->refresh);
}

void desired_remove(struct desired *d, struct desired_app *a) {
    desired_set_cur(d, a, NULL);
    desired_clear_olds(d, a);
    VEC_FREE(&a->olds);
    VEC_FREE(&a->applied);
    clear_refresh(a);
    for (uint32_t i = 0; i < a->known.n; i++) {
        struct known_scaler *k = a->known.at[i].value;
        mem_free((char *)(uintptr_t)k->image.ptr);
        mem_free(k);
    }
    map_finish(&a->known);
    status_destroy(a->told);
    mem_free(a->condition);
    map_del(&d->apps, a->name);
    mem_free((char *)(uintptr_t)a->name.ptr);
    mem_free((char *)(uintptr_t)a->version.ptr);
    mem_free(a);
}

void desired_set_refresh(struct desired_app *a, const str *keys, uint32_t n) {
    clear_refresh(a);
    for (uint32_t i = 0; i < n; i++) {
        *VEC_ADD(&a->refresh) = str_n(str_dup(keys[i]), keys[i].len);
    }
}

const struct users *desired_users(const struct map *index, str key) {
    return map_get(index, key);
}

bool desired_used(const struct map *index, str key, const struct desired_app *not_app) {
    const struct users *u = map_get(index, key);
    for (uint32_t i = 0; u && i < u->at.n; i++) {
        if (u->at.at[i].app != not_app) {
            return true;
        }
    }
    return false;
}

const struct use *desired_config_owner(const struct desired *d, str name, bool present,
                                       uint64_t seen_hash) {
    const struct users *u = map_get(&d->config_users, name);
    const struct use *best = NULL;
    bool best_there = false;
    for (uint32_t i = 0; u && i < u->at.n; i++) {
        const struct use *x = &u->at.at[i];
        const struct want_config *c = x->what;
        if (!c->managed) {
            continue;
        }
        bool there = present && c->hash == seen_hash;
        if (!best || (there && !best_there) ||
            (there == best_there && str_cmp(x->app->name, best->app->name) < 0)) {
            best = x;
            best_there = there;
        }
    }
    return best;
}
