/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of the store: everything runs on the loop; the library's threads only put messages
 * into the mailbox.
 */
#ifndef NATS_STORE_PRIV_H
#define NATS_STORE_PRIV_H

#include "../common/u64map.h"
#include "peer.h"
#include "stream.h"

struct kvop;

enum bucket_state { BUCKET_DOWN, BUCKET_CHECKING, BUCKET_READY, BUCKET_FAILED };

struct trl_inst {
    struct peer peer;
    const trl_host_loop_v1 *loop;
    trl_op *start_op;
    int64_t heartbeat_ms, check_interval_ms;
    struct stream_want want; /* the bucket's stream */
    char *bucket;
    char *put_prefix; /* in front of a key, to write it */

    enum bucket_state state;
    struct stream_check *check;
    trl_err trouble; /* BUCKET_FAILED: why */
    char *said;      /* as last logged */
    json_t *j_drift;
    int allow_direct, known, start_tries;
    char since[64];     /* which incarnation of the bucket; with `known` */
    uint64_t messages;  /* at the last look */
    uint64_t subjects;  /* same */
    uint64_t last_seq;  /* highest revision seen anywhere */
    uint64_t floor_seq; /* ... when the look under way began */
    uint64_t empty_seq; /* a look found nothing up to this revision */
    uint64_t wipes, resyncs;
    uint64_t retry_timer, tick_timer;
    int64_t next_check_ns, retry_ms;

    struct kvop *first, *last; /* all ops, in order */
    struct u64map by_op;
};

/* One op of the store. */
struct kvop_kind {
    void (*go)(struct kvop *k);        /* the bucket is ready: (go on to) do it */
    void (*link_down)(struct kvop *k); /* no server, no bucket; NULL: it fails */
    void (*tick)(struct kvop *k);      /* from time to time; NULL: nothing */
    void (*drained)(struct kvop *k);   /* what the core had no room for is out; NULL: nothing */
    void (*wiped)(struct kvop *k);     /* the bucket starts over; NULL: nothing */
    void (*destroy)(struct kvop *k);   /* frees it and what it has */
};

struct kvop {
    const struct kvop_kind *kind;
    trl_inst *in;
    trl_op *op;
    struct kvop *prev, *next;
    struct js_call *call;                   /* under way */
    int waiting;                            /* for the bucket */
    int repaired;                           /* has seen the bucket come back once already */
    struct out_item *out_first, **out_last; /* entries the core had no room for */
    int ends;                               /* complete with TRL_OK once they are out */
};

/* k: zeroed but for kind, and owned by the store from now on. Goes at once, later, or fails. */
void kvop_begin(trl_inst *in, struct kvop *k, trl_op *op);
/* Complete and destroy it. */
void kvop_ok(struct kvop *k, const void *result, size_t len);
void kvop_fail(struct kvop *k, const trl_err *err);
__attribute__((format(printf, 3, 4))) void kvop_failf(struct kvop *k, trl_status st,
                                                      const char *fmt, ...);
/* Ready: go; else wait for the bucket, or fail when there is none to wait for. */
void kvop_go(struct kvop *k);
/* The bucket seems to be gone (no stream took the message, no such stream): looks for it, and goes
 * again once. Returns 0 when that was tried already. */
int kvop_repair(struct kvop *k);
/* Emits now or when the core has room. After kvop_end_after the op completes behind the last one.
 */
void kvop_emit(struct kvop *k, uint32_t flags, uint64_t revision, trl_str key, trl_bytes value);
void kvop_end_after(struct kvop *k);
int kvop_full(const struct kvop *k); /* something waits for the core */
void kvop_resume(struct kvop *k);

/* bucket.c */
void bucket_look(trl_inst *in);  /* ops wait until it is found or made */
void bucket_check(trl_inst *in); /* looks, and nobody waits */
void bucket_on_event(trl_inst *in, enum conn_event e);
void bucket_start_tick(trl_inst *in);
void bucket_end(trl_inst *in); /* no timer, no request any more; ops are completed as cancelled */
void bucket_saw(trl_inst *in, uint64_t seq); /* a revision */

/* write.c */
void write_begin(trl_inst *in, trl_op *op, const void *puts, uint32_t n, uint32_t stride);

/* feed.c: an ordered push consumer that delivers to the loop. */
struct feed;
struct feed_msg {
    trl_str key;
    trl_bytes value;
    uint64_t revision, pending;
    int deleted;
};
struct feed_handler {
    void (*on_start)(void *arg, uint64_t pending);
    void (*on_entry)(void *arg, const struct feed_msg *m);
    void (*on_idle)(void *arg); /* the server has nothing more just now */
    /* It is over: TRL_OK for a gap or silence (start another), TRL_E_NOTFOUND: no such stream, else
     * an error. The feed is dead already. */
    void (*on_broken)(void *arg, trl_status st, const trl_err *err);
};
/* prefix: of keys. from_seq 0: the last of each key. */
struct feed *feed_open(trl_inst *in, trl_str prefix, uint64_t from_seq,
                       const struct feed_handler *h, void *arg);
void feed_close(struct feed *f); /* NULL is fine */
void feed_tick(struct feed *f);  /* judges silence */
/* The consumer of the entries is behind (1) or not (0): stops the server after what is on the way.
 */
void feed_hold(struct feed *f, int hold);

/* watch.c */
void watch_begin(trl_inst *in, trl_op *op, trl_str prefix, uint64_t from_rev);
void list_begin(trl_inst *in, trl_op *op, trl_str prefix, trl_str after, uint32_t limit);

#endif
