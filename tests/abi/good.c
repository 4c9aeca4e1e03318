/* SPDX-License-Identifier: Apache-2.0
 *
 * A small plugin that does everything right. Its store answers by the key:
 *   get "now" one entry at once; "later" after a timer of 10 ms; "never" not before it is
 * cancelled; "work" by way of a pool thread; "post" by way of a post watch "flood" emits 3000
 * entries, minding BUSY, then SYNC, then waits to be cancelled Its transport hears what it
 * publishes; request "echo" is answered with the same message, "silent" never, everything else has
 * no responder; request_many "echo" is answered twice. Its config: {"start": "ok" | "fail" |
 * "never", "name": any but "odd"}.
 */
#include <stdlib.h>
#include <trellis/trellis.h>

#define MAX_OPS 64

struct trl_inst {
    const trl_host *h;
    const trl_host_loop_v1 *loop;
    const trl_host_work_v1 *work;
    const trl_host_msg_v1 *msg;
    int mode; /* 0 ok, 1 fail, 2 never */
    trl_op *start;
    trl_op *open[MAX_OPS]; /* waiting to be cancelled */
    trl_op *subs[MAX_OPS];
    trl_op *link;
    uint32_t flood; /* emitted so far */
};

struct later {
    trl_inst *in;
    trl_op *op;
};

static void entry(trl_inst *in, trl_op *op, trl_str key) {
    char scratch[sizeof(trl_entry) + 300];
    trl_bytes value = {"value", 5};
    trl_entry_emit(in->h, op, scratch, 0, 7, key, value);
    trl_op_ok(in->h, op);
}

static int keep_in(trl_inst *in, trl_op **list, trl_op *op) {
    for (int i = 0; i < MAX_OPS; i++) {
        if (!list[i]) {
            list[i] = op;
            return 1;
        }
    }
    trl_op_fail(in->h, op, TRL_E_BUSY, "too many at once");
    return 0;
}

static int keep(trl_inst *in, trl_op *op) {
    return keep_in(in, in->open, op);
}

static struct later *later(trl_inst *in, trl_op *op) {
    struct later *l = malloc(sizeof(*l));
    l->in = in;
    l->op = op;
    return l;
}

static void answer_later(void *arg) {
    struct later l = *(struct later *)arg;
    free(arg);
    entry(l.in, l.op, trl_cstr("later"));
}

static void in_thread(void *arg) {
    const struct later *l = arg;
    trl_logf(l->in->h, TRL_LOG_INFO, "on a thread");
}

static void get(trl_inst *in, trl_op *op, trl_str key) {
    if (trl_str_is(key, "now")) {
        entry(in, op, key);
    } else if (trl_str_is(key, "later")) {
        in->loop->timer_start(in->h->ctx, 10000000, answer_later, later(in, op));
    } else if (trl_str_is(key, "work")) {
        in->work->queue(in->h->ctx, in_thread, answer_later, later(in, op));
    } else if (trl_str_is(key, "post")) {
        in->h->post(in->h->ctx, answer_later, later(in, op));
    } else if (trl_str_is(key, "never")) {
        keep(in, op);
    } else {
        trl_op_fail(in->h, op, TRL_E_NOTFOUND, "no such key");
    }
}

static void done_rev(trl_inst *in, trl_op *op, uint64_t rev) {
    trl_bytes b = {&rev, sizeof(rev)};
    in->h->op_done(op, TRL_OK, b, NULL);
}
static void put(trl_inst *in, trl_op *op, const trl_put *p) {
    if (p->expect_rev == TRL_REV_ABSENT) {
        trl_op_fail(in->h, op, TRL_E_CONFLICT, "it is there");
    } else {
        done_rev(in, op, 8);
    }
}
static void del(trl_inst *in, trl_op *op, trl_str key, uint64_t rev) {
    (void)key;
    (void)rev;
    done_rev(in, op, 9);
}
static void batch(trl_inst *in, trl_op *op, const void *puts, uint32_t n, uint32_t stride) {
    const trl_put *last = trl_at(puts, stride, n - 1);
    done_rev(in, op, last->value.len);
}
static void list(trl_inst *in, trl_op *op, trl_str prefix, trl_str after, uint32_t limit) {
    char scratch[400];
    trl_bytes none = {NULL, 0};
    (void)after;
    for (uint32_t i = 0; i < limit; i++) {
        trl_entry_emit(in->h, op, scratch, 0, i + 1, prefix, none);
    }
    trl_op_ok(in->h, op);
}

#define FLOOD 3000u
static void pour(trl_inst *in, trl_op *op) {
    char scratch[64];
    trl_bytes none = {NULL, 0};
    trl_status st = TRL_OK;
    while (in->flood < FLOOD && st == TRL_OK) {
        st = trl_entry_emit(in->h, op, scratch, 0, in->flood + 1, trl_cstr("k"), none);
        in->flood += st == TRL_OK;
    }
    if (st == TRL_OK && in->flood == FLOOD) {
        in->flood +=
            trl_entry_emit(in->h, op, scratch, TRL_ENTRY_SYNC, FLOOD, trl_cstr(""), none) == TRL_OK;
    }
}
static void watch(trl_inst *in, trl_op *op, trl_str prefix, uint64_t rev) {
    (void)rev;
    if (!keep(in, op)) {
        return;
    }
    if (trl_str_is(prefix, "flood")) {
        in->flood = 0;
        pour(in, op);
    }
}
static void resume(trl_inst *in, trl_op *op) {
    pour(in, op);
}

static void cancel(trl_inst *in, trl_op *op) {
    int mine = in->link == op;
    for (int i = 0; i < MAX_OPS; i++) {
        mine |= in->open[i] == op || in->subs[i] == op;
        in->open[i] = in->open[i] == op ? NULL : in->open[i];
        in->subs[i] = in->subs[i] == op ? NULL : in->subs[i];
    }
    in->link = in->link == op ? NULL : in->link;
    if (mine) {
        trl_op_fail(in->h, op, TRL_E_CANCELLED, "cancelled");
    }
}

static const trl_store_v1 store = {sizeof(store), TRL_S_ACKED, get,    put,    del, batch,
                                   list,          watch,       cancel, resume, NULL};

/* Transport */

static void publish(trl_inst *in, trl_op *op, const trl_msg *m) {
    for (int i = 0; i < MAX_OPS; i++) {
        if (in->subs[i]) {
            in->msg->deliver(in->subs[i], m);
        }
    }
    if (op) {
        trl_op_ok(in->h, op);
    }
}
static void request(trl_inst *in, trl_op *op, const trl_msg *m) {
    if (trl_str_is(m->subject, "echo")) {
        in->msg->deliver(op, m);
        trl_op_ok(in->h, op);
    } else if (trl_str_is(m->subject, "silent")) {
        keep(in, op);
    } else if (trl_str_is(m->subject, "liar")) {
        trl_op_ok(in->h, op);
    } else {
        trl_op_fail(in->h, op, TRL_E_NORESPONDER, "nobody listens");
    }
}
static void request_many(trl_inst *in, trl_op *op, const trl_msg *m) {
    if (trl_str_is(m->subject, "echo") && keep(in, op)) {
        in->msg->deliver(op, m);
        in->msg->deliver(op, m);
    } else if (!trl_str_is(m->subject, "echo")) {
        trl_op_fail(in->h, op, TRL_E_NORESPONDER, "nobody listens");
    }
}
static void subscribe(trl_inst *in, trl_op *op, trl_str subject, trl_str queue) {
    (void)queue;
    if (trl_str_is(subject, "broken")) {
        trl_op_fail(in->h, op, TRL_E_DENIED, "not for you");
    } else {
        keep_in(in, in->subs, op);
    }
}
static void watch_link(trl_inst *in, trl_op *op) {
    unsigned char up = TRL_LINK_UP;
    trl_bytes b = {&up, 1};
    in->link = op;
    in->h->op_emit(op, b);
}
static const trl_transport_v1 transport = {
    sizeof(transport), 0,          1 << 20, 0,      publish, request, request_many,
    subscribe,         watch_link, cancel,  resume, NULL,    NULL};

/* Life */

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    trl_inst *in = calloc(1, sizeof(*in));
    if (!in) {
        return trl_errf(err, TRL_E_NOMEM, "no memory");
    }
    in->h = h;
    in->loop = h->get_interface(h->ctx, TRL_HOST_LOOP_V1);
    in->work = h->get_interface(h->ctx, TRL_HOST_WORK_V1);
    in->msg = h->get_interface(h->ctx, TRL_HOST_MSG_V1);
    for (size_t i = 0; i + 4 <= config.len; i++) {
        in->mode = memcmp(config.ptr + i, "fail", 4) == 0   ? 1
                   : memcmp(config.ptr + i, "neve", 4) == 0 ? 2
                                                            : in->mode;
    }
    if (!in->loop || !in->work || !in->msg || h->get_interface(h->ctx, "host.none/1")) {
        free(in);
        return trl_errf(err, TRL_E_UNSUPP, "the host lacks an interface");
    }
    *out = in;
    return TRL_OK;
}
static void start(trl_inst *in, trl_op *op) {
    if (in->mode == 0) {
        trl_op_ok(in->h, op);
    } else if (in->mode == 1) {
        trl_op_fail(in->h, op, TRL_E_UNAVAIL, "no luck");
    } else {
        in->start = op;
    }
}
static void stop(trl_inst *in, trl_op *op) {
    if (in->start) {
        trl_op_fail(in->h, in->start, TRL_E_CANCELLED, "stopped first");
        in->start = NULL;
    }
    trl_op_ok(in->h, op);
}
static void destroy(trl_inst *in) {
    free(in);
}
static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    return strcmp(id, TRL_KIND_STORE) == 0       ? (const void *)&store
           : strcmp(id, TRL_KIND_TRANSPORT) == 0 ? (const void *)&transport
                                                 : NULL;
}
static trl_status check(trl_str config, trl_err *err) {
    for (size_t i = 0; i + 3 <= config.len; i++) {
        if (memcmp(config.ptr + i, "odd", 3) == 0) {
            return trl_errf(err, TRL_E_INVALID, "/name must not be odd");
        }
    }
    return TRL_OK;
}

static const char *const needs[] = {TRL_HOST_LOOP_V1, NULL};
static const trl_component store_c = {
    sizeof(trl_component),
    TRL_LOOP,
    TRL_KIND_STORE,
    "good",
    "for tests",
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"start\":{\"type\":\"string\",\"enum\":[\"ok\",\"fail\",\"never\"],\"default\":\"ok\"},"
    "\"name\":{\"type\":\"string\"}}}",
    needs,
    NULL,
    NULL,
    check,
    create,
    start,
    stop,
    destroy,
    get_interface};
static const trl_component transport_c = {sizeof(trl_component),
                                          TRL_LOOP,
                                          TRL_KIND_TRANSPORT,
                                          "good",
                                          "for tests",
                                          NULL,
                                          needs,
                                          NULL,
                                          NULL,
                                          NULL,
                                          create,
                                          start,
                                          stop,
                                          destroy,
                                          get_interface};
TRL_PLUGIN("test.good", "1.2.3", 0, &store_c, &transport_c);
