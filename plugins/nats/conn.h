/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection to NATS, shared by all instances in the process whose connection options are
 * equal.
 *
 * A worker thread owns the library's connection: it connects, writes, subscribes and closes,
 * because each of these can block (a full socket, a lock held through a connect). The loop only
 * queues. When the link breaks the worker starts over with a new library connection and subscribes
 * again, so there is one path for the first and every later connect, files with credentials are
 * read afresh, and an authorization error never ends it for good.
 */
#ifndef NATS_CONN_H
#define NATS_CONN_H

#include <nats/nats.h>
#include <stdatomic.h>

#include "opts.h"

struct conn;
struct conn_sub;

/* Where messages go. Shared (counted): the connection and the library's threads hold references. */
struct sink {
    atomic_uint refs;
    /* [any] m is taken. st is TRL_OK with a message; else m is NULL: the request failed, or the
     * subscription was refused. Must be quick and must not call back into the connection. */
    void (*on_msg)(struct sink *s, trl_status st, natsMsg *m);
    void (*destroy)(struct sink *s);
};
void sink_init(struct sink *s, void (*on_msg)(struct sink *, trl_status, natsMsg *),
               void (*destroy)(struct sink *)); /* one reference, the caller's */
void sink_ref(struct sink *s);
void sink_unref(struct sink *s);

enum conn_event {
    CONN_UP,
    CONN_DOWN,    /* was up */
    CONN_WAITING, /* the first round of attempts failed */
    CONN_GONE,    /* last event of the last user: conn_join may be called */
};

/* Embedded in an instance. on_event runs on the worker (or inside conn_acquire): hand it on, do not
 * call back. */
struct conn_user {
    struct conn_user *next;
    const trl_host *host; /* logs go to the first user */
    void (*on_event)(struct conn_user *u, enum conn_event e);
};

/* [loop] *o is taken. Tells u the present state if there is one yet. */
struct conn *conn_acquire(struct opts *o, struct conn_user *u);
/* [loop] No event for u afterwards, except CONN_GONE if this was the last user (returns 1): then
 * conn_join must follow, and may block until that event. Otherwise 0, and c is dead for u. */
int conn_release(struct conn *c, struct conn_user *u);
void conn_join(struct conn *c);

int conn_up(const struct conn *c);               /* [any] a glance: may change at once */
uint64_t conn_max_payload(const struct conn *c); /* [any] 0: not known yet */

/* [loop] m is taken. op: completed when the library took it; NULL: nobody waits, and it is kept
 * through a broken link. request: the message is dropped if that request is over. */
trl_status conn_publish(struct conn *c, natsMsg *m, const trl_host *host, trl_op *op,
                        uint64_t request);

/* [any] Begins a request and tells the subject for its reply; conn_publish with its id sends it.
 * One on_msg (any number, if many); with an error (UNAVAIL when the link breaks, TIMEOUT if
 * timeout_ms > 0, DENIED) it is the last. TRL_E_UNAVAIL when the link is down. */
#define CONN_REPLY_MAX 256u
trl_status conn_request(struct conn *c, struct sink *s, const char *subject, int many,
                        int64_t timeout_ms, uint64_t *id, char reply[CONN_REPLY_MAX]);
void conn_request_end(struct conn *c, uint64_t id); /* unknown ids are ignored */

/* [loop] In force for everything published through c afterwards, and again after each reconnect. */
struct conn_sub *conn_subscribe(struct conn *c, const char *subject, const char *queue,
                                struct sink *s);
void conn_unsubscribe(struct conn *c, struct conn_sub *sub); /* taken; NULL is fine */

/* [loop] Runs fn(arg) on the worker, after what was queued before; also when the link is down
 * (nc NULL). */
void conn_call(struct conn *c, void (*fn)(natsConnection *nc, void *arg), void *arg);

/* A new subject below the inbox prefix that nobody can guess. */
void conn_inbox(struct conn *c, char out[CONN_REPLY_MAX]);

struct conn_facts {
    char url[256], server_id[64];
    uint64_t links, dropped, slow; /* times connected; messages refused; slow consumer reports */
    size_t pending_bytes;
    uint32_t users;
};
void conn_facts(struct conn *c, struct conn_facts *out);
const struct opts *conn_opts(const struct conn *c);

int64_t conn_now_ns(void); /* [any] monotonic, of the system */

#endif
