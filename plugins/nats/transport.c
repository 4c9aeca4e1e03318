/* SPDX-License-Identifier: Apache-2.0
 *
 * transport/1 "nats".
 */
#include "transport.h"

#include "decl.h"
#include "msg.h"
#include "peer.h"
#include "recv.h"
#include "schema.h"
#include "subject.h"
#include "text.h"

struct watcher {
    struct watcher *next;
    trl_op *op;
    uint8_t owed[16]; /* emitted when the core takes items again; the last ones if there are more */
    size_t n_owed;
};

struct trl_inst {
    struct peer peer;
    struct recvs *recvs;
    trl_op *start_op;
    struct watcher *watchers;
    struct decls decls;
};

static void op_fail(const trl_host *h, trl_op *op, const trl_err *err) {
    trl_bytes none = {NULL, 0};
    h->op_done(op, err->code, none, err);
}

/* Link state */

static void watcher_flush(trl_inst *in, struct watcher *w) {
    while (w->n_owed) {
        trl_bytes item = {&w->owed[0], 1};
        if (in->peer.host->op_emit(w->op, item) == TRL_E_BUSY) {
            return;
        }
        memmove(w->owed, w->owed + 1, --w->n_owed);
    }
}

static void watcher_tell(trl_inst *in, struct watcher *w) {
    if (w->n_owed == sizeof(w->owed)) { /* an up and a down that nobody had time for */
        memmove(w->owed, w->owed + 2, w->n_owed -= 2);
    }
    w->owed[w->n_owed++] = in->peer.up ? TRL_LINK_UP : TRL_LINK_DOWN;
    watcher_flush(in, w);
}

static void on_event(struct peer *p, enum conn_event e) {
    trl_inst *in = (trl_inst *)((char *)p - offsetof(trl_inst, peer));
    (void)e;
    if (in->start_op) {
        trl_op *op = in->start_op;
        in->start_op = NULL;
        trl_op_ok(p->host, op);
    }
    for (struct watcher *w = in->watchers; w; w = w->next) {
        watcher_tell(in, w);
    }
    if (p->up) {
        decls_look(&in->decls);
    }
}

static void watch_link(trl_inst *in, trl_op *op) {
    struct watcher *w = x_zalloc(sizeof(*w));
    w->op = op;
    w->next = in->watchers;
    in->watchers = w;
    watcher_tell(in, w);
}

static struct watcher **watcher_at(trl_inst *in, const trl_op *op) {
    struct watcher **at = &in->watchers;
    while (*at && (*at)->op != op) {
        at = &(*at)->next;
    }
    return at;
}

static void watcher_end(trl_inst *in, struct watcher **at) {
    struct watcher *w = *at;
    trl_bytes none = {NULL, 0};
    *at = w->next;
    in->peer.host->op_done(w->op, TRL_E_CANCELLED, none, NULL);
    free(w);
}

/* The kind's functions */

static void publish(trl_inst *in, trl_op *op, const trl_msg *m) {
    const trl_host *h = in->peer.host;
    trl_err err = {.struct_size = sizeof(err)};
    if (msg_check(m, conn_max_payload(in->peer.conn), &err) < 0) {
        if (op) {
            op_fail(h, op, &err);
        } else {
            trl_logf(h, TRL_LOG_WARN, "nats: not published: %s", err.msg);
        }
        return;
    }
    if (op && !conn_up(in->peer.conn)) {
        trl_op_fail(h, op, TRL_E_UNAVAIL, "nats: the link to the server is down");
        return;
    }
    conn_publish(in->peer.conn, msg_build(m, NULL), h, op, 0);
}

static void start_request(trl_inst *in, trl_op *op, const trl_msg *m, int many) {
    trl_err err = {.struct_size = sizeof(err)};
    trl_msg plain = {.struct_size = sizeof(plain),
                     .subject = m->subject,
                     .headers = m->headers,
                     .n_headers = m->n_headers,
                     .payload = m->payload};
    if (msg_check(&plain, conn_max_payload(in->peer.conn), &err) < 0) {
        op_fail(in->peer.host, op, &err);
        return;
    }
    recv_request(in->recvs, in->peer.conn, op, &plain, many);
}

static void request(trl_inst *in, trl_op *op, const trl_msg *m) {
    start_request(in, op, m, 0);
}

static void request_many(trl_inst *in, trl_op *op, const trl_msg *m) {
    start_request(in, op, m, 1);
}

static void subscribe(trl_inst *in, trl_op *op, trl_str subject, trl_str queue) {
    char *s, *q;
    if (!subject_ok(subject, 1) || (queue.len && !subject_ok(queue, 0)) ||
        subject.len + queue.len > SUBJECT_MAX) {
        trl_op_fail(in->peer.host, op, TRL_E_INVALID,
                    "no subject to subscribe: tokens joined by '.', '*' for one token, '>' at the "
                    "end for the rest, no blanks; nor may a queue name have any");
        return;
    }
    s = text_of(subject);
    q = text_of(queue);
    recv_subscribe(in->recvs, in->peer.conn, op, s, q);
    free(s);
    free(q);
}

static void cancel_start(trl_inst *in) {
    trl_op *op = in->start_op;
    if (op) {
        in->start_op = NULL;
        trl_op_fail(in->peer.host, op, TRL_E_CANCELLED, "nats: stopped while connecting");
    }
}

static void cancel(trl_inst *in, trl_op *op) {
    struct watcher **at;
    if (op == in->start_op) {
        cancel_start(in);
        return;
    }
    if (recv_cancel(in->recvs, in->peer.conn, op)) {
        return;
    }
    at = watcher_at(in, op);
    if (*at) {
        watcher_end(in, at);
    }
}

static void resume(trl_inst *in, trl_op *op) {
    struct watcher **at;
    if (recv_resume(in->recvs, in->peer.conn, op)) {
        return;
    }
    at = watcher_at(in, op);
    if (*at) {
        watcher_flush(in, *at);
    }
}

struct forget {
    trl_inst *in;
    trl_op *op;
};

static void on_purged(void *arg, trl_status st, natsMsg *m) {
    struct forget *f = arg;
    trl_err err = {.struct_size = sizeof(err)};
    int code;
    json_t *j = js_answer(&f->in->peer, st, m, "dropping retained messages", &code, &err);
    if (j || code == JS_E_NOT_FOUND_STREAM) { /* no stream: nothing is retained */
        trl_op_ok(f->in->peer.host, f->op);
    } else {
        op_fail(f->in->peer.host, f->op, &err);
    }
    json_decref(j);
    free(f);
}

static void forget(trl_inst *in, trl_op *op, trl_str subject) {
    const char *stream = decls_find(&in->decls, subject);
    struct forget *f;
    char *text;
    if (!stream) {
        trl_op_fail(
            in->peer.host, op, TRL_E_NOTFOUND,
            "nats: no declared stream holds that subject; see streams in the configuration");
        return;
    }
    f = x_zalloc(sizeof(*f));
    f->in = in;
    f->op = op;
    text = text_fmt("STREAM.PURGE.%s", stream);
    js_api(&in->peer, text, json_pack("{s:s%}", "filter", subject.ptr, subject.len), on_purged, f);
    free(text);
}

static void info(trl_inst *in, trl_op *op) {
    struct recvs_count n;
    recvs_count(in->recvs, &n);
    peer_info(&in->peer, op,
              json_pack("{s:o,s:I,s:I,s:I,s:I}", "streams", decls_json(&in->decls), "subscriptions",
                        (json_int_t)n.subs, "requests", (json_int_t)n.requests, "delivered",
                        (json_int_t)n.delivered, "dropped", (json_int_t)n.dropped));
}

/* Life */

static json_t *load(trl_str config, trl_err *err) {
    json_t *j = config.len ? json_loadb(config.ptr, config.len, 0, NULL) : json_object();
    if (!json_is_object(j)) {
        json_decref(j);
        trl_errf(err, TRL_E_INVALID, "nats: the configuration is no JSON object");
        return NULL;
    }
    return j;
}

/* Fills *in, except for what needs a host, when h is NULL. */
static trl_status init(trl_inst *in, const trl_host *h, trl_str config, trl_err *err) {
    json_t *j_config = load(config, err);
    trl_status st =
        j_config ? peer_init(&in->peer, "nats", h, j_config, on_event, err) : TRL_E_INVALID;
    if (st == TRL_OK) {
        st = decls_parse(&in->decls, &in->peer, j_config, err);
        if (st != TRL_OK) {
            decls_finish(&in->decls);
            peer_finish(&in->peer);
        }
    }
    json_decref(j_config);
    return st;
}

static trl_status check(trl_str config, trl_err *err) {
    trl_inst in = {0};
    trl_status st = init(&in, NULL, config, err);
    if (st == TRL_OK) {
        decls_finish(&in.decls);
        peer_finish(&in.peer);
    }
    return st;
}

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    const trl_host_msg_v1 *msg = h->get_interface(h->ctx, TRL_HOST_MSG_V1);
    trl_inst *in;
    trl_status st;
    if (!msg) {
        return trl_errf(err, TRL_E_UNSUPP, "nats: the host offers no " TRL_HOST_MSG_V1);
    }
    in = x_zalloc(sizeof(*in));
    st = init(in, h, config, err);
    if (st != TRL_OK) {
        free(in);
        return st;
    }
    in->recvs = recvs_create(h, msg);
    *out = in;
    return TRL_OK;
}

static void start(trl_inst *in, trl_op *op) {
    in->start_op = op;
    peer_start(&in->peer);
}

static void end_all(trl_inst *in) {
    if (in->peer.conn) {
        recvs_end(in->recvs, in->peer.conn);
    }
    while (in->watchers) {
        watcher_end(in, &in->watchers);
    }
    decls_end(&in->decls);
}

static void stop(trl_inst *in, trl_op *op) {
    end_all(in);
    cancel_start(in);
    peer_stop(&in->peer, op);
}

static void destroy(trl_inst *in) {
    end_all(in);
    peer_finish(&in->peer);
    recvs_unref(in->recvs);
    decls_finish(&in->decls);
    free(in);
}

static const trl_transport_v1 table = {
    .struct_size = sizeof(table),
    .flags = TRL_T_DURABLE,
    .publish = publish,
    .request = request,
    .request_many = request_many,
    .subscribe = subscribe,
    .watch_link = watch_link,
    .cancel = cancel,
    .resume = resume,
    .forget = forget,
    .info = info,
};

static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    return strcmp(id, TRL_KIND_TRANSPORT) == 0 ? &table : NULL;
}

static const char *const needs[] = {TRL_HOST_MSG_V1, NULL};
static const char *const rights[] = {"net", "fs:read", NULL};

const trl_component transport_component = {
    .struct_size = sizeof(transport_component),
    .thread_model = TRL_LOOP,
    .iface = TRL_KIND_TRANSPORT,
    .name = "nats",
    .summary = "Subjects over a NATS server, with streams that keep messages",
    .config_schema = transport_schema,
    .needs = needs,
    .rights = rights,
    .check = check,
    .create = create,
    .start = start,
    .stop = stop,
    .destroy = destroy,
    .get_interface = get_interface,
};
