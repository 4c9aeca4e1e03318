/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory of one placement: taken piece by piece, given back in one go.
 */
#ifndef PLUGINS_SCALER_SCRATCH_H
#define PLUGINS_SCALER_SCRATCH_H

#include "../common/xmem.h"

#define SCRATCH_FIRST 12288u /* as much needs no allocation: a hundred hosts */

struct scratch_piece {
    struct scratch_piece *next;
    uint64_t align_[1];
};

struct scratch {
    struct scratch_piece *pieces;
    size_t used; /* of first */
    _Alignas(16) char first[SCRATCH_FIRST];
};

static inline void scratch_init(struct scratch *s) {
    s->pieces = NULL;
    s->used = 0;
}

/* Zeroed; borrowed until scratch_finish(). */
static inline void *scratch_array(struct scratch *s, size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct scratch_piece), &bytes)) {
        abort();
    }
    if (bytes <= SCRATCH_FIRST - s->used) {
        void *at = memset(s->first + s->used, 0, n * size);
        s->used += (n * size + 15) & ~(size_t)15;
        return at;
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
