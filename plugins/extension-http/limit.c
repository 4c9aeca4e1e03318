/* SPDX-License-Identifier: Apache-2.0 */
#include "limit.h"

#include <netinet/in.h>
#include <string.h>
#include <trellis/trellis.h>

#define WAYS 8u /* an address lives in one of these neighbours */

void limit_init(struct limit *l, double per_s, double burst) {
    memset(l, 0, sizeof(*l));
    l->per_s = per_s;
    l->burst = burst;
}

uint64_t limit_key(const struct sockaddr *a) {
    uint64_t h = TRL_HASH_INIT;
    if (a && a->sa_family == AF_INET) {
        h = trl_hash_more(h, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
    } else if (a && a->sa_family == AF_INET6) {
        h = trl_hash_more(h, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, 8);
    }
    return h ? h : 1;
}

static struct limit_entry *find(struct limit *l, uint64_t key, int64_t now_ns) {
    size_t from = (size_t)(key ^ key >> 32) % (LIMIT_ADDRESSES / WAYS) * WAYS;
    struct limit_entry *oldest = &l->at[from];
    for (size_t i = from; i < from + WAYS; i++) {
        struct limit_entry *e = &l->at[i];
        if (e->key == key) {
            double more = (double)(now_ns - e->at_ns) / 1e9 * l->per_s;
            e->tokens = e->tokens + more < l->burst ? e->tokens + more : l->burst;
            e->at_ns = now_ns;
            return e;
        }
        if (e->at_ns < oldest->at_ns) {
            oldest = e;
        }
    }
    *oldest = (struct limit_entry){key, l->burst, now_ns};
    return oldest;
}

int limit_take(struct limit *l, uint64_t key, int64_t now_ns) {
    struct limit_entry *e = find(l, key, now_ns);
    if (e->tokens < 1) {
        return 0;
    }
    e->tokens -= 1;
    return 1;
}

int limit_empty(struct limit *l, uint64_t key, int64_t now_ns) {
    return find(l, key, now_ns)->tokens < 1;
}
