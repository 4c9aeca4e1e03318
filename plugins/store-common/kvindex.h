/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys with revisions in memory: sorted by key for list, chained by revision for watch. Writes are
 * staged first and committed or aborted later, so a store can put the disk between the two; readers
 * see committed state only. One thread at a time.
 */
#ifndef STORE_COMMON_KVINDEX_H
#define STORE_COMMON_KVINDEX_H

#include <trellis/trellis.h>

#define KV_VALUE_MAX (1u << 20)

/* One state of one key, immutable once committed; its `e` and what follows are what op_emit takes.
 * Shared; the count is for one thread. */
struct kvrec {
    uint32_t refs, reserved;
    trl_entry e;
    char data[]; /* key, then value */
};

/* value is ignored for a tombstone. One reference, the caller's; the revision is 0. */
struct kvrec *kvrec_new(trl_str key, trl_bytes value, uint32_t flags);
struct kvrec *kvrec_ref(struct kvrec *r);
void kvrec_unref(struct kvrec *r); /* NULL is fine */

static inline trl_str kvrec_key(const struct kvrec *r) {
    return trl_strn(r->data, r->e.key_len);
}
static inline trl_bytes kvrec_value(const struct kvrec *r) {
    trl_bytes b = {r->data + r->e.key_len, r->e.value_len};
    return b;
}
static inline trl_bytes kvrec_item(const struct kvrec *r) {
    trl_bytes b = {&r->e, sizeof(r->e) + r->e.key_len + r->e.value_len};
    return b;
}
static inline int kvrec_deleted(const struct kvrec *r) {
    return (r->e.flags & TRL_ENTRY_DELETED) != 0;
}

struct kvnode;

struct kvstage {
    struct kvnode *node;
    struct kvrec *rec, *before; /* before: staged for the same key earlier */
};

struct kvindex {
    struct kvnode *head;            /* of the skip list */
    struct kvnode *oldest, *newest; /* by revision of the committed record */
    uint64_t revision;              /* of the last commit */
    uint64_t floor;                 /* changes up to this revision may have been forgotten */
    size_t n_live, n_tombstones;    /* committed */
    uint64_t live_bytes;            /* of keys and values */
    struct kvstage *staged;
    size_t n_staged, cap_staged;
};

void kvindex_init(struct kvindex *ix);
void kvindex_finish(struct kvindex *ix);

/* Stages a record (a reference is taken) if the expectation holds against committed and staged
 * state, and gives it its revision. Returns TRL_OK or TRL_E_CONFLICT with the text in err. */
trl_status kvindex_stage(struct kvindex *ix, struct kvrec *rec, uint64_t expect_rev, trl_err *err);
size_t kvindex_mark(const struct kvindex *ix);          /* how much is staged */
void kvindex_rollback(struct kvindex *ix, size_t mark); /* forgets what was staged after the mark */
/* Commits all that is staged, in order; on_change runs after each. */
void kvindex_commit(struct kvindex *ix, void (*on_change)(void *arg, struct kvrec *r), void *arg);

/* For loading: puts a record with its revision in place, whatever was there (a reference is taken).
 * Fast when revisions grow. Finish with kvindex_loaded. */
void kvindex_load(struct kvindex *ix, struct kvrec *rec);
void kvindex_loaded(struct kvindex *ix, uint64_t revision, uint64_t floor);

/* Committed; borrowed. NULL: never written, or forgotten. May be a tombstone. */
struct kvrec *kvindex_find(const struct kvindex *ix, trl_str key);

/* The committed live records in order of key, starting at the first one that is >= from (or > from
 * when exclusive). */
struct kvnode *kvindex_seek(const struct kvindex *ix, trl_str from, int exclusive);
struct kvnode *kvindex_next(const struct kvnode *n);
struct kvrec *kvindex_rec(const struct kvnode *n); /* borrowed */

/* Calls fn for every record with a revision above rev, tombstones too, oldest first. */
void kvindex_since(const struct kvindex *ix, uint64_t rev, void (*fn)(void *arg, struct kvrec *r),
                   void *arg);

/* Forgets all tombstones and raises the floor. Nothing may be staged. */
void kvindex_drop_tombstones(struct kvindex *ix);

#endif
