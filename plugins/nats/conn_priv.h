/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a connection, for conn.c (what the loop calls), worker.c (the thread), rpc.c.
 */
#ifndef NATS_CONN_PRIV_H
#define NATS_CONN_PRIV_H

#include <pthread.h>

#include "../common/u64map.h"
#include "conn.h"
#include "msgbin.h"

enum job_kind { JOB_PUBLISH, JOB_SUB, JOB_UNSUB, JOB_CALL };

struct job {
    struct job *next;
    enum job_kind kind;
    natsMsg *msg;
    size_t cost;
    const trl_host *host;
    trl_op *op;
    uint64_t request;
    struct conn_sub *sub;
    void (*fn)(natsConnection *nc, void *arg);
    void *arg;
};

struct conn_sub {
    atomic_uint refs; /* the owner (until its UNSUB ran), the SUB job, each library subscription */
    struct conn_sub *prev, *next;
    struct sink *sink;
    natsSubscription *ns; /* worker's */
    char *subject, *queue;
};

struct request {
    struct request *prev, *next;
    uint64_t id;
    int many;
    int64_t deadline_ns; /* INT64_MAX: none */
    struct sink *sink;
    char subject[];
};

struct conn {
    /* under the table's lock (conn.c) */
    struct conn *table_next;
    uint32_t users_n;

    pthread_t thread;
    struct msgbin bin;
    struct opts opts;
    char inbox[128];  /* "<prefix>.<random>." */
    atomic_uint refs; /* users as one; each library connection */
    atomic_int up;
    atomic_ullong max_payload;

    /* events and log lines; taken before `lock`, never the other way round */
    pthread_mutex_t users_lock;
    struct conn_user *users;
    int settled, said_up; /* a first round of attempts is over; CONN_UP was the last event */

    pthread_mutex_t lock;
    pthread_cond_t wake; /* monotonic clock */
    int waiting;         /* the worker sleeps */
    int closing, lost;
    struct job *jobs, **jobs_last;
    size_t jobs_bytes;
    struct u64map requests;
    struct request *req_first;
    uint64_t last_id, last_inbox;
    int64_t next_deadline_ns;
    struct conn_sub *subs, *subs_last;
    natsConnection *nc;
    uint64_t links, dropped, slow;
    int said_full;
    char url[256], server_id[64];
    char denied[256]; /* the last permission error, said once */

    /* worker's own */
    struct opts_url *found; /* servers learned from the cluster */
    size_t n_found;
    char *said; /* the last trouble that was logged */
    natsSubscription *inbox_sub;
    natsOptions *kept; /* of the last attempt, see conn_keep */
    int64_t opened_ns;
    uint64_t dice;
};

void conn_wake(struct conn *c); /* lock held */
void conn_unref(struct conn *c);
void conn_event(struct conn *c, enum conn_event e);
__attribute__((format(printf, 3, 4))) void conn_logf(struct conn *c, int level, const char *fmt,
                                                     ...);
void job_fail(struct conn *c, struct job *j, trl_status st, const char *why); /* frees it */
void conn_sub_unref(struct conn_sub *sub);
/* [worker] The options hold the TLS state of a connection together with it. The library's threads
 * give up theirs some time after the connection was closed; would theirs be the last, they could do
 * it while the process exits and OpenSSL is gone already (seen: 1 exit in 400 under load). So ours
 * outlives theirs: what a connection leaves is freed when the next one starts. */
void conn_keep(natsOptions *o);
void conn_free_kept(void);

void *conn_worker(void *arg); /* struct conn * */

/* rpc.c */
int rpc_pending(struct conn *c, uint64_t id);
void rpc_fail(struct conn *c, uint64_t id, trl_status st);
void rpc_fail_all(struct conn *c, trl_status st);
void rpc_deny(struct conn *c, const char *subject);
void rpc_expire(struct conn *c, int64_t now_ns);
void rpc_on_reply(natsConnection *nc, natsSubscription *sub, natsMsg *m, void *arg);

/* link.c: one library connection [worker] */
void link_open_round(struct conn *c); /* sets c->nc on success; else logs the trouble once */
void link_close(struct conn *c);
natsStatus link_subscribe(struct conn *c, struct conn_sub *sub);

#endif
