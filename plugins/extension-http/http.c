/* SPDX-License-Identifier: Apache-2.0
 *
 * extension/1 "http": REST over the core's API, server-sent events, metrics, probes, dashboard.
 */
#include "http.h"

#include <stdio.h>

#include "../common/xmem.h"
#include "assets.h"

static trl_status check(trl_str config, trl_err *err) {
    struct conf c;
    trl_status st = conf_parse(config, &c, err);
    conf_finish(&c);
    return st;
}

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    struct trl_inst *in = x_zalloc(sizeof(*in));
    in->h = h;
    in->epoll_fd = in->timer_fd = in->box.fd = -1;
    pthread_mutex_init(&in->box.lock, NULL);
    in->api = h->get_interface(h->ctx, TRL_HOST_API_V1);
    in->events = h->get_interface(h->ctx, TRL_HOST_EVENTS_V1);
    in->metrics = h->get_interface(h->ctx, TRL_HOST_METRICS_V1);
    in->health = h->get_interface(h->ctx, TRL_HOST_HEALTH_V1);
    in->work = h->get_interface(h->ctx, TRL_HOST_WORK_V1);
    trl_status st = conf_parse(config, &in->conf, err);
    if (st != TRL_OK) {
        conf_finish(&in->conf);
        pthread_mutex_destroy(&in->box.lock);
        free(in);
        return st;
    }
    *out = in;
    return TRL_OK;
}

static void add_operation(void *arg, const trl_api_operation *o) {
    struct trl_inst *in = arg;
    in->ops = x_realloc_n(in->ops, in->n_ops + 1, sizeof(*in->ops));
    in->ops[in->n_ops++] = (struct operation){text_dup(o->name), o->flags};
}

static void close_work(void *arg) {
    server_close(arg);
}

static void close_done(void *arg) {
    struct trl_inst *in = arg;
    int more, stop;
    struct job *j = mailbox_take(&in->box, &more, &stop);
    while (j) { /* what came back when nobody was there any more */
        struct job *next = j->next;
        job_free(j);
        j = next;
    }
    trl_op_ok(in->h, in->stop_op);
}

static void begin_close(struct trl_inst *in) {
    jobs_cancel(in);
    if (in->work->queue(in->h->ctx, close_work, close_done, in) != TRL_OK) {
        server_close(in);
        close_done(in);
    }
}

static void open_work(void *arg) {
    struct trl_inst *in = arg;
    in->start_err.struct_size = sizeof(in->start_err);
    in->start_err.code = server_open(in, &in->start_err);
}

static void open_done(void *arg) {
    struct trl_inst *in = arg;
    trl_bytes none = {NULL, 0};
    in->starting = 0;
    if (in->stopping) {
        trl_op_fail(in->h, in->start_op, TRL_E_CANCELLED, "stopped");
        begin_close(in);
    } else {
        in->h->op_done(in->start_op, in->start_err.code, none, &in->start_err);
    }
}

static void start(trl_inst *in, trl_op *op) {
    in->start_op = op;
    in->api->each(in->h->ctx, add_operation, in);
    in->openapi = openapi_write(in->ops, in->n_ops);
    cross_watch(in);
    in->starting = 1;
    if (in->work->queue(in->h->ctx, open_work, open_done, in) != TRL_OK) {
        in->starting = 0;
        trl_op_fail(in->h, op, TRL_E_CLOSED, "http: no worker takes the start");
    }
}

static void stop(trl_inst *in, trl_op *op) {
    in->stop_op = op;
    in->stopping = 1;
    if (in->watch) {
        in->events->unwatch(in->h->ctx, in->watch);
        in->watch = 0;
    }
    if (!in->starting) {
        begin_close(in);
    }
}

static void destroy(trl_inst *in) {
    for (size_t i = 0; i < in->n_ops; i++) {
        free(in->ops[i].name);
    }
    free(in->ops);
    free(in->openapi);
    free(in->login_path);
    conf_finish(&in->conf);
    pthread_mutex_destroy(&in->box.lock);
    free(in);
}

static void info(trl_inst *in, trl_op *op) {
    struct text t = {NULL, 0, 0};
    text_addf(&t, "{\"url\":\"%s://%.*s:%u/\",\"port\":%u,\"login_file\":",
              in->conf.tls_cert ? "https" : "http",
              (int)(strrchr(in->conf.listen, ':') - in->conf.listen), in->conf.listen, in->port,
              in->port);
    text_add_json(&t, trl_cstr(in->login_path ? in->login_path : ""));
    text_adds(&t, "}");
    in->h->op_done(op, TRL_OK, (trl_bytes){t.ptr, t.len}, NULL);
    text_finish(&t);
}

static const trl_extension_v1 table = {.struct_size = sizeof(table), .info = info};

static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    return strcmp(id, TRL_KIND_EXTENSION) == 0 ? &table : NULL;
}

static const char *const needs[] = {TRL_HOST_API_V1,    TRL_HOST_EVENTS_V1, TRL_HOST_METRICS_V1,
                                    TRL_HOST_HEALTH_V1, TRL_HOST_WORK_V1,   NULL};
static const char *const rights[] = {"net", "fs:read", "fs:write", NULL};

static const trl_component http = {
    .struct_size = sizeof(http),
    .thread_model = TRL_LOOP,
    .iface = TRL_KIND_EXTENSION,
    .name = "http",
    .summary = "REST API, event stream, metrics, health and dashboard over HTTP",
    .config_schema = http_schema,
    .needs = needs,
    .rights = rights,
    .check = check,
    .create = create,
    .start = start,
    .stop = stop,
    .destroy = destroy,
    .get_interface = get_interface,
};

TRL_PLUGIN("trellis.extension-http", "0.1.0", 2, &http);
