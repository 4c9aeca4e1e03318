/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions of the API: what would a deploy do, would it clash, which links must be renewed.
 */
#include "engine/engine_priv.h"

static const struct manifest *shared_manifest(void *arg, str app) {
    struct engine *e = arg;
    const struct app *a =
        catalog_find_any(e->env.catalog, engine_tenant(e), engine_lattice(e), app);
    uint32_t n = !a             ? 0
                 : a->deployed  ? a->deployed
                 : a->n_applied ? a->applied[a->n_applied - 1]
                                : 0;
    return n ? catalog_manifest(e->env.catalog, a, n) : NULL;
}

static struct scaler *scaler_for(void *arg, str trait) {
    struct engine *e = arg;
    for (uint32_t i = 0; i < e->env.n_scalers; i++) {
        if (str_is(trait, e->env.scalers[i].trait)) {
            return e->env.scalers[i].scaler;
        }
    }
    return NULL;
}

/* A preview (n 0) sees what is deployed. */
static str pin_of(void *arg, str app, uint32_t n, str secret, bool *ret_fixed) {
    struct engine *e = arg;
    const struct app *a =
        catalog_find_any(e->env.catalog, engine_tenant(e), engine_lattice(e), app);
    return a ? app_pin(a, n ? n : a->deployed, secret, ret_fixed) : STR_NONE;
}

void engine_expand_env(struct engine *e, struct expand_env *env) {
    *env = (struct expand_env){shared_manifest, scaler_for, pin_of, e};
}

/* What would be done if this were deployed. spec NULL: undeployed. */
static void plan_as_if(struct engine *e, str app, struct app_spec *spec, bool explain,
                       struct plan *p) {
    struct desired_app *a = desired_find(&e->d, app);
    bool temporary = a == NULL;
    a = temporary ? desired_add(&e->d, app) : a;
    struct app_spec *before = a->cur ? app_spec_ref(a->cur) : NULL;
    bool prompted = a->prompted;
    a->prompted = true;
    if (before) {
        *VEC_ADD(&a->olds) = app_spec_ref(before);
    }
    desired_set_cur(&e->d, a, spec ? app_spec_ref(spec) : NULL);
    struct plan_in in;
    engine_plan_in(e, &in);
    in.explain = explain;
    plan_app(&in, a, p);
    desired_set_cur(&e->d, a, before);
    if (before) {
        app_spec_unref(a->olds.at[--a->olds.n]);
    }
    a->prompted = prompted;
    if (temporary) {
        str own = arena_str(&p->arena, app); /* the actions have the name of what goes now */
        for (uint32_t i = 0; i < p->n_actions; i++) {
            p->actions[i].app = own;
        }
        desired_remove(&e->d, a);
    }
}

int engine_preview(struct engine *e, str app, const struct manifest *m, struct plan **ret,
                   struct err *err) {
    if (!e->synced) {
        return err_set(err, TRL_E_UNAVAIL, "lattice %s is still being read: try again in a second",
                       e->lattice);
    }
    struct expand_env env;
    engine_expand_env(e, &env);
    struct app_spec *spec = m ? app_spec_expand(m, 0, &env) : NULL;
    struct plan *p = mem_zalloc(sizeof(*p));
    plan_as_if(e, app, spec, true, p);
    p->keeps = spec;
    *ret = p;
    return 0;
}

void engine_rehearse(struct engine *e, str app, struct app_spec *spec) {
    if (spec && e->synced && !desired_find(&e->d, app)) {
        plan_as_if(e, app, spec, false, &e->plan);
    }
}

static bool has_explicit_id(const struct manifest *m, str id) {
    for (uint32_t i = 0; i < m->n_items; i++) {
        if (m->items[i].id.ptr && str_eq(m->items[i].id, id)) {
            return true;
        }
    }
    return false;
}

/* Two deployed apps cannot both give the same id by hand. */
static int check_ids(struct engine *e, const struct manifest *m, struct err *err) {
    str name = str_trim(m->name);
    for (uint32_t i = 0; i < m->n_items; i++) {
        str id = m->items[i].id;
        const struct users *u = id.ptr ? desired_users(&e->d.unit_users, id) : NULL;
        for (uint32_t k = 0; u && k < u->at.n; k++) {
            str other = u->at.at[k].app->name;
            const struct app *head =
                catalog_find(e->env.catalog, engine_tenant(e), engine_lattice(e), other);
            const struct manifest *theirs =
                head && head->deployed ? catalog_manifest(e->env.catalog, head, head->deployed)
                                       : NULL;
            if (theirs && !str_eq(other, name) && has_explicit_id(theirs, id)) {
                return err_set(err, TRL_E_CONFLICT,
                               "Component identifier '%.*s' is already deployed in a different "
                               "application '%.*s'.",
                               PSTR(id), PSTR(other));
            }
        }
    }
    return 0;
}

static bool shared_ok(struct engine *e, const struct item *it) {
    const struct app *a =
        catalog_find(e->env.catalog, engine_tenant(e), engine_lattice(e), it->shared_app);
    const struct manifest *m =
        a && a->deployed ? catalog_manifest(e->env.catalog, a, a->deployed) : NULL;
    if (!m || !str_is(manifest_annotation(m, "experimental.wasmcloud.dev/shared"), "true")) {
        return false;
    }
    for (uint32_t i = 0; i < m->n_items; i++) {
        if (str_eq(m->items[i].name, it->shared_component) && m->items[i].kind == it->kind) {
            return true;
        }
    }
    return false;
}

int engine_check_deploy(struct engine *e, const struct manifest *m, struct err *err) {
    int rc = check_ids(e, m, err);
    if (rc) {
        return rc;
    }
    struct buf missing = BUF_INIT;
    for (uint32_t i = 0; i < m->n_items; i++) {
        if (m->items[i].shared && !shared_ok(e, &m->items[i])) {
            buf_addf(&missing, "%s\"%.*s\"", missing.len ? ", " : "", PSTR(m->items[i].name));
        }
    }
    if (missing.len) {
        rc = err_set(err, TRL_E_INVALID,
                     "Application contains shared components that are not deployed in other "
                     "applications: [%s]",
                     missing.ptr);
    }
    buf_finish(&missing);
    return rc;
}

static const struct want_link *same_link(const struct app_spec *s, str key) {
    for (uint32_t i = 0; i < s->n_links; i++) {
        if (str_eq(s->links[i].key, key)) {
            return &s->links[i];
        }
    }
    return NULL;
}

static bool content_changed(const struct want_link *was, const struct want_link *now) {
    for (uint32_t i = 0; i < now->n_configs; i++) {
        for (uint32_t k = 0; k < was->n_configs; k++) {
            const struct want_config *a = was->configs[k], *b = now->configs[i];
            if (str_eq(a->name, b->name) && b->managed && a->managed && a->hash != b->hash) {
                return true;
            }
        }
    }
    return false;
}

uint32_t engine_links_to_renew(struct engine *e, const struct manifest *old,
                               const struct manifest *m, struct arena *a, str **ret_keys) {
    struct expand_env env;
    engine_expand_env(e, &env);
    struct app_spec *was = app_spec_expand(old, 0, &env), *now = app_spec_expand(m, 0, &env);
    str *keys = ARENA_ARRAY(a, str, now->n_links + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < now->n_links; i++) {
        const struct want_link *before = same_link(was, now->links[i].key);
        if (before && content_changed(before, &now->links[i])) {
            keys[n++] = arena_str(a, now->links[i].delete_key);
        }
    }
    app_spec_unref(was);
    app_spec_unref(now);
    *ret_keys = keys;
    return n;
}

uint32_t engine_links_with_secret(struct engine *e, str app, str secret, struct arena *a,
                                  str **ret_keys) {
    const struct desired_app *d = desired_find(&e->d, app);
    const struct app_spec *s = d ? d->cur : NULL;
    struct secret_item item = {.name = secret};
    str name = model_secret_name(a, app, &item);
    uint32_t n = 0;
    *ret_keys = ARENA_ARRAY(a, str, s ? s->n_links + 1 : 1);
    for (uint32_t i = 0; s && i < s->n_links; i++) {
        const struct want_link *l = &s->links[i];
        for (uint32_t k = 0; k < l->n_configs; k++) {
            if (str_eq(l->configs[k]->name, name)) {
                (*ret_keys)[n++] = l->delete_key;
                break;
            }
        }
    }
    return n;
}
