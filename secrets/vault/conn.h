/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections to the server. libcurl finds the address, connects, passes a proxy and does TLS;
 * bytes then go by curl_easy_send/recv straight between the kernel or TLS and the caller's guarded
 * buffer, for libcurl's own transfer buffers are never wiped. A connection belongs to one thread at
 * a time; the pool may be used by any. Everything waits with patience: it ends at the deadline and
 * soon after a cancel.
 */
#ifndef VAULT_CONN_H
#define VAULT_CONN_H

#include <pthread.h>
#include <stdatomic.h>
#include <trellis/trellis.h>

#include "conf.h"

struct patience {
    const trl_host *h;
    trl_op *op; /* NULL: nobody cancels but the end of the instance */
    const atomic_bool *stopping;
    int64_t deadline_ns;
};

/* TRL_OK, or CANCELLED, CLOSED, TIMEOUT with a text. */
trl_status patience_left(const struct patience *p, trl_err *err);
/* The same with an earlier end. */
struct patience patience_within(const struct patience *p, int64_t ns);

struct conn;

#define POOL_MAX 8u

struct pool {
    const struct conf *conf; /* borrowed */
    pthread_mutex_t lock;
    struct conn *idle[POOL_MAX]; /* the one used last at the end */
    size_t n;
};

void pool_init(struct pool *p, const struct conf *c);
void pool_close(struct pool *p);  /* closes what is idle */
void pool_finish(struct pool *p); /* when no thread uses it any more */
/* An idle connection that the server has not closed (NULL: none), or a new one. */
struct conn *pool_take(struct pool *p, int64_t now_ns);
trl_status pool_connect(struct pool *p, const struct patience *w, struct conn **ret, trl_err *err);
/* Taken: kept for the next, or closed. */
void pool_give(struct pool *p, struct conn *c, bool keep, int64_t now_ns);

trl_status conn_send(struct conn *c, const char *at, size_t n, const struct patience *w,
                     trl_err *err);
/* *ret_n 0: the server closed it. UNAVAIL when it broke. */
trl_status conn_recv(struct conn *c, char *at, size_t cap, const struct patience *w, size_t *ret_n,
                     trl_err *err);

#endif
