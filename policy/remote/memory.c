/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include <trellis/helper.h>

#include "../../plugins/common/u64map.h"
#include "../../plugins/common/xmem.h"

/* Found by a hash of its name, and checked by the name: of two with one hash the later stays. */
struct entry {
    struct entry *next; /* all of a table */
    char *name, *key;   /* key: of a request */
    struct override override;
};

struct table {
    struct u64map by_hash;
    struct entry *first;
    uint32_t n;
};

struct memory {
    uint64_t seed;
    struct table requests, overrides;
};

struct memory *memory_create(uint64_t seed) {
    struct memory *m = x_zalloc(sizeof(*m));
    m->seed = seed;
    return m;
}

static void table_clear(struct table *t) {
    while (t->first) {
        struct entry *e = t->first;
        t->first = e->next;
        free(e->name);
        free(e->key);
        free(e->override.message);
        free(e);
    }
    u64map_finish(&t->by_hash);
    memset(t, 0, sizeof(*t));
}

void memory_destroy(struct memory *m) {
    if (m) {
        table_clear(&m->requests);
        table_clear(&m->overrides);
        free(m);
    }
}

static uint64_t hash(const struct memory *m, const char *name) {
    uint64_t h = trl_hash_more(TRL_HASH_INIT, &m->seed, sizeof(m->seed));
    h = trl_hash_more(h, name, strlen(name));
    return h ? h : 1;
}

static struct entry *find(const struct memory *m, const struct table *t, const char *name) {
    struct entry *e = u64map_find(&t->by_hash, hash(m, name));
    return e && strcmp(e->name, name) == 0 ? e : NULL;
}

static struct entry *find_or_add(const struct memory *m, struct table *t, const char *name) {
    struct entry *e = find(m, t, name);
    if (!e) {
        e = x_zalloc(sizeof(*e));
        e->name = x_checked(strdup(name));
        e->next = t->first;
        t->first = e;
        t->n++;
        u64map_put(&t->by_hash, hash(m, name), e);
    }
    return e;
}

int memory_note(struct memory *m, const char *id, const char *key) {
    int full = m->requests.n >= MEMORY_MAX;
    struct entry *e;
    if (full) {
        table_clear(&m->requests);
    }
    e = find_or_add(m, &m->requests, id);
    free(e->key);
    e->key = x_checked(strdup(key));
    return full;
}

const char *memory_key(const struct memory *m, const char *id) {
    const struct entry *e = find(m, &m->requests, id);
    return e ? e->key : NULL;
}

void memory_override(struct memory *m, const char *key, int permitted, const char *message) {
    struct entry *e;
    if (m->overrides.n >= MEMORY_MAX && !find(m, &m->overrides, key)) {
        table_clear(&m->overrides);
    }
    e = find_or_add(m, &m->overrides, key);
    free(e->override.message);
    e->override.permitted = permitted;
    e->override.message = message ? x_checked(strdup(message)) : NULL;
}

const struct override *memory_find(const struct memory *m, const char *key) {
    const struct entry *e = find(m, &m->overrides, key);
    return e ? &e->override : NULL;
}

uint32_t memory_overrides(const struct memory *m) {
    return m->overrides.n;
}
