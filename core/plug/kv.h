/* SPDX-License-Identifier: Apache-2.0
 *
 * A store as the core uses it. All on the loop; callbacks run in a later turn.
 */
#ifndef TRELLIS_PLUG_KV_H
#define TRELLIS_PLUG_KV_H

#include "base/str.h"
#include "plug/plug.h"

struct kv;
struct kv_watch;

struct kv_entry {
    str key, value;
    uint64_t revision;
    uint32_t flags; /* TRL_ENTRY_* */
};

/* in: a started store/1 instance, borrowed for the life of the kv. */
struct kv *kv_create(struct plug_inst *in);
void kv_destroy(struct kv *k);         /* ends watches; callbacks of writes under way do not run */
bool kv_idle(const struct kv *k);      /* nothing is under way, no watch */
uint32_t kv_flags(const struct kv *k); /* TRL_S_* */

typedef void (*kv_done_fn)(void *arg, trl_status st, uint64_t revision, const trl_err *err);
void kv_put(struct kv *k, str key, str value, uint64_t expect_rev, kv_done_fn done, void *arg);
void kv_del(struct kv *k, str key, uint64_t expect_rev, kv_done_fn done, void *arg);
void kv_batch(struct kv *k, const trl_put *puts, uint32_t n, kv_done_fn done, void *arg);
/* entry is NULL unless st is TRL_OK. */
void kv_get(struct kv *k, str key, void (*done)(void *arg, trl_status st, const struct kv_entry *e),
            void *arg);
void kv_list(struct kv *k, str prefix, str after, uint32_t limit,
             void (*on_entry)(void *arg, const struct kv_entry *e),
             void (*done)(void *arg, trl_status st, const trl_err *err), void *arg);
/* Entries, then TRL_ENTRY_SYNC, then changes until kv_watch_end. on_end: it broke (status); the
 * caller starts another. */
struct kv_watch *kv_watch(struct kv *k, str prefix,
                          void (*on_entry)(void *arg, const struct kv_entry *e),
                          void (*on_end)(void *arg, trl_status st), void *arg);
void kv_watch_end(struct kv_watch *w);
/* No callback with that arg runs any more; writes under way may still happen. */
void kv_forget(struct kv *k, const void *arg);
void kv_info(struct kv *k, void (*done)(void *arg, trl_status st, str json), void *arg);

#endif
