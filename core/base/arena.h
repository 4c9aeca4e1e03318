/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory for what dies together: one manifest, one planning round.
 */
#ifndef TRELLIS_BASE_ARENA_H
#define TRELLIS_BASE_ARENA_H

#include "base/str.h"

struct arena {
    struct arena_block *head;
    size_t used; /* bytes handed out */
};
#define ARENA_INIT                                                                                 \
    { NULL, 0 }

void *arena_alloc(struct arena *a, size_t n); /* zeroed, aligned for anything */
void *arena_raw(struct arena *a, size_t n);   /* the same, of any content */
str arena_str(struct arena *a, str s);        /* copy, NUL-terminated */
/* The parts with `between` between them, NUL-terminated. */
str arena_join(struct arena *a, const str *parts, uint32_t n, str between);
__attribute__((format(printf, 2, 3))) str arena_printf(struct arena *a, const char *fmt, ...);
void arena_reset(struct arena *a); /* everything is gone; keeps the largest block */
void arena_finish(struct arena *a);
#define ARENA_NEW(a, T)      ((T *)arena_alloc((a), sizeof(T)))
#define ARENA_ARRAY(a, T, n) ((T *)arena_alloc((a), sizeof(T) * (n)))

#endif
