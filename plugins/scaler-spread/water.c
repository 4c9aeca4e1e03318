/* SPDX-License-Identifier: Apache-2.0 */
#include "water.h"

#include <stdbool.h>
#include <stdlib.h>

static int lowest_first(const void *a, const void *b) {
    const struct bucket *x = a, *y = b;
    if (x->count != y->count) {
        return x->count < y->count ? -1 : 1;
    }
    return x->rank < y->rank ? -1 : 1;
}

static int rank_first(const void *a, const void *b) {
    const struct bucket *x = a, *y = b;
    return x->rank < y->rank ? -1 : 1;
}

/* Sorting is what costs: skip it when they stand right already, as from empty. */
static void sort(struct bucket *b, uint32_t n, int (*cmp)(const void *, const void *)) {
    bool sorted = true;
    for (uint32_t i = 1; i < n && sorted; i++) {
        sorted = cmp(&b[i - 1], &b[i]) < 0;
    }
    if (!sorted) {
        qsort(b, n, sizeof(*b), cmp);
    }
}

uint64_t water_fill(struct bucket *b, uint32_t n, uint64_t amount) {
    if (n == 0 || amount == 0) {
        return amount;
    }
    sort(b, n, lowest_first);
    uint64_t level = b[0].count;
    uint32_t m = 1; /* the first m stand at `level` */
    for (; m < n; m++) {
        unsigned __int128 cost = (unsigned __int128)(b[m].count - level) * m;
        if (cost > amount) {
            break;
        }
        amount -= (uint64_t)cost;
        level = b[m].count;
    }
    uint64_t each = amount / m, extra = amount % m, left = 0;
    if (each >= UINT32_MAX - level) { /* everybody is full */
        left = amount - (UINT32_MAX - level) * m;
        each = UINT32_MAX - level;
        extra = 0;
    }
    sort(b, m, rank_first);
    for (uint32_t i = 0; i < m; i++) {
        b[i].count = (uint32_t)(level + each + (i < extra));
    }
    return left;
}

uint64_t water_drain(struct bucket *b, uint32_t n, uint64_t amount) {
    if (n == 0 || amount == 0) {
        return amount;
    }
    sort(b, n, lowest_first);
    uint64_t level = b[n - 1].count;
    uint32_t m = 1; /* the last m stand at `level` */
    for (; m < n; m++) {
        unsigned __int128 gain = (unsigned __int128)(level - b[n - 1 - m].count) * m;
        if (gain > amount) {
            break;
        }
        amount -= (uint64_t)gain;
        level = b[n - 1 - m].count;
    }
    uint64_t each = amount / m, extra = amount % m, left = 0;
    if (each >= level) {
        left = amount - level * m;
        each = level;
        extra = 0;
    }
    struct bucket *top = b + (n - m);
    sort(top, m, rank_first);
    for (uint32_t i = 0; i < m; i++) {
        top[i].count = (uint32_t)(level - each - (m - i <= extra));
    }
    return left;
}
