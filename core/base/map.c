/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <endian.h>
#include <string.h>

#include "base/mem.h"

static uint64_t mix(uint64_t h, uint64_t x) {
    unsigned __int128 m = (unsigned __int128)(h ^ x) * 0x9e3779b97f4a7c15ull;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* Names come from manifests and hosts. Collisions made on purpose cost time only, bounded by the
 * limits on manifests. Eight bytes at once, in one order everywhere. */
uint64_t hash_bytes(const void *p, size_t n) {
    const unsigned char *b = p;
    uint64_t h = TRL_HASH_INIT ^ n, x;
    for (; n >= sizeof(x); n -= sizeof(x), b += sizeof(x)) {
        memcpy(&x, b, sizeof(x));
        h = mix(h, le64toh(x));
    }
    x = 0;
    for (size_t i = 0; i < n; i++) {
        x |= (uint64_t)b[i] << (8 * i);
    }
    return mix(mix(h, x), h);
}

/* The slot that holds the key, or the free slot where it belongs. */
static uint32_t *find_slot(const struct map *m, str key, uint64_t hash) {
    uint32_t mask = m->n_slots - 1;
    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        uint32_t s = m->slots[i];
        if (s == 0 || (m->at[s - 1].hash == hash && str_eq(m->at[s - 1].key, key))) {
            return &m->slots[i];
        }
    }
}

static void rehash(struct map *m, uint32_t n_slots) {
    mem_free(m->slots);
    m->slots = mem_array(n_slots, sizeof(*m->slots));
    m->n_slots = n_slots;
    for (uint32_t i = 0; i < m->n; i++) {
        *find_slot(m, m->at[i].key, m->at[i].hash) = i + 1;
    }
}

void *map_get(const struct map *m, str key) {
    if (m->n == 0) {
        return NULL;
    }
    uint32_t s = *find_slot(m, key, hash_bytes(key.ptr, key.len));
    return s ? m->at[s - 1].value : NULL;
}

bool map_has(const struct map *m, str key) {
    return m->n && *find_slot(m, key, hash_bytes(key.ptr, key.len)) != 0;
}

void *map_set(struct map *m, str key, void *value) {
    uint64_t hash = hash_bytes(key.ptr, key.len);
    if ((m->n + 1) * 2 > m->n_slots) {
        rehash(m, m->n_slots ? m->n_slots * 2 : 8);
    }
    uint32_t *slot = find_slot(m, key, hash);
    if (*slot) {
        void *old = m->at[*slot - 1].value;
        m->at[*slot - 1].value = value;
        return old;
    }
    m->at = mem_grow(m->at, &m->cap, m->n + 1, sizeof(*m->at));
    m->at[m->n] = (struct map_entry){str_n(str_dup(key), key.len), value, hash};
    *slot = ++m->n;
    return NULL;
}

/* Closes the gap that a removed slot leaves, so that probing needs no tombstones. */
static void close_gap(struct map *m, uint32_t gap) {
    uint32_t mask = m->n_slots - 1;
    for (uint32_t i = (gap + 1) & mask; m->slots[i]; i = (i + 1) & mask) {
        uint32_t home = (uint32_t)m->at[m->slots[i] - 1].hash & mask;
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            m->slots[gap] = m->slots[i];
            m->slots[i] = 0;
            gap = i;
        }
    }
}

void *map_del(struct map *m, str key) {
    if (m->n == 0) {
        return NULL;
    }
    uint32_t *slot = find_slot(m, key, hash_bytes(key.ptr, key.len));
    if (!*slot) {
        return NULL;
    }
    uint32_t i = *slot - 1, last = m->n - 1;
    void *old = m->at[i].value;
    char *dead = (char *)(uintptr_t)m->at[i].key.ptr;
    if (i != last) {
        *find_slot(m, m->at[last].key, m->at[last].hash) = i + 1;
    }
    *slot = 0;
    if (i != last) {
        m->at[i] = m->at[last];
    }
    m->n--;
    close_gap(m, (uint32_t)(slot - m->slots));
    mem_free(dead);
    return old;
}

void map_clear(struct map *m) {
    for (uint32_t i = 0; i < m->n; i++) {
        mem_free((char *)(uintptr_t)m->at[i].key.ptr);
    }
    m->n = 0;
    if (m->n_slots) {
        memset(m->slots, 0, m->n_slots * sizeof(*m->slots));
    }
}

void map_finish(struct map *m) {
    map_clear(m);
    mem_free(m->at);
    mem_free(m->slots);
    *m = (struct map)MAP_INIT;
}

uint32_t intern_id(struct intern *in, str s) {
    uintptr_t v = (uintptr_t)map_get(&in->map, s);
    if (!v) {
        v = (uintptr_t)in->map.n + 1;
        map_set(&in->map, s, (void *)v);
    }
    return (uint32_t)v - 1;
}

uint32_t intern_find(const struct intern *in, str s) {
    uintptr_t v = (uintptr_t)map_get(&in->map, s);
    return v ? (uint32_t)v - 1 : INTERN_NONE;
}

str intern_str(const struct intern *in, uint32_t id) {
    return in->map.at[id].key;
}

void intern_finish(struct intern *in) {
    map_finish(&in->map);
}
