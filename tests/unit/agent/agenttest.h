/* SPDX-License-Identifier: Apache-2.0
 *
 * An agent on a virtual clock: in-process transport, stores in memory, and a driver of the test's
 * own that does at once what it is told, unless the test says otherwise. Everything said on the bus
 * is kept.
 */
#ifndef TESTS_AGENT_AGENTTEST_H
#define TESTS_AGENT_AGENTTEST_H

#include "../cmocka_all.h"

#include <stdlib.h>

#include "agent/agent.h"
#include "base/map.h"
#include "base/mem.h"
#include "codec/json.h"

#define SECOND 1000000000ll
#define HOST   "NAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RSWB"
#define DRIVER "machine-1" /* what the driver calls this host */
#define MARK   "wasmcloud.dev/appspec"

struct said {
    char *event, *body;      /* event: bare name */
    const struct node *data; /* of the event */
};

struct fake_done { /* an action the test answers */
    agent_done_fn done;
    void *arg;
};

struct rig {
    struct loop *loop;
    struct log log;
    struct plug *plug;
    struct plug_inst *transport, *links, *configs;
    struct bus *bus;
    struct kv *kv_links, *kv_configs;
    struct agent *agent;
    struct arena a;
    VEC(struct said) said;
    uint32_t from;    /* what was said before is settled */
    VEC(char *) acts; /* of the driver: "verb unit image xN [configs] body" */
    VEC(struct fake_done) held;
    bool hold;           /* actions about units are kept in held; what they lead to is the test's */
    bool runs_all;       /* whatever the image */
    const char *refuse;  /* text of every action about a unit; NULL: none */
    struct strs *labels; /* of the driver */
    struct map broken;   /* images that do not start */
    struct map has_configs; /* name -> JSON: what the driver has from before */
    bool ready, asked_to_stop;
    const char *failed;
};

static inline struct fake_done *rig_held(struct rig *g, uint32_t i) {
    return i < g->held.n ? &g->held.at[i] : NULL;
}

struct later { /* the driver's answer, in a turn of its own */
    struct rig *g;
    agent_done_fn done;
    void *arg;
    char *text; /* NULL: it worked */
    char *unit, *image;
    uint32_t kind, count;
    trl_label marks[8];
    uint32_t n_marks;
    bool report;
};

static inline void rig_report(struct rig *g, uint32_t flags, const trl_running *entries,
                              uint32_t n) {
    trl_label labels[16];
    uint32_t n_labels = 0;
    for (uint32_t i = 0; i < pairs_n(g->labels) && i < ARRAY_LEN(labels); i++) {
        labels[n_labels++] = (trl_label){strs_at(g->labels, 2 * i), strs_at(g->labels, 2 * i + 1)};
    }
    trl_report r = {.struct_size = sizeof(r),
                    .flags = flags,
                    .lattice = STR("default"),
                    .host_id = STR(DRIVER),
                    .labels = labels,
                    .n_labels = n_labels,
                    .entry_stride = sizeof(trl_running),
                    .entries = entries,
                    .n_entries = n};
    agent_on_report(g->agent, &r);
}

static inline void rig_runs(struct rig *g, uint32_t kind, const char *unit, const char *image,
                            uint32_t count, uint32_t flags) {
    trl_label mark = {STR(MARK), STR("app")};
    trl_running e = {.struct_size = sizeof(e),
                     .kind = kind,
                     .unit_id = str_c(unit),
                     .image = str_c(image),
                     .count = count,
                     .health = TRL_HEALTH_OK,
                     .annotations = &mark,
                     .n_annotations = 1,
                     .flags = flags};
    rig_report(g, 0, &e, 1);
}

static inline void later_run(void *arg) {
    struct later *l = arg;
    trl_err err = {.struct_size = sizeof(err)};
    if (l->report && l->g->agent) {
        trl_running e = {.struct_size = sizeof(e),
                         .kind = l->kind,
                         .unit_id = str_c(l->unit),
                         .image = str_c(l->image),
                         .count = l->count,
                         .health = TRL_HEALTH_OK,
                         .annotations = l->marks,
                         .n_annotations = l->n_marks};
        rig_report(l->g, 0, &e, 1);
    }
    if (l->g->agent) {
        if (l->text) {
            trl_errf(&err, TRL_E_INVALID, "%s", l->text);
        }
        l->done(l->arg, l->text ? TRL_E_INVALID : TRL_OK, l->text ? &err : NULL);
    }
    for (uint32_t i = 0; i < l->n_marks; i++) {
        mem_free((void *)(uintptr_t)l->marks[i].key.ptr);
        mem_free((void *)(uintptr_t)l->marks[i].value.ptr);
    }
    mem_free(l->text);
    mem_free(l->unit);
    mem_free(l->image);
    mem_free(l);
}

static inline bool about_unit(uint32_t verb) {
    return verb == TRL_DO_SCALE || verb == TRL_DO_UPDATE || verb == TRL_DO_PROVIDER_START ||
           verb == TRL_DO_PROVIDER_STOP;
}

static inline char *act_line(const trl_action *x) {
    static const char *const names[] = {"?",          "scale",     "update",    "provider_start",
                                        "stop",       "link_put",  "link_del",  "config_put",
                                        "config_del", "label_put", "label_del", "host_stop"};
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s", names[x->verb]);
    if (about_unit(x->verb)) {
        buf_addf(&b, " %.*s %.*s x%u [", PSTR(x->unit_id), PSTR(x->image), x->count);
        for (uint32_t i = 0; i < x->n_config_names; i++) {
            buf_addf(&b, "%s%.*s", i ? "," : "", PSTR(x->config_names[i]));
        }
        buf_add_c(&b, ']');
    } else if (x->link) {
        buf_addf(&b, " %.*s %.*s %.*s", PSTR(x->link->source), PSTR(x->link->name),
                 PSTR(x->link->target));
    } else {
        buf_addf(&b, " %.*s", PSTR(x->name));
    }
    if (x->body.len) {
        buf_addf(&b, " %.*s", PSTR(x->body));
    }
    return buf_take(&b);
}

static inline void fake_apply(void *arg, const trl_action *x, agent_done_fn done, void *done_arg) {
    struct rig *g = arg;
    struct later *l = mem_zalloc(sizeof(*l));
    assert_true(str_is(x->lattice, "default"));
    *VEC_ADD(&g->acts) = act_line(x);
    *l = (struct later){.g = g, .done = done, .arg = done_arg};
    if (about_unit(x->verb)) {
        assert_true(str_is(x->host_id, DRIVER));
        char *image = str_dup(x->image);
        const char *text = g->refuse                                       ? g->refuse
                           : map_has(&g->broken, str_c(image)) && x->count ? "it does not start"
                                                                           : NULL;
        if (g->hold) {
            *VEC_ADD(&g->held) = (struct fake_done){done, done_arg};
            mem_free(image);
            mem_free(l);
            return;
        }
        l->text = text ? mem_strdup(text) : NULL;
        l->report = !text;
        l->unit = str_dup(x->unit_id);
        l->image = image;
        l->kind = x->verb == TRL_DO_PROVIDER_START || x->verb == TRL_DO_PROVIDER_STOP
                      ? TRL_RUN_PROVIDER
                      : TRL_RUN_COMPONENT;
        l->count = x->verb == TRL_DO_PROVIDER_START ? 1 : x->count;
        for (uint32_t i = 0; i < x->n_annotations && i < ARRAY_LEN(l->marks); i++) {
            l->marks[l->n_marks++] = (trl_label){str_c(str_dup(x->annotations[i].key)),
                                                 str_c(str_dup(x->annotations[i].value))};
        }
    }
    if (x->verb == TRL_DO_LABEL_PUT || x->verb == TRL_DO_LABEL_DEL) {
        struct strs *next = x->verb == TRL_DO_LABEL_PUT ? pairs_with(g->labels, x->name, x->body)
                                                        : pairs_without(g->labels, x->name);
        strs_unref(g->labels);
        g->labels = next;
        rig_report(g, TRL_REPORT_LABELS, NULL, 0);
    }
    loop_post(g->loop, later_run, l);
}

static inline void fake_configs(void *arg, const str *names, uint32_t n, agent_done_fn done,
                                void *done_arg) {
    struct rig *g = arg;
    for (uint32_t i = 0; i < n; i++) {
        const char *body = map_get(&g->has_configs, names[i]);
        struct arena a = ARENA_INIT;
        struct node *o = NULL;
        trl_label at[4];
        trl_config_seen seen = {.struct_size = sizeof(seen), .name = names[i]};
        if (body && json_parse(str_c(body), &a, &o, NULL) == 0) {
            for (uint32_t k = 0; k < o->n; k++) {
                at[k] = (trl_label){o->members[k].key, o->members[k].value->text};
            }
            seen.hash = trl_config_hash(at, o->n);
        } else {
            seen.flags = TRL_CONFIG_ABSENT;
        }
        agent_on_configs(g->agent, &seen, 1, sizeof(seen));
        arena_finish(&a);
    }
    struct later *l = mem_zalloc(sizeof(*l));
    *l = (struct later){.g = g, .done = done, .arg = done_arg};
    loop_post(g->loop, later_run, l);
}

static inline bool fake_can_run(void *arg, const trl_unit_view *unit, const trl_host_view *host) {
    assert_true(host->n_labels > 0);
    return ((const struct rig *)arg)->runs_all || str_starts(unit->image, STR("file://"));
}

/* The bus */

static inline void rig_on_event(void *arg, const struct bus_msg *m) {
    struct rig *g = arg;
    struct said *s = VEC_ADD(&g->said);
    struct node *n = NULL;
    s->event = str_dup(str_skip(m->subject, strlen("wasmbus.evt.default.")));
    s->body = str_dup(m->body);
    assert_int_equal(json_parse(arena_str(&g->a, m->body), &g->a, &n, NULL), 0);
    assert_true(str_is(node_text(n, "source", STR("")), HOST));
    s->data = node_get(n, "data");
}

struct rig_answer {
    struct rig *g;
    bool over;
    trl_status st;
    const struct node *json;
};

static inline void rig_on_reply(void *arg, trl_status st, const struct bus_msg *m) {
    struct rig_answer *r = arg;
    struct node *n = NULL;
    r->over = true;
    r->st = st;
    if (st == TRL_OK) {
        assert_int_equal(json_parse(arena_str(&r->g->a, m->body), &r->g->a, &n, NULL), 0);
        r->json = n;
    }
}

static inline bool rig_over(void *arg) {
    return ((struct rig_answer *)arg)->over;
}

static inline void rig_pass(struct rig *g, int64_t ns) {
    loop_advance(g->loop, ns);
}

/* The reply; NULL: none came. What was said before is settled, what follows at once has happened.
 */
static inline const struct node *rig_ask_bytes(struct rig *g, const char *what, str body) {
    struct rig_answer r = {.g = g};
    struct buf subject = BUF_INIT;
    buf_addf(&subject, "wasmbus.ctl.v1.default.%s", what);
    struct bus_msg m = {.subject = buf_str(&subject), .body = body};
    g->from = g->said.n;
    bus_request(g->bus, &m, SECOND, rig_on_reply, &r);
    loop_run_until(g->loop, rig_over, &r, 2 * SECOND);
    rig_pass(g, 1000000);
    buf_finish(&subject);
    return r.json;
}

static inline const struct node *rig_ask(struct rig *g, const char *what, const char *body) {
    return rig_ask_bytes(g, what, str_c(body));
}

/* Asserts success and text. */
static inline const struct node *rig_must(struct rig *g, const char *what, const char *body,
                                          bool ok, const char *message) {
    const struct node *n = rig_ask(g, what, body);
    if (!n || node_bool_or(n, "success", !ok) != ok ||
        !str_is(node_text(n, "message", STR("?")), message)) {
        str got = n ? node_text(n, "message", STR("?")) : STR("no answer");
        fail_msg("%s %s: %.*s", what, body, PSTR(got));
    }
    return node_get(n, "response");
}

/* Data of the n-th event of that name since the last request; NULL: none. */
static inline const struct node *rig_event(const struct rig *g, const char *name, uint32_t n) {
    for (uint32_t i = g->from; i < g->said.n; i++) {
        if (strcmp(g->said.at[i].event, name) == 0 && n-- == 0) {
            return g->said.at[i].data;
        }
    }
    return NULL;
}

static inline uint32_t rig_events(const struct rig *g, const char *name) {
    uint32_t n = 0;
    while (rig_event(g, name, n)) {
        n++;
    }
    return n;
}

/* The last action of the driver that begins so; NULL: none. */
static inline const char *rig_act(const struct rig *g, const char *begins) {
    for (uint32_t i = g->acts.n; i-- > 0;) {
        if (strncmp(g->acts.at[i], begins, strlen(begins)) == 0) {
            return g->acts.at[i];
        }
    }
    return NULL;
}

/* Life */

static inline void rig_flag(void *arg, trl_status st, const trl_err *e) {
    (void)e;
    assert_int_equal(st, TRL_OK);
    *(bool *)arg = true;
}

static inline bool rig_is_set(void *arg) {
    return *(bool *)arg;
}

static inline void rig_mark(void *arg) {
    *(bool *)arg = true;
}

static inline struct plug_inst *rig_plugin(struct rig *g, const char *kind, const char *name) {
    struct plug_inst *in = NULL;
    struct err e = ERR_INIT;
    bool started = false;
    if (plug_inst_create(g->plug, kind, name, STR("{}"), NULL, 0, &in, &e) < 0) {
        fail_msg("%s: %s", name, e.msg);
    }
    plug_inst_start(in, 10 * SECOND, rig_flag, &started);
    assert_true(loop_run_until(g->loop, rig_is_set, &started, 10 * SECOND));
    return in;
}

static inline void rig_on_ready(void *arg) {
    ((struct rig *)arg)->ready = true;
}

static inline void rig_on_failed(void *arg, const char *text) {
    ((struct rig *)arg)->failed = text;
}

static inline void rig_on_stop(void *arg) {
    ((struct rig *)arg)->asked_to_stop = true;
}

static inline void rig_sink(void *arg, int level, str msg, str fields) {
    (void)arg;
    (void)level;
    (void)fields;
    if (getenv("TEST_LOG")) {
        fprintf(stderr, "%.*s\n", PSTR(msg));
    }
}

static inline void rig_open(struct rig *g) {
    static const char *const dirs[] = {TRELLIS_PLUGIN_DIR};
    static const str labels[] = {
        STR("driver"),      STR("process"), STR("hostcore.arch"),     STR("x86_64"),
        STR("hostcore.os"), STR("linux"),   STR("hostcore.osfamily"), STR("unix")};
    *g = (struct rig){.a = ARENA_INIT};
    g->labels = strs_of(labels, ARRAY_LEN(labels));
    g->log = (struct log){TRL_LOG_DEBUG, rig_sink, g};
    g->loop = loop_create_virtual(1000 * SECOND, 1767225600000ll, 7);
    g->plug = plug_create(g->loop, &g->log, dirs, 1);
    g->transport = rig_plugin(g, TRL_KIND_TRANSPORT, "inproc");
    g->links = rig_plugin(g, TRL_KIND_STORE, "memory");
    g->configs = rig_plugin(g, TRL_KIND_STORE, "memory");
    g->bus = bus_create(g->transport);
    g->kv_links = kv_create(g->links);
    g->kv_configs = kv_create(g->configs);
    bus_subscribe(g->bus, STR("wasmbus.evt.default.*"), STR_NONE, rig_on_event, g);
}

static inline void rig_agent(struct rig *g) {
    struct agent_env env = {.loop = g->loop,
                            .log = &g->log,
                            .bus = g->bus,
                            .links = g->kv_links,
                            .configs = g->kv_configs,
                            .driver = {fake_apply, fake_configs, fake_can_run, UINT64_MAX, g},
                            .lattice = STR("default"),
                            .prefix = STR("wasmbus.ctl"),
                            .host_id = STR(HOST),
                            .name = STR("quiet-river-0042"),
                            .version = STR("0.1.0"),
                            .url = STR("nats://127.0.0.1:4222"),
                            .kind = STR("process"),
                            .labels = pairs_with(NULL, STR("zone"), STR("a")),
                            .heartbeat_ns = 30 * SECOND,
                            .on_ready = rig_on_ready,
                            .on_failed = rig_on_failed,
                            .on_stop = rig_on_stop,
                            .arg = g};
    g->ready = false;
    g->agent = agent_create(&env);
}

/* An agent with nothing that runs. */
static inline void rig_up(struct rig *g) {
    rig_open(g);
    rig_agent(g);
    rig_report(g, TRL_REPORT_FULL | TRL_REPORT_LABELS, NULL, 0);
    agent_driver_known(g->agent);
    assert_true(loop_run_until(g->loop, rig_is_set, &g->ready, SECOND));
    rig_pass(g, 1000000);
}

static inline void rig_agent_gone(struct rig *g) {
    agent_destroy(g->agent);
    g->agent = NULL;
    rig_pass(g, 1000000);
}

static inline void rig_stop_plugin(struct rig *g, struct plug_inst *in) {
    bool done = false;
    plug_inst_stop(in, rig_mark, &done);
    assert_true(loop_run_until(g->loop, rig_is_set, &done, 30 * SECOND));
    plug_inst_destroy(in);
}

static inline void rig_close(struct rig *g) {
    rig_agent_gone(g);
    kv_destroy(g->kv_links);
    kv_destroy(g->kv_configs);
    rig_stop_plugin(g, g->links);
    rig_stop_plugin(g, g->configs);
    bus_destroy(g->bus);
    rig_stop_plugin(g, g->transport);
    plug_destroy(g->plug);
    loop_destroy(g->loop);
    for (uint32_t i = 0; i < g->said.n; i++) {
        mem_free(g->said.at[i].event);
        mem_free(g->said.at[i].body);
    }
    for (uint32_t i = 0; i < g->acts.n; i++) {
        mem_free(g->acts.at[i]);
    }
    VEC_FREE(&g->said);
    VEC_FREE(&g->acts);
    VEC_FREE(&g->held);
    strs_unref(g->labels);
    map_finish(&g->broken);
    map_finish(&g->has_configs);
    arena_finish(&g->a);
}

#endif
