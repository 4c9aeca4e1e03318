/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of store/1 that is the same for every store whose truth is a kvindex: streams of entries
 * (get, list, watch) with back-pressure, and write requests. All on the loop.
 */
#ifndef STORE_COMMON_KVSERVE_H
#define STORE_COMMON_KVSERVE_H

#include "../common/u64map.h"
#include "kvindex.h"

struct kvfeed;

struct kvserve {
    const trl_host *host;
    struct kvindex ix;
    struct kvfeed *first, *last;
    struct u64map by_op;
    size_t n_watches;
};

void kvserve_init(struct kvserve *s, const trl_host *host);
void kvserve_stop(struct kvserve *s);   /* completes every stream with CANCELLED */
void kvserve_finish(struct kvserve *s); /* completes nothing */

void kvserve_get(struct kvserve *s, trl_op *op, trl_str key);
void kvserve_list(struct kvserve *s, trl_op *op, trl_str prefix, trl_str after, uint32_t limit);
void kvserve_watch(struct kvserve *s, trl_op *op, trl_str prefix, uint64_t from_rev);
/* False: the op is no stream of ours. */
int kvserve_cancel(struct kvserve *s, trl_op *op);
void kvserve_resume(struct kvserve *s, trl_op *op);

/* Commits what is staged in the index and tells the watches. */
void kvserve_commit(struct kvserve *s);

/* A put, del or batch on its way: records with their expectations. */
struct kvwrite {
    struct kvwrite *next; /* for the store's queue */
    trl_op *op;
    trl_status status; /* for the store: how staging went */
    uint32_t n;
    uint64_t bytes; /* of keys and values */
    trl_err err;
    struct kvwrite_item {
        struct kvrec *rec;
        uint64_t expect_rev;
    } items[];
};

/* Checks and copies n trl_put. NULL: not legal, and the op was completed. */
struct kvwrite *kvwrite_new(const trl_host *host, trl_op *op, const void *puts, uint32_t n,
                            uint32_t stride);
struct kvwrite *kvwrite_del(const trl_host *host, trl_op *op, trl_str key, uint64_t expect_rev);
/* Stages all of it or nothing; the outcome is also in w->status and w->err. */
trl_status kvwrite_stage(struct kvindex *ix, struct kvwrite *w);
/* Completes the op with w->status (the last revision, or w->err) and frees w. */
void kvwrite_done(const trl_host *host, struct kvwrite *w);
/* Frees w; the op is the caller's. */
void kvwrite_free(struct kvwrite *w);

#endif
