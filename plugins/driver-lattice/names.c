/* SPDX-License-Identifier: Apache-2.0 */
#include "names.h"

#include <trellis/helper.h>

#include "../common/xmem.h"

void names_finish(struct names *m) {
    for (size_t i = 0; i < m->cap; i++) {
        free(m->slots[i].key);
    }
    free(m->slots);
    memset(m, 0, sizeof(*m));
}

static uint64_t hash_of(trl_str key) {
    uint64_t h = trl_hash_more(TRL_HASH_INIT, key.ptr, key.len);
    return h ^ h >> 32;
}

/* Where the key is, or the free slot where it would go. */
static size_t locate(const struct names *m, trl_str key, uint64_t hash) {
    size_t i = (size_t)hash & (m->cap - 1);
    while (m->slots[i].key && !(m->slots[i].hash == hash &&
                                trl_str_eq(trl_strn(m->slots[i].key, m->slots[i].len), key))) {
        i = (i + 1) & (m->cap - 1);
    }
    return i;
}

void *names_find(const struct names *m, trl_str key) {
    if (!m->n) {
        return NULL;
    }
    const struct names_slot *s = &m->slots[locate(m, key, hash_of(key))];
    return s->key ? s->value : NULL;
}

static void grow(struct names *m) {
    struct names bigger = {.cap = m->cap ? m->cap * 2 : 8, .n = m->n};
    bigger.slots = x_zalloc_n(bigger.cap, sizeof(*bigger.slots));
    for (size_t i = 0; i < m->cap; i++) {
        const struct names_slot *s = &m->slots[i];
        if (s->key) {
            bigger.slots[locate(&bigger, trl_strn(s->key, s->len), s->hash)] = *s;
        }
    }
    free(m->slots);
    *m = bigger;
}

trl_str names_put(struct names *m, trl_str key, void *value) {
    uint64_t hash = hash_of(key);
    if ((m->n + 1) * 4 > m->cap * 3) {
        grow(m);
    }
    struct names_slot *s = &m->slots[locate(m, key, hash)];
    if (!s->key) {
        s->key = x_zalloc(key.len + 1);
        if (key.len) {
            memcpy(s->key, key.ptr, key.len);
        }
        s->len = key.len;
        s->hash = hash;
        m->n++;
    }
    s->value = value;
    return trl_strn(s->key, s->len);
}

void *names_take(struct names *m, trl_str key) {
    if (!m->n) {
        return NULL;
    }
    size_t hole = locate(m, key, hash_of(key));
    if (!m->slots[hole].key) {
        return NULL;
    }
    void *value = m->slots[hole].value;
    free(m->slots[hole].key);
    m->n--;
    /* Close the gap: move back whatever could not be found past it. */
    size_t mask = m->cap - 1;
    for (size_t i = (hole + 1) & mask; m->slots[i].key; i = (i + 1) & mask) {
        size_t home = (size_t)m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    memset(&m->slots[hole], 0, sizeof(m->slots[hole]));
    return value;
}
