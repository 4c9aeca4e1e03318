/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory of one placement: taken piece by piece, given back in one go.
 */
#ifndef PLUGINS_SCALER_SCRATCH_H
#define PLUGINS_SCALER_SCRATCH_H

#include "../common/xmem.h"

struct scratch_piece {
    struct scratch_piece *next;
    uint64_t align_[1];
};

struct scratch {
    struct scratch_piece *pieces;
};

/* Zeroed; borrowed until scratch_finish(). */
static inline void *scratch_array(struct scratch *s, size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct scratch_piece), &bytes)) {
        abort();
    }
    struct scratch_piece *p = x_zalloc(bytes);
    p->next = s->pieces;
    s->pieces = p;
    return p + 1;
}

static inline void scratch_finish(struct scratch *s) {
    while (s->pieces) {
        struct scratch_piece *next = s->pieces->next;
        free(s->pieces);
        s->pieces = next;
    }
}

#endif
