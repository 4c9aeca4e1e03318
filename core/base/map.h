/* SPDX-License-Identifier: Apache-2.0
 *
 * A map from byte strings to pointers, and an interner. Iteration is in order of insertion (a
 * removal moves the last entry into the hole), so no decision depends on hash values.
 */
#ifndef TRELLIS_BASE_MAP_H
#define TRELLIS_BASE_MAP_H

#include "base/str.h"

struct map_entry {
    str key; /* owned by the map */
    void *value;
    uint64_t hash;
};

struct map {
    struct map_entry *at; /* [n], in order */
    uint32_t n, cap;
    uint32_t *slots;  /* index + 1, open addressing; 0: free */
    uint32_t n_slots; /* power of two */
};
#define MAP_INIT                                                                                   \
    { NULL, 0, 0, NULL, 0 }

void *map_get(const struct map *m, str key); /* NULL when absent */
bool map_has(const struct map *m, str key);
/* Sets; the key is copied when new. Returns the value that was there. */
void *map_set(struct map *m, str key, void *value);
void *map_del(struct map *m, str key); /* the value that was there */
void map_clear(struct map *m);
void map_finish(struct map *m); /* values are the caller's */

/* Strings to dense ids 0, 1, 2, ...; never forgets. */
struct intern {
    struct map map;
};
#define INTERN_INIT                                                                                \
    { MAP_INIT }
#define INTERN_NONE UINT32_MAX
uint32_t intern_id(struct intern *in, str s);         /* adds when new */
uint32_t intern_find(const struct intern *in, str s); /* INTERN_NONE when unknown */
str intern_str(const struct intern *in, uint32_t id); /* borrowed for the interner's life */
void intern_finish(struct intern *in);

uint64_t hash_bytes(const void *p, size_t n);

#endif
