/* SPDX-License-Identifier: Apache-2.0 */
#include "suite_extension.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/mem.h"
#include "codec/json.h"
#include "suite_priv.h"

#define ROUNDS       20
#define FLOOD        20000u
#define EVENTS_KEPT  10000u
#define CHECKS_MAX   64u
#define LARGE_ANSWER (1u << 20)

enum mood { ANSWERS, SILENT, REFUSES, LARGE };

struct pending {
    uint64_t id;
    void (*on_reply)(void *arg, trl_status st, trl_str json);
    void (*on_checks)(void *arg, const void *checks, uint32_t n, uint32_t stride);
    void *arg;
};

enum ring { EVENTS, SPANS, LOGS, N_RINGS };

struct watcher {
    uint64_t id; /* 0: none */
    void (*on_more)(void *arg);
    void *arg;
};

struct core { /* what the extension believes to be a control plane */
    struct suite *s;
    const struct suite_poke *poke;
    pthread_t loop_thread;
    enum mood mood;
    VEC(struct pending) pending;
    uint64_t next_id, newest;
    uint32_t asked; /* anything at all */
    atomic_uint wrong_thread;
    struct watcher watchers[N_RINGS];
    bool answering;
};

static struct core *of(void *ctx, const char *id) {
    struct core *c = plug_iface_ctx(ctx, id);
    if (!pthread_equal(pthread_self(), c->loop_thread)) {
        atomic_fetch_add(&c->wrong_thread, 1);
    }
    return c;
}

static void answer_one(struct core *c, const struct pending *p) {
    static const trl_health_check check = {sizeof(check), TRL_CHECK_NEEDED, 0, 0,
                                           {"store", 5},  {"gone", 4}};
    if (p->on_checks) {
        p->on_checks(p->arg, &check, 1, sizeof(check));
    } else if (c->mood == REFUSES) {
        p->on_reply(p->arg, TRL_E_INVALID, STR(""));
    } else if (c->mood == LARGE) {
        char *text = mem_alloc(LARGE_ANSWER);
        memset(text, ' ', LARGE_ANSWER);
        text[0] = '{';
        text[LARGE_ANSWER - 1] = '}';
        p->on_reply(p->arg, TRL_OK, str_n(text, LARGE_ANSWER));
        mem_free(text);
    } else {
        p->on_reply(p->arg, TRL_OK, STR("{\"result\":\"ok\",\"data\":[]}"));
    }
}

static void answer(void *arg) {
    struct core *c = arg;
    c->answering = false;
    while (c->mood != SILENT && c->pending.n) {
        struct pending p = c->pending.at[0];
        memmove(c->pending.at, c->pending.at + 1, (c->pending.n - 1) * sizeof(p));
        c->pending.n--;
        answer_one(c, &p);
    }
}

static uint64_t add(struct core *c, struct pending p) {
    p.id = ++c->next_id;
    *VEC_ADD(&c->pending) = p;
    c->asked++;
    if (!c->answering) {
        c->answering = true;
        loop_post(c->s->loop, answer, c);
    }
    return p.id;
}

static void drop(struct core *c, uint64_t id) {
    for (uint32_t i = 0; i < c->pending.n; i++) {
        if (c->pending.at[i].id == id) {
            memmove(c->pending.at + i, c->pending.at + i + 1,
                    (c->pending.n - i - 1) * sizeof(c->pending.at[0]));
            c->pending.n--;
            return;
        }
    }
}

static uint64_t api_call_fn(void *ctx, const trl_api_call *c,
                            void (*on_reply)(void *arg, trl_status st, trl_str json), void *arg) {
    struct core *k = of(ctx, TRL_HOST_API_V1);
    CHECK(k->s, c->struct_size >= sizeof(*c) && c->flags == 0, "a call's struct_size and flags");
    CHECK(k->s, c->operation.len > 0, "a call names its operation");
    return add(k, (struct pending){.on_reply = on_reply, .arg = arg});
}

static void api_cancel_fn(void *ctx, uint64_t id) {
    drop(of(ctx, TRL_HOST_API_V1), id);
}

static void api_each_fn(void *ctx, void (*fn)(void *arg, const trl_api_operation *o), void *arg) {
    static const trl_api_operation list[] = {
        {sizeof(list[0]), 0, {"app.list", 8}},
        {sizeof(list[0]), TRL_API_CHANGES | TRL_API_NAME_MUST, {"app.deploy", 10}},
        {sizeof(list[0]), TRL_API_WADM, {"model.list", 10}},
        {sizeof(list[0]), 0, {"some.thing_new", 14}},
    };
    of(ctx, TRL_HOST_API_V1);
    for (size_t i = 0; i < ARRAY_LEN(list); i++) {
        fn(arg, &list[i]);
    }
}

static const trl_host_api_v1 api = {sizeof(api), 0, api_call_fn, api_cancel_fn, api_each_fn};

/* Three rings that are told of alike: each has what was added since the suite began. */

static const char *const ring_ids[N_RINGS] = {TRL_HOST_EVENTS_V1, TRL_HOST_TRACE_V1,
                                              TRL_HOST_LOGS_V1};

/* What is gone, and where to go on. */
static uint64_t seek(struct core *c, trl_cursor *at) {
    uint64_t oldest = c->newest > EVENTS_KEPT ? c->newest - EVENTS_KEPT : 0, missed = 0;
    c->asked++;
    if (at->seq < oldest) {
        missed = at->epoch == 7 ? oldest - at->seq : TRL_MISSED_UNKNOWN;
        at->seq = oldest;
    }
    at->epoch = 7;
    return missed;
}

static uint64_t watch_ring(void *ctx, enum ring r, void (*on_more)(void *arg), void *arg) {
    struct core *c = of(ctx, ring_ids[r]);
    c->watchers[r] = (struct watcher){++c->next_id, on_more, arg};
    return c->next_id;
}

static void unwatch_ring(void *ctx, enum ring r, uint64_t id) {
    struct core *c = of(ctx, ring_ids[r]);
    if (id == c->watchers[r].id) {
        c->watchers[r].on_more = NULL;
    }
}

#define RING(name, R)                                                                              \
    static trl_cursor name##_latest_fn(void *ctx) {                                                \
        return (trl_cursor){7, of(ctx, ring_ids[R])->newest};                                      \
    }                                                                                              \
    static uint64_t name##_watch_fn(void *ctx, void (*on_more)(void *arg), void *arg) {            \
        return watch_ring(ctx, R, on_more, arg);                                                   \
    }                                                                                              \
    static void name##_unwatch_fn(void *ctx, uint64_t id) {                                        \
        unwatch_ring(ctx, R, id);                                                                  \
    }
RING(events, EVENTS)
RING(spans, SPANS)
RING(logs, LOGS)
#undef RING

static uint64_t events_read_fn(void *ctx, trl_cursor *at, uint32_t max,
                               void (*fn)(void *arg, const trl_event *e), void *arg) {
    struct core *c = of(ctx, TRL_HOST_EVENTS_V1);
    uint64_t missed = seek(c, at);
    for (; max && at->seq < c->newest; max--) {
        trl_event e = {.struct_size = sizeof(e),
                       .seq = ++at->seq,
                       .wall_ms = 4102444800000, /* 2100 */
                       .tenant = STR("_"),
                       .lattice = STR("default"),
                       .app = STR(""),
                       .kind = STR("some_kind"),
                       .json = STR("{\"kind\":\"some_kind\"}")};
        fn(arg, &e);
    }
    return missed;
}

static uint64_t spans_read_fn(void *ctx, trl_cursor *at, uint32_t max,
                              void (*fn)(void *arg, const trl_span *s), void *arg) {
    static const trl_label labels[] = {{{"odd", 3}, {"a\"b\xff", 4}}};
    struct core *c = of(ctx, TRL_HOST_TRACE_V1);
    uint64_t missed = seek(c, at);
    for (; max && at->seq < c->newest; max--) {
        trl_span s = {.struct_size = sizeof(s),
                      .kind = TRL_SPAN_CLIENT,
                      .seq = ++at->seq,
                      .trace_id = {1},
                      .span_id = {2},
                      .name = STR("some_span"),
                      .attributes = labels,
                      .n_attributes = 1,
                      .outcome = 99};
        fn(arg, &s);
    }
    return missed;
}

static uint64_t logs_read_fn(void *ctx, trl_cursor *at, uint32_t max,
                             void (*fn)(void *arg, const trl_log_record *r), void *arg) {
    struct core *c = of(ctx, TRL_HOST_LOGS_V1);
    uint64_t missed = seek(c, at);
    for (; max && at->seq < c->newest; max--) {
        trl_log_record r = {.struct_size = sizeof(r),
                            .level = TRL_LOG_INFO,
                            .seq = ++at->seq,
                            .msg = STR("\xff"),
                            .fields_json = STR("{")};
        fn(arg, &r);
    }
    return missed;
}

static const trl_host_events_v1 events = {
    sizeof(events), 0, events_latest_fn, events_read_fn, events_watch_fn, events_unwatch_fn};
static const trl_host_trace_v1 spans = {
    sizeof(spans), 0, spans_latest_fn, spans_read_fn, spans_watch_fn, spans_unwatch_fn};
static const trl_host_logs_v1 logs = {
    sizeof(logs), 0, logs_latest_fn, logs_read_fn, logs_watch_fn, logs_unwatch_fn};

static void metrics_each_fn(void *ctx, void (*fn)(void *arg, const trl_metric *m), void *arg) {
    static const trl_label labels[] = {{{"odd", 3}, {"a\"b\\c\nd", 7}}};
    static const double bounds[] = {0.1, 1};
    static const uint64_t counts[] = {0, 2};
    static const trl_metric list[] = {
        {.struct_size = sizeof(trl_metric),
         .type = TRL_METRIC_COUNTER,
         .name = {"a_count", 7},
         .help = {"h", 1},
         .labels = labels,
         .n_labels = 1,
         .value = 1e300},
        {.struct_size = sizeof(trl_metric),
         .type = TRL_METRIC_HISTOGRAM,
         .name = {"a_time", 6},
         .n_buckets = 2,
         .bounds = bounds,
         .counts = counts,
         .count = 3,
         .value = 4.5},
        {.struct_size = sizeof(trl_metric), .type = 99, .name = {"of_the_future", 13}},
    };
    of(ctx, TRL_HOST_METRICS_V1)->asked++;
    for (size_t i = 0; i < ARRAY_LEN(list); i++) {
        fn(arg, &list[i]);
    }
}

static const trl_host_metrics_v1 metrics = {sizeof(metrics), 0, metrics_each_fn};

static int64_t loop_age_fn(void *ctx) {
    const struct core *c = plug_iface_ctx(ctx, TRL_HOST_HEALTH_V1); /* [any] */
    return c->poke ? c->poke->loop_age_ns : 0;
}

static uint64_t health_check_fn(void *ctx,
                                void (*on_done)(void *arg, const void *checks, uint32_t n,
                                                uint32_t stride),
                                void *arg) {
    return add(of(ctx, TRL_HOST_HEALTH_V1), (struct pending){.on_checks = on_done, .arg = arg});
}

static void health_cancel_fn(void *ctx, uint64_t id) {
    drop(of(ctx, TRL_HOST_HEALTH_V1), id);
}

static const trl_host_health_v1 health = {sizeof(health), 0, loop_age_fn, health_check_fn,
                                          health_cancel_fn};

/* Cases */

static uint32_t entries(const char *dir) {
    DIR *d = opendir(dir);
    uint32_t n = 0;
    while (d && readdir(d)) {
        n++;
    }
    if (d) {
        closedir(d);
    }
    return n;
}

static bool asked_something(void *arg) {
    const struct core *c = arg;
    return c->asked > 0;
}

static void poke(struct suite *s, uint32_t times) {
    struct core *c = s->user;
    const trl_extension_v1 *t = s->table;
    struct call info = {0};
    if (!c->poke || !c->poke->poke) {
        return;
    }
    if (t->info) {
        t->info(s->raw, call_begin(s, &info, 0));
        call_wait(&info);
    }
    c->asked = 0;
    for (uint32_t i = 0; i < times; i++) {
        c->poke->poke(c->poke->arg, info.text);
    }
    CHECK(s, loop_run_until(s->loop, asked_something, c, SUITE_PATIENCE),
          "it asks nothing of the core when it is poked");
    call_free(&info);
}

static void let_go(struct suite *s) {
    struct core *c = s->user;
    if (c->poke && c->poke->let_go) {
        c->poke->let_go(c->poke->arg);
    }
}

static void again(struct suite *s) {
    struct core *c = s->user;
    suite_close(s);
    let_go(s);
    c->pending.n = 0;
    memset(c->watchers, 0, sizeof(c->watchers));
    suite_open(s);
}

static void case_info(struct suite *s) {
    const trl_extension_v1 *t = s->table;
    struct call info;
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    if (!t->info) {
        return;
    }
    t->info(s->raw, call_begin(s, &info, 0));
    call_wait(&info);
    CHECK_ST(s, info.st, TRL_OK);
    CHECK(s, json_parse(info.text, &a, &n, NULL) == 0 && n->type == NODE_OBJECT,
          "info is one JSON object");
    arena_finish(&a);
    call_free(&info);
}

static void case_moods(struct suite *s) {
    static const enum mood moods[] = {ANSWERS, REFUSES, LARGE};
    struct core *c = s->user;
    for (size_t i = 0; i < ARRAY_LEN(moods); i++) {
        c->mood = moods[i];
        poke(s, 8);
        suite_settle(s);
    }
    let_go(s);
    again(s);
    c->mood = ANSWERS;
}

/* Stopped while it waits for a core that does not answer. */
static void case_silence(struct suite *s) {
    struct core *c = s->user;
    c->mood = SILENT;
    poke(s, 16);
    again(s);
    c->mood = ANSWERS;
}

static void case_flood(struct suite *s) {
    struct core *c = s->user;
    poke(s, 4);
    for (uint32_t i = 0; i < FLOOD; i++) {
        c->newest++;
        for (enum ring r = EVENTS; i % 64 == 0 && r < N_RINGS; r++) {
            if (c->watchers[r].on_more) {
                c->watchers[r].on_more(c->watchers[r].arg);
            }
        }
        if (i % 1024 == 0) {
            suite_settle(s);
        }
    }
    suite_settle(s);
    again(s);
}

/* Descriptors and threads are what they were. */
static void case_rounds(struct suite *s) {
    suite_close(s);
    uint32_t fds = entries("/proc/self/fd"), threads = 0;
    for (int i = 0; i < ROUNDS && suite_open(s) == 0; i++) {
        if (i % 2) {
            poke(s, 2);
        }
        suite_close(s);
        let_go(s);
        if (i == 1) { /* the core's workers exist by now */
            threads = entries("/proc/self/task");
            fds = entries("/proc/self/fd");
        }
    }
    CHECK_N(s, entries("/proc/self/fd"), fds);
    CHECK_N(s, entries("/proc/self/task"), threads);
    suite_open(s);
}

struct stopping {
    bool started, stopped;
};

static void on_started(void *arg, trl_status st, const trl_err *e) {
    (void)st, (void)e;
    ((struct stopping *)arg)->started = true;
}

static void on_stopped(void *arg) {
    ((struct stopping *)arg)->stopped = true;
}

static bool both(void *arg) {
    const struct stopping *w = arg;
    return w->started && w->stopped;
}

static struct plug_inst *make(struct suite *s) {
    struct plug_inst *in = NULL;
    struct err e = ERR_INIT;
    int rc = plug_inst_create(s->plug, s->kind, s->component, str_c(s->config), s->ifaces,
                              s->n_ifaces, &in, &e);
    CHECK(s, rc == 0, "create: %s", e.msg);
    return rc == 0 ? in : NULL;
}

static void case_odd_lives(struct suite *s) {
    suite_close(s);
    plug_inst_destroy(make(s));        /* never started */
    for (int i = 0; i < ROUNDS; i++) { /* stopped while it starts */
        struct stopping w = {false, false};
        struct plug_inst *in = make(s);
        plug_inst_start(in, SUITE_PATIENCE, on_started, &w);
        if (i % 2) {
            suite_settle(s);
        }
        plug_inst_stop(in, on_stopped, &w);
        CHECK(s, loop_run_until(s->loop, both, &w, SUITE_PATIENCE), "stop during start ends");
        CHECK_N(s, op_refused_completions(in), 0);
        plug_inst_destroy(in);
    }
    suite_open(s);
    struct stopping w = {false, false}; /* two at once */
    struct plug_inst *in = make(s);
    plug_inst_start(in, SUITE_PATIENCE, on_started, &w);
    plug_inst_stop(in, on_stopped, &w);
    CHECK(s, loop_run_until(s->loop, both, &w, SUITE_PATIENCE), "a second instance ends");
    plug_inst_destroy(in);
}

int suite_extension(const char *component, const char *config_json, const struct suite_poke *p) {
    static void (*const cases[])(struct suite *) = {case_info,  case_moods,  case_silence,
                                                    case_flood, case_rounds, case_odd_lives};
    struct core c = {.poke = p, .loop_thread = pthread_self()};
    struct suite s = {.kind = TRL_KIND_EXTENSION, .component = component, .config = config_json};
    const struct plug_iface ifaces[] = {
        {TRL_HOST_API_V1, &api, &c},         {TRL_HOST_EVENTS_V1, &events, &c},
        {TRL_HOST_TRACE_V1, &spans, &c},     {TRL_HOST_LOGS_V1, &logs, &c},
        {TRL_HOST_METRICS_V1, &metrics, &c}, {TRL_HOST_HEALTH_V1, &health, &c}};
    c.s = &s;
    s.user = &c;
    s.ifaces = ifaces;
    s.n_ifaces = ARRAY_LEN(ifaces);
    atomic_init(&c.wrong_thread, 0);
    int failed = suite_run(&s, cases, ARRAY_LEN(cases));
    if (atomic_load(&c.wrong_thread)) {
        fprintf(stderr, "FAILED %s: %u calls into the core from a thread that is not the loop's\n",
                component, atomic_load(&c.wrong_thread));
        failed++;
    }
    VEC_FREE(&c.pending);
    return failed;
}
