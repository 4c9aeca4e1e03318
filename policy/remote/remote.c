/* SPDX-License-Identifier: Apache-2.0
 *
 * policy/1 "remote": decisions of a service that speaks wasmCloud's policy protocol on a subject,
 * over whatever transport is configured. It is asked as a host would ask it.
 */
#include <jansson.h>

#include "../../plugins/common/xmem.h"
#include "calls.h"
#include "question.h"

struct watcher {
    struct watcher *next;
    trl_op *op;
    int owed; /* a change that the core did not take yet */
};

struct trl_inst {
    const trl_host *host;
    const trl_host_transport_v1 *bus;
    struct opts opts;
    struct memory *memory;
    struct calls *calls;
    struct watcher *watchers;
    uint64_t changes_sub, link_watch;
    int was_down;
    char what[256]; /* the last change */
};

/* Changes */

static void tell(trl_inst *in, struct watcher *w) {
    trl_bytes item = {in->what, strlen(in->what)};
    w->owed = in->host->op_emit(w->op, item) == TRL_E_BUSY;
}

static void tell_all(trl_inst *in, const char *what) {
    snprintf(in->what, sizeof(in->what), "%s", what);
    calls_changed(in->calls);
    for (struct watcher *w = in->watchers; w; w = w->next) {
        tell(in, w);
    }
}

static void on_forgotten(void *arg) {
    tell_all(arg, "so much was asked that earlier answers are forgotten");
}

/* An answer for an earlier request, told afterwards. Those to other peers of the service are
 * normal here. */
static void on_change(void *arg, const trl_msg *m) {
    trl_inst *in = arg;
    trl_err err = {.struct_size = sizeof(err)};
    struct answer a;
    const char *key;
    if (answer_read(m->payload, &a, &err) != TRL_OK) {
        trl_logf(in->host, TRL_LOG_WARN, "remote policy: %s: %s", in->opts.changes_topic, err.msg);
        return;
    }
    key = memory_key(in->memory, a.id);
    if (key) {
        char text[256];
        memory_override(in->memory, key, a.permitted, a.message);
        snprintf(text, sizeof(text), "request %.40s is %s now", a.id,
                 a.permitted ? "permitted" : "denied");
        tell_all(in, text);
    } else {
        trl_logf(in->host, TRL_LOG_DEBUG, "remote policy: %s: not a request of ours",
                 in->opts.changes_topic);
    }
    answer_finish(&a);
}

static void on_link(void *arg, int32_t up) {
    trl_inst *in = arg;
    if (up && in->was_down) {
        tell_all(in, "the link was down: changes may have been missed");
    }
    in->was_down = !up;
}

/* The kind's functions */

static uint32_t points(trl_inst *in) {
    return in->opts.points;
}

static void decide(trl_inst *in, trl_op *op, uint32_t point, const void *subjects, uint32_t n,
                   uint32_t stride) {
    calls_decide(in->calls, op, point, subjects, n, stride);
}

static void watch(trl_inst *in, trl_op *op) {
    struct watcher *w = x_zalloc(sizeof(*w));
    w->op = op;
    w->next = in->watchers;
    in->watchers = w;
}

static void end_watcher(trl_inst *in, struct watcher **at, trl_status st, const char *text) {
    struct watcher *w = *at;
    *at = w->next;
    trl_op_fail(in->host, w->op, st, text);
    free(w);
}

static void cancel(trl_inst *in, trl_op *op) {
    struct watcher **at = &in->watchers;
    if (calls_cancel(in->calls, op)) {
        return;
    }
    while (*at && (*at)->op != op) {
        at = &(*at)->next;
    }
    if (*at) {
        end_watcher(in, at, TRL_E_CANCELLED, "cancelled");
    }
}

static void resume(trl_inst *in, trl_op *op) {
    if (calls_resume(in->calls, op)) {
        return;
    }
    for (struct watcher *w = in->watchers; w; w = w->next) {
        if (w->op == op && w->owed) {
            tell(in, w);
        }
    }
}

static void info(trl_inst *in, trl_op *op) {
    const struct calls_facts *f = calls_facts(in->calls);
    json_t *j = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "peer", in->opts.topic, "asked",
                          (json_int_t)f->asked, "permitted", (json_int_t)f->permitted, "denied",
                          (json_int_t)f->denied, "failures", (json_int_t)f->failed, "overrides",
                          (json_int_t)memory_overrides(in->memory));
    char *text;
    if (in->opts.changes_topic) {
        json_object_set_new(j, "changes", json_string(in->opts.changes_topic));
    }
    if (f->failure[0]) {
        json_object_set_new(j, "trouble", json_string(f->failure));
    }
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

/* Without changes_topic */
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
    return in && !in->opts.changes_topic ? &blind_table : &watching_table;
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

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    const trl_host_loop_v1 *loop = h->get_interface(h->ctx, TRL_HOST_LOOP_V1);
    struct opts o;
    trl_status st = opts_parse(config, &o, err);
    trl_inst *in;
    if (st != TRL_OK) {
        return st;
    }
    in = x_zalloc(sizeof(*in));
    in->host = h;
    in->bus = h->get_interface(h->ctx, TRL_HOST_TRANSPORT_V1);
    in->opts = o;
    in->memory = memory_create(loop->random(h->ctx));
    in->calls = calls_create(h, &in->opts, in->memory, on_forgotten, in);
    *out = in;
    return TRL_OK;
}

static void start(trl_inst *in, trl_op *op) {
    if (in->opts.changes_topic) {
        in->changes_sub = in->bus->subscribe(in->host->ctx, trl_cstr(in->opts.changes_topic),
                                             trl_strn(NULL, 0), on_change, in);
        in->link_watch = in->bus->watch_link(in->host->ctx, on_link, in);
    }
    trl_op_ok(in->host, op);
}

static void stop(trl_inst *in, trl_op *op) {
    calls_end(in->calls);
    while (in->watchers) {
        end_watcher(in, &in->watchers, TRL_E_CLOSED, "stopped");
    }
    if (in->changes_sub) {
        in->bus->cancel(in->host->ctx, in->changes_sub);
        in->bus->cancel(in->host->ctx, in->link_watch);
        in->changes_sub = 0;
    }
    trl_op_ok(in->host, op);
}

static void destroy(trl_inst *in) {
    calls_destroy(in->calls);
    while (in->watchers) {
        struct watcher *w = in->watchers;
        in->watchers = w->next;
        free(w);
    }
    memory_destroy(in->memory);
    opts_finish(&in->opts);
    free(in);
}

static const char *const needs[] = {TRL_HOST_TRANSPORT_V1, TRL_HOST_LOOP_V1, NULL};

static const trl_component component = {
    .struct_size = sizeof(component),
    .thread_model = TRL_LOOP,
    .iface = TRL_KIND_POLICY,
    .name = "remote",
    .summary = "Decisions of a service that speaks wasmCloud's policy protocol",
    .config_schema = opts_schema,
    .needs = needs,
    .check = check,
    .create = create,
    .start = start,
    .stop = stop,
    .destroy = destroy,
    .get_interface = get_interface,
};

TRL_PLUGIN("trellis.policy-remote", "0.1.0", 2, &component);
