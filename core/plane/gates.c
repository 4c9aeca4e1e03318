/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/gates.h"

#include "base/mem.h"

#define START_NS (30ll * 1000000000ll)

struct gate {
    struct gates *gates;
    const char *kind;
    const struct plugin_choice *choice;
    str name;
    struct plug_inst *in;
};

struct gates {
    struct gates_env env;
    struct gate *at; /* policies, then secrets */
    uint32_t n, n_started, n_stopped, n_to_stop;
    struct policy_chains *policy;
    struct audit *audit;
    struct secrets *secrets;
    bool failed, finished;
    void (*on_stopped)(void *arg);
    void *stop_arg;
};

static void fail(struct gates *g, const struct gate *at, const char *text) {
    struct buf line = BUF_INIT;
    if (g->failed || g->finished) {
        return;
    }
    g->failed = true;
    buf_addf(&line, "%s backend %.*s: %s", at->kind, PSTR(at->name), text);
    g->env.on_failed(g->env.arg, line.ptr);
    buf_finish(&line);
}

static void on_change(void *arg) {
    struct gates *g = arg;
    g->env.on_policy_change(g->env.arg);
}

static void make_policy(struct gates *g) {
    const struct config_gates *c = g->env.config;
    struct policy_backend *b = mem_array(c->n_policies, sizeof(*b));
    for (uint32_t i = 0; i < c->n_policies; i++) {
        b[i] = (struct policy_backend){.in = g->at[i].in,
                                       .name = c->policies[i].name,
                                       .points = c->policies[i].points,
                                       .open = c->policies[i].open};
        for (uint32_t point = 0; point < TRL_POINTS; point++) {
            b[i].timeout_ns[point] = (int64_t)c->policies[i].timeout_ms[point] * 1000000;
        }
    }
    struct audit_limits limits = {.age_ms = (int64_t)c->audit_days * 24 * 3600 * 1000,
                                  .bytes = c->audit_megabytes << 20};
    g->audit = audit_create(g->env.loop, g->env.kv, g->env.log, &limits);
    struct policy_env env = {.loop = g->env.loop,
                             .log = g->env.log,
                             .audit = g->audit,
                             .backends = b,
                             .n_backends = c->n_policies,
                             .on_change = on_change,
                             .arg = g};
    g->policy = policy_create(&env);
    mem_free(b);
}

static void make_secrets(struct gates *g) {
    const struct config_gates *c = g->env.config;
    struct secrets_backend *b = mem_array(c->n_secrets, sizeof(*b));
    for (uint32_t i = 0; i < c->n_secrets; i++) {
        b[i] = (struct secrets_backend){.in = g->at[c->n_policies + i].in,
                                        .name = c->secrets[i].name,
                                        .timeout_ns = (int64_t)c->secrets[i].timeout_ms * 1000000};
    }
    struct secrets_env env = {g->env.loop, g->env.log, b, c->n_secrets};
    g->secrets = secrets_create(&env);
    mem_free(b);
}

static void all_started(void *arg) {
    struct gates *g = arg;
    if (g->failed || g->finished) {
        return;
    }
    if (g->env.config->n_policies) {
        make_policy(g);
    }
    if (g->env.config->n_secrets) {
        make_secrets(g);
    }
    g->env.on_ready(g->env.arg);
}

static void on_started(void *arg, trl_status st, const trl_err *e) {
    struct gate *at = arg;
    struct gates *g = at->gates;
    if (st != TRL_OK) {
        struct err err = ERR_INIT;
        err_from_trl(&err, st, e);
        fail(g, at, err.msg);
    } else if (++g->n_started == g->n) {
        all_started(g);
    }
}

static void create(struct gates *g, struct gate *at) {
    struct plug_iface ifaces[] = {{TRL_HOST_TRANSPORT_V1, &bus_host_iface, g->env.bus}};
    struct err e = ERR_INIT;
    char *name = str_dup(at->choice->name);
    at->gates = g;
    if (plug_inst_create(g->env.plug, at->kind, name, at->choice->config, ifaces, ARRAY_LEN(ifaces),
                         &at->in, &e) < 0) {
        fail(g, at, e.msg);
    }
    mem_free(name);
}

/* In a turn of its own, so that nothing is told before gates_start returned. */
static void begin(void *arg) {
    struct gates *g = arg;
    for (uint32_t i = 0; i < g->n && !g->failed && !g->finished; i++) {
        create(g, &g->at[i]);
    }
    for (uint32_t i = 0; i < g->n && !g->failed && !g->finished; i++) {
        plug_inst_start(g->at[i].in, START_NS, on_started, &g->at[i]);
    }
    if (g->n == 0) {
        all_started(g);
    }
}

struct gates *gates_start(const struct gates_env *env) {
    const struct config_gates *c = env->config;
    struct gates *g = mem_zalloc(sizeof(*g));
    g->env = *env;
    g->n = c->n_policies + c->n_secrets;
    g->at = mem_array(g->n + 1, sizeof(*g->at));
    for (uint32_t i = 0; i < c->n_policies; i++) {
        g->at[i] = (struct gate){
            .kind = TRL_KIND_POLICY, .choice = &c->policies[i].plugin, .name = c->policies[i].name};
    }
    for (uint32_t i = 0; i < c->n_secrets; i++) {
        g->at[c->n_policies + i] = (struct gate){
            .kind = TRL_KIND_SECRETS, .choice = &c->secrets[i].plugin, .name = c->secrets[i].name};
    }
    loop_post(env->loop, begin, g);
    return g;
}

struct policy_chains *gates_policy(struct gates *g) {
    return g ? g->policy : NULL;
}

struct audit *gates_audit(struct gates *g) {
    return g ? g->audit : NULL;
}

struct secrets *gates_secrets(struct gates *g) {
    return g ? g->secrets : NULL;
}

void gates_finish(struct gates *g) {
    if (!g) {
        return;
    }
    g->finished = true;
    policy_destroy(g->policy);
    g->policy = NULL;
    audit_destroy(g->audit);
    g->audit = NULL;
    secrets_destroy(g->secrets);
    g->secrets = NULL;
}

static void stopped(void *arg) {
    struct gates *g = arg;
    if (g->n_stopped < g->n_to_stop) {
        return;
    }
    for (uint32_t i = 0; i < g->n; i++) {
        plug_inst_destroy(g->at[i].in);
    }
    void (*done)(void *) = g->on_stopped;
    void *done_arg = g->stop_arg;
    mem_free(g->at);
    mem_free(g);
    done(done_arg);
}

static void one_stopped(void *arg) {
    struct gates *g = arg;
    g->n_stopped++;
    stopped(g);
}

void gates_stop(struct gates *g, void (*done)(void *arg), void *arg) {
    if (!g) {
        done(arg);
        return;
    }
    g->on_stopped = done;
    g->stop_arg = arg;
    for (uint32_t i = 0; i < g->n; i++) {
        g->n_to_stop += g->at[i].in != NULL;
    }
    for (uint32_t i = 0; i < g->n; i++) {
        if (g->at[i].in) {
            plug_inst_stop(g->at[i].in, one_stopped, g);
        }
    }
    if (g->n_to_stop == 0) {
        loop_post(g->env.loop, stopped, g);
    }
}
