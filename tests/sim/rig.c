/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/cmocka_all.h"

#define START_NS (1000 * SECOND)
#define WALL_MS  1767225600000ll /* 2026-01-01T00:00:00Z */

static void sink(void *arg, int level, str msg, str fields) {
    struct rig *r = arg;
    (void)level;
    (void)fields;
    if (r->verbose) {
        fprintf(stderr, "%10.3f %.*s\n", (double)(loop_now_ns(r->loop) - START_NS) / 1e9,
                PSTR(msg));
    }
}

static void flag(void *arg, trl_status st, const trl_err *e) {
    (void)e;
    assert_int_equal(st, TRL_OK);
    *(bool *)arg = true;
}

static bool is_set(void *arg) {
    return *(bool *)arg;
}

static void mark(void *arg) {
    *(bool *)arg = true;
}

static struct plug_inst *start_plugin(struct rig *r, const char *kind, const char *name) {
    struct plug_inst *in = NULL;
    struct err e = ERR_INIT;
    bool started = false;
    if (plug_inst_create(r->plug, kind, name, STR("{}"), NULL, 0, &in, &e) < 0) {
        fail_msg("%s: %s", name, e.msg);
    }
    plug_inst_start(in, 10 * SECOND, flag, &started);
    assert_true(loop_run_until(r->loop, is_set, &started, 10 * SECOND));
    return in;
}

static void stop_plugin(struct rig *r, struct plug_inst *in) {
    bool done = false;
    plug_inst_stop(in, mark, &done);
    assert_true(loop_run_until(r->loop, is_set, &done, 30 * SECOND));
    plug_inst_destroy(in);
}

static void on_status(void *arg, const struct bus_msg *m) {
    struct rig *r = arg;
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    str rest, app = m->subject;
    for (int i = 0; i < 3; i++) {
        str_cut(app, '.', &rest);
        app = rest;
    }
    assert_int_equal(json_parse(m->body, &a, &n, NULL), 0);
    const struct node *s = node_get(n, "status");
    struct buf text = BUF_INIT, line = BUF_INIT;
    buf_addf(&text, "%.*s: %.*s", PSTR(node_text(s, "type", STR(""))),
             PSTR(node_text(s, "message", STR(""))));
    buf_addf(&line, "%.*s %.*s", PSTR(app), PSTR(node_text(s, "type", STR(""))));
    mem_free(map_set(&r->told, app, buf_take(&text)));
    *VEC_ADD(&r->told_log) = buf_take(&line);
    r->n_told++;
    arena_finish(&a);
}

static void on_command(void *arg, const struct bus_msg *m) {
    sink(arg, TRL_LOG_DEBUG, m->body, STR_NONE);
}

static void make_sim(struct rig *r, const struct rig_options *o) {
    struct err e = ERR_INIT;
    struct sim_config c = o->slow ? sim_config_default() : sim_config_instant();
    c.seed = o->seed;
    c.secrets = o->secrets ? SIM_SECRETS_OK : SIM_SECRETS_NONE;
    c.hosts = o->hosts;
    c.labels = o->labels;
    c.n_labels = o->n_labels;
    c.lattices = o->lattices;
    c.n_lattices = o->n_lattices;
    c.heartbeat_ns = o->heartbeat_ns ? o->heartbeat_ns : 30 * SECOND;
    if (sim_create(r->loop, r->bus, &c, &r->sim, &e) < 0) {
        fail_msg("sim: %s", e.msg);
    }
    r->world = sim_world(r->sim);
    if (!o->no_hosts) {
        world_start(r->world, loop_now_ns(r->loop));
    }
}

struct rig *rig_create(const struct rig_options *o) {
    static const char *const dirs[] = {TRELLIS_PLUGIN_DIR};
    struct rig *r = mem_zalloc(sizeof(*r));
    r->verbose = getenv("RIG_VERBOSE") != NULL;
    r->log = (struct log){r->verbose ? TRL_LOG_DEBUG : TRL_LOG_ERROR, sink, r};
    r->loop = loop_create_virtual(START_NS, WALL_MS, o->seed);
    r->plug = plug_create(r->loop, &r->log, dirs, 1);
    r->transport = start_plugin(r, TRL_KIND_TRANSPORT, "inproc");
    r->store = start_plugin(r, TRL_KIND_STORE, "memory");
    r->bus = bus_create(r->transport);
    bus_subscribe(r->bus, STR("wadm.status.*.*"), STR_NONE, on_status, r);
    if (r->verbose) {
        bus_subscribe(r->bus, STR("trellis.cmd.*"), STR_NONE, on_command, r);
        bus_subscribe(r->bus, STR("wadm.status.*.*"), STR_NONE, on_command, r);
    }
    config_defaults(&r->config);
    r->config.plugin_dirs = ARENA_ARRAY(&r->config.arena, const char *, 1);
    r->config.plugin_dirs[0] = dirs[0];
    r->config.n_plugin_dirs = 1;
    if (o->config) {
        struct findings found;
        findings_init(&found);
        if (config_parse(&r->config, STR("rig.yaml"), str_c(o->config), &found) < 0) {
            fail_msg("config: %.*s", PSTR(findings_first_error(&found)->message));
        }
        findings_finish(&found);
    }
    make_sim(r, o);
    if (!o->no_plane) {
        rig_plane_start(r);
    }
    return r;
}

static void on_ready(void *arg, struct plane *p) {
    (void)p;
    ((struct rig *)arg)->plane_ready = true;
}

static void on_failed(void *arg, struct plane *p, const char *text) {
    struct rig *r = arg;
    (void)p;
    mem_free(r->failed);
    r->failed = mem_strdup(text);
    r->plane_ready = true;
}

void rig_plane_start(struct rig *r) {
    struct buf holder = BUF_INIT;
    buf_addf(&holder, "plane-%u", ++r->planes);
    struct plane_env env = {.loop = r->loop,
                            .log = &r->log,
                            .config = &r->config,
                            .version = "test",
                            .holder = buf_str(&holder),
                            .transport = r->transport,
                            .store = r->store,
                            .on_ready = on_ready,
                            .on_failed = on_failed,
                            .arg = r};
    r->plane_ready = false;
    r->plane = plane_create(&env);
    bool ready = loop_run_until(r->loop, is_set, &r->plane_ready, 10 * SECOND);
    buf_finish(&holder);
    if (r->failed || !ready) {
        fail_msg("plane: %s", r->failed ? r->failed : "does not serve");
    }
}

void rig_plane_stop(struct rig *r) {
    bool done = false;
    plane_stop(r->plane, mark, &done);
    assert_true(loop_run_until(r->loop, is_set, &done, 60 * SECOND));
    r->plane = NULL;
}

void rig_destroy(struct rig *r) {
    if (r->plane) {
        rig_plane_stop(r);
    }
    sim_destroy(r->sim);
    bus_destroy(r->bus);
    stop_plugin(r, r->store);
    stop_plugin(r, r->transport);
    plug_destroy(r->plug);
    loop_destroy(r->loop);
    config_finish(&r->config);
    for (uint32_t i = 0; i < r->told.n; i++) {
        mem_free(r->told.at[i].value);
    }
    map_finish(&r->told);
    for (uint32_t i = 0; i < r->told_log.n; i++) {
        mem_free(r->told_log.at[i]);
    }
    VEC_FREE(&r->told_log);
    arena_finish(&r->arena);
    mem_free(r->failed);
    mem_free(r);
}

/* Time */

void rig_run(struct rig *r, int64_t ns) {
    loop_advance(r->loop, ns);
}

bool rig_until(struct rig *r, bool (*done)(void *arg), void *arg, int64_t timeout_ns) {
    return loop_run_until(r->loop, done, arg, timeout_ns);
}

struct wanted_type {
    struct rig *r;
    const char *lattice, *app, *type;
};

static bool has_type(void *arg) {
    struct wanted_type *w = arg;
    const struct app_status *s = rig_status(w->r, w->lattice, w->app);
    struct engine *e = rig_engine(w->r, w->lattice);
    if (!e || !engine_synced(e)) {
        return false;
    }
    if (!s) { /* nothing of it is left: the last word counts */
        const char *told = map_get(&w->r->told, str_c(w->app));
        return strcmp(w->type, "undeployed") == 0 && told && strncmp(told, "undeployed", 10) == 0;
    }
    return strcmp(status_type_name(s->type), w->type) == 0 &&
           (strcmp(w->type, "deployed") != 0 || engine_settled(e));
}

bool rig_until_type(struct rig *r, const char *lattice, const char *app, const char *type,
                    int64_t timeout_ns) {
    struct wanted_type w = {r, lattice, app, type};
    return rig_until(r, has_type, &w, timeout_ns);
}

static bool all_settled(void *arg) {
    struct rig *r = arg;
    return plane_settled(r->plane);
}

bool rig_until_settled(struct rig *r, int64_t timeout_ns) {
    return rig_until(r, all_settled, r, timeout_ns);
}

/* Requests */

struct asked {
    struct rig *r;
    bool done;
    trl_status st;
    const struct node *root;
};

static void on_reply(void *arg, trl_status st, const struct bus_msg *m) {
    struct asked *q = arg;
    struct node *n = NULL;
    struct err e = ERR_INIT;
    q->done = true;
    q->st = st;
    if (m && m->body.len) {
        str kept = arena_str(&q->r->arena, m->body);
        if (json_parse(kept, &q->r->arena, &n, &e) < 0) {
            fail_msg("reply is no JSON: %s: %.*s", e.msg, PSTR(kept));
        }
        q->root = n;
    }
}

static bool is_answered(void *arg) {
    return ((struct asked *)arg)->done;
}

const struct node *rig_request(struct rig *r, const char *subject, const char *body) {
    struct asked q = {.r = r};
    struct bus_msg m = {.subject = str_c(subject), .body = str_c(body)};
    bus_request(r->bus, &m, 10 * SECOND, on_reply, &q);
    assert_true(loop_run_until(r->loop, is_answered, &q, 11 * SECOND));
    if (q.st != TRL_OK) {
        fail_msg("%s: %s", subject, err_name(q.st));
    }
    return q.root;
}

static void model_op(struct rig *r, const char *lattice, const char *op, const char *app,
                     const char *body, const char *want1, const char *want2) {
    struct buf subject = BUF_INIT;
    buf_addf(&subject, "wadm.api.%s.model.%s%s%s", lattice, op, app ? "." : "", app ? app : "");
    const struct node *n = rig_request(r, subject.ptr, body);
    str result = node_text(n, "result", STR(""));
    if (!str_is(result, want1) && !str_is(result, want2)) {
        fail_msg("%s: %.*s: %.*s", subject.ptr, PSTR(result),
                 PSTR(node_text(n, "message", STR(""))));
    }
    buf_finish(&subject);
}

void rig_put(struct rig *r, const char *lattice, const char *yaml) {
    model_op(r, lattice, "put", NULL, yaml, "created", "newversion");
}

void rig_deploy(struct rig *r, const char *lattice, const char *app) {
    model_op(r, lattice, "deploy", app, "", "acknowledged", "acknowledged");
}

void rig_deploy_version(struct rig *r, const char *lattice, const char *app, const char *version) {
    struct buf body = BUF_INIT;
    buf_addf(&body, "{\"version\":\"%s\"}", version);
    model_op(r, lattice, "deploy", app, body.ptr, "acknowledged", "acknowledged");
    buf_finish(&body);
}

void rig_undeploy(struct rig *r, const char *lattice, const char *app) {
    model_op(r, lattice, "undeploy", app, "", "acknowledged", "acknowledged");
}

void rig_delete(struct rig *r, const char *lattice, const char *app) {
    model_op(r, lattice, "del", app, "", "deleted", "deleted");
}

void rig_bring_up(struct rig *r, const char *lattice, const char *app, const char *yaml) {
    rig_put(r, lattice, yaml);
    rig_deploy(r, lattice, app);
    if (!rig_until_type(r, lattice, app, "deployed", 60 * SECOND)) {
        const struct app_status *s = rig_status(r, lattice, app);
        fail_msg("%s is not deployed after 60 s: %s %.*s", app, s ? status_type_name(s->type) : "?",
                 s ? (int)s->message.len : 0, s ? s->message.ptr : "");
    }
}

const struct node *rig_ctl(struct rig *r, const char *lattice, const char *suffix,
                           const char *body) {
    struct buf subject = BUF_INIT;
    buf_addf(&subject, "wasmbus.ctl.v1.%s.%s", lattice, suffix);
    const struct node *n = rig_request(r, subject.ptr, body);
    assert_true(node_bool_or(n, "success", false));
    buf_finish(&subject);
    return n;
}

/* Looking */

struct engine *rig_engine(struct rig *r, const char *lattice) {
    return r->plane ? plane_engine(r->plane, STR("_"), str_c(lattice)) : NULL;
}

const struct app_status *rig_status(struct rig *r, const char *lattice, const char *app) {
    struct engine *e = rig_engine(r, lattice);
    return e ? engine_status(e, str_c(app)) : NULL;
}

uint32_t rig_running(struct rig *r, const char *lattice, const char *id, const char *image) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < world_n_hosts(r->world); i++) {
        struct vhost *h = world_host(r->world, i);
        struct sim_running x;
        if (str_is(str_c(vhost_lattice(h)->name), lattice) && vhost_state(h) != VHOST_OFF &&
            world_running(h, str_c(id), &x) && (!image || str_is(x.code, image))) {
            n += x.count;
        }
    }
    return n;
}

struct vhost *rig_host_running(struct rig *r, const char *lattice, const char *id) {
    for (uint32_t i = 0; i < world_n_hosts(r->world); i++) {
        struct vhost *h = world_host(r->world, i);
        struct sim_running x;
        if (str_is(str_c(vhost_lattice(h)->name), lattice) && vhost_state(h) == VHOST_UP &&
            world_running(h, str_c(id), &x)) {
            return h;
        }
    }
    fail_msg("nobody runs %s", id);
    return NULL;
}

uint32_t rig_hosts_running(struct rig *r, const char *lattice, const char *id) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < world_n_hosts(r->world); i++) {
        struct vhost *h = world_host(r->world, i);
        struct sim_running x;
        n += str_is(str_c(vhost_lattice(h)->name), lattice) && vhost_state(h) != VHOST_OFF &&
             world_running(h, str_c(id), &x);
    }
    return n;
}

uint64_t rig_ops(struct rig *r, const char *lattice, enum sim_op op) {
    return world_find_lattice(r->world, str_c(lattice))->count.ops[op];
}

uint64_t rig_commands(struct rig *r, const char *lattice) {
    uint64_t n = 0;
    for (int op = 0; op < SIM_OP_N; op++) {
        n += sim_op_reads((enum sim_op)op) ? 0 : rig_ops(r, lattice, (enum sim_op)op);
    }
    return n;
}

uint32_t rig_links(struct rig *r, const char *lattice) {
    struct vlattice *l = world_find_lattice(r->world, str_c(lattice));
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->sources.n; i++) {
        const struct vsource *s = l->sources.at[i].value;
        n += s->now ? s->now->n : 0;
    }
    return n;
}

bool rig_has_config(struct rig *r, const char *lattice, const char *name, const char *key,
                    const char *value) {
    const struct vconfig *c =
        vlattice_config(world_find_lattice(r->world, str_c(lattice)), str_c(name));
    str is = STR_NONE;
    return c && pairs_get(c->data, str_c(key), &is) && str_is(is, value);
}
