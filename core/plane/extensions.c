/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/extensions.h"

#include "api/journal.h"
#include "codec/json.h"
#include "plane/feeds.h"
#include "plane/health.h"
#include "plane/logs.h"
#include "plane/measure.h"
#include "plane/plane_priv.h"

#define START_NS         (60ll * 1000000000ll)
#define CALLER_MAX_BYTES 2048u

enum slot_use { USE_FREE, USE_QUEUED, USE_ASKED, USE_WATCH };

/* A call or a watch of an extension. An id is a slot and how often it was used. A slot whose call
 * was cancelled stays until the api answers. */
struct slot {
    struct extensions *x;
    struct plug_inst *owner;
    uint32_t index, uses;
    enum slot_use use;
    enum feed feed; /* WATCH */
    bool cancelled;
    char *block; /* the call's texts, owned */
    trl_api_call call;
    trl_status refused;
    void (*on_reply)(void *arg, trl_status st, trl_str json);
    void (*on_more)(void *arg);
    void *arg;
};

struct extension {
    struct extensions *x;
    struct plug_inst *inst;
    bool asked_for; /* by the configuration; else a default */
};

struct extensions {
    struct plane *plane;
    struct extension *at;
    uint32_t n, n_starting, n_stopping;
    VEC(struct slot *) slots;
    uint64_t epoch;
    uint32_t news; /* FEED_*: a turn is posted that tells of them */
    bool stopping;
    uint32_t posted; /* turns that will look at this */
    struct health *health;
    void (*on_ready)(void *arg);
    void (*on_failed)(void *arg, const char *what, const char *text);
    void *arg;
    char *fault; /* owned; told in a turn of its own */
    void (*on_stopped)(void *arg);
    void *stop_arg;
};

static struct extensions *of(void *ctx, const char *id) {
    return plug_iface_ctx(ctx, id);
}

static struct slot *new_slot(struct extensions *x, void *ctx, enum slot_use use, void *arg) {
    struct slot *s = NULL;
    for (uint32_t i = 0; i < x->slots.n && !s; i++) {
        s = x->slots.at[i]->use == USE_FREE ? x->slots.at[i] : NULL;
    }
    if (!s) {
        s = mem_zalloc(sizeof(*s));
        s->index = x->slots.n;
        *VEC_ADD(&x->slots) = s;
    }
    uint32_t index = s->index, uses = s->uses + 1;
    *s = (struct slot){
        .x = x, .owner = plug_inst_of(ctx), .index = index, .uses = uses, .use = use, .arg = arg};
    return s;
}

static void free_slot(struct slot *s) {
    mem_free(s->block);
    s->block = NULL;
    s->use = USE_FREE;
}

static uint64_t id_of(const struct slot *s) {
    return (uint64_t)s->uses << 32 | (s->index + 1);
}

static struct slot *slot_of(const struct extensions *x, uint64_t id) {
    uint32_t index = (uint32_t)id - 1;
    struct slot *s = index < x->slots.n ? x->slots.at[index] : NULL;
    return s && s->uses == (uint32_t)(id >> 32) && s->use != USE_FREE ? s : NULL;
}

/* host.api/1 */

static void on_reply(void *arg, trl_status st, str json) {
    struct slot *s = arg;
    bool tell = !s->cancelled;
    void (*fn)(void *, trl_status, trl_str) = s->on_reply;
    void *fn_arg = s->arg;
    free_slot(s);
    if (tell) {
        fn(fn_arg, st, json);
    }
}

/* In a turn of its own: nothing is answered inline. */
static void run_call(void *arg) {
    struct slot *s = arg;
    struct extensions *x = s->x;
    x->posted--;
    if (s->cancelled || x->stopping) {
        s->cancelled = true;
        free_slot(s);
        return;
    }
    s->use = USE_ASKED;
    trl_status st = s->refused;
    if (st == TRL_OK) {
        st = api_call(x->plane->api, &s->call, on_reply, s);
    }
    if (st != TRL_OK) {
        on_reply(s, st, STR(""));
    }
}

static trl_str put(char **at, trl_str s) {
    char *p = *at;
    for (size_t i = 0; i < s.len; i++) {
        p[i] = s.ptr[i];
    }
    *at += s.len;
    return str_n(p, s.len);
}

static bool caller_ok(str caller) {
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    bool ok = caller.len == 0 || (caller.len <= CALLER_MAX_BYTES &&
                                  json_parse(caller, &a, &n, NULL) == 0 && n->type == NODE_OBJECT);
    arena_finish(&a);
    return ok;
}

/* An extension of before has no such member. */
static trl_str trace_of(const trl_api_call *c) {
    size_t to = offsetof(trl_api_call, traceparent) + sizeof(c->traceparent);
    return c->struct_size >= to ? c->traceparent : STR_NONE;
}

static uint64_t api_call_host(void *ctx, const trl_api_call *c,
                              void (*reply)(void *arg, trl_status st, trl_str json), void *arg) {
    struct extensions *x = of(ctx, TRL_HOST_API_V1);
    struct slot *s = new_slot(x, ctx, USE_QUEUED, arg);
    trl_str trace = trace_of(c);
    s->on_reply = reply;
    s->refused = caller_ok(c->caller) ? TRL_OK : TRL_E_INVALID;
    char *at = s->block =
        mem_alloc(c->operation.len + c->tenant.len + c->lattice.len + c->name.len + c->body.len +
                  c->content_type.len + c->caller.len + trace.len + 1);
    s->call = (trl_api_call){.struct_size = sizeof(s->call),
                             .operation = put(&at, c->operation),
                             .tenant = put(&at, c->tenant),
                             .lattice = put(&at, c->lattice),
                             .name = put(&at, c->name),
                             .body = put(&at, c->body),
                             .content_type = put(&at, c->content_type),
                             .caller = put(&at, c->caller),
                             .traceparent = put(&at, trace)};
    x->posted++;
    loop_post(x->plane->env.loop, run_call, s);
    return id_of(s);
}

static void cancel_slot(void *ctx, const char *iface, uint64_t id) {
    struct slot *s = slot_of(of(ctx, iface), id);
    if (s && s->owner == plug_inst_of(ctx)) {
        s->cancelled = true;
        if (s->use == USE_WATCH) {
            free_slot(s);
        }
    }
}

static void api_cancel(void *ctx, uint64_t id) {
    cancel_slot(ctx, TRL_HOST_API_V1, id);
}

static void api_each(void *ctx, void (*fn)(void *arg, const trl_api_operation *o), void *arg) {
    (void)ctx;
    api_each_operation(fn, arg);
}

static const trl_host_api_v1 api_iface = {sizeof(api_iface), 0, api_call_host, api_cancel,
                                          api_each};

/* What the feeds stand on. */

uint64_t extensions_epoch(const struct extensions *x) {
    return x->epoch;
}

struct tracer *extensions_tracer(const struct extensions *x) {
    return x->plane->tracer;
}

struct logs *extensions_logs(const struct extensions *x) {
    return x->plane->logs;
}

uint64_t extensions_watch(struct extensions *x, void *ctx, enum feed feed,
                          void (*on_more)(void *arg), void *arg) {
    struct slot *s = new_slot(x, ctx, USE_WATCH, arg);
    s->feed = feed;
    s->on_more = on_more;
    return id_of(s);
}

void extensions_unwatch(void *ctx, const char *iface, uint64_t id) {
    cancel_slot(ctx, iface, id);
}

/* host.events/1 */

static trl_cursor events_latest(void *ctx) {
    struct extensions *x = of(ctx, TRL_HOST_EVENTS_V1);
    uint64_t first, last, loaded;
    journal_span(api_journal(x->plane->api), &first, &last, &loaded);
    return (trl_cursor){x->epoch, last};
}

struct reading {
    void (*fn)(void *arg, const trl_event *e);
    void *arg;
};

static void tell_event(void *arg, const struct journal_entry *e) {
    const struct reading *r = arg;
    trl_event x = {.struct_size = sizeof(x),
                   .seq = e->seq,
                   .wall_ms = e->wall_ms,
                   .tenant = e->tenant,
                   .lattice = e->lattice,
                   .app = e->app,
                   .kind = e->kind,
                   .json = e->json};
    r->fn(r->arg, &x);
}

/* Numbers of an earlier run hold only for what the store kept of it. */
static uint64_t events_read(void *ctx, trl_cursor *at, uint32_t max,
                            void (*fn)(void *arg, const trl_event *e), void *arg) {
    struct extensions *x = of(ctx, TRL_HOST_EVENTS_V1);
    struct journal *j = api_journal(x->plane->api);
    struct reading r = {fn, arg};
    uint64_t first, last, loaded, missed = 0;
    if (!journal_span(j, &first, &last, &loaded)) {
        return 0; /* still reading the store: nothing is lost, it comes with the next event */
    }
    bool ours = at->epoch == x->epoch ? at->seq <= last : at->seq <= loaded;
    if (at->epoch && !ours) {
        missed = TRL_MISSED_UNKNOWN;
        at->seq = 0;
    } else if (at->epoch && at->seq + 1 < first) {
        missed = first - at->seq - 1;
    }
    at->epoch = x->epoch;
    at->seq = journal_next(j, at->seq, max, tell_event, &r);
    return missed;
}

static uint64_t events_watch(void *ctx, void (*on_more)(void *arg), void *arg) {
    return extensions_watch(of(ctx, TRL_HOST_EVENTS_V1), ctx, FEED_EVENTS, on_more, arg);
}

static void events_unwatch(void *ctx, uint64_t id) {
    cancel_slot(ctx, TRL_HOST_EVENTS_V1, id);
}

static const trl_host_events_v1 events_iface = {
    sizeof(events_iface), 0, events_latest, events_read, events_watch, events_unwatch};

static void wake(void *arg) {
    struct extensions *x = arg;
    uint32_t news = x->news;
    x->posted--;
    x->news = 0;
    for (uint32_t i = 0; i < x->slots.n; i++) {
        struct slot *s = x->slots.at[i];
        if (s->use == USE_WATCH && (s->feed & news)) {
            s->on_more(s->arg);
        }
    }
}

static void tell_watchers(struct extensions *x, enum feed feed) {
    bool any = false;
    for (uint32_t i = 0; !(x->news & feed) && i < x->slots.n; i++) {
        any = any || (x->slots.at[i]->use == USE_WATCH && x->slots.at[i]->feed == feed);
    }
    if (!any || x->stopping) {
        return;
    }
    if (!x->news) {
        x->posted++;
        loop_post(x->plane->env.loop, wake, x);
    }
    x->news |= feed;
}

static void on_published(void *arg, str subject, str body) {
    (void)subject, (void)body;
    tell_watchers(arg, FEED_EVENTS);
}

static void on_span(void *arg) {
    tell_watchers(arg, FEED_TRACE);
}

static void on_line(void *arg) {
    tell_watchers(arg, FEED_LOGS);
}

/* Life */

static void one_started(struct extensions *x) {
    if (--x->n_starting == 0 && !x->fault && !x->stopping) {
        x->on_ready(x->arg);
    }
}

static void tell(void *arg) {
    struct extensions *x = arg;
    x->posted--;
    if (x->fault && !x->stopping) {
        x->on_failed(x->arg, "extension", x->fault);
    }
    one_started(x);
}

static void on_started(void *arg, trl_status st, const trl_err *te) {
    struct extension *e = arg;
    struct extensions *x = e->x;
    struct err err = ERR_INIT;
    if (st != TRL_OK && !x->stopping) {
        err_from_trl(&err, st, te);
        if (e->asked_for && !x->fault) {
            x->fault = mem_strdup(err.msg);
            x->on_failed(x->arg, "extension", x->fault);
        } else {
            log_warn(x->plane->env.log, "going on without it: %s", err.msg);
        }
    }
    one_started(x);
}

static void make(struct extensions *x, const struct plugin_choice *c) {
    struct plane *p = x->plane;
    struct extension *to = &x->at[x->n];
    struct plug_iface ifaces[] = {{TRL_HOST_API_V1, &api_iface, x},
                                  {TRL_HOST_EVENTS_V1, &events_iface, x},
                                  {TRL_HOST_METRICS_V1, &measure_iface, p->measure},
                                  {TRL_HOST_TRACE_V1, &feeds_trace_iface, x},
                                  {TRL_HOST_LOGS_V1, &feeds_logs_iface, x},
                                  {TRL_HOST_HEALTH_V1, &health_iface, x->health}};
    struct err e = ERR_INIT;
    char *name = str_dup(c->name);
    *to = (struct extension){.x = x, .asked_for = c->at != NULL};
    int rc = plug_inst_create(p->plug, TRL_KIND_EXTENSION, name, c->config, ifaces,
                              ARRAY_LEN(ifaces), &to->inst, &e);
    if (rc == 0) {
        x->n++;
    } else if (to->asked_for || rc != TRL_E_NOTFOUND) {
        x->fault = mem_strdup(e.msg);
    } else {
        log_info(p->env.log, "going on without it: %s", e.msg);
    }
    mem_free(name);
}

struct extensions *
extensions_start(struct plane *p, void (*on_ready)(void *arg),
                 void (*on_failed)(void *arg, const char *what, const char *text), void *arg) {
    const struct config *c = p->env.config;
    if (c->n_extensions == 0) {
        return NULL;
    }
    struct extensions *x = mem_zalloc(sizeof(*x));
    x->plane = p;
    x->on_ready = on_ready;
    x->on_failed = on_failed;
    x->arg = arg;
    x->at = mem_array(c->n_extensions, sizeof(*x->at));
    x->epoch = rng_next(loop_rng(p->env.loop)) >> 16 | 1;
    x->health = health_create(p);
    for (uint32_t i = 0; !x->fault && i < c->n_extensions; i++) {
        make(x, &c->extensions[i]);
    }
    api_watch(p->api, on_published, x);
    tracer_watch(p->tracer, on_span, x);
    logs_watch(p->logs, on_line, x);
    x->n_starting = 1;
    for (uint32_t i = 0; !x->fault && i < x->n; i++) {
        x->n_starting++;
        plug_inst_start(x->at[i].inst, START_NS, on_started, &x->at[i]);
    }
    x->posted++;
    loop_post(p->env.loop, tell, x);
    return x;
}

static void all_stopped(void *arg) {
    struct extensions *x = arg;
    if (--x->n_stopping > 0) {
        return;
    }
    if (x->posted) { /* turns that look at x once more */
        x->n_stopping = 1;
        loop_post(x->plane->env.loop, all_stopped, x);
    } else {
        health_destroy(x->health);
        x->health = NULL;
        x->on_stopped(x->stop_arg);
    }
}

void extensions_stop(struct extensions *x, void (*done)(void *arg), void *arg) {
    x->on_stopped = done;
    x->stop_arg = arg;
    x->stopping = true;
    for (uint32_t i = 0; i < x->slots.n; i++) {
        struct slot *s = x->slots.at[i];
        s->cancelled = true;
        if (s->use == USE_WATCH) {
            free_slot(s);
        }
    }
    x->n_stopping = 1;
    for (uint32_t i = 0; i < x->n; i++) {
        x->n_stopping++;
        plug_inst_stop(x->at[i].inst, all_stopped, x);
    }
    loop_post(x->plane->env.loop, all_stopped, x);
}

void extensions_finish(struct extensions *x) {
    if (!x) {
        return;
    }
    tracer_watch(x->plane->tracer, NULL, NULL);
    logs_watch(x->plane->logs, NULL, NULL);
    for (uint32_t i = 0; i < x->n; i++) {
        plug_inst_destroy(x->at[i].inst);
    }
    for (uint32_t i = 0; i < x->slots.n; i++) {
        mem_free(x->slots.at[i]->block);
        mem_free(x->slots.at[i]);
    }
    VEC_FREE(&x->slots);
    mem_free(x->fault);
    mem_free(x->at);
    mem_free(x);
}
