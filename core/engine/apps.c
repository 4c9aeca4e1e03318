/* SPDX-License-Identifier: Apache-2.0
 *
 * Heads in: which versions are wanted, which leave something behind, who else has to look again.
 */
#include "engine/engine_priv.h"

static struct app_spec *expand_version(struct engine *e, const struct app *head, uint32_t n) {
    const struct manifest *m = catalog_manifest(e->env.catalog, head, n);
    struct expand_env env;
    engine_expand_env(e, &env);
    return m ? app_spec_expand(m, n, &env) : NULL;
}

static void intern_units(struct engine *e, const struct app_spec *s) {
    intern_id(&e->o.names, s->app);
    for (uint32_t i = 0; i < s->n_units; i++) {
        intern_id(&e->o.names, s->units[i].id);
    }
}

static void set_olds(struct engine *e, struct desired_app *a, const struct app *head) {
    e->leavers -= a->olds.n > 0;
    for (uint32_t i = 0; i < a->olds.n; i++) {
        app_spec_unref(a->olds.at[i]);
    }
    a->olds.n = 0;
    for (uint32_t i = head->n_applied; i-- > 0;) { /* newest first */
        uint32_t n = head->applied[i];
        struct app_spec *s = n != head->deployed ? expand_version(e, head, n) : NULL;
        if (s) {
            intern_units(e, s);
            desired_learn(a, s);
            engine_want_configs(e, s);
            *VEC_ADD(&a->olds) = s;
        }
    }
    e->leavers += a->olds.n > 0;
}

/* An app that takes something down is named by no index: it is dirty for any news of its kind. */
void engine_touch_leavers(struct engine *e) {
    for (uint32_t i = 0; e->leavers && i < e->d.apps.n; i++) {
        struct desired_app *a = e->d.apps.at[i].value;
        if (a->olds.n) {
            engine_dirty(e, a);
        }
    }
}

/* Users of this app's shared units, and apps whose units or configs it uses, look again. */
static void dirty_neighbours(struct engine *e, const struct desired_app *a,
                             const struct app_spec *s) {
    for (uint32_t i = 0; i < e->d.apps.n; i++) {
        struct desired_app *other = e->d.apps.at[i].value;
        bool touched = false;
        for (uint32_t k = 0; s && k < s->n_shared_apps; k++) {
            touched |= str_eq(s->shared_apps[k], other->name);
        }
        for (uint32_t k = 0; other->cur && k < other->cur->n_shared_apps; k++) {
            touched |= str_eq(other->cur->shared_apps[k], a->name);
        }
        if (other != a && touched) {
            engine_dirty(e, other);
        }
    }
    for (uint32_t i = 0; s && i < s->n_configs; i++) {
        const struct users *u = desired_users(&e->d.config_users, s->configs[i]->name);
        for (uint32_t k = 0; u && k < u->at.n; k++) {
            engine_dirty(e, u->at.at[k].app);
        }
    }
}

static void re_expand_users(struct engine *e, str owner) {
    for (uint32_t i = 0; i < e->d.apps.n; i++) {
        struct desired_app *a = e->d.apps.at[i].value;
        bool uses = false;
        for (uint32_t k = 0; a->cur && k < a->cur->n_shared_apps; k++) {
            uses |= str_eq(a->cur->shared_apps[k], owner) && !str_eq(a->name, owner);
        }
        const struct app *head =
            uses ? catalog_find_any(e->env.catalog, engine_tenant(e), engine_lattice(e), a->name)
                 : NULL;
        if (head && head->deployed) {
            desired_set_cur(&e->d, a, expand_version(e, head, head->deployed));
            engine_dirty(e, a);
        }
    }
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
            engine_touch_leavers(e);
        }
        return;
    }
    bool fresh = a == NULL;
    a = desired_add(&e->d, head->name);
    bool moved = fresh || a->generation != head->generation;
    if (moved) {
        a->prompted = !fresh || e->synced;
        a->guarded = false;
        a->known_all = false;
        ledger_forgive(&e->l, a->name);
    }
    if (a->cur) {
        dirty_neighbours(e, a, a->cur);
    }
    a->generation = head->generation;
    a->deleting = head->deleting;
    struct app_spec *spec = head->deployed ? expand_version(e, head, head->deployed) : NULL;
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
    engine_touch_leavers(e);
    engine_dirty(e, a);
}
