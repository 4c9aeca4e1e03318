/* SPDX-License-Identifier: Apache-2.0 */
#include "u64map.h"

#include "xmem.h"

static size_t home(const struct u64map *m, uint64_t key) {
    key ^= key >> 32;
    key *= 0x9e3779b97f4a7c15ull;
    key ^= key >> 29;
    return (size_t)key & (m->cap - 1);
}

void u64map_finish(struct u64map *m) {
    free(m->slots);
    memset(m, 0, sizeof(*m));
}

/* Where the key is, or the free slot where it would go. */
static size_t locate(const struct u64map *m, uint64_t key) {
    size_t i = home(m, key);
    while (m->slots[i].value && m->slots[i].key != key) {
        i = (i + 1) & (m->cap - 1);
    }
    return i;
}

void *u64map_find(const struct u64map *m, uint64_t key) {
    return m->n ? m->slots[locate(m, key)].value : NULL;
}

static void grow(struct u64map *m) {
    struct u64map bigger = {.cap = m->cap ? m->cap * 2 : 16, .n = m->n};
    bigger.slots = x_zalloc_n(bigger.cap, sizeof(*bigger.slots));
    for (size_t i = 0; i < m->cap; i++) {
        if (m->slots[i].value) {
            bigger.slots[locate(&bigger, m->slots[i].key)] = m->slots[i];
        }
    }
    free(m->slots);
    *m = bigger;
}

void u64map_put(struct u64map *m, uint64_t key, void *value) {
    size_t i;
    if ((m->n + 1) * 4 > m->cap * 3) {
        grow(m);
    }
    i = locate(m, key);
    m->n += m->slots[i].value == NULL;
    m->slots[i] = (struct u64map_slot){key, value};
}

void *u64map_take(struct u64map *m, uint64_t key) {
    size_t hole, i;
    void *value;
    if (!m->n) {
        return NULL;
    }
    hole = locate(m, key);
    value = m->slots[hole].value;
    if (!value) {
        return NULL;
    }
    m->n--;
    /* Close the gap: move back whatever could not be found past it. */
    for (i = (hole + 1) & (m->cap - 1); m->slots[i].value; i = (i + 1) & (m->cap - 1)) {
        size_t h = home(m, m->slots[i].key);
        if (((i - h) & (m->cap - 1)) >= ((i - hole) & (m->cap - 1))) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole].value = NULL;
    return value;
}
