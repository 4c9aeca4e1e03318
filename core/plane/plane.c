/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/plane.h"

#include <string.h>

#include "base/digest.h"
#include "catalog/import.h"
#include "catalog/lease.h"
#include "codec/json.h"
#include "plane/extensions.h"
#include "plane/lattices.h"
#include "plane/measure.h"
#include "plane/plane_priv.h"
#include "plane/streams.h"

#define START_NS      (60ll * 1000000000ll)
#define MAX_PAYLOAD   (1024u * 1024u)
#define PEER_NS       (500ll * 1000000ll)
#define PEER_RETRY_NS (5ll * 1000000000ll)

static void fail(struct plane *p, const char *what, const char *text) {
    struct buf line = BUF_INIT;
    buf_addf(&line, "%s: %s", what, text);
    p->failed = true;
    log_error(p->env.log, "%s", line.ptr);
    if (p->env.on_failed) {
        p->env.on_failed(p->env.arg, p, line.ptr);
    }
    buf_finish(&line);
}

static void fail_trl(struct plane *p, str plugin, trl_status st, const trl_err *te) {
    struct err e = ERR_INIT;
    struct buf what = BUF_INIT;
    err_from_trl(&e, st, te);
    buf_addf(&what, "plugin %.*s", PSTR(plugin));
    fail(p, what.ptr, e.msg);
    buf_finish(&what);
}

static void fail_extension(void *arg, const char *what, const char *text) {
    fail(arg, what, text);
}

/* Serving. A wadm beside us would act on the same marks: it is asked for before anything is done.
 */

/* Services for hosts. < 0: they cannot be, which was told. */
static int serve_hosts(struct plane *p) {
    const struct config_gates *c = &p->env.config->gates;
    struct err e = ERR_INIT;
    if (c->policy_topic.len) {
        struct policy_service_env env = {.loop = p->env.loop,
                                         .log = p->env.log,
                                         .bus = p->bus,
                                         .policy = gates_policy(p->gates),
                                         .topic = c->policy_topic,
                                         .changes_topic = c->policy_changes_topic};
        p->policy_service = policy_service_create(&env);
    }
    if (c->secrets_topic.len) {
        struct secrets_service_env env = {.loop = p->env.loop,
                                          .log = p->env.log,
                                          .bus = p->bus,
                                          .policy = gates_policy(p->gates),
                                          .secrets = gates_secrets(p->gates),
                                          .topic = c->secrets_topic,
                                          .seed_file = c->secrets_seed_file.ptr};
        p->secrets_service = secrets_service_create(&env, &e);
        if (!p->secrets_service) {
            fail(p, "host_services.secrets", e.msg);
            return e.code;
        }
    }
    return 0;
}

static void on_extended(void *arg) {
    struct plane *p = arg;
    if (p->env.on_ready) {
        p->env.on_ready(p->env.arg, p);
    }
}

static void serve(struct plane *p) {
    if (p->serving || p->failed || serve_hosts(p) < 0) {
        return;
    }
    p->serving = true;
    lattices_start(p);
    if (!p->env.config->observe_only) {
        api_serve(p->api);
    }
    log_info(p->env.log, "serving the API on %.*s", PSTR(p->env.config->api_prefix));
    p->extensions = extensions_start(p, on_extended, fail_extension, p);
    if (!p->extensions) {
        on_extended(p);
    }
}

static void ask_peer(void *arg);

static void on_wadm(void *arg, trl_status st, const struct bus_msg *m) {
    struct plane *p = arg;
    (void)m;
    p->peer_call = NULL;
    if (st == TRL_E_NORESPONDER || st == TRL_E_TIMEOUT) {
        serve(p);
        return;
    }
    if (st == TRL_OK && !p->told_peer) {
        p->told_peer = true;
        log_warn(p->env.log, "a wadm serves this bus already: serving nothing until it stops "
                             "(allow_wadm: observe looks on without acting)");
    }
    loop_timer_start(&p->peer_retry, PEER_RETRY_NS);
}

static void on_server_info(void *arg, trl_status st, const struct bus_msg *m) {
    struct plane *p = arg;
    (void)m;
    p->peer_call = NULL;
    if (st == TRL_OK) {
        serve(p); /* one of our own: the lease decides who acts */
    } else if (st == TRL_E_NORESPONDER || st == TRL_E_TIMEOUT) {
        struct buf subject = BUF_INIT;
        buf_addf(&subject, "%s%.*s._.model.list", p->env.config->multitenant ? "_." : "",
                 PSTR(p->env.config->api_prefix));
        struct bus_msg ask = {.subject = buf_str(&subject)};
        p->peer_call = bus_request(p->bus, &ask, PEER_NS, on_wadm, p);
        buf_finish(&subject);
    } else {
        loop_timer_start(&p->peer_retry, PEER_RETRY_NS);
    }
}

static void ask_peer(void *arg) {
    struct plane *p = arg;
    if (p->serving || p->stopping || p->peer_call || !bus_up(p->bus)) {
        return;
    }
    struct bus_msg ask = {.subject = STR("trellis.api._.server.info")};
    p->peer_call = bus_request(p->bus, &ask, PEER_NS, on_server_info, p);
}

static void begin_serving(struct plane *p) {
    if (p->catalog_loaded && p->driver_ready && bus_up(p->bus)) {
        ask_peer(p);
    }
}

static void on_link(void *arg, bool up) {
    struct plane *p = arg;
    lattices_link_state(p, up);
    if (up) {
        begin_serving(p);
    }
}

static void on_imported(void *arg, const struct import_result *r) {
    struct plane *p = arg;
    p->import = NULL;
    if (r->err) {
        log_warn(p->env.log, "models of wadm in the store were not all taken over: %s", r->err);
    } else if (r->apps) {
        log_info(p->env.log, "taken over from wadm: %u applications, %u versions, %u deployed",
                 r->apps, r->versions, r->deployed);
    }
    p->catalog_loaded = true;
    begin_serving(p);
}

static void on_loaded(void *arg) {
    struct plane *p = arg;
    if (p->env.import_wadm && !p->catalog_loaded && !p->import) {
        p->import = catalog_import_wadm(p->catalog, p->kv, p->kv, p->env.log,
                                        p->env.config->multitenant, on_imported, p);
        return;
    }
    p->catalog_loaded = true;
    begin_serving(p);
}

static void on_head(void *arg, const struct app *a) {
    struct plane *p = arg;
    measure_app(p->measure, a);
    lattices_app_changed(p, a);
    if (p->api) {
        api_on_app(p->api, a);
    }
}

/* Start, step by step: transport, store, catalog, driver. */

static void on_driver(void *arg, trl_status st, const trl_err *e) {
    struct plane *p = arg;
    if (p->stopping) {
        return;
    }
    if (st != TRL_OK) {
        fail_trl(p, p->env.config->drivers[0].name, st, e);
        return;
    }
    p->driver_ready = true;
    begin_serving(p);
}

static int start_driver(struct plane *p) {
    const struct plugin_choice *c = &p->env.config->drivers[0];
    struct plug_iface ifaces[] = {{TRL_HOST_TRANSPORT_V1, &bus_host_iface, p->bus},
                                  {TRL_HOST_OBSERVE_V1, &lattices_observe_iface, p},
                                  {TRL_HOST_SECRET_READ_V1, &secret_reads_iface, p->secret_reads}};
    struct err e = ERR_INIT;
    struct plugin_choice with = *c;
    struct config scratch = {.arena = ARENA_INIT};
    if (str_is(c->name, "lattice")) { /* it follows the lattices and tenants of the plane */
        struct buf names = BUF_INIT;
        struct jw w;
        jw_init(&w, &names, false);
        jw_array(&w);
        for (uint32_t i = 0; i < p->env.config->n_lattices; i++) {
            jw_str(&w, p->env.config->lattices[i]);
        }
        jw_end_array(&w);
        config_plugin_set(&scratch, &with, "lattices", buf_str(&names));
        config_plugin_set(&scratch, &with, "multitenant",
                          p->env.config->multitenant ? STR("true") : STR("false"));
        buf_finish(&names);
    }
    char *name = str_dup(with.name);
    int rc = plug_inst_create(p->plug, TRL_KIND_DRIVER, name, with.config, ifaces,
                              ARRAY_LEN(ifaces), &p->driver, &e);
    mem_free(name);
    arena_finish(&scratch.arena);
    if (rc < 0) {
        fail(p, "driver", e.msg);
        return rc;
    }
    plug_inst_start(p->driver, START_NS, on_driver, p);
    return 0;
}

static struct engine *api_engine_of(void *arg, str tenant, str lattice) {
    return plane_engine(arg, tenant, lattice);
}

static void api_lattice_wanted(void *arg, str tenant, str lattice) {
    lattices_want(arg, tenant, lattice);
}

static void api_each_engine(void *arg, void (*fn)(void *, struct engine *), void *fn_arg) {
    lattices_each(arg, fn, fn_arg);
}

static void on_policy_change(void *arg) {
    struct plane *p = arg;
    lattices_policy_changed(p);
    if (p->api) {
        api_policy_changed(p->api);
    }
    policy_service_changed(p->policy_service);
}

static void on_gates_failed(void *arg, const char *text) {
    struct plane *p = arg;
    if (!p->stopping) {
        fail(p, "cannot start", text);
    }
}

static void on_gates(void *arg) {
    struct plane *p = arg;
    if (p->stopping) {
        return;
    }
    struct catalog_env cat = {.loop = p->env.loop,
                              .kv = p->kv,
                              .log = p->env.log,
                              .on_change = on_head,
                              .on_loaded = on_loaded,
                              .arg = p};
    p->catalog = catalog_create(&cat);
    p->prefix = str_dup(p->env.config->api_prefix);
    struct api_env api = {.loop = p->env.loop,
                          .log = p->env.log,
                          .bus = p->bus,
                          .kv = p->kv,
                          .catalog = p->catalog,
                          .policy = gates_policy(p->gates),
                          .audit = gates_audit(p->gates),
                          .secrets = gates_secrets(p->gates),
                          .tracer = p->tracer,
                          .prefix = p->prefix,
                          .multitenant = p->env.config->multitenant,
                          .max_payload = MAX_PAYLOAD,
                          .engine_of = api_engine_of,
                          .lattice_wanted = api_lattice_wanted,
                          .each_engine = api_each_engine,
                          .version = p->env.version,
                          .readonly = p->env.config->observe_only,
                          .keep_journal = !str_is(p->env.config->transport.name, "nats"),
                          .arg = p};
    p->api = api_create(&api);
    struct secret_reads_env reads = {.loop = p->env.loop,
                                     .log = p->env.log,
                                     .policy = gates_policy(p->gates),
                                     .secrets = gates_secrets(p->gates)};
    p->secret_reads = secret_reads_create(&reads);
    start_driver(p);
}

static void on_store(void *arg, trl_status st, const trl_err *e) {
    struct plane *p = arg;
    if (p->stopping) {
        return;
    }
    if (st != TRL_OK) {
        fail_trl(p, p->env.config->store.name, st, e);
        return;
    }
    p->kv = kv_create(p->store);
    struct gates_env gates = {.loop = p->env.loop,
                              .log = p->env.log,
                              .plug = p->plug,
                              .bus = p->bus,
                              .kv = p->kv,
                              .config = &p->env.config->gates,
                              .on_policy_change = on_policy_change,
                              .on_ready = on_gates,
                              .on_failed = on_gates_failed,
                              .arg = p};
    p->gates = gates_start(&gates);
}

static int make(struct plane *p, const char *kind, const struct plugin_choice *c,
                struct plug_inst **ret) {
    struct err e = ERR_INIT;
    char *name = str_dup(c->name);
    int rc = plug_inst_create(p->plug, kind, name, c->config, NULL, 0, ret, &e);
    mem_free(name);
    if (rc < 0) {
        fail(p, kind, e.msg);
    }
    return rc;
}

static void on_transport(void *arg, trl_status st, const trl_err *e) {
    struct plane *p = arg;
    if (p->stopping) {
        return;
    }
    if (st != TRL_OK) {
        fail_trl(p, p->env.config->transport.name, st, e);
        return;
    }
    p->bus = bus_create(p->transport);
    bus_watch_link(p->bus, on_link, p);
    if (p->env.store) {
        p->store = p->env.store;
        on_store(p, TRL_OK, NULL);
    } else if (make(p, TRL_KIND_STORE, &p->env.config->store, &p->store) == 0) {
        plug_inst_start(p->store, START_NS, on_store, p);
    }
}

static int make_scalers(struct plane *p) {
    const struct config *c = p->env.config;
    p->n_scalers = 0;
    p->scalers = mem_array(c->n_scalers, sizeof(*p->scalers));
    p->aliases = mem_array(c->n_scalers, sizeof(*p->aliases));
    for (uint32_t i = 0; i < c->n_scalers; i++) {
        struct plane_scaler *s = &p->scalers[i];
        if (make(p, TRL_KIND_SCALER, &c->scalers[i].plugin, &s->inst) < 0) {
            return TRL_E_INVALID;
        }
        s->scaler = scaler_create(s->inst);
        s->trait = str_dup(c->scalers[i].trait);
        p->aliases[i] = (struct scaler_alias){s->trait, s->scaler};
        p->n_scalers++;
    }
    return 0;
}

static void start_transport(struct plane *p) {
    struct config scratch = {.arena = ARENA_INIT};
    struct plugin_choice with = streams_declare(&scratch, &p->env.config->transport);
    if (make(p, TRL_KIND_TRANSPORT, &with, &p->transport) == 0) {
        plug_inst_start(p->transport, START_NS, on_transport, p);
    }
    arena_finish(&scratch.arena);
}

/* The first steps run in a turn of their own, so that on_failed never comes before plane_create
 * returned. */
static void begin(void *arg) {
    struct plane *p = arg;
    p->begun = true;
    if (p->stopping) {
        plane_teardown(p);
        return;
    }
    if (make_scalers(p) < 0) {
        return;
    }
    if (p->env.transport) {
        p->transport = p->env.transport;
        on_transport(p, TRL_OK, NULL);
    } else {
        start_transport(p);
    }
}

struct plane *plane_create(const struct plane_env *env) {
    struct plane *p = mem_zalloc(sizeof(*p));
    p->env = *env;
    p->tracer = tracer_create(env->loop, TRACER_SPANS);
    p->logs = logs_create(env->loop, env->log);
    p->env.log = logs_log(p->logs);
    if (env->holder.len) {
        p->holder = str_dup(env->holder);
    } else {
        char id[27];
        ulid_text(loop_wall_ms(env->loop), loop_rng(env->loop), id);
        p->holder = mem_strdup(id);
    }
    p->plug =
        plug_create(env->loop, p->env.log, env->config->plugin_dirs, env->config->n_plugin_dirs);
    const struct config_trust *t = &env->config->trust;
    plug_allow(p->plug, t->trust, t->allow, t->n_allow);
    p->measure = measure_create(p);
    loop_timer_init(&p->peer_retry, env->loop, ask_peer, p);
    loop_post(env->loop, begin, p);
    return p;
}

struct api *plane_api(struct plane *p) {
    return p->api;
}

struct bus *plane_bus(struct plane *p) {
    return p->bus;
}

bool plane_settled(const struct plane *p) {
    return p->serving && catalog_idle(p->catalog) && lattices_settled(p);
}
