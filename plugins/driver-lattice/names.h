/* SPDX-License-Identifier: Apache-2.0
 *
 * A hash map from byte strings to pointers. Keys are owned by the map, values borrowed. Zeroed
 * memory is an empty map. No decision may depend on the order of iteration beyond "the same on
 * every run".
 */
#ifndef DRIVER_LATTICE_NAMES_H
#define DRIVER_LATTICE_NAMES_H

#include <trellis/abi.h>

struct names_slot {
    char *key; /* owned, NUL-terminated; NULL: free */
    size_t len;
    uint64_t hash;
    void *value;
};

struct names {
    struct names_slot *slots; /* walk 0 .. cap-1, skip key == NULL; no changes meanwhile */
    size_t n, cap;            /* cap: a power of two, or 0 */
};

void names_finish(struct names *m);
void *names_find(const struct names *m, trl_str key); /* NULL when absent */
/* Sets (value not NULL). Returns the map's own copy of the key, which lives as long as the entry.
 */
trl_str names_put(struct names *m, trl_str key, void *value);
void *names_take(struct names *m, trl_str key); /* removes; NULL when absent */

#endif
