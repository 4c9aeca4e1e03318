/* SPDX-License-Identifier: Apache-2.0
 *
 * extension/1 "otlp": what the core tells of itself, exported by OTLP over HTTP in JSON encoding.
 *
 * The loop reads the core's rings and writes the requests; a thread of curl_thread.h sends them.
 */
#include <jansson.h>
#include <unistd.h>

#include "../common/curl_request.h"
#include "../common/xmem.h"
#include "lane.h"

#define NS_PER_MS  1000000ll
#define NS_PER_S   1000000000ll
#define CONNECT_MS 5000

struct trl_inst {
    const trl_host *h;
    struct conf conf;
    struct http_conf server;
    struct exporter x;
    trl_op *stop_op;
    uint64_t flush_timer;
    int started, quitting;
};

/* What is exported is about this process. */

struct self {
    double uptime_s; /* < 0: not told */
    char version[64];
};

static void look(void *arg, const trl_metric *m) {
    struct self *s = arg;
    if (trl_str_is(m->name, "trellis_uptime_seconds")) {
        s->uptime_s = m->value;
    } else if (trl_str_is(m->name, "trellis_build_info")) {
        trl_str v = trl_label_get(m->labels, m->n_labels, trl_cstr("version"));
        snprintf(s->version, sizeof(s->version), "%.*s", (int)v.len, v.ptr ? v.ptr : "");
    }
}

/* Of version 4. */
static json_t *new_uuid(const struct exporter *x) {
    char text[40];
    uint64_t a = x->loop->random(x->h->ctx), b = x->loop->random(x->h->ctx);
    snprintf(text, sizeof(text), "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32),
             (unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xfff,
             0x8000 | ((unsigned)(b >> 48) & 0x3fff), (unsigned long long)(b & 0xffffffffffffull));
    return json_string(text);
}

static void learn(struct trl_inst *in) {
    struct exporter *x = &in->x;
    struct self self = {.uptime_s = -1};
    char host[256] = "";
    json_t *own = json_object();
    if (x->metrics) {
        x->metrics->each(in->h->ctx, look, &self);
    }
    x->start_wall_ns = x->loop->wall_ms(in->h->ctx) * NS_PER_MS;
    if (self.uptime_s > 0) {
        x->start_wall_ns -= (int64_t)(self.uptime_s * (double)NS_PER_S);
    }
    json_object_set_new(own, "service.name", json_string("trellis"));
    json_object_set_new(own, "service.instance.id", new_uuid(x));
    if (self.version[0]) {
        json_object_set_new(own, "service.version", json_string(self.version));
    }
    if (gethostname(host, sizeof(host) - 1) == 0 && host[0]) {
        json_object_set_new(own, "host.name", json_string(host));
    }
    json_object_set_new(own, "process.pid", json_integer(getpid()));
    char *text = x_checked(json_dumps(own, JSON_COMPACT));
    x->resource = encode_resource(text, in->conf.resource);
    free(text);
    json_decref(own);
}

/* Life */

static trl_status check(trl_str config, trl_err *err) {
    struct conf c;
    trl_status st = conf_parse(config, &c, err);
    if (st == TRL_OK) {
        conf_finish(&c);
    }
    return st;
}

static void tell_server(struct trl_inst *in) {
    const struct conf *c = &in->conf;
    in->server = (struct http_conf){.name = "otlp",
                                    .agent = "trellis-extension-otlp",
                                    .url = c->endpoint,
                                    .ca = c->ca,
                                    .cert = c->cert,
                                    .key = c->key,
                                    .headers = c->headers,
                                    .n_headers = c->n_headers,
                                    .max_connections = N_SIGNALS,
                                    .timeout_ms = c->timeout_ms,
                                    .connect_timeout_ms =
                                        c->timeout_ms < CONNECT_MS ? c->timeout_ms : CONNECT_MS,
                                    .limit_option = "64 KiB"};
}

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    struct trl_inst *in = x_zalloc(sizeof(*in));
    struct exporter *x = &in->x;
    trl_status st = conf_parse(config, &in->conf, err);
    if (st != TRL_OK) {
        free(in);
        return st;
    }
    in->h = x->h = h;
    x->conf = &in->conf;
    x->loop = h->get_interface(h->ctx, TRL_HOST_LOOP_V1);
    x->events = h->get_interface(h->ctx, TRL_HOST_EVENTS_V1);
    x->metrics = h->get_interface(h->ctx, TRL_HOST_METRICS_V1);
    x->trace = h->get_interface(h->ctx, TRL_HOST_TRACE_V1);
    x->logs = h->get_interface(h->ctx, TRL_HOST_LOGS_V1);
    tell_server(in);
    x->http = http_create(h, &in->server);
    if (!x->http) {
        conf_finish(&in->conf);
        free(in);
        return trl_errf(err, TRL_E_NOMEM, "libcurl cannot be set up");
    }
    *out = in;
    return TRL_OK;
}

static void joined(void *arg) {
    struct trl_inst *in = arg;
    trl_op *op = in->stop_op;
    in->stop_op = NULL;
    trl_op_ok(in->h, op);
}

static void on_thread_end(void *arg) { /* [thread] */
    struct trl_inst *in = arg;
    if (in->stop_op) { /* set before the thread was told to end */
        in->h->post(in->h->ctx, joined, in);
    }
}

static void run_quit(void *arg) { /* [thread] */
    struct trl_inst *in = arg;
    for (int i = 0; i < N_SIGNALS; i++) {
        http_drop(in->x.http, &in->x.lanes[i].req);
    }
    http_quit(in->x.http);
}

static int64_t on_tick(void *arg, int64_t now) {
    (void)arg, (void)now;
    return INT64_MAX;
}

static void start_lanes(struct trl_inst *in) {
    struct exporter *x = &in->x;
    const void *has[N_SIGNALS] = {
        [TRACES] = x->trace, [METRICS] = x->metrics, [LOGS] = x->logs, [EVENTS] = x->events};
    for (int i = 0; i < N_SIGNALS; i++) {
        struct lane *l = &x->lanes[i];
        int wanted = (in->conf.signals >> i & 1u) != 0;
        l->x = x;
        l->signal = (enum signal)i;
        l->on = wanted && has[i];
        if (wanted && !has[i]) {
            trl_logf(in->h, TRL_LOG_INFO, "this core offers no %s: none are exported",
                     signal_name(l->signal));
        }
    }
    for (int i = 0; i < N_SIGNALS; i++) {
        lane_start(&x->lanes[i]);
    }
}

/* A secret over plain HTTP to another machine can be read on the way. */
static int secret_is_bare(const struct conf *c) {
    static const char *const near[] = {"http://127.", "http://localhost", "http://[::1]"};
    int bare = 0;
    for (uint32_t i = 0; i < c->n_headers; i++) {
        bare |= c->headers[i].file != NULL;
    }
    bare = bare && strncmp(c->endpoint, "http://", 7) == 0;
    for (size_t i = 0; bare && i < sizeof(near) / sizeof(near[0]); i++) {
        bare = strncmp(c->endpoint, near[i], strlen(near[i])) != 0;
    }
    return bare;
}

static void on_finished(void *arg);

static void start(trl_inst *in, trl_op *op) {
    trl_err err = {.struct_size = sizeof(err)};
    trl_status st = http_check_files(&in->server, &err);
    if (st == TRL_OK) {
        st = http_start(in->x.http, on_tick, on_thread_end, in, &err);
    }
    if (st != TRL_OK) {
        trl_err told = {.struct_size = sizeof(told)};
        trl_errf(&told, st, "otlp: %.*s", (int)err.msg_len, err.msg);
        in->h->op_done(op, st, (trl_bytes){NULL, 0}, &told);
        return;
    }
    in->started = in->x.live = 1;
    in->x.on_finished = on_finished;
    in->x.arg = in;
    if (secret_is_bare(&in->conf)) {
        trl_logf(in->h, TRL_LOG_WARN, "the secret headers go to %s in the clear; use https://",
                 in->conf.endpoint);
    }
    learn(in);
    start_lanes(in);
    trl_op_ok(in->h, op);
}

static void tell_counts(const struct trl_inst *in, const struct lane *l) {
    const struct counts *c = &l->counts;
    if (l->on) {
        trl_logf(in->h, TRL_LOG_DEBUG,
                 "%s: %llu sent, %llu rejected, %llu dropped, %llu missed, %llu failures",
                 signal_name(l->signal), (unsigned long long)c->sent,
                 (unsigned long long)c->rejected, (unsigned long long)c->dropped,
                 (unsigned long long)c->missed, (unsigned long long)c->failures);
    }
}

static void quit(struct trl_inst *in) {
    if (in->quitting) {
        return;
    }
    in->quitting = 1;
    in->x.live = 0;
    for (int i = 0; i < N_SIGNALS; i++) {
        in->x.lanes[i].finished = 1;
        lane_stop(&in->x.lanes[i]);
        tell_counts(in, &in->x.lanes[i]);
    }
    in->x.loop->timer_stop(in->h->ctx, in->flush_timer);
    http_post(in->x.http, run_quit, in);
}

static void on_finished(void *arg) {
    struct trl_inst *in = arg;
    int left = 0;
    for (int i = 0; i < N_SIGNALS; i++) {
        left += !in->x.lanes[i].finished;
    }
    if (!left) {
        quit(in);
    }
}

static void on_flush_over(void *arg) {
    struct trl_inst *in = arg;
    trl_logf(in->h, TRL_LOG_INFO, "the last of it is not exported: no answer within %lld ms",
             (long long)in->conf.flush_ms);
    quit(in);
}

static void stop(trl_inst *in, trl_op *op) {
    if (!in->started || in->x.stopping) {
        trl_op_ok(in->h, op);
        return;
    }
    in->stop_op = op;
    in->x.stopping = 1;
    if (in->conf.flush_ms == 0) {
        quit(in);
        return;
    }
    in->flush_timer =
        in->x.loop->timer_start(in->h->ctx, in->conf.flush_ms * NS_PER_MS, on_flush_over, in);
    for (int i = 0; i < N_SIGNALS; i++) {
        lane_flush(&in->x.lanes[i]);
    }
    on_finished(in);
}

static void destroy(trl_inst *in) {
    if (in->started && !in->quitting) {
        quit(in);
    }
    http_destroy(in->x.http);
    for (int i = 0; i < N_SIGNALS; i++) { /* never submitted: the thread had ended */
        free(in->x.lanes[i].req.path);
        free(in->x.lanes[i].req.body);
    }
    free(in->x.resource);
    conf_finish(&in->conf);
    free(in);
}

static json_t *count_json(uint64_t n) {
    return json_integer((json_int_t)n);
}

static void info(trl_inst *in, trl_op *op) {
    json_t *j = json_object(), *all = json_object();
    json_object_set_new(j, "endpoint", json_string(in->conf.endpoint));
    for (int i = 0; i < N_SIGNALS; i++) {
        const struct lane *l = &in->x.lanes[i];
        json_t *o = json_object();
        if (!l->on) {
            json_decref(o);
            continue;
        }
        json_object_set_new(o, "sent", count_json(l->counts.sent));
        json_object_set_new(o, "rejected", count_json(l->counts.rejected));
        json_object_set_new(o, "dropped", count_json(l->counts.dropped));
        json_object_set_new(o, "missed", count_json(l->counts.missed));
        json_object_set_new(o, "failures", count_json(l->counts.failures));
        if (l->trouble && !l->n) {
            json_object_set_new(o, "trouble", json_string(l->verdict.text));
        }
        json_object_set_new(all, signal_name(l->signal), o);
    }
    json_object_set_new(j, "signals", all);
    char *text = x_checked(json_dumps(j, JSON_COMPACT));
    json_decref(j);
    in->h->op_done(op, TRL_OK, (trl_bytes){text, strlen(text)}, NULL);
    free(text);
}

static const trl_extension_v1 table = {.struct_size = sizeof(table), .info = info};

static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    return strcmp(id, TRL_KIND_EXTENSION) == 0 ? &table : NULL;
}

static const char *const needs[] = {TRL_HOST_LOOP_V1, NULL};
static const char *const wants[] = {TRL_HOST_TRACE_V1, TRL_HOST_METRICS_V1, TRL_HOST_LOGS_V1,
                                    TRL_HOST_EVENTS_V1, NULL};
static const char *const rights[] = {"net", "fs:read", NULL};

static const trl_component otlp = {
    .struct_size = sizeof(otlp),
    .thread_model = TRL_LOOP,
    .iface = TRL_KIND_EXTENSION,
    .name = "otlp",
    .summary = "Traces, metrics, logs and events to a collector by OTLP over HTTP",
    .config_schema = otlp_schema,
    .needs = needs,
    .wants = wants,
    .rights = rights,
    .check = check,
    .create = create,
    .start = start,
    .stop = stop,
    .destroy = destroy,
    .get_interface = get_interface,
};

TRL_PLUGIN("trellis.extension-otlp", "0.1.0", 2, &otlp);
