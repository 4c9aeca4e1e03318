/* SPDX-License-Identifier: Apache-2.0
 *
 * policy/1 "opa": decisions of an Open Policy Agent, asked over its REST data API.
 *
 * The loop hands calls to the thread of curl_thread.h and forgets them; calls and watches live on
 * that thread, and operations are completed from it.
 */
#include <jansson.h>

#include "../../plugins/common/curl_request.h"
#include "../../plugins/common/xmem.h"
#include "decide.h"

struct trl_inst {
    const trl_host *host;
    struct opts opts;
    struct http_header token;
    struct http_conf server;
    struct http *http;
    struct watch *watch;
    struct calls *calls;
    trl_op *stop_op;
    int started, quitting;
};

/* What the loop asks of the thread. The op is referenced, so that it is no other one by the time
 * this runs. */
enum ask_kind { ASK_CANCEL, ASK_RESUME, ASK_WATCH };

struct ask {
    trl_inst *in;
    enum ask_kind kind;
    trl_op *op;
};

static void run_ask(void *arg) {
    struct ask *a = arg;
    trl_inst *in = a->in;
    switch (a->kind) {
    case ASK_CANCEL:
        calls_cancel(in->calls, a->op);
        watch_cancel(in->watch, a->op, TRL_E_CANCELLED);
        break;
    case ASK_RESUME:
        calls_resume(in->calls, a->op);
        watch_resume(in->watch, a->op);
        break;
    case ASK_WATCH:
        watch_add(in->watch, a->op);
        break;
    }
    in->host->op_unref(a->op);
    free(a);
}

static void ask(trl_inst *in, enum ask_kind kind, trl_op *op) {
    struct ask *a = x_alloc(sizeof(*a));
    *a = (struct ask){in, kind, op};
    in->host->op_ref(op);
    if (!in->started || http_post(in->http, run_ask, a) < 0) {
        if (kind == ASK_WATCH) {
            trl_op_fail(in->host, op, TRL_E_CLOSED, "the policy backend is not running");
        }
        in->host->op_unref(op);
        free(a);
    }
}

/* The kind's functions */

static uint32_t points(trl_inst *in) {
    return in->opts.points;
}

struct begun {
    struct calls *calls;
    struct call *call;
};

static void run_call(void *arg) {
    struct begun *b = arg;
    calls_begin(b->calls, b->call);
    free(b);
}

static void decide(trl_inst *in, trl_op *op, uint32_t point, const void *subjects, uint32_t n,
                   uint32_t stride) {
    struct begun *b = x_alloc(sizeof(*b));
    *b = (struct begun){in->calls, call_create(in->calls, op, point, subjects, n, stride)};
    if (!in->started || http_post(in->http, run_call, b) < 0) {
        call_destroy(b->call);
        free(b);
        trl_op_fail(in->host, op, TRL_E_CLOSED, "the policy backend is not running");
    }
}

static void watch(trl_inst *in, trl_op *op) {
    ask(in, ASK_WATCH, op);
}

static void cancel(trl_inst *in, trl_op *op) {
    ask(in, ASK_CANCEL, op);
}

static void resume(trl_inst *in, trl_op *op) {
    ask(in, ASK_RESUME, op);
}

static void set_text(json_t *j, const char *key, const char *s) {
    if (s && *s) {
        json_object_set_new(j, key, json_string(s));
    }
}

static void info(trl_inst *in, trl_op *op) {
    struct http_facts f;
    json_t *j = json_object();
    char *text;
    http_facts(in->http, &f);
    set_text(j, "peer", in->opts.url);
    set_text(j, "unix_socket", in->opts.unix_socket);
    set_text(j, "path", in->opts.path);
    set_text(j, "batch_path", in->opts.batch_path);
    json_object_set_new(j, "requests", json_integer((json_int_t)f.requests));
    json_object_set_new(j, "connections", json_integer((json_int_t)f.connections));
    json_object_set_new(j, "failures", json_integer((json_int_t)f.failures));
    set_text(j, "trouble", f.failure);
    text = x_checked(json_dumps(j, JSON_COMPACT));
    json_decref(j);
    in->host->op_done(op, TRL_OK, (trl_bytes){text, strlen(text)}, NULL);
    free(text);
}

static const trl_policy_v1 watching_table = {
    .struct_size = sizeof(watching_table),
    .points = points,
    .decide = decide,
    .watch = watch,
    .cancel = cancel,
    .resume = resume,
    .info = info,
};

/* watch_ms: 0 */
static const trl_policy_v1 blind_table = {
    .struct_size = sizeof(blind_table),
    .points = points,
    .decide = decide,
    .cancel = cancel,
    .resume = resume,
    .info = info,
};

static const void *get_interface(trl_inst *in, const char *id) {
    if (strcmp(id, TRL_KIND_POLICY) != 0) {
        return NULL;
    }
    return in && in->opts.watch_ms == 0 ? &blind_table : &watching_table;
}

/* Life */

static trl_status check(trl_str config, trl_err *err) {
    struct opts o;
    trl_status st = opts_parse(config, &o, err);
    if (st == TRL_OK) {
        opts_finish(&o);
    }
    return st;
}

static void tell_server(trl_inst *in) {
    const struct opts *o = &in->opts;
    in->token = (struct http_header){
        .option = "token_file", .before = "Authorization: Bearer ", .file = o->token_file};
    in->server = (struct http_conf){.name = "opa",
                                    .agent = "trellis-policy-opa",
                                    .url = o->url,
                                    .unix_socket = o->unix_socket,
                                    .ca = o->ca,
                                    .cert = o->cert,
                                    .key = o->key,
                                    .headers = &in->token,
                                    .n_headers = o->token_file ? 1 : 0,
                                    .max_connections = o->max_connections,
                                    .timeout_ms = o->timeout_ms,
                                    .connect_timeout_ms = o->connect_timeout_ms,
                                    .limit_option = "max_answer_bytes"};
}

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    struct opts o;
    trl_status st = opts_parse(config, &o, err);
    trl_inst *in;
    if (st != TRL_OK) {
        return st;
    }
    in = x_zalloc(sizeof(*in));
    in->host = h;
    in->opts = o;
    tell_server(in);
    in->http = http_create(h, &in->server);
    if (!in->http) {
        opts_finish(&in->opts);
        free(in);
        return trl_errf(err, TRL_E_NOMEM, "libcurl cannot be set up");
    }
    in->watch = watch_create(h, &in->opts, in->http);
    in->calls = calls_create(h, &in->opts, in->http, in->watch);
    *out = in;
    return TRL_OK;
}

static int64_t on_tick(void *arg, int64_t now_ns) {
    trl_inst *in = arg;
    return watch_tick(in->watch, now_ns);
}

static void joined(void *arg) {
    trl_inst *in = arg;
    trl_op *op = in->stop_op;
    in->stop_op = NULL;
    trl_op_ok(in->host, op);
}

static void on_thread_end(void *arg) {
    trl_inst *in = arg;
    if (in->stop_op) { /* set before the thread was told to end */
        in->host->post(in->host->ctx, joined, in);
    }
}

static void run_quit(void *arg) {
    trl_inst *in = arg;
    calls_end(in->calls);
    watch_end(in->watch);
    http_quit(in->http);
}

/* A token over plain HTTP to another machine can be read on the way. */
static int token_is_bare(const struct opts *o) {
    static const char *const near[] = {"http://127.", "http://localhost", "http://[::1]"};
    int bare = o->token_file && !o->unix_socket && strncmp(o->url, "http://", 7) == 0;
    for (size_t i = 0; bare && i < sizeof(near) / sizeof(near[0]); i++) {
        bare = strncmp(o->url, near[i], strlen(near[i])) != 0;
    }
    return bare;
}

static void start(trl_inst *in, trl_op *op) {
    trl_err err = {.struct_size = sizeof(err)};
    trl_status st = http_check_files(&in->server, &err);
    if (st == TRL_OK) {
        st = http_start(in->http, on_tick, on_thread_end, in, &err);
    }
    if (st != TRL_OK) {
        in->host->op_done(op, st, (trl_bytes){NULL, 0}, &err);
        return;
    }
    in->started = 1;
    if (token_is_bare(&in->opts)) {
        trl_logf(in->host, TRL_LOG_WARN,
                 "opa: the token of token_file goes to %s in the clear; use https://",
                 in->opts.url);
    }
    trl_op_ok(in->host, op);
}

static void stop(trl_inst *in, trl_op *op) {
    if (!in->started || in->quitting) {
        trl_op_ok(in->host, op);
        return;
    }
    in->stop_op = op;
    in->quitting = 1;
    http_post(in->http, run_quit, in);
}

static void destroy(trl_inst *in) {
    if (in->started && !in->quitting) {
        http_post(in->http, run_quit, in);
    }
    http_destroy(in->http);
    calls_destroy(in->calls);
    watch_destroy(in->watch);
    opts_finish(&in->opts);
    free(in);
}

static const char *const rights[] = {"net", "fs:read", NULL};

static const trl_component component = {
    .struct_size = sizeof(component),
    .thread_model = TRL_LOOP,
    .iface = TRL_KIND_POLICY,
    .name = "opa",
    .summary = "Decisions of an Open Policy Agent, asked over HTTP",
    .config_schema = opts_schema,
    .rights = rights,
    .check = check,
    .create = create,
    .start = start,
    .stop = stop,
    .destroy = destroy,
    .get_interface = get_interface,
};

TRL_PLUGIN("trellis.policy-opa", "0.1.0", 2, &component);
