/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/lattices.h"

#include "plane/measure.h"
#include "plane/plane_priv.h"

#define LEASE_NS (15ll * 1000000000ll)

static bool configured(const struct plane *p, str name) {
    for (uint32_t i = 0; i < p->env.config->n_lattices; i++) {
        str l = p->env.config->lattices[i];
        if (str_is(l, "*") || str_eq(l, name)) {
            return true;
        }
    }
    return false;
}

static char *lattice_id(str tenant, str name) {
    struct buf id = BUF_INIT;
    if (!str_is(tenant, "_")) {
        buf_add_str(&id, tenant);
        buf_add_c(&id, '/');
    }
    buf_add_str(&id, name);
    return buf_take(&id);
}

static void on_status(void *arg, struct engine *e, str app, const struct app_status *s) {
    struct plane *p = arg;
    measure_status(p->measure, e, app, s);
    api_on_status(p->api, e, app, s);
}

static void on_pass(void *arg, struct engine *e, int64_t took_ns) {
    measure_pass(((struct plane *)arg)->measure, e, took_ns);
}

static void on_command(void *arg, struct engine *e, const struct command_record *r) {
    struct plane *p = arg;
    measure_command(p->measure, r);
    api_on_command(p->api, e, r);
}

static void on_lease(void *arg, bool held, uint64_t epoch) {
    struct lattice_slot *s = arg;
    (void)epoch;
    engine_set_active(s->engine, held && !s->plane->env.config->observe_only);
}

static void install_app(void *arg, const struct app *a) {
    struct lattice_slot *s = arg;
    engine_app_changed(s->engine, a);
}

static struct lattice_slot *add(struct plane *p, str tenant, str name, const char *id) {
    struct lattice_slot *owner = map_get(&p->owners, name);
    if (owner && !str_is(tenant, owner->tenant)) {
        log_warn(p->env.log,
                 "lattice %.*s belongs to account %s: account %.*s cannot use that name",
                 PSTR(name), owner->tenant, PSTR(tenant));
        return NULL;
    }
    struct lattice_slot *s = mem_zalloc(sizeof(*s));
    s->plane = p;
    s->tenant = str_dup(tenant);
    s->name = str_dup(name);
    s->id = mem_strdup(id);
    struct engine_env env = {.loop = p->env.loop,
                             .log = p->env.log,
                             .catalog = p->catalog,
                             .driver = p->driver,
                             .policy = gates_policy(p->gates),
                             .secrets = gates_secrets(p->gates),
                             .tracer = p->tracer,
                             .scalers = p->aliases,
                             .n_scalers = p->n_scalers,
                             .host_timeout_ns =
                                 (int64_t)p->env.config->cleanup_interval_s * 1000000000ll,
                             .on_status = on_status,
                             .on_command = on_command,
                             .on_pass = on_pass,
                             .arg = p};
    map_set(&p->lattices, str_c(id), s);
    map_set(&p->owners, name, s);
    s->engine = engine_create(&env, tenant, name);
    catalog_each(p->catalog, tenant, name, install_app, s);
    engine_loaded(s->engine);
    s->lease = lease_create(p->env.loop, p->kv, p->env.log, tenant, name, str_c(p->holder),
                            LEASE_NS, on_lease, s);
    return s;
}

static struct lattice_slot *slot_of(struct plane *p, str tenant, str name, bool make) {
    char *id = lattice_id(tenant, name);
    struct lattice_slot *s = map_get(&p->lattices, str_c(id));
    if (!s && make && p->serving && !p->stopping && configured(p, name)) {
        s = add(p, tenant, name, id);
    }
    mem_free(id);
    return s;
}

void lattices_want(struct plane *p, str tenant, str lattice) {
    slot_of(p, tenant, lattice, true);
}

static void want_stored(void *arg, str tenant, str lattice) {
    lattices_want(arg, tenant, lattice);
}

void lattices_start(struct plane *p) {
    for (uint32_t i = 0; i < p->env.config->n_lattices; i++) {
        str l = p->env.config->lattices[i];
        if (!str_is(l, "*") && !p->env.config->multitenant) {
            lattices_want(p, STR("_"), l);
        }
    }
    catalog_lattices(p->catalog, want_stored, p);
}

void lattices_finish(struct plane *p) {
    for (uint32_t i = 0; i < p->lattices.n; i++) {
        struct lattice_slot *s = p->lattices.at[i].value;
        lease_destroy(s->lease);
        engine_destroy(s->engine);
        mem_free(s->tenant);
        mem_free(s->name);
        mem_free(s->id);
        mem_free(s);
    }
    map_finish(&p->lattices);
    map_finish(&p->owners);
}

void lattices_app_changed(struct plane *p, const struct app *a) {
    /* An app that is only stored is a reason to get to know the lattice: its deploy must not wait.
     */
    struct lattice_slot *s = slot_of(p, a->tenant, a->lattice, true);
    if (s) {
        engine_app_changed(s->engine, a);
    }
}

void lattices_link_state(struct plane *p, bool up) {
    for (uint32_t i = 0; i < p->lattices.n; i++) {
        struct lattice_slot *s = p->lattices.at[i].value;
        engine_link_state(s->engine, up);
    }
}

void lattices_policy_changed(struct plane *p) {
    for (uint32_t i = 0; i < p->lattices.n; i++) {
        engine_policy_changed(((struct lattice_slot *)p->lattices.at[i].value)->engine);
    }
}

void lattices_each(struct plane *p, void (*fn)(void *arg, struct engine *e), void *arg) {
    for (uint32_t i = 0; i < p->lattices.n; i++) {
        fn(arg, ((struct lattice_slot *)p->lattices.at[i].value)->engine);
    }
}

void lattices_each_lease(struct plane *p, void (*fn)(void *arg, bool held), void *arg) {
    for (uint32_t i = 0; i < p->lattices.n; i++) {
        fn(arg, lease_held(((struct lattice_slot *)p->lattices.at[i].value)->lease));
    }
}

bool lattices_settled(const struct plane *p) {
    for (uint32_t i = 0; i < p->lattices.n; i++) {
        if (!engine_settled(((struct lattice_slot *)p->lattices.at[i].value)->engine)) {
            return false;
        }
    }
    return true;
}

struct engine *plane_engine(struct plane *p, str tenant, str lattice) {
    struct lattice_slot *s = slot_of(p, tenant, lattice, false);
    return s ? s->engine : NULL;
}

/* host.observe/1: the driver names lattices by id. */

static struct plane *plane_of(void *ctx) {
    return plug_iface_ctx(ctx, TRL_HOST_OBSERVE_V1);
}

static struct engine *engine_by_id(void *ctx, str id, bool make) {
    struct plane *p = plane_of(ctx);
    struct lattice_slot *s = map_get(&p->lattices, id);
    if (!s && make) {
        str name, tenant = str_cut(id, '/', &name);
        s = name.ptr ? slot_of(p, tenant, name, true) : slot_of(p, STR("_"), id, true);
    }
    return s ? s->engine : NULL;
}

static void obs_report(void *ctx, const trl_report *r) {
    struct engine *e = engine_by_id(ctx, r->lattice, true);
    if (e) {
        engine_report(e, r);
    }
}

static void obs_host_gone(void *ctx, trl_str lattice, trl_str host, int32_t why) {
    struct engine *e = engine_by_id(ctx, lattice, false);
    if (e) {
        engine_host_gone(e, host, why);
    }
}

static void obs_links(void *ctx, trl_str lattice, const trl_link *links, uint32_t n,
                      uint32_t stride, int32_t full) {
    struct engine *e = engine_by_id(ctx, lattice, false);
    if (e) {
        engine_links(e, links, n, stride, full != 0);
    }
}

static void obs_link_gone(void *ctx, trl_str lattice, const trl_link *key) {
    struct engine *e = engine_by_id(ctx, lattice, false);
    if (e) {
        engine_link_gone(e, key);
    }
}

static void obs_configs(void *ctx, trl_str lattice, const trl_config_seen *c, uint32_t n,
                        uint32_t stride) {
    struct engine *e = engine_by_id(ctx, lattice, false);
    if (e) {
        engine_configs(e, c, n, stride);
    }
}

static void obs_note(void *ctx, trl_str lattice, trl_str host, trl_str unit, int32_t code,
                     trl_str text) {
    struct engine *e = engine_by_id(ctx, lattice, false);
    if (e) {
        engine_note(e, host, unit, code, text);
    }
}

static void obs_lattice_seen(void *ctx, trl_str lattice) {
    engine_by_id(ctx, lattice, true);
}

static void obs_link_state(void *ctx, int32_t up) {
    lattices_link_state(plane_of(ctx), up != 0);
}

const trl_host_observe_v1 lattices_observe_iface = {
    .struct_size = sizeof(trl_host_observe_v1),
    .report = obs_report,
    .host_gone = obs_host_gone,
    .links = obs_links,
    .link_gone = obs_link_gone,
    .configs = obs_configs,
    .note = obs_note,
    .lattice_seen = obs_lattice_seen,
    .link_state = obs_link_state,
};
