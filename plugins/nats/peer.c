/* SPDX-License-Identifier: Apache-2.0 */
#include "peer.h"

#include "msg.h"
#include "text.h"

struct event {
    struct box_item item;
    struct peer *peer;
    enum conn_event what;
};

static void event_drop(struct box_item *it) {
    free(it);
}

static void event_run(struct box_item *it) {
    struct event *e = (struct event *)it;
    struct peer *p = e->peer;
    enum conn_event what = e->what;
    free(e);
    if (what == CONN_GONE) {
        conn_join(p->conn);
        p->conn = NULL;
        trl_op_ok(p->host, p->stop_op);
        return;
    }
    if (p->stop_op) {
        return;
    }
    p->up = what == CONN_UP;
    p->on_event(p, what);
}

/* [worker] */
static void on_conn_event(struct conn_user *u, enum conn_event what) {
    struct peer *p = (struct peer *)((char *)u - offsetof(struct peer, user));
    struct event *e = x_zalloc(sizeof(*e));
    e->item.run = event_run;
    e->item.drop = event_drop;
    e->peer = p;
    e->what = what;
    box_put(p->box, &e->item);
}

static trl_status check_domain(const char *domain, trl_err *err) {
    for (const char *c = domain; c && *c; c++) {
        if ((unsigned char)*c <= ' ' || *c == '.' || *c == '*' || *c == '>' || c - domain > 64) {
            return trl_errf(
                err, TRL_E_INVALID,
                "js_domain: a name without blanks, '.', '*', '>', at most 64 characters");
        }
    }
    return TRL_OK;
}

trl_status peer_init(struct peer *p, const char *label, const trl_host *h, const json_t *config,
                     void (*on_event)(struct peer *, enum conn_event), trl_err *err) {
    const char *domain = opts_str(config, "js_domain"), *storage = opts_str(config, "storage");
    trl_status st = check_domain(domain, err);
    memset(p, 0, sizeof(*p));
    if (st == TRL_OK) {
        st = opts_parse(config, &p->opts, err);
    }
    if (st != TRL_OK) {
        opts_finish(&p->opts);
        return st;
    }
    p->label = label;
    p->host = h;
    p->on_event = on_event;
    p->user.host = h;
    p->user.on_event = on_conn_event;
    p->domain = text_dup(domain);
    p->api = domain ? text_fmt("$JS.%s.API.", domain) : text_dup("$JS.API.");
    p->api_timeout_ms = opts_int(config, "api_timeout_ms", 5000);
    p->replicas = opts_int(config, "replicas", 1);
    p->storage = storage && strcmp(storage, "memory") == 0 ? "memory" : "file";
    p->box = h ? box_create(h) : NULL;
    return TRL_OK;
}

void peer_start(struct peer *p) {
    p->conn = conn_acquire(&p->opts, &p->user);
}

static void drop_calls(struct peer *p);
static void cancel_calls(struct peer *p);

void peer_stop(struct peer *p, trl_op *op) {
    cancel_calls(p);
    peer_info_end(p);
    p->stop_op = op;
    p->up = 0;
    if (!p->conn || !conn_release(p->conn, &p->user)) {
        p->conn = NULL;
        trl_op_ok(p->host, op);
    } /* else CONN_GONE comes */
}

void peer_finish(struct peer *p) {
    drop_calls(p);
    if (p->box) {
        box_close(p->box);
    }
    if (p->conn && (p->stop_op || conn_release(p->conn, &p->user))) {
        conn_join(p->conn);
    }
    box_unref(p->box);
    opts_finish(&p->opts);
    free(p->api);
    free(p->domain);
}

/* Requests */

struct js_call {
    struct sink sink;
    struct box_item item;
    struct peer *peer;
    struct js_call *prev, *next;
    struct box *box;
    uint64_t id;
    js_fn fn; /* NULL: dropped or done */
    void *arg;
    trl_status st;
    natsMsg *m;
};

static void call_destroy(struct sink *s) {
    struct js_call *call = (struct js_call *)s;
    msgbin_put(box_bin(call->box), call->m);
    box_unref(call->box);
    free(call);
}

/* Takes it off the list and gives up the caller's reference. */
static void call_end(struct js_call *call) {
    struct peer *p = call->peer;
    *(call->prev ? &call->prev->next : &p->calls) = call->next;
    if (call->next) {
        call->next->prev = call->prev;
    }
    call->fn = NULL;
    sink_unref(&call->sink);
}

static struct js_call *of_item(struct box_item *it) {
    return (struct js_call *)((char *)it - offsetof(struct js_call, item));
}

static void call_run(struct box_item *it) {
    struct js_call *call = of_item(it);
    js_fn fn = call->fn;
    if (fn) {
        call_end(call); /* first: fn may drop everything, this must not be among it */
        fn(call->arg, call->st, call->m);
    }
    sink_unref(&call->sink);
}

static void call_drop(struct box_item *it) {
    sink_unref(&of_item(it)->sink);
}

/* [any] Once. */
static void call_on_msg(struct sink *s, trl_status st, natsMsg *m) {
    struct js_call *call = (struct js_call *)s;
    sink_ref(s);
    call->st = st;
    call->m = m;
    if (m && msg_status(m) == MSG_NO_RESPONDERS) {
        call->st = TRL_E_NORESPONDER;
        msgbin_put(box_bin(call->box), m);
        call->m = NULL;
    }
    box_put(call->box, &call->item);
}

void js_drop(struct js_call *call) {
    if (call) {
        struct conn *c = call->peer->conn;
        uint64_t id = call->id;
        call_end(call);
        if (c && id) {
            conn_request_end(c, id);
        }
    }
}

static void drop_calls(struct peer *p) {
    while (p->calls) {
        js_drop(p->calls);
    }
}

/* Functions start nothing new when they hear CANCELLED, so this ends. */
static void cancel_calls(struct peer *p) {
    while (p->calls) {
        js_fn fn = p->calls->fn;
        void *arg = p->calls->arg;
        js_drop(p->calls);
        fn(arg, TRL_E_CANCELLED, NULL);
    }
}

struct js_call *js_send(struct peer *p, const char *subject, const void *data, size_t len,
                        const struct js_header *headers, size_t n_headers, js_fn fn, void *arg) {
    struct js_call *call = x_zalloc(sizeof(*call));
    char reply[CONN_REPLY_MAX];
    trl_status st;
    sink_init(&call->sink, call_on_msg, call_destroy);
    call->item.run = call_run;
    call->item.drop = call_drop;
    call->peer = p;
    call->box = box_ref(p->box);
    call->fn = fn;
    call->arg = arg;
    call->next = p->calls;
    if (call->next) {
        call->next->prev = call;
    }
    p->calls = call;
    st = p->conn
             ? conn_request(p->conn, &call->sink, subject, 0, p->api_timeout_ms, &call->id, reply)
             : TRL_E_CLOSED;
    if (st == TRL_OK) {
        natsMsg *m = msg_raw(subject, reply, data, len);
        for (size_t i = 0; i < n_headers; i++) {
            msg_header(m, headers[i].key, headers[i].value);
        }
        st = conn_publish(p->conn, m, p->host, NULL, call->id);
        if (st != TRL_OK) {
            conn_request_end(p->conn, call->id);
        }
    }
    if (st != TRL_OK) {
        call->id = 0;
        call_on_msg(&call->sink, st, NULL);
    }
    return call;
}

struct js_call *js_api(struct peer *p, const char *subject, json_t *j_body, js_fn fn, void *arg) {
    char *full = text_fmt("%s%s", p->api, subject);
    char *body = j_body ? x_checked(json_dumps(j_body, JSON_COMPACT)) : NULL;
    struct js_call *call = js_send(p, full, body, body ? strlen(body) : 0, NULL, 0, fn, arg);
    json_decref(j_body);
    free(body);
    free(full);
    return call;
}

static trl_status status_of(int code, int err_code) {
    switch (err_code) {
    case JS_E_NOT_FOUND_MSG:
    case JS_E_NOT_FOUND_STREAM:
        return TRL_E_NOTFOUND;
    case JS_E_LAST_SEQUENCE:
    case JS_E_LAST_SEQUENCE_R3:
        return TRL_E_CONFLICT;
    case 10039: /* JetStream is not enabled for the account, or at all */
    case 10076:
        return TRL_E_UNAVAIL;
    default:
        return code == 503                 ? TRL_E_UNAVAIL
               : code >= 400 && code < 500 ? TRL_E_INVALID
                                           : TRL_E_INTERNAL;
    }
}

static trl_status explain(struct peer *p, trl_status st, const char *what, trl_err *err) {
    switch (st) {
    case TRL_E_NORESPONDER:
        return trl_errf(err, TRL_E_UNAVAIL,
                        "%s: %s: JetStream does not answer: start nats-server with --jetstream (or "
                        "enable it for this account%s)",
                        p->label, what, p->domain ? ", or correct js_domain" : "");
    case TRL_E_TIMEOUT:
        return trl_errf(err, st,
                        "%s: %s: no answer within %lld ms; it may have happened (see "
                        "api_timeout_ms)",
                        p->label, what, (long long)p->api_timeout_ms);
    case TRL_E_DENIED:
        return trl_errf(err, st, "%s: %s: the server denies it to this login", p->label, what);
    case TRL_E_CANCELLED:
        return trl_errf(err, st, "%s: %s: stopped", p->label, what);
    case TRL_E_UNAVAIL:
        return trl_errf(err, st, "%s: %s: no link to the server", p->label, what);
    default:
        return trl_errf(err, st, "%s: %s failed (%d)", p->label, what, st);
    }
}

json_t *js_answer(struct peer *p, trl_status st, natsMsg *m, const char *what, int *ret_code,
                  trl_err *err) {
    json_t *j = NULL, *b_error;
    json_error_t e;
    *ret_code = 0;
    if (st != TRL_OK) {
        explain(p, st, what, err);
        return NULL;
    }
    j = json_loadb(natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m), 0, &e);
    b_error = json_object_get(j, "error");
    if (json_is_object(j) && !b_error) {
        return j;
    }
    if (!json_is_object(j)) {
        trl_errf(err, TRL_E_INTERNAL, "%s: %s: the server's answer is no JSON object", p->label,
                 what);
    } else {
        const char *text = json_string_value(json_object_get(b_error, "description"));
        int code = (int)json_integer_value(json_object_get(b_error, "code"));
        *ret_code = (int)json_integer_value(json_object_get(b_error, "err_code"));
        st = status_of(code, *ret_code);
        trl_errf(err, st, "%s: %s: %s (%d)%s", p->label, what, text ? text : "refused", *ret_code,
                 *ret_code == 10039 || *ret_code == 10076
                     ? ": start nats-server with --jetstream and enable it for this account"
                     : "");
    }
    json_decref(j);
    return NULL;
}
