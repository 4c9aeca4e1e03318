/* SPDX-License-Identifier: Apache-2.0
 *
 * Rulings that still hold, by point and subject. Pure: time comes in. Bounded: two generations of
 * at most half the entries each; what was not asked for lately goes with the older one.
 */
#ifndef TRELLIS_POLICY_CACHE_H
#define TRELLIS_POLICY_CACHE_H

#include "base/map.h"
#include "policy/ruling.h"

#define CACHE_ENTRIES 131072u
#define CACHE_HOLD_NS                                                                              \
    1000000000ll /* a ruling that must not be kept: long enough to be used once                    \
                  */

struct cache_key { /* a digest: the subject's text may be long */
    unsigned char bytes[16];
};

struct cache {
    struct map young, old; /* key bytes -> struct cache_entry */
    uint32_t half;
    uint64_t hits, misses;
};

void cache_init(struct cache *c, uint32_t entries);
void cache_finish(struct cache *c);
void cache_clear(struct cache *c); /* rules changed */

struct cache_key cache_key(uint32_t point, str subject);
/* Borrowed until the next change of the cache; NULL: unknown or expired. One that must not be kept
 * is given out until it is spent: the caller's decision is made with it. */
struct ruling *cache_find(struct cache *c, const struct cache_key *k, int64_t now_ns);
void cache_put(struct cache *c, const struct cache_key *k, struct ruling *r, int64_t now_ns);

#endif
