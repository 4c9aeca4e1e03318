/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/run.h"

#include "agent/agent.h"
#include "agent/host_secrets.h"
#include "agent/identity.h"
#include "base/mem.h"
#include "hostwire/hostid.h"
#include "plug/op.h"

#define START_NS      (60ll * 1000000000ll)
#define ANSWER_NS     (15ll * 1000000000ll)
#define CLEAR_NS      (30ll * 1000000000ll)
#define CLEAR_LOOK_NS (20ll * 1000000ll)

struct sent { /* an op of the driver under way */
    struct agent_run *r;
    struct sent *prev, *next;
    trl_op *op;
    agent_done_fn done;
    void *arg;
};

struct agent_run {
    struct agent_run_env env;
    struct plug *plug;
    struct plug_inst *transport, *links, *configs, *driver;
    const trl_driver_v1 *table;
    struct bus *bus;
    struct kv *kv_links, *kv_configs;
    struct agent *agent;
    struct sent *sent;
    struct loop_timer look;
    struct identity *identity;
    struct host_secrets *secrets;
    int64_t until_ns;
    char name[HOSTID_NAME];
    uint32_t stores; /* that run */
    bool failed, stopping, asked;
    void (*on_stopped)(void *arg);
    void *stop_arg;
};

static void fail(struct agent_run *r, const char *what, const char *text) {
    struct buf line = BUF_INIT;
    buf_addf(&line, "%s: %s", what, text);
    log_error(r->env.log, "%s", line.ptr);
    if (!r->failed && !r->stopping) {
        r->failed = true;
        r->env.on_failed(r->env.arg, line.ptr);
    }
    buf_finish(&line);
}

static void fail_trl(struct agent_run *r, const char *name, trl_status st, const trl_err *te) {
    struct err e = ERR_INIT;
    struct buf what = BUF_INIT;
    err_from_trl(&e, st, te);
    buf_addf(&what, "plugin %s", name);
    fail(r, what.ptr, e.msg);
    buf_finish(&what);
}

/* The driver */

static void sent_free(struct sent *s) {
    if (s->next) {
        s->next->prev = s->prev;
    }
    if (s->prev) {
        s->prev->next = s->next;
    } else {
        s->r->sent = s->next;
    }
    mem_free(s);
}

static void on_sent(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct sent *s = arg;
    agent_done_fn done = s->done;
    void *done_arg = s->arg;
    (void)result;
    sent_free(s);
    done(done_arg, st, err);
}

static struct sent *sent_new(struct agent_run *r, int64_t timeout_ns, agent_done_fn done,
                             void *arg) {
    struct sent *s = mem_zalloc(sizeof(*s));
    struct op_handler h = {.on_done = on_sent, .arg = s};
    *s = (struct sent){.r = r, .next = r->sent, .done = done, .arg = arg};
    if (r->sent) {
        r->sent->prev = s;
    }
    r->sent = s;
    s->op = op_begin(r->driver, timeout_ns, &h);
    return s;
}

static void apply(void *arg, const trl_action *x, agent_done_fn done, void *done_arg) {
    struct agent_run *r = arg;
    /* an update or a stop is over when the driver says so */
    bool takes_long = x->verb == TRL_DO_UPDATE || x->verb == TRL_DO_PROVIDER_STOP;
    struct sent *s = sent_new(r, takes_long ? 0 : ANSWER_NS, done, done_arg);
    r->table->apply(plug_inst_raw(r->driver), s->op, x);
}

static void read_configs(void *arg, const str *names, uint32_t n, agent_done_fn done,
                         void *done_arg) {
    struct agent_run *r = arg;
    struct sent *s = sent_new(r, ANSWER_NS, done, done_arg);
    r->table->read_configs(plug_inst_raw(r->driver), s->op, str_c(r->env.config->lattice), names,
                           n);
}

static bool can_run(void *arg, const trl_unit_view *unit, const trl_host_view *host) {
    struct agent_run *r = arg;
    return !r->table->can_run || r->table->can_run(plug_inst_raw(r->driver), unit, host) != 0;
}

static struct agent *agent_of(void *ctx, str lattice) {
    struct agent_run *r = plug_iface_ctx(ctx, TRL_HOST_OBSERVE_V1);
    return str_is(lattice, r->env.config->lattice) ? r->agent : NULL;
}

static void obs_report(void *ctx, const trl_report *x) {
    struct agent *a = agent_of(ctx, x->lattice);
    if (a) {
        agent_on_report(a, x);
    }
}

static void obs_host_gone(void *ctx, trl_str lattice, trl_str host, int32_t why) {
    (void)ctx; /* the host is this process */
    (void)lattice;
    (void)host;
    (void)why;
}

static void obs_links(void *ctx, trl_str lattice, const trl_link *links, uint32_t n,
                      uint32_t stride, int32_t full) {
    struct agent *a = agent_of(ctx, lattice);
    if (a) {
        agent_on_links(a, links, n, stride, full != 0);
    }
}

static void obs_link_gone(void *ctx, trl_str lattice, const trl_link *key) {
    (void)ctx; /* the driver deletes what it was told to */
    (void)lattice;
    (void)key;
}

static void obs_configs(void *ctx, trl_str lattice, const trl_config_seen *c, uint32_t n,
                        uint32_t stride) {
    struct agent *a = agent_of(ctx, lattice);
    if (a) {
        agent_on_configs(a, c, n, stride);
    }
}

static void obs_note(void *ctx, trl_str lattice, trl_str host, trl_str unit, int32_t code,
                     trl_str text) {
    struct agent *a = agent_of(ctx, lattice);
    (void)host;
    if (a) {
        agent_on_note(a, unit, code, text);
    }
}

static void obs_lattice_seen(void *ctx, trl_str lattice) {
    (void)ctx;
    (void)lattice;
}

static void obs_link_state(void *ctx, int32_t up) {
    (void)ctx;
    (void)up;
}

static const trl_host_observe_v1 observe = {.struct_size = sizeof(trl_host_observe_v1),
                                            .report = obs_report,
                                            .host_gone = obs_host_gone,
                                            .links = obs_links,
                                            .link_gone = obs_link_gone,
                                            .configs = obs_configs,
                                            .note = obs_note,
                                            .lattice_seen = obs_lattice_seen,
                                            .link_state = obs_link_state};

static void on_known(void *arg, trl_status st, const trl_err *err) {
    struct agent_run *r = arg;
    if (st != TRL_OK) {
        fail_trl(r, r->env.config->driver.name, st, err);
    } else if (!r->stopping) {
        agent_driver_known(r->agent);
    }
}

static void on_driver(void *arg, trl_status st, const trl_err *e) {
    struct agent_run *r = arg;
    if (r->stopping) {
        return;
    }
    if (st != TRL_OK) {
        fail_trl(r, r->env.config->driver.name, st, e);
        return;
    }
    struct sent *s = sent_new(r, START_NS, on_known, r);
    r->table->resync(plug_inst_raw(r->driver), s->op, str_c(r->env.config->lattice));
}

static void start_driver(struct agent_run *r) {
    const struct agent_plugin *c = &r->env.config->driver;
    struct plug_iface ifaces[] = {{TRL_HOST_TRANSPORT_V1, &bus_host_iface, r->bus},
                                  {TRL_HOST_OBSERVE_V1, &observe, r},
                                  {TRL_HOST_SECRET_READ_V1, &host_secrets_iface, r->secrets}};
    struct err e = ERR_INIT;
    if (plug_inst_create(r->plug, TRL_KIND_DRIVER, c->name, c->config, ifaces, ARRAY_LEN(ifaces),
                         &r->driver, &e) < 0) {
        fail(r, "driver", e.msg);
        return;
    }
    r->table = plug_inst_table(r->driver);
    plug_inst_start(r->driver, START_NS, on_driver, r);
}

/* Start, step by step: transport, both stores, the agent and its driver. */

static void on_agent_ready(void *arg) {
    struct agent_run *r = arg;
    r->env.on_ready(r->env.arg, identity_host(r->identity));
}

static void on_agent_failed(void *arg, const char *text) {
    fail(arg, "the lattice's data", text);
}

static void on_agent_stop(void *arg) {
    struct agent_run *r = arg;
    r->asked = true;
    if (!r->stopping) {
        r->env.on_stop(r->env.arg);
    }
}

static struct strs *labels_of(const struct agent_config *c) {
    struct strs *s = NULL;
    for (uint32_t i = 0; i < c->n_labels; i++) {
        struct strs *next = pairs_with(s, c->labels[i].key, c->labels[i].value);
        strs_unref(s);
        s = next;
    }
    return s;
}

static void open_agent(struct agent_run *r) {
    const struct agent_config *c = r->env.config;
    const struct host_secrets_env secrets = {.loop = r->env.loop,
                                             .log = r->env.log,
                                             .bus = r->bus,
                                             .identity = r->identity,
                                             .topic = str_c(c->secrets_topic),
                                             .name = str_c(r->name)};
    r->secrets = host_secrets_create(&secrets);
    start_driver(r);
    if (r->failed) {
        return;
    }
    r->kv_links = kv_create(r->links);
    r->kv_configs = kv_create(r->configs);
    struct agent_env env = {.loop = r->env.loop,
                            .log = r->env.log,
                            .bus = r->bus,
                            .links = r->kv_links,
                            .configs = r->kv_configs,
                            .driver = {apply, read_configs, can_run, r->table->verbs, r},
                            .lattice = str_c(c->lattice),
                            .prefix = str_c(c->prefix),
                            .host_id = str_c(identity_host(r->identity)),
                            .name = str_c(r->name),
                            .version = str_c(c->version),
                            .url = str_c(c->url),
                            .kind = str_c(c->driver.name),
                            .labels = labels_of(c),
                            .heartbeat_ns = c->heartbeat_ns,
                            .on_ready = on_agent_ready,
                            .on_failed = on_agent_failed,
                            .on_stop = on_agent_stop,
                            .arg = r};
    r->agent = agent_create(&env);
}

static void on_store(struct agent_run *r, const char *name, trl_status st, const trl_err *e) {
    if (r->stopping) {
        return;
    }
    if (st != TRL_OK) {
        fail_trl(r, name, st, e);
    } else if (++r->stores == 2) {
        open_agent(r);
    }
}

static void on_links_store(void *arg, trl_status st, const trl_err *e) {
    struct agent_run *r = arg;
    on_store(r, r->env.config->links.name, st, e);
}

static void on_configs_store(void *arg, trl_status st, const trl_err *e) {
    struct agent_run *r = arg;
    on_store(r, r->env.config->configs.name, st, e);
}

static void on_transport(void *arg, trl_status st, const trl_err *e) {
    struct agent_run *r = arg;
    if (r->stopping) {
        return;
    }
    if (st != TRL_OK) {
        fail_trl(r, r->env.config->transport.name, st, e);
        return;
    }
    r->bus = bus_create(r->transport);
    plug_inst_start(r->links, START_NS, on_links_store, r);
    plug_inst_start(r->configs, START_NS, on_configs_store, r);
}

static int make(struct agent_run *r, const char *kind, const struct agent_plugin *c,
                struct plug_inst **ret, struct err *err) {
    return plug_inst_create(r->plug, kind, c->name, c->config, NULL, 0, ret, err);
}

static void look(void *arg);

int agent_run_create(const struct agent_run_env *env, struct agent_run **ret, struct err *err) {
    const struct agent_config *c = env->config;
    struct agent_run *r = mem_zalloc(sizeof(*r));
    r->env = *env;
    loop_timer_init(&r->look, env->loop, look, r);
    hostid_name(loop_rng(env->loop), r->name);
    int rc = identity_open(c->state_dir, c->account_file, &r->identity, err);
    r->plug = plug_create(env->loop, env->log, c->plugin_dirs, c->n_plugin_dirs);
    plug_allow(r->plug, c->trust, c->allow, c->n_allow);
    rc = rc < 0 ? rc : make(r, TRL_KIND_TRANSPORT, &c->transport, &r->transport, err);
    rc = rc < 0 ? rc : make(r, TRL_KIND_STORE, &c->links, &r->links, err);
    rc = rc < 0 ? rc : make(r, TRL_KIND_STORE, &c->configs, &r->configs, err);
    if (rc < 0) {
        plug_inst_destroy(r->links);
        plug_inst_destroy(r->transport);
        plug_destroy(r->plug);
        identity_close(r->identity);
        mem_free(r);
        return rc;
    }
    plug_inst_start(r->transport, START_NS, on_transport, r);
    *ret = r;
    return 0;
}

/* Stop: good-bye, what runs, the driver, the stores, the transport. */

static void on_transport_stopped(void *arg) {
    struct agent_run *r = arg;
    void (*done)(void *) = r->on_stopped;
    void *done_arg = r->stop_arg;
    plug_inst_destroy(r->transport);
    plug_destroy(r->plug);
    identity_close(r->identity);
    mem_free(r);
    done(done_arg);
}

static void on_configs_stopped(void *arg) {
    struct agent_run *r = arg;
    plug_inst_destroy(r->configs);
    plug_inst_destroy(r->links);
    bus_destroy(r->bus);
    plug_inst_stop(r->transport, on_transport_stopped, r);
}

static void on_links_stopped(void *arg) {
    struct agent_run *r = arg;
    plug_inst_stop(r->configs, on_configs_stopped, r);
}

static void on_driver_stopped(void *arg) {
    struct agent_run *r = arg;
    agent_destroy(r->agent);
    plug_inst_destroy(r->driver);
    host_secrets_destroy(r->secrets);
    kv_destroy(r->kv_links);
    kv_destroy(r->kv_configs);
    plug_inst_stop(r->links, on_links_stopped, r);
}

static void stop_driver(struct agent_run *r) {
    loop_timer_stop(&r->look);
    host_secrets_finish(r->secrets);
    while (r->sent) {
        op_forget(r->sent->op);
        sent_free(r->sent);
    }
    if (r->driver) {
        plug_inst_stop(r->driver, on_driver_stopped, r);
    } else {
        loop_post(r->env.loop, on_driver_stopped, r);
    }
}

static void look(void *arg) {
    struct agent_run *r = arg;
    if (agent_is_clear(r->agent)) {
        stop_driver(r);
    } else if (loop_now_ns(r->env.loop) > r->until_ns) {
        log_warn(r->env.log, "some processes do not end: they are left to the next agent");
        stop_driver(r);
    } else {
        loop_timer_start(&r->look, CLEAR_LOOK_NS);
    }
}

void agent_run_stop(struct agent_run *r, void (*done)(void *arg), void *arg) {
    bool clear = !r->env.config->keep || r->asked;
    r->stopping = true;
    r->on_stopped = done;
    r->stop_arg = arg;
    if (r->agent && !r->failed) {
        agent_leave(r->agent, clear);
    }
    if (r->agent && clear && !r->failed) {
        agent_clear(r->agent);
        r->until_ns = loop_now_ns(r->env.loop) + CLEAR_NS;
        loop_timer_start(&r->look, 0);
    } else {
        stop_driver(r);
    }
}
