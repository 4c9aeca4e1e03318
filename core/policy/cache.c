/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/cache.h"

#include <trellis/kind/policy.h>

#include "base/digest.h"
#include "base/mem.h"

struct cache_entry {
    struct ruling *ruling; /* referenced */
    int64_t until_ns;
    bool once;
};

void cache_init(struct cache *c, uint32_t entries) {
    *c = (struct cache){MAP_INIT, MAP_INIT, entries / 2 ? entries / 2 : 1, 0, 0};
}

static void clear(struct map *m) {
    for (uint32_t i = 0; i < m->n; i++) {
        struct cache_entry *e = m->at[i].value;
        ruling_unref(e->ruling);
        mem_free(e);
    }
    map_finish(m);
    *m = (struct map)MAP_INIT;
}

void cache_clear(struct cache *c) {
    clear(&c->young);
    clear(&c->old);
}

void cache_finish(struct cache *c) {
    cache_clear(c);
}

struct cache_key cache_key(uint32_t point, str subject) {
    struct cache_key k;
    str parts[] = {str_n((const char *)&point, sizeof(point)), subject};
    digest_128(parts, ARRAY_LEN(parts), k.bytes);
    return k;
}

static str text(const struct cache_key *k) {
    return str_n((const char *)k->bytes, sizeof(k->bytes));
}

static void insert(struct cache *c, str key, struct cache_entry *e) {
    if (c->young.n >= c->half && !map_has(&c->young, key)) {
        clear(&c->old);
        c->old = c->young;
        c->young = (struct map)MAP_INIT;
    }
    struct cache_entry *before = map_set(&c->young, key, e);
    if (before) {
        ruling_unref(before->ruling);
        mem_free(before);
    }
}

struct ruling *cache_find(struct cache *c, const struct cache_key *k, int64_t now_ns) {
    str key = text(k);
    struct cache_entry *e = map_get(&c->young, key);
    bool aged = !e;
    e = e ? e : map_get(&c->old, key);
    if (!e || e->until_ns <= now_ns || (e->once && e->ruling->spent)) {
        c->misses++;
        return NULL;
    }
    c->hits++;
    if (aged) {
        map_del(&c->old, key);
        insert(c, key, e);
    }
    return e->ruling;
}

void cache_put(struct cache *c, const struct cache_key *k, struct ruling *r, int64_t now_ns) {
    int64_t life = (int64_t)r->ttl_ms * 1000000;
    struct cache_entry *e = mem_alloc(sizeof(*e));
    *e = (struct cache_entry){ruling_ref(r), INT64_MAX, life < CACHE_HOLD_NS};
    if (r->ttl_ms != TRL_TTL_RULES) {
        e->until_ns = now_ns + (life > CACHE_HOLD_NS ? life : CACHE_HOLD_NS);
    }
    insert(c, text(k), e);
}
