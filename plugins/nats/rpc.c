/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests: one wildcard subscription for all replies, the last token of the reply subject says
 * whose it is.
 */
#include "conn_priv.h"

#include "text.h"

static void unlink_request(struct conn *c, struct request *r) {
    u64map_take(&c->requests, r->id);
    *(r->prev ? &r->prev->next : &c->req_first) = r->next;
    if (r->next) {
        r->next->prev = r->prev;
    }
}

static void end_request(struct request *r, trl_status st) {
    if (st != TRL_OK) {
        r->sink->on_msg(r->sink, st, NULL);
    }
    sink_unref(r->sink);
    free(r);
}

trl_status conn_request(struct conn *c, struct sink *s, const char *subject, int many,
                        int64_t timeout_ms, uint64_t *id, char reply[CONN_REPLY_MAX]) {
    size_t len = strlen(subject) + 1;
    struct request *r;
    if (!conn_up(c)) {
        return TRL_E_UNAVAIL;
    }
    r = x_zalloc(sizeof(*r) + len);
    memcpy(r->subject, subject, len);
    r->many = many;
    r->sink = s;
    sink_ref(s);
    r->deadline_ns = timeout_ms > 0 ? conn_now_ns() + timeout_ms * 1000000 : INT64_MAX;
    pthread_mutex_lock(&c->lock);
    r->id = *id = ++c->last_id;
    r->next = c->req_first;
    if (r->next) {
        r->next->prev = r;
    }
    c->req_first = r;
    u64map_put(&c->requests, r->id, r);
    if (r->deadline_ns < c->next_deadline_ns) {
        c->next_deadline_ns = r->deadline_ns;
        conn_wake(c);
    }
    pthread_mutex_unlock(&c->lock);
    snprintf(reply, CONN_REPLY_MAX, "%s%llu", c->inbox, (unsigned long long)*id);
    return TRL_OK;
}

static struct request *take(struct conn *c, uint64_t id) {
    struct request *r;
    pthread_mutex_lock(&c->lock);
    r = u64map_find(&c->requests, id);
    if (r) {
        unlink_request(c, r);
    }
    pthread_mutex_unlock(&c->lock);
    return r;
}

void conn_request_end(struct conn *c, uint64_t id) {
    struct request *r = take(c, id);
    if (r) {
        end_request(r, TRL_OK);
    }
}

int rpc_pending(struct conn *c, uint64_t id) {
    int yes;
    pthread_mutex_lock(&c->lock);
    yes = u64map_find(&c->requests, id) != NULL;
    pthread_mutex_unlock(&c->lock);
    return yes;
}

void rpc_fail(struct conn *c, uint64_t id, trl_status st) {
    struct request *r = take(c, id);
    if (r) {
        end_request(r, st);
    }
}

/* Ends the requests for which `over` is true. They are taken off under the lock and told without.
 */
static void fail_where(struct conn *c, trl_status st,
                       int (*over)(const struct request *r, const void *arg), const void *arg) {
    struct request *gone = NULL;
    pthread_mutex_lock(&c->lock);
    c->next_deadline_ns = INT64_MAX;
    for (struct request *r = c->req_first, *next; r; r = next) {
        next = r->next;
        if (over(r, arg)) {
            unlink_request(c, r);
            r->next = gone;
            gone = r;
        } else if (r->deadline_ns < c->next_deadline_ns) {
            c->next_deadline_ns = r->deadline_ns;
        }
    }
    pthread_mutex_unlock(&c->lock);
    while (gone) { /* oldest first: the list has the newest in front, and was turned round */
        struct request *next = gone->next;
        end_request(gone, st);
        gone = next;
    }
}

static int every(const struct request *r, const void *arg) {
    (void)r, (void)arg;
    return 1;
}

static int past(const struct request *r, const void *arg) {
    return r->deadline_ns <= *(const int64_t *)arg;
}

static int to_subject(const struct request *r, const void *arg) {
    return strcmp(r->subject, arg) == 0;
}

void rpc_fail_all(struct conn *c, trl_status st) {
    fail_where(c, st, every, NULL);
}

void rpc_deny(struct conn *c, const char *subject) {
    fail_where(c, TRL_E_DENIED, to_subject, subject);
}

void rpc_expire(struct conn *c, int64_t now_ns) {
    fail_where(c, TRL_E_TIMEOUT, past, &now_ns);
}

static int parse_id(const struct conn *c, const char *subject, uint64_t *id) {
    size_t n = strlen(c->inbox);
    char *end = NULL;
    if (strncmp(subject, c->inbox, n) != 0 || subject[n] < '0' || subject[n] > '9') {
        return 0;
    }
    *id = strtoull(subject + n, &end, 10);
    return *end == '\0';
}

void rpc_on_reply(natsConnection *nc, natsSubscription *sub, natsMsg *m, void *arg) {
    struct conn *c = arg;
    struct request *r = NULL;
    struct sink *s = NULL;
    uint64_t id = 0;
    (void)nc, (void)sub;
    if (parse_id(c, natsMsg_GetSubject(m), &id)) {
        pthread_mutex_lock(&c->lock);
        r = u64map_find(&c->requests, id);
        if (r) {
            s = r->sink;
            sink_ref(s);
            if (r->many) {
                r = NULL; /* stays */
            } else {
                unlink_request(c, r);
            }
        }
        pthread_mutex_unlock(&c->lock);
    }
    if (!s) { /* late: the request is over */
        msgbin_put(&c->bin, m);
        return;
    }
    s->on_msg(s, TRL_OK, m);
    sink_unref(s);
    if (r) {
        end_request(r, TRL_OK);
    }
}
