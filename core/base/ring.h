/* SPDX-License-Identifier: Apache-2.0
 *
 * The last n things of one size, numbered from 1; the oldest give way. Memory is taken once. Loop
 * only.
 */
#ifndef TRELLIS_BASE_RING_H
#define TRELLIS_BASE_RING_H

#include <stddef.h>
#include <stdint.h>

struct ring {
    unsigned char *slots; /* owned */
    size_t size;
    uint32_t n;
    uint64_t last; /* number of the newest; 0: none yet */
};

void ring_init(struct ring *r, uint32_t n, size_t size);
void ring_finish(struct ring *r);
void *ring_add(struct ring *r); /* the slot of the next number; holds what it held before */
void *ring_at(const struct ring *r, uint64_t number); /* NULL: gone, or not there yet */
uint64_t ring_first(const struct ring *r);            /* the oldest kept; 0: none */

#endif
