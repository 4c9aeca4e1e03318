/* SPDX-License-Identifier: Apache-2.0 */
#include "split.h"

#include <stdlib.h>

struct weighed {
    uint64_t weight;
    uint32_t spread;
};

static int heaviest_first(const void *a, const void *b) {
    const struct weighed *x = a, *y = b;
    if (x->weight != y->weight) {
        return x->weight > y->weight ? -1 : 1;
    }
    return x->spread < y->spread ? -1 : 1;
}

void split(const trl_scaler_spec *spec, uint64_t instances, struct share *ret) {
    struct weighed w[SPEC_SPREADS_MAX];
    uint32_t k = spec->n_spreads;
    unsigned __int128 sum = 0;
    uint64_t rest = instances;
    for (uint32_t i = 0; i < k; i++) {
        w[i] = (struct weighed){spec->spreads[i].weight, i};
        sum += w[i].weight;
    }
    qsort(w, k, sizeof(w[0]), heaviest_first);
    for (uint32_t i = 0; i < k; i++) {
        /* At most instances, as a weight is at most the sum. */
        uint64_t n =
            sum ? (uint64_t)((unsigned __int128)instances * w[i].weight / sum) : instances / k;
        ret[i] = (struct share){w[i].spread, n};
        rest -= n;
    }
    for (uint32_t i = 0; i < k && rest > 0; i++, rest--) {
        ret[i].target++;
    }
}
