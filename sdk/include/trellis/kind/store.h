/* SPDX-License-Identifier: Apache-2.0
 *
 * store/1: keys with revisions. Keys are [A-Za-z0-9._=/-]{1,250} with '.' as the separator; no
 * empty token, no leading or trailing '.'. Values up to 1 MiB. Revisions are > 0 and grow with
 * every write in the store. A deleted key keeps a tombstone: its revision moves on.
 */
#ifndef TRELLIS_KIND_STORE_H
#define TRELLIS_KIND_STORE_H

#include <trellis/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRL_S_SYNCED  1u /* an acknowledged write is on the medium (fdatasync) */
#define TRL_S_ACKED   2u /* ... is in the server's hands; survives kill -9, maybe not power loss */
#define TRL_S_HISTORY 4u
#define TRL_S_ATOMIC  8u /* batch is all or nothing */
#define TRL_S_EXCLUSIVE                                                                            \
    16u /* no second process can have it open: leases need no renewal          */
#define TRL_S_COALESCES                                                                            \
    32u /* a watch may leave out a change when a later one of its key exists                       \
         */

#define TRL_REV_ANY    UINT64_MAX /* no expectation                                   */
#define TRL_REV_ABSENT 0u         /* must not exist now: never written, or a tombstone */

/* One entry, as emitted (op_emit of exactly this header followed by key and value bytes; use
 * trl_entry_* in helper.h) by get, list and watch. */
typedef struct trl_entry {
    uint32_t struct_size;
    uint32_t flags; /* TRL_ENTRY_* */
    uint64_t revision;
    uint32_t key_len;
    uint32_t value_len;
    /* key bytes, then value bytes follow */
} trl_entry;
#define TRL_ENTRY_DELETED 1u /* tombstone: no value                                         */
#define TRL_ENTRY_SYNC                                                                             \
    2u /* watch: everything that existed at the start has been emitted;                            \
          key and value empty, revision = the store's latest             */
#define TRL_ENTRY_RESET                                                                            \
    4u /* watch: the store lost its past (deleted, emptied, set back to an older                   \
          copy): revisions start over, the live entries follow, then SYNC. What                    \
          they lack was lost, not deleted. Key and value empty. */

typedef struct trl_put {
    uint32_t struct_size, flags; /* TRL_PUT_DELETE */
    trl_str key;
    trl_bytes value;
    uint64_t expect_rev; /* TRL_REV_ANY, TRL_REV_ABSENT, or the key's present revision */
} trl_put;
#define TRL_PUT_DELETE 1u

typedef struct trl_store_v1 {
    uint32_t struct_size, flags; /* TRL_S_* */
    /* Emits one entry, then TRL_OK; TRL_E_NOTFOUND when absent or deleted. */
    void (*get)(trl_inst *, trl_op *op, trl_str key);
    /* Result: the new revision as 8 bytes (uint64_t). TRL_E_CONFLICT when expect_rev does not hold
     * and nothing changed. */
    void (*put)(trl_inst *, trl_op *op, const trl_put *p);
    void (*del)(trl_inst *, trl_op *op, trl_str key, uint64_t expect_rev);
    /* n puts or deletes, in order; result: revision of the last. With TRL_S_ATOMIC all or nothing,
     * else it stops at the first failure. puts: stride as given. */
    void (*batch)(trl_inst *, trl_op *op, const void *puts, uint32_t n, uint32_t stride);
    /* Emits live entries whose key starts with prefix, by key, after `after` (exclusive; empty:
     * from the start), at most limit (0: all), then TRL_OK. */
    void (*list)(trl_inst *, trl_op *op, trl_str prefix, trl_str after, uint32_t limit);
    /* Emits the live entries under prefix, then one TRL_ENTRY_SYNC, then every change in order
     * until cancelled. from_rev > 0: only changes after that revision, SYNC first. Revisions of one
     * key never go backwards; after a reconnect the whole state may be emitted again, ended by
     * another SYNC. */
    void (*watch)(trl_inst *, trl_op *op, trl_str prefix, uint64_t from_rev);
    void (*cancel)(trl_inst *, trl_op *op);
    void (*resume)(trl_inst *, trl_op *op);
    /* One JSON object: durability, size, drift...; may be NULL. */
    void (*info)(trl_inst *, trl_op *op);
} trl_store_v1;

#ifdef __cplusplus
}
#endif
#endif
