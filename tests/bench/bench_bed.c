/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "catalog/catalog.h"

static void sink(void *arg, int level, str msg, str fields) {
    (void)arg, (void)level, (void)fields;
    fprintf(stderr, "bench: %.*s\n", PSTR(msg));
}

static void set_flag(void *arg) {
    *(bool *)arg = true;
}

static bool is_set(void *arg) {
    return *(bool *)arg;
}

static void on_started(void *arg, trl_status st, const trl_err *e) {
    if (st != TRL_OK) {
        die("a plugin does not start: %s", e ? e->msg : "?");
    }
    *(bool *)arg = true;
}

bool bed_until(struct bed *b, bool (*done)(void *arg), void *arg, int64_t timeout_ns) {
    return loop_run_until(b->loop, done, arg, timeout_ns);
}

static bool never(void *arg) {
    (void)arg;
    return false;
}

void bed_run(struct bed *b, int64_t ns) {
    loop_run_until(b->loop, never, NULL, ns);
}

static void on_status(void *arg, const struct bus_msg *m) {
    struct bed *b = arg;
    str app = m->subject, rest;
    uint64_t n = 0;
    for (int i = 0; i < 3; i++) {
        str_cut(app, '.', &rest);
        app = rest;
    }
    b->n_status++;
    if (!str_starts(app, STR("app-")) || !str_u64(str_skip(app, 4), &n) || n >= MAX_APPS) {
        return;
    }
    bool is = str_starts(m->body, STR("{\"status\":{\"type\":\"deployed\""));
    b->n_deployed += is && !b->deployed[n];
    b->n_deployed -= !is && b->deployed[n];
    b->deployed[n] = is;
    b->gone[n] = str_starts(m->body, STR("{\"status\":{\"type\":\"undeployed\""));
}

static void on_store_message(void *arg, const struct bus_msg *m) {
    struct bed *b = arg;
    (void)m;
    b->n_store++;
}

void bed_count_store(struct bed *b) {
    bus_subscribe(b->bus, STR("$KV.>"), STR_NONE, on_store_message, b);
    bus_subscribe(b->bus, STR("$JS.API.>"), STR_NONE, on_store_message, b);
}

static void start_transport(struct bed *b) {
    struct buf config = BUF_INIT;
    struct err e = ERR_INIT;
    bool started = false;
    if (b->nats) {
        buf_addf(&config, "{\"url\":\"nats://127.0.0.1:%d\"}", b->server.port);
    } else {
        buf_addf(&config, "{}");
    }
    if (plug_inst_create(b->plug, TRL_KIND_TRANSPORT, b->nats ? "nats" : "inproc", buf_str(&config),
                         NULL, 0, &b->transport, &e) < 0) {
        die("%s", e.msg);
    }
    plug_inst_start(b->transport, 10 * SECOND, on_started, &started);
    bed_until(b, is_set, &started, 11 * SECOND);
    buf_finish(&config);
}

/* Ten rules of the usual kinds; none of them has anything against the apps of the bench. */
static void add_backend(struct buf *y, uint32_t n) {
    buf_addf(y, "    p%u:\n      plugin: rules\n      rules:\n", n);
    for (uint32_t i = 0; i < 10; i++) {
        buf_addf(y, "        - name: p%u-r%u\n          verdict: deny\n          match:\n", n, i);
        if (i % 2) {
            buf_addf(y, "            image: {registry: \"*.bad-%u-%u.example\"}\n", n, i);
        } else {
            buf_addf(y,
                     "            verb: provider_stop\n"
                     "            host: {labels: {pinned: \"%u-%u-*\"}}\n",
                     n, i);
        }
    }
}

static void policy_section(struct buf *y, uint32_t backends) {
    buf_addf(y, "policy:\n  backends:\n");
    for (uint32_t i = 0; i < backends; i++) {
        add_backend(y, i);
    }
    for (int point = 0; point < 2; point++) {
        buf_addf(y, "  %s: [", point ? "command" : "deploy");
        for (uint32_t i = 0; i < backends; i++) {
            buf_addf(y, "%sp%u", i ? ", " : "", i);
        }
        buf_addf(y, "]\n");
    }
}

static void write_config(struct bed *b, uint32_t policies) {
    struct buf text = BUF_INIT, path = BUF_INIT;
    buf_addf(&path, "%s/trellis.yaml", b->dir);
    buf_addf(&text,
             "lattices: [default]\ntransport: {plugin: nats, url: \"nats://127.0.0.1:%d\"}\n"
             "store: {plugin: nats-kv, url: \"nats://127.0.0.1:%d\"}\nlog: {level: warn}\n",
             b->server.port, b->server.port);
    if (policies) {
        policy_section(&text, policies);
    }
    write_file(path.ptr, text.ptr);
    buf_finish(&text);
    buf_finish(&path);
}

/* What the plane in this process is told; behind NATS it reads the file. */
static void make_config(struct bed *b, const char *const *dirs, uint32_t policies) {
    struct buf text = BUF_INIT, store = BUF_INIT;
    struct findings f;
    config_defaults(&b->config);
    findings_init(&f);
    if (policies) {
        policy_section(&text, policies);
        if (config_parse(&b->config, STR("bench"), buf_str(&text), &f) < 0) {
            die("%.*s", PSTR(f.at[0].message));
        }
    }
    findings_finish(&f);
    b->config.plugin_dirs = mem_array(1, sizeof(char *));
    b->config.plugin_dirs[0] = dirs[0];
    b->config.n_plugin_dirs = 1;
    buf_addf(&store, "{\"dir\":\"%s/store\"}", b->dir);
    b->config.store =
        (struct plugin_choice){STR("file"), arena_str(&b->config.arena, buf_str(&store)), NULL};
    buf_finish(&store);
    buf_finish(&text);
}

static void make_hosts(struct bed *b, const struct bed_options *o) {
    static const char *const zones[] = {"zone=a|b|c"};
    struct err e = ERR_INIT;
    struct sim_config c = sim_config_instant();
    c.hosts = o->hosts;
    c.heartbeat_ns = o->heartbeat_ns;
    if (o->zones) {
        c.labels = zones;
        c.n_labels = 1;
        c.wildcard = true;
    }
    if (sim_create(b->loop, b->bus, &c, &b->sim, &e) < 0) {
        die("%s", e.msg);
    }
    b->world = sim_world(b->sim);
    b->lattice = world_lattice(b->world, 0);
}

struct bed *bed_create(bool nats, uint32_t hosts, int64_t heartbeat_ns, bool start_hosts) {
    return bed_open(&(struct bed_options){nats, hosts, heartbeat_ns, start_hosts, false, 0});
}

struct bed *bed_open(const struct bed_options *o) {
    static const char *const dirs[] = {TRELLIS_PLUGIN_DIR};
    struct bed *b = mem_zalloc(sizeof(*b));
    bool nats = o->nats;
    b->nats = nats;
    make_dir(b->dir, sizeof(b->dir));
    if (nats) {
        child_nats(&b->server, b->dir);
        write_config(b, o->policies);
    }
    b->log = (struct log){TRL_LOG_ERROR, sink, b};
    b->loop = loop_create_uv(1);
    b->plug = plug_create(b->loop, &b->log, dirs, 1);
    start_transport(b);
    b->bus = bus_create(b->transport);
    bus_subscribe(b->bus, STR("wadm.status.*.*"), STR_NONE, on_status, b);
    make_hosts(b, o);
    make_config(b, dirs, o->policies);
    if (o->start_hosts) {
        sim_start(b->sim);
    }
    bed_plane_start(b);
    return b;
}

void bed_destroy(struct bed *b) {
    bool done = false;
    bed_plane_stop(b);
    sim_destroy(b->sim);
    bus_destroy(b->bus);
    plug_inst_stop(b->transport, set_flag, &done);
    bed_until(b, is_set, &done, 10 * SECOND);
    plug_inst_destroy(b->transport);
    plug_destroy(b->plug);
    loop_destroy(b->loop);
    child_stop(&b->server);
    remove_tree(b->dir);
    mem_free(b->config.plugin_dirs);
    config_finish(&b->config);
    mem_free(b);
}

/* The plane */

static void on_ready(void *arg, struct plane *p) {
    (void)p;
    ((struct bed *)arg)->ready = true;
}

static void on_failed(void *arg, struct plane *p, const char *text) {
    (void)arg, (void)p;
    die("plane: %s", text);
}

static void ask_ready(struct bed *b);

static void on_info(void *arg, trl_status st, const struct bus_msg *m) {
    struct bed *b = arg;
    (void)m;
    if (st == TRL_OK) {
        b->ready = true;
    } else {
        nanosleep(&(struct timespec){.tv_nsec = MS}, NULL);
        ask_ready(b);
    }
}

static void ask_ready(struct bed *b) {
    struct bus_msg m = {.subject = STR("wadm.api.default.model.list")};
    bus_request(b->bus, &m, SECOND, on_info, b);
}

void bed_plane_start(struct bed *b) {
    b->ready = false;
    if (b->nats) {
        char config[96], log[96];
        snprintf(config, sizeof(config), "%s/trellis.yaml", b->dir);
        snprintf(log, sizeof(log), "%s/serve.log", b->dir);
        char *argv[] = {(char *)(uintptr_t)TRELLIS_BINARY, (char *)(uintptr_t) "serve",
                        (char *)(uintptr_t) "-c", config, NULL};
        setenv("TRELLIS_PLUGIN_PATH", TRELLIS_PLUGIN_DIR, 1);
        child_run(&b->serve, log, argv);
        ask_ready(b);
    } else {
        struct plane_env env = {.loop = b->loop,
                                .log = &b->log,
                                .config = &b->config,
                                .version = "bench",
                                .holder = STR("bench"),
                                .transport = b->transport,
                                .on_ready = on_ready,
                                .on_failed = on_failed,
                                .arg = b};
        b->plane = plane_create(&env);
    }
    if (!bed_until(b, is_set, &b->ready, 60 * SECOND)) {
        die("the control plane does not serve within 60 s");
    }
}

void bed_plane_stop(struct bed *b) {
    bool done = false;
    if (b->plane) {
        plane_stop(b->plane, set_flag, &done);
        bed_until(b, is_set, &done, 60 * SECOND);
        b->plane = NULL;
    }
    child_stop(&b->serve);
}

/* The client */

static void on_reply(void *arg, trl_status st, const struct bus_msg *m) {
    struct bed *b = arg;
    b->outstanding--;
    if (st != TRL_OK || memmem(m->body.ptr, m->body.len, "\"result\":\"error\"", 16)) {
        if (b->n_bad++ == 0) {
            fprintf(stderr, "bench: a request failed: %d %.*s\n", st, m ? (int)m->body.len : 0,
                    m ? m->body.ptr : "");
        }
    }
}

void bed_request(struct bed *b, const char *op, uint32_t app, const char *body) {
    struct buf subject = BUF_INIT;
    buf_addf(&subject, "wadm.api.default.model.%s", op);
    if (strcmp(op, "put") != 0) {
        buf_addf(&subject, ".app-%u", app);
    }
    struct bus_msg m = {.subject = buf_str(&subject), .body = str_c(body)};
    b->outstanding++;
    bus_request(b->bus, &m, 30 * SECOND, on_reply, b);
    buf_finish(&subject);
}

static bool none_outstanding(void *arg) {
    return ((struct bed *)arg)->outstanding == 0;
}

void bed_wait_replies(struct bed *b) {
    bed_until(b, none_outstanding, b, 60 * SECOND);
}

static void usual(struct buf *y, uint32_t n) {
    buf_addf(y,
             "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: app-%u\n"
             "  annotations: {version: v1, description: bench}\nspec:\n  components:\n",
             n);
    for (int i = 0; i < 2; i++) {
        buf_addf(y,
                 "    - name: c%d\n      type: component\n      properties:\n"
                 "        image: registry.example/app/c%d:1.0.0\n",
                 i, i);
        if (i == 0) {
            buf_addf(y, "        config:\n          - name: greeting\n"
                        "            properties: {text: hello}\n");
        }
        buf_addf(y, "      traits:\n        - type: spreadscaler\n"
                    "          properties: {instances: 1}\n        - type: link\n"
                    "          properties:\n            namespace: wasi\n"
                    "            package: keyvalue\n            interfaces: [store]\n"
                    "            target: {name: kv}\n");
    }
    buf_addf(y, "    - name: kv\n      type: capability\n      properties:\n"
                "        image: registry.example/providers/kv:1.0.0\n");
}

static void wide(struct buf *y, uint32_t n) {
    buf_addf(y,
             "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: app-%u\n"
             "  annotations: {version: v1, description: bench}\nspec:\n  components:\n",
             n);
    for (int i = 0; i < 10; i++) {
        buf_addf(y,
                 "    - name: c%d\n      type: component\n      properties:\n"
                 "        image: registry.example/app/c%d:1.0.0\n      traits:\n"
                 "        - type: spreadscaler\n          properties: {instances: 1}\n",
                 i, i);
    }
}

static void many(struct buf *y, uint32_t n, bool moved) {
    const int weights[2][3] = {{57, 31, 12}, {31, 57, 12}};
    buf_addf(y,
             "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: app-%u\n"
             "  annotations: {version: v%d, description: bench}\nspec:\n  components:\n"
             "    - name: c\n      type: component\n      properties:\n"
             "        image: registry.example/app/c:1.0.0\n      traits:\n"
             "        - type: spreadscaler\n          properties:\n"
             "            instances: 1000\n            spread:\n",
             n, moved ? 2 : 1);
    for (int i = 0; i < 3; i++) {
        buf_addf(y, "              - {name: %c, requirements: {zone: %c}, weight: %d}\n", 'a' + i,
                 'a' + i, weights[moved][i]);
    }
}

void bed_put(struct bed *b, uint32_t app, enum shape shape) {
    struct buf y = BUF_INIT;
    switch (shape) {
    case SHAPE_USUAL:
        usual(&y, app);
        break;
    case SHAPE_WIDE:
        wide(&y, app);
        break;
    default:
        many(&y, app, shape == SHAPE_MOVED);
        break;
    }
    bed_request(b, "put", app, y.ptr);
    buf_finish(&y);
}

struct wanted {
    struct bed *b;
    uint32_t n;
};

static bool enough(void *arg) {
    struct wanted *w = arg;
    return w->b->n_deployed >= w->n;
}

void bed_wait_deployed(struct bed *b, uint32_t n) {
    struct wanted w = {b, n};
    if (!bed_until(b, enough, &w, 120 * SECOND)) {
        die("only %u of %u apps are deployed after 120 s", b->n_deployed, n);
    }
}

static uint64_t ops(const struct bed *b, bool reads) {
    uint64_t n = 0;
    for (int op = 0; op < SIM_OP_N; op++) {
        n += sim_op_reads((enum sim_op)op) == reads ? b->lattice->count.ops[op] : 0;
    }
    return n;
}

uint64_t bed_commands(const struct bed *b) {
    return ops(b, false);
}

uint64_t bed_reads(const struct bed *b) {
    return ops(b, true);
}

int64_t bed_cpu_ns(const struct bed *b) {
    struct timespec t;
    if (b->serve.pid > 0) {
        return child_cpu_ns(b->serve.pid);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}
