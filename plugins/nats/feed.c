/* SPDX-License-Identifier: Apache-2.0
 *
 * An ordered push consumer without acknowledgements. Its own sequence shows gaps, heartbeats show
 * that it lives, flow control keeps the server from running ahead of us.
 */
#include "conn.h"
#include "msg.h"
#include "store_priv.h"
#include "subject.h"
#include "text.h"

/* What the library's threads know of a feed: where to put messages. */
struct port {
    struct sink sink;
    struct box *box;
    struct feed *feed;      /* loop's; NULL: closed */
    struct box_item *early; /* loop's; came before the answer that the consumer exists */
    struct box_item **early_last;
};

struct feed {
    trl_inst *in;
    const struct feed_handler *h;
    void *arg;
    struct port *port;
    struct conn_sub *sub;
    struct js_call *call;
    char inbox[CONN_REPLY_MAX];
    char *consumer; /* its name, once created */
    size_t key_at;  /* where the key begins in a subject */
    uint64_t seq;   /* of the consumer, as last seen */
    int64_t heard_ns;
    int hold;
    char *owed; /* flow control that waits for hold to end */
};

struct arrival {
    struct box_item item;
    struct port *port;
    natsMsg *m;
};

static void port_destroy(struct sink *s) {
    struct port *port = (struct port *)s;
    box_unref(port->box);
    free(port);
}

static void arrival_free(struct box_item *it) {
    struct arrival *a = (struct arrival *)it;
    msgbin_put(box_bin(a->port->box), a->m);
    sink_unref(&a->port->sink);
    free(a);
}

static void on_message(struct feed *f, natsMsg *m);

static void broken(struct feed *f, trl_status st, const trl_err *err) {
    const struct feed_handler *h = f->h;
    void *arg = f->arg;
    feed_close(f);
    h->on_broken(arg, st, err);
}

static void denied(struct feed *f) {
    trl_err err = {.struct_size = sizeof(err)};
    trl_errf(&err, TRL_E_DENIED, "nats-kv: the server denies the inbox %s to this login",
             conn_opts(f->in->peer.conn)->inbox_prefix);
    broken(f, TRL_E_DENIED, &err);
}

static void handle(struct arrival *a) {
    if (a->port->feed && a->m) {
        on_message(a->port->feed, a->m);
    } else if (a->port->feed) {
        denied(a->port->feed);
    }
    arrival_free(&a->item);
}

static void arrival_run(struct box_item *it) {
    struct arrival *a = (struct arrival *)it;
    struct port *port = a->port;
    if (port->feed && a->m && !port->feed->consumer) {
        it->next = NULL;
        *port->early_last = it;
        port->early_last = &it->next;
        return;
    }
    handle(a);
}

/* Those that came early; a feed that ends on the way drops the rest. */
static void run_early(struct port *port) {
    struct box_item *it = port->early;
    port->early = NULL;
    port->early_last = &port->early;
    while (it) {
        struct box_item *next = it->next;
        handle((struct arrival *)it);
        it = next;
    }
}

/* [any] */
static void on_port(struct sink *s, trl_status st, natsMsg *m) {
    struct arrival *a = x_zalloc(sizeof(*a));
    (void)st;
    a->item.run = arrival_run;
    a->item.drop = arrival_free;
    a->port = (struct port *)s;
    a->m = m;
    sink_ref(s);
    box_put(a->port->box, &a->item);
}

static void on_consumer(void *arg, trl_status st, natsMsg *m) {
    struct feed *f = arg;
    trl_err err = {.struct_size = sizeof(err)};
    struct port *port;
    const char *name;
    int code;
    json_t *j;
    f->call = NULL;
    if (st == TRL_E_CANCELLED) { /* stopping: the op is completed by others */
        return;
    }
    j = js_answer(&f->in->peer, st, m, "starting a watch", &code, &err);
    if (!j) {
        broken(f, code == JS_E_NOT_FOUND_STREAM ? TRL_E_NOTFOUND : err.code, &err);
        return;
    }
    f->heard_ns = conn_now_ns();
    name = json_string_value(json_object_get(j, "name"));
    f->consumer = text_dup(name ? name : "?");
    port = f->port;
    sink_ref(&port->sink); /* the feed may end in here */
    f->h->on_start(f->arg, (uint64_t)json_integer_value(json_object_get(j, "num_pending")));
    run_early(port);
    sink_unref(&port->sink);
    json_decref(j);
}

/* The keys below the last whole token of the prefix; the rest is compared here. */
static char *filter_of(const trl_inst *in, trl_str prefix) {
    while (prefix.len && prefix.ptr[prefix.len - 1] != '.') {
        prefix.len--;
    }
    return text_fmt("$KV.%s.%.*s>", in->bucket, (int)prefix.len, prefix.len ? prefix.ptr : "");
}

struct feed *feed_open(trl_inst *in, trl_str prefix, uint64_t from_seq,
                       const struct feed_handler *h, void *arg) {
    struct feed *f = x_zalloc(sizeof(*f));
    char *filter = filter_of(in, prefix), *subject = text_fmt("CONSUMER.CREATE.%s", in->want.name);
    json_t *j_config;
    f->in = in;
    f->h = h;
    f->arg = arg;
    f->key_at = strlen("$KV..") + strlen(in->bucket);
    f->heard_ns = conn_now_ns();
    conn_inbox(in->peer.conn, f->inbox);
    f->port = x_zalloc(sizeof(*f->port));
    sink_init(&f->port->sink, on_port, port_destroy);
    f->port->box = box_ref(in->peer.box);
    f->port->feed = f;
    f->port->early_last = &f->port->early;
    f->sub = conn_subscribe(in->peer.conn, f->inbox, NULL, &f->port->sink);
    j_config = json_pack("{s:s,s:s,s:s,s:s,s:i,s:I,s:b,s:b,s:i,s:s}", "deliver_subject", f->inbox,
                         "deliver_policy", from_seq ? "by_start_sequence" : "last_per_subject",
                         "filter_subject", filter, "ack_policy", "none", "max_deliver", 1,
                         "idle_heartbeat", (json_int_t)(in->heartbeat_ms * 1000000), "flow_control",
                         1, "mem_storage", 1, "num_replicas", 1, "replay_policy", "instant");
    if (from_seq) {
        json_object_set_new(j_config, "opt_start_seq", json_integer((json_int_t)from_seq));
    }
    f->call = js_api(&in->peer, subject,
                     json_pack("{s:s,s:o}", "stream_name", in->want.name, "config", j_config),
                     on_consumer, f);
    free(subject);
    free(filter);
    return f;
}

static void ignore(void *arg, trl_status st, natsMsg *m) {
    (void)arg, (void)st, (void)m;
}

void feed_close(struct feed *f) {
    if (!f) {
        return;
    }
    f->port->feed = NULL;
    run_early(f->port); /* frees them */
    js_drop(f->call);
    if (f->in->peer.conn) {
        conn_unsubscribe(f->in->peer.conn, f->sub);
        if (f->consumer && conn_up(f->in->peer.conn)) { /* else the server does it by itself */
            char *subject = text_fmt("CONSUMER.DELETE.%s.%s", f->in->want.name, f->consumer);
            js_api(&f->in->peer, subject, NULL, ignore, NULL);
            free(subject);
        }
    }
    sink_unref(&f->port->sink);
    free(f->consumer);
    free(f->owed);
    free(f);
}

static void answer_flow(struct feed *f, trl_str subject) {
    char *text = text_of(subject);
    if (f->hold) {
        free(f->owed);
        f->owed = text;
        return;
    }
    if (subject_ok(subject, 0)) {
        conn_publish(f->in->peer.conn, msg_raw(text, NULL, NULL, 0), f->in->peer.host, NULL, 0);
    }
    free(text);
}

void feed_hold(struct feed *f, int hold) {
    char *owed = f->owed;
    f->hold = hold;
    if (hold || !owed) {
        return;
    }
    f->owed = NULL;
    answer_flow(f, trl_cstr(owed));
    free(owed);
}

static void on_control(struct feed *f, natsMsg *m) {
    trl_str reply = trl_cstr(natsMsg_GetReply(m)), stalled = msg_get(m, "Nats-Consumer-Stalled");
    int beat = msg_get(m, "Nats-Last-Consumer").len != 0;
    if (msg_status(m) != 100) {
        broken(f, TRL_OK, NULL);
    } else if (reply.len || stalled.len) {
        answer_flow(f, reply.len ? reply : stalled);
    } else if (beat && msg_get_u64(m, "Nats-Last-Consumer") != f->seq) {
        broken(f, TRL_OK, NULL); /* it sent more than we got */
    } else if (beat) {
        f->h->on_idle(f->arg);
    }
}

/* "$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<tries>.<seq>.<consumer seq>.<time>.<pending>"
 * and perhaps more. */
static int parse_meta(const char *reply, uint64_t *seq, uint64_t *consumer_seq, uint64_t *pending) {
    const char *tok[16];
    size_t n = 0, at;
    if (!reply || strncmp(reply, "$JS.ACK.", 8) != 0) {
        return 0;
    }
    for (const char *p = reply; p && n < 16; n++) {
        tok[n] = p;
        p = strchr(p, '.');
        p = p ? p + 1 : NULL;
    }
    if (n != 9 && n < 11) {
        return 0;
    }
    at = n == 9 ? 5 : 7;
    *seq = strtoull(tok[at], NULL, 10);
    *consumer_seq = strtoull(tok[at + 1], NULL, 10);
    *pending = strtoull(tok[at + 3], NULL, 10);
    return *seq > 0 && *consumer_seq > 0;
}

static void on_message(struct feed *f, natsMsg *m) {
    const char *subject = natsMsg_GetSubject(m);
    trl_str what;
    struct feed_msg e = {0};
    uint64_t seq = 0;
    f->heard_ns = conn_now_ns();
    if (msg_status(m)) {
        on_control(f, m);
        return;
    }
    if (!parse_meta(natsMsg_GetReply(m), &e.revision, &seq, &e.pending) || seq != f->seq + 1 ||
        strlen(subject) <= f->key_at) {
        broken(f, TRL_OK, NULL);
        return;
    }
    f->seq = seq;
    what = msg_get(m, "KV-Operation");
    e.deleted = trl_str_is(what, "DEL") || trl_str_is(what, "PURGE");
    e.key = trl_cstr(subject + f->key_at);
    e.value.ptr = e.deleted ? NULL : natsMsg_GetData(m);
    e.value.len = e.deleted ? 0 : (size_t)natsMsg_GetDataLength(m);
    bucket_saw(f->in, e.revision);
    f->h->on_entry(f->arg, &e);
}

void feed_tick(struct feed *f) {
    if (f->consumer && conn_now_ns() - f->heard_ns > 3 * f->in->heartbeat_ms * 1000000) {
        broken(f, TRL_OK, NULL);
    }
}
