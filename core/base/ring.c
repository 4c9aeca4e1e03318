/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ring.h"

#include "base/mem.h"

void ring_init(struct ring *r, uint32_t n, size_t size) {
    *r = (struct ring){mem_array(n, size), size, n, 0};
}

void ring_finish(struct ring *r) {
    mem_free(r->slots);
    *r = (struct ring){NULL, 0, 0, 0};
}

void *ring_add(struct ring *r) {
    return r->slots + r->last++ % r->n * r->size;
}

uint64_t ring_first(const struct ring *r) {
    return r->last > r->n ? r->last - r->n + 1 : r->last > 0;
}

void *ring_at(const struct ring *r, uint64_t number) {
    if (number == 0 || number > r->last || number < ring_first(r)) {
        return NULL;
    }
    return r->slots + (number - 1) % r->n * r->size;
}
