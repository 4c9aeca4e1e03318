/* SPDX-License-Identifier: Apache-2.0
 *
 * An engine that does nothing: it says what the test put into it, checks a deploy as the real one
 * is specified to, and forgets what an app left behind at once. Included once by a test program.
 */
#ifndef TRELLIS_TESTS_FAKE_ENGINE_H
#define TRELLIS_TESTS_FAKE_ENGINE_H

#include "base/mem.h"
#include "engine/engine.h"

struct engine {
    struct catalog *c;
    char *tenant, *lattice;
    struct map statuses; /* app -> struct app_status */
    struct observed o;
    const char *refuse; /* what engine_check_deploy says; NULL: it looks */
    uint32_t renewed;   /* keys that engine_links_to_renew gives */
};

str engine_lattice(const struct engine *e) {
    return str_c(e->lattice);
}

str engine_tenant(const struct engine *e) {
    return str_c(e->tenant);
}

bool engine_synced(const struct engine *e) {
    return e != NULL;
}

bool engine_settled(const struct engine *e) {
    return e != NULL;
}

const struct app_status *engine_status(const struct engine *e, str app) {
    return map_get(&e->statuses, app);
}

const struct trace_ctx *engine_trace(const struct engine *e, str app) {
    (void)e, (void)app;
    return NULL;
}

const struct span *engine_work(const struct engine *e, str app, str *ret_name) {
    (void)e, (void)app, (void)ret_name;
    return NULL;
}

const struct observed *engine_observed(const struct engine *e) {
    return &e->o;
}

bool engine_active(const struct engine *e) {
    return e != NULL;
}

struct plug_inst *engine_driver(const struct engine *e) {
    (void)e;
    return NULL; /* nobody to ask for logs and usage */
}

str engine_id(const struct engine *e) {
    return str_c(e->lattice);
}

void engine_set_condition(struct engine *e, str app, str text) {
    (void)e, (void)app, (void)text;
}

uint32_t engine_links_with_secret(struct engine *e, str app, str secret, struct arena *a,
                                  str **ret_keys) {
    (void)e, (void)app, (void)secret, (void)a;
    *ret_keys = NULL;
    return 0;
}

static inline struct engine *fake_engine(struct catalog *c, str tenant, str lattice) {
    struct engine *e = mem_zalloc(sizeof(*e));
    e->c = c;
    e->tenant = str_dup(tenant);
    e->lattice = str_dup(lattice);
    observed_init(&e->o, NULL, NULL);
    return e;
}

/* s: taken; NULL: forgotten. */
static inline void fake_engine_set(struct engine *e, str app, struct app_status *s) {
    status_destroy(s ? map_set(&e->statuses, app, s) : map_del(&e->statuses, app));
}

static inline void fake_engine_destroy(struct engine *e) {
    for (uint32_t i = 0; i < e->statuses.n; i++) {
        status_destroy(e->statuses.at[i].value);
    }
    map_finish(&e->statuses);
    observed_finish(&e->o);
    mem_free(e->tenant);
    mem_free(e->lattice);
    mem_free(e);
}

struct fake_clash {
    struct engine *e;
    const struct manifest *m;
    str app, id;
};

static inline void fake_look(void *arg, const struct app *a) {
    struct fake_clash *x = arg;
    const struct manifest *o = a->deployed && !str_eq(a->name, x->m->name)
                                   ? catalog_manifest(x->e->c, a, a->deployed)
                                   : NULL;
    for (uint32_t i = 0; o && i < o->n_items; i++) {
        for (uint32_t k = 0; k < x->m->n_items; k++) {
            if (o->items[i].id.ptr && x->m->items[k].id.ptr && !x->app.ptr &&
                str_eq(o->items[i].id, x->m->items[k].id)) {
                x->app = a->name;
                x->id = o->items[i].id;
            }
        }
    }
}

static inline bool fake_provided(struct engine *e, const struct item *want) {
    const struct app *a = catalog_find(e->c, str_c(e->tenant), str_c(e->lattice), want->shared_app);
    const struct manifest *m = a && a->deployed ? catalog_manifest(e->c, a, a->deployed) : NULL;
    for (uint32_t i = 0; m && i < m->n_items; i++) {
        if (str_eq(m->items[i].name, want->shared_component) && m->items[i].kind == want->kind) {
            return str_is(manifest_annotation(m, "experimental.wasmcloud.dev/shared"), "true");
        }
    }
    return false;
}

int engine_check_deploy(struct engine *e, const struct manifest *m, struct err *err) {
    struct fake_clash x = {.e = e, .m = m};
    if (e->refuse) {
        return err_set(err, TRL_E_INVALID, "%s", e->refuse);
    }
    catalog_each(e->c, str_c(e->tenant), str_c(e->lattice), fake_look, &x);
    if (x.app.ptr) {
        return err_set(err, TRL_E_INVALID,
                       "Component identifier '%.*s' is already deployed in a different application "
                       "'%.*s'.",
                       PSTR(x.id), PSTR(x.app));
    }
    for (uint32_t i = 0; i < m->n_items; i++) {
        if (m->items[i].shared && !fake_provided(e, &m->items[i])) {
            return err_set(err, TRL_E_INVALID,
                           "Application contains shared components that are not deployed in other "
                           "applications: [\"%.*s\"]",
                           PSTR(m->items[i].name));
        }
    }
    return TRL_OK;
}

void engine_app_coming(struct engine *e, str app, uint32_t n) {
    (void)e, (void)app, (void)n;
}

uint32_t engine_links_to_renew(struct engine *e, const struct manifest *old,
                               const struct manifest *m, struct arena *a, str **ret_keys) {
    str *keys = ARENA_ARRAY(a, str, e->renewed + 1);
    (void)old, (void)m;
    for (uint32_t i = 0; i < e->renewed; i++) {
        keys[i] = arena_printf(a, "source%u\nns\npackage\ndefault", i);
    }
    *ret_keys = keys;
    return e->renewed;
}

int engine_preview(struct engine *e, str app, const struct manifest *m, struct plan **ret,
                   struct err *err) {
    struct plan *p = mem_zalloc(sizeof(*p));
    (void)e, (void)err;
    plan_init(p);
    p->actions = mem_array(1, sizeof(*p->actions));
    p->n_actions = p->cap_actions = 1;
    p->actions[0] = (struct plan_action){.verb = m ? TRL_DO_SCALE : TRL_DO_LINK_DEL,
                                         .target = m ? PLAN_UNIT : PLAN_LINK,
                                         .app = arena_str(&p->arena, app),
                                         .host_id = STR("NHOST"),
                                         .name = STR("unit"),
                                         .count = 2,
                                         .reason = STR("because")};
    p->status.type = STATUS_RECONCILING;
    *ret = p;
    return TRL_OK;
}

#endif
