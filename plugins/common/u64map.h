/* SPDX-License-Identifier: Apache-2.0
 *
 * A hash map from a 64-bit number (an id, the address of an op) to a borrowed pointer. Order is
 * never shown, so addresses as keys do not hurt determinism. Zeroed memory is an empty map.
 */
#ifndef PLUGINS_COMMON_U64MAP_H
#define PLUGINS_COMMON_U64MAP_H

#include <stddef.h>
#include <stdint.h>

struct u64map_slot {
    uint64_t key;
    void *value; /* NULL: free */
};

struct u64map {
    struct u64map_slot *slots;
    size_t n, cap; /* cap: a power of two, or 0 */
};

void u64map_finish(struct u64map *m);
void *u64map_find(const struct u64map *m, uint64_t key);      /* borrowed; NULL when absent */
void u64map_put(struct u64map *m, uint64_t key, void *value); /* replaces; value not NULL */
void *u64map_take(struct u64map *m, uint64_t key); /* removes and returns; NULL when absent */

static inline uint64_t u64map_ptr_key(const void *p) {
    return (uint64_t)(uintptr_t)p;
}

#endif
