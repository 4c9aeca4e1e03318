/* SPDX-License-Identifier: Apache-2.0
 *
 * Heads in: which versions are wanted, which leave something behind, who else has to look again.
 */
#include "engine/engine_priv.h"

#define COMING_MAX 8u /* under way at once; with more there is no time for it anyway */

static struct app_spec *expand_version(struct engine *e, const struct app *head, uint32_t n) {
    const struct manifest *m = catalog_manifest(e->env.catalog, head, n);
    struct expand_env env;
    engine_expand_env(e, &env);
    return m ? app_spec_expand(m, n, &env) : NULL;
}

/* What depends on nothing but the version: others may change before it is deployed. */
static bool stands_alone(const struct app_spec *s) {
    bool alone = s->n_shared_apps == 0;
    for (uint32_t i = 0; i < s->n_configs; i++) {
        alone = alone && !s->configs[i]->secret;
    }
    return alone;
}

/* A version whose deploy is being written. */
struct coming {
    char *uid; /* of the app that was read; NULL: not read yet */
    uint32_t n;
    struct app_spec *spec; /* or NULL: it could not be expanded */
};

static void coming_free(struct coming *x) {
    if (x) {
        mem_free(x->uid);
        app_spec_unref(x->spec);
        mem_free(x);
    }
}

void engine_drop_coming(struct engine *e) {
    for (uint32_t i = 0; i < e->coming.n; i++) {
        coming_free(e->coming.at[i].value);
    }
    map_finish(&e->coming);
}

void engine_prepare(void *engine) {
    struct engine *e = engine;
    for (uint32_t i = 0; i < e->coming.n; i++) {
        struct coming *x = e->coming.at[i].value;
        const struct app *head = catalog_find_any(e->env.catalog, engine_tenant(e),
                                                  engine_lattice(e), e->coming.at[i].key);
        if (head && !x->uid) {
            x->uid = str_dup(head->uid);
            x->spec = expand_version(e, head, x->n);
            if (e->coming.n == 1) { /* with more there is no time for it, and loads move */
                engine_rehearse(e, head->name, x->spec);
            }
        }
    }
}

void engine_app_coming(struct engine *e, str app, uint32_t n) {
    if (e->coming.n == COMING_MAX) {
        engine_drop_coming(e);
    }
    struct coming *x = mem_zalloc(sizeof(*x));
    x->n = n;
    coming_free(map_set(&e->coming, app, x));
    loop_timer_start(&e->prepare, 0); /* after the one that begins the write */
}

static struct app_spec *expand_deployed(struct engine *e, const struct app *head) {
    struct coming *x = map_del(&e->coming, head->name);
    struct app_spec *s = NULL;
    if (x && x->spec && x->n == head->deployed && str_is(head->uid, x->uid) &&
        stands_alone(x->spec)) {
        s = app_spec_ref(x->spec);
    }
    coming_free(x);
    return s || !head->deployed ? s : expand_version(e, head, head->deployed);
}

static void intern_units(struct engine *e, const struct app_spec *s) {
    intern_id(&e->o.names, s->app);
    for (uint32_t i = 0; i < s->n_units; i++) {
        intern_id(&e->o.names, s->units[i].id);
    }
}

static void set_olds(struct engine *e, struct desired_app *a, const struct app *head) {
    desired_clear_olds(&e->d, a);
    for (uint32_t i = head->n_applied; i-- > 0;) { /* newest first */
        uint32_t n = head->applied[i];
        struct app_spec *s = n != head->deployed ? expand_version(e, head, n) : NULL;
        if (s) {
            intern_units(e, s);
            engine_want_configs(e, s);
            desired_add_old(&e->d, a, s);
        }
    }
}

void engine_touch_users(struct engine *e, const struct map *index, str key) {
    const struct users *u = desired_users(index, key);
    for (uint32_t i = 0; u && i < u->at.n; i++) {
        engine_dirty(e, u->at.at[i].app);
    }
}

/* What a version uses stays for its sake, what it uses no more may go: apps that take something
 * down look again. */
static void dirty_leavers(struct engine *e, const struct app_spec *s) {
    for (uint32_t i = 0; i < s->n_units; i++) {
        engine_touch_users(e, &e->d.old_users, s->units[i].id);
    }
    for (uint32_t i = 0; i < s->n_shared_units; i++) {
        engine_touch_users(e, &e->d.old_users, s->shared_units[i]);
    }
    for (uint32_t i = 0; i < s->n_links; i++) {
        engine_touch_users(e, &e->d.old_users, s->links[i].key);
    }
    for (uint32_t i = 0; i < s->n_configs; i++) {
        engine_touch_users(e, &e->d.old_users, s->configs[i]->name);
    }
}

/* Users of this app's shared units, and apps whose units or configs it uses, look again. */
static void dirty_neighbours(struct engine *e, const struct desired_app *a,
                             const struct app_spec *s) {
    engine_touch_users(e, &e->d.app_users, a->name);
    for (uint32_t k = 0; s && k < s->n_shared_apps; k++) {
        struct desired_app *other = desired_find(&e->d, s->shared_apps[k]);
        if (other) {
            engine_dirty(e, other);
        }
    }
    for (uint32_t i = 0; s && i < s->n_configs; i++) {
        engine_touch_users(e, &e->d.config_users, s->configs[i]->name);
    }
    if (s) {
        dirty_leavers(e, s);
    }
}

static void re_expand_users(struct engine *e, str owner) {
    const struct users *u = desired_users(&e->d.app_users, owner);
    uint32_t n = u ? u->at.n : 0;
    struct desired_app **apps = mem_array(n, sizeof(struct desired_app *));
    for (uint32_t i = 0; i < n; i++) {
        apps[i] = u->at.at[i].app; /* the index changes below */
    }
    for (uint32_t i = 0; i < n; i++) {
        struct desired_app *a = apps[i];
        const struct app *head =
            str_eq(a->name, owner)
                ? NULL
                : catalog_find_any(e->env.catalog, engine_tenant(e), engine_lattice(e), a->name);
        if (head && head->deployed) {
            desired_set_cur(&e->d, a, expand_version(e, head, head->deployed));
            engine_dirty(e, a);
        }
    }
    mem_free(apps);
}

static void on_renewed_set(struct desired_app *a, const struct app *head) {
    desired_set_refresh(a, head->refresh, head->n_refresh);
}

void engine_app_changed(struct engine *e, const struct app *head) {
    struct desired_app *a = desired_find(&e->d, head->name);
    bool any = head->deployed || head->n_applied;
    if (!any) {
        if (a) {
            dirty_neighbours(e, a, a->cur);
            engine_drop_app(e, a);
            re_expand_users(e, head->name);
        }
        return;
    }
    bool fresh = a == NULL;
    a = desired_add(&e->d, head->name);
    bool moved = fresh || a->generation != head->generation;
    if (moved) {
        a->prompted = !fresh || e->synced || e->loaded;
        a->guarded = false;
        a->known_all = false;
        ledger_forgive(&e->l, a->name);
    }
    if (a->cur) {
        dirty_neighbours(e, a, a->cur);
    }
    a->generation = head->generation;
    if (moved) { /* judged with its deploy */
        mem_free(a->condition);
        a->condition = NULL;
    }
    a->deleting = head->deleting;
    if (moved) {
        follow_head(e, a, head, !fresh || e->loaded);
    }
    inherit_head(e, a, head);
    struct app_spec *spec = expand_deployed(e, head);
    if (spec) {
        intern_units(e, spec);
    }
    desired_set_cur(&e->d, a, spec);
    mem_free((char *)(uintptr_t)a->version.ptr);
    a->version = str_n(str_dup(spec ? spec->version : STR_NONE), spec ? spec->version.len : 0);
    on_renewed_set(a, head);
    engine_want_configs(e, spec);
    set_olds(e, a, head);
    dirty_neighbours(e, a, spec);
    if (moved) {
        re_expand_users(e, a->name);
    }
    engine_dirty(e, a);
}
