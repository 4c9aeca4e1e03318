/* SPDX-License-Identifier: Apache-2.0 */
#include "recv.h"

#include <pthread.h>

#include "msg.h"
#include "msgbin.h"
#include "text.h"

#define HELD_MAX       65536u
#define HELD_MAX_BYTES ((size_t)64 << 20)

struct recvs {
    atomic_uint refs;
    const trl_host *host;
    const trl_host_msg_v1 *msg;
    pthread_mutex_t lock; /* taken inside a receiver's lock, or alone */
    struct u64map by_op;
    struct msgbin bin;
    struct recv *first;
    atomic_ullong delivered, dropped;
    uint64_t subs, requests;
};

struct recv {
    struct sink sink;
    struct recvs *owner;
    struct recv *prev, *next; /* under the owner's lock */
    enum recv_kind kind;
    trl_op *op;
    struct conn_sub *sub; /* loop's */
    uint64_t request;     /* loop's */
    char *subject;

    pthread_mutex_t lock;
    int over, paused, answered, slow;
    natsMsg **ring; /* held messages */
    size_t cap, head, n, bytes;
};

struct recvs *recvs_create(const trl_host *h, const trl_host_msg_v1 *msg) {
    struct recvs *rs = x_zalloc(sizeof(*rs));
    atomic_init(&rs->refs, 1);
    rs->host = h;
    rs->msg = msg;
    pthread_mutex_init(&rs->lock, NULL);
    msgbin_init(&rs->bin);
    return rs;
}

void recvs_unref(struct recvs *rs) {
    if (rs && atomic_fetch_sub(&rs->refs, 1) == 1) {
        u64map_finish(&rs->by_op);
        msgbin_finish(&rs->bin);
        pthread_mutex_destroy(&rs->lock);
        free(rs);
    }
}

static natsMsg *held_pop(struct recv *r) {
    natsMsg *m = r->ring[r->head];
    r->head = (r->head + 1) & (r->cap - 1);
    r->n--;
    r->bytes -= msg_cost(m);
    return m;
}

static void held_clear(struct recv *r) {
    while (r->n) {
        msgbin_put(&r->owner->bin, held_pop(r));
    }
    free(r->ring);
    r->ring = NULL;
    r->cap = r->head = 0;
}

static void held_push(struct recv *r, natsMsg *m) {
    if (r->n == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 16;
        natsMsg **ring = x_zalloc_n(cap, sizeof(natsMsg *));
        for (size_t i = 0; i < r->n; i++) {
            ring[i] = r->ring[(r->head + i) & (r->cap - 1)];
        }
        free(r->ring);
        r->ring = ring;
        r->cap = cap;
        r->head = 0;
    }
    r->ring[(r->head + r->n++) & (r->cap - 1)] = m;
    r->bytes += msg_cost(m);
}

static void recv_destroy(struct sink *s) {
    struct recv *r = (struct recv *)s;
    held_clear(r);
    pthread_mutex_destroy(&r->lock);
    recvs_unref(r->owner);
    free(r->subject);
    free(r);
}

/* Takes it out of the table and gives up the table's reference. */
static void forget(struct recv *r) {
    struct recvs *rs = r->owner;
    pthread_mutex_lock(&rs->lock);
    u64map_take(&rs->by_op, u64map_ptr_key(r->op));
    *(r->prev ? &r->prev->next : &rs->first) = r->next;
    if (r->next) {
        r->next->prev = r->prev;
    }
    *(r->kind == RECV_SUB ? &rs->subs : &rs->requests) -= 1;
    pthread_mutex_unlock(&rs->lock);
    sink_unref(&r->sink);
}

/* The caller has set `over` and let go of the lock, and has a reference of its own. */
static void complete(struct recv *r, trl_status st) {
    const trl_host *h = r->owner->host;
    trl_op *op = r->op;
    trl_bytes none = {NULL, 0};
    trl_err err = {.struct_size = sizeof(err)};
    int shown = (int)strnlen(r->subject, 150);
    forget(r);
    switch (st) {
    case TRL_OK:
    case TRL_E_CANCELLED:
        h->op_done(op, st, none, NULL);
        return;
    case TRL_E_NORESPONDER:
        trl_errf(&err, st, "nobody listens on %.*s", shown, r->subject);
        break;
    case TRL_E_DENIED:
        trl_errf(&err, st, "nats: the server does not permit this login to use %.*s", shown,
                 r->subject);
        break;
    case TRL_E_UNAVAIL:
        trl_errf(&err, st, "nats: the link is down; whether a request on %.*s was heard is unknown",
                 shown, r->subject);
        break;
    case TRL_E_BUSY:
        trl_errf(&err, st, "nats: too much waits for the server already (pending_bytes)");
        err.retry_after_ms = 100;
        break;
    default:
        trl_errf(&err, st, "nats: request on %.*s failed (%d)", shown, r->subject, st);
    }
    h->op_done(op, st, none, &err);
}

static trl_status deliver(struct recv *r, natsMsg *m) {
    struct msg_view v;
    trl_status st;
    msg_view_init(&v, m);
    st = r->owner->msg->deliver(r->op, &v.msg);
    msg_view_finish(&v);
    return st;
}

/* Lock held. m is taken. */
static void hold(struct recv *r, natsMsg *m) {
    const trl_host *h = r->owner->host;
    if (r->n && (r->n >= HELD_MAX || r->bytes + msg_cost(m) > HELD_MAX_BYTES)) {
        atomic_fetch_add(&r->owner->dropped, 1);
        msgbin_put(&r->owner->bin, m);
        if (!r->slow) {
            r->slow = 1;
            trl_logf(h, TRL_LOG_WARN,
                     "nats: slow consumer of %.200s: %zu messages (%zu bytes) wait, new ones are "
                     "dropped until it catches up",
                     r->subject, r->n, r->bytes);
        }
        return;
    }
    held_push(r, m);
}

/* Lock held; takes m. Returns 1 when the op is to be completed with TRL_OK. */
static int give(struct recv *r, natsMsg *m) {
    if (!r->paused) {
        trl_status st = deliver(r, m);
        if (st != TRL_E_BUSY) {
            msgbin_put(&r->owner->bin, m);
            if (st == TRL_OK) {
                atomic_fetch_add(&r->owner->delivered, 1);
            }
            return st == TRL_OK && r->kind == RECV_REQUEST;
        }
        r->paused = 1;
    }
    hold(r, m);
    r->answered = r->kind == RECV_REQUEST;
    return 0;
}

/* [any] */
static void on_msg(struct sink *s, trl_status st, natsMsg *m) {
    struct recv *r = (struct recv *)s;
    int finish = st != TRL_OK;
    if (m && r->kind != RECV_SUB && msg_status(m) == MSG_NO_RESPONDERS) {
        finish = 1;
        st = TRL_E_NORESPONDER;
    }
    pthread_mutex_lock(&r->lock);
    if (r->over || (finish && r->answered)) { /* the answer waits for resume, then it is done */
        finish = 0;
    } else if (!finish) {
        finish = give(r, m);
        m = NULL;
    }
    r->over |= finish;
    pthread_mutex_unlock(&r->lock);
    msgbin_put(&r->owner->bin, m);
    if (finish) {
        complete(r, st);
    }
}

static struct recv *recv_new(struct recvs *rs, trl_op *op, enum recv_kind kind,
                             const char *subject) {
    struct recv *r = x_zalloc(sizeof(*r));
    sink_init(&r->sink, on_msg, recv_destroy);
    pthread_mutex_init(&r->lock, NULL);
    atomic_fetch_add(&rs->refs, 1);
    r->owner = rs;
    r->kind = kind;
    r->op = op;
    r->subject = text_dup(subject);
    pthread_mutex_lock(&rs->lock);
    r->next = rs->first;
    if (r->next) {
        r->next->prev = r;
    }
    rs->first = r;
    u64map_put(&rs->by_op, u64map_ptr_key(op), r);
    *(kind == RECV_SUB ? &rs->subs : &rs->requests) += 1;
    pthread_mutex_unlock(&rs->lock);
    sink_ref(&r->sink); /* the caller's; the first one is the table's */
    return r;
}

void recv_subscribe(struct recvs *rs, struct conn *c, trl_op *op, const char *subject,
                    const char *queue) {
    struct recv *r = recv_new(rs, op, RECV_SUB, subject);
    r->sub = conn_subscribe(c, subject, queue, &r->sink);
    sink_unref(&r->sink);
}

static void fail(struct recv *r, trl_status st) {
    int mine;
    pthread_mutex_lock(&r->lock);
    mine = !r->over;
    r->over = 1;
    pthread_mutex_unlock(&r->lock);
    if (mine) {
        complete(r, st);
    }
}

void recv_request(struct recvs *rs, struct conn *c, trl_op *op, const trl_msg *m, int many) {
    char reply[CONN_REPLY_MAX], *subject = text_of(m->subject);
    struct recv *r = recv_new(rs, op, many ? RECV_MANY : RECV_REQUEST, subject);
    trl_status st = conn_request(c, &r->sink, subject, many, 0, &r->request, reply);
    if (st == TRL_OK) {
        st = conn_publish(c, msg_build(m, reply), rs->host, NULL, r->request);
        if (st != TRL_OK) {
            conn_request_end(c, r->request);
        }
    }
    if (st != TRL_OK) {
        fail(r, st);
    }
    sink_unref(&r->sink);
    free(subject);
}

/* A reference, or NULL. */
static struct recv *find(struct recvs *rs, trl_op *op) {
    struct recv *r;
    pthread_mutex_lock(&rs->lock);
    r = u64map_find(&rs->by_op, u64map_ptr_key(op));
    if (r) {
        sink_ref(&r->sink);
    }
    pthread_mutex_unlock(&rs->lock);
    return r;
}

/* Stops what feeds it. [loop], where sub and request belong. */
static void unplug(struct recv *r, struct conn *c) {
    if (r->sub) {
        conn_unsubscribe(c, r->sub);
        r->sub = NULL;
    }
    if (r->request) {
        conn_request_end(c, r->request);
        r->request = 0;
    }
}

int recv_cancel(struct recvs *rs, struct conn *c, trl_op *op) {
    struct recv *r = find(rs, op);
    if (!r) {
        return 0;
    }
    unplug(r, c);
    fail(r, TRL_E_CANCELLED);
    sink_unref(&r->sink);
    return 1;
}

int recv_resume(struct recvs *rs, struct conn *c, trl_op *op) {
    struct recv *r = find(rs, op);
    int finish = 0, caught_up = 0;
    if (!r) {
        return 0;
    }
    pthread_mutex_lock(&r->lock);
    while (r->paused && !r->over && r->n) {
        trl_status st = deliver(r, r->ring[r->head]);
        if (st == TRL_E_BUSY) {
            break;
        }
        msgbin_put(&rs->bin, held_pop(r));
        atomic_fetch_add(&rs->delivered, st == TRL_OK);
    }
    if (r->paused && !r->over && !r->n) {
        r->paused = 0;
        caught_up = r->slow;
        r->slow = 0;
        finish = r->answered;
        r->over |= finish;
    }
    pthread_mutex_unlock(&r->lock);
    if (caught_up) {
        trl_logf(rs->host, TRL_LOG_WARN,
                 "nats: consumer of %.200s caught up; %llu messages dropped", r->subject,
                 (unsigned long long)atomic_load(&rs->dropped));
    }
    if (finish) {
        unplug(r, c);
        complete(r, TRL_OK);
    }
    sink_unref(&r->sink);
    return 1;
}

void recvs_end(struct recvs *rs, struct conn *c) {
    for (;;) {
        trl_op *op;
        pthread_mutex_lock(&rs->lock);
        op = rs->first ? rs->first->op : NULL;
        pthread_mutex_unlock(&rs->lock);
        /* Another thread that completes it meanwhile takes it off the list by itself. */
        if (!op) {
            return;
        }
        recv_cancel(rs, c, op);
    }
}

void recvs_count(struct recvs *rs, struct recvs_count *out) {
    pthread_mutex_lock(&rs->lock);
    out->subs = rs->subs;
    out->requests = rs->requests;
    pthread_mutex_unlock(&rs->lock);
    out->delivered = atomic_load(&rs->delivered);
    out->dropped = atomic_load(&rs->dropped);
}
